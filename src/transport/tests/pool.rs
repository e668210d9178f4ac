//! How connections are counted, kept and given up.

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
        assert!(server.accepted() <= threads, "{} connections for {threads} threads", server.accepted());
        assert_eq!(server.accepted(), transport.connections_opened());
    }
}
