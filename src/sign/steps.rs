//! The outcome of signing, in every version.
use super::redact::{Hidden, Pairs, Text};
use std::fmt;

/// The steps that lead to a signature. `Debug` hides what is secret.
#[derive(Clone)]
#[non_exhaustive]
pub struct Steps {
    /// The version of the signature.
    pub version: Version,
    /// Task 1 of version 4. Empty in version 2, which signs its string to sign alone.
    pub canonical_request: String,
    /// Task 2 of version 4, step 1 of version 2.
    pub string_to_sign: String,
    /// Hex in version 4 and SigV4A, base64 in version 2.
    pub signature: String,
}

/// A version of AWS's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// HMAC-SHA1 over a few headers and the resource: [`v2`](super::v2).
    V2,
    /// HMAC-SHA256 with a key derived for one day, region and service: [`v4`](super::v4).
    V4,
    /// SigV4A: ECDSA over P-256, for a set of regions (the module `v4a`, with the feature
    /// `sigv4a`).
    V4a,
}

/// A signed request.
#[derive(Clone)]
#[non_exhaustive]
pub struct Signed {
    /// The steps that led to the signature.
    pub steps: Steps,
    /// Headers to send in addition to the request's own. A header that the request already had is
    /// not repeated.
    pub headers: Vec<(&'static str, String)>,
}

/// A presigned request.
#[derive(Clone)]
#[non_exhaustive]
pub struct Presigned {
    /// The steps that led to the signature.
    pub steps: Steps,
    /// The whole query to send, without `?`.
    pub query: String,
}

impl Steps {
    /// Returns `SignedHeaders`: the names of the signed headers, joined by semicolons. Empty in
    /// version 2, which signs every `x-amz-*` header.
    pub fn signed_headers(&self) -> &str {
        self.canonical_request.rsplit('\n').nth(1).unwrap_or("")
    }

    /// Returns the canonical request and the string to sign with the values redacted that grant
    /// access: session tokens and encryption keys.
    pub fn redacted(&self) -> (String, String) {
        (Text(&self.canonical_request).redacted(), Text(&self.string_to_sign).redacted())
    }

    /// Returns the credential scope: `20130524/us-east-1/s3/aws4_request`, without the region in
    /// SigV4A. Empty in version 2.
    pub fn scope(&self) -> &str {
        self.line_of_task_2(2)
    }

    /// Returns the SHA-256 of the canonical request in hex. Empty in version 2.
    pub fn canonical_request_hash(&self) -> &str {
        self.line_of_task_2(3)
    }

    fn line_of_task_2(&self, number: usize) -> &str {
        match self.version {
            Version::V2 => "",
            _ => self.string_to_sign.split('\n').nth(number).unwrap_or(""),
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps")
            .field("version", &self.version)
            .field("canonical_request", &Text(&self.canonical_request))
            .field("string_to_sign", &Text(&self.string_to_sign))
            .field("signature", &Hidden)
            .finish()
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("steps", &self.steps)
            .field("headers", &Pairs(&self.headers))
            .finish()
    }
}

impl fmt::Debug for Presigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presigned")
            .field("steps", &self.steps)
            .field("query", &Text(&self.query))
            .finish()
    }
}
