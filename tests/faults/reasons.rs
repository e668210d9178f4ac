//! Tests for the table "Reasons": what an error says about its cause, and what the client learns
//! from it.

use crate::server::{Answer, End, Fault};
use crate::support::ServerOptions;
use crate::support::clock::Slow;
use crate::support::closed::ClosedPort;
use crate::{ATTEMPTS, BUCKET, Renewable, Rig, assert_no_secret, aws, retry, timeouts};
use s3driver::client::{
    Addressing, Client, Config, Endpoint, ListObjects, ObjectSettings, PayloadSigning, Presign,
    PresignMethod, Proxy, RequestPayer, Scheme, Variant,
};
use s3driver::driver::{Parameters, S3Driver};
use s3driver::sign::Credentials;
use s3driver::time::Timestamp;
use s3driver::{Error, ErrorKind, Result};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, SystemTime};

/// A HEAD of the object or of the bucket, and the operation that determines why it was refused.
type Head = (fn(&Client) -> Result<()>, &'static str, &'static str);

const HEADS: [Head; 2] = [
    (
        |client| client.head_object(BUCKET, "key", &Default::default()).map(drop),
        "HeadObject",
        "GetObject",
    ),
    (|client| client.head_bucket(BUCKET).map(drop), "HeadBucket", "ListObjectsV2"),
];

/// Returns a bare response to a HEAD, after which the connection ends.
fn bare(status: u16) -> Fault {
    Fault::reply(status, "")
}

#[test]
fn p17_expired_credentials_are_refreshed_when_the_first_call_is_a_head() {
    for (head, operation, question) in HEADS {
        for (status, code) in [
            (400, "ExpiredToken"),
            (400, "InvalidToken"),
            (403, "ExpiredToken"),
            (401, "ExpiredToken"),
        ] {
            let provider = Arc::new(Renewable::default());
            let rig =
                Rig::with(ServerOptions::default(), |config| config.credentials(provider.clone()));
            rig.store("key", b"content");
            rig.faulty.once(operation, bare(status));
            rig.faulty.once(question, Fault::error(status, code));
            head(&rig.client).unwrap();
            let counts = (
                rig.count(operation),
                rig.count(question),
                provider.refreshes.load(Ordering::SeqCst),
            );
            assert_eq!(counts, (2, 1, 1), "{operation} {status} {code}");
            rig.finish();
        }
    }
}

#[test]
fn p17_the_clock_is_corrected_when_the_first_call_is_a_head() {
    let now = || Timestamp::from(SystemTime::now());
    let skewed = |time: Timestamp| {
        format!(
            "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>{}</ServerTime></Error>",
            time.iso8601()
        )
    };
    for (head, operation, question) in HEADS {
        // The reason is in the body of the response to another method, or follows from the date of
        // the response itself.
        let dated = |fault: &str| Fault::reply_with(403, &[("date", &now().http_date())], fault);
        let reasons: [(Fault, Option<Fault>); 2] =
            [(bare(403), Some(Fault::reply(403, skewed(now())))), (dated(""), None)];
        for (refusal, reason) in reasons {
            let rig = Rig::with(ServerOptions::default(), |config| {
                config.clock(Arc::new(Slow(Duration::from_secs(3600))))
            });
            rig.store("key", b"content");
            let asked = usize::from(reason.is_some());
            rig.faulty.once(operation, refusal);
            reason.into_iter().for_each(|reason| rig.faulty.once(question, reason));
            head(&rig.client).unwrap();
            assert_eq!((rig.count(operation), rig.count(question)), (2, asked), "{operation}");
            rig.finish();
        }
    }
}

/// Case 38: a server names the correct region only in a body, in an element or in the message, so
/// that a HEAD does not state the reason.
#[test]
fn case_38_a_head_learns_a_region_that_only_bodies_name() {
    let document = |message: &str, region: &str| {
        format!(
            "<Error><Code>AuthorizationHeaderMalformed</Code><Message>{message}</Message>{region}</Error>"
        )
    };
    let garage = "Authorization header malformed, unexpected scope: 20261129/us-east-1/s3/aws4_request, expected: \
                  20261129/garage/s3/aws4_request";
    for (status, body) in [
        (400, document(garage, "<Region>garage</Region>")),
        (400, document(garage, "")),
        (400, document("the region 'us-east-1' is wrong; expecting 'garage'", "")),
        (403, document("", "<Region>garage</Region>")),
        (301, "<Error><Code>PermanentRedirect</Code><Region>garage</Region></Error>".to_owned()),
    ] {
        for (head, operation, question) in HEADS {
            let rig = Rig::with(
                ServerOptions { region: "garage".to_owned(), ..ServerOptions::default() },
                |c| c,
            );
            rig.store("key", b"content");
            let endpoint = Endpoint::custom(&rig.faulty.url(), None, Scheme::Http).unwrap();
            let keys = Credentials::new("AKIDEMBEDDED", "embedded/secret+key");
            let client =
                Client::new(Config::new(endpoint).static_credentials(keys).retry(retry())).unwrap();
            rig.faulty.once(operation, bare(status));
            rig.faulty.once(question, Fault::reply(status, body.clone()));
            head(&client).unwrap();
            assert_eq!((rig.count(operation), rig.count(question)), (2, 1), "{operation} {body}");
            // The region is known for all later requests.
            head(&client).unwrap();
            assert_eq!((rig.count(operation), rig.count(question)), (3, 1));
            drop(client);
            rig.finish();
        }
    }
}

/// A reason that the client cannot act on is reported, and is requested only once.
#[test]
fn p17_a_head_reports_the_code_that_other_methods_get() {
    for (head, operation, question) in HEADS {
        for (status, code, kind) in [
            (403, "AccessDenied", ErrorKind::AccessDenied),
            (403, "SignatureDoesNotMatch", ErrorKind::SignatureRejected),
            (403, "InvalidAccessKeyId", ErrorKind::SignatureRejected),
            (400, "InvalidRequest", ErrorKind::Refused),
            (301, "PermanentRedirect", ErrorKind::WrongRegion),
        ] {
            let rig = Rig::new();
            rig.faulty.always(operation, bare(status));
            rig.faulty.always(question, Fault::error(status, code));
            let error = head(&rig.client).unwrap_err();
            assert_eq!(
                (error.kind(), error.code(), error.status()),
                (kind, Some(code), Some(status)),
                "{error}"
            );
            assert_eq!((error.operation(), error.attempts()), (Some(operation), 1), "{error}");
            assert_eq!((rig.count(operation), rig.count(question)), (1, 1), "{operation} {code}");
            assert_no_secret(&error);
            rig.finish();
        }
    }
}

/// If the inquiry does not explain the refusal, the original error is returned: the object can be
/// read, is empty or is missing, the server fails, or the connection breaks.
#[test]
fn p17_an_inquiry_without_an_explanation_keeps_the_refusal() {
    for (head, operation, question) in HEADS {
        for reply in [
            Fault::reply(200, "content"),
            Fault::error(404, "NoSuchKey"),
            Fault::error(416, "InvalidRange"),
            Fault::error(503, "SlowDown"),
            Fault::silent(End::Close),
        ] {
            let rig = Rig::new();
            rig.faulty.always(operation, bare(403));
            rig.faulty.always(question, reply);
            let error = head(&rig.client).unwrap_err();
            assert_eq!(
                (error.kind(), error.status(), error.code()),
                (ErrorKind::AccessDenied, Some(403), None)
            );
            assert_eq!(rig.count(operation), 1, "{error}");
            rig.finish();
        }
    }
    // A missing object is the ordinary case, for which no inquiry is sent.
    let rig = Rig::new();
    rig.client.head_object(BUCKET, "missing", &Default::default()).unwrap_err();
    assert_eq!((rig.count("HeadObject"), rig.count("GetObject")), (1, 0));
    rig.finish();
}

#[test]
fn p17_codes_are_read_from_headers() {
    for (code, message) in [
        ("x-amz-error-code", "x-amz-error-message"),
        ("x-minio-error-code", "x-minio-error-desc"),
        ("x-rgw-error-code", "x-rgw-error-message"),
        ("x-amzn-errortype", "x-amzn-errormessage"),
    ] {
        let rig = Rig::new();
        let headers = [(code, "InvalidAccessKeyId"), (message, "\"No such key id.\"")];
        rig.faulty.always("HeadObject", Fault::reply_with(403, &headers, ""));
        let error = rig.client.head_object(BUCKET, "key", &Default::default()).unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::SignatureRejected, Some("InvalidAccessKeyId")),
            "{error}"
        );
        assert_eq!(error.message(), "InvalidAccessKeyId: No such key id");
        assert_eq!(rig.count("GetObject"), 0, "the reason is already known");
        // Text that does not look like a code is not treated as one.
        rig.faulty.heal();
        rig.faulty.always("HeadObject", Fault::reply_with(403, &[(code, "a code, or what?")], ""));
        rig.faulty.always("GetObject", Fault::reply(403, ""));
        let error = rig.client.head_object(BUCKET, "key", &Default::default()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, None), "{error}");
        rig.finish();
    }
}

/// A proxy that streams the response may omit the length.
#[test]
fn p17_a_head_without_a_length_finds_the_size() {
    let no_length = || Fault::changed(|answer: Answer| answer.without("content-length"));
    for (content, range, requests) in [
        (&b"content"[..], None, (1, 0)),
        (
            b"content",
            Some(Fault::changed(|answer: Answer| {
                answer.status(200).without("content-range").body("content")
            })),
            (1, 0),
        ),
        (
            b"content",
            Some(Fault::changed(|answer: Answer| answer.with("content-range", "bytes 0-0/*"))),
            (1, 1),
        ),
        (b"", None, (1, 1)),
    ] {
        let rig = Rig::new();
        rig.store("key", content);
        rig.store("key2", b"another");
        rig.faulty.always("HeadObject", no_length());
        range.into_iter().for_each(|fault| rig.faulty.always("GetObject", fault));
        assert_eq!(
            rig.client.head_object(BUCKET, "key", &Default::default()).unwrap().size,
            content.len() as u64
        );
        assert_eq!((rig.count("GetObject"), rig.count("ListObjectsV2")), requests);
        rig.finish();
    }
}

/// P23: a time that differs by years is an error of the server, and a region of another partition
/// cannot be that of this bucket.
#[test]
fn p23_a_servers_statements_are_trusted_within_limits() {
    for (years, believed) in [(9, false), (-40, false), (1, true), (-1, true)] {
        let rig = Rig::new();
        let time = Timestamp::from_unix(
            Timestamp::from(SystemTime::now()).unix() + years * 366 * 24 * 3600,
        );
        let document = format!(
            "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>{}</ServerTime></Error>",
            time.iso8601()
        );
        rig.faulty.always("GetObject", Fault::reply(403, document));
        let error = rig.get("key").unwrap_err();
        assert_eq!(
            (error.kind(), error.attempts()),
            (ErrorKind::ClockSkew, if believed { 2 } else { 1 }),
            "{error}"
        );
        let url = rig.client.presign(
            BUCKET,
            "key",
            &Presign::exactly(PresignMethod::Get, Duration::from_secs(60)),
        );
        let year = &time.iso8601()[..4];
        assert_eq!(url.unwrap().url.contains(&format!("X-Amz-Date={year}")), believed);
        rig.finish();
    }
    for (region, learnt) in [("eu-west-3", true), ("cn-north-1", false), ("us-gov-west-1", false)] {
        let rig = Rig::new();
        let client = aws(&rig, "us-east-1");
        rig.faulty.once("*", Fault::reply_with(301, &[("x-amz-bucket-region", region)], ""));
        rig.faulty.always("*", Fault::reply_with(200, &[("etag", "\"e\"")], ""));
        let result = client.get_object(BUCKET, "key", &Default::default()).map(drop);
        assert_eq!(
            (result.is_ok(), rig.faulty.seen().len()),
            (learnt, 1 + usize::from(learnt)),
            "{region}"
        );
        drop(client);
        rig.finish();
    }
}

/// Case 22: buckets whose requester pays.
#[test]
fn case_22_the_requester_pays_if_configured() {
    const HEADER: &str = "x-amz-request-payer";
    for (payer, sent) in
        [(RequestPayer::BucketOwner, None), (RequestPayer::Requester, Some("requester"))]
    {
        let rig = Rig::with(ServerOptions::default(), |config| config.request_payer(payer));
        rig.put("key", b"content").unwrap();
        rig.get("key").unwrap();
        rig.client.head_object(BUCKET, "key", &Default::default()).unwrap();
        rig.client.list_objects(BUCKET, &ListObjects::default(), None).unwrap();
        let id = rig.begin("parts");
        rig.client.upload_part(crate::upload("parts", &id), 1, b"part").unwrap();
        rig.client.abort_multipart_upload(crate::upload("parts", &id)).unwrap();
        rig.client.delete_objects(BUCKET, &["key"]).unwrap();
        for seen in rig.faulty.seen() {
            assert_eq!(seen.header(HEADER), sent, "{}", seen.operation);
            let signed = seen.header("authorization").unwrap().contains(HEADER);
            assert_eq!(signed, sent.is_some(), "{}", seen.operation);
        }
        let get = Presign::exactly(PresignMethod::Get, Duration::from_secs(60));
        let url = rig.client.presign(BUCKET, "key", &get).unwrap().url;
        assert_eq!(url.contains("x-amz-request-payer=requester"), sent.is_some(), "{url}");
        rig.finish();
    }
    let with = |value: &str| {
        Parameters::from_pairs([
            ("region", "us-east-1"),
            ("bucket", BUCKET),
            ("requestpayer", value),
        ])
        .map(|parameters| parameters.request_payer)
    };
    assert_eq!(with("requester").unwrap(), RequestPayer::Requester);
    assert_eq!(with("Requester").unwrap(), RequestPayer::Requester);
    assert_eq!(with("").unwrap(), RequestPayer::BucketOwner);
    assert_eq!(with("yes").unwrap_err().kind(), ErrorKind::Configuration);
}

/// P33: a key that always fails does not use up the retries of other keys.
#[test]
fn p33_one_bad_key_does_not_starve_the_others() {
    let rig = Rig::new();
    rig.store("good", b"content");
    rig.faulty.times("GetObject", 0, 150 * ATTEMPTS as usize, Fault::error(500, "InternalError"));
    for _ in 0..150 {
        rig.get("bad").unwrap_err();
    }
    rig.faulty.heal();
    for _ in 0..40 {
        rig.faulty.once("GetObject", Fault::error(500, "InternalError"));
        assert_eq!(rig.get("good").unwrap(), b"content");
    }
    rig.finish();
}

/// Returns the error of a GET whose attempts all end with `fault`.
fn refused(fault: Fault) -> Error {
    let rig = Rig::new();
    rig.faulty.always("GetObject", fault);
    let error = rig.get("key").unwrap_err();
    assert_no_secret(&error);
    rig.finish();
    error
}

/// Case 24: a load balancer redirects http to https, or there is a login page in front of the
/// server.
#[test]
fn case_24_redirects_of_other_services_are_explained() {
    const TLS: &str =
        "the server requires TLS: write https:// in the endpoint, or set secure to true";
    const ELSEWHERE: &str =
        "check the endpoint: it may be that of a web page, or of a login before the server";
    for status in [301, 302, 303, 307, 308] {
        for method in ["GET", "HEAD"] {
            let rig = Rig::new();
            let place = rig.faulty.url().replace("http://", "");
            let host = place.split(':').next().unwrap();
            for (location, hint) in [
                (format!("https://{place}/registry/key"), TLS),
                (format!("https://{host}/registry/key"), TLS),
                ("https://login.example.com/?next=s3".to_owned(), ELSEWHERE),
                ("http://other.example:9000/registry/key".to_owned(), ELSEWHERE),
                ("/login".to_owned(), ELSEWHERE),
            ] {
                rig.faulty.heal();
                let page = if method == "HEAD" {
                    ""
                } else {
                    "<html><head><title>Moved</title></head></html>"
                };
                rig.faulty.always("*", Fault::reply_with(status, &[("location", &location)], page));
                let before = rig.faulty.seen().len();
                let error = match method {
                    "HEAD" => {
                        rig.client.head_object(BUCKET, "key", &Default::default()).unwrap_err()
                    }
                    _ => rig.get("key").unwrap_err(),
                };
                assert_eq!(
                    (error.kind(), error.hint()),
                    (ErrorKind::Refused, Some(hint)),
                    "{location}: {error}"
                );
                assert_eq!(
                    (error.attempts(), rig.faulty.seen().len() - before),
                    (1, 1),
                    "{location}"
                );
                assert!(
                    !error.to_string().contains("region") && !error.to_string().contains("next=s3"),
                    "{error}"
                );
            }
            rig.finish();
        }
    }
}

/// Only a redirect leads elsewhere: `Location` may also name an object that was created.
#[test]
fn a_location_in_a_refusal_is_not_a_redirect() {
    let location = [("location", "https://login.example.com/")];
    for status in [304, 400, 403, 412] {
        let error = refused(Fault::reply_with(status, &location, ""));
        assert_eq!(error.status(), Some(status), "{error}");
        assert!(!error.to_string().contains("login"), "{error}");
        assert!(!error.hint().is_some_and(|hint| hint.contains("web page")), "{error:?}");
    }
}

/// Each situation in which a server refuses a request has the correct hint, or none.
#[test]
fn each_refusal_has_its_hint() {
    let document = |code: &str, words: &str| {
        format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>")
    };
    let policies = "check the policies of these credentials and of the bucket; without the permission s3:ListBucket, S3 \
                    denies access to objects that do not exist";
    let tls = "the server requires TLS: write https:// in the endpoint, or set secure to true";
    for (status, body, hint) in [
        (403, document("AccessDenied", "Access Denied"), Some(policies)),
        (403, String::new(), Some(policies)),
        (
            403,
            document(
                "InvalidObjectState",
                "The operation is not valid for the object's storage class",
            ),
            Some(
                "the object is archived: restore it before it is read, or keep archiving rules \
                 away from these keys",
            ),
        ),
        (400, "Client sent an HTTP request to an HTTPS server.\n".to_owned(), Some(tls)),
        (
            400,
            "<html><h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port</html>"
                .to_owned(),
            Some(tls),
        ),
        (
            400,
            "Reason: You're speaking plain HTTP to an SSL-enabled server port.".to_owned(),
            Some(tls),
        ),
        (
            400,
            "Bad Request\r\nThis combination of host and port requires TLS.".to_owned(),
            Some(tls),
        ),
        (400, document("InvalidArgument", "Invalid argument"), None),
        (400, "<html>Bad Request</html>".to_owned(), None),
        (400, String::new(), None),
        (404, document("NoSuchKey", "The specified key does not exist."), None),
        (412, document("PreconditionFailed", "No"), None),
        (418, String::new(), None),
        (
            404,
            document("NoSuchBucket", "The specified bucket does not exist"),
            Some(
                "check the bucket's name and the endpoint; the bucket must exist before the \
                 driver starts",
            ),
        ),
        (
            403,
            document("RequestTimeTooSkewed", "The difference is too large"),
            Some("set this machine's clock"),
        ),
        (
            400,
            document("ExpiredToken", "The token has expired"),
            Some("fetch new temporary credentials"),
        ),
        (
            301,
            document("PermanentRedirect", "Elsewhere"),
            Some("the bucket is elsewhere: check the region and the endpoint"),
        ),
    ] {
        let error = refused(Fault::reply(status, body.clone()));
        assert_eq!((error.hint(), error.attempts()), (hint, 1), "{status} {body}: {error}");
    }
    // A listing for which the server reports a missing key was sent to the wrong place.
    let rig = Rig::new();
    rig.faulty.always("ListObjectsV2", Fault::error(404, "NoSuchKey"));
    let error = rig.client.list_objects(BUCKET, &ListObjects::default(), None).unwrap_err();
    let hint = "the server looked for an object where the bucket should be: check the path and the \
                host of the endpoint";
    assert_eq!(error.hint(), Some(hint));
    rig.finish();
}

/// A server or a policy rejects unsigned bodies, with any code.
#[test]
fn payload_signed_is_suggested_if_unsigned_bodies_are_refused() {
    for (payload, hint) in [
        (
            PayloadSigning::Unsigned,
            Some("the server accepts signed bodies only: set payload to signed"),
        ),
        (PayloadSigning::Signed, None),
    ] {
        for (status, code, words) in [
            (400, "InvalidRequest", "UNSIGNED-PAYLOAD is not supported"),
            (400, "InvalidArgument", "x-amz-content-sha256 must be a SHA-256"),
            (501, "NotImplemented", "Unsigned payload is not implemented"),
        ] {
            let rig = Rig::with(ServerOptions::default(), |config| config.payload_signing(payload));
            let document = format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>");
            rig.faulty.always("PutObject", Fault::reply(status, document));
            let error = rig
                .client
                .put_object(BUCKET, "key", b"content", &ObjectSettings::default())
                .unwrap_err();
            assert_eq!((error.hint(), error.attempts()), (hint, 1), "{error}");
            rig.finish();
        }
    }
}

/// The error of a policy that denies unsigned bodies is the same as that of any other policy.
#[test]
fn payload_signed_is_mentioned_if_a_policy_may_require_it() {
    let check = "check the policies of these credentials and of the bucket";
    let unsigned = format!("{check}; if one of them denies unsigned bodies, set payload to signed");
    for (payload, hint) in
        [(PayloadSigning::Unsigned, unsigned.as_str()), (PayloadSigning::Signed, check)]
    {
        let rig = Rig::with(ServerOptions::default(), |config| config.payload_signing(payload));
        rig.faulty.always("PutObject", Fault::error(403, "AccessDenied"));
        assert_eq!(rig.put("key", b"content").unwrap_err().hint(), Some(hint));
        rig.finish();
    }
}

/// Returns the kind, attempts, message and hint of an error.
fn outcome(config: Config) -> (ErrorKind, u32, String, Option<String>) {
    let client = Client::new(config.retry(retry()).timeouts(timeouts())).unwrap();
    let error =
        client.put_object(BUCKET, "key", b"content", &ObjectSettings::default()).unwrap_err();
    assert_no_secret(&error);
    (error.kind(), error.attempts(), error.message().to_owned(), error.hint().map(str::to_owned))
}

/// Starts a server that sends these bytes in response to anything, and closes the connection.
fn blunt(reply: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // The client may have disconnected.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(reply);
        }
    });
    port
}

fn custom(url: &str) -> Config {
    Config::new(Endpoint::custom(url, None, Scheme::Https).unwrap())
}

fn proxy(port: u16, user: &str) -> Proxy {
    Proxy::parse(&format!("http://{user}127.0.0.1:{port}")).unwrap()
}

/// An error states which server or proxy refused a connection, and what to do. Attempts that cannot
/// succeed are not repeated.
#[test]
fn each_failure_to_connect_names_the_party_and_the_remedy() {
    let (gone, lasts) = (ATTEMPTS, 1);
    let closed = ClosedPort::new();
    let port = closed.number();
    let (kind, attempts, message, hint) = outcome(custom(&format!("http://127.0.0.1:{port}")));
    assert_eq!((kind, attempts), (ErrorKind::Connect, gone));
    assert!(
        message.contains(&format!("no connection to the server 127.0.0.1:{port}: ")),
        "{message}"
    );
    let check =
        "check the host and the port of the endpoint (regionendpoint), and that the server runs";
    assert_eq!(hint.as_deref(), Some(check));

    // A proxy that is down, for requests with and without TLS.
    for url in ["http://s3.invalid", "https://s3.invalid"] {
        let (kind, attempts, message, hint) =
            outcome(custom(url).proxy(proxy(port, "user:hidden@")));
        assert_eq!((kind, attempts), (ErrorKind::Connect, gone));
        assert!(
            message.contains(&format!("no connection to the proxy 127.0.0.1:{port}: ")),
            "{message}"
        );
        assert!(!message.contains("hidden"), "{message}");
        assert_eq!(
            hint.as_deref(),
            Some("check the host and the port in proxy, and that the proxy runs")
        );
    }

    let wants =
        "the proxy requires a user and a password: write http://user:password@host:port in proxy";
    let allows = "check that proxy is a proxy which allows tunnels to s3.invalid:443";
    let cannot = "the proxy cannot reach the server: check the endpoint, and the proxy's own log";
    for (reply, user, attempts, hint) in [
        (&b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n"[..], "", lasts, wants),
        (
            b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n",
            "u:p@",
            lasts,
            "the proxy refuses the user or the password in proxy",
        ),
        (b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", "", lasts, allows),
        (b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", "", lasts, allows),
        (b"HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n", "", lasts, allows),
        (b"HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n", "", gone, cannot),
    ] {
        let port = blunt(reply);
        let (kind, times, message, said) =
            outcome(custom("https://s3.invalid").proxy(proxy(port, user)));
        assert_eq!((kind, times), (ErrorKind::Connect, attempts), "{message}");
        assert!(
            message.contains(&format!("the proxy 127.0.0.1:{port} refused the tunnel")),
            "{message}"
        );
        assert_eq!(said.as_deref(), Some(hint), "{message}");
    }
}

/// Without TLS, the proxy responds in place of the server.
#[test]
fn a_proxy_that_refuses_a_request_without_tls_is_named() {
    for (user, hint) in [
        (
            "",
            "the proxy requires a user and a password: write http://user:password@host:port in proxy",
        ),
        ("u:p@", "the proxy refuses the user or the password in proxy"),
    ] {
        let port = blunt(b"HTTP/1.1 407 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let (kind, attempts, message, said) =
            outcome(custom("http://s3.invalid").proxy(proxy(port, user)));
        assert_eq!(
            (kind, attempts, said.as_deref()),
            (ErrorKind::Refused, 1, Some(hint)),
            "{message}"
        );
        assert_eq!(
            message,
            format!("the proxy http://127.0.0.1:{port} refused the request with status 407")
        );
    }
}

#[test]
fn each_unresolved_name_is_reported_with_its_origin() {
    let aws = |region: &str| {
        Config::new(Endpoint::aws(region, Scheme::Https, Variant::default()).unwrap())
    };
    // The region does not exist, because the names of real regions can be looked up.
    let (kind, attempts, message, hint) = outcome(aws("us-esat-1"));
    assert_eq!((kind, attempts), (ErrorKind::Connect, 1), "{message}");
    assert!(
        message.contains("registry.s3.us-esat-1.amazonaws.com, cannot be looked up"),
        "{message}"
    );
    let region = "the host name is made from the region us-esat-1, which is not a known region of \
                  AWS: check region";
    assert_eq!(hint.as_deref(), Some(region));

    let (_, _, message, hint) = outcome(custom("http://no-such-host.invalid"));
    assert!(
        message.contains("the host name of the server, no-such-host.invalid, cannot be looked up"),
        "{message}"
    );
    let endpoint = "the host name is that of the endpoint (regionendpoint): check its spelling, and this machine's name \
                    servers";
    assert_eq!(hint.as_deref(), Some(endpoint));

    let host = Endpoint::custom("http://no-such-host.invalid", None, Scheme::Http).unwrap();
    let host = host.with_addressing(Addressing::VirtualHost).unwrap();
    let (_, _, _, hint) = outcome(Config::new(host));
    let bucket = "the host name is made of the bucket registry and the endpoint (regionendpoint): check both; if the \
                  server expects the bucket in the path, set forcepathstyle to true";
    assert_eq!(hint.as_deref(), Some(bucket));

    let proxy = Proxy::parse("http://no-such-proxy.invalid:3128").unwrap();
    let (_, _, message, hint) = outcome(custom("http://127.0.0.1:1").proxy(proxy));
    assert!(
        message.contains("the host name of the proxy, no-such-proxy.invalid, cannot be looked up"),
        "{message}"
    );
    assert_eq!(hint.as_deref(), Some("check the host name in proxy"));
}

/// Neither servers with a different protocol nor TLS servers that reject the handshake are tried
/// twice.
#[test]
fn each_mismatch_of_tls_is_named_and_tried_once() {
    let plain =
        "this server does not speak TLS: write http:// in the endpoint, or set secure: false";
    for reply in [
        &b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"[..],
        b"<html>Bad request</html>",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.example ESMTP\r\n",
    ] {
        let (kind, attempts, message, hint) =
            outcome(custom(&format!("https://127.0.0.1:{}", blunt(reply))));
        assert_eq!(
            (kind, attempts, hint.as_deref()),
            (ErrorKind::Tls, 1, Some(plain)),
            "{message}"
        );
        assert!(message.contains("the server does not speak TLS"), "{message}");
    }
    let tls = "the server requires TLS: write https:// in the endpoint, or set secure to true";
    for reply in [&b"\x15\x03\x01\x00\x02\x02\x46"[..], b"\x15\x03\x03\x00\x02\x02\x0a"] {
        let (kind, attempts, message, hint) =
            outcome(custom(&format!("http://127.0.0.1:{}", blunt(reply))));
        assert_eq!((kind, attempts, hint.as_deref()), (ErrorKind::Tls, 1, Some(tls)), "{message}");
    }
    let version =
        "the server needs TLS 1.2 or 1.3: update it, or put a proxy with TLS 1.2 in front of it";
    let algorithms = "this client has TLS 1.2 and 1.3 with ECDHE and AES-GCM or ChaCha20, and verifies RSA, P-256, P-384 \
                      and Ed25519 keys, but not P-521 keys, P-256 with SHA-512, SHA-1 or static RSA";
    let name = "check that 127.0.0.1 is the server's name, or give it a certificate for that name";
    for (alert, hint) in [
        (&b"\x15\x03\x03\x00\x02\x02\x46"[..], Some(version)),
        (b"\x15\x03\x03\x00\x02\x02\x28", Some(algorithms)),
        (b"\x15\x03\x03\x00\x02\x02\x47", Some(algorithms)),
        (b"\x15\x03\x03\x00\x02\x02\x70", Some(name)),
        (b"\x15\x03\x03\x00\x02\x02\x31", None),
    ] {
        let (kind, attempts, message, said) =
            outcome(custom(&format!("https://127.0.0.1:{}", blunt(alert))));
        assert_eq!((kind, attempts, said.as_deref()), (ErrorKind::Tls, 1, hint), "{message}");
    }
    // An internal failure of the server may be temporary.
    let (kind, attempts, ..) =
        outcome(custom(&format!("https://127.0.0.1:{}", blunt(b"\x15\x03\x03\x00\x02\x02\x50"))));
    assert_eq!((kind, attempts), (ErrorKind::Connect, ATTEMPTS));
}

/// A certificate file without certificates is named.
#[test]
fn a_cacert_file_without_certificates_is_named() {
    for (name, content) in
        [("empty.pem", ""), ("text.pem", "not a certificate"), ("der.pem", "\u{30}\u{82}")]
    {
        let path =
            std::env::temp_dir().join(format!("s3driver-reasons-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let text = path.to_str().unwrap();
        let parameters =
            Parameters::from_pairs([("region", "us-east-1"), ("bucket", BUCKET), ("cacert", text)])
                .unwrap();
        let error = S3Driver::new(&parameters).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(
            error.message().contains(text) && error.hint().is_some_and(|hint| hint.contains("PEM")),
            "{error}"
        );
    }
}
