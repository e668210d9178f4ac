//! One place keys come from, and why it has none.

use super::Lease;
use std::fmt::{self, Debug};

/// One place keys come from. It is asked anew at every refresh and keeps nothing: [`Cache`](super::Cache) does.
pub trait Source: Debug + Send + Sync {
    /// What errors call it, such as `EC2 metadata`.
    fn name(&self) -> &'static str;

    /// Fetches the keys. May block, but not without end: each of this crate's sources has its own deadline.
    ///
    /// # Errors
    /// Why there are none, and whether another source may be asked.
    fn fetch(&self) -> Result<Lease, Unavailable>;
}

/// Why a source has no keys: one sentence, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// The source is not set up here; a chain asks the next one.
    NotConfigured(String),
    /// The source is set up and gave no usable keys; a chain stops.
    Failed(String),
}

impl Unavailable {
    /// The sentence.
    pub fn reason(&self) -> &str {
        match self {
            Self::NotConfigured(reason) | Self::Failed(reason) => reason,
        }
    }

    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into())
    }

    pub(super) fn not_configured(reason: impl Into<String>) -> Self {
        Self::NotConfigured(reason.into())
    }

    /// The same for a source that somebody named: not being set up is then a failure too.
    pub(super) fn demanded(self) -> Self {
        Self::Failed(match self {
            Self::NotConfigured(reason) | Self::Failed(reason) => reason,
        })
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Unavailable {}
