//! Decides which failures are retried, how often, and after which wait.
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::sync;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The limits of retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The maximum number of attempts for one request; at least 1. A pooled connection that is
    /// found dead does not count.
    pub max_attempts: u32,
    /// The upper bound of the first wait. It doubles with each further wait, and the actual wait is
    /// drawn between zero and the bound ("full jitter").
    pub base: Duration,
    /// The upper bound of the first wait after the server asked to slow down. It doubles like
    /// `base`.
    pub throttled_base: Duration,
    /// The longest single wait, even if `Retry-After` is longer.
    pub longest_wait: Duration,
    /// The maximum time between the beginnings of the first and the last attempt.
    pub total: Duration,
}

impl Default for RetryPolicy {
    /// 6 attempts; waits of up to 0.1, 0.2, 0.4 ... s (0.5, 1, 2 ... s when throttled), each at
    /// most 20 s; 3 minutes in total.
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
    /// Sends every request only once.
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

    /// Returns the wait before attempt `attempt + 1`; `asked` is the server's `Retry-After`.
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
        // The server's time is the minimum, and the additional jitter keeps many clients from
        // returning at the same moment.
        asked.map_or(jittered, |asked| asked.saturating_add(jittered)).min(self.longest_wait)
    }
}

/// The retries that all calls of a client together may use, so that an outage does not multiply
/// their load: once the budget is spent, each request is sent only once, until requests succeed
/// again.
///
/// Objects that always fail must not use up the retries of others. A part of the budget is
/// therefore reserved for first retries, and only for objects that have not recently failed in
/// spite of their retries.
pub(super) struct Budget {
    left: AtomicU32,
    /// The hashes of the objects whose requests recently failed in spite of their retries, the
    /// latest last.
    failing: Mutex<VecDeque<u64>>,
    hasher: RandomState,
}

/// The subject of a retry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retried<'a> {
    pub(super) bucket: &'a str,
    /// The key; empty for operations on the bucket.
    pub(super) key: &'a str,
    /// The number of attempts so far: 1 before the first retry.
    pub(super) attempts: u32,
}

impl Budget {
    /// Enough for a hundred retries in a row.
    const FULL: u32 = 500;
    /// The part that only first retries may spend: fifty of them.
    const RESERVE: u32 = 250;
    /// The cost of a retry, which is returned if the retry succeeds.
    const RETRY: u32 = 5;
    /// The amount that a request adds if it succeeds at once: one retry for every five of them,
    /// however long the outage was.
    const SUCCESS: u32 = 1;
    /// The maximum number of failing objects that are remembered. In an outage there are more, and
    /// then none of them may use the reserve.
    const FAILING: usize = 64;

    pub(super) fn new() -> Self {
        Self {
            left: AtomicU32::new(Self::FULL),
            failing: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// Pays for one retry. Returns `false` if the budget is spent.
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
        // An error means that the budget is already full.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill);
    }

    /// Records that a request finally failed although a retry could have helped.
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

/// The way in which a request succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Success {
    AtOnce,
    Retried,
}

/// The maximum number of times that a request is sent if its bytes arrive damaged: more frequent
/// damage is not accidental.
pub(super) const DAMAGED_ATTEMPTS: u32 = 3;

/// S3's codes for bytes that arrived but are not those that were announced.
const DAMAGE_CODES: &[&str] =
    &["BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"];

/// S3's codes for requests that may succeed if they are repeated.
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

/// S3's codes for throttling.
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

/// S3's codes for what stands in the place of a bucket and does not exist.
const PLACES: &[&str] = &["NoSuchAccessPoint", "NoSuchMultiRegionAccessPoint", "NoSuchOutpost"];

/// Codes for an access key that the server does not know, or no longer knows: a server may forget
/// temporary keys before they expire (MinIO restarted or restored, a deleted session). The second
/// one is that of AWS's other services.
const UNKNOWN_KEY_CODES: &[&str] = &["InvalidAccessKeyId", "InvalidClientTokenId"];

/// Returns whether a code says that the server does not know the access key.
pub(super) fn names_unknown_key(code: &str) -> bool {
    UNKNOWN_KEY_CODES.contains(&code)
}

/// Returns whether a code that is not one of S3's says that an object does not exist (`NotFound`,
/// `NoSuchVersion`). Other codes with status 404 name something else that is missing.
fn names_object(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    ["notfound", "not_found", "nosuchkey", "nosuchobject", "nosuchversion"]
        .iter()
        .any(|known| code.contains(known))
}

/// Returns the kind of failure that a response's status and code indicate. The class of the status
/// decides first; the code narrows it down.
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
        "SignatureDoesNotMatch" | "NotSignedUp" => return ErrorKind::SignatureRejected,
        _ if names_unknown_key(code) => return ErrorKind::SignatureRejected,
        // `InvalidTokenId` is MinIO's code for a token that it does not accept.
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidToken"
        | "InvalidTokenId"
        | "TokenRefreshRequired" => {
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
        404 if code.is_empty() || names_object(code) => ErrorKind::NoSuchKey,
        404 if PLACES.contains(&code) => ErrorKind::NoSuchBucket,
        408 | 499 => ErrorKind::Server,
        409 => ErrorKind::Conflict,
        412 => ErrorKind::PreconditionFailed,
        416 => ErrorKind::InvalidRange,
        429 => ErrorKind::Throttled,
        _ => ErrorKind::Refused,
    }
}

/// Returns whether a request that failed with `error` may be sent again, provided that it is
/// idempotent.
pub(super) fn may_retry(error: &Error) -> bool {
    match error.kind() {
        _ if error.is_permanent() => false,
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

    /// A second copy of the codes, from the page "Error responses" of the S3 API and the retry
    /// modes of AWS's SDKs: a misspelling in the first one is noticed.
    #[test]
    fn each_code_and_each_status_has_its_kind() {
        use ErrorKind::*;
        const THROTTLING: &str = "SlowDown SlowDownRead SlowDownWrite Throttling \
            ThrottlingException ThrottledException RequestLimitExceeded RequestThrottled \
            RequestThrottledException TooManyRequests TooManyRequestsException \
            BandwidthLimitExceeded EC2ThrottledException";
        const TRANSIENT: &str = "InternalError InternalServerError RequestTimeout \
            RequestTimeoutException PriorRequestNotComplete OperationAborted ServiceUnavailable \
            TemporarilyUnavailable IncompleteBody";
        for (kind, codes) in [
            (Throttled, THROTTLING),
            (Server, TRANSIENT),
            (Integrity, "BadDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch"),
            (AccessDenied, "AccessDenied AllAccessDisabled"),
            (
                SignatureRejected,
                "SignatureDoesNotMatch InvalidAccessKeyId InvalidClientTokenId NotSignedUp",
            ),
            (
                ExpiredCredentials,
                "ExpiredToken ExpiredTokenException InvalidToken InvalidTokenId \
                 TokenRefreshRequired",
            ),
            (ClockSkew, "RequestTimeTooSkewed"),
            (
                WrongRegion,
                "PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed \
                 IllegalLocationConstraintException",
            ),
            (NoSuchKey, "NoSuchKey"),
            (NoSuchBucket, "NoSuchBucket"),
            (NoSuchUpload, "NoSuchUpload"),
            (InvalidRange, "InvalidRange"),
            (PreconditionFailed, "PreconditionFailed"),
            (Refused, "InvalidObjectState InvalidArgument MalformedXML"),
        ] {
            for code in codes.split(' ') {
                assert_eq!(kind_of_response(400, code), kind, "{code}");
            }
        }
        assert_eq!(kind_of_response(403, "InvalidObjectState"), Refused);
        assert_eq!(kind_of_response(409, "OperationAborted"), Conflict);
        assert_eq!(kind_of_response(409, "SlowDown"), Throttled);
        for (kind, statuses) in [
            (AccessDenied, &[403][..]),
            (NoSuchKey, &[404]),
            (Conflict, &[409]),
            (PreconditionFailed, &[412]),
            (InvalidRange, &[416]),
            (Throttled, &[429, 503, 509, 520]),
            (Server, &[408, 499, 500, 502, 504, 599]),
            (Refused, &[400, 401, 405, 410, 411, 501]),
            (WrongRegion, &[300, 301, 302, 307, 399]),
            (NotModified, &[304]),
        ] {
            for status in statuses {
                assert_eq!(kind_of_response(*status, ""), kind, "{status}");
            }
        }
    }

    fn retry(key: &str, attempts: u32) -> Retried<'_> {
        Retried { bucket: "registry", key, attempts }
    }

    /// Returns how many consecutive retries the budget pays for.
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

    /// P33: neither further retries of a key nor a key that always fails use up the reserve of the
    /// others.
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
