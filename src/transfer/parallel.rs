//! Repeats an operation for many items, on a bounded number of threads.
use crate::Cancel;
use crate::error::{Error, ErrorKind, Result, catch_panic};
use crate::sync;
use std::num::NonZeroUsize;
use std::sync::Mutex;

/// Calls `work` for every index below `count`, on up to `concurrency` threads, and returns the
/// results in order. The first failure, which may be a panic, is returned. It also cancels
/// `cancel`, which `work` is expected to obey.
pub(super) fn for_each<T: Send>(
    count: usize,
    concurrency: NonZeroUsize,
    cancel: &Cancel,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let numbered = |index| Ok((index, work(index)?));
    let mut results = run((0..count).map(Ok), concurrency, cancel, numbered)?;
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Calls `work` for each of `items`, which are taken one at a time as threads become free, and no
/// more after a failure. An error from the iterator counts as a failure of `work`. Otherwise, this
/// is like [`for_each`].
pub(super) fn for_each_taken<I: Send>(
    items: impl Iterator<Item = Result<I>> + Send,
    concurrency: NonZeroUsize,
    cancel: &Cancel,
    work: impl Fn(I) -> Result<()> + Sync,
) -> Result<()> {
    // A vector of empty tuples does not take any memory, even for many items.
    run(items, concurrency, cancel, work).map(drop)
}

/// The maximum number of threads of one operation, whatever an option says: hundreds do not
/// transfer faster, and another operation of the process could then start none.
const MAX_THREADS: NonZeroUsize = NonZeroUsize::new(128).expect("not zero");

/// Returns the number of threads of an operation whose caller asks for `concurrency`.
pub(super) fn bounded(concurrency: NonZeroUsize) -> NonZeroUsize {
    concurrency.min(MAX_THREADS)
}

/// Returns the number of threads, including the caller's, for at most `items` items.
fn threads(concurrency: NonZeroUsize, items: Option<usize>) -> usize {
    bounded(concurrency).get().min(items.unwrap_or(usize::MAX))
}

fn run<I: Send, T: Send>(
    items: impl Iterator<Item = Result<I>> + Send,
    concurrency: NonZeroUsize,
    cancel: &Cancel,
    work: impl Fn(I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = threads(concurrency, items.size_hint().1);
    let items = Mutex::new(items.fuse());
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let fail = |error: Error| {
        sync::lock(&failure).get_or_insert(error);
        cancel.cancel();
    };
    let step = || {
        let mut items = sync::lock(&items);
        // The next item may have to be listed first, which would be in vain after a failure.
        if sync::lock(&failure).is_some() {
            return Ok(None);
        }
        match items.next() {
            None => Ok(None),
            // A failure during the call of `next` also cancels, but its own error is reported.
            Some(_) if cancel.is_cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, "cancelled by the caller"))
            }
            Some(item) => item.map(Some),
        }
    };
    let run = || {
        let mut done = Vec::new();
        loop {
            let result = catch_panic("a thread that transfers", || match step()? {
                None => Ok(None),
                Some(item) => work(item).map(Some),
            });
            match result {
                Ok(Some(result)) => done.push(result),
                Ok(None) => return done,
                Err(error) => {
                    fail(error);
                    return done;
                }
            }
        }
    };
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..threads)
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
    sync::into_inner(failure).map_or(Ok(results), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

    #[test]
    fn the_number_of_threads_has_a_bound() {
        let threads =
            |concurrency, items| threads(NonZeroUsize::new(concurrency).expect("not zero"), items);
        assert_eq!([threads(4, None), threads(4, Some(3)), threads(100, None)], [4, 3, 100]);
        assert_eq!([threads(10_000, None), threads(usize::MAX, Some(usize::MAX))], [128, 128]);
    }

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
    fn items_are_taken_until_one_fails() {
        let taken = std::sync::atomic::AtomicUsize::new(0);
        let items = (0..).map(|number| match number {
            50.. => Err(Error::new(ErrorKind::Server, "fifty")),
            number => Ok(number),
        });
        let error = for_each_taken(items, FOUR, &Cancel::new(), |number: usize| {
            taken.fetch_add(number, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        })
        .expect_err("the fiftieth fails");
        assert_eq!((error.message(), taken.into_inner()), ("fifty", (0..50).sum()));
        assert!(for_each_taken(std::iter::empty::<Result<()>>(), FOUR, &Cancel::new(), Ok).is_ok());
    }

    #[test]
    fn no_item_is_taken_after_a_failure() {
        let mut taken = 0;
        let items = std::iter::from_fn(|| {
            taken += 1;
            Some(Ok(taken))
        });
        let error = for_each_taken(items, NonZeroUsize::MIN, &Cancel::new(), |number: u32| {
            if number == 3 { Err(Error::new(ErrorKind::Server, "three")) } else { Ok(()) }
        })
        .expect_err("the third fails");
        assert_eq!((error.message(), taken), ("three", 3));
    }

    #[test]
    fn no_item_is_worked_on_after_the_caller_has_cancelled() {
        let cancel = Cancel::new();
        cancel.cancel();
        let error = for_each(9, FOUR, &cancel, |index| -> Result<()> { panic!("took {index}") })
            .expect_err("it is cancelled");
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Cancelled, "cancelled by the caller")
        );
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
