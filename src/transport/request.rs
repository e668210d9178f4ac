//! A request: its head and its body.

use super::trace::Trace;
use crate::cancel::Cancel;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// The path and the query, exactly as they are sent.
    pub(crate) target: &'a str,
    /// All headers in order, including `host` but not `content-length`. The transport adds only
    /// `content-length`, `expect` when requested, and for a plain-HTTP proxy `proxy-authorization`
    /// and the absolute form of the target.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// If set, the head is sent with `expect: 100-continue`, and the body waits at most this long
    /// for the response to it.
    pub(crate) expect_continue: Option<Duration>,
    /// The time by which the head of the response must have been read (for small operations also
    /// the body, see `Response`).
    pub(crate) deadline: Option<Instant>,
    /// Whether the server may be silent until the deadline while it works, once it has the request.
    pub(crate) silent_work: bool,
    pub(crate) cancel: Option<&'a Cancel>,
    pub(crate) connection: ConnectionChoice,
    /// Receives the measurements of the exchange. Without it, no clock is read for measurements.
    pub(crate) trace: Option<&'a Arc<Trace>>,
}

/// The connection over which a request is sent. An agent does not offer the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionChoice {
    /// An idle connection, or a new one if there is none. The server may close an idle connection
    /// while the request is on its way, so the request must be repeatable.
    IdleOrNew,
    /// A new connection, for a body that can be sent only once.
    New,
}

pub(crate) enum RequestBody<'a> {
    /// An absent body; PUT and POST send `content-length: 0`.
    Empty,
    Bytes(&'a [u8]),
    /// A body of which exactly `length` bytes are read and sent. A source that ends early is a
    /// `Failure::Source(UnexpectedEof)`; bytes after `length` are not read.
    Reader {
        source: &'a mut dyn Read,
        length: u64,
    },
}
