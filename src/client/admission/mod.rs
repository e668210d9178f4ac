//! Limits how many requests are in flight, and lowers the limit while the server asks to slow down.
//!
//! A request takes a [`Place`] before it is signed and returns it when its response is known: a
//! document that was read completely, or the head of a response with an object. Bodies that are
//! still being read do not occupy a place, so a thread with open readers can send other requests,
//! however few places there are. An upload from the caller's own reader does not occupy one either
//! once it is under way, because that reader may itself wait for another request.
//!
//! Initially there are as many places as configured. When the server throttles (503, 429,
//! `SlowDown`), the number drops to seven tenths of the places that were taken. While all places
//! are taken, each response adds one more, up to the number at which the server throttled; beyond
//! it, one is added for every round of responses. This is additive increase and multiplicative
//! decrease, as in TCP and in the adaptive mode of AWS's SDKs. Several throttled responses to
//! requests sent before the first of them count once.
//!
//! A throttled request returns its place while it waits for its retry, unless it is the last place:
//! then all requests wait with it, for a time that doubles with each attempt and is at least the
//! server's `Retry-After`. This limits the rate even if one request at a time is too many. Waiting
//! requests are admitted in the order of arrival.

use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::sync;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// The share of the places, in tenths, that remains after the server throttled, as in the adaptive
/// mode of AWS's SDKs.
const LEFT_IN_TENTHS: usize = 7;

/// How often a waiting request checks the time and the caller's token.
const SLICE: Duration = Duration::from_millis(100);

/// The places of a client and its clones.
pub(super) struct Admission {
    most: usize,
    state: Mutex<Occupancy>,
}

struct Occupancy {
    /// The current number of places, from 1 to `most`.
    allowed: usize,
    /// The number of places that are taken. May exceed `allowed` for a while after that has
    /// dropped.
    taken: usize,
    /// The maximum of `taken` since `allowed` last changed.
    busiest: usize,
    /// The value of `allowed` before it last dropped.
    fell_from: usize,
    /// The number of responses that count towards the next place.
    credit: usize,
    /// How often `allowed` has dropped.
    falls: u64,
    /// The number of places granted so far. While it grows, requests are being admitted.
    granted: u64,
    /// The waiting requests in their order, and so by rising ticket. While there are any, all
    /// places are taken.
    queue: VecDeque<(u64, Arc<Condvar>)>,
    next_ticket: u64,
}

/// The right of a request to be in flight; returned on drop.
pub(super) struct Place<'a> {
    admission: &'a Admission,
    /// Whether the place is still counted as taken.
    held: bool,
    /// The value of `Occupancy::falls` when the request was admitted: later drops were not caused
    /// by it.
    falls: u64,
    /// Whether it was not free at once.
    waited: bool,
}

impl Admission {
    pub(super) fn new(most: NonZeroUsize) -> Self {
        let most = most.get();
        let state = Occupancy {
            allowed: most,
            taken: 0,
            busiest: 0,
            fell_from: most,
            credit: 0,
            falls: 0,
            granted: 0,
            queue: VecDeque::new(),
            next_ticket: 0,
        };
        Self { most, state: Mutex::new(state) }
    }

    /// Returns the current number of places.
    pub(super) fn allowed(&self) -> usize {
        self.lock().allowed
    }

    /// Takes a place, and waits for one if necessary. The time limit starts over whenever another
    /// request is granted a place; the order of arrival bounds how often that can happen.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if no request was granted a place for `limit`;
    /// [`ErrorKind::Cancelled`].
    pub(super) fn enter(
        &self,
        limit: Duration,
        clock: &dyn Clock,
        cancel: Option<&Cancel>,
    ) -> Result<Place<'_>> {
        let mut state = self.lock();
        let waited = state.taken >= state.allowed;
        if waited {
            state = self.wait(state, limit, clock, cancel)?;
        } else {
            state.take();
        }
        Ok(Place { admission: self, held: true, falls: state.falls, waited })
    }

    /// Admits a request without a place, on behalf of another one that has a place and waits for
    /// this one.
    pub(super) fn pass(&self) -> Place<'_> {
        Place { admission: self, held: false, falls: self.lock().falls, waited: false }
    }

    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, Occupancy>,
        limit: Duration,
        clock: &dyn Clock,
        cancel: Option<&Cancel>,
    ) -> Result<MutexGuard<'a, Occupancy>> {
        let (mut began, mut granted) = (clock.instant(), state.granted);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let called = Arc::new(Condvar::new());
        state.queue.push_back((ticket, Arc::clone(&called)));
        loop {
            state = sync::wait_timeout(&called, state, SLICE);
            let Ok(index) = state.queue.binary_search_by_key(&ticket, |(ticket, _)| *ticket) else {
                return Ok(state);
            };
            if std::mem::replace(&mut granted, state.granted) != state.granted {
                began = clock.instant();
            }
            let error = if cancel.is_some_and(Cancel::is_cancelled) {
                Error::new(
                    ErrorKind::Cancelled,
                    "cancelled by the caller while waiting for its turn",
                )
            } else if clock.instant().saturating_duration_since(began) >= limit {
                self.too_late(&state, limit)
            } else {
                continue;
            };
            state.queue.remove(index);
            return Err(error);
        }
    }

    fn too_late(&self, state: &Occupancy, limit: Duration) -> Error {
        let places = match state.allowed {
            allowed if allowed < self.most => format!(
                "{allowed} may be in flight at the moment, because the server throttles, and {} \
                 otherwise",
                self.most
            ),
            allowed => format!("{allowed} may be in flight"),
        };
        let text =
            format!("the request was not sent: its turn did not come within {limit:?} ({places})");
        Error::new(ErrorKind::Timeout, text)
            .with_hint("allow more requests at once (maxrequests), or send them from fewer threads")
    }

    fn lock(&self) -> MutexGuard<'_, Occupancy> {
        // Nothing that could panic runs while the lock is held.
        sync::lock(&self.state)
    }
}

impl Occupancy {
    fn take(&mut self) {
        self.taken += 1;
        self.granted += 1;
        self.busiest = self.busiest.max(self.taken);
    }

    /// Grants free places to waiting requests.
    fn admit(&mut self) {
        while self.taken < self.allowed
            && let Some((_, called)) = self.queue.pop_front()
        {
            self.take();
            called.notify_one();
        }
    }

    /// Counts a response: each one adds a place, up to the number at which the server last
    /// throttled, and beyond it one for every round of responses. Places that are not used prove
    /// nothing.
    fn grow(&mut self, most: usize) {
        if self.allowed == most || self.taken < self.allowed {
            return;
        }
        self.credit += 1;
        if self.allowed + 1 < self.fell_from || self.credit >= self.allowed {
            self.credit = 0;
            self.allowed += 1;
            self.busiest = self.taken;
        }
    }

    /// Starts from the maximum number in flight: the current number may happen to be lower.
    fn fall(&mut self) {
        self.fell_from = self.allowed.min(self.busiest);
        self.allowed = (self.fell_from * LEFT_IN_TENTHS / 10).max(1);
        self.busiest = self.taken;
        self.credit = 0;
        self.falls += 1;
    }
}

impl Place<'_> {
    /// Records a response, including a refusal: the server has capacity for this many requests.
    pub(super) fn record_response(mut self) {
        let mut state = self.admission.lock();
        state.grow(self.admission.most);
        if std::mem::take(&mut self.held) {
            state.taken -= 1;
        }
        state.admit();
    }

    /// Records that the server asked to slow down. A request without a place says nothing about the
    /// number of places.
    pub(super) fn record_throttling(&mut self) {
        let mut state = self.admission.lock();
        if self.held && state.falls == self.falls {
            state.fall();
        }
    }

    /// Returns whether the request had to wait for the place.
    pub(super) const fn has_waited(&self) -> bool {
        self.waited
    }

    /// Reports whether this is the only place left, which a request keeps while it waits for its
    /// retry.
    pub(super) fn is_last(&self) -> bool {
        self.held && self.admission.allowed() == 1
    }

    /// Keeps the place for the request's next attempt, unless there are too many now.
    pub(super) fn again(mut self) -> Option<Self> {
        let state = self.admission.lock();
        if !self.held || state.taken > state.allowed {
            return None;
        }
        self.falls = state.falls;
        drop(state);
        Some(self)
    }

    /// Returns the place. The outcome of the request can still be recorded.
    pub(super) fn give_back(&mut self) {
        if std::mem::take(&mut self.held) {
            let mut state = self.admission.lock();
            state.taken -= 1;
            state.admit();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests;
