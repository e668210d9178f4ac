//! What verification starts from: the server's configuration and the received request.
use super::refusal::Refusal;
use crate::sign::canonical::Headers;
use crate::sign::explain::Cause;
use crate::sign::hash::equal;
use crate::sign::v4::is_s3;
use crate::sign::{Credentials, Request};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The difference between the request's time and the server's above which S3 responds "The
/// difference between the request time and the server's time is too large": 15 minutes.
pub const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// The keys and settings with which a server verifies requests.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    keys: &'a dyn Fn(&str) -> Option<Credentials>,
    pub(super) now: Timestamp,
    pub(super) region: Option<&'a str>,
    pub(super) service: &'a str,
    pub(super) host_bucket: Option<&'a str>,
}

/// The body of a received request, or what is known about it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Content<'a> {
    /// The complete body as received. A chunked body is decoded and verified.
    Bytes(&'a [u8]),
    /// The SHA-256 of the body.
    Hash(&'a [u8; 32]),
    /// The body has not been read yet, so the hash that the request states is not compared: see
    /// [`SignedBy::body`](super::SignedBy::body).
    NotRead,
}

/// A browser's form (POST Object) as a server received it.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    pub(super) bucket: &'a str,
    pub(super) fields: &'a [(&'a str, &'a str)],
    pub(super) file_size: Option<u64>,
}

impl<'a> Form<'a> {
    /// Creates the description of a form that was sent to `bucket`, which the URL names. `fields`
    /// contains all fields except for `file`. The caller must replace `${filename}` in a field by
    /// the file's name first, because the conditions of a policy apply to the result.
    pub const fn new(bucket: &'a str, fields: &'a [(&'a str, &'a str)]) -> Self {
        Self { bucket, fields, file_size: None }
    }

    /// Sets the size of the file if it is known already. Otherwise,
    /// [`SignedBody::Policy`](super::SignedBody::Policy) contains the allowed sizes.
    #[must_use]
    pub const fn file_size(self, bytes: u64) -> Self {
        Self { file_size: Some(bytes), ..self }
    }

    /// Returns the value to which a condition for `field` applies. The bucket is that of the URL; a
    /// form that names a different bucket is refused.
    pub(super) fn value(&self, field: &str) -> Result<Option<&str>, Refusal> {
        let mut found = self.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(field));
        let given = found.next().map(|(_, value)| *value);
        if found.next().is_some() {
            return Err(Refusal::at(Cause::Malformed, field));
        }

        match field.eq_ignore_ascii_case("bucket") {
            true if given.is_some_and(|given| given != self.bucket) => {
                Err(Refusal::at(Cause::PolicyCondition, field))
            }
            true => Ok(Some(self.bucket)),
            false => Ok(given),
        }
    }
}

impl<'a> Verifier<'a> {
    /// Creates a verifier that looks up the credentials of an access key with `keys` and compares
    /// times with `now`. It accepts every region, and all services that follow the rules of S3.
    pub const fn new(keys: &'a dyn Fn(&str) -> Option<Credentials>, now: Timestamp) -> Self {
        Self { keys, now, region: None, service: "s3", host_bucket: None }
    }

    /// Accepts only signatures for this region.
    #[must_use]
    pub const fn region(self, region: &'a str) -> Self {
        Self { region: Some(region), ..self }
    }

    /// Accepts only signatures for this service instead of `s3`. The services of S3 (see
    /// [`v4::Scope::service`](crate::sign::v4::Scope)) accept each other's signatures.
    #[must_use]
    pub const fn service(self, service: &'a str) -> Self {
        Self { service, ..self }
    }

    /// Sets the bucket that the host names (virtual-host style), which version 2 signs.
    #[must_use]
    pub const fn host_bucket(self, bucket: Option<&'a str>) -> Self {
        Self { host_bucket: bucket, ..self }
    }

    /// Returns the credentials of an access key, and checks that their session token equals that of
    /// the request.
    pub(super) fn credentials(
        &self,
        access_key_id: &str,
        token: Option<&str>,
    ) -> Result<Credentials, Refusal> {
        let credentials = (self.keys)(access_key_id)
            .ok_or_else(|| Refusal::at(Cause::UnknownAccessKey, access_key_id))?;
        match (credentials.session_token(), token.map(str::trim_ascii)) {
            (None, None) => Ok(credentials),
            (Some(ours), Some(theirs)) if equal(ours.as_bytes(), theirs.as_bytes()) => {
                Ok(credentials)
            }
            _ => Err(Refusal::new(Cause::TokenChanged)),
        }
    }

    /// Returns a refusal unless the scope of a signature, whose region `covers` decides, is that of
    /// the server. All services of S3 accept each other's signatures.
    pub(super) fn check_scope(
        &self,
        service: &str,
        covers: impl Fn(&str) -> bool,
        region: &str,
    ) -> Result<(), Refusal> {
        let both_are_s3 = || is_s3(service) && is_s3(self.service);
        if service != self.service && !both_are_s3() {
            return Err(Refusal::at(Cause::WrongService, service));
        }

        match self.region {
            Some(own) if !covers(own) => Err(Refusal::at(Cause::WrongRegion, region)),
            _ => Ok(()),
        }
    }

    /// Returns a refusal if `time` differs from the current time by more than [`MAX_SKEW`].
    pub(super) fn check_skew(&self, time: Timestamp, place: &str) -> Result<(), Refusal> {
        match time.unix().abs_diff(self.now.unix()) <= MAX_SKEW.as_secs() {
            true => Ok(()),
            false => Err(Refusal::at(Cause::Clock, place)),
        }
    }
}

/// Names and values, each of which may occur only once.
pub(super) struct UniqueFields<'a>(Vec<(String, Cow<'a, str>)>);

impl<'a> UniqueFields<'a> {
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut found = self.0.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (first, None) => Ok(first.map(|(_, value)| &**value)),
            (_, Some(_)) => Err(Refusal::at(Cause::Malformed, name)),
        }
    }

    pub(super) fn require(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)?.ok_or_else(|| Refusal::at(Cause::Malformed, name))
    }

    /// Returns the decoded parameters of a query.
    pub(super) fn of_query(request: &Request<'a>) -> Self {
        let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        Self(
            request.query.decoded().map(|(name, value)| (text(name), text(value).into())).collect(),
        )
    }

    pub(super) fn of_headers(request: &Request<'a>) -> Self {
        Self(
            request
                .all_headers()
                .map(|(name, value)| (name.to_owned(), value.trim_ascii().into()))
                .collect(),
        )
    }

    pub(super) fn of_fields(fields: &[(&'a str, &'a str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
    }
}

/// Reads a date in any of the formats that clients of version 2 send.
pub(super) fn read_date(text: &str) -> Option<Timestamp> {
    Timestamp::parse_http_date(text)
        .or_else(|| Timestamp::parse_amz_date(text))
        .or_else(|| Timestamp::parse_iso8601(text))
}

/// Returns the sorted headers of a request that a signature covers.
pub(super) fn signed_headers<'a>(
    request: &Request<'a>,
    is_signed: impl Fn(&str) -> bool,
) -> Result<Headers<'a>, Refusal> {
    let mut headers = Headers::select(request, is_signed);
    headers.sort()?;
    Ok(headers)
}

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

/// The values are omitted because one of them may be a session token.
impl fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Form")
            .field("bucket", &self.bucket)
            .field("fields", &names)
            .field("file_size", &self.file_size)
            .finish()
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
