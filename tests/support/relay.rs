//! A forward proxy that knows one address: `BUCKET.localhost` resolves nowhere here, and so virtual hosts are reached
//! through it. It passes everything on as it came.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A running relay; it ends when it is dropped.
pub struct Relay {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Passes whatever host a request names on to `to`.
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming() {
                if seen.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(socket) = socket {
                    // A connection that breaks is the client's to notice.
                    std::thread::spawn(move || drop(serve(socket, to)));
                }
            }
        });
        Self { address, ended, thread: Some(thread) }
    }

    /// For the option `proxy`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A tunnel for CONNECT, and plain requests as they are.
fn serve(mut client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let mut start = [0; 8];
    client.read_exact(&mut start)?;
    let mut server = TcpStream::connect(to)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    if start == *b"CONNECT " {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte)?;
            head.extend(byte);
        }
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    } else {
        server.write_all(&start)?;
    }
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        drop(io::copy(&mut from_client, &mut to_server));
        drop(to_server.shutdown(Shutdown::Write));
    });
    drop(io::copy(&mut server, &mut client));
    client.shutdown(Shutdown::Write)
}
