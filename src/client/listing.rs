//! Listings, by page and as a whole.
use super::Client;
use super::body::Payload;
use super::endpoint::BucketKind;
use super::entries::Entries;
use super::fallback::lacks_operation;
use super::pages::{Follow, Page, Pages, Seen};
use super::request::Call;
use crate::error::{Error, ErrorKind, Result};
use crate::text::shown;
use crate::xml::{self, ListBucketResult, Object};
use std::sync::Arc;

/// A selection of keys to list. The default lists everything.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListObjects {
    /// The prefix of the keys to list.
    pub prefix: String,
    /// Groups keys that share the text between the prefix and this delimiter; empty for no
    /// grouping.
    pub delimiter: String,
    /// The key after which the listing starts. It is only sent with the first page.
    pub start_after: String,
    /// The maximum number of keys and common prefixes in a page; `None` leaves it to the server
    /// (1,000).
    pub max_keys: Option<u32>,
}

impl ListObjects {
    /// Selects everything with a prefix.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }
    /// Groups keys by `delimiter`.
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

/// Returns whether `key` begins with `prefix`, which is often empty.
///
/// An empty prefix is not compared. A comparison of no bytes at the address of an empty `String`,
/// which is not mapped, takes longer than parsing a key on processors with AVX-512: the masked
/// loads of the C library's `memcmp` fault there, and the fault is suppressed by microcode.
pub(crate) fn has_prefix(key: &str, prefix: &str) -> bool {
    prefix.is_empty() || key.starts_with(prefix)
}

pub(super) fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The position at which a listing continues.
enum Next {
    Token(String),
    /// In version 1, after this key or common prefix.
    Marker(String),
}

impl Client {
    /// Returns one page of [ListObjectsV2]; `token` is the `next_continuation_token` of the
    /// previous page.
    ///
    /// Keys are returned decoded: the client requests `encoding-type=url`, because XML cannot
    /// represent every key, and decodes once.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] if the page has a key without the prefix: the server ignores
    /// prefixes, or encodes keys without stating so.
    ///
    /// [ListObjectsV2]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    pub fn list_objects(
        &self,
        bucket: &str,
        request: &ListObjects,
        token: Option<&str>,
    ) -> Result<ListBucketResult> {
        let ListObjects { prefix, delimiter, start_after, max_keys } = request;
        let call = Call::new("ListObjectsV2", "GET", bucket, "")
            .query("list-type", "2")
            .query("encoding-type", "url")
            .maybe_query("prefix", filled(prefix))
            .maybe_query("delimiter", filled(delimiter))
            .maybe_query("start-after", filled(start_after).filter(|_| token.is_none()))
            .maybe_query("continuation-token", token)
            .maybe_query("max-keys", max_keys.map(|keys| keys.to_string()));
        self.list(&call, prefix)
    }

    /// Returns one page of the older [ListObjects], for servers without version 2. `marker` is the
    /// last key or common prefix of the previous page: servers differ in when they return a
    /// `next_marker`, and in how they encode it.
    ///
    /// # Errors
    /// The errors of [`Client::list_objects`].
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
        self.list(&call, prefix)
    }

    /// Returns an iterator over the objects of a listing. It uses ListObjectsV2, or ListObjects if
    /// the server does not support version 2 or does not return its tokens. Keys up to
    /// `start_after` are omitted, even if the server ignores it. The listing of a directory bucket
    /// has no order.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, ListObjects};
    ///
    /// for object in Client::from_env()?.objects("bucket", ListObjects::prefix("photos/")) {
    ///     println!("{}", object?.key);
    /// }
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    pub fn objects(&self, bucket: &str, request: ListObjects) -> Entries<ListBucketResult, Object> {
        Entries::new(self.pages_of_objects(bucket, request), |page| page.contents)
    }

    fn pages_of_objects(&self, bucket: &str, mut request: ListObjects) -> Pages<ListBucketResult> {
        let (client, bucket) = (self.clone(), Arc::<str>::from(bucket));
        let place = Arc::clone(&bucket);
        let mut start = StartAfter::new(&request.start_after);
        // A listing without order has no start, which AWS does not accept for directory buckets.
        if BucketKind::of(&bucket).is_ok_and(|kind| !kind.lists_in_order()) {
            request.start_after.clear();
            start.is_ignored = true;
        }
        Pages::new(
            self,
            move |next: Option<&Next>| match next {
                None => client.first_page(&bucket, &request),
                Some(Next::Token(token)) => client.list_objects(&bucket, &request, Some(token)),
                Some(Next::Marker(marker)) => {
                    client.list_objects_v1(&bucket, &request, Some(marker))
                }
            },
            move |page, _, seen| {
                let next = next_page(page, seen)?;
                start.apply_to(page);
                Ok(next)
            },
            move |error| error.with_operation("ListObjectsV2").with_bucket(&*place),
        )
    }

    /// Returns the first page of a listing, in version 1 if the server does not support version 2.
    pub(crate) fn first_page(
        &self,
        bucket: &str,
        request: &ListObjects,
    ) -> Result<ListBucketResult> {
        let versions = &self.inner.listing_versions;
        if versions.contains(bucket) {
            return self.list_objects_v1(bucket, request, None);
        }
        self.list_objects(bucket, request, None).or_else(|error| {
            // A listing does not name a key, so no key can be missing.
            if !lacks_operation(&error) && error.kind() != ErrorKind::NoSuchKey {
                return Err(error);
            }
            // If version 1 is refused too, the first refusal has the reason.
            let Ok(page) = self.list_objects_v1(bucket, request, None) else { return Err(error) };
            if versions.insert(bucket) {
                self.notice_fallback(bucket, "ListObjectsV2", "ListObjects");
            }
            Ok(page)
        })
    }

    fn list(&self, call: &Call<'_>, prefix: &str) -> Result<ListBucketResult> {
        let page = self.run_for_document(
            call,
            Payload::Empty,
            (xml::page_of_objects, xml::MAX_LISTING_BYTES),
        )?;
        let keys = page.contents.iter().map(|object| &object.key).chain(&page.common_prefixes);
        check_prefix(call, prefix, keys)?;
        Ok(page)
    }
}

/// Checks that the keys of a page have the prefix: the caller may be about to delete them, or to
/// conclude that a directory is empty.
pub(super) fn check_prefix<'k>(
    call: &Call<'_>,
    prefix: &str,
    mut keys: impl Iterator<Item = &'k String>,
) -> Result<()> {
    let Some(key) = keys.find(|key| !has_prefix(key, prefix)) else { return Ok(()) };
    let text = format!(
        "the listing below \"{}\" contains the foreign key \"{}\"",
        shown(prefix),
        shown(key)
    );
    let hint = "the server ignores the prefix, or encodes keys without saying so";
    Err(call.place(Error::new(ErrorKind::Protocol, text)).with_hint(hint))
}

impl Page for ListBucketResult {
    fn entries(&self) -> usize {
        self.contents.len().saturating_add(self.common_prefixes.len())
    }
}

/// Finds where the listing continues after `page`. A truncated page without a token is one of
/// version 1: the next one begins after its last entry.
fn next_page(page: &ListBucketResult, seen: &mut Seen) -> Follow<Next> {
    let last = || {
        let key = page.contents.last().map(|object| &object.key);
        // The server's marker is encoded by some servers, and not by others.
        key.max(page.common_prefixes.last()).or(page.next_marker.as_ref()).cloned()
    };
    let next = match (page.is_truncated, &page.next_continuation_token, &page.next_marker) {
        (Some(false), _, _) | (None, None, None) => None,
        (_, Some(token), _) => Some(Next::Token(token.clone())),
        (_, None, _) => {
            let marker = last().ok_or(
                "the listing is truncated, but the server did not state where it continues",
            )?;
            Some(Next::Marker(marker))
        }
    };
    let is_new = match &next {
        None => true,
        Some(Next::Token(token)) => seen.markers.insert(&("token", token)),
        Some(Next::Marker(marker)) => seen.markers.insert(&("marker", marker)),
    };
    if !is_new {
        return Err("the server gave the same continuation token or marker twice");
    }
    let first = page.contents.first().map(|object| ("key", &object.key));
    let first = first.or_else(|| page.common_prefixes.first().map(|prefix| ("prefix", prefix)));
    if first.is_some_and(|first| !seen.pages.insert(&first)) {
        return Err("the server gave the same page twice");
    }
    Ok(next)
}

/// The key after which a listing starts, for servers that ignore it.
pub(super) struct StartAfter {
    /// Empty if the listing starts with the first key.
    key: String,
    /// Whether a key was listed that comes before the start in any order.
    is_ignored: bool,
}

impl StartAfter {
    pub(super) fn new(key: &str) -> Self {
        Self { key: key.to_owned(), is_ignored: false }
    }

    /// Removes the entries up to the key.
    fn apply_to(&mut self, page: &mut ListBucketResult) {
        self.retain(&mut page.contents, |object| &object.key, &mut page.common_prefixes);
    }

    /// Removes the entries and the prefixes up to the key.
    ///
    /// S3 sorts keys by their bytes, and servers with a tree (SeaweedFS) component by component. A
    /// server that honours the parameter is right in its own order, so a key is only removed if it
    /// comes before the start in both orders; once there was such a key, the server ignores the
    /// parameter, and the order of bytes decides.
    pub(super) fn retain<T>(
        &mut self,
        entries: &mut Vec<T>,
        key_of: impl Fn(&T) -> &str,
        prefixes: &mut Vec<String>,
    ) {
        if self.key.is_empty() {
            return;
        }
        let start = self.key.as_str();
        let follows = |key: &str| start < key;
        let follows_in_a_tree = |key: &str| start.split('/').lt(key.split('/'));
        let is_before = |key: &str| key != start && !follows(key) && !follows_in_a_tree(key);
        self.is_ignored |= entries.iter().map(&key_of).any(is_before);
        let is_ignored = self.is_ignored;
        entries.retain(|entry| {
            let key = key_of(entry);
            follows(key) || (!is_ignored && follows_in_a_tree(key))
        });
        // Keys after the start may lie below a prefix that the start begins with.
        prefixes.retain(|prefix| {
            start.starts_with(&**prefix)
                || follows(prefix)
                || (!is_ignored && follows_in_a_tree(prefix))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str], prefixes: &[&str]) -> ListBucketResult {
        let object = |key: &&str| Object {
            key: (*key).to_owned(),
            size: 1,
            last_modified: None,
            etag: None,
            storage_class: None,
        };
        ListBucketResult {
            contents: keys.iter().map(object).collect(),
            common_prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            ..ListBucketResult::default()
        }
    }

    fn kept(start: &str, pages: &[&[&str]]) -> Vec<String> {
        let mut filter = StartAfter::new(start);
        let keys = pages.iter().flat_map(|keys| {
            let mut page = page(keys, &[]);
            filter.apply_to(&mut page);
            page.contents.into_iter().map(|object| object.key)
        });
        keys.collect()
    }

    #[test]
    fn keys_up_to_the_start_are_left_out_in_either_order() {
        assert_eq!(kept("", &[&["a", "b"]]), ["a", "b"]);
        assert_eq!(kept("b", &[&["a", "b"], &["b/x", "c"]]), ["b/x", "c"], "also on later pages");
        assert_eq!(
            kept("a/b", &[&["a/c", "a-b/c"]]),
            ["a/c", "a-b/c"],
            "a server that keeps a tree"
        );
        assert_eq!(
            kept("a/b", &[&["a-b/c", "a/a", "a/b", "a/c"]]),
            ["a/c"],
            "a server that ignores the start"
        );
    }

    #[test]
    fn prefixes_with_keys_after_the_start_stay() {
        let mut filter = StartAfter::new("b/m");
        let mut page = page(&["a"], &["a/", "b/", "b-/", "c/"]);
        filter.apply_to(&mut page);
        assert_eq!(
            (page.contents.len(), page.common_prefixes),
            (0, vec!["b/".to_owned(), "c/".to_owned()])
        );
    }

    #[test]
    fn a_page_names_where_the_next_one_begins() {
        let next = |is_truncated,
                    token: Option<&str>,
                    marker: Option<&str>,
                    keys: &[&str],
                    prefixes: &[&str]| {
            let mut page = page(keys, prefixes);
            page.is_truncated = is_truncated;
            page.next_continuation_token = token.map(str::to_owned);
            page.next_marker = marker.map(str::to_owned);
            next_page(&page, &mut Seen::default()).map(|next| match next {
                None => String::new(),
                Some(Next::Token(token)) => format!("token {token}"),
                Some(Next::Marker(marker)) => format!("marker {marker}"),
            })
        };
        for (is_truncated, token, marker, expected) in [
            (Some(false), Some("t"), Some("m"), ""),
            (None, None, None, ""),
            (Some(true), Some("t"), Some("m"), "token t"),
            (None, Some("t"), None, "token t"),
            (Some(true), None, None, "marker k"),
            (Some(true), None, Some("m"), "marker k"),
            (None, None, Some("m"), "marker k"),
        ] {
            assert_eq!(
                next(is_truncated, token, marker, &["a", "k"], &[]).as_deref(),
                Ok(expected)
            );
        }
        assert_eq!(next(Some(true), None, None, &["a"], &["b/"]).as_deref(), Ok("marker b/"));
        assert_eq!(next(Some(true), None, None, &["c"], &["b/"]).as_deref(), Ok("marker c"));
        assert_eq!(next(Some(true), None, Some("m"), &[], &[]).as_deref(), Ok("marker m"));
        assert!(next(Some(true), None, None, &[], &[]).is_err());
    }
}
