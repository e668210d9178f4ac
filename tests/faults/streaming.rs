//! Tests of PutObject from a reader. Up to a limit, the body is held in memory and sent like any
//! other; beyond it, it is signed in chunks.

use crate::server::{End, Fault};
use crate::support::ServerOptions;
use crate::support::content::bytes;
use crate::{BUCKET, Rig, assert_no_secret};
use s3driver::client::{
    Checksum, Client, Config, Endpoint, HELD_BODY, ObjectSettings, PayloadSigning, PutResult,
    Scheme, SignatureVersion, Variant,
};
use s3driver::sign::Credentials;
use s3driver::{ErrorKind, Result};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// Returns a body longer than that limit, which has several chunks of 64 KiB and a shorter one.
/// Every byte depends on its position.
fn long() -> Vec<u8> {
    bytes(7, 0, HELD_BODY as usize + 100_003)
}

fn put_as(
    client: &Client,
    source: &mut dyn Read,
    length: usize,
    settings: &ObjectSettings,
) -> Result<PutResult> {
    client.put_object_from(BUCKET, "key", source, length as u64, settings)
}

fn put(client: &Client, content: &[u8]) -> Result<PutResult> {
    put_as(client, &mut &*content, content.len(), &ObjectSettings::default())
}

/// Returns a header of the only PutObject so far.
fn sent(rig: &Rig, name: &str) -> Option<String> {
    let seen = rig.faulty.seen();
    let mut puts = seen.iter().filter(|seen| seen.operation == "PutObject");
    let (Some(put), None) = (puts.next(), puts.next()) else {
        panic!("{} PutObject requests were sent", rig.count("PutObject"))
    };
    put.header(name).map(str::to_owned)
}

fn with_checksum(checksum: Checksum) -> Rig {
    Rig::with(ServerOptions::default(), |config| config.checksum(checksum))
}

#[test]
fn a_short_body_is_signed() {
    for length in [0, 1, 100_000, HELD_BODY as usize] {
        let (rig, content) = (Rig::new(), bytes(7, 0, length));
        put(&rig.client, &content).unwrap();
        assert_eq!(sent(&rig, "x-amz-content-sha256"), Some(hex::encode(Sha256::digest(&content))));
        assert!(rig.stored("key").unwrap() == content);
        rig.finish();
    }
}

#[test]
fn a_short_body_has_its_checksum() {
    for (checksum, header) in [
        (Checksum::Crc32c, "x-amz-checksum-crc32c"),
        (Checksum::Crc64Nvme, "x-amz-checksum-crc64nvme"),
        (Checksum::Md5, "content-md5"),
    ] {
        let rig = with_checksum(checksum);
        put(&rig.client, b"content").unwrap();
        assert!(sent(&rig, header).is_some(), "{header}");
        assert_eq!(rig.stored("key").unwrap(), b"content");
        rig.finish();
    }
}

#[test]
fn a_short_body_is_sent_again() {
    for fault in
        [Fault::error(503, "SlowDown"), Fault::silent(End::Close), Fault::error(400, "BadDigest")]
    {
        let (rig, content) = (Rig::new(), bytes(7, 0, 100_000));
        rig.faulty.times("PutObject", 0, 2, fault);
        put(&rig.client, &content).unwrap();
        assert_eq!(rig.count("PutObject"), 3);
        assert!(rig.stored("key").unwrap() == content);
        rig.finish();
    }
}

/// A reader that returns its bytes and then an error.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            Err(io::Error::other("the disk is gone"))
        } else {
            self.0.read(into)
        }
    }
}

#[test]
fn a_reader_that_ends_early_or_fails_is_an_error_before_any_request() {
    let (rig, content) = (Rig::new(), bytes(7, 0, 100_000));
    let settings = ObjectSettings::default();
    let early = put_as(&rig.client, &mut &content[..], 100_001, &settings).unwrap_err();
    assert!(early.message().contains("ended after 100000 of 100001 bytes"), "{early}");
    let failed = put_as(&rig.client, &mut Failing(&content), 100_001, &settings).unwrap_err();
    assert!(
        failed.message().contains("after 100000 of 100001 bytes: the disk is gone"),
        "{failed}"
    );
    for error in [early, failed] {
        assert_eq!(
            (error.kind(), error.key(), error.attempts()),
            (ErrorKind::LocalIo, Some("key"), 0),
            "{error}"
        );
    }
    assert_eq!(rig.faulty.seen().len(), 0);
    rig.finish();
}

#[test]
fn a_long_body_that_ends_early_or_fails_stores_nothing() {
    let content = long();
    let settings = ObjectSettings::default();
    for payload in [PayloadSigning::Auto, PayloadSigning::Unsigned] {
        let rig = Rig::with(ServerOptions::default(), |config| config.payload_signing(payload));
        let length = content.len() + 1;
        let early = put_as(&rig.client, &mut &content[..], length, &settings).unwrap_err();
        assert!(
            early
                .to_string()
                .contains(&format!("it ended after {} of {length} bytes", content.len())),
            "{early}"
        );
        let failed = put_as(&rig.client, &mut Failing(&content), length, &settings).unwrap_err();
        assert!(failed.to_string().contains("the disk is gone"), "{failed}");
        for error in [early, failed] {
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::LocalIo, 1), "{error}");
        }
        assert_eq!(rig.stored("key"), None);
        rig.finish();
    }
}

#[test]
fn bytes_beyond_the_length_stay_in_the_reader() {
    for length in [100_000, HELD_BODY as usize + 5] {
        let (rig, content) = (Rig::new(), bytes(7, 0, length + 9));
        let mut source = &content[..];
        put_as(&rig.client, &mut source, length, &ObjectSettings::default()).unwrap();
        assert_eq!(source, &content[length..]);
        assert!(rig.stored("key").unwrap() == content[..length]);
        rig.finish();
    }
}

#[test]
fn a_long_body_is_signed_in_chunks() {
    let content = long();
    for encoding in [None, Some("gzip".to_owned())] {
        let rig = Rig::new();
        let mut settings = ObjectSettings::default();
        settings.content_encoding.clone_from(&encoding);
        put_as(&rig.client, &mut &content[..], content.len(), &settings).unwrap();
        assert_eq!(
            sent(&rig, "x-amz-content-sha256").as_deref(),
            Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        );
        assert_eq!(sent(&rig, "x-amz-decoded-content-length"), Some(content.len().to_string()));
        assert!(rig.stored("key").unwrap() == content);
        let object = rig.faulty.backend.object_info(BUCKET, "key").unwrap();
        assert_eq!(object.attributes.content_encoding, encoding);
        // The client reads the first 64 bytes of the stored object once.
        let looks: Vec<_> =
            rig.faulty.seen().into_iter().filter(|seen| seen.operation == "GetObject").collect();
        assert_eq!(
            looks.iter().map(|look| look.header("range")).collect::<Vec<_>>(),
            [Some("bytes=0-63")]
        );
        rig.finish();
    }
}

#[test]
fn a_long_body_is_followed_by_its_checksum() {
    let content = long();
    for (checksum, name) in [
        (Checksum::Crc32c, "x-amz-checksum-crc32c"),
        (Checksum::Crc64Nvme, "x-amz-checksum-crc64nvme"),
    ] {
        let rig = with_checksum(checksum);
        put(&rig.client, &content).unwrap();
        let payload = sent(&rig, "x-amz-content-sha256");
        assert_eq!(payload.as_deref(), Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"));
        assert_eq!(sent(&rig, "x-amz-trailer").as_deref(), Some(name));
        assert!(rig.stored("key").unwrap() == content);
        // The server has compared the checksum, and returns it to a reader, which compares it
        // again.
        assert!(rig.faulty.backend.object_info(BUCKET, "key").unwrap().checksum.is_some());
        assert!(rig.get("key").unwrap() == content);
        rig.finish();
    }
    // S3 does not accept an MD5 in a trailer.
    let rig = with_checksum(Checksum::Md5);
    put(&rig.client, &content).unwrap();
    assert_eq!(
        sent(&rig, "x-amz-content-sha256").as_deref(),
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    );
    assert!(rig.stored("key").unwrap() == content);
    rig.finish();
}

/// The request is sent as with https, where AWS receives the checksum after a body that TLS
/// protects.
#[test]
fn a_long_unsigned_body_for_aws_has_a_checksum() {
    let content = long();
    for (checksum, trailer) in
        [(Checksum::Auto, Some("x-amz-checksum-crc64nvme")), (Checksum::None, None)]
    {
        let rig = Rig::new();
        let endpoint = Endpoint::aws("us-east-1", Scheme::Http, Variant::default()).unwrap();
        let config = Config::new(endpoint)
            .static_credentials(Credentials::new("AKIDEXAMPLE", "secret"))
            .payload_signing(PayloadSigning::Unsigned)
            .checksum(checksum)
            .proxy(s3driver::client::Proxy::parse(&rig.faulty.url()).unwrap());
        let client = Client::new(config).unwrap();
        rig.faulty.always(
            "*",
            Fault::reply_with(200, &[("etag", "\"e\""), ("connection", "close")], "")
                .end(End::Close),
        );
        put(&client, &content).unwrap();
        let seen = rig.faulty.seen();
        let [request] = &seen[..] else { panic!("{} requests", seen.len()) };
        assert_eq!(request.header("x-amz-trailer"), trailer);
        let Some(trailer) = trailer else {
            assert_eq!(request.header("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
            assert!(request.body == content);
            continue;
        };
        assert_eq!(
            request.header("x-amz-content-sha256"),
            Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        );
        assert_eq!(request.header("content-encoding"), Some("aws-chunked"));
        assert_eq!(
            request.header("x-amz-decoded-content-length"),
            Some(&*content.len().to_string())
        );
        let (mut rest, mut read) = (&request.body[..], Vec::new());
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            let size =
                usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
            rest = &rest[end + 2..];
            if size == 0 {
                break;
            }
            read.extend_from_slice(&rest[..size]);
            assert_eq!(&rest[size..size + 2], b"\r\n");
            rest = &rest[size + 2..];
        }
        assert!(read == content);
        let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &content);
        let sum =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum.to_be_bytes());
        assert_eq!(std::str::from_utf8(rest).unwrap(), format!("{trailer}:{sum}\r\n\r\n"));
        drop(client);
        rig.finish();
    }
}

#[test]
fn a_byte_changed_in_transit_is_rejected() {
    let content = long();
    // Damages the first chunk, a later one, and the last one.
    for at in [1_000, 70_000, content.len()] {
        let rig = Rig::new();
        rig.faulty.once("PutObject", Fault::changed(|answer| answer).damaged_upload(at));
        let error = put(&rig.client, &content).unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::SignatureRejected, 1), "{error}");
        assert_no_secret(&error);
        assert_eq!(rig.stored("key"), None);
        rig.finish();
    }
    let rig = Rig::new();
    rig.faulty.once("PutObject", Fault::changed(|answer| answer).damaged_upload(1_000));
    put(&rig.client, &content[..100_000]).unwrap();
    assert_eq!(rig.count("PutObject"), 2);
    assert!(rig.stored("key").unwrap() == content[..100_000]);
    rig.finish();
}

#[test]
fn a_server_that_stores_chunk_framing_is_detected() {
    let content = long();
    let framed = b"10000;chunk-signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n";
    let rig = Rig::new();
    rig.faulty.once(
        "GetObject",
        Fault::reply_with(206, &[("content-range", "bytes 0-63/8488611")], &framed[..64]),
    );
    let error = put(&rig.client, &content).unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Integrity, false), "{error}");
    assert!(error.to_string().contains("set payload to unsigned"), "{error}");
    rig.finish();
    // If the object cannot be read, or if another object has replaced it, the upload is not
    // reported as damaged.
    for (fault, wanted) in [
        (Fault::error(403, "AccessDenied"), Some(ErrorKind::OutcomeUnknown)),
        (Fault::error(404, "NoSuchKey"), None),
        (Fault::error(416, "InvalidRange"), None),
        (Fault::reply_with(206, &[("content-range", "bytes 0-4/5")], "other"), None),
    ] {
        let rig = Rig::new();
        rig.faulty.once("GetObject", fault);
        assert_eq!(put(&rig.client, &content).err().map(|error| error.kind()), wanted);
        rig.finish();
    }
}

#[test]
fn a_server_that_rejects_chunks_is_reported_with_the_remedy() {
    for (checksum, hint) in
        [(Checksum::None, "payload to unsigned"), (Checksum::Crc32c, "checksum to none")]
    {
        let rig = with_checksum(checksum);
        rig.faulty.always("PutObject", Fault::error(400, "XAmzContentSHA256Mismatch"));
        let error = put(&rig.client, &long()).unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
        assert_eq!(rig.count("PutObject"), 1);
        rig.finish();
    }
    // A body that is not sent in chunks is not affected.
    let rig = Rig::with(ServerOptions::default(), |config| {
        config.payload_signing(PayloadSigning::Unsigned)
    });
    rig.faulty.always("PutObject", Fault::error(400, "InvalidRequest"));
    assert!(!put(&rig.client, &long()).unwrap_err().to_string().contains("chunks"));
    rig.finish();
}

#[test]
fn a_long_unsigned_body_is_sent_without_chunks() {
    let content = long();
    let rig = Rig::with(ServerOptions::default(), |config| {
        config.payload_signing(PayloadSigning::Unsigned)
    });
    put(&rig.client, &content).unwrap();
    assert_eq!(sent(&rig, "x-amz-content-sha256").as_deref(), Some("UNSIGNED-PAYLOAD"));
    assert_eq!(sent(&rig, "content-length"), Some(content.len().to_string()));
    assert!(rig.stored("key").unwrap() == content);
    assert_eq!(rig.count("GetObject"), 0);
    rig.finish();
    let rig = Rig::with(ServerOptions::default(), |config| config.signature(SignatureVersion::V2));
    put(&rig.client, &content).unwrap();
    assert_eq!(
        (sent(&rig, "x-amz-content-sha256"), sent(&rig, "x-amz-decoded-content-length")),
        (None, None)
    );
    assert!(rig.stored("key").unwrap() == content);
    rig.finish();
    // Without credentials there is nothing to sign with.
    let rig = Rig::new();
    let endpoint = Endpoint::custom(&rig.faulty.url(), Some("us-east-1"), Scheme::Http).unwrap();
    let nobody = Client::new(Config::new(endpoint)).unwrap();
    assert_eq!(put(&nobody, &content).unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(
        (sent(&rig, "x-amz-content-sha256"), sent(&rig, "x-amz-decoded-content-length")),
        (None, None)
    );
    drop(nobody);
    rig.finish();
}

/// With https, the number of bytes that the server received shows whether the body was sent in
/// chunks.
#[test]
fn over_https_bodies_are_signed_only_if_configured() {
    let content = long();
    for (payload, chunked) in [(PayloadSigning::Auto, false), (PayloadSigning::Signed, true)] {
        let server =
            crate::support::Server::start(ServerOptions { tls: true, ..ServerOptions::default() });
        let endpoint =
            Endpoint::custom(&server.endpoint(), Some("us-east-1"), Scheme::Https).unwrap();
        let config = Config::new(endpoint)
            .static_credentials(Credentials::new(server.access_key(), server.secret_key()))
            .extra_roots_pem(server.ca_pem().unwrap())
            .payload_signing(payload);
        put(&Client::new(config).unwrap(), &content).unwrap();
        assert!(*server.object(BUCKET, "key").unwrap() == content);
        assert_eq!(server.bytes_in() > content.len() as u64, chunked);
    }
}
