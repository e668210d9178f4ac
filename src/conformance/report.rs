//! The results of a run of the suite.
use super::{Case, Failure, Verdict};
use std::fmt;
use std::time::Duration;

/// The result of a case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CaseResult {
    /// The case.
    pub case: Case,
    /// The verdict.
    pub verdict: Verdict,
    /// The time it took, including the clean-up.
    pub took: Duration,
}

/// The results of a run, in the order of [`cases`](super::cases).
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(super) results: Vec<CaseResult>,
}

impl Report {
    /// Returns the result of every case that was run.
    pub fn results(&self) -> &[CaseResult] {
        &self.results
    }

    /// Reports whether no case failed.
    pub fn is_ok(&self) -> bool {
        self.failed().next().is_none()
    }

    /// Returns the number of cases that passed.
    pub fn passed(&self) -> usize {
        self.results.iter().filter(|result| result.verdict == Verdict::Passed).count()
    }

    /// Returns the cases that were skipped, with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&Case, &str)> {
        self.results.iter().filter_map(|result| match &result.verdict {
            Verdict::Skipped(reason) => Some((&result.case, reason.as_str())),
            _ => None,
        })
    }

    /// Returns the cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = (&Case, &Failure)> {
        self.results.iter().filter_map(|result| match &result.verdict {
            Verdict::Failed(failure) => Some((&result.case, failure)),
            _ => None,
        })
    }
}

/// Writes the counts, and a line for every case that was skipped or failed.
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
