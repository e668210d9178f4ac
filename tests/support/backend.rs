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
use s3s::dto::{LifecycleRule, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::body::{Checksum, Content, Received, Retention};
use super::conditions;
use super::multipart::{UploadRecord, Uploads};

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
    /// `None` means STANDARD.
    pub storage_class: Option<String>,
    /// `x-amz-server-side-encryption`.
    pub encryption: Option<String>,
    pub kms_key: Option<String>,
    /// The canned ACL of the request, which is kept for tests but never applied.
    pub acl: Option<String>,
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

    /// Returns the ETag of bytes sent in one request: their MD5, or another value if a KMS key is
    /// used.
    pub fn etag(&self, md5: [u8; 16]) -> String {
        let kms =
            self.encryption.as_deref().is_some_and(|encryption| encryption.starts_with("aws:kms"));
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
    /// The sizes of the parts it was completed from. Empty for an object that was stored by one
    /// PUT.
    pub parts: Vec<u64>,
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
    pub from: (String, String),
    pub to: (String, String),
    pub conditions: conditions::Read,
    /// The attributes in the request. Storage class, encryption and ACL are always taken from here.
    pub attributes: Attributes,
    pub directive: Directive,
}

/// The source of a copy's metadata.
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
    /// Rules that the server returns and does not apply.
    pub lifecycle_rules: Vec<LifecycleRule>,
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

    pub fn object(&mut self, bucket: &str, key: &str) -> S3Result<Arc<Object>> {
        let object = self.bucket(bucket)?.objects.get(key.as_bytes()).cloned();
        object.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))
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
            lifecycle_rules: Vec::new(),
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
        if !state.bucket(name)?.objects.is_empty() {
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
        attributes: Attributes,
        conditions: &conditions::Write,
    ) -> S3Result<Arc<Object>> {
        attributes.check()?;
        let mut state = self.state();
        let objects = &mut state.bucket(bucket)?.objects;
        conditions.check(objects.get(key.as_bytes()).map(|object| &*object.etag))?;
        let object = Arc::new(Object {
            etag: attributes.etag(body.md5),
            content: body.content,
            modified: SystemTime::now(),
            attributes,
            checksum: body.checksum,
            parts: Vec::new(),
        });
        objects.insert(Key(key.to_owned()), object.clone());
        Ok(object)
    }

    /// Returns an object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, and the errors of [`conditions::Read::check`].
    pub fn get(
        &self,
        bucket: &str,
        key: &str,
        conditions: &conditions::Read,
    ) -> S3Result<Arc<Object>> {
        let object = self.state().object(bucket, key)?;
        conditions.check(&object.etag, object.modified, conditions::Unchanged::NotModified)?;
        Ok(object)
    }

    /// Deletes a key, which need not exist.
    ///
    /// # Errors
    /// `NoSuchBucket`, and the errors of [`conditions::Write::check`].
    pub fn delete(&self, bucket: &str, key: &str, conditions: &conditions::Write) -> S3Result<()> {
        let mut state = self.state();
        let objects = &mut state.bucket(bucket)?.objects;
        conditions.check(objects.get(key.as_bytes()).map(|object| &*object.etag))?;
        objects.remove(key.as_bytes());
        Ok(())
    }

    /// Copies an object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`; `InvalidRequest` for a source above the
    /// limit, or for a copy onto itself that changes nothing.
    pub fn copy(&self, copy: Copy) -> S3Result<Arc<Object>> {
        copy.attributes.check()?;
        let mut state = self.state();
        let source = state.object(&copy.from.0, &copy.from.1)?;
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
        let same_encryption =
            asked.encryption.is_none() || asked.encryption == source.attributes.encryption;
        if copy.from == copy.to
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
        let attributes = match copy.directive {
            Directive::Replace => asked,
            Directive::Copy => Attributes {
                storage_class: asked.storage_class,
                encryption: asked.encryption,
                kms_key: asked.kms_key,
                acl: asked.acl,
                ..source.attributes.clone()
            },
        };
        // A copy is always written in one piece, and its ETag is computed accordingly. A discarded
        // body keeps the source's ETag.
        let etag =
            source.content.md5().map_or_else(|| source.etag.clone(), |md5| attributes.etag(md5));
        let object = Arc::new(Object {
            content: source.content.clone(),
            etag,
            modified: SystemTime::now(),
            attributes,
            checksum: source.checksum.clone(),
            parts: Vec::new(),
        });
        state.bucket(&copy.to.0)?.objects.insert(Key(copy.to.1), object.clone());
        Ok(object)
    }
}

pub(super) fn too_large_to_copy(limit: u64) -> S3Error {
    s3_error!(
        InvalidRequest,
        "The specified copy source is larger than the maximum allowable size for a copy source: {limit}"
    )
}
