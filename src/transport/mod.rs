//! The only module that opens sockets: HTTP/1.1 (RFC 9110, RFC 9112) over TCP and TLS, with
//! connections that are kept alive.
//!
//! [`Transport::send`] sends one request once and returns the head of the response; the body is
//! read from the [`Response`]. The transport does not retry, follow redirects, decompress, or read
//! the environment. An error states how far the exchange had progressed, and the layers above
//! decide how to react.
//!
//! A small exchange costs two system calls: one write for the head and the body, one read for the
//! response. Large bodies are transferred between the caller's memory and the socket without a copy
//! (with TLS, only with the copies that its records require).
//!
//! | file | contents |
//! | --- | --- |
//! | `options`, `request` | the caller's input |
//! | `carrier` | the two ways to send a request: this transport's own connections, or an agent |
//! | `agent`, `probe` | requests through a `ureq::Agent`, and the check of how ureq was built |
//! | `connect` | name lookup, TCP, proxy, TLS: from an origin to a connection |
//! | `names` | the addresses of a server, in the order in which they are tried |
//! | `race` | the choice among the addresses of a server |
//! | `pool` | idle connections |
//! | `exchange` | one request, up to the head of its response |
//! | `head` | writing request heads, parsing and validating response heads |
//! | `body` | the body of a response and its framing |
//! | `connection` | a stream and its buffers |
//! | `stream`, `tls` | sockets and sessions |
//! | `trace` | the measurements of an exchange, for an observer |
//! | `error` | the failures of one exchange, with how far it had progressed |
//! | `problem` | the reasons why a TLS handshake fails |
//! | `wait` | the limits of every wait |
//! | `trust`, `roots` | verification of server certificates, and the authorities that are trusted |

#[cfg(feature = "ureq")]
mod agent;
mod body;
mod carrier;
mod connect;
mod connection;
mod error;
mod exchange;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod head;
mod names;
mod options;
mod pool;
#[cfg(feature = "ureq")]
mod probe;
mod problem;
mod race;
mod request;
mod roots;
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
#[cfg(feature = "ureq")]
pub(crate) use options::Agent;
pub(crate) use options::{ClientCertificate, IDLE_LIFETIME, TransportOptions};
pub use options::{TlsVerification, TrustStore};
pub(crate) use problem::TlsProblem;
pub(crate) use request::{ConnectionChoice, Request, RequestBody};
pub(crate) use roots::check_roots;
pub(crate) use trace::Trace;

use crate::cancel::Cancel;
use crate::net::origin::Origin;
use carrier::{Carrier, Incoming};
use connect::Connector;
use head::Head;
use pool::Pool;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use wait::{Limits, Timeouts};

/// A set of connections that are kept alive and shared by threads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transport(Arc<Shared>);

struct Shared {
    carrier: Carrier,
    timeouts: Timeouts,
    opened: AtomicU64,
}

impl Transport {
    pub(crate) fn new(options: TransportOptions) -> Result<Self, OptionsError> {
        let timeouts = Timeouts { idle: options.idle_timeout, stall: options.stall_timeout };
        let carrier = Carrier::new(options)?;
        Ok(Self(Arc::new(Shared { carrier, timeouts, opened: AtomicU64::new(0) })))
    }

    /// Sends one request once, without following redirects, retrying, or decompressing.
    ///
    /// A final response that arrives early (such as a 403 while the body is being sent) is
    /// returned, and its connection is not reused.
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
        // `Expect: 100-continue` is pointless when there is nothing to send.
        let expect_continue =
            request.expect_continue.filter(|_| length.is_some_and(|length| length > 0));
        let request = Request { expect_continue, ..*request };

        let (head, incoming) = match &shared.carrier {
            Carrier::Own { connector, pool } => {
                let way = (&**connector, pool);
                self.send_over(way, origin, &request, &mut body, length, &limits)?
            }
            #[cfg(feature = "ureq")]
            Carrier::Agent(courier) => {
                let (head, body) = courier.send(origin, &request, &mut body, length, &limits)?;
                // An agent does not report how much it sent when a request fails.
                request.trace.inspect(|trace| trace.sent_body(length.unwrap_or(0)));
                (head, Incoming::Agent(Box::new(body)))
            }
        };
        if let Some((trace, began)) = began {
            trace.response_begins(began.elapsed());
        }
        let (cancel, trace) = (request.cancel.cloned(), request.trace.cloned());
        Ok(Response::new(head, incoming, shared.timeouts, cancel, trace))
    }

    /// Sends the request over a pooled connection or a new one.
    fn send_over(
        &self,
        (connector, pool): (&Connector, &Arc<Pool>),
        origin: &Origin,
        request: &Request<'_>,
        body: &mut RequestBody<'_>,
        length: Option<u64>,
        limits: &Limits<'_>,
    ) -> Result<(Head, Incoming), TransportError> {
        let at_connect = |failure| TransportError::new(Phase::Connect, failure);
        limits.check().map_err(at_connect)?;
        let mut pooled = match request.connection {
            ConnectionChoice::IdleOrNew => pool.take(origin),
            ConnectionChoice::New => None,
        };
        let mut head = pooled
            .as_mut()
            .map(|connection| std::mem::take(&mut connection.outgoing_head))
            .unwrap_or_default();
        if let Err(failure) = write_head(&mut head, connector, origin, request, length) {
            if let Some(connection) = pooled {
                pool.put(connection);
            }
            return Err(at_connect(failure));
        }
        let mut connection = match pooled {
            Some(connection) => {
                request.trace.inspect(|trace| trace.reuses_connection());
                connection
            }
            None => {
                let trace = request.trace.map(|trace| &**trace);
                let connection = connector.connect(origin, limits, trace).map_err(at_connect)?;
                self.0.opened.fetch_add(1, Ordering::Relaxed);
                Box::new(connection)
            }
        };
        connection.outgoing_head = head;
        let head = exchange::run(&mut connection, request, body, limits).map_err(|error| {
            let broke = matches!(error.failure, Failure::Io(_) | Failure::Timeout);
            if broke && !connection.reused && !connection.answered {
                connector.avoid_peer(&connection);
            }
            TransportError { failure: tls::named(error.failure), ..error }
        })?;
        Ok((head, Incoming::Own(connection, pool.clone())))
    }

    /// Connects to `origin`, and returns the certificate that the server presents, in DER. Returns
    /// `None` if the connection is not encrypted, or if it is an agent's.
    pub(crate) fn peer_certificate(
        &self,
        origin: &Origin,
        cancel: Option<&Cancel>,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        match &self.0.carrier {
            Carrier::Own { connector, .. } => {
                let limits = self.0.timeouts.limits(None, cancel);
                let connection = connector
                    .connect(origin, &limits, None)
                    .map_err(|failure| TransportError::new(Phase::Connect, failure))?;
                Ok(connection.stream.peer_certificate().map(<[u8]>::to_vec))
            }
            #[cfg(feature = "ureq")]
            Carrier::Agent(_) => Ok(None),
        }
    }

    /// Returns how many connections have been opened so far. An agent's connections cannot be
    /// counted.
    pub(crate) fn connections_opened(&self) -> u64 {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// Closes the connections that are not in use. An agent's connections close when their maximum
    /// idle time is over.
    pub(crate) fn close_idle(&self) {
        match &self.0.carrier {
            Carrier::Own { pool, .. } => pool.clear(),
            #[cfg(feature = "ureq")]
            Carrier::Agent(_) => {}
        }
    }
}

#[cfg(test)]
impl Transport {
    fn connector(&self) -> &Connector {
        match &self.0.carrier {
            Carrier::Own { connector, .. } => connector,
            #[cfg(feature = "ureq")]
            Carrier::Agent(_) => panic!("an agent has no connector"),
        }
    }
}

fn write_head(
    out: &mut Vec<u8>,
    connector: &Connector,
    origin: &Origin,
    request: &Request<'_>,
    length: Option<u64>,
) -> Result<(), Failure> {
    let absolute = connector.absolute_form(origin);
    let (prefix, authorization) =
        absolute.as_ref().map_or(("", None), |(prefix, value)| (prefix.as_str(), *value));
    let expect = request.expect_continue.map(|_| ("expect", "100-continue"));
    let authorization = authorization.map(|value| ("proxy-authorization", value));
    let headers = request.headers.iter().copied().chain(expect).chain(authorization);
    head::write_request(out, request.method, (prefix, request.target), headers, length)
        .map_err(Failure::InvalidRequest)
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("connections_opened", &self.connections_opened())
            .finish_non_exhaustive()
    }
}
