//! Stub: signing.
use std::time::Duration;

pub mod chunked;
mod credentials;
mod encode;
pub mod v2;
pub mod v4;
pub use credentials::Credentials;
pub use encode::{encode_component, encode_path, query_string};

/// What is signed: borrowed parts, exactly as they go over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET`, `PUT`, ...
    pub method: &'a str,
    /// The path as sent: already percent-encoded (see [`encode_path`]), never normalised.
    pub path: &'a str,
    /// Decoded pairs in the order they are sent. An empty value is sent as a bare name (`?acl`).
    pub query: &'a [(&'a str, &'a str)],
    /// Every header that is to be signed, `host` among them.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Why a request cannot be signed.
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
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
impl std::error::Error for Error {}
