//! Tests that a reported success means that the data was stored: everything in a response that can
//! be verified is verified, and if a response does not contain evidence, a HEAD of the object
//! settles the outcome.

use crate::driver::driver;
use crate::server::{Answer, End, Fault};
use crate::support::ServerOptions;
use crate::support::content::bytes;
use crate::{ATTEMPTS, BUCKET, Rig, upload};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use s3driver::client::{
    Checksum, Condition, CopySource, Encryption, GetObject, HELD_BODY, ObjectSettings, Part,
    PayloadSigning, Tag,
};
use s3driver::driver::StorageDriver;
use s3driver::transfer::Transfer;
use s3driver::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const CONTENT: &[u8] = b"abc";
const OTHER_MD5: &str = "0123456789abcdef0123456789abcdef";

fn rig_with(checksum: Checksum) -> Rig {
    Rig::with(ServerOptions { min_part_size: 1, ..ServerOptions::default() }, |config| {
        config.checksum(checksum)
    })
}

fn settings() -> ObjectSettings {
    ObjectSettings::default()
}

/// An operation that sends bytes.
type Send = fn(&Rig, &[u8]) -> Result<()>;

fn put(rig: &Rig, content: &[u8]) -> Result<()> {
    rig.put("key", content)
}

fn put_from(rig: &Rig, content: &[u8]) -> Result<()> {
    rig.client
        .put_object_from(BUCKET, "key", &mut &*content, content.len() as u64, &settings())
        .map(drop)
}

fn part(rig: &Rig, content: &[u8]) -> Result<()> {
    let id = rig.begin("key");
    let sent = rig.client.upload_part(upload("key", &id), 1, content).map(drop);
    rig.client.abort_multipart_upload(upload("key", &id)).unwrap();
    sent
}

fn file(rig: &Rig, content: &[u8]) -> Result<()> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, content).unwrap();
    Transfer::new(&rig.client)
        .part_size(64 << 20)
        .upload_file(&path, BUCKET, "key", &settings())
        .map(drop)
}

/// A way to send bytes, with its operation for large bodies, and whether the bytes can be sent
/// again.
struct Way {
    operation: &'static str,
    send: Send,
    repeatable: bool,
}

const WAYS: [Way; 4] = [
    Way { operation: "PutObject", send: put, repeatable: true },
    Way { operation: "PutObject", send: put_from, repeatable: false },
    Way { operation: "UploadPart", send: part, repeatable: true },
    Way { operation: "PutObject", send: file, repeatable: true },
];

/// A server that responds before it has received the body has not stored it. The next attempt
/// succeeds.
#[test]
fn p01_an_early_200_is_not_stored() {
    const SIZE: usize = 16 << 20;
    let content = bytes(1, 0, SIZE);
    let early =
        |end: End| Fault::reply_with(200, &[("etag", "\"e\"")], "").mid_upload(1 << 20).end(end);
    for Way { operation, send, repeatable } in WAYS {
        for end in [End::Close, End::Reset, End::Hang] {
            let rig = Rig::new();
            rig.faulty.once(operation, early(end));
            let sent = send(&rig, &content);
            assert_eq!(sent.is_ok(), repeatable, "{operation} {end:?}");
            assert_eq!(rig.count(operation), if repeatable { 2 } else { 1 }, "{operation} {end:?}");
            match rig.stored("key") {
                Some(stored) => assert!(repeatable && stored == content),
                None => assert!(!repeatable || operation == "UploadPart"),
            }
            rig.faulty.heal();
            rig.faulty.always(operation, early(end));
            let error = send(&rig, &content).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Interrupted),
                "{operation} {end:?}: {error}"
            );
            rig.finish_with_uploads();
        }
    }
}

/// The server returns a different MD5 or checksum than that of the bytes that were sent.
#[test]
fn p13_a_stored_object_that_differs_is_an_integrity_error() {
    let large = bytes(3, 0, usize::try_from(HELD_BODY).unwrap() + 1000);
    for (name, value) in [
        ("etag", format!("\"{OTHER_MD5}\"")),
        ("etag", format!("\"{}\"", OTHER_MD5.to_uppercase())),
        ("x-amz-checksum-crc32", "AAAAAA==".to_owned()),
        ("x-amz-checksum-crc32c", "AAAAAA==".to_owned()),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=".to_owned()),
        ("x-amz-checksum-sha1", BASE64.encode([0; 20])),
        ("x-amz-checksum-sha256", BASE64.encode([0; 32])),
    ] {
        for Way { operation, send, repeatable } in WAYS {
            for content in [CONTENT, &large] {
                // This digest is not computed for a body that can be read only once.
                if !repeatable && content.len() > CONTENT.len() && name.contains("-sha") {
                    continue;
                }
                let rig = Rig::new();
                let changed = value.clone();
                rig.faulty
                    .always(operation, Fault::changed(move |answer| answer.with(name, &changed)));
                let error = send(&rig, content).unwrap_err();
                assert_eq!(
                    (error.kind(), rig.count(operation)),
                    (ErrorKind::Integrity, 1),
                    "{operation} {name}: {error}"
                );
                assert!(error.hint().is_some());
                rig.finish();
            }
        }
    }
}

/// A byte changes in transit, and the server stores the changed data.
#[test]
fn p13_a_byte_damaged_in_transit_is_found_by_the_etag() {
    let rig = Rig::with(ServerOptions { min_part_size: 1, ..ServerOptions::default() }, |config| {
        config.payload_signing(PayloadSigning::Unsigned)
    });
    for Way { operation, send, .. } in WAYS {
        rig.faulty.once(operation, Fault::changed(|answer| answer).damaged_upload(1));
        assert_eq!(send(&rig, CONTENT).unwrap_err().kind(), ErrorKind::Integrity, "{operation}");
        send(&rig, CONTENT).unwrap();
    }
    rig.finish();
}

/// Values that are not clearly an MD5, or not a checksum of the whole object, are not compared.
#[test]
fn p13_values_that_cannot_be_compared_are_accepted() {
    let foreign: [&[(&str, &str)]; 14] = [
        &[("etag", "\"opaque\"")],
        &[("etag", "\"00\"")],
        &[("etag", "W/\"0123456789abcdef0123456789abcdef\"")],
        &[("etag", "\"0123456789abcdef0123456789abcdef-1\"")],
        &[("etag", "\"0123456789abcdef0123456789abcde\"")],
        &[("etag", "\"0123456789abcdef0123456789abcdeg\"")],
        &[
            ("etag", "\"0123456789abcdef0123456789abcdef\""),
            ("x-amz-server-side-encryption", "aws:kms"),
        ],
        &[
            ("etag", "\"0123456789abcdef0123456789abcdef\""),
            ("x-amz-server-side-encryption", "aws:kms:dsse"),
        ],
        &[
            ("etag", "\"0123456789abcdef0123456789abcdef\""),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ],
        &[
            ("etag", "\"0123456789abcdef0123456789abcdef\""),
            ("x-goog-encryption-kms-key-name", "projects/p"),
        ],
        &[("x-amz-checksum-crc32c", "AAAAAA==-3")],
        &[("x-amz-checksum-crc32c", "AAAAAA=="), ("x-amz-checksum-type", "COMPOSITE")],
        &[("x-amz-checksum-crc64nvme", "not base64")],
        &[("x-amz-checksum-md6", "AAAAAA==")],
    ];
    for headers in foreign {
        for Way { operation, send, .. } in WAYS {
            let rig = Rig::new();
            let changed = move |answer: Answer| {
                headers.iter().fold(answer, |a, (name, value)| a.with(name, value))
            };
            rig.faulty.always(operation, Fault::changed(changed));
            send(&rig, CONTENT).unwrap_or_else(|error| panic!("{operation} {headers:?}: {error}"));
            rig.finish();
        }
    }
    // A matching checksum takes precedence over an ETag that differs.
    let rig = Rig::new();
    let crc = "x-amz-checksum-crc32c";
    rig.faulty.always(
        "PutObject",
        Fault::changed(move |answer| {
            answer.with("etag", &format!("\"{OTHER_MD5}\"")).with(crc, "Nks/tw==")
        }),
    );
    put(&rig, CONTENT).unwrap();
    rig.finish();
}

/// The encryption is known from another request or from the configuration.
#[test]
fn p13_etags_known_to_be_opaque_are_not_compared() {
    let other = || Fault::changed(|answer| answer.with("etag", &format!("\"{OTHER_MD5}\"")));
    let rig = Rig::new();
    rig.faulty.always("UploadPart", other());
    let kms = |answer: Answer| answer.with("x-amz-server-side-encryption", "aws:kms");
    rig.faulty.once("CreateMultipartUpload", Fault::changed(kms));
    part(&rig, CONTENT).unwrap();
    rig.faulty.always("PutObject", other());
    put(&rig, CONTENT).unwrap();
    rig.finish();

    let rig = Rig::new();
    let settings = settings().encryption(Encryption::Kms { key_id: "key".to_owned() });
    rig.faulty.always("PutObject", other());
    rig.client.put_object(BUCKET, "key", CONTENT, &settings).unwrap();
    rig.finish();

    // A checksum that the server has to verify replaces the comparison; `Content-MD5` is itself the
    // MD5.
    for (checksum, compared) in
        [(Checksum::None, false), (Checksum::Crc32c, false), (Checksum::Md5, true)]
    {
        let rig = rig_with(checksum);
        rig.faulty.always("*", other());
        let results = [put(&rig, CONTENT), part(&rig, CONTENT)];
        assert!(
            results.iter().all(|result| result.is_err() == compared),
            "{checksum:?}: {results:?}"
        );
        rig.finish();
    }
}

fn uploaded(rig: &Rig, count: u32) -> (String, Vec<Part>) {
    let id = rig.begin("parts");
    let part = |number: u32| {
        rig.client
            .upload_part(upload("parts", &id), number, &bytes(number.into(), 0, 1000))
            .unwrap()
    };
    let parts = (1..=count).map(part).collect();
    (id, parts)
}

fn complete(rig: &Rig, id: &str, parts: &[Part]) -> Result<Option<String>> {
    rig.client
        .complete_multipart_upload(upload("parts", id), parts, &Condition::Always)
        .map(|done| done.etag)
}

fn completed(fields: &str) -> String {
    format!("<CompleteMultipartUploadResult>{fields}</CompleteMultipartUploadResult>")
}

/// A completion of three parts returns the ETag of two: a part was dropped.
#[test]
fn case_54_a_completion_that_drops_a_part_is_an_error() {
    const MD5: &str = "53df582dbda3d50e8e4ff0a4927e408c";
    for (etag, kind) in [
        (format!("\"{MD5}-2\""), Some(ErrorKind::Integrity)),
        (format!("&quot;{}-4&quot;", MD5.to_uppercase()), Some(ErrorKind::Integrity)),
        (format!("{MD5}-1"), Some(ErrorKind::Integrity)),
        (format!("{MD5}-0"), Some(ErrorKind::Integrity)),
        (format!("\"{MD5}-3\""), None),
        // ETags of other forms do not reveal the number of parts.
        (MD5.to_owned(), None),
        ("opaque-2".to_owned(), None),
        ("00".to_owned(), None),
        (format!("{MD5}-2-x"), None),
    ] {
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig, 3);
        let body =
            completed(&format!("<Bucket>{BUCKET}</Bucket><Key>parts</Key><ETag>{etag}</ETag>"));
        rig.faulty
            .always("CompleteMultipartUpload", Fault::changed(move |answer| answer.body(&*body)));
        let result = complete(&rig, &id, &parts);
        assert_eq!(result.err().map(|error| error.kind()), kind, "{etag}");
        assert_eq!(rig.count("CompleteMultipartUpload"), 1);
        rig.finish();
    }
}

/// The response names the bucket or the key of another request.
#[test]
fn p13_a_response_about_another_object_is_an_integrity_error() {
    let named = |bucket: &str, key: &str| format!("<Bucket>{bucket}</Bucket><Key>{key}</Key>");
    for (fields, same) in [
        (named(BUCKET, "parts"), true),
        (named("tenant:registry", "/parts"), true),
        (named(BUCKET, "p%61rts"), true),
        (named("", ""), true),
        (named("other", "parts"), false),
        (named(BUCKET, "another"), false),
        (named(BUCKET, "parts/"), false),
    ] {
        let rig = Rig::new();
        let (id, parts) = uploaded(&rig, 1);
        let body = completed(&format!("{fields}<ETag>\"e\"</ETag>"));
        rig.faulty
            .always("CompleteMultipartUpload", Fault::changed(move |answer| answer.body(&*body)));
        let kind = complete(&rig, &id, &parts).err().map(|error| error.kind());
        assert_eq!(kind, (!same).then_some(ErrorKind::Integrity), "{fields}");
        let body = format!(
            "<InitiateMultipartUploadResult>{fields}<UploadId>id</UploadId></InitiateMultipartUploadResult>"
        );
        rig.faulty.always("CreateMultipartUpload", Fault::reply(200, body));
        let begun = rig.client.create_multipart_upload(BUCKET, "parts", &settings());
        assert_eq!(
            begun.err().map(|error| error.kind()),
            (!same).then_some(ErrorKind::Integrity),
            "{fields}"
        );
        rig.finish();
    }
}

/// A result without an ETag, or under another name, is a success. So is a response without content
/// if the object exists.
#[test]
fn case_29_a_completion_without_an_etag_is_a_success() {
    let silent = [
        completed("<Location>l</Location>"),
        completed("<ETag/>"),
        completed("<ETag>a</ETag><ETag>b</ETag>"),
        "<CompleteMultipartUploadResponse><Key>parts</Key></CompleteMultipartUploadResponse>"
            .to_owned(),
        "<CompleteMultipartUploadOutput/>".to_owned(),
        "<Done/>".to_owned(),
        String::new(),
        "   \n".to_owned(),
    ];
    for body in silent {
        // Tries ETags that are MD5s, and others.
        for opaque in [false, true] {
            let rig = Rig::new();
            let etag = |answer: Answer| answer.with("etag", "\"opaque\"");
            if opaque {
                rig.faulty.always("UploadPart", Fault::changed(etag));
                rig.faulty.always("HeadObject", Fault::changed(etag));
            }
            let (id, mut parts) = uploaded(&rig, 2);
            // The embedded server expects its own ETags.
            for (number, part) in (1..).zip(&mut parts) {
                part.etag = if opaque {
                    hex::encode(Md5::digest(bytes(number, 0, 1000)))
                } else {
                    part.etag.clone()
                };
            }
            let body = body.clone();
            rig.faulty.always(
                "CompleteMultipartUpload",
                Fault::changed(move |answer| answer.body(&*body)),
            );
            assert!(complete(&rig, &id, &parts).unwrap().is_some());
            assert_eq!((rig.count("CompleteMultipartUpload"), rig.count("HeadObject")), (1, 1));
            assert_eq!(rig.stored("parts").unwrap().len(), 2000);
            rig.finish();
        }
    }
}

/// The result reports success, but the object contradicts it.
#[test]
fn p13_a_completion_without_an_etag_is_compared_with_the_object() {
    let rig = Rig::new();
    let (id, parts) = uploaded(&rig, 2);
    let done = Fault::reply(200, completed(""));
    rig.faulty.always("CompleteMultipartUpload", done);
    assert_eq!(complete(&rig, &id, &parts).unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    rig.store("parts", b"short");
    let error = complete(&rig, &id, &parts).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Integrity, Some("parts")), "{error}");
    // Without permission for a HEAD, the server's response is accepted.
    rig.faulty.always("HeadObject", Fault::reply(403, ""));
    assert_eq!(complete(&rig, &id, &parts).unwrap(), None);
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

/// ETags are in upper case, in situations in which only the object can settle the outcome.
#[test]
fn case_33_etags_are_compared_case_insensitively() {
    let upper = || {
        Fault::changed(|answer: Answer| {
            let etag =
                answer.headers.iter().find(|(name, _)| name == "etag").unwrap().1.to_uppercase();
            answer.with("etag", &etag)
        })
    };
    let rig = Rig::new();
    rig.faulty.always("HeadObject", upper());
    rig.faulty.once("PutObject", Fault::silent(End::Close).after_commit());
    let absent = settings().condition(Condition::IfAbsent);
    rig.client.put_object(BUCKET, "key", CONTENT, &absent).unwrap();
    assert_eq!((rig.count("PutObject"), rig.count("HeadObject")), (2, 1));
    let (id, parts) = uploaded(&rig, 2);
    rig.faulty.once("CompleteMultipartUpload", Fault::silent(End::Close).after_commit());
    rig.faulty.once("CompleteMultipartUpload", Fault::error(404, "NoSuchUpload"));
    complete(&rig, &id, &parts).unwrap();
    for Way { operation, send, .. } in WAYS {
        rig.faulty.once(operation, upper());
        send(&rig, CONTENT).unwrap();
    }
    rig.finish();
}

fn copy(rig: &Rig) -> Result<Option<String>> {
    let source = CopySource::new(BUCKET, "source");
    rig.client.copy_object(source, BUCKET, "copy", &settings()).map(|copied| copied.etag)
}

/// The responses to a copy that was made.
const COPIED: [&str; 9] = [
    "",
    " \n",
    "<CopyObjectResult/>",
    "<CopyObjectResult><LastModified>2016-11-09T16:16:12Z</LastModified></CopyObjectResult>",
    "<CopyObjectResult><ETag></ETag></CopyObjectResult>",
    "<CopyObjectResult><ETag>a</ETag><ETag>b</ETag></CopyObjectResult>",
    "<CopyObjectResponse><CopyObjectResult><ETag>a</ETag></CopyObjectResult></CopyObjectResponse>",
    "<Copied/>",
    "<?xml version=\"1.0\"?><ns:CopyObjectOutput xmlns:ns=\"n\"/>",
];

/// One HEAD settles the outcome of a copy whose response does not have content, and the move
/// succeeds.
#[test]
fn case_56_a_copy_response_without_content_is_settled_by_head() {
    for body in COPIED {
        let rig = Rig::new();
        rig.store("source", CONTENT);
        rig.faulty.always("CopyObject", Fault::changed(move |answer| answer.body(body)));
        assert_eq!(copy(&rig).unwrap().unwrap(), hex::encode(Md5::digest(CONTENT)), "{body}");
        assert_eq!(rig.count("CopyObject"), 1, "{body}");
        rig.store("root/from", CONTENT);
        let before = rig.count("HeadObject");
        driver(&rig).rename("/from", "/to").unwrap();
        assert_eq!((rig.count("CopyObject"), rig.count("HeadObject")), (2, before + 2), "{body}");
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["copy", "root/to", "source"]);
        rig.finish();
    }
}

/// No copy was made, and there is a different object or none.
#[test]
fn case_56_a_copy_that_was_not_made_is_an_error() {
    for body in COPIED {
        for there in [None, Some(&b"xyz"[..]), Some(b"longer")] {
            let rig = Rig::new();
            rig.store("source", CONTENT);
            if let Some(there) = there {
                rig.store("copy", there);
            }
            rig.faulty.always("CopyObject", Fault::reply(200, body));
            let error: Error = copy(&rig).unwrap_err();
            assert_eq!(
                (error.kind(), error.attempts()),
                (ErrorKind::Protocol, ATTEMPTS),
                "{body}: {error}"
            );
            assert_eq!(rig.stored("copy").as_deref(), there);
            rig.faulty.heal();
            rig.faulty.once("CopyObject", Fault::reply(200, body));
            copy(&rig).unwrap();
            assert_eq!(rig.stored("copy").unwrap(), CONTENT);
            rig.finish();
        }
    }
    // Tries the same without permission for HEAD.
    let rig = Rig::new();
    rig.store("source", CONTENT);
    rig.faulty.always("CopyObject", Fault::reply(200, ""));
    rig.faulty.times("HeadObject", 1, 1, Fault::reply(403, ""));
    let error = copy(&rig).unwrap_err();
    assert_eq!((error.kind(), rig.count("CopyObject")), (ErrorKind::OutcomeUnknown, 1), "{error}");
    rig.finish();
}

/// If ETags are opaque, an older object of the same size is not mistaken for the copy.
#[test]
fn p18_an_old_object_with_an_opaque_etag_is_not_the_copy() {
    let rig = Rig::new();
    rig.store("source", CONTENT);
    rig.store("copy", b"xyz");
    let heads = Arc::new(AtomicU64::new(0));
    let opaque = move |answer: Answer| {
        answer.with("etag", &format!("\"e{}\"", heads.fetch_add(1, Ordering::Relaxed)))
    };
    let old = opaque.clone();
    let old = move |answer| old(answer).with("last-modified", "Wed, 09 Nov 2016 16:16:12 GMT");
    rig.faulty.always("CopyObject", Fault::reply(200, ""));
    rig.faulty.always("HeadObject", Fault::changed(old));
    assert_eq!(copy(&rig).unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(rig.stored("copy").unwrap(), b"xyz");
    rig.faulty.heal();
    rig.faulty.always("CopyObject", Fault::changed(|answer| answer.body("")));
    rig.faulty.always("HeadObject", Fault::changed(opaque));
    copy(&rig).unwrap();
    assert_eq!(rig.stored("copy").unwrap(), CONTENT);
    rig.finish();
}

/// Without a date, the object may have been stored before the copy: its content is no evidence.
#[test]
fn p18_an_object_of_unknown_age_is_not_the_copy() {
    for missing in ["last-modified", "date"] {
        let rig = Rig::new();
        rig.store("source", CONTENT);
        rig.store("copy", CONTENT);
        rig.faulty.always("CopyObject", Fault::reply(200, ""));
        let dateless = move |answer: Answer| answer.without(missing);
        rig.faulty.always("HeadObject", Fault::changed(dateless));
        let error = copy(&rig).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{missing}: {error}");
        rig.finish();
    }
}

/// The date of an object that was stored long before the test.
const OLD: &str = "Wed, 09 Nov 2016 16:16:12 GMT";

fn old(answer: Answer) -> Answer {
    answer.with("last-modified", OLD)
}

/// A marker file: two programs create it with the same content. The one whose request was refused
/// has not created it, although its first attempt failed without a response.
#[test]
fn p18_an_equal_object_from_before_is_not_created_again() {
    let once = settings().condition(Condition::IfAbsent);
    for first in [Fault::error(503, "SlowDown"), Fault::silent(End::Reset)] {
        let rig = Rig::new();
        rig.store("marker", CONTENT);
        rig.faulty.once("PutObject", first);
        rig.faulty.always("HeadObject", Fault::changed(old));
        let error = rig.client.put_object(BUCKET, "marker", CONTENT, &once).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error}");
        rig.finish();
    }
    // No attempt reached the object.
    let rig = Rig::new();
    rig.store("marker", CONTENT);
    rig.faulty.always("PutObject", Fault::error(503, "SlowDown"));
    rig.faulty.always("HeadObject", Fault::changed(old));
    let error = rig.client.put_object(BUCKET, "marker", CONTENT, &once).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    rig.finish();
}

/// A server without conditional writes refuses them, and stores nothing.
#[test]
fn p18_a_condition_that_is_not_implemented_is_refused() {
    for stored in [false, true] {
        let rig = Rig::new();
        if stored {
            rig.store("key", CONTENT);
        }
        rig.faulty.always("PutObject", Fault::error(501, "NotImplemented"));
        let once = settings().condition(Condition::IfAbsent);
        let error = rig.client.put_object(BUCKET, "key", CONTENT, &once).unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(501)), "{error}");
        assert_eq!(rig.count("HeadObject"), 0);
        rig.finish();
    }
}

/// A copy of an object to itself changes its settings. The object does not show whether it was
/// made.
#[test]
fn p18_a_copy_to_itself_is_not_settled_by_the_object() {
    for (fault, kind) in [
        (Fault::error(503, "SlowDown"), ErrorKind::Throttled),
        (Fault::error(501, "NotImplemented"), ErrorKind::Refused),
        (Fault::reply(200, ""), ErrorKind::Protocol),
    ] {
        let rig = Rig::new();
        rig.store("key", CONTENT);
        rig.faulty.always("CopyObject", fault);
        rig.faulty.always("HeadObject", Fault::changed(old));
        let change = settings().content_type("text/html");
        let source = CopySource::new(BUCKET, "key");
        let error = rig.client.copy_object(source, BUCKET, "key", &change).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        rig.finish();
    }
}

/// An object that is equal to the source was there before.
#[test]
fn p18_an_equal_object_from_before_is_not_the_copy() {
    for fault in [Fault::error(503, "SlowDown"), Fault::reply(200, "")] {
        let rig = Rig::new();
        rig.store("source", CONTENT);
        rig.store("copy", CONTENT);
        rig.faulty.always("CopyObject", fault);
        rig.faulty.always("HeadObject", Fault::changed(old));
        copy(&rig).unwrap_err();
        rig.finish();
    }
}

/// With encryption by KMS, an object of the same size that was stored a moment ago is no evidence
/// that a copy was made: the source must not be deleted.
#[test]
fn p18_a_move_keeps_its_source_unless_the_copy_is_certain() {
    let rig = Rig::new();
    let driver = driver(&rig);
    driver.put_content("/source", b"abc").unwrap();
    driver.put_content("/target", b"xyz").unwrap();
    let heads = AtomicU64::new(0);
    let opaque = move |answer: Answer| {
        answer.with("etag", &format!("\"e{}\"", heads.fetch_add(1, Ordering::Relaxed)))
    };
    rig.faulty.always("CopyObject", Fault::error(503, "SlowDown"));
    rig.faulty.always("HeadObject", Fault::changed(opaque));
    let error = driver.rename("/source", "/target").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    rig.faulty.heal();
    assert_eq!(driver.get_content("/source").unwrap(), b"abc");
    assert_eq!(driver.get_content("/target").unwrap(), b"xyz");
    drop(driver);
    rig.finish();
}

/// S3 keeps or replaces the content headers and the metadata of a copy together.
#[test]
fn a_copy_has_the_settings_that_are_given_and_the_others_of_its_source() {
    let stored = settings()
        .content_type("text/plain")
        .cache_control("no-store")
        .metadata("owner", "a")
        .tags([Tag::new("kind", "b")]);
    for target in ["copy", "source"] {
        let rig = Rig::new();
        rig.client.put_object(BUCKET, "source", CONTENT, &stored).unwrap();
        let change = settings().content_type("text/html");
        let source = CopySource::new(BUCKET, "source");
        rig.client.copy_object(source, BUCKET, target, &change).unwrap();
        let meta = rig.client.head_object(BUCKET, target, &GetObject::default()).unwrap();
        assert_eq!(meta.content_type.as_deref(), Some("text/html"), "{target}");
        assert_eq!(meta.cache_control.as_deref(), Some("no-store"), "{target}");
        assert_eq!(meta.metadata, [("owner".to_owned(), "a".to_owned())], "{target}");
        assert_eq!(meta.tag_count, Some(1), "{target}");
        // Nothing is requested if nothing changes.
        let heads = rig.count("HeadObject");
        rig.client.copy_object(source, BUCKET, "third", &settings()).unwrap();
        assert_eq!(rig.count("HeadObject"), heads);
        let meta = rig.client.head_object(BUCKET, "third", &GetObject::default()).unwrap();
        assert_eq!(meta.cache_control.as_deref(), Some("no-store"));
        rig.finish();
    }
}

/// Metadata in other characters cannot be sent, but the server copies it. The settings that a copy
/// names may already be those of the source, as those of the storage driver are.
#[test]
fn a_copy_with_the_settings_of_its_source_replaces_nothing() {
    let rig = Rig::new();
    let stored = settings().content_type("text/plain").metadata("owner", "a");
    rig.client.put_object(BUCKET, "source", CONTENT, &stored).unwrap();
    let foreign = |answer: Answer| answer.with("x-amz-meta-owner", "\u{e4}");
    rig.faulty.always("HeadObject", Fault::changed(foreign));
    let source = CopySource::new(BUCKET, "source");
    let same = settings().content_type("text/plain");
    rig.client.copy_object(source, BUCKET, "copy", &same).unwrap();
    rig.faulty.heal();
    let seen = rig.faulty.seen();
    let copy = seen.iter().find(|seen| seen.operation == "CopyObject").unwrap();
    assert_eq!(copy.header("x-amz-metadata-directive"), None);
    // Another program may replace the source after the HEAD.
    assert!(copy.header("x-amz-copy-source-if-match").is_some());
    let meta = rig.client.head_object(BUCKET, "copy", &GetObject::default()).unwrap();
    assert_eq!(meta.metadata, [("owner".to_owned(), "a".to_owned())]);
    rig.finish();
}

/// The description of an object does not show everything that it has.
#[test]
fn a_copy_with_new_settings_loses_nothing_of_its_source() {
    let rig = Rig::new();
    rig.store("source", CONTENT);
    let source = CopySource::new(BUCKET, "source");
    let change = settings().content_type("text/html");
    for odd in ["0", "-1"] {
        rig.faulty.once("HeadObject", Fault::changed(move |answer| answer.with("expires", odd)));
        // Not every server accepts the value.
        let copied = "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>";
        rig.faulty.once("CopyObject", Fault::reply(200, copied));
        rig.client.copy_object(source, BUCKET, "copy", &change).unwrap();
        let seen = rig.faulty.seen();
        assert_eq!(seen.last().unwrap().header("expires"), Some(odd));
    }
    let hidden = |answer: Answer| answer.with("x-amz-missing-meta", "2");
    rig.faulty.always("HeadObject", Fault::changed(hidden));
    let copies = rig.count("CopyObject");
    let error = rig.client.copy_object(source, BUCKET, "copy", &change).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("would lose 2 of the entries"), "{error}");
    assert_eq!((rig.count("CopyObject"), error.key()), (copies, Some("source")));
    // All metadata is replaced, or none.
    let named = change.metadata("owner", "b");
    rig.client.copy_object(source, BUCKET, "copy", &named).unwrap();
    rig.store("source", &bytes(7, 0, (17 << 20) + 77));
    let transfer = Transfer::new(&rig.client);
    transfer.copy(source, BUCKET, "copy", &settings()).unwrap();
    assert_eq!(rig.count("UploadPartCopy"), 0);
    drop(transfer);
    rig.finish();
}

/// A server has stored UTF-8 that headers of requests cannot hold. CopyObject keeps it.
#[test]
fn an_object_whose_headers_cannot_be_repeated_is_copied_with_copy_object() {
    for (name, value) in [("x-amz-meta-title", "Größe"), ("content-disposition", "inline; f=ä")]
    {
        let rig = Rig::new();
        rig.store("source", &bytes(7, 0, (17 << 20) + 77));
        let source = CopySource::new(BUCKET, "source");
        rig.faulty.always("HeadObject", Fault::changed(move |answer| answer.with(name, value)));
        let transfer = Transfer::new(&rig.client);
        transfer.copy(source, BUCKET, "copy", &settings()).unwrap();
        assert_eq!((rig.count("CopyObject"), rig.count("CreateMultipartUpload")), (1, 0), "{name}");
        drop(transfer);
        rig.finish();
    }
    // Above the limit of CopyObject, the error names the entry.
    let rig = Rig::new();
    rig.store("source", b"content");
    let huge = |answer: Answer| {
        answer.with("x-amz-meta-title", "Größe").with("content-length", "6000000000")
    };
    rig.faulty.always("HeadObject", Fault::changed(huge));
    let transfer = Transfer::new(&rig.client);
    let source = CopySource::new(BUCKET, "source");
    let error = transfer.copy(source, BUCKET, "copy", &settings()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.message().contains("x-amz-meta-title"), "{error}");
    drop(transfer);
    rig.finish();
}

/// DigitalOcean stores the framing of an upload as an encoding (rclone issue 8724). In the headers
/// of a copy, it would announce a body.
#[test]
fn the_framing_of_an_upload_is_not_an_encoding_of_the_object() {
    for (stored, kept) in [
        ("aws-chunked", None),
        ("aws-chunked,gzip", Some("gzip")),
        ("gzip, AWS-chunked", Some("gzip")),
        ("gzip, br", Some("gzip,br")),
        ("", None),
    ] {
        let rig = Rig::new();
        rig.store("source", CONTENT);
        let head = move |answer: Answer| answer.with("content-encoding", stored);
        rig.faulty.always("HeadObject", Fault::changed(head));
        let meta = rig.client.head_object(BUCKET, "source", &GetObject::default()).unwrap();
        assert_eq!(meta.content_encoding.as_deref(), kept, "{stored}");
        let change = settings().content_type("text/html");
        let source = CopySource::new(BUCKET, "source");
        rig.client.copy_object(source, BUCKET, "copy", &change).unwrap();
        let seen = rig.faulty.seen();
        let copy = seen.iter().find(|seen| seen.operation == "CopyObject").unwrap();
        assert_eq!(copy.header("content-encoding"), kept, "{stored}");
        rig.finish();
    }
}

/// The headers that a copy keeps are those of the version that is copied.
#[test]
fn a_copy_combines_the_headers_and_the_content_of_one_version() {
    let rig = Rig::new();
    rig.store("source", CONTENT);
    let change = settings().content_type("text/html");
    let source = CopySource::new(BUCKET, "source").expected_owner("123456789012");
    rig.client.copy_object(source, BUCKET, "copy", &change).unwrap();
    let seen = rig.faulty.seen();
    let of = |operation: &str| seen.iter().find(|seen| seen.operation == operation).unwrap();
    let (head, copy) = (of("HeadObject"), of("CopyObject"));
    assert_eq!(head.header("x-amz-expected-bucket-owner"), Some("123456789012"));
    assert_eq!(copy.header("x-amz-source-expected-bucket-owner"), Some("123456789012"));
    let etag = hex::encode(Md5::digest(CONTENT));
    assert!(copy.header("x-amz-copy-source-if-match").is_some_and(|sent| sent.contains(&etag)));
    rig.finish();
}

/// The result of the copy contains dates in other formats.
#[test]
fn case_09_a_copy_result_with_an_odd_date_is_a_success() {
    for date in [
        "Wed, 09 Nov 2016 16:16:12 GMT",
        "2016-11-09T16:16:12",
        "yesterday",
        "",
        "<x/>",
        "1478708172",
    ] {
        let rig = Rig::new();
        rig.store("root/from", CONTENT);
        let body = format!(
            "<CopyObjectResult><LastModified>{date}</LastModified><ETag>&quot;{}&quot;</ETag></CopyObjectResult>",
            hex::encode(Md5::digest(CONTENT))
        );
        rig.faulty.always("CopyObject", Fault::changed(move |answer| answer.body(&*body)));
        driver(&rig).rename("/from", "/to").unwrap();
        assert_eq!((rig.count("CopyObject"), rig.count("HeadObject")), (1, 1), "{date}");
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/to"]);
        rig.finish();
    }
}

/// Every response is lost, as with a gateway whose timeout of a minute is shorter than the copy
/// takes.
#[test]
fn p18_a_copy_without_a_response_is_settled_by_head() {
    for fault in [
        Fault::silent(End::Close),
        Fault::error(500, "InternalError"),
        Fault::reply(504, "timeout"),
    ] {
        let rig = Rig::new();
        rig.store("root/from", CONTENT);
        rig.faulty.always("CopyObject", fault.after_commit());
        driver(&rig).rename("/from", "/to").unwrap();
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/to"]);
        rig.finish();
    }
}

/// A weak ETag never matches, so it is not sent as a condition.
#[test]
fn p20_weak_etags_are_never_sent_as_conditions() {
    let weak = || Fault::changed(|answer| answer.with("etag", "W/\"weak\""));
    let rig = Rig::new();
    rig.faulty.always("HeadObject", weak());
    rig.faulty.always("GetObject", weak());
    let content = bytes(5, 0, 6 << 20);
    rig.store("root/from", &content);
    let driver = driver(&rig);
    driver.rename("/from", "/to").unwrap();
    driver.write_stream("/to", 1000, &mut &b"tail"[..]).unwrap();
    driver.write_stream("/to", 1000, &mut &content[..]).unwrap();
    let transfer = Transfer::new(&rig.client);
    let weak = Condition::IfMatch("W/\"weak\"".to_owned());
    let source = CopySource::new(BUCKET, "root/to").condition(&weak);
    transfer.copy(source, BUCKET, "copy", &settings()).unwrap();
    rig.client.copy_object(source, BUCKET, "copy", &settings()).unwrap();
    let read = GetObject::default().condition(weak.clone());
    rig.client.get_object(BUCKET, "copy", &read).unwrap();
    assert!(
        rig.faulty.seen().iter().all(|seen| !seen.head.to_ascii_lowercase().contains("w/\"weak"))
    );
    // The client compares weak ETags itself when reading, and rejects them as conditions of writes.
    let other = GetObject::default().condition(Condition::IfMatch("W/\"other\"".to_owned()));
    assert_eq!(
        rig.client.get_object(BUCKET, "copy", &other).unwrap_err().kind(),
        ErrorKind::PreconditionFailed
    );
    let settings = settings().condition(weak);
    let error = rig.client.put_object(BUCKET, "copy", CONTENT, &settings).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::InvalidArgument, 0), "{error}");
    drop(driver);
    rig.finish();
}

/// Cloudflare R2 reads a leading slash as an empty bucket name.
#[test]
fn a_copy_source_has_no_slash_before_the_bucket() {
    let rig = Rig::new();
    let key = "a b/%/é+\u{1F98A}";
    rig.store(key, CONTENT);
    let source = CopySource::new(BUCKET, key);
    rig.client.copy_object(source, BUCKET, "copy", &settings()).unwrap();
    let id = rig.begin("parts");
    rig.client.upload_part_copy(source, 0..3, upload("parts", &id), 1).unwrap();
    for seen in rig.faulty.seen() {
        if let Some(source) = seen.header("x-amz-copy-source") {
            assert_eq!(source, "registry/a%20b/%25/%C3%A9%2B%F0%9F%A6%8A");
        }
    }
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

/// The document contains the reason, which the missing ETag does not hide.
#[test]
fn p31_an_error_in_the_response_to_a_part_is_shown() {
    let rig = Rig::new();
    let id = rig.begin("parts");
    for code in ["AccessDenied", "NoSuchUpload", "QuotaExceeded"] {
        rig.faulty.once("UploadPart", Fault::reply(200, crate::server::error_document(code)));
        let error = rig.client.upload_part(upload("parts", &id), 1, CONTENT).unwrap_err();
        assert_eq!((error.code(), error.attempts()), (Some(code), 1), "{error}");
    }
    rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
    rig.finish();
}

/// The bucket accepts uploads only with a digest, which the client learns once.
#[test]
fn case_07_a_digest_is_sent_if_the_server_requires_it() {
    const BODY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>InvalidRequest</Code><Message>Content-MD5 OR \
                        x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters\
                        </Message></Error>";
    for checksum in [Checksum::Auto, Checksum::Crc32c, Checksum::None] {
        for Way { operation, send, .. } in WAYS {
            let rig = rig_with(checksum);
            rig.faulty.by_digest(Fault::reply(400, BODY));
            send(&rig, CONTENT).unwrap();
            send(&rig, CONTENT).unwrap();
            assert_eq!(rig.faulty.faults(), 1, "{operation}");
            rig.finish();
        }
    }
    // Another server rejects the digest as well.
    let rig = Rig::new();
    rig.faulty.always("PutObject", Fault::reply(400, BODY));
    let error = put(&rig, CONTENT).unwrap_err();
    assert_eq!((error.kind(), rig.count("PutObject")), (ErrorKind::Refused, 2), "{error}");
    let digests: Vec<_> = rig
        .faulty
        .seen()
        .iter()
        .map(|seen| seen.header("content-md5").map(str::to_owned))
        .collect();
    assert_eq!(digests, [None, Some(BASE64.encode(Md5::digest(CONTENT)))]);
    rig.finish();
}

/// A large file can be moved regardless of how a server reports that it does not support copies of
/// parts or objects.
#[test]
fn copies_fall_back_to_supported_operations() {
    let missing = || {
        [
            Fault::error(501, "NotImplemented"),
            Fault::error(405, "MethodNotAllowed"),
            Fault::error(400, "InvalidArgument"),
            Fault::error(400, "NotImplemented"),
            Fault::error(403, "MethodNotAllowed"),
            Fault::reply(404, "404 page not found"),
            Fault::reply(415, ""),
        ]
    };
    let empty = [
        Fault::reply(200, ""),
        Fault::reply(200, "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"),
    ];
    let content = bytes(7, 0, (17 << 20) + 77);
    let source = CopySource::new(BUCKET, "source");
    for (index, fault) in missing().into_iter().chain(empty).enumerate() {
        let rig = Rig::new();
        rig.store("source", &content);
        rig.faulty.always("UploadPartCopy", fault);
        let transfer = Transfer::new(&rig.client);
        transfer.copy(source, BUCKET, "copy", &settings()).unwrap();
        assert!(rig.stored("copy").unwrap() == content, "{index}");
        assert_eq!((rig.count("CopyObject"), rig.count("GetObject")), (1, 0), "{index}");
        drop(transfer);
        rig.finish();
    }
    for (index, fault) in missing().into_iter().enumerate() {
        for size in [0, 1000, content.len()] {
            let rig = Rig::new();
            rig.store("source", &content[..size]);
            rig.faulty.always("UploadPartCopy", fault.clone());
            rig.faulty.always("CopyObject", fault.clone());
            let copied =
                Transfer::new(&rig.client).copy(source, BUCKET, "copy", &settings()).unwrap();
            assert!(rig.stored("copy").unwrap() == content[..size], "{index}");
            assert_eq!(copied.bytes, size as u64);
            rig.finish();
        }
    }
}
