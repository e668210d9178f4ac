//! Redaction of secrets that a server repeats in its messages.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use zeroize::Zeroizing;

/// The text that replaces a secret.
const REDACTED: &str = "<redacted>";

/// The number of consecutive letters and digits that a text must share with a secret to be
/// redacted, because a server may quote only a part of the secret. This is half the length of the
/// shortest generated secret, and too long for a coincidence.
const SHARED: usize = 12;

/// The minimum number of letters and digits of a secret. Shorter secrets cannot be distinguished
/// from words.
const SHORTEST: usize = 6;

/// The secrets of one request. Only hashes of their parts are kept, except for short secrets, which
/// are wiped on drop.
pub(crate) struct Secrets {
    state: RandomState,
    parts: HashSet<u64>,
    whole: Vec<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    pub(crate) fn new() -> Self {
        Self { state: RandomState::new(), parts: HashSet::new(), whole: Vec::new() }
    }

    /// Adds a secret in its plain, base64 and hexadecimal forms. Each form is recognized even if it
    /// is broken into lines, quoted, escaped or written in another case.
    #[must_use]
    pub(crate) fn with(mut self, secret: &str) -> Self {
        let core = core(secret);
        if core.len() < SHORTEST {
            return self;
        }

        self.add(&core);
        // If a longer text such as `user:password` is encoded in base64, the secret begins at one
        // of three positions within a group.
        for shift in 0..3 {
            let shifted = Zeroizing::new([&b"::"[..shift], secret.as_bytes()].concat());
            let encoded = Zeroizing::new(STANDARD.encode(&*shifted));
            // The first and the last characters also depend on the surrounding text.
            let end = encoded.trim_end_matches('=').len().saturating_sub(1);
            if let Some(inner) = encoded.get(if shift == 0 { 0 } else { shift + 1 }..end) {
                self.add(&self::core(inner));
            }
        }

        let digits = Zeroizing::new(hex::encode(secret));
        self.add(digits.as_bytes());
        self
    }

    fn add(&mut self, core: &[u8]) {
        if core.len() < SHARED {
            if core.len() >= SHORTEST {
                self.whole.push(Zeroizing::new(core.to_vec()));
            }

            return;
        }

        let state = &self.state;
        self.parts.extend(core.windows(SHARED).map(|part| state.hash_one(part)));
    }

    /// Replaces every part of `text` that it shares with a secret.
    pub(crate) fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let pieces = pieces(text);
        let bytes: Zeroizing<Vec<u8>> =
            Zeroizing::new(pieces.iter().map(|piece| piece.byte).collect());
        let mut hidden = vec![false; pieces.len()];
        let mut mark = |at: usize, length: usize| {
            hidden.iter_mut().skip(at).take(length).for_each(|mark| *mark = true);
        };

        for (at, part) in bytes.windows(SHARED).enumerate() {
            if self.parts.contains(&self.state.hash_one(part)) {
                mark(at, SHARED);
            }
        }

        for secret in &self.whole {
            for (at, part) in bytes.windows(secret.len()).enumerate() {
                if part == &***secret {
                    mark(at, secret.len());
                }
            }
        }

        if !hidden.contains(&true) {
            return Cow::Borrowed(text);
        }

        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        let mut before = false;
        for (piece, hidden) in pieces.iter().zip(hidden) {
            if hidden && !before {
                out.push_str(text.get(copied..piece.start).unwrap_or_default());
                out.push_str(REDACTED);
            }

            if hidden {
                copied = piece.end;
            }

            before = hidden;
        }

        out.push_str(text.get(copied..).unwrap_or_default());
        Cow::Owned(out)
    }
}

/// A letter or digit of a text, in lower case, with its position.
struct Piece {
    byte: u8,
    start: usize,
    end: usize,
}

/// Returns the letters and digits of `text`, which do not change when the text is quoted, escaped
/// or broken into lines.
fn core(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(pieces(text).into_iter().map(|piece| piece.byte).collect())
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut start = 0;
    while let [first, ..] = rest {
        let (byte, length) = unescaped(rest).unwrap_or((*first, 1));
        let end = start + length;
        if byte.is_ascii_alphanumeric() || !byte.is_ascii() {
            pieces.push(Piece { byte: byte.to_ascii_lowercase(), start, end });
        }

        rest = rest.get(length..).unwrap_or_default();
        start = end;
    }

    pieces
}

/// Returns the byte that an escape at the beginning of `text` represents, and the length of the
/// escape. The escapes are `%2F` (also `%252F`), `\u002f`, `\x2f`, `\n`, `&#47;`, `&#x2f;` and
/// `&amp;`.
fn unescaped(text: &[u8]) -> Option<(u8, usize)> {
    const LONGEST_REFERENCE: usize = 8;
    match text {
        [b'%', rest @ ..] => {
            let nested = rest.chunks_exact(2).take_while(|pair| pair == b"25").count();
            // The last `25` may itself be the escaped byte.
            let skipped = if is_hex_pair(rest.get(2 * nested..)?) {
                2 * nested
            } else {
                2 * nested.saturating_sub(1)
            };

            let pair = rest.get(skipped..skipped + 2).filter(|pair| is_hex_pair(pair))?;
            Some((hex_value(pair)?, 1 + skipped + 2))
        }
        [b'\\', b'u', rest @ ..] => Some((hex_value(rest.get(..4)?)?, 6)),
        [b'\\', b'x', rest @ ..] => Some((hex_value(rest.get(..2)?)?, 4)),
        [b'\\', b'n' | b'r' | b't', ..] => Some((b' ', 2)),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(LONGEST_REFERENCE).position(|b| *b == b';')?;
            let name = rest.get(..end)?;
            let value = match name {
                [b'#', b'x' | b'X', digits @ ..] => hex_value(digits)?,
                [b'#', digits @ ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
                _ if name.iter().all(u8::is_ascii_alphabetic) => b'&',
                _ => return None,
            };
            Some((value, end + 2))
        }
        _ => None,
    }
}

fn is_hex_pair(text: &[u8]) -> bool {
    text.get(..2).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
}

/// Parses a hexadecimal number below 256.
fn hex_value(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(
        std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?,
        16,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn hidden(text: &str) -> String {
        Secrets::new().with(SECRET).with("hunter2").redact(text).into_owned()
    }

    #[test]
    fn a_secret_is_hidden_in_every_spelling() {
        let basic = |text: &str| STANDARD.encode(text);
        for written in [
            SECRET.to_owned(),
            SECRET.to_uppercase(),
            SECRET.to_lowercase(),
            SECRET.replace('/', "%2F").replace('+', "%2b"),
            SECRET.replace('/', "%252F").replace('+', "%25252B"),
            SECRET.replace('/', "\\/").replace('+', "\\u002b"),
            SECRET.replace('/', "&#47;").replace('+', "&#x2B;"),
            SECRET.replace('/', "_").replace('+', "-"),
            SECRET.replace('K', "K\r\n  "),
            SECRET.replace('X', "X\" + \""),
            SECRET.bytes().map(|b| format!("%{b:02x}")).collect(),
            hex::encode(SECRET),
            hex::encode_upper(SECRET),
            basic(SECRET),
            basic(SECRET).trim_end_matches('=').to_owned(),
        ] {
            for text in [
                written.clone(),
                format!("the key ({written}) is wrong"),
                format!("k={written}&b=c"),
            ] {
                let out = hidden(&text);
                assert!(
                    out.contains(REDACTED) && out.len() <= text.len() - written.len() + 30,
                    "{text}: {out}"
                );
                assert!(!text.contains("is wrong") || out.ends_with("is wrong"), "{out}");
            }
        }

        for around in ["", "u", "us", "user:", "user!:"] {
            let out = hidden(&format!("Basic {}", basic(&format!("{around}{SECRET}"))));
            assert!(out.contains(REDACTED) && out.len() < 40, "{around}: {out}");
            let out = hidden(&format!("Basic {}.", basic(&format!("{around}hunter2 "))));
            assert!(out.contains(REDACTED), "{around}: {out}");
        }

        assert_eq!(
            hidden("it says hunter2, HUNTER2 and h u n t e r 2"),
            "it says <redacted> and <redacted>"
        );
    }

    #[test]
    fn parts_of_a_secret_are_hidden_too() {
        for (from, to) in [(0, 20), (12, 40), (25, 40), (3, 21)] {
            let out = hidden(&format!("key {}...", &SECRET[from..to]));
            assert!(
                out.starts_with("key <redacted>") && out.len() <= "key <redacted>...".len() + 1,
                "{out}"
            );
        }
    }

    #[test]
    fn other_words_are_unchanged() {
        let long =
            "The AWS Access Key Id you provided does not exist in our records. 100% & \\ \u{e9}";
        for text in
            ["", "a", "hunter", "K7MDENG", long, "%", "%2", "%25", "&#", "&;", "\\u00", "%zz \\x"]
        {
            assert_eq!(hidden(text), text);
            assert_eq!(Secrets::new().with("ab").with("").redact(text), text);
        }
    }

    #[test]
    fn redaction_never_panics() {
        use proptest::prelude::*;
        proptest!(|(text in "[%25\\\\ux&#;0-9a-f\u{e9}hunter]{0,60}")| {
            let _ = hidden(&text);
        });
    }
}
