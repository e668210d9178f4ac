//! Guards of the driver that protect data: each test fails without its guard.

use crate::driver::driver;
use crate::server::{Fault, Seen};
use crate::{BUCKET, Rig};
use s3driver::ErrorKind;
use s3driver::driver::{Parameters, S3Driver, StorageDriver};
use std::sync::{Arc, Mutex};

/// A server that keeps its keys in a list and pages by position: a deletion moves the later keys up, past a page that was
/// listed already.
fn pages_by_position(keys: &Arc<Mutex<Vec<String>>>, page_size: usize) -> impl Fn(&Seen) -> Option<Fault> + use<> {
    let keys = Arc::clone(keys);
    move |seen| {
        let mut keys = keys.lock().unwrap();
        match seen.operation {
            "ListObjectsV2" => {
                let token = seen.head.split("continuation-token=").nth(1);
                let at = token.map_or(0, |token| token.split(['&', ' ']).next().unwrap().parse::<usize>().unwrap());
                let end = (at + page_size).min(keys.len());
                let page: String = keys[at.min(end)..end]
                    .iter()
                    .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"))
                    .collect();
                let more = end < keys.len();
                let token = format!("<NextContinuationToken>{end}</NextContinuationToken>");
                let token = if more { token } else { String::new() };
                Some(Fault::reply(
                    200,
                    format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{token}{page}</ListBucketResult>"),
                ))
            }
            "DeleteObjects" => {
                let body = String::from_utf8(seen.body.clone()).unwrap();
                let named: Vec<_> = body.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
                keys.retain(|key| !named.contains(&key.as_str()));
                let deleted: String = named.iter().map(|key| format!("<Deleted><Key>{key}</Key></Deleted>")).collect();
                Some(Fault::reply(200, format!("<DeleteResult>{deleted}</DeleteResult>")))
            }
            "HeadObject" => Some(Fault::reply(404, "")),
            _ => None,
        }
    }
}

/// A deletion lists again until nothing is left.
#[test]
fn a_directory_is_deleted_whole_where_pages_are_positions() {
    for count in [1_usize, 9, 10, 11, 95, 1_000] {
        let rig = Rig::new();
        let all: Vec<String> = (0..count).map(|number| format!("root/a/{number:04}")).collect();
        let keys = Arc::new(Mutex::new(all));
        rig.faulty.by_chance(pages_by_position(&keys, 10 * count.div_ceil(100).max(1)));
        let driver = driver(&rig);
        driver.delete("/a").unwrap();
        assert_eq!(*keys.lock().unwrap(), [""; 0], "of {count}");
        drop(driver);
        rig.finish();
    }
}

/// What is written between a rename's look at the source and its copy is neither moved half nor deleted.
#[test]
fn a_rename_refuses_a_source_that_changed_after_the_look() {
    const PART: usize = 5 << 20;
    for size in [7, PART + 1] {
        let rig = Rig::new();
        let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        rig.store("root/a", &content);
        let url = rig.faulty.url();
        let pairs = [
            ("accesskey", rig.faulty.backend.access_key()),
            ("secretkey", rig.faulty.backend.secret_key()),
            ("region", "us-east-1"),
            ("regionendpoint", &url),
            ("bucket", BUCKET),
            ("rootdirectory", "root"),
            ("multipartcopythresholdsize", "5242880"),
            ("multipartcopychunksize", "5242880"),
        ];
        let driver = S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap();
        // The look shows the version before the last one.
        let before = |answer: crate::server::Answer| answer.with("etag", "\"00000000000000000000000000000000\"");
        rig.faulty.once("HeadObject", Fault::changed(before));
        let error = driver.rename("/a", "/b").unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Conflict, Some("/a")), "{error}");
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/a"]);
        assert_eq!(rig.count("DeleteObject") + rig.count("DeleteObjects"), 0);
        // With the right look it is moved.
        driver.rename("/a", "/b").unwrap();
        assert!(rig.stored("root/b").unwrap() == content);
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/b"]);
        drop(driver);
        rig.finish();
    }
}

/// A name that only begins like another one is another file: none of the operations on directories reaches it.
#[test]
fn a_directory_ends_at_its_slash() {
    let rig = Rig::new();
    for key in ["root/a/x", "root/ab", "root/a-b/x", "root/a.b", "roo", "root2/a/x"] {
        rig.store(key, b"x");
    }
    let driver = driver(&rig);
    assert_eq!(driver.list("/a").unwrap(), ["/a/x"]);
    driver.delete("/a").unwrap();
    assert_eq!(rig.faulty.backend.keys(BUCKET), ["roo", "root/a-b/x", "root/a.b", "root/ab", "root2/a/x"]);
    assert_eq!(driver.stat("/a").unwrap_err().kind(), ErrorKind::PathNotFound);
    assert_eq!(driver.delete("/a").unwrap_err().kind(), ErrorKind::PathNotFound);
    drop(driver);
    rig.finish();
}
