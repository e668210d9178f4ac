//! A test for each row of the fault tables, with a matching name. The tests check the outcome, the
//! number of requests, the content of the bucket afterwards, and that no connection remains open.
//! `README.md` in this folder lists the test of each row.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/planted.rs"]
mod planting;
#[path = "../support/mod.rs"]
mod support;

mod addressing;
mod bounded;
mod connection;
mod deleting;
mod driver;
mod foreign;
mod guards;
mod hosts;
mod listing;
mod load;
mod observed;
mod panics;
mod planted;
mod reading;
mod reasons;
mod secrets;
mod server;
mod sessions;
mod status;
mod stored;
mod streaming;
mod writing;

use s3driver::client::{
    Client, Config, Endpoint, GetObject, ObjectSettings, Proxy, RetryPolicy, Scheme, Timeouts,
    UploadRef, Variant,
};
use s3driver::credentials::{Lease, Provider};
use s3driver::sign::Credentials;
use s3driver::{Error, Result};
use server::Faulty;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Server, ServerOptions};

pub(crate) const BUCKET: &str = "registry";

/// A client with short timeouts, the faulty server, and the correct server that it forwards to.
pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) faulty: Faulty,
}

/// The maximum number of attempts of these clients.
pub(crate) const ATTEMPTS: u32 = 4;

pub(crate) fn retry() -> RetryPolicy {
    let base = Duration::from_millis(1);
    RetryPolicy::default().max_attempts(ATTEMPTS).base(base).throttled_base(base)
}

pub(crate) fn timeouts() -> Timeouts {
    Timeouts::default()
        .connect(Duration::from_millis(500))
        .idle(Duration::from_secs(1))
        .stall(Duration::from_secs(120))
        .operation(Duration::from_secs(20))
}

/// Returns bytes that depend on their position: 0 to 250, repeated. They are copied, because
/// without optimization a loop over each byte would take longer than most tests.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..251).collect();
    while bytes.len() < length {
        bytes.extend_from_within(..);
    }
    bytes.truncate(length);
    bytes
}

/// Returns the configuration of a client that sends its requests for `backend` to `url`.
pub(crate) fn config(backend: &Server, url: &str) -> Config {
    let endpoint = Endpoint::custom(url, Some("us-east-1"), Scheme::Http).unwrap();
    let keys = Credentials::new(backend.access_key(), backend.secret_key());
    Config::new(endpoint).static_credentials(keys)
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(ServerOptions { min_part_size: 1, ..ServerOptions::default() }, |config| config)
    }

    pub(crate) fn with(options: ServerOptions, adjust: impl FnOnce(Config) -> Config) -> Self {
        let faulty = Faulty::start(options);
        let config = config(&faulty.backend, &faulty.url()).retry(retry()).timeouts(timeouts());
        let config = support::transport::choose(adjust(config), None);
        Self { client: Client::new(config).unwrap(), faulty }
    }

    /// Stores an object directly, without the client.
    pub(crate) fn store(&self, key: &str, content: &[u8]) {
        self.faulty.backend.put_object(BUCKET, key, content.to_vec());
    }

    pub(crate) fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.faulty.backend.object(BUCKET, key).map(|bytes| bytes.to_vec())
    }

    pub(crate) fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        self.client.put_object(BUCKET, key, content, &ObjectSettings::default()).map(drop)
    }

    pub(crate) fn get(&self, key: &str) -> Result<Vec<u8>> {
        self.client.get_object(BUCKET, key, &GetObject::default())?.read_all(64 << 20)
    }

    pub(crate) fn count(&self, operation: &str) -> usize {
        self.faulty.count(operation)
    }

    pub(crate) fn begin(&self, key: &str) -> String {
        self.client.create_multipart_upload(BUCKET, key, &ObjectSettings::default()).unwrap()
    }

    /// Checks that no upload and no connection is left.
    pub(crate) fn finish(self) {
        assert_eq!(self.faulty.backend.open_uploads(BUCKET), [], "no unfinished upload may remain");
        self.finish_with_uploads();
    }

    pub(crate) fn finish_with_uploads(self) {
        drop(self.client);
        self.faulty.assert_nothing_open();
    }
}

/// Credentials that are renewed when the server reports that they have expired.
#[derive(Debug, Default)]
pub(crate) struct Renewable {
    pub(crate) renewed: AtomicBool,
    pub(crate) refreshes: AtomicU64,
}

impl Provider for Renewable {
    fn credentials(&self) -> Result<Arc<Lease>> {
        let secret =
            if self.renewed.load(Ordering::SeqCst) { "embedded/secret+key" } else { "old" };
        Ok(Arc::new(Lease {
            credentials: Some(Credentials::new("AKIDEMBEDDED", secret)),
            expires: None,
        }))
    }
    fn refresh(&self, _: &Lease) -> Result<bool> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        Ok(!self.renewed.swap(true, Ordering::SeqCst))
    }
}

/// Returns a client for AWS's endpoints whose requests all go to the scripted server, which acts as
/// its proxy.
pub(crate) fn aws(rig: &Rig, region: &str) -> Client {
    let endpoint = Endpoint::aws(region, Scheme::Http, Variant::default()).unwrap();
    let keys = Credentials::new("AKIDEXAMPLE", "secret").with_session_token("token");
    Client::new(
        Config::new(endpoint)
            .static_credentials(keys)
            .proxy(Proxy::parse(&rig.faulty.url()).unwrap())
            .retry(retry())
            .timeouts(timeouts()),
    )
    .unwrap()
}

pub(crate) fn upload<'a>(key: &'a str, upload_id: &'a str) -> UploadRef<'a> {
    UploadRef { bucket: BUCKET, key, upload_id }
}

/// Runs `work`, which must end soon regardless of the server's behaviour.
pub(crate) fn quickly<T>(work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    assert!(begun.elapsed() < Duration::from_secs(20), "the operation took {:?}", begun.elapsed());
    result
}

/// Asserts that neither form of an error contains a key, a token or a signature.
pub(crate) fn assert_no_secret(error: &Error) {
    for text in [format!("{error}"), format!("{error:?}")] {
        for secret in ["embedded/secret+key", "AWS4-HMAC", "Signature="] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// Every test that the tables in `README.md` name exists.
#[test]
fn the_table_names_tests_that_exist() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let read = |path: &str| {
        std::fs::read_to_string(format!("{root}{path}")).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    let mut checked = 0;
    for row in include_str!("README.md").lines().filter(|line| line.starts_with("| ")) {
        let mut file = String::new();
        for token in row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            let name = match token.split_once("::") {
                Some((module, name)) => {
                    file = format!("tests/faults/{module}.rs");
                    name
                }
                None if token.ends_with(".rs") => {
                    let inside = if token.contains('/') { "" } else { "tests/client/credentials/" };
                    file = format!("{inside}{token}");
                    let text = read(&file);
                    assert!(text.contains("#[test]") || text.contains("checks! {"), "{file}");
                    continue;
                }
                None => token.trim_start_matches("..."),
            };
            if !file.is_empty() {
                assert!(
                    read(&file).contains(&format!("{name}(")),
                    "README.md names {name}, which {file} does not contain"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "README.md names only {checked} tests");
}

/// Each row that `agent.txt` excludes exists, and so does the test that shows the reason.
#[test]
fn the_differences_of_an_agent_name_tests_that_exist() {
    let differences = concat!(
        include_str!("../../src/transport/tests/agent.rs"),
        include_str!("../../src/transport/tests/differences.rs"),
    );
    let rows = include_str!("agent.txt").lines().filter(|line| !line.starts_with('#'));
    for row in rows {
        let (test, difference) = row.split_once(" | ").unwrap();
        let (module, name) = test.split_once("::").unwrap();
        let file = format!("{}/tests/faults/{module}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read_to_string(file).unwrap().contains(&format!("fn {name}(")), "{test}");
        assert!(differences.contains(&format!("fn {difference}(")), "{difference}");
    }
}
