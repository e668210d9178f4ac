//! Tests of listings and deletions with several concurrent requests over a connection with a high
//! latency.

use crate::line::{BUCKET, Far, Fault, Line, measure, threads_named, turn, wait_until};
use s3driver::client::{Client, Config, Endpoint, GetObject, ObjectSettings, RetryPolicy, Scheme};
use s3driver::driver::{Parameters, S3Driver, StorageDriver, WalkOptions, WalkStep};
use s3driver::sign::Credentials;
use s3driver::transfer::Transfer;
use s3driver::{ErrorKind, Result};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EIGHT: NonZeroUsize = NonZeroUsize::new(8).unwrap();
const LATENCY: Duration = Duration::from_millis(5);

fn far() -> Far {
    Far::start(Line { latency: LATENCY, rate: None })
}

fn client(far: &Far) -> Client {
    let endpoint = Endpoint::custom(&far.url(), Some("us-east-1"), Scheme::Http).unwrap();
    let keys = Credentials::new("key", "secret");
    Client::new(Config::new(endpoint).static_credentials(keys).retry(RetryPolicy::never())).unwrap()
}

fn driver(far: &Far) -> S3Driver {
    let parameters = Parameters::builder(BUCKET)
        .endpoint(far.url())
        .credentials(&Credentials::new("key", "secret"));
    S3Driver::new(&parameters.build().unwrap()).unwrap()
}

/// Waits until no thread is left: the system counts a thread until it has removed it.
fn no_threads() {
    let threads = || threads_named("s3driver-list") + threads_named("s3driver-delete");
    wait_until(Duration::from_secs(1), "threads are left", || threads() == 0);
}

/// Stores blobs like a registry: 64 directories with 60 blobs each, and some files before, between
/// and after them.
fn store_blobs(far: &Far) {
    for directory in 0..64 {
        for blob in 0..60 {
            far.store(
                format!("docker/registry/v2/blobs/sha256/{directory:02x}/{blob:064x}/data"),
                1,
            );
        }
    }
    for key in [
        "docker/registry/v2/blobs/sha256/0-a",
        "docker/registry/v2/blobs/sha256/20.z",
        "docker/zz",
        "a",
        "z",
    ] {
        far.store(key, 1);
    }
}

fn keys_of(
    client: &Client,
    prefix: &str,
    visit: &mut dyn FnMut(&str) -> Result<ControlFlow<()>>,
) -> Result<()> {
    Transfer::new(client).concurrency(EIGHT).list(BUCKET, prefix, &mut |page| {
        for object in page {
            if visit(&object.key)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}

fn all_keys(client: &Client, prefix: &str) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    keys_of(client, prefix, &mut |key| {
        keys.push(key.to_owned());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(keys)
}

fn paths(driver: &S3Driver, options: &WalkOptions) -> Vec<String> {
    let mut paths = Vec::new();
    let mut visit = |info: &s3driver::driver::FileInfo| {
        paths.push(info.path.clone());
        Ok(WalkStep::Continue)
    };
    driver.walk("/", options, &mut visit).unwrap();
    paths
}

#[test]
fn a_walk_in_shards_returns_equal_results_in_equal_order() {
    let _turn = turn();
    let far = far();
    store_blobs(&far);
    let driver = driver(&far);
    let one_after_the_other = paths(&driver, &WalkOptions::default());
    let requests = far.count("ListObjectsV2");
    far.forget();
    let mut options = WalkOptions::default();
    options.concurrency = Some(EIGHT);
    assert!(paths(&driver, &options) == one_after_the_other);
    assert!(far.count("ListObjectsV2") > requests, "the walk was split");
    assert!(one_after_the_other.len() > 64 * 60 * 2);
    assert!(far.connections() <= 8, "{}", far.connections());
    assert!(far.count("ListObjectsV2") <= 3 * requests, "{}", far.count("ListObjectsV2"));
    // The configured concurrency applies if the caller does not choose one.
    far.forget();
    let parameters = Parameters::builder(BUCKET)
        .endpoint(far.url())
        .credentials(&Credentials::new("key", "secret"));
    let configured = S3Driver::new(&parameters.walk_concurrency(EIGHT).build().unwrap()).unwrap();
    assert!(paths(&configured, &WalkOptions::default()) == one_after_the_other);
    assert!(far.count("ListObjectsV2") > requests, "the walk was split");
    far.forget();
    assert!(
        paths(&configured, &WalkOptions::default().concurrency(NonZeroUsize::MIN))
            == one_after_the_other
    );
    assert_eq!(far.count("ListObjectsV2"), requests);
    // `start_after` requires a single listing.
    far.forget();
    options.start_after = Some("/docker/registry/v2/blobs/sha256/3e".to_owned());
    let behind = paths(&driver, &options);
    options.concurrency = None;
    assert_eq!(behind, paths(&driver, &options));
}

#[test]
fn listings_of_every_shape_are_complete() {
    let _turn = turn();
    let shapes: [fn(&Far); 7] = [
        |_| {},
        |far| far.store("only", 1),
        |far| (0..3500).for_each(|n| far.store(format!("flat/{n:05}"), 1)),
        |far| (0..3500).for_each(|n| far.store(format!("one-each/{n:05}/data"), 1)),
        |far| {
            (0..3).for_each(|d| {
                (0..1500).for_each(|n| far.store(format!("deep/a/b/c/{d}/{n:05}"), 1));
            });
        },
        // Too many directories for one page of their parent's listing.
        |far| (0..5000).for_each(|n| far.store(format!("many/{:04}/{}", n / 4, n % 4), 1)),
        // The first directory differs from the others.
        |far| {
            (0..1500).for_each(|n| far.store(format!("uneven/0/{n:05}"), 1));
            (0..700).for_each(|n| far.store(format!("uneven/1{n:05}/data"), 1));
        },
    ];
    for shape in shapes {
        let far = far();
        shape(&far);
        let keys: Vec<String> = far.objects().into_keys().collect();
        assert!(all_keys(&client(&far), "").unwrap() == keys);
        let pages = keys.len().div_ceil(1000).max(1);
        assert!(
            far.count("ListObjectsV2") <= pages * 3 + 8,
            "{} for {pages} pages",
            far.count("ListObjectsV2")
        );
    }
}

#[test]
fn requests_overlap() {
    let _turn = turn();
    let far = Far::start(Line { latency: Duration::from_millis(50), rate: None });
    for directory in 0..32 {
        (0..1000).for_each(|n| far.store(format!("{directory:02}/{n:04}"), 1));
    }
    let list = || {
        let begun = Instant::now();
        assert_eq!(all_keys(&client(&far), "").unwrap().len(), 32_000);
        begun.elapsed()
    };
    let one_after_the_other = Duration::from_millis(50) * 32;
    let time = measure(list, |time| *time < one_after_the_other);
    assert!(time < one_after_the_other, "{time:?}");
}

/// Directories that fit on a page are listed together, in groups that are listed at the same time.
#[test]
fn a_divided_listing_takes_few_requests_at_once() {
    let _turn = turn();
    let far = far();
    for directory in 0..256 {
        (0..250).for_each(|n| far.store(format!("blobs/sha256/{directory:02x}/{n:04}"), 1));
    }
    let expected: Vec<String> = far.objects().into_keys().collect();
    assert!(all_keys(&client(&far), "blobs/").unwrap() == expected);
    let requests = far.count("ListObjectsV2");
    assert!((64..=64 * 3 / 2).contains(&requests), "{requests} requests for 64 pages");
    assert!((5..=8).contains(&far.connections()), "{} connections", far.connections());
}

/// A directory with several pages of members is examined on its first page and not on every page.
#[test]
fn a_directory_of_many_directories_is_examined_once() {
    let _turn = turn();
    let far = far();
    for directory in 0..4 {
        (0..5000).for_each(|n| far.store(format!("{directory}/{:04}/{}", n / 4, n % 4), 1));
    }
    let expected: Vec<String> = far.objects().into_keys().collect();
    assert!(all_keys(&client(&far), "").unwrap() == expected);
    let requests = far.count("ListObjectsV2");
    assert!((22..=28).contains(&requests), "{requests} requests for 20 pages");
}

#[test]
fn a_server_without_prefixes_inside_of_names_is_listed_whole() {
    let _turn = turn();
    let far = far();
    for directory in 0..64 {
        (0..400).for_each(|n| far.store(format!("{directory:02}/{n:04}"), 1));
    }
    far.store("39", 1);
    let expected: Vec<String> = far.objects().into_keys().collect();
    let cut = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&cut);
    far.script(move |request| match request.query.get("prefix") {
        Some(prefix) if !prefix.is_empty() && !prefix.ends_with('/') => {
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Fault::NoKeys
        }
        _ => Fault::None,
    });
    assert!(all_keys(&client(&far), "").unwrap() == expected);
    assert!(cut.load(std::sync::atomic::Ordering::SeqCst) > 2, "the listing was divided");
}

/// A server that keeps keys in a tree lists the directory `a/` before the file `a-b`, although `-`
/// comes before `/`. No key may be missing or repeated, wherever the listing is divided.
#[test]
fn a_listing_in_the_order_of_a_tree_is_complete() {
    let _turn = turn();
    let shapes: [fn(&Far); 5] = [
        // The file follows a directory that is divided.
        |far| {
            far.store("d/a-b", 1);
            for directory in 0..256 {
                (0..40).for_each(|n| far.store(format!("d/a/{directory:02x}/{n:03}"), 1));
            }
            (0..2000).for_each(|n| far.store(format!("d/b/{n:04}"), 1));
        },
        // The directory was listed before the page with the files.
        |far| {
            (0..700).for_each(|n| far.store(format!("d/a/{n:03}"), 1));
            (0..601).for_each(|n| far.store(format!("d/a-{n:03}"), 1));
            (0..2500).for_each(|n| far.store(format!("d/b/{n:04}"), 1));
        },
        // Both below a directory that is handed over.
        |far| {
            for name in ["0", "1", "2", "3"] {
                (0..1200).for_each(|n| far.store(format!("{name}/m/{n:04}"), 1));
                (0..1200).for_each(|n| far.store(format!("{name}/m-{n:04}"), 1));
                (0..1200).for_each(|n| far.store(format!("{name}/n/{n:04}"), 1));
            }
        },
        // Directories of which one has the beginning of the other's name, before many others.
        |far| {
            for name in ["d/a", "d/a-b", "d/b", "d/c", "d/d", "d/e", "d/f"] {
                (0..1700).for_each(|n| far.store(format!("{name}/{n:04}"), 1));
            }
        },
        |far| {
            for name in ["a", "a-b", "a.c", "ab"] {
                for directory in 0..16 {
                    (0..150).for_each(|n| far.store(format!("{name}/{directory:02}/{n:03}"), 1));
                }
            }
        },
    ];
    for (index, shape) in shapes.into_iter().enumerate() {
        let far = far();
        shape(&far);
        let expected: Vec<String> = far.objects().into_keys().collect();
        assert!(
            all_keys(&client(&far), "").unwrap() == expected,
            "shape {index}, ordered by bytes"
        );
        far.list_as_a_tree();
        for order in ["in a tree", "in a tree, but directories by their names"] {
            let mut listed = all_keys(&client(&far), "").unwrap();
            listed.sort_unstable();
            let (found, missing) = (listed.len(), expected.len().abs_diff(listed.len()));
            assert!(
                listed == expected,
                "shape {index}, {order}: {found} keys, {missing} too few or too many"
            );
            far.list_directories_by_name();
        }
    }
}

#[test]
fn the_threads_of_a_listing_have_a_bound() {
    let _turn = turn();
    let far = far();
    for directory in 0..64 {
        (0..100).for_each(|n| far.store(format!("d/{directory:02x}/{n:03}"), 1));
    }
    let driver = driver(&far);
    let options = WalkOptions::default().concurrency(NonZeroUsize::MAX);
    let (mut most, mut paths) = (0, 0);
    let mut visit = |_: &s3driver::driver::FileInfo| {
        paths += 1;
        most = most.max(if paths % 64 == 1 { threads_named("s3driver-list") } else { 0 });
        Ok(WalkStep::Continue)
    };
    driver.walk("/d", &options, &mut visit).unwrap();
    assert!((1..=128).contains(&most), "{most} threads");
    no_threads();

    let (mut most, mut keys) = (0, 0);
    let transfer = Transfer::new(driver.client()).concurrency(NonZeroUsize::MAX);
    transfer
        .list(BUCKET, "d/", &mut |page| {
            keys += page.len();
            most = most.max(threads_named("s3driver-list"));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(keys, 64 * 100);
    assert!((1..=128).contains(&most), "{most} threads");
    no_threads();
}

/// A walk that skips directories continues after each of them, whose siblings a server that keeps
/// keys in a tree lists in another order.
#[test]
fn skipping_omits_nothing_else_in_the_order_of_a_tree() {
    let _turn = turn();
    let far = far();
    for large in ["0skip", "a", "a-b", "a.c", "b", "b-"] {
        (0..1100).for_each(|n| far.store(format!("w/{large}/{n:04}"), 1));
    }
    for key in ["a", "a-b", "a-d", "b-.x", "b.b", "c", "c-c/1"] {
        far.store(format!("w/{key}/small"), 1);
    }
    for file in ["w/a-a", "w/a0", "w/b-a", "w/cc", "w-w/1", "x"] {
        far.store(file, 1);
    }
    let driver = driver(&far);
    let walked = |skip: &[&str]| {
        let mut seen = Vec::new();
        let mut visit = |info: &s3driver::driver::FileInfo| {
            seen.push(info.path.clone());
            let is_skipped = info.path.strip_prefix("/w/").is_some_and(|name| skip.contains(&name));
            Ok(if is_skipped { WalkStep::SkipDirectory } else { WalkStep::Continue })
        };
        driver.walk("/", &WalkOptions::default(), &mut visit).unwrap();
        seen
    };
    for order in ["by bytes", "in a tree", "in a tree, but directories by their names"] {
        match order {
            "by bytes" => {}
            "in a tree" => far.list_as_a_tree(),
            _ => far.list_directories_by_name(),
        }
        let all = walked(&[]);
        for skip in [
            &["0skip"][..],
            &["0skip", "a"],
            &["0skip", "a-b"],
            &["0skip", "a", "a-b", "a.c"],
            &["0skip", "a", "a-b", "a.c", "a-d", "b-.x", "b.b", "b", "b-"],
            &["b"],
            &["b-"],
        ] {
            let is_left = |path: &&String| {
                let below = path.strip_prefix("/w/").and_then(|below| below.split_once('/'));
                below.is_none_or(|(name, _)| !skip.contains(&name))
            };
            let expected: Vec<&String> = all.iter().filter(is_left).collect();
            let seen = walked(skip);
            let missing = expected.iter().filter(|path| !seen.contains(path)).count();
            assert_eq!(missing, 0, "{order}, {skip:?} skipped");
            assert!(seen.iter().eq(expected), "{order}, {skip:?} skipped");
        }
    }
}

#[test]
fn a_failure_is_returned_in_its_place_and_stopping_ends_the_threads() {
    let _turn = turn();
    let far = far();
    store_blobs(&far);
    let client = client(&far);
    let mut seen = 0;
    keys_of(&client, "", &mut |_| {
        seen += 1;
        Ok(if seen == 1500 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .unwrap();
    assert_eq!(seen, 1500);
    no_threads();
    let calls = std::sync::atomic::AtomicUsize::new(0);
    far.script(move |request| match request.operation {
        "ListObjectsV2" if calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 3 => {
            Fault::Status(403, "AccessDenied")
        }
        _ => Fault::None,
    });
    assert_eq!(all_keys(&client, "").unwrap_err().kind(), ErrorKind::AccessDenied);
    no_threads();
}

#[test]
fn only_the_directory_is_deleted_in_all_its_pages() {
    let _turn = turn();
    let far = far();
    store_blobs(&far);
    far.store("docker/registry/v2/blobs-and-more", 1);
    let driver = driver(&far);
    driver.delete("/docker/registry/v2/blobs").unwrap();
    let left: Vec<String> = far.objects().into_keys().collect();
    assert_eq!(left, ["a", "docker/registry/v2/blobs-and-more", "docker/zz", "z"]);
    assert_eq!(
        driver.delete("/docker/registry/v2/blobs").unwrap_err().kind(),
        ErrorKind::PathNotFound
    );
    no_threads();
}

#[test]
fn a_failed_deletion_is_an_error_and_ends() {
    let _turn = turn();
    let far = far();
    store_blobs(&far);
    far.script(|request| match request.operation {
        "DeleteObjects" => Fault::Status(403, "AccessDenied"),
        _ => Fault::None,
    });
    let error = driver(&far).delete("/docker/registry").unwrap_err();
    assert_eq!(
        (error.kind(), error.path()),
        (ErrorKind::AccessDenied, Some("/docker/registry")),
        "{error}"
    );
    assert!(far.count("DeleteObjects") <= 5, "{}", far.count("DeleteObjects"));
}

/// Nothing else is deleted once the listing of one directory has failed, even if pages of others
/// are waiting.
#[test]
fn a_failed_listing_ends_a_deletion() {
    let _turn = turn();
    let far = far();
    for directory in 0..256 {
        for blob in 0..200 {
            far.store(format!("d/{directory:02x}/{blob:04}"), 1);
        }
    }
    let is_refused = AtomicBool::new(false);
    far.script(move |request| match request.operation {
        "ListObjectsV2" if request.query.get("prefix").is_some_and(|one| one == "d/3") => {
            // In the meantime, many pages of other directories arrive.
            std::thread::sleep(Duration::from_millis(200));
            is_refused.store(true, Ordering::SeqCst);
            Fault::Status(403, "AccessDenied")
        }
        "DeleteObjects" => {
            // No deletion ends before the client has received the refusal.
            let begun = Instant::now();
            while !is_refused.load(Ordering::SeqCst) && begun.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(200));
            Fault::None
        }
        _ => Fault::None,
    });
    let error = driver(&far).delete("/d").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
    // Of 52 batches: those being sent, and those that were passed on before.
    assert!(far.count("DeleteObjects") <= 10, "{}", far.count("DeleteObjects"));
    no_threads();
}

#[test]
fn many_small_objects_are_transferred_concurrently_and_in_order() {
    let _turn = turn();
    let far = Far::start(Line { latency: Duration::from_millis(20), rate: None });
    let client = client(&far);
    let transfer = Transfer::new(&client).concurrency(EIGHT);
    let keys: Vec<String> = (0..64).map(|n| format!("small/{n:03}")).collect();
    let put_and_get = || {
        let begun = Instant::now();
        transfer
            .each(&keys, |client, key| {
                client.put_object(BUCKET, key, key.as_bytes(), &ObjectSettings::default())
            })
            .unwrap();
        let sizes = transfer
            .each(&keys, |client, key| {
                Ok(client.get_object(BUCKET, key, &GetObject::default())?.read_all(100)?.len())
            })
            .unwrap();
        assert_eq!(sizes, vec![9; 64]);
        begun.elapsed()
    };
    let one_after_the_other = Duration::from_millis(20) * 128;
    let time = measure(put_and_get, |time| *time < one_after_the_other);
    assert!(time < one_after_the_other, "{time:?}");
    let missing = ["small/001", "none", "small/002"];
    let error = transfer
        .each(&missing, |client, key| client.head_object(BUCKET, key, &Default::default()))
        .unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::NoSuchKey, Some("none")));
}
