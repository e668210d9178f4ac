//! Characters that a message or a terminal must not receive unchanged. The command-line tool
//! compiles this file too, so that it follows the same rule.
use std::fmt::{self, Write as _};

/// A character in a message. `Display` escapes it if it would break the line, control a terminal or
/// deceive the reader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escaped(pub(crate) char);

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // This writes a short escape such as `\n` if there is one, and otherwise one such as
            // `\u{1b}`.
            c if c.is_control() => write!(f, "{}", c.escape_debug()),
            c if is_escaped(c) => write!(f, "{}", c.escape_unicode()),
            c => f.write_char(c),
        }
    }
}

/// Reports whether a message contains `c` only as an escape.
pub(crate) fn is_escaped(c: char) -> bool {
    c.is_control() || is_deceptive(c)
}

/// Reports whether `c` is invisible, ends a line, or changes the direction of the surrounding text.
/// Such characters can make one file name look like another, or one log line like two. The list
/// contains the general categories Cf, Zl and Zp of Unicode and the characters with the property
/// `Default_Ignorable_Code_Point`, except the variation selectors of emoji.
const fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
