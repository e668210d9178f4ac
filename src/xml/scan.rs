//! Searches texts for bytes, eight at a time.
//!
//! The readers look at every byte of a listing for the few that are markup, so this search is the
//! innermost loop of the module.

/// Returns the offset of the first of `needles`, which are ASCII, in `text`.
#[inline]
pub(super) fn find<const N: usize>(text: &str, needles: [u8; N]) -> Option<usize> {
    first(
        text,
        |word| needles.iter().fold(0, |found, needle| found | equal(word, *needle)),
        |byte| needles.contains(&byte),
    )
}

/// Returns the offset of the first byte that is `>`, `:` or below `0`: where the name of nearly
/// every tag ends, and not within the name of any tag of S3's.
#[inline]
pub(super) fn end_of_plain_name(text: &str) -> Option<usize> {
    first(
        text,
        |word| equal(word, b'>') | equal(word, b':') | below(word, b'0'),
        |byte| matches!(byte, b'>' | b':' | 0..b'0'),
    )
}

/// Returns the offset of the first byte that `is_wanted`. `in_word` returns a word whose lowest set
/// bit is in the first such byte of its argument; 0 if there is none.
#[inline]
fn first(
    text: &str,
    in_word: impl Fn(u64) -> u64,
    is_wanted: impl Fn(u8) -> bool,
) -> Option<usize> {
    let (words, rest) = text.as_bytes().as_chunks();
    for (index, word) in words.iter().enumerate() {
        let found = in_word(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(index * size_of::<u64>() + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| is_wanted(*byte))?;
    Some(text.len() - rest.len() + at)
}

/// A one in each byte of a word.
const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// Marks the bytes of `word` that equal `byte`, which is ASCII, with their highest bits. The bits
/// above the lowest set one have no meaning.
#[inline]
const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * byte as u64), 1)
}

/// Like [`equal`], for the bytes below `limit`, which is ASCII.
#[inline]
const fn below(word: u64, limit: u8) -> u64 {
    const HIGH_BITS: u64 = ONES << 7;
    word.wrapping_sub(ONES * limit as u64) & !word & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_and_a_plain_one_agree_at_every_offset() {
        let needles = [b'<', b'&', b'\r'];
        let others = [
            "\0", "\u{1}", ";", "=", "'", "%", "\n", "\u{e}", "\u{7f}", "\u{bc}", "\u{a6}",
            "\u{ffff}",
        ];
        for filling in others {
            for length in 0..24 {
                let filled = filling.repeat(length);
                for needle in ["<", "&", "\r", ""] {
                    for after in ["", "<", "&>\r==========="] {
                        let text = format!("{filled}{needle}{after}");
                        let expected = text.bytes().position(|byte| needles.contains(&byte));
                        assert_eq!(find(&text, needles), expected, "{text:?}");
                        assert_eq!(find(&text, [b'&']), text.find('&'), "{text:?}");
                        let ends = |byte| matches!(byte, b'>' | b':' | 0..b'0');
                        assert_eq!(
                            end_of_plain_name(&text),
                            text.bytes().position(ends),
                            "{text:?}"
                        );
                    }
                }
            }
        }
    }
}
