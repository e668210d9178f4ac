//! What the S3 driver is configured with: the registry's option names at the edge, types that cannot be wrong inside.
//!
//! The [`table`] lists every option once. String pairs, `Deserialize` and the typed builder all fill the same
//! [`GivenOptions`], and one function turns these into [`Parameters`], so that each check exists once.
//!
//! The values are public fields of [`ParameterValues`], which [`Parameters`] lends through `Deref` and never lends
//! mutably. Public fields of `Parameters` itself could be assigned after the checks, and a getter for each would repeat
//! every name and type. A driver takes `Parameters`, which only the checks can make.

mod aliases;
mod builder;
#[cfg(feature = "serde")]
mod deserialize;
mod kind;
mod options;
mod table;
#[cfg(feature = "serde")]
mod value;
mod values;

pub use crate::transfer::PartSizes;
pub use aliases::OptionAlias;
pub use builder::ParametersBuilder;
pub use table::ParameterOption;
#[cfg(feature = "serde")]
pub(crate) use value::Value;
pub use values::LogLevel;

use crate::client::endpoint::{Acceleration, Addressing, Endpoint, Fips, Scheme, Stack, Variant};
use crate::client::values::Word;
use crate::client::{
    BucketName, CannedAcl, Checksum, Encryption, MAX_PART_SIZE, MIN_PART_SIZE, PayloadSigning,
    Proxy, RequestPayer, SignatureVersion, StorageClass, TlsVerification,
};
use crate::error::{ErrorKind, Result};
use crate::sign::Credentials;
use crate::text::{
    Form, Resemblance, is_url_with_password, may_be_secret, resemblance, shown_value,
};
use kind::{Kind, refused};
use options::{GivenOptions, Spaces};
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;
use table::{OPTIONS, option_rows};
use zeroize::Zeroizing;

/// More threads than these for one upload fill no link, and each costs a part's memory.
const MAX_CONCURRENCY: u64 = 64;
/// A machine has no more ports to connect from.
const MOST_REQUESTS: u64 = 65_535;
/// The retries end after three minutes, however many are allowed.
const MAX_RETRIES: u64 = 100;
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

/// The driver's configuration, valid as a whole: [`ParameterValues`] that passed all checks, to be read and not changed.
///
/// It is made from the registry's options ([`Parameters::from_pairs`], or `Deserialize` with the feature `serde`) or by
/// [`Parameters::builder`]; all three end in the same checks. A name that is not an option is an error. Null and the
/// empty text mean "not given", for every option. Names, booleans and words are accepted in any case.
///
/// ```
/// use s3driver::driver::Parameters;
///
/// let parameters = Parameters::from_pairs([("region", "eu-central-1"), ("bucket", "docker.example.org")])?;
/// assert_eq!(parameters.chunk_size, 10 << 20);
/// # Ok::<(), s3driver::Error>(())
/// ```
///
/// | option | default | meaning and values |
/// |---|---|---|
#[doc = option_rows!()]
///
/// Booleans are `true`, `false` and the other words of Go's `strconv.ParseBool` (`1`, `0`, `t`, `F`, ...). Durations are
/// those of Go (`168h`, `1h30m`, `1.5s`), or a number of seconds.
/// Integers are decimal, or hexadecimal, octal or binary after `0x`, `0o` or `0b`. A leading zero is refused, because the
/// reference drivers disagree on it (one reads octal, the other decimal); so are fractions and units (`10MB`).
///
/// [`Parameters::aliases`] lists the option names of GitLab and zot that are accepted as well, and `docs/migrating.md`
/// compares the options one by one.
///
/// The words of an option are those of its type: [`StorageClass`], [`CannedAcl`], [`PayloadSigning`], [`Checksum`],
/// [`RequestPayer`], [`LogLevel`]. See also [`Endpoint::custom`] for `regionendpoint`, [`Addressing::Auto`] for `forcepathstyle`,
/// [`check_bucket`](crate::client::endpoint::check_bucket) for `bucket` and
/// [`Config::max_requests`](crate::client::Config::max_requests) for `maxrequests`.
#[derive(Clone, Debug)]
pub struct Parameters(ParameterValues);

/// The values of [`Parameters`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParameterValues {
    /// Static credentials; `None`: the credential chain.
    pub credentials: Option<Credentials>,
    /// Where requests go, and the region they are signed for.
    pub endpoint: Endpoint,
    /// Where presigned URLs lead; `None`: to the endpoint itself.
    pub redirect_endpoint: Option<Endpoint>,
    /// The bucket's name.
    pub bucket: BucketName,
    /// What stands before every key, without slashes at its ends; empty for the bucket's root.
    pub root_directory: String,
    /// How the server encrypts new objects.
    pub encryption: Encryption,
    /// The class of new objects; `None`: no header is sent.
    pub storage_class: Option<StorageClass>,
    /// The canned ACL of new objects; `None`: no header is sent.
    pub acl: Option<CannedAcl>,
    /// Whether certificates are verified.
    pub verification: TlsVerification,
    /// A PEM file with certificates to trust in addition to the built-in ones.
    pub ca_certificate_path: Option<PathBuf>,
    /// The proxy that requests go through.
    pub proxy: Option<Proxy>,
    /// The signature algorithm.
    pub signature_version: SignatureVersion,
    /// Whether bodies are signed.
    pub payload: PayloadSigning,
    /// The checksum of uploads and downloads.
    pub checksum: Checksum,
    /// Who pays for requests.
    pub request_payer: RequestPayer,
    /// Bytes of an upload's parts: 5 MiB to 5 GiB.
    pub chunk_size: u64,
    /// Bytes of a copy's parts: 5 MiB to 5 GiB.
    pub multipart_copy_chunk_size: u64,
    /// How many parts of a copy are in flight at most.
    pub multipart_copy_max_concurrency: NonZeroUsize,
    /// Objects of up to this many bytes are copied in one request: at most 5 GiB.
    pub multipart_copy_threshold_size: u64,
    /// Threads that send one upload's parts: 1 to 64.
    pub concurrency: NonZeroUsize,
    /// Ranges that one reader fetches at once, at most: 1 to 64.
    pub read_ahead: NonZeroUsize,
    /// Bytes of part buffers and read-ahead over all writers and readers, at least one chunk; `None`: no limit.
    pub max_memory: Option<u64>,
    /// Requests in flight at once: 1 to 65,535.
    pub max_requests: NonZeroUsize,
    /// How often a request is sent again after a failure that may pass: 0 to 100.
    pub max_retries: u32,
    /// Requests with which a walk lists at once, unless its caller chooses: 1 to 64.
    pub walk_concurrency: NonZeroUsize,
    /// Whether parts may grow when part numbers run out.
    pub part_sizes: PartSizes,
    /// From this age on an unfinished upload in the way of a new one is aborted.
    pub upload_purge_age: Duration,
    /// The text that is appended to the `User-Agent` header: visible ASCII and spaces.
    pub user_agent: Option<String>,
    /// The parts that the embedding program should log; empty: nothing.
    pub log_levels: Vec<LogLevel>,
}

impl Parameters {
    /// Reads the registry's options: name and value, each name once, in any order.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownOption`] for a name that is not an option, with the option that was probably meant.
    /// [`ErrorKind::Configuration`] for a value that an option does not have, and for options that contradict each other,
    /// naming the option, its value unless that could be a secret, and what is allowed.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Self> {
        let mut options = GivenOptions::default();
        for (name, value) in pairs {
            options.add(name.as_ref(), Zeroizing::new(value.as_ref().to_owned()))?;
        }
        Self::resolve(&options)
    }

    /// Lists every option, in the order of the documentation.
    pub const fn options() -> &'static [ParameterOption] {
        OPTIONS
    }

    /// Lists the option names of other registries that are accepted, or refused with the option to use in their place.
    pub const fn aliases() -> &'static [OptionAlias] {
        OptionAlias::ALL
    }

    /// Returns the same parameters with another `rootdirectory`.
    pub(crate) fn with_root(&self, root: &str) -> Result<Self> {
        Ok(Self(ParameterValues { root_directory: root_directory(root)?, ..self.0.clone() }))
    }

    /// The one place where options become parameters.
    fn resolve(options: &GivenOptions) -> Result<Self> {
        Self::checked(options).map_err(|error| options.explain(error))
    }

    fn checked(options: &GivenOptions) -> Result<Self> {
        check_places(options)?;
        let endpoint = endpoint(options)?;
        let bucket = options.required("bucket")?;
        let bucket = bucket
            .parse::<BucketName>()
            .and_then(|bucket| endpoint.locate(&bucket).map(|_| bucket));
        let bucket = bucket.map_err(|error| error.with_kind(ErrorKind::Configuration))?;
        let redirect_endpoint = match options.text("redirectendpoint") {
            None => None,
            Some(url) => Some(
                Endpoint::redirect(url, endpoint.signing_region())?
                    .with_addressing(endpoint.addressing())?,
            ),
        };
        let signature_version = signature_version(options, &endpoint)?;
        let part = MIN_PART_SIZE..=MAX_PART_SIZE;
        let chunk_size = options.integer("chunksize", part.clone())?;
        let (verification, ca_certificate_path) = verification(options)?;
        Ok(Self(ParameterValues {
            credentials: credentials(options)?,
            bucket,
            redirect_endpoint,
            root_directory: root_directory(options.text("rootdirectory").unwrap_or_default())?,
            encryption: encryption(options)?,
            storage_class: storage_class(options)?,
            acl: acl(options)?,
            verification,
            ca_certificate_path,
            proxy: options.text("proxy").map(Proxy::parse).transpose()?,
            signature_version,
            payload: payload(options, signature_version)?,
            checksum: options.word("checksum", &[])?,
            request_payer: options.word("requestpayer", &[])?,
            chunk_size,
            multipart_copy_chunk_size: options.integer("multipartcopychunksize", part)?,
            multipart_copy_max_concurrency: options
                .count("multipartcopymaxconcurrency", i64::MAX.unsigned_abs())?,
            multipart_copy_threshold_size: options
                .integer("multipartcopythresholdsize", 0..=MAX_PART_SIZE)?,
            concurrency: options.count("concurrency", MAX_CONCURRENCY)?,
            read_ahead: options.count("readahead", MAX_CONCURRENCY)?,
            max_memory: match options.text("maxmemory") {
                None => None,
                Some(_) => Some(options.integer("maxmemory", chunk_size..=u64::MAX)?),
            },
            max_requests: options.count("maxrequests", MOST_REQUESTS)?,
            max_retries: u32::try_from(options.integer("maxretries", 0..=MAX_RETRIES)?)
                .unwrap_or(u32::MAX),
            walk_concurrency: options.count("walkconcurrency", MAX_CONCURRENCY)?,
            part_sizes: if options.boolean("uniformparts")? {
                PartSizes::Uniform
            } else {
                PartSizes::MayGrow
            },
            upload_purge_age: options
                .duration("uploadpurgeage", Duration::from_secs(1)..=MAX_PURGE_AGE)?,
            user_agent: options.header_text("useragent", Spaces::Inside)?.map(str::to_owned),
            log_levels: log_levels(options)?,
            endpoint,
        }))
    }
}

impl Deref for Parameters {
    type Target = ParameterValues;

    fn deref(&self) -> &ParameterValues {
        &self.0
    }
}

fn endpoint(options: &GivenOptions) -> Result<Endpoint> {
    let scheme = if options.boolean("secure")? { Scheme::Https } else { Scheme::Http };
    let [dual, fips, accelerate] = ["usedualstack", "usefipsendpoint", "accelerate"];
    let variant = Variant {
        stack: if options.boolean(dual)? { Stack::Dual } else { Stack::Ipv4 },
        fips: if options.boolean(fips)? { Fips::Required } else { Fips::NotRequired },
        acceleration: if options.boolean(accelerate)? {
            Acceleration::On
        } else {
            Acceleration::Off
        },
    };
    let endpoint = match options.text("regionendpoint") {
        None => Endpoint::aws(options.required("region")?, scheme, variant)?,
        Some(url) => {
            for name in [dual, fips, accelerate] {
                if options.boolean(name)? {
                    return Err(refused(format!(
                        "{name} cannot be used with regionendpoint: it chooses among AWS's endpoints"
                    )));
                }
            }
            Endpoint::custom(url, options.text("region"), scheme)?
        }
    };
    endpoint.with_addressing(match options.text("forcepathstyle") {
        None => Addressing::Auto,
        Some(_) if options.boolean("forcepathstyle")? => Addressing::Path,
        Some(_) => Addressing::VirtualHost,
    })
}

/// Checks that no secret stands in an option that is shown or sent, and that the keys are not swapped: from here on
/// the values of these options are no secrets.
fn check_places(options: &GivenOptions) -> Result<()> {
    use Resemblance::{AccessKeyId, PrivateKey, SecretKey, Token};
    for option in OPTIONS.iter().filter(|option| option.kind != Kind::Secret) {
        // Endpoints have an error of their own for it, and a region is no secret only while it looks like a name.
        let misplaced = |text: &&str| match option.name {
            "regionendpoint" | "redirectendpoint" => false,
            "region" => may_be_secret(text),
            _ => is_url_with_password(text),
        };
        if options.text(option.name).filter(misplaced).is_some() {
            return Err(refused(format!(
                "the {} parameter holds what looks like a password or a key",
                option.name
            )));
        }
        if let Some(kind) = options.text(option.name).and_then(resemblance) {
            return Err(refused(format!(
                "the {} parameter holds what looks like {kind}",
                option.name
            ))
            .with_hint(
                "give keys as accesskey, secretkey and sessiontoken, each value in its own option",
            ));
        }
    }
    check_own_option(options)?;
    for (name, wrong) in [
        ("accesskey", &[PrivateKey, Token][..]),
        ("secretkey", &[PrivateKey, Token]),
        ("sessiontoken", &[PrivateKey, SecretKey, AccessKeyId]),
        ("proxy", &[PrivateKey, SecretKey, AccessKeyId, Token]),
    ] {
        if let Some(kind) =
            options.text(name).and_then(resemblance).filter(|kind| wrong.contains(kind))
        {
            return Err(refused(format!("the {name} parameter holds what looks like {kind}")));
        }
    }
    Ok(())
}

/// Checks that accesskey and secretkey hold their own values, and no other option the value of one of the secrets.
fn check_own_option(options: &GivenOptions) -> Result<()> {
    /// Shorter values may be the same by choice, such as `minioadmin` for a test.
    const GENERATED: usize = 16;
    let kind = |name| options.text(name).and_then(resemblance);
    let [id, secret] = [kind("accesskey"), kind("secretkey")];
    if id != secret
        && (id == Some(Resemblance::SecretKey) || secret == Some(Resemblance::AccessKeyId))
    {
        return Err(refused(
            "accesskey and secretkey are swapped: each holds what looks like the other one",
        ));
    }
    for name in ["secretkey", "sessiontoken"] {
        let Some(secret) = options.text(name).filter(|secret| secret.len() >= GENERATED) else {
            continue;
        };
        let holds_secret = |option: &&ParameterOption| {
            option.name != name
                && options.text(option.name).is_some_and(|text| text.contains(secret))
        };
        if let Some(option) = OPTIONS.iter().find(holds_secret) {
            return Err(refused(format!(
                "the {} parameter holds the value of {name}",
                option.name
            )));
        }
    }
    Ok(())
}

/// Version 2 on AWS only where AWS still knows it; on another server it is the user's choice.
fn signature_version(options: &GivenOptions, endpoint: &Endpoint) -> Result<SignatureVersion> {
    if options.boolean("v4auth")? {
        return Ok(SignatureVersion::V4);
    }
    if !endpoint.is_aws() {
        return Ok(SignatureVersion::V2);
    }
    match options.text("region") {
        Some(region) if V2_REGIONS.contains(&region) => Ok(SignatureVersion::V2),
        Some(region) => {
            Err(refused(format!("The {region} region only works with v4 authentication"))
                .with_hint("leave v4auth away or set it to true"))
        }
        None => Err(refused(format!(
            "on Amazon S3 this storage driver can only be used with v4 authentication, unless region is one of {}",
            V2_REGIONS.join(", ")
        ))),
    }
}

/// Whether certificates are verified, and the file with further ones to trust.
fn verification(options: &GivenOptions) -> Result<(TlsVerification, Option<PathBuf>)> {
    let ca_certificate_path = options.text("cacert").map(PathBuf::from);
    match (options.boolean("skipverify")?, ca_certificate_path) {
        (true, Some(_)) => Err(refused(
            "cacert cannot be used with skipverify true: no certificate would be checked",
        )),
        (true, None) => Ok((TlsVerification::Skip, None)),
        (false, path) => Ok((TlsVerification::Full, path)),
    }
}

fn credentials(options: &GivenOptions) -> Result<Option<Credentials>> {
    let access_key = options.header_text("accesskey", Spaces::Nowhere)?;
    let secret_key = options.header_text("secretkey", Spaces::Nowhere)?;
    let token = options.header_text("sessiontoken", Spaces::Nowhere)?;
    match (access_key, secret_key, token) {
        (None, None, None) => Ok(None),
        (Some(access_key), Some(secret_key), None) => {
            Ok(Some(Credentials::new(access_key, secret_key)))
        }
        (Some(access_key), Some(secret_key), Some(token)) => {
            Ok(Some(Credentials::new(access_key, secret_key).with_session_token(token)))
        }
        (Some(_), None, _) => {
            Err(refused("accesskey is given without secretkey: give both, or neither"))
        }
        (None, Some(_), _) => {
            Err(refused("secretkey is given without accesskey: give both, or neither"))
        }
        (None, None, Some(_)) => {
            Err(refused("sessiontoken is given without accesskey and secretkey"))
        }
    }
}

fn root_directory(root: &str) -> Result<String> {
    if root.len() > MAX_ROOT || root.chars().any(char::is_control) {
        return Err(refused(format!(
            "the rootdirectory parameter should have at most {MAX_ROOT} bytes and no control characters: {} invalid",
            shown_value(root, Form::Word)
        )));
    }
    Ok(root.trim_matches('/').to_owned())
}

fn encryption(options: &GivenOptions) -> Result<Encryption> {
    let encrypt = options.boolean("encrypt")?;
    match (encrypt, options.header_text("keyid", Spaces::Nowhere)?) {
        (true, Some(key_id)) => Ok(Encryption::Kms { key_id: key_id.to_owned() }),
        (true, None) => Ok(Encryption::Aes256),
        (false, Some(key_id)) => Err(refused(format!(
            "keyid {} is given, but encrypt is not true: nothing would be encrypted with it",
            shown_value(key_id, Form::Word)
        ))),
        (false, None) => Ok(Encryption::None),
    }
}

fn storage_class(options: &GivenOptions) -> Result<Option<StorageClass>> {
    const OMITTED: &str = "NONE";
    match options.text("storageclass") {
        Some(text) if text.eq_ignore_ascii_case(OMITTED) => Ok(None),
        _ => options.word("storageclass", &[OMITTED]).map(Some),
    }
}

fn acl(options: &GivenOptions) -> Result<Option<CannedAcl>> {
    const OMITTED: &str = "none";
    match options.text("objectacl") {
        // What the reference drivers send by default, `private`, is what S3 does without the header.
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case(OMITTED) => Ok(None),
        Some(text) => CannedAcl::find(text).map(Some).ok_or_else(|| {
            refused(format!(
                "invalid value for objectacl parameter: {}; it must be one of {}",
                shown_value(text, Form::Word),
                CannedAcl::list(&[OMITTED])
            ))
        }),
    }
}

fn payload(options: &GivenOptions, version: SignatureVersion) -> Result<PayloadSigning> {
    match options.word("payload", &[])? {
        PayloadSigning::Signed if version == SignatureVersion::V2 => Err(refused(
            "payload signed cannot be used with v4auth false: version 2 signs no bodies",
        )),
        payload => Ok(payload),
    }
}

/// Reads the words of Distribution, and those of GitLab, which begin with `log` and name the parts of the Go SDK's log.
fn log_levels(options: &GivenOptions) -> Result<Vec<LogLevel>> {
    let text = options.required("loglevel")?;
    // YAML reads a bare `off` as the boolean.
    if text.eq_ignore_ascii_case("false") {
        return Ok(Vec::new());
    }
    let mut levels = Vec::new();
    for word in text.split(',').map(str::trim) {
        match LogLevel::find(word).map(Some).or_else(|| LogLevel::find_in_gitlab(word)) {
            Some(level) => levels.extend(level.filter(|level| *level != LogLevel::Off)),
            None => {
                return Err(refused(format!(
                    "the loglevel parameter must be one of {}, {} invalid",
                    LogLevel::list(&[]),
                    shown_value(word, Form::Word)
                )));
            }
        }
    }
    levels.sort_unstable();
    levels.dedup();
    Ok(levels)
}
