//! The ways in which a command can fail, and the exit code for each.
use crate::text::{json_line, shown};
use s3driver::{Cancel, Error, ErrorKind};
use serde_json::{Map, Value, json};
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The result of a command or of a part of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The end of the help text: every exit code.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    success; also when the reader of the output closed the pipe: a command that only reads
       ends then, and one that changes something finishes its work
  1    failure for another reason than those below
  2    wrong arguments or a wrong configuration
  3    the object, the bucket or the upload does not exist
  4    refused: no usable credentials, or a missing permission
  5    a check failed: a damaged object, or a fault that the doctor found
  6    the server could not be reached, or kept failing: a later attempt may succeed
  130  interrupted (Ctrl-C, SIGTERM or SIGHUP)";

/// The exit codes of [`EXIT_CODES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The reader of the output closed the pipe, as `head` does.
    ReaderLeft,
    Failure,
    Usage,
    NotFound,
    Refused,
    CheckFailed,
    Unavailable,
    Interrupted,
}

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Self::ReaderLeft => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::CheckFailed => 5,
            Self::Unavailable => 6,
            Self::Interrupted => 130,
        }
    }

    const fn of(kind: ErrorKind) -> Self {
        use ErrorKind::*;
        match kind {
            Configuration | UnknownOption | InvalidArgument | InvalidPath | InvalidOffset
            | UnsupportedMethod => Self::Usage,
            PathNotFound | NoSuchKey | NoSuchBucket | NoSuchUpload => Self::NotFound,
            AccessDenied | SignatureRejected | ExpiredCredentials | Credentials | ClockSkew => {
                Self::Refused
            }
            Integrity => Self::CheckFailed,
            Connect | Tls | Timeout | Interrupted | Throttled | Server => Self::Unavailable,
            Cancelled => Self::Interrupted,
            _ => Self::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    /// The error of the failed operation, when an operation on the server is the reason.
    error: Option<Box<Error>>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), error: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Returns the failure to read or write a local file or stream.
    pub(crate) fn local(place: impl Display, error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            io::ErrorKind::PermissionDenied => Exit::Refused,
            _ => Exit::Failure,
        };
        Self::new(exit, format!("{place}: {error}"))
    }

    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns a description of the failure and, where it is known, a remedy.
    pub(crate) fn parts(&self) -> (&str, Option<&str>) {
        match &self.error {
            Some(error) => (error.message(), error.hint()),
            None => (&self.message, None),
        }
    }

    /// Returns this failure, or an interruption if the command was interrupted, because the
    /// interruption caused the failure.
    pub(crate) fn after(self, cancel: &Cancel) -> Self {
        if cancel.is_cancelled() { Self::new(Exit::Interrupted, "interrupted") } else { self }
    }

    /// Prints the failure on the standard error.
    pub(crate) fn print(&self, json: bool) {
        let text = match self.exit {
            Exit::ReaderLeft => return,
            _ if json => json_line(&json!({ "error": self.json() })),
            // A message may contain a path that was made from a server's key.
            _ => format!("s3driver: {}", shown(&self.message)),
        };
        // When the standard error cannot be written to, the exit code has to suffice.
        let _ = writeln!(io::stderr(), "{text}");
    }

    pub(crate) fn json(&self) -> Value {
        let mut members = Map::new();
        let mut add = |name: &str, value: Value| {
            if !value.is_null() {
                members.insert(name.to_owned(), value);
            }
        };
        add("exit_code", self.exit.code().into());
        add("message", self.message.as_str().into());
        if let Some(error) = &self.error {
            add("kind", format!("{:?}", error.kind()).into());
            add("operation", error.operation().into());
            add("bucket", error.bucket().into());
            add("key", error.key().into());
            add("status", error.status().into());
            add("code", error.code().into());
            add("request_id", error.request_id().into());
            add("hint", error.hint().into());
        }
        Value::Object(members)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            exit: Exit::of(error.kind()),
            message: error.to_string(),
            error: Some(Box::new(error)),
        }
    }
}
