//! One request and the head of its response, over one connection.

use super::connection::Connection;
use super::error::{Failure, Phase, TransportError, short_source};
use super::head::{After, Head};
use super::request::{Request, RequestBody};
use super::wait::{Idle, Limits, Pace, Step, TICK, is_tick};
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// The size of the blocks in which a body from a reader is sent.
const BLOCK: usize = 128 << 10;

/// After this many bytes of a body the sender checks, without waiting, whether a response has
/// already arrived. It also checks whenever the server has not accepted any bytes for a tick, and
/// before the last [`BLOCK`] of a body.
const LOOK_EVERY: u64 = 4 << 20;

/// How long to wait for a response after sending has failed. If there is one, it is already in the
/// socket.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The maximum number of interim responses (RFC 9110, 15.2) before the final one. Each may take the
/// idle timeout.
const MAX_INTERIM: u32 = 16;

/// Sends the head in `connection.outgoing_head` and `body`, and reads responses up to the head of
/// the final one.
pub(super) fn run(
    connection: &mut Connection,
    request: &Request<'_>,
    body: &mut RequestBody<'_>,
    limits: &Limits<'_>,
) -> Result<Head, TransportError> {
    connection.answered = false;
    connection.pace = Pace::default();
    // Taken out so that it can be read while the connection is written to; put back later to keep
    // its capacity.
    let head = std::mem::take(&mut connection.outgoing_head);
    let mut exchange = Exchange::new(connection, request.method, limits);
    let result = exchange.run(&head, request, body).map_err(|(phase, failure)| {
        let broke = matches!(failure, Failure::Io(_));
        TransportError {
            phase,
            stale: exchange.connection.reused && !exchange.connection.answered && broke,
            failure,
        }
    });
    if let Some(trace) = request.trace {
        trace.sent_body(exchange.sent.saturating_sub(head.len() as u64));
    }
    connection.outgoing_head = head;
    result
}

/// Sends the request in `head`, which has no body, and reads responses up to the head of the final
/// one.
pub(super) fn bare(
    connection: &mut Connection,
    method: &str,
    head: &[u8],
    limits: &Limits<'_>,
) -> Result<Head, Failure> {
    let mut exchange = Exchange::new(connection, method, limits);
    exchange.write(head, &[], 0)?;
    exchange.final_head(limits)
}

struct Exchange<'a> {
    connection: &'a mut Connection,
    method: &'a str,
    limits: &'a Limits<'a>,
    interim: u32,
    /// A final response that arrived before the whole request was sent.
    early: Option<Head>,
    sent: u64,
    /// The number of bytes sent at the last check for an early response.
    looked_at: u64,
    /// `true` once the last block of the body is being sent.
    at_last_block: bool,
}

impl<'a> Exchange<'a> {
    fn new(connection: &'a mut Connection, method: &'a str, limits: &'a Limits<'a>) -> Self {
        Self {
            connection,
            method,
            limits,
            interim: 0,
            early: None,
            sent: 0,
            looked_at: 0,
            at_last_block: false,
        }
    }

    fn run(
        &mut self,
        head: &[u8],
        request: &Request<'_>,
        body: &mut RequestBody<'_>,
    ) -> Result<Head, (Phase, Failure)> {
        if let Err(failure) = self.send(head, request.expect_continue, body) {
            return match failure {
                // The server may have sent its reason before it closed the connection. That
                // response is the outcome.
                Failure::Io(_) => match self.last_words() {
                    Some(reply) => early_outcome(reply),
                    None => Err((Phase::Send, failure)),
                },
                failure => Err((Phase::Send, failure)),
            };
        }
        match self.early.take() {
            Some(reply) => early_outcome(reply),
            None => self
                .final_head(&self.limits.after_sending(self.sent, request.silent_work))
                .map_err(|failure| (Phase::Await, failure)),
        }
    }

    /// Sends everything, or stops when `early` is set.
    fn send(
        &mut self,
        head: &[u8],
        expect: Option<Duration>,
        body: &mut RequestBody<'_>,
    ) -> Result<(), Failure> {
        let mut head = head;
        if let Some(patience) = expect {
            self.write(head, &[], 0)?;
            head = &[];
            self.await_continue(patience)?;
            if self.early.is_some() {
                return Ok(());
            }
        }
        match body {
            RequestBody::Empty => self.write(head, &[], 0),
            RequestBody::Bytes(bytes) => self.write(head, bytes, 0),
            RequestBody::Reader { source, length } => {
                let mut block = std::mem::take(&mut self.connection.outgoing_block);
                let result = self.send_source(head, source, *length, &mut block);
                self.connection.outgoing_block = block;
                result
            }
        }
    }

    /// Reads and sends exactly `length` bytes, the first block together with the head.
    fn send_source(
        &mut self,
        head: &[u8],
        source: &mut dyn Read,
        length: u64,
        block: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let size = usize::try_from(length).map_or(BLOCK, |length| length.min(BLOCK));
        if block.len() < size {
            block.resize(size, 0);
        }
        let (mut head, mut left) = (head, length);
        loop {
            let want = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
            let part = &mut block[..want];
            source.read_exact(part).map_err(|error| match error.kind() {
                // Errors that carry their own message are passed on unchanged.
                io::ErrorKind::UnexpectedEof if error.get_ref().is_none() => {
                    short_source(left, length)
                }
                _ => Failure::Source(error),
            })?;
            left -= want as u64;
            self.write(head, part, left)?;
            head = &[];
            if left == 0 || self.early.is_some() {
                return Ok(());
            }
        }
    }

    /// Writes both slices completely. Stops early if a final response arrives while a part of the
    /// body is unsent: bytes of `second`, or the `rest` bytes that will follow.
    fn write(&mut self, first: &[u8], second: &[u8], rest: u64) -> Result<(), Failure> {
        let (mut first, mut second) = (first, second);
        let mut idle = Idle::default();
        while !first.is_empty() || !second.is_empty() {
            self.limits.check()?;
            let last = (1..=BLOCK as u64).contains(&(second.len() as u64).saturating_add(rest));
            if last
                && self.sent > 0
                && !std::mem::replace(&mut self.at_last_block, true)
                && self.is_answered()?
            {
                return Ok(());
            }
            let began = Instant::now();
            // The last block is held back until the check that precedes it has been made.
            let held = if rest == 0 && second.len() > BLOCK { BLOCK } else { 0 };
            let step = self.connection.stream.write_step(first, &second[..second.len() - held]);
            let count = if let Ok(Step::Moved(count)) = step { count } else { 0 };
            self.connection.pace.book(self.limits, count, began.elapsed())?;
            let stuck = match step {
                Ok(Step::Moved(0)) => {
                    return Err(Failure::io(io::ErrorKind::WriteZero, "nothing can be written"));
                }
                Ok(Step::Moved(count)) => {
                    idle = Idle::default();
                    let of_first = count.min(first.len());
                    first = &first[of_first..];
                    second = &second[count - of_first..];
                    self.sent += count as u64;
                    false
                }
                Ok(Step::Session) => {
                    idle = Idle::default();
                    false
                }
                Err(error) if is_tick(&error) => {
                    idle.check(self.limits, TICK)?;
                    true
                }
                Err(error) => return Err(Failure::Io(error)),
            };
            let unsent = !second.is_empty() || rest > 0;
            if unsent
                && (stuck || self.sent - self.looked_at >= LOOK_EVERY)
                && self.is_answered()?
            {
                return Ok(());
            }
        }
        self.connection.stream.flush(self.limits)
    }

    /// Checks, without waiting, whether the final response has already arrived.
    fn is_answered(&mut self) -> Result<bool, Failure> {
        self.looked_at = self.sent;
        if self.connection.has_news() {
            self.take_early(self.limits)?;
        }
        Ok(self.early.is_some())
    }

    /// Waits for `100 Continue`. Returns normally if it does not arrive in time, so that the body
    /// is sent without it (RFC 9110, 10.1.1).
    fn await_continue(&mut self, patience: Duration) -> Result<(), Failure> {
        let limits = self.limits.within(patience);
        loop {
            if self.connection.buffered().is_empty() {
                match self.connection.fill(&limits) {
                    Ok(0) => {
                        return Err(Failure::io(
                            io::ErrorKind::UnexpectedEof,
                            "closed instead of a 100",
                        ));
                    }
                    Ok(_) => {}
                    Err(Failure::Timeout) => return self.limits.check(),
                    Err(failure) => return Err(failure),
                }
            }
            let reply = self.next_head(self.limits)?;
            match reply.status {
                100 => return Ok(()),
                status if status < 200 => {}
                _ => {
                    self.early = Some(reply);
                    return Ok(());
                }
            }
        }
    }

    /// Reads the responses that arrived while sending: interim ones are skipped, a final one is
    /// kept.
    fn take_early(&mut self, limits: &Limits<'_>) -> Result<(), Failure> {
        loop {
            let reply = self.next_head(limits)?;
            if !reply.is_interim() {
                self.early = Some(reply);
                return Ok(());
            }
            if self.connection.buffered().is_empty() {
                return Ok(());
            }
        }
    }

    /// Returns the final response that was sent before the connection broke, if there is one.
    fn last_words(&mut self) -> Option<Head> {
        if let Some(reply) = self.early.take() {
            return Some(reply);
        }
        self.final_head(&self.limits.within(LAST_WORDS)).ok()
    }

    fn final_head(&mut self, limits: &Limits<'_>) -> Result<Head, Failure> {
        loop {
            let reply = self.next_head(limits)?;
            if !reply.is_interim() {
                return Ok(reply);
            }
        }
    }

    fn next_head(&mut self, limits: &Limits<'_>) -> Result<Head, Failure> {
        let reply = self.connection.read_head(self.method, limits)?;
        if reply.status == 101 {
            return Err(Failure::Protocol(
                "the server sent 101 Switching Protocols, which the client did not request".into(),
            ));
        }
        if reply.is_interim() {
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(Failure::Protocol(format!(
                    "more than {MAX_INTERIM} interim responses"
                )));
            }
        }
        Ok(reply)
    }
}

/// Evaluates a final response that arrived before the server received the whole body of the
/// request.
///
/// An error status is the outcome, regardless of later events. A success is not: the server cannot
/// have stored bytes that were never sent, so the response belongs to another request, or the
/// server is broken.
fn early_outcome(mut reply: Head) -> Result<Head, (Phase, Failure)> {
    if (200..300).contains(&reply.status) {
        let text = format!(
            "status {} arrived before the whole body of the request was sent",
            reply.status
        );
        return Err((Phase::Send, Failure::Protocol(text)));
    }
    // The rest of the request will never be sent.
    reply.after = After::Close;
    Ok(reply)
}
