//! Stub.
use super::{Credentials, Error, Request};
use crate::time::Timestamp;

/// A signed request with everything that led to the signature.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The string to sign (version 2 has no separate canonical request).
    pub string_to_sign: String,
    /// Base64 of HMAC-SHA1.
    pub signature: String,
    /// What to send beside the request's own headers: `date` (unless the request has `date` or `x-amz-date`), `x-amz-security-token`, `authorization`.
    pub headers: Vec<(&'static str, String)>,
}

/// A presigned request.
#[derive(Clone, Debug)]
pub struct Presigned {
    /// The string to sign.
    pub string_to_sign: String,
    /// Base64 of HMAC-SHA1.
    pub signature: String,
    /// The whole query to send, without `?`.
    pub query: String,
}

/// Signs with the `Authorization` header. `host_bucket` is the bucket named by the host (virtual-host style), `None` when it stands in the path.
pub fn sign(
    request: &Request<'_>,
    host_bucket: Option<&str>,
    credentials: &Credentials,
    time: Timestamp,
) -> Result<Signed, Error> {
    let _ = (request, host_bucket, credentials, time);
    todo!()
}

/// Signs in the query, for a URL that is good until `expires`.
pub fn presign(
    request: &Request<'_>,
    host_bucket: Option<&str>,
    credentials: &Credentials,
    expires: Timestamp,
) -> Result<Presigned, Error> {
    let _ = (request, host_bucket, credentials, expires);
    todo!()
}
