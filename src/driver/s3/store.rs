//! Where and how the driver stores: what every operation of it shares.
use super::Parameters;
use crate::client::{Client, Config, Endpoint, ObjectSettings};
use crate::credentials::Provider;
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::MemoryLimit;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// How the parts of an upload may differ in size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PartSizes {
    /// Parts grow when the object would need more than 10,000.
    #[default]
    MayGrow,
    /// All parts but the last are equal, as Cloudflare R2 demands: an object ends at 10,000 parts of the chunk size.
    Uniform,
}

/// How objects beyond one CopyObject are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CopySettings {
    /// Bytes of one UploadPartCopy.
    pub(crate) chunk_size: u64,
    /// Copies in flight at once.
    pub(crate) concurrency: NonZeroUsize,
    /// Larger objects are copied in parts.
    pub(crate) threshold: u64,
}

/// A bucket, the place in it, and how to write there.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    /// Without a leading or trailing slash; empty for the bucket's root.
    pub(crate) root: String,
    pub(crate) settings: ObjectSettings,
    /// Bytes of one part: 5 MiB to 5 GiB.
    pub(crate) chunk_size: u64,
    /// Parts of one writer in flight at once.
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) part_sizes: PartSizes,
    /// Ranges of one reader in flight at once.
    pub(crate) read_ahead: NonZeroUsize,
    /// Bytes of part buffers and read-ahead over all writers and readers.
    pub(crate) memory: MemoryLimit,
    pub(crate) copy: CopySettings,
    /// Uploads of a path older than this are aborted when a newer one is resumed.
    pub(crate) stale_upload_age: Duration,
    /// Presigned URLs are made for this endpoint, when clients reach the server under another name.
    pub(crate) redirect: Option<Endpoint>,
}

/// What the registry's drivers store everything as.
const CONTENT_TYPE: &str = "application/octet-stream";

/// The driver's name in errors, as today's registry has it.
pub(crate) const DRIVER_NAME: &str = "s3aws";

impl Store {
    pub(crate) fn new(
        parameters: &Parameters,
        provider: Option<Arc<dyn Provider>>,
        adjust: impl FnOnce(Config) -> Config,
    ) -> Result<Self> {
        let mut config = Config::new(parameters.endpoint().clone())
            .signature(parameters.signature_version())
            .payload_signing(parameters.payload())
            .checksum(parameters.checksum())
            .max_requests(parameters.max_requests())
            .verification(parameters.verification());
        if let Some(path) = parameters.ca_certificate_path() {
            let pem = std::fs::read(path).map_err(|error| {
                let text = format!("the cacert file {} cannot be read: {error}", path.display());
                Error::new(ErrorKind::Configuration, text).with_source(error)
            })?;
            config = config.extra_roots_pem(pem);
        }
        if let Some(proxy) = parameters.proxy() {
            config = config.proxy(proxy.clone());
        }
        if let Some(agent) = parameters.user_agent() {
            config = config.user_agent(agent);
        }
        config = match (provider, parameters.credentials()) {
            (Some(provider), _) => config.credentials(provider),
            (None, Some(credentials)) => config.static_credentials(credentials.clone()),
            (None, None) => config.chain_credentials(),
        };
        Ok(Self {
            client: Client::new(adjust(config)).map_err(|error| error.with_driver(DRIVER_NAME))?,
            bucket: parameters.bucket().to_owned(),
            root: parameters.root_directory().to_owned(),
            settings: ObjectSettings {
                content_type: Some(CONTENT_TYPE.to_owned()),
                encryption: parameters.encryption().clone(),
                storage_class: parameters.storage_class(),
                acl: parameters.acl(),
                ..ObjectSettings::default()
            },
            chunk_size: parameters.chunk_size(),
            concurrency: parameters.concurrency(),
            part_sizes: parameters.part_sizes(),
            read_ahead: parameters.read_ahead(),
            memory: MemoryLimit::new(parameters.max_memory()),
            copy: CopySettings {
                chunk_size: parameters.multipart_copy_chunk_size(),
                concurrency: parameters.multipart_copy_max_concurrency(),
                threshold: parameters.multipart_copy_threshold_size(),
            },
            stale_upload_age: parameters.upload_purge_age(),
            redirect: parameters.redirect_endpoint().cloned(),
        })
    }

    /// The key of a driver path; of `/` the root without slashes.
    pub(crate) fn key(&self, path: &str) -> String {
        let path = path.trim_start_matches('/');
        match (self.root.as_str(), path) {
            ("", path) => path.to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    /// What every key below a driver path begins with.
    pub(crate) fn prefix(&self, path: &str) -> String {
        let mut key = self.key(path);
        if !key.is_empty() {
            key.push('/');
        }
        key
    }

    /// The driver path of a key; `None` for keys outside the root and those no driver path can name, such as the
    /// directory markers of other tools.
    pub(crate) fn path(&self, key: &str) -> Option<String> {
        let below = if self.root.is_empty() { key } else { key.strip_prefix(&*self.root)?.strip_prefix('/')? };
        let path = format!("/{below}");
        super::check_path(&path).is_ok().then_some(path)
    }

    /// An error as the driver's callers see it: a missing key is a missing path, and driver and path are named.
    pub(crate) fn error(&self, error: Error, path: &str) -> Error {
        let error = if error.kind() == ErrorKind::NoSuchKey {
            error.with_kind(ErrorKind::PathNotFound).with_message("path not found")
        } else {
            error
        };
        error.with_driver(DRIVER_NAME).with_path(path)
    }

    /// That nothing is at `path`.
    pub(crate) fn not_found<T>(&self, path: &str) -> Result<T> {
        Err(Error::new(ErrorKind::PathNotFound, "path not found").with_driver(DRIVER_NAME).with_path(path))
    }
}
