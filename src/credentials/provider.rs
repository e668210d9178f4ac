//! The credentials of a request, and the interface through which the client gets them.

use super::Credentials;
use crate::cancel::Cancel;
use crate::error::Result;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

/// Credentials and the time at which they expire.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The credentials. With `None`, requests are sent unsigned.
    pub credentials: Option<Credentials>,
    /// The time at which the credentials expire. With `None`, they do not expire.
    pub expires: Option<SystemTime>,
}

/// A provider of credentials, which the client calls before every request. It must return quickly
/// as long as nothing has changed.
pub trait Provider: Debug + Send + Sync {
    /// Returns credentials that are currently valid.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`](crate::ErrorKind::Credentials) if there are none.
    fn credentials(&self) -> Result<Arc<Lease>>;

    /// Replaces the credentials `used`, which the server has rejected as expired or unknown, even
    /// if they should still be valid by the clock. Returns `Ok(true)` if there are other
    /// credentials now, so that the request can be sent again.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`](crate::ErrorKind::Credentials) if the new credentials could not
    /// be fetched.
    fn refresh(&self, used: &Lease) -> Result<bool> {
        let _ = used;
        Ok(false)
    }

    /// Like [`Provider::credentials`], for an operation that can be cancelled. A provider that may
    /// block must stop waiting within a second of [`Cancel::cancel`]. A provider that never blocks
    /// does not need to implement this method.
    ///
    /// # Errors
    /// The errors of [`Provider::credentials`], and
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    fn credentials_until(&self, cancel: &Cancel) -> Result<Arc<Lease>> {
        let _ = cancel;
        self.credentials()
    }

    /// Like [`Provider::refresh`], for an operation that can be cancelled. The rule of
    /// [`Provider::credentials_until`] applies.
    ///
    /// # Errors
    /// The errors of [`Provider::refresh`], and
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    fn refresh_until(&self, used: &Lease, cancel: &Cancel) -> Result<bool> {
        let _ = cancel;
        self.refresh(used)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// A provider that never blocks, and says whether it has other credentials.
    #[derive(Debug)]
    struct Renewed(bool);

    impl Provider for Renewed {
        fn credentials(&self) -> Result<Arc<Lease>> {
            Ok(Arc::new(Lease { credentials: None, expires: None }))
        }

        fn refresh(&self, _: &Lease) -> Result<bool> {
            Ok(self.0)
        }
    }

    #[test]
    fn a_provider_without_waits_needs_no_methods_for_cancelling() {
        let cancel = Cancel::new();
        for renewed in [false, true] {
            let provider = Renewed(renewed);
            let lease = provider.credentials_until(&cancel).unwrap();
            assert_eq!(provider.refresh_until(&lease, &cancel).unwrap(), renewed);
        }
    }
}
