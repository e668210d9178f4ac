//! Parsing of PEM blocks in the forms that occur in practice: surrounded by text, with CRLF line
//! endings, indented by YAML, joined into one line by a shell, with escaped line endings, several
//! in a file, or entirely in base64.
use crate::error::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// A PEM block that has not been decoded yet.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    body: &'a str,
}

impl Block<'_> {
    /// Reports whether the block uses legacy encryption, which is announced by headers inside the
    /// block (RFC 1421 section 4.6.1.1).
    pub(super) fn is_legacy_encrypted(&self) -> bool {
        self.body.contains("Proc-Type:") && self.body.contains("ENCRYPTED")
    }

    /// Returns the block in the form that strict decoders require: without surrounding text, and
    /// with 64 characters per line.
    ///
    /// Environment variables, parameter stores and JSON documents often contain escaped line
    /// endings (a backslash and a letter), sometimes escaped twice. A slash may be escaped as well,
    /// and lines may be quoted. Backslashes and quotes are not part of the base64 alphabet.
    pub(super) fn normalized(&self) -> Zeroizing<String> {
        const WIDTH: usize = 64;
        // All the memory is reserved at once because a growing buffer would leave copies of the key
        // in freed memory.
        let size = self.body.len() + self.body.len() / WIDTH + 2 * self.label.len() + WIDTH;
        let mut text = Zeroizing::new(String::with_capacity(size));
        text.push_str("-----BEGIN ");
        text.push_str(self.label);
        text.push_str("-----");
        let mut written = 0;
        let mut escaped = false;
        for c in self.body.chars() {
            match c {
                '\\' => escaped = true,
                // This letter belongs to an escaped line ending, not to the base64 text.
                'n' | 'r' | 't' if escaped => escaped = false,
                c if c.is_ascii_whitespace() || matches!(c, '"' | '\'' | ',') => escaped = false,
                c => {
                    escaped = false;
                    if written % WIDTH == 0 {
                        text.push('\n');
                    }

                    text.push(c);
                    written += 1;
                }
            }
        }

        text.push_str("\n-----END ");
        text.push_str(self.label);
        text.push_str("-----\n");
        text
    }
}

/// Returns the blocks of a text, in order. Text outside the blocks is ignored (RFC 7468 section 2).
pub(super) fn blocks(text: &str) -> Result<Vec<Block<'_>>> {
    const BEGIN: &str = "-----BEGIN ";
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let Some((label, after)) = after.split_once("-----").filter(|(label, _)| is_label(label))
        else {
            return Err(invalid_key("the PEM text has a BEGIN line that cannot be read"));
        };

        let Some((body, after)) = after.split_once(&format!("-----END {label}-----")) else {
            return Err(invalid_key(format!("the PEM block `{label}` has no END line")));
        };

        found.push(Block { label, body });
        rest = after;
    }

    Ok(found)
}

pub(super) fn invalid_key(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

fn is_label(label: &str) -> bool {
    label.len() <= 64
        && label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_of_a_block_is_normalized_to_the_same_text() {
        let body = "QUJD".repeat(40);
        let wrapped = |eol: &str| {
            body.as_bytes().chunks(64).map(|l| String::from_utf8_lossy(l) + eol).collect::<String>()
        };

        let expected = format!("-----BEGIN A KEY-----\n{}-----END A KEY-----\n", wrapped("\n"));
        for text in [
            expected.clone(),
            expected.replace('\n', "\r\n"),
            expected.replace('\n', "\n    "),
            format!("    {}", expected.replace('\n', "\n\t")),
            format!("-----BEGIN A KEY-----\n{body}\n-----END A KEY-----"),
            format!("-----BEGIN A KEY-----{body}-----END A KEY-----"),
            expected.replace('\n', "\\n"),
            expected.replace('\n', "\\r\\n"),
            expected.replace('\n', "\\\\n"),
            expected.replace('\n', "\\n\n"),
            expected.replace('\n', " "),
            expected.replace('\n', "\\n\" +\n \"").replace('+', ","),
            format!("\"{}\"", expected.replace('\n', "\\n")),
            format!("'{}'", expected.trim_end()),
            format!("\u{feff}{expected}"),
            format!("\nBag Attributes\n  friendlyName: x\n{expected}trailing words"),
        ] {
            let found = blocks(&text).unwrap();
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(*found[0].normalized(), expected, "{text}");
        }
    }

    #[test]
    fn the_memory_of_a_long_key_is_reserved_at_once() {
        let text = format!("-----BEGIN A KEY-----{}-----END A KEY-----", "QUJD".repeat(16 * 80));
        let text = blocks(&text).unwrap()[0].normalized();
        assert!((0..64).contains(&(text.capacity() - text.len())), "{}", text.capacity());
    }

    #[test]
    fn several_blocks_come_in_order_and_malformed_ones_are_errors() {
        let two = "-----BEGIN A-----\nQQ==\n-----END A-----\nx\n-----BEGIN B-----\nQg==\n-----END B-----\n";
        assert_eq!(blocks(two).unwrap().iter().map(|b| b.label).collect::<Vec<_>>(), ["A", "B"]);
        assert!(blocks("no block at all").unwrap().is_empty());
        for text in [
            "-----BEGIN A-----\nQQ==",
            "-----BEGIN A-----\n-----END B-----",
            "-----BEGIN ",
            "-----BEGIN a\nb-----",
            "-----BEGIN a-----\nQQ==\n-----END a-----",
        ] {
            assert!(blocks(text).is_err(), "{text}");
        }
    }
}
