//! Which failures are tried again, how often and how long apart. The one place that decides it.
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::sync;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Bounds on trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How often one request is sent at most; at least 1. A pooled connection found dead does not count.
    pub max_attempts: u32,
    /// Bound of the first wait; it doubles with each further one, and the actual wait is drawn from zero up to the bound ("full jitter").
    pub base: Duration,
    /// The same after the server asked to slow down.
    pub throttled_base: Duration,
    /// No single wait is longer, whatever `Retry-After` says.
    pub longest_wait: Duration,
    /// No attempt begins later than this after the first.
    pub total: Duration,
}

impl Default for RetryPolicy {
    /// 6 attempts, waits up to 0.1, 0.2, 0.4 ... s (0.5, 1, 2 ... s when throttled), 20 s at most each, 3 minutes in all.
    fn default() -> Self {
        Self {
            max_attempts: 6,
            base: Duration::from_millis(100),
            throttled_base: Duration::from_millis(500),
            longest_wait: Duration::from_secs(20),
            total: Duration::from_secs(180),
        }
    }
}

impl RetryPolicy {
    /// Every request is sent once.
    pub const fn never() -> Self {
        Self {
            max_attempts: 1,
            base: Duration::ZERO,
            throttled_base: Duration::ZERO,
            longest_wait: Duration::ZERO,
            total: Duration::ZERO,
        }
    }

    /// Limits how often one request is sent.
    #[must_use]
    pub const fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    /// Bounds the first wait.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Bounds the first wait after the server asked to slow down.
    #[must_use]
    pub const fn throttled_base(mut self, throttled_base: Duration) -> Self {
        self.throttled_base = throttled_base;
        self
    }

    /// Bounds every single wait.
    #[must_use]
    pub const fn longest_wait(mut self, longest_wait: Duration) -> Self {
        self.longest_wait = longest_wait;
        self
    }

    /// Limits the time between the first attempt and the last one.
    #[must_use]
    pub const fn total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// The wait before attempt `attempt + 1`, where `asked` is the server's `Retry-After`.
    pub(super) fn wait(
        &self,
        attempt: u32,
        error: &Error,
        asked: Option<Duration>,
        clock: &dyn Clock,
    ) -> Duration {
        let base =
            if error.kind() == ErrorKind::Throttled { self.throttled_base } else { self.base };
        let bound =
            base.saturating_mul(1 << attempt.saturating_sub(1).min(20)).min(self.longest_wait);
        let jittered = clock.jitter(bound);
        // The server's word is the least we wait, and the jitter on top keeps many clients from coming back at once.
        asked.map_or(jittered, |asked| asked.saturating_add(jittered)).min(self.longest_wait)
    }
}

/// What all calls of a client together may spend on trying again, so that an outage does not multiply their load: with
/// the budget spent, each request is sent once, until requests succeed again.
///
/// Objects that fail for good must not use up what others need. So a part of the budget is kept for first retries, and of
/// these for the objects that have not lately failed in spite of their retries.
pub(super) struct Budget {
    left: AtomicU32,
    /// The objects whose requests lately failed in spite of their retries, as hashes, the latest last.
    failing: Mutex<VecDeque<u64>>,
    hasher: RandomState,
}

/// What a retry is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retried<'a> {
    pub(super) bucket: &'a str,
    /// Empty for operations on the bucket.
    pub(super) key: &'a str,
    /// Attempts so far: 1 before the first retry.
    pub(super) attempts: u32,
}

impl Budget {
    /// Enough for a hundred retries in a row.
    const FULL: u32 = 500;
    /// What only first retries may spend: fifty of them.
    const RESERVE: u32 = 250;
    /// What a retry costs; it is given back when the retry succeeds.
    const RETRY: u32 = 5;
    /// What a request that succeeds at once adds: one retry for five of them, however long the outage was.
    const SUCCESS: u32 = 1;
    /// Failing objects remembered: in an outage there are more, and then none of them deserves the reserve.
    const FAILING: usize = 64;

    pub(super) fn new() -> Self {
        Self {
            left: AtomicU32::new(Self::FULL),
            failing: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// Pays for one retry; `false` when there is nothing left to pay with.
    pub(super) fn spend(&self, retried: Retried<'_>) -> bool {
        let floor =
            if retried.attempts > 1 || self.is_failing(retried) { Self::RESERVE } else { 0 };
        let spend = |left: u32| left.checked_sub(Self::RETRY).filter(|left| *left >= floor);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }

    pub(super) fn record(&self, success: Success) {
        let back = match success {
            Success::AtOnce => Self::SUCCESS,
            Success::Retried => Self::RETRY,
        };
        let fill =
            |left: u32| (left < Self::FULL).then(|| left.saturating_add(back).min(Self::FULL));
        // An error means that it is full already.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill);
    }

    /// Notes that a request failed for good although a retry could have helped.
    pub(super) fn record_failure(&self, retried: Retried<'_>) {
        let object = self.object(retried);
        let mut failing = sync::lock(&self.failing);
        failing.retain(|known| *known != object);
        failing.push_back(object);
        if failing.len() > Self::FAILING {
            failing.pop_front();
        }
    }

    fn is_failing(&self, retried: Retried<'_>) -> bool {
        sync::lock(&self.failing).contains(&self.object(retried))
    }

    fn object(&self, retried: Retried<'_>) -> u64 {
        self.hasher.hash_one((retried.bucket, retried.key))
    }
}

/// How a request succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Success {
    AtOnce,
    Retried,
}

/// How often a request is sent whose bytes arrived damaged: what happens more often is no accident of the way.
pub(super) const DAMAGED_ATTEMPTS: u32 = 3;

/// S3's codes that mean: the bytes that arrived are not those that were announced.
const DAMAGE_CODES: &[&str] =
    &["BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"];

/// S3's codes that mean: the same request may succeed now.
const TRANSIENT_CODES: &[&str] = &[
    "InternalError",
    "InternalServerError",
    "RequestTimeout",
    "RequestTimeoutException",
    "PriorRequestNotComplete",
    "OperationAborted",
    "ServiceUnavailable",
    "TemporarilyUnavailable",
    "IncompleteBody",
];

/// S3's codes that mean: slow down.
const THROTTLING_CODES: &[&str] = &[
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequests",
    "TooManyRequestsException",
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
];

/// What kind of failure a reply's status and code tell of. The class of the status decides first; a code narrows it down.
pub(super) fn kind_of_response(status: u16, code: &str) -> ErrorKind {
    let throttled = THROTTLING_CODES.contains(&code);
    match status {
        501 => return ErrorKind::Refused,
        503 | 509 | 520 => return ErrorKind::Throttled,
        500..=599 if throttled => return ErrorKind::Throttled,
        500..=599 => return ErrorKind::Server,
        304 => return ErrorKind::NotModified,
        300..=399 => return ErrorKind::WrongRegion,
        _ if throttled => return ErrorKind::Throttled,
        _ => {}
    }
    match code {
        "AccessDenied" | "AllAccessDisabled" => return ErrorKind::AccessDenied,
        "NoSuchKey" => return ErrorKind::NoSuchKey,
        "NoSuchBucket" => return ErrorKind::NoSuchBucket,
        "NoSuchUpload" => return ErrorKind::NoSuchUpload,
        "SignatureDoesNotMatch" | "InvalidAccessKeyId" | "NotSignedUp" => {
            return ErrorKind::SignatureRejected;
        }
        "ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "TokenRefreshRequired" => {
            return ErrorKind::ExpiredCredentials;
        }
        "RequestTimeTooSkewed" => return ErrorKind::ClockSkew,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => {
            return ErrorKind::WrongRegion;
        }
        "InvalidRange" => return ErrorKind::InvalidRange,
        // An archived object, with the status of a missing permission.
        "InvalidObjectState" => return ErrorKind::Refused,
        "PreconditionFailed" => return ErrorKind::PreconditionFailed,
        _ if DAMAGE_CODES.contains(&code) => return ErrorKind::Integrity,
        _ if TRANSIENT_CODES.contains(&code) && status != 409 => return ErrorKind::Server,
        _ => {}
    }
    match status {
        403 => ErrorKind::AccessDenied,
        404 => ErrorKind::NoSuchKey,
        408 | 499 => ErrorKind::Server,
        409 => ErrorKind::Conflict,
        412 => ErrorKind::PreconditionFailed,
        416 => ErrorKind::InvalidRange,
        429 => ErrorKind::Throttled,
        _ => ErrorKind::Refused,
    }
}

/// Whether a request that failed with `error` may be sent again, when it does the same thing twice as once.
pub(super) fn may_retry(error: &Error) -> bool {
    match error.kind() {
        _ if error.is_lasting() => false,
        ErrorKind::Throttled | ErrorKind::Server => true,
        ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Interrupted | ErrorKind::Protocol => {
            true
        }
        ErrorKind::Conflict => error.code() == Some("OperationAborted"),
        ErrorKind::Integrity => error.code().is_some_and(|code| DAMAGE_CODES.contains(&code)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_the_status_decides_before_the_code() {
        for (status, code, kind) in [
            (500, "NoSuchKey", ErrorKind::Server),
            (503, "AccessDenied", ErrorKind::Throttled),
            (501, "InternalError", ErrorKind::Refused),
            (403, "SlowDown", ErrorKind::Throttled),
            (400, "RequestTimeout", ErrorKind::Server),
            (400, "BadDigest", ErrorKind::Integrity),
            (200, "InternalError", ErrorKind::Server),
            (200, "AccessDenied", ErrorKind::AccessDenied),
            (304, "", ErrorKind::NotModified),
            (307, "AccessDenied", ErrorKind::WrongRegion),
            (999, "", ErrorKind::Refused),
            (299, "", ErrorKind::Refused),
        ] {
            assert_eq!(kind_of_response(status, code), kind, "{status} {code}");
        }
    }

    fn retry(key: &str, attempts: u32) -> Retried<'_> {
        Retried { bucket: "registry", key, attempts }
    }

    /// How many retries in a row the budget pays for.
    fn affordable(budget: &Budget, retried: Retried<'_>) -> usize {
        (0..200).take_while(|_| budget.spend(retried)).count()
    }

    #[test]
    fn a_spent_budget_fills_with_successes_only() {
        let (budget, first) = (Budget::new(), retry("key", 1));
        assert_eq!(affordable(&budget, first), 100);
        budget.record(Success::Retried);
        assert_eq!(affordable(&budget, first), 1);
        (0..5).for_each(|_| budget.record(Success::AtOnce));
        assert_eq!(affordable(&budget, first), 1);
        (0..10_000).for_each(|_| budget.record(Success::Retried));
        assert_eq!(affordable(&budget, first), 100);
    }

    /// P33: neither the further retries of any key nor a key that fails for good use what the others need.
    #[test]
    fn p33_first_retries_have_a_reserve() {
        let budget = Budget::new();
        assert_eq!(affordable(&budget, retry("bad", 2)), 50);
        budget.record_failure(retry("bad", 6));
        assert_eq!(affordable(&budget, retry("bad", 1)), 0);
        assert_eq!(affordable(&budget, retry("good", 1)), 50);
        // In an outage all keys fail, and the oldest are forgotten; but nothing is left to spend.
        (0..1000).for_each(|key| budget.record_failure(retry(&key.to_string(), 6)));
        assert_eq!(sync::lock(&budget.failing).len(), 64);
        assert_eq!(affordable(&budget, retry("another", 1)), 0);
    }
}
