//! The measurements of one exchange, taken for an observer.

use crate::sync;
use crate::text::Secrets;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The measurements of one exchange. They may be read while the body of the response is still being
/// read.
#[derive(Debug)]
pub(crate) struct Trace {
    /// How many leading bytes of the response's body are kept.
    kept: usize,
    /// The texts that an observer of the exchange must not see.
    secrets: Arc<Secrets>,
    measured: Mutex<Measured>,
}

/// The measurements so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// `true` if the connection served an earlier exchange; `None` until there is a connection.
    pub(crate) reused: Option<bool>,
    /// The duration of name lookup, TCP connect and the proxy's tunnel.
    pub(crate) connect: Option<Duration>,
    /// The duration of the TLS handshake.
    pub(crate) tls: Option<Duration>,
    /// The time from the beginning of the exchange until the head of the final response was read.
    pub(crate) first_byte: Option<Duration>,
    /// Bytes of the request's body that were handed to the operating system.
    pub(crate) sent: u64,
    /// Bytes of the response's body that have been read.
    pub(crate) received: u64,
    /// `true` once the response's body has been read to its end.
    pub(crate) complete: bool,
    /// The first bytes of the response's body.
    pub(crate) beginning: Vec<u8>,
}

impl Trace {
    /// Creates empty measurements that will keep the first `kept` bytes of the response's body.
    pub(crate) fn new(kept: usize, secrets: Arc<Secrets>) -> Self {
        Self { kept, secrets, measured: Mutex::default() }
    }

    pub(crate) const fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    pub(crate) fn measured(&self) -> Measured {
        sync::lock(&self.measured).clone()
    }

    pub(super) fn reuses_connection(&self) {
        sync::lock(&self.measured).reused = Some(true);
    }

    pub(super) fn connected(&self, time: Duration) {
        let mut measured = sync::lock(&self.measured);
        (measured.reused, measured.connect) = (Some(false), Some(time));
    }

    pub(super) fn secured(&self, time: Duration) {
        sync::lock(&self.measured).tls = Some(time);
    }

    pub(super) fn sent_body(&self, bytes: u64) {
        sync::lock(&self.measured).sent = bytes;
    }

    pub(super) fn response_begins(&self, time: Duration) {
        sync::lock(&self.measured).first_byte = Some(time);
    }

    pub(super) fn received(&self, bytes: &[u8]) {
        let mut measured = sync::lock(&self.measured);
        measured.received = measured.received.saturating_add(bytes.len() as u64);
        let missing = self.kept.saturating_sub(measured.beginning.len());
        measured.beginning.extend(bytes.iter().take(missing));
    }

    pub(super) fn ends(&self) {
        sync::lock(&self.measured).complete = true;
    }
}
