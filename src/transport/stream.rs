//! A socket, plain or under TLS.

use super::error::Failure;
use super::tls::Tls;
use super::wait::{Limits, Step, TICK, is_tick, wait};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The most plain bytes handed to one system call: large enough that its cost vanishes, small enough that a
/// deadline is looked at often.
const MAX_WRITE: usize = 1 << 20;

/// Most reads of one look that bring nothing for the caller: the other side could send TLS tickets without end.
const MAX_LOOKS: u32 = 16;

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

impl Stream {
    /// Takes a connected socket and sets its timeouts, once and for all.
    pub(super) fn new(socket: TcpStream, idle: Duration) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        // A timeout of zero would mean none.
        let tick = TICK.min(idle).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(tick))?;
        socket.set_write_timeout(Some(tick))?;
        Ok(Self::Plain(socket))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.socket(),
        }
    }

    /// Reads once; bytes beyond `into` go to `surplus` where that costs nothing. The number counts both.
    pub(super) fn read(
        &mut self,
        into: &mut [u8],
        surplus: &mut [u8],
        limits: &Limits<'_>,
    ) -> Result<usize, Failure> {
        wait(limits, || {
            match self {
                Self::Plain(socket) if surplus.is_empty() => socket.read(into),
                Self::Plain(socket) => {
                    socket.read_vectored(&mut [IoSliceMut::new(into), IoSliceMut::new(surplus)])
                }
                Self::Tls(tls) => return tls.read(into),
            }
            .map(Step::Moved)
        })
    }

    /// Writes some of `first`, then of `second`, and counts both. An error that [`is_tick`] leaves all as it was: the
    /// caller may look for an early reply and come again.
    pub(super) fn write_step(&mut self, first: &[u8], second: &[u8]) -> io::Result<Step> {
        let second = second.get(..MAX_WRITE).unwrap_or(second);
        match self {
            Self::Plain(socket) if second.is_empty() => socket.write(first),
            Self::Plain(socket) if first.is_empty() => socket.write(second),
            Self::Plain(socket) => {
                socket.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
            }
            Self::Tls(tls) => return tls.write(first, second),
        }
        .map(Step::Moved)
    }

    /// Sends what the TLS session still holds.
    pub(super) fn flush(&mut self, limits: &Limits<'_>) -> Result<(), Failure> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => wait(limits, || tls.flush()).map(drop),
        }
    }

    /// Whether the session holds bytes beyond what was asked for.
    pub(super) fn has_surplus(&mut self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.has_surplus(),
        }
    }

    /// Reads what is there without waiting: `None` when nothing is.
    pub(super) fn read_now(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        self.socket().set_nonblocking(true)?;
        let mut result = Ok(None);
        for _ in 0..MAX_LOOKS {
            let step = match self {
                Self::Plain(socket) => socket.read(into).map(Step::Moved),
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
