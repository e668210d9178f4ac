//! Walks over flat listings. Directories are inferred from the paths, and each is visited before
//! its contents.
use super::path::{check_directory, check_path, is_below};
use super::{FileInfo, WalkOptions, WalkStep};
use crate::error::{Error, ErrorKind, Result};
use std::cmp::Ordering;

/// Checks the paths of a walk. Returns the path after which the visits start, or `None` if they
/// start with the first path.
pub(super) fn check_walk<'a>(from: &str, options: &'a WalkOptions) -> Result<Option<&'a str>> {
    check_directory(from)?;
    let start = options.start_after.as_deref().filter(|start| *start != "/");
    start.map_or(Ok(()), check_path)?;
    Ok(start)
}

/// A walk that receives files in order, and visits them and the directories that contain them.
pub(super) struct Walk<'a> {
    /// The directories that contain the last visited path, outermost first.
    open: Vec<String>,
    /// The directory whose contents are skipped.
    skipped: Option<String>,
    last: String,
    /// The driver's name, for errors of the walk itself.
    driver: &'a str,
    base: &'a str,
    visit: &'a mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        driver: &'a str,
        base: &'a str,
        visit: &'a mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
    ) -> Self {
        Self { open: Vec::new(), skipped: None, last: String::new(), driver, base, visit }
    }

    /// Visits a file, preceded by the directories whose first entry it is. An error of the visitor
    /// is returned unchanged.
    pub(super) fn enter(&mut self, file: &FileInfo) -> Result<WalkStep> {
        let path = file.path.as_str();
        if !self.is_after_last(path)? {
            return Ok(WalkStep::Continue);
        }

        path.clone_into(&mut self.last);
        if self.is_omitted(path) {
            return Ok(WalkStep::Continue);
        }

        match self.open_directories(path)? {
            WalkStep::Continue => (self.visit)(file),
            WalkStep::SkipDirectory => Ok(WalkStep::Continue),
            WalkStep::Stop => Ok(WalkStep::Stop),
        }
    }

    /// Visits a directory that the listing contains, preceded by the directories that contain it,
    /// unless they have been visited already.
    #[cfg(feature = "client")]
    pub(super) fn enter_directory(&mut self, path: &str) -> Result<WalkStep> {
        if self.is_omitted(path) || self.open.iter().any(|open| open == path) {
            return Ok(WalkStep::Continue);
        }

        let place = format!("{path}/");
        if !self.is_after_last(&place)? {
            return Ok(WalkStep::Continue);
        }

        self.last = place;
        match self.open_directories(&format!("{path}/"))? {
            WalkStep::Stop => Ok(WalkStep::Stop),
            WalkStep::Continue | WalkStep::SkipDirectory => Ok(WalkStep::Continue),
        }
    }

    /// Returns the directory whose contents are being skipped.
    #[cfg(feature = "client")]
    pub(super) fn skipped(&self) -> Option<&str> {
        self.skipped.as_deref()
    }

    /// Stops skipping, because the next path is after the skipped directory.
    #[cfg(feature = "client")]
    pub(super) fn pass_skipped(&mut self) {
        self.skipped = None;
    }

    /// Reports whether `path` comes after the last visited path. Returns `false` if it is the same
    /// path again.
    fn is_after_last(&self, path: &str) -> Result<bool> {
        match in_order(&self.last, path) {
            Some(order) => Ok(order != Ordering::Equal),
            None => {
                let text = format!(
                    "the server listed {path} after {}: a walk over it could miss or repeat files",
                    self.last
                );
                Err(Error::new(ErrorKind::Protocol, text).with_driver(self.driver))
            }
        }
    }

    /// Reports whether `path` is the skipped directory or below it. If it is neither, skipping
    /// ends.
    fn is_omitted(&mut self, path: &str) -> bool {
        if self
            .skipped
            .as_deref()
            .is_some_and(|directory| path == directory || is_below(path, directory))
        {
            return true;
        }

        self.skipped = None;
        false
    }

    /// Visits the directories that contain `path` and have not been visited yet.
    fn open_directories(&mut self, path: &str) -> Result<WalkStep> {
        // Each of them contains the next one.
        while self.open.last().is_some_and(|directory| !is_below(path, directory)) {
            self.open.pop();
        }
        let known =
            self.open.last().map_or_else(|| self.base.trim_end_matches('/'), String::as_str).len();
        let bytes = path.bytes().enumerate().skip(known.saturating_add(1));
        for (end, _) in bytes.filter(|(_, byte)| *byte == b'/') {
            let Some(directory) = path.get(..end) else { continue };
            match (self.visit)(&FileInfo::directory(directory))? {
                WalkStep::Continue => self.open.push(directory.to_owned()),
                WalkStep::SkipDirectory => {
                    self.skipped = Some(directory.to_owned());
                    return Ok(WalkStep::SkipDirectory);
                }
                WalkStep::Stop => return Ok(WalkStep::Stop),
            }
        }

        Ok(WalkStep::Continue)
    }
}

/// Compares `last` with `path`, and returns `None` if `path` must not follow `last`. Paths are
/// sorted either by their bytes, as in S3's listings, or by components, as on servers that store a
/// tree (SeaweedFS). In both orders, the contents of a directory are listed without interruption,
/// on which the walk relies.
fn in_order(last: &str, path: &str) -> Option<Ordering> {
    if path == last {
        return Some(Ordering::Equal);
    }

    (last < path || last.split('/').lt(path.split('/'))).then_some(Ordering::Less)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(keys: &[&str], step: impl Fn(&str) -> WalkStep) -> Result<Vec<String>> {
        let mut seen = Vec::new();
        let mut visit = |info: &FileInfo| {
            seen.push(info.path.clone());
            Ok(step(&info.path))
        };

        let mut walk = Walk::new("test", "/", &mut visit);
        for key in keys {
            if walk.enter(&FileInfo::file(*key, 1, None))? == WalkStep::Stop {
                break;
            }
        }

        Ok(seen)
    }

    #[test]
    fn a_directory_is_visited_once_before_its_contents() {
        let seen =
            walk(&["/a-b/c", "/a/b/c", "/a/b/d", "/a/e", "/f"], |_| WalkStep::Continue).unwrap();
        assert_eq!(seen, ["/a-b", "/a-b/c", "/a", "/a/b", "/a/b/c", "/a/b/d", "/a/e", "/f"]);
    }

    #[test]
    fn skipping_omits_the_directory_and_nothing_else() {
        let skip = |path: &str| {
            if path == "/tags/1.2" { WalkStep::SkipDirectory } else { WalkStep::Continue }
        };

        let seen = walk(&["/tags/1.2/x", "/tags/1.2/y", "/tags/1.20/x"], skip).unwrap();
        assert_eq!(seen, ["/tags", "/tags/1.2", "/tags/1.20", "/tags/1.20/x"]);
    }

    #[cfg(feature = "client")]
    #[test]
    fn a_directory_marker_is_visited_once() {
        let mut seen = Vec::new();
        let mut visit = |info: &FileInfo| {
            seen.push(info.path.clone());
            Ok(if info.path == "/c" { WalkStep::SkipDirectory } else { WalkStep::Continue })
        };

        let mut walk = Walk::new("test", "/", &mut visit);
        for marker in ["/a/b", "/a/b"] {
            assert_eq!(walk.enter_directory(marker).unwrap(), WalkStep::Continue);
        }

        walk.enter(&FileInfo::file("/a/b/x", 1, None)).unwrap();
        walk.enter_directory("/c").unwrap();
        assert_eq!(walk.skipped(), Some("/c"));
        walk.enter_directory("/c").unwrap();
        walk.enter(&FileInfo::file("/c/x", 1, None)).unwrap();
        walk.enter_directory("/d").unwrap();
        assert_eq!(walk.skipped(), None);
        assert_eq!(walk.enter_directory("/b").unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(seen, ["/a", "/a/b", "/a/b/x", "/c", "/d"]);
    }

    #[test]
    fn stopping_ends_the_walk() {
        let stop = |path: &str| if path == "/b" { WalkStep::Stop } else { WalkStep::Continue };
        assert_eq!(walk(&["/a", "/b", "/c"], stop).unwrap(), ["/a", "/b"]);
    }

    #[test]
    fn tree_order_is_accepted_repeated_keys_are_visited_once_and_disorder_is_refused() {
        let seen = walk(&["/a/b", "/a-b/c", "/a-b/c"], |_| WalkStep::Continue).unwrap();
        assert_eq!(seen, ["/a", "/a/b", "/a-b", "/a-b/c"]);
        assert_eq!(
            walk(&["/b", "/a"], |_| WalkStep::Continue).unwrap_err().kind(),
            ErrorKind::Protocol
        );
    }
}
