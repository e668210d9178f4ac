//! Mistakes that other HTTP clients were seen to make, with one test for each. The numbers in the
//! tests' names are those of the project's notes.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn upload<'a>(
    transport: &Transport,
    server: &Server,
    body: RequestBody<'a>,
) -> Result<Response, TransportError> {
    transport.send(&server.origin, &request("PUT"), body)
}

/// A source that ends early must not make the client wait for more bytes, and it must not make the
/// server accept the object as complete.
#[test]
fn t1_short_source_fails_and_closes() {
    let server = Server::start(|peer| {
        let whole = peer.request().is_some();
        peer.seen.lock().unwrap().push(format!("whole: {whole}"));
    });
    let transport = transport();
    let mut source: &[u8] = b"12345";
    let (phase, failure) = failure(upload(
        &transport,
        &server,
        RequestBody::Reader { source: &mut source, length: 10 },
    ));
    assert_eq!(phase, Phase::Send);
    assert!(
        matches!(failure, Failure::Source(error) if error.kind() == io::ErrorKind::UnexpectedEof)
    );

    // The source ends after the first block, when a part of the body has already been sent.
    let mut source = io::repeat(1).take(300 << 10);
    let (_, failure) = super::failure(upload(
        &transport,
        &server,
        RequestBody::Reader { source: &mut source, length: 1 << 20 },
    ));
    assert!(
        matches!(failure, Failure::Source(error) if error.kind() == io::ErrorKind::UnexpectedEof)
    );
    wait_until(|| server.seen().contains(&"whole: false".to_owned()));
    assert!(!server.seen().contains(&"whole: true".to_owned()));
}

#[test]
fn t1_long_source_is_cut() {
    let server = Server::start(|peer| {
        let (_, body) = peer.request().unwrap();
        peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
        peer.send(body);
    });
    let mut source: &[u8] = b"1234567890";
    let reply =
        upload(&transport(), &server, RequestBody::Reader { source: &mut source, length: 4 })
            .unwrap();
    assert_eq!(reply.read_to_end(100, None).unwrap(), b"1234");
    assert_eq!(source, b"567890", "no more is read than is sent");
}

/// A final response that arrives while the body is being sent is the outcome of the request,
/// whether or not the server drains the rest of the body.
#[test]
fn t2_early_answer_is_the_reply() {
    const DENIED: &str =
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\nconnection: close\r\n\r\ndenied";
    for drain in [true, false] {
        let server = Server::start(move |peer| {
            peer.head().unwrap();
            peer.send(DENIED);
            if drain {
                peer.hang();
            }
        });
        let transport = transport();
        let body = vec![7; 32 << 20];
        let mut source = io::repeat(7);
        for body in [
            RequestBody::Bytes(&body),
            RequestBody::Reader { source: &mut source, length: 32 << 20 },
        ] {
            let reply = upload(&transport, &server, body).unwrap();
            assert_eq!(reply.status, 403);
            assert_eq!(reply.read_to_end(100, None).unwrap(), b"denied");
        }
        assert_eq!(
            server.accepted(),
            2,
            "a connection whose request was not sent whole must not be used again"
        );
    }
}

/// The server responds, but neither reads the rest of the body nor closes the connection. The
/// client finds the response only when it looks for one while its write is blocked.
#[test]
fn t2_early_answer_is_found_while_stuck() {
    let server = Server::start(|peer| {
        peer.head().unwrap();
        peer.send(
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n",
        );
        thread::park();
    });
    assert_eq!(
        upload(&transport(), &server, RequestBody::Bytes(&vec![7; 32 << 20])).unwrap().status,
        503
    );
}

/// The ways in which a server can continue after a premature response.
#[derive(Clone, Copy, Debug)]
enum Afterwards {
    Drains,
    Stalls,
    Closes,
    Resets,
}

/// The server reads at most the first MiB of the body. It cannot have stored the rest, even if its
/// response reports success.
#[test]
fn p01_an_early_200_is_not_stored() {
    const SIZE: usize = 32 << 20;
    let heads = [
        "200 OK\r\netag: \"e\"",
        "204 No Content",
        "201 Created",
        "206 Partial Content",
        "299 Odd",
    ];
    for (head, read) in heads.into_iter().flat_map(|head| [(head, 0), (head, 1 << 20)]) {
        for afterwards in
            [Afterwards::Drains, Afterwards::Stalls, Afterwards::Closes, Afterwards::Resets]
        {
            let close =
                if matches!(afterwards, Afterwards::Closes) { "connection: close\r\n" } else { "" };
            let reply = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n{close}\r\n");
            let server = Server::start(move |peer| {
                peer.head().unwrap();
                assert!(read == 0 || peer.body(read).is_some());
                peer.send(&reply);
                match afterwards {
                    Afterwards::Drains => peer.hang(),
                    Afterwards::Stalls => thread::park(),
                    Afterwards::Closes => peer.stream.shutdown(std::net::Shutdown::Write).unwrap(),
                    Afterwards::Resets => {}
                }
            });
            let transport = transport();
            let body = vec![7; SIZE];
            let mut source = io::repeat(7);
            for body in [
                RequestBody::Bytes(&body),
                RequestBody::Reader { source: &mut source, length: SIZE as u64 },
            ] {
                let (phase, failure) = failure(upload(&transport, &server, body));
                assert_eq!(phase, Phase::Send, "{head} {read} {afterwards:?}");
                match failure {
                    Failure::Protocol(text) => {
                        assert!(text.contains("before the whole body"), "{text}");
                    }
                    // The connection broke before the response could be read.
                    Failure::Io(_) if matches!(afterwards, Afterwards::Resets) => {}
                    failure => panic!("{head} {read} {afterwards:?}: {failure:?}"),
                }
            }
            assert_eq!(server.accepted(), 2, "the connection must not be used again");
        }
    }
}

/// A success in place of `100 Continue` is as premature as one in the middle of the body.
#[test]
fn p01_a_200_in_place_of_100_continue_is_not_stored() {
    let server = Server::start(|peer| {
        peer.head().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        peer.hang();
    });
    let request = Request { expect_continue: Some(Duration::from_secs(5)), ..request("PUT") };
    let (phase, failure) =
        failure(transport().send(&server.origin, &request, RequestBody::Bytes(b"data")));
    assert_eq!(phase, Phase::Send);
    assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
    // Without a body there is nothing that the server could have missed.
    let request =
        Request { expect_continue: Some(Duration::from_secs(5)), ..super::request("PUT") };
    assert_eq!(transport().send(&server.origin, &request, RequestBody::Empty).unwrap().status, 200);
}

/// A response that arrived before the last block of the body was sent is premature, even though no
/// write was ever blocked.
#[test]
fn p01_an_early_200_to_a_body_that_fits_the_buffers_is_not_stored() {
    /// A source that waits, before its last block, until the server has responded.
    struct Patient<'a>(u64, &'a Server);
    impl Read for Patient<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0 <= 128 << 10 {
                wait_until(|| self.1.seen().contains(&"responded".to_owned()));
            }
            let count = into.len().min(usize::try_from(self.0).unwrap());
            self.0 -= count as u64;
            Ok(count)
        }
    }
    let server = Server::start(|peer| {
        peer.head().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        peer.seen.lock().unwrap().push("responded".into());
        peer.hang();
    });
    let length = 257 << 10;
    let mut source = Patient(length, &server);
    let (_, failure) =
        failure(upload(&transport(), &server, RequestBody::Reader { source: &mut source, length }));
    assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
}

#[test]
fn p01_an_early_refusal_is_the_outcome() {
    for status in [301, 307, 400, 403, 412, 500, 503] {
        let server = Server::start(move |peer| {
            peer.head().unwrap();
            peer.send(format!("HTTP/1.1 {status} Early\r\ncontent-length: 0\r\n\r\n"));
            peer.hang();
        });
        assert_eq!(
            upload(&transport(), &server, RequestBody::Bytes(&vec![7; 32 << 20])).unwrap().status,
            status
        );
    }
}

#[test]
fn t3_interim_replies_with_headers() {
    let server = Server::start(|peer| {
        peer.head().unwrap();
        peer.send("HTTP/1.1 100 Continue\r\nx-request-id: 1\r\ndate: today\r\n\r\n");
        peer.body(4).unwrap();
        peer.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        peer.send(OK);
    });
    let request = Request { expect_continue: Some(Duration::from_secs(5)), ..request("PUT") };
    let reply = transport().send(&server.origin, &request, RequestBody::Bytes(b"data")).unwrap();
    assert_eq!(text(reply.read_to_end(10, None)), "ok");
    assert_eq!(field(&server.seen()[0], "expect"), Some("100-continue"));
}

/// Stored bytes are returned unchanged, and so is the header that describes their encoding.
#[test]
fn t4_nothing_is_decompressed() {
    let server = Server::always(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x08\x08\x00",
    );
    let reply = get(&transport(), &server).unwrap();
    assert_eq!((reply.header("content-encoding"), reply.content_length()), (Some("gzip"), Some(4)));
    assert_eq!(reply.read_to_end(10, None).unwrap(), b"\x1f\x08\x08\x00");
    assert_eq!(field(&server.seen()[0], "accept-encoding"), None);
}

/// A name is looked up when a connection is opened, and not for the requests that follow.
#[test]
fn t5_names_are_looked_up_once() {
    let mut server = Server::always(OK);
    server.origin.host = "localhost".into();
    let transport = transport();
    assert_eq!(text(fetch(&transport, &server)), "ok");
    transport.connector().names().forget_all();
    assert_eq!(text(fetch(&transport, &server)), "ok");
    assert_eq!(transport.connector().names().count(), 0, "a pooled connection needs no name");
    transport.close_idle();
    assert_eq!(text(fetch(&transport, &server)), "ok");
    assert_eq!((transport.connector().names().count(), server.accepted()), (1, 2));
}

/// The pool keeps the connections of all threads, not only three of them.
#[test]
fn t6_pool_holds_as_many_connections_as_threads() {
    let (server, transport) = (Server::always(OK), transport());
    for _ in 0..3 {
        let replies: Vec<_> = (0..24).map(|_| get(&transport, &server).unwrap()).collect();
        for reply in replies {
            assert_eq!(text(reply.read_to_end(10, None)), "ok");
        }
    }
    assert_eq!(server.accepted(), 24);
}

/// A connection that died in the pool is reported as stale, so that it can be distinguished from a
/// failed request.
#[test]
fn t7_dead_pooled_connection_is_told_apart() {
    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send(OK);
        if peer.number == 0 {
            // The connection is closed while the next request is being sent.
            peer.head().unwrap();
        } else {
            peer.hang();
        }
    });
    let transport = transport();
    assert_eq!(text(fetch(&transport, &server)), "ok");
    let error = fetch(&transport, &server).unwrap_err();
    assert!(error.stale && matches!(error.failure, Failure::Io(_)), "{error:?}");
    assert_eq!(text(fetch(&transport, &server)), "ok");
}

/// A body that can be sent only once is not sent over a connection that the server may be closing.
#[test]
fn t7_a_body_that_cannot_be_repeated_gets_a_new_connection() {
    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send(OK);
        // The connection is closed while the next request is being sent.
        peer.head();
    });
    let transport = transport();
    for round in 1..=3 {
        assert_eq!(text(fetch(&transport, &server)), "ok");
        let request = Request { connection: ConnectionChoice::New, ..request("PUT") };
        let mut source = io::repeat(7);
        let body = RequestBody::Reader { source: &mut source, length: 1 << 20 };
        let reply = transport.send(&server.origin, &request, body).unwrap();
        assert_eq!(text(reply.read_to_end(10, None)), "ok");
        assert_eq!(server.accepted(), 2 * round);
        transport.close_idle();
    }
}

#[test]
fn t7_fresh_connection_is_never_stale() {
    let server = Server::start(|peer| drop(peer.request()));
    let (phase, failure) = failure(fetch(&transport(), &server));
    assert_eq!(phase, Phase::Await);
    assert!(matches!(failure, Failure::Io(_)));
}

/// A response body is read into the caller's memory as it arrives, not in pieces of 16 KiB.
#[test]
fn t8_large_reads_are_large() {
    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4194304\r\n\r\n");
        peer.send(vec![7; 4 << 20]);
        peer.hang();
    });
    let mut reply = get(&transport(), &server).unwrap();
    thread::sleep(Duration::from_millis(50));
    let (mut block, mut reads, mut total) = (vec![0; 1 << 20], 0, 0);
    while let count @ 1.. = reply.read(&mut block).unwrap() {
        assert!(block[..count].iter().all(|byte| *byte == 7));
        (reads, total) = (reads + 1, total + count);
    }
    assert_eq!(total, 4 << 20);
    assert!(reads < 128, "{reads} reads of {} bytes", total / reads);
}

#[test]
fn t9_two_hundred_metadata_headers() {
    let server = Server::start(|peer| {
        peer.request().unwrap();
        let fields: String = (0..600).map(|n| format!("X-Amz-Meta-{n}: value {n}\r\n")).collect();
        peer.send(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n"));
        peer.hang();
    });
    let reply = get(&transport(), &server).unwrap();
    assert_eq!(reply.header("x-amz-meta-599"), Some("value 599"));
    assert_eq!(reply.headers().count(), 601);
}

/// The transport does not read proxies from the environment of the process. The tests of proxies
/// show that a proxy is used only when the options name one. This test shows that the variables
/// have no effect on a process in which they are set.
#[test]
fn t10_environment_is_not_read() {
    const CHILD: &str = "S3DRIVER_TEST_WITH_PROXY_ENVIRONMENT";
    if std::env::var_os(CHILD).is_some() {
        assert_eq!(text(fetch(&transport(), &Server::always(OK))), "ok");
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    {
        child.env(name, "http://127.0.0.1:9");
    }
    let name = "transport::tests::traps::t10_environment_is_not_read";
    let output = child.args(["--exact", name]).env(CHILD, "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

/// The fault `no-100`: without an interim response, the body follows after a short wait. Interim
/// responses other than `100 Continue` do not end the wait.
#[test]
fn t11_wait_for_100_ends_in_time_and_not_before() {
    let server = Server::start(|peer| {
        peer.head().unwrap();
        peer.send("HTTP/1.1 102 Processing\r\n\r\n");
        let start = Instant::now();
        peer.body(4).unwrap();
        peer.seen.lock().unwrap().push(format!("{}", start.elapsed().as_millis()));
        peer.send(OK);
        peer.hang();
    });
    let request = Request { expect_continue: Some(Duration::from_millis(250)), ..request("PUT") };
    let reply = transport().send(&server.origin, &request, RequestBody::Bytes(b"data")).unwrap();
    assert_eq!(reply.status, 200);
    let waited: u64 = server.seen()[1].parse().unwrap();
    assert!((200..3000).contains(&waited), "{waited} ms");
}

/// Every failure states the phase that the exchange had reached.
#[test]
fn t12_phases() {
    let closed =
        Server { origin: Origin { port: 1, ..Server::always(OK).origin }, ..Server::always(OK) };
    let (phase, broke) = failure(fetch(&transport(), &closed));
    assert!(matches!((phase, broke), (Phase::Connect, Failure::Connect(_))));

    let server = Server::start(|peer| drop(peer.head()));
    let (phase, broke) =
        failure(upload(&transport(), &server, RequestBody::Bytes(&vec![7; 32 << 20])));
    assert!(matches!((phase, broke), (Phase::Send, Failure::Io(_))));

    let (phase, broke) = failure(upload(&transport(), &server, RequestBody::Bytes(b"")));
    assert!(matches!((phase, broke), (Phase::Await, Failure::Io(_))));

    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok");
    });
    let (phase, broke) = failure(fetch(&transport(), &server));
    assert!(matches!((phase, broke), (Phase::Body, Failure::Io(_))));
}

/// Requests with different methods, headers, bodies and options share one connection.
#[test]
fn t13_requests_of_every_kind_share_a_connection() {
    let (server, transport) =
        (Server::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), transport());
    let cancel = Cancel::new();
    for (method, body) in [
        ("GET", RequestBody::Empty),
        ("HEAD", RequestBody::Empty),
        ("PUT", RequestBody::Bytes(b"x")),
        ("POST", RequestBody::Empty),
    ] {
        let request = Request {
            headers: &[("host", "test"), ("user-agent", method)],
            deadline: Some(Instant::now() + Duration::from_secs(9)),
            expect_continue: Some(Duration::from_millis(1)),
            cancel: Some(&cancel),
            ..request(method)
        };
        assert_eq!(transport.send(&server.origin, &request, body).unwrap().status, 200);
    }
    assert_eq!(server.accepted(), 1);
}
