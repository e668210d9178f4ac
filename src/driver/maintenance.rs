//! Unfinished files: the types of
//! [`StorageDriver::pending_uploads`](super::StorageDriver::pending_uploads) and
//! [`StorageDriver::purge_uploads`](super::StorageDriver::purge_uploads).
use crate::error::Result;
use std::fmt;
use std::time::SystemTime;

/// A file that was created and neither committed nor cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingUpload {
    /// The driver path.
    pub path: String,
    /// When the file was created; `None` if the store does not record this.
    pub started: Option<SystemTime>,
    /// The size at which an appending writer continues.
    pub bytes: u64,
    /// The store's identifier for the upload, such as S3's upload id; empty if the store does not
    /// use one.
    pub upload_id: String,
}

impl PendingUpload {
    /// Creates the description of an unfinished file of `bytes` bytes, without a time and an
    /// identifier.
    pub fn new(path: impl Into<String>, bytes: u64) -> Self {
        Self { path: path.into(), started: None, bytes, upload_id: String::new() }
    }

    /// Sets the time at which the file was created.
    #[must_use]
    pub const fn started(mut self, started: SystemTime) -> Self {
        self.started = Some(started);
        self
    }

    /// Sets the store's identifier.
    #[must_use]
    pub fn upload_id(mut self, id: impl Into<String>) -> Self {
        self.upload_id = id.into();
        self
    }
}

/// The unfinished files at and below a path, in no particular order.
///
/// If an entry cannot be examined, an error takes its place and the iteration continues. If the
/// listing itself fails, the iteration ends.
pub struct PendingUploads(Box<dyn Iterator<Item = Result<PendingUpload>> + Send>);

impl PendingUploads {
    /// Wraps the iterator of a driver.
    pub fn new(uploads: impl Iterator<Item = Result<PendingUpload>> + Send + 'static) -> Self {
        Self(Box::new(uploads))
    }
}

impl Iterator for PendingUploads {
    type Item = Result<PendingUpload>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl fmt::Debug for PendingUploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingUploads").finish_non_exhaustive()
    }
}

/// The numbers of items that a purge removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purged {
    /// The number of unfinished files that were discarded.
    pub uploads: u64,
    /// The number of objects removed that contained the last bytes of an unfinished file.
    pub checkpoints: u64,
}

impl Purged {
    /// Creates the result of a purge that discarded this many unfinished files.
    pub const fn new(uploads: u64) -> Self {
        Self { uploads, checkpoints: 0 }
    }
}
