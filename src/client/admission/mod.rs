//! How many requests are in flight at once, and how many fewer while the server asks to slow down.
//!
//! A request takes a [`Place`] before it is signed and gives it back when its reply is known: a document read whole, or,
//! for an object, the head of the reply. Bodies that are still being read take no place, so a thread that holds readers
//! open can send other requests, however few places there are. Nor does an upload from the caller's own reader once it
//! is under way: that reader may itself wait for another request.
//!
//! Places there are as many as configured, until the server throttles (503, 429, `SlowDown`). Then there are three
//! tenths fewer than were taken. While all of them are taken, each answer brings one more up to where the server
//! throttled, and from there on as many answers as there are places bring one: decrease by a share, increase in steps, as
//! TCP and the adaptive mode of AWS's SDKs do it. Several throttled replies to requests sent before the first of them
//! count once.
//!
//! A throttled request gives its place to others while it waits to be sent again, but for the last place: with that its
//! wait, which doubles from attempt to attempt and is at least the server's `Retry-After`, holds for everybody. This
//! limits the rate where one request at a time is still too many. Who has to wait for a place gets it in the order of
//! arrival.

use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::sync;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What is left of the places in tenths, after the server throttled: the share the adaptive mode of AWS's SDKs leaves.
const LEFT_IN_TENTHS: usize = 7;

/// How often one who waits looks at the time and at the caller's token.
const SLICE: Duration = Duration::from_millis(100);

/// The places of a client and its clones.
pub(super) struct Admission {
    most: usize,
    state: Mutex<Occupancy>,
}

struct Occupancy {
    /// Places there are now: from 1 to `most`.
    allowed: usize,
    /// Places given out; more than `allowed` for a while after that has fallen.
    taken: usize,
    /// The most that were taken at once since `allowed` last changed.
    busiest: usize,
    /// `allowed` before it last fell.
    fell_from: usize,
    /// Answers towards the next place.
    credit: usize,
    /// How often `allowed` has fallen.
    falls: u64,
    /// Places given out so far: while this number grows, requests are admitted.
    granted: u64,
    /// Who waits: in order, so by rising ticket too. While there is anybody, all places are taken.
    queue: VecDeque<(u64, Arc<Condvar>)>,
    next_ticket: u64,
}

/// A request's right to be in flight; given back when dropped.
pub(super) struct Place<'a> {
    admission: &'a Admission,
    /// Whether it still counts.
    held: bool,
    /// `Occupancy::falls` when the request was let through: a later fall was none of its doing.
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

    /// Places there are at the moment.
    pub(super) fn allowed(&self) -> usize {
        self.lock().allowed
    }

    /// Takes a place, waiting for one if need be. The wait begins again whenever another request is given a place: the
    /// order of arrival bounds how often that can happen.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when no request was given a place for `limit`, [`ErrorKind::Cancelled`].
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
                "{allowed} may be in flight at the moment, because the server throttles, and {} otherwise",
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
        // Nothing that may panic runs under the lock.
        sync::lock(&self.state)
    }
}

impl Occupancy {
    fn take(&mut self) {
        self.taken += 1;
        self.granted += 1;
        self.busiest = self.busiest.max(self.taken);
    }

    /// Gives free places to those who wait.
    fn admit(&mut self) {
        while self.taken < self.allowed
            && let Some((_, called)) = self.queue.pop_front()
        {
            self.take();
            called.notify_one();
        }
    }

    /// An answer: a place more for each one up to where it last fell, where the server was content before, and from there
    /// on after as many as there are places. Places nobody takes prove nothing.
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

    /// Counted from the most that were in flight: at this very moment there may be fewer by chance.
    fn fall(&mut self) {
        self.fell_from = self.allowed.min(self.busiest);
        self.allowed = (self.fell_from * LEFT_IN_TENTHS / 10).max(1);
        self.busiest = self.taken;
        self.credit = 0;
        self.falls += 1;
    }
}

impl Place<'_> {
    /// The server answered, be it with a refusal: it has room for this many requests.
    pub(super) fn record_response(mut self) {
        let mut state = self.admission.lock();
        state.grow(self.admission.most);
        if std::mem::take(&mut self.held) {
            state.taken -= 1;
        }
        state.admit();
    }

    /// The server asked to slow down. A request without a place says nothing about their number.
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

    /// Whether it is the only one left: kept while its request waits.
    pub(super) fn is_last(&self) -> bool {
        self.held && self.admission.allowed() == 1
    }

    /// The same place for the request's next attempt, unless there are too many now.
    pub(super) fn again(mut self) -> Option<Self> {
        let state = self.admission.lock();
        if !self.held || state.taken > state.allowed {
            return None;
        }
        self.falls = state.falls;
        drop(state);
        Some(self)
    }

    /// Gives the place back; what becomes of the request can still be told.
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
