//! The buffer of one part.
use super::content::{PartContent, PartSlice};
use crate::error::Result;
use crate::transfer::memory::Share;
use std::io::{self, Read};

/// A buffer for one part. The operating system only provides memory once it is written to, so a
/// small file costs little.
#[derive(Debug)]
pub(crate) struct Buffer {
    content: PartContent,
    size: u64,
    /// The buffer's share of the memory limit; `None` in a spool folder, and once the buffer is
    /// dropped.
    share: Option<Share>,
}

impl Buffer {
    /// Returns a buffer for a part of `size` bytes that begins with `content`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if the machine does not
    /// have enough memory.
    pub(crate) fn new(mut content: PartContent, size: u64, share: Option<Share>) -> Result<Self> {
        content.reserve(size)?;
        Ok(Self { content, size, share })
    }

    /// Returns the maximum number of bytes of the part.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the number of bytes of the part.
    pub(crate) const fn len(&self) -> u64 {
        self.content.len()
    }

    /// Returns the bytes of the part.
    pub(crate) fn as_slice(&self) -> PartSlice<'_> {
        self.content.as_slice()
    }

    /// Returns the bytes of the part after the first `count`.
    pub(crate) fn after(&self, count: u64) -> PartSlice<'_> {
        self.content.slice(count, u64::MAX)
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.len() >= self.size
    }

    /// Empties the buffer for another part.
    pub(crate) fn clear(&mut self) {
        self.content.truncate(0);
    }

    /// Appends as much of `content` as fits, and returns the number of bytes.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`](crate::ErrorKind::LocalIo) if the spool folder is full or fails.
    pub(crate) fn append(&mut self, content: &[u8]) -> Result<usize> {
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
        let taken = content.get(..room).unwrap_or(content);
        self.content.append(taken)?;
        Ok(taken.len())
    }

    /// Reads until the buffer is full, `limit` bytes have arrived, or the reader ends. After an
    /// error of the reader, which is the inner result, the bytes that arrived before it are kept.
    ///
    /// # Errors
    /// The errors of [`Buffer::append`].
    pub(crate) fn fill(&mut self, reader: &mut dyn Read, limit: u64) -> Result<io::Result<()>> {
        self.content.fill(reader, limit.min(self.room()))
    }

    const fn room(&self) -> u64 {
        self.size.saturating_sub(self.content.len())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some((share, memory)) = self.share.take().zip(self.content.take_memory()) {
            share.give_back(memory);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::transfer::memory::MemoryLimit;
    use crate::transfer::stream::spool::SpoolFolder;
    use std::sync::Arc;

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

    /// Makes buffers for parts of 100 bytes, in memory that was used before, and in files.
    fn kinds(work: impl Fn(&dyn Fn() -> Buffer)) {
        let memory = MemoryLimit::new(None);
        work(&|| {
            let mut share = memory.take(100);
            let bytes = share.reuse().unwrap_or_default();
            Buffer::new(PartContent::Memory { bytes, filled: 0 }, 100, Some(share)).unwrap()
        });
        let directory = tempfile::tempdir().unwrap();
        let folder = Arc::new(SpoolFolder::open(directory.path(), 1).unwrap());
        work(&|| {
            let (file, folder) = (folder.create_file(2).unwrap(), Arc::clone(&folder));
            Buffer::new(PartContent::File { file, folder, filled: 0 }, 100, None).unwrap()
        });
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "files have no names");
    }

    fn content(buffer: &Buffer) -> Vec<u8> {
        let mut content = Vec::new();
        buffer.as_slice().for_each_piece(|piece| content.extend_from_slice(piece)).unwrap();
        let mut read = Vec::new();
        buffer.as_slice().open().read_to_end(&mut read).unwrap();
        assert_eq!(content, read);
        content
    }

    #[test]
    fn bytes_of_an_earlier_part_do_not_show() {
        kinds(|buffer| check_reuse(buffer));
    }

    fn check_reuse(buffer: &dyn Fn() -> Buffer) {
        let source: Vec<u8> = (0..=255).cycle().take(300).collect();
        for first in [0, 1, 50, 100] {
            let mut earlier = buffer();
            assert_eq!(earlier.append(&vec![0xee; first]).unwrap(), first);
            drop(earlier);
            for appended in [0, 3, 60, 100] {
                for limit in [0, 1, 20, 200] {
                    let mut buffer = buffer();
                    assert_eq!(content(&buffer), b"");
                    assert_eq!(buffer.append(&source[..appended]).unwrap(), appended);
                    let mut reader = Pieces(&source[appended..], true);
                    buffer.fill(&mut reader, limit).unwrap().unwrap();
                    let wanted = (appended + limit as usize).min(100);
                    assert_eq!(content(&buffer), &source[..wanted], "{first} {appended} {limit}");
                    assert_eq!(buffer.is_full(), wanted == 100);
                    assert_eq!(buffer.append(&source[wanted..]).unwrap(), 100 - wanted);
                    assert_eq!(content(&buffer), &source[..100]);
                    buffer.clear();
                    assert_eq!(buffer.append(&source[200..203]).unwrap(), 3);
                    assert_eq!(content(&buffer), &source[200..203]);
                    assert_eq!(buffer.after(2).len(), 1);
                }
            }
        }
    }

    #[test]
    fn a_reader_may_end_early() {
        kinds(|new| {
            for _ in 0..2 {
                let mut buffer = new();
                buffer.fill(&mut Pieces(&[5; 30], false), 100).unwrap().unwrap();
                assert_eq!(content(&buffer), [5; 30]);
                buffer.fill(&mut Pieces(&[], false), 100).unwrap().unwrap();
                assert_eq!(content(&buffer), [5; 30]);
            }
        });
    }

    /// A reader's error leaves the bytes that arrived before it.
    #[test]
    fn bytes_before_an_error_are_kept() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        kinds(|new| {
            let mut buffer = new();
            let mut reader = Pieces(&[3; 8], false).chain(Failing);
            let error = buffer.fill(&mut reader, 100).unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(content(&buffer), [3; 8]);
        });
    }
}
