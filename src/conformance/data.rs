//! Content in which every byte depends on its position, so that swapped, repeated or missing parts
//! are noticed.
use std::io::{self, Read};
use std::sync::OnceLock;

/// The content consists of blocks of this size. Each one begins with [`word`] and continues with a
/// section of [`table`], so that a build without optimization copies most of the bytes.
const BLOCK: usize = 4096;

/// Returns eight bytes that depend on all bits of `seed` and `index`.
fn word(seed: u64, index: u64) -> [u8; 8] {
    let mut x = index ^ seed.wrapping_add(1).wrapping_mul(0xd134_2543_de82_ef95);
    x = (x ^ (x >> 32)).wrapping_mul(0xdaba_0b6e_b093_22e3);
    (x ^ (x >> 29)).to_le_bytes()
}

/// Returns two blocks of irregular bytes.
fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| (0..2 * BLOCK as u64 / 8).flat_map(|index| word(0, index)).collect())
}

/// Fills `buffer` with the content that begins at `position`.
fn fill(seed: u64, position: u64, buffer: &mut [u8]) {
    let block = BLOCK as u64;
    let (mut index, mut skip) = (position / block, (position % block) as usize);
    let mut rest = buffer;
    while !rest.is_empty() {
        let length = rest.len().min(BLOCK - skip);
        let (mut part, tail) = rest.split_at_mut(length);
        let head = word(seed, index);
        if let Some(head) = head.get(skip..) {
            let (to, after) = part.split_at_mut(head.len().min(part.len()));
            to.copy_from_slice(&head[..to.len()]);
            (part, skip) = (after, head.len() + skip);
        }
        let start = usize::from(u16::from_le_bytes([head[0], head[1]])) % BLOCK + skip;
        part.copy_from_slice(&table()[start..start + part.len()]);
        (rest, index, skip) = (tail, index + 1, 0);
    }
}

/// Returns `length` bytes of the content, beginning at `position`.
pub(super) fn bytes(seed: u64, position: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fill(seed, position, &mut bytes);
    bytes
}

/// A reader that generates its content.
#[derive(Debug)]
pub(super) struct Source {
    seed: u64,
    position: u64,
    end: u64,
}

impl Source {
    pub(super) const fn new(seed: u64, from: u64, to: u64) -> Self {
        Self { seed, position: from, end: to }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length =
            usize::try_from(self.end - self.position).unwrap_or(usize::MAX).min(buffer.len());
        fill(self.seed, self.position, &mut buffer[..length]);
        self.position += length as u64;
        Ok(length)
    }
}

/// Reads `reader` to its end and compares it with a source. Returns a description of the first
/// difference, if there is one.
pub(super) fn difference(
    reader: &mut dyn Read,
    mut expected: Source,
) -> io::Result<Option<String>> {
    let (start, end) = (expected.position, expected.end);
    let (mut got, mut wanted) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let length = match reader.read(&mut got) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            length => length?,
        };

        let at = expected.position;
        if length == 0 {
            let whole = (at == end).then_some(());
            return Ok(whole
                .is_none()
                .then(|| format!("{} bytes instead of {}", at - start, end - start)));
        }

        let length = length.min(got.len());
        let known = usize::try_from(end - at).unwrap_or(usize::MAX).min(length);
        expected.read_exact(&mut wanted[..known])?;
        if got[..known] != wanted[..known] {
            let first = got.iter().zip(&wanted).take_while(|(got, wanted)| got == wanted).count();
            return Ok(Some(format!(
                "a different byte at {} of {}",
                at - start + first as u64,
                end - start
            )));
        }

        if known < length {
            return Ok(Some(format!("more than {} bytes", end - start)));
        }
    }
}

/// Returns a description of the first difference between two contents, if there is one.
pub(super) fn compare(got: &[u8], expected: &[u8]) -> Option<String> {
    if got == expected {
        return None;
    }

    if got.len().max(expected.len()) <= 64 {
        return Some(format!("{:?}", String::from_utf8_lossy(got)));
    }

    let same = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    Some(format!(
        "{} bytes that agree with the expected {} up to byte {same}",
        got.len(),
        expected.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_content_equals_the_whole() {
        let whole = bytes(3, 0, 100_000);
        for (from, to) in [(0, 100_000), (1, 77), (8, 16), (9_999, 70_001), (5, 5)] {
            assert_eq!(bytes(3, from as u64, to - from), whole[from..to]);
            assert_eq!(
                difference(&mut &whole[from..to], Source::new(3, from as u64, to as u64)).unwrap(),
                None
            );
        }
    }

    #[test]
    fn swapped_parts_and_wrong_lengths_are_reported() {
        let mut swapped = bytes(3, 50_000, 50_000);
        swapped.extend(bytes(3, 0, 50_000));
        let whole = || Source::new(3, 0, 100_000);
        let text = difference(&mut &*swapped, whole()).unwrap().unwrap();
        assert!(text.starts_with("a different byte at 0"), "{text}");
        let content = bytes(3, 0, 100_001);
        assert!(difference(&mut &content[..99_999], whole()).unwrap().unwrap().contains("99999"));
        assert!(difference(&mut &*content, whole()).unwrap().unwrap().contains("more than"));
        assert_eq!(compare(&content, &content), None);
        assert!(compare(&content[..70_000], &content).unwrap().contains("up to byte 70000"));
    }
}
