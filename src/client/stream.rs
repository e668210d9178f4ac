//! PutObject from a reader that gives its bytes once.
use super::Client;
use super::call::{Call, Patience, Payload};
use super::checksum::Algorithm;
use super::endpoint::Endpoint;
use super::object::{PutResult, object_call, put_result};
use super::read::{ByteRange, GetObject};
use super::settings::ObjectSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::sign::chunked::{self, ChunkSigner, Layout};
use crate::sign::{self, v4};
use std::io::{self, Read};

/// Bodies of up to 8 MiB are read into memory before [`Client::put_object_from`] sends anything: as much as one call may
/// hold, about a part of an upload, so that whoever reckons with a part for each thread has reckoned with this.
pub const HELD_BODY: u64 = 8 << 20;

/// Of a body that was sent in chunks as many of its first bytes are compared with those stored: about the line that heads
/// a chunk.
const COMPARED: usize = 64;

/// What the line that heads a signed chunk holds behind its length.
const CHUNK_HEAD: &[u8] = b";chunk-signature=";

impl Client {
    /// PutObject from a reader of which exactly `length` bytes are stored; what it has beyond is left unread.
    ///
    /// Up to [`HELD_BODY`] they are read before anything is sent, and go out as with [`Client::put_object`]: signed where
    /// [`PayloadSigning`](super::PayloadSigning) wants it, with the checksum, and again where that helps.
    ///
    /// A longer body can be sent once only: nothing is tried again after its first byte was read. Where bodies are not
    /// signed (over https, with `PayloadSigning::Unsigned`, under version 2, without credentials) it goes as it is and
    /// without a checksum; to AWS, under version 4, with a CRC of the configuration behind it. Where they are signed, it is [signed in chunks](crate::sign::chunked), 64 KiB of it in memory at a
    /// time, with a CRC of the configuration behind it; there is no MD5 then. Not every server takes that:
    ///
    /// - Servers other than AWS's are asked for the first bytes of what they stored, which takes the right to read: some
    ///   store the chunks with their signatures. That is [`ErrorKind::Integrity`], and the object is damaged.
    /// - Ceph RGW 16, SeaweedFS 4.48, rclone 1.75 and Garage 2.5 take the chunks. With a CRC behind them (never sent to
    ///   other servers than AWS's unless configured) SeaweedFS does, Ceph and Garage refuse, and rclone stores them with
    ///   their signatures.
    ///
    /// `PayloadSigning::Unsigned` (the driver's option `payload: unsigned`) is the way out for such a server.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] when the reader fails or ends before `length`; no object is stored then, and up to
    /// [`HELD_BODY`] no request was sent. [`ErrorKind::OutcomeUnknown`] when the object is stored and its first bytes
    /// could not be looked at.
    pub fn put_object_from(
        &self,
        bucket: &str,
        key: &str,
        source: &mut dyn Read,
        length: u64,
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        let mut call = settings.apply(object_call("PutObject", "PUT", bucket, key)?)?;
        if length <= HELD_BODY {
            let content = read_whole(source, length).map_err(|error| call.place(error))?;
            return self.put_object(bucket, key, &content, settings);
        }
        call.patience = Patience::Bytes;
        let mut progress = Progress::default();
        let payload = Payload::Stream { source, length, progress: &mut progress };
        let result = self.run(&call, payload, |response, deadline| put_result(response, deadline, &call));
        // AWS's own servers know all of this.
        if !progress.chunked || self.inner.endpoint.is_aws() {
            return result;
        }
        match result {
            Ok(result) => self.without_chunks(&call, &progress.beginning).map(|()| result),
            Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Integrity) => {
                Err(error.with_hint(if self.inner.checksum.and_then(Algorithm::trailer).is_some() {
                    "not every server takes a body signed in chunks with a checksum behind it (Ceph does not): set checksum \
                     to none, or payload to unsigned"
                } else {
                    "not every server takes a body signed in chunks: set payload to unsigned"
                }))
            }
            result => result,
        }
    }

    /// Whether the object begins as what was sent, and not with the head of its first chunk.
    fn without_chunks(&self, call: &Call<'_>, beginning: &[u8]) -> Result<()> {
        let range = ByteRange::Part { offset: 0, length: beginning.len() as u64 };
        let reader = self.get_object(call.bucket, call.key, &GetObject::range(range));
        let stored = match reader.and_then(|reader| reader.read_all(beginning.len())) {
            Ok(stored) => stored,
            // Somebody has replaced or deleted it since.
            Err(look) if matches!(look.kind(), ErrorKind::NoSuchKey | ErrorKind::InvalidRange) => return Ok(()),
            Err(look) => {
                let text = "the object is stored, but whether without the signatures of its chunks is not known";
                let error = Error::new(ErrorKind::OutcomeUnknown, text).with_source(look);
                return Err(call.place(error).with_hint("allow to read the object, or set payload to unsigned"));
            }
        };
        // Other bytes without such a line are somebody else's, written since.
        if stored == beginning || !stored.windows(CHUNK_HEAD.len()).any(|bytes| bytes == CHUNK_HEAD) {
            return Ok(());
        }
        let text = "the server stored the body with the signatures of its chunks in it: the object is damaged";
        let error = Error::new(ErrorKind::Integrity, text);
        Err(call.place(error).with_hint("set payload to unsigned, and store the object again"))
    }
}

/// The next `length` bytes of `source`, at most [`HELD_BODY`].
fn read_whole(source: &mut dyn Read, length: u64) -> Result<Vec<u8>> {
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let read = source.take(length).read_to_end(&mut content);
    let came = content.len() as u64;
    match read {
        Ok(_) if came == length => Ok(content),
        Ok(_) => Err(Error::new(ErrorKind::LocalIo, format!("the data to send {}", ended_early(came, length)))),
        Err(error) => {
            let text = format!("the data to send cannot be read after {came} of {length} bytes: {error}");
            Err(Error::new(ErrorKind::LocalIo, text).with_source(error))
        }
    }
}

fn ended_early(came: u64, length: u64) -> String {
    format!("ended after {came} of {length} bytes")
}

/// How far a body has come that can be read once.
#[derive(Default)]
pub(super) struct Progress {
    /// From the first read on, whatever came of it: no further attempt has the whole body.
    pub(super) begun: bool,
    /// The last attempt sent it signed in chunks.
    pub(super) chunked: bool,
    taken: u64,
    /// Its first bytes, [`COMPARED`] of them.
    beginning: Vec<u8>,
}

/// Notes what is taken of a body.
pub(super) struct Watched<'a> {
    source: &'a mut dyn Read,
    length: u64,
    progress: &'a mut Progress,
}

impl<'a> Watched<'a> {
    pub(super) fn new(source: &'a mut dyn Read, length: u64, progress: &'a mut Progress) -> io::Take<Self> {
        Self { source, length, progress }.take(length)
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.progress.begun = true;
        let count = self.source.read(into)?;
        if count == 0 && !into.is_empty() {
            let text = format!("it {}", ended_early(self.progress.taken, self.length));
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        let wanted = COMPARED.saturating_sub(self.progress.beginning.len());
        self.progress.beginning.extend(into.iter().take(count.min(wanted)));
        self.progress.taken += count as u64;
        Ok(count)
    }
}

/// Whether the chunks of a body are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    Signed,
    Unsigned,
}

/// How a body is sent in chunks.
pub(super) struct Framing {
    layout: Layout,
    chunks: Chunks,
    checksum: Option<Algorithm>,
    headers: Vec<(&'static str, String)>,
}

impl Framing {
    /// `None` for a body that goes as it is.
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
            // For the checksum's sake alone, which other servers need not know.
            (Chunks::Unsigned, Some(trailer)) if endpoint.is_aws() => Layout::unsigned_with_trailer(length, trailer),
            (Chunks::Unsigned, _) => return None,
        };
        let mut headers = layout.headers();
        headers.retain_mut(|(name, value)| {
            if *name == "content-encoding" {
                if let Some((_, own)) = call.headers.iter().find(|(of_call, _)| of_call == name) {
                    value.push(',');
                    value.push_str(own);
                }
                // AWS says to send it, and does not store it. Others do, and know the chunks without it.
                return endpoint.is_aws();
            }
            true
        });
        Some(Self { layout, chunks, checksum: checksum.filter(|_| trailer.is_some()), headers })
    }

    /// Puts what announces the chunks among a request's headers.
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
        match (self.chunks, self.checksum.map(Algorithm::behind)) {
            (Chunks::Unsigned, Some(checksum)) => self.layout.unsigned_body(data, checksum),
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
        let packed = Call::new("PutObject", "PUT", "bucket", "key").header("content-encoding", "gzip");
        for (endpoint, call, wanted) in [
            (&aws, &plain, Some("aws-chunked")),
            (&aws, &packed, Some("aws-chunked,gzip")),
            (&other, &plain, None),
            (&other, &packed, Some("gzip")),
        ] {
            let framing = Framing::new(call, 9 << 20, Chunks::Signed, Some(Algorithm::Crc64Nvme), endpoint).unwrap();
            let mut headers: Vec<_> = call.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            framing.announce(&mut headers);
            let of = |name| headers.iter().filter(|(own, _)| *own == name).map(|(_, value)| *value).collect::<Vec<_>>();
            assert_eq!(of("content-encoding"), wanted.into_iter().collect::<Vec<_>>());
            assert_eq!(of("x-amz-trailer"), ["x-amz-checksum-crc64nvme"]);
            assert_eq!(of("x-amz-decoded-content-length"), ["9437184"]);
        }
    }
}
