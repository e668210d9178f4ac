//! One suite for every storage driver: what a registry relies on, checked through [`StorageDriver`] alone.
//!
//! It holds the cases of the suites that the registry's own drivers must pass, and what those miss: data that depends on
//! its position (so that swapped parts show), siblings whose names begin alike, files that have children, directory
//! markers, more than one page of everything, writers that meet on one path, and every state of an unfinished file.
//!
//! Each [`Case`] has a name and a sentence that says what holds; a failure says what was expected and what came. What a
//! store cannot do is declared by name ([`Quirk`]) and skipped with its reason, never silently.
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
//! The driver must be opened on a place of its own that is empty and that nobody else uses: the suite deletes all it finds.

/// Declares a module's cases: functions of a [`Trial`] whose doc comment says what holds.
macro_rules! cases {
    ($(#[doc = $about:literal] fn $name:ident($trial:ident) $body:block)*) => {
        pub(super) const CASES: &[super::Case] = &[$(
            super::Case { name: stringify!($name), about: $about.trim_ascii(), run: $name },
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

pub use report::{Report, Tried};
pub use verdict::{Failure, Verdict};

use crate::driver::{Method, StorageDriver};
use crate::error::Result;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::LazyLock;
use std::time::Instant;
use trial::{Outcome, Trial};

/// Opens the driver under test; called anew where a case needs a second one on the same store, as another process has it.
pub type Open<'a> = &'a (dyn Fn() -> Result<Box<dyn StorageDriver>> + Sync);

/// One thing that must hold.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    name: &'static str,
    about: &'static str,
    run: fn(&Trial<'_>) -> Outcome,
}

impl Case {
    /// Its name: lower-case words with `_` between.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What holds, in a sentence.
    pub const fn about(&self) -> &'static str {
        self.about
    }

    /// Tries this case alone. Everything in the store is deleted afterwards.
    pub fn run(&self, open: Open<'_>, options: &SuiteOptions<'_>) -> Verdict {
        let trial = match open() {
            Ok(driver) => Trial { driver, open, options },
            Err(error) => return Verdict::Failed(Failure::new("a driver", error.to_string())),
        };
        let outcome = (self.run)(&trial);
        // Also after a failure, so that the next case begins with nothing.
        match (outcome, trial.clean()) {
            (Err(stop), _) | (Ok(()), Err(stop)) => stop.into(),
            (Ok(()), Ok(())) => Verdict::Passed,
        }
    }
}

/// Something a store does otherwise than S3, declared by whoever runs the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Quirk {
    /// Directories are still there when the last file in them is gone.
    EmptiedDirectoriesStay,
    /// Walks go directory by directory, and not in the order of whole paths: one that starts after a directory may leave
    /// out what is in it.
    WalksByDirectory,
    /// `.` and `..` cannot be components of a path.
    NoDotComponents,
    /// A file cannot be where there are files below: no `/x` beside `/x/y`.
    NoFileWithChildren,
    /// A component has at most 255 bytes.
    ShortNames,
    /// Directory markers cannot be stored, or are shown.
    NoDirectoryMarkers,
    /// A URL allows everything, whatever it was signed for.
    UncheckedUrls,
    /// Data of an unfinished file that was sent cannot be replaced: a writer that is dropped may spoil the file.
    NoReplacedParts,
}

/// How much data the cases use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Up to some 50 MiB and 1,050 files at a time.
    #[default]
    Quick,
    /// As the registry's suites have it, and 10,050 files: the longest stream has 5 GiB.
    Full,
}

/// Where a run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunUntil {
    /// With the last case.
    #[default]
    LastCase,
    /// With the first case that fails, or with the last one.
    FirstFailure,
}

/// The response that an HTTP client received for a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The value of `content-length`.
    pub content_length: Option<u64>,
    /// The body; of a HEAD none.
    pub body: Vec<u8>,
}

type Fetch<'a> = Box<dyn Fn(Method, &str) -> io::Result<HttpResponse> + Sync + 'a>;
type Foreign<'a> = Box<dyn Fn(&str, Option<&[u8]>) -> Result<()> + Sync + 'a>;
type Rooted<'a> = Box<dyn Fn(&str) -> Result<Box<dyn StorageDriver>> + Sync + 'a>;

/// How to run the suite, and what it can use beside the driver.
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
    /// Declares a quirk of the store, with the reason that reports give.
    #[must_use]
    pub fn quirk(mut self, quirk: Quirk, reason: &'static str) -> Self {
        self.quirks.insert(quirk, reason);
        self
    }

    /// Quick unless set.
    #[must_use]
    pub const fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// With the last case unless set.
    #[must_use]
    pub const fn run_until(mut self, end: RunUntil) -> Self {
        self.run_until = end;
        self
    }

    /// The size in bytes at which the driver cuts files into parts, from 64 KiB on; unless set, 5 MiB. Sizes and offsets
    /// around it are tried.
    #[must_use]
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.chunk_size = Some(bytes.max(1 << 16));
        self
    }

    /// How to fetch a URL that the driver handed out. Without it what is behind the URLs is not looked at.
    #[must_use]
    pub fn fetch(
        mut self,
        fetch: impl Fn(Method, &str) -> io::Result<HttpResponse> + Sync + 'a,
    ) -> Self {
        self.fetch = Some(Box::new(fetch));
        self
    }

    /// How to store (with content) or remove (without) an object below the driver's root under a key that no path can
    /// name, such as `dir/`. Without it the cases on directory markers are skipped.
    #[must_use]
    pub fn foreign(
        mut self,
        store: impl Fn(&str, Option<&[u8]>) -> Result<()> + Sync + 'a,
    ) -> Self {
        self.foreign = Some(Box::new(store));
        self
    }

    /// How to open a driver on the whole store with another root directory: `""` and `"/"` are the store's own root.
    /// Without it the case on root directories is skipped.
    #[must_use]
    pub fn rooted(
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

/// All cases, in the order in which [`run`] tries them.
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

/// Tries the cases, one after the other.
pub fn run(open: Open<'_>, options: &SuiteOptions<'_>) -> Report {
    let mut report = Report::default();
    for case in cases() {
        let start = Instant::now();
        let verdict = case.run(open, options);
        let last =
            options.run_until == RunUntil::FirstFailure && matches!(verdict, Verdict::Failed(_));
        report.tried.push(Tried { case: *case, verdict, took: start.elapsed() });
        if last {
            break;
        }
    }
    report
}
