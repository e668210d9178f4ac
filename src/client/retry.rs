//! Which failures are tried again, how often and how long apart. The one place that decides it.
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use std::time::Duration;

/// Bounds on trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// The wait before attempt `attempt + 1`, where `asked` is the server's `Retry-After`.
    pub(super) fn wait(&self, attempt: u32, error: &Error, asked: Option<Duration>, clock: &dyn Clock) -> Duration {
        let base = if error.kind() == ErrorKind::Throttled { self.throttled_base } else { self.base };
        let bound = base.saturating_mul(1 << attempt.saturating_sub(1).min(20)).min(self.longest_wait);
        let jittered = bound.mul_f64(clock.random() as f64 / u64::MAX as f64);
        // The server's word is the least we wait, and the jitter on top keeps many clients from coming back at once.
        asked.map_or(jittered, |asked| asked.saturating_add(jittered)).min(self.longest_wait)
    }
}

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
    "BadDigest",
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

/// What kind of failure a reply's status and code tell of. The status decides first; a code narrows it down.
pub(super) fn kind_of_reply(status: u16, code: &str) -> ErrorKind {
    if THROTTLING_CODES.contains(&code) {
        return ErrorKind::Throttled;
    }
    match code {
        "AccessDenied" | "AllAccessDisabled" => return ErrorKind::AccessDenied,
        "NoSuchKey" => return ErrorKind::NoSuchKey,
        "NoSuchBucket" => return ErrorKind::NoSuchBucket,
        "NoSuchUpload" => return ErrorKind::NoSuchUpload,
        "SignatureDoesNotMatch" | "InvalidAccessKeyId" | "NotSignedUp" => return ErrorKind::SignatureRejected,
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
        "PreconditionFailed" => return ErrorKind::PreconditionFailed,
        _ => {}
    }
    match status {
        429 | 503 | 509 | 520 => ErrorKind::Throttled,
        _ if TRANSIENT_CODES.contains(&code) && status != 409 => ErrorKind::Server,
        301 | 302 | 307 | 308 => ErrorKind::WrongRegion,
        304 | 412 => ErrorKind::PreconditionFailed,
        403 => ErrorKind::AccessDenied,
        404 => ErrorKind::NoSuchKey,
        408 | 499 => ErrorKind::Server,
        409 => ErrorKind::Conflict,
        416 => ErrorKind::InvalidRange,
        500 | 502 | 504..=599 => ErrorKind::Server,
        _ => ErrorKind::Refused,
    }
}

/// Whether a request that failed with `error` may be sent again, when it does the same thing twice as once.
pub(super) fn may_retry(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Throttled | ErrorKind::Server => error.status() != Some(501),
        ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Interrupted | ErrorKind::Protocol => true,
        ErrorKind::Conflict => error.code() == Some("OperationAborted"),
        _ => false,
    }
}
