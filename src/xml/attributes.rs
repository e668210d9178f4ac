//! `GetObjectAttributesResponse`: what the server knows about an object and its parts.
use super::checksum::{Checksums, StoredChecksum};
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, value};
use crate::time::Timestamp;

/// The response to
/// [GetObjectAttributes](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectAttributes {
    /// The ETag without its quotes.
    pub etag: Option<String>,
    /// The size of the whole object, in bytes.
    pub size: Option<u64>,
    /// The storage class; S3 leaves it out for `STANDARD`.
    pub storage_class: Option<String>,
    /// The checksums of the object.
    pub checksums: Vec<StoredChecksum>,
    /// The parts that the object was uploaded in; `None` for an object that was stored by one PUT.
    pub parts: Option<ObjectParts>,
    /// The time at which the object was stored. S3 states it in a header of the response, so the
    /// reader of the document returns `None`.
    pub last_modified: Option<Timestamp>,
    /// The version that is described, which is also in a header.
    pub version_id: Option<String>,
}

/// A page of the parts of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectParts {
    /// The number of all parts of the object.
    pub total: Option<u64>,
    /// The parts of this page, in the server's order. S3 only lists parts that have a checksum.
    pub parts: Vec<ObjectPart>,
    /// Whether more pages follow; `None` when the server does not say.
    pub is_truncated: Option<bool>,
    /// The `part-number-marker` for the next page.
    pub next_part_number_marker: Option<u32>,
    /// The maximum number of parts in a page.
    pub max_parts: Option<u64>,
}

/// A part of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectPart {
    /// The part's number, 1 to 10,000.
    pub part_number: u32,
    /// The part's size in bytes.
    pub size: u64,
    /// The checksum of the part's bytes. Its [`checksum_type`](StoredChecksum::checksum_type) is
    /// that of the object's checksum.
    pub checksum: Option<StoredChecksum>,
}

/// Reads `GetObjectAttributesResponse`, at most [`MAX_LISTING_BYTES`] of it.
///
/// - Required: the complete root element, and `PartNumber` and `Size` in each `Part`.
/// - Optional: everything else. An attribute that was not requested is `None`.
/// - Refused: an object's size, a part's number or size, or a `NextPartNumberMarker` that is not a
///   number, an `IsTruncated` that is neither true nor false, and a repeated element among these.
///
/// ```
/// use s3driver::xml;
///
/// let object = xml::object_attributes(
///     b"<GetObjectAttributesResponse><ETag>3858f622-2</ETag><ObjectSize>5242881</ObjectSize>
///       <ObjectParts><PartsCount>2</PartsCount></ObjectParts></GetObjectAttributesResponse>",
/// )?;
/// assert_eq!((object.etag.as_deref(), object.size), (Some("3858f622-2"), Some(5_242_881)));
/// assert_eq!(object.parts.and_then(|parts| parts.total), Some(2));
///
/// assert!(xml::object_attributes(b"<GetObjectAttributesResponse>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn object_attributes(body: &[u8]) -> Result<ObjectAttributes, Error> {
    attributes(body, Demand::Document)
}

/// Reads a page of the parts of an object: an [`ObjectAttributes`] that has at most
/// [`MAX_ENTRIES`](super::MAX_ENTRIES) parts.
#[cfg(feature = "client")]
pub(crate) fn page_of_object_parts(body: &[u8]) -> Result<ObjectAttributes, Error> {
    attributes(body, Demand::Page)
}

fn attributes(body: &[u8], demand: Demand) -> Result<ObjectAttributes, Error> {
    const ROOT: &str = "GetObjectAttributesResult";
    parse(body, MAX_LISTING_BYTES, &[ROOT], |document, _| {
        document.demand(demand);
        let (mut etag, mut size, mut storage_class) = (None, None, None);
        let (mut checksums, mut parts) = (Checksums::default(), None);
        document.children(|document, child| match child {
            "ETag" => document.aside(&mut etag, value::optional_etag),
            "ObjectSize" => document.field(child, &mut size, value::number),
            "StorageClass" => document.aside(&mut storage_class, value::word),
            "Checksum" => document.children(|document, child| checksums.read(document, child)),
            "ObjectParts" if parts.is_some() => {
                Err(document.fail("<ObjectParts> comes twice in one element"))
            }
            "ObjectParts" => page(document).map(|page| parts = Some(page)),
            _ => document.unknown(child),
        })?;

        let checksums = checksums.finish();
        // The parts may precede the checksum, which states the type.
        let stated = checksums.first().map(|checksum| checksum.checksum_type.as_str());
        for part in parts.iter_mut().flat_map(|page: &mut ObjectParts| &mut page.parts) {
            part.checksum = part.checksum.take().map(|checksum| checksum.of_part(stated));
        }
        Ok(ObjectAttributes {
            etag: etag.flatten(),
            size,
            storage_class: storage_class.flatten(),
            checksums,
            parts,
            last_modified: None,
            version_id: None,
        })
    })
}

fn page(document: &mut Document<'_>) -> Result<ObjectParts, Error> {
    let (mut total, mut max_parts, mut parts) = (None, None, Vec::new());
    let (mut is_truncated, mut next_part_number_marker) = (None, None);
    document.children(|document, child| match child {
        "PartsCount" | "TotalPartsCount" => document.aside(&mut total, value::count),
        "MaxParts" => document.aside(&mut max_parts, value::count),
        "IsTruncated" => document.field(child, &mut is_truncated, value::boolean),
        "NextPartNumberMarker" => {
            document.field(child, &mut next_part_number_marker, value::part_number_marker)
        }
        "Part" => document.entry(part, &mut parts),
        _ => document.unknown(child),
    })?;

    Ok(ObjectParts {
        total: total.flatten(),
        parts,
        is_truncated,
        next_part_number_marker: next_part_number_marker.flatten(),
        max_parts: max_parts.flatten(),
    })
}

fn part(document: &mut Document<'_>) -> Result<ObjectPart, Error> {
    let (mut part_number, mut size) = (None, None);
    let mut checksums = Checksums::default();
    document.children(|document, child| match child {
        "PartNumber" => document.field(child, &mut part_number, value::part_number),
        "Size" => document.field(child, &mut size, value::number),
        _ => checksums.read(document, child),
    })?;

    Ok(ObjectPart {
        part_number: document.require(part_number, "Part", "PartNumber")?,
        size: document.require(size, "Part", "Size")?,
        // S3 stores one checksum with each part.
        checksum: checksums.finish().pop(),
    })
}
