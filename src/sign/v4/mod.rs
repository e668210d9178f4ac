//! AWS Signature Version 4 (AWS4-HMAC-SHA256) as S3 understands it.
//!
//! Each file follows one page of the S3 API reference: `header.rs` the [Authorization
//! header][header], `query.rs` the [query parameters][query], `post.rs` [POST][post]. `key.rs`
//! derives the key for all of them. Bodies that are signed piece by piece continue in
//! [`chunked`](super::chunked).
//!
//! A [`SigningKey`] signs with what it was derived from. The functions of this module derive one
//! for a single request.
//!
//! [header]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
//! [query]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
//! [post]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
use super::hash::{EMPTY_SHA256, Hex, PayloadHash, sha256};
use super::request::PathRule;
use super::{Credentials, Error, PostForm, PostPolicy, Presigned, Request, Signed};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

mod header;
mod key;
mod post;
mod query;
pub use header::Authorization;
#[cfg(feature = "sigv4a")]
pub(super) use header::REQUIRED;
pub use key::SigningKey;
#[cfg(feature = "sigv4a")]
pub(super) use query::{check_expiry, presigned_headers};

/// The shortest life of a presigned URL (`X-Amz-Expires`).
pub const MIN_EXPIRY: Duration = Duration::from_secs(1);
/// The longest life of a presigned URL: seven days, the age at which a signing key ends.
pub const MAX_EXPIRY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last part of every credential scope.
pub(super) const TERMINATOR: &str = "aws4_request";

/// The region and the service a signature is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Such as `eu-central-1`.
    pub region: &'a str,
    /// `s3`, `s3express`, `sts`, ... Services whose names begin with `s3` want the header
    /// `x-amz-content-sha256`, and sign the path as it is sent.
    pub service: &'a str,
}

/// How the body is covered by the signature: the value of `x-amz-content-sha256`.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// The SHA-256 of these bytes.
    Bytes(&'a [u8]),
    /// A SHA-256 computed before.
    Hash(&'a [u8; 32]),
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`.
    StreamingSigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`.
    StreamingSignedTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    StreamingUnsignedTrailer,
}

/// Signs with the `Authorization` header.
///
/// The headers to send are `x-amz-date`, `x-amz-content-sha256` (see [`Scope::service`]),
/// `x-amz-security-token` (or `x-amz-s3session-token`) and `authorization`.
///
/// # Errors
/// The [`Error`]s for parts that cannot be sent as given, for a request without `host`, and for
/// headers and parameters that contradict the signature.
pub fn sign(
    request: &Request<'_>,
    payload: Payload<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<Signed, Error> {
    SigningKey::derive(credentials, time, scope)?.sign(request, payload, time)
}

/// Signs in the query, for a URL that lives `expires` (1 second to 7 days, in whole seconds). All
/// headers of the request are signed; those other than `host` have to be sent as they were signed.
///
/// S3 expects [`Payload::Unsigned`]. It learns the hash of a body that is covered from the header
/// `x-amz-content-sha256`, which therefore has to be among the request's headers; other services
/// hash the body they get.
///
/// # Errors
/// As for [`sign`], and [`Error::ExpiryOutOfRange`].
pub fn presign(
    request: &Request<'_>,
    payload: Payload<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
    expires: Duration,
) -> Result<Presigned, Error> {
    SigningKey::derive(credentials, time, scope)?.presign(request, payload, time, expires)
}

/// Returns the form fields of a browser's upload under `policy`. Conditions for `x-amz-algorithm`,
/// `x-amz-credential`, `x-amz-date` and, with temporary credentials, the session token are added:
/// S3 wants each of these fields named in the policy.
///
/// # Errors
/// As for [`sign`], and the [`Error`]s of a policy that cannot be written.
pub fn post_policy(
    policy: &PostPolicy,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<PostForm, Error> {
    SigningKey::derive(credentials, time, scope)?.post_policy(policy, time)
}

/// Returns the form fields for a policy document that is finished, in base64, with all conditions
/// in it.
///
/// # Errors
/// As for [`sign`], and [`Error::PolicyEncoding`].
pub fn sign_post_policy(
    policy: &str,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<PostForm, Error> {
    SigningKey::derive(credentials, time, scope)?.sign_post_policy(policy, time)
}

/// Returns whether a service follows S3's rules: the path is signed as it is sent, and
/// `x-amz-content-sha256` is required. `s3`, `s3express`, `s3-outposts` and `s3-object-lambda` do.
pub(super) fn is_s3(service: &str) -> bool {
    service.starts_with("s3")
}

/// Returns the rule for the path: the request's own, or the service's.
pub(super) fn path_rule(request: &Request<'_>, service: &str) -> PathRule {
    match request.path_rule {
        Some(rule) => rule,
        None if is_s3(service) => PathRule::AsSent,
        None => PathRule::NormalizedAndEncoded,
    }
}

impl Payload<'_> {
    pub(super) fn hash(&self) -> PayloadHash {
        match self {
            Self::Bytes([]) => PayloadHash::Named(EMPTY_SHA256),
            Self::Bytes(bytes) => PayloadHash::Hex(Hex::of(&sha256(bytes))),
            Self::Hash(hash) => PayloadHash::Hex(Hex::of(hash)),
            Self::Unsigned => PayloadHash::Named("UNSIGNED-PAYLOAD"),
            Self::StreamingSigned => PayloadHash::Named("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            Self::StreamingSignedTrailer => {
                PayloadHash::Named("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
            }
            Self::StreamingUnsignedTrailer => {
                PayloadHash::Named("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            }
        }
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            other => f.write_str(&other.hash()),
        }
    }
}

#[cfg(test)]
mod tests;
