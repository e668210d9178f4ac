//! The interface that a registry programs against.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod maintenance;
mod memory;
mod method;
pub(crate) mod path;
mod provided;
#[cfg(all(feature = "client", feature = "serde"))]
mod registry_config;
#[cfg(feature = "client")]
pub(crate) mod s3;
mod walk;

pub use maintenance::{PendingUpload, PendingUploads, Purged};
pub use memory::MemoryDriver;
pub use method::Method;
pub use path::check_path;
#[cfg(all(feature = "client", feature = "serde"))]
pub use registry_config::{
    Access, Backend, BlobCache, Deletion, MiddlewareConfig, PurgeRun, Redirects, RegistryConfig,
    StorageConfig, SubPath, UploadPurging,
};
#[cfg(feature = "client")]
pub use s3::{
    LogLevel, OptionAlias, ParameterOption, ParameterValues, Parameters, ParametersBuilder,
    PartSizes, ProxySource, S3Driver,
};

use crate::error::Result;
use provided::{Target, Tree};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

/// A file or a directory, as [`StorageDriver::stat`] and [`StorageDriver::walk`] report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// The driver path.
    pub path: String,
    /// The size in bytes; 0 for a directory.
    pub size: u64,
    /// When the file was last written; `None` for a directory.
    pub modified: Option<SystemTime>,
    /// Whether the path is a file or a directory.
    pub kind: FileKind,
}

impl FileInfo {
    /// Creates the description of a file of `size` bytes.
    pub fn file(path: impl Into<String>, size: u64, modified: Option<SystemTime>) -> Self {
        Self { path: path.into(), size, modified, kind: FileKind::File }
    }

    /// Creates the description of a directory.
    pub fn directory(path: impl Into<String>) -> Self {
        Self { path: path.into(), size: 0, modified: None, kind: FileKind::Directory }
    }

    /// Reports whether the path is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }
}

/// The kind of a path: a file, or a directory that exists because something is below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file, which has content.
    File,
    /// A directory: a prefix of other paths.
    Directory,
}

/// The way in which [`StorageDriver::writer`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// Begins with an empty file. An existing file at the path stays visible until the commit
    /// replaces it.
    Create,
    /// Continues where an earlier writer was closed without a commit.
    Append,
}

/// The kind of request for which [`StorageDriver::url_for`] creates a URL.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UrlOptions {
    /// The method of the request.
    pub method: Method,
    /// How long the URL is valid. `None` means the driver's default (20 minutes for S3), or the
    /// rest of the session of temporary credentials, if that is shorter. Any other value is used
    /// exactly; if the session ends earlier, `url_for` returns an error.
    pub expires_in: Option<Duration>,
    /// The address of the client that will download, for drivers whose URLs depend on it. The
    /// caller decides which header of a request can be trusted.
    pub client: Option<IpAddr>,
}

impl UrlOptions {
    /// Creates options for a method, with the driver's default lifetime.
    pub const fn new(method: Method) -> Self {
        Self { method, expires_in: None, client: None }
    }

    /// Sets how long the URL is valid.
    #[must_use]
    pub const fn expires_in(mut self, expiry: Duration) -> Self {
        self.expires_in = Some(expiry);
        self
    }

    /// Sets the client's address.
    #[must_use]
    pub const fn client(mut self, address: IpAddr) -> Self {
        self.client = Some(address);
        self
    }
}

/// The way in which [`StorageDriver::walk`] continues after a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkStep {
    /// Continues with the next path.
    Continue,
    /// Continues with the next path that is not below this directory. After a file, this is the
    /// same as `Continue`.
    SkipDirectory,
    /// Ends the walk, which then returns `Ok`.
    Stop,
}

/// Where a walk starts, and how many requests it may send concurrently.
///
/// ```
/// use s3driver::driver::WalkOptions;
///
/// let options = WalkOptions::default().start_after("/docker/registry/v2/repositories/alpine");
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WalkOptions {
    /// Only paths that sort after this one are visited.
    pub start_after: Option<String>,
    /// The number of concurrent requests, for drivers that send requests to list. With `None`, the
    /// driver's configuration applies (`walkconcurrency` of the S3 driver). If it is not set
    /// either, as few requests as possible are sent, one after another. The S3 driver lists large
    /// directories with several concurrent requests, at most 128, in the same order and with at
    /// most ten pages of keys in memory per request, but not together with `start_after`.
    pub concurrency: Option<NonZeroUsize>,
}

impl WalkOptions {
    /// Visits only paths that sort after this one.
    #[must_use]
    pub fn start_after(mut self, path: impl Into<String>) -> Self {
        self.start_after = Some(path.into());
        self
    }

    /// Lists with at most this many concurrent requests.
    #[must_use]
    pub const fn concurrency(mut self, requests: NonZeroUsize) -> Self {
        self.concurrency = Some(requests);
        self
    }
}

/// Storage addressed by paths, as a registry uses it.
///
/// # Paths
///
/// A path matches `^(/[A-Za-z0-9._-]+)+$` (see [`check_path`]). [`list`](Self::list),
/// [`stat`](Self::stat) and [`walk`](Self::walk) also accept `/`. `.` and `..` are ordinary names.
/// Directories exist because something is below them: no call creates one, and writing to a path
/// does not require a parent. When the last file in a directory is deleted, the directory
/// disappears, as far as the store allows.
///
/// No operation on `/a` affects or shows `/ab`.
///
/// # Errors
///
/// All methods check their arguments before they access the store, in this order: a negative offset
/// ([`InvalidOffset`](crate::ErrorKind::InvalidOffset), with
/// [`Error::offset`](crate::Error::offset)), then the path
/// ([`InvalidPath`](crate::ErrorKind::InvalidPath)), and only then whether the driver supports the
/// call at all ([`UnsupportedMethod`](crate::ErrorKind::UnsupportedMethod)). Every non-negative
/// `i64` is a legal offset.
///
/// If there is nothing at a path, or not the kind of entry that the call needs, the error is
/// [`PathNotFound`](crate::ErrorKind::PathNotFound). A missing permission or an unreachable store
/// always yields a different error. Every error names the driver and the path
/// ([`Error::with_driver`](crate::Error::with_driver),
/// [`Error::with_path`](crate::Error::with_path)). The methods below list the kinds that callers
/// distinguish. Any method can also fail with errors of the store itself, such as
/// [`AccessDenied`](crate::ErrorKind::AccessDenied) or [`Timeout`](crate::ErrorKind::Timeout).
///
/// # Your own driver
///
/// [`walk`](Self::walk), [`write_stream`](Self::write_stream), the methods on unfinished uploads
/// and [`object_key`](Self::object_key) have provided implementations. `examples/folder_driver.rs`
/// is a complete driver on a local folder. The module `conformance` (feature `conformance`) checks
/// everything that is documented here.
pub trait StorageDriver: Send + Sync {
    /// Returns the driver's name, which appears in its errors, such as `s3aws`.
    fn name(&self) -> &str;

    /// Returns the whole content of a file, which is held in memory. Use [`reader`](Self::reader)
    /// for large files.
    ///
    /// The content of an empty file is an empty vector.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) if there is nothing at the path, or a
    /// directory.
    fn get_content(&self, path: &str) -> Result<Vec<u8>>;

    /// Replaces the content of a file completely, or creates the file. Readers see either the old
    /// or the new content.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath).
    fn put_content(&self, path: &str, content: &[u8]) -> Result<()>;

    /// Opens a file for reading, beginning at `offset`.
    ///
    /// At or after the end of the file, for any offset up to [`i64::MAX`], the reader is empty. A
    /// reader returns a single version of the file, or fails: it never continues with a newer
    /// version. Its errors are [`Error`](crate::Error)s inside [`std::io::Error`]s, as
    /// [`Error`](crate::Error) describes.
    ///
    /// # Errors
    /// [`InvalidOffset`](crate::ErrorKind::InvalidOffset) for a negative offset, before the path is
    /// checked; [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) if there is nothing at the path, or a
    /// directory.
    fn reader(&self, path: &str, offset: i64) -> Result<Box<dyn Read + Send>>;

    /// Opens a file for writing. Nothing is visible before [`FileWriter::commit`].
    ///
    /// [`WriteMode::Create`] begins with an empty file, regardless of what is at the path.
    /// [`WriteMode::Append`] continues a file that an earlier writer closed but did not commit, in
    /// this process or another; its [`size`](FileWriter::size) includes the bytes of that writer.
    /// An empty committed file can also be appended to.
    ///
    /// The data of a writer that was opened with `Create` is not safe until the writer is closed.
    /// Before that, appending finds either no file or the beginning of one, whose length `size`
    /// returns.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath). With `Append`, there are three more:
    ///
    /// - [`PathNotFound`](crate::ErrorKind::PathNotFound) if no writer was closed at the path and
    ///   there is no file;
    /// - an error of the driver's choice if there is a committed file with content and no
    ///   unfinished one, because committed content cannot be appended to;
    /// - an error of the driver's choice if a file was committed after the unfinished one was
    ///   closed, because a commit would replace it with the older one.
    fn writer(&self, path: &str, mode: WriteMode) -> Result<Box<dyn FileWriter>>;

    /// Writes all data from `reader` into a file at `offset`, and makes the result visible. Returns
    /// the number of bytes taken from the reader.
    ///
    /// Offset 0 replaces the file. With an offset inside the file, the bytes before it are kept,
    /// and the file ends after the new ones. If the offset is after the end of the file, or the
    /// file does not exist, the gap is filled with zeros. An empty reader at 0 creates an empty
    /// file.
    ///
    /// The provided implementation copies the kept bytes from [`reader`](Self::reader) into a
    /// [`writer`](Self::writer). The file must not change in the meantime.
    ///
    /// # Errors
    /// [`InvalidOffset`](crate::ErrorKind::InvalidOffset) for a negative offset, before the path is
    /// checked; [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`LocalIo`](crate::ErrorKind::LocalIo) if `reader` fails. After a failure the file is
    /// unchanged, and [`Error::bytes_taken`](crate::Error::bytes_taken) returns the number of bytes
    /// taken from `reader`.
    fn write_stream(&self, path: &str, offset: i64, reader: &mut dyn Read) -> Result<u64> {
        let open = || self.reader(path, 0);
        let create = || self.writer(path, WriteMode::Create);
        let target = Target { open: &open, create: &create };
        provided::write_stream(&target, path, offset, reader)
            .map_err(|error| error.or_driver(self.name()))
    }

    /// Returns information about a path: a file with its size and time, or a directory.
    ///
    /// A path that is both is reported as a file. `/` is a directory, even if the store is empty.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound).
    fn stat(&self, path: &str) -> Result<FileInfo>;

    /// Returns the paths of the files and directories directly below a directory, each once and in
    /// any order.
    ///
    /// Unfinished files and names that are not legal in a path are omitted. The list of an empty
    /// `/` is empty.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) if there is nothing below the path. This
    /// includes the path of a file.
    fn list(&self, path: &str) -> Result<Vec<String>>;

    /// Moves one file, and replaces the file at the new path. Anything below either path is kept.
    ///
    /// A file that is moved onto itself stays unchanged. An unfinished file at `from` is discarded.
    /// An unfinished file at `to` is older than the file that is there now, so it can no longer be
    /// appended to.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath), checked for `from` first;
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) if there is nothing at `from`, or a
    /// directory, in which case the file at `to` is unchanged;
    /// [`Conflict`](crate::ErrorKind::Conflict) if the file changed while it was being moved.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Deletes a file and everything below the path, including unfinished files.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath), also for `/`;
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) if there was nothing to delete, not even an
    /// unfinished file. If some entries could not be deleted, the first failure is returned, with
    /// the others in [`Error::others`](crate::Error::others).
    fn delete(&self, path: &str) -> Result<()>;

    /// Returns a URL from which a client can download the file without credentials. The store is
    /// not accessed, so the file does not have to exist.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath), which is checked first;
    /// [`UnsupportedMethod`](crate::ErrorKind::UnsupportedMethod) if requests with this method must
    /// go through the registry, which is always the case for drivers without URLs and for methods
    /// other than GET and HEAD; [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the URL
    /// cannot be valid for as long as [`UrlOptions::expires_in`] requires.
    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String>;

    /// Visits every file and directory below `from`, but not `from` itself. A directory is visited
    /// before its contents.
    ///
    /// Paths are sorted by their bytes, where the path of a directory ends in a slash: `/a-b/c`,
    /// then `/a/b`, then `/a0`. On stores that list directory by directory, the names within each
    /// directory are sorted.
    ///
    /// With [`WalkOptions::start_after`], only files that sort after that path are visited, and the
    /// directories that contain them: the first visits are the directories that contain the next
    /// file, outermost first, even if an earlier walk has already visited them.
    ///
    /// An entry that disappears during the walk is omitted. The visitor may call the driver. An
    /// error of the visitor ends the walk, and `walk` returns it unchanged;
    /// [`Error::with_source`](crate::Error::with_source) can carry the caller's own error type.
    ///
    /// The provided implementation calls [`list`](Self::list) for every directory that is not
    /// skipped and [`stat`](Self::stat) for every entry. It does not look below files.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath) for `from` or `start_after`. If there is
    /// nothing at `from`, or a file, the walk visits nothing; a driver may also return
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound).
    fn walk(
        &self,
        from: &str,
        options: &WalkOptions,
        visit: &mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
    ) -> Result<()> {
        let tree = Tree { list: &|path| self.list(path), stat: &|path| self.stat(path) };
        provided::walk(&tree, self.name(), from, options, visit)
    }

    /// Returns the files at and below `path` (`/` for all) that were created and neither committed
    /// nor cancelled.
    ///
    /// S3 needs two or three requests per file. The provided implementation returns an error.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`UnsupportedMethod`](crate::ErrorKind::UnsupportedMethod) from drivers that cannot list
    /// unfinished files. Failures of the listing are returned by the iterator.
    fn pending_uploads(&self, path: &str) -> Result<PendingUploads> {
        Err(provided::unsupported(self.name(), path, "this driver cannot list unfinished uploads"))
    }

    /// Removes the unfinished files at and below `path` (`/` for all) that were created more than
    /// `age` ago, with all data stored for them. Returns the number of files that were removed.
    ///
    /// The provided implementation returns an error.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`UnsupportedMethod`](crate::ErrorKind::UnsupportedMethod) from drivers that cannot list
    /// unfinished files. If some files could not be removed, the first failure is returned, with
    /// the others in [`Error::others`](crate::Error::others).
    fn purge_uploads(&self, path: &str, age: Duration) -> Result<Purged> {
        let _ = age;
        Err(provided::unsupported(self.name(), path, "this driver cannot purge unfinished uploads"))
    }

    /// Returns the key under which an object store stores this path, or `None` if the store does
    /// not have keys. Wrappers must pass this call on.
    fn object_key(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }

    /// Returns whether the URLs for downloads are signed for their host and path, so that a wrapper
    /// that changes these parts can refuse such a driver. Wrappers must pass this call on unless
    /// they return URLs of their own.
    ///
    /// The provided implementation returns `false`.
    fn signs_urls(&self) -> bool {
        false
    }
}

/// A file that is being written. [`Write`] accepts bytes, and nothing is visible before
/// [`commit`](Self::commit).
///
/// `commit`, `cancel` and `close` end the writer. One `close` after `commit` or `cancel` returns
/// `Ok` and changes nothing, because registries close every writer. Each further call, and each
/// call after `close`, fails with [`Closed`](crate::ErrorKind::Closed). A writer that is dropped
/// without any of these calls removes its data. If it was appending, the file returns to the state
/// in which the last writer closed it.
///
/// [`Write::write`] and [`Write::flush`] return [`Error`](crate::Error)s inside
/// [`std::io::Error`]s. After such an error the file can be cancelled or dropped, but not
/// committed: bytes may be missing, even if the caller has ignored the error.
pub trait FileWriter: Write + Send {
    /// Returns the number of bytes accepted so far, including those of earlier writers. This method
    /// can also be called after the writer has ended.
    fn size(&self) -> u64;

    /// Stores what was written for a later writer with [`WriteMode::Append`], in this process or
    /// another.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after a `close`;
    /// [`Conflict`](crate::ErrorKind::Conflict) if the driver notices that another writer has
    /// continued the same file since this writer was opened; the errors of the store.
    fn close(&mut self) -> Result<()>;

    /// Discards everything that was written, including by earlier writers.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after the end; the errors of the store.
    fn cancel(&mut self) -> Result<()>;

    /// Makes the file visible, and replaces the existing file at its path. If nothing was written,
    /// the file is empty.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after the end;
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) if it cannot be determined whether the
    /// file became visible; the errors of the store.
    fn commit(&mut self) -> Result<()>;
}
