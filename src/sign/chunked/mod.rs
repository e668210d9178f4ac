//! `aws-chunked`: bodies that are sent, and optionally signed, in chunks.
//!
//! Follows [Transferring Payload in Multiple Chunks][streaming] and [Trailing headers][trailers] of
//! the S3 API reference. A [`Layout`] determines the exact length and the headers before any data
//! is read. It is used to sign the request first, and then [`Layout::signed_body`] or
//! [`Layout::unsigned_body`] wraps the data:
//!
//! ```
//! use s3driver::sign::{Credentials, Request, chunked, v4};
//! use s3driver::time::Timestamp;
//! use std::io::Read;
//!
//! let layout = chunked::Layout::signed(5);
//! let mut headers = vec![("host", "s3.amazonaws.com")];
//! let framing = layout.headers();
//! headers.extend(framing.iter().map(|(name, value)| (*name, value.as_str())));
//! let request = Request::new("PUT", "/examplebucket/hello").headers(&headers);
//! let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//! let scope = v4::Scope { region: "us-east-1", service: "s3" };
//! let time = Timestamp::from_unix(1_369_353_600);
//! let key = v4::SigningKey::derive(&credentials, time, scope)?;
//! let signed = key.sign(&request, layout.payload(), time)?;
//!
//! let signer = chunked::ChunkSigner::new(&key, time, &signed.steps.signature)?;
//! let mut body = Vec::new();
//! layout.signed_body(&b"hello"[..], signer, None)?.read_to_end(&mut body)?;
//! assert_eq!(body.len() as u64, layout.encoded_length());
//! assert!(body.starts_with(b"5;chunk-signature="));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [streaming]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
//! [trailers]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
use super::Error;
use super::syntax::is_token;
use super::v4::Payload;
use std::io::Read;

mod body;
mod signer;
pub use body::FramedBody;
pub use signer::{ChunkSigner, Link};

/// "The chunk size must be at least 8 KB", except for the last chunk (sigv4-streaming, step 1).
pub const MIN_CHUNK_SIZE: usize = 8 * 1024;
/// "We recommend a chunk size of at least 64 KB for better performance" (sigv4-streaming, step 1).
/// Each chunk adds about 90 bytes of framing, so larger chunks save little.
pub const DEFAULT_CHUNK_SIZE: usize = 64 * 1024;
/// A signed chunk is held in memory until its signature is known, so its size has a bound.
pub const MAX_CHUNK_SIZE: usize = 16 * 1024 * 1024;

/// A checksum that is computed while the body is sent, and sent after it.
pub trait TrailerChecksum: Send {
    /// Adds the next bytes of the body, as they are before framing.
    fn update(&mut self, data: &[u8]);
    /// Returns the value of the trailer, which must have the length given to [`Trailer::new`]. All
    /// of S3's checksums are in base64.
    fn finish(&mut self) -> String;
}

/// A header that follows the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    name: &'static str,
    value_length: usize,
}

impl Trailer {
    /// Describes a trailer of this name in lower case, such as `x-amz-checksum-crc64nvme`, whose
    /// value has `value_length` bytes: 8 for the four bytes of a CRC32 in base64, 12 for CRC64NVME,
    /// 28 for SHA-1, 44 for SHA-256.
    ///
    /// # Errors
    /// [`Error::Trailer`] if the name is not a valid header name in lower case.
    pub fn new(name: &'static str, value_length: usize) -> Result<Self, Error> {
        // The signature of the trailers follows them under this name.
        if !is_token(name)
            || name.bytes().any(|byte| byte.is_ascii_uppercase())
            || TRAILER_SIGNATURE.strip_suffix(':') == Some(name)
        {
            return Err(Error::Trailer { name: name.to_owned() });
        }

        Ok(Self { name, value_length })
    }

    /// Returns the trailer's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// How a body is framed: everything that has to be known before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    chunks: Chunks,
    decoded_length: u64,
    chunk_size: usize,
    trailers: Vec<Trailer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunks {
    Signed,
    Unsigned,
}

impl Layout {
    /// Returns the layout of `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, in which every chunk is signed.
    /// `decoded_length` is the body's length in bytes.
    pub const fn signed(decoded_length: u64) -> Self {
        Self {
            chunks: Chunks::Signed,
            decoded_length,
            chunk_size: DEFAULT_CHUNK_SIZE,
            trailers: Vec::new(),
        }
    }

    /// Returns the layout of `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`, in which every chunk and
    /// the trailer are signed.
    pub fn signed_with_trailer(decoded_length: u64, trailer: Trailer) -> Self {
        Self { trailers: vec![trailer], ..Self::signed(decoded_length) }
    }

    /// Returns the layout of `STREAMING-UNSIGNED-PAYLOAD-TRAILER`, in which only the request is
    /// signed and TLS protects the rest.
    pub fn unsigned_with_trailer(decoded_length: u64, trailer: Trailer) -> Self {
        Self { chunks: Chunks::Unsigned, ..Self::signed_with_trailer(decoded_length, trailer) }
    }

    /// Adds a trailer. Trailers are announced, sent and signed sorted by name.
    ///
    /// # Errors
    /// [`Error::Trailer`] if the layout already has a trailer with this name.
    pub fn and_trailer(mut self, trailer: Trailer) -> Result<Self, Error> {
        if self.trailers.iter().any(|given| given.name == trailer.name) {
            return Err(Error::Trailer { name: trailer.name.to_owned() });
        }

        self.trailers.push(trailer);
        Ok(self)
    }

    /// Sets the chunk size, from [`MIN_CHUNK_SIZE`] to [`MAX_CHUNK_SIZE`] bytes.
    ///
    /// # Errors
    /// [`Error::ChunkSize`] if the size is outside that range.
    pub fn with_chunk_size(self, bytes: usize) -> Result<Self, Error> {
        if !(MIN_CHUNK_SIZE..=MAX_CHUNK_SIZE).contains(&bytes) {
            return Err(Error::ChunkSize { bytes });
        }

        Ok(Self { chunk_size: bytes, ..self })
    }

    /// Returns the payload to sign the request with.
    pub const fn payload(&self) -> Payload<'static> {
        match (self.chunks, self.trailers.is_empty()) {
            (Chunks::Signed, true) => Payload::StreamingSigned,
            (Chunks::Signed, false) => Payload::StreamingSignedTrailer,
            (Chunks::Unsigned, _) => Payload::StreamingUnsignedTrailer,
        }
    }

    /// Returns the headers to send and to sign: `content-encoding`, `x-amz-decoded-content-length`
    /// and, with trailers, `x-amz-trailer`. If the object itself has a content encoding, append it:
    /// `aws-chunked,gzip`.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-encoding", "aws-chunked".to_owned()),
            ("x-amz-decoded-content-length", self.decoded_length.to_string()),
        ];
        if !self.trailers.is_empty() {
            let mut names: Vec<_> = self.trailers.iter().map(Trailer::name).collect();
            names.sort_unstable();
            headers.push(("x-amz-trailer", names.join(",")));
        }

        headers
    }

    /// Returns the length of the body before framing.
    pub const fn decoded_length(&self) -> u64 {
        self.decoded_length
    }

    /// Returns the length of the framed body in bytes, which is the request's `content-length`. It
    /// is exact for every body that S3 accepts, and saturates far beyond that.
    pub fn encoded_length(&self) -> u64 {
        let chunk_size = self.chunk_size as u64;
        let (whole, rest) = (self.decoded_length / chunk_size, self.decoded_length % chunk_size);
        let mut length =
            whole.saturating_mul(self.head_length(chunk_size) + chunk_size + CRLF_LENGTH);
        if rest > 0 {
            length = length.saturating_add(self.head_length(rest) + rest + CRLF_LENGTH);
        }

        length = length.saturating_add(self.head_length(0));
        for trailer in &self.trailers {
            length = length
                .saturating_add((trailer.name.len() + ":\r\n".len() + trailer.value_length) as u64);
        }

        if self.chunks == Chunks::Signed && !self.trailers.is_empty() {
            length = length
                .saturating_add((TRAILER_SIGNATURE.len() + SIGNATURE_LENGTH) as u64 + CRLF_LENGTH);
        }

        length.saturating_add(CRLF_LENGTH)
    }

    /// Frames and signs `data`. `checksums` holds one checksum per trailer, in the order in which
    /// the trailers were added.
    ///
    /// # Errors
    /// [`Error::Framing`] if the layout is unsigned; [`Error::Checksums`] unless there is one
    /// checksum for every trailer.
    pub fn signed_body<'a, R: Read>(
        &self,
        data: R,
        signer: ChunkSigner,
        checksums: impl IntoIterator<Item = Box<dyn TrailerChecksum + 'a>>,
    ) -> Result<FramedBody<'a, R>, Error> {
        match self.chunks {
            Chunks::Signed => self.body(data, Some(signer), checksums.into_iter().collect()),
            Chunks::Unsigned => Err(Error::Framing),
        }
    }

    /// Frames `data` without signing it. `checksums` holds one checksum per trailer, in the order
    /// in which the trailers were added.
    ///
    /// # Errors
    /// [`Error::Framing`] if the layout is signed; [`Error::Checksums`] unless there is one
    /// checksum for every trailer.
    pub fn unsigned_body<'a, R: Read>(
        &self,
        data: R,
        checksums: impl IntoIterator<Item = Box<dyn TrailerChecksum + 'a>>,
    ) -> Result<FramedBody<'a, R>, Error> {
        match self.chunks {
            Chunks::Unsigned => self.body(data, None, checksums.into_iter().collect()),
            Chunks::Signed => Err(Error::Framing),
        }
    }

    fn body<'a, R: Read>(
        &self,
        data: R,
        signer: Option<ChunkSigner>,
        checksums: Vec<Box<dyn TrailerChecksum + 'a>>,
    ) -> Result<FramedBody<'a, R>, Error> {
        if self.trailers.len() != checksums.len() {
            return Err(Error::Checksums {
                trailers: self.trailers.len(),
                checksums: checksums.len(),
            });
        }

        let mut trailers: Vec<_> = self.trailers.iter().copied().zip(checksums).collect();
        trailers.sort_by_key(|(trailer, _)| trailer.name);
        Ok(FramedBody::new(data, self.chunk_size as u64, self.decoded_length, signer, trailers))
    }

    /// Returns the length of a chunk's first line: `size` in hex, the signature, and the line
    /// ending.
    fn head_length(&self, size: u64) -> u64 {
        let digits = u64::from((u64::BITS - size.leading_zeros()).div_ceil(4).max(1));
        digits
            + CRLF_LENGTH
            + match self.chunks {
                Chunks::Signed => (CHUNK_SIGNATURE.len() + SIGNATURE_LENGTH) as u64,
                Chunks::Unsigned => 0,
            }
    }
}

const CHUNK_SIGNATURE: &str = ";chunk-signature=";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature:";
const SIGNATURE_LENGTH: usize = 64;
const CRLF_LENGTH: u64 = 2;

#[cfg(test)]
mod tests;
