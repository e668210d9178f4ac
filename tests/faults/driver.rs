//! Tests for faults that reach the driver's interface. `tests/driver/writer.rs` tests how its
//! writer handles faults.

use crate::server::{Answer, Fault, error_document};
use crate::{BUCKET, Rig, content};
use s3driver::driver::{Parameters, S3Driver, StorageDriver, WalkOptions, WalkStep, WriteMode};
use s3driver::{ErrorKind, Result};
use std::io::{Read, Write};

/// Returns a driver whose requests go through the faulty server.
pub(crate) fn driver(rig: &Rig) -> S3Driver {
    driver_below(rig, "root")
}

/// Returns a driver with this root directory.
pub(crate) fn driver_below(rig: &Rig, root: &str) -> S3Driver {
    driver_with(rig, &[("rootdirectory", root)])
}

fn driver_with(rig: &Rig, more: &[(&str, &str)]) -> S3Driver {
    S3Driver::new(&parameters(rig, more)).unwrap()
}

/// Returns the options of a driver for the faulty server, with `more` options added.
pub(crate) fn parameters(rig: &Rig, more: &[(&str, &str)]) -> Parameters {
    let url = rig.faulty.url();
    let pairs = [
        ("accesskey", rig.faulty.backend.access_key()),
        ("secretkey", rig.faulty.backend.secret_key()),
        ("region", "us-east-1"),
        ("regionendpoint", &url),
        ("bucket", BUCKET),
    ];
    Parameters::from_pairs(pairs.iter().chain(more).copied()).unwrap()
}

/// The option `maxretries` counts the requests after the first one.
#[test]
fn maxretries_bounds_the_requests() {
    for (retries, requests) in [("0", 1), ("2", 3)] {
        let rig = Rig::new();
        rig.faulty.always("GetObject", Fault::error(500, "InternalError"));
        let driver = driver_with(&rig, &[("rootdirectory", "root"), ("maxretries", retries)]);
        let error = driver.get_content("/a").unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Server, requests));
        assert_eq!(rig.count("GetObject"), requests as usize);
        drop(driver);
        rig.finish();
    }
}

/// A gateway sends the range with status 200 and drops Content-Range. The length of such a body is
/// not the size of the file, so an offset after it is not the end of the file.
#[test]
fn a_reader_never_skips_bytes_of_a_body_that_is_only_the_range() {
    let rig = Rig::new();
    let file = content(1000);
    rig.store("root/file", &file);
    rig.faulty
        .always("GetObject", Fault::changed(|answer| answer.status(200).without("content-range")));
    let driver = driver(&rig);
    let read = |offset| {
        let mut found = Vec::new();
        driver.reader("/file", offset)?.read_to_end(&mut found)?;
        Ok::<_, s3driver::Error>(found)
    };
    for offset in [1, 400, 900] {
        let error = read(offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{offset}: {error}");
    }
    assert_eq!(read(0).unwrap(), file);
    rig.faulty.heal();
    assert_eq!(read(1000).unwrap(), b"");
    // The server sends the whole object, regardless of the range.
    let whole = file.clone();
    let ignores =
        move |answer: Answer| answer.status(200).without("content-range").body(whole.clone());
    rig.faulty.always("GetObject", Fault::changed(ignores));
    for offset in [1, 400, 900] {
        assert_eq!(read(offset).unwrap(), file[usize::try_from(offset).unwrap()..]);
    }
    drop(driver);
    rig.finish();
}

fn listing(keys: &[&str]) -> Fault {
    let entries: String = keys
        .iter()
        .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"))
        .collect();
    Fault::reply(
        200,
        format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"),
    )
}

fn walked(driver: &S3Driver) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    let mut note = |info: &s3driver::driver::FileInfo| {
        seen.push(info.path.clone());
        Ok(WalkStep::Continue)
    };
    driver.walk("/", &WalkOptions::default(), &mut note)?;
    Ok(seen)
}

/// A move deletes the source only if the response to the copy confirms the copy.
#[test]
fn move_ok_error_and_ok_empty() {
    for reply in ["", "<html/>", &error_document("AccessDenied")] {
        let rig = Rig::new();
        rig.store("root/a", b"content");
        rig.faulty.always("CopyObject", Fault::reply(200, reply));
        let driver = driver(&rig);
        driver.rename("/a", "/b").unwrap_err();
        assert_eq!((rig.count("DeleteObject"), rig.count("DeleteObjects")), (0, 0));
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/a"]);
        drop(driver);
        rig.finish();
    }
}

#[test]
fn list_dup() {
    let rig = Rig::new();
    let driver = driver(&rig);
    rig.faulty.always(
        "ListObjectsV2",
        listing(&["root/a/x", "root/a/x", "root/a/y", "root/b", "root/b"]),
    );
    assert_eq!(walked(&driver).unwrap(), ["/a", "/a/x", "/a/y", "/b"]);
    drop(driver);
    rig.finish();
}

/// Each path is returned exactly once, or the listing fails.
#[test]
fn list_unsorted() {
    let rig = Rig::new();
    let driver = driver(&rig);
    rig.faulty.always("ListObjectsV2", listing(&["root/b/x", "root/a/y", "root/b/z", "root/a/x"]));
    match walked(&driver) {
        Ok(mut paths) => {
            paths.sort_unstable();
            assert_eq!(paths, ["/a", "/a/x", "/a/y", "/b", "/b/x", "/b/z"]);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol),
    }
    drop(driver);
    rig.finish();
}

/// An empty first page does not mean an empty directory.
#[test]
fn list_empty_pages() {
    let rig = Rig::new();
    for key in ["root/a/x", "root/a/y"] {
        rig.store(key, b"x");
    }
    let driver = driver(&rig);
    let empty = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    rig.faulty.once("ListObjectsV2", Fault::reply(200, empty));
    rig.faulty.once("ListObjectsV2", listing(&["root/a/x", "root/a/y"]));
    driver.delete("/a").unwrap();
    assert_eq!(rig.faulty.backend.keys(BUCKET), [""; 0]);
    drop(driver);
    rig.finish();
}

/// A 404 means a missing path; any other refusal does not.
#[test]
fn no_such_key() {
    let rig = Rig::new();
    let driver = driver(&rig);
    assert_eq!(driver.stat("/a").unwrap_err().kind(), ErrorKind::PathNotFound);
    assert_eq!(driver.get_content("/a").unwrap_err().kind(), ErrorKind::PathNotFound);
    rig.faulty.always(
        "HeadObject",
        Fault::raw("HTTP/1.1 403 Forbidden\r\n\r\n").end(crate::server::End::Close),
    );
    rig.faulty.always("GetObject", Fault::error(403, "AccessDenied"));
    assert_eq!(driver.stat("/a").unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(driver.get_content("/a").unwrap_err().kind(), ErrorKind::AccessDenied);
    drop(driver);
    rig.finish();
}

/// A failed listing is not mistaken for an empty directory, and nothing is deleted.
#[test]
fn a_failed_listing_is_an_error() {
    let rig = Rig::new();
    rig.store("root/a/x", b"x");
    let driver = driver(&rig);
    rig.faulty.always("ListObjectsV2", Fault::error(403, "AccessDenied"));
    assert_eq!(driver.list("/").unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(driver.delete("/a").unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(walked(&driver).unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/a/x"]);
    drop(driver);
    rig.finish();
}

/// Every way in which a server or a policy prevents the listing of uploads. Files are moved and
/// deleted nevertheless. The upload that the last close left is ended, because its checkpoint names
/// it.
#[test]
fn files_are_moved_and_deleted_where_uploads_cannot_be_listed() {
    for fault in [
        Fault::error(501, "NotImplemented"),
        Fault::error(405, "MethodNotAllowed"),
        Fault::error(400, "InvalidArgument"),
        Fault::reply(404, "404 page not found"),
        Fault::error(403, "AccessDenied"),
    ] {
        let rig = Rig::new();
        let driver = driver(&rig);
        driver.put_content("/a", b"one").unwrap();
        driver.put_content("/c", b"two").unwrap();
        for path in ["/a", "/c"] {
            let mut writer = driver.writer(path, WriteMode::Create).unwrap();
            writer.write_all(b"unfinished").unwrap();
            writer.close().unwrap();
        }
        rig.faulty.always("ListMultipartUploads", fault);

        driver.rename("/a", "/b").unwrap();
        assert_eq!(driver.get_content("/b").unwrap(), b"one");
        assert_eq!(driver.stat("/a").unwrap_err().kind(), ErrorKind::PathNotFound);
        driver.delete("/c").unwrap();
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/b"]);
        assert!(rig.faulty.backend.open_uploads(BUCKET).is_empty());
        drop(driver);
        rig.finish();
    }
}

/// A close that has stored the checkpoint has stored all bytes. If the copy of the last bytes for
/// other programs fails, they are not discarded.
#[test]
fn a_close_whose_last_request_fails_discards_nothing() {
    let rig = Rig::new();
    let driver = driver(&rig);
    let content = content(6 << 20);
    let mut writer = driver.writer("/a", WriteMode::Create).unwrap();
    writer.write_all(&content).unwrap();
    // The content is smaller than a part, so the only part is the copy of the last bytes.
    rig.faulty.always("UploadPart", Fault::error(403, "AccessDenied"));
    assert_eq!(writer.close().unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(writer.close().unwrap_err().kind(), ErrorKind::Closed);
    drop(writer);
    rig.faulty.heal();
    let mut writer = driver.writer("/a", WriteMode::Append).unwrap();
    assert_eq!(writer.size(), content.len() as u64);
    writer.commit().unwrap();
    assert!(driver.get_content("/a").unwrap() == content);
    drop((writer, driver));
    rig.finish();
}

/// A cancellation that failed can be repeated.
#[test]
fn a_cancellation_can_be_repeated() {
    let rig = Rig::new();
    let driver = driver(&rig);
    let content = content(6 << 20);
    let mut writer = driver.writer("/a", WriteMode::Create).unwrap();
    writer.write_all(&content).unwrap();
    writer.close().unwrap();
    drop(writer);
    let mut writer = driver.writer("/a", WriteMode::Append).unwrap();
    rig.faulty.times("AbortMultipartUpload", 0, 1, Fault::error(403, "AccessDenied"));
    assert_eq!(writer.cancel().unwrap_err().kind(), ErrorKind::AccessDenied);
    let refused = writer.write_all(b"more").unwrap_err().to_string();
    assert!(refused.contains("call cancel again"), "{refused}");
    writer.cancel().unwrap();
    assert_eq!(rig.faulty.backend.open_uploads(BUCKET), []);
    assert_eq!(rig.faulty.backend.keys(BUCKET), [""; 0]);
    assert_eq!(writer.cancel().unwrap_err().kind(), ErrorKind::Closed);
    drop((writer, driver));
    rig.finish();
}

/// Cloudflare's R2 responds with 501 to headers that it does not know, so a driver that is not
/// configured for AWS only sends headers that every server knows. The ACL and the storage class are
/// those that Distribution sends too.
#[test]
fn requests_to_other_servers_have_only_headers_that_all_servers_know() {
    const KNOWN: [&str; 8] = [
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-copy-source",
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-range",
        "x-amz-date",
        "x-amz-metadata-directive",
        "x-amz-storage-class",
    ];
    let rig = Rig::new();
    let driver = driver_with(&rig, &[("multipartcopythresholdsize", "5242880")]);
    let content = content(12 << 20);
    driver.put_content("/small", b"content").unwrap();
    let mut writer = driver.writer("/large", WriteMode::Create).unwrap();
    writer.write_all(&content).unwrap();
    writer.close().unwrap();
    drop(writer);
    driver.writer("/large", WriteMode::Append).unwrap().commit().unwrap();
    driver.rename("/large", "/moved").unwrap();
    driver.rename("/small", "/other").unwrap();
    assert!(driver.get_content("/moved").unwrap() == content);
    assert_eq!(driver.list("/").unwrap(), ["/moved", "/other"]);
    driver.delete("/moved").unwrap();

    let seen = rig.faulty.seen();
    for operation in ["CompleteMultipartUpload", "UploadPartCopy", "CopyObject", "DeleteObjects"] {
        assert!(seen.iter().any(|seen| seen.operation == operation), "{operation}");
    }
    for seen in &seen {
        let names = seen.head.lines().filter_map(|line| line.split_once(": "));
        for (name, value) in names.filter(|(name, _)| name.starts_with("x-amz-")) {
            assert!(KNOWN.contains(&name), "{} {name}: {value}", seen.operation);
        }
    }
    drop(driver);
    rig.finish();
}

/// A listing of uploads that fails at the moment is an error: an upload that is newer than the
/// checkpoint's could otherwise be overlooked. Where uploads cannot be listed at all, the
/// checkpoint decides.
#[test]
fn an_append_does_not_overlook_uploads_because_of_a_passing_failure() {
    let rig = Rig::new();
    let driver = driver(&rig);
    let mut writer = driver.writer("/a", WriteMode::Create).unwrap();
    writer.write_all(b"content").unwrap();
    writer.close().unwrap();
    drop(writer);
    for (fault, expected) in [
        (Fault::error(503, "SlowDown"), Err(ErrorKind::Throttled)),
        (Fault::error(500, "InternalError"), Err(ErrorKind::Server)),
        (Fault::error(501, "NotImplemented"), Ok(7)),
        (Fault::error(403, "AccessDenied"), Ok(7)),
    ] {
        rig.faulty.heal();
        rig.faulty.always("ListMultipartUploads", fault);
        let size = driver.writer("/a", WriteMode::Append).map(|writer| writer.size());
        assert_eq!(size.map_err(|error| error.kind()), expected);
    }
    rig.faulty.heal();
    driver.delete("/a").unwrap();
    drop(driver);
    rig.finish();
}
