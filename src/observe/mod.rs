//! Events of a client: every request, every outcome, every fact learned about a server.
//!
//! An [`Observer`] receives [`Event`]s. [`Config::observer`](crate::client::Config::observer) adds
//! one to a client, and [`Context::with_observer`](crate::credentials::Context::with_observer) to a
//! source of credentials that is used alone. Two observers are included: [`Metrics`] counts and
//! renders Prometheus' text format, and `Log`, with the feature `log`, writes to the `log` crate. A
//! closure is an observer as well:
//!
//! ```
//! use s3driver::client::{Client, Config, Endpoint, Scheme, Variant};
//! use s3driver::observe::{Event, Metrics};
//! use std::sync::Arc;
//!
//! let metrics = Arc::new(Metrics::new());
//! let endpoint = Endpoint::aws("eu-central-1", Scheme::Https, Variant::default())?;
//! let failures = |event: &Event<'_>| {
//!     if let Event::Outcome(outcome) = event
//!         && let Some(error) = outcome.error
//!     {
//!         eprintln!("{} failed after {} requests: {error}", outcome.operation, outcome.attempts);
//!     }
//! };
//! let config = Config::new(endpoint).observer(metrics.clone()).observer(Arc::new(failures));
//! let client = Client::new(config)?;
//! // ... use the client, and serve this text to Prometheus:
//! assert!(metrics.render().contains("# TYPE s3driver_requests_total counter"));
//! # drop(client);
//! # Ok::<(), s3driver::Error>(())
//! ```
//!
//! # Events
//!
//! An operation sends one request or more. Each request is an [`Event::Attempt`] when it is known
//! how it ended and what follows; the operation ends with one [`Event::Outcome`]. An object's body
//! is read after its GetObject has ended, so its bytes are reported by an [`Event::Download`] when
//! the reader is finished with the response. [`Event::Notice`] reports a fact that the client
//! learned or corrected; [`Client::notices`](crate::client::Client::notices) returns those of the
//! past.
//!
//! No event contains a secret: no key, token, `Authorization` header or presigned query. Where a
//! server repeats a secret of the request, it is redacted. Bucket, key and the caller's own text
//! are reported as they are.
//!
//! # Cost
//!
//! Without an observer, events cost nothing: no clock is read, and no memory is allocated. An
//! observer is called on the thread that does the work, often while a request counts towards
//! [`Config::max_requests`](crate::client::Config::max_requests), so it should return quickly, and
//! it must not wait for the client that calls it. An observer that panics is called again for
//! the next event; the operation is not affected.

mod event;
#[cfg(feature = "log")]
mod log;
mod metrics;
mod notice;
mod observers;

pub use event::{
    AdmissionWait, Attempt, AttemptRole, Bodies, ConnectionUse, CredentialsEvent, Decision, Detail,
    Download, Event, OperationOutcome, RedirectFollowed, SigningSteps, Timings, Warning,
};
#[cfg(feature = "log")]
pub use log::{Log, LogTopic};
pub use metrics::Metrics;
pub use notice::Notice;
pub(crate) use notice::Notices;
pub(crate) use observers::Observers;

/// A receiver of events. It is called from every thread that uses the client.
pub trait Observer: Send + Sync {
    /// Receives an event. See the [module](self) for what an implementation may do.
    fn event(&self, event: &Event<'_>);

    /// Returns whether events of this kind, which are expensive to make, should be sent to this
    /// observer.
    fn wants(&self, detail: Detail) -> bool {
        let _ = detail;
        false
    }
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}
