//! Tests of credentials over real sockets and files. Every source is tested with a local server
//! that behaves, or misbehaves, like the real one.

mod cache;
mod chain;
mod container;
mod files;
mod metadata;
mod outage;
mod planted;
mod server;
mod sts;

use s3driver::credentials::{Context, Environment, Lease, Source, Unavailable};
use s3driver::observe::{CredentialsEvent, Event, Observer, Warning};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Returns a context with these environment variables only, independent of this machine.
fn context(variables: &[(&str, &str)]) -> Context {
    Context::default().with_environment(Environment::from_pairs(variables.iter().copied()))
}

/// Returns an observer, and the list of warnings that it receives.
fn recording_observer() -> (Arc<dyn Observer>, Arc<Mutex<Vec<Warning>>>) {
    let received = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&received);
    let observer = move |event: &Event<'_>| {
        if let Event::Credentials(CredentialsEvent::Warning(warning)) = event {
            sink.lock().unwrap().push((*warning).clone());
        }
    };
    (Arc::new(observer), received)
}

/// Returns an observer that ignores every event.
fn no_observer() -> Arc<dyn Observer> {
    Arc::new(|_: &Event<'_>| {})
}

/// Returns the access key, secret and token.
fn keys(lease: &Lease) -> (&str, &str, Option<&str>) {
    let keys = lease.credentials.as_ref().expect("credentials");
    (keys.access_key_id(), keys.secret_access_key(), keys.session_token())
}

fn failed(source: &dyn Source) -> String {
    match source.fetch() {
        Err(Unavailable::Failed(reason)) => reason,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn not_configured(source: &dyn Source) -> String {
    match source.fetch() {
        Err(Unavailable::NotConfigured(reason)) => reason,
        other => panic!("expected a source that is not configured, got {other:?}"),
    }
}

/// Returns the time `seconds` from now in ISO 8601 format.
fn iso8601(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    s3driver::time::Timestamp::from_unix(now + seconds).iso8601()
}

/// Returns the response document of the metadata service and the container endpoints.
fn document(id: &str, lifetime: i64) -> String {
    format!(
        r#"{{"Code":"Success","LastUpdated":"{}","Type":"AWS-HMAC","AccessKeyId":"{id}","SecretAccessKey":"secret-{id}","Token":"token-{id}","Expiration":"{}"}}"#,
        iso8601(-60),
        iso8601(lifetime)
    )
}

/// Returns the result of `work` and how long it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = std::time::Instant::now();
    let value = work();
    (value, begin.elapsed())
}
