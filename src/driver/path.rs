//! Driver paths: which are legal, and which lie below which.
use crate::error::{Error, ErrorKind, Result};

/// Refuses what the registry's path expression refuses: `^(/[A-Za-z0-9._-]+)+$`.
pub fn check_path(path: &str) -> Result<()> {
    let good = path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        })
    });
    if good { Ok(()) } else { Err(Error::new(ErrorKind::InvalidPath, "invalid path").with_path(path)) }
}

/// Whether `path` lies in `directory`, component by component: `/tags/1.20` is not in `/tags/1.2`.
pub(super) fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(feature = "client")]
/// Whether `path` is `directory` or lies below it.
pub(super) fn is_within(path: &str, directory: &str) -> bool {
    directory == "/" || path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(feature = "cloudfront")]
/// What is left of `key` below the directory `root`; all of it below no directory.
pub(crate) fn below<'a>(key: &'a str, root: &str) -> Option<&'a str> {
    if root.is_empty() { Some(key) } else { key.strip_prefix(root)?.strip_prefix('/') }
}
