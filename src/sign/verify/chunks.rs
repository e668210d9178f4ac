//! Decoding and verification of bodies that were received in chunks (`aws-chunked`).
use super::refusal::Refusal;
use crate::sign::Error;
use crate::sign::chunked::ChunkSigner;
use crate::sign::explain::Cause;
use crate::sign::hash::equal;
use crate::sign::v4::SigningKey;
use crate::time::Timestamp;
use std::fmt;

/// The maximum length of a line, which is a chunk head or a trailer.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// The verifier of a body's chunks, which continues the signature chain of a verified request.
#[derive(Clone)]
pub struct ChunkVerifier {
    signer: ChunkSigner,
    number: u64,
}

/// A decoded body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded {
    /// The data of all chunks.
    pub data: Vec<u8>,
    /// The trailers in the order of their arrival, with lower-case names.
    pub trailers: Vec<(String, String)>,
}

impl ChunkVerifier {
    pub(super) fn new(key: &SigningKey, time: Timestamp, seed: &str) -> Result<Self, Error> {
        Ok(Self { signer: ChunkSigner::new(key, time, seed)?, number: 0 })
    }

    /// Verifies the next chunk. The last chunk is empty.
    ///
    /// # Errors
    /// A [`Refusal`] that names the chunk, counted from 1.
    pub fn chunk(&mut self, data: &[u8], signature: &str) -> Result<(), Refusal> {
        self.number += 1;
        match equal(self.signer.chunk(data).signature.as_bytes(), signature.as_bytes()) {
            true => Ok(()),
            false => Err(Refusal::at(Cause::ChunkChanged, format!("chunk {}", self.number))),
        }
    }

    /// Verifies the trailers, each written as `name:value\n`, after the empty chunk.
    ///
    /// # Errors
    /// A [`Refusal`] if the signature of the trailers is wrong.
    pub fn trailer(&mut self, trailers: &str, signature: &str) -> Result<(), Refusal> {
        match equal(self.signer.trailer(trailers).signature.as_bytes(), signature.as_bytes()) {
            true => Ok(()),
            false => Err(Refusal::at(Cause::TrailerChanged, "x-amz-trailer-signature")),
        }
    }
}

/// Decodes a body of the form `size[;chunk-signature=...]\r\n data \r\n ...
/// 0[;chunk-signature=...]\r\n trailers \r\n`. `announced` is the value of `x-amz-trailer`, and
/// `length` that of `x-amz-decoded-content-length`.
pub(super) fn decode(
    body: &[u8],
    mut verifier: Option<ChunkVerifier>,
    announced: &str,
    length: Option<&str>,
) -> Result<Decoded, Refusal> {
    let malformed = || Refusal::at(Cause::Malformed, "the chunks of the body");
    let mut rest = body;
    let mut data = Vec::new();
    loop {
        let head = line(&mut rest).ok_or_else(malformed)?;
        let (size, signature) = match head.split_once(";chunk-signature=") {
            Some((size, signature)) => (size, Some(signature)),
            None => (head, None),
        };

        // A number may begin with a plus sign, but a size may not.
        if !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed());
        }

        let size = usize::from_str_radix(size, 16).map_err(|_| malformed())?;
        let (chunk, tail) = rest.split_at_checked(size).ok_or_else(malformed)?;
        match (&mut verifier, signature) {
            (Some(verifier), signature) => verifier.chunk(chunk, signature.unwrap_or(""))?,
            (None, None) => {}
            (None, Some(_)) => return Err(malformed()),
        }

        if size == 0 {
            break;
        }

        data.extend_from_slice(chunk);
        rest = tail.strip_prefix(b"\r\n").ok_or_else(malformed)?;
    }

    if length.is_some_and(|length| length.parse() != Ok(data.len())) {
        return Err(Refusal::at(Cause::PayloadChanged, "x-amz-decoded-content-length"));
    }

    let trailers = read_trailers(rest, verifier, announced)?;
    Ok(Decoded { data, trailers })
}

/// Reads the lines after the empty chunk, which must be exactly the announced trailers.
fn read_trailers(
    mut rest: &[u8],
    verifier: Option<ChunkVerifier>,
    announced: &str,
) -> Result<Vec<(String, String)>, Refusal> {
    let malformed = || Refusal::at(Cause::Malformed, "the trailers of the body");
    let (mut trailers, mut signed, mut signature) = (Vec::new(), String::new(), None);
    loop {
        let text = line(&mut rest).ok_or_else(malformed)?;
        if text.is_empty() {
            break;
        }

        let (name, value) = text.split_once(':').ok_or_else(malformed)?;
        let (name, value) = (name.trim_ascii().to_ascii_lowercase(), value.trim_ascii());
        if name == "x-amz-trailer-signature" {
            signature = Some(value.to_owned());
            continue;
        }

        signed.push_str(&format!("{name}:{value}\n"));
        trailers.push((name, value.to_owned()));
    }

    let mut expected: Vec<_> = announced
        .split(',')
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let mut names: Vec<_> = trailers.iter().map(|(name, _)| name.clone()).collect();
    expected.sort();
    names.sort();
    if expected != names || !rest.is_empty() {
        return Err(Refusal::at(Cause::TrailerChanged, "x-amz-trailer"));
    }

    match verifier {
        Some(mut verifier) if !announced.is_empty() => {
            verifier.trailer(&signed, signature.as_deref().unwrap_or(""))?;
        }
        _ if signature.is_some() => return Err(malformed()),
        _ => {}
    }

    Ok(trailers)
}

/// Returns the next line without its line ending.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().take(MAX_LINE_BYTES).position(|byte| *byte == b'\n')?;
    let (line, tail) = (&rest[..end], &rest[end + 1..]);
    *rest = tail;
    std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()
}

impl fmt::Debug for ChunkVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkVerifier").field("number", &self.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("data", &self.data.len())
            .field("trailers", &self.trailers)
            .finish()
    }
}
