//! Tests of the fetcher of the feature `client` over a real socket.

use s3driver::ErrorKind;
use s3driver::cloudfront::{PrivateKey, Signer};
use s3driver::driver::{Method, StorageDriver, UrlOptions};
use s3driver::middleware::{self, CloudFront, CloudFrontOptions, Fetch, HttpFetch, IpFilter};
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
    let (tell, requests) = mpsc::channel();
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
    (url, requests)
}

fn reply(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

#[test]
fn redirects_are_followed_up_to_a_limit_and_not_to_other_schemes() {
    let fetch = HttpFetch::new().unwrap();
    let (end, _requests) = server(reply("200 OK", DOCUMENT));
    let end = format!("{end}#part");
    let mut url = end.clone();
    for status in [301, 302, 303, 307, 308] {
        url = kept(server(redirect(status, &url)));
    }
    assert_eq!(fetch.get(&url, 1000).unwrap(), DOCUMENT.as_bytes());
    let (more, _requests) = server(redirect(302, &url));
    let error = fetch.get(&more, 1000).unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(301)));
    // A path and a URL without a scheme are relative to the server that redirects.
    let without_scheme = end.strip_prefix("http:").unwrap();
    let (relative, _requests) = server(redirect(302, without_scheme));
    assert_eq!(fetch.get(&relative, 1000).unwrap(), DOCUMENT.as_bytes());
    let (turning, requests) = server(redirect(302, "/other"));
    assert_eq!(fetch.get(&turning, 1000).unwrap_err().status(), Some(302));
    let heads: Vec<_> = requests.try_iter().map(|head| head[0].clone()).collect();
    assert_eq!(heads[1], "GET /other HTTP/1.1");
    assert_eq!(heads.len(), 6);
    for location in ["", "ftp://h/", "file:///etc/passwd", "other", "http://"] {
        let (url, _requests) = server(redirect(302, location));
        let error = fetch.get(&url, 1000).unwrap_err();
        assert!(error.message().contains("is not followed"), "{location}: {error}");
    }
}

/// Keeps a server's receiver, without which the server ends.
fn kept((url, requests): (String, mpsc::Receiver<Vec<String>>)) -> String {
    std::mem::forget(requests);
    url
}

#[test]
fn ranges_are_fetched_through_the_proxy_of_the_storage_and_failures_are_reported() {
    use s3driver::driver::{Parameters, S3Driver};
    let wrapped = |proxy: &str| {
        let options = [("region", "us-east-1"), ("bucket", "registry"), ("proxy", proxy)];
        let driver = S3Driver::new(&Parameters::from_pairs(options).unwrap()).unwrap();
        let key = include_str!("../data/cloudfront/test_rsa2048_pkcs1.pem");
        let options = [
            ("baseurl", "https://h"),
            ("privatekey", key),
            ("keypairid", "K1"),
            ("ipfilteredby", "aws"),
            ("iprangesurl", "http://ranges.invalid/x"),
        ];
        let client = driver.client().clone();
        let inner = Arc::new(driver);
        let wrapped = middleware::wrap_with_client("cloudfront", inner, options, &client);
        (wrapped.unwrap(), client)
    };
    let (proxy, requests) = server(reply("200 OK", DOCUMENT));
    let proxy = proxy.strip_suffix("/ip-ranges.json?v=1").unwrap();
    let (driver, client) = wrapped(proxy);
    let head = requests.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(head[0].contains("ranges.invalid"), "{head:?}");
    assert_eq!(client.notices(), []);
    drop(driver);

    let (proxy, _requests) = server(reply("503 Slow", ""));
    let proxy = proxy.strip_suffix("/ip-ranges.json?v=1").unwrap();
    let (_driver, client) = wrapped(proxy);
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.notices().is_empty() {
        assert!(Instant::now() < deadline, "no notice");
        std::thread::sleep(Duration::from_millis(2));
    }
    let notice = &client.notices()[0];
    assert_eq!(notice.name(), "ip_ranges_unavailable");
    assert!(notice.to_string().contains("iprangesurl"), "{notice}");
}

#[test]
fn fetches_a_document_up_to_the_limit() {
    let (url, requests) = server(reply("200 OK", DOCUMENT));
    let fetch = HttpFetch::new().unwrap();
    assert_eq!(fetch.get(&url, DOCUMENT.len()).unwrap(), DOCUMENT.as_bytes());
    let head = requests.recv().unwrap();
    assert_eq!(head[0], "GET /ip-ranges.json?v=1 HTTP/1.1");
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    assert!(head.contains(&format!("host: {host}")), "{head:?}");
    fetch.get(&url, DOCUMENT.len() - 1).unwrap_err();
    for (status, code) in [("404 Not Found", 404), ("503 Slow", 503)] {
        let (url, _requests) = server(reply(status, DOCUMENT));
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
    let (url, _requests) = server(reply("200 OK", DOCUMENT));
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
    let (url, requests) = server(String::new());
    let driver = Arc::new(middleware(&url));
    requests.recv_timeout(Duration::from_secs(20)).unwrap();
    let start = Instant::now();
    drop(driver);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
