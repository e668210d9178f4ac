//! URLs that carry their own signature.
use super::Client;
use super::object::object_call;
use super::values::SignatureVersion;
use crate::error::{Error, ErrorKind, Result};
use crate::sign::{self, v2, v4};
use std::time::Duration;

/// What a presigned URL allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresignMethod {
    /// Download.
    Get,
    /// Size and type.
    Head,
    /// Upload.
    Put,
    /// Removal.
    Delete,
}

/// What [`Client::presign`] is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Presign<'a> {
    /// What the URL allows.
    pub method: PresignMethod,
    /// How long: 1 second to 7 days with version 4.
    pub expires_in: Duration,
    /// Further parameters to sign, such as `response-content-disposition`.
    pub query: Vec<(&'a str, &'a str)>,
    /// Signs for this endpoint instead of the client's: where clients reach the server under another name.
    pub endpoint: Option<&'a super::Endpoint>,
}

impl<'a> Presign<'a> {
    /// For a method and a time.
    pub const fn new(method: PresignMethod, expires_in: Duration) -> Self {
        Self { method, expires_in, query: Vec::new(), endpoint: None }
    }
    /// The same with a further parameter.
    #[must_use]
    pub fn query(mut self, name: &'a str, value: &'a str) -> Self {
        self.query.push((name, value));
        self
    }
    /// The same for another endpoint.
    #[must_use]
    pub const fn endpoint(mut self, endpoint: &'a super::Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }
}

impl Client {
    /// A URL that allows `request` to whoever holds it, until it expires. Asks nothing of the server.
    ///
    /// Without credentials (public buckets) it is the object's plain URL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an expiry out of range, [`ErrorKind::Credentials`] when there are none to be had.
    pub fn presign(&self, bucket: &str, key: &str, request: &Presign<'_>) -> Result<String> {
        let method = match request.method {
            PresignMethod::Get => "GET",
            PresignMethod::Head => "HEAD",
            PresignMethod::Put => "PUT",
            PresignMethod::Delete => "DELETE",
        };
        let call = object_call("presign", method, bucket, key)?;
        let inner = &*self.inner;
        let region = inner.region_of(bucket);
        let located = match request.endpoint {
            Some(endpoint) => endpoint.locate(bucket)?,
            None => inner.locate(bucket, &region)?,
        };
        let lease = inner.credentials.credentials().map_err(|error| call.place(error))?;
        let path = located.path_of(key);
        let host = located.host_header();
        let headers = [("host", host.as_str())];
        let parts = sign::Request { method, path: &path, query: &request.query, headers: &headers };
        let refused = |error: sign::Error| call.place(Error::new(ErrorKind::InvalidArgument, error.to_string()));
        let query = match (&lease.credentials, inner.signature) {
            (None, _) => sign::query_string(&request.query),
            (Some(credentials), SignatureVersion::V2) => {
                let expires = inner.now().plus(request.expires_in);
                v2::presign(&parts, located.host_bucket(), credentials, expires).map_err(refused)?.query
            }
            (Some(credentials), SignatureVersion::V4) => {
                let scope = v4::Scope { region: &region, service: "s3" };
                v4::presign(&parts, credentials, scope, inner.now(), request.expires_in).map_err(refused)?.query
            }
        };
        let question = if query.is_empty() { "" } else { "?" };
        Ok(format!("{}{path}{question}{query}", located.root_url()))
    }
}
