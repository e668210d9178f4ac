//! The interface a registry programs against.
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
    StorageConfig, UploadPurging,
};
#[cfg(feature = "client")]
pub use s3::{
    LogLevel, OptionAlias, ParameterOption, ParameterValues, Parameters, ParametersBuilder,
    PartSizes, S3Driver,
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
    /// Returns whether the path is a directory.
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
    /// Begins with nothing. A file at the path stays visible until the commit replaces it.
    Create,
    /// Continues where an earlier writer was closed without a commit.
    Append,
}

/// The request that [`StorageDriver::url_for`] makes a URL for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UrlOptions {
    /// GET unless set.
    pub method: Method,
    /// How long the URL is valid. `None`: the driver's default (20 minutes for S3), or until the
    /// session of temporary credentials ends, if that is sooner. Otherwise exactly this long; when
    /// the session ends sooner, an error says so.
    pub expires_in: Option<Duration>,
    /// The address of the client that will download, for drivers that choose by it. Which header of
    /// a request can be trusted is the caller's decision.
    pub client: Option<IpAddr>,
}

impl UrlOptions {
    /// Options for a method, with the driver's default expiry.
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

/// How [`StorageDriver::walk`] continues after a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkStep {
    /// With the next path.
    Continue,
    /// With the next path that does not lie below this directory. After a file, like `Continue`.
    SkipDirectory,
    /// Not at all: the walk ends and returns `Ok`.
    Stop,
}

/// Where a walk begins, and how it is done.
///
/// ```
/// use s3driver::driver::WalkOptions;
///
/// let options = WalkOptions::default().start_after("/docker/registry/v2/repositories/alpine");
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WalkOptions {
    /// Only paths that sort after this one.
    pub start_after: Option<String>,
    /// Requests at once, for drivers that list by requests. `None`: as the driver is configured
    /// (S3: `walkconcurrency`), else one after the other, with the fewest requests. S3: large
    /// directories are listed with several requests at once, in the same order and with at most
    /// four pages of keys in memory for each of them; not together with `start_after`.
    pub concurrency: Option<NonZeroUsize>,
}

impl WalkOptions {
    /// Visits only paths that sort after this one.
    #[must_use]
    pub fn start_after(mut self, path: impl Into<String>) -> Self {
        self.start_after = Some(path.into());
        self
    }
    /// Lists with up to this many requests at once.
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
/// A path matches `^(/[A-Za-z0-9._-]+)+$`, see [`check_path`]. [`list`](Self::list),
/// [`stat`](Self::stat) and [`walk`](Self::walk) also accept `/`. `.` and `..` are ordinary names.
/// Directories exist because something lies below them: nothing creates one, and writing to a path
/// needs no parent. The last file that is deleted takes its directories along, as far as the store
/// allows that.
///
/// Nothing that happens to `/a` affects or shows `/ab`.
///
/// # Errors
///
/// All methods check their arguments before they touch the store, and in this order: a negative
/// offset ([`InvalidOffset`](crate::ErrorKind::InvalidOffset), with
/// [`Error::offset`](crate::Error::offset)), then the path
/// ([`InvalidPath`](crate::ErrorKind::InvalidPath)), and only then whether the driver supports the
/// call at all ([`UnsupportedMethod`](crate::ErrorKind::UnsupportedMethod)). Every non-negative
/// `i64` is a legal offset.
///
/// Nothing at a path, or not what the call needs, is
/// [`PathNotFound`](crate::ErrorKind::PathNotFound); a missing permission or an unreachable store
/// never is. Every error names the driver and the path
/// ([`Error::with_driver`](crate::Error::with_driver),
/// [`Error::with_path`](crate::Error::with_path)). The kinds that the methods list are those that
/// callers distinguish; any method can also fail with the kinds of the store itself, such as
/// [`AccessDenied`](crate::ErrorKind::AccessDenied) or [`Timeout`](crate::ErrorKind::Timeout).
///
/// # A driver of your own
///
/// [`walk`](Self::walk), [`write_stream`](Self::write_stream), the methods on unfinished uploads
/// and [`object_key`](Self::object_key) are provided. `examples/folder_driver.rs` is a complete
/// driver on a local folder. The module `conformance` (feature `conformance`) checks everything
/// that is written here.
pub trait StorageDriver: Send + Sync {
    /// Returns the driver's name, which its errors show, such as `s3aws`.
    fn name(&self) -> &str;

    /// Returns the whole content of a file. For small files: the content is held in memory.
    ///
    /// An empty file is an empty vector.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) when nothing is at the path, or a
    /// directory.
    fn get_content(&self, path: &str) -> Result<Vec<u8>>;

    /// Replaces the content of a file as a whole, or creates the file. Readers see the old content
    /// or the new one.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath).
    fn put_content(&self, path: &str, content: &[u8]) -> Result<()>;

    /// Opens a file for reading from `offset` on.
    ///
    /// At or past the end, for any offset up to [`i64::MAX`], the reader is empty. A reader shows
    /// one version of the file to its end, or fails: it never continues with a newer one. Its
    /// errors are [`Error`](crate::Error)s inside of [`std::io::Error`]s, see
    /// [`Error`](crate::Error).
    ///
    /// # Errors
    /// [`InvalidOffset`](crate::ErrorKind::InvalidOffset) for a negative offset, before the path is
    /// checked; [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) when nothing is at the path, or a
    /// directory.
    fn reader(&self, path: &str, offset: i64) -> Result<Box<dyn Read + Send>>;

    /// Opens a file for writing. Nothing is visible before [`FileWriter::commit`].
    ///
    /// [`WriteMode::Create`] begins with nothing, whatever is at the path. [`WriteMode::Append`]
    /// continues the file that an earlier writer closed and did not commit, in this process or
    /// another, and its [`size`](FileWriter::size) begins with those bytes. An empty committed file
    /// can be appended to as well.
    ///
    /// A writer that was opened with `Create` and has not been closed promises nothing. Appending
    /// finds no file then, or the beginning of one: as many bytes as `size` states.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath). With `Append`:
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) when nothing was closed at the path and no
    /// file is there; an error of the driver's choice when a file with content is committed there
    /// and nothing unfinished, because committed content cannot be appended to, and when a file was
    /// committed there after the unfinished one was closed, because a commit would replace it by
    /// the older one.
    fn writer(&self, path: &str, mode: WriteMode) -> Result<Box<dyn FileWriter>>;

    /// Writes everything from `reader` at `offset` of a file, and makes the result visible. Returns
    /// the bytes taken from the reader.
    ///
    /// Offset 0 replaces the file; an offset inside of the file keeps the bytes before it and drops
    /// those after the new ones; an offset past the end, or in a file that does not exist, is
    /// reached with zeros. An empty reader at 0 makes an empty file.
    ///
    /// The provided method copies the kept bytes through [`reader`](Self::reader) into a
    /// [`writer`](Self::writer). Between the two the file must not change.
    ///
    /// # Errors
    /// [`InvalidOffset`](crate::ErrorKind::InvalidOffset) for a negative offset, before the path is
    /// checked; [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`LocalIo`](crate::ErrorKind::LocalIo) when `reader` fails. After a failure the file is as
    /// it was, and [`Error::bytes_taken`](crate::Error::bytes_taken) says how much was read from
    /// `reader`.
    fn write_stream(&self, path: &str, offset: i64, reader: &mut dyn Read) -> Result<u64> {
        let open = || self.reader(path, 0);
        let create = || self.writer(path, WriteMode::Create);
        let target = Target { open: &open, create: &create };
        provided::write_stream(&target, path, offset, reader)
            .map_err(|error| error.or_driver(self.name()))
    }

    /// Returns what is at a path: a file with its size and time, or a directory.
    ///
    /// A path that is both is reported as a file. `/` is a directory, also when the store is empty.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound).
    fn stat(&self, path: &str) -> Result<FileInfo>;

    /// Returns the paths directly below a directory, files and directories, each once and in any
    /// order.
    ///
    /// Unfinished files are not among them, nor are names that no path can have. An empty `/` is an
    /// empty list.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) when nothing is below the path, so also for
    /// a file.
    fn list(&self, path: &str) -> Result<Vec<String>>;

    /// Moves one file, and replaces the file at the new path. What lies below either path stays.
    ///
    /// A file that is moved onto itself stays as it is. An unfinished file at `from` ends. One at `to` is
    /// older than the file that is there now, so that it cannot be appended to any more.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath), for `from` before `to`;
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) when nothing is at `from`, or a directory.
    /// Then the file at `to` is as it was. [`Conflict`](crate::ErrorKind::Conflict) when the file
    /// changed while it was moved.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Removes a file and everything below the path, unfinished files included.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath), also for `/`;
    /// [`PathNotFound`](crate::ErrorKind::PathNotFound) when there was nothing to remove, or an
    /// unfinished file alone. When a part could not be removed, the first failure, with further
    /// ones in [`Error::others`](crate::Error::others).
    fn delete(&self, path: &str) -> Result<()>;

    /// Returns a URL under which a client can fetch the file without credentials. The store is not
    /// asked: the file need not exist.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath), before
    /// [`UnsupportedMethod`](crate::ErrorKind::UnsupportedMethod), which says that requests with
    /// this method must go through the registry: always for drivers without URLs, and for every
    /// method but GET and HEAD. [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when the URL
    /// cannot be valid for as long as [`UrlOptions::expires_in`] demands.
    fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String>;

    /// Visits every file and directory below `from`, but not `from` itself. A directory comes
    /// before its content.
    ///
    /// The order is that of whole paths by their bytes, in which a directory counts with a slash at
    /// its end: `/a-b/c`, then `/a/b`, then `/a0`. On stores that list directory by directory it is
    /// that of the names in each directory.
    ///
    /// With [`WalkOptions::start_after`] only files that sort after that path are visited, and the
    /// directories that contain them: the first visits are the directories that contain the next
    /// file, outermost first, even when a walk before this one has visited them already.
    ///
    /// An entry that vanishes during the walk is left out. The visitor may call the driver. An
    /// error that the visitor returns ends the walk, and `walk` returns that error unchanged;
    /// [`Error::with_source`](crate::Error::with_source) carries a type of the caller's own.
    ///
    /// The provided method calls [`list`](Self::list) for every directory that is not skipped and
    /// [`stat`](Self::stat) for every entry. It does not look below files.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath) for `from` or `start_after`. Nothing at
    /// `from`, or a file, is a walk without a visit; a driver may also return
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

    /// Returns the files at and below `path` (`/` for all) that were begun and neither committed
    /// nor cancelled.
    ///
    /// S3 needs two or three requests for each of them. The provided method supports nothing.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`UnsupportedMethod`](crate::ErrorKind::UnsupportedMethod) from drivers that cannot list
    /// them. Failures of the listing come from the iterator.
    fn pending_uploads(&self, path: &str) -> Result<PendingUploads> {
        Err(provided::unsupported(self.name(), path, "this driver cannot list unfinished uploads"))
    }

    /// Removes the unfinished files at and below `path` (`/` for all) that were begun longer than
    /// `age` ago, with everything that was kept of them. Returns how many.
    ///
    /// The provided method supports nothing.
    ///
    /// # Errors
    /// [`InvalidPath`](crate::ErrorKind::InvalidPath);
    /// [`UnsupportedMethod`](crate::ErrorKind::UnsupportedMethod) from drivers that cannot list
    /// them. When some could not be removed, the first failure, with further ones in
    /// [`Error::others`](crate::Error::others).
    fn purge_uploads(&self, path: &str, age: Duration) -> Result<Purged> {
        let _ = age;
        Err(provided::unsupported(self.name(), path, "this driver cannot purge unfinished uploads"))
    }

    /// Returns the key under which an object store keeps this path; `None` where there are no keys.
    /// A wrapper passes the call on.
    fn object_key(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }
}

/// A file being written: [`Write`] accepts bytes, and nothing is visible before
/// [`commit`](Self::commit).
///
/// `commit`, `cancel` and `close` end the writer. After `commit` and `cancel` one `close` is still
/// `Ok` and changes nothing, because registries close every writer; each further call, and each
/// call after `close`, is [`Closed`](crate::ErrorKind::Closed). A writer that is dropped without
/// any of them leaves nothing behind; one that was appending leaves the file as it was when the
/// last writer closed it.
///
/// [`Write::write`] and [`Write::flush`] return [`Error`](crate::Error)s inside of
/// [`std::io::Error`]s. After an error of theirs the file can be cancelled or dropped, but not
/// committed.
pub trait FileWriter: Write + Send {
    /// Returns the bytes accepted so far, those of earlier writers included. Also after the end.
    fn size(&self) -> u64;

    /// Keeps what was written for a later writer with [`WriteMode::Append`], in this process or
    /// another.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after a `close`; those of the store.
    fn close(&mut self) -> Result<()>;

    /// Discards everything that was written, by earlier writers too.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after the end; those of the store.
    fn cancel(&mut self) -> Result<()>;

    /// Makes the file visible as a whole, and replaces the one at its path. A file without a byte
    /// is an empty file.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after the end;
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) when it cannot be determined whether
    /// the file became visible; those of the store.
    fn commit(&mut self) -> Result<()>;
}
