//! Bodies that are sent in chunks.
use super::checksum::Algorithm;
use super::endpoint::Endpoint;
use super::request::Call;
use crate::sign::chunked::{self, ChunkSigner, Layout};
use crate::sign::{self, v4};
use std::io::Read;

/// The kind of chunks in a body: signed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    Signed,
    Unsigned,
}

/// The chunks that a body is sent in, and the headers that announce them.
pub(super) struct Framing {
    layout: Layout,
    chunks: Chunks,
    checksum: Option<Algorithm>,
    headers: Vec<(&'static str, String)>,
}

impl Framing {
    /// Returns `None` for a body that is sent without chunks.
    pub(super) fn new(
        call: &Call<'_>,
        length: u64,
        chunks: Chunks,
        checksum: Option<Algorithm>,
        endpoint: &Endpoint,
    ) -> Option<Self> {
        let trailer = checksum.and_then(Algorithm::trailer);
        let layout = match (chunks, trailer) {
            (Chunks::Signed, Some(trailer)) => Layout::signed_with_trailer(length, trailer),
            (Chunks::Signed, None) => Layout::signed(length),
            // Chunks only for the sake of the checksum, which other servers may not support.
            (Chunks::Unsigned, Some(trailer)) if endpoint.is_aws() => {
                Layout::unsigned_with_trailer(length, trailer)
            }
            (Chunks::Unsigned, _) => return None,
        };
        let mut headers = layout.headers();
        headers.retain_mut(|(name, value)| {
            if *name == "content-encoding" {
                if let Some((_, own)) = call.headers.iter().find(|(of_call, _)| of_call == name) {
                    value.push(',');
                    value.push_str(own);
                }
                // AWS documents this value and does not store it. Other servers store it, and
                // recognize chunks without it.
                return endpoint.is_aws();
            }
            true
        });
        Some(Self { layout, chunks, checksum: checksum.filter(|_| trailer.is_some()), headers })
    }

    /// Adds the headers that announce the chunks, replacing headers of the request with the same
    /// names.
    pub(super) fn announce<'a>(&'a self, headers: &mut Vec<(&'a str, &'a str)>) {
        headers.retain(|(name, _)| self.headers.iter().all(|(own, _)| own != name));
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
    }

    pub(super) const fn payload(&self) -> v4::Payload<'static> {
        self.layout.payload()
    }

    pub(super) fn length(&self) -> u64 {
        self.layout.encoded_length()
    }

    pub(super) fn body<'a, R: Read>(
        &self,
        data: R,
        signer: ChunkSigner,
    ) -> std::result::Result<chunked::FramedBody<'a, R>, sign::Error> {
        match (self.chunks, self.checksum.map(Algorithm::running)) {
            (Chunks::Unsigned, Some(checksum)) => self.layout.unsigned_body(data, [checksum]),
            (_, checksum) => self.layout.signed_body(data, signer, checksum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Scheme, Variant};

    #[test]
    fn the_framing_is_an_encoding_to_aws_alone() {
        let aws = Endpoint::aws("eu-central-1", Scheme::Http, Variant::default()).unwrap();
        let other = Endpoint::custom("http://localhost:1", None, Scheme::Http).unwrap();
        let plain = Call::new("PutObject", "PUT", "bucket", "key");
        let packed =
            Call::new("PutObject", "PUT", "bucket", "key").header("content-encoding", "gzip");
        for (endpoint, call, wanted) in [
            (&aws, &plain, Some("aws-chunked")),
            (&aws, &packed, Some("aws-chunked,gzip")),
            (&other, &plain, None),
            (&other, &packed, Some("gzip")),
        ] {
            let framing =
                Framing::new(call, 9 << 20, Chunks::Signed, Some(Algorithm::Crc64Nvme), endpoint)
                    .unwrap();
            let mut headers: Vec<_> =
                call.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            framing.announce(&mut headers);
            let of = |name| {
                headers
                    .iter()
                    .filter(|(own, _)| *own == name)
                    .map(|(_, value)| *value)
                    .collect::<Vec<_>>()
            };
            assert_eq!(of("content-encoding"), wanted.into_iter().collect::<Vec<_>>());
            assert_eq!(of("x-amz-trailer"), ["x-amz-checksum-crc64nvme"]);
            assert_eq!(of("x-amz-decoded-content-length"), ["9437184"]);
        }
    }
}
