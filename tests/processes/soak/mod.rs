//! Tests mixed operations on 16 threads, with a fault in one of five requests. At the end the
//! bucket contains exactly what the threads expect, byte for byte; no upload and no thread is left,
//! and memory has not grown.
//!
//! Every thread uses its own keys, through the client ([`client`]) and through the driver
//! ([`driver`]), and records the expected content in a model. An operation that ends with an error
//! may or may not have changed each of its keys, and nothing else; the error must be one that the
//! faults can cause ([`worker::Worker::allowed`]).
//!
//! Memory is the resident set of the whole process, including the embedded server, its objects and
//! the faulty server, sampled four times a second: the mean of the last third of the time is
//! compared with the mean of the second third. The test runs in a separate process whose allocator
//! returns free memory, so that resident memory is memory in use.
//!
//! It takes 15 seconds, or `S3DRIVER_SOAK_SECONDS`. `cargo test --test processes soak:: --
//! --nocapture` prints the figures.

mod client;
mod driver;
mod worker;

use crate::server::{End, Fault, Faulty, Seen, error_document};
use crate::support::{ServerOptions, process};
use s3driver::Result;
use s3driver::client::{Addressing, Client, Config, Endpoint, RetryPolicy, Scheme, Timeouts};
use s3driver::driver::{Parameters, S3Driver, StorageDriver};
use s3driver::sign::Credentials;
use s3driver::transfer::Transfer;
use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use worker::{ANY_KEY, BUCKET, Figures, Worker, mix};

const THREADS: u64 = 16;
/// How long the clients wait for a silent server.
const SILENCE: Duration = Duration::from_secs(2);
/// The `User-Agent` of the driver's requests.
const DRIVER: &str = "soak-driver";
/// How much the mean of the resident memory may grow: the variation of the files, and some margin.
const GROWTH: u64 = 16 << 20;
/// The GNU allocator keeps up to 16 pools, each at its maximum size. With one pool, and with pages
/// returned from 128 KiB on, memory that is not in use is not counted. Other allocators ignore
/// these variables.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// Returns one of many kinds of fault, for one request in five.
fn fault(seen: &Seen, number: u64) -> Option<Fault> {
    let dice = mix(number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    if !dice.is_multiple_of(5) {
        return None;
    }
    let kind = (dice >> 8) % 64;
    // The driver waits up to a minute for a silent server, as its users expect; here this would
    // take most of the time.
    let waits = seen.header("user-agent").is_some_and(|agent| agent.contains(DRIVER));
    // Only a checksum could reveal a wrong body with a success status, and this test uses none.
    let reads = matches!(seen.operation, "GetObject" | "HeadObject");
    Some(match kind {
        0 | 1 if waits => Fault::silent(End::Close),
        0 => Fault::silent(End::Hang),
        1 => Fault::silent(End::Hang).after_commit(),
        2..8 => Fault::silent(End::Reset),
        8..14 => Fault::silent(End::Close),
        14..20 => Fault::silent(End::Reset).after_commit(),
        20..26 => Fault::silent(End::Close).after_commit(),
        26..32 => Fault::silent(End::Close).mid_upload(1000),
        32..38 => Fault::error(503, "SlowDown"),
        38..42 => Fault::error(500, "InternalError").after_commit(),
        42..46 => Fault::reply(502, "<html>Bad Gateway</html>"),
        // The response to a HEAD has no code that could distinguish this 400 from a refusal.
        46..50 if seen.operation == "HeadObject" => Fault::error(500, "InternalError"),
        46..50 => Fault::error(400, "RequestTimeout"),
        50..54 => {
            Fault::raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-length: 8\r\n\r\n12345678")
        }
        // The following faults begin as a success.
        54..60 => Fault::cut(700, End::Close),
        _ if reads => Fault::silent(End::Close),
        _ => Fault::reply(200, error_document("InternalError")),
    })
}

fn count_threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Returns the resident memory in bytes, or 0 if the system does not report it.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    pages
        .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok())
        .map_or(0, |pages| pages * 4096)
}

/// Returns the means of the resident memory in the second and the last third of the time.
fn watch_memory(begun: Instant, length: Duration) -> (u64, u64) {
    let (mut second, mut last) = (Vec::new(), Vec::new());
    while begun.elapsed() < length {
        thread::sleep(Duration::from_millis(250));
        match begun.elapsed() {
            early if early < length / 3 => {}
            middle if middle < length * 2 / 3 => second.push(resident()),
            _ => last.push(resident()),
        }
    }
    let mean = |samples: Vec<u64>| samples.iter().sum::<u64>() / (samples.len() as u64).max(1);
    (mean(second), mean(last))
}

fn client(faulty: &Faulty) -> Client {
    let endpoint = Endpoint::custom(&faulty.url(), Some("us-east-1"), Scheme::Http).unwrap();
    let (base, throttled_base) = (Duration::from_millis(2), Duration::from_millis(4));
    let config = Config::new(endpoint)
        .static_credentials(Credentials::new(
            faulty.backend.access_key(),
            faulty.backend.secret_key(),
        ))
        .timeouts(Timeouts::default().idle(SILENCE).server_work(SILENCE))
        // Few attempts, so that some failures reach the caller.
        .retry(RetryPolicy::default().max_attempts(3).base(base).throttled_base(throttled_base));
    Client::new(config).unwrap()
}

fn driver(faulty: &Faulty) -> S3Driver {
    let parameters = Parameters::builder(BUCKET)
        .region("us-east-1")
        .endpoint(faulty.url())
        .addressing(Addressing::Path)
        .credentials(&Credentials::new(faulty.backend.access_key(), faulty.backend.secret_key()))
        .chunk_size(driver::PART as u64)
        .multipart_copy_chunk_size(driver::PART as u64)
        .multipart_copy_threshold_size(driver::PART as u64)
        .user_agent(DRIVER);
    S3Driver::new(&parameters.build().unwrap()).unwrap()
}

#[test]
fn nothing_is_lost_duplicated_or_left() {
    if process::order().is_some() {
        return soak();
    }
    let ran = process::command("soak::nothing_is_lost_duplicated_or_left", &["soak"])
        .envs(ALLOCATOR)
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&ran.stdout));
    assert!(ran.status.success());
}

fn soak() {
    let seconds = std::env::var("S3DRIVER_SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(15);
    let length = Duration::from_secs(seconds);
    let threads_before = count_threads();
    let faulty =
        Faulty::start(ServerOptions { min_part_size: 0, page_size: 5, ..ServerOptions::default() });
    let requests = AtomicU64::new(0);
    faulty.by_chance(move |seen| fault(seen, requests.fetch_add(1, Ordering::Relaxed)));
    let (client, driver) = (client(&faulty), driver(&faulty));
    let figures = Figures::default();
    let begun = Instant::now();

    let (models, memory): (Vec<_>, _) = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let mut worker = Worker::new(number, &client, &driver, &faulty, &figures);
                scope.spawn(move || {
                    while begun.elapsed() < length {
                        worker.step();
                    }
                    worker.model.append(&mut worker.any);
                    worker.model
                })
            })
            .collect();
        let memory = watch_memory(begun, length);
        (workers.into_iter().map(|worker| worker.join().unwrap()).collect(), memory)
    });

    // Uploads whose response was lost, or whose outcome is unknown, can be found and ended through
    // the driver, as the threads have done throughout the test.
    faulty.heal();
    // Uploads of keys that are not paths are ended through the client.
    let ended = loop {
        let ended = Transfer::new(&client).abort_uploads(BUCKET, ANY_KEY, Duration::ZERO).unwrap();
        let open = faulty.backend.open_uploads(BUCKET);
        if !open.iter().any(|upload| upload.key.starts_with(ANY_KEY)) {
            break ended;
        }
        assert!(begun.elapsed() < length + Duration::from_secs(60), "uploads are left");
    };
    let found = driver.pending_uploads("/").unwrap().collect::<Result<Vec<_>>>().unwrap().len();
    assert_eq!(
        found,
        faulty.backend.open_uploads(BUCKET).len(),
        "the driver does not report all open uploads"
    );
    let ending = Instant::now();
    let hidden = || faulty.backend.keys(BUCKET).iter().any(|key| key.starts_with('!'));
    while !faulty.backend.open_uploads(BUCKET).is_empty() || hidden() {
        assert!(
            ending.elapsed() < Duration::from_secs(10),
            "the purge does not remove all uploads"
        );
        driver.purge_uploads("/", Duration::ZERO).unwrap();
    }
    // Compares the models of the threads with the store.
    let expected: BTreeMap<String, Vec<u8>> = models.into_iter().flatten().collect();
    let stored = faulty.backend.keys(BUCKET);
    assert!(
        stored.iter().eq(expected.keys()),
        "{stored:?} are stored, but {:?} are expected",
        expected.keys()
    );
    for (key, content) in &expected {
        assert!(
            faulty.backend.object(BUCKET, key).expect("it is listed") == *content,
            "{key} differs"
        );
    }

    let (stats, more) = (client.stats(), driver.client().stats());
    println!("operations by kind: {}", figures.kinds());
    println!(
        "{seconds} s, {THREADS} threads: {} operations of {} kinds, {} MB, {} requests, {} faults, {} retries, {} errors surfaced, \
         {} uploads left by them found and ended, {} objects compared, nothing lost; memory {} MB, then {} MB",
        figures.operations(),
        figures.count_kinds(),
        figures.bytes() / 1_000_000,
        stats.requests + more.requests,
        faulty.faults(),
        stats.retries + more.retries,
        figures.surfaced(),
        figures.purged() + found as u64 + ended,
        expected.len(),
        memory.0 / 1_000_000,
        memory.1 / 1_000_000,
    );
    assert!(faulty.faults() * 7 > stats.requests + more.requests, "too few faults");
    assert!(memory.1 < memory.0 + GROWTH, "memory grew from {} to {} bytes", memory.0, memory.1);

    drop((client, driver));
    faulty.assert_nothing_open();
    drop(faulty);
    let waited = Instant::now();
    while count_threads() > threads_before {
        assert!(
            waited.elapsed() < Duration::from_secs(10),
            "{} threads are still running",
            count_threads() - threads_before
        );
        thread::sleep(Duration::from_millis(20));
    }
}
