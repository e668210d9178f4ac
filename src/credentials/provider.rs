//! The credentials of a request, and the interface through which the client gets them.

use super::Credentials;
use crate::cancel::Cancel;
use crate::error::Result;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

/// Credentials and when they end.
#[derive(Clone, Debug)]
pub struct Lease {
    /// `None`: requests are sent unsigned.
    pub credentials: Option<Credentials>,
    /// `None`: never.
    pub expires: Option<SystemTime>,
}

/// A provider of credentials, which the client calls before every request. It must be quick while nothing has changed.
pub trait Provider: Debug + Send + Sync {
    /// Credentials that are good now.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`](crate::ErrorKind::Credentials) when there are none.
    fn credentials(&self) -> Result<Arc<Lease>>;

    /// Fetches other credentials after the server said that `used` have expired, whatever the clock says. Returns
    /// `Ok(true)` when other credentials are held now, so that sending the request again makes sense.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`](crate::ErrorKind::Credentials) when fetching them failed.
    fn refresh(&self, used: &Lease) -> Result<bool> {
        let _ = used;
        Ok(false)
    }

    /// [`Provider::credentials`] for an operation that can be cancelled: a provider that may block ends the wait within a
    /// second of [`Cancel::cancel`]. One that does not block need not implement it.
    ///
    /// # Errors
    /// Those of [`Provider::credentials`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    fn credentials_until(&self, cancel: &Cancel) -> Result<Arc<Lease>> {
        let _ = cancel;
        self.credentials()
    }

    /// [`Provider::refresh`] for an operation that can be cancelled, see [`Provider::credentials_until`].
    ///
    /// # Errors
    /// Those of [`Provider::refresh`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    fn refresh_until(&self, used: &Lease, cancel: &Cancel) -> Result<bool> {
        let _ = cancel;
        self.refresh(used)
    }
}
