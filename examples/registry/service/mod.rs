//! An OCI distribution registry on top of any storage driver: routing, and the helpers that all
//! requests share.
#![allow(dead_code, reason = "the example program and each test use only a part of this module")]

mod blobs;
pub(crate) mod collect;
pub(crate) mod config;
mod document;
mod failure;
pub(crate) mod http;
mod layout;
mod listings;
mod manifest;
mod manifests;
mod names;
pub(crate) mod peers;
mod places;
pub(crate) mod purge;
mod referrers;
mod sha256;
pub(crate) mod tls;
mod token;
mod uploads;
pub(crate) mod variables;
#[path = "../../../src/bin/s3driver/yaml.rs"]
mod yaml;

use failure::{Code, Failure};
use http::{Content, Request, Response};
use names::{Digest, Name, UploadId};
use peers::TrustedProxies;
use places::Places;
use s3driver::driver::StorageDriver;
use serde_json::Value;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

/// The maximum size of a link file, which holds only a digest.
const LINK_LIMIT: u64 = 1 << 10;
/// The number of manifests that are parsed concurrently, because a parsed document needs many times
/// its size.
const PARSERS: usize = 4;

/// The options that a registry's operator chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) deletion: Deletion,
    pub(crate) downloads: Downloads,
    /// The key of the upload tokens. Another registry with the same key can continue an upload.
    pub(crate) secret: Option<String>,
    pub(crate) log: Log,
    pub(crate) proxies: TrustedProxies,
}

/// Whether each request writes a line to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    Requests,
    Failures,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    Allowed,
    Refused,
}

/// The source of a blob's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Downloads {
    /// The storage itself or its CDN, if the driver returns a URL for it.
    Redirected,
    /// This process.
    Served,
}

/// The registry. All of its state is in the storage, so any number of processes can serve it.
pub(crate) struct Registry {
    driver: Arc<dyn StorageDriver>,
    options: Options,
    /// Uploads that a request to this process is currently writing to.
    busy: Mutex<HashSet<UploadId>>,
    parsers: Places,
}

type Outcome<T = Response> = Result<T, Failure>;

impl Registry {
    pub(crate) fn new(driver: Arc<dyn StorageDriver>, options: Options) -> Self {
        Self { driver, options, busy: Mutex::default(), parsers: Places::new(PARSERS) }
    }

    /// Responds to one request.
    pub(crate) fn handle(&self, request: &mut Request<'_>) -> Response {
        let response = self.route(request).unwrap_or_else(|failure| {
            failure.log(&request.method, &request.path);
            failure.into_response()
        });
        if self.options.log == Log::Requests {
            // The token is omitted because it is signed. A closed standard output does not fail a
            // request.
            let query: Vec<_> =
                request.query.split('&').filter(|pair| !pair.starts_with("_state=")).collect();
            let line = format!(
                "{} {}?{} {}\n",
                request.method,
                request.path,
                query.join("&"),
                response.status
            );
            drop(std::io::stdout().write_all(line.as_bytes()));
        }
        response.header("Docker-Distribution-Api-Version", "registry/2.0")
    }

    fn route(&self, request: &mut Request<'_>) -> Outcome {
        let path = decode(&request.path).ok_or_else(unknown_endpoint)?;
        let method = request.method.clone();
        let get = matches!(&*method, "GET" | "HEAD");
        if path == "/" {
            // Docker's registry responds here so that load balancers can probe it.
            return if get { Ok(Response::new(200)) } else { Err(wrong_method("GET, HEAD")) };
        }
        let rest = path
            .strip_prefix("/v2")
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .ok_or_else(unknown_endpoint)?;
        let parts: Vec<&str> = rest.split('/').skip(1).collect();
        match &*parts {
            [] | [""] if get => Ok(json(200, &Value::Object(serde_json::Map::new()))),
            ["_catalog"] if get => self.catalog(request),
            [name @ .., "tags", "list"] if get => self.tags(&parse_name(name)?, request),
            [name @ .., "referrers", digest] if get => {
                self.referrers(&parse_name(name)?, &Digest::parse(digest)?, request)
            }
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""]
                if method == "POST" =>
            {
                self.begin_upload(&parse_name(name)?, request)
            }
            [name @ .., "blobs", "uploads", id] if !id.is_empty() => {
                let name = parse_name(name)?;
                let id = UploadId::parse(id).ok_or_else(uploads::unknown)?;
                match &*method {
                    "GET" | "HEAD" => self.upload_status(&name, &id),
                    "PATCH" => self.append_upload(&name, &id, request),
                    "PUT" => self.finish_upload(&name, &id, request),
                    "DELETE" => self.cancel_upload(&name, &id),
                    _ => Err(wrong_method("GET, HEAD, PATCH, PUT, DELETE")),
                }
            }
            [name @ .., "blobs", digest] if *digest != "uploads" => {
                let (name, digest) = (parse_name(name)?, Digest::parse(digest)?);
                match &*method {
                    "GET" | "HEAD" => self.blob(&name, &digest, request),
                    "DELETE" => self.delete_blob(&name, &digest),
                    _ => Err(wrong_method("GET, HEAD, DELETE")),
                }
            }
            [name @ .., "manifests", reference] => {
                let name = parse_name(name)?;
                match &*method {
                    "GET" | "HEAD" => self.manifest(&name, reference),
                    "PUT" => self.put_manifest(&name, reference, request),
                    "DELETE" => self.delete_manifest(&name, reference),
                    _ => Err(wrong_method("GET, HEAD, PUT, DELETE")),
                }
            }
            [] | [""] | ["_catalog"] | [.., "tags", "list"] | [.., "referrers", _] => {
                Err(wrong_method("GET, HEAD"))
            }
            [.., "blobs", "uploads"] | [.., "blobs", "uploads", ""] => Err(wrong_method("POST")),
            _ => Err(unknown_endpoint()),
        }
    }

    fn exists(&self, path: &str) -> Outcome<bool> {
        Ok(found(self.driver.stat(path))?.is_some_and(|info| !info.is_directory()))
    }

    /// Reads a small file of the registry, or returns `None` if it does not exist or is too large.
    fn small(&self, path: &str, limit: u64) -> Outcome<Option<Vec<u8>>> {
        let Some(reader) = found(self.driver.reader(path, 0))? else { return Ok(None) };
        let mut content = Vec::new();
        reader.take(limit + 1).read_to_end(&mut content).map_err(from_io)?;
        Ok(Some(content).filter(|content| content.len() as u64 <= limit))
    }

    /// Reads the digest in a directory's link file.
    fn linked(&self, directory: &str) -> Outcome<Option<Digest>> {
        let link = self.small(&layout::link(directory), LINK_LIMIT)?;
        Ok(link.and_then(|bytes| Digest::parse(std::str::from_utf8(&bytes).ok()?.trim()).ok()))
    }

    fn link(&self, directory: &str, digest: &Digest) -> Outcome<()> {
        Ok(self.driver.put_content(&layout::link(directory), digest.to_string().as_bytes())?)
    }

    /// Deletes the content at a path and below. Returns whether anything existed.
    fn remove(&self, path: &str) -> Outcome<bool> {
        Ok(found(self.driver.delete(path))?.is_some())
    }

    fn check_deletion(&self) -> Outcome<()> {
        match self.options.deletion {
            Deletion::Allowed => Ok(()),
            Deletion::Refused => {
                Err(Failure::new(Code::Unsupported, "deletion is disabled in this registry"))
            }
        }
    }
}

/// Converts "not found" into `None`.
fn found<T>(result: s3driver::Result<T>) -> s3driver::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Extracts the driver's error from an error of a reader or a writer.
fn from_io(error: std::io::Error) -> Failure {
    match error.downcast::<s3driver::Error>() {
        Ok(error) => error.into(),
        Err(error) => s3driver::Error::new(s3driver::ErrorKind::LocalIo, error.to_string()).into(),
    }
}

fn parse_name(parts: &[&str]) -> Outcome<Name> {
    Name::parse(&parts.join("/"))
}

fn unknown_endpoint() -> Failure {
    Failure::new(Code::NotFound, "the registry does not have this endpoint")
}

fn wrong_method(allowed: &'static str) -> Failure {
    Failure::new(Code::Unsupported, "the endpoint does not support this method")
        .header("Allow", allowed)
}

fn json(status: u16, body: &Value) -> Response {
    let content = Content::Bytes(body.to_string().into_bytes());
    Response::new(status).header("Content-Type", "application/json").content(content)
}

/// Decodes percent-encoding. Returns `None` if it is malformed or the result is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let (mut bytes, mut decoded) = (text.bytes(), Vec::with_capacity(text.len()));
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let value = digit(bytes.next())? << 4 | digit(bytes.next())?;
                u8::try_from(value).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

/// Returns the decoded value of a query parameter. A plus is literal, as in media types and
/// digests.
fn parameter(request: &Request<'_>, name: &str) -> Option<String> {
    let mut pairs = request.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).and_then(|(_, value)| decode(value))
}

/// Encodes a value for a query.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
