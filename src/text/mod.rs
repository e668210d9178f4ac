//! Display of text from outside in messages: on one line, of bounded length, and without characters
//! that hide or reorder text. [`value`] decides which configured values may be shown, and
//! [`redaction`] removes secrets from text that a server sent.
#[cfg(feature = "client")]
mod boolean;
mod escape;
mod names;
#[cfg(feature = "client")]
mod redaction;
mod value;

#[cfg(feature = "client")]
pub(crate) use boolean::boolean_word;
#[cfg(test)]
pub(crate) use names::SECRETS;
pub(crate) use names::is_secret_name;
#[cfg(feature = "client")]
pub(crate) use redaction::Secrets;
pub(crate) use value::{Form, may_be_secret, shown_value};
pub(crate) use value::{Resemblance, resemblance};
#[cfg(feature = "client")]
pub(crate) use value::{ShownValue, is_url_with_password};
#[cfg(feature = "cloudfront")]
pub(crate) use value::{base64_of, der_of};

use std::fmt;

/// The maximum length of a value in a message, in characters. This is enough to recognize the
/// value.
const VALUE: usize = 100;

/// Prepares `text` for a message, cut off after 100 characters.
pub(crate) fn shown(text: &str) -> Shown<'_> {
    shown_to(text, VALUE)
}

/// Prepares `text` for a message, cut off after `limit` characters.
pub(crate) fn shown_to(text: &str, limit: usize) -> Shown<'_> {
    Shown { text, limit }
}

/// Text from outside in a message. `Display` writes it on one line, and ends it with `...` if it
/// was cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    text: &'a str,
    limit: usize,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.text.chars();
        chars.by_ref().take(self.limit).try_for_each(|c| write_char(f, c))?;
        if chars.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}

/// Writes `c`, escaped if it would break the line or deceive the reader.
pub(crate) fn write_char(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    write!(f, "{}", escape::Escaped(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_characters() {
        for (text, limit, expected) in [
            ("", 0, ""),
            ("", 3, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "abc..."),
            ("\u{e9}\u{1F980}\u{e9}x", 3, "\u{e9}\u{1F980}\u{e9}..."),
            ("x", 0, "..."),
            // An escape counts as one character.
            ("\n\n", 2, "\\n\\n"),
        ] {
            assert_eq!(shown_to(text, limit).to_string(), expected, "{text:?} {limit}");
        }

        assert_eq!(shown(&"x".repeat(101)).to_string(), format!("{}...", "x".repeat(100)));
    }

    #[test]
    fn p26_characters_that_hide_or_reorder_text_are_escaped() {
        for c in [
            '\0',
            '\t',
            '\n',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202b}',
            '\u{202c}',
            '\u{202d}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2067}',
            '\u{2068}',
            '\u{2069}',
            '\u{206f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e007f}',
        ] {
            let text = format!("a{c}b");
            let written = shown(&text).to_string();
            assert!(
                written.is_ascii() && written.starts_with("a\\") && written.ends_with('b'),
                "{written}"
            );
        }
    }

    #[test]
    fn readable_text_is_unchanged() {
        for text in [
            "a b\"c'd\\e",
            "gr\u{fc}n",
            "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947}",
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
            "\u{1F980}\u{fe0f}",
            "\u{202f}",
        ] {
            assert_eq!(shown(text).to_string(), text);
        }
    }
}
