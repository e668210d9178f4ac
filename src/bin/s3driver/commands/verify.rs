use crate::each::for_each;
use crate::failure::{Exit, Failure, Outcome};
use crate::location::S3Url;
use crate::text::shown;
use crate::tool::Tool;
use clap::Args;
use s3driver::StorageDriver as _;
use s3driver::driver::{FileKind, S3Driver, WalkOptions, WalkStep};
use s3driver::{Error, ErrorKind};
use serde_json::json;
use sha2::{Digest, Sha256, Sha512};
use std::io::Read as _;
use std::num::NonZeroU8;
use std::sync::Mutex;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

/// The directory of a registry's blobs.
const BLOBS: &str = "/docker/registry/v2/blobs";

/// The number of blobs that can be found before the threads read them.
const WAITING: usize = 1024;

/// The number of bytes that are read and digested at a time.
const BLOCK: usize = 256 << 10;

/// Reads the blobs of a registry and compares them with their digests
///
/// Ends with exit code 5 when a blob is damaged.
#[derive(Args)]
pub(crate) struct Verify {
    /// The bucket, s3://bucket; otherwise that of the configuration
    location: Option<S3Url>,
    /// Blobs that are read at the same time
    #[arg(long, default_value = "4", value_parser = threads)]
    threads: NonZeroU8,
}

/// The numbers of blobs and bytes that have been verified so far.
#[derive(Default)]
struct Report {
    blobs: u64,
    bytes: u64,
    damaged: u64,
}

impl Verify {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let bucket = tool.bucket(self.location.as_ref())?;
        let driver = &bucket.driver;
        let report = Mutex::new(Report::default());
        let bar = tool.bars.total();
        let (sender, paths) = mpsc::sync_channel(WAITING);
        let (walked, verified) = thread::scope(|scope| {
            let walk = scope.spawn(move || find_blobs(driver, &sender));
            let transfer = bucket.transfer_with(self.threads.into());
            let verified = for_each(&transfer, paths.into_iter(), |path: String| {
                let (bytes, damage) = examine(driver, &path)?;
                let mut report = report.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                report.blobs = report.blobs.saturating_add(1);
                report.bytes = report.bytes.saturating_add(bytes);
                bar.advance(bytes, 0);
                bar.count(report.blobs);
                let Some(damage) = damage else { return Ok(()) };
                report.damaged = report.damaged.saturating_add(1);
                bar.suspend(|| {
                    tool.output.print(
                        || format!("damaged {}: {damage}", shown(&path)),
                        || json!({ "path": path, "damage": damage }),
                    )
                })
            });
            (walk.join(), verified)
        });
        drop(bar);
        verified?;
        match walked {
            Ok(walked) => walked?,
            Err(_) => {
                return Err(Failure::new(Exit::Failure, "the walk through the blobs panicked"));
            }
        }
        let report = report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Report { blobs, bytes, damaged } = report;
        if blobs == 0 {
            let text = format!("no blob is stored at {BLOBS} below the root directory");
            return Err(Failure::new(Exit::NotFound, text));
        }
        tool.output.print(
            || {
                format!(
                    "{blobs} blobs with {bytes} bytes were verified, {damaged} of them are damaged"
                )
            },
            || json!({ "blobs": blobs, "bytes": bytes, "damaged": damaged }),
        )?;
        if damaged > 0 {
            return Err(Failure::new(Exit::CheckFailed, format!("{damaged} blobs are damaged")));
        }
        Ok(())
    }
}

/// The greatest number of threads.
const MOST_THREADS: u8 = 64;

fn threads(text: &str) -> Result<NonZeroU8, String> {
    let number = text.parse().ok().filter(|number: &NonZeroU8| number.get() <= MOST_THREADS);
    number.ok_or_else(|| format!("it is not a number from 1 to {MOST_THREADS}"))
}

/// Sends the path of every blob to the threads that read the blobs.
fn find_blobs(driver: &S3Driver, paths: &SyncSender<String>) -> Outcome {
    let walked = driver.walk(BLOBS, &WalkOptions::default(), &mut |file| {
        if file.kind != FileKind::File || !file.path.ends_with("/data") {
            return Ok(WalkStep::Continue);
        }
        // When there is no receiver, the threads have failed, and their failure is reported.
        let sent = paths.send(file.path.clone());
        Ok(if sent.is_ok() { WalkStep::Continue } else { WalkStep::Stop })
    });
    walked.map_err(Failure::from)
}

/// Reads a blob. Returns its size and, if it is damaged, a description of the damage.
fn examine(driver: &S3Driver, path: &str) -> Outcome<(u64, Option<String>)> {
    let mut components = path.rsplit('/').skip(1);
    let (digest, algorithm) = (components.next().unwrap_or(""), components.nth(1).unwrap_or(""));
    let read = match algorithm {
        "sha256" => read::<Sha256>(driver, path),
        "sha512" => read::<Sha512>(driver, path),
        _ => return Ok((0, Some(format!("its algorithm {algorithm} is not known")))),
    };
    match read {
        Ok((bytes, found)) if found == digest => Ok((bytes, None)),
        Ok((bytes, found)) => Ok((bytes, Some(format!("its content has the digest {found}")))),
        Err(error) if error.kind() == ErrorKind::Integrity => Ok((0, Some(error.to_string()))),
        // A garbage collection may remove blobs at the same time.
        Err(error) if error.is_not_found() => Ok((0, None)),
        Err(error) => Err(error.into()),
    }
}

/// Reads a file and returns its size and digest.
fn read<D: Digest>(driver: &S3Driver, path: &str) -> Result<(u64, String), Error> {
    let mut reader = driver.reader(path, 0)?;
    let (mut digest, mut bytes) = (D::new(), 0_u64);
    let mut block = vec![0; BLOCK];
    loop {
        let count = reader.read(&mut block)?;
        if count == 0 {
            return Ok((bytes, hex::encode(digest.finalize())));
        }
        digest.update(block.get(..count).unwrap_or(&[]));
        bytes = bytes.saturating_add(count as u64);
    }
}
