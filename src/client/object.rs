//! Operations on one object: put, copy, head.
use super::Client;
use super::body::{Payload, Reopen};
use super::condition::Condition;
use super::customer_key::CustomerKey;
use super::endpoint::copy_source;
use super::listing::ListObjects;
use super::meta::ObjectMeta;
use super::outcome::{Age, Begun, Ended, Found, Wanted, may_have_happened, outcome_unknown};
use super::range::ContentRange;
use super::read::{GetObject, another_etag};
use super::reply::{Reader, Said, read_what_is_said};
use super::request::{Call, EXPECTED_OWNER, TimeLimit, object_call, version_of};
use super::settings::ObjectSettings;
use super::store::{Content, Etag, PutResult};
use crate::error::{Error, ErrorKind, Result};
use crate::sign;
use crate::transport::Response;
use crate::xml;

/// The source of a copy.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CopySource<'a> {
    /// The bucket of the source.
    pub bucket: &'a str,
    /// The key of the source.
    pub key: &'a str,
    /// The version to copy; `None` is the current one.
    pub version_id: Option<&'a str>,
    /// The key that the source is encrypted with, if it is the customer's (SSE-C).
    pub customer_key: Option<&'a CustomerKey>,
    /// The account that owns the source's bucket (`x-amz-source-expected-bucket-owner`). If another
    /// one does, the copy is refused (403).
    pub expected_owner: Option<&'a str>,
    /// A condition for the source. A weak ETag (`W/"..."`) is not sent.
    pub condition: &'a Condition,
}

impl<'a> CopySource<'a> {
    /// Names the object at `key` in `bucket`.
    pub const fn new(bucket: &'a str, key: &'a str) -> Self {
        Self {
            bucket,
            key,
            version_id: None,
            customer_key: None,
            expected_owner: None,
            condition: &Condition::Always,
        }
    }

    /// Copies this version of the object.
    #[must_use]
    pub const fn version_id(mut self, version: &'a str) -> Self {
        self.version_id = Some(version);
        self
    }

    /// Reads the source with this key.
    #[must_use]
    pub const fn customer_key(mut self, key: &'a CustomerKey) -> Self {
        self.customer_key = Some(key);
        self
    }

    /// Copies only if this account owns the source's bucket.
    #[must_use]
    pub const fn expected_owner(mut self, account: &'a str) -> Self {
        self.expected_owner = Some(account);
        self
    }

    /// Copies only if the source meets `condition`.
    #[must_use]
    pub const fn condition(mut self, condition: &'a Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Returns the ETag that the source must have.
    pub(crate) fn etag(self) -> Option<&'a str> {
        match self.condition {
            Condition::IfMatch(etag) => Some(etag),
            _ => None,
        }
    }

    /// Adds `x-amz-copy-source` and its condition. The value is percent-encoded as AWS requires.
    /// Like Amazon's SDKs, it has no slash before the bucket, because Cloudflare R2 would read an
    /// empty bucket name.
    pub(super) fn apply_to(self, call: Call<'a>) -> Result<Call<'a>> {
        let bucket = copy_source(self.bucket)?;
        if self.key.is_empty() {
            return Err(call.refuse("the key to copy from is empty"));
        }
        let mut source = sign::encode_path(&format!("{bucket}/{}", self.key));
        match self.version_id {
            None => {}
            Some("") => return Err(call.refuse("the version id to copy is empty")),
            Some(version) => {
                source.push_str("?versionId=");
                source.push_str(&sign::encode_component(version));
            }
        }
        let mut call = call
            .header("x-amz-copy-source", source)
            .maybe_header("x-amz-source-expected-bucket-owner", self.expected_owner);
        if let Some(key) = self.customer_key {
            call = key.apply_to_source(call);
        }
        self.condition.apply_to_source(call)
    }
}

impl Client {
    /// [PutObject]: stores `content`, at most 5 GiB, and replaces an existing object, unless
    /// [`ObjectSettings::condition`] prevents that.
    ///
    /// If a connection breaks after the server may have stored an object under a condition, the
    /// next attempt would find the object of the first one. In this case, the client looks at the
    /// object, and an equal one that was stored since then is a success.
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] if the condition does not hold.
    ///
    /// [PutObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    pub fn put_object(
        &self,
        bucket: &str,
        key: &str,
        content: &[u8],
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        self.put_content((bucket, key), Content::Bytes(content), settings)
    }

    /// Stores an object with PutObject, from a reader that can be opened again for each attempt.
    pub(crate) fn put_object_replayed<'a>(
        &self,
        bucket: &str,
        key: &str,
        open: &'a Reopen<'a>,
        length: u64,
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        self.put_content((bucket, key), Content::Replay { open, length }, settings)
    }

    fn put_content(
        &self,
        (bucket, key): (&str, &str),
        content: Content<'_>,
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        let call = settings.apply_to(object_call("PutObject", "PUT", bucket, key)?)?;
        let call = settings.condition.apply_to_write(call)?;
        // Without a condition, an older object with the same bytes and other metadata could be
        // there already, and the caller may repeat the put whatever its outcome was.
        let is_conditional = settings.condition != Condition::Always;
        let begun = is_conditional.then(|| Begun::now(&**self.clock()));
        match (self.store(&call, content, self.checksum_algorithm(bucket), Etag::Optional), begun) {
            (Err(error), Some(begun)) if may_have_happened(&error) => {
                self.settle_put(&call, content, begun, error)
            }
            (result, _) => result,
        }
    }

    /// Determines whether the object was written by an attempt whose response was lost.
    fn settle_put(
        &self,
        call: &Call<'_>,
        content: Content<'_>,
        begun: Begun,
        error: Error,
    ) -> Result<PutResult> {
        let wanted = Wanted {
            size: Some(content.length()),
            md5: Some(content.md5().map_err(|error| call.place(error))?),
            ..Wanted::default()
        };
        let unknown = |error| Err(outcome_unknown(error, "the object was stored"));
        match self.look(call.bucket, call.key, &wanted, begun) {
            Found::Wanted(meta, Age::Since | Age::Unknown) => Ok(PutResult::seen(meta)),
            // The last response describes the current object, which another write has stored.
            Found::Wanted(_, Age::Before) | Found::Other
                if error.kind() == ErrorKind::PreconditionFailed =>
            {
                Err(error)
            }
            Found::Unknown(look) => unknown(error.with_source(look)),
            // An ETag that is not an MD5 does not prove anything.
            Found::Wanted(_, Age::Before) | Found::Other | Found::Similar(..) | Found::Nothing => {
                unknown(error)
            }
        }
    }

    /// [CopyObject]: copies up to 5 GiB on the server, and stores the copy with `settings`. Content
    /// headers, metadata and tags that these do not name are those of the source; if they name some
    /// of them, the client requests the others with a HEAD and sends all of them, because S3
    /// replaces them only together (`x-amz-metadata-directive`). [`CopySource::condition`] is a
    /// condition for the source, and [`ObjectSettings::condition`] is one for the target.
    ///
    /// If the responses do not show whether the object was copied (a lost response, a success
    /// without content), the client looks at the copy: if it was stored since then and has the
    /// source's size, and the source's ETag where that is comparable, the copy has succeeded. After
    /// a failure, an ETag that is not comparable leaves the outcome unknown.
    ///
    /// [CopyObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    pub fn copy_object(
        &self,
        source: CopySource<'_>,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        self.copy_known_object(source, None, (bucket, key), settings)
    }

    /// Copies an object that the server has described as `meta`. The description is used if the
    /// settings replace a part of it, and if the responses do not show the outcome.
    pub(crate) fn copy_known_object(
        &self,
        source: CopySource<'_>,
        meta: Option<&ObjectMeta>,
        (bucket, key): (&str, &str),
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        let (merged, same) = self.settings_of_copy(source, meta, settings)?;
        let all = merged.as_ref().unwrap_or(settings);
        let call = object_call("CopyObject", "PUT", bucket, key)?;
        let call = settings.condition.apply_to_write(all.apply_to(call)?)?;
        let replaced = |is_replaced: bool| is_replaced.then_some("REPLACE");
        let mut call = source
            .condition(&same)
            .apply_to(call)?
            .maybe_header("x-amz-metadata-directive", replaced(merged.is_some()))
            .maybe_header("x-amz-tagging-directive", replaced(!settings.tags.is_empty()));
        call.time_limit = TimeLimit::ServerWork;
        let begun = Begun::now(&**self.clock());
        let accept = |response: Response, deadline| {
            let version_id = response.header("x-amz-version-id").map(str::to_owned);
            let reader: Reader<xml::CopyResult> = (xml::copy_object_result, xml::MAX_REPLY_BYTES);
            Ok(match read_what_is_said(response, deadline, &call, reader)? {
                Said::Result(copy) => {
                    let checksum = copy.checksums.into_iter().next();
                    Said::Result(PutResult { etag: Some(copy.etag), version_id, checksum })
                }
                Said::Nothing(silence) => Said::Nothing(silence),
            })
        };
        let is_same = (source.bucket, source.key) == (bucket, key);
        let wanted = || {
            let looked_up;
            let meta = match meta {
                Some(meta) => meta,
                None => {
                    looked_up = self.describe_source(source)?;
                    &looked_up
                }
            };
            let size = Some(meta.size);
            Ok(if is_same {
                // The object had this content before.
                Wanted { size, ..Wanted::default() }
            } else {
                Wanted { size, md5: meta.md5(), etag: meta.etag.clone(), parts: None }
            })
        };
        match self.run_and_look(&call, || Payload::Empty, accept, wanted) {
            Ok(Ended::Said(result)) => Ok(result),
            Ok(Ended::Seen(meta)) => Ok(PutResult::seen(*meta)),
            Err(error) if may_have_happened(&error) => {
                let found = wanted()
                    .map_or_else(Found::Unknown, |wanted| self.look(bucket, key, &wanted, begun));
                match found {
                    Found::Wanted(meta, Age::Since) => Ok(PutResult::seen(meta)),
                    // An object of the same size may have another content.
                    Found::Wanted(_, Age::Unknown)
                    | Found::Similar(_, Age::Since | Age::Unknown) => {
                        Err(outcome_unknown(error, "the object was copied"))
                    }
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Requests the description of the object to copy.
    fn describe_source(&self, source: CopySource<'_>) -> Result<ObjectMeta> {
        let call = object_call("HeadObject", "HEAD", source.bucket, source.key)?;
        let call = version_of(call, source.version_id)?
            .maybe_header(EXPECTED_OWNER, source.expected_owner);
        let reader = self.with_key(source.customer_key);
        reader.head(&call, |_, _| ()).map(|((), meta)| meta)
    }

    /// Returns the settings for a copy whose content headers and metadata replace those of its
    /// source, or `None` if it keeps them, and the condition under which the source is still the
    /// one that was described.
    fn settings_of_copy(
        &self,
        source: CopySource<'_>,
        meta: Option<&ObjectMeta>,
        settings: &ObjectSettings,
    ) -> Result<(Option<ObjectSettings>, Condition)> {
        let mut condition = source.condition.clone();
        if !settings.describe_content() {
            return Ok((None, condition));
        }
        let described;
        let meta = match meta {
            Some(meta) => meta,
            None => {
                described = self.describe_source(source)?;
                if let (Condition::Always, Some(etag)) = (&condition, &described.etag) {
                    condition = Condition::IfMatch(etag.clone());
                }
                &described
            }
        };
        // The server copies everything, even what cannot be sent again, such as other characters.
        if settings.describe_content_of(meta) {
            return Ok((None, condition));
        }
        let merged = settings.clone().with_description_of(meta).map_err(|error| {
            error.with_operation("CopyObject").with_bucket(source.bucket).with_key(source.key)
        })?;
        Ok((Some(merged), condition))
    }

    /// [HeadObject]: returns the size, the type and the metadata of an object. `request` is like
    /// that of [`Client::get_object`], but its range is not sent.
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] or [`ErrorKind::NotModified`] if the condition does not
    /// hold. [`ErrorKind::NoSuchKey`] if the object does not exist. The response to a HEAD does not
    /// have an error document, so a missing bucket cannot be distinguished from a missing object.
    /// If a response (400, 401, 403, or a redirect) does not state a reason, or if a 404 announces
    /// a page that is not S3's, the client requests the reason once, with a GET of one byte.
    /// [`ErrorKind::Refused`] if the GET does not show that the object is missing either.
    ///
    /// [HeadObject]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    pub fn head_object(&self, bucket: &str, key: &str, request: &GetObject) -> Result<ObjectMeta> {
        let call = object_call("HeadObject", "HEAD", bucket, key)?;
        let call = request.apply_to(call)?;
        let ((), mut meta) = self.head(&call, |_, _| ())?;
        meta.requested_version.clone_from(&request.version_id);
        if request.condition.is_refuted_by(meta.etag.as_deref()) {
            return Err(call.place(another_etag()));
        }
        Ok(meta)
    }

    /// Requests the object's metadata with its checksum. Like reading, this requires the permission
    /// to decrypt on S3.
    pub(crate) fn head_object_with_checksum(&self, bucket: &str, key: &str) -> Result<ObjectMeta> {
        let call = object_call("HeadObject", "HEAD", bucket, key)?
            .header("x-amz-checksum-mode", "ENABLED");
        self.head(&call, |_, _| ()).map(|((), meta)| meta)
    }

    /// Requests the object's metadata, and returns it with the value that `read` takes from the
    /// response.
    pub(super) fn head<T>(
        &self,
        call: &Call<'_>,
        read: impl Fn(&Response, &ObjectMeta) -> T,
    ) -> Result<(T, ObjectMeta)> {
        let (value, meta, size) = self.run(call, Payload::Empty, |response, _| {
            let size = response.content_length();
            let meta = ObjectMeta::of(&response, size.unwrap_or_default()).in_bucket(call.bucket);
            Ok((read(&response, &meta), meta, size))
        })?;
        match size {
            Some(_) => Ok((value, meta)),
            None => Ok((value, ObjectMeta { size: self.size_without_head(call)?, ..meta })),
        }
    }

    /// Finds the size of an object whose HEAD does not state it, for example because a proxy
    /// compresses or streams the response: with a range of one byte or, if that does not state a
    /// size either, with a listing.
    fn size_without_head(&self, head: &Call<'_>) -> Result<u64> {
        let mut call =
            object_call("GetObject", "GET", head.bucket, head.key)?.header("range", "bytes=0-0");
        call.query.extend(head.query.iter().filter(|(name, _)| name == "versionId").cloned());
        let names_version = !call.query.is_empty();
        let found = self.run(&call, Payload::Empty, |response, _| {
            let range = response.header("content-range").map(ContentRange::parse);
            Ok(match range {
                Some(range) => range.and_then(|range| range.size),
                None if response.status == 200 => response.content_length(),
                None => None,
            })
        });
        match found {
            Ok(Some(size)) => return Ok(size),
            Ok(None) => {}
            // An empty object has no ranges.
            Err(error) if error.kind() == ErrorKind::InvalidRange => {}
            Err(error) => return Err(error),
        }
        let unknown = || {
            let text = "the server does not state the object's size";
            head.place(Error::new(ErrorKind::Protocol, text))
        };
        // A listing contains only the current versions.
        if names_version {
            return Err(unknown());
        }
        let page = self.first_page(head.bucket, &ListObjects::prefix(head.key).max_keys(1))?;
        let listed = page.contents.iter().find(|object| object.key == head.key);
        listed.map(|object| object.size).ok_or_else(unknown)
    }
}
