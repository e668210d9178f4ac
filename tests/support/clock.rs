//! A clock that is wrong.

use s3driver::clock::{Clock, SystemClock};
use std::time::{Duration, Instant, SystemTime};

/// A clock that is slow by this much, and runs at the normal speed.
#[derive(Debug)]
pub struct Slow(pub Duration);

impl Clock for Slow {
    fn now(&self) -> SystemTime {
        SystemClock.now() - self.0
    }
    fn instant(&self) -> Instant {
        SystemClock.instant()
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}
