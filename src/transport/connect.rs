//! From an origin to a connection: name lookup, TCP, proxy, TLS.

use super::connection::Connection;
use super::error::Failure;
use super::stream::Stream;
use super::tls::Tls;
use super::wait::{Limits, TICK};
use crate::net::host::Scheme;
use crate::net::origin::Origin;
use crate::net::proxy::Proxy;
use crate::sync;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long the addresses of a name are believed. S3 changes them every few seconds to spread load; this spares the
/// lookups of threads that start together.
const NAME_LIFETIME: Duration = Duration::from_secs(5);

/// Most names remembered; a client speaks to a handful.
const MAX_NAMES: usize = 64;

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

type Names = Mutex<HashMap<(String, u16), (Vec<SocketAddr>, Instant)>>;

/// Opens connections.
pub(super) struct Connector {
    tls: Arc<ClientConfig>,
    proxy: Option<Proxy>,
    timeout: Duration,
    idle: Duration,
    names: Arc<Names>,
}

impl Connector {
    pub(super) fn new(tls: Arc<ClientConfig>, proxy: Option<Proxy>, timeout: Duration, idle: Duration) -> Self {
        Self { tls, proxy, timeout, idle, names: Arc::default() }
    }

    /// Opens a connection to `origin`, TLS and proxy included, within the connect timeout.
    pub(super) fn connect(&self, origin: &Origin, limits: &Limits<'_>) -> Result<Connection, Failure> {
        let limits = Limits { idle: self.timeout, ..*limits }.within(self.timeout);
        let (host, port) = match &self.proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (origin.host.as_str(), origin.port),
        };
        let socket = self.dial(host, port, &limits)?;
        let stream = Stream::new(socket, self.idle).map_err(Failure::Connect)?;
        let mut connection = Connection::new(stream, origin.clone());
        if origin.scheme == Scheme::Http {
            return Ok(connection);
        }
        if let Some(proxy) = &self.proxy {
            open_tunnel(proxy, &mut connection, &limits)?;
        }
        let Stream::Plain(socket) = connection.stream else { return Ok(connection) };
        let tls = Tls::connect(self.tls.clone(), &origin.host, socket, &limits)?;
        Ok(Connection::new(Stream::Tls(Box::new(tls)), origin.clone()))
    }

    /// What a plain-http request carries for the proxy: the target's prefix, and the authorization.
    pub(super) fn absolute_form(&self, origin: &Origin) -> Option<(String, Option<&str>)> {
        let proxy = self.proxy.as_ref().filter(|_| origin.scheme == Scheme::Http)?;
        Some((format!("http://{}", origin.host_header()), proxy.authorization()))
    }

    /// Connects in a thread of its own, because neither a name lookup nor a connect can be interrupted: a caller who
    /// gives up leaves the thread behind, to end at the connect timeout (or the system resolver's).
    fn dial(&self, host: &str, port: u16, limits: &Limits<'_>) -> Result<TcpStream, Failure> {
        limits.check()?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let (host, names) = (host.to_owned(), self.names.clone());
        let deadline = limits.deadline.unwrap_or_else(Instant::now);
        thread::Builder::new()
            .name("s3driver-connect".into())
            .spawn(move || {
                // Nobody may be listening any more.
                let _ = sender.send(dial_any(&names, host, port, deadline));
            })
            .map_err(Failure::Connect)?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match receiver.recv_timeout(TICK.min(left)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => return Err(Failure::Timeout),
                Ok(result) => return result.map_err(Failure::Connect),
                Err(RecvTimeoutError::Timeout) => limits.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Connect(io::Error::other("the connecting thread ended without a result")));
                }
            }
        }
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

/// Tries every address in the resolver's order, each with an even share of the time that is left.
fn dial_any(names: &Names, host: String, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let key = (host, port);
    let addresses = lookup(names, &key)?;
    let mut last = None;
    for (at, address) in addresses.iter().enumerate() {
        let left =
            deadline.saturating_duration_since(Instant::now()) / u32::try_from(addresses.len() - at).unwrap_or(1);
        if left.is_zero() {
            last = Some(io::ErrorKind::TimedOut.into());
            break;
        }
        match TcpStream::connect_timeout(address, left) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    sync::lock(names).remove(&key);
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("the name {} has no address", key.0))))
}

fn lookup(names: &Names, key: &(String, u16)) -> io::Result<Vec<SocketAddr>> {
    if let Some((addresses, at)) = sync::lock(names).get(key)
        && at.elapsed() < NAME_LIFETIME
    {
        return Ok(addresses.clone());
    }
    let (host, port) = key;
    let addresses: Vec<_> = (host.as_str(), *port)
        .to_socket_addrs()
        .map_err(|error| io::Error::new(error.kind(), format!("the name {host} cannot be looked up: {error}")))?
        .take(MAX_ADDRESSES)
        .collect();
    let mut names = sync::lock(names);
    if names.len() >= MAX_NAMES {
        names.clear();
    }
    names.insert(key.clone(), (addresses.clone(), Instant::now()));
    Ok(addresses)
}

/// Asks for a tunnel to the connection's origin (RFC 9110, 9.3.6).
fn open_tunnel(proxy: &Proxy, connection: &mut Connection, limits: &Limits<'_>) -> Result<(), Failure> {
    let authority = connection.origin.authority();
    let authorization = proxy.authorization().map(|value| ("proxy-authorization", value));
    let mut request = Vec::new();
    let headers = [("host", authority.as_str())].into_iter().chain(authorization);
    super::head::write_request(&mut request, "CONNECT", ("", &authority), headers, None)
        .map_err(Failure::InvalidRequest)?;
    let head = super::exchange::bare(connection, "CONNECT", &request, limits)?;
    match head.status {
        200..300 if connection.buffered().is_empty() => Ok(()),
        200..300 => Err(Failure::Protocol("the proxy sent more than the reply to CONNECT".into())),
        407 => Err(Failure::Connect(io::Error::other("the proxy wants other credentials (407)"))),
        status => Err(Failure::Connect(io::Error::other(format!("the proxy refused the tunnel with status {status}")))),
    }
}
