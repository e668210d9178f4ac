//! Multipart uploads with S3's rules.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::crypto::{Checksum as _, Md5};
use s3s::{S3Error, S3Result, s3_error};

use super::backend::{Attributes, Key, MAX_PUT, Object, Source, State, Store, too_large_to_copy};
use super::body::{Algorithm, Checksum, Content, Received, Scope};
use super::conditions;
use super::listing::{Entry, Start, Walk, page_limit};

/// The highest part number; the lowest is 1.
pub const MAX_PART_NUMBER: i32 = 10_000;

/// How many uploads are begun between two sweeps, which bound the memory of a long test. A sweep
/// forgets uploads that were begun [`REMEMBERED`] ago, have ended, and have no object.
const BETWEEN_SWEEPS: u64 = 1024;
/// Long enough that no listing still uses one of them as its marker.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Open uploads by key, and within a key by the time they were begun, as S3 lists them.
pub(super) type Uploads = BTreeMap<Key, BTreeMap<Position, Upload>>;

/// The time at which an upload was begun, and its serial number.
pub(super) type Position = (SystemTime, u64);

/// An upload that is neither completed nor aborted.
#[derive(Debug)]
pub(super) struct Upload {
    id: String,
    attributes: Attributes,
    checksum: Option<(Algorithm, Scope)>,
    parts: BTreeMap<i32, Part>,
}

/// A stored part.
#[derive(Clone, Debug)]
pub struct Part {
    pub number: i32,
    pub content: Content,
    /// Without quotes.
    pub etag: String,
    pub md5: [u8; 16],
    pub checksum: Option<Checksum>,
    pub modified: SystemTime,
}

/// The record of an upload, which is kept after its end.
#[derive(Debug)]
pub(super) struct UploadRecord {
    pub bucket: String,
    key: String,
    position: Position,
    /// Once completed: the named parts and the result, for a client that repeats the request while
    /// the object still exists.
    completed: Option<(Vec<NamedPart>, Weak<Object>)>,
}

/// A part as named by a completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPart {
    pub number: i32,
    /// Without quotes.
    pub etag: String,
    pub checksum: Option<(Algorithm, String)>,
}

/// A request to complete an upload.
#[derive(Debug, Default)]
pub struct Completion {
    pub parts: Vec<NamedPart>,
    pub conditions: conditions::Write,
    /// `x-amz-mp-object-size`.
    pub size: Option<i64>,
    /// The checksum of the whole object, if the request contains one.
    pub checksum: Option<(Algorithm, String)>,
}

/// A page of parts.
#[derive(Debug)]
pub struct PartPage {
    pub parts: Vec<Part>,
    pub attributes: Attributes,
    pub checksum: Option<(Algorithm, Scope)>,
    pub truncated: bool,
}

/// One open upload in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    pub key: String,
    pub id: String,
    pub initiated: SystemTime,
    pub storage_class: Option<String>,
    /// The number of parts, and their size in bytes.
    pub parts: usize,
    pub bytes: u64,
}

/// A page of open uploads.
#[derive(Debug)]
pub struct UploadPage {
    pub entries: Vec<Entry<OpenUpload>>,
    pub truncated: bool,
}

/// Which uploads to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct UploadQuery<'a> {
    pub prefix: &'a str,
    pub delimiter: &'a str,
    pub key_marker: &'a str,
    /// Ignored without a key marker.
    pub upload_id_marker: &'a str,
    pub max_uploads: Option<i32>,
}

/// Identifies an upload: bucket, key and id must belong together.
#[derive(Clone, Copy, Debug)]
pub struct UploadName<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub id: &'a str,
}

impl State {
    /// Returns the position of an open upload.
    fn position(&mut self, name: UploadName<'_>) -> S3Result<Position> {
        self.bucket(name.bucket)?;
        let record = self
            .records
            .get(name.id)
            .filter(|record| record.bucket == name.bucket && record.key == name.key);
        record.map(|record| record.position).ok_or_else(no_such_upload)
    }

    fn upload(&mut self, name: UploadName<'_>) -> S3Result<&mut Upload> {
        let position = self.position(name)?;
        let uploads = self.bucket(name.bucket)?.uploads.get_mut(name.key.as_bytes());
        uploads.and_then(|uploads| uploads.get_mut(&position)).ok_or_else(no_such_upload)
    }

    /// Forgets uploads that were begun long ago, are not open, and have no object. Requests for
    /// them would fail as unknown anyway.
    fn forget_ended(&mut self) {
        let Self { buckets, records, .. } = self;
        records.retain(|_, record| {
            let uploads = buckets
                .get(&record.bucket)
                .and_then(|bucket| bucket.uploads.get(record.key.as_bytes()));
            record.position.0.elapsed().is_ok_and(|age| age < REMEMBERED)
                || uploads.is_some_and(|uploads| uploads.contains_key(&record.position))
                || record.completed.as_ref().is_some_and(|(_, object)| object.strong_count() > 0)
        });
    }

    fn take_upload(&mut self, name: UploadName<'_>) -> S3Result<Upload> {
        let position = self.position(name)?;
        let all = &mut self.bucket(name.bucket)?.uploads;
        let uploads = all.get_mut(name.key.as_bytes()).ok_or_else(no_such_upload)?;
        let upload = uploads.remove(&position).ok_or_else(no_such_upload)?;
        if uploads.is_empty() {
            all.remove(name.key.as_bytes());
        }
        Ok(upload)
    }
}

impl Store {
    /// Begins an upload as of `initiated` and returns its id. Ids do not reveal their order.
    ///
    /// # Errors
    /// `NoSuchBucket`, the errors of [`Attributes::check`], or `InvalidRequest` for a checksum that
    /// cannot have this scope.
    pub fn begin_upload(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
        checksum: Option<(Algorithm, Scope)>,
        initiated: SystemTime,
    ) -> S3Result<String> {
        attributes.check()?;
        if let Some((algorithm @ (Algorithm::Sha1 | Algorithm::Sha256), Scope::FullObject)) =
            checksum
        {
            return Err(s3_error!(
                InvalidRequest,
                "FULL_OBJECT cannot be used with {}",
                algorithm.name()
            ));
        }
        if let Some((Algorithm::Crc64Nvme, Scope::Composite)) = checksum {
            return Err(s3_error!(InvalidRequest, "COMPOSITE cannot be used with CRC64NVME"));
        }
        let mut state = self.state();
        state.bucket(bucket)?;
        state.begun += 1;
        let position = (initiated, state.begun);
        let since_epoch =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let id = hex::encode(Md5::checksum(
            format!("{bucket}/{key} {since_epoch} {}", position.1).as_bytes(),
        ));
        let upload = Upload { id: id.clone(), attributes, checksum, parts: BTreeMap::new() };
        state
            .bucket(bucket)?
            .uploads
            .entry(Key(key.to_owned()))
            .or_default()
            .insert(position, upload);
        if state.begun.is_multiple_of(BETWEEN_SWEEPS) {
            state.forget_ended();
        }
        let record = UploadRecord {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            position,
            completed: None,
        };
        state.records.insert(id.clone(), record);
        Ok(id)
    }

    /// Returns the checksum that every part of the upload must have, and the attributes that the
    /// upload was begun with.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub fn upload_settings(
        &self,
        name: UploadName<'_>,
    ) -> S3Result<(Option<Algorithm>, Attributes)> {
        let mut state = self.state();
        let upload = state.upload(name)?;
        Ok((upload.checksum.map(|(algorithm, _)| algorithm), upload.attributes.clone()))
    }

    /// Stores a part, replacing an earlier one with the same number.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`, `InvalidArgument` for the number, or `InvalidRequest` for a
    /// different checksum than the upload's.
    pub fn put_part(&self, name: UploadName<'_>, number: i32, body: Received) -> S3Result<Part> {
        check_part_number(number)?;
        let mut state = self.state();
        let upload = state.upload(name)?;
        let sent = body.checksum.as_ref().map(|checksum| checksum.algorithm);
        if let (Some((expected, _)), Some(sent)) = (upload.checksum, sent)
            && expected != sent
        {
            let (expected, sent) = (expected.name(), sent.name());
            return Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {sent}"
            ));
        }
        let part = Part {
            number,
            etag: upload.attributes.etag(body.md5),
            content: body.content,
            md5: body.md5,
            checksum: body.checksum,
            modified: SystemTime::now(),
        };
        upload.parts.insert(number, part.clone());
        Ok(part)
    }

    /// Stores a part that is a copy of an object or of `range` of it (`bytes=FIRST-LAST`).
    ///
    /// # Errors
    /// The errors of [`Store::put_part`], `NoSuchKey`, `PreconditionFailed`, `InvalidArgument` for
    /// a range that is malformed or outside the source, or `InvalidRequest` for a source that is
    /// too large.
    pub fn copy_part(
        &self,
        name: UploadName<'_>,
        number: i32,
        from: &Source,
        range: Option<&str>,
        conditions: &conditions::Read,
    ) -> S3Result<Part> {
        let (checksum, source) = {
            let mut state = self.state();
            let checksum = state.upload(name)?.checksum;
            (checksum, state.version(&from.bucket, &from.key, from.version_id.as_deref())?)
        };
        source.attributes.check_key(from.customer_key.as_deref())?;
        conditions.check(
            &source.etag,
            source.modified,
            conditions::Unchanged::PreconditionFailed,
        )?;
        let size = source.content.len();
        let content = match range.map(|range| (range, parse_copy_range(range))) {
            None if size > self.rules.copy_limit => {
                return Err(too_large_to_copy(self.rules.copy_limit));
            }
            None => source.content.clone(),
            Some((_, Some((first, last)))) if last < size && last - first < MAX_PUT => {
                source.content.slice(first..last + 1)
            }
            Some((_, Some(_))) => {
                return Err(s3_error!(
                    InvalidArgument,
                    "Range specified is not valid for source object of size: {size}"
                ));
            }
            Some((range, None)) => {
                return Err(s3_error!(
                    InvalidArgument,
                    "The x-amz-copy-source-range value must be of the form bytes=first-last: {range}"
                ));
            }
        };
        let checksum = checksum.zip(content.to_bytes()).map(|((algorithm, _), bytes)| Checksum {
            algorithm,
            scope: Scope::FullObject,
            value: algorithm.digest(&bytes),
        });
        // A discarded body no longer has a digest; any value that depends on the range will do for
        // its ETag.
        let md5 = content
            .md5()
            .unwrap_or_else(|| Md5::checksum(format!("{} {range:?}", source.etag).as_bytes()));
        self.put_part(name, number, Received { content, md5, checksum, has_digest: true })
    }

    /// Makes an object of the named parts. A repeated request with the same parts returns the same
    /// result.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`, `MalformedXML` (no parts), `InvalidPartOrder`,
    /// `InvalidPart`, `EntityTooSmall`, `InvalidRequest` (size, missing checksum), `BadDigest`, and
    /// the errors of [`conditions::Write::check`].
    pub fn complete(&self, name: UploadName<'_>, completion: Completion) -> S3Result<Arc<Object>> {
        let mut state = self.state();
        state.position(name)?;
        if let Some((parts, object)) =
            state.records.get(name.id).and_then(|record| record.completed.as_ref())
        {
            let same = *parts == completion.parts;
            return object.upgrade().filter(|_| same).ok_or_else(no_such_upload);
        }
        let upload = state.upload(name)?;
        let parts = upload.named(&completion.parts, self.rules.min_part_size)?;
        let content = Content::concat(parts.iter().map(|part| &part.content));
        if completion.size.is_some_and(|size| u64::try_from(size) != Ok(content.len())) {
            return Err(s3_error!(
                InvalidRequest,
                "The provided 'x-amz-mp-object-size' does not match the parts"
            ));
        }
        let checksum = upload.whole_checksum(&parts);
        if let Some((algorithm, sent)) = &completion.checksum
            && checksum.as_ref().and_then(|checksum| checksum.of(*algorithm)).as_ref() != Some(sent)
        {
            return Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the object's",
                algorithm.name()
            ));
        }
        let digests: Vec<u8> = parts.iter().flat_map(|part| part.md5).collect();
        let mut object = Object {
            content,
            etag: format!("{}-{}", hex::encode(Md5::checksum(&digests)), parts.len()),
            modified: SystemTime::now(),
            attributes: upload.attributes.clone(),
            checksum,
            version_id: None,
            parts: parts.iter().map(|part| part.content.len()).collect(),
            part_sums: parts.iter().map(|part| (part.number, part.checksum.clone())).collect(),
        };

        let bucket = state.bucket(name.bucket)?;
        completion
            .conditions
            .check(bucket.objects.get(name.key.as_bytes()).map(|object| &*object.etag))?;
        bucket.lock(&mut object.attributes, true)?;
        let object = bucket.insert(name.key, object);
        state.take_upload(name)?;
        if let Some(record) = state.records.get_mut(name.id) {
            record.completed = Some((completion.parts, Arc::downgrade(&object)));
        }
        Ok(object)
    }

    /// Aborts an upload.
    ///
    /// # Errors
    /// `NoSuchBucket`; `NoSuchUpload`, also for an upload that has ended.
    pub fn abort(&self, name: UploadName<'_>) -> S3Result<()> {
        self.state().take_upload(name).map(|_| ())
    }

    /// Returns the parts with numbers above `after`.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`, `InvalidArgument`.
    pub fn list_parts(
        &self,
        name: UploadName<'_>,
        after: i32,
        max_parts: Option<i32>,
    ) -> S3Result<PartPage> {
        let limit = page_limit(max_parts, self.rules.page_size)?;
        let mut state = self.state();
        let upload = state.upload(name)?;
        let mut rest = upload.parts.range(after.saturating_add(1)..).map(|(_, part)| part.clone());
        let parts: Vec<_> = rest.by_ref().take(limit).collect();
        let truncated = limit > 0 && rest.next().is_some();
        Ok(PartPage {
            parts,
            truncated,
            attributes: upload.attributes.clone(),
            checksum: upload.checksum,
        })
    }

    /// Returns all open uploads of a bucket in the order of their listing, or none if the bucket
    /// does not exist.
    pub fn open_uploads(&self, bucket: &str) -> Vec<OpenUpload> {
        let mut state = self.state();
        let Ok(bucket) = state.bucket(bucket) else { return Vec::new() };
        let of_key = |(key, uploads): (&Key, &BTreeMap<Position, Upload>)| {
            let open = uploads.iter().map(|(position, upload)| upload.open(&key.0, position.0));
            open.collect::<Vec<_>>()
        };
        bucket.uploads.iter().flat_map(of_key).collect()
    }

    /// Returns one page of open uploads by key, and within a key by the time they were begun. Both
    /// markers are exclusive.
    ///
    /// # Errors
    /// `NoSuchBucket`; `InvalidArgument` for an upload id marker that never belonged to an upload
    /// of the marker's key.
    pub fn list_uploads(&self, bucket: &str, query: UploadQuery<'_>) -> S3Result<UploadPage> {
        let limit = page_limit(query.max_uploads, self.rules.page_size)?;
        let mut state = self.state();
        state.bucket(bucket)?;
        let marker = match (query.key_marker, query.upload_id_marker) {
            ("", _) | (_, "") => None,
            (key, id) => {
                let record = state
                    .records
                    .get(id)
                    .filter(|record| record.bucket == bucket && record.key == key);
                Some(
                    record
                        .ok_or_else(|| s3_error!(InvalidArgument, "Invalid uploadId marker"))?
                        .position,
                )
            }
        };
        let start = match (query.key_marker, marker) {
            ("", _) => Start::Beginning,
            (key, None) => Start::After(key),
            (key, Some(_)) => Start::At(key),
        };
        let walk = Walk::new(&state.bucket(bucket)?.uploads, query.prefix, query.delimiter, start);
        let mut entries = walk.flat_map(|entry| match entry {
            Entry::CommonPrefix(common) => vec![Entry::CommonPrefix(common)],
            Entry::Item(key, uploads) => {
                let behind = marker.filter(|_| key == query.key_marker);
                let uploads = uploads
                    .iter()
                    .filter(|(position, _)| behind.is_none_or(|marker| **position > marker));
                uploads
                    .map(|(position, upload)| {
                        Entry::Item(key.clone(), upload.open(&key, position.0))
                    })
                    .collect()
            }
        });
        let page: Vec<_> = entries.by_ref().take(limit).collect();
        let truncated = limit > 0 && entries.next().is_some();
        Ok(UploadPage { entries: page, truncated })
    }
}

impl Upload {
    fn open(&self, key: &str, initiated: SystemTime) -> OpenUpload {
        OpenUpload {
            key: key.to_owned(),
            id: self.id.clone(),
            initiated,
            storage_class: self.attributes.storage_class.clone(),
            parts: self.parts.len(),
            bytes: self.parts.values().map(|part| part.content.len()).sum(),
        }
    }

    /// Returns the stored parts that a completion names, after checking all rules.
    fn named(&self, named: &[NamedPart], min_part_size: u64) -> S3Result<Vec<&Part>> {
        if named.is_empty() {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        }
        if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order"
            ));
        }
        let mut parts = Vec::with_capacity(named.len());
        for name in named {
            let part = self.parts.get(&name.number).filter(|part| part.etag == name.etag);
            let part = part.ok_or_else(|| invalid_part(name.number))?;
            if let Some((algorithm, sent)) = &name.checksum
                && part.checksum.as_ref().and_then(|checksum| checksum.of(*algorithm)).as_ref()
                    != Some(sent)
            {
                return Err(invalid_part(name.number));
            }
            if let (Some((algorithm, Scope::Composite)), None) = (self.checksum, &name.checksum) {
                return Err(s3_error!(
                    InvalidRequest,
                    "The upload was created using a {} checksum. The complete request must include the checksum for \
                     each part. It was missing for part {} in the request.",
                    algorithm.name(),
                    name.number
                ));
            }
            parts.push(part);
        }
        let small = parts
            .split_last()
            .and_then(|(_, rest)| rest.iter().find(|part| part.content.len() < min_part_size));
        match small {
            Some(part) => Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size: part {} has {} bytes, the minimum is \
                 {min_part_size}",
                part.number,
                part.content.len()
            )),
            None => Ok(parts),
        }
    }

    /// Computes the object's checksum: the kind that the upload was begun with, or CRC64NVME if
    /// every part came with one.
    fn whole_checksum(&self, parts: &[&Part]) -> Option<Checksum> {
        let (algorithm, scope) = self.checksum.unwrap_or((Algorithm::Crc64Nvme, Scope::FullObject));
        let sums = parts.iter().map(|part| {
            let checksum =
                part.checksum.as_ref().filter(|checksum| checksum.algorithm == algorithm)?;
            Some((checksum, part.content.len()))
        });
        Checksum::of_parts(algorithm, scope, &sums.collect::<Option<Vec<_>>>()?)
    }
}

/// Checks that a part number is in range.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_part_number(number: i32) -> S3Result<()> {
    if (1..=MAX_PART_NUMBER).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(
        InvalidArgument,
        "Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive"
    ))
}

fn parse_copy_range(range: &str) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

fn no_such_upload() -> S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might \
         have been aborted or completed."
    )
}

fn invalid_part(number: i32) -> S3Error {
    s3_error!(
        InvalidPart,
        "One or more of the specified parts could not be found: part {number} was not uploaded, or its ETag differs"
    )
}
