//! Stub: where keys come from.
use crate::error::Result;
pub use crate::sign::Credentials;
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

/// Where credentials come from. Implement it to bring your own; it is called for every request, so it must be quick when nothing changed.
pub trait Provider: Debug + Send + Sync {
    /// Credentials that are good now.
    fn credentials(&self) -> Result<Arc<Lease>>;
    /// The server said that `used` have expired: fetch anew. Returns whether that makes sense.
    fn refresh(&self, used: &Lease) -> Result<bool> {
        let _ = used;
        Ok(false)
    }
}

/// Fixed credentials.
#[derive(Clone, Debug)]
pub struct Static(Arc<Lease>);
impl Static {
    /// These, for ever.
    pub fn new(credentials: Credentials) -> Self {
        Self(Arc::new(Lease { credentials: Some(credentials), expires: None }))
    }
    /// No credentials: public buckets.
    pub fn anonymous() -> Self {
        Self(Arc::new(Lease { credentials: None, expires: None }))
    }
}
impl Provider for Static {
    fn credentials(&self) -> Result<Arc<Lease>> {
        Ok(Arc::clone(&self.0))
    }
}
