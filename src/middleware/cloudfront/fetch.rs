//! Fetching the document of IP ranges.
use crate::error::{Error, Result};
use std::fmt::Debug;

/// A way to fetch a document. Implement this trait to use a different network stack, or none.
pub trait Fetch: Debug + Send + Sync {
    /// Returns the body at `url`, or an error if the body has more than `limit` bytes. The
    /// implementation must bound the duration of the call, which does not have a deadline.
    fn get(&self, url: &str, limit: usize) -> Result<Vec<u8>>;

    /// Ends a running `get` and all later ones. It is called from another thread when the
    /// middleware is dropped, which then waits for `get` to return.
    fn cancel(&self) {}

    /// Receives the error of a failed refresh, which may also be an error in the document. The
    /// default does nothing; [`CloudFront::last_refresh_error`](super::CloudFront) returns it too.
    fn report(&self, error: &Error) {
        let _ = error;
    }
}

#[cfg(feature = "client")]
pub use http::HttpFetch;

#[cfg(feature = "client")]
mod http {
    use super::Fetch;
    use crate::cancel::Cancel;
    use crate::client::Client;
    use crate::error::{Error, ErrorKind, Result};
    use crate::net::host::Scheme;
    use crate::net::url::Url;
    use crate::observe::Notice;
    use crate::transport::{
        ConnectionChoice, Failure, Request, RequestBody, Response, TlsVerification, Transport,
        TransportError, TransportOptions,
    };

    use std::time::{Duration, Instant};

    /// The deadline for the whole fetch. It is generous for two megabytes because only the next
    /// refresh waits for the response.
    const DEADLINE: Duration = Duration::from_secs(30);

    /// The number of redirects that are followed. A document that has moved needs one or two, and
    /// servers that redirect to each other never end.
    const MOST_REDIRECTS: usize = 5;

    /// Fetches over HTTP(S) with this crate's transport: GET requests with verified certificates.
    /// Up to five redirects are followed, but never from `https` to `http`.
    #[derive(Debug)]
    pub struct HttpFetch {
        transport: Transport,
        cancel: Cancel,
        /// The client to whose observers failures are reported.
        client: Option<Client>,
    }

    impl HttpFetch {
        /// Creates a fetcher with the transport's default options: without a proxy.
        ///
        /// # Errors
        /// [`ErrorKind::Configuration`] if the transport cannot be set up.
        pub fn new() -> Result<Self> {
            Self::with_options(TransportOptions::default(), None)
        }

        /// Creates a fetcher with the proxy, the certificate authorities and the timeouts of
        /// `client`. A failed refresh is reported to the client's observers, as
        /// [`Notice::IpRangesUnavailable`].
        ///
        /// Certificates are always verified, and the client's own certificate is not presented,
        /// because the document comes from another server.
        ///
        /// # Errors
        /// [`ErrorKind::Configuration`] if the transport cannot be set up.
        pub fn with_client(client: &Client) -> Result<Self> {
            let options = TransportOptions {
                verification: TlsVerification::Full,
                client_certificate: None,
                ..client.transport_options()
            };
            Self::with_options(options, Some(client.clone()))
        }

        fn with_options(options: TransportOptions, client: Option<Client>) -> Result<Self> {
            let transport =
                Transport::new(options).map_err(|e| Error::new(ErrorKind::Configuration, e.0))?;
            Ok(Self { transport, cancel: Cancel::new(), client })
        }

        fn send(&self, url: &Url, deadline: Instant) -> Result<Response> {
            let (origin, target) = (url.origin(), url.target());
            let request = Request {
                method: "GET",
                target: &target,
                headers: &[
                    ("host", &origin.host_header()),
                    ("accept", "application/json"),
                    ("user-agent", "s3driver"),
                ],
                expect_continue: None,
                silent_work: false,
                deadline: Some(deadline),
                cancel: Some(&self.cancel),
                // A failed request is not repeated before the next refresh, and an idle connection
                // may be closed meanwhile.
                connection: ConnectionChoice::New,
                trace: None,
            };
            self.transport.send(&origin, &request, RequestBody::Empty).map_err(failed)
        }
    }

    impl Fetch for HttpFetch {
        fn get(&self, url: &str, limit: usize) -> Result<Vec<u8>> {
            let mut url = Url::parse(url).map_err(|e| {
                Error::new(ErrorKind::Configuration, format!("the URL of the IP ranges {e}"))
            })?;
            let deadline = Instant::now() + DEADLINE;
            let refused = |text, response: &Response| {
                Error::new(ErrorKind::Refused, text).with_status(response.status)
            };
            let mut response = self.send(&url, deadline)?;
            for _ in 0..MOST_REDIRECTS {
                let (301 | 302 | 303 | 307 | 308) = response.status else { break };
                let location = response.header("location").unwrap_or_default();
                url = redirected(&url, location).ok_or_else(|| {
                    let text = "the server of the IP ranges redirects to a URL that is not \
                                followed: it must be an http(s) URL or a path, and not lead from \
                                https to http";
                    refused(text, &response)
                })?;
                response = self.send(&url, deadline)?;
            }
            if response.status != 200 {
                let text = "the server of the IP ranges did not return status 200";
                return Err(refused(text, &response));
            }
            response.read_to_end(limit, Some(deadline)).map_err(failed)
        }

        fn cancel(&self) {
            self.cancel.cancel();
        }

        fn report(&self, error: &Error) {
            if let Some(client) = &self.client {
                client.notice(&Notice::IpRangesUnavailable { reason: error.to_string() });
            }
        }
    }

    /// Returns the URL to which a response redirects, or `None` if it is not followed.
    fn redirected(from: &Url, location: &str) -> Option<Url> {
        let location = location.split('#').next().unwrap_or_default();
        let scheme = from.scheme.as_str();
        let to = match location {
            _ if location.starts_with("//") => Url::parse(&format!("{scheme}:{location}")),
            _ if location.starts_with('/') => {
                Url::parse(&format!("{scheme}://{}{location}", from.authority()))
            }
            _ => Url::parse(location),
        };
        to.ok().filter(|to| from.scheme != Scheme::Https || to.scheme == Scheme::Https)
    }

    fn failed(error: TransportError) -> Error {
        let kind = match &error.failure {
            Failure::Connect(_) if error.is_timeout() => ErrorKind::Timeout,
            Failure::Connect(_) => ErrorKind::Connect,
            Failure::Tls(..) => ErrorKind::Tls,
            Failure::Timeout => ErrorKind::Timeout,
            Failure::Protocol(_) => ErrorKind::Protocol,
            Failure::Cancelled => ErrorKind::Cancelled,
            _ => ErrorKind::Interrupted,
        };

        Error::new(kind, format!("fetching the IP ranges failed while {error}")).with_source(error)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_redirect_does_not_lead_from_https_to_http() {
            for (from, location, expected) in [
                ("https://a/x", "https://b/y?z#w", Some("https://b/y?z")),
                ("https://a:8443/x", "/y", Some("https://a:8443/y")),
                ("https://a/x", "//b/y", Some("https://b/y")),
                ("http://a/x", "https://b/y", Some("https://b/y")),
                ("http://a/x", "HTTP://b", Some("http://b/")),
                ("https://a/x", "http://a/x", None),
                ("https://a/x", "y", None),
                ("https://a/x", "https://user@b/y", None),
                ("https://a/x", "", None),
            ] {
                let to = redirected(&Url::parse(from).unwrap(), location);
                assert_eq!(to.map(|to| to.to_string()).as_deref(), expected, "{location}");
            }
        }
    }
}
