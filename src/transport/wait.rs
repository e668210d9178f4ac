//! The limits that apply to every wait.
//!
//! The timeouts of a socket are set only once, to a short tick. A blocked call returns at every
//! tick without losing data, and only then are the idle limit, the deadline and the cancel token
//! checked. The limits therefore cost no system calls while bytes flow, and no call exceeds its
//! limits by more than a tick.

use super::error::Failure;
use crate::cancel::Cancel;
use std::io;
use std::time::{Duration, Instant};

/// How long a call may block before the limits are checked: well under the second within which a
/// cancellation must take effect.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// The longest duration used in calculations, so that sums of times do not overflow. Longer ones
/// are reduced to it.
pub(super) const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes per second below which a transfer counts as stalled: the speed of a modem, at which the
/// smallest part of an upload takes over an hour.
const MIN_THROUGHPUT: u64 = 1 << 10;

/// When the wait for the response begins, written bytes may still be in the system's buffers. Each
/// piece of this size adds one idle timeout to the wait, so that a slow link that delivers one
/// piece within that time is not cut off.
const BUFFERED_PIECE: u64 = 1 << 20;

/// The maximum number of such pieces: Linux lets a socket's send buffer grow to 4 MiB (`tcp_wmem`).
const MAX_BUFFERED_PIECES: u64 = 4;

/// The maximum times without progress that apply to every exchange of a transport.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) idle: Duration,
    pub(super) stall: Duration,
}

impl Timeouts {
    pub(super) fn limits(self, deadline: Option<Instant>, cancel: Option<&Cancel>) -> Limits<'_> {
        Limits {
            idle: self.idle,
            deadline,
            stall: deadline.is_none().then_some(self.stall),
            cancel,
        }
    }
}

/// The limits of a wait.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// The longest time without progress.
    pub(super) idle: Duration,
    pub(super) deadline: Option<Instant>,
    /// The waiting time over which a minimum [`Pace`] must be kept; `None` if a deadline limits
    /// slow transfers instead.
    pub(super) stall: Option<Duration>,
    pub(super) cancel: Option<&'a Cancel>,
}

impl Limits<'_> {
    /// Fails if the deadline has passed or the caller has cancelled.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.cancel.is_some_and(Cancel::is_cancelled) {
            return Err(Failure::Cancelled);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Failure::Timeout);
        }
        Ok(())
    }

    /// Returns the limits of the wait for a response after this many bytes were sent. In a wait for
    /// `silent_work` only the deadline counts, if there is one.
    pub(super) fn after_sending(self, sent: u64, silent_work: bool) -> Self {
        if silent_work && self.deadline.is_some() {
            return Self { idle: FOREVER, ..self };
        }
        let pieces = (sent / BUFFERED_PIECE).min(MAX_BUFFERED_PIECES);
        let idle = self.idle.saturating_mul(1 + u32::try_from(pieces).unwrap_or_default());
        Self { idle, ..self }
    }

    /// Returns these limits with a deadline that is at most `time` from now.
    pub(super) fn within(self, time: Duration) -> Self {
        let deadline = Instant::now() + time.min(FOREVER);
        Self {
            deadline: Some(self.deadline.map_or(deadline, |own| own.min(deadline))),
            stall: None,
            ..self
        }
    }
}

/// The outcome of one system call.
pub(super) enum Step {
    /// This many of the caller's bytes were moved; for a read, zero is the end.
    Moved(usize),
    /// Only bytes of the TLS session were moved, none of the caller's.
    Session,
}

/// Repeats `call` until it moves bytes or reaches an end, or until a limit is reached.
pub(super) fn wait(
    limits: &Limits<'_>,
    mut call: impl FnMut() -> io::Result<Step>,
) -> Result<usize, Failure> {
    let mut idle = Idle::default();
    loop {
        limits.check()?;
        match call() {
            Ok(Step::Moved(count)) => return Ok(count),
            // Bytes of the session alone do not count as progress, because a server could send them
            // endlessly.
            Ok(Step::Session) => idle.check(limits, Duration::ZERO)?,
            Err(error) if is_tick(&error) => idle.check(limits, TICK)?,
            Err(error) => return Err(Failure::Io(error)),
        }
    }
}

/// The time without progress, measured from the first call that made none.
#[derive(Default)]
pub(super) struct Idle(Option<Instant>);

impl Idle {
    /// Fails if there was no progress for too long. `waited` is the duration of the call that made
    /// none.
    pub(super) fn check(&mut self, limits: &Limits<'_>, waited: Duration) -> Result<(), Failure> {
        let now = Instant::now();
        let since =
            *self.0.get_or_insert_with(|| now.checked_sub(waited.min(limits.idle)).unwrap_or(now));
        if now.duration_since(since) >= limits.idle { Err(Failure::Timeout) } else { Ok(()) }
    }
}

/// The bytes that a transfer moved, and the time it waited in the socket for them. Without a pace,
/// a transfer of a few bytes at a time could continue within the idle limit forever. The time
/// between two calls belongs to the caller and is not counted.
#[derive(Default)]
pub(super) struct Pace {
    moved: u64,
    waited: Duration,
}

impl Pace {
    /// Runs a read and records its bytes and its duration.
    pub(super) fn keep(
        &mut self,
        limits: &Limits<'_>,
        call: impl FnOnce() -> Result<usize, Failure>,
    ) -> Result<usize, Failure> {
        let began = Instant::now();
        let count = call()?;
        // The end of a stream moves no bytes, but it is not a stall.
        if count > 0 {
            self.book(limits, count, began.elapsed())?;
        }
        Ok(count)
    }

    /// Records a call that moved `count` bytes in `waited`; fails if too few bytes moved over
    /// [`Limits::stall`].
    pub(super) fn book(
        &mut self,
        limits: &Limits<'_>,
        count: usize,
        waited: Duration,
    ) -> Result<(), Failure> {
        let Some(stall) = limits.stall else { return Ok(()) };
        self.moved += count as u64;
        self.waited += waited;
        if self.waited < stall.max(limits.idle) {
            return Ok(());
        }
        let Self { moved, waited } = std::mem::take(self);
        let stalled = u128::from(moved) * 1000 < u128::from(MIN_THROUGHPUT) * waited.as_millis();
        if stalled { Err(Failure::Timeout) } else { Ok(()) }
    }
}

/// Returns whether a blocked call returned only to let limits be checked, or because of a signal.
pub(super) fn is_tick(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
