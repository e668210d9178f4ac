//! The steps that every request consists of, each as a closure that performs it once.
//!
//! `micro.rs` times them, and the example `peer` repeats one of them so that `scripts/guards` can
//! count its instructions.
use crc_fast::{CrcAlgorithm, checksum};
use s3driver::sign::chunked::{ChunkSigner, Layout};
use s3driver::sign::v4::{self, Payload, Scope, SigningKey};
use s3driver::sign::{Credentials, Request, encode_path, v2};
use s3driver::time::Timestamp;
use s3driver::xml;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Read;
use std::time::Duration;

/// A step that has been prepared.
pub(crate) type Piece = Box<dyn FnMut()>;

/// A step's name, and the function that prepares it.
pub(crate) type Named = (&'static str, fn() -> Piece);

/// All steps.
pub(crate) const PIECES: [Named; 13] = [
    ("sign-v4", sign_v4),
    ("sign-v4-derive", sign_v4_and_derive),
    ("sign-v2", sign_v2),
    ("presign-v4", presign_v4),
    ("presign-v4-kept", presign_v4_with_kept_key),
    ("presign-v2", presign_v2),
    ("encode-key", encode_key),
    ("frame-1mib", frame_1mib),
    ("sha256-8mib", sha256_8mib),
    ("crc64nvme-8mib", crc64nvme_8mib),
    ("read-page-1000", read_page),
    ("write-delete-1000", write_delete),
    ("read-deleted-1000", read_deleted),
];

const KEY: &str =
    "/registry/docker/registry/v2/blobs/sha256/3e/3e25960a79dbc69b674cd4ec67a72c62ff5a/data";
const HOST: &str = "s3.eu-central-1.amazonaws.com";
const REQUEST: Request<'static> =
    Request::new("GET", KEY).headers(&[("host", HOST), ("range", "bytes=0-4095")]);
const SCOPE: Scope<'static> = Scope { region: "eu-central-1", service: "s3" };
const NOW: Timestamp = Timestamp::from_unix(1_767_286_800);
const KEYS: usize = 1000;

fn credentials() -> Credentials {
    Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
}

/// A small request with a key that was derived earlier, as in nearly every request of a client.
fn sign_v4() -> Piece {
    let credentials = credentials();
    let key = SigningKey::derive(&credentials, NOW, SCOPE).expect("a key");
    Box::new(move || {
        black_box(key.sign(black_box(&REQUEST), Payload::Unsigned, NOW)).expect("signed");
    })
}

/// The first request of a day, which derives the key.
fn sign_v4_and_derive() -> Piece {
    let credentials = credentials();
    Box::new(move || {
        black_box(v4::sign(black_box(&REQUEST), Payload::Unsigned, &credentials, SCOPE, NOW))
            .expect("signed");
    })
}

fn sign_v2() -> Piece {
    let credentials = credentials();
    Box::new(move || {
        black_box(v2::sign(black_box(&REQUEST), None, &credentials, NOW)).expect("signed");
    })
}

fn presign_v4() -> Piece {
    let credentials = credentials();
    let request = REQUEST.headers(&[("host", HOST)]);
    Box::new(move || {
        black_box(v4::presign(
            black_box(&request),
            v4::Payload::Unsigned,
            &credentials,
            SCOPE,
            NOW,
            Duration::from_secs(1200),
        ))
        .expect("presigned");
    })
}

/// A presigned URL with a key that was derived earlier.
fn presign_v4_with_kept_key() -> Piece {
    let key = SigningKey::derive(&credentials(), NOW, SCOPE).expect("a key");
    let request = REQUEST.headers(&[("host", HOST)]);
    Box::new(move || {
        black_box(key.presign(
            black_box(&request),
            Payload::Unsigned,
            NOW,
            Duration::from_secs(1200),
        ))
        .expect("presigned");
    })
}

fn presign_v2() -> Piece {
    let credentials = credentials();
    let request = REQUEST.headers(&[]);
    let expires = Timestamp::from_unix(NOW.unix() + 1200);
    Box::new(move || {
        black_box(v2::presign(black_box(&request), None, &credentials, expires))
            .expect("presigned");
    })
}

fn encode_key() -> Piece {
    Box::new(|| {
        black_box(encode_path(black_box(KEY)));
    })
}

/// A signed body of 1 MiB in chunks of 64 KiB.
fn frame_1mib() -> Piece {
    let credentials = credentials();
    let key = SigningKey::derive(&credentials, NOW, SCOPE).expect("a key");
    let data = bytes(1 << 20);
    let mut framed = Vec::with_capacity((1 << 20) + (4 << 10));
    let seed = "0".repeat(64);
    Box::new(move || {
        framed.clear();
        let signer = ChunkSigner::new(&key, NOW, &seed).expect("a signer");
        let mut body =
            Layout::signed(data.len() as u64).signed_body(&data[..], signer, None).expect("a body");
        black_box(body.read_to_end(&mut framed)).expect("framed");
    })
}

/// The SHA-256 of a part, which dominates the cost of its signature.
fn sha256_8mib() -> Piece {
    let credentials = credentials();
    let key = SigningKey::derive(&credentials, NOW, SCOPE).expect("a key");
    let data = bytes(8 << 20);
    Box::new(move || {
        let payload = Payload::Bytes(black_box(&data));
        black_box(key.sign(&REQUEST, payload, NOW)).expect("signed");
    })
}

/// The checksum of a part.
fn crc64nvme_8mib() -> Piece {
    let data = bytes(8 << 20);
    Box::new(move || {
        black_box(checksum(CrcAlgorithm::Crc64Nvme, black_box(&data)));
    })
}

/// A page of ListObjectsV2 as Amazon S3 writes it.
fn read_page() -> Piece {
    let mut page = String::from(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>registry</Name><Prefix></Prefix><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>"#,
    );
    for index in 0..KEYS {
        write!(
            page,
            "<Contents><Key>key-{index:012}-4096</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>4096</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
        .expect("written");
    }
    page.push_str("</ListBucketResult>");
    Box::new(move || {
        let result = xml::list_bucket_result(black_box(page.as_bytes())).expect("a page");
        assert_eq!(black_box(result).contents.len(), KEYS);
    })
}

fn keys() -> Vec<String> {
    (0..KEYS).map(|index| format!("key-{index:012}-4096")).collect()
}

fn write_delete() -> Piece {
    let keys = keys();
    Box::new(move || {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        black_box(xml::delete(black_box(&keys), xml::DeleteMode::Verbose)).expect("written");
    })
}

fn read_deleted() -> Piece {
    let deleted: String =
        keys().iter().map(|key| format!("<Deleted><Key>{key}</Key></Deleted>")).collect();
    let document = format!("<DeleteResult>{deleted}</DeleteResult>");
    Box::new(move || {
        let result = xml::delete_result(black_box(document.as_bytes())).expect("a result");
        assert_eq!(black_box(result).deleted.len(), KEYS);
    })
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8).collect()
}
