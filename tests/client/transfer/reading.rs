//! Tests reading objects from any position, into any writer, and with conditions.
use super::{client, server, transfer};
use crate::writing::{PART, bytes};
use s3driver::client::{ByteRange, Condition, GetObject, ObjectSettings};
use s3driver::time::Timestamp;
use s3driver::transfer::{DownloadVerification, Verified};
use s3driver::{Error, ErrorKind};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[test]
fn an_object_is_read_at_any_position_as_a_file_is() {
    let server = server();
    let client = client(&server);
    let size = 20 * MIB;
    let content = bytes(11, 0, size as usize);
    server.put_object(server.bucket(), "k", content.clone());
    let mut object = transfer(&client).open(server.bucket(), "k", &GetObject::default()).unwrap();
    assert_eq!(object.meta().size, size);
    let mut file = io::Cursor::new(&content);
    let places = [
        SeekFrom::Start(0),
        SeekFrom::End(-22),
        SeekFrom::End(0),
        SeekFrom::End(7),
        SeekFrom::Start(9 * MIB),
        SeekFrom::Current(-5),
        SeekFrom::Current(-(2 * MIB as i64)),
        SeekFrom::Current(100 * KIB as i64),
        SeekFrom::Current(3 * MIB as i64),
        SeekFrom::Start(size - 1),
        SeekFrom::Start(1),
    ];
    for place in places {
        for length in [1, 1000, 300 * KIB as usize] {
            assert_eq!(object.seek(place).unwrap(), file.seek(place).unwrap(), "{place:?}");
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            (&mut object).take(length as u64).read_to_end(&mut ours).unwrap();
            (&mut file).take(length as u64).read_to_end(&mut theirs).unwrap();
            assert!(ours == theirs, "{length} bytes at {place:?}");
        }
    }
    let error = object.seek(SeekFrom::Start(0)).and_then(|_| object.seek(SeekFrom::Current(-1)));
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(object.stream_position().unwrap(), 0, "a seek that fails moves nothing");
    let mut whole = Vec::new();
    object.read_to_end(&mut whole).unwrap();
    assert!(whole == content);
}

#[test]
fn seeks_in_the_block_are_free_and_ranges_grow() {
    let server = server();
    let client = client(&server);
    let content = bytes(12, 0, 20 * MIB as usize);
    server.put_object(server.bucket(), "k", content.clone());
    let mut object = client.open(server.bucket(), "k", &GetObject::default()).unwrap();
    let byte = |object: &mut s3driver::transfer::SeekableObject, at: u64| {
        let before = server.count("GetObject");
        object.seek(SeekFrom::Start(at)).unwrap();
        let mut byte = [0];
        object.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], content[at as usize]);
        server.count("GetObject") - before
    };
    let opened = client.stats().connections;
    assert_eq!(byte(&mut object, 10 * MIB), 1);
    let near = 10 * MIB + 1000;
    assert_eq!((byte(&mut object, near), byte(&mut object, 10 * MIB)), (0, 0));
    assert_eq!(byte(&mut object, 0), 1);
    assert_eq!(byte(&mut object, 15 * MIB), 1);

    // Reading on takes a few ranges, each twice as long, and not one for every block.
    let before = server.count("GetObject");
    object.seek(SeekFrom::Start(0)).unwrap();
    io::copy(&mut (&mut object).take(8 * MIB), &mut io::sink()).unwrap();
    let requests = server.count("GetObject") - before;
    assert!((3..=12).contains(&requests), "{requests}");
    assert!(client.stats().connections - opened < 20);
}

#[test]
fn an_object_that_is_replaced_is_not_read_on() {
    let server = server();
    let client = client(&server);
    server.put_object(server.bucket(), "k", bytes(13, 0, 5 << 20));
    let mut object = client.open(server.bucket(), "k", &GetObject::default()).unwrap();
    object.read_exact(&mut [0; 10]).unwrap();
    server.put_object(server.bucket(), "k", bytes(14, 0, 5 << 20));
    object.seek(SeekFrom::Start(4 << 20)).unwrap();
    let error = Error::from(object.read(&mut [0]).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");

    let stale = GetObject::default().condition(Condition::IfMatch("0".repeat(32)));
    let error = client.open(server.bucket(), "k", &stale).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error}");
}

#[test]
fn ranges_begin_and_end_where_they_say() {
    let server = server();
    let client = client(&server);
    let content = bytes(15, 0, 1000);
    server.put_object(server.bucket(), "k", content.clone());
    let last = |count| {
        let request = GetObject::range(ByteRange::Last(count));
        client.get_object(server.bucket(), "k", &request)?.read_all(2000)
    };
    assert_eq!(last(1).unwrap(), content[999..]);
    assert_eq!(last(999).unwrap(), content[1..]);
    assert_eq!(last(5000).unwrap(), content);
    assert_eq!(last(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let range = |range| client.read_range(server.bucket(), "k", range);
    assert_eq!(range(10..20).unwrap(), content[10..20]);
    assert_eq!(range(990..2000).unwrap(), content[990..]);
    assert_eq!(range(1000..1001).unwrap_err().kind(), ErrorKind::InvalidRange);
    assert_eq!(range(7..7).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn what_the_caller_has_already_is_not_sent() {
    let server = server();
    let client = client(&server);
    let stored =
        client.put_object(server.bucket(), "k", b"content", &ObjectSettings::default()).unwrap();
    let etag = stored.etag.unwrap();
    let now = Timestamp::from(SystemTime::now());
    let hour = Duration::from_secs(3600);
    let (past, future) = (Timestamp::from_unix(now.unix() - 3600), now.plus(hour));
    for (condition, expected) in [
        (Condition::IfNoneMatch(etag.clone()), Some(ErrorKind::NotModified)),
        (Condition::IfNoneMatch("0".repeat(32)), None),
        (Condition::IfModifiedSince(past), None),
        (Condition::IfModifiedSince(future), Some(ErrorKind::NotModified)),
        (Condition::IfUnmodifiedSince(past), Some(ErrorKind::PreconditionFailed)),
        (Condition::IfUnmodifiedSince(future), None),
        (Condition::IfMatch(etag), None),
        (Condition::IfAbsent, Some(ErrorKind::InvalidArgument)),
    ] {
        let request = GetObject::default().condition(condition.clone());
        let read = client.get_object(server.bucket(), "k", &request);
        let read = read.and_then(|reader| reader.read_all(10));
        assert_eq!(read.err().map(|error| error.kind()), expected, "GET {condition:?}");
        let head = client.head_object(server.bucket(), "k", &request);
        assert_eq!(head.err().map(|error| error.kind()), expected, "HEAD {condition:?}");
    }
}

#[test]
fn headers_of_a_response_can_be_replaced() {
    let server = server();
    let client = client(&server);
    let settings = ObjectSettings::default().content_type("text/plain");
    client.put_object(server.bucket(), "k", b"<p>", &settings).unwrap();
    let mut headers = s3driver::client::ResponseHeaders::default();
    headers.content_type = Some("text/html; charset=utf-8".to_owned());
    let request = GetObject::default().overrides(headers);
    let reader = client.get_object(server.bucket(), "k", &request).unwrap();
    assert_eq!(reader.meta().content_type.as_deref(), Some("text/html; charset=utf-8"));
    let meta = client.head_object(server.bucket(), "k", &GetObject::default()).unwrap();
    assert_eq!(meta.content_type.as_deref(), Some("text/plain"));
}

/// A writer that accepts this many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = content.len().min(self.0);
        self.0 -= count;
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_download_into_a_writer_says_what_verified_it() {
    let server = server();
    let client = client(&server);
    for size in [0, 5, 3 * PART + 1] {
        let content = bytes(16, 0, size);
        server.put_object(server.bucket(), "k", content.clone());
        let mut target = Vec::new();
        let received = transfer(&client).download(server.bucket(), "k", &mut target).unwrap();
        assert!(target == content, "{size} bytes");
        assert_eq!(received.bytes, size as u64);
        assert!(matches!(received.verified, Verified::Crc64Nvme | Verified::Md5), "{received:?}");
        let trusting = transfer(&client).verification(DownloadVerification::Length);
        let received = trusting.download(server.bucket(), "k", &mut io::sink()).unwrap();
        assert_eq!(received.verified, Verified::LengthAlone);
    }
    let error = transfer(&client).download(server.bucket(), "k", &mut Full(1000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalIo, "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
    let error = transfer(&client).download(server.bucket(), "none", &mut io::sink()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchKey, "{error}");
}
