//! A map in a configuration file. Entries are removed by name, so those that are left at the end
//! are unknown options.
use crate::driver::s3::Value;
use crate::duration;
use crate::error::{Error, ErrorKind, Result};
use crate::text::{Form, boolean_word, shown_value};
use std::time::Duration;

/// A section and its place in the file, such as `storage.delete`.
pub(super) struct Section {
    place: String,
    entries: Vec<(String, Value)>,
    /// The names that were requested, for the error about any other name.
    known: Vec<&'static str>,
}

impl Section {
    /// Creates a section from a map. Null counts as an empty map because YAML represents a name
    /// without a value this way.
    pub(super) fn new(place: impl Into<String>, value: Value) -> Result<Self> {
        let (place, mut entries) = (place.into(), Vec::new());
        match value {
            Value::Null => {}
            Value::Map(map) => entries = map,
            _ => return Err(config_error(format!("{place} must be a map of options"))),
        }

        for (name, _) in &mut entries {
            name.make_ascii_lowercase();
        }

        let repeated = entries
            .iter()
            .enumerate()
            .find(|(at, (name, _))| entries.iter().skip(at + 1).any(|(n, _)| n == name));
        if let Some((_, (name, _))) = repeated {
            return Err(config_error(format!(
                "{place}.{} is given twice",
                shown_value(name, Form::Name)
            )));
        }

        Ok(Self { place, entries, known: Vec::new() })
    }

    /// Removes and returns a value, or null if the section does not have it.
    pub(super) fn take(&mut self, name: &'static str) -> Value {
        self.known.push(name);
        self.take_any(name)
    }

    fn take_any(&mut self, name: &str) -> Value {
        let found = self.entries.iter().position(|(given, _)| given == name);
        found.map_or(Value::Null, |at| self.entries.swap_remove(at).1)
    }

    /// Removes and returns the first entry.
    pub(super) fn take_first(&mut self) -> Option<(String, Value)> {
        (!self.entries.is_empty()).then(|| self.entries.remove(0))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(given, _)| given == name)
    }

    pub(super) fn place(&self, name: &str) -> String {
        format!("{}.{name}", self.place)
    }

    pub(super) fn section(&mut self, name: &'static str) -> Result<Self> {
        Self::new(self.place(name), self.take(name))
    }

    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> Result<bool> {
        let value = match self.take(name) {
            Value::Null => return Ok(default),
            Value::Boolean(value) => return Ok(value),
            Value::Text(text) if text.is_empty() => return Ok(default),
            Value::Text(text) => boolean_word(&text),
            _ => None,
        };
        value.ok_or_else(|| config_error(format!("{} must be true or false", self.place(name))))
    }

    pub(super) fn duration(&mut self, name: &'static str) -> Result<Option<Duration>> {
        let place = self.place(name);
        match self.take(name) {
            Value::Null => Ok(None),
            Value::Text(text) if text.is_empty() => Ok(None),
            Value::Text(text) | Value::Integer(text) => {
                duration::parse(&text).map(Some).map_err(|why| {
                    config_error(format!("{place} must be a duration such as 168h: {why}"))
                })
            }
            _ => Err(config_error(format!("{place} must be a duration such as 168h"))),
        }
    }

    pub(super) fn count(&mut self, name: &'static str) -> Result<Option<u64>> {
        let place = self.place(name);
        match self.take(name) {
            Value::Null => Ok(None),
            Value::Text(text) if text.is_empty() => Ok(None),
            Value::Text(text) | Value::Integer(text) => text
                .parse()
                .map(Some)
                .map_err(|_| config_error(format!("{place} must be a whole number, 0 or more"))),
            _ => Err(config_error(format!("{place} must be a whole number, 0 or more"))),
        }
    }

    /// Removes and returns a word, in lower case.
    pub(super) fn word(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.take(name) {
            Value::Null => Ok(None),
            Value::Text(text) => {
                Ok(Some(text.trim().to_ascii_lowercase()).filter(|text| !text.is_empty()))
            }
            _ => Err(config_error(format!("{} must be text", self.place(name)))),
        }
    }

    /// Returns an error if entries are left.
    pub(super) fn finish(self) -> Result<()> {
        let Some((name, _)) = self.entries.first() else { return Ok(()) };
        let text = format!("unknown option {}.{}", self.place, shown_value(name, Form::Name));
        let error = Error::new(ErrorKind::UnknownOption, text);
        Err(if self.known.is_empty() {
            error
        } else {
            error.with_hint(format!("the options of {} are {}", self.place, self.known.join(", ")))
        })
    }
}

pub(super) fn config_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
