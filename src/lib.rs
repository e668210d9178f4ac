//! A container registry's storage driver for Amazon S3 and what speaks its API, the S3 client under it, written by hand,
//! and a CloudFront signer beside it. Synchronous, without an async runtime and without `unsafe`.
//!
//! # A first program
//!
//! ```no_run
//! use s3driver::StorageDriver;
//! use s3driver::driver::{Parameters, S3Driver, WriteMode};
//! use std::io::{Read, Write};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // The registry's own option names. Without keys, AWS's chain of sources finds some.
//!     let parameters = Parameters::from_pairs([("region", "eu-central-1"), ("bucket", "docker.example.org")])?;
//!     let driver = S3Driver::new(&parameters)?;
//!
//!     let mut writer = driver.writer("/docker/registry/v2/blobs/layer", WriteMode::Create)?;
//!     writer.write_all(b"streamed in parts on threads")?;
//!     writer.commit()?; // now it is visible, whole
//!
//!     let mut layer = String::new();
//!     driver.reader("/docker/registry/v2/blobs/layer", 9)?.read_to_string(&mut layer)?;
//!     assert_eq!(layer, "in parts on threads");
//!     Ok(())
//! }
//! ```
//!
//! # The parts
//!
//! | module | what | feature |
//! |---|---|---|
//! | [`middleware`] | wrappers around a driver: redirects, rewritten paths, CloudFront's URLs | always; CloudFront's with `cloudfront` |
//! | [`driver`] | [`StorageDriver`], what a registry programs against, and `S3Driver` | the interface always, `S3Driver` with `client` |
//! | `transfer` | files and objects in many parts at once, on plain threads | `client` |
//! | `client` | one method per S3 operation | `client` |
//! | `credentials` | where keys come from, and when they are fetched anew | `client` |
//! | `observe` | every request, outcome and notice as an event; metrics for Prometheus | `client` |
//! | [`sign`] | signature versions 2 and 4 and aws-chunked: pure, every intermediate value visible | always |
//! | [`xml`] | S3's documents from bytes and back: pure, bounded, never panics | always |
//! | `cloudfront` | policies, signed URLs and cookies | `cloudfront` |
//!
//! # Features
//!
//! - `client` (on): the client and the driver. Brings rustls with ring.
//! - `cloudfront` (on): the CloudFront signer with RSA keys; with `client`, its middleware can fetch AWS's address ranges.
//! - `ecdsa` (off): ECDSA P-256 keys for CloudFront.
//! - `sigv4a` (off): SigV4A, signatures for a set of regions.
//! - `log` (off): `observe::Log`, which writes to the `log` crate, and the option `loglevel`.
//! - `serde` (off): `Deserialize` for the driver's parameters and for a registry's whole configuration.
//!
//! `default-features = false` leaves [`sign`] and [`xml`]: what an auditor reads and a fuzzer builds.

#[cfg(feature = "client")]
mod bounds;
#[cfg(feature = "client")]
pub mod cancel;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
#[cfg(feature = "cloudfront")]
pub mod cloudfront;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "client")]
pub mod credentials;
pub mod driver;
#[cfg(any(feature = "client", feature = "cloudfront"))]
mod duration;
pub mod error;
#[cfg(any(feature = "client", feature = "cloudfront"))]
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod middleware;
mod net;
#[cfg(feature = "client")]
pub mod observe;
pub mod sign;
mod sync;
mod text;
pub mod time;
#[cfg(feature = "client")]
pub mod transfer;
#[cfg(feature = "client")]
mod transport;
pub mod xml;

#[cfg(feature = "client")]
pub use cancel::Cancel;
pub use driver::StorageDriver;
pub use error::{Error, ErrorKind, Result};
