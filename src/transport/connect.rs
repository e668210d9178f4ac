//! From an origin to a connection: name lookup, TCP, proxy, TLS.

use super::connection::Connection;
use super::error::{Failure, NoConnection, Obstacle, Party};
use super::race::race;
use super::stream::Stream;
use super::tls::Tls;
use super::trace::Trace;
use super::wait::{Limits, TICK};
use crate::net::host::Scheme;
use crate::net::origin::{Origin, authority};
use crate::net::proxy::Proxy;
use crate::net::proxy_choice::ProxyChoice;
use crate::sync;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long the addresses of a name are cached. S3 changes them every few seconds to spread load;
/// the cache saves lookups when threads start at about the same time.
const NAME_LIFETIME: Duration = Duration::from_secs(5);

/// The maximum number of cached names; a client uses a handful.
const MAX_NAMES: usize = 64;

/// The maximum number of addresses tried per name, from both families if the name has both.
const MAX_ADDRESSES: usize = 8;

/// The maximum number of addresses considered per name. Amazon's dual-stack names have eight of
/// each family.
const MAX_LOOKED_AT: usize = 64;

type Names = Mutex<HashMap<(String, u16), (Vec<SocketAddr>, Instant)>>;

/// A factory for connections.
pub(super) struct Connector {
    tls: Arc<ClientConfig>,
    proxy: ProxyChoice,
    timeout: Duration,
    idle: Duration,
    names: Arc<Names>,
}

impl Connector {
    pub(super) fn new(
        tls: Arc<ClientConfig>,
        proxy: ProxyChoice,
        timeout: Duration,
        idle: Duration,
    ) -> Self {
        Self { tls, proxy, timeout, idle, names: Arc::default() }
    }

    /// Opens a connection to `origin` within the connect timeout, which includes the proxy and TLS.
    pub(super) fn connect(
        &self,
        origin: &Origin,
        limits: &Limits<'_>,
        trace: Option<&Trace>,
    ) -> Result<Connection, Failure> {
        let limits = Limits { idle: self.timeout, ..*limits }.within(self.timeout);
        let began = trace.map(|trace| (trace, Instant::now()));
        let elapsed = || began.map(|(trace, began)| (trace, began.elapsed()));
        let proxy = self.proxy.of(origin);
        let place = match proxy {
            Some(proxy) => {
                Place { party: Party::Proxy, host: proxy.host().to_owned(), port: proxy.port() }
            }
            None => Place { party: Party::Server, host: origin.host.clone(), port: origin.port },
        };
        let socket = self.dial(&place, &limits)?;
        let stream = Stream::new(socket, self.idle)
            .map_err(|error| place.failure(Obstacle::Local, error))?;
        let mut connection = Connection::new(stream, origin.clone());
        if origin.scheme == Scheme::Http {
            elapsed().inspect(|(trace, time)| trace.connected(*time));
            return Ok(connection);
        }
        if let Some(proxy) = proxy {
            open_tunnel(proxy, &place, &mut connection, &limits)?;
        }
        let Stream::Plain(plain) = connection.stream else { return Ok(connection) };
        let connected = elapsed();
        connected.inspect(|(trace, time)| trace.connected(*time));
        let tls = Tls::connect(self.tls.clone(), &origin.host, plain.socket, &limits)?;
        if let (Some((_, before)), Some((trace, time))) = (connected, elapsed()) {
            trace.secured(time.saturating_sub(before));
        }
        Ok(Connection::new(Stream::Tls(Box::new(tls)), origin.clone()))
    }

    /// Returns the proxy-specific parts of a plain-HTTP request: the prefix of the target and the
    /// authorization.
    pub(super) fn absolute_form(&self, origin: &Origin) -> Option<(String, Option<&str>)> {
        let proxy = self.proxy.of(origin).filter(|_| origin.scheme == Scheme::Http)?;
        Some((format!("http://{}", origin.host_header()), proxy.authorization()))
    }

    /// Connects in a separate thread, because neither a name lookup nor a connect can be
    /// interrupted. If the caller gives up, the thread still runs until the connect timeout (or the
    /// timeout of the system resolver).
    fn dial(&self, place: &Place, limits: &Limits<'_>) -> Result<TcpStream, Failure> {
        limits.check()?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let (other_end, names) = (place.clone(), self.names.clone());
        let deadline = limits.deadline.unwrap_or_else(Instant::now);
        thread::Builder::new()
            .name("s3driver-connect".into())
            .spawn(move || {
                // The receiver may be gone.
                let _ = sender.send(dial_any(&names, &other_end, deadline));
            })
            .map_err(|error| place.failure(Obstacle::Local, error))?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match receiver.recv_timeout(TICK.min(left)) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => match limits.check() {
                    // The thread ends at the same moment, and names the addresses that it tried.
                    Err(Failure::Timeout) => {
                        return receiver.recv_timeout(TICK).unwrap_or(Err(Failure::Timeout));
                    }
                    result => result?,
                },
                Err(RecvTimeoutError::Disconnected) => {
                    let error = io::Error::other("the connecting thread ended without a result");
                    return Err(place.failure(Obstacle::Local, error));
                }
            }
        }
    }
}

/// The other end of the TCP connection.
#[derive(Clone)]
struct Place {
    party: Party,
    host: String,
    port: u16,
}

impl Place {
    fn failure(&self, obstacle: Obstacle, error: io::Error) -> Failure {
        let name = match obstacle {
            Obstacle::Name => self.host.clone(),
            _ => authority(&self.host, self.port),
        };
        Failure::Connect(NoConnection::new(self.party, obstacle, name, error))
    }
}

#[cfg(test)]
impl Connector {
    pub(super) fn known_names(&self) -> usize {
        self.names.lock().unwrap().len()
    }

    pub(super) fn forget_names(&self) {
        self.names.lock().unwrap().clear();
    }
}

/// Connects to one of the addresses of a name.
fn dial_any(names: &Names, place: &Place, deadline: Instant) -> Result<TcpStream, Failure> {
    let addresses = lookup(names, place).map_err(|error| place.failure(Obstacle::Name, error))?;
    race(&addresses, deadline).map_err(|reason| {
        sync::lock(names).remove(&(place.host.clone(), place.port));
        match reason {
            Some(error) => place.failure(Obstacle::Tcp, error),
            None => {
                let error = io::Error::new(io::ErrorKind::NotFound, "it has no address");
                place.failure(Obstacle::Name, error)
            }
        }
    })
}

fn lookup(names: &Names, place: &Place) -> io::Result<Vec<SocketAddr>> {
    let key = (place.host.clone(), place.port);
    if let Some((addresses, at)) = sync::lock(names).get(&key)
        && at.elapsed() < NAME_LIFETIME
    {
        return Ok(addresses.clone());
    }
    let found: Vec<_> =
        (place.host.as_str(), place.port).to_socket_addrs()?.take(MAX_LOOKED_AT).collect();
    let addresses = in_turns(&found);
    let mut names = sync::lock(names);
    if names.len() >= MAX_NAMES {
        names.clear();
    }
    names.insert(key, (addresses.clone(), Instant::now()));
    Ok(addresses)
}

/// Returns the addresses to try, alternating between both families and starting with the one that
/// the resolver put first (RFC 8305, section 4), so that an unreachable family does not use up all
/// attempts.
fn in_turns(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let six_first = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        found.iter().copied().partition(|address| address.is_ipv6() == six_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::with_capacity(MAX_ADDRESSES);
    while turns.len() < MAX_ADDRESSES {
        let before = turns.len();
        turns.extend(first.next());
        turns.extend(second.next());
        if turns.len() == before {
            break;
        }
    }
    turns.truncate(MAX_ADDRESSES);
    turns
}

/// Requests a tunnel to the connection's origin (RFC 9110, 9.3.6).
fn open_tunnel(
    proxy: &Proxy,
    place: &Place,
    connection: &mut Connection,
    limits: &Limits<'_>,
) -> Result<(), Failure> {
    let authority = connection.origin.authority();
    let authorization = proxy.authorization().map(|value| ("proxy-authorization", value));
    let mut request = Vec::new();
    let headers = [("host", authority.as_str())].into_iter().chain(authorization);
    super::head::write_request(&mut request, "CONNECT", ("", &authority), headers, None)
        .map_err(Failure::InvalidRequest)?;
    let head = super::exchange::bare(connection, "CONNECT", &request, limits)?;
    match head.status {
        200..300 if connection.buffered().is_empty() => Ok(()),
        200..300 => {
            Err(Failure::Protocol("the proxy sent more than its response to CONNECT".into()))
        }
        status => {
            Err(place.failure(Obstacle::Tunnel(status), io::Error::other("CONNECT was refused")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Case 39: with eight unreachable addresses and one that works, only one attempt can succeed.
    #[test]
    fn case_39_addresses_of_both_families_take_turns() {
        let address = |text: &str| SocketAddr::new(text.parse().expect("an address"), 443);
        let six: Vec<_> = (1..=8).map(|n| address(&format!("2001:db8::{n}"))).collect();
        let four: Vec<_> = (1..=8).map(|n| address(&format!("192.0.2.{n}"))).collect();
        let found = [&six[..], &four[..1]].concat();
        let tried = in_turns(&found);
        assert_eq!(tried[..3], [six[0], four[0], six[1]]);
        assert_eq!((tried.len(), &tried[3..]), (MAX_ADDRESSES, &six[2..7]));
        let tried = in_turns(&[&four[..], &six[..]].concat());
        assert_eq!(tried, [four[0], six[0], four[1], six[1], four[2], six[2], four[3], six[3]]);
        assert_eq!(in_turns(&six), six);
        assert_eq!(in_turns(&four[..2]), four[..2]);
        assert_eq!(in_turns(&[]), []);
    }
}
