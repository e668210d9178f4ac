//! Pages of keys with prefixes, delimiters, markers and tokens. The cost of a page does not depend
//! on the size of the bucket.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::Arc;

use s3s::{S3Result, s3_error};

use super::backend::{Key, MAX_PAGE, Object, Store};

/// The start of a listing.
#[derive(Clone, Copy, Debug, Default)]
pub enum Start<'a> {
    #[default]
    Beginning,
    /// After this key, and after everything that is rolled up into it.
    After(&'a str),
    /// At this key, if it exists.
    At(&'a str),
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<T> {
    Item(String, T),
    /// All keys that share the text up to the first delimiter after the prefix.
    CommonPrefix(String),
}

impl<T> Entry<T> {
    pub fn name(&self) -> &str {
        match self {
            Self::Item(name, _) | Self::CommonPrefix(name) => name,
        }
    }
}

/// Iterates over a map in key order and rolls keys up at the delimiter. It skips rolled-up keys by
/// seeking instead of reading them.
pub(super) struct Walk<'a, V> {
    map: &'a BTreeMap<Key, V>,
    range: btree_map::Range<'a, Key, V>,
    prefix: &'a str,
    delimiter: &'a str,
}

impl<'a, V> Walk<'a, V> {
    /// Starts a walk. An empty delimiter means none.
    pub fn new(
        map: &'a BTreeMap<Key, V>,
        prefix: &'a str,
        delimiter: &'a str,
        start: Start<'_>,
    ) -> Self {
        let walk = Self { map, range: seek(map, Bound::Unbounded), prefix, delimiter };
        let range = match start {
            Start::After(name) if name >= prefix => match walk.rolled_up(name) {
                Some(common) if common == name => {
                    seek(map, Bound::Included(&end_of_prefix(common)))
                }
                _ => seek(map, Bound::Excluded(name.as_bytes())),
            },
            Start::At(name) if name >= prefix => seek(map, Bound::Included(name.as_bytes())),
            _ => seek(map, Bound::Included(prefix.as_bytes())),
        };
        Self { range, ..walk }
    }

    fn rolled_up<'k>(&self, key: &'k str) -> Option<&'k str> {
        let rest = key.strip_prefix(self.prefix)?;
        let at = if self.delimiter.is_empty() { None } else { rest.find(self.delimiter) }?;
        Some(&key[..self.prefix.len() + at + self.delimiter.len()])
    }
}

impl<'a, V> Iterator for Walk<'a, V> {
    type Item = Entry<&'a V>;

    fn next(&mut self) -> Option<Self::Item> {
        let (Key(key), value) =
            self.range.next().filter(|(key, _)| key.0.starts_with(self.prefix))?;
        Some(match self.rolled_up(key) {
            Some(common) => {
                self.range = seek(self.map, Bound::Included(&end_of_prefix(common)));
                Entry::CommonPrefix(common.to_owned())
            }
            None => Entry::Item(key.clone(), value),
        })
    }
}

fn seek<'a, V>(map: &'a BTreeMap<Key, V>, from: Bound<&[u8]>) -> btree_map::Range<'a, Key, V> {
    map.range::<[u8], _>((from, Bound::Unbounded))
}

/// Returns the first byte string after everything that begins with `prefix`. UTF-8 does not contain
/// 0xFF, so no byte overflows.
fn end_of_prefix(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last += 1;
    }
    bytes
}

/// A page of objects.
#[derive(Debug)]
pub struct Page {
    pub entries: Vec<Entry<Arc<Object>>>,
    pub truncated: bool,
}

impl Page {
    /// Returns the marker of the next page, if there is one.
    pub fn next(&self) -> Option<&str> {
        self.entries.last().filter(|_| self.truncated).map(Entry::name)
    }
}

/// Returns the maximum number of entries in a page: the requested number, within the limits of S3
/// and of this server.
///
/// # Errors
/// `InvalidArgument` for a negative number.
pub(super) fn page_limit(asked: Option<i32>, page_size: usize) -> S3Result<usize> {
    let asked = asked.map_or(Ok(MAX_PAGE), usize::try_from);
    let asked = asked.map_err(|_| {
        s3_error!(InvalidArgument, "a page cannot have a negative number of entries")
    })?;
    Ok(asked.min(MAX_PAGE).min(page_size))
}

impl Store {
    /// Returns all keys of a bucket, or none if the bucket does not exist.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let mut state = self.state();
        state
            .bucket(bucket)
            .map(|bucket| bucket.objects.keys().map(|key| key.0.clone()).collect())
            .unwrap_or_default()
    }

    /// Returns one page of keys in byte order.
    ///
    /// # Errors
    /// `NoSuchBucket`, `InvalidArgument`.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: &str,
        start: Start<'_>,
        max_keys: Option<i32>,
    ) -> S3Result<Page> {
        let limit = page_limit(max_keys, self.rules.page_size)?;
        let mut state = self.state();
        let objects = &state.bucket(bucket)?.objects;
        let mut walk = Walk::new(objects, prefix, delimiter, start);
        let mut entries = Vec::new();
        for entry in walk.by_ref().take(limit) {
            entries.push(match entry {
                Entry::Item(key, object) => Entry::Item(key, object.clone()),
                Entry::CommonPrefix(common) => Entry::CommonPrefix(common),
            });
        }
        let truncated = limit > 0 && walk.next().is_some();
        Ok(Page { entries, truncated })
    }
}

/// Returns a page of a listing as a server writes it that pages by position: its token is the
/// number of keys before the page. `head` is the head of the request.
pub fn page_by_position(keys: &[String], head: &str, size: usize) -> String {
    let token = head.split("continuation-token=").nth(1);
    let token = token.and_then(|rest| rest.split(['&', ' ']).next());
    let at: usize = token.map_or(0, |token| token.parse().expect("a token of this server"));
    let end = keys.len().min(at + size);
    let page: String = keys[at.min(end)..end]
        .iter()
        .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"))
        .collect();
    let more = end < keys.len();
    let token = format!("<NextContinuationToken>{end}</NextContinuationToken>");
    let token = if more { token } else { String::new() };
    format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{token}{page}</ListBucketResult>")
}

/// Returns a continuation token. It is opaque, so that clients cannot use it as a key.
pub fn token(name: &str) -> String {
    format!("1-{}", hex::encode(name.as_bytes().iter().rev().copied().collect::<Vec<_>>()))
}

/// Decodes a continuation token.
///
/// # Errors
/// `InvalidArgument` for text that [`token`] did not return.
pub fn read_token(token: &str) -> S3Result<String> {
    let bytes = token.strip_prefix("1-").and_then(|digits| hex::decode(digits).ok());
    let name = bytes.and_then(|bytes| String::from_utf8(bytes.into_iter().rev().collect()).ok());
    name.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

/// Encodes text for `encoding-type=url` as S3 does: form encoding that keeps `/` and `*`, and turns
/// a space into `+`.
pub fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
