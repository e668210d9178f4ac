//! Rows of the table "Writing, multipart, copy, delete" that delete.

use crate::server::{Answer, End, Fault, error_document};
use crate::{ATTEMPTS, BUCKET, Rig};
use s3driver::ErrorKind;

fn rig() -> Rig {
    let rig = Rig::new();
    for key in ["a", "b", "c", "d"] {
        rig.store(key, b"content");
    }
    rig
}

/// A result in which these keys failed with these codes; the other keys of the four are gone.
fn result(failed: &[(&str, &str)]) -> String {
    let mut text = String::from("<DeleteResult>");
    for key in ["a", "b", "c", "d"] {
        text += &match failed.iter().find(|(failed, _)| *failed == key) {
            Some((_, code)) => format!("<Error><Key>{key}</Key><Code>{code}</Code><Message>m</Message></Error>"),
            None => format!("<Deleted><Key>{key}</Key></Deleted>"),
        };
    }
    text + "</DeleteResult>"
}

#[test]
fn delete_partial() {
    let rig = rig();
    rig.faulty.once("DeleteObjects", Fault::reply(200, result(&[("b", "AccessDenied"), ("d", "AccessDenied")])));
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c", "d"]).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::AccessDenied, Some("b")), "{error}");
    let others: Vec<_> = error.others().iter().map(|other| (other.kind(), other.key())).collect();
    assert_eq!(others, [(ErrorKind::AccessDenied, Some("d"))]);
    assert_eq!(rig.count("DeleteObjects"), 1);
    rig.finish();
}

/// What failed for a moment is asked for again, alone, and told if it never succeeds, together with what failed for good.
#[test]
fn delete_partial_for_a_moment() {
    let rig = rig();
    rig.faulty.once(
        "DeleteObjects",
        Fault::reply(200, result(&[("b", "InternalError"), ("c", "SlowDown"), ("d", "AccessDenied")])),
    );
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c", "d"]).unwrap_err();
    assert_eq!((error.kind(), error.key(), error.others().len()), (ErrorKind::AccessDenied, Some("d"), 0), "{error}");
    let again = String::from_utf8(rig.faulty.seen()[1].body.clone()).unwrap();
    assert!(
        again.contains("<Key>b</Key>") && again.contains("<Key>c</Key>") && !again.contains("<Key>a</Key>"),
        "{again}"
    );
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["a", "d"]);
    rig.finish();

    let rig = self::rig();
    rig.faulty.always("DeleteObjects", Fault::reply(200, result(&[("b", "SlowDown"), ("d", "AccessDenied")])));
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c", "d"]).unwrap_err();
    let mut keys: Vec<_> = error.others().iter().chain([&error]).map(|error| (error.key(), error.kind())).collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    assert_eq!(keys, [(Some("b"), ErrorKind::Throttled), (Some("d"), ErrorKind::AccessDenied)]);
    assert_eq!(rig.count("DeleteObjects"), ATTEMPTS as usize);
    rig.finish();
}

/// A round that fails as a whole does not hide what failed before.
#[test]
fn delete_partial_then_refused() {
    let rig = rig();
    rig.faulty.once("DeleteObjects", Fault::reply(200, result(&[("b", "SlowDown"), ("d", "InvalidTag")])));
    rig.faulty.always("DeleteObjects", Fault::error(403, "AccessDenied"));
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c", "d"]).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::AccessDenied, None), "{error}");
    assert_eq!(error.others()[0].key(), Some("d"));
    rig.finish();
}

/// `ok-empty`, `ok-error`, and keys of which the server says nothing.
#[test]
fn delete_objects_ok_empty() {
    for reply in [String::new(), "<html/>".to_owned(), "<DeleteResult>".to_owned(), error_document("InternalError")] {
        let rig = rig();
        rig.faulty.once("DeleteObjects", Fault::reply(200, reply.clone()));
        rig.client.delete_objects(BUCKET, &["a", "b"]).unwrap();
        assert_eq!((rig.count("DeleteObjects"), rig.faulty.backend.keys(BUCKET).len()), (2, 2));
        rig.faulty.always("DeleteObjects", Fault::reply(200, reply));
        let error = rig.client.delete_objects(BUCKET, &["c"]).unwrap_err();
        assert_eq!(error.attempts(), ATTEMPTS, "{error}");
        rig.finish();
    }
    let rig = rig();
    rig.faulty
        .always("DeleteObjects", Fault::reply(200, "<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>"));
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c"]).unwrap_err();
    assert_eq!((error.kind(), error.key(), error.others().len()), (ErrorKind::Protocol, Some("b"), 1), "{error}");
    rig.finish();
}

#[test]
fn delete_reset_after_commit() {
    for end in [End::Reset, End::Close] {
        let rig = rig();
        rig.faulty.once("DeleteObject", Fault::silent(end).after_commit());
        rig.client.delete_object(BUCKET, "a").unwrap();
        rig.faulty.once("DeleteObject", Fault::error(404, "NoSuchKey"));
        rig.client.delete_object(BUCKET, "a").unwrap();
        rig.faulty.once("DeleteObjects", Fault::silent(end).after_commit());
        rig.client.delete_objects(BUCKET, &["b", "c"]).unwrap();
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["d"]);
        rig.finish();
    }
}

/// A server without the operation: each key alone.
#[test]
fn delete_objects_not_implemented() {
    let rig = rig();
    rig.faulty.always("DeleteObjects", Fault::error(501, "NotImplemented"));
    rig.faulty.once("DeleteObject", Fault::error(403, "AccessDenied"));
    let error = rig.client.delete_objects(BUCKET, &["a", "b", "c"]).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::AccessDenied, Some("a")));
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["a", "d"]);
    rig.finish();
}

/// An answer about another key than those asked for proves nothing.
#[test]
fn delete_objects_of_another_key() {
    let rig = rig();
    rig.faulty.always(
        "DeleteObjects",
        Fault::changed(|answer: Answer| answer.body("<DeleteResult><Deleted><Key>x</Key></Deleted></DeleteResult>")),
    );
    assert_eq!(rig.client.delete_objects(BUCKET, &["a"]).unwrap_err().kind(), ErrorKind::Protocol);
    rig.finish();
}
