//! TLS: one session over a socket.
//!
//! rustls takes records out of its input 4 KiB at a time and hands every record it made to the writer, so the input is
//! read through a large buffer and the output is gathered into one vectored write of several records.

use super::TlsVerification;
use super::error::{Failure, OptionsError};
use super::stream::{Limits, Step, wait};
use super::trust::Trust;
use rustls::crypto;
use rustls::pki_types::ServerName;
use rustls::{CipherSuite, ClientConfig, ClientConnection};
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// How much is read from the socket at once: eight records. Smaller buffers share the allocator's heap with the blocks in
/// which rustls keeps plain text, and downloads were measured a third dearer then.
const INBOUND: usize = 128 << 10;

/// How much plain text is turned into records before they are sent: four records, one system call. With 256 KiB they no
/// longer fit the processor's caches, which was measured to cost two thirds more.
const OUTBOUND: usize = 64 << 10;

/// Builds the configuration all sessions share, with it the store of sessions that can be resumed.
pub(super) fn config(verification: &TlsVerification, extra_pem: &[u8]) -> Result<Arc<ClientConfig>, OptionsError> {
    // Named here, so that no other crate's choice of a process-wide default can change or break it.
    let mut provider = crypto::ring::default_provider();
    // AES-128 before AES-256, the order of Go and of AWS's own services: fewer rounds, and nothing lost by today's
    // knowledge. The sort is stable, so that the rest stays as rustls has it.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| OptionsError(format!("TLS cannot be set up: {error}")))?;
    let trust = Trust::new(verification, extra_pem, provider)?;
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust)).with_no_client_auth();
    Ok(Arc::new(config))
}

/// A session whose handshake is done.
pub(super) struct Tls {
    session: ClientConnection,
    socket: TcpStream,
    inbound: Inbound,
}

impl Tls {
    /// Makes the handshake. The certificate is judged before a byte of any request is taken.
    pub(super) fn connect(
        config: Arc<ClientConfig>,
        host: &str,
        socket: TcpStream,
        limits: &Limits<'_>,
    ) -> Result<Self, Failure> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| refused(true, error))?;
        let mut session = ClientConnection::new(config, name).map_err(|error| refused(true, error))?;
        session.set_buffer_limit(Some(OUTBOUND));
        let mut tls = Self { session, socket, inbound: Inbound::new() };
        match wait(limits, || tls.handshake_step()) {
            Ok(_) => Ok(tls),
            Err(Failure::Io(error)) => {
                let fatal = error.get_ref().and_then(|inner| inner.downcast_ref()).is_some_and(is_fatal);
                Err(refused(fatal, error))
            }
            Err(other) => Err(other),
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads plain text, with one read of the socket at most. `Moved(0)` is an end that the other side announced;
    /// one it did not announce could be an attacker's cut, and is an error.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Step> {
        let mut may_receive = true;
        loop {
            match self.session.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result.map(Step::Moved),
            }
            if self.inbound.is_empty() && !std::mem::take(&mut may_receive) {
                return Ok(Step::Session);
            }
            self.receive()?;
        }
    }

    /// Whether something was received that nobody has read.
    pub(super) fn has_surplus(&mut self) -> bool {
        !self.inbound.is_empty() || self.session.reader().fill_buf().is_ok_and(|text| !text.is_empty())
    }

    /// Encrypts some of both slices and sends what the socket takes.
    pub(super) fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<Step> {
        if self.session.wants_write() {
            self.session.write_tls(&mut self.socket)?;
            return Ok(Step::Session);
        }
        let taken = self.session.writer().write_vectored(&[IoSlice::new(first), IoSlice::new(second)])?;
        match self.session.write_tls(&mut self.socket) {
            Err(error) if !super::stream::is_tick(&error) => Err(error),
            // What is not sent yet goes out first next time.
            _ => Ok(Step::Moved(taken)),
        }
    }

    /// Sends all that is encrypted; `Session` as long as some is left.
    pub(super) fn flush(&mut self) -> io::Result<Step> {
        if !self.session.wants_write() {
            return Ok(Step::Moved(0));
        }
        self.session.write_tls(&mut self.socket)?;
        Ok(Step::Session)
    }

    fn handshake_step(&mut self) -> io::Result<Step> {
        if self.session.wants_write() {
            self.session.write_tls(&mut self.socket)?;
        } else if !self.session.is_handshaking() {
            return Ok(Step::Moved(0));
        } else if self.receive()? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed during the handshake"));
        }
        Ok(Step::Session)
    }

    fn receive(&mut self) -> io::Result<usize> {
        let count = self.session.read_tls(&mut self.inbound.over(&self.socket))?;
        if let Err(error) = self.session.process_new_packets() {
            // The alert that tells the other side why; it does not matter whether it arrives.
            let _ = self.session.write_tls(&mut self.socket);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(count)
    }
}

fn refused(fatal: bool, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Tls { fatal, error: Box::new(error) }
}

/// Whether the same server would be refused again.
fn is_fatal(error: &rustls::Error) -> bool {
    use rustls::Error::{InvalidCertificate, NoCertificatesPresented, PeerIncompatible, UnsupportedNameType};
    matches!(error, InvalidCertificate(_) | NoCertificatesPresented | PeerIncompatible(_) | UnsupportedNameType)
}

/// Bytes received and not yet taken by the session.
struct Inbound {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbound {
    fn new() -> Self {
        Self { bytes: vec![0; INBOUND].into_boxed_slice(), start: 0, end: 0 }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn over<'a>(&'a mut self, socket: &'a TcpStream) -> impl Read + 'a {
        struct Over<'a>(&'a mut Inbound, &'a TcpStream);
        impl Read for Over<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let Self(inbound, socket) = self;
                if inbound.is_empty() {
                    (inbound.start, inbound.end) = (0, 0);
                    inbound.end = socket.read(&mut inbound.bytes)?;
                }
                let ready = inbound.bytes.get(inbound.start..inbound.end).unwrap_or_default();
                let count = ready.len().min(into.len());
                into[..count].copy_from_slice(&ready[..count]);
                inbound.start += count;
                Ok(count)
            }
        }
        Over(self, socket)
    }
}
