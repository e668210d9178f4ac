//! Bodies, on arrival and stored: shared segments of bytes, the digests computed while they arrive,
//! and S3's checksums.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use futures::{Stream, StreamExt};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Error, S3ErrorCode, S3Result, StdError, TrailingHeaders, s3_error};

/// Bytes are copied once, on arrival, into segments of at most this size. A small object therefore
/// never keeps a large network buffer alive, and a declared length never allocates more than one
/// segment in advance.
const SEGMENT: usize = 8 << 20;

/// The content of an object or a part. Clones, slices and concatenations share the bytes.
#[derive(Clone, Debug, Default)]
pub struct Content {
    segments: Vec<Segment>,
    len: u64,
}

#[derive(Clone, Debug)]
enum Segment {
    Kept(Bytes),
    /// Bytes that were digested and discarded; only their number is kept.
    Discarded(u64),
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Kept(bytes) => bytes.len() as u64,
            Self::Discarded(len) => *len,
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        let mut content = Self::default();
        content.push(Segment::Kept(bytes));
        content
    }
}

impl Content {
    pub fn len(&self) -> u64 {
        self.len
    }

    fn push(&mut self, segment: Segment) {
        if segment.len() > 0 {
            self.len += segment.len();
            self.segments.push(segment);
        }
    }

    /// Returns the concatenation of the contents.
    pub fn concat<'a>(contents: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        contents
            .into_iter()
            .flat_map(|content| &content.segments)
            .for_each(|segment| all.push(segment.clone()));
        all
    }

    /// Returns the bytes in `range`, which must lie inside the content.
    pub fn slice(&self, range: Range<u64>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} is outside of {} bytes",
            self.len
        );
        let mut slice = Self::default();
        let mut at = 0;
        for segment in &self.segments {
            let (from, to) = (range.start.max(at), range.end.min(at + segment.len()));
            if from < to {
                slice.push(match segment {
                    Segment::Kept(bytes) => {
                        Segment::Kept(bytes.slice((from - at) as usize..(to - at) as usize))
                    }
                    Segment::Discarded(_) => Segment::Discarded(to - from),
                });
            }
            at += segment.len();
        }
        slice
    }

    /// Returns the segments in order, or `None` if the body was discarded.
    pub fn chunks(&self) -> Option<Vec<Bytes>> {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Kept(bytes) => Some(bytes.clone()),
                Segment::Discarded(_) => None,
            })
            .collect()
    }

    /// Returns all bytes in one piece, or `None` if the body was discarded.
    pub fn to_bytes(&self) -> Option<Bytes> {
        let mut chunks = self.chunks()?;
        Some(if chunks.len() == 1 { chunks.remove(0) } else { chunks.concat().into() })
    }

    /// Returns the MD5 of the bytes, or `None` if they were discarded.
    pub fn md5(&self) -> Option<[u8; 16]> {
        let mut md5 = Md5::new();
        self.chunks()?.iter().for_each(|chunk| md5.update(chunk));
        Some(md5.finalize())
    }
}

/// A content as a response body with an exact length.
pub struct ContentStream {
    chunks: std::vec::IntoIter<Bytes>,
    left: usize,
}

impl ContentStream {
    /// Returns `None` if the body was discarded.
    pub fn new(content: &Content) -> Option<Self> {
        Some(Self { chunks: content.chunks()?.into_iter(), left: content.len() as usize })
    }
}

impl Stream for ContentStream {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = self.chunks.next();
        self.left -= chunk.as_ref().map_or(0, Bytes::len);
        Poll::Ready(chunk.map(Ok))
    }
}

impl ByteStream for ContentStream {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(self.left)
    }
}

/// The checksum algorithms that S3 supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Returns the name used in `x-amz-checksum-algorithm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Returns the header that carries the value, which may also be a trailer.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    pub fn from_header(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(name))
    }

    /// Returns the CRC whose value for a whole can be computed from those of its parts, or `None`
    /// for a hash.
    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn hasher(self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        match self {
            Self::Crc32 => hasher.crc32 = Some(Crc32::new()),
            Self::Crc32c => hasher.crc32c = Some(Crc32c::new()),
            Self::Crc64Nvme => hasher.crc64nvme = Some(Crc64Nvme::new()),
            Self::Sha1 => hasher.sha1 = Some(Sha1::new()),
            Self::Sha256 => hasher.sha256 = Some(Sha256::new()),
        }
        hasher
    }

    fn finish(self, hasher: ChecksumHasher) -> String {
        let all = hasher.finalize();
        match self {
            Self::Crc32 => all.checksum_crc32,
            Self::Crc32c => all.checksum_crc32c,
            Self::Crc64Nvme => all.checksum_crc64nvme,
            Self::Sha1 => all.checksum_sha1,
            Self::Sha256 => all.checksum_sha256,
        }
        .unwrap_or_default()
    }

    /// Returns the base64 checksum of `data`.
    pub fn digest(self, data: &[u8]) -> String {
        let mut hasher = self.hasher();
        hasher.update(data);
        self.finish(hasher)
    }
}

/// The data that a multipart object's checksum is computed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The bytes of the object.
    FullObject,
    /// The checksums of the parts; the value ends in `-` and their number.
    Composite,
}

impl Scope {
    /// Returns the name used in `x-amz-checksum-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}

/// A stored checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    pub algorithm: Algorithm,
    pub scope: Scope,
    /// Base64, followed by `-N` if composite.
    pub value: String,
}

impl Checksum {
    /// Returns the value if it uses this algorithm.
    pub fn of(&self, algorithm: Algorithm) -> Option<String> {
        (self.algorithm == algorithm).then(|| self.value.clone())
    }

    /// Computes the checksum of a multipart object from the checksums and lengths of its parts.
    pub fn of_parts(algorithm: Algorithm, scope: Scope, parts: &[(&Self, u64)]) -> Option<Self> {
        let decode = |checksum: &Self| BASE64_STANDARD.decode(&checksum.value).ok();
        let value = match scope {
            Scope::Composite => {
                let raw = parts
                    .iter()
                    .map(|(part, _)| decode(part))
                    .collect::<Option<Vec<_>>>()?
                    .concat();
                format!("{}-{}", algorithm.digest(&raw), parts.len())
            }
            Scope::FullObject => {
                let crc = algorithm.crc()?;
                let mut whole: Option<u64> = None;
                for (part, len) in parts {
                    let part =
                        decode(part)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                    whole = Some(whole.map_or(part, |before| {
                        crc_fast::checksum_combine(crc, before, part, *len)
                    }));
                }
                let width = if algorithm == Algorithm::Crc64Nvme { 8 } else { 4 };
                BASE64_STANDARD.encode(&whole?.to_be_bytes()[8 - width..])
            }
        };
        Some(Self { algorithm, scope, value })
    }
}

/// The properties of the body that the request declares.
#[derive(Debug, Default)]
pub struct Declared {
    /// `Content-Length` without any chunk framing, in bytes.
    pub length: Option<i64>,
    /// `Content-MD5`.
    pub content_md5: Option<String>,
    /// The checksum to compute, with the value if it was sent before the body.
    pub checksum: Option<(Algorithm, Option<String>)>,
}

/// A body that has arrived completely and matches its declaration.
#[derive(Debug)]
pub struct Received {
    pub content: Content,
    pub md5: [u8; 16],
    pub checksum: Option<Checksum>,
    /// Whether the request had a digest of the body.
    pub has_digest: bool,
}

impl Received {
    /// Returns the body for bytes that are already available, for tests that set up state directly.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self { md5: Md5::checksum(&bytes), content: bytes.into(), checksum: None, has_digest: true }
    }
}

/// Whether the bytes of a body are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    Keep,
    /// Digests the bytes and keeps only their number.
    Discard,
}

/// Reads a body to its end, computes its digests and compares them with everything that was
/// declared.
///
/// # Errors
/// `MissingContentLength`, `IncompleteBody`, `EntityTooLarge`, `InvalidDigest`, `BadDigest`,
/// `XAmzContentSHA256Mismatch`, or `SignatureDoesNotMatch` for a chunk with a wrong signature.
pub async fn receive(
    body: Option<StreamingBlob>,
    declared: Declared,
    trailers: Option<TrailingHeaders>,
    limit: u64,
    retention: Retention,
) -> S3Result<Received> {
    let length = declared.length.ok_or_else(|| s3_error!(MissingContentLength))?;
    let length =
        u64::try_from(length).map_err(|_| s3_error!(InvalidArgument, "negative Content-Length"))?;
    if length > limit {
        return Err(s3_error!(
            EntityTooLarge,
            "Your proposed upload exceeds the maximum allowed size"
        ));
    }

    let mut md5 = Md5::new();
    let mut hasher = declared.checksum.as_ref().map(|(algorithm, _)| algorithm.hasher());
    let mut content = Content::default();
    let mut segment = Vec::new();
    if let Some(mut stream) = body {
        while let Some(chunk) = stream.next().await {
            let mut chunk = chunk.map_err(|error| broken_body(&error))?;
            md5.update(&chunk);
            if let Some(hasher) = &mut hasher {
                hasher.update(&chunk);
            }
            if retention == Retention::Discard {
                content.push(Segment::Discarded(chunk.len() as u64));
                continue;
            }
            while !chunk.is_empty() {
                if segment.capacity() == 0 {
                    let left = length.saturating_sub(content.len()).max(chunk.len() as u64);
                    segment.reserve_exact(left.min(SEGMENT as u64) as usize);
                }
                let fits = chunk.len().min(segment.capacity() - segment.len());
                segment.extend_from_slice(&chunk.split_to(fits));
                if segment.len() == segment.capacity() {
                    content.push(Segment::Kept(std::mem::take(&mut segment).into()));
                }
            }
        }
    }
    content.push(Segment::Kept(segment.into()));
    if retention == Retention::Discard {
        content.segments = vec![Segment::Discarded(content.len)];
    }
    if content.len() != length {
        return Err(s3_error!(IncompleteBody, "Received {} of {length} bytes", content.len()));
    }

    let md5 = md5.finalize();
    let has_digest = declared.content_md5.is_some() || declared.checksum.is_some();
    if let Some(sent) = declared.content_md5 {
        let sent = BASE64_STANDARD.decode(sent).ok().filter(|sent| sent.len() == 16);
        if sent
            .ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid"))?
            != md5
        {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received"
            ));
        }
    }
    let checksum = declared.checksum.zip(hasher).map(|((algorithm, sent), hasher)| {
        let value = algorithm.finish(hasher);
        let trailers = trailers.and_then(|trailers| trailers.take());
        let trailer =
            trailers.as_ref().and_then(|trailers| trailers.get(algorithm.header())?.to_str().ok());
        match sent.as_deref().or(trailer) {
            Some(sent) if sent != value => Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum",
                algorithm.name()
            )),
            _ => Ok(Checksum { algorithm, scope: Scope::FullObject, value }),
        }
    });
    Ok(Received { content, md5, checksum: checksum.transpose()?, has_digest })
}

/// Returns the error for a body stream that failed. The types of these errors are private to s3s,
/// so their text decides.
fn broken_body(error: &StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        let mut error = S3Error::with_message(
            S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        );
        error.set_status_code(hyper::StatusCode::BAD_REQUEST);
        error
    } else if text.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch, "A chunk's signature does not match")
    } else {
        s3_error!(IncompleteBody, "The request body is incomplete: {text}")
    }
}
