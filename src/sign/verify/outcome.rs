//! The results of a successful verification.
use super::chunks::{ChunkVerifier, Decoded};
use crate::sign::{Steps, Version};
use std::fmt;
use std::ops::RangeInclusive;

/// The properties of a request whose signature is valid.
#[derive(Clone)]
#[non_exhaustive]
pub struct SignedBy {
    /// The signature version.
    pub version: Version,
    /// The part of the request that carried the signature.
    pub carrier: Carrier,
    /// The access key that signed the request.
    pub access_key_id: String,
    /// The region of the credential scope, or the region set in SigV4A. Empty in version 2.
    pub region: String,
    /// The service of the credential scope. Empty in version 2.
    pub service: String,
    /// The steps that led to the signature.
    pub steps: Steps,
    /// How the signature covers the body.
    pub body: SignedBody,
    /// The data and trailers of a body that was received in chunks.
    pub decoded: Option<Decoded>,
}

/// The part of a request that carries its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carrier {
    /// The `Authorization` header.
    Header,
    /// The query of a presigned URL.
    Query,
    /// The fields of a browser's form.
    Form,
}

/// How a verified signature covers the body.
#[derive(Clone)]
#[non_exhaustive]
pub enum SignedBody {
    /// The signature does not cover the body.
    Unsigned,
    /// The signature covers this SHA-256 of the body. If the body was not read yet, the caller must
    /// compare its hash.
    Hash([u8; 32]),
    /// Every chunk is signed. If the body was not read yet, the caller must pass its chunks to this
    /// verifier.
    Chunks(Box<ChunkVerifier>),
    /// The body consists of unsigned chunks, followed by trailers.
    UnsignedChunks,
    /// The conditions of the form's policy cover the body. All of them are met.
    Policy {
        /// The policy document, decoded.
        document: Vec<u8>,
        /// The sizes that the policy allows. If the size of the file was not known yet, the caller
        /// must compare it.
        file_size: RangeInclusive<u64>,
    },
}

impl fmt::Debug for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedBy")
            .field("version", &self.version)
            .field("carrier", &self.carrier)
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// Shows only the length of a policy document, because one of its conditions may contain a session
/// token.
impl fmt::Debug for SignedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("Unsigned"),
            Self::Hash(hash) => f.debug_tuple("Hash").field(hash).finish(),
            Self::Chunks(verifier) => f.debug_tuple("Chunks").field(verifier).finish(),
            Self::UnsignedChunks => f.write_str("UnsignedChunks"),
            Self::Policy { document, file_size } => f
                .debug_struct("Policy")
                .field("document", &document.len())
                .field("file_size", file_size)
                .finish(),
        }
    }
}
