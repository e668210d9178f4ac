//! Operations on one object, or on many by name: put, delete, copy.
use super::Client;
use super::call::{Call, Payload, Reopen};
use super::read::ObjectMeta;
use super::reply::{error_of, transport_error};
use super::settings::ObjectSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::sign;
use crate::transport::Response;
use crate::xml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use std::io::Read;
use std::time::Instant;

/// A whole reply that is XML: a page of 1,000 keys of 1,024 escaped bytes has some MiB.
pub(super) const DOCUMENT_LIMIT: usize = 32 << 20;

/// Keys that one DeleteObjects takes
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
pub const DELETE_OBJECTS_KEYS: usize = 1000;

/// What must hold for a write to happen
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: the object is replaced.
    #[default]
    Always,
    /// No object has the key (`If-None-Match: *`).
    IfAbsent,
    /// The object there has this ETag (`If-Match`), given without quotes.
    IfMatch(String),
}

impl Condition {
    pub(super) fn apply<'a>(&'a self, call: Call<'a>) -> Call<'a> {
        match self {
            Self::Always => call,
            Self::IfAbsent => call.header("if-none-match", "*"),
            Self::IfMatch(etag) => call.header("if-match", quoted(etag)),
        }
    }
}

/// What the server says of a stored object or part.
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
    pub(super) fn apply<'a>(self, call: Call<'a>) -> Result<Call<'a>> {
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

    /// The same under a condition; [`ErrorKind::PreconditionFailed`] when it does not hold. Servers that know no
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
        let mut call = condition.apply(settings.apply(object_call("PutObject", "PUT", bucket, key)?)?);
        call.carries_object = true;
        let result =
            self.run(&call, Payload::Bytes(content), |response, deadline| put_result(response, deadline, &call));
        match result {
            Err(error)
                if error.kind() == ErrorKind::PreconditionFailed
                    && *condition != Condition::Always
                    && error.attempts() > 1 =>
            {
                self.was_it_ours(bucket, key, content, error)
            }
            result => result,
        }
    }

    /// Whether the object at `key` is what an earlier attempt wrote.
    fn was_it_ours(&self, bucket: &str, key: &str, content: &[u8], error: Error) -> Result<PutResult> {
        let meta = self.head_object(bucket, key)?;
        let same =
            meta.size == content.len() as u64 && meta.etag.as_deref() == Some(&hex::encode(Md5::digest(content)));
        if same { Ok(PutResult { etag: meta.etag, version_id: meta.version_id }) } else { Err(error) }
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
        let mut call = settings.apply(object_call("PutObject", "PUT", bucket, key)?)?;
        call.carries_object = true;
        self.run(&call, Payload::Replay { open, length }, |response, deadline| put_result(response, deadline, &call))
    }

    /// PutObject from a reader of which exactly `length` bytes are stored. The body can be sent once only: nothing is
    /// tried again after the first byte was read.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] when the reader fails or ends before `length`; no object is stored then.
    pub fn put_object_from(
        &self,
        bucket: &str,
        key: &str,
        source: &mut dyn Read,
        length: u64,
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        let mut call = settings.apply(object_call("PutObject", "PUT", bucket, key)?)?;
        call.carries_object = true;
        self.run(&call, Payload::Stream { source, length }, |response, deadline| put_result(response, deadline, &call))
    }

    /// [DeleteObject]. Succeeds as well when there is no such object.
    ///
    /// [DeleteObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
    pub fn delete_object(&self, bucket: &str, key: &str) -> Result<()> {
        let call = object_call("DeleteObject", "DELETE", bucket, key)?;
        match self.run(&call, Payload::Empty, |response, deadline| nothing(response, deadline, &call)) {
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
            match self.delete_batch(bucket, &in_xml) {
                Ok(()) => {}
                Err(error) if error.status() == Some(501) || error.code() == Some("NotImplemented") => {
                    failures.extend(in_xml.iter().filter_map(|key| self.delete_object(bucket, key).err()));
                }
                Err(error) => failures.push(error),
            }
        }
        failures.extend(alone.iter().filter_map(|key| self.delete_object(bucket, key).err()));
        first_with_others(failures)
    }

    /// One DeleteObjects request, and further ones for the keys whose deletion failed for a moment.
    fn delete_batch(&self, bucket: &str, keys: &[&str]) -> Result<()> {
        let mut left: Vec<&str> = keys.to_vec();
        let mut rounds = 0;
        loop {
            rounds += 1;
            let result = self.delete_once(bucket, &left)?;
            let call = Call::new("DeleteObjects", "POST", bucket, "");
            let (mut again, mut failures) = (Vec::new(), Vec::new());
            let gone: std::collections::HashSet<&str> = result.deleted.iter().map(String::as_str).collect();
            let failed: std::collections::HashMap<&str, &xml::DeleteError> =
                result.errors.iter().map(|error| (error.key.as_str(), error)).collect();
            for key in left {
                match failed.get(key) {
                    None if gone.contains(key) => {}
                    None => failures.push(
                        call.place(Error::new(ErrorKind::Protocol, "the server did not say what became of the key"))
                            .with_key(key),
                    ),
                    Some(error) => {
                        let document = xml::ErrorDocument {
                            code: error.code.clone(),
                            message: error.message.clone(),
                            ..Default::default()
                        };
                        let error = call.place(error_of(200, &document, &call, b"")).with_key(key);
                        match error.kind() {
                            ErrorKind::NoSuchKey => {}
                            ErrorKind::Server | ErrorKind::Throttled if rounds < self.inner.retry.max_attempts => {
                                again.push(key);
                            }
                            _ => failures.push(error),
                        }
                    }
                }
            }
            if again.is_empty() || !failures.is_empty() {
                return first_with_others(failures);
            }
            let cause = Error::new(ErrorKind::Throttled, "some keys could not be deleted for a moment");
            self.pause(rounds, &cause)?;
            left = again;
        }
    }

    fn delete_once(&self, bucket: &str, keys: &[&str]) -> Result<xml::DeleteResult> {
        let call = Call::new("DeleteObjects", "POST", bucket, "").query("delete", "");
        let body = xml::delete(keys, xml::DeleteMode::Verbose).map_err(|error| call.refuse(error.to_string()))?;
        // AWS demands a digest of this body, and SigV2 and older servers know no other.
        let call = call
            .header("content-type", "application/xml")
            .header("content-md5", BASE64.encode(Md5::digest(body.as_bytes())));
        self.run(&call, Payload::Bytes(body.as_bytes()), |response, deadline| {
            document(response, deadline, &call, xml::delete_result)
        })
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
        let call = source.apply(settings.apply(call)?)?;
        self.run(&call, Payload::Empty, |response, deadline| {
            let version_id = response.header("x-amz-version-id").map(str::to_owned);
            let copy = document(response, deadline, &call, xml::copy_object_result)?;
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

    /// The same, asking for the object's checksum. S3 demands the right to decrypt for that, as it does for reading.
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

    /// Waits as before attempt `attempts + 1`.
    pub(super) fn pause(&self, attempts: u32, cause: &Error) -> Result<()> {
        let inner = &*self.inner;
        let wait = inner.retry.wait(attempts, cause, None, &*inner.clock);
        inner.clock.sleep(wait);
        self.check_cancelled()
    }
}

/// A call about one object. An empty key would address the bucket itself, so it never leaves this function.
pub(super) fn object_call<'a>(
    operation: &'static str,
    method: &'static str,
    bucket: &'a str,
    key: &'a str,
) -> Result<Call<'a>> {
    let call = Call::new(operation, method, bucket, key);
    if key.is_empty() { Err(call.refuse("the key is empty")) } else { Ok(call) }
}

/// An ETag as conditional headers have it.
pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// The ETag of a reply, without quotes.
pub(super) fn etag_of(response: &Response) -> Option<String> {
    let text = response.header("etag")?.trim();
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// A reply without a document: whatever body comes is read away, so that the connection can be used again.
pub(super) fn nothing(response: Response, deadline: Option<Instant>, call: &Call<'_>) -> Result<()> {
    response.read_to_end(DOCUMENT_LIMIT, deadline).map_err(|failure| transport_error(failure, call.bucket))?;
    Ok(())
}

fn put_result(response: Response, deadline: Option<Instant>, call: &Call<'_>) -> Result<PutResult> {
    let result =
        PutResult { etag: etag_of(&response), version_id: response.header("x-amz-version-id").map(str::to_owned) };
    nothing(response, deadline, call)?;
    Ok(result)
}

/// A reply that is a document: read whole, within bounds, and an error document in it is that error.
pub(super) fn document<T>(
    response: Response,
    deadline: Option<Instant>,
    call: &Call<'_>,
    read: fn(&[u8]) -> std::result::Result<T, xml::Error>,
) -> Result<T> {
    let status = response.status;
    let body =
        response.read_to_end(DOCUMENT_LIMIT, deadline).map_err(|failure| transport_error(failure, call.bucket))?;
    read(&body).map_err(|error| match &error.document {
        Some(document) => error_of(status, document, call, &body),
        None => Error::new(ErrorKind::Protocol, format!("the reply is no document of this operation: {error}"))
            .with_status(status)
            .with_source(error),
    })
}

/// No failure, or the first one with the others behind it.
pub(super) fn first_with_others(failures: Vec<Error>) -> Result<()> {
    let mut failures = failures.into_iter();
    match failures.next() {
        None => Ok(()),
        Some(first) => Err(first.with_others(failures.collect())),
    }
}
