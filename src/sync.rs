//! Locks that survive a panic.
//!
//! Every value that a mutex of this crate protects is consistent between any two statements, so a
//! thread that panics while it holds the lock does not leave an inconsistent value. Propagating the
//! poison would turn one panic into many.
use std::sync::{Mutex, MutexGuard, PoisonError};
#[cfg(feature = "client")]
use std::{
    sync::{Condvar, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

/// Locks `mutex`, even if a thread panicked while it held the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks `lock` for reading, shared with other readers.
#[cfg(feature = "client")]
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks `lock` for writing.
#[cfg(feature = "client")]
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the value of a mutex that is no longer shared.
#[cfg(feature = "client")]
pub(crate) fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `condition` is signalled. Like every wait on a condition variable, it may also
/// return early.
#[cfg(feature = "client")]
pub(crate) fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `condition` is signalled or `timeout` has passed. Like every wait on a condition
/// variable, it may also return early.
#[cfg(feature = "client")]
pub(crate) fn wait_timeout<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Duration,
) -> MutexGuard<'a, T> {
    condition.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
}
