//! Tests for the deletions in the table "Writing, multipart, copy, delete".

use crate::driver::driver;
use crate::server::{Answer, End, Fault, Seen, error_document};
use crate::support::ServerOptions;
use crate::{ATTEMPTS, BUCKET, Rig, upload};
use s3driver::ErrorKind;
use s3driver::client::{CreateBucket, ObjectSettings, Timeouts};
use s3driver::driver::StorageDriver;
use s3driver::transfer::Transfer;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

fn rig() -> Rig {
    let rig = Rig::new();
    for key in ["a", "b", "c", "d"] {
        rig.store(key, b"content");
    }
    rig
}

/// Returns a result in which these keys failed with these codes. The others of the four keys were
/// deleted.
fn result(failed: &[(&str, &str)]) -> String {
    let mut text = String::from("<DeleteResult>");
    for key in ["a", "b", "c", "d"] {
        text += &match failed.iter().find(|(failed, _)| *failed == key) {
            Some((_, code)) => {
                format!("<Error><Key>{key}</Key><Code>{code}</Code><Message>m</Message></Error>")
            }
            None => format!("<Deleted><Key>{key}</Key></Deleted>"),
        };
    }
    text + "</DeleteResult>"
}

#[test]
fn delete_partial() {
    let rig = rig();
    rig.faulty.once(
        "DeleteObjects",
        Fault::reply(200, result(&[("b", "AccessDenied"), ("d", "AccessDenied")])),
    );
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c", "d"]).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::AccessDenied, Some("b")), "{error}");
    let others: Vec<_> = error.others().iter().map(|other| (other.kind(), other.key())).collect();
    assert_eq!(others, [(ErrorKind::AccessDenied, Some("d"))]);
    assert_eq!(rig.count("DeleteObjects"), 1);
    rig.finish();
}

/// Only keys that failed temporarily are retried. If they never succeed, they are reported together
/// with those that failed permanently.
#[test]
fn delete_partial_retries_temporary_failures() {
    let rig = rig();
    rig.faulty.once(
        "DeleteObjects",
        Fault::reply(
            200,
            result(&[("b", "InternalError"), ("c", "SlowDown"), ("d", "AccessDenied")]),
        ),
    );
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c", "d"]).unwrap_err();
    assert_eq!(
        (error.kind(), error.key(), error.others().len()),
        (ErrorKind::AccessDenied, Some("d"), 0),
        "{error}"
    );
    let again = String::from_utf8(rig.faulty.seen()[1].body.clone()).unwrap();
    assert!(
        again.contains("<Key>b</Key>")
            && again.contains("<Key>c</Key>")
            && !again.contains("<Key>a</Key>"),
        "{again}"
    );
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["a", "d"]);
    rig.finish();

    let rig = self::rig();
    rig.faulty.always(
        "DeleteObjects",
        Fault::reply(200, result(&[("b", "SlowDown"), ("d", "AccessDenied")])),
    );
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c", "d"]).unwrap_err();
    let mut keys: Vec<_> =
        error.others().iter().chain([&error]).map(|error| (error.key(), error.kind())).collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    assert_eq!(keys, [(Some("b"), ErrorKind::Throttled), (Some("d"), ErrorKind::AccessDenied)]);
    assert_eq!(rig.count("DeleteObjects"), ATTEMPTS as usize);
    rig.finish();
}

/// A round that fails as a whole does not hide earlier failures.
#[test]
fn delete_partial_failures_survive_a_later_refusal() {
    let rig = rig();
    rig.faulty.once(
        "DeleteObjects",
        Fault::reply(200, result(&[("b", "SlowDown"), ("d", "InvalidTag")])),
    );
    rig.faulty.always("DeleteObjects", Fault::error(403, "AccessDenied"));
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c", "d"]).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::AccessDenied, None), "{error}");
    assert_eq!(error.others()[0].key(), Some("d"));
    rig.finish();
}

/// `ok-error` and responses without a document are retried.
#[test]
fn delete_objects_ok_error() {
    for reply in
        ["<html/>".to_owned(), "<DeleteResult>".to_owned(), error_document("InternalError")]
    {
        let rig = rig();
        rig.faulty.once("DeleteObjects", Fault::reply(200, reply.clone()));
        rig.client.delete_objects(BUCKET, &["a", "b"]).unwrap();
        assert_eq!((rig.count("DeleteObjects"), rig.faulty.backend.keys(BUCKET).len()), (2, 2));
        rig.faulty.always("DeleteObjects", Fault::reply(200, reply));
        let error = rig.client.delete_objects(BUCKET, &["c"]).unwrap_err();
        assert_eq!(error.attempts(), ATTEMPTS, "{error}");
        rig.finish();
    }
}

/// Responses that do not mention some of the keys.
const SILENT: [&str; 7] = [
    "",
    " \n",
    "<DeleteResult/>",
    "<DeleteResult><Deleted/></DeleteResult>",
    "<DeleteResult><Deleted><VersionId>1</VersionId></Deleted></DeleteResult>",
    "<DeleteResponse/>",
    "<DeleteResult><Deleted><Key>x</Key></Deleted></DeleteResult>",
];

/// If a server never lists deleted keys, a HEAD of each key shows that they were deleted.
#[test]
fn case_15_a_deletion_without_a_list_of_keys_is_settled_by_head() {
    for reply in SILENT {
        let rig = rig();
        rig.faulty
            .always("DeleteObjects", Fault::changed(move |answer: Answer| answer.body(reply)));
        rig.client.delete_objects(BUCKET, &["a", "b", "c"]).unwrap();
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["d"], "{reply}");
        assert_eq!(
            (rig.count("DeleteObjects"), rig.count("HeadObject"), rig.count("DeleteObject")),
            (1, 3, 0),
            "{reply}"
        );
        rig.finish();
    }
}

/// Keys that still exist are deleted one by one, and failures are reported.
#[test]
fn delete_objects_ok_empty() {
    for reply in SILENT {
        let rig = rig();
        rig.faulty.always("DeleteObjects", Fault::reply(200, reply));
        rig.faulty.times("DeleteObject", 1, 1, Fault::error(403, "AccessDenied"));
        let error = rig.client.delete_objects(BUCKET, &["a", "b", "c"]).unwrap_err();
        assert_eq!(
            (error.kind(), error.key(), error.others().len()),
            (ErrorKind::AccessDenied, Some("b"), 0),
            "{error}"
        );
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["b", "d"], "{reply}");
        rig.finish();
    }
    // If HEAD is not permitted, each key is deleted with a separate request.
    let rig = rig();
    rig.faulty.always("DeleteObjects", Fault::reply(200, ""));
    rig.faulty.always("HeadObject", Fault::reply(403, ""));
    rig.client.delete_objects(BUCKET, &["a", "b", "c"]).unwrap();
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["d"]);
    rig.finish();
}

#[test]
fn delete_reset_after_commit() {
    for end in [End::Reset, End::Close] {
        let rig = rig();
        rig.faulty.once("DeleteObject", Fault::silent(end).after_commit());
        rig.client.delete_object(BUCKET, "a", &Default::default()).unwrap();
        rig.faulty.once("DeleteObject", Fault::error(404, "NoSuchKey"));
        rig.client.delete_object(BUCKET, "a", &Default::default()).unwrap();
        rig.faulty.once("DeleteObjects", Fault::silent(end).after_commit());
        rig.client.delete_objects(BUCKET, &["b", "c"]).unwrap();
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["d"]);
        rig.finish();
    }
}

/// If the server does not support the operation, each key is deleted with a separate request.
#[test]
fn without_delete_objects_keys_are_deleted_one_by_one() {
    let rig = rig();
    rig.faulty.always("DeleteObjects", Fault::error(501, "NotImplemented"));
    rig.faulty.once("DeleteObject", Fault::error(403, "AccessDenied"));
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c"]).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::AccessDenied, Some("a")));
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["a", "d"]);
    rig.finish();
}

/// Google interprets the request as the creation of a bucket. Other servers report the missing
/// operation in other ways.
#[test]
fn case_01_without_batch_deletes_keys_are_deleted_one_by_one() {
    let google = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>InvalidArgument</Code><Message>Invalid argument.\
                  </Message><Details>Cannot create buckets using a POST.</Details></Error>";
    for fault in [
        Fault::reply(400, google),
        Fault::error(400, "MalformedXML"),
        Fault::error(400, "NotImplemented"),
        Fault::error(400, "InvalidRequest"),
        Fault::error(403, "MethodNotAllowed"),
        Fault::error(405, "MethodNotAllowed"),
        Fault::reply(405, ""),
        Fault::reply(415, ""),
        Fault::reply(404, "404 page not found"),
        Fault::reply(501, ""),
    ] {
        let rig = rig();
        rig.faulty.always("DeleteObjects", fault);
        rig.client.delete_objects(BUCKET, &["a", "b", "c"]).unwrap();
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["d"]);
        assert_eq!((rig.count("DeleteObjects"), rig.count("DeleteObject")), (1, 3));
        rig.finish();
    }
    // A refusal for a different reason is returned, and so is one that also applies to each single
    // key.
    for (fault, kind) in [
        (Fault::error(403, "AccessDenied"), ErrorKind::AccessDenied),
        (Fault::error(404, "NoSuchBucket"), ErrorKind::NoSuchBucket),
    ] {
        let rig = rig();
        rig.faulty.always("DeleteObjects", fault);
        let error = rig.client.delete_objects(BUCKET, &["a", "b"]).unwrap_err();
        assert_eq!((error.kind(), rig.count("DeleteObject")), (kind, 0));
        rig.finish();
    }
    let rig = rig();
    rig.faulty.always("*", Fault::error(400, "InvalidArgument"));
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c"]).unwrap_err();
    assert_eq!(
        (error.operation(), rig.count("DeleteObject")),
        (Some("DeleteObjects"), 1),
        "{error}"
    );
    rig.finish();
}

/// A refusal that names a missing key is still a refusal: only a 404 means that the object does not
/// exist.
#[test]
fn p22_a_refused_deletion_is_an_error() {
    for status in [400, 403, 409, 410] {
        let rig = rig();
        rig.faulty.always("DeleteObject", Fault::error(status, "NoSuchKey"));
        let error = rig.client.delete_object(BUCKET, "a", &Default::default()).unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
        assert_eq!(rig.faulty.backend.keys(BUCKET).len(), 4);
        let id = rig.begin("parts");
        rig.faulty.always("AbortMultipartUpload", Fault::error(status, "NoSuchUpload"));
        assert!(rig.client.abort_multipart_upload(upload("parts", &id)).is_err());
        rig.faulty.heal();
        rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
        rig.finish();
    }
    let rig = rig();
    rig.faulty.once("DeleteObject", Fault::error(404, "NoSuchKey"));
    rig.client.delete_object(BUCKET, "a", &Default::default()).unwrap();
    rig.finish();
}

/// No response ever arrives, but the object was deleted.
#[test]
fn p18_a_deletion_without_a_response_is_settled_by_head() {
    let rig = rig();
    rig.faulty.always("DeleteObject", Fault::silent(End::Close).after_commit());
    rig.client.delete_object(BUCKET, "a", &Default::default()).unwrap();
    assert_eq!(rig.count("HeadObject"), 1);
    rig.faulty.heal();
    rig.faulty.always("DeleteObject", Fault::silent(End::Close));
    assert_eq!(
        rig.client.delete_object(BUCKET, "b", &Default::default()).unwrap_err().kind(),
        ErrorKind::Interrupted
    );
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["b", "c", "d"]);
    rig.finish();
}

/// A router in front of the server has no route for the request, and responds with its own page.
#[test]
fn p18_the_page_of_a_router_does_not_say_that_an_object_is_gone() {
    let rig = rig();
    let page = || Fault::reply(404, "404 page not found");
    let id = rig.begin("a");
    for operation in ["DeleteObject", "DeleteObjects", "AbortMultipartUpload", "GetObject"] {
        rig.faulty.always(operation, page());
    }
    let request = Default::default();
    let errors = [
        rig.client.delete_object(BUCKET, "a", &request).map(drop),
        rig.client.delete_objects(BUCKET, &["a", "b"]).map(drop),
        rig.client.abort_multipart_upload(upload("a", &id)),
        rig.get("a").map(drop),
    ];
    for error in errors.map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(404)), "{error}");
        assert!(error.to_string().contains("404 page not found"), "{error}");
    }
    rig.faulty.heal();
    assert_eq!(rig.stored("a").unwrap(), b"content");
    rig.client.abort_multipart_upload(upload("a", &id)).unwrap();
    rig.finish();
}

/// Returns a 404 to a HEAD with these headers. Its body never arrives.
fn head_404(headers: &str) -> Fault {
    Fault::raw(format!("HTTP/1.1 404 Not Found\r\n{headers}\r\n"))
}

const PAGE: &str = "content-type: text/plain; charset=utf-8\r\ncontent-length: 19\r\n";

/// The response to a HEAD has no body, so only its headers show that it is a page.
#[test]
fn p18_a_page_in_response_to_a_head_does_not_show_that_an_object_is_gone() {
    let rig = rig();
    let transfer = Transfer::new(&rig.client);
    let etag = rig.client.head_object(BUCKET, "a", &Default::default()).unwrap().etag;
    // The server answers the inquiry, or the router does.
    for routed in [false, true] {
        for headers in [PAGE, "content-type: text/html\r\ntransfer-encoding: chunked\r\n"] {
            rig.faulty.always("HeadObject", head_404(headers));
            if routed {
                rig.faulty.always("GetObject", Fault::reply(404, "404 page not found"));
            }
            rig.faulty.always("DeleteObject", Fault::reply(502, ""));
            let request = Default::default();
            let error = rig.client.delete_object(BUCKET, "a", &request).unwrap_err();
            assert_eq!((error.kind(), error.status()), (ErrorKind::Server, Some(502)), "{error}");
            // This response does not mention the object, so the client looks for it.
            rig.faulty.always("DeleteObjects", Fault::reply(200, "<DeleteResult/>"));
            let error = rig.client.delete_objects(BUCKET, &["a"]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Server, "{error}");
            rig.faulty.heal();
            rig.faulty.always("HeadObject", head_404(headers));
            if routed {
                rig.faulty.always("GetObject", Fault::reply(404, "404 page not found"));
            }
            rig.faulty.always("DeleteObject", Fault::error(501, "NotImplemented"));
            let error = transfer.delete_copied(BUCKET, "a", etag.as_deref()).unwrap_err();
            assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(404)), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.starts_with("check the endpoint")));
            rig.faulty.heal();
        }
    }
    assert_eq!(rig.faulty.backend.keys(BUCKET).len(), 4);
    drop(transfer);
    rig.finish();
}

/// Servers respond to a HEAD with various headers. If these look like those of a page, one GET
/// settles whether the object exists.
#[test]
fn p18_an_object_is_missing_whatever_the_servers_404_to_a_head_looks_like() {
    let rig = Rig::new();
    for (headers, inquiries) in [
        ("content-length: 0\r\n".to_owned(), 0),
        ("content-type: application/xml\r\ncontent-length: 250\r\n".to_owned(), 0),
        ("content-type: application/xml\r\ntransfer-encoding: chunked\r\n".to_owned(), 0),
        ("content-type: text/html; charset=utf-8\r\ncontent-length: 0\r\n".to_owned(), 0),
        (format!("{PAGE}x-amz-request-id: 1\r\n"), 0),
        (format!("{PAGE}x-amz-cf-id: 1\r\n"), 1),
        (PAGE.to_owned(), 1),
    ] {
        let before = rig.count("GetObject");
        rig.faulty.once("HeadObject", head_404(&headers));
        let error = rig.client.head_object(BUCKET, "none", &Default::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchKey, "{headers}: {error}");
        assert_eq!(rig.count("GetObject") - before, inquiries, "{headers}");
    }
    rig.finish();
}

/// The code names something else that does not exist.
#[test]
fn p18_a_missing_access_point_is_not_a_missing_object() {
    let rig = rig();
    for (code, kind) in [
        ("NoSuchAccessPoint", Some(ErrorKind::NoSuchBucket)),
        ("NoSuchMultiRegionAccessPoint", Some(ErrorKind::NoSuchBucket)),
        ("NoSuchLifecycleConfiguration", Some(ErrorKind::Refused)),
        ("NoSuchKey", None),
        ("NoSuchVersion", None),
        ("NotFound", None),
    ] {
        rig.faulty.once("DeleteObject", Fault::error(404, code));
        let deleted = rig.client.delete_object(BUCKET, "a", &Default::default());
        assert_eq!(deleted.err().map(|error| error.kind()), kind, "{code}");
        if let Some(kind) = kind {
            rig.faulty.once("GetObject", Fault::error(404, code));
            assert_eq!(rig.get("a").unwrap_err().kind(), kind, "{code}");
        }
    }
    rig.finish();
}

/// The missing rest of the response could name a bucket that does not exist, or the response could
/// come from a proxy.
#[test]
fn p18_a_truncated_404_is_not_a_success() {
    let cut = || {
        let text = "HTTP/1.1 404 Not Found\r\ncontent-length: 100\r\n\r\n<Error><Code>NoSuch";
        Fault::raw(text).end(End::Close)
    };
    let rig = rig();
    let id = rig.begin("parts");
    for operation in ["DeleteObject", "AbortMultipartUpload", "GetObject"] {
        rig.faulty.always(operation, cut());
    }
    let errors = [
        rig.client.delete_object(BUCKET, "a", &Default::default()).unwrap_err(),
        rig.client.abort_multipart_upload(upload("parts", &id)).unwrap_err(),
        rig.get("a").unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.status()), (ErrorKind::Interrupted, Some(404)), "{error}");
        assert_eq!(error.attempts(), ATTEMPTS, "{error}");
    }
    assert_eq!(rig.faulty.backend.keys(BUCKET).len(), 4);
    rig.faulty.heal();
    for operation in ["DeleteObject", "AbortMultipartUpload"] {
        rig.faulty.once(operation, cut());
    }
    rig.client.delete_object(BUCKET, "a", &Default::default()).unwrap();
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["b", "c", "d"]);
    rig.finish();
}

/// Returns the number of the page that a listing asks for, from 1.
fn page_number(seen: &Seen) -> usize {
    let token = seen.head.split("continuation-token=").nth(1);
    token.map_or(1, |token| token.split(['&', ' ']).next().unwrap().parse().unwrap())
}

/// Returns a page with a thousand keys below "a/", which is followed by another one.
fn full_page(number: usize) -> Fault {
    let keys: String = (0..1000)
        .map(|key| format!("<Contents><Key>a/{number:03}{key:03}</Key><Size>1</Size></Contents>"))
        .collect();
    let next = number + 1;
    Fault::reply(
        200,
        format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>{next}</NextContinuationToken>{keys}</ListBucketResult>"
        ),
    )
}

/// A listing that fails ends the deletion: only the batches that are being deleted at that moment
/// are sent, and none of those that wait.
#[test]
fn no_batch_is_deleted_after_the_listing_has_failed() {
    // The deletions wait for the listing, which may take longer than the timeouts of other tests.
    let rig = Rig::with(ServerOptions::default(), |config| config.timeouts(Timeouts::default()));
    let deletions = Arc::new(AtomicUsize::new(0));
    let failed = Arc::new((Mutex::new(false), Condvar::new()));
    let count = deletions.clone();
    rig.faulty.by_chance(move |seen| {
        let (has_failed, changed) = &*failed;
        match seen.operation {
            "ListObjectsV2" if page_number(seen) < 8 => Some(full_page(page_number(seen))),
            "ListObjectsV2" => {
                *has_failed.lock().unwrap() = true;
                changed.notify_all();
                Some(Fault::error(403, "AccessDenied"))
            }
            _ => {
                count.fetch_add(1, Ordering::SeqCst);
                let waiting = has_failed.lock().unwrap();
                drop(changed.wait_while(waiting, |failed| !*failed).unwrap());
                // The deletion takes longer than the failure needs to reach the client.
                std::thread::sleep(Duration::from_millis(200));
                None
            }
        }
    });
    let error = Transfer::new(&rig.client).delete_prefix(BUCKET, "a/").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
    let deletions = deletions.load(Ordering::SeqCst);
    assert!((1..=4).contains(&deletions), "{deletions} batches");
    rig.finish();
}

/// If objects are stored as fast as they are deleted, the deletion ends with an error: objects
/// remain.
#[test]
fn a_deletion_that_does_not_reach_the_end_is_an_error() {
    let rig = Rig::new();
    let listings = Arc::new(AtomicUsize::new(0));
    let count = listings.clone();
    rig.faulty.by_chance(move |seen| match (seen.operation, page_number(seen)) {
        ("ListObjectsV2", 1) => {
            count.fetch_add(1, Ordering::SeqCst);
            Some(full_page(1))
        }
        ("ListObjectsV2", _) => {
            let last = "<Contents><Key>a/last</Key><Size>1</Size></Contents>";
            Some(Fault::reply(200, format!("<ListBucketResult>{last}</ListBucketResult>")))
        }
        _ => None,
    });
    let error = Transfer::new(&rig.client).delete_prefix(BUCKET, "a/").unwrap_err();
    assert_eq!((error.kind(), error.bucket()), (ErrorKind::Conflict, Some(BUCKET)), "{error}");
    assert_eq!(listings.load(Ordering::SeqCst), 20);
    rig.finish();
}

/// A server that lists keys in any order may return the file itself on a later page.
#[test]
fn a_file_that_is_not_on_the_first_page_is_deleted() {
    let rig = Rig::new();
    rig.store("root/a", b"content");
    rig.store("root/a-b", b"content");
    let listed = "<Contents><Key>root/a-b</Key><Size>7</Size></Contents>";
    rig.faulty.once(
        "ListObjectsV2",
        Fault::reply(
            200,
            format!(
                "<ListBucketResult><IsTruncated>true</IsTruncated>\
                 <NextContinuationToken>2</NextContinuationToken>{listed}</ListBucketResult>"
            ),
        ),
    );
    let driver = crate::driver::driver(&rig);
    driver.delete("/a").unwrap();
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/a-b"]);
    drop(driver);
    rig.finish();
}

/// A server that pages by position, or that looks for the upload of a marker, would not return the
/// uploads after those that were aborted.
#[test]
fn all_uploads_are_listed_before_the_first_one_is_aborted() {
    type Abort = fn(&Rig) -> u64;
    let aborts: [Abort; 3] = [
        |rig| Transfer::new(&rig.client).abort_uploads(BUCKET, "root/a/", Duration::ZERO).unwrap(),
        |rig| driver(rig).purge_uploads("/a", Duration::ZERO).unwrap().uploads,
        |rig| {
            driver(rig).delete("/a").unwrap();
            rig.count("AbortMultipartUpload") as u64
        },
    ];
    for abort in aborts {
        let rig = Rig::with(ServerOptions { page_size: 2, ..ServerOptions::default() }, |c| c);
        for number in 0..5 {
            rig.faulty.backend.begin_upload(
                BUCKET,
                &format!("root/a/{number}"),
                SystemTime::UNIX_EPOCH,
            );
        }
        assert_eq!(abort(&rig), 5);
        let operations: Vec<_> = rig.faulty.seen().iter().map(|seen| seen.operation).collect();
        let first = operations.iter().position(|name| *name == "AbortMultipartUpload").unwrap();
        assert!(!operations[first..].contains(&"ListMultipartUploads"), "{operations:?}");
        assert_eq!(rig.count("ListMultipartUploads"), 3);
        rig.finish();
    }
}

/// Servers may know one bucket by several names, such as Ceph with its tenants. Nothing but the
/// object's time shows then that the copy has replaced the source.
#[test]
fn a_moved_object_is_not_deleted_if_it_was_replaced_by_its_own_copy() {
    let later = |answer: Answer| {
        answer.without("last-modified").with("last-modified", "Wed, 01 Jan 2098 00:00:00 GMT")
    };
    let rig = rig();
    rig.client.create_bucket("other", &CreateBucket::default()).unwrap();
    let settings = ObjectSettings::default();
    let moved = || Transfer::new(&rig.client).move_object((BUCKET, "a"), ("other", "a"), &settings);
    rig.faulty.times("HeadObject", 1, 1, Fault::changed(later));
    let error = moved().unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Conflict, Some("a")), "{error}");
    assert_eq!((rig.count("CopyObject"), rig.count("DeleteObject")), (1, 0));
    assert!(rig.faulty.backend.keys(BUCKET).contains(&"a".to_owned()));
    moved().unwrap();
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["b", "c", "d"]);
    assert_eq!(rig.faulty.backend.keys("other"), ["a"]);
    // With another key, the copy cannot be the source.
    Transfer::new(&rig.client).move_object((BUCKET, "b"), ("other", "x"), &settings).unwrap();
    assert_eq!(rig.count("HeadObject"), 5);
    rig.finish();
}

#[test]
fn a_refused_copy_of_an_object_to_itself_is_not_stored_in_another_way() {
    let rig = rig();
    let document = "<Error><Code>InvalidRequest</Code><Message>This copy request is illegal \
                    because it is trying to copy an object to itself without changing the \
                    object's metadata.</Message></Error>";
    rig.faulty.once("CopyObject", Fault::reply(400, document));
    let settings = ObjectSettings::default();
    let stored = rig.count("PutObject");
    let moved = Transfer::new(&rig.client).move_object((BUCKET, "a"), ("other", "a"), &settings);
    let error = moved.unwrap_err();
    assert_eq!(error.code(), Some("InvalidRequest"), "{error}");
    assert_eq!((rig.count("PutObject"), rig.count("DeleteObject")), (stored, 0));
    rig.finish();
}

#[test]
fn a_refused_condition_of_a_deletion_is_not_sent_again() {
    for (status, code) in [(501, "NotImplemented"), (405, ""), (400, "InvalidArgument")] {
        let rig = rig();
        let refusal = match code {
            "" => Fault::reply(status, ""),
            code => Fault::error(status, code),
        };
        rig.faulty.once("DeleteObject", refusal);
        for key in ["a", "b", "c"] {
            let (target, settings) = (format!("moved/{key}"), ObjectSettings::default());
            let moved =
                Transfer::new(&rig.client).move_object((BUCKET, key), (BUCKET, &target), &settings);
            moved.unwrap();
        }
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["d", "moved/a", "moved/b", "moved/c"]);
        assert_eq!(rig.count("DeleteObject"), 4, "{status} {code}");
        let seen = rig.faulty.seen();
        let conditions = seen
            .iter()
            .filter(|seen| seen.operation == "DeleteObject" && seen.header("if-match").is_some());
        assert_eq!(conditions.count(), 1, "{status} {code}");
        rig.finish();
    }
}
