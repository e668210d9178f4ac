//! Files that contain secrets. They are read within a limit, into memory that is wiped.

use super::Unavailable;
use crate::files;
use crate::text::{Form, shown_value};
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a text file of at most `limit` bytes. The error does not name the file.
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Zeroizing<String>> {
    let bytes = files::read(path, limit)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8 text")),
    }
}

/// Prepares a path for a message. It may be the text of a token that was passed in place of a path.
pub(super) fn shown_path(path: &Path) -> String {
    shown_value(&path.to_string_lossy(), Form::Path).to_string()
}

/// Reads a token and trims it. Token files are often readable by all users, because Kubernetes
/// creates them that way, so they cause no warning.
pub(super) fn read_token(path: &Path, limit: usize) -> Result<Zeroizing<String>, Unavailable> {
    let text = read(path, limit)
        .map_err(|error| Unavailable::Failed(format!("{}: {error}", shown_path(path))))?;
    match text.trim() {
        "" => Err(Unavailable::Failed(format!("{} is empty", shown_path(path)))),
        token => Ok(Zeroizing::new(token.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_bounded_and_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let error = |path: &Path, limit| read(path, limit).unwrap_err().to_string();
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(&**read(&path, 5).unwrap(), "12345");
        assert_eq!(error(&path, 4), "the file has more than 4 bytes");
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(error(&path, 4), "the file is not UTF-8 text");
        #[cfg(unix)]
        assert_eq!(error(Path::new("/dev/zero"), 4), "it is not a regular file");
    }

    #[test]
    fn tokens_are_trimmed_and_not_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "\n one two \n").unwrap();
        assert_eq!(&**read_token(&path, 20).unwrap(), "one two");
        std::fs::write(&path, " \n").unwrap();
        assert!(read_token(&path, 20).unwrap_err().reason().ends_with("token is empty"));
        assert!(read_token(&path, 1).unwrap_err().reason().ends_with("more than 1 bytes"));
    }
}
