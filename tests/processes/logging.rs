//! Checks the lines that the option `loglevel` writes to the `log` crate, over a real socket. A
//! process has one logger, so each test runs in a separate process.

use crate::planting::assert_hidden;
use crate::support::{Server, ServerOptions, process};
use s3driver::driver::{Parameters, S3Driver, StorageDriver};
use std::sync::{Mutex, MutexGuard, PoisonError};

const TOKEN: &str = "IQoJb3JpZ2luX2VjEPLANTEDtok3n0123456789abcdefABCDEF";
const SECRET: &str = "p1antedS3cretK7MDENGbPxRfiCYEXAMPLEKEYAB";

struct Lines(Mutex<Vec<(log::Level, String)>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Vec<(log::Level, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl log::Log for Lines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "s3driver"
    }
    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.lock().push((record.level(), record.args().to_string()));
        }
    }
    fn flush(&self) {}
}

/// Returns the lines that `work` writes at this `loglevel`, with a log that is open for `filter`.
fn lines_of(
    level: &str,
    filter: log::LevelFilter,
    work: impl FnOnce(&Server, &S3Driver),
) -> Vec<(log::Level, String)> {
    // The first call sets the logger, and later ones find it set.
    let _ = log::set_logger(&LINES);
    log::set_max_level(filter);
    let server = Server::start(ServerOptions {
        secret_key: SECRET.to_owned(),
        session_token: Some(TOKEN.to_owned()),
        ..ServerOptions::default()
    });
    let endpoint = server.endpoint();
    let parameters = Parameters::from_pairs([
        ("accesskey", server.access_key()),
        ("secretkey", SECRET),
        ("sessiontoken", TOKEN),
        ("region", "us-east-1"),
        ("regionendpoint", &endpoint),
        ("bucket", server.bucket()),
        ("loglevel", level),
    ]);
    let driver = S3Driver::new(&parameters.unwrap()).unwrap();
    LINES.lock().clear();
    work(&server, &driver);
    let lines = std::mem::take(&mut *LINES.lock());
    for (_, line) in &lines {
        for secret in [TOKEN, SECRET] {
            assert_hidden(line, secret, level);
        }
        assert!(!line.contains("Signature="), "{line}");
    }
    lines
}

/// Stores, reads and misses a file, and is asked to slow down once.
fn work(server: &Server, driver: &S3Driver) {
    server.fail_next("PutObject", 503, "SlowDown", 1);
    let content = format!("content with \u{1b} and the token {TOKEN}");
    driver.put_content("/file", content.as_bytes()).unwrap();
    assert_eq!(driver.get_content("/file").unwrap(), content.as_bytes());
    driver.get_content("/missing").unwrap_err();
}

fn count(lines: &[(log::Level, String)], part: &str) -> usize {
    lines.iter().filter(|(_, line)| line.contains(part)).count()
}

const REQUEST: &str = " bytes out, ";
const RETRY: &str = "is tried again";
const FAILED: &str = "GetObject registry/missing failed";
const SIGNING: &str = "---[ string to sign ]---\nAWS4-HMAC-SHA256\n";
const BODY: &str = "response body \"";

#[test]
fn each_level_writes_what_it_is_for() {
    process::alone("logging::each_level_writes_what_it_is_for", || {
        for (level, expected) in [
            // Requests, retries, failures, signing steps, bodies: a PutObject of two requests and
            // two GetObjects, of which one has a body that is read afterwards.
            ("off", [0, 0, 0, 0, 0]),
            ("debug", [4, 0, 0, 0, 0]),
            ("debugwitheventstreambody", [4, 0, 0, 0, 0]),
            ("DebugWithRequestRetries", [4, 1, 0, 0, 0]),
            ("debugwithrequesterrors", [4, 0, 1, 0, 0]),
            ("debugwithsigning", [4, 0, 0, 4, 0]),
            ("debugwithhttpbody", [4, 0, 0, 0, 5]),
            ("debugwithhttpbody,debugwithsigning,debugwithrequestretries", [4, 1, 0, 4, 5]),
        ] {
            let lines = lines_of(level, log::LevelFilter::Trace, work);
            let counts = [REQUEST, RETRY, FAILED, SIGNING, BODY].map(|part| count(&lines, part));
            assert_eq!(counts, expected, "{level}: {lines:#?}");
            assert!(lines.iter().all(|(level, _)| *level == log::Level::Debug), "{lines:#?}");
        }
    });
}

#[test]
fn a_line_names_the_request_and_its_response() {
    process::alone("logging::a_line_names_the_request_and_its_response", || {
        let lines = lines_of("debug", log::LevelFilter::Debug, work);
        let texts: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
        assert!(texts[0].starts_with("PutObject registry/file PUT 127.0.0.1:"), "{texts:#?}");
        assert!(texts[0].contains(" #1: 503 SlowDown, "), "{texts:#?}");
        assert!(texts[1].contains(" #2: 200, "), "{texts:#?}");
        assert!(texts.iter().any(|text| text.starts_with("GetObject registry/missing GET ")
            && text.contains(": 404 NoSuchKey, 0 bytes out")));
    });
}

#[test]
fn signing_and_bodies_are_shown_without_secrets() {
    process::alone("logging::signing_and_bodies_are_shown_without_secrets", || {
        let level = "debugwithsigning,debugwithhttpbody";
        let lines = lines_of(level, log::LevelFilter::Debug, work);
        let signed: Vec<_> =
            lines.iter().filter(|(_, line)| line.contains("canonical request")).collect();
        assert!(signed[0].1.contains("\nPUT\n/registry/file\n"), "{signed:#?}");
        assert!(signed[0].1.contains("x-amz-security-token:<redacted>\n"), "{signed:#?}");
        let body = "request body \"content with \\u{1b} and the token <redacted>\"";
        assert_eq!(count(&lines, body), 2, "{lines:#?}");
        let read = "response body \"content with \\u{1b} and the token <redacted>\"";
        assert_eq!(count(&lines, read), 1, "{lines:#?}");
        assert_eq!(count(&lines, "<Code>NoSuchKey</Code>"), 1, "{lines:#?}");
    });
}

#[test]
fn long_bodies_are_cut() {
    process::alone("logging::long_bodies_are_cut", || {
        let lines = lines_of("debugwithhttpbody", log::LevelFilter::Debug, |_, driver| {
            driver.put_content("/file", &b"0123456789".repeat(100_000)).unwrap();
            driver.get_content("/file").unwrap();
        });
        assert_eq!(count(&lines, "0123456789..."), 0, "{lines:#?}");
        assert_eq!(count(&lines, "01234567..."), 2, "2048 characters and the mark of a cut");
        assert!(lines.iter().all(|(_, line)| line.len() < 3000));
    });
}

#[test]
fn a_log_that_is_closed_for_debug_costs_no_details() {
    process::alone("logging::a_log_that_is_closed_for_debug_costs_no_details", || {
        let lines = lines_of("debugwithsigning", log::LevelFilter::Warn, work);
        assert_eq!(lines, []);
    });
}
