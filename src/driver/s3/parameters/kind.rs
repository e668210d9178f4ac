//! The types of options, and the errors for text of the wrong type.

use crate::error::{Error, ErrorKind, Result};
use crate::text::{Form, shown_value};

/// The type of an option's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Text that is never shown in a message.
    Secret,
    Boolean,
    Integer,
    Word,
    /// One or more words, separated by commas.
    Words,
    Duration,
}

/// Parses `true`, `false` and the other words of Go's `strconv.ParseBool`, in any case.
pub(super) fn boolean(name: &str, text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(config_error(format!(
            "the {name} parameter should be a boolean: {} is neither true nor false",
            shown_value(text, Form::Word)
        ))),
    }
}

pub(super) fn config_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
