//! An observer that writes to the `log` crate.
use super::event::name_of;
use super::{
    Attempt, AttemptRole, CredentialsEvent, Decision, Detail, Download, Event, Observer,
    OperationOutcome,
};
use crate::text::shown_to;
use std::fmt::Write as _;

/// The target of every record, for filters such as `RUST_LOG=s3driver=debug`.
const TARGET: &str = "s3driver";

/// The longest text of a line that comes from a caller or a server, in characters.
const LONGEST: usize = 1024;

/// An observer that writes to the [`log`] crate, with the target `s3driver`.
///
/// Notices and warnings about credentials are written as warnings, refreshed credentials at the
/// level `info`. The [topics](LogTopic) are written at the level `debug`, each line with the
/// operation, the bucket and the key.
///
/// ```
/// use s3driver::client::{Client, Config, Endpoint, Scheme, Variant};
/// use s3driver::observe::{Log, LogTopic};
/// use std::sync::Arc;
///
/// let endpoint = Endpoint::aws("eu-central-1", Scheme::Https, Variant::default())?;
/// let log = Log::new([LogTopic::Requests, LogTopic::Retries]);
/// let client = Client::new(Config::new(endpoint).observer(Arc::new(log)))?;
/// # drop(client);
/// # Ok::<(), s3driver::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Log {
    topics: Vec<LogTopic>,
}

/// A kind of lines that a [`Log`] writes in addition to notices and warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogTopic {
    /// Every request with its response, and the end of every download.
    Requests,
    /// Every request that is sent again, with the reason and the wait; waits for admission;
    /// redirects.
    Retries,
    /// Every operation that failed.
    Errors,
    /// The canonical request and the string to sign of every request, with tokens and keys
    /// redacted.
    Signing,
    /// The beginning of every body, with the request's secrets redacted. These are the stored data
    /// themselves.
    Bodies,
}

impl Log {
    /// Creates an observer that writes notices, warnings and these topics.
    pub fn new(topics: impl IntoIterator<Item = LogTopic>) -> Self {
        Self { topics: topics.into_iter().collect() }
    }

    fn has(&self, topic: LogTopic) -> bool {
        self.topics.contains(&topic)
    }

    fn attempt(&self, attempt: &Attempt<'_>) {
        if self.has(LogTopic::Requests) {
            log::debug!(target: TARGET, "{}", line_of(attempt));
        }
        let follows = match attempt.decision {
            Decision::Retry { wait } => format!("is tried again in {wait:?}"),
            Decision::Resend => "is sent again at once".to_owned(),
            Decision::Finish | Decision::GiveUp => return,
        };
        if let (true, Some(error)) = (self.has(LogTopic::Retries), attempt.error) {
            log::debug!(
                target: TARGET,
                "{} {follows} after request {}: {error}",
                place(attempt.operation, attempt.bucket, attempt.key),
                attempt.attempt,
            );
        }
    }

    fn outcome(&self, outcome: &OperationOutcome<'_>) {
        if let (true, Some(error)) = (self.has(LogTopic::Errors), outcome.error) {
            log::debug!(
                target: TARGET,
                "{} failed in {:?} after {} requests: {error}",
                place(outcome.operation, outcome.bucket, outcome.key),
                outcome.total,
                outcome.attempts,
            );
        }
    }

    fn download(&self, download: &Download<'_>) {
        if self.has(LogTopic::Requests) {
            log::debug!(
                target: TARGET,
                "{}: {} bytes of the body were read in {:?}, {}",
                place("GetObject", download.bucket, download.key),
                download.bytes_received,
                download.total,
                if download.is_complete { "to its end" } else { "not to its end" },
            );
        }
    }
}

impl Observer for Log {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Attempt(attempt) => self.attempt(attempt),
            Event::Outcome(outcome) => self.outcome(outcome),
            Event::Download(download) => self.download(download),
            Event::Notice(notice) => log::warn!(target: TARGET, "{notice}"),
            Event::Credentials(event) => log_credentials(event),
            Event::Admission(wait) if self.has(LogTopic::Retries) => log::debug!(
                target: TARGET,
                "{} waited {:?} for its turn: {} requests may be in flight",
                place(wait.operation, wait.bucket, wait.key),
                wait.waited,
                wait.allowed,
            ),
            Event::Redirect(redirect) if self.has(LogTopic::Retries) => log::debug!(
                target: TARGET,
                "{} is redirected to {}",
                place(redirect.operation, redirect.bucket, redirect.key),
                redirect.host,
            ),
            Event::Signing(steps) => log::debug!(
                target: TARGET,
                "{} is signed\n---[ canonical request ]---\n{}\n---[ string to sign ]---\n{}\n---",
                place(steps.operation, steps.bucket, steps.key),
                steps.canonical_request,
                steps.string_to_sign,
            ),
            Event::Bodies(bodies) => log::debug!(
                target: TARGET,
                "{}: request body \"{}\", response body \"{}\"",
                place(bodies.operation, bodies.bucket, bodies.key),
                bodies.request.unwrap_or("(from a reader)"),
                bodies.response,
            ),
            Event::Admission(_) | Event::Redirect(_) => {}
        }
    }

    fn wants(&self, detail: Detail) -> bool {
        let topic = match detail {
            Detail::Signing => LogTopic::Signing,
            Detail::Bodies => LogTopic::Bodies,
        };
        self.has(topic) && log::log_enabled!(target: TARGET, log::Level::Debug)
    }
}

fn log_credentials(event: &CredentialsEvent<'_>) {
    match event {
        CredentialsEvent::Refreshed { source, took, .. } => {
            log::info!(target: TARGET, "{source} returned new credentials in {took:?}");
        }
        CredentialsEvent::Failed { source, reason, took } => {
            log::warn!(target: TARGET, "{source} returned no credentials in {took:?}: {reason}");
        }
        CredentialsEvent::Warning(warning) => log::warn!(target: TARGET, "{warning}"),
    }
}

/// Returns the operation, the bucket and the key, on one line.
fn place(operation: &str, bucket: &str, key: &str) -> String {
    match key {
        "" => format!("{operation} {}", shown_to(bucket, LONGEST)),
        key => format!("{operation} {}/{}", shown_to(bucket, LONGEST), shown_to(key, LONGEST)),
    }
}

/// Returns the line of one request.
fn line_of(attempt: &Attempt<'_>) -> String {
    let mut line = place(attempt.operation, attempt.bucket, attempt.key);
    // Writing to a string cannot fail.
    let _ = write!(line, " {} {} #{}", attempt.method, attempt.host, attempt.attempt);
    if attempt.role == AttemptRole::Inquiry {
        line.push_str(" (why?)");
    }
    let _ = match (attempt.status, attempt.error) {
        (Some(status), _) => write!(line, ": {status}"),
        (None, Some(error)) => write!(line, ": {}", name_of(error.kind())),
        (None, None) => Ok(()),
    };
    if let Some(code) = attempt.code() {
        let _ = write!(line, " {}", shown_to(code, LONGEST));
    }
    let _ = write!(line, ", {} bytes out, {} in", attempt.bytes_sent, attempt.bytes_received);
    let _ = write!(line, ", {:?}", attempt.timings.total);
    for (name, id) in [("request id", attempt.request_id), ("host id", attempt.host_id)] {
        if let Some(id) = id {
            let _ = write!(line, ", {name} {}", shown_to(id, LONGEST));
        }
    }
    line
}
