//! The sections `storage` and `middleware` of a registry's `config.yml`, in the forms that
//! Distribution, GitLab and zot use.
mod deserialize;
mod environment;
mod section;

use super::s3::{Parameters, S3Driver};
use super::{MemoryDriver, StorageDriver};
use crate::error::Result;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The storage of a registry, as described in its configuration file (feature `serde`).
///
/// `Deserialize` reads the whole file but uses only its sections `storage` and `middleware`; the
/// other sections belong to the registry and are ignored. Names are accepted in any case. An
/// unknown option in these two sections is an error, because a misspelt `delete` or `readonly` must
/// not go unnoticed.
///
/// `s3driver::middleware::open` opens the storage and wraps it in the middlewares. The embedding
/// program must apply the settings in [`StorageConfig`] that concern the registry itself, such as
/// whether it allows deletions, redirects downloads or purges uploads.
///
/// ```
/// use s3driver::driver::{Deletion, RegistryConfig};
///
/// // Any format of serde will do, YAML above all.
/// let config: RegistryConfig = serde_json::from_str(
///     r#"{
///         "version": 0.1,
///         "storage": {
///             "s3": {"region": "eu-central-1", "bucket": "docker.example.org"},
///             "delete": {"enabled": true}
///         },
///         "middleware": {
///             "storage": [{"name": "redirect", "options": {"baseurl": "https://mirror.example.org/"}}]
///         }
///     }"#,
/// )?;
/// assert_eq!(config.storage.deletion, Deletion::Allowed);
/// let driver = s3driver::middleware::open(&config)?;
/// assert_eq!(driver.name(), "s3aws");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RegistryConfig {
    /// The section `storage`.
    pub storage: StorageConfig,
    /// The storage middlewares that are not disabled. Each one wraps those before it in the list.
    pub middleware: Vec<MiddlewareConfig>,
}

/// The section `storage`: the driver, and how the registry uses it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StorageConfig {
    /// The driver.
    pub backend: Backend,
    /// Whether the registry allows deletions (`delete.enabled`). zot does not have this option, and
    /// allows them.
    pub deletion: Deletion,
    /// How the registry serves downloads (`redirect`; zot: `redirectBlobURL`).
    pub redirects: Redirects,
    /// Which requests the registry accepts (`maintenance.readonly.enabled`).
    pub access: Access,
    /// When abandoned uploads are purged (`maintenance.uploadpurging`), or `None` if never. zot
    /// does not have this option.
    pub upload_purging: Option<UploadPurging>,
    /// Where blob descriptors are cached (`cache`).
    pub cache: Option<BlobCache>,
    /// The number of tags that are looked up at once (`tag.concurrencylimit`), or `None` for the
    /// registry's default.
    pub tag_concurrency: Option<NonZeroUsize>,
    /// zot's `subPaths`: how repositories are stored whose names begin with these paths.
    pub sub_paths: BTreeMap<String, SubPath>,
}

/// A storage driver of this crate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// The driver `s3` or `s3aws`, or GitLab's `s3_v1` and `s3_v2`.
    S3(Box<Parameters>),
    /// The driver `inmemory`.
    Memory,
}

/// The storage of the repositories below one of zot's `subPaths`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubPath {
    /// The driver.
    pub backend: Backend,
    /// How the registry serves downloads (`redirectBlobURL`). The option of `storage` does not
    /// apply here.
    pub redirects: Redirects,
}

impl Backend {
    /// Opens the storage without middlewares and without connecting to it.
    ///
    /// # Errors
    /// The errors of [`S3Driver::new`].
    pub fn open(&self) -> Result<Arc<dyn StorageDriver>> {
        Ok(match self {
            Self::S3(parameters) => Arc::new(S3Driver::new(parameters)?),
            Self::Memory => Arc::new(MemoryDriver::new()),
        })
    }
}

/// The policy of a registry on deletions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Deletions are allowed.
    Allowed,
    /// Deletions are refused.
    Refused,
}

/// The way in which a registry serves downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// The registry redirects to a URL of the store.
    Enabled {
        /// How long the URL is valid (GitLab's `expirydelay`), to be passed as
        /// [`UrlOptions::expires_in`](super::UrlOptions::expires_in). `None` means the driver's
        /// default.
        expires_in: Option<Duration>,
    },
    /// The registry sends the content itself.
    Disabled,
}

/// The requests that a registry accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Pushes and pulls.
    ReadWrite,
    /// Pulls only.
    ReadOnly,
}

/// The schedule on which a registry purges abandoned uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadPurging {
    /// The minimum age of an upload to be purged.
    pub age: Duration,
    /// The time between two purges.
    pub interval: Duration,
    /// Whether the uploads that are found are removed.
    pub run: PurgeRun,
}

/// The action of a purge on the uploads that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeRun {
    /// Uploads are removed.
    Remove,
    /// Uploads are reported but not removed (`dryrun`).
    Report,
}

/// The cache in which a registry stores blob descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobCache {
    /// The kind of cache, such as `inmemory` or `redis`.
    pub kind: String,
    /// The maximum number of descriptors, for caches in memory. `None` means the registry's
    /// default.
    pub size: Option<u64>,
}

/// A storage middleware and its options, for [`middleware::wrap`](crate::middleware::wrap). The
/// options are wiped on drop.
#[derive(Clone)]
#[non_exhaustive]
pub struct MiddlewareConfig {
    /// The name, such as `cloudfront`.
    pub name: String,
    /// The names and values of the options.
    pub options: Vec<(String, Zeroizing<String>)>,
}

/// Shows only the names of the options, because their values may be secrets.
impl fmt::Debug for MiddlewareConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, options } = self;
        let options: Vec<_> = options.iter().map(|(name, _)| name).collect();
        f.debug_struct("MiddlewareConfig").field("name", name).field("options", &options).finish()
    }
}
