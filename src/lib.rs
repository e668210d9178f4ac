//! A container registry's storage driver for Amazon S3 and compatible services, the handwritten S3
//! client that it uses, and a CloudFront signer. The crate is synchronous: it does not need an
//! async runtime, and does not contain `unsafe` code.
//!
//! - **Programs that are not async** use [`driver`], a registry's storage driver, or `client`,
//!   which reads and writes any key of any bucket.
//! - **Auditors of signing code** can compare [`sign`] with AWS's pages. It makes, verifies and
//!   explains signatures, and returns every intermediate value.
//! - **Programs that parse or fuzz S3's XML** use [`xml`], which parses documents in bounded time,
//!   memory and depth.
//!
//! # A first program
//!
//! ```no_run
//! use s3driver::StorageDriver;
//! use s3driver::driver::{Parameters, S3Driver, WriteMode};
//! use std::io::{Read, Write};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // The registry's own option names. Without keys, AWS's chain of credential sources is used.
//!     let parameters = Parameters::from_pairs([
//!         ("region", "eu-central-1"),
//!         ("bucket", "docker.example.org"),
//!     ])?;
//!     let driver = S3Driver::new(&parameters)?;
//!
//!     let mut writer = driver.writer("/docker/registry/v2/blobs/layer", WriteMode::Create)?;
//!     writer.write_all(b"streamed in parts on threads")?;
//!     writer.commit()?; // the complete file is visible from here on
//!
//!     let mut layer = String::new();
//!     driver.reader("/docker/registry/v2/blobs/layer", 9)?.read_to_string(&mut layer)?;
//!     assert_eq!(layer, "in parts on threads");
//!     Ok(())
//! }
//! ```
//!
//! # Modules
//!
//! | module | contents | feature |
//! |---|---|---|
//! | [`middleware`] | wrappers around a driver: redirects, rewritten URLs, CloudFront URLs | always; CloudFront with `cloudfront` |
//! | [`driver`] | [`StorageDriver`], the interface that a registry programs against, and `S3Driver` | the interface always, `S3Driver` with `client` |
//! | `transfer` | transfers of files and objects in parallel parts, on plain threads | `client` |
//! | `client` | one method per S3 operation | `client` |
//! | `credentials` | sources of access keys, and their renewal | `client` |
//! | `observe` | every request, outcome and notice as an event; metrics for Prometheus | `client` |
//! | `cancel` | a token that cancels long operations from another thread | `client` |
//! | `duration` | durations as people write them | `client` or `cloudfront` |
//! | [`error`] | the error type of the whole crate, and the kinds of failures | always |
//! | [`time`] | points in time, in the formats that S3 uses | always |
//! | [`clock`] | time and randomness as arguments, so that tests can control them | always |
//! | [`sign`] | signature versions 2 and 4 and aws-chunked: pure functions that expose every intermediate value | always |
//! | [`xml`] | parsers and writers of S3's documents: pure, bounded, never panicking | always |
//! | `cloudfront` | policies, signed URLs and signed cookies | `cloudfront` |
//! | `conformance` | a test suite for any [`StorageDriver`] | `conformance` |
//!
//! # Features
//!
//! - `client` (on): the client and the driver. Depends on rustls with ring.
//! - `cloudfront` (on): the CloudFront signer with RSA keys. Together with `client`, its middleware
//!   can fetch AWS's address ranges.
//! - `ecdsa` (off): ECDSA P-256 keys for CloudFront.
//! - `sigv4a` (off): SigV4A, signatures that are valid in a set of regions.
//! - `conformance` (off): a test suite for any [`StorageDriver`].
//! - `ureq` (off): `Config::agent`, which sends all requests through a `ureq::Agent`.
//! - `truststore` (off): `client::TrustStore::System`, the certificate authorities of the operating
//!   system.
//! - `log` (off): `observe::Log`, which writes to the `log` crate, and the option `loglevel`.
//! - `serde` (off): `Deserialize` for the driver's parameters and for a registry's whole
//!   configuration.
//! - `cli` (off): the command-line tool `s3driver`, which libraries do not need.
//!
//! With `default-features = false`, [`sign`] and [`xml`] remain, which auditors read and fuzzers
//! build, and everything in [`driver`] and [`middleware`] that needs neither the client nor
//! CloudFront.
#![cfg_attr(docsrs, feature(doc_cfg))]

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
pub mod duration;
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

/// Compiles the programs of the README.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../README.md")]
mod readme {}

/// Compiles the examples of `docs/transports.md`.
#[cfg(all(doctest, feature = "ureq"))]
#[doc = include_str!("../docs/transports.md")]
mod transports {}
