//! Listings, page by page and whole.
use super::Client;
use super::body::Payload;
use super::pages::{Pages, Seen};
use super::request::Call;
use crate::error::{Error, ErrorKind, Result};
use crate::xml::{self, ListBucketResult};
use std::sync::Arc;

/// A selection of keys to list. The default lists everything.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListObjects {
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that share what lies between the prefix and this are rolled up; empty for none.
    pub delimiter: String,
    /// Only keys that sort after this one; sent with the first page only.
    pub start_after: String,
    /// Keys and rolled-up prefixes a page; `None` leaves it to the server (1,000).
    pub max_keys: Option<u32>,
}

impl ListObjects {
    /// Everything below a prefix.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }
    /// Rolls up keys at `delimiter`.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl Into<String>) -> Self {
        self.delimiter = delimiter.into();
        self
    }
    /// Lists the keys after this one.
    #[must_use]
    pub fn start_after(mut self, key: impl Into<String>) -> Self {
        self.start_after = key.into();
        self
    }
    /// Requests pages of at most this many entries (1 to 1,000).
    #[must_use]
    pub const fn max_keys(mut self, keys: u32) -> Self {
        self.max_keys = Some(keys);
        self
    }
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

impl Client {
    /// One page of [ListObjectsV2]; `token` is the `next_continuation_token` of the page before.
    ///
    /// Keys come decoded: `encoding-type=url` is asked for, because XML cannot carry every key, and undone once.
    ///
    /// [ListObjectsV2]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    pub fn list_objects(&self, bucket: &str, request: &ListObjects, token: Option<&str>) -> Result<ListBucketResult> {
        let ListObjects { prefix, delimiter, start_after, max_keys } = request;
        let call = Call::new("ListObjectsV2", "GET", bucket, "")
            .query("list-type", "2")
            .query("encoding-type", "url")
            .maybe_query("prefix", filled(prefix))
            .maybe_query("delimiter", filled(delimiter))
            .maybe_query("start-after", filled(start_after).filter(|_| token.is_none()))
            .maybe_query("continuation-token", token)
            .maybe_query("max-keys", max_keys.map(|keys| keys.to_string()));
        self.run_for_document(&call, Payload::Empty, (xml::list_bucket_result, xml::MAX_LISTING_BYTES))
    }

    /// One page of the older [ListObjects], for servers without version 2; `marker` is the last key or rolled-up prefix of
    /// the page before: servers differ in when they name a `next_marker`, and in how they encode it.
    ///
    /// [ListObjects]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
    pub fn list_objects_v1(
        &self,
        bucket: &str,
        request: &ListObjects,
        marker: Option<&str>,
    ) -> Result<ListBucketResult> {
        let ListObjects { prefix, delimiter, start_after, max_keys } = request;
        let call = Call::new("ListObjects", "GET", bucket, "")
            .query("encoding-type", "url")
            .maybe_query("prefix", filled(prefix))
            .maybe_query("delimiter", filled(delimiter))
            .maybe_query("marker", marker.or_else(|| filled(start_after)))
            .maybe_query("max-keys", max_keys.map(|keys| keys.to_string()));
        self.run_for_document(&call, Payload::Empty, (xml::list_bucket_result, xml::MAX_LISTING_BYTES))
    }

    /// Returns an iterator over all pages of ListObjectsV2.
    pub fn listing(&self, bucket: &str, request: ListObjects) -> Pages<ListBucketResult> {
        let (client, bucket) = (self.clone(), Arc::<str>::from(bucket));
        let place = Arc::clone(&bucket);
        Pages::new(
            move |token: Option<&String>| client.list_objects(&bucket, &request, token.map(String::as_str)),
            move |page, _, seen| next_token(page, seen).map_err(|text| broken("ListObjectsV2", &place, text)),
        )
    }
}

/// Finds the token of the page after `page`. The guard against repeats keeps the tokens and the entries that pages began
/// with: 8 bytes or so for a thousand keys.
fn next_token(page: &ListBucketResult, seen: &mut Seen) -> std::result::Result<Option<String>, &'static str> {
    let next = match (page.is_truncated, &page.next_continuation_token) {
        (Some(true), None) => return Err("the listing goes on, but the server did not say where"),
        (Some(true) | None, Some(next)) => Some(next.clone()),
        (Some(false), _) | (None, None) => None,
    };
    if next.as_ref().is_some_and(|next| !seen.insert(&("token", next))) {
        return Err("the server gave the same continuation token twice");
    }
    // New tokens that lead to the same pages again would never end either.
    let first = page.contents.first().map(|object| ("key", &object.key));
    let first = first.or_else(|| page.common_prefixes.first().map(|prefix| ("prefix", prefix)));
    if first.is_some_and(|first| !seen.insert(&first)) {
        return Err("the server gave the same page twice");
    }
    Ok(next)
}

/// A listing that cannot go on.
pub(super) fn broken(operation: &'static str, bucket: &str, text: &str) -> Error {
    Error::new(ErrorKind::Protocol, text).with_operation(operation).with_bucket(bucket)
}
