//! The provided methods of [`StorageDriver`](super::StorageDriver): a walk that lists directory by
//! directory, and the writing of a stream through a writer.
use super::path::{check_directory, check_offset, check_path};
use super::walk::check_walk;
use super::{FileInfo, FileWriter, WalkOptions, WalkStep};
use crate::error::{Error, ErrorKind, Result};
use std::io::{self, Read};

/// The number of bytes that are copied at a time.
const PIECE: usize = 64 << 10;

/// The calls of a driver that a walk uses.
pub(super) struct Tree<'a> {
    pub(super) list: &'a dyn Fn(&str) -> Result<Vec<String>>,
    pub(super) stat: &'a dyn Fn(&str) -> Result<FileInfo>,
}

/// Walks everything below `from`, sorted by the bytes of whole paths, as in S3's listings.
///
/// A directory is sorted by its path with a final slash, so that its contents follow it immediately
/// and `/a-b/c` comes before `/a/b`.
///
/// The driver's errors already name the driver; those of the visitor are returned unchanged.
pub(super) fn walk(
    tree: &Tree<'_>,
    driver: &str,
    from: &str,
    options: &WalkOptions,
    visit: &mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
) -> Result<()> {
    let start = check_walk(from, options).map_err(|error| error.with_driver(driver))?;
    // This is a stack instead of recursion because the depth of a tree is not bounded.
    let mut levels =
        vec![Level { path: from.to_owned(), unseen: false, entries: children(tree, from, start)? }];
    'next: while let Some(level) = levels.last_mut() {
        let Some(entry) = level.entries.pop() else {
            levels.pop();
            continue;
        };

        let begins_before = start.is_some_and(|start| *key(&entry) <= *start);
        if !begins_before {
            for unseen in 0..levels.len() {
                let Some(level) = levels.get_mut(unseen).filter(|level| level.unseen) else {
                    continue;
                };

                level.unseen = false;
                match visit(&FileInfo::directory(&*level.path))? {
                    WalkStep::Continue => {}
                    WalkStep::SkipDirectory => {
                        levels.truncate(unseen);
                        continue 'next;
                    }
                    WalkStep::Stop => return Ok(()),
                }
            }

            match visit(&entry)? {
                WalkStep::Stop => return Ok(()),
                WalkStep::SkipDirectory if entry.is_directory() => continue,
                WalkStep::Continue | WalkStep::SkipDirectory => {}
            }
        }

        if entry.is_directory() {
            let entries = children(tree, &entry.path, start)?;
            levels.push(Level { path: entry.path, unseen: begins_before, entries });
        }
    }

    Ok(())
}

/// The calls of a driver that writing a stream uses.
pub(super) struct Target<'a> {
    pub(super) open: &'a dyn Fn() -> Result<Box<dyn Read + Send>>,
    pub(super) create: &'a dyn Fn() -> Result<Box<dyn FileWriter>>,
}

/// Writes a new file and commits it. The file consists of the first `offset` bytes of the old file,
/// which is extended with zeros if it is shorter, followed by all data from `reader`. Returns the
/// number of bytes taken from `reader`, which an error contains as well.
pub(super) fn write_stream(
    target: &Target<'_>,
    path: &str,
    offset: i64,
    reader: &mut dyn Read,
) -> Result<u64> {
    let offset = check_offset(path, offset)?;
    check_path(path)?;
    let mut taken = 0;
    // On failure, the writer is dropped, which removes its data.
    let written = (target.create)().and_then(|mut writer| {
        if offset > 0 {
            let mut kept = 0;
            if let Some(before) = present((target.open)())? {
                copy(&mut before.take(offset), &mut *writer, &mut kept, Error::from)?;
            }

            copy(
                &mut io::repeat(0).take(offset.saturating_sub(kept)),
                &mut *writer,
                &mut 0,
                Error::from,
            )?;
        }

        copy(reader, &mut *writer, &mut taken, unreadable_input)?;
        writer.commit()
    });
    match written {
        Ok(()) => Ok(taken),
        Err(error) => Err(error.with_path(path).with_bytes_taken(taken)),
    }
}

/// Returns the error of a call that the driver does not support, or of an invalid path.
pub(super) fn unsupported(driver: &str, path: &str, text: &str) -> Error {
    let error = match check_directory(path) {
        Ok(()) => Error::new(ErrorKind::UnsupportedMethod, text).with_path(path),
        Err(error) => error,
    };

    error.with_driver(driver)
}

/// A directory that is being walked.
struct Level {
    path: String,
    /// Whether the directory has yet to be visited. A directory that sorts before `start_after` is
    /// visited only if an entry in it sorts after it.
    unseen: bool,
    /// The remaining contents, with the next entry last.
    entries: Vec<FileInfo>,
}

/// Returns the entries of a directory in reverse order, without those that are entirely before
/// `start`. An entry that has disappeared since it was listed is omitted.
fn children(tree: &Tree<'_>, directory: &str, start: Option<&str>) -> Result<Vec<FileInfo>> {
    let mut entries = Vec::new();
    for path in present((tree.list)(directory))?.unwrap_or_default() {
        entries.extend(present((tree.stat)(&path))?);
    }

    entries.retain(|entry| {
        let key = key(entry);
        start.is_none_or(|start| *key > *start || entry.is_directory() && start.starts_with(&key))
    });
    entries.sort_by_cached_key(|entry| std::cmp::Reverse(key(entry)));
    Ok(entries)
}

/// Returns the text by which an entry is sorted.
fn key(entry: &FileInfo) -> String {
    if entry.is_directory() { format!("{}/", entry.path) } else { entry.path.clone() }
}

fn present<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::PathNotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Copies everything, counting the bytes read. `unreadable` converts a failure to read.
fn copy(
    reader: &mut dyn Read,
    writer: &mut dyn FileWriter,
    count: &mut u64,
    unreadable: fn(io::Error) -> Error,
) -> Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };

        *count = count.saturating_add(length as u64);
        // An implementation of `Read` that reports more bytes than the buffer can hold is broken.
        let content =
            piece.get(..length).ok_or_else(|| unreadable(io::ErrorKind::InvalidData.into()))?;
        writer.write_all(content)?;
    }
}

fn unreadable_input(error: io::Error) -> Error {
    Error::new(ErrorKind::LocalIo, format!("the data to write cannot be read: {error}"))
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{MemoryDriver, StorageDriver, UrlOptions, WriteMode};
    use proptest::prelude::*;
    use std::sync::Mutex;

    /// A driver that implements only the required methods, and records which directories are
    /// listed.
    #[derive(Default)]
    struct Minimal {
        inner: MemoryDriver,
        listed: Mutex<Vec<String>>,
    }

    impl StorageDriver for Minimal {
        fn name(&self) -> &str {
            "minimal"
        }
        fn get_content(&self, path: &str) -> Result<Vec<u8>> {
            self.inner.get_content(path)
        }
        fn put_content(&self, path: &str, content: &[u8]) -> Result<()> {
            self.inner.put_content(path, content)
        }
        fn reader(&self, path: &str, offset: i64) -> Result<Box<dyn Read + Send>> {
            self.inner.reader(path, offset)
        }
        fn writer(&self, path: &str, mode: WriteMode) -> Result<Box<dyn FileWriter>> {
            self.inner.writer(path, mode)
        }
        fn stat(&self, path: &str) -> Result<FileInfo> {
            self.inner.stat(path)
        }
        fn list(&self, path: &str) -> Result<Vec<String>> {
            self.listed.lock().unwrap().push(path.to_owned());
            self.inner.list(path)
        }
        fn rename(&self, from: &str, to: &str) -> Result<()> {
            self.inner.rename(from, to)
        }
        fn delete(&self, path: &str) -> Result<()> {
            self.inner.delete(path)
        }
        fn url_for(&self, path: &str, options: &UrlOptions) -> Result<String> {
            self.inner.url_for(path, options)
        }
    }

    fn walked(
        driver: &dyn StorageDriver,
        from: &str,
        options: &WalkOptions,
        step: &dyn Fn(&str) -> WalkStep,
    ) -> Vec<String> {
        let mut seen = Vec::new();
        let mut visit = |info: &FileInfo| {
            seen.push(format!("{:?} {}", info.kind, info.path));
            Ok(step(&info.path))
        };

        driver.walk(from, options, &mut visit).unwrap();
        seen
    }

    proptest! {
        #[test]
        fn the_provided_walk_equals_that_of_a_flat_listing(
            files in prop::collection::btree_set("(/[a-c][-.a-c0]{0,2}){1,4}", 0..24),
            from in "(/[a-c][-.a-c0]{0,2}){1,2}|/",
            start in prop::option::of("(/[a-c][-.a-c0]{0,2}){1,4}"),
            special in "(/[a-c][-.a-c0]{0,2}){1,3}",
            stop in any::<bool>(),
        ) {
            let driver = Minimal::default();
            // The provided walk does not support a path that is both a file and a directory.
            let both = |file: &String| files.iter().any(|other| other.starts_with(&format!("{file}/")));
            for file in files.iter().filter(|file| !both(file)) {
                driver.put_content(file, b"x").unwrap();
            }

            let step = |path: &str| match path == special {
                true if stop => WalkStep::Stop,
                true => WalkStep::SkipDirectory,
                false => WalkStep::Continue,
            };

            let options = WalkOptions { start_after: start, ..WalkOptions::default() };
            prop_assert_eq!(
                walked(&driver, &from, &options, &step),
                walked(&driver.inner, &from, &options, &step)
            );
        }
    }

    #[test]
    fn skipped_and_earlier_directories_are_not_listed() {
        let driver = Minimal::default();
        for path in ["/a/b/c", "/a/d", "/e/f/g", "/h/i", "/h/j/k"] {
            driver.put_content(path, b"x").unwrap();
        }

        let skip =
            |path: &str| if path == "/e" { WalkStep::SkipDirectory } else { WalkStep::Continue };
        driver.listed.lock().unwrap().clear();
        let options = WalkOptions::default().start_after("/a/c");
        let seen = walked(&driver, "/", &options, &skip);
        assert_eq!(
            seen,
            [
                "Directory /a",
                "File /a/d",
                "Directory /e",
                "Directory /h",
                "File /h/i",
                "Directory /h/j",
                "File /h/j/k"
            ]
        );
        assert_eq!(*driver.listed.lock().unwrap(), ["/", "/a", "/h", "/h/j"]);
    }

    #[test]
    fn the_visitors_error_is_returned_unchanged() {
        #[derive(Debug, PartialEq)]
        struct Mine(u8);
        impl std::fmt::Display for Mine {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("mine")
            }
        }

        impl std::error::Error for Mine {}
        let driver = Minimal::default();
        driver.put_content("/a", b"x").unwrap();
        let mut visit =
            |_: &FileInfo| Err(Error::new(ErrorKind::Conflict, "enough").with_source(Mine(7)));
        let error = driver.walk("/", &WalkOptions::default(), &mut visit).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.driver()), ("enough", None));
        let source =
            std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Mine>());
        assert_eq!(source, Some(&Mine(7)));
    }

    #[test]
    fn errors_name_the_driver_and_the_path() {
        let driver = Minimal::default();
        let walk = |from: &str| {
            driver.walk(from, &WalkOptions::default(), &mut |_| Ok(WalkStep::Continue))
        };

        for (error, text) in [
            (walk("bad").unwrap_err(), "minimal: invalid path: bad"),
            (
                driver.write_stream("/a", -1, &mut io::empty()).unwrap_err(),
                "minimal: invalid offset: -1 for path: /a",
            ),
            (
                driver.write_stream("bad", 0, &mut io::empty()).unwrap_err(),
                "minimal: invalid path: bad",
            ),
            (driver.pending_uploads("bad").unwrap_err(), "minimal: invalid path: bad"),
            (
                driver.purge_uploads("/a", std::time::Duration::ZERO).unwrap_err(),
                "minimal: this driver cannot purge unfinished uploads: /a",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }

        assert_eq!(driver.pending_uploads("/").unwrap_err().kind(), ErrorKind::UnsupportedMethod);
        walk("/missing").unwrap();
    }

    #[test]
    fn a_failed_stream_leaves_the_file_unchanged_and_reports_the_bytes_taken() {
        struct Broken(usize);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match std::mem::take(&mut self.0) {
                    0 => Err(io::Error::other("hung up")),
                    length => {
                        buffer[..length].fill(7);
                        Ok(length)
                    }
                }
            }
        }

        let driver = Minimal::default();
        driver.put_content("/a", b"old").unwrap();
        let error = driver.write_stream("/a", 1, &mut Broken(5)).unwrap_err();
        assert_eq!((error.kind(), error.bytes_taken()), (ErrorKind::LocalIo, Some(5)));
        assert!(error.to_string().ends_with("hung up: /a"), "{error}");
        assert_eq!(driver.get_content("/a").unwrap(), b"old");
    }

    #[test]
    fn an_interrupted_read_is_repeated() {
        struct Interrupted<'a>(bool, &'a [u8]);
        impl Read for Interrupted<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 = !self.0;
                if self.0 { Err(io::ErrorKind::Interrupted.into()) } else { self.1.read(buffer) }
            }
        }

        let driver = Minimal::default();
        let taken = driver.write_stream("/a", 0, &mut Interrupted(false, b"content")).unwrap();
        assert_eq!((taken, driver.get_content("/a").unwrap()), (7, b"content".to_vec()));
    }

    #[test]
    fn a_stream_from_the_beginning_does_not_read_the_old_file() {
        let driver = MemoryDriver::default();
        let target = Target {
            open: &|| Err(Error::new(ErrorKind::Server, "the old file was opened")),
            create: &|| driver.writer("/a", WriteMode::Create),
        };
        assert_eq!(write_stream(&target, "/a", 0, &mut &b"new"[..]).unwrap(), 3);
        assert_eq!(driver.get_content("/a").unwrap(), b"new");
        assert_eq!(
            write_stream(&target, "/a", 1, &mut &b"new"[..]).unwrap_err().kind(),
            ErrorKind::Server
        );
    }
}
