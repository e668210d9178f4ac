//! What the cases are written with: the driver, and expectations that say what came instead.
use super::data::{self, Source};
use super::{Failure, Open, Quirk, Scale, SuiteOptions, Verdict};
use crate::driver::{FileInfo, FileKind, StorageDriver, WalkOptions, WalkStep, WriteMode};
use crate::error::{Error, ErrorKind, Result};
use std::fmt::Debug;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why a case ended early.
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

/// That something is as it should be.
#[expect(clippy::needless_pass_by_value, reason = "both are made for this comparison alone")]
pub(super) fn equal<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        Ok(())
    } else {
        Err(failed(format!("{what}: {expected:?}"), format!("{got:?}")))
    }
}

/// That a call was refused, for this reason.
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

/// Many small files are written by this many threads.
const WRITERS: usize = 8;

/// One case being tried.
pub(super) struct Trial<'a> {
    pub(super) driver: Box<dyn StorageDriver>,
    pub(super) open: Open<'a>,
    pub(super) options: &'a SuiteOptions<'a>,
}

impl Trial<'_> {
    /// The bytes of one part.
    pub(super) fn chunk(&self) -> usize {
        self.options.chunk_size.unwrap_or(5 << 20)
    }

    /// One figure for each scale.
    pub(super) fn scaled<T>(&self, quick: T, full: T) -> T {
        match self.options.scale {
            Scale::Quick => quick,
            Scale::Full => full,
        }
    }

    /// Another driver on the same store.
    pub(super) fn another(&self) -> Outcome<Box<dyn StorageDriver>> {
        Ok((self.open)()?)
    }

    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.options.quirks.contains_key(&quirk)
    }

    /// Skips the case on stores with this quirk.
    pub(super) fn needs_no(&self, quirk: Quirk) -> Outcome {
        self.options
            .quirks
            .get(&quirk)
            .map_or(Ok(()), |reason| Err(Stop::Skipped((*reason).to_owned())))
    }

    /// Files whose content is their own path.
    pub(super) fn put_named(&self, paths: &[&str]) -> Outcome {
        paths.iter().try_for_each(|path| Ok(self.driver.put_content(path, path.as_bytes())?))
    }

    /// That these files are there, with their own paths in them.
    pub(super) fn named_are_there(&self, paths: &[&str]) -> Outcome {
        paths.iter().try_for_each(|path| self.content_is(path, path.as_bytes()))
    }

    pub(super) fn content_is(&self, path: &str, expected: &[u8]) -> Outcome {
        let got = self.driver.get_content(path)?;
        match data::compare(&got, expected) {
            None => Ok(()),
            Some(got) => Err(failed(format!("the content of {path} as it was written"), got)),
        }
    }

    /// That reading from an offset gives exactly these bytes.
    pub(super) fn reads(&self, path: &str, offset: u64, expected: &[u8]) -> Outcome {
        let mut got = Vec::new();
        self.driver.reader(path, offset.cast_signed())?.read_to_end(&mut got)?;
        match data::compare(&got, expected) {
            None => Ok(()),
            Some(got) => Err(failed(format!("{path} from byte {offset} on"), got)),
        }
    }

    /// That reading from an offset gives the source, without keeping it.
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
            &format!("what {path} is"),
            (&*info.path, info.size, info.kind),
            (path, size, FileKind::File),
        )?;
        if info.modified.is_none() {
            return Err(failed(format!("the time {path} was written"), "none"));
        }
        Ok(())
    }

    pub(super) fn directory_is(&self, path: &str) -> Outcome {
        equal(&format!("what {path} is"), self.driver.stat(path)?, FileInfo::directory(path))
    }

    /// That there is no file at a path: nothing to read, and nothing to see.
    pub(super) fn missing(&self, path: &str) -> Outcome {
        self.unreadable(path)?;
        match self.driver.stat(path) {
            Ok(info) if info.is_directory() && self.has(Quirk::EmptiedDirectoriesStay) => Ok(()),
            result => self.not_found(&format!("stat of {path}"), path, result),
        }
    }

    /// That there is nothing to read at a path; a directory may be there.
    pub(super) fn unreadable(&self, path: &str) -> Outcome {
        self.not_found(&format!("content of {path}"), path, self.driver.get_content(path))?;
        self.not_found(&format!("reader of {path}"), path, self.driver.reader(path, 0))
    }

    /// That a call found nothing, and says of what and who says it.
    pub(super) fn not_found<T>(&self, what: &str, path: &str, result: Result<T>) -> Outcome {
        let error = refused(what, result, ErrorKind::PathNotFound)?;
        self.names(&error, path)
    }

    /// That an error names the driver and the path.
    pub(super) fn names(&self, error: &Error, path: &str) -> Outcome {
        let text = error.to_string();
        if text.contains(self.driver.name()) && text.contains(path) {
            return Ok(());
        }
        Err(failed(format!("an error that names {} and {path}", self.driver.name()), text))
    }

    /// That a directory has exactly these children.
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
        equal(&format!("what is in {path}"), got.iter().map(String::as_str).collect(), expected)
    }

    /// Everything a walk tells.
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

    /// Deletes everything; an error when something is left.
    pub(super) fn clean(&self) -> Outcome {
        // Directories that stay cannot be deleted either, and there are more of them after every case.
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

/// Runs `work` on several threads at once; the first failure of all.
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
