//! Files that are written in several steps: closed, resumed, cancelled, committed.
use super::Quirk;
use super::data::{Source, bytes};
use super::trial::{Outcome, Trial, equal, failed, refused};
use crate::driver::{FileWriter, StorageDriver, WriteMode};
use crate::error::ErrorKind;
use std::io::{self, Write};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closed {
    Already,
    NotYet,
}

fn write(writer: &mut dyn FileWriter, from: u64, to: u64) -> Outcome {
    io::copy(&mut Source::new(4, from, to), writer)?;
    equal("the size of the writer", writer.size(), to)
}

/// Writes `count` pieces of `piece` bytes, each with a new writer. The last writer commits the
/// file.
fn in_pieces(trial: &Trial<'_>, path: &str, piece: u64, count: u64) -> Outcome {
    for index in 0..count {
        let driver = trial.another()?;
        let mut writer =
            driver.writer(path, if index == 0 { WriteMode::Create } else { WriteMode::Append })?;
        equal("the size before writing", writer.size(), index * piece)?;
        write(&mut *writer, index * piece, (index + 1) * piece)?;
        if index + 1 == count {
            writer.commit()?;
        } else {
            writer.close()?;
            trial.missing(path)?;
        }

        equal("the size of the ended writer", writer.size(), (index + 1) * piece)?;
    }

    trial.file_is(path, piece * count)?;
    trial.streams(path, 0, Source::new(4, 0, piece * count))
}

/// Checks that every call to an ended writer is refused. Closing a committed or cancelled writer
/// may succeed once, so that a caller can close every writer that it opened.
fn ended(writer: &mut dyn FileWriter, closed: Closed) -> Outcome {
    if closed == Closed::NotYet {
        refused("write", writer.write(b"x").map_err(into_error), ErrorKind::Closed)?;
        writer.close()?;
    }

    refused("write", writer.write(b"x").map_err(into_error), ErrorKind::Closed)?;
    // Registries close every writer, so the first close after a commit may succeed.
    if let Err(error) = writer.close() {
        refused::<()>("close", Err(error), ErrorKind::Closed)?;
    }

    refused("a further close", writer.close(), ErrorKind::Closed)?;
    refused("cancel", writer.cancel(), ErrorKind::Closed)?;
    refused("commit", writer.commit(), ErrorKind::Closed)?;
    Ok(())
}

/// Writes a file of `size` bytes and closes it without committing it.
fn close(trial: &Trial<'_>, path: &str, size: u64) -> Outcome {
    let mut writer = trial.driver.writer(path, WriteMode::Create)?;
    write(&mut *writer, 0, size)?;
    Ok(writer.close()?)
}

/// Returns the driver's error that an `io::Error` contains.
fn into_error(error: io::Error) -> crate::Error {
    error
        .downcast()
        .unwrap_or_else(|error| crate::Error::new(ErrorKind::LocalIo, error.to_string()))
}

fn cannot_append(driver: &dyn StorageDriver, path: &str) -> Outcome {
    match driver.writer(path, WriteMode::Append) {
        Ok(_) => {
            Err(failed(format!("an error: there is nothing to append to at {path}"), "a writer"))
        }
        Err(_) => Ok(()),
    }
}

cases! {
    /// A writer's content is returned unchanged, for every size around that of a part.
    fn committed_files_are_returned_unchanged(trial) {
        let chunk = trial.chunk() as u64;
        for size in [0, 1, 32, chunk - 1, chunk, chunk + 1, 2 * chunk, 3 * chunk + 77] {
            trial.write("/writer/file", Source::new(size, 0, size))?;
            trial.file_is("/writer/file", size)?;
            trial.streams("/writer/file", 0, Source::new(size, 0, size))?;
            trial.driver.delete("/writer/file")?;
        }

        trial.write("/writer/file", &b"\x80\x80\x80\x80"[..])?;
        trial.content_is("/writer/file", b"\x80\x80\x80\x80")?;
    }

    /// A file that is written in small pieces, each by another driver, is complete.
    fn small_pieces_make_a_file(trial) {
        in_pieces(trial, "/writer/small", 32, 3)?;
    }

    /// A file that is written in pieces larger than a part, each by another driver, is complete.
    fn large_pieces_make_a_file(trial) {
        in_pieces(trial, "/writer/large", 2 * trial.chunk() as u64, 3)?;
    }

    /// A file that is written in pieces that do not fit the parts, each by another driver, is
    /// complete.
    fn odd_pieces_make_a_file(trial) {
        let chunk = trial.chunk() as u64;
        in_pieces(trial, "/writer/under", chunk - 1, 3)?;
        in_pieces(trial, "/writer/over", chunk + 1, 3)?;
        in_pieces(trial, "/writer/half", chunk / 2 + 1, 5)?;
    }

    /// A file is invisible before it is committed, and completely visible afterwards.
    fn a_file_is_visible_when_it_is_committed(trial) {
        let (path, chunk) = ("/writer/unseen", trial.chunk() as u64);
        let unseen = || -> Outcome {
            trial.missing(path)?;
            trial.list_is("/", &["/sibling"])?;
            equal(
                "a walk",
                trial.walked("/")?.into_iter().any(|seen| seen.starts_with(path)),
                false,
            )
        };

        trial.driver.put_content("/sibling", b"x")?;
        let mut writer = trial.driver.writer(path, WriteMode::Create)?;
        unseen()?;
        write(&mut *writer, 0, 10)?;
        unseen()?;
        write(&mut *writer, 10, 2 * chunk)?;
        unseen()?;
        writer.close()?;
        drop(writer);
        unseen()?;
        let mut writer = trial.driver.writer(path, WriteMode::Append)?;
        unseen()?;
        write(&mut *writer, 2 * chunk, 2 * chunk + 5)?;
        unseen()?;
        writer.commit()?;
        trial.file_is(path, 2 * chunk + 5)?;
        trial.streams(path, 0, Source::new(4, 0, 2 * chunk + 5))?;
        trial.list_is("/writer", &[path])?;
    }

    /// A file that is being replaced stays unchanged until the new one is committed.
    fn a_file_is_unchanged_until_it_is_replaced(trial) {
        let path = "/writer/replaced";
        trial.driver.put_content(path, b"old content")?;
        let size = trial.chunk() as u64 + 9;
        let mut writer = trial.driver.writer(path, WriteMode::Create)?;
        write(&mut *writer, 0, size)?;
        trial.content_is(path, b"old content")?;
        writer.commit()?;
        trial.streams(path, 0, Source::new(4, 0, size))?;
        let mut writer = trial.driver.writer(path, WriteMode::Create)?;
        writer.write_all(b"never")?;
        writer.cancel()?;
        trial.streams(path, 0, Source::new(4, 0, size))?;
    }

    /// Cancelled and dropped writers leave neither a visible file nor one that can be appended to.
    fn cancelled_and_dropped_files_are_gone(trial) {
        let (path, chunk) = ("/writer/cancelled", trial.chunk() as u64);
        for size in [0, 10, chunk + 1] {
            let mut writer = trial.driver.writer(path, WriteMode::Create)?;
            write(&mut *writer, 0, size)?;
            writer.cancel()?;
            trial.missing(path)?;
            trial.not_found("appending", path, trial.driver.writer(path, WriteMode::Append))?;
            let mut writer = trial.driver.writer(path, WriteMode::Create)?;
            write(&mut *writer, 0, size)?;
            drop(writer);
            trial.missing(path)?;
            trial.not_found("appending", path, trial.driver.writer(path, WriteMode::Append))?;
        }

        // Cancelling also removes data that an earlier writer closed.
        let mut writer = trial.driver.writer(path, WriteMode::Create)?;
        write(&mut *writer, 0, chunk + 1)?;
        writer.close()?;
        drop(writer);
        trial.driver.writer(path, WriteMode::Append)?.cancel()?;
        trial.not_found("appending", path, trial.driver.writer(path, WriteMode::Append))?;
        trial.missing(path)?;
    }

    /// Appending requires an unfinished or an empty file, and never changes a committed one.
    fn appending_requires_an_unfinished_or_empty_file(trial) {
        let path = "/writer/missing";
        trial.not_found("appending", path, trial.driver.writer(path, WriteMode::Append))?;
        // An unfinished sibling is a different file.
        let mut sibling = trial.driver.writer("/writer/missing-sibling", WriteMode::Create)?;
        sibling.write_all(b"1234")?;
        sibling.close()?;
        trial.not_found("appending", path, trial.driver.writer(path, WriteMode::Append))?;
        trial.driver.put_content(path, b"")?;
        let mut writer = trial.driver.writer(path, WriteMode::Append)?;
        writer.write_all(b"content")?;
        writer.commit()?;
        trial.content_is(path, b"content")?;
        cannot_append(&*trial.driver, path)?;
        trial.content_is(path, b"content")?;
        let mut sibling = trial.driver.writer("/writer/missing-sibling", WriteMode::Append)?;
        equal("the size of the sibling", sibling.size(), 4)?;
        sibling.cancel()?;
    }

    /// Every call to an ended writer is an error, except for one close.
    fn ended_writers_refuse_everything(trial) {
        let path = "/writer/ended";
        let mut writer = trial.driver.writer(path, WriteMode::Create)?;
        writer.write_all(b"content")?;
        writer.close()?;
        ended(&mut *writer, Closed::Already)?;
        let mut writer = trial.driver.writer(path, WriteMode::Append)?;
        writer.commit()?;
        ended(&mut *writer, Closed::NotYet)?;
        trial.content_is(path, b"content")?;
        let mut writer = trial.driver.writer(path, WriteMode::Create)?;
        writer.cancel()?;
        ended(&mut *writer, Closed::NotYet)?;
        drop(writer);
        trial.content_is(path, b"content")?;
    }

    /// The data of an open writer may be lost: appending before it is closed finds either no file
    /// or the beginning of it.
    fn data_of_an_open_writer_may_be_lost(trial) {
        let (path, chunk) = ("/writer/open", trial.chunk() as u64);
        for size in [0, 10, 2 * chunk + 1] {
            let mut open = trial.driver.writer(path, WriteMode::Create)?;
            write(&mut *open, 0, size)?;
            match trial.another()?.writer(path, WriteMode::Append) {
                Ok(mut other) => {
                    equal(
                        "whether the size is at most what was written",
                        other.size() <= size,
                        true,
                    )?;
                    other.cancel()?;
                }
                result => trial.not_found("appending", path, result)?,
            }

            drop(open);
            trial.missing(path)?;
        }
    }

    /// A writer that resumes a file and is dropped leaves what the last close saved.
    fn dropped_resumed_writers_leave_the_last_close(trial) {
        let (path, chunk) = ("/writer/resumed", trial.chunk() as u64);
        for size in [0, 10, chunk, 2 * chunk + 7] {
            close(trial, path, size)?;
            let most = if trial.has(Quirk::NoReplacedParts) { 3 } else { 2 * chunk };
            for more in [0, 3, most] {
                let mut writer = trial.another()?.writer(path, WriteMode::Append)?;
                write(&mut *writer, size, size + more)?;
                drop(writer);
                let writer = trial.another()?.writer(path, WriteMode::Append)?;
                equal("the size after a writer was dropped", writer.size(), size)?;
            }

            let mut writer = trial.driver.writer(path, WriteMode::Append)?;
            write(&mut *writer, size, size + chunk)?;
            writer.commit()?;
            trial.streams(path, 0, Source::new(4, 0, size + chunk))?;
            trial.driver.delete(path)?;
        }
    }

    /// Deleting a path, or a directory above it, ends its unfinished file; the siblings' unfinished
    /// files are kept.
    fn deleting_ends_unfinished_files(trial) {
        let (path, chunk) = ("/writer/deleted/file", trial.chunk() as u64);
        for deleted in [path, "/writer/deleted"] {
            for size in [0, 10, chunk + 1] {
                close(trial, path, size)?;
                close(trial, "/writer/deleted2/file", 10)?;
                close(trial, "/writer/deleted-file", 10)?;
                trial.driver.put_content("/writer/deleted/other", b"x")?;
                match trial.driver.delete(deleted) {
                    // An unfinished file alone is not visible.
                    Err(error) if error.kind() == ErrorKind::PathNotFound && deleted == path => {}
                    result => result?,
                }

                trial.not_found("appending", path, trial.driver.writer(path, WriteMode::Append))?;
                for sibling in ["/writer/deleted2/file", "/writer/deleted-file"] {
                    let mut writer = trial.driver.writer(sibling, WriteMode::Append)?;
                    equal("the size of the sibling", writer.size(), 10)?;
                    writer.cancel()?;
                }
            }
        }
    }

    /// Moving a file away ends the unfinished file at its old path.
    fn moving_ends_the_unfinished_file(trial) {
        let path = "/writer/moved";
        close(trial, path, trial.chunk() as u64 + 1)?;
        trial.driver.put_content(path, b"content")?;
        trial.driver.rename(path, "/writer/target")?;
        trial.not_found("appending", path, trial.driver.writer(path, WriteMode::Append))?;
        trial.content_is("/writer/target", b"content")?;
    }

    /// The stored data of an unfinished file is invisible, and does not make its directory exist.
    fn unfinished_files_are_hidden(trial) {
        close(trial, "/writer/hidden/file", 10)?;
        trial.missing("/writer/hidden/file")?;
        trial.missing("/writer/hidden")?;
        trial.list_is("/", &[])?;
        equal("a walk", trial.walked("/")?, Vec::<String>::new())?;
        trial.driver.put_content("/writer/hidden/other", b"x")?;
        trial.directory_is("/writer/hidden")?;
        trial.list_is("/writer/hidden", &["/writer/hidden/other"])?;
        equal(
            "a walk",
            trial.walked("/writer")?,
            ["/writer/hidden", "/writer/hidden/other"].map(str::to_owned).to_vec(),
        )?;
    }

    /// Appending is refused if a file was committed after the unfinished one had been closed, but
    /// not if the committed file is older.
    fn newer_files_are_not_replaced_by_older(trial) {
        let path = "/writer/newer";
        trial.driver.put_content(path, b"older")?;
        close(trial, path, 10)?;
        let writer = trial.driver.writer(path, WriteMode::Append)?;
        equal("the size if the committed file is older", writer.size(), 10)?;
        drop(writer);
        trial.driver.put_content(path, b"newer")?;
        cannot_append(&*trial.driver, path)?;
        trial.content_is(path, b"newer")?;
    }

    /// A newly created file begins empty, even if an unfinished file was left at its path.
    fn a_new_writer_begins_with_an_empty_file(trial) {
        let path = "/writer/recreated";
        let mut writer = trial.driver.writer(path, WriteMode::Create)?;
        writer.write_all(&bytes(9, 0, 1_000))?;
        writer.close()?;
        drop(writer);
        let mut writer = trial.driver.writer(path, WriteMode::Create)?;
        equal("the size before writing", writer.size(), 0)?;
        writer.write_all(b"new")?;
        writer.commit()?;
        trial.content_is(path, b"new")?;
        // The closed data may still exist, but must be visible only to an appending writer.
        if let Ok(mut writer) = trial.driver.writer(path, WriteMode::Append) {
            writer.cancel()?;
        }

        trial.content_is(path, b"new")?;
    }

    /// Single bytes and large pieces result in the same file.
    fn the_size_of_writes_does_not_matter(trial) {
        let size = 2 * trial.chunk() + 17;
        let content = bytes(6, 0, size);
        for piece in [size, trial.chunk() + 1, 1_000_003, 7_919] {
            let mut writer = trial.driver.writer("/writer/pieces", WriteMode::Create)?;
            content.chunks(piece).try_for_each(|piece| writer.write_all(piece))?;
            writer.flush()?;
            writer.commit()?;
            trial.streams("/writer/pieces", 0, Source::new(6, 0, size as u64))?;
        }
    }
}
