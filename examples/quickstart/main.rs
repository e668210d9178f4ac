//! Demonstrates the main use case from end to end: stores real files in an S3 server as a
//! registry's blobs, reads them back, and compares them.
//!
//! ```sh
//! cargo run --release --example quickstart [FOLDER]
//! ```
//!
//! Without further settings it starts an embedded server that verifies every signature. To use
//! another server, set `S3_ENDPOINT`, `S3_ACCESS_KEY`, `S3_SECRET_KEY`, `S3_REGION`, `S3_BUCKET`
//! (and `S3_TLS_CA`, a file with its CA), or `S3_BUCKET` with AWS's own `AWS_REGION`,
//! `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_ENDPOINT_URL`. With
//! `--serve` instead of a folder, it only runs the embedded server and prints its settings.
//! Everything is stored in a separate directory and removed at the end.

#[path = "../../tests/support/mod.rs"]
mod support;

mod files;
mod server;
mod url;

use files::Blob;
use s3driver::driver::{
    FileKind, Method, S3Driver, StorageDriver, UrlOptions, WalkOptions, WalkStep, WriteMode,
};
use server::Target;
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The number of files that are stored or read concurrently.
const THREADS: usize = 4;
/// Files up to this size are stored with one call; larger ones are streamed through a writer.
const SMALL: u64 = 1 << 20;
/// The size of each read and write.
const PIECE: usize = 1 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome {
    if std::env::args().nth(1).as_deref() == Some("--serve") {
        return server::serve();
    }
    let folder = std::env::args_os().nth(1).map(Into::into);
    let target = Target::from_environment()?;
    let driver = target.driver()?;
    println!("server   {}", target.description);
    println!("bucket   {}, below {}", target.bucket, target.root);
    driver.probe()?;

    let blobs = files::collect(folder)?;
    let bytes: u64 = blobs.iter().map(|blob| blob.size).sum();
    println!("files    {} blobs, {:.1} MB", blobs.len(), megabytes(bytes));

    // Cleans up even after a failure.
    let result = store_read_and_find(&driver, &target, &blobs, bytes);
    let cleaned = clean(&driver);
    let rates = result?;
    cleaned?;
    target.nothing_is_left()?;

    let stats = driver.client().stats();
    println!();
    println!("objects      {:>10}", blobs.len());
    println!("bytes        {:>10.1} MB", megabytes(bytes));
    println!("stored at    {:>10.1} MB/s", rates.stored);
    println!("read at      {:>10.1} MB/s, every digest equal", rates.read);
    println!("requests     {:>10}, {} of them retries", stats.requests, stats.retries);
    println!("connections  {:>10}", stats.connections);
    println!("leftovers    {:>10}", "none");
    Ok(())
}

struct Rates {
    stored: f64,
    read: f64,
}

fn store_read_and_find(
    driver: &S3Driver,
    target: &Target,
    blobs: &[Blob],
    bytes: u64,
) -> Outcome<Rates> {
    let stored = on_threads("storing", blobs, bytes, |blob, piece| store(driver, blob, piece))?;
    let read = on_threads("reading", blobs, bytes, |blob, piece| read_back(driver, blob, piece))?;
    find(driver, blobs)?;
    share(target, &blobs[0])?;
    change(driver, blobs)?;
    Ok(Rates {
        stored: megabytes(bytes) / stored.as_secs_f64(),
        read: megabytes(bytes) / read.as_secs_f64(),
    })
}

/// Stores one file under its digest. `piece` is called with the number of bytes as they are
/// written.
fn store(driver: &S3Driver, blob: &Blob, piece: &dyn Fn(u64)) -> Outcome {
    let mut file = File::open(&blob.file)?;
    if blob.size <= SMALL {
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        driver.put_content(&blob.path(), &content)?;
        piece(blob.size);
        return Ok(());
    }
    let mut writer = driver.writer(&blob.path(), WriteMode::Create)?;
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => writer.write_all(&buffer[..n])?,
        }
        piece(PIECE as u64);
    }
    Ok(writer.commit()?)
}

/// Reads one blob back and compares its digest.
fn read_back(driver: &S3Driver, blob: &Blob, piece: &dyn Fn(u64)) -> Outcome {
    let mut reader = driver.reader(&blob.path(), 0)?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            n => {
                digest.update(&buffer[..n]);
                piece(n as u64);
            }
        }
    }
    let found = hex::encode(digest.finalize());
    if found == blob.digest {
        Ok(())
    } else {
        Err(format!("{} was read back with the digest {found}", blob.path()).into())
    }
}

/// Checks that stat, list and walk agree on the stored blobs.
fn find(driver: &S3Driver, blobs: &[Blob]) -> Outcome {
    for blob in blobs {
        let info = driver.stat(&blob.path())?;
        if (info.kind, info.size) != (FileKind::File, blob.size) {
            return Err(format!("stat of {} returned {info:?}", blob.path()).into());
        }
    }
    let mut listed = 0;
    for shard in driver.list(files::BLOBS)? {
        listed += driver.list(&shard)?.len();
    }
    let mut walked = 0;
    driver.walk("/docker", &WalkOptions::default(), &mut |info| {
        walked += usize::from(info.kind == FileKind::File);
        Ok(WalkStep::Continue)
    })?;
    if (listed, walked) != (blobs.len(), blobs.len()) {
        return Err(format!(
            "{} blobs were stored, {listed} listed and {walked} walked",
            blobs.len()
        )
        .into());
    }
    println!("found    {} by stat, list and walk", blobs.len());
    Ok(())
}

/// Moves some blobs away and back, and deletes one.
fn change(driver: &S3Driver, blobs: &[Blob]) -> Outcome {
    let some = blobs.iter().take(3);
    for blob in some.clone() {
        let elsewhere =
            format!("/docker/registry/v2/repositories/quickstart/_uploads/{}/data", blob.digest);
        driver.rename(&blob.path(), &elsewhere)?;
        driver.rename(&elsewhere, &blob.path())?;
        read_back(driver, blob, &|_| {})?;
    }
    let moved = some.count();
    let last = &blobs[blobs.len() - 1];
    driver.delete(&last.path())?;
    match driver.stat(&last.path()) {
        Err(error) if error.is_not_found() => {}
        other => {
            return Err(format!("{} was deleted, but stat returned {other:?}", last.path()).into());
        }
    }
    println!("changed  {moved} moved and moved back, 1 deleted");
    Ok(())
}

/// Prints presigned URLs of both versions and fetches each of them.
fn share(target: &Target, blob: &Blob) -> Outcome {
    for (version, driver) in target.drivers_by_signature()? {
        let options = UrlOptions::new(Method::Get).expires_in(Duration::from_secs(300));
        let address = driver.url_for(&blob.path(), &options)?;
        println!("url      {version}: {address}");
        let content = url::fetch(&address, target.ca_file.as_deref())?;
        if hex::encode(Sha256::digest(&content)) != blob.digest {
            return Err(format!("the {version} URL returned other content").into());
        }
    }
    Ok(())
}

fn clean(driver: &S3Driver) -> Outcome {
    for path in driver.list("/")? {
        match driver.delete(&path) {
            // SeaweedFS keeps listing folders that have become empty.
            Err(error) if error.is_not_found() => {}
            result => result?,
        }
    }
    Ok(())
}

/// Runs `work` for every blob on several threads and stops at the first error. Returns the elapsed
/// time.
fn on_threads(
    what: &'static str,
    blobs: &[Blob],
    bytes: u64,
    work: impl Fn(&Blob, &dyn Fn(u64)) -> Outcome + Sync,
) -> Outcome<Duration> {
    let bar = if std::io::stderr().is_terminal() {
        indicatif::ProgressBar::new(bytes)
    } else {
        indicatif::ProgressBar::hidden()
    };
    let style = indicatif::ProgressStyle::with_template(
        "{msg:8} {bar:40} {bytes}/{total_bytes} {bytes_per_sec}",
    )?;
    bar.set_style(style);
    bar.set_message(what);
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let result = std::thread::scope(|scope| {
        let worker = || -> Outcome {
            while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = work(blob, &|n| bar.inc(n)) {
                    next.store(blobs.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
            Ok(())
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    });
    bar.finish_and_clear();
    result.map(|()| started.elapsed())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
