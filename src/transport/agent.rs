//! Requests through a [`ureq::Agent`], with the proxy, TLS, resolver and pool of the program.
//!
//! Everything that could affect the bytes of an object stays under this crate's control: redirects
//! are returned, error statuses are not turned into errors, a body is sent with exactly the length
//! that the head announced, and an agent that would decompress or re-encode bodies is refused. When
//! a connection breaks, ureq reports neither how much of the request had been sent nor whether the
//! connection was reused. Such a request is therefore treated as one that may have been processed.
//! `docs/transports.md` lists the other differences.

use super::error::{
    Failure, NoConnection, Obstacle, OptionsError, Party, Phase, TransportError, short_source,
};
use super::head::Head;
use super::options::{TlsVerification, TransportOptions, TrustStore};
use super::problem::TlsProblem;
use super::request::{Request, RequestBody};
use super::wait::{FOREVER, Limits, Pace};
use crate::net::origin::{Origin, authority};
use crate::net::proxy_choice::ProxyChoice;
use rustls::InvalidMessage;
use std::io::{self, Read};
use std::time::{Duration, Instant};
use ureq::config::AutoHeaderValue;
use ureq::http::{self, HeaderName, HeaderValue, Method, Uri, header, uri};
use ureq::{Agent, BodyReader, SendBody, Timeout};

/// A sender of requests through an agent.
pub(super) struct Courier {
    agent: Agent,
    connect: Duration,
    lifetime: Duration,
}

impl Courier {
    /// Creates a courier for `agent`.
    ///
    /// # Errors
    /// Fails if an option belongs in the agent's own configuration, or if ureq changes the bodies
    /// of responses.
    pub(super) fn new(agent: Agent, options: &TransportOptions) -> Result<Self, OptionsError> {
        let unused = [
            ("a proxy", options.proxy != ProxyChoice::Direct),
            ("a trust store", options.trust_store != TrustStore::Mozilla),
            ("extra root certificates", !options.extra_roots_pem.is_empty()),
            ("a client certificate", options.client_certificate.is_some()),
            ("skipped verification", options.verification == TlsVerification::Skip),
        ];
        if let Some((name, _)) = unused.iter().find(|(_, is_set)| *is_set) {
            return Err(OptionsError(format!(
                "{name} cannot be combined with an agent: configure the agent instead"
            )));
        }
        super::probe::check_bodies()?;
        Ok(Self { agent, connect: options.connect_timeout, lifetime: options.idle_lifetime })
    }

    /// Sends one request once, and returns the head of its response and a reader of its body.
    pub(super) fn send(
        &self,
        origin: &Origin,
        request: &Request<'_>,
        body: &mut RequestBody<'_>,
        length: Option<u64>,
        limits: &Limits<'_>,
    ) -> Result<(Head, AgentBody), TransportError> {
        let before = |failure| TransportError::new(Phase::Connect, failure);
        limits.check().map_err(before)?;
        let mut empty = io::empty();
        let mut bytes: &[u8] = match body {
            RequestBody::Bytes(bytes) => bytes,
            _ => &[],
        };
        let source: &mut dyn Read = match body {
            RequestBody::Empty => &mut empty,
            RequestBody::Bytes(_) => &mut bytes,
            RequestBody::Reader { source, .. } => source,
        };
        let mut outgoing = Outgoing::new(source, length.unwrap_or(0), limits);

        let built = build(origin, request, length).map_err(before)?;
        let target = built.uri().clone();
        let sent = if body_follows(length) {
            let with_body = built.map(|()| SendBody::from_reader(&mut outgoing));
            self.agent.run(self.configure(with_body, request, length, limits))
        } else {
            self.agent.run(self.configure(built, request, length, limits))
        };
        let response = sent.map_err(|error| match outgoing.failure.take() {
            Some(failure) => TransportError::new(Phase::Send, failure),
            None => {
                let error = self.failure(error, origin, &target, outgoing.left == 0);
                TransportError { failure: unless_cancelled(limits, error.failure), ..error }
            }
        })?;

        let (parts, body) = response.into_parts();
        let fields: Vec<_> =
            parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let http11 = parts.version != http::Version::HTTP_10;
        let status = parts.status.as_u16();
        let head = Head::from_fields(status, fields.into_iter(), 0, request.method, http11)
            .map_err(|text| TransportError::new(Phase::Await, Failure::Protocol(text)))?;
        Ok((head, AgentBody { reader: body.into_reader(), pace: Pace::default() }))
    }

    /// Sets the configuration of one request. None of these settings makes ureq bypass the agent's
    /// pool.
    fn configure<B: ureq::AsSendBody>(
        &self,
        built: http::Request<B>,
        request: &Request<'_>,
        length: Option<u64>,
        limits: &Limits<'_>,
    ) -> http::Request<B> {
        let config = self.agent.config();
        let lifetime = config.max_idle_age().min(self.lifetime);
        let per_call = limits
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
            .or_else(|| config.timeouts().per_call);
        // Capped, because ureq adds these durations to the current time.
        let (connect, idle) = (self.connect.min(FOREVER), limits.idle.min(FOREVER));
        let waiting = limits.after_sending(length.unwrap_or(0), request.silent_work);
        let silence = waiting.idle.min(FOREVER);
        self.agent
            .configure_request(built)
            .max_redirects(0)
            .http_status_as_error(false)
            .save_redirect_history(false)
            .accept(AutoHeaderValue::None)
            .accept_encoding(AutoHeaderValue::None)
            .max_idle_age(lifetime)
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_per_read(Some(silence))
            .timeout_per_write(Some(idle))
            // The head may take one idle timeout after its first byte.
            .timeout_recv_response(Some(silence.saturating_add(idle)))
            .timeout_await_100(request.expect_continue)
            .timeout_per_call(per_call.map(|time| time.min(FOREVER)))
            .build()
    }

    /// Converts an error of ureq, and determines the phase as far as ureq reports it.
    fn failure(
        &self,
        error: ureq::Error,
        origin: &Origin,
        target: &Uri,
        sent_whole: bool,
    ) -> TransportError {
        let phase = if sent_whole { Phase::Await } else { Phase::Send };
        let proxy = self.agent.config().proxy().filter(|proxy| !proxy.is_no_proxy(target));
        let (party, host, port) = match proxy {
            Some(proxy) => (Party::Proxy, proxy.host(), proxy.port()),
            None => (Party::Server, origin.host.as_str(), origin.port),
        };
        let unreached = |obstacle, error| {
            let place = match obstacle {
                Obstacle::Name => host.to_owned(),
                _ => authority(host, port),
            };
            let failure = NoConnection::new(party, obstacle, place, error);
            TransportError::new(Phase::Connect, Failure::Connect(failure))
        };
        match error {
            ureq::Error::Timeout(reason) => {
                TransportError::new(phase_of(reason).unwrap_or(phase), Failure::Timeout)
            }
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::AddrNotAvailable => unreached(Obstacle::Tcp, error),
                _ if is_lookup(&error) => unreached(Obstacle::Name, error),
                _ => of_session(error, phase),
            },
            ureq::Error::HostNotFound => {
                let error = io::Error::new(io::ErrorKind::NotFound, "it has no address");
                unreached(Obstacle::Name, error)
            }
            ureq::Error::ConnectProxyFailed(text) => {
                let obstacle = tunnel_status(&text).map_or(Obstacle::Tcp, Obstacle::Tunnel);
                unreached(obstacle, io::Error::other(text))
            }
            error @ (ureq::Error::ConnectionFailed | ureq::Error::InvalidProxyUrl) => {
                unreached(Obstacle::Tcp, io::Error::other(error))
            }
            error @ (ureq::Error::BadUri(_)
            | ureq::Error::Http(_)
            | ureq::Error::RequireHttpsOnly(_)) => {
                TransportError::new(Phase::Connect, Failure::InvalidRequest(error.to_string()))
            }
            error @ (ureq::Error::Tls(_) | ureq::Error::TlsRequired) => {
                let text = format!("the agent has no TLS connection ({error})");
                TransportError::new(Phase::Connect, Failure::InvalidRequest(text))
            }
            error @ (ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..)) => {
                TransportError::new(phase, Failure::Protocol(error.to_string()))
            }
            error => TransportError::new(phase, Failure::Io(error.into_io())),
        }
    }
}

/// The body of a response, up to the end given by its framing.
pub(super) struct AgentBody {
    reader: BodyReader<'static>,
    pace: Pace,
}

impl AgentBody {
    /// Reads once. A cancellation or a deadline is noticed between two reads of ureq.
    pub(super) fn read(&mut self, into: &mut [u8], limits: &Limits<'_>) -> Result<usize, Failure> {
        limits.check()?;
        let reader = &mut self.reader;
        self.pace.keep(limits, || {
            reader.read(into).map_err(|error| {
                let failure = match ureq::Error::from(error) {
                    ureq::Error::Timeout(_) => Failure::Timeout,
                    ureq::Error::Protocol(error) => Failure::Protocol(error.to_string()),
                    error => Failure::Io(error.into_io()),
                };
                unless_cancelled(limits, failure)
            })
        })
    }

    /// Reads the end of the body, so that ureq returns the connection to its pool.
    pub(super) fn finish(mut self) {
        let _ = self.reader.read(&mut [0]);
    }
}

/// The body of a request as ureq reads it: exactly as many bytes as were announced. A reader that
/// ends early would make ureq 3.5 repeat empty writes forever.
struct Outgoing<'a> {
    source: &'a mut dyn Read,
    length: u64,
    left: u64,
    limits: &'a Limits<'a>,
    pace: Pace,
    /// The size of the last block, and when ureq took it.
    taken: Option<(usize, Instant)>,
    /// The failure that ended reading, kept here because ureq passes on only I/O errors.
    failure: Option<Failure>,
}

impl<'a> Outgoing<'a> {
    fn new(source: &'a mut dyn Read, length: u64, limits: &'a Limits<'a>) -> Self {
        let pace = Pace::default();
        Self { source, length, left: length, limits, pace, taken: None, failure: None }
    }

    fn next(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        self.limits.check()?;
        if let Some((count, at)) = self.taken.take() {
            self.pace.book(self.limits, count, at.elapsed())?;
        }
        let room = usize::try_from(self.left).map_or(into.len(), |left| left.min(into.len()));
        let into = into.get_mut(..room).unwrap_or_default();
        let count = loop {
            match self.source.read(into) {
                Ok(count) => break count.min(room),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.limits.check()?,
                Err(error) => return Err(Failure::Source(error)),
            }
        };
        if count == 0 && room > 0 {
            return Err(short_source(self.left, self.length));
        }
        self.left = self.left.saturating_sub(count as u64);
        self.taken = Some((count, Instant::now()));
        Ok(count)
    }
}

impl Read for Outgoing<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.next(into).map_err(|failure| {
            self.failure = Some(failure);
            io::Error::other("the body of the request ended")
        })
    }
}

/// Returns `failure`, or [`Failure::Cancelled`] if the caller cancelled while ureq waited.
fn unless_cancelled(limits: &Limits<'_>, failure: Failure) -> Failure {
    match limits.check() {
        Err(Failure::Cancelled) => Failure::Cancelled,
        _ => failure,
    }
}

fn body_follows(length: Option<u64>) -> bool {
    length.is_some_and(|length| length > 0)
}

/// Builds the request with all its headers, including the length.
fn build(
    origin: &Origin,
    request: &Request<'_>,
    length: Option<u64>,
) -> Result<http::Request<()>, Failure> {
    let refused = |text: &dyn std::fmt::Display| Failure::InvalidRequest(text.to_string());
    let whole = uri::Builder::new()
        .scheme(origin.scheme.as_str())
        .authority(origin.authority())
        .path_and_query(request.target)
        .build()
        .map_err(|error| refused(&error))?;
    if whole.path_and_query().is_none_or(|sent| sent.as_str() != request.target) {
        return Err(refused(&"the target contains a character that cannot be sent"));
    }
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| refused(&error))?;
    let mut built = http::Request::new(());
    *built.method_mut() = method;
    *built.uri_mut() = whole;
    for (name, value) in request.headers {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refused(&format!("the header name {name:?} is not a token")))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            refused(&format!("the value of the header {name} contains a control character"))
        })?;
        if matches!(key, header::CONTENT_LENGTH | header::TRANSFER_ENCODING) {
            return Err(refused(&format!("the header {name} is the transport's own")));
        }
        built.headers_mut().append(key, value);
    }
    if request.expect_continue.is_some() {
        let expected = HeaderValue::from_static("100-continue");
        built.headers_mut().append(header::EXPECT, expected);
    }
    if let Some(length) = length {
        built.headers_mut().append(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(built)
}

/// Returns the phase in which a timeout occurred, if it belongs to one phase.
const fn phase_of(reason: Timeout) -> Option<Phase> {
    match reason {
        Timeout::Resolve | Timeout::Connect => Some(Phase::Connect),
        Timeout::SendRequest | Timeout::SendBody => Some(Phase::Send),
        Timeout::RecvResponse => Some(Phase::Await),
        Timeout::RecvBody => Some(Phase::Body),
        _ => None,
    }
}

/// Returns whether a name lookup failed. The standard library does not have an error kind for that.
fn is_lookup(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.to_string().starts_with("failed to lookup address")
}

/// Classifies an error of a TLS session, which ureq passes on if it is built with rustls.
fn of_session(error: io::Error, phase: Phase) -> TransportError {
    let Some(session) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return TransportError::new(phase, Failure::Io(error));
    };
    let problem = match session {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            TlsProblem::PlainServer
        }
        session => TlsProblem::of(session),
    };
    let phase = match session {
        // Detected before this side of the session has sent any application data.
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::PeerIncompatible(_) => Phase::Connect,
        _ if problem == TlsProblem::PlainServer => Phase::Connect,
        _ => phase,
    };
    TransportError::new(phase, Failure::Tls(problem, Box::new(error)))
}

/// Parses the status from "proxy server responded 407/407".
fn tunnel_status(text: &str) -> Option<u16> {
    let (_, status) = text.rsplit_once('/')?;
    status.parse().ok()
}
