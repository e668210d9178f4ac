//! Tests with services that are unavailable or slow for several seconds, and with panics in the
//! caller's code.

use super::server::{Answer, Server, reply};
use super::{context, document, failed, keys, timed};
use s3driver::clock::{Clock, SystemClock};
use s3driver::credentials::{
    Cache, Container, Context, Credentials, Environment, Lease, Metadata, Process, Provider,
    Source, Unavailable,
};
use s3driver::observe::Event;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A metadata service that responds after `pause`.
fn metadata(pause: Duration) -> Server {
    Server::start(move |request| {
        std::thread::sleep(pause);
        match request.target.as_str() {
            "/latest/api/token" => reply(200, "token"),
            "/latest/meta-data/iam/security-credentials/" => reply(200, "role"),
            _ => reply(200, document("A", 3600)),
        }
    })
}

fn metadata_source(server: &Server) -> Metadata {
    Metadata::new(&context(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.url())]))
}

#[test]
fn p15_a_metadata_service_that_responds_in_almost_a_second_works() {
    let server = metadata(Duration::from_millis(850));
    let lease = metadata_source(&server).fetch().unwrap();
    assert_eq!(keys(&lease).0, "A");
    assert_eq!(server.requests().len(), 3);
}

/// A server that refuses requests until `outage` has passed since the first one.
fn recovering(outage: Duration, refusal: impl Fn() -> Answer + Send + Sync + 'static) -> Server {
    let first = std::sync::OnceLock::new();
    Server::start(move |_| {
        if first.get_or_init(Instant::now).elapsed() < outage {
            refusal()
        } else {
            reply(200, document("A", 3600))
        }
    })
}

fn container(server: &Server) -> Container {
    Container::new(&context(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &server.url())]))
}

#[test]
fn p15_an_outage_of_three_seconds_does_not_fail_the_call() {
    let refusals: [fn() -> Answer; 4] =
        [|| reply(503, ""), || reply(429, ""), || reply(500, "<html>"), || Answer::Close];
    for refusal in refusals {
        let server = recovering(Duration::from_millis(3200), refusal);
        let (lease, took) = timed(|| container(&server).fetch().unwrap());
        assert_eq!(keys(&lease).0, "A");
        assert!(took >= Duration::from_secs(3) && server.requests().len() <= 4, "{took:?}");
    }
}

/// A source that fails until the test changes its state.
#[derive(Debug)]
struct Failing(Arc<AtomicU32>);

impl Source for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }
    fn fetch(&self) -> Result<Lease, Unavailable> {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(Unavailable::Failed("planted".to_owned()));
        }
        Ok(Lease { credentials: Some(Credentials::new("A", "s")), expires: None })
    }
}

#[test]
fn p15_without_keys_the_next_round_starts_within_two_seconds() {
    let rounds = Arc::new(AtomicU32::new(6));
    let cache = Cache::new(Failing(Arc::clone(&rounds)), &Context::default());
    let begun = Instant::now();
    while cache.credentials().is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(13),
            "{} rounds were not started",
            rounds.load(Ordering::SeqCst)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        begun.elapsed() > Duration::from_secs(4),
        "the rounds followed each other too quickly: {:?}",
        begun.elapsed()
    );
}

#[derive(Debug)]
struct Panicking;

impl Source for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }
    fn fetch(&self) -> Result<Lease, Unavailable> {
        panic!("planted")
    }
}

/// A source of expired credentials, for which the observer receives a warning.
#[derive(Debug)]
struct Expired;

impl Source for Expired {
    fn name(&self) -> &'static str {
        "expired"
    }
    fn fetch(&self) -> Result<Lease, Unavailable> {
        let expires = Some(SystemTime::now() - Duration::from_secs(1));
        Ok(Lease { credentials: Some(Credentials::new("A", "s")), expires })
    }
}

/// A clock that panics when a random number is requested, which happens when a failure is recorded.
#[derive(Debug)]
struct PanickingClock;

impl Clock for PanickingClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
    fn instant(&self) -> Instant {
        Instant::now()
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        panic!("planted too")
    }
}

#[test]
fn p07_simultaneous_panics_of_source_observer_and_clock_do_not_abort() {
    let observer = || Arc::new(|_: &Event<'_>| panic!("planted"));
    let cancel = s3driver::Cancel::new();
    // The source panics, and the clock panics when that failure is recorded.
    for context in [
        Context::default().with_observer(observer()),
        Context::default().with_observer(observer()).with_clock(Arc::new(PanickingClock)),
    ] {
        let cache = Cache::new(Panicking, &context);
        for _ in 0..3 {
            let (result, took) = timed(|| {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    cache.credentials_until(&cancel)
                }))
            });
            assert!(took < Duration::from_secs(3), "{took:?}");
            assert!(result.is_err() || result.unwrap().is_err());
            let direct =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cache.credentials()));
            assert!(direct.is_err() || direct.unwrap().is_err());
        }
    }
    // If the observer panics, the warning is lost, but not the credentials.
    let cache = Cache::new(Expired, &Context::default().with_observer(observer()));
    assert_eq!(keys(&cache.credentials().unwrap()).0, "A");
}

#[test]
fn p28_an_unlimited_deadline_is_an_hour() {
    let process = Process::new("/bin/false", &context(&[])).with_deadline(Duration::MAX);
    assert!(failed(&process).contains("exit status: 1"));
}

#[cfg(target_os = "linux")]
mod processes {
    use super::*;
    use s3driver::credentials::{SharedFiles, WebIdentity};
    use std::path::Path;

    const KEYS: &str = r#"echo "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}""#;

    /// Counts the processes whose command line contains `mark`.
    fn running(mark: &str) -> usize {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines.filter(|line| String::from_utf8_lossy(line).replace('\0', " ").contains(mark)).count()
    }

    fn wait_until_none(mark: &str) {
        let begun = Instant::now();
        while running(mark) > 0 {
            assert!(begun.elapsed() < Duration::from_secs(5), "{mark} is still running");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn reader_threads() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks
            .filter(|task| {
                std::fs::read_to_string(task.path().join("comm"))
                    .is_ok_and(|n| n.trim() == "s3driver-proces")
            })
            .count()
    }

    #[test]
    fn p27_processes_left_by_a_credential_process_are_ended() {
        for (number, script) in [
            // A child process keeps the output open before or after the credentials are written.
            format!("sleep 7101 & {KEYS}"),
            format!("{KEYS}; sleep 7102 & exit 0"),
            // A child process does not keep the output open.
            format!("sleep 7103 >/dev/null & {KEYS}"),
            // A grandchild process keeps the output open.
            format!("sh -c \"sleep 7104 & sleep 7104\" & {KEYS}"),
        ]
        .into_iter()
        .enumerate()
        {
            let process = Process::new(format!("/bin/sh -c '{script}'"), &context(&[]));
            for _ in 0..2 {
                let (lease, took) = timed(|| process.fetch());
                assert_eq!(keys(&lease.unwrap_or_else(|e| panic!("{script}: {e}"))).0, "A");
                assert!(took < Duration::from_secs(5), "{took:?}");
            }
            wait_until_none(&format!("sleep 710{}", number + 1));
        }
        let process = Process::new("/bin/sh -c 'sleep 7105 & sleep 7105'", &context(&[]));
        assert!(
            failed(&process.with_deadline(Duration::from_millis(300)))
                .contains("did not end within")
        );
        wait_until_none("sleep 7105");
        let begun = Instant::now();
        while reader_threads() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(5), "reader threads are still running");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn p27_a_named_pipe_in_place_of_a_file_is_an_error_at_once() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        let pipe = |path: &Path| {
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        };
        let credentials = home.path().join(".aws/credentials");
        pipe(&credentials);
        let variables = [("HOME", home.path().to_str().unwrap())];
        let environment = Environment::from_pairs(variables);
        let context = Context::default().with_environment(environment);
        let (reason, took) = timed(|| failed(&SharedFiles::new(&context)));
        assert!(reason.contains("not a regular file") && took < Duration::from_secs(1), "{reason}");
        let token = home.path().join("token");
        pipe(&token);
        let role = s3driver::credentials::Role::new("arn:aws:iam::1:role/r");
        let (reason, took) = timed(|| failed(&WebIdentity::with_role(&context, role, &token)));
        assert!(reason.contains("not a regular file") && took < Duration::from_secs(1), "{reason}");
    }
}
