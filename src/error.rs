//! The error type that the whole crate uses.
#[cfg(feature = "client")]
use crate::text::Secrets;
use crate::text::shown_to;
#[cfg(feature = "client")]
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
#[cfg(any(feature = "client", feature = "cloudfront"))]
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The maximum length of each part of an error's line, in characters. A key has at most 1,024
/// bytes, and longer texts do not add information.
const LIMIT: usize = 1024;

/// The result type that the whole crate uses.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure, on which a caller can branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The driver has no file and no directory at this path.
    PathNotFound,
    /// The path does not match `^(/[A-Za-z0-9._-]+)+$`.
    InvalidPath,
    /// The offset is negative.
    InvalidOffset,
    /// The driver does not support this operation with the given method.
    UnsupportedMethod,
    /// The writer was already closed, committed or cancelled.
    Closed,
    /// No object has this key (404 `NoSuchKey`).
    NoSuchKey,
    /// No bucket has this name (404 `NoSuchBucket`).
    NoSuchBucket,
    /// The multipart upload is unknown, completed or aborted (404 `NoSuchUpload`).
    NoSuchUpload,
    /// The credentials are valid, but a permission is missing (403).
    AccessDenied,
    /// The server computed a different signature (403 `SignatureDoesNotMatch`), or does not know
    /// the access key.
    SignatureRejected,
    /// The session token has expired or is invalid.
    ExpiredCredentials,
    /// No usable credentials could be found or fetched.
    Credentials,
    /// The clocks of this machine and the server differ too much (403 `RequestTimeTooSkewed`).
    ClockSkew,
    /// The bucket is in another region, or the server redirects to another host.
    WrongRegion,
    /// A condition (`If-Match`, `If-None-Match`, ...) was not met (412).
    PreconditionFailed,
    /// The object is the version that the caller already has, according to `If-None-Match` or
    /// `If-Modified-Since` (304).
    NotModified,
    /// The range is outside the object (416).
    InvalidRange,
    /// Another operation is in progress (409).
    Conflict,
    /// The server throttled the request (429, 503 `SlowDown`), even after retries.
    Throttled,
    /// The server failed (5xx), even after retries.
    Server,
    /// The server refused the request for another reason (4xx).
    Refused,
    /// An argument was refused before anything was sent.
    InvalidArgument,
    /// The configuration cannot be used: an option's value, or options that contradict each other.
    Configuration,
    /// The configuration names an option that does not exist.
    UnknownOption,
    /// No connection could be made: name lookup, TCP or proxy.
    Connect,
    /// TLS failed. Retrying does not help.
    Tls,
    /// A deadline passed.
    Timeout,
    /// The connection broke.
    Interrupted,
    /// The response violates the protocol.
    Protocol,
    /// The bytes received are not the bytes stored: the checksum or the length differs, or the
    /// object changed.
    Integrity,
    /// The client could not find out whether the operation took effect.
    OutcomeUnknown,
    /// The caller cancelled the operation.
    Cancelled,
    /// Reading the caller's data or writing a local file failed.
    LocalIo,
}

/// The crate's error. It describes what failed and where, what the server said, and what to do
/// about it.
///
/// The type is one word wide. `Display` writes a single line, and
/// [`Error::source`](StdError::source) returns the cause.
///
/// # Errors of your own driver
///
/// A [`StorageDriver`](crate::StorageDriver) outside of this crate builds its errors with
/// [`Error::new`] and the `with_` methods. Callers expect each error to contain the driver's name
/// and the path:
///
/// ```
/// use s3driver::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::PathNotFound, "path not found").with_driver("folder").with_path("/a");
/// assert_eq!(error.to_string(), "folder: path not found: /a");
/// ```
///
/// # Errors inside an `io::Error`
///
/// The readers and writers of a driver report failures as [`std::io::Error`], because `Read` and
/// `Write` require it. The `io::Error` contains the `Error`: [`std::io::Error::downcast`] and
/// `Error::from` return it, with its kind, path and cause. `Error::from` also accepts an
/// `io::Error` of another origin, which becomes [`ErrorKind::LocalIo`].
///
/// The [`std::io::ErrorKind`] is the nearest one:
///
/// | `io::ErrorKind` | [`ErrorKind`] |
/// |---|---|
/// | `NotFound` | `PathNotFound`, `NoSuchKey`, `NoSuchBucket`, `NoSuchUpload` |
/// | `PermissionDenied` | `AccessDenied`, `SignatureRejected`, `ExpiredCredentials`, `Credentials` |
/// | `InvalidInput` | `InvalidPath`, `InvalidOffset`, `InvalidRange`, `InvalidArgument`, `Configuration`, `UnknownOption` |
/// | `InvalidData` | `Integrity`, `Protocol` |
/// | `NotConnected`, `ConnectionAborted`, `TimedOut` | `Connect`, `Interrupted`, `Timeout` |
/// | `ResourceBusy` | `Conflict`, `Throttled` |
/// | `BrokenPipe`, `Unsupported` | `Closed`, `UnsupportedMethod` |
/// | that of the cause | `LocalIo` |
/// | `Other` | all others |
///
/// ```
/// use s3driver::{Error, ErrorKind};
/// use std::io;
///
/// let error = Error::new(ErrorKind::Closed, "the writer has ended").with_path("/a");
/// let inside = io::Error::from(error);
/// let error = Error::from(inside);
/// assert_eq!((error.kind(), error.path()), (ErrorKind::Closed, Some("/a")));
/// ```
pub struct Error(Box<Inner>);

/// Defines an accessor and a setter for each optional text of an error.
macro_rules! parts {
    ($($(#[$doc:meta])* $get:ident, $(#[$with_doc:meta])* $visible:vis $with:ident, $field:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        pub fn $get(&self) -> Option<&$type> {
            self.0.$field.as_deref()
        }
        $(#[$with_doc])*
        #[allow(dead_code, reason = "each feature set uses its own part of these")]
        #[must_use]
        $visible fn $with(mut self, value: impl Into<String>) -> Self {
            self.0.$field = Some(value.into());
            self
        }
    )*};
}

impl Error {
    /// Creates an error of `kind`. `message` is a sentence without a full stop. Drivers outside of
    /// this crate use this function too.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind: Some(kind), message: message.into(), ..Inner::default() }))
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind.unwrap_or(ErrorKind::Protocol)
    }

    /// Returns the sentence that describes the failure, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    parts! {
        /// Returns the driver's name, if a driver has handled the error.
        driver,
        /// Names the driver that failed.
        pub with_driver, driver: str;
        /// Returns the driver path of the failed call.
        path,
        /// Names the driver path of the failed call.
        pub with_path, path: str;
        /// Returns the bucket.
        bucket, pub(crate) with_bucket, bucket: str;
        /// Returns the object's key.
        key, pub(crate) with_key, key: str;
        /// Returns S3's error code, such as `AccessDenied`.
        code, pub(crate) with_code, code: str;
        /// Returns the value of `x-amz-request-id`, which AWS Support asks for.
        request_id, pub(crate) with_request_id, request_id: str;
        /// Returns the value of `x-amz-id-2`.
        host_id, pub(crate) with_host_id, host_id: str;
        /// Returns the region that the server named because the request was sent to the wrong one.
        region, pub(crate) with_region, region: str;
        /// Returns the outcomes of the attempts before the last one, such as `503 SlowDown (3
        /// times)`.
        history, pub(crate) with_history, history: str;
        /// Returns advice on what to do, if any is known.
        hint,
        /// Adds advice on what to do about the failure, in a clause that can follow a semicolon.
        pub with_hint, hint: str;
    }

    /// Returns the S3 operation, such as `PutObject`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// Returns the HTTP status of the last response, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns how many times the request was sent; 0 if it was never sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns how many bytes `write_stream` had taken from its reader when it failed.
    pub fn bytes_taken(&self) -> Option<u64> {
        self.0.bytes_taken
    }

    /// Records how many bytes `write_stream` had taken from its reader when it failed.
    #[must_use]
    pub fn with_bytes_taken(mut self, bytes: u64) -> Self {
        self.0.bytes_taken = Some(bytes);
        self
    }

    /// Returns the offset that was refused, for [`ErrorKind::InvalidOffset`].
    pub fn offset(&self) -> Option<i64> {
        self.0.offset
    }

    /// Records the offset that was refused.
    #[must_use]
    pub fn with_offset(mut self, offset: i64) -> Self {
        self.0.offset = Some(offset);
        self
    }

    /// Records the cause, which [`Error::source`](StdError::source) returns.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Returns the other failures of an operation on several objects, such as the keys that a batch
    /// delete could not delete.
    pub fn others(&self) -> &[Self] {
        &self.0.others
    }

    /// Reports whether the path, key or upload does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::PathNotFound | ErrorKind::NoSuchKey | ErrorKind::NoSuchUpload
        )
    }

    /// Reports whether the same call may succeed later without any change.
    pub fn is_transient(&self) -> bool {
        use ErrorKind::*;
        !self.0.permanent
            && matches!(
                self.kind(),
                Throttled | Server | Connect | Timeout | Interrupted | Protocol | Conflict
            )
    }
}

#[allow(dead_code, reason = "each feature set uses its own part of these")]
impl Error {
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = Some(kind);
        self
    }

    /// Names the driver, unless the error already names one.
    pub(crate) fn or_driver(mut self, driver: &str) -> Self {
        self.0.driver.get_or_insert_with(|| driver.to_owned());
        self
    }

    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    pub(crate) fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Records whether an attempt may have taken effect, regardless of the last response.
    pub(crate) fn with_unsettled(mut self, unsettled: bool) -> Self {
        self.0.unsettled = unsettled;
        self
    }

    pub(crate) fn is_unsettled(&self) -> bool {
        self.0.unsettled
    }

    /// Records the size of the object, which the server stated when it refused a range.
    pub(crate) fn with_object_size(mut self, bytes: u64) -> Self {
        self.0.object_size = Some(bytes);
        self
    }

    pub(crate) fn object_size(&self) -> Option<u64> {
        self.0.object_size
    }

    /// Records that another attempt would fail in the same way, even if the kind suggests
    /// otherwise.
    pub(crate) fn into_permanent(mut self) -> Self {
        self.0.permanent = true;
        self
    }

    pub(crate) fn is_permanent(&self) -> bool {
        self.0.permanent
    }

    pub(crate) fn with_others(mut self, others: Vec<Self>) -> Self {
        self.0.others = others;
        self
    }
}

#[cfg(feature = "client")]
impl Error {
    /// Redacts `secrets` in every text that a server, a proxy or a provider of credentials may have
    /// contributed to this error and to its causes. The request's bucket, key and path stay
    /// unchanged.
    pub(crate) fn redacted(mut self, secrets: &Secrets) -> Self {
        let inner = &mut *self.0;
        let words = [
            &mut inner.code,
            &mut inner.request_id,
            &mut inner.host_id,
            &mut inner.region,
            &mut inner.history,
            &mut inner.hint,
        ];
        for text in words.into_iter().flatten().chain([&mut inner.message]) {
            if let Cow::Owned(hidden) = secrets.redact(text) {
                *text = hidden;
            }
        }

        inner.others = std::mem::take(&mut inner.others)
            .into_iter()
            .map(|other| other.redacted(secrets))
            .collect();
        inner.source = inner.source.take().map(|source| Cause::redacted(source, secrets));
        self
    }
}

// Writes one line: `driver: operation: message: place (what the server said); what to do`.
// `text::shown_value` decides which configured values appear in it, and the client redacts the
// secrets of its requests in everything else ([`Error::redacted`]).
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &*self.0;
        if let Some(driver) = &e.driver {
            write!(f, "{driver}: ")?;
        }

        if let Some(operation) = e.operation {
            write!(f, "{operation}: ")?;
        }

        write!(f, "{}", shown_to(&e.message, LIMIT))?;
        if let Some(path) = &e.path {
            write!(f, ": {}", shown_to(path, LIMIT))?;
        }

        let mut details = Details { f, any: false };
        if let Some(bucket) = &e.bucket {
            details.add("bucket ", bucket)?;
        }

        if let Some(key) = &e.key {
            details.add("key ", key)?;
        }

        if let Some(status) = e.status {
            details.add("status ", &status.to_string())?;
        }

        if let Some(id) = &e.request_id {
            details.add("request id ", id)?;
        }

        if e.attempts > 1 {
            details.add("attempts ", &e.attempts.to_string())?;
        }

        if let Some(history) = &e.history {
            details.add("earlier attempts: ", history)?;
        }

        details.end()?;
        for other in &e.others {
            write!(f, "; {other}")?;
        }

        if let Some(hint) = &e.hint {
            write!(f, "; {}", shown_to(hint, LIMIT))?;
        }

        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

/// Returns the `Error` that the `io::Error` contains. Any other `io::Error` becomes
/// [`ErrorKind::LocalIo`], with that error as its cause.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(|error| {
            Self::new(ErrorKind::LocalIo, error.to_string()).with_source(error)
        })
    }
}

/// Wraps the `Error` in an `io::Error` with the nearest kind. `Error::from` unwraps it again.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.io_kind(), error)
    }
}

impl Error {
    /// Returns the nearest kind of an `io::Error`. It is never [`std::io::ErrorKind::Interrupted`],
    /// because `read_exact` and similar functions would then call again.
    fn io_kind(&self) -> std::io::ErrorKind {
        use std::io::ErrorKind as Io;
        match self.kind() {
            ErrorKind::PathNotFound
            | ErrorKind::NoSuchKey
            | ErrorKind::NoSuchBucket
            | ErrorKind::NoSuchUpload => Io::NotFound,
            ErrorKind::AccessDenied
            | ErrorKind::SignatureRejected
            | ErrorKind::ExpiredCredentials
            | ErrorKind::Credentials => Io::PermissionDenied,
            ErrorKind::InvalidPath
            | ErrorKind::InvalidOffset
            | ErrorKind::InvalidRange
            | ErrorKind::InvalidArgument
            | ErrorKind::Configuration
            | ErrorKind::UnknownOption => Io::InvalidInput,
            ErrorKind::UnsupportedMethod => Io::Unsupported,
            ErrorKind::Closed => Io::BrokenPipe,
            ErrorKind::Conflict | ErrorKind::Throttled => Io::ResourceBusy,
            ErrorKind::Connect => Io::NotConnected,
            ErrorKind::Timeout => Io::TimedOut,
            ErrorKind::Interrupted => Io::ConnectionAborted,
            ErrorKind::Integrity | ErrorKind::Protocol => Io::InvalidData,
            ErrorKind::LocalIo => self.local_kind().unwrap_or(Io::Other),
            ErrorKind::ClockSkew
            | ErrorKind::WrongRegion
            | ErrorKind::PreconditionFailed
            | ErrorKind::NotModified
            | ErrorKind::Server
            | ErrorKind::Refused
            | ErrorKind::Tls
            | ErrorKind::OutcomeUnknown
            | ErrorKind::Cancelled => Io::Other,
        }
    }

    /// Returns the kind of the local failure that caused this error.
    fn local_kind(&self) -> Option<std::io::ErrorKind> {
        let source = self.0.source.as_deref()?.downcast_ref::<std::io::Error>()?;
        Some(source.kind()).filter(|kind| *kind != std::io::ErrorKind::Interrupted)
    }
}

/// Runs `work` and converts a panic into an error that states `what` panicked. Panics come from the
/// caller's code, such as a credential provider, a clock, a callback or a reader. The panic's
/// message is left to the panic hook because it may contain anything.
///
/// If `work` panics, it must leave any shared state in a consistent condition for other threads.
#[cfg(any(feature = "client", feature = "cloudfront"))]
pub(crate) fn catch_panic<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::LocalIo, format!("{what} panicked"))))
}

#[derive(Default)]
struct Inner {
    kind: Option<ErrorKind>,
    driver: Option<String>,
    path: Option<String>,
    operation: Option<&'static str>,
    bucket: Option<String>,
    key: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    message: String,
    request_id: Option<String>,
    host_id: Option<String>,
    region: Option<String>,
    attempts: u32,
    bytes_taken: Option<u64>,
    offset: Option<i64>,
    history: Option<String>,
    object_size: Option<u64>,
    unsettled: bool,
    permanent: bool,
    hint: Option<String>,
    others: Vec<Error>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The parenthesised part of an error's line, which the first detail opens.
struct Details<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    any: bool,
}

impl Details<'_, '_> {
    fn add(&mut self, name: &str, value: &str) -> fmt::Result {
        self.f.write_str(if std::mem::replace(&mut self.any, true) { ", " } else { " (" })?;
        write!(self.f, "{name}{}", shown_to(value, LIMIT))
    }

    fn end(&mut self) -> fmt::Result {
        if self.any { self.f.write_str(")") } else { Ok(()) }
    }
}

/// The redacted text of a cause, which replaces a cause that contains a secret.
#[cfg(feature = "client")]
#[derive(Debug)]
struct Cause {
    text: String,
    source: Option<Box<Self>>,
}

#[cfg(feature = "client")]
impl Cause {
    /// The maximum number of causes that are followed. A longer chain can only be a cycle.
    const DEPTH: usize = 16;

    fn redacted(
        source: Box<dyn StdError + Send + Sync>,
        secrets: &Secrets,
    ) -> Box<dyn StdError + Send + Sync> {
        let source = match source.downcast::<Error>() {
            Ok(error) => return Box::new(error.redacted(secrets)),
            Err(source) => source,
        };

        let chain = std::iter::successors(Some(&*source as &(dyn StdError + 'static)), |cause| {
            StdError::source(*cause)
        });
        let shows = |text: String| matches!(secrets.redact(&text), Cow::Owned(_));
        if !chain
            .clone()
            .take(Self::DEPTH)
            .any(|cause| shows(cause.to_string()) || shows(format!("{cause:?}")))
        {
            return source;
        }

        let texts: Vec<_> = chain
            .take(Self::DEPTH)
            .map(|cause| secrets.redact(&cause.to_string()).into_owned())
            .collect();
        let causes = texts.into_iter().rev();
        let cause = causes.fold(None, |source, text| Some(Box::new(Self { text, source })));
        match cause {
            Some(cause) => cause,
            None => source,
        }
    }
}

#[cfg(feature = "client")]
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown_to(&self.text, LIMIT))
    }
}

#[cfg(feature = "client")]
impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_conversion_to_io_and_back() {
        let error = Error::new(ErrorKind::InvalidOffset, "no")
            .with_path("/a")
            .with_offset(-1)
            .with_bytes_taken(7);
        let back = Error::from(std::io::Error::from(error.with_source("cause")));
        assert_eq!(
            (back.kind(), back.path(), back.offset()),
            (ErrorKind::InvalidOffset, Some("/a"), Some(-1))
        );
        assert_eq!(
            (back.bytes_taken(), back.source().unwrap().to_string()),
            (Some(7), "cause".to_owned())
        );
        let other = Error::from(std::io::Error::other("the disk is full"));
        assert_eq!((other.kind(), other.message()), (ErrorKind::LocalIo, "the disk is full"));
        assert!(other.source().is_some());
    }

    #[test]
    fn an_error_has_the_nearest_io_error_kind() {
        use std::io::{self, ErrorKind as Io};
        let kind = |kind| io::Error::from(Error::new(kind, "failed")).kind();
        for (ours, nearest) in [
            (ErrorKind::NoSuchBucket, Io::NotFound),
            (ErrorKind::ExpiredCredentials, Io::PermissionDenied),
            (ErrorKind::Connect, Io::NotConnected),
            // `Io::Interrupted` would make `read_exact` and `io::copy` call again for ever.
            (ErrorKind::Interrupted, Io::ConnectionAborted),
            (ErrorKind::Cancelled, Io::Other),
            (ErrorKind::Throttled, Io::ResourceBusy),
            (ErrorKind::Closed, Io::BrokenPipe),
            (ErrorKind::LocalIo, Io::Other),
        ] {
            assert_eq!(kind(ours), nearest, "{ours:?}");
        }
        let local = |cause: Io| {
            let error =
                Error::new(ErrorKind::LocalIo, "failed").with_source(io::Error::from(cause));
            io::Error::from(error).kind()
        };
        assert_eq!(local(Io::StorageFull), Io::StorageFull);
        assert_eq!(local(Io::Interrupted), Io::Other);
    }

    #[test]
    fn an_error_is_one_line_without_deceptive_characters() {
        let nasty = "a\u{202e}b\u{2028}c\u{200b}d\ne";
        let error = Error::new(ErrorKind::Refused, nasty)
            .with_path(nasty)
            .with_bucket(nasty)
            .with_key(nasty);
        let error = error.with_request_id(nasty).with_history(nasty).with_hint(nasty);
        let error = error.with_others(vec![Error::new(ErrorKind::Refused, nasty)]);
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(text.is_ascii() && !text.contains('\n'), "{text}");
            assert_eq!(text.matches("a\\u{202e}b\\u{2028}c\\u{200b}d\\ne").count(), 8, "{text}");
        }
        assert_eq!(error.message(), nasty, "the text itself stays as it came");
    }
}
