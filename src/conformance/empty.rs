//! Empty files are files.
use super::Outcome;
use super::data::bytes;
use super::trial::{Trial, equal};
use crate::driver::WriteMode;
use std::io::Write;

fn is_empty(trial: &Trial<'_>, path: &str) -> Outcome {
    trial.file_is(path, 0)?;
    trial.content_is(path, b"")?;
    for offset in [0, 1, 1 << 40] {
        trial.reads(path, offset, b"")?;
    }

    trial.list_is("/empty", &[path])
}

/// Checks that an empty file can be appended to, and has the appended content after the commit.
fn grows(trial: &Trial<'_>, path: &str) -> Outcome {
    let content = bytes(1, 0, 32);
    let mut writer = trial.driver.writer(path, WriteMode::Append)?;
    equal("the size before anything is appended", writer.size(), 0)?;
    writer.write_all(&content)?;
    trial.content_is(path, b"")?;
    writer.commit()?;
    trial.content_is(path, &content)
}

cases! {
    /// Putting an empty content creates a file, which can be appended to.
    fn an_empty_put_can_be_appended_to(trial) {
        trial.driver.put_content("/empty/put", b"")?;
        is_empty(trial, "/empty/put")?;
        grows(trial, "/empty/put")?;
    }

    /// A writer that commits nothing creates a file, which can be appended to.
    fn an_empty_commit_can_be_appended_to(trial) {
        let mut writer = trial.driver.writer("/empty/writer", WriteMode::Create)?;
        writer.commit()?;
        equal("the size of the writer", writer.size(), 0)?;
        drop(writer);
        is_empty(trial, "/empty/writer")?;
        grows(trial, "/empty/writer")?;
    }

    /// A writer that was closed before its first byte can be resumed at 0, and can then commit an
    /// empty file or one with content.
    fn an_empty_close_can_be_resumed(trial) {
        for content in [b"".to_vec(), bytes(2, 0, 33)] {
            trial.driver.writer("/empty/closed", WriteMode::Create)?.close()?;
            trial.missing("/empty/closed")?;
            let mut writer = trial.driver.writer("/empty/closed", WriteMode::Append)?;
            equal("the size of the resumed writer", writer.size(), 0)?;
            writer.write_all(&content)?;
            writer.commit()?;
            trial.content_is("/empty/closed", &content)?;
            trial.driver.delete("/empty/closed")?;
        }
    }

    /// An empty stream creates a file; at the end of an existing file, it leaves the file
    /// unchanged.
    fn an_empty_stream_is_a_file(trial) {
        equal("bytes taken", trial.driver.write_stream("/empty/stream", 0, &mut &b""[..])?, 0)?;
        is_empty(trial, "/empty/stream")?;
        trial.driver.write_stream("/empty/stream", 0, &mut &b"12345"[..])?;
        trial.driver.write_stream("/empty/stream", 5, &mut &b""[..])?;
        trial.content_is("/empty/stream", b"12345")?;
        trial.driver.write_stream("/empty/stream", 3, &mut &b""[..])?;
        trial.content_is("/empty/stream", b"123")?;
        trial.driver.write_stream("/empty/stream", 6, &mut &b""[..])?;
        trial.content_is("/empty/stream", b"123\0\0\0")?;
        trial.driver.write_stream("/empty/stream", 0, &mut &b""[..])?;
        is_empty(trial, "/empty/stream")?;
    }

    /// An empty file is moved and deleted like any other.
    fn an_empty_file_is_moved_and_deleted(trial) {
        trial.driver.put_content("/empty/from", b"")?;
        trial.driver.put_content("/empty/to", b"something")?;
        trial.driver.rename("/empty/from", "/empty/to")?;
        is_empty(trial, "/empty/to")?;
        trial.missing("/empty/from")?;
        trial.driver.delete("/empty/to")?;
        trial.missing("/empty/to")?;
    }
}
