//! What a run of the suite found.
use super::{Case, Failure, Verdict};
use std::fmt;
use std::time::Duration;

/// A case that was tried.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tried {
    /// The case.
    pub case: Case,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took, cleaning up included.
    pub took: Duration,
}

/// What a run found, in the order of [`cases`](super::cases).
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(super) tried: Vec<Tried>,
}

impl Report {
    /// Every case that was tried.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// Whether no case failed.
    pub fn is_ok(&self) -> bool {
        self.failed().next().is_none()
    }

    /// How many cases hold.
    pub fn passed(&self) -> usize {
        self.tried.iter().filter(|tried| tried.verdict == Verdict::Passed).count()
    }

    /// The cases that were not tried, and why.
    pub fn skipped(&self) -> impl Iterator<Item = (&Case, &str)> {
        self.tried.iter().filter_map(|tried| match &tried.verdict {
            Verdict::Skipped(reason) => Some((&tried.case, reason.as_str())),
            _ => None,
        })
    }

    /// The cases that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = (&Case, &Failure)> {
        self.tried.iter().filter_map(|tried| match &tried.verdict {
            Verdict::Failed(failure) => Some((&tried.case, failure)),
            _ => None,
        })
    }
}

/// The counts, and a line for every case that was skipped or failed.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (skipped, failed) = (self.skipped().count(), self.failed().count());
        write!(f, "{} passed, {skipped} skipped, {failed} failed", self.passed())?;
        for (case, reason) in self.skipped() {
            write!(f, "\nskipped {}: {reason}", case.name())?;
        }
        for (case, failure) in self.failed() {
            write!(f, "\nfailed {} ({}): {failure}", case.name(), case.about())?;
        }
        Ok(())
    }
}
