//! Where and how the driver stores: the state that all its operations share.
use super::parameters::Parameters;
use crate::client::{BucketName, Client, Config, ObjectSettings, RetryPolicy, check_roots};
use crate::credentials::Provider;
use crate::driver::path::{below, check_path};
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::MemoryLimit;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A bucket, the place in it, and how to write there.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) client: Client,
    pub(crate) bucket: BucketName,
    /// The settings of every object the driver writes.
    pub(crate) settings: ObjectSettings,
    /// Bytes of part buffers and read-ahead over all writers and readers.
    pub(crate) memory: MemoryLimit,
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) conditional_deletes: ConditionalDeletes,
}

/// Whether the server is known to refuse a DELETE with `If-Match`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConditionalDeletes {
    refused: Arc<AtomicBool>,
}

impl ConditionalDeletes {
    pub(crate) fn are_supported(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn are_not_supported(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }
}

/// The content type of everything that the registry's drivers store.
const CONTENT_TYPE: &str = "application/octet-stream";

/// The driver's name in errors, as today's registry has it.
pub(crate) const DRIVER_NAME: &str = "s3aws";

/// The largest file of certificates: the bundles of Linux distributions have a quarter of a mebibyte.
const MAX_CERTIFICATES: u64 = 16 << 20;

/// Reads a file of certificates. Devices and pipes, which may have no end, are refused.
fn read_certificates(path: &Path) -> io::Result<Vec<u8>> {
    let unusable = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
    // Opening a pipe would wait for a program that writes to it.
    if !fs::metadata(path)?.is_file() {
        return Err(unusable("it is not a regular file"));
    }
    let mut pem = Vec::new();
    File::open(path)?.take(MAX_CERTIFICATES + 1).read_to_end(&mut pem)?;
    if pem.len() as u64 > MAX_CERTIFICATES {
        return Err(unusable(&format!("it has more than {MAX_CERTIFICATES} bytes")));
    }
    Ok(pem)
}

/// The beginning of the names that the driver keeps for its own objects, the checkpoints of unfinished files. No name
/// that the registry gives begins with a dot.
pub(crate) const RESERVED: &str = ".s3driver-";

/// Whether a component of `path` begins with [`RESERVED`].
pub(crate) fn is_reserved(path: &str) -> bool {
    path.split('/').any(|component| component.starts_with(RESERVED))
}

impl Store {
    pub(crate) fn new(
        parameters: &Parameters,
        provider: Option<Arc<dyn Provider>>,
        adjust: impl FnOnce(Config) -> Config,
    ) -> Result<Self> {
        let mut config = Config::new(parameters.endpoint.clone())
            .signature(parameters.signature_version)
            .payload_signing(parameters.payload)
            .checksum(parameters.checksum)
            .request_payer(parameters.request_payer)
            .max_requests(parameters.max_requests)
            .retry(RetryPolicy { max_attempts: parameters.max_retries.saturating_add(1), ..RetryPolicy::default() })
            .tls_verification(parameters.verification);
        if let Some(path) = &parameters.ca_certificate_path {
            let pem = read_certificates(path).map_err(|error| {
                let text = format!("the cacert file {} cannot be read: {error}", path.display());
                Error::new(ErrorKind::Configuration, text).with_source(error)
            })?;
            check_roots(&pem).map_err(|error| {
                let text = format!("the cacert file {} cannot be used: {}", path.display(), error.0);
                Error::new(ErrorKind::Configuration, text).with_hint("give a file of certificates in PEM form")
            })?;
            config = config.extra_roots_pem(pem);
        }
        if let Some(proxy) = &parameters.proxy {
            config = config.proxy(proxy.clone());
        }
        if let Some(agent) = &parameters.user_agent {
            config = config.user_agent(agent);
        }
        config = match (provider, &parameters.credentials) {
            (Some(provider), _) => config.credentials(provider),
            (None, Some(credentials)) => config.static_credentials(credentials.clone()),
            (None, None) => config.chain_credentials(),
        };
        Ok(Self {
            client: Client::new(adjust(config)).map_err(|error| error.with_driver(DRIVER_NAME))?,
            bucket: parameters.bucket.clone(),
            settings: ObjectSettings {
                content_type: Some(CONTENT_TYPE.to_owned()),
                encryption: parameters.encryption.clone(),
                storage_class: parameters.storage_class,
                acl: parameters.acl,
                ..ObjectSettings::default()
            },
            memory: MemoryLimit::new(parameters.max_memory),
            parameters: Arc::new(parameters.clone()),
            conditional_deletes: ConditionalDeletes::default(),
        })
    }

    /// Returns the key of a driver path; for `/` the root directory without slashes.
    pub(crate) fn key(&self, path: &str) -> String {
        let path = path.trim_start_matches('/');
        match (self.parameters.root_directory.as_str(), path) {
            ("", path) => path.to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    /// Returns the beginning of every key below a driver path.
    pub(crate) fn prefix(&self, path: &str) -> String {
        let mut key = self.key(path);
        if !key.is_empty() {
            key.push('/');
        }
        key
    }

    /// Returns the driver path of a key; `None` for keys outside the root and those no driver path can name, such as the
    /// directory markers of other tools and the driver's own checkpoints.
    pub(crate) fn path(&self, key: &str) -> Option<String> {
        let path = format!("/{}", below(key, &self.parameters.root_directory)?);
        (check_path(&path).is_ok() && !is_reserved(&path)).then_some(path)
    }

    /// Whether the driver keeps the key for itself.
    pub(crate) fn is_reserved_key(&self, key: &str) -> bool {
        below(key, &self.parameters.root_directory).is_some_and(is_reserved)
    }

    /// Makes the driver's error of the client's: a missing key becomes a missing path, and driver and path are named.
    pub(crate) fn error(&self, error: Error, path: &str) -> Error {
        let error = if error.kind() == ErrorKind::NoSuchKey {
            error.with_kind(ErrorKind::PathNotFound).with_message("path not found")
        } else {
            error
        };
        error.with_driver(DRIVER_NAME).with_path(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p30_certificates_are_read_from_bounded_files_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("bundle.pem");
        fs::write(&path, b"bundle").expect("written");
        assert_eq!(read_certificates(&path).expect("a bundle"), b"bundle");
        File::create(&path).and_then(|file| file.set_len(MAX_CERTIFICATES)).expect("a file");
        assert_eq!(read_certificates(&path).expect("the largest").len() as u64, MAX_CERTIFICATES);
        File::create(&path).and_then(|file| file.set_len(MAX_CERTIFICATES + 1)).expect("a file");
        let reason = |path: &Path| read_certificates(path).expect_err("refused").to_string();
        assert_eq!(reason(&path), "it has more than 16777216 bytes");
        assert_eq!(reason(directory.path()), "it is not a regular file");
        #[cfg(unix)]
        assert_eq!(reason(Path::new("/dev/zero")), "it is not a regular file");
    }

    #[cfg(unix)]
    #[test]
    fn p30_a_pipe_in_place_of_certificates_does_not_hang() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
        assert_eq!(read_certificates(&path).expect_err("refused").to_string(), "it is not a regular file");
    }
}
