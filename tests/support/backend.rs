//! The stored state: buckets and objects, and the rules for writing, reading, copying and deleting
//! objects.
//!
//! This is plain synchronous code that uses a single lock; `api.rs` translates between it and s3s.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{LifecycleRule, ObjectLockConfiguration, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::body::{Checksum, Content, Received, Retention};
use super::conditions;
use super::lock::Lock;
use super::multipart::{UploadRecord, Uploads};
use super::versions::Versions;

/// The largest body of one PUT or one part: 5 GiB (S3, "Amazon S3 multipart upload limits").
pub const MAX_PUT: u64 = 5 << 30;
/// The maximum number of keys, parts or uploads in a page, and of keys in a delete request.
pub const MAX_PAGE: usize = 1000;

const STORAGE_CLASSES: [&str; 11] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
];

/// The limits that tests may change.
#[derive(Clone, Debug)]
pub struct Rules {
    pub region: String,
    /// The minimum size of every part except the last, in bytes.
    pub min_part_size: u64,
    /// The maximum size of the source of a CopyObject, or of an UploadPartCopy without a range, in
    /// bytes.
    pub copy_limit: u64,
    /// The maximum number of entries in a page of any listing.
    pub page_size: usize,
    pub retention: Retention,
}

/// An object's key. Keys are ordered by their bytes, as in S3.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub String);

/// A `str` is ordered by its bytes, so a map of keys can be searched with any byte string.
impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The metadata of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub expires: Option<Timestamp>,
    pub metadata: HashMap<String, String>,
    pub tags: Vec<(String, String)>,
    /// `None` means STANDARD.
    pub storage_class: Option<String>,
    /// `x-amz-server-side-encryption`.
    pub encryption: Option<String>,
    pub kms_key: Option<String>,
    /// `x-amz-server-side-encryption-context` and the choice of a bucket key.
    pub encryption_context: Option<String>,
    pub bucket_key: Option<bool>,
    /// The MD5 of the customer's key (SSE-C), in base64. The content is not encrypted.
    pub customer_key: Option<String>,
    /// The canned ACL of the request, which is kept for tests but never applied.
    pub acl: Option<String>,
    pub lock: Lock,
}

impl Attributes {
    /// Checks the storage class and the encryption.
    ///
    /// # Errors
    /// `InvalidStorageClass` or `InvalidArgument` (encryption) for a value that S3 does not
    /// support.
    pub fn check(&self) -> S3Result<()> {
        if self.storage_class.as_deref().is_some_and(|class| !STORAGE_CLASSES.contains(&class)) {
            return Err(s3_error!(
                InvalidStorageClass,
                "The storage class you specified is not valid"
            ));
        }
        match self.encryption.as_deref() {
            None | Some("AES256") if self.kms_key.is_some() => Err(s3_error!(
                InvalidArgument,
                "A KMS key needs x-amz-server-side-encryption: aws:kms"
            )),
            None | Some("AES256" | "aws:kms" | "aws:kms:dsse") => Ok(()),
            Some(_) => {
                Err(s3_error!(InvalidArgument, "The encryption method specified is not supported"))
            }
        }
    }

    /// Checks the customer's key of a request against that of the stored object.
    ///
    /// # Errors
    /// `InvalidRequest` for a missing or a needless key, `AccessDenied` for another one.
    pub fn check_key(&self, key: Option<&str>) -> S3Result<()> {
        match (self.customer_key.as_deref(), key) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(s3_error!(
                InvalidRequest,
                "The object was stored using a form of Server Side Encryption. The correct parameters must be provided \
                 to retrieve the object."
            )),
            (None, Some(_)) => Err(s3_error!(
                InvalidRequest,
                "The encryption parameters are not applicable to this object."
            )),
            (Some(stored), Some(sent)) if stored == sent => Ok(()),
            (Some(_), Some(_)) => Err(s3_error!(AccessDenied, "Access Denied")),
        }
    }

    /// Returns the ETag of bytes sent in one request: their MD5, or another value if a KMS key is
    /// used.
    pub fn etag(&self, md5: [u8; 16]) -> String {
        let kms =
            self.encryption.as_deref().is_some_and(|encryption| encryption.starts_with("aws:kms"))
                || self.customer_key.is_some();
        hex::encode(if kms { Md5::checksum(&[&md5[..], b"aws:kms"].concat()) } else { md5 })
    }
}

/// A stored object.
#[derive(Clone, Debug)]
pub struct Object {
    pub content: Content,
    /// Without quotes.
    pub etag: String,
    pub modified: SystemTime,
    pub attributes: Attributes,
    pub checksum: Option<Checksum>,
    /// The version, in a bucket that stores versions or has stored them.
    pub version_id: Option<String>,
    /// The sizes of the parts it was completed from. Empty for an object that was stored by one
    /// PUT.
    pub parts: Vec<u64>,
    /// The numbers and checksums of these parts.
    pub part_sums: Vec<(i32, Option<Checksum>)>,
}

/// The part of an object that a read asks for.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    Whole,
    Range(s3s::dto::Range),
    /// One part, numbered from 1. An object that was stored by one PUT has one part.
    Part(i32),
}

impl Object {
    /// Returns the requested range, or `None` for the whole object.
    ///
    /// # Errors
    /// `InvalidRange`, `InvalidPartNumber` (both 416).
    pub fn select(&self, wanted: Wanted) -> S3Result<Option<Range<u64>>> {
        match wanted {
            Wanted::Whole => Ok(None),
            Wanted::Range(range) => range
                .check(self.content.len())
                .map(Some)
                .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable")),
            Wanted::Part(number) => {
                let whole = [self.content.len()];
                let sizes = if self.parts.is_empty() { &whole[..] } else { &self.parts[..] };
                let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                let Some((index, size)) = index.and_then(|index| Some((index, *sizes.get(index)?)))
                else {
                    let code = S3ErrorCode::Custom("InvalidPartNumber".into());
                    let mut error =
                        S3Error::with_message(code, "The requested partnumber is not satisfiable");
                    error.set_status_code(hyper::StatusCode::RANGE_NOT_SATISFIABLE);
                    return Err(error);
                };
                let start = sizes[..index].iter().sum::<u64>();
                Ok((size > 0).then_some(start..start + size))
            }
        }
    }
}

/// A request to copy an object.
#[derive(Debug)]
pub struct Copy {
    pub from: Source,
    pub to: (String, String),
    pub conditions: conditions::Read,
    /// The attributes in the request. Storage class, encryption and ACL are always taken from here.
    pub attributes: Attributes,
    pub directive: Directive,
    /// The source of the copy's tags.
    pub tags: Directive,
}

/// The source of a copy.
#[derive(Clone, Debug)]
pub struct Source {
    pub bucket: String,
    pub key: String,
    pub version_id: Option<String>,
    /// The MD5 of the customer's key for the source.
    pub customer_key: Option<String>,
}

impl From<(&str, &str)> for Source {
    fn from((bucket, key): (&str, &str)) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: None,
            customer_key: None,
        }
    }
}

impl Source {
    /// Reports whether this is the current object at a place.
    fn is_current(&self, (bucket, key): &(String, String)) -> bool {
        self.bucket == *bucket && self.key == *key && self.version_id.is_none()
    }
}

/// The source of a copy's metadata or tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    Copy,
    Replace,
}

#[derive(Debug)]
pub(super) struct Bucket {
    pub created: SystemTime,
    pub objects: BTreeMap<Key, Arc<Object>>,
    pub uploads: Uploads,
    pub versions: Versions,
    /// Rules that the server returns and does not apply.
    pub lifecycle_rules: Vec<LifecycleRule>,
    /// The Object Lock configuration; `None` if it was never enabled.
    pub lock: Option<ObjectLockConfiguration>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub buckets: BTreeMap<String, Bucket>,
    /// Uploads by id: their position, and their result once they are completed.
    pub records: HashMap<String, UploadRecord>,
    /// How many uploads have been begun.
    pub begun: u64,
}

impl State {
    pub fn bucket(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets
            .get_mut(name)
            .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }
}

/// Everything that the server stores.
#[derive(Debug)]
pub struct Store {
    pub rules: Rules,
    state: Mutex<State>,
}

impl Store {
    pub fn new(rules: Rules) -> Self {
        Self { rules, state: Mutex::default() }
    }

    /// Locks the state, even if a test has panicked while it held the lock, so that later tests do
    /// not fail too.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a bucket.
    ///
    /// # Errors
    /// `BucketAlreadyOwnedByYou`, as in every region except `us-east-1`.
    pub fn create_bucket(&self, name: &str) -> S3Result<()> {
        let mut state = self.state();
        if state.buckets.contains_key(name) {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "The bucket already exists and belongs to you"
            ));
        }
        let bucket = Bucket {
            created: SystemTime::now(),
            objects: BTreeMap::new(),
            uploads: Uploads::default(),
            versions: Versions::default(),
            lifecycle_rules: Vec::new(),
            lock: None,
        };
        state.buckets.insert(name.to_owned(), bucket);
        Ok(())
    }

    /// Deletes a bucket. Open uploads do not prevent this and are deleted too.
    ///
    /// # Errors
    /// `NoSuchBucket`, `BucketNotEmpty`.
    pub fn delete_bucket(&self, name: &str) -> S3Result<()> {
        let mut state = self.state();
        if !state.bucket(name)?.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        state.buckets.remove(name);
        state.records.retain(|_, record| record.bucket != name);
        Ok(())
    }

    /// Checks that a bucket exists.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn head_bucket(&self, name: &str) -> S3Result<()> {
        self.state().bucket(name).map(|_| ())
    }

    /// Returns the lifecycle rules of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn lifecycle_rules(&self, bucket: &str) -> S3Result<Vec<LifecycleRule>> {
        Ok(self.state().bucket(bucket)?.lifecycle_rules.clone())
    }

    /// Replaces the lifecycle rules of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub fn set_lifecycle_rules(&self, bucket: &str, rules: Vec<LifecycleRule>) -> S3Result<()> {
        self.state().bucket(bucket)?.lifecycle_rules = rules;
        Ok(())
    }

    /// Returns the name and creation time of every bucket, ordered by name.
    pub fn buckets(&self) -> Vec<(String, SystemTime)> {
        self.state().buckets.iter().map(|(name, bucket)| (name.clone(), bucket.created)).collect()
    }

    /// Stores an object.
    ///
    /// # Errors
    /// `NoSuchBucket`, and the errors of [`conditions::Write::check`] and [`Attributes::check`].
    pub fn put(
        &self,
        bucket: &str,
        key: &str,
        body: Received,
        mut attributes: Attributes,
        conditions: &conditions::Write,
    ) -> S3Result<Arc<Object>> {
        attributes.check()?;
        let mut state = self.state();
        let bucket = state.bucket(bucket)?;
        conditions.check(bucket.objects.get(key.as_bytes()).map(|object| &*object.etag))?;
        bucket.lock(&mut attributes, body.has_digest)?;
        let object = Object {
            etag: attributes.etag(body.md5),
            content: body.content,
            modified: SystemTime::now(),
            attributes,
            checksum: body.checksum,
            version_id: None,
            parts: Vec::new(),
            part_sums: Vec::new(),
        };
        Ok(bucket.insert(key, object))
    }

    /// Returns an object, or this version of it.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, and the errors of [`conditions::Read::check`].
    pub fn get(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        conditions: &conditions::Read,
    ) -> S3Result<Arc<Object>> {
        let object = self.state().version(bucket, key, version_id)?;
        conditions.check(&object.etag, object.modified, conditions::Unchanged::NotModified)?;
        Ok(object)
    }

    /// Copies an object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`; `InvalidRequest` for a source above the
    /// limit, or for a copy onto itself that changes nothing.
    pub fn copy(&self, copy: Copy) -> S3Result<Arc<Object>> {
        copy.attributes.check()?;
        let mut state = self.state();
        let source =
            state.version(&copy.from.bucket, &copy.from.key, copy.from.version_id.as_deref())?;
        source.attributes.check_key(copy.from.customer_key.as_deref())?;
        copy.conditions.check(
            &source.etag,
            source.modified,
            conditions::Unchanged::PreconditionFailed,
        )?;
        if source.content.len() > self.rules.copy_limit {
            return Err(too_large_to_copy(self.rules.copy_limit));
        }
        let asked = copy.attributes;
        let same_class = asked.storage_class == source.attributes.storage_class;
        let same_encryption = (asked.encryption.is_none()
            || asked.encryption == source.attributes.encryption)
            && asked.customer_key == source.attributes.customer_key;
        if copy.from.is_current(&copy.to)
            && copy.directive == Directive::Copy
            && same_class
            && same_encryption
        {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        let tags = match copy.tags {
            Directive::Copy => source.attributes.tags.clone(),
            Directive::Replace => asked.tags.clone(),
        };
        let mut attributes = match copy.directive {
            Directive::Replace => Attributes { tags, ..asked },
            Directive::Copy => Attributes {
                storage_class: asked.storage_class,
                encryption: asked.encryption,
                kms_key: asked.kms_key,
                encryption_context: asked.encryption_context,
                bucket_key: asked.bucket_key,
                customer_key: asked.customer_key,
                acl: asked.acl,
                lock: asked.lock,
                tags,
                ..source.attributes.clone()
            },
        };
        state.bucket(&copy.to.0)?.lock(&mut attributes, true)?;
        // A copy is always written in one piece, and its ETag is computed accordingly. A discarded
        // body keeps the source's ETag.
        let etag =
            source.content.md5().map_or_else(|| source.etag.clone(), |md5| attributes.etag(md5));
        let object = Object {
            content: source.content.clone(),
            etag,
            modified: SystemTime::now(),
            attributes,
            checksum: source.checksum.clone(),
            version_id: None,
            parts: Vec::new(),
            part_sums: Vec::new(),
        };
        Ok(state.bucket(&copy.to.0)?.insert(&copy.to.1, object))
    }
}

pub(super) fn too_large_to_copy(limit: u64) -> S3Error {
    s3_error!(
        InvalidRequest,
        "The specified copy source is larger than the maximum allowable size for a copy source: {limit}"
    )
}
