//! Tests of the fetcher of the feature `client` over a real socket.

use s3driver::ErrorKind;
use s3driver::cloudfront::{PrivateKey, Signer};
use s3driver::driver::{Method, StorageDriver, UrlOptions};
use s3driver::middleware::{CloudFront, CloudFrontOptions, Fetch, HttpFetch, IpFilter};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const DOCUMENT: &str =
    r#"{"prefixes":[{"ip_prefix":"10.0.0.0/8","region":"x"}],"ipv6_prefixes":[]}"#;

/// Starts a server that sends `response` on every connection and reports the request's head. An
/// empty response leaves the client waiting.
fn server(response: String) -> (String, mpsc::Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ip-ranges.json?v=1", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut waiting = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty());
            let head: Vec<String> = lines.collect();
            if tell.send(head).is_err() {
                return;
            }
            if response.is_empty() {
                waiting.push(stream);
            } else {
                // A client that has read enough may have disconnected.
                let _ = stream.write_all(response.as_bytes());
            }
        }
    });
    (url, told)
}

fn reply(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn fetches_a_document_up_to_the_limit() {
    let (url, told) = server(reply("200 OK", DOCUMENT));
    let fetch = HttpFetch::new().unwrap();
    assert_eq!(fetch.get(&url, DOCUMENT.len()).unwrap(), DOCUMENT.as_bytes());
    let head = told.recv().unwrap();
    assert_eq!(head[0], "GET /ip-ranges.json?v=1 HTTP/1.1");
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    assert!(head.contains(&format!("host: {host}")), "{head:?}");
    fetch.get(&url, DOCUMENT.len() - 1).unwrap_err();
    for (status, code) in [("302 Found", 302), ("404 Not Found", 404), ("503 Slow", 503)] {
        let (url, _told) = server(reply(status, DOCUMENT));
        let error = fetch.get(&url, 1000).unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(code)));
    }
    assert_eq!(fetch.get("nonsense", 1000).unwrap_err().kind(), ErrorKind::Configuration);
    let error = fetch.get("http://127.0.0.1:1/", 1000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
}

fn middleware(url: &str) -> CloudFront {
    let key =
        PrivateKey::from_pem(include_str!("../data/cloudfront/test_rsa2048_pkcs1.pem")).unwrap();
    let options = CloudFrontOptions::new("https://h", Signer::new(key, "K1").unwrap()).unwrap();
    let options = options.ip_filter(IpFilter::Aws).ip_ranges_url(url).unwrap();
    CloudFront::new(crate::memory::Memory::new(""), options).unwrap()
}

#[test]
fn feeds_the_ip_filter() {
    let (url, _told) = server(reply("200 OK", DOCUMENT));
    let driver = middleware(&url);
    let deadline = Instant::now() + Duration::from_secs(20);
    while driver.ip_ranges().is_none() {
        assert!(Instant::now() < deadline, "{:?}", driver.last_refresh_error());
        std::thread::sleep(Duration::from_millis(2));
    }
    let near = UrlOptions::new(Method::Get).client("10.0.0.1".parse().unwrap());
    assert!(driver.url_for("/a", &near).unwrap().starts_with("https://s3.example/"));
}

#[test]
fn is_interrupted_when_the_middleware_is_dropped() {
    let (url, told) = server(String::new());
    let driver = Arc::new(middleware(&url));
    told.recv_timeout(Duration::from_secs(20)).unwrap();
    let start = Instant::now();
    drop(driver);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
