//! Limits the total size of the buffers of several transfers.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The maximum total size of part buffers and read-ahead of all writers and readers of a driver.
///
/// Every writer always gets its first buffer, so that it never waits for another one, which may be
/// idle for hours or belong to the same thread. Only further buffers are limited: without them a
/// writer sends one part at a time, and a reader uses one connection.
#[derive(Clone, Debug)]
pub(crate) struct MemoryLimit {
    limit: u64,
    used: Arc<AtomicU64>,
}

impl MemoryLimit {
    /// `None` means no limit.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit: limit.unwrap_or(u64::MAX), used: Arc::default() }
    }

    /// Takes memory that is indispensable.
    pub(crate) fn take(&self, bytes: u64) -> Share {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Share { of: self.clone(), bytes }
    }

    /// Takes memory that only improves the speed, if it is available.
    pub(crate) fn try_take(&self, bytes: u64) -> Option<Share> {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(Share { of: self.clone(), bytes })
    }
}

/// Bytes taken from a [`MemoryLimit`]; returned on drop.
#[derive(Debug)]
pub(crate) struct Share {
    of: MemoryLimit,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_always_granted_and_more_only_within_the_limit() {
        let memory = MemoryLimit::new(Some(10));
        let first = memory.take(8);
        assert!(memory.try_take(8).is_none());
        let other = memory.take(8);
        drop((first, other));
        let second = memory.try_take(8);
        assert!(second.is_some());
        assert!(memory.try_take(2).is_some(), "dropped at once");
        assert!(memory.try_take(3).is_none());
    }
}
