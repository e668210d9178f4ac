//! A reply and its body.

use super::carrier::Incoming;
use super::connection::{Connection, READ_AHEAD};
use super::error::{Failure, Phase, TransportError};
use super::head::{Framing, Head};
use super::trace::Trace;
use super::wait::{Limits, Pace, Timeouts};
use crate::bounds;
use crate::cancel::Cancel;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

/// Most bytes of a chunk's size line, its extensions included.
const MAX_CHUNK_LINE: usize = 1 << 10;

/// Most bytes of the trailer behind the last chunk.
const MAX_TRAILER: usize = 16 << 10;

/// A reply whose body has not been read yet. Dropping it unread closes the connection; read to the end it goes back
/// to the pool.
pub(crate) struct Response {
    pub(crate) status: u16,
    head: Head,
    body: Unread,
    deadline: Option<Instant>,
    timeouts: Timeouts,
    cancel: Option<Cancel>,
    trace: Option<Arc<Trace>>,
    /// Gone once the body is over, or broken.
    incoming: Option<Incoming>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    Length(u64),
    Chunked(Chunk),
    Close,
    Done,
}

/// Where in a chunked body (RFC 9112, 7.1) the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    Size,
    Data(u64),
    /// The line end behind a chunk's data.
    End,
    /// The trailer, of which that many bytes were skipped.
    Trailer(usize),
}

impl Response {
    pub(super) fn new(
        head: Head,
        mut incoming: Incoming,
        timeouts: Timeouts,
        cancel: Option<Cancel>,
        trace: Option<Arc<Trace>>,
    ) -> Self {
        let connection = incoming.connection();
        let body = match head.framing {
            Framing::NoBody | Framing::Length(0) => Unread::Done,
            Framing::Length(length) => Unread::Length(length),
            Framing::Chunked if connection.is_some() => Unread::Chunked(Chunk::Size),
            // An agent reads the chunks itself.
            Framing::Chunked | Framing::Close => Unread::Close,
        };
        if let Some(connection) = connection {
            // The pace of what was sent is no part of the reply's.
            connection.pace = Pace::default();
        }
        let mut response = Self {
            status: head.status,
            head,
            body,
            deadline: None,
            timeouts,
            cancel,
            trace,
            incoming: Some(incoming),
        };
        if response.body == Unread::Done {
            response.finish();
        }
        response
    }

    /// The first header of that (lower-case) name, when it is visible text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// All headers: lower-case names, values as text (bytes that are not UTF-8 replaced).
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.headers()
    }

    /// Returns where the exchange is measured, if it is.
    pub(crate) fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// `Content-Length`, if the reply has one.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.head.content_length
    }

    /// The whole body, refused beyond `limit` bytes; `deadline` bounds the reading.
    pub(crate) fn read_to_end(
        mut self,
        limit: usize,
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, TransportError> {
        self.deadline = deadline;
        let too_long =
            || Failure::Protocol(format!("the body is longer than the {limit} bytes allowed here"));
        let expected = match self.body {
            Unread::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => length,
                _ => return Err(self.broken(too_long())),
            },
            Unread::Done => return Ok(Vec::new()),
            // One byte over the limit is enough to see that it is passed.
            _ => limit.saturating_add(1),
        };
        let mut whole = Vec::new();
        let mut filled = 0_usize;
        loop {
            if filled == whole.len() {
                bounds::extend(&mut whole, filled, expected)
                    .map_err(|error| self.broken(no_memory(error)))?;
            }
            let count = self.read_some(&mut whole[filled..])?;
            filled = filled.saturating_add(count);
            if filled > limit {
                return Err(self.broken(too_long()));
            }
            if count == 0 || (self.body == Unread::Done) {
                whole.truncate(filled);
                return Ok(whole);
            }
        }
    }

    /// Like `read`, with the transport's own error.
    fn read_some(&mut self, into: &mut [u8]) -> Result<usize, TransportError> {
        if into.is_empty() {
            return Ok(0);
        }
        let count = self.step(into).map_err(|failure| self.broken(failure))?;
        if let Some(trace) = &self.trace {
            trace.received(into.get(..count).unwrap_or_default());
        }
        Ok(count)
    }

    fn step(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        loop {
            if self.body == Unread::Done {
                return Ok(0);
            }
            let Some(incoming) = &mut self.incoming else {
                return Err(Failure::io(
                    io::ErrorKind::NotConnected,
                    "an earlier read of this body failed",
                ));
            };
            let limits = self.timeouts.limits(self.deadline, self.cancel.as_ref());
            let beyond = match self.body {
                Unread::Length(left) if left <= into.len() as u64 => 1,
                Unread::Chunked(Chunk::Data(left)) if left <= into.len() as u64 => READ_AHEAD,
                _ => 0,
            };
            match &mut self.body {
                Unread::Length(left) | Unread::Chunked(Chunk::Data(left)) => {
                    let room =
                        usize::try_from(*left).map_or(into.len(), |left| into.len().min(left));
                    let count = incoming.read_body(&mut into[..room], beyond, &limits)?;
                    if count == 0 {
                        return Err(cut());
                    }
                    *left -= count as u64;
                    match self.body {
                        Unread::Length(0) => self.finish(),
                        Unread::Chunked(Chunk::Data(0)) => self.body = Unread::Chunked(Chunk::End),
                        _ => {}
                    }
                    return Ok(count);
                }
                Unread::Close => {
                    let count = incoming.read_body(into, beyond, &limits)?;
                    if count == 0 {
                        self.finish();
                    }
                    return Ok(count);
                }
                Unread::Chunked(chunk) => {
                    let connection = incoming.connection().ok_or_else(cut)?;
                    if next_chunk(connection, chunk, &limits)? {
                        self.finish();
                    }
                }
                Unread::Done => return Ok(0),
            }
        }
    }

    /// The body is whole: the connection goes back to the pool when its next byte can only be the next reply's.
    fn finish(&mut self) {
        self.body = Unread::Done;
        self.trace.as_ref().inspect(|trace| trace.ends());
        if let Some(incoming) = self.incoming.take() {
            incoming.finish(&self.head);
        }
    }

    fn broken(&mut self, failure: Failure) -> TransportError {
        self.incoming = None;
        TransportError::new(Phase::Body, failure)
    }
}

/// Streams the body: `Ok(0)` only at the proven end; an `io::Error` that carries a [`TransportError`] otherwise.
impl Read for Response {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.read_some(into).map_err(io::Error::from)
    }
}

/// A small body that has come already need not cost its connection.
impl Drop for Response {
    fn drop(&mut self) {
        if let (Some(connection), Unread::Length(left)) =
            (self.incoming.as_mut().and_then(Incoming::connection), self.body)
            && connection.buffered().len() as u64 == left
        {
            if let Some(trace) = &self.trace {
                trace.received(connection.buffered());
            }
            connection.consume(connection.buffered().len());
            self.finish();
        }
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// Reads what stands between the data of two chunks; true at the end of the body.
fn next_chunk(
    connection: &mut Connection,
    chunk: &mut Chunk,
    limits: &Limits<'_>,
) -> Result<bool, Failure> {
    let (line, length) = loop {
        let ready = connection.buffered();
        if let Some(end) = ready.iter().take(MAX_CHUNK_LINE).position(|byte| *byte == b'\n') {
            let line = ready.get(..end).and_then(|line| line.strip_suffix(b"\r"));
            break (line.ok_or_else(|| bad_chunk("a line does not end in CR LF"))?, end + 1);
        }
        if ready.len() >= MAX_CHUNK_LINE {
            return Err(bad_chunk("a line is too long"));
        }
        if connection.fill(limits)? == 0 {
            return Err(cut());
        }
    };
    let mut over = false;
    *chunk = match *chunk {
        Chunk::Size => {
            match parse_chunk_size(line).ok_or_else(|| bad_chunk("a size is not hexadecimal"))? {
                0 => Chunk::Trailer(0),
                size => Chunk::Data(size),
            }
        }
        Chunk::End if line.is_empty() => Chunk::Size,
        Chunk::End | Chunk::Data(_) => return Err(bad_chunk("the data is longer than its size")),
        Chunk::Trailer(seen) if line.is_empty() => {
            over = true;
            Chunk::Trailer(seen)
        }
        Chunk::Trailer(seen) if seen + length > MAX_TRAILER => {
            return Err(bad_chunk("the trailer is too long"));
        }
        Chunk::Trailer(seen) => Chunk::Trailer(seen + length),
    };
    connection.consume(length);
    Ok(over)
}

/// `chunk-size [ chunk-ext ]`: the extensions are ignored, as RFC 9112, 7.1.1 asks.
fn parse_chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    let digits = std::str::from_utf8(size)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(digits, 16).ok()
}

fn no_memory(error: std::collections::TryReserveError) -> Failure {
    Failure::Io(io::Error::new(io::ErrorKind::OutOfMemory, error))
}

fn bad_chunk(text: &str) -> Failure {
    Failure::Protocol(format!("bad chunked encoding: {text}"))
}

fn cut() -> Failure {
    Failure::io(io::ErrorKind::UnexpectedEof, "closed before the body's end")
}
