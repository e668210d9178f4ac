//! Finding the upload that an appending writer goes on with.
use super::checkpoint::{self, Checkpoint, StoredCheckpoint};
use crate::client::{MAX_PART_SIZE, MIN_PART_SIZE, UploadRef, UploadedPart, total_size};
use crate::driver::s3::parameters::PartSizes;
use crate::driver::s3::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// Uploads of one key that are looked at: whoever has more of them open has another problem.
const UPLOADS_OF_A_KEY: usize = 10_000;

/// The most bytes that the parts of an upload can have: 8 EiB, which leaves room for the bytes of a checkpoint. S3
/// ends at 50 TiB, other servers later.
const MAX_UPLOAD_BYTES: u64 = i64::MAX as u64;

/// An upload to go on with.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) upload_id: String,
    /// The parts that count, from the first on without a gap.
    pub(super) parts: Vec<UploadedPart>,
    /// The bytes behind them.
    pub(super) tail: Vec<u8>,
    pub(super) chunk_size: u64,
    pub(super) last_part: LastPart,
    pub(super) kept: Kept,
}

/// Whether more parts may follow the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastPart {
    MayBeFollowed,
    /// The last part has this size, which only the last one may have.
    IsFinal(u64),
}

/// What an earlier writer left of the upload in addition to its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// A checkpoint, which says where the upload stands.
    Checkpoint,
    PartsAlone,
}

/// The newest unfinished upload of `path`, `None` when there is none. Others are aborted when they are old enough.
///
/// The checkpoint of the last close names its upload, so that nothing depends on the listing of uploads where servers
/// have it wrong or not at all; an upload begun after that close is newer all the same.
pub(super) fn find(store: &Store, path: &str) -> Result<Option<Resumed>> {
    let key = store.key(path);
    let mut stored = Checkpoint::load(store, path)?;
    let mut listed = match uploads_of(store, &key) {
        Err(_) if stored.is_some() => Vec::new(),
        listed => listed?,
    };
    loop {
        let newest = listed.last();
        let by_checkpoint = stored.take_if(|stored| {
            newest.is_none_or(|newest| {
                newest.upload_id == stored.checkpoint.upload_id || newest.initiated <= stored.modified
            })
        });
        let (upload_id, by_checkpoint) = match (by_checkpoint, newest) {
            (Some(stored), _) => (stored.checkpoint.upload_id.clone(), Some(stored)),
            (None, Some(newest)) => (newest.upload_id.clone(), None),
            (None, None) => return Ok(None),
        };
        listed.retain(|upload| upload.upload_id != upload_id);
        let resumed = match (parts_of(store, &key, &upload_id), by_checkpoint) {
            // It was completed or aborted, and the process ended before the checkpoint was removed.
            (Err(error), Some(_)) if error.kind() == ErrorKind::NoSuchUpload => {
                checkpoint::remove(store, path)?;
                continue;
            }
            (Err(error), None) if error.kind() == ErrorKind::NoSuchUpload => continue,
            (parts, Some(stored)) => closed(upload_id, parts?, stored)?,
            (parts, None) => never_closed(store, upload_id, parts?),
        };
        abort_old(store, &key, &listed);
        return Ok(Some(resumed));
    }
}

/// Goes on where the last close left off. What a writer sent after it and did not close does not count: nobody was
/// promised it, and the same part numbers are sent again.
fn closed(upload_id: String, parts: BTreeMap<u32, UploadedPart>, stored: StoredCheckpoint) -> Result<Resumed> {
    let StoredCheckpoint { checkpoint: Checkpoint { parts: count, bytes, chunk_size, .. }, tail, .. } = stored;
    let parts: Vec<UploadedPart> = parts.into_values().filter(|part| part.part_number <= count).collect();
    if u32::try_from(parts.len()) != Ok(count) || total_size(&parts) != Some(bytes) {
        let text = format!("the upload no longer has the {count} parts ({bytes} bytes) it had when it was closed");
        return Err(Error::new(ErrorKind::Integrity, text));
    }
    Ok(Resumed { upload_id, parts, tail, chunk_size, last_part: LastPart::MayBeFollowed, kept: Kept::Checkpoint })
}

/// Takes what is there from the first part on: a writer of ours that was killed before it closed, or another
/// program's (the registry's Go driver closes by sending what it has as a part of any size).
fn never_closed(store: &Store, upload_id: String, parts: BTreeMap<u32, UploadedPart>) -> Resumed {
    let mut run: Vec<UploadedPart> = Vec::new();
    let mut last_part = LastPart::MayBeFollowed;
    for (number, part) in (1..).zip(parts.into_values()) {
        // Parts behind a gap were in flight when the writer ended; an empty one is better sent again.
        if part.part_number != number || part.size == 0 || last_part != LastPart::MayBeFollowed {
            break;
        }
        let first = run.first().map_or(part.size, |first| first.size);
        let is_part = (MIN_PART_SIZE..=MAX_PART_SIZE).contains(&part.size);
        if !is_part || (store.parameters.part_sizes == PartSizes::Uniform && part.size != first) {
            last_part = LastPart::IsFinal(part.size);
        }
        run.push(part);
    }
    let chunk_size = match (store.parameters.part_sizes, run.first()) {
        (PartSizes::Uniform, Some(first)) => first.size.min(MAX_PART_SIZE),
        _ => store.parameters.chunk_size,
    };
    Resumed { upload_id, parts: run, tail: Vec::new(), chunk_size, last_part, kept: Kept::PartsAlone }
}

struct ListedUpload {
    upload_id: String,
    initiated: Option<Timestamp>,
}

/// The uploads of exactly this key, the newest last; of those begun at the same time the one that is listed last.
fn uploads_of(store: &Store, key: &str) -> Result<Vec<ListedUpload>> {
    let mut found = Vec::new();
    for page in store.client.uploads(&store.bucket, key) {
        // Keys that only begin like this one are other files, and not every server lists in order: look at all.
        found.extend(
            page?
                .uploads
                .into_iter()
                .filter(|upload| upload.key == key)
                .map(|upload| ListedUpload { upload_id: upload.upload_id, initiated: upload.initiated }),
        );
        if found.len() > UPLOADS_OF_A_KEY {
            let text = format!("the file has more than {UPLOADS_OF_A_KEY} unfinished uploads");
            return Err(Error::new(ErrorKind::Conflict, text).with_hint("abort the old ones"));
        }
    }
    found.sort_by_key(|upload| upload.initiated);
    Ok(found)
}

/// All parts of an upload by number.
pub(crate) fn parts_of(store: &Store, key: &str, upload_id: &str) -> Result<BTreeMap<u32, UploadedPart>> {
    let mut parts = BTreeMap::new();
    for page in store.client.parts(UploadRef { bucket: &store.bucket, key, upload_id }) {
        parts.extend(page?.parts.into_iter().map(|part| {
            let number = part.part_number;
            (number, UploadedPart { part_number: number, etag: part.etag, size: part.size })
        }));
    }
    // Whoever adds up some of them can rely on it.
    let sizes = parts.values().try_fold(0_u64, |sum, part: &UploadedPart| sum.checked_add(part.size));
    if sizes.is_none_or(|size| size > MAX_UPLOAD_BYTES) {
        let text = format!("the server's sizes of the upload's parts make more than {MAX_UPLOAD_BYTES} bytes");
        return Err(Error::new(ErrorKind::Protocol, text).with_operation("ListParts").with_key(key));
    }
    Ok(parts)
}

/// How many bytes of a never closed upload an appending writer would go on with.
pub(crate) fn resumable_bytes(store: &Store, parts: BTreeMap<u32, UploadedPart>) -> u64 {
    total_size(&never_closed(store, String::new(), parts).parts).unwrap_or(u64::MAX)
}

/// Whether an upload is older than `age`; one whose server tells no time is not.
pub(crate) fn is_older(store: &Store, initiated: Option<Timestamp>, age: std::time::Duration) -> bool {
    let now = Timestamp::from(store.client.clock().now());
    initiated.is_some_and(|initiated| initiated.plus(age) < now)
}

/// Aborts what nobody will go on with. That it fails is no reason not to write: maintenance finds it again.
fn abort_old(store: &Store, key: &str, uploads: &[ListedUpload]) {
    for upload in uploads.iter().filter(|upload| is_older(store, upload.initiated, store.parameters.upload_purge_age)) {
        let upload = UploadRef { bucket: &store.bucket, key, upload_id: &upload.upload_id };
        drop(store.client.abort_multipart_upload(upload));
    }
}
