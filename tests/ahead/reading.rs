//! Tests of readers over a connection with a high latency, which use one or two connections at
//! first and then as many as increase the throughput, and of faults in between.

use crate::line::{
    BUCKET, ETAG, Far, Fault, Line, Request, is_content, measure, threads_named, turn, wait_until,
};
use s3driver::client::{Checksum, Client, Config, Endpoint, RetryPolicy, Scheme, Timeouts};
use s3driver::driver::{Parameters, S3Driver, StorageDriver};
use s3driver::sign::Credentials;
use s3driver::transfer::{ReadAhead, Transfer};
use s3driver::{Cancel, Error, ErrorKind, Result};
use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 40 * MIB + 12_345;
/// The start of the first range: after the mebibyte that the speed of one connection is measured
/// with, and the bytes that arrive meanwhile.
const BOUNDARY: u64 = 4 * MIB;
const RANGE: u64 = 4 * MIB;

fn far() -> Far {
    let far = Far::start(Line { latency: Duration::from_millis(2), rate: Some(40_000_000) });
    far.store("key", SIZE);
    far
}

fn client(far: &Far, checksum: Checksum) -> Client {
    let endpoint = Endpoint::custom(&far.url(), Some("us-east-1"), Scheme::Http).unwrap();
    let base = Duration::from_millis(1);
    let config = Config::new(endpoint)
        .static_credentials(Credentials::new("key", "secret"))
        .checksum(checksum)
        .retry(RetryPolicy::default().max_attempts(4).base(base).throttled_base(base))
        .timeouts(Timeouts::default().idle(Duration::from_secs(1)));
    Client::new(config).unwrap()
}

fn reader(client: &Client, ranges: usize, offset: u64) -> ReadAhead {
    let ranges = NonZeroUsize::new(ranges).unwrap();
    Transfer::new(client).concurrency(ranges).reader(BUCKET, "key", offset).unwrap()
}

/// Reads to the end or the first failure, compares every byte with the expected content, and
/// returns the position at the end.
fn read_on(reader: &mut ReadAhead, mut at: u64) -> (u64, Result<()>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.pull(&mut buffer) {
            Ok(0) => return (at, Ok(())),
            Ok(count) => {
                assert!(is_content(at, &buffer[..count]), "wrong bytes at {at}");
                at += count as u64;
            }
            Err(error) => return (at, Err(error)),
        }
    }
}

fn failure(far: &Far, checksum: Checksum) -> (u64, Error) {
    let client = client(far, checksum);
    let mut reader = reader(&client, 8, 0);
    let (at, result) = read_on(&mut reader, 0);
    let error = result.unwrap_err();
    let mut more = [0; 10];
    assert!(reader.pull(&mut more).is_err(), "a reader returns nothing after a failure");
    drop(reader);
    nothing_left(far, client);
    (at, error)
}

/// Asserts that no thread is reading, and that only idle connections are open.
fn nothing_left(far: &Far, client: Client) {
    wait_until(Duration::from_secs(5), "threads read", || threads_named("s3driver-read") == 0);
    drop(client);
    wait_until(Duration::from_secs(5), "connections are open", || far.open() == 0);
}

#[test]
fn every_byte_is_returned_once_and_in_order() {
    let _turn = turn();
    let far = far();
    for offset in [0, 1, 10 * MIB + 7] {
        far.forget();
        let client = client(&far, Checksum::Crc64Nvme);
        let mut reader = reader(&client, 8, offset);
        let (at, result) = read_on(&mut reader, offset);
        result.unwrap();
        assert_eq!(at, SIZE);
        let seen = far.seen();
        assert!(seen.len() > 4, "{} requests", seen.len());
        assert_eq!(seen[0].if_match, None);
        let mut starts: Vec<u64> = seen[1..].iter().map(|request| request.start).collect();
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == RANGE), "{starts:?}");
        assert!(
            seen[1..]
                .iter()
                .all(|request| request.if_match.as_deref() == Some(&*format!("\"{ETAG}\"")))
        );
        assert!(far.connections() <= 3 * 9, "no more connections than threads");
        drop(reader);
        nothing_left(&far, client);
    }
}

#[test]
fn small_objects_and_short_readers_make_one_request() {
    let _turn = turn();
    let far = far();
    far.store("small", BOUNDARY + RANGE);
    let client = client(&far, Checksum::None);
    let mut small = Transfer::new(&client).reader(BUCKET, "small", 0).unwrap();
    assert_eq!(read_on(&mut small, 0).0, BOUNDARY + RANGE);
    let mut short = reader(&client, 8, 0);
    short.read_exact(&mut vec![0; MIB as usize - 1]).unwrap();
    assert_eq!((far.count("GetObject"), threads_named("s3driver-read")), (2, 0));
    let mut alone = reader(&client, 1, 0);
    assert_eq!(read_on(&mut alone, 0).0, SIZE);
    assert_eq!((far.count("GetObject"), threads_named("s3driver-read")), (3, 0));
}

/// A slow reader finds the bytes already received, and needs no second connection. It is so slow
/// that its waits for the processor of a busy machine do not matter.
#[test]
fn a_slow_reader_uses_one_connection() {
    let _turn = turn();
    let far = far();
    let client = client(&far, Checksum::None);
    let mut reader = reader(&client, 8, 0);
    let mut buffer = vec![0; 128 << 10];
    for _ in 0..24 {
        std::thread::sleep(Duration::from_millis(100));
        reader.read_exact(&mut buffer).unwrap();
    }
    assert_eq!(far.count("GetObject"), 1);
}

/// The size of an object on a line that one connection fills.
const LONG: u64 = 80 * MIB + 7;

/// A line whose connections share 25 MB/s, which a busy machine can fill as well.
fn full() -> Far {
    let far = Far::start(Line { latency: Duration::from_millis(2), rate: None });
    far.limit_total(25_000_000);
    far.store("key", LONG);
    far
}

/// Where one connection fills the line, ranges are tried, and one connection continues after them.
#[test]
fn a_full_line_is_read_through_one_connection() {
    let _turn = turn();
    let last_request = || {
        let far = full();
        let client = client(&far, Checksum::Crc64Nvme);
        let mut reader = reader(&client, 8, 0);
        let (at, result) = read_on(&mut reader, 0);
        result.unwrap();
        assert_eq!(at, LONG);
        drop(reader);
        nothing_left(&far, client);
        far.seen().into_iter().max_by_key(|request| request.start).unwrap()
    };
    let is_expected = |last: &Request| {
        last.end.is_none() && last.start > BOUNDARY && LONG - last.start > 8 * RANGE
    };
    let last = measure(last_request, is_expected);
    assert!(is_expected(&last), "{last:?}");
    assert_eq!(last.if_match.as_deref(), Some(&*format!("\"{ETAG}\"")));
}

#[test]
fn the_checksum_covers_what_follows_the_ranges() {
    let _turn = turn();
    let far = full();
    far.send_wrong_checksums();
    let (at, error) = failure(&far, Checksum::Crc64Nvme);
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
    assert!(at < LONG);
}

/// The connection that continues after ranges reports another version of the object.
#[test]
fn a_change_after_the_ranges_is_reported() {
    let _turn = turn();
    // On a busy machine, a reader may not return to one connection. Then there is no change.
    let read = || {
        let far = full();
        let changed = Arc::new(AtomicBool::new(false));
        let served = Arc::clone(&changed);
        far.script(move |request| match (request.start, request.end) {
            (1.., None) => {
                served.store(true, Ordering::SeqCst);
                Fault::Etag("another")
            }
            _ => Fault::None,
        });
        let client = client(&far, Checksum::None);
        let mut reader = reader(&client, 8, 0);
        let (at, result) = read_on(&mut reader, 0);
        let changed = changed.load(Ordering::SeqCst);
        assert_eq!(result.is_err(), changed, "{result:?}");
        if changed {
            assert!(reader.pull(&mut [0; 10]).is_err(), "nothing follows a failure");
        }
        drop(reader);
        nothing_left(&far, client);
        (at, result)
    };
    let (at, result) = measure(read, |(_, result)| result.is_err());
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
    assert!(at.is_multiple_of(RANGE) && at > BOUNDARY, "everything before it was returned: {at}");
}

#[test]
fn a_broken_range_is_resumed() {
    let _turn = turn();
    for fault in [Fault::Cut(MIB + 1), Fault::Stall(10)] {
        let far = far();
        let broken: Mutex<Vec<u64>> = Mutex::default();
        far.script(move |request| {
            let mut broken = broken.lock().unwrap();
            let is_new =
                request.start >= BOUNDARY && (request.start - BOUNDARY).is_multiple_of(RANGE);
            if is_new && !broken.contains(&request.start) && broken.len() < 4 {
                broken.push(request.start);
                return fault.clone();
            }
            Fault::None
        });
        let client = client(&far, Checksum::Crc64Nvme);
        let mut reader = reader(&client, 8, 0);
        let (at, result) = read_on(&mut reader, 0);
        result.unwrap();
        assert_eq!(at, SIZE);
        drop(reader);
        nothing_left(&far, client);
    }
}

/// A failure is reported at its position, after everything before it has been returned.
#[test]
fn failures_are_reported_in_order() {
    let _turn = turn();
    let third = BOUNDARY + 2 * RANGE;
    for (fault, kind) in [
        (Fault::Status(403, "AccessDenied"), ErrorKind::AccessDenied),
        (Fault::Status(412, "PreconditionFailed"), ErrorKind::Integrity),
        (Fault::Status(404, "NoSuchKey"), ErrorKind::Integrity),
        (Fault::Status(503, "SlowDown"), ErrorKind::Throttled),
        (Fault::Etag("another"), ErrorKind::Integrity),
        (Fault::Cut(5), ErrorKind::Interrupted),
    ] {
        let far = far();
        let inside = third..third + RANGE;
        far.script(
            move |request| {
                if inside.contains(&request.start) { fault.clone() } else { Fault::None }
            },
        );
        let (at, error) = failure(&far, Checksum::None);
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(at, third, "{error}");
        assert_eq!((error.bucket(), error.key()), (Some(BUCKET), Some("key")));
    }
}

#[test]
fn a_wrong_checksum_is_reported_before_the_last_bytes() {
    let _turn = turn();
    let far = far();
    far.send_wrong_checksums();
    let (at, error) = failure(&far, Checksum::Crc64Nvme);
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
    assert!(at < SIZE);
    assert!(far.count("GetObject") > 4, "ranges were read");
}

/// A server that claims to support ranges but sends the whole object is read through the first
/// connection.
#[test]
fn a_server_without_ranges_is_read_through_one_connection() {
    let _turn = turn();
    let far = far();
    far.script(|request| if request.start > 0 { Fault::Whole } else { Fault::None });
    let client = client(&far, Checksum::Crc64Nvme);
    let mut reader = reader(&client, 8, 0);
    let (at, result) = read_on(&mut reader, 0);
    result.unwrap();
    assert_eq!(at, SIZE);
    assert!(far.count("GetObject") <= 5, "{}", far.count("GetObject"));
    drop(reader);
    nothing_left(&far, client);
}

#[test]
fn a_dropped_reader_leaves_no_thread_or_connection() {
    let _turn = turn();
    let far = far();
    let client = client(&far, Checksum::None);
    let mut reader = reader(&client, 8, 0);
    reader.read_exact(&mut vec![0; 5 * MIB as usize]).unwrap();
    assert!(threads_named("s3driver-read") > 0);
    let begun = Instant::now();
    drop(reader);
    assert!(begun.elapsed() < Duration::from_millis(100), "dropping does not wait");
    wait_until(Duration::from_secs(2), "threads read", || threads_named("s3driver-read") == 0);
    client.close_idle_connections();
    wait_until(Duration::from_secs(2), "connections are open", || far.open() == 0);
}

#[test]
fn cancelling_ends_a_reader_that_waits() {
    let _turn = turn();
    let far = far();
    far.script(
        |request| if request.start > BOUNDARY + RANGE { Fault::Stall(10) } else { Fault::None },
    );
    let cancel = Cancel::new();
    let client = client(&far, Checksum::None).with_cancel(&cancel);
    let mut reader = reader(&client, 8, 0);
    reader.read_exact(&mut vec![0; 5 * MIB as usize]).unwrap();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        cancel.cancel();
        Instant::now()
    });
    let (_, result) = read_on(&mut reader, 5 * MIB);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(canceller.join().unwrap().elapsed() < Duration::from_secs(1));
    drop(reader);
    nothing_left(&far, client);
}

/// Ranges are only requested within the window, however slow the reader becomes.
#[test]
fn requests_stay_within_the_memory_limit() {
    let _turn = turn();
    let far = far();
    let client = client(&far, Checksum::None);
    let mut reader = reader(&client, 3, 0);
    let read = 5 * MIB;
    reader.read_exact(&mut vec![0; read as usize]).unwrap();
    std::thread::sleep(Duration::from_millis(800));
    let furthest = far.seen().iter().map(|request| request.start).max().unwrap();
    assert!(furthest < read + 3 * RANGE, "{furthest}");
    assert_eq!(read_on(&mut reader, read).0, SIZE);
}

/// `maxmemory` covers read-ahead: without free memory a reader uses only one connection.
#[test]
fn a_driver_reads_ahead_within_its_memory() {
    let _turn = turn();
    let far = far();
    let read = |adjust: &[(&str, &str)]| {
        far.forget();
        let url = far.url();
        let basic =
            [("bucket", BUCKET), ("regionendpoint", &*url), ("accesskey", "k"), ("secretkey", "s")];
        let parameters = Parameters::from_pairs(basic.iter().chain(adjust).copied()).unwrap();
        let mut reader = S3Driver::new(&parameters).unwrap().reader("/key", 0).unwrap();
        let mut content = Vec::new();
        reader.read_to_end(&mut content).unwrap();
        assert!(content.len() as u64 == SIZE && is_content(0, &content));
        far.count("GetObject")
    };
    assert!(read(&[]) > 4);
    assert_eq!(read(&[("readahead", "1")]), 1);
    assert_eq!(
        read(&[("chunksize", "5242880"), ("maxmemory", "5242880")]),
        1,
        "one range at a time is slower than one connection"
    );
    assert!(read(&[("chunksize", "5242880"), ("maxmemory", "9437184")]) > 4, "two ranges");
}
