//! The measurements of one exchange, made for an observer.

use crate::sync;
use std::sync::Mutex;
use std::time::Duration;

/// The measurements of one exchange. They may be read while the response's body is still being
/// read.
#[derive(Debug)]
pub(crate) struct Trace {
    /// How many of the response body's first bytes are kept.
    kept: usize,
    measured: Mutex<Measured>,
}

/// The measurements so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Whether the connection served an earlier exchange; `None` while there is no connection.
    pub(crate) reused: Option<bool>,
    /// Name lookup, TCP and the proxy's tunnel.
    pub(crate) connect: Option<Duration>,
    /// The TLS handshake.
    pub(crate) tls: Option<Duration>,
    /// From the beginning until the head of the final response was read.
    pub(crate) first_byte: Option<Duration>,
    /// Bytes of the request's body that were handed to the system.
    pub(crate) sent: u64,
    /// Bytes of the response's body that were read.
    pub(crate) received: u64,
    /// Whether the response's body was read to its end.
    pub(crate) complete: bool,
    /// The first bytes of the response's body.
    pub(crate) beginning: Vec<u8>,
}

impl Trace {
    /// Measures an exchange, and keeps the first `kept` bytes of the response's body.
    pub(crate) fn new(kept: usize) -> Self {
        Self { kept, measured: Mutex::default() }
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
