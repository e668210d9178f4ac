//! Limits the total size of the buffers of several transfers.
use crate::sync;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The maximum total size of part buffers and read-ahead of all writers and readers of a driver.
///
/// Every writer always gets its first buffer, so that it never waits for another one, which may be
/// idle for hours or belong to the same thread. Only further buffers are limited: without them a
/// writer sends one part at a time, and a reader uses one connection.
///
/// Buffers that a writer no longer needs are kept for the next one, because fresh memory costs more
/// than copying a part into it: each of its pages has to be mapped and zeroed. The limit includes
/// these buffers: they are released as soon as a transfer needs their share of it.
#[derive(Clone, Debug)]
pub(crate) struct MemoryLimit(Arc<Memory>);

#[derive(Debug)]
struct Memory {
    limit: u64,
    used: AtomicU64,
    idle: Mutex<IdleBuffers>,
}

/// Buffers that no transfer uses, the oldest first.
#[derive(Default)]
struct IdleBuffers {
    buffers: VecDeque<Vec<u8>>,
    bytes: u64,
}

/// The maximum total size of idle buffers: enough for one writer with the default chunk size and
/// concurrency.
const MAX_IDLE: u64 = 64 << 20;

impl MemoryLimit {
    /// Creates a limit of this many bytes; `None` means no limit.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self(Arc::new(Memory {
            limit: limit.unwrap_or(u64::MAX),
            used: AtomicU64::new(0),
            idle: Mutex::default(),
        }))
    }

    /// Takes bytes that a transfer cannot do without, even if they exceed the limit.
    pub(crate) fn take(&self, bytes: u64) -> Share {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
        self.share(bytes)
    }

    /// Takes bytes that make a transfer faster, if they are within the limit.
    pub(crate) fn try_take(&self, bytes: u64) -> Option<Share> {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(self.share(bytes))
    }

    /// Returns an idle buffer of exactly this capacity, if there is one. Its content comes from an
    /// earlier transfer.
    pub(crate) fn reuse(&self, capacity: usize) -> Option<Vec<u8>> {
        sync::lock(&self.0.idle).take(capacity as u64)
    }

    /// Keeps a buffer for a later transfer.
    pub(crate) fn keep(&self, buffer: Vec<u8>) {
        self.0.keep(buffer);
    }

    fn share(&self, bytes: u64) -> Share {
        let mut idle = sync::lock(&self.0.idle);
        let buffer = idle.take(bytes);
        let released = self.0.release_beyond(&mut idle);
        // Releasing memory takes long, so it is not done under the lock.
        drop(idle);
        drop(released);
        Share { of: self.clone(), bytes, buffer }
    }
}

impl IdleBuffers {
    /// Takes the buffer of this capacity that was used last.
    fn take(&mut self, capacity: u64) -> Option<Vec<u8>> {
        let index = self.buffers.iter().rposition(|buffer| buffer.capacity() as u64 == capacity)?;
        let buffer = self.buffers.remove(index)?;
        self.bytes = self.bytes.saturating_sub(capacity);
        Some(buffer)
    }
}

impl Memory {
    /// Keeps a buffer, and releases the oldest ones while there are too many.
    fn keep(&self, buffer: Vec<u8>) {
        let mut idle = sync::lock(&self.idle);
        idle.bytes = idle.bytes.saturating_add(buffer.capacity() as u64);
        idle.buffers.push_back(buffer);
        let released = self.release_beyond(&mut idle);
        drop(idle);
        drop(released);
    }

    /// Takes out the oldest buffers that exceed [`MAX_IDLE`] or, with what is in use, the limit.
    fn release_beyond(&self, idle: &mut IdleBuffers) -> Vec<Vec<u8>> {
        let room = self.limit.saturating_sub(self.used.load(Ordering::Relaxed)).min(MAX_IDLE);
        let mut released = Vec::new();
        while idle.bytes > room
            && let Some(buffer) = idle.buffers.pop_front()
        {
            idle.bytes = idle.bytes.saturating_sub(buffer.capacity() as u64);
            released.push(buffer);
        }
        released
    }
}

impl fmt::Debug for IdleBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleBuffers").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// A number of bytes taken from a [`MemoryLimit`], which are returned when the share is dropped.
pub(crate) struct Share {
    of: MemoryLimit,
    bytes: u64,
    /// A buffer of an earlier transfer that has this capacity.
    buffer: Option<Vec<u8>>,
}

impl Share {
    /// Returns a buffer for all bytes of the share that was used before, if there is one. Its
    /// content comes from an earlier transfer.
    pub(crate) fn reuse(&mut self) -> Option<Vec<u8>> {
        self.buffer.take()
    }

    /// Returns the bytes to the limit, and keeps their buffer for another transfer.
    pub(crate) fn give_back(mut self, buffer: Vec<u8>) {
        self.buffer = Some(buffer).filter(|buffer| buffer.capacity() as u64 == self.bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(buffer) = self.buffer.take().filter(|_| self.bytes > 0) {
            self.of.0.keep(buffer);
        }
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("bytes", &self.bytes).finish_non_exhaustive()
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

    #[test]
    fn a_buffer_is_used_again_at_its_size_and_within_the_limit() {
        let memory = MemoryLimit::new(Some(30));
        let shares = |count| (0..count).map(|_| memory.take(10)).collect::<Vec<_>>();
        for (number, share) in (1..).zip(shares(2)) {
            let mut buffer = Vec::with_capacity(10);
            buffer.push(number);
            share.give_back(buffer);
        }
        assert_eq!(memory.take(9).reuse(), None, "of another size");
        let mut taken = shares(3);
        let reused: Vec<_> = taken.iter_mut().map(Share::reuse).collect();
        assert_eq!(reused, [Some(vec![2]), Some(vec![1]), None]);
        for (share, buffer) in taken.into_iter().zip(reused) {
            share.give_back(buffer.unwrap_or_default());
        }
        // Idle buffers are released to make room for a transfer, the older one first.
        let large = memory.try_take(15);
        assert!(large.is_some());
        let reused: Vec<_> = shares(2).iter_mut().map(Share::reuse).collect();
        assert_eq!(reused, [Some(vec![1]), None]);
    }

    #[test]
    fn idle_buffers_are_bounded_without_a_limit_as_well() {
        const SIZE: u64 = MAX_IDLE / 4;
        let memory = MemoryLimit::new(None);
        let mut shares: Vec<_> = (0..10).map(|_| memory.take(SIZE)).collect();
        shares.drain(..).for_each(|share| share.give_back(Vec::with_capacity(SIZE as usize)));
        let reused = (0..10).map(|_| memory.take(SIZE)).filter_map(|mut share| share.reuse());
        assert_eq!(reused.count(), 4);
    }
}
