//! What the S3 driver is configured with: the registry's option names at the edge, types that cannot be wrong inside.

mod builder;
#[cfg(feature = "serde")]
mod deserialize;
mod options;
mod values;

pub use builder::ParametersBuilder;
pub use values::LogLevel;

use super::PartSizes;
use crate::client::endpoint::{Acceleration, Addressing, Endpoint, Fips, Scheme, Stack, Variant};
use crate::client::{
    CannedAcl, Checksum, Encryption, MAX_PART_SIZE, MAX_REQUESTS, MIN_PART_SIZE, PayloadSigning, Proxy,
    SignatureVersion, StorageClass, Verification,
};
use crate::error::{ErrorKind, Result};
use crate::sign::Credentials;
use crate::text::shown;
use options::{Options, Spaces, find_word, refused, words};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

const DEFAULT_CHUNK: u64 = 10 << 20;
const DEFAULT_COPY_CHUNK: u64 = 32 << 20;
const DEFAULT_COPY_CONCURRENCY: u64 = 100;
/// More brought nothing on two cores with 25 ms to the first byte of a reply (`cargo bench --bench writer`).
const DEFAULT_CONCURRENCY: u64 = 4;
/// More threads than these for one upload fill no link, and each costs a part's memory.
const MAX_CONCURRENCY: u64 = 64;
/// A machine has no more ports to connect from.
const MOST_REQUESTS: u64 = 65_535;
/// At 80 MB/s a connection and 25 ms to the first byte of a reply these fill 1 GB/s. They are an upper limit: a reader
/// begins with one connection and opens more only while more bring more (`cargo bench --bench latency`).
const DEFAULT_READ_AHEAD: u64 = 20;
/// A week: what the registry gives its own unfinished uploads.
const DEFAULT_PURGE_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Ten years; more is a mistake.
const MAX_PURGE_AGE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Keys have 1024 bytes at most; the registry's own paths need the other half.
const MAX_ROOT: usize = 512;

/// The regions that AWS opened before 2014, in which signature version 2 still works.
const V2_REGIONS: [&str; 9] = [
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "sa-east-1",
    "us-gov-west-1",
];

/// The driver's configuration, valid as a whole.
///
/// It comes from the registry's options ([`Parameters::from_pairs`], or `Deserialize` with the feature `serde`) or from
/// [`Parameters::builder`]; all three end in the same checks. A name that is no option is an error. Null and the empty
/// text mean "not given", for every option.
///
/// | option | default | meaning and values |
/// |---|---|---|
/// | `accesskey`, `secretkey` | the credential chain | static credentials: both or neither |
/// | `sessiontoken` | none | of temporary credentials; needs both keys |
/// | `region` | required, but for `us-east-1` beside `regionendpoint` | any AWS region, known or new; beside `regionendpoint` whatever the server calls itself |
/// | `regionendpoint` | AWS's | `[http://\|https://]host[:port][/base/path]`, see [`Endpoint::custom`]. Excludes `usedualstack`, `usefipsendpoint` and `accelerate` |
/// | `redirectendpoint` | the endpoint itself | `scheme://host[:port]` that presigned URLs name instead |
/// | `forcepathstyle` | see [`Addressing::Auto`] | `true`: the bucket stands in the path; `false`: in the host wherever that can work. Not given: in the host for AWS, in the path for `regionendpoint` |
/// | `usedualstack` | `false` | endpoints that have IPv6 too |
/// | `usefipsendpoint` | `false` | endpoints with validated cryptography |
/// | `accelerate` | `false` | Transfer Acceleration |
/// | `bucket` | required | see [`check_bucket`](crate::client::endpoint::check_bucket) |
/// | `rootdirectory` | the bucket's root | prefix of all keys; slashes at its ends do not count, everything inside is kept byte for byte (`..` and `//` too). No control characters, 512 bytes at most |
/// | `encrypt` | `false` | `true`: encryption by the server, `AES256`, or `aws:kms` with `keyid` |
/// | `keyid` | none | KMS key; an error without `encrypt: true`, lest objects go unencrypted unnoticed |
/// | `storageclass` | `STANDARD` | a [`StorageClass`] in any case; `NONE` sends no header |
/// | `objectacl` | no header | a [`CannedAcl`]; without one an object is private, and buckets with ACLs disabled (AWS's default since 2023) refuse any. `none` is the same as not given |
/// | `secure` | `true` | `false`: plain http. A scheme in `regionendpoint` wins |
/// | `skipverify` | `false` | `true`: certificates are not checked; excludes `cacert` |
/// | `cacert` | none | path of a PEM file with certificates to trust besides the built-in ones |
/// | `proxy` | none | `http://[user:password@]host:port`, see [`Proxy::parse`]; the environment's variables are not read |
/// | `v4auth` | `true` | `false`: signature version 2; an error in every AWS region that never had it |
/// | `payload` | `auto` | a [`PayloadSigning`] |
/// | `checksum` | `auto` | a [`Checksum`] |
/// | `chunksize` | 10 MiB | bytes of an upload's parts: 5 MiB to 5 GiB |
/// | `multipartcopychunksize` | 32 MiB | bytes of a copy's parts: 5 MiB to 5 GiB |
/// | `multipartcopymaxconcurrency` | 100 | parts copied at once, an upper limit: 1 and more |
/// | `multipartcopythresholdsize` | 32 MiB | objects of up to so many bytes are copied in one request: 0 to 5 GiB |
/// | `concurrency` | 4 | threads that send one upload's parts: 1 to 64 |
/// | `readahead` | 20 | ranges of 4 MiB that one reader fetches at once, an upper limit: 1 (one connection for all) to 64 |
/// | `maxmemory` | no cap | bytes of part buffers and read-ahead over all writers and readers: `chunksize` and more |
/// | `maxrequests` | 256 | requests in flight at once, over all threads; fewer while the server throttles, see [`Config::max_requests`](crate::client::Config::max_requests): 1 to 65535 |
/// | `uniformparts` | `false` | `true`: parts never grow, see [`PartSizes`] |
/// | `uploadpurgeage` | `168h` | an older upload in the way of a new one is aborted from this age on: `1s` to ten years, in Go's notation (`1h30m`) or as a number of seconds |
/// | `useragent` | none | appended to the `User-Agent` header |
/// | `loglevel` | `off` | a [`LogLevel`] in any case, or `false`; this library itself logs nothing |
///
/// Booleans are `true`, `false` and the other words of Go's `strconv.ParseBool` (`1`, `0`, `t`, `F`, `TRUE`, ...).
/// Integers are decimal, or hexadecimal, octal or binary after `0x`, `0o` or `0b`. A leading zero is refused, because the
/// reference drivers disagree on it (one reads octal, the other decimal); so are fractions and units (`10MB`).
#[derive(Clone, Debug)]
pub struct Parameters {
    credentials: Option<Credentials>,
    endpoint: Endpoint,
    redirect_endpoint: Option<Endpoint>,
    bucket: String,
    root_directory: String,
    encryption: Encryption,
    storage_class: Option<StorageClass>,
    acl: Option<CannedAcl>,
    verification: Verification,
    ca_certificate_path: Option<PathBuf>,
    proxy: Option<Proxy>,
    signature_version: SignatureVersion,
    payload: PayloadSigning,
    checksum: Checksum,
    chunk_size: u64,
    multipart_copy_chunk_size: u64,
    multipart_copy_max_concurrency: NonZeroUsize,
    multipart_copy_threshold_size: u64,
    concurrency: NonZeroUsize,
    read_ahead: NonZeroUsize,
    max_memory: Option<u64>,
    max_requests: NonZeroUsize,
    part_sizes: PartSizes,
    upload_purge_age: Duration,
    user_agent: Option<String>,
    log_level: LogLevel,
}

impl Parameters {
    /// Begins with the one thing that is always needed. Everything else has the defaults of the options.
    pub fn builder(bucket: impl Into<String>) -> ParametersBuilder {
        ParametersBuilder::new(bucket.into())
    }

    /// From the registry's options: name and value, each name once, in any order.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`], naming the option, its value unless that could be a secret, and what is allowed.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> Result<Self> {
        let mut options = Options::default();
        for (name, value) in pairs {
            options.add(name.as_ref(), Zeroizing::new(value.as_ref().to_owned()))?;
        }
        Self::resolve(&options)
    }

    /// The one place where options become parameters.
    fn resolve(options: &Options) -> Result<Self> {
        let endpoint = endpoint(options)?;
        let bucket = options.text("bucket").ok_or_else(|| refused("no bucket parameter provided"))?;
        endpoint.locate(bucket).map_err(|error| error.with_kind(ErrorKind::Configuration))?;
        let redirect_endpoint = match options.text("redirectendpoint") {
            None => None,
            Some(url) => Some(Endpoint::redirect(url, endpoint.region())?.with_addressing(endpoint.addressing())?),
        };
        let signature_version = signature_version(options, &endpoint)?;
        let chunk_size = options.integer("chunksize", MIN_PART_SIZE..=MAX_PART_SIZE)?.unwrap_or(DEFAULT_CHUNK);
        let verification = match options.boolean("skipverify")? {
            Some(true) => Verification::Skip,
            _ => Verification::Full,
        };
        let ca_certificate_path = options.text("cacert").map(PathBuf::from);
        if verification == Verification::Skip && ca_certificate_path.is_some() {
            return Err(refused("cacert cannot be used with skipverify true: no certificate would be checked"));
        }
        Ok(Self {
            credentials: credentials(options)?,
            bucket: bucket.to_owned(),
            redirect_endpoint,
            root_directory: root_directory(options)?,
            encryption: encryption(options)?,
            storage_class: storage_class(options)?,
            acl: acl(options)?,
            verification,
            ca_certificate_path,
            proxy: options.text("proxy").map(Proxy::parse).transpose()?,
            signature_version,
            payload: payload(options, signature_version)?,
            checksum: options.word("checksum")?.unwrap_or(Checksum::Auto),
            chunk_size,
            multipart_copy_chunk_size: options
                .integer("multipartcopychunksize", MIN_PART_SIZE..=MAX_PART_SIZE)?
                .unwrap_or(DEFAULT_COPY_CHUNK),
            multipart_copy_max_concurrency: count(
                options.integer("multipartcopymaxconcurrency", 1..=i64::MAX.unsigned_abs())?,
                DEFAULT_COPY_CONCURRENCY,
            ),
            multipart_copy_threshold_size: options
                .integer("multipartcopythresholdsize", 0..=MAX_PART_SIZE)?
                .unwrap_or(DEFAULT_COPY_CHUNK),
            concurrency: count(options.integer("concurrency", 1..=MAX_CONCURRENCY)?, DEFAULT_CONCURRENCY),
            read_ahead: count(options.integer("readahead", 1..=MAX_CONCURRENCY)?, DEFAULT_READ_AHEAD),
            max_memory: options.integer("maxmemory", chunk_size..=u64::MAX)?,
            max_requests: count(options.integer("maxrequests", 1..=MOST_REQUESTS)?, MAX_REQUESTS.get() as u64),
            part_sizes: match options.boolean("uniformparts")? {
                Some(true) => PartSizes::Uniform,
                _ => PartSizes::MayGrow,
            },
            upload_purge_age: options
                .duration("uploadpurgeage", Duration::from_secs(1)..=MAX_PURGE_AGE)?
                .unwrap_or(DEFAULT_PURGE_AGE),
            user_agent: options.header_text("useragent", Spaces::Inside)?.map(str::to_owned),
            log_level: log_level(options)?,
            endpoint,
        })
    }

    /// Static credentials; `None`: the credential chain.
    pub const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
    /// Where requests go.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
    /// Where presigned URLs lead; `None`: to the endpoint itself.
    pub const fn redirect_endpoint(&self) -> Option<&Endpoint> {
        self.redirect_endpoint.as_ref()
    }
    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }
    /// The region requests are signed for.
    pub fn region(&self) -> &str {
        self.endpoint.region()
    }
    /// What stands before every key, without slashes at its ends; empty for the bucket's root.
    pub fn root_directory(&self) -> &str {
        &self.root_directory
    }
    /// How the server encrypts new objects.
    pub const fn encryption(&self) -> &Encryption {
        &self.encryption
    }
    /// The class of new objects; `None`: no header is sent.
    pub const fn storage_class(&self) -> Option<StorageClass> {
        self.storage_class
    }
    /// The canned ACL of new objects; `None`: no header is sent.
    pub const fn acl(&self) -> Option<CannedAcl> {
        self.acl
    }
    /// Whether certificates are checked.
    pub const fn verification(&self) -> Verification {
        self.verification
    }
    /// A PEM file with certificates to trust besides the built-in ones.
    pub fn ca_certificate_path(&self) -> Option<&Path> {
        self.ca_certificate_path.as_deref()
    }
    /// Returns the proxy that requests go through, if there is one.
    pub const fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }
    /// The signature algorithm.
    pub const fn signature_version(&self) -> SignatureVersion {
        self.signature_version
    }
    /// Whether bodies are signed.
    pub const fn payload(&self) -> PayloadSigning {
        self.payload
    }
    /// The checksum of uploads and downloads.
    pub const fn checksum(&self) -> Checksum {
        self.checksum
    }
    /// Bytes of an upload's parts: 5 MiB to 5 GiB.
    pub const fn chunk_size(&self) -> u64 {
        self.chunk_size
    }
    /// Bytes of a copy's parts: 5 MiB to 5 GiB.
    pub const fn multipart_copy_chunk_size(&self) -> u64 {
        self.multipart_copy_chunk_size
    }
    /// How many parts of a copy are under way at most.
    pub const fn multipart_copy_max_concurrency(&self) -> NonZeroUsize {
        self.multipart_copy_max_concurrency
    }
    /// Objects of up to so many bytes are copied in one request: at most 5 GiB.
    pub const fn multipart_copy_threshold_size(&self) -> u64 {
        self.multipart_copy_threshold_size
    }
    /// Threads that send one upload's parts: 1 to 64.
    pub const fn concurrency(&self) -> NonZeroUsize {
        self.concurrency
    }
    /// Ranges that one reader fetches at once, at most: 1 to 64.
    pub const fn read_ahead(&self) -> NonZeroUsize {
        self.read_ahead
    }
    /// Bytes of part buffers and read-ahead over all writers and readers, at least one chunk; `None`: no cap.
    pub const fn max_memory(&self) -> Option<u64> {
        self.max_memory
    }
    /// Requests in flight at once: 1 to 65,535.
    pub const fn max_requests(&self) -> NonZeroUsize {
        self.max_requests
    }
    /// What gives way when part numbers run out.
    pub const fn part_sizes(&self) -> PartSizes {
        self.part_sizes
    }
    /// From this age on an unfinished upload in the way of a new one is aborted.
    pub const fn upload_purge_age(&self) -> Duration {
        self.upload_purge_age
    }
    /// What is appended to the `User-Agent` header: visible ASCII and spaces.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }
    /// What the embedding program should log.
    pub const fn log_level(&self) -> LogLevel {
        self.log_level
    }
}

fn endpoint(options: &Options) -> Result<Endpoint> {
    let region = options.text("region");
    let scheme = match options.boolean("secure")? {
        Some(false) => Scheme::Http,
        _ => Scheme::Https,
    };
    let on = |name| options.boolean(name).map(|value| value == Some(true));
    let (dual, fips, accelerate) = (on("usedualstack")?, on("usefipsendpoint")?, on("accelerate")?);
    let endpoint = match (options.text("regionendpoint"), region) {
        (Some(url), region) => {
            let chosen = [("usedualstack", dual), ("usefipsendpoint", fips), ("accelerate", accelerate)];
            if let Some((name, _)) = chosen.into_iter().find(|(_, on)| *on) {
                return Err(refused(format!(
                    "{name} cannot be used with regionendpoint: it chooses among AWS's endpoints"
                )));
            }
            Endpoint::custom(url, region, scheme)?
        }
        (None, Some(region)) => {
            let variant = Variant {
                stack: if dual { Stack::Dual } else { Stack::Ipv4 },
                fips: if fips { Fips::Required } else { Fips::NotRequired },
                acceleration: if accelerate { Acceleration::On } else { Acceleration::Off },
            };
            Endpoint::aws(region, scheme, variant)?
        }
        (None, None) => return Err(refused("no region parameter provided")),
    };
    endpoint.with_addressing(match options.boolean("forcepathstyle")? {
        None => Addressing::Auto,
        Some(true) => Addressing::Path,
        Some(false) => Addressing::VirtualHost,
    })
}

/// Version 2 on AWS only where AWS still knows it; on another server it is the user's choice.
fn signature_version(options: &Options, endpoint: &Endpoint) -> Result<SignatureVersion> {
    if options.boolean("v4auth")? != Some(false) {
        return Ok(SignatureVersion::V4);
    }
    if !endpoint.is_aws() {
        return Ok(SignatureVersion::V2);
    }
    match options.text("region") {
        Some(region) if V2_REGIONS.contains(&region) => Ok(SignatureVersion::V2),
        Some(region) => Err(refused(format!("The {region} region only works with v4 authentication"))
            .with_hint("leave v4auth away or set it to true")),
        None => Err(refused(format!(
            "on Amazon S3 this storage driver can only be used with v4 authentication, unless region is one of {}",
            V2_REGIONS.join(", ")
        ))),
    }
}

fn credentials(options: &Options) -> Result<Option<Credentials>> {
    let access_key = options.header_text("accesskey", Spaces::Nowhere)?;
    let secret_key = options.header_text("secretkey", Spaces::Nowhere)?;
    let token = options.header_text("sessiontoken", Spaces::Nowhere)?;
    match (access_key, secret_key, token) {
        (None, None, None) => Ok(None),
        (Some(access_key), Some(secret_key), None) => Ok(Some(Credentials::new(access_key, secret_key))),
        (Some(access_key), Some(secret_key), Some(token)) => {
            Ok(Some(Credentials::new(access_key, secret_key).with_session_token(token)))
        }
        (Some(_), None, _) => Err(refused("accesskey is given without secretkey: give both, or neither")),
        (None, Some(_), _) => Err(refused("secretkey is given without accesskey: give both, or neither")),
        (None, None, Some(_)) => Err(refused("sessiontoken is given without accesskey and secretkey")),
    }
}

fn root_directory(options: &Options) -> Result<String> {
    let root = options.text("rootdirectory").unwrap_or_default();
    if root.len() > MAX_ROOT || root.chars().any(char::is_control) {
        return Err(refused(format!(
            "the rootdirectory parameter should have at most {MAX_ROOT} bytes and no control characters: {} invalid",
            shown(root)
        )));
    }
    Ok(root.trim_matches('/').to_owned())
}

fn encryption(options: &Options) -> Result<Encryption> {
    let encrypt = options.boolean("encrypt")?;
    match (encrypt, options.header_text("keyid", Spaces::Nowhere)?) {
        (Some(true), Some(key_id)) => Ok(Encryption::Kms { key_id: key_id.to_owned() }),
        (Some(true), None) => Ok(Encryption::Aes256),
        (_, Some(key_id)) => Err(refused(format!(
            "keyid {} is given, but encrypt is not true: nothing would be encrypted with it",
            shown(key_id)
        ))),
        (_, None) => Ok(Encryption::None),
    }
}

fn storage_class(options: &Options) -> Result<Option<StorageClass>> {
    const OMITTED: &str = "NONE";
    let Some(text) = options.text("storageclass") else { return Ok(Some(StorageClass::Standard)) };
    let upper = text.to_ascii_uppercase();
    if upper == OMITTED {
        return Ok(None);
    }
    find_word(&upper).map(Some).ok_or_else(|| {
        refused(format!(
            "the storageclass parameter must be one of {}, {} invalid",
            words::<StorageClass>(&[OMITTED]),
            shown(text)
        ))
    })
}

fn acl(options: &Options) -> Result<Option<CannedAcl>> {
    const OMITTED: &str = "none";
    match options.text("objectacl") {
        // What the reference drivers send by default, `private`, is what S3 does without the header.
        None | Some(OMITTED) => Ok(None),
        Some(text) => find_word(text).map(Some).ok_or_else(|| {
            refused(format!(
                "invalid value for objectacl parameter: {}; it must be one of {}",
                shown(text),
                words::<CannedAcl>(&[OMITTED])
            ))
        }),
    }
}

fn payload(options: &Options, version: SignatureVersion) -> Result<PayloadSigning> {
    match options.word("payload")?.unwrap_or(PayloadSigning::Auto) {
        PayloadSigning::Signed if version == SignatureVersion::V2 => {
            Err(refused("payload signed cannot be used with v4auth false: version 2 signs no bodies"))
        }
        payload => Ok(payload),
    }
}

fn log_level(options: &Options) -> Result<LogLevel> {
    let Some(text) = options.text("loglevel") else { return Ok(LogLevel::Off) };
    let lower = text.to_ascii_lowercase();
    // YAML reads a bare `off` as the boolean.
    if lower == "false" {
        return Ok(LogLevel::Off);
    }
    find_word(&lower).ok_or_else(|| {
        refused(format!("the loglevel parameter must be one of {}, {} invalid", words::<LogLevel>(&[]), shown(text)))
    })
}

/// A number of threads; more than the machine can count is as good as all.
fn count(value: Option<u64>, default: u64) -> NonZeroUsize {
    usize::try_from(value.unwrap_or(default)).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MAX)
}
