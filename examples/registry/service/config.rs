//! The supported part of a registry's `config.yml`. An unsupported option that affects permissions
//! is an error.
use super::tls;
use super::{Deletion, Downloads, Log, Options};
use rustls::ServerConfig;
use s3driver::driver::{MemoryDriver, Parameters, S3Driver, StorageDriver};
use s3driver::middleware;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The address on which a registry listens if its configuration does not specify one.
const ADDRESS: &str = ":5000";

/// The maximum nesting depth of a configuration. Real configurations have at most five levels.
const DEPTH: usize = 16;

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
const SECTIONS: &[&str] = &["version", "log", "storage", "http", "middleware", "health", "catalog"];
const STORAGE: &[&str] =
    &["s3", "s3aws", "inmemory", "delete", "redirect", "cache", "maintenance", "tag"];
const HTTP: &[&str] = &[
    "addr",
    "host",
    "secret",
    "tls",
    "headers",
    "debug",
    "http2",
    "h2c",
    "relativeurls",
    "draintimeout",
];

impl Config {
    /// Parses a configuration and opens its storage, without connecting to it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let document = Node::parse(text)?;
        document.check("", SECTIONS)?;
        let storage = document.get("storage");
        storage.check("storage.", STORAGE)?;
        storage.get("maintenance").check("storage.maintenance.", &["uploadpurging"])?;
        let http = document.get("http");
        http.check("http.", HTTP)?;
        let (driver, s3) = open(&storage)?;
        let (driver, redirected) = wrap(driver, &document.get("middleware"))?;
        // A configured CDN is always used, regardless of the default.
        let disabled = storage.get("redirect").get("disable").flag(false)?;
        let options = Options {
            deletion: if storage.get("delete").get("enabled").flag(false)? {
                Deletion::Allowed
            } else {
                Deletion::Refused
            },
            downloads: if disabled && !redirected {
                Downloads::Served
            } else {
                Downloads::Redirected
            },
            secret: http.get("secret").text().map(str::to_owned),
            log: match document.get("log").get("accesslog").get("disabled").flag(false)? {
                true => Log::Failures,
                false => Log::Requests,
            },
        };
        let tls = http.get("tls");
        tls.check("http.tls.", &["certificate", "key", "minimumtls"])?;
        let minimum = tls::Minimum::parse(tls.get("minimumtls").text())?;
        let tls = match (tls.get("certificate").text(), tls.get("key").text()) {
            (Some(certificate), Some(key)) => {
                Some(tls::configuration(Path::new(certificate), Path::new(key), minimum)?)
            }
            (None, None) => None,
            _ => return Err("http.tls needs both a certificate and a key".to_owned()),
        };
        let address = http.get("addr").text().unwrap_or(ADDRESS).to_owned();
        let purging = purging(&storage.get("maintenance").get("uploadpurging"))?;
        Ok(Self { driver, s3, options, address, tls, purging })
    }
}

/// Opens the storage of the configuration, which must be exactly one.
fn open(storage: &Node) -> Result<(Arc<dyn StorageDriver>, Option<S3Driver>), String> {
    let found: Vec<_> =
        ["s3", "s3aws", "inmemory"].into_iter().filter(|name| storage.has(name)).collect();
    match *found {
        ["inmemory"] => Ok((Arc::new(MemoryDriver::new()), None)),
        [name] => {
            let pairs = storage.get(name).pairs(&format!("storage.{name}."))?;
            let driver =
                Parameters::from_pairs(pairs).and_then(|parameters| S3Driver::new(&parameters));
            let driver = driver.map_err(|error| format!("storage.{name}: {error}"))?;
            Ok((Arc::new(driver.clone()), Some(driver)))
        }
        _ => Err("the configuration needs one of storage.s3, storage.s3aws and storage.inmemory"
            .to_owned()),
    }
}

/// Wraps the storage in the configured middlewares, and reports whether there are any.
fn wrap(
    mut driver: Arc<dyn StorageDriver>,
    section: &Node,
) -> Result<(Arc<dyn StorageDriver>, bool), String> {
    section.check("middleware.", &["storage"])?;
    let list = section.get("storage");
    let mut any = false;
    for entry in list.entries() {
        let name = entry.get("name");
        let name = name.text().ok_or("an entry of middleware.storage does not have a name")?;
        if entry.get("disabled").flag(false)? {
            continue;
        }
        let pairs = entry.get("options").pairs(&format!("middleware.storage.{name}."))?;
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        driver = middleware::wrap(name, driver, pairs)
            .map_err(|error| format!("middleware.storage: {error}"))?;
        any = true;
    }
    Ok((driver, any))
}

fn purging(section: &Node) -> Result<Option<Purging>, String> {
    if !section.get("enabled").flag(true)? || section.get("dryrun").flag(false)? {
        return Ok(None);
    }
    let time = |name: &str, default: &str| duration(section.get(name).text().unwrap_or(default));
    let interval = time("interval", "24h")?;
    if interval < Duration::from_secs(1) {
        return Err(
            "storage.maintenance.uploadpurging.interval is shorter than a second".to_owned()
        );
    }
    Ok(Some(Purging { age: time("age", "168h")?, interval }))
}

/// Parses a duration such as `168h` or `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unreadable = || format!("{text:?} is not a duration such as 168h, 90m or 1h30m");
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = rest.split_at(digits);
        let number: u32 = number.parse().map_err(|_| unreadable())?;
        let seconds = match unit.chars().next() {
            Some('h') => 3600,
            Some('m') => 60,
            Some('s') => 1,
            _ => return Err(unreadable()),
        };
        total += Duration::from_secs(seconds) * number;
        rest = &unit[1..];
    }
    if text.is_empty() { Err(unreadable()) } else { Ok(total) }
}

/// A node of the configuration. Scalars are kept as text, because an access key that consists of
/// digits is not a number.
#[derive(Clone, Debug)]
enum Node {
    Nothing,
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Node {
    fn parse(text: &str) -> Result<Self, String> {
        let mut events = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, _) = event.map_err(|error| error.to_string())?;
            match event {
                Event::Alias(_) => {
                    return Err(
                        "the configuration uses an alias, which is not supported".to_owned()
                    );
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_) => {}
                event => events.push(event),
            }
        }
        let mut events = events.into_iter();
        let document = Self::next(&mut events, DEPTH)?;
        match (document, events.next(), events.next()) {
            (Some(document), Some(Event::DocumentEnd), None) => Ok(document),
            _ => Err("the configuration is not one document".to_owned()),
        }
    }

    /// Parses the next value. Returns `None` at the end of a list or a map.
    fn next<'a>(
        events: &mut impl Iterator<Item = Event<'a>>,
        depth: usize,
    ) -> Result<Option<Self>, String> {
        let depth = depth.checked_sub(1).ok_or("the configuration is nested too deeply")?;
        match events.next() {
            Some(Event::Scalar(text, ScalarStyle::Plain, ..))
                if matches!(&*text, "" | "~" | "null") =>
            {
                Ok(Some(Self::Nothing))
            }
            Some(Event::Scalar(text, ..)) => Ok(Some(Self::Text(text.into_owned()))),
            Some(Event::SequenceStart(..)) => {
                let mut list = Vec::new();
                while let Some(value) = Self::next(events, depth)? {
                    list.push(value);
                }
                Ok(Some(Self::List(list)))
            }
            Some(Event::MappingStart(..)) => {
                let mut pairs: Vec<(String, Self)> = Vec::new();
                while let Some(key) = Self::next(events, depth)? {
                    let Self::Text(key) = key else {
                        return Err(format!("{key:?} is not the name of an option"));
                    };
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return Err(format!("{key} is given twice"));
                    }
                    let value = Self::next(events, depth)?
                        .ok_or("the configuration has a name without a value")?;
                    pairs.push((key, value));
                }
                Ok(Some(Self::Map(pairs)))
            }
            _ => Ok(None),
        }
    }

    fn has(&self, name: &str) -> bool {
        matches!(self, Self::Map(pairs) if pairs.iter().any(|(key, _)| key == name))
    }
    fn get(&self, name: &str) -> Self {
        match self {
            Self::Map(pairs) => pairs
                .iter()
                .find(|(key, _)| key == name)
                .map_or(Self::Nothing, |(_, value)| value.clone()),
            _ => Self::Nothing,
        }
    }
    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
    fn entries(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }

    fn flag(&self, default: bool) -> Result<bool, String> {
        match self {
            Self::Nothing => Ok(default),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            other => Err(format!("{other:?} is neither true nor false")),
        }
    }

    /// Returns the options of a driver or a middleware. Lists are joined with commas, and null
    /// values are omitted.
    fn pairs(&self, place: &str) -> Result<Vec<(String, String)>, String> {
        let Self::Map(pairs) = self else { return Ok(Vec::new()) };
        let mut options = Vec::new();
        for (name, value) in pairs {
            match value {
                Self::Nothing => {}
                Self::Text(text) => options.push((name.clone(), text.clone())),
                Self::List(list) => {
                    let parts: Option<Vec<&str>> = list.iter().map(Self::text).collect();
                    let parts =
                        parts.ok_or_else(|| format!("{place}{name} is not a list of values"))?;
                    options.push((name.clone(), parts.join(",")));
                }
                Self::Map(_) => return Err(format!("{place}{name} is not a value")),
            }
        }
        Ok(options)
    }

    /// Returns an error for names that are unknown in this section.
    fn check(&self, place: &str, known: &[&str]) -> Result<(), String> {
        let Self::Map(pairs) = self else { return Ok(()) };
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => Err(format!(
                "{place}{name} is not supported by this registry: remove it from the configuration"
            )),
        }
    }
}
