//! `ListVersionsResult`: a page of versions and delete markers.
use super::listing::{common_prefix, encoding_type};
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, percent, value};
use crate::time::Timestamp;

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectVersion {
    /// The decoded key, never empty.
    pub key: String,
    /// The version's id, never empty; `null` for an object that was stored without versions.
    pub version_id: String,
    /// Whether this is the current version of the object.
    pub is_latest: bool,
    /// Whether this is an object or a delete marker.
    pub kind: VersionKind,
    /// When the version was written; `None` when the server sent no time, or one that cannot be
    /// read.
    pub last_modified: Option<Timestamp>,
    /// The size in bytes; 0 for a delete marker.
    pub size: u64,
    /// The ETag without its quotes; `None` for a delete marker.
    pub etag: Option<String>,
    /// The storage class, such as `STANDARD`; `None` when the server sent none.
    pub storage_class: Option<String>,
}

/// The kind of an entry in a list of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionKind {
    /// A version with content.
    Object,
    /// A marker that hides the older versions: the object does not exist while it is the latest.
    DeleteMarker,
}

/// A page of
/// [ListObjectVersions](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html).
///
/// Keys and common prefixes are decoded. Markers and echoed parameters are as the server sent them,
/// because some servers encode them and some do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListVersionsResult {
    /// The bucket.
    pub name: Option<String>,
    /// The requested prefix, as the server echoes it.
    pub prefix: Option<String>,
    /// The requested delimiter, as the server echoes it.
    pub delimiter: Option<String>,
    /// The maximum number of versions in a page.
    pub max_keys: Option<u64>,
    /// `url` when the server states that keys are percent-encoded. The keys in
    /// [`versions`](Self::versions) are decoded.
    pub encoding_type: Option<String>,
    /// Whether more pages follow; `None` when the server does not state it.
    pub is_truncated: Option<bool>,
    /// The key after which this page was requested to start, as the server echoes it.
    pub key_marker: Option<String>,
    /// The version after which this page was requested to start, as the server echoes it.
    pub version_id_marker: Option<String>,
    /// The key from which the next page continues.
    pub next_key_marker: Option<String>,
    /// The version from which the next page continues.
    pub next_version_id_marker: Option<String>,
    /// The versions and delete markers of this page, in the order of the server. S3 returns those
    /// of a key together, the latest first. SeaweedFS returns the delete markers of a page after
    /// its versions. [`ObjectVersion::is_latest`] identifies the current one.
    pub versions: Vec<ObjectVersion>,
    /// The prefixes rolled up by the delimiter, decoded.
    pub common_prefixes: Vec<String>,
}

/// Reads `ListVersionsResult`, at most [`MAX_LISTING_BYTES`] of it.
///
/// - Required: `Key`, `VersionId` and `IsLatest` in each `Version` and `DeleteMarker`, `Size` in
///   each `Version`, and a `Prefix` in each `CommonPrefixes`.
/// - Optional: everything else. A time, a count or an echoed parameter that cannot be read is
///   `None`.
/// - Refused: an empty key or version, a size that is not a number, an `IsLatest` or `IsTruncated`
///   that is neither true nor false, an `EncodingType` other than `url`, a key that is said to be
///   percent-encoded and is not, and a second element of a name in one entry.
///
/// ```
/// use s3driver::xml::{self, VersionKind};
///
/// let page = xml::list_versions_result(
///     b"<ListVersionsResult><Name>b</Name><IsTruncated>false</IsTruncated>
///       <DeleteMarker><Key>k</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest></DeleteMarker>
///       <Version><Key>k</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest><Size>7</Size></Version>
///       </ListVersionsResult>",
/// )?;
/// assert_eq!(page.versions[0].kind, VersionKind::DeleteMarker);
/// assert_eq!((page.versions[1].version_id.as_str(), page.versions[1].size), ("v1", 7));
///
/// let nameless = b"<ListVersionsResult><DeleteMarker><Key>k</Key></DeleteMarker></ListVersionsResult>";
/// assert!(xml::list_versions_result(nameless).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn list_versions_result(body: &[u8]) -> Result<ListVersionsResult, Error> {
    read(body, Demand::Document)
}

/// Reads a page of a listing: a [`ListVersionsResult`] with at most
/// [`MAX_ENTRIES`](super::MAX_ENTRIES) entries, and not an empty element.
#[cfg(feature = "client")]
pub(crate) fn page_of_versions(body: &[u8]) -> Result<ListVersionsResult, Error> {
    read(body, Demand::Page)
}

fn read(body: &[u8], demand: Demand) -> Result<ListVersionsResult, Error> {
    parse(body, MAX_LISTING_BYTES, ROOTS, |document, _| {
        document.demand(demand);
        let mut page = ListVersionsResult::default();
        let (mut name, mut prefix, mut encoding, mut is_truncated) = (None, None, None, None);
        let (mut next_key_marker, mut next_version_id_marker) = (None, None);
        let (mut delimiter, mut max_keys) = (None, None);
        let (mut key_marker, mut version_id_marker) = (None, None);

        document.children(|document, child| match child {
            "Version" => document
                .entry(|document| version(document, VersionKind::Object), &mut page.versions),
            "DeleteMarker" => document
                .entry(|document| version(document, VersionKind::DeleteMarker), &mut page.versions),
            "CommonPrefixes" => common_prefix(document, &mut page.common_prefixes),
            "Name" => document.field(child, &mut name, value::verbatim),
            "Prefix" => document.field(child, &mut prefix, value::verbatim),
            "Delimiter" => document.aside(&mut delimiter, value::marker),
            "MaxKeys" => document.aside(&mut max_keys, value::count),
            "EncodingType" => document.field(child, &mut encoding, encoding_type),
            "IsTruncated" => document.field(child, &mut is_truncated, value::boolean),
            "KeyMarker" => document.aside(&mut key_marker, value::marker),
            "VersionIdMarker" => document.aside(&mut version_id_marker, value::marker),
            "NextKeyMarker" => document.field(child, &mut next_key_marker, value::marker),
            "NextVersionIdMarker" => {
                document.field(child, &mut next_version_id_marker, value::marker)
            }
            _ => document.unknown(child),
        })?;

        document.check_page(&[
            name.is_some(),
            is_truncated.is_some(),
            next_key_marker.is_some(),
            next_version_id_marker.is_some(),
        ])?;

        let encoding_type = encoding.flatten();
        // Only now, because `EncodingType` may come after the keys that it describes.
        if encoding_type.is_some() {
            percent::decode_all(
                page.versions
                    .iter_mut()
                    .map(|version| &mut version.key)
                    .chain(&mut page.common_prefixes),
            )?;
        }

        Ok(ListVersionsResult {
            name,
            prefix,
            delimiter: delimiter.flatten(),
            max_keys: max_keys.flatten(),
            encoding_type,
            is_truncated,
            key_marker: key_marker.flatten(),
            version_id_marker: version_id_marker.flatten(),
            next_key_marker: next_key_marker.flatten(),
            next_version_id_marker: next_version_id_marker.flatten(),
            ..page
        })
    })
}

/// The names of the root: S3's, that of the operation, which some servers use, and that of
/// gofakes3.
const ROOTS: &[&str] =
    &["ListVersionsResult", "ListObjectVersionsResult", "ListBucketVersionsResult"];

fn version(document: &mut Document<'_>, kind: VersionKind) -> Result<ObjectVersion, Error> {
    let element = match kind {
        VersionKind::Object => "Version",
        VersionKind::DeleteMarker => "DeleteMarker",
    };
    let (mut key, mut version_id, mut is_latest, mut size) = (None, None, None, None);
    let (mut last_modified, mut etag, mut storage_class) = (None, None, None);
    document.children(|document, child| match child {
        "Key" => document.field(child, &mut key, value::key),
        "VersionId" => document.field(child, &mut version_id, value::id),
        "IsLatest" => document.field(child, &mut is_latest, value::boolean),
        "LastModified" => document.field(child, &mut last_modified, value::time),
        // Ceph writes both for delete markers too.
        "Size" if kind == VersionKind::Object => document.field(child, &mut size, value::number),
        "ETag" if kind == VersionKind::Object => {
            document.field(child, &mut etag, value::optional_etag)
        }
        "StorageClass" => document.field(child, &mut storage_class, value::word),
        _ => document.unknown(child),
    })?;

    if kind == VersionKind::DeleteMarker {
        size = Some(0);
    }
    Ok(ObjectVersion {
        key: document.require(key, element, "Key")?,
        version_id: document.require(version_id, element, "VersionId")?,
        is_latest: document.require(is_latest, element, "IsLatest")?,
        kind,
        last_modified: last_modified.flatten(),
        size: document.require(size, element, "Size")?,
        etag: etag.flatten(),
        storage_class: storage_class.flatten(),
    })
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_an_entry_or_states_something_about_the_listing() {
        let page = |content: &str| {
            page_of_versions(
                format!("<ListVersionsResult>{content}</ListVersionsResult>").as_bytes(),
            )
        };

        for content in [
            "<Name>b</Name>",
            "<IsTruncated>false</IsTruncated>",
            "<NextKeyMarker>k</NextKeyMarker>",
            "<NextVersionIdMarker>v</NextVersionIdMarker>",
        ] {
            assert_ne!(page(content), Ok(ListVersionsResult::default()), "{content}");
            assert!(page(content).is_ok(), "{content}");
        }

        for content in ["", "<Prefix>p</Prefix>", "<KeyMarker>k</KeyMarker>"] {
            assert!(page(content).is_err(), "{content}");
        }
    }
}
