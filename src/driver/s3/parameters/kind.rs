//! The types of options, and the errors for text of the wrong type.

use crate::error::{Error, ErrorKind, Result};
use crate::text::{Form, boolean_word, shown_value};

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

/// Parses the words of [`boolean_word`].
pub(super) fn boolean(name: &str, text: &str) -> Result<bool> {
    boolean_word(text).ok_or_else(|| {
        config_error(format!(
            "the {name} parameter should be a boolean: {} is neither true nor false",
            shown_value(text, Form::Word)
        ))
    })
}

pub(super) fn config_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
