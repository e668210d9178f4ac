//! Counters and histograms, rendered in Prometheus' text format.
mod family;
#[cfg(test)]
mod tests;

use super::event::name_of;
use super::{
    Attempt, ConnectionUse, CredentialsEvent, Decision, Download, Event, Observer,
    OperationOutcome, Timings,
};
use crate::sync;
use family::{Family, Labels, Series};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

/// An observer that counts. [`Metrics::render`] returns the figures in
/// [Prometheus' text format](https://prometheus.io/docs/instrumenting/exposition_formats/).
///
/// The labels are the operation, the method, the class of the status, the kind of an error and the
/// like: names from fixed lists, so the number of series is bounded. No bucket, key or host is a
/// label. `docs/observability.md` lists the metrics.
#[derive(Default)]
pub struct Metrics {
    series: Mutex<Series>,
}

impl Metrics {
    /// Creates an observer whose counters are zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all figures as text, of the content type `text/plain; version=0.0.4`.
    pub fn render(&self) -> String {
        // Rendering takes longer than counting, which waits meanwhile.
        let series = sync::lock(&self.series).clone();
        series.render()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Observer for Metrics {
    fn event(&self, event: &Event<'_>) {
        let mut series = sync::lock(&self.series);
        match event {
            Event::Attempt(attempt) => count_attempt(&mut series, attempt),
            Event::Outcome(outcome) => count_outcome(&mut series, outcome),
            Event::Download(download) => count_download(&mut series, download),
            Event::Admission(wait) => {
                series.observe(Family::AdmissionSeconds, String::new(), wait.waited);
            }
            Event::Redirect(_) => series.count(Family::Redirects, String::new(), 1),
            Event::Credentials(event) => count_credentials(&mut series, event),
            Event::Notice(notice) => {
                series.count(Family::Notices, Labels::new("notice", notice.name()).into_text(), 1);
            }
            Event::Signing(_) | Event::Bodies(_) => {}
        }
    }
}

fn count_attempt(series: &mut Series, attempt: &Attempt<'_>) {
    let operation = || Labels::new("operation", attempt.operation);
    let labels =
        operation().with("method", attempt.method).with("status", class_of(attempt.status));
    series.count(Family::Requests, labels.into_text(), 1);
    if let Some(error) = attempt.error {
        let labels = operation().with("kind", &name_of(error.kind()));
        series.count(Family::RequestErrors, labels.into_text(), 1);
    }
    let decision = match attempt.decision {
        Decision::Retry { wait } => {
            series.observe(Family::RetryWaitSeconds, String::new(), wait);
            Some("retry")
        }
        Decision::Resend => Some("resend"),
        Decision::Finish | Decision::GiveUp => None,
    };
    if let Some(decision) = decision {
        series.count(Family::Retries, operation().with("decision", decision).into_text(), 1);
    }
    if let Some(connection) = attempt.connection {
        let state = match connection {
            ConnectionUse::New => "new",
            ConnectionUse::Reused => "reused",
        };
        series.count(Family::Connections, Labels::new("state", state).into_text(), 1);
    }
    series.count(Family::SentBytes, operation().into_text(), attempt.bytes_sent);
    series.count(Family::ReceivedBytes, operation().into_text(), attempt.bytes_received);
    let Timings { connect, tls, first_byte, total } = attempt.timings;
    series.observe(Family::RequestSeconds, operation().into_text(), total);
    let mut maybe = |family, labels: String, time: Option<Duration>| {
        if let Some(time) = time {
            series.observe(family, labels, time);
        }
    };
    maybe(Family::FirstByteSeconds, operation().into_text(), first_byte);
    maybe(Family::ConnectSeconds, String::new(), connect);
    maybe(Family::TlsSeconds, String::new(), tls);
}

fn count_outcome(series: &mut Series, outcome: &OperationOutcome<'_>) {
    let operation = || Labels::new("operation", outcome.operation);
    let result = outcome.error.map_or_else(|| "ok".to_owned(), |error| name_of(error.kind()));
    series.count(Family::Operations, operation().with("result", &result).into_text(), 1);
    series.observe(Family::OperationSeconds, operation().into_text(), outcome.total);
}

fn count_download(series: &mut Series, download: &Download<'_>) {
    let operation = || Labels::new("operation", "GetObject");
    let new = download.bytes_received.saturating_sub(download.bytes_reported);
    series.count(Family::ReceivedBytes, operation().into_text(), new);
    let end = if download.is_complete { "complete" } else { "incomplete" };
    series.count(Family::Downloads, Labels::new("end", end).into_text(), 1);
}

fn count_credentials(series: &mut Series, event: &CredentialsEvent<'_>) {
    let result = match event {
        CredentialsEvent::Refreshed { .. } => "ok",
        CredentialsEvent::Failed { .. } => "failed",
        CredentialsEvent::Warning(_) => return,
    };
    series.count(Family::CredentialRefreshes, Labels::new("result", result).into_text(), 1);
}

/// Returns the class of a status: `2xx`.
const fn class_of(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(200..300) => "2xx",
        Some(300..400) => "3xx",
        Some(400..500) => "4xx",
        Some(500..600) => "5xx",
        Some(_) => "other",
    }
}
