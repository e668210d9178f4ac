//! Uploads a local file.
use super::copy::{abort_after, cut, part_number};
use super::file::{Section, local_error};
use super::meter::Meter;
use super::sent::reporting;
use super::{Transfer, Transferred, parallel};
use crate::client::{ObjectSettings, UploadRef};
use crate::error::{Error, ErrorKind, Result, catch_panic};
use std::fs::{File, Metadata};
use std::io::Read;
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
        let path = file.as_ref();
        let file = File::open(path).map_err(|error| local_error("opening", path, error))?;
        let before = metadata(&file, path)?;
        let size = before.len();
        let unchanged = || {
            let now = metadata(&file, path)?;
            if now.len() == size && now.modified().ok() == before.modified().ok() {
                return Ok(());
            }
            Err(Error::new(
                ErrorKind::LocalIo,
                format!("{} changed while it was being sent", path.display()),
            ))
        };
        let section = |at: u64, end: u64| -> Box<dyn Read + '_> {
            Box::new(Section { file: &file, at, end })
        };
        let meter = Meter::new(&self.client, self.progress, size);
        if size <= self.part_size {
            let stored = meter.count(size, |report| {
                let open = |purpose| reporting(section(0, size), purpose, report);
                self.client.put_object_replayed(bucket, key, &open, size, settings)
            })?;
            return Ok(Transferred { bytes: size, parts: 1, etag: stored.etag });
        }
        let pieces = cut(size, self.part_size)?;
        let upload_id = self.client.create_multipart_upload(bucket, key, settings)?;
        let upload = UploadRef { bucket, key, upload_id: &upload_id };
        let (client, cancel) = self.client.with_child_cancel();
        let sent = parallel::for_each(pieces.len(), self.concurrency, &cancel, |index| {
            let piece = &pieces[index];
            let length = piece.end - piece.start;
            meter.count(length, |report| {
                let open = |purpose| reporting(section(piece.start, piece.end), purpose, report);
                client.upload_part_from(upload, part_number(index), &open, length)
            })
        });
        let completed = catch_panic("the upload", || {
            let parts = sent?;
            unchanged()?;
            self.client.complete_multipart_upload(upload, &parts, &settings.condition)
        })
        .map_err(|error| abort_after(&self.client, upload, error))?;
        Ok(Transferred { bytes: size, parts: meter.parts(), etag: completed.etag })
    }
}

/// Returns the metadata of a file that has a size and can be read by position.
fn metadata(file: &File, path: &Path) -> Result<Metadata> {
    let metadata = file.metadata().map_err(|error| local_error("reading", path, error))?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    Err(Error::new(ErrorKind::InvalidArgument, format!("{} is no regular file", path.display())))
}
