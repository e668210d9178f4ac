//! Bytes after the end of a response, which must not be taken for the response to the next request.

use super::tls::{Authority, good, ok, serve};
use super::*;
use crate::transport::connection::READ_AHEAD;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SURPLUS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong";

/// The server follows a response without a body with a record of surplus bytes, of which only a
/// part has arrived when the next request is made. The record is complete before the response to
/// that request, and must not be taken for it.
#[test]
fn a_part_of_a_surplus_record_costs_the_session() {
    for head in ["200 OK\r\ncontent-length: 50", "204 No Content", "304 Not Modified"] {
        for length in [1, 5, 20, SURPLUS.len()] {
            let authority = Authority::new();
            let (connections, released) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
            let (pooled, sent) = (released.clone(), Arc::new(AtomicU64::new(0)));
            let part_sent = sent.clone();
            let server = serve(authority.sign(&good()), move |stream| {
                if connections.fetch_add(1, Ordering::SeqCst) > 0 {
                    return ok(stream);
                }
                stream.sock.set_nodelay(true).unwrap();
                stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes()).unwrap();
                stream.flush().unwrap();
                wait_until(|| pooled.load(Ordering::SeqCst) > 0);
                let mut record = Vec::new();
                stream.conn.writer().write_all(SURPLUS.as_bytes()).unwrap();
                stream.conn.write_tls(&mut record).unwrap();
                let (now, later) = record.split_at(length);
                stream.sock.write_all(now).unwrap();
                part_sent.fetch_add(1, Ordering::SeqCst);
                // The next request, or the end of the connection.
                let _ = stream.sock.read(&mut [0; 1 << 10]);
                let _ = stream.sock.write_all(later);
                let _ = io::copy(&mut stream.sock, &mut io::sink());
            });
            let transport = authority.trusted();
            drop(transport.send(&server.origin, &request("HEAD"), RequestBody::Empty).unwrap());
            released.fetch_add(1, Ordering::SeqCst);
            wait_until(|| sent.load(Ordering::SeqCst) > 0);
            assert_eq!(text(fetch(&transport, &server)), "ok", "{head}: {length} bytes");
            assert_eq!(server.accepted(), 2, "{head}: {length} bytes");
        }
    }
}

/// A response that fills the buffer exactly says nothing about the bytes after it, so these are
/// looked for even if the next request follows immediately.
#[test]
fn a_surplus_after_a_full_buffer_does_not_answer_the_next_request() {
    for (framing, body) in [
        ("content-length: 0", ""),
        ("content-length: 3", "one"),
        ("transfer-encoding: chunked", "3\r\none\r\n0\r\n\r\n"),
    ] {
        let server = Server::start(move |peer| {
            while peer.request().is_some() {
                if peer.number % 2 == 1 {
                    peer.send(OK);
                    continue;
                }
                let start = format!("HTTP/1.1 200 OK\r\n{framing}\r\nx: ");
                let end = format!("\r\n\r\n{body}");
                let filler = "y".repeat(READ_AHEAD - start.len() - end.len());
                peer.send(format!("{start}{filler}{end}{SURPLUS}"));
            }
        });
        for _ in 0..20 {
            let transport = transport();
            assert_eq!(text(fetch(&transport, &server)).len(), body.len().min(3), "{framing}");
            assert_eq!(text(fetch(&transport, &server)), "ok", "{framing}");
        }
    }
}
