//! Tests uploads of streams of any length to any key.
use super::{client, server, transfer};
use crate::support::{Server, ServerOptions};
use crate::writing::{PART, assert_nothing_pending, bytes};
use s3driver::client::{Condition, ObjectSettings};
use s3driver::transfer::{Progress, UploadToken};
use s3driver::{Cancel, Error, ErrorKind};
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// A key that no path of the driver can have.
const KEY: &str = "/a//b c/../\u{e9}%2F+?&=#\u{1f600}";

fn settings() -> ObjectSettings {
    ObjectSettings::default()
}

/// A reader that yields a few bytes at a time, and then ends or fails.
struct Trickle<'a> {
    content: &'a [u8],
    failure: Option<io::ErrorKind>,
}

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.content.len().min(into.len()).min(77_777);
        if count == 0
            && let Some(kind) = self.failure
        {
            return Err(io::Error::new(kind, "planted"));
        }
        let (now, later) = self.content.split_at(count);
        into[..count].copy_from_slice(now);
        self.content = later;
        Ok(count)
    }
}

#[test]
fn streams_of_every_size_are_stored_under_any_key() {
    let server = server();
    let client = client(&server);
    for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7] {
        let content = bytes(1, 0, size);
        let (puts, parts) = (server.count("PutObject"), server.count("UploadPart"));
        let stored = |sent: &s3driver::transfer::Transferred| {
            let expected = size.div_ceil(PART).max(1);
            assert_eq!((sent.bytes, sent.parts as usize), (size as u64, expected));
            let object = server.object_info(server.bucket(), KEY).unwrap();
            assert!(object.content.to_bytes().unwrap() == content, "{size} bytes");
            assert_eq!(sent.etag.as_deref(), Some(&*object.etag));
            client.delete_object(server.bucket(), KEY, &Default::default()).unwrap();
        };

        let reader = Trickle { content: &content, failure: None };
        stored(&transfer(&client).upload(reader, server.bucket(), KEY, &settings()).unwrap());
        let mut writer = transfer(&client).writer(server.bucket(), KEY, &settings());
        for piece in content.chunks(100_003) {
            writer.write_all(piece).unwrap();
        }
        assert_eq!(writer.size(), size as u64);
        stored(&writer.finish().unwrap());

        let (puts, parts) = (server.count("PutObject") - puts, server.count("UploadPart") - parts);
        let expected = if size <= PART { (2, 0) } else { (0, 2 * size.div_ceil(PART) as u64) };
        assert_eq!((puts, parts), expected, "{size} bytes");
    }
    assert_nothing_pending(&server);
}

#[test]
fn settings_and_the_condition_count_in_every_size() {
    let server = server();
    let client = client(&server);
    for size in [10, PART + 1] {
        let content = bytes(2, 0, size);
        let settings = settings()
            .content_type("text/plain")
            .metadata("of", "us")
            .condition(Condition::IfAbsent);
        let upload = || transfer(&client).upload(&content[..], server.bucket(), "k", &settings);
        upload().unwrap();
        let attributes = server.object_info(server.bucket(), "k").unwrap().attributes.clone();
        assert_eq!(attributes.content_type.as_deref(), Some("text/plain"));
        assert_eq!(attributes.metadata.get("of").map(String::as_str), Some("us"));
        assert_eq!(upload().unwrap_err().kind(), ErrorKind::PreconditionFailed);
        assert_nothing_pending(&server);
        client.delete_object(server.bucket(), "k", &Default::default()).unwrap();
    }
}

#[test]
fn a_writer_that_does_not_finish_leaves_nothing() {
    let server = server();
    let client = client(&server);
    let content = bytes(3, 0, 3 * PART + 1);
    let write = || {
        let mut writer = transfer(&client).writer(server.bucket(), "k", &settings());
        writer.write_all(&content).unwrap();
        assert_eq!(server.open_uploads(server.bucket()).len(), 1);
        writer
    };

    drop(write());
    write().abort().unwrap();
    let failing = Trickle { content: &content, failure: Some(io::ErrorKind::PermissionDenied) };
    let error = transfer(&client).upload(failing, server.bucket(), "k", &settings()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalIo, "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
    for operation in ["UploadPart", "CompleteMultipartUpload", "CreateMultipartUpload"] {
        server.fail_next(operation, 403, "AccessDenied", 1);
        let error =
            transfer(&client).upload(&content[..], server.bucket(), "k", &settings()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessDenied, "{operation}: {error}");
    }
    let panicking = catch_unwind(AssertUnwindSafe(|| {
        let reader = io::Read::chain(&content[..], Panics);
        transfer(&client).upload(reader, server.bucket(), "k", &settings())
    }));
    assert!(panicking.is_err());

    assert!(server.keys(server.bucket()).is_empty());
    assert_nothing_pending(&server);
}

/// A reader that panics.
struct Panics;

impl Read for Panics {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("planted")
    }
}

/// The bytes of a write that failed are missing, even if the caller has ignored the error and a
/// later write could succeed.
#[test]
fn a_writer_that_failed_once_stores_nothing() {
    let server = server();
    let client = client(&server);
    let content = bytes(3, 0, 3 * PART + 7);
    let mut writer = transfer(&client).writer(server.bucket(), KEY, &settings());
    server.fail_next("CreateMultipartUpload", 403, "AccessDenied", 1);
    let error = writer.write_all(&content).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
    assert!(writer.write(&content[PART..]).is_err());
    assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::AccessDenied);
    assert!(server.object_info(server.bucket(), KEY).is_none());
    assert_nothing_pending(&server);
}

/// A `BufWriter` that is dropped ignores the error of its last write, whose bytes are then missing.
#[test]
fn an_object_whose_last_write_failed_is_not_stored() {
    let server = server();
    let client = client(&server);
    let content = bytes(6, 0, PART + 9);
    let mut writer = transfer(&client).writer(server.bucket(), KEY, &settings());
    writer.write_all(&content[..PART]).unwrap();
    server.fail_next("CreateMultipartUpload", 403, "AccessDenied", 1);
    let mut buffered = std::io::BufWriter::new(&mut writer);
    buffered.write_all(&content[PART..]).unwrap();
    drop(buffered);
    let error = writer.finish().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
    assert_eq!(server.keys(server.bucket()), [""; 0]);
    assert_nothing_pending(&server);
}

#[test]
fn a_cancelled_stream_ends_soon_and_leaves_nothing() {
    let server = server();
    let cancel = Cancel::new();
    let client = client(&server).with_cancel(&cancel);
    let mut writer = transfer(&client).writer(server.bucket(), "k", &settings());
    writer.write_all(&bytes(4, 0, PART + 1)).unwrap();
    // The upload exists, and the next response does not arrive.
    server.delay(Duration::from_secs(60));
    let begun = Instant::now();
    cancel.cancel();
    let error = writer.write_all(&bytes(4, 1, 8 * PART)).and_then(|()| writer.flush());
    let error = match error {
        Ok(()) => writer.finish().unwrap_err(),
        Err(error) => Error::from(error),
    };
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    server.delay(Duration::ZERO);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn progress_of_a_stream_reaches_its_size() {
    let server = server();
    let client = client(&server);
    for size in [7, 3 * PART + 7] {
        let content = bytes(5, 0, size);
        let seen: Mutex<Vec<Progress>> = Mutex::default();
        let note = |progress| seen.lock().unwrap().push(progress);
        let transfer = transfer(&client).progress(&note);
        transfer.upload(&content[..], server.bucket(), "k", &settings()).unwrap();
        let seen = seen.into_inner().unwrap();
        let last = seen.last().unwrap();
        let expected = (size as u64, size as u64, size.div_ceil(PART) as u32);
        assert_eq!((last.bytes, last.total, last.parts), expected);
        assert!(seen.is_sorted_by_key(|progress| (progress.total, progress.bytes)));
        assert!(seen.iter().all(|progress| progress.bytes <= progress.total));
        let is_within_a_part = |progress: &Progress| {
            !progress.bytes.is_multiple_of(PART as u64) && progress.bytes < size as u64 - 7
        };
        assert!(size < PART || seen.iter().any(is_within_a_part), "{seen:?}");
    }
}

/// Bytes that are sent again count once, and those of a file do as well.
#[test]
fn progress_moves_within_the_parts_of_a_file() {
    let server = server();
    let client = client(&server);
    let file = tempfile::NamedTempFile::new().unwrap();
    for size in [PART, 3 * PART + 7] {
        std::fs::write(file.path(), bytes(6, 0, size)).unwrap();
        let seen: Mutex<Vec<Progress>> = Mutex::default();
        let note = |progress| seen.lock().unwrap().push(progress);
        let transfer = transfer(&client).progress(&note);
        transfer.upload_file(file.path(), server.bucket(), "k", &settings()).unwrap();
        let seen = seen.into_inner().unwrap();
        assert!(seen.is_sorted_by_key(|progress| progress.bytes));
        assert_eq!(seen.last().unwrap().bytes, size as u64);
        let steps = seen.windows(2).map(|pair| pair[1].bytes - pair[0].bytes);
        assert!(steps.max().unwrap() <= 1 << 20);
    }
}

#[test]
fn an_upload_is_continued_without_sending_what_is_there() {
    let server = server();
    let size = 4 * PART + 99;
    let content = bytes(6, 0, size);
    let token = {
        let client = client(&server);
        let mut writer = transfer(&client).writer(server.bucket(), KEY, &settings());
        let token = writer.token().unwrap().to_string();
        writer.write_all(&content[..3 * PART + 1]).unwrap();
        // Dropping the writer cancels the parts that are still being sent.
        let parsed: UploadToken = token.parse().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while client.parts(parsed.upload()).count() < 3 {
            assert!(Instant::now() < deadline, "the full parts did not arrive");
            std::thread::yield_now();
        }
        token
    };
    let kept = server.open_uploads(server.bucket());
    assert_eq!(kept.len(), 1, "a writer whose token was taken leaves its upload");

    // Another process, whose content differs in the second part.
    let client = client(&server);
    let token: UploadToken = token.parse().unwrap();
    let mut changed = content;
    changed[PART + 5] ^= 1;
    let sent = server.count("UploadPart");
    let mut writer = transfer(&client).resume(&token, &settings()).unwrap();
    writer.write_all(&changed).unwrap();
    let stored = writer.finish().unwrap();
    assert_eq!((stored.bytes, stored.parts), (size as u64, 5));
    assert!(server.object(server.bucket(), KEY).unwrap() == changed);
    assert_eq!(server.count("UploadPart") - sent, 3, "the changed part and the two missing ones");
    assert_nothing_pending(&server);

    let error = transfer(&client).resume(&token, &settings()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchUpload, "{error}");
}

#[test]
fn a_files_upload_is_continued_by_any_number_of_processes() {
    let server = server();
    let client = client(&server);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for size in [0, 10, PART, 3 * PART, 3 * PART + 99] {
        let mut content = bytes(8, 0, size);
        std::fs::write(&path, &content).unwrap();
        let token = transfer(&client).begin_upload(server.bucket(), KEY, &settings()).unwrap();
        let token: UploadToken = token.to_string().parse().unwrap();
        let resume = || transfer(&client).resume_file(&path, &token, &settings());
        server.fail_next("CompleteMultipartUpload", 403, "AccessDenied", 1);
        assert_eq!(resume().unwrap_err().kind(), ErrorKind::AccessDenied);
        assert_eq!(server.open_uploads(server.bucket()).len(), 1, "the upload is kept");

        // Another process, whose file differs in one part and is a byte shorter.
        let parts = size.div_ceil(PART).max(1);
        if size > PART {
            content[PART + 5] ^= 1;
            content.pop();
        }
        std::fs::write(&path, &content).unwrap();
        let sent = server.count("UploadPart");
        let stored = resume().unwrap();
        assert_eq!((stored.bytes, stored.parts), (content.len() as u64, parts as u32));
        assert!(server.object(server.bucket(), KEY).unwrap() == content, "{size}");
        // The changed part, and the last one, which is shorter.
        let changed = if size > PART { 2 } else { 0 };
        assert_eq!(server.count("UploadPart") - sent, changed, "{size}");
        assert_nothing_pending(&server);
        assert_eq!(resume().unwrap_err().kind(), ErrorKind::NoSuchUpload);
    }
}

#[test]
fn a_resumed_upload_stays_until_it_is_finished_or_aborted() {
    let server = server();
    let client = client(&server);
    let mut writer = transfer(&client).writer(server.bucket(), "k", &settings());
    let token = writer.token().unwrap();
    drop(writer);

    let resume = || transfer(&client).resume(&token, &settings()).unwrap();
    drop(resume());
    server.fail_next("CompleteMultipartUpload", 403, "AccessDenied", 1);
    let mut writer = resume();
    writer.write_all(b"short").unwrap();
    assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(server.open_uploads(server.bucket()).len(), 1);
    // Nothing was written this time, so the object is empty, regardless of the parts that exist.
    assert_eq!(resume().finish().unwrap().bytes, 0);
    assert_eq!(server.object(server.bucket(), "k").unwrap(), b""[..]);

    let mut writer = transfer(&client).writer(server.bucket(), "k", &settings());
    writer.token().unwrap();
    writer.abort().unwrap();
    assert_nothing_pending(&server);
}

#[test]
fn old_uploads_of_any_key_are_aborted() {
    let server = Server::start(ServerOptions::default());
    let client = client(&server);
    let day = Duration::from_secs(24 * 3600);
    let now = SystemTime::now();
    for (key, days) in [("backup/a b", 9), ("backup/\u{e9}", 8), ("backup/new", 6), ("else", 9)] {
        server.begin_upload(server.bucket(), key, now - day * days);
    }
    let abort = || transfer(&client).abort_uploads(server.bucket(), "backup/", day * 7);

    server.fail_next("AbortMultipartUpload", 403, "AccessDenied", 1);
    assert_eq!(abort().unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(server.open_uploads(server.bucket()).len(), 3, "a failure does not keep the others");
    assert_eq!(abort().unwrap(), 1);
    assert_eq!(abort().unwrap(), 0);
    let mut left: Vec<String> =
        server.open_uploads(server.bucket()).into_iter().map(|upload| upload.key).collect();
    left.sort();
    assert_eq!(left, ["backup/new", "else"]);
}

/// An error holds a hundred failures at most, no matter how many uploads cannot be aborted.
#[test]
fn every_old_upload_is_tried_and_a_hundred_failures_are_reported() {
    const UPLOADS: usize = 103;
    let server = Server::start(ServerOptions::default());
    let client = client(&server);
    for number in 0..UPLOADS {
        server.begin_upload(server.bucket(), &format!("backup/{number}"), SystemTime::UNIX_EPOCH);
    }
    server.fail_next("AbortMultipartUpload", 403, "AccessDenied", UPLOADS);
    let abort = || transfer(&client).abort_uploads(server.bucket(), "backup/", Duration::ZERO);
    let error = abort().unwrap_err();
    assert_eq!((error.kind(), error.others().len()), (ErrorKind::AccessDenied, 99));
    assert_eq!(server.count("AbortMultipartUpload"), UPLOADS as u64);
    assert_eq!(abort().unwrap(), UPLOADS as u64);
}
