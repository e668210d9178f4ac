//! A relay that forwards a limited number of response bytes and then keeps the connections open
//! without sending more.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

pub(crate) struct Stalling(SocketAddr);

impl Stalling {
    pub(crate) fn start(to: SocketAddr, bytes: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let left = Arc::new(AtomicU64::new(bytes));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(to).expect("the server");
                let requests = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pass(requests.0, requests.1, &AtomicU64::new(u64::MAX)));
                let left = Arc::clone(&left);
                thread::spawn(move || pass(server, client, &left));
            }
        });
        Self(address)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// Copies bytes until the limit is used up, and then stops reading as well.
fn pass(mut from: TcpStream, mut to: TcpStream, left: &AtomicU64) {
    let mut block = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut block) {
        let take = |left: u64| Some(left.saturating_sub(count as u64));
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).unwrap_or(0);
        if before < count as u64 {
            loop {
                thread::park();
            }
        }
        if to.write_all(&block[..count]).is_err() {
            return;
        }
    }
}

/// Starts a server that sends one response to every request, and returns the server's URL.
pub(crate) fn page(response: impl Into<String>) -> String {
    let response = response.into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut block = [0; 16 << 10];
            // The client may disconnect at any time.
            let _ = client.read(&mut block).and_then(|_| client.write_all(response.as_bytes()));
        }
    });
    format!("http://{address}")
}
