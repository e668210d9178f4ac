//! Listing unfinished uploads, and aborting those that will never be finished.
use super::store::Store;
use super::writer::{checkpoint, resume};
use crate::client::{Entries, ListObjects, UploadRef};
use crate::driver::path::{check_path, is_within};
use crate::driver::{PendingUpload, PendingUploads, Purged};
use crate::error::{ErrorKind, Result};
use crate::xml::{ListMultipartUploadsResult, Upload};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The maximum number of failures that a purge reports, because most of them are alike.
const FAILURES: usize = 100;

/// Returns the unfinished uploads at and below a path.
pub(super) fn pending(store: &Arc<Store>, path: &str) -> PendingUploads {
    PendingUploads::new(Pending { store: Arc::clone(store), uploads: Uploads::below(store, path) })
}

/// Aborts every unfinished upload at and below a path, and returns how many there were. This takes
/// one listing, and one request for each upload.
pub(super) fn end_within(store: &Store, path: &str) -> Result<u64> {
    end_all(store, path, |_| true)
}

/// Aborts every unfinished upload of exactly this path, and removes its checkpoint.
pub(super) fn end_at(store: &Store, path: &str) -> Result<()> {
    if end_all(store, path, |found| found == path)? > 0 {
        checkpoint::remove(store, &store.client, path).map_err(|error| store.error(error, path))?;
    }
    Ok(())
}

/// Aborts the uploads at and below a path that were created longer than `age` ago, and removes
/// their checkpoints, including those of uploads that were ended by something else, such as a
/// lifecycle rule. Because checkpoints are stored next to the files, everything below the path is
/// listed, with one request per thousand files.
///
/// If an upload cannot be removed, the others are removed nevertheless, and the failures are
/// reported at the end. Nothing is removed during a listing: on a server that pages by position,
/// that listing would miss what follows.
pub(crate) fn purge(store: &Arc<Store>, path: &str, age: Duration) -> Result<Purged> {
    let mut purged = Purged::default();
    let mut failures = Vec::new();
    let mut note = |result: Result<()>, path: &str| match result {
        Err(error) if failures.len() < FAILURES => failures.push(store.error(error, path)),
        _ => {}
    };

    let old = Uploads::below(store, path)
        .all(store, |_, upload| resume::is_older(store, upload.initiated, age));
    for (path, upload_id) in old.map_err(|error| store.error(error, path))? {
        note(end(store, &path, &upload_id, &mut purged), &path);
    }

    // The checkpoint of the path itself is in the directory that contains the path; the checkpoints
    // of everything below the path are below it.
    let itself = check_path(path)
        .ok()
        .and_then(|()| checkpoint::checkpoint_key(store, path))
        .map(ListObjects::prefix);
    let mut checkpoints = Vec::new();
    for request in [Some(ListObjects::prefix(store.prefix(path))), itself].into_iter().flatten() {
        for object in store.client.objects(&store.bucket, request) {
            let object = object.map_err(|error| store.error(error, path))?;
            let of = checkpoint::path_of(store, &object.key).filter(|of| is_within(of, path));
            checkpoints.extend(of.filter(|_| resume::is_older(store, object.last_modified, age)));
        }
    }
    for of in checkpoints {
        note(remove_orphan(store, &of, &mut purged), &of);
    }

    let mut failures = failures.into_iter();
    match failures.next() {
        None => Ok(purged),
        Some(first) => Err(first.with_others(failures.collect())),
    }
}

/// The unfinished uploads at and below a path, listed page by page. If an upload cannot be
/// examined, an error takes its place; if the listing fails, the iteration ends.
struct Pending {
    store: Arc<Store>,
    uploads: Uploads,
}

impl Iterator for Pending {
    type Item = Result<PendingUpload>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let store = &*self.store;
            let (path, upload) = match self.uploads.next(store)? {
                Ok(found) => found,
                Err(error) => return Some(Err(store.error(error, &self.uploads.path))),
            };
            match bytes_of(store, &path, &upload) {
                // The upload has ended since it was listed.
                Err(error) if error.kind() == ErrorKind::NoSuchUpload => {}
                Err(error) => return Some(Err(store.error(error, &path))),
                Ok(bytes) => {
                    let started = upload.initiated.map(SystemTime::from);
                    let found = PendingUpload::new(path, bytes).upload_id(upload.upload_id);
                    return Some(Ok(PendingUpload { started, ..found }));
                }
            }
        }
    }
}

/// The open uploads whose keys are those of driver paths. Other uploads in the bucket do not belong
/// to the driver.
struct Uploads {
    listed: Entries<ListMultipartUploadsResult, Upload>,
    path: String,
}

impl Uploads {
    fn below(store: &Store, path: &str) -> Self {
        let listed = store.client.uploads(&store.bucket, &store.key(path));
        Self { listed, path: path.to_owned() }
    }

    fn next(&mut self, store: &Store) -> Option<Result<(String, Upload)>> {
        loop {
            let upload = match self.listed.next()? {
                Ok(upload) => upload,
                Err(error) => return Some(Err(error)),
            };
            if let Some(path) = store.path(&upload.key).filter(|path| is_within(path, &self.path)) {
                return Some(Ok((path, upload)));
            }
        }
    }

    /// Reads all pages and returns the path and the id of each upload that is `wanted`.
    fn all(
        mut self,
        store: &Store,
        wanted: impl Fn(&str, &Upload) -> bool,
    ) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        while let Some(next) = self.next(store) {
            let (path, upload) = next?;
            if wanted(&path, &upload) {
                found.push((path, upload.upload_id));
            }
        }
        Ok(found)
    }
}

/// Returns the size at which a writer would resume the upload.
fn bytes_of(store: &Store, path: &str, upload: &Upload) -> Result<u64> {
    let parts = resume::parts_of(store, &upload.key, &upload.upload_id)?;
    let closed = checkpoint::Checkpoint::peek(store, &store.client, path)?;
    let closed = closed.filter(|(checkpoint, _)| checkpoint.upload_id == upload.upload_id);
    resume::resumable_bytes(store, path, parts, closed)
}

/// Aborts the uploads at and below `path` whose path is `wanted`, and returns how many there were.
/// If the server cannot list uploads, or the policy does not permit it, this is the upload that the
/// checkpoint of `path` names, and a notice reports it: other uploads remain until a lifecycle rule
/// aborts them. A deletion must not depend on a permission that the Go driver does not need for it.
fn end_all(store: &Store, path: &str, wanted: impl Fn(&str) -> bool) -> Result<u64> {
    let uploads = match Uploads::below(store, path).all(store, |path, _| wanted(path)) {
        Err(error) if resume::are_unlistable(&error) => {
            let closed = end_closed(store, path)?;
            let instead = "the upload in the checkpoint of the path";
            store.client.notice_fallback(&store.bucket, "ListMultipartUploads", instead);
            return Ok(closed);
        }
        uploads => uploads.map_err(|error| store.error(error, path))?,
    };
    for (path, upload_id) in &uploads {
        abort(store, path, &store.key(path), upload_id)?;
    }
    Ok(uploads.len() as u64)
}

/// Aborts the upload that the checkpoint of `path` names, and returns how many there were.
fn end_closed(store: &Store, path: &str) -> Result<u64> {
    if check_path(path).is_err() {
        return Ok(0);
    }
    let closed = checkpoint::Checkpoint::peek(store, &store.client, path);
    match closed.map_err(|error| store.error(error, path))? {
        None => Ok(0),
        Some((checkpoint, _)) => {
            abort(store, path, &store.key(path), &checkpoint.upload_id)?;
            Ok(1)
        }
    }
}

fn abort(store: &Store, path: &str, key: &str, upload_id: &str) -> Result<()> {
    let upload = UploadRef { bucket: &store.bucket, key, upload_id };
    store.client.abort_multipart_upload(upload).map_err(|error| store.error(error, path))
}

/// Aborts an upload, and then removes its checkpoint, which has no use without the upload.
fn end(store: &Store, path: &str, upload_id: &str, purged: &mut Purged) -> Result<()> {
    let key = &store.key(path);
    store.client.abort_multipart_upload(UploadRef { bucket: &store.bucket, key, upload_id })?;
    purged.uploads += 1;
    if checkpoint::Checkpoint::peek(store, &store.client, path)?
        .is_some_and(|(checkpoint, _)| checkpoint.upload_id == upload_id)
    {
        checkpoint::remove(store, &store.client, path)?;
        purged.checkpoints += 1;
    }
    Ok(())
}

/// Removes a checkpoint whose upload no longer exists.
fn remove_orphan(store: &Store, path: &str, purged: &mut Purged) -> Result<()> {
    let Some((checkpoint, _)) = checkpoint::Checkpoint::peek(store, &store.client, path)? else {
        return Ok(());
    };
    let key = store.key(path);
    let upload = UploadRef { bucket: &store.bucket, key: &key, upload_id: &checkpoint.upload_id };
    match store.client.list_parts(upload, None) {
        Err(error) if error.kind() == ErrorKind::NoSuchUpload => {
            checkpoint::remove(store, &store.client, path)?;
            purged.checkpoints += 1;
            Ok(())
        }
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}
