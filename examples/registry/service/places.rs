//! A semaphore that limits the number of connections, and of anything else that must not grow
//! without a bound.
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The number of places that are taken, and the limit.
#[derive(Clone)]
pub(crate) struct Places {
    taken: Arc<(Mutex<usize>, Condvar)>,
    limit: usize,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// Waits for a place, which becomes free when the returned value is dropped.
    pub(crate) fn take(&self) -> Place {
        let mut taken = self.lock();
        while *taken >= self.limit {
            taken = self.taken.1.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Place(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.taken.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken.
pub(crate) struct Place(Places);

impl Place {
    /// Reports whether more than three quarters of the places are taken.
    pub(crate) fn is_scarce(&self) -> bool {
        *self.0.lock() > self.0.limit / 4 * 3
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.taken.1.notify_one();
    }
}
