//! Work on many items at the same time.
use crate::failure::{Failure, Outcome};
use s3driver::transfer::Transfer;
use s3driver::{Error, ErrorKind};
use std::sync::{Mutex, PoisonError};

/// Calls `work` for every item, as many at the same time as the transfer has parts. The first
/// failure ends the work and is returned. Calls that are in progress on other threads are finished
/// first.
pub(crate) fn for_each<T: Send>(
    transfer: &Transfer<'_>,
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(T) -> Outcome + Sync,
) -> Outcome {
    let first: Mutex<Option<Failure>> = Mutex::new(None);
    let done = transfer.each_taken(items.map(Ok), |_, item| {
        work(item).map_err(|failure| {
            first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
            Error::new(ErrorKind::Cancelled, "another item has failed")
        })
    });
    match first.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failure) => Err(failure),
        None => Ok(done?),
    }
}
