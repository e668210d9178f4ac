//! Tests for the table "Connection".

use crate::server::{End, Fault, error_document};
use crate::support::closed::ClosedPort;
use crate::support::content::bytes;
use crate::support::{Server, ServerOptions};
use crate::{ATTEMPTS, BUCKET, Rig, quickly, retry, upload};
use s3driver::client::{
    Client, Condition, Config, CopySource, Endpoint, HELD_BODY, ObjectSettings, RetryPolicy, Scheme,
};
use s3driver::clock::{Clock, SystemClock};
use s3driver::credentials::{Cache, Context, Lease, Source, Unavailable};
use s3driver::{Cancel, ErrorKind};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

#[test]
fn connection_refused() {
    let closed = ClosedPort::new();
    let endpoint = Endpoint::custom(&closed.url(), None, Scheme::Http).unwrap();
    let client = Client::new(Config::new(endpoint).retry(retry())).unwrap();
    let error =
        client.put_object(BUCKET, "key", b"content", &ObjectSettings::default()).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, ATTEMPTS), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(error.history(), Some("no connection (3 times)"));
}

/// Tries all idempotent requests with the faults after which they are retried.
#[test]
fn reset_before_response_and_close_before_response() {
    for end in [End::Reset, End::Close] {
        let rig = Rig::new();
        rig.store("there", b"content");
        let id = rig.begin("parts");
        let fault = |operation| {
            // Uses a new connection: an attempt on a pooled one would be repeated without being
            // counted.
            rig.client.close_idle_connections();
            rig.faulty.once(operation, Fault::silent(end));
        };
        fault("PutObject");
        rig.put("key", b"content").unwrap();
        fault("GetObject");
        assert_eq!(rig.get("there").unwrap(), b"content");
        fault("HeadObject");
        assert_eq!(rig.client.head_object(BUCKET, "there", &Default::default()).unwrap().size, 7);
        fault("UploadPart");
        rig.client.upload_part(upload("parts", &id), 1, b"part").unwrap();
        fault("AbortMultipartUpload");
        rig.client.abort_multipart_upload(upload("parts", &id)).unwrap();
        fault("DeleteObject");
        rig.client.delete_object(BUCKET, "there", &Default::default()).unwrap();
        for operation in [
            "PutObject",
            "GetObject",
            "HeadObject",
            "UploadPart",
            "AbortMultipartUpload",
            "DeleteObject",
        ] {
            assert_eq!(rig.count(operation), 2, "{operation}");
        }
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["key"]);
        assert_eq!(rig.stored("key").unwrap(), b"content");
        rig.finish();
    }
}

#[test]
fn close_at_head_and_reset_at_head() {
    for end in [End::Close, End::Reset] {
        let rig = Rig::with(ServerOptions::default(), |config| config.retry(RetryPolicy::never()));
        rig.store("warm", b"up");
        rig.get("warm").unwrap();
        rig.faulty.once("PutObject", Fault::silent(end));
        rig.put("key", b"content").unwrap();
        assert_eq!(rig.count("PutObject"), 2);
        assert_eq!(rig.client.stats().stale_connections, 1);
        assert_eq!(rig.stored("key").unwrap(), b"content");
        rig.finish();
    }
}

#[test]
fn close_after_and_reset_after() {
    for end in [End::Close, End::Reset] {
        let rig = Rig::with(ServerOptions::default(), |config| config.retry(RetryPolicy::never()));
        rig.faulty.always("PutObject", Fault::changed(|answer| answer).end(end));
        for index in 0..5 {
            rig.put(&format!("key{index}"), b"content").unwrap();
        }
        assert_eq!(rig.faulty.backend.keys(BUCKET).len(), 5);
        rig.finish();
    }
}

#[test]
fn a_partly_consumed_body_is_not_sent_again() {
    let rig = Rig::new();
    rig.faulty.once("PutObject", Fault::silent(End::Close));
    let content = bytes(1, 0, HELD_BODY as usize + 1);
    let settings = ObjectSettings::default();
    let error = rig
        .client
        .put_object_from(BUCKET, "key", &mut &content[..], HELD_BODY + 1, &settings)
        .unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Interrupted, 1));
    assert_eq!(rig.count("PutObject"), 1);
    assert_eq!(rig.stored("key"), None);
    rig.finish();
}

/// The server closes every connection while the second request is on its way. A request that can be
/// repeated is sent again; a body that can be read only once is never sent over such a connection.
#[test]
fn a_body_that_is_read_only_once_is_not_sent_over_a_connection_that_is_being_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sizes, received) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sizes) = (BufReader::new(stream.unwrap()), sizes.clone());
            thread::spawn(move || {
                let mut length = 0;
                for line in (&mut stream).lines().map_while(Result::ok) {
                    match line.to_ascii_lowercase().strip_prefix("content-length: ") {
                        Some(value) => length = value.parse().unwrap(),
                        None if line.is_empty() => break,
                        None => {}
                    }
                }
                let read = io::copy(&mut (&mut stream).take(length), &mut io::sink()).unwrap();
                sizes.send(read).unwrap();
                let reply = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\n\r\n";
                stream.get_mut().write_all(reply).unwrap();
                // Closes the connection when the next request begins to arrive.
                let _ = stream.fill_buf();
            });
        }
    });
    let endpoint = Endpoint::custom(&url, None, Scheme::Http).unwrap();
    let client = Client::new(Config::new(endpoint).retry(RetryPolicy::never())).unwrap();
    let settings = ObjectSettings::default();
    let length = HELD_BODY + 1;
    let content = bytes(1, 0, length as usize);
    for _ in 0..3 {
        client.put_object(BUCKET, "small", b"content", &settings).unwrap();
        client.put_object_from(BUCKET, "large", &mut &content[..], length, &settings).unwrap();
    }
    let sizes: Vec<_> = received.try_iter().collect();
    assert_eq!(sizes, [7, length].repeat(3));
}

#[test]
fn reset_mid_upload_and_close_mid_upload() {
    let content = bytes(1, 0, 4 << 20);
    for end in [End::Reset, End::Close] {
        let rig = Rig::new();
        rig.faulty.times("PutObject", 0, 2, Fault::silent(end).mid_upload(100_000));
        rig.put("key", &content).unwrap();
        assert_eq!(rig.count("PutObject"), 3);
        assert!(rig.stored("key").unwrap() == content);
        rig.faulty.always("PutObject", Fault::silent(end).mid_upload(100_000));
        rig.client.close_idle_connections();
        let error = rig.put("never", &content).unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Interrupted, ATTEMPTS), "{error}");
        assert_eq!(rig.stored("never"), None);
        rig.finish();
    }
}

#[test]
fn stall_upload() {
    let rig = Rig::new();
    let content = bytes(1, 0, 16 << 20);
    rig.faulty.once("PutObject", Fault::silent(End::Hang).mid_upload(1000));
    quickly(|| rig.put("key", &content)).unwrap();
    assert_eq!(rig.count("PutObject"), 2);
    assert!(rig.stored("key").unwrap() == content);
    rig.finish();
    // Uses a client without connections: an attempt on a pooled connection that turns out to be
    // dead does not count.
    let rig = Rig::new();
    rig.faulty.always("PutObject", Fault::silent(End::Hang).mid_upload(1000));
    let error = quickly(|| rig.put("never", &content)).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, ATTEMPTS), "{error}");
    assert_eq!(rig.stored("never"), None);
    rig.finish();
}

/// An untrusted certificate is an immediate error, and nothing is sent without a trusted one.
#[test]
fn an_untrusted_certificate_is_an_error_without_a_retry() {
    let secure = || Server::start(ServerOptions { tls: true, ..ServerOptions::default() });
    let (server, stranger) = (secure(), secure());
    let client = |trusted: &Server| {
        let endpoint = Endpoint::custom(&server.endpoint(), None, Scheme::Https).unwrap();
        let pem = trusted.ca_pem().unwrap().as_bytes();
        Client::new(Config::new(endpoint).retry(retry()).extra_roots_pem(pem)).unwrap()
    };
    let error = client(&stranger)
        .put_object(BUCKET, "key", b"content", &ObjectSettings::default())
        .unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Tls, 1), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("cacert")), "{error}");
    assert_eq!(server.keys(BUCKET), [""; 0]);
    // A client that trusts the certificate reaches the same server, which then rejects the missing
    // signature.
    let error = client(&server)
        .put_object(BUCKET, "key", b"content", &ObjectSettings::default())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
}

#[test]
fn early_error() {
    let content = bytes(1, 0, 16 << 20);
    let rig = Rig::new();
    rig.faulty
        .always("PutObject", Fault::error(403, "AccessDenied").mid_upload(1000).end(End::Hang));
    let error = quickly(|| rig.put("key", &content)).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::AccessDenied, 1), "{error}");
    assert_eq!(rig.count("PutObject"), 1);
    rig.faulty.heal();
    // The response may be lost with the connection, but nothing hangs and nothing is stored.
    rig.faulty
        .always("PutObject", Fault::error(403, "AccessDenied").mid_upload(1000).end(End::Close));
    let error = quickly(|| rig.put("key", &content)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::Interrupted), "{error}");
    assert_eq!(rig.stored("key"), None);
    rig.finish();
}

#[test]
fn stall_and_stall_forever() {
    let rig = Rig::new();
    rig.store("key", b"content");
    rig.faulty.once("GetObject", Fault::silent(End::Hang));
    assert_eq!(quickly(|| rig.get("key")).unwrap(), b"content");
    assert_eq!(rig.count("GetObject"), 2);
    rig.faulty.always("GetObject", Fault::silent(End::Hang));
    let error = quickly(|| rig.get("key")).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, ATTEMPTS));
    rig.finish();
}

/// Ceph completes and copies in silence. The work is waited for and not begun a second time.
#[test]
fn a_server_may_work_on_copies_and_completions_in_silence() {
    let rig = Rig::with(ServerOptions { min_part_size: 1, ..ServerOptions::default() }, |config| {
        config.timeouts(crate::timeouts().idle(Duration::from_millis(300)))
    });
    let silence = || {
        Fault::scripted(|answer| {
            thread::sleep(Duration::from_secs(1));
            answer.bytes()
        })
        .after_commit()
    };
    rig.store("source", &bytes(1, 0, 1000));
    let source = CopySource::new(BUCKET, "source");
    let id = rig.begin("parts");
    let parts = upload("parts", &id);
    for operation in ["CopyObject", "UploadPartCopy", "CompleteMultipartUpload"] {
        rig.faulty.always(operation, silence());
    }
    rig.client.copy_object(source, BUCKET, "copy", &ObjectSettings::default()).unwrap();
    let part = rig.client.upload_part_copy(source, 0..1000, parts, 1).unwrap();
    rig.client.complete_multipart_upload(parts, &[part], &Condition::Always).unwrap();
    for operation in ["CopyObject", "UploadPartCopy", "CompleteMultipartUpload"] {
        assert_eq!(rig.count(operation), 1, "{operation}");
    }
    // The limit of the work itself still applies.
    let limits = crate::timeouts().server_work(Duration::from_millis(300));
    rig.finish();
    let rig = Rig::with(ServerOptions::default(), |config| {
        config.timeouts(limits).retry(RetryPolicy::never())
    });
    rig.store("source", b"content");
    rig.faulty.always("CopyObject", Fault::silent(End::Hang));
    let copied = rig.client.copy_object(source, BUCKET, "copy", &ObjectSettings::default());
    let error = copied.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::OutcomeUnknown), "{error}");
    rig.finish();
}

/// A stall below the limit does not cause a retry.
#[test]
fn a_stall_below_the_limit_is_not_retried() {
    let rig = Rig::new();
    rig.store("key", b"content");
    rig.faulty.once(
        "GetObject",
        Fault::scripted(|answer| {
            thread::sleep(crate::timeouts().idle / 3);
            answer.bytes()
        }),
    );
    assert_eq!(rig.get("key").unwrap(), b"content");
    assert_eq!(rig.count("GetObject"), 1);
    rig.finish();
}

#[test]
fn stall_after_commit() {
    let rig = Rig::new();
    rig.faulty.once("PutObject", Fault::silent(End::Hang).after_commit());
    quickly(|| rig.put("key", b"content")).unwrap();
    assert_eq!(rig.count("PutObject"), 2);
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["key"]);
    assert_eq!(rig.stored("key").unwrap(), b"content");
    rig.finish();
}

#[test]
fn trickle() {
    let rig = Rig::new();
    rig.store("key", b"content");
    // The response takes longer than the maximum silence in total, but is never silent for that
    // long.
    rig.faulty
        .once("GetObject", Fault::changed(|answer| answer).trickled(Duration::from_millis(100)));
    assert_eq!(rig.get("key").unwrap(), b"content");
    assert_eq!(rig.count("GetObject"), 1);
    rig.finish();
}

/// The response to an upload is small, so the client does not wait forever for a server that sends
/// it byte by byte.
#[test]
fn an_endless_trickle_ends_at_a_deadline() {
    let rig = Rig::with(ServerOptions::default(), |config| {
        let operation = Duration::from_millis(600);
        config.retry(RetryPolicy::never()).timeouts(crate::timeouts().operation(operation))
    });
    let drip =
        [b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".as_slice(), &[b' '; 1000]].concat();
    rig.faulty.always("PutObject", Fault::raw(drip).trickled(Duration::from_millis(10)));
    let error = quickly(|| rig.put("key", b"content")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    rig.finish();
}

/// Reading an object that trickles in ends although the server is never silent for long. Retries do
/// not restart that limit.
#[test]
fn an_endless_trickle_of_an_object_ends_at_a_deadline() {
    let rig = Rig::with(ServerOptions::default(), |config| {
        config.timeouts(crate::timeouts().stall(Duration::from_millis(400)))
    });
    rig.store("key", &bytes(1, 0, 1 << 20));
    rig.faulty
        .always("GetObject", Fault::changed(|answer| answer).trickled(Duration::from_millis(10)));
    let error = quickly(|| rig.get("key")).unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, ATTEMPTS), "{error}");
    assert_eq!(rig.count("GetObject"), ATTEMPTS as usize);
    rig.finish();
}

/// `bad-status-line`, `bad-header`, `chunked-bad`, `two-lengths`, `length-and-chunked`,
/// `endless-headers`, `1xx-flood`.
#[test]
fn malformed_responses_are_retried_on_another_connection() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(100_000));
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    for reply in [
        "HTPT/1.1 2OO OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 7\r\n\r\ncontent",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        &many,
        &flood,
    ] {
        let rig = Rig::new();
        rig.store("key", b"content");
        rig.faulty.once("GetObject", Fault::raw(reply));
        let got = quickly(|| rig.get("key"));
        if reply.contains("chunked\r\n\r\nzz") {
            // The head was valid, so there is a reader. Without a length, it cannot verify that its
            // data is complete.
            assert_eq!(got.unwrap_err().kind(), ErrorKind::Protocol);
        } else {
            assert_eq!(got.unwrap(), b"content", "{}", &reply[..reply.len().min(60)]);
            assert_eq!(rig.count("GetObject"), 2);
        }
        assert_eq!(rig.get("key").unwrap(), b"content");
        rig.finish();
    }
}

/// `garbage-after`, `head-with-body`, `short-length`: surplus bytes are not mistaken for a later
/// response.
#[test]
fn garbage_after() {
    let rig = Rig::new();
    rig.store("key", b"content");
    let surplus = |answer: crate::server::Answer| {
        [answer.bytes(), b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec()].concat()
    };
    rig.faulty.times("GetObject", 0, 3, Fault::scripted(surplus));
    rig.faulty.times("HeadObject", 0, 1, Fault::scripted(surplus));
    for _ in 0..4 {
        assert_eq!(rig.get("key").unwrap(), b"content");
        rig.client.head_object(BUCKET, "key", &Default::default()).unwrap();
    }
    rig.finish();
}

#[test]
fn connection_close_and_http10_and_chunked() {
    let rig = Rig::new();
    rig.store("key", b"content");
    rig.faulty.once(
        "GetObject",
        Fault::changed(|answer| answer.with("connection", "close")).end(End::Close),
    );
    rig.faulty.once(
        "GetObject",
        Fault::scripted(|answer| {
            String::from_utf8_lossy(&answer.bytes())
                .replacen("HTTP/1.1", "HTTP/1.0", 1)
                .into_bytes()
        })
        .end(End::Close),
    );
    rig.faulty.once(
        "GetObject",
        Fault::scripted(|answer| {
            let mut answer = answer.without("content-length").with("transfer-encoding", "chunked");
            answer.body = b"3\r\ncon\r\n4;x=y\r\ntent\r\n0\r\n\r\n".to_vec();
            answer.bytes()
        }),
    );
    for _ in 0..4 {
        assert_eq!(rig.get("key").unwrap(), b"content");
    }
    assert_eq!(rig.count("GetObject"), 4);
    rig.finish();
}

/// A clock that chooses the longest wait before each retry.
#[derive(Debug)]
struct LongestWaits;

impl Clock for LongestWaits {
    fn now(&self) -> SystemTime {
        SystemClock.now()
    }
    fn instant(&self) -> Instant {
        SystemClock.instant()
    }
    fn sleep(&self, wait: Duration) {
        SystemClock.sleep(wait);
    }
    fn random(&self) -> u64 {
        u64::MAX
    }
}

/// A call that waits for a response, for its next attempt, or for the next round of a batch ends
/// soon.
#[test]
fn cancelling_ends_every_wait_within_a_second() {
    let patient = retry()
        .base(Duration::from_secs(3600))
        .throttled_base(Duration::from_secs(3600))
        .longest_wait(Duration::from_secs(60));
    let deleted = "<DeleteResult><Error><Key>a</Key><Code>SlowDown</Code></Error></DeleteResult>";
    for (operation, fault) in [
        ("PutObject", Fault::silent(End::Hang)),
        ("PutObject", Fault::error(503, "SlowDown")),
        ("DeleteObjects", Fault::reply(200, deleted)),
        ("DeleteObjects", Fault::reply(500, error_document("InternalError"))),
    ] {
        let rig = Rig::with(ServerOptions::default(), |config| {
            let idle = Duration::from_secs(60);
            let timeouts = crate::timeouts().idle(idle);
            config.retry(patient).clock(Arc::new(LongestWaits)).timeouts(timeouts)
        });
        rig.faulty.always(operation, fault);
        let cancel = Cancel::new();
        let client = rig.client.with_cancel(&cancel);
        let worker = thread::spawn(move || match operation {
            "PutObject" => {
                client.put_object(BUCKET, "key", b"content", &ObjectSettings::default()).map(drop)
            }
            _ => client.delete_objects(BUCKET, &["a"]).map(drop),
        });
        thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        cancel.cancel();
        let error = worker.join().unwrap().unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert!(!worker_sent_more(&rig, operation));
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        rig.finish();
    }
}

/// A wait for credentials can be cancelled too.
#[test]
fn cancelling_ends_a_wait_for_credentials_within_a_second() {
    #[derive(Debug)]
    struct Stuck(Mutex<mpsc::Receiver<()>>);
    impl Source for Stuck {
        fn name(&self) -> &'static str {
            "stuck"
        }
        fn fetch(&self) -> Result<Lease, Unavailable> {
            self.0.lock().unwrap().recv().unwrap_err();
            Err(Unavailable::Failed("the test is over".to_owned()))
        }
    }
    let (release, stuck) = mpsc::channel();
    let provider = Arc::new(Cache::new(Stuck(Mutex::new(stuck)), &Context::default()));
    let rig = Rig::with(ServerOptions::default(), |config| config.credentials(provider));
    let cancel = Cancel::new();
    let client = rig.client.with_cancel(&cancel);
    let workers = [(); 2].map(|()| {
        let client = client.clone();
        thread::spawn(move || client.head_object(BUCKET, "key", &Default::default()).unwrap_err())
    });
    thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    cancel.cancel();
    for worker in workers {
        let error = worker.join().unwrap();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Cancelled, 0), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    assert_eq!(rig.count("HeadObject"), 0);
    drop(release);
    rig.finish();
}

fn worker_sent_more(rig: &Rig, operation: &str) -> bool {
    rig.count(operation) > 1
}

/// If every request fails, the total number of retries of all calls is bounded. Once the server has
/// recovered, retries are available again.
#[test]
fn an_outage_does_not_multiply_the_load() {
    let rig = Rig::new();
    rig.faulty.always("HeadObject", Fault::reply(500, ""));
    for _ in 0..200 {
        rig.client.head_object(BUCKET, "key", &Default::default()).unwrap_err();
    }
    let during = rig.count("HeadObject");
    assert!((201..=310).contains(&during), "{during} requests for 200 calls");
    rig.faulty.heal();
    rig.store("key", b"content");
    for _ in 0..50 {
        rig.client.head_object(BUCKET, "key", &Default::default()).unwrap();
    }
    rig.faulty.once("HeadObject", Fault::reply(500, ""));
    rig.client.head_object(BUCKET, "key", &Default::default()).unwrap();
    rig.finish();
}
