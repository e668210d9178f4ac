//! A proxy that forwards everything to one address. As a forward proxy it makes virtual hosts
//! reachable, because `BUCKET.localhost` does not resolve on every machine; as a reverse proxy it
//! can modify requests.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Modifies the head of a connection's first request: its lines without line breaks.
pub type Meddling = fn(&mut Vec<String>);

/// A running relay. It ends when it is dropped.
pub struct Relay {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Forwards requests for any host to `to` unchanged.
    pub fn start(to: SocketAddr) -> Self {
        Self::run(move |client| serve(client, to))
    }

    /// Forwards requests to `to` and modifies the head of the first one on each connection.
    pub fn meddling(to: SocketAddr, meddling: Meddling) -> Self {
        Self::run(move |client| meddle(client, to, meddling))
    }

    fn run(serve: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) -> Self {
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
                    let serve = serve.clone();
                    // The client notices when its connection breaks.
                    std::thread::spawn(move || drop(serve(socket)));
                }
            }
        });
        Self { address, ended, thread: Some(thread) }
    }

    /// Returns the relay's URL, for the option `proxy` or as an endpoint.
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

/// Opens a tunnel for CONNECT, and forwards plain requests unchanged.
fn serve(mut client: TcpStream, to: SocketAddr) -> io::Result<()> {
    let mut start = [0; 8];
    client.read_exact(&mut start)?;
    let mut server = TcpStream::connect(to)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    if start == *b"CONNECT " {
        read_head(&mut client)?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    } else {
        server.write_all(&start)?;
    }
    join(client, server)
}

fn meddle(mut client: TcpStream, to: SocketAddr, meddling: Meddling) -> io::Result<()> {
    let head = String::from_utf8(read_head(&mut client)?).map_err(io::Error::other)?;
    let mut lines: Vec<String> = head.trim_end().split("\r\n").map(str::to_owned).collect();
    meddling(&mut lines);
    let mut server = TcpStream::connect(to)?;
    server.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes())?;
    join(client, server)
}

fn read_head(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}

/// Copies both directions until the server ends its own.
fn join(mut client: TcpStream, mut server: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        drop(io::copy(&mut from_client, &mut to_server));
        drop(to_server.shutdown(Shutdown::Write));
    });
    drop(io::copy(&mut server, &mut client));
    client.shutdown(Shutdown::Write)
}
