//! A text on the stack.
use std::fmt;

/// A text of `N` bytes at most. Text that does not fit is left out, and writing it fails.
#[derive(Clone, Copy)]
pub(crate) struct Short<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Default for Short<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> fmt::Write for Short<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.saturating_add(text.len());
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl<const N: usize> std::ops::Deref for Short<N> {
    type Target = str;

    fn deref(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or_default();
        // Whole texts alone are copied, so this is UTF-8.
        std::str::from_utf8(written).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn text_that_does_not_fit_is_left_out_whole() {
        let mut text = Short::<4>::default();
        assert!(text.write_str("a\u{e9}").is_ok());
        assert!(text.write_str("\u{e9}").is_err());
        assert!(text.write_char('b').is_ok());
        assert!(text.write_char('c').is_err());
        assert_eq!(&*text, "a\u{e9}b");
    }
}
