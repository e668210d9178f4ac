//! A server between the client and the embedded server that simulates network and server faults.
//!
//! To a request that matches a rule, the rule's [`Fault`] is applied. Every other request is
//! forwarded unchanged, so that the embedded server verifies its signature and its store shows the
//! real outcome.

#![allow(dead_code, reason = "each test program uses only a part of this module")]

use crate::support::{Server, ServerOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) operation: &'static str,
    pub(crate) key: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            line.split_once(": ").filter(|(key, _)| *key == name).map(|(_, value)| value)
        })
    }
}

/// The response of the embedded server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self
    }
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        let mut answer = self.without(name);
        answer.headers.push((name.to_owned(), value.to_owned()));
        answer
    }
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
    /// Replaces the body, and the length accordingly.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.without("transfer-encoding").with("content-length", &length)
    }
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("HTTP/1.1 {} Scripted\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

type Script = dyn Fn(Answer) -> Vec<u8> + Send + Sync;

/// A deviation from a normal exchange.
#[derive(Clone)]
pub(crate) struct Fault {
    /// The number of bytes of the request's body that are read; `None` means all of it.
    upload: Option<usize>,
    /// The offset of the byte in the request's body that is changed before it is forwarded.
    damaged: Option<usize>,
    /// Whether the request is forwarded to the embedded server.
    commits: bool,
    reply: Arc<Script>,
    pace: Option<Duration>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Keep,
    Close,
    Reset,
    /// Stays silent until the client disconnects.
    Hang,
}

impl Fault {
    /// Sends these bytes without forwarding the request.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self {
            upload: None,
            damaged: None,
            commits: false,
            reply: Arc::new(move |_| bytes.clone()),
            pace: None,
            end: End::Keep,
        }
    }
    /// Sends a complete response with this status and body.
    pub(crate) fn reply(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::raw(Answer { status, ..Answer::default() }.body(body).bytes())
    }
    /// Sends a complete response with this status, these headers and this body.
    pub(crate) fn reply_with(
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::raw(Answer { status, headers, body: Vec::new() }.body(body).bytes())
    }
    /// Sends an error document.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::reply_with(
            status,
            &[("x-amz-request-id", "REQ123"), ("x-amz-id-2", "HOST456")],
            error_document(code),
        )
    }
    /// Sends no response.
    pub(crate) fn silent(end: End) -> Self {
        Self::raw("").end(end)
    }
    /// Sends the embedded server's response after changing it.
    pub(crate) fn changed(change: impl Fn(Answer) -> Answer + Send + Sync + 'static) -> Self {
        Self::scripted(move |answer| change(answer).bytes())
    }
    /// Sends bytes that `script` creates from the embedded server's response.
    pub(crate) fn scripted(script: impl Fn(Answer) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self {
            upload: None,
            damaged: None,
            commits: true,
            reply: Arc::new(script),
            pace: None,
            end: End::Keep,
        }
    }
    /// Sends the embedded server's response up to this many bytes of its body.
    pub(crate) fn cut(at: usize, end: End) -> Self {
        let script = move |mut answer: Answer| {
            answer.body.truncate(at);
            answer.bytes()
        };
        Self::scripted(script).end(end)
    }
    /// Applies the fault after the embedded server has processed the request.
    pub(crate) fn after_commit(mut self) -> Self {
        self.commits = true;
        self
    }
    /// Reads only this many bytes of the request's body.
    pub(crate) fn mid_upload(mut self, bytes: usize) -> Self {
        self.upload = Some(bytes);
        self
    }
    /// Changes one byte of the request's body before it is forwarded.
    pub(crate) fn damaged_upload(mut self, at: usize) -> Self {
        self.damaged = Some(at);
        self
    }
    pub(crate) fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }
    /// Sends the bytes of the body one at a time.
    pub(crate) fn trickled(mut self, pace: Duration) -> Self {
        self.pace = Some(pace);
        self
    }
}

pub(crate) fn error_document(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>scripted</Message><RequestId>REQ123</RequestId></Error>"
    )
}

struct Rule {
    operation: &'static str,
    /// The number of matching requests to skip first.
    skip: usize,
    times: usize,
    fault: Fault,
}

type Chance = dyn Fn(&Seen) -> Option<Fault> + Send + Sync;

struct Shared {
    backend: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    chance: Mutex<Option<Arc<Chance>>>,
    seen: Mutex<Vec<Seen>>,
    records: AtomicBool,
    open: AtomicU64,
    faults: AtomicU64,
    hung: AtomicU64,
    stopped: AtomicBool,
}

/// How long to keep a connection whose peer has stopped reading. The clients of these tests give up
/// after a second without progress, but a kernel that enlarges its buffers counts as progress,
/// which can happen several times on a busy machine.
const UNREAD: Duration = Duration::from_secs(6);

/// The faulty server, and the correct server that it forwards to.
pub(crate) struct Faulty {
    pub(crate) backend: Server,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Faulty {
    pub(crate) fn start(options: ServerOptions) -> Self {
        let backend = Server::start(options);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            backend: backend.address(),
            rules: Mutex::default(),
            chance: Mutex::default(),
            seen: Mutex::default(),
            records: AtomicBool::new(true),
            open: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            hung: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let own = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if own.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                own.open.fetch_add(1, Ordering::SeqCst);
                let shared = own.clone();
                thread::spawn(move || {
                    // An error means that the client has disconnected, which many tests expect.
                    drop(serve(stream, &shared));
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { backend, address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Applies `fault` to the next request of `operation` (`*` for any).
    pub(crate) fn once(&self, operation: &'static str, fault: Fault) {
        self.times(operation, 0, 1, fault);
    }

    /// Applies `fault` to every request of `operation`.
    pub(crate) fn always(&self, operation: &'static str, fault: Fault) {
        self.times(operation, 0, usize::MAX, fault);
    }

    /// Applies `fault` to `times` requests of `operation`, after skipping `skip` of them. Rules are
    /// checked in order.
    pub(crate) fn times(&self, operation: &'static str, skip: usize, times: usize, fault: Fault) {
        self.shared.rules.lock().unwrap().push(Rule { operation, skip, times, fault });
    }

    /// Calls `chance` for every request that matches no rule, and stops recording requests.
    pub(crate) fn by_chance(
        &self,
        chance: impl Fn(&Seen) -> Option<Fault> + Send + Sync + 'static,
    ) {
        self.shared.records.store(false, Ordering::SeqCst);
        *self.shared.chance.lock().unwrap() = Some(Arc::new(chance));
    }

    /// Applies `fault` to every upload of an object or part without `Content-MD5`.
    pub(crate) fn by_digest(&self, fault: Fault) {
        *self.shared.chance.lock().unwrap() = Some(Arc::new(move |seen: &Seen| {
            let stores = matches!(seen.operation, "PutObject" | "UploadPart");
            (stores && seen.header("content-md5").is_none()).then(|| fault.clone())
        }));
    }

    /// Forwards everything from now on.
    pub(crate) fn heal(&self) {
        self.shared.rules.lock().unwrap().clear();
        *self.shared.chance.lock().unwrap() = None;
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns the number of requests of an operation so far.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|seen| seen.operation == operation).count()
    }

    pub(crate) fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::SeqCst)
    }

    /// Returns the number of responses that have fallen silent ([`End::Hang`]) so far.
    pub(crate) fn hung(&self) -> u64 {
        self.shared.hung.load(Ordering::SeqCst)
    }

    /// Waits until no connection is open.
    pub(crate) fn assert_nothing_open(&self) {
        let begun = Instant::now();
        while self.shared.open.load(Ordering::SeqCst) > 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{} connections are still open",
                self.shared.open.load(Ordering::SeqCst)
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // This connection wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

/// Serves one connection of the client.
fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut backend: Option<TcpStream> = None;
    loop {
        let Some(head) = peek_head(&stream)? else { return Ok(()) };
        let (operation, key) = operation_of(&head);
        let mut seen = Seen { operation, key, head, body: Vec::new() };
        let length: usize =
            seen.header("content-length").map_or(0, |value| value.parse().expect("a length"));
        let fault = shared.fault_for(&seen);
        if fault.is_some() {
            shared.faults.fetch_add(1, Ordering::SeqCst);
        }
        // The last byte is left unread until the end: closing a connection with unread bytes makes
        // the system send a reset.
        let wanted = fault
            .as_ref()
            .and_then(|fault| fault.upload)
            .map_or(length, |upload| upload.min(length));
        if wanted == 0 {
            stream.read_exact(&mut vec![0; seen.head.len() - 1])?;
        } else {
            stream.read_exact(&mut vec![0; seen.head.len()])?;
            seen.body.resize(wanted, 0);
            stream.read_exact(&mut seen.body[..wanted - 1])?;
            if stream.peek(&mut seen.body[wanted - 1..])? == 0 {
                return Ok(());
            }
        }
        if let Some(at) = fault.as_ref().and_then(|fault| fault.damaged) {
            seen.body[at] ^= 1;
        }
        let answer = match &fault {
            Some(Fault { commits: false, .. }) => Answer::default(),
            _ => forward(&mut backend, shared.backend, &seen)?,
        };
        if shared.records.load(Ordering::SeqCst) {
            shared.seen.lock().unwrap().push(seen);
        }
        let (bytes, pace, end) = match &fault {
            None => (answer.bytes(), None, End::Keep),
            Some(fault) => ((fault.reply)(answer), fault.pace, fault.end),
        };
        match pace {
            None => stream.write_all(&bytes)?,
            Some(pace) => {
                let head =
                    bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |end| end + 4);
                stream.write_all(&bytes[..head])?;
                for &byte in &bytes[head..] {
                    stream.write_all(&[byte])?;
                    thread::sleep(pace);
                }
            }
        }
        match end {
            End::Reset => return Ok(()),
            End::Keep => stream.read_exact(&mut [0])?,
            End::Close => {
                stream.read_exact(&mut [0])?;
                return Ok(());
            }
            End::Hang => {
                shared.hung.fetch_add(1, Ordering::SeqCst);
                stream.read_exact(&mut [0])?;
                if wanted == length {
                    io::copy(&mut stream, &mut io::sink())?;
                } else {
                    // Reading more would count as progress, so that the end of the client's
                    // connection cannot be observed. It suffices to wait longer than the client's
                    // timeout.
                    thread::sleep(UNREAD);
                }
                return Ok(());
            }
        }
    }
}

impl Shared {
    fn fault_for(&self, seen: &Seen) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        for rule in rules
            .iter_mut()
            .filter(|rule| rule.operation == seen.operation || rule.operation == "*")
        {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Some(rule.fault.clone());
            }
        }
        drop(rules);
        let chance = self.chance.lock().unwrap().clone();
        chance.and_then(|chance| chance(seen))
    }
}

/// Returns the head of the next request without consuming it, or `None` if the client has closed
/// the connection.
fn peek_head(stream: &TcpStream) -> io::Result<Option<String>> {
    let mut block = vec![0; 64 << 10];
    let mut before = 0;
    loop {
        let count = stream.peek(&mut block)?;
        if let Some(end) = block[..count].windows(4).position(|four| four == b"\r\n\r\n") {
            block.truncate(end + 4);
            return Ok(Some(String::from_utf8(block).expect("an ASCII head")));
        }
        if count == 0 {
            return Ok(None);
        }
        if count == before {
            thread::sleep(Duration::from_millis(1));
        }
        before = count;
    }
}

/// Forwards a request and reads the response.
fn forward(
    backend: &mut Option<TcpStream>,
    address: SocketAddr,
    seen: &Seen,
) -> io::Result<Answer> {
    let mut stream = match backend.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream
        }
    };
    stream.write_all(seen.head.as_bytes())?;
    stream.write_all(&seen.body)?;
    let mut ahead = Vec::new();
    let head = loop {
        let mut block = [0; 16 << 10];
        let count = stream.read(&mut block)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        ahead.extend_from_slice(&block[..count]);
        if let Some(end) = ahead.windows(4).position(|four| four == b"\r\n\r\n") {
            break String::from_utf8(ahead.drain(..end + 4).collect()).expect("an ASCII head");
        }
    };
    let status = head[9..12].parse().expect("a status");
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
        .collect();
    let header =
        |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut body = ahead;
    let mut read = |body: &mut Vec<u8>, until: usize| -> io::Result<()> {
        let filled = body.len();
        if filled < until {
            body.resize(until, 0);
            stream.read_exact(&mut body[filled..])?;
        }
        Ok(())
    };
    if !seen.head.starts_with("HEAD ") {
        if header("transfer-encoding").is_some() {
            let mut whole = Vec::new();
            loop {
                let line = loop {
                    if let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
                        break String::from_utf8(body.drain(..end + 2).collect()).expect("a size");
                    }
                    let more = body.len() + 1;
                    read(&mut body, more)?;
                };
                let size = usize::from_str_radix(line.trim(), 16).expect("a size");
                read(&mut body, size + 2)?;
                whole.extend(body.drain(..size + 2).take(size));
                if size == 0 {
                    break;
                }
            }
            *backend = Some(stream);
            return Ok(Answer { status, headers, body: Vec::new() }.body(whole));
        }
        let length = header("content-length").map_or(0, |value| value.parse().expect("a length"));
        read(&mut body, length)?;
    }
    *backend = Some(stream);
    Ok(Answer { status, headers, body })
}

/// Returns the operation and the key of a path-style request.
fn operation_of(head: &str) -> (&'static str, String) {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let target =
        target.strip_prefix("http://").map_or(target, |rest| &rest[rest.find('/').unwrap_or(0)..]);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_owned();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let copies = head.contains("\r\nx-amz-copy-source: ");
    let bucket = path.trim_matches('/');
    let subresource = |read: &'static str, write: &'static str| match method {
        "GET" => read,
        _ => write,
    };
    let operation = match (method, key.is_empty()) {
        ("GET", true) if bucket.is_empty() => "ListBuckets",
        ("GET", true) if has("uploads") => "ListMultipartUploads",
        ("GET", true) if has("location") => "GetBucketLocation",
        ("GET", true) if has("lifecycle") => "GetBucketLifecycleConfiguration",
        ("GET", true) if has("versions") => "ListObjectVersions",
        ("GET", true) if has("session") => "CreateSession",
        (_, true) if has("versioning") => subresource("GetBucketVersioning", "PutBucketVersioning"),
        (_, true) if has("object-lock") => {
            subresource("GetObjectLockConfiguration", "PutObjectLockConfiguration")
        }
        ("GET", true) if has("list-type") => "ListObjectsV2",
        ("GET", true) => "ListObjects",
        ("HEAD", true) => "HeadBucket",
        ("PUT", true) => "CreateBucket",
        ("DELETE", true) => "DeleteBucket",
        ("POST", true) => "DeleteObjects",
        ("GET", false) if has("uploadId") => "ListParts",
        ("GET", false) if has("attributes") => "GetObjectAttributes",
        ("DELETE", false) if has("tagging") => "DeleteObjectTagging",
        (_, false) if has("tagging") => subresource("GetObjectTagging", "PutObjectTagging"),
        (_, false) if has("retention") => subresource("GetObjectRetention", "PutObjectRetention"),
        (_, false) if has("legal-hold") => subresource("GetObjectLegalHold", "PutObjectLegalHold"),
        ("GET", false) => "GetObject",
        ("HEAD", false) => "HeadObject",
        ("PUT", false) if has("uploadId") && copies => "UploadPartCopy",
        ("PUT", false) if has("uploadId") => "UploadPart",
        ("PUT", false) if copies => "CopyObject",
        ("PUT", false) => "PutObject",
        ("POST", false) if has("uploads") => "CreateMultipartUpload",
        ("POST", false) => "CompleteMultipartUpload",
        ("DELETE", false) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", false) => "DeleteObject",
        _ => "unknown",
    };
    (operation, key)
}
