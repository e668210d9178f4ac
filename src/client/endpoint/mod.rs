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

pub use crate::net::aws::Partition;
pub use crate::net::host::Scheme;

use crate::error::{Error, ErrorKind, Result};
use crate::net::aws::is_region_name;
use crate::net::host::{Host, MAX_HOST, MAX_LABEL};
use crate::net::origin::Origin;
use crate::net::url::{Url, UrlError, shown_url};
use crate::sign;
use crate::text::shown;
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

/// Which addresses an AWS endpoint's name resolves to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stack {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv4 and IPv6 (`usedualstack`).
    Dual,
}

/// Whether an AWS endpoint is one of those that AWS runs with validated cryptography.
///
/// It chooses the server's side only: the TLS of this crate is not a validated module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fips {
    /// Any.
    #[default]
    NotRequired,
    /// `s3-fips` (`usefipsendpoint`). AWS has them in the United States and Canada; elsewhere the name does not resolve.
    Required,
}

/// Whether requests enter AWS's network at the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Acceleration {
    /// Straight to the region.
    #[default]
    Off,
    /// Transfer Acceleration (`accelerate`), which the bucket must have switched on.
    On,
}

/// Which of a region's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Variant {
    /// IPv4, or IPv6 too.
    pub stack: Stack,
    /// Validated cryptography.
    pub fips: Fips,
    /// Through the edge.
    pub acceleration: Acceleration,
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
    /// AWS's endpoint in a region of any partition: `s3.eu-central-1.amazonaws.com`, in us-east-1 as well.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`]: the name has not the shape of an AWS region (`us-west-2`), or the variant is one
    /// that AWS does not have: FIPS in China, FIPS with acceleration or plain http, acceleration outside `aws`.
    pub fn aws(region: &str, scheme: Scheme, variant: Variant) -> Result<Self> {
        if !is_region_name(region) {
            return Err(configuration(format!(
                "invalid region provided: {}; an AWS region is a lower-case name such as us-east-1",
                shown(region)
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
                return Err(configuration("usefipsendpoint cannot be used with secure false: FIPS endpoints need TLS"));
            }
            (Acceleration::Off, Fips::Required) => format!("s3-fips{dualstack}.{region}.{suffix}"),
            (Acceleration::On, Fips::Required) => {
                return Err(configuration("accelerate cannot be used with usefipsendpoint: AWS has no such endpoint"));
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
    /// host or port that is none, a base path with anything but `A-Za-z0-9._~-` between its slashes.
    pub fn custom(url: &str, region: Option<&str>, default: Scheme) -> Result<Self> {
        let source = if region.is_some() { RegionSource::Given } else { RegionSource::Assumed };
        let region = checked_custom_region(region.unwrap_or(DEFAULT_SIGNING_REGION))?;
        let parsed = Url::parse_with_default(url, default).map_err(|why| malformed("regionendpoint", url, why))?;
        if parsed.query.is_some() {
            return Err(unusable("regionendpoint", url, &"cannot contain query parameters"));
        }
        let base_path = parsed.path.trim_end_matches('/');
        if !is_base_path(base_path) {
            let why = "may have only A-Za-z0-9._~- between the slashes of the base path";
            return Err(unusable("regionendpoint", url, &why));
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
                shown_url(url)
            )),
            UrlError::NoHost => configuration(format!("no host specified for redirectendpoint: {}", shown_url(url))),
            why => malformed("redirectendpoint", url, why),
        })?;
        if parsed.path != "/" {
            return Err(configuration(format!("redirectendpoint cannot contain a base path: {}", shown(&parsed.path))));
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
            HostSource::Region(variant) => Self::aws(region, self.scheme, variant)?.with_addressing(self.addressing),
            HostSource::Url(_) => Ok(Self { region: checked_custom_region(region)?, ..self.clone() }),
        }
    }

    /// Whether a server may tell us another region: not when the configuration fixed both endpoint and region.
    pub(super) const fn may_learn_region(&self) -> bool {
        matches!(self.source, HostSource::Region(_) | HostSource::Url(RegionSource::Assumed))
    }
    /// The region requests are signed for.
    pub fn region(&self) -> &str {
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
    /// Whether the host is one of AWS's, by region or by its domain.
    pub fn is_aws(&self) -> bool {
        match (&self.source, &self.host) {
            (HostSource::Region(_), _) => true,
            (HostSource::Url(_), Host::Name(name)) => Partition::ALL.iter().any(|partition| {
                name.strip_suffix(partition.dns_suffix()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }),
            (HostSource::Url(_), _) => false,
        }
    }

    /// Where a bucket's requests go.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`]: see [`check_bucket`]; a directory bucket on AWS; a name that cannot stand in a
    /// host while the endpoint takes no other (Transfer Acceleration).
    pub fn locate(&self, bucket: &str) -> Result<Located> {
        check_bucket(bucket)?;
        if self.is_aws() && bucket.ends_with("--x-s3") {
            return Err(bucket_error(bucket, "directory buckets (S3 Express One Zone) are not supported"));
        }
        if self.is_accelerated() && (bucket.contains('.') || !is_dns_bucket(bucket)) {
            return Err(bucket_error(bucket, "accelerate needs a bucket name that is a DNS name without dots"));
        }
        let host = match &self.host {
            Host::Name(name) if self.prefers_virtual_host(name) && self.host_can_hold(bucket, name) => {
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
    fn is_accelerated(&self) -> bool {
        matches!(self.source, HostSource::Region(Variant { acceleration: Acceleration::On, .. }))
    }
    fn prefers_virtual_host(&self, name: &str) -> bool {
        match self.addressing {
            Addressing::Path => false,
            Addressing::VirtualHost => name != "localhost",
            Addressing::Auto => self.is_aws() && !name.contains(".vpce."),
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
        let domain = s3_domain(&to.host, bucket)?;
        if to.scheme != self.scheme()
            || [to.port, self.port()] != [default; 2]
            || s3_domain(self.host(), bucket) != Some(domain)
        {
            return None;
        }
        let in_host = to.host.strip_prefix(bucket).is_some_and(|rest| rest.starts_with('.'));
        let base =
            if self.host_bucket.is_some() { &self.path } else { self.path.strip_suffix(bucket)?.strip_suffix('/')? };
        let path = if in_host { base.to_owned() } else { format!("{base}/{bucket}") };
        Some(Self { origin: to, path, host_bucket: in_host.then(|| bucket.to_owned()) })
    }
    /// The server itself, as the transport knows it.
    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// Refuses a bucket name that no S3 ever allowed: 3 to 255 of `A-Za-z0-9._-`, one letter or digit at least. That is
/// the old rule of us-east-1; [today's](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html)
/// (3 to 63, no capitals, no underscore) only decides whether the name can stand in a host.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`].
pub fn check_bucket(bucket: &str) -> Result<()> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !(3..=255).contains(&bucket.len()) {
        Err(bucket_error(bucket, "a name has 3 to 63 characters (255 in old buckets)"))
    } else if !bucket.bytes().all(legal) || !bucket.bytes().any(|b| b.is_ascii_alphanumeric()) {
        Err(bucket_error(bucket, "a name consists of letters, digits, dots, hyphens and underscores"))
    } else {
        Ok(())
    }
}

/// The AWS domain of a host that is S3's: `[bucket.]s3[-fips|-accelerate][.dualstack][.region]`, or the old `s3-region`,
/// before the domain.
fn s3_domain(host: &str, bucket: &str) -> Option<&'static str> {
    let host = host.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('.')).unwrap_or(host);
    Partition::ALL.iter().map(|partition| partition.dns_suffix()).find(|suffix| {
        let Some(service) = host.strip_suffix(suffix).and_then(|rest| rest.strip_suffix('.')) else { return false };
        let (name, rest) = service.split_once('.').unwrap_or((service, ""));
        let region = rest.strip_prefix("dualstack").map_or(rest, |rest| rest.trim_start_matches('.'));
        let known =
            matches!(name, "s3" | "s3-fips" | "s3-accelerate") || name.strip_prefix("s3-").is_some_and(is_region_name);
        known && (region.is_empty() || is_region_name(region))
    })
}

/// Whether a bucket's name can be the beginning of a host name: today's rule for general purpose buckets.
fn is_dns_bucket(bucket: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    (3..=MAX_LABEL).contains(&bucket.len()) && bucket.split('.').all(label) && bucket.parse::<Ipv4Addr>().is_err()
}

fn checked_custom_region(region: &str) -> Result<String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if region.is_empty() || region.len() > MAX_LABEL || !region.bytes().all(legal) {
        return Err(configuration(format!(
            "invalid region provided: {}; a region has 1 to {MAX_LABEL} of A-Za-z0-9._-",
            shown(region)
        )));
    }
    Ok(region.to_owned())
}

fn configuration(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

fn bucket_error(bucket: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("invalid bucket name provided: {}; {why}", shown(bucket)))
}

/// The error for a URL that cannot be used. `why` completes the sentence "it ...".
fn unusable(option: &str, url: &str, why: &dyn fmt::Display) -> Error {
    configuration(format!("unable to parse {option}: {}: it {why}", shown_url(url)))
}

/// The error for a text that is not a URL.
fn malformed(option: &str, url: &str, why: UrlError) -> Error {
    let error = unusable(option, url, &why);
    if why == UrlError::UserInfo { error.with_hint("give the keys as accesskey and secretkey") } else { error }
}

fn is_base_path(path: &str) -> bool {
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
    };
    path.is_empty() || path.len() <= MAX_BASE_PATH && path.strip_prefix('/').is_some_and(|p| p.split('/').all(part))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
