//! Tests of the transport against small scripted servers on real sockets.

mod addresses;
#[cfg(feature = "ureq")]
mod agent;
mod client_certificate;
#[path = "../../../tests/support/closed.rs"]
mod closed;
#[cfg(feature = "ureq")]
mod differences;
mod faults;
mod framing;
mod pool;
mod proxy;
mod race;
mod surplus;
mod tls;
mod traps;
mod trust_store;

use super::*;
use crate::cancel::Cancel;
use crate::net::host::Scheme;
use closed::ClosedPort;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// A server on a separate port. Every connection gets a number and runs the script in a thread.
struct Server {
    origin: Origin,
    accepted: Arc<AtomicU64>,
    /// The notes of the scripts, including every request head that they read.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counter, notes, script) = (accepted.clone(), seen.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let mut peer = Peer {
                    stream: stream.unwrap(),
                    number,
                    seen: notes.clone(),
                    ahead: Vec::new(),
                };
                peer.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let script = script.clone();
                thread::spawn(move || script(&mut peer));
            }
        });
        Self {
            origin: Origin { scheme: Scheme::Http, host: "127.0.0.1".into(), port },
            accepted,
            seen,
        }
    }

    /// Starts a server that sends `reply` as the response to every request on every connection.
    fn always(reply: &'static str) -> Self {
        Self::start(move |peer| {
            while peer.request().is_some() {
                peer.send(reply);
            }
        })
    }

    fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// The server's end of a connection.
struct Peer {
    stream: TcpStream,
    number: u64,
    seen: Arc<Mutex<Vec<String>>>,
    ahead: Vec<u8>,
}

impl Peer {
    /// Reads a request head without its body and records it in `seen`. Returns `None` when the
    /// client has disconnected.
    fn head(&mut self) -> Option<String> {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let mut block = [0; 4096];
            match self.stream.read(&mut block) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.ahead.extend_from_slice(&block[..count]),
            }
        };
        let head = String::from_utf8(self.ahead.drain(..end).collect()).unwrap();
        self.seen.lock().unwrap().push(head.clone());
        Some(head)
    }

    /// Reads `length` bytes of a body.
    fn body(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut body = std::mem::take(&mut self.ahead);
        let read = body.len();
        body.resize(length, 0);
        self.stream.read_exact(body.get_mut(read..)?).ok()?;
        Some(body)
    }

    /// Reads a whole request.
    fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head()?;
        let length = field(&head, "content-length").map_or(0, |value| value.parse().unwrap());
        let body = self.body(length)?;
        Some((head, body))
    }

    fn send(&mut self, reply: impl AsRef<[u8]>) {
        // The client may have disconnected on purpose.
        let _ = self.stream.write_all(reply.as_ref());
    }

    /// Stays silent until the client closes the connection.
    fn hang(&mut self) {
        let _ = io::copy(&mut self.stream, &mut io::sink());
    }
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        line.split_once(": ").filter(|(key, _)| *key == name).map(|(_, value)| value)
    })
}

const SHORT: Duration = Duration::from_millis(150);

fn options() -> TransportOptions {
    TransportOptions {
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        ..TransportOptions::default()
    }
}

/// Returns options with timeouts that are short enough for a test to wait for them.
fn impatient() -> TransportOptions {
    TransportOptions { connect_timeout: SHORT, idle_timeout: SHORT, ..TransportOptions::default() }
}

fn transport() -> Transport {
    Transport::new(options()).unwrap()
}

fn request(method: &'static str) -> Request<'static> {
    Request {
        method,
        target: "/bucket/key",
        headers: &[("host", "test")],
        expect_continue: None,
        silent_work: false,
        deadline: None,
        cancel: None,
        connection: ConnectionChoice::IdleOrNew,
        trace: None,
    }
}

fn get(transport: &Transport, server: &Server) -> Result<Response, TransportError> {
    transport.send(&server.origin, &request("GET"), RequestBody::Empty)
}

/// Sends a GET request and returns the whole body of the response.
fn fetch(transport: &Transport, server: &Server) -> Result<Vec<u8>, TransportError> {
    get(transport, server)?.read_to_end(1 << 20, None)
}

fn text(result: Result<Vec<u8>, TransportError>) -> String {
    String::from_utf8(result.unwrap()).unwrap()
}

/// Returns the phase and the failure of an error that the test expects.
fn failure<T: std::fmt::Debug>(result: Result<T, TransportError>) -> (Phase, Failure) {
    let error = result.unwrap_err();
    assert!(!error.stale, "{error:?}");
    (error.phase, error.failure)
}

/// Waits until `done` returns true as a result of another thread's work.
fn wait_until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(5), "it never came");
        thread::sleep(Duration::from_millis(5));
    }
}
