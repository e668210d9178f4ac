//! Parses the command line and the environment into the work to perform.
use super::route::Outcome;
use s3driver::client::{Checksum, PayloadSigning};
use s3driver::sign::Credentials;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

/// The bucket for objects. Listings and deletions use other buckets.
pub(crate) const BUCKET: &str = "bench";
pub(crate) const REGION: &str = "us-east-1";

pub(crate) enum Order {
    Serve { certificate: Option<PathBuf> },
    Repeat { piece: String, count: u64 },
    Work(Work),
}

pub(crate) enum Work {
    Upload { source: Source, part: u64, concurrency: usize },
    Download { size: u64, part: u64, concurrency: usize },
    PutSmall { count: u64, size: usize, threads: usize },
    GetSmall { count: u64, size: usize, threads: usize },
    List { count: u64 },
    Delete { count: u64 },
}

/// The source of an upload's bytes.
pub(crate) enum Source {
    Memory(u64),
    File(PathBuf, u64),
}

impl Order {
    pub(crate) fn from_arguments(arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let arguments: Vec<String> = arguments.collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let work =
            match words[..] {
                ["serve"] => return Ok(Self::Serve { certificate: None }),
                ["serve", file] => return Ok(Self::Serve { certificate: Some((*file).into()) }),
                ["repeat", piece, count] => {
                    return Ok(Self::Repeat { piece: piece.to_owned(), count: number(count)? });
                }
                ["upload", source, part, concurrency] => Work::Upload {
                    source: Source::of(source)?,
                    part: mebibytes(part)?,
                    concurrency: number(concurrency)?,
                },
                ["download", size, part, concurrency] => Work::Download {
                    size: number(size)?,
                    part: mebibytes(part)?,
                    concurrency: number(concurrency)?,
                },
                ["put-small", count, size, threads] => Work::PutSmall {
                    count: number(count)?,
                    size: number(size)?,
                    threads: number(threads)?,
                },
                ["get-small", count, size, threads] => Work::GetSmall {
                    count: number(count)?,
                    size: number(size)?,
                    threads: number(threads)?,
                },
                ["list", count] => Work::List { count: number(count)? },
                ["delete", count] => Work::Delete { count: number(count)? },
                _ => return Err(
                    "unknown arguments: the first lines of this program's source list the commands"
                        .into(),
                ),
            };
        Ok(Self::Work(work))
    }
}

impl Work {
    /// Returns the bytes to send, for one part or one small object. Each byte depends on its
    /// position.
    pub(crate) fn data(&self) -> Vec<u8> {
        let length = match self {
            Self::Upload { source: Source::Memory(size), part, .. } => (*part).min(*size) as usize,
            Self::PutSmall { size, .. } => *size,
            _ => 0,
        };
        let mut state = 1_u64;
        let mut next = || {
            // This is Knuth's linear congruential generator. Only its high bits are sufficiently
            // random.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    pub(crate) const fn concurrency(&self) -> usize {
        match self {
            Self::Upload { concurrency, .. } | Self::Download { concurrency, .. } => *concurrency,
            Self::PutSmall { threads, .. } | Self::GetSmall { threads, .. } => *threads,
            Self::List { .. } | Self::Delete { .. } => 1,
        }
    }

    pub(crate) const fn part(&self) -> Option<u64> {
        match self {
            Self::Upload { part, .. } => Some(*part),
            _ => None,
        }
    }

    pub(crate) fn bucket(&self) -> String {
        match self {
            Self::List { count } | Self::Delete { count } => listed_bucket(*count),
            _ => BUCKET.to_owned(),
        }
    }
}

impl Source {
    fn of(word: &str) -> Outcome<Self> {
        if let Ok(size) = word.parse() {
            return Ok(Self::Memory(size));
        }
        let size = std::fs::metadata(word).map_err(|error| format!("{word}: {error}"))?.len();
        Ok(Self::File(word.into(), size))
    }

    pub(crate) const fn len(&self) -> u64 {
        match self {
            Self::Memory(size) | Self::File(_, size) => *size,
        }
    }
}

/// The configuration of the client or the driver.
pub(crate) struct Setting {
    pub(crate) endpoint: String,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) payload: PayloadSigning,
    pub(crate) checksum: Checksum,
    pub(crate) credentials: Credentials,
    pub(crate) observed: Observed,
}

/// Who receives the client's events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Observed {
    ByNone,
    /// An observer that does nothing, so that only the events themselves cost something.
    ByIdle,
    ByMetrics,
}

impl Setting {
    pub(crate) fn from_environment() -> Outcome<Self> {
        let endpoint = std::env::var("BENCH_ENDPOINT").map_err(|_| "BENCH_ENDPOINT is not set")?;
        let unsigned = std::env::var_os("BENCH_UNSIGNED").is_some();
        Ok(Self {
            ca_file: std::env::var_os("BENCH_CA")
                .filter(|_| endpoint.starts_with("https:"))
                .map(PathBuf::from),
            endpoint,
            payload: if unsigned { PayloadSigning::Unsigned } else { PayloadSigning::Auto },
            checksum: match std::env::var("BENCH_CHECKSUM").as_deref() {
                // Benchmark servers return the same ETag for everything, and the other clients do
                // not compare ETags.
                Err(_) => Checksum::None,
                Ok("crc64nvme") => Checksum::Crc64Nvme,
                Ok("crc32c") => Checksum::Crc32c,
                Ok(other) => return Err(format!("BENCH_CHECKSUM={other} is not known").into()),
            },
            credentials: Credentials::new(
                "AKIAIOSFODNN7EXAMPLE",
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            ),
            observed: match std::env::var("BENCH_OBSERVED").as_deref() {
                Err(_) => Observed::ByNone,
                Ok("idle") => Observed::ByIdle,
                Ok("1" | "metrics") => Observed::ByMetrics,
                Ok(other) => return Err(format!("BENCH_OBSERVED={other} is not known").into()),
            },
        })
    }
}

pub(crate) fn big_key(size: u64) -> String {
    format!("obj-{size}")
}

/// Writes the key into `key`, so that only the client's allocations are counted.
pub(crate) fn small_key(key: &mut String, index: u64, size: usize) -> &str {
    key.clear();
    // Writing to a `String` cannot fail.
    let _ = write!(key, "small/{index:08}-{size}");
    key
}

pub(crate) fn listed_bucket(count: u64) -> String {
    format!("list-{count}")
}

pub(crate) fn listed_key(index: u64) -> String {
    format!("key-{index:012}-4096")
}

/// Returns a number of threads in the type that the crate expects.
pub(crate) fn at_least_one(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

fn number<T: FromStr>(word: &str) -> Outcome<T> {
    word.parse().map_err(|_| format!("{word} is not a number in range").into())
}

fn mebibytes(word: &str) -> Outcome<u64> {
    Ok(number::<u64>(word)? << 20)
}
