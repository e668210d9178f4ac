//! Repeats an operation for many pieces, on a bounded number of threads.
use crate::Cancel;
use crate::error::{Error, ErrorKind, Result, catch_panic};
use crate::sync;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `work` for every index below `count`, on up to `concurrency` threads, and returns the
/// results in order. The first failure, which may be a panic, cancels `cancel`, which `work` is
/// expected to obey, and is returned.
pub(crate) fn for_each<T: Send>(
    count: usize,
    concurrency: NonZeroUsize,
    cancel: &Cancel,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let fail = |error: Error| {
        sync::lock(&failure).get_or_insert(error);
        cancel.cancel();
    };
    let run = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return done;
            }
            if cancel.is_cancelled() {
                fail(Error::new(ErrorKind::Cancelled, "cancelled by the caller"));
                return done;
            }
            match catch_panic("a thread that transfers", || work(index)) {
                Ok(result) => done.push((index, result)),
                Err(error) => {
                    fail(error);
                    return done;
                }
            }
        }
    };
    let mut results = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..concurrency.get().min(count))
            .map_while(|_| {
                std::thread::Builder::new()
                    .name("s3driver-transfer".to_owned())
                    .spawn_scoped(scope, run)
                    .ok()
            })
            .collect();
        // The caller's thread works too, so that the operation continues if no other thread can be
        // started.
        let mut results = run();
        for thread in threads {
            // Panics are caught around `work`.
            results.extend(thread.join().unwrap_or_default());
        }
        results
    });
    if let Some(error) = sync::into_inner(failure) {
        return Err(error);
    }
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

    #[test]
    fn results_are_in_order() {
        let squares =
            for_each(100, FOUR, &Cancel::new(), |index| Ok(index * index)).expect("no failure");
        assert_eq!(squares, (0..100).map(|index| index * index).collect::<Vec<_>>());
        assert_eq!(for_each(0, FOUR, &Cancel::new(), Ok).expect("nothing to do"), [0; 0]);
    }

    #[test]
    fn the_first_failure_is_reported_and_ends_the_rest() {
        let cancel = Cancel::new();
        let error = for_each(1_000_000, FOUR, &cancel, |index| match index {
            7 => Err(Error::new(ErrorKind::Server, "seven")),
            _ if cancel.is_cancelled() => Err(Error::new(ErrorKind::Cancelled, "another")),
            index => Ok(index),
        })
        .expect_err("the seventh fails");
        assert_eq!(error.message(), "seven");
        assert!(cancel.is_cancelled());
    }

    #[test]
    fn p07_a_panic_is_a_failure_and_ends_the_rest() {
        for thrower in [0, 7] {
            let cancel = Cancel::new();
            let error = for_each(1_000_000, FOUR, &cancel, |index| {
                assert!(index != thrower, "planted");
                if cancel.is_cancelled() {
                    Err(Error::new(ErrorKind::Cancelled, "another"))
                } else {
                    Ok(index)
                }
            })
            .expect_err("it panics");
            assert_eq!(error.message(), "a thread that transfers panicked");
            assert!(cancel.is_cancelled());
        }
    }
}
