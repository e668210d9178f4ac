//! The typed way to [`Parameters`]. Each setter writes the options that say the same, so that the builder and the
//! registry's configuration share every check.

use super::LogLevel;
use super::Parameters;
use super::options::{Options, refused};
use crate::client::endpoint::{Acceleration, Addressing, Fips, Scheme, Stack, Variant};
use crate::client::{CannedAcl, Checksum, Encryption, PayloadSigning, SignatureVersion, StorageClass, TlsVerification};
use crate::driver::s3::PartSizes;
use crate::error::{Error, Result};
use crate::sign::Credentials;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;
use zeroize::Zeroizing;

/// Made by [`Parameters::builder`]. A setter called twice counts once, the last time; an empty text unsets.
#[derive(Default)]
#[must_use]
pub struct ParametersBuilder {
    options: Options,
    /// Something that has no form as an option.
    refused: Option<Error>,
}

impl ParametersBuilder {
    pub(super) fn new(bucket: String) -> Self {
        Self::default().put("bucket", bucket)
    }

    /// Checks everything.
    ///
    /// # Errors
    /// As [`Parameters::from_pairs`].
    pub fn build(self) -> Result<Parameters> {
        match self.refused {
            Some(error) => Err(error),
            None => Parameters::resolve(&self.options),
        }
    }

    /// The region (`region`). Needed unless an [`endpoint`](Self::endpoint) is given.
    pub fn region(self, region: impl Into<String>) -> Self {
        self.put("region", region.into())
    }
    /// A server other than AWS's own choice (`regionendpoint`).
    pub fn endpoint(self, url: impl Into<String>) -> Self {
        self.put("regionendpoint", url.into())
    }
    /// Which of AWS's endpoints (`usedualstack`, `usefipsendpoint`, `accelerate`).
    pub fn variant(self, variant: Variant) -> Self {
        self.put_flag("usedualstack", variant.stack == Stack::Dual)
            .put_flag("usefipsendpoint", variant.fips == Fips::Required)
            .put_flag("accelerate", variant.acceleration == Acceleration::On)
    }
    /// Where presigned URLs lead (`redirectendpoint`).
    pub fn redirect_endpoint(self, url: impl Into<String>) -> Self {
        self.put("redirectendpoint", url.into())
    }
    /// Where the bucket's name stands (`forcepathstyle`).
    pub fn addressing(self, addressing: Addressing) -> Self {
        let text = match addressing {
            Addressing::Auto => "",
            Addressing::Path => "true",
            Addressing::VirtualHost => "false",
        };
        self.put("forcepathstyle", text.to_owned())
    }
    /// With TLS or without (`secure`); a scheme in the endpoint's URL wins.
    pub fn scheme(self, scheme: Scheme) -> Self {
        self.put_flag("secure", scheme == Scheme::Https)
    }
    /// Static credentials (`accesskey`, `secretkey`, `sessiontoken`).
    pub fn credentials(self, credentials: &Credentials) -> Self {
        self.put("accesskey", credentials.access_key_id().to_owned())
            .put("secretkey", credentials.secret_access_key().to_owned())
            .put("sessiontoken", credentials.session_token().unwrap_or_default().to_owned())
    }
    /// What stands before every key (`rootdirectory`).
    pub fn root_directory(self, root: impl Into<String>) -> Self {
        self.put("rootdirectory", root.into())
    }
    /// Encryption by the server (`encrypt`, `keyid`).
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        let (encrypt, key_id) = match encryption {
            Encryption::None => (false, String::new()),
            Encryption::Aes256 => (true, String::new()),
            Encryption::Kms { key_id } => {
                if key_id.is_empty() {
                    self.refused = Some(refused("keyid is empty: encryption with KMS needs a key's id"));
                }
                (true, key_id)
            }
        };
        self.put_flag("encrypt", encrypt).put("keyid", key_id)
    }
    /// The class of new objects (`storageclass`); `None` sends no header.
    pub fn storage_class(self, class: Option<StorageClass>) -> Self {
        self.put("storageclass", class.map_or("NONE", StorageClass::as_str).to_owned())
    }
    /// The canned ACL of new objects (`objectacl`); `None` sends no header.
    pub fn acl(self, acl: Option<CannedAcl>) -> Self {
        self.put("objectacl", acl.map_or("none", CannedAcl::as_str).to_owned())
    }
    /// Whether certificates are checked (`skipverify`).
    pub fn verification(self, verification: TlsVerification) -> Self {
        self.put_flag("skipverify", verification == TlsVerification::Skip)
    }
    /// A PEM file with certificates to trust besides the built-in ones (`cacert`).
    pub fn ca_certificate_path(self, path: impl Into<String>) -> Self {
        self.put("cacert", path.into())
    }
    /// `http://[user:password@]host:port` (`proxy`).
    pub fn proxy(self, url: impl Into<String>) -> Self {
        self.put("proxy", url.into())
    }
    /// The signature algorithm (`v4auth`).
    pub fn signature_version(self, version: SignatureVersion) -> Self {
        self.put_flag("v4auth", version == SignatureVersion::V4)
    }
    /// Whether bodies are signed (`payload`).
    pub fn payload(self, payload: PayloadSigning) -> Self {
        self.put("payload", payload.as_str().to_owned())
    }
    /// The checksum of uploads and downloads (`checksum`).
    pub fn checksum(self, checksum: Checksum) -> Self {
        self.put("checksum", checksum.as_str().to_owned())
    }
    /// Bytes of an upload's parts (`chunksize`).
    pub fn chunk_size(self, bytes: u64) -> Self {
        self.put("chunksize", bytes.to_string())
    }
    /// Bytes of a copy's parts (`multipartcopychunksize`).
    pub fn multipart_copy_chunk_size(self, bytes: u64) -> Self {
        self.put("multipartcopychunksize", bytes.to_string())
    }
    /// Parts copied at once (`multipartcopymaxconcurrency`).
    pub fn multipart_copy_max_concurrency(self, parts: NonZeroUsize) -> Self {
        self.put("multipartcopymaxconcurrency", parts.to_string())
    }
    /// Objects of up to so many bytes are copied in one request (`multipartcopythresholdsize`).
    pub fn multipart_copy_threshold_size(self, bytes: u64) -> Self {
        self.put("multipartcopythresholdsize", bytes.to_string())
    }
    /// Threads that send one upload's parts (`concurrency`).
    pub fn concurrency(self, threads: NonZeroUsize) -> Self {
        self.put("concurrency", threads.to_string())
    }
    /// Ranges that one reader fetches at once, at most (`readahead`).
    pub fn read_ahead(self, ranges: NonZeroUsize) -> Self {
        self.put("readahead", ranges.to_string())
    }
    /// Bytes of part buffers and read-ahead over all writers and readers (`maxmemory`); `None`: no cap.
    pub fn max_memory(self, bytes: Option<u64>) -> Self {
        self.put("maxmemory", bytes.map(|bytes| bytes.to_string()).unwrap_or_default())
    }
    /// Requests in flight at once (`maxrequests`).
    pub fn max_requests(self, requests: NonZeroUsize) -> Self {
        self.put("maxrequests", requests.to_string())
    }
    /// What gives way when part numbers run out (`uniformparts`).
    pub fn part_sizes(self, sizes: PartSizes) -> Self {
        self.put_flag("uniformparts", sizes == PartSizes::Uniform)
    }
    /// The age from which an unfinished upload in the way is aborted (`uploadpurgeage`), in whole seconds.
    pub fn upload_purge_age(self, age: Duration) -> Self {
        self.put("uploadpurgeage", format!("{}s", age.as_secs()))
    }
    /// What is appended to the `User-Agent` header (`useragent`).
    pub fn user_agent(self, product: impl Into<String>) -> Self {
        self.put("useragent", product.into())
    }
    /// What the embedding program should log (`loglevel`).
    pub fn log_level(self, level: LogLevel) -> Self {
        self.put("loglevel", level.as_str().to_owned())
    }

    fn put(mut self, name: &'static str, value: String) -> Self {
        self.options.put(name, Zeroizing::new(value));
        self
    }
    fn put_flag(self, name: &'static str, value: bool) -> Self {
        self.put(name, value.to_string())
    }
}

/// Shows which options are set; their values can be secrets.
impl fmt::Debug for ParametersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.options.names()).finish()
    }
}
