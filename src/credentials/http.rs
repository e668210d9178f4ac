//! Small requests to the services that hand out keys: no redirects, bounded answers, a deadline each, few retries.

use super::{Context, Unavailable};
use crate::clock::Clock;
use crate::net::origin::Origin;
use crate::net::url::{Url, shown_url};
use crate::transport::{self, Body, Failure, Options, Phase, TlsVerification, Transport, TransportError};
use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The largest document read. Real ones have 1 to 3 KiB.
pub(super) const DOCUMENT_LIMIT: usize = 64 * 1024;

/// How often a request is sent at most.
pub(super) const ATTEMPTS: u32 = 3;

/// The longest wait after the first attempt, and so much longer after each further one; a random part is taken.
const BACKOFF: Duration = Duration::from_millis(100);

/// A connection maker of one source, made when it is first needed.
pub(super) struct Http {
    options: Options,
    transport: OnceLock<Transport>,
}

/// One request to an endpoint.
pub(super) struct Call<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) method: &'a str,
    /// Path and query.
    pub(super) target: &'a str,
    /// Without `host`.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    pub(super) deadline: Instant,
}

/// An answer, read whole.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// No connection.
    Unreachable(String),
    /// A connection, and then nothing until the deadline.
    Silent,
    /// The connection broke before an answer.
    Broken(String),
    /// Nothing that another attempt would change.
    Final(String),
}

impl Http {
    /// For endpoints on this machine or next to it: never through a proxy, which would learn the keys.
    pub(super) fn local(context: &Context, connect_timeout: Duration) -> Self {
        Self::new(Options { proxy: None, ..context.transport().clone() }, connect_timeout)
    }

    /// For AWS's own endpoints, reached as the client's are.
    pub(super) fn remote(context: &Context, connect_timeout: Duration) -> Self {
        Self::new(context.transport().clone(), connect_timeout)
    }

    fn new(options: Options, connect_timeout: Duration) -> Self {
        let options = Options {
            connect_timeout,
            // A refresh comes every few hours: no connection is worth keeping.
            idle_connections: 0,
            // A client may trust its own endpoint without a certificate, but who hands out keys must prove who it is.
            verification: TlsVerification::Full,
            ..options
        };
        Self { options, transport: OnceLock::new() }
    }

    pub(super) fn send(&self, call: &Call<'_>) -> Result<Reply, Fault> {
        let host = call.endpoint.origin.host_header();
        let headers: Vec<_> = [("host", host.as_str())].into_iter().chain(call.headers.iter().copied()).collect();
        let request = transport::Request {
            method: call.method,
            target: call.target,
            headers: &headers,
            expect_continue: None,
            deadline: Some(call.deadline),
            cancel: None,
        };
        let body = if call.body.is_empty() { Body::Empty } else { Body::Bytes(call.body) };
        let response = self.transport()?.send(&call.endpoint.origin, &request, body)?;
        let status = response.status;
        let body = Zeroizing::new(response.read_to_end(DOCUMENT_LIMIT, Some(call.deadline))?);
        Ok(Reply { status, body })
    }

    fn transport(&self) -> Result<&Transport, Fault> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        let transport = Transport::new(self.options.clone()).map_err(|error| Fault::Final(error.0))?;
        Ok(self.transport.get_or_init(|| transport))
    }
}

/// Shows nothing: a proxy's URL may hold a password.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl From<TransportError> for Fault {
    fn from(error: TransportError) -> Self {
        match (error.phase, &error.failure) {
            (Phase::Body, _)
            | (_, Failure::Tls { fatal: true, .. } | Failure::Protocol(_) | Failure::InvalidRequest(_)) => {
                Self::Final(error.to_string())
            }
            (Phase::Connect, _) => Self::Unreachable(error.to_string()),
            (_, Failure::Timeout) => Self::Silent,
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("no answer in time"),
            Self::Unreachable(reason) | Self::Broken(reason) | Self::Final(reason) => f.write_str(reason),
        }
    }
}

/// What an attempt says about the next one.
pub(super) enum Attempt {
    /// Another may help.
    Again(Unavailable),
    /// None will.
    Stop(Unavailable),
}

/// Tries up to [`ATTEMPTS`] times, waiting a random while in between, and not beyond `deadline`.
pub(super) fn with_retries<T>(
    clock: &dyn Clock,
    deadline: Instant,
    mut attempt: impl FnMut() -> Result<T, Attempt>,
) -> Result<T, Unavailable> {
    let mut attempts = 0;
    loop {
        let reason = match attempt() {
            Ok(value) => return Ok(value),
            Err(Attempt::Stop(reason)) => return Err(reason),
            Err(Attempt::Again(reason)) => reason,
        };
        attempts += 1;
        let pause = clock.jitter(BACKOFF * attempts);
        if attempts == ATTEMPTS || clock.instant() + pause >= deadline {
            return Err(reason);
        }
        clock.sleep(pause);
    }
}

/// A parsed URL: `http` or `https`, a host, perhaps a port, and the path and query as they are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) origin: Origin,
    /// Begins with `/`.
    pub(super) target: String,
}

impl Endpoint {
    /// Reads `http://host[:port][/path][?query]`.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let parsed = Url::parse(url).map_err(|why| format!("`{}` is not a usable URL: it {why}", shown_url(url)))?;
        Ok(Self { origin: parsed.origin(), target: parsed.target() })
    }

    /// The target with `path` after the endpoint's own path.
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
    fn the_table_of_forms_holds_here_too() {
        for (text, accepted, why) in forms::URLS {
            assert_eq!(Endpoint::parse(text).is_ok(), accepted.contains(&Place::Credentials), "{text:?}: {why}");
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
    fn local_endpoints_see_no_proxy_and_nobody_goes_unverified() {
        let options = Options {
            proxy: Some(Proxy::parse("http://user:hunter2@proxy.example.com:3128").unwrap()),
            verification: TlsVerification::Skip,
            ..Options::default()
        };
        let context = Context::default().with_transport(options);
        let local = Http::local(&context, BACKOFF);
        let remote = Http::remote(&context, BACKOFF);
        assert_eq!(local.options.proxy, None);
        assert!(remote.options.proxy.is_some());
        for http in [local, remote] {
            assert!(matches!(http.options.verification, TlsVerification::Full));
            assert!(!format!("{http:?}").contains("hunter2"));
        }
    }
}
