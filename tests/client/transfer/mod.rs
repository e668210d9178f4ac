//! Tests uploads and downloads of files, in parts on many threads.

mod backup;
mod listings;
mod reading;
mod streams;

use crate::support::{Server, ServerOptions};
use crate::writing::{MIB, PART, assert_nothing_pending, bytes, driver};
use s3driver::client::{CannedAcl, Client, Condition, CopySource, ObjectSettings};
use s3driver::time::Timestamp;
use s3driver::transfer::{DownloadVerification, Progress, Transfer, Verified};
use s3driver::{Cancel, ErrorKind};
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const THREADS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

fn server() -> Server {
    Server::start(ServerOptions::default())
}

fn client(server: &Server) -> Client {
    driver(server).client().clone()
}

fn transfer(client: &Client) -> Transfer<'_> {
    Transfer::new(client).part_size(PART as u64).concurrency(THREADS)
}

fn file(directory: &TempDir, content: &[u8]) -> PathBuf {
    let path = directory.path().join("source");
    fs::write(&path, content).unwrap();
    path
}

/// Returns the names in a directory.
fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn files_of_every_size_are_read_back_unchanged() {
    let server = server();
    let client = client(&server);
    let directory = TempDir::new().unwrap();
    for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART + PART / 2] {
        let content = bytes(1, 0, size);
        let source = file(&directory, &content);
        let sent = transfer(&client)
            .upload_file(&source, server.bucket(), "f", &ObjectSettings::default())
            .unwrap();
        assert_eq!((sent.bytes, sent.parts), (size as u64, size.div_ceil(PART).max(1) as u32));
        assert!(server.object(server.bucket(), "f").unwrap() == content, "{size} bytes");
        assert_eq!(
            sent.etag.as_deref(),
            Some(&*server.object_info(server.bucket(), "f").unwrap().etag)
        );

        let target = directory.path().join("target");
        let received = transfer(&client).download_to_file(server.bucket(), "f", &target).unwrap();
        assert_eq!(received.bytes, size as u64);
        assert_eq!(received.etag, sent.etag);
        assert!(fs::read(&target).unwrap() == content, "{size} bytes");
    }
    assert_nothing_pending(&server);
    let mut left = names(directory.path());
    left.sort();
    assert_eq!(left, ["source", "target"]);
}

#[test]
fn content_is_compared_with_the_stored_object() {
    let server = server();
    let client = client(&server);
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("target");
    let content = bytes(2, 0, 2 * PART + 3);
    server.put_object(server.bucket(), "whole", content);
    let received = transfer(&client).download_to_file(server.bucket(), "whole", &target).unwrap();
    assert!(matches!(received.verified, Verified::Crc64Nvme | Verified::Md5), "{received:?}");
    let trusting = transfer(&client).verification(DownloadVerification::Length);
    let received = trusting.download_to_file(server.bucket(), "whole", &target).unwrap();
    assert_eq!(received.verified, Verified::LengthAlone);
}

#[test]
fn progress_counts_every_byte_and_part_once() {
    let server = server();
    let client = client(&server);
    let directory = TempDir::new().unwrap();
    let size = 3 * PART as u64 + 1;
    let source = file(&directory, &bytes(3, 0, size as usize));
    let seen: Mutex<Vec<Progress>> = Mutex::default();
    let note = |progress| seen.lock().unwrap().push(progress);
    let transfer = transfer(&client).progress(&note);
    let check = |what: &str, retries: u64| {
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        let last = seen.last().unwrap();
        assert_eq!(
            (last.bytes, last.total, last.parts, last.retries),
            (size, size, 4, retries),
            "{what}"
        );
        assert!(seen.is_sorted_by_key(|progress| (progress.bytes, progress.parts)), "{what}");
    };
    server.fail_next("UploadPart", 500, "InternalError", 1);
    transfer.upload_file(&source, server.bucket(), "f", &ObjectSettings::default()).unwrap();
    check("upload", 1);
    transfer.download_to_file(server.bucket(), "f", directory.path().join("target")).unwrap();
    check("download", 0);
    let from = CopySource::new(server.bucket(), "f");
    transfer.copy(from, server.bucket(), "g", &ObjectSettings::default()).unwrap();
    check("copy", 0);
}

#[test]
fn copies_are_made_by_the_server_and_keep_the_metadata() {
    let server = server();
    let client = client(&server);
    for size in [0, PART, 2 * PART + 7] {
        let content = bytes(4, 0, size);
        let settings =
            ObjectSettings::default().content_type("text/plain").metadata("origin", "here");
        let settings = settings
            .content_language("de")
            .cache_control("no-store")
            .content_disposition("attachment")
            .content_encoding("identity")
            .expires(Timestamp::from_unix(2_000_000_000));
        client.put_object(server.bucket(), "a", &content, &settings).unwrap();
        let received = server.bytes_in();
        let from = CopySource::new(server.bucket(), "a");
        let to = ObjectSettings::default().acl(CannedAcl::PublicRead);
        let copied = transfer(&client).copy(from, server.bucket(), "b", &to).unwrap();
        assert_eq!((copied.bytes, copied.parts), (size as u64, size.div_ceil(PART).max(1) as u32));
        let object = server.object_info(server.bucket(), "b").unwrap();
        assert!(object.content.to_bytes().unwrap() == content);
        assert_eq!(object.attributes.content_type.as_deref(), Some("text/plain"));
        let meta = client.head_object(server.bucket(), "b", &Default::default()).unwrap();
        assert_eq!(meta.content_language, settings.content_language);
        assert_eq!(meta.cache_control, settings.cache_control);
        assert_eq!(meta.content_disposition, settings.content_disposition);
        assert_eq!(meta.content_encoding, settings.content_encoding);
        assert_eq!(meta.expires, settings.expires);
        assert_eq!(object.attributes.metadata.get("origin").map(String::as_str), Some("here"));
        assert_eq!(object.attributes.acl.as_deref(), Some("public-read"));
        assert!(
            server.bytes_in() - received < 64 << 10,
            "the content is not downloaded and sent again"
        );
    }
    let another = Condition::IfMatch("another".to_owned());
    let from = CopySource::new(server.bucket(), "a").condition(&another);
    let error =
        transfer(&client).copy(from, server.bucket(), "c", &ObjectSettings::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    let from = CopySource::new(server.bucket(), "none");
    let error =
        transfer(&client).copy(from, server.bucket(), "c", &ObjectSettings::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchKey);
    assert_nothing_pending(&server);
}

#[test]
fn failures_leave_nothing_on_the_server() {
    let server = server();
    let client = client(&server);
    let directory = TempDir::new().unwrap();
    let source = file(&directory, &bytes(5, 0, 3 * PART));
    server.put_object(server.bucket(), "source", fs::read(&source).unwrap());
    let from = CopySource::new(server.bucket(), "source");
    let settings = ObjectSettings::default();
    for operation in ["UploadPart", "CompleteMultipartUpload"] {
        server.fail_next(operation, 403, "AccessDenied", 1);
        let error =
            transfer(&client).upload_file(&source, server.bucket(), "f", &settings).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::AccessDenied, Some(operation)));
    }
    for operation in ["UploadPartCopy", "CompleteMultipartUpload"] {
        server.fail_next(operation, 403, "AccessDenied", 1);
        let error = transfer(&client).copy(from, server.bucket(), "f", &settings).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::AccessDenied, Some(operation)));
    }
    assert_nothing_pending(&server);
    assert_eq!(server.keys(server.bucket()), ["source"]);
}

/// Ceph fails to copy parts of some keys with percent signs.
#[test]
fn keys_with_percent_signs_are_copied_in_one_request() {
    let server = server();
    let client = client(&server);
    for (key, parts) in [("p%zz", 1), ("p+x y", 3)] {
        let content = bytes(5, 0, 2 * PART + 7);
        server.put_object(server.bucket(), key, content.clone());
        let from = CopySource::new(server.bucket(), key);
        let copied = transfer(&client)
            .copy(from, server.bucket(), "copy", &ObjectSettings::default())
            .unwrap();
        assert_eq!(copied.parts, parts, "{key}");
        assert!(server.object(server.bucket(), "copy").unwrap() == content);
    }
}

#[test]
fn failed_downloads_leave_no_file_and_keep_the_old_one() {
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("target");
    fs::write(&target, "old").unwrap();
    // Each case has its own server, because a request of an earlier one may still be on its way.
    let stored = || {
        let server = server();
        server.put_object(server.bucket(), "f", bytes(6, 0, 3 * PART));
        server
    };
    for (code, status, kind) in [
        ("AccessDenied", 403, ErrorKind::AccessDenied),
        // The object is replaced after the HEAD.
        ("PreconditionFailed", 412, ErrorKind::Integrity),
        // The object is deleted after the HEAD.
        ("NoSuchKey", 404, ErrorKind::Integrity),
    ] {
        let server = stored();
        server.fail_next("GetObject", status, code, 1);
        let client = client(&server);
        let error = transfer(&client).download_to_file(server.bucket(), "f", &target).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    let server = stored();
    let client = client(&server);
    let error = transfer(&client).download_to_file(server.bucket(), "none", &target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchKey);
    assert_eq!(names(directory.path()), ["target"]);
    assert_eq!(fs::read(&target).unwrap(), b"old");

    let nowhere = directory.path().join("no/such/directory");
    let error = transfer(&client).download_to_file(server.bucket(), "f", nowhere).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalIo);
    let error = transfer(&client).download_to_file(server.bucket(), "f", "/").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn files_that_cannot_be_read_fail_before_anything_is_sent() {
    let server = server();
    let client = client(&server);
    let directory = TempDir::new().unwrap();
    let settings = ObjectSettings::default();
    let missing = directory.path().join("missing");
    let error =
        transfer(&client).upload_file(&missing, server.bucket(), "f", &settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalIo);
    assert!(error.to_string().contains("missing"), "{error}");
    let error = transfer(&client)
        .upload_file(directory.path(), server.bucket(), "f", &settings)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_file_that_changes_is_not_stored() {
    let server = server();
    let client = client(&server);
    let directory = TempDir::new().unwrap();
    let source = file(&directory, &bytes(7, 0, 2 * PART));
    let grow = |_: Progress| {
        fs::OpenOptions::new()
            .append(true)
            .open(&source)
            .and_then(|mut f| std::io::Write::write_all(&mut f, b"x"))
            .unwrap();
    };
    let transfer = transfer(&client).progress(&grow);
    let error = transfer
        .upload_file(&source, server.bucket(), "f", &ObjectSettings::default())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalIo);
    assert!(error.to_string().contains("changed while it was being sent"), "{error}");
    assert_nothing_pending(&server);
    assert_eq!(server.keys(server.bucket()), [""; 0]);
}

#[test]
fn cancelling_ends_every_transfer_within_a_second() {
    let server = server();
    let directory = TempDir::new().unwrap();
    let source = file(&directory, &bytes(8, 0, 6 * MIB));
    let target = directory.path().join("target");
    server.put_object(server.bucket(), "source", bytes(8, 0, 6 * MIB));
    server.delay(Duration::from_millis(700));
    let from = CopySource::new(server.bucket(), "source");
    let work: [&dyn Fn(&Transfer<'_>) -> s3driver::Error; 3] = [
        &|t| t.upload_file(&source, server.bucket(), "f", &ObjectSettings::default()).unwrap_err(),
        &|t| t.download_to_file(server.bucket(), "source", &target).unwrap_err(),
        &|t| t.copy(from, server.bucket(), "f", &ObjectSettings::default()).unwrap_err(),
    ];
    for work in work {
        let cancel = Cancel::new();
        let client = client(&server).with_cancel(&cancel);
        let started = Instant::now();
        let error = std::thread::scope(|scope| {
            scope.spawn(|| {
                // In the middle: after the first response, before the second.
                std::thread::sleep(Duration::from_millis(1000));
                cancel.cancel();
            });
            work(&transfer(&client))
        });
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        // One second for the cancelled work, one response for its abort, and a margin for a busy
        // machine.
        assert!(
            started.elapsed() < Duration::from_millis(1000 + 1000 + 700 + 800),
            "{:?}",
            started.elapsed()
        );
    }
    assert_nothing_pending(&server);
    assert_eq!(names(directory.path()), ["source"]);
    assert_eq!(server.keys(server.bucket()), ["source"]);
}

#[test]
fn every_number_of_threads_gives_equal_results() {
    let server = server();
    let client = client(&server);
    let directory = TempDir::new().unwrap();
    let content = bytes(9, 0, 2 * PART + 5);
    let source = file(&directory, &content);
    for threads in [1, 2, 64] {
        let transfer = transfer(&client).concurrency(NonZeroUsize::new(threads).unwrap());
        transfer.upload_file(&source, server.bucket(), "f", &ObjectSettings::default()).unwrap();
        assert!(server.object(server.bucket(), "f").unwrap() == content);
        let target = directory.path().join("target");
        transfer.download_to_file(server.bucket(), "f", &target).unwrap();
        assert!(fs::read(&target).unwrap() == content);
    }
}
