//! Deleting a directory: what the listing finds is deleted while it goes on.
use super::store::Store;
use crate::client::DELETE_OBJECTS_KEYS;
use crate::error::{Error, ErrorKind, Result};
use crate::sync;
use crate::transfer::list_in_shards;
use crate::xml::Object;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Mutex, mpsc};

/// How often a directory is listed again because a deletion in several pages may have missed something.
const PASSES: u32 = 10;

/// Listings at once, and deletions at once. AWS lets 3,500 keys a second be deleted below one prefix
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>): four times a thousand keys are
/// past that already, and more would only be throttled.
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

/// Deletes everything below `path`; whether there was anything.
pub(super) fn delete_below(store: &Store, path: &str) -> Result<bool> {
    let mut any = false;
    for _ in 0..PASSES {
        let pass = delete_once(store, &store.prefix(path)).map_err(|error| store.error(error, path))?;
        any |= pass.batches > 0;
        // Some servers page by position: what moved up into a page already seen shows in another pass.
        if pass.batches == 0 || pass.pages <= 1 {
            break;
        }
    }
    Ok(any)
}

struct Pass {
    pages: u32,
    batches: u32,
}

/// Lists once and deletes what is found.
fn delete_once(store: &Store, prefix: &str) -> Result<Pass> {
    let delete = |keys: &Vec<String>| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        store.client.delete_objects(&store.bucket, &keys)
    };
    // The first failure: after it the rest is left alone.
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let failed = || sync::lock(&failure).is_some();
    let (sender, receiver) = mpsc::sync_channel::<Vec<String>>(CONCURRENCY.get());
    let receiver = Mutex::new(receiver);
    let work = || {
        let next = || sync::lock(&receiver).recv();
        while let Ok(keys) = next() {
            if !failed()
                && let Err(error) = delete(&keys)
            {
                sync::lock(&failure).get_or_insert(error);
            }
        }
    };
    let mut pass = Pass { pages: 0, batches: 0 };
    std::thread::scope(|scope| {
        // The threads end when nobody can send any more.
        let sender = sender;
        // Kept until the next one comes: most directories have one, and need no thread.
        let mut last: Option<Vec<String>> = None;
        let mut threads = 0;
        list_in_shards(&store.client, &store.bucket, prefix, CONCURRENCY, &mut |page| {
            pass.pages += 1;
            for batch in batches(page, prefix)? {
                pass.batches += 1;
                let Some(before) = last.replace(batch) else { continue };
                if threads < CONCURRENCY.get() {
                    let thread = std::thread::Builder::new().name("s3driver-delete".to_owned());
                    threads += usize::from(thread.spawn_scoped(scope, work).is_ok());
                }
                if failed() {
                    return Ok(ControlFlow::Break(()));
                }
                if threads == 0 {
                    delete(&before)?;
                } else {
                    // There is a receiver as long as this function runs.
                    drop(sender.send(before));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        match last.filter(|_| !failed()) {
            Some(keys) => delete(&keys),
            None => Ok(()),
        }
    })?;
    let failure = sync::lock(&failure).take();
    failure.map_or(Ok(pass), Err)
}

/// The keys of a page, as many at once as one request takes.
fn batches(page: Vec<Object>, prefix: &str) -> Result<Vec<Vec<String>>> {
    let mut batches: Vec<Vec<String>> = Vec::with_capacity(1);
    for Object { key, .. } in page {
        // The server's word is not enough: nothing outside of the directory is ever deleted.
        if !key.starts_with(prefix) {
            let text = format!("the listing below {prefix:?} holds the foreign key {key:?}");
            return Err(Error::new(ErrorKind::Protocol, text));
        }
        match batches.last_mut() {
            Some(batch) if batch.len() < DELETE_OBJECTS_KEYS => batch.push(key),
            _ => batches.push(vec![key]),
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: impl Iterator<Item = String>) -> Vec<Object> {
        keys.map(|key| Object { key, size: 1, last_modified: None, etag: None, storage_class: None }).collect()
    }

    #[test]
    fn a_foreign_key_refuses_the_whole_page() {
        let keys = |foreign: &str| ["d/a", "d/", foreign, "d/b"].map(str::to_owned).into_iter();
        for foreign in ["", "d", "da", "e/a", "D/a", "/d/a", "x/d/a"] {
            assert_eq!(batches(page(keys(foreign)), "d/").expect_err(foreign).kind(), ErrorKind::Protocol);
        }
        assert_eq!(batches(page(keys("d/x")), "d/").expect("all below").concat().len(), 4);
    }

    #[test]
    fn a_page_is_cut_into_requests() {
        let lengths = |keys: usize| -> Vec<usize> {
            let page = page((0..keys).map(|number| format!("d/{number}")));
            batches(page, "d/").expect("all below").iter().map(Vec::len).collect()
        };
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(1000), [1000]);
        assert_eq!(lengths(2001), [1000, 1000, 1]);
    }
}
