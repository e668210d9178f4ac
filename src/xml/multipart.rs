//! The responses of S3 to the operations of a multipart upload.
use super::checksum::{Checksums, StoredChecksum};
use super::listing::{common_prefix, encoding_type};
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, MAX_REPLY_BYTES, percent, value};
use crate::time::Timestamp;

/// The response to
/// [CreateMultipartUpload](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InitiateMultipartUploadResult {
    /// The id of the new upload, never empty.
    pub upload_id: String,
    /// The bucket that the server names.
    pub bucket: Option<String>,
    /// The key that the server names.
    pub key: Option<String>,
}

/// The response to
/// [CompleteMultipartUpload](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompleteMultipartUploadResult {
    /// The object's ETag without its quotes; `None` if it is empty, as in Ceph's first response, or
    /// missing, as with ECS. Send a HEAD request for the object in this case.
    pub etag: Option<String>,
    /// The bucket that the server names.
    pub bucket: Option<String>,
    /// The key that the server names.
    pub key: Option<String>,
    /// The URL of the object.
    pub location: Option<String>,
    /// The checksums of the object.
    pub checksums: Vec<StoredChecksum>,
}

/// A part that the server has: an entry of a [`ListPartsResult`], or the result of uploading or
/// copying a part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// The part's number, 1 to 10,000.
    pub part_number: u32,
    /// The part's size in bytes.
    pub size: u64,
    /// The ETag without its quotes. It is opaque (SeaweedFS gives copied parts ETags like `...-2`),
    /// and never empty because a completion needs it.
    pub etag: String,
    /// When the part was uploaded; `None` if the server did not send a time that can be parsed.
    pub last_modified: Option<Timestamp>,
    /// The checksum of the part's bytes, if it was uploaded with one. Its
    /// [`checksum_type`](StoredChecksum::checksum_type) is that of the object to be completed.
    pub checksum: Option<StoredChecksum>,
}

impl Part {
    /// Creates a part without a time or a checksum.
    pub fn new(part_number: u32, etag: impl Into<String>, size: u64) -> Self {
        Self { part_number, size, etag: etag.into(), last_modified: None, checksum: None }
    }

    /// Sets the checksum.
    #[must_use]
    pub fn checksum(mut self, checksum: StoredChecksum) -> Self {
        self.checksum = Some(checksum);
        self
    }
}

/// A page of [ListParts](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListPartsResult {
    /// The bucket that the server names.
    pub bucket: Option<String>,
    /// The key that the server names.
    pub key: Option<String>,
    /// The upload's id, as the server echoes it.
    pub upload_id: Option<String>,
    /// The parts of this page, in the server's order.
    pub parts: Vec<Part>,
    /// The maximum number of parts in a page.
    pub max_parts: Option<u64>,
    /// Whether more pages follow; `None` when the server does not say.
    pub is_truncated: Option<bool>,
    /// The part number after which this page was requested to start.
    pub part_number_marker: Option<u32>,
    /// The `part-number-marker` for the next page.
    pub next_part_number_marker: Option<u32>,
    /// The storage class that the completed object will have.
    pub storage_class: Option<String>,
}

/// One upload of [`ListMultipartUploadsResult`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upload {
    /// The key of the upload, never empty.
    pub key: String,
    /// The upload's id, never empty.
    pub upload_id: String,
    /// When the upload was created; `None` if the server did not send a time that can be parsed.
    pub initiated: Option<Timestamp>,
    /// The storage class that was requested.
    pub storage_class: Option<String>,
}

/// A page of
/// [ListMultipartUploads](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html).
///
/// Keys and common prefixes are decoded if the response has `EncodingType`; markers and echoed
/// parameters never are. Ceph encodes keys on request without stating this in its response, so it
/// is better not to request it. Control characters in keys arrive as references, such as `&#x1;`,
/// and are read although XML 1.0 forbids them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListMultipartUploadsResult {
    /// The bucket.
    pub bucket: Option<String>,
    /// The requested prefix, as the server echoes it.
    pub prefix: Option<String>,
    /// The requested delimiter, as the server echoes it.
    pub delimiter: Option<String>,
    /// The uploads of this page, in the server's order.
    pub uploads: Vec<Upload>,
    /// The common prefixes into which the delimiter grouped keys.
    pub common_prefixes: Vec<String>,
    /// The maximum number of uploads in a page.
    pub max_uploads: Option<u64>,
    /// `url` if the server states that keys are percent-encoded. The keys in
    /// [`uploads`](Self::uploads) are decoded then.
    pub encoding_type: Option<String>,
    /// Whether more pages follow; `None` when the server does not say.
    pub is_truncated: Option<bool>,
    /// The key at which this page was requested to start, as the server echoes it.
    pub key_marker: Option<String>,
    /// The upload after which this page was requested to start, as the server echoes it.
    pub upload_id_marker: Option<String>,
    /// The `key-marker` for the next page. SeaweedFS does not send one even if more pages follow.
    pub next_key_marker: Option<String>,
    /// The `upload-id-marker` for the next page.
    pub next_upload_id_marker: Option<String>,
}

/// Reads `InitiateMultipartUploadResult`, at most [`MAX_REPLY_BYTES`] of it.
/// `InitiateMultipartUpload` (rclone) and `CreateMultipartUploadResult` are accepted as names of
/// the root.
///
/// - Required: `UploadId`.
/// - Optional: `Bucket` and `Key`.
/// - Refused: an empty or repeated `UploadId`.
///
/// ```
/// use s3driver::xml;
///
/// let upload = xml::initiate_multipart_upload_result(
///     b"<InitiateMultipartUploadResult><UploadId>VXBsb2Fk</UploadId></InitiateMultipartUploadResult>",
/// )?;
/// assert_eq!(upload.upload_id, "VXBsb2Fk");
///
/// let without_id = b"<InitiateMultipartUploadResult><Key>k</Key></InitiateMultipartUploadResult>";
/// assert!(xml::initiate_multipart_upload_result(without_id).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn initiate_multipart_upload_result(
    body: &[u8],
) -> Result<InitiateMultipartUploadResult, Error> {
    const ROOT: &str = "InitiateMultipartUploadResult";
    /// The root that rclone sends.
    const SHORT_ROOT: &str = "InitiateMultipartUpload";
    /// A root that is named after the operation, which some servers send.
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
/// S3 starts this response before the completion ends, and sends spaces to keep the connection
/// open. If the completion fails, the response has status 200 and contains an error document, which
/// is returned in [`Error::document`]. If the response is empty or cut off, [`Error::document`] is
/// `None` and the outcome is unknown.
///
/// - Required: the complete root element.
/// - Optional: every field. A field that cannot be parsed is `None`, because the object already
///   exists.
/// - Refused: an `Error` in place of the root or directly below it.
///
/// ```
/// use s3driver::xml;
///
/// let completed = xml::complete_multipart_upload_result(
///     b"<CompleteMultipartUploadResult><ETag>\"3858f622-9\"</ETag></CompleteMultipartUploadResult>",
/// )?;
/// assert_eq!(completed.etag.as_deref(), Some("3858f622-9"));
///
/// let failed = xml::complete_multipart_upload_result(b"  <Error><Code>InternalError</Code></Error>");
/// assert_eq!(failed.unwrap_err().document.unwrap().code, "InternalError");
/// # Ok::<(), xml::Error>(())
/// ```
pub fn complete_multipart_upload_result(
    body: &[u8],
) -> Result<CompleteMultipartUploadResult, Error> {
    const ROOT: &str = "CompleteMultipartUploadResult";
    parse(body, MAX_REPLY_BYTES, &[ROOT], |document, _| {
        let (mut etag, mut bucket, mut key) = (None, None, None);
        let (mut location, mut checksums) = (None, Checksums::default());
        document.children(|document, child| match child {
            "ETag" => document.aside(&mut etag, value::optional_etag),
            "Bucket" => document.aside(&mut bucket, value::marker),
            "Key" => document.aside(&mut key, value::marker),
            "Location" => document.aside(&mut location, value::word),
            _ => checksums.read(document, child),
        })?;

        Ok(CompleteMultipartUploadResult {
            etag: etag.flatten(),
            bucket: bucket.flatten(),
            key: key.flatten(),
            location: location.flatten(),
            checksums: checksums.finish(),
        })
    })
}

/// Reads `ListPartsResult`, at most [`MAX_LISTING_BYTES`] of it.
///
/// - Required: `PartNumber`, `Size` and `ETag` in each `Part`.
/// - Optional: everything else. A time or an echoed parameter that cannot be parsed is `None`.
/// - Refused: a part number outside 1 to 10,000, a size or a `NextPartNumberMarker` that is not a
///   number, an empty ETag, an `IsTruncated` that is neither true nor false, and a repeated element
///   in an entry.
///
/// ```
/// use s3driver::xml;
///
/// let page = xml::list_parts_result(
///     b"<ListPartsResult><UploadId>u</UploadId><IsTruncated>false</IsTruncated>
///       <Part><PartNumber>2</PartNumber><ETag>\"7778aef8\"</ETag><Size>10485760</Size></Part></ListPartsResult>",
/// )?;
/// assert_eq!((page.parts[0].part_number, page.parts[0].size), (2, 10_485_760));
///
/// let without_etag = b"<ListPartsResult><Part><PartNumber>1</PartNumber><Size>1</Size></Part></ListPartsResult>";
/// assert!(xml::list_parts_result(without_etag).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn list_parts_result(body: &[u8]) -> Result<ListPartsResult, Error> {
    parts(body, Demand::Document)
}

/// Reads a page of a listing: a [`ListPartsResult`] that has at most
/// [`MAX_ENTRIES`](super::MAX_ENTRIES) parts and is not an empty element.
#[cfg(feature = "client")]
pub(crate) fn page_of_parts(body: &[u8]) -> Result<ListPartsResult, Error> {
    parts(body, Demand::Page)
}

fn parts(body: &[u8], demand: Demand) -> Result<ListPartsResult, Error> {
    parse(body, MAX_LISTING_BYTES, &["ListPartsResult"], |document, _| {
        document.demand(demand);
        let mut parts = Vec::<Part>::new();
        let (mut upload_id, mut is_truncated, mut next_part_number_marker, mut storage_class) =
            (None, None, None, None);
        let (mut bucket, mut key, mut max_parts, mut part_number_marker) = (None, None, None, None);
        let mut checksum_type = None;

        document.children(|document, child| match child {
            "Bucket" => document.aside(&mut bucket, value::marker),
            "Key" => document.aside(&mut key, value::marker),
            "UploadId" => document.field(child, &mut upload_id, value::verbatim),
            "Part" => document.entry(part, &mut parts),
            "MaxParts" => document.aside(&mut max_parts, value::count),
            "IsTruncated" => document.field(child, &mut is_truncated, value::boolean),
            "PartNumberMarker" => {
                document.aside(&mut part_number_marker, value::part_number_marker)
            }
            "NextPartNumberMarker" => {
                document.field(child, &mut next_part_number_marker, value::part_number_marker)
            }
            "StorageClass" => document.aside(&mut storage_class, value::word),
            "ChecksumType" => document.aside(&mut checksum_type, value::word),
            _ => document.unknown(child),
        })?;

        // The type may come after the parts.
        let checksum_type = checksum_type.flatten();
        for part in &mut parts {
            let checksum = part.checksum.take();
            part.checksum = checksum.map(|checksum| checksum.of_part(checksum_type.as_deref()));
        }
        let more = next_part_number_marker.is_some();
        document.check_page(&[upload_id.is_some(), is_truncated.is_some(), more])?;
        Ok(ListPartsResult {
            bucket: bucket.flatten(),
            key: key.flatten(),
            upload_id,
            parts,
            max_parts: max_parts.flatten(),
            is_truncated,
            part_number_marker: part_number_marker.flatten(),
            next_part_number_marker: next_part_number_marker.flatten(),
            storage_class: storage_class.flatten(),
        })
    })
}

/// Reads `ListMultipartUploadsResult`, at most [`MAX_LISTING_BYTES`] of it.
///
/// - Required: `Key` and `UploadId` in each `Upload`, and a `Prefix` in each `CommonPrefixes`.
/// - Optional: everything else. A time, a count or an echoed parameter that cannot be parsed is
///   `None`.
/// - Refused: an empty key or upload id, an `IsTruncated` that is neither true nor false, an
///   `EncodingType` other than `url`, a key that is declared to be percent-encoded but is not, and
///   a repeated element in an entry.
///
/// ```
/// use s3driver::xml;
///
/// let page = xml::list_multipart_uploads_result(
///     b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>
///       <NextUploadIdMarker>u</NextUploadIdMarker>
///       <Upload><Key>k</Key><UploadId>u</UploadId></Upload></ListMultipartUploadsResult>",
/// )?;
/// assert_eq!(page.uploads[0].upload_id, "u");
/// assert_eq!(page.next_key_marker.as_deref(), Some("k"));
///
/// let without_id = b"<ListMultipartUploadsResult><Upload><Key>k</Key></Upload></ListMultipartUploadsResult>";
/// assert!(xml::list_multipart_uploads_result(without_id).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn list_multipart_uploads_result(body: &[u8]) -> Result<ListMultipartUploadsResult, Error> {
    uploads(body, Demand::Document)
}

/// Reads a page of a listing: a [`ListMultipartUploadsResult`] that has at most
/// [`MAX_ENTRIES`](super::MAX_ENTRIES) entries and is not an empty element.
#[cfg(feature = "client")]
pub(crate) fn page_of_uploads(body: &[u8]) -> Result<ListMultipartUploadsResult, Error> {
    uploads(body, Demand::Page)
}

fn uploads(body: &[u8], demand: Demand) -> Result<ListMultipartUploadsResult, Error> {
    parse(body, MAX_LISTING_BYTES, &["ListMultipartUploadsResult"], |document, _| {
        document.demand(demand);
        document.accept_control_characters();
        let mut uploads = Vec::new();
        let mut common_prefixes = Vec::new();
        let (mut bucket, mut encoding, mut is_truncated) = (None, None, None);
        let (mut next_key_marker, mut next_upload_id_marker) = (None, None);
        let (mut prefix, mut delimiter, mut max_uploads) = (None, None, None);
        let (mut key_marker, mut upload_id_marker) = (None, None);

        document.children(|document, child| match child {
            "Bucket" => document.field(child, &mut bucket, value::verbatim),
            "Prefix" => document.aside(&mut prefix, value::marker),
            "Delimiter" => document.aside(&mut delimiter, value::marker),
            "Upload" => document.entry(upload, &mut uploads),
            "CommonPrefixes" => common_prefix(document, &mut common_prefixes),
            "MaxUploads" => document.aside(&mut max_uploads, value::count),
            "EncodingType" => document.field(child, &mut encoding, encoding_type),
            "IsTruncated" => document.field(child, &mut is_truncated, value::boolean),
            "KeyMarker" => document.aside(&mut key_marker, value::marker),
            "UploadIdMarker" => document.aside(&mut upload_id_marker, value::marker),
            "NextKeyMarker" => document.field(child, &mut next_key_marker, value::marker),
            "NextUploadIdMarker" => {
                document.field(child, &mut next_upload_id_marker, value::marker)
            }
            _ => document.unknown(child),
        })?;

        document.check_page(&[
            bucket.is_some(),
            is_truncated.is_some(),
            next_key_marker.is_some(),
            next_upload_id_marker.is_some(),
        ])?;

        let encoding_type = encoding.flatten();
        if encoding_type.is_some() {
            percent::decode_all(
                uploads.iter_mut().map(|upload| &mut upload.key).chain(&mut common_prefixes),
            )?;
        }

        Ok(ListMultipartUploadsResult {
            bucket,
            prefix: prefix.flatten(),
            delimiter: delimiter.flatten(),
            uploads,
            common_prefixes,
            max_uploads: max_uploads.flatten(),
            encoding_type,
            is_truncated,
            key_marker: key_marker.flatten(),
            upload_id_marker: upload_id_marker.flatten(),
            next_key_marker: next_key_marker.flatten(),
            next_upload_id_marker: next_upload_id_marker.flatten(),
        })
    })
}

fn part(document: &mut Document<'_>) -> Result<Part, Error> {
    let (mut part_number, mut size, mut etag, mut last_modified) = (None, None, None, None);
    let mut checksums = Checksums::default();
    document.children(|document, child| match child {
        "PartNumber" => document.field(child, &mut part_number, value::part_number),
        "Size" => document.field(child, &mut size, value::number),
        "ETag" => document.field(child, &mut etag, value::etag),
        "LastModified" => document.aside(&mut last_modified, value::time),
        _ => checksums.read(document, child),
    })?;

    Ok(Part {
        part_number: document.require(part_number, "Part", "PartNumber")?,
        size: document.require(size, "Part", "Size")?,
        etag: document.require(etag, "Part", "ETag")?,
        last_modified: last_modified.flatten(),
        // S3 stores one checksum with each part.
        checksum: checksums.finish().pop(),
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
