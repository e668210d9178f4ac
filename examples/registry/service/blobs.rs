//! Downloading, in full or in part, and deleting blobs.
use super::failure::{Code, Failure};
use super::http::{Content, Request, Response, number};
use super::names::{Digest, Name};
use super::{Downloads, Outcome, Registry, found, layout};
use s3driver::ErrorKind;
use s3driver::driver::{Method, UrlOptions};
use std::ops::Range;

impl Registry {
    /// Returns a blob's size if the repository has it.
    pub(super) fn blob_size(&self, name: &Name, digest: &Digest) -> Outcome<Option<u64>> {
        if self.linked(&layout::layer(name, digest))?.as_ref() != Some(digest) {
            return Ok(None);
        }
        let info = found(self.driver.stat(&layout::blob_data(digest)))?;
        Ok(info.filter(|info| !info.is_directory()).map(|info| info.size))
    }

    /// Handles GET and HEAD of a blob.
    pub(super) fn blob(&self, name: &Name, digest: &Digest, request: &Request<'_>) -> Outcome {
        let size = self.blob_size(name, digest)?.ok_or_else(unknown)?;
        let tag = format!("\"{digest}\"");
        let described = |status| {
            Response::new(status)
                .header("Docker-Content-Digest", digest.to_string())
                .header("ETag", tag.clone())
                // The content of a digest never changes.
                .header("Cache-Control", "max-age=31536000")
        };
        if request
            .header("if-none-match")
            .is_some_and(|known| known.split(',').any(|one| one.trim() == tag))
        {
            return Ok(described(304));
        }
        let octets = |status| {
            described(status)
                .header("Content-Type", "application/octet-stream")
                .header("Accept-Ranges", "bytes")
        };
        if request.method == "HEAD" {
            return Ok(octets(200).content(Content::Length(size)));
        }
        if let Some(url) = self.blob_url(digest, request)? {
            return Ok(described(307).header("Location", url));
        }
        // If-Range must match the only existing version, or else the range is ignored.
        let condition = request.header("if-range").is_none_or(|known| known == tag);
        let wanted = request
            .header("range")
            .filter(|_| condition)
            .and_then(|range| parse_range(range, size));
        let (status, range) = match wanted {
            None => (200, 0..size),
            Some(range) if range.is_empty() => {
                let failure = Failure::new(Code::RangeInvalid, "the range is not within the blob");
                return Err(failure.header("Content-Range", format!("bytes */{size}")));
            }
            Some(range) => (206, range),
        };
        let offset = i64::try_from(range.start).map_err(|_| unknown())?;
        let reader = self.driver.reader(&layout::blob_data(digest), offset)?;
        let response = octets(status).content(Content::Stream(reader, range.end - range.start));
        Ok(match status {
            206 => response
                .header("Content-Range", format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            _ => response,
        })
    }

    /// Returns the URL of a blob in the storage, unless the registry serves blobs itself.
    fn blob_url(&self, digest: &Digest, request: &Request<'_>) -> Outcome<Option<String>> {
        if self.options.downloads == Downloads::Served {
            return Ok(None);
        }
        let mut options = UrlOptions::new(Method::Get);
        options.client = self.options.proxies.client(request);
        match self.driver.url_for(&layout::blob_data(digest), &options) {
            Ok(url) => Ok(Some(url)),
            Err(error) if error.kind() == ErrorKind::UnsupportedMethod => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Handles DELETE of a blob, which removes it from the repository. The garbage collection
    /// removes its content once no manifest needs it.
    pub(super) fn delete_blob(&self, name: &Name, digest: &Digest) -> Outcome {
        self.check_deletion()?;
        if self.remove(&layout::layer(name, digest))? {
            Ok(Response::new(202))
        } else {
            Err(unknown())
        }
    }
}

fn unknown() -> Failure {
    Failure::new(Code::BlobUnknown, "the repository does not have this blob")
}

/// Parses a `Range` header with one range of bytes. Returns `None` if it should be ignored; an
/// empty range cannot be satisfied.
fn parse_range(text: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    match (first, last) {
        ("", last) => Some(size - number(last)?.min(size)..size),
        (first, "") => Some(number(first)?.min(size)..size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| first.min(size)..last.saturating_add(1).min(size))
        }
    }
}
