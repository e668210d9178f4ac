//! Tests of how connections are counted, kept and closed.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn one_thread_uses_one_connection() {
    let (server, transport) = (Server::always(OK), transport());
    for _ in 0..50 {
        assert_eq!(text(fetch(&transport, &server)), "ok");
    }
    assert_eq!((server.accepted(), transport.connections_opened()), (1, 1));
}

#[test]
fn eight_and_sixteen_threads_use_as_many_connections() {
    for threads in [8, 16] {
        let (server, transport) = (Server::always(OK), transport());
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..50 {
                        assert_eq!(text(fetch(&transport, &server)), "ok");
                    }
                });
            }
        });
        assert!(
            server.accepted() <= threads,
            "{} connections for {threads} threads",
            server.accepted()
        );
        assert_eq!(server.accepted(), transport.connections_opened());
    }
}

#[test]
fn the_freshest_connection_is_taken_first() {
    let server = Server::start(|peer| {
        while peer.request().is_some() {
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}", peer.number));
        }
    });
    let transport = transport();
    let replies: Vec<_> = (0..3).map(|_| get(&transport, &server).unwrap()).collect();
    let order: Vec<_> =
        replies.into_iter().map(|reply| text(reply.read_to_end(10, None))).collect();
    assert_eq!(order, ["0", "1", "2"]);
    assert_eq!(text(fetch(&transport, &server)), "2");
    assert_eq!(text(fetch(&transport, &server)), "2");
}

#[test]
fn idle_connections_are_bounded() {
    let server = Server::always(OK);
    let transport = Transport::new(TransportOptions { idle_connections: 2, ..options() }).unwrap();
    for _ in 0..2 {
        let replies: Vec<_> = (0..4).map(|_| get(&transport, &server).unwrap()).collect();
        replies.into_iter().for_each(|reply| drop(reply.read_to_end(10, None).unwrap()));
    }
    assert_eq!(server.accepted(), 4 + 2);
}

#[test]
fn idle_connections_grow_old() {
    let server = Server::always(OK);
    let transport =
        Transport::new(TransportOptions { idle_lifetime: Duration::from_millis(30), ..options() })
            .unwrap();
    fetch(&transport, &server).unwrap();
    fetch(&transport, &server).unwrap();
    assert_eq!(server.accepted(), 1);
    thread::sleep(Duration::from_millis(40));
    fetch(&transport, &server).unwrap();
    assert_eq!(server.accepted(), 2);
}

/// Idle connections to an origin that is no longer used are closed by the traffic to other origins.
#[test]
fn forgotten_origins_are_swept() {
    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send(OK);
        peer.hang();
        peer.seen.lock().unwrap().push("closed".into());
    });
    let other = Server::always(OK);
    let transport =
        Transport::new(TransportOptions { idle_lifetime: Duration::from_millis(30), ..options() })
            .unwrap();
    fetch(&transport, &server).unwrap();
    thread::sleep(Duration::from_millis(40));
    fetch(&transport, &other).unwrap();
    wait_until(|| server.seen().contains(&"closed".to_owned()));
}

#[test]
fn a_connection_closed_while_idle_is_replaced() {
    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send(OK);
        peer.stream.shutdown(std::net::Shutdown::Both).unwrap();
        peer.seen.lock().unwrap().push("closed".into());
    });
    let transport = transport();
    for round in 1..4 {
        assert_eq!(text(fetch(&transport, &server)), "ok");
        wait_until(|| server.seen().iter().filter(|note| *note == "closed").count() == round);
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.accepted(), 3);
}

#[test]
fn an_unread_body_costs_its_connection_unless_it_has_come_already() {
    let (server, transport) = (Server::always(OK), transport());
    drop(get(&transport, &server).unwrap());
    drop(get(&transport, &server).unwrap());
    assert_eq!(server.accepted(), 1);

    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
        peer.hang();
        peer.seen.lock().unwrap().push("closed".into());
    });
    drop(get(&transport, &server).unwrap());
    wait_until(|| server.seen().contains(&"closed".to_owned()));
    drop(get(&transport, &server).unwrap());
    assert_eq!(server.accepted(), 2);
}

/// The server follows a response without a body with surplus bytes that look like another response.
/// These bytes must never be taken for the response to the next request, however soon that request
/// follows.
#[test]
fn p08_a_surplus_does_not_answer_the_next_request() {
    const SURPLUS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong";
    for (method, head) in [
        ("HEAD", "200 OK\r\ncontent-length: 50"),
        ("GET", "204 No Content"),
        ("GET", "304 Not Modified"),
    ] {
        let server = Server::start(move |peer| {
            peer.stream.set_nodelay(true).unwrap();
            while let Some((request, _)) = peer.request() {
                if request.contains("/first ") {
                    peer.send(format!("HTTP/1.1 {head}\r\n\r\n"));
                    // In a separate TCP segment.
                    peer.send(SURPLUS);
                    peer.seen.lock().unwrap().push("surplus".into());
                } else {
                    peer.send(OK);
                }
            }
        });
        let transport = transport();
        for round in 1..=50 {
            let first = Request { target: "/first", ..request(method) };
            drop(transport.send(&server.origin, &first, RequestBody::Empty).unwrap());
            // The kernel delivers bytes between two sockets of one machine immediately.
            wait_until(|| server.seen().iter().filter(|note| *note == "surplus").count() == round);
            assert_eq!(text(fetch(&transport, &server)), "ok", "{method} {head}");
        }
    }
}

#[test]
fn origins_do_not_share() {
    let (one, two, transport) = (Server::always(OK), Server::always(OK), transport());
    for server in [&one, &two, &one, &two] {
        fetch(&transport, server).unwrap();
    }
    assert_eq!((one.accepted(), two.accepted()), (1, 1));
}

#[test]
fn host_headers() {
    for (scheme, host, port, expected) in [
        (Scheme::Http, "a.example", 80, "a.example"),
        (Scheme::Http, "a.example", 443, "a.example:443"),
        (Scheme::Https, "a.example", 443, "a.example"),
        (Scheme::Https, "a.example", 8443, "a.example:8443"),
        (Scheme::Http, "::1", 80, "[::1]"),
        (Scheme::Https, "::1", 9000, "[::1]:9000"),
    ] {
        assert_eq!(Origin { scheme, host: host.into(), port }.host_header(), expected);
    }
}
