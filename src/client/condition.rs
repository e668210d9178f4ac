//! The conditions under which an operation takes place.
use super::meta::{condition, is_weak};
use super::request::{Call, Pair};
use crate::error::Result;
use crate::time::Timestamp;
use std::borrow::Cow;

/// A condition for an operation on an object
/// ([writes](https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html),
/// [reads](https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html)).
///
/// Reads are GetObject, HeadObject and the source of a copy. Writes are PutObject,
/// CompleteMultipartUpload and the target of a copy. An operation that does not support a condition
/// refuses it before anything is sent.
///
/// | condition | reads | writes | DeleteObject |
/// |---|---|---|---|
/// | `IfAbsent` | | yes | |
/// | `IfMatch` | yes | yes | yes |
/// | `IfNoneMatch`, `IfModifiedSince`, `IfUnmodifiedSince` | yes | | |
///
/// If a condition does not hold, the error is [`ErrorKind::PreconditionFailed`]. The exception is a
/// read under `IfNoneMatch` or `IfModifiedSince`: the caller already has the object, and the error
/// is [`ErrorKind::NotModified`]. Servers without conditional writes (Garage, rclone) ignore the
/// conditions of writes.
///
/// ETags are given without quotes, as this crate returns them.
///
/// [`ErrorKind::PreconditionFailed`]: crate::ErrorKind::PreconditionFailed
/// [`ErrorKind::NotModified`]: crate::ErrorKind::NotModified
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// No condition: an object is read or replaced as it is.
    #[default]
    Always,
    /// No object has the key (`If-None-Match: *`).
    IfAbsent,
    /// The object has this ETag (`If-Match`). A weak ETag (`W/"..."`) never matches: writes refuse
    /// it, and reads compare it with that of the response. Ceph RGW 16 also compares the quotes,
    /// which AWS requires, so a write with this condition never takes place there.
    IfMatch(String),
    /// The object has another ETag (`If-None-Match`).
    IfNoneMatch(String),
    /// The object was stored after this time, in whole seconds (`If-Modified-Since`).
    IfModifiedSince(Timestamp),
    /// The object was not stored after this time, in whole seconds (`If-Unmodified-Since`).
    IfUnmodifiedSince(Timestamp),
}

impl Condition {
    /// Adds the condition of a write.
    pub(super) fn apply_to_write<'a>(&'a self, call: Call<'a>) -> Result<Call<'a>> {
        match self {
            Self::Always => Ok(call),
            Self::IfAbsent => Ok(call.header("if-none-match", "*")),
            Self::IfMatch(etag) => {
                match condition(etag) {
                    Some(etag) => Ok(call.header("if-match", etag)),
                    None => Err(call
                        .refuse("a weak ETag cannot be the condition of a write: it never holds")),
                }
            }
            Self::IfNoneMatch(_) | Self::IfModifiedSince(_) | Self::IfUnmodifiedSince(_) => {
                Err(call.refuse("a write can have the conditions IfAbsent and IfMatch only"))
            }
        }
    }

    /// Adds the condition of a deletion.
    pub(super) fn apply_to_delete<'a>(&'a self, call: Call<'a>) -> Result<Call<'a>> {
        match self {
            Self::IfAbsent => Err(call.refuse("an object that is absent cannot be deleted")),
            _ => self.apply_to_write(call),
        }
    }

    /// Adds the condition of a read.
    pub(super) fn apply_to_read<'a>(&'a self, call: Call<'a>) -> Result<Call<'a>> {
        self.apply_read(call, "")
    }

    /// Adds the condition for the source of a copy.
    pub(super) fn apply_to_source<'a>(&'a self, call: Call<'a>) -> Result<Call<'a>> {
        self.apply_read(call, "x-amz-copy-source-")
    }

    fn apply_read<'a>(&'a self, mut call: Call<'a>, prefix: &str) -> Result<Call<'a>> {
        let (name, value) = match self {
            Self::Always => return Ok(call),
            Self::IfAbsent => {
                return Err(call.refuse("a read cannot have the condition IfAbsent"));
            }
            Self::IfMatch(etag) => match condition(etag) {
                Some(etag) => ("if-match", etag),
                // The caller compares the ETag with that of the response.
                None => return Ok(call),
            },
            // A weak ETag is written with its own quotes, and may be compared here (RFC 9110
            // section 13.1.2).
            Self::IfNoneMatch(etag) => {
                ("if-none-match", condition(etag).unwrap_or_else(|| etag.clone()))
            }
            Self::IfModifiedSince(time) => ("if-modified-since", time.http_date()),
            Self::IfUnmodifiedSince(time) => ("if-unmodified-since", time.http_date()),
        };
        let pair: Pair<'a> = (Cow::Owned(format!("{prefix}{name}")), Cow::Owned(value));
        call.headers.push(pair);
        Ok(call)
    }

    /// Returns whether a response with this ETag contradicts a condition that could not be sent.
    pub(super) fn is_refuted_by(&self, found: Option<&str>) -> bool {
        matches!(self, Self::IfMatch(etag) if is_weak(etag) && found != Some(etag.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Timestamp = Timestamp::from_unix(784_111_777);

    fn call() -> Call<'static> {
        Call::new("Test", "GET", "bucket", "key")
    }

    fn header(call: Result<Call<'_>>) -> Option<(String, String)> {
        let call = call.ok()?;
        let (name, value) = call.headers.first()?;
        Some((name.to_string(), value.to_string()))
    }

    #[test]
    fn a_read_sends_each_condition_in_its_own_header() {
        for (condition, name, value) in [
            (Condition::IfMatch("e".to_owned()), "if-match", "\"e\""),
            (Condition::IfNoneMatch("e".to_owned()), "if-none-match", "\"e\""),
            (Condition::IfNoneMatch("W/\"e\"".to_owned()), "if-none-match", "W/\"e\""),
            (
                Condition::IfModifiedSince(TIME),
                "if-modified-since",
                "Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            (
                Condition::IfUnmodifiedSince(TIME),
                "if-unmodified-since",
                "Sun, 06 Nov 1994 08:49:37 GMT",
            ),
        ] {
            let expected = Some((name.to_owned(), value.to_owned()));
            assert_eq!(header(condition.apply_to_read(call())), expected);
            let expected = Some((format!("x-amz-copy-source-{name}"), value.to_owned()));
            assert_eq!(header(condition.apply_to_source(call())), expected);
        }
    }

    #[test]
    fn an_operation_refuses_the_conditions_it_does_not_have() {
        let (strong, weak) = ("e".to_owned(), "W/\"e\"".to_owned());
        for (condition, reads, writes, deletes) in [
            (Condition::Always, true, true, true),
            (Condition::IfAbsent, false, true, false),
            (Condition::IfMatch(strong.clone()), true, true, true),
            (Condition::IfMatch(weak), true, false, false),
            (Condition::IfNoneMatch(strong), true, false, false),
            (Condition::IfModifiedSince(TIME), true, false, false),
            (Condition::IfUnmodifiedSince(TIME), true, false, false),
        ] {
            assert_eq!(condition.apply_to_read(call()).is_ok(), reads, "{condition:?}");
            assert_eq!(condition.apply_to_source(call()).is_ok(), reads, "{condition:?}");
            assert_eq!(condition.apply_to_write(call()).is_ok(), writes, "{condition:?}");
            assert_eq!(condition.apply_to_delete(call()).is_ok(), deletes, "{condition:?}");
        }
    }

    #[test]
    fn a_weak_etag_is_compared_with_that_of_the_response() {
        let weak = Condition::IfMatch("W/\"e\"".to_owned());
        assert!(!weak.is_refuted_by(Some("W/\"e\"")));
        assert!(weak.is_refuted_by(Some("W/\"f\"")) && weak.is_refuted_by(None));
        assert!(!Condition::IfMatch("e".to_owned()).is_refuted_by(Some("f")));
    }
}
