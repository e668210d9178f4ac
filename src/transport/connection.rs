//! One connection: a stream, the bytes read ahead, and the buffers that its exchanges share.

use super::error::Failure;
use super::head::Head;
use super::problem::TlsProblem;
use super::stream::Stream;
use super::tls::is_alert;
use super::wait::{Limits, Pace};
use crate::net::origin::Origin;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;
use zeroize::Zeroizing;

/// The maximum size of a response's head; AWS's own heads stay under 16 KiB.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// How much is read at once while looking for the end of a head; a small body may arrive in the
/// same read.
pub(super) const READ_AHEAD: usize = 16 << 10;

/// Bytes are read directly into a caller's slice of at least this size.
const DIRECT: usize = 4 << 10;

pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) origin: Origin,
    /// The address of the server or of its proxy.
    pub(super) address: SocketAddr,
    /// `true` if the connection has served an earlier exchange.
    pub(super) reused: bool,
    /// `true` if the last response had no body, even if its head announced one.
    pub(super) had_no_body: bool,
    /// `true` once a byte of the current exchange's response has arrived.
    pub(super) answered: bool,
    /// The pace of the current exchange's bodies.
    pub(super) pace: Pace,
    /// When the connection was put into the pool.
    pub(super) idle_since: Instant,
    /// The head of the request, kept for its capacity. Zeroed on drop, because it contains session
    /// tokens.
    pub(super) outgoing_head: Zeroizing<Vec<u8>>,
    /// A block of a body that comes from a reader, kept for its capacity.
    pub(super) outgoing_block: Vec<u8>,
    ahead: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    pub(super) fn new(stream: Stream, origin: Origin, address: SocketAddr) -> Self {
        Self {
            stream,
            origin,
            address,
            reused: false,
            had_no_body: false,
            answered: false,
            pace: Pace::default(),
            idle_since: Instant::now(),
            outgoing_head: Zeroizing::default(),
            outgoing_block: Vec::new(),
            ahead: vec![0; READ_AHEAD],
            start: 0,
            end: 0,
        }
    }

    /// Returns the bytes that were read but not yet consumed.
    pub(super) fn buffered(&self) -> &[u8] {
        self.ahead.get(self.start..self.end).unwrap_or_default()
    }

    /// Marks the first `count` buffered bytes as consumed.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads more into the buffer and returns how much; zero means that the connection has ended.
    /// The buffer grows as needed, so callers must limit how much they accumulate.
    pub(super) fn fill(&mut self, limits: &Limits<'_>) -> Result<usize, Failure> {
        self.make_room();
        let room = &mut self.ahead[self.end..];
        let count = self.pace.keep(limits, || self.stream.read(room, &mut [], limits))?;
        self.received(count);
        Ok(count)
    }

    /// Returns whether the connection holds bytes after the end of the response.
    pub(super) fn has_surplus(&mut self) -> bool {
        !self.buffered().is_empty() || self.stream.has_surplus()
    }

    /// Checks, without waiting, whether nothing has arrived since the end of the last response, not
    /// even a part of a TLS record.
    pub(super) fn is_quiet(&mut self) -> bool {
        !self.has_news() && !self.has_surplus()
    }

    /// Checks, without waiting, whether bytes, the end of the connection or an error have arrived.
    pub(super) fn has_news(&mut self) -> bool {
        if !self.buffered().is_empty() {
            return true;
        }
        self.make_room();
        let news = self.stream.read_now(&mut self.ahead[self.end..]);
        if let Ok(Some(count)) = news {
            self.received(count);
        }
        !matches!(news, Ok(None))
    }

    /// Reads the head of the next response, which may be an interim one.
    pub(super) fn read_head(&mut self, method: &str, limits: &Limits<'_>) -> Result<Head, Failure> {
        // The server may take the full idle timeout before its first byte.
        let mut limits = Limits { stall: None, ..*limits };
        let mut complete = false;
        if self.buffered().is_empty() && self.fill(&limits)? == 0 {
            return Err(Failure::io(io::ErrorKind::UnexpectedEof, "closed before a response"));
        }
        loop {
            if is_alert(self.buffered()) && matches!(self.stream, Stream::Plain(_)) {
                let error = "the response is a TLS alert".into();
                return Err(Failure::Tls(TlsProblem::TlsServer, error));
            }
            match Head::parse(self.buffered(), method).map_err(Failure::Protocol)? {
                Some((head, length)) => {
                    self.consume(length);
                    return Ok(head);
                }
                None if complete => {
                    return Err(Failure::Protocol("the head ends too early".into()));
                }
                // After its first byte, a head must be complete within one idle timeout.
                None => limits = limits.within(limits.idle),
            }
            // Parsing again at every byte that trickles in would take quadratic time, so wait for
            // the empty line.
            let mut searched = 0;
            while !has_end_of_head(self.buffered(), searched) {
                searched = self.buffered().len();
                if searched >= MAX_HEAD {
                    return Err(Failure::Protocol(format!(
                        "the head is longer than {MAX_HEAD} bytes"
                    )));
                }
                if self.fill(&limits)? == 0 {
                    return Err(Failure::io(
                        io::ErrorKind::UnexpectedEof,
                        "closed within the response's head",
                    ));
                }
            }
            complete = true;
        }
    }

    /// Reads bytes of a body into `into`: from the buffer if it has any, otherwise from the socket.
    /// The system call that fills `into` may also read up to `beyond` of the bytes that follow into
    /// the buffer. This detects surplus bytes after a body, and saves a separate read for the line
    /// between two chunks.
    pub(super) fn read_body(
        &mut self,
        into: &mut [u8],
        beyond: usize,
        limits: &Limits<'_>,
    ) -> Result<usize, Failure> {
        if self.buffered().is_empty() && into.len() >= DIRECT {
            let beyond = self.ahead.get_mut(..beyond.min(READ_AHEAD)).unwrap_or_default();
            let count = self.pace.keep(limits, || self.stream.read(into, beyond, limits))?;
            self.end = count.saturating_sub(into.len());
            return Ok(count.min(into.len()));
        }
        if self.buffered().is_empty() && self.fill(limits)? == 0 {
            return Ok(0);
        }
        let count = self.buffered().len().min(into.len());
        into[..count].copy_from_slice(&self.buffered()[..count]);
        self.consume(count);
        Ok(count)
    }

    fn received(&mut self, count: usize) {
        self.answered |= count > 0;
        self.end += count;
    }

    fn make_room(&mut self) {
        if self.end < self.ahead.len() {
            return;
        }
        if self.start > 0 {
            self.ahead.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else {
            self.ahead.resize(self.ahead.len() * 2, 0);
        }
    }
}

/// Returns whether `bytes` contain the empty line that ends a head. The first `searched` bytes are
/// known not to contain it.
fn has_end_of_head(bytes: &[u8], searched: usize) -> bool {
    let tail = bytes.get(searched.saturating_sub(3)..).unwrap_or_default();
    let mut line_start = None;
    for (at, byte) in tail.iter().enumerate() {
        match (byte, line_start) {
            (b'\n', Some(_)) => return true,
            (b'\n', None) => line_start = Some(at),
            (b'\r', Some(start)) if start + 1 == at => {}
            _ => line_start = None,
        }
    }
    false
}
