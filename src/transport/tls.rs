//! A TLS session over a socket.
//!
//! This module uses the unbuffered interface of rustls: records are decrypted in the buffer that
//! the socket was read into, and encrypted into a buffer that is sent with one write. The buffered
//! interface copies each received byte once more, and all bytes between heap blocks whose positions
//! make some processors copy them thirty times more slowly (`PERFORMANCE.md`, "https").

use super::error::{Failure, OptionsError};
use super::options::TransportOptions;
use super::problem::TlsProblem;
use super::trust::{Trust, identity};
use super::wait::{Limits, Step, is_tick, wait};
use rustls::client::UnbufferedClientConnection;
use rustls::crypto;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{CipherSuite, ClientConfig, Error};
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// How much is read from the socket at once: seven records of the maximum size. The longest
/// handshake message that rustls accepts, 64 KiB, must fit.
const INBOUND: usize = 128 << 10;

/// How much plain text is encrypted before it is sent with one system call: four records that fit
/// into one TCP segment. 64 KiB do not fit, and a second, tiny segment per call was measured to
/// slow an upload by a tenth.
const OUTBOUND: usize = 60 << 10;

/// The types of TLS records: change_cipher_spec, alert, handshake, application_data and heartbeat.
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=24;

/// The beginning of an alert: its type, and the first byte of the version in SSL 3 and every
/// version of TLS.
const ALERT: [u8; 2] = [21, 3];

/// Returns whether bytes that should begin a response over plain TCP are an alert of a TLS server.
pub(super) fn is_alert(bytes: &[u8]) -> bool {
    bytes.starts_with(&ALERT)
}

/// Builds the configuration that all sessions share, including the store of sessions that can be
/// resumed.
pub(super) fn config(options: &TransportOptions) -> Result<Arc<ClientConfig>, OptionsError> {
    // Chosen explicitly, so that another crate's process-wide default cannot change or break it.
    let mut provider = crypto::ring::default_provider();
    // Prefer AES-128 to AES-256, as Go and AWS's own services do: it needs fewer rounds, and no
    // disadvantage is known today. The sort is stable, so the other suites keep the order that
    // rustls gives them.
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| OptionsError(format!("TLS cannot be set up: {error}")))?;
    let trust =
        Trust::new(options.verification, options.trust_store, &options.extra_roots_pem, provider)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust));
    let config = match &options.client_certificate {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let (chain, key) = identity(own)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                OptionsError(format!("the client certificate and its key cannot be used: {error}"))
            })?
        }
    };
    Ok(Arc::new(config))
}

/// A session whose handshake is complete.
pub(super) struct Tls {
    session: UnbufferedClientConnection,
    socket: TcpStream,
    inbound: Inbound,
    plain: Plain,
    outbound: Outbound,
    /// `true` once the peer has announced that it will send no more data.
    ended: bool,
}

/// The state in which the session cannot proceed without its caller.
enum Turn {
    /// The session decrypted a record, of which this many bytes were written for the caller.
    Opened(usize),
    /// The session needs more records, or there is none to decrypt.
    Waiting,
}

impl Tls {
    /// Performs the handshake. The certificate is verified before any byte of a request is
    /// accepted.
    pub(super) fn connect(
        config: Arc<ClientConfig>,
        host: &str,
        socket: TcpStream,
        limits: &Limits<'_>,
    ) -> Result<Self, Failure> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| refused(TlsProblem::HostName, error))?;
        let session = UnbufferedClientConnection::new(config, name)
            .map_err(|error| refused(TlsProblem::of(&error), error))?;
        let (inbound, plain, outbound) = (Inbound::new(), Plain::default(), Outbound::default());
        let mut tls = Self { session, socket, inbound, plain, outbound, ended: false };
        match wait(limits, || tls.handshake_step()) {
            Ok(_) => Ok(tls),
            Err(Failure::Io(error)) => {
                let problem = match session_error(&error) {
                    _ if tls.inbound.is_foreign() => TlsProblem::PlainServer,
                    Some(error) => TlsProblem::of(error),
                    None => TlsProblem::Broken,
                };
                Err(refused(problem, error))
            }
            Err(other) => Err(other),
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Returns the server's own certificate, in DER.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        self.session.peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Reads plain text with at most one read of the socket. `Moved(0)` is an end that the peer
    /// announced. An end that was not announced could be caused by an attacker, and is an error.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Step> {
        let kept = self.plain.read(into);
        if kept > 0 {
            return Ok(Step::Moved(kept));
        }
        let mut may_receive = true;
        loop {
            match self.turn(into, &[])? {
                // A record may be empty.
                Turn::Opened(0) => {}
                Turn::Opened(count) => return Ok(Step::Moved(count)),
                Turn::Waiting if self.ended => return Ok(Step::Moved(0)),
                Turn::Waiting if std::mem::take(&mut may_receive) => {
                    if self.inbound.receive(&self.socket)? == 0 {
                        return Err(closed(
                            "the connection was closed in the middle of a TLS session",
                        ));
                    }
                }
                Turn::Waiting => return Ok(Step::Session),
            }
        }
    }

    /// Returns whether there is received data that has not been read.
    pub(super) fn has_surplus(&mut self) -> bool {
        // Records of the session itself do not count, but a record that is still incomplete could
        // be of any type.
        while matches!(self.turn(&mut [], &[]), Ok(Turn::Opened(_))) {}
        !self.plain.is_empty() || !self.inbound.is_empty()
    }

    /// Returns whether the last read of the socket may have left bytes in it.
    pub(super) fn may_hold_more(&self) -> bool {
        self.inbound.is_full
    }

    /// Encrypts some of both slices and sends as much as the socket accepts.
    pub(super) fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<Step> {
        if !self.outbound.is_empty() {
            self.outbound.send(&self.socket)?;
            return Ok(Step::Session);
        }
        let text = joined(first, second);
        // If a response has already been received, it is decrypted and kept, as far as it was read
        // from the socket.
        while let Turn::Opened(_) = self.turn(&mut [], &text)? {}
        match self.outbound.send(&self.socket) {
            Err(error) if !is_tick(&error) => Err(error),
            // The unsent rest is sent first by the next call.
            _ => Ok(Step::Moved(text.len())),
        }
    }

    /// Sends all encrypted data; returns `Session` while some of it is left.
    pub(super) fn flush(&mut self) -> io::Result<Step> {
        if self.outbound.is_empty() {
            return Ok(Step::Moved(0));
        }
        self.outbound.send(&self.socket)?;
        Ok(Step::Session)
    }

    fn handshake_step(&mut self) -> io::Result<Step> {
        const CLOSED: &str = "the connection was closed during the handshake";
        if !self.outbound.is_empty() {
            self.outbound.send(&self.socket)?;
            return Ok(Step::Session);
        }
        let turn = self.turn(&mut [], &[])?;
        if !self.outbound.is_empty() {
            return Ok(Step::Session);
        }
        if !self.session.is_handshaking() {
            return Ok(Step::Moved(0));
        }
        match turn {
            Turn::Waiting if self.ended => Err(closed(CLOSED)),
            Turn::Waiting if self.inbound.receive(&self.socket)? == 0 => Err(closed(CLOSED)),
            Turn::Waiting | Turn::Opened(_) => Ok(Step::Session),
        }
    }

    /// Lets the session process the received data, up to one record of plain text. The plain text
    /// is written to `into`; the part that does not fit is kept. When there is nothing left to
    /// decrypt, `text` is encrypted into records.
    fn turn(&mut self, into: &mut [u8], text: &[u8]) -> io::Result<Turn> {
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process_tls_records(self.inbound.filled());
            let turn = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => match traffic.next_record() {
                    Some(Ok(record)) => {
                        discard += record.discard;
                        Ok(Some(Turn::Opened(self.plain.hand_over(record.payload, into))))
                    }
                    Some(Err(error)) => Err(error),
                    None => Ok(None),
                },
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    self.outbound.append(|room| data.encode(room))?;
                    Ok(None)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    // The data is in `outbound` already, ahead of all later data.
                    data.done();
                    Ok(None)
                }
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    self.outbound.seal(traffic, text)?;
                    Ok(Some(Turn::Waiting))
                }
                Ok(ConnectionState::BlockedHandshake) => Ok(Some(Turn::Waiting)),
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = true;
                    Ok(None)
                }
                Ok(other) => Err(rustls::Error::General(format!(
                    "a TLS client cannot be in the state {other:?}"
                ))),
                Err(error) => Err(error),
            };
            self.inbound.discard(discard);
            match turn {
                Ok(None) => {}
                Ok(Some(turn)) => return Ok(turn),
                Err(error) => {
                    self.alert();
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
    }

    /// Sends the peer an alert with the reason why the session ends. Delivery is not guaranteed.
    fn alert(&mut self) {
        let UnbufferedStatus { state, .. } =
            self.session.process_tls_records(self.inbound.filled());
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = state
            && self.outbound.append(|room| data.encode(room)).is_ok()
        {
            let _ = self.outbound.send(&self.socket);
        }
    }
}

/// Returns the start of `first` followed by `second`, so that a head and its body share records.
fn joined<'a>(first: &'a [u8], second: &'a [u8]) -> Cow<'a, [u8]> {
    let first = first.get(..OUTBOUND).unwrap_or(first);
    let second = second.get(..OUTBOUND - first.len()).unwrap_or(second);
    match (first, second) {
        (text, []) | ([], text) => Cow::Borrowed(text),
        (first, second) => Cow::Owned([first, second].concat()),
    }
}

fn refused(problem: TlsProblem, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Tls(problem, Box::new(error))
}

/// Classifies a failure after the handshake: under TLS 1.3, a server refuses a client only then.
pub(super) fn named(failure: Failure) -> Failure {
    let Failure::Io(error) = failure else { return failure };
    match session_error(&error) {
        Some(alert @ Error::AlertReceived(_)) if TlsProblem::of(alert).is_permanent() => {
            refused(TlsProblem::of(alert), error)
        }
        _ => Failure::Io(error),
    }
}

/// Returns the error of the TLS session inside an error of its stream.
fn session_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn closed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}

/// A buffer of records that were received but not yet decrypted.
struct Inbound {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// `true` if the last read of the socket used all the room that it was given.
    is_full: bool,
    /// The first byte that was received over the connection.
    first: Option<u8>,
}

impl Inbound {
    fn new() -> Self {
        Self {
            bytes: vec![0; INBOUND].into_boxed_slice(),
            start: 0,
            end: 0,
            is_full: false,
            first: None,
        }
    }

    /// Returns whether the connection began with a byte that cannot begin a TLS record (RFC 8446,
    /// 5.1).
    fn is_foreign(&self) -> bool {
        self.first.is_some_and(|first| !RECORD_TYPES.contains(&first))
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn filled(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    fn discard(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }

    /// Reads once from the socket; zero means that the connection has ended.
    fn receive(&mut self, mut socket: &TcpStream) -> io::Result<usize> {
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let room = &mut self.bytes[self.end..];
        if room.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a TLS message is too long"));
        }
        let count = socket.read(room)?;
        self.is_full = count == room.len();
        if self.first.is_none() && count > 0 {
            self.first = room.first().copied();
        }
        self.end += count;
        Ok(count)
    }
}

/// Plain text that was decrypted before the caller could take all of it. It never exceeds
/// [`INBOUND`] bytes, because nothing is received while some of it is left.
#[derive(Default)]
struct Plain {
    bytes: Vec<u8>,
    start: usize,
}

impl Plain {
    fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        let ready = &self.bytes[self.start..];
        let count = ready.len().min(into.len());
        into[..count].copy_from_slice(&ready[..count]);
        self.start += count;
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
        count
    }

    /// Fills `into` from `text` and keeps the rest. While earlier plain text is still kept, `into`
    /// is empty, so the order is preserved.
    fn hand_over(&mut self, text: &[u8], into: &mut [u8]) -> usize {
        let (now, later) = text.split_at(text.len().min(into.len()));
        into[..now.len()].copy_from_slice(now);
        self.bytes.extend_from_slice(later);
        now.len()
    }
}

/// A buffer of records that were encrypted but not yet sent.
#[derive(Default)]
struct Outbound {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Outbound {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn seal<Data>(&mut self, mut traffic: WriteTraffic<'_, Data>, text: &[u8]) -> io::Result<()> {
        if text.is_empty() { Ok(()) } else { self.append(|room| traffic.encrypt(text, room)) }
    }

    /// Appends the records that `make` writes, with as much room as `make` requires.
    fn append<E: Refusal>(
        &mut self,
        mut make: impl FnMut(&mut [u8]) -> Result<usize, E>,
    ) -> io::Result<()> {
        loop {
            match make(&mut self.bytes[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(());
                }
                Err(error) => {
                    let needed = self.end + error.required_size()?;
                    if needed <= self.bytes.len() {
                        return Err(io::Error::other(
                            "the TLS session requested room that it already has",
                        ));
                    }
                    self.bytes.resize(needed, 0);
                }
            }
        }
    }

    /// Sends as much as the socket accepts in one write.
    fn send(&mut self, mut socket: &TcpStream) -> io::Result<()> {
        self.start += socket.write(&self.bytes[self.start..self.end])?;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
        Ok(())
    }
}

/// An error that prevented records from being written.
trait Refusal {
    /// Returns the required size, or an error if more room does not help.
    fn required_size(self) -> io::Result<usize>;
}

impl Refusal for EncodeError {
    fn required_size(self) -> io::Result<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Ok(required_size),
            other @ Self::AlreadyEncoded => Err(io::Error::other(other)),
        }
    }
}

impl Refusal for EncryptError {
    fn required_size(self) -> io::Result<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Ok(required_size),
            other @ Self::EncryptExhausted => Err(io::Error::other(other)),
        }
    }
}
