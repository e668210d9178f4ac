//! URLs that carry their own signature.
use super::Client;
use super::request::object_call;
#[cfg(feature = "sigv4a")]
use super::signing::every_region;
use super::values::SignatureVersion;
use crate::credentials::Lease;
use crate::error::{Error, ErrorKind, Result};
use crate::sign::{self, v2, v4};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// The operation that a presigned URL permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresignMethod {
    /// Download.
    Get,
    /// Request of size and type.
    Head,
    /// Upload.
    Put,
    /// Removal.
    Delete,
}

/// A request for a presigned URL, for [`Client::presign`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Presign<'a> {
    /// The operation that the URL permits.
    pub method: PresignMethod,
    /// The validity: 1 second to 7 days with version 4.
    pub expires_in: Duration,
    /// The behaviour if the credentials expire sooner.
    pub session_end: SessionEnd,
    /// Further parameters to sign, such as `response-content-disposition`.
    pub query: Vec<(&'a str, &'a str)>,
    /// Signs for this endpoint instead of the client's, if the users of the URL reach the server
    /// under another name.
    pub endpoint: Option<&'a super::Endpoint>,
}

/// The behaviour if temporary credentials expire before the URL. The URL expires with them, even if
/// it states a later time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The request for a URL is an error.
    Refuse,
    /// The URL states that it expires with them.
    Cap,
}

/// A presigned URL. It grants access to anyone who has it, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresignedUrl {
    /// The URL, ready for use.
    pub url: String,
    /// The time when the URL expires; `None` for the plain URL of a client without credentials.
    pub expires: Option<Timestamp>,
    /// Whether the URL expires sooner than requested, with the credentials.
    pub capped: bool,
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresignedUrl")
            .field("expires", &self.expires)
            .field("capped", &self.capped)
            .finish_non_exhaustive()
    }
}

impl<'a> Presign<'a> {
    /// Requests a URL for a method and exactly this time.
    pub const fn exactly(method: PresignMethod, expires_in: Duration) -> Self {
        Self {
            method,
            expires_in,
            session_end: SessionEnd::Refuse,
            query: Vec::new(),
            endpoint: None,
        }
    }
    /// Requests a URL for a method and this time, or less if the credentials expire sooner.
    pub fn at_most(method: PresignMethod, expires_in: Duration) -> Self {
        Self { session_end: SessionEnd::Cap, ..Self::exactly(method, expires_in) }
    }
    /// Adds a parameter to be signed.
    #[must_use]
    pub fn query(mut self, name: &'a str, value: &'a str) -> Self {
        self.query.push((name, value));
        self
    }
    /// Signs for another endpoint.
    #[must_use]
    pub const fn endpoint(mut self, endpoint: &'a super::Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }
}

impl Client {
    /// Returns a URL that permits `request` without credentials until it expires. Sends nothing to
    /// the server, unless the bucket is a directory bucket and its session has to be created. Such
    /// a URL expires with the session, after at most five minutes.
    ///
    /// Without credentials (public buckets), this is the object's plain URL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an expiry that is out of range or, with
    /// [`SessionEnd::Refuse`], later than that of the credentials; [`ErrorKind::Credentials`] if
    /// they cannot be obtained.
    pub fn presign(&self, bucket: &str, key: &str, request: &Presign<'_>) -> Result<PresignedUrl> {
        let method = match request.method {
            PresignMethod::Get => "GET",
            PresignMethod::Head => "HEAD",
            PresignMethod::Put => "PUT",
            PresignMethod::Delete => "DELETE",
        };
        let call = object_call("presign", method, bucket, key)?;
        let inner = &*self.inner;
        let place = inner.place_of(bucket).map_err(|error| call.place(error))?;
        let elsewhere = request.endpoint.map(|endpoint| endpoint.locate(bucket)).transpose();
        let elsewhere = elsewhere.map_err(|error| call.place(error))?;
        let located = elsewhere.as_ref().unwrap_or(&place);
        let lease = self.lease_for(&call, &place).map_err(|error| call.place(error))?;
        let now = inner.now();
        let left =
            self.expiry_of(&call, &place, &lease).map(|end| end.unix().saturating_sub(now.unix()));
        let (expires_in, capped) =
            within_session(request, &lease, left).map_err(|error| call.place(error))?;
        let path = located.path_of(key);
        let headers = [("host", located.host_header())];
        // A browser that follows the URL does not send S3's headers.
        let payer = inner.config.request_payer.header();
        let query: Vec<_> = request.query.iter().copied().chain(payer).collect();
        let parts = sign::Request::new(method, &path).query(&query).headers(&headers);
        let refused = |error: sign::Error| {
            call.place(Error::new(ErrorKind::InvalidArgument, error.to_string()))
        };
        let query = match (&lease.credentials, inner.config.signature) {
            (None, _) => sign::query_string(&query),
            (Some(credentials), SignatureVersion::V2) => {
                v2::presign(&parts, located.host_bucket(), credentials, now.plus(expires_in))
                    .map_err(refused)?
                    .query
            }
            #[cfg(feature = "sigv4a")]
            (Some(credentials), SignatureVersion::V4) if place.is_for_every_region() => {
                let key = inner.signing_keys.pair_of(&lease, credentials).map_err(refused)?;
                let (payload, scope) = (v4::Payload::Unsigned, every_region(&place));
                key.presign(&parts, payload, scope, now, expires_in).map_err(refused)?.query
            }
            (Some(credentials), SignatureVersion::V4) => {
                let key = inner.signing_key(&lease, credentials, now, &place).map_err(refused)?;
                key.presign(&parts, v4::Payload::Unsigned, now, expires_in).map_err(refused)?.query
            }
        };
        let question = if query.is_empty() { "" } else { "?" };
        Ok(PresignedUrl {
            url: format!("{}{path}{question}{query}", located.root_url()),
            expires: lease.credentials.is_some().then(|| now.plus(expires_in)),
            capped,
        })
    }
}

/// Returns how long the URL can be valid, and whether that is less than requested. `left` is the
/// number of seconds until the credentials expire.
fn within_session(
    request: &Presign<'_>,
    lease: &Lease,
    left: Option<i64>,
) -> Result<(Duration, bool)> {
    // Version 2 has whole seconds and no lower limit: the URL would already be expired when it is
    // returned.
    if lease.credentials.is_some() && request.expires_in < Duration::from_secs(1) {
        let seconds = request.expires_in.as_secs_f64();
        let text = format!("a presigned URL cannot be valid for {seconds} s: choose at least 1 s");
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    let Some(left) = left.filter(|_| lease.credentials.is_some()) else {
        return Ok((request.expires_in, false));
    };
    let left = Duration::from_secs(u64::try_from(left).unwrap_or(0));
    match request.session_end {
        _ if left >= request.expires_in => Ok((request.expires_in, false)),
        SessionEnd::Cap if !left.is_zero() => Ok((left, true)),
        _ => {
            let text = format!(
                "the URL was requested for {} s, but the credentials expire in {} s",
                request.expires_in.as_secs(),
                left.as_secs()
            );
            Err(Error::new(ErrorKind::InvalidArgument, text)
                .with_hint("request a shorter validity, or use credentials that are valid longer"))
        }
    }
}
