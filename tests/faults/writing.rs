//! Tests for the writes in the table "Writing, multipart, copy, delete".

use crate::server::{Answer, End, Fault, error_document};
use crate::support::content::bytes;
use crate::{ATTEMPTS, BUCKET, Rig, quickly, upload};
use s3driver::client::{Condition, CopySource, CreateBucket, ObjectSettings, Part};
use s3driver::transfer::Transfer;
use s3driver::{Error, ErrorKind, Result};
use std::io::Write;
use std::time::Duration;

fn committed_then_lost() -> [Fault; 3] {
    [
        Fault::silent(End::Reset).after_commit(),
        Fault::silent(End::Close).after_commit(),
        Fault::error(500, "InternalError").after_commit(),
    ]
}

/// `reset-after-commit`, `error-after-commit`.
#[test]
fn put_reset_after_commit() {
    for fault in committed_then_lost() {
        let rig = Rig::new();
        rig.faulty.once("PutObject", fault);
        rig.put("key", b"content").unwrap();
        assert_eq!(rig.count("PutObject"), 2);
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["key"]);
        assert_eq!(rig.stored("key").unwrap(), b"content");
        rig.finish();
    }
}

fn put_if_absent(rig: &Rig, content: &[u8]) -> Result<()> {
    let settings = ObjectSettings::default().condition(Condition::IfAbsent);
    rig.client.put_object(BUCKET, "key", content, &settings).map(drop)
}

#[test]
fn conditional_put_reset_after_commit() {
    for fault in committed_then_lost() {
        let rig = Rig::new();
        rig.faulty.once("PutObject", fault);
        put_if_absent(&rig, b"content").unwrap();
        assert_eq!((rig.count("PutObject"), rig.count("HeadObject")), (2, 1));
        // Now another writer has written the object.
        assert_eq!(
            put_if_absent(&rig, b"content").unwrap_err().kind(),
            ErrorKind::PreconditionFailed
        );
        rig.finish();
    }
}

/// An attempt on a dead pooled connection is not counted, but the server may still have stored the
/// object.
#[test]
fn conditional_put_on_a_connection_that_dies_after_the_commit() {
    let rig = Rig::new();
    rig.store("warm", b"up");
    rig.get("warm").unwrap();
    rig.faulty.once("PutObject", Fault::silent(End::Close).after_commit());
    put_if_absent(&rig, b"content").unwrap();
    assert_eq!(rig.client.stats().stale_connections, 1);
    rig.finish();
}

#[test]
fn conditional_put_against_another_writer() {
    let rig = Rig::new();
    rig.store("key", b"another");
    rig.faulty.once("PutObject", Fault::silent(End::Close));
    assert_eq!(put_if_absent(&rig, b"content").unwrap_err().kind(), ErrorKind::PreconditionFailed);
    assert_eq!(rig.stored("key").unwrap(), b"another");
    // Without permission for HEAD, the outcome cannot be settled.
    rig.faulty.once("PutObject", Fault::silent(End::Close));
    rig.faulty.always("HeadObject", Fault::reply(403, ""));
    let error = put_if_absent(&rig, b"another").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(std::error::Error::source(&error).is_some());
    rig.finish();
}

/// `conditional-conflict` (409): a write checks its condition again, while a failed completion is
/// returned to the caller.
#[test]
fn conditional_conflict() {
    let rig = Rig::new();
    rig.faulty.once("PutObject", Fault::error(409, "ConditionalRequestConflict"));
    put_if_absent(&rig, b"content").unwrap();
    assert_eq!(rig.count("PutObject"), 2);
    let (id, parts) = uploaded(&rig);
    rig.faulty.always("CompleteMultipartUpload", Fault::error(409, "ConditionalRequestConflict"));
    let error = rig
        .client
        .complete_multipart_upload(upload("parts", &id), &parts, &Condition::IfAbsent)
        .unwrap_err();
    assert_eq!((error.kind(), rig.count("CompleteMultipartUpload")), (ErrorKind::Conflict, 1));
    assert!(error.hint().is_some());
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

/// A PUT receives `ok-error`.
#[test]
fn put_ok_error() {
    let rig = Rig::new();
    rig.faulty.once("PutObject", Fault::reply(200, error_document("InternalError")));
    rig.put("key", b"content").unwrap();
    assert_eq!(rig.count("PutObject"), 2);
    rig.faulty.once(
        "PutObject",
        Fault::reply_with(200, &[("x-amz-request-id", "REQ9")], error_document("AccessDenied")),
    );
    let error = rig.put("other", b"content").unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::AccessDenied, Some("REQ9")));
    assert_eq!(rig.stored("other"), None);
    rig.finish();
}

fn uploaded(rig: &Rig) -> (String, Vec<Part>) {
    let id = rig.begin("parts");
    let part = |number: u32| {
        let content = bytes(number.into(), 0, 1000);
        rig.client.upload_part(upload("parts", &id), number, &content).unwrap()
    };
    let parts = vec![part(1), part(2)];
    (id, parts)
}

fn whole() -> Vec<u8> {
    [bytes(1, 0, 1000), bytes(2, 0, 1000)].concat()
}

fn complete(rig: &Rig, id: &str, parts: &[Part]) -> Result<()> {
    rig.client.complete_multipart_upload(upload("parts", id), parts, &Condition::Always).map(drop)
}

#[test]
fn wrong_etag() {
    let rig = Rig::new();
    rig.faulty.once("PutObject", Fault::changed(|answer| answer.with("etag", "\"whatever\"")));
    rig.put("key", b"content").unwrap();
    // A completion sends the ETag that the server returned.
    let id = rig.begin("parts");
    rig.faulty.once("UploadPart", Fault::changed(|answer| answer.with("etag", "\"given\"")));
    let part = rig.client.upload_part(upload("parts", &id), 1, b"part").unwrap();
    rig.faulty.always("CompleteMultipartUpload", Fault::error(400, "InvalidPart"));
    let error = complete(&rig, &id, &[part]).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Refused, 1));
    let body = rig.faulty.seen().pop().unwrap().body;
    assert!(String::from_utf8(body).unwrap().contains("given"));
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

#[test]
fn upload_part_no_etag() {
    let rig = Rig::new();
    let id = rig.begin("parts");
    rig.faulty.always("UploadPart", Fault::changed(|answer| answer.without("etag")));
    let error = rig.client.upload_part(upload("parts", &id), 1, b"part").unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, ATTEMPTS), "{error}");
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

/// After any transient fault, the part is stored once, with its number.
#[test]
fn upload_part_is_stored_once_after_faults() {
    let rig = Rig::new();
    let id = rig.begin("parts");
    let mut parts = Vec::new();
    for (number, fault) in
        (1..).zip(committed_then_lost().into_iter().chain([Fault::error(503, "SlowDown")]))
    {
        rig.faulty.once("UploadPart", fault);
        let content = bytes(number.into(), 0, 1000);
        parts.push(rig.client.upload_part(upload("parts", &id), number, &content).unwrap());
    }
    assert_eq!(rig.count("UploadPart"), 8);
    let listed: Vec<u32> = rig
        .client
        .parts(upload("parts", &id))
        .pages()
        .flat_map(|page| page.unwrap().parts)
        .map(|part| part.part_number)
        .collect();
    assert_eq!(listed, [1, 2, 3, 4]);
    complete(&rig, &id, &parts).unwrap();
    assert_eq!(rig.stored("parts").unwrap().len(), 4000);
    rig.finish();
}

#[test]
fn create_multipart_upload_reset_after_commit() {
    let rig = Rig::new();
    rig.client.close_idle_connections();
    rig.faulty.once("CreateMultipartUpload", Fault::silent(End::Reset).after_commit());
    let id = rig.begin("parts");
    assert_eq!(rig.count("CreateMultipartUpload"), 2);
    // The orphaned upload can be found and has a different id.
    let ids: Vec<String> = rig
        .client
        .uploads(BUCKET, "")
        .pages()
        .flat_map(|page| page.unwrap().uploads)
        .map(|upload| upload.upload_id)
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&id));
    for id in &ids {
        rig.client.abort_multipart_upload(upload("parts", id)).unwrap();
    }
    rig.finish();
}

#[test]
fn complete_ok_error() {
    for code in ["InternalError", "SlowDown", "SlowDownWrite"] {
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig);
        rig.faulty.times("CompleteMultipartUpload", 0, 2, Fault::reply(200, error_document(code)));
        complete(&rig, &id, &parts).unwrap();
        let seen: Vec<_> = rig
            .faulty
            .seen()
            .into_iter()
            .filter(|seen| seen.operation == "CompleteMultipartUpload")
            .collect();
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(|one| one.body == seen[0].body));
        assert_eq!(rig.stored("parts").unwrap(), whole());
        rig.finish();
    }
    let rig = Rig::new();
    let (id, parts) = uploaded(&rig);
    rig.faulty.always("CompleteMultipartUpload", Fault::reply(200, error_document("AccessDenied")));
    let error = complete(&rig, &id, &parts).unwrap_err();
    assert_eq!((error.kind(), rig.count("CompleteMultipartUpload")), (ErrorKind::AccessDenied, 1));
    assert_eq!(rig.stored("parts"), None);
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

/// `ok-whitespace-error`, `ok-whitespace-success`: the client waits as long as bytes arrive, and
/// the document determines the outcome.
#[test]
fn complete_ok_whitespace() {
    let spaced = |document: String| {
        let body = format!("{}{document}", " ".repeat(8));
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let rig = Rig::new();
    let (id, parts) = uploaded(&rig);
    let error =
        Fault::raw(spaced(error_document("AccessDenied"))).trickled(Duration::from_millis(4));
    rig.faulty.once("CompleteMultipartUpload", error);
    assert_eq!(complete(&rig, &id, &parts).unwrap_err().kind(), ErrorKind::AccessDenied);
    let success =
        move |answer: Answer| spaced(String::from_utf8(answer.body).unwrap()).into_bytes();
    rig.faulty.once(
        "CompleteMultipartUpload",
        Fault::scripted(success).trickled(Duration::from_millis(4)),
    );
    complete(&rig, &id, &parts).unwrap();
    assert_eq!(rig.count("CompleteMultipartUpload"), 2);
    assert_eq!(rig.stored("parts").unwrap(), whole());
    rig.finish();
}

/// Adobe's S3Mock gives every object of parts an ETag with the number 1. The size of the object
/// shows whether a part is missing.
#[test]
fn a_completion_with_another_number_of_parts_is_compared_by_the_size() {
    const ETAG: &str = "\"0123456789abcdef0123456789abcdef-1\"";
    let completed = || {
        let result = "<CompleteMultipartUploadResult><ETag>0123456789abcdef0123456789abcdef-1</ETag>\
                      </CompleteMultipartUploadResult>";
        Fault::changed(move |answer| answer.body(result)).after_commit()
    };
    let head = |etag: &'static str, size: usize| {
        let size = size.to_string();
        Fault::changed(move |answer| answer.with("etag", etag).with("content-length", &size))
    };
    let size = whole().len();
    for (fault, is_whole) in [
        (head(ETAG, size), true),
        (head(ETAG, size - 1), false),
        // Another writer has replaced the object.
        (head("\"0123456789abcdef0123456789abcde0-1\"", size), false),
        (Fault::error(404, "NoSuchKey"), false),
        (Fault::error(403, "AccessDenied"), false),
    ] {
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig);
        rig.faulty.always("CompleteMultipartUpload", completed());
        rig.faulty.always("HeadObject", fault);
        match complete(&rig, &id, &parts) {
            Ok(()) => assert!(is_whole),
            Err(error) => {
                assert!(!is_whole, "{error}");
                assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
            }
        }
        assert_eq!(rig.count("CompleteMultipartUpload"), 1);
        rig.finish();
    }
}

fn not_a_success() -> Vec<Fault> {
    vec![
        Fault::reply(200, ""),
        Fault::reply(200, "    "),
        Fault::reply(200, "<html>hello</html>"),
        Fault::reply(200, "<CompleteMultipartUploadResult><ETag>e</ETag>"),
        Fault::reply(
            200,
            format!(
                "<CompleteMultipartUploadResult>{}</CompleteMultipartUploadResult>",
                error_document("InternalError").split_once("?>\n").unwrap().1
            ),
        ),
        Fault::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n   ").end(End::Close),
    ]
}

/// `ok-empty`, `ok-error-wrapped`, `ok-whitespace-cut`, truncated XML: none of these is a success.
#[test]
fn complete_ok_empty() {
    for (index, fault) in not_a_success().into_iter().enumerate() {
        // Nothing was stored, and the next attempt succeeds.
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig);
        rig.faulty.once("CompleteMultipartUpload", fault.clone());
        complete(&rig, &id, &parts).unwrap();
        assert_eq!(rig.count("CompleteMultipartUpload"), 2, "{index}");
        assert_eq!(rig.stored("parts").unwrap(), whole());
        rig.finish();
        // The fault persists: the completion is not reported as a success, and the parts are kept.
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig);
        rig.faulty.always("CompleteMultipartUpload", fault.clone());
        let error = complete(&rig, &id, &parts).unwrap_err();
        assert_eq!(
            (error.kind(), rig.stored("parts")),
            (ErrorKind::OutcomeUnknown, None),
            "{index}: {error}"
        );
        assert_eq!(rig.faulty.backend.open_uploads(BUCKET).len(), 1);
        rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
        rig.finish();
        // The object was stored anyway, and the next attempt fails because the upload is gone. A
        // HEAD of the object confirms the success.
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig);
        rig.faulty.once("CompleteMultipartUpload", fault.after_commit());
        rig.faulty.once("CompleteMultipartUpload", Fault::error(404, "NoSuchUpload"));
        complete(&rig, &id, &parts).unwrap();
        assert_eq!(rig.stored("parts").unwrap(), whole());
        rig.finish();
    }
}

#[test]
fn complete_with_an_unknown_outcome() {
    for fault in committed_then_lost() {
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig);
        rig.faulty.once("CompleteMultipartUpload", fault.clone());
        rig.faulty.once("CompleteMultipartUpload", Fault::error(404, "NoSuchUpload"));
        complete(&rig, &id, &parts).unwrap();
        assert_eq!((rig.count("CompleteMultipartUpload"), rig.count("HeadObject")), (2, 1));
        rig.finish();
        // Later responses cannot settle the outcome, but the object can.
        for last in [Fault::error(403, "AccessDenied"), Fault::silent(End::Close)] {
            let rig = Rig::new();
            let (id, parts) = uploaded(&rig);
            rig.faulty.once("CompleteMultipartUpload", fault.clone());
            rig.faulty.always("CompleteMultipartUpload", last);
            complete(&rig, &id, &parts).unwrap();
            assert_eq!(rig.stored("parts").unwrap(), whole());
            rig.finish();
        }
    }
}

/// The first attempt completes the upload. The page of a router then says nothing about it.
#[test]
fn p18_the_page_of_a_router_does_not_say_that_an_upload_was_not_completed() {
    let lost = || Fault::reply(502, "").after_commit();
    for page in [
        Fault::reply(404, "404 page not found"),
        Fault::reply(400, "<html>bad request</html>"),
        Fault::reply(409, ""),
        Fault::error(404, "NoSuchRoute"),
    ] {
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig);
        rig.faulty.once("CompleteMultipartUpload", lost());
        rig.faulty.once("CompleteMultipartUpload", page.clone());
        complete(&rig, &id, &parts).unwrap();
        assert_eq!(rig.count("HeadObject"), 1);
        assert_eq!(rig.stored("parts").unwrap(), whole());
        rig.finish();
        // Neither does the object show it: the upload is not aborted.
        for head in [Fault::reply(403, ""), Fault::reply(404, "")] {
            let rig = Rig::new();
            rig.faulty.once("CompleteMultipartUpload", lost());
            rig.faulty.once("CompleteMultipartUpload", page.clone());
            rig.faulty.always("HeadObject", head);
            let transfer = Transfer::new(&rig.client);
            let mut writer = transfer.writer(BUCKET, "parts", &ObjectSettings::default());
            writer.write_all(&bytes(5, 0, 9 << 20)).unwrap();
            let error = writer.finish().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
            assert_eq!(rig.count("AbortMultipartUpload"), 0);
            drop(transfer);
            rig.finish();
        }
    }
    // A refusal of the first attempt is one: nothing was completed.
    let rig = Rig::new();
    let (id, parts) = uploaded(&rig);
    rig.faulty.always("CompleteMultipartUpload", Fault::reply(404, "404 page not found"));
    let error = complete(&rig, &id, &parts).unwrap_err();
    assert_eq!((error.kind(), rig.count("HeadObject")), (ErrorKind::Refused, 0), "{error}");
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

/// If the upload no longer exists or the object is a different one, the completion is not reported
/// as a success.
#[test]
fn complete_finds_another_object() {
    let rig = Rig::new();
    let (id, parts) = uploaded(&rig);
    let lost = |rig: &Rig| {
        rig.faulty.once("CompleteMultipartUpload", Fault::silent(End::Close));
        rig.faulty.once("CompleteMultipartUpload", Fault::silent(End::Close));
        rig.faulty.once("CompleteMultipartUpload", Fault::error(404, "NoSuchUpload"));
    };
    lost(&rig);
    assert_eq!(complete(&rig, &id, &parts).unwrap_err().kind(), ErrorKind::NoSuchUpload);
    rig.store("parts", b"an older object");
    lost(&rig);
    assert_eq!(complete(&rig, &id, &parts).unwrap_err().kind(), ErrorKind::NoSuchUpload);
    // The object has the same size. Unless ETags are MD5s, it is unknown whether it is ours.
    rig.store("parts", &bytes(9, 0, 2000));
    lost(&rig);
    assert_eq!(complete(&rig, &id, &parts).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    // The HEAD fails as well.
    lost(&rig);
    rig.faulty.always("HeadObject", Fault::reply(403, ""));
    assert_eq!(complete(&rig, &id, &parts).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

#[test]
fn complete_fails_for_good() {
    for code in ["EntityTooSmall", "InvalidPart", "InvalidPartOrder", "MalformedXML"] {
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig);
        rig.faulty.always("CompleteMultipartUpload", Fault::error(400, code));
        let error = complete(&rig, &id, &parts).unwrap_err();
        assert_eq!(
            (error.kind(), error.attempts(), rig.count("HeadObject")),
            (ErrorKind::Refused, 1, 0),
            "{error}"
        );
        rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
        rig.finish();
    }
}

#[test]
fn abort_no_such_upload() {
    let rig = Rig::new();
    let id = rig.begin("parts");
    rig.faulty.once("AbortMultipartUpload", Fault::silent(End::Close).after_commit());
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

#[test]
fn copy_ok_error_and_ok_empty() {
    let source = CopySource::new(BUCKET, "source");
    type Copies<'a> = &'a dyn Fn(&Rig, &str) -> Result<()>;
    let copy: Copies<'_> = &|rig, _| {
        rig.client.copy_object(source, BUCKET, "copy", &ObjectSettings::default()).map(drop)
    };
    let part: Copies<'_> =
        &|rig, id| rig.client.upload_part_copy(source, 0..7, upload("parts", id), 1).map(drop);
    for (operation, run) in [("CopyObject", copy), ("UploadPartCopy", part)] {
        let rig = Rig::new();
        rig.store("source", b"content");
        let id = rig.begin("parts");
        for fault in [
            Fault::reply(200, error_document("InternalError")),
            Fault::reply(200, ""),
            Fault::reply(200, "<html/>"),
        ] {
            let before = rig.count(operation);
            rig.faulty.once(operation, fault);
            run(&rig, &id).unwrap();
            assert_eq!(rig.count(operation), before + 2);
            rig.client.delete_object(BUCKET, "copy", &Default::default()).unwrap();
        }
        rig.faulty.always(operation, Fault::reply(200, ""));
        let error: Error = run(&rig, &id).unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, ATTEMPTS), "{error}");
        rig.faulty.heal();
        rig.faulty.always(operation, Fault::reply(200, error_document("AccessDenied")));
        assert_eq!(run(&rig, &id).unwrap_err().kind(), ErrorKind::AccessDenied);
        rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
        rig.finish();
    }
}

/// The server sends white space forever instead of the result of the completion.
#[test]
fn complete_endless_whitespace_ends_at_a_limit() {
    let rig = Rig::new();
    let (id, parts) = uploaded(&rig);
    let mut endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..32 {
        endless.extend_from_slice(b"10000\r\n");
        endless.extend_from_slice(&[b' '; 0x10000]);
        endless.extend_from_slice(b"\r\n");
    }
    rig.faulty.always("CompleteMultipartUpload", Fault::raw(endless));
    let error = quickly(|| complete(&rig, &id, &parts)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

/// The bucket is created or deleted by an attempt whose response is lost.
#[test]
fn create_and_delete_bucket_reset_after_commit() {
    let rig = Rig::new();
    rig.faulty.once("CreateBucket", Fault::silent(End::Close).after_commit());
    rig.faulty.once("CreateBucket", Fault::error(409, "BucketAlreadyOwnedByYou"));
    rig.client.create_bucket("another", &CreateBucket::default()).unwrap();
    rig.faulty.once("DeleteBucket", Fault::silent(End::Close).after_commit());
    rig.client.delete_bucket("another").unwrap();
    assert_eq!(rig.client.delete_bucket("another").unwrap_err().kind(), ErrorKind::NoSuchBucket);
    rig.finish();
}
