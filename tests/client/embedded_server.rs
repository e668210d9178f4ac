//! Tests the embedded server: the rules of its store, called directly, and the path from a socket
//! to the store, with requests that are signed by this file (the few necessary lines of version 2)
//! and not by the crate under test.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use s3s::S3Result;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{ETag, ETagCondition, Timestamp};

use crate::support::backend::{Attributes, Copy, Directive, Rules, Store, Wanted};
use crate::support::body::{Algorithm, Checksum, Content, Received, Retention, Scope};
use crate::support::listing::{self, Entry, Start};
use crate::support::multipart::{Completion, NamedPart, UploadName, UploadQuery};
use crate::support::{Server, ServerOptions, conditions, gate};

const BUCKET: &str = "bucket";
const MIB: usize = 1 << 20;

fn store(page_size: usize) -> Store {
    let store = Store::new(Rules {
        region: "us-east-1".to_owned(),
        min_part_size: 5 << 20,
        copy_limit: 5 << 30,
        page_size,
        retention: Retention::Keep,
    });
    store.create_bucket(BUCKET).unwrap();
    store
}

fn put(store: &Store, key: &str, bytes: impl Into<Bytes>) -> String {
    let body = Received::from_bytes(bytes.into());
    store.put(BUCKET, key, body, Attributes::default(), &Default::default()).unwrap().etag.clone()
}

fn get(store: &Store, key: &str) -> Bytes {
    store.get(BUCKET, key, None, &Default::default()).unwrap().content.to_bytes().unwrap()
}

fn begin(store: &Store, key: &str) -> String {
    store.begin_upload(BUCKET, key, Attributes::default(), None, SystemTime::now()).unwrap()
}

fn part(store: &Store, upload: UploadName<'_>, number: i32, bytes: impl Into<Bytes>) -> NamedPart {
    let part = store.put_part(upload, number, Received::from_bytes(bytes.into())).unwrap();
    NamedPart { number, etag: part.etag, checksum: None }
}

fn completion(parts: &[NamedPart]) -> Completion {
    Completion { parts: parts.to_vec(), ..Completion::default() }
}

fn code<T>(result: S3Result<T>) -> String {
    result.err().map_or_else(|| "no error".to_owned(), |error| error.code().as_str().to_owned())
}

fn etag(value: &str) -> Option<ETagCondition> {
    Some(ETagCondition::ETag(ETag::Strong(value.to_owned())))
}

#[test]
fn listings_agree_with_a_plain_model_at_every_page_size() {
    let store = store(1000);
    let names = [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a0",
        "b//x",
        "b/é/1",
        "b/é/2",
        "b/😀",
        "b/\u{fffd}z",
        "c",
        "/lead",
        "~",
        "é",
    ];
    let keys: BTreeSet<&str> = names.into_iter().collect();
    keys.iter().for_each(|key| drop(put(&store, key, "")));

    for prefix in ["", "a", "a/", "b/", "b/é", "none"] {
        for delimiter in ["", "/", "é"] {
            let mut model: Vec<String> = Vec::new();
            for key in keys.iter().filter(|key| key.starts_with(prefix)) {
                let end =
                    if delimiter.is_empty() { None } else { key[prefix.len()..].find(delimiter) };
                let line = end.map_or(*key, |end| &key[..prefix.len() + end + delimiter.len()]);
                if model.last().is_none_or(|last| last != line) {
                    model.push(line.to_owned());
                }
            }
            for page_size in 1..6 {
                let (mut lines, mut last) = (Vec::new(), None::<String>);
                loop {
                    let start = last.as_deref().map_or(Start::Beginning, Start::After);
                    let page =
                        store.list(BUCKET, prefix, delimiter, start, Some(page_size)).unwrap();
                    assert!(page.entries.len() <= page_size as usize);
                    lines.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
                    last = page.next().map(str::to_owned);
                    if last.is_none() {
                        break;
                    }
                }
                assert_eq!(
                    lines, model,
                    "prefix {prefix:?} delimiter {delimiter:?} by {page_size}"
                );
            }
        }
    }
    let after = store.list(BUCKET, "", "/", Start::After("a/b"), None).unwrap();
    let [Entry::CommonPrefix(first), ..] = &after.entries[..] else { panic!("{after:?}") };
    assert_eq!(first, "a/", "keys after a key inside a common prefix are rolled up too");
    let none = store.list(BUCKET, "", "", Start::Beginning, Some(0)).unwrap();
    assert!(none.entries.is_empty() && !none.truncated);
    assert_eq!(code(store.list(BUCKET, "", "", Start::Beginning, Some(-1))), "InvalidArgument");
}

#[test]
fn a_hundred_thousand_keys_are_grouped_and_paged() {
    let store = store(1000);
    for directory in 0..100 {
        for file in 0..1000 {
            put(&store, &format!("{directory:03}/{file:04}"), "");
        }
    }
    let rolled = store.list(BUCKET, "", "/", Start::Beginning, None).unwrap();
    assert_eq!((rolled.entries.len(), rolled.truncated), (100, false));

    let (mut seen, mut last) = (0, None::<String>);
    loop {
        let start = last.as_deref().map_or(Start::Beginning, Start::After);
        let page = store.list(BUCKET, "", "", start, None).unwrap();
        seen += page.entries.len();
        last = page.next().map(str::to_owned);
        if last.is_none() {
            break;
        }
    }
    assert_eq!(seen, 100_000);
}

#[test]
fn tokens_are_opaque_and_url_encoding_equals_amazons() {
    assert_eq!(listing::read_token(&listing::token("a/é +")).unwrap(), "a/é +");
    for bad in ["", "a/é", "1-zz", "1-ff", "2-61"] {
        assert_eq!(code(listing::read_token(bad)), "InvalidArgument", "{bad}");
    }
    assert_eq!(listing::url_encoded("a b+c%/~*é(3)"), "a+b%2Bc%25/%7E*%C3%A9%283%29");
}

#[test]
fn uploads_are_listed_by_key_and_time_after_both_markers() {
    let store = store(1000);
    let begun = SystemTime::now();
    let at = |key: &str, ago: u64| {
        let initiated = begun - Duration::from_secs(ago);
        store.begin_upload(BUCKET, key, Attributes::default(), None, initiated).unwrap()
    };
    let newest = at("k", 1);
    let oldest = at("k", 3);
    let middle = at("k", 2);
    let (first, deep, last) = (at("a", 0), at("d/1", 0), at("z", 0));
    at("d/2", 0);
    let ids = |query: UploadQuery<'_>| -> Vec<String> {
        let page = store.list_uploads(BUCKET, query).unwrap();
        let ids = page.entries.into_iter().map(|entry| match entry {
            Entry::Item(_, upload) => upload.id,
            Entry::CommonPrefix(common) => common,
        });
        ids.collect()
    };
    let delimited = UploadQuery { delimiter: "/", ..UploadQuery::default() };
    let all = [&first, "d/", &oldest, &middle, &newest, &last];
    assert_eq!(
        ids(delimited),
        all,
        "within a key by time, not in the order of creation or of their ids"
    );
    assert_eq!(
        ids(UploadQuery { prefix: "d/", max_uploads: Some(1), ..UploadQuery::default() }),
        [&*deep]
    );

    for page_size in 1..4 {
        let (mut seen, mut markers) = (Vec::new(), (String::new(), String::new()));
        loop {
            let page =
                UploadQuery { key_marker: &markers.0, upload_id_marker: &markers.1, ..delimited };
            let page = store
                .list_uploads(BUCKET, UploadQuery { max_uploads: Some(page_size), ..page })
                .unwrap();
            for entry in page.entries {
                let (key, id) = match entry {
                    Entry::Item(key, upload) => (key, upload.id),
                    Entry::CommonPrefix(common) => (common, String::new()),
                };
                seen.push(if id.is_empty() { key.clone() } else { id.clone() });
                markers = (key, id);
            }
            if !page.truncated {
                break;
            }
        }
        assert_eq!(seen, all, "by {page_size}");
    }

    let behind_k = UploadQuery { key_marker: "k", ..UploadQuery::default() };
    assert_eq!(ids(behind_k), [&*last], "a key marker on its own is exclusive");
    assert_eq!(ids(UploadQuery { upload_id_marker: &middle, ..behind_k }), [&*newest, &last]);
    let id_alone = UploadQuery { upload_id_marker: &middle, ..UploadQuery::default() };
    assert_eq!(ids(id_alone).len(), 7, "an id marker without a key marker is ignored");
    store.abort(UploadName { bucket: BUCKET, key: "k", id: &middle }).unwrap();
    assert_eq!(
        ids(UploadQuery { upload_id_marker: &middle, ..behind_k }),
        [&*newest, &last],
        "aborted between pages"
    );
    let unknown = UploadQuery { upload_id_marker: "nonsense", ..behind_k };
    assert_eq!(code(store.list_uploads(BUCKET, unknown)), "InvalidArgument");
}

#[test]
fn parts_are_paged_in_order_and_replaced() {
    let store = store(2);
    let id = begin(&store, "k");
    let upload = UploadName { bucket: BUCKET, key: "k", id: &id };
    for number in [10_000, 3, 1, 7, 2] {
        part(&store, upload, number, format!("part {number}"));
    }
    let again = part(&store, upload, 3, "another");
    let numbers = |after, max| {
        let page = store.list_parts(upload, after, max).unwrap();
        (page.parts.iter().map(|part| part.number).collect::<Vec<_>>(), page.truncated)
    };
    assert_eq!(numbers(0, None), (vec![1, 2], true));
    assert_eq!(numbers(2, Some(1000)), (vec![3, 7], true));
    assert_eq!(numbers(7, None), (vec![10_000], false));
    assert_eq!(numbers(10_000, None), (vec![], false));
    assert_eq!(numbers(0, Some(1)), (vec![1], true));
    assert_eq!(store.list_parts(upload, 2, Some(1)).unwrap().parts[0].etag, again.etag);
    for number in [0, -1, 10_001] {
        let refused = store.put_part(upload, number, Received::from_bytes("".into()));
        assert_eq!(code(refused), "InvalidArgument");
    }
}

#[test]
fn a_completion_must_obey_every_rule() {
    let store = store(1000);
    let id = begin(&store, "k");
    let upload = UploadName { bucket: BUCKET, key: "k", id: &id };
    let first = part(&store, upload, 2, vec![1; 5 * MIB]);
    let second = part(&store, upload, 5, vec![2; 5 * MIB]);
    let small = part(&store, upload, 9, "end");
    let unknown = NamedPart { number: 7, ..small.clone() };
    let stale = NamedPart { etag: first.etag.clone(), ..second.clone() };

    let refused = |parts: &[&NamedPart]| {
        let parts: Vec<_> = parts.iter().map(|part| (*part).clone()).collect();
        code(store.complete(upload, completion(&parts)))
    };
    assert_eq!(refused(&[]), "MalformedXML");
    assert_eq!(refused(&[&second, &first]), "InvalidPartOrder");
    assert_eq!(refused(&[&first, &first]), "InvalidPartOrder");
    assert_eq!(refused(&[&first, &unknown]), "InvalidPart");
    assert_eq!(refused(&[&first, &stale]), "InvalidPart");
    let tiny = part(&store, upload, 1, "tiny");
    assert_eq!(refused(&[&tiny, &second]), "EntityTooSmall");
    let elsewhere = UploadName { key: "other", ..upload };
    assert_eq!(
        code(store.complete(elsewhere, completion(std::slice::from_ref(&first)))),
        "NoSuchUpload"
    );
    let wrong_size = Completion { size: Some(1), ..completion(std::slice::from_ref(&first)) };
    assert_eq!(code(store.complete(upload, wrong_size)), "InvalidRequest");
    put(&store, "k", "in the way");
    let mut only_new = completion(std::slice::from_ref(&first));
    only_new.conditions.if_none_match = Some(ETagCondition::Any);
    assert_eq!(code(store.complete(upload, only_new)), "PreconditionFailed");
    assert_eq!(get(&store, "k"), "in the way", "a rejected completion does not change the object");

    let parts = [first, second, small];
    let object = store.complete(upload, completion(&parts)).unwrap();
    let digests: Vec<u8> = parts.iter().flat_map(|part| hex::decode(&part.etag).unwrap()).collect();
    assert_eq!(object.etag, format!("{}-3", hex::encode(Md5::checksum(&digests))));
    assert_eq!(get(&store, "k"), [vec![1; 5 * MIB], vec![2; 5 * MIB], b"end".to_vec()].concat());
    assert_eq!(object.select(Wanted::Part(2)).unwrap(), Some(5 * MIB as u64..10 * MIB as u64));
    assert_eq!(code(object.select(Wanted::Part(4))), "InvalidPartNumber");

    let again = store.complete(upload, completion(&parts)).unwrap();
    assert!(Arc::ptr_eq(&object, &again), "a repeated completion returns the same result");
    assert_eq!(code(store.complete(upload, completion(&parts[..1]))), "NoSuchUpload");
    assert_eq!(code(store.abort(upload)), "NoSuchUpload");
    assert_eq!(code(store.list_parts(upload, 0, None)), "NoSuchUpload");
    assert_eq!(store.open_uploads(BUCKET), []);
}

#[test]
fn an_aborted_upload_is_gone() {
    let store = store(1000);
    let id = begin(&store, "k");
    let upload = UploadName { bucket: BUCKET, key: "k", id: &id };
    let parts = [part(&store, upload, 1, "x")];
    assert_eq!((store.open_uploads(BUCKET)[0].parts, store.open_uploads(BUCKET)[0].bytes), (1, 1));
    store.abort(upload).unwrap();
    assert_eq!(code(store.abort(upload)), "NoSuchUpload");
    assert_eq!(code(store.put_part(upload, 2, Received::from_bytes("y".into()))), "NoSuchUpload");
    assert_eq!(code(store.complete(upload, completion(&parts))), "NoSuchUpload");
    assert_eq!((store.open_uploads(BUCKET), store.keys(BUCKET)), (vec![], vec![]));
}

#[test]
fn parts_are_copied_whole_and_by_range() {
    let store = store(1000);
    put(&store, "source", "0123456789");
    let id = begin(&store, "k");
    let upload = UploadName { bucket: BUCKET, key: "k", id: &id };
    let copy =
        |key, range| store.copy_part(upload, 1, &(BUCKET, key).into(), range, &Default::default());
    for (range, bytes) in
        [(None, "0123456789"), (Some("bytes=0-9"), "0123456789"), (Some("bytes=3-3"), "3")]
    {
        let part = copy("source", range).unwrap();
        assert_eq!(part.content.to_bytes().unwrap(), bytes);
        assert_eq!(part.etag, hex::encode(Md5::checksum(bytes.as_bytes())));
    }
    for range in ["bytes=0-10", "bytes=5-", "bytes=-3", "bytes=5-3", "0-3", "bytes=10-10"] {
        assert_eq!(code(copy("source", Some(range))), "InvalidArgument", "{range}");
    }
    assert_eq!(code(copy("absent", None)), "NoSuchKey");
    let changed = conditions::Read { if_match: etag("other"), ..Default::default() };
    assert_eq!(
        code(store.copy_part(upload, 1, &(BUCKET, "source").into(), None, &changed)),
        "PreconditionFailed"
    );
}

#[test]
fn copies_take_metadata_from_the_requested_source() {
    let store = Store::new(Rules { copy_limit: 4, ..store(1000).rules });
    store.create_bucket(BUCKET).unwrap();
    let named =
        |name: &str| Attributes { content_type: Some(name.to_owned()), ..Attributes::default() };
    let body = Received::from_bytes("body".into());
    store.put(BUCKET, "from", body, named("source"), &Default::default()).unwrap();
    let copy = |to: &str, attributes, directive, conditions| {
        let (from, to) = ((BUCKET, "from").into(), (BUCKET.to_owned(), to.to_owned()));
        let tags = Directive::Copy;
        store.copy(Copy { from, to, conditions, attributes, directive, tags })
    };
    let any = conditions::Read::default;
    let kept = copy("to", named("asked"), Directive::Copy, any()).unwrap();
    assert_eq!(kept.attributes.content_type.as_deref(), Some("source"));
    let replaced = copy("to", named("asked"), Directive::Replace, any()).unwrap();
    assert_eq!(replaced.attributes.content_type.as_deref(), Some("asked"));
    assert_eq!(code(copy("from", named("asked"), Directive::Copy, any())), "InvalidRequest");
    assert_eq!(code(copy("from", named("asked"), Directive::Replace, any())), "no error");
    let unchanged = conditions::Read { if_none_match: etag(&kept.etag), ..any() };
    assert_eq!(code(copy("to", named("asked"), Directive::Copy, unchanged)), "PreconditionFailed");
    put(&store, "from", "large");
    assert_eq!(
        code(copy("to", named("asked"), Directive::Copy, any())),
        "InvalidRequest",
        "the source is above the copy limit"
    );
}

#[test]
fn conditions_are_evaluated_as_in_http() {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500);
    let time =
        |seconds| Some(Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
    let any = Some(ETagCondition::Any);
    let read =
        |if_match: &Option<ETagCondition>, if_none_match: &Option<ETagCondition>, since, until| {
            let conditions = conditions::Read {
                if_match: if_match.clone(),
                if_none_match: if_none_match.clone(),
                if_modified_since: since,
                if_unmodified_since: until,
            };
            code(conditions.check("e", modified, conditions::Unchanged::NotModified))
        };
    let (passes, failed, unchanged) = ("no error", "PreconditionFailed", "NotModified");
    assert_eq!(read(&etag("e"), &None, None, None), passes);
    assert_eq!(read(&any, &None, None, None), passes);
    assert_eq!(read(&etag("x"), &None, None, None), failed);
    assert_eq!(read(&None, &etag("e"), None, None), unchanged);
    assert_eq!(read(&None, &any, None, None), unchanged);
    assert_eq!(read(&None, &etag("x"), None, None), passes);
    assert_eq!(read(&None, &None, time(1000), None), unchanged, "modified within the same second");
    assert_eq!(read(&None, &None, time(999), None), passes);
    assert_eq!(read(&None, &None, None, time(1000)), passes);
    assert_eq!(read(&None, &None, None, time(999)), failed);
    assert_eq!(
        read(&etag("e"), &None, None, time(999)),
        passes,
        "If-Match takes precedence over the date"
    );
    assert_eq!(
        read(&None, &etag("x"), time(1000), None),
        passes,
        "If-None-Match takes precedence over the date"
    );

    let write = |if_match: &Option<ETagCondition>,
                 if_none_match: &Option<ETagCondition>,
                 current| {
        let conditions =
            conditions::Write { if_match: if_match.clone(), if_none_match: if_none_match.clone() };
        code(conditions.check(current))
    };
    assert_eq!(write(&None, &any, None), passes);
    assert_eq!(write(&None, &any, Some("e")), failed);
    assert_eq!(write(&None, &etag("e"), None), "NotImplemented");
    assert_eq!(write(&etag("e"), &None, Some("e")), passes);
    assert_eq!(write(&etag("x"), &None, Some("e")), failed);
    assert_eq!(write(&etag("e"), &None, None), "NoSuchKey");
}

#[test]
fn contents_are_sliced_and_joined_without_loss() {
    let bytes: Vec<u8> = (0..=255).collect();
    let (front, back) = bytes.split_at(100);
    let whole =
        Content::concat(&[front, back].map(|half| Content::from(Bytes::copy_from_slice(half))));
    for range in [0..256, 0..0, 99..101, 100..256, 0..100, 255..256, 256..256] {
        let cut = whole.slice(range.clone());
        assert_eq!(cut.len(), range.end - range.start);
        assert_eq!(cut.to_bytes().unwrap(), bytes[range.start as usize..range.end as usize]);
    }
}

#[test]
fn checksums_of_parts_are_combined() {
    let (one, two) = (vec![7; 1000], b"and the rest".to_vec());
    let whole = [&one[..], &two].concat();
    for algorithm in Algorithm::ALL {
        let sum = |bytes: &[u8]| Checksum {
            algorithm,
            scope: Scope::FullObject,
            value: algorithm.digest(bytes),
        };
        let (first, second) = (sum(&one), sum(&two));
        let parts = [(&first, one.len() as u64), (&second, two.len() as u64)];
        let full = Checksum::of_parts(algorithm, Scope::FullObject, &parts);
        match algorithm {
            Algorithm::Sha1 | Algorithm::Sha256 => {
                assert_eq!(
                    full, None,
                    "a hash of the whole object cannot be computed from its parts"
                );
            }
            _ => assert_eq!(full.unwrap().value, algorithm.digest(&whole)),
        }
        let raw = [&first, &second].map(|sum| BASE64_STANDARD.decode(&sum.value).unwrap()).concat();
        let composite = Checksum::of_parts(algorithm, Scope::Composite, &parts).unwrap();
        assert_eq!(composite.value, format!("{}-2", algorithm.digest(&raw)));
    }
}

/// A minimal client: one connection, version 2 signatures.
struct Client<'a> {
    server: &'a Server,
    stream: BufReader<TcpStream>,
    secret: &'a str,
}

struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn has(&self, text: &str) -> bool {
        self.head.contains(text) || String::from_utf8_lossy(&self.body).contains(text)
    }
}

impl<'a> Client<'a> {
    fn new(server: &'a Server) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { server, stream: BufReader::new(stream), secret: server.secret_key() }
    }

    /// Sends a request. `resource` is the path with the sub-resources that version 2 signs; `query`
    /// is not signed.
    fn call(
        &mut self,
        method: &str,
        resource: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let host = format!("127.0.0.1:{}", self.server.port());
        self.call_host(&host, method, resource, resource, query, headers, body)
    }

    #[allow(clippy::too_many_arguments, reason = "a request has this many parts")]
    fn call_host(
        &mut self,
        host: &str,
        method: &str,
        path: &str,
        resource: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let date = "Mon, 01 Jan 2024 00:00:00 GMT";
        let md5 =
            headers.iter().find(|(name, _)| *name == "content-md5").map_or("", |(_, value)| value);
        let mut text = format!("{method}\n{md5}\n\n{date}\n");
        let amz = headers.iter().filter(|(name, _)| name.starts_with("x-amz-"));
        amz.for_each(|(name, value)| text += &format!("{name}:{value}\n"));
        text += resource;
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let mut request =
            format!("{method} {path}{query} HTTP/1.1\r\nhost: {host}\r\ndate: {date}\r\n");
        request += &format!("authorization: AWS {}:{signature}\r\n", self.server.access_key());
        headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
        request += &format!("content-length: {}\r\n\r\n", body.len());
        self.stream.get_mut().write_all(&[request.as_bytes(), body].concat()).unwrap();

        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                self.stream.read_line(&mut head).unwrap() > 0,
                "the connection ended after {head:?}"
            );
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; if method == "HEAD" { 0 } else { length }];
        self.stream.read_exact(&mut body).unwrap();
        Response { status: head[9..12].parse().unwrap(), head, body }
    }
}

#[test]
fn requests_over_one_connection_reach_the_store() {
    let server = Server::start(ServerOptions::default());
    let mut client = Client::new(&server);
    let stored =
        client.call("PUT", "/registry/a%2B%20b", "", &[("content-type", "")], b"0123456789");
    assert_eq!(
        (stored.status, server.object("registry", "a+ b").unwrap()),
        (200, "0123456789".into())
    );
    assert!(stored.has("etag: \"781e5e245d69b566979b86e28d23f2c7\""));

    let read = client.call("GET", "/registry/a%2B%20b", "", &[("range", "bytes=-3")], b"");
    assert_eq!((read.status, &*read.body), (206, &b"789"[..]));
    assert!(read.has("content-range: bytes 7-9/10"));
    let head = client.call("HEAD", "/registry/a%2B%20b", "", &[("range", "bytes=4-")], b"");
    assert!(head.status == 206 && head.has("content-length: 6"), "{}", head.head);
    assert_eq!(
        client.call("GET", "/registry/a%2B%20b", "", &[("range", "bytes=10-")], b"").status,
        416
    );
    let unchanged = [("if-none-match", "\"781e5e245d69b566979b86e28d23f2c7\"")];
    assert_eq!(client.call("GET", "/registry/a%2B%20b", "", &unchanged, b"").status, 304);
    let overridden =
        client.call("GET", "/registry/a%2B%20b?response-content-type=a/b", "", &[], b"");
    assert!(overridden.has("content-type: a/b"), "{}", overridden.head);

    let host = format!("registry.localhost:{}", server.port());
    let virtual_host =
        client.call_host(&host, "GET", "/a%2B%20b", "/registry/a%2B%20b", "", &[], b"");
    assert_eq!(virtual_host.body, b"0123456789");
    let listed = client.call("GET", "/registry/", "?list-type=2&encoding-type=url", &[], b"");
    assert!(listed.has("<Key>a%2B+b</Key>") && listed.has("<KeyCount>1</KeyCount>"));

    assert_eq!(client.call("DELETE", "/registry/a%2B%20b", "", &[], b"").status, 204);
    assert!(server.keys("registry").is_empty());
    assert!(client.call("GET", "/registry/a%2B%20b", "", &[], b"").has("<Code>NoSuchKey</Code>"));
    assert_eq!(
        (server.connections(), server.count("GetObject"), server.count("HeadObject")),
        (1, 6, 1)
    );
    assert_eq!((server.requests(), server.bytes_in()), (10, 10));
}

#[test]
fn wrong_secrets_are_rejected_even_with_large_bodies() {
    let server = Server::start(ServerOptions::default());
    let mut client = Client { secret: "another", ..Client::new(&server) };
    let refused = client.call("PUT", "/registry/k", "", &[], &vec![0; 4 * MIB]);
    assert!(refused.status == 403 && refused.has("<Code>SignatureDoesNotMatch</Code>"));
    assert_eq!(
        client.call("HEAD", "/registry/k", "", &[], b"").status,
        403,
        "on the same connection"
    );
    assert_eq!(
        (server.connections(), server.operations().len(), server.keys("registry").len()),
        (1, 0, 0)
    );
}

#[test]
fn checks_missing_in_s3s_are_made() {
    let scope = |region: &str| format!("A/KEY/20240101/{region}/s3/aws4_request");
    assert!(gate::check_region(&scope("eu-west-1"), "eu-west-1").is_ok());
    let refused = gate::check_region(&scope("us-east-1"), "eu-west-1").unwrap_err();
    assert_eq!(refused.code().as_str(), "AuthorizationHeaderMalformed");
    assert_eq!(refused.headers().unwrap()["x-amz-bucket-region"], "eu-west-1");

    let headers = [("host", "h"), ("x-amz-acl", "private")].into_iter();
    let headers =
        headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    assert!(gate::check_signed_headers(&headers, "host;x-amz-acl;x-amz-date").is_ok());
    assert_eq!(code(gate::check_signed_headers(&headers, "host;x-amz-date")), "AccessDenied");

    let server = Server::start(ServerOptions {
        session_token: Some("to/ken+=".to_owned()),
        ..ServerOptions::default()
    });
    let mut client = Client::new(&server);
    let mut list = |headers: &[(&str, &str)]| client.call("GET", "/registry/", "", headers, b"");
    assert_eq!(list(&[("x-amz-security-token", "to/ken+=")]).status, 200);
    assert!(list(&[("x-amz-security-token", "other")]).has("<Code>InvalidToken</Code>"));
    assert!(list(&[]).has("<Code>InvalidToken</Code>"));
}

#[test]
fn batch_deletions_need_a_digest() {
    let server = Server::start(ServerOptions::default());
    ["a", "b", "c"].iter().for_each(|key| server.put_object("registry", key, "x"));
    let mut client = Client::new(&server);
    let body = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>";
    let mut delete =
        |headers: &[(&str, &str)]| client.call("POST", "/registry/?delete", "", headers, body);
    assert!(delete(&[]).has("<Code>InvalidRequest</Code>"));
    assert!(delete(&[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]).has("<Code>BadDigest</Code>"));
    let deleted = delete(&[("content-md5", &BASE64_STANDARD.encode(Md5::checksum(body)))]);
    assert!(deleted.status == 200 && deleted.has("<Deleted><Key>b</Key></Deleted>"));
    assert_eq!(server.keys("registry"), ["c"]);
}

#[test]
fn requested_faults_come_first_and_then_end() {
    let server = Server::start(ServerOptions::default());
    server.fail_next("PutObject", 503, "SlowDown", 2);
    server.fail_next("PutObject", 500, "InternalError", 1);
    let mut client = Client::new(&server);
    let mut statuses =
        [0; 4].map(|_| client.call("PUT", "/registry/k", "", &[], b"x").status).to_vec();
    assert_eq!(statuses, [503, 503, 500, 200]);
    server.delay(Duration::from_millis(50));
    let asked = Instant::now();
    statuses.push(client.call("HEAD", "/registry/k", "", &[], b"").status);
    assert!(statuses[4] == 200 && asked.elapsed() >= Duration::from_millis(50));
    assert_eq!(server.count("PutObject"), 4);
}

#[test]
fn state_can_be_stored_directly() {
    let server = Server::start(ServerOptions { page_size: 1, ..ServerOptions::default() });
    let bucket = server.bucket();
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    let id = server.begin_upload(bucket, "k", yesterday);
    server.put_part(bucket, "k", &id, 1, "less than 5 MiB");
    server.begin_upload(bucket, "k", SystemTime::now());
    let open = server.open_uploads(bucket);
    assert_eq!(
        (open.len(), &open[0].id, open[0].initiated, open[0].bytes),
        (2, &id, yesterday, 15)
    );

    let mut client = Client::new(&server);
    let listed = client.call("GET", "/registry/?uploads", "", &[], b"");
    assert!(
        listed.has(&format!("<NextUploadIdMarker>{id}</NextUploadIdMarker>")),
        "one upload per page"
    );
    let parts = client.call("GET", &format!("/registry/k?uploadId={id}"), "", &[], b"");
    assert!(parts.has("<Size>15</Size>") && parts.has("<IsTruncated>false</IsTruncated>"));
}

#[test]
fn discarded_bodies_keep_their_digests() {
    let server = Server::start(ServerOptions { discard_bodies: true, ..ServerOptions::default() });
    let body = vec![9; 3 * MIB];
    let mut client = Client::new(&server);
    let stored = client.call("PUT", "/registry/k", "", &[], &body);
    assert!(stored.has(&hex::encode(Md5::checksum(&body))));
    assert!(
        client
            .call("HEAD", "/registry/k", "", &[], b"")
            .has(&format!("content-length: {}", body.len()))
    );
    assert!(client.call("GET", "/registry/k", "", &[], b"").has("<Code>InvalidObjectState</Code>"));
    assert_eq!(server.object("registry", "k"), None);
    assert_eq!(server.object_info("registry", "k").unwrap().content.len(), 3 * MIB as u64);
}

#[test]
fn tls_is_trusted_only_with_its_authority() {
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{
        ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring,
    };

    let server = Server::start(ServerOptions { tls: true, ..ServerOptions::default() });
    let other = Server::start(ServerOptions { tls: true, ..ServerOptions::default() });
    let ask = |authority: &Server, name: &'static str| -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.ca_pem().unwrap().as_bytes()).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connection =
            ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(server.address())?);
        stream.write_all(
            b"GET /registry/k HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    };
    assert!(server.endpoint().starts_with("https://127.0.0.1:"));
    for name in ["127.0.0.1", "localhost", "registry.localhost"] {
        assert!(ask(&server, name).unwrap().contains("<Code>AccessDenied</Code>"), "{name}");
    }
    assert!(ask(&other, "localhost").is_err());
}

#[test]
fn a_dropped_server_closes_its_connections() {
    let server = Server::start(ServerOptions::default());
    let mut client = Client::new(&server);
    client.call("PUT", "/registry/k", "", &[], b"x");
    let mut idle = client.stream.into_inner();
    let address = server.address();
    drop(server);
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "an idle connection is closed");
    assert!(TcpStream::connect(address).is_err(), "nothing listens on the port");
}

/// Compares the two verifiers of the server: if their results differ, the request fails.
#[test]
fn disagreeing_verifiers_are_noticed() {
    use crate::support::second::Second;
    use s3driver::sign::{Credentials, Request, v4};
    use s3driver::time::Timestamp;
    let second = Second {
        access_key: "id".to_owned(),
        secret_key: "secret".to_owned(),
        session_token: None,
    };
    let scope = v4::Scope { region: "us-east-1", service: "s3" };
    let now = Timestamp::from(std::time::SystemTime::now());
    for (secret, agrees) in [("secret", true), ("another", false)] {
        let request = Request::new("GET", "/registry/key").headers(&[("host", "localhost")]);
        let signed = v4::sign(
            &request,
            v4::Payload::Bytes(b""),
            &Credentials::new("id", secret),
            scope,
            now,
        )
        .unwrap();
        let mut head = hyper::Request::get("/registry/key").header("host", "localhost");
        for (name, value) in &signed.headers {
            head = head.header(*name, value);
        }
        let (head, ()) = head.body(()).unwrap().into_parts();
        let opinion = second.opinion(&head, None);
        assert_eq!(opinion.disagrees(hyper::StatusCode::FORBIDDEN), agrees, "rejected by s3s");
        assert!(!opinion.disagrees(hyper::StatusCode::OK));
        assert_eq!(opinion.agree(true).is_ok(), agrees, "accepted by s3s");
        assert!(
            !opinion.disagrees(hyper::StatusCode::FORBIDDEN),
            "an operation may reject a correctly signed request"
        );
    }
    let (unsigned, ()) = hyper::Request::get("/registry/key")
        .header("host", "localhost")
        .body(())
        .unwrap()
        .into_parts();
    assert!(
        second.opinion(&unsigned, None).agree(false).is_ok()
            && second.opinion(&unsigned, None).agree(true).is_err()
    );
}
