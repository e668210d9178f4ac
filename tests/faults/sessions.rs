//! Sessions with directory buckets (S3 Express One Zone): created once, renewed in time, and never
//! shown.

use crate::hosts::{Hosts, Received};
use crate::server::{Answer, error_document};
use crate::{retry, timeouts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3driver::client::{
    Addressing, BucketKind, Checksum, Client, Config, CopySource, DeleteObject, Endpoint,
    GetObject, ListObjects, ObjectSettings, Presign, PresignMethod, Proxy, Scheme, SessionAuth,
};
use s3driver::clock::{Clock, SystemClock};
use s3driver::observe::{Detail, Event, Observer};
use s3driver::sign::Credentials;
use s3driver::time::Timestamp;
use s3driver::transfer::Transfer;
use s3driver::{Cancel, ErrorKind, Result};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const ZONAL: &str = "reports--usw2-az1--x-s3";

/// The lifetime of a session on AWS.
const LIFETIME: Duration = Duration::from_secs(300);

fn own_keys() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "own/secret+key").with_session_token("an/sts+token==")
}

/// A clock that a test moves forward.
#[derive(Clone, Debug, Default)]
struct Moved(Arc<AtomicU64>);

impl Moved {
    fn forward(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    fn offset(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

impl Clock for Moved {
    fn now(&self) -> SystemTime {
        SystemClock.now() + self.offset()
    }
    fn instant(&self) -> Instant {
        SystemClock.instant() + self.offset()
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

/// A zone with directory buckets. It accepts the credentials of the latest session.
#[derive(Default)]
struct Zone {
    clock: Moved,
    sessions: AtomicU64,
    /// The number of requests that are still refused with `ExpiredToken`.
    expired: AtomicU64,
    refusal: Mutex<Option<Answer>>,
    /// Whether the next request for a session is refused because of its time.
    skewed: AtomicBool,
    hangs: AtomicBool,
}

impl Zone {
    /// Returns the credentials of session `number`.
    fn session(number: u64) -> Credentials {
        Credentials::new(format!("ASIASESSION{number:06}"), format!("session/secret+{number:06}"))
            .with_s3_session_token(format!("session/token+{number:06}=="))
    }

    fn respond(&self, request: &Received) -> Answer {
        let answer = Answer { status: 200, ..Answer::default() }.with("etag", "\"opaque\"");
        let refused =
            |status, code: &str| Answer { status, ..Answer::default() }.body(error_document(code));
        if request.has_query("session") {
            while self.hangs.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            if let Some(answer) = &*self.refusal.lock().unwrap() {
                return answer.clone();
            }
            if self.skewed.swap(false, Ordering::SeqCst) {
                let now = Timestamp::from(self.clock.now()).iso8601();
                let time = format!("<ServerTime>{now}</ServerTime></Error>");
                let document = error_document("RequestTimeTooSkewed").replace("</Error>", &time);
                return Answer { status: 403, ..Answer::default() }.body(document);
            }
            if request.verified(&[own_keys()]).is_err() {
                return refused(403, "SignatureDoesNotMatch");
            }
            let keys = Self::session(self.sessions.fetch_add(1, Ordering::SeqCst) + 1);
            let expiration = Timestamp::from(self.clock.now() + LIFETIME);
            return answer.body(format!(
                "<CreateSessionResult><Credentials><SessionToken>{}</SessionToken><SecretAccessKey>{}\
                 </SecretAccessKey><AccessKeyId>{}</AccessKeyId><Expiration>{}</Expiration>\
                 </Credentials></CreateSessionResult>",
                keys.session_token().unwrap(),
                keys.secret_access_key(),
                keys.access_key_id(),
                expiration
            ));
        }
        let expired = |left: u64| left.checked_sub(1);
        if self.expired.fetch_update(Ordering::SeqCst, Ordering::SeqCst, expired).is_ok() {
            return refused(400, "ExpiredToken");
        }
        match &*request.method {
            "PUT" if request.header("x-amz-copy-source").is_some() => {
                answer.body("<CopyObjectResult><ETag>\"opaque\"</ETag></CopyObjectResult>")
            }
            "GET" if request.has_query("list-type") => {
                let key =
                    |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
                let (keys, more) = match request.has_query("continuation-token") {
                    false => (["d/1", "a/2", "a-b/c"], true),
                    true => (["a/1", "c", "b/1"], false),
                };
                let token =
                    if more { "<NextContinuationToken>t</NextContinuationToken>" } else { "" };
                answer.body(format!(
                    "<ListBucketResult><IsTruncated>{more}</IsTruncated>{token}{}</ListBucketResult>",
                    keys.map(key).concat()
                ))
            }
            "DELETE" => Answer { status: 204, ..answer }.body(""),
            "GET" | "HEAD" => answer.body("data"),
            _ => answer.body(""),
        }
    }
}

/// A client of a zone.
struct Rig {
    zone: Arc<Zone>,
    server: Hosts,
    client: Client,
}

impl Rig {
    fn new() -> Self {
        Self::with(|config| config)
    }

    fn with(adjust: impl FnOnce(Config) -> Config) -> Self {
        let zone = Arc::new(Zone::default());
        let own = Arc::clone(&zone);
        let server = Hosts::start(&[], move |request| own.respond(request));
        let endpoint = Endpoint::custom(&server.url(), Some("us-west-2"), Scheme::Http).unwrap();
        let config = Config::new(endpoint)
            .static_credentials(own_keys())
            .clock(Arc::new(zone.clock.clone()))
            .retry(retry())
            .timeouts(timeouts());
        Self { client: Client::new(adjust(config)).unwrap(), server, zone }
    }

    fn get(&self) -> Result<Vec<u8>> {
        self.client.get_object(ZONAL, "key", &GetObject::default())?.read_all(9)
    }

    /// Returns the numbers of the sessions that signed the requests to objects, in order. Every
    /// request is verified; 0 stands for the client's own credentials.
    fn signers(&self) -> Vec<u64> {
        let seen = self.server.seen();
        let objects = seen.iter().filter(|request| !request.has_query("session"));
        let created = self.zone.sessions.load(Ordering::SeqCst);
        let known: Vec<_> =
            [own_keys()].into_iter().chain((1..=created).map(Zone::session)).collect();
        let signer = |request: &Received| {
            let signed = request.verified(&known).unwrap();
            assert_eq!((&*signed.region, &*signed.service), ("us-west-2", "s3express"));
            let position =
                known.iter().position(|keys| keys.access_key_id() == signed.access_key_id);
            let number = position.unwrap() as u64;
            let own = request.header("x-amz-security-token").is_some();
            assert_eq!(
                (own, request.header("x-amz-s3session-token").is_some()),
                (number == 0, number > 0)
            );
            number
        };
        objects.map(signer).collect()
    }
}

#[test]
fn requests_are_signed_with_one_session_for_each_bucket() {
    let rig = Rig::new();
    let settings = ObjectSettings::default();
    rig.client.put_object(ZONAL, "key", b"data", &settings).unwrap();
    assert_eq!(rig.get().unwrap(), b"data");
    rig.client.head_bucket(ZONAL).unwrap();
    rig.client.delete_object(ZONAL, "key", &DeleteObject::default()).unwrap();
    // S3 authorizes copies with the client's own credentials.
    rig.client.copy_object(CopySource::new(ZONAL, "key"), ZONAL, "copy", &settings).unwrap();
    rig.client.head_object("other--usw2-az1--x-s3", "key", &GetObject::default()).unwrap();
    rig.get().unwrap();
    assert_eq!(rig.signers(), [1, 1, 1, 1, 0, 2, 1]);
    let seen = rig.server.seen();
    let (host, target) = (seen[0].host(), &*seen[0].target);
    assert_eq!((&*seen[0].method, target), ("GET", "/reports--usw2-az1--x-s3?session"));
    assert_eq!(host, rig.server.url().trim_start_matches("http://"));
    let signed = seen[0].verified(&[own_keys()]).unwrap();
    assert_eq!((&*signed.region, &*signed.service), ("us-west-2", "s3express"));
    assert_eq!(BucketKind::of(ZONAL).unwrap(), BucketKind::Directory);
}

/// Directory buckets respond with 501 to a Content-MD5.
#[test]
fn requests_to_directory_buckets_have_a_crc_in_place_of_an_md5() {
    let rig = Rig::with(|config| config.checksum(Checksum::Md5));
    rig.client.put_object(ZONAL, "key", b"data", &ObjectSettings::default()).unwrap();
    rig.client.delete_objects(ZONAL, &["a", "b"]).unwrap();
    let seen = rig.server.seen();
    assert!(seen.iter().all(|request| request.header("content-md5").is_none()));
    let crc = |method: &str| {
        let request = seen.iter().find(|request| request.method == method).unwrap();
        request.verified(&[Zone::session(1)]).unwrap();
        (request.header("x-amz-checksum-crc64nvme").map(str::to_owned), request.body.clone())
    };
    for method in ["PUT", "POST"] {
        let (sent, body) = crc(method);
        let expected = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &body);
        assert_eq!(sent, Some(BASE64.encode(expected.to_be_bytes())), "{method}");
    }
}

#[test]
fn the_bucket_is_in_the_host_of_its_zone() {
    let zone = Arc::new(Zone::default());
    let own = Arc::clone(&zone);
    let host = format!("{ZONAL}.s3express-usw2-az1.us-west-2.amazonaws.com");
    let server = Hosts::start(&[&host], move |request| own.respond(request));
    let config = Config::new(Endpoint::region("us-west-2").unwrap())
        .static_credentials(own_keys())
        .proxy(Proxy::parse(&server.proxy()).unwrap())
        .extra_roots_pem(server.ca_pem());
    let client = Client::new(config).unwrap();
    client.put_object(ZONAL, "key", b"data", &ObjectSettings::default()).unwrap();

    let plain = Hosts::start(&[], move |request| zone.respond(request));
    let endpoint = Endpoint::custom("http://zone.example:9000", Some("us-west-2"), Scheme::Http);
    let endpoint = endpoint.unwrap().with_addressing(Addressing::VirtualHost).unwrap();
    let config = Config::new(endpoint)
        .static_credentials(own_keys())
        .proxy(Proxy::parse(&plain.proxy()).unwrap());
    let client = Client::new(config).unwrap();
    client.put_object(ZONAL, "key", b"data", &ObjectSettings::default()).unwrap();

    let local = format!("{ZONAL}.zone.example:9000");
    for (seen, host) in [(server.seen(), host), (plain.seen(), local)] {
        let lines: Vec<_> = seen
            .iter()
            .map(|request| (request.host(), &*request.method, &*request.target))
            .collect();
        assert_eq!(lines, [(&*host, "GET", "/?session"), (&*host, "PUT", "/key")]);
    }
}

#[test]
fn eight_threads_create_one_session() {
    // With a single place for requests, CreateSession has to be sent without one.
    for places in [256, 1] {
        let rig = Rig::with(|config| config.max_requests(NonZeroUsize::new(places).unwrap()));
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    rig.get().unwrap();
                });
            }
        });
        assert_eq!(rig.zone.sessions.load(Ordering::SeqCst), 1, "{places}");
        assert_eq!(rig.signers(), [1; 8]);
    }
}

#[test]
fn a_session_is_renewed_before_it_ends() {
    let rig = Rig::new();
    rig.get().unwrap();
    rig.zone.clock.forward(LIFETIME * 3 / 4 - Duration::from_secs(5));
    rig.get().unwrap();
    assert_eq!(rig.zone.sessions.load(Ordering::SeqCst), 1);
    rig.zone.clock.forward(Duration::from_secs(10));
    // The old session still signs this request, and another thread creates the new one.
    rig.get().unwrap();
    let begun = Instant::now();
    while rig.signers().last() != Some(&2) {
        assert!(begun.elapsed() < Duration::from_secs(5), "the session is not renewed");
        rig.get().unwrap();
    }
    rig.zone.clock.forward(LIFETIME + Duration::from_secs(1));
    rig.get().unwrap();
    assert_eq!(rig.signers().last(), Some(&3), "an ended session signs nothing");
}

#[test]
fn an_expired_session_is_replaced_once_for_a_request() {
    let rig = Rig::new();
    rig.get().unwrap();
    rig.zone.clock.forward(Duration::from_secs(10));
    rig.zone.expired.store(1, Ordering::SeqCst);
    assert_eq!(rig.get().unwrap(), b"data");
    assert_eq!(rig.signers(), [1, 1, 2]);

    rig.zone.clock.forward(Duration::from_secs(10));
    rig.zone.expired.store(u64::MAX, Ordering::SeqCst);
    let error = rig.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ExpiredCredentials, "{error}");
    assert_eq!(rig.signers(), [1, 1, 2, 2, 3]);
}

#[test]
fn a_refused_session_names_the_bucket_and_the_permission() {
    let listing = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    for (status, body, kind, text) in [
        (403, error_document("AccessDenied"), ErrorKind::AccessDenied, "allow these credentials"),
        (404, error_document("NoSuchBucket"), ErrorKind::NoSuchBucket, "check the bucket's name"),
        (200, listing.to_owned(), ErrorKind::Protocol, "Config::session_auth"),
        (200, "<CreateSessionResult/>".to_owned(), ErrorKind::Protocol, "Config::session_auth"),
        (503, error_document("SlowDown"), ErrorKind::Throttled, "maxrequests"),
    ] {
        let rig = Rig::new();
        let answer = Answer { status, ..Answer::default() }.body(body);
        *rig.zone.refusal.lock().unwrap() = Some(answer);
        for _ in 0..2 {
            let error = rig.get().unwrap_err();
            assert_eq!((error.kind(), error.bucket()), (kind, Some(ZONAL)), "{error}");
            for part in [ZONAL, "s3express:CreateSession", text] {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
        let sent = rig.server.seen();
        assert!(sent.iter().all(|request| request.has_query("session")), "nothing else is sent");
        let is_repeated = matches!(kind, ErrorKind::Throttled | ErrorKind::Protocol);
        let sends = if is_repeated { crate::ATTEMPTS as usize } else { 1 };
        assert_eq!(sent.len(), sends, "{kind:?}: the second call does not ask again at once");

        *rig.zone.refusal.lock().unwrap() = None;
        rig.zone.clock.forward(Duration::from_secs(10));
        assert_eq!(rig.get().unwrap(), b"data", "the client recovers");
    }
}

#[test]
fn waiting_for_a_session_can_be_cancelled() {
    let rig = Rig::new();
    rig.zone.hangs.store(true, Ordering::SeqCst);
    let cancel = Cancel::new();
    let client = rig.client.with_cancel(&cancel);
    thread::scope(|scope| {
        let waiting =
            scope.spawn(|| client.head_object(ZONAL, "key", &GetObject::default()).unwrap_err());
        cancel.cancel();
        assert_eq!(waiting.join().unwrap().kind(), ErrorKind::Cancelled);
    });
    rig.zone.hangs.store(false, Ordering::SeqCst);
}

#[test]
fn without_sessions_the_own_credentials_sign() {
    let rig = Rig::with(|config| config.session_auth(SessionAuth::Disabled));
    rig.get().unwrap();
    rig.client.put_object(ZONAL, "key", b"data", &ObjectSettings::default()).unwrap();
    assert_eq!(rig.signers(), [0, 0]);
    assert_eq!(rig.server.seen().len(), 2);

    let endpoint = Endpoint::custom(&rig.server.url(), None, Scheme::Http).unwrap();
    let anonymous = Client::new(Config::new(endpoint)).unwrap();
    anonymous.head_object(ZONAL, "key", &GetObject::default()).unwrap();
    let seen = rig.server.seen();
    assert_eq!((seen.len(), seen[2].header("authorization")), (3, None));
}

#[test]
fn a_presigned_url_ends_with_the_session() {
    let rig = Rig::new();
    let hour = Duration::from_secs(3600);
    let request = Presign::at_most(PresignMethod::Get, hour);
    let url = rig.client.presign(ZONAL, "key", &request).unwrap();
    assert!(url.capped && url.url.contains("X-Amz-S3session-Token=session%2Ftoken"), "{}", url.url);
    assert!(url.url.contains("%2Fus-west-2%2Fs3express%2Faws4_request"), "{}", url.url);
    let error =
        rig.client.presign(ZONAL, "key", &Presign::exactly(PresignMethod::Get, hour)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}

/// The time left is that of the server, regardless of this machine's clock.
#[test]
fn a_presigned_url_ends_with_the_session_although_the_clocks_differ() {
    let skew = Duration::from_secs(3600);
    for server_is_ahead in [true, false] {
        let own = Moved::default();
        let rig = Rig::with(|config| config.clock(Arc::new(own.clone())));
        if server_is_ahead { &rig.zone.clock } else { &own }.forward(skew);
        rig.zone.skewed.store(true, Ordering::SeqCst);
        let request = Presign::at_most(PresignMethod::Get, 4 * skew);
        let url = rig.client.presign(ZONAL, "key", &request).unwrap();
        let now = Timestamp::from(rig.zone.clock.now()).unix();
        let left = url.expires.unwrap().unix() - now;
        assert!(url.capped && (290..=301).contains(&left), "{server_is_ahead}: {left} s");
        let request = Presign::exactly(PresignMethod::Get, Duration::from_secs(60));
        assert!(!rig.client.presign(ZONAL, "key", &request).unwrap().capped);
    }
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
fn no_event_and_no_error_shows_a_session() {
    let texts = Arc::new(Texts::default());
    let own = Arc::clone(&texts);
    let rig = Rig::with(|config| config.observer(own));
    rig.get().unwrap();
    rig.zone.expired.store(u64::MAX, Ordering::SeqCst);
    let mut shown = vec![format!("{:?}", rig.get().unwrap_err())];
    shown.append(&mut texts.0.lock().unwrap());
    assert!(shown.iter().any(|text| text.contains("CreateSession")), "{shown:?}");

    // A document with the secrets that is not a session.
    let rig = Rig::new();
    for broken in [
        "<CreateSessionResult><Credentials><SessionToken>session/token</SessionToken></Credentials>\
         </CreateSessionResult>",
        "<CreateSessionResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>session/secret\
         </SecretAccessKey><SessionToken>session/token</SessionToken><Expiration>soon</Expiration>\
         </Credentials></CreateSessionResult>",
        "session/secret session/token",
    ] {
        let answer = Answer { status: 200, ..Answer::default() }.body(broken);
        *rig.zone.refusal.lock().unwrap() = Some(answer);
        rig.zone.clock.forward(Duration::from_secs(10));
        let error = rig.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        shown.push(format!("{error} {error:?}"));
    }
    for text in shown {
        for secret in ["session/secret", "session/token", "own/secret", "an/sts+token"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn listings_without_order_are_complete() {
    let rig = Rig::new();
    let mut found = Vec::new();
    let most = NonZeroUsize::new(4).unwrap();
    let transfer = Transfer::new(&rig.client).concurrency(most);
    transfer
        .list(ZONAL, "", &mut |objects| {
            found.extend(objects.into_iter().map(|object| object.key));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(found, ["d/1", "a/2", "a-b/c", "a/1", "c", "b/1"]);
    assert_eq!(rig.signers().len(), 2, "the listing is not split");
    let after = ListObjects::default().start_after("a/1");
    let keys: Vec<_> = rig.client.objects(ZONAL, after).map(|object| object.unwrap().key).collect();
    assert_eq!(keys, ["d/1", "a/2", "c", "b/1"]);
    assert!(!rig.server.seen().iter().any(|request| request.has_query("start-after")));
}

#[test]
fn an_unknown_zone_is_named() {
    let endpoint = Endpoint::region("us-west-2").unwrap();
    let config = Config::new(endpoint).static_credentials(own_keys());
    let client = Client::new(config.retry(retry().max_attempts(1)).timeouts(timeouts())).unwrap();
    let bucket = "reports--no-such-az--x-s3";
    let error = client.head_object(bucket, "key", &GetObject::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(error.to_string().contains(".s3express-no-such-az.us-west-2.amazonaws.com"), "{error}");
    assert!(
        error.hint().is_some_and(|hint| hint.contains("the zone in the bucket's name")),
        "{error}"
    );
}
