//! The steps of which every request consists, each as a closure that performs it once.
//!
//! `micro.rs` times them, and the example `peer` repeats one of them so that `scripts/guards` can
//! count its instructions.
use crc_fast::{CrcAlgorithm, checksum};
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
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
pub(crate) const PIECES: [Named; 15] = [
    ("sign-v4", sign_v4),
    ("authorize-v4", authorize_v4),
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
    ("read-page-1000-quick-xml", read_page_with_quick_xml),
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

/// Signs a small request with a key that was derived earlier, as in nearly every request of a
/// client.
fn sign_v4() -> Piece {
    let credentials = credentials();
    let key = SigningKey::derive(&credentials, NOW, SCOPE).expect("a key");
    Box::new(move || {
        black_box(key.sign(black_box(&REQUEST), Payload::Unsigned, NOW)).expect("signed");
    })
}

/// Signs a small request as a client does, without the steps to the signature.
fn authorize_v4() -> Piece {
    let key = SigningKey::derive(&credentials(), NOW, SCOPE).expect("a key");
    Box::new(move || {
        black_box(key.authorize(black_box(&REQUEST), Payload::Unsigned, NOW)).expect("signed");
    })
}

/// Signs the first request of a day, which derives the key.
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

/// Presigns a URL with a key that was derived earlier.
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

/// Frames and signs a body of 1 MiB in chunks of 64 KiB.
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

/// Computes the SHA-256 of a part, which dominates the cost of its signature.
fn sha256_8mib() -> Piece {
    let credentials = credentials();
    let key = SigningKey::derive(&credentials, NOW, SCOPE).expect("a key");
    let data = bytes(8 << 20);
    Box::new(move || {
        let payload = Payload::Bytes(black_box(&data));
        black_box(key.sign(&REQUEST, payload, NOW)).expect("signed");
    })
}

/// Computes the checksum of a part.
fn crc64nvme_8mib() -> Piece {
    let data = bytes(8 << 20);
    Box::new(move || {
        black_box(checksum(CrcAlgorithm::Crc64Nvme, black_box(&data)));
    })
}

/// Returns a page of ListObjectsV2 as Amazon S3 writes it.
fn page() -> String {
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
    page
}

fn read_page() -> Piece {
    let page = page();
    Box::new(move || {
        let result = xml::list_bucket_result(black_box(page.as_bytes())).expect("a page");
        assert_eq!(black_box(result).contents.len(), KEYS);
    })
}

/// Reads the page into an equal result with `quick-xml`, for comparison. This checks less: it does
/// not look for forbidden characters or repeated fields, and has no limits.
fn read_page_with_quick_xml() -> Piece {
    let page = page();
    let expected = xml::list_bucket_result(page.as_bytes()).expect("a page").contents;
    let found = objects_by_quick_xml(page.as_bytes());
    assert!(found.into_iter().eq(expected.into_iter().map(|object| Some(Found {
        key: object.key,
        size: object.size,
        last_modified: object.last_modified,
        etag: object.etag,
        storage_class: object.storage_class.as_deref().map(str::to_owned),
    }))));
    Box::new(move || {
        assert_eq!(black_box(objects_by_quick_xml(black_box(page.as_bytes()))).len(), KEYS);
    })
}

/// The fields of `xml::Object`.
#[derive(PartialEq, Eq)]
struct Found {
    key: String,
    size: u64,
    last_modified: Option<Timestamp>,
    etag: Option<String>,
    storage_class: Option<String>,
}

/// Returns the objects of a page, with `None` in place of one that lacks a key or a size.
fn objects_by_quick_xml(page: &[u8]) -> Vec<Option<Found>> {
    let mut reader = Reader::from_str(std::str::from_utf8(page).expect("UTF-8"));
    let mut objects = Vec::new();
    let (mut key, mut size, mut last_modified, mut etag, mut storage_class) =
        (None, None, None, None, None);
    let mut text = String::new();
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(_) => text.clear(),
            Event::Text(piece) => text.push_str(&piece.xml10_content().expect("UTF-8")),
            Event::GeneralRef(reference) => {
                let name = reference.decode().expect("UTF-8");
                text.push_str(resolve_xml_entity(&name).expect("an entity"));
            }
            Event::End(end) => match end.local_name().as_ref() {
                b"Key" => key = Some(decoded(&text)),
                b"Size" => size = text.parse().ok(),
                b"LastModified" => last_modified = Timestamp::parse_iso8601(&text),
                b"ETag" => etag = Some(text.trim_matches('"').to_owned()),
                b"StorageClass" => storage_class = Some(text.clone()),
                b"Contents" => {
                    let (last_modified, etag) = (last_modified.take(), etag.take());
                    let storage_class = storage_class.take();
                    objects.push(key.take().zip(size.take()).map(|(key, size)| Found {
                        key,
                        size,
                        last_modified,
                        etag,
                        storage_class,
                    }));
                }
                _ => {}
            },
            Event::Eof => return objects,
            _ => {}
        }
    }
}

/// Decodes `encoding-type=url`, which leaves the keys of this page unchanged.
fn decoded(text: &str) -> String {
    assert!(!text.contains(['%', '+']), "the page's keys need no decoding");
    text.to_owned()
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
