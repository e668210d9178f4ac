//! The outcome of a case.
use std::fmt;

/// A difference between the contract and the behaviour of a driver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The behaviour that the contract requires.
    pub expected: String,
    /// The behaviour of the driver.
    pub got: String,
}

impl Failure {
    pub(super) fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { expected: expected.into(), got: got.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got {}", self.expected, self.got)
    }
}

/// The outcome of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The driver follows the rule.
    Passed,
    /// The case was not run, for this reason.
    Skipped(String),
    /// The driver violates the rule.
    Failed(Failure),
}
