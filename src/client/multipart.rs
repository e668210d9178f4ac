//! Multipart uploads: begin, send parts, complete or abort, and find earlier ones.
use super::Client;
use super::body::{Payload, Reopen};
use super::checksum::{Algorithm, of_parts};
use super::condition::Condition;
use super::entries::Entries;
use super::meta::{ObjectMeta, has_opaque_etag, md5_of_etag, parts_of, same_etag};
use super::object::CopySource;
use super::outcome::{
    Begun, Ended, Found, Wanted, check_names, may_have_happened, outcome_unknown,
};
use super::pages::{Follow, Page, Pages, Seen};
use super::reply::{Reader, Said, read_document, read_what_is_said};
use super::request::{Call, Recheck, TimeLimit, object_call};
use super::settings::ObjectSettings;
use super::store::{Content, Etag};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::Response;
use crate::xml::{
    self, ChecksumType, ListMultipartUploadsResult, ListPartsResult, Part, StoredChecksum, Upload,
};
use md5::{Digest as _, Md5};
use std::ops::Range;
use std::sync::Arc;

/// The maximum number of parts in one upload
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub const MAX_PARTS: u32 = 10_000;
/// The minimum size of every part except the last: 5 MiB.
pub const MIN_PART_SIZE: u64 = 5 << 20;
/// The maximum size of one part, of one PutObject and of one CopyObject: 5 GiB.
pub const MAX_PART_SIZE: u64 = 5 << 30;

/// The upload that an operation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadRef<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key the upload was begun for.
    pub key: &'a str,
    /// The ID that [`Client::create_multipart_upload`] returned.
    pub upload_id: &'a str,
}

/// A completed upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletedUpload {
    /// Without quotes; `None` if the server never returns it.
    pub etag: Option<String>,
    /// The version that was created, in a bucket with versions.
    pub version_id: Option<String>,
}

impl CompletedUpload {
    /// Describes a completed upload by the object that was found at its key.
    fn seen(meta: ObjectMeta) -> Self {
        Self { etag: meta.etag, version_id: meta.version_id }
    }
}

impl Client {
    /// [CreateMultipartUpload]: begins an upload and returns its ID. The settings of the object are
    /// specified here.
    ///
    /// If the response is lost, the request is sent again and the first upload stays open:
    /// [`Client::uploads`] finds it.
    ///
    /// [CreateMultipartUpload]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
    pub fn create_multipart_upload(
        &self,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> Result<String> {
        let mut call = settings.apply_to(
            object_call("CreateMultipartUpload", "POST", bucket, key)?.query("uploads", ""),
        )?;
        if let Some(algorithm) = self.checksum_algorithm(bucket) {
            call = algorithm.announce_in(call, self.checksum.object_type());
        }
        let opaque = has_opaque_etag(call.headers.iter().map(|(name, value)| (&**name, &**value)));
        let result = self.run(&call, Payload::Empty, |response, deadline| {
            // Not every server repeats the encryption in the responses to parts.
            if opaque || has_opaque_etag(response.headers()) {
                self.remember_opaque_etags(bucket);
            }
            let reader: Reader<xml::InitiateMultipartUploadResult> =
                (xml::initiate_multipart_upload_result, xml::MAX_REPLY_BYTES);
            read_document(response, deadline, &call, reader)
        })?;
        check_names(&call, result.bucket.as_deref(), result.key.as_deref())?;
        Ok(result.upload_id)
    }

    /// [UploadPart]: sends a part of 5 MiB to 5 GiB; the last one may have as little as 1 byte (or
    /// 0 if it is the only one). A part that is sent again replaces itself.
    ///
    /// [UploadPart]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
    pub fn upload_part(
        &self,
        upload: UploadRef<'_>,
        part_number: u32,
        content: &[u8],
    ) -> Result<Part> {
        self.send_part(upload, part_number, Content::Bytes(content), content.len() as u64)
    }

    /// Sends a part from a reader that can be opened again for each attempt.
    pub(crate) fn upload_part_from<'a>(
        &self,
        upload: UploadRef<'_>,
        part_number: u32,
        open: &'a Reopen<'a>,
        length: u64,
    ) -> Result<Part> {
        self.send_part(upload, part_number, Content::Replay { open, length }, length)
    }

    fn send_part(
        &self,
        upload: UploadRef<'_>,
        part_number: u32,
        content: Content<'_>,
        size: u64,
    ) -> Result<Part> {
        let call = part_call("UploadPart", upload, part_number)?;
        let checksum = self.checksum_algorithm(upload.bucket);
        let (stored, sent) = match self.store(&call, content, checksum, Etag::Required) {
            // An upload that another program began without a checksum does not accept a part with
            // one.
            Err(error)
                if checksum.is_some()
                    && error.code() == Some("InvalidRequest")
                    && error.message().contains("Checksum Type mismatch") =>
            {
                (self.store(&call, content, None, Etag::Required)?, None)
            }
            result => (result?, checksum),
        };
        let part = Part::new(part_number, stored.etag.unwrap_or_default(), size);
        Ok(Part { checksum: self.checksum_of_part(sent, stored.checksum), ..part })
    }

    /// Returns the checksum of a part, if it is of the algorithm that was sent or requested.
    fn checksum_of_part(
        &self,
        algorithm: Option<Algorithm>,
        stored: impl IntoIterator<Item = StoredChecksum>,
    ) -> Option<StoredChecksum> {
        let algorithm = algorithm.and_then(Algorithm::public)?;
        let mut stored = stored.into_iter();
        let checksum = stored.find(|checksum| checksum.algorithm == algorithm)?;
        Some(checksum.of_part(Some(self.checksum.object_type().as_str())))
    }

    /// [UploadPartCopy]: creates a part from the bytes `range` (start included, end not) of another
    /// object.
    ///
    /// [UploadPartCopy]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
    pub fn upload_part_copy(
        &self,
        source: CopySource<'_>,
        range: Range<u64>,
        upload: UploadRef<'_>,
        part_number: u32,
    ) -> Result<Part> {
        let call = part_call("UploadPartCopy", upload, part_number)?;
        if range.is_empty() {
            return Err(call.refuse("the range to copy has no bytes"));
        }
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let mut call = source.apply_to(call)?.header("x-amz-copy-source-range", bytes);
        call.time_limit = TimeLimit::ServerWork;
        // A response without CopyPartResult does not confirm a copy: rclone sends an empty 200, and
        // stores nothing.
        let copy = self.run_for_document(
            &call,
            Payload::Empty,
            (xml::copy_part_result, xml::MAX_REPLY_BYTES),
        )?;
        let checksum =
            self.checksum_of_part(self.checksum_algorithm(upload.bucket), copy.checksums);
        Ok(Part { checksum, ..Part::new(part_number, copy.etag, range.end - range.start) })
    }

    /// [CompleteMultipartUpload]: makes the whole object visible. `parts` must be in ascending
    /// order.
    ///
    /// The request states the checksums of the parts, and the CRC of the whole object if that is
    /// the [`Checksum`](super::Checksum) of the upload: it follows from the CRCs of the parts. With
    /// checksums, and always for AWS, it also states the size of the object. The server refuses the
    /// completion if they differ, and the checksum in its response is compared as well.
    ///
    /// If the responses do not show whether the upload was completed (a lost response, a success
    /// without content, an upload that is suddenly unknown), the client looks at the object: if it
    /// has the size and the ETag that result from these parts, the completion has succeeded.
    ///
    /// # Errors
    /// [`ErrorKind::Integrity`] if the response names another bucket or key, an ETag of another
    /// number of parts for an object of another size, or another checksum.
    /// [`ErrorKind::OutcomeUnknown`] if looking at the object could not settle the outcome: the
    /// upload must not be aborted then.
    ///
    /// [CompleteMultipartUpload]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    pub fn complete_multipart_upload(
        &self,
        upload: UploadRef<'_>,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<CompletedUpload> {
        let call = upload_call("CompleteMultipartUpload", "POST", upload)?;
        let body = xml::complete_multipart_upload(parts)
            .map_err(|error| call.refuse(error.to_string()))?;
        let checksum = of_parts(parts);
        // Servers without checksums do not know the header of the size either, and Cloudflare's R2
        // responds with 501 to headers that it does not know.
        let knows_size =
            self.inner.config.endpoint.is_aws() || parts.iter().any(|part| part.checksum.is_some());
        let size = total_size(parts).filter(|_| knows_size).map(|size| size.to_string());
        let mut call = condition
            .apply_to_write(call.header("content-type", "application/xml"))?
            .maybe_header("x-amz-mp-object-size", size);
        if let Some(StoredChecksum { algorithm, value, checksum_type }) = &checksum
            && *checksum_type == ChecksumType::FullObject
        {
            call = call
                .header(algorithm.header(), value.clone())
                .header("x-amz-checksum-type", checksum_type.as_str());
        }
        call.time_limit = TimeLimit::ServerWork;
        call.recheck = Recheck::ByCaller;
        let begun = Begun::now(&**self.clock());
        let look = |wanted: &Wanted| self.look(upload.bucket, upload.key, wanted, begun);
        let accept = |response: Response, deadline| {
            let version_id = response.header("x-amz-version-id").map(str::to_owned);
            let reader: Reader<xml::CompleteMultipartUploadResult> =
                (xml::complete_multipart_upload_result, xml::MAX_REPLY_BYTES);
            Ok(match read_what_is_said(response, deadline, &call, reader)? {
                Said::Result(result) => Said::Result((result, version_id)),
                Said::Nothing(silence) => Said::Nothing(silence),
            })
        };
        match self.run_and_look(
            &call,
            || Payload::Bytes(body.as_bytes()),
            accept,
            || Ok(made_of(parts)),
        ) {
            Ok(Ended::Said((result, version_id))) => check_checksum(&call, checksum, &result)
                .and_then(|()| check_completion(&call, parts, result, look))
                .map(|completed| CompletedUpload {
                    version_id: version_id.or(completed.version_id),
                    ..completed
                })
                .map_err(|error| self.without_secrets(&call, error)),
            Ok(Ended::Seen(meta)) => Ok(CompletedUpload::seen(*meta)),
            Err(error) if may_have_completed(&error) => {
                settle_completion(error, look(&made_of(parts)))
            }
            Err(error) => Err(error),
        }
    }

    /// [AbortMultipartUpload]: aborts an upload. Also succeeds if the upload does not exist (any
    /// more).
    ///
    /// [AbortMultipartUpload]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
    pub fn abort_multipart_upload(&self, upload: UploadRef<'_>) -> Result<()> {
        let call = upload_call("AbortMultipartUpload", "DELETE", upload)?;
        match self.run_for_nothing(&call, Payload::Empty) {
            // With any other status this is a refusal, and the parts still exist.
            Err(error) if error.is_not_found() && error.status() == Some(404) => Ok(()),
            result => result,
        }
    }

    /// Returns one page of [ListParts], after part `marker`.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchUpload`]
    ///
    /// [ListParts]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
    pub fn list_parts(
        &self,
        upload: UploadRef<'_>,
        marker: Option<u32>,
    ) -> Result<ListPartsResult> {
        let call = upload_call("ListParts", "GET", upload)?
            .maybe_query("part-number-marker", marker.map(|marker| marker.to_string()));
        let result = self.run_for_document(
            &call,
            Payload::Empty,
            (xml::page_of_parts, xml::MAX_LISTING_BYTES),
        );
        // Ceph responds with NoSuchKey to an unknown upload.
        result.map_err(|e| {
            if e.kind() == ErrorKind::NoSuchKey { e.with_kind(ErrorKind::NoSuchUpload) } else { e }
        })
    }

    /// Returns an iterator over the parts of an upload, with ListParts.
    pub fn parts(&self, upload: UploadRef<'_>) -> Entries<ListPartsResult, Part> {
        Entries::new(self.pages_of_parts(upload), |page| page.parts)
    }

    fn pages_of_parts(&self, upload: UploadRef<'_>) -> Pages<ListPartsResult> {
        let [bucket, key, upload_id] =
            [upload.bucket, upload.key, upload.upload_id].map(Arc::<str>::from);
        let (client, place) = (self.clone(), (Arc::clone(&bucket), Arc::clone(&key)));
        Pages::new(
            self,
            move |marker: Option<&u32>| {
                let upload = UploadRef { bucket: &bucket, key: &key, upload_id: &upload_id };
                let mut page = client.list_parts(upload, marker.copied())?;
                // rclone ignores the marker and starts over.
                page.parts.retain(|part| marker.is_none_or(|marker| part.part_number > *marker));
                Ok(page)
            },
            move |page, marker, _| next_part(page, marker.copied()),
            move |error| {
                error.with_operation("ListParts").with_bucket(&*place.0).with_key(&*place.1)
            },
        )
    }

    /// Returns one page of [ListMultipartUploads], up to 1,000 uploads with a prefix, after the
    /// upload that `markers` name by its key and its ID. An empty key is not sent: SeaweedFS only
    /// uses the ID, and would only list the uploads of the key.
    ///
    /// No encoding is requested: Ceph would encode the keys of uploads without stating so. Keys
    /// with control characters, which servers write as references such as `&#x1;`, are returned as
    /// they are.
    ///
    /// [ListMultipartUploads]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
    pub fn list_multipart_uploads(
        &self,
        bucket: &str,
        prefix: &str,
        markers: Option<(&str, Option<&str>)>,
    ) -> Result<ListMultipartUploadsResult> {
        let result = self.page_of_uploads(bucket, prefix, markers);
        match (result, markers) {
            // rclone responds like this until the bucket has had its first upload.
            (Err(error), _) if error.kind() == ErrorKind::NoSuchUpload => {
                Ok(ListMultipartUploadsResult::default())
            }
            // versitygw refuses requests with both markers
            // (<https://github.com/versity/versitygw/issues/2149>).
            (Err(error), Some((key, Some(upload_id))))
                if !key.is_empty() && error.code() == Some("InvalidArgument") =>
            {
                // The key alone skips all of its uploads, so the id must be that of the last one.
                let of_key = self.page_of_uploads(bucket, key, None)?;
                let last = of_key.uploads.iter().rfind(|upload| upload.key == key);
                let is_whole = of_key.is_truncated == Some(false)
                    || of_key.uploads.last().is_some_and(|upload| upload.key != key);
                if is_whole && last.is_some_and(|last| last.upload_id == upload_id) {
                    self.page_of_uploads(bucket, prefix, Some((key, None)))
                } else {
                    Err(error)
                }
            }
            (result, _) => result,
        }
    }

    fn page_of_uploads(
        &self,
        bucket: &str,
        prefix: &str,
        markers: Option<(&str, Option<&str>)>,
    ) -> Result<ListMultipartUploadsResult> {
        let (key_marker, upload_id_marker) = match markers {
            Some((key, upload_id)) => (Some(key), upload_id),
            None => (None, None),
        };
        let call = Call::new("ListMultipartUploads", "GET", bucket, "")
            .query("uploads", "")
            // The default of S3, and a tenth of SeaweedFS's.
            .query("max-uploads", "1000")
            .maybe_query("prefix", (!prefix.is_empty()).then_some(prefix))
            .maybe_query("key-marker", key_marker.filter(|key| !key.is_empty()))
            .maybe_query("upload-id-marker", upload_id_marker);
        self.run_for_document(&call, Payload::Empty, (xml::page_of_uploads, xml::MAX_LISTING_BYTES))
    }

    /// Returns an iterator over the unfinished uploads of keys that begin with `prefix`, with
    /// ListMultipartUploads. If a server reports more uploads but does not return a marker, the
    /// next request begins after the last upload that was listed.
    pub fn uploads(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> Entries<ListMultipartUploadsResult, Upload> {
        Entries::new(self.pages_of_uploads(bucket, prefix), |page| page.uploads)
    }

    fn pages_of_uploads(&self, bucket: &str, prefix: &str) -> Pages<ListMultipartUploadsResult> {
        let (client, prefix, bucket) = (self.clone(), prefix.to_owned(), Arc::<str>::from(bucket));
        let place = Arc::clone(&bucket);
        Pages::new(
            self,
            move |markers: Option<&(String, Option<String>)>| {
                let markers = markers.map(|(key, upload_id)| (key.as_str(), upload_id.as_deref()));
                client.list_multipart_uploads(&bucket, &prefix, markers)
            },
            move |page, _, seen| next_upload(page, seen),
            move |error| error.with_operation("ListMultipartUploads").with_bucket(&*place),
        )
    }
}

impl Page for ListPartsResult {
    fn entries(&self) -> usize {
        self.parts.len()
    }
}

impl Page for ListMultipartUploadsResult {
    fn entries(&self) -> usize {
        self.uploads.len().saturating_add(self.common_prefixes.len())
    }
}

/// Finds the marker of the page of parts after `page`. Markers must rise, so that a listing of
/// parts cannot be endless.
fn next_part(page: &ListPartsResult, marker: Option<u32>) -> Follow<u32> {
    let named = page.next_part_number_marker;
    let next = match page.is_truncated {
        // If the server does not return a marker, the listing continues after the last listed part.
        Some(true) => named.or_else(|| page.parts.last().map(|part| part.part_number)),
        // The server returns a marker without stating whether there are more parts: its next page
        // may be empty.
        None if !page.parts.is_empty() && named > marker => named,
        Some(false) | None => return Ok(None),
    };
    if next > marker {
        Ok(next)
    } else {
        Err("the list of parts is truncated, but its next marker does not advance")
    }
}

/// Finds the markers of the page of uploads after `page`.
fn next_upload(
    page: &ListMultipartUploadsResult,
    seen: &mut Seen,
) -> Follow<(String, Option<String>)> {
    const NO_MARKER: &str =
        "the list of uploads is truncated, but the server did not state where it continues";
    let named = |marker: &Option<String>| marker.clone().filter(|marker| !marker.is_empty());
    let (key, id) = (named(&page.next_key_marker), named(&page.next_upload_id_marker));
    let next = match (page.is_truncated, key, id) {
        (Some(false), ..) | (None, None, None) => return Ok(None),
        // SeaweedFS returns only the upload id, and continues after it if only the id is sent.
        (_, None, Some(id)) => (String::new(), Some(id)),
        (_, Some(key), id) => (key, id),
        (Some(true), None, None) => {
            let last = page.uploads.last().ok_or(NO_MARKER)?;
            (last.key.clone(), Some(last.upload_id.clone()))
        }
    };
    if seen.markers.insert(&next) {
        Ok(Some(next))
    } else {
        Err("the server gave the same upload markers twice")
    }
}

fn upload_call<'a>(
    operation: &'static str,
    method: &'static str,
    upload: UploadRef<'a>,
) -> Result<Call<'a>> {
    let UploadRef { bucket, key, upload_id } = upload;
    let call = object_call(operation, method, bucket, key)?;
    // Without an id, `DELETE key` would delete the object, and `PUT key` replace it.
    if upload_id.is_empty() {
        Err(call.refuse("the upload id is empty"))
    } else {
        Ok(call.query("uploadId", upload_id))
    }
}

fn part_call<'a>(
    operation: &'static str,
    upload: UploadRef<'a>,
    part_number: u32,
) -> Result<Call<'a>> {
    let call = upload_call(operation, "PUT", upload)?;
    if (1..=MAX_PARTS).contains(&part_number) {
        Ok(call.query("partNumber", part_number.to_string()))
    } else {
        Err(call.refuse(format!("the part number {part_number} is not between 1 and {MAX_PARTS}")))
    }
}

/// Returns whether a failed completion may have succeeded anyway. An upload may be unknown because
/// it is complete; if the server refuses for another reason, the upload still exists. A 404 for
/// another reason, or a response without S3's code, may come from a router, and does not settle an
/// earlier attempt.
fn may_have_completed(error: &Error) -> bool {
    let is_of_s3 = error.code().is_some() && error.status() != Some(404);
    match error.kind() {
        ErrorKind::NoSuchUpload => true,
        ErrorKind::Refused | ErrorKind::Conflict if is_of_s3 => false,
        _ => may_have_happened(error),
    }
}

/// Returns the object that should result from completing an upload of these parts.
fn made_of(parts: &[Part]) -> Wanted {
    Wanted {
        size: total_size(parts),
        md5: None,
        etag: expected_etag(parts),
        parts: Some(parts.len() as u64),
    }
}

/// Returns the error for an object that is not what was uploaded.
fn incomplete(call: &Call<'_>, text: String) -> Error {
    call.place(Error::new(ErrorKind::Integrity, text)).with_hint(
        "the object is damaged: store it again, and report this to the server's administrator",
    )
}

/// Compares the checksum in the result of a completion with that of the parts. A checksum of
/// another algorithm or type, or without its form, is not comparable.
fn check_checksum(
    call: &Call<'_>,
    checksum: Option<StoredChecksum>,
    result: &xml::CompleteMultipartUploadResult,
) -> Result<()> {
    let Some(sent) = checksum else { return Ok(()) };
    let algorithm = Algorithm::from(sent.algorithm);
    let is_same_kind = |stored: &&StoredChecksum| {
        stored.algorithm == sent.algorithm && stored.checksum_type == sent.checksum_type
    };
    let bytes = |value: &str| {
        let (digits, _) = value.split_once('-').unwrap_or((value, ""));
        algorithm.decode(digits)
    };
    let Some(stored) = result.checksums.iter().find(is_same_kind) else { return Ok(()) };
    if bytes(&stored.value).is_none_or(|found| Some(found) == bytes(&sent.value)) {
        return Ok(());
    }
    let text = format!(
        "the object differs from its parts: their {} is {}, the server's {}",
        algorithm.name(),
        sent.value,
        stored.value
    );
    Err(incomplete(call, text))
}

/// Compares the result of a completion with the request. If the response has no ETag, like Ceph's
/// first one, `look` finds it. If the ETag has another number of parts, the size decides: some
/// servers put the same number into each (<https://github.com/adobe/S3Mock/issues/65>).
fn check_completion(
    call: &Call<'_>,
    parts: &[Part],
    result: xml::CompleteMultipartUploadResult,
    look: impl FnOnce(&Wanted) -> Found,
) -> Result<CompletedUpload> {
    check_names(call, result.bucket.as_deref(), result.key.as_deref())?;
    if let Some(etag) = result.etag {
        return match parts_of(&etag) {
            Some(count) if count != parts.len() as u64 => {
                let whole = Wanted { size: total_size(parts), ..Wanted::default() };
                let found = look(&whole);
                if let Found::Wanted(meta, _) | Found::Similar(meta, _) = &found
                    && whole.size.is_some()
                    && meta.etag.as_deref().is_some_and(|stored| same_etag(stored, &etag))
                {
                    return Ok(CompletedUpload { etag: Some(etag), version_id: None });
                }
                let text = format!(
                    "the server assembled the object from {count} parts, but the request named {}: \
                     the object's ETag is {etag}",
                    parts.len()
                );
                let error = incomplete(call, text);
                Err(if let Found::Unknown(look) = found { error.with_source(look) } else { error })
            }
            _ => Ok(CompletedUpload { etag: Some(etag), version_id: None }),
        };
    }
    match look(&made_of(parts)) {
        Found::Wanted(meta, _) | Found::Similar(meta, _) => Ok(CompletedUpload::seen(meta)),
        Found::Other => {
            let text = "the object differs from its parts, although the upload was completed";
            Err(incomplete(call, text.to_owned()))
        }
        Found::Nothing => {
            let text = "the server completed the upload, but the object does not exist";
            Err(outcome_unknown(
                call.place(Error::new(ErrorKind::Protocol, text)),
                "the upload was completed",
            ))
        }
        // The result itself states that the upload was completed.
        Found::Unknown(_) => Ok(CompletedUpload::default()),
    }
}

/// Determines from the object whether a completion that failed with `error` took effect.
fn settle_completion(error: Error, found: Found) -> Result<CompletedUpload> {
    let unknown = |error| Err(outcome_unknown(error, "the upload was completed"));
    let settled = matches!(error.kind(), ErrorKind::NoSuchUpload | ErrorKind::PreconditionFailed);
    match found {
        Found::Wanted(meta, _) => Ok(CompletedUpload::seen(meta)),
        Found::Unknown(look) => unknown(error.with_source(look)),
        Found::Other | Found::Nothing if settled => Err(error),
        // If ETags are not MD5s (KMS, some servers), an object of this size and number of parts may
        // or may not be ours.
        Found::Similar(..) if settled && !error.is_unsettled() => Err(error),
        Found::Other | Found::Nothing | Found::Similar(..) => unknown(error),
    }
}

/// Returns the total size of the parts, or `None` if the sizes, which may come from a server, are
/// unreasonable.
pub(crate) fn total_size(parts: &[Part]) -> Option<u64> {
    parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.size))
}

/// Returns the ETag that S3 gives to an object of these parts: the MD5 of the parts' MD5s, a dash
/// and their number. Returns `None` if a part's ETag is not an MD5.
pub(crate) fn expected_etag(parts: &[Part]) -> Option<String> {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(md5_of_etag(&part.etag)?);
    }
    Some(format!("{}-{}", hex::encode(digest.finalize()), parts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_sizes_are_added_without_overflow() {
        let part = |size| Part::new(1, "e", size);
        assert_eq!(total_size(&[]), Some(0));
        assert_eq!(total_size(&[part(3), part(4)]), Some(7));
        assert_eq!(total_size(&[part(u64::MAX), part(0)]), Some(u64::MAX));
        assert_eq!(total_size(&[part(u64::MAX), part(1)]), None);
        assert_eq!(made_of(&[part(u64::MAX), part(u64::MAX)]).size, None);
    }
}
