//! Reading from the middle of a file.
use super::data::{Source, bytes};
use super::trial::refused;
use crate::error::ErrorKind;

cases! {
    /// A reader begins at its offset; at or after the end it is empty.
    fn reading_begins_at_the_offset(trial) {
        let content = bytes(1, 0, 96);
        trial.driver.put_content("/offsets", &content)?;
        for offset in [0, 1, 32, 64, 95, 96] {
            trial.reads("/offsets", offset, &content[offset as usize..])?;
        }

        for offset in [97, 1 << 20, 1 << 40, i64::MAX as u64] {
            trial.reads("/offsets", offset, b"")?;
        }
    }

    /// A negative offset is refused before the path is checked.
    fn negative_offsets_are_refused(trial) {
        trial.driver.put_content("/offsets", b"content")?;
        for offset in [-1, i64::MIN] {
            for path in ["/offsets", "/missing", "", "not/a/path"] {
                refused("reader", trial.driver.reader(path, offset), ErrorKind::InvalidOffset)?;
                let written = trial.driver.write_stream(path, offset, &mut &b"x"[..]);
                refused("write_stream", written, ErrorKind::InvalidOffset)?;
            }
        }

        let error =
            refused("reader", trial.driver.reader("/offsets", -1), ErrorKind::InvalidOffset)?;
        trial.names(&error, "/offsets")?;
        trial.content_is("/offsets", b"content")?;
    }

    /// A file of several parts can be read on both sides of every boundary between them.
    fn boundaries_between_parts_are_invisible(trial) {
        let chunk = trial.chunk() as u64;
        let size = 2 * chunk + 77;
        trial.write("/parts", Source::new(2, 0, size))?;
        trial.file_is("/parts", size)?;
        for border in [0, chunk, 2 * chunk, size] {
            for offset in border.saturating_sub(1)..=border + 1 {
                trial.streams("/parts", offset, Source::new(2, offset.min(size), size))?;
            }
        }
    }
}
