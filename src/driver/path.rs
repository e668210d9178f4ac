//! Rules for driver paths: which paths are legal, which path is below another, and the errors that
//! all drivers return for them.
use crate::error::{Error, ErrorKind, Result};

/// Checks that a path matches the registry's expression `^(/[A-Za-z0-9._-]+)+$`.
///
/// # Errors
/// [`ErrorKind::InvalidPath`] if it does not.
pub fn check_path(path: &str) -> Result<()> {
    let good = path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        })
    });
    if good {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::InvalidPath, "invalid path").with_path(path))
    }
}

/// Checks that a path is `/` or a legal path, for calls that accept a directory.
pub(super) fn check_directory(path: &str) -> Result<()> {
    if path == "/" { Ok(()) } else { check_path(path) }
}

/// Checks that an offset is not negative.
pub(super) fn check_offset(path: &str, offset: i64) -> Result<u64> {
    u64::try_from(offset).map_err(|_| {
        let text = format!("invalid offset: {offset} for path");
        Error::new(ErrorKind::InvalidOffset, text).with_path(path).with_offset(offset)
    })
}

/// Returns the error of a path at which there is neither a file nor a directory.
pub(super) fn not_found(path: &str) -> Error {
    Error::new(ErrorKind::PathNotFound, "path not found").with_path(path)
}

/// Reports whether `path` is below `directory`, compared by components: `/tags/1.20` is not below
/// `/tags/1.2`.
pub(super) fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// Reports whether `path` is `directory` or is below it.
pub(super) fn is_within(path: &str, directory: &str) -> bool {
    directory == "/"
        || path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the part of `key` below the directory `root`, or the whole key if `root` is empty.
#[cfg(any(feature = "client", feature = "cloudfront"))]
pub(crate) fn below<'a>(key: &'a str, root: &str) -> Option<&'a str> {
    if root.is_empty() { Some(key) } else { key.strip_prefix(root)?.strip_prefix('/') }
}
