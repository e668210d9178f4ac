//! Sends the bytes of an object or of a part: their checksum is sent along, and everything in the
//! response that can be verified is verified.
//!
//! Every `x-amz-checksum-*` of the response is compared with the bytes that were sent. The ETag is
//! compared if it is clearly their MD5: 32 hexadecimal digits in the response to a PutObject or an
//! UploadPart, with no sign, in the request, the response or an earlier response about the bucket,
//! of an encryption that changes ETags. S3 defines ETags in this way, and s3cmd, rclone and
//! Amazon's SDK for Java 1 rely on it. For servers whose ETags only look like MD5s there is
//! [`Checksum::None`], which compares nothing. A difference is [`ErrorKind::Integrity`] and is not
//! retried: TLS or a signed body rules out damage in transit.
//!
//! An MD5 costs more than everything else together (about 1.5 s/GiB). If only the ETag needs it, it
//! is computed only for requests without a checksum that the server has to verify: a configured
//! checksum replaces the comparison.
use super::Client;
use super::body::{BodyUse, Payload, Progress, Reopen, for_each_piece, unreadable};
use super::checksum::{Algorithm, IN_HEADERS, Running};
use super::fallback::needs_digest;
use super::meta::{ObjectMeta, etag_of, has_opaque_etag, md5_of_etag};
use super::reply::expect_nothing;
use super::request::{Call, Pair, TimeLimit};
use super::settings::{LEGAL_HOLD, LOCK_MODE};
use super::values::Checksum;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::Response;
use crate::xml::StoredChecksum;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use std::io::Read;

/// The result of storing an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutResult {
    /// The ETag, without quotes; `None` if the server did not send one. Its value is opaque.
    pub etag: Option<String>,
    /// The version that was created, in a bucket with versions.
    pub version_id: Option<String>,
    /// The checksum that the server states for the stored bytes. That of an upload was compared
    /// with the bytes that were sent.
    pub checksum: Option<StoredChecksum>,
}

impl PutResult {
    /// Describes a write by the object that was found at its key.
    pub(super) fn seen(meta: ObjectMeta) -> Self {
        let checksum = meta.checksums.into_iter().next();
        Self { etag: meta.etag, version_id: meta.version_id, checksum }
    }
}

/// Bytes that can be read as often as needed.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Bytes(&'a [u8]),
    Replay { open: &'a Reopen<'a>, length: u64 },
}

impl<'a> Content<'a> {
    fn payload(self) -> Payload<'a> {
        match self {
            Self::Bytes(bytes) => Payload::Bytes(bytes),
            Self::Replay { open, length } => Payload::Replay { open, length },
        }
    }

    /// Returns the number of bytes.
    pub(super) const fn length(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Replay { length, .. } => length,
        }
    }

    /// Returns the MD5 of the bytes.
    pub(super) fn md5(self) -> Result<[u8; 16]> {
        let mut digest = Md5::new();
        match self {
            Self::Bytes(bytes) => digest.update(bytes),
            Self::Replay { open, length } => {
                for_each_piece(&mut *open(BodyUse::Checksum), length, |piece| digest.update(piece))
                    .map_err(unreadable)?;
            }
        }
        Ok(digest.finalize().into())
    }

    /// Returns a checksum of the bytes.
    fn sum(self, algorithm: Algorithm) -> Result<String> {
        let mut sum = Running::new(algorithm);
        match self {
            Self::Bytes(bytes) => sum.update(bytes),
            Self::Replay { open, length } => {
                for_each_piece(&mut *open(BodyUse::Checksum), length, |piece| sum.update(piece))
                    .map_err(unreadable)?;
            }
        }
        Ok(sum.finish())
    }
}

/// The requirement for an ETag in the operation's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Etag {
    Optional,
    /// A completion must name the ETag, so a part without one does not count as stored.
    Required,
}

impl Client {
    /// Sends `content` with `call`, a PutObject or an UploadPart. If the server requires
    /// `Content-MD5`, a second request with this header is sent immediately, and every later first
    /// request has it. S3 requires a digest of objects that are stored with a lock.
    pub(super) fn store(
        &self,
        call: &Call<'_>,
        content: Content<'_>,
        checksum: Option<Algorithm>,
        etag: Etag,
    ) -> Result<PutResult> {
        let learnt = self.inner.wants_digest.contains(call.bucket);
        let locks = |(name, _): &Pair<'_>| matches!(&**name, LOCK_MODE | LEGAL_HOLD);
        let is_locked = checksum.is_none() && call.headers.iter().any(locks);
        let digest =
            ((learnt || is_locked) && checksum != Some(Algorithm::Md5)).then_some(Algorithm::Md5);
        match self.store_once(call, content, [checksum, digest], etag) {
            Err(error)
                if digest.is_none() && checksum != Some(Algorithm::Md5) && needs_digest(&error) =>
            {
                let stored = self.store_once(call, content, [checksum, Some(Algorithm::Md5)], etag);
                if stored.is_ok() {
                    self.inner.remember_digest(call.bucket);
                }
                stored.map_err(|again| {
                    let unsettled = again.is_unsettled() || error.is_unsettled();
                    again.with_unsettled(unsettled)
                })
            }
            result => result,
        }
    }

    fn store_once(
        &self,
        call: &Call<'_>,
        content: Content<'_>,
        checksums: [Option<Algorithm>; 2],
        etag: Etag,
    ) -> Result<PutResult> {
        let mut call = call.clone();
        let mut sent = Vec::new();
        for algorithm in checksums.into_iter().flatten() {
            let sum = content.sum(algorithm).map_err(|error| call.place(error))?;
            call = call.header(algorithm.header(), sum.clone());
            sent.push((algorithm, sum));
        }
        let (mut result, offered) = self.send_content(&mut call, content.payload(), etag)?;
        result.checksum = offered
            .check(|algorithm| match sent.iter().find(|(of, _)| *of == algorithm) {
                Some((_, sum)) => Ok(Some(sum.clone())),
                None if algorithm == Algorithm::Md5 && !sent.is_empty() => Ok(None),
                None => content.sum(algorithm).map(Some),
            })
            .map_err(|error| call.place(error))?;
        Ok(result)
    }

    /// Sends a body that can be read only once, with `call`, a PutObject. The values to compare are
    /// computed while it is sent.
    pub(super) fn store_stream(
        &self,
        mut call: Call<'_>,
        source: &mut dyn Read,
        length: u64,
        progress: &mut Progress,
    ) -> Result<PutResult> {
        let hash = self
            .checksum_algorithm(call.bucket)
            .filter(|algorithm| matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256));
        let crcs = [Algorithm::Crc64Nvme, Algorithm::Crc32c, Algorithm::Crc32];
        progress.sums.extend(crcs.into_iter().chain(hash).map(Running::new));
        // AWS always returns a checksum.
        if self.compares_etags(&call) && !self.inner.config.endpoint.is_aws() {
            progress.sums.push(Running::new(Algorithm::Md5));
        }
        let payload = Payload::Stream { source, length, progress };
        let (mut result, offered) = self.send_content(&mut call, payload, Etag::Optional)?;
        let mut of = |algorithm| {
            progress.sums.iter_mut().find(|sum| sum.algorithm() == algorithm).map(Running::finish)
        };
        result.checksum =
            offered.check(|algorithm| Ok(of(algorithm))).map_err(|error| call.place(error))?;
        Ok(result)
    }

    /// Sends the request, and returns the result and the verifiable values of the response.
    fn send_content(
        &self,
        call: &mut Call<'_>,
        payload: Payload<'_>,
        etag: Etag,
    ) -> Result<(PutResult, Offered)> {
        call.time_limit = TimeLimit::WhileBytesMove;
        let call = &*call;
        self.run(call, payload, |response, deadline| {
            if has_opaque_etag(response.headers()) {
                self.remember_opaque_etags(call.bucket);
            }
            let version_id = response.header("x-amz-version-id").map(str::to_owned);
            let result = PutResult { etag: etag_of(&response), version_id, checksum: None };
            let compared = result.etag.as_deref().filter(|_| self.compares_etags(call));
            let offered = Offered::of(&response, compared);
            expect_nothing(response, deadline, call)?;
            if etag == Etag::Required && result.etag.is_none() {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "the server sent no ETag for the part",
                ));
            }
            Ok((result, offered))
        })
    }

    /// Returns whether the ETag in the response to `call` may be compared with the MD5 of the bytes
    /// that are sent.
    fn compares_etags(&self, call: &Call<'_>) -> bool {
        self.checksum != Checksum::None
            && !self.has_opaque_etags(call.bucket)
            && !has_opaque_etag(call.headers.iter().map(|(name, value)| (&**name, &**value)))
    }
}

/// The values in the response to an upload that can be verified.
#[derive(Debug, Default)]
struct Offered {
    /// Checksums of the whole body, in base64.
    sums: Vec<(Algorithm, String)>,
    /// The ETag, if it is clearly an MD5.
    md5: Option<[u8; 16]>,
}

impl Offered {
    /// Returns the checksums in the response, and its ETag if that may be compared.
    fn of(response: &Response, etag: Option<&str>) -> Self {
        let composite = response
            .header("x-amz-checksum-type")
            .is_some_and(|of| of.eq_ignore_ascii_case("COMPOSITE"));
        let sums = IN_HEADERS.into_iter().filter(|_| !composite).filter_map(|algorithm| {
            let value = response.header(algorithm.header())?;
            // A value of another form does not belong to this algorithm.
            Some((algorithm, BASE64.encode(algorithm.decode(value)?)))
        });
        Self { sums: sums.collect(), md5: etag.and_then(md5_of_etag) }
    }

    /// Compares the values with the checksums of the bytes that were sent, as far as `sum` returns
    /// them, and returns the first that was compared. An ETag is only used if the response does not
    /// have a checksum.
    fn check(
        self,
        mut sum: impl FnMut(Algorithm) -> Result<Option<String>>,
    ) -> Result<Option<StoredChecksum>> {
        let mut proved = None;
        for (algorithm, stored) in self.sums {
            let Some(sent) = sum(algorithm)? else { continue };
            if sent != stored {
                return Err(differs(algorithm.name(), &sent, &stored));
            }
            let checksum = algorithm.public().map(|of| StoredChecksum::new(of, stored, None));
            proved = proved.or(checksum);
        }
        let Some(stored) = self.md5.filter(|_| proved.is_none()).map(|md5| BASE64.encode(md5))
        else {
            return Ok(proved);
        };
        match sum(Algorithm::Md5)? {
            Some(sent) if sent != stored => Err(differs("MD5", &sent, &stored).with_hint(
                "store it again; if the server's ETags look like MD5s and are something else, set \
                 checksum to none",
            )),
            _ => Ok(None),
        }
    }
}

/// Returns the error for bytes that were not stored as sent.
fn differs(name: &str, sent: &str, stored: &str) -> Error {
    let text = format!(
        "the server did not store the bytes that were sent: their {name} is {sent}, the server's \
         {stored}"
    );
    Error::new(ErrorKind::Integrity, text).with_hint(
        "store it again; if the error repeats, the server damages the data that it receives",
    )
}
