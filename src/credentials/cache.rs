//! A cache that renews keys before they expire, with one refresh at a time.
//!
//! ```text
//!                    fetched                  refresh due                     expires
//!   no keys ------------|-------- fresh -----------|-------- still valid --------|---- expired -->
//!   threads wait for          keys are returned       keys are returned, and      threads wait for
//!   the one refresh                                   one refresh runs in the     the one refresh
//!                                                     background
//! ```
//!
//! A failed refresh is repeated only after a pause. During the pause the cache returns the keys it
//! holds, or the previous error if it holds none.

use super::{Context, Lease, Provider, Source, Unavailable};
use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result, catch_panic};
use crate::observe::{CredentialsEvent, Event, Observers, Warning};
use crate::sync;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long before their expiry keys are renewed, unless their lifetime is less than four times as
/// long. The metadata service supplies new keys at least five minutes before the old ones expire.
const LEAD: Duration = Duration::from_secs(5 * 60);

/// Keys with a shorter lifetime are renewed when this fraction of it remains.
const LEAD_PART: u32 = 4;

/// The shortest interval between two refreshes while keys are held, regardless of their lifetime
/// and of the server's responses.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// How long keys are used that had already expired when they were fetched. The metadata service
/// returns such keys during an outage, and AWS accepts them then.
const EXPIRED_INTERVAL: Duration = Duration::from_secs(60);

/// The pause after the first failure. It doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between failing refreshes. It is well below [`LEAD`], so that several attempts
/// fit before the keys expire.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The longest pause while no keys are valid. It is short because every operation fails until the
/// outage is over.
const LONGEST_PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(2);

/// How long a thread without keys waits for another thread's refresh. This crate's sources finish
/// sooner; the limit is for sources outside of this crate.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// How often a waiting thread checks for cancellation.
const SLICE: Duration = Duration::from_millis(200);

/// A [`Provider`] that caches the keys of a [`Source`]. It renews them before they expire, in a
/// background thread and with one refresh at a time. A thread waits only while there are no valid
/// keys. Clones are cheap and share the keys.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    source: Box<dyn Source>,
    clock: Arc<dyn Clock>,
    observers: Observers,
    state: Mutex<State>,
    /// Signalled when a refresh ends.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    held: Option<HeldKeys>,
    refreshing: bool,
    failure: Option<Failures>,
}

/// The keys that the cache holds.
struct HeldKeys {
    lease: Arc<Lease>,
    fetched: Instant,
    refresh_at: Option<SystemTime>,
    /// Whether the keys had expired, or nearly so, when they were fetched.
    expired_on_arrival: bool,
}

/// The failures since the last successful refresh.
struct Failures {
    reason: Unavailable,
    count: u32,
    pause_ends: Instant,
}

impl Cache {
    /// Creates an empty cache. The first request fetches the keys.
    pub fn new(source: impl Source + 'static, context: &Context) -> Self {
        Self(Arc::new(Inner {
            source: Box::new(source),
            clock: Arc::clone(context.clock()),
            observers: context.observers().clone(),
            state: Mutex::default(),
            ended: Condvar::new(),
        }))
    }

    /// Returns the reason why the latest refresh failed, or `None` if it succeeded.
    pub fn last_failure(&self) -> Option<String> {
        self.0.lock().failure.as_ref().map(|failed| failed.reason.to_string())
    }
}

impl Provider for Cache {
    fn credentials(&self) -> Result<Arc<Lease>> {
        self.current(None)
    }

    fn credentials_until(&self, cancel: &Cancel) -> Result<Arc<Lease>> {
        self.current(Some(cancel))
    }

    fn refresh(&self, used: &Lease) -> Result<bool> {
        self.replace(used, None)
    }

    fn refresh_until(&self, used: &Lease, cancel: &Cancel) -> Result<bool> {
        self.replace(used, Some(cancel))
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("source", &self.0.source).finish_non_exhaustive()
    }
}

impl Cache {
    fn current(&self, cancel: Option<&Cancel>) -> Result<Arc<Lease>> {
        let inner = &*self.0;
        let mut state = inner.lock();
        loop {
            let now = inner.clock.now();
            if let Some(held) = state.held.as_ref().filter(|held| held.is_usable(now)) {
                let lease = Arc::clone(&held.lease);
                if held.is_due(now) && !state.refreshing && !state.pauses(inner.clock.instant()) {
                    Inner::begin(state);
                    Inner::run_in_thread(&self.0);
                }
                return Ok(lease);
            }
            state = self.wait(state, cancel)?;
        }
    }

    fn replace(&self, used: &Lease, cancel: Option<&Cancel>) -> Result<bool> {
        let inner = &*self.0;
        let mut state = inner.lock();
        let mut asked = false;
        loop {
            match &state.held {
                Some(held) if !same_keys(&held.lease, used) => return Ok(true),
                // These keys were fetched a moment ago: fetching again would return the same ones.
                Some(held)
                    if !asked && inner.clock.instant() < held.fetched + SHORTEST_INTERVAL =>
                {
                    return Ok(false);
                }
                _ => {}
            }
            if asked && !state.refreshing && !state.pauses(inner.clock.instant()) {
                return Ok(false);
            }
            state = self.wait(state, cancel)?;
            asked = true;
        }
    }

    /// Waits for the current refresh. If there is none, starts one, unless the latest refresh has
    /// just failed.
    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        cancel: Option<&Cancel>,
    ) -> Result<MutexGuard<'a, State>> {
        let inner = &*self.0;
        if state.refreshing {
            return inner.wait(state, cancel);
        }

        if state.pauses(inner.clock.instant()) {
            return Err(inner.error(&state));
        }

        Inner::begin(state);
        match cancel {
            // A source cannot be interrupted, but waiting for it can.
            Some(_) => {
                Inner::run_in_thread(&self.0);
                inner.wait(inner.lock(), cancel)
            }
            None => {
                inner.run();
                Ok(inner.lock())
            }
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that may panic runs under the lock.
        sync::lock(&self.state)
    }

    /// Marks a refresh as running and releases the lock, which is not held while the source is
    /// called.
    fn begin(mut state: MutexGuard<'_, State>) {
        state.refreshing = true;
    }

    /// Calls the source in this thread. A panic of the source counts as a failure.
    fn run(&self) {
        let guard = RefreshGuard(self);
        let began = (!self.observers.are_absent()).then(Instant::now);
        let outcome = catch_panic("the source", || Ok(self.source.fetch()));
        let outcome = outcome.unwrap_or_else(|panic| Err(Unavailable::failed(panic.message())));
        let ended = began.map(|began| Ended::new(&outcome, began.elapsed()));
        let warning =
            catch_panic("the clock", || Ok(self.finish(outcome))).unwrap_or_else(|panic| {
                let pause_ends = Instant::now() + FIRST_PAUSE;
                let reason = Unavailable::failed(panic.message());
                self.lock().failure = Some(Failures { reason, count: 1, pause_ends });
                None
            });
        drop(guard);
        if let Some(ended) = ended {
            self.observers.emit(&Event::Credentials(&ended.event(self.source.name())));
        }
        if let Some(warning) = warning {
            self.observers.emit(&Event::Credentials(&CredentialsEvent::Warning(&warning)));
        }
    }

    /// Calls the source in a new thread, or in this one if the system has no more threads.
    fn run_in_thread(inner: &Arc<Self>) {
        let owned = Arc::clone(inner);
        let thread = thread::Builder::new().name("s3driver-credentials".to_owned());
        if thread.spawn(move || owned.run()).is_err() {
            inner.run();
        }
    }

    /// Waits for the current refresh, until it ends or the caller cancels.
    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        cancel: Option<&Cancel>,
    ) -> Result<MutexGuard<'a, State>> {
        let began = Instant::now();
        while state.refreshing {
            if cancel.is_some_and(Cancel::is_cancelled) {
                let text = "cancelled by the caller while waiting for credentials";
                return Err(Error::new(ErrorKind::Cancelled, text));
            }
            if began.elapsed() >= LONGEST_WAIT {
                let seconds = LONGEST_WAIT.as_secs();
                let name = self.source.name();
                let text = format!("{name} returned no credentials within {seconds} s");
                return Err(Error::new(ErrorKind::Credentials, text));
            }
            state = sync::wait_timeout(&self.ended, state, SLICE);
        }

        Ok(state)
    }

    fn error(&self, state: &State) -> Error {
        let reason =
            state.failure.as_ref().map_or("the refresh failed", |failed| failed.reason.reason());
        Error::new(
            ErrorKind::Credentials,
            format!("no credentials from {}: {reason}", self.source.name()),
        )
    }

    /// Records the outcome of a refresh, and returns the warning to report, if any.
    fn finish(&self, outcome: Result<Lease, Unavailable>) -> Option<Warning> {
        let (now, instant) = (self.clock.now(), self.clock.instant());
        let mut state = self.lock();
        match outcome {
            Ok(lease) => {
                let held = HeldKeys::new(lease, now, instant);
                let expired = held.lease.expires.filter(|_| held.expired_on_arrival);
                state.held = Some(held);
                state.failure = None;
                expired.map(|expires| Warning::ExpiredOnArrival { expires })
            }
            Err(reason) => {
                let count =
                    state.failure.as_ref().map_or(0, |failed| failed.count).saturating_add(1);
                let usable = state.held.as_ref().filter(|held| held.is_usable(now));
                let longest =
                    if usable.is_some() { LONGEST_PAUSE } else { LONGEST_PAUSE_WITHOUT_KEYS };
                let pause = FIRST_PAUSE.saturating_mul(1 << (count - 1).min(16)).min(longest);
                // Once the keys have expired, the source may have a better answer than this error.
                let left = usable.and_then(|held| held.lease.expires?.duration_since(now).ok());
                let pause = left.map_or(pause, |left| pause.min(left));
                // Half of the pause is random, so that many machines do not retry at the same
                // moment.
                let pause_ends = instant + pause / 2 + self.clock.jitter(pause / 2);
                let warning = usable.map(|held| Warning::RefreshFailed {
                    reason: reason.to_string(),
                    expires: held.lease.expires,
                });
                state.failure = Some(Failures { reason, count, pause_ends });
                warning
            }
        }
    }
}

impl State {
    fn pauses(&self, now: Instant) -> bool {
        self.failure.as_ref().is_some_and(|failed| now < failed.pause_ends)
    }
}

impl HeldKeys {
    fn new(lease: Lease, now: SystemTime, fetched: Instant) -> Self {
        let lifetime = lease.expires.map(|expires| expires.duration_since(now).unwrap_or_default());
        let expired_on_arrival = lifetime.is_some_and(|lifetime| lifetime < SHORTEST_INTERVAL);
        let wait = lifetime.map(|lifetime| {
            if expired_on_arrival {
                EXPIRED_INTERVAL
            } else {
                (lifetime - LEAD.min(lifetime / LEAD_PART)).max(SHORTEST_INTERVAL)
            }
        });
        Self {
            lease: Arc::new(lease),
            fetched,
            // Keys whose expiry lies beyond the range of the clock are never renewed.
            refresh_at: wait.and_then(|wait| now.checked_add(wait)),
            expired_on_arrival,
        }
    }

    fn is_usable(&self, now: SystemTime) -> bool {
        self.expired_on_arrival || self.lease.expires.is_none_or(|expires| now < expires)
    }

    fn is_due(&self, now: SystemTime) -> bool {
        self.refresh_at.is_some_and(|at| now >= at)
    }
}

/// How a refresh ended, for the observers.
struct Ended {
    outcome: Result<Option<SystemTime>, String>,
    took: Duration,
}

impl Ended {
    fn new(outcome: &Result<Lease, Unavailable>, took: Duration) -> Self {
        let outcome = outcome.as_ref().map(|lease| lease.expires).map_err(ToString::to_string);
        Self { outcome, took }
    }

    fn event<'e>(&'e self, source: &'e str) -> CredentialsEvent<'e> {
        let took = self.took;
        match &self.outcome {
            Ok(expires) => CredentialsEvent::Refreshed { source, expires: *expires, took },
            Err(reason) => CredentialsEvent::Failed { source, reason, took },
        }
    }
}

/// A running refresh. Dropping it wakes the waiting threads, even if the refreshing thread panics.
/// No code of the caller runs here, so that one panic cannot cause another.
struct RefreshGuard<'a>(&'a Inner);

impl Drop for RefreshGuard<'_> {
    fn drop(&mut self) {
        self.0.lock().refreshing = false;
        self.0.ended.notify_all();
    }
}

/// Reports whether two leases hold the same keys. Renewed credentials may have the same access key
/// and differ only in the session token.
fn same_keys(a: &Lease, b: &Lease) -> bool {
    fn identity(lease: &Lease) -> Option<(&str, Option<&str>)> {
        lease.credentials.as_ref().map(|keys| (keys.access_key_id(), keys.session_token()))
    }
    identity(a) == identity(b)
}
