//! The families of metrics, and their series.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// The upper bounds of a histogram's buckets, in milliseconds: from a request on the same machine
/// to the longest one that a default client waits for.
const BOUNDS: [u64; 15] =
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 120_000];

/// A family of series: what is counted or measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Requests,
    RequestErrors,
    RequestSeconds,
    FirstByteSeconds,
    ConnectSeconds,
    TlsSeconds,
    Connections,
    SentBytes,
    ReceivedBytes,
    Retries,
    RetryWaitSeconds,
    Operations,
    OperationSeconds,
    Downloads,
    AdmissionSeconds,
    Redirects,
    CredentialRefreshes,
    Notices,
}

impl Family {
    pub(super) const ALL: [Self; 18] = [
        Self::Requests,
        Self::RequestErrors,
        Self::RequestSeconds,
        Self::FirstByteSeconds,
        Self::ConnectSeconds,
        Self::TlsSeconds,
        Self::Connections,
        Self::SentBytes,
        Self::ReceivedBytes,
        Self::Retries,
        Self::RetryWaitSeconds,
        Self::Operations,
        Self::OperationSeconds,
        Self::Downloads,
        Self::AdmissionSeconds,
        Self::Redirects,
        Self::CredentialRefreshes,
        Self::Notices,
    ];

    /// Returns the name and the help text.
    pub(super) const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Requests => ("s3driver_requests_total", "Requests sent to the server."),
            Self::RequestErrors => ("s3driver_request_errors_total", "Requests that failed."),
            Self::RequestSeconds => {
                ("s3driver_request_seconds", "Time of one request, without an object's body.")
            }
            Self::FirstByteSeconds => (
                "s3driver_first_byte_seconds",
                "Time until the head of a response had arrived, including connecting.",
            ),
            Self::ConnectSeconds => (
                "s3driver_connect_seconds",
                "Time of name lookup, TCP and proxy of a new connection.",
            ),
            Self::TlsSeconds => ("s3driver_tls_seconds", "Time of a TLS handshake."),
            Self::Connections => {
                ("s3driver_connection_uses_total", "Requests on a new or a reused connection.")
            }
            Self::SentBytes => ("s3driver_sent_bytes_total", "Bytes of request bodies."),
            Self::ReceivedBytes => ("s3driver_received_bytes_total", "Bytes of response bodies."),
            Self::Retries => {
                ("s3driver_retries_total", "Requests that were followed by a further one.")
            }
            Self::RetryWaitSeconds => {
                ("s3driver_retry_wait_seconds", "Time waited before a retry.")
            }
            Self::Operations => ("s3driver_operations_total", "Operations by their result."),
            Self::OperationSeconds => {
                ("s3driver_operation_seconds", "Time of an operation, including retries and waits.")
            }
            Self::Downloads => {
                ("s3driver_downloads_total", "Responses of GetObject, read to the end or not.")
            }
            Self::AdmissionSeconds => (
                "s3driver_admission_wait_seconds",
                "Time that requests waited because too many others were in flight.",
            ),
            Self::Redirects => ("s3driver_redirects_total", "Temporary redirects followed."),
            Self::CredentialRefreshes => {
                ("s3driver_credential_refreshes_total", "Attempts to refresh credentials.")
            }
            Self::Notices => (
                "s3driver_notices_total",
                "Facts that the client learned about a server or corrected.",
            ),
        }
    }
}

/// The labels of a series. Values are names of this crate, which need no escapes.
pub(super) struct Labels(String);

impl Labels {
    pub(super) fn new(name: &str, value: &str) -> Self {
        Self(format!("{name}=\"{value}\""))
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        // Writing to a string cannot fail.
        let _ = write!(self.0, ",{name}=\"{value}\"");
        self
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

#[derive(Clone, Debug, Default)]
struct Histogram {
    /// How many values each bucket has, without those of the buckets before it.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    /// The values, added up.
    total: Duration,
}

/// The series of all families, by labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    counters: BTreeMap<(Family, String), u64>,
    histograms: BTreeMap<(Family, String), Histogram>,
}

impl Series {
    pub(super) fn count(&mut self, family: Family, labels: String, by: u64) {
        let counter = self.counters.entry((family, labels)).or_default();
        *counter = counter.saturating_add(by);
    }

    pub(super) fn observe(&mut self, family: Family, labels: String, time: Duration) {
        let histogram = self.histograms.entry((family, labels)).or_default();
        let fits = |bound: &u64| time <= Duration::from_millis(*bound);
        if let Some(bucket) =
            BOUNDS.iter().position(fits).and_then(|at| histogram.buckets.get_mut(at))
        {
            *bucket = bucket.saturating_add(1);
        }
        histogram.count = histogram.count.saturating_add(1);
        histogram.total = histogram.total.saturating_add(time);
    }

    /// Renders every family with its description, those without a series as well.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        for family in Family::ALL {
            let (name, help) = family.describe();
            let kind = if name.ends_with("_seconds") { "histogram" } else { "counter" };
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for ((of, labels), value) in &self.counters {
                if *of == family {
                    push(&mut out, name, labels, value);
                }
            }
            for ((of, labels), histogram) in &self.histograms {
                if *of == family {
                    histogram.render(&mut out, name, labels);
                }
            }
        }
        out
    }
}

impl Histogram {
    fn render(&self, out: &mut String, name: &str, labels: &str) {
        let separator = if labels.is_empty() { "" } else { "," };
        let bucket = format!("{name}_bucket");
        let mut below = 0_u64;
        for (bound, count) in BOUNDS.iter().zip(&self.buckets) {
            below = below.saturating_add(*count);
            let bound = Duration::from_millis(*bound).as_secs_f64();
            push(out, &bucket, &format!("{labels}{separator}le=\"{bound}\""), &below);
        }
        push(out, &bucket, &format!("{labels}{separator}le=\"+Inf\""), &self.count);
        push(out, &format!("{name}_sum"), labels, &self.total.as_secs_f64());
        push(out, &format!("{name}_count"), labels, &self.count);
    }
}

fn push(out: &mut String, name: &str, labels: &str, value: &dyn std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = match labels {
        "" => writeln!(out, "{name} {value}"),
        labels => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}
