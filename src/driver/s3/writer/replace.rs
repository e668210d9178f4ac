//! Replaces a path's checkpoint, but only one that the writer knows.
//!
//! Two writers may continue the same unfinished file at the same time, such as a request that has
//! stalled and its repetition. Each one only knows the state in which it found the file. If the
//! slower one replaced the checkpoint of the faster one, it would discard what the faster one has
//! promised to keep, and combine its own bytes with the parts of the other.
//!
//! Therefore, a checkpoint is stored under the condition that the object at its key is the one
//! that the writer found. This takes no additional request. On servers that refuse the condition,
//! the object is examined before the checkpoint is stored. Servers that ignore conditions cannot be
//! recognized: there, the last writer to close wins.
use super::checkpoint::{Checkpoint, SeenObject, checkpoint_key};
use crate::client::{
    Client, Condition, ConditionalRequest, DeleteObject, GetObject, lacks_operation,
};
use crate::driver::s3::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::PartSlice;

/// The path of an unfinished file, in its store, and the client that sends the requests.
type Place<'a> = (&'a Store, &'a Client, &'a str);

/// Stores a checkpoint with its tail, if the object at its key is still the one that was `found`.
/// [`SeenObject::Unknown`] permits any object.
///
/// # Errors
/// [`ErrorKind::Conflict`] if there is another checkpoint now, or none.
pub(super) fn replace(
    place: Place<'_>,
    (checkpoint, tail): (&Checkpoint, PartSlice<'_>),
    found: &SeenObject,
) -> Result<()> {
    let (store, client, path) = place;
    let save = |condition| checkpoint.save(store, client, path, tail, condition);
    let condition = match found {
        SeenObject::Unknown => return save(Condition::Always),
        SeenObject::Absent => Some(Condition::IfAbsent),
        // A condition with a weak ETag never holds (RFC 9110 section 13.1.1).
        SeenObject::Version(etag) if etag.starts_with("W/") => None,
        SeenObject::Version(etag) => Some(Condition::IfMatch(etag.clone())),
    };
    let is_stored = || checkpoint.is_stored(store, client, path, tail);
    let mut refused = None;
    if let Some(condition) =
        condition.filter(|_| client.may_support(ConditionalRequest::Put, &store.bucket))
    {
        match save(condition) {
            Err(error) if is_refuted(&error) || lacks_operation(&error) => refused = Some(error),
            // The response was lost, and the ETag does not show whose object it is.
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                return if is_stored().is_ok_and(|stored| stored) { Ok(()) } else { Err(error) };
            }
            result => return result,
        }
    }
    if is_changed(place, found)? {
        // The same bytes may come from an attempt whose response was lost, or from another writer.
        return if is_stored()? { Ok(()) } else { Err(conflict(refused)) };
    }
    save(Condition::Always)?;
    if refused.is_some() {
        // The server does not have the condition, or compares ETags in a different way.
        client.remember_unsupported(ConditionalRequest::Put, &store.bucket);
    }
    Ok(())
}

/// Stores the checkpoint of an upload that its writer began. A checkpoint of another upload belongs
/// to an older file, and is replaced.
///
/// # Errors
/// [`ErrorKind::Conflict`] if another writer has already continued the upload.
pub(super) fn replace_older(
    place: Place<'_>,
    (checkpoint, tail): (&Checkpoint, PartSlice<'_>),
) -> Result<()> {
    let (store, client, path) = place;
    match replace(place, (checkpoint, tail), &SeenObject::Absent) {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            match Checkpoint::peek(store, client, path)? {
                Some((now, _)) if now.upload_id == checkpoint.upload_id => Err(error),
                _ => replace(place, (checkpoint, tail), &SeenObject::Unknown),
            }
        }
        result => result,
    }
}

/// Removes the checkpoint of an upload that has ended, but not one that another writer has stored
/// for another upload since the checkpoint was `found`.
pub(super) fn remove(place: Place<'_>, upload_id: &str, found: &SeenObject) -> Result<()> {
    let (store, client, path) = place;
    let Some(key) = checkpoint_key(store, path) else { return Ok(()) };
    let delete = |condition| {
        let request = DeleteObject::default().condition(condition);
        client.delete_object(&store.bucket, &key, &request).map(drop)
    };
    let mut refused = None;
    if let SeenObject::Version(etag) = found
        && !etag.starts_with("W/")
        && client.may_support(ConditionalRequest::Delete, &store.bucket)
    {
        match delete(Condition::IfMatch(etag.clone())) {
            Err(error) if is_refuted(&error) || lacks_operation(&error) => refused = Some(error),
            result => return result,
        }
    }
    if is_changed(place, found)? {
        return match Checkpoint::peek(store, client, path)? {
            Some((now, _)) if now.upload_id == upload_id => delete(Condition::Always),
            _ => Ok(()),
        };
    }
    delete(Condition::Always)?;
    if refused.is_some() {
        client.remember_unsupported(ConditionalRequest::Delete, &store.bucket);
    }
    Ok(())
}

/// Returns whether the object at the key of the path's checkpoint differs from the one that was
/// `found`.
pub(super) fn is_changed((store, client, path): Place<'_>, found: &SeenObject) -> Result<bool> {
    if *found == SeenObject::Unknown {
        return Ok(false);
    }
    let Some(key) = checkpoint_key(store, path) else { return Ok(*found != SeenObject::Absent) };
    let now = match client.head_object(&store.bucket, &key, &GetObject::default()) {
        Err(error) if error.kind() == ErrorKind::NoSuchKey => SeenObject::Absent,
        meta => SeenObject::of(Some(&meta?)),
    };
    Ok(now != *found)
}

/// Returns whether a write was refused because its condition does not hold. S3 reports 404 if an
/// object that should have an ETag does not exist.
fn is_refuted(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PreconditionFailed | ErrorKind::NoSuchKey)
}

fn conflict(refused: Option<Error>) -> Error {
    let text = "another writer has continued, committed or cancelled this unfinished file since \
                this writer was opened, so the bytes that this writer received were not kept";
    let error = Error::new(ErrorKind::Conflict, text)
        .with_hint("append again: the size of the new writer shows where the file continues");
    match refused {
        Some(refused) => error.with_source(refused),
        None => error,
    }
}
