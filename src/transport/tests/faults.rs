//! Tests of connections that are silent, slow, flooded or broken: nothing hangs, and a transfer
//! that is merely slow is not cut off.

use super::*;
use crate::transport::race::race;
use crate::transport::wait::{Limits, Pace};
use std::net::{Shutdown, SocketAddr};

/// Well above any limit that the tests set, and well below the duration of a hang.
const SOON: Duration = Duration::from_millis(1500);

fn quickly<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    result
}

fn silent() -> Server {
    Server::start(Peer::hang)
}

#[test]
fn connection_refused() {
    let closed = ClosedPort::new();
    let port = closed.number();
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port };
    let result = quickly(|| transport().send(&origin, &request("GET"), RequestBody::Empty));
    assert!(matches!(failure(result), (Phase::Connect, Failure::Connect(_))));
}

#[test]
fn name_that_does_not_exist() {
    let origin = Origin { scheme: Scheme::Http, host: "no-such-host.invalid".into(), port: 80 };
    let (phase, broke) = failure(transport().send(&origin, &request("GET"), RequestBody::Empty));
    assert!(matches!((phase, broke), (Phase::Connect, Failure::Connect(_) | Failure::Timeout)));
}

/// The next address of a name is tried when the first one refuses the connection.
#[test]
fn every_address_is_tried() {
    // `localhost` may resolve to ::1 and 127.0.0.1; the server listens only on the latter.
    let mut server = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    server.origin.host = "localhost".into();
    assert_eq!(text(fetch(&transport(), &server)), "ok");
}

/// Returns a listener whose backlog is full. It drops SYNs, so it is as silent as a host that does
/// not exist.
pub(super) fn full_backlog() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        held.push(stream);
        assert!(held.len() < 6000, "the backlog never fills");
    }
    (address, listener, held)
}

/// Addresses are raced: an unreachable address costs a moment, and an address that refuses the
/// connection costs nothing.
#[test]
fn an_address_that_leads_nowhere_does_not_use_up_the_connect_timeout() {
    let (silent, _listener, _held) = full_backlog();
    let server = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let good = SocketAddr::from(([127, 0, 0, 1], server.origin.port));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let limit = Duration::from_secs(30);
    let race = |addresses: &[SocketAddr]| race(addresses, Instant::now() + limit);
    for addresses in [&[silent, good][..], &[silent, silent, closed, good], &[closed, good]] {
        let begun = Instant::now();
        assert_eq!(race(addresses).unwrap().0, good);
        assert!(begun.elapsed() < limit / 4, "{addresses:?}: {:?}", begun.elapsed());
    }
    for addresses in [&[closed][..], &[closed, closed]] {
        let error = race(addresses).unwrap_err().error.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
    assert!(race(&[]).unwrap_err().error.is_none());
    let late = self::race(&[silent, silent], Instant::now() + SHORT);
    assert_eq!(late.unwrap_err().error.unwrap().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn syn_never_answered() {
    let (address, _listener, _held) = full_backlog();
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port: address.port() };
    let transport = Transport::new(impatient()).unwrap();
    let error = quickly(|| transport.send(&origin, &request("GET"), RequestBody::Empty));
    let error = error.unwrap_err();
    assert!(error.is_timeout() && error.phase == Phase::Connect, "{error}");
    assert!(error.to_string().contains(&format!("no connection to the server {address}")));
}

#[test]
fn accepted_but_silent() {
    let (server, transport) = (silent(), Transport::new(impatient()).unwrap());
    assert!(matches!(
        failure(quickly(|| fetch(&transport, &server))),
        (Phase::Await, Failure::Timeout)
    ));
}

#[test]
fn body_stalls() {
    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell");
        peer.hang();
    });
    let transport = Transport::new(impatient()).unwrap();
    assert!(matches!(
        failure(quickly(|| fetch(&transport, &server))),
        (Phase::Body, Failure::Timeout)
    ));
}

#[test]
fn upload_stalls() {
    let server = Server::start(|peer| {
        peer.head().unwrap();
        thread::park();
    });
    let transport = Transport::new(impatient()).unwrap();
    let body = vec![0; 32 << 20];
    let result =
        quickly(|| transport.send(&server.origin, &request("PUT"), RequestBody::Bytes(&body)));
    assert!(matches!(failure(result), (Phase::Send, Failure::Timeout)));
}

#[test]
fn deadline_of_the_exchange() {
    let (server, transport) = (silent(), transport());
    let request = Request { deadline: Some(Instant::now() + SHORT), ..request("GET") };
    let result = quickly(|| transport.send(&server.origin, &request, RequestBody::Empty));
    assert!(matches!(failure(result), (Phase::Await, Failure::Timeout)));
    // A deadline that has already passed does not cost a connection.
    let result = quickly(|| transport.send(&server.origin, &request, RequestBody::Empty));
    assert!(matches!(failure(result), (Phase::Connect, Failure::Timeout)));
    assert_eq!(server.accepted(), 1);
}

#[test]
fn deadline_of_the_body() {
    let server = trickle("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
    let result = quickly(|| {
        let reply = get(&transport(), &server).unwrap();
        reply.read_to_end(1 << 20, Some(Instant::now() + SHORT))
    });
    assert!(matches!(failure(result), (Phase::Body, Failure::Timeout)));
}

/// Starts a server that sends `head` and then one byte every 10 ms forever.
fn trickle(head: &'static str) -> Server {
    Server::start(move |peer| {
        peer.stream.set_nodelay(true).unwrap();
        peer.request().unwrap();
        peer.send(head);
        while peer.stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    })
}

/// Bytes that keep arriving do not extend the timeout of a head forever.
#[test]
fn trickled_head_ends() {
    let (server, transport) =
        (trickle("HTTP/1.1 200 OK\r\nx: "), Transport::new(impatient()).unwrap());
    assert!(matches!(
        failure(quickly(|| fetch(&transport, &server))),
        (Phase::Await, Failure::Timeout)
    ));
}

/// A slow body takes several times the idle timeout and is still received whole.
#[test]
fn slow_body_is_not_cut() {
    let server = Server::start(|peer| {
        peer.stream.set_nodelay(true).unwrap();
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n");
        for _ in 0..12 {
            thread::sleep(Duration::from_millis(50));
            peer.send("x");
        }
        peer.hang();
    });
    assert_eq!(text(fetch(&Transport::new(impatient()).unwrap(), &server)), "x".repeat(12));
}

/// Well above the delays that the tests themselves cause, and well below `SOON`.
const STALL: Duration = Duration::from_millis(300);

fn paced() -> Transport {
    Transport::new(TransportOptions { stall_timeout: STALL, ..impatient() }).unwrap()
}

/// A server that sends one byte every 10 ms is never silent, but the transfer makes no useful
/// progress. The bytes may belong to a body or to its framing.
#[test]
fn dripping_body_is_cut() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
    ] {
        let (server, transport) = (trickle(head), paced());
        let result = quickly(|| fetch(&transport, &server));
        assert!(matches!(failure(result), (Phase::Body, Failure::Timeout)), "{head}");
    }
}

/// A body that is slow, but faster than the minimum pace, takes several times the period over which
/// the pace is measured.
#[test]
fn slow_body_above_the_floor_is_not_cut() {
    let server = Server::start(|peer| {
        peer.stream.set_nodelay(true).unwrap();
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 25600\r\n\r\n");
        for _ in 0..100 {
            thread::sleep(Duration::from_millis(10));
            peer.send([b'x'; 256]);
        }
        peer.hang();
    });
    assert_eq!(fetch(&paced(), &server).unwrap().len(), 25600);
}

/// Bytes that wait for a slow caller do not count against the connection.
#[test]
fn slow_caller_is_not_cut() {
    let server = trickle("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
    let mut reply = get(&paced(), &server).unwrap();
    for _ in 0..4 * STALL.as_millis() / 50 {
        thread::sleep(Duration::from_millis(50));
        assert_ne!(reply.read(&mut [0; 100]).unwrap(), 0);
    }
}

/// Records `calls` reads of `count` bytes and returns whether they were slow enough to be cut off.
fn is_cut(pace: &mut Pace, calls: u32, count: usize, waited: Duration) -> bool {
    let stall = Some(Duration::from_secs(120));
    let limits = Limits { idle: Duration::from_secs(60), deadline: None, stall, cancel: None };
    (0..calls).any(|_| pace.book(&limits, count, waited).is_err())
}

#[test]
fn a_pace_is_cut_below_its_floor_and_never_above() {
    let second = Duration::from_secs(1);
    assert!(is_cut(&mut Pace::default(), 120, 1023, second));
    assert!(!is_cut(&mut Pace::default(), 119, 1, second), "only over the whole time");
    assert!(!is_cut(&mut Pace::default(), 1200, 1024, second));
    // Each piece follows a wait of nearly the idle limit, but the pieces are large enough.
    assert!(!is_cut(&mut Pace::default(), 100, 64 << 10, 59 * second));
    assert!(is_cut(&mut Pace::default(), 100, 32 << 10, 59 * second));
    // Bytes that arrived quickly a long time ago do not count forever.
    let mut pace = Pace::default();
    assert!(!is_cut(&mut pace, 1, 1 << 30, second));
    assert!(!is_cut(&mut pace, 119, 0, second));
    assert!(is_cut(&mut pace, 120, 0, second));
}

#[test]
fn a_pace_is_measured_over_the_idle_limit_at_least_and_not_under_a_deadline() {
    let second = Duration::from_secs(1);
    let patient = Limits { idle: 300 * second, deadline: None, stall: Some(second), cancel: None };
    let mut pace = Pace::default();
    assert!(pace.book(&patient, 1, 299 * second).is_ok());
    assert!(pace.book(&patient, 1, second).is_err());
    let bounded = patient.within(second);
    assert!(pace.book(&bounded, 1, 9000 * second).is_ok());
}

/// The fault `slow-read`: the server pauses between its reads of the body.
#[test]
fn slow_reader_is_not_cut() {
    let server = Server::start(|peer| {
        peer.head().unwrap();
        let mut left = (16 << 20) - peer.ahead.len();
        let mut block = vec![0; 1 << 20];
        while left > 0 {
            thread::sleep(Duration::from_millis(30));
            let want = left.min(block.len());
            peer.stream.read_exact(&mut block[..want]).unwrap();
            left -= want;
        }
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        peer.hang();
    });
    let transport = Transport::new(impatient()).unwrap();
    let body = vec![0; 16 << 20];
    assert_eq!(
        transport.send(&server.origin, &request("PUT"), RequestBody::Bytes(&body)).unwrap().status,
        200
    );
}

/// Starts a server that sends `start` and then `more` forever.
fn endless(start: &'static str, more: &'static str) -> Server {
    Server::start(move |peer| {
        peer.request().unwrap();
        peer.send(start);
        while peer.stream.write_all(more.as_bytes()).is_ok() {}
    })
}

#[test]
fn endless_heads() {
    for (start, more) in [
        ("HTTP/1.1 200 OK\r\n", "x-a: b\r\n"),
        ("HTTP/1.1 200 OK\r\nx-a: ", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        ("HTTP/1.1 200 OK", "OOOOOOOOOOOOOOOOOOOOOOOOOOOOO"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
    ] {
        let result = quickly(|| fetch(&transport(), &endless(start, more)));
        assert!(matches!(failure(result), (Phase::Await, Failure::Protocol(_))), "{start}{more}");
    }
}

#[test]
fn endless_body() {
    let server = endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "5\r\nhello\r\n");
    assert!(matches!(
        failure(quickly(|| fetch(&transport(), &server))),
        (Phase::Body, Failure::Protocol(_))
    ));
}

#[test]
fn sixteen_interim_replies_are_skipped() {
    let wire = "HTTP/1.1 102 Processing\r\n\r\n".repeat(16)
        + "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    assert_eq!(text(fetch(&transport(), &Server::always(wire.leak()))), "ok");
}

#[test]
fn closed_before_and_within_the_head() {
    for wire in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let server = Server::start(move |peer| {
            peer.request().unwrap();
            peer.send(wire);
        });
        let (phase, broke) = failure(fetch(&transport(), &server));
        assert!(matches!((phase, broke), (Phase::Await, Failure::Io(_))));
    }
}

/// A single byte of a response on a pooled connection proves that the connection was alive.
#[test]
fn half_a_reply_is_not_stale() {
    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        peer.request().unwrap();
        peer.send("HTTP/1.1 2");
    });
    let transport = transport();
    fetch(&transport, &server).unwrap();
    assert!(matches!(failure(fetch(&transport, &server)), (Phase::Await, Failure::Io(_))));
}

/// A server that goes silent on a pooled connection may have processed the request, so the
/// connection is not reported as stale.
#[test]
fn silence_on_a_pooled_connection_is_not_stale() {
    let server = Server::start(|peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        peer.hang();
    });
    let transport = Transport::new(impatient()).unwrap();
    fetch(&transport, &server).unwrap();
    assert!(matches!(failure(fetch(&transport, &server)), (Phase::Await, Failure::Timeout)));
}

#[test]
fn source_errors_are_the_sources() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let server = silent();
    let body = RequestBody::Reader { source: &mut Failing, length: 10 };
    let error = transport().send(&server.origin, &request("PUT"), body).unwrap_err();
    assert_eq!(
        error.to_string(),
        "sending the request: the source of the body failed: the disk is gone"
    );
}

/// Runs `work` and cancels it from another thread while it is blocked.
fn cancelled(work: impl FnOnce(&Cancel) -> TransportError) -> Phase {
    let cancel = Cancel::new();
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            cancel.cancel();
        });
        quickly(|| work(&cancel))
    });
    assert!(matches!(error.failure, Failure::Cancelled), "{error:?}");
    error.phase
}

#[test]
fn cancel_interrupts_every_wait() {
    let (transport, server) = (transport(), silent());
    let send = |cancel: &Cancel, body: RequestBody<'_>| {
        let request = Request { cancel: Some(cancel), ..request("PUT") };
        transport.send(&server.origin, &request, body).unwrap_err()
    };
    assert_eq!(cancelled(|cancel| send(cancel, RequestBody::Empty)), Phase::Await);

    let deaf = Server::start(|_| thread::park());
    let body = vec![0; 32 << 20];
    let phase = cancelled(|cancel| {
        let request = Request { cancel: Some(cancel), ..request("PUT") };
        transport.send(&deaf.origin, &request, RequestBody::Bytes(&body)).unwrap_err()
    });
    assert_eq!(phase, Phase::Send);

    let stalling = Server::start(|peer| {
        peer.request().unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
        peer.hang();
    });
    let phase = cancelled(|cancel| {
        let request = Request { cancel: Some(cancel), ..request("GET") };
        transport
            .send(&stalling.origin, &request, RequestBody::Empty)
            .unwrap()
            .read_to_end(10, None)
            .unwrap_err()
    });
    assert_eq!(phase, Phase::Body);
}

#[test]
fn cancelled_tokens_send_nothing() {
    let (server, cancel) = (silent(), Cancel::new());
    cancel.cancel();
    let request = Request { cancel: Some(&cancel), ..request("GET") };
    let result = transport().send(&server.origin, &request, RequestBody::Empty);
    assert!(matches!(failure(result), (Phase::Connect, Failure::Cancelled)));
    assert_eq!(server.accepted(), 0);
}

/// The server closes its half of the connection after its response has begun, while the client is
/// still sending.
#[test]
fn half_closed_during_upload() {
    let server = Server::start(|peer| {
        peer.head().unwrap();
        peer.send("HTTP/1.1 400 Bad\r\ncontent-length: 3\r\n\r\nbad");
        peer.stream.shutdown(Shutdown::Write).unwrap();
        peer.hang();
    });
    let body = vec![0; 16 << 20];
    let reply =
        transport().send(&server.origin, &request("PUT"), RequestBody::Bytes(&body)).unwrap();
    assert_eq!((reply.status, text(reply.read_to_end(10, None))), (400, "bad".into()));
}
