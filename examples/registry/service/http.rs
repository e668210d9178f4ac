//! A small blocking HTTP/1.1 server with one thread per connection and a bound on every size and
//! every wait.
use super::places::{Place, Places};
use super::tls::{self, Socket};
use rustls::ServerConfig;
use s3driver::time::Timestamp;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// The maximum number of concurrent connections, and thus of threads. Further connections wait in
/// the listener's queue.
const CONNECTIONS: usize = 256;
/// The maximum size of a request's line and headers. Manifest references and upload tokens are much
/// smaller.
const HEAD_LIMIT: usize = 32 << 10;
/// The maximum number of headers of a request, and of trailers of a body.
const HEADERS: usize = 100;
/// How long a client may take for a TLS handshake, and for a complete request head after its first
/// byte.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// How long a connection may stay open without a request, and a body or a response without
/// progress.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// If the handler did not read the whole body, up to this many bytes are skipped to keep the
/// connection.
const SKIP_LIMIT: u64 = 256 << 10;
/// How long to keep reading from a connection that is being closed, so that the client sees the
/// response before the end.
const LINGER_TIME: Duration = Duration::from_secs(2);
/// The size of a connection's buffer, which holds a head, or many chunks of a chunked body.
const BUFFER: usize = 64 << 10;
/// The number of bytes that are copied at a time.
pub(crate) const PIECE: usize = 128 << 10;
/// The stack size of a connection's thread. The deepest recursion is that of JSON parsing, which is
/// limited to 128 levels.
const STACK: usize = 512 << 10;

/// Produces the response to one request.
pub(crate) type Handler = dyn Fn(&mut Request<'_>) -> Response + Send + Sync;

/// A request whose body is still on the connection.
pub(crate) struct Request<'a> {
    pub(crate) method: String,
    /// The path as sent, percent-encoded.
    pub(crate) path: String,
    /// The query as sent, without the question mark.
    pub(crate) query: String,
    headers: Vec<(String, String)>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) body: Body<'a>,
}

impl Request<'_> {
    /// Returns the value of the first header with this name, which is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
    /// Returns the values of all headers with this name, which is given in lower case.
    pub(crate) fn headers(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Parses a number that consists only of digits.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The content of a response.
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// Exactly this many bytes of a reader. A reader that fails or ends early breaks the
    /// connection.
    Stream(Box<dyn Read + Send>, u64),
    /// Only the length, for the response to HEAD.
    Length(u64),
}

/// A response.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content: Content,
}

impl Response {
    /// An empty response.
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Bytes(Vec::new()) }
    }
    /// Adds a header. Control characters, which could end it, become spaces.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into().replace(|c: char| c.is_ascii_control(), " ")));
        self
    }
    /// Sets the content.
    pub(crate) fn content(mut self, content: Content) -> Self {
        self.content = content;
        self
    }
}

/// A running server. Dropping it ends the listener; connections end with their current request.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves connections to `listener`, over TLS if a configuration for it is given.
    pub(crate) fn start(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        handler: Arc<Handler>,
    ) -> io::Result<Self> {
        let (address, stop) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let seen = Arc::clone(&stop);
        let accept = move || accept(&listener, tls.as_ref(), &handler, &seen);
        let thread = thread::Builder::new().name("registry-accept".to_owned()).spawn(accept)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
    /// Waits for the listener to end, which happens only when the process ends.
    pub(crate) fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // This connection wakes the listener.
            drop(TcpStream::connect_timeout(&self.address, LINGER_TIME));
            drop(thread.join());
        }
    }
}

fn accept(
    listener: &TcpListener,
    tls: Option<&Arc<ServerConfig>>,
    handler: &Arc<Handler>,
    stop: &Arc<AtomicBool>,
) {
    let places = Places::new(CONNECTIONS);
    loop {
        let place = places.take();
        let Ok((socket, peer)) = listener.accept() else {
            // Most likely there is no free file descriptor. Connections that end will release some.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (tls, handler, stop) = (tls.cloned(), Arc::clone(handler), Arc::clone(stop));
        let serve = move || {
            // A broken connection is not reported because the client notices it.
            drop(serve(socket, peer.ip(), tls, &*handler, &place, &stop));
        };
        // If no thread can be started, the connection is closed, and the client may retry.
        drop(
            thread::Builder::new()
                .name("registry-connection".to_owned())
                .stack_size(STACK)
                .spawn(serve),
        );
    }
}

fn serve(
    socket: TcpStream,
    peer: IpAddr,
    tls: Option<Arc<ServerConfig>>,
    handler: &Handler,
    place: &Place,
    stop: &AtomicBool,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(IDLE_TIME))?;
    let mut connection = Connection::new(tls::accept(socket, tls, HEAD_TIME)?);
    connection.socket.tcp().set_read_timeout(Some(IDLE_TIME))?;
    loop {
        let head = match connection.read_head() {
            Ok(None) => return Ok(()),
            Ok(Some(bytes)) => Head::parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err("not an HTTP request"),
            Err(error) => return Err(error),
        };
        let Ok(Head { method, path, query, headers, framing, keep_alive }) = head else {
            connection.respond(Response::new(400), "GET", false)?;
            return connection.linger();
        };
        let expects = header(&headers, "expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        let body = Body { connection: &mut connection, framing, expects };
        let mut request = Request { method, path, query, headers, peer: Some(peer), body };
        let response = handler(&mut request);
        let (complete, method) = (request.body.skip(), request.method);
        // If few connections are left, an idle one must not be kept.
        let keep = keep_alive && complete && !place.is_scarce() && !stop.load(Ordering::Relaxed);
        connection.respond(response, &method, keep)?;
        if !keep {
            return connection.linger();
        }
    }
}

/// How the end of a request's body is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    /// The number of bytes left in the current chunk, and whether it is the first one.
    Chunked {
        left: u64,
        first: bool,
    },
    /// The body cannot be read any further, so the connection ends with the response.
    Broken,
}

struct Head {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    framing: Framing,
    keep_alive: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut fields = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut fields);
        parsed.parse(bytes).map_err(|_| "not an HTTP request")?;
        let (Some(method), Some(target), Some(version)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err("not a complete HTTP request");
        };
        // The target of a request to a proxy also contains the host.
        let target =
            match target.strip_prefix("http://").or_else(|| target.strip_prefix("https://")) {
                Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
                None => target,
            };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = Vec::with_capacity(parsed.headers.len());
        for field in parsed.headers.iter() {
            let value = String::from_utf8_lossy(field.value).trim().to_owned();
            headers.push((field.name.to_ascii_lowercase(), value));
        }
        let connection = header(&headers, "connection").unwrap_or_default().to_ascii_lowercase();
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            framing: Self::framing(&headers)?,
            keep_alive: version == 1
                && !connection.split(',').any(|option| option.trim() == "close"),
            headers,
        })
    }

    /// Determines the framing. A request with two lengths is rejected because a server in between
    /// may have used the other one.
    fn framing(headers: &[(String, String)]) -> Result<Framing, &'static str> {
        let values = |wanted: &str| headers.iter().filter(|(name, _)| name == wanted).count();
        match (values("content-length"), values("transfer-encoding")) {
            (0, 0) => Ok(Framing::Length(0)),
            (1, 0) => {
                let length = header(headers, "content-length").and_then(number);
                length.map(Framing::Length).ok_or("a length that is not a number")
            }
            (0, 1)
                if header(headers, "transfer-encoding")
                    .is_some_and(|value| value.eq_ignore_ascii_case("chunked")) =>
            {
                Ok(Framing::Chunked { left: 0, first: true })
            }
            _ => Err("an ambiguous length"),
        }
    }
}

/// A request's body. The first read sends `100 Continue` if the client waits for it.
pub(crate) struct Body<'a> {
    connection: &'a mut Connection,
    framing: Framing,
    expects: bool,
}

impl Body<'_> {
    /// Returns the number of bytes left, if the client announced it.
    pub(crate) fn length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            _ => None,
        }
    }

    fn read_some(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.expects && self.framing != Framing::Length(0) {
            self.expects = false;
            self.connection.socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if let Framing::Chunked { left: 0, first } = self.framing {
            self.framing = self.next_chunk(first)?;
        }
        let left = match self.framing {
            Framing::Length(left) | Framing::Chunked { left, .. } => left,
            Framing::Broken => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let wanted = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.connection.read(&mut out[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &mut self.framing {
            Framing::Length(left) | Framing::Chunked { left, .. } => {
                *left = left.saturating_sub(read as u64);
            }
            Framing::Broken => {}
        }
        Ok(read)
    }

    /// Reads the line that begins a chunk, and skips the trailers that follow the last chunk.
    fn next_chunk(&mut self, first: bool) -> io::Result<Framing> {
        if !first && !self.connection.read_line()?.is_empty() {
            return Err(invalid("a chunk is longer than announced"));
        }
        let mut line = self.connection.read_line()?;
        line.extend_from_slice(b"\r\n");
        match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((_, 0))) => {
                for _ in 0..HEADERS {
                    if self.connection.read_line()?.is_empty() {
                        return Ok(Framing::Length(0));
                    }
                }
                Err(invalid("too many trailers"))
            }
            Ok(httparse::Status::Complete((_, left))) => {
                Ok(Framing::Chunked { left, first: false })
            }
            _ => Err(invalid("a chunk has no length")),
        }
    }

    /// Skips the bytes that the handler left, and reports whether the connection can be used again.
    fn skip(&mut self) -> bool {
        if self.expects && self.framing != Framing::Length(0) {
            // The client was not asked to send the body, but may send it anyway.
            return false;
        }
        let mut limited = self.take(SKIP_LIMIT);
        io::copy(&mut limited, &mut io::sink()).is_ok() && self.framing == Framing::Length(0)
    }
}

impl Read for Body<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.read_some(out);
        if read.is_err() {
            self.framing = Framing::Broken;
        }
        read
    }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// A socket, and the data that has been read beyond the head of the current request.
struct Connection {
    socket: Socket,
    buffer: Vec<u8>,
    /// The part of the buffer that has been received but not consumed.
    pending: Range<usize>,
}

impl Connection {
    fn new(socket: Socket) -> Self {
        Self { socket, buffer: vec![0; BUFFER], pending: 0..0 }
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.pending.is_empty() {
            if out.len() >= BUFFER {
                return self.socket.read(out);
            }
            self.fill()?;
        }
        let taken = self.pending.len().min(out.len());
        out[..taken].copy_from_slice(&self.buffer[self.pending.start..][..taken]);
        self.pending.start += taken;
        Ok(taken)
    }

    /// Reads more data into the buffer, which is never full here, and returns the number of bytes.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.pending.clone(), 0);
        self.pending = 0..self.pending.len();
        let read = self.socket.read(&mut self.buffer[self.pending.end..])?;
        self.pending.end += read;
        Ok(read)
    }

    /// Consumes as many bytes as `end` returns, once enough have arrived. They must be complete
    /// within [`HEAD_TIME`] after the first byte. Returns `None` if the client has closed the
    /// connection.
    fn read_until(
        &mut self,
        end: impl Fn(&[u8]) -> io::Result<Option<usize>>,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut deadline = None;
        loop {
            let bytes = &self.buffer[self.pending.clone()];
            if !bytes.is_empty() {
                if let Some(length) = end(bytes)?.filter(|length| *length <= HEAD_LIMIT) {
                    let found = bytes[..length].to_vec();
                    self.pending.start += length;
                    self.socket.tcp().set_read_timeout(Some(IDLE_TIME))?;
                    return Ok(Some(found));
                }
                let now = Instant::now();
                let left = deadline.get_or_insert(now + HEAD_TIME).saturating_duration_since(now);
                if bytes.len() > HEAD_LIMIT || left.is_zero() {
                    return Err(invalid("a line or a head is too long, or takes too long"));
                }
                self.socket.tcp().set_read_timeout(Some(left))?;
            }
            if self.fill()? == 0 {
                return if self.pending.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// Reads a request's head. Bytes that cannot be part of a head are an immediate error.
    /// Otherwise, a client that tries TLS on a plain connection would wait until its timeout.
    fn read_head(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.read_until(|bytes| {
            let mut fields = [httparse::EMPTY_HEADER; HEADERS];
            match httparse::Request::new(&mut fields).parse(bytes) {
                Ok(httparse::Status::Complete(length)) => Ok(Some(length)),
                Ok(httparse::Status::Partial) => Ok(None),
                Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        })
    }

    /// Reads a line and removes its line break.
    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let line = self.read_until(|bytes| {
            Ok(bytes.windows(2).position(|two| two == b"\r\n").map(|at| at + 2))
        })?;
        let mut line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
        line.truncate(line.len().saturating_sub(2));
        Ok(line)
    }

    fn respond(&mut self, response: Response, method: &str, keep: bool) -> io::Result<()> {
        let Response { status, headers, content } = response;
        let date = Timestamp::from(SystemTime::now()).http_date();
        let mut head = format!("HTTP/1.1 {status} {}\r\nDate: {date}\r\n", reason(status));
        for (name, value) in headers {
            // Writing to a string cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let length = match &content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Stream(_, length) | Content::Length(length) => *length,
        };
        if status != 204 && status != 304 {
            let _ = write!(head, "Content-Length: {length}\r\n");
        }
        head.push_str(if keep { "\r\n" } else { "Connection: close\r\n\r\n" });
        let mut head = head.into_bytes();
        match content {
            Content::Bytes(bytes) if method != "HEAD" => {
                head.extend_from_slice(&bytes);
                self.socket.write_all(&head)?;
            }
            Content::Stream(reader, length) if method != "HEAD" => {
                self.socket.write_all(&head)?;
                self.send(reader, length)?;
            }
            _ => self.socket.write_all(&head)?,
        }
        self.socket.flush()
    }

    fn send(&mut self, mut reader: Box<dyn Read + Send>, mut left: u64) -> io::Result<()> {
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        while left > 0 {
            let wanted = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = reader.read(&mut piece[..wanted])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.socket.write_all(&piece[..read])?;
            left -= read as u64;
        }
        Ok(())
    }

    /// Closes the connection gracefully, because unread bytes would reset it and discard the
    /// response.
    fn linger(&mut self) -> io::Result<()> {
        self.socket.finish()?;
        let deadline = Instant::now() + LINGER_TIME;
        let mut piece = vec![0; PIECE];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.socket.tcp().set_read_timeout(Some(left))?;
            if self.socket.tcp().read(&mut piece)? == 0 {
                return Ok(());
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
