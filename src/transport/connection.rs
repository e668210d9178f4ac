//! One connection: a stream, the bytes read ahead of need, and the buffers its exchanges share.

use super::error::Failure;
use super::head::Head;
use super::problem::TlsProblem;
use super::stream::Stream;
use super::tls::is_alert;
use super::wait::{Limits, Pace};
use crate::net::origin::Origin;
use std::io;
use std::time::Instant;
use zeroize::Zeroizing;

/// Most bytes of one reply's head; AWS's own stay under 16 KiB.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// What is read at once while looking for a head, or for a small body behind it.
pub(super) const READ_AHEAD: usize = 16 << 10;

/// A caller's slice at least this large is read into directly.
const DIRECT: usize = 4 << 10;

pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) origin: Origin,
    /// It served an earlier exchange.
    pub(super) reused: bool,
    /// Whether the last response had none, whatever its head announced.
    pub(super) had_no_body: bool,
    /// A byte of the current exchange's reply came.
    pub(super) answered: bool,
    /// Of the current exchange's bodies.
    pub(super) pace: Pace,
    /// When it was put into the pool.
    pub(super) idle_since: Instant,
    /// The request's head, kept for its capacity. Session tokens stand in it.
    pub(super) outgoing_head: Zeroizing<Vec<u8>>,
    /// A block of a body that comes from a reader, kept for its capacity.
    pub(super) outgoing_block: Vec<u8>,
    ahead: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    pub(super) fn new(stream: Stream, origin: Origin) -> Self {
        Self {
            stream,
            origin,
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

    /// What was read and not yet used.
    pub(super) fn buffered(&self) -> &[u8] {
        self.ahead.get(self.start..self.end).unwrap_or_default()
    }

    /// Marks the first `count` buffered bytes as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads more into the buffer; zero at the connection's end. Callers bound what they let pile up.
    pub(super) fn fill(&mut self, limits: &Limits<'_>) -> Result<usize, Failure> {
        self.make_room();
        let room = &mut self.ahead[self.end..];
        let count = self.pace.keep(limits, || self.stream.read(room, &mut [], limits))?;
        self.received(count);
        Ok(count)
    }

    /// Whether more has come than was asked for.
    pub(super) fn has_surplus(&mut self) -> bool {
        !self.buffered().is_empty() || self.stream.has_surplus()
    }

    /// Looks without waiting whether something came: bytes, an end, or an error.
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

    /// Reads the next reply's head, interim ones too.
    pub(super) fn read_head(&mut self, method: &str, limits: &Limits<'_>) -> Result<Head, Failure> {
        // A server may think as long as the idle limit says before its first byte.
        let mut limits = Limits { stall: None, ..*limits };
        let mut searched = 0;
        if self.buffered().is_empty() && self.fill(&limits)? == 0 {
            return Err(Failure::io(io::ErrorKind::UnexpectedEof, "closed before a reply"));
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
                None if searched == 0 => {
                    // From its first byte on, a head has one idle limit to come whole.
                    limits = limits.within(limits.idle);
                }
                None => return Err(Failure::Protocol("the head ends too early".into())),
            }
            // Parsing again at every byte that trickles in would take quadratic time: wait for the empty line.
            loop {
                if let Some(found) = end_of_head(self.buffered(), searched) {
                    searched = found;
                    break;
                }
                searched = self.buffered().len();
                if searched >= MAX_HEAD {
                    return Err(Failure::Protocol(format!(
                        "the head is longer than {MAX_HEAD} bytes"
                    )));
                }
                if self.fill(&limits)? == 0 {
                    return Err(Failure::io(
                        io::ErrorKind::UnexpectedEof,
                        "closed within the reply's head",
                    ));
                }
            }
        }
    }

    /// Reads bytes of a body into `into`: buffered ones first, else straight from the socket. What is known to follow
    /// `into` may come along into the buffer, at most `beyond` bytes and at no cost: so a surplus behind a body is seen,
    /// and the line between two chunks needs no read of its own.
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

/// The length of a head that ends in an empty line; the first `searched` bytes are known to hold no such end.
fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let tail = bytes.get(from..)?;
    let mut line_start = None;
    for (at, byte) in tail.iter().enumerate() {
        match (byte, line_start) {
            (b'\n', Some(_)) => return Some(from + at + 1),
            (b'\n', None) => line_start = Some(at),
            (b'\r', Some(start)) if start + 1 == at => {}
            _ => line_start = None,
        }
    }
    None
}
