//! The failures of one exchange, with the details that a retry policy needs.

use super::problem::TlsProblem;
use std::error::Error;
use std::fmt;
use std::io;

/// How far an exchange had progressed when it failed. Retry policies depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The server cannot have processed any byte of the request.
    Connect,
    /// A part of the request may have arrived.
    Send,
    /// The request was sent completely; no response arrived.
    Await,
    /// The head of the response arrived, but not its complete body.
    Body,
}

/// The cause of a failed exchange.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The name lookup, the TCP connection or the proxy failed.
    Connect(NoConnection),
    /// The certificate was refused or the handshake failed.
    Tls(TlsProblem, Box<dyn Error + Send + Sync>),
    /// A deadline or the idle timeout passed, or too few bytes moved during a long wait.
    Timeout,
    /// The connection broke.
    Io(io::Error),
    /// The response violates the protocol.
    Protocol(String),
    /// The request cannot be put on the wire as it is. Nothing was sent.
    InvalidRequest(String),
    /// The caller's reader failed or ended early.
    Source(io::Error),
    /// The caller cancelled the exchange with its [`Cancel`](crate::Cancel).
    Cancelled,
}

impl Failure {
    /// Creates an error of the socket, or of the TLS session on it.
    pub(super) fn io(kind: io::ErrorKind, text: &'static str) -> Self {
        Self::Io(io::Error::new(kind, text))
    }
}

/// Returns the failure of a body whose reader ended with at most `left` of `length` bytes unread.
pub(super) fn short_source(left: u64, length: u64) -> Failure {
    Failure::Source(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("it ended within the last {left} of {length} bytes"),
    ))
}

/// A connection that could not be established: the party at which it failed, and the reason.
#[derive(Debug)]
pub(crate) struct NoConnection {
    pub(crate) party: Party,
    pub(crate) obstacle: Obstacle,
    /// The party's host, or its host and port.
    place: String,
    error: io::Error,
}

/// The other end of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Server,
    Proxy,
}

/// The step at which a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The host name has no address, or cannot be looked up.
    Name,
    /// The TCP connection could not be established.
    Tcp,
    /// The proxy responded to `CONNECT` with this status.
    Tunnel(u16),
    /// A limit of this machine was reached: threads or files.
    Local,
}

impl NoConnection {
    pub(super) fn new(
        party: Party,
        obstacle: Obstacle,
        place: impl Into<String>,
        error: io::Error,
    ) -> Self {
        Self { party, obstacle, place: place.into(), error }
    }

    /// Returns whether another attempt would fail in the same way: a proxy that refuses a client or
    /// a destination will refuse it again.
    pub(crate) const fn is_permanent(&self) -> bool {
        matches!(self.obstacle, Obstacle::Tunnel(400..=428 | 430..=499))
    }
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, error, .. } = self;
        let party = match self.party {
            Party::Server => "server",
            Party::Proxy => "proxy",
        };
        match self.obstacle {
            Obstacle::Name => {
                write!(f, "the host name of the {party}, {place}, cannot be looked up: {error}")
            }
            Obstacle::Tcp => write!(f, "no connection to the {party} {place}: {error}"),
            Obstacle::Tunnel(status) => {
                write!(
                    f,
                    "the {party} {place} refused the tunnel to the server with status {status}"
                )
            }
            Obstacle::Local => {
                write!(f, "no connection can be opened to the {party} {place}: {error}")
            }
        }
    }
}

impl Error for NoConnection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The reason why a response is missing or incomplete.
#[derive(Debug)]
pub(crate) struct TransportError {
    pub(crate) phase: Phase,
    /// `true` if the connection came from the pool and broke before the first byte of the response.
    /// Such a failure does not count as an attempt.
    pub(crate) stale: bool,
    pub(crate) failure: Failure,
}

impl TransportError {
    pub(super) fn new(phase: Phase, failure: Failure) -> Self {
        Self { phase, stale: false, failure }
    }

    /// Returns whether a time limit has passed.
    pub(crate) fn is_timeout(&self) -> bool {
        self.kind() == io::ErrorKind::TimedOut
            && matches!(self.failure, Failure::Timeout | Failure::Connect(_))
    }

    /// Returns whether every further attempt would fail in the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        match &self.failure {
            Failure::Connect(failure) => failure.is_permanent(),
            Failure::Tls(problem, _) => problem.is_permanent(),
            _ => false,
        }
    }

    /// Returns the kind of the `io::Error` that carries this error when a body is read.
    fn kind(&self) -> io::ErrorKind {
        match &self.failure {
            Failure::Connect(failure) => failure.error.kind(),
            Failure::Io(error) | Failure::Source(error) => error.kind(),
            Failure::Timeout => io::ErrorKind::TimedOut,
            Failure::Protocol(_) => io::ErrorKind::InvalidData,
            Failure::InvalidRequest(_) => io::ErrorKind::InvalidInput,
            Failure::Tls(..) | Failure::Cancelled => io::ErrorKind::Other,
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.phase {
            Phase::Connect => "connecting: ",
            Phase::Send => "sending the request: ",
            Phase::Await => "waiting for the response: ",
            Phase::Body => "reading the response's body: ",
        })?;
        match &self.failure {
            Failure::Connect(failure) => failure.fmt(f),
            // These problems explain themselves, and the text of rustls adds nothing.
            Failure::Tls(
                problem @ (TlsProblem::AuthorityAsServer
                | TlsProblem::PlainServer
                | TlsProblem::TlsServer),
                _,
            ) => problem.fmt(f),
            Failure::Tls(problem, error) => write!(f, "{problem} ({error})"),
            Failure::Timeout => f.write_str("no progress, or too little, within the time limit"),
            Failure::Io(error) => write!(f, "the connection broke: {error}"),
            Failure::Protocol(text) => write!(f, "the response violates HTTP: {text}"),
            Failure::InvalidRequest(text) => write!(f, "the request cannot be sent: {text}"),
            Failure::Source(error) => write!(f, "the source of the body failed: {error}"),
            Failure::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure {
            Failure::Connect(failure) => Some(failure),
            Failure::Io(error) | Failure::Source(error) => Some(error),
            Failure::Tls(_, error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<TransportError> for io::Error {
    fn from(error: TransportError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// The reason why the options cannot be used, as one sentence that names the option.
#[derive(Debug)]
pub(crate) struct OptionsError(pub(crate) String);
