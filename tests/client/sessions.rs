//! Tests temporary credentials: every request and URL contains the token, and no URL claims to be
//! valid longer than the credentials. A URL that claims an hour but expires after five minutes
//! would fail in the middle of a pull.

use crate::support::{Server, ServerOptions};
use s3driver::client::{
    Client, Config, Endpoint, GetObject, ObjectSettings, Presign, PresignMethod, Scheme,
    SignatureVersion,
};
use s3driver::clock::{Clock, SystemClock};
use s3driver::credentials::{Lease, Provider};
use s3driver::driver::{Method, Parameters, S3Driver, StorageDriver, UrlOptions};
use s3driver::sign::Credentials;
use s3driver::{ErrorKind, Result};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

const NOW: Duration = Duration::from_secs(1_800_000_000);
const LEFT: u64 = 300;

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + NOW
    }
    fn instant(&self) -> Instant {
        Instant::now()
    }
    fn sleep(&self, _: Duration) {}
    fn random(&self) -> u64 {
        0
    }
}

/// Credentials with a token that expire at a given time.
#[derive(Debug)]
struct Session(Option<SystemTime>);

impl Provider for Session {
    fn credentials(&self) -> Result<Arc<Lease>> {
        let credentials = Credentials::new("ASIASESSION", "secret").with_session_token("token");
        Ok(Arc::new(Lease { credentials: Some(credentials), expires: self.0 }))
    }
}

fn client(ends: Option<SystemTime>, signature: SignatureVersion) -> Client {
    let endpoint = Endpoint::custom("http://s3.example", Some("us-east-1"), Scheme::Http).unwrap();
    let config = Config::new(endpoint)
        .credentials(Arc::new(Session(ends)))
        .clock(Arc::new(Stopped))
        .signature(signature);
    Client::new(config).unwrap()
}

fn at(seconds: u64) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + NOW + Duration::from_secs(seconds))
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}

#[test]
fn a_url_expires_with_the_session_and_states_that() {
    let url = client(at(LEFT), SignatureVersion::V4)
        .presign("registry", "key", &Presign::at_most(PresignMethod::Get, hour()))
        .unwrap();
    assert!(url.capped && url.url.contains("X-Amz-Expires=300&"), "{}", url.url);
    assert_eq!(url.expires.unwrap().unix() as u64, NOW.as_secs() + LEFT);
    assert!(!format!("{url:?}").contains("Signature"), "the URL itself grants access");
    let url = client(at(LEFT), SignatureVersion::V2)
        .presign("registry", "key", &Presign::at_most(PresignMethod::Get, hour()))
        .unwrap();
    assert!(
        url.capped && url.url.contains(&format!("Expires={}", NOW.as_secs() + LEFT)),
        "{}",
        url.url
    );
}

#[test]
fn a_url_that_fits_into_the_session_is_not_shortened() {
    for ends in [None, at(3600), at(86_400)] {
        for request in [
            Presign::at_most(PresignMethod::Get, hour()),
            Presign::exactly(PresignMethod::Get, hour()),
        ] {
            let url =
                client(ends, SignatureVersion::V4).presign("registry", "key", &request).unwrap();
            assert!(!url.capped && url.url.contains("X-Amz-Expires=3600&"), "{}", url.url);
        }
    }
}

#[test]
fn an_exact_duration_beyond_the_session_is_rejected() {
    let exactly = Presign::exactly(PresignMethod::Get, hour());
    let error =
        client(at(LEFT), SignatureVersion::V4).presign("registry", "key", &exactly).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("3600 s, but the credentials expire in 300 s"), "{error}");
}

#[test]
fn nothing_is_signed_with_an_expired_session() {
    for request in
        [Presign::at_most(PresignMethod::Get, hour()), Presign::exactly(PresignMethod::Get, hour())]
    {
        for ends in [at(0), Some(SystemTime::UNIX_EPOCH)] {
            let error = client(ends, SignatureVersion::V4)
                .presign("registry", "key", &request)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        }
    }
}

#[test]
fn the_driver_shortens_its_default_but_rejects_a_requested_duration() {
    let parameters =
        Parameters::from_pairs([("bucket", "registry"), ("regionendpoint", "http://s3.example")])
            .unwrap();
    let soon = SystemClock.now() + Duration::from_secs(LEFT);
    let driver = S3Driver::with_credentials(&parameters, Arc::new(Session(Some(soon)))).unwrap();
    let url = driver.url_for("/a", &UrlOptions::new(Method::Get)).unwrap();
    let (_, expires) = url.split_once("X-Amz-Expires=").unwrap();
    let seconds: u64 = expires.split('&').next().unwrap().parse().unwrap();
    assert!((LEFT - 30..=LEFT).contains(&seconds), "{url}");
    let asked = UrlOptions::new(Method::Get).expires_in(hour());
    assert_eq!(driver.url_for("/a", &asked).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn every_request_and_url_contains_the_token() {
    let options = ServerOptions {
        session_token: Some("a/token+with=signs".to_owned()),
        ..ServerOptions::default()
    };
    let server = Server::start(options);
    let endpoint =
        Endpoint::custom(&server.endpoint(), Some(server.region()), Scheme::Http).unwrap();
    let keys = Credentials::new(server.access_key(), server.secret_key());
    for signature in [SignatureVersion::V4, SignatureVersion::V2] {
        let client = |keys: Credentials| {
            Client::new(Config::new(endpoint.clone()).static_credentials(keys).signature(signature))
                .unwrap()
        };
        let with = client(keys.clone().with_session_token("a/token+with=signs"));
        with.put_object(server.bucket(), "key", b"content", &ObjectSettings::default()).unwrap();
        let content = with
            .get_object(server.bucket(), "key", &GetObject::default())
            .unwrap()
            .read_all(100)
            .unwrap();
        assert_eq!(content, b"content");
        let url = with
            .presign(server.bucket(), "key", &Presign::exactly(PresignMethod::Get, hour()))
            .unwrap()
            .url;
        let path = url.strip_prefix(&server.endpoint()).unwrap();
        let mut socket = TcpStream::connect(server.address()).unwrap();
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            server.address()
        )
        .unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        assert!(
            reply.starts_with("HTTP/1.1 200") && reply.ends_with("content"),
            "{signature:?}: {reply}"
        );
        for wrong in [keys.clone(), keys.clone().with_session_token("another")] {
            let error =
                client(wrong).head_object(server.bucket(), "key", &Default::default()).unwrap_err();
            assert!(matches!(error.status(), Some(400 | 403)), "{error}");
        }
    }
}
