//! Operations on one object, or on many by name: put, delete, copy.
use super::Client;
use super::body::{Payload, Reopen};
use super::call::Retry;
use super::meta::{ObjectMeta, etag_of, quoted};
use super::reply::{error_of, expect_nothing, read_document};
use super::request::{Call, TimeLimit, object_call};
use super::settings::ObjectSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::sign;
use crate::xml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use std::collections::{HashMap, HashSet};

/// Keys that one DeleteObjects takes
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
pub const DELETE_OBJECTS_KEYS: usize = 1000;

/// A condition for a write
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: the object is replaced.
    #[default]
    Always,
    /// No object has the key (`If-None-Match: *`).
    IfAbsent,
    /// The object there has this ETag (`If-Match`), given without quotes. On Ceph RGW 16, which compares it with the
    /// quotes that AWS demands, this never holds.
    IfMatch(String),
}

impl Condition {
    pub(super) fn apply_to<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        match self {
            Self::Always => call,
            Self::IfAbsent => call.header("if-none-match", "*"),
            Self::IfMatch(etag) => call.header("if-match", quoted(etag)),
        }
    }
}

/// The result of storing an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutResult {
    /// Without quotes; opaque. `None` when the server sent none.
    pub etag: Option<String>,
    /// The version in a versioned bucket.
    pub version_id: Option<String>,
}

/// The object a copy is made from.
#[derive(Clone, Copy, Debug)]
pub struct CopySource<'a> {
    /// Its bucket.
    pub bucket: &'a str,
    /// Its key.
    pub key: &'a str,
    /// Only if it still has this ETag, given without quotes.
    pub if_match: Option<&'a str>,
}

impl CopySource<'_> {
    /// `x-amz-copy-source` and its condition; the value is percent-encoded as AWS demands.
    pub(super) fn apply_to<'a>(self, call: Call<'a>) -> Result<Call<'a>> {
        super::endpoint::check_bucket(self.bucket)?;
        if self.key.is_empty() {
            return Err(call.refuse("the key to copy from is empty"));
        }
        let source = format!("/{}/{}", self.bucket, sign::encode_path(self.key));
        Ok(call
            .header("x-amz-copy-source", source)
            .maybe_header("x-amz-copy-source-if-match", self.if_match.map(quoted)))
    }
}

impl Client {
    /// [PutObject]: stores `content`, at most 5 GiB, replacing what is there.
    ///
    /// [PutObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    pub fn put_object(&self, bucket: &str, key: &str, content: &[u8], settings: &ObjectSettings) -> Result<PutResult> {
        self.put_object_if(bucket, key, content, settings, &Condition::Always)
    }

    /// Stores `content` under a condition; [`ErrorKind::PreconditionFailed`] when it does not hold. Servers without
    /// conditional writes (Garage, rclone) ignore it.
    ///
    /// When the connection broke after the server may have stored the object, the next attempt would meet its own first
    /// write: the object is then looked at, and found equal it is a success.
    pub fn put_object_if(
        &self,
        bucket: &str,
        key: &str,
        content: &[u8],
        settings: &ObjectSettings,
        condition: &Condition,
    ) -> Result<PutResult> {
        let call = condition.apply_to(settings.apply_to(object_call("PutObject", "PUT", bucket, key)?)?);
        match self.put(call, Payload::Bytes(content)) {
            Err(error) if *condition != Condition::Always && error.is_unsettled() => {
                self.settle_put(bucket, key, content, error)
            }
            result => result,
        }
    }

    /// Finds out whether the object at `key` was written by an attempt whose response was lost.
    fn settle_put(&self, bucket: &str, key: &str, content: &[u8], error: Error) -> Result<PutResult> {
        if error.kind() == ErrorKind::Cancelled {
            return Err(error);
        }
        let unknown = |error| Err(outcome_unknown(error, "the object was stored"));
        let meta = match self.head_object(bucket, key) {
            Ok(meta) => meta,
            Err(look) => return unknown(error.with_source(look)),
        };
        if meta.size != content.len() as u64 {
            // The last response describes the object that is there now.
            return if error.kind() == ErrorKind::PreconditionFailed { Err(error) } else { unknown(error) };
        }
        if meta.etag.as_deref() == Some(&hex::encode(Md5::digest(content))) {
            return Ok(PutResult { etag: meta.etag, version_id: meta.version_id });
        }
        // An ETag that is not an MD5 proves nothing either way.
        if meta.md5().is_some() && error.kind() == ErrorKind::PreconditionFailed { Err(error) } else { unknown(error) }
    }

    /// PutObject from a reader that can be opened again for each attempt.
    pub(crate) fn put_object_replayed<'a>(
        &self,
        bucket: &str,
        key: &str,
        open: &'a Reopen<'a>,
        length: u64,
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        let call = settings.apply_to(object_call("PutObject", "PUT", bucket, key)?)?;
        self.put(call, Payload::Replay { open, length })
    }

    /// Sends a PutObject with its checksum.
    pub(super) fn put(&self, mut call: Call<'_>, payload: Payload<'_>) -> Result<PutResult> {
        if let Some(algorithm) = self.inner.checksum {
            call = algorithm.add_to(call, &payload)?;
        }
        call.time_limit = TimeLimit::WhileBytesMove;
        self.run(&call, payload, |response, deadline| {
            let version_id = response.header("x-amz-version-id").map(str::to_owned);
            let result = PutResult { etag: etag_of(&response), version_id };
            expect_nothing(response, deadline, &call)?;
            Ok(result)
        })
    }

    /// [DeleteObject]. Succeeds as well when there is no such object.
    ///
    /// [DeleteObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
    pub fn delete_object(&self, bucket: &str, key: &str) -> Result<()> {
        self.delete_object_if(bucket, key, &Condition::Always)
    }

    /// Deletes an object under a condition. Servers without conditional deletes ignore it or refuse the request (501).
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] when the condition does not hold.
    pub fn delete_object_if(&self, bucket: &str, key: &str, condition: &Condition) -> Result<()> {
        let call = condition.apply_to(object_call("DeleteObject", "DELETE", bucket, key)?);
        match self.run_for_nothing(&call, Payload::Empty) {
            Err(error) if error.kind() == ErrorKind::NoSuchKey => Ok(()),
            result => result,
        }
    }

    /// [DeleteObjects]: up to 1,000 keys in one request. `Ok` means that the server said of every key that it is gone.
    ///
    /// Keys with characters that XML cannot carry are deleted one by one; so are all keys on servers that do not know the
    /// operation (Google Cloud Storage).
    ///
    /// # Errors
    /// When some keys are left: the first failure, with the further ones in [`Error::others`].
    ///
    /// [DeleteObjects]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    pub fn delete_objects(&self, bucket: &str, keys: &[&str]) -> Result<()> {
        if keys.len() > DELETE_OBJECTS_KEYS {
            let call = Call::new("DeleteObjects", "POST", bucket, "");
            return Err(call.refuse(format!("{} keys given, 1,000 are allowed", keys.len())));
        }
        let (in_xml, alone): (Vec<&str>, Vec<&str>) = keys.iter().partition(|key| xml::can_carry(key));
        let mut failures = Vec::new();
        if !in_xml.is_empty() {
            failures = self.delete_batch(bucket, &in_xml);
            let unknown = |error: &Error| error.status() == Some(501) || error.code() == Some("NotImplemented");
            if failures.first().is_some_and(unknown) {
                failures = in_xml.iter().filter_map(|key| self.delete_object(bucket, key).err()).collect();
            }
        }
        failures.extend(alone.iter().filter_map(|key| self.delete_object(bucket, key).err()));
        first_with_others(failures)
    }

    /// One DeleteObjects request, and further ones for the keys whose deletion failed for a moment. The failures are
    /// complete: every key not named in them is gone.
    fn delete_batch(&self, bucket: &str, keys: &[&str]) -> Vec<Error> {
        let call = Call::new("DeleteObjects", "POST", bucket, "");
        let (mut left, mut failures, mut rounds) = (keys.to_vec(), Vec::new(), 0);
        loop {
            rounds += 1;
            let result = match self.delete_once(bucket, &left) {
                Ok(result) => result,
                Err(error) => {
                    failures.insert(0, error);
                    return failures;
                }
            };
            // Nearly always: every key, in the order of the request.
            if result.errors.is_empty() && result.deleted == left {
                return failures;
            }
            let gone: HashSet<&str> = result.deleted.iter().map(String::as_str).collect();
            let failed: HashMap<&str, &xml::DeleteError> =
                result.errors.iter().map(|error| (error.key.as_str(), error)).collect();
            let mut again = Vec::new();
            for key in left {
                let error = match failed.get(key) {
                    None if gone.contains(key) => continue,
                    None => Error::new(ErrorKind::Protocol, "the server did not say what became of the key"),
                    Some(error) => {
                        let (code, message) = (error.code.clone(), error.message.clone());
                        let document = xml::ErrorDocument { code, message, ..Default::default() };
                        error_of(200, &document, &call, b"")
                    }
                };
                match error.kind() {
                    ErrorKind::NoSuchKey => {}
                    ErrorKind::Server | ErrorKind::Throttled => again.push((key, error)),
                    _ => failures.push(call.place(error).with_key(key).with_attempts(rounds)),
                }
            }
            let Some((_, cause)) = again.first() else { return failures };
            let waited = if rounds < self.inner.config.retry.max_attempts {
                self.pause(rounds, cause)
            } else {
                Ok(Retry::BudgetSpent)
            };
            match waited {
                Ok(Retry::Due) => left = again.into_iter().map(|(key, _)| key).collect(),
                ended => {
                    failures.extend(ended.err().map(|error| call.place(error)));
                    let told = |(key, error)| call.place(error).with_key(key).with_attempts(rounds);
                    failures.extend(again.into_iter().map(told));
                    return failures;
                }
            }
        }
    }

    fn delete_once(&self, bucket: &str, keys: &[&str]) -> Result<xml::DeleteResult> {
        let call = Call::new("DeleteObjects", "POST", bucket, "").query("delete", "");
        let body = xml::delete(keys, xml::DeleteMode::Verbose).map_err(|error| call.refuse(error.to_string()))?;
        // AWS demands a digest of this body, and SigV2 and older servers know no other.
        let call = call
            .header("content-type", "application/xml")
            .header("content-md5", BASE64.encode(Md5::digest(body.as_bytes())));
        self.run_for_document(&call, Payload::Bytes(body.as_bytes()), (xml::delete_result, xml::MAX_LISTING_BYTES))
    }

    /// [CopyObject]: copies up to 5 GB on the server, storing the copy with `settings` and the source's metadata.
    ///
    /// [CopyObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    pub fn copy_object(
        &self,
        source: CopySource<'_>,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        let call = object_call("CopyObject", "PUT", bucket, key)?;
        let mut call = source.apply_to(settings.apply_to(call)?)?;
        call.time_limit = TimeLimit::ServerWork;
        self.run(&call, Payload::Empty, |response, deadline| {
            let version_id = response.header("x-amz-version-id").map(str::to_owned);
            let copy = read_document(response, deadline, &call, (xml::copy_object_result, xml::MAX_REPLY_BYTES))?;
            Ok(PutResult { etag: Some(copy.etag), version_id })
        })
    }

    /// [HeadObject]: size, type and metadata.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchKey`] when there is no such object. A HEAD has no error document: a missing bucket looks the same.
    ///
    /// [HeadObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    pub fn head_object(&self, bucket: &str, key: &str) -> Result<ObjectMeta> {
        self.head(&object_call("HeadObject", "HEAD", bucket, key)?)
    }

    /// Requests the object's checksum as well. S3 demands the right to decrypt for that, as it does for reading.
    pub(crate) fn head_object_with_checksum(&self, bucket: &str, key: &str) -> Result<ObjectMeta> {
        self.head(&object_call("HeadObject", "HEAD", bucket, key)?.header("x-amz-checksum-mode", "ENABLED"))
    }

    fn head(&self, call: &Call<'_>) -> Result<ObjectMeta> {
        self.run(call, Payload::Empty, |response, _| {
            let size = response
                .content_length()
                .ok_or_else(|| call.place(Error::new(ErrorKind::Protocol, "the reply names no Content-Length")))?;
            Ok(ObjectMeta::of(&response, size))
        })
    }
}

/// Returns the error of a request that may have had its effect, where a look at the object could not settle it.
pub(super) fn outcome_unknown(error: Error, effect: &str) -> Error {
    let text = format!("it is not known whether {effect}: {}", error.message());
    error.with_message(text).with_kind(ErrorKind::OutcomeUnknown)
}

/// Returns the first failure, with the others attached to it.
pub(super) fn first_with_others(failures: Vec<Error>) -> Result<()> {
    let mut failures = failures.into_iter();
    match failures.next() {
        None => Ok(()),
        Some(first) => Err(first.with_others(failures.collect())),
    }
}
