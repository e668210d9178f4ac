//! Uploads a local file.
use super::copy::{abort_after, cut, part_number};
use super::file::{Section, local_error};
use super::meter::Meter;
use super::{Transfer, Transferred, parallel};
use crate::client::{ObjectSettings, Part, UploadRef};
use crate::error::{Error, ErrorKind, Result, catch_panic};
use std::fs::{File, Metadata};
use std::io::Read;
use std::ops::Range;
use std::path::Path;

impl Transfer<'_> {
    /// Stores a file, and replaces the object at `key` completely or not at all. A file of up to
    /// one part is sent in one PutObject. A larger one is sent in parts that each thread reads by
    /// position and sends while reading: no part is ever held in memory.
    ///
    /// If bodies are signed, each part is read twice, the first time to hash it.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] if the file cannot be read, or changes while its parts are sent. No
    /// object and no upload is left then.
    pub fn upload_file(
        &self,
        file: impl AsRef<Path>,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> Result<Transferred> {
        let source = SourceFile::open(file.as_ref())?;
        let size = source.size();
        let meter = Meter::new(&self.client, self.progress, size);
        if size <= self.part_size {
            let stored = self.client.put_object_replayed(
                bucket,
                key,
                &|| source.section(&(0..size)),
                size,
                settings,
            )?;
            meter.part(size);
            return Ok(Transferred { bytes: size, parts: 1, etag: stored.etag });
        }
        let pieces = cut(size, self.part_size)?;
        let upload_id = self.client.create_multipart_upload(bucket, key, settings)?;
        let upload = UploadRef { bucket, key, upload_id: &upload_id };
        let sent = self.send_file(&source, upload, &pieces, &meter, |_, _| Ok(None));
        let completed = catch_panic("the upload", || {
            let parts = sent?;
            source.check_unchanged()?;
            self.client.complete_multipart_upload(upload, &parts, &settings.condition)
        })
        .map_err(|error| abort_after(&self.client, upload, error))?;
        Ok(Transferred { bytes: size, parts: meter.parts(), etag: completed.etag })
    }

    /// Sends the pieces of a file as the parts of an upload, several at the same time. `stored`
    /// returns a part that the server already has and that need not be sent again.
    pub(super) fn send_file(
        &self,
        source: &SourceFile<'_>,
        upload: UploadRef<'_>,
        pieces: &[Range<u64>],
        meter: &Meter<'_>,
        stored: impl Fn(u32, &Range<u64>) -> Result<Option<Part>> + Sync,
    ) -> Result<Vec<Part>> {
        let (client, cancel) = self.client.with_child_cancel();
        parallel::for_each(pieces.len(), self.concurrency, &cancel, |index| {
            let (piece, number) = (&pieces[index], part_number(index));
            let part = match stored(number, piece)? {
                Some(part) => part,
                None => client.upload_part_from(
                    upload,
                    number,
                    &|| source.section(piece),
                    piece.end - piece.start,
                )?,
            };
            meter.part(part.size);
            Ok(part)
        })
    }
}

/// A file that is being sent, as it was when it was opened.
pub(super) struct SourceFile<'a> {
    path: &'a Path,
    pub(super) file: File,
    opened: Metadata,
}

impl<'a> SourceFile<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| local_error("opening", path, error))?;
        let opened = metadata(&file, path)?;
        Ok(Self { path, file, opened })
    }

    pub(super) fn size(&self) -> u64 {
        self.opened.len()
    }

    fn section(&self, range: &Range<u64>) -> Box<dyn Read + '_> {
        Box::new(Section { file: &self.file, at: range.start, end: range.end })
    }

    /// Fails if the file has changed since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        let now = metadata(&self.file, self.path)?;
        if now.len() == self.size() && now.modified().ok() == self.opened.modified().ok() {
            return Ok(());
        }
        let text = format!("{} changed while it was being sent", self.path.display());
        Err(Error::new(ErrorKind::LocalIo, text))
    }
}

/// Returns the metadata of a file that has a size and can be read by position.
fn metadata(file: &File, path: &Path) -> Result<Metadata> {
    let metadata = file.metadata().map_err(|error| local_error("reading", path, error))?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    let text = format!("{} is not a regular file", path.display());
    Err(Error::new(ErrorKind::InvalidArgument, text))
}
