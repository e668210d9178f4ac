//! A plain or TLS-encrypted socket.

use super::error::Failure;
use super::tls::Tls;
use super::wait::{Limits, Step, TICK, is_tick, wait};
use std::io::{self, IoSliceMut, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use zeroize::Zeroizing;

/// The maximum number of plain bytes handed to one system call: large enough that its cost is
/// negligible, small enough that deadlines are checked often.
const MAX_WRITE: usize = 1 << 20;

/// The maximum number of reads per check that yield no data for the caller. Without a maximum, a
/// server could send TLS tickets endlessly.
const MAX_LOOKS: u32 = 16;

/// The maximum size of a head and the beginning of its body that are copied into one buffer, so
/// that one system call sends them. A larger body costs one more call.
const MAX_JOINED: usize = 16 << 10;

pub(super) enum Stream {
    Plain(Plain),
    Tls(Box<Tls>),
}

pub(super) struct Plain {
    pub(super) socket: TcpStream,
    /// A buffer for a head and the beginning of its body. The head may contain a session token.
    joined: Zeroizing<Vec<u8>>,
    /// `true` if the last read used all the room that it was given.
    filled: bool,
}

impl Stream {
    /// Takes a connected socket and sets its timeouts, which never change afterwards.
    pub(super) fn new(socket: TcpStream, idle: Duration) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        // A timeout of zero would mean that there is no timeout.
        let tick = TICK.min(idle).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(tick))?;
        socket.set_write_timeout(Some(tick))?;
        Ok(Self::Plain(Plain { socket, joined: Zeroizing::default(), filled: false }))
    }

    /// Returns the server's own certificate in DER, if the stream is encrypted.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => tls.peer_certificate(),
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(plain) => &plain.socket,
            Self::Tls(tls) => tls.socket(),
        }
    }

    /// Reads once and returns the number of bytes in both slices. Bytes that do not fit into `into`
    /// go to `surplus` if that costs no extra system call.
    pub(super) fn read(
        &mut self,
        into: &mut [u8],
        surplus: &mut [u8],
        limits: &Limits<'_>,
    ) -> Result<usize, Failure> {
        wait(limits, || match self {
            Self::Plain(plain) => plain.read(into, surplus),
            Self::Tls(tls) => tls.read(into),
        })
    }

    /// Writes some of `first`, then of `second`, and returns the number of bytes of both. After an
    /// error for which [`is_tick`] is true, nothing has changed: the caller may check for an early
    /// response and try again.
    pub(super) fn write_step(&mut self, first: &[u8], second: &[u8]) -> io::Result<Step> {
        let second = second.get(..MAX_WRITE).unwrap_or(second);
        match self {
            Self::Plain(plain) => plain.write(first, second).map(Step::Moved),
            Self::Tls(tls) => tls.write(first, second),
        }
    }

    /// Sends the data that the TLS session still holds.
    pub(super) fn flush(&mut self, limits: &Limits<'_>) -> Result<(), Failure> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => wait(limits, || tls.flush()).map(drop),
        }
    }

    /// Returns whether the session holds bytes after those that were requested.
    pub(super) fn has_surplus(&mut self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.has_surplus(),
        }
    }

    /// Returns whether the last read may have left bytes in the socket, because it used all the
    /// room that it was given.
    pub(super) fn may_hold_more(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.filled,
            Self::Tls(tls) => tls.may_hold_more(),
        }
    }

    /// Reads the available bytes without waiting; `None` if there are none.
    pub(super) fn read_now(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        self.socket().set_nonblocking(true)?;
        let mut result = Ok(None);
        for _ in 0..MAX_LOOKS {
            let step = match self {
                Self::Plain(plain) => plain.read(into, &mut []),
                Self::Tls(tls) => tls.read(into),
            };
            match step {
                Ok(Step::Session) => continue,
                Ok(Step::Moved(count)) => result = Ok(Some(count)),
                Err(error) if is_tick(&error) => {}
                Err(error) => result = Err(error),
            }
            break;
        }
        self.socket().set_nonblocking(false)?;
        result
    }
}

impl Plain {
    /// Reads once into both slices.
    fn read(&mut self, into: &mut [u8], surplus: &mut [u8]) -> io::Result<Step> {
        let room = into.len() + surplus.len();
        let count = if surplus.is_empty() {
            self.socket.read(into)?
        } else {
            let slices = &mut [IoSliceMut::new(into), IoSliceMut::new(surplus)];
            self.socket.read_vectored(slices)?
        };
        self.filled = count == room;
        Ok(Step::Moved(count))
    }

    /// Writes some of `first`, then of `second`, with one call of `write`.
    ///
    /// `write_vectored` would not need the copy, but it is `writev(2)`, which raises SIGPIPE when
    /// the peer has closed the connection. That ends every program whose `main` is not Rust's,
    /// because only Rust's runtime ignores the signal. `write` is `send(2)` with `MSG_NOSIGNAL`.
    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let room = MAX_JOINED.saturating_sub(first.len());
        let second_begin = second.get(..room).unwrap_or(second);
        match (first, second_begin) {
            ([], _) => self.socket.write(second),
            (_, []) => self.socket.write(first),
            _ => {
                let length = first.len() + second_begin.len();
                if self.joined.capacity() < length {
                    // A vector that grows leaves a copy of its content, which is not wiped.
                    self.joined = Zeroizing::new(Vec::with_capacity(length));
                }
                self.joined.clear();
                self.joined.extend_from_slice(first);
                self.joined.extend_from_slice(second_begin);
                self.socket.write(&self.joined)
            }
        }
    }
}
