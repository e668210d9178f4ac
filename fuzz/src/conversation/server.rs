//! The server of a conversation: plays its events on loopback sockets and records what it receives.
use super::framing::Framing;
use super::script::Event;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The longest wait for any event. The client gives up earlier.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest wait before a byte of a body is supplied. The client may also read a body in order
/// to hash it, when there is no request to wait for.
const GATE: Duration = Duration::from_millis(50);
/// The length of a pause: long enough for the client to see the bytes sent before it.
const PAUSE: Duration = Duration::from_millis(2);
/// How long the server leaves a response unfinished before it closes the connection; only `hang`
/// makes the client wait longer.
const UNFINISHED: Duration = Duration::from_millis(5);
/// The maximum number of hangs. Each one costs the client an idle timeout.
const MAX_HANGS: u32 = 4;
/// Up to this many bytes of one write arrive in the client's socket together.
const ONE_SEGMENT: usize = 16 << 10;
/// The longest head of a request.
const MAX_HEAD: usize = 64 << 10;

/// One request, and the bytes that were sent for it.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) method: String,
    /// The length of the request's body, and how many bytes of it were read.
    pub(super) length: u64,
    pub(super) consumed: u64,
    /// Whether the server responded and waited before the client sent bytes of the body that were
    /// never read.
    pub(super) early: bool,
    /// Whether it depends on timing which response the client takes for this request's.
    pub(super) unclear: bool,
    pub(super) sent: Vec<u8>,
}

impl Exchange {
    pub(super) fn framing(&self) -> Framing {
        if self.unclear { Framing::Unclear } else { Framing::of(&self.sent, &self.method) }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, length, consumed, early, unclear, sent } = self;
        write!(
            f,
            "{method}, {consumed} of {length} bytes read, early: {early}, unclear: {unclear}, "
        )?;
        write!(f, "sent \"{}\"", sent.escape_ascii())
    }
}

#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) exchanges: Vec<Exchange>,
    /// Requests on connections that carried bytes after the end of the last response.
    pub(super) reused: Vec<String>,
    /// Whether bytes were sent on a connection before any request; the client may take them for the
    /// response to its first one.
    pub(super) unasked: bool,
    /// How many bytes of the current body the server asked for.
    wanted: u64,
    /// Whether the server waits for the client and sends nothing until then.
    resting: bool,
    /// Whether the server has played all of its events.
    over: bool,
    /// Whether the operation has ended.
    done: bool,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    record: Mutex<Record>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    pub(super) fn finish(&self) {
        self.change(|record| record.done = true);
    }

    pub(super) fn into_record(self) -> Record {
        self.record.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Returns how many requests have been read so far.
    pub(super) fn requests(&self) -> usize {
        self.lock().exchanges.len()
    }

    /// Waits until the server asks for the byte at `position` of request number `request`, or rests
    /// without asking for it.
    pub(super) fn gate(&self, request: usize, position: u64) {
        let held = |record: &mut Record| match record.exchanges.get(request) {
            _ if record.over => false,
            None => true,
            Some(_) => record.wanted <= position && !record.resting,
        };
        let waited = self.changed.wait_timeout_while(self.lock(), GATE, held);
        let (mut record, waited) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        if waited.timed_out() || !record.resting || record.wanted > position {
            return;
        }
        if let Some(exchange) = record.exchanges.get_mut(request) {
            exchange.early |= exchange.consumed < exchange.length;
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// Bytes of requests that were received and not used yet.
    ahead: Vec<u8>,
    exchange: Option<usize>,
    /// Whether bytes were sent that belong to no request.
    unclear: bool,
    /// Whether further bytes followed the last response.
    surplus: bool,
}

pub(super) struct Server<'a> {
    listener: TcpListener,
    shared: &'a Shared,
    connections: Vec<Connection>,
    hangs: u32,
}

impl<'a> Server<'a> {
    pub(super) fn new(listener: TcpListener, shared: &'a Shared) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, shared, connections: Vec::new(), hangs: 0 })
    }

    /// Plays the events, then closes every connection until the operation has ended.
    pub(super) fn play(mut self, events: &[Event], port: u16) {
        for event in events {
            if self.shared.lock().done {
                break;
            }
            // Without a connection an event does nothing: the client has closed it or never opened
            // one.
            let _ = self.event(event, port);
        }
        self.connections.retain(|connection| connection.surplus);
        self.shared.change(|record| (record.resting, record.over) = (true, true));
        let _ = patiently(self.shared, || -> io::Result<()> {
            drop(self.listener.accept()?);
            Err(ErrorKind::WouldBlock.into())
        });
        for mut connection in self.connections {
            // A request that has arrived was sent before the operation ended.
            while matches!(connection.receive(), Ok(1..)) {}
            self.shared.change(|record| connection.check_reuse(record));
        }
    }

    fn event(&mut self, event: &Event, port: u16) -> io::Result<()> {
        match event {
            Event::Request => {
                self.request()?;
                self.body(u64::MAX)
            }
            Event::Head => self.request(),
            Event::Body(count) => self.body(*count),
            Event::Send(bytes) => self.send(bytes, port),
            Event::Pause => {
                std::thread::sleep(PAUSE);
                Ok(())
            }
            Event::Hang => self.hang(),
            Event::Finish => self.current()?.stream.shutdown(Shutdown::Write),
            Event::Close => {
                if let Some(mut connection) = self.connections.pop() {
                    let _ = connection.receive();
                    self.shared.change(|record| connection.check_reuse(record));
                }
                Ok(())
            }
        }
    }

    fn current(&mut self) -> io::Result<&mut Connection> {
        self.connections.last_mut().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// Waits for a new connection or for bytes on an open one, and makes that connection the
    /// current one.
    fn select(&mut self, new_only: bool) -> io::Result<()> {
        let (shared, listener, connections) = (self.shared, &self.listener, &mut self.connections);
        let begun = Instant::now();
        patiently(shared, || {
            if let Ok((stream, _)) = listener.accept() {
                connections.push(Connection::new(stream)?);
                return Ok(());
            }
            if new_only {
                return Err(ErrorKind::WouldBlock.into());
            }
            let mut ready = None;
            let mut index = 0;
            while let Some(connection) = connections.get_mut(index) {
                match connection.receive() {
                    Ok(0) => drop(connections.remove(index)),
                    Err(error) if error.kind() != ErrorKind::WouldBlock => {
                        drop(connections.remove(index))
                    }
                    _ if !connection.ahead.is_empty() => {
                        ready = Some(index);
                        index += 1;
                    }
                    _ => index += 1,
                }
            }
            if let Some(ready) = ready {
                let connection = connections.remove(ready);
                connections.push(connection);
                return Ok(());
            }
            if begun.elapsed() > UNFINISHED {
                let record = shared.lock();
                connections.retain(|connection| {
                    let exchange =
                        connection.exchange.and_then(|exchange| record.exchanges.get(exchange));
                    exchange.is_none_or(|exchange| {
                        matches!(exchange.framing(), Framing::Complete { .. })
                    })
                });
            }
            Err(ErrorKind::WouldBlock.into())
        })
    }

    /// Reads the head of the next request.
    fn request(&mut self) -> io::Result<()> {
        // The rest of the previous body was never asked for, so this connection cannot carry
        // another request.
        let record = self.shared.lock();
        let unread = |connection: &Connection| {
            let exchange = connection.exchange.and_then(|exchange| record.exchanges.get(exchange));
            exchange.is_some_and(|exchange| exchange.consumed < exchange.length)
        };
        let rests = self.connections.iter().any(&unread);
        drop(record);
        self.shared.change(|record| record.resting = true);
        if rests {
            // Gives a client that is still sending time to read the response.
            std::thread::sleep(PAUSE);
            let record = self.shared.lock();
            self.connections.retain(|connection| {
                let exchange =
                    connection.exchange.and_then(|exchange| record.exchanges.get(exchange));
                exchange.is_none_or(|exchange| exchange.consumed >= exchange.length)
            });
        }
        self.select(false)?;
        let shared = self.shared;
        let connection = self.current()?;
        let end = patiently(shared, || {
            if let Some(end) = connection.ahead.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                return Ok(end + 4);
            }
            match connection.receive() {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) if connection.ahead.len() > MAX_HEAD => Err(ErrorKind::InvalidData.into()),
                Ok(_) => Err(ErrorKind::WouldBlock.into()),
                Err(error) => Err(error),
            }
        })?;
        let head = String::from_utf8_lossy(&connection.ahead[..end]).into_owned();
        shared.change(|record| {
            connection.check_reuse(record);
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())
                    .flatten()
            });
            connection.ahead.drain(..end);
            connection.exchange = Some(record.exchanges.len());
            record.wanted = 0;
            record.resting = false;
            record.exchanges.push(Exchange {
                method: head.split(' ').next().unwrap_or_default().to_owned(),
                length: length.unwrap_or(0),
                unclear: connection.unclear,
                ..Exchange::default()
            });
        });
        Ok(())
    }

    /// Reads up to `count` bytes of the body, and never past its end.
    fn body(&mut self, count: u64) -> io::Result<()> {
        let shared = self.shared;
        let connection = self.current()?;
        let Some(index) = connection.exchange else { return Ok(()) };
        let mut left = shared.change(|record| {
            let Some(exchange) = record.exchanges.get(index) else { return 0 };
            let left = count.min(exchange.length - exchange.consumed);
            record.wanted = exchange.consumed + left;
            left
        });
        while left > 0 {
            patiently(shared, || {
                match connection.ahead.is_empty().then(|| connection.receive()) {
                    Some(Ok(0)) => Err(ErrorKind::UnexpectedEof.into()),
                    Some(Err(error)) => Err(error),
                    _ => Ok(()),
                }
            })?;
            let taken = connection.ahead.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            connection.ahead.drain(..taken);
            left -= taken as u64;
            shared.change(|record| {
                if let Some(exchange) = record.exchanges.get_mut(index) {
                    exchange.consumed += taken as u64;
                }
            });
        }
        Ok(())
    }

    /// Sends bytes, on a new connection if none is open.
    fn send(&mut self, bytes: &[u8], port: u16) -> io::Result<()> {
        if self.connections.is_empty() {
            self.select(true)?;
        }
        let shared = self.shared;
        let bytes = with_port(bytes, port);
        let connection = self.current()?;
        // Recorded before sending, so that the client is never ahead of the record.
        shared.change(|record| connection.book(&bytes, record));
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            let count = patiently(shared, || connection.stream.write(left))?;
            left = left.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Waits until the client closes the connection or opens another one.
    fn hang(&mut self) -> io::Result<()> {
        self.hangs += 1;
        if self.hangs > MAX_HANGS {
            return Ok(());
        }
        let (shared, listener) = (self.shared, &self.listener);
        let mut connection = self.connections.pop().ok_or(ErrorKind::NotConnected)?;
        shared.change(|record| record.resting = true);
        let next =
            patiently(shared, || match (listener.accept(), connection.stream.peek(&mut [0])) {
                (Ok((stream, _)), _) => Ok(Some(Connection::new(stream)?)),
                (_, Ok(0)) => Ok(None),
                // Nothing is read, so that a sending client blocks.
                (_, Ok(_)) => Err(ErrorKind::WouldBlock.into()),
                (_, Err(error)) => Err(error),
            });
        let _ = connection.receive();
        shared.change(|record| connection.check_reuse(record));
        self.connections.extend(next?);
        Ok(())
    }
}

impl Connection {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, ahead: Vec::new(), exchange: None, unclear: false, surplus: false })
    }

    /// Receives the bytes that have arrived, without waiting.
    fn receive(&mut self) -> io::Result<usize> {
        let mut block = [0; 64 << 10];
        let count = self.stream.read(&mut block)?;
        self.ahead.extend_from_slice(&block[..count]);
        Ok(count)
    }

    /// Records the bytes of one write.
    fn book(&mut self, bytes: &[u8], record: &mut Record) {
        let Some(exchange) = self.exchange.and_then(|index| record.exchanges.get_mut(index)) else {
            (self.unclear, record.unasked) = (true, true);
            return;
        };
        let over = matches!(exchange.framing(), Framing::Complete { .. });
        exchange.sent.extend_from_slice(bytes);
        match exchange.framing() {
            // By the time of a later write, the connection may be in the client's pool or already
            // carry its next request.
            _ if over => {
                (self.unclear, exchange.unclear) = (true, true);
                self.surplus = false;
            }
            Framing::Complete { surplus: 1.., .. } if exchange.consumed == exchange.length => {
                if bytes.len() <= ONE_SEGMENT {
                    self.surplus = true;
                } else {
                    (self.unclear, exchange.unclear) = (true, true);
                }
            }
            _ => {}
        }
    }

    /// Records a further request on a connection that could not carry one.
    fn check_reuse(&mut self, record: &mut Record) {
        if std::mem::take(&mut self.surplus) && !self.ahead.is_empty() {
            record.reused.push(self.ahead[..self.ahead.len().min(200)].escape_ascii().to_string());
        }
    }
}

/// Repeats `call` while it would block, until the operation ends or `PATIENCE` has passed.
fn patiently<T>(shared: &Shared, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begun = Instant::now();
    for round in 0_u32.. {
        match call() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
        if round < 20 {
            std::thread::yield_now();
        } else {
            std::thread::sleep(Duration::from_micros(if round < 100 { 50 } else { 500 }));
        }
        if shared.lock().done || begun.elapsed() > PATIENCE {
            break;
        }
    }
    Err(ErrorKind::TimedOut.into())
}

/// Replaces `{port}` in the script with the server's port.
fn with_port(bytes: &[u8], port: u16) -> Vec<u8> {
    const PLACE: &[u8] = b"{port}";
    let mut rest = bytes;
    let mut out = Vec::with_capacity(bytes.len());
    while let Some(at) = rest.windows(PLACE.len()).position(|window| window == PLACE) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(port.to_string().as_bytes());
        rest = &rest[at + PLACE.len()..];
    }
    out.extend_from_slice(rest);
    out
}
