//! The choice among the addresses of a server (RFC 8305, section 5).

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long an attempt to connect runs before the next address is tried as well (RFC 8305, section
/// 5 recommends 250 ms).
pub(super) const HEAD_START: Duration = Duration::from_millis(250);

/// The failure of every attempt.
#[derive(Debug)]
pub(super) struct NoWinner {
    /// How many of the addresses were tried, from the first one on.
    pub(super) tried: usize,
    /// An error that names each address that was tried; `None` if there is no address.
    pub(super) error: Option<io::Error>,
}

/// Returns the first connection to any of the addresses, with its address.
///
/// An attempt begins when the previous one has failed, or after [`HEAD_START`]. An unreachable
/// address therefore costs at most that time instead of its share of the connect timeout. The
/// thread of a slower attempt ends at the deadline at the latest, and closes the connection it
/// opened.
pub(super) fn race(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<(SocketAddr, TcpStream), NoWinner> {
    race_with(addresses, deadline, |attempt| {
        thread::Builder::new().name("s3driver-connect".into()).spawn(attempt).map(drop)
    })
}

/// An attempt to connect, which sends its result to the thread that waits for the first one.
type Attempt = Box<dyn FnOnce() + Send>;

/// Like [`race`], with the function that starts a thread.
pub(super) fn race_with(
    addresses: &[SocketAddr],
    deadline: Instant,
    mut start: impl FnMut(Attempt) -> io::Result<()>,
) -> Result<(SocketAddr, TcpStream), NoWinner> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let time = left();
    if let (&[only], false) = (addresses, time.is_zero()) {
        return TcpStream::connect_timeout(&only, time)
            .map(|socket| (only, socket))
            .map_err(|error| NoWinner { tried: 1, error: Some(error) });
    }
    // Room for the result of every attempt, so that no thread blocks when the receiver is gone.
    let (sender, receiver) = mpsc::sync_channel(addresses.len());
    let mut waiting = addresses.iter();
    let (mut running, mut failed) = (Vec::new(), Vec::new());
    loop {
        let time = left();
        if time.is_zero() {
            let late = running.drain(..).map(|address| (address, io::ErrorKind::TimedOut.into()));
            failed.extend(late);
            let error = summary(&failed).or_else(|| Some(io::ErrorKind::TimedOut.into()));
            return Err(NoWinner { tried: failed.len(), error });
        }
        if let Some(&address) = waiting.next() {
            let sender = sender.clone();
            let attempt = move || {
                let _ = sender.send((address, TcpStream::connect_timeout(&address, time)));
            };
            match start(Box::new(attempt)) {
                Ok(()) => running.push(address),
                // Without another thread, the addresses are tried one after the other.
                Err(_) if running.is_empty() => {
                    let left = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
                    match TcpStream::connect_timeout(&address, time / left.saturating_add(1)) {
                        Ok(socket) => return Ok((address, socket)),
                        Err(error) => failed.push((address, error)),
                    }
                }
                Err(error) => failed.push((address, error)),
            }
        }
        if running.is_empty() {
            if waiting.len() == 0 {
                return Err(NoWinner { tried: failed.len(), error: summary(&failed) });
            }
            continue;
        }
        let timeout = if waiting.len() > 0 { HEAD_START.min(time) } else { time };
        match receiver.recv_timeout(timeout) {
            Ok((address, Ok(socket))) => return Ok((address, socket)),
            Ok((address, Err(error))) => {
                if let Some(at) = running.iter().position(|other| *other == address) {
                    running.remove(at);
                }
                failed.push((address, error));
            }
            Err(_) => {}
        }
    }
}

/// Combines the errors of all attempts. The kind is that of the first address that did more than
/// remain silent.
fn summary(failed: &[(SocketAddr, io::Error)]) -> Option<io::Error> {
    let (_, first) = failed.first()?;
    let kinds = failed.iter().map(|(_, error)| error.kind());
    let kind = kinds.into_iter().find(|kind| *kind != io::ErrorKind::TimedOut);
    let texts: Vec<_> =
        failed.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    Some(io::Error::new(kind.unwrap_or_else(|| first.kind()), texts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_addresses_are_tried_in_turn_when_no_thread_can_be_started() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let open = listener.local_addr().expect("a bound socket");
        let closed: Vec<SocketAddr> = (0..3)
            .map(|_| {
                let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
                listener.local_addr().expect("a bound socket")
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        let none = |_: Attempt| Err(io::ErrorKind::WouldBlock.into());

        let connected = race_with(&[closed[0], closed[1], open, closed[2]], deadline, none);
        assert_eq!(connected.expect("one listens").0, open);

        let error = race_with(&closed, deadline, none).expect_err("none listens");
        assert_eq!(error.tried, closed.len());
        let error = error.error.expect("an address was tried");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let text = error.to_string();
        assert!(closed.iter().all(|address| text.contains(&address.to_string())), "{text}");
    }
}
