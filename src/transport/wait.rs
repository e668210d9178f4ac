//! One rule for waiting.
//!
//! A socket's own timeouts are set once, to a short tick. A call that blocks comes back every tick without harm, and
//! only then looks at the idle limit, the deadline and the cancel token: limits cost no system call while bytes flow,
//! and no call outlives its limits by more than a tick.

use super::error::Failure;
use crate::cancel::Cancel;
use std::io;
use std::time::{Duration, Instant};

/// How long a call may block before limits are looked at: well under the second in which a cancel must be felt.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// Longer times than this are taken for this: sums of times must not overflow.
pub(super) const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes per second below which a transfer is stalled: a modem's pace, at which the smallest part of an upload takes
/// over an hour.
const MIN_THROUGHPUT: u64 = 1 << 10;

/// What was written may still lie in the system's buffers when the wait for the response begins.
/// Each of these pieces of it adds one idle timeout to the wait, so that a slow link that delivers
/// one in that time is not cut.
const BUFFERED_PIECE: u64 = 1 << 20;

/// Most such pieces: Linux lets a socket's send buffer grow to 4 MiB (`tcp_wmem`).
const MAX_BUFFERED_PIECES: u64 = 4;

/// The times without progress that every exchange of a transport may take.
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

/// What bounds a wait.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// The longest time without progress.
    pub(super) idle: Duration,
    pub(super) deadline: Option<Instant>,
    /// Over this much waiting a [`Pace`] must be kept; `None` where a deadline ends what drips.
    pub(super) stall: Option<Duration>,
    pub(super) cancel: Option<&'a Cancel>,
}

impl Limits<'_> {
    /// Fails when the time is over or the caller has given up.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.cancel.is_some_and(Cancel::is_cancelled) {
            return Err(Failure::Cancelled);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Failure::Timeout);
        }
        Ok(())
    }

    /// Returns the limits of the wait that follows the sending of this many bytes.
    pub(super) fn after_sending(self, sent: u64) -> Self {
        let pieces = (sent / BUFFERED_PIECE).min(MAX_BUFFERED_PIECES);
        let idle = self.idle.saturating_mul(1 + u32::try_from(pieces).unwrap_or_default());
        Self { idle, ..self }
    }

    /// The same limits, ended after `time` at the latest.
    pub(super) fn within(self, time: Duration) -> Self {
        let deadline = Instant::now() + time.min(FOREVER);
        Self {
            deadline: Some(self.deadline.map_or(deadline, |own| own.min(deadline))),
            stall: None,
            ..self
        }
    }
}

/// What one system call brought.
pub(super) enum Step {
    /// This many bytes for the caller; for a read, zero is the end.
    Moved(usize),
    /// Bytes of the TLS session, none of them the caller's.
    Session,
}

/// Repeats `call` until it brings something or a limit is reached.
pub(super) fn wait(
    limits: &Limits<'_>,
    mut call: impl FnMut() -> io::Result<Step>,
) -> Result<usize, Failure> {
    let mut idle = Idle::default();
    loop {
        limits.check()?;
        match call() {
            Ok(Step::Moved(count)) => return Ok(count),
            // Bytes of a session are no progress by themselves: they could come for ever.
            Ok(Step::Session) => idle.check(limits, Duration::ZERO)?,
            Err(error) if is_tick(&error) => idle.check(limits, TICK)?,
            Err(error) => return Err(Failure::Io(error)),
        }
    }
}

/// Time without progress, measured from the first call that brought none.
#[derive(Default)]
pub(super) struct Idle(Option<Instant>);

impl Idle {
    /// Fails when there was no progress for too long. `waited` is how long the call took that brought none.
    pub(super) fn check(&mut self, limits: &Limits<'_>, waited: Duration) -> Result<(), Failure> {
        let now = Instant::now();
        let since =
            *self.0.get_or_insert_with(|| now.checked_sub(waited.min(limits.idle)).unwrap_or(now));
        if now.duration_since(since) >= limits.idle { Err(Failure::Timeout) } else { Ok(()) }
    }
}

/// What a transfer moved, and how long it waited in the socket for that: bytes that drip would pass the idle limit for
/// ever. The time between two calls is the caller's own and is not counted.
#[derive(Default)]
pub(super) struct Pace {
    moved: u64,
    waited: Duration,
}

impl Pace {
    /// Runs a read and books it.
    pub(super) fn keep(
        &mut self,
        limits: &Limits<'_>,
        call: impl FnOnce() -> Result<usize, Failure>,
    ) -> Result<usize, Failure> {
        let began = Instant::now();
        let count = call()?;
        // The end of a stream moves nothing and is no stall.
        if count > 0 {
            self.book(limits, count, began.elapsed())?;
        }
        Ok(count)
    }

    /// Adds a call that moved `count` bytes in `waited`; fails when too little moved over [`Limits::stall`].
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

/// A blocked call came back to let limits be looked at, or a signal interrupted it.
pub(super) fn is_tick(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
