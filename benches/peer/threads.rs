//! Repeats an operation on plain threads that share a counter.
use super::route::Outcome;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls `work` for every index below `count`, with a `String` that each thread reuses. If one
/// thread suffices, this is the caller's thread.
pub(crate) fn share(
    count: u64,
    threads: usize,
    work: impl Fn(u64, &mut String) -> Outcome + Sync,
) -> Outcome {
    let next = AtomicU64::new(0);
    let run = || {
        let mut text = String::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(());
            }
            work(index, &mut text)?;
        }
    };
    if threads <= 1 {
        return run();
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })
}
