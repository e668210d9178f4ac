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
//! | `options`, `request` | what a caller passes |
//! | `connect` | name lookup, TCP, proxy, TLS: from an origin to a connection |
//! | `pool` | connections at rest |
//! | `exchange` | one request, up to the head of its reply |
//! | `head` | heads as text: written, parsed, judged |
//! | `body` | the reply's body and its framing |
//! | `connection` | a stream and its buffers |
//! | `stream`, `tls` | sockets and sessions |
//! | `trace` | the measurements of an exchange, for an observer |
//! | `problem` | why a handshake failed |
//! | `wait` | the one rule for waiting |
//! | `trust` | whose certificates are believed |

mod body;
mod connect;
mod connection;
mod error;
mod exchange;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod head;
mod options;
mod pool;
mod problem;
mod request;
mod stream;
mod tls;
mod trace;
mod trust;
mod wait;

#[cfg(test)]
mod tests;

pub(crate) use body::Response;
pub(crate) use error::{
    Failure, NoConnection, Obstacle, OptionsError, Party, Phase, TransportError,
};
pub use options::TlsVerification;
pub(crate) use options::TransportOptions;
pub(crate) use problem::TlsProblem;
pub(crate) use request::{Request, RequestBody};
pub(crate) use trace::Trace;
pub(crate) use trust::check_roots;

use crate::net::origin::Origin;
use connect::Connector;
use pool::Pool;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use wait::Timeouts;

/// Connections, kept alive and shared by threads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Shared>);

struct Shared {
    connector: Connector,
    pool: Arc<Pool>,
    timeouts: Timeouts,
    opened: AtomicU64,
}

impl Transport {
    pub(crate) fn new(options: TransportOptions) -> Result<Self, OptionsError> {
        let tls = tls::config(&options.verification, &options.extra_roots_pem)?;
        Ok(Self(Arc::new(Shared {
            connector: Connector::new(
                tls,
                options.proxy,
                options.connect_timeout,
                options.idle_timeout,
            ),
            pool: Arc::new(Pool::new(options.idle_connections, options.idle_lifetime)),
            timeouts: Timeouts { idle: options.idle_timeout, stall: options.stall_timeout },
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
        mut body: RequestBody<'_>,
    ) -> Result<Response, TransportError> {
        let shared = &*self.0;
        let began = request.trace.map(|trace| (trace, Instant::now()));
        let limits = shared.timeouts.limits(request.deadline, request.cancel);
        let length = match &body {
            RequestBody::Empty if matches!(request.method, "PUT" | "POST") => Some(0),
            RequestBody::Empty => None,
            RequestBody::Bytes(bytes) => Some(bytes.len() as u64),
            RequestBody::Reader { length, .. } => Some(*length),
        };
        // Nothing can be waited for when there is nothing to send.
        let expect_continue =
            request.expect_continue.filter(|_| length.is_some_and(|length| length > 0));
        let request = Request { expect_continue, ..*request };

        let at_connect = |failure| TransportError::new(Phase::Connect, failure);
        limits.check().map_err(at_connect)?;
        let mut pooled = shared.pool.take(origin);
        let mut head = pooled
            .as_mut()
            .map(|connection| std::mem::take(&mut connection.outgoing_head))
            .unwrap_or_default();
        if let Err(failure) = self.write_head(&mut head, origin, &request, length) {
            if let Some(connection) = pooled {
                shared.pool.put(connection);
            }
            return Err(at_connect(failure));
        }
        let mut connection = match pooled {
            Some(connection) => {
                request.trace.inspect(|trace| trace.reuses_connection());
                connection
            }
            None => {
                let connection = shared
                    .connector
                    .connect(origin, &limits, request.trace.map(|trace| &**trace))
                    .map_err(at_connect)?;
                shared.opened.fetch_add(1, Ordering::Relaxed);
                Box::new(connection)
            }
        };
        connection.outgoing_head = head;
        let head = exchange::run(&mut connection, &request, &mut body, &limits)
            .map_err(|error| TransportError { failure: tls::named(error.failure), ..error })?;
        if let Some((trace, began)) = began {
            trace.response_begins(began.elapsed());
        }
        Ok(Response::new(
            head,
            connection,
            shared.timeouts,
            request.cancel.cloned(),
            shared.pool.clone(),
            request.trace.cloned(),
        ))
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
        let (prefix, authorization) =
            absolute.as_ref().map_or(("", None), |(prefix, value)| (prefix.as_str(), *value));
        let expect = request.expect_continue.map(|_| ("expect", "100-continue"));
        let authorization = authorization.map(|value| ("proxy-authorization", value));
        let headers = request.headers.iter().copied().chain(expect).chain(authorization);
        head::write_request(out, request.method, (prefix, request.target), headers, length)
            .map_err(Failure::InvalidRequest)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("connections_opened", &self.connections_opened())
            .finish_non_exhaustive()
    }
}
