//! The destination of requests, and where redirects may lead.
use super::name::BucketKind;
use crate::error::{Error, ErrorKind, Result};
use crate::net::aws::{S3Host, S3Service};
use crate::net::host::Scheme;
use crate::net::origin::Origin;
use crate::net::url::Url;
use crate::sign;

/// The destination of requests to a bucket or to an object in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    origin: Origin,
    /// The value of `Host`.
    host_header: String,
    path: String,
    host_bucket: Option<String>,
    kind: BucketKind,
    region: String,
}

impl Located {
    /// Creates the destination of requests to a general purpose bucket, which are signed for
    /// `region`.
    pub(super) fn new(
        origin: Origin,
        path: String,
        host_bucket: Option<String>,
        region: String,
    ) -> Self {
        let (host_header, kind) = (origin.host_header(), BucketKind::GeneralPurpose);
        Self { host_header, origin, path, host_bucket, kind, region }
    }
    /// Returns the destination as that of another kind.
    pub(super) fn with_kind(self, kind: BucketKind) -> Self {
        Self { kind, ..self }
    }
    /// Returns the kind of the bucket, which decides how requests are signed.
    pub const fn kind(&self) -> BucketKind {
        self.kind
    }
    /// Returns the service that requests are signed for: `s3`, or for example `s3express`.
    pub const fn signing_service(&self) -> &'static str {
        self.kind.service()
    }
    /// Returns the region that requests are signed for, or `*` for SigV4A and every region.
    pub fn signing_region(&self) -> &str {
        &self.region
    }
    /// Reports whether requests are signed for every region, with version 4A.
    pub(in crate::client) fn is_for_every_region(&self) -> bool {
        self.kind == BucketKind::MultiRegion
    }
    /// Reports whether a server may name another region or another host for the bucket. An ARN
    /// states the region, and a directory bucket exists in one zone.
    pub(in crate::client) fn may_move(&self) -> bool {
        self.kind == BucketKind::GeneralPurpose
    }
    /// Returns the scheme: with or without TLS.
    pub const fn scheme(&self) -> Scheme {
        self.origin.scheme
    }
    /// Returns the host: a lower-case name, an IPv4 address, or an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.origin.host
    }
    /// Returns the port, which may be the scheme's default.
    pub const fn port(&self) -> u16 {
        self.origin.port
    }
    /// Returns the bucket if it is in the host: signature version 2 puts it back before the path.
    pub fn host_bucket(&self) -> Option<&str> {
        self.host_bucket.as_deref()
    }
    /// Returns the value of `Host`: with an IPv6 address in brackets, and without the port if it is
    /// the scheme's default.
    pub fn host_header(&self) -> &str {
        &self.host_header
    }
    /// Returns `scheme://host[:port]`, to which a path can be appended.
    pub fn root_url(&self) -> String {
        format!("{}://{}", self.scheme().as_str(), self.host_header())
    }
    /// Returns the path of a request to the bucket itself. It needs no encoding.
    pub fn bucket_path(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }
    /// Returns the path of a request to an object. The percent-encoded key is kept byte for byte,
    /// with any leading slash or `..`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`]: the key is empty, which would address the bucket.
    pub fn object_path(&self, encoded_key: &str) -> Result<String> {
        if encoded_key.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "the key is empty"));
        }
        Ok(format!("{}/{encoded_key}", self.path))
    }
    /// Returns the path of a request to the bucket, or to the object with this key, which is
    /// percent-encoded here.
    pub(in crate::client) fn path_of(&self, key: &str) -> String {
        if key.is_empty() {
            return self.bucket_path().to_owned();
        }
        let mut path = String::with_capacity(self.path.len() + "/".len() + key.len());
        path.push_str(&self.path);
        path.push('/');
        sign::push_path(&mut path, key);
        path
    }
    /// Returns the destination of a temporary redirect if it may be followed: the same scheme, and
    /// the same host or another S3 host in the same AWS domain. No other `Location` can be trusted
    /// with a signed request, because other services also have hosts in these domains. From a FIPS
    /// endpoint, only another one is followed.
    pub(in crate::client) fn redirected(&self, location: &str, bucket: &str) -> Option<Self> {
        let to = Url::parse(location).ok()?.origin();
        // This is the destination that was addressed before: the host alone does not show whether
        // it names the bucket, because any host can accept the bucket in the path.
        if to == self.origin {
            return Some(self.clone());
        }
        let default = self.scheme().default_port();
        let (own, other) = (S3Host::parse(self.host())?, S3Host::parse(&to.host)?);
        let in_host = match other.before {
            None => false,
            Some(name) if name == bucket => true,
            Some(_) => return None,
        };
        if to.scheme != self.scheme()
            || [to.port, self.port()] != [default; 2]
            || [own.service, other.service] != [S3Service::Api; 2]
            || own.partition() != other.partition()
            || (own.is_fips && !other.is_fips)
        {
            return None;
        }
        let base = if self.host_bucket.is_some() {
            &self.path
        } else {
            self.path.strip_suffix(bucket)?.strip_suffix('/')?
        };
        let path = if in_host { base.to_owned() } else { format!("{base}/{bucket}") };
        let host_bucket = in_host.then(|| bucket.to_owned());
        Some(Self::new(to, path, host_bucket, self.region.clone()))
    }
    /// Classifies the destination of a `Location`.
    pub(in crate::client) fn redirect(&self, location: &str, bucket: &str) -> Redirect {
        if let Some(located) = self.redirected(location, bucket) {
            return Redirect::Same(located);
        }
        if S3Host::parse(self.host()).is_some() {
            return Redirect::Amazon;
        }
        let Ok(to) = Url::parse(location) else {
            return Redirect::Elsewhere("another path".to_owned());
        };
        let to = to.origin();
        if (self.scheme(), to.scheme) == (Scheme::Http, Scheme::Https) && to.host == self.host() {
            return Redirect::ToTls { host: to.host_header() };
        }
        Redirect::Elsewhere(format!("{}://{}", to.scheme.as_str(), to.host_header()))
    }
    /// Returns the server in the form that the transport uses.
    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// The destination of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::client) enum Redirect {
    /// Another destination of this bucket, which may be trusted with a signed request.
    Same(Located),
    /// A redirect of Amazon S3, which only indicates another region.
    Amazon,
    /// From plain http to https on the same host.
    ToTls { host: String },
    /// Another destination.
    Elsewhere(String),
}
