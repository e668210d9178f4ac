//! The state that all operations of the driver share.
use super::parameters::Parameters;
use crate::client::{BucketName, Client, Config, ObjectSettings, RetryPolicy, read_roots};
use crate::credentials::{Environment, Provider};
use crate::driver::path::{below, check_path};
use crate::error::{Error, ErrorKind, Result};
use crate::observe::Notice;
use crate::transfer::{MemoryLimit, PartStorage, SpoolFolder};
use std::sync::Arc;

/// The content type of everything that the registry's drivers store.
const CONTENT_TYPE: &str = "application/octet-stream";

/// The driver's name in errors, as in the current registry.
pub(crate) const DRIVER_NAME: &str = "s3aws";

/// The prefix of the names that the driver reserves for its own objects, the checkpoints of
/// unfinished files. The registry does not use names that begin with a dot.
pub(crate) const RESERVED: &str = ".s3driver-";

/// A bucket, the root directory in it, and the settings for writing to it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) client: Client,
    pub(crate) bucket: BucketName,
    /// The settings for all objects that the driver writes.
    pub(crate) settings: ObjectSettings,
    /// The memory budget for the part buffers and read-ahead of all writers and readers.
    pub(crate) memory: MemoryLimit,
    /// Where the parts of writers are kept until they have been sent.
    pub(crate) part_storage: PartStorage,
    pub(crate) parameters: Arc<Parameters>,
}

impl Parameters {
    /// Creates a client with the endpoint, credentials, TLS, proxy and retry settings of these
    /// parameters. The bucket and the root directory apply only to the driver: the client can
    /// access every bucket and key.
    ///
    /// ```
    /// use s3driver::driver::Parameters;
    ///
    /// let options = [("region", "eu-central-1"), ("bucket", "docker.example.org")];
    /// let client = Parameters::from_pairs(options)?.client()?;
    /// assert_eq!(client.endpoint().signing_region(), "eu-central-1");
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the certificates or the user agent cannot be used.
    pub fn client(&self) -> Result<Client> {
        Store::new(self, None, |config| config).map(|store| store.client)
    }
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
            .retry(RetryPolicy {
                max_attempts: parameters.max_retries.saturating_add(1),
                ..RetryPolicy::default()
            })
            .tls_verification(parameters.verification)
            .trust_store(parameters.trust_store);
        if let Some(path) = &parameters.ca_certificate_path {
            config = config.extra_roots_pem(&**read_roots("cacert", path)?);
        }

        config = parameters.proxy.apply_to(config, &Environment::default())?;

        if let Some(agent) = &parameters.user_agent {
            config = config.user_agent(agent);
        }

        config = match (provider, &parameters.credentials) {
            (Some(provider), _) => config.credentials(provider),
            (None, Some(credentials)) => config.static_credentials(credentials.clone()),
            (None, None) => config.chain_credentials(),
        };
        let client = Client::new(adjust(with_log(config, parameters)))
            .map_err(|error| error.with_driver(DRIVER_NAME))?;
        if !parameters.log_levels.is_empty() && !cfg!(feature = "log") {
            client.notice(&Notice::OptionWithoutEffect {
                option: "loglevel",
                needs: "the feature log of the crate s3driver",
            });
        }
        for &(option, needs) in &parameters.ignored {
            client.notice(&Notice::OptionWithoutEffect { option, needs });
        }
        let part_storage = match &parameters.spool {
            None => PartStorage::Memory,
            Some(path) => {
                let folder = SpoolFolder::open(path, client.clock().random()).map_err(|error| {
                    error.with_kind(ErrorKind::Configuration).with_driver(DRIVER_NAME)
                })?;
                PartStorage::Folder(Arc::new(folder))
            }
        };
        Ok(Self {
            part_storage,
            client,
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
        })
    }

    /// Returns the key of a driver path. For `/`, this is the root directory without slashes.
    pub(crate) fn key(&self, path: &str) -> String {
        let path = path.trim_start_matches('/');
        match (self.parameters.root_directory.as_str(), path) {
            ("", path) => path.to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    /// Returns the prefix of every key below a driver path.
    pub(crate) fn prefix(&self, path: &str) -> String {
        let mut key = self.key(path);
        if !key.is_empty() {
            key.push('/');
        }
        key
    }

    /// Returns the driver path of a key. Returns `None` for keys outside the root directory, and
    /// for those that no driver path can name, such as the directory markers of other tools and the
    /// driver's own checkpoints.
    pub(crate) fn path(&self, key: &str) -> Option<String> {
        let mut path = String::new();
        self.write_path(key, &mut path).then_some(path)
    }

    /// Replaces `path` with the driver path of a key, as [`path`](Self::path) returns it. Returns
    /// `false` if there is none, and then `path` has no meaning.
    pub(crate) fn write_path(&self, key: &str, path: &mut String) -> bool {
        let Some(below) = below(key, &self.parameters.root_directory) else { return false };
        path.clear();
        path.push('/');
        path.push_str(below);
        check_path(path).is_ok() && !is_reserved(path)
    }

    /// Reports whether the key is reserved for the driver.
    pub(crate) fn is_reserved_key(&self, key: &str) -> bool {
        below(key, &self.parameters.root_directory).is_some_and(is_reserved)
    }

    /// Converts an error of the client into one of the driver: a missing key becomes a missing
    /// path, and the driver and the path are named.
    pub(crate) fn error(&self, error: Error, path: &str) -> Error {
        let error = if error.kind() == ErrorKind::NoSuchKey {
            error.with_kind(ErrorKind::PathNotFound).with_message("path not found")
        } else {
            error
        };
        error.with_driver(DRIVER_NAME).with_path(path)
    }
}

/// Adds the log that the option `loglevel` requests.
#[cfg(feature = "log")]
fn with_log(config: Config, parameters: &Parameters) -> Config {
    match parameters.log_levels.as_slice() {
        [] => config,
        levels => {
            let topics = levels.iter().flat_map(|level| level.topics()).copied();
            config.observer(Arc::new(crate::observe::Log::new(topics)))
        }
    }
}

/// Returns `config` unchanged, because nothing can be logged without the feature `log`.
#[cfg(not(feature = "log"))]
const fn with_log(config: Config, _: &Parameters) -> Config {
    config
}

/// Reports whether a component of `path` begins with [`RESERVED`].
pub(crate) fn is_reserved(path: &str) -> bool {
    path.split('/').any(|component| component.starts_with(RESERVED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::path::Path;

    #[test]
    fn p30_certificates_are_read_from_bounded_files_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("bundle.pem");
        let reason = |path: &Path| {
            let text = path.to_str().expect("a path of text");
            let pairs = [("region", "us-east-1"), ("bucket", "registry"), ("cacert", text)];
            let parameters = Parameters::from_pairs(pairs).expect("parameters");
            let error = Store::new(&parameters, None, |config| config).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            error.to_string()
        };
        File::create(&path).and_then(|file| file.set_len((16 << 20) + 1)).expect("a file");
        assert!(reason(&path).contains("more than 16777216 bytes"));
        assert!(reason(directory.path()).contains("not a regular file"));
        #[cfg(unix)]
        assert!(reason(Path::new("/dev/zero")).contains("not a regular file"));
    }
}
