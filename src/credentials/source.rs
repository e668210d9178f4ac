//! A source of keys, and the reason why it has none.

use super::Lease;
use std::fmt::{self, Debug};

/// A source of keys. It is called at every refresh; [`Cache`](super::Cache) stores the keys.
pub trait Source: Debug + Send + Sync {
    /// Returns the name of the source in error messages, such as `EC2 metadata`.
    fn name(&self) -> &'static str;

    /// Fetches the keys. The call may block, but must end: each of this crate's sources has a
    /// deadline.
    ///
    /// # Errors
    /// The reason why there are no keys, and whether another source may be used.
    fn fetch(&self) -> Result<Lease, Unavailable>;
}

/// The reason why a source does not have keys, in one sentence without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// The source is not configured here. A chain tries the next one.
    NotConfigured(String),
    /// The source is configured but returned no usable keys. A chain stops.
    Failed(String),
}

impl Unavailable {
    /// Returns the reason as a sentence.
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

    /// Turns the reason into a failure, for a source that was explicitly selected and must
    /// therefore be configured.
    pub(super) fn into_failed(self) -> Self {
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
