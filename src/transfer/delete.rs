//! Deletes many objects in batches of keys, several at the same time.
use super::passes::{RemovalPass, repeat_removal};
use super::shards::{PageOrder, list_in_shards};
use super::{Transfer, parallel};
use crate::client::{Client, DELETE_OBJECTS_KEYS};
use crate::error::{Error, ErrorKind, Result, catch_panic};
use crate::sync;
use crate::xml::Object;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};

/// The number of concurrent listings, and of concurrent deletions. AWS allows 3,500 deletions per
/// second below one prefix
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>). Four
/// requests of a thousand keys already exceed that, and more would only be throttled.
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

impl Transfer<'_> {
    /// Deletes any number of objects, with a thousand keys per request and up to four concurrent
    /// requests, and returns the number of keys. A key without an object counts as deleted.
    ///
    /// ```no_run
    /// use s3driver::client::Client;
    /// use s3driver::transfer::Transfer;
    ///
    /// let keys = (0..1_000_000).map(|number| format!("logs/{number}"));
    /// Transfer::new(&Client::from_env()?).delete("bucket", keys)?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first failure; further ones of its batch are in [`Error::others`]. After a failure, no
    /// further batch is begun, and the objects of earlier batches are deleted.
    pub fn delete<K: Into<String>>(
        &self,
        bucket: &str,
        keys: impl IntoIterator<Item = K, IntoIter: Send>,
    ) -> Result<u64> {
        self.delete_batches(bucket, keys.into_iter().map(|key| Ok(key.into())))
    }

    /// Deletes the objects of a listing, such as [`Client::objects`], which the caller may have
    /// filtered. Otherwise, this is like [`Transfer::delete`].
    ///
    /// On a server that pages by position, a lazy listing of several pages misses objects that the
    /// deletions move into earlier pages. [`Transfer::delete_prefix`] and
    /// [`repeat_removal`] list again.
    ///
    /// # Errors
    /// The errors of the listing and of [`Transfer::delete`].
    pub fn delete_listed(
        &self,
        bucket: &str,
        objects: impl IntoIterator<Item = Result<Object>, IntoIter: Send>,
    ) -> Result<u64> {
        self.delete_batches(bucket, objects.into_iter().map(|object| Ok(object?.key)))
    }

    /// Deletes every object whose key begins with `prefix`, and returns how many there were.
    /// Objects that are stored in the meantime may or may not be deleted.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an empty prefix, which would name the whole bucket; the
    /// errors of the listing; the first failure of a deletion, after which nothing else is deleted;
    /// [`ErrorKind::Conflict`] if there are more and more objects, because they are stored as fast
    /// as they are deleted.
    pub fn delete_prefix(&self, bucket: &str, prefix: &str) -> Result<u64> {
        if prefix.is_empty() {
            let text = "an empty prefix would delete everything in the bucket";
            return Err(Error::new(ErrorKind::InvalidArgument, text).with_bucket(bucket));
        }
        delete_below(&self.client, bucket, prefix, &[])
    }

    fn delete_batches(
        &self,
        bucket: &str,
        keys: impl Iterator<Item = Result<String>> + Send,
    ) -> Result<u64> {
        let deleted = AtomicU64::new(0);
        let (client, cancel) = self.client.with_child_cancel();
        let concurrency = self.concurrency.min(CONCURRENCY);
        parallel::for_each_taken(Batches { keys }, concurrency, &cancel, |batch: Vec<String>| {
            let keys: Vec<&str> = batch.iter().map(String::as_str).collect();
            client.delete_objects(bucket, &keys)?;
            deleted.fetch_add(keys.len() as u64, Ordering::Relaxed);
            Ok(())
        })?;
        Ok(deleted.into_inner())
    }
}

/// An iterator over batches of keys, each with as many keys as one request accepts.
struct Batches<I> {
    keys: I,
}

impl<I: Iterator<Item = Result<String>>> Iterator for Batches<I> {
    type Item = Result<Vec<String>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.keys.by_ref().take(DELETE_OBJECTS_KEYS).collect::<Result<Vec<_>>>() {
            Ok(batch) if batch.is_empty() => None,
            batch => Some(batch),
        }
    }
}

/// Deletes everything below `prefix`, and also the keys of `also` if there is anything below it.
/// Returns the number of listed keys.
pub(crate) fn delete_below(
    client: &Client,
    bucket: &str,
    prefix: &str,
    also: &[&str],
) -> Result<u64> {
    let pass = Pass { client, bucket, prefix };
    repeat_removal((bucket, prefix), || pass.run(also))
}

/// One pass, which lists a prefix and deletes everything that is listed.
struct Pass<'a> {
    client: &'a Client,
    bucket: &'a str,
    prefix: &'a str,
}

impl Pass<'_> {
    fn delete(&self, keys: &[String]) -> Result<()> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        catch_panic("a thread that deletes", || {
            self.client.delete_objects(self.bucket, &keys).map(drop)
        })
    }

    /// Deletes the keys that remain after the last page, and those of `also`.
    fn delete_last(&self, mut keys: Vec<String>, also: &[&str]) -> Result<()> {
        let also: Vec<String> = also.iter().map(|key| (*key).to_owned()).collect();
        if keys.len() + also.len() > DELETE_OBJECTS_KEYS {
            self.delete(&also)?;
        } else {
            keys.extend(also);
        }
        self.delete(&keys)
    }

    /// Lists the prefix once and deletes everything that is found. If anything is found, also
    /// deletes the keys of `also`.
    fn run(&self, also: &[&str]) -> Result<RemovalPass> {
        // After the first failure, nothing else is deleted.
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let failed = || sync::lock(&failure).is_some();
        let fail = |error| {
            sync::lock(&failure).get_or_insert(error);
        };
        let (sender, receiver) = mpsc::sync_channel::<Vec<String>>(CONCURRENCY.get());
        let receiver = Mutex::new(receiver);
        let work = || {
            let next = || sync::lock(&receiver).recv();
            while let Ok(keys) = next() {
                if !failed() {
                    self.delete(&keys).unwrap_or_else(fail);
                }
            }
        };
        let mut passed = RemovalPass::default();
        std::thread::scope(|scope| {
            // The threads end once the sender is dropped.
            let sender = sender;
            // The last keys are kept until further ones arrive: most directories have only one
            // batch, and do not need a thread.
            let mut keys: Vec<String> = Vec::new();
            let mut threads = 0;
            let below = (self.bucket, self.prefix);
            let listed =
                list_in_shards(self.client, below, CONCURRENCY, PageOrder::Arrival, &mut |page| {
                    passed.pages = passed.pages.saturating_add(1);
                    passed.removed = passed.removed.saturating_add(page.len() as u64);
                    append(page, self.prefix, &mut keys)?;
                    while let Some(batch) = full_batch(&mut keys) {
                        if threads < CONCURRENCY.get() {
                            let thread =
                                std::thread::Builder::new().name("s3driver-delete".to_owned());
                            threads += usize::from(thread.spawn_scoped(scope, work).is_ok());
                        }
                        if failed() {
                            return Ok(ControlFlow::Break(()));
                        }
                        if threads == 0 {
                            self.delete(&batch)?;
                        } else {
                            // The receiver exists as long as this function runs.
                            drop(sender.send(batch));
                        }
                    }
                    Ok(ControlFlow::Continue(()))
                });
            // This records the failure while the threads run, so that they begin no other batch.
            let last = listed.and_then(|()| match keys.is_empty() || failed() {
                true => Ok(()),
                false => self.delete_last(keys, also),
            });
            last.unwrap_or_else(fail);
        });
        let failure = sync::lock(&failure).take();
        failure.map_or(Ok(passed), Err)
    }
}

/// Appends the keys of a page.
fn append(page: Vec<Object>, prefix: &str, keys: &mut Vec<String>) -> Result<()> {
    // The server's response is not trusted here: nothing outside of the directory is ever deleted.
    if let Some(Object { key, .. }) = page.iter().find(|object| !object.key.starts_with(prefix)) {
        let text = format!("the listing below {prefix:?} contains the foreign key {key:?}");
        return Err(Error::new(ErrorKind::Protocol, text));
    }
    keys.extend(page.into_iter().map(|object| object.key));
    Ok(())
}

/// Removes as many keys as one request accepts, if others remain.
fn full_batch(keys: &mut Vec<String>) -> Option<Vec<String>> {
    if keys.len() <= DELETE_OBJECTS_KEYS {
        return None;
    }
    let later = keys.split_off(DELETE_OBJECTS_KEYS);
    Some(std::mem::replace(keys, later))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_in_batches_up_to_the_first_failure() {
        let keys = (0..2001).map(|number| Ok(number.to_string()));
        let failure = std::iter::once(Err(Error::new(ErrorKind::Server, "planted")));
        let lengths =
            Batches { keys: keys.chain(failure) }.map(|batch| batch.map(|keys| keys.len()));
        let lengths: Vec<Option<usize>> = lengths.map(Result::ok).collect();
        assert_eq!(lengths, [Some(1000), Some(1000), None]);
    }

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
            let mut kept = vec!["d/kept".to_owned()];
            let error = append(page(keys(foreign)), "d/", &mut kept).expect_err(foreign);
            assert_eq!((error.kind(), kept.len()), (ErrorKind::Protocol, 1));
        }
        let mut kept = Vec::new();
        append(page(keys("d/x")), "d/", &mut kept).expect("all below");
        assert_eq!(kept.len(), 4);
    }

    #[test]
    fn pages_become_full_requests_and_the_last_keys_are_kept() {
        let lengths = |pages: &[usize]| -> (Vec<usize>, usize) {
            let (mut keys, mut batches) = (Vec::new(), Vec::new());
            for (number, length) in pages.iter().enumerate() {
                let page = page((0..*length).map(|key| format!("d/{number}/{key}")));
                append(page, "d/", &mut keys).expect("all below");
                batches.extend(std::iter::from_fn(|| full_batch(&mut keys)).map(|keys| keys.len()));
            }
            (batches, keys.len())
        };
        assert_eq!(lengths(&[]), (vec![], 0));
        assert_eq!(lengths(&[1000]), (vec![], 1000));
        assert_eq!(lengths(&[400, 400, 400]), (vec![1000], 200));
        assert_eq!(lengths(&[2001]), (vec![1000, 1000], 1));
    }
}
