//! Options as text: which names there are, and how text becomes a boolean, a number, a word or a time.

use crate::client::values::Word;
use crate::duration;
use crate::error::{Error, ErrorKind, Result};
use crate::text::shown;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use zeroize::Zeroizing;

/// What an option's text is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Text that no message shows.
    Secret,
    Boolean,
    Integer,
    Word,
    Duration,
}

/// Every option, in the order of the documentation.
pub(super) const OPTIONS: [(&str, Kind); 35] = [
    ("accesskey", Kind::Secret),
    ("secretkey", Kind::Secret),
    ("sessiontoken", Kind::Secret),
    ("region", Kind::Text),
    ("regionendpoint", Kind::Text),
    ("redirectendpoint", Kind::Text),
    ("forcepathstyle", Kind::Boolean),
    ("usedualstack", Kind::Boolean),
    ("usefipsendpoint", Kind::Boolean),
    ("accelerate", Kind::Boolean),
    ("bucket", Kind::Text),
    ("rootdirectory", Kind::Text),
    ("encrypt", Kind::Boolean),
    ("keyid", Kind::Text),
    ("storageclass", Kind::Word),
    ("objectacl", Kind::Word),
    ("secure", Kind::Boolean),
    ("skipverify", Kind::Boolean),
    ("cacert", Kind::Text),
    ("proxy", Kind::Secret),
    ("v4auth", Kind::Boolean),
    ("payload", Kind::Word),
    ("checksum", Kind::Word),
    ("chunksize", Kind::Integer),
    ("multipartcopychunksize", Kind::Integer),
    ("multipartcopymaxconcurrency", Kind::Integer),
    ("multipartcopythresholdsize", Kind::Integer),
    ("concurrency", Kind::Integer),
    ("readahead", Kind::Integer),
    ("maxmemory", Kind::Integer),
    ("maxrequests", Kind::Integer),
    ("uniformparts", Kind::Boolean),
    ("uploadpurgeage", Kind::Duration),
    ("useragent", Kind::Text),
    ("loglevel", Kind::Word),
];

/// The options that were given. An empty text counts as not given. Wiped on drop.
#[derive(Default)]
pub(super) struct Options(BTreeMap<&'static str, Zeroizing<String>>);

impl Options {
    /// One option from a list that may name each once.
    pub(super) fn add(&mut self, name: &str, value: Zeroizing<String>) -> Result<()> {
        let (name, _) = known(name)?;
        if self.0.contains_key(name) && !value.is_empty() {
            return Err(refused(format!("the {name} parameter is given twice")));
        }
        self.put(name, value);
        Ok(())
    }
    /// One option in place of what it was before.
    pub(super) fn put(&mut self, name: &'static str, value: Zeroizing<String>) {
        if value.is_empty() {
            self.0.remove(name);
        } else {
            self.0.insert(name, value);
        }
    }
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        debug_assert!(known(name).is_ok(), "{name} is no option");
        self.0.get(name).map(|value| value.as_str())
    }

    /// Text that goes into a header: visible ASCII, with spaces inside where `spaces` allows them.
    pub(super) fn header_text(&self, name: &'static str, spaces: Spaces) -> Result<Option<&str>> {
        const MAX_HEADER_TEXT: usize = 8192;
        let Some(text) = self.text(name) else { return Ok(None) };
        let good = |b: u8| b.is_ascii_graphic() || b == b' ' && spaces == Spaces::Inside;
        if text.len() > MAX_HEADER_TEXT || text.trim() != text || !text.bytes().all(good) {
            return Err(refused(format!(
                "the {name} parameter should be visible ASCII without white space {} its ends, {MAX_HEADER_TEXT} bytes at most",
                if spaces == Spaces::Inside { "at" } else { "in it or at" },
            )));
        }
        Ok(Some(text))
    }

    /// `true`, `false` and the other words of Go's `strconv.ParseBool`.
    pub(super) fn boolean(&self, name: &'static str) -> Result<Option<bool>> {
        self.text(name)
            .map(|text| match text {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                _ => Err(refused(format!(
                    "the {name} parameter should be a boolean: {} is neither true nor false",
                    shown(text)
                ))),
            })
            .transpose()
    }

    /// A whole number: decimal, or with `0x`, `0o` or `0b` before it.
    pub(super) fn integer(&self, name: &'static str, allowed: RangeInclusive<u64>) -> Result<Option<u64>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let (min, max) = (allowed.start(), allowed.end());
        match parse_integer(text) {
            Integer::Value(value) if allowed.contains(&value) => Ok(Some(value)),
            Integer::Value(_) | Integer::Beyond => Err(refused(format!(
                "the {name} {} parameter should be a number between {min} and {max} (inclusive)",
                shown(text)
            ))),
            Integer::Ambiguous => Err(refused(format!(
                "{name} parameter must be an integer, {} invalid: a leading zero can mean octal; write 0o for octal, or no zero",
                shown(text)
            ))),
            Integer::Not => Err(refused(format!(
                "{name} parameter must be an integer, {} invalid: allowed are {min} to {max}",
                shown(text)
            ))),
        }
    }

    /// One of an enum's words.
    pub(super) fn word<T: Word>(&self, name: &'static str) -> Result<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        find_word(text).map(Some).ok_or_else(|| {
            refused(format!("the {name} parameter must be one of {}, {} invalid", words::<T>(&[]), shown(text)))
        })
    }

    /// A duration in Go's notation (`168h`, `1h30m`), or a number of seconds.
    pub(super) fn duration(&self, name: &'static str, allowed: RangeInclusive<Duration>) -> Result<Option<Duration>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match duration::parse(text) {
            Ok(duration) if allowed.contains(&duration) => Ok(Some(duration)),
            _ => Err(refused(format!(
                "the {name} parameter should be a duration such as 168h or 1h30m, between {}s and {}s: {} invalid",
                allowed.start().as_secs(),
                allowed.end().as_secs(),
                shown(text)
            ))),
        }
    }
}

/// Whether a header's text may have spaces inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spaces {
    Inside,
    Nowhere,
}

/// The option of that name.
pub(super) fn known(name: &str) -> Result<(&'static str, Kind)> {
    OPTIONS.into_iter().find(|(known, _)| *known == name).ok_or_else(|| match nearest(name) {
        Some(meant) => refused(format!("unknown parameter {}: did you mean {meant}?", shown(name))),
        None => refused(format!("unknown parameter {}", shown(name)))
            .with_hint(format!("the parameters are {}", OPTIONS.map(|(name, _)| name).join(", "))),
    })
}

pub(super) fn find_word<T: Word>(text: &str) -> Option<T> {
    T::ALL.iter().copied().find(|value| value.word() == text)
}

/// All words of an enum and some more, as a list for a message.
pub(super) fn words<T: Word>(more: &[&'static str]) -> String {
    T::ALL.iter().map(|value| value.word()).chain(more.iter().copied()).collect::<Vec<_>>().join(", ")
}

pub(super) fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

enum Integer {
    Value(u64),
    /// A number, but negative or beyond 64 bits.
    Beyond,
    /// Decimal to one reader, octal to another.
    Ambiguous,
    Not,
}

fn parse_integer(text: &str) -> Integer {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let radixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
    let prefixed = radixes.into_iter().find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, radix)));
    let (digits, radix) = prefixed.unwrap_or((digits, 10));
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Integer::Not;
    }
    if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
        return Integer::Ambiguous;
    }
    match u64::from_str_radix(digits, radix) {
        Ok(value) if !negative || value == 0 => Integer::Value(value),
        _ => Integer::Beyond,
    }
}

/// The option a misspelt name most likely stands for.
fn nearest(name: &str) -> Option<&'static str> {
    /// Longer names are no typing errors, and the comparison is quadratic.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let name: String = name.to_ascii_lowercase().replace(['_', '-', ' '], "");
    let (distance, best) = OPTIONS.into_iter().map(|(known, _)| (edits(&name, known), known)).min()?;
    (distance <= 1 + best.len() / 5).then_some(best)
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.windows(2)) {
            left = if let &[diagonal, up] = above {
                (diagonal + usize::from(x != *y)).min(up + 1).min(left + 1)
            } else {
                left
            };
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
