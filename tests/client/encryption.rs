//! Encryption with keys of the customer (SSE-C), over https.
use crate::support::content::bytes;
use crate::support::gate::OWNER_ACCOUNT;
use crate::support::{Server, ServerOptions};
use s3driver::client::{
    Client, Condition, Config, CopySource, CustomerKey, Endpoint, GetObject, ObjectSettings, Scheme,
};
use s3driver::observe::{Detail, Event, Observer};
use s3driver::sign::Credentials;
use s3driver::transfer::Transfer;
use s3driver::{Error, ErrorKind};
use std::io::Read;
use std::sync::{Arc, Mutex};

const PART: usize = 5 << 20;

fn server(tls: bool) -> Server {
    Server::start(ServerOptions { tls, ..ServerOptions::default() })
}

fn config(server: &Server) -> Config {
    let endpoint = Endpoint::custom(&server.endpoint(), Some("us-east-1"), Scheme::Https).unwrap();
    let config = Config::new(endpoint)
        .static_credentials(Credentials::new(server.access_key(), server.secret_key()));
    match server.ca_pem() {
        Some(pem) => config.extra_roots_pem(pem.as_bytes()),
        None => config,
    }
}

fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    result.err().expect("a refusal").kind()
}

#[test]
fn objects_are_stored_and_read_with_the_customers_key() {
    let server = server(true);
    let plain = Client::new(config(&server)).unwrap();
    let (key, other) = (CustomerKey::new(&[1; 32]), CustomerKey::new(&[2; 32]));
    let (client, wrong) = (plain.with_customer_key(&key), plain.with_customer_key(&other));
    let bucket = server.bucket();
    let content = bytes(1, 0, 100_000);
    client.put_object(bucket, "k", &content, &ObjectSettings::default()).unwrap();
    let request = GetObject::default();
    let meta = client.head_object(bucket, "k", &request).unwrap();
    assert_eq!(meta.customer_algorithm.as_deref(), Some("AES256"));
    assert_eq!(
        meta.customer_key_md5.as_deref(),
        server.object_info(bucket, "k").unwrap().attributes.customer_key.as_deref()
    );
    assert!(
        client.get_object(bucket, "k", &request).unwrap().read_all(1 << 20).unwrap() == content
    );
    assert_eq!(kind(plain.get_object(bucket, "k", &request)), ErrorKind::Refused);
    assert_eq!(kind(plain.head_object(bucket, "k", &request)), ErrorKind::Refused);
    assert_eq!(kind(wrong.get_object(bucket, "k", &request)), ErrorKind::AccessDenied);
    plain.delete_object(bucket, "k", &Default::default()).expect("a deletion needs no key");
    assert!(plain.notices().is_empty(), "the key says nothing about other objects of the bucket");
}

#[test]
fn uploads_in_parts_and_ranges_use_the_customers_key() {
    let server = server(true);
    let plain = Client::new(config(&server)).unwrap();
    let client = plain.with_customer_key(&CustomerKey::new(&[3; 32]));
    let bucket = server.bucket();
    let content = bytes(2, 0, 2 * PART + 17);
    let transfer = Transfer::new(&client).part_size(PART as u64);
    let settings = ObjectSettings::default();
    transfer.upload(&mut &content[..], bucket, "k", &settings).unwrap();
    let stored = server.object_info(bucket, "k").unwrap();
    assert_eq!((stored.parts.len(), stored.attributes.customer_key.is_some()), (3, true));
    let mut read = Vec::new();
    client.open(bucket, "k", &GetObject::default()).unwrap().read_to_end(&mut read).unwrap();
    assert!(read == content);
    assert_eq!(kind(plain.open(bucket, "k", &GetObject::default())), ErrorKind::Refused);
}

#[test]
fn a_copy_has_a_key_for_its_source_and_one_for_its_target() {
    let server = server(true);
    let plain = Client::new(config(&server)).unwrap();
    let (from, to) = (CustomerKey::new(&[4; 32]), CustomerKey::new(&[5; 32]));
    let bucket = server.bucket();
    let content = bytes(3, 0, PART + 3);
    let settings = ObjectSettings::default();
    plain.with_customer_key(&from).put_object(bucket, "k", &content, &settings).unwrap();
    let source = CopySource::new(bucket, "k");
    assert_eq!(kind(plain.copy_object(source, bucket, "l", &settings)), ErrorKind::Refused);
    let source = source.customer_key(&from);
    plain.copy_object(source, bucket, "plain", &settings).unwrap();
    let read = |client: &Client, key: &str| {
        client.get_object(bucket, key, &GetObject::default()).unwrap().read_all(64 << 20).unwrap()
    };
    assert!(read(&plain, "plain") == content);
    let client = plain.with_customer_key(&to);
    client.copy_object(source, bucket, "keyed", &settings).unwrap();
    assert!(read(&client, "keyed") == content);
    let transfer = Transfer::new(&client).part_size(PART as u64);
    let copied = transfer.copy(source, bucket, "parts", &settings).unwrap();
    assert_eq!(copied.parts, 2);
    assert!(read(&client, "parts") == content);

    let id = client.create_multipart_upload(bucket, "m", &settings).unwrap();
    let upload = s3driver::client::UploadRef { bucket, key: "m", upload_id: &id };
    assert_eq!(kind(plain.upload_part(upload, 1, b"x")), ErrorKind::Refused);
    let part = client.upload_part(upload, 1, b"x").unwrap();
    client.complete_multipart_upload(upload, &[part], &Condition::Always).unwrap();
}

#[test]
fn a_key_is_not_sent_over_http() {
    let server = server(false);
    let plain = Client::new(config(&server)).unwrap();
    let key = CustomerKey::new(&[6; 32]);
    let client = plain.with_customer_key(&key);
    let bucket = server.bucket();
    let settings = ObjectSettings::default();
    let source = CopySource::new(bucket, "k").customer_key(&key);
    for error in [
        client.put_object(bucket, "k", b"", &settings).unwrap_err(),
        client.get_object(bucket, "k", &GetObject::default()).map(drop).unwrap_err(),
        client.head_object(bucket, "k", &GetObject::default()).map(drop).unwrap_err(),
        client.create_multipart_upload(bucket, "k", &settings).map(drop).unwrap_err(),
        plain.copy_object(source, bucket, "l", &settings).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.bucket()), (ErrorKind::InvalidArgument, Some(bucket)));
        assert!(error.message().contains("not sent over http"), "{error}");
    }
    assert_eq!(server.requests(), 0);
    client.delete_object(bucket, "k", &Default::default()).expect("a deletion needs no key");
}

/// An observer that keeps the texts of all events.
#[derive(Default)]
struct Texts(Mutex<Vec<String>>);

impl Observer for Texts {
    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
    fn wants(&self, _: Detail) -> bool {
        true
    }
}

#[test]
fn a_key_that_the_server_repeats_is_not_shown() {
    let server = server(true);
    let observer = Arc::new(Texts::default());
    let key = CustomerKey::new(b"0123456789abcdefghijklmnopqrstuv");
    let client = Client::new(config(&server).observer(Arc::clone(&observer) as _))
        .unwrap()
        .with_customer_key(&key);
    let secret = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=";
    let bucket = server.bucket();
    server.fail_next("PutObject", 400, secret, 1);
    let put = client.put_object(bucket, "k", b"", &ObjectSettings::default()).unwrap_err();
    server.fail_next("CopyObject", 400, secret, 1);
    let source = CopySource::new(bucket, "k").customer_key(&key);
    let copy = client.copy_object(source, bucket, "l", &ObjectSettings::default()).unwrap_err();
    let mut texts = vec![format!("{key:?} {client:?} {source:?}")];
    client.put_object(bucket, "k", b"a content", &ObjectSettings::default()).unwrap();
    client.get_object(bucket, "k", &GetObject::default()).unwrap().read_all(99).unwrap();
    let is_read = |text: &String| text.contains("Bodies") && text.contains("a content");
    let read = observer.0.lock().unwrap().iter().filter(|text| is_read(text)).count();
    assert_eq!(read, 2, "of the upload and of the download");
    for error in [put, copy] {
        assert_eq!(error.status(), Some(400));
        texts.extend([error.to_string(), format!("{error:?}"), format!("{:?}", error.code())]);
    }
    texts.append(&mut observer.0.lock().unwrap());
    assert!(texts.len() > 8, "the events are observed");
    for text in texts {
        assert!(!text.contains("MDEyMzQ1Njc4OWFi"), "{text}");
    }
}

#[test]
fn the_expected_owner_is_an_account_and_is_sent() {
    let server = server(true);
    for account in ["", "12345678901", "12345678901a", "1234567890123"] {
        let error = Client::new(config(&server).expected_bucket_owner(account)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
    let bucket = server.bucket();
    let owned = Client::new(config(&server).expected_bucket_owner(OWNER_ACCOUNT)).unwrap();
    owned.put_object(bucket, "k", b"content", &ObjectSettings::default()).unwrap();
    let other = Client::new(config(&server).expected_bucket_owner("000000000000")).unwrap();
    let stored = other.put_object(bucket, "k", b"", &ObjectSettings::default());
    assert_eq!(kind(stored), ErrorKind::AccessDenied);
    assert_eq!(kind(other.head_bucket(bucket)), ErrorKind::AccessDenied);
    let source = CopySource::new(bucket, "k").expected_owner("000000000000");
    let settings = ObjectSettings::default();
    assert_eq!(kind(owned.copy_object(source, bucket, "l", &settings)), ErrorKind::AccessDenied);
    let source = source.expected_owner(OWNER_ACCOUNT);
    owned.copy_object(source, bucket, "l", &settings).unwrap();
}
