//! Verification: who signed a request that a server received.
//!
//! A [`Verifier`] takes a request as it arrived, looks up the secret of the access key that the request names, and computes
//! the signature by the same rules as the signers. It returns who signed and how, or a [`Refusal`] that names the cause in
//! the words of [`explain`](super::explain). Signatures and session tokens are compared in constant time.
//!
//! ```
//! use s3driver::sign::verify::{Content, Verifier};
//! use s3driver::sign::{Credentials, Request};
//! use s3driver::time::Timestamp;
//!
//! let keys = |id: &str| {
//!     (id == "AKIAIOSFODNN7EXAMPLE").then(|| Credentials::new(id, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
//! };
//! let headers = [
//!     ("Host", "examplebucket.s3.amazonaws.com"),
//!     ("Range", "bytes=0-9"),
//!     ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
//!     ("x-amz-date", "20130524T000000Z"),
//!     ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
//!         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
//!         Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
//! ];
//! let request = Request::from_target("GET", "/test.txt")?.headers(&headers);
//! let verified = Verifier::new(&keys, Timestamp::from_unix(1_369_353_660)).verify(&request, Content::Bytes(b""))?;
//! assert_eq!(verified.access_key_id, "AKIAIOSFODNN7EXAMPLE");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use super::canonical::Headers;
use super::explain::{Cause, Comparison, Explanation, ServerSide, compare};
use super::hash::equal;
use super::{Credentials, Error, Request, Steps, Version};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

mod chunks;
mod form;
mod v2;
mod v4;
pub use chunks::{ChunkVerifier, Decoded};

/// "The difference between the request time and the server's time is too large": more than 15 minutes.
pub const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// What a server knows when it verifies requests.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    keys: &'a dyn Fn(&str) -> Option<Credentials>,
    now: Timestamp,
    region: Option<&'a str>,
    service: &'a str,
    host_bucket: Option<&'a str>,
}

/// The body of a received request, as far as it is known.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Content<'a> {
    /// All of it as received: chunks are taken apart and verified.
    Bytes(&'a [u8]),
    /// Its SHA-256.
    Hash(&'a [u8; 32]),
    /// Not read yet. The hash that the request names is not compared: see [`Verified::body`].
    NotRead,
}

/// A request whose signature is right.
#[derive(Clone)]
#[non_exhaustive]
pub struct Verified {
    /// The version of the signature.
    pub version: Version,
    /// Where the signature was.
    pub carrier: Carrier,
    /// The access key that signed.
    pub access_key_id: String,
    /// The region of the credential scope; the region set in SigV4A; empty in version 2.
    pub region: String,
    /// The service of the credential scope; empty in version 2.
    pub service: String,
    /// The steps that led to the signature.
    pub steps: Steps,
    /// How the body is covered.
    pub body: SignedBody,
    /// The data and trailers of a body that was received in chunks.
    pub decoded: Option<Decoded>,
}

/// The part of a request that carries its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// The `Authorization` header.
    Header,
    /// The query of a presigned URL.
    Query,
    /// The fields of a browser's form.
    Form,
}

/// How a verified signature covers the body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignedBody {
    /// Not at all.
    Unsigned,
    /// By its SHA-256. A body that was not read yet must have this one.
    Hash([u8; 32]),
    /// Chunk by chunk. A body that was not read yet goes through this verifier.
    Chunks(Box<ChunkVerifier>),
    /// In chunks without signatures, followed by trailers.
    UnsignedChunks,
    /// The form's policy document, decoded. The signature covers it and nothing else: its expiration and its conditions
    /// are for the server to enforce.
    Policy(Vec<u8>),
}

/// The reason for which a request does not verify. Never holds a secret, nor the signature that would have been right.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    cause: Cause,
    place: Option<String>,
    /// The canonical request and the string to sign that the server computed.
    computed: Option<Box<(String, String)>>,
}

impl<'a> Verifier<'a> {
    /// A verifier that looks up the credentials of an access key with `keys`, at the time `now`. It accepts every region,
    /// and the services that follow the rules of S3.
    pub const fn new(keys: &'a dyn Fn(&str) -> Option<Credentials>, now: Timestamp) -> Self {
        Self { keys, now, region: None, service: "s3", host_bucket: None }
    }

    /// With the one region that is accepted.
    #[must_use]
    pub const fn region(self, region: &'a str) -> Self {
        Self { region: Some(region), ..self }
    }

    /// With another service than `s3`.
    #[must_use]
    pub const fn service(self, service: &'a str) -> Self {
        Self { service, ..self }
    }

    /// With the bucket that the host names (virtual-host style), which version 2 signs.
    #[must_use]
    pub const fn host_bucket(self, bucket: Option<&'a str>) -> Self {
        Self { host_bucket: bucket, ..self }
    }

    /// Verifies a request with an `Authorization` header or a presigned URL.
    ///
    /// # Errors
    /// A [`Refusal`] with the cause.
    pub fn verify(&self, request: &Request<'_>, content: Content<'_>) -> Result<Verified, Refusal> {
        let authorizations = request.all_headers().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let mut authorizations = authorizations.map(|(_, value)| value.trim_ascii());
        let has = |wanted: &str| request.query.decoded().any(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        let (newer, older) =
            (has("X-Amz-Algorithm") || has("X-Amz-Signature"), has("AWSAccessKeyId") || has("Signature"));
        let header = authorizations.next();
        if usize::from(newer) + usize::from(older) + usize::from(header.is_some()) + authorizations.count() > 1 {
            return Err(Refusal::at(Cause::SignedTwice, "authorization"));
        }
        match header.map(|text| (text, text.split_once(' ').map_or("", |(scheme, _)| scheme))) {
            Some((text, "AWS")) => v2::header(self, request, text),
            Some((text, _)) => v4::header(self, request, content, text),
            None if newer => v4::query(self, request, content),
            None if older => v2::query(self, request),
            None => Err(Refusal::new(Cause::NotSigned)),
        }
    }

    /// Verifies the fields of a browser's form (POST Object), except for `file`.
    ///
    /// # Errors
    /// A [`Refusal`] with the cause.
    pub fn verify_form(&self, fields: &[(&str, &str)]) -> Result<Verified, Refusal> {
        form::verify(self, fields)
    }

    /// The credentials of an access key, whose session token must be the request's.
    fn credentials(&self, access_key_id: &str, token: Option<&str>) -> Result<Credentials, Refusal> {
        let credentials =
            (self.keys)(access_key_id).ok_or_else(|| Refusal::at(Cause::UnknownAccessKey, access_key_id))?;
        match (credentials.session_token(), token.map(str::trim_ascii)) {
            (None, None) => Ok(credentials),
            (Some(ours), Some(theirs)) if equal(ours.as_bytes(), theirs.as_bytes()) => Ok(credentials),
            _ => Err(Refusal::new(Cause::TokenChanged)),
        }
    }

    /// Refuses a time that is more than [`MAX_SKEW`] away.
    fn check_skew(&self, time: Timestamp, place: &str) -> Result<(), Refusal> {
        match time.unix().abs_diff(self.now.unix()) <= MAX_SKEW.as_secs() {
            true => Ok(()),
            false => Err(Refusal::at(Cause::Clock, place)),
        }
    }
}

impl Refusal {
    const fn new(cause: Cause) -> Self {
        Self { cause, place: None, computed: None }
    }

    fn at(cause: Cause, place: impl Into<String>) -> Self {
        Self { cause, place: Some(place.into()), computed: None }
    }

    /// The signatures differ: what the server computed is kept, except for the signature.
    fn differs(steps: Steps) -> Self {
        let computed = Some(Box::new((steps.canonical_request, steps.string_to_sign)));
        Self { cause: Cause::SignatureDiffers, place: None, computed }
    }

    /// The cause.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// The header, parameter, field, access key or chunk concerned, where it is one.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// The texts that the server computed, for a `SignatureDoesNotMatch` document. Empty unless the signatures differ.
    pub fn server_side(&self) -> ServerSide<'_> {
        let (canonical_request, string_to_sign) = match &self.computed {
            Some(computed) => (Some(&*computed.0), Some(&*computed.1)),
            None => (None, None),
        };
        ServerSide {
            canonical_request: canonical_request.filter(|text| !text.is_empty()),
            string_to_sign,
            ..ServerSide::default()
        }
    }

    /// Compares what the server computed with what the client signed: names the first place that differs.
    pub fn compare_with(&self, ours: &Explanation<'_>) -> Comparison {
        compare(ours, &self.server_side())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::at(Cause::Malformed, error.to_string())
    }
}

/// Names and values of which each may occur once.
struct Once<'a>(Vec<(String, std::borrow::Cow<'a, str>)>);

impl<'a> Once<'a> {
    fn get(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut found = self.0.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (first, None) => Ok(first.map(|(_, value)| &**value)),
            (_, Some(_)) => Err(Refusal::at(Cause::Malformed, name)),
        }
    }

    fn require(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)?.ok_or_else(|| Refusal::at(Cause::Malformed, name))
    }

    /// The parameters of a query, decoded.
    fn of_query(request: &Request<'a>) -> Result<Self, Refusal> {
        let text = |bytes: std::borrow::Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Self(request.query.decoded().map(|(name, value)| (text(name), text(value).into())).collect()))
    }

    fn of_headers(request: &Request<'a>) -> Self {
        Self(request.all_headers().map(|(name, value)| (name.to_owned(), value.trim_ascii().into())).collect())
    }

    fn of_fields(fields: &[(&'a str, &'a str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
    }
}

/// The headers of a request that a signature covers, sorted.
fn signed_headers<'a>(request: &Request<'a>, is_signed: impl Fn(&str) -> bool) -> Result<Headers<'a>, Refusal> {
    let mut headers = Headers::select(request, is_signed);
    headers.sort()?;
    Ok(headers)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}: {}", super::redact::Line(place), self.cause),
            None => self.cause.fmt(f),
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("cause", &self.cause).field("place", &self.place).finish_non_exhaustive()
    }
}

impl std::error::Error for Refusal {}

impl fmt::Debug for Verifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("now", &self.now.iso8601())
            .field("region", &self.region)
            .field("service", &self.service)
            .field("host_bucket", &self.host_bucket)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Hash(hash) => write!(f, "Hash({})", hex::encode(hash)),
            Self::NotRead => f.write_str("NotRead"),
        }
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("version", &self.version)
            .field("carrier", &self.carrier)
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
