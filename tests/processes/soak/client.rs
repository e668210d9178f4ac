//! The operations of the threads through the client.

use super::driver::PART;
use super::worker::{ANY_KEY, BUCKET, Worker};
use crate::support::content::bytes;
use s3driver::client::{
    ByteRange, Condition, CopySource, GetObject, ListObjects, ObjectSettings, Part, UploadRef,
};
use s3driver::transfer::{ObjectWriter, Transfer};
use s3driver::{Error, ErrorKind, Result};
use std::io::{Read, Seek, SeekFrom, Write};

impl Worker<'_> {
    pub(crate) fn step_of_client(&mut self) {
        let settings = ObjectSettings::default();
        let key = self.key();
        match self.dice.roll(17) {
            0..3 => {
                self.count("PutObject");
                let content = self.content();
                let result = self.client.put_object(BUCKET, &key, &content, &settings).map(drop);
                self.changed(&key, Some(content), result);
            }
            3..5 => {
                self.count("GetObject");
                let got = self
                    .client
                    .get_object(BUCKET, &key, &GetObject::default())
                    .and_then(|r| r.read_all(1 << 20));
                self.compare(&key, self.model.get(&key).map(Vec::as_slice), got);
            }
            5 => {
                let Some(size) = self.model.get(&key).map(Vec::len).filter(|size| *size > 10)
                else {
                    return;
                };
                self.count("GetObject of a range");
                let offset = self.dice.roll(size as u64 - 1);
                let request = GetObject::range(ByteRange::From(offset));
                let got = self
                    .client
                    .get_object(BUCKET, &key, &request)
                    .and_then(|r| r.read_all(1 << 20));
                self.compare(&key, Some(&self.model[&key][offset as usize..]), got);
            }
            6 => {
                self.count("DeleteObject");
                let result = self.client.delete_object(BUCKET, &key, &Default::default()).map(drop);
                self.changed(&key, None, result);
            }
            7 => {
                self.count("DeleteObjects");
                let keys = [key, self.key()];
                let result = self.client.delete_objects(BUCKET, &[&keys[0], &keys[1]]).map(drop);
                self.settle(keys.map(|key| (key, None)).into(), result);
            }
            8 => {
                let (Some(content), to) = (self.model.get(&key).cloned(), self.key()) else {
                    return;
                };
                if to == key {
                    return;
                }
                self.count("CopyObject");
                let source = CopySource::new(BUCKET, &key);
                let result = self.client.copy_object(source, BUCKET, &to, &settings).map(drop);
                self.changed(&to, Some(content), result);
            }
            9 => {
                self.count("PutObject if absent");
                let content = self.content();
                let absent = settings.condition(Condition::IfAbsent);
                match self.client.put_object(BUCKET, &key, &content, &absent) {
                    Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                        assert!(self.model.contains_key(&key), "{key} does not exist: {error}");
                    }
                    Ok(_) if self.model.contains_key(&key) => panic!("{key} was replaced"),
                    // The object belongs to a different attempt, or a different object was found:
                    // the store decides.
                    result => self.changed(&key, Some(content), result.map(drop)),
                }
            }
            10 => self.upload(&key),
            11 => self.upload_copies(&key),
            12..14 => self.write_any_key(),
            14..16 => self.read_any_key(),
            _ => {
                self.count("ListObjectsV2");
                let pages = self
                    .client
                    .objects(BUCKET, ListObjects::prefix(format!("{}/", self.prefix)).max_keys(3))
                    .pages();
                let Some(pages) = self.some(pages.collect::<Result<Vec<_>>>()) else { return };
                let found = pages
                    .into_iter()
                    .flat_map(|page| page.contents)
                    .map(|o| (o.key, o.size as usize));
                // Objects that the driver keeps for unfinished files are not part of the model.
                let found = found.filter(|(key, _)| !key.contains("/.s3driver-"));
                let known = self.model.iter().map(|(key, content)| (key.clone(), content.len()));
                assert!(found.eq(known), "the listing of {} differs", self.prefix);
            }
        }
    }

    /// Uploads an object in up to three parts, and sometimes aborts the upload.
    fn upload(&mut self, key: &str) {
        let content = self.content();
        let size = content.len().div_ceil(3).max(1);
        let pieces: Vec<&[u8]> =
            if content.is_empty() { vec![&[]] } else { content.chunks(size).collect() };
        let client = self.client.clone();
        let give_up = self.dice.roll(8) == 0;
        self.count(if give_up { "upload in parts, aborted" } else { "upload in parts" });
        let sent = self.assemble(key, |upload| {
            (1..)
                .zip(&pieces)
                .map(|(number, piece)| client.upload_part(upload, number, piece))
                .collect()
        });
        match sent {
            Some((upload_id, parts)) if !give_up => {
                self.complete(key, &upload_id, &parts, content.clone());
            }
            Some((upload_id, _)) => {
                let upload = UploadRef { bucket: BUCKET, key, upload_id: &upload_id };
                self.some(client.abort_multipart_upload(upload));
            }
            None => {}
        }
    }

    /// Creates an object from two ranges of another object.
    fn upload_copies(&mut self, key: &str) {
        let from = self.key();
        let Some(content) = self.model.get(&from).filter(|content| content.len() > 1).cloned()
        else {
            return;
        };
        self.count("upload of copied parts");
        let (client, size) = (self.client.clone(), content.len() as u64);
        let source = CopySource::new(BUCKET, &from);
        let ranges = [0..size / 2, size / 2..size];
        let sent = self.assemble(key, |upload| {
            (1..)
                .zip(ranges)
                .map(|(number, range)| client.upload_part_copy(source, range, upload, number))
                .collect()
        });
        if let Some((upload_id, parts)) = sent {
            self.complete(key, &upload_id, &parts, content);
        }
    }

    /// Begins an upload and creates its parts.
    fn assemble(
        &self,
        key: &str,
        parts: impl FnOnce(UploadRef<'_>) -> Result<Vec<Part>>,
    ) -> Option<(String, Vec<Part>)> {
        let begun = self.client.create_multipart_upload(BUCKET, key, &ObjectSettings::default());
        let upload_id = self.some(begun)?;
        let parts = self.some(parts(UploadRef { bucket: BUCKET, key, upload_id: &upload_id }))?;
        Some((upload_id, parts))
    }

    fn complete(&mut self, key: &str, upload_id: &str, parts: &[Part], content: Vec<u8>) {
        let upload = UploadRef { bucket: BUCKET, key, upload_id };
        let result = self.client.complete_multipart_upload(upload, parts, &Condition::Always);
        self.changed(key, Some(content), result.map(drop));
    }
}

/// The work with keys that no registry has.
impl Worker<'_> {
    /// Returns a key with characters that have a meaning in URLs, in XML and in paths.
    fn any_key(&mut self) -> String {
        let number = self.dice.roll(3);
        format!("{ANY_KEY}{}/../\u{e9} +%2F?&<#//\u{1f600}/{number}", self.number)
    }

    /// Writes an object with a writer: at once, in parts, or in parts with a token, with which the
    /// upload is continued after a failure.
    fn write_any_key(&mut self) {
        let (key, settings) = (self.any_key(), ObjectSettings::default());
        let transfer = Transfer::new(&self.client).part_size(PART as u64);
        let kind = self.dice.roll(8);
        let content = if kind == 0 {
            bytes(self.dice.roll(u64::MAX), 0, PART + 1 + self.dice.roll(9) as usize)
        } else {
            self.content()
        };
        let write = |mut writer: ObjectWriter<'_>| -> Result<()> {
            content.chunks(30_011).try_for_each(|piece| writer.write_all(piece))?;
            writer.finish().map(drop)
        };
        let mut writer = transfer.writer(BUCKET, &key, &settings);
        let result = match kind {
            1..4 => {
                self.count("writer of any key, resumable");
                let Some(token) = self.some(writer.token()) else { return };
                write(writer).or_else(|error| {
                    self.allowed(&error);
                    write(transfer.resume(&token, &settings)?)
                })
            }
            4 => {
                self.count("writer of any key, aborted");
                self.some(writer.write_all(&content).map_err(Error::from));
                self.some(writer.abort());
                return;
            }
            _ => {
                self.count("writer of any key");
                write(writer)
            }
        };
        self.changed_any(&key, Some(content), result);
        // Large objects are not kept, so that the store stays small.
        if kind == 0 {
            let deleted = self.client.delete_object(BUCKET, &key, &Default::default());
            self.changed_any(&key, None, deleted.map(drop));
        }
    }

    /// Reads an object from its beginning, and from somewhere else.
    fn read_any_key(&mut self) {
        self.count("reader of any key");
        let key = self.any_key();
        let known = self.any.get(&key);
        let at = self.dice.clone().roll(known.map_or(1, |content| content.len() as u64 + 1));
        let read = |at: u64| -> Result<Vec<u8>> {
            let mut object = self.client.open(BUCKET, &key, &GetObject::default())?;
            object.seek(SeekFrom::Start(at))?;
            let mut content = Vec::new();
            object.read_to_end(&mut content)?;
            Ok(content)
        };
        self.compare(&key, known.map(Vec::as_slice), read(0));
        self.compare(&key, known.map(|content| &content[at as usize..]), read(at));
    }
}
