//! Decoding of percent-encoded text (RFC 3986, section 2.1).

/// One byte of a percent-encoded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A literal byte.
    Plain(u8),
    /// A byte that was percent-encoded.
    Escaped(u8),
    /// A `%` that is not followed by two hexadecimal digits. The bytes after it are separate
    /// pieces.
    Broken,
}

/// Splits `text` into pieces. The caller decides how to treat a plus sign or a malformed escape.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        let (piece, tail) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => (Piece::Escaped(high << 4 | low), tail),
                _ => (Piece::Broken, rest.get(1..).unwrap_or_default()),
            },
            (b'%', tail) => (Piece::Broken, tail),
            (byte, tail) => (Piece::Plain(byte), tail),
        };

        rest = tail;
        Some(piece)
    })
}

/// Decodes `text`, in which a plus sign is literal. Returns `None` if `text` contains a malformed
/// escape.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Plain(byte) | Piece::Escaped(byte) => decoded.push(byte),
            Piece::Broken => return None,
        }
    }

    Some(decoded)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Broken, Escaped, Plain};

    #[test]
    fn escapes_are_two_hexadecimal_digits() {
        for (text, expected) in [
            ("", &[][..]),
            ("a+", &[Plain(b'a'), Plain(b'+')]),
            ("%2F%2f%00", &[Escaped(b'/'), Escaped(b'/'), Escaped(0)]),
            ("%25 41", &[Escaped(b'%'), Plain(b' '), Plain(b'4'), Plain(b'1')]),
            ("%", &[Broken]),
            ("%4", &[Broken, Plain(b'4')]),
            ("%+1", &[Broken, Plain(b'+'), Plain(b'1')]),
            ("%%41", &[Broken, Escaped(b'A')]),
            ("%4g", &[Broken, Plain(b'4'), Plain(b'g')]),
        ] {
            assert_eq!(pieces(text).collect::<Vec<_>>(), expected, "{text}");
            assert_eq!(decode(text).is_none(), expected.contains(&Broken), "{text}");
        }

        assert_eq!(decode("a%2B%ff+").as_deref(), Some(&b"a+\xff+"[..]));
    }
}
