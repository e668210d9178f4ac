//! The payload of one attempt: how much of it the signature covers, and the reader that is sent.
use super::Client;
use super::body::{BodyUse, Payload, Watched, sha256, unreadable};
use super::endpoint::Located;
use super::framing::{Chunks, Framing};
use super::request::Call;
use super::signing::{Signing, unsignable};
use super::values::SignatureVersion;
use crate::credentials::Lease;
use crate::error::Result;
use crate::sign::v4;
use crate::transport::RequestBody;
use sha2::{Digest as _, Sha256};
use std::io::Read;

/// The way in which a signature covers the body.
pub(super) enum Coverage {
    /// The request does not have a body.
    NoBody,
    /// The signature covers the hash of the body.
    Hash([u8; 32]),
    /// The signature covers the body chunk by chunk, or not at all except for the checksum after
    /// the chunks.
    Chunks(Framing),
    /// The signature does not cover the body.
    Nothing,
}

impl Coverage {
    pub(super) fn choose(
        payload: &Payload<'_>,
        client: &Client,
        call: &Call<'_>,
        located: &Located,
        lease: &Lease,
    ) -> Result<Self> {
        let inner = &*client.inner;
        let signed = inner.signs_payload(located);
        Ok(match payload {
            Payload::Empty => Self::NoBody,
            Payload::Bytes(bytes) if signed => Self::Hash(Sha256::digest(bytes).into()),
            Payload::Replay { open, length } if signed => {
                Self::Hash(sha256(&mut *open(BodyUse::Checksum), *length).map_err(unreadable)?)
            }
            Payload::Stream { .. } if signed && located.is_for_every_region() => {
                let text = "payload signed cannot be used with multi-region access points for a \
                            body that is read only once: version 4A does not sign chunks";
                return Err(call.refuse(text));
            }
            Payload::Stream { length, .. }
                if !located.is_for_every_region()
                    && inner.config.signature == SignatureVersion::V4
                    && lease.credentials.is_some() =>
            {
                let chunks = if signed { Chunks::Signed } else { Chunks::Unsigned };
                let checksum = client.checksum_algorithm(call.bucket);
                Framing::new(call, *length, chunks, checksum, &inner.config.endpoint)
                    .map_or(Self::Nothing, Self::Chunks)
            }
            _ => Self::Nothing,
        })
    }

    pub(super) const fn framing(&self) -> Option<&Framing> {
        if let Self::Chunks(framing) = self { Some(framing) } else { None }
    }

    pub(super) fn to_sign(&self) -> v4::Payload<'_> {
        match self {
            Self::NoBody => v4::Payload::Bytes(b""),
            Self::Hash(hash) => v4::Payload::Hash(hash),
            Self::Chunks(framing) => framing.payload(),
            Self::Nothing => v4::Payload::Unsigned,
        }
    }

    /// Opens the body of a request that is signed with `signing`.
    pub(super) fn open<'a>(
        &self,
        payload: &'a mut Payload<'_>,
        signing: &Signing,
    ) -> Result<Outgoing<'a>> {
        Ok(match payload {
            Payload::Empty => Outgoing::Bytes(b""),
            Payload::Bytes(bytes) => Outgoing::Bytes(bytes),
            Payload::Replay { open, length } => Outgoing::Reader(open(BodyUse::Sending), *length),
            Payload::Stream { source, length, progress } => {
                let signer = signing.chunk_signer().map_err(|error| unsignable(&error))?;
                let framing = self.framing().zip(signer);
                progress.chunked = framing.is_some();
                let watched = Watched::new(*source, *length, progress);
                match framing {
                    Some((framing, signer)) => {
                        let chunked =
                            framing.body(watched, signer).map_err(|error| unsignable(&error))?;
                        Outgoing::Reader(Box::new(chunked), framing.length())
                    }
                    None => Outgoing::Reader(Box::new(watched), *length),
                }
            }
        })
    }
}

/// The body of one attempt.
pub(super) enum Outgoing<'a> {
    Bytes(&'a [u8]),
    /// A reader and the number of bytes that it yields.
    Reader(Box<dyn Read + 'a>, u64),
}

impl Outgoing<'_> {
    pub(super) fn as_body(&mut self) -> RequestBody<'_> {
        match self {
            Self::Bytes(b"") => RequestBody::Empty,
            Self::Bytes(bytes) => RequestBody::Bytes(bytes),
            Self::Reader(source, length) => {
                RequestBody::Reader { source: &mut **source, length: *length }
            }
        }
    }
}
