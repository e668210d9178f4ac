//! Pages of keys: prefixes, delimiters, markers and tokens, at a cost that does not grow with the bucket.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::Arc;

use s3s::{S3Result, s3_error};

use super::backend::{Key, MAX_PAGE, Object, Store};

/// Where a listing begins.
#[derive(Clone, Copy, Debug, Default)]
pub enum Start<'a> {
    #[default]
    Beginning,
    /// Behind this key, or behind everything that is rolled up into it.
    After(&'a str),
    /// With this key, if it is there.
    At(&'a str),
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<T> {
    Item(String, T),
    /// All keys that share the part up to the first delimiter behind the prefix.
    CommonPrefix(String),
}

impl<T> Entry<T> {
    pub fn name(&self) -> &str {
        match self {
            Self::Item(name, _) | Self::CommonPrefix(name) => name,
        }
    }
}

/// Walks a map in key order, rolling up at the delimiter. It seeks past what is rolled up instead of reading it.
pub(super) struct Walk<'a, V> {
    map: &'a BTreeMap<Key, V>,
    range: btree_map::Range<'a, Key, V>,
    prefix: &'a str,
    delimiter: &'a str,
}

impl<'a, V> Walk<'a, V> {
    /// An empty delimiter is none.
    pub fn new(
        map: &'a BTreeMap<Key, V>,
        prefix: &'a str,
        delimiter: &'a str,
        start: Start<'_>,
    ) -> Self {
        let walk = Self { map, range: seek(map, Bound::Unbounded), prefix, delimiter };
        let range = match start {
            Start::After(name) if name >= prefix => match walk.rolled_up(name) {
                Some(common) if common == name => seek(map, Bound::Included(&behind(common))),
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
                self.range = seek(self.map, Bound::Included(&behind(common)));
                Entry::CommonPrefix(common.to_owned())
            }
            None => Entry::Item(key.clone(), value),
        })
    }
}

fn seek<'a, V>(map: &'a BTreeMap<Key, V>, from: Bound<&[u8]>) -> btree_map::Range<'a, Key, V> {
    map.range::<[u8], _>((from, Bound::Unbounded))
}

/// The first byte string behind everything that begins with `prefix`. No byte of UTF-8 is 0xFF, so none overflows.
fn behind(prefix: &str) -> Vec<u8> {
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
    /// What the next page starts behind, when there is one.
    pub fn next(&self) -> Option<&str> {
        self.entries.last().filter(|_| self.truncated).map(Entry::name)
    }
}

/// How many entries a page may have: what was asked for, within S3's limit and the server's own.
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
    /// All keys of a bucket; none when there is no such bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let mut state = self.state();
        state
            .bucket(bucket)
            .map(|bucket| bucket.objects.keys().map(|key| key.0.clone()).collect())
            .unwrap_or_default()
    }

    /// One page of keys in byte order.
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

/// A continuation token: opaque to clients, so that none takes it for a key.
pub fn token(name: &str) -> String {
    format!("1-{}", hex::encode(name.as_bytes().iter().rev().copied().collect::<Vec<_>>()))
}

/// # Errors
/// `InvalidArgument` for what [`token`] never made.
pub fn read_token(token: &str) -> S3Result<String> {
    let bytes = token.strip_prefix("1-").and_then(|digits| hex::decode(digits).ok());
    let name = bytes.and_then(|bytes| String::from_utf8(bytes.into_iter().rev().collect()).ok());
    name.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

/// `encoding-type=url` as S3 applies it: form encoding that leaves `/` and `*` alone and makes a space a `+`.
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
