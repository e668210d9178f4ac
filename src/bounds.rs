//! The crate's rule for sizes that come from outside.
//!
//! A server, a file, a configuration or a caller can state any number. Therefore no allocation,
//! loop or sum takes its size from outside without a named bound:
//!
//! - A buffer grows with the bytes that have arrived. A length that has only been announced
//!   reserves at most [`MAX_RESERVE`] bytes ahead of them, and [`extend`] returns an error if the
//!   memory is not available.
//! - A document, a file or a list has a limit with a named constant, which is checked before the
//!   excess is stored.
//! - Sums, products and differences of numbers from outside are checked or saturate. A saturated
//!   number is never used as an actual size.
//! - A loop over the pages of a server always ends: pages without an entry are counted, repeated
//!   pages are recognized in constant memory, and the total waiting time has a deadline.
//!
//! `tests/layering/bounds.rs` searches the sources for the places where memory is reserved or
//! numbers are added or converted, and compares them with a reviewed list that gives a reason for
//! each.
use std::collections::TryReserveError;

/// The maximum number of bytes by which a buffer grows ahead of the bytes that have arrived. An
/// announced length cannot take up more memory than this.
pub(crate) const MAX_RESERVE: usize = 1 << 20;

/// Lengthens `buffer` to make room for the next bytes. Its first `filled` bytes have arrived, and
/// it will hold `expected` bytes if the server sends as many as it announced. The room grows with
/// the number of bytes that have arrived, so that filling the buffer takes linear time, and never
/// extends beyond `expected`.
///
/// # Errors
/// Fails if the memory is not available.
pub(crate) fn extend(
    buffer: &mut Vec<u8>,
    filled: usize,
    expected: usize,
) -> Result<(), TryReserveError> {
    /// The minimum number of bytes by which the buffer grows, which applies to bodies of unknown
    /// length and to empty ones.
    const MIN_ROOM: usize = 32 << 10;
    let ahead = expected.saturating_sub(filled).clamp(1, MAX_RESERVE);
    let room = filled.clamp(MIN_ROOM, MAX_RESERVE).min(ahead);
    let length = filled.saturating_add(room);
    if length > buffer.capacity() {
        // Doubles the size, so that each byte is moved at most twice on average.
        let wanted = filled.saturating_mul(2).clamp(length, expected.max(length));
        buffer.try_reserve_exact(wanted.saturating_sub(buffer.len()))?;
    }

    buffer.resize(length.max(buffer.len()), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_length_reserves_no_more_than_the_bound() {
        for expected in [1, 4096, MAX_RESERVE, 5 << 30, usize::MAX] {
            let mut buffer = Vec::new();
            extend(&mut buffer, 0, expected).expect("memory");
            assert!(
                !buffer.is_empty() && buffer.len() <= expected && buffer.capacity() <= MAX_RESERVE,
                "{expected}"
            );
        }
    }

    #[test]
    fn room_grows_with_the_received_bytes_up_to_the_announced_length() {
        for expected in [10, 5_000, (3 << 20) + 7, 20 << 20] {
            let (mut buffer, mut moves, mut capacity) = (Vec::new(), 0, 0);
            while buffer.len() < expected {
                let filled = buffer.len();
                extend(&mut buffer, filled, expected).expect("memory");
                assert!(buffer.len() > filled && buffer.len() - filled <= MAX_RESERVE);
                assert!(buffer.capacity() <= (2 * filled).max(MAX_RESERVE));
                moves += usize::from(buffer.capacity() != capacity);
                capacity = buffer.capacity();
            }

            assert_eq!((buffer.len(), buffer.capacity()), (expected, expected));
            assert!(moves < 20, "{moves} moves for {expected} bytes");
        }
    }

    #[test]
    fn unavailable_memory_is_an_error() {
        let mut buffer = Vec::new();
        assert!(extend(&mut buffer, usize::MAX - 1, usize::MAX).is_err());
    }
}
