//! `ListBucketResult`: a page of objects.
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, percent, value};
use crate::time::Timestamp;

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// Decoded key, never empty.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// `None` when the server sent none.
    pub last_modified: Option<Timestamp>,
    /// Without quotes, opaque: not the MD5 of an object that was uploaded in parts.
    pub etag: Option<String>,
    /// Such as `STANDARD`; `None` when the server sent none.
    pub storage_class: Option<String>,
}

impl Object {
    /// Describes an object of which only the key and the size are known.
    pub fn new(key: impl Into<String>, size: u64) -> Self {
        Self { key: key.into(), size, last_modified: None, etag: None, storage_class: None }
    }
}

/// A page of a listing, [version 1](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html) or
/// [version 2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
///
/// Keys and common prefixes are decoded. What a server echoes (prefix, markers) is not, for some servers encode it and
/// some do not: go on with the version 2 token, or in version 1 with the last decoded key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListBucketResult {
    /// The bucket.
    pub name: Option<String>,
    /// The prefix asked for, as the server echoes it (not decoded: servers differ).
    pub prefix: Option<String>,
    /// `url` when the server says that keys are percent-encoded; they are decoded already.
    pub encoding_type: Option<String>,
    /// Whether there are more pages; `None` when the server does not say.
    pub is_truncated: Option<bool>,
    /// Version 2: what to pass as `continuation-token`, byte for byte.
    pub next_continuation_token: Option<String>,
    /// Version 1 with a delimiter: what to pass as `marker`. Raw; never decoded (servers differ).
    pub next_marker: Option<String>,
    /// The objects of this page, in the order of the server, which need not be that of keys.
    pub contents: Vec<Object>,
    /// The prefixes rolled up by the delimiter, decoded.
    pub common_prefixes: Vec<String>,
}

impl ListBucketResult {
    /// Returns whether more pages follow. A server that does not say so names where they begin.
    #[cfg(feature = "client")]
    pub(crate) fn is_followed(&self) -> bool {
        self.is_truncated
            .unwrap_or_else(|| self.next_continuation_token.is_some() || self.next_marker.is_some())
    }
}

/// Reads `ListBucketResult`, at most [`MAX_LISTING_BYTES`] of it.
pub fn list_bucket_result(body: &[u8]) -> Result<ListBucketResult, Error> {
    read(body, Demand::Document)
}

/// Reads a page of a listing: a [`ListBucketResult`] with at most [`MAX_ENTRIES`](super::MAX_ENTRIES) entries, which an
/// empty element is not.
#[cfg(feature = "client")]
pub(crate) fn page_of_objects(body: &[u8]) -> Result<ListBucketResult, Error> {
    read(body, Demand::Page)
}

fn read(body: &[u8], demand: Demand) -> Result<ListBucketResult, Error> {
    parse(body, MAX_LISTING_BYTES, &["ListBucketResult"], |document, _| {
        document.demand(demand);
        let mut contents = Vec::new();
        let mut common_prefixes = Vec::new();
        let (mut name, mut prefix, mut encoding, mut is_truncated) = (None, None, None, None);
        let (mut next_continuation_token, mut next_marker) = (None, None);
        document.children(|document, child| match child {
            "Contents" => document.entry(object, &mut contents),
            "CommonPrefixes" => common_prefix(document, &mut common_prefixes),
            "Name" => document.field(child, &mut name, value::verbatim),
            "Prefix" => document.field(child, &mut prefix, value::verbatim),
            "EncodingType" => document.field(child, &mut encoding, encoding_type),
            "IsTruncated" => document.field(child, &mut is_truncated, value::boolean),
            "NextContinuationToken" => {
                document.field(child, &mut next_continuation_token, value::marker)
            }
            "NextMarker" => document.field(child, &mut next_marker, value::marker),
            _ => document.unknown(child),
        })?;
        let more = next_continuation_token.is_some() || next_marker.is_some();
        document.check_page(&[name.is_some(), is_truncated.is_some(), more])?;
        let encoding_type = encoding.flatten();
        // Only now, because `EncodingType` may come after the keys it is about.
        if encoding_type.is_some() {
            percent::decode_all(
                contents.iter_mut().map(|object| &mut object.key).chain(&mut common_prefixes),
            )?;
        }
        Ok(ListBucketResult {
            name,
            prefix,
            encoding_type,
            is_truncated,
            next_continuation_token: next_continuation_token.flatten(),
            next_marker: next_marker.flatten(),
            contents,
            common_prefixes,
        })
    })
}

fn object(document: &mut Document<'_>) -> Result<Object, Error> {
    let (mut key, mut size, mut last_modified, mut etag, mut storage_class) =
        (None, None, None, None, None);
    document.children(|document, child| match child {
        "Key" => document.field(child, &mut key, value::key),
        "LastModified" => document.field(child, &mut last_modified, value::time),
        "ETag" => document.field(child, &mut etag, value::optional_etag),
        "Size" => document.field(child, &mut size, value::number),
        "StorageClass" => document.field(child, &mut storage_class, value::word),
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

/// Reads one `CommonPrefixes`. S3 puts one `Prefix` into each; its first schema allowed several, which lose nothing.
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

/// `url`, or nothing. Keys in another encoding could not be read.
pub(super) fn encoding_type(text: &str) -> Result<Option<String>, &'static str> {
    let encoding = value::word(text)?;
    match encoding.as_deref() {
        None => Ok(None),
        Some(name) if name.eq_ignore_ascii_case("url") => Ok(Some("url".to_owned())),
        Some(_) => Err("is not \"url\""),
    }
}
