//! Deletes a path: the file, everything below it while it is still being listed, and the unfinished
//! files of both.
use super::store::Store;
use super::uploads;
use super::writer::checkpoint::checkpoint_key;
use crate::client::{Condition, DELETE_OBJECTS_KEYS, ListObjects};
use crate::error::{Error, ErrorKind, Result, catch_panic};
use crate::sync;
use crate::transfer::list_in_shards;
use crate::xml::Object;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Mutex, mpsc};

/// How many times a directory is listed again because a deletion over several pages may have missed
/// something.
const PASSES: u32 = 10;

/// The number of concurrent listings, and of concurrent deletions. AWS allows 3,500 deletions of
/// keys per second below one prefix
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>): four
/// times a thousand keys already exceed that, and more requests would only be throttled.
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

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
    let file = page.contents.iter().any(|object| object.key == key);
    let below = format!("{key}/");
    if page.is_followed() {
        let below = delete_below(store, path, [key, &checkpoint])?;
        if below || file || head(store, key).map_err(located)? {
            if !below {
                store.client.delete_objects(&store.bucket, &[key, &checkpoint]).map_err(located)?;
            }
            return Ok(true);
        }
    } else {
        let keys = page.contents.iter().map(|object| object.key.as_str());
        let mut keys: Vec<&str> =
            keys.filter(|found| *found == key || found.starts_with(&below)).collect();
        if !keys.is_empty() {
            keys.push(&checkpoint);
            for keys in keys.chunks(DELETE_OBJECTS_KEYS) {
                store.client.delete_objects(&store.bucket, keys).map_err(located)?;
            }
            return Ok(true);
        }
    }

    if ended > 0 {
        store.client.delete_object(&store.bucket, &checkpoint).map_err(located)?;
    }

    Ok(ended > 0)
}

/// Deletes an object that was copied, but only the version that was copied.
///
/// # Errors
/// [`ErrorKind::Conflict`] if there is another version now, which is kept.
pub(super) fn delete_copied(store: &Store, key: &str, etag: Option<&str>) -> Result<()> {
    let (client, bucket) = (&store.client, &*store.bucket);
    // A condition with a weak ETag never holds (RFC 9110 section 13.1.1).
    let strong = etag.filter(|etag| !etag.starts_with("W/"));
    let Some(etag) = strong.filter(|_| store.conditional_deletes.are_supported()) else {
        return client.delete_object(bucket, key);
    };

    match client.delete_object_if(bucket, key, &Condition::IfMatch(etag.to_owned())) {
        Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
            match client.head_object(bucket, key) {
                // An attempt whose response was lost has deleted the object.
                Err(look) if look.kind() == ErrorKind::NoSuchKey => return Ok(()),
                Err(look) => return Err(look),
                Ok(meta) if meta.etag.as_deref() != Some(etag) => {
                    let text = "the file was written again while it was being moved: the new \
                                content is still here, and its destination has the old one";
                    return Err(Error::new(ErrorKind::Conflict, text)
                        .with_source(error)
                        .with_hint("move it again"));
                }
                // The server compares ETags in its own way.
                Ok(_) => {}
            }
        }
        Err(error) if error.status() == Some(501) || error.code() == Some("NotImplemented") => {}
        result => return result,
    }

    store.conditional_deletes.mark_unsupported();
    client.notice_fallback(bucket, "DeleteObject with If-Match", "HeadObject with DeleteObject");
    client.delete_object(bucket, key)
}

fn head(store: &Store, key: &str) -> Result<bool> {
    match store.client.head_object(&store.bucket, key) {
        Err(error) if error.kind() == ErrorKind::NoSuchKey => Ok(false),
        meta => meta.map(|_| true),
    }
}

/// Deletes everything below `path`, together with the keys in `also`. Returns whether there was
/// anything to delete.
fn delete_below(store: &Store, path: &str, also: [&str; 2]) -> Result<bool> {
    let mut any = false;
    for _ in 0..PASSES {
        let pass = delete_once(store, &store.prefix(path), also)
            .map_err(|error| store.error(error, path))?;
        any |= pass.batches > 0;
        // Some servers page by position, so keys that moved up into a page that was already read
        // are found only in another pass.
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

/// Lists the keys once and deletes those found. The keys in `also` are deleted if any were found.
fn delete_once(store: &Store, prefix: &str, also: [&str; 2]) -> Result<Pass> {
    let delete = |keys: &Vec<String>| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        catch_panic("a thread that deletes", || store.client.delete_objects(&store.bucket, &keys))
    };

    // The first failure, after which nothing more is deleted.
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
        // The threads end when the sender is dropped.
        let sender = sender;
        // Held back until the next batch arrives: most directories have only one batch, and need no
        // thread.
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
                    // The receiver exists as long as this function runs.
                    drop(sender.send(before));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let Some(mut keys) = last.filter(|_| !failed()) else { return Ok(()) };
        let also = also.map(str::to_owned);
        if keys.len() + also.len() > DELETE_OBJECTS_KEYS {
            delete(&Vec::from(also))?;
        } else {
            keys.extend(also);
        }
        delete(&keys)
    })?;

    let failure = sync::lock(&failure).take();
    failure.map_or(Ok(pass), Err)
}

/// Splits the keys of a page into batches for one request each.
fn batches(page: Vec<Object>, prefix: &str) -> Result<Vec<Vec<String>>> {
    let mut batches: Vec<Vec<String>> = Vec::with_capacity(1);
    for Object { key, .. } in page {
        // The server's response is not trusted: nothing outside of the directory is ever deleted.
        if !key.starts_with(prefix) {
            let text = format!(
                "the server listed the key {key:?}, which is not below {prefix:?}; nothing on \
                 that page was deleted"
            );
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
        keys.map(|key| Object {
            key,
            size: 1,
            last_modified: None,
            etag: None,
            storage_class: None,
        })
        .collect()
    }

    #[test]
    fn a_foreign_key_refuses_the_whole_page() {
        let keys = |foreign: &str| ["d/a", "d/", foreign, "d/b"].map(str::to_owned).into_iter();
        for foreign in ["", "d", "da", "e/a", "D/a", "/d/a", "x/d/a"] {
            assert_eq!(
                batches(page(keys(foreign)), "d/").expect_err(foreign).kind(),
                ErrorKind::Protocol
            );
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
