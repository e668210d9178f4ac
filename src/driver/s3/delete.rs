//! Deleting a path: the file, everything below it (while it is still being listed), and the
//! unfinished files of both.
use super::store::Store;
use super::uploads;
use super::writer::checkpoint::{self, checkpoint_key};
use crate::client::{DELETE_OBJECTS_KEYS, GetObject, ListObjects};
use crate::error::{ErrorKind, Result};
use crate::transfer;

/// Deletes the file at `path` and everything below it, and aborts the unfinished files of both.
/// Returns whether there was anything to delete.
///
/// A file takes three requests (listing the uploads, listing the keys, deleting), and so does a
/// directory of up to a thousand keys. Uploads are aborted first: a checkpoint without its upload
/// is harmless, but an upload without its checkpoint would be resumed without its last bytes.
pub(super) fn delete_path(store: &Store, path: &str, key: &str) -> Result<bool> {
    let ended = uploads::end_within(store, path)?;
    let located = |error| store.error(error, path);
    // One page contains both the file and what is below it, unless many keys begin with the path.
    let page =
        store.client.first_page(&store.bucket, &ListObjects::prefix(key)).map_err(located)?;
    let checkpoint = checkpoint_key(store, path);
    let file_and_checkpoint: Vec<&str> =
        [Some(key), checkpoint.as_deref()].into_iter().flatten().collect();
    let file = page.contents.iter().any(|object| object.key == key);
    let below = format!("{key}/");
    if page.is_followed() {
        let below = delete_below(store, path, &file_and_checkpoint)?;
        if below || file || head(store, key).map_err(located)? {
            if !below {
                let keys = &file_and_checkpoint;
                store.client.delete_objects(&store.bucket, keys).map_err(located)?;
            }
            return Ok(true);
        }
    } else {
        let keys = page.contents.iter().map(|object| object.key.as_str());
        let mut keys: Vec<&str> =
            keys.filter(|found| *found == key || found.starts_with(&below)).collect();
        if !keys.is_empty() {
            keys.extend(checkpoint.as_deref());
            for keys in keys.chunks(DELETE_OBJECTS_KEYS) {
                store.client.delete_objects(&store.bucket, keys).map_err(located)?;
            }
            return Ok(true);
        }
    }

    if ended > 0 {
        checkpoint::remove(store, &store.client, path).map_err(located)?;
    }

    Ok(ended > 0)
}

fn head(store: &Store, key: &str) -> Result<bool> {
    match store.client.head_object(&store.bucket, key, &GetObject::default()) {
        Err(error) if error.kind() == ErrorKind::NoSuchKey => Ok(false),
        meta => meta.map(|_| true),
    }
}

/// Deletes everything below `path`, together with the keys in `also`. Returns whether there was
/// anything to delete.
fn delete_below(store: &Store, path: &str, also: &[&str]) -> Result<bool> {
    transfer::delete_below(&store.client, &store.bucket, &store.prefix(path), also)
        .map(|keys| keys > 0)
        .map_err(|error| store.error(error, path))
}
