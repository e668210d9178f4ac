//! Differences between ureq and this crate's own connections: one test for each row of
//! `docs/transports.md`.
//!
//! A test that fails here means that ureq has changed. Check whether the row still holds, and
//! whether the choice between the two transports is still the right one.

use super::agent::{agent, through};
use super::tls::{Authority, good, ok, serve, server_config};
use super::*;
use rcgen::{BasicConstraints, IsCa, KeyPair};
use rustls::HandshakeKind;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// Returns a transport with this crate's own connections and one through ureq, with equal options.
fn both(options: &TransportOptions) -> (Transport, Transport) {
    (Transport::new(options.clone()).unwrap(), through(agent(None), options.clone()))
}

const CHANGED: &str = "ureq has changed: see docs/transports.md";

/// Row "short body": ureq keeps reading a source that has ended early, without a limit.
#[test]
fn ureq_reads_an_ended_body_for_ever() {
    struct Ended(u32);
    impl Read for Ended {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 1000 { Err(io::Error::other("enough")) } else { Ok(0) }
        }
    }
    let server = Server::start(|peer| {
        peer.head();
        peer.hang();
    });
    let mut body = Ended(0);
    let url = format!("http://127.0.0.1:{}/", server.origin.port);
    let sent = agent(None)
        .put(url)
        .header("content-length", "10")
        .send(ureq::SendBody::from_reader(&mut body));
    assert!(sent.is_err());
    assert_eq!(body.0, 1001, "{CHANGED}");
}

/// Row "early response": the server refuses the request while the body is still being sent.
#[test]
fn ureq_loses_a_response_that_comes_before_the_end_of_the_body() {
    let server = Server::start(|peer| {
        peer.head();
        peer.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        // The body is larger than the socket buffers, so the sender is blocked until the server
        // resets the connection.
        thread::sleep(SHORT);
    });
    let body = vec![1; 64 << 20];
    let (own, through_agent) = both(&options());
    let put = |transport: &Transport| {
        transport.send(&server.origin, &request("PUT"), RequestBody::Bytes(&body))
    };
    assert_eq!(put(&own).unwrap().status, 403);
    let (phase, broke) = failure(put(&through_agent));
    assert!(matches!((phase, broke), (Phase::Send, Failure::Io(_))), "{CHANGED}");
}

/// Row "early success": the server responds before it has read a body that fits into the buffers of
/// the sockets.
#[test]
fn ureq_takes_a_success_from_a_server_that_has_not_read_the_body() {
    let server = Server::start(|peer| {
        peer.stream.set_nodelay(true).unwrap();
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        // The kernel delivers bytes between two sockets of one machine immediately.
        peer.seen.lock().unwrap().push("sent".into());
        wait_until(|| peer.seen.lock().unwrap().iter().any(|note| note == "done"));
    });
    const READY: usize = 256 << 10;
    const LENGTH: u64 = 300 << 10;
    /// A body whose rest is ready only after this many responses were sent.
    struct Waiting<'a>(&'a Server, usize, usize);
    impl Read for Waiting<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.2 == READY {
                let sent = || self.0.seen().iter().filter(|note| *note == "sent").count();
                wait_until(|| sent() == self.1);
            }
            let left = if self.2 < READY { READY - self.2 } else { into.len() };
            let count = into.len().min(left);
            into[..count].fill(1);
            self.2 += count;
            Ok(count)
        }
    }
    let (own, through_agent) = both(&options());
    let put = |transport: &Transport, responses: usize| {
        let source = &mut Waiting(&server, responses, 0);
        transport.send(
            &server.origin,
            &request("PUT"),
            RequestBody::Reader { source, length: LENGTH },
        )
    };
    assert!(put(&own, 1).is_err());
    assert_eq!(put(&through_agent, 2).unwrap().status, 200, "{CHANGED}");
    server.seen.lock().unwrap().push("done".into());
}

/// Row "100 Continue": the interim response has a header.
#[test]
fn ureq_waits_in_vain_after_a_continue_that_has_a_header() {
    let server = Server::start(|peer| {
        let head = peer.head().unwrap();
        peer.send("HTTP/1.1 100 Continue\r\nserver: test\r\n\r\n");
        if peer.body(field(&head, "content-length").unwrap().parse().unwrap()).is_some() {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let (own, through_agent) = both(&impatient());
    let request = Request { expect_continue: Some(Duration::from_secs(5)), ..request("PUT") };
    let put = |transport: &Transport| {
        transport.send(&server.origin, &request, RequestBody::Bytes(b"body"))
    };
    assert_eq!(put(&own).unwrap().status, 200);
    assert!(put(&through_agent).is_err(), "{CHANGED}");
}

/// Row "headers": S3 allows 2 KB of metadata, which is more than 128 short entries.
#[test]
fn ureq_refuses_a_response_with_200_headers() {
    let metadata: String = (0..200).map(|at| format!("x-amz-meta-{at}: v\r\n")).collect();
    let reply = format!("HTTP/1.1 200 OK\r\n{metadata}content-length: 2\r\n\r\nok");
    let server = Server::always(reply.leak());
    let (own, through_agent) = both(&options());
    assert_eq!(text(fetch(&own, &server)), "ok");
    let (phase, broke) = failure(fetch(&through_agent, &server));
    assert!(matches!((phase, broke), (Phase::Await, Failure::Protocol(_))), "{CHANGED}");
}

/// Row "stale connections": the server closes a reused connection when the next request arrives.
#[test]
fn ureq_does_not_say_that_a_connection_was_reused() {
    let server = Server::start(|peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        peer.request();
    });
    let (own, through_agent) = both(&options());
    let stale = |transport: &Transport| {
        assert_eq!(text(fetch(transport, &server)), "ok");
        fetch(transport, &server).unwrap_err()
    };
    assert!(stale(&own).stale);
    let error = stale(&through_agent);
    assert!(!error.stale && error.phase != Phase::Connect, "{CHANGED}");
}

/// Row "cancellation": a request is cancelled while its thread waits for a silent server.
#[test]
fn ureq_is_cancelled_only_when_its_wait_ends() {
    let idle_timeout = Duration::from_millis(1500);
    let (own, through_agent) = both(&TransportOptions { idle_timeout, ..options() });
    let took = |transport: &Transport| {
        let cancel = Cancel::new();
        let of_server = cancel.clone();
        let server = Server::start(move |peer| {
            peer.head();
            of_server.cancel();
            peer.hang();
        });
        let request = Request { cancel: Some(&cancel), ..request("GET") };
        let begun = Instant::now();
        let result = failure(transport.send(&server.origin, &request, RequestBody::Empty));
        assert!(matches!(result.1, Failure::Cancelled), "{result:?}");
        begun.elapsed()
    };
    assert!(took(&own) < Duration::from_secs(1));
    assert!(took(&through_agent) >= idle_timeout, "{CHANGED}");
}

/// Row "names": ureq looks up the name for each request, even when it reuses a connection.
#[test]
fn ureq_looks_a_name_up_for_every_request() {
    #[derive(Debug, Default)]
    struct Counting(DefaultResolver, Arc<AtomicU64>);
    impl Resolver for Counting {
        fn resolve(
            &self,
            uri: &ureq::http::Uri,
            config: &ureq::config::Config,
            timeout: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.resolve(uri, config, timeout)
        }
    }
    let server = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let resolver = Counting::default();
    let lookups = resolver.1.clone();
    let config = ureq::Agent::config_builder().proxy(None).build();
    let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), resolver);
    let transport = through(agent, options());
    for _ in 0..3 {
        assert_eq!(text(fetch(&transport, &server)), "ok");
    }
    assert_eq!(server.accepted(), 1);
    assert_eq!(lookups.load(Ordering::SeqCst), 3, "{CHANGED}");
}

/// Row "heads": a head contains a bare line feed, which only some parsers accept as the end of a
/// line.
#[test]
fn ureq_accepts_a_line_that_ends_with_a_bare_line_feed() {
    let server = Server::always("HTTP/1.1 200 OK\r\nx: y\ncontent-length: 2\r\n\r\nok");
    let (own, through_agent) = both(&options());
    let (phase, broke) = failure(fetch(&own, &server));
    assert!(matches!((phase, broke), (Phase::Await, Failure::Protocol(_))));
    assert!(fetch(&through_agent, &server).is_ok(), "{CHANGED}");
}

/// Row "certificates": the certificate of the server is self-signed, and the client is configured
/// to trust it.
#[test]
fn ureq_refuses_a_certificate_that_is_its_own_authority() {
    let key = KeyPair::generate().unwrap();
    let mut params = good();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let pem = certificate.pem().into_bytes();
    let server = serve(server_config(certificate.der().clone(), &key), ok);
    let own = TransportOptions { extra_roots_pem: pem.clone(), ..options() };
    assert_eq!(text(fetch(&Transport::new(own).unwrap(), &server)), "ok");
    let (phase, broke) = failure(get(&through(agent(Some(&pem)), options()), &server));
    assert!(
        matches!((phase, broke), (Phase::Connect, Failure::Tls(TlsProblem::AuthorityAsServer, _))),
        "{CHANGED}"
    );
}

/// Row "sessions": the settings of individual requests prevent ureq from remembering its TLS
/// sessions.
#[test]
fn ureq_makes_a_whole_handshake_for_every_connection() {
    let authority = Authority::new();
    let config = authority.sign(&good());
    let kinds = |transport: &Transport| {
        let config = config.clone();
        let mut server = Server::start(move |peer| {
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut peer.stream);
            let mut byte = [0];
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                head.push(byte[0]);
            }
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
            session.send_close_notify();
            let _ = session.write_tls(&mut peer.stream);
            let kind = format!("{:?}", session.handshake_kind());
            peer.seen.lock().unwrap().push(kind);
        });
        server.origin.scheme = Scheme::Https;
        for _ in 0..2 {
            assert_eq!(text(fetch(transport, &server)), "ok");
        }
        // The server's thread records the second connection just before the thread ends.
        while server.seen().len() < 2 {
            thread::yield_now();
        }
        server.seen()
    };
    let whole = format!("{:?}", Some(HandshakeKind::Full));
    let of_own = kinds(&authority.trusted());
    assert_ne!(of_own[1], whole, "{of_own:?}");
    let of_agent = kinds(&through(agent(Some(&authority.pem)), options()));
    assert_eq!(of_agent, [whole.clone(), whole], "{CHANGED}");
}
