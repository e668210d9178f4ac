//! `ListBucketResult`: a page of objects.
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, percent, value};
use crate::time::Timestamp;
use std::sync::Arc;

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The decoded key, never empty.
    pub key: String,
    /// The object's size in bytes.
    pub size: u64,
    /// When the object was written; `None` if the server did not send a time that can be parsed.
    pub last_modified: Option<Timestamp>,
    /// The ETag without its quotes. It is opaque: if the object was uploaded in parts, it is not
    /// the object's MD5.
    pub etag: Option<String>,
    /// The storage class, such as `STANDARD`; `None` if the server did not send one. Objects of a
    /// page that have the same class share its name.
    pub storage_class: Option<Arc<str>>,
}

impl Object {
    /// Creates an object with a key and a size, and without the optional fields.
    pub fn new(key: impl Into<String>, size: u64) -> Self {
        Self { key: key.into(), size, last_modified: None, etag: None, storage_class: None }
    }
}

/// A page of a listing, [version
/// 1](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html) or [version
/// 2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
///
/// Keys and common prefixes are decoded. Echoed parameters are not, because only some servers
/// encode them. To request the next page, pass
/// [`next_continuation_token`](Self::next_continuation_token), or in version 1 the last decoded
/// key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListBucketResult {
    /// The bucket.
    pub name: Option<String>,
    /// The requested prefix, as the server echoes it.
    pub prefix: Option<String>,
    /// The requested delimiter, as the server echoes it.
    pub delimiter: Option<String>,
    /// The maximum number of keys in a page.
    pub max_keys: Option<u64>,
    /// In version 2, the number of keys and common prefixes in this page according to the server.
    /// Servers differ in what they count, so count the entries instead.
    pub key_count: Option<u64>,
    /// `url` if the server states that keys are percent-encoded. The keys in
    /// [`contents`](Self::contents) are decoded.
    pub encoding_type: Option<String>,
    /// Whether more pages follow; `None` if the server does not state it.
    pub is_truncated: Option<bool>,
    /// In version 2, the token with which this page was requested.
    pub continuation_token: Option<String>,
    /// In version 2, the `continuation-token` for the next page, to be sent unchanged.
    pub next_continuation_token: Option<String>,
    /// In version 2, the key after which the listing was requested to start, as the server echoes
    /// it.
    pub start_after: Option<String>,
    /// In version 1, the key after which this page was requested to start, as the server echoes it.
    pub marker: Option<String>,
    /// In version 1 with a delimiter, the `marker` for the next page, as the server sent it.
    pub next_marker: Option<String>,
    /// The objects of this page in the server's order, which is not necessarily sorted by key.
    pub contents: Vec<Object>,
    /// The decoded common prefixes into which the delimiter grouped keys.
    pub common_prefixes: Vec<String>,
}

impl ListBucketResult {
    /// Returns whether more pages follow. If the server does not state it, a marker or token for
    /// the next page shows that there is one.
    #[cfg(feature = "client")]
    pub(crate) fn is_followed(&self) -> bool {
        self.is_truncated
            .unwrap_or_else(|| self.next_continuation_token.is_some() || self.next_marker.is_some())
    }
}

/// Reads `ListBucketResult`, at most [`MAX_LISTING_BYTES`] of it.
///
/// - Required: `Key` and `Size` in each `Contents`, and a `Prefix` in each `CommonPrefixes`.
/// - Optional: everything else. A time, a count or an echoed parameter that cannot be parsed is
///   `None`.
/// - Refused: an empty key, a size that is not a number, an `IsTruncated` that is neither true nor
///   false, an `EncodingType` other than `url`, a key that is declared to be percent-encoded but is
///   not, and a repeated element in an entry.
///
/// ```
/// use s3driver::xml;
///
/// let page = xml::list_bucket_result(
///     b"<ListBucketResult><Name>registry</Name><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>
///       <EncodingType>url</EncodingType>
///       <Contents><Key>a%20b</Key><Size>7</Size><ETag>&quot;0cc175b9&quot;</ETag></Contents>
///       </ListBucketResult>",
/// )?;
/// assert_eq!((page.contents[0].key.as_str(), page.contents[0].size), ("a b", 7));
/// assert_eq!((page.max_keys, page.is_truncated), (Some(1000), Some(false)));
///
/// let without_size = b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>";
/// assert!(xml::list_bucket_result(without_size).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn list_bucket_result(body: &[u8]) -> Result<ListBucketResult, Error> {
    read(body, Demand::Document)
}

/// Reads a page of a listing: a [`ListBucketResult`] that has at most
/// [`MAX_ENTRIES`](super::MAX_ENTRIES) entries and is not an empty element.
#[cfg(feature = "client")]
pub(crate) fn page_of_objects(body: &[u8]) -> Result<ListBucketResult, Error> {
    read(body, Demand::Page)
}

fn read(body: &[u8], demand: Demand) -> Result<ListBucketResult, Error> {
    parse(body, MAX_LISTING_BYTES, &["ListBucketResult"], |document, _| {
        document.demand(demand);
        let mut contents = Vec::new();
        let mut class = None;
        let mut common_prefixes = Vec::new();
        let (mut name, mut prefix, mut encoding, mut is_truncated) = (None, None, None, None);
        let (mut next_continuation_token, mut next_marker) = (None, None);
        let (mut delimiter, mut max_keys, mut key_count) = (None, None, None);
        let (mut continuation_token, mut start_after, mut marker) = (None, None, None);

        document.children(|document, child| match child {
            "Contents" => document.entry(|document| object(document, &mut class), &mut contents),
            "CommonPrefixes" => common_prefix(document, &mut common_prefixes),
            "Name" => document.field(child, &mut name, value::verbatim),
            "Prefix" => document.field(child, &mut prefix, value::verbatim),
            "Delimiter" => document.aside(&mut delimiter, value::marker),
            "MaxKeys" => document.aside(&mut max_keys, value::count),
            "KeyCount" => document.aside(&mut key_count, value::count),
            "EncodingType" => document.field(child, &mut encoding, encoding_type),
            "IsTruncated" => document.field(child, &mut is_truncated, value::boolean),
            "ContinuationToken" => document.aside(&mut continuation_token, value::marker),
            "NextContinuationToken" => {
                document.field(child, &mut next_continuation_token, value::marker)
            }
            "StartAfter" => document.aside(&mut start_after, value::marker),
            "Marker" => document.aside(&mut marker, value::marker),
            "NextMarker" => document.field(child, &mut next_marker, value::marker),
            _ => document.unknown(child),
        })?;

        document.check_page(&[
            name.is_some(),
            is_truncated.is_some(),
            next_continuation_token.is_some(),
            next_marker.is_some(),
        ])?;

        let encoding_type = encoding.flatten();
        // Keys are decoded last because `EncodingType` may follow the keys to which it applies.
        if encoding_type.is_some() {
            percent::decode_all(
                contents.iter_mut().map(|object| &mut object.key).chain(&mut common_prefixes),
            )?;
        }

        Ok(ListBucketResult {
            name,
            prefix,
            delimiter: delimiter.flatten(),
            max_keys: max_keys.flatten(),
            key_count: key_count.flatten(),
            encoding_type,
            is_truncated,
            continuation_token: continuation_token.flatten(),
            next_continuation_token: next_continuation_token.flatten(),
            start_after: start_after.flatten(),
            marker: marker.flatten(),
            next_marker: next_marker.flatten(),
            contents,
            common_prefixes,
        })
    })
}

/// Reads one `Contents`. `class` is the storage class of the object before it.
fn object(document: &mut Document<'_>, class: &mut Option<Arc<str>>) -> Result<Object, Error> {
    let (mut key, mut size, mut last_modified, mut etag, mut storage_class) =
        (None, None, None, None, None);
    document.children(|document, child| match child {
        "Key" => document.field(child, &mut key, value::key),
        "LastModified" => document.field(child, &mut last_modified, value::time),
        "ETag" => document.field(child, &mut etag, value::optional_etag),
        "Size" => document.field(child, &mut size, value::number),
        "StorageClass" => {
            document.field(child, &mut storage_class, |text| value::shared_word(text, class))
        }
        _ => document.unknown(child),
    })?;

    Ok(Object {
        key: document.require(key, "Contents", "Key")?,
        size: document.require(size, "Contents", "Size")?,
        last_modified: last_modified.flatten(),
        etag: etag.flatten(),
        storage_class: storage_class.flatten(),
    })
}

/// Reads a `CommonPrefixes` element. S3 sends one `Prefix` in each, but its original schema allowed
/// several, so all of them are read.
pub(super) fn common_prefix(
    document: &mut Document<'_>,
    prefixes: &mut Vec<String>,
) -> Result<(), Error> {
    let before = prefixes.len();
    document.children(|document, child| match child {
        "Prefix" => document.entry(|document| document.text(child).map(str::to_owned), prefixes),
        _ => document.unknown(child),
    })?;

    if prefixes.len() == before {
        return Err(document.fail("<CommonPrefixes> has no <Prefix>"));
    }
    Ok(())
}

/// Parses an encoding, which must be `url` or empty because keys in another encoding could not be
/// decoded.
pub(super) fn encoding_type(text: &str) -> Result<Option<String>, &'static str> {
    let encoding = value::word(text)?;
    match encoding.as_deref() {
        None => Ok(None),
        Some(name) if name.eq_ignore_ascii_case("url") => Ok(Some("url".to_owned())),
        Some(_) => Err("is not \"url\""),
    }
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_an_entry_or_states_something_about_the_listing() {
        let page = |content: &str| {
            page_of_objects(format!("<ListBucketResult>{content}</ListBucketResult>").as_bytes())
        };

        for content in [
            "<Name>b</Name>",
            "<IsTruncated>false</IsTruncated>",
            "<NextContinuationToken>t</NextContinuationToken>",
            "<NextMarker>m</NextMarker>",
            "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>",
        ] {
            assert!(page(content).is_ok(), "{content}");
        }

        for content in ["", "<Prefix>p</Prefix>", "<Marker>m</Marker>"] {
            assert!(page(content).is_err(), "{content}");
        }
    }
}
