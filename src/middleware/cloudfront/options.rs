//! The middleware's options. The registry's option names and strings are parsed here into types
//! that allow only valid values.
use super::fetch::Fetch;
use crate::clock::{Clock, SystemClock};
use crate::cloudfront::{HashAlgorithm, PrivateKey, Signer};
use crate::duration;
use crate::error::{Error, ErrorKind, Result};
use crate::net::host::Scheme;
use crate::net::url::Url;
use crate::text::{Form, resemblance, shown_value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const DEFAULT_DURATION: Duration = Duration::from_secs(20 * 60);
const DEFAULT_UPDATE_FREQUENCY: Duration = Duration::from_secs(12 * 60 * 60);
/// The shortest interval of the option `updatefrequency`. Each update downloads megabytes, and AWS
/// changes the document a few times a week.
const SHORTEST_UPDATE_FREQUENCY: Duration = Duration::from_secs(60);
/// The maximum length of the path of a key file. Realistic paths are shorter, and every key that
/// CloudFront accepts is longer.
const MAX_PATH: usize = 512;
const DEFAULT_IP_RANGES_URL: &str = "https://ip-ranges.amazonaws.com/ip-ranges.json";

/// The clients that are sent to the wrapped driver (and thus to S3) instead of CloudFront, because
/// S3 is close to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IpFilter {
    /// No clients: all are sent to CloudFront.
    #[default]
    None,
    /// Clients with an AWS address.
    Aws,
    /// Clients with an AWS address in one of these regions.
    AwsRegions(Vec<String>),
}

impl IpFilter {
    /// Reports whether the filter includes ranges of this region.
    pub(super) fn includes(&self, region: &str) -> bool {
        match self {
            Self::None => false,
            Self::Aws => true,
            Self::AwsRegions(regions) => {
                regions.iter().any(|wanted| wanted.eq_ignore_ascii_case(region))
            }
        }
    }

    fn parse(mode: Option<&str>, regions: Option<&str>) -> Result<Self> {
        match mode.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "none" => Ok(Self::None),
            "aws" => Ok(Self::Aws),
            "awsregion" => {
                let list = regions.ok_or_else(|| config_error("awsregion is not defined"))?;
                let regions: Vec<String> =
                    list.split(',').map(|region| region.trim().to_ascii_lowercase()).collect();
                let good = |r: &String| {
                    !r.is_empty() && r.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                };

                if !regions.iter().all(good) {
                    return Err(config_error(
                        "awsregion must be a comma separated string of valid aws regions",
                    ));
                }
                Ok(Self::AwsRegions(regions))
            }
            _ => Err(config_error(
                "ipfilteredby only allows a string with the following value: none|aws|awsregion",
            )),
        }
    }
}

/// The options of [`CloudFront`](super::CloudFront), created with [`CloudFrontOptions::new`] and
/// the other methods, or from a registry's configuration with [`CloudFrontOptions::from_pairs`].
pub struct CloudFrontOptions {
    pub(super) base_url: Url,
    pub(super) signer: Signer,
    pub(super) duration: Duration,
    pub(super) origin_path: String,
    pub(super) ip_filter: IpFilter,
    pub(super) update_frequency: Duration,
    pub(super) ip_ranges_url: String,
    pub(super) fetch: Option<Arc<dyn Fetch>>,
    pub(super) clock: Arc<dyn Clock>,
}

impl CloudFrontOptions {
    /// Creates options for URLs below `base_url` that `signer` signs and that are valid for 20
    /// minutes.
    ///
    /// `base_url` is the URL of the distribution, `https://d111111abcdef8.cloudfront.net`, followed
    /// by a path if the registry's objects are below one. If the scheme is missing, it is
    /// `https://`; if the final slash is missing, it is added.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if `base_url` is not an http(s) URL, or has a query, a
    /// fragment, a user name or a component `.` or `..`.
    pub fn new(base_url: &str, signer: Signer) -> Result<Self> {
        Ok(Self {
            base_url: parse_base_url(base_url)
                .map_err(|why| config_error(format!("invalid baseurl: {why}")))?,
            signer,
            duration: DEFAULT_DURATION,
            origin_path: String::new(),
            ip_filter: IpFilter::None,
            update_frequency: DEFAULT_UPDATE_FREQUENCY,
            ip_ranges_url: DEFAULT_IP_RANGES_URL.to_owned(),
            fetch: None,
            clock: Arc::new(SystemClock),
        })
    }

    /// Parses the options of the registry's `cloudfront` middleware. Names are matched exactly. An
    /// empty value counts as not given.
    ///
    /// | name | default | meaning |
    /// |---|---|---|
    /// | `baseurl` | required | see [`CloudFrontOptions::new`] |
    /// | `privatekey` | required | the path of a PEM file, or the key itself: in PEM, possibly with escaped line ends (`\n`), or in base64 of PEM or DER; wiping that copy is up to the caller |
    /// | `keypairid` | required | CloudFront's id of the public key |
    /// | `duration` | `20m` | how long a URL is valid: Go's notation (`1h30m`, `300ms`) or a number of seconds; see [`CloudFrontOptions::duration`] |
    /// | `hashalgorithm` | `sha1` | `sha1` or `sha256` |
    /// | `originpath` | none | the distribution's Origin Path, if it has one: see [`CloudFrontOptions::origin_path`] |
    /// | `ipfilteredby` | `none` | `none`, `aws` or `awsregion` |
    /// | `awsregion` | none | the regions for `ipfilteredby: awsregion`, separated by commas |
    /// | `updatefrequency` | `12h` | how often the IP ranges are fetched, at least a minute; the old misspelling `updatefrenquency` is used only if this one is not given |
    /// | `iprangesurl` | AWS's document | the URL of the IP ranges |
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for an option that is missing, unknown, given twice or invalid.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut given = Given::default();
        for (name, value) in pairs {
            given.set(name, value)?;
        }

        given.options()
    }

    /// Returns the signer, with which a program can also sign cookies.
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Returns how long URLs are valid ([`CloudFrontOptions::duration`]).
    pub const fn lifetime(&self) -> Duration {
        self.duration
    }

    /// Sets how long URLs are valid, unless a call requests a different duration.
    ///
    /// The expiry of a URL is rounded up to a whole second and to a multiple of a sixtieth of the
    /// duration (20 seconds for 20 minutes), so that the URLs of a path share a signature for a
    /// while. If a call specifies the duration, the expiry is only rounded up to a whole second.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if `duration` is zero.
    pub fn duration(mut self, duration: Duration) -> Result<Self> {
        if duration.is_zero() {
            return Err(config_error("invalid duration: it must be more than zero"));
        }

        self.duration = duration;
        Ok(self)
    }

    /// Sets the [Origin
    /// Path](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html#DownloadDistValuesOriginPath)
    /// of the distribution's origin, which CloudFront inserts in front of the path of each request
    /// to S3.
    ///
    /// The driver's `rootdirectory` is part of every object's key, and so part of every URL. If the
    /// Origin Path were the same directory and were not set here, CloudFront would request
    /// `root/root/...` from S3. Either leave the Origin Path of the distribution empty, which is
    /// simplest, or set it here: it is then removed from the front of the keys. It must be the
    /// `rootdirectory` or a directory above it; [`CloudFront::new`](super::CloudFront::new) refuses
    /// anything else.
    #[must_use]
    pub fn origin_path(mut self, path: &str) -> Self {
        self.origin_path = path.trim_matches('/').to_owned();
        self
    }

    /// Sets which clients are sent to the wrapped driver.
    #[must_use]
    pub fn ip_filter(mut self, filter: IpFilter) -> Self {
        self.ip_filter = filter;
        self
    }

    /// Sets how often the IP ranges are fetched.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the interval is zero.
    pub fn update_frequency(mut self, every: Duration) -> Result<Self> {
        if every.is_zero() {
            return Err(config_error("invalid updatefrequency: it must be more than zero"));
        }

        self.update_frequency = every;
        Ok(self)
    }

    /// Sets the URL from which the IP ranges are fetched.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if `url` is not an http(s) URL.
    pub fn ip_ranges_url(mut self, url: &str) -> Result<Self> {
        Url::parse(url).map_err(|why| config_error(format!("invalid iprangesurl: it {why}")))?;
        self.ip_ranges_url = url.to_owned();
        Ok(self)
    }

    /// Sets how the IP ranges are fetched. The default is `HttpFetch::new`, which requires the
    /// feature `client`, and connects directly, without a proxy; `HttpFetch::with_client` uses the
    /// proxy and the certificates of a client. Each middleware needs its own one, because
    /// it is cancelled when the middleware is dropped.
    #[must_use]
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// Sets the clock that determines when URLs expire.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

/// Omits the URL of the IP ranges, whose query may contain a token.
impl fmt::Debug for CloudFrontOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base_url, signer, duration, origin_path, ip_filter, update_frequency, .. } =
            self;
        f.debug_struct("CloudFrontOptions")
            .field("base_url", base_url)
            .field("signer", signer)
            .field("duration", duration)
            .field("origin_path", origin_path)
            .field("ip_filter", ip_filter)
            .field("update_frequency", update_frequency)
            .finish_non_exhaustive()
    }
}

/// The options as strings.
#[derive(Default)]
struct Given<'a> {
    baseurl: Option<&'a str>,
    privatekey: Option<&'a str>,
    keypairid: Option<&'a str>,
    duration: Option<&'a str>,
    hashalgorithm: Option<&'a str>,
    originpath: Option<&'a str>,
    ipfilteredby: Option<&'a str>,
    awsregion: Option<&'a str>,
    updatefrequency: Option<&'a str>,
    updatefrenquency: Option<&'a str>,
    iprangesurl: Option<&'a str>,
}

impl<'a> Given<'a> {
    fn set(&mut self, name: &str, value: &'a str) -> Result<()> {
        let slot = match name {
            "baseurl" => &mut self.baseurl,
            "privatekey" => &mut self.privatekey,
            "keypairid" => &mut self.keypairid,
            "duration" => &mut self.duration,
            "hashalgorithm" => &mut self.hashalgorithm,
            "originpath" => &mut self.originpath,
            "ipfilteredby" => &mut self.ipfilteredby,
            "awsregion" => &mut self.awsregion,
            "updatefrequency" => &mut self.updatefrequency,
            "updatefrenquency" => &mut self.updatefrenquency,
            "iprangesurl" => &mut self.iprangesurl,
            _ => {
                return Err(config_error(format!(
                    "unknown option of the cloudfront middleware: {}",
                    shown_value(name, Form::Name)
                )));
            }
        };

        if slot.is_some() {
            return Err(config_error(format!("option given twice: {name}")));
        }

        // If values were swapped, such as a key with its id, a secret would be displayed or sent.
        if let Some(kind) = resemblance(value).filter(|_| name != "privatekey") {
            return Err(config_error(format!(
                "{name} contains what looks like {kind}: set each value in its own option"
            )));
        }

        if !value.is_empty() {
            *slot = Some(value);
        }

        Ok(())
    }

    fn options(self) -> Result<CloudFrontOptions> {
        let base_url = self.baseurl.ok_or_else(|| config_error("no baseurl provided"))?;
        let private_key = self.privatekey.ok_or_else(|| config_error("no privatekey provided"))?;
        let key_pair_id = self.keypairid.ok_or_else(|| config_error("no keypairid provided"))?;
        let key = match private_key {
            text if PrivateKey::is_text(text) => PrivateKey::from_pem(text)?,
            text if text.len() > MAX_PATH || text.contains('\n') => {
                return Err(config_error(
                    "privatekey is neither the path of a file nor a private key in PEM or in \
                     base64",
                ));
            }
            path => match resemblance(path) {
                Some(kind) => {
                    return Err(config_error(format!(
                        "privatekey contains what looks like {kind}: use the path of a key file \
                         or the key"
                    )));
                }
                None => PrivateKey::from_file(path)?,
            },
        };

        let hash = match self.hashalgorithm.unwrap_or("sha1").to_ascii_lowercase().as_str() {
            "sha1" => HashAlgorithm::Sha1,
            "sha256" => HashAlgorithm::Sha256,
            _ => {
                return Err(config_error(
                    "hashalgorithm only allows the following values: sha1|sha256",
                ));
            }
        };

        let mut options =
            CloudFrontOptions::new(base_url, Signer::new(key, key_pair_id)?.hash_algorithm(hash))?
                .origin_path(self.originpath.unwrap_or_default())
                .ip_filter(IpFilter::parse(self.ipfilteredby, self.awsregion)?);
        if let Some(text) = self.duration {
            options = options.duration(
                duration::parse(text)
                    .map_err(|why| config_error(format!("invalid duration: {why}")))?,
            )?;
        }

        if let Some(text) = self.updatefrequency.or(self.updatefrenquency) {
            let every = duration::parse(text)
                .map_err(|why| config_error(format!("invalid updatefrequency: {why}")))?;
            options = options.update_frequency(every)?;
            if every < SHORTEST_UPDATE_FREQUENCY {
                return Err(config_error("invalid updatefrequency: it must be at least 1m"));
            }
        }

        if let Some(url) = self.iprangesurl {
            options = options.ip_ranges_url(url)?;
        }

        Ok(options)
    }
}

fn parse_base_url(text: &str) -> Result<Url, String> {
    let mut url =
        Url::parse_with_default(text.trim(), Scheme::Https).map_err(|why| format!("it {why}"))?;
    if url.query.is_some() {
        return Err("it has a query, which would not belong to any object".to_owned());
    }

    if url.has_dot_segment() {
        return Err("it has a component . or ..".to_owned());
    }

    if url.path.contains('*') {
        return Err("it contains a *, which CloudFront treats as a wildcard".to_owned());
    }

    if !url.path.ends_with('/') {
        url.path.push('/');
    }

    Ok(url)
}

pub(super) fn config_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
