//! Tests for the table "Status and error documents".

use crate::server::{Answer, Fault, error_document};
use crate::support::ServerOptions;
use crate::{ATTEMPTS, BUCKET, Renewable, Rig, assert_no_secret, aws, retry, timeouts};
use s3driver::client::{Addressing, Client, Config, Endpoint, ListObjects, RetryPolicy, Scheme};
use s3driver::clock::{Clock, SystemClock};
use s3driver::credentials::{Lease, Provider};
use s3driver::sign::Credentials;
use s3driver::time::Timestamp;
use s3driver::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// A clock that records waits without waiting, and may be wrong.
#[derive(Debug, Default)]
struct TestClock {
    waits: Mutex<Vec<Duration>>,
    slow_by: Duration,
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        SystemTime::now() - self.slow_by
    }
    fn instant(&self) -> Instant {
        Instant::now() + self.waits.lock().unwrap().iter().sum::<Duration>()
    }
    fn sleep(&self, wait: Duration) {
        self.waits.lock().unwrap().push(wait);
    }
    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

fn waits_for(fault: Fault, policy: RetryPolicy) -> (Vec<Duration>, Result<()>) {
    let clock = Arc::new(TestClock::default());
    let rig =
        Rig::with(ServerOptions::default(), |config| config.clock(clock.clone()).retry(policy));
    rig.faulty.once("PutObject", fault);
    let result = rig.put("key", b"content");
    rig.finish();
    let waits = clock.waits.lock().unwrap().clone();
    (waits, result)
}

/// Returns the client's error if every response is `fault`, and the number of requests.
fn always(fault: Fault) -> (Error, usize) {
    let rig = Rig::new();
    rig.faulty.always("GetObject", fault);
    let error = rig.get("key").unwrap_err();
    assert_no_secret(&error);
    assert_eq!(
        (error.operation(), error.bucket(), error.key()),
        (Some("GetObject"), Some(BUCKET), Some("key"))
    );
    let count = rig.count("GetObject");
    assert_eq!(error.attempts() as usize, count);
    rig.finish();
    (error, count)
}

/// `internal-error`, `html-error`, `empty-error`, `service-unavailable`, `slowdown`,
/// `too-many-requests`, 520, 499, `request-timeout`.
#[test]
fn transient_statuses_are_retried() {
    let html = "<html><body>Bad Gateway</body></html>";
    for (status, body, kind) in [
        (500, error_document("InternalError"), ErrorKind::Server),
        (502, html.to_owned(), ErrorKind::Server),
        (504, html.to_owned(), ErrorKind::Server),
        (500, String::new(), ErrorKind::Server),
        (503, String::new(), ErrorKind::Throttled),
        (503, error_document("ServiceUnavailable"), ErrorKind::Throttled),
        (503, error_document("SlowDown"), ErrorKind::Throttled),
        (429, "slow down, please".to_owned(), ErrorKind::Throttled),
        (520, String::new(), ErrorKind::Throttled),
        (499, String::new(), ErrorKind::Server),
        (408, String::new(), ErrorKind::Server),
        (400, error_document("RequestTimeout"), ErrorKind::Server),
        (403, error_document("SlowDown"), ErrorKind::Throttled),
    ] {
        let rig = Rig::new();
        rig.store("key", b"content");
        rig.faulty.times("GetObject", 0, 2, Fault::reply(status, body.clone()));
        assert_eq!(rig.get("key").unwrap(), b"content", "{status}");
        assert_eq!(rig.count("GetObject"), 3, "{status}");
        rig.finish();
        let (error, count) = always(Fault::reply(status, body));
        assert_eq!(
            (error.kind(), error.status(), count),
            (kind, Some(status), ATTEMPTS as usize),
            "{error}"
        );
    }
}

/// Every attempt is signed again, so none is sent with an outdated date or signature.
#[test]
fn every_attempt_is_signed_again() {
    #[derive(Debug, Default)]
    struct Rotating(AtomicU64);
    impl Provider for Rotating {
        fn credentials(&self) -> Result<Arc<Lease>> {
            let id = format!("AKID{}", self.0.fetch_add(1, Ordering::SeqCst));
            Ok(Arc::new(Lease { credentials: Some(Credentials::new(id, "secret")), expires: None }))
        }
    }
    let rig = Rig::with(ServerOptions::default(), |config| {
        config.credentials(Arc::new(Rotating::default()))
    });
    rig.faulty.always("GetObject", Fault::reply(500, ""));
    rig.get("key").unwrap_err();
    let keys: Vec<bool> = rig
        .faulty
        .seen()
        .iter()
        .enumerate()
        .map(|(index, seen)| {
            seen.header("authorization").unwrap().contains(&format!("Credential=AKID{index}/"))
        })
        .collect();
    assert_eq!(keys, [true; ATTEMPTS as usize]);
    rig.finish();
}

#[test]
fn retry_after_is_obeyed_up_to_a_limit() {
    let policy = retry().longest_wait(Duration::from_secs(20));
    let asks = |value: &str| {
        let headers = [("retry-after", value), ("date", "Mon, 05 Jan 2026 10:00:00 GMT")];
        waits_for(Fault::reply_with(503, &headers, error_document("SlowDown")), policy)
    };
    for (value, least, most) in [
        ("7", 7.0, 7.1),
        ("Mon, 05 Jan 2026 10:00:09 GMT", 9.0, 9.1),
        ("86400", 20.0, 20.0),
        ("18446744073709551615", 20.0, 20.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 20.0, 20.0),
        // Times in the past and invalid values do not delay the retry.
        ("Mon, 05 Jan 2026 09:00:00 GMT", 0.0, 0.1),
        ("-5", 0.0, 0.1),
        ("soon", 0.0, 0.1),
    ] {
        let (waits, result) = asks(value);
        result.unwrap();
        let waited: f64 = waits.iter().sum::<Duration>().as_secs_f64();
        assert!((least..=most).contains(&waited), "{value}: {waited}");
    }
}

#[test]
fn slowdown_waits_longer() {
    let policy = retry()
        .base(Duration::ZERO)
        .throttled_base(Duration::from_secs(1000))
        .longest_wait(Duration::from_secs(1000))
        .total(Duration::from_secs(9000));
    let (slow, _) = waits_for(Fault::error(503, "SlowDown"), policy);
    assert!(slow.iter().sum::<Duration>() > Duration::ZERO, "{slow:?}");
    let (fast, _) = waits_for(Fault::error(500, "InternalError"), policy);
    assert_eq!(fast.iter().sum::<Duration>(), Duration::ZERO);
}

#[test]
fn retries_end_at_the_total_time() {
    let policy = retry()
        .max_attempts(1000)
        .longest_wait(Duration::from_secs(10))
        .total(Duration::from_secs(35));
    let clock = Arc::new(TestClock::default());
    let rig =
        Rig::with(ServerOptions::default(), |config| config.clock(clock.clone()).retry(policy));
    rig.faulty.always(
        "PutObject",
        Fault::reply_with(503, &[("retry-after", "10")], error_document("SlowDown")),
    );
    let error = rig.put("key", b"content").unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Throttled, 4), "{error}");
    rig.finish();
}

#[test]
fn bad_digest() {
    let rig = Rig::new();
    rig.faulty.once("PutObject", Fault::error(400, "BadDigest"));
    rig.put("key", b"content").unwrap();
    assert_eq!(rig.count("PutObject"), 2);
    assert_eq!(rig.stored("key").unwrap(), b"content");
    rig.faulty.always("PutObject", Fault::error(400, "BadDigest"));
    let error = rig.put("other", b"content").unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Integrity, 3), "{error}");
    assert_eq!(rig.stored("other"), None);
    rig.finish();
}

#[test]
fn skew() {
    let clock = Arc::new(TestClock { slow_by: Duration::from_secs(3600), ..TestClock::default() });
    let rig = Rig::with(ServerOptions::default(), |config| config.clock(clock));
    // The embedded server rejects a signature that is an hour old.
    rig.put("key", b"content").unwrap();
    assert_eq!(rig.count("PutObject"), 2);
    // The client remembers the offset.
    rig.put("other", b"content").unwrap();
    assert_eq!(rig.count("PutObject"), 3);
    rig.finish();
}

#[test]
fn skew_that_cannot_be_corrected_is_an_error() {
    let document = "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>2026-01-05T10:00:00Z</ServerTime></Error>";
    let (error, count) = always(Fault::reply(403, document));
    assert_eq!((error.kind(), count), (ErrorKind::ClockSkew, 2), "{error}");
    assert!(error.hint().unwrap().contains("clock"));
}

#[test]
fn a_refusal_states_its_likely_cause() {
    let refused = |code: &str, words: &str, date: &str| {
        let document = format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>");
        let (error, count) = always(Fault::reply_with(403, &[("date", date)], document));
        assert_eq!(count, 1, "{error}");
        error.hint().unwrap().to_owned()
    };
    let now = Timestamp::from(SystemTime::now()).http_date();
    let old = "Mon, 01 Jan 2001 00:00:00 GMT";
    assert!(refused("AccessDenied", "Access Denied", &now).contains("policies"));
    let unsigned = "There were headers present in the request which were not signed";
    assert!(refused("AccessDenied", unsigned, &now).contains("added these headers"));
    assert!(refused("SignatureDoesNotMatch", "", &now).contains("check the secret key"));
    for code in ["AccessDenied", "SignatureDoesNotMatch"] {
        assert!(
            refused(code, unsigned, old).contains(" s ahead of the server's"),
            "the clock is mentioned first"
        );
    }
}

#[test]
fn expired_token() {
    for (status, code) in [(400, "ExpiredToken"), (403, "ExpiredToken"), (400, "InvalidToken")] {
        let provider = Arc::new(Renewable::default());
        let rig =
            Rig::with(ServerOptions::default(), |config| config.credentials(provider.clone()));
        rig.faulty.once("PutObject", Fault::error(status, code));
        rig.put("key", b"content").unwrap();
        assert_eq!((rig.count("PutObject"), provider.refreshes.load(Ordering::SeqCst)), (2, 1));
        // If the new credentials are refused as well, there is no second refresh for the request.
        rig.faulty.always("PutObject", Fault::error(status, code));
        provider.renewed.store(false, Ordering::SeqCst);
        let error = rig.put("key", b"content").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ExpiredCredentials);
        assert_eq!((rig.count("PutObject"), provider.refreshes.load(Ordering::SeqCst)), (4, 2));
        rig.finish();
    }
    // Static credentials are never refreshed.
    let (error, count) = always(Fault::error(400, "ExpiredToken"));
    assert_eq!((error.kind(), count), (ErrorKind::ExpiredCredentials, 1));
}

/// A server may forget temporary keys before they expire: MinIO after a restart, or a session that
/// was deleted (minio/minio#9651, #14794).
#[test]
fn keys_that_the_server_has_forgotten_are_renewed_once_and_the_request_is_sent_again() {
    for (code, kind) in [
        ("InvalidAccessKeyId", ErrorKind::SignatureRejected),
        ("InvalidClientTokenId", ErrorKind::SignatureRejected),
        ("InvalidTokenId", ErrorKind::ExpiredCredentials),
    ] {
        let provider = Arc::new(Renewable::default());
        let rig =
            Rig::with(ServerOptions::default(), |config| config.credentials(provider.clone()));
        let counts = || (rig.count("PutObject"), provider.refreshes.load(Ordering::SeqCst));
        rig.faulty.once("PutObject", Fault::error(403, code));
        rig.put("key", b"content").unwrap();
        assert_eq!(counts(), (2, 1), "{code}");

        // The provider has no other keys: the request is not sent again.
        rig.faulty.always("PutObject", Fault::error(403, code));
        let error = rig.put("key", b"content").unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, Some(code)));
        assert_eq!(counts(), (3, 2), "{code}");

        // The server does not know the new keys either: there is one refresh for a request.
        provider.renewed.store(false, Ordering::SeqCst);
        assert_eq!(rig.put("key", b"content").unwrap_err().kind(), kind);
        assert_eq!(counts(), (5, 3), "{code}");
        rig.finish();

        let (error, count) = always(Fault::error(403, code));
        assert_eq!((error.kind(), count), (kind, 1), "fixed keys are sent once");
    }
}

fn host_and_region(rig: &Rig) -> Vec<(String, String)> {
    let seen = rig.faulty.seen();
    let scope = |text: &str| text.split('/').nth(2).unwrap().to_owned();
    seen.iter()
        .map(|seen| {
            (seen.header("host").unwrap().to_owned(), scope(seen.header("authorization").unwrap()))
        })
        .collect()
}

#[test]
fn wrong_region_and_redirect_301() {
    let malformed =
        "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>";
    let header = [("x-amz-bucket-region", "eu-west-3")];
    for (operation, fault) in [
        ("GET", Fault::reply(400, malformed)),
        ("GET", Fault::reply_with(301, &header, error_document("PermanentRedirect"))),
        ("HEAD", Fault::reply_with(301, &header, "").end(crate::server::End::Close)),
        ("HEAD", Fault::reply_with(400, &header, "").end(crate::server::End::Close)),
    ] {
        let rig = Rig::new();
        let client = aws(&rig, "us-east-1");
        rig.faulty.once("*", fault);
        rig.faulty.always(
            "*",
            Fault::reply_with(200, &[("etag", "\"e\""), ("connection", "close")], "")
                .end(crate::server::End::Close),
        );
        let run = || match operation {
            "HEAD" => client.head_object(BUCKET, "a/key", &Default::default()).map(drop),
            _ => client.get_object(BUCKET, "a/key", &Default::default()).map(drop),
        };
        run().unwrap();
        // The client remembers the region, so the next request goes directly to it.
        run().unwrap();
        let east = ("registry.s3.us-east-1.amazonaws.com".to_owned(), "us-east-1".to_owned());
        let west = ("registry.s3.eu-west-3.amazonaws.com".to_owned(), "eu-west-3".to_owned());
        assert_eq!(host_and_region(&rig), [east, west.clone(), west]);
        drop(client);
        rig.finish();
    }
}

#[test]
fn wrong_region_is_corrected_once() {
    let rig = Rig::new();
    let client = aws(&rig, "us-east-1");
    for region in ["eu-west-3", "eu-west-1", "us-east-1"] {
        rig.faulty.once("*", Fault::reply_with(301, &[("x-amz-bucket-region", region)], ""));
    }
    let error = client.get_object(BUCKET, "a/key", &Default::default()).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::WrongRegion, 2), "{error}");
    drop(client);
    rig.finish();
}

#[test]
fn wrong_region_is_reported_if_endpoint_and_region_are_configured() {
    let document =
        "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>";
    let (error, count) = always(Fault::reply(400, document));
    assert_eq!(
        (error.kind(), count, error.region()),
        (ErrorKind::WrongRegion, 1, Some("eu-west-3")),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("eu-west-3"), "{error}");
    // If only the endpoint is configured, the region is learned and the host is kept.
    let rig = Rig::with(
        ServerOptions { region: "eu-west-3".to_owned(), ..ServerOptions::default() },
        |config| config,
    );
    let endpoint = Endpoint::custom(&rig.faulty.url(), None, Scheme::Http).unwrap();
    let keys = Credentials::new("AKIDEMBEDDED", "embedded/secret+key");
    let client = Client::new(Config::new(endpoint).static_credentials(keys)).unwrap();
    client.put_object(BUCKET, "key", b"content", &Default::default()).unwrap();
    assert_eq!(rig.count("PutObject"), 2);
    drop(client);
    rig.finish();
}

#[test]
fn redirect_307() {
    let rig = Rig::new();
    let client = aws(&rig, "us-east-1");
    let location = "http://registry.s3.ap-south-1.amazonaws.com/a/key";
    rig.faulty.once(
        "*",
        Fault::reply_with(307, &[("location", location)], error_document("TemporaryRedirect")),
    );
    rig.faulty.always("*", Fault::reply_with(200, &[("etag", "\"e\"")], ""));
    client.put_object(BUCKET, "a/key", b"content", &Default::default()).unwrap();
    client.put_object(BUCKET, "a/key", b"again", &Default::default()).unwrap();
    let seen = rig.faulty.seen();
    let hosts: Vec<_> = seen.iter().map(|seen| seen.header("host").unwrap()).collect();
    // Later requests use the original endpoint.
    assert_eq!(
        hosts,
        [
            "registry.s3.us-east-1.amazonaws.com",
            "registry.s3.ap-south-1.amazonaws.com",
            "registry.s3.us-east-1.amazonaws.com"
        ]
    );
    assert!(
        seen[1].head.starts_with("PUT http://registry.s3.ap-south-1.amazonaws.com/a/key "),
        "{}",
        seen[1].head
    );
    assert_eq!(seen[1].body, b"content");
    assert_ne!(seen[0].header("authorization"), seen[1].header("authorization"));
    drop(client);
    rig.finish();
}

#[test]
fn redirect_loop() {
    let rig = Rig::new();
    let client = aws(&rig, "us-east-1");
    let location = "http://registry.s3.ap-south-1.amazonaws.com/a/key";
    rig.faulty.always("*", Fault::reply_with(307, &[("location", location)], ""));
    let error = client.put_object(BUCKET, "a/key", b"content", &Default::default()).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::WrongRegion, 4), "{error}");
    drop(client);
    rig.finish();
}

#[test]
fn redirect_foreign() {
    for location in [
        "http://evil.example/a/key",
        "https://registry.s3.us-east-1.amazonaws.com/a/key",
        "http://registry.s3.us-east-1.amazonaws.com.evil.example/a/key",
        "http://ec2-203-0-113-1.compute-1.amazonaws.com/a/key",
        "http://s3-mine-1234.us-east-1.elb.amazonaws.com/a/key",
        "http://registry.s3.us-east-1.amazonaws.com:8080/a/key",
        "http://user@registry.s3.eu-west-1.amazonaws.com/a/key",
        "http://registry.s3.cn-north-1.amazonaws.com.cn/a/key",
        "//evil.example/",
        "",
    ] {
        for status in [301, 302, 303, 307, 308] {
            let rig = Rig::new();
            let client = aws(&rig, "us-east-1");
            rig.faulty.always("*", Fault::reply_with(status, &[("location", location)], ""));
            let error =
                client.put_object(BUCKET, "a/key", b"content", &Default::default()).unwrap_err();
            assert_eq!(
                (error.kind(), rig.faulty.seen().len()),
                (ErrorKind::WrongRegion, 1),
                "{location}: {error}"
            );
            drop(client);
            rig.finish();
        }
    }
}

/// `access-denied`, `bad-signature`, `no-such-bucket`, `not-implemented`, `no-such-key`,
/// `precondition`, 304, `invalid-range`, `conditional-conflict` of a read, `417`, weird statuses.
#[test]
fn permanent_statuses_are_not_retried() {
    for (status, code, kind) in [
        (403, "AccessDenied", ErrorKind::AccessDenied),
        (403, "SignatureDoesNotMatch", ErrorKind::SignatureRejected),
        (403, "InvalidAccessKeyId", ErrorKind::SignatureRejected),
        (404, "NoSuchBucket", ErrorKind::NoSuchBucket),
        (404, "NoSuchKey", ErrorKind::NoSuchKey),
        (501, "NotImplemented", ErrorKind::Refused),
        (412, "PreconditionFailed", ErrorKind::PreconditionFailed),
        (416, "InvalidRange", ErrorKind::InvalidRange),
        (409, "BucketNotEmpty", ErrorKind::Conflict),
        (400, "InvalidArgument", ErrorKind::Refused),
        (417, "ExpectationFailed", ErrorKind::Refused),
        (299, "Anything", ErrorKind::Refused),
        (999, "Anything", ErrorKind::Refused),
        (600, "Anything", ErrorKind::Refused),
    ] {
        let (error, count) = always(Fault::error(status, code));
        assert_eq!((error.kind(), count), (kind, 1), "{error}");
        assert_eq!((error.status(), error.code()), (Some(status), Some(code)));
        assert_eq!((error.request_id(), error.host_id()), (Some("REQ123"), Some("HOST456")));
        assert!(
            error.to_string().contains("REQ123") && error.to_string().contains(code),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let (error, count) = always(Fault::raw("HTTP/1.1 304 Not Modified\r\n\r\n"));
    assert_eq!((error.kind(), count), (ErrorKind::NotModified, 1));
}

/// If a remedy is known, the error's hint and text contain it.
#[test]
fn errors_suggest_a_remedy() {
    for (status, code, advice) in [
        (403, "AccessDenied", "check the policies"),
        (400, "AccessControlListNotSupported", "objectacl: none"),
        (403, "InvalidAccessKeyId", "does not know the access key"),
        (403, "SignatureDoesNotMatch", "check the secret key"),
        (404, "NoSuchBucket", "check the bucket's name"),
        (403, "RequestTimeTooSkewed", "set this machine's clock"),
        (400, "ExpiredToken", "fetch new temporary credentials"),
        (301, "PermanentRedirect", "check the region"),
        (503, "SlowDown", "maxrequests"),
        (403, "SecondLevelDomainForbidden", "set forcepathstyle to false"),
        (403, "PathStyleDomainForbidden", "set forcepathstyle to false"),
    ] {
        let (error, _) = always(Fault::error(status, code));
        let hint = error.hint().unwrap_or_else(|| panic!("{code}: {error}"));
        assert!(hint.contains(advice) && error.to_string().contains(hint), "{code}: {error}");
    }
}

/// A server expects the bucket in the path, while requests name it in the host.
#[test]
fn forcepathstyle_is_suggested() {
    let rig = Rig::new();
    let client = |proxy: Option<String>| {
        let endpoint = Endpoint::custom("http://s3.invalid", None, Scheme::Http).unwrap();
        let config = Config::new(endpoint.with_addressing(Addressing::VirtualHost).unwrap());
        let config = config.retry(RetryPolicy::never()).timeouts(timeouts());
        let proxy = proxy.map(|url| s3driver::client::Proxy::parse(&url).unwrap());
        Client::new(proxy.into_iter().fold(config, Config::proxy)).unwrap()
    };
    rig.faulty.once("*", Fault::error(404, "NoSuchBucket"));
    let unknown = client(Some(rig.faulty.url())).get_object(BUCKET, "key", &Default::default());
    assert_eq!(rig.faulty.seen()[0].header("host"), Some("registry.s3.invalid"));
    let unreachable = client(None).get_object(BUCKET, "key", &Default::default());
    // A router in front of the server does not know the host.
    rig.faulty.once("*", Fault::reply(404, "404 page not found"));
    let page = client(Some(rig.faulty.url())).get_object(BUCKET, "key", &Default::default());
    for error in [unknown.unwrap_err(), unreachable.unwrap_err(), page.unwrap_err()] {
        assert!(
            error.hint().is_some_and(|hint| hint.contains("set forcepathstyle to true")),
            "{error}"
        );
    }
    rig.finish();
}

#[test]
fn head_404() {
    let rig = Rig::new();
    let error = rig.client.head_object(BUCKET, "missing", &Default::default()).unwrap_err();
    assert_eq!((error.kind(), rig.count("HeadObject")), (ErrorKind::NoSuchKey, 1));
    assert_eq!(rig.get("missing").unwrap_err().kind(), ErrorKind::NoSuchKey);
    rig.finish();
}

#[test]
fn operation_aborted_and_conditional_conflict() {
    let rig = Rig::new();
    rig.faulty.times("PutObject", 0, 2, Fault::error(409, "OperationAborted"));
    rig.put("key", b"content").unwrap();
    assert_eq!(rig.count("PutObject"), 3);
    rig.faulty.always("PutObject", Fault::error(409, "OperationAborted"));
    let error = rig.put("key", b"content").unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Conflict, ATTEMPTS));
    rig.finish();
}

/// The class of the status takes precedence over the code.
#[test]
fn error_mismatch() {
    let (error, count) = always(Fault::error(500, "NoSuchKey"));
    assert_eq!((error.kind(), count), (ErrorKind::Server, ATTEMPTS as usize));
    let (error, count) = always(Fault::error(404, "InternalError"));
    assert_eq!((error.kind(), count), (ErrorKind::Server, ATTEMPTS as usize));
}

#[test]
fn html_200() {
    let rig = Rig::new();
    let page = "<!DOCTYPE html><html><body>Please log in</body></html>";
    rig.faulty.always("ListObjectsV2", Fault::reply(200, page));
    let error =
        rig.client.objects(BUCKET, ListObjects::default()).pages().next().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, ATTEMPTS), "{error}");
    // Nor does such a page confirm that an object was stored or deleted.
    rig.store("old", b"old");
    for (operation, result) in [
        ("PutObject", &(|| rig.put("key", b"content")) as &dyn Fn() -> Result<()>),
        ("DeleteObject", &|| {
            rig.client.delete_object(BUCKET, "old", &Default::default()).map(drop)
        }),
    ] {
        rig.faulty.always(operation, Fault::reply(200, page));
        let error = result().unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, ATTEMPTS), "{error}");
        assert!(
            error.message().contains("Please log in") || error.message().contains("DOCTYPE"),
            "{error}"
        );
    }
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["old"]);
    rig.finish();
}

/// userver sends `OK` after a put, and localstack `True` after a deletion.
#[test]
fn a_word_in_a_confirmation_is_ignored() {
    let rig = Rig::new();
    let id = rig.begin("parts");
    let part = || rig.client.upload_part(crate::upload("parts", &id), 1, b"content").map(drop);
    for (operation, send) in [
        ("PutObject", &(|| rig.put("key", b"content")) as &dyn Fn() -> Result<()>),
        ("UploadPart", &part),
        ("DeleteObject", &|| {
            rig.client.delete_object(BUCKET, "old", &Default::default()).map(drop)
        }),
    ] {
        for word in ["OK", "True\n", "Stored."] {
            let says = move |answer: Answer| {
                answer.status(200).body(word).with("x-amz-request-id", "4442587FB7D0A2F9")
            };
            rig.store("old", b"old");
            rig.faulty.once(operation, Fault::changed(says));
            send().unwrap_or_else(|error| panic!("{operation} {word}: {error}"));
        }
        // The response is not one of S3, or it has more than a word.
        let id: &[(&str, &str)] = &[("x-amz-request-id", "4442587FB7D0A2F9")];
        for (headers, body) in [(&[][..], "OK"), (id, "<html>OK</html>"), (id, "{\"ok\": false}")] {
            rig.store("old", b"old");
            rig.faulty.always(operation, Fault::reply_with(200, headers, body));
            let error = send().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{operation} {body}: {error}");
            rig.faulty.heal();
        }
    }
    rig.client.abort_multipart_upload(crate::upload("parts", &id)).unwrap();
    rig.finish();
}

#[test]
fn endless_error() {
    let endless = [
        b"HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        b"10000\r\n".to_vec(),
        vec![b'x'; 0x10000],
        b"\r\n".to_vec(),
    ]
    .concat();
    let mut endless = endless;
    for _ in 0..100 {
        endless.extend_from_slice(b"10000\r\n");
        endless.extend_from_slice(&vec![b'x'; 0x10000]);
        endless.extend_from_slice(b"\r\n");
    }
    let (error, count) = always(Fault::raw(endless));
    assert_eq!(
        (error.kind(), error.status(), count),
        (ErrorKind::AccessDenied, Some(403), 1),
        "{error}"
    );
}

/// `error-xml;kind=...`, `json-error`: the status determines the error.
#[test]
fn malformed_error_documents_keep_the_status() {
    for body in [
        "{\"error\": \"forbidden\"}".to_owned(),
        "<html>forbidden</html>".to_owned(),
        "<Error><Code>AccessDenied</Code>".to_owned(),
        "<!DOCTYPE x [<!ENTITY a \"b\">]><Error><Code>&a;</Code></Error>".to_owned(),
        "\0\u{1}\u{7f}".to_owned(),
        format!("<Error>{}", "<a>".repeat(100_000)),
        String::new(),
    ] {
        let (error, count) = always(Fault::reply(403, body.clone()));
        assert_eq!(
            (error.kind(), error.status(), count),
            (ErrorKind::AccessDenied, Some(403), 1),
            "{body:.40}"
        );
        assert!(error.to_string().len() < 1000, "{error}");
        assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
    }
    // A message with several lines is displayed on one line.
    let (error, _) = always(Fault::reply(
        403,
        "<Error><Code>AccessDenied</Code><Message>one&#10;two&#13;three</Message></Error>",
    ));
    assert!(!error.to_string().contains(['\n', '\r']), "{error}");
}

#[test]
fn errors_report_earlier_attempts() {
    let rig = Rig::new();
    rig.faulty.once("GetObject", Fault::error(503, "SlowDown"));
    rig.faulty.once("GetObject", Fault::error(503, "SlowDown"));
    rig.faulty.once("GetObject", Fault::silent(crate::server::End::Close));
    rig.faulty.once("GetObject", Fault::error(500, "InternalError"));
    rig.client.close_idle_connections();
    let error = rig.get("key").unwrap_err();
    let history = error.history().unwrap();
    assert!(history.starts_with("503 SlowDown (2 times), broken connection"), "{history}");
    assert!(error.to_string().contains(history), "{error}");
    rig.finish();
}

/// The date of a successful response never changes the clock's offset, even if it is very wrong.
#[test]
fn date_wrong() {
    let rig = Rig::new();
    rig.store("key", b"content");
    rig.faulty.once(
        "GetObject",
        Fault::changed(|answer: Answer| answer.with("date", "Thu, 01 Jan 1970 00:00:00 GMT")),
    );
    assert_eq!(rig.get("key").unwrap(), b"content");
    assert_eq!(rig.get("key").unwrap(), b"content");
    assert_eq!(rig.count("GetObject"), 2);
    rig.finish();
}
