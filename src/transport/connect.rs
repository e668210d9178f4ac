//! From an origin to a connection: name lookup, TCP, proxy, TLS.

use super::connection::Connection;
use super::error::{Failure, NoConnection, Obstacle, Party};
use super::names::{Key, Names};
use super::race::{NoWinner, race};
use super::stream::Stream;
use super::tls::Tls;
use super::trace::Trace;
use super::wait::{Limits, TICK};
use crate::net::host::Scheme;
use crate::net::origin::{Origin, authority};
use crate::net::proxy::Proxy;
use crate::net::proxy_choice::ProxyChoice;
use rustls::ClientConfig;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

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
        let place = self.place_of(origin);
        let (address, socket) = self.dial(&place, &limits)?;
        let stream = Stream::new(socket, self.idle)
            .map_err(|error| place.failure(Obstacle::Local, error))?;
        let connection = Connection::new(stream, origin.clone(), address);
        if origin.scheme == Scheme::Http {
            began.inspect(|(trace, began)| trace.connected(began.elapsed()));
            return Ok(connection);
        }
        self.secure(connection, &place, &limits, began).inspect_err(|failure| {
            if !matches!(failure, Failure::Cancelled | Failure::InvalidRequest(_)) {
                self.names.failed(&place.key, address);
            }
        })
    }

    /// Opens a tunnel if there is a proxy, and performs the TLS handshake.
    fn secure(
        &self,
        mut connection: Connection,
        place: &Place,
        limits: &Limits<'_>,
        began: Option<(&Trace, Instant)>,
    ) -> Result<Connection, Failure> {
        if let Some(proxy) = self.proxy.of(&connection.origin) {
            open_tunnel(proxy, place, &mut connection, limits)?;
        }
        let Connection { stream: Stream::Plain(plain), origin, address, .. } = connection else {
            return Ok(connection);
        };
        let elapsed = || began.map(|(trace, began)| (trace, began.elapsed()));
        let connected = elapsed();
        connected.inspect(|(trace, time)| trace.connected(*time));
        let tls = Tls::connect(self.tls.clone(), &origin.host, plain.socket, limits)?;
        if let (Some((_, before)), Some((trace, time))) = (connected, elapsed()) {
            trace.secured(time.saturating_sub(before));
        }
        Ok(Connection::new(Stream::Tls(Box::new(tls)), origin, address))
    }

    /// Lets the next connection try the other addresses of the server (or its proxy) first, because
    /// this one was accepted and then failed.
    pub(super) fn avoid_peer(&self, connection: &Connection) {
        self.names.failed(&self.place_of(&connection.origin).key, connection.address);
    }

    /// Returns the other end of the TCP connections for requests to `origin`.
    fn place_of(&self, origin: &Origin) -> Place {
        let (party, key) = match self.proxy.of(origin) {
            Some(proxy) => (Party::Proxy, (proxy.host().to_owned(), proxy.port())),
            None => (Party::Server, (origin.host.clone(), origin.port)),
        };
        Place { party, key }
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
    fn dial(&self, place: &Place, limits: &Limits<'_>) -> Result<(SocketAddr, TcpStream), Failure> {
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
    key: Key,
}

impl Place {
    fn failure(&self, obstacle: Obstacle, error: io::Error) -> Failure {
        let (host, port) = &self.key;
        let name = match obstacle {
            Obstacle::Name => host.clone(),
            _ => authority(host, *port),
        };
        Failure::Connect(NoConnection::new(self.party, obstacle, name, error))
    }
}

#[cfg(test)]
impl Connector {
    pub(super) fn names(&self) -> &Names {
        &self.names
    }
}

/// Connects to one of the addresses of a name, and remembers those that failed.
fn dial_any(
    names: &Names,
    place: &Place,
    deadline: Instant,
) -> Result<(SocketAddr, TcpStream), Failure> {
    let addresses =
        names.lookup(&place.key).map_err(|error| place.failure(Obstacle::Name, error))?;
    match race(&addresses, deadline) {
        Ok((winner, socket)) => {
            names.won(&place.key, &addresses, winner);
            Ok((winner, socket))
        }
        Err(NoWinner { tried, error }) => {
            names.none_won(&place.key, addresses.get(..tried).unwrap_or_default());
            Err(match error {
                Some(error) => place.failure(Obstacle::Tcp, error),
                None => {
                    let error = io::Error::new(io::ErrorKind::NotFound, "it has no address");
                    place.failure(Obstacle::Name, error)
                }
            })
        }
    }
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
