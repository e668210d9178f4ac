//! Whole contents: a get returns what was put.
use super::data::{Source, bytes};
use super::trial::equal;

cases! {
    /// Contents consisting of any bytes are returned unchanged.
    fn contents_are_returned_unchanged(trial) {
        let contents: [&[u8]; 5] =
            [b"a", "\u{df}".as_bytes(), b"\x80\x80\x80\x80", b"\0", b"\r\n\r\n"];
        for content in contents {
            trial.driver.put_content("/content/small", content)?;
            trial.content_is("/content/small", content)?;
            trial.reads("/content/small", 0, content)?;
        }

        for size in [32, 4_096, (1 << 20) - 1, 1 << 20, trial.chunk(), trial.chunk() + 1] {
            let content = bytes(size as u64, 0, size);
            trial.driver.put_content("/content/large", &content)?;
            trial.content_is("/content/large", &content)?;
            trial.file_is("/content/large", size as u64)?;
        }
    }

    /// A put replaces the whole file, even if the new content is shorter.
    fn a_put_replaces_everything(trial) {
        for size in [1 << 20, 1_024, 4_096, 2_048, 0, 1] {
            let content = bytes(size as u64, 7, size);
            trial.driver.put_content("/replaced", &content)?;
            trial.content_is("/replaced", &content)?;
            trial.file_is("/replaced", size as u64)?;
        }

        trial.list_is("/", &["/replaced"])?;
    }

    /// Reading a missing file is an error at every offset, and the error states that the path does
    /// not exist.
    fn missing_files_cannot_be_read(trial) {
        trial.missing("/missing/file")?;
        trial.driver.put_content("/missing/file2", b"x")?;
        trial.missing("/missing/file")?;
        trial.unreadable("/missing")?;
        for offset in [0, 64, 1 << 40] {
            trial.not_found(
                "reader",
                "/missing/file",
                trial.driver.reader("/missing/file", offset),
            )?;
        }
    }

    /// A driver immediately sees what another driver wrote.
    fn drivers_see_each_others_writes(trial) {
        let other = trial.another()?;
        let content = bytes(9, 0, 100_000);
        trial.driver.put_content("/shared/file", &content)?;
        equal("the other driver's content", other.get_content("/shared/file")? == content, true)?;
        other.write_stream("/shared/file", 100_000, &mut Source::new(9, 100_000, 150_000))?;
        trial.streams("/shared/file", 0, Source::new(9, 0, 150_000))?;
        other.delete("/shared/file")?;
        trial.missing("/shared/file")?;
    }
}
