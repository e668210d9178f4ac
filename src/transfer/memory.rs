//! How many bytes of buffers several transfers may have together.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of part buffers and of read-ahead that all writers and readers of a driver may have together.
///
/// Every writer always gets its first buffer, so that none ever waits for another one, which may be idle for hours or
/// belong to the same thread. What is limited are the buffers beyond: without them a writer sends one part at a time,
/// and a reader reads from one connection.
#[derive(Clone, Debug)]
pub(crate) struct MemoryLimit {
    limit: u64,
    used: Arc<AtomicU64>,
}

impl MemoryLimit {
    /// `None`: no limit.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit: limit.unwrap_or(u64::MAX), used: Arc::default() }
    }

    /// What cannot be done without.
    pub(crate) fn take(&self, bytes: u64) -> Share {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Share { of: self.clone(), bytes }
    }

    /// What makes it faster, if there is room.
    pub(crate) fn try_take(&self, bytes: u64) -> Option<Share> {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(Share { of: self.clone(), bytes })
    }
}

/// Bytes taken from a [`MemoryLimit`], given back when dropped.
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
