//! The one place that opens a socket: HTTP/1.1 (RFC 9110, RFC 9112) over TCP and TLS, with connections kept alive.
//!
//! [`Transport::send`] sends one request once and returns the reply's head; its body is read from the [`Response`].
//! Nothing is retried, redirected, decompressed or taken from the environment, and a failure tells how far the exchange
//! had come: what to do about it is decided above.
//!
//! A small exchange costs two system calls: one write of head and body, one read of the reply. Large bodies go between
//! the caller's memory and the socket without a copy (TLS: with the copies that its records need).
//!
//! | file | what |
//! | --- | --- |
//! | `connect` | name lookup, TCP, proxy, TLS: from an origin to a connection |
//! | `pool` | connections at rest |
//! | `exchange` | one request, up to the head of its reply |
//! | `head` | heads as text: written, parsed, judged |
//! | `body` | the reply's body and its framing |
//! | `connection` | a stream and its buffers |
//! | `stream`, `tls` | sockets and sessions; the one rule for waiting |
//! | `trust` | whose certificates are believed |

mod body;
mod connect;
mod connection;
mod error;
mod exchange;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod head;
mod pool;
mod stream;
mod tls;
mod trust;

#[cfg(test)]
mod tests;

pub(crate) use body::Response;
pub(crate) use error::{Failure, OptionsError, Phase, TransportError};

use crate::cancel::Cancel;
use crate::net::origin::Origin;
use crate::net::proxy::Proxy;
use connect::Connector;
use pool::Pool;
use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stream::Limits;

/// How servers' certificates are judged.
#[derive(Clone, Debug, Default)]
pub(crate) enum TlsVerification {
    #[default]
    Full,
    /// `skipverify`: any certificate is accepted.
    Skip,
}

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) verification: TlsVerification,
    /// PEM text: certificates trusted beside the built-in ones (webpki-roots).
    pub(crate) extra_roots_pem: Vec<u8>,
    /// Never taken from the environment.
    pub(crate) proxy: Option<Proxy>,
    /// For name lookup, TCP, proxy and TLS together.
    pub(crate) connect_timeout: Duration,
    /// The longest wait for one read or one write to make progress.
    pub(crate) idle_timeout: Duration,
    /// Over this much waiting, and at least over the idle timeout, bytes without a deadline must keep a pace: see
    /// `stream::Pace`.
    pub(crate) stall_timeout: Duration,
    /// Idle connections kept per origin.
    pub(crate) idle_connections: usize,
    /// How long an idle connection is kept.
    pub(crate) idle_lifetime: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            verification: TlsVerification::Full,
            extra_roots_pem: Vec::new(),
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(120),
            // More than the threads any one client is expected to run. An idle connection costs 16 KiB, with TLS some 150.
            idle_connections: 64,
            // S3 was seen to close connections idle for more than 5 s, which is AWS's own default for S3 clients too
            // (aws-sdk-java-v2, pull request 1450).
            idle_lifetime: Duration::from_secs(5),
        }
    }
}

/// Shows the size of the certificates only.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verification,
            extra_roots_pem,
            proxy,
            connect_timeout,
            idle_timeout,
            stall_timeout,
            idle_connections,
            idle_lifetime,
        } = self;
        f.debug_struct("Options")
            .field("verification", verification)
            .field("extra_roots_pem", &format_args!("{} bytes", extra_roots_pem.len()))
            .field("proxy", proxy)
            .field("connect_timeout", connect_timeout)
            .field("idle_timeout", idle_timeout)
            .field("stall_timeout", stall_timeout)
            .field("idle_connections", idle_connections)
            .field("idle_lifetime", idle_lifetime)
            .finish()
    }
}

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
}

pub(crate) enum Body<'a> {
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

/// Connections, kept alive and shared by threads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Shared>);

struct Shared {
    connector: Connector,
    pool: Arc<Pool>,
    idle_timeout: Duration,
    stall_timeout: Duration,
    opened: AtomicU64,
}

impl Transport {
    pub(crate) fn new(options: Options) -> Result<Self, OptionsError> {
        let tls = tls::config(&options.verification, &options.extra_roots_pem)?;
        Ok(Self(Arc::new(Shared {
            connector: Connector::new(tls, options.proxy, options.connect_timeout, options.idle_timeout),
            pool: Arc::new(Pool::new(options.idle_connections, options.idle_lifetime)),
            idle_timeout: options.idle_timeout,
            stall_timeout: options.stall_timeout,
            opened: AtomicU64::new(0),
        })))
    }

    /// Sends one request once. Follows no redirect, retries nothing, decompresses nothing.
    /// An early final answer (403 while the body is being sent) is returned as the reply, and the connection is not
    /// reused.
    pub(crate) fn send(
        &self,
        origin: &Origin,
        request: &Request<'_>,
        mut body: Body<'_>,
    ) -> Result<Response, TransportError> {
        let shared = &*self.0;
        let (idle, stall) = (shared.idle_timeout, shared.stall_timeout);
        let limits = Limits {
            idle,
            deadline: request.deadline,
            stall: request.deadline.is_none().then_some(stall),
            cancel: request.cancel,
        };
        let length = match &body {
            Body::Empty if matches!(request.method, "PUT" | "POST") => Some(0),
            Body::Empty => None,
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::Reader { length, .. } => Some(*length),
        };
        // Nothing can be waited for when there is nothing to send.
        let expect_continue = request.expect_continue.filter(|_| length.is_some_and(|length| length > 0));
        let request = Request { expect_continue, ..*request };

        let at_connect = |failure| TransportError::new(Phase::Connect, failure);
        limits.check().map_err(at_connect)?;
        let mut pooled = shared.pool.take(origin);
        let mut head =
            pooled.as_mut().map(|connection| std::mem::take(&mut connection.outgoing_head)).unwrap_or_default();
        if let Err(failure) = self.write_head(&mut head, origin, &request, length) {
            if let Some(connection) = pooled {
                shared.pool.put(connection);
            }
            return Err(at_connect(failure));
        }
        let mut connection = match pooled {
            Some(connection) => connection,
            None => {
                let connection = shared.connector.connect(origin, &limits).map_err(at_connect)?;
                shared.opened.fetch_add(1, Ordering::Relaxed);
                Box::new(connection)
            }
        };
        connection.outgoing_head = head;
        let head = exchange::run(&mut connection, &request, &mut body, &limits)?;
        Ok(Response::new(head, connection, (idle, stall), request.cancel.cloned(), shared.pool.clone()))
    }

    /// Connections opened so far.
    pub(crate) fn connections_opened(&self) -> u64 {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// Closes the connections nobody uses at the moment.
    pub(crate) fn close_idle(&self) {
        self.0.pool.clear();
    }

    fn write_head(
        &self,
        out: &mut Vec<u8>,
        origin: &Origin,
        request: &Request<'_>,
        length: Option<u64>,
    ) -> Result<(), Failure> {
        let absolute = self.0.connector.absolute_form(origin);
        let (prefix, authorization) = absolute.as_ref().map_or(("", None), |(prefix, value)| (prefix.as_str(), *value));
        let expect = request.expect_continue.map(|_| ("expect", "100-continue"));
        let authorization = authorization.map(|value| ("proxy-authorization", value));
        let headers = request.headers.iter().copied().chain(expect).chain(authorization);
        head::write_request(out, request.method, (prefix, request.target), headers, length)
            .map_err(Failure::InvalidRequest)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("connections_opened", &self.connections_opened()).finish_non_exhaustive()
    }
}
