//! Tests of checksums with the embedded server, which computes them independently and rejects
//! mismatches.

use crate::server::{Answer, End, Fault, Faulty, Seen};
use crate::support::ServerOptions;
use crate::support::target::bytes_at;
use s3driver::ErrorKind;
use s3driver::client::{
    ByteRange, Checksum, Client, Condition, Config, Endpoint, GetObject, ObjectSettings,
    PayloadSigning, Scheme, SignatureVersion, UploadRef, Variant,
};
use s3driver::sign::Credentials;
use std::io::Read;

const BUCKET: &str = "registry";
const CHECKSUMS: [(Checksum, &str); 2] = [
    (Checksum::Crc32c, "x-amz-checksum-crc32c"),
    (Checksum::Crc64Nvme, "x-amz-checksum-crc64nvme"),
];

fn start() -> Faulty {
    Faulty::start(ServerOptions { min_part_size: 1, ..ServerOptions::default() })
}

fn client(faulty: &Faulty, checksum: Checksum) -> Client {
    Client::new(config(faulty).checksum(checksum)).unwrap()
}

fn config(faulty: &Faulty) -> Config {
    let endpoint = Endpoint::custom(&faulty.url(), Some("us-east-1"), Scheme::Http).unwrap();
    Config::new(endpoint)
        .static_credentials(Credentials::new("AKIDEMBEDDED", "embedded/secret+key"))
}

fn seen(faulty: &Faulty, operation: &str) -> Vec<Seen> {
    faulty.seen().into_iter().filter(|seen| seen.operation == operation).collect()
}

fn get(client: &Client) -> s3driver::Result<Vec<u8>> {
    client.get_object(BUCKET, "key", &GetObject::default())?.read_all(1 << 20)
}

#[test]
fn uploads_carry_a_checksum_that_the_server_verifies() {
    for (checksum, header) in CHECKSUMS {
        for signature in [SignatureVersion::V4, SignatureVersion::V2] {
            let faulty = start();
            let payload = PayloadSigning::Unsigned;
            let client = Client::new(
                config(&faulty).checksum(checksum).signature(signature).payload_signing(payload),
            )
            .unwrap();
            let content = bytes_at(1, 0, 100_000);
            client.put_object(BUCKET, "key", &content, &ObjectSettings::default()).unwrap();
            assert!(seen(&faulty, "PutObject")[0].header(header).is_some());
            assert!(faulty.backend.object_info(BUCKET, "key").unwrap().checksum.is_some());
            assert!(get(&client).unwrap() == content);
            assert_eq!(
                seen(&faulty, "GetObject")[0].header("x-amz-checksum-mode"),
                Some("ENABLED")
            );
        }
    }
}

#[test]
fn multipart_uploads_have_a_checksum_of_the_whole_object() {
    for (checksum, header) in CHECKSUMS {
        let faulty = start();
        let client = client(&faulty, checksum);
        let id = client.create_multipart_upload(BUCKET, "key", &ObjectSettings::default()).unwrap();
        let upload = UploadRef { bucket: BUCKET, key: "key", upload_id: &id };
        let parts: Vec<_> = (1..=3)
            .map(|number| {
                client.upload_part(upload, number, &bytes_at(number.into(), 0, 1000)).unwrap()
            })
            .collect();
        client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
        assert!(seen(&faulty, "UploadPart").iter().all(|seen| seen.header(header).is_some()));
        let content: Vec<u8> = (1..=3).flat_map(|number| bytes_at(number, 0, 1000)).collect();
        // The data is compared with the server's checksum of the whole object, so a flipped bit is
        // noticed.
        assert!(get(&client).unwrap() == content);
        faulty.once("GetObject", Fault::changed(flipped));
        assert_eq!(get(&client).unwrap_err().kind(), ErrorKind::Integrity);
    }
}

fn flipped(mut answer: Answer) -> Answer {
    let middle = answer.body.len() / 2;
    answer.body[middle] ^= 1;
    answer
}

/// The rows `bitflip` and `bad-checksum`: damaged data is never returned as valid.
#[test]
fn bitflip_and_bad_checksum() {
    for (checksum, header) in CHECKSUMS {
        let faulty = start();
        let client = client(&faulty, checksum);
        let content = bytes_at(1, 0, 300_000);
        client.put_object(BUCKET, "key", &content, &ObjectSettings::default()).unwrap();
        faulty.once("GetObject", Fault::changed(flipped));
        let error = get(&client).unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Integrity, Some("key")), "{error}");
        faulty.once("GetObject", Fault::changed(move |answer| answer.with(header, "AAAAAAAAAAA=")));
        assert_eq!(get(&client).unwrap_err().kind(), ErrorKind::Integrity);
        // A streaming reader never reports the end of damaged data.
        faulty.once("GetObject", Fault::changed(flipped));
        let mut reader = client.get_object(BUCKET, "key", &GetObject::default()).unwrap();
        let mut got = Vec::new();
        assert!(reader.read_to_end(&mut got).is_err());
        assert!(got.len() < content.len());
        // A resumed read is compared with the checksum of the first response.
        faulty.once("GetObject", Fault::cut(100_000, End::Close));
        assert!(get(&client).unwrap() == content);
        faulty.once("GetObject", Fault::cut(100_000, End::Close));
        faulty.once("GetObject", Fault::changed(flipped));
        assert_eq!(get(&client).unwrap_err().kind(), ErrorKind::Integrity);
        // Ranges have no checksum.
        let part = GetObject::range(ByteRange::From(10));
        assert!(
            client.get_object(BUCKET, "key", &part).unwrap().read_all(1 << 20).unwrap()
                == content[10..]
        );
    }
}

/// For servers that do not support a CRC: `Content-MD5`, which every server supports, and the ETag
/// where it is an MD5.
#[test]
fn md5_is_compared_if_the_etag_is_one() {
    let faulty = start();
    let client = client(&faulty, Checksum::Md5);
    let content = bytes_at(1, 0, 300_000);
    client.put_object(BUCKET, "key", &content, &ObjectSettings::default()).unwrap();
    assert!(seen(&faulty, "PutObject")[0].header("content-md5").is_some());
    assert!(get(&client).unwrap() == content);
    assert_eq!(seen(&faulty, "GetObject")[0].header("x-amz-checksum-mode"), None);
    faulty.once("GetObject", Fault::changed(flipped));
    let error = get(&client).unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Integrity, Some("key")), "{error}");
    // A resumed read is compared with the ETag of the first response.
    faulty.once("GetObject", Fault::cut(100_000, End::Close));
    faulty.once("GetObject", Fault::changed(flipped));
    assert_eq!(get(&client).unwrap_err().kind(), ErrorKind::Integrity);
    faulty.once("GetObject", Fault::cut(100_000, End::Close));
    assert!(get(&client).unwrap() == content);
    // Without this option, the check and its cost are absent.
    faulty.once("GetObject", Fault::changed(flipped));
    assert!(get(&self::client(&faulty, Checksum::Auto)).unwrap() != content);
    // The ETag is not an MD5 of the bytes: they are encrypted with a KMS key, or were uploaded in
    // parts.
    faulty.once(
        "GetObject",
        Fault::changed(|answer| flipped(answer).with("x-amz-server-side-encryption", "aws:kms")),
    );
    assert!(get(&client).unwrap() != content);
    faulty.once(
        "GetObject",
        Fault::changed(|answer| flipped(answer).with("x-amz-server-side-encryption", "AES256")),
    );
    assert_eq!(get(&client).unwrap_err().kind(), ErrorKind::Integrity);
    let id = client.create_multipart_upload(BUCKET, "key", &ObjectSettings::default()).unwrap();
    let upload = UploadRef { bucket: BUCKET, key: "key", upload_id: &id };
    let parts = [1, 2].map(|number| {
        client.upload_part(upload, number, &bytes_at(number.into(), 0, 1000)).unwrap()
    });
    client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
    assert!(seen(&faulty, "UploadPart").iter().all(|seen| seen.header("content-md5").is_some()));
    assert!(!seen(&faulty, "CreateMultipartUpload")[0].head.contains("x-amz-checksum"));
    assert!(get(&client).unwrap() == [bytes_at(1, 0, 1000), bytes_at(2, 0, 1000)].concat());
}

/// Bytes that are damaged during an upload are rejected, sent again, and stored correctly.
#[test]
fn damage_during_an_upload_is_repaired() {
    let faulty = start();
    let client = client(&faulty, Checksum::Crc64Nvme);
    faulty.once("PutObject", Fault::error(400, "XAmzContentChecksumMismatch"));
    client.put_object(BUCKET, "key", b"content", &ObjectSettings::default()).unwrap();
    assert_eq!(faulty.count("PutObject"), 2);
    assert_eq!(faulty.backend.object(BUCKET, "key").unwrap(), "content");
}

/// On AWS, an upload that another program began without a checksum accepts none.
#[test]
fn an_upload_begun_without_a_checksum_continues_without_one() {
    let faulty = start();
    let id = client(&faulty, Checksum::None)
        .create_multipart_upload(BUCKET, "key", &ObjectSettings::default())
        .unwrap();
    let client = client(&faulty, Checksum::Crc64Nvme);
    let upload = UploadRef { bucket: BUCKET, key: "key", upload_id: &id };
    let text = "<Error><Code>InvalidRequest</Code><Message>Checksum Type mismatch occurred, expected checksum Type: null, \
                actual checksum Type: crc64nvme</Message></Error>";
    faulty.once("UploadPart", Fault::reply(400, text));
    let part = client.upload_part(upload, 1, b"part").unwrap();
    let sent: Vec<bool> = seen(&faulty, "UploadPart")
        .iter()
        .map(|seen| seen.header("x-amz-checksum-crc64nvme").is_some())
        .collect();
    assert_eq!(sent, [true, false]);
    client.complete_multipart_upload(upload, &[part], &Condition::Always).unwrap();
    assert_eq!(faulty.backend.object(BUCKET, "key").unwrap(), "part");
}

/// A checksum of the parts' checksums does not describe the bytes of the whole object.
#[test]
fn composite_checksums_are_ignored() {
    let faulty = start();
    let client = client(&faulty, Checksum::Crc32c);
    client.put_object(BUCKET, "key", b"content", &ObjectSettings::default()).unwrap();
    faulty.once(
        "GetObject",
        Fault::changed(|answer| answer.with("x-amz-checksum-crc32c", "AAAAAA==-2")),
    );
    assert_eq!(get(&client).unwrap(), b"content");
    let composite = |answer: Answer| {
        answer.with("x-amz-checksum-crc32c", "AAAAAA==").with("x-amz-checksum-type", "COMPOSITE")
    };
    faulty.once("GetObject", Fault::changed(composite));
    assert_eq!(get(&client).unwrap(), b"content");
}

/// `auto` means AWS's own default on AWS, and nothing elsewhere.
#[test]
fn auto_is_only_for_aws() {
    let faulty = start();
    client(&faulty, Checksum::Auto)
        .put_object(BUCKET, "key", b"content", &ObjectSettings::default())
        .unwrap();
    assert!(!faulty.seen()[0].head.contains("x-amz-checksum"));
    let endpoint = Endpoint::aws("us-east-1", Scheme::Http, Variant::default()).unwrap();
    let aws = Config::new(endpoint)
        .static_credentials(Credentials::new("AKID", "secret"))
        .proxy(s3driver::client::Proxy::parse(&faulty.url()).unwrap());
    faulty.once("*", Fault::reply(200, ""));
    Client::new(aws)
        .unwrap()
        .put_object(BUCKET, "a/key", b"content", &ObjectSettings::default())
        .unwrap();
    assert!(faulty.seen()[1].header("x-amz-checksum-crc64nvme").is_some());
}
