//! Content in which every byte depends on its position, so that swapped, repeated or missing parts
//! are noticed.

use std::sync::OnceLock;

/// The content of a seed repeats after this number of bytes. Because it is a prime, no multiple of
/// a part, a page or a buffer is a period, however many of them a test swaps.
const PERIOD: usize = 1_048_573;

/// Returns irregular bytes: one period, which tests copy from, because a build without optimization
/// copies many times faster than it computes.
fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut bytes = Vec::with_capacity(PERIOD + 7);
        for index in 0..PERIOD.div_ceil(8) as u64 {
            let mut x = index.wrapping_add(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend_from_slice(&(x ^ (x >> 31)).to_le_bytes());
        }
        bytes.truncate(PERIOD);
        bytes
    })
}

/// Returns where in the table the byte of `position` is. The contents of two seeds begin far apart.
fn place(seed: u64, position: u64) -> usize {
    let start = u128::from(seed) * 0x9e37_79b9_7f4a_7c15;
    ((start + u128::from(position)) % PERIOD as u128) as usize
}

/// Fills `buffer` with the bytes from `position` on.
pub fn fill(seed: u64, position: u64, buffer: &mut [u8]) {
    let (mut from, mut rest) = (place(seed, position), buffer);
    while !rest.is_empty() {
        let length = rest.len().min(PERIOD - from);
        let (part, tail) = rest.split_at_mut(length);
        part.copy_from_slice(&table()[from..from + length]);
        (from, rest) = (0, tail);
    }
}

/// Returns `length` bytes from `position` on.
pub fn bytes(seed: u64, position: u64, length: usize) -> Vec<u8> {
    let mut content = vec![0; length];
    fill(seed, position, &mut content);
    content
}
