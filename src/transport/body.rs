//! A response and its body.

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

/// The maximum length of a chunk's size line, including its extensions.
const MAX_CHUNK_LINE: usize = 1 << 10;

/// The maximum size of the trailer after the last chunk.
const MAX_TRAILER: usize = 16 << 10;

/// A response whose body has not been read yet. Reading it to the end returns the connection to the
/// pool; dropping it earlier closes the connection.
pub(crate) struct Response {
    pub(crate) status: u16,
    head: Head,
    body: Unread,
    deadline: Option<Instant>,
    timeouts: Timeouts,
    cancel: Option<Cancel>,
    trace: Option<Arc<Trace>>,
    /// `None` once the body has been read to its end, or has failed.
    incoming: Option<Incoming>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    Length(u64),
    Chunked(Chunk),
    Close,
    Done,
}

/// The position of the next byte within a chunked body (RFC 9112, 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    Size,
    Data(u64),
    /// The line end after a chunk's data.
    End,
    /// The trailer, with the number of its bytes that were skipped so far.
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
            // An agent decodes the chunks itself.
            Framing::Chunked | Framing::Close => Unread::Close,
        };
        if let Some(connection) = connection {
            // The pace of sending does not count towards the pace of the response.
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

    /// Returns the first header with this (lower-case) name, if its value is visible text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Returns all headers: lower-case names, and values as text in which bytes that are not UTF-8
    /// are replaced.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.headers()
    }

    /// Returns the measurements of the exchange, if it is measured.
    pub(crate) fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// Returns the `Content-Length`, if the response has one.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.head.content_length
    }

    /// Returns whether the end of the body is marked, so that it differs from the end of a broken
    /// connection.
    pub(crate) fn is_chunked(&self) -> bool {
        self.head.framing == Framing::Chunked
    }

    /// Reads the whole body, and fails if it is longer than `limit` bytes. `deadline` limits the
    /// time that reading may take.
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
            // One byte more than the limit is enough to detect that the body exceeds it.
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

    /// Like `read`, but returns a [`TransportError`].
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

    /// Marks the body as complete, and returns the connection to the pool if its next byte can only
    /// belong to the next response.
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

/// Streams the body. Returns `Ok(0)` only at its verified end; errors are `io::Error`s that carry a
/// [`TransportError`].
impl Read for Response {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.read_some(into).map_err(io::Error::from)
    }
}

/// Keeps the connection if the rest of a small body has already been received.
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

/// Reads the bytes between the data of two chunks. Returns `true` at the end of the body.
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

/// Parses `chunk-size [ chunk-ext ]`. Extensions are ignored, as RFC 9112, 7.1.1 requires.
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
