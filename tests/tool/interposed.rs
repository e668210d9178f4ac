//! A relay that lets a test act between a response of the server and the next request of the tool.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub(crate) struct Interposed(SocketAddr);

impl Interposed {
    /// Forwards everything to `to`. Calls `act` before the response to a request that begins with
    /// `start`, such as `PUT /bucket/key`, is forwarded.
    pub(crate) fn start(
        to: SocketAddr,
        start: String,
        act: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let act = Arc::new(act);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(to).expect("the server");
                let is_due = Arc::new(AtomicBool::new(false));
                let (start, act) = (start.clone(), Arc::clone(&act));
                let (from, into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let noticed = Arc::clone(&is_due);
                // The tool sends a request when it has received the response to the previous one.
                thread::spawn(move || {
                    pass(from, into, &|block| {
                        if block.starts_with(start.as_bytes()) {
                            noticed.store(true, Ordering::SeqCst);
                        }
                    });
                });
                thread::spawn(move || {
                    pass(server, client, &|_| {
                        if is_due.swap(false, Ordering::SeqCst) {
                            act();
                        }
                    });
                });
            }
        });
        Self(address)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// Copies bytes, and calls `before` with each block before it is written.
fn pass(mut from: TcpStream, mut to: TcpStream, before: &dyn Fn(&[u8])) {
    let mut block = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut block) {
        before(&block[..count]);
        if to.write_all(&block[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
