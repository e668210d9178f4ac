//! Tests of writers on a server that enforces S3's rules: they append, resume and commit, and leave
//! nothing else in the bucket.

use crate::support::{Server, ServerOptions};
use crate::writing::{MIB, PART, assert_nothing_pending, bytes, driver, parameters};
use s3driver::clock::{Clock, SystemClock};
use s3driver::driver::{
    FileWriter, PartSizes, S3Driver, StorageDriver, WalkOptions, WalkStep, WriteMode,
};
use s3driver::observe::{Event, Notice};
use s3driver::{Cancel, ErrorKind};
use std::collections::BTreeMap;
use std::io::{BufWriter, Read, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

fn server() -> Server {
    Server::start(ServerOptions::default())
}

fn create(driver: &S3Driver, path: &str) -> Box<dyn FileWriter> {
    driver.writer(path, WriteMode::Create).unwrap()
}

fn append(driver: &S3Driver, path: &str) -> Box<dyn FileWriter> {
    driver.writer(path, WriteMode::Append).unwrap()
}

fn stored(server: &Server, key: &str) -> Option<Vec<u8>> {
    server.object(server.bucket(), key).map(|bytes| bytes.to_vec())
}

/// Returns the requests since `before`.
fn since(server: &Server, before: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let now = server.operations().into_iter();
    now.map(|(name, count)| (name.clone(), count - before.get(&name).unwrap_or(&0)))
        .filter(|(_, n)| *n > 0)
        .collect()
}

const BORDERS: [usize; 6] = [0, 1, PART - 1, PART, PART + 1, 3 * PART + PART / 2];

#[test]
fn every_size_around_a_part_is_stored_with_the_fewest_requests() {
    let server = server();
    let driver = driver(&server);
    for size in BORDERS {
        let before = server.operations();
        let content = bytes(1, 0, size);
        let mut writer = create(&driver, "/file");
        writer.write_all(&content).unwrap();
        assert_eq!(writer.size(), size as u64);
        writer.commit().unwrap();
        drop(writer);
        assert!(stored(&server, "file").unwrap() == content, "{size} bytes");
        let parts = size.div_ceil(PART) as u64;
        let expected = if parts <= 1 {
            vec![("PutObject".to_owned(), 1)]
        } else {
            vec![
                ("CompleteMultipartUpload".to_owned(), 1),
                ("CreateMultipartUpload".to_owned(), 1),
                ("UploadPart".to_owned(), parts),
            ]
        };
        assert_eq!(since(&server, &before), expected, "{size} bytes");
        if parts > 1 {
            let sizes = &server.object_info(server.bucket(), "file").unwrap().parts;
            assert!(sizes[..sizes.len() - 1].iter().all(|part| *part == PART as u64), "{sizes:?}");
        }
    }
    assert_nothing_pending(&server);
}

#[test]
fn closed_files_are_continued_by_another_driver_at_every_border() {
    let server = server();
    let all = bytes(2, 0, 5 * PART);
    for (index, first) in BORDERS.into_iter().enumerate() {
        for second in [0, 1, PART - 1, PART + 1] {
            let path = format!("/dir/{index}/{second}");
            let content = &all[second % 1000..][..first + second];
            let mut writer = create(&driver(&server), &path);
            writer.write_all(&content[..first]).unwrap();
            writer.close().unwrap();
            assert_eq!(writer.size(), first as u64);
            drop(writer);
            assert_eq!(stored(&server, &path[1..]), None, "nothing is visible before commit");

            let mut writer = append(&driver(&server), &path);
            assert_eq!(writer.size(), first as u64);
            writer.write_all(&content[first..]).unwrap();
            writer.commit().unwrap();
            assert_eq!(writer.size(), content.len() as u64);
            assert!(stored(&server, &path[1..]).unwrap() == content, "{first} and {second} bytes");
            let sizes = server.object_info(server.bucket(), &path[1..]).unwrap().parts.clone();
            assert!(
                sizes[..sizes.len() - 1].iter().all(|part| *part == PART as u64),
                "equal parts: {sizes:?}"
            );
        }
    }
    assert_nothing_pending(&server);
}

#[test]
fn a_file_closed_many_times_is_one_object_with_equal_parts() {
    let server = server();
    let content = bytes(3, 0, 3 * PART + 12_345);
    let mut at = 0;
    create(&driver(&server), "/f").close().unwrap();
    for step in [1, 7, PART - 8, PART, 5, PART + 12_340] {
        let mut writer = append(&driver(&server), "/f");
        assert_eq!(writer.size(), at as u64);
        writer.write_all(&content[at..at + step]).unwrap();
        at += step;
        if at == content.len() { writer.commit().unwrap() } else { writer.close().unwrap() }
    }
    assert_eq!(at, content.len());
    assert!(stored(&server, "f").unwrap() == content);
    assert_eq!(server.count("CreateMultipartUpload"), 1);
    assert_eq!(
        server.count("CopyObject") + server.count("UploadPartCopy"),
        0,
        "appending copies nothing"
    );
    assert_nothing_pending(&server);
}

#[test]
fn checkpoints_are_invisible_through_the_driver() {
    let server = server();
    for root in ["", "some/root"] {
        let driver =
            S3Driver::new(&parameters(&server).root_directory(root).build().unwrap()).unwrap();
        let mut writer = create(&driver, "/a/b");
        writer.write_all(b"tail").unwrap();
        writer.close().unwrap();
        assert_eq!(server.keys(server.bucket()).len(), 1, "the checkpoint exists");
        assert_eq!(driver.list("/").unwrap(), [""; 0]);
        assert_eq!(driver.stat("/a").unwrap_err().kind(), ErrorKind::PathNotFound);
        assert_eq!(driver.stat("/a/b").unwrap_err().kind(), ErrorKind::PathNotFound);
        let mut seen = Vec::new();
        driver
            .walk("/", &WalkOptions::default(), &mut |info| {
                seen.push(info.path.clone());
                Ok(WalkStep::Continue)
            })
            .unwrap();
        assert_eq!(seen, [""; 0]);
        append(&driver, "/a/b").cancel().unwrap();
        assert_nothing_pending(&server);
    }
}

#[test]
fn f1_the_first_close_after_the_end_succeeds_and_every_other_call_is_an_error() {
    let server = server();
    let driver = driver(&server);
    let ends: [fn(&mut dyn FileWriter); 3] =
        [|w| w.close().unwrap(), |w| w.cancel().unwrap(), |w| w.commit().unwrap()];
    for (end, closes) in ends.into_iter().zip([0, 1, 1]) {
        let mut writer = create(&driver, "/f");
        writer.write_all(b"x").unwrap();
        end(&mut *writer);
        let requests = server.requests();
        for _ in 0..2 {
            assert_eq!(writer.cancel().unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(writer.commit().unwrap_err().kind(), ErrorKind::Closed);
            let error = writer.write(b"y").unwrap_err().downcast::<s3driver::Error>().unwrap();
            assert_eq!(
                (error.kind(), error.path(), error.driver()),
                (ErrorKind::Closed, Some("/f"), Some("s3aws"))
            );
            assert!(writer.flush().is_err());
            assert_eq!(writer.size(), 1);
            for _ in 0..closes {
                if let Err(error) = writer.close() {
                    assert_eq!(error.kind(), ErrorKind::Closed);
                }
            }
        }
        assert_eq!(writer.close().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(server.requests(), requests, "no request is sent after the end");
    }
    let mut writer = create(&driver, "/g");
    writer.cancel().unwrap();
    writer.close().unwrap();
    assert_eq!(writer.close().unwrap_err().kind(), ErrorKind::Closed);
    let mut writer = create(&driver, "/g");
    server.fail_next("PutObject", 403, "AccessDenied", 1);
    writer.commit().unwrap_err();
    assert_eq!(
        writer.close().unwrap_err().kind(),
        ErrorKind::Closed,
        "a failed commit keeps nothing"
    );
}

#[test]
fn dropped_and_cancelled_writers_leave_nothing() {
    let server = server();
    let driver = driver(&server);
    for size in [1, PART + 1, 3 * PART] {
        let mut writer = create(&driver, "/dropped");
        writer.write_all(&bytes(4, 0, size)).unwrap();
        drop(writer);
        assert_nothing_pending(&server);

        let mut writer = create(&driver, "/cancelled");
        writer.write_all(&bytes(4, 0, size)).unwrap();
        writer.cancel().unwrap();
        assert_nothing_pending(&server);

        let mut writer = create(&driver, "/resumed");
        writer.write_all(&bytes(4, 0, size)).unwrap();
        writer.close().unwrap();
        let mut writer = append(&driver, "/resumed");
        writer.write_all(b"more").unwrap();
        writer.cancel().unwrap();
        assert_nothing_pending(&server);
    }
    assert_eq!(server.keys(server.bucket()), [""; 0]);
}

/// A handler that returns early drops its writer. The next writer continues after the last close,
/// whichever process closed it.
#[test]
fn f5_a_dropped_resumed_writer_leaves_what_was_closed() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(40, 0, 4 * PART);
    for closed in [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 9] {
        for more in [0, 3, PART, 2 * PART - 10] {
            let mut writer = create(&driver, "/f");
            writer.write_all(&content[..closed]).unwrap();
            writer.close().unwrap();
            for _ in 0..2 {
                let mut writer = append(&driver, "/f");
                assert_eq!(
                    writer.size(),
                    closed as u64,
                    "closed at {closed}, {more} more bytes were dropped"
                );
                writer.write_all(&vec![7; more]).unwrap();
            }
            let mut writer = append(&driver, "/f");
            assert_eq!(
                writer.size(),
                closed as u64,
                "closed at {closed}, {more} more bytes were dropped twice"
            );
            writer.write_all(&content[closed..]).unwrap();
            writer.commit().unwrap();
            assert!(
                stored(&server, "f").unwrap() == content,
                "closed at {closed}, {more} more bytes were dropped"
            );
            assert_nothing_pending(&server);
            driver.delete("/f").unwrap();
        }
    }
    // An upload that another program closed, without a checkpoint.
    let id = server.begin_upload(server.bucket(), "go", SystemTime::now());
    server.put_part(server.bucket(), "go", &id, 1, content[..PART].to_vec());
    for _ in 0..2 {
        let mut writer = append(&driver, "/go");
        assert_eq!(writer.size(), PART as u64);
        writer.write_all(&vec![7; 2 * PART]).unwrap();
    }
    let mut writer = append(&driver, "/go");
    assert_eq!(writer.size(), PART as u64);
    writer.write_all(&content[PART..]).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "go").unwrap() == content);
    assert_nothing_pending(&server);
}

#[test]
fn a_failed_part_is_reported_once_and_leaves_nothing() {
    let server = server();
    let driver = driver(&server);
    let mut writer = create(&driver, "/f");
    writer.write_all(&bytes(5, 0, PART)).unwrap();
    server.fail_next("UploadPart", 403, "AccessDenied", 1);
    // The failure is returned by one of the next calls, and by commit at the latest.
    let first = (0..40)
        .find_map(|_| writer.write_all(&bytes(5, 0, MIB)).err())
        .map(|error| error.downcast::<s3driver::Error>().unwrap())
        .unwrap();
    assert_eq!((first.kind(), first.operation()), (ErrorKind::AccessDenied, Some("UploadPart")));
    let later = writer.commit().unwrap_err();
    assert_eq!(later.kind(), ErrorKind::AccessDenied);
    assert!(later.message().contains("an earlier part of this file failed"), "{later}");
    drop(writer);
    assert_nothing_pending(&server);
    assert_eq!(server.keys(server.bucket()), [""; 0]);

    let mut writer = create(&driver, "/g");
    writer.write_all(&bytes(5, 0, PART + 1)).unwrap();
    server.fail_next("UploadPart", 403, "AccessDenied", 1);
    let error = writer.commit().unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::AccessDenied, Some("/g")));
    assert_nothing_pending(&server);
}

/// A `BufWriter` that is dropped ignores the error of its last write, whose bytes are then missing.
#[test]
fn a_file_with_a_failed_write_can_be_closed_but_not_committed() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(51, 0, 2 * PART + 9);
    let written = |path| {
        let mut writer = create(&driver, path);
        writer.write_all(&content[..PART]).unwrap();
        server.fail_next("CreateMultipartUpload", 403, "AccessDenied", 1);
        let mut buffered = BufWriter::with_capacity(MIB, &mut writer);
        buffered.write_all(&content[PART..PART + 9]).unwrap();
        drop(buffered);
        let error = writer.write(&content[PART + 9..]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{error}");
        writer
    };
    let mut writer = written("/f");
    let error = writer.commit().unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::AccessDenied, Some("/f")));
    assert!(error.message().contains("an earlier part of this file failed"), "{error}");
    assert_nothing_pending(&server);
    assert_eq!(server.keys(server.bucket()), [""; 0]);

    written("/f").close().unwrap();
    let mut writer = append(&driver, "/f");
    assert_eq!(writer.size(), PART as u64);
    writer.write_all(&content[PART..]).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "f").unwrap() == content);
    assert_nothing_pending(&server);
}

#[test]
fn a_failed_part_keeps_what_was_closed_before() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(6, 0, 3 * PART);
    let mut writer = create(&driver, "/f");
    writer.write_all(&content[..PART + 10]).unwrap();
    writer.close().unwrap();

    let mut writer = append(&driver, "/f");
    server.fail_next("UploadPart", 403, "AccessDenied", 1);
    writer.write_all(&content[PART + 10..2 * PART + 100]).unwrap();
    assert_eq!(writer.close().unwrap_err().kind(), ErrorKind::AccessDenied);
    drop(writer);

    let mut writer = append(&driver, "/f");
    assert_eq!(writer.size(), PART as u64 + 10);
    writer.write_all(&content[PART + 10..]).unwrap();
    server.fail_next("CompleteMultipartUpload", 403, "AccessDenied", 1);
    assert_eq!(writer.commit().unwrap_err().kind(), ErrorKind::AccessDenied);
    drop(writer);
    assert_eq!(stored(&server, "f"), None);

    let mut writer = append(&driver, "/f");
    assert_eq!(writer.size(), PART as u64 + 10);
    writer.write_all(&content[PART + 10..]).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "f").unwrap() == content);
    assert_nothing_pending(&server);
}

#[test]
fn a_failed_completion_is_an_error_and_leaves_nothing() {
    let server = server();
    let driver = driver(&server);
    for (status, code) in [(400, "EntityTooSmall"), (400, "InvalidPart"), (403, "AccessDenied")] {
        let mut writer = create(&driver, "/f");
        writer.write_all(&bytes(7, 0, PART + 1)).unwrap();
        server.fail_next("CompleteMultipartUpload", status, code, 1);
        // A failure of the abort that follows must not hide the first failure.
        server.fail_next("AbortMultipartUpload", 500, "InternalError", 1);
        let error = writer.commit().unwrap_err();
        assert_eq!(
            (error.code(), error.operation()),
            (Some(code), Some("CompleteMultipartUpload"))
        );
        assert_nothing_pending(&server);
        assert_eq!(server.keys(server.bucket()), [""; 0]);
    }
}

#[test]
fn a_full_disk_of_the_server_is_an_error_and_leaves_nothing() {
    let server = server();
    let driver = driver(&server);
    let mut writer = create(&driver, "/f");
    writer.write_all(&bytes(22, 0, PART)).unwrap();
    server.fail_next("UploadPart", 507, "InsufficientStorage", 1000);
    let error = loop {
        if let Err(error) = writer.write_all(&bytes(22, 0, PART)) {
            break error.downcast::<s3driver::Error>().unwrap();
        }
    };
    assert_eq!((error.status(), error.code()), (Some(507), Some("InsufficientStorage")));
    drop(writer);
    assert_nothing_pending(&server);
    assert_eq!(server.keys(server.bucket()), [""; 0]);
}

#[test]
fn an_upload_that_may_be_complete_is_never_aborted() {
    let server = server();
    let driver = driver(&server);
    let mut writer = create(&driver, "/f");
    writer.write_all(&bytes(8, 0, PART + 1)).unwrap();
    server.fail_next("CompleteMultipartUpload", 500, "InternalError", 100);
    assert_eq!(writer.commit().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    drop(writer);
    assert_eq!(server.count("AbortMultipartUpload"), 0);
    assert_eq!(server.open_uploads(server.bucket()).len(), 1);
}

#[test]
fn appending_needs_something_unfinished_or_empty() {
    let server = server();
    let driver = driver(&server);
    let error = driver.writer("/missing", WriteMode::Append).err().unwrap();
    assert_eq!((error.kind(), error.path()), (ErrorKind::PathNotFound, Some("/missing")));

    driver.put_content("/full", b"content").unwrap();
    let error = driver.writer("/full", WriteMode::Append).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("a file of 7 bytes is committed here"), "{error}");

    driver.put_content("/empty", b"").unwrap();
    create(&driver, "/empty-too").commit().unwrap();
    for path in ["/empty", "/empty-too"] {
        let mut writer = append(&driver, path);
        assert_eq!(writer.size(), 0);
        writer.write_all(b"now filled").unwrap();
        writer.commit().unwrap();
        assert_eq!(driver.get_content(path).unwrap(), b"now filled");
    }
}

/// Without the listing of uploads, a file is found by its checkpoint, or not at all.
#[test]
fn appending_does_not_need_the_listing_of_uploads() {
    let server = server();
    let driver = driver(&server);
    driver.put_content("/empty", b"").unwrap();
    driver.put_content("/full", b"content").unwrap();
    let appended = |path, status, code| {
        server.fail_next("ListMultipartUploads", status, code, 1);
        driver.writer(path, WriteMode::Append)
    };
    for (status, code) in [(501, "NotImplemented"), (405, "MethodNotAllowed")] {
        let error = appended("/missing", status, code).err().unwrap();
        assert_eq!((error.kind(), error.path()), (ErrorKind::PathNotFound, Some("/missing")));
        let error = appended("/full", status, code).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let mut writer = appended("/empty", status, code).unwrap();
        assert_eq!(writer.size(), 0);
        writer.write_all(b"tail").unwrap();
        writer.close().unwrap();
        let writer = appended("/empty", status, code).unwrap();
        assert_eq!(writer.size(), 4);
        drop(writer);
        append(&driver, "/empty").cancel().unwrap();
    }
    // There may be an upload in a listing that is not permitted.
    let error = appended("/empty", 403, "AccessDenied").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert_nothing_pending(&server);
}

/// The name of a checkpoint is longer than that of its file, and S3 limits keys to 1,024 bytes.
#[test]
fn files_with_the_longest_keys_do_not_have_checkpoints() {
    let server = server();
    let driver = driver(&server);
    for (length, may_be_closed) in [(1014, true), (1015, false), (1024, false)] {
        let path = format!("/{}/{}", "d".repeat(500), "f".repeat(length - 501));
        assert_eq!(path.len() - 1, length);
        let kind = || driver.writer(&path, WriteMode::Append).err().unwrap().kind();
        assert_eq!(kind(), ErrorKind::PathNotFound);
        let mut writer = create(&driver, &path);
        writer.write_all(b"tail").unwrap();
        let closed = writer.close();
        drop(writer);
        assert_eq!(closed.is_ok(), may_be_closed, "{length} bytes");
        match closed {
            Ok(()) => append(&driver, &path).cancel().unwrap(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
                assert!(error.to_string().contains("a key of at most 1014 bytes"), "{error}");
            }
        }
        assert_nothing_pending(&server);

        // Another program's upload can be continued.
        let id = server.begin_upload(server.bucket(), &path[1..], SystemTime::now());
        server.put_part(server.bucket(), &path[1..], &id, 1, vec![7; PART]);
        assert_eq!(driver.pending_uploads(&path).unwrap().count(), 1);
        let mut writer = append(&driver, &path);
        writer.write_all(b"end").unwrap();
        writer.commit().unwrap();
        driver.rename(&path, "/elsewhere").unwrap();
        driver.rename("/elsewhere", &path).unwrap();

        let sent = asked(&server, || driver.delete(&path).unwrap());
        assert!(sent.contains(&("DeleteObjects".to_owned(), 1)), "{sent:?}");
        server.begin_upload(server.bucket(), &path[1..], SystemTime::UNIX_EPOCH);
        driver.delete(&path).unwrap();
        server.begin_upload(server.bucket(), &path[1..], SystemTime::UNIX_EPOCH);
        assert_eq!(driver.purge_uploads(&path, DAY).unwrap().uploads, 1);
        assert_nothing_pending(&server);
        assert_eq!(server.keys(server.bucket()), [""; 0]);
    }
}

/// Committing the older file would replace the newer one.
#[test]
fn f10_an_unfinished_file_is_not_continued_if_a_newer_file_exists() {
    let server = server();
    let driver = driver(&server);
    for size in [1, PART + 1] {
        driver.put_content("/f", b"first").unwrap();
        let mut writer = create(&driver, "/f");
        writer.write_all(&bytes(41, 0, size)).unwrap();
        writer.close().unwrap();
        // A file that existed before is not newer, however soon after it the writer was closed.
        append(&driver, "/f").close().unwrap();
        driver.put_content("/f", b"second").unwrap();
        let error = driver.writer("/f", WriteMode::Append).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(
            error.to_string().contains("a file of 6 bytes was committed here after"),
            "{error}"
        );
        assert_eq!(driver.get_content("/f").unwrap(), b"second");
        driver.delete("/f").unwrap();
        assert_eq!(
            driver.writer("/f", WriteMode::Append).err().unwrap().kind(),
            ErrorKind::PathNotFound
        );
        assert_nothing_pending(&server);
    }
    // Without a checkpoint the times decide.
    server.begin_upload(server.bucket(), "f", SystemTime::now() - DAY);
    driver.put_content("/f", b"newer").unwrap();
    assert_eq!(
        driver.writer("/f", WriteMode::Append).err().unwrap().kind(),
        ErrorKind::InvalidArgument
    );
    server.begin_upload(server.bucket(), "f", SystemTime::now() + Duration::from_secs(60));
    append(&driver, "/f").cancel().unwrap();
}

#[test]
fn an_empty_file_that_was_closed_first_is_committed_empty() {
    let server = server();
    let driver = driver(&server);
    create(&driver, "/f").close().unwrap();
    append(&driver, "/f").commit().unwrap();
    assert_eq!(driver.get_content("/f").unwrap(), b"");
    assert_nothing_pending(&server);
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn the_newest_upload_wins_and_only_old_ones_are_aborted() {
    let server = Server::start(ServerOptions { page_size: 2, ..ServerOptions::default() });
    let bucket = server.bucket().to_owned();
    let now = SystemTime::now();
    let begin = |key: &str, age: Duration| server.begin_upload(&bucket, key, now - age);
    // Keys with a common beginning, more of them than fit into a page.
    for key in ["file-longer", "file/below", "file0", "file1", "file2"] {
        begin(key, 30 * DAY);
    }
    let ancient = begin("file", 30 * DAY);
    let newest = begin("file", DAY / 24);
    let recent = begin("file", DAY);
    let content = bytes(9, 0, 2 * PART);
    server.put_part(&bucket, "file", &newest, 1, content[..PART].to_vec());
    server.put_part(&bucket, "file", &recent, 1, vec![0; 2 * PART]);

    let driver = driver(&server);
    let mut writer = append(&driver, "/file");
    assert_eq!(writer.size(), PART as u64);
    writer.write_all(&content[PART..]).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "file").unwrap() == content);
    let left: Vec<String> = server
        .open_uploads(&bucket)
        .into_iter()
        .filter(|u| u.key == "file")
        .map(|u| u.id)
        .collect();
    assert_eq!(left, [recent], "{ancient} is older than seven days");
    assert_eq!(server.open_uploads(&bucket).len(), 6, "uploads of other keys are kept");
}

#[test]
fn an_upload_begun_after_the_last_close_is_newer() {
    let server = server();
    let driver = driver(&server);
    let mut writer = create(&driver, "/f");
    writer.write_all(b"older").unwrap();
    writer.close().unwrap();
    server.begin_upload(server.bucket(), "f", SystemTime::now() + Duration::from_secs(60));
    let mut writer = append(&driver, "/f");
    assert_eq!(writer.size(), 0);
    writer.write_all(b"newer").unwrap();
    writer.commit().unwrap();
    assert_eq!(driver.get_content("/f").unwrap(), b"newer");
}

#[test]
fn uploads_of_the_go_driver_are_continued_or_committed() {
    let server = server();
    let bucket = server.bucket().to_owned();
    let content = bytes(10, 0, 40 * MIB);
    let begin = |parts: &[usize]| {
        let id = server.begin_upload(&bucket, "go", SystemTime::now());
        let mut at = 0;
        for (number, size) in (1..).zip(parts) {
            server.put_part(&bucket, "go", &id, number, content[at..at + size].to_vec());
            at += size;
        }
        at
    };
    let driver = driver(&server);
    // Uploads closed at the end of a part, or with a last part that S3 accepts in the middle, are
    // continued.
    for parts in [&[10 * MIB][..], &[10 * MIB, 10 * MIB], &[10 * MIB, 7 * MIB]] {
        let at = begin(parts);
        let mut writer = append(&driver, "/go");
        assert_eq!(writer.size(), at as u64);
        writer.write_all(&content[at..at + 6 * MIB]).unwrap();
        writer.close().unwrap();
        let mut writer = append(&driver, "/go");
        assert_eq!(writer.size(), (at + 6 * MIB) as u64);
        writer.write_all(&content[at + 6 * MIB..]).unwrap();
        writer.commit().unwrap();
        assert!(stored(&server, "go").unwrap() == content);
        assert_nothing_pending(&server);
        driver.delete("/go").unwrap();
    }
    // Closed within a part: the registry's next call usually commits without writing.
    let at = begin(&[10 * MIB, 3 * MIB]);
    let mut writer = append(&driver, "/go");
    assert_eq!(writer.size(), at as u64);
    writer.close().unwrap();
    let mut writer = append(&driver, "/go");
    assert_eq!(writer.size(), at as u64);
    writer.commit().unwrap();
    assert!(stored(&server, "go").unwrap() == content[..at]);
    driver.delete("/go").unwrap();
    assert_nothing_pending(&server);

    // Writing more would require an incomplete file at the final path: it is refused, and the
    // upload is kept.
    begin(&[10 * MIB, 3 * MIB]);
    let mut writer = append(&driver, "/go");
    let error = writer.write(b"more").unwrap_err().to_string();
    assert!(error.contains("3145728 bytes, and S3 accepts no further part"), "{error}");
    assert!(error.contains("commit it as it is"), "{error}");
    writer.close().unwrap();
    assert_eq!(stored(&server, "go"), None);
    assert_eq!(server.open_uploads(&bucket).len(), 1);
}

#[test]
fn parts_after_a_gap_do_not_count() {
    let server = server();
    let content = bytes(11, 0, 3 * PART);
    let id = server.begin_upload(server.bucket(), "f", SystemTime::now());
    server.put_part(server.bucket(), "f", &id, 1, content[..PART].to_vec());
    server.put_part(server.bucket(), "f", &id, 3, vec![1; PART]);
    server.put_part(server.bucket(), "f", &id, 7, vec![1; 10]);
    let mut writer = append(&driver(&server), "/f");
    assert_eq!(writer.size(), PART as u64);
    writer.write_all(&content[PART..]).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "f").unwrap() == content);
}

#[test]
fn uniform_parts_stay_equal_after_a_change_of_the_chunk_size() {
    let server = server();
    let uniform = |chunk: usize| {
        let builder = parameters(&server).chunk_size(chunk as u64).part_sizes(PartSizes::Uniform);
        S3Driver::new(&builder.build().unwrap()).unwrap()
    };
    let content = bytes(12, 0, 40 * MIB);
    let mut writer = create(&uniform(7 * MIB), "/f");
    writer.write_all(&content[..8 * MIB]).unwrap();
    writer.close().unwrap();
    let mut writer = append(&uniform(5 * MIB), "/f");
    writer.write_all(&content[8 * MIB..]).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "f").unwrap() == content);
    let parts = server.object_info(server.bucket(), "f").unwrap().parts.clone();
    assert_eq!(parts, [&[7 * MIB as u64; 5][..], &[5 * MIB as u64]].concat());

    // Another program's upload whose last part has a different size cannot be continued.
    let id = server.begin_upload(server.bucket(), "g", SystemTime::now());
    server.put_part(server.bucket(), "g", &id, 1, content[..10 * MIB].to_vec());
    server.put_part(server.bucket(), "g", &id, 2, content[10 * MIB..16 * MIB].to_vec());
    let mut writer = append(&uniform(10 * MIB), "/g");
    assert!(writer.write(b"more").is_err());
    writer.commit().unwrap();
    assert!(stored(&server, "g").unwrap() == content[..16 * MIB]);
}

#[test]
fn object_settings_survive_close() {
    let server = server();
    let builder = parameters(&server)
        .encryption(s3driver::client::Encryption::Kms { key_id: "the-key".to_owned() })
        .storage_class(Some(s3driver::client::StorageClass::StandardIa))
        .acl(Some(s3driver::client::CannedAcl::BucketOwnerFullControl));
    let driver = S3Driver::new(&builder.build().unwrap()).unwrap();
    let mut writer = create(&driver, "/f");
    writer.write_all(&bytes(13, 0, PART + 1)).unwrap();
    writer.close().unwrap();
    let kept = server.object_info(server.bucket(), ".s3driver-f").unwrap();
    assert_eq!(
        kept.attributes.kms_key.as_deref(),
        Some("the-key"),
        "the last bytes are encrypted like the others"
    );
    let mut writer = append(&driver, "/f");
    writer.write_all(b"end").unwrap();
    writer.commit().unwrap();
    let attributes = server.object_info(server.bucket(), "f").unwrap().attributes.clone();
    assert_eq!(attributes.encryption.as_deref(), Some("aws:kms"));
    assert_eq!(attributes.kms_key.as_deref(), Some("the-key"));
    assert_eq!(attributes.storage_class.as_deref(), Some("STANDARD_IA"));
    assert_eq!(attributes.acl.as_deref(), Some("bucket-owner-full-control"));
    assert_eq!(attributes.content_type.as_deref(), Some("application/octet-stream"));
}

/// A writer that was killed leaves parts after the last close. They stay in the upload while the
/// next writers close and continue it, and are no sign of another program.
#[test]
fn parts_of_a_killed_writer_do_not_count_after_the_next_close() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(41, 0, 4 * PART + 77);
    for closed in [PART + 100, PART, 100] {
        let mut writer = create(&driver, "/f");
        writer.write_all(&content[..closed]).unwrap();
        writer.close().unwrap();

        // The killed writer has replaced the tail's part, and has sent two more.
        let open = &server.open_uploads(server.bucket())[0];
        let upload = s3driver::client::UploadRef {
            bucket: server.bucket(),
            key: &open.key,
            upload_id: &open.id,
        };
        let first = closed / PART;
        for index in first..first + 3 {
            let part = &content[index * PART..(index + 1) * PART];
            driver.client().upload_part(upload, index as u32 + 1, part).unwrap();
        }

        let mut size = closed;
        for more in [5000, 3, PART, 9] {
            let mut writer = append(&driver, "/f");
            assert_eq!(writer.size(), size as u64, "closed at {closed}");
            writer.write_all(&content[size..size + more]).unwrap();
            size += more;
            writer.close().unwrap();
        }
        let mut writer = append(&driver, "/f");
        assert_eq!(writer.size(), size as u64, "closed at {closed}");
        writer.write_all(&content[size..]).unwrap();
        writer.commit().unwrap();
        assert!(stored(&server, "f").unwrap() == content, "closed at {closed}");
        assert_nothing_pending(&server);
    }
}

/// A writer that was killed before any close may leave a gap between its parts. Those after the gap
/// do not count, also when the next writer has closed within the missing part.
#[test]
fn parts_after_a_gap_do_not_count_after_the_next_close() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(42, 0, 3 * PART + 77);
    let mut writer = create(&driver, "/f");
    writer.close().unwrap();
    let open = &server.open_uploads(server.bucket())[0];
    let upload = s3driver::client::UploadRef {
        bucket: server.bucket(),
        key: &open.key,
        upload_id: &open.id,
    };
    for index in [0, 2] {
        let part = &content[index * PART..(index + 1) * PART];
        driver.client().upload_part(upload, index as u32 + 1, part).unwrap();
    }

    let mut writer = append(&driver, "/f");
    assert_eq!(writer.size(), PART as u64);
    writer.write_all(&content[PART..PART + 900]).unwrap();
    writer.close().unwrap();
    let mut writer = append(&driver, "/f");
    assert_eq!(writer.size(), PART as u64 + 900);
    writer.write_all(&content[PART + 900..]).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "f").unwrap() == content);
    assert_nothing_pending(&server);
}

#[test]
fn a_checkpoint_without_its_upload_is_ignored() {
    let server = server();
    let driver = driver(&server);
    let abort = |driver: &S3Driver| {
        let upload = &server.open_uploads(server.bucket())[0];
        let upload = s3driver::client::UploadRef {
            bucket: server.bucket(),
            key: &upload.key,
            upload_id: &upload.id,
        };
        driver.client().abort_multipart_upload(upload).unwrap();
    };
    // Aborted by a lifecycle rule, or by a process that was killed before it removed the
    // checkpoint.
    let mut writer = create(&driver, "/f");
    writer.write_all(b"lost").unwrap();
    writer.close().unwrap();
    abort(&driver);
    assert_eq!(
        driver.writer("/f", WriteMode::Append).err().unwrap().kind(),
        ErrorKind::PathNotFound
    );
    assert_nothing_pending(&server);
    // Committed by a process that was killed at that point.
    let mut writer = create(&driver, "/f");
    writer.write_all(b"committed").unwrap();
    writer.close().unwrap();
    abort(&driver);
    driver.put_content("/f", b"committed").unwrap();
    assert_eq!(
        driver.writer("/f", WriteMode::Append).err().unwrap().kind(),
        ErrorKind::InvalidArgument
    );
    assert_nothing_pending(&server);
}

/// Two programs continue the same file at the same place. The slower one replaces a part of the
/// faster one with other bytes of the same size, after the faster one has closed.
#[test]
fn a_part_that_was_replaced_with_one_of_equal_size_is_an_error() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(43, 0, 3 * PART);
    let mut writer = create(&driver, "/f");
    writer.write_all(&content[..2 * PART + 9]).unwrap();
    writer.close().unwrap();
    let open = &server.open_uploads(server.bucket())[0];
    let upload = s3driver::client::UploadRef {
        bucket: server.bucket(),
        key: &open.key,
        upload_id: &open.id,
    };
    // Sending the same bytes again changes nothing.
    driver.client().upload_part(upload, 2, &content[PART..2 * PART]).unwrap();
    assert_eq!(append(&driver, "/f").size(), 2 * PART as u64 + 9);

    driver.client().upload_part(upload, 2, &content[..PART]).unwrap();
    let error = driver.writer("/f", WriteMode::Append).err().unwrap();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Integrity, Some("/f")));
    let text = error.to_string();
    assert!(text.contains("another writer replaced some of them"), "{text}");
    assert!(text.contains("write the file again from its beginning"), "{text}");
    let mut writer = create(&driver, "/f");
    writer.write_all(b"again").unwrap();
    writer.commit().unwrap();
    assert_eq!(stored(&server, "f").unwrap(), b"again");
}

/// A stalled request and its repetition continue the same file in two processes. The slower one
/// closes last, and knows nothing of the faster one.
#[test]
fn a_writer_that_another_one_has_overtaken_cannot_be_closed() {
    let server = server();
    let driver = |server: &Server| {
        let parameters = parameters(server).chunk_size(10 * MIB as u64);
        S3Driver::new(&parameters.build().unwrap()).unwrap()
    };
    let content = bytes(46, 0, 31 * MIB);
    for (fast, slow) in [
        (25 * MIB, 17 * MIB),
        (17 * MIB, 25 * MIB),
        (11 * MIB, 21 * MIB),
        (20 * MIB, 5),
        (5, 20 * MIB),
        (9, 7),
    ] {
        create(&driver(&server), "/f").close().unwrap();
        let (mut first, mut second) =
            (append(&driver(&server), "/f"), append(&driver(&server), "/f"));
        first.write_all(&content[..slow]).unwrap();
        second.write_all(&content[..fast]).unwrap();
        second.close().unwrap();
        let error = first.close().unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Conflict, Some("/f")));
        let text = error.to_string();
        assert!(text.contains("another writer has continued"), "{text}");
        assert!(text.contains("append again"), "{text}");
        drop(first);

        let mut writer = append(&driver(&server), "/f");
        assert_eq!(writer.size(), fast as u64, "{fast} and {slow} bytes");
        writer.write_all(&content[fast..]).unwrap();
        writer.commit().unwrap();
        assert!(stored(&server, "f").unwrap() == content, "{fast} and {slow} bytes");
        assert_nothing_pending(&server);
        driver(&server).delete("/f").unwrap();
    }
}

/// Both writers received the same bytes, so it does not matter which of them stored the checkpoint.
#[test]
fn writers_that_received_the_same_bytes_can_both_be_closed() {
    let server = server();
    let content = bytes(47, 0, PART + 9);
    create(&driver(&server), "/f").close().unwrap();
    let mut writers = [append(&driver(&server), "/f"), append(&driver(&server), "/f")];
    for writer in &mut writers {
        writer.write_all(&content).unwrap();
        writer.close().unwrap();
    }
    append(&driver(&server), "/f").commit().unwrap();
    assert!(stored(&server, "f").unwrap() == content);
    assert_nothing_pending(&server);
}

/// A writer that is dropped or fails restores the state in which it found the file, but not if
/// another writer has continued the file since then.
#[test]
fn a_writer_that_ends_without_success_leaves_what_another_one_closed() {
    let server = server();
    let content = bytes(48, 0, 3 * PART + 9);
    let begin: [fn(&Server, &[u8]); 2] = [
        |server, _| create(&driver(server), "/f").close().unwrap(),
        // Another program's upload, without a checkpoint.
        |server, content| {
            let id = server.begin_upload(server.bucket(), "f", SystemTime::now());
            server.put_part(server.bucket(), "f", &id, 1, content[..PART].to_vec());
        },
    ];
    type End = fn(&Server, Box<dyn FileWriter>);
    let ends: [End; 2] = [
        |_, writer| drop(writer),
        |server, mut writer| {
            server.fail_next("CompleteMultipartUpload", 403, "AccessDenied", 1);
            assert_eq!(writer.commit().unwrap_err().kind(), ErrorKind::AccessDenied);
        },
    ];
    for begin in begin {
        for end in ends {
            begin(&server, &content);
            let (mut first, mut second) =
                (append(&driver(&server), "/f"), append(&driver(&server), "/f"));
            let at = first.size() as usize;
            second.write_all(&content[at..2 * PART + 1]).unwrap();
            first.write_all(&content[at..PART + 99]).unwrap();
            first.close().unwrap();
            end(&server, second);
            let mut writer = append(&driver(&server), "/f");
            assert_eq!(writer.size(), PART as u64 + 99, "found at {at}");
            writer.write_all(&content[PART + 99..]).unwrap();
            writer.commit().unwrap();
            assert!(stored(&server, "f").unwrap() == content, "found at {at}");
            assert_nothing_pending(&server);
            driver(&server).delete("/f").unwrap();
        }
    }
}

/// Before its first close, a new file is found by its parts.
#[test]
fn a_new_file_that_another_writer_has_continued_cannot_be_closed() {
    let server = server();
    let content = bytes(49, 0, 3 * PART);
    let mut slow = create(&driver(&server), "/f");
    slow.write_all(&content[..PART + 1]).unwrap();
    let started = Instant::now();
    let mut fast = loop {
        match driver(&server).writer("/f", WriteMode::Append) {
            Ok(writer) if writer.size() == PART as u64 => break writer,
            _ => assert!(started.elapsed() < Duration::from_secs(10), "the part is sent"),
        }
        std::thread::yield_now();
    };
    fast.write_all(&content[PART..2 * PART + 5]).unwrap();
    fast.close().unwrap();
    assert_eq!(slow.close().unwrap_err().kind(), ErrorKind::Conflict);
    let mut writer = append(&driver(&server), "/f");
    assert_eq!(writer.size(), 2 * PART as u64 + 5);
    writer.write_all(&content[2 * PART + 5..]).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "f").unwrap() == content);

    // The checkpoint of an older file at the path does not matter.
    driver(&server).delete("/f").unwrap();
    for size in [2 * PART, PART + 1] {
        let mut writer = create(&driver(&server), "/f");
        writer.write_all(&content[..size]).unwrap();
        writer.close().unwrap();
    }
    driver(&server).delete("/f").unwrap();
    assert_nothing_pending(&server);
}

/// The end of an unfinished file removes its own checkpoint, but not that of a newer one.
#[test]
fn a_newer_unfinished_file_survives_the_end_of_an_older_one() {
    let server = server();
    let content = bytes(54, 0, 2 * PART);
    for refused in [None, Some((501, "NotImplemented")), Some((412, "PreconditionFailed"))] {
        let driver = driver(&server);
        create(&driver, "/f").close().unwrap();
        let mut older = append(&driver, "/f");
        older.write_all(b"older").unwrap();
        let mut newer = create(&driver, "/f");
        newer.write_all(&content[..PART + 9]).unwrap();
        newer.close().unwrap();
        older.cancel().unwrap();
        let mut writer = append(&driver, "/f");
        assert_eq!(writer.size(), PART as u64 + 9);
        writer.write_all(&content[PART + 9..]).unwrap();
        if let Some((status, code)) = refused {
            server.fail_next("DeleteObject", status, code, 1);
        }
        writer.commit().unwrap();
        assert!(stored(&server, "f").unwrap() == content);
        assert_nothing_pending(&server);
        driver.delete("/f").unwrap();

        // Servers that refuse the condition are remembered.
        create(&driver, "/f").close().unwrap();
        let mut older = append(&driver, "/f");
        create(&driver, "/f").close().unwrap();
        let kept = stored(&server, ".s3driver-f").unwrap();
        older.cancel().unwrap();
        assert_eq!(stored(&server, ".s3driver-f"), Some(kept), "{refused:?}");
        append(&driver, "/f").cancel().unwrap();
        assert_nothing_pending(&server);
    }
}

/// A server without conditions for PutObject (501), and one that compares ETags in another way.
#[test]
fn without_conditional_writes_a_writer_that_was_overtaken_cannot_be_closed_either() {
    let server = server();
    let content = bytes(50, 0, 2 * PART);
    for (status, code) in [(501, "NotImplemented"), (412, "PreconditionFailed")] {
        let driver = driver(&server);
        create(&driver, "/f").close().unwrap();
        let mut overtaken = append(&driver, "/f");
        let mut writer = append(&driver, "/f");
        writer.write_all(&content[..9]).unwrap();
        server.fail_next("PutObject", status, code, 1);
        writer.close().unwrap();
        overtaken.write_all(&content[..PART + 5]).unwrap();
        assert_eq!(overtaken.close().unwrap_err().kind(), ErrorKind::Conflict);

        // From then on, the checkpoint is examined before it is replaced.
        let mut writer = append(&driver, "/f");
        writer.write_all(&content[9..PART - 1]).unwrap();
        let requests = asked(&server, || writer.close().unwrap());
        let expected = [("HeadObject", 1), ("PutObject", 1), ("UploadPart", 1)];
        assert_eq!(requests, counts(&expected), "{code}");
        let mut writer = append(&driver, "/f");
        writer.write_all(&content[PART - 1..]).unwrap();
        writer.commit().unwrap();
        assert!(stored(&server, "f").unwrap() == content, "{code}");
        driver.delete("/f").unwrap();
        assert_nothing_pending(&server);
    }
}

/// ETags of objects that KMS encrypts look like MD5s, but differ whenever the same bytes are sent.
#[test]
fn parts_that_kms_encrypts_have_no_digest() {
    let server = server();
    let plain = driver(&server);
    let kms = s3driver::client::Encryption::Kms { key_id: "the-key".to_owned() };
    let encrypting = S3Driver::new(&parameters(&server).encryption(kms).build().unwrap()).unwrap();
    for (driver, path, has_digest) in [(&plain, "/plain", true), (&encrypting, "/secret", false)] {
        let mut writer = create(driver, path);
        writer.write_all(&bytes(44, 0, PART + 9)).unwrap();
        writer.close().unwrap();
        // A closed file that was continued has the same kind of ETags.
        let mut writer = append(driver, path);
        writer.write_all(b"more").unwrap();
        writer.close().unwrap();
        let kept = stored(&server, &format!(".s3driver-{}", &path[1..])).unwrap();
        let text = String::from_utf8_lossy(&kept);
        assert_eq!(text.contains("parts_digest"), has_digest, "{path}");
    }
}

/// ETags of objects that KMS encrypts do not show what another program has sent, so its parts are
/// recognized by their sizes.
#[test]
fn parts_of_another_program_after_encrypted_ones_count() {
    let server = server();
    let kms = s3driver::client::Encryption::Kms { key_id: "the-key".to_owned() };
    let content = bytes(52, 0, 20 * MIB);
    for parameters in [parameters(&server), parameters(&server).encryption(kms)] {
        let chunks = parameters.chunk_size(10 * MIB as u64);
        let driver = S3Driver::new(&chunks.build().unwrap()).unwrap();
        let mut writer = create(&driver, "/f");
        writer.write_all(&content[..16 * MIB]).unwrap();
        writer.close().unwrap();
        let pending = || driver.pending_uploads("/f").unwrap().next().unwrap().unwrap().bytes;
        assert_eq!((pending(), append(&driver, "/f").size()), (16 << 20, 16 << 20));

        let id = server.open_uploads(server.bucket())[0].id.clone();
        server.put_part(server.bucket(), "f", &id, 3, content[16 * MIB..].to_vec());
        assert_eq!((pending(), append(&driver, "/f").size()), (20 << 20, 20 << 20));
        append(&driver, "/f").commit().unwrap();
        assert!(stored(&server, "f").unwrap() == content);
        assert_nothing_pending(&server);

        // A tail's part that another writer has replaced with one of another size is no reason to
        // count what follows.
        let mut writer = create(&driver, "/f");
        writer.write_all(&content[..16 * MIB]).unwrap();
        writer.close().unwrap();
        let id = server.open_uploads(server.bucket())[0].id.clone();
        server.put_part(server.bucket(), "f", &id, 2, content[10 * MIB..].to_vec());
        server.put_part(server.bucket(), "f", &id, 3, content[10 * MIB..].to_vec());
        assert_eq!((pending(), append(&driver, "/f").size()), (16 << 20, 16 << 20));
        driver.delete("/f").unwrap();
    }
}

/// The size of the tail's part is the same, but not its content.
#[test]
fn parts_after_one_that_does_not_hold_the_tail_do_not_count() {
    let server = server();
    let driver =
        S3Driver::new(&parameters(&server).chunk_size(10 * MIB as u64).build().unwrap()).unwrap();
    let content = bytes(53, 0, 16 * MIB);
    let mut writer = create(&driver, "/f");
    writer.write_all(&content).unwrap();
    writer.close().unwrap();
    let id = server.open_uploads(server.bucket())[0].id.clone();
    server.put_part(server.bucket(), "f", &id, 2, content[..6 * MIB].to_vec());
    server.put_part(server.bucket(), "f", &id, 3, content[..6 * MIB].to_vec());
    let pending = driver.pending_uploads("/f").unwrap().next().unwrap().unwrap().bytes;
    assert_eq!((pending, append(&driver, "/f").size()), (16 << 20, 16 << 20));
    append(&driver, "/f").commit().unwrap();
    assert!(stored(&server, "f").unwrap() == content);

    // Parts before the tail are compared, also if another program has continued the file.
    let mut writer = create(&driver, "/g");
    writer.write_all(&content).unwrap();
    writer.close().unwrap();
    let id = server.open_uploads(server.bucket())[0].id.clone();
    server.put_part(server.bucket(), "g", &id, 1, content[6 * MIB..].to_vec());
    server.put_part(server.bucket(), "g", &id, 3, content[..6 * MIB].to_vec());
    let error = driver.writer("/g", WriteMode::Append).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
}

#[test]
fn a_damaged_checkpoint_is_an_error() {
    let server = server();
    let driver = driver(&server);
    let mut writer = create(&driver, "/f");
    writer.write_all(b"tail").unwrap();
    writer.close().unwrap();
    let mut kept = stored(&server, ".s3driver-f").unwrap();
    kept[0] ^= 1;
    server.put_object(server.bucket(), ".s3driver-f", kept);
    assert_eq!(driver.writer("/f", WriteMode::Append).err().unwrap().kind(), ErrorKind::Integrity);
}

#[test]
fn parts_sent_after_the_last_close_are_sent_again() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(14, 0, 3 * PART);
    let mut writer = create(&driver, "/f");
    writer.write_all(&content[..PART + 5]).unwrap();
    writer.close().unwrap();
    // Another writer wrote different bytes and was killed.
    let id = server.open_uploads(server.bucket())[0].id.clone();
    for number in 2..5 {
        server.put_part(server.bucket(), "f", &id, number, vec![9; PART]);
    }
    let mut writer = append(&driver, "/f");
    assert_eq!(writer.size(), PART as u64 + 5);
    writer.write_all(&content[PART + 5..]).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "f").unwrap() == content);
    assert_nothing_pending(&server);
}

#[test]
fn single_bytes_and_one_large_write_give_equal_files() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(15, 0, 32 * MIB + 1);
    let mut writer = create(&driver, "/once");
    writer.write_all(&content).unwrap();
    writer.commit().unwrap();
    assert!(stored(&server, "once").unwrap() == content);
    let mut writer = create(&driver, "/bytes");
    for byte in &content[..PART + 1] {
        writer.write_all(std::slice::from_ref(byte)).unwrap();
    }
    writer.commit().unwrap();
    assert!(stored(&server, "bytes").unwrap() == content[..PART + 1]);
}

/// Whole parts are sent from where the caller has them, without changing the file or its parts.
#[test]
fn large_writes_give_the_same_parts_as_small_ones() {
    let server = server();
    for concurrency in [1, 2] {
        let builder = parameters(&server).concurrency(NonZeroUsize::new(concurrency).unwrap());
        let driver = S3Driver::new(&builder.build().unwrap()).unwrap();
        for first in [0, 1, PART] {
            for second in [PART, 2 * PART, 2 * PART + 7] {
                let content = bytes(17, 0, first + second + PART);
                let before = server.operations();
                let mut writer = create(&driver, "/file");
                writer.write_all(&content[..first]).unwrap();
                writer.write_all(&content[first..first + second]).unwrap();
                writer.write_all(&content[first + second..]).unwrap();
                assert_eq!(writer.size(), content.len() as u64);
                writer.commit().unwrap();
                let case = format!("{concurrency} {first} {second}");
                assert!(stored(&server, "file").unwrap() == content, "{case}");
                let parts = content.len().div_ceil(PART) as u64;
                assert!(
                    since(&server, &before).contains(&("UploadPart".to_owned(), parts)),
                    "{case}"
                );
                let sizes = &server.object_info(server.bucket(), "file").unwrap().parts;
                let full = &sizes[..sizes.len() - 1];
                assert!(full.iter().all(|part| *part == PART as u64), "{case}: {sizes:?}");
            }
        }
    }
    assert_nothing_pending(&server);
}

/// A clock that stands still, so that every part seems to be sent as fast as the processor can.
#[derive(Debug)]
struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> SystemTime {
        SystemClock.now()
    }
    fn instant(&self) -> Instant {
        self.0
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

/// While the processors limit the throughput, the caller sends parts itself instead of copying
/// them.
#[test]
fn a_caller_with_whole_parts_sends_some_itself_while_the_processors_are_the_limit() {
    const PARTS: usize = 12;
    let server = server();
    let content = bytes(18, 0, PARTS * PART + 9);
    let caller = std::thread::current().id();
    let (mut by_caller, mut by_threads) = (0, 0);
    for (is_fast, name) in [(true, "fast"), (false, "slow")] {
        let senders = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&senders);
        let observer = move |event: &Event<'_>| {
            if let Event::Outcome(outcome) = event
                && outcome.operation == "UploadPart"
            {
                seen.lock().unwrap().push(std::thread::current().id());
            }
        };
        let parameters = parameters(&server).concurrency(NonZeroUsize::new(2).unwrap());
        let driver = S3Driver::with_config(&parameters.build().unwrap(), |config| {
            let config = config.observer(Arc::new(observer));
            if is_fast { config.clock(Arc::new(Still(Instant::now()))) } else { config }
        })
        .unwrap();
        // A slow server occupies the other thread until the next part is there.
        server.delay(Duration::from_millis(30));
        let mut writer = create(&driver, &format!("/{name}"));
        for piece in content.chunks(PART) {
            writer.write_all(piece).unwrap();
        }
        server.delay(Duration::ZERO);
        writer.commit().unwrap();
        assert!(stored(&server, name).unwrap() == content, "{name}");
        let sizes = &server.object_info(server.bucket(), name).unwrap().parts;
        assert!(sizes[..PARTS].iter().all(|part| *part == PART as u64), "{sizes:?}");
        let senders = senders.lock().unwrap();
        let count = senders.iter().filter(|thread| **thread == caller).count();
        if is_fast {
            (by_caller, by_threads) = (count, senders.len() - count);
        } else {
            assert_eq!(count, 0, "{name}");
        }
    }
    assert!(by_caller > 2 && by_threads > 0, "{by_caller} and {by_threads}");
    assert_nothing_pending(&server);
}

#[test]
fn writers_that_share_little_memory_take_turns() {
    let server = server();
    let builder = parameters(&server)
        .max_memory(Some(PART as u64))
        .concurrency(NonZeroUsize::new(8).unwrap());
    let driver = S3Driver::new(&builder.build().unwrap()).unwrap();
    let content = bytes(16, 0, 3 * PART);
    // Two writers in one thread: neither may wait for memory that the other one holds.
    let (mut a, mut b) = (create(&driver, "/a"), create(&driver, "/b"));
    for piece in content.chunks(MIB) {
        a.write_all(piece).unwrap();
        b.write_all(piece).unwrap();
    }
    a.commit().unwrap();
    b.commit().unwrap();
    assert!(stored(&server, "a").unwrap() == content && stored(&server, "b").unwrap() == content);
}

#[test]
fn cancelling_ends_a_blocked_writer_and_leaves_nothing() {
    let server = server();
    let cancel = Cancel::new();
    let driver = driver(&server).with_cancel(&cancel);
    let mut writer = create(&driver, "/f");
    writer.write_all(&bytes(17, 0, PART + 1)).unwrap();
    server.delay(Duration::from_secs(3));
    let started = Instant::now();
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            cancel.cancel();
        });
        writer.commit().unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    // The response to the abort that follows has the server's delay.
    assert!(
        started.elapsed() < Duration::from_millis(200 + 1000 + 3500),
        "{:?}",
        started.elapsed()
    );
    assert_nothing_pending(&server);
}

#[test]
fn dropping_a_writer_does_not_wait_for_a_dead_server() {
    let server = server();
    let driver = driver(&server);
    let mut writer = create(&driver, "/f");
    writer.write_all(&bytes(18, 0, PART + 1)).unwrap();
    drop(server);
    let started = Instant::now();
    drop(writer);
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}

#[test]
fn unfinished_uploads_are_listed_and_purged() {
    let server = Server::start(ServerOptions { page_size: 2, ..ServerOptions::default() });
    let driver =
        S3Driver::new(&parameters(&server).root_directory("root").build().unwrap()).unwrap();
    let now = SystemTime::now();
    let content = bytes(19, 0, PART + 7);
    for path in ["/a/x", "/a/y", "/ab/z"] {
        let mut writer = create(&driver, path);
        writer.write_all(&content).unwrap();
        writer.close().unwrap();
    }
    let old = server.begin_upload(server.bucket(), "root/a/old", now - 10 * DAY);
    server.put_part(server.bucket(), "root/a/old", &old, 1, content[..PART].to_vec());
    server.begin_upload(server.bucket(), "elsewhere/a/x", now - 10 * DAY);
    server.begin_upload(server.bucket(), "root/not a path", now - 10 * DAY);

    let list = |path: &str| -> Vec<(String, u64)> {
        driver
            .pending_uploads(path)
            .unwrap()
            .map(|upload| upload.map(|u| (u.path, u.bytes)).unwrap())
            .collect()
    };
    let full = content.len() as u64;
    let all = [("/a/old", PART as u64), ("/a/x", full), ("/a/y", full), ("/ab/z", full)];
    assert_eq!(list("/"), all.map(|(path, bytes)| (path.to_owned(), bytes)));
    assert_eq!(
        list("/a"),
        all[..3].iter().map(|(path, bytes)| ((*path).to_owned(), *bytes)).collect::<Vec<_>>()
    );
    assert_eq!(list("/a/x"), [("/a/x".to_owned(), full)]);
    assert_eq!(list("/nothing"), []);
    let started =
        driver.pending_uploads("/a/old").unwrap().next().unwrap().unwrap().started.unwrap();
    assert!(now.duration_since(started).unwrap().abs_diff(10 * DAY) < Duration::from_secs(1));

    let purged = driver.purge_uploads("/", DAY).unwrap();
    assert_eq!((purged.uploads, purged.checkpoints), (1, 0), "only the old upload");
    // Another program ended an upload; its checkpoint is removed as well.
    let upload = server
        .open_uploads(server.bucket())
        .into_iter()
        .find(|upload| upload.key == "root/a/y")
        .unwrap();
    let upload = s3driver::client::UploadRef {
        bucket: server.bucket(),
        key: &upload.key,
        upload_id: &upload.id,
    };
    driver.client().abort_multipart_upload(upload).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let purged = driver.purge_uploads("/a", Duration::ZERO).unwrap();
    assert_eq!((purged.uploads, purged.checkpoints), (1, 2));
    assert_eq!(list("/"), [("/ab/z".to_owned(), full)]);
    assert_eq!(driver.purge_uploads("/", Duration::ZERO).unwrap().uploads, 1);
    let keys: Vec<String> =
        server.open_uploads(server.bucket()).into_iter().map(|upload| upload.key).collect();
    assert_eq!(keys, ["elsewhere/a/x", "root/not a path"], "objects of other programs are kept");
    assert_eq!(server.keys(server.bucket()), [""; 0]);
}

/// Returns the requests that `act` sends to the server.
fn asked(server: &Server, act: impl FnOnce()) -> Vec<(String, u64)> {
    let before = server.operations();
    act();
    since(server, &before)
}

fn counts(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn f6_delete_ends_unfinished_files_without_further_requests() {
    let server = server();
    let driver = driver(&server);
    let three = counts(&[("DeleteObjects", 1), ("ListMultipartUploads", 1), ("ListObjectsV2", 1)]);
    driver.put_content("/blobs/ab/data", b"x").unwrap();
    assert_eq!(asked(&server, || driver.delete("/blobs/ab/data").unwrap()), three, "a file");
    driver.put_content("/blobs/ab/data", b"x").unwrap();
    assert_eq!(
        asked(&server, || driver.delete("/blobs/ab").unwrap()),
        three,
        "a directory with one file"
    );
    for index in 0..999 {
        server.put_object(server.bucket(), &format!("many/{index}"), "x");
    }
    assert_eq!(
        asked(&server, || driver.delete("/many").unwrap()),
        three,
        "a directory with a page of files"
    );
    let two = counts(&[("ListMultipartUploads", 1), ("ListObjectsV2", 1)]);
    assert_eq!(asked(&server, || assert!(driver.delete("/blobs").is_err())), two, "nothing");

    // Every kind of unfinished file, at the path and below, and its siblings.
    let close = |path: &str, size: usize| {
        let mut writer = create(&driver, path);
        writer.write_all(&bytes(42, 0, size)).unwrap();
        writer.close().unwrap();
    };
    for path in ["/u", "/u/x", "/u/y/z"] {
        for committed in [false, true] {
            for size in [0, 1, PART + 1] {
                close(path, size);
                close("/u-2/x", 1);
                close("/uu", 1);
                server.begin_upload(server.bucket(), &path[1..], SystemTime::now());
                if committed {
                    server.put_object(server.bucket(), &path[1..], "committed");
                }
                driver.delete("/u").unwrap();
                assert_eq!(
                    driver.writer(path, WriteMode::Append).err().unwrap().kind(),
                    ErrorKind::PathNotFound
                );
                assert_eq!(server.keys(server.bucket()), [".s3driver-uu", "u-2/.s3driver-x"]);
                assert_eq!(server.open_uploads(server.bucket()).len(), 2);
                assert_eq!(driver.delete("/u").unwrap_err().kind(), ErrorKind::PathNotFound);
                for sibling in ["/u-2/x", "/uu"] {
                    append(&driver, sibling).cancel().unwrap();
                }
            }
        }
    }
}

#[test]
fn a_deletion_does_not_need_the_listing_of_uploads() {
    for (status, code) in [(501, "NotImplemented"), (403, "AccessDenied")] {
        let server = server();
        let driver = driver(&server);
        let delete = |path| {
            server.fail_next("ListMultipartUploads", status, code, 1);
            driver.delete(path)
        };
        for path in ["/d/f", "/d/g"] {
            let mut writer = driver.writer(path, WriteMode::Create).unwrap();
            writer.write_all(&bytes(1, 0, PART + 1)).unwrap();
            writer.close().unwrap();
            drop(writer);
        }
        assert!(driver.client().notices().is_empty());
        // A checkpoint names the upload of its path.
        delete("/d/f").unwrap();
        assert_eq!(server.open_uploads(server.bucket()).len(), 1, "{code}");
        assert!(stored(&server, "d/.s3driver-f").is_none());
        let [Notice::Fallback { missing, .. }] = &driver.client().notices()[..] else {
            panic!("{:?}", driver.client().notices());
        };
        assert_eq!(*missing, "ListMultipartUploads");
        driver.put_content("/d/h", b"x").unwrap();
        delete("/d").unwrap();
        assert_eq!(server.keys(server.bucket()), [""; 0], "{code}");
        assert_eq!(delete("/d").unwrap_err().kind(), ErrorKind::PathNotFound);
    }
    // Credentials that permit nothing are reported by the next request.
    let server = server();
    let driver = driver(&server);
    server.fail_next("ListMultipartUploads", 403, "AccessDenied", 1);
    server.fail_next("ListObjectsV2", 403, "AccessDenied", 1);
    assert_eq!(driver.delete("/f").unwrap_err().kind(), ErrorKind::AccessDenied);
}

#[test]
fn f6_many_files_are_deleted_with_their_unfinished_ones() {
    let server = Server::start(ServerOptions { page_size: 100, ..ServerOptions::default() });
    let driver = driver(&server);
    for index in 0..250 {
        server.put_object(server.bucket(), &format!("d/{index}"), "x");
        server.put_object(server.bucket(), &format!("d-2/{index}"), "x");
    }
    server.put_object(server.bucket(), "d", "x");
    let mut writer = create(&driver, "/d/0");
    writer.write_all(b"tail").unwrap();
    writer.close().unwrap();
    let mut writer = create(&driver, "/d");
    writer.write_all(b"tail").unwrap();
    writer.close().unwrap();
    driver.delete("/d").unwrap();
    assert!(server.keys(server.bucket()).iter().all(|key| key.starts_with("d-2/")));
    assert_nothing_pending(&server);
    // Many siblings whose names begin with its name, and the file on its own.
    server.put_object(server.bucket(), "d", "x");
    driver.delete("/d").unwrap();
    assert_eq!(server.keys(server.bucket()).len(), 250);
    assert_eq!(driver.delete("/d").unwrap_err().kind(), ErrorKind::PathNotFound);
}

#[test]
fn f6_rename_ends_the_unfinished_file_at_the_old_place() {
    let server = server();
    let driver = driver(&server);
    for size in [1, PART + 1] {
        let mut writer = create(&driver, "/from");
        writer.write_all(&bytes(43, 0, size)).unwrap();
        writer.close().unwrap();
        server.begin_upload(server.bucket(), "from/below", SystemTime::now());
        driver.put_content("/from", b"content").unwrap();
        driver.rename("/from", "/to").unwrap();
        assert_eq!(
            driver.writer("/from", WriteMode::Append).err().unwrap().kind(),
            ErrorKind::PathNotFound
        );
        assert_eq!(server.keys(server.bucket()), ["to"]);
        assert_eq!(
            server.open_uploads(server.bucket()).len(),
            1,
            "the file below the path is not moved"
        );
        driver.delete("/from").unwrap();
    }
    driver.put_content("/from", b"content").unwrap();
    let expected =
        [("CopyObject", 1), ("DeleteObject", 1), ("HeadObject", 1), ("ListMultipartUploads", 1)];
    assert_eq!(asked(&server, || driver.rename("/from", "/to").unwrap()), counts(&expected));
}

#[test]
fn f7_checkpoints_have_names_that_no_caller_can_use() {
    let server = server();
    let driver = driver(&server);
    let mut writer = create(&driver, "/d/f");
    writer.write_all(b"tail").unwrap();
    writer.close().unwrap();
    let kept = ["d/.s3driver-f".to_owned()];
    assert_eq!(server.keys(server.bucket()), kept);
    for path in ["/d/.s3driver-f", "/d/.s3driver-", "/.s3driver-x/y"] {
        let missing = [
            driver.get_content(path).map(drop),
            driver.reader(path, 0).map(drop),
            driver.stat(path).map(drop),
            driver.list(path).map(drop),
            driver.delete(path),
            driver.rename(path, "/elsewhere"),
        ];
        for result in missing {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::PathNotFound, "{path}");
        }
        driver.put_content("/source", b"x").unwrap();
        let refused = [
            driver.put_content(path, b"x"),
            driver.writer(path, WriteMode::Create).map(drop),
            driver.writer(path, WriteMode::Append).map(drop),
            driver.write_stream(path, 0, &mut &b"x"[..]).map(drop),
            driver.rename("/source", path),
        ];
        for result in refused {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidPath);
            assert!(error.to_string().contains("reserved for the driver's own objects"), "{error}");
        }
        driver.delete("/source").unwrap();
    }
    // Names with a similar beginning are not reserved, and their checkpoints are not confused.
    driver.put_content("/d/.s3drive", b"x").unwrap();
    driver.put_content("/d/.s3driver", b"x").unwrap();
    assert_eq!(driver.list("/d").unwrap(), ["/d/.s3drive", "/d/.s3driver"]);
    // Deleting the directory deletes the checkpoint too, whichever program does it.
    driver.delete("/d").unwrap();
    assert_nothing_pending(&server);
}

/// A page that begins with checkpoints does not hide the files after them.
#[test]
fn f7_files_are_found_among_many_checkpoints() {
    let server = Server::start(ServerOptions { page_size: 3, ..ServerOptions::default() });
    let driver = driver(&server);
    for name in ["a", "b", "c", "d", "e"] {
        let mut writer = create(&driver, &format!("/d/{name}"));
        writer.write_all(b"tail").unwrap();
        writer.close().unwrap();
    }
    assert_eq!(driver.stat("/d").unwrap_err().kind(), ErrorKind::PathNotFound);
    driver.put_content("/d/z", b"x").unwrap();
    assert!(driver.stat("/d").unwrap().is_directory());
    assert_eq!(driver.list("/d").unwrap(), ["/d/z"]);
    driver.delete("/d").unwrap();
    assert_nothing_pending(&server);
}

/// The bytes of a part are sent one more time by `close`, and one less by `commit`.
#[test]
fn f8_a_push_needs_no_more_requests_than_its_parts() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(44, 0, PART + 9);
    assert_eq!(
        asked(&server, || create(&driver, "/f").close().unwrap()),
        counts(&[("CreateMultipartUpload", 1), ("PutObject", 1)])
    );
    let resumed =
        [("GetObject", 1), ("HeadObject", 1), ("ListMultipartUploads", 1), ("ListParts", 1)];
    let written = asked(&server, || {
        let mut writer = append(&driver, "/f");
        writer.write_all(&content).unwrap();
        writer.close().unwrap();
    });
    assert_eq!(written, counts(&[&resumed[..], &[("PutObject", 1), ("UploadPart", 2)]].concat()));
    assert_eq!(
        asked(&server, || append(&driver, "/f").close().unwrap()),
        counts(&resumed),
        "a close without changes sends nothing"
    );
    let committed = asked(&server, || append(&driver, "/f").commit().unwrap());
    let mut expected =
        counts(&[&resumed[..], &[("CompleteMultipartUpload", 1), ("DeleteObject", 1)]].concat());
    expected.sort();
    assert_eq!(committed, expected, "the last part is already stored");
    assert!(stored(&server, "f").unwrap() == content);
}

/// On servers like rclone, a part that was sent cannot be replaced, and parts of any size may
/// follow.
#[test]
fn f8_if_the_part_of_a_close_cannot_be_replaced_the_rest_follows_it() {
    let server = Server::start(ServerOptions { min_part_size: 0, ..ServerOptions::default() });
    let driver = driver(&server);
    let content = bytes(45, 0, 3 * PART);
    for sizes in [
        &[100, 2 * PART][..],
        &[100, 200, 3 * PART],
        &[PART, 2 * PART],
        &[PART + 7, PART + 9, 2 * PART + 1],
    ] {
        let mut at = 0;
        for (index, size) in sizes.iter().enumerate() {
            let mut writer = if index == 0 { create(&driver, "/f") } else { append(&driver, "/f") };
            assert_eq!(writer.size(), at as u64);
            if index > 0 {
                server.fail_next("UploadPart", 501, "NotImplemented", 1);
            }
            writer.write_all(&content[at..*size]).unwrap();
            at = *size;
            if index + 1 == sizes.len() {
                writer.commit().unwrap();
            } else {
                writer.close().unwrap();
            }
        }
        assert!(stored(&server, "f").unwrap() == content[..at], "{sizes:?}");
        assert_nothing_pending(&server);
    }
}

#[test]
fn a_polling_reader_sees_nothing_or_everything() {
    let server = server();
    let driver = driver(&server);
    let content = bytes(20, 0, 2 * PART + 9);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Acquire) {
                match driver.get_content("/f") {
                    Ok(read) => {
                        assert!(
                            read == content,
                            "an incomplete object of {} bytes is visible",
                            read.len()
                        );
                        seen += 1;
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::PathNotFound),
                }
            }
            seen
        });
        for piece in content.chunks(PART / 2) {
            let mut writer =
                driver.writer("/f", WriteMode::Append).unwrap_or_else(|_| create(&driver, "/f"));
            writer.write_all(piece).unwrap();
            writer.close().unwrap();
        }
        append(&driver, "/f").commit().unwrap();
        driver.get_content("/f").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        done.store(true, Ordering::Release);
        assert!(reader.join().unwrap() > 0);
    });
}

fn many_writers(size: usize) {
    let server = server();
    let driver = driver(&server);
    std::thread::scope(|scope| {
        for seed in 0..32 {
            let driver = &driver;
            scope.spawn(move || {
                let mut writer = create(driver, &format!("/{seed}"));
                for from in (0..size).step_by(MIB) {
                    writer.write_all(&bytes(seed, from as u64, MIB.min(size - from))).unwrap();
                }
                writer.commit().unwrap();
            });
        }
    });
    for seed in 0..32 {
        let content = stored(&server, &seed.to_string()).unwrap();
        assert_eq!(content.len(), size);
        assert!(content == bytes(seed, 0, size), "file {seed}");
    }
    assert_nothing_pending(&server);
}

#[test]
fn thirty_two_concurrent_writers_store_their_files() {
    many_writers(PART + MIB);
}

#[test]
#[ignore = "takes a minute without optimisation"]
fn thirty_two_concurrent_writers_store_32_mib_each() {
    many_writers(32 * MIB);
}

fn many_readers(size: usize) {
    let server = server();
    let driver = driver(&server);
    let content = bytes(21, 0, size);
    driver.put_content("/f", &content).unwrap();
    std::thread::scope(|scope| {
        for reader in 0..10 {
            let (driver, content) = (&driver, &content);
            scope.spawn(move || {
                let offset = content.len() * reader / 10 + reader * 7919;
                let mut read = Vec::new();
                driver.reader("/f", offset as i64).unwrap().read_to_end(&mut read).unwrap();
                assert!(read == content[offset..], "from {offset}");
            });
        }
    });
}

#[test]
fn ten_concurrent_readers_read_the_file() {
    many_readers(12 * MIB);
}

#[test]
#[ignore = "takes a minute without optimisation"]
fn ten_concurrent_readers_read_128_mib() {
    many_readers(128 * MIB);
}

/// With a spool folder, files of every size are written, closed, continued and streamed like with
/// memory, and no file in the folder ever has a name.
#[test]
fn parts_in_files_are_like_parts_in_memory() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().to_str().unwrap();
    let driver = S3Driver::new(&parameters(&server).spool(spool).build().unwrap()).unwrap();
    for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART + PART / 2] {
        let content = bytes(size as u64, 0, size);
        let mut writer = create(&driver, "/whole");
        content.chunks(MIB + 1).for_each(|piece| writer.write_all(piece).unwrap());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        writer.commit().unwrap();
        assert!(stored(&server, "whole").unwrap() == content, "{size}");

        driver.write_stream("/streamed", 0, &mut &*content).unwrap();
        assert!(stored(&server, "streamed").unwrap() == content, "{size}");

        for piece in content.chunks(PART / 2 + 3) {
            let mut writer = match driver.writer("/continued", WriteMode::Append) {
                Ok(writer) => writer,
                Err(_) => create(&driver, "/continued"),
            };
            writer.write_all(piece).unwrap();
            writer.close().unwrap();
        }
        let mut writer = driver
            .writer("/continued", WriteMode::Append)
            .unwrap_or_else(|_| create(&driver, "/continued"));
        assert_eq!(writer.size(), size as u64);
        writer.commit().unwrap();
        assert!(stored(&server, "continued").unwrap() == content, "{size}");
        driver.delete("/continued").unwrap();
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    assert_nothing_pending(&server);
}

#[test]
fn a_spool_folder_that_cannot_be_used_is_refused_at_the_start() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let spool = missing.to_str().unwrap();
    let error = S3Driver::new(&parameters(&server).spool(spool).build().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains(spool), "{error}");
}

/// An error holds a hundred failures at most, no matter how many uploads cannot be aborted.
#[test]
fn a_purge_tries_every_upload_and_reports_a_hundred_failures() {
    const UPLOADS: usize = 103;
    let server = server();
    let driver = driver(&server);
    for number in 0..UPLOADS {
        server.begin_upload(server.bucket(), &format!("a/{number:03}"), SystemTime::UNIX_EPOCH);
    }
    server.fail_next("AbortMultipartUpload", 403, "AccessDenied", UPLOADS);
    let error = driver.purge_uploads("/a", DAY).unwrap_err();
    assert_eq!(
        (error.kind(), error.path(), error.others().len()),
        (ErrorKind::AccessDenied, Some("/a/000"), 99)
    );
    assert_eq!(server.count("AbortMultipartUpload"), UPLOADS as u64);
    assert_eq!(driver.purge_uploads("/a", DAY).unwrap().uploads, UPLOADS as u64);
}
