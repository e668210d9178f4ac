//! Measures how latency and bandwidth limit the speed of one reader, one writer, many keys, and
//! many small objects, over a line with 25 ms to the first byte of each response and a limited rate
//! for each connection.
//!
//! ```sh
//! cargo bench --bench latency              # all rows
//! cargo bench --bench latency -- read      # rows whose name contains this word
//! ```
//!
//! Each row also shows an ideal time and an estimate for the registry's Go driver. The ideal time
//! is one latency plus the time to transfer all bytes at the combined rate of the allowed
//! connections (at most 13), or to send the minimum number of requests at the requested
//! concurrency. The estimate is computed, not measured: the Go driver reads with a single GET; its
//! writer sends parts of 10 MiB and waits for the response to each; it lists and deletes a thousand
//! keys at a time, and transfers small objects one by one. Memory is the peak of the process above
//! its initial value. It is measured only on Linux, and includes the server, which runs in the same
//! process.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

#[path = "../tests/line/mod.rs"]
mod line;

use line::{BUCKET, Far, Line, is_content};
use s3driver::client::{Checksum, GetObject, ObjectSettings, PayloadSigning};
use s3driver::driver::{
    FileInfo, Parameters, S3Driver, StorageDriver, WalkOptions, WalkStep, WriteMode,
};
use s3driver::sign::Credentials;
use s3driver::transfer::Transfer;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

const LATENCY: Duration = Duration::from_millis(25);
const MB: u64 = 1_000_000;
const MIB: u64 = 1 << 20;
/// The number of connections that saturate the line.
const FULL: u64 = 13;
const KEYS: u32 = 100_000;
const SMALL: u32 = 2_000;

struct Row {
    work: String,
    wall: Duration,
    ideal: Duration,
    go: Duration,
    memory: u64,
}

type Measurement = Box<dyn Fn() -> Row>;

/// The environment variable that selects the row to measure. Each row runs in a separate process,
/// so that it does not reuse memory that another one has freed.
const ROW: &str = "S3DRIVER_LATENCY_ROW";

fn main() {
    let mut rows: Vec<(&str, Measurement)> = Vec::new();
    for rate in [20 * MB, 80 * MB] {
        let size = 64 * rate / MB * MIB / 5;
        for ranges in [1, 4, 20] {
            rows.push(("read", Box::new(move || read(rate, size, ranges))));
        }
        for threads in [Some(1), Some(4), Some(16), Some(20), None] {
            rows.push(("write", Box::new(move || write(rate, size, threads))));
        }
    }
    // These are large enough that the ramp-up to full speed is negligible.
    rows.push(("read", Box::new(|| read(80 * MB, 4096 * MIB, 20))));
    rows.push(("write", Box::new(|| write(80 * MB, 4096 * MIB, Some(20)))));
    rows.push(("write", Box::new(|| write(80 * MB, 4096 * MIB, None))));
    for concurrency in [1, 4, 16] {
        rows.push(("walk", Box::new(move || walk(concurrency))));
    }
    rows.push(("delete", Box::new(delete)));
    for concurrency in [1, 8, 32] {
        rows.push(("small", Box::new(move || small(concurrency))));
    }

    if let Ok(row) = std::env::var(ROW) {
        let Row { work, wall, ideal, go, memory } = rows[row.parse::<usize>().unwrap()].1();
        let (wall, ideal, go) = (wall.as_secs_f64(), ideal.as_secs_f64(), go.as_secs_f64());
        let memory = memory as f64 / MIB as f64;
        println!(
            "| {work} | {wall:.2} | {ideal:.2} | {:.2} | {go:.2} | {memory:.0} |",
            wall / ideal
        );
        return;
    }
    let wanted =
        std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("25 ms to the first byte of each response; rates are per connection.\n");
    println!("| work | wall s | ideal s | ratio | Go driver s (computed) | memory MiB |");
    println!("|---|---|---|---|---|---|");
    for (index, _) in rows.iter().enumerate().filter(|(_, (name, _))| name.contains(&wanted)) {
        let program = std::env::current_exe().unwrap();
        let ended =
            std::process::Command::new(program).env(ROW, index.to_string()).status().unwrap();
        assert!(ended.success(), "{ended}");
    }
}

fn far(rate: u64) -> Far {
    Far::start(Line { latency: LATENCY, rate: Some(rate) })
}

fn driver(
    far: &Far,
    adjust: impl FnOnce(s3driver::driver::ParametersBuilder) -> s3driver::driver::ParametersBuilder,
) -> S3Driver {
    // The driver is configured as for https, where bodies are not signed because TLS protects them.
    // The simulated line does not use TLS.
    let parameters = Parameters::builder(BUCKET)
        .endpoint(far.url())
        .credentials(&Credentials::new("key", "secret"))
        .payload(PayloadSigning::Unsigned)
        .checksum(Checksum::Crc64Nvme);
    S3Driver::new(&adjust(parameters).build().unwrap()).unwrap()
}

fn nonzero(count: u64) -> NonZeroUsize {
    NonZeroUsize::new(usize::try_from(count).unwrap()).unwrap()
}

/// Returns the time that `work` took, and the peak of its additional memory.
fn measured(work: impl FnOnce()) -> (Duration, u64) {
    let memory = |name: &str| -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))
            .unwrap_or("0");
        line.trim().parse::<u64>().unwrap_or(0) << 10
    };
    // This resets the peak if the system permits it.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
    let before = memory("VmRSS:");
    let begun = Instant::now();
    work();
    (begun.elapsed(), memory("VmHWM:").saturating_sub(before))
}

fn seconds(bytes: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate as f64)
}

fn read(rate: u64, size: u64, ranges: u64) -> Row {
    let far = far(rate);
    far.store("layer", size);
    let driver = driver(&far, |parameters| parameters.read_ahead(nonzero(ranges)));
    let mut buffer = vec![0; 1 << 20];
    let (wall, memory) = measured(|| {
        let mut reader = driver.reader("/layer", 0).unwrap();
        let mut at = 0;
        loop {
            let count = reader.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            // Only the beginning of each block is compared, because comparing all of it would take
            // longer than reading it.
            assert!(is_content(at, &buffer[..count.min(64)]));
            at += count as u64;
        }
        assert_eq!(at, size);
    });
    Row {
        work: format!("read {} MiB at {} MB/s, at most {ranges} ranges", size / MIB, rate / MB),
        wall,
        ideal: LATENCY + seconds(size, rate * ranges.min(FULL)),
        go: LATENCY + seconds(size, rate),
        memory,
    }
}

/// Writes with this number of threads, or with the default, which adapts.
fn write(rate: u64, size: u64, threads: Option<u64>) -> Row {
    let far = far(rate);
    let driver = driver(&far, |parameters| match threads {
        Some(threads) => parameters.concurrency(nonzero(threads)),
        None => parameters,
    });
    let piece = vec![0x5a; 1 << 20];
    let (wall, memory) = measured(|| {
        let mut writer = driver.writer("/layer", WriteMode::Create).unwrap();
        for _ in 0..size / MIB {
            writer.write_all(&piece).unwrap();
        }
        writer.commit().unwrap();
    });
    assert_eq!(far.objects().get("layer"), Some(&size));
    let parts = u32::try_from(size.div_ceil(10 * MIB)).unwrap();
    let at_once = threads.map_or_else(
        || "as many parts of 10 MiB as help".to_owned(),
        |threads| format!("{threads} parts of 10 MiB at once"),
    );
    Row {
        work: format!("write {} MiB at {} MB/s, {at_once}", size / MIB, rate / MB),
        wall,
        ideal: LATENCY + seconds(size, rate * threads.unwrap_or(FULL).min(FULL)),
        // The requests are the creation, the parts, and the completion.
        go: LATENCY * (parts + 2) + seconds(size, rate),
        memory,
    }
}

/// Blobs in a registry's layout, in 256 directories.
fn blobs() -> Far {
    let far = far(80 * MB);
    for blob in 0..KEYS {
        far.store(
            format!("docker/registry/v2/blobs/sha256/{:02x}/{blob:064x}/data", blob % 256),
            1,
        );
    }
    far
}

const PAGES: u32 = KEYS / 1000;

fn walk(concurrency: u64) -> Row {
    let far = blobs();
    let driver = driver(&far, |parameters| parameters);
    let mut options = WalkOptions::default();
    options.concurrency = Some(nonzero(concurrency));
    let mut files = 0;
    let (wall, memory) = measured(|| {
        let mut visit = |info: &FileInfo| {
            files += u32::from(!info.is_directory());
            Ok(WalkStep::Continue)
        };
        driver.walk("/docker/registry/v2/blobs", &options, &mut visit).unwrap();
    });
    assert_eq!(files, KEYS);
    let requests = u32::try_from(far.count("ListObjectsV2")).unwrap();
    Row {
        work: format!("walk {KEYS} files, {concurrency} listings at once ({requests} requests)"),
        wall,
        ideal: LATENCY * (1 + (PAGES - 1).div_ceil(u32::try_from(concurrency).unwrap())),
        go: LATENCY * PAGES,
        memory,
    }
}

fn delete() -> Row {
    let far = blobs();
    let driver = driver(&far, |parameters| parameters);
    let (wall, memory) = measured(|| driver.delete("/docker/registry/v2/blobs").unwrap());
    assert!(far.objects().is_empty());
    let (lists, deletes) = (far.count("ListObjectsV2"), far.count("DeleteObjects"));
    Row {
        work: format!("delete {KEYS} files ({lists} listings, {deletes} deletions)"),
        wall,
        // The last deletion follows the last page.
        ideal: LATENCY * (1 + (PAGES - 1).div_ceil(4) + 1),
        // Each page is followed by its deletion, and then by the next page.
        go: LATENCY * PAGES * 2,
        memory,
    }
}

fn small(concurrency: u64) -> Row {
    let far = far(80 * MB);
    let driver = driver(&far, |parameters| parameters);
    let keys: Vec<String> = (0..SMALL).map(|n| format!("links/{n:06}")).collect();
    let transfer = Transfer::new(driver.client()).concurrency(nonzero(concurrency));
    let content = vec![7; 4 << 10];
    let (wall, memory) = measured(|| {
        let settings = ObjectSettings::default();
        transfer
            .each(&keys, |client, key| client.put_object(BUCKET, key, &content, &settings))
            .unwrap();
        let get = GetObject::default();
        let sizes = transfer.each(&keys, |client, key| {
            Ok(client.get_object(BUCKET, key, &get)?.read_all(8 << 10)?.len())
        });
        assert!(sizes.unwrap().iter().all(|size| *size == 4 << 10));
    });
    Row {
        work: format!("put and get {SMALL} objects of 4 KiB, {concurrency} at once"),
        wall,
        ideal: LATENCY * SMALL * 2 / u32::try_from(concurrency).unwrap(),
        go: LATENCY * SMALL * 2,
        memory,
    }
}
