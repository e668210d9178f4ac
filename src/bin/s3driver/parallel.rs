//! Work on many items with a bounded number of threads.
use crate::failure::{Exit, Failure, Outcome};
use s3driver::Cancel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Calls `work` for every item on up to `threads` threads. The first failure ends the work and is
/// returned. Calls that are in progress on other threads are finished first.
pub(crate) fn for_each<T: Send>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    threads: usize,
    cancel: &Cancel,
    work: impl Fn(T) -> Outcome + Sync,
) -> Outcome {
    let items = Mutex::new(items.into_iter());
    let failure = Mutex::new(None);
    let run = || {
        while lock(&failure).is_none() && !cancel.is_cancelled() {
            let Some(item) = lock(&items).next() else { return };
            if let Err(failed) = work(item) {
                lock(&failure).get_or_insert(failed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // If a thread cannot be started, the work takes longer.
            let _ = thread::Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
    let failed = lock(&failure).take();
    match failed {
        Some(failed) => Err(failed),
        None if cancel.is_cancelled() => Err(Failure::new(Exit::Interrupted, "interrupted")),
        None => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
