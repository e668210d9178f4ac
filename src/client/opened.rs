//! Responses to GetObject: checks that a body is or contains the requested range.
use super::checksum::{Algorithm, Expected};
use super::meta::ObjectMeta;
use super::range::{ByteRange, ContentRange};
use super::transport_failure::read_error;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::Response;
use std::io::{self, Read as _};

/// A successful response to a GetObject.
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each read")]
pub(super) enum Arrived {
    Opened(Opened),
    /// It does not state the size of the object.
    Unsized(Response),
}

impl Arrived {
    /// Opens a response. `known` is the size of the object, for a response that does not state it:
    /// its `Content-Length` does not, if the body may be only the range.
    pub(super) fn of(
        response: Response,
        wanted: ByteRange,
        known: Option<u64>,
        algorithm: Option<Algorithm>,
    ) -> Result<Self> {
        check_transcoding(&response)?;
        if ends_an_empty_object(&response, wanted) {
            return Err(past_the_end(0));
        }
        let size = match response.status {
            200 | 206 if is_part(&response, wanted) => announced_range(&response, wanted)?.size,
            200 if may_be_cut(&response, wanted) => None,
            200 => response.content_length(),
            status => {
                let text =
                    format!("the server responded with status {status}, but without an object");
                return Err(Error::new(ErrorKind::Protocol, text).with_status(status));
            }
        };
        match size.or(known) {
            Some(size) => Opened::of(response, wanted, size, algorithm).map(Self::Opened),
            None => Ok(Self::Unsized(response)),
        }
    }
}

/// Counts the bytes of a whole object in chunks, whose end is marked. Returns `None` for another
/// body, and for one that breaks or is longer than [`COUNTED`].
pub(super) fn counted(response: Response, wanted: ByteRange) -> Option<u64> {
    if !response.is_chunked() || is_part(&response, wanted) {
        return None;
    }
    let mut body = response.take(COUNTED.saturating_add(1));
    io::copy(&mut body, &mut io::sink()).ok().filter(|count| *count <= COUNTED)
}

/// The maximum size of an object that is read only for its size: larger ones have several parts,
/// and a server with uploads of parts states sizes.
const COUNTED: u64 = 5 << 30;

/// Returns whether the body is a part of the object. rclone sends the range with status 200:
/// Content-Range shows that it is one.
fn is_part(response: &Response, wanted: ByteRange) -> bool {
    response.status == 206
        || (wanted != ByteRange::All && response.header("content-range").is_some())
}

/// Returns whether the response is MinIO's to a request for the last bytes of an empty object: the
/// status 206 with `Content-Range: bytes 0--1/0` (<https://github.com/minio/minio/issues/20844>).
/// Other servers respond with 416.
fn ends_an_empty_object(response: &Response, wanted: ByteRange) -> bool {
    let range = response.header("content-range").unwrap_or_default();
    response.status == 206
        && matches!(wanted, ByteRange::Last(_))
        && ContentRange::parse(range).is_none()
        && (range.trim_ascii() == "bytes 0--1/0" || response.content_length() == Some(0))
}

/// Returns the error for a range that begins at the end of an object of `size` bytes or after it.
fn past_the_end(size: u64) -> Error {
    Error::new(ErrorKind::InvalidRange, "the range begins at or past the end")
        .with_status(416)
        .with_object_size(size)
}

/// Returns whether a body without Content-Range could be only the range. A gateway may send the
/// range with status 200 and drop the header (<https://github.com/Alluxio/alluxio/issues/16331>);
/// a body that is longer than the range is the object.
fn may_be_cut(response: &Response, wanted: ByteRange) -> bool {
    let longest = match wanted {
        ByteRange::All | ByteRange::From(0) => return false,
        ByteRange::From(_) => u64::MAX,
        ByteRange::Part { length, .. } | ByteRange::Last(length) => length,
    };
    response.content_length().is_some_and(|length| length <= longest)
}

/// Returns the range that the response states, if it begins where the wanted one does.
fn announced_range(response: &Response, wanted: ByteRange) -> Result<ContentRange> {
    let text = response.header("content-range").unwrap_or_default();
    // The last bytes begin at an offset that depends on the size.
    let begins = |range: &ContentRange| match wanted.start(range.size) {
        Some(start) => range.first == start,
        None => range.size.is_none(),
    };
    ContentRange::parse(text).filter(begins).ok_or_else(|| {
        let asked = wanted.header().unwrap_or_default();
        let text = format!("the server returned the range {text:?}, but {asked:?} was requested");
        Error::new(ErrorKind::Protocol, text).with_status(response.status)
    })
}

/// Refuses content that was decompressed on its way. Google does that for objects that are stored
/// with `Content-Encoding: gzip` (<https://cloud.google.com/storage/docs/transcoding>): neither
/// the size nor a range of what arrives is that of the stored bytes.
fn check_transcoding(response: &Response) -> Result<()> {
    let stored = response.header("x-goog-stored-content-encoding").unwrap_or("identity");
    let sent = response.header("content-encoding").unwrap_or("identity");
    if stored.eq_ignore_ascii_case("identity") || stored.eq_ignore_ascii_case(sent) {
        return Ok(());
    }
    let text = format!(
        "the server decompresses this object, which is stored with Content-Encoding: {stored}, \
         so the stored bytes do not arrive"
    );
    Err(Error::new(ErrorKind::Integrity, text)
        .with_status(response.status)
        .with_hint("store it with Cache-Control: no-transform, or without Content-Encoding"))
}

/// A response whose body is or contains the requested range.
pub(super) struct Opened {
    pub(super) meta: ObjectMeta,
    /// The range, from a known offset.
    pub(super) range: ByteRange,
    /// The number of bytes in the range.
    pub(super) length: u64,
    pub(super) expected: Option<Expected>,
    pub(super) response: Response,
    pub(super) excess: Excess,
    pub(super) ranges: RangeSupport,
}

impl Opened {
    /// Opens the response for an object of `size` bytes.
    pub(super) fn of(
        response: Response,
        wanted: ByteRange,
        size: u64,
        algorithm: Option<Algorithm>,
    ) -> Result<Self> {
        if is_part(&response, wanted) {
            Self::part(response, wanted, size)
        } else {
            Self::object(response, wanted, size, algorithm)
        }
    }

    /// Opens a body that is the range itself.
    fn part(response: Response, wanted: ByteRange, size: u64) -> Result<Self> {
        let text = response.header("content-range").unwrap_or_default();
        let protocol =
            |text: String| Err(Error::new(ErrorKind::Protocol, text).with_status(response.status));
        let range = announced_range(&response, wanted)?;
        let length = range.last - range.first + 1;
        if response.content_length().is_some_and(|announced| announced != length) {
            return protocol(format!(
                "the range {text:?} does not have the length of the response"
            ));
        }
        // Fewer bytes than requested are only correct at the end of the object.
        let end = match wanted {
            ByteRange::Part { offset, length } => offset.saturating_add(length).min(size),
            ByteRange::All | ByteRange::From(_) | ByteRange::Last(_) => size,
        };
        if wanted.start(Some(size)) != Some(range.first) || range.last + 1 < end {
            return protocol(format!(
                "the server returned a shorter range ({text:?}) than was requested"
            ));
        }
        Ok(Self {
            meta: ObjectMeta::of(&response, size),
            range: resolved(wanted, range.first, length),
            length,
            expected: None,
            response,
            excess: Excess::Contradiction,
            ranges: RangeSupport::Announced,
        })
    }

    /// Opens the whole object, which a server that ignores `Range` sends; the bytes before the
    /// range are skipped.
    fn object(
        mut response: Response,
        wanted: ByteRange,
        size: u64,
        algorithm: Option<Algorithm>,
    ) -> Result<Self> {
        if let Some(length) = response.content_length().filter(|length| *length != size) {
            let text = format!(
                "the server sent {length} bytes with status 200 and without Content-Range for a \
                 range of an object of {size} bytes, so their position is unknown"
            );
            return Err(Error::new(ErrorKind::Protocol, text)
                .with_status(response.status)
                .with_hint("let the gateway or proxy pass on the status 206 and Content-Range"));
        }
        let start = wanted.start(Some(size)).filter(|start| *start == 0 || *start < size);
        let Some(start) = start else { return Err(past_the_end(size)) };
        let meta = ObjectMeta::of(&response, size);
        if start > 0 {
            let skipped =
                io::copy(&mut (&mut response).take(start), &mut io::sink()).map_err(read_error)?;
            if skipped < start {
                let text = format!("the body ended after {skipped} of {size} bytes");
                return Err(Error::new(ErrorKind::Interrupted, text));
            }
        }
        let rest = size.saturating_sub(start);
        let length = match wanted {
            ByteRange::Part { length, .. } => rest.min(length),
            ByteRange::All | ByteRange::From(_) | ByteRange::Last(_) => rest,
        };
        let whole = wanted == ByteRange::All;
        let expected = whole.then(|| Expected::of(&response, &meta, algorithm)).flatten();
        let ranges = match response.header("accept-ranges") {
            Some(unit) if unit.eq_ignore_ascii_case("bytes") => RangeSupport::Announced,
            _ => RangeSupport::Unknown,
        };
        Ok(Self {
            meta,
            range: resolved(wanted, start, length),
            length,
            expected,
            response,
            excess: if whole { Excess::Contradiction } else { Excess::RestOfObject },
            ranges,
        })
    }
}

/// The server's support for ranges of the object (`Accept-Ranges`, RFC 9110 section 14.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeSupport {
    Announced,
    Unknown,
}

/// The meaning of bytes after the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// The rest of an object that the server sends as a whole, regardless of the requested range.
    RestOfObject,
    /// The body contradicts its own Content-Range.
    Contradiction,
}

/// Returns `wanted` with the offset that the response shows, so that the rest can be requested.
fn resolved(wanted: ByteRange, start: u64, length: u64) -> ByteRange {
    match wanted {
        ByteRange::Last(_) => ByteRange::Part { offset: start, length },
        _ => wanted,
    }
}
