//! The typed builder of [`Parameters`]. Each setter writes the equivalent options, so that the
//! builder and the registry's configuration share every check.

use super::Parameters;
use super::kind::config_error;
use super::options::GivenOptions;

use super::values::LogLevel;
use crate::client::endpoint::{Acceleration, Addressing, Fips, Scheme, Stack, Variant};
use crate::client::{
    CannedAcl, Checksum, Encryption, PayloadSigning, RequestPayer, SignatureVersion, StorageClass,
    TlsVerification, TrustStore,
};
use crate::error::{Error, Result};
use crate::sign::Credentials;
use crate::transfer::PartSizes;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;
use zeroize::Zeroizing;

/// A builder of [`Parameters`], created with [`Parameters::builder`]. If a setter is called twice,
/// the last call counts. An empty text resets an option.
#[derive(Default)]
#[must_use]
pub struct ParametersBuilder {
    options: GivenOptions,
    /// The error for the first value that cannot be written as an option.
    refused: Option<Error>,
}

impl Parameters {
    /// Begins with the only required option. All others have their defaults.
    pub fn builder(bucket: impl Into<String>) -> ParametersBuilder {
        ParametersBuilder::default().put("bucket", bucket.into())
    }
}

impl ParametersBuilder {
    /// Checks all options and creates the parameters.
    ///
    /// # Errors
    /// The errors of [`Parameters::from_pairs`].
    pub fn build(self) -> Result<Parameters> {
        match self.refused {
            Some(error) => Err(error),
            None => Parameters::resolve(&self.options),
        }
    }

    /// Selects among AWS's endpoints (`usedualstack`, `usefipsendpoint`, `accelerate`).
    pub fn variant(self, variant: Variant) -> Self {
        self.put("usedualstack", (variant.stack == Stack::Dual).to_string())
            .put("usefipsendpoint", (variant.fips == Fips::Required).to_string())
            .put("accelerate", (variant.acceleration == Acceleration::On).to_string())
    }

    /// Sets static credentials (`accesskey`, `secretkey`, `sessiontoken`).
    pub fn credentials(self, credentials: &Credentials) -> Self {
        self.put("accesskey", credentials.access_key_id().to_owned())
            .put("secretkey", credentials.secret_access_key().to_owned())
            .put("sessiontoken", credentials.session_token().unwrap_or_default().to_owned())
    }

    /// Sets the server-side encryption (`encrypt`, `keyid`).
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        let (encrypt, key_id) = match encryption {
            Encryption::None => (false, String::new()),
            Encryption::Aes256 => (true, String::new()),
            Encryption::Kms { key_id } => {
                if key_id.is_empty() {
                    self.refused = Some(config_error(
                        "keyid is empty: encryption with KMS needs the id of a key",
                    ));
                }
                (true, key_id)
            }
            Encryption::KmsTwoLayers { key_id } => {
                self.refused = Some(config_error("encrypt cannot choose two layers of encryption"));
                (true, key_id)
            }
        };
        self.put("encrypt", encrypt.to_string()).put("keyid", key_id)
    }

    fn put(mut self, name: &'static str, value: String) -> Self {
        self.options.put(name, Zeroizing::new(value));
        self
    }
}

/// Defines a setter for each option that depends on a single value: the setter's name and argument,
/// the option, and the value as text.
macro_rules! setters {
    ($(#[doc = $doc:literal] $name:ident($value:ident: $type:ty) => $option:literal $text:expr;)*) => {
        impl ParametersBuilder {
            $(
                #[doc = concat!($doc, " (`", $option, "`).")]
                pub fn $name(self, $value: $type) -> Self {
                    self.put($option, $text)
                }
            )*
        }
    };
}

setters! {
    /// Sets the region, which is required without an [`endpoint`](Self::endpoint)
    region(region: impl Into<String>) => "region" region.into();
    /// Sets the URL of a server other than AWS
    endpoint(url: impl Into<String>) => "regionendpoint" url.into();
    /// Sets the endpoint of presigned URLs
    redirect_endpoint(url: impl Into<String>) => "redirectendpoint" url.into();
    /// Sets whether the bucket's name is in the host or in the path
    addressing(addressing: Addressing) => "forcepathstyle" match addressing {
        Addressing::Auto => String::new(),
        Addressing::Path => true.to_string(),
        Addressing::VirtualHost => false.to_string(),
    };
    /// Sets the scheme, TLS or plain TCP; a scheme in the endpoint's URL takes precedence
    scheme(scheme: Scheme) => "secure" (scheme == Scheme::Https).to_string();
    /// Sets the prefix of all keys
    root_directory(root: impl Into<String>) => "rootdirectory" root.into();
    /// Sets the storage class of new objects; `None` sends no header
    storage_class(class: Option<StorageClass>) => "storageclass"
        class.map_or("NONE", StorageClass::as_str).to_owned();
    /// Sets the canned ACL of new objects; `None` sends no header
    acl(acl: Option<CannedAcl>) => "objectacl" acl.map_or("none", CannedAcl::as_str).to_owned();
    /// Sets whether certificates are verified
    verification(verification: TlsVerification) => "skipverify"
        (verification == TlsVerification::Skip).to_string();
    /// Sets the certificate authorities that are trusted
    trust_store(store: TrustStore) => "truststore" store.as_str().to_owned();
    /// Sets a PEM file with certificates to trust in addition to the trust store
    ca_certificate_path(path: impl Into<String>) => "cacert" path.into();
    /// Sets the proxy, `http://[user:password@]host:port` or `environment`
    proxy(url: impl Into<String>) => "proxy" url.into();
    /// Sets the signature algorithm
    signature_version(version: SignatureVersion) => "v4auth"
        (version == SignatureVersion::V4).to_string();
    /// Sets whether bodies are signed
    payload(payload: PayloadSigning) => "payload" payload.as_str().to_owned();
    /// Sets the checksum of uploads and downloads
    checksum(checksum: Checksum) => "checksum" checksum.as_str().to_owned();
    /// Sets who pays for requests
    request_payer(payer: RequestPayer) => "requestpayer" payer.as_str().to_owned();
    /// Sets the size of an upload's parts in bytes
    chunk_size(bytes: u64) => "chunksize" bytes.to_string();
    /// Sets the size of a copy's parts in bytes
    multipart_copy_chunk_size(bytes: u64) => "multipartcopychunksize" bytes.to_string();
    /// Sets the maximum number of parts that are copied at once
    multipart_copy_max_concurrency(parts: NonZeroUsize) => "multipartcopymaxconcurrency"
        parts.to_string();
    /// Sets the size in bytes up to which an object is copied with one request
    multipart_copy_threshold_size(bytes: u64) => "multipartcopythresholdsize" bytes.to_string();
    /// Sets the number of threads that send one upload's parts, which otherwise adapts
    concurrency(threads: NonZeroUsize) => "concurrency" threads.to_string();
    /// Sets the maximum number of ranges that one reader fetches at once
    read_ahead(ranges: NonZeroUsize) => "readahead" ranges.to_string();
    /// Sets the memory in bytes for all part buffers and read-ahead; `None` means no limit
    max_memory(bytes: Option<u64>) => "maxmemory"
        bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
    /// Sets the folder for files that keep the parts of uploads until they are sent
    spool(folder: impl Into<String>) => "spool" folder.into();
    /// Sets the maximum number of requests in flight
    max_requests(requests: NonZeroUsize) => "maxrequests" requests.to_string();
    /// Sets whether parts may grow to avoid running out of part numbers
    part_sizes(sizes: PartSizes) => "uniformparts" (sizes == PartSizes::Uniform).to_string();
    /// Sets the age at which an unfinished upload that is in the way is aborted, in whole seconds
    upload_purge_age(age: Duration) => "uploadpurgeage" format!("{}s", age.as_secs());
    /// Sets a text that is appended to the `User-Agent` header
    user_agent(product: impl Into<String>) => "useragent" product.into();
    /// Sets how many times a request is sent again after a transient failure
    max_retries(retries: u32) => "maxretries" retries.to_string();
    /// Sets the number of concurrent requests of a walk, unless its caller chooses
    walk_concurrency(requests: NonZeroUsize) => "walkconcurrency" requests.to_string();
    /// Sets what the driver logs, with the feature `log`; nothing when the list is empty
    log_levels(levels: &[LogLevel]) => "loglevel"
        levels.iter().map(|level| level.as_str()).collect::<Vec<_>>().join(",");
}

/// Shows only which options are set, because their values may be secrets.
impl fmt::Debug for ParametersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.options.names()).finish()
    }
}
