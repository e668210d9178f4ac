//! Signatures of S3, versions 4 and 2, as pure functions.
//!
//! Nothing here asks a clock, reads a file or opens a socket: a request's parts, credentials and the time go in; every
//! intermediate value and what to send come out. To follow the code beside AWS's page [Signature Calculations for the
//! Authorization Header][page], read [`encode_component`] (UriEncode), `canonical.rs` (task 1), [`v4`] (tasks 2 and 3),
//! then [`chunked`]. Version 2 stands alone in [`v2`]. [`explain`] prints all of it for one request, and tells why a
//! server came to another signature.
//!
//! S3 differs from the services that the general SigV4 pages describe, and S3's rules count here: the path is signed as
//! it is sent, never normalised and never encoded a second time.
//!
//! ```
//! use s3driver::sign::{Credentials, Request, v4};
//! use s3driver::time::Timestamp;
//!
//! let request = Request {
//!     method: "GET",
//!     path: "/test.txt",
//!     query: &[],
//!     headers: &[("host", "examplebucket.s3.amazonaws.com"), ("range", "bytes=0-9")],
//! };
//! let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//! let scope = v4::Scope { region: "us-east-1", service: "s3" };
//! let time = Timestamp::from_unix(1_369_353_600);
//! let signed = v4::sign(&request, v4::Payload::Bytes(b""), &credentials, scope, time)?;
//! assert_eq!(signed.steps.signature, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
//! # Ok::<(), s3driver::sign::Error>(())
//! ```
//!
//! [page]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
use std::fmt;
use std::time::Duration;

mod canonical;
pub mod chunked;
mod credentials;
mod encode;
pub mod explain;
mod hash;
mod post;
mod redact;
mod steps;
pub mod v2;
pub mod v4;
pub use credentials::Credentials;
#[cfg(feature = "client")]
pub(crate) use encode::push_path;
pub use encode::{encode_component, encode_path, query_string};
pub use post::{PostForm, PostPolicy};
pub use steps::{Presigned, Signed, Steps, Version};

/// What is signed: borrowed parts, exactly as they go over the wire.
///
/// `Debug` leaves out session tokens and customer-provided encryption keys.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `PUT`, ...
    pub method: &'a str,
    /// The path as sent: already percent-encoded (see [`encode_path`]), never normalised.
    pub path: &'a str,
    /// Decoded pairs in the order they are sent. An empty value is sent as a bare name (`?acl`).
    pub query: &'a [(&'a str, &'a str)],
    /// Every header that is to be signed, `host` among them. A name may occur more than once; its values are joined in
    /// the order given.
    pub headers: &'a [(&'a str, &'a str)],
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, query, headers } = self;
        f.debug_struct("Request")
            .field("method", method)
            .field("path", path)
            .field("query", &redact::Pairs(query))
            .field("headers", &redact::Pairs(headers))
            .finish()
    }
}

/// Why a request cannot be signed. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Presigned URLs of version 4 live for 1 second to 7 days.
    ExpiryOutOfRange(Duration),
    /// No `host` header was given: without one version 4 cannot sign.
    MissingHost,
    /// Anything else, told in a sentence.
    Invalid(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpiryOutOfRange(expires) => write!(
                f,
                "a presigned URL cannot live for {} s: choose from 1 s to {} s (7 days)",
                expires.as_secs_f64(),
                v4::MAX_EXPIRY.as_secs()
            ),
            Self::MissingHost => {
                f.write_str("the request has no host header, which every signature of version 4 covers: add it")
            }
            Self::Invalid(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sentences() {
        assert_eq!(
            Error::ExpiryOutOfRange(Duration::from_millis(500)).to_string(),
            "a presigned URL cannot live for 0.5 s: choose from 1 s to 604800 s (7 days)"
        );
        assert!(Error::MissingHost.to_string().contains("host"));
        assert_eq!(Error::Invalid("a sentence".into()).to_string(), "a sentence");
    }

    #[test]
    fn debug_of_a_request_keeps_secrets() {
        let request = Request {
            method: "GET",
            path: "/key",
            query: &[("X-Amz-Security-Token", "s3cret1"), ("prefix", "shown")],
            headers: &[
                ("x-amz-security-token", "s3cret2"),
                ("X-Amz-Server-Side-Encryption-Customer-Key", "s3cret3"),
                ("Authorization", "s3cret4"),
                ("host", "example.com"),
            ],
        };
        let text = format!("{request:?}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("example.com") && text.contains("shown") && text.contains("redacted"), "{text}");
    }
}
