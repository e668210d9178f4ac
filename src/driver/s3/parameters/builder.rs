//! The typed way to [`Parameters`]. Each setter writes the options that say the same, so that the builder and the
//! registry's configuration share every check.

use super::Parameters;
use super::kind::refused;
use super::options::GivenOptions;

use super::values::LogLevel;
use crate::client::endpoint::{Acceleration, Addressing, Fips, Scheme, Stack, Variant};
use crate::client::{
    CannedAcl, Checksum, Encryption, PayloadSigning, RequestPayer, SignatureVersion, StorageClass,
    TlsVerification,
};
use crate::error::{Error, Result};
use crate::sign::Credentials;
use crate::transfer::PartSizes;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;
use zeroize::Zeroizing;

/// Options on their way to [`Parameters`], begun by [`Parameters::builder`]. A setter called twice counts once, the last
/// time; an empty text unsets.
#[derive(Default)]
#[must_use]
pub struct ParametersBuilder {
    options: GivenOptions,
    /// The first value that cannot be written as an option.
    refused: Option<Error>,
}

impl Parameters {
    /// Begins with the one option that is always needed. All others have their defaults.
    pub fn builder(bucket: impl Into<String>) -> ParametersBuilder {
        ParametersBuilder::default().put("bucket", bucket.into())
    }
}

impl ParametersBuilder {
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

    /// Chooses among AWS's endpoints (`usedualstack`, `usefipsendpoint`, `accelerate`).
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
    /// Sets the encryption by the server (`encrypt`, `keyid`).
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        let (encrypt, key_id) = match encryption {
            Encryption::None => (false, String::new()),
            Encryption::Aes256 => (true, String::new()),
            Encryption::Kms { key_id } => {
                if key_id.is_empty() {
                    self.refused =
                        Some(refused("keyid is empty: encryption with KMS needs a key's id"));
                }
                (true, key_id)
            }
            Encryption::KmsTwoLayers { key_id } => {
                self.refused = Some(refused("encrypt has no word for two layers of encryption"));
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

/// A setter for each option that one value decides: its name and argument, the option, and the value as text.
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
    /// Sets the region, which is needed without an [`endpoint`](Self::endpoint)
    region(region: impl Into<String>) => "region" region.into();
    /// Names a server other than AWS
    endpoint(url: impl Into<String>) => "regionendpoint" url.into();
    /// Names the endpoint of presigned URLs
    redirect_endpoint(url: impl Into<String>) => "redirectendpoint" url.into();
    /// Sets where the bucket's name stands
    addressing(addressing: Addressing) => "forcepathstyle" match addressing {
        Addressing::Auto => String::new(),
        Addressing::Path => true.to_string(),
        Addressing::VirtualHost => false.to_string(),
    };
    /// Chooses between TLS and plain TCP; a scheme in the endpoint's URL wins
    scheme(scheme: Scheme) => "secure" (scheme == Scheme::Https).to_string();
    /// Sets the prefix of all keys
    root_directory(root: impl Into<String>) => "rootdirectory" root.into();
    /// Sets the class of new objects; `None` sends no header
    storage_class(class: Option<StorageClass>) => "storageclass" class.map_or("NONE", StorageClass::as_str).to_owned();
    /// Sets the canned ACL of new objects; `None` sends no header
    acl(acl: Option<CannedAcl>) => "objectacl" acl.map_or("none", CannedAcl::as_str).to_owned();
    /// Sets whether certificates are verified
    verification(verification: TlsVerification) => "skipverify" (verification == TlsVerification::Skip).to_string();
    /// Names a PEM file with certificates to trust in addition to the built-in ones
    ca_certificate_path(path: impl Into<String>) => "cacert" path.into();
    /// Sets the proxy, `http://[user:password@]host:port`
    proxy(url: impl Into<String>) => "proxy" url.into();
    /// Sets the signature algorithm
    signature_version(version: SignatureVersion) => "v4auth" (version == SignatureVersion::V4).to_string();
    /// Sets whether bodies are signed
    payload(payload: PayloadSigning) => "payload" payload.as_str().to_owned();
    /// Sets the checksum of uploads and downloads
    checksum(checksum: Checksum) => "checksum" checksum.as_str().to_owned();
    /// Sets who pays for requests
    request_payer(payer: RequestPayer) => "requestpayer" payer.as_str().to_owned();
    /// Sets the bytes of an upload's parts
    chunk_size(bytes: u64) => "chunksize" bytes.to_string();
    /// Sets the bytes of a copy's parts
    multipart_copy_chunk_size(bytes: u64) => "multipartcopychunksize" bytes.to_string();
    /// Sets how many parts are copied at once
    multipart_copy_max_concurrency(parts: NonZeroUsize) => "multipartcopymaxconcurrency" parts.to_string();
    /// Sets up to how many bytes an object is copied in one request
    multipart_copy_threshold_size(bytes: u64) => "multipartcopythresholdsize" bytes.to_string();
    /// Sets how many threads send one upload's parts
    concurrency(threads: NonZeroUsize) => "concurrency" threads.to_string();
    /// Sets how many ranges one reader fetches at once, at most
    read_ahead(ranges: NonZeroUsize) => "readahead" ranges.to_string();
    /// Sets the bytes of part buffers and read-ahead over all writers and readers; `None`: no limit
    max_memory(bytes: Option<u64>) => "maxmemory" bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
    /// Sets how many requests are in flight at once
    max_requests(requests: NonZeroUsize) => "maxrequests" requests.to_string();
    /// Sets whether parts may grow when part numbers run out
    part_sizes(sizes: PartSizes) => "uniformparts" (sizes == PartSizes::Uniform).to_string();
    /// Sets the age from which an unfinished upload in the way is aborted, in whole seconds
    upload_purge_age(age: Duration) => "uploadpurgeage" format!("{}s", age.as_secs());
    /// Appends to the `User-Agent` header
    user_agent(product: impl Into<String>) => "useragent" product.into();
    /// Sets how often a request is sent again after a failure that may pass
    max_retries(retries: u32) => "maxretries" retries.to_string();
    /// Sets with how many requests a walk lists at once, unless its caller chooses
    walk_concurrency(requests: NonZeroUsize) => "walkconcurrency" requests.to_string();
    /// Sets what the embedding program should log; nothing when the list is empty
    log_levels(levels: &[LogLevel]) => "loglevel" levels.iter().map(|level| level.as_str()).collect::<Vec<_>>().join(",");
}

/// Shows which options are set; their values can be secrets.
impl fmt::Debug for ParametersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.options.names()).finish()
    }
}
