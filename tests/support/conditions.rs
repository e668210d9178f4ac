//! The preconditions of requests: RFC 9110 section 13 as S3 applies it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

/// The conditions of a GET, a HEAD or a copy's source.
#[derive(Clone, Debug, Default)]
pub struct Read {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

/// The response to a read whose condition says that the client already has the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// GET and HEAD: 304.
    NotModified,
    /// The source of a copy: 412.
    PreconditionFailed,
}

impl Read {
    /// Checks the conditions against an object.
    ///
    /// # Errors
    /// `PreconditionFailed` or `NotModified`.
    pub fn check(&self, etag: &str, modified: SystemTime, unchanged: Unchanged) -> S3Result<()> {
        let modified = Timestamp::from(whole_seconds(modified));
        let fresh = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => matches(condition, etag),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        if !fresh {
            return Err(failed("If-Match or If-Unmodified-Since"));
        }
        let changed = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => !matches(condition, etag),
            (None, Some(since)) => modified > *since,
            (None, None) => true,
        };
        match unchanged {
            _ if changed => Ok(()),
            Unchanged::NotModified => Err(s3_error!(NotModified)),
            Unchanged::PreconditionFailed => Err(failed("If-None-Match or If-Modified-Since")),
        }
    }
}

/// The conditions of a PUT, a DELETE or a completion.
#[derive(Clone, Debug, Default)]
pub struct Write {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

impl Write {
    /// Checks the conditions against the ETag of the current object.
    ///
    /// # Errors
    /// `PreconditionFailed`; `NoSuchKey` for `If-Match` without an object; `NotImplemented` for
    /// `If-None-Match` with an ETag, which S3 does not support for writes.
    pub fn check(&self, current: Option<&str>) -> S3Result<()> {
        match (&self.if_none_match, current) {
            (Some(ETagCondition::ETag(_)), _) => {
                return Err(s3_error!(NotImplemented, "If-None-Match of a write takes only *"));
            }
            (Some(ETagCondition::Any), Some(_)) => return Err(failed("If-None-Match")),
            _ => {}
        }
        match (&self.if_match, current) {
            (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
            (Some(condition), Some(etag)) if !matches(condition, etag) => Err(failed("If-Match")),
            _ => Ok(()),
        }
    }
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    condition.as_etag().is_none_or(|wanted| wanted.value() == etag)
}

fn failed(condition: &str) -> s3s::S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold: {condition}"
    )
}

/// Truncates a time to whole seconds. HTTP dates have no fractions: an object modified within the
/// second that a header names has not been modified since then.
fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH
        + Duration::from_secs(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
