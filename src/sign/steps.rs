//! The results of signing, which all signature versions share.
use super::redact::{Hidden, Pairs, Text, string_to_sign};
use std::fmt;

/// The steps that lead to a signature. `Debug` redacts secrets.
#[derive(Clone)]
#[non_exhaustive]
pub struct Steps {
    /// The signature version.
    pub version: Version,
    /// The canonical request, which is task 1 of version 4. Empty in version 2, which only has a
    /// string to sign.
    pub canonical_request: String,
    /// The string to sign: task 2 of version 4, or step 1 of version 2.
    pub string_to_sign: String,
    /// The signature: in hex in version 4 and SigV4A, in base64 in version 2.
    pub signature: String,
}

/// A version of AWS's request signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// Version 2: HMAC-SHA1 over a few headers and the resource ([`v2`](super::v2)).
    V2,
    /// Version 4: HMAC-SHA256 with a key that is derived for one day, region and service
    /// ([`v4`](super::v4)).
    V4,
    /// SigV4A: ECDSA over P-256, valid for a set of regions (module `v4a`, feature `sigv4a`).
    V4a,
}

/// A signed request.
#[derive(Clone)]
#[non_exhaustive]
pub struct Signed {
    /// The steps that led to the signature.
    pub steps: Steps,
    /// The headers to send in addition to the request's own. Headers that the request already has
    /// are not repeated.
    pub headers: Vec<(&'static str, String)>,
}

/// A presigned request.
#[derive(Clone)]
#[non_exhaustive]
pub struct Presigned {
    /// The steps that led to the signature.
    pub steps: Steps,
    /// The complete query to send, without `?`.
    pub query: String,
}

impl Steps {
    /// Returns `SignedHeaders`: the names of the signed headers, joined by semicolons. Empty in
    /// version 2, which always signs every `x-amz-*` header.
    pub fn signed_headers(&self) -> &str {
        self.canonical_request.rsplit('\n').nth(1).unwrap_or("")
    }

    /// Returns the canonical request and the string to sign, with values that grant access
    /// redacted: session tokens, encryption keys, and the policy of a form, which may contain a
    /// session token.
    pub fn redacted(&self) -> (String, String) {
        (Text(&self.canonical_request).redacted(), self.string_to_sign_text().redacted())
    }

    /// Returns the credential scope, such as `20130524/us-east-1/s3/aws4_request`. In SigV4A it
    /// does not contain the region. Empty in version 2.
    pub fn scope(&self) -> &str {
        self.string_to_sign_line(2)
    }

    /// Returns the SHA-256 of the canonical request in hex. Empty in version 2.
    pub fn canonical_request_hash(&self) -> &str {
        self.string_to_sign_line(3)
    }

    fn string_to_sign_text(&self) -> Text<'_> {
        Text(string_to_sign(&self.canonical_request, &self.string_to_sign))
    }

    fn string_to_sign_line(&self, number: usize) -> &str {
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
            .field("string_to_sign", &self.string_to_sign_text())
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
