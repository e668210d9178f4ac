//! Tests which URLs the middleware returns to which clients, and that CloudFront would accept them.

use crate::memory::Memory;
use proptest::prelude::*;
use s3driver::clock::Clock;
use s3driver::cloudfront::{HashAlgorithm, PrivateKey, PublicKey, Signer, decode_base64};
use s3driver::driver::{Method, UrlOptions, WalkOptions, WalkStep, check_path};
use s3driver::middleware::{self, CloudFront, CloudFrontOptions, Fetch, IpFilter};
use s3driver::{Error, ErrorKind, StorageDriver};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

const RSA: &str = include_str!("../data/cloudfront/test_rsa2048_pkcs1.pem");
const RSA_PUBLIC: &str = include_str!("../data/cloudfront/test_rsa2048_public.pem");
const ID: &str = "K2JCJMDEHXQW5F";
const START: u64 = 1_767_286_800;
const BASE: &str = "https://d111111abcdef8.cloudfront.net";

/// A clock that stands still until a test moves it.
#[derive(Debug)]
struct TestClock(AtomicU64);

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START * 1_000)))
    }
    fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
    fn instant(&self) -> Instant {
        Instant::now()
    }
    fn sleep(&self, wait: Duration) {
        self.forward(wait);
    }
    fn random(&self) -> u64 {
        4
    }
}

fn options(base: &str) -> CloudFrontOptions {
    CloudFrontOptions::new(base, Signer::new(PrivateKey::from_pem(RSA).unwrap(), ID).unwrap())
        .unwrap()
        .clock(TestClock::new())
}

fn url_of(driver: &dyn StorageDriver, path: &str) -> String {
    driver.url_for(path, &UrlOptions::new(Method::Get)).unwrap()
}

fn expiry(url: &str) -> u64 {
    url.split_once("Expires=").unwrap().1.split_once('&').unwrap().0.parse().unwrap()
}

fn unsigned(url: &str) -> &str {
    url.split_once('?').unwrap().0
}

fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(b) = rest.next() {
        let digit = |b: Option<u8>| char::from(b.unwrap()).to_digit(16).unwrap() as u8;
        bytes.push(if b == b'%' { digit(rest.next()) * 16 + digit(rest.next()) } else { b });
    }
    String::from_utf8(bytes).unwrap()
}

mod urls {
    use super::*;

    #[test]
    fn are_cloudfronts_for_downloads_and_the_drivers_otherwise() {
        let driver = CloudFront::new(Memory::new(""), options(BASE)).unwrap();
        for (method, ours) in [
            (Method::Get, true),
            (Method::Head, true),
            (Method::Put, false),
            (Method::Post, false),
            (Method::Patch, false),
            (Method::Options, false),
        ] {
            let url = driver.url_for("/a/b", &UrlOptions::new(method)).unwrap();
            let inner = format!("https://s3.example/bucket/a/b?{method:?}");
            if ours {
                assert_eq!(unsigned(&url), format!("{BASE}/a/b"));
            } else {
                assert_eq!(url, inner);
            }
        }
        let refused = driver.url_for("/a", &UrlOptions::new(Method::Delete)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::UnsupportedMethod);
        for method in [Method::Get, Method::Put] {
            for path in ["", "/", "a", "/a/", "//a", "/a b", "/a?b", "/é"] {
                let error = driver.url_for(path, &UrlOptions::new(method)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidPath, "{path}");
            }
        }
        let unservable = url_of(&driver, "/a/../b");
        assert_eq!(unservable, "https://s3.example/bucket/a/../b?Get");
        let no_keys = CloudFront::new(Memory::without_keys(), options(BASE)).unwrap();
        assert_eq!(url_of(&no_keys, "/a"), "https://s3.example/bucket/a?Get");
    }

    #[test]
    fn begin_with_the_normalized_base_url() {
        for (base, expected) in [
            ("d111111abcdef8.cloudfront.net", "https://d111111abcdef8.cloudfront.net/root/a"),
            (
                "HTTP://D111111abcdef8.cloudfront.net:80",
                "http://d111111abcdef8.cloudfront.net/root/a",
            ),
            ("https://h/", "https://h/root/a"),
            ("https://h:8443/base", "https://h:8443/base/root/a"),
            (" h/base%20path/ ", "https://h/base%20path/root/a"),
        ] {
            let driver = CloudFront::new(Memory::new("/root"), options(base)).unwrap();
            let url = url_of(&driver, "/a");
            assert_eq!(unsigned(&url), expected);
            assert!(verified(&url, HashAlgorithm::Sha1), "{url}");
        }
    }

    #[test]
    fn share_a_signature_for_a_sixtieth_of_their_duration() {
        let clock = TestClock::new();
        let driver = CloudFront::new(Memory::new(""), options(BASE).clock(clock.clone())).unwrap();
        let first = url_of(&driver, "/a");
        clock.forward(Duration::from_secs(1));
        let second = url_of(&driver, "/a");
        assert_eq!(expiry(&second), START + 20 * 60 + 20);
        clock.forward(Duration::from_secs(19));
        assert_eq!(url_of(&driver, "/a"), second);
        assert_ne!(url_of(&driver, "/b"), second);
        clock.forward(Duration::from_secs(1));
        assert_eq!(expiry(&url_of(&driver, "/a")), START + 20 * 60 + 40);
        assert!(verified(&first, HashAlgorithm::Sha1) && verified(&second, HashAlgorithm::Sha1));
        // A lifetime that the caller requests is used exactly.
        let asked = UrlOptions::new(Method::Get).expires_in(Duration::from_secs(61));
        assert_eq!(expiry(&driver.url_for("/a", &asked).unwrap()), START + 21 + 61);
    }

    #[test]
    fn expire_after_the_duration() {
        let clock = TestClock::new();
        let driver = |options: CloudFrontOptions| {
            CloudFront::new(Memory::new(""), options.clock(clock.clone())).unwrap()
        };
        assert_eq!(expiry(&url_of(&driver(options(BASE)), "/a")), START + 20 * 60);
        let hour = driver(options(BASE).duration(Duration::from_secs(3600)).unwrap());
        assert_eq!(expiry(&url_of(&hour, "/a")), START + 3600);
        let asked = |expiry| UrlOptions::new(Method::Get).expires_in(expiry);
        assert_eq!(
            expiry(&hour.url_for("/a", &asked(Duration::from_secs(60))).unwrap()),
            START + 60
        );
        // Fractions of a second are rounded up: a URL is never valid for less than the requested
        // time.
        let short = driver(options(BASE).duration(Duration::from_millis(300)).unwrap());
        assert_eq!(expiry(&url_of(&short, "/a")), START + 1);
        clock.forward(Duration::from_millis(900));
        assert_eq!(expiry(&url_of(&short, "/a")), START + 2);
        assert!(
            hour.url_for("/a", &asked(Duration::ZERO)).is_ok_and(|url| expiry(&url) == START + 1)
        );
        clock.forward(Duration::from_millis(100));
        let past = hour.url_for("/a", &asked(Duration::ZERO)).unwrap_err();
        assert_eq!(
            (past.kind(), past.to_string().as_str()),
            (ErrorKind::InvalidArgument, "the expiry is in the past: /a")
        );
        for far in [Duration::from_secs(1 << 31), Duration::MAX] {
            let error = hour.url_for("/a", &asked(far)).unwrap_err();
            assert!(error.message().contains("2038-01-19"), "{error}");
        }
    }

    #[test]
    fn work_through_any_number_of_wrappers() {
        let cloudfront = CloudFront::new(Memory::new("root"), options(BASE)).unwrap();
        let wrapped = middleware::wrap("rewrite", Arc::new(cloudfront), []).unwrap();
        assert_eq!(unsigned(&url_of(&*wrapped, "/a")), format!("{BASE}/root/a"));
        assert_eq!(wrapped.object_key("/a").as_deref(), Some("root/a"));
        let inside = middleware::wrap("rewrite", Memory::new("root"), []).unwrap();
        let outer = CloudFront::new(inside, options(BASE)).unwrap();
        assert_eq!(unsigned(&url_of(&outer, "/a")), format!("{BASE}/root/a"));
        let pairs = [("baseurl", BASE), ("privatekey", RSA), ("keypairid", ID)];
        let by_name = middleware::wrap("cloudfront", Memory::new("root"), pairs).unwrap();
        assert_eq!(unsigned(&url_of(&*by_name, "/a")), format!("{BASE}/root/a"));
    }

    #[test]
    fn are_all_that_changes() {
        let memory = Memory::new("root");
        let driver = CloudFront::new(memory.clone(), options(BASE)).unwrap();
        assert_eq!(driver.name(), "memory");
        driver.put_content("/a", b"one").unwrap();
        assert_eq!(memory.object("root/a").unwrap(), b"one");
        assert_eq!(driver.get_content("/a").unwrap(), b"one");
        assert_eq!(driver.write_stream("/b", 0, &mut &b"two"[..]).unwrap(), 3);
        let mut read = String::new();
        driver.reader("/b", 1).unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "wo");
        assert_eq!(driver.stat("/b").unwrap().size, 3);
        driver.rename("/b", "/c").unwrap();
        assert_eq!(driver.list("/").unwrap(), ["/root/a", "/root/c"]);
        let mut seen = Vec::new();
        let mut visit = |info: &s3driver::driver::FileInfo| {
            seen.push(info.path.clone());
            Ok(WalkStep::Continue)
        };
        driver.walk("/c", &WalkOptions::default(), &mut visit).unwrap();
        assert_eq!(seen, ["/c"]);
        driver.delete("/c").unwrap();
        assert!(driver.writer("/c", s3driver::driver::WriteMode::Create).is_err());
        let shown = format!("{driver:?}");
        assert!(shown.contains("redacted") && !shown.contains("BEGIN"), "{shown}");
    }

    use std::io::Read;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// For any path that the driver accepts, the URL's path is the key, percent-encoded once,
        /// and the policy's resource is the URL. User agents would resolve the components `.` and
        /// `..`, so such paths stay with the driver.
        #[test]
        fn are_the_key_and_what_was_signed(
            path in "(/[A-Za-z0-9._-]{1,12}){1,6}",
            root in prop::sample::select(vec!["", "/", "root", "/ro ot/+%/ß/", "a//b", "*?#&=\"\\"]),
        ) {
            check_path(&path).unwrap();
            let memory = Memory::new(root);
            let key = memory.object_key(&path).unwrap();
            let url = url_of(&CloudFront::new(memory, options("http://h/base")).unwrap(), &path);
            if path.split('/').any(|part| part == "." || part == "..") {
                prop_assert_eq!(url, format!("https://s3.example/bucket/{key}?Get"));
            } else {
                let encoded = unsigned(&url).strip_prefix("http://h/base/").unwrap();
                prop_assert_eq!(decoded(encoded), key);
                prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)));
                prop_assert!(verified(&url, HashAlgorithm::Sha1));
            }
        }
    }
}

/// Reports whether the signature fits a canned policy whose resource is the URL before `Expires`.
fn verified(url: &str, hash: HashAlgorithm) -> bool {
    let (resource, rest) = url.split_once("?Expires=").unwrap();
    let (ends, rest) = rest.split_once("&Signature=").unwrap();
    let (signature, rest) = rest.split_once("&Key-Pair-Id=").unwrap();
    assert_eq!(rest.split('&').next().unwrap(), ID);
    let policy = serde_json::json!(resource).to_string();
    let policy = format!(
        r#"{{"Statement":[{{"Resource":{policy},"Condition":{{"DateLessThan":{{"AWS:EpochTime":{ends}}}}}}}]}}"#
    );
    let public = PublicKey::from_pem(RSA_PUBLIC).unwrap();
    public.verify(policy.as_bytes(), &decode_base64(signature).unwrap(), hash).is_ok()
}

/// A distribution and its origin: it checks what CloudFront checks, then serves from the object
/// store.
mod round_trip {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};

    struct Distribution {
        address: String,
        thread: Option<std::thread::JoinHandle<()>>,
    }

    impl Distribution {
        fn start(store: Arc<Memory>, origin_path: &'static str, clock: Arc<TestClock>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let thread = std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                    let Some((method, target, host)) = request(&stream) else { return };
                    let unix =
                        clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
                    let (status, body) = match allowed(&format!("http://{host}{target}"), unix) {
                        false => (403, b"AccessDenied".to_vec()),
                        true => {
                            let path = target.split_once('?').unwrap().0;
                            let key = format!("{origin_path}{}", decoded(path));
                            store
                                .object(key.trim_start_matches('/'))
                                .map_or((404, vec![]), |content| (200, content))
                        }
                    };
                    let head = format!(
                        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(head.as_bytes()).unwrap();
                    if method != "HEAD" {
                        stream.write_all(&body).unwrap();
                    }
                }
            });
            Self { address, thread: Some(thread) }
        }

        fn base(&self) -> String {
            format!("http://{}", self.address)
        }
    }

    impl Drop for Distribution {
        fn drop(&mut self) {
            // A connection without a request ends the thread.
            drop(TcpStream::connect(&self.address));
            let ended = self.thread.take().unwrap().join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }

    fn request(stream: &TcpStream) -> Option<(String, String, String)> {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let first = lines.next()?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let host = headers.iter().find_map(|line| line.strip_prefix("host: "))?;
        Some((method, target, host.to_owned()))
    }

    /// CloudFront's checks, written from its documentation independently of our code: the policy is
    /// reconstructed from the request.
    fn allowed(url: &str, now: u64) -> bool {
        let Some((path, query)) = url.split_once('?') else { return false };
        let pairs: Vec<(&str, &str)> =
            query.split('&').map(|p| p.split_once('=').unwrap_or((p, ""))).collect();
        let get = |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        let own: Vec<String> = pairs
            .iter()
            .filter(|(n, _)| !["Expires", "Signature", "Key-Pair-Id", "Hash-Algorithm"].contains(n))
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let resource =
            if own.is_empty() { path.to_owned() } else { format!("{path}?{}", own.join("&")) };
        let (Some(ends), Some(signature)) = (get("Expires"), get("Signature")) else {
            return false;
        };
        let hash = match get("Hash-Algorithm") {
            None | Some("SHA1") => HashAlgorithm::Sha1,
            Some("SHA256") => HashAlgorithm::Sha256,
            Some(_) => return false,
        };
        let policy = [
            r#"{"Statement":[{"Resource":""#,
            &resource,
            r#"","Condition":{"DateLessThan":{"AWS:EpochTime":"#,
            ends,
            "}}}]}",
        ]
        .concat();
        let Some(signature) = decode_base64(signature) else { return false };
        get("Key-Pair-Id") == Some(ID)
            && ends.parse::<u64>().is_ok_and(|ends| now < ends)
            && PublicKey::from_pem(RSA_PUBLIC)
                .unwrap()
                .verify(policy.as_bytes(), &signature, hash)
                .is_ok()
    }

    /// Returns the status, the announced length and the body.
    fn ask(method: &str, url: &str) -> (u16, usize, Vec<u8>) {
        let rest = url.strip_prefix("http://").unwrap();
        let (host, target) = rest.split_at(rest.find('/').unwrap());
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "{method} {target} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let length = head.split_once("content-length: ").unwrap().1.split_once('\r').unwrap().0;
        (head[9..12].parse().unwrap(), length.parse().unwrap(), answer[end + 4..].to_vec())
    }

    #[test]
    fn only_returned_urls_are_served() {
        for hash in [HashAlgorithm::Sha1, HashAlgorithm::Sha256] {
            let (store, clock) = (Memory::new("/ro ot/+"), TestClock::new());
            let distribution = Distribution::start(store.clone(), "", clock.clone());
            let signer =
                Signer::new(PrivateKey::from_pem(RSA).unwrap(), ID).unwrap().hash_algorithm(hash);
            let options =
                CloudFrontOptions::new(&distribution.base(), signer).unwrap().clock(clock.clone());
            let driver = CloudFront::new(store, options).unwrap();
            driver.put_content("/a/b", b"content").unwrap();
            driver.put_content("/a/c", b"another").unwrap();

            let url = url_of(&driver, "/a/b");
            assert_eq!(ask("GET", &url), (200, 7, b"content".to_vec()));
            assert_eq!(
                ask("HEAD", &driver.url_for("/a/b", &UrlOptions::new(Method::Head)).unwrap()),
                (200, 7, vec![])
            );
            assert_eq!(ask("GET", &url_of(&driver, "/a/none")).0, 404);

            let signature = url.split_once("Signature=").unwrap().1;
            let first = &signature[..1];
            for tampered in [
                url.replace("/a/b", "/a/c"),
                url.replace(&expiry(&url).to_string(), &(expiry(&url) + 1).to_string()),
                url.replace(
                    &format!("Signature={first}"),
                    if first == "A" { "Signature=B" } else { "Signature=A" },
                ),
                url.replace("?Expires", "?more=1&Expires"),
                url.replace(ID, "KOTHER"),
                unsigned(&url).to_owned(),
            ] {
                assert_ne!(tampered, url);
                assert_eq!(ask("GET", &tampered).0, 403, "{tampered}");
            }
            clock.forward(Duration::from_secs(20 * 60 - 1));
            assert_eq!(ask("GET", &url).0, 200);
            clock.forward(Duration::from_secs(1));
            assert_eq!(ask("GET", &url).0, 403, "expired");
            assert_eq!(ask("GET", &url_of(&driver, "/a/b")).0, 200);
        }
    }

    /// Covers both ways to configure a registry below a root directory, and the way that
    /// Distribution's documentation describes.
    #[test]
    fn root_directory_and_origin_path_are_not_doubled() {
        let clock = TestClock::new();
        for (origin_path, option, status) in [
            ("", "", 200),
            ("/root/deep", "/root/deep", 200),
            ("/root", "root/", 200),
            ("/root/deep", "", 404),
        ] {
            let store = Memory::new("/root/deep");
            let distribution = Distribution::start(store.clone(), origin_path, clock.clone());
            let options = options(&distribution.base()).clock(clock.clone()).origin_path(option);
            let driver = CloudFront::new(store, options).unwrap();
            driver.put_content("/a", b"content").unwrap();
            assert_eq!(ask("GET", &url_of(&driver, "/a")).0, status, "{origin_path} {option}");
        }
        for (root, option) in
            [("/root", "/root/deep"), ("", "/root"), ("/rooted", "/root"), ("/other", "root")]
        {
            let error =
                CloudFront::new(Memory::new(root), options(BASE).origin_path(option)).unwrap_err();
            assert!(
                error
                    .message()
                    .contains("must be the driver's rootdirectory or a directory above it"),
                "{error}"
            );
        }
    }
}

mod ip_filter {
    use super::*;

    const DOCUMENT: &str = r#"{"prefixes":[
        {"ip_prefix":"10.0.0.0/8","region":"us-east-1","service":"EC2"},
        {"ip_prefix":"11.0.0.0/8","region":"eu-west-1","service":"AMAZON"},
        {"ip_prefix":"nonsense","region":"eu-west-1"}],
        "ipv6_prefixes":[{"ipv6_prefix":"2001:db8::/32","region":"us-east-1"}]}"#;

    /// Returns results from a list, and its last result from then on.
    #[derive(Debug)]
    struct Scripted {
        responses: Mutex<VecDeque<Result<&'static str, &'static str>>>,
        asked: AtomicUsize,
    }

    impl Scripted {
        fn new(
            responses: impl IntoIterator<Item = Result<&'static str, &'static str>>,
        ) -> Arc<Self> {
            Arc::new(Self {
                responses: Mutex::new(responses.into_iter().collect()),
                asked: AtomicUsize::new(0),
            })
        }
    }

    impl Fetch for Scripted {
        fn get(&self, url: &str, limit: usize) -> s3driver::Result<Vec<u8>> {
            assert_eq!((url, limit), ("https://ip-ranges.amazonaws.com/ip-ranges.json", 8 << 20));
            let mut responses = self.responses.lock().unwrap();
            let answer = if responses.len() > 1 {
                responses.pop_front().unwrap()
            } else {
                *responses.front().unwrap()
            };
            self.asked.fetch_add(1, Ordering::SeqCst);
            answer
                .map(|text| text.as_bytes().to_vec())
                .map_err(|why| Error::new(ErrorKind::Connect, why))
        }
    }

    fn filtered(filter: IpFilter, fetch: Arc<dyn Fetch>, every: Duration) -> CloudFront {
        let options = options(BASE).ip_filter(filter).fetch(fetch).update_frequency(every).unwrap();
        CloudFront::new(Memory::new(""), options).unwrap()
    }

    fn wait_for(what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < deadline, "timed out waiting for {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn goes_to_s3(driver: &CloudFront, client: Option<&str>) -> bool {
        let mut options = UrlOptions::new(Method::Get);
        if let Some(client) = client {
            options = options.client(client.parse::<IpAddr>().unwrap());
        }
        driver.url_for("/a", &options).unwrap().starts_with("https://s3.example/")
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn sends_clients_in_aws_to_the_driver() {
        for (filter, expected) in [
            (IpFilter::Aws, [true, true, true, true, false, false]),
            (
                IpFilter::AwsRegions(vec!["EU-west-1".to_owned()]),
                [false, true, false, false, false, false],
            ),
        ] {
            let driver = filtered(filter, Scripted::new([Ok(DOCUMENT)]), HOUR);
            wait_for("the ranges", || driver.ip_ranges().is_some());
            assert!(driver.last_refresh_error().is_none());
            assert_eq!(driver.ip_ranges().unwrap().skipped(), 1);
            let clients = [
                "10.1.2.3",
                "11.1.2.3",
                "::ffff:10.1.2.3",
                "2001:db8::1",
                "12.0.0.1",
                "2001:db9::1",
            ];
            assert_eq!(clients.map(|client| goes_to_s3(&driver, Some(client))), expected);
            assert!(!goes_to_s3(&driver, None));
        }
        let off = filtered(IpFilter::None, Scripted::new([Err("never fetched")]), HOUR);
        assert!(off.ip_ranges().is_none() && !goes_to_s3(&off, Some("10.1.2.3")));
    }

    #[test]
    fn without_ranges_all_clients_use_cloudfront_and_the_last_good_ranges_stay() {
        let fetch =
            Scripted::new([Err("no network"), Ok("not json"), Ok(DOCUMENT), Err("gone again")]);
        let driver = filtered(IpFilter::Aws, fetch.clone(), Duration::from_millis(20));
        wait_for("the first error", || driver.last_refresh_error().is_some());
        assert!(!goes_to_s3(&driver, Some("10.1.2.3")) || driver.ip_ranges().is_some());
        wait_for("the ranges", || driver.ip_ranges().is_some());
        wait_for("the next error", || {
            driver.last_refresh_error().is_some_and(|e| e.message() == "gone again")
        });
        assert!(goes_to_s3(&driver, Some("10.1.2.3")));
        wait_for("more attempts", || fetch.asked.load(Ordering::SeqCst) >= 6);
    }

    #[test]
    fn its_waiting_thread_ends_with_the_middleware_at_once() {
        let fetch = Scripted::new([Ok(DOCUMENT)]);
        let driver = filtered(IpFilter::Aws, fetch.clone(), HOUR);
        wait_for("the ranges", || driver.ip_ranges().is_some());
        let start = Instant::now();
        drop(driver);
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(Arc::strong_count(&fetch), 1, "the thread held the other reference");
    }

    /// A fetch that ends only when it is cancelled.
    #[derive(Debug, Default)]
    struct Stuck {
        cancelled: Mutex<bool>,
        wake: Condvar,
        entered: AtomicUsize,
    }

    impl Fetch for Stuck {
        fn get(&self, _: &str, _: usize) -> s3driver::Result<Vec<u8>> {
            self.entered.fetch_add(1, Ordering::SeqCst);
            let guard = self.cancelled.lock().unwrap();
            drop(self.wake.wait_while(guard, |cancelled| !*cancelled).unwrap());
            Err(Error::new(ErrorKind::Cancelled, "cancelled"))
        }
        fn cancel(&self) {
            *self.cancelled.lock().unwrap() = true;
            self.wake.notify_all();
        }
    }

    #[test]
    fn its_fetching_thread_ends_with_the_middleware_at_once() {
        let fetch = Arc::new(Stuck::default());
        let driver = filtered(IpFilter::Aws, fetch.clone(), HOUR);
        wait_for("the fetch to begin", || fetch.entered.load(Ordering::SeqCst) == 1);
        assert!(!goes_to_s3(&driver, Some("10.1.2.3")));
        drop(driver);
        assert_eq!((Arc::strong_count(&fetch), fetch.entered.load(Ordering::SeqCst)), (1, 1));
    }

    #[derive(Debug)]
    struct Panicking(AtomicUsize);

    impl Fetch for Panicking {
        fn get(&self, _: &str, _: usize) -> s3driver::Result<Vec<u8>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("a fetcher with a bug");
        }
    }

    #[test]
    fn a_fetcher_that_panics_does_not_affect_requests() {
        let fetch = Arc::new(Panicking(AtomicUsize::new(0)));
        let driver = filtered(IpFilter::Aws, fetch.clone(), HOUR);
        wait_for("the panic", || fetch.0.load(Ordering::SeqCst) == 1);
        assert!(!goes_to_s3(&driver, Some("10.1.2.3")));
        drop(driver);
        assert_eq!(Arc::strong_count(&fetch), 1);
    }

    #[cfg(not(feature = "client"))]
    #[test]
    fn without_a_network_a_fetcher_must_be_passed() {
        let error =
            CloudFront::new(Memory::new(""), options(BASE).ip_filter(IpFilter::Aws)).unwrap_err();
        assert!(error.message().contains("feature `client`"), "{error}");
    }
}

mod configuration {
    use super::*;

    const GOOD: [(&str, &str); 3] = [("baseurl", BASE), ("privatekey", RSA), ("keypairid", ID)];

    /// Returns valid options with some replaced and some added.
    fn read(changes: &[(&'static str, &'static str)]) -> s3driver::Result<CloudFrontOptions> {
        let kept =
            GOOD.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        CloudFrontOptions::from_pairs(kept.chain(changes.iter().copied()))
    }

    fn driver(changes: &[(&'static str, &'static str)]) -> CloudFront {
        CloudFront::new(Memory::new(""), read(changes).unwrap().clock(TestClock::new())).unwrap()
    }

    #[test]
    fn that_cannot_be_used_is_reported_in_the_registrys_words() {
        for (changes, expected) in [
            (vec![("baseurl", "")], "no baseurl provided"),
            (vec![("privatekey", "")], "no privatekey provided"),
            (vec![("keypairid", "")], "no keypairid provided"),
            (
                vec![("baseurl", "ftp://h")],
                "invalid baseurl: it has a scheme other than http and https",
            ),
            (vec![("baseurl", "https://")], "invalid baseurl: it has no host"),
            (
                vec![("baseurl", "https://u:p@h/")],
                "invalid baseurl: it contains a user name, which is allowed only for a proxy",
            ),
            (
                vec![("baseurl", "https://h/?a=b")],
                "invalid baseurl: it has a query, which would not belong to any object",
            ),
            (
                vec![("baseurl", "https://h/#a")],
                "invalid baseurl: it has a fragment (#), which is never sent to a server",
            ),
            (
                vec![("baseurl", "https://h/a b")],
                "invalid baseurl: it contains a character that must be percent-encoded",
            ),
            (vec![("baseurl", "https://h/../a")], "invalid baseurl: it has a component . or .."),
            (
                vec![("baseurl", "https://h/*")],
                "invalid baseurl: it contains a *, which CloudFront treats as a wildcard",
            ),
            (vec![("privatekey", "/does/not/exist.pem")], "failed to read privatekey file"),
            (
                vec![("privatekey", RSA_PUBLIC)],
                "this is a public key, which cannot sign: use the matching private key",
            ),
            (
                vec![("keypairid", "K 1")],
                "the key pair id must consist of letters and digits, like K2JCJMDEHXQW5F",
            ),
            (vec![("duration", "soon")], "invalid duration: \"soon\" lacks a number"),
            (vec![("duration", "-1h")], "invalid duration: \"-1h\" has a sign"),
            (vec![("duration", "0")], "invalid duration: it must be more than zero"),
            (
                vec![("duration", "99999999999999h")],
                "invalid duration: \"99999999999999h\" contains a number that is too large",
            ),
            (
                vec![("hashalgorithm", "md5")],
                "hashalgorithm only allows the following values: sha1|sha256",
            ),
            (
                vec![("ipfilteredby", "gcp")],
                "ipfilteredby only allows a string with the following value: none|aws|awsregion",
            ),
            (vec![("ipfilteredby", "awsregion")], "awsregion is not defined"),
            (
                vec![("ipfilteredby", "awsregion"), ("awsregion", "us-east-1,,")],
                "awsregion must be a comma separated string of valid aws regions",
            ),
            (
                vec![("updatefrequency", "often")],
                "invalid updatefrequency: \"often\" lacks a number",
            ),
            (vec![("updatefrequency", "0s")], "invalid updatefrequency: it must be more than zero"),
            (vec![("updatefrequency", "59s")], "invalid updatefrequency: it must be at least 1m"),
            (vec![("updatefrenquency", "x")], "invalid updatefrequency: \"x\" lacks a number"),
            (
                vec![("iprangesurl", "file:///etc/passwd")],
                "invalid iprangesurl: it has a scheme other than http and https",
            ),
            (vec![("BaseUrl", BASE)], "unknown option of the cloudfront middleware: BaseUrl"),
            (vec![("ttl", "1")], "unknown option of the cloudfront middleware: ttl"),
            (vec![("duration", "1"), ("duration", "2")], "option given twice: duration"),
        ] {
            let error = read(&changes).unwrap_err();
            assert_eq!(
                (error.kind(), error.message()),
                (ErrorKind::Configuration, expected),
                "{changes:?}"
            );
        }
        let error = read(&[("privatekey", "/does/not/exist.pem")]).unwrap_err();
        assert_eq!(error.to_string(), "failed to read privatekey file: /does/not/exist.pem");
        // A key without its first and last lines is recognized by its form; if truncated, it must
        // not be printed as a path.
        let bare: &'static str =
            RSA.split_once("KEY-----\n").unwrap().1.split_once("-----END").unwrap().0;
        for text in [bare, bare.replace('\n', "").leak()] {
            read(&[("privatekey", text)]).unwrap();
            let error = read(&[("privatekey", &text[4..])]).unwrap_err();
            let expected =
                "privatekey is neither the path of a file nor a private key in PEM or in base64";
            assert_eq!(error.to_string(), expected);
        }
        let Err(error) = middleware::wrap("cloudfont", Memory::new(""), GOOD) else {
            panic!("the name is not registered")
        };
        assert_eq!(error.message(), "no storage middleware registered with name: cloudfont");
    }

    #[test]
    fn is_read_as_the_registry_reads_it() {
        for (text, seconds) in [
            ("3000", 3000),
            ("1h30m", 5400),
            ("1.5h", 5400),
            ("20m0s", 1200),
            ("300ms", 1),
            ("", 1200),
        ] {
            assert_eq!(
                expiry(&url_of(&driver(&[("duration", text)]), "/a")),
                START + seconds,
                "{text}"
            );
        }
        for (algorithm, sha256) in [("sha1", false), ("SHA256", true), ("", false)] {
            let url = url_of(&driver(&[("hashalgorithm", algorithm)]), "/a");
            assert_eq!(url.ends_with("&Hash-Algorithm=SHA256"), sha256, "{algorithm}");
            assert!(verified(
                &url,
                if sha256 { HashAlgorithm::Sha256 } else { HashAlgorithm::Sha1 }
            ));
        }
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cloudfront/test_rsa2048_pkcs8.pem");
        assert!(verified(&url_of(&driver(&[("privatekey", path)]), "/a"), HashAlgorithm::Sha1));
        let origin = read(&[("originpath", "/root")]).unwrap();
        let below =
            CloudFront::new(Memory::new("root/deep"), origin.clock(TestClock::new())).unwrap();
        assert_eq!(unsigned(&url_of(&below, "/a")), format!("{BASE}/deep/a"));
    }

    #[test]
    fn of_the_ip_filter_is_read() {
        #[derive(Debug, Default)]
        struct Recording(Mutex<Vec<String>>);
        impl Fetch for Recording {
            fn get(&self, url: &str, _: usize) -> s3driver::Result<Vec<u8>> {
                self.0.lock().unwrap().push(url.to_owned());
                Ok(br#"{"prefixes":[{"ip_prefix":"10.0.0.0/8","region":"us-west-2"}],"ipv6_prefixes":[]}"#.to_vec())
            }
        }
        // The misspelt name counts only if the correct one is absent.
        for (frequency, every) in [
            (&[("updatefrenquency", "1m")][..], "update_frequency: 60s"),
            (&[("updatefrequency", "2m"), ("updatefrenquency", "1m")], "update_frequency: 120s"),
            (&[("updatefrenquency", "1m"), ("updatefrequency", "2m")], "update_frequency: 120s"),
        ] {
            let fetch = Arc::new(Recording::default());
            let mut changes = vec![
                ("ipfilteredby", " AwsRegion "),
                ("awsregion", " US-west-2 , eu-west-1"),
                ("iprangesurl", "http://h/x"),
            ];
            changes.extend(frequency);
            let options = read(&changes).unwrap().fetch(fetch.clone());
            assert!(format!("{options:?}").contains(every), "{options:?}");
            let driver = CloudFront::new(Memory::new(""), options).unwrap();
            let deadline = Instant::now() + Duration::from_secs(10);
            while driver.ip_ranges().is_none() {
                assert!(Instant::now() < deadline);
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(*fetch.0.lock().unwrap(), ["http://h/x"]);
            let near = UrlOptions::new(Method::Get).client("10.0.0.1".parse().unwrap());
            assert!(driver.url_for("/a", &near).unwrap().starts_with("https://s3.example/"));
        }
        for mode in ["none", "", "NONE"] {
            assert!(
                driver(&[("ipfilteredby", mode), ("awsregion", "us-east-1")]).ip_ranges().is_none()
            );
        }
    }
}
