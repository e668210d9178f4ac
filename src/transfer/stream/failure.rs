//! The first failure of a file that is being written.
use crate::error::{Error, ErrorKind};

/// The first failure of a part. The first caller receives the error itself; later callers receive a
/// new error with its kind and text.
#[derive(Debug)]
pub(crate) struct FirstFailure {
    kind: ErrorKind,
    text: String,
    error: Option<Error>,
}

impl FirstFailure {
    /// Creates the record of an error that no caller has received yet.
    pub(super) fn new(error: Error) -> Self {
        let Self { kind, text, .. } = Self::of(&error);
        Self { kind, text, error: Some(error) }
    }

    /// Creates the record of an error that a caller has received. The caller may have ignored it:
    /// a `BufWriter` that is dropped does.
    pub(crate) fn of(error: &Error) -> Self {
        Self { kind: error.kind(), text: error.message().to_owned(), error: None }
    }

    /// Returns the error for the next caller.
    pub(crate) fn next_error(&mut self) -> Error {
        self.error.take().unwrap_or_else(|| {
            let text = format!("an earlier part of this file failed: {}", self.text);
            Error::new(self.kind, text)
        })
    }
}
