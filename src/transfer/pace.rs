//! Chooses how many connections a transfer uses at the same time, based on the observed speed.
//!
//! A transfer begins with few connections. More are tried while its caller waits for the network,
//! and kept only if they increase the throughput; otherwise the transfer returns to the earlier
//! number. Another trial follows once the transfer has moved twice as many bytes.
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// The number of bytes after which the speed of the first connection is evaluated. Readers of less
/// only use one request.
const PROBE: u64 = 1 << 20;

/// The time for which a reader must have waited before the speed of its connection is evaluated:
/// several time slices, because a thread that waits for the processor seems to wait for the
/// network.
const PROBE_WAIT: Duration = Duration::from_millis(20);

/// The number of bytes after which a measurement begins again: earlier ones no longer matter.
const PROBE_END: u64 = 32 << 20;

/// The part of the elapsed time that a reader must have waited: one in four. With less, any number
/// of connections could save only a quarter of the time.
const WAITING: u32 = 4;

/// A sufficient speed, in bytes per second of waiting: if one connection is this fast, no second
/// one is opened. S3 sends 80 to 100 MB/s on a connection.
const ENOUGH: f64 = (256_u64 << 20) as f64;

/// The number of concurrent ranges that follow a reader's first connection.
const FIRST_RANGES: usize = 4;

/// The minimum number of concurrent ranges: with fewer, the next request would wait for the end of
/// the previous one. A reader that does not need two continues with one connection.
const FEWEST_RANGES: usize = 2;

/// The number of parts that a writer sends at the same time at first.
const FIRST_PARTS: usize = 2;

/// The number of parts that a writer sends at the same time if its first part takes longer than
/// [`first_wait`].
const FIRST_PARTS_IF_SLOW: usize = 4;

/// The gain that a trial must bring if it doubles the number of connections: a quarter. If it adds
/// fewer, the gain may be proportionally smaller.
const WORTH: f64 = 0.25;

/// The gain that a writer's first trial must bring if it doubles the number of connections. It is
/// larger than [`WORTH`], because the round before it includes the setup of connections, which
/// makes that round seem slow.
const WORTH_AFTER_SETUP: f64 = 0.5;

/// The minimum duration of a round. A shorter measurement would depend on chance.
const ROUND: Duration = Duration::from_millis(50);

/// The minimum number of bytes between two trials.
const REST: u64 = 64 << 20;

/// Measurements of a single connection that a reader reads in order.
#[derive(Debug, Default)]
pub(super) struct Probe {
    bytes: u64,
    waited: Duration,
    begun: Option<Instant>,
    /// The number of bytes before the next measurement begins.
    rest: u64,
}

impl Probe {
    /// Creates a probe for a reader that returned to one connection after `bytes` bytes.
    pub(super) fn after(bytes: u64) -> Self {
        Self { rest: bytes.max(REST), ..Self::default() }
    }

    /// Records bytes that arrived at `now`, after a wait. Returns the speed in bytes per second
    /// once it is clear that the connection is slower than its reader.
    ///
    /// Only the reader's waiting time is evaluated: a slow reader finds the bytes already received.
    pub(super) fn came(&mut self, bytes: usize, waited: Duration, now: Instant) -> Option<f64> {
        let bytes = bytes as u64;
        if self.rest > 0 {
            self.rest = self.rest.saturating_sub(bytes);
            return None;
        }
        let begun = *self.begun.get_or_insert_with(|| now.checked_sub(waited).unwrap_or(now));
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
        let is_long = self.bytes >= PROBE && self.waited >= PROBE_WAIT;
        if !is_long && self.bytes < PROBE_END {
            return None;
        }
        let Self { bytes, waited, .. } = std::mem::take(self);
        let elapsed = now.saturating_duration_since(begun);
        let is_slow = per_second(bytes, waited) < ENOUGH;
        (is_slow && waited.saturating_mul(WAITING) >= elapsed).then(|| per_second(bytes, elapsed))
    }
}

/// The slower side while a piece was transferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bottleneck {
    /// The caller: it did not have to wait.
    #[default]
    Caller,
    /// The network: the caller waited for it.
    Network,
}

/// The choice of the number of connections, round by round.
///
/// A round of ranges consists of at least as many ranges as there are connections, and its speed is
/// that at which the reader received them. A round of parts consists of at least half as many
/// parts, of those that began in it, because earlier ones were sent by another number of
/// connections. Its speed is the mean speed of these parts, multiplied by the mean number of parts
/// that were being sent: memory or the caller may permit fewer parts than connections.
#[derive(Debug)]
pub(super) struct Pace {
    fewest: usize,
    most: usize,
    /// The speed with one connection, in bytes per second, if it is an alternative.
    alone: Option<f64>,
    trial: Option<Trial>,
    /// The beginning of the round; `None` before the first piece was transferred.
    begun: Option<Instant>,
    /// Whether the round includes the setup of connections.
    includes_setup: bool,
    pieces: usize,
    bytes: u64,
    /// The sum of the times that the pieces took.
    time: Duration,
    /// The sum of the numbers of pieces that were being transferred at the end of each piece.
    concurrent: usize,
    bottleneck: Bottleneck,
    /// The total number of bytes so far.
    total: u64,
    /// The total from which on another trial is permitted.
    next_trial: u64,
}

/// A range or a part that was transferred.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) bytes: u64,
    /// When it was begun. This only matters for parts.
    pub(super) begun: Instant,
    pub(super) now: Instant,
    /// The number of pieces that were being transferred, with this one. This only matters for
    /// parts.
    pub(super) concurrent: usize,
}

/// More connections that are being tried.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// The number of connections before.
    from: usize,
    /// The speed before, in bytes per second.
    rate: f64,
    /// The gain that is required if the number of connections doubles.
    worth: f64,
}

impl Pace {
    /// Creates the pace of ranges that are tried after a single connection with `rate` bytes per
    /// second. Once [`Pace::after`] returns 1, that connection is sufficient again.
    pub(super) fn of_ranges(most: NonZeroUsize, rate: f64, now: Instant) -> Self {
        Self {
            alone: Some(rate),
            trial: Some(Trial { from: 1, rate, worth: WORTH }),
            begun: Some(now),
            includes_setup: false,
            ..Self::new(FEWEST_RANGES, most)
        }
    }

    /// Creates the pace of a writer's parts. The first round begins with the first part.
    pub(super) fn of_parts(most: NonZeroUsize) -> Self {
        Self::new(FIRST_PARTS, most)
    }

    fn new(fewest: usize, most: NonZeroUsize) -> Self {
        Self {
            fewest: fewest.min(most.get()),
            most: most.get(),
            alone: None,
            trial: None,
            begun: None,
            includes_setup: true,
            pieces: 0,
            bytes: 0,
            time: Duration::ZERO,
            concurrent: 0,
            bottleneck: Bottleneck::Caller,
            total: 0,
            next_trial: 0,
        }
    }

    /// Returns the initial number of connections.
    pub(super) fn first(&self) -> usize {
        match self.alone {
            Some(_) => FIRST_RANGES.min(self.most),
            None => self.fewest,
        }
    }

    /// Returns whether no piece has been transferred yet.
    pub(super) const fn is_new(&self) -> bool {
        self.begun.is_none()
    }

    /// Returns the number of connections once the caller has waited for [`first_wait`].
    pub(super) fn if_slow(&self) -> usize {
        FIRST_PARTS_IF_SLOW.min(self.most)
    }

    /// Records that another piece was transferred while `window` connections were permitted.
    /// Returns the new number of connections.
    pub(super) fn after(&mut self, piece: Piece, bottleneck: Bottleneck, window: usize) -> usize {
        let Piece { bytes, begun, now, concurrent } = piece;
        self.total = self.total.saturating_add(bytes);
        if bottleneck == Bottleneck::Network {
            self.bottleneck = Bottleneck::Network;
        }
        let is_part = self.alone.is_none();
        let round = *self.begun.get_or_insert(begun);
        if is_part && begun < round && !self.includes_setup {
            return window;
        }
        self.pieces = self.pieces.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.time = self.time.saturating_add(now.saturating_duration_since(begun));
        self.concurrent = self.concurrent.saturating_add(concurrent);
        let elapsed = now.saturating_duration_since(round);
        let needed = match is_part {
            true if self.includes_setup => self.fewest,
            true => window.div_ceil(2).max(self.fewest),
            false => window,
        };
        if self.pieces < needed || elapsed < ROUND {
            return window;
        }
        let rate = match is_part {
            true => per_second(self.bytes, self.time) * self.concurrent as f64 / self.pieces as f64,
            false => per_second(self.bytes, elapsed),
        };
        let next = self.next(rate, window);
        self.begun = Some(now);
        (self.pieces, self.bytes, self.time, self.concurrent) = (0, 0, Duration::ZERO, 0);
        self.includes_setup = false;
        self.bottleneck = Bottleneck::Caller;
        next
    }

    /// Returns the number of connections after a round with this speed.
    fn next(&mut self, rate: f64, window: usize) -> usize {
        // Without enough memory, the number is smaller than the one that was to be tried.
        let trial = self.trial.take().filter(|trial| window > trial.from);
        if self.alone.is_some() && rate >= ENOUGH * window as f64 {
            // Each connection is faster than the first one was: its measurement was disturbed.
            return 1;
        }
        if self.bottleneck == Bottleneck::Caller {
            // The memory is wasted. If the caller becomes faster, a larger number is tried again.
            let suffices_alone = self.alone.is_some_and(|alone| rate <= alone);
            return match window > self.fewest {
                true => window - 1,
                false if suffices_alone => 1,
                false => window,
            };
        }
        if let Some(trial) = trial
            && rate < trial.sufficient_rate(window)
        {
            self.next_trial = self.total.saturating_add(self.total.max(REST));
            return trial.from;
        }
        if window >= self.most || self.total < self.next_trial {
            return window;
        }
        let worth = if self.includes_setup { WORTH_AFTER_SETUP } else { WORTH };
        self.trial = Some(Trial { from: window, rate, worth });
        let double = window.saturating_mul(2);
        // A step to most of the maximum goes to the maximum, which saves a round.
        if double.saturating_add(window) > self.most { self.most } else { double }
    }
}

impl Trial {
    /// Returns the speed that justifies `window` connections, in bytes per second.
    fn sufficient_rate(&self, window: usize) -> f64 {
        let increase = window as f64 / self.from as f64 - 1.0;
        self.rate * (1.0 + self.worth * increase.min(1.0))
    }
}

/// Returns how long a writer waits before it sends more parts of this size at the same time,
/// although none has been sent so far: for as long as a connection that is fast enough takes for
/// one.
pub(super) fn first_wait(part_size: u64) -> Duration {
    Duration::from_secs_f64(part_size as f64 / ENOUGH)
}

/// Returns whether a connection is so fast that the processor limits the throughput, not the
/// network, after it has moved `bytes` in this time. Then, more connections than processors do not
/// help. Returns `None` after too few bytes.
pub(super) fn is_limited_by_processor(bytes: u64, time: Duration) -> Option<bool> {
    (bytes >= PROBE).then(|| per_second(bytes, time) >= ENOUGH)
}

fn per_second(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const TWENTY: NonZeroUsize = NonZeroUsize::new(20).expect("not zero");
    const SIXTEEN: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

    /// Returns the number of connections in each of `rounds` rounds with pieces of this size, on a
    /// line with `rate(window)` bytes per second.
    fn windows(
        mut pace: Pace,
        piece: u64,
        begun: Instant,
        rounds: usize,
        round: impl Fn(usize, usize) -> (f64, Bottleneck),
    ) -> Vec<usize> {
        let mut now = begun;
        let mut seen = vec![pace.first()];
        while seen.len() <= rounds {
            let window = *seen.last().expect("a round");
            if window == 1 {
                break;
            }
            let (rate, bottleneck) = round(seen.len() - 1, window);
            let next = loop {
                let round = pace.begun;
                let apart = Duration::from_secs_f64(piece as f64 / rate);
                now += apart;
                let begun = now - apart * u32::try_from(window).expect("few");
                let piece = Piece { bytes: piece, begun, now, concurrent: window };
                let next = pace.after(piece, bottleneck, window);
                if round.is_some() && pace.begun != round {
                    break next;
                }
                assert_eq!(next, window, "a number changes only at the end of a round");
            };
            seen.push(next);
        }
        seen
    }

    fn ranges(rounds: usize, bottleneck: Bottleneck, rate: impl Fn(usize) -> f64) -> Vec<usize> {
        let now = Instant::now();
        let pace = Pace::of_ranges(TWENTY, rate(1), now);
        windows(pace, 4 * MIB, now, rounds, |_, window| (rate(window), bottleneck))
    }

    fn parts(rounds: usize, rate: impl Fn(usize) -> f64) -> Vec<usize> {
        let now = Instant::now();
        let pace = Pace::of_parts(SIXTEEN);
        let round = |_, window| (rate(window), Bottleneck::Network);
        windows(pace, 10 * MIB, now, rounds, round)
    }

    #[test]
    fn connections_are_added_while_they_increase_the_throughput() {
        use Bottleneck::Network;
        assert_eq!(ranges(4, Network, |window| window as f64 * 80e6), [4, 8, 20, 20, 20]);
        assert_eq!(ranges(4, Network, |_| 12e6), [4, 1], "one connection fills the line");
        let up_to = |limit: f64| move |window: usize| (window as f64 * 80e6).min(limit);
        assert_eq!(ranges(7, Network, up_to(500e6)), [4, 8, 20, 8, 8, 8, 8, 20]);
        assert_eq!(ranges(4, Network, up_to(90e6)), [4, 1]);
        assert_eq!(ranges(3, Network, up_to(350e6)), [4, 8, 4, 4]);
        assert_eq!(parts(5, up_to(1e12)), [2, 4, 8, 16, 16, 16]);
        assert_eq!(parts(5, up_to(500e6)), [2, 4, 8, 16, 8, 8]);
        assert_eq!(parts(3, |_| 1e9), [2, 4, 2, 2], "more do not help");
    }

    /// The first parts of a writer take 0.15 s of setup and 0.1 s each on a full line, whose speed
    /// does not depend on the number of connections.
    #[test]
    fn the_setup_of_connections_does_not_make_a_trial_successful() {
        let begun = Instant::now();
        let mut pace = Pace::of_parts(TWENTY);
        assert!(pace.is_new());
        let mut window = pace.if_slow();
        let mut seen = vec![window];
        let (mut begins, mut setup) = (0, 150);
        for _ in 0..3 {
            // The parts that begin together share the line and end together.
            let parts = window;
            let ends = begins + setup + 100 * parts as u64;
            for _ in 0..parts {
                let at = |millis| begun + Duration::from_millis(millis);
                let (begun, now) = (at(begins), at(ends));
                let piece = Piece { bytes: 10 * MIB, begun, now, concurrent: parts };
                window = pace.after(piece, Bottleneck::Network, window);
            }
            seen.push(window);
            (begins, setup) = (ends, 0);
        }
        assert!(!pace.is_new());
        assert_eq!(seen, [4, 8, 4, 4]);
    }

    #[test]
    fn a_slow_first_part_permits_more_but_not_more_than_the_maximum() {
        assert_eq!(Pace::of_parts(TWENTY).if_slow(), 4);
        assert_eq!(Pace::of_parts(NonZeroUsize::MIN).if_slow(), 1);
        assert_eq!(first_wait(256 * MIB), Duration::from_secs(1));
    }

    #[test]
    fn failed_trials_become_rarer() {
        let seen = parts(400, |_| 1e9);
        let trials: Vec<usize> = (0..seen.len()).filter(|round| seen[*round] == 4).collect();
        assert!(trials.len() > 2, "{trials:?}");
        let gaps: Vec<usize> = trials.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.windows(2).all(|pair| pair[1] >= pair[0] * 3 / 2), "{gaps:?}");
    }

    #[test]
    fn a_slow_caller_holds_ever_less() {
        use Bottleneck::Caller;
        assert_eq!(ranges(4, Caller, |_| 80e6), [4, 3, 2, 1]);
        let now = Instant::now();
        let faster = Pace::of_ranges(TWENTY, 80e6, now);
        let seen = windows(faster, 4 * MIB, now, 4, |_, _| (100e6, Caller));
        assert_eq!(seen, [4, 3, 2, 2, 2], "one connection would be slower than the caller");
        let pace = Pace::of_parts(SIXTEEN);
        let seen = windows(pace, 10 * MIB, now, 7, |round, window| {
            (window as f64 * 80e6, if round < 2 { Bottleneck::Network } else { Caller })
        });
        assert_eq!(seen, [2, 4, 8, 7, 6, 5, 4, 3]);
    }

    #[test]
    fn a_disturbed_measurement_of_one_connection_is_noticed() {
        let now = Instant::now();
        let pace = Pace::of_ranges(TWENTY, 50e6, now);
        let seen = windows(pace, 4 * MIB, now, 3, |_, _| (2e9, Bottleneck::Network));
        assert_eq!(seen, [4, 1]);
    }

    #[test]
    fn an_explicit_limit_is_never_exceeded() {
        let now = Instant::now();
        for most in 1..=6 {
            let most = NonZeroUsize::new(most).expect("not zero");
            for pace in [Pace::of_parts(most), Pace::of_ranges(most, 80e6, now)] {
                let seen = windows(pace, 4 * MIB, now, 6, |_, window| {
                    (window as f64 * 80e6, Bottleneck::Network)
                });
                assert!(seen.iter().all(|window| *window <= most.get()), "{seen:?}");
            }
        }
    }

    /// A trial that finds too little memory neither fails nor succeeds.
    #[test]
    fn fewer_connections_than_tried_prove_nothing() {
        let mut now = Instant::now();
        let mut pace = Pace::of_parts(SIXTEEN);
        for _ in 0..10 {
            for _ in 0..2 {
                let begun = now;
                now += Duration::from_millis(60);
                let piece = Piece { bytes: 10 * MIB, begun, now, concurrent: 2 };
                pace.after(piece, Bottleneck::Network, 2);
            }
        }
        assert_eq!(pace.next_trial, 0);
    }

    /// If memory permits two parts at once, each of them is as fast with any number of connections.
    #[test]
    fn connections_that_are_not_used_do_not_count() {
        let mut now = Instant::now();
        let mut pace = Pace::of_parts(TWENTY);
        let mut window = pace.first();
        for _ in 0..40 {
            let begun = now;
            now += Duration::from_millis(160);
            for _ in 0..2 {
                let piece = Piece { bytes: 10 * MIB, begun, now, concurrent: 2 };
                window = pace.after(piece, Bottleneck::Network, window);
            }
            assert!(window <= 4, "{window}");
        }
    }

    /// Feeds blocks of 64 KiB, each after a wait and a time of work, and returns the speed that was
    /// reported first and the number of bytes before it.
    fn probed(mut probe: Probe, waits: impl Fn(u64) -> (f64, f64)) -> Option<(u64, f64)> {
        const BLOCK: u64 = 64 << 10;
        let mut now = Instant::now();
        for block in 1..=4096 {
            let (waited, worked) = waits(block);
            let waited = Duration::from_secs_f64(waited);
            now += waited;
            if let Some(rate) = probe.came(BLOCK as usize, waited, now) {
                return Some((block * BLOCK, (rate / 1e6).round()));
            }
            now += Duration::from_secs_f64(worked);
        }
        None
    }

    #[test]
    fn one_connection_is_evaluated_by_the_waits_that_it_causes() {
        let at = |rate: f64| (64 << 10) as f64 / rate;
        let slow = |_| (at(80e6), 0.0);
        assert_eq!(probed(Probe::default(), slow), Some((25 * (64 << 10), 80.0)));
        assert_eq!(probed(Probe::default(), |_| (at(2e6), 0.0)), Some((MIB, 2.0)));
        assert_eq!(probed(Probe::default(), |_| (at(2e9), 0.0)), None, "fast");
        assert_eq!(probed(Probe::default(), |_| (0.0, at(20e6))), None, "the reader is slower");
        let mostly_working = |_| (at(200e6), at(50e6));
        assert_eq!(probed(Probe::default(), mostly_working), None, "little could be saved");
        // The thread loses the processor for 4 ms in every mebibyte.
        let disturbed = |block: u64| match block % 16 {
            0 => (0.004 + at(2e9), 0.0),
            _ => (at(2e9), 0.0),
        };
        assert!(probed(Probe::default(), disturbed).is_some(), "that is 230 MB/s");
        let less_often = |block: u64| match block % 32 {
            0 => (0.004 + at(2e9), 0.0),
            _ => (at(2e9), 0.0),
        };
        assert_eq!(probed(Probe::default(), less_often), None);
    }

    #[test]
    fn a_fast_connection_is_limited_by_the_processor() {
        for (bytes, millis, expected) in [
            (MIB - 1, 1, None),
            (MIB, 4, Some(false)),
            (MIB, 3, Some(true)),
            (10 * MIB, 156, Some(false)),
            (10 * MIB, 20, Some(true)),
            (10 * MIB, 0, Some(true)),
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!(is_limited_by_processor(bytes, time), expected, "{bytes} in {millis} ms");
        }
    }

    #[test]
    fn a_probe_rests_after_a_failed_trial() {
        let slow = |_| ((64 << 10) as f64 / 80e6, 0.0);
        for (bytes, rest) in [(0, 64 * MIB), (100 * MIB, 100 * MIB)] {
            let (at, _) = probed(Probe::after(bytes), slow).expect("slow");
            assert_eq!(at, rest + 25 * (64 << 10));
        }
    }
}
