//! Mixed work from 16 threads, one request in five meeting a fault: at the end the bucket holds what the threads think
//! it does, byte for byte, no upload is left, no thread, and memory has not grown.
//!
//! 15 seconds unless `S3DRIVER_SOAK_SECONDS` says otherwise. `cargo test --test soak -- --nocapture` prints the figures.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

#[path = "faults/server.rs"]
mod server;
mod support;

use s3driver::client::{
    ByteRange, Client, Condition, Config, CopySource, Endpoint, GetObject, ListObjects, ObjectSettings, RetryPolicy,
    Scheme, Timeouts, UploadRef,
};
use s3driver::sign::Credentials;
use s3driver::{Error, ErrorKind, Result};
use server::{End, Fault, Faulty, error_document};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::ServerOptions;
use support::target::bytes_at;

const BUCKET: &str = "registry";
const THREADS: u64 = 16;
/// Keys of one thread: few, so that they are replaced all the time and the store stays small.
const KEYS: u64 = 8;
const LARGEST: u64 = 128 << 10;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0) % below
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// One fault of many kinds, for one request in five.
fn fault(number: u64) -> Option<Fault> {
    let dice = mix(number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    if !dice.is_multiple_of(5) {
        return None;
    }
    Some(match (dice >> 8) % 64 {
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
        46..50 => Fault::error(400, "RequestTimeout"),
        50..54 => Fault::raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-length: 8\r\n\r\n12345678"),
        // What follows begins as a success.
        54..60 => Fault::cut(700, End::Close),
        _ => Fault::reply(200, error_document("InternalError")),
    })
}

/// The faults of a GetObject or HeadObject must not put another body under a good status: nothing but a checksum could
/// tell, and here there is none.
fn fits(operation: &str, number: u64) -> Option<Fault> {
    let fault = fault(number)?;
    let reads = matches!(operation, "GetObject" | "HeadObject");
    let honest = (mix(number.wrapping_mul(0xD6E8_FEB8_6659_FD93)) >> 8) % 64 < 60;
    Some(if reads && !honest { Fault::silent(End::Close) } else { fault })
}

#[derive(Default)]
struct Figures {
    operations: AtomicU64,
    bytes: AtomicU64,
    surfaced: AtomicU64,
}

/// One thread's work, and what it knows of the bucket.
struct Worker<'a> {
    client: Client,
    faulty: &'a Faulty,
    figures: &'a Figures,
    dice: Dice,
    prefix: String,
    /// Seed and size of every object.
    model: BTreeMap<String, (u64, u64)>,
}

impl Worker<'_> {
    fn key(&mut self) -> String {
        format!("{}/{}", self.prefix, self.dice.roll(KEYS))
    }

    fn content(&mut self) -> ((u64, u64), Vec<u8>) {
        let (seed, size) = (self.dice.roll(u64::MAX), self.dice.roll(LARGEST));
        ((seed, size), bytes_at(seed, 0, size as usize))
    }

    fn step(&mut self) {
        let settings = ObjectSettings::default();
        let key = self.key();
        let known = self.model.get(&key).copied();
        self.figures.operations.fetch_add(1, Ordering::Relaxed);
        match self.dice.roll(10) {
            0..3 => {
                let (object, content) = self.content();
                let result = self.client.put_object(BUCKET, &key, &content, &settings).map(drop);
                self.changed(&key, Some(object), result);
            }
            3..5 => {
                let got = self.client.get_object(BUCKET, &key, &GetObject::default()).and_then(|r| r.read_all(1 << 20));
                self.compare(&key, known.map(|(seed, size)| bytes_at(seed, 0, size as usize)), got);
            }
            5 => {
                let Some((seed, size)) = known.filter(|(_, size)| *size > 10) else { return };
                let offset = self.dice.roll(size - 1);
                let request = GetObject::range(ByteRange::From(offset));
                let got = self.client.get_object(BUCKET, &key, &request).and_then(|r| r.read_all(1 << 20));
                self.compare(&key, Some(bytes_at(seed, offset, (size - offset) as usize)), got);
            }
            6 => {
                let result = self.client.delete_object(BUCKET, &key);
                self.changed(&key, None, result);
            }
            7 => {
                let Some(object) = known else { return };
                let to = self.key();
                if to == key {
                    return;
                }
                let source = CopySource { bucket: BUCKET, key: &key, if_match: None };
                let result = self.client.copy_object(source, BUCKET, &to, &settings).map(drop);
                self.changed(&to, Some(object), result);
            }
            8 => self.upload(&key),
            _ => {
                let pages = self.client.listing(BUCKET, ListObjects::prefix(format!("{}/", self.prefix)).max_keys(3));
                let listed: Result<Vec<_>> = pages.collect();
                match listed {
                    Ok(pages) => {
                        let found = pages.into_iter().flat_map(|page| page.contents).map(|o| (o.key, o.size));
                        let known = self.model.iter().map(|(key, (_, size))| (key.clone(), *size));
                        assert!(found.eq(known), "the listing of {} differs", self.prefix);
                    }
                    Err(error) => self.allowed(&error),
                }
            }
        }
    }

    /// An object in up to three parts.
    fn upload(&mut self, key: &str) {
        let settings = ObjectSettings::default();
        let upload_id = match self.client.create_multipart_upload(BUCKET, key, &settings) {
            Ok(upload_id) => upload_id,
            Err(error) => return self.allowed(&error),
        };
        let upload = UploadRef { bucket: BUCKET, key, upload_id: &upload_id };
        let (object, content) = self.content();
        let size = content.len().div_ceil(3).max(1);
        let pieces: Vec<&[u8]> = if content.is_empty() { vec![&[]] } else { content.chunks(size).collect() };
        let parts: Result<Vec<_>> =
            (1..).zip(pieces).map(|(number, piece)| self.client.upload_part(upload, number, piece)).collect();
        let result = parts.and_then(|parts| self.client.complete_multipart_upload(upload, &parts, &Condition::Always));
        self.changed(key, Some(object), result.map(drop));
    }

    /// A change happened, or perhaps did: then the store tells which.
    fn changed(&mut self, key: &str, to: Option<(u64, u64)>, result: Result<()>) {
        self.figures.bytes.fetch_add(to.map_or(0, |(_, size)| size), Ordering::Relaxed);
        let happened = match result {
            Ok(()) => true,
            Err(error) => {
                self.allowed(&error);
                let stored = self.faulty.backend.object(BUCKET, key).map(|bytes| bytes.to_vec());
                let is =
                    |object: Option<(u64, u64)>| stored == object.map(|(seed, size)| bytes_at(seed, 0, size as usize));
                assert!(
                    is(to) || is(self.model.get(key).copied()),
                    "{key} is neither what it was nor what it should be"
                );
                is(to)
            }
        };
        match to {
            _ if !happened => {}
            Some(object) => drop(self.model.insert(key.to_owned(), object)),
            None => drop(self.model.remove(key)),
        }
    }

    fn compare(&self, key: &str, expected: Option<Vec<u8>>, got: Result<Vec<u8>>) {
        match (got, expected) {
            (Ok(got), Some(expected)) => {
                self.figures.bytes.fetch_add(got.len() as u64, Ordering::Relaxed);
                assert!(got == expected, "{key} came back wrong");
            }
            (Err(error), None) if error.kind() == ErrorKind::NoSuchKey => {}
            (Err(error), _) => self.allowed(&error),
            (Ok(got), None) => panic!("{key} has {} bytes and should not exist", got.len()),
        }
    }

    /// The errors the faults may lead to, once all attempts are spent.
    fn allowed(&self, error: &Error) {
        use ErrorKind::*;
        self.figures.surfaced.fetch_add(1, Ordering::Relaxed);
        let kinds = [Server, Throttled, Interrupted, Timeout, Protocol, OutcomeUnknown, NoSuchUpload];
        assert!(kinds.contains(&error.kind()), "{error}");
    }
}

fn count_threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Resident memory in bytes; 0 where the system does not tell.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).map_or(0, |pages| pages * 4096)
}

#[test]
fn nothing_is_lost_doubled_or_left() {
    let seconds = std::env::var("S3DRIVER_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let length = Duration::from_secs(seconds);
    let threads_before = count_threads();
    let options = ServerOptions { min_part_size: 0, page_size: 5, ..ServerOptions::default() };
    let faulty = Faulty::start(options);
    let requests = AtomicU64::new(0);
    faulty.by_chance(move |seen| fits(seen.operation, requests.fetch_add(1, Ordering::Relaxed)));
    let endpoint = Endpoint::custom(&faulty.url(), Some("us-east-1"), Scheme::Http).unwrap();
    let (base, throttled_base) = (Duration::from_millis(2), Duration::from_millis(4));
    let config = Config::new(endpoint)
        .static_credentials(Credentials::new(faulty.backend.access_key(), faulty.backend.secret_key()))
        .timeouts(Timeouts { idle: Duration::from_secs(2), ..Timeouts::default() })
        // Few attempts, so that some failures come through.
        .retry(RetryPolicy { max_attempts: 3, base, throttled_base, ..RetryPolicy::default() });
    let client = Client::new(config).unwrap();
    let figures = Figures::default();
    let begun = Instant::now();

    let (models, memory): (Vec<_>, u64) = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let mut worker = Worker {
                    client: client.clone(),
                    faulty: &faulty,
                    figures: &figures,
                    dice: Dice(number << 32),
                    prefix: format!("t{number}"),
                    model: BTreeMap::new(),
                };
                scope.spawn(move || {
                    while begun.elapsed() < length {
                        worker.step();
                    }
                    worker.model
                })
            })
            .collect();
        thread::sleep(length / 3);
        let memory = resident();
        (workers.into_iter().map(|worker| worker.join().unwrap()).collect(), memory)
    });
    let grown = resident().saturating_sub(memory);

    // What the threads know and what is stored.
    faulty.heal();
    let expected: BTreeMap<String, (u64, u64)> = models.into_iter().flatten().collect();
    let stored: BTreeSet<String> = faulty.backend.keys(BUCKET).into_iter().collect();
    assert_eq!(stored, expected.keys().cloned().collect());
    for (key, (seed, size)) in &expected {
        let content = faulty.backend.object(BUCKET, key).expect("it is listed");
        assert!(content == bytes_at(*seed, 0, *size as usize), "{key} differs");
    }
    // Uploads whose reply was lost, or whose outcome was not known, can be found and ended.
    let found: Vec<_> = client.uploads(BUCKET, "").flat_map(|page| page.unwrap().uploads).collect();
    for upload in &found {
        let upload = UploadRef { bucket: BUCKET, key: &upload.key, upload_id: &upload.upload_id };
        client.abort_multipart_upload(upload).unwrap();
    }
    assert_eq!(faulty.backend.open_uploads(BUCKET), []);

    let stats = client.stats();
    println!(
        "{} s, {THREADS} threads: {} operations, {} MB, {} requests, {} faults, {} retries, {} errors surfaced, {} orphaned uploads \
         ended, nothing lost; memory grew by {} KB after the first third",
        seconds,
        figures.operations.load(Ordering::Relaxed),
        figures.bytes.load(Ordering::Relaxed) / 1_000_000,
        stats.requests,
        faulty.faults(),
        stats.retries,
        figures.surfaced.load(Ordering::Relaxed),
        found.len(),
        grown / 1000,
    );
    assert!(faulty.faults() * 7 > stats.requests, "too few faults");
    assert!(grown < 48 << 20, "memory grew by {grown} bytes");

    drop(client);
    faulty.assert_nothing_open();
    drop(faulty);
    let waited = Instant::now();
    while count_threads() > threads_before {
        assert!(waited.elapsed() < Duration::from_secs(10), "{} threads are left", count_threads() - threads_before);
        thread::sleep(Duration::from_millis(20));
    }
}
