//! AWS Signature Version 4 (AWS4-HMAC-SHA256) as S3 implements it.
//!
//! Each file follows one page of the S3 API reference: `header.rs` the [Authorization
//! header][header], `query.rs` the [query parameters][query], `post.rs` [POST][post]. `key.rs`
//! derives the key for all of them. Bodies that are signed in chunks continue in
//! [`chunked`](super::chunked).
//!
//! A [`SigningKey`] can sign many requests. The functions of this module derive one for a single
//! request.
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

/// The shortest lifetime of a presigned URL (`X-Amz-Expires`).
pub const MIN_EXPIRY: Duration = Duration::from_secs(1);
/// The longest lifetime of a presigned URL: seven days, after which a signing key is no longer
/// valid.
pub const MAX_EXPIRY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The value of `x-amz-content-sha256` for a body that the signature does not cover.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The last part of every credential scope.
pub(super) const TERMINATOR: &str = "aws4_request";

/// The region and the service for which a signature is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The region, such as `eu-central-1`.
    pub region: &'a str,
    /// The service, such as `s3`, `s3express` or `sts`. The services of S3 (`s3`, `s3express`,
    /// `s3-outposts` and `s3-object-lambda`) require the header `x-amz-content-sha256`, and sign
    /// paths by [`PathRule::EncodedOnce`].
    pub service: &'a str,
}

/// How the signature covers the body, which is the value of `x-amz-content-sha256`.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// The body. Its SHA-256 is computed and signed.
    Bytes(&'a [u8]),
    /// The SHA-256 of the body, computed by the caller.
    Hash(&'a [u8; 32]),
    /// The body is not covered: `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// Every chunk is signed: `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`.
    StreamingSigned,
    /// Every chunk and the trailers are signed: `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`.
    StreamingSignedTrailer,
    /// The body is sent in unsigned chunks with trailers: `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    StreamingUnsignedTrailer,
}

/// Signs with the `Authorization` header.
///
/// The headers to send are `x-amz-date`, `x-amz-content-sha256` (see [`Scope::service`]),
/// `x-amz-security-token` (or `x-amz-s3session-token`) and `authorization`.
///
/// # Errors
/// Returns an [`Error`] for parts that cannot be sent as given, for a request without `host`, and
/// for headers and parameters that conflict with the signature.
pub fn sign(
    request: &Request<'_>,
    payload: Payload<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<Signed, Error> {
    SigningKey::derive(credentials, time, scope)?.sign(request, payload, time)
}

/// Signs a URL that is valid for `expires` (1 second to 7 days, in whole seconds). All headers of
/// the request are signed, so they have to be sent with the URL as they were signed.
///
/// S3 expects [`Payload::Unsigned`]. If the signature does cover the body, S3 takes its hash from
/// `x-amz-content-sha256`, which therefore has to be one of the request's headers or parameters.
/// Other services hash the body that they receive.
///
/// # Errors
/// The errors of [`sign`], and [`Error::ExpiryOutOfRange`].
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

/// Returns the form fields for a browser's upload under `policy`. Conditions for `x-amz-algorithm`,
/// `x-amz-credential`, `x-amz-date` and, for temporary credentials, the session token are added
/// because S3 requires a condition for each of these fields.
///
/// # Errors
/// The errors of [`sign`], and those of an invalid policy.
pub fn post_policy(
    policy: &PostPolicy,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<PostForm, Error> {
    SigningKey::derive(credentials, time, scope)?.post_policy(policy, time)
}

/// Returns the form fields for a finished policy document in base64, which must contain all
/// conditions.
///
/// # Errors
/// The errors of [`sign`], and [`Error::PolicyEncoding`].
pub fn sign_post_policy(
    policy: &str,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<PostForm, Error> {
    SigningKey::derive(credentials, time, scope)?.sign_post_policy(policy, time)
}

/// The services that follow S3's rules: paths are encoded once, and `x-amz-content-sha256` is
/// required. Others, such as `s3tables`, follow the general rules.
const S3_SERVICES: [&str; 4] = ["s3", "s3express", "s3-outposts", "s3-object-lambda"];

/// Returns whether a service follows S3's rules.
pub(super) fn is_s3(service: &str) -> bool {
    S3_SERVICES.contains(&service)
}

/// Returns the path rule of the request if it has one, or that of the service.
///
/// # Errors
/// [`Error::AmbiguousPlus`] if servers would read the path in different ways.
pub(super) fn path_rule(request: &Request<'_>, service: &str) -> Result<PathRule, Error> {
    let rule = match request.path_rule {
        Some(rule) => rule,
        None if is_s3(service) => PathRule::EncodedOnce,
        None => PathRule::NormalizedAndEncoded,
    };

    match request.path.find('+') {
        Some(byte) if rule == PathRule::EncodedOnce => {
            Err(Error::AmbiguousPlus { path: request.path.to_owned(), byte })
        }
        _ => Ok(rule),
    }
}

impl Payload<'_> {
    /// Returns the payload that a value of `x-amz-content-sha256` names, unless it is a hash.
    pub(super) fn named(text: &str) -> Option<Self> {
        let named = [
            Self::Unsigned,
            Self::StreamingSigned,
            Self::StreamingSignedTrailer,
            Self::StreamingUnsignedTrailer,
        ];
        named.into_iter().find(|payload| *payload.hash() == *text)
    }

    pub(super) fn hash(&self) -> PayloadHash {
        match self {
            Self::Bytes([]) => PayloadHash::Named(EMPTY_SHA256),
            Self::Bytes(bytes) => PayloadHash::Hex(Hex::of(&sha256(bytes))),
            Self::Hash(hash) => PayloadHash::Hex(Hex::of(hash)),
            Self::Unsigned => PayloadHash::Named(UNSIGNED),
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
