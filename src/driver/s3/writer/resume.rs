//! Finds the unfinished upload that an appending writer continues.
//!
//! # Uploads of other programs
//!
//! On close, the registry's Go driver sends its remaining bytes as a part, however small. Such an
//! upload can be committed as it is. It can be continued if its last part has at least 5 MiB (with
//! uniform parts: the size of the others). Appending after a smaller part would show half a file to
//! readers, because S3 does not return parts and does not accept another part after a small one. In
//! this case, writing fails with an error that states the reason, and the upload remains unchanged.
//!
//! Parts that another program adds to a closed upload count, because they follow the part that
//! `close` sent. If another program cannot add parts to the upload, it completes or replaces the
//! upload. Then the upload that the checkpoint names no longer exists, and the newest upload
//! counts.
//!
//! A file that was committed at the path after the last close is newer than the unfinished file. In
//! this case, appending is refused, because a commit would replace the newer file with the older
//! one.
use super::checkpoint::{self, Checkpoint, LaterParts, SeenObject, StoredCheckpoint};
use super::replace;
use crate::client::{
    GetObject, MAX_PART_SIZE, MIN_PART_SIZE, ObjectMeta, Part, UploadRef, lacks_operation,
    md5_of_etag,
};
use crate::driver::s3::parameters::PartSizes;
use crate::driver::s3::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;
use crate::transfer::{self, PartContent};
use std::collections::BTreeMap;

/// The maximum number of unfinished uploads of one key. More of them indicate another problem, so
/// listing them fails.
const UPLOADS_OF_A_KEY: usize = 10_000;

/// An unfinished upload that a writer continues.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) upload_id: String,
    /// The parts that belong to the file, from the first one on, without a gap.
    pub(super) parts: Vec<Part>,
    /// The bytes that follow `parts`.
    pub(super) tail: PartContent,
    /// The part after `parts`, if it holds the first bytes of `tail`. If the last close sent this
    /// part, it holds all of them.
    pub(super) next_part: Option<Part>,
    /// The upload's parts that do not belong to the file, by number.
    pub(super) stale: BTreeMap<u32, Part>,
    /// Whether the ETags of `parts` are known to be MD5s.
    pub(super) are_md5s: bool,
    pub(super) chunk_size: u64,
    pub(super) last_part: LastPart,
    pub(super) kept: Kept,
    /// The file that is committed at the path.
    pub(super) file: SeenObject,
    /// The object at the key of the path's checkpoint, whichever upload it names.
    pub(super) checkpoint: SeenObject,
}

/// The state of an upload when a writer resumed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) parts: u32,
    /// The total size of the parts and of the checkpoint's tail, in bytes.
    pub(super) size: u64,
    /// The size of the checkpoint's tail, in bytes.
    pub(super) tail: u64,
    /// The next part, if it holds the first bytes of the checkpoint's tail.
    pub(super) next_part: Option<Part>,
    /// The parts that did not belong to the file, by number.
    pub(super) stale: BTreeMap<u32, Part>,
    /// Whether the ETags of the parts are known to be MD5s.
    pub(super) are_md5s: bool,
    /// The object at the key of the path's checkpoint.
    pub(super) checkpoint: SeenObject,
}

impl Found {
    /// Returns the part that holds all bytes of the checkpoint's tail, if there is one.
    pub(super) fn tail_part(&self) -> Option<&Part> {
        self.next_part.as_ref().filter(|part| part.size == self.tail)
    }
}

/// The role of the last part: whether more parts may follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastPart {
    MayBeFollowed,
    /// The last part has this size, which is only allowed for the last part of an upload.
    IsFinal(u64),
}

/// The object that an earlier writer left in addition to the upload's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// A checkpoint that describes the current state of the upload.
    Checkpoint,
    /// An outdated checkpoint: another program or a later writer has continued the upload, so its
    /// parts describe the current state.
    OldCheckpoint,
    PartsAlone,
}

/// Returns the newest unfinished upload of `path`, or `None` if there is none. Other uploads are
/// aborted if they are old enough.
///
/// The checkpoint of the last close names its upload. Therefore, nothing depends on the listing of
/// uploads on servers whose listing is wrong or missing. An upload that was begun after that close
/// still counts as newer. Without the listing, only a file that was closed is found.
pub(super) fn find(store: &Store, path: &str) -> Result<Option<Resumed>> {
    let key = store.key(path);
    let mut stored = Checkpoint::load(store, path)?;
    let mut found = stored.as_ref().map_or(SeenObject::Absent, |stored| stored.object.clone());
    let mut listed = match uploads_of(store, &key) {
        // Without the operation, no other program can find an upload either. A listing that is not
        // permitted may contain one.
        Err(error) if lacks_operation(&error) || stored.is_some() && are_unlistable(&error) => {
            Vec::new()
        }
        listed => listed?,
    };
    loop {
        let newest = listed.last();
        let by_checkpoint = stored.take_if(|stored| {
            newest.is_none_or(|newest| {
                newest.upload_id == stored.checkpoint.upload_id
                    || newest.initiated <= stored.modified
            })
        });
        let (upload_id, by_checkpoint) = match (by_checkpoint, newest) {
            (Some(stored), _) => (stored.checkpoint.upload_id.clone(), Some(stored)),
            (None, Some(newest)) => (newest.upload_id.clone(), None),
            (None, None) => return Ok(None),
        };
        let begun = listed
            .iter()
            .find(|upload| upload.upload_id == upload_id)
            .and_then(|upload| upload.initiated);
        listed.retain(|upload| upload.upload_id != upload_id);
        let mut known = (SeenObject::Unknown, begun);
        let mut resumed = match (parts_of(store, &key, &upload_id), by_checkpoint) {
            // The upload was completed or aborted, and the process ended before it removed the
            // checkpoint.
            (Err(error), Some(_)) if error.kind() == ErrorKind::NoSuchUpload => {
                replace::remove((store, &store.client, path), &upload_id, &found)?;
                found = SeenObject::Absent;
                continue;
            }
            (Err(error), None) if error.kind() == ErrorKind::NoSuchUpload => continue,
            (parts, Some(stored)) => {
                known = (stored.checkpoint.file.clone(), begun.or(stored.modified));
                closed(store, upload_id, parts?, stored)?
            }
            (parts, None) => never_closed(store, upload_id, parts?),
        };
        let file = head(store, &key)?;
        if let Some(meta) = file.as_ref().filter(|meta| is_newer(meta, &known)) {
            let text = format!(
                "cannot append: a file of {} bytes was committed here after the unfinished one was \
                 closed",
                meta.size
            );
            let hint = "delete the path, or write the file again from its beginning";
            return Err(Error::new(ErrorKind::InvalidArgument, text).with_hint(hint));
        }
        resumed.file = SeenObject::of(file.as_ref());
        resumed.checkpoint = found;
        abort_old(store, &key, &listed);
        return Ok(Some(resumed));
    }
}

/// Checks that the committed file is empty: without an unfinished upload, appending is only
/// possible to an empty file.
pub(super) fn check_empty(store: &Store, path: &str) -> Result<()> {
    let request = GetObject::default();
    match store.client.head_object(&store.bucket, &store.key(path), &request)?.size {
        0 => Ok(()),
        size => {
            let text = format!("cannot append: a file of {size} bytes is committed here");
            Err(Error::new(ErrorKind::InvalidArgument, text))
        }
    }
}

/// Returns whether uploads cannot be listed: the server does not have the operation, or the policy
/// does not permit it. Nothing else depends on it then, because checkpoints name their uploads.
pub(in crate::driver::s3) fn are_unlistable(error: &Error) -> bool {
    lacks_operation(error) || error.kind() == ErrorKind::AccessDenied
}

/// Requests the metadata of the file that is committed at `key`, if there is one.
fn head(store: &Store, key: &str) -> Result<Option<ObjectMeta>> {
    match store.client.head_object(&store.bucket, key, &GetObject::default()) {
        Err(error) if error.kind() == ErrorKind::NoSuchKey => Ok(None),
        meta => meta.map(Some),
    }
}

/// Returns the file that is committed at `key`, to be recorded in a checkpoint. After a failure,
/// the file is unknown, and times are compared instead.
pub(super) fn committed_file(store: &Store, key: &str) -> SeenObject {
    head(store, key).map_or(SeenObject::Unknown, |file| SeenObject::of(file.as_ref()))
}

/// Returns whether the file was committed after the state in `known`: the file at the last close,
/// or the time when the upload was begun. Servers report times in seconds, and a file of the same
/// second counts as older.
fn is_newer(file: &ObjectMeta, known: &(SeenObject, Option<Timestamp>)) -> bool {
    match (known, &file.etag) {
        ((SeenObject::Absent, _), _) => true,
        ((SeenObject::Version(then), _), Some(now)) => then != now,
        ((_, begun), _) => begun
            .zip(file.last_modified)
            .is_some_and(|(begun, stored)| stored.unix() > begun.unix()),
    }
}

/// Resumes the upload in the state that the last close recorded. Parts that a writer sent after
/// that without closing do not count: no caller was promised them, and the same part numbers are
/// sent again. Parts that another program added to the closed state do count.
fn closed(
    store: &Store,
    upload_id: String,
    parts: BTreeMap<u32, Part>,
    stored: StoredCheckpoint,
) -> Result<Resumed> {
    check_parts(&parts, &stored.checkpoint)?;
    let is_continued = is_continued(&parts, &stored)?;
    let StoredCheckpoint { checkpoint, tail, .. } = stored;
    let are_md5s = checkpoint.digest.is_some();
    if is_continued {
        let kept = Kept::OldCheckpoint;
        return Ok(Resumed { kept, are_md5s, ..never_closed(store, upload_id, parts) });
    }
    let next_part = match next_part(&parts, &checkpoint) {
        Some(part) if begins(&tail, part)? => Some(part.clone()),
        _ => None,
    };
    let mut parts = parts;
    let stale = parts.split_off(&checkpoint.parts.saturating_add(1));
    Ok(Resumed {
        upload_id,
        parts: parts.into_values().collect(),
        tail,
        next_part,
        stale,
        are_md5s,
        chunk_size: checkpoint.chunk_size,
        last_part: LastPart::MayBeFollowed,
        kept: Kept::Checkpoint,
        file: SeenObject::Unknown,
        checkpoint: SeenObject::Unknown,
    })
}

/// Checks that the parts which preceded the checkpoint are still there, with the same content as
/// far as ETags show it.
fn check_parts(parts: &BTreeMap<u32, Part>, checkpoint: &Checkpoint) -> Result<()> {
    let Checkpoint { parts: count, bytes, digest, .. } = checkpoint;
    let kept = || parts.range(..=count).map(|(_, part)| part);
    if kept().count() != *count as usize || total(kept()) != *bytes {
        let text = format!(
            "the upload no longer has the {count} parts ({bytes} bytes) it had when it was closed"
        );
        return Err(Error::new(ErrorKind::Integrity, text));
    }
    // A part that a client sent twice, because a response was lost, has the same MD5.
    let found = checkpoint::digest_of(kept());
    if digest.zip(found).is_some_and(|(digest, found)| digest != found) {
        let text = format!(
            "the content of the upload's {count} parts has changed since it was closed, although \
             their sizes have not: another writer replaced some of them"
        );
        return Err(Error::new(ErrorKind::Integrity, text)
            .with_hint("write the file again from its beginning"));
    }
    Ok(())
}

/// Returns the part in which the last close sent the bytes that do not fill a part. A writer that
/// continues the upload replaces this part before it sends any further one.
fn next_part<'a>(parts: &'a BTreeMap<u32, Part>, checkpoint: &Checkpoint) -> Option<&'a Part> {
    parts.get(&checkpoint.parts.saturating_add(1))
}

/// Returns whether `part` holds the first bytes of `tail`. On servers that do not allow parts to be
/// replaced, `part` may come from an earlier close.
fn begins(tail: &PartContent, part: &Part) -> Result<bool> {
    if part.size > tail.len() {
        return Ok(false);
    }
    match md5_of_etag(&part.etag) {
        Some(etag) => Ok(tail.slice(0, part.size).md5()? == etag),
        // ETags that do not look like an MD5 (KMS, some servers) prove nothing.
        None => Ok(part.size == tail.len()),
    }
}

/// Returns whether another program added parts to the state that was closed.
fn is_continued(parts: &BTreeMap<u32, Part>, stored: &StoredCheckpoint) -> Result<bool> {
    let StoredCheckpoint { checkpoint, tail, .. } = stored;
    if !may_be_continued(parts, checkpoint, tail.len()) {
        return Ok(false);
    }
    match next_part(parts, checkpoint) {
        // Without a digest, ETags are not known to be MD5s, even if they look like one (KMS). The
        // sizes must suffice, because nothing else shows what another program has added.
        Some(part) if checkpoint.digest.is_some() && tail.len() > 0 => begins(tail, part),
        _ => Ok(true),
    }
}

/// Returns whether the sizes of the parts permit that another program has added some to the state
/// that was closed. After a close without any bytes, all parts count, because they cannot
/// contradict anything that was promised. A part that already existed when the upload was closed
/// was sent by a writer that was killed earlier, or that continued the same state.
fn may_be_continued(parts: &BTreeMap<u32, Part>, checkpoint: &Checkpoint, tail: u64) -> bool {
    if checkpoint.parts == 0 && tail == 0 {
        return checkpoint.later == LaterParts::Count && !parts.is_empty();
    }
    // No program can add a part to one that S3 only accepts at the end.
    let tail_part =
        next_part(parts, checkpoint).filter(|part| part.size == tail && part.size >= MIN_PART_SIZE);
    let added = tail_part.and_then(|part| parts.get(&part.part_number.saturating_add(1)));
    let is_older = |part: &Part| {
        let times = part.last_modified.zip(tail_part.and_then(|tail| tail.last_modified));
        times.is_some_and(|(part, tail)| part < tail)
    };
    added.is_some_and(|part| checkpoint.stale_part.as_ref() != Some(&part.etag) && !is_older(part))
}

/// Returns the total size of `parts`, in bytes.
pub(super) fn total<'a>(parts: impl Iterator<Item = &'a Part>) -> u64 {
    parts.fold(0, |sum, part| sum.saturating_add(part.size))
}

/// Resumes an upload without a current checkpoint, from the parts that it has. They were sent by a
/// writer of this driver that was killed before it closed, or by another program. (On close, the
/// registry's Go driver sends its remaining bytes as a part of any size.)
fn never_closed(store: &Store, upload_id: String, parts: BTreeMap<u32, Part>) -> Resumed {
    let mut stale = parts;
    let mut run: Vec<Part> = Vec::new();
    let mut last_part = LastPart::MayBeFollowed;
    for (number, part) in (1..).zip(stale.values()) {
        // Parts after a gap were in flight when the writer ended. An empty part is better sent
        // again.
        if part.part_number != number || part.size == 0 || last_part != LastPart::MayBeFollowed {
            break;
        }
        let first = run.first().map_or(part.size, |first| first.size);
        let is_part = (MIN_PART_SIZE..=MAX_PART_SIZE).contains(&part.size);
        if !is_part || (store.parameters.part_sizes == PartSizes::Uniform && part.size != first) {
            last_part = LastPart::IsFinal(part.size);
        }
        run.push(part.clone());
    }
    stale.retain(|number, _| run.last().is_none_or(|last| *number > last.part_number));
    let chunk_size = match (store.parameters.part_sizes, run.first()) {
        (PartSizes::Uniform, Some(first)) => first.size.min(MAX_PART_SIZE),
        _ => store.parameters.chunk_size,
    };
    Resumed {
        upload_id,
        parts: run,
        tail: PartContent::from(Vec::new()),
        next_part: None,
        stale,
        are_md5s: false,
        chunk_size,
        last_part,
        kept: Kept::PartsAlone,
        file: SeenObject::Unknown,
        checkpoint: SeenObject::Unknown,
    }
}

struct ListedUpload {
    upload_id: String,
    initiated: Option<Timestamp>,
}

/// Returns the uploads of exactly this key, the newest last. Uploads that were begun at the same
/// time stay in the order of the listing.
fn uploads_of(store: &Store, key: &str) -> Result<Vec<ListedUpload>> {
    let mut found = Vec::new();
    for page in store.client.uploads(&store.bucket, key).pages() {
        // Longer keys that begin with this one belong to other files. Not every server lists in
        // order, so all pages are read.
        found.extend(page?.uploads.into_iter().filter(|upload| upload.key == key).map(|upload| {
            ListedUpload { upload_id: upload.upload_id, initiated: upload.initiated }
        }));
        if found.len() > UPLOADS_OF_A_KEY {
            let text = format!("the file has more than {UPLOADS_OF_A_KEY} unfinished uploads");
            return Err(Error::new(ErrorKind::Conflict, text).with_hint("abort the old ones"));
        }
    }
    found.sort_by_key(|upload| upload.initiated);
    Ok(found)
}

/// Returns all parts of an upload by number.
pub(crate) fn parts_of(store: &Store, key: &str, upload_id: &str) -> Result<BTreeMap<u32, Part>> {
    transfer::parts_of(&store.client, UploadRef { bucket: &store.bucket, key, upload_id })
}

/// Returns the size at which an appending writer would resume. `closed` is the checkpoint of the
/// upload at `path`, if it has one, and the length of its tail.
pub(crate) fn resumable_bytes(
    store: &Store,
    path: &str,
    parts: BTreeMap<u32, Part>,
    closed: Option<(Checkpoint, u64)>,
) -> Result<u64> {
    if let Some((checkpoint, tail)) = closed {
        let is_continued = may_be_continued(&parts, &checkpoint, tail)
            && match Checkpoint::load(store, path)? {
                Some(stored) if stored.checkpoint == checkpoint => is_continued(&parts, &stored)?,
                _ => true,
            };
        if !is_continued {
            return Ok(checkpoint.bytes.saturating_add(tail));
        }
    }
    Ok(total(never_closed(store, String::new(), parts).parts.iter()))
}

/// Returns whether an upload is older than `age`. An upload whose server does not state a time is
/// not.
pub(crate) fn is_older(
    store: &Store,
    initiated: Option<Timestamp>,
    age: std::time::Duration,
) -> bool {
    store.client.is_older(initiated, age)
}

/// Aborts those of `uploads` that are so old that no writer will continue them. A failure does not
/// prevent writing: maintenance finds the upload again.
fn abort_old(store: &Store, key: &str, uploads: &[ListedUpload]) {
    for upload in uploads
        .iter()
        .filter(|upload| is_older(store, upload.initiated, store.parameters.upload_purge_age))
    {
        let upload = UploadRef { bucket: &store.bucket, key, upload_id: &upload.upload_id };
        drop(store.client.abort_multipart_upload(upload));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_part_with_the_first_bytes_of_the_tail_begins_it() {
        let tail = PartContent::from(b"0123456789".to_vec());
        let md5 = |content: &[u8]| {
            let content = PartContent::from(content.to_vec());
            hex::encode(content.slice(0, content.len()).md5().expect("memory can be read"))
        };
        for (size, etag, expected) in [
            (4, md5(b"0123"), true),
            (10, md5(b"0123456789"), true),
            (4, md5(b"1234"), false),
            (11, md5(b"0123456789a"), false),
            (10, "opaque".to_owned(), true),
            (4, "opaque".to_owned(), false),
        ] {
            let part = Part { part_number: 1, size, etag, last_modified: None, checksum: None };
            assert_eq!(begins(&tail, &part).expect("memory can be read"), expected, "{part:?}");
        }
    }

    #[test]
    fn only_a_later_part_after_one_that_may_be_followed_continues_a_closed_file() {
        let part = |part_number, size, second: i64| {
            let last_modified = Some(Timestamp::from_unix(1_000_000_000 + second));
            Part { part_number, size, etag: "e".to_owned(), last_modified, checksum: None }
        };
        let closed = Checkpoint {
            upload_id: "id".to_owned(),
            parts: 1,
            bytes: 2 * MIN_PART_SIZE,
            digest: None,
            chunk_size: 2 * MIN_PART_SIZE,
            file: SeenObject::Absent,
            later: LaterParts::Count,
            stale_part: None,
        };
        let stale = Checkpoint { stale_part: Some("e".to_owned()), ..closed.clone() };
        const TAIL: u64 = MIN_PART_SIZE + 7;
        for (checkpoint, tail, size, added, expected) in [
            (&closed, TAIL, TAIL, 9, true),
            (&closed, TAIL, TAIL, 8, true),
            // Sent by a writer whose close was overwritten.
            (&closed, TAIL, TAIL, 7, false),
            (&stale, TAIL, TAIL, 9, false),
            (&closed, TAIL, TAIL + 1, 9, false),
            // S3 does not accept a part after this one.
            (&closed, MIN_PART_SIZE - 1, MIN_PART_SIZE - 1, 9, false),
        ] {
            let parts = [part(1, 2 * MIN_PART_SIZE, 0), part(2, size, 8), part(3, 1, added)];
            let parts = parts.map(|part| (part.part_number, part)).into();
            assert_eq!(
                may_be_continued(&parts, checkpoint, tail),
                expected,
                "{tail} {size} {added}"
            );
        }
    }
}
