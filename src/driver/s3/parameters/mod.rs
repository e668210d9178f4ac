//! The configuration of the S3 driver. The registry's option names are parsed here into types that
//! allow only valid values.
//!
//! The [`table`] lists every option once. String pairs, `Deserialize` and the typed builder all
//! fill the same [`GivenOptions`], and one function turns these into [`Parameters`], so that each
//! check exists only once.
//!
//! The values are public fields of [`ParameterValues`], which [`Parameters`] exposes through
//! `Deref`, but never mutably. Public fields of `Parameters` itself could be assigned after the
//! checks, and getters would repeat every name and type. A driver takes `Parameters`, which only
//! the checks can create.

mod aliases;
mod builder;
#[cfg(feature = "serde")]
mod deserialize;
mod kind;
mod options;
mod proxy;
mod table;
#[cfg(feature = "serde")]
mod value;
mod values;

pub use crate::transfer::PartSizes;
pub use aliases::OptionAlias;
pub use builder::ParametersBuilder;
pub use proxy::ProxySource;
pub use table::ParameterOption;
#[cfg(feature = "serde")]
pub(crate) use value::Value;
pub use values::LogLevel;

use crate::client::endpoint::{
    Acceleration, Addressing, Endpoint, Fips, Located, Scheme, Stack, Variant,
};
use crate::client::values::Word;
use crate::client::{
    BucketKind, BucketName, CannedAcl, Checksum, Encryption, MAX_PART_SIZE, MIN_PART_SIZE,
    PayloadSigning, RequestPayer, SignatureVersion, StorageClass, TlsVerification, TrustStore,
};
use crate::error::{ErrorKind, Result};
use crate::sign::Credentials;
use crate::text::{
    Form, Resemblance, is_url_with_password, may_be_secret, resemblance, shown_value,
};
use kind::{Kind, config_error};
use options::{GivenOptions, Spaces};
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;
use table::{OPTIONS, option_rows};
use zeroize::Zeroizing;

/// The limit for concurrent threads. More threads for one upload do not increase the throughput,
/// and each costs the memory of a part.
const MAX_CONCURRENCY: u64 = 64;
/// The limit for concurrent requests, because a machine does not have more ports from which to
/// connect.
const MAX_REQUESTS: u64 = 65_535;
/// The limit for retries. They end after three minutes in any case.
const MAX_RETRIES: u64 = 100;
/// The limit for the age of purged uploads: ten years. A larger value is a mistake.
const MAX_PURGE_AGE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The longest root directory, in bytes: keys have at most 1024 bytes, and the registry's own paths
/// need the other half.
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

/// The driver's configuration: read-only [`ParameterValues`] that have passed all checks.
///
/// Parameters are created from the registry's options ([`Parameters::from_pairs`], or `Deserialize`
/// with the feature `serde`) or with [`Parameters::builder`], all of which perform the same checks.
/// An unknown option is an error. For every option, null and the empty text mean "not given".
/// Names, booleans and words are accepted in any case.
///
/// ```
/// use s3driver::driver::Parameters;
///
/// let parameters = Parameters::from_pairs([
///     ("region", "eu-central-1"),
///     ("bucket", "docker.example.org"),
/// ])?;
/// assert_eq!(parameters.chunk_size, 10 << 20);
/// # Ok::<(), s3driver::Error>(())
/// ```
///
/// | option | default | meaning and values |
/// |---|---|---|
#[doc = option_rows!()]
///
/// Booleans are `true`, `false` and the other words of Go's `strconv.ParseBool` (`1`, `0`, `t`,
/// `F`, ...) and of YAML 1.1 (`yes`, `no`, `on`, `off`, `y`, `n`). Durations are those of Go
/// (`168h`, `1h30m`, `1.5s`), or a number of seconds. Integers are decimal or, after `0x`, `0o` or
/// `0b`, hexadecimal, octal or binary. A leading zero is refused, because the reference drivers
/// disagree on its meaning (octal in one, decimal in the other). Fractions and units (`10MB`) are
/// refused as well.
///
/// [`Parameters::aliases`] lists the option names of GitLab and zot that are also accepted, and
/// `docs/migrating.md` compares the options one by one.
///
/// The words of an option are those of its type: [`StorageClass`], [`CannedAcl`],
/// [`PayloadSigning`], [`Checksum`], [`RequestPayer`], [`LogLevel`]. See also [`Endpoint::custom`]
/// for `regionendpoint`, [`Addressing::Auto`] for `forcepathstyle`,
/// [`check_bucket`](crate::client::endpoint::check_bucket) for `bucket` and
/// [`Config::max_requests`](crate::client::Config::max_requests) for `maxrequests`.
#[derive(Clone, Debug)]
pub struct Parameters(ParameterValues);

/// The values of [`Parameters`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParameterValues {
    /// Static credentials, or `None` for the default credential chain.
    pub credentials: Option<Credentials>,
    /// The endpoint of requests, and the region for which they are signed.
    pub endpoint: Endpoint,
    /// The endpoint of presigned URLs, or `None` for the endpoint of requests.
    pub redirect_endpoint: Option<Endpoint>,
    /// The name of the bucket.
    pub bucket: BucketName,
    /// The prefix of every key, without slashes at its ends; empty for the root of the bucket.
    pub root_directory: String,
    /// How the server encrypts new objects.
    pub encryption: Encryption,
    /// The storage class of new objects, or `None` to send no header.
    pub storage_class: Option<StorageClass>,
    /// The canned ACL of new objects, or `None` to send no header.
    pub acl: Option<CannedAcl>,
    /// Whether certificates are verified.
    pub verification: TlsVerification,
    /// The certificate authorities that are trusted.
    pub trust_store: TrustStore,
    /// A PEM file with certificates to trust in addition to the authorities of the trust store.
    pub ca_certificate_path: Option<PathBuf>,
    /// The source of the proxy through which requests are sent.
    pub proxy: ProxySource,
    /// The signature algorithm.
    pub signature_version: SignatureVersion,
    /// Whether bodies are signed.
    pub payload: PayloadSigning,
    /// The checksum of uploads and downloads.
    pub checksum: Checksum,
    /// Who pays for requests.
    pub request_payer: RequestPayer,
    /// The size of an upload's parts in bytes: 5 MiB to 5 GiB.
    pub chunk_size: u64,
    /// The size of a copy's parts in bytes: 5 MiB to 5 GiB.
    pub multipart_copy_chunk_size: u64,
    /// The maximum number of parts of a copy that are in flight.
    pub multipart_copy_max_concurrency: NonZeroUsize,
    /// The size in bytes up to which an object is copied with one request: at most 5 GiB.
    pub multipart_copy_threshold_size: u64,
    /// The number of threads that send the parts of one upload: 1 to 64. `None` for 2, or 4 if the
    /// first part takes long, and for more, up to 20, as long as they increase the throughput.
    pub concurrency: Option<NonZeroUsize>,
    /// The maximum number of ranges that one reader fetches at once: 1 to 64.
    pub read_ahead: NonZeroUsize,
    /// The limit in bytes for the part buffers and read-ahead of all writers and readers, at least
    /// one chunk, or `None` for no limit. Each writer can always fill one part, even beyond it.
    pub max_memory: Option<u64>,
    /// The folder for files that keep the parts of uploads until they are sent, or `None` to keep
    /// them in memory.
    pub spool: Option<PathBuf>,
    /// The maximum number of requests in flight: 1 to 65,535.
    pub max_requests: NonZeroUsize,
    /// How many times a request is sent again after a transient failure: 0 to 100.
    pub max_retries: u32,
    /// The number of concurrent requests of a walk, unless its caller chooses: 1 to 64.
    pub walk_concurrency: NonZeroUsize,
    /// Whether parts may grow to avoid running out of part numbers.
    pub part_sizes: PartSizes,
    /// The age at which an unfinished upload that is in the way of a new one is aborted.
    pub upload_purge_age: Duration,
    /// The text that is appended to the `User-Agent` header: visible ASCII and spaces.
    pub user_agent: Option<String>,
    /// The parts of requests that the driver logs with the feature `log`; empty for nothing.
    pub log_levels: Vec<LogLevel>,
    /// The options that have no effect together with the others, and what they need. The client
    /// reports them.
    pub(crate) ignored: Vec<(&'static str, &'static str)>,
}

impl Parameters {
    /// Parses the registry's options: pairs of a name and a value, each name once, in any order.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownOption`] for an unknown name, with the option that was probably meant.
    /// [`ErrorKind::Configuration`] for an invalid value and for options that contradict each
    /// other. The error names the option, its value (unless that could be a secret) and the allowed
    /// values.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Self> {
        let mut options = GivenOptions::default();
        for (name, value) in pairs {
            options.add(name.as_ref(), Zeroizing::new(value.as_ref().to_owned()))?;
        }
        Self::resolve(&options)
    }

    /// Returns every option, in the order of the documentation.
    pub const fn options() -> &'static [ParameterOption] {
        OPTIONS
    }

    /// Returns the option names of other registries that are accepted, or that are refused with the
    /// option to use instead.
    pub const fn aliases() -> &'static [OptionAlias] {
        OptionAlias::ALL
    }

    /// Returns the same parameters with another `rootdirectory`.
    pub(crate) fn with_root(&self, root: &str) -> Result<Self> {
        Ok(Self(ParameterValues { root_directory: root_directory(root)?, ..self.0.clone() }))
    }

    /// Converts options into parameters. This is the only function that creates parameters.
    fn resolve(options: &GivenOptions) -> Result<Self> {
        Self::checked(options).map_err(|error| options.explain(error))
    }

    fn checked(options: &GivenOptions) -> Result<Self> {
        check_places(options)?;
        let endpoint = endpoint(options)?;
        let (bucket, located) = bucket(options, &endpoint)?;
        let redirect_endpoint = redirect_endpoint(options, &endpoint, (&bucket, &located))?;
        let signature_version = signature_version(options, &endpoint, located.kind())?;
        let part = MIN_PART_SIZE..=MAX_PART_SIZE;
        let chunk_size = options.integer("chunksize", part.clone())?;
        let (verification, trust_store, ca_certificate_path) = verification(options)?;
        Ok(Self(ParameterValues {
            credentials: credentials(options)?,
            bucket,
            redirect_endpoint,
            root_directory: root_directory(options.text("rootdirectory").unwrap_or_default())?,
            encryption: encryption(options)?,
            storage_class: storage_class(options)?,
            acl: acl(options)?,
            verification,
            trust_store,
            ca_certificate_path,
            proxy: ProxySource::parse(options.text("proxy"))?,
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
            concurrency: match options.text("concurrency") {
                None => None,
                Some(_) => Some(options.count("concurrency", MAX_CONCURRENCY)?),
            },
            read_ahead: options.count("readahead", MAX_CONCURRENCY)?,
            max_memory: match options.text("maxmemory") {
                None => None,
                Some(_) => Some(options.integer("maxmemory", chunk_size..=u64::MAX)?),
            },
            spool: options.text("spool").map(PathBuf::from),
            max_requests: options.count("maxrequests", MAX_REQUESTS)?,
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
            ignored: ignored(options)?,
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

/// Returns the bucket, which has to be reachable through the endpoint and to behave like a general
/// purpose bucket.
fn bucket(options: &GivenOptions, endpoint: &Endpoint) -> Result<(BucketName, Located)> {
    let bucket = options.required("bucket")?.parse::<BucketName>();
    let located = bucket.and_then(|bucket| {
        let located = endpoint.locate(&bucket)?;
        Ok((bucket, located))
    });
    let (bucket, located) = located.map_err(|error| error.with_kind(ErrorKind::Configuration))?;
    let why = match located.kind() {
        BucketKind::Directory => {
            "a registry lists files in order, but their listings have no order"
        }
        BucketKind::MultiRegion => {
            "a registry immediately reads what it has written, but other regions receive it later"
        }
        BucketKind::ObjectLambda => "a registry has to read exactly what it has written",
        _ => return Ok((bucket, located)),
    };
    let kind = located.kind().plural();
    let text = format!("the bucket parameter does not accept {kind}: {why}");
    Err(config_error(text).with_hint("give a bucket, or an access point of one region"))
}

/// Returns the endpoint of presigned URLs, which has to reach the bucket as well. Unless an option
/// decides, it names the bucket in the same place as the endpoint of requests: usually, both are
/// names of one server.
fn redirect_endpoint(
    options: &GivenOptions,
    endpoint: &Endpoint,
    (bucket, located): (&BucketName, &Located),
) -> Result<Option<Endpoint>> {
    let Some(url) = options.text("redirectendpoint") else { return Ok(None) };
    let kind = located.kind();
    if kind != BucketKind::GeneralPurpose {
        return Err(config_error(format!(
            "redirectendpoint cannot be used with {}: AWS serves them at hosts that contain their \
             names",
            kind.plural()
        )));
    }
    let addressing = match endpoint.addressing() {
        Addressing::Auto if located.host_bucket().is_some() => Addressing::VirtualHost,
        Addressing::Auto => Addressing::Path,
        given => given,
    };
    let redirect =
        Endpoint::redirect(url, endpoint.signing_region())?.with_addressing(addressing)?;
    redirect.locate(bucket).map_err(|error| {
        let text = format!("redirectendpoint cannot be used: {}", error.message());
        error.with_message(text).with_kind(ErrorKind::Configuration)
    })?;
    Ok(Some(redirect))
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
            // The Go SDK ignores dual stack there, and OpenShift's operator always sets it. Without
            // FIPS, cryptography would not be validated.
            for name in [fips, accelerate] {
                if options.boolean(name)? {
                    return Err(config_error(format!(
                        "{name} cannot be used with regionendpoint: it chooses among AWS's \
                         endpoints"
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

/// Returns the options that have no effect together with the others, and what they need.
fn ignored(options: &GivenOptions) -> Result<Vec<(&'static str, &'static str)>> {
    let mut ignored = Vec::new();
    if options.boolean("usedualstack")? && options.text("regionendpoint").is_some() {
        ignored.push(("usedualstack", "an endpoint of AWS, without regionendpoint"));
    }
    Ok(ignored)
}

/// Checks that no secret is in an option that is shown or sent, and that the keys are not swapped.
/// After this check the values of these options are not secrets.
fn check_places(options: &GivenOptions) -> Result<()> {
    use Resemblance::{AccessKeyId, PrivateKey, SecretKey, Token};
    for option in OPTIONS.iter().filter(|option| option.kind != Kind::Secret) {
        // Endpoints report a password with their own error, and the region is harmless only if it
        // looks like a name.
        let misplaced = |text: &&str| match option.name {
            "regionendpoint" | "redirectendpoint" => false,
            "region" => may_be_secret(text),
            _ => is_url_with_password(text),
        };
        if options.text(option.name).filter(misplaced).is_some() {
            return Err(config_error(format!(
                "the {} parameter contains what looks like a password or a key",
                option.name
            )));
        }
        if let Some(kind) = options.text(option.name).and_then(resemblance) {
            return Err(config_error(format!(
                "the {} parameter contains what looks like {kind}",
                option.name
            ))
            .with_hint(
                "set keys as accesskey, secretkey and sessiontoken, each value in its own option",
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
            return Err(config_error(format!(
                "the {name} parameter contains what looks like {kind}"
            )));
        }
    }

    Ok(())
}

/// Checks that accesskey and secretkey contain their own values, and that no other option contains
/// the value of a secret.
fn check_own_option(options: &GivenOptions) -> Result<()> {
    /// Shorter values may be equal on purpose, such as `minioadmin` in a test.
    const GENERATED: usize = 16;
    let kind = |name| options.text(name).and_then(resemblance);
    let [id, secret] = [kind("accesskey"), kind("secretkey")];
    if id != secret
        && (id == Some(Resemblance::SecretKey) || secret == Some(Resemblance::AccessKeyId))
    {
        return Err(config_error("accesskey and secretkey are swapped: exchange their values"));
    }

    for name in ["secretkey", "sessiontoken"] {
        let Some(secret) = options.text(name).filter(|secret| secret.len() >= GENERATED) else {
            continue;
        };
        let contains_secret = |option: &&ParameterOption| {
            option.name != name
                && options.text(option.name).is_some_and(|text| text.contains(secret))
        };
        if let Some(option) = OPTIONS.iter().find(contains_secret) {
            return Err(config_error(format!(
                "the {} parameter contains the value of {name}",
                option.name
            )));
        }
    }

    Ok(())
}

/// Returns the signature version. On AWS, version 2 is allowed only in the regions that still
/// support it; on other servers the choice is the user's.
fn signature_version(
    options: &GivenOptions,
    endpoint: &Endpoint,
    kind: BucketKind,
) -> Result<SignatureVersion> {
    if options.boolean("v4auth")? {
        return Ok(SignatureVersion::V4);
    }

    if kind != BucketKind::GeneralPurpose {
        return Err(config_error(format!(
            "v4auth false cannot be used with {}: they accept version 4 only",
            kind.plural()
        )));
    }

    if !endpoint.is_aws() {
        return Ok(SignatureVersion::V2);
    }

    match options.text("region") {
        Some(region) if V2_REGIONS.contains(&region) => Ok(SignatureVersion::V2),
        Some(region) => {
            Err(config_error(format!("The {region} region only works with v4 authentication"))
                .with_hint("remove v4auth, or set it to true"))
        }
        None => Err(config_error(format!(
            "on Amazon S3 this storage driver can only be used with v4 authentication, unless \
             region is one of {}",
            V2_REGIONS.join(", ")
        ))),
    }
}

/// Returns whether certificates are verified, the trust store, and the file with additional
/// certificates to trust.
fn verification(options: &GivenOptions) -> Result<(TlsVerification, TrustStore, Option<PathBuf>)> {
    let store = options.word("truststore", &[])?;
    let ca_certificate_path = options.text("cacert").map(PathBuf::from);
    if options.boolean("skipverify")? {
        let conflicts = [
            ("cacert", ca_certificate_path.is_some()),
            ("truststore", store != TrustStore::Mozilla),
        ];
        return match conflicts.iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => Err(config_error(format!(
                "{name} cannot be used with skipverify true: no certificate would be verified"
            ))),
            None => Ok((TlsVerification::Skip, store, None)),
        };
    }

    if store == TrustStore::Named && ca_certificate_path.is_none() {
        return Err(config_error(
            "truststore cacert needs cacert: no certificate would be trusted without it",
        ));
    }

    Ok((TlsVerification::Full, store, ca_certificate_path))
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
            Err(config_error("accesskey is given without secretkey: set both, or neither"))
        }
        (None, Some(_), _) => {
            Err(config_error("secretkey is given without accesskey: set both, or neither"))
        }
        (None, None, Some(_)) => Err(config_error(
            "sessiontoken is given without accesskey and secretkey: set all three, or none",
        )),
    }
}

fn root_directory(root: &str) -> Result<String> {
    if root.len() > MAX_ROOT || root.chars().any(char::is_control) {
        return Err(config_error(format!(
            "the rootdirectory parameter should have at most {MAX_ROOT} bytes and no control \
             characters: {} is not valid",
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
        (false, Some(key_id)) => Err(config_error(format!(
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
        // The reference drivers send `private` by default, which has the same effect on S3 as no
        // header.
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case(OMITTED) => Ok(None),
        Some(text) => CannedAcl::find(text).map(Some).ok_or_else(|| {
            config_error(format!(
                "invalid value for objectacl parameter: {}; it must be one of {}",
                shown_value(text, Form::Word),
                CannedAcl::list(&[OMITTED])
            ))
        }),
    }
}

fn payload(options: &GivenOptions, version: SignatureVersion) -> Result<PayloadSigning> {
    match options.word("payload", &[])? {
        PayloadSigning::Signed if version == SignatureVersion::V2 => Err(config_error(
            "payload signed cannot be used with v4auth false: version 2 does not sign bodies",
        )),
        payload => Ok(payload),
    }
}

/// Parses the words of Distribution, and those of GitLab, which begin with `log` and name parts of
/// the Go SDK's log.
fn log_levels(options: &GivenOptions) -> Result<Vec<LogLevel>> {
    let text = options.required("loglevel")?;
    // YAML parses a bare `off` as a boolean.
    if text.eq_ignore_ascii_case("false") {
        return Ok(Vec::new());
    }

    let mut levels = Vec::new();
    for word in text.split(',').map(str::trim) {
        match LogLevel::find(word).map(Some).or_else(|| LogLevel::find_in_gitlab(word)) {
            Some(level) => levels.extend(level.filter(|level| *level != LogLevel::Off)),
            None => {
                return Err(config_error(format!(
                    "the loglevel parameter must be one of {}, not {}",
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
