//! The events that observers receive.
use super::Notice;
use crate::error::{Error, ErrorKind};
use crate::text::{Form, shown_value};
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// An event. It borrows its texts from the operation, so an observer copies what it keeps.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A request was sent, and it is known how it ended and what follows.
    Attempt(&'a Attempt<'a>),
    /// An operation ended.
    Outcome(&'a OperationOutcome<'a>),
    /// The body of an object was read, to its end or not.
    Download(&'a Download<'a>),
    /// A request had to wait because too many others were in flight.
    Admission(&'a AdmissionWait<'a>),
    /// A temporary redirect is followed.
    Redirect(&'a RedirectFollowed<'a>),
    /// Credentials were refreshed, or there is a problem with them.
    Credentials(&'a CredentialsEvent<'a>),
    /// The client learned or corrected a fact. Each is reported once.
    Notice(&'a Notice),
    /// A request was signed. Sent only to observers that request [`Detail::Signing`].
    Signing(&'a SigningSteps<'a>),
    /// The beginnings of the bodies of an exchange. Sent only to observers that request
    /// [`Detail::Bodies`].
    Bodies(&'a Bodies<'a>),
}

impl Event<'_> {
    /// Returns the detail that an observer must request to receive this event.
    pub(super) const fn detail(&self) -> Option<Detail> {
        match self {
            Self::Signing(_) => Some(Detail::Signing),
            Self::Bodies(_) => Some(Detail::Bodies),
            _ => None,
        }
    }
}

/// A kind of event that is sent only to observers that request it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Detail {
    /// [`Event::Signing`].
    Signing,
    /// [`Event::Bodies`].
    Bodies,
}

/// One request, and how it ended. Requests that could not be sent, because they cannot be signed or
/// because their data cannot be read, are not attempts.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The name of S3's operation, such as `PutObject`.
    pub operation: &'static str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key; empty for operations on a bucket.
    pub key: &'a str,
    /// The number of this request among those of the operation, from 1.
    pub attempt: u32,
    /// The purpose of the request.
    pub role: AttemptRole,
    /// The request's method.
    pub method: &'static str,
    /// The host that the request went to, with its port unless that is the scheme's own.
    pub host: &'a str,
    /// The response's status; `None` when there is no response.
    pub status: Option<u16>,
    /// `x-amz-request-id`.
    pub request_id: Option<&'a str>,
    /// `x-amz-id-2`.
    pub host_id: Option<&'a str>,
    /// Why the request failed; `None` when it succeeded. A response of class 2xx can be a failure.
    pub error: Option<&'a Error>,
    /// The connection; `None` when there was none.
    pub connection: Option<ConnectionUse>,
    /// Bytes of the request's body that were sent, including chunk framing.
    pub bytes_sent: u64,
    /// Bytes of the response's body that were read so far. Those of an object follow in a
    /// [`Download`].
    pub bytes_received: u64,
    /// The duration of the request, by phases.
    pub timings: Timings,
    /// The step that follows.
    pub decision: Decision,
}

impl Attempt<'_> {
    /// Returns S3's error code.
    pub fn code(&self) -> Option<&str> {
        self.error.and_then(Error::code)
    }
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptRole {
    /// The request carries out the operation.
    Operation,
    /// The request finds out why a HEAD request was refused, because the response to HEAD has no
    /// body.
    Inquiry,
}

/// Whether a request opened its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionUse {
    /// The connection was opened for this request.
    New,
    /// The connection had served an earlier request.
    Reused,
}

/// The time that one request took, by phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Name lookup, TCP and the tunnel through a proxy; `None` without a new connection.
    pub connect: Option<Duration>,
    /// The TLS handshake; `None` without one.
    pub tls: Option<Duration>,
    /// From the beginning, including connecting, until the head of the response had arrived; `None`
    /// without a response.
    pub first_byte: Option<Duration>,
    /// The whole request, including signing and reading a response document.
    pub total: Duration,
}

/// The step that follows a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Nothing follows: the request succeeded, or was an [inquiry](AttemptRole::Inquiry).
    Finish,
    /// The operation is tried again after a wait.
    Retry {
        /// The wait.
        wait: Duration,
    },
    /// The request is sent again at once, because its connection was dead or its response led to
    /// a correction: new credentials, the server's time, the bucket's region, a redirect.
    Resend,
    /// The operation fails.
    GiveUp,
}

/// The end of an operation.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OperationOutcome<'a> {
    /// The name of S3's operation, such as `PutObject`.
    pub operation: &'static str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key; empty for operations on a bucket.
    pub key: &'a str,
    /// The number of requests that were made.
    pub attempts: u32,
    /// The time from the call to its end, including waits. GetObject ends when its response begins.
    pub total: Duration,
    /// Why the operation failed; `None` when it succeeded.
    pub error: Option<&'a Error>,
}

/// The reading of an object's body.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Download<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// Bytes of the body that were read, since its beginning.
    pub bytes_received: u64,
    /// Of these, the bytes that the request's [`Attempt`] has reported.
    pub bytes_reported: u64,
    /// The time since the response began, including the pauses of the caller.
    pub total: Duration,
    /// Whether the response was read to its end. A reader that was dropped earlier, or whose
    /// connection broke, was not; after a break the rest is a further GetObject.
    pub is_complete: bool,
}

/// A wait for admission: see [`Config::max_requests`](crate::client::Config::max_requests).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AdmissionWait<'a> {
    /// The name of S3's operation, such as `PutObject`.
    pub operation: &'static str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key; empty for operations on a bucket.
    pub key: &'a str,
    /// How long the request waited.
    pub waited: Duration,
    /// How many requests may be in flight at the moment.
    pub allowed: usize,
}

/// A temporary redirect that is followed. One to another region is a [`Notice::Region`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RedirectFollowed<'a> {
    /// The name of S3's operation, such as `PutObject`.
    pub operation: &'static str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key; empty for operations on a bucket.
    pub key: &'a str,
    /// The host that the next request goes to.
    pub host: &'a str,
}

/// An event about credentials.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum CredentialsEvent<'a> {
    /// A source returned new credentials.
    Refreshed {
        /// The source's name.
        source: &'a str,
        /// When the credentials expire; `None` if they do not.
        expires: Option<SystemTime>,
        /// How long the source took.
        took: Duration,
    },
    /// A source did not return any credentials.
    Failed {
        /// The source's name.
        source: &'a str,
        /// The reason for the failure.
        reason: &'a str,
        /// How long the source took.
        took: Duration,
    },
    /// A problem that does not fail requests yet.
    Warning(&'a Warning),
}

/// A problem with credentials that does not fail requests yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A refresh failed; the credentials held are still used.
    RefreshFailed {
        /// The reason for the failure.
        reason: String,
        /// When the credentials held expire.
        expires: Option<SystemTime>,
    },
    /// The source returned credentials that have expired already. They are used all the same,
    /// because a failing metadata service returns credentials that AWS still accepts.
    ExpiredOnArrival {
        /// When they expired.
        expires: SystemTime,
    },
    /// Users other than the owner can read a file that contains a secret. Reported once for each
    /// file.
    OpenPermissions {
        /// The file.
        path: PathBuf,
        /// Its mode bits: at least one of `0o077` is set.
        mode: u32,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RefreshFailed { reason, .. } => {
                write!(f, "a refresh failed, the current credentials stay in use: {reason}")
            }
            Self::ExpiredOnArrival { .. } => f.write_str(
                "the source returned credentials that have already expired; they are used \
                 nevertheless",
            ),
            Self::OpenPermissions { path, mode } => {
                let path = path.to_string_lossy();
                let path = shown_value(&path, Form::Path);
                write!(f, "{path} contains a secret and has mode {mode:o}: set it to 600")
            }
        }
    }
}

/// The steps that led to a request's signature, with tokens and keys redacted. The signature itself
/// is never shown.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SigningSteps<'a> {
    /// The name of S3's operation, such as `PutObject`.
    pub operation: &'static str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key; empty for operations on a bucket.
    pub key: &'a str,
    /// The canonical request; empty in version 2, which has none.
    pub canonical_request: &'a str,
    /// The string to sign.
    pub string_to_sign: &'a str,
}

/// The beginnings of an exchange's bodies, as text: control characters escaped, bytes that are not
/// UTF-8 replaced, the request's secrets redacted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Bodies<'a> {
    /// The name of S3's operation, such as `PutObject`.
    pub operation: &'static str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key; empty for operations on a bucket.
    pub key: &'a str,
    /// The request's body, if it is in memory. A body that comes from a reader is not shown.
    pub request: Option<&'a str>,
    /// The response's body, as far as it was read. For GetObject it is empty at first and follows
    /// when the body was read.
    pub response: &'a str,
}

/// Returns a stable name of an error's kind for counters and log lines: `no_such_key`.
pub(super) fn name_of(kind: ErrorKind) -> String {
    let mut name = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}
