//! Tests for the table "Reading objects".

use crate::server::{Answer, End, Fault};
use crate::support::ServerOptions;
use crate::support::content::bytes;
use crate::{ATTEMPTS, BUCKET, Rig, quickly};
use s3driver::ErrorKind;
use s3driver::client::{ByteRange, Checksum, GetObject, VersionSelector};
use s3driver::transfer::Transfer;

const SIZE: usize = 300_000;

fn rig() -> (Rig, Vec<u8>) {
    let rig = Rig::new();
    let content = bytes(7, 0, SIZE);
    rig.store("key", &content);
    (rig, content)
}

fn read(rig: &Rig, range: ByteRange) -> s3driver::Result<Vec<u8>> {
    rig.client.get_object(BUCKET, "key", &GetObject::range(range))?.read_all(1 << 20)
}

/// `reset-mid-body`, `truncate`, `stall-mid-body`: the reader continues where it stopped, with
/// If-Match.
#[test]
fn a_broken_body_is_resumed() {
    for end in [End::Reset, End::Close, End::Hang] {
        for (range, from) in [
            (ByteRange::All, 0),
            (ByteRange::From(1000), 1000),
            (ByteRange::Part { offset: 1000, length: 200_000 }, 1000),
        ] {
            let (rig, content) = rig();
            rig.faulty.times("GetObject", 0, 2, Fault::cut(70_000, end));
            let got = quickly(|| read(&rig, range)).unwrap();
            let wanted = match range {
                ByteRange::Part { length, .. } => &content[from..from + length as usize],
                _ => &content[from..],
            };
            assert!(got == wanted, "{end:?} {range:?}");
            let seen = rig.faulty.seen();
            assert_eq!(seen.len(), 3);
            // After a reset, bytes in transit may be lost, so the client may have read less than
            // was sent.
            let start = |index: usize| -> usize {
                let range = seen[index].header("range").unwrap().strip_prefix("bytes=").unwrap();
                range.split('-').next().unwrap().parse().unwrap()
            };
            assert!(
                (from..=from + 70_000).contains(&start(1))
                    && (start(1)..=start(1) + 70_000).contains(&start(2))
            );
            if end == End::Close {
                assert_eq!((start(1), start(2)), (from + 70_000, from + 140_000));
            }
            assert!(seen[0].header("if-match").is_none());
            assert!(
                seen[1].header("if-match").is_some()
                    && seen[1].header("if-match") == seen[2].header("if-match")
            );
            rig.finish();
        }
    }
}

#[test]
fn chunked_cut() {
    let (rig, content) = rig();
    let chunked = |answer: Answer| {
        let body = [b"249f0\r\n".as_slice(), &answer.body[..100_000]].concat();
        let mut answer = answer.without("content-length").with("transfer-encoding", "chunked");
        answer.body = body;
        answer.bytes()
    };
    // With a range, the length is known from Content-Range, so the reader continues.
    rig.faulty.once("GetObject", Fault::scripted(chunked).end(End::Close));
    assert!(read(&rig, ByteRange::From(0)).unwrap() == content);
    assert_eq!(rig.count("GetObject"), 2);
    // Without a range, the length is requested.
    rig.faulty.once("GetObject", Fault::scripted(chunked).end(End::Close));
    assert!(read(&rig, ByteRange::All).unwrap() == content);
    assert_eq!(rig.count("HeadObject"), 1);
    rig.finish();
}

/// A response without a length ends with its connection, so a broken connection looks like the end
/// of the object (HTTP/1.0 gateways).
#[test]
fn p03_a_body_that_ends_with_its_connection_may_be_cut() {
    let cut_after = |content: &[u8], length: usize| {
        let body = content[..length].to_vec();
        move |answer: Answer| {
            let answer = answer.status(200).body(body.clone());
            answer.without("content-length").without("content-range").bytes()
        }
    };
    for range in [ByteRange::All, ByteRange::From(200_000), ByteRange::Last(100_000)] {
        let from = match range {
            ByteRange::All => 0,
            _ => 200_000,
        };
        let (rig, content) = rig();
        // Complete.
        let whole = Fault::scripted(cut_after(&content, SIZE)).end(End::Close);
        rig.faulty.once("GetObject", whole);
        assert!(read(&rig, range).unwrap() == content[from..], "{range:?}");
        let size = rig.client.get_object(BUCKET, "key", &GetObject::range(range)).unwrap();
        assert_eq!(size.meta().size, SIZE as u64);
        drop(size);
        // Cut in the range: the rest is requested. Cut in the bytes that are skipped: an error.
        for length in [0, 1, 50_000, SIZE - 1] {
            rig.faulty
                .once("GetObject", Fault::scripted(cut_after(&content, length)).end(End::Close));
            match read(&rig, range) {
                Ok(found) => assert!(found == content[from..], "{range:?} {length}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Interrupted, "{range:?} {length}: {error}");
                    assert!(length < from, "{range:?} {length}");
                }
            }
        }
        rig.faulty.always("GetObject", Fault::scripted(cut_after(&content, 100)).end(End::Close));
        let error = read(&rig, range).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Integrity),
            "{range:?}: {error}"
        );
        // The object changes between the response and the request for its size.
        rig.faulty.heal();
        rig.faulty.once("GetObject", Fault::scripted(cut_after(&content, 100)).end(End::Close));
        rig.faulty.once("HeadObject", Fault::changed(|answer| answer.with("etag", "\"other\"")));
        assert_eq!(read(&rig, range).unwrap_err().kind(), ErrorKind::Integrity);
        rig.finish();
    }
}

/// `Content-Range: bytes first-last/*` does not state where the object ends.
#[test]
fn p03_a_range_of_an_unknown_size_may_be_short() {
    let (rig, content) = rig();
    let short = |answer: Answer| {
        let body = answer.body[..1000].to_vec();
        answer.body(body).with("content-range", "bytes 1000-1999/*")
    };
    let unsized_ = |answer: Answer| {
        let last = 1000 + answer.body.len() - 1;
        answer.with("content-range", &format!("bytes 1000-{last}/*"))
    };
    for range in [ByteRange::From(1000), ByteRange::Part { offset: 1000, length: 5000 }] {
        rig.faulty.once("GetObject", Fault::changed(unsized_));
        let reader = rig.client.get_object(BUCKET, "key", &GetObject::range(range)).unwrap();
        assert_eq!(reader.meta().size, SIZE as u64);
        let found = reader.read_all(SIZE).unwrap();
        assert!(found == content[1000..1000 + found.len()], "{range:?}");
        rig.faulty.once("GetObject", Fault::changed(short));
        assert!(read(&rig, range).unwrap() == found, "{range:?}");
        rig.faulty.always("GetObject", Fault::changed(short));
        let error = read(&rig, range).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{range:?}: {error}");
        rig.faulty.heal();
    }
    rig.finish();
}

/// A cache sends no bytes, with the headers of an object that has some.
#[test]
fn p03_an_empty_body_is_compared_with_the_checksum() {
    let rig = Rig::with(ServerOptions::default(), |config| config.checksum(Checksum::Md5));
    rig.store("key", b"content");
    rig.store("empty", b"");
    assert_eq!(rig.get("empty").unwrap(), b"");
    rig.faulty
        .always("GetObject", Fault::changed(|answer| answer.body("").with("content-length", "0")));
    assert_eq!(rig.get("key").unwrap_err().kind(), ErrorKind::Integrity);
    assert_eq!(rig.get("empty").unwrap(), b"");
    rig.finish();
}

/// Google decompresses objects that are stored with `Content-Encoding: gzip`.
#[test]
fn p03_content_that_the_server_decompresses_is_refused() {
    let (rig, content) = rig();
    let stored = |answer: Answer| answer.with("x-goog-stored-content-encoding", "gzip");
    rig.faulty.times("GetObject", 0, 2, Fault::changed(stored));
    for range in [ByteRange::All, ByteRange::From(10)] {
        let error = read(&rig, range).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
        assert!(error.to_string().contains("no-transform"), "{error}");
    }
    // Without decompression, the header names what is sent.
    let sent = move |answer: Answer| stored(answer).with("content-encoding", "gzip");
    rig.faulty.once("GetObject", Fault::changed(sent));
    assert!(read(&rig, ByteRange::All).unwrap() == content);
    let plain = |answer: Answer| answer.with("x-goog-stored-content-encoding", "identity");
    rig.faulty.once("GetObject", Fault::changed(plain));
    assert!(read(&rig, ByteRange::All).unwrap() == content);
    rig.finish();
}

#[test]
fn a_body_that_keeps_breaking_is_an_error() {
    let (rig, _) = rig();
    rig.faulty.always("GetObject", Fault::cut(10, End::Close));
    let error = read(&rig, ByteRange::All).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
    assert!(error.key().is_some() && error.bucket().is_some());
    assert_eq!(rig.count("GetObject"), ATTEMPTS as usize);
    rig.finish();
}

#[test]
fn no_length() {
    let (rig, content) = rig();
    let half = |mut answer: Answer| {
        answer.body.truncate(SIZE / 2);
        answer.without("content-length").bytes()
    };
    rig.faulty.once("GetObject", Fault::scripted(half).end(End::Close));
    assert!(read(&rig, ByteRange::From(0)).unwrap() == content);
    assert_eq!(rig.count("GetObject"), 2);
    rig.finish();
}

#[test]
fn long_length_and_short_length() {
    let (rig, content) = rig();
    // A response that announces more or less than the range is rejected.
    for change in ["400000", "100000"] {
        rig.faulty.once(
            "GetObject",
            Fault::changed(move |answer| answer.with("content-length", change)).end(End::Close),
        );
        let before = rig.count("GetObject");
        assert!(read(&rig, ByteRange::From(0)).unwrap() == content);
        assert_eq!(rig.count("GetObject"), before + 2);
    }
    // If the response announces more than the object has, this is never treated as the end of the
    // file.
    rig.faulty.always(
        "GetObject",
        Fault::changed(|answer| answer.with("content-length", "400000")).end(End::Close),
    );
    let error = quickly(|| read(&rig, ByteRange::All)).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Integrity | ErrorKind::Protocol),
        "{error}"
    );
    rig.finish();
}

/// More bytes than the announced range are an error, although enough bytes arrived.
#[test]
fn a_response_longer_than_its_range_is_an_error() {
    let (rig, _) = rig();
    let more = |answer: Answer| {
        let body = [b"493e1\r\n".as_slice(), &answer.body, b"x\r\n0\r\n\r\n"].concat();
        let mut answer = answer.without("content-length").with("transfer-encoding", "chunked");
        answer.body = body;
        answer.bytes()
    };
    rig.faulty.once("GetObject", Fault::scripted(more));
    assert_eq!(read(&rig, ByteRange::From(0)).unwrap_err().kind(), ErrorKind::Protocol);
    rig.finish();
}

/// A caller that reads again after an error must not take the object for complete.
#[test]
fn a_failure_after_the_last_byte_is_final() {
    let damaged = || {
        Fault::changed(|answer: Answer| {
            let mut body = answer.body.clone();
            body[0] ^= 1;
            answer.body(body)
        })
    };
    let more = || {
        Fault::scripted(|answer: Answer| {
            let body = [b"493e1\r\n".as_slice(), &answer.body, b"x\r\n0\r\n\r\n"].concat();
            let answer = answer.with("transfer-encoding", "chunked").without("content-length");
            let mut answer = answer.without("etag");
            answer.body = body;
            answer.bytes()
        })
    };
    for (fault, range, kind) in [
        (damaged(), ByteRange::All, ErrorKind::Integrity),
        (more(), ByteRange::From(0), ErrorKind::Protocol),
    ] {
        let rig = Rig::with(ServerOptions::default(), |config| config.checksum(Checksum::Md5));
        rig.store("key", &bytes(7, 0, SIZE));
        rig.faulty.always("GetObject", fault);
        let request = GetObject::range(range);
        let mut reader = rig.client.get_object(BUCKET, "key", &request).unwrap();
        assert_fails_for_good(kind, || reader.pull(&mut [0; 10_000]));
        drop(reader);
        if range == ByteRange::All {
            let transfer = Transfer::new(&rig.client);
            let mut ahead = transfer.reader(BUCKET, "key", 0).unwrap();
            assert_fails_for_good(kind, || ahead.pull(&mut [0; 10_000]));
            drop((ahead, transfer));
        }
        rig.finish();
    }
}

/// Reads up to the first error, which has this kind, and so have the errors of all further reads.
fn assert_fails_for_good(kind: ErrorKind, mut read: impl FnMut() -> s3driver::Result<usize>) {
    let first = loop {
        match read() {
            Ok(count) => assert_ne!(count, 0, "the object must not look complete"),
            Err(error) => break error,
        }
    };
    for error in [first, read().unwrap_err(), read().unwrap_err()] {
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// Returns the response in chunks, without a size, cut after this many bytes.
fn in_chunks(cut: Option<usize>) -> Fault {
    let script = move |mut answer: Answer| {
        let end = if cut.is_some() { "" } else { "\r\n0\r\n\r\n" };
        let size = format!("{:x}\r\n", answer.body.len());
        answer.body.truncate(cut.unwrap_or(usize::MAX));
        let body = [size.as_bytes(), &answer.body, end.as_bytes()].concat();
        let answer = answer.without("content-length").without("content-range").status(200);
        let mut answer = answer.with("transfer-encoding", "chunked");
        answer.body = body;
        answer.bytes()
    };
    Fault::scripted(script).end(if cut.is_some() { End::Close } else { End::Keep })
}

/// A proxy sends every response in chunks, and the objects may not be listed. The last chunk shows
/// the end of the object.
#[test]
fn p03_an_object_whose_size_is_not_stated_ends_with_its_last_chunk() {
    let (rig, content) = rig();
    let unsized_by_server = |rig: &Rig| {
        let no_length = Fault::changed(|answer: Answer| answer.without("content-length"));
        rig.faulty.always("HeadObject", no_length);
        rig.faulty.always("ListObjectsV2", Fault::error(403, "AccessDenied"));
    };
    unsized_by_server(&rig);
    rig.faulty.always("GetObject", in_chunks(None));
    assert!(read(&rig, ByteRange::All).unwrap() == content);
    rig.faulty.heal();
    // A body that breaks does not show the size: the reason is that of the listing.
    unsized_by_server(&rig);
    rig.faulty.always("GetObject", in_chunks(Some(1000)));
    let error = read(&rig, ByteRange::All).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
    rig.faulty.heal();
    // Neither does the end of a connection.
    unsized_by_server(&rig);
    let without_end = Fault::changed(|answer: Answer| {
        answer.without("content-length").without("content-range").status(200)
    });
    rig.faulty.always("GetObject", without_end.end(End::Close));
    let error = read(&rig, ByteRange::All).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
    rig.faulty.heal();
    // The object changes after its bytes were counted.
    unsized_by_server(&rig);
    rig.faulty.times("GetObject", 0, 2, in_chunks(None));
    rig.faulty.always("GetObject", Fault::changed(|answer| answer.with("etag", "\"other\"")));
    assert_eq!(read(&rig, ByteRange::All).unwrap_err().kind(), ErrorKind::Integrity);
    rig.finish();
}

/// The server ignores the range and does not state the size, and the connection breaks in the bytes
/// that the client skips.
#[test]
fn a_break_before_the_range_of_an_object_of_unknown_size_is_retried() {
    let (rig, content) = rig();
    let ignores = |content: &[u8], cut| {
        let reply = Answer { status: 200, ..Answer::default() };
        let reply = reply.with("etag", "\"e\"").body(content).without("content-length");
        let mut bytes = reply.bytes();
        bytes.truncate(bytes.len() - cut);
        Fault::raw(bytes).end(End::Close)
    };
    rig.faulty.always("HeadObject", Fault::changed(|answer| answer.with("etag", "\"e\"")));
    rig.faulty.once("GetObject", ignores(&content, SIZE - 500));
    rig.faulty.once("GetObject", ignores(&content, 0));
    assert!(read(&rig, ByteRange::From(1000)).unwrap() == content[1000..]);
    assert_eq!((rig.count("GetObject"), rig.count("HeadObject")), (2, 1));
    rig.finish();
}

#[test]
fn range_ignored() {
    let (rig, content) = rig();
    let whole = content.clone();
    let ignores = Fault::changed(move |answer| {
        answer.without("content-range").status(200).body(whole.clone())
    });
    rig.faulty.always("GetObject", ignores);
    assert!(read(&rig, ByteRange::From(1234)).unwrap() == content[1234..]);
    assert!(read(&rig, ByteRange::Part { offset: 5, length: 10 }).unwrap() == content[5..15]);
    let rest = (SIZE - 5) as u64;
    assert!(read(&rig, ByteRange::Part { offset: 5, length: rest }).unwrap() == content[5..]);
    assert_eq!(rig.count("GetObject"), 3);
    rig.finish();
}

#[test]
fn range_ignored_past_the_end() {
    let (rig, content) = rig();
    let same = |answer: Answer| answer.with("etag", "\"e\"");
    rig.faulty.always("HeadObject", Fault::changed(same));
    rig.faulty.always("GetObject", Fault::reply_with(200, &[("etag", "\"e\"")], content));
    assert_eq!(
        read(&rig, ByteRange::From(SIZE as u64)).unwrap_err().kind(),
        ErrorKind::InvalidRange
    );
    assert_eq!(read(&rig, ByteRange::From(1 << 40)).unwrap_err().kind(), ErrorKind::InvalidRange);
    rig.finish();
}

/// A gateway sends the range with status 200 and drops Content-Range: the position of the bytes is
/// unknown, and they must not be taken for the whole object.
#[test]
fn a_range_with_status_200_and_without_content_range_is_an_error() {
    let size = SIZE as u64;
    let cut = || Fault::changed(|answer| answer.status(200).without("content-range"));
    for range in [
        ByteRange::Part { offset: 10, length: 50 },
        ByteRange::Part { offset: 0, length: 50 },
        ByteRange::Part { offset: 10, length: size },
        ByteRange::From(10),
        ByteRange::From(size - 10),
        ByteRange::Last(10),
        ByteRange::Last(size - 10),
    ] {
        let (rig, content) = rig();
        rig.faulty.once("GetObject", cut());
        let from = match range {
            ByteRange::Part { offset, .. } | ByteRange::From(offset) => offset,
            ByteRange::Last(length) => size - length,
            _ => 0,
        };
        let found = read(&rig, range).unwrap();
        assert!(content[usize::try_from(from).unwrap()..].starts_with(&found), "{range:?}");
        rig.faulty.always("GetObject", cut());
        let error = read(&rig, range).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{range:?}: {error}");
        assert!(error.to_string().contains("Content-Range"), "{range:?}: {error}");
        rig.finish();
    }
    // A body that breaks is not continued with such a response.
    let (rig, _) = rig();
    rig.faulty.once("GetObject", Fault::cut(70_000, End::Close));
    rig.faulty.always("GetObject", cut());
    assert_eq!(read(&rig, ByteRange::All).unwrap_err().kind(), ErrorKind::Protocol);
    rig.finish();
}

/// An empty object does not have last bytes. MinIO responds with 206 instead of 416.
#[test]
fn the_last_bytes_of_an_empty_object_are_past_its_end() {
    let rig = Rig::new();
    let minio = |range: &str| Fault::reply_with(206, &[("content-range", range)], "");
    for range in ["bytes 0--1/0", "bytes */0", ""] {
        rig.faulty.once("GetObject", minio(range));
        let error = read(&rig, ByteRange::Last(10)).unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidRange, Some(416)));
    }
    assert_eq!(rig.count("GetObject"), 3);
    // An empty body does not make an object empty.
    rig.faulty.always("GetObject", minio("bytes 0-9/10"));
    let error = read(&rig, ByteRange::Last(10)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    rig.finish();
}

/// `content-range-wrong`, `no-content-range`.
#[test]
fn content_range_wrong() {
    for value in [
        "",
        "bytes 0-9/300000",
        "bytes 1001-299999/300000",
        "bytes 1000-199999/300000",
        "bytes 1000-300000/300000",
        "bytes */300000",
        "bytes 1000-299999",
        "items 1000-299999/300000",
        "bytes 999-299999/300000",
    ] {
        let (rig, _) = rig();
        rig.faulty
            .always("GetObject", Fault::changed(move |answer| answer.with("content-range", value)));
        let error = read(&rig, ByteRange::From(1000)).unwrap_err();
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::Protocol, ATTEMPTS),
            "{value}: {error}"
        );
        rig.finish();
    }
    let (rig, _) = rig();
    rig.faulty.always("GetObject", Fault::changed(|answer| answer.without("content-range")));
    assert_eq!(read(&rig, ByteRange::From(1000)).unwrap_err().kind(), ErrorKind::Protocol);
    rig.finish();
}

/// The response has a correct `Content-Range` but bytes from elsewhere. A range cannot be verified,
/// but the whole file can.
#[test]
fn range_shifted() {
    let (rig, content) = rig();
    let directory = tempfile::TempDir::new().unwrap();
    let target = directory.path().join("target");
    let download =
        || s3driver::transfer::Transfer::new(&rig.client).download_to_file(BUCKET, "key", &target);
    rig.faulty.once(
        "GetObject",
        Fault::changed(|mut answer| {
            answer.body.rotate_left(1);
            answer
        }),
    );
    assert_eq!(download().unwrap_err().kind(), ErrorKind::Integrity);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    download().unwrap();
    assert!(std::fs::read(&target).unwrap() == content);
    rig.finish();
}

/// `etag-changed`, `shrunk`: if an object is replaced while it is read, the result is an error and
/// never a mixture.
#[test]
fn etag_changed_and_shrunk() {
    for replacement in [bytes(8, 0, SIZE), bytes(8, 0, 1000), Vec::new()] {
        let (rig, content) = rig();
        rig.faulty.once("GetObject", Fault::cut(70_000, End::Close));
        let mut reader = rig.client.get_object(BUCKET, "key", &GetObject::default()).unwrap();
        let mut begin = vec![0; 70_000];
        std::io::Read::read_exact(&mut reader, &mut begin).unwrap();
        assert!(begin == content[..70_000]);
        rig.store("key", &replacement);
        let error = reader.read_all(1 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
        rig.finish();
    }
}

/// If the server does not support If-Match, the ETag of its response reveals the change.
#[test]
fn etag_changed_is_noticed_without_conditional_requests() {
    let (rig, _) = rig();
    rig.faulty.once("GetObject", Fault::cut(70_000, End::Close));
    rig.faulty.always("GetObject", Fault::changed(|answer| answer.with("etag", "\"another\"")));
    assert_eq!(read(&rig, ByteRange::All).unwrap_err().kind(), ErrorKind::Integrity);
    rig.finish();
}

#[test]
fn an_object_deleted_during_a_read_is_an_error() {
    let (rig, _) = rig();
    rig.faulty.once("GetObject", Fault::cut(70_000, End::Close));
    rig.faulty.always("GetObject", Fault::error(404, "NoSuchKey"));
    assert_eq!(read(&rig, ByteRange::All).unwrap_err().kind(), ErrorKind::Integrity);
    rig.finish();
}

#[test]
fn content_encoding() {
    let (rig, content) = rig();
    rig.faulty
        .always("GetObject", Fault::changed(|answer| answer.with("content-encoding", "gzip")));
    assert!(read(&rig, ByteRange::All).unwrap() == content);
    assert!(rig.faulty.seen()[0].header("accept-encoding").is_none());
    rig.finish();
}

/// `odd-etag`, `no-etag`: GET works with any ETag and without one, but a read that cannot be tied
/// to one version is not resumed.
#[test]
fn odd_etag_and_no_etag() {
    for etag in ["\"\u{40}odd etag-99\"", "unquoted", "W/\"weak\""] {
        let (rig, content) = rig();
        rig.faulty.always("GetObject", Fault::changed(move |answer| answer.with("etag", etag)));
        assert!(read(&rig, ByteRange::All).unwrap() == content, "{etag}");
        rig.finish();
    }
    let (rig, content) = rig();
    rig.faulty.once("GetObject", Fault::changed(|answer| answer.without("etag")));
    assert!(read(&rig, ByteRange::All).unwrap() == content);
    let cut = |mut answer: Answer| {
        answer.body.truncate(1000);
        answer.without("etag").bytes()
    };
    rig.faulty.once("GetObject", Fault::scripted(cut).end(End::Close));
    assert_eq!(read(&rig, ByteRange::All).unwrap_err().kind(), ErrorKind::Interrupted);
    rig.finish();
}

/// A weak ETag cannot be used as a condition, but still shows whether the object has changed.
#[test]
fn a_weak_etag_shows_a_changed_object() {
    let (rig, content) = rig();
    let cut = |mut answer: Answer| {
        answer.body.truncate(1000);
        answer.with("etag", "W/\"weak\"").bytes()
    };
    rig.faulty.once("GetObject", Fault::scripted(cut).end(End::Close));
    rig.faulty.always("GetObject", Fault::changed(|answer| answer.with("etag", "W/\"weak\"")));
    assert!(read(&rig, ByteRange::All).unwrap() == content);
    assert!(rig.faulty.seen()[1].header("if-match").is_none());
    rig.finish();
}

/// A download accepts a weak ETag, and a different one shows that the object has changed.
#[test]
fn a_weak_etag_shows_a_changed_object_to_downloads() {
    let (rig, content) = rig();
    let directory = tempfile::TempDir::new().unwrap();
    let target = directory.path().join("target");
    let download =
        || s3driver::transfer::Transfer::new(&rig.client).download_to_file(BUCKET, "key", &target);
    rig.faulty.always("HeadObject", Fault::changed(|answer| answer.with("etag", "W/\"weak\"")));
    rig.faulty.once("GetObject", Fault::changed(|answer| answer.with("etag", "W/\"weak\"")));
    download().unwrap();
    assert!(std::fs::read(&target).unwrap() == content);
    assert!(rig.faulty.seen().iter().all(|request| request.header("if-match").is_none()));
    assert_eq!(download().unwrap_err().kind(), ErrorKind::Integrity);
    rig.finish();
}

/// A success status without an object is not an empty object.
#[test]
fn a_success_status_without_an_object_is_an_error() {
    for status in [201, 202, 204] {
        let rig = Rig::new();
        rig.faulty.always(
            "GetObject",
            Fault::raw(format!("HTTP/1.1 {status} Odd\r\ncontent-length: 0\r\n\r\n")),
        );
        let error = rig.get("key").unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Refused),
            "{status}: {error}"
        );
        rig.finish();
    }
}

/// `endless-body`: the size of the object ends the read.
#[test]
fn endless_body() {
    let (rig, _) = rig();
    let mut endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..64 {
        endless.extend_from_slice(b"10000\r\n");
        endless.extend_from_slice(&[b'x'; 0x10000]);
        endless.extend_from_slice(b"\r\n");
    }
    rig.faulty.always("GetObject", Fault::raw(endless));
    let error = read(&rig, ByteRange::All).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    rig.finish();
}

/// Huawei OBS (esdk-obs-java issue 162), Wasabi and Versity's gateway (issue 1686) report an error
/// for an object without tags.
#[test]
fn an_object_without_a_tag_set_has_no_tags() {
    let rig = Rig::new();
    rig.store("key", b"content");
    let tags = || rig.client.get_object_tagging(BUCKET, "key", &VersionSelector::default());
    rig.faulty.once("GetObjectTagging", Fault::error(404, "NoSuchTagSet"));
    assert_eq!(tags().unwrap(), []);
    rig.faulty.once("GetObjectTagging", Fault::error(404, "NoSuchKey"));
    assert_eq!(tags().unwrap_err().kind(), ErrorKind::NoSuchKey);
    rig.finish();
}

/// A failed download continues after the bytes that arrived, and only with the version of the
/// object that they belong to.
#[test]
fn a_failed_download_is_continued_with_its_own_version() {
    let (rig, content) = rig();
    let (other, newer) = (bytes(8, 0, SIZE), bytes(9, 0, SIZE));
    rig.store("other", &other);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let fetch = |key| Transfer::new(&rig.client).resume_download(BUCKET, key, &file);
    let fail = || {
        rig.faulty.always("GetObject", Fault::cut(50_000, End::Close));
        assert_eq!(fetch("key").unwrap_err().kind(), ErrorKind::Interrupted);
        rig.faulty.heal();
    };
    fail();
    fetch("other").unwrap();
    assert!(std::fs::read(&file).unwrap() == other);

    let before = rig.faulty.seen().len();
    assert_eq!(fetch("key").unwrap().bytes, SIZE as u64);
    assert!(std::fs::read(&file).unwrap() == content);
    let seen = rig.faulty.seen();
    let get = seen[before..].iter().find(|seen| seen.operation == "GetObject").unwrap();
    let range = get.header("range").unwrap();
    assert!(range.starts_with("bytes=") && !range.starts_with("bytes=0-"), "{range}");

    fail();
    rig.store("key", &newer);
    fetch("key").unwrap();
    assert!(std::fs::read(&file).unwrap() == newer);
    rig.finish();
}
