//! A server that discards all bodies, responds immediately, and neither stores nor checks anything.
//!
//! The digits at the end of a name determine the number of bytes in an object, or of keys in a
//! bucket (`obj-1048576`, `list-1000`). `GET /-/stats` returns the number of connections and
//! requests since its last call. This server takes less time than the clients that are measured
//! with it, unlike the correct one in `tests/support`.
use super::order::listed_key;
use super::route::Outcome;
use super::tls::{self, Half};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The size of reads and writes.
const BLOCK: usize = 256 << 10;
/// The largest DeleteObjects document: 1,000 keys of 1,024 bytes and the markup around them.
const DELETE_LIMIT: u64 = 4 << 20;
const PAGE: u64 = 1000;
/// This ETag is not a valid MD5, and is the same for every object.
const ETAG: &str = "ETag: \"0123456789abcdef\"\r\n";

static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Prints the endpoint and serves until the standard input ends, so that the server does not
/// outlive the process that started it.
pub(crate) fn run(certificate: Option<&Path>) -> Outcome {
    accept("http", |stream| serve(stream.try_clone()?, stream))?;
    if let Some(file) = certificate {
        let config = tls::configured(file)?;
        accept("https", move |stream| {
            let half = Half::new(config.clone(), stream)?;
            serve(half.clone(), half)
        })?;
    }
    io::stdout().flush()?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// Prints an endpoint and accepts connections on it.
fn accept(
    scheme: &str,
    serve: impl Fn(TcpStream) -> Outcome + Clone + Send + Sync + 'static,
) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{scheme}://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            // When a client disconnects, only its thread ends.
            std::thread::spawn(move || stream.set_nodelay(true).is_ok() && serve(stream).is_ok());
        }
    });
    Ok(())
}

/// The parts of a request on which the response depends.
#[derive(Default)]
struct Request {
    method: String,
    bucket: String,
    key: String,
    query: Vec<(String, String)>,
    range: Option<(u64, Option<u64>)>,
    length: u64,
}

fn serve(input: impl Read, mut output: impl Write) -> Outcome {
    let mut input = BufReader::with_capacity(BLOCK, input);
    let block: Vec<u8> = (0..BLOCK).map(|index| (index ^ (index >> 8)) as u8).collect();
    let mut first = true;
    while let Some(request) = read_head(&mut input)? {
        let mut document = String::new();
        if request.query("delete").is_some() {
            let mut body = String::new();
            (&mut input).take(request.length.min(DELETE_LIMIT)).read_to_string(&mut body)?;
            deleted(&mut document, &body)?;
        } else {
            discard(&mut input, request.length)?;
        }
        // Requests for the statistics are not counted.
        if request.bucket == "-" {
            let counts =
                (CONNECTIONS.swap(0, Ordering::Relaxed), REQUESTS.swap(0, Ordering::Relaxed));
            let text = format!(r#"{{"connections": {}, "requests": {}}}"#, counts.0, counts.1);
            write!(output, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())?;
            continue;
        }
        CONNECTIONS.fetch_add(u64::from(std::mem::take(&mut first)), Ordering::Relaxed);
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        respond(&mut output, &request, document, &block)?;
    }
    Ok(())
}

impl Request {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn read_head(input: &mut impl BufRead) -> Outcome<Option<Request>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut request = Request::default();
    let mut words = line.split(' ');
    request.method = words.next().unwrap_or_default().to_owned();
    let (path, query) = words
        .next()
        .map(|target| target.split_once('?').unwrap_or((target, "")))
        .unwrap_or_default();
    let path = path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (request.bucket, request.key) = (bucket.to_owned(), key.to_owned());
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    request.query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    loop {
        line.clear();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(Some(request)) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => request.length = value.parse()?,
            "range" => {
                let bounds = value.strip_prefix("bytes=").and_then(|value| value.split_once('-'));
                let (from, to) = bounds.ok_or("the server does not support this range")?;
                request.range = Some((from.parse()?, to.parse::<u64>().ok()));
            }
            _ => {}
        }
    }
}

fn discard(input: &mut impl BufRead, length: u64) -> Outcome {
    let mut left = length;
    while left > 0 {
        let have = input.fill_buf()?.len();
        if have == 0 {
            return Err("the request's body ends early".into());
        }
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(have);
        input.consume(taken);
        left -= taken as u64;
    }
    Ok(())
}

fn respond(
    output: &mut impl Write,
    request: &Request,
    mut document: String,
    block: &[u8],
) -> Outcome {
    let has = |name| request.query(name).is_some();
    let mut status = "200 OK";
    let mut headers = String::new();
    let mut content = None;
    match request.method.as_str() {
        "PUT" => headers.push_str(ETAG),
        "DELETE" => status = "204 No Content",
        "POST" if has("uploads") => {
            let key = &request.key;
            write!(
                document,
                "<InitiateMultipartUploadResult><Bucket>{}</Bucket><Key>{key}</Key><UploadId>upload</UploadId></InitiateMultipartUploadResult>",
                request.bucket
            )?;
        }
        "POST" if has("uploadId") => document.push_str(
            "<CompleteMultipartUploadResult><ETag>\"0123456789abcdef\"</ETag></CompleteMultipartUploadResult>",
        ),
        "POST" => {}
        "GET" if request.key.is_empty() => page(&mut document, request)?,
        "GET" | "HEAD" => {
            let size = trailing_number(&request.key);
            let (from, to) = match request.range {
                None => (0, size),
                Some((from, last)) => {
                    let to = last.map_or(size, |last| size.min(last + 1));
                    status = "206 Partial Content";
                    write!(headers, "Content-Range: bytes {from}-{}/{size}\r\n", to.saturating_sub(1))?;
                    (from, to)
                }
            };
            headers.push_str(ETAG);
            content = Some(to.saturating_sub(from));
        }
        other => return Err(format!("the server does not support the method {other}").into()),
    }
    let length = content.unwrap_or(document.len() as u64);
    let body = if request.method == "HEAD" { 0 } else { content.unwrap_or_default() };
    let length = if status.starts_with("204") {
        String::new()
    } else {
        format!("Content-Length: {length}\r\n")
    };
    let head =
        format!("HTTP/1.1 {status}\r\nx-amz-request-id: 0\r\n{headers}{length}\r\n{document}");
    // A short response is sent with one write. With two, the number of reads of the client would
    // depend on timing.
    if body <= block.len() as u64 {
        let mut whole = head.into_bytes();
        whole.extend_from_slice(&block[..body as usize]);
        output.write_all(&whole)?;
        return Ok(());
    }
    output.write_all(head.as_bytes())?;
    let mut left = body;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        output.write_all(&block[..length])?;
        left -= length as u64;
    }
    Ok(())
}

/// Writes one page of ListObjectsV2. The token is the index of the first key.
fn page(document: &mut String, request: &Request) -> Outcome {
    let total = trailing_number(&request.bucket);
    let from: u64 = request.query("continuation-token").unwrap_or("0").parse()?;
    let most = request.query("max-keys").map_or(Ok(PAGE), str::parse)?.min(PAGE);
    let to = total.min(from + most);
    write!(
        document,
        "<ListBucketResult><Name>{}</Name><EncodingType>url</EncodingType>",
        request.bucket
    )?;
    write!(document, "<KeyCount>{}</KeyCount><MaxKeys>{most}</MaxKeys>", to.saturating_sub(from))?;
    if to < total {
        write!(
            document,
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{to}</NextContinuationToken>"
        )?;
    } else {
        document.push_str("<IsTruncated>false</IsTruncated>");
    }
    for index in from..to {
        write!(
            document,
            "<Contents><Key>{}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>4096</Size><StorageClass>STANDARD</StorageClass></Contents>",
            listed_key(index)
        )?;
    }
    document.push_str("</ListBucketResult>");
    Ok(())
}

/// Reports every key of a DeleteObjects document as deleted.
fn deleted(document: &mut String, body: &str) -> Outcome {
    document.push_str("<DeleteResult>");
    for rest in body.split("<Key>").skip(1) {
        let key = rest.split('<').next().unwrap_or_default();
        write!(document, "<Deleted><Key>{key}</Key></Deleted>")?;
    }
    document.push_str("</DeleteResult>");
    Ok(())
}

/// Returns the number at the end of a name, or 0 if there is none.
fn trailing_number(name: &str) -> u64 {
    name.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
