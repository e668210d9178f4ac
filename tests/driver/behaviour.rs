//! Tests the behaviour of the S3 driver on real servers that the conformance suite for all drivers
//! (`tests/driver/conformance.rs`, feature `conformance`) does not cover.

use crate::support::content::bytes;
use crate::support::relay::Relay;
use crate::support::target::Target;
use crate::support::{Server, ServerOptions};
use s3driver::client::{ObjectSettings, RetryPolicy, Timeouts};
use s3driver::driver::{
    Method, Parameters, S3Driver, StorageDriver, UrlOptions, WalkOptions, WalkStep, WriteMode,
};
use s3driver::{Error, ErrorKind};
use std::io::Write;
use std::time::{Duration, Instant};

fn assert_kind<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains("s3aws"), "{error}");
}

/// Returns a driver with one option changed.
fn with(target: &Target, root: &str, name: &'static str, value: &str) -> S3Driver {
    let mut pairs = target.pairs(root);
    pairs.retain(|(found, _)| *found != name);
    pairs.push((name, value.to_owned()));
    S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap()
}

crate::checks! {
    fn invalid_paths_are_rejected_without_a_request(target) {
        let driver = target.driver(&target.scratch("illegal"));
        for path in ["", "/", "abc", "123.abc", "//bcd", "/abc_123/", "/a b", "/a//b", "/ä", "/a\n"]
        {
            assert_kind(driver.put_content(path, b"x"), ErrorKind::InvalidPath);
            assert_kind(driver.get_content(path), ErrorKind::InvalidPath);
            assert_kind(driver.delete(path), ErrorKind::InvalidPath);
            assert_kind(driver.rename(path, "/b"), ErrorKind::InvalidPath);
            assert_kind(driver.rename("/b", path), ErrorKind::InvalidPath);
            assert_kind(driver.reader(path, 0).map(drop), ErrorKind::InvalidPath);
            assert_kind(driver.writer(path, WriteMode::Create).map(drop), ErrorKind::InvalidPath);
            assert_kind(
                driver.url_for(path, &UrlOptions::new(Method::Get)),
                ErrorKind::InvalidPath,
            );
        }
        // The offset is checked first.
        assert_kind(driver.reader("", -1).map(drop), ErrorKind::InvalidOffset);
        assert_eq!(driver.reader("", i64::MIN).map(drop).unwrap_err().offset(), Some(i64::MIN));
        assert_eq!(driver.client().stats().requests, 0);
    }

    fn every_key_begins_with_the_root_directory(target) {
        let base = target.scratch("root");
        for root in [base.clone(), format!("/{base}/"), format!("{base}/deeper/still")] {
            let driver = target.driver(&root);
            driver.put_content("/a/b", b"x").unwrap();
            let key = format!("{}/a/b", root.trim_matches('/'));
            assert_eq!(driver.object_key("/a/b").unwrap(), key);
            assert_eq!(driver.client().head_object(&target.bucket, &key, &Default::default()).unwrap().size, 1);
            driver.delete("/a").unwrap();
        }
    }

    fn a_driver_with_another_root_shares_everything_else(target) {
        let base = target.scratch("with-root");
        let driver = target.driver(&base);
        driver.put_content("/a/b", b"x").unwrap();
        for (root, path) in [
            ("", format!("/{base}/a/b")),
            ("/", format!("/{base}/a/b")),
            (&*format!("//{base}/a/"), "/b".to_owned()),
        ] {
            let other = driver.with_root(root).unwrap();
            assert_eq!(other.object_key(&path).unwrap(), format!("{base}/a/b"));
            assert_eq!(other.get_content(&path).unwrap(), b"x");
        }
        // Both use one client, so their requests are counted together.
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
                if info.path == at {
                    Err(Error::new(ErrorKind::Cancelled, "enough").with_source(mine))
                } else {
                    Ok(WalkStep::Continue)
                }
            });
            let error = error.unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.driver(), error.path()),
                ("enough", None, None)
            );
            assert!(std::error::Error::source(&error).unwrap().is::<std::fmt::Error>());
        }
        driver.delete("/a").unwrap();
    }

    fn everything_is_stored_in_the_configured_class(target) {
        for class in ["none", "STANDARD", "reduced_redundancy"] {
            // Ceph has only the standard class unless others are configured.
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
                let stored = driver
                    .client()
                    .head_object(&target.bucket, &format!("{root}{path}"), &Default::default())
                    .unwrap()
                    .storage_class;
                // S3 does not return the name of the standard class.
                let named = stored.as_deref().unwrap_or("STANDARD");
                let expected =
                    if class == "reduced_redundancy" { "REDUCED_REDUNDANCY" } else { "STANDARD" };
                assert_eq!(named, expected, "{path}, {class}");
                driver.delete(&path).unwrap();
            }
        }
    }

    fn the_probe_reports_what_is_wrong(target) {
        target.driver("").probe().unwrap();
        assert_kind(
            with(target, "", "bucket", "no-such-bucket-here").probe(),
            ErrorKind::NoSuchBucket,
        );
        let error = with(target, "", "secretkey", "wrong").stat("/a").unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::SignatureRejected),
            "{error}"
        );
    }
}

fn embedded_with(server: &Server, v4auth: &str) -> S3Driver {
    let endpoint = server.endpoint();
    let pairs = [
        ("accesskey", server.access_key()),
        ("secretkey", server.secret_key()),
        ("bucket", server.bucket()),
        ("region", server.region()),
        ("regionendpoint", &*endpoint),
        ("v4auth", v4auth),
    ];
    S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap()
}

fn embedded(server: &Server) -> S3Driver {
    embedded_with(server, "true")
}

/// The response to a HEAD does not distinguish a missing bucket from a missing file.
#[test]
fn a_missing_bucket_is_not_a_missing_file() {
    let server = Server::start(ServerOptions::default());
    let endpoint = server.endpoint();
    let pairs = [
        ("accesskey", server.access_key()),
        ("secretkey", server.secret_key()),
        ("bucket", "no-such-bucket-here"),
        ("regionendpoint", &*endpoint),
    ];
    let driver = S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap();
    for result in [
        driver.get_content("/a").map(drop),
        driver.put_content("/a", b"x"),
        driver.reader("/a", 0).map(drop),
        driver.writer("/a", WriteMode::Append).map(drop),
        driver.write_stream("/a", 7, &mut &b"x"[..]).map(drop),
        driver.stat("/a").map(drop),
        driver.list("/a").map(drop),
        driver.rename("/a", "/b"),
        driver.rename("/a", "/a"),
        driver.delete("/a"),
        driver.walk("/a", &WalkOptions::default(), &mut |_| Ok(WalkStep::Continue)),
        driver.purge_uploads("/a", Duration::ZERO).map(drop),
    ] {
        assert_kind(result, ErrorKind::NoSuchBucket);
    }
    let driver = embedded(&server);
    assert_kind(driver.rename("/a", "/b"), ErrorKind::PathNotFound);
}

/// A small file is copied in one request and a large one in parts: both keep the metadata that
/// another program set.
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
    let settings = ObjectSettings::default().metadata("origin", "here");
    for (size, parts) in [(1, 0), (2, 1)] {
        driver.client().put_object(server.bucket(), "from", &[7; 2][..size], &settings).unwrap();
        driver.rename("/from", "/to").unwrap();
        let moved =
            driver.client().head_object(server.bucket(), "to", &Default::default()).unwrap();
        assert_eq!((moved.size, moved.metadata), (size as u64, settings.metadata.clone()));
        assert_eq!(server.count("UploadPartCopy"), parts);
    }
}

/// For a server that accepts connections and stays silent, the caller's timeouts apply instead of
/// the client's defaults.
#[test]
fn the_clients_configuration_can_be_adjusted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let pairs = [
        ("accesskey", "AKIDEXAMPLE"),
        ("secretkey", "secret"),
        ("bucket", "bucket"),
        ("region", "us-east-1"),
    ];
    let pairs = pairs.into_iter().chain([("regionendpoint", &*endpoint), ("secure", "false")]);
    let parameters = Parameters::from_pairs(pairs).unwrap();
    let limits = Timeouts::default().idle(Duration::from_millis(100));
    let driver = S3Driver::with_config(&parameters, |config| {
        config.timeouts(limits).retry(RetryPolicy::never())
    })
    .unwrap();
    let started = Instant::now();
    assert_kind(driver.get_content("/a"), ErrorKind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(driver.client().stats().retries, 0);
}

/// Content written between the copy and the deletion of a move is kept, on servers with and without
/// conditional deletes.
#[test]
fn f12_a_move_deletes_only_what_it_copied() {
    let server = Server::start(ServerOptions::default());
    let driver = embedded(&server);
    driver.put_content("/from", b"content").unwrap();
    driver.rename("/from", "/to").unwrap();
    assert_eq!(
        (server.keys(server.bucket()), server.count("DeleteObject")),
        (vec!["to".to_owned()], 1)
    );
    // The condition is tried only once on a server that does not support it.
    for attempts in [2, 1] {
        driver.put_content("/from", b"content").unwrap();
        server.fail_next("DeleteObject", 501, "NotImplemented", attempts - 1);
        let before = server.count("DeleteObject");
        driver.rename("/from", "/to").unwrap();
        assert_eq!(server.count("DeleteObject") - before, attempts as u64);
        assert_eq!(server.keys(server.bucket()), ["to"]);
    }
    // A server that compares ETags incorrectly is not trusted.
    let driver = embedded(&server);
    driver.put_content("/from", b"content").unwrap();
    server.fail_next("DeleteObject", 412, "PreconditionFailed", 1);
    driver.rename("/from", "/to").unwrap();
    assert_eq!(server.keys(server.bucket()), ["to"]);
}

/// A refusal shows that the server supports the condition. Without it, the object might be deleted
/// in a newer version.
#[test]
fn a_refused_deletion_fails_a_move_and_is_not_repeated_without_the_condition() {
    let server = Server::start(ServerOptions::default());
    let driver = embedded(&server);
    driver.put_content("/from", b"content").unwrap();
    server.fail_next("DeleteObject", 403, "AccessDenied", 1);
    assert_kind(driver.rename("/from", "/to"), ErrorKind::AccessDenied);
    assert_eq!(server.count("DeleteObject"), 1);
    assert_eq!(server.keys(server.bucket()), ["from", "to"]);
}

#[test]
fn f12_content_written_during_a_move_is_not_lost() {
    let server = Server::start(ServerOptions::default());
    let driver = embedded(&server);
    driver.put_content("/from", b"old").unwrap();
    server.delay(Duration::from_millis(200));
    let error = std::thread::scope(|scope| {
        let moving = scope.spawn(|| driver.rename("/from", "/to"));
        while server.count("ListMultipartUploads") == 0 {
            std::thread::yield_now();
        }
        server.put_object(server.bucket(), "from", "new");
        moving.join().unwrap().unwrap_err()
    });
    server.delay(Duration::ZERO);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(driver.get_content("/from").unwrap(), b"new");
    assert_eq!(driver.get_content("/to").unwrap(), b"old");
}

/// A deadline minus the current time always has fractions of a second.
#[test]
fn f3_fractions_of_a_second_are_rounded_down() {
    let server = Server::start(ServerOptions::default());
    for v4auth in ["true", "false"] {
        let driver = embedded_with(&server, v4auth);
        let url = |expiry| driver.url_for("/a", &UrlOptions::new(Method::Get).expires_in(expiry));
        for (millis, seconds) in [(1_000, 1), (1_999, 1), (60_001, 60), (604_799_999, 604_799)] {
            let url = url(Duration::from_millis(millis)).unwrap();
            if v4auth == "true" {
                assert!(url.contains(&format!("X-Amz-Expires={seconds}&")), "{url}");
            }
        }
        if v4auth == "true" {
            for (millis, named) in [(999, "0.999 s"), (0, " 0 s"), (604_801_500, "604801 s")] {
                let error = url(Duration::from_millis(millis)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                assert!(error.to_string().contains(named), "{error}");
            }
            assert!(
                url(Duration::from_millis(604_800_900)).unwrap().contains("X-Amz-Expires=604800&")
            );
        }
    }
}

/// Walks with `skip`, and returns what was visited and the number of listings.
fn walk_skipping(
    server: &Server,
    driver: &S3Driver,
    from: &str,
    skip: impl Fn(&str) -> bool,
) -> (Vec<String>, u64) {
    let (before, mut seen) = (server.count("ListObjectsV2"), Vec::new());
    let mut visit = |info: &s3driver::driver::FileInfo| {
        seen.push(info.path.clone());
        Ok(if info.is_directory() && skip(&info.path) {
            WalkStep::SkipDirectory
        } else {
            WalkStep::Continue
        })
    };
    driver.walk(from, &WalkOptions::default(), &mut visit).unwrap();
    (seen, server.count("ListObjectsV2") - before)
}

#[test]
fn f13_skipped_repositories_are_not_listed() {
    let server = Server::start(ServerOptions::default());
    let driver = embedded(&server);
    for base in ["", "docker/registry/v2/repositories/"] {
        let expected: Vec<String> =
            (0..20).map(|repository| format!("/{base}repo{repository:02}")).collect();
        for repository in &expected {
            for file in 0..500 {
                server.put_object(
                    server.bucket(),
                    &format!("{}/_layers/{file:03}/link", &repository[1..]),
                    "x",
                );
            }
        }
        let is_repository = |path: &str| {
            path.rsplit('/').next().is_some_and(|name| name.starts_with("repo") && name.len() == 6)
        };
        let from = format!("/{}", base.trim_end_matches('/'));
        let (seen, listings) = walk_skipping(&server, &driver, &from, is_repository);
        assert_eq!(seen, expected);
        assert!(listings <= 2, "{listings}");
        let (seen, listings) = walk_skipping(&server, &driver, "/", is_repository);
        assert_eq!(seen.iter().filter(|path| is_repository(path)).count(), 20);
        assert!(listings <= 3, "{listings}");
        driver.delete(&format!("/{}", if base.is_empty() { "repo00" } else { "docker" })).unwrap();
        for repository in expected.iter().filter(|_| base.is_empty()).skip(1) {
            driver.delete(repository).unwrap();
        }
    }
}

/// The catalog of a registry: the directories of each repository are skipped, and their content
/// costs no requests.
#[test]
fn f13_a_catalog_costs_requests_per_repository_and_not_per_blob() {
    let mut costs = Vec::new();
    for blobs in [30, 300] {
        let server = Server::start(ServerOptions { page_size: 50, ..ServerOptions::default() });
        let driver = embedded(&server);
        for repository in 0..20 {
            for directory in ["_layers", "_manifests", "_uploads"] {
                for blob in 0..blobs {
                    server.put_object(
                        server.bucket(),
                        &format!("v2/r{repository:02}/{directory}/{blob:04}/link"),
                        "x",
                    );
                }
            }
        }
        let skip = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with('_'));
        let (seen, listings) = walk_skipping(&server, &driver, "/v2", skip);
        assert_eq!(seen.len(), 20 * 4, "{seen:?}");
        assert!(seen.iter().zip(seen.iter().skip(1)).all(|(a, b)| a < b), "{seen:?}");
        costs.push(listings);
    }
    assert!(costs[1] <= 60, "{costs:?}: the pages must not grow with the number of blobs");
}

/// Skipping never changes what a walk visits, except for the content of skipped directories.
#[test]
fn f13_skipping_never_changes_the_order() {
    let server = Server::start(ServerOptions { page_size: 7, ..ServerOptions::default() });
    let driver = embedded(&server);
    let names = ["a", "a-b", "a.c", "a0", "b", "b-", "b.b", "c"];
    for (index, name) in names.iter().enumerate() {
        for below in ["x", "x-y/1", "x-y/2", "x/1", "x/2", "x/3/4", "x/3/5", "y/1", "z"] {
            if !(index + below.len()).is_multiple_of(5) {
                server.put_object(server.bucket(), &format!("w/{name}/{below}"), "x");
            }
        }
        server.put_object(server.bucket(), &format!("w/{name}-file"), "x");
        server.put_object(server.bucket(), &format!("w/{name}/marker/"), "");
        server.put_object(server.bucket(), &format!("w/{name}/{{foreign}}/file"), "x");
    }
    for from in ["/", "/w", "/w/a"] {
        let (all, _) = walk_skipping(&server, &driver, from, |_| false);
        for seed in 0..64_u64 {
            let skip = |path: &str| {
                (path.bytes().fold(seed, |hash, byte| hash.wrapping_mul(31) + u64::from(byte)) >> 3)
                    % 3
                    == 0
            };
            let is_left_out = |path: &str| {
                let slashes =
                    path.char_indices().filter(|(at, c)| *at > 0 && *c == '/').map(|(at, _)| at);
                slashes
                    .filter(|at| *at > from.trim_end_matches('/').len())
                    .any(|at| skip(&path[..at]))
            };
            let expected: Vec<&String> = all.iter().filter(|path| !is_left_out(path)).collect();
            let (seen, _) = walk_skipping(&server, &driver, from, skip);
            assert_eq!(seen.iter().collect::<Vec<_>>(), expected, "{from}, {seed}");
        }
    }
}

#[test]
fn f2_a_walk_visits_directories_that_only_exist_as_markers() {
    let server = Server::start(ServerOptions::default());
    let driver = embedded(&server);
    for key in ["a/", "a/b/", "a/b/file", "c/d/", "c/with space/", "e/f/g/", "h/", "h-/x"] {
        server.put_object(server.bucket(), key, "");
    }
    let (seen, _) = walk_skipping(&server, &driver, "/", |_| false);
    assert_eq!(
        seen,
        ["/a", "/a/b", "/a/b/file", "/c", "/c/d", "/e", "/e/f", "/e/f/g", "/h-", "/h-/x", "/h"]
    );
    for path in seen {
        let info = driver.stat(&path).unwrap();
        let (parent, _) = path.rsplit_once('/').unwrap();
        let parent = if parent.is_empty() { "/" } else { parent };
        assert!(driver.list(parent).unwrap().contains(&path), "{path}: {info:?}");
    }
    assert_eq!(walk_skipping(&server, &driver, "/e/f/g", |_| false).0, [""; 0]);
    assert_eq!(
        walk_skipping(&server, &driver, "/", |path| path == "/a" || path == "/e").0,
        ["/a", "/c", "/c/d", "/e", "/h-", "/h-/x", "/h"]
    );
}

#[test]
fn a_probe_that_writes_proves_each_permission_and_leaves_nothing() {
    for target in Target::all() {
        let driver = target.driver(&target.scratch("probe"));
        driver.probe_write().unwrap();
        assert!(driver.list("/").unwrap().is_empty());
    }
    for operation in [
        "ListObjectsV2",
        "PutObject",
        "HeadObject",
        "GetObject",
        "CopyObject",
        "DeleteObject",
        "DeleteObjects",
        "CreateMultipartUpload",
        "UploadPart",
        "ListParts",
        "ListMultipartUploads",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
    ] {
        let target = Target::all().remove(0);
        let Some(server) = &target.embedded else { return };
        server.fail_next(operation, 403, "AccessDenied", 1);
        let error = target.driver("/root").probe_write().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
        assert_eq!(error.operation(), Some(operation), "{error}");
        // A refused deletion of objects is the one failure that can leave some.
        if operation != "DeleteObjects" {
            assert!(server.keys(&target.bucket).is_empty(), "{operation}");
        }
        assert!(server.open_uploads(&target.bucket).is_empty(), "{operation}");
    }
}

/// The registry's operations work through the ARN of an access point, whose host and copy source
/// differ from those of a bucket.
#[test]
fn a_registry_works_through_an_access_point() {
    let server = Server::start(ServerOptions { tls: true, ..ServerOptions::default() });
    let relay = Relay::start(server.address());
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca.pem");
    std::fs::write(&authority, server.ca_pem().unwrap()).unwrap();
    let arn = "arn:aws:s3:us-east-1:123456789012:accesspoint:registry";
    let pairs = [
        ("accesskey", server.access_key()),
        ("secretkey", server.secret_key()),
        ("region", "us-west-2"),
        ("bucket", arn),
        ("rootdirectory", "root"),
        ("cacert", authority.to_str().unwrap()),
        ("proxy", &relay.url()),
        ("chunksize", "5242880"),
        ("multipartcopythresholdsize", "1048576"),
    ];
    let driver = S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap();
    assert_eq!(driver.bucket(), "arn:aws:s3:us-east-1:123456789012:accesspoint/registry");
    driver.probe_write().unwrap();

    let content = bytes(1, 0, 11 << 20);
    let mut writer = driver.writer("/data/large", WriteMode::Create).unwrap();
    writer.write_all(&content).unwrap();
    writer.commit().unwrap();
    driver.put_content("/data/small", b"small").unwrap();
    driver.rename("/data/small", "/moved/small").unwrap();
    driver.rename("/data/large", "/moved/large").unwrap();
    assert_eq!(driver.list("/moved").unwrap(), ["/moved/large", "/moved/small"]);
    assert_eq!(driver.get_content("/moved/large").unwrap(), content);
    assert_eq!(server.keys("registry"), ["root/moved/large", "root/moved/small"]);
    assert_eq!((server.count("CopyObject"), server.count("UploadPartCopy")), (2, 1));
    let url = driver.url_for("/moved/small", &UrlOptions::new(Method::Get)).unwrap();
    let host = "https://registry-123456789012.s3-accesspoint.us-east-1.amazonaws.com/";
    assert!(url.starts_with(&format!("{host}root/moved/small?")), "{url}");
    driver.delete("/moved").unwrap();
    assert_eq!(server.keys("registry"), [""; 0]);
}
