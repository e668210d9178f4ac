//! Time and randomness as arguments. All code that waits, expires or jitters uses a [`Clock`], so
//! that tests can control it.
#[cfg(feature = "client")]
use crate::time::Timestamp;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The difference in seconds between the clocks of client and server that AWS allows: S3 in
/// `RequestTimeTooSkewed` (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>),
/// STS in its messages ("15 min.").
#[cfg(feature = "client")]
const SKEW_ALLOWED: u64 = 900;

/// The maximum difference in seconds between a server's clock and this machine's; a larger one is
/// ignored. A machine whose clock does not have a battery starts at the date of its firmware, which
/// is a few years old; a difference of a decade is a fault of the server, and signatures for such a
/// time would be valid for that long.
#[cfg(feature = "client")]
const MAX_CLOCK_OFFSET: u64 = 5 * 366 * 24 * 60 * 60;

/// Returns whether a server's clock may be right, although it differs from `own`.
#[cfg(feature = "client")]
pub(crate) const fn is_believable(own: Timestamp, server: Timestamp) -> bool {
    server.unix().abs_diff(own.unix()) <= MAX_CLOCK_OFFSET
}

/// Returns whether a server's clock differs from the time of a signature by more than AWS allows,
/// but may still be right.
#[cfg(feature = "client")]
pub(crate) const fn is_skewed(signed_at: Timestamp, server: Timestamp) -> bool {
    server.unix().abs_diff(signed_at.unix()) > SKEW_ALLOWED && is_believable(signed_at, server)
}

/// The wall clock, a way to wait, and a source of jitter.
pub trait Clock: Debug + Send + Sync {
    /// Returns the time of day, which is used for signatures and expiry.
    fn now(&self) -> SystemTime;

    /// Returns the time of a clock that never goes backwards, which is used for deadlines.
    fn instant(&self) -> Instant;

    /// Blocks the thread for `wait`.
    fn sleep(&self, wait: Duration);

    /// Returns 64 random bits for jitter and unique names. They are not suitable for secrets.
    fn random(&self) -> u64;

    /// Returns a random duration between zero and `bound`.
    fn jitter(&self, bound: Duration) -> Duration {
        // Neither the product nor the quotient can overflow: a duration has fewer than 2^94
        // nanoseconds.
        let part = bound.as_nanos() * u128::from(self.random() >> 32) / u128::from(u32::MAX);
        let nanos = u32::try_from(part % NANOS_PER_SECOND).unwrap_or(0);
        Duration::new(u64::try_from(part / NANOS_PER_SECOND).unwrap_or(u64::MAX), nanos)
    }
}

/// The clock of this machine.
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

    // The standard library seeds each `RandomState` from the system's entropy. That is sufficient
    // for jitter and for the names of temporary objects, and does not require a dependency.
    fn random(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(u64);

    impl Clock for Fixed {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }
        fn instant(&self) -> Instant {
            Instant::now()
        }
        fn sleep(&self, _: Duration) {}
        fn random(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn jitter_is_a_fraction_of_its_bound() {
        for bound in
            [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(100), Duration::MAX]
        {
            let parts =
                [0, 1 << 32, 1 << 62, 1 << 63, u64::MAX].map(|random| Fixed(random).jitter(bound));
            assert!(parts.is_sorted(), "{parts:?}");
            assert_eq!((parts[0], parts[4]), (Duration::ZERO, bound));
        }
        let clock: &dyn Clock = &Fixed(u64::MAX / 4);
        assert_eq!(clock.jitter(Duration::from_secs(4)).as_millis(), 999);
    }
}
