//! The socket of a connection, with or without TLS.
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use rustls::{ALL_VERSIONS, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

/// The lowest version of TLS that clients may use (`http.tls.minimumtls`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Minimum {
    #[default]
    Tls12,
    Tls13,
}

impl Minimum {
    /// Parses Distribution's names. Older versions than 1.2 are not supported by rustls, so
    /// requesting one permits no more than the default.
    pub(crate) fn parse(name: Option<&str>) -> Result<Self, String> {
        match name {
            None | Some("" | "tls1.0" | "tls1.1" | "tls1.2") => Ok(Self::Tls12),
            Some("tls1.3") => Ok(Self::Tls13),
            Some(_) => {
                Err("http.tls.minimumtls must be tls1.0, tls1.1, tls1.2 or tls1.3".to_owned())
            }
        }
    }

    const fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];
        match self {
            Self::Tls12 => ALL_VERSIONS,
            Self::Tls13 => &NEWEST,
        }
    }
}

/// Reads a certificate chain and its key from PEM files.
pub(crate) fn configuration(
    certificate: &Path,
    key: &Path,
    minimum: Minimum,
) -> Result<Arc<ServerConfig>, String> {
    let readable =
        |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| readable(certificate, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| readable(key, &error))?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(minimum.versions())
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map(Arc::new)
        .map_err(|error| {
            format!("the certificate {} cannot be used: {error}", certificate.display())
        })
}

/// Accepts a connection. A TLS handshake must be complete within `time`.
pub(crate) fn accept(
    mut socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    time: Duration,
) -> io::Result<Socket> {
    let Some(tls) = tls else { return Ok(Socket::Plain(socket)) };
    let mut connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    let deadline = Instant::now() + time;
    while connection.is_handshaking() {
        if connection.wants_write() {
            connection.write_tls(&mut socket)?;
            continue;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        if connection.read_tls(&mut socket)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = connection.process_new_packets() {
            // This sends the alert that states the reason.
            drop(connection.write_tls(&mut socket));
            return Err(io::Error::other(error));
        }
    }
    Ok(Socket::Tls(Box::new(StreamOwned::new(connection, socket))))
}

impl Socket {
    /// Returns the underlying connection, for its timeouts.
    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    /// Closes the sending direction.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.tcp().shutdown(Shutdown::Write)
    }
}

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(out),
            Self::Tls(stream) => stream.read(out),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
