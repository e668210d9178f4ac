//! Tests of the operations of the storage driver.

use super::trial::{Trial, or_gone};
use crate::writing::{PART, bytes};
use s3driver::driver::{
    Method, S3Driver, StorageDriver, UrlOptions, WalkOptions, WalkStep, WriteMode,
};
use s3driver::{ErrorKind, Result};
use std::io::{Read, Write};
use std::time::Duration;

/// The size of a file of two parts and a few bytes.
const LARGE: usize = 2 * PART + 9;

#[test]
fn put_content() {
    let (old, new) = (bytes(1, 0, 3000), bytes(2, 0, 2000));
    Trial::new("killed::driver::put_content")
        .before([("/a/file", &old)])
        .after([("/a/file", &new)])
        .kept([("/a/file2", &old)])
        .run(|driver, _| driver.put_content("/a/file", &new));
}

/// Continues to write `content` where an earlier process stopped, and closes and reopens the writer
/// at each of `closes`.
fn write_to_the_end(driver: &S3Driver, path: &str, content: &[u8], closes: &[usize]) -> Result<()> {
    loop {
        let mut writer = match driver.writer(path, WriteMode::Append) {
            Err(error) if error.kind() == ErrorKind::PathNotFound => {
                driver.writer(path, WriteMode::Create)?
            }
            // An earlier process has committed the file.
            Err(error) if error.kind() == ErrorKind::InvalidArgument => return Ok(()),
            writer => writer?,
        };
        let at = writer.size() as usize;
        let until = closes.iter().copied().find(|close| *close > at);
        writer.write_all(&content[at..until.unwrap_or(content.len())]).unwrap();
        match until {
            Some(_) => writer.close()?,
            None => return writer.commit(),
        }
    }
}

#[test]
fn writer_commit_of_less_than_a_part() {
    let content = bytes(3, 0, 3000);
    Trial::new("killed::driver::writer_commit_of_less_than_a_part")
        .after([("/a/file", &content)])
        .run(|driver, _| write_to_the_end(driver, "/a/file", &content, &[]));
}

#[test]
fn writer_commit_of_an_empty_file() {
    Trial::new("killed::driver::writer_commit_of_an_empty_file")
        .after([("/a/file", &[])])
        .run(|driver, _| driver.writer("/a/file", WriteMode::Create)?.commit());
}

/// An existing file is replaced only at the end.
#[test]
fn writer_commit_of_many_parts() {
    let (old, new) = (bytes(4, 0, 3000), bytes(5, 0, LARGE));
    Trial::new("killed::driver::writer_commit_of_many_parts")
        .before([("/a/file", &old)])
        .after([("/a/file", &new)])
        .run(|driver, _| {
            let mut writer = driver.writer("/a/file", WriteMode::Create)?;
            writer.write_all(&new).unwrap();
            writer.commit()
        });
}

/// The writer is closed with less than a part, and later with more than a part, and is continued
/// each time.
#[test]
fn writer_append_and_commit() {
    let content = bytes(6, 0, LARGE);
    Trial::new("killed::driver::writer_append_and_commit")
        .after([("/a/file", &content)])
        .run(|driver, _| write_to_the_end(driver, "/a/file", &content, &[100, PART + 100]));
}

fn close(driver: &S3Driver, path: &str, content: &[u8]) -> Result<()> {
    let mut writer = driver.writer(path, WriteMode::Create)?;
    writer.write_all(content).unwrap();
    writer.close()
}

#[test]
fn writer_close() {
    let content = bytes(7, 0, PART + 100);
    Trial::new("killed::driver::writer_close")
        .leaves(1)
        .run(|driver, _| close(driver, "/a/file", &content));
}

/// Once an upload has been closed, only cancelling ends it. A later writer that is killed does not.
#[test]
fn writer_cancel() {
    let content = bytes(8, 0, PART + 100);
    Trial::new("killed::driver::writer_cancel")
        .prepared(|driver| close(driver, "/a/file", &content).unwrap())
        .run(|driver, _| match driver.writer("/a/file", WriteMode::Append) {
            Err(error) => or_gone(Err(error)),
            Ok(mut writer) => {
                assert_eq!(writer.size(), content.len() as u64);
                writer.write_all(b"more").unwrap();
                writer.cancel()
            }
        });
}

#[test]
fn writer_dropped() {
    let (old, new) = (bytes(9, 0, 100), bytes(10, 0, PART + 1));
    Trial::new("killed::driver::writer_dropped").kept([("/a/file", &old)]).run(|driver, _| {
        driver.writer("/a/file", WriteMode::Create)?.write_all(&new).unwrap();
        Ok(())
    });
}

#[test]
fn write_stream_that_replaces() {
    let (old, new) = (bytes(11, 0, 100), bytes(12, 0, 3000));
    Trial::new("killed::driver::write_stream_that_replaces")
        .before([("/file", &old)])
        .after([("/file", &new)])
        .run(|driver, _| {
            assert_eq!(driver.write_stream("/file", 0, &mut &*new)?, 3000);
            Ok(())
        });
}

/// If the kept beginning is smaller than a part, it is read and sent again.
#[test]
fn write_stream_after_a_small_beginning() {
    let new = bytes(13, 0, 3000);
    Trial::new("killed::driver::write_stream_after_a_small_beginning")
        .before([("/file", &new[..1000])])
        .after([("/file", &new)])
        .run(|driver, _| driver.write_stream("/file", 1000, &mut &new[1000..]).map(drop));
}

/// A larger beginning is copied by the server, and the old content after the offset is dropped.
#[test]
fn write_stream_after_a_large_beginning() {
    let (old, kept) = (bytes(14, 0, PART + 1000), PART + 500);
    let new = [&old[..kept], &bytes(15, 0, 2000)].concat();
    Trial::new("killed::driver::write_stream_after_a_large_beginning")
        .before([("/file", &old)])
        .after([("/file", &new)])
        .run(|driver, _| driver.write_stream("/file", kept as i64, &mut &new[kept..]).map(drop));
}

#[test]
fn rename() {
    let (content, other) = (bytes(16, 0, 3000), bytes(17, 0, 2000));
    Trial::new("killed::driver::rename")
        .before([("/a/file", &content), ("/b/file", &other)])
        .after([("/b/file", &content)])
        .kept([("/a/file2", &other)])
        .run(|driver, _| or_gone(driver.rename("/a/file", "/b/file")));
}

#[test]
fn rename_in_parts() {
    let (content, other) = (bytes(18, 0, LARGE), bytes(19, 0, 2000));
    Trial::new("killed::driver::rename_in_parts")
        .before([("/a/file", &content), ("/b/file", &other)])
        .after([("/b/file", &content)])
        .run(|driver, _| or_gone(driver.rename("/a/file", "/b/file")));
}

#[test]
fn rename_of_a_folder_is_refused() {
    let content = bytes(20, 0, 1000);
    Trial::new("killed::driver::rename_of_a_folder_is_refused")
        .reads()
        .kept([("/a/x", &content), ("/a/b/y", &content)])
        .run(|driver, _| match driver.rename("/a", "/c") {
            Err(error) => or_gone(Err(error)),
            Ok(()) => panic!("a folder was moved like a file"),
        });
}

/// Returns the files below a directory.
fn files_below(driver: &S3Driver, path: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut note = |info: &s3driver::driver::FileInfo| {
        if !info.is_directory() {
            files.push(info.path.clone());
        }
        Ok(WalkStep::Continue)
    };
    driver.walk(path, &WalkOptions::default(), &mut note)?;
    Ok(files)
}

#[test]
fn rename_of_every_file_of_a_folder() {
    let [x, y, z] = [21, 22, 23].map(|seed| bytes(seed, 0, 1000));
    Trial::new("killed::driver::rename_of_every_file_of_a_folder")
        .before([("/a/x", &x), ("/a/b/y", &y), ("/a/b/z", &z)])
        .after([("/c/x", &x), ("/c/b/y", &y), ("/c/b/z", &z)])
        .run(|driver, _| {
            files_below(driver, "/a")?
                .iter()
                .try_for_each(|path| driver.rename(path, &path.replacen("/a/", "/c/", 1)))
        });
}

#[test]
fn delete_of_a_file() {
    let content = bytes(24, 0, 1000);
    Trial::new("killed::driver::delete_of_a_file")
        .before([("/a/x", &content)])
        .kept([("/a/x2", &content), ("/a/xx/y", &content)])
        .run(|driver, _| or_gone(driver.delete("/a/x")));
}

/// There are more files than fit into one page of a listing, or into one delete request.
#[test]
fn delete_of_a_folder() {
    let content = bytes(25, 0, 10);
    let many: Vec<String> = (0..1100).map(|number| format!("/a/{}/{number}", number % 3)).collect();
    let mut trial = Trial::new("killed::driver::delete_of_a_folder")
        .before([("/a", &content)])
        .kept([("/ab", &content), ("/a.b/0", &content)]);
    for path in &many {
        trial = trial.before([(path, &content)]);
    }
    trial.run(|driver, _| or_gone(driver.delete("/a")));
}

/// An unfinished file is deleted together with its directory, and separately.
#[test]
fn delete_of_an_unfinished_file() {
    let (content, other) = (bytes(31, 0, PART + 100), bytes(32, 0, 100));
    Trial::new("killed::driver::delete_of_an_unfinished_file")
        .kept([("/a/y", &other), ("/ab/z", &other)])
        .prepared(|driver| close(driver, "/a/x", &content).unwrap())
        .run(|driver, _| or_gone(driver.delete("/a/x")));
}

#[test]
fn delete_of_a_folder_with_unfinished_files() {
    let (content, other) = (bytes(33, 0, PART + 100), bytes(34, 0, 100));
    Trial::new("killed::driver::delete_of_a_folder_with_unfinished_files")
        .before([("/a/y", &other)])
        .kept([("/ab/z", &other)])
        .prepared(|driver| {
            close(driver, "/a/x", &content).unwrap();
            close(driver, "/a/y", &content[..100]).unwrap();
        })
        .run(|driver, _| or_gone(driver.delete("/a")));
}

#[test]
fn rename_of_a_file_with_an_unfinished_one() {
    let (content, other) = (bytes(35, 0, PART + 100), bytes(36, 0, 100));
    Trial::new("killed::driver::rename_of_a_file_with_an_unfinished_one")
        .before([("/a/x", &other)])
        .after([("/b/x", &other)])
        .prepared(|driver| close(driver, "/a/x", &content).unwrap())
        .run(|driver, _| or_gone(driver.rename("/a/x", "/b/x")));
}

/// A file that another process started is closed repeatedly, at several sizes.
#[test]
fn writer_closed_again_and_again() {
    let content = bytes(37, 0, LARGE);
    Trial::new("killed::driver::writer_closed_again_and_again").after([("/a/file", &content)]).run(
        |driver, _| write_to_the_end(driver, "/a/file", &content, &[PART, 2 * PART, 2 * PART + 4]),
    );
}

/// Drops a resumed writer; the process is killed at every request of the cleanup.
#[test]
fn writer_dropped_after_it_resumed() {
    let content = bytes(38, 0, PART + 100);
    Trial::new("killed::driver::writer_dropped_after_it_resumed")
        .leaves(1)
        .prepared(|driver| close(driver, "/a/file", b"").unwrap())
        .run(|driver, _| match driver.writer("/a/file", WriteMode::Append) {
            Err(error) => or_gone(Err(error)),
            Ok(mut writer) => {
                writer.write_all(&content).unwrap();
                Ok(())
            }
        });
}

fn reading(test: &'static str, act: impl Fn(&S3Driver) -> Result<()>) {
    let (large, small) = (bytes(26, 0, 300_000), bytes(27, 0, 10));
    Trial::new(test)
        .reads()
        .kept([("/a/large", &large), ("/a/b/small", &small)])
        .run(|driver, _| act(driver));
}

#[test]
fn get_content() {
    reading("killed::driver::get_content", |driver| driver.get_content("/a/large").map(drop));
}

#[test]
fn reader() {
    reading("killed::driver::reader", |driver| {
        let mut rest = Vec::new();
        driver.reader("/a/large", 1000)?.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 299_000);
        Ok(())
    });
}

#[test]
fn stat() {
    reading("killed::driver::stat", |driver| {
        assert!(driver.stat("/a/b")?.is_directory());
        driver.stat("/a/large").map(drop)
    });
}

#[test]
fn list() {
    reading("killed::driver::list", |driver| driver.list("/a").map(drop));
}

#[test]
fn walk() {
    reading("killed::driver::walk", |driver| files_below(driver, "/").map(drop));
}

/// Sends no request to the server; the resulting URL can be fetched without credentials.
#[test]
fn url_for_and_probe() {
    reading("killed::driver::url_for_and_probe", |driver| {
        driver.url_for("/a/large", &UrlOptions::new(Method::Get))?;
        driver.probe()
    });
}

/// Creates two closed files, one of which is continued, and one that was never closed.
fn unfinished(driver: &S3Driver) {
    let content = bytes(28, 0, PART + 100);
    close(driver, "/a/x", &content[..100]).unwrap();
    close(driver, "/a/y", &content).unwrap();
    let settings = Default::default();
    driver.client().create_multipart_upload(driver.bucket(), "b/z", &settings).unwrap();
}

#[test]
fn pending_uploads() {
    let content = bytes(29, 0, 100);
    Trial::new("killed::driver::pending_uploads")
        .reads()
        .leaves(3)
        .kept([("/a/x", &content)])
        .prepared(unfinished)
        .run(|driver, _| {
            for upload in driver.pending_uploads("/")? {
                upload?;
            }
            Ok(())
        });
}

#[test]
fn purge_uploads() {
    let content = bytes(30, 0, 100);
    Trial::new("killed::driver::purge_uploads")
        .kept([("/a/x", &content)])
        .prepared(unfinished)
        .run(|driver, _| driver.purge_uploads("/", Duration::ZERO).map(drop));
}
