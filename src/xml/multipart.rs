//! What S3 answers about uploads in parts.
use super::listing::{common_prefix, encoding_type};
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, MAX_REPLY_BYTES, percent, value};
use crate::time::Timestamp;

/// The answer to [CreateMultipartUpload](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InitiateMultipartUploadResult {
    /// The new upload's id, never empty.
    pub upload_id: String,
    /// The bucket that the server names.
    pub bucket: Option<String>,
    /// The key that the server names.
    pub key: Option<String>,
}

/// The answer to [CompleteMultipartUpload](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompleteMultipartUploadResult {
    /// Without quotes. Ceph sends it empty in its first response, ECS not at all: `None`; ask for
    /// the object's head then.
    pub etag: Option<String>,
    /// The bucket that the server names.
    pub bucket: Option<String>,
    /// The key that the server names.
    pub key: Option<String>,
    /// Where the object is.
    pub location: Option<String>,
    /// Base64 of the big-endian CRC-64/NVME; `None` when the server keeps none.
    pub checksum_crc64nvme: Option<String>,
}

/// A part that the server has: one of a [`ListPartsResult`], or the result of sending or copying it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// 1 to 10,000.
    pub part_number: u32,
    /// Bytes.
    pub size: u64,
    /// Without quotes; opaque (SeaweedFS gives copied parts one like `...-2`). Never empty: a completion needs it.
    pub etag: String,
    /// When the server stored it; only listings state it.
    pub last_modified: Option<Timestamp>,
}

impl Part {
    /// Describes a part whose time is not known.
    pub fn new(part_number: u32, etag: impl Into<String>, size: u64) -> Self {
        Self { part_number, size, etag: etag.into(), last_modified: None }
    }
}

/// A page of [ListParts](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListPartsResult {
    /// The parts of this page, in the order of the server.
    pub parts: Vec<Part>,
    /// Whether there are more pages; `None` when the server does not say.
    pub is_truncated: Option<bool>,
    /// What to pass as `part-number-marker`.
    pub next_part_number_marker: Option<u32>,
    /// The storage class of the object to be.
    pub storage_class: Option<String>,
}

/// One upload of [`ListMultipartUploadsResult`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upload {
    /// The key it was begun for, never empty.
    pub key: String,
    /// Its id, never empty.
    pub upload_id: String,
    /// When it was begun.
    pub initiated: Option<Timestamp>,
    /// The storage class asked for.
    pub storage_class: Option<String>,
}

/// A page of [ListMultipartUploads](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html).
///
/// Keys and common prefixes are decoded when the reply has `EncodingType`, markers never. Ceph encodes keys without
/// saying so when it is asked to, so it is better not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListMultipartUploadsResult {
    /// The uploads of this page, in the order of the server.
    pub uploads: Vec<Upload>,
    /// The prefixes rolled up by the delimiter.
    pub common_prefixes: Vec<String>,
    /// Whether there are more pages; `None` when the server does not say.
    pub is_truncated: Option<bool>,
    /// What to pass as `key-marker`. SeaweedFS sends none even when there are more pages.
    pub next_key_marker: Option<String>,
    /// What to pass as `upload-id-marker`.
    pub next_upload_id_marker: Option<String>,
}

/// Reads `InitiateMultipartUploadResult`, at most [`MAX_REPLY_BYTES`] of it.
pub fn initiate_multipart_upload_result(
    body: &[u8],
) -> Result<InitiateMultipartUploadResult, Error> {
    const ROOT: &str = "InitiateMultipartUploadResult";
    /// What rclone calls it.
    const SHORT_ROOT: &str = "InitiateMultipartUpload";
    /// After the operation's name.
    const OTHER_ROOT: &str = "CreateMultipartUploadResult";
    parse(body, MAX_REPLY_BYTES, &[ROOT, SHORT_ROOT, OTHER_ROOT], |document, _| {
        let (mut upload_id, mut bucket, mut key) = (None, None, None);
        document.children(|document, child| match child {
            "UploadId" => document.field(child, &mut upload_id, value::id),
            "Bucket" => document.aside(&mut bucket, value::marker),
            "Key" => document.aside(&mut key, value::marker),
            _ => document.unknown(child),
        })?;
        Ok(InitiateMultipartUploadResult {
            upload_id: document.require(upload_id, ROOT, "UploadId")?,
            bucket: bucket.flatten(),
            key: key.flatten(),
        })
    })
}

/// Reads `CompleteMultipartUploadResult`, at most [`MAX_REPLY_BYTES`] of it.
///
/// S3 begins this reply before it knows how the completion ends, and keeps the connection open with spaces: an error
/// comes with status 200. It is then in [`Error::document`]; an empty or cut reply is an error without one, and the
/// outcome is unknown.
pub fn complete_multipart_upload_result(
    body: &[u8],
) -> Result<CompleteMultipartUploadResult, Error> {
    const ROOT: &str = "CompleteMultipartUploadResult";
    parse(body, MAX_REPLY_BYTES, &[ROOT], |document, _| {
        let (mut etag, mut bucket, mut key) = (None, None, None);
        let (mut location, mut checksum_crc64nvme) = (None, None);
        document.children(|document, child| match child {
            "ETag" => document.aside(&mut etag, value::optional_etag),
            "Bucket" => document.aside(&mut bucket, value::marker),
            "Key" => document.aside(&mut key, value::marker),
            "Location" => document.aside(&mut location, value::word),
            "ChecksumCRC64NVME" => document.aside(&mut checksum_crc64nvme, value::word),
            _ => document.unknown(child),
        })?;
        Ok(CompleteMultipartUploadResult {
            etag: etag.flatten(),
            bucket: bucket.flatten(),
            key: key.flatten(),
            location: location.flatten(),
            checksum_crc64nvme: checksum_crc64nvme.flatten(),
        })
    })
}

/// Reads `ListPartsResult`, at most [`MAX_LISTING_BYTES`] of it.
pub fn list_parts_result(body: &[u8]) -> Result<ListPartsResult, Error> {
    parts(body, Demand::Document)
}

/// Reads a page of a listing: a [`ListPartsResult`] with at most [`MAX_ENTRIES`](super::MAX_ENTRIES) parts, which an empty
/// element is not.
#[cfg(feature = "client")]
pub(crate) fn page_of_parts(body: &[u8]) -> Result<ListPartsResult, Error> {
    parts(body, Demand::Page)
}

fn parts(body: &[u8], demand: Demand) -> Result<ListPartsResult, Error> {
    // moto names the root otherwise.
    parse(body, MAX_LISTING_BYTES, &["ListPartsResult", "ListPartsResponse"], |document, _| {
        document.demand(demand);
        let mut parts = Vec::new();
        let (mut upload_id, mut is_truncated, mut marker, mut storage_class) =
            (None, None, None, None);
        document.children(|document, child| match child {
            "UploadId" => document.field(child, &mut upload_id, value::verbatim),
            "Part" => document.entry(part, &mut parts),
            "IsTruncated" => document.field(child, &mut is_truncated, value::boolean),
            "NextPartNumberMarker" => document.field(child, &mut marker, value::part_number_marker),
            "StorageClass" => document.aside(&mut storage_class, value::word),
            _ => document.unknown(child),
        })?;
        document.check_page(&[upload_id.is_some(), is_truncated.is_some(), marker.is_some()])?;
        Ok(ListPartsResult {
            parts,
            is_truncated,
            next_part_number_marker: marker.flatten(),
            storage_class: storage_class.flatten(),
        })
    })
}

/// Reads `ListMultipartUploadsResult`, at most [`MAX_LISTING_BYTES`] of it.
pub fn list_multipart_uploads_result(body: &[u8]) -> Result<ListMultipartUploadsResult, Error> {
    uploads(body, Demand::Document)
}

/// Reads a page of a listing: a [`ListMultipartUploadsResult`] with at most [`MAX_ENTRIES`](super::MAX_ENTRIES) entries,
/// which an empty element is not.
#[cfg(feature = "client")]
pub(crate) fn page_of_uploads(body: &[u8]) -> Result<ListMultipartUploadsResult, Error> {
    uploads(body, Demand::Page)
}

fn uploads(body: &[u8], demand: Demand) -> Result<ListMultipartUploadsResult, Error> {
    parse(body, MAX_LISTING_BYTES, &["ListMultipartUploadsResult"], |document, _| {
        document.demand(demand);
        let mut uploads = Vec::new();
        let mut common_prefixes = Vec::new();
        let (mut bucket, mut encoding, mut is_truncated) = (None, None, None);
        let (mut next_key_marker, mut next_upload_id_marker) = (None, None);
        document.children(|document, child| match child {
            "Bucket" => document.field(child, &mut bucket, value::verbatim),
            "Upload" => document.entry(upload, &mut uploads),
            "CommonPrefixes" => common_prefix(document, &mut common_prefixes),
            "EncodingType" => document.field(child, &mut encoding, encoding_type),
            "IsTruncated" => document.field(child, &mut is_truncated, value::boolean),
            "NextKeyMarker" => document.field(child, &mut next_key_marker, value::marker),
            "NextUploadIdMarker" => {
                document.field(child, &mut next_upload_id_marker, value::marker)
            }
            _ => document.unknown(child),
        })?;
        let more = next_key_marker.is_some() || next_upload_id_marker.is_some();
        document.check_page(&[bucket.is_some(), is_truncated.is_some(), more])?;
        if encoding.flatten().is_some() {
            percent::decode_all(
                uploads.iter_mut().map(|upload| &mut upload.key).chain(&mut common_prefixes),
            )?;
        }
        Ok(ListMultipartUploadsResult {
            uploads,
            common_prefixes,
            is_truncated,
            next_key_marker: next_key_marker.flatten(),
            next_upload_id_marker: next_upload_id_marker.flatten(),
        })
    })
}

fn part(document: &mut Document<'_>) -> Result<Part, Error> {
    let (mut part_number, mut size, mut etag, mut last_modified) = (None, None, None, None);
    document.children(|document, child| match child {
        "PartNumber" => document.field(child, &mut part_number, value::part_number),
        "Size" => document.field(child, &mut size, value::number),
        "ETag" => document.field(child, &mut etag, value::etag),
        "LastModified" => document.aside(&mut last_modified, value::time),
        _ => document.unknown(child),
    })?;
    Ok(Part {
        part_number: document.require(part_number, "Part", "PartNumber")?,
        size: document.require(size, "Part", "Size")?,
        etag: document.require(etag, "Part", "ETag")?,
        last_modified: last_modified.flatten(),
    })
}

fn upload(document: &mut Document<'_>) -> Result<Upload, Error> {
    let (mut key, mut upload_id, mut initiated, mut storage_class) = (None, None, None, None);
    document.children(|document, child| match child {
        "Key" => document.field(child, &mut key, value::key),
        "UploadId" => document.field(child, &mut upload_id, value::id),
        "Initiated" => document.aside(&mut initiated, value::time),
        "StorageClass" => document.aside(&mut storage_class, value::word),
        _ => document.unknown(child),
    })?;
    Ok(Upload {
        key: document.require(key, "Upload", "Key")?,
        upload_id: document.require(upload_id, "Upload", "UploadId")?,
        initiated: initiated.flatten(),
        storage_class: storage_class.flatten(),
    })
}
