//! Small requests to the services that issue keys: without redirects, with bounded responses,
//! deadlines and few retries.

use super::document::{Document, shown};
use super::{Context, Unavailable};
use crate::clock::Clock;
use crate::net::origin::Origin;
use crate::net::url::Url;
use crate::text::{Form, Secrets, shown_value};
use crate::time::Timestamp;
use crate::transport::{
    self, ConnectionChoice, Failure, Phase, RequestBody, TlsVerification, Transport,
    TransportError, TransportOptions,
};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The largest document that is read. Real ones have 1 to 3 KiB.
pub(super) const DOCUMENT_LIMIT: usize = 64 * 1024;

/// The waits between the attempts of a request. A service that restarts or throttles is available
/// again within seconds. Up to a quarter is added to each wait, so that many machines do not retry
/// at the same moment.
const WAITS: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// The time limits for the requests of one source.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    /// The limit for establishing a connection.
    pub(super) connect: Duration,
    /// The limit for one attempt.
    pub(super) attempt: Duration,
    /// The limit for all attempts together.
    pub(super) total: Duration,
}

/// The time limits for AWS's own endpoints: enough for three attempts.
const REMOTE: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    attempt: Duration::from_secs(10),
    total: Duration::from_secs(25),
};

/// The HTTP client of one source. The transport is created when it is first needed.
pub(super) struct Http {
    options: TransportOptions,
    timeouts: Timeouts,
    clock: Arc<dyn Clock>,
    transport: OnceLock<Transport>,
}

impl Http {
    /// Creates a client for endpoints on this machine or next to it. It never uses a proxy, which
    /// would see the keys.
    pub(super) fn local(context: &Context, timeouts: Timeouts) -> Self {
        Self::new(context, context.transport().clone().without_proxy(), timeouts)
    }

    /// Creates a client for AWS's own endpoints, with the proxy and certificates of the S3 client.
    pub(super) fn remote(context: &Context) -> Self {
        let options = context.transport().clone();
        let proxy = options.proxy.without_readers();
        Self::new(context, TransportOptions { proxy, ..options }, REMOTE)
    }

    fn new(context: &Context, options: TransportOptions, timeouts: Timeouts) -> Self {
        let options = TransportOptions {
            connect_timeout: timeouts.connect,
            // A refresh happens only every few hours, so connections are not kept.
            idle_connections: 0,
            // A client may skip the verification of its own endpoint's certificate, but a service
            // that issues keys must always prove its identity.
            verification: TlsVerification::Full,
            ..options
        };
        Self { options, timeouts, clock: Arc::clone(context.clock()), transport: OnceLock::new() }
    }

    /// Returns the deadline of a refresh that begins now.
    pub(super) fn deadline(&self) -> Instant {
        self.clock.instant() + self.timeouts.total
    }

    /// Sends `call`, with retries, until a response has status 200, and returns the result of
    /// `read`. `describe` describes any other response, usually with [`Response::attempt`].
    pub(super) fn fetch<T>(
        &self,
        call: &Call<'_>,
        read: impl Fn(&[u8]) -> Result<T, String>,
        mut describe: impl FnMut(&Response) -> Attempt<String>,
    ) -> Result<T, Unavailable> {
        let deadline = self.deadline();
        self.with_retries(deadline, || self.fetch_once(call, deadline, &read, &mut describe))
    }

    /// Makes one attempt of [`Http::fetch`], for requests that differ from one attempt to the next.
    pub(super) fn fetch_once<T>(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        read: impl Fn(&[u8]) -> Result<T, String>,
        mut describe: impl FnMut(&Response) -> Attempt<String>,
    ) -> Result<T, Attempt<Unavailable>> {
        let attempt = match self.send(call, deadline) {
            Ok(Response { status: 200, body, .. }) => match read(&body) {
                Ok(value) => return Ok(value),
                Err(reason) => Attempt::Stop(format!("returned no usable keys: {reason}")),
            },
            Ok(response) => describe(&response),
            Err(fault) => fault.attempt(),
        };

        let secrets = call.secrets();
        Err(attempt.map(|text| {
            Unavailable::Failed(format!("{} {}", call.endpoint, secrets.redact(&text)))
        }))
    }

    /// Makes one attempt more than there are [`WAITS`]. No attempt begins after `deadline`.
    pub(super) fn with_retries<T, R>(
        &self,
        deadline: Instant,
        mut attempt: impl FnMut() -> Result<T, Attempt<R>>,
    ) -> Result<T, R> {
        let mut waits = WAITS.into_iter();
        loop {
            let reason = match attempt() {
                Ok(value) => return Ok(value),
                Err(Attempt::Stop(reason)) => return Err(reason),
                Err(Attempt::Again(reason)) => reason,
            };
            let Some(wait) = waits.next() else { return Err(reason) };
            let wait = wait + self.clock.jitter(wait / 4);
            if self.clock.instant() + wait >= deadline {
                return Err(reason);
            }
            self.clock.sleep(wait);
        }
    }

    /// Sends one request and reads the response. Both end at `deadline` or when the time of an
    /// attempt is over.
    pub(super) fn send(&self, call: &Call<'_>, deadline: Instant) -> Result<Response, Fault> {
        let deadline = Some(deadline.min(self.clock.instant() + self.timeouts.attempt));
        let host = call.endpoint.origin.host_header();
        let headers: Vec<_> =
            [("host", host.as_str())].into_iter().chain(call.headers.iter().copied()).collect();
        let request = transport::Request {
            method: call.method,
            target: call.target,
            headers: &headers,
            expect_continue: None,
            silent_work: false,
            deadline,
            cancel: None,
            connection: ConnectionChoice::IdleOrNew,
            trace: None,
        };

        let body =
            if call.body.is_empty() { RequestBody::Empty } else { RequestBody::Bytes(call.body) };
        let response = self.transport()?.send(&call.endpoint.origin, &request, body)?;
        let status = response.status;
        let date = response.header("date").and_then(Timestamp::parse_http_date);
        let body = Zeroizing::new(response.read_to_end(DOCUMENT_LIMIT, deadline)?);
        Ok(Response { status, date, body })
    }

    fn transport(&self) -> Result<&Transport, Fault> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        let transport =
            Transport::new(self.options.clone()).map_err(|error| Fault::Final(error.0))?;
        Ok(self.transport.get_or_init(|| transport))
    }
}

/// Shows no fields, because the URL of a proxy may contain a password.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// One request to an endpoint.
pub(super) struct Call<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) method: &'a str,
    /// The path and the query.
    pub(super) target: &'a str,
    /// The headers, except `host`.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

impl Call<'_> {
    /// Returns the texts that no error about this request may show: the values of its headers,
    /// which may be tokens or signatures.
    fn secrets(&self) -> Secrets {
        let values =
            self.headers.iter().filter(|(name, _)| !matches!(*name, "accept" | "content-type"));
        values.fold(Secrets::new(), |secrets, (_, value)| secrets.with(value))
    }
}

/// A complete response.
pub(super) struct Response {
    pub(super) status: u16,
    /// The time of the server's clock.
    pub(super) date: Option<Timestamp>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// Decides by the status whether another attempt may help.
    pub(super) fn attempt(&self, text: String) -> Attempt<String> {
        match self.status {
            429 | 500.. => Attempt::Again(text),
            _ => Attempt::Stop(text),
        }
    }

    /// Describes a refusal, such as `returned 403 (AccessDenied: not this task)`. Code and message
    /// may be empty.
    pub(super) fn summary(&self, code: &str, message: &str) -> String {
        match (self.status, code, message) {
            (status @ 300..400, ..) => format!("returned {status}, and redirects are not followed"),
            (status, "", "") => format!("returned {status}"),
            (status, only, "") | (status, "", only) => {
                format!("returned {status} ({})", shown(only))
            }
            (status, code, message) => {
                format!("returned {status} ({}: {})", shown(code), shown(message))
            }
        }
    }

    /// Describes a refusal by the `code` and the `message` of its JSON document.
    pub(super) fn json_summary(&self) -> String {
        let document = Document::parse(&self.body).ok();
        let text =
            |name| document.as_ref().and_then(|document| document.text(name)).unwrap_or_default();
        self.summary(text("code"), text("message"))
    }
}

/// The reason why there is no response.
#[derive(Debug)]
pub(super) enum Fault {
    /// No connection could be established.
    Unreachable(String),
    /// A connection was established, but no response arrived before the deadline.
    Silent,
    /// The connection broke, or the response stalled in its body.
    Broken(String),
    /// A failure that another attempt would not change.
    Final(String),
}

impl Fault {
    pub(super) fn attempt(self) -> Attempt<String> {
        match self {
            Self::Silent => Attempt::Again("failed: no response in time".to_owned()),
            Self::Unreachable(reason) | Self::Broken(reason) => {
                Attempt::Again(format!("failed: {reason}"))
            }
            Self::Final(reason) => Attempt::Stop(format!("failed: {reason}")),
        }
    }
}

impl From<TransportError> for Fault {
    fn from(error: TransportError) -> Self {
        match (error.phase, &error.failure) {
            (_, Failure::Protocol(_) | Failure::InvalidRequest(_)) => {
                Self::Final(error.to_string())
            }
            _ if error.is_permanent() => Self::Final(error.to_string()),
            (Phase::Connect, _) => Self::Unreachable(error.to_string()),
            // In a body, the service has begun to respond: it exists.
            (Phase::Send | Phase::Await, Failure::Timeout) => Self::Silent,
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// The reason why an attempt failed, and whether another one may help.
pub(super) enum Attempt<R> {
    /// Another attempt may help.
    Again(R),
    /// No further attempt helps.
    Stop(R),
}

impl<R> Attempt<R> {
    pub(super) fn map<T>(self, with: impl FnOnce(R) -> T) -> Attempt<T> {
        match self {
            Self::Again(reason) => Attempt::Again(with(reason)),
            Self::Stop(reason) => Attempt::Stop(with(reason)),
        }
    }
}

/// A parsed URL: `http` or `https`, a host, an optional port, and the path and the query as they
/// are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) origin: Origin,
    /// The path and the query. Begins with `/`.
    pub(super) target: String,
}

impl Endpoint {
    /// Parses `http://host[:port][/path][?query]`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let parsed = Url::parse(url).map_err(|why| {
            format!("`{}` is not a usable URL: it {why}", shown_value(url, Form::Url))
        })?;
        Ok(Self { origin: parsed.origin(), target: parsed.target() })
    }

    /// Appends `path` to the endpoint's own path.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.target.trim_end_matches('/'))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.origin.scheme.as_str(), self.origin.host_header())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::forms::{self, Place};
    use crate::net::proxy::Proxy;
    use crate::net::proxy_choice::ProxyChoice;

    #[test]
    fn urls_are_read_strictly() {
        for (url, origin, target) in [
            ("http://169.254.169.254", "http://169.254.169.254", "/"),
            ("HTTP://Example.COM:8080/a/b?c=d", "http://example.com:8080", "/a/b?c=d"),
            ("https://[fd00:ec2::23]/v1/credentials", "https://[fd00:ec2::23]", "/v1/credentials"),
            ("http://[::1]:81?x", "http://[::1]:81", "/?x"),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((&*endpoint.to_string(), &*endpoint.target), (origin, target), "{url}");
        }

        for url in [
            "",
            "example.com",
            "ftp://example.com",
            "http://",
            "http:///path",
            "http://user@example.com/",
            "http://example.com:0/",
            "http://example.com:+1/",
            "http://example.com:/",
            "http://example.com:70000/",
            "http://[::1",
            "http://[localhost]/",
            "http://[::1]x/",
            "http://a b/",
            "http://a/\r\nx: y",
            "http://a/#f",
            "http://::1/",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_shared_table_of_url_forms_is_respected() {
        for (text, accepted, why) in forms::URLS {
            assert_eq!(
                Endpoint::parse(text).is_ok(),
                accepted.contains(&Place::Credentials),
                "{text:?}: {why}"
            );
        }

        let secret = Endpoint::parse("http://user:hunter2@h/").unwrap_err();
        assert!(!secret.contains("hunter2"), "{secret}");
        for (text, kept, why) in forms::AUTHORITIES {
            let endpoint = Endpoint::parse(&format!("http://{text}/a")).ok();
            let kept = kept.map(|kept| format!("http://{kept}"));
            assert_eq!(endpoint.map(|endpoint| endpoint.to_string()), kept, "{text:?}: {why}");
        }
    }

    #[test]
    fn local_endpoints_bypass_the_proxy_and_every_certificate_is_verified() {
        let proxy = Proxy::parse("http://user:hunter2@proxy.example.com:3128").unwrap();
        let options = TransportOptions {
            proxy: ProxyChoice::Always(proxy),
            verification: TlsVerification::Skip,
            ..TransportOptions::default()
        };

        let context = Context::default().with_transport(options);
        let local = Http::local(&context, REMOTE);
        let remote = Http::remote(&context);
        assert_eq!(local.options.proxy, ProxyChoice::Direct);
        assert_ne!(remote.options.proxy, ProxyChoice::Direct);
        for http in [local, remote] {
            assert!(matches!(http.options.verification, TlsVerification::Full));
            assert!(!format!("{http:?}").contains("hunter2"));
        }
    }
}
