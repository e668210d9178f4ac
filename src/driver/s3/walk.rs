//! Walks a bucket: a flat listing turned into files and the directories that contain them.
use super::store::{DRIVER_NAME, Store};
use crate::client::ListObjects;
use crate::driver::walk::Walk;
use crate::driver::{FileInfo, WalkStep};
use crate::error::Result;
use crate::transfer::list_in_shards;
use crate::xml::Object;
use std::cmp::Ordering;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::SystemTime;

/// Walks everything below `from` in the order of the server's listing: S3 sorts whole keys by their bytes, so that
/// `/a-b/c` comes before `/a/b`. A `from` that is not there is an empty walk.
pub(super) fn walk_store(
    store: &Store,
    from: &str,
    start: Option<&str>,
    concurrency: NonZeroUsize,
    visit: &mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
) -> Result<()> {
    let prefix = store.prefix(from);
    let mut request = ListObjects::prefix(&*prefix);
    // Strict servers list nothing when the start lies outside of the prefix, so it is sent only when it says something.
    if let Some(start) = start {
        let start = store.key(start);
        match start.as_str().cmp(&prefix) {
            _ if start.starts_with(&*prefix) => request = request.start_after(start),
            Ordering::Greater => return Ok(()),
            Ordering::Less | Ordering::Equal => {}
        }
    }
    let mut walk = Walk::new(DRIVER_NAME, from, visit);
    let mut page = |objects: Vec<Object>| -> Result<ControlFlow<()>> {
        for object in objects {
            let Some(path) = store.path(&object.key) else { continue };
            let info = FileInfo::file(path, object.size, object.last_modified.map(SystemTime::from));
            match walk.enter(&info)? {
                WalkStep::Stop => return Ok(ControlFlow::Break(())),
                WalkStep::Continue | WalkStep::SkipDirectory => {}
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    // Whether a directory lies before the start depends on the server's order, so such a listing is never split.
    if concurrency.get() == 1 || !request.start_after.is_empty() {
        for found in store.client.listing(&store.bucket, request) {
            if page(found.map_err(|error| store.error(error, from))?.contents)?.is_break() {
                break;
            }
        }
        return Ok(());
    }
    let mut failed = None;
    let listed = list_in_shards(&store.client, &store.bucket, &prefix, concurrency, &mut |objects| {
        Ok(page(objects).unwrap_or_else(|error| {
            failed = Some(error);
            ControlFlow::Break(())
        }))
    });
    failed.map_or_else(|| listed.map_err(|error| store.error(error, from)), Err)
}
