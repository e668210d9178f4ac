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
//! let signer = chunked::ChunkSigner::new(&key, time, &signed.signature)?;
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
    ) -> Result<Body<'a, R>, Error> {
        match self.chunks {
            Chunks::Signed => self.body(data, Some(signer), checksum),
            Chunks::Unsigned => Err(Error::Invalid("the layout is unsigned: frame the data with unsigned_body".into())),
        }
    }

    /// Frames `data`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the layout is signed.
    pub fn unsigned_body<'a, R: Read>(self, data: R, checksum: Box<dyn Checksum + 'a>) -> Result<Body<'a, R>, Error> {
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
    ) -> Result<Body<'a, R>, Error> {
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
        Ok(Body {
            data,
            chunk_size: self.chunk_size as u64,
            remaining: self.decoded_length,
            signer,
            trailer,
            checksum_value: None,
            step: Step::Head,
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
pub struct Body<'a, R> {
    data: R,
    chunk_size: u64,
    /// Bytes of data whose chunk has not begun.
    remaining: u64,
    signer: Option<ChunkSigner>,
    trailer: Option<(Trailer, Box<dyn Checksum + 'a>)>,
    checksum_value: Option<String>,
    step: Step,
    /// What is to go out next, `sent` bytes of which are gone.
    pending: Vec<u8>,
    sent: usize,
}

/// What comes when `pending` has gone out.
#[derive(Clone, Copy)]
enum Step {
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

impl<R> Body<'_, R> {
    /// The trailer's value, once all has been read.
    pub fn checksum(&self) -> Option<&str> {
        self.checksum_value.as_deref()
    }
}

impl<R: Read> Body<'_, R> {
    /// Begins a chunk, or ends the body.
    fn head(&mut self) -> io::Result<()> {
        let size = self.remaining.min(self.chunk_size);
        if size == 0 {
            self.refuse_more()?;
            return self.end();
        }
        let digits = format!("{size:x}");
        self.remaining -= size;
        self.step = match self.signer {
            Some(_) => {
                let start = digits.len() + CHUNK_SIGNATURE.len() + SIGNATURE_LENGTH + "\r\n".len();
                // No larger than MAX_CHUNK_SIZE. What the last chunk left is written over.
                self.pending.resize(start + size as usize, 0);
                self.pending[..digits.len()].copy_from_slice(digits.as_bytes());
                // Held back until the chunk is signed.
                self.sent = self.pending.len();
                Step::Collect { start, filled: start }
            }
            None => {
                self.send(&format!("{digits}\r\n"));
                Step::Pass { left: size }
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
            self.step = Step::Collect { start, filled };
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
        self.step = Step::Head;
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
        self.step = Step::Pass { left: left - count as u64 };
        if left == count as u64 {
            self.send("\r\n");
            self.step = Step::Head;
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
                self.step = Step::Broken;
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
        self.step = Step::End;
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
        self.step = Step::Broken;
        Err(io::Error::new(ErrorKind::InvalidData, "the body goes on behind the length that was announced for it"))
    }
}

impl<R: Read> Read for Body<'_, R> {
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
            // A step that could not read stays as it was, and goes on when the data do.
            match self.step {
                Step::Head => self.head()?,
                Step::Collect { start, filled } => self.collect(start, filled)?,
                Step::Pass { left } => return self.pass(left, out),
                Step::End => return Ok(0),
                Step::Broken => return Err(io::Error::new(ErrorKind::InvalidData, "the body has failed before")),
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

impl<R> fmt::Debug for Body<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
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
mod tests {
    use super::*;
    use crate::sign::{Credentials, v4};
    use proptest::prelude::*;

    const TRAILER: Trailer = Trailer { name: "x-amz-checksum-test", value_length: 16 };

    /// Sixteen hex digits that depend on every byte and its place.
    struct Sum(u64);

    impl Checksum for Sum {
        fn update(&mut self, data: &[u8]) {
            for byte in data {
                self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(*byte) + 1);
            }
        }
        fn finish(&mut self) -> String {
            format!("{:016x}", self.0)
        }
    }

    fn sum(data: &[u8]) -> String {
        let mut sum = Sum(7);
        sum.update(data);
        sum.finish()
    }

    /// Gives at most `step` bytes at a time, and now and then an interruption.
    struct Drip<'a>(&'a [u8], usize, usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.2 += 1;
            if self.2.is_multiple_of(3) {
                return Err(ErrorKind::Interrupted.into());
            }
            let count = self.0.len().min(out.len()).min(self.1);
            self.0.read(&mut out[..count])
        }
    }

    fn signer() -> ChunkSigner {
        let credentials = Credentials::new("id", "secret");
        let time = Timestamp::from_unix(1_369_353_600);
        let key = v4::SigningKey::derive(&credentials, time, v4::Scope { region: "r", service: "s3" });
        ChunkSigner::new(&key, time, &"0".repeat(64)).unwrap()
    }

    fn body<'a, R: Read>(layout: Layout, data: R) -> Body<'a, R> {
        let checksum = layout.trailer.map(|_| Box::new(Sum(7)) as Box<dyn Checksum>);
        match layout.chunks {
            Chunks::Signed => layout.signed_body(data, signer(), checksum).unwrap(),
            Chunks::Unsigned => layout.unsigned_body(data, checksum.unwrap()).unwrap(),
        }
    }

    fn layouts(length: u64, chunk_size: usize) -> [Layout; 3] {
        [
            Layout::signed(length),
            Layout::signed_with_trailer(length, TRAILER),
            Layout::unsigned_with_trailer(length, TRAILER),
        ]
        .map(|layout| layout.with_chunk_size(chunk_size).unwrap())
    }

    fn line<'a>(wire: &mut &'a [u8]) -> &'a str {
        let end = wire.windows(2).position(|pair| pair == b"\r\n").expect("a line's end");
        let (line, rest) = wire.split_at(end);
        *wire = &rest[2..];
        std::str::from_utf8(line).unwrap()
    }

    /// Takes a framed body apart by the letter of the page, checking every signature and size.
    fn decode(mut wire: &[u8], layout: Layout) -> Vec<u8> {
        let mut chain = (layout.chunks == Chunks::Signed).then(signer);
        let mut data = Vec::new();
        loop {
            let head = line(&mut wire);
            let (size, signature) = match head.split_once(";chunk-signature=") {
                Some((size, signature)) => (size, Some(signature)),
                None => (head, None),
            };
            let size = usize::from_str_radix(size, 16).unwrap();
            let chunk = &wire[..size];
            assert_eq!(chain.as_mut().map(|chain| chain.chunk(chunk).signature).as_deref(), signature);
            if size == 0 {
                break;
            }
            let left = layout.decoded_length - data.len() as u64;
            assert_eq!(size as u64, left.min(layout.chunk_size as u64), "only the last chunk is short");
            data.extend_from_slice(chunk);
            assert_eq!(&wire[size..size + 2], b"\r\n");
            wire = &wire[size + 2..];
        }
        if let Some(trailer) = layout.trailer {
            let text = line(&mut wire);
            assert_eq!(text, format!("{}:{}", trailer.name, sum(&data)));
            if let Some(chain) = &mut chain {
                let signature = chain.trailer(&format!("{text}\n")).signature;
                assert_eq!(line(&mut wire), format!("x-amz-trailer-signature:{signature}"));
            }
        }
        assert_eq!(wire, b"\r\n");
        data
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn comes_back_whatever_the_read_sizes(
            length in prop_oneof![0usize..40, 8180usize..8210, 0usize..60_000],
            chunk_size in 8192usize..20_000,
            given in 1usize..9000,
            taken in prop::collection::vec(1usize..9000, 1..5),
        ) {
            let data: Vec<u8> = (0..length).map(|i| (i * 7 % 251) as u8).collect();
            for layout in layouts(length as u64, chunk_size) {
                let mut body = body(layout, Drip(&data, given, 0));
                let (mut wire, mut sizes, mut buffer) = (Vec::new(), taken.iter().cycle(), vec![0; 9000]);
                loop {
                    match body.read(&mut buffer[..*sizes.next().unwrap()]) {
                        Ok(0) => break,
                        Ok(count) => wire.extend_from_slice(&buffer[..count]),
                        Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Interrupted),
                    }
                }
                prop_assert_eq!(wire.len() as u64, layout.encoded_length());
                prop_assert_eq!(data.len() as u64, layout.decoded_length());
                prop_assert_eq!(body.checksum().map(str::to_owned), layout.trailer.map(|_| sum(&data)));
                prop_assert_eq!(decode(&wire, layout), &data[..]);
            }
        }
    }

    #[test]
    fn a_body_of_another_length_fails() {
        for length in [1u64, 8192, 8193, 20_000] {
            for layout in layouts(length, MIN_CHUNK_SIZE) {
                let short = vec![1; length as usize - 1];
                let error = body(layout, &short[..]).read_to_end(&mut Vec::new()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                let long = vec![1; length as usize + 1];
                let mut body = body(layout, &long[..]);
                for _ in 0..2 {
                    let error = body.read_to_end(&mut Vec::new()).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::InvalidData);
                }
            }
        }
    }

    /// Gives its bytes, then what it was told, then its end.
    struct Ending<'a>(&'a [u8], Option<ErrorKind>);

    impl Read for Ending<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out) {
                Ok(0) => self.1.take().map_or(Ok(0), |kind| Err(kind.into())),
                result => result,
            }
        }
    }

    /// The body goes on where it was when the data do.
    #[test]
    fn an_error_at_the_end_of_the_data_is_told() {
        for layout in layouts(3, MIN_CHUNK_SIZE) {
            for kind in [ErrorKind::Interrupted, ErrorKind::TimedOut] {
                let mut body = body(layout, Ending(b"abc", Some(kind)));
                let (mut wire, mut told, mut buffer) = (Vec::new(), Vec::new(), [0; 100]);
                loop {
                    match body.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(count) => wire.extend_from_slice(&buffer[..count]),
                        Err(error) => told.push(error.kind()),
                    }
                }
                assert_eq!((told, decode(&wire, layout)), (vec![kind], b"abc".to_vec()));
            }
        }
    }

    #[test]
    fn a_checksum_of_another_length_fails() {
        let layout = Layout::unsigned_with_trailer(1, Trailer { value_length: 15, ..TRAILER });
        let mut body = body(layout, &b"x"[..]);
        for _ in 0..2 {
            assert_eq!(body.read_to_end(&mut Vec::new()).unwrap_err().kind(), ErrorKind::InvalidData);
        }
    }

    #[test]
    fn layout_and_parts_must_go_together() {
        let checksum = || Box::new(Sum(7)) as Box<dyn Checksum>;
        let [signed, signed_trailer, unsigned] = layouts(1, MIN_CHUNK_SIZE);
        assert!(signed.signed_body(io::empty(), signer(), Some(checksum())).is_err());
        assert!(signed.unsigned_body(io::empty(), checksum()).is_err());
        assert!(signed_trailer.signed_body(io::empty(), signer(), None).is_err());
        assert!(unsigned.signed_body(io::empty(), signer(), Some(checksum())).is_err());
        for (size, taken) in [(8191, false), (8192, true), (16_777_216, true), (16_777_217, false)] {
            assert_eq!(signed.with_chunk_size(size).is_ok(), taken, "{size}");
        }
        let key = v4::SigningKey::derive(
            &Credentials::new("id", "secret"),
            Timestamp::from_unix(0),
            v4::Scope { region: "r", service: "s3" },
        );
        assert!(ChunkSigner::new(&key, Timestamp::from_unix(0), "short").is_err());
        assert!(ChunkSigner::new(&key, Timestamp::from_unix(86_400), &"0".repeat(64)).is_err());
    }

    #[test]
    fn lengths_do_not_overflow() {
        for layout in layouts(u64::MAX, MIN_CHUNK_SIZE) {
            assert_eq!(layout.encoded_length(), u64::MAX);
        }
        let five_tib = Layout::signed(5 << 40);
        assert_eq!(five_tib.encoded_length(), (5 << 40) + ((5 << 40) / 65_536) * 90 + 86);
    }

    #[test]
    fn debug_shows_no_signature() {
        let mut signer = signer();
        let link = signer.chunk(b"x");
        let text = format!("{link:?} {signer:?} {:?}", body(Layout::signed(0), io::empty()));
        assert!(!text.contains(&link.signature) && !text.contains(&"0".repeat(64)), "{text}");
        for shown in ["Link", "ChunkSigner", "Body"] {
            assert!(text.contains(shown), "{text}");
        }
    }
}
