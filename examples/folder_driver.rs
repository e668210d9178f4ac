//! A custom storage driver: files in a local folder.
//!
//! ```sh
//! cargo run --example folder_driver -- /var/lib/registry
//! ```
//!
//! The driver passes the conformance suite, which `tests/driver/conformance.rs` runs. It shows what
//! an implementation of `StorageDriver` must provide: paths that cannot leave the folder, files
//! that appear atomically, and errors that name the driver and the path. Its `walk` and
//! `write_stream` are the trait's provided methods.
//!
//! The folder has three parts. `files` mirrors the paths. `uploads` contains the unfinished files
//! that a writer has closed. `scratch` contains the files that are being written. They are moved
//! out of it with `rename`, which replaces its target atomically.
use s3driver::driver::{
    FileInfo, FileWriter, PendingUpload, PendingUploads, Purged, StorageDriver, UrlOptions,
    WalkOptions, WalkStep, WriteMode, check_path,
};
use s3driver::{Error, ErrorKind, Result};
use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const NAME: &str = "folder";

/// The name of an unfinished file in the directory that mirrors its path. Paths cannot contain a
/// `%`, so the upload of `/a` and the directory of the upload of `/a/b` never collide.
const UPLOAD: &str = "%upload";

/// The maximum number of attempts to move a file into a directory that another call keeps removing.
const ATTEMPTS: u32 = 100;

/// A storage driver that keeps files in a folder. Any number of drivers and processes can share it.
#[derive(Clone, Debug)]
pub(crate) struct FolderDriver {
    root: PathBuf,
}

impl FolderDriver {
    /// Opens the folder, and creates it if it does not exist.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Result<Self> {
        let driver = Self { root: root.into() };
        for part in [driver.files(), driver.uploads(), driver.root.join("scratch")] {
            fs::create_dir_all(part).map_err(|error| failure(error, "/"))?;
        }
        Ok(driver)
    }

    fn files(&self) -> PathBuf {
        self.root.join("files")
    }
    fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }
    fn file(&self, path: &str) -> PathBuf {
        mirrored(self.files(), path)
    }
    fn upload(&self, path: &str) -> PathBuf {
        mirrored(self.uploads(), path).join(UPLOAD)
    }

    /// Creates the parent directory and moves a file there. Another call may remove the empty
    /// directory between these two steps.
    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        let parent = to.parent().unwrap_or(&self.root);
        let mut attempts = 0;
        loop {
            attempts += 1;
            match fs::create_dir_all(parent).and_then(|()| fs::rename(from, to)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS => {}
                result => {
                    result?;
                    return self.sync_names(parent);
                }
            }
        }
    }

    /// Makes the entries of a directory and of its parents durable.
    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        if cfg!(unix) {
            for directory in directory.ancestors().take_while(|directory| *directory != self.root) {
                match File::open(directory).and_then(|directory| directory.sync_all()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Removes the directories above `place` that have become empty.
    fn prune(&self, place: &Path) {
        for directory in place.ancestors().skip(1) {
            // `remove_dir` refuses to remove a directory that is not empty.
            if directory.parent() == Some(&*self.root) || fs::remove_dir(directory).is_err() {
                break;
            }
        }
    }

    /// Removes the unfinished file at a path.
    fn end_upload(&self, path: &str) -> Result<()> {
        let place = self.upload(path);
        match fs::remove_file(&place) {
            Err(error) if !is_missing(&error) => return Err(failure(error, path)),
            Err(_) => {}
            Ok(()) => self.prune(&place),
        }
        Ok(())
    }

    /// Removes a directory atomically: it is moved away first, and then its content is deleted.
    fn remove_directory(&self, place: &Path) -> io::Result<()> {
        let away = Scratch::new(self)?;
        fs::remove_file(&away.path)?;
        fs::rename(place, &away.path)?;
        fs::remove_dir_all(&away.path)
    }

    /// Returns the unfinished files at and below a path.
    fn unfinished(&self, path: &str) -> Result<Vec<PendingUpload>> {
        let mut found = Vec::new();
        let mut directories =
            vec![(mirrored(self.uploads(), path), path.trim_end_matches('/').to_owned())];
        while let Some((directory, path)) = directories.pop() {
            let entries = match fs::read_dir(&directory) {
                Err(error) if is_missing(&error) => continue,
                entries => entries.map_err(|error| failure(error, &path))?,
            };
            for entry in entries {
                let entry = entry.map_err(|error| failure(error, &path))?;
                if entry.file_name() == UPLOAD {
                    let Ok(metadata) = entry.metadata() else { continue };
                    let upload = PendingUpload::new(&*path, metadata.len());
                    found.push(match metadata.modified() {
                        Ok(time) => upload.started(time),
                        Err(_) => upload,
                    });
                } else if let Some(name) = component(&entry.file_name()) {
                    directories.push((entry.path(), format!("{path}/{name}")));
                }
            }
        }
        Ok(found)
    }
}

impl StorageDriver for FolderDriver {
    fn name(&self) -> &str {
        NAME
    }

    fn get_content(&self, path: &str) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.reader(path, 0)?.read_to_end(&mut content)?;
        Ok(content)
    }

    fn put_content(&self, path: &str, content: &[u8]) -> Result<()> {
        check(path)?;
        let write = || {
            let mut scratch = Scratch::new(self)?;
            scratch.file.write_all(content)?;
            scratch.publish(self, &self.file(path))
        };
        write().map_err(|error| failure(error, path))?;
        // An unfinished file is older than this content, so its commit must not replace it.
        self.end_upload(path)
    }

    fn reader(&self, path: &str, offset: i64) -> Result<Box<dyn Read + Send>> {
        let offset = u64::try_from(offset).map_err(|_| {
            let text = format!("invalid offset: {offset} for path");
            error(ErrorKind::InvalidOffset, text, path).with_offset(offset)
        })?;
        check(path)?;
        let open = || {
            let mut file = File::open(self.file(path))?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
            // Some systems refuse to seek far beyond the end.
            file.seek(SeekFrom::Start(offset.min(metadata.len())))?;
            Ok(FolderReader { file, path: path.to_owned() })
        };
        Ok(Box::new(open().map_err(|error| failure(error, path))?))
    }

    fn writer(&self, path: &str, mode: WriteMode) -> Result<Box<dyn FileWriter>> {
        check(path)?;
        let failed = |error| failure(error, path);
        let mut scratch = Scratch::new(self).map_err(failed)?;
        let mut size = 0;
        if mode == WriteMode::Append {
            // The writer works on a copy, so that the file which the last writer closed still
            // exists if this one is dropped.
            match File::open(self.upload(path)) {
                Ok(mut closed) => {
                    size = io::copy(&mut closed, &mut scratch.file).map_err(failed)?;
                }
                Err(error) if !is_missing(&error) => return Err(failed(error)),
                Err(_) => match self.stat(path)? {
                    info if info.is_directory() => {
                        return Err(failed(io::ErrorKind::NotFound.into()));
                    }
                    info if info.size == 0 => {}
                    info => {
                        let text = format!(
                            "cannot append: a file of {} bytes is committed here",
                            info.size
                        );
                        return Err(error(ErrorKind::InvalidArgument, text, path));
                    }
                },
            }
        }
        let (driver, path) = (self.clone(), path.to_owned());
        Ok(Box::new(FolderWriter {
            driver,
            path,
            scratch: Some(scratch),
            size,
            state: State::Open,
        }))
    }

    fn stat(&self, path: &str) -> Result<FileInfo> {
        if path == "/" {
            return Ok(FileInfo::directory(path));
        }
        check(path)?;
        let place = self.file(path);
        let metadata = fs::metadata(&place).map_err(|error| failure(error, path))?;
        if metadata.is_file() {
            return Ok(FileInfo::file(path, metadata.len(), metadata.modified().ok()));
        }
        match fs::read_dir(&place).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Ok(FileInfo::directory(path)),
            Ok(false) => Err(failure(io::ErrorKind::NotFound.into(), path)),
            Err(error) => Err(failure(error, path)),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        if path != "/" {
            check(path)?;
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(self.file(path)).map_err(|error| failure(error, path))? {
            let entry = entry.map_err(|error| failure(error, path))?;
            let parent = path.trim_end_matches('/');
            found.extend(component(&entry.file_name()).map(|name| format!("{parent}/{name}")));
        }
        if found.is_empty() && path != "/" {
            return Err(failure(io::ErrorKind::NotFound.into(), path));
        }
        Ok(found)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        check(from)?;
        check(to)?;
        let (source, target) = (self.file(from), self.file(to));
        match fs::metadata(&source) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(failure(io::ErrorKind::NotFound.into(), from)),
            Err(error) => return Err(failure(error, from)),
        }
        if from != to {
            self.publish(&source, &target).map_err(|error| failure(error, to))?;
            self.prune(&source);
        }
        self.end_upload(from)?;
        self.end_upload(to)
    }

    fn delete(&self, path: &str) -> Result<()> {
        check(path)?;
        let place = self.file(path);
        let removed = match fs::metadata(&place) {
            Ok(metadata) if metadata.is_file() => fs::remove_file(&place),
            Ok(_) => self.remove_directory(&place),
            Err(error) => Err(error),
        };
        self.prune(&place);
        let uploads = mirrored(self.uploads(), path);
        match self.remove_directory(&uploads) {
            Err(error) if !is_missing(&error) => return Err(failure(error, path)),
            _ => self.prune(&uploads),
        }
        removed.map_err(|error| failure(error, path))
    }

    fn url_for(&self, path: &str, _: &UrlOptions) -> Result<String> {
        check(path)?;
        Err(error(ErrorKind::UnsupportedMethod, "a folder does not have URLs", path))
    }

    fn pending_uploads(&self, path: &str) -> Result<PendingUploads> {
        if path != "/" {
            check(path)?;
        }
        Ok(PendingUploads::new(self.unfinished(path)?.into_iter().map(Ok)))
    }

    fn purge_uploads(&self, path: &str, age: Duration) -> Result<Purged> {
        let mut ended = 0;
        for upload in self.pending_uploads(path)? {
            let upload = upload?;
            let elapsed =
                upload.started.and_then(|started| SystemTime::now().duration_since(started).ok());
            if elapsed.is_some_and(|elapsed| elapsed >= age) {
                self.end_upload(&upload.path)?;
                ended += 1;
            }
        }
        Ok(Purged::new(ended))
    }
}

/// A reader whose errors name the driver and the path.
struct FolderReader {
    file: File,
    path: String,
}

impl Read for FolderReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| failure(error, &self.path).into())
    }
}

/// A file in `scratch` that is removed on drop unless it was published.
struct Scratch {
    file: File,
    path: PathBuf,
}

impl Scratch {
    fn new(driver: &FolderDriver) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = driver.root.join("scratch").join(format!("{}-{number}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                // The process id was used by a process that has ended, or by one on another
                // machine.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                file => return Ok(Self { file: file?, path }),
            }
        }
    }

    /// Makes the content durable and moves the file to its place.
    fn publish(self, driver: &FolderDriver, place: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        driver.publish(&self.path, place)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // This fails if the file was published, because it has been moved.
        let _ = fs::remove_file(&self.path);
    }
}

struct FolderWriter {
    driver: FolderDriver,
    path: String,
    /// `None` once the writer has ended.
    scratch: Option<Scratch>,
    size: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A write has failed, so the file may not contain what the caller wrote.
    Broken,
    /// Committed or cancelled: one `close` may follow.
    Ended,
    Closed,
}

impl FolderWriter {
    /// Ends the writer and returns the file that it wrote.
    fn end(&mut self, state: State) -> Result<Scratch> {
        let scratch = self.scratch.take();
        let broken = std::mem::replace(&mut self.state, state) == State::Broken;
        match scratch {
            Some(_) if broken => {
                Err(error(ErrorKind::LocalIo, "an earlier write to the file failed", &self.path))
            }
            Some(scratch) => Ok(scratch),
            None => Err(error(ErrorKind::Closed, "the writer has ended", &self.path)),
        }
    }
}

impl Write for FolderWriter {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let Some(scratch) = &mut self.scratch else {
            return Err(error(ErrorKind::Closed, "the writer has ended", &self.path).into());
        };
        match scratch.file.write(content) {
            Ok(written) => {
                self.size += written as u64;
                Ok(written)
            }
            Err(error) => {
                self.state = State::Broken;
                Err(failure(error, &self.path).into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.scratch {
            Some(_) => Ok(()),
            None => Err(error(ErrorKind::Closed, "the writer has ended", &self.path).into()),
        }
    }
}

impl FileWriter for FolderWriter {
    fn size(&self) -> u64 {
        self.size
    }

    fn close(&mut self) -> Result<()> {
        if self.state == State::Ended {
            self.state = State::Closed;
            return Ok(());
        }
        let scratch = self.end(State::Closed)?;
        let place = self.driver.upload(&self.path);
        scratch.publish(&self.driver, &place).map_err(|error| failure(error, &self.path))
    }

    fn cancel(&mut self) -> Result<()> {
        match self.end(State::Ended) {
            Err(error) if error.kind() == ErrorKind::Closed => Err(error),
            _ => self.driver.end_upload(&self.path),
        }
    }

    fn commit(&mut self) -> Result<()> {
        let scratch = self.end(State::Ended)?;
        let place = self.driver.file(&self.path);
        scratch.publish(&self.driver, &place).map_err(|error| failure(error, &self.path))?;
        self.driver.end_upload(&self.path)
    }
}

/// Returns the location of a checked path. `.` and `..`, which a driver path may contain but a file
/// system treats as directories, are stored with a `%`, so that no path can leave the folder.
fn mirrored(mut place: PathBuf, path: &str) -> PathBuf {
    for name in path.split('/').filter(|name| !name.is_empty()) {
        place.push(if matches!(name, "." | "..") { format!("%{name}") } else { name.to_owned() });
    }
    place
}

/// Returns the path component that a name in the folder represents, or `None` for names that no
/// path can have.
fn component(name: &OsStr) -> Option<&str> {
    let name = name.to_str()?;
    match name.strip_prefix('%') {
        Some(dots) => matches!(dots, "." | "..").then_some(dots),
        None => check_path(&format!("/{name}")).is_ok().then_some(name),
    }
}

fn check(path: &str) -> Result<()> {
    check_path(path).map_err(|error| error.with_driver(NAME))
}

/// Reports whether the error means that the path does not exist, which includes a parent that is a
/// file and a name that is too long.
fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

fn failure(cause: io::Error, path: &str) -> Error {
    let (kind, text) = match cause.kind() {
        _ if is_missing(&cause) => (ErrorKind::PathNotFound, "path not found".to_owned()),
        io::ErrorKind::PermissionDenied => (ErrorKind::AccessDenied, cause.to_string()),
        _ => (ErrorKind::LocalIo, cause.to_string()),
    };
    error(kind, text, path).with_source(cause)
}

fn error(kind: ErrorKind, text: impl Into<String>, path: &str) -> Error {
    Error::new(kind, text).with_driver(NAME).with_path(path)
}

fn main() -> Result<()> {
    let folder =
        env::args_os().nth(1).unwrap_or_else(|| env::temp_dir().join("folder_driver").into());
    let driver = FolderDriver::new(&folder)?;
    driver.put_content("/repositories/alpine/tags/latest/link", b"sha256:...")?;
    let mut writer = driver.writer("/blobs/layer", WriteMode::Create)?;
    writer.write_all(b"written step by step")?;
    writer.commit()?;
    driver.write_stream("/blobs/layer", 8, &mut &b"again, from byte 8 on"[..])?;
    println!("{} holds:", folder.display());
    driver.walk("/", &WalkOptions::default(), &mut |info| {
        println!(
            "{} {}",
            info.path,
            if info.is_directory() { String::new() } else { format!("({} bytes)", info.size) }
        );
        Ok(WalkStep::Continue)
    })
}
