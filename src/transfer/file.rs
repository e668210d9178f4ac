//! Reads and writes files by position, from many threads at the same time.
use crate::error::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A reader of a section of a file, starting at its beginning.
pub(super) struct Section<'a> {
    pub(super) file: &'a File,
    pub(super) at: u64,
    pub(super) end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let n = read_at(self.file, &mut buffer[..room], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// The number of hex digits in the name of a file that is being received: 64 bits of a digest, so
/// that two downloads can only share a name intentionally.
const PART_NAME: usize = 16;

/// How often a download opens the file that it continues: other downloads of the same version may
/// finish between an opening and its lock, but hardly twice.
const OPENINGS: u32 = 8;

/// A file that gets its name once it is complete, and is removed otherwise.
pub(super) struct Unfinished {
    pub(super) file: File,
    path: PathBuf,
    target: PathBuf,
    done: bool,
}

impl Unfinished {
    /// Creates the file next to `target`, so that the last step is a rename within one file system.
    pub(super) fn beside(target: &Path, random: u64) -> Result<Self> {
        replaceable_name(target)?;
        let path = target.with_file_name(format!(".s3driver-{random:016x}.part"));
        let file = OpenOptions::new()
            .write(true)
            .read(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| local_error("creating", &path, error))?;
        Ok(Self { file, path, target: target.to_owned(), done: false })
    }

    /// Makes the content durable and gives the file its name, replacing an existing file.
    pub(super) fn finish(mut self) -> Result<()> {
        self.file.sync_all().map_err(|error| local_error("writing", &self.path, error))?;
        fs::rename(&self.path, &self.target)
            .map_err(|error| local_error("renaming", &self.path, error))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done {
            // If the file cannot be removed, nothing more can be done.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// A file that collects the received bytes until it is complete and is renamed. In the meantime, no
/// other process writes to it.
pub(super) struct Arriving {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl Arriving {
    /// Opens the file for `version` of the object that will be stored at `target`, in the directory
    /// of `target`.
    pub(super) fn next_to(target: &Path, version: &str) -> Result<Self> {
        let name = replaceable_name(target)?;
        let digest = Sha256::new().chain_update(version).chain_update(name.as_encoded_bytes());
        let name = hex::encode(digest.finalize());
        let path = target.with_file_name(format!(".s3driver-{}.part", &name[..PART_NAME]));
        let is_used = |reason: String| {
            let text = format!("{} is being written by another download: {reason}", path.display());
            Error::new(ErrorKind::LocalIo, text)
        };
        for _ in 0..OPENINGS {
            let file = OpenOptions::new()
                .write(true)
                .read(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(|error| local_error("opening", &path, error))?;
            file.try_lock().map_err(|error| is_used(error.to_string()))?;
            // Before the lock, another download may have renamed or removed this file.
            if is_at(&file, &path) {
                return Ok(Self { file, path });
            }
        }
        Err(is_used("it is replaced again and again".to_owned()))
    }

    /// Returns the number of bytes that have arrived.
    pub(super) fn length(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|error| local_error("reading", &self.path, error))?.len())
    }

    pub(super) fn truncate(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| local_error("writing", &self.path, error))
    }

    /// Makes the content durable and renames the file to `target`, replacing an existing file.
    pub(super) fn finish(self, target: &Path) -> Result<()> {
        self.file.sync_all().map_err(|error| local_error("writing", &self.path, error))?;
        fs::rename(&self.path, target).map_err(|error| local_error("renaming", &self.path, error))
    }

    /// Removes the file.
    pub(super) fn remove(self) {
        // If the file cannot be removed, nothing more can be done.
        drop(fs::remove_file(&self.path));
    }
}

/// The directory of Linux in which links such as `/dev/stdout` end. They name an open file of the
/// process, of whatever kind.
const OPEN_FILES: &str = "/proc";

/// Returns the name of a file that is to be received. A rename would replace a device, a pipe or a
/// socket by a regular file, so such a target is refused, and a link to one as well. A link to a
/// regular file, or to nothing, is replaced itself.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`].
fn replaceable_name(target: &Path) -> Result<&OsStr> {
    let refused = |why: &str| {
        let text = format!("{} {why}", target.display());
        Error::new(ErrorKind::InvalidArgument, text)
    };
    let name = target.file_name().ok_or_else(|| refused("does not name a file"))?;
    let leads_to_an_open_file = target.read_link().is_ok_and(|place| place.starts_with(OPEN_FILES));
    match fs::metadata(target) {
        Ok(metadata) if metadata.is_dir() => Err(refused("is a directory")),
        Ok(metadata) if !metadata.is_file() || leads_to_an_open_file => {
            Err(refused("is not a regular file: a download would replace it").with_hint(
                "choose another name; the command-line tool writes to the standard output if the \
                 target is -",
            ))
        }
        // If the target cannot be examined, creating or renaming the file reports the reason.
        Ok(_) | Err(_) => Ok(name),
    }
}

/// Returns whether `path` still names the open `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let open = file.metadata().ok().map(place);
    open.is_some() && open == fs::metadata(path).ok().map(place)
}

/// Without a stable identity of files, a replaced file is only noticed when it is renamed.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Returns the error for a failure of the local file system, with the path of the file.
pub(super) fn local_error(doing: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::LocalIo, format!("{doing} {} failed: {error}", path.display()))
        .with_source(error)
}

#[cfg(not(any(unix, windows)))]
compile_error!(
    "the feature `client` supports Unix and Windows: transfers read and write files at offsets, \
     and this platform has no \
     such operation; `default-features = false` with `cloudfront` builds everywhere"
);

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(unix)]
pub(super) fn write_all_at(file: &File, content: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, content, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

#[cfg(windows)]
pub(super) fn write_all_at(file: &File, mut content: &[u8], mut at: u64) -> io::Result<()> {
    while !content.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, content, at)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => {
                content = &content[n..];
                at += n as u64;
            }
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// A download that finishes renames the file that the next one has opened already.
    #[test]
    fn a_renamed_or_replaced_file_is_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        let [path, target] = ["part", "target"].map(|name| folder.path().join(name));
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path));
        fs::rename(&path, &target).unwrap();
        assert!(!is_at(&file, &path));
        File::create(&path).unwrap();
        assert!(!is_at(&file, &path), "another file");
        assert!(is_at(&file, &target));
    }

    /// Returns what a download to `target` is refused with.
    fn refusals(target: &Path) -> [Option<String>; 2] {
        let reason = |error: Error| {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            error.message().to_owned()
        };
        let whole = Unfinished::beside(target, 7).err().map(reason);
        [whole, Arriving::next_to(target, "etag").map(Arriving::remove).err().map(reason)]
    }

    #[test]
    fn only_regular_files_and_links_to_them_are_replaced() {
        use std::os::unix::fs::symlink;
        use std::os::unix::net::UnixListener;

        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "old").unwrap();
        fs::create_dir(path("folder")).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        for (name, place) in [
            ("to-file", path("file")),
            ("to-nothing", path("nothing")),
            ("to-socket", path("socket")),
            ("to-null", "/dev/null".into()),
            ("to-itself", path("to-itself")),
            ("stdout", "/proc/self/fd/1".into()),
        ] {
            symlink(place, path(name)).unwrap();
        }
        for name in ["file", "new", "to-file", "to-nothing", "to-itself"] {
            assert_eq!(refusals(&path(name)), [None, None], "{name}");
        }
        let refused = ["socket", "to-socket", "to-null", "stdout", "folder"].map(path);
        for target in refused.into_iter().chain(["/dev/null".into(), "/dev/zero".into()]) {
            for refusal in refusals(&target) {
                assert!(refusal.is_some_and(|text| text.contains(" is ")), "{}", target.display());
            }
        }
        for target in ["/", "..", ""] {
            assert!(refusals(Path::new(target)).iter().all(Option::is_some), "{target}");
        }

        // A link is replaced, and the file that it names stays.
        Unfinished::beside(&path("to-file"), 7).unwrap().finish().unwrap();
        assert!(!path("to-file").is_symlink());
        assert_eq!(fs::read(path("file")).unwrap(), b"old");
    }

    #[test]
    fn a_file_is_received_by_one_download_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        let first = Arriving::next_to(&target, "etag").unwrap();
        let used = Arriving::next_to(&target, "etag").map(drop).unwrap_err();
        assert!(used.message().contains("another download"), "{used}");
        first.finish(&target).unwrap();
        Arriving::next_to(&target, "etag").unwrap().remove();
    }
}
