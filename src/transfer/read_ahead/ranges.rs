//! Ranges of one object, fetched by several threads and returned in order.
use crate::cancel::Cancel;
use crate::client::{ByteRange, Client, SameContent};
use crate::error::{Error, ErrorKind, Result};
use crate::sync;
use crate::transfer::memory::{MemoryLimit, Share};
use crate::transfer::pace::{Bottleneck, Pace, Piece};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// The size of one range. At 80 MB/s and 25 ms to the first byte a range takes 77 ms, of which two
/// thirds are spent transferring; twice the size would need four fifths of the threads and almost
/// twice the memory.
pub(super) const RANGE: u64 = 4 << 20;

/// The size of the blocks that are passed between threads.
const BLOCK: usize = 256 << 10;

const BLOCKS_PER_RANGE: usize = RANGE as usize / BLOCK;

/// The version of the object whose ranges are read.
#[derive(Debug)]
pub(super) struct ObjectVersion {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) etag: String,
    /// The version to request; `None` for the current one.
    pub(super) version_id: Option<String>,
    pub(super) size: u64,
}

/// A reader of an object's bytes, from an offset to its end, or to the point from which one
/// connection is sufficient.
///
/// Ranges are begun in order, and only as many as fit the window: memory is [`RANGE`] for each of
/// them, plus one [`BLOCK`]. After a drop no further range is begun, and the threads end at their
/// next check, within a quarter of a second.
#[derive(Debug)]
pub(super) struct Ranges {
    shared: Arc<Shared>,
    cancel: Cancel,
    pace: Pace,
    /// The block that is being returned, and how much of it already was.
    current: Option<(Block, usize)>,
    /// The number of bytes of the first range that were returned.
    read: u64,
    bottleneck: Bottleneck,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    object: ObjectVersion,
    memory: MemoryLimit,
    state: Mutex<Fetches>,
    /// Signals the reader that a block or the end of a range has arrived.
    arrived: Condvar,
    /// Signals the threads that another range may be begun, or that there are no more.
    room: Condvar,
}

#[derive(Debug, Default)]
struct Fetches {
    /// The ranges that were begun and not read to their end yet, in order.
    begun: VecDeque<Begun>,
    /// The number of ranges that were read to their end, which is also the number of the first
    /// range in `begun`.
    ended: u64,
    /// The first byte that does not belong to a range yet.
    next: u64,
    /// The end of the last range: the size of the object, unless fetching ends earlier.
    end: u64,
    /// One share for each concurrent range.
    window: Vec<Share>,
    /// Blocks that can be reused.
    spare: Vec<Block>,
    /// The total number of blocks.
    blocks: usize,
    threads: usize,
    support: RangeSupport,
}

#[derive(Debug, Default)]
struct Begun {
    blocks: VecDeque<Block>,
    outcome: Option<Result<()>>,
}

#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    /// The number of bytes in the block that are valid.
    length: usize,
}

/// The server's support for ranges, according to its response to the first request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RangeSupport {
    #[default]
    Assumed,
    /// The server sent the whole object.
    Missing,
}

impl Ranges {
    /// Begins to fetch from `start` on. Returns `None` if there is not enough memory for two
    /// ranges, or no thread: one range at a time is slower than one connection.
    pub(super) fn begin(
        client: &Client,
        object: ObjectVersion,
        start: u64,
        pace: Pace,
        memory: &MemoryLimit,
    ) -> Option<Self> {
        let (client, cancel) = client.with_child_cancel();
        let state = Fetches { next: start, end: object.size, ..Fetches::default() };
        let shared = Shared {
            client,
            object,
            memory: memory.clone(),
            state: Mutex::new(state),
            arrived: Condvar::new(),
            room: Condvar::new(),
        };
        let ranges = Self {
            shared: Arc::new(shared),
            cancel,
            current: None,
            read: 0,
            bottleneck: Bottleneck::Caller,
            pace,
        };
        ranges.resize(ranges.pace.first());
        let state = ranges.shared.lock();
        let is_faster = state.window.len() > 1 && state.threads > 0;
        drop(state);
        is_faster.then_some(ranges)
    }

    /// Reports whether the server turned out to ignore ranges and send the whole object.
    pub(super) fn are_unsupported(&self) -> bool {
        self.shared.lock().support == RangeSupport::Missing
    }

    /// Reads the next bytes; returns 0 at the end of the last range. The first failure in order is
    /// returned once everything before it has been read.
    pub(super) fn pull(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.current.is_none() {
            self.current = self.next_block()?.map(|block| (block, 0));
        }
        let Some((block, at)) = &mut self.current else { return Ok(0) };
        let count = buffer.len().min(block.length - *at);
        buffer[..count].copy_from_slice(&block.bytes[*at..*at + count]);
        *at += count;
        self.read += count as u64;
        if *at == block.length
            && let Some((block, _)) = self.current.take()
        {
            self.shared.lock().give_back(block);
        }
        Ok(count)
    }

    fn next_block(&mut self) -> Result<Option<Block>> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        loop {
            let Some(first) = state.begun.front_mut() else {
                if state.next >= state.end {
                    return Ok(None);
                }
                // No thread ends while there are ranges to begin, so one of them will begin it.
                state = shared.wait(&shared.arrived, state);
                continue;
            };
            if let Some(block) = first.blocks.pop_front() {
                return Ok(Some(block));
            }
            match first.outcome.take() {
                // Each request has its own time limits, so this ends.
                None => {
                    self.bottleneck = Bottleneck::Network;
                    state = shared.wait(&shared.arrived, state);
                }
                Some(outcome) => {
                    state.begun.pop_front();
                    state.ended += 1;
                    outcome?;
                    let window = state.window.len();
                    drop(state);
                    let now = shared.client.clock().instant();
                    let (read, bottleneck) =
                        (std::mem::take(&mut self.read), std::mem::take(&mut self.bottleneck));
                    let piece = Piece { bytes: read, begun: now, now, concurrent: window };
                    match self.pace.after(piece, bottleneck, window) {
                        // One connection is sufficient for the rest.
                        1 => {
                            shared.lock().end();
                            shared.room.notify_all();
                        }
                        window => self.resize(window),
                    }
                    state = shared.lock();
                }
            }
        }
    }

    /// Sets the number of concurrent ranges, as far as memory and threads permit, and wakes a
    /// thread to replace the one that was read.
    fn resize(&self, wanted: usize) {
        let mut state = self.shared.lock();
        state.window.truncate(wanted);
        while state.window.len() < wanted {
            let Some(share) = self.shared.memory.try_take(RANGE) else { break };
            state.window.push(share);
        }
        let left = state.end.saturating_sub(state.next).div_ceil(RANGE) + state.begun.len() as u64;
        let threads = state.window.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        while state.threads < threads {
            let shared = Arc::clone(&self.shared);
            let started = std::thread::Builder::new()
                .name("s3driver-read".to_owned())
                .spawn(move || shared.work());
            if started.is_err() {
                break;
            }
            state.threads += 1;
        }
        drop(state);
        self.shared.room.notify_all();
    }
}

impl Drop for Ranges {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.shared.lock().end();
        self.shared.room.notify_all();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for block in std::mem::take(&mut sync::lock(&self.state).spare) {
            self.memory.keep(block.bytes);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Fetches> {
        sync::lock(&self.state)
    }

    fn wait<'a>(
        &self,
        condition: &Condvar,
        state: MutexGuard<'a, Fetches>,
    ) -> MutexGuard<'a, Fetches> {
        sync::wait(condition, state)
    }

    /// Runs one thread, which ends when no range is left to begin.
    fn work(&self) {
        while let Some((number, range)) = self.take() {
            let panicked =
                Error::new(ErrorKind::LocalIo, "a thread that reads the object has panicked");
            let mut fetching = Fetching { shared: self, number, outcome: Some(Err(panicked)) };
            fetching.outcome = Some(self.fetch(number, &range));
        }
        self.lock().threads -= 1;
    }

    /// Returns the next range, once there is space for it.
    fn take(&self) -> Option<(u64, Range<u64>)> {
        let mut state = self.lock();
        loop {
            if state.next >= state.end {
                return None;
            }
            if state.begun.len() < state.window.len() {
                let (start, number) = (state.next, state.ended + state.begun.len() as u64);
                state.next = state.end.min(start.saturating_add(RANGE));
                state.begun.push_back(Begun::default());
                return Some((number, start..state.next));
            }
            state = self.wait(&self.room, state);
        }
    }

    /// Returns an empty block: a spare one, one that an earlier reader used, or a new one.
    fn block(&self) -> Block {
        let mut state = self.lock();
        if let Some(block) = state.spare.pop() {
            return block;
        }
        state.blocks += 1;
        drop(state);
        let bytes = self.memory.reuse(BLOCK).filter(|bytes| bytes.len() == BLOCK);
        Block { bytes: bytes.unwrap_or_else(|| vec![0; BLOCK]), length: 0 }
    }

    fn fetch(&self, number: u64, range: &Range<u64>) -> Result<()> {
        let ObjectVersion { bucket, key, etag, version_id, .. } = &self.object;
        let same = SameContent { etag: Some(etag), version_id: version_id.as_deref() };
        let length = range.end - range.start;
        let range = ByteRange::Part { offset: range.start, length };
        let mut reader = self.client.get_same_version(bucket, key, range, same, length)?;
        if number == 0 && !reader.is_range() {
            self.lock().support = RangeSupport::Missing;
            return Err(Error::new(
                ErrorKind::Protocol,
                "the server sends the whole object in place of a range",
            ));
        }
        let mut left = length;
        while left > 0 {
            let mut block = self.block();
            let wanted = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
            while block.length < wanted {
                match reader.pull(&mut block.bytes[block.length..wanted])? {
                    0 => return Err(reader.changed()),
                    count => block.length += count,
                }
            }
            left -= wanted as u64;
            let mut state = self.lock();
            match state.of(number) {
                Some(begun) => begun.blocks.push_back(block),
                None => state.give_back(block),
            }
            drop(state);
            self.arrived.notify_one();
        }
        // Reading the end reveals a response that is too long, and returns the connection to the
        // pool.
        reader.pull(&mut [0]).map(drop)
    }
}

impl Fetches {
    /// Returns the range with this number, unless it is no longer wanted.
    fn of(&mut self, number: u64) -> Option<&mut Begun> {
        let index = usize::try_from(number.checked_sub(self.ended)?).ok()?;
        self.begun.get_mut(index)
    }

    /// Keeps a block for later, unless fewer are needed now.
    fn give_back(&mut self, mut block: Block) {
        if self.blocks > self.window.len() * BLOCKS_PER_RANGE {
            self.blocks -= 1;
            return;
        }
        block.length = 0;
        self.spare.push(block);
    }

    /// Ends fetching: no further range is begun.
    fn end(&mut self) {
        self.end = self.next;
    }
}

/// A range that is being fetched. The reader is notified however its thread ends.
struct Fetching<'a> {
    shared: &'a Shared,
    number: u64,
    outcome: Option<Result<()>>,
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if matches!(self.outcome, Some(Err(_))) {
            // Nothing after this range can ever be returned.
            state.end();
        }
        if let Some(begun) = state.of(self.number) {
            begun.outcome = self.outcome.take();
        }
        drop(state);
        self.shared.arrived.notify_one();
        self.shared.room.notify_all();
    }
}
