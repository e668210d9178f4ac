//! Versions of objects, and delete markers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use s3s::crypto::{Checksum as _, Md5};
use s3s::{S3Error, S3Result, s3_error};

use super::backend::{Bucket, Key, Object, State, Store};
use super::conditions;
use super::listing::{Entry, Start, Walk, page_limit};

/// The id of a version that was stored while the bucket did not store versions.
pub const NULL: &str = "null";

/// Whether a bucket stores versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Setting {
    #[default]
    Never,
    Enabled,
    Suspended,
}

/// The versions of a bucket. A bucket that never stored versions has an empty history.
#[derive(Debug, Default)]
pub(super) struct Versions {
    pub setting: Setting,
    /// The versions of each key, the latest one last.
    history: BTreeMap<Key, Vec<Version>>,
    created: u64,
}

/// A version of an object, or a delete marker.
#[derive(Clone, Debug)]
pub struct Version {
    pub id: String,
    pub modified: SystemTime,
    /// `None` for a delete marker.
    pub object: Option<Arc<Object>>,
}

/// What a deletion removed or created.
#[derive(Clone, Debug, Default)]
pub struct Removed {
    /// The version that the request named.
    pub version_id: Option<String>,
    /// The delete marker that was created, or that was removed.
    pub marker: Option<String>,
}

/// A page of versions. An entry is a version with the word whether it is the latest.
#[derive(Debug)]
pub struct VersionPage {
    pub entries: Vec<Entry<(Version, bool)>>,
    pub truncated: bool,
}

impl Bucket {
    /// Makes an object the current one of its key.
    pub fn insert(&mut self, key: &str, mut object: Object) -> Arc<Object> {
        object.version_id = self.versions.new_id(key);
        let object = Arc::new(object);
        if let Some(id) = object.version_id.clone() {
            let modified = object.modified;
            self.versions.push(key, Version { id, modified, object: Some(object.clone()) });
        }
        self.objects.insert(Key(key.to_owned()), object.clone());
        object
    }

    /// Deletes the current object of a key, which becomes an earlier version.
    pub fn remove(&mut self, key: &str) -> Removed {
        self.objects.remove(key.as_bytes());
        let marker = self.versions.new_id(key);
        if let Some(id) = marker.clone() {
            let modified = SystemTime::now();
            self.versions.push(key, Version { id, modified, object: None });
        }
        Removed { version_id: None, marker }
    }

    /// Deletes a version of a key, which need not exist.
    pub fn remove_version(&mut self, key: &str, id: &str) -> Removed {
        let mut removed = Removed { version_id: Some(id.to_owned()), marker: None };
        if self.versions.setting == Setting::Never {
            if id == NULL {
                self.objects.remove(key.as_bytes());
            }
            return removed;
        }
        if let Some(versions) = self.versions.history.get_mut(key.as_bytes()) {
            if versions.iter().any(|version| version.id == id && version.object.is_none()) {
                removed.marker = Some(id.to_owned());
            }
            versions.retain(|version| version.id != id);
            if versions.is_empty() {
                self.versions.history.remove(key.as_bytes());
            }
        }
        self.show_latest(key);
        removed
    }

    /// Returns the object of a version, or the current one.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`; `MethodNotAllowed` for a delete marker.
    pub fn version(&self, key: &str, id: Option<&str>) -> S3Result<Arc<Object>> {
        let history = self.versions.history.get(key.as_bytes()).map_or(&[][..], Vec::as_slice);
        let current = || self.objects.get(key.as_bytes()).cloned();
        let Some(id) = id else {
            return current().ok_or_else(|| {
                let missing = s3_error!(NoSuchKey, "The specified key does not exist.");
                match history.last() {
                    Some(Version { id, object: None, .. }) => with_marker(missing, id),
                    _ => missing,
                }
            });
        };
        if self.versions.setting == Setting::Never {
            return current().filter(|_| id == NULL).ok_or_else(no_such_version);
        }
        let version =
            history.iter().find(|version| version.id == id).ok_or_else(no_such_version)?;
        version.object.clone().ok_or_else(|| {
            let refused = s3_error!(
                MethodNotAllowed,
                "The specified method is not allowed against this resource."
            );
            with_marker(refused, id)
        })
    }

    /// Changes what can be changed of a stored object: its tags and its lock.
    ///
    /// # Errors
    /// Those of [`Bucket::version`].
    pub fn update(
        &mut self,
        key: &str,
        id: Option<&str>,
        change: impl FnOnce(&mut Object) -> S3Result<()>,
    ) -> S3Result<Arc<Object>> {
        let old = self.version(key, id)?;
        let mut object = (*old).clone();
        change(&mut object)?;
        let object = Arc::new(object);
        for version in self.versions.history.get_mut(key.as_bytes()).into_iter().flatten() {
            if version.object.as_ref().is_some_and(|stored| Arc::ptr_eq(stored, &old)) {
                version.object = Some(object.clone());
            }
        }
        if let Some(current) = self.objects.get_mut(key.as_bytes())
            && Arc::ptr_eq(current, &old)
        {
            *current = object.clone();
        }
        Ok(object)
    }

    /// Reports whether the bucket has neither objects nor earlier versions.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.versions.history.is_empty()
    }

    fn show_latest(&mut self, key: &str) {
        let latest = self.versions.history.get(key.as_bytes()).and_then(|versions| versions.last());
        match latest.and_then(|version| version.object.clone()) {
            Some(object) => self.objects.insert(Key(key.to_owned()), object),
            None => self.objects.remove(key.as_bytes()),
        };
    }
}

impl Versions {
    /// Returns the id of a new version, or `None` if the bucket never stored versions. Ids do not
    /// reveal their order.
    fn new_id(&mut self, key: &str) -> Option<String> {
        match self.setting {
            Setting::Never => None,
            Setting::Suspended => Some(NULL.to_owned()),
            Setting::Enabled => {
                self.created += 1;
                Some(hex::encode(Md5::checksum(format!("{key} {}", self.created).as_bytes())))
            }
        }
    }

    /// Adds the latest version of a key. It replaces a version with the same id.
    fn push(&mut self, key: &str, version: Version) {
        let versions = self.history.entry(Key(key.to_owned())).or_default();
        versions.retain(|older| older.id != version.id);
        versions.push(version);
    }
}

impl State {
    pub fn version(&mut self, bucket: &str, key: &str, id: Option<&str>) -> S3Result<Arc<Object>> {
        self.bucket(bucket)?.version(key, id)
    }
}

impl Store {
    /// Returns whether a bucket stores versions.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn versioning(&self, bucket: &str) -> S3Result<Setting> {
        Ok(self.state().bucket(bucket)?.versions.setting)
    }

    /// Enables or suspends versions. Objects that exist become versions with the id `null`.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn set_versioning(&self, bucket: &str, setting: Setting) -> S3Result<()> {
        let mut state = self.state();
        let bucket = state.bucket(bucket)?;
        if bucket.versions.setting == Setting::Never {
            for (key, object) in &mut bucket.objects {
                let null = Object { version_id: Some(NULL.to_owned()), ..(**object).clone() };
                *object = Arc::new(null);
                let (id, modified) = (NULL.to_owned(), object.modified);
                bucket
                    .versions
                    .push(&key.0, Version { id, modified, object: Some(object.clone()) });
            }
        }
        bucket.versions.setting = setting;
        Ok(())
    }

    /// Changes the tags or the lock of an object, or of this version of it.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, and those of `change`.
    pub fn update(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        change: impl FnOnce(&mut Object) -> S3Result<()>,
    ) -> S3Result<Arc<Object>> {
        self.state().bucket(bucket)?.update(key, version_id, change)
    }

    /// Deletes a key or a version of it, which need not exist.
    ///
    /// # Errors
    /// `NoSuchBucket`, and the errors of [`conditions::Write::check`]; `AccessDenied` for a locked
    /// version.
    pub fn delete(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        conditions: &conditions::Write,
        bypass_governance: bool,
    ) -> S3Result<Removed> {
        let mut state = self.state();
        let bucket = state.bucket(bucket)?;
        let current = bucket.version(key, version_id).ok();
        conditions.check(current.as_ref().map(|object| &*object.etag))?;
        // A delete marker leaves the version.
        if let (Some(_), Some(object)) = (version_id, &current) {
            object.attributes.lock.check_deletion(bypass_governance)?;
        }
        Ok(match version_id {
            None => bucket.remove(key),
            Some(id) => bucket.remove_version(key, id),
        })
    }

    /// Returns one page of versions by key, the latest of a key first. Both markers are exclusive.
    ///
    /// # Errors
    /// `NoSuchBucket`; `InvalidArgument` for a version marker without a key marker or that is not a
    /// version of that key.
    pub fn list_versions(
        &self,
        bucket: &str,
        (prefix, delimiter): (&str, &str),
        (key_marker, version_marker): (&str, &str),
        max_keys: Option<i32>,
    ) -> S3Result<VersionPage> {
        let limit = page_limit(max_keys, self.rules.page_size)?;
        let mut state = self.state();
        let bucket = state.bucket(bucket)?;
        let unversioned: BTreeMap<Key, Vec<Version>>;
        let history = if bucket.versions.setting == Setting::Never {
            let null = |object: &Arc<Object>| Version {
                id: NULL.to_owned(),
                modified: object.modified,
                object: Some(object.clone()),
            };
            let objects = bucket.objects.iter();
            unversioned = objects.map(|(key, object)| (key.clone(), vec![null(object)])).collect();
            &unversioned
        } else {
            &bucket.versions.history
        };
        let start = match (key_marker, version_marker) {
            ("", "") => Start::Beginning,
            ("", _) => {
                return Err(s3_error!(
                    InvalidArgument,
                    "A version-id marker cannot be specified without a key marker."
                ));
            }
            (key, "") => Start::After(key),
            (key, _) => Start::At(key),
        };
        let mut entries = Walk::new(history, prefix, delimiter, start).flat_map(|entry| {
            let (key, versions) = match entry {
                Entry::CommonPrefix(common) => return vec![Entry::CommonPrefix(common)],
                Entry::Item(key, versions) => (key, versions),
            };
            let marker = Some(version_marker).filter(|id| !id.is_empty() && key == key_marker);
            let latest = versions.len().saturating_sub(1);
            let listed = versions.iter().enumerate().rev().map(|(at, version)| {
                (version.id.clone(), Entry::Item(key.clone(), (version.clone(), at == latest)))
            });
            let mut listed: Vec<_> = listed.collect();
            if let Some(at) = marker.and_then(|id| listed.iter().position(|(of, _)| of == id)) {
                listed.drain(..=at);
            }
            listed.into_iter().map(|(_, entry)| entry).collect()
        });
        let page: Vec<_> = entries.by_ref().take(limit).collect();
        let truncated = limit > 0 && entries.next().is_some();
        Ok(VersionPage { entries: page, truncated })
    }
}

fn no_such_version() -> S3Error {
    s3_error!(NoSuchVersion, "The specified version does not exist.")
}

/// Adds the headers that describe a delete marker.
fn with_marker(mut error: S3Error, id: &str) -> S3Error {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert("x-amz-version-id", id);
    }
    error.set_headers(headers);
    error
}
