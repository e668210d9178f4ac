//! Threads that send parts, and the buffers that circulate between the writer and these threads.
use super::buffer::Buffer;
use super::content::{PartContent, PartStorage};
use super::failure::FirstFailure;
use crate::cancel::Cancel;
use crate::client::{Client, Part, UploadRef};
use crate::error::{Error, ErrorKind, Result, catch_panic};
use crate::sync;
use crate::transfer::memory::{MemoryLimit, Share};
use crate::transfer::pace::{Bottleneck, Pace, Piece, first_wait, is_limited_by_processor};
use crate::transfer::parallel::{bounded, for_each};
use crate::transfer::sent::{SentBytes, SentParts};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

/// A sender of the parts of one upload, several at the same time, while its owner fills the next
/// part.
///
/// Threads are started when they are needed, and end with the sender. The total size of all buffers
/// is at most (window + 1) times the chunk size, where the window is the number of parts that are
/// sent at the same time. If a single part is larger than that, parts are sent one after the other.
/// While the processors limit the throughput, there are only buffers for one part on each of them:
/// filling a new buffer costs several times as much as filling one that was used before.
#[derive(Debug)]
pub(crate) struct Sender {
    shared: Arc<SharedSender>,
    threads: Vec<JoinHandle<()>>,
    storage: PartStorage,
    memory: MemoryLimit,
}

/// The number of parts of an upload that are sent at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Concurrency {
    Exactly(NonZeroUsize),
    /// As many as increase the throughput while the caller waits, but not more than these.
    UpTo(NonZeroUsize),
}

/// The place of one part.
enum Place {
    Memory(Share),
    File,
}

#[derive(Debug)]
struct SharedSender {
    client: Client,
    cancel: Cancel,
    bucket: String,
    key: String,
    chunk_size: u64,
    /// The maximum number of parts that are sent at the same time.
    most: NonZeroUsize,
    state: Mutex<SendQueue>,
    changed: Condvar,
    /// Whether `state.failure` is set. This can be read without the lock.
    failed: AtomicBool,
}

#[derive(Debug)]
struct SendQueue {
    queue: VecDeque<Job>,
    /// The number of parts that are queued or being sent.
    busy: usize,
    /// The number of parts that may be sent at the same time.
    window: usize,
    /// The choice of the window; `None` if it is fixed.
    pace: Option<Pace>,
    /// The number of parts that the processors can work on at the same time.
    processors: usize,
    /// Whether the processors limited the throughput while the last part was sent.
    is_limited_by_processor: bool,
    /// Whether the caller is waiting for a buffer.
    is_waiting: bool,
    /// The slower side since the last part was sent.
    bottleneck: Bottleneck,
    /// The total size of all buffers, in bytes, including those that are being sent.
    held: u64,
    free: Vec<Buffer>,
    sent: Vec<Part>,
    /// Whether bytes are counted while parts are being sent.
    counting: Counting,
    /// The parts and bytes that were sent since the last report.
    unreported: SentParts,
    failure: Option<FirstFailure>,
    ended: bool,
}

/// Whether the bytes of a part are counted while it is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counting {
    Bytes,
    /// The caller does not report progress.
    Nothing,
}

#[derive(Debug)]
struct Job {
    upload_id: Arc<str>,
    number: u32,
    buffer: Buffer,
    /// The existing part with this number, which holds the first bytes of `buffer`.
    replaces: Option<Part>,
}

impl Sender {
    pub(crate) fn new(
        client: &Client,
        (bucket, key): (&str, &str),
        concurrency: Concurrency,
        chunk_size: u64,
        storage: &PartStorage,
        memory: &MemoryLimit,
    ) -> Self {
        let (client, cancel) = client.with_child_cancel();
        let (most, pace) = match concurrency {
            Concurrency::Exactly(number) => (bounded(number), None),
            Concurrency::UpTo(most) => (bounded(most), Some(Pace::of_parts(bounded(most)))),
        };
        let shared = SharedSender {
            client,
            cancel,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            chunk_size,
            most,
            state: Mutex::new(SendQueue::new(most, pace)),
            changed: Condvar::new(),
            failed: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
            threads: Vec::new(),
            storage: storage.clone(),
            memory: memory.clone(),
        }
    }

    /// Returns the first failure of any part so far.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.shared.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.shared.lock().failure()
    }

    /// Counts bytes while parts are being sent, for a caller that reports them.
    pub(crate) fn count_bytes(&self) {
        self.shared.lock().counting = Counting::Bytes;
    }

    /// Returns the number of parts that may be sent at the same time.
    pub(crate) fn window(&self) -> usize {
        self.shared.lock().window
    }

    /// Returns the first buffer, for a part of `size` bytes that begins with `content`.
    pub(crate) fn first_buffer(&self, content: PartContent, size: u64) -> Result<Buffer> {
        let share = match self.storage {
            PartStorage::Memory => Some(self.memory.take(size)),
            PartStorage::Folder(_) => None,
        };
        let buffer = Buffer::new(content, size, share)?;
        self.shared.lock().held += size;
        Ok(buffer)
    }

    /// Returns an empty buffer for a part of `size` bytes. Waits until memory for it is available.
    pub(crate) fn buffer(&self, size: u64) -> Result<Buffer> {
        self.buffer_with(size, |_| {})
    }

    /// Like [`Sender::buffer`], but also reports what is sent in the meantime.
    pub(crate) fn buffer_with(
        &self,
        size: u64,
        mut report: impl FnMut(SentParts),
    ) -> Result<Buffer> {
        let mut waiting_since = None;
        let mut state = self.shared.lock();
        loop {
            state.failure()?;
            if let Some(buffer) = state.free.pop() {
                if buffer.size() >= size {
                    return Ok(buffer);
                }
                // Parts have become larger, so this buffer is too small.
                state.held -= buffer.size();
                continue;
            }
            let room = state.room(self.shared.chunk_size);
            if (state.held == 0 || state.held.saturating_add(size) <= room)
                && let Some(place) = self.place(state.held, size)
            {
                let buffer = self.buffer_at(place, size)?;
                state.held += size;
                return Ok(buffer);
            }
            // If no buffer is free, all of them are being sent, and each one is returned
            // afterwards.
            state.bottleneck = Bottleneck::Network;
            state.is_waiting = true;
            let sent = std::mem::take(&mut state.unreported);
            if sent == SentParts::default() {
                state = self.shared.wait_or_widen(state, &mut waiting_since);
            } else {
                // The caller's code runs without the lock and may panic.
                state.is_waiting = false;
                drop(state);
                report(sent);
                state = self.shared.lock();
            }
            state.is_waiting = false;
        }
    }

    /// Returns a place for a part, if there is one. The first part always has a place.
    fn place(&self, held: u64, size: u64) -> Option<Place> {
        match (&self.storage, held) {
            (PartStorage::Folder(_), _) => Some(Place::File),
            (PartStorage::Memory, 0) => Some(Place::Memory(self.memory.take(size))),
            (PartStorage::Memory, _) => self.memory.try_take(size).map(Place::Memory),
        }
    }

    fn buffer_at(&self, place: Place, size: u64) -> Result<Buffer> {
        let mut share = match place {
            Place::Memory(share) => Some(share),
            Place::File => None,
        };
        let memory = share.as_mut().and_then(Share::reuse).unwrap_or_default();
        Buffer::new(PartContent::new(&self.storage, &self.shared.client, memory)?, size, share)
    }

    /// Passes a part to the threads. `replaces` is an existing part with this number that holds the
    /// first bytes of `buffer`. If the server keeps that part, the remaining bytes become the part
    /// after it, and [`Sender::finish`] returns both.
    pub(crate) fn send(
        &mut self,
        upload_id: &Arc<str>,
        number: u32,
        buffer: Buffer,
        replaces: Option<Part>,
    ) -> Result<()> {
        let mut state = self.shared.lock();
        state.failure()?;
        state.queue.push_back(Job { upload_id: Arc::clone(upload_id), number, buffer, replaces });
        state.busy += 1;
        let wanted = state.busy.min(state.window);
        drop(state);
        self.shared.changed.notify_all();
        while self.threads.len() < wanted {
            let shared = Arc::clone(&self.shared);
            let started = std::thread::Builder::new()
                .name("s3driver-part".to_owned())
                .spawn(move || shared.work());
            match started {
                Ok(thread) => self.threads.push(thread),
                Err(_) if !self.threads.is_empty() => break,
                Err(error) => {
                    let text = "no thread could be started to send parts";
                    let failure = Error::new(ErrorKind::LocalIo, text).with_source(error);
                    let mut state = self.shared.lock();
                    self.shared.fail(&mut state, failure);
                    return state.failure();
                }
            }
        }
        Ok(())
    }

    /// Returns whether the caller should send a part from its own memory now: the processors limit
    /// the throughput, and the threads already occupy all of them but one. A copy of the part for
    /// another thread would only add to the load.
    pub(crate) fn needs_caller(&self) -> bool {
        let state = self.shared.lock();
        let others = state.processors.min(state.window).saturating_sub(1);
        state.is_limited_by_processor && state.busy >= others
    }

    /// Sends a part directly from the caller's memory, while the threads send those that were
    /// passed earlier.
    pub(crate) fn send_alongside(
        &self,
        upload_id: &str,
        number: u32,
        content: &[u8],
    ) -> Result<()> {
        let sent = self.shared.send_directly(upload_id, number, content);
        self.record(sent.map(|part| vec![part]))
    }

    /// Sends parts directly from the caller's memory, several at the same time, after those that
    /// were passed earlier. `first` is the number of the first part.
    pub(crate) fn send_from(&self, upload_id: &str, first: u32, parts: &[&[u8]]) -> Result<()> {
        let shared = &*self.shared;
        drop(self.idle()?);
        let sent = for_each(parts.len(), shared.most, &shared.cancel, |index| {
            let number = first.saturating_add(u32::try_from(index).unwrap_or(u32::MAX));
            let content = parts.get(index).copied().unwrap_or_default();
            shared.send_directly(upload_id, number, content)
        });
        self.record(sent)
    }

    /// Keeps the result of parts that were sent directly. Returns the first failure of any part.
    fn record(&self, sent: Result<Vec<Part>>) -> Result<()> {
        let mut state = self.shared.lock();
        match sent {
            Ok(sent) => state.sent.extend(sent),
            Err(error) => self.shared.fail(&mut state, error),
        }
        state.failure()
    }

    /// Waits until all parts that were passed so far have been sent.
    fn idle(&self) -> Result<MutexGuard<'_, SendQueue>> {
        let mut state = self.shared.lock();
        while state.busy > 0 && state.failure.is_none() {
            state = self.shared.wait(state);
        }
        state.failure()?;
        Ok(state)
    }

    /// Takes back a buffer whose part does not need to be sent.
    pub(crate) fn give_back(&self, mut buffer: Buffer) {
        buffer.clear();
        self.shared.lock().free.push(buffer);
    }

    /// Returns what was sent since the last call.
    pub(crate) fn take_sent(&self) -> SentParts {
        std::mem::take(&mut self.shared.lock().unreported)
    }

    /// Waits for all parts that were passed so far and returns them in order.
    pub(crate) fn finish(&self) -> Result<Vec<Part>> {
        self.finish_with(|_| {})
    }

    /// Like [`Sender::finish`], but also reports what is sent in the meantime.
    pub(crate) fn finish_with(&self, mut report: impl FnMut(SentParts)) -> Result<Vec<Part>> {
        let mut state = self.shared.lock();
        loop {
            let sent = std::mem::take(&mut state.unreported);
            let is_waiting = state.busy > 0 && state.failure.is_none();
            if sent != SentParts::default() {
                // The caller's code runs without the lock.
                drop(state);
                report(sent);
                state = self.shared.lock();
            } else if is_waiting {
                state = self.shared.wait(state);
            } else {
                break;
            }
        }
        state.failure()?;
        let mut sent = std::mem::take(&mut state.sent);
        sent.sort_unstable_by_key(|part| part.part_number);
        Ok(sent)
    }

    /// Ends the requests in flight, within a second, and the threads.
    pub(crate) fn stop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.ended = true;
            state.busy -= state.queue.len();
            state.queue.clear();
            state.free.clear();
            if state.busy > 0 {
                self.shared.cancel.cancel();
            }
        }
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // Panics are caught where a part is sent.
            drop(thread.join());
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop();
    }
}

impl SharedSender {
    fn lock(&self) -> MutexGuard<'_, SendQueue> {
        sync::lock(&self.state)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, SendQueue>) -> MutexGuard<'a, SendQueue> {
        sync::wait(&self.changed, state)
    }

    /// Waits until the window permits another part, which then counts as busy.
    fn enter(&self) {
        let mut waiting_since = None;
        let mut state = self.lock();
        while state.busy >= state.window {
            state = self.wait_or_widen(state, &mut waiting_since);
        }
        state.busy += 1;
    }

    /// Sends one part from the caller's memory, as soon as the window permits it.
    fn send_directly(&self, upload_id: &str, number: u32, content: &[u8]) -> Result<Part> {
        let upload = UploadRef { bucket: &self.bucket, key: &self.key, upload_id };
        self.enter();
        // The clock is the caller's code as well, and the part counts as busy until the end.
        let result = catch_panic("a thread that sends parts", || {
            let clock = self.client.clock();
            let begun = clock.instant();
            let part = self.client.upload_part(upload, number, content)?;
            Ok((part, begun, clock.instant()))
        });
        let mut state = self.lock();
        state.busy -= 1;
        if let Ok((part, begun, now)) = &result {
            // The caller waits for this part.
            state.bottleneck = Bottleneck::Network;
            state.adapt_after(part.size, *begun, *now);
        }
        drop(state);
        self.changed.notify_all();
        Ok(result?.0)
    }

    /// Waits for a part to be sent. If even the first one takes long, this widens the window
    /// instead: a single round with the initial number of parts would delay the whole transfer.
    fn wait_or_widen<'a>(
        &'a self,
        mut state: MutexGuard<'a, SendQueue>,
        waiting_since: &mut Option<Instant>,
    ) -> MutexGuard<'a, SendQueue> {
        if !state.can_widen() {
            return self.wait(state);
        }
        // The clock is the caller's code, which runs without the lock and may panic.
        let is_waiting = std::mem::take(&mut state.is_waiting);
        drop(state);
        let now = self.client.clock().instant();
        let mut state = self.lock();
        state.is_waiting = is_waiting;
        if !state.can_widen() || state.failure.is_some() {
            return state;
        }
        let waited = now.saturating_duration_since(*waiting_since.get_or_insert(now));
        let left = first_wait(self.chunk_size).saturating_sub(waited);
        if left.is_zero() {
            state.widen();
            self.changed.notify_all();
            return state;
        }
        sync::wait_timeout(&self.changed, state, left)
    }

    /// Runs one thread.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            let Some(mut job) = state.next_job() else {
                if state.ended {
                    return;
                }
                state = self.wait(state);
                continue;
            };
            drop(state);
            let counted = SentBytes::default();
            // The clock is the caller's code as well, and the part counts as busy until the end.
            let result = catch_panic("a thread that sends parts", || {
                let clock = self.client.clock();
                let begun = clock.instant();
                let parts = self.upload(&job, &counted)?;
                Ok((parts, begun, clock.instant()))
            });
            state = self.lock();
            state.busy -= 1;
            if let Ok((_, begun, now)) = &result {
                state.adapt_after(job.buffer.len(), *begun, *now);
            }
            let is_needed = state.held <= state.room(self.chunk_size);
            if state.ended || state.failure.is_some() || !is_needed {
                state.held -= job.buffer.size();
            } else {
                job.buffer.clear();
                state.free.push(job.buffer);
            }
            match result {
                Ok((parts, ..)) => {
                    let bytes =
                        parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.size));
                    state.add(parts.len(), counted.advance(bytes));
                    state.sent.extend(parts);
                }
                Err(error) => self.fail(&mut state, error),
            }
            self.changed.notify_all();
        }
    }

    fn upload(&self, job: &Job, counted: &SentBytes) -> Result<Vec<Part>> {
        let upload = UploadRef { bucket: &self.bucket, key: &self.key, upload_id: &job.upload_id };
        let content = job.buffer.as_slice();
        let report = |at| {
            self.lock().add(0, counted.advance(at));
            self.changed.notify_all();
        };
        let counting = self.lock().counting;
        let sent = match counting {
            Counting::Nothing => content.send(&self.client, upload, job.number),
            Counting::Bytes => content.send_reported(&self.client, upload, job.number, &report),
        };
        match (sent, &job.replaces) {
            (Err(error), Some(kept)) if cannot_replace(&error) => {
                let rest = job.buffer.after(kept.size);
                let next = rest.send(&self.client, upload, job.number.saturating_add(1))?;
                Ok(vec![kept.clone(), next])
            }
            (result, _) => result.map(|part| vec![part]),
        }
    }

    /// Stores the first failure and ends everything else. Later failures are only its consequence.
    fn fail(&self, state: &mut SendQueue, error: Error) {
        if state.failure.is_none() {
            state.failure = Some(FirstFailure::new(error));
            self.failed.store(true, Ordering::Release);
        }
        state.busy -= state.queue.len();
        state.queue.clear();
        self.cancel.cancel();
    }
}

/// Returns the number of processors of this process. It is determined once, because that reads
/// files.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

/// Returns whether `error` means that the server does not allow a part to be replaced. rclone
/// forwards parts in the order of arrival, and accepts parts of any size.
pub(crate) fn cannot_replace(error: &Error) -> bool {
    error.status() == Some(501) || error.code() == Some("NotImplemented")
}

impl SendQueue {
    fn new(most: NonZeroUsize, pace: Option<Pace>) -> Self {
        Self {
            queue: VecDeque::new(),
            busy: 0,
            window: pace.as_ref().map_or_else(|| most.get(), Pace::first),
            pace,
            processors: processors(),
            is_limited_by_processor: false,
            is_waiting: false,
            bottleneck: Bottleneck::Caller,
            held: 0,
            free: Vec::new(),
            sent: Vec::new(),
            counting: Counting::Nothing,
            unreported: SentParts::default(),
            failure: None,
            ended: false,
        }
    }

    /// Records what was sent.
    fn add(&mut self, parts: usize, bytes: u64) {
        let SentParts { parts: parts_before, bytes: bytes_before } = self.unreported;
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        self.unreported = SentParts {
            parts: parts_before.saturating_add(parts),
            bytes: bytes_before.saturating_add(bytes),
        };
    }

    /// Returns the maximum total size of all buffers, in bytes.
    fn room(&self, chunk_size: u64) -> u64 {
        let most = if self.is_limited_by_processor {
            self.window.min(self.processors)
        } else {
            self.window
        };
        chunk_size.saturating_mul((most as u64).saturating_add(1))
    }

    /// Takes the next part that may be sent now.
    fn next_job(&mut self) -> Option<Job> {
        let sending = self.busy.saturating_sub(self.queue.len());
        if sending < self.window { self.queue.pop_front() } else { None }
    }

    /// Adapts the window and the number of buffers after a thread has sent a part.
    fn adapt_after(&mut self, bytes: u64, begun: Instant, now: Instant) {
        self.adapt(bytes, begun, now);
        let elapsed = now.saturating_duration_since(begun);
        if let Some(is_limited) = is_limited_by_processor(bytes, elapsed) {
            self.is_limited_by_processor = is_limited;
        }
    }

    /// Returns whether the window can still be widened because the first part takes long.
    fn can_widen(&self) -> bool {
        self.pace.as_ref().is_some_and(|pace| pace.is_new() && self.window < pace.if_slow())
    }

    /// Widens the window because the first part takes long.
    fn widen(&mut self) {
        self.window = self.pace.as_ref().map_or(self.window, Pace::if_slow);
    }

    /// Adapts the window after a part of this size was sent.
    fn adapt(&mut self, bytes: u64, begun: Instant, now: Instant) {
        if let Some(pace) = &mut self.pace {
            // This part is no longer busy.
            let concurrent = self.busy.saturating_sub(self.queue.len()).saturating_add(1);
            let piece = Piece { bytes, begun, now, concurrent };
            self.window = pace.after(piece, self.bottleneck, self.window);
        }
        self.bottleneck = if self.is_waiting { Bottleneck::Network } else { Bottleneck::Caller };
    }

    fn failure(&mut self) -> Result<()> {
        self.failure.as_mut().map_or(Ok(()), |failure| Err(failure.next_error()))
    }
}
