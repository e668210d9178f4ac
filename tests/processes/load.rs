//! Tests the load of many writers at the same time as many readers and a walk, then many small
//! objects, and the deletion of everything. The files read equal the files written, and memory and
//! connections stay within the documented limits.
//!
//! It runs in a separate process, so that only the client is measured: at a small scale on the
//! embedded server, or on the server that the environment names. At full scale, it also measures
//! `aws s3 cp` with equal files if that program is installed:
//!
//! ```text
//! S3DRIVER_LOAD=full cargo test --release --test processes load:: -- --nocapture
//! ```

use crate::support::content::bytes;
use crate::support::process::{self, memory};
use crate::support::target::{Target, on_every_target};
use crate::support::{Server, ServerOptions};
use s3driver::client::SignatureVersion;
use s3driver::driver::{Parameters, S3Driver, StorageDriver, WalkOptions, WalkStep, WriteMode};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
/// The number of bytes per write and per read.
const PIECE: usize = 64 << 10;
/// Each stream begins this much later in the bytes that all streams share.
const SHIFT: usize = 4_099;
/// The cost of a connection: its thread's stack, its buffers, and those of TLS.
const PER_CONNECTION: usize = MIB / 4;
/// Memory for listings, and memory that the allocator keeps.
const OVERHEAD: usize = 8 * MIB;
/// The maximum number of threads of a writer that adapts.
const MOST_THREADS: usize = 20;
/// How often open connections are counted.
const LOOK: Duration = Duration::from_millis(10);

/// The amount of each kind of work.
struct Scale {
    /// The number of files written, and read, at the same time.
    streams: usize,
    /// The size of each file.
    size: usize,
    /// `chunksize`.
    part: usize,
    /// `maxmemory`: the memory of all writers beyond their first buffers.
    memory: usize,
    small: usize,
    /// The number of threads that write small objects.
    threads: usize,
}

const QUICK: Scale = Scale {
    streams: 16,
    size: 12 * MIB,
    part: 5 * MIB,
    memory: 10 * MIB,
    small: 1_200,
    threads: 16,
};
const FULL: Scale = Scale {
    streams: 32,
    size: 32 * MIB,
    part: 10 * MIB,
    memory: 64 * MIB,
    small: 20_000,
    threads: 32,
};

impl Scale {
    /// Every writer has its first buffer; further ones are limited by `maxmemory`.
    fn most_memory(&self, threads_of_a_writer: usize) -> usize {
        self.memory
            + self.streams * self.part
            + self.most_connections(threads_of_a_writer) * PER_CONNECTION
            + OVERHEAD
    }

    /// One connection for each request in progress: each reader's, each writer's parts, the walk's.
    fn most_connections(&self, threads_of_a_writer: usize) -> usize {
        self.streams * (1 + threads_of_a_writer) + 1
    }
}

/// Returns the seconds of processor time of this process, and of its finished children.
fn processor() -> (f64, f64) {
    /// `USER_HZ`, the unit of /proc/self/stat, on every Linux that Rust supports.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let seconds = |first: usize| {
        fields[first..first + 2].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>()
    };
    (seconds(11) / TICKS, seconds(13) / TICKS)
}

fn sockets() -> usize {
    let links =
        fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// Returns the maximum number of sockets that were open while `work` ran, not counting those from
/// before.
fn most_sockets(work: impl FnOnce()) -> usize {
    let (before, done) = (sockets(), AtomicBool::new(false));
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(sockets());
                thread::sleep(LOOK);
            }
            most
        });
        work();
        done.store(true, Ordering::Relaxed);
        looking.join().unwrap().saturating_sub(before)
    })
}

fn open(target: &Target, root: &str, scale: &Scale) -> (S3Driver, usize) {
    let mut pairs = target.pairs(root);
    pairs.retain(|(name, _)| *name != "chunksize");
    pairs.extend([("chunksize", scale.part.to_string()), ("maxmemory", scale.memory.to_string())]);
    let parameters = Parameters::from_pairs(pairs).unwrap();
    (S3Driver::new(&parameters).unwrap(), MOST_THREADS)
}

/// Returns files and their sizes, as reported by a walk.
fn files(driver: &S3Driver, path: &str) -> BTreeMap<String, u64> {
    let mut files = BTreeMap::new();
    let mut visit = |info: &s3driver::driver::FileInfo| {
        if !info.is_directory() {
            files.insert(info.path.clone(), info.size);
        }
        Ok(WalkStep::Continue)
    };
    driver.walk(path, &WalkOptions::default(), &mut visit).unwrap();
    files
}

fn read_and_compare(driver: &S3Driver, path: &str, expected: &[u8]) {
    let mut reader = driver.reader(path, 0).unwrap();
    let (mut buffer, mut at) = (vec![0; PIECE], 0);
    loop {
        let length = reader.read(&mut buffer).unwrap();
        assert!(buffer[..length] == expected[at..at + length], "{path} differs after byte {at}");
        at += length;
        if length == 0 {
            break;
        }
    }
    assert_eq!(at, expected.len(), "{path} is too short");
}

/// Returns the bytes of each stream.
type Contents<'a> = &'a (dyn Fn(usize) -> &'a [u8] + Sync);

/// Runs all writers and readers at the same time, and repeated walks.
fn streams(driver: &S3Driver, scale: &Scale, content: Contents<'_>) {
    let running = AtomicUsize::new(2 * scale.streams);
    thread::scope(|scope| {
        for index in 0..scale.streams {
            let running = &running;
            scope.spawn(move || {
                let mut writer =
                    driver.writer(&format!("/written/{index}"), WriteMode::Create).unwrap();
                content(index).chunks(PIECE).for_each(|piece| writer.write_all(piece).unwrap());
                writer.commit().unwrap();
                running.fetch_sub(1, Ordering::Relaxed);
            });
            scope.spawn(move || {
                read_and_compare(driver, &format!("/read/{index}"), content(index));
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        scope.spawn(|| {
            while running.load(Ordering::Relaxed) > 0 {
                let seen = files(driver, "/");
                assert_eq!(
                    seen.keys().filter(|path| path.starts_with("/read/")).count(),
                    scale.streams
                );
                assert!(
                    seen.values().all(|size| *size == scale.size as u64),
                    "an incomplete file is visible: {seen:?}"
                );
                thread::sleep(LOOK);
            }
        });
    });
}

fn small_objects(driver: &S3Driver, scale: &Scale) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..scale.threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= scale.small {
                        return;
                    }
                    driver.put_content(&small(index), index.to_string().as_bytes()).unwrap();
                }
            });
        }
    });
}

fn small(index: usize) -> String {
    format!("/small/{:02}/{index:05}", index % 100)
}

/// Runs one program that uploads files, and one that downloads files.
fn aws(target: &Target, root: &str, folder: &Path) -> bool {
    let remote = |folder: &str| format!("s3://{}/{root}/{folder}/", target.bucket);
    let start = |from: &str, to: &str| -> Option<Child> {
        let mut aws = Command::new("aws");
        aws.args(["--endpoint-url", &target.endpoint, "--region", &target.region]);
        aws.args(["s3", "cp", "--quiet", "--recursive", from, to]);
        aws.env("AWS_ACCESS_KEY_ID", &target.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &target.secret_key);
        aws.spawn().ok()
    };
    let up = folder.join("up");
    let Some(mut up) = start(&up.to_string_lossy(), &remote("aws")) else { return false };
    let mut down =
        start(&remote("read"), &folder.join("down").to_string_lossy()).expect("aws again");
    assert!(up.wait().unwrap().success() && down.wait().unwrap().success(), "aws s3 cp");
    true
}

fn load(target: &Target, scale: &Scale, compare: bool) {
    let (name, root) = (&target.name, target.scratch("load"));
    let (driver, threads) = open(target, &root, scale);
    let shared = bytes(1, 0, scale.size + scale.streams * SHIFT);
    let content = |index: usize| &shared[index * SHIFT..][..scale.size];
    for index in 0..scale.streams {
        driver.put_content(&format!("/read/{index}"), content(index)).unwrap();
    }
    assert_eq!(files(&driver, "/").len(), scale.streams);

    // Resets the peak (proc(5), clear_refs).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, start, cpu) = (memory("VmRSS"), Instant::now(), processor().0);
    let most = most_sockets(|| streams(&driver, scale, &content));
    let (took, cpu) = (start.elapsed(), processor().0 - cpu);
    let grown = memory("VmHWM").saturating_sub(before);
    let mib = 2 * scale.streams * scale.size / MIB;
    let rate = |took: Duration| mib as f64 / took.as_secs_f64();
    println!(
        "{name}: {0} writers and {0} readers of {1} MiB, and a walk:",
        scale.streams,
        scale.size / MIB
    );
    println!("{name}: s3driver {:.0} MiB/s, {took:.1?}, {cpu:.1} s of processor time", rate(took));
    println!("{name}: {} MiB of memory, at most {most} connections", grown / MIB);
    let allowed = scale.most_memory(threads);
    assert!(grown <= allowed, "{} MiB of memory, {} allowed", grown / MIB, allowed / MIB);
    let allowed = scale.most_connections(threads);
    assert!(most <= allowed, "{most} connections, {allowed} allowed");
    for index in 0..scale.streams {
        read_and_compare(&driver, &format!("/written/{index}"), content(index));
    }

    if compare {
        let folder = tempfile::tempdir().unwrap();
        let up = folder.path().join("up");
        fs::create_dir(&up).unwrap();
        for index in 0..scale.streams {
            fs::write(up.join(index.to_string()), content(index)).unwrap();
        }
        let (start, cpu) = (Instant::now(), processor().1);
        if aws(target, &root, folder.path()) {
            let took = start.elapsed();
            println!(
                "{name}: aws s3 cp {:.0} MiB/s, {took:.1?}, {:.1} s",
                rate(took),
                processor().1 - cpu
            );
        } else {
            println!("{name}: the program aws is not installed, so there is no comparison");
        }
    }

    let opened = driver.client().stats().connections;
    let start = Instant::now();
    let most = most_sockets(|| small_objects(&driver, scale));
    let wrote = start.elapsed();
    assert!(most <= scale.most_connections(threads), "{most} connections");
    let opened = driver.client().stats().connections - opened;
    assert!(
        opened <= (2 * scale.threads) as u64,
        "{opened} connections were opened: they are not reused"
    );
    let start = Instant::now();
    let seen: Vec<String> = files(&driver, "/small").into_keys().collect();
    let mut expected: Vec<String> = (0..scale.small).map(small).collect();
    expected.sort();
    assert!(seen == expected, "a walk returned {} of {} small objects", seen.len(), scale.small);
    let walked = start.elapsed();
    let start = Instant::now();
    driver.delete("/small").unwrap();
    let deleted = start.elapsed();
    println!(
        "{name}: {} small objects written in {wrote:.1?} over {opened} new connections",
        scale.small
    );
    println!("{name}: walked over in {walked:.1?}, deleted in {deleted:.1?}");
    for path in ["/read", "/written"] {
        driver.delete(path).unwrap();
    }
    if compare && driver.stat("/aws").is_ok() {
        driver.delete("/aws").unwrap();
    }
    assert_eq!(files(&driver, "/"), BTreeMap::new());
    assert_eq!(driver.pending_uploads("/").unwrap().count(), 0);
}

#[test]
fn streams_and_small_objects_stay_within_the_limits() {
    const NAME: &str = "streams_and_small_objects_stay_within_the_limits";
    let full = env::var("S3DRIVER_LOAD").as_deref() == Ok("full");
    if process::order().is_some() {
        return on_every_target(NAME, |target| match (full, target.signature, &target.ca_file) {
            (false, ..) => load(target, &QUICK, false),
            // One comparison is enough.
            (true, SignatureVersion::V4, None) => load(target, &FULL, true),
            (true, ..) => {}
        });
    }
    let mut measuring = process::command(&format!("load::{NAME}"), &["load"]);
    measuring.stdout(Stdio::inherit());
    if env::var_os("S3_ENDPOINT").is_some() {
        assert!(measuring.status().unwrap().success(), "the measuring process failed");
        return;
    }
    let server = Server::start(ServerOptions::default());
    measuring
        .env("S3_ENDPOINT", server.endpoint())
        .env("S3_ACCESS_KEY", server.access_key())
        .env("S3_SECRET_KEY", server.secret_key())
        .env("S3_REGION", server.region())
        .env("S3_BUCKET", server.bucket())
        .env_remove("S3_SERVER")
        .env_remove("S3_SIGNATURES")
        .env_remove("S3_TLS_ENDPOINT");
    assert!(measuring.status().unwrap().success(), "the measuring process failed");
    assert_eq!(
        (server.keys(server.bucket()), server.open_uploads(server.bucket())),
        (vec![], vec![])
    );
}
