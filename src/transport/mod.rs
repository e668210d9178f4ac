//! Stub: the one place that opens a socket.
#![allow(dead_code)]
use crate::cancel::Cancel;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Where a request goes: scheme, host and port. `host` is a name, an IPv4 address, or an IPv6 address without brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
}
impl Origin {
    /// The value of `Host`: port left out when it is the scheme's default, IPv6 in brackets.
    pub(crate) fn host_header(&self) -> String {
        todo!()
    }
}

/// How servers' certificates are judged.
#[derive(Clone, Debug, Default)]
pub(crate) enum TlsVerification {
    #[default]
    Full,
    /// `skipverify`: any certificate is accepted.
    Skip,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) verification: TlsVerification,
    /// PEM text: certificates trusted beside the built-in ones (webpki-roots).
    pub(crate) extra_roots_pem: Vec<u8>,
    /// `http://[user:password@]host:port`; never taken from the environment.
    pub(crate) proxy: Option<String>,
    pub(crate) connect_timeout: Duration,
    /// The longest wait for one read or one write to make progress.
    pub(crate) idle_timeout: Duration,
    /// Idle connections kept per origin.
    pub(crate) idle_connections: usize,
    /// How long an idle connection is kept.
    pub(crate) idle_lifetime: Duration,
}
impl Default for Options {
    fn default() -> Self {
        todo!()
    }
}

/// Connections, kept alive and shared by threads. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Transport(Arc<()>);

pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Path and query exactly as they go on the wire.
    pub(crate) target: &'a str,
    /// Every header but `content-length`, `host` among them, in order; the transport adds nothing else but `content-length`
    /// (and, through a plain-http proxy, the absolute form of the target).
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// Send the head with `expect: 100-continue` and wait this long at most for the answer.
    pub(crate) expect_continue: Option<Duration>,
    /// The whole exchange up to the response's head must end by then (small operations: the body too, see `Response`).
    pub(crate) deadline: Option<Instant>,
    pub(crate) cancel: Option<&'a Cancel>,
}

pub(crate) enum Body<'a> {
    /// No body; `content-length: 0` is sent for PUT and POST.
    Empty,
    Bytes(&'a [u8]),
    /// Exactly `length` bytes are read and sent: a source that ends early is `Failure::Source(UnexpectedEof)`, one that goes on is cut.
    Reader {
        source: &'a mut dyn Read,
        length: u64,
    },
}

/// A reply whose body has not been read yet. Dropping it unread closes the connection; read to the end it goes back to the pool.
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, Vec<u8>)>,
}
impl Response {
    /// The first header of that (lower-case) name, when it is visible text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        todo!("{name} {:?}", self.headers)
    }
    /// All headers: lower-case names, values as text (lossy).
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        todo!();
        #[allow(unreachable_code)]
        std::iter::empty()
    }
    /// `Content-Length`, if the reply has one.
    pub(crate) fn content_length(&self) -> Option<u64> {
        todo!()
    }
    /// The whole body, refused beyond `limit` bytes; `deadline` bounds the reading.
    pub(crate) fn read_to_end(self, limit: usize, deadline: Option<Instant>) -> Result<Vec<u8>, TransportError> {
        todo!("{limit} {deadline:?}")
    }
}
/// Streams the body: `Ok(0)` only at the proven end; an `io::Error` that carries a `TransportError` otherwise.
impl Read for Response {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        todo!()
    }
}

/// How far an exchange had come when it failed: what a retry policy needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No byte of the request can have been processed.
    Connect,
    /// Some of the request may have arrived.
    Send,
    /// The request was sent whole; no reply came.
    Await,
    /// The reply's head came, its body did not come whole.
    Body,
}

#[derive(Debug)]
pub(crate) enum Failure {
    /// Name lookup, TCP, proxy.
    Connect(io::Error),
    /// Certificate or handshake: not to be retried when `fatal` (certificate refused).
    Tls {
        fatal: bool,
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A deadline or the idle timeout passed.
    Timeout,
    /// The connection broke.
    Io(io::Error),
    /// The reply breaks the protocol.
    Protocol(String),
    /// The caller's own reader failed or ended early.
    Source(io::Error),
    Cancelled,
}

#[derive(Debug)]
pub(crate) struct TransportError {
    pub(crate) phase: Phase,
    /// The connection came from the pool and died before a byte of the reply came: does not count as an attempt.
    pub(crate) stale: bool,
    pub(crate) failure: Failure,
}
impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
impl std::error::Error for TransportError {}

/// Why the options cannot be used: one sentence naming the option.
#[derive(Debug)]
pub(crate) struct OptionsError(pub(crate) String);

impl Transport {
    pub(crate) fn new(options: Options) -> Result<Self, OptionsError> {
        todo!("{options:?}")
    }
    /// Sends one request once. Follows no redirect, retries nothing, decompresses nothing.
    /// An early final answer (403 while the body is being sent) is returned as the reply, and the connection is not reused.
    pub(crate) fn send(
        &self,
        origin: &Origin,
        request: &Request<'_>,
        body: Body<'_>,
    ) -> Result<Response, TransportError> {
        let _ = (
            origin,
            request.method,
            request.target,
            request.headers,
            request.expect_continue,
            request.deadline,
            request.cancel,
            body,
        );
        todo!()
    }
    /// Connections opened so far.
    pub(crate) fn connections_opened(&self) -> u64 {
        todo!()
    }
}
