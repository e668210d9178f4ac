//! Reads and writes files by position, from many threads at the same time.
use crate::error::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};
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
        if target.file_name().is_none() {
            let text = format!("{} does not name a file", target.display());
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
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
        let Some(name) = target.file_name() else {
            let text = format!("{} does not name a file", target.display());
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        };
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
