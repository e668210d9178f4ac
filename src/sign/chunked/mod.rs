//! `aws-chunked`: bodies sent, and where wanted signed, piece by piece.
//!
//! Follows [Transferring Payload in Multiple Chunks][streaming] and [Trailing headers][trailers] of the S3 API reference.
//! A [`Layout`] knows the exact length and the headers before a byte is read; with it the request is signed, and then
//! [`Layout::signed_body`] or [`Layout::unsigned_body`] wraps the data:
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
//! let request = Request { method: "PUT", path: "/examplebucket/hello", query: &[], headers: &headers };
//! let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
//! let scope = v4::Scope { region: "us-east-1", service: "s3" };
//! let time = Timestamp::from_unix(1_369_353_600);
//! let key = v4::SigningKey::derive(&credentials, time, scope);
//! let signed = v4::sign_with_key(&request, layout.payload(), &credentials, scope, time, &key)?;
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
use super::hash::{EMPTY_SHA256, Hex, sha256};
use super::redact::Hidden;
use super::v4::{Payload, SigningKey};
use crate::time::Timestamp;
use std::fmt;
use std::io::{self, ErrorKind, Read};

/// "The chunk size must be at least 8 KB", the last chunk excepted (sigv4-streaming, step 1).
pub const MIN_CHUNK_SIZE: usize = 8 * 1024;
/// "We recommend a chunk size of at least 64 KB for better performance" (the same). Larger ones save 90 bytes each.
pub const DEFAULT_CHUNK_SIZE: usize = 64 * 1024;
/// A signed chunk is held in memory until its signature is known, so its size has a bound.
pub const MAX_CHUNK_SIZE: usize = 16 * 1024 * 1024;

/// A checksum that is computed while the body goes out and sent behind it.
pub trait Checksum: Send {
    /// Takes the next bytes of the body, before framing.
    fn update(&mut self, data: &[u8]);
    /// The value of the trailer, as long as [`Trailer::value_length`] said: base64 for all of S3's checksums.
    fn finish(&mut self) -> String;
}

/// The header that follows the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Its name in lower case, such as `x-amz-checksum-crc64nvme`.
    pub name: &'static str,
    /// The length of its value in bytes: 8 for the four bytes of a CRC32 in base64, 12 for CRC64NVME, 28 for SHA-1, 44
    /// for SHA-256.
    pub value_length: usize,
}

/// How a body is framed; all that has to be known before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    chunks: Chunks,
    decoded_length: u64,
    chunk_size: usize,
    trailer: Option<Trailer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunks {
    Signed,
    Unsigned,
}

impl Layout {
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: every chunk signed. `decoded_length` is the body's length in bytes.
    pub const fn signed(decoded_length: u64) -> Self {
        Self { chunks: Chunks::Signed, decoded_length, chunk_size: DEFAULT_CHUNK_SIZE, trailer: None }
    }

    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: every chunk and the trailer signed.
    pub const fn signed_with_trailer(decoded_length: u64, trailer: Trailer) -> Self {
        Self { trailer: Some(trailer), ..Self::signed(decoded_length) }
    }

    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: only the request is signed, for TLS to protect the rest.
    pub const fn unsigned_with_trailer(decoded_length: u64, trailer: Trailer) -> Self {
        Self { chunks: Chunks::Unsigned, ..Self::signed_with_trailer(decoded_length, trailer) }
    }

    /// The same in chunks of `bytes`, [`MIN_CHUNK_SIZE`] to [`MAX_CHUNK_SIZE`].
    ///
    /// # Errors
    /// [`Error::Invalid`] outside that range.
    pub fn with_chunk_size(self, bytes: usize) -> Result<Self, Error> {
        if !(MIN_CHUNK_SIZE..=MAX_CHUNK_SIZE).contains(&bytes) {
            return Err(Error::Invalid(format!(
                "a chunk cannot have {bytes} bytes: choose from {MIN_CHUNK_SIZE} to {MAX_CHUNK_SIZE}"
            )));
        }
        Ok(Self { chunk_size: bytes, ..self })
    }

    /// With which payload to sign the request.
    pub const fn payload(&self) -> Payload<'static> {
        match (self.chunks, self.trailer) {
            (Chunks::Signed, None) => Payload::StreamingSigned,
            (Chunks::Signed, Some(_)) => Payload::StreamingSignedTrailer,
            (Chunks::Unsigned, _) => Payload::StreamingUnsignedTrailer,
        }
    }

    /// What to send and to sign: `content-encoding`, `x-amz-decoded-content-length` and, with a trailer,
    /// `x-amz-trailer`. An object that has an encoding of its own puts it behind: `aws-chunked,gzip`.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-encoding", "aws-chunked".to_owned()),
            ("x-amz-decoded-content-length", self.decoded_length.to_string()),
        ];
        headers.extend(self.trailer.map(|trailer| ("x-amz-trailer", trailer.name.to_owned())));
        headers
    }

    /// The length of the body before framing.
    pub const fn decoded_length(&self) -> u64 {
        self.decoded_length
    }

    /// The length of the framed body in bytes: the request's `content-length`. Exact for every body that S3 takes,
    /// saturating far beyond.
    pub fn encoded_length(&self) -> u64 {
        let chunk_size = self.chunk_size as u64;
        let (whole, rest) = (self.decoded_length / chunk_size, self.decoded_length % chunk_size);
        let mut length = whole.saturating_mul(self.head_length(chunk_size) + chunk_size + CRLF_LENGTH);
        if rest > 0 {
            length = length.saturating_add(self.head_length(rest) + rest + CRLF_LENGTH);
        }
        length = length.saturating_add(self.head_length(0));
        if let Some(trailer) = self.trailer {
            length = length.saturating_add((trailer.name.len() + ":\r\n".len() + trailer.value_length) as u64);
            if self.chunks == Chunks::Signed {
                length = length.saturating_add((TRAILER_SIGNATURE.len() + SIGNATURE_LENGTH) as u64 + CRLF_LENGTH);
            }
        }
        length.saturating_add(CRLF_LENGTH)
    }

    /// Frames and signs `data`. `checksum` is wanted exactly when the layout has a trailer.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the layout is unsigned, or trailer and checksum do not go together.
    pub fn signed_body<'a, R: Read>(
        self,
        data: R,
        signer: ChunkSigner,
        checksum: Option<Box<dyn Checksum + 'a>>,
    ) -> Result<FramedBody<'a, R>, Error> {
        match self.chunks {
            Chunks::Signed => self.body(data, Some(signer), checksum),
            Chunks::Unsigned => Err(Error::Invalid("the layout is unsigned: frame the data with unsigned_body".into())),
        }
    }

    /// Frames `data`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the layout is signed.
    pub fn unsigned_body<'a, R: Read>(
        self,
        data: R,
        checksum: Box<dyn Checksum + 'a>,
    ) -> Result<FramedBody<'a, R>, Error> {
        match self.chunks {
            Chunks::Unsigned => self.body(data, None, Some(checksum)),
            Chunks::Signed => Err(Error::Invalid("the layout is signed: frame the data with signed_body".into())),
        }
    }

    fn body<'a, R: Read>(
        self,
        data: R,
        signer: Option<ChunkSigner>,
        checksum: Option<Box<dyn Checksum + 'a>>,
    ) -> Result<FramedBody<'a, R>, Error> {
        let trailer = match (self.trailer, checksum) {
            (Some(trailer), Some(checksum)) => Some((trailer, checksum)),
            (None, None) => None,
            (Some(Trailer { name, .. }), None) => {
                return Err(Error::Invalid(format!("the layout announces the trailer {name}: give its checksum")));
            }
            (None, Some(_)) => {
                return Err(Error::Invalid("the layout has no trailer to carry a checksum: announce one".into()));
            }
        };
        Ok(FramedBody {
            data,
            chunk_size: self.chunk_size as u64,
            remaining: self.decoded_length,
            signer,
            trailer,
            checksum_value: None,
            stage: Stage::Head,
            pending: Vec::new(),
            sent: 0,
        })
    }

    /// Of `size` in hex, the signature, and the line's end.
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

/// Signs chunk after chunk, each over the signature before it; the first follows the request's own, the seed.
#[derive(Clone)]
pub struct ChunkSigner {
    key: SigningKey,
    /// `20130524T000000Z` and the scope, on two lines.
    date_and_scope: String,
    previous: String,
}

/// One link of the chain. `Debug` hides what is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// What was signed.
    pub string_to_sign: String,
    /// In hex.
    pub signature: String,
}

impl ChunkSigner {
    /// Goes on from a request signed at `time` with `key`, whose signature is `seed`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `time` is of another day than the key, or the seed is no signature of version 4.
    pub fn new(key: &SigningKey, time: Timestamp, seed: &str) -> Result<Self, Error> {
        if seed.len() != SIGNATURE_LENGTH || !seed.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::Invalid(
                "the seed of a chunked body is not 64 hex digits: take the request's signature".into(),
            ));
        }
        Ok(Self { key: key.clone(), date_and_scope: key.date_and_scope(time)?, previous: seed.to_owned() })
    }

    /// Signs the next chunk; the last one is empty.
    pub fn chunk(&mut self, data: &[u8]) -> Link {
        let hash = match data {
            [] => None,
            data => Some(Hex::of(&sha256(data))),
        };
        let hash = hash.as_ref().map_or(EMPTY_SHA256, Hex::as_str);
        // The second-to-last line is for headers of the chunk, of which there are none.
        self.link("AWS4-HMAC-SHA256-PAYLOAD", &[EMPTY_SHA256, hash])
    }

    /// Signs the trailers, `name:value\n` each, after the empty chunk.
    pub fn trailer(&mut self, trailers: &str) -> Link {
        self.link("AWS4-HMAC-SHA256-TRAILER", &[Hex::of(&sha256(trailers.as_bytes())).as_str()])
    }

    fn link(&mut self, algorithm: &str, hashes: &[&str]) -> Link {
        let mut string_to_sign = String::with_capacity(256 + self.date_and_scope.len());
        string_to_sign.push_str(algorithm);
        for line in [&*self.date_and_scope, &*self.previous].iter().chain(hashes) {
            string_to_sign.push('\n');
            string_to_sign.push_str(line);
        }
        let signature = self.key.mac(&string_to_sign).as_str().to_owned();
        self.previous.clone_from(&signature);
        Link { string_to_sign, signature }
    }
}

/// A framed body. Reads exactly [`Layout::encoded_length`] bytes, or fails: with `UnexpectedEof` when the data end before
/// the length that was announced, with `InvalidData` when they go on behind it.
pub struct FramedBody<'a, R> {
    data: R,
    chunk_size: u64,
    /// Bytes of data whose chunk has not begun.
    remaining: u64,
    signer: Option<ChunkSigner>,
    trailer: Option<(Trailer, Box<dyn Checksum + 'a>)>,
    checksum_value: Option<String>,
    stage: Stage,
    /// What is to go out next, `sent` bytes of which are gone.
    pending: Vec<u8>,
    sent: usize,
}

/// What comes when `pending` has gone out.
#[derive(Clone, Copy)]
enum Stage {
    /// The head of the next chunk, or the end.
    Head,
    /// A signed chunk: its head holds its signature, so the chunk has to be read first. `filled` bytes of `pending` are
    /// there, `start` of them room for the head.
    Collect { start: usize, filled: usize },
    /// An unsigned chunk's data, straight from the reader to whoever reads.
    Pass { left: u64 },
    /// Nothing.
    End,
    /// Nothing but the failure: what would follow is not the body that was announced.
    Broken,
}

impl<R> FramedBody<'_, R> {
    /// The trailer's value, once all has been read.
    pub fn checksum(&self) -> Option<&str> {
        self.checksum_value.as_deref()
    }
}

impl<R: Read> FramedBody<'_, R> {
    /// Begins a chunk, or ends the body.
    fn head(&mut self) -> io::Result<()> {
        let size = self.remaining.min(self.chunk_size);
        if size == 0 {
            self.refuse_more()?;
            return self.end();
        }
        let digits = format!("{size:x}");
        self.remaining -= size;
        self.stage = match self.signer {
            Some(_) => {
                let start = digits.len() + CHUNK_SIGNATURE.len() + SIGNATURE_LENGTH + "\r\n".len();
                // No larger than MAX_CHUNK_SIZE. What the last chunk left is written over.
                self.pending.resize(start + size as usize, 0);
                self.pending[..digits.len()].copy_from_slice(digits.as_bytes());
                // Held back until the chunk is signed.
                self.sent = self.pending.len();
                Stage::Collect { start, filled: start }
            }
            None => {
                self.send(&format!("{digits}\r\n"));
                Stage::Pass { left: size }
            }
        };
        Ok(())
    }

    /// Reads on into a signed chunk and signs it when it is whole.
    fn collect(&mut self, start: usize, filled: usize) -> io::Result<()> {
        let count = match self.data.read(&mut self.pending[filled..])? {
            0 => return Err(ended_early()),
            count => count,
        };
        let filled = filled + count;
        if filled < self.pending.len() {
            self.stage = Stage::Collect { start, filled };
            return Ok(());
        }
        let (head, data) = self.pending.split_at_mut(start);
        if let Some((_, checksum)) = &mut self.trailer {
            checksum.update(data);
        }
        if let Some(signer) = &mut self.signer {
            let tail = format!("{CHUNK_SIGNATURE}{}\r\n", signer.chunk(data).signature);
            let from = start - tail.len();
            head[from..].copy_from_slice(tail.as_bytes());
        }
        self.pending.extend_from_slice(b"\r\n");
        self.sent = 0;
        self.stage = Stage::Head;
        Ok(())
    }

    /// Hands an unsigned chunk's data through.
    fn pass(&mut self, left: u64, out: &mut [u8]) -> io::Result<usize> {
        let room = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let out = &mut out[..room];
        let count = match self.data.read(out)? {
            0 => return Err(ended_early()),
            count => count,
        };
        if let Some((_, checksum)) = &mut self.trailer {
            checksum.update(&out[..count]);
        }
        self.stage = Stage::Pass { left: left - count as u64 };
        if left == count as u64 {
            self.send("\r\n");
            self.stage = Stage::Head;
        }
        Ok(count)
    }

    /// The empty chunk, the trailer, its signature.
    fn end(&mut self) -> io::Result<()> {
        let mut text = String::from("0");
        if let Some(signer) = &mut self.signer {
            text.push_str(CHUNK_SIGNATURE);
            text.push_str(&signer.chunk(b"").signature);
        }
        text.push_str("\r\n");
        if let Some((trailer, checksum)) = &mut self.trailer {
            let value = checksum.finish();
            // Another length would break the content-length, a line break the framing.
            if value.len() != trailer.value_length || !value.bytes().all(|b| b.is_ascii_graphic()) {
                self.stage = Stage::Broken;
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    format!(
                        "the checksum for {} has {} bytes where its layout announced {} visible ones",
                        trailer.name,
                        value.len(),
                        trailer.value_length
                    ),
                ));
            }
            let line = format!("{}:{value}", trailer.name);
            text.push_str(&line);
            text.push_str("\r\n");
            if let Some(signer) = &mut self.signer {
                text.push_str(TRAILER_SIGNATURE);
                text.push_str(&signer.trailer(&format!("{line}\n")).signature);
                text.push_str("\r\n");
            }
            self.checksum_value = Some(value);
        }
        text.push_str("\r\n");
        self.send(&text);
        self.stage = Stage::End;
        Ok(())
    }

    fn send(&mut self, text: &str) {
        self.pending.clear();
        self.pending.extend_from_slice(text.as_bytes());
        self.sent = 0;
    }

    fn refuse_more(&mut self) -> io::Result<()> {
        if self.data.read(&mut [0])? == 0 {
            return Ok(());
        }
        self.stage = Stage::Broken;
        Err(io::Error::new(ErrorKind::InvalidData, "the body goes on behind the length that was announced for it"))
    }
}

impl<R: Read> Read for FramedBody<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let pending = self.pending.get(self.sent..).unwrap_or_default();
            if !pending.is_empty() {
                let count = pending.len().min(out.len());
                out[..count].copy_from_slice(&pending[..count]);
                self.sent += count;
                return Ok(count);
            }
            // A stage that could not read stays as it was, and goes on when the data do.
            match self.stage {
                Stage::Head => self.head()?,
                Stage::Collect { start, filled } => self.collect(start, filled)?,
                Stage::Pass { left } => return self.pass(left, out),
                Stage::End => return Ok(0),
                Stage::Broken => return Err(io::Error::new(ErrorKind::InvalidData, "the body has failed before")),
            }
        }
    }
}

fn ended_early() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the body ended before the length that was announced for it")
}

impl fmt::Debug for ChunkSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkSigner").field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("string_to_sign", &Hidden).field("signature", &Hidden).finish()
    }
}

impl<R> fmt::Debug for FramedBody<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramedBody")
            .field("chunk_size", &self.chunk_size)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

const CHUNK_SIGNATURE: &str = ";chunk-signature=";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature:";
const SIGNATURE_LENGTH: usize = 64;
const CRLF_LENGTH: u64 = 2;

#[cfg(test)]
mod tests;
