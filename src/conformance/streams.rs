//! Writing a whole stream at an offset, the interface of the registry's first drivers.
use super::data::{Source, bytes};
use super::trial::{equal, failed};
use std::io::{self, Read};

/// A reader that returns some bytes and then fails.
struct Broken<R>(R);

impl<R: Read> Read for Broken<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the sender hung up")),
            length => Ok(length),
        }
    }
}

/// A reader that returns one byte at a time.
struct Trickle<R>(R);

impl<R: Read> Read for Trickle<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

cases! {
    /// A stream written at 0 becomes the file, and the call returns its length.
    fn streams_are_stored_unchanged(trial) {
        let chunk = trial.chunk() as u64;
        for size in [1, 2, 4, 32, 1 << 20, chunk - 1, chunk, chunk + 1, 2 * chunk + 77] {
            let taken =
                trial.driver.write_stream("/streamed", 0, &mut Source::new(size, 0, size))?;
            equal("bytes taken", taken, size)?;
            trial.file_is("/streamed", size)?;
            trial.streams("/streamed", 0, Source::new(size, 0, size))?;
        }

        trial.driver.write_stream("/streamed", 0, &mut &b"\x80\x80\x80\x80"[..])?;
        trial.content_is("/streamed", b"\x80\x80\x80\x80")?;
    }

    /// A stream that is too long for memory is stored byte for byte.
    fn a_huge_stream_is_stored_unchanged(trial) {
        let size = trial.scaled(4 * trial.chunk() as u64 + 1, 5 << 30);
        equal(
            "bytes taken",
            trial.driver.write_stream("/huge", 0, &mut Source::new(5, 0, size))?,
            size,
        )?;
        trial.file_is("/huge", size)?;
        trial.streams("/huge", 0, Source::new(5, 0, size))?;
    }

    /// Streams at increasing offsets extend a file, can rewrite its end, and fill gaps with zeros.
    fn streams_continue_at_offsets(trial) {
        let path = "/stream/grown";
        for chunk in [32, trial.scaled(trial.chunk() + 77, 2 * trial.chunk())] {
            let n = chunk as u64;
            let write = |offset: u64, from: u64| {
                trial.driver.write_stream(
                    path,
                    offset.cast_signed(),
                    &mut Source::new(7, from, from + n),
                )
            };

            equal("bytes taken", write(0, 0)?, n)?;
            trial.file_is(path, n)?;
            equal("bytes taken", write(n, n)?, n)?;
            trial.file_is(path, 2 * n)?;
            equal("bytes taken", write(n, n)?, n)?;
            trial.file_is(path, 2 * n)?;
            equal("bytes taken", write(2 * n, 2 * n)?, n)?;
            trial.streams(path, 0, Source::new(7, 0, 3 * n))?;
            // Omits one chunk.
            equal("bytes taken", write(4 * n, 4 * n)?, n)?;
            trial.file_is(path, 5 * n)?;
            let mut start = Vec::new();
            trial.driver.reader(path, 0)?.take(3 * n).read_to_end(&mut start)?;
            equal("whether the beginning is unchanged", start == bytes(7, 0, 3 * chunk), true)?;
            let mut end = vec![0; chunk];
            end.extend(bytes(7, 4 * n, chunk));
            trial.reads(path, 3 * n, &end)?;
            trial.driver.delete(path)?;
        }
    }

    /// A stream inside a file replaces everything after its offset, on either side of a boundary
    /// between parts.
    fn a_stream_truncates_at_its_offset(trial) {
        let chunk = trial.chunk() as u64;
        for (size, offset) in [
            (chunk + 77, 1),
            (chunk + 77, chunk - 1),
            (chunk + 77, chunk),
            (chunk + 77, chunk + 1),
            (chunk + 77, chunk + 76),
            (2 * chunk + 77, 2 * chunk + 1),
        ] {
            trial.driver.write_stream("/streamed", 0, &mut Source::new(1, 0, size))?;
            trial.driver.write_stream(
                "/streamed",
                offset.cast_signed(),
                &mut Source::new(2, 0, 5),
            )?;
            trial.file_is("/streamed", offset + 5)?;
            trial.reads("/streamed", offset, &bytes(2, 0, 5))?;
            let mut start = trial.driver.reader("/streamed", 0)?.take(offset);
            if let Some(got) = super::data::difference(&mut start, Source::new(1, 0, offset))? {
                return Err(failed(
                    format!("the {offset} bytes before the stream as they were"),
                    got,
                ));
            }
        }
    }

    /// If a stream begins after the end of a file, or the file does not exist, the gap is filled
    /// with zeros.
    fn a_gap_is_filled_with_zeros(trial) {
        let chunk = trial.chunk();
        for (before, offset) in [(0, 7), (10, 30), (10, chunk + 3), (chunk + 1, 2 * chunk + 2)] {
            trial.driver.write_stream("/gap/file", 0, &mut Source::new(1, 0, before as u64))?;
            trial.driver.write_stream("/gap/file", offset as i64, &mut &b"end"[..])?;
            let mut expected = bytes(1, 0, before);
            expected.resize(offset, 0);
            expected.extend(b"end");
            trial.content_is("/gap/file", &expected)?;
        }

        trial.driver.write_stream("/gap/new", 5, &mut &b"end"[..])?;
        trial.content_is("/gap/new", b"\0\0\0\0\0end")?;
    }

    /// If the reader fails, the error contains the number of bytes taken, and the file is
    /// unchanged.
    fn a_broken_stream_changes_nothing(trial) {
        trial.driver.put_content("/stream/file-old", b"old content")?;
        let size = trial.chunk() as u64 + 5;
        for path in ["/stream/file-old", "/stream/new"] {
            for offset in [0, 3] {
                let mut reader = Broken(Source::new(1, 0, size));
                match trial.driver.write_stream(path, offset, &mut reader) {
                    Ok(_) => return Err(failed("the reader's error", "success")),
                    Err(error) => equal("bytes taken", error.bytes_taken(), Some(size))?,
                }
            }
        }

        trial.content_is("/stream/file-old", b"old content")?;
        trial.not_found("content", "/stream/new", trial.driver.get_content("/stream/new"))?;
    }

    /// A reader that returns one byte at a time results in the same file as any other.
    fn a_slow_reader_is_written_completely(trial) {
        trial.driver.write_stream("/streamed", 0, &mut Trickle(Source::new(1, 0, 70_001)))?;
        trial.streams("/streamed", 0, Source::new(1, 0, 70_001))?;
    }

    /// As soon as stat reports a new size of a growing file, the new bytes can be read.
    fn every_append_to_a_growing_file_is_visible(trial) {
        let count: u64 = trial.scaled(64, 1_024);
        for index in 0..count {
            let at = index * 32;
            trial.driver.write_stream(
                "/growing",
                at.cast_signed(),
                &mut Source::new(3, at, at + 32),
            )?;
            trial.file_is("/growing", at + 32)?;
            trial.reads("/growing", at, &bytes(3, at, 32))?;
        }

        trial.streams("/growing", 0, Source::new(3, 0, count * 32))?;
    }
}
