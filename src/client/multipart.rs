//! Multipart uploads: begin, send parts, complete or abort, and find what was begun before.
use super::Client;
use super::body::{Payload, Reopen};
use super::checksum::Algorithm;
use super::meta::etag_of;
use super::object::{Condition, CopySource, outcome_unknown};
use super::pages::{Follow, Page, Pages, Seen};
use super::reply::expect_nothing;
use super::request::{Call, Recheck, TimeLimit, object_call};
use super::settings::ObjectSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::xml::{self, ListMultipartUploadsResult, ListPartsResult};
use md5::{Digest as _, Md5};
use std::ops::Range;
use std::sync::Arc;

/// The most parts one upload can have (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub const MAX_PARTS: u32 = 10_000;
/// The least bytes of every part but the last: 5 MiB.
pub const MIN_PART_SIZE: u64 = 5 << 20;
/// The most bytes of one part, of one PutObject and of one CopyObject: 5 GiB.
pub const MAX_PART_SIZE: u64 = 5 << 30;

/// A part the server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedPart {
    /// 1 to 10,000.
    pub part_number: u32,
    /// As the server gave it, without quotes; completion must name it.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

/// The upload an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadRef<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key the upload was begun for.
    pub key: &'a str,
    /// The id that [`Client::create_multipart_upload`] returned.
    pub upload_id: &'a str,
}

/// A completed upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletedUpload {
    /// Without quotes; `None` when the server returns it nowhere.
    pub etag: Option<String>,
}

impl Client {
    /// [CreateMultipartUpload]: begins an upload and returns its id. What the object is stored with is said here.
    ///
    /// When the response is lost the request is sent again, and the first upload stays open:
    /// [`Client::uploads`] finds it.
    ///
    /// [CreateMultipartUpload]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
    pub fn create_multipart_upload(&self, bucket: &str, key: &str, settings: &ObjectSettings) -> Result<String> {
        let mut call =
            settings.apply_to(object_call("CreateMultipartUpload", "POST", bucket, key)?.query("uploads", ""))?;
        if let Some(algorithm) = self.inner.checksum {
            call = algorithm.announce_in(call);
        }
        let result = self.run_for_document(
            &call,
            Payload::Empty,
            (xml::initiate_multipart_upload_result, xml::MAX_REPLY_BYTES),
        )?;
        Ok(result.upload_id)
    }

    /// [UploadPart]: 5 MiB to 5 GiB, the last one from 1 byte (or 0, when it is the only one). Sent again, it replaces itself.
    ///
    /// [UploadPart]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
    pub fn upload_part(&self, upload: UploadRef<'_>, part_number: u32, content: &[u8]) -> Result<UploadedPart> {
        self.send_part(upload, part_number, || Payload::Bytes(content), content.len() as u64)
    }

    /// Sends a part from a reader that can be opened again for each attempt.
    pub(crate) fn upload_part_from<'a>(
        &self,
        upload: UploadRef<'_>,
        part_number: u32,
        open: &'a Reopen<'a>,
        length: u64,
    ) -> Result<UploadedPart> {
        self.send_part(upload, part_number, || Payload::Replay { open, length }, length)
    }

    fn send_part<'a>(
        &self,
        upload: UploadRef<'_>,
        part_number: u32,
        content: impl Fn() -> Payload<'a>,
        size: u64,
    ) -> Result<UploadedPart> {
        let send = |checksum: Option<Algorithm>| {
            let mut call = part_call("UploadPart", upload, part_number)?;
            if let Some(algorithm) = checksum {
                call = algorithm.add_to(call, &content())?;
            }
            call.time_limit = TimeLimit::WhileBytesMove;
            self.run(&call, content(), |response, deadline| {
                // Completion must name the ETag: a part without one is not stored as far as we can tell.
                let etag = etag_of(&response)
                    .ok_or_else(|| Error::new(ErrorKind::Protocol, "the server sent no ETag for the part"))?;
                expect_nothing(response, deadline, &call)?;
                Ok(UploadedPart { part_number, etag, size })
            })
        };
        match send(self.inner.checksum) {
            // An upload that another program began without a checksum takes no part with one.
            Err(error)
                if self.inner.checksum.is_some()
                    && error.code() == Some("InvalidRequest")
                    && error.message().contains("Checksum Type mismatch") =>
            {
                send(None)
            }
            result => result,
        }
    }

    /// [UploadPartCopy]: makes a part from the bytes `range` (start included, end not) of another object.
    ///
    /// [UploadPartCopy]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
    pub fn upload_part_copy(
        &self,
        source: CopySource<'_>,
        range: Range<u64>,
        upload: UploadRef<'_>,
        part_number: u32,
    ) -> Result<UploadedPart> {
        let call = part_call("UploadPartCopy", upload, part_number)?;
        if range.is_empty() {
            return Err(call.refuse("the range to copy has no bytes"));
        }
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let mut call = source.apply_to(call)?.header("x-amz-copy-source-range", bytes);
        call.time_limit = TimeLimit::ServerWork;
        // A response without CopyPartResult is not a copy: rclone sends an empty 200, and stores nothing.
        let copy = self.run_for_document(&call, Payload::Empty, (xml::copy_part_result, xml::MAX_REPLY_BYTES))?;
        Ok(UploadedPart { part_number, etag: copy.etag, size: range.end - range.start })
    }

    /// [CompleteMultipartUpload]: makes the object visible, whole. `parts` must be in ascending order.
    ///
    /// When the responses do not show whether the upload was completed (a lost response, an upload that is suddenly
    /// unknown), the object is looked at: the same size and the ETag that these parts make is a success.
    ///
    /// # Errors
    /// [`ErrorKind::OutcomeUnknown`] when that look could not settle it: the upload must not be aborted then.
    ///
    /// [CompleteMultipartUpload]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    pub fn complete_multipart_upload(
        &self,
        upload: UploadRef<'_>,
        parts: &[UploadedPart],
        condition: &Condition,
    ) -> Result<CompletedUpload> {
        let call = upload_call("CompleteMultipartUpload", "POST", upload)?;
        let named: Vec<(u32, &str)> = parts.iter().map(|part| (part.part_number, part.etag.as_str())).collect();
        let body = xml::complete_multipart_upload(&named).map_err(|error| call.refuse(error.to_string()))?;
        let mut call = condition.apply_to(call.header("content-type", "application/xml"));
        call.time_limit = TimeLimit::ServerWork;
        call.recheck = Recheck::ByCaller;
        let result = self.run_for_document(
            &call,
            Payload::Bytes(body.as_bytes()),
            (xml::complete_multipart_upload_result, xml::MAX_REPLY_BYTES),
        );
        match result {
            Ok(xml::CompleteMultipartUploadResult { etag: Some(etag), .. }) => Ok(CompletedUpload { etag: Some(etag) }),
            // Ceph leaves the ETag out of its first response.
            Ok(_) => {
                Ok(CompletedUpload { etag: self.head_object(upload.bucket, upload.key).ok().and_then(|m| m.etag) })
            }
            Err(error) if may_have_completed(&error) => self.settle_completion(upload, parts, error),
            Err(error) => Err(error),
        }
    }

    /// Looks whether the object at `key` is what `parts` make.
    fn settle_completion(
        &self,
        upload: UploadRef<'_>,
        parts: &[UploadedPart],
        error: Error,
    ) -> Result<CompletedUpload> {
        let unknown = |error| outcome_unknown(error, "the upload was completed");
        let settled = matches!(error.kind(), ErrorKind::NoSuchUpload | ErrorKind::PreconditionFailed);
        let meta = match self.head_object(upload.bucket, upload.key) {
            Ok(meta) => meta,
            Err(look) if look.kind() == ErrorKind::NoSuchKey && settled => return Err(error),
            Err(look) if look.kind() == ErrorKind::NoSuchKey => return Err(unknown(error)),
            Err(look) => return Err(unknown(error.with_source(look))),
        };
        if Some(meta.size) != total_size(parts) {
            return Err(if settled { error } else { unknown(error) });
        }
        if meta.etag.is_some() && meta.etag == expected_etag(parts) {
            return Ok(CompletedUpload { etag: meta.etag });
        }
        // Where ETags are no MD5 (KMS, some servers), an object of this size and of as many parts may be ours or not.
        let parts_of_it = meta.etag.as_deref().and_then(|etag| etag.rsplit_once('-')).map(|(_, count)| count);
        let comparable = parts_of_it.is_some_and(|count| count != parts.len().to_string());
        Err(if settled && (comparable || !error.is_unsettled()) { error } else { unknown(error) })
    }

    /// [AbortMultipartUpload]. An upload that is not there (any more) is a success.
    ///
    /// [AbortMultipartUpload]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
    pub fn abort_multipart_upload(&self, upload: UploadRef<'_>) -> Result<()> {
        let call = upload_call("AbortMultipartUpload", "DELETE", upload)?;
        match self.run_for_nothing(&call, Payload::Empty) {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }

    /// One page of [ListParts], after part `marker`.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchUpload`]
    ///
    /// [ListParts]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
    pub fn list_parts(&self, upload: UploadRef<'_>, marker: Option<u32>) -> Result<ListPartsResult> {
        let call = upload_call("ListParts", "GET", upload)?
            .maybe_query("part-number-marker", marker.map(|marker| marker.to_string()));
        let result = self.run_for_document(&call, Payload::Empty, (xml::page_of_parts, xml::MAX_LISTING_BYTES));
        // Ceph answers NoSuchKey for an upload it does not know.
        result.map_err(|e| if e.kind() == ErrorKind::NoSuchKey { e.with_kind(ErrorKind::NoSuchUpload) } else { e })
    }

    /// Returns an iterator over all pages of ListParts.
    pub fn parts(&self, upload: UploadRef<'_>) -> Pages<ListPartsResult> {
        let [bucket, key, upload_id] = [upload.bucket, upload.key, upload.upload_id].map(Arc::<str>::from);
        let (client, place) = (self.clone(), (Arc::clone(&bucket), Arc::clone(&key)));
        Pages::new(
            self,
            move |marker: Option<&u32>| {
                let upload = UploadRef { bucket: &bucket, key: &key, upload_id: &upload_id };
                let mut page = client.list_parts(upload, marker.copied())?;
                // rclone ignores the marker and begins again.
                page.parts.retain(|part| marker.is_none_or(|marker| part.part_number > *marker));
                Ok(page)
            },
            move |page, marker, _| next_part(page, marker.copied()),
            move |error| error.with_operation("ListParts").with_bucket(&*place.0).with_key(&*place.1),
        )
    }

    /// One page of [ListMultipartUploads], up to 1,000 uploads below a prefix, after the upload that `markers` name: its key
    /// and its id. An empty key is not sent: SeaweedFS goes by the id alone, and takes a key for the only one to list.
    ///
    /// No encoding is asked for: Ceph encodes the keys of uploads without saying so when it is.
    ///
    /// [ListMultipartUploads]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
    pub fn list_multipart_uploads(
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
            // What S3 gives unasked, and SeaweedFS tenfold.
            .query("max-uploads", "1000")
            .maybe_query("prefix", (!prefix.is_empty()).then_some(prefix))
            .maybe_query("key-marker", key_marker.filter(|key| !key.is_empty()))
            .maybe_query("upload-id-marker", upload_id_marker);
        let result = self.run_for_document(&call, Payload::Empty, (xml::page_of_uploads, xml::MAX_LISTING_BYTES));
        match result {
            // rclone answers so until the bucket has had its first upload.
            Err(error) if error.kind() == ErrorKind::NoSuchUpload => Ok(ListMultipartUploadsResult::default()),
            result => result,
        }
    }

    /// Returns an iterator over all pages of ListMultipartUploads. A server that reports more uploads and no marker is
    /// asked for what follows the last upload it listed.
    pub fn uploads(&self, bucket: &str, prefix: &str) -> Pages<ListMultipartUploadsResult> {
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

/// Finds the marker of the page of parts after `page`: markers rise, so that no listing of parts is endless.
fn next_part(page: &ListPartsResult, marker: Option<u32>) -> Follow<u32> {
    let named = page.next_part_number_marker;
    let next = match page.is_truncated {
        // The last part listed shows as well where to go on, should the server not name a marker.
        Some(true) => named.or_else(|| page.parts.last().map(|part| part.part_number)),
        // A server that does not report whether there is more, but where: its next page may be empty.
        None if !page.parts.is_empty() && named > marker => named,
        Some(false) | None => return Ok(None),
    };
    if next > marker { Ok(next) } else { Err("the list of parts goes on, but not forward") }
}

/// Finds the markers of the page of uploads after `page`.
fn next_upload(page: &ListMultipartUploadsResult, seen: &mut Seen) -> Follow<(String, Option<String>)> {
    let named = |marker: &Option<String>| marker.clone().filter(|marker| !marker.is_empty());
    let next = match (page.is_truncated, named(&page.next_key_marker), named(&page.next_upload_id_marker)) {
        (Some(false), ..) | (None, None, None) => return Ok(None),
        // SeaweedFS names the upload alone, and goes on after it when it is named alone.
        (_, None, Some(id)) => (String::new(), Some(id)),
        (_, Some(key), id) => (key, id),
        (Some(true), None, None) => match page.uploads.last() {
            Some(last) => (last.key.clone(), Some(last.upload_id.clone())),
            None => return Err("the list of uploads goes on, but the server does not say where"),
        },
    };
    if seen.markers.insert(&next) { Ok(Some(next)) } else { Err("the server gave the same upload markers twice") }
}

fn upload_call<'a>(operation: &'static str, method: &'static str, upload: UploadRef<'a>) -> Result<Call<'a>> {
    let UploadRef { bucket, key, upload_id } = upload;
    let call = object_call(operation, method, bucket, key)?;
    // Without an id, `DELETE key` would delete the object, and `PUT key` replace it.
    if upload_id.is_empty() {
        Err(call.refuse("the upload id is empty"))
    } else {
        Ok(call.query("uploadId", upload_id))
    }
}

fn part_call<'a>(operation: &'static str, upload: UploadRef<'a>, part_number: u32) -> Result<Call<'a>> {
    let call = upload_call(operation, "PUT", upload)?;
    if (1..=MAX_PARTS).contains(&part_number) {
        Ok(call.query("partNumber", part_number.to_string()))
    } else {
        Err(call.refuse(format!("the part number {part_number} is not between 1 and {MAX_PARTS}")))
    }
}

/// Returns the bytes of all parts together; `None` for more than 64 bits can count. Sizes may be a server's.
pub(crate) fn total_size(parts: &[UploadedPart]) -> Option<u64> {
    parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.size))
}

/// Whether a failed completion may have happened all the same. An upload that is unknown may be unknown because it is
/// complete; what the server refuses for another reason is there still.
fn may_have_completed(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::NoSuchUpload => true,
        ErrorKind::Refused | ErrorKind::Conflict | ErrorKind::Cancelled => false,
        _ => error.is_unsettled(),
    }
}

/// The ETag S3 gives to an object of these parts: the MD5 of the parts' MD5s, a dash and their number. `None` when a part's
/// ETag is no MD5.
pub(crate) fn expected_etag(parts: &[UploadedPart]) -> Option<String> {
    let mut digest = Md5::new();
    for part in parts {
        let md5 = hex::decode(&part.etag).ok().filter(|bytes| bytes.len() == 16)?;
        digest.update(md5);
    }
    Some(format!("{}-{}", hex::encode(digest.finalize()), parts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_sizes_of_parts_are_added_with_an_end() {
        let size = |sizes: &[u64]| {
            let part = |size: &u64| UploadedPart { part_number: 1, etag: String::new(), size: *size };
            total_size(&sizes.iter().map(part).collect::<Vec<_>>())
        };
        assert_eq!(size(&[]), Some(0));
        assert_eq!(size(&[1, u64::MAX - 1]), Some(u64::MAX));
        assert_eq!(size(&[1, u64::MAX]), None);
        assert_eq!(size(&[u64::MAX; 3]), None);
    }
}
