//! One operation on one bucket, before it is signed.
use super::config::Timeouts;
use crate::error::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::time::Instant;

/// The name and value of a header or a query parameter.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The time limit of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeLimit {
    /// The request and the response are small: `Timeouts::operation` limits the whole attempt.
    Operation,
    /// The attempt transfers an object's bytes, and may last as long as they are moving. The
    /// response to an upload is small.
    WhileBytesMove,
    /// The server may work for minutes, in silence or sending white space:
    /// `Timeouts::server_work` limits the whole attempt.
    ServerWork,
}

impl TimeLimit {
    /// Returns the time by which an attempt that begins `now` must have ended.
    pub(super) fn deadline(self, now: Instant, timeouts: &Timeouts) -> Option<Instant> {
        match self {
            Self::Operation => now.checked_add(timeouts.operation),
            Self::WhileBytesMove => None,
            Self::ServerWork => now.checked_add(timeouts.server_work),
        }
    }
}

/// The party that checks a write's condition again after a conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Recheck {
    #[default]
    /// The server checks the condition when the request is sent again.
    ByServer,
    /// The caller checks the condition: S3 requires the condition of a multipart upload to be
    /// reconsidered.
    ByCaller,
}

/// The operation that creates a session with a directory bucket.
pub(super) const CREATE_SESSION: &str = "CreateSession";

/// One operation on one bucket, before it is signed.
#[derive(Clone)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: &'static str,
    pub(super) bucket: &'a str,
    /// The key; empty for operations on the bucket.
    pub(super) key: &'a str,
    pub(super) query: Vec<Pair<'a>>,
    pub(super) headers: Vec<Pair<'a>>,
    pub(super) time_limit: TimeLimit,
    pub(super) recheck: Recheck,
}

impl<'a> Call<'a> {
    pub(super) const fn new(
        operation: &'static str,
        method: &'static str,
        bucket: &'a str,
        key: &'a str,
    ) -> Self {
        Self {
            operation,
            method,
            bucket,
            key,
            query: Vec::new(),
            headers: Vec::new(),
            time_limit: TimeLimit::Operation,
            recheck: Recheck::ByServer,
        }
    }
    pub(super) fn query(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.query.push((Cow::Borrowed(name), value.into()));
        self
    }
    pub(super) fn maybe_query(
        self,
        name: &'static str,
        value: Option<impl Into<Cow<'a, str>>>,
    ) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }
    pub(super) fn header(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push((Cow::Borrowed(name), value.into()));
        self
    }
    pub(super) fn maybe_header(
        self,
        name: &'static str,
        value: Option<impl Into<Cow<'a, str>>>,
    ) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }
    /// Reports whether the operation creates a session with a directory bucket. Its response
    /// contains secrets.
    pub(super) fn creates_session(&self) -> bool {
        self.operation == CREATE_SESSION
    }
    /// Reports whether the client's own credentials sign the operation even if there is a session
    /// with the bucket
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-create-session.html>).
    pub(super) fn needs_own_credentials(&self) -> bool {
        matches!(self.operation, CREATE_SESSION | "CopyObject" | "UploadPartCopy")
    }
    /// Returns an error about this operation that occurs before anything is sent.
    pub(super) fn refuse(&self, message: impl Into<String>) -> Error {
        self.place(Error::new(ErrorKind::InvalidArgument, message))
    }
    /// Adds the operation, the bucket and the key to an error.
    pub(super) fn place(&self, error: Error) -> Error {
        let error = error.with_operation(self.operation);
        let error = if self.bucket.is_empty() { error } else { error.with_bucket(self.bucket) };
        if self.key.is_empty() { error } else { error.with_key(self.key) }
    }
}

/// Returns a call about one object. An empty key would address the bucket itself, so it is rejected
/// here.
pub(super) fn object_call<'a>(
    operation: &'static str,
    method: &'static str,
    bucket: &'a str,
    key: &'a str,
) -> Result<Call<'a>> {
    let call = Call::new(operation, method, bucket, key);
    if key.is_empty() { Err(call.refuse("the key is empty")) } else { Ok(call) }
}

/// The header with the account that should own the bucket of the request.
pub(super) const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";

/// Adds the version that an operation refers to. An empty id would name the current version, and a
/// deletion of that one is another operation.
pub(super) fn version_of<'a>(call: Call<'a>, version_id: Option<&'a str>) -> Result<Call<'a>> {
    match version_id {
        Some("") => Err(call.refuse("the version id is empty")),
        version_id => Ok(call.maybe_query("versionId", version_id)),
    }
}
