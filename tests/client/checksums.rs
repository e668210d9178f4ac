//! Tests of checksums with the embedded server, which computes them independently and rejects
//! mismatches.

use crate::server::{Answer, End, Fault, Faulty, Seen};
use crate::support::ServerOptions;
use crate::support::body::Algorithm;
use crate::support::content::bytes;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use s3driver::ErrorKind;
use s3driver::client::{
    ByteRange, Checksum, ChecksumType, Client, Condition, Config, CopySource, CreateBucket,
    Endpoint, GetObject, LegalHold, ObjectLock, ObjectSettings, Part, PayloadSigning, Retention,
    RetentionMode, Scheme, SignatureVersion, UploadRef, Variant,
};
use s3driver::sign::Credentials;
use s3driver::time::Timestamp;
use s3driver::transfer::Transfer;
use std::io::{Read, Write};
use std::time::{Duration, SystemTime};

const BUCKET: &str = "registry";
const WHOLE: [(Checksum, &str); 3] = [
    (Checksum::Crc32, "x-amz-checksum-crc32"),
    (Checksum::Crc32c, "x-amz-checksum-crc32c"),
    (Checksum::Crc64Nvme, "x-amz-checksum-crc64nvme"),
];
const COMPOSITE: [(Checksum, &str); 4] = [
    (Checksum::Crc32Composite, "x-amz-checksum-crc32"),
    (Checksum::Crc32cComposite, "x-amz-checksum-crc32c"),
    (Checksum::Sha1, "x-amz-checksum-sha1"),
    (Checksum::Sha256, "x-amz-checksum-sha256"),
];

fn all() -> impl Iterator<Item = (Checksum, &'static str)> {
    WHOLE.into_iter().chain(COMPOSITE)
}

/// Returns the server's own checksum of `bytes`.
fn sum_of(header: &str, bytes: &[u8]) -> String {
    Algorithm::from_header(header).expect("a checksum's header").digest(bytes)
}

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
    for (checksum, header) in all() {
        for signature in [SignatureVersion::V4, SignatureVersion::V2] {
            let faulty = start();
            let payload = PayloadSigning::Unsigned;
            let client = Client::new(
                config(&faulty).checksum(checksum).signature(signature).payload_signing(payload),
            )
            .unwrap();
            let content = bytes(1, 0, 100_000);
            let stored =
                client.put_object(BUCKET, "key", &content, &ObjectSettings::default()).unwrap();
            let sum = sum_of(header, &content);
            assert_eq!(seen(&faulty, "PutObject")[0].header(header), Some(&*sum));
            let kept = faulty.backend.object_info(BUCKET, "key").unwrap().checksum.clone().unwrap();
            assert_eq!(kept.value, sum);
            let stored = stored.checksum.unwrap();
            assert_eq!((&*stored.value, stored.checksum_type), (&*sum, ChecksumType::FullObject));
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
    for (checksum, header) in WHOLE {
        let faulty = start();
        let client = client(&faulty, checksum);
        let id = client.create_multipart_upload(BUCKET, "key", &ObjectSettings::default()).unwrap();
        let upload = UploadRef { bucket: BUCKET, key: "key", upload_id: &id };
        let parts: Vec<_> = (1..=3)
            .map(|number| {
                client.upload_part(upload, number, &bytes(number.into(), 0, 1000)).unwrap()
            })
            .collect();
        client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
        assert!(seen(&faulty, "UploadPart").iter().all(|seen| seen.header(header).is_some()));
        let content: Vec<u8> = (1..=3).flat_map(|number| bytes(number, 0, 1000)).collect();
        let create = &seen(&faulty, "CreateMultipartUpload")[0];
        assert_eq!(create.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
        // The completion has the checksum of the whole object, which no request has read.
        let complete = &seen(&faulty, "CompleteMultipartUpload")[0];
        assert_eq!(complete.header(header), Some(&*sum_of(header, &content)));
        assert_eq!(complete.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
        assert_eq!(complete.header("x-amz-mp-object-size"), Some("3000"));
        // The data is compared with the server's checksum of the whole object, so a flipped bit is
        // noticed.
        assert!(get(&client).unwrap() == content);
        faulty.once("GetObject", Fault::changed(flipped));
        assert_eq!(get(&client).unwrap_err().kind(), ErrorKind::Integrity);
    }
}

#[test]
fn multipart_uploads_can_have_a_composite_checksum() {
    for (checksum, header) in COMPOSITE {
        let faulty = start();
        let client = client(&faulty, Checksum::None).with_checksum(checksum);
        let parts = send_parts(&client);
        client.complete_multipart_upload(parts.1.upload(), &parts.0, &Condition::Always).unwrap();
        let create = &seen(&faulty, "CreateMultipartUpload")[0];
        assert_eq!(create.header("x-amz-checksum-type"), Some("COMPOSITE"));
        let complete = &seen(&faulty, "CompleteMultipartUpload")[0];
        assert_eq!(complete.header(header), None);
        assert_eq!(complete.header("x-amz-mp-object-size"), Some("3000"));
        // The server demands the checksum of each part.
        let kept = faulty.backend.object_info(BUCKET, "key").unwrap().checksum.clone().unwrap();
        let sums: Vec<u8> = (1..=3)
            .flat_map(|number| BASE64.decode(sum_of(header, &bytes(number, 0, 1000))).unwrap())
            .collect();
        assert_eq!(kept.value, format!("{}-3", sum_of(header, &sums)));
        // A reader cannot compare it.
        assert_eq!(get(&client).unwrap().len(), 3000);
    }
}

/// An upload of three parts.
struct Begun(String);

impl Begun {
    fn upload(&self) -> UploadRef<'_> {
        UploadRef { bucket: BUCKET, key: "key", upload_id: &self.0 }
    }
}

fn send_parts(client: &Client) -> (Vec<Part>, Begun) {
    let settings = ObjectSettings::default();
    let begun = Begun(client.create_multipart_upload(BUCKET, "key", &settings).unwrap());
    let send = |number: u32| {
        client.upload_part(begun.upload(), number, &bytes(number.into(), 0, 1000)).unwrap()
    };
    ((1..=3).map(send).collect(), begun)
}

/// Neither the server nor the client accepts an object whose parts differ from those that were
/// sent.
#[test]
fn a_completion_of_other_bytes_fails() {
    for (checksum, header) in all() {
        let faulty = start();
        let client = client(&faulty, checksum);
        let (parts, begun) = send_parts(&client);
        // Another program has replaced a part, and its ETag is not compared.
        let other = client.upload_part(begun.upload(), 2, &bytes(9, 0, 1000)).unwrap();
        let mut mixed = parts.clone();
        mixed[1].etag.clone_from(&other.etag);
        let error = client
            .complete_multipart_upload(begun.upload(), &mixed, &Condition::Always)
            .unwrap_err();
        assert_eq!(error.status(), Some(400), "{checksum:?}: {error}");
        let mut longer = vec![parts[0].clone(), other, parts[2].clone()];
        longer[1].size += 1;
        longer[1].checksum = None;
        let error = client
            .complete_multipart_upload(begun.upload(), &longer, &Condition::Always)
            .unwrap_err();
        assert_eq!(error.status(), Some(400), "{checksum:?}: {error}");
        assert!(faulty.backend.object(BUCKET, "key").is_none());

        // The server states a checksum other than that of the parts.
        let (parts, begun) = send_parts(&client);
        let element = header.replace("x-amz-checksum-", "checksum").to_uppercase();
        let element = element.replace("CHECKSUM", "Checksum");
        let wrong = sum_of(header, b"other bytes");
        faulty.once(
            "CompleteMultipartUpload",
            Fault::changed(move |answer| {
                let body = String::from_utf8(answer.body.clone()).unwrap();
                let (before, rest) = body.split_once(&format!("<{element}>")).expect("a checksum");
                let (value, after) = rest.split_once("</").expect("its end");
                let count = value.split_once('-').map_or(String::new(), |(_, n)| format!("-{n}"));
                let body = format!("{before}<{element}>{wrong}{count}</{after}");
                Answer { body: body.into_bytes(), ..answer }
            }),
        );
        let error = client
            .complete_multipart_upload(begun.upload(), &parts, &Condition::Always)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity, "{checksum:?}: {error}");
        assert!(error.to_string().contains("the object differs from its parts"), "{error}");
    }
}

/// All ways to store an object use the client's checksum.
#[test]
fn streams_files_and_copies_have_the_chosen_checksum() {
    let faulty = Faulty::start(ServerOptions::default());
    let plain = client(&faulty, Checksum::None);
    let content = bytes(4, 0, (11 << 20) + 7);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &content).unwrap();
    for (checksum, header) in all() {
        let client = plain.with_checksum(checksum);
        let transfer = Transfer::new(&client).part_size(5 << 20);
        let settings = ObjectSettings::default();
        let mut writer = transfer.writer(BUCKET, "writer", &settings);
        writer.write_all(&content).unwrap();
        writer.finish().unwrap();
        transfer.upload(&*content, BUCKET, "upload", &settings).unwrap();
        transfer.upload_file(file.path(), BUCKET, "file", &settings).unwrap();
        transfer.copy(CopySource::new(BUCKET, "file"), BUCKET, "copy", &settings).unwrap();
        client
            .put_object_from(BUCKET, "once", &mut &*content, content.len() as u64, &settings)
            .unwrap();
        let pieces: Vec<u8> = content
            .chunks(5 << 20)
            .flat_map(|piece| BASE64.decode(sum_of(header, piece)).unwrap())
            .collect();
        let composite = format!("{}-3", sum_of(header, &pieces));
        let whole = sum_of(header, &content);
        let is_composite = COMPOSITE.iter().any(|(of, _)| *of == checksum);
        for key in ["writer", "upload", "file", "copy", "once"] {
            let kept = faulty.backend.object_info(BUCKET, key).unwrap().checksum.clone().unwrap();
            let expected = if is_composite && key != "once" { &composite } else { &whole };
            assert_eq!(&kept.value, expected, "{checksum:?} {key}");
            let read = client.get_object(BUCKET, key, &GetObject::default()).unwrap();
            assert!(read.read_all(12 << 20).unwrap() == content, "{checksum:?} {key}");
        }
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
    for (checksum, header) in all() {
        let faulty = start();
        let client = client(&faulty, checksum);
        let content = bytes(1, 0, 300_000);
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

/// The response may have a checksum in addition to the one that was sent. It is compared too.
#[test]
fn a_checksum_of_another_algorithm_is_compared() {
    let faulty = start();
    let client = client(&faulty, Checksum::Crc32);
    let put = || client.put_object(BUCKET, "key", b"content", &ObjectSettings::default());
    let stated = sum_of("x-amz-checksum-sha256", b"content");
    faulty.once(
        "PutObject",
        Fault::changed(move |answer| answer.with("x-amz-checksum-sha256", &stated)),
    );
    put().unwrap();
    let wrong = sum_of("x-amz-checksum-sha256", b"another");
    faulty.once(
        "PutObject",
        Fault::changed(move |answer| answer.with("x-amz-checksum-sha256", &wrong)),
    );
    assert_eq!(put().unwrap_err().kind(), ErrorKind::Integrity);
}

/// S3 refuses an object with a lock that comes without a digest. The first request has one already.
#[test]
fn an_object_with_a_lock_has_a_digest() {
    let faulty = start();
    let plain = client(&faulty, Checksum::None);
    let request = CreateBucket::default().object_lock(ObjectLock::Enabled);
    plain.create_bucket("locked", &request).unwrap();
    let until = Timestamp::from(SystemTime::now()).plus(Duration::from_secs(3600));
    let retention = Retention::new(RetentionMode::Governance, until);
    let settings = ObjectSettings::default();
    for (checksum, settings, has_md5) in [
        (Checksum::None, settings.clone().retention(retention), true),
        (Checksum::None, settings.clone().legal_hold(LegalHold::Off), true),
        (Checksum::Sha1, settings.clone().retention(retention), false),
        (Checksum::None, settings, false),
    ] {
        let before = faulty.count("PutObject");
        plain.with_checksum(checksum).put_object("locked", "key", b"content", &settings).unwrap();
        let sent = seen(&faulty, "PutObject").split_off(before);
        let digests: Vec<_> =
            sent.iter().map(|seen| seen.header("content-md5").is_some()).collect();
        assert_eq!(digests, [has_md5], "{checksum:?} {settings:?}");
    }
}

/// For servers that do not support a CRC: `Content-MD5`, which every server supports, and the ETag
/// where it is an MD5.
#[test]
fn md5_is_compared_if_the_etag_is_one() {
    let faulty = start();
    let client = client(&faulty, Checksum::Md5);
    let content = bytes(1, 0, 300_000);
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
    let parts = [1, 2]
        .map(|number| client.upload_part(upload, number, &bytes(number.into(), 0, 1000)).unwrap());
    client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
    assert!(seen(&faulty, "UploadPart").iter().all(|seen| seen.header("content-md5").is_some()));
    assert!(!seen(&faulty, "CreateMultipartUpload")[0].head.contains("x-amz-checksum"));
    assert!(get(&client).unwrap() == [bytes(1, 0, 1000), bytes(2, 0, 1000)].concat());
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
