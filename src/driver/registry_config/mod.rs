//! A registry's `config.yml`: the sections `storage` and `middleware`, in the forms of
//! Distribution, GitLab and zot.
mod deserialize;
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

/// The storage of a registry, as its configuration file describes it, with the feature `serde`.
///
/// `Deserialize` reads the whole file and takes its sections `storage` and `middleware`; the other
/// ones belong to the registry and are left alone. Names are accepted in any case. An option that
/// these two sections do not have is an error, because a misspelt `delete` or `readonly` must not
/// go unnoticed.
///
/// `s3driver::middleware::open` opens the storage and wraps it in the middlewares. What the
/// registry does itself (whether it deletes, redirects or purges) is for the embedding program to
/// read from [`StorageConfig`].
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
    /// The storage middlewares that are not disabled. Each wraps those before it.
    pub middleware: Vec<MiddlewareConfig>,
}

/// The section `storage`: the driver, and what the registry does with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StorageConfig {
    /// The driver.
    pub backend: Backend,
    /// The registry's response to deletions (`delete.enabled`). zot has no such option and deletes.
    pub deletion: Deletion,
    /// Where the registry sends downloads (`redirect`). zot has no such option and
    /// serves them itself.
    pub redirects: Redirects,
    /// The requests that the registry accepts (`maintenance.readonly.enabled`).
    pub access: Access,
    /// When abandoned uploads are purged (`maintenance.uploadpurging`); `None`: never. zot has no
    /// such option.
    pub upload_purging: Option<UploadPurging>,
    /// Where descriptors of blobs are cached (`cache`).
    pub cache: Option<BlobCache>,
    /// Tags looked up at once (`tag.concurrencylimit`); `None`: the registry's default.
    pub tag_concurrency: Option<NonZeroUsize>,
    /// zot's `subPaths`: the drivers of repositories whose names begin with these paths.
    pub sub_paths: BTreeMap<String, Backend>,
}

/// A storage driver of this crate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// `s3` or `s3aws`; GitLab's `s3_v1` and `s3_v2`.
    S3(Box<Parameters>),
    /// `inmemory`.
    Memory,
}

impl Backend {
    /// Opens the storage, without a connection and without middlewares.
    ///
    /// # Errors
    /// Those of [`S3Driver::new`].
    pub fn open(&self) -> Result<Arc<dyn StorageDriver>> {
        Ok(match self {
            Self::S3(parameters) => Arc::new(S3Driver::new(parameters)?),
            Self::Memory => Arc::new(MemoryDriver::new()),
        })
    }
}

/// The response of a registry to deletions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// They are carried out.
    Allowed,
    /// They are refused.
    Refused,
}

/// The way in which a registry serves downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// By a redirect to a URL of the store.
    Enabled {
        /// How long the URL is valid (GitLab's `expirydelay`), for
        /// [`UrlOptions::expires_in`](super::UrlOptions::expires_in); `None`: the driver's default.
        expires_in: Option<Duration>,
    },
    /// From the registry itself.
    Disabled,
}

/// The requests that a registry accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Pushes and pulls.
    ReadWrite,
    /// Pulls alone.
    ReadOnly,
}

/// When a registry purges abandoned uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadPurging {
    /// The age from which an upload is purged.
    pub age: Duration,
    /// The time between two purges.
    pub interval: Duration,
    /// What happens to the uploads that are found.
    pub run: PurgeRun,
}

/// The effect of a purge on the uploads that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeRun {
    /// They are removed.
    Remove,
    /// They are reported and stay (`dryrun`).
    Report,
}

/// Where a registry caches the descriptors of blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobCache {
    /// The kind of cache, such as `inmemory` or `redis`.
    pub kind: String,
    /// Descriptors kept, for caches in memory; `None`: the registry's default.
    pub size: Option<u64>,
}

/// A storage middleware and its options, for [`middleware::wrap`](crate::middleware::wrap). The
/// options are wiped on drop.
#[derive(Clone)]
#[non_exhaustive]
pub struct MiddlewareConfig {
    /// The name, such as `cloudfront`.
    pub name: String,
    /// Names and values.
    pub options: Vec<(String, Zeroizing<String>)>,
}

/// Shows the names of the options; their values can be secrets.
impl fmt::Debug for MiddlewareConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, options } = self;
        let options: Vec<_> = options.iter().map(|(name, _)| name).collect();
        f.debug_struct("MiddlewareConfig").field("name", name).field("options", &options).finish()
    }
}
