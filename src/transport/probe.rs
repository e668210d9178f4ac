//! A check that ureq, as it is built into this program, does not change the bodies of responses.
//!
//! Any crate of a program can enable ureq's features `gzip`, `brotli` and `charset`. With them,
//! ureq decompresses and re-encodes bodies, and no setting prevents that. An object stored with
//! `content-encoding: gzip` would then differ in length, checksum and ranges from what the server
//! reports. The only way to detect these features is to have ureq read a response.

use super::error::OptionsError;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// Longer than an exchange over the loopback interface takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A body that is neither UTF-8 nor compressed.
const BODY: &[u8] = b"\xE9";

/// Refuses a build of ureq that changes bodies. The check runs once per process.
pub(super) fn check_bodies() -> Result<(), OptionsError> {
    static RESULT: OnceLock<Result<(), String>> = OnceLock::new();
    let result = RESULT.get_or_init(|| {
        for encoding in ["gzip", "br"] {
            match exchange(encoding) {
                Ok(Seen::Unchanged) => {}
                Ok(Seen::Changed) => {
                    return Err(
                        "an agent cannot be used: in this program, ureq is built with its feature \
                         gzip, brotli or charset, which changes the bodies of objects; `cargo tree \
                         -e features -i ureq` shows who enables it"
                            .to_owned(),
                    );
                }
                Err(error) => {
                    return Err(format!(
                        "an agent cannot be used: whether ureq changes the bodies of objects \
                         cannot be found out on the loopback interface: {error}"
                    ));
                }
            }
        }
        Ok(())
    });
    result.clone().map_err(OptionsError)
}

enum Seen {
    Unchanged,
    Changed,
}

/// Has ureq read a response with this content encoding from a server that serves one connection.
fn exchange(encoding: &'static str) -> io::Result<Seen> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let server = thread::Builder::new()
        .name("s3driver-probe".into())
        .spawn(move || serve(&listener, encoding))?;
    let seen = fetch(address, encoding);
    if seen.is_err() {
        // The server may still be waiting for its connection.
        drop(std::net::TcpStream::connect_timeout(&address, PATIENCE));
    }
    let served = server.join().unwrap_or_else(|_| Err(io::Error::other("its server failed")));
    served.and(seen)
}

fn serve(listener: &TcpListener, encoding: &str) -> io::Result<()> {
    let (mut peer, _) = listener.accept()?;
    peer.set_read_timeout(Some(PATIENCE))?;
    peer.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut block = [0; 512];
    while !head.ends_with(b"\r\n\r\n") && head.len() < block.len() {
        match peer.read(&mut block)? {
            0 => return Ok(()),
            count => head.extend(block.iter().take(count)),
        }
    }
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=iso-8859-1\r\n\
         content-encoding: {encoding}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        BODY.len()
    );
    peer.write_all(&[response.as_bytes(), BODY].concat())
}

fn fetch(address: SocketAddr, encoding: &str) -> io::Result<Seen> {
    let config = ureq::Agent::config_builder()
        .proxy(None)
        .timeout_connect(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .timeout_per_write(Some(PATIENCE))
        .build();
    let response = ureq::Agent::new_with_config(config)
        .get(format!("http://{address}/"))
        .call()
        .map_err(ureq::Error::into_io)?;
    let kept = response.headers().get("content-encoding").is_some_and(|value| value == encoding);
    let mut body = Vec::new();
    // A body that cannot be decompressed is reported as an error here.
    let longest = BODY.len() as u64 + 1;
    let read = response.into_body().into_reader().take(longest).read_to_end(&mut body);
    Ok(if kept && read.is_ok() && body == BODY { Seen::Unchanged } else { Seen::Changed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Shutdown, TcpStream};

    /// Returns what ureq receives if the server announces another encoding than `expected`.
    fn fetched(sent: &'static str, expected: &str) -> Seen {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            let server = scope.spawn(|| serve(&listener, sent));
            let seen = fetch(address, expected).unwrap();
            server.join().unwrap().unwrap();
            seen
        })
    }

    #[test]
    fn a_body_whose_encoding_is_missing_counts_as_changed() {
        assert!(matches!(fetched("gzip", "gzip"), Seen::Unchanged));
        assert!(matches!(fetched("identity", "gzip"), Seen::Changed));
    }

    #[test]
    fn a_connection_without_a_request_gets_no_response() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        serve(&listener, "gzip").unwrap();
        let mut received = Vec::new();
        peer.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"");
    }
}
