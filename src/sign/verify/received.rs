//! A server's knowledge, and the request it received.
use super::refusal::Refusal;
use crate::sign::canonical::Headers;
use crate::sign::explain::Cause;
use crate::sign::hash::equal;
use crate::sign::{Credentials, Request};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// "The difference between the request time and the server's time is too large": more than 15
/// minutes.
pub const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// The knowledge with which a server verifies requests.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    keys: &'a dyn Fn(&str) -> Option<Credentials>,
    pub(super) now: Timestamp,
    pub(super) region: Option<&'a str>,
    pub(super) service: &'a str,
    pub(super) host_bucket: Option<&'a str>,
}

/// The body of a received request, as far as it is known.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Content<'a> {
    /// All of it as received: chunks are taken apart and verified.
    Bytes(&'a [u8]),
    /// Its SHA-256.
    Hash(&'a [u8; 32]),
    /// Not read yet. The hash that the request names is not compared: see
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
    /// Describes a form for an upload to `bucket`, which the URL names, with its fields except for
    /// `file`. `${filename}` in a field has to be replaced by the file's name before, because the
    /// conditions of a policy apply to the result.
    pub const fn new(bucket: &'a str, fields: &'a [(&'a str, &'a str)]) -> Self {
        Self { bucket, fields, file_size: None }
    }

    /// Sets the size of the file, if it is known already. Otherwise the allowed sizes are in
    /// [`SignedBody::Policy`](super::SignedBody::Policy).
    #[must_use]
    pub const fn file_size(self, bytes: u64) -> Self {
        Self { file_size: Some(bytes), ..self }
    }

    /// Returns the value to which a condition for `field` applies. The bucket is the one of the
    /// URL; a form that names another one is refused.
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
    /// Creates a verifier that looks up the credentials of an access key with `keys`, at the time
    /// `now`. It accepts every region, and the services that follow the rules of S3.
    pub const fn new(keys: &'a dyn Fn(&str) -> Option<Credentials>, now: Timestamp) -> Self {
        Self { keys, now, region: None, service: "s3", host_bucket: None }
    }

    /// Restricts the verifier to one region.
    #[must_use]
    pub const fn region(self, region: &'a str) -> Self {
        Self { region: Some(region), ..self }
    }

    /// Sets another service than `s3`.
    #[must_use]
    pub const fn service(self, service: &'a str) -> Self {
        Self { service, ..self }
    }

    /// Sets the bucket that the host names (virtual-host style), which version 2 signs.
    #[must_use]
    pub const fn host_bucket(self, bucket: Option<&'a str>) -> Self {
        Self { host_bucket: bucket, ..self }
    }

    /// Returns the credentials of an access key, whose session token must be the request's.
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

    /// Refuses a time that is more than [`MAX_SKEW`] away.
    pub(super) fn check_skew(&self, time: Timestamp, place: &str) -> Result<(), Refusal> {
        match time.unix().abs_diff(self.now.unix()) <= MAX_SKEW.as_secs() {
            true => Ok(()),
            false => Err(Refusal::at(Cause::Clock, place)),
        }
    }
}

/// Names and values of which each may occur once.
pub(super) struct Once<'a>(Vec<(String, Cow<'a, str>)>);

impl<'a> Once<'a> {
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

    /// Returns the parameters of a query, decoded.
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

/// Returns the headers of a request that a signature covers, sorted.
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

/// The values are left out: the session token is one of them.
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
