//! Part buffers, and how many bytes of them there may be.
use crate::error::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of part buffers that all writers of a driver may have together.
///
/// Every writer always gets its first buffer, so that none ever waits for another one, which may be idle for hours or
/// belong to the same thread. What is limited are the buffers beyond: without them a writer sends one part at a time.
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

    /// A writer's first buffer.
    pub(super) fn take(&self, bytes: u64) -> Share {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Share { of: self.clone(), bytes }
    }

    /// One more buffer, if there is room.
    pub(super) fn try_take(&self, bytes: u64) -> Option<Share> {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(Share { of: self.clone(), bytes })
    }
}

/// Bytes taken from a [`MemoryLimit`], given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: MemoryLimit,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Room for one part. Memory that was never written to is not really taken yet, so a small file costs little.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
    size: u64,
    _share: Share,
}

impl Buffer {
    /// A buffer for a part of `size` bytes that begins with `bytes`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the machine has no such amount of memory.
    pub(super) fn new(mut bytes: Vec<u8>, size: u64, share: Share) -> Result<Self> {
        let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(bytes.len());
        bytes.try_reserve_exact(room).map_err(|error| {
            let text = format!("no memory for a part of {size} bytes");
            Error::new(ErrorKind::InvalidArgument, text).with_source(error).with_hint("choose a smaller chunksize")
        })?;
        Ok(Self { bytes, size, _share: share })
    }

    /// How many bytes of a part fit in.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_buffer_is_always_granted_and_more_only_within_the_limit() {
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
