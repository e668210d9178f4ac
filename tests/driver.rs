//! The S3 driver against real servers: what the conformance suite (`tests/conformance.rs`, feature `conformance`), which
//! every driver can be tried with, does not ask.
#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

mod support;

use s3driver::client::{ObjectSettings, RetryPolicy, Timeouts};
use s3driver::driver::{Method, Parameters, S3Driver, StorageDriver, UrlOptions, WalkOptions, WalkStep, WriteMode};
use s3driver::{Error, ErrorKind};
use std::io::Write;
use std::time::{Duration, Instant};
use support::target::Target;
use support::{Server, ServerOptions};

fn assert_kind<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains("s3aws"), "{error}");
}

/// A driver with one option set otherwise.
fn with(target: &Target, root: &str, name: &'static str, value: &str) -> S3Driver {
    let mut pairs = target.pairs(root);
    pairs.retain(|(found, _)| *found != name);
    pairs.push((name, value.to_owned()));
    S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap()
}

checks! {
    fn illegal_paths_are_refused_before_anything_is_sent(target) {
        let driver = target.driver(&target.scratch("illegal"));
        for path in ["", "/", "abc", "123.abc", "//bcd", "/abc_123/", "/a b", "/a//b", "/ä", "/a\n"] {
            assert_kind(driver.put_content(path, b"x"), ErrorKind::InvalidPath);
            assert_kind(driver.get_content(path), ErrorKind::InvalidPath);
            assert_kind(driver.delete(path), ErrorKind::InvalidPath);
            assert_kind(driver.rename(path, "/b"), ErrorKind::InvalidPath);
            assert_kind(driver.rename("/b", path), ErrorKind::InvalidPath);
            assert_kind(driver.reader(path, 0).map(drop), ErrorKind::InvalidPath);
            assert_kind(driver.writer(path, WriteMode::Create).map(drop), ErrorKind::InvalidPath);
            assert_kind(driver.url_for(path, &UrlOptions::new(Method::Get)), ErrorKind::InvalidPath);
        }
        // The offset is checked first.
        assert_kind(driver.reader("", -1).map(drop), ErrorKind::InvalidOffset);
        assert_eq!(driver.reader("", i64::MIN).map(drop).unwrap_err().offset(), Some(i64::MIN));
        assert_eq!(driver.client().stats().requests, 0);
    }

    fn the_root_directory_is_the_beginning_of_every_key(target) {
        let base = target.scratch("root");
        for root in [base.clone(), format!("/{base}/"), format!("{base}/deeper/still")] {
            let driver = target.driver(&root);
            driver.put_content("/a/b", b"x").unwrap();
            let key = format!("{}/a/b", root.trim_matches('/'));
            assert_eq!(driver.object_key("/a/b").unwrap(), key);
            assert_eq!(driver.client().head_object(&target.bucket, &key).unwrap().size, 1);
            driver.delete("/a").unwrap();
        }
    }

    fn a_driver_with_another_root_shares_everything_else(target) {
        let base = target.scratch("with-root");
        let driver = target.driver(&base);
        driver.put_content("/a/b", b"x").unwrap();
        for (root, path) in [("", format!("/{base}/a/b")), ("/", format!("/{base}/a/b")), (&*format!("//{base}/a/"), "/b".to_owned())] {
            let other = driver.with_root(root).unwrap();
            assert_eq!(other.object_key(&path).unwrap(), format!("{base}/a/b"));
            assert_eq!(other.get_content(&path).unwrap(), b"x");
        }
        // One client: its requests are counted together.
        let before = driver.client().stats().requests;
        driver.with_root("elsewhere").unwrap().stat("/").unwrap();
        assert_eq!(driver.client().stats().requests, before + 1);
        assert_eq!(driver.object_key("/a").unwrap(), format!("{base}/a"));
        let error = driver.with_root("a\nb").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        driver.delete("/a").unwrap();
    }

    fn the_visitors_error_is_returned_unchanged(target) {
        let driver = target.driver(&target.scratch("visitor"));
        driver.put_content("/a/b", b"x").unwrap();
        for at in ["/a", "/a/b"] {
            let error = driver.walk("/", &WalkOptions::default(), &mut |info| {
                let mine = std::fmt::Error;
                if info.path == at { Err(Error::new(ErrorKind::Cancelled, "enough").with_source(mine)) } else { Ok(WalkStep::Continue) }
            });
            let error = error.unwrap_err();
            assert_eq!((error.to_string().as_str(), error.driver(), error.path()), ("enough", None, None));
            assert!(std::error::Error::source(&error).unwrap().is::<std::fmt::Error>());
        }
        driver.delete("/a").unwrap();
    }

    fn everything_is_stored_in_the_class_asked_for(target) {
        for class in ["none", "STANDARD", "reduced_redundancy"] {
            // Ceph has no other class unless it is told of one.
            if class == "reduced_redundancy" && target.server == "ceph" {
                continue;
            }
            let root = target.scratch("class");
            let driver = with(target, &root, "storageclass", class);
            driver.put_content("/put", b"x").unwrap();
            driver.write_stream("/streamed", 0, &mut &b"x"[..]).unwrap();
            let mut writer = driver.writer("/written", WriteMode::Create).unwrap();
            writer.write_all(&vec![7; (5 << 20) + 1]).unwrap();
            writer.commit().unwrap();
            driver.put_content("/from", b"x").unwrap();
            driver.rename("/from", "/moved").unwrap();
            for path in driver.list("/").unwrap() {
                let stored = driver.client().head_object(&target.bucket, &format!("{root}{path}")).unwrap().storage_class;
                // The standard class is not named by S3.
                let named = stored.as_deref().unwrap_or("STANDARD");
                let expected = if class == "reduced_redundancy" { "REDUCED_REDUNDANCY" } else { "STANDARD" };
                assert_eq!(named, expected, "{path}, {class}");
                driver.delete(&path).unwrap();
            }
        }
    }

    fn the_probe_tells_what_is_wrong(target) {
        target.driver("").probe().unwrap();
        assert_kind(with(target, "", "bucket", "no-such-bucket-here").probe(), ErrorKind::NoSuchBucket);
        let error = with(target, "", "secretkey", "wrong").stat("/a").unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::SignatureRejected), "{error}");
    }
}

/// A small file is copied in one request and a large one in parts: both keep the metadata another program gave them.
#[test]
fn a_moved_file_keeps_its_metadata() {
    let server = Server::start(ServerOptions::default());
    let endpoint = server.endpoint();
    let pairs = [
        ("accesskey", server.access_key()),
        ("secretkey", server.secret_key()),
        ("bucket", server.bucket()),
        ("regionendpoint", &*endpoint),
        ("multipartcopythresholdsize", "1"),
    ];
    let driver = S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap();
    let metadata = vec![("origin".to_owned(), "here".to_owned())];
    let settings = ObjectSettings { metadata, ..ObjectSettings::default() };
    for (size, parts) in [(1, 0), (2, 1)] {
        driver.client().put_object(server.bucket(), "from", &[7; 2][..size], &settings).unwrap();
        driver.rename("/from", "/to").unwrap();
        let moved = driver.client().head_object(server.bucket(), "to").unwrap();
        assert_eq!((moved.size, moved.metadata), (size as u64, settings.metadata.clone()));
        assert_eq!(server.count("UploadPartCopy"), parts);
    }
}

/// A server that takes connections and says nothing: the caller's own limits hold, not the client's usual ones.
#[test]
fn the_clients_configuration_can_be_adjusted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let pairs = [("accesskey", "AKIDEXAMPLE"), ("secretkey", "secret"), ("bucket", "bucket"), ("region", "us-east-1")];
    let pairs = pairs.into_iter().chain([("regionendpoint", &*endpoint), ("secure", "false")]);
    let parameters = Parameters::from_pairs(pairs).unwrap();
    let limits = Timeouts { idle: Duration::from_millis(100), ..Timeouts::default() };
    let driver =
        S3Driver::with_config(&parameters, |config| config.timeouts(limits).retry(RetryPolicy::never())).unwrap();
    let started = Instant::now();
    assert_kind(driver.get_content("/a"), ErrorKind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(driver.client().stats().retries, 0);
}
