//! S3 signatures (version 4, version 2 and SigV4A) as pure functions that sign, verify and explain.
//!
//! Nothing here reads a clock or a file, or opens a socket. The request, the credentials and the
//! time are arguments; the result contains every intermediate value and what to send. To compare
//! the code with AWS's pages, read it in this order:
//!
//! 1. `encode.rs`: UriEncode ([`encode_path`], [`encode_component`]);
//! 2. `request.rs`, `syntax.rs` and `check.rs`: what is signed, and what is refused ([`Error`]);
//! 3. `canonical.rs`: task 1, the canonical request of [Signature Calculations for the
//!    Authorization Header][page];
//! 4. [`v4`]: tasks 2 and 3, with one file per page (header, query, POST), then [`chunked`] for
//!    bodies that are sent in chunks;
//! 5. [`v2`], and SigV4A in `v4a.rs` (feature `sigv4a`);
//! 6. [`verify`]: finding out who signed a request that a server received;
//! 7. [`explain`]: printing all steps of one signature, and finding out why a server computed a
//!    different one.
//!
//! S3 differs from the services that the general SigV4 pages describe: its paths are neither
//! normalized nor encoded a second time. Requests to other services (`sts`, `execute-api`) follow
//! the rule of the general pages. [`Request::path_rule`] overrides the rule for one request.
//!
//! ```
//! use s3driver::sign::{Credentials, Request, v4};
//! use s3driver::time::Timestamp;
//!
//! let request = Request::from_url("GET", "https://examplebucket.s3.amazonaws.com/test.txt")?.headers(&[("range", "bytes=0-9")]);
//! let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//! let scope = v4::Scope { region: "us-east-1", service: "s3" };
//! let time = Timestamp::from_unix(1_369_353_600);
//! let signed = v4::sign(&request, v4::Payload::Bytes(b""), &credentials, scope, time)?;
//! assert_eq!(signed.steps.signature, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
//! # Ok::<(), s3driver::sign::Error>(())
//! ```
//!
//! [page]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
mod canonical;
mod check;
pub mod chunked;
mod credentials;
mod encode;
mod error;
pub mod explain;
mod hash;
mod post;
mod redact;
mod request;
mod steps;
mod syntax;
pub mod v2;
pub mod v4;
#[cfg(feature = "sigv4a")]
pub mod v4a;
pub mod verify;
pub use credentials::Credentials;
#[cfg(feature = "client")]
pub(crate) use encode::push_path;
pub use encode::{encode_component, encode_path, query_string};
pub use error::{Error, UrlPart};
pub use post::{PostForm, PostPolicy};
pub use request::{PathRule, Request};
pub use steps::{Presigned, Signed, Steps, Version};

#[cfg(test)]
mod tests;
