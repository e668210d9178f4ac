//! The order in which the addresses of a server are tried after one of them accepted a connection
//! and then failed.

use super::faults::full_backlog;
use super::tls::{Authority, good, ok, serve};
use super::*;
use crate::net::proxy::Proxy;
use crate::net::proxy_choice::ProxyChoice;
use std::net::SocketAddr;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The name that leads to both servers. The certificates of the tests contain it.
const NAME: &str = "localhost";

fn address(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.origin.port))
}

/// Lets [`NAME`] lead to both servers, and returns its origin. The name counts as looked up just
/// now, so no resolver is asked.
fn named(transport: &Transport, servers: [&Server; 2]) -> Origin {
    let origin = Origin { host: NAME.to_owned(), ..servers[1].origin.clone() };
    transport.connector().names().found(&(NAME.to_owned(), origin.port), &servers.map(address));
    origin
}

/// Sends a request over a new connection.
fn ask(transport: &Transport, origin: &Origin) -> Result<Response, TransportError> {
    transport.close_idle();
    transport.send(origin, &request("GET"), RequestBody::Empty)
}

#[test]
fn an_address_that_breaks_connections_is_not_tried_again_first() {
    let scripts: [fn(&mut Peer); 4] = [
        // A connection with unread bytes is reset.
        |_| {},
        |peer| drop(peer.request()),
        |peer| {
            let _ = peer.stream.shutdown(std::net::Shutdown::Write);
            peer.hang();
        },
        Peer::hang,
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let (bad, good) = (Server::start(script), Server::always(OK));
        let options = TransportOptions { idle_timeout: SHORT, ..options() };
        let transport = Transport::new(options).unwrap();
        let origin = named(&transport, [&bad, &good]);
        let error = ask(&transport, &origin).unwrap_err();
        assert!(matches!(error.failure, Failure::Io(_) | Failure::Timeout), "{number}: {error}");
        for _ in 0..5 {
            assert_eq!(ask(&transport, &origin).unwrap().status, 200, "{number}");
        }
        assert_eq!((bad.accepted(), good.accepted()), (1, 5), "{number}");
    }
}

#[test]
fn an_address_that_breaks_handshakes_is_not_tried_again_first() {
    let authority = Authority::new();
    let scripts: [fn(&mut Peer); 3] = [
        |_| {},
        |peer| drop(peer.stream.read(&mut [0; 100])),
        |peer| peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"),
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let (bad, good) = (Server::start(script), serve(authority.sign(&good()), ok));
        let transport = authority.trusted();
        let origin = named(&transport, [&bad, &good]);
        let error = ask(&transport, &origin).unwrap_err();
        assert!(matches!(error.failure, Failure::Tls(..)), "{number}: {error}");
        for _ in 0..3 {
            assert_eq!(ask(&transport, &origin).unwrap().status, 200, "{number}");
        }
        assert_eq!((bad.accepted(), good.accepted()), (1, 3), "{number}");
    }
}

#[test]
fn an_address_of_a_proxy_that_fails_is_not_tried_again_first() {
    let authority = Authority::new();
    let target = serve(authority.sign(&good()), ok);
    let port = target.origin.port;
    let scripts: [fn(&mut Peer); 2] =
        [|peer| drop(peer.head()), |peer| peer.send("HTTP/1.1 503 Busy\r\n\r\n")];
    for (number, script) in scripts.into_iter().enumerate() {
        let bad = Server::start(script);
        let good = Server::start(move |peer| {
            peer.head().unwrap();
            peer.send("HTTP/1.1 200 OK\r\n\r\n");
            let mut other = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut from, mut to) = (peer.stream.try_clone().unwrap(), other.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from, &mut to));
            let _ = io::copy(&mut other, &mut peer.stream);
        });
        let proxy = Proxy::parse(&format!("http://{NAME}:{}", good.origin.port)).unwrap();
        let transport = Transport::new(TransportOptions {
            proxy: ProxyChoice::Always(proxy),
            extra_roots_pem: authority.pem.clone(),
            ..options()
        })
        .unwrap();
        named(&transport, [&bad, &good]);
        assert_eq!(ask(&transport, &target.origin).unwrap_err().phase, Phase::Connect, "{number}");
        for _ in 0..3 {
            assert_eq!(ask(&transport, &target.origin).unwrap().status, 200, "{number}");
        }
        assert_eq!((bad.accepted(), good.accepted()), (1, 3), "{number}");
    }
}

/// If every address fails, they take turns.
#[test]
fn addresses_that_all_fail_take_turns() {
    let servers = [Server::start(|_| {}), Server::start(|_| {})];
    let transport = transport();
    for _ in 0..3 {
        // Otherwise the name would be looked up again, because all of its addresses have failed.
        let origin = named(&transport, [&servers[0], &servers[1]]);
        ask(&transport, &origin).unwrap_err();
        named(&transport, [&servers[0], &servers[1]]);
        ask(&transport, &origin).unwrap_err();
    }
    assert_eq!((servers[0].accepted(), servers[1].accepted()), (3, 3));
}

/// Within a connect timeout shorter than a head start, only the first address is tried.
#[test]
fn an_address_that_used_up_the_connect_timeout_is_not_tried_again_first() {
    let (silent, _listener, _held) = full_backlog();
    let good = Server::always(OK);
    let transport = Transport::new(impatient()).unwrap();
    let origin = Origin { host: NAME.to_owned(), ..good.origin };
    let learn = || {
        let key = (NAME.to_owned(), origin.port);
        transport.connector().names().found(&key, &[silent, address(&good)]);
    };
    learn();
    assert_eq!(ask(&transport, &origin).unwrap_err().phase, Phase::Connect);
    learn();
    assert_eq!(ask(&transport, &origin).unwrap().status, 200);
}

/// A caller's cancellation says nothing about the server.
#[test]
fn a_cancelled_request_does_not_change_the_order() {
    let (first, second) = (Server::start(Peer::hang), Server::always(OK));
    let transport = transport();
    let origin = named(&transport, [&first, &second]);
    for _ in 0..2 {
        let (cancel, accepted) = (Cancel::new(), first.accepted());
        thread::scope(|scope| {
            scope.spawn(|| {
                wait_until(|| first.accepted() > accepted);
                cancel.cancel();
            });
            let request = Request { cancel: Some(&cancel), ..request("GET") };
            let error = transport.send(&origin, &request, RequestBody::Empty).unwrap_err();
            assert!(matches!(error.failure, Failure::Cancelled), "{error}");
        });
    }
    assert_eq!((first.accepted(), second.accepted()), (2, 0));
}
