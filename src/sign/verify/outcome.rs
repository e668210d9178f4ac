//! The facts about a request whose signature is right.
use super::chunks::{ChunkVerifier, Decoded};
use crate::sign::{Steps, Version};
use std::fmt;
use std::ops::RangeInclusive;

/// A request whose signature is right.
#[derive(Clone)]
#[non_exhaustive]
pub struct SignedBy {
    /// The version of the signature.
    pub version: Version,
    /// Where the signature was.
    pub carrier: Carrier,
    /// The access key that signed.
    pub access_key_id: String,
    /// The region of the credential scope; the region set in SigV4A; empty in version 2.
    pub region: String,
    /// The service of the credential scope; empty in version 2.
    pub service: String,
    /// The steps that led to the signature.
    pub steps: Steps,
    /// How the body is covered.
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
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignedBody {
    /// Not at all.
    Unsigned,
    /// By its SHA-256. A body that was not read yet must have this one.
    Hash([u8; 32]),
    /// Chunk by chunk. A body that was not read yet goes through this verifier.
    Chunks(Box<ChunkVerifier>),
    /// In chunks without signatures, followed by trailers.
    UnsignedChunks,
    /// By the conditions of the form's policy, all of which hold.
    Policy {
        /// The policy document, decoded.
        document: Vec<u8>,
        /// The sizes that the policy allows. A file whose size was not known yet must have one of
        /// them.
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
