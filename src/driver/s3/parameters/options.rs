//! Options as text, and their conversion to booleans, numbers, words and durations.

use super::aliases::OptionAlias;
use super::kind::{boolean, config_error};
use super::table::{Named, OPTIONS, lookup};
use crate::client::values::Word;
use crate::duration;
use crate::error::{Error, Result};
use crate::text::{Form, shown_value};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;
use zeroize::Zeroizing;

/// Whether the text of a header may contain spaces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spaces {
    Inside,
    Nowhere,
}

/// The options that were given. An empty text counts as not given. The texts are wiped on drop.
#[derive(Default)]
pub(super) struct GivenOptions {
    values: BTreeMap<&'static str, Zeroizing<String>>,
    /// The names of other registries that were used.
    aliases: Vec<&'static OptionAlias>,
}

impl GivenOptions {
    /// Adds an option from a list in which each may occur once.
    pub(super) fn add(&mut self, name: &str, value: Zeroizing<String>) -> Result<()> {
        self.set(lookup(name)?, value)
    }

    /// Adds an option, or the option that an alias sets, from a list in which each may occur once.
    pub(super) fn set(&mut self, named: Named, value: Zeroizing<String>) -> Result<()> {
        let (name, value) = match named {
            Named::Option(option) => (option.name, value),
            Named::Alias(alias) => {
                let value = alias.translate(value)?;
                let Some(option) = alias.option.filter(|_| !value.is_empty()) else {
                    return Ok(());
                };
                self.aliases.push(alias);
                (option, value)
            }
        };

        if self.values.contains_key(name) && !value.is_empty() {
            return Err(self.explain(config_error(format!("the {name} parameter is given twice"))));
        }

        self.put(name, value);
        Ok(())
    }

    /// Adds the name under which the option was given to an error.
    pub(super) fn explain(&self, error: Error) -> Error {
        self.aliases.iter().fold(error, |error, alias| alias.explain(error))
    }

    /// Sets an option, replacing its previous value.
    pub(super) fn put(&mut self, name: &'static str, value: Zeroizing<String>) {
        if value.is_empty() {
            self.values.remove(name);
        } else {
            self.values.insert(name, value);
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.values.keys().copied()
    }

    /// Returns the text of an option: the given text, or else the default, or `None` if there is
    /// neither.
    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        let option = OPTIONS.iter().find(|option| option.name == name);
        debug_assert!(option.is_some(), "{name} is not an option");
        let given = self.values.get(name).map(|value| value.as_str());
        given.or_else(|| Some(option?.default)).filter(|text| !text.is_empty())
    }

    /// Returns the text of an option that must be given or have a default.
    pub(super) fn required(&self, name: &'static str) -> Result<&str> {
        self.text(name).ok_or_else(|| config_error(format!("no {name} parameter provided")))
    }

    /// Returns text for a header: visible ASCII, with spaces inside if `spaces` allows them.
    pub(super) fn header_text(&self, name: &'static str, spaces: Spaces) -> Result<Option<&str>> {
        const MAX_HEADER_TEXT: usize = 8192;
        let Some(text) = self.text(name) else { return Ok(None) };
        let good = |b: u8| b.is_ascii_graphic() || b == b' ' && spaces == Spaces::Inside;
        if text.len() > MAX_HEADER_TEXT || text.trim() != text || !text.bytes().all(good) {
            return Err(config_error(format!(
                "the {name} parameter should be visible ASCII without white space {} its ends, \
                 {MAX_HEADER_TEXT} bytes at most",
                if spaces == Spaces::Inside { "at" } else { "in it or at" },
            )));
        }
        Ok(Some(text))
    }

    pub(super) fn boolean(&self, name: &'static str) -> Result<bool> {
        boolean(name, self.required(name)?)
    }

    /// Returns an integer, which is decimal, or hexadecimal, octal or binary after `0x`, `0o` or
    /// `0b`.
    pub(super) fn integer(&self, name: &'static str, allowed: RangeInclusive<u64>) -> Result<u64> {
        let text = self.required(name)?;
        let (min, max) = (allowed.start(), allowed.end());
        let not_an_integer = |hint: &str| {
            config_error(format!(
                "{name} parameter must be an integer; {} is not valid: {hint}",
                shown_value(text, Form::Number)
            ))
        };

        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };

        let radixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
        let prefixed = radixes
            .into_iter()
            .find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, radix)));
        let (digits, radix) = prefixed.unwrap_or((digits, 10));
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(not_an_integer(&format!("allowed are {min} to {max}")));
        }

        if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
            return Err(not_an_integer(
                "a leading zero can mean octal: write 0o for octal, or remove the zero",
            ));
        }

        // A number with too many digits for `u64` is also out of range.
        let value = u64::from_str_radix(digits, radix).ok();
        value.filter(|value| (!negative || *value == 0) && allowed.contains(value)).ok_or_else(|| {
            config_error(format!(
                "the {name} {} parameter should be a number between {min} and {max} (inclusive)",
                shown_value(text, Form::Number)
            ))
        })
    }

    /// Returns a number of threads or requests from 1 to `most`. A number that exceeds the
    /// machine's word counts as unlimited.
    pub(super) fn count(&self, name: &'static str, most: u64) -> Result<NonZeroUsize> {
        let count = self.integer(name, 1..=most)?;
        Ok(usize::try_from(count).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MAX))
    }

    /// Returns one of an enum's words, in any case. The error also lists `others`, which the caller
    /// handles.
    pub(super) fn word<T: Word>(&self, name: &'static str, others: &[&'static str]) -> Result<T> {
        let text = self.required(name)?;
        T::find(text).ok_or_else(|| {
            config_error(format!(
                "the {name} parameter must be one of {}, not {}",
                T::list(others),
                shown_value(text, Form::Word)
            ))
        })
    }

    /// Returns a duration in Go's notation (`168h`, `1h30m`), or given as a number of seconds.
    pub(super) fn duration(
        &self,
        name: &'static str,
        allowed: RangeInclusive<Duration>,
    ) -> Result<Duration> {
        let text = self.required(name)?;
        match duration::parse(text) {
            Ok(duration) if allowed.contains(&duration) => Ok(duration),
            _ => Err(config_error(format!(
                "the {name} parameter should be a duration such as 168h or 1h30m, between {}s and \
                 {}s: {} is not valid",
                allowed.start().as_secs(),
                allowed.end().as_secs(),
                shown_value(text, Form::Duration)
            ))),
        }
    }
}
