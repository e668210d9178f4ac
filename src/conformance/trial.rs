//! What the cases use: the driver, and checks that describe what was expected and what happened.
use super::data::{self, Source};
use super::{Failure, Open, Quirk, Scale, SuiteOptions, Verdict};
use crate::driver::{FileInfo, FileKind, StorageDriver, WalkOptions, WalkStep, WriteMode};
use crate::error::{Error, ErrorKind, Result};
use std::fmt::Debug;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of threads that write many small files.
const WRITERS: usize = 8;

/// The reason why a case ended early.
#[derive(Debug)]
pub(super) enum Stop {
    Skipped(String),
    Failed(Failure),
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Skipped(reason) => Self::Skipped(reason),
            Stop::Failed(failure) => Self::Failed(failure),
        }
    }
}

pub(super) type Outcome<T = ()> = std::result::Result<T, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        failed("success", format!("{:?}: {error}", error.kind()))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        failed("success", error.to_string())
    }
}

pub(super) fn failed(expected: impl Into<String>, got: impl Into<String>) -> Stop {
    Stop::Failed(Failure::new(expected, got))
}

/// Checks that `got` equals `expected`.
#[expect(clippy::needless_pass_by_value, reason = "both are created only for this comparison")]
pub(super) fn equal<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        Ok(())
    } else {
        Err(failed(format!("{what}: {expected:?}"), format!("{got:?}")))
    }
}

/// Checks that a call failed with an error of this kind.
pub(super) fn refused<T>(what: &str, result: Result<T>, kind: ErrorKind) -> Outcome<Error> {
    match result {
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => Err(failed(
            format!("{what}: the error {kind:?}"),
            format!("{:?}: {error}", error.kind()),
        )),
        Ok(_) => Err(failed(format!("{what}: the error {kind:?}"), "success")),
    }
}

/// A case that is being run.
pub(super) struct Trial<'a> {
    pub(super) driver: Box<dyn StorageDriver>,
    pub(super) open: Open<'a>,
    pub(super) options: &'a SuiteOptions<'a>,
}

impl Trial<'_> {
    /// Returns the size of a part in bytes.
    pub(super) fn chunk(&self) -> usize {
        self.options.chunk_size.unwrap_or(5 << 20)
    }

    /// Returns the value for the scale of the run.
    pub(super) fn scaled<T>(&self, quick: T, full: T) -> T {
        match self.options.scale {
            Scale::Quick => quick,
            Scale::Full => full,
        }
    }

    /// Opens another driver on the same store.
    pub(super) fn another(&self) -> Outcome<Box<dyn StorageDriver>> {
        Ok((self.open)()?)
    }

    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.options.quirks.contains_key(&quirk)
    }

    /// Skips the case on stores with this quirk.
    pub(super) fn skip_on(&self, quirk: Quirk) -> Outcome {
        self.options
            .quirks
            .get(&quirk)
            .map_or(Ok(()), |reason| Err(Stop::Skipped((*reason).to_owned())))
    }

    /// Writes files whose content is their own path.
    pub(super) fn put_named(&self, paths: &[&str]) -> Outcome {
        paths.iter().try_for_each(|path| Ok(self.driver.put_content(path, path.as_bytes())?))
    }

    /// Checks that these files exist and contain their own paths.
    pub(super) fn check_named(&self, paths: &[&str]) -> Outcome {
        paths.iter().try_for_each(|path| self.content_is(path, path.as_bytes()))
    }

    pub(super) fn content_is(&self, path: &str, expected: &[u8]) -> Outcome {
        let got = self.driver.get_content(path)?;
        match data::compare(&got, expected) {
            None => Ok(()),
            Some(got) => Err(failed(format!("the content of {path} as it was written"), got)),
        }
    }

    /// Checks that reading from an offset returns exactly these bytes.
    pub(super) fn reads(&self, path: &str, offset: u64, expected: &[u8]) -> Outcome {
        let mut got = Vec::new();
        self.driver.reader(path, offset.cast_signed())?.read_to_end(&mut got)?;
        match data::compare(&got, expected) {
            None => Ok(()),
            Some(got) => Err(failed(format!("{path} from byte {offset} on"), got)),
        }
    }

    /// Checks that reading from an offset returns the content of the source, without storing it.
    pub(super) fn streams(&self, path: &str, offset: u64, expected: Source) -> Outcome {
        let mut reader = self.driver.reader(path, offset.cast_signed())?;
        match data::difference(&mut reader, expected)? {
            None => Ok(()),
            Some(got) => Err(failed(format!("{path} from byte {offset} on"), got)),
        }
    }

    /// Writes a whole file through a writer.
    pub(super) fn write(&self, path: &str, mut source: impl Read) -> Outcome {
        let mut writer = self.driver.writer(path, WriteMode::Create)?;
        io::copy(&mut source, &mut writer)?;
        Ok(writer.commit()?)
    }

    pub(super) fn file_is(&self, path: &str, size: u64) -> Outcome {
        let info = self.driver.stat(path)?;
        equal(
            &format!("the kind and size of {path}"),
            (&*info.path, info.size, info.kind),
            (path, size, FileKind::File),
        )?;
        if info.modified.is_none() {
            return Err(failed(format!("the time {path} was written"), "none"));
        }

        Ok(())
    }

    pub(super) fn directory_is(&self, path: &str) -> Outcome {
        equal(&format!("the kind of {path}"), self.driver.stat(path)?, FileInfo::directory(path))
    }

    /// Checks that there is no file at a path: it can neither be read nor statted.
    pub(super) fn missing(&self, path: &str) -> Outcome {
        self.unreadable(path)?;
        match self.driver.stat(path) {
            Ok(info) if info.is_directory() && self.has(Quirk::EmptiedDirectoriesStay) => Ok(()),
            result => self.not_found(&format!("stat of {path}"), path, result),
        }
    }

    /// Checks that a path cannot be read as a file. It may be a directory.
    pub(super) fn unreadable(&self, path: &str) -> Outcome {
        self.not_found(&format!("content of {path}"), path, self.driver.get_content(path))?;
        self.not_found(&format!("reader of {path}"), path, self.driver.reader(path, 0))
    }

    /// Checks that a call reports a missing path, with an error that names the driver and the path.
    pub(super) fn not_found<T>(&self, what: &str, path: &str, result: Result<T>) -> Outcome {
        let error = refused(what, result, ErrorKind::PathNotFound)?;
        self.names(&error, path)
    }

    /// Checks that an error names the driver and the path.
    pub(super) fn names(&self, error: &Error, path: &str) -> Outcome {
        let text = error.to_string();
        if text.contains(self.driver.name()) && text.contains(path) {
            return Ok(());
        }

        Err(failed(format!("an error that names {} and {path}", self.driver.name()), text))
    }

    /// Checks that a directory has exactly these children.
    pub(super) fn list_is(&self, path: &str, expected: &[&str]) -> Outcome {
        let mut got = self.driver.list(path)?;
        got.sort();
        if self.has(Quirk::EmptiedDirectoriesStay) {
            let files = self.walked(path)?;
            let holds = |child: &str| {
                let within = |file: &String| {
                    file.strip_prefix(child)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };

                files.iter().any(within)
            };

            got.retain(|child| expected.contains(&&**child) || holds(child));
        }

        let mut expected = expected.to_vec();
        expected.sort_unstable();
        equal(
            &format!("the contents of {path}"),
            got.iter().map(String::as_str).collect(),
            expected,
        )
    }

    /// Returns every path that a walk visits.
    pub(super) fn walked(&self, from: &str) -> Outcome<Vec<String>> {
        self.walked_with(from, None, |_| WalkStep::Continue)
    }

    pub(super) fn walked_with(
        &self,
        from: &str,
        start_after: Option<&str>,
        step: impl Fn(&str) -> WalkStep,
    ) -> Outcome<Vec<String>> {
        let options =
            WalkOptions { start_after: start_after.map(str::to_owned), ..WalkOptions::default() };
        let mut seen = Vec::new();
        self.driver.walk(from, &options, &mut |info| {
            seen.push(info.path.clone());
            Ok(step(&info.path))
        })?;

        Ok(seen)
    }

    /// Writes an empty file at each of many paths.
    pub(super) fn put_many(&self, count: usize, path: impl Fn(usize) -> String + Sync) -> Outcome {
        let next = AtomicUsize::new(0);
        let work = || -> Outcome {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return Ok(());
                }

                self.driver.put_content(&path(index), b"")?;
            }
        };

        together(WRITERS, |_| work())
    }

    /// Deletes everything, and fails if something is left.
    pub(super) fn clean(&self) -> Outcome {
        // On such a store, the remaining directories cannot be deleted, and every case adds more of
        // them.
        if self.has(Quirk::EmptiedDirectoriesStay) && self.walked("/")?.is_empty() {
            return Ok(());
        }

        for child in self.driver.list("/")? {
            match self.driver.delete(&child) {
                Err(error) if error.kind() != ErrorKind::PathNotFound => return Err(error.into()),
                _ => {}
            }
        }

        self.list_is("/", &[])
    }
}

/// Runs `work` on several threads at once, and returns the first failure.
pub(super) fn together(threads: usize, work: impl Fn(usize) -> Outcome + Sync) -> Outcome {
    let work = &work;
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|index| scope.spawn(move || work(index))).collect();
        let ended = running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(failed("no panic", "a panic"))));
        ended.fold(Ok(()), Outcome::and)
    })
}
