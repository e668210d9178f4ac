//! The signature chain over the chunks of a body.
use super::SIGNATURE_LENGTH;
use crate::sign::Error;
use crate::sign::hash::{EMPTY_SHA256, Hex, sha256};
use crate::sign::redact::Hidden;
use crate::sign::v4::SigningKey;
use crate::time::Timestamp;
use std::fmt;

/// The signer of a body's chunks. Each chunk is signed together with the previous signature; the
/// first one uses the signature of the request, the seed.
#[derive(Clone)]
pub struct ChunkSigner {
    key: SigningKey,
    /// `20130524T000000Z` and the scope, on two lines.
    date_and_scope: String,
    previous: String,
}

/// One link of the chain. `Debug` redacts secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// The string to sign.
    pub string_to_sign: String,
    /// The signature in hex.
    pub signature: String,
}

impl ChunkSigner {
    /// Continues the chain of a request that was signed at `time` with `key` and whose signature is
    /// `seed`.
    ///
    /// # Errors
    /// [`Error::SigningKeyDay`] if `time` and the key belong to different days, [`Error::Seed`] if
    /// the seed is not a version 4 signature.
    pub fn new(key: &SigningKey, time: Timestamp, seed: &str) -> Result<Self, Error> {
        if seed.len() != SIGNATURE_LENGTH || !seed.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::Seed);
        }

        Ok(Self {
            key: key.clone(),
            date_and_scope: key.date_and_scope(time)?,
            previous: seed.to_owned(),
        })
    }

    /// Signs the next chunk. The last chunk is empty.
    pub fn chunk(&mut self, data: &[u8]) -> Link {
        let hash = match data {
            [] => None,
            data => Some(Hex::of(&sha256(data))),
        };

        let hash = hash.as_ref().map_or(EMPTY_SHA256, Hex::as_str);
        // The second-to-last line is the hash of the chunk's headers. A chunk has no headers.
        self.link("AWS4-HMAC-SHA256-PAYLOAD", &[EMPTY_SHA256, hash])
    }

    /// Signs the trailers, each written as `name:value\n`, after the empty chunk.
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
