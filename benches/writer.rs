//! Measures how many threads a writer should have, by streaming a file with 1 to 16 threads.
//!
//! ```sh
//! cargo bench --bench writer
//! ```
//!
//! By default it uses the embedded server, which discards the data, with 25 ms to the first byte of
//! each response, as in a nearby S3 region. If `S3_ENDPOINT` and related variables are set, it uses
//! that server instead. The configurations are measured in turns, and the median of each is
//! printed.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

#[path = "../tests/support/mod.rs"]
mod support;

use s3driver::clock::{Clock, SystemClock};
use s3driver::driver::{Parameters, S3Driver, StorageDriver, WriteMode};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};
use support::{Server, ServerOptions};

const SIZE: usize = 128 << 20;
const ROUNDS: usize = 3;
const THREADS: [usize; 6] = [1, 2, 4, 6, 8, 16];
const LATENCY: Duration = Duration::from_millis(25);

fn main() {
    let server = std::env::var("S3_ENDPOINT").is_err().then(|| {
        let server =
            Server::start(ServerOptions { discard_bodies: true, ..ServerOptions::default() });
        server.delay(LATENCY);
        server
    });
    let root = format!("bench-{:016x}", SystemClock.random());
    let drivers = THREADS.map(|threads| driver(server.as_ref(), &root, threads));
    let piece = vec![0x5a; 1 << 20];
    let mut rates = [const { Vec::new() }; THREADS.len()];
    for round in 0..=ROUNDS {
        for (rates, driver) in rates.iter_mut().zip(&drivers) {
            let started = Instant::now();
            let mut writer = driver.writer("/layer", WriteMode::Create).unwrap();
            for _ in 0..SIZE / piece.len() {
                writer.write_all(&piece).unwrap();
            }
            writer.commit().unwrap();
            // The first round is a warm-up and is not counted.
            if round > 0 {
                rates.push(SIZE as f64 / 1e6 / started.elapsed().as_secs_f64());
            }
        }
    }
    println!("{:>8} {:>10} {:>12}", "threads", "MB/s", "buffers");
    for (threads, mut rates) in THREADS.into_iter().zip(rates) {
        rates.sort_by(f64::total_cmp);
        println!("{threads:>8} {:>10.0} {:>8} MiB", rates[ROUNDS / 2], (threads + 1) * 10);
    }
    drivers[0].delete("/layer").unwrap();
}

fn driver(server: Option<&Server>, root: &str, threads: usize) -> S3Driver {
    let get = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (endpoint, access_key, secret_key, bucket) = match server {
        Some(s) => (
            s.endpoint(),
            s.access_key().to_owned(),
            s.secret_key().to_owned(),
            s.bucket().to_owned(),
        ),
        None => (get("S3_ENDPOINT"), get("S3_ACCESS_KEY"), get("S3_SECRET_KEY"), get("S3_BUCKET")),
    };
    let parameters = Parameters::builder(bucket)
        .endpoint(endpoint)
        .credentials(&s3driver::sign::Credentials::new(access_key, secret_key))
        .root_directory(root)
        .concurrency(NonZeroUsize::new(threads).unwrap());
    S3Driver::new(&parameters.build().unwrap()).unwrap()
}
