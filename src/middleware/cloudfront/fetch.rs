//! Fetching the document of IP ranges.
use crate::error::Result;
use std::fmt::Debug;

/// A way to fetch a document. Implement this trait to use a different network stack, or none.
pub trait Fetch: Debug + Send + Sync {
    /// Returns the body at `url`, or an error if the body has more than `limit` bytes. The
    /// implementation must bound the duration of the call, which does not have a deadline.
    fn get(&self, url: &str, limit: usize) -> Result<Vec<u8>>;

    /// Ends a running `get` and all later ones. It is called from another thread when the
    /// middleware is dropped, which then waits for `get` to return.
    fn cancel(&self) {}
}

#[cfg(feature = "client")]
pub use http::HttpFetch;

#[cfg(feature = "client")]
mod http {
    use super::Fetch;
    use crate::cancel::Cancel;
    use crate::error::{Error, ErrorKind, Result};
    use crate::net::url::Url;
    use crate::transport::{
        ConnectionChoice, Failure, Request, RequestBody, Transport, TransportError,
        TransportOptions,
    };

    use std::time::{Duration, Instant};

    /// The deadline for the whole fetch. It is generous for two megabytes because only the next
    /// refresh waits for the response.
    const DEADLINE: Duration = Duration::from_secs(30);

    /// Fetches over HTTP(S) with this crate's transport: one GET request, with verified
    /// certificates and without redirects.
    #[derive(Debug)]
    pub struct HttpFetch {
        transport: Transport,
        cancel: Cancel,
    }

    impl HttpFetch {
        /// Creates a fetcher with the transport's default options.
        ///
        /// # Errors
        /// [`ErrorKind::Configuration`] if the transport cannot be set up.
        pub fn new() -> Result<Self> {
            let transport = Transport::new(TransportOptions::default())
                .map_err(|e| Error::new(ErrorKind::Configuration, e.0))?;
            Ok(Self { transport, cancel: Cancel::new() })
        }
    }

    impl Fetch for HttpFetch {
        fn get(&self, url: &str, limit: usize) -> Result<Vec<u8>> {
            let url = Url::parse(url).map_err(|e| {
                Error::new(ErrorKind::Configuration, format!("the URL of the IP ranges {e}"))
            })?;

            let (origin, target) = (url.origin(), url.target());
            let deadline = Some(Instant::now() + DEADLINE);
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
                deadline,
                cancel: Some(&self.cancel),
                connection: ConnectionChoice::IdleOrNew,
                trace: None,
            };

            let response =
                self.transport.send(&origin, &request, RequestBody::Empty).map_err(failed)?;
            if response.status != 200 {
                return Err(Error::new(
                    ErrorKind::Refused,
                    "the server of the IP ranges did not return status 200",
                )
                .with_status(response.status));
            }

            response.read_to_end(limit, deadline).map_err(failed)
        }

        fn cancel(&self) {
            self.cancel.cancel();
        }
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
}
