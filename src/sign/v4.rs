//! Stub.
use super::{Credentials, Error, Request};
use crate::time::Timestamp;
use std::time::Duration;

/// The region and the service a signature is good for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Such as `eu-central-1`.
    pub region: &'a str,
    /// `s3` or `sts`.
    pub service: &'a str,
}

/// How the body is covered by the signature: the value of `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug)]
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

/// A signed request with everything that led to the signature.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Step 1.
    pub canonical_request: String,
    /// Step 2.
    pub string_to_sign: String,
    /// Step 3, in hex.
    pub signature: String,
    /// What to send beside the request's own headers: `x-amz-date`, `x-amz-content-sha256`, `x-amz-security-token`, `authorization`
    /// (those the request had already are not repeated).
    pub headers: Vec<(&'static str, String)>,
}

/// A presigned request.
#[derive(Clone, Debug)]
pub struct Presigned {
    /// Step 1.
    pub canonical_request: String,
    /// Step 2.
    pub string_to_sign: String,
    /// Step 3, in hex.
    pub signature: String,
    /// The whole query to send, without `?`.
    pub query: String,
}

/// The derived key of one day, region and service; deriving it takes four HMACs, so a client keeps it.
#[derive(Clone)]
pub struct SigningKey {}

impl SigningKey {
    /// Derives the key.
    pub fn derive(credentials: &Credentials, time: Timestamp, scope: Scope<'_>) -> Self {
        todo!("{credentials:?} {time:?} {scope:?}")
    }
    /// Whether this key was derived from these credentials for this day and scope.
    pub fn is_for(&self, credentials: &Credentials, time: Timestamp, scope: Scope<'_>) -> bool {
        todo!("{credentials:?} {time:?} {scope:?}")
    }
}

/// Signs with the `Authorization` header.
pub fn sign(
    request: &Request<'_>,
    payload: Payload<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<Signed, Error> {
    sign_with_key(request, payload, credentials, scope, time, &SigningKey::derive(credentials, time, scope))
}

/// The same with a key derived before.
pub fn sign_with_key(
    request: &Request<'_>,
    payload: Payload<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
    key: &SigningKey,
) -> Result<Signed, Error> {
    let _ = (request, payload, credentials, scope, time, key);
    todo!()
}

/// Signs in the query, for a URL that lives `expires` (1 second to 7 days).
pub fn presign(
    request: &Request<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
    expires: Duration,
) -> Result<Presigned, Error> {
    let _ = (request, credentials, scope, time, expires);
    todo!()
}
