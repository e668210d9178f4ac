//! GetObject, and a reader that continues where a broken connection stopped.
use super::Client;
use super::body::Payload;
use super::call::Retry;
use super::checksum::{Algorithm, Expected};
use super::condition::Condition;
use super::meta::{ObjectMeta, SameContent, etag_of, is_weak, same_etag};
use super::observed::DownloadWatch;
use super::opened::{Arrived, Excess, Opened, RangeSupport, counted};
use super::range::ByteRange;
use super::request::{Call, TimeLimit, object_call, version_of};
use super::retry;
use super::transport_failure::read_error;
use super::values::ChecksumMode;
use crate::bounds;
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;
use crate::transport::Response;
use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

/// A request for an object or a range of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GetObject {
    /// The range to request.
    pub range: ByteRange,
    /// The condition that the object must meet.
    pub condition: Condition,
    /// The version to read; `None` is the current one. S3 requires the permission
    /// `s3:GetObjectVersion` for it.
    pub version_id: Option<String>,
    /// Whether to request the stored checksums, which [`ObjectMeta::checksums`] then has.
    pub checksum_mode: ChecksumMode,
    /// Headers that the server should send in place of the stored ones.
    pub overrides: ResponseHeaders,
}

/// Headers that a response should have in place of the stored ones (`response-*`). S3 refuses them
/// without a signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseHeaders {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`.
    pub expires: Option<Timestamp>,
}

impl ResponseHeaders {
    fn apply_to<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        call.maybe_query("response-content-type", self.content_type.as_deref())
            .maybe_query("response-content-disposition", self.content_disposition.as_deref())
            .maybe_query("response-content-encoding", self.content_encoding.as_deref())
            .maybe_query("response-content-language", self.content_language.as_deref())
            .maybe_query("response-cache-control", self.cache_control.as_deref())
            .maybe_query("response-expires", self.expires.map(Timestamp::http_date))
    }
}

impl GetObject {
    /// Requests these bytes of the object.
    pub fn range(range: ByteRange) -> Self {
        Self { range, ..Self::default() }
    }

    /// Requests this version of the object.
    #[must_use]
    pub fn version_id(mut self, version: impl Into<String>) -> Self {
        self.version_id = Some(version.into());
        self
    }

    /// Chooses whether to request the stored checksums.
    #[must_use]
    pub const fn checksum_mode(mut self, mode: ChecksumMode) -> Self {
        self.checksum_mode = mode;
        self
    }

    /// Replaces headers of the response.
    #[must_use]
    pub fn overrides(mut self, headers: ResponseHeaders) -> Self {
        self.overrides = headers;
        self
    }

    /// Adds the headers and parameters that GetObject and HeadObject have in common.
    pub(super) fn apply_to<'a>(&'a self, call: Call<'a>) -> Result<Call<'a>> {
        let mode = (self.checksum_mode == ChecksumMode::Enabled).then_some("ENABLED");
        let call =
            version_of(call, self.version_id.as_deref())?.maybe_header("x-amz-checksum-mode", mode);
        self.condition.apply_to_read(self.overrides.apply_to(call))
    }

    /// Requests the object only if it meets `condition`.
    #[must_use]
    pub fn condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }
}

/// A reader of an object's bytes, as they arrive.
///
/// `Ok(0)` means that the whole range has arrived, and matches the checksum if there is one. If the
/// connection breaks, the reader requests the rest with `If-Match`, so that it never mixes two
/// versions. Data whose completeness cannot be verified is an error.
pub struct ObjectReader {
    client: Client,
    /// The bucket and the key, one after the other.
    names: String,
    /// The length of the bucket in `names`: an ARN and a key both have slashes.
    bucket_length: usize,
    range: ByteRange,
    meta: ObjectMeta,
    response: Option<Response>,
    /// Reports the end of the response.
    watch: Option<DownloadWatch>,
    /// The number of bytes of the range returned so far.
    done: u64,
    /// The number of bytes in the range.
    length: u64,
    /// The checksum of the whole object, if the server sent one.
    expected: Option<Expected>,
    excess: Excess,
    ranges: RangeSupport,
    /// The number of breaks since [`STEADY`] bytes arrived in a row.
    breaks: u32,
    /// The number of bytes since the last break.
    steady: u64,
    /// The failure after the last byte, with which all further reads fail: otherwise the next one
    /// would report the end of the object.
    failure: Option<(ErrorKind, String)>,
}

/// After this many bytes without a break, earlier breaks are forgotten. If a connection breaks more
/// often, the reader gives up.
const STEADY: u64 = 256 << 10;

impl Client {
    /// [GetObject]: opens the object for reading. The reader returns the stored bytes and never
    /// decompresses them.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchKey`]; [`ErrorKind::InvalidRange`] if the range begins at the end or
    /// after it; [`ErrorKind::PreconditionFailed`] or [`ErrorKind::NotModified`] if the condition
    /// does not hold.
    ///
    /// [GetObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    pub fn get_object(&self, bucket: &str, key: &str, request: &GetObject) -> Result<ObjectReader> {
        if request.range.is_empty() {
            return Err(
                object_call("GetObject", "GET", bucket, key)?.refuse("the range has no bytes")
            );
        }
        let opened = self.request(bucket, key, request)?;
        if request.condition.is_refuted_by(opened.meta.etag.as_deref()) {
            return Err(place(another_etag(), bucket, key));
        }
        Ok(ObjectReader::new(self, bucket, key, opened))
    }

    /// Returns a range of an object's bytes (end not included), or fewer if the object ends
    /// earlier.
    ///
    /// ```no_run
    /// use s3driver::client::Client;
    ///
    /// let magic = Client::from_env()?.read_range("bucket", "image.png", 0..8)?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`Client::get_object`]; [`ErrorKind::InvalidArgument`] if the range is too
    /// long for the memory of this machine.
    pub fn read_range(&self, bucket: &str, key: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let length = range.end.saturating_sub(range.start);
        let limit = usize::try_from(length).map_err(|_| {
            place(Error::new(ErrorKind::InvalidArgument, "the range is too long"), bucket, key)
        })?;
        let part = ByteRange::Part { offset: range.start, length };
        self.get_object(bucket, key, &GetObject::range(part))?.read_all(limit)
    }

    /// Opens a range of the content that an earlier response described, with `length` bytes in the
    /// range.
    ///
    /// # Errors
    /// [`ErrorKind::Integrity`] if the object has changed or is gone.
    pub(crate) fn get_same_version(
        &self,
        bucket: &str,
        key: &str,
        range: ByteRange,
        same: SameContent<'_>,
        length: u64,
    ) -> Result<ObjectReader> {
        let etag = same.etag;
        // A weak ETag is not sent; it is compared below.
        let condition = etag.map_or(Condition::Always, |etag| Condition::IfMatch(etag.to_owned()));
        let opened = match self.request(
            bucket,
            key,
            &GetObject {
                range,
                condition,
                version_id: same.version_id.map(str::to_owned),
                ..GetObject::default()
            },
        ) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PreconditionFailed | ErrorKind::NoSuchKey | ErrorKind::InvalidRange
                ) =>
            {
                return Err(changed(bucket, key).with_source(error));
            }
            opened => opened?,
        };
        // Detects a change on servers that ignore If-Match.
        if opened.meta.etag.as_deref() != etag || opened.length != length {
            return Err(changed(bucket, key));
        }
        Ok(ObjectReader::new(self, bucket, key, opened))
    }

    /// Requests the range, and checks that the server sends exactly that.
    fn request(&self, bucket: &str, key: &str, request: &GetObject) -> Result<Opened> {
        let range = request.range;
        let call =
            object_call("GetObject", "GET", bucket, key)?.maybe_header("range", range.header());
        let mut call = request.apply_to(call)?;
        call.time_limit = TimeLimit::WhileBytesMove;
        // Stored checksums cover whole objects, so a range does not have one. An ETag that is not
        // an MD5 cannot be compared.
        let is_comparable =
            |algorithm| algorithm != Algorithm::Md5 || !self.has_opaque_etags(bucket);
        let algorithm = self
            .checksum_algorithm(bucket)
            .filter(|algorithm| range == ByteRange::All && is_comparable(*algorithm));
        if let Some(algorithm) = algorithm.filter(|_| request.checksum_mode == ChecksumMode::Auto) {
            call = algorithm.request_in(call);
        }
        let open = |size| {
            self.run(&call, Payload::Empty, |response, _| {
                Arrived::of(response, range, size, algorithm)
            })
        };
        let mut opened = match open(None)? {
            Arrived::Opened(opened) => opened,
            Arrived::Unsized(response) => {
                let etag = etag_of(&response);
                let (size, first) = self.size_of(bucket, key, request, response)?;
                let first = first.map(|response| Opened::of(response, range, size, algorithm));
                match first.transpose() {
                    Ok(Some(opened)) => opened,
                    Err(error) if !self.may_open_again(&error)? => {
                        return Err(place(error, bucket, key));
                    }
                    // The next response must be of the object with this size.
                    Ok(None) | Err(_) => match open(Some(size))? {
                        Arrived::Opened(opened) if opened.meta.etag == etag => opened,
                        Arrived::Opened(_) | Arrived::Unsized(_) => {
                            return Err(changed(bucket, key));
                        }
                    },
                }
            }
        };
        opened.meta.requested_version.clone_from(&request.version_id);
        Ok(opened)
    }

    /// Waits after `error`, which ended the response to a GetObject before it was opened. Returns
    /// whether to request the object again.
    fn may_open_again(&self, error: &Error) -> Result<bool> {
        Ok(retry::may_retry(error) && self.pause(1, error)? == Retry::Due)
    }

    /// Requests the size of an object whose `response` does not state it, and returns that response
    /// for use. Without the size, nothing shows whether all bytes have arrived: the end of a
    /// connection may be a break.
    ///
    /// If the server does not state the size at all, the response is read to the end of its chunks
    /// to count its bytes, and the object has to be requested again.
    fn size_of(
        &self,
        bucket: &str,
        key: &str,
        request: &GetObject,
        response: Response,
    ) -> Result<(u64, Option<Response>)> {
        let same = GetObject { version_id: request.version_id.clone(), ..GetObject::default() };
        let meta = match self.head_object(bucket, key, &same) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => {
                return match counted(response, request.range) {
                    Some(size) => Ok((size, None)),
                    None => Err(error),
                };
            }
        };
        match etag_of(&response) {
            Some(etag) if meta.etag.is_some_and(|found| !same_etag(&found, &etag)) => {
                Err(changed(bucket, key))
            }
            _ => Ok((meta.size, Some(response))),
        }
    }
}

/// Returns the error for a condition that could not be sent and that the response contradicts.
pub(super) fn another_etag() -> Error {
    Error::new(ErrorKind::PreconditionFailed, "the object has another ETag")
}

/// Returns the error for an object that changed after reading began.
fn changed(bucket: &str, key: &str) -> Error {
    place(
        Error::new(ErrorKind::Integrity, "the object changed while it was being read"),
        bucket,
        key,
    )
}

fn place(error: Error, bucket: &str, key: &str) -> Error {
    error.with_operation("GetObject").with_bucket(bucket).with_key(key)
}

impl ObjectReader {
    fn new(client: &Client, bucket: &str, key: &str, opened: Opened) -> Self {
        Self {
            client: client.clone(),
            names: [bucket, key].concat(),
            bucket_length: bucket.len(),
            range: opened.range,
            meta: opened.meta.in_bucket(bucket),
            watch: client.inner.watch_download(&opened.response),
            response: Some(opened.response),
            done: 0,
            length: opened.length,
            expected: opened.expected,
            excess: opened.excess,
            ranges: opened.ranges,
            breaks: 0,
            steady: 0,
            failure: None,
        }
    }
    /// Returns the server's description of the object.
    pub const fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// Returns the total number of bytes that this reader yields.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Reports whether the response is the requested range, and not the whole object.
    pub(crate) fn is_range(&self) -> bool {
        self.excess == Excess::Contradiction
    }

    /// Returns whether further ranges of this version can be read at the same time.
    pub(crate) fn may_be_split(&self) -> bool {
        self.ranges == RangeSupport::Announced
            && self.meta.etag.as_deref().is_some_and(|etag| !is_weak(etag))
    }

    /// Takes the checksum of the whole object, for a caller that reads the rest separately.
    pub(crate) fn take_expected(&mut self) -> Option<Expected> {
        self.expected.take()
    }

    /// Reads everything, but at most `limit` bytes.
    ///
    /// # Errors
    /// The errors of reading, and [`ErrorKind::InvalidArgument`] if there are more than `limit`
    /// bytes.
    pub fn read_all(mut self, limit: usize) -> Result<Vec<u8>> {
        let too_much = |reader: &Self| {
            reader.error(
                ErrorKind::InvalidArgument,
                format!("the object is larger than the {limit} bytes allowed here"),
            )
        };
        let expected = usize::try_from(self.left()).unwrap_or(usize::MAX);
        if expected > limit {
            return Err(too_much(&self));
        }
        let mut content = Vec::new();
        let mut filled = 0_usize;
        while self.left() != 0 {
            if filled == content.len() {
                bounds::extend(&mut content, filled, expected).map_err(|error| {
                    self.error(
                        ErrorKind::LocalIo,
                        format!("there is no memory for more than the first {filled} bytes"),
                    )
                    .with_source(error)
                })?;
            }
            let count = self.pull(&mut content[filled..])?;
            filled = filled.saturating_add(count);
        }
        // Also reads the end.
        self.pull(&mut [0])?;
        content.truncate(filled);
        Ok(content)
    }

    /// Reads like [`Read::read`], but returns this crate's error.
    ///
    /// # Errors
    /// If reading was interrupted, the next read continues after the bytes that have arrived. A
    /// failure after the last byte, such as a wrong checksum, is final.
    pub fn pull(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if let Some((kind, text)) = &self.failure {
            return Err(self.error(*kind, format!("an earlier read has failed: {text}")));
        }
        let result = self.step(buffer);
        if let Err(error) = &result
            && self.left() == 0
        {
            self.failure = Some((error.kind(), error.message().to_owned()));
        }
        result
    }

    fn step(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let left = self.left();
            if buffer.is_empty() || (left == 0 && self.response.is_none()) {
                return Ok(0);
            }
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let Some(response) = &mut self.response else {
                self.resume()?;
                continue;
            };
            if left == 0 {
                // Reading the end returns the connection to the pool.
                let mut beyond = [0];
                let end = response.read(&mut beyond);
                self.end_response();
                return match end {
                    Ok(n) if n > 0 && self.excess == Excess::Contradiction => Err(self.error(
                        ErrorKind::Protocol,
                        "the server sent more bytes than it announced",
                    )),
                    // The checksum of an empty object is compared with no bytes.
                    Ok(_) => self.verify_checksum().map(|()| 0),
                    Err(error) => Err(self.place(read_error(error))),
                };
            }
            match response.read(&mut buffer[..room]) {
                Ok(0) => {
                    self.end_response();
                    let text =
                        format!("the body ended after {} of {} bytes", self.done, self.length);
                    self.recover_from(Error::new(ErrorKind::Interrupted, text))?;
                }
                Ok(n) => {
                    self.done += n as u64;
                    self.steady += n as u64;
                    if let Some(expected) = &mut self.expected {
                        expected.update(&buffer[..n]);
                    }
                    if self.length == self.done {
                        // Verified before the last bytes are returned: otherwise the caller could
                        // take the object for complete.
                        self.verify_checksum()?;
                    }
                    if self.steady >= STEADY {
                        self.breaks = 0;
                    }
                    return Ok(n);
                }
                Err(error) => {
                    self.end_response();
                    let error = read_error(error);
                    self.recover_from(error)?;
                }
            }
        }
    }

    /// Drops the response, and reports how it ended.
    fn end_response(&mut self) {
        self.response = None;
        if let Some(watch) = self.watch.take() {
            let config = &self.client.inner.config;
            let now = config.clock.instant();
            watch.report(&config.observers, now, self.names());
        }
    }

    /// Returns the number of bytes of the range that are still missing.
    const fn left(&self) -> u64 {
        self.length.saturating_sub(self.done)
    }

    /// Compares the received bytes with the server's checksum.
    fn verify_checksum(&mut self) -> Result<()> {
        let Some(expected) = self.expected.take() else { return Ok(()) };
        expected.check().map_err(|error| {
            self.end_response();
            self.place(error)
        })
    }

    /// Decides whether reading can continue after a break, and waits before it does.
    fn recover_from(&mut self, error: Error) -> Result<()> {
        self.breaks += 1;
        self.steady = 0;
        let resumable = retry::may_retry(&error)
            && self.breaks < self.client.inner.config.retry.max_attempts
            && self.meta.etag.is_some();
        let go_on = resumable
            && self.client.pause(self.breaks, &error).map_err(|error| self.place(error))?
                == Retry::Due;
        if go_on { Ok(()) } else { Err(self.place(error.with_attempts(self.breaks))) }
    }

    /// Requests the rest, only of the same version.
    fn resume(&mut self) -> Result<()> {
        let left = self.left();
        let (range, same) = (self.range.rest(self.done), self.meta.same());
        let (bucket, key) = self.names();
        let mut rest = self.client.get_same_version(bucket, key, range, same, left)?;
        (self.response, self.watch) = (rest.response.take(), rest.watch.take());
        self.excess = rest.excess;
        Ok(())
    }

    /// Returns the error for an object that differs from the one whose reading began.
    pub(crate) fn changed(&self) -> Error {
        let (bucket, key) = self.names();
        changed(bucket, key)
    }

    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        self.place(Error::new(kind, message))
    }

    fn place(&self, error: Error) -> Error {
        let (bucket, key) = self.names();
        place(error, bucket, key)
    }

    /// Returns the bucket and the key.
    fn names(&self) -> (&str, &str) {
        self.names.split_at_checked(self.bucket_length).unwrap_or_default()
    }
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        self.end_response();
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pull(buffer).map_err(io::Error::from)
    }
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bucket, key) = self.names();
        f.debug_struct("ObjectReader")
            .field("bucket", &bucket)
            .field("key", &key)
            .field("done", &self.done)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
