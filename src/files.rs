//! Reading of small files that the configuration names, with a size limit and into memory that is
//! wiped.
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a regular file of at most `limit` bytes. The error does not name the file.
///
/// Anything other than a regular file is refused before it is opened: a named pipe without a writer
/// would block the thread forever, and a device may be endless. `/dev/null`, which configurations
/// use instead of an empty file, reads as empty.
pub(crate) fn read(path: &Path, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    if path == Path::new("/dev/null") {
        return Ok(Zeroizing::default());
    }

    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file"));
    }

    let file = File::open(path)?;
    // The buffer starts with the file's size, so that no part of a secret remains in an outgrown
    // allocation.
    let capacity = usize::try_from(metadata.len()).unwrap_or(limit).min(limit).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        let reason = format!("the file has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }

    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_bound_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let error = |path: &Path, limit| read(path, limit).unwrap_err().to_string();
        fs::write(&path, "12345").unwrap();
        assert_eq!(&**read(&path, 5).unwrap(), b"12345");
        assert_eq!(error(&path, 4), "the file has more than 4 bytes");
        assert_eq!(error(directory.path(), 4), "it is not a regular file");
        assert_eq!(
            read(&directory.path().join("none"), 4).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[cfg(unix)]
    #[test]
    fn p27_a_named_pipe_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for path in [&*pipe, &*link, Path::new("/dev/zero"), Path::new("/dev/tty")] {
            assert!(read(path, 4).is_err(), "{}", path.display());
        }

        assert!(read(Path::new("/dev/null"), 4).unwrap().is_empty());
    }
}
