//! PutObject from a reader that can be read only once.
use super::Client;
use super::body::{Progress, ended_early};
use super::checksum::Algorithm;
use super::range::ByteRange;
use super::read::GetObject;
use super::request::{Call, object_call};
use super::settings::ObjectSettings;
use super::store::PutResult;
use crate::error::{Error, ErrorKind, Result};
use std::io::Read;

/// Bodies of up to 8 MiB are read into memory before [`Client::put_object_from`] sends anything.
/// That is about one part of an upload, so memory that is planned as one part per thread includes
/// it.
pub const HELD_BODY: u64 = 8 << 20;

/// The text after the length in the line at the start of a signed chunk.
const CHUNK_HEAD: &[u8] = b";chunk-signature=";

impl Client {
    /// Stores exactly `length` bytes of a reader (PutObject); further bytes are left unread.
    ///
    /// Up to [`HELD_BODY`] they are read before anything is sent, and are sent as by
    /// [`Client::put_object`]: signed if [`PayloadSigning`](super::PayloadSigning) requires it,
    /// with the checksum, and with retries.
    ///
    /// A longer body can be sent only once: there is no retry after its first byte was read. If
    /// bodies are not signed (over https, with `PayloadSigning::Unsigned`, with version 2, without
    /// credentials), it is sent unchanged and without a checksum; to AWS with version 4, it is
    /// followed by the configured checksum. If they are signed, it is [signed in
    /// chunks](crate::sign::chunked), with 64 KiB in memory at a time, and followed by the
    /// configured checksum, but never by an MD5. Not every server accepts that:
    ///
    /// - Some servers store the chunks with their signatures. On servers other than AWS's, the
    ///   client therefore reads the first bytes of the stored object, which requires the permission
    ///   to read. A damaged object is [`ErrorKind::Integrity`].
    /// - Ceph RGW 16, SeaweedFS 4.48, rclone 1.75 and Garage 2.5 accept the chunks. With a
    ///   checksum after them (only sent to servers other than AWS's if configured), SeaweedFS
    ///   accepts them, Ceph and Garage refuse them, and rclone stores them with their signatures.
    ///
    /// `PayloadSigning::Unsigned` (the driver's option `payload: unsigned`) avoids chunks on such a
    /// server.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] if the reader fails or ends before `length`; no object is stored
    /// then, and up to [`HELD_BODY`] no request was sent. [`ErrorKind::OutcomeUnknown`] if the
    /// object is stored and its first bytes could not be read.
    pub fn put_object_from(
        &self,
        bucket: &str,
        key: &str,
        source: &mut dyn Read,
        length: u64,
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        let call = settings.apply_to(object_call("PutObject", "PUT", bucket, key)?)?;
        let call = settings.condition.apply_to_write(call)?;
        if length <= HELD_BODY {
            let content = read_whole(source, length).map_err(|error| call.place(error))?;
            return self.put_object(bucket, key, &content, settings);
        }
        let mut progress = Progress::default();
        let result = self.store_stream(call, source, length, &mut progress);
        // AWS's own servers support chunks and trailers.
        if !progress.chunked || self.inner.config.endpoint.is_aws() {
            return result;
        }
        match result {
            Ok(result) => {
                let call = Call::new("PutObject", "PUT", bucket, key);
                self.check_beginning(&call, &progress.beginning).map(|()| result)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Integrity) => {
                let algorithm = self.checksum_algorithm(bucket);
                Err(error.with_hint(if algorithm.and_then(Algorithm::trailer).is_some() {
                    "not every server takes a body signed in chunks with a checksum after it (Ceph \
                     does not): set checksum to none, or payload to unsigned"
                } else {
                    "not every server takes a body signed in chunks: set payload to unsigned"
                }))
            }
            result => result,
        }
    }

    /// Checks that the object begins with the bytes that were sent, not with the line before the
    /// first chunk.
    fn check_beginning(&self, call: &Call<'_>, beginning: &[u8]) -> Result<()> {
        let range = ByteRange::Part { offset: 0, length: beginning.len() as u64 };
        let reader = self.get_object(call.bucket, call.key, &GetObject::range(range));
        let stored = match reader.and_then(|reader| reader.read_all(beginning.len())) {
            Ok(stored) => stored,
            // Another request has replaced or deleted the object since then.
            Err(look) if matches!(look.kind(), ErrorKind::NoSuchKey | ErrorKind::InvalidRange) => {
                return Ok(());
            }
            Err(look) => {
                let text = "the object is stored, but it is not known whether it contains the \
                            signatures of its chunks";
                let error = Error::new(ErrorKind::OutcomeUnknown, text).with_source(look);
                return Err(call.place(error).with_hint(
                    "allow these credentials to read the object, or set payload to unsigned",
                ));
            }
        };
        // Other bytes without such a line were written by another request since then.
        if stored == beginning || !stored.windows(CHUNK_HEAD.len()).any(|bytes| bytes == CHUNK_HEAD)
        {
            return Ok(());
        }
        let text = "the server stored the body with the signatures of its chunks in it: the object \
                    is damaged";
        let error = Error::new(ErrorKind::Integrity, text);
        Err(call.place(error).with_hint("set payload to unsigned, and store the object again"))
    }
}

/// Returns the next `length` bytes of `source`, at most [`HELD_BODY`].
fn read_whole(source: &mut dyn Read, length: u64) -> Result<Vec<u8>> {
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let read = source.take(length).read_to_end(&mut content);
    let came = content.len() as u64;
    match read {
        Ok(_) if came == length => Ok(content),
        Ok(_) => Err(Error::new(
            ErrorKind::LocalIo,
            format!("the data to send {}", ended_early(came, length)),
        )),
        Err(error) => {
            let text =
                format!("the data to send cannot be read after {came} of {length} bytes: {error}");
            Err(Error::new(ErrorKind::LocalIo, text).with_source(error))
        }
    }
}
