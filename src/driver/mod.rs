//! The interface a registry programs against.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod memory;
pub(crate) mod path;
#[cfg(feature = "client")]
pub(crate) mod s3;
mod walk;

pub use memory::MemoryDriver;
pub use path::check_path;
#[cfg(feature = "client")]
pub use s3::{
    LogLevel, ParameterOption, ParameterValues, Parameters, ParametersBuilder, PartSizes, PendingUpload,
    PendingUploads, Purged, S3Driver,
};

use crate::error::Result;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

/// What [`StorageDriver::stat`] and [`StorageDriver::walk`] tell of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// The driver path.
    pub path: String,
    /// Bytes; 0 for a directory.
    pub size: u64,
    /// When a file was last written; `None` for a directory.
    pub modified: Option<SystemTime>,
    /// A file or a directory.
    pub kind: FileKind,
}

impl FileInfo {
    /// A file of `size` bytes.
    pub fn file(path: impl Into<String>, size: u64, modified: Option<SystemTime>) -> Self {
        Self { path: path.into(), size, modified, kind: FileKind::File }
    }
    /// A directory.
    pub fn directory(path: impl Into<String>) -> Self {
        Self { path: path.into(), size: 0, modified: None, kind: FileKind::Directory }
    }
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }
}

/// A file, or a directory that exists because something lies below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Content.
    File,
    /// A prefix of other paths.
    Directory,
}

/// How [`StorageDriver::writer`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// From nothing; what is there stays visible until commit.
    Create,
    /// Goes on where a writer was closed without commit.
    Append,
}

/// The HTTP method a URL is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// Download.
    Get,
    /// Ask for size and type.
    Head,
    /// Upload.
    Put,
    /// Submit.
    Post,
    /// Change.
    Patch,
    /// Remove.
    Delete,
    /// Ask for what is allowed.
    Options,
}

/// What [`StorageDriver::url_for`] is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UrlOptions {
    /// GET unless set.
    pub method: Method,
    /// How long the URL is good. Not set: the driver's default (20 minutes for S3), or until the session of temporary
    /// credentials ends, if that is sooner. Set: exactly so long, or an error that tells when the session ends.
    pub expires_in: Option<Duration>,
    /// The address the download will come from, for drivers that choose by it. Which header of a request to trust is the caller's decision.
    pub client: Option<IpAddr>,
}

impl UrlOptions {
    /// For a method, with the driver's default expiry.
    pub const fn new(method: Method) -> Self {
        Self { method, expires_in: None, client: None }
    }
    /// The same with an expiry.
    #[must_use]
    pub const fn expires_in(mut self, expiry: Duration) -> Self {
        self.expires_in = Some(expiry);
        self
    }
    /// The same with the client's address.
    #[must_use]
    pub const fn client(mut self, address: IpAddr) -> Self {
        self.client = Some(address);
        self
    }
}

/// What a visitor of [`StorageDriver::walk`] wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkStep {
    /// Go on.
    Continue,
    /// Leave out everything below this directory. (For a file: the same as `Continue`.)
    SkipDirectory,
    /// End the walk; it returns `Ok`.
    Stop,
}

/// Where a walk begins, and how it is done.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WalkOptions {
    /// Only paths that sort after this one.
    pub start_after: Option<String>,
    /// Requests at once, for drivers that list by requests. Not set: one after the other, which is the fewest requests
    /// there can be. S3: large directories are listed at once, in the same order and with at most four pages of keys in
    /// memory for each request; not together with `start_after`.
    pub concurrency: Option<NonZeroUsize>,
}

/// Storage addressed by paths, as a registry uses it. Paths match `^(/[A-Za-z0-9._-]+)+$`; `list`, `stat` and `walk` also take `/`.
pub trait StorageDriver: Send + Sync {
    /// The driver's name in errors, such as `s3aws`.
    fn name(&self) -> &str;
    /// The whole content of a file. For small files.
    fn get_content(&self, path: &str) -> Result<Vec<u8>>;
    /// Replaces a file's content, whole.
    fn put_content(&self, path: &str, content: &[u8]) -> Result<()>;
    /// Reads from `offset` on. At or past the end: an empty reader. Negative: [`ErrorKind::InvalidOffset`](crate::ErrorKind::InvalidOffset).
    fn reader(&self, path: &str, offset: i64) -> Result<Box<dyn Read + Send>>;
    /// Writes a file that becomes visible on [`FileWriter::commit`].
    fn writer(&self, path: &str, mode: WriteMode) -> Result<Box<dyn FileWriter>>;
    /// Writes everything from `reader` at `offset` and makes it visible: 0 replaces the file, an offset inside truncates there,
    /// one past the end fills with zeros. Returns the bytes taken from the reader; on error see [`Error::bytes_taken`](crate::Error::bytes_taken).
    fn write_stream(&self, path: &str, offset: i64, reader: &mut dyn Read) -> Result<u64>;
    /// What is at a path.
    fn stat(&self, path: &str) -> Result<FileInfo>;
    /// The paths directly below a directory.
    fn list(&self, path: &str) -> Result<Vec<String>>;
    /// Moves one file, replacing what is there (the seed's Move).
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Removes a file and everything below the path.
    fn delete(&self, path: &str) -> Result<()>;
    /// A URL from which a client can fetch the file without credentials, or [`ErrorKind::UnsupportedMethod`](crate::ErrorKind::UnsupportedMethod)
    /// when this method must go through the registry.
    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String>;
    /// Visits everything below `from`, directories before their content.
    fn walk(
        &self,
        from: &str,
        options: &WalkOptions,
        visit: &mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
    ) -> Result<()>;
    /// The key under which an object store keeps this path, `None` where there is no such thing. A wrapper passes it through.
    fn object_key(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }
}

/// A file being written. `write` accepts bytes; nothing is visible before [`FileWriter::commit`]. Dropped without commit or close, it leaves nothing behind.
pub trait FileWriter: Write + Send {
    /// Bytes accepted so far, those of earlier writers included.
    fn size(&self) -> u64;
    /// Keeps what was written for a later writer with [`WriteMode::Append`], in this process or another.
    fn close(&mut self) -> Result<()>;
    /// Throws away what was written.
    fn cancel(&mut self) -> Result<()>;
    /// Makes the file visible, whole, exactly once.
    fn commit(&mut self) -> Result<()>;
}
