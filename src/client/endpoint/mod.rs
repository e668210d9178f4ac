//! The destination of requests: turns a region's name or an endpoint's URL into scheme, host, port
//! and path. This is a pure module: no sockets, no clock, no environment.
//!
//! The region's name alone decides the partition, and with it the domain, so that a region opened
//! tomorrow works today. Names follow AWS's pages:
//! [endpoints](https://docs.aws.amazon.com/general/latest/gr/s3.html),
//! [dual stack](https://docs.aws.amazon.com/AmazonS3/latest/userguide/dual-stack-endpoints.html),
//! [FIPS](https://aws.amazon.com/compliance/fips/),
//! [acceleration](https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration-getting-started.html),
//! [virtual hosting](https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html).
//! S3's dual-stack names are in the partition's usual domain (`s3.dualstack.REGION.amazonaws.com`),
//! unlike most services, which use `api.aws`.
//!
//! A bucket argument may also be the ARN of an access point or the name of a directory bucket,
//! which have hosts of their kind: see [`BucketKind`].

mod located;
mod name;
mod special;
mod variant;

pub use crate::net::aws::Partition;
pub use crate::net::host::Scheme;
pub use located::Located;
pub(super) use located::Redirect;
pub use name::{BucketKind, check_bucket, may_be_same_bucket};
pub(super) use name::{copy_source, normalized};
pub use variant::{Acceleration, Fips, Stack, Variant};

use crate::error::{Error, ErrorKind, Result};
use crate::net::aws::{S3Host, S3Service, is_region_name};
use crate::net::host::{Host, MAX_HOST, MAX_LABEL};
use crate::net::origin::Origin;
use crate::net::url::{Url, UrlError};
use crate::sign;
use crate::text::{Form, shown_value};
use name::{Arn, Resource, Special, bucket_error, is_dns_bucket, split_tenant};
use special::Site;
use std::fmt;

/// The region that requests are signed for if an endpoint is given without one.
pub const DEFAULT_SIGNING_REGION: &str = "us-east-1";

/// The maximum length of a base path. Those of real servers are far shorter; longer ones are
/// mistakes.
const MAX_BASE_PATH: usize = 1024;

/// The place of the bucket's name: first in the host, or first in the path.
///
/// The path is always used if the host cannot work: the endpoint is an IP address or `localhost`,
/// the bucket's name is not a DNS name, or it contains a dot under https (no wildcard certificate
/// covers two labels).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addressing {
    /// The host for AWS, and the path for VPC endpoints (`vpce`) and other servers: nearly all
    /// accept the path, while the host needs wildcard DNS and a wildcard certificate.
    #[default]
    Auto,
    /// Always the path (`forcepathstyle: true`).
    Path,
    /// The host wherever it works (`forcepathstyle: false`), for servers that require it.
    VirtualHost,
}

/// A server that speaks S3, and the region its requests are signed for.
///
/// Access points and directory buckets of AWS have hosts that contain their names, which
/// [`Endpoint::locate`] derives from the endpoint and the bucket argument:
///
/// ```
/// use s3driver::client::Endpoint;
///
/// let located = Endpoint::region("us-east-1")?
///     .locate("arn:aws:s3:us-west-2:123456789012:accesspoint/reports")?;
/// assert_eq!(located.host(), "reports-123456789012.s3-accesspoint.us-west-2.amazonaws.com");
/// assert_eq!((located.signing_service(), located.signing_region()), ("s3", "us-west-2"));
/// # Ok::<(), s3driver::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// Empty, or `/a/b` with only unreserved characters, so that encoding does not change it.
    base_path: String,
    region: String,
    addressing: Addressing,
    arn_regions: ArnRegions,
    source: HostSource,
}

/// The regions that the ARN of an access point may name. AWS's SDKs call this `use_arn_region`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArnRegions {
    /// Every region of the endpoint's partition: requests go to the ARN's region, and are signed
    /// for it.
    #[default]
    Any,
    /// The endpoint's region. Other ARNs are refused.
    Own,
}

/// The origin of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HostSource {
    Region(Variant),
    Url(RegionSource),
}

/// The origin of the region of a server that is given by a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RegionSource {
    Given,
    /// [`DEFAULT_SIGNING_REGION`], because none is known.
    Assumed,
}

impl Endpoint {
    /// Returns AWS's endpoint in a region, over TLS: [`Endpoint::aws`] without its variants.
    ///
    /// ```
    /// use s3driver::client::Endpoint;
    ///
    /// assert_eq!(Endpoint::region("eu-central-1")?.host(), "s3.eu-central-1.amazonaws.com");
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`]: the name does not have the form of an AWS region.
    pub fn region(region: &str) -> Result<Self> {
        Self::aws(region, Scheme::Https, Variant::default())
    }

    /// Returns AWS's endpoint in a region of any partition: `s3.eu-central-1.amazonaws.com`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`]: the name does not have the form of an AWS region
    /// (`us-west-2`), or AWS does not offer the variant: FIPS in China, FIPS with acceleration or
    /// plain http, acceleration outside `aws`.
    pub fn aws(region: &str, scheme: Scheme, variant: Variant) -> Result<Self> {
        if !is_region_name(region) {
            return Err(configuration(format!(
                "invalid region provided: {}; an AWS region is a lower-case name such as us-east-1",
                shown_value(region, Form::Region)
            ))
            .with_hint("for a server other than AWS set regionendpoint as well"));
        }
        let partition = Partition::of_region(region);
        let suffix = partition.dns_suffix();
        let dualstack = match variant.stack {
            Stack::Ipv4 => "",
            Stack::Dual => ".dualstack",
        };
        let host = match (variant.acceleration, variant.fips) {
            (Acceleration::Off, Fips::NotRequired) => format!("s3{dualstack}.{region}.{suffix}"),
            (Acceleration::Off, Fips::Required) if partition == Partition::China => {
                return Err(configuration(format!(
                    "usefipsendpoint cannot be used with region {region}: partition aws-cn has no \
                     FIPS endpoints"
                )));
            }
            (Acceleration::Off, Fips::Required) if scheme == Scheme::Http => {
                return Err(configuration(
                    "usefipsendpoint cannot be used with secure false: FIPS endpoints need TLS",
                ));
            }
            (Acceleration::Off, Fips::Required) => format!("s3-fips{dualstack}.{region}.{suffix}"),
            (Acceleration::On, Fips::Required) => {
                return Err(configuration(
                    "accelerate cannot be used with usefipsendpoint: AWS has no such endpoint",
                ));
            }
            (Acceleration::On, Fips::NotRequired) if partition != Partition::Aws => {
                return Err(configuration(format!(
                    "accelerate cannot be used with region {region}: partition {} has no Transfer \
                     Acceleration",
                    partition.id()
                )));
            }
            (Acceleration::On, Fips::NotRequired) => format!("s3-accelerate{dualstack}.{suffix}"),
        };
        Ok(Self {
            scheme,
            host: Host::Name(host),
            port: scheme.default_port(),
            base_path: String::new(),
            region: region.to_owned(),
            addressing: Addressing::Auto,
            arn_regions: ArnRegions::Any,
            source: HostSource::Region(variant),
        })
    }

    /// Returns the endpoint of a server from its URL (`regionendpoint`):
    /// `[http://|https://]host[:port][/base/path][/]`. `default` is the scheme of a URL without
    /// one. The host is a DNS name, an IPv4 address or an IPv6 address in brackets; a base path
    /// precedes every bucket and key, and is signed.
    ///
    /// Without a region, requests are signed for the region in a host name of AWS, and otherwise
    /// for [`DEFAULT_SIGNING_REGION`]. The server defines its region's name, which can be any text
    /// of `A-Za-z0-9._-`, such as `garage` or `RegionOne`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] naming `regionendpoint`: another scheme, user information, a
    /// query, a fragment, an invalid host or port, a base path with anything but `A-Za-z0-9._~-`
    /// between its slashes; a host of AWS that does not serve buckets (websites, access points,
    /// directory buckets).
    pub fn custom(url: &str, region: Option<&str>, default: Scheme) -> Result<Self> {
        let parsed = Url::parse_with_default(url, default)
            .map_err(|why| malformed("regionendpoint", url, why))?;
        let in_host = match &parsed.host {
            Host::Name(name) => S3Host::parse(name).and_then(|host| host.region),
            _ => None,
        };
        let region = region.or(in_host);
        let source = if region.is_some() { RegionSource::Given } else { RegionSource::Assumed };
        let region = checked_custom_region(region.unwrap_or(DEFAULT_SIGNING_REGION))?;
        if parsed.query.is_some() {
            return Err(unusable("regionendpoint", url, &"cannot contain query parameters"));
        }
        let base_path = parsed.path.trim_end_matches('/');
        if !is_base_path(base_path) {
            let why = "may have only A-Za-z0-9._~- between the slashes of the base path";
            return Err(unusable("regionendpoint", url, &why));
        }
        if let Host::Name(name) = &parsed.host {
            check_service(name)?;
        }
        Ok(Self { base_path: base_path.to_owned(), ..Self::at(&parsed, region, source) })
    }

    /// Returns the endpoint with the address at which other clients reach this server
    /// (`redirectendpoint`): presigned URLs are built and signed for it. It consists of a scheme, a
    /// host and optionally a port.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] naming `redirectendpoint`.
    pub fn redirect(url: &str, region: &str) -> Result<Self> {
        let parsed = Url::parse(url).map_err(|why| match why {
            UrlError::NoScheme => configuration(format!(
                "no scheme specified for redirectendpoint: {}; it must begin with http:// or \
                 https://",
                shown_value(url, Form::Url)
            )),
            UrlError::NoHost => configuration(format!(
                "no host specified for redirectendpoint: {}",
                shown_value(url, Form::Url)
            )),
            why => malformed("redirectendpoint", url, why),
        })?;
        if parsed.path != "/" {
            return Err(configuration(format!(
                "redirectendpoint cannot contain a base path: {}",
                shown_value(&parsed.path, Form::Url)
            )));
        }
        if parsed.query.is_some() {
            return Err(configuration("redirectendpoint cannot contain query parameters"));
        }
        Ok(Self::at(&parsed, checked_custom_region(region)?, RegionSource::Given))
    }

    /// Returns the server that a URL names, without the URL's path.
    fn at(url: &Url, region: String, source: RegionSource) -> Self {
        Self {
            scheme: url.scheme,
            host: url.host.clone(),
            port: url.origin().port,
            base_path: String::new(),
            region,
            addressing: Addressing::Auto,
            arn_regions: ArnRegions::Any,
            source: HostSource::Url(source),
        }
    }

    /// Returns the endpoint with another addressing.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`]: Transfer Acceleration only supports virtual hosts.
    pub fn with_addressing(mut self, addressing: Addressing) -> Result<Self> {
        if addressing == Addressing::Path && self.is_accelerated() {
            return Err(configuration(
                "accelerate cannot be used with forcepathstyle: accelerated buckets are named in \
                 the host only",
            ));
        }
        self.addressing = addressing;
        Ok(self)
    }

    /// Returns the endpoint with another choice of regions that an ARN may name.
    #[must_use]
    pub const fn with_arn_regions(mut self, regions: ArnRegions) -> Self {
        self.arn_regions = regions;
        self
    }

    /// Returns the endpoint for a bucket that is in another region: with another host if the host
    /// depends on the region, and with only another signature if a URL determines the host.
    ///
    /// # Errors
    /// The errors of [`Endpoint::aws`] for the region's name.
    pub fn for_region(&self, region: &str) -> Result<Self> {
        match self.source {
            HostSource::Region(variant) => {
                let moved = Self::aws(region, self.scheme, variant)?;
                moved.with_arn_regions(self.arn_regions).with_addressing(self.addressing)
            }
            HostSource::Url(_) => {
                Ok(Self { region: checked_custom_region(region)?, ..self.clone() })
            }
        }
    }

    /// Reports whether requests may be signed for a region that the server names: not if a URL is
    /// configured together with a region, or names one in a host of AWS, and on AWS only for a
    /// region of the same partition, because partitions share neither accounts nor buckets.
    pub(super) fn may_learn_region(&self, region: &str) -> bool {
        let fixed = matches!(self.source, HostSource::Url(RegionSource::Given));
        !fixed
            && (!self.is_aws()
                || Partition::of_region(region) == Partition::of_region(&self.region))
    }
    /// Reports whether the host is AWS's name of a region's endpoint, and not taken from a URL.
    pub(super) const fn host_is_amazons(&self) -> bool {
        matches!(self.source, HostSource::Region(_))
    }
    /// Returns which of a region's endpoints this is; the default one if a URL names the host.
    pub(super) fn variant(&self) -> Variant {
        match self.source {
            HostSource::Region(variant) => variant,
            HostSource::Url(_) => Variant::default(),
        }
    }
    /// Returns the region requests are signed for.
    pub fn signing_region(&self) -> &str {
        &self.region
    }
    /// Returns the scheme: with or without TLS.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }
    /// Returns the port, which may be the scheme's default.
    pub const fn port(&self) -> u16 {
        self.port
    }
    /// Returns the host without a bucket: a lower-case name, an IPv4 address, or an IPv6 address
    /// without brackets.
    pub fn host(&self) -> String {
        self.host.to_string()
    }
    /// Returns how buckets are addressed.
    pub const fn addressing(&self) -> Addressing {
        self.addressing
    }
    /// Reports whether the server is Amazon S3, and not another service in AWS's domains.
    pub fn is_aws(&self) -> bool {
        matches!(self.source, HostSource::Region(_))
            || self.s3_host().is_some_and(|host| host.serves_buckets())
    }

    /// Returns the destination of a bucket's requests. [`BucketKind`] lists what `bucket` can name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`]: see [`check_bucket`]; a name that cannot be part of a host
    /// although the endpoint requires it (Transfer Acceleration); an access point or a directory
    /// bucket whose host contradicts the endpoint: a URL other than AWS's, another partition, path
    /// addressing, plain http, or a variant that AWS does not have; a multi-region access point
    /// without the feature `sigv4a`. [`ErrorKind::Configuration`]: the endpoint's URL already names
    /// a bucket, in its host or at the end of its path. A host that only happens to begin with the
    /// bucket's name is accepted with [`Addressing::Path`].
    pub fn locate(&self, bucket: &str) -> Result<Located> {
        match Special::parse(bucket)? {
            None => {}
            // Other servers do not have Outposts: the alias is an ordinary name.
            Some(Special::OutpostAlias(_)) if !self.is_aws() => {}
            Some(Special::Directory { .. }) if !self.is_aws() => {
                return Ok(self.locate_plain(bucket)?.with_kind(BucketKind::Directory));
            }
            Some(Special::Arn(arn)) => return self.locate_arn(bucket, &arn),
            Some(special) => return self.locate_special(bucket, &special),
        }
        if self.is_aws() && split_tenant(bucket).is_some() {
            let why = "AWS does not have tenants, so a name does not contain a colon";
            return Err(bucket_error(bucket, why));
        }
        if self.is_aws() && bucket.ends_with(".mrap") {
            let why = "the alias of a multi-region access point has no host without its account";
            return Err(bucket_error(bucket, why)
                .with_hint(format!("give its ARN: arn:aws:s3::ACCOUNT:accesspoint/{bucket}")));
        }
        self.locate_plain(bucket)
    }

    /// Returns the destination of requests that do not concern a bucket.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`]: with Transfer Acceleration, every request names a bucket.
    pub(in crate::client) fn locate_service(&self) -> Result<Located> {
        if self.is_accelerated() {
            let text = "the endpoint for Transfer Acceleration only serves requests to a bucket";
            return Err(Error::new(ErrorKind::InvalidArgument, text)
                .with_hint("use an endpoint without acceleration"));
        }
        let path = self.base_path.clone();
        Ok(Located::new(self.origin(self.host.to_string()), path, None, self.region.clone()))
    }

    /// Locates what is addressed like a general purpose bucket.
    fn locate_plain(&self, bucket: &str) -> Result<Located> {
        self.check_names_no_bucket(bucket)?;
        if self.is_accelerated() && (bucket.contains('.') || !is_dns_bucket(bucket)) {
            return Err(bucket_error(
                bucket,
                "accelerate needs a bucket name that is a DNS name without dots",
            ));
        }
        let region = self.region.clone();
        let host = match &self.host {
            Host::Name(name)
                if self.prefers_virtual_host(name) && self.host_can_hold(bucket, name) =>
            {
                let origin = self.origin(format!("{bucket}.{name}"));
                let in_host = Some(bucket.to_owned());
                return Ok(Located::new(origin, self.base_path.clone(), in_host, region));
            }
            host => host.to_string(),
        };
        // Only the colon after a tenant is encoded, which Ceph does as well before it compares the
        // signature.
        let path = format!("{}/{}", self.base_path, sign::encode_path(bucket));
        Ok(Located::new(self.origin(host), path, None, region))
    }

    /// Locates an access point, whose host is AWS's, or that of an interface endpoint in the
    /// region of the ARN.
    fn locate_arn(&self, bucket: &str, arn: &Arn<'_>) -> Result<Located> {
        let kind = Special::Arn(*arn).kind();
        let is_elsewhere = !arn.region.is_empty() && arn.region != self.region;
        if is_elsewhere && self.arn_regions == ArnRegions::Own {
            let why = format!("the ARN's region is not {}, the only one allowed", self.region);
            return Err(bucket_error(bucket, &why)
                .with_hint("set the region of the ARN, or allow other regions (use_arn_region)"));
        }
        if kind == BucketKind::MultiRegion && !cfg!(feature = "sigv4a") {
            let why = "multi-region access points need signatures of version 4A, and s3driver was \
                       built without the feature sigv4a";
            return Err(bucket_error(bucket, why).with_hint("enable the feature sigv4a"));
        }
        let (
            Some(S3Host { service: S3Service::Interface, before: Some(before), region, .. }),
            Resource::AccessPoint { name },
        ) = (self.s3_host(), arn.resource)
        else {
            return self.locate_special(bucket, &Special::Arn(*arn));
        };
        self.check_special(bucket, kind)?;
        if !before.starts_with("accesspoint.vpce-") || !self.base_path.is_empty() {
            let why = "access points are reached at the host accesspoint.vpce-ID of an interface \
                       endpoint";
            return Err(bucket_error(bucket, why));
        }
        if region != Some(arn.region) {
            let why = format!("the endpoint {} is not in the region of the ARN", self.host);
            return Err(bucket_error(bucket, &why));
        }
        let origin = self.origin(format!("{name}-{}.{}", arn.account, self.host));
        Ok(Located::new(origin, String::new(), None, arn.region.to_owned()).with_kind(kind))
    }

    /// Locates what has a host of its kind on AWS.
    fn locate_special(&self, bucket: &str, special: &Special<'_>) -> Result<Located> {
        let kind = special.kind();
        let HostSource::Region(variant) = self.source else {
            let why = format!(
                "{} have hosts of AWS that contain their names, and cannot be reached through the \
                 endpoint {}",
                kind.plural(),
                self.host
            );
            return Err(
                bucket_error(bucket, &why).with_hint("leave regionendpoint out, and set region")
            );
        };
        self.check_special(bucket, kind)?;
        let found = Site { region: &self.region, variant }.host(bucket, special)?;
        let origin = self.origin(found.host);
        Ok(Located::new(origin, String::new(), None, found.region).with_kind(kind))
    }

    /// Rejects plain http and path addressing for what AWS serves over https and names in the host
    /// only.
    fn check_special(&self, bucket: &str, kind: BucketKind) -> Result<()> {
        let option = if self.scheme == Scheme::Http {
            "secure false"
        } else if self.addressing == Addressing::Path {
            "forcepathstyle"
        } else {
            return Ok(());
        };
        let kind = kind.plural();
        let why = format!(
            "{option} cannot be used with {kind}: AWS names them in the host, and serves them over \
             https"
        );
        Err(bucket_error(bucket, &why))
    }

    fn origin(&self, host: String) -> Origin {
        Origin { scheme: self.scheme, host, port: self.port }
    }
    /// Returns the parts of the host if it is Amazon S3's.
    fn s3_host(&self) -> Option<S3Host<'_>> {
        if let Host::Name(name) = &self.host { S3Host::parse(name) } else { None }
    }

    /// Rejects a URL that already contains the bucket, as consoles display it: a request would name
    /// the bucket twice, and address a folder of that name or a bucket that does not exist.
    fn check_names_no_bucket(&self, bucket: &str) -> Result<()> {
        let HostSource::Url(_) = self.source else { return Ok(()) };
        let base = self.base_path.strip_suffix(bucket).and_then(|base| base.strip_suffix('/'));
        let host = self.host_without_bucket(bucket);
        let text = match (host, base) {
            (None, None) => return Ok(()),
            (Some((named, _)), _) => {
                format!(
                    "the endpoint's host {} begins with the bucket {}",
                    self.host,
                    shown_value(named, Form::Bucket)
                )
            }
            (None, Some(_)) => {
                format!(
                    "the endpoint's path {} ends with the bucket's name",
                    shown_value(&self.base_path, Form::Url)
                )
            }
        };
        let origin =
            self.origin(host.map_or_else(|| self.host.to_string(), |(_, rest)| rest.to_owned()));
        let (scheme, base) = (self.scheme.as_str(), base.unwrap_or(&self.base_path));
        let right = format!(
            "give the endpoint without the bucket: {scheme}://{}{base}",
            origin.host_header()
        );
        Err(configuration(text).with_hint(right))
    }

    /// Returns the bucket that the host begins with, and the rest.
    fn host_without_bucket<'a>(&'a self, bucket: &'a str) -> Option<(&'a str, &'a str)> {
        let Host::Name(host) = &self.host else { return None };
        let (named, rest) = match S3Host::parse(host) {
            Some(S3Host { service: S3Service::Api, before: Some(named), .. }) => {
                (named, host.strip_prefix(named))
            }
            Some(_) => return None,
            // A server's own name may happen to begin in the same way.
            None => (bucket, host.strip_prefix(bucket).filter(|rest| self.may_name_bucket(rest))),
        };
        Some((named, rest?.strip_prefix('.')?))
    }

    /// Returns whether a host that consists of the bucket's name and `rest` is likely the bucket's
    /// own.
    fn may_name_bucket(&self, rest: &str) -> bool {
        let domain = rest.strip_prefix('.').unwrap_or_default();
        let service =
            domain.starts_with("s3.") || domain.starts_with("s3-") || domain.starts_with("oss-");
        domain.contains('.') && (service || self.addressing != Addressing::Path)
    }

    fn is_accelerated(&self) -> bool {
        matches!(self.source, HostSource::Region(Variant { acceleration: Acceleration::On, .. }))
    }
    fn prefers_virtual_host(&self, name: &str) -> bool {
        match self.addressing {
            Addressing::Path => false,
            Addressing::VirtualHost => name != "localhost",
            Addressing::Auto => {
                self.is_aws()
                    && S3Host::parse(name).is_none_or(|host| host.service != S3Service::Interface)
            }
        }
    }
    fn host_can_hold(&self, bucket: &str, name: &str) -> bool {
        is_dns_bucket(bucket)
            && !(self.scheme == Scheme::Https && bucket.contains('.'))
            && bucket.len() + 1 + name.len() <= MAX_HOST
    }
}

/// Rejects hosts of AWS that do not serve buckets through the S3 API.
fn check_service(host: &str) -> Result<()> {
    let (what, instead) = match S3Host::parse(host).map(|host| host.service) {
        None | Some(S3Service::Api | S3Service::Interface) => return Ok(()),
        Some(S3Service::Website) => (
            "serves websites, not the S3 API",
            "leave regionendpoint out and set region, or use s3.REGION.amazonaws.com",
        ),
        Some(S3Service::AccessPoint) => (
            "belongs to an access point, which is named by the bucket and not by the endpoint",
            "leave regionendpoint out, set region, and give the access point's ARN or alias as \
             bucket",
        ),
        Some(S3Service::Express) => (
            "serves directory buckets (S3 Express One Zone), whose names state the zone",
            "leave regionendpoint out, and set region",
        ),
    };
    Err(unusable("regionendpoint", host, &what).with_hint(instead))
}

fn checked_custom_region(region: &str) -> Result<String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if region.is_empty() || region.len() > MAX_LABEL || !region.bytes().all(legal) {
        return Err(configuration(format!(
            "invalid region provided: {}; a region has 1 to {MAX_LABEL} of A-Za-z0-9._-",
            shown_value(region, Form::Region)
        )));
    }
    Ok(region.to_owned())
}

fn configuration(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

/// Returns the error for a URL that cannot be used. `why` completes the sentence "it ...".
fn unusable(option: &str, url: &str, why: &dyn fmt::Display) -> Error {
    configuration(format!("unable to parse {option}: {}: it {why}", shown_value(url, Form::Url)))
}

/// Returns the error for a text that is not a URL.
fn malformed(option: &str, url: &str, why: UrlError) -> Error {
    let error = unusable(option, url, &why);
    let host_end = url.find("://").map_or(0, |scheme| scheme + "://".len());
    let authority =
        url.get(host_end..).unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    match why {
        UrlError::UserInfo => error.with_hint("give the keys as accesskey and secretkey"),
        UrlError::Host if host.ends_with('.') => {
            error.with_hint("leave out the dot at the end of the host name")
        }
        _ => error,
    }
}

fn is_base_path(path: &str) -> bool {
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
    };
    path.is_empty()
        || path.len() <= MAX_BASE_PATH
            && path.strip_prefix('/').is_some_and(|p| p.split('/').all(part))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
