//! Tests for the driver's guards that protect data. Each test fails without its guard.

use crate::driver::{driver, parameters};
use crate::server::{Answer, Fault, Seen};
use crate::support::listing::page_by_position;
use crate::{BUCKET, Rig, config, content};
use s3driver::ErrorKind;
use s3driver::client::{Client, ListObjects};
use s3driver::driver::{FileInfo, S3Driver, StorageDriver, WalkOptions, WalkStep};
use s3driver::transfer::Transfer;
use std::ops::ControlFlow;

/// Returns the behaviour of a server that pages by position, so that a deletion moves later keys
/// into a page that was already listed. `backend` lists the keys that currently exist.
fn pages_by_position(backend: Client, page_size: usize) -> impl Fn(&Seen) -> Option<Fault> {
    move |seen| {
        if seen.operation != "ListObjectsV2" {
            return None;
        }
        let pages = backend.objects(BUCKET, ListObjects::prefix("root/a/")).pages();
        let keys: Vec<String> =
            pages.flat_map(|page| page.unwrap().contents).map(|object| object.key).collect();
        Some(Fault::reply(200, page_by_position(&keys, &seen.head, page_size)))
    }
}

/// A deletion repeats its listing until nothing is left.
#[test]
fn a_directory_is_deleted_completely_when_pages_are_positions() {
    for count in [1_usize, 9, 10, 11, 95, 1_000] {
        let rig = Rig::new();
        for number in 0..count {
            rig.store(&format!("root/a/{number:04}"), b"x");
        }
        let backend = &rig.faulty.backend;
        let backend = Client::new(config(backend, &backend.endpoint())).unwrap();
        rig.faulty.by_chance(pages_by_position(backend, 10 * count.div_ceil(100)));
        let driver = driver(&rig);
        driver.delete("/a").unwrap();
        assert_eq!(rig.faulty.backend.keys(BUCKET), [""; 0], "of {count}");
        drop(driver);
        rig.finish();
    }
}

/// If the source changes between a rename's HEAD and its copy, the new content is neither moved
/// partially nor deleted.
#[test]
fn a_rename_fails_if_the_source_changes_before_the_copy() {
    const PART: usize = 5 << 20;
    for size in [7, PART + 1] {
        let rig = Rig::new();
        let content = content(size);
        rig.store("root/a", &content);
        let options = [
            ("rootdirectory", "root"),
            ("multipartcopythresholdsize", "5242880"),
            ("multipartcopychunksize", "5242880"),
        ];
        let driver = S3Driver::new(&parameters(&rig, &options)).unwrap();
        // The HEAD returns the version before the current one.
        let before = |answer: Answer| answer.with("etag", "\"00000000000000000000000000000000\"");
        rig.faulty.once("HeadObject", Fault::changed(before));
        let error = driver.rename("/a", "/b").unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Conflict, Some("/a")), "{error}");
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/a"]);
        assert_eq!(rig.count("DeleteObject") + rig.count("DeleteObjects"), 0);
        // With an up-to-date HEAD it is moved.
        driver.rename("/a", "/b").unwrap();
        assert!(rig.stored("root/b").unwrap() == content);
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/b"]);
        drop(driver);
        rig.finish();
    }
}

/// A name that shares a prefix with a directory is a different file, which no operation on the
/// directory affects.
#[test]
fn a_directory_ends_at_its_slash() {
    let rig = Rig::new();
    for key in ["root/a/x", "root/ab", "root/a-b/x", "root/a.b", "roo", "root2/a/x"] {
        rig.store(key, b"x");
    }
    let driver = driver(&rig);
    assert_eq!(driver.list("/a").unwrap(), ["/a/x"]);
    driver.delete("/a").unwrap();
    assert_eq!(
        rig.faulty.backend.keys(BUCKET),
        ["roo", "root/a-b/x", "root/a.b", "root/ab", "root2/a/x"]
    );
    assert_eq!(driver.stat("/a").unwrap_err().kind(), ErrorKind::PathNotFound);
    assert_eq!(driver.delete("/a").unwrap_err().kind(), ErrorKind::PathNotFound);
    drop(driver);
    rig.finish();
}

/// A walk that starts after everything below its directory visits nothing.
#[test]
fn a_walk_that_starts_after_its_directory_is_empty() {
    let rig = Rig::new();
    for key in ["root/a/x", "root/a/y", "root/b"] {
        rig.store(key, b"x");
    }
    let driver = driver(&rig);
    let mut options = WalkOptions::default();
    options.start_after = Some("/b".to_owned());
    let mut seen = Vec::new();
    let mut note = |info: &FileInfo| {
        seen.push(info.path.clone());
        Ok(WalkStep::Continue)
    };
    driver.walk("/a", &options, &mut note).unwrap();
    assert_eq!(seen, [""; 0]);
    drop(driver);
    rig.finish();
}

/// Without an ETag, only the size shows that an object changed after its HEAD.
#[test]
fn a_download_without_an_etag_fails_if_the_object_grew() {
    let rig = Rig::new();
    rig.store("k", b"0123456789");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let before = |answer: Answer| answer.without("etag").with("content-length", "7");
    rig.faulty.once("HeadObject", Fault::changed(before));
    rig.faulty.always("GetObject", Fault::changed(|answer| answer.without("etag")));
    let error = Transfer::new(&rig.client).download_to_file(BUCKET, "k", &path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "no file may remain");
    rig.finish();
}

/// If a server lists a common prefix twice, its listing is not split, and each key is returned
/// once.
#[test]
fn a_repeated_common_prefix_is_not_listed_twice() {
    let rig = Rig::new();
    rig.faulty.by_chance(|seen: &Seen| {
        let entry = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
        let prefix = "<CommonPrefixes><Prefix>p/a/</Prefix></CommonPrefixes>";
        let token = "<NextContinuationToken>t</NextContinuationToken>";
        let (more, inner) = match () {
            () if seen.head.contains("delimiter=") => (false, prefix.repeat(2)),
            () if seen.head.contains("continuation-token=") => (false, entry("p/a/2")),
            () if seen.head.contains("prefix=p%2Fa%2F") => {
                (false, entry("p/a/1") + &entry("p/a/2"))
            }
            () => (true, entry("p/a/1") + token),
        };
        let text = format!(
            "<ListBucketResult><IsTruncated>{more}</IsTruncated>{inner}</ListBucketResult>"
        );
        Some(Fault::reply(200, text))
    });
    let mut keys = Vec::new();
    Transfer::new(&rig.client)
        .list(BUCKET, "p/", &mut |page| {
            keys.extend(page.into_iter().map(|object| object.key));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(keys, ["p/a/1", "p/a/2"]);
    rig.finish();
}
