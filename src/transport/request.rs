//! What is sent: a head and a body.

use super::trace::Trace;
use crate::cancel::Cancel;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Path and query exactly as they go on the wire.
    pub(crate) target: &'a str,
    /// Every header but `content-length`, `host` among them, in order; the transport adds nothing else but
    /// `content-length`, `expect` when asked, and through a plain-http proxy `proxy-authorization` and the absolute form
    /// of the target.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// Send the head with `expect: 100-continue` and wait this long at most for the answer.
    pub(crate) expect_continue: Option<Duration>,
    /// The whole exchange up to the response's head must end by then (small operations: the body too, see `Response`).
    pub(crate) deadline: Option<Instant>,
    pub(crate) cancel: Option<&'a Cancel>,
    /// Where the exchange is measured; without it, no clock is read for that.
    pub(crate) trace: Option<&'a Arc<Trace>>,
}

pub(crate) enum RequestBody<'a> {
    /// No body; `content-length: 0` is sent for PUT and POST.
    Empty,
    Bytes(&'a [u8]),
    /// Exactly `length` bytes are read and sent: a source that ends early is `Failure::Source(UnexpectedEof)`, one that
    /// goes on is cut.
    Reader {
        source: &'a mut dyn Read,
        length: u64,
    },
}

impl RequestBody<'_> {
    /// Returns whether nothing follows the head.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Reader { length, .. } => *length == 0,
        }
    }
}
