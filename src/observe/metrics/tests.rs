use super::super::{AttemptRole, Notice};
use super::*;
use crate::error::{Error, ErrorKind};
use std::collections::{BTreeMap, BTreeSet};

fn attempt(error: Option<&Error>, status: u16) -> Attempt<'_> {
    Attempt {
        operation: "PutObject",
        bucket: "bucket-of-a-label",
        key: "key-of-a-label",
        attempt: 1,
        role: AttemptRole::Operation,
        method: "PUT",
        host: "host-of-a-label",
        status: Some(status),
        request_id: None,
        host_id: None,
        error,
        connection: Some(ConnectionUse::New),
        bytes_sent: 1000,
        bytes_received: 7,
        timings: Timings {
            connect: Some(Duration::from_micros(300)),
            tls: None,
            first_byte: Some(Duration::from_millis(40)),
            total: Duration::from_millis(50),
        },
        decision: if error.is_some() {
            Decision::Retry { wait: Duration::from_millis(200) }
        } else {
            Decision::Finish
        },
    }
}

/// Splits a sample into its name, its labels and its value, and checks each by the rules of the
/// format.
fn parse_sample(line: &str) -> (&str, BTreeMap<&str, &str>, f64) {
    let (sample, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = match sample.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').expect("a closing brace")),
        None => (sample, ""),
    };
    assert!(name.starts_with("s3driver_"), "{line}");
    assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'3'), "{line}");
    let pair = |pair| {
        let (label, value): (&str, &str) = str::split_once(pair, '=').expect("a label");
        assert!(label.bytes().all(|b| b.is_ascii_lowercase()), "{line}");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.expect("quotes");
        assert!(!value.contains(['"', '\\', '\n']) && !value.is_empty(), "{line}");
        (label, value)
    };
    let labels = labels.split(',').filter(|text| !text.is_empty()).map(pair).collect();
    (name, labels, value.parse().expect("a number"))
}

/// Checks a text by the rules of Prometheus' text format, and returns its samples, each with its
/// labels sorted.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let (mut family, mut kind) = ("", "");
    let (mut families, mut samples) = (BTreeSet::new(), BTreeMap::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').expect("a help text").0;
            assert!(families.insert(family), "{family} is described twice");
            let description = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let (named, is) = description.and_then(|text| text.split_once(' ')).expect("a type");
            assert_eq!(named, family);
            kind = is;
            continue;
        }
        let (name, labels, value) = parse_sample(line);
        let suffix = name.strip_prefix(family).expect("samples stand below their family");
        match kind {
            "counter" => assert!(suffix.is_empty() && family.ends_with("_total"), "{line}"),
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
            _ => panic!("{family} has the type {kind}"),
        }
        assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{line}");
        assert!(
            samples.insert(format!("{name}{labels:?}"), value).is_none(),
            "{line} stands twice"
        );
    }
    assert_eq!(families.len(), Family::ALL.len());
    samples
}

fn value(samples: &BTreeMap<String, f64>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: BTreeMap<_, _> = labels.iter().copied().collect();
    let sample = format!("{name}{labels:?}");
    *samples.get(&sample).unwrap_or_else(|| panic!("no {sample} in {samples:#?}"))
}

#[test]
fn a_text_without_events_describes_every_family() {
    assert!(parse(&Metrics::new().render()).is_empty());
}

#[test]
fn events_are_counted_and_the_text_follows_the_format() {
    let metrics = Metrics::new();
    let error = Error::new(ErrorKind::NoSuchKey, "message-of-a-label").with_status(404);
    metrics.event(&Event::Attempt(&attempt(Some(&error), 404)));
    metrics.event(&Event::Attempt(&attempt(None, 200)));
    metrics.event(&Event::Attempt(&attempt(None, 204)));
    metrics.event(&Event::Notice(&Notice::Clock { ahead: 5 }));
    let download = Download {
        bucket: "bucket-of-a-label",
        key: "key-of-a-label",
        bytes_received: 500,
        bytes_reported: 100,
        total: Duration::ZERO,
        is_complete: true,
    };
    metrics.event(&Event::Download(&download));
    let failed =
        CredentialsEvent::Failed { source: "source", reason: "reason", took: Duration::ZERO };
    metrics.event(&Event::Credentials(&failed));

    let text = metrics.render();
    assert!(!text.contains("of-a-label"), "{text}");
    let samples = parse(&text);
    let put = ("operation", "PutObject");
    for (status, count) in [("2xx", 2.0), ("4xx", 1.0)] {
        let labels = [put, ("method", "PUT"), ("status", status)];
        assert_eq!(value(&samples, "s3driver_requests_total", &labels), count);
    }
    for (name, labels, expected) in [
        ("s3driver_request_errors_total", &[put, ("kind", "no_such_key")][..], 1.0),
        ("s3driver_sent_bytes_total", &[put], 3000.0),
        ("s3driver_received_bytes_total", &[put], 21.0),
        ("s3driver_received_bytes_total", &[("operation", "GetObject")], 400.0),
        ("s3driver_downloads_total", &[("end", "complete")], 1.0),
        ("s3driver_retries_total", &[put, ("decision", "retry")], 1.0),
        ("s3driver_retry_wait_seconds_sum", &[], 0.2),
        ("s3driver_connection_uses_total", &[("state", "new")], 3.0),
        ("s3driver_credential_refreshes_total", &[("result", "failed")], 1.0),
        ("s3driver_notices_total", &[("notice", "clock")], 1.0),
        ("s3driver_request_seconds_count", &[put], 3.0),
        ("s3driver_connect_seconds_count", &[], 3.0),
    ] {
        assert_eq!(value(&samples, name, labels), expected, "{name} {labels:?}");
    }
    let sum = value(&samples, "s3driver_request_seconds_sum", &[put]);
    assert!((sum - 0.15).abs() < 1e-9, "{sum}");
}

#[test]
fn buckets_are_cumulative_and_their_bounds_belong_to_them() {
    let mut series = Series::default();
    for millis in [0, 1, 2, 50, 51, 120_000, 120_001, u64::MAX] {
        series.observe(Family::AdmissionSeconds, String::new(), Duration::from_millis(millis));
    }
    let text = series.render();
    let samples = parse(&text);
    let bucket =
        |bound| value(&samples, "s3driver_admission_wait_seconds_bucket", &[("le", bound)]);
    let expected =
        [("0.001", 2.0), ("0.002", 3.0), ("0.05", 4.0), ("0.1", 5.0), ("120", 6.0), ("+Inf", 8.0)];
    for (bound, count) in expected {
        assert_eq!(bucket(bound), count, "{bound}");
    }
    assert_eq!(value(&samples, "s3driver_admission_wait_seconds_count", &[]), 8.0);
    let order: Vec<f64> = text
        .lines()
        .filter(|line| line.contains("admission_wait_seconds_bucket"))
        .map(|line| parse_sample(line).2)
        .collect();
    assert!(order.is_sorted() && order.len() == 16, "{order:?}");
}
