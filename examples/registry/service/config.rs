//! The supported part of a registry's `config.yml`. An unsupported option that affects permissions
//! is an error.
use super::document::{Section, expand_name};
use super::peers::TrustedProxies;
use super::{Deletion, Downloads, Log, Options};
use super::{tls, variables, yaml};
use rustls::ServerConfig;
use s3driver::driver::{MemoryDriver, Parameters, S3Driver, StorageDriver};
use s3driver::middleware;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The address on which a registry listens if its configuration does not specify one.
const ADDRESS: &str = ":5000";

/// A parsed configuration.
pub(crate) struct Config {
    pub(crate) driver: Arc<dyn StorageDriver>,
    /// The S3 driver inside the middlewares, for maintenance that only it supports.
    pub(crate) s3: Option<S3Driver>,
    pub(crate) options: Options,
    pub(crate) address: String,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) purging: Option<Purging>,
}

/// The schedule on which old uploads are purged while the registry runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Purging {
    pub(crate) age: Duration,
    pub(crate) interval: Duration,
}

/// The names that each section may contain: those that are used here, and those that can be ignored
/// without permitting more than the configuration allows.
const SECTIONS: &[&str] = &[
    "version",
    "log",
    "loglevel",
    "storage",
    "http",
    "middleware",
    "health",
    "catalog",
    "redis",
    "reporting",
    "compatibility",
];
const LOG: &[&str] = &["accesslog", "level", "formatter", "fields", "hooks", "reportcaller"];
const STORAGE: &[&str] =
    &["s3", "s3aws", "inmemory", "delete", "redirect", "cache", "maintenance", "tag"];
const CACHE: &[&str] = &["blobdescriptor", "blobdescriptorsize", "layerinfo"];
const PURGING: &[&str] = &["enabled", "age", "interval", "dryrun"];
const HTTP: &[&str] = &[
    "addr",
    "net",
    "host",
    "secret",
    "tls",
    "headers",
    "debug",
    "http2",
    "h2c",
    "relativeurls",
    "draintimeout",
    "trustedproxies",
];

impl Config {
    /// Parses a configuration and opens its storage, without connecting to it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        Self::read_with(text, [])
    }

    /// Like [`read`](Self::read), with the options that the environment variables `REGISTRY_*`
    /// replace. Other variables are ignored.
    pub(crate) fn read_with(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, String> {
        let mut document = yaml::read(text)?;
        let applied = variables::apply(&mut document, environment)?;
        if let Some(storage) = document.get_mut("storage") {
            expand_name(storage);
        }
        Self::from_document(&document).map_err(|error| match &*applied {
            [] => error,
            names => format!("{error} (these variables are set: {})", names.join(", ")),
        })
    }

    fn from_document(document: &Value) -> Result<Self, String> {
        let document = Section::root(document, SECTIONS)?;
        let storage = document.section("storage", STORAGE)?;
        storage.section("cache", CACHE)?;
        storage.section("tag", &["concurrencylimit"])?;
        let (driver, s3) = open(&storage)?;
        let middleware = document.section("middleware", &["storage"])?;
        let driver = wrap(driver, s3.as_ref(), &middleware)?;
        let http = document.section("http", HTTP)?;
        if http.text("net")?.is_some_and(|net| net != "tcp") {
            return Err(http.unsupported("net"));
        }
        let options = options(&document, &storage, &http)?;
        let tls = http.section("tls", &["certificate", "key", "minimumtls"])?;
        let minimum = tls::Minimum::parse(tls.text("minimumtls")?)?;
        let tls = match (tls.text("certificate")?, tls.text("key")?) {
            (Some(certificate), Some(key)) => {
                Some(tls::configuration(Path::new(certificate), Path::new(key), minimum)?)
            }
            (None, None) => None,
            _ => return Err("http.tls needs both a certificate and a key".to_owned()),
        };
        let address = http.text("addr")?.unwrap_or(ADDRESS).to_owned();
        let purging = purging(&storage)?;
        Ok(Self { driver, s3, options, address, tls, purging })
    }
}

fn options(document: &Section, storage: &Section, http: &Section) -> Result<Options, String> {
    let deletable = storage.section("delete", &["enabled"])?.flag("enabled", false)?;
    // Docker's registry does not redirect either then, not even to a configured CDN.
    let served = storage.section("redirect", &["disable"])?.flag("disable", false)?;
    let log = document.section("log", LOG)?.section("accesslog", &["disabled"])?;
    let proxies = TrustedProxies::parse(&http.values("trustedproxies")?)
        .map_err(|needed| format!("{} must contain {needed}", http.place("trustedproxies")))?;
    Ok(Options {
        deletion: if deletable { Deletion::Allowed } else { Deletion::Refused },
        downloads: if served { Downloads::Served } else { Downloads::Redirected },
        secret: http.text("secret")?.map(str::to_owned),
        log: if log.flag("disabled", false)? { Log::Failures } else { Log::Requests },
        proxies,
    })
}

/// Opens the storage of the configuration, which must be exactly one.
fn open(storage: &Section) -> Result<(Arc<dyn StorageDriver>, Option<S3Driver>), String> {
    let found: Vec<_> =
        ["s3", "s3aws", "inmemory"].into_iter().filter(|name| storage.has(name)).collect();
    match *found {
        ["inmemory"] => {
            storage.section("inmemory", &[])?;
            Ok((Arc::new(MemoryDriver::new()), None))
        }
        [name] => {
            let place = storage.place(name);
            let driver = Parameters::from_pairs(storage.pairs(name, &place)?)
                .and_then(|parameters| S3Driver::new(&parameters))
                .map_err(|error| format!("{place}: {error}"))?;
            Ok((Arc::new(driver.clone()), Some(driver)))
        }
        _ => Err("the configuration needs one of storage.s3, storage.s3aws and storage.inmemory"
            .to_owned()),
    }
}

/// Wraps the storage in the configured middlewares, which use the network settings of S3.
fn wrap(
    mut driver: Arc<dyn StorageDriver>,
    s3: Option<&S3Driver>,
    section: &Section,
) -> Result<Arc<dyn StorageDriver>, String> {
    for entry in section.sections("storage", &["name", "disabled", "options"])? {
        let name =
            entry.text("name")?.ok_or("an entry of middleware.storage does not have a name")?;
        if entry.flag("disabled", false)? {
            continue;
        }
        let pairs = entry.pairs("options", &format!("middleware.storage.{name}"))?;
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let wrapped = match s3 {
            Some(s3) => middleware::wrap_with_client(name, driver, pairs, s3.client()),
            None => middleware::wrap(name, driver, pairs),
        };
        driver = wrapped.map_err(|error| format!("middleware.storage: {error}"))?;
    }
    Ok(driver)
}

fn purging(storage: &Section) -> Result<Option<Purging>, String> {
    let maintenance = storage.section("maintenance", &["uploadpurging", "readonly"])?;
    if maintenance.section("readonly", &["enabled"])?.flag("enabled", false)? {
        return Err(maintenance.unsupported("readonly"));
    }
    let section = maintenance.section("uploadpurging", PURGING)?;
    let (age, interval) = (section.duration("age", "168h")?, section.duration("interval", "24h")?);
    if !section.flag("enabled", true)? || section.flag("dryrun", false)? {
        return Ok(None);
    }
    if interval < Duration::from_secs(1) {
        return Err(format!("{} is shorter than a second", section.place("interval")));
    }
    Ok(Some(Purging { age, interval }))
}
