//! The buffer of one part.
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::memory::Share;
use std::io::{self, Read};

/// A buffer for one part. The operating system only provides memory once it is written to, so a
/// small file costs little.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// The bytes of the part, followed by bytes of an earlier part for which the memory was used. A
    /// reader can write over these without zeroing them first.
    bytes: Vec<u8>,
    /// The number of bytes of the part.
    filled: usize,
    size: u64,
    /// The buffer's share of the memory limit; `None` once the buffer is dropped.
    share: Option<Share>,
}

impl Buffer {
    /// Returns a buffer for a part of `size` bytes that begins with `bytes`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the machine does not have enough memory.
    pub(crate) fn new(bytes: Vec<u8>, size: u64, mut share: Share) -> Result<Self> {
        let filled = bytes.len();
        let mut bytes = if filled == 0 { share.reuse().unwrap_or(bytes) } else { bytes };
        let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(bytes.len());
        bytes.try_reserve_exact(room).map_err(|error| {
            let text = format!("no memory for a part of {size} bytes");
            Error::new(ErrorKind::InvalidArgument, text)
                .with_source(error)
                .with_hint("choose a smaller chunksize")
        })?;
        Ok(Self { bytes, filled, size, share: Some(share) })
    }

    /// Returns the maximum number of bytes of the part.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the bytes of the part.
    pub(crate) fn content(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Returns the bytes of the part, so that the caller can append to them temporarily.
    pub(crate) fn content_mut(&mut self) -> &mut Vec<u8> {
        self.bytes.truncate(self.filled);
        &mut self.bytes
    }

    pub(crate) fn is_full(&self) -> bool {
        self.filled as u64 >= self.size
    }

    /// Empties the buffer for another part.
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
    }

    /// Appends as much of `content` as fits, and returns the number of bytes.
    pub(crate) fn append(&mut self, content: &[u8]) -> usize {
        let taken = content.len().min(self.room());
        let used_before = self.bytes.get_mut(self.filled..).unwrap_or_default();
        let (over, beyond) = content.split_at(taken.min(used_before.len()));
        if let Some(place) = used_before.get_mut(..over.len()) {
            place.copy_from_slice(over);
        }
        self.bytes.extend_from_slice(beyond.get(..taken - over.len()).unwrap_or_default());
        self.filled += taken;
        taken
    }

    /// Reads until the buffer is full, `limit` bytes have arrived, or the reader ends. After an
    /// error, the bytes that arrived before it are kept.
    pub(crate) fn fill(&mut self, reader: &mut dyn Read, limit: u64) -> io::Result<()> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(self.room());
        let end = self.filled.saturating_add(limit);
        while self.filled < end.min(self.bytes.len()) {
            let end = end.min(self.bytes.len());
            let place = self.bytes.get_mut(self.filled..end).unwrap_or_default();
            match reader.read(place) {
                Ok(0) => return Ok(()),
                Ok(count) => self.filled = self.filled.saturating_add(count).min(end),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // `read_to_end` reads directly into the buffer.
        let result = reader.take((end - self.filled) as u64).read_to_end(&mut self.bytes);
        self.filled = self.filled.max(self.bytes.len().min(end));
        result.map(drop)
    }

    fn room(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX).saturating_sub(self.filled)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(share) = self.share.take() {
            share.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::transfer::memory::MemoryLimit;

    /// A reader that returns its bytes in pieces, with an interruption before each piece.
    struct Pieces<'a>(&'a [u8], bool);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if !self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = into.len().min(self.0.len()).min(7);
            let (piece, rest) = self.0.split_at(count);
            into[..count].copy_from_slice(piece);
            self.0 = rest;
            Ok(count)
        }
    }

    #[test]
    fn bytes_of_an_earlier_part_do_not_show() {
        let memory = MemoryLimit::new(None);
        let source: Vec<u8> = (0..=255).cycle().take(300).collect();
        for first in [0, 1, 50, 100] {
            let mut earlier = Buffer::new(Vec::new(), 100, memory.take(100)).unwrap();
            assert_eq!(earlier.append(&vec![0xee; first]), first);
            drop(earlier);
            for appended in [0, 3, 60, 100] {
                for limit in [0, 1, 20, 200] {
                    let mut buffer = Buffer::new(Vec::new(), 100, memory.take(100)).unwrap();
                    assert_eq!(buffer.content(), b"");
                    assert_eq!(buffer.append(&source[..appended]), appended);
                    let mut reader = Pieces(&source[appended..], true);
                    buffer.fill(&mut reader, limit).unwrap();
                    let wanted = (appended + limit as usize).min(100);
                    assert_eq!(buffer.content(), &source[..wanted], "{first} {appended} {limit}");
                    assert_eq!(buffer.is_full(), wanted == 100);
                    assert_eq!(buffer.append(&source[wanted..]), 100 - wanted);
                    assert_eq!(buffer.content(), &source[..100]);
                    buffer.clear();
                    assert_eq!(buffer.append(&source[200..203]), 3);
                    assert_eq!(buffer.content_mut(), &source[200..203]);
                }
            }
        }
    }

    #[test]
    fn a_reader_may_end_early() {
        let memory = MemoryLimit::new(None);
        for _ in 0..2 {
            let mut buffer = Buffer::new(Vec::new(), 100, memory.take(100)).unwrap();
            buffer.fill(&mut Pieces(&[5; 30], false), 100).unwrap();
            assert_eq!(buffer.content(), [5; 30]);
            buffer.fill(&mut Pieces(&[], false), 100).unwrap();
            assert_eq!(buffer.content(), [5; 30]);
        }
    }
}
