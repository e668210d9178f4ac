//! Chooses how many ranges to fetch at the same time, based on the observed speed.
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// The number of bytes after which the speed of the first connection is evaluated. Readers of less
/// only use one request.
const PROBE: u64 = 1 << 20;

/// A sufficient speed, in bytes per second of waiting: if the first connection is this fast, no
/// second one is opened. S3 sends 80 to 100 MB/s on a connection.
const ENOUGH: u64 = 256 << 20;

/// The initial number of concurrent ranges.
const FIRST: usize = 4;

/// The minimum number of concurrent ranges: with fewer, the next request would wait for the end of
/// the previous one.
const FEWEST: usize = 2;

/// The factor by which doubling the number of ranges must raise the speed; otherwise, the link is
/// already saturated.
const WORTH: f64 = 1.25;

/// Measurements of the first connection of a reader.
#[derive(Debug, Default)]
pub(super) struct Probe {
    bytes: u64,
    waited: Duration,
}

impl Probe {
    /// Records that bytes arrived after a wait. Returns the speed in bytes per second, once it is
    /// clear that the reader waits for the network.
    ///
    /// Only the reader's waiting time counts: a slow reader finds the bytes already received.
    pub(super) fn came(&mut self, bytes: usize, after: Duration) -> Option<f64> {
        self.bytes += bytes as u64;
        self.waited += after;
        if self.bytes < PROBE {
            return None;
        }
        let Self { bytes, waited } = std::mem::take(self);
        let rate = bytes as f64 / waited.as_secs_f64().max(f64::EPSILON);
        (rate < ENOUGH as f64).then_some(rate)
    }
}

/// The slower side while a range was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bottleneck {
    /// The reader: the bytes had arrived before it wanted them.
    #[default]
    Reader,
    /// The network: the reader waited for bytes.
    Network,
}

/// The choice of the number of concurrent ranges, round by round. A round consists of as many
/// ranges as there are concurrent ones.
#[derive(Debug)]
pub(super) struct Pace {
    most: usize,
    /// The speed in bytes per second before the number was last raised.
    before: f64,
    begun: Instant,
    ranges: usize,
    bytes: u64,
    bottleneck: Bottleneck,
}

impl Pace {
    /// Creates a pace that follows a connection with `rate` bytes per second.
    pub(super) fn new(most: NonZeroUsize, rate: f64, now: Instant) -> Self {
        Self {
            most: most.get(),
            before: rate,
            begun: now,
            ranges: 0,
            bytes: 0,
            bottleneck: Bottleneck::Reader,
        }
    }

    /// Returns the initial number of concurrent ranges.
    pub(super) fn first(&self) -> usize {
        FIRST.min(self.most)
    }

    /// Records that another range was read to its end while `window` of them were being fetched.
    /// Returns the new number of concurrent ranges.
    pub(super) fn read(
        &mut self,
        bytes: u64,
        bottleneck: Bottleneck,
        window: usize,
        now: Instant,
    ) -> usize {
        self.ranges += 1;
        self.bytes += bytes;
        if bottleneck == Bottleneck::Network {
            self.bottleneck = Bottleneck::Network;
        }
        if self.ranges < window {
            return window;
        }
        let rate = self.bytes as f64
            / now.saturating_duration_since(self.begun).as_secs_f64().max(f64::EPSILON);
        let next = match self.bottleneck {
            // The reader is the slower side, so the memory is wasted. If that changes, a larger
            // number is tried again.
            Bottleneck::Reader => {
                self.before = 0.0;
                (window - 1).max(FEWEST)
            }
            Bottleneck::Network if rate > self.before * WORTH => {
                self.before = rate;
                window * 2
            }
            Bottleneck::Network => window,
        };
        (self.begun, self.ranges, self.bytes, self.bottleneck) = (now, 0, 0, Bottleneck::Reader);
        next.min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Returns the number of ranges in each of `rounds` rounds, on a line with `rate(window)` bytes
    /// per second and this bottleneck.
    fn windows(rounds: usize, bottleneck: Bottleneck, rate: impl Fn(usize) -> f64) -> Vec<usize> {
        let mut now = Instant::now();
        let mut pace = Pace::new(NonZeroUsize::new(20).expect("not zero"), rate(1), now);
        let mut window = pace.first();
        let mut seen = vec![window];
        for _ in 0..rounds {
            for _ in 0..window {
                now += Duration::from_secs_f64(4.0 * MIB as f64 / rate(window));
                let next = pace.read(4 * MIB, bottleneck, window, now);
                if next != window {
                    window = next;
                    break;
                }
            }
            seen.push(window);
        }
        seen
    }

    #[test]
    fn more_ranges_are_fetched_while_more_bring_more() {
        assert_eq!(
            windows(4, Bottleneck::Network, |window| window as f64 * 80e6),
            [4, 8, 16, 20, 20]
        );
        assert_eq!(
            windows(3, Bottleneck::Network, |_| 12e6),
            [4, 4, 4, 4],
            "the line is full with one"
        );
        assert_eq!(
            windows(4, Bottleneck::Network, |window| (window as f64 * 80e6).min(500e6)),
            [4, 8, 16, 16, 16]
        );
    }

    #[test]
    fn a_slow_reader_holds_ever_less() {
        assert_eq!(windows(4, Bottleneck::Reader, |_| 80e6), [4, 3, 2, 2, 2]);
    }

    #[test]
    fn one_connection_is_judged_by_what_it_kept_waiting_for() {
        let mut probe = Probe::default();
        assert_eq!(
            probe.came(MIB as usize - 1, Duration::from_secs(1)),
            None,
            "too few bytes to tell"
        );
        assert!(probe.came(1, Duration::ZERO).is_some_and(|rate| rate > 1e6), "slow");
        assert_eq!(probe.came(MIB as usize, Duration::from_millis(1)), None, "fast");
        assert_eq!(probe.came(MIB as usize, Duration::ZERO), None, "the reader is slower");
    }
}
