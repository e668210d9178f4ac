//! A test suite for storage drivers. It checks the behaviour on which a registry relies, using only
//! [`StorageDriver`].
//!
//! The suite contains the cases that the registry's own drivers must pass, and adds what those
//! lack: data that depends on its position (so that swapped parts are noticed), siblings whose
//! names share a prefix, files that have children, directory markers, more than one page of
//! everything, concurrent writers of one path, and every state of an unfinished file.
//!
//! Each [`Case`] has a name and a sentence that states the rule. A failure reports what was
//! expected and what happened. The limitations of a store are declared by name ([`Quirk`]) and
//! skipped with a reason, never silently.
//!
//! ```
//! use s3driver::conformance::{self, SuiteOptions};
//! use s3driver::driver::MemoryDriver;
//!
//! let store = MemoryDriver::new();
//! let report = conformance::run(&|| Ok(Box::new(store.clone())), &SuiteOptions::default().chunk_size(1 << 16));
//! assert!(report.is_ok(), "{report}");
//! ```
//!
//! The driver must be opened on an empty location that nothing else uses, because the suite deletes
//! everything there.

/// Declares the cases of a module: functions that take a [`Trial`], whose doc comment states the
/// rule.
macro_rules! cases {
    ($($(#[doc = $about:literal])+ fn $name:ident($trial:ident) $body:block)*) => {
        pub(super) const CASES: &[super::Case] = &[$(
            super::Case { name: stringify!($name), about: concat!($($about),+).trim_ascii(), run: $name },
        )*];
        $(
            fn $name($trial: &super::trial::Trial<'_>) -> super::trial::Outcome {
                $body;
                Ok(())
            }
        )*
    };
}

mod concurrent;
mod content;
mod data;
mod deleting;
mod empty;
mod listing;
mod moving;
mod offsets;
mod pages;
mod paths;
mod report;
mod stating;
mod streams;
mod trial;
mod urls;
mod verdict;
mod walking;
mod writers;

pub use report::{CaseResult, Report};
pub use verdict::{Failure, Verdict};

use crate::driver::{Method, StorageDriver};
use crate::error::Result;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::LazyLock;
use std::time::Instant;
use trial::{Outcome, Trial};

/// Opens the driver under test. It is called again when a case needs a second driver on the same
/// store, as if in another process.
pub type Open<'a> = &'a (dyn Fn() -> Result<Box<dyn StorageDriver>> + Sync);

/// One rule of the contract, and the test for it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    name: &'static str,
    about: &'static str,
    run: fn(&Trial<'_>) -> Outcome,
}

impl Case {
    /// Returns the name of the case: lower-case words separated by `_`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the rule, in one sentence.
    pub const fn about(&self) -> &'static str {
        self.about
    }

    /// Runs only this case. Everything in the store is deleted afterwards.
    pub fn run(&self, open: Open<'_>, options: &SuiteOptions<'_>) -> Verdict {
        let trial = match open() {
            Ok(driver) => Trial { driver, open, options },
            Err(error) => return Verdict::Failed(Failure::new("a driver", error.to_string())),
        };

        let outcome = (self.run)(&trial);
        // Also cleans up after a failure, so that the next case begins with an empty store.
        match (outcome, trial.clean()) {
            (Err(stop), _) | (Ok(()), Err(stop)) => stop.into(),
            (Ok(()), Ok(())) => Verdict::Passed,
        }
    }
}

/// A difference between the store and S3, which the caller of the suite declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Quirk {
    /// A directory still exists after the last file in it was deleted.
    EmptiedDirectoriesStay,
    /// Walks proceed directory by directory, not in the order of whole paths. A walk that starts
    /// after a directory may omit the contents of that directory.
    WalksByDirectory,
    /// `.` and `..` cannot be components of a path.
    NoDotComponents,
    /// A file cannot have children: `/x` and `/x/y` cannot both be files.
    NoFileWithChildren,
    /// A component has at most 255 bytes.
    ShortNames,
    /// Directory markers cannot be stored, or are visible.
    NoDirectoryMarkers,
    /// A URL grants every operation, not just the one for which it was signed.
    UncheckedUrls,
    /// Data that was sent for an unfinished file cannot be replaced, so a dropped writer may
    /// corrupt the file.
    NoReplacedParts,
}

/// The amount of data that the cases use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Up to about 50 MiB and 1,050 files at a time.
    #[default]
    Quick,
    /// The sizes of the registry's suites, up to 5 GiB in the longest stream, and 10,050 files.
    Full,
}

/// The point at which a run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunUntil {
    /// Ends after the last case.
    #[default]
    LastCase,
    /// Ends after the first case that fails, or after the last case.
    FirstFailure,
}

/// The response that an HTTP client received for a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Length`.
    pub content_length: Option<u64>,
    /// The body, which is empty for HEAD requests.
    pub body: Vec<u8>,
}

type Fetch<'a> = Box<dyn Fn(Method, &str) -> io::Result<HttpResponse> + Sync + 'a>;
type Foreign<'a> = Box<dyn Fn(&str, Option<&[u8]>) -> Result<()> + Sync + 'a>;
type Rooted<'a> = Box<dyn Fn(&str) -> Result<Box<dyn StorageDriver>> + Sync + 'a>;

/// The options of the suite, and functions that give it access to the store beyond the driver.
#[derive(Default)]
pub struct SuiteOptions<'a> {
    quirks: BTreeMap<Quirk, &'static str>,
    scale: Scale,
    run_until: RunUntil,
    chunk_size: Option<usize>,
    fetch: Option<Fetch<'a>>,
    foreign: Option<Foreign<'a>>,
    rooted: Option<Rooted<'a>>,
}

impl<'a> SuiteOptions<'a> {
    /// Declares a quirk of the store, with the reason that reports show.
    #[must_use]
    pub fn quirk(mut self, quirk: Quirk, reason: &'static str) -> Self {
        self.quirks.insert(quirk, reason);
        self
    }

    /// Sets the amount of data. The default is [`Scale::Quick`].
    #[must_use]
    pub const fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// Sets the point at which the run ends. The default is [`RunUntil::LastCase`].
    #[must_use]
    pub const fn run_until(mut self, end: RunUntil) -> Self {
        self.run_until = end;
        self
    }

    /// Sets the size in bytes of the parts into which the driver splits files: at least 64 KiB, and
    /// 5 MiB by default. The cases use sizes and offsets around it.
    #[must_use]
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.chunk_size = Some(bytes.max(1 << 16));
        self
    }

    /// Sets the function that fetches a URL returned by the driver. Without it, the cases that need
    /// to fetch URLs are skipped.
    #[must_use]
    pub fn fetch(
        mut self,
        fetch: impl Fn(Method, &str) -> io::Result<HttpResponse> + Sync + 'a,
    ) -> Self {
        self.fetch = Some(Box::new(fetch));
        self
    }

    /// Sets the function that stores (with content) or removes (without content) an object below
    /// the driver's root, under a key such as `dir/` that no path can name. Without it, the cases
    /// on directory markers are skipped.
    #[must_use]
    pub fn foreign_keys(
        mut self,
        store: impl Fn(&str, Option<&[u8]>) -> Result<()> + Sync + 'a,
    ) -> Self {
        self.foreign = Some(Box::new(store));
        self
    }

    /// Sets the function that opens a driver on the same store with a different root directory.
    /// `""` and `"/"` are the root of the store. Without it, the case on root directories is
    /// skipped.
    #[must_use]
    pub fn open_at_root(
        mut self,
        open: impl Fn(&str) -> Result<Box<dyn StorageDriver>> + Sync + 'a,
    ) -> Self {
        self.rooted = Some(Box::new(open));
        self
    }
}

impl fmt::Debug for SuiteOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quirks, scale, run_until, chunk_size, fetch: _, foreign: _, rooted: _ } = self;
        let mut shown = f.debug_struct("SuiteOptions");
        shown
            .field("quirks", quirks)
            .field("scale", scale)
            .field("run_until", run_until)
            .field("chunk_size", chunk_size);
        shown.finish_non_exhaustive()
    }
}

/// Returns all cases, in the order in which [`run`] runs them.
pub fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        [
            paths::CASES,
            content::CASES,
            empty::CASES,
            offsets::CASES,
            stating::CASES,
            listing::CASES,
            deleting::CASES,
            moving::CASES,
            walking::CASES,
            streams::CASES,
            writers::CASES,
            urls::CASES,
            concurrent::CASES,
            pages::CASES,
        ]
        .concat()
    });
    &CASES
}

/// Runs the cases one after another.
pub fn run(open: Open<'_>, options: &SuiteOptions<'_>) -> Report {
    let mut report = Report::default();
    for case in cases() {
        let start = Instant::now();
        let verdict = case.run(open, options);
        let last =
            options.run_until == RunUntil::FirstFailure && matches!(verdict, Verdict::Failed(_));
        report.results.push(CaseResult { case: *case, verdict, took: start.elapsed() });
        if last {
            break;
        }
    }

    report
}
