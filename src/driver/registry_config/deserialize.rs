//! Parsing of the configuration file into [`RegistryConfig`].
use super::environment::Variables;
use super::section::{Section, config_error};
use super::{
    Access, Backend, BlobCache, Deletion, MiddlewareConfig, PurgeRun, Redirects, RegistryConfig,
    StorageConfig, SubPath, UploadPurging,
};
use crate::driver::s3::{Parameters, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::text::{Form, shown_value};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;
use zeroize::Zeroizing;

/// The default of Distribution's `maintenance.uploadpurging.age`.
const PURGE_AGE: Duration = Duration::from_secs(168 * 60 * 60);
const PURGE_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The names of the S3 driver. Distribution uses two, and GitLab has had two versions.
const S3_NAMES: [&str; 4] = ["s3", "s3aws", "s3_v1", "s3_v2"];
const MEMORY_NAME: &str = "inmemory";
/// The registries' other drivers, which this crate does not provide.
const OTHER_DRIVERS: [&str; 7] =
    ["filesystem", "azure", "azure_v2", "gcs", "swift", "oss", "rados"];

/// The options of zot's `storage` section that concern the registry itself or local files, and not
/// the driver.
const ZOT_OPTIONS: [&str; 15] = [
    "rootdirectory",
    "dedupe",
    "commit",
    "gc",
    "gcdelay",
    "gcinterval",
    "gcreferrers",
    "gcmaxschedulerdelay",
    "untaggedimageretentiondelay",
    "remotecache",
    "cachedriver",
    "retention",
    "scrub",
    "maxrepos",
    "maxuploads",
];

impl<'de> Deserialize<'de> for RegistryConfig {
    /// Deserializes the whole configuration file, or a map of its sections `storage` and
    /// `middleware`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FileVisitor(Variables::default()))
    }
}

impl RegistryConfig {
    /// Deserializes the configuration file like `Deserialize`, with the options in `variables`,
    /// which are usually those of the environment. As in Distribution, `REGISTRY_STORAGE_S3_BUCKET`
    /// sets `storage.s3.bucket`, whether or not the file contains it, and a number names an entry
    /// of a list (`REGISTRY_MIDDLEWARE_STORAGE_0_NAME`). An empty value means "not given".
    ///
    /// Variables without `REGISTRY_`, and those for other sections than `storage` and `middleware`,
    /// are ignored. An unknown option is an error. Values are text, not YAML.
    ///
    /// ```
    /// use s3driver::driver::{Backend, RegistryConfig};
    ///
    /// let file = r#"{"storage": {"s3": {"region": "eu-central-1", "bucket": "images"}}}"#;
    /// let variables = [("REGISTRY_STORAGE_S3_BUCKET", "docker.example.org")];
    /// let mut reader = serde_json::Deserializer::from_str(file);
    /// let config = RegistryConfig::deserialize_with_variables(&mut reader, variables)?;
    /// let Backend::S3(parameters) = &config.storage.backend else { panic!() };
    /// assert_eq!(&*parameters.bucket, "docker.example.org");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of the format; an invalid configuration; a variable whose name leads to a place that
    /// does not exist. The error does not show values that could be secrets.
    pub fn deserialize_with_variables<'de, D: Deserializer<'de>>(
        deserializer: D,
        variables: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FileVisitor(Variables::new(variables)))
    }
}

/// Reads the file, in which the variables set further options.
struct FileVisitor(Variables);

impl<'de> Visitor<'de> for FileVisitor {
    type Value = RegistryConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a registry's configuration")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<RegistryConfig, E> {
        Err(E::custom("a registry's configuration must be a map, not text"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RegistryConfig, A::Error> {
        let (mut storage, mut middleware) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            let section = match name.to_ascii_lowercase().as_str() {
                "storage" => &mut storage,
                "middleware" => &mut middleware,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };

            if section.replace(map.next_value::<Value>()?).is_some() {
                return Err(A::Error::custom(format!(
                    "the section {} is given twice",
                    shown_value(&name, Form::Name)
                )));
            }
        }

        let apply = |name, section| self.0.apply_to(name, section).map_err(A::Error::custom);
        let (storage, middleware) = (apply("storage", storage)?, apply("middleware", middleware)?);
        let storage = storage
            .ok_or_else(|| A::Error::custom("the configuration does not have a section storage"))?;
        let config = || {
            let storage = read_storage(storage)?;
            Ok(RegistryConfig {
                storage,
                middleware: read_middleware(middleware.unwrap_or(Value::Null))?,
            })
        };

        config().map_err(|error: Error| A::Error::custom(error))
    }
}

fn read_storage(value: Value) -> Result<StorageConfig> {
    // Distribution accepts `storage: inmemory`.
    let value = match value {
        Value::Text(name) => Value::Map(vec![(name.to_string(), Value::Null)]),
        value => value,
    };

    let mut section = Section::new("storage", value)?;
    if section.has("storagedriver") || section.has("subpaths") {
        return read_zot(section);
    }

    let deletion = {
        let mut delete = section.section("delete")?;
        let enabled = delete.flag("enabled", false)?;
        delete.finish()?;
        if enabled { Deletion::Allowed } else { Deletion::Refused }
    };

    let redirects = read_redirect(section.section("redirect")?)?;
    let (access, upload_purging) = read_maintenance(section.section("maintenance")?)?;
    let cache = read_cache(section.section("cache")?)?;
    let tag_concurrency = {
        let mut tag = section.section("tag")?;
        let limit = tag.count("concurrencylimit")?;
        tag.finish()?;
        limit.and_then(|limit| usize::try_from(limit).ok()).and_then(NonZeroUsize::new)
    };

    let backend = read_backend(&mut section)?;
    section.finish()?;
    let sub_paths = BTreeMap::new();
    Ok(StorageConfig {
        backend,
        deletion,
        redirects,
        access,
        upload_purging,
        cache,
        tag_concurrency,
        sub_paths,
    })
}

/// Removes the driver from the section, which must be the only entry left.
fn read_backend(section: &mut Section) -> Result<Backend> {
    let names = || S3_NAMES.into_iter().chain([MEMORY_NAME]).chain(OTHER_DRIVERS);
    let given: Vec<&str> = names().filter(|name| section.has(name)).collect();
    match *given {
        [] => Err(config_error(
            "the section storage does not name a storage driver: it must contain s3 or inmemory",
        )),
        [name] if S3_NAMES.contains(&name) => {
            let place = section.place(name);
            Ok(Backend::S3(Box::new(parameters(&place, section.take(name))?)))
        }
        [MEMORY_NAME] => {
            section.section(MEMORY_NAME)?.finish()?;
            Ok(Backend::Memory)
        }
        [name] => {
            Err(config_error(format!("storage.{name}: s3driver does not have this storage driver"))
                .with_hint("the storage drivers are s3 and inmemory"))
        }
        _ => Err(config_error(format!(
            "the section storage names more than one storage driver: {}",
            given.join(", ")
        ))),
    }
}

fn parameters(place: &str, value: Value) -> Result<Parameters> {
    Parameters::from_value(value).map_err(|error| {
        let text = format!("{place}: {}", error.message());
        error.with_message(text)
    })
}

fn read_redirect(mut section: Section) -> Result<Redirects> {
    let disabled = section.flag("disable", false)?;
    let expires_in = section.duration("expirydelay")?;
    section.finish()?;
    Ok(if disabled { Redirects::Disabled } else { Redirects::Enabled { expires_in } })
}

fn read_maintenance(mut section: Section) -> Result<(Access, Option<UploadPurging>)> {
    let mut purging = section.section("uploadpurging")?;
    let enabled = purging.flag("enabled", true)?;
    let age = purging.duration("age")?.unwrap_or(PURGE_AGE);
    let interval = purging.duration("interval")?.unwrap_or(PURGE_INTERVAL);
    let run = if purging.flag("dryrun", false)? { PurgeRun::Report } else { PurgeRun::Remove };
    let place = purging.place("interval");
    purging.finish()?;
    if interval.is_zero() {
        return Err(config_error(format!("{place} must be more than zero")));
    }

    let mut readonly = section.section("readonly")?;
    let access =
        if readonly.flag("enabled", false)? { Access::ReadOnly } else { Access::ReadWrite };
    readonly.finish()?;
    section.finish()?;
    Ok((access, enabled.then_some(UploadPurging { age, interval, run })))
}

fn read_cache(mut section: Section) -> Result<Option<BlobCache>> {
    // In Distribution 2.0, the name was `layerinfo`.
    let kind = section.word("blobdescriptor")?.or(section.word("layerinfo")?);
    let size = section.count("blobdescriptorsize")?;
    section.finish()?;
    Ok(kind.map(|kind| BlobCache { kind, size }))
}

/// Reads the form that zot uses, in which an option of the driver contains its name, and sub-paths
/// can have separate drivers.
fn read_zot(mut section: Section) -> Result<StorageConfig> {
    let backend = read_zot_driver(&mut section)?;
    let mut sub_paths = BTreeMap::new();
    let mut given = section.section("subpaths")?;
    while let Some((path, value)) = given.take_first() {
        let mut section =
            Section::new(given.place(&shown_value(&path, Form::Name).to_string()), value)?;
        let backend = read_zot_driver(&mut section)?;
        let redirects = read_zot_redirects(&mut section)?;
        finish_zot(section)?;
        sub_paths.insert(path, SubPath { backend, redirects });
    }

    let redirects = read_zot_redirects(&mut section)?;
    finish_zot(section)?;
    Ok(StorageConfig {
        backend,
        deletion: Deletion::Allowed,
        redirects,
        access: Access::ReadWrite,
        upload_purging: None,
        cache: None,
        tag_concurrency: None,
        sub_paths,
    })
}

fn read_zot_driver(section: &mut Section) -> Result<Backend> {
    let place = section.place("storageDriver");
    match section.take("storagedriver") {
        Value::Null => Err(config_error(format!(
            "{place} is missing: s3driver does not keep images in a local folder"
        ))),
        value => Ok(Backend::S3(Box::new(parameters(&place, value)?))),
    }
}

fn read_zot_redirects(section: &mut Section) -> Result<Redirects> {
    Ok(match section.flag("redirectbloburl", false)? {
        true => Redirects::Enabled { expires_in: None },
        false => Redirects::Disabled,
    })
}

fn finish_zot(mut section: Section) -> Result<()> {
    for name in ZOT_OPTIONS {
        section.take(name);
    }

    section.finish()
}

fn read_middleware(value: Value) -> Result<Vec<MiddlewareConfig>> {
    let mut section = Section::new("middleware", value)?;
    // The registry itself handles the middlewares for registries and repositories.
    section.take("registry");
    section.take("repository");
    let entries = match section.take("storage") {
        Value::Null => Vec::new(),
        Value::List(entries) => entries,
        _ => return Err(config_error("middleware.storage must be a list")),
    };

    section.finish()?;
    let mut list = Vec::new();
    for entry in entries {
        let mut entry = Section::new("middleware.storage", entry)?;
        let name = entry
            .word("name")?
            .ok_or_else(|| config_error("an entry of middleware.storage does not have a name"))?;
        let place = format!("middleware.storage.{}", shown_value(&name, Form::Name));
        let disabled = entry.flag("disabled", false)?;
        let mut given = Section::new(place, entry.take("options"))?;
        entry.finish()?;
        let mut options = Vec::new();
        while let Some((option, value)) = given.take_first() {
            if let Some(text) =
                option_text(&given.place(&shown_value(&option, Form::Name).to_string()), value)?
            {
                options.push((option, text));
            }
        }

        if !disabled {
            list.push(MiddlewareConfig { name, options });
        }
    }

    Ok(list)
}

/// Returns the text of a middleware's option. A list is joined with commas, which is the form of
/// options that accept several values.
fn option_text(place: &str, value: Value) -> Result<Option<Zeroizing<String>>> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Text(text) | Value::Integer(text) => text,
        Value::Boolean(value) => Zeroizing::new(value.to_string()),
        Value::List(list) => {
            let mut parts = Vec::new();
            for value in list {
                match value {
                    Value::Text(text) | Value::Integer(text) => parts.push(text),
                    _ => return Err(not_a_value(place)),
                }
            }
            Zeroizing::new(parts.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(","))
        }
        Value::Float | Value::Bytes | Value::Map(_) => return Err(not_a_value(place)),
    }))
}

fn not_a_value(place: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("{place} must be text, a boolean or a whole number"),
    )
}
