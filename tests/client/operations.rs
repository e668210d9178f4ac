//! Tests the client with real servers over real sockets: the same checks run on the embedded
//! server, Ceph and SeaweedFS.

mod attributes;
mod forms;
mod lock;
mod tags;
mod versions;

use crate::support::content::bytes;
use crate::support::target::Target;
use crate::support::{Server, ServerOptions};
use s3driver::client::{
    ByteRange, Client, Condition, CopySource, CreateBucket, GetObject, HELD_BODY, ListObjects,
    ObjectSettings, Part, Presign, PresignMethod, RetryPolicy, SignatureVersion, StorageClass,
    UploadRef,
};
use s3driver::sign::Credentials;
use s3driver::{ErrorKind, Result};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PART: usize = 5 << 20;

fn put(client: &Client, target: &Target, key: &str, content: &[u8]) {
    client.put_object(&target.bucket, key, content, &ObjectSettings::default()).unwrap();
}

fn get(client: &Client, target: &Target, key: &str) -> Result<Vec<u8>> {
    client.get_object(&target.bucket, key, &GetObject::default())?.read_all(64 << 20)
}

/// Returns all keys below a prefix, page by page.
fn keys(client: &Client, target: &Target, request: ListObjects) -> Vec<String> {
    client
        .objects(&target.bucket, request)
        .pages()
        .flat_map(|page| page.unwrap().contents)
        .map(|object| object.key)
        .collect()
}

fn clean(client: &Client, target: &Target, prefix: &str) {
    let found = keys(client, target, ListObjects::prefix(prefix));
    for batch in found.chunks(1000) {
        client
            .delete_objects(&target.bucket, &batch.iter().map(String::as_str).collect::<Vec<_>>())
            .unwrap();
    }
}

/// Fetches a presigned URL with a plain HTTP GET or HEAD, using independent code if the scheme
/// allows it.
fn fetch(target: &Target, method: &str, url: &str) -> (u16, Vec<u8>) {
    if let Some(rest) = url.strip_prefix("http://") {
        let (host, path) = rest.split_at(rest.find('/').unwrap());
        let mut socket = TcpStream::connect(host).unwrap();
        write!(socket, "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut reply = Vec::new();
        socket.read_to_end(&mut reply).unwrap();
        let head = reply.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head") + 4;
        let status = std::str::from_utf8(&reply[9..12]).unwrap().parse().unwrap();
        return (status, reply[head..].to_vec());
    }
    let mut curl = std::process::Command::new("curl");
    curl.args([
        "-s",
        "--path-as-is",
        "-w",
        "\n%{http_code}",
        "--cacert",
        target.ca_file.as_deref().unwrap(),
    ]);
    if method == "HEAD" {
        curl.arg("-I");
    }
    let output = curl.arg(url).output().expect("curl").stdout;
    let cut = output.iter().rposition(|b| *b == b'\n').unwrap();
    let status = std::str::from_utf8(&output[cut + 1..]).unwrap().parse().unwrap();
    (status, output[..cut].to_vec())
}

crate::checks! {
    fn an_object_is_read_back_unchanged(target) {
        let client = target.client();
        let prefix = target.scratch("roundtrip");
        for size in [0, 1, 4096, 1 << 20, (3 << 20) + 17] {
            let key = format!("{prefix}/{size}");
            let content = bytes(size as u64, 0, size);
            put(&client, target, &key, &content);
            let meta = client.head_object(&target.bucket, &key, &Default::default()).unwrap();
            assert_eq!(meta.size, size as u64);
            assert!(meta.etag.is_some() && meta.last_modified.is_some(), "{meta:?}");
            assert!(get(&client, target, &key).unwrap() == content, "{size} bytes differ");
        }
        clean(&client, target, &prefix);
    }

    fn missing_objects_and_buckets_are_reported_as_missing(target) {
        let client = target.client();
        let key = target.scratch("missing");
        assert_eq!(get(&client, target, &key).unwrap_err().kind(), ErrorKind::NoSuchKey);
        assert_eq!(
            client.head_object(&target.bucket, &key, &Default::default()).unwrap_err().kind(),
            ErrorKind::NoSuchKey
        );
        client.delete_object(&target.bucket, &key, &Default::default()).unwrap();
        let error = client
            .put_object("no-such-bucket-here", "key", b"", &ObjectSettings::default())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchBucket, "{error}");
        assert_eq!(error.attempts(), 1);
        assert_eq!(
            client.head_bucket("no-such-bucket-here").unwrap_err().kind(),
            ErrorKind::NoSuchBucket
        );
        client.head_bucket(&target.bucket).unwrap();
    }

    fn ranges_are_exact(target) {
        let client = target.client();
        let key = target.scratch("range");
        let content = bytes(1, 0, 100_000);
        put(&client, target, &key, &content);
        let read = |range| {
            client.get_object(&target.bucket, &key, &GetObject::range(range))?.read_all(1 << 20)
        };
        assert_eq!(read(ByteRange::From(0)).unwrap(), content);
        assert_eq!(read(ByteRange::From(99_999)).unwrap(), content[99_999..]);
        assert_eq!(read(ByteRange::Part { offset: 10, length: 20 }).unwrap(), content[10..30]);
        assert_eq!(
            read(ByteRange::Part { offset: 99_990, length: 500 }).unwrap(),
            content[99_990..]
        );
        assert_eq!(read(ByteRange::From(100_000)).unwrap_err().kind(), ErrorKind::InvalidRange);
        assert_eq!(read(ByteRange::From(1 << 40)).unwrap_err().kind(), ErrorKind::InvalidRange);
        let etag = client.head_object(&target.bucket, &key, &Default::default()).unwrap().etag.unwrap();
        let request = GetObject::default().condition(Condition::IfMatch(etag));
        assert_eq!(
            client.get_object(&target.bucket, &key, &request).unwrap().read_all(1 << 20).unwrap(),
            content
        );
        let stale = GetObject::default().condition(Condition::IfMatch("0123456789abcdef0123456789abcdef".to_owned()));
        let error = client.get_object(&target.bucket, &key, &stale).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error}");
        clean(&client, target, &key);
    }

    fn unusual_keys_are_sent_byte_for_byte(target) {
        let client = target.client();
        let prefix = target.scratch("odd");
        let names = [
            "a b",
            "a+b",
            "a%2Fb",
            "a%b",
            "a&b=c",
            "a?b#c",
            "a//b",
            "a/./b",
            "a/../b",
            "../up",
            ".",
            "..",
            "~tilde",
            "quote'\"",
            "<xml>&amp;",
            "umlaut-ä",
            "emoji-😀",
            "semi;colon:at@",
            "back\\slash",
            "trailing ",
            "comma,(paren)*!",
            "[brackets]{}|^`",
        ];
        let mut expected: Vec<String> =
            names.iter().map(|name| format!("{prefix}/{name}")).collect();
        for key in &expected {
            put(&client, target, key, key.as_bytes());
        }
        for key in &expected {
            assert_eq!(get(&client, target, key).unwrap(), key.as_bytes(), "{key}");
            let copy = format!("{key}-copy");
            let source = CopySource::new(&target.bucket, key);
            client.copy_object(source, &target.bucket, &copy, &ObjectSettings::default()).unwrap();
            assert_eq!(get(&client, target, &copy).unwrap(), key.as_bytes(), "{copy}");
            client.delete_object(&target.bucket, &copy, &Default::default()).unwrap();
            let url = client
                .presign(
                    &target.bucket,
                    key,
                    &Presign::exactly(PresignMethod::Get, Duration::from_secs(60)),
                )
                .unwrap()
                .url;
            assert_eq!(fetch(target, "GET", &url), (200, key.as_bytes().to_vec()), "{key}");
        }
        let mut found = keys(&client, target, ListObjects::prefix(&*prefix));
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        clean(&client, target, &prefix);
        assert!(keys(&client, target, ListObjects::prefix(&*prefix)).is_empty());
    }

    fn an_empty_key_never_reaches_the_bucket(target) {
        let client = target.client();
        let before = client.stats().requests;
        let settings = ObjectSettings::default();
        assert_eq!(
            client.delete_object(&target.bucket, "", &Default::default()).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        assert_eq!(
            client.put_object(&target.bucket, "", b"", &settings).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        assert_eq!(
            client.head_object(&target.bucket, "", &Default::default()).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        assert_eq!(
            client.head_object("a/b", "key", &Default::default()).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        let upload = UploadRef { bucket: &target.bucket, key: "key", upload_id: "" };
        assert_eq!(
            client.abort_multipart_upload(upload).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        assert_eq!(client.stats().requests, before);
    }

    fn listings_are_paged_and_grouped_by_delimiter(target) {
        let client = target.client();
        let prefix = target.scratch("list");
        let mut expected = Vec::new();
        for i in 0..25 {
            for name in
                [format!("{prefix}/dir{}/file{i:02}", i % 3), format!("{prefix}/top {i:02}+")]
            {
                put(&client, target, &name, b"x");
                expected.push(name);
            }
        }
        expected.sort();
        let all = ListObjects::prefix(format!("{prefix}/"));
        assert_eq!(keys(&client, target, all.clone()), expected);
        assert_eq!(keys(&client, target, all.clone().max_keys(7)), expected);
        assert_eq!(keys(&client, target, all.clone().start_after(&*expected[10])), expected[11..]);
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for page in client.objects(&target.bucket, all.delimiter("/").max_keys(4)).pages() {
            let page = page.unwrap();
            files.extend(page.contents.into_iter().map(|object| object.key));
            directories.extend(page.common_prefixes);
        }
        assert_eq!(directories, (0..3).map(|i| format!("{prefix}/dir{i}/")).collect::<Vec<_>>());
        assert_eq!(
            files,
            expected.iter().filter(|key| key.contains("/top ")).cloned().collect::<Vec<_>>()
        );
        let request =
            ListObjects::prefix(format!("{prefix}/")).start_after(&*expected[0]).max_keys(9);
        let mut v1: Vec<String> = Vec::new();
        loop {
            let page = client
                .list_objects_v1(&target.bucket, &request, v1.last().map(String::as_str))
                .unwrap();
            v1.extend(page.contents.into_iter().map(|object| object.key));
            if page.is_truncated != Some(true) {
                break;
            }
        }
        assert_eq!(v1, expected[1..]);
        clean(&client, target, &prefix);
    }

    fn a_batch_deletes_every_key_and_no_other(target) {
        let client = target.client();
        let prefix = target.scratch("batch");
        let names: Vec<String> = (0..12).map(|i| format!("{prefix}/<{i}>&'\"")).collect();
        for name in &names {
            put(&client, target, name, b"x");
        }
        put(&client, target, &format!("{prefix}/kept"), b"x");
        let mut batch: Vec<&str> = names.iter().map(String::as_str).collect();
        let never = format!("{prefix}/never there");
        batch.push(&never);
        client.delete_objects(&target.bucket, &batch).unwrap();
        assert_eq!(
            keys(&client, target, ListObjects::prefix(&*prefix)),
            [format!("{prefix}/kept")]
        );
        client.delete_objects(&target.bucket, &[""; 0]).unwrap();
        clean(&client, target, &prefix);
    }

    fn settings_are_stored(target) {
        let client = target.client();
        let key = target.scratch("settings");
        let settings = ObjectSettings::default().content_type("application/vnd.oci.image.manifest.v1+json").metadata("Owner", "registry  with   spaces").storage_class(StorageClass::Standard);
        client.put_object(&target.bucket, &key, b"{}", &settings).unwrap();
        let meta = client.head_object(&target.bucket, &key, &Default::default()).unwrap();
        assert_eq!(
            meta.content_type.as_deref(),
            Some("application/vnd.oci.image.manifest.v1+json")
        );
        assert!(
            meta.metadata
                .iter()
                .any(|(name, value)| name == "owner" && value.starts_with("registry")),
            "{meta:?}"
        );
        clean(&client, target, &key);
    }

    fn a_multipart_upload_becomes_one_object(target) {
        let client = target.client();
        let key = target.scratch("multipart");
        let content = bytes(7, 0, 2 * PART + 12_345);
        let id = client
            .create_multipart_upload(&target.bucket, &key, &ObjectSettings::default())
            .unwrap();
        let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
        let mut parts: Vec<Part> = Vec::new();
        for (number, part) in (1..).zip(content.chunks(PART)) {
            parts.push(client.upload_part(upload, number, part).unwrap());
        }
        // A part that is sent again replaces the first one.
        parts[1] = client.upload_part(upload, 2, &content[PART..2 * PART]).unwrap();
        assert_eq!(
            client.head_object(&target.bucket, &key, &Default::default()).unwrap_err().kind(),
            ErrorKind::NoSuchKey
        );
        let uploads = client.uploads(&target.bucket, &key).pages().flat_map(|page| page.unwrap().uploads);
        assert_eq!(
            uploads
                .filter(|found| found.key == key)
                .map(|found| found.upload_id)
                .collect::<Vec<_>>(),
            [id.as_str()]
        );
        let mut listed: Vec<_> = client
            .parts(upload).pages()
            .flat_map(|page| page.unwrap().parts)
            .map(|p| (p.part_number, p.size))
            .collect();
        // SeaweedFS lists a part twice if it was sent twice.
        listed.dedup();
        assert_eq!(listed, [(1, PART as u64), (2, PART as u64), (3, 12_345)]);
        client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
        assert!(get(&client, target, &key).unwrap() == content);
        // A repeated completion, as after a lost response, succeeds, and there is still one object.
        client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
        assert!(get(&client, target, &key).unwrap() == content);
        clean(&client, target, &key);
    }

    fn an_aborted_upload_is_gone(target) {
        let client = target.client();
        let key = target.scratch("abort");
        let id = client
            .create_multipart_upload(&target.bucket, &key, &ObjectSettings::default())
            .unwrap();
        let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
        client.upload_part(upload, 1, b"some bytes").unwrap();
        client.abort_multipart_upload(upload).unwrap();
        client.abort_multipart_upload(upload).unwrap();
        assert_eq!(
            client.parts(upload).pages().next().unwrap().unwrap_err().kind(),
            ErrorKind::NoSuchUpload
        );
        let uploads = client.uploads(&target.bucket, &key).pages().flat_map(|page| page.unwrap().uploads);
        assert_eq!(uploads.count(), 0);
    }

    fn parts_are_copied_in_ranges(target) {
        let client = target.client();
        let (from, to) = (target.scratch("copy-from"), target.scratch("copy-to"));
        let content = bytes(9, 0, PART + 1000);
        put(&client, target, &from, &content);
        let id = client
            .create_multipart_upload(&target.bucket, &to, &ObjectSettings::default())
            .unwrap();
        let upload = UploadRef { bucket: &target.bucket, key: &to, upload_id: &id };
        let source = CopySource::new(&target.bucket, &from);
        let parts = [
            client.upload_part_copy(source, 1000..PART as u64 + 1000, upload, 1).unwrap(),
            client.upload_part_copy(source, 0..1000, upload, 2).unwrap(),
        ];
        client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
        let copied = get(&client, target, &to).unwrap();
        assert!(copied[..PART] == content[1000..] && copied[PART..] == content[..1000]);
        clean(&client, target, &from);
        clean(&client, target, &to);
    }

    fn a_conditional_write_happens_only_if_its_condition_holds(target) {
        let client = target.client();
        let key = target.scratch("condition");
        let write = |content: &[u8], condition| {
            let settings = ObjectSettings::default().condition(condition);
            client.put_object(&target.bucket, &key, content, &settings)
        };
        write(b"first", Condition::IfAbsent).unwrap();
        assert_eq!(
            write(b"second", Condition::IfAbsent).unwrap_err().kind(),
            ErrorKind::PreconditionFailed
        );
        assert_eq!(get(&client, target, &key).unwrap(), b"first");
        clean(&client, target, &key);
    }

    fn presigned_urls_permit_only_their_own_request(target) {
        let client = target.client();
        let key = target.scratch("presigned");
        put(&client, target, &key, b"presigned content");
        let presign = |client: &Client, method| {
            client
                .presign(&target.bucket, &key, &Presign::at_most(method, Duration::from_secs(300)))
                .unwrap()
                .url
        };
        assert_eq!(
            fetch(target, "GET", &presign(&client, PresignMethod::Get)),
            (200, b"presigned content".to_vec())
        );
        assert_eq!(fetch(target, "HEAD", &presign(&client, PresignMethod::Head)).0, 200);
        let stranger = target
            .config()
            .static_credentials(Credentials::new(&target.access_key, "another secret"));
        let forged = presign(&Client::new(stranger).unwrap(), PresignMethod::Get);
        assert_eq!(fetch(target, "GET", &forged).0, 403);
        if target.signature == SignatureVersion::V4 {
            let week = Presign::exactly(PresignMethod::Get, Duration::from_secs(7 * 86_400 + 1));
            assert_eq!(
                client.presign(&target.bucket, &key, &week).unwrap_err().kind(),
                ErrorKind::InvalidArgument
            );
        }
        clean(&client, target, &key);
    }

    fn wrong_credentials_are_refused_once(target) {
        for credentials in [
            Credentials::new(&target.access_key, "another secret"),
            Credentials::new("AKIDNOBODY", "secret"),
        ] {
            let client = Client::new(target.config().static_credentials(credentials)).unwrap();
            let error = get(&client, target, "key").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SignatureRejected, "{error}");
            assert_eq!((error.attempts(), client.stats().requests), (1, 1));
            let text = format!("{error} {error:?}");
            assert!(!text.contains("another secret") && !text.contains("AWS4-HMAC"), "{text}");
            assert!(error.hint().is_some(), "{error}");
        }
    }

    fn connections_are_reused_and_shared(target) {
        let client = target.client();
        let prefix = target.scratch("pool");
        for i in 0..20 {
            put(&client, target, &format!("{prefix}/{i}"), b"x");
        }
        assert!(client.stats().connections <= 2, "{:?}", client.stats());
        let threads = 8;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (client, prefix) = (&client, &prefix);
                scope.spawn(move || {
                    for i in 0..20 {
                        let key = format!("{prefix}/{thread}-{i}");
                        put(client, target, &key, key.as_bytes());
                        assert_eq!(get(client, target, &key).unwrap(), key.as_bytes());
                    }
                });
            }
        });
        // A server may close a connection occasionally, but thousands of requests must not need a
        // connection each.
        assert!(client.stats().connections <= 2 * threads, "{:?}", client.stats());
        clean(&client, target, &prefix);
    }

    fn a_reader_is_streamed_into_an_object(target) {
        let client = target.client();
        let key = target.scratch("stream");
        let settings = ObjectSettings::default();
        for length in [300_000, HELD_BODY as usize + 300_001] {
            let content = bytes(3, 0, length);
            client
                .put_object_from(
                    &target.bucket,
                    &key,
                    &mut &content[..],
                    content.len() as u64,
                    &settings,
                )
                .unwrap();
            assert!(get(&client, target, &key).unwrap() == content);
            let missing = content.len() as u64 + 10;
            let short = client
                .put_object_from(&target.bucket, &key, &mut &content[..], missing, &settings)
                .unwrap_err();
            assert_eq!(short.kind(), ErrorKind::LocalIo, "{short}");
            assert!(
                get(&client, target, &key).unwrap() == content,
                "a broken upload changed the object"
            );
        }
        clean(&client, target, &key);
    }

    fn a_bucket_is_created_found_and_deleted(target) {
        let client = target.client();
        let bucket = target.scratch("made");
        client.create_bucket(&bucket, &CreateBucket::default()).unwrap();
        client.head_bucket(&bucket).unwrap();
        client.get_bucket_location(&bucket).unwrap();
        client.put_object(&bucket, "key", b"", &ObjectSettings::default()).unwrap();
        assert_eq!(client.delete_bucket(&bucket).unwrap_err().kind(), ErrorKind::Conflict);
        client.delete_object(&bucket, "key", &Default::default()).unwrap();
        client.delete_bucket(&bucket).unwrap();
        assert_eq!(client.head_bucket(&bucket).unwrap_err().kind(), ErrorKind::NoSuchBucket);
    }

    fn lifecycle_rules_are_read_or_not_offered(target) {
        let client = target.client();
        match client.get_bucket_lifecycle_configuration(&target.bucket) {
            Ok(rules) => assert_eq!(rules, []),
            // rclone ignores the name of the operation and responds with a listing.
            Err(error) if target.server == "rclone" => {
                assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
            }
            Err(error) => assert!(s3driver::client::lacks_operation(&error), "{error}"),
        }
        let missing = client.get_bucket_lifecycle_configuration("no-such-bucket-here");
        assert!(missing.is_err());
    }

    fn the_certificate_of_a_server_is_returned_only_with_tls(target) {
        let found = target.client().server_certificate(&target.bucket);
        if crate::support::transport::is_agent() {
            // An agent does not give out the certificate.
            assert_eq!(found.unwrap_err().kind(), ErrorKind::Configuration);
            return;
        }
        assert_eq!(found.unwrap().is_some(), target.endpoint.starts_with("https:"));
    }

    fn an_unreachable_server_is_named(target) {
        let closed = crate::support::closed::ClosedPort::new();
        let endpoint = s3driver::client::Endpoint::custom(
            &closed.url(),
            None,
            s3driver::client::Scheme::Http,
        );
        let config = s3driver::client::Config::new(endpoint.unwrap()).retry(RetryPolicy::never());
        let error = Client::new(config).unwrap().head_bucket(&target.bucket).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains(&closed.number().to_string()), "{error}");
    }
}

#[test]
fn a_certificate_is_returned_although_it_is_not_trusted() {
    let server = Server::start(ServerOptions { tls: true, ..ServerOptions::default() });
    let endpoint = s3driver::client::Endpoint::custom(
        &server.endpoint(),
        None,
        s3driver::client::Scheme::Https,
    );
    let config = s3driver::client::Config::new(endpoint.unwrap()).retry(RetryPolicy::never());
    let client = Client::new(config).unwrap();
    assert_eq!(client.head_bucket(server.bucket()).unwrap_err().kind(), ErrorKind::Tls);
    let certificate = client.server_certificate(server.bucket()).unwrap().unwrap();
    // A SEQUENCE with a length of two bytes.
    assert!(certificate.starts_with(&[0x30, 0x82]));
    assert!(certificate.windows(9).any(|bytes| bytes == b"localhost"));
}

#[test]
fn the_bytes_of_these_tests_depend_on_their_position() {
    let whole = bytes(5, 0, 1000);
    for offset in [0, 1, 7, 8, 9, 500] {
        assert_eq!(bytes(5, offset, 100), whole[offset as usize..offset as usize + 100]);
    }
    assert_ne!(whole[..8], whole[8..16]);
}
