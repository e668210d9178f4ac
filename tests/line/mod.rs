//! A distant server, with a latency before the first byte of each response and a limited number of
//! bytes per second for each direction of a connection. It neither verifies signatures nor stores
//! content, so that it uses little of the machine that it shares with the client: an object is only
//! a size, and its content is computed from the position.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test and benchmark uses only a part of this module"
)]

use crc_fast::{CrcAlgorithm, Digest};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::{Bound, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

pub const BUCKET: &str = "registry";
pub const ETAG: &str = "0123456789abcdef-1";

/// The properties of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// The time from the last byte of a request to the first byte of its response.
    pub latency: Duration,
    /// Bytes per second, each way; `None` for no limit.
    pub rate: Option<u64>,
}

/// A deviation from the correct response to a request.
#[derive(Clone, Debug, Default)]
pub enum Fault {
    #[default]
    None,
    /// The connection ends after this many bytes of the body.
    Cut(u64),
    /// The server becomes silent after this many bytes of the body.
    Stall(u64),
    /// An error document.
    Status(u16, &'static str),
    /// A different version of the object.
    Etag(&'static str),
    /// The whole object with status 200, regardless of the requested range.
    Whole,
    /// A listing without an entry.
    NoKeys,
}

/// The relevant properties of a request.
#[derive(Clone, Debug)]
pub struct Request {
    pub operation: &'static str,
    pub key: String,
    /// The first requested byte.
    pub start: u64,
    /// The last requested byte; `None` for the end of the object.
    pub end: Option<u64>,
    pub if_match: Option<String>,
    pub query: HashMap<String, String>,
    headers: HashMap<String, String>,
    length: u64,
    body: String,
}

type Script = dyn Fn(&Request) -> Fault + Send + Sync;

struct Shared {
    line: Line,
    /// Bytes per second of all connections together, each way; 0 for no limit.
    total: AtomicU64,
    /// When the line will have carried all bytes so far.
    carried: Mutex<Instant>,
    /// Listings read it at the same time.
    objects: RwLock<BTreeMap<String, u64>>,
    uploads: Mutex<HashMap<String, u64>>,
    script: Mutex<Option<Arc<Script>>>,
    seen: Mutex<Vec<Request>>,
    wrong_checksum: AtomicBool,
    tree: AtomicBool,
    names: AtomicBool,
    open: AtomicUsize,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

/// A running server.
pub struct Far {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Far {
    pub fn start(line: Line) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            line,
            total: AtomicU64::new(0),
            carried: Mutex::new(Instant::now()),
            objects: RwLock::default(),
            uploads: Mutex::default(),
            script: Mutex::default(),
            seen: Mutex::default(),
            wrong_checksum: AtomicBool::new(false),
            tree: AtomicBool::new(false),
            names: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if own.stopped.load(Ordering::SeqCst) {
                    return;
                }
                own.open.fetch_add(1, Ordering::SeqCst);
                own.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&own);
                thread::spawn(move || {
                    // An error means that the client has disconnected.
                    drop(shared.serve(stream));
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Limits the bytes per second of all connections together, each way.
    pub fn limit_total(&self, rate: u64) {
        self.shared.total.store(rate, Ordering::SeqCst);
    }

    /// Stores an object of this size under this key.
    pub fn store(&self, key: impl Into<String>, size: u64) {
        // Calculated now, so that no response has to wait for it.
        checksum(size);
        self.shared.objects.write().unwrap().insert(key.into(), size);
    }

    pub fn objects(&self) -> BTreeMap<String, u64> {
        self.shared.objects.read().unwrap().clone()
    }

    /// Calls `script` for every request.
    pub fn script(&self, script: impl Fn(&Request) -> Fault + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Some(Arc::new(script));
    }

    /// Returns wrong checksums from now on.
    pub fn send_wrong_checksums(&self) {
        self.shared.wrong_checksum.store(true, Ordering::SeqCst);
    }

    /// Lists folder by folder from now on, as servers that keep keys in a tree do: `a/x` comes
    /// before `a-b`.
    pub fn list_as_a_tree(&self) {
        self.shared.tree.store(true, Ordering::SeqCst);
    }

    /// Sorts listings with a delimiter by whole names from now on, also if the keys are in a tree:
    /// `a-b/` comes before `a/`.
    pub fn list_directories_by_name(&self) {
        self.shared.names.store(true, Ordering::SeqCst);
    }

    /// Returns the requests so far, without bodies.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub fn count(&self, operation: &str) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|seen| seen.operation == operation).count()
    }

    /// Clears the record of requests.
    pub fn forget(&self) {
        self.shared.seen.lock().unwrap().clear();
    }

    /// Returns the number of open connections.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Returns the number of accepted connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

/// Returns the content of every object: pieces of a power of two all differ, so that a wrong order
/// is noticed.
fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut x = 0x9e37_79b9_7f4a_7c15_u64;
        let mut word = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x.to_le_bytes()
        };
        (0..(4 << 20) / 8 + 509).flat_map(|_| word()).collect()
    })
}

/// Returns the longest run of an object's content from `position` on, up to `limit` bytes.
fn run(position: u64, limit: usize) -> &'static [u8] {
    let table = table();
    let at = usize::try_from(position % table.len() as u64).expect("a position in the table");
    &table[at..table.len().min(at + limit)]
}

/// Reports whether these are the bytes of an object from `position` on.
pub fn is_content(mut position: u64, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let run = run(position, bytes.len());
        let (head, rest) = bytes.split_at(run.len());
        if head != run {
            return false;
        }
        (position, bytes) = (position + head.len() as u64, rest);
    }
    true
}

/// Returns the CRC-64/NVME of a whole object, as in its header. It is calculated once for each
/// size.
fn checksum(size: u64) -> String {
    static KNOWN: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let calculate = || {
        let mut crc = Digest::new(CrcAlgorithm::Crc64Nvme);
        let mut at = 0;
        while at < size {
            let run = run(at, usize::try_from(size - at).unwrap_or(usize::MAX));
            crc.update(run);
            at += run.len() as u64;
        }
        let bytes = crc.finalize().to_be_bytes();
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
    };
    known.entry(size).or_insert_with(calculate).clone()
}

/// Limits the speed of a transfer to the rate of the line.
struct Pace<'a> {
    line: &'a Shared,
    begun: Instant,
    moved: u64,
}

/// The number of bytes moved between two checks of the clock.
const SLICE: usize = 128 << 10;

impl<'a> Pace<'a> {
    fn new(line: &'a Shared) -> Self {
        Self { line, begun: Instant::now(), moved: 0 }
    }

    fn moved(&mut self, bytes: usize) {
        self.moved += bytes as u64;
        let time = |bytes: u64, rate: u64| Duration::from_secs_f64(bytes as f64 / rate as f64);
        let mut due = self.begun;
        if let Some(rate) = self.line.line.rate {
            due += time(self.moved, rate);
        }
        let total = self.line.total.load(Ordering::SeqCst);
        if total > 0 {
            let mut carried = self.line.carried.lock().unwrap();
            *carried = Instant::now().max(*carried) + time(bytes as u64, total);
            due = due.max(*carried);
        }
        let early = due.saturating_duration_since(Instant::now());
        if early > Duration::from_millis(1) {
            thread::sleep(early);
        }
    }
}

struct Response {
    status: u16,
    headers: String,
    body: Body,
}

enum Body {
    Text(String),
    Object(Range<u64>),
}

impl Response {
    fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: String::new(), body: Body::Text(body.into()) }
    }
    fn error(status: u16, code: &str) -> Self {
        Self::text(status, format!("<Error><Code>{code}</Code><Message>scripted</Message></Error>"))
    }
    fn length(&self) -> u64 {
        match &self.body {
            Body::Text(text) => text.len() as u64,
            Body::Object(range) => range.end - range.start,
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::with_capacity(SLICE, stream.try_clone()?);
        while let Some(request) = self.read(&mut reader)? {
            thread::sleep(self.line.latency);
            let script = self.script.lock().unwrap().clone();
            let fault = script.map_or(Fault::None, |script| script(&request));
            let response = match &fault {
                Fault::Status(status, code) => Response::error(*status, code),
                Fault::NoKeys => Response::text(
                    200,
                    "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
                ),
                _ => self.respond(&request, &fault),
            };
            self.seen.lock().unwrap().push(Request { body: String::new(), ..request.clone() });
            let head = format!(
                "HTTP/1.1 {} Scripted\r\ncontent-length: {}\r\n{}\r\n",
                response.status,
                response.length(),
                response.headers
            );
            stream.write_all(head.as_bytes())?;
            let (limit, stalls) = match fault {
                Fault::Cut(at) => (at, false),
                Fault::Stall(at) => (at, true),
                _ => (u64::MAX, false),
            };
            if request.operation != "HeadObject" {
                self.write(&mut stream, &response.body, limit)?;
            }
            if stalls {
                // Until the client disconnects.
                io::copy(&mut reader, &mut io::sink())?;
            }
            if limit < response.length() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn write(&self, stream: &mut TcpStream, body: &Body, limit: u64) -> io::Result<()> {
        let mut pace = Pace::new(self);
        match body {
            Body::Text(text) => {
                stream.write_all(&text.as_bytes()[..text.len().min(limit as usize)])
            }
            Body::Object(range) => {
                let (mut at, end) = (range.start, range.end.min(range.start.saturating_add(limit)));
                while at < end {
                    let run = run(at, SLICE.min((end - at) as usize));
                    stream.write_all(run)?;
                    pace.moved(run.len());
                    at += run.len() as u64;
                }
                Ok(())
            }
        }
    }

    fn read(&self, reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
                None => break,
            };
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query: HashMap<String, String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), decode(value)))
            .collect();
        let key = decode(path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key));
        let has = |name: &str| query.contains_key(name);
        let operation = match (method.as_str(), key.is_empty()) {
            ("GET", true) if has("uploads") => "ListMultipartUploads",
            ("GET", true) => "ListObjectsV2",
            ("POST", true) => "DeleteObjects",
            ("GET", false) => "GetObject",
            ("HEAD", false) => "HeadObject",
            ("PUT", false) if has("uploadId") => "UploadPart",
            ("PUT", false) => "PutObject",
            ("POST", false) if has("uploads") => "CreateMultipartUpload",
            ("POST", false) => "CompleteMultipartUpload",
            ("DELETE", false) if has("uploadId") => "AbortMultipartUpload",
            ("DELETE", false) => "DeleteObject",
            _ => "unknown",
        };
        let length = headers.get("content-length").map_or(0, |value| value.parse().unwrap());
        let mut body = String::new();
        if matches!(operation, "UploadPart" | "PutObject") {
            let mut pace = Pace::new(self);
            let mut left = length;
            while left > 0 {
                let count = reader.fill_buf()?.len().min(left as usize);
                if count == 0 {
                    return Ok(None);
                }
                reader.consume(count);
                pace.moved(count);
                left -= count as u64;
            }
        } else {
            reader.take(length).read_to_string(&mut body)?;
        }
        let start = headers
            .get("range")
            .and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok())
            .unwrap_or(0);
        let end = headers.get("range").and_then(|range| range.split_once('-')?.1.parse().ok());
        let if_match = headers.get("if-match").cloned();
        Ok(Some(Request { operation, key, start, end, if_match, query, headers, length, body }))
    }

    fn respond(&self, request: &Request, fault: &Fault) -> Response {
        let upload = || request.query.get("uploadId").cloned().unwrap_or_default();
        match request.operation {
            "GetObject" | "HeadObject" => self.object(request, fault),
            "ListObjectsV2" => self.list(request),
            "ListMultipartUploads" => {
                let page = "<IsTruncated>false</IsTruncated>";
                Response::text(
                    200,
                    format!("<ListMultipartUploadsResult>{page}</ListMultipartUploadsResult>"),
                )
            }
            "DeleteObjects" => {
                let mut result = String::from("<DeleteResult>");
                let mut objects = self.objects.write().unwrap();
                for key in request
                    .body
                    .split("<Key>")
                    .skip(1)
                    .filter_map(|rest| rest.split("</Key>").next())
                {
                    objects.remove(key);
                    write!(result, "<Deleted><Key>{key}</Key></Deleted>").unwrap();
                }
                Response::text(200, result + "</DeleteResult>")
            }
            "DeleteObject" => {
                self.objects.write().unwrap().remove(&request.key);
                Response::text(204, "")
            }
            "PutObject" => {
                self.objects.write().unwrap().insert(request.key.clone(), request.length);
                Response { headers: format!("etag: \"{ETAG}\"\r\n"), ..Response::text(200, "") }
            }
            "CreateMultipartUpload" => {
                let id = format!("upload-{}", self.seen.lock().unwrap().len());
                self.uploads.lock().unwrap().insert(id.clone(), 0);
                let Request { key, .. } = request;
                let head = "<InitiateMultipartUploadResult>";
                let names =
                    format!("<Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId>");
                Response::text(200, format!("{head}{names}</InitiateMultipartUploadResult>"))
            }
            "UploadPart" => {
                *self.uploads.lock().unwrap().get_mut(&upload()).unwrap() += request.length;
                Response { headers: format!("etag: \"{ETAG}\"\r\n"), ..Response::text(200, "") }
            }
            "CompleteMultipartUpload" => {
                let size = self.uploads.lock().unwrap().remove(&upload()).unwrap();
                self.objects.write().unwrap().insert(request.key.clone(), size);
                let Request { key, .. } = request;
                let names =
                    format!("<Bucket>{BUCKET}</Bucket><Key>{key}</Key><ETag>\"{ETAG}\"</ETag>");
                let head = "<CompleteMultipartUploadResult>";
                Response::text(200, format!("{head}{names}</CompleteMultipartUploadResult>"))
            }
            "AbortMultipartUpload" => {
                self.uploads.lock().unwrap().remove(&upload());
                Response::text(204, "")
            }
            _ => Response::error(501, "NotImplemented"),
        }
    }

    fn object(&self, request: &Request, fault: &Fault) -> Response {
        let Some(size) = self.objects.read().unwrap().get(&request.key).copied() else {
            return Response::error(404, "NoSuchKey");
        };
        let etag = match fault {
            Fault::Etag(etag) => etag,
            _ => ETAG,
        };
        let mut headers = format!("etag: \"{etag}\"\r\naccept-ranges: bytes\r\n");
        let asked = request.headers.get("range").filter(|_| !matches!(fault, Fault::Whole));
        let Some(range) = asked.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
        else {
            if request.headers.get("x-amz-checksum-mode").is_some_and(|mode| mode == "ENABLED") {
                let told = if self.wrong_checksum.load(Ordering::SeqCst) { 0 } else { size };
                write!(headers, "x-amz-checksum-crc64nvme: {}\r\n", checksum(told)).unwrap();
                headers.push_str("x-amz-checksum-type: FULL_OBJECT\r\n");
            }
            return Response { status: 200, headers, body: Body::Object(0..size) };
        };
        let first: u64 = range.0.parse().unwrap();
        let end = range.1.parse::<u64>().map_or(size, |last| (last + 1).min(size));
        if first >= size {
            return Response::error(416, "InvalidRange");
        }
        write!(headers, "content-range: bytes {first}-{}/{size}\r\n", end - 1).unwrap();
        Response { status: 206, headers, body: Body::Object(first..end) }
    }

    fn list(&self, request: &Request) -> Response {
        // In a tree, the slash comes before every other character.
        let has_delimiter = request.query.get("delimiter").is_some_and(|text| !text.is_empty());
        let names = has_delimiter && self.names.load(Ordering::SeqCst);
        let tree = self.tree.load(Ordering::SeqCst) && !names;
        let ordered = |key: &str| if tree { key.replace('/', "\0") } else { key.to_owned() };
        fn named(key: &str, tree: bool) -> Cow<'_, str> {
            if tree { key.replace('\0', "/").into() } else { key.into() }
        }
        let get = |name: &str| ordered(request.query.get(name).map_or("", String::as_str));
        let (prefix, delimiter) = (&*get("prefix"), &*get("delimiter"));
        let most: usize = get("max-keys").parse().unwrap_or(1000);
        let objects = self.objects.read().unwrap();
        let in_a_tree: BTreeMap<String, u64>;
        let objects = if tree {
            in_a_tree = objects.iter().map(|(key, size)| (ordered(key), *size)).collect();
            &in_a_tree
        } else {
            &*objects
        };
        let after = get("start-after").max(get("continuation-token"));
        let from = if *after >= *prefix {
            Bound::Excluded(after)
        } else {
            Bound::Included(prefix.to_owned())
        };
        let (mut entries, mut last, mut truncated) = (String::new(), String::new(), false);
        let mut following = objects.range::<String, _>((from, Bound::Unbounded));
        for count in 0.. {
            let next = following.next().filter(|(key, _)| key.starts_with(prefix));
            let Some((key, size)) = next else { break };
            if count == most {
                truncated = true;
                break;
            }
            let rolled =
                (!delimiter.is_empty()).then(|| key[prefix.len()..].find(delimiter)).flatten();
            match rolled {
                Some(at) => {
                    let rolled = &key[..prefix.len() + at + delimiter.len()];
                    let shown = named(rolled, tree);
                    write!(entries, "<CommonPrefixes><Prefix>{shown}</Prefix></CommonPrefixes>")
                        .unwrap();
                    // Continues after every key with this prefix.
                    last = format!("{rolled}\u{10ffff}");
                    let after = (Bound::Excluded(last.clone()), Bound::Unbounded);
                    following = objects.range::<String, _>(after);
                }
                None => {
                    // The processor time of the server is part of what the benchmarks measure.
                    let (shown, size) = (named(key, tree), size.to_string());
                    let parts = [
                        "<Contents><Key>",
                        &*shown,
                        "</Key><Size>",
                        &*size,
                        "</Size><ETag>\"",
                        ETAG,
                        "\"</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>",
                    ];
                    parts.into_iter().for_each(|part| entries.push_str(part));
                    last.clone_from(key);
                }
            }
        }
        let more = match truncated {
            true => {
                format!("<NextContinuationToken>{}</NextContinuationToken>", named(&last, tree))
            }
            false => String::new(),
        };
        Response::text(
            200,
            format!(
                "<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{entries}</ListBucketResult>"
            ),
        )
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            decoded.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).unwrap()
}

/// Locks out other tests that count the threads of their process.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the threads of this process whose names begin with `name` (Linux; the system keeps 15
/// characters).
pub fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.starts_with(name))
        .count()
}

/// Measures up to three times, until the result is as expected, and returns the last result. Only
/// for measurements that other programs on a busy machine disturb, never for results that must
/// always be correct.
pub fn measure<T>(measure: impl Fn() -> T, is_expected: impl Fn(&T) -> bool) -> T {
    let first = measure();
    (0..2).fold(first, |last, _| if is_expected(&last) { last } else { measure() })
}

/// Waits until `done` returns true, for at most this long.
pub fn wait_until(limit: Duration, what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < limit, "{what} after {limit:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
