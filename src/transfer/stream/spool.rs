//! A folder that keeps the parts of uploads in files instead of memory.
use crate::error::{Error, ErrorKind, Result};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder for the parts of uploads that have not been sent yet.
///
/// Each part is in its own file, which only its owner can read, and which has no name after it was
/// created: it disappears however the process ends.
#[derive(Debug)]
pub(crate) struct SpoolFolder {
    path: PathBuf,
}

impl SpoolFolder {
    /// Opens a folder, and checks that files can be created in it. `random` is part of their names.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] if no file can be created.
    pub(crate) fn open(path: &Path, random: u64) -> Result<Self> {
        let folder = Self { path: path.to_owned() };
        folder.create_file(random).map(|_| folder)
    }

    /// Creates an empty file without a name.
    pub(super) fn create_file(&self, random: u64) -> Result<File> {
        /// Distinguishes the files of this process, even if their random numbers are equal.
        static CREATED: AtomicU64 = AtomicU64::new(0);

        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!(".s3driver-{random:016x}-{number}.spool"));
        create_unnamed(&path).map_err(|error| self.error("creating a file in", error))
    }

    /// Returns the error for a failure of the folder's file system.
    pub(super) fn error(&self, doing: &str, error: io::Error) -> Error {
        let is_full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        let text = format!("{doing} the spool folder {} failed: {error}", self.path.display());
        let error = Error::new(ErrorKind::LocalIo, text).with_source(error);
        if is_full {
            error.with_hint("free some space, or choose a larger folder with the option spool")
        } else {
            error
        }
    }
}

/// Creates a file for its owner alone, and removes its name.
#[cfg(unix)]
fn create_unnamed(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

/// Creates a file that no other process can open, and that Windows removes when it is closed.
#[cfg(windows)]
fn create_unnamed(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;

    /// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew>
    const FILE_ATTRIBUTE_TEMPORARY: u32 = 0x100;
    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .share_mode(0)
        .attributes(FILE_ATTRIBUTE_TEMPORARY)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE)
        .open(path)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn files_have_no_names_and_belong_to_their_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let folder = SpoolFolder::open(directory.path(), 7).unwrap();
        let files: Vec<File> = (0..3).map(|_| folder.create_file(7).unwrap()).collect();
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        let seen = files.iter().map(|file| file.metadata().unwrap());
        let mut inodes: Vec<u64> = seen
            .map(|metadata| {
                assert_eq!((metadata.nlink(), metadata.permissions().mode() & 0o777), (0, 0o600));
                metadata.ino()
            })
            .collect();
        inodes.dedup();
        assert_eq!(inodes.len(), 3);
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let error = SpoolFolder::open(&missing, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LocalIo);
        assert!(error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn a_full_disk_is_explained() {
        let folder = SpoolFolder { path: PathBuf::from("/spool") };
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::FileTooLarge] {
            let error = folder.error("writing a part to", kind.into());
            assert!(error.to_string().contains("writing a part to the spool folder /spool failed"));
            assert!(error.hint().is_some_and(|hint| hint.contains("spool")));
        }
        assert_eq!(folder.error("reading", io::ErrorKind::NotFound.into()).hint(), None);
    }
}
