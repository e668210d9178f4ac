//! Time and randomness as arguments: whatever waits, expires or jitters asks a [`Clock`], so that tests decide.
use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

/// The wall clock, a way to wait, and a source of jitter.
pub trait Clock: Debug + Send + Sync {
    /// The time of day, used for signatures and expiry.
    fn now(&self) -> SystemTime;
    /// A clock that never goes back, used for deadlines.
    fn instant(&self) -> Instant;
    /// Blocks the thread for `wait`.
    fn sleep(&self, wait: Duration);
    /// 64 random bits, for jitter and unique names; not for secrets.
    fn random(&self) -> u64;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
    fn instant(&self) -> Instant {
        Instant::now()
    }
    fn sleep(&self, wait: Duration) {
        std::thread::sleep(wait);
    }
    // The standard library seeds each `RandomState` anew from the system's entropy: good enough to spread retries
    // and to name temporary things, without a dependency.
    fn random(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}
