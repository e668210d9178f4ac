//! Tests of where bodies end, which responses are refused, and what is sent on the wire.

use super::head::Head;
use super::*;
use proptest::prelude::*;

/// Starts a server that sends `reply` to the first request of each connection and then closes the
/// connection.
fn once(reply: impl Into<Vec<u8>>) -> Server {
    let reply = reply.into();
    Server::start(move |peer| {
        if peer.request().is_some() {
            peer.send(&reply);
        }
    })
}

fn protocol_error(reply: &str) -> String {
    match failure(fetch(&transport(), &once(reply))) {
        (Phase::Await | Phase::Body, Failure::Protocol(text)) => text,
        other => panic!("{reply:?} gives {other:?}"),
    }
}

#[test]
fn content_length() {
    let server = once("HTTP/1.1 200 OK\r\nContent-Length:  5 \r\nETag: \"x\"\r\n\r\nhello");
    let reply = get(&transport(), &server).unwrap();
    assert_eq!(
        (reply.status, reply.content_length(), reply.header("etag")),
        (200, Some(5), Some("\"x\""))
    );
    assert_eq!(reply.read_to_end(5, None).unwrap(), b"hello");
}

#[test]
fn equal_lengths_are_one() {
    let server = once("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5, 5\r\n\r\nhello");
    assert_eq!(text(fetch(&transport(), &server)), "hello");
}

#[test]
fn chunked() {
    let wire = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;name=\"x\"\r\nhello\r\n00006 \r\n world\r\n0\r\nx-sum: 1\r\n\r\n";
    let server = Server::always(wire);
    let transport = transport();
    for _ in 0..3 {
        assert_eq!(text(fetch(&transport, &server)), "hello world");
    }
    assert_eq!(server.accepted(), 1);
}

/// Reads a chunked body into buffers that are larger and smaller than its chunks.
#[test]
fn chunked_in_any_pieces() {
    let chunk = vec![b'x'; 50_000];
    let mut wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..20 {
        wire.extend_from_slice(b"c350\r\n");
        wire.extend_from_slice(&chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    for size in [1 << 20, 5000, 100] {
        let mut reply = get(&transport(), &once(wire.clone())).unwrap();
        let (mut block, mut total) = (vec![0; size], 0);
        while let count @ 1.. = reply.read(&mut block).unwrap() {
            assert!(block[..count].iter().all(|byte| *byte == b'x'));
            total += count;
        }
        assert_eq!(total, 1_000_000);
    }
}

#[test]
fn chunked_in_single_bytes() {
    let server = Server::start(|peer| {
        peer.stream.set_nodelay(true).unwrap();
        peer.request().unwrap();
        for byte in b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\na: b\r\n\r\n" {
            peer.send([*byte]);
        }
    });
    assert_eq!(text(fetch(&transport(), &server)), "abcde");
}

#[test]
fn until_the_connection_ends() {
    for head in [
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 200\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 \r\n\r\n",
    ] {
        let (server, transport) = (once(format!("{head}hello")), transport());
        assert_eq!(text(fetch(&transport, &server)), "hello");
        assert_eq!(text(fetch(&transport, &server)), "hello");
        assert_eq!(server.accepted(), 2);
    }
}

#[test]
fn http10_and_connection_close_are_not_reused() {
    for head in ["HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\n"] {
        let wire = format!("{head}content-length: 2\r\n\r\nok").leak();
        let (server, transport) = (Server::always(wire), transport());
        assert_eq!(text(fetch(&transport, &server)), "ok");
        assert_eq!(text(fetch(&transport, &server)), "ok");
        assert_eq!(server.accepted(), 2);
    }
}

#[test]
fn no_body() {
    let (server, transport) =
        (Server::always("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"), transport());
    for _ in 0..2 {
        let reply = transport.send(&server.origin, &request("HEAD"), RequestBody::Empty).unwrap();
        assert_eq!(reply.content_length(), Some(1000));
        assert_eq!(reply.read_to_end(10, None).unwrap(), b"");
    }
    assert_eq!(server.accepted(), 1);
    for status in ["204 No Content", "304 Not Modified"] {
        let (server, transport) =
            (Server::always(format!("HTTP/1.1 {status}\r\n\r\n").leak()), super::transport());
        assert_eq!(text(fetch(&transport, &server)) + &text(fetch(&transport, &server)), "");
        assert_eq!(server.accepted(), 1);
    }
}

#[test]
fn a_cut_body_is_never_an_end() {
    for wire in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhell",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhell\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhell\r\n0\r\n",
    ] {
        let (phase, broke) = failure(fetch(&transport(), &once(wire)));
        assert_eq!(phase, Phase::Body);
        assert!(
            matches!(broke, Failure::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof)
        );
    }
    // A caller that reads again after the break gets an error, not the end of the body.
    let mut reply =
        get(&transport(), &once("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell")).unwrap();
    let mut block = [0; 10];
    assert_eq!(reply.read(&mut block).unwrap(), 4);
    for _ in 0..2 {
        let error = reply.read(&mut block).unwrap_err();
        assert!(error.get_ref().unwrap().is::<TransportError>());
    }
}

#[test]
fn bad_chunked() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let long_line = format!("5;{}", "x".repeat(2000));
    let long_trailer = format!("0\r\n{}", "name: value\r\n".repeat(2000));
    for body in [
        "\r\n\r\n",
        "x\r\n",
        "-1\r\n",
        "+5\r\nhello",
        "5\nhello\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "10000000000000000\r\n",
        &long_line,
        &long_trailer,
    ] {
        assert!(protocol_error(&format!("{head}{body}")).starts_with("bad chunked encoding"));
    }
}

#[test]
fn replies_that_can_be_read_in_two_ways_are_refused() {
    for fields in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 6",
        "content-length: +5",
        "content-length: -5",
        "content-length: 5 5",
        "content-length:",
        "content-length: 99999999999999999999",
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "transfer-encoding: gzip",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: identity",
    ] {
        protocol_error(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nhello"));
    }
    protocol_error("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
}

#[test]
fn bad_heads() {
    for head in [
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "<html>no HTTP at all</html>\r\n\r\n",
        "\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nspace : before\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n folded: line\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: nul \0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    ] {
        protocol_error(head);
    }
}

/// Only the characters that RFC 9110 defines as white space may surround a number, and only CR LF
/// ends a line.
#[test]
fn p25_white_space_and_line_ends_are_those_of_http() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\u{a0}\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: \u{2003}4\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4,\u{85}4\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4,\u{3000}4\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\u{a0}\r\n\r\n",
        "HTTP/1.1 200 OK\ncontent-length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\n",
        "HTTP/1.1 200 OK\ncontent-length: 4\n\n",
        "\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n",
        "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n",
    ] {
        protocol_error(head);
    }
    // Spaces and tabs are white space, and a body may begin with a line feed.
    let server = once("HTTP/1.1 200 OK\r\ncontent-length: \t2 , 2\t\r\n\r\n\nx".to_owned());
    assert_eq!(text(fetch(&transport(), &server)), "\nx");
    // A connection option that only resembles `close` leaves the connection open.
    let server = Server::start(|peer| {
        while peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nconnection: close\u{a0}\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let transport = transport();
    for _ in 0..2 {
        get(&transport, &server).unwrap();
    }
    assert_eq!(transport.connections_opened(), 1);
}

#[test]
fn weird_statuses_are_the_callers() {
    for status in [299, 600, 999] {
        let server = once(format!("HTTP/1.1 {status} What\r\ncontent-length: 0\r\n\r\n"));
        assert_eq!(get(&transport(), &server).unwrap().status, status);
    }
}

#[test]
fn header_values_that_are_not_text() {
    let server = once(
        b"HTTP/1.1 200 OK\r\nx-a: caf\xe9\r\nx-b: caf\xc3\xa9\r\ncontent-length: 0\r\n\r\n"
            .to_vec(),
    );
    let reply = get(&transport(), &server).unwrap();
    assert_eq!((reply.header("x-a"), reply.header("x-b")), (None, Some("café")));
    assert!(reply.headers().any(|(name, value)| (name, value) == ("x-a", "caf\u{fffd}")));
}

/// Surplus bytes must never be read as the next response.
#[test]
fn surplus_costs_the_connection() {
    const EVIL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let body = "x".repeat(100_000);
    for (method, first) in [
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood".to_owned()),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n".to_owned()),
        ("GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        ("GET", format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())),
    ] {
        for late in [false, true] {
            let first = first.clone();
            let server = Server::start(move |peer| {
                peer.request().unwrap();
                match (peer.number, late) {
                    (0, false) => peer.send(format!("{first}{EVIL}")),
                    (0, true) => {
                        peer.send(&first);
                        thread::sleep(Duration::from_millis(20));
                        peer.send(EVIL);
                        peer.seen.lock().unwrap().push("late".into());
                    }
                    _ => peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine"),
                }
                peer.hang();
            });
            let transport = transport();
            let reply =
                transport.send(&server.origin, &request(method), RequestBody::Empty).unwrap();
            reply.read_to_end(1 << 20, None).unwrap();
            if late {
                wait_until(|| server.seen().contains(&"late".to_owned()));
                thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(text(fetch(&transport, &server)), "fine");
        }
    }
}

#[test]
fn a_body_over_the_limit_is_refused() {
    for wire in [
        "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\nhello world",
    ] {
        let (server, transport) = (once(wire), transport());
        let (phase, broke) = failure(get(&transport, &server).unwrap().read_to_end(10, None));
        assert!(matches!((phase, broke), (Phase::Body, Failure::Protocol(_))));
    }
    let server = once("HTTP/1.0 200 OK\r\n\r\nhello world");
    assert_eq!(get(&transport(), &server).unwrap().read_to_end(11, None).unwrap(), b"hello world");
}

#[test]
fn what_is_sent_is_what_was_asked() {
    let (server, transport) =
        (Server::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), transport());
    let headers =
        [("host", "h"), ("x-amz-meta-B", "  two  spaces "), ("a", "1"), ("a", "2"), ("empty", "")];
    for (method, body) in [
        ("GET", RequestBody::Empty),
        ("DELETE", RequestBody::Empty),
        ("PUT", RequestBody::Empty),
        ("POST", RequestBody::Bytes(b"x")),
    ] {
        let request =
            Request { target: "//b/../%2F+~?x=%7e&y", headers: &headers, ..request(method) };
        transport.send(&server.origin, &request, body).unwrap();
    }
    let head = "//b/../%2F+~?x=%7e&y HTTP/1.1\r\nhost: h\r\nx-amz-meta-B:   two  spaces \r\na: 1\r\na: 2\r\nempty: \r\n";
    assert_eq!(
        server.seen(),
        [
            format!("GET {head}\r\n"),
            format!("DELETE {head}\r\n"),
            format!("PUT {head}content-length: 0\r\n\r\n"),
            format!("POST {head}content-length: 1\r\n\r\n")
        ]
    );
}

/// No argument of a caller can start another request.
#[test]
fn requests_cannot_be_split() {
    let (server, transport) =
        (Server::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), transport());
    let good = request("GET");
    for bad in [
        Request { method: "GET /x HTTP/1.1\r\nhost: y\r\n\r\nGET", ..good },
        Request { method: "", ..good },
        Request { target: "/a b", ..good },
        Request { target: "/a\r\nx: y", ..good },
        Request { target: "/\u{e9}", ..good },
        Request { target: "", ..good },
        Request { headers: &[("a", "b\r\nx: y")], ..good },
        Request { headers: &[("a", "b\nx")], ..good },
        Request { headers: &[("a", "\0")], ..good },
        Request { headers: &[("a: b\r\nc", "d")], ..good },
        Request { headers: &[("", "d")], ..good },
        Request { headers: &[("Content-Length", "5")], ..good },
        Request { headers: &[("transfer-encoding", "chunked")], ..good },
    ] {
        let (phase, failure) = failure(transport.send(&server.origin, &bad, RequestBody::Empty));
        assert!(matches!((phase, failure), (Phase::Connect, Failure::InvalidRequest(_))));
    }
    assert_eq!(server.accepted(), 0, "a bad request costs no connection");
    transport.send(&server.origin, &good, RequestBody::Empty).unwrap();
    let bad = Request { target: "/a b", ..good };
    failure(transport.send(&server.origin, &bad, RequestBody::Empty));
    transport.send(&server.origin, &good, RequestBody::Empty).unwrap();
    assert_eq!(
        (server.accepted(), server.seen().len()),
        (1, 2),
        "nor the one that waited in the pool"
    );
}

#[test]
fn expectation_failed_is_the_callers() {
    let server = Server::start(|peer| {
        peer.head().unwrap();
        peer.send("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n");
        let rest = peer.head();
        peer.seen.lock().unwrap().push(format!("rest: {rest:?}"));
    });
    let transport = transport();
    let request = Request { expect_continue: Some(Duration::from_secs(5)), ..request("PUT") };
    assert_eq!(
        transport.send(&server.origin, &request, RequestBody::Bytes(b"data")).unwrap().status,
        417
    );
    wait_until(|| server.seen().contains(&"rest: None".to_owned()));
}

/// Generates the pieces that a response head consists of, and some that make it invalid.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 503 \r\n",
        b"content-length: 5\r\n",
        b"Content-Length: 7, 7\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: close\r\n",
        b"x: \xff\xfe\r\n",
        b"\r\n",
        b" folded\r\n",
        b": ",
    ];
    prop_oneof![4 => prop::sample::select(known).prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..8)]
}

proptest! {
    /// No input makes the parser panic. A head that the parser accepts has the same meaning
    /// regardless of the bytes that follow it.
    #[test]
    fn any_bytes(pieces in prop::collection::vec(piece(), 0..12), rest in prop::collection::vec(any::<u8>(), 0..20)) {
        let bytes = pieces.concat();
        if let Ok(Some((head, length))) = Head::parse(&bytes, "GET") {
            prop_assert!(length <= bytes.len());
            for (name, _) in head.headers() {
                prop_assert_eq!(name, name.to_ascii_lowercase());
            }
            let longer = [&bytes[..length], &rest].concat();
            match Head::parse(&longer, "GET") {
                Ok(Some((again, same))) => prop_assert_eq!((again.framing, again.after, same), (head.framing, head.after, length)),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
