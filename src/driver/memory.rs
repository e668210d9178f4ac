//! Storage in memory, for the tests of programs that embed a registry, and as the second driver
//! that passes the conformance suite.
use super::path::{check_directory, check_offset, check_path, is_within};
use super::walk::{Walk, check_walk};
use super::{
    FileInfo, FileWriter, PendingUpload, PendingUploads, Purged, StorageDriver, UrlOptions,
    WalkOptions, WalkStep, WriteMode, path,
};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::sync;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Write};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

/// The driver's name in errors, which is that of the registry's own in-memory driver.
const DRIVER_NAME: &str = "inmemory";

/// A storage driver that keeps everything in memory. The contents exist as long as the last clone
/// of the driver, and are limited only by the memory of the machine.
///
/// Clones share one store, as processes share a bucket. The driver does not create URLs.
///
/// ```
/// use s3driver::driver::{MemoryDriver, StorageDriver};
///
/// let driver = MemoryDriver::new();
/// driver.put_content("/repo/link", b"sha256:...")?;
/// assert_eq!(driver.list("/repo")?, ["/repo/link"]);
/// # Ok::<(), s3driver::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryDriver {
    store: Arc<Mutex<Store>>,
    clock: Arc<dyn Clock>,
}

impl Default for MemoryDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDriver {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// Creates an empty store whose files get their times from `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { store: Arc::default(), clock }
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // No code that runs under the lock can leave the store inconsistent.
        sync::lock(&self.store)
    }

    fn put(&self, path: &str, content: Arc<Vec<u8>>) {
        let modified = self.clock.now();
        let mut store = self.lock();
        store.written += 1;
        let file = File { content, modified, version: store.written };
        store.files.insert(path.to_owned(), file);
    }

    fn content(&self, path: &str) -> Result<Arc<Vec<u8>>> {
        let found = self.lock().files.get(path).map(|file| Arc::clone(&file.content));
        found.ok_or_else(|| not_found(path))
    }
}

impl StorageDriver for MemoryDriver {
    fn name(&self) -> &str {
        DRIVER_NAME
    }

    fn get_content(&self, path: &str) -> Result<Vec<u8>> {
        check(path)?;
        Ok(self.content(path)?.to_vec())
    }

    fn put_content(&self, path: &str, content: &[u8]) -> Result<()> {
        check(path)?;
        self.put(path, Arc::new(content.to_vec()));
        Ok(())
    }

    fn reader(&self, path: &str, offset: i64) -> Result<Box<dyn Read + Send>> {
        let offset = check_offset(path, offset).map_err(named)?;
        check(path)?;
        let mut reader = Cursor::new(Bytes(self.content(path)?));
        reader.set_position(offset);
        Ok(Box::new(reader))
    }

    fn writer(&self, path: &str, mode: WriteMode) -> Result<Box<dyn FileWriter>> {
        check(path)?;
        let store = self.lock();
        let committed = store.files.get(path);
        let cannot = |file: &File, when: &str| {
            let text = format!("cannot append: a file of {} bytes {when}", file.content.len());
            error(ErrorKind::InvalidArgument, text, path)
        };

        let (content, replaces) = match (mode, store.unfinished.get(path), committed) {
            (WriteMode::Create, _, _) => (Vec::new(), None),
            (WriteMode::Append, Some(Unfinished { replaces, .. }), Some(file))
                if *replaces != Some(file.version) =>
            {
                return Err(cannot(file, "was committed here after the unfinished one was closed"));
            }
            (WriteMode::Append, Some(unfinished), _) => {
                (unfinished.content.to_vec(), unfinished.replaces)
            }
            (WriteMode::Append, None, Some(file)) if file.content.is_empty() => {
                (Vec::new(), Some(file.version))
            }
            (WriteMode::Append, None, Some(file)) => return Err(cannot(file, "is committed here")),
            (WriteMode::Append, None, None) => return Err(not_found(path)),
        };

        drop(store);
        Ok(Box::new(Writer {
            driver: self.clone(),
            path: path.to_owned(),
            content,
            mode,
            replaces,
            stage: Stage::Open,
        }))
    }

    fn write_stream(&self, path: &str, offset: i64, reader: &mut dyn Read) -> Result<u64> {
        let offset = check_offset(path, offset).map_err(named)?;
        check(path)?;
        let offset = usize::try_from(offset)
            .ok()
            .filter(|offset| *offset <= isize::MAX.unsigned_abs())
            .ok_or_else(|| {
                error(
                    ErrorKind::InvalidArgument,
                    "the offset exceeds the size that memory can hold",
                    path,
                )
            })?;
        let kept = self.content(path).unwrap_or_default();
        let mut content = kept.get(..offset.min(kept.len())).unwrap_or_default().to_vec();
        content.try_reserve(offset - content.len()).map_err(|_| {
            error(
                ErrorKind::InvalidArgument,
                "there is not enough memory for a file of this length",
                path,
            )
        })?;

        content.resize(offset, 0);
        let result = reader.read_to_end(&mut content);
        let taken = (content.len() - offset) as u64;
        if let Err(failure) = result {
            let text = format!("the data to write cannot be read: {failure}");
            return Err(error(ErrorKind::LocalIo, text, path)
                .with_source(failure)
                .with_bytes_taken(taken));
        }

        self.put(path, Arc::new(content));
        Ok(taken)
    }

    fn stat(&self, path: &str) -> Result<FileInfo> {
        check_directory(path).map_err(named)?;
        let store = self.lock();
        match store.files.get(path) {
            Some(file) => Ok(file.info(path)),
            None if path == "/" || store.below(path).next().is_some() => {
                Ok(FileInfo::directory(path))
            }
            None => Err(not_found(path)),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        check_directory(path).map_err(named)?;
        let store = self.lock();
        let start = path.trim_end_matches('/').len() + 1;
        let children: BTreeSet<&str> = store
            .below(path)
            .map(|(below, _)| {
                let end = below
                    .get(start..)
                    .and_then(|rest| rest.find('/'))
                    .map_or(below.len(), |end| start + end);
                below.get(..end).unwrap_or(below)
            })
            .collect();
        if children.is_empty() && path != "/" {
            return Err(not_found(path));
        }

        Ok(children.into_iter().map(str::to_owned).collect())
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        check(from)?;
        check(to)?;
        let mut store = self.lock();
        if !store.files.contains_key(from) {
            return Err(not_found(from));
        }

        if from == to {
            return Ok(());
        }

        store.written += 1;
        let version = store.written;
        if let Some(file) = store.files.remove(from) {
            store.files.insert(to.to_owned(), File { modified: self.clock.now(), version, ..file });
        }

        store.unfinished.remove(from);
        Ok(())
    }

    fn delete(&self, path: &str) -> Result<()> {
        check(path)?;
        let mut store = self.lock();
        let before = store.files.len() + store.unfinished.len();
        store.files.retain(|file, _| !is_within(file, path));
        store.unfinished.retain(|file, _| !is_within(file, path));
        if before == store.files.len() + store.unfinished.len() {
            return Err(not_found(path));
        }

        Ok(())
    }

    fn url_for(&self, path: &str, _: &UrlOptions) -> Result<String> {
        check(path)?;
        Err(error(ErrorKind::UnsupportedMethod, "a store in memory does not have URLs", path))
    }

    fn walk(
        &self,
        from: &str,
        options: &WalkOptions,
        visit: &mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
    ) -> Result<()> {
        let start = check_walk(from, options).map_err(named)?;
        // The visitor may call the driver, so no lock is held during a visit. Files that the
        // visitor deletes are not visited.
        let paths: Vec<String> = {
            let store = self.lock();
            let below = store.below(from).map(|(path, _)| path);
            below
                .filter(|path| start.is_none_or(|start| *path > start))
                .map(str::to_owned)
                .collect()
        };

        let mut walk = Walk::new(DRIVER_NAME, from, visit);
        for path in paths {
            let Some(info) = self.lock().files.get(&path).map(|file| file.info(&path)) else {
                continue;
            };

            if walk.enter(&info)? == WalkStep::Stop {
                break;
            }
        }

        Ok(())
    }

    /// The time at which a file was last closed counts as that of its creation.
    fn pending_uploads(&self, path: &str) -> Result<PendingUploads> {
        check_directory(path).map_err(named)?;
        let store = self.lock();
        let found: Vec<_> = store
            .unfinished_within(path)
            .map(|(path, file)| {
                Ok(PendingUpload::new(path, file.content.len() as u64).started(file.modified))
            })
            .collect();
        Ok(PendingUploads::new(found.into_iter()))
    }

    fn purge_uploads(&self, path: &str, age: Duration) -> Result<Purged> {
        check_directory(path).map_err(named)?;
        let now = self.clock.now();
        let old = |file: &Unfinished| {
            now.duration_since(file.modified).is_ok_and(|elapsed| elapsed >= age)
        };

        let mut store = self.lock();
        let gone: Vec<String> = store
            .unfinished_within(path)
            .filter(|(_, file)| old(file))
            .map(|(path, _)| path.to_owned())
            .collect();
        for path in &gone {
            store.unfinished.remove(path);
        }

        Ok(Purged::new(gone.len() as u64))
    }
}

#[derive(Debug, Default)]
struct Store {
    files: BTreeMap<String, File>,
    /// The files that were closed and not committed, the most recent one for each path.
    unfinished: BTreeMap<String, Unfinished>,
    /// The number of files written so far.
    written: u64,
}

impl Store {
    /// Returns the unfinished files at and below a path.
    fn unfinished_within(&self, path: &str) -> impl Iterator<Item = (&str, &Unfinished)> {
        self.unfinished
            .iter()
            .filter(move |(of, _)| is_within(of, path))
            .map(|(path, file)| (path.as_str(), file))
    }

    /// Returns the files below a directory, in the order of their paths.
    fn below(&self, directory: &str) -> impl Iterator<Item = (&str, &File)> {
        let prefix = format!("{}/", directory.trim_end_matches('/'));
        let from = (Bound::Excluded(prefix.clone()), Bound::Unbounded);
        self.files
            .range::<String, _>(from)
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .map(|(path, file)| (path.as_str(), file))
    }
}

#[derive(Clone, Debug)]
struct Unfinished {
    content: Arc<Vec<u8>>,
    /// When the file was last closed.
    modified: SystemTime,
    /// The version of the file that a commit would replace.
    replaces: Option<u64>,
}

#[derive(Clone, Debug)]
struct File {
    content: Arc<Vec<u8>>,
    modified: SystemTime,
    /// A version number that no other file ever had.
    version: u64,
}

impl File {
    fn info(&self, path: &str) -> FileInfo {
        FileInfo::file(path, self.content.len() as u64, Some(self.modified))
    }
}

/// Content that readers share.
struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

struct Writer {
    driver: MemoryDriver,
    path: String,
    content: Vec<u8>,
    mode: WriteMode,
    /// The version of the file that a commit would replace.
    replaces: Option<u64>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// Committed or cancelled.
    Ended,
    Closed,
}

impl Writer {
    /// Ends the writer, or returns an error if it has already ended.
    fn end(&mut self) -> Result<()> {
        self.check_open()?;
        self.stage = Stage::Ended;
        Ok(())
    }

    fn check_open(&self) -> Result<()> {
        match self.stage {
            Stage::Open => Ok(()),
            Stage::Ended | Stage::Closed => {
                Err(error(ErrorKind::Closed, "the writer has ended", &self.path))
            }
        }
    }

    /// Discards the closed file that this writer continues.
    fn discard_closed(&self) {
        if self.mode == WriteMode::Append {
            self.driver.lock().unfinished.remove(&self.path);
        }
    }
}

impl Write for Writer {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.check_open()?;
        self.content.extend_from_slice(content);
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(self.check_open()?)
    }
}

impl FileWriter for Writer {
    fn size(&self) -> u64 {
        self.content.len() as u64
    }

    fn close(&mut self) -> Result<()> {
        if self.stage != Stage::Ended {
            self.check_open()?;
            let content = Arc::new(self.content.clone());
            let modified = self.driver.clock.now();
            let mut store = self.driver.lock();
            let replaces = match self.mode {
                WriteMode::Create => store.files.get(&self.path).map(|file| file.version),
                WriteMode::Append => self.replaces,
            };

            store.unfinished.insert(self.path.clone(), Unfinished { content, modified, replaces });
        }

        self.stage = Stage::Closed;
        Ok(())
    }

    fn cancel(&mut self) -> Result<()> {
        self.end()?;
        self.discard_closed();
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.end()?;
        self.driver.put(&self.path, Arc::new(self.content.clone()));
        self.discard_closed();
        Ok(())
    }
}

fn check(path: &str) -> Result<()> {
    check_path(path).map_err(named)
}

fn named(error: Error) -> Error {
    error.with_driver(DRIVER_NAME)
}

fn error(kind: ErrorKind, text: impl Into<String>, path: &str) -> Error {
    named(Error::new(kind, text)).with_path(path)
}

fn not_found(path: &str) -> Error {
    named(path::not_found(path))
}
