//! Where requests go: from a region's name or an endpoint's URL to scheme, host, port and path. Pure: no socket, no
//! clock, no environment.
//!
//! The region's name alone decides the partition, and with it the domain, so that a region opened tomorrow works today.
//! Names follow AWS's pages:
//! [endpoints](https://docs.aws.amazon.com/general/latest/gr/s3.html),
//! [dual stack](https://docs.aws.amazon.com/AmazonS3/latest/userguide/dual-stack-endpoints.html),
//! [FIPS](https://aws.amazon.com/compliance/fips/),
//! [acceleration](https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration-getting-started.html),
//! [virtual hosting](https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html).
//! S3 puts its dual-stack names under the partition's usual domain (`s3.dualstack.REGION.amazonaws.com`), unlike most
//! services, which use `api.aws`.
//!
//! Out of scope: directory buckets (S3 Express), whose zonal endpoints need sessions of their own; they are refused.

mod variant;

pub use crate::net::aws::Partition;
pub use crate::net::host::Scheme;
pub use variant::{Acceleration, Fips, Stack, Variant};

use crate::error::{Error, ErrorKind, Result};
use crate::net::aws::{S3Host, S3Service, is_region_name};
use crate::net::host::{Host, MAX_HOST, MAX_LABEL};
use crate::net::origin::Origin;
use crate::net::url::{Url, UrlError};
use crate::sign;
use crate::text::{Form, shown_value};
use std::fmt;
use std::net::Ipv4Addr;

/// The region requests are signed for when an endpoint is given without one.
pub const DEFAULT_SIGNING_REGION: &str = "us-east-1";

/// No base path of a real server comes near; longer ones are mistakes.
const MAX_BASE_PATH: usize = 1024;

/// Where the bucket's name stands: first in the host, or first in the path.
///
/// Whatever is asked for, the path is used where a host cannot work: the endpoint is an IP address or `localhost`, the
/// bucket's name is no DNS name, or it holds a dot under https (no wildcard certificate covers two labels).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addressing {
    /// The host for AWS, the path for every other endpoint: nearly all servers take the path, while the host needs
    /// wildcard DNS and a wildcard certificate. VPC endpoints (`vpce`) get the path, too.
    #[default]
    Auto,
    /// Always the path (`forcepathstyle: true`).
    Path,
    /// The host wherever it can work (`forcepathstyle: false`), for servers that take nothing else.
    VirtualHost,
}

/// A server that speaks S3, and the region its requests are signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// Empty, or `/a/b`: unreserved characters only, so it is the same encoded and not.
    base_path: String,
    region: String,
    addressing: Addressing,
    source: HostSource,
}

/// How the host came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HostSource {
    Region(Variant),
    Url(RegionSource),
}

/// Where the region of a server named by URL comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RegionSource {
    Given,
    /// [`DEFAULT_SIGNING_REGION`], for want of a better one.
    Assumed,
}

impl Endpoint {
    /// AWS's endpoint in a region, over TLS: [`Endpoint::aws`] without its variants.
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

    /// AWS's endpoint in a region of any partition: `s3.eu-central-1.amazonaws.com`, in us-east-1 as well.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`]: the name has not the shape of an AWS region (`us-west-2`), or the variant is one
    /// that AWS does not have: FIPS in China, FIPS with acceleration or plain http, acceleration outside `aws`.
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
                    "usefipsendpoint cannot be used with region {region}: partition aws-cn has no FIPS endpoints"
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
                    "accelerate cannot be used with region {region}: partition {} has no Transfer Acceleration",
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
            source: HostSource::Region(variant),
        })
    }

    /// A server by its URL (`regionendpoint`): `[http://|https://]host[:port][/base/path][/]`. `default` is the scheme
    /// of a URL without one; a URL's own scheme wins. The host is a DNS name, an IPv4 address or an IPv6 address in
    /// brackets; a base path is kept before every bucket and key, and signed.
    ///
    /// Without a region, requests are signed for [`DEFAULT_SIGNING_REGION`]. The region is the server's own affair:
    /// any text of `A-Za-z0-9._-` will do, such as `garage` or `RegionOne`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] naming `regionendpoint`: another scheme, user information, a query, a fragment, a
    /// host or port that is none, a base path with anything but `A-Za-z0-9._~-` between its slashes; a host of AWS that
    /// serves something other than buckets (websites, access points, directory buckets).
    pub fn custom(url: &str, region: Option<&str>, default: Scheme) -> Result<Self> {
        let source = if region.is_some() { RegionSource::Given } else { RegionSource::Assumed };
        let region = checked_custom_region(region.unwrap_or(DEFAULT_SIGNING_REGION))?;
        let parsed = Url::parse_with_default(url, default)
            .map_err(|why| malformed("regionendpoint", url, why))?;
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

    /// The address clients reach the same server under (`redirectendpoint`): presigned URLs are built and signed for
    /// it. It has a scheme, a host and perhaps a port, nothing else.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] naming `redirectendpoint`.
    pub fn redirect(url: &str, region: &str) -> Result<Self> {
        let parsed = Url::parse(url).map_err(|why| match why {
            UrlError::NoScheme => configuration(format!(
                "no scheme specified for redirectendpoint: {}; it must begin with http:// or https://",
                shown_value(url, Form::Url)
            )),
            UrlError::NoHost => {
                configuration(format!("no host specified for redirectendpoint: {}", shown_value(url, Form::Url)))
            }
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
            source: HostSource::Url(source),
        }
    }

    /// The same with another addressing.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`]: Transfer Acceleration has virtual hosts only.
    pub fn with_addressing(mut self, addressing: Addressing) -> Result<Self> {
        if addressing == Addressing::Path && self.is_accelerated() {
            return Err(configuration(
                "accelerate cannot be used with forcepathstyle: accelerated buckets are named in the host only",
            ));
        }
        self.addressing = addressing;
        Ok(self)
    }

    /// The endpoint for a bucket that turned out to live in another region: another host where the region chose it,
    /// the same host and another signature where a URL did.
    ///
    /// # Errors
    /// As [`Endpoint::aws`] for the region's name.
    pub fn for_region(&self, region: &str) -> Result<Self> {
        match self.source {
            HostSource::Region(variant) => {
                Self::aws(region, self.scheme, variant)?.with_addressing(self.addressing)
            }
            HostSource::Url(_) => {
                Ok(Self { region: checked_custom_region(region)?, ..self.clone() })
            }
        }
    }

    /// Whether requests may be signed for a region that the server names: not when the configuration fixed both endpoint
    /// and region, and on AWS only for a region of the same partition, because partitions share neither accounts nor
    /// buckets.
    pub(super) fn may_learn_region(&self, region: &str) -> bool {
        let fixed = matches!(self.source, HostSource::Url(RegionSource::Given));
        !fixed
            && (!self.is_aws()
                || Partition::of_region(region) == Partition::of_region(&self.region))
    }
    /// Whether the host is AWS's own name of a region's endpoint, and not one that a URL names.
    pub(super) const fn host_is_amazons(&self) -> bool {
        matches!(self.source, HostSource::Region(_))
    }
    /// Returns the region requests are signed for.
    pub fn signing_region(&self) -> &str {
        &self.region
    }
    /// With TLS or without.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }
    /// The port, the scheme's default written out.
    pub const fn port(&self) -> u16 {
        self.port
    }
    /// The host without a bucket: a lower-case name, an IPv4 address, or an IPv6 address without brackets.
    pub fn host(&self) -> String {
        self.host.to_string()
    }
    /// How buckets are addressed.
    pub const fn addressing(&self) -> Addressing {
        self.addressing
    }
    /// Whether the server is Amazon S3: a region's endpoint, or a host of S3's own. Load balancers, virtual machines and
    /// API gateways below AWS's domains are not.
    pub fn is_aws(&self) -> bool {
        matches!(self.source, HostSource::Region(_))
            || self.s3_host().is_some_and(|host| host.serves_buckets())
    }

    /// Where a bucket's requests go.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`]: see [`check_bucket`]; a directory bucket or a multi-region access point on AWS; a
    /// name that cannot stand in a host while the endpoint takes no other (Transfer Acceleration).
    /// [`ErrorKind::Configuration`]: the endpoint's URL names a bucket already, in its host or at the end of its path. A
    /// host that begins with the bucket's name by chance is accepted with [`Addressing::Path`].
    pub fn locate(&self, bucket: &str) -> Result<Located> {
        check_bucket(bucket)?;
        if self.is_aws() && bucket.ends_with("--x-s3") {
            return Err(bucket_error(
                bucket,
                "directory buckets (S3 Express One Zone) are not supported",
            ));
        }
        if self.is_aws() && bucket.ends_with(".mrap") {
            return Err(bucket_error(
                bucket,
                "multi-region access points (.mrap) are not supported",
            )
            .with_hint("use the name of one of the buckets that the access point leads to"));
        }
        self.check_names_no_bucket(bucket)?;
        if self.is_accelerated() && (bucket.contains('.') || !is_dns_bucket(bucket)) {
            return Err(bucket_error(
                bucket,
                "accelerate needs a bucket name that is a DNS name without dots",
            ));
        }
        let host = match &self.host {
            Host::Name(name)
                if self.prefers_virtual_host(name) && self.host_can_hold(bucket, name) =>
            {
                return Ok(Located {
                    origin: self.origin(format!("{bucket}.{name}")),
                    path: self.base_path.clone(),
                    host_bucket: Some(bucket.to_owned()),
                });
            }
            host => host.to_string(),
        };
        let path = format!("{}/{bucket}", self.base_path);
        Ok(Located { origin: self.origin(host), path, host_bucket: None })
    }

    fn origin(&self, host: String) -> Origin {
        Origin { scheme: self.scheme, host, port: self.port }
    }
    /// Returns the parts of the host when it is Amazon S3's.
    fn s3_host(&self) -> Option<S3Host<'_>> {
        if let Host::Name(name) = &self.host { S3Host::parse(name) } else { None }
    }

    /// Refuses a URL, as consoles display it, in which the bucket stands already: a request would name the bucket twice,
    /// and address a folder of that name or a bucket that does not exist.
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
            // By chance a server's own name can begin in the same way.
            None => (bucket, host.strip_prefix(bucket).filter(|rest| self.may_name_bucket(rest))),
        };
        Some((named, rest?.strip_prefix('.')?))
    }

    /// Whether a host that begins with the bucket's name, followed by `rest`, is likely to be the bucket's own.
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

/// A bucket's place: what a request to it, or to an object in it, is addressed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    origin: Origin,
    path: String,
    host_bucket: Option<String>,
}

impl Located {
    /// With TLS or without.
    pub const fn scheme(&self) -> Scheme {
        self.origin.scheme
    }
    /// A lower-case name, an IPv4 address, or an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.origin.host
    }
    /// The port, the scheme's default written out.
    pub const fn port(&self) -> u16 {
        self.origin.port
    }
    /// The bucket, when it stands in the host: signature version 2 puts it back before the path.
    pub fn host_bucket(&self) -> Option<&str> {
        self.host_bucket.as_deref()
    }
    /// The value of `Host`: an IPv6 address in brackets, the port left out when it is the scheme's default.
    pub fn host_header(&self) -> String {
        self.origin.host_header()
    }
    /// `scheme://host[:port]`, to which a path is appended.
    pub fn root_url(&self) -> String {
        format!("{}://{}", self.scheme().as_str(), self.host_header())
    }
    /// The path of a request to the bucket itself. Needs no encoding.
    pub fn bucket_path(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }
    /// The path of a request to an object, whose key is already percent-encoded; its bytes stay as they are, a leading
    /// slash and `..` included.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`]: the key is empty, which would address the bucket.
    pub fn object_path(&self, encoded_key: &str) -> Result<String> {
        if encoded_key.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "the key is empty"));
        }
        Ok(format!("{}/{encoded_key}", self.path))
    }
    /// The path of a request: to the bucket, or to the object with this key, percent-encoded here.
    pub(super) fn path_of(&self, key: &str) -> String {
        if key.is_empty() {
            return self.bucket_path().to_owned();
        }
        let mut path = String::with_capacity(self.path.len() + "/".len() + key.len());
        path.push_str(&self.path);
        path.push('/');
        sign::push_path(&mut path, key);
        path
    }
    /// The place a temporary redirect names, when it may be followed: the same scheme, and the same host or another one
    /// that S3 itself has in the same AWS domain. Whatever else a `Location` says is not to be trusted with a signed
    /// request: others than S3 have hosts below these domains.
    pub(super) fn redirected(&self, location: &str, bucket: &str) -> Option<Self> {
        let to = Url::parse(location).ok()?.origin();
        // The same place is addressed as before: the host alone does not tell whether it names the bucket, because a
        // host of any name can take the bucket in the path.
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
        {
            return None;
        }
        let base = if self.host_bucket.is_some() {
            &self.path
        } else {
            self.path.strip_suffix(bucket)?.strip_suffix('/')?
        };
        let path = if in_host { base.to_owned() } else { format!("{base}/{bucket}") };
        Some(Self { origin: to, path, host_bucket: in_host.then(|| bucket.to_owned()) })
    }
    /// Where a `Location` leads.
    pub(super) fn redirect(&self, location: &str, bucket: &str) -> Redirect {
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
    /// The server itself, as the transport knows it.
    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// Where a redirect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// To a place of the same bucket, which may be trusted with a signed request.
    Same(Located),
    /// From Amazon S3, which redirects only to tell of another region.
    Amazon,
    /// From plain http to https on the same host.
    ToTls { host: String },
    /// To another place.
    Elsewhere(String),
}

/// Refuses a bucket name that no S3 ever allowed: 3 to 255 of `A-Za-z0-9._-`, one letter or digit at least. That is
/// the old rule of us-east-1; [today's](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html)
/// (3 to 63, no capitals, no underscore) only decides whether the name can stand in a host.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`].
pub fn check_bucket(bucket: &str) -> Result<()> {
    if bucket.starts_with("arn:") {
        return Err(bucket_error(bucket, "ARNs are not supported")
            .with_hint("give the bucket's name, or the alias of the access point"));
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !(3..=255).contains(&bucket.len()) {
        Err(bucket_error(bucket, "a name has 3 to 63 characters (255 in old buckets)"))
    } else if !bucket.bytes().all(legal) || !bucket.bytes().any(|b| b.is_ascii_alphanumeric()) {
        Err(bucket_error(
            bucket,
            "a name consists of letters, digits, dots, hyphens and underscores",
        ))
    } else {
        Ok(())
    }
}

/// Refuses hosts of AWS that do not serve buckets by the S3 API.
fn check_service(host: &str) -> Result<()> {
    let (what, instead) = match S3Host::parse(host).map(|host| host.service) {
        None | Some(S3Service::Api | S3Service::Interface) => return Ok(()),
        Some(S3Service::Website) => (
            "serves websites, not the S3 API",
            "leave regionendpoint out and set region, or use s3.REGION.amazonaws.com",
        ),
        Some(S3Service::AccessPoint) => (
            "belongs to an access point, which is not supported by its own host",
            "leave regionendpoint out, set region, and give the access point's alias as bucket",
        ),
        Some(S3Service::Express) => (
            "serves directory buckets (S3 Express One Zone), which are not supported",
            "use a general purpose bucket",
        ),
    };
    Err(unusable("regionendpoint", host, &what).with_hint(instead))
}

/// Whether a bucket's name can be the beginning of a host name: today's rule for general purpose buckets.
fn is_dns_bucket(bucket: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    (3..=MAX_LABEL).contains(&bucket.len())
        && bucket.split('.').all(label)
        && bucket.parse::<Ipv4Addr>().is_err()
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

fn bucket_error(bucket: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("invalid bucket name provided: {}; {why}", shown_value(bucket, Form::Bucket)),
    )
}

/// The error for a URL that cannot be used. `why` completes the sentence "it ...".
fn unusable(option: &str, url: &str, why: &dyn fmt::Display) -> Error {
    configuration(format!("unable to parse {option}: {}: it {why}", shown_value(url, Form::Url)))
}

/// The error for a text that is not a URL.
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
