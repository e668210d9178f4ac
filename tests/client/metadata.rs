//! The description of an object, from the headers of a response.

use crate::server::{Fault, Faulty};
use crate::support::ServerOptions;
use s3driver::client::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, Client, Config, Endpoint, GetObject, ObjectMeta,
    ObjectSettings, Scheme,
};
use s3driver::sign::Credentials;
use s3driver::time::Timestamp;

/// Returns the description in a response that has these headers too.
fn described(headers: &'static [(&'static str, &'static str)]) -> ObjectMeta {
    let faulty = Faulty::start(ServerOptions::default());
    let endpoint = Endpoint::custom(&faulty.url(), Some("us-east-1"), Scheme::Http).unwrap();
    let credentials = Credentials::new("AKIDEMBEDDED", "embedded/secret+key");
    let client = Client::new(Config::new(endpoint).static_credentials(credentials)).unwrap();
    client.put_object("registry", "key", b"content", &ObjectSettings::default()).unwrap();
    faulty.once(
        "HeadObject",
        Fault::changed(move |answer| {
            headers.iter().fold(answer, |answer, (name, value)| answer.with(name, value))
        }),
    );
    let request = GetObject::default().checksum_mode(ChecksumMode::Enabled);
    let meta = client.head_object("registry", "key", &request).unwrap();
    let heads = faulty.seen().into_iter().filter(|seen| seen.operation == "HeadObject");
    let modes: Vec<_> =
        heads.map(|head| head.header("x-amz-checksum-mode").map(str::to_owned)).collect();
    assert_eq!(modes, [Some("ENABLED".to_owned())]);
    meta
}

#[test]
fn every_header_that_describes_an_object_is_returned() {
    let meta = described(&[
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-disposition", "inline"),
        ("cache-control", "no-cache"),
        ("expires", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-amz-storage-class", "GLACIER_IR"),
        ("x-amz-version-id", "v1"),
        ("x-amz-server-side-encryption", "aws:kms:dsse"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "arn"),
        ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key-md5", "bWQ1"),
        ("x-amz-mp-parts-count", "7"),
        ("x-amz-missing-meta", "2"),
        ("x-amz-archive-status", "ARCHIVE_ACCESS"),
        ("x-amz-restore", "ongoing-request=\"true\""),
        ("x-amz-replication-status", "REPLICA"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-retain-until-date", "2026-01-02T03:04:05.000Z"),
        ("x-amz-object-lock-legal-hold", "ON"),
        ("x-amz-tagging-count", "3"),
    ]);
    let texts = [
        meta.content_encoding,
        meta.content_language,
        meta.content_disposition,
        meta.cache_control,
        meta.storage_class,
        meta.version_id,
        meta.encryption,
        meta.kms_key_id,
        meta.customer_algorithm,
        meta.customer_key_md5,
        meta.archive_status,
        meta.restore,
        meta.replication_status,
        meta.lock_mode,
        meta.legal_hold,
    ];
    let expected = [
        "gzip",
        "de",
        "inline",
        "no-cache",
        "GLACIER_IR",
        "v1",
        "aws:kms:dsse",
        "arn",
        "AES256",
        "bWQ1",
        "ARCHIVE_ACCESS",
        "ongoing-request=\"true\"",
        "REPLICA",
        "GOVERNANCE",
        "ON",
    ];
    assert_eq!(texts.each_ref().map(|text| text.as_deref().unwrap_or_default()), expected);
    assert_eq!(meta.expires, Some(Timestamp::from_unix(784_111_777)));
    assert_eq!(meta.retain_until, Timestamp::parse_iso8601("2026-01-02T03:04:05Z"));
    assert_eq!((meta.bucket_key_enabled, meta.part_count), (Some(true), Some(7)));
    assert_eq!((meta.missing_metadata, meta.tag_count), (Some(2), Some(3)));
}

#[test]
fn stored_checksums_are_returned_with_their_type() {
    let whole = described(&[
        ("x-amz-checksum-crc64nvme", "rsUVUuiNBXo="),
        ("x-amz-checksum-sha256", "c2hh"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ]);
    let [crc, sha] = &whole.checksums[..] else { panic!("{whole:?}") };
    assert_eq!((crc.algorithm, &*crc.value), (ChecksumAlgorithm::Crc64Nvme, "rsUVUuiNBXo="));
    assert_eq!(
        (sha.algorithm, sha.checksum_type),
        (ChecksumAlgorithm::Sha256, ChecksumType::FullObject)
    );
    let stated =
        described(&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-type", "COMPOSITE")]);
    assert_eq!(stated.checksums[0].checksum_type, ChecksumType::Composite);
    let by_dash = described(&[
        ("x-amz-checksum-sha1", "AAAA-2"),
        ("etag", "\"0cc175b9c0f1b6a831c399e269772661-2\""),
    ]);
    assert_eq!(by_dash.checksums[0].checksum_type, ChecksumType::Composite);
    assert_eq!(by_dash.part_count, Some(2), "as the ETag says");
}
