//! The stored state: buckets, objects and the rules for putting, reading, copying and deleting them.
//!
//! Everything is plain synchronous code over one lock; `api.rs` translates to and from s3s.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::Timestamp;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::body::{Checksum, Content, Received, Retention};
use super::conditions;
use super::multipart::{UploadRecord, Uploads};

/// The largest body of one PUT or one part: 5 GiB (S3, "Amazon S3 multipart upload limits").
pub const MAX_PUT: u64 = 5 << 30;
/// S3 answers at most this many keys, parts or uploads a page, and deletes at most this many keys a request.
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

/// The rules that tests may bend.
#[derive(Clone, Debug)]
pub struct Rules {
    pub region: String,
    /// The least size of every part but the last, in bytes.
    pub min_part_size: u64,
    /// The largest source of one CopyObject or of one UploadPartCopy without a range, in bytes.
    pub copy_limit: u64,
    /// The most entries a page of any listing has.
    pub page_size: usize,
    pub retention: Retention,
}

/// An object's key, ordered by its bytes as S3 orders keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub String);

/// A `str` compares as its bytes do, so a map of keys can be searched from any byte string.
impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What an object carries beside its bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub expires: Option<Timestamp>,
    pub metadata: HashMap<String, String>,
    /// None is STANDARD.
    pub storage_class: Option<String>,
    /// `x-amz-server-side-encryption`.
    pub encryption: Option<String>,
    pub kms_key: Option<String>,
    /// The canned ACL that was sent: kept for tests to see, never applied.
    pub acl: Option<String>,
}

impl Attributes {
    /// # Errors
    /// `InvalidStorageClass` or `InvalidArgument` (encryption) for a value S3 does not have.
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

    /// The ETag of bytes sent in one request: their MD5, and something else under KMS keys.
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
    /// The sizes of the parts it was completed from; empty for one that was put whole.
    pub parts: Vec<u64>,
}

/// Which bytes of an object a read wants.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    Whole,
    Range(s3s::dto::Range),
    /// One part, from 1; an object put whole has one.
    Part(i32),
}

impl Object {
    /// The bytes wanted, or none for the whole object.
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
    /// What the request itself says; class, encryption and ACL always come from here.
    pub attributes: Attributes,
    pub directive: Directive,
}

/// Where a copy's metadata come from.
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
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub buckets: BTreeMap<String, Bucket>,
    /// Uploads by id: where each stands, and its result once completed.
    pub records: HashMap<String, UploadRecord>,
    /// How many uploads were begun.
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

/// All that the server stores.
#[derive(Debug)]
pub struct Store {
    pub rules: Rules,
    state: Mutex<State>,
}

impl Store {
    pub fn new(rules: Rules) -> Self {
        Self { rules, state: Mutex::default() }
    }

    /// A test that failed while it held the lock must not fail those that come after.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// `BucketAlreadyOwnedByYou`, as every region but `us-east-1` answers.
    pub fn create_bucket(&self, name: &str) -> S3Result<()> {
        let mut state = self.state();
        if state.buckets.contains_key(name) {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "The bucket exists already and is yours"
            ));
        }
        let bucket = Bucket {
            created: SystemTime::now(),
            objects: BTreeMap::new(),
            uploads: Uploads::default(),
        };
        state.buckets.insert(name.to_owned(), bucket);
        Ok(())
    }

    /// Open uploads do not hinder the deletion and go with the bucket.
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

    /// # Errors
    /// `NoSuchBucket`.
    pub fn head_bucket(&self, name: &str) -> S3Result<()> {
        self.state().bucket(name).map(|_| ())
    }

    /// Names and times of creation, by name.
    pub fn buckets(&self) -> Vec<(String, SystemTime)> {
        self.state().buckets.iter().map(|(name, bucket)| (name.clone(), bucket.created)).collect()
    }

    /// # Errors
    /// `NoSuchBucket`, those of [`conditions::Write::check`] and [`Attributes::check`].
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

    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, those of [`conditions::Read::check`].
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
    /// `NoSuchBucket`, those of [`conditions::Write::check`].
    pub fn delete(&self, bucket: &str, key: &str, conditions: &conditions::Write) -> S3Result<()> {
        let mut state = self.state();
        let objects = &mut state.bucket(bucket)?.objects;
        conditions.check(objects.get(key.as_bytes()).map(|object| &*object.etag))?;
        objects.remove(key.as_bytes());
        Ok(())
    }

    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`; `InvalidRequest` for a source above the limit and for a copy
    /// onto itself that changes nothing.
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
        // The copy is written in one piece, so its ETag is that of one piece. What was discarded keeps the source's.
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
