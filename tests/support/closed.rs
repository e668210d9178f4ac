//! A port that refuses connections.
#![allow(dead_code, unreachable_pub, reason = "every test program uses only a part of this module")]

use std::net::{TcpListener, TcpStream};

/// A port on which nothing listens, and on which nothing can listen as long as this value exists:
/// it is the port of the client's end of a connection. A port that was only free a moment ago may
/// be that of another test's server by now.
pub struct ClosedPort {
    held: TcpStream,
    /// Without its other end, the connection would give up its port.
    _other_end: TcpListener,
}

impl ClosedPort {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let held = TcpStream::connect(address).expect("a connection");
        Self { held, _other_end: listener }
    }

    pub fn number(&self) -> u16 {
        self.held.local_addr().expect("an address").port()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.number())
    }
}
