//! Tests for listings from servers that deviate from the request, with other versions, dates and
//! keys.

use crate::driver::{driver, driver_below};
use crate::server::{Answer, Fault, Seen};
use crate::support::ServerOptions;
use crate::{BUCKET, Rig};
use s3driver::client::ListObjects;
use s3driver::driver::{FileInfo, FileKind, S3Driver, StorageDriver, WalkOptions, WalkStep};
use s3driver::{Error, ErrorKind, Result};
use std::num::NonZeroUsize;

/// Returns the paths of the files and directories of a walk.
fn walked(driver: &S3Driver, from: &str, options: &WalkOptions) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    let mut note = |info: &FileInfo| {
        seen.push(info.path.clone());
        Ok(WalkStep::Continue)
    };
    driver.walk(from, options, &mut note)?;
    Ok(seen)
}

fn after(start: &str) -> WalkOptions {
    let mut options = WalkOptions::default();
    options.start_after = Some(start.to_owned());
    options
}

/// Returns a complete page of a listing.
fn page(inner: &str) -> String {
    format!(
        "<ListBucketResult><Name>registry</Name><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>"
    )
}

fn entries(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>3</Size></Contents>")).collect()
}

/// Returns what each operation that lists reports about the directory `/a`.
fn errors_of_listing_operations(driver: &S3Driver) -> [(&'static str, Option<Error>); 4] {
    [
        ("stat", driver.stat("/a").err()),
        ("list", driver.list("/a").err()),
        ("walk", walked(driver, "/a", &WalkOptions::default()).err()),
        ("delete", driver.delete("/a").err()),
    ]
}

/// Returns a server with ten files in two directories, whose pages have three entries.
fn rig() -> (Rig, Vec<String>) {
    let rig =
        Rig::with(ServerOptions { page_size: 3, ..ServerOptions::default() }, |config| config);
    let keys: Vec<String> =
        (0..10).map(|number| format!("root/{}/{number}", ["a", "b"][number / 5])).collect();
    for key in &keys {
        rig.store(key, b"xyz");
    }
    (rig, keys)
}

/// If version 2 is refused in any form that means "not supported", version 1 is used, and version 2
/// is requested only once per bucket.
#[test]
fn case_05_if_version_2_is_refused_version_1_is_used() {
    for refusal in [
        Fault::error(501, "NotImplemented"),
        Fault::error(405, "MethodNotAllowed"),
        Fault::error(400, "InvalidArgument"),
        Fault::error(400, "InvalidRequest"),
        Fault::error(400, "UnsupportedParameter"),
        Fault::error(400, "NotImplemented"),
        Fault::error(404, "NotFound"),
        Fault::error(500, "NotImplemented"),
        Fault::reply(501, ""),
        Fault::reply(405, "<html>no such method</html>"),
        Fault::reply(400, "{\"error\":\"unknown parameter list-type\"}"),
    ] {
        let (rig, keys) = rig();
        rig.faulty.always("ListObjectsV2", refusal);
        let driver = driver(&rig);
        driver.probe().unwrap();
        let first = rig.count("ListObjectsV2");
        assert_eq!(driver.stat("/a").unwrap().kind, FileKind::Directory);
        assert_eq!(driver.list("/").unwrap(), ["/a", "/b"]);
        assert_eq!(driver.list("/a").unwrap(), ["/a/0", "/a/1", "/a/2", "/a/3", "/a/4"]);
        let all = walked(&driver, "/", &WalkOptions::default()).unwrap();
        assert_eq!(all.iter().filter(|path| path.len() == 4).count(), keys.len(), "{all:?}");
        let mut options = WalkOptions::default();
        options.concurrency = NonZeroUsize::new(4);
        assert_eq!(walked(&driver, "/", &options).unwrap(), all);
        assert_eq!(
            walked(&driver, "/", &after("/a/3")).unwrap(),
            ["/a", "/a/4", "/b", "/b/5", "/b/6", "/b/7", "/b/8", "/b/9"]
        );
        assert_eq!(rig.count("ListObjectsV2"), first, "version 2 is requested once per bucket");
        driver.delete("/a").unwrap();
        assert_eq!(rig.faulty.backend.keys(BUCKET), keys[5..]);
        drop(driver);
        rig.finish();
    }
}

/// A refusal for a different reason is returned, and so is the first refusal if version 1 is
/// refused too.
#[test]
fn case_05_if_both_versions_are_refused_the_first_refusal_is_returned() {
    for (refusal, kind) in [
        (Fault::error(403, "AccessDenied"), ErrorKind::AccessDenied),
        (Fault::error(404, "NoSuchBucket"), ErrorKind::NoSuchBucket),
        (Fault::error(403, "SignatureDoesNotMatch"), ErrorKind::SignatureRejected),
        (Fault::error(503, "SlowDown"), ErrorKind::Throttled),
    ] {
        let (rig, _) = rig();
        rig.faulty.always("ListObjectsV2", refusal);
        let driver = driver(&rig);
        assert_eq!(driver.list("/a").unwrap_err().kind(), kind);
        assert_eq!(rig.count("ListObjects"), 0, "{kind:?}");
        drop(driver);
        rig.finish();
    }
    let (rig, _) = rig();
    rig.faulty.always("ListObjectsV2", Fault::error(400, "InvalidBucketState"));
    rig.faulty.once("ListObjects", Fault::error(403, "AccessDenied"));
    let driver = driver(&rig);
    assert_eq!(driver.list("/a").unwrap_err().code(), Some("InvalidBucketState"));
    assert_eq!(driver.list("/a").unwrap().len(), 5, "the failure does not change later requests");
    drop(driver);
    rig.finish();
}

/// Removes the elements of version 2, like a server that does not know the parameter `list-type`.
fn as_version_1(answer: &Answer) -> Answer {
    let mut text = String::from_utf8(answer.body.clone()).unwrap();
    for name in ["NextContinuationToken", "ContinuationToken", "KeyCount", "StartAfter"] {
        if let (Some(start), Some(end)) =
            (text.find(&format!("<{name}>")), text.find(&format!("</{name}>")))
        {
            text.replace_range(start..end + name.len() + 3, "");
        }
    }
    answer.clone().body(text)
}

/// If a server that does not support version 2 returns a page of version 1, the next page begins
/// after its last entry.
#[test]
fn case_05_a_version_1_page_in_response_to_version_2_is_continued() {
    let (rig, keys) = rig();
    rig.faulty.always("ListObjectsV2", Fault::changed(|answer| as_version_1(&answer)));
    let driver = driver(&rig);
    assert_eq!(driver.list("/").unwrap(), ["/a", "/b"]);
    assert_eq!(driver.list("/b").unwrap().len(), 5);
    assert_eq!(walked(&driver, "/", &WalkOptions::default()).unwrap().len(), keys.len() + 2);
    driver.delete("/b").unwrap();
    assert_eq!(rig.faulty.backend.keys(BUCKET), keys[..5]);
    drop(driver);
    rig.finish();
}

/// Times in unknown formats are left out; they do not invalidate the page or cause a retry.
#[test]
fn case_08_odd_dates_do_not_invalidate_a_listing() {
    for date in [
        "Tue, 13 Mar 2018 17:25:04 GMT",
        ":2024-10-11T13:22:41Z",
        "2026-11-29T14:00:00",
        "2026-11-29T14:00:00.123456",
        "1433809946492",
        "2026-11-29 14:00:00 +0000 UTC",
        "2026-13-45T99:00:00Z",
        "0000-00-00T00:00:00Z",
        "yesterday",
        "-",
        "",
    ] {
        let rig = Rig::new();
        let driver = driver(&rig);
        let object = format!(
            "<Contents><Key>root/a/b</Key><LastModified>{date}</LastModified><Size>3</Size></Contents>"
        );
        rig.faulty.always("ListObjectsV2", Fault::reply(200, page(&object)));
        assert_eq!(driver.list("/a").unwrap(), ["/a/b"], "{date}");
        let mut modified = Vec::new();
        let mut note = |info: &FileInfo| {
            modified.push((info.kind, info.modified));
            Ok(WalkStep::Continue)
        };
        driver.walk("/a", &WalkOptions::default(), &mut note).unwrap();
        assert_eq!(modified, [(FileKind::File, None)], "{date}");
        assert_eq!(rig.count("ListObjectsV2"), 2);
        let part = format!(
            "<ListPartsResult><UploadId>u</UploadId><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber>\
             <LastModified>{date}</LastModified><ETag>e</ETag><Size>3</Size></Part></ListPartsResult>"
        );
        rig.faulty.once("ListParts", Fault::reply(200, part));
        assert_eq!(
            rig.client.list_parts(crate::upload("k", "u"), None).unwrap().parts.len(),
            1,
            "{date}"
        );
        let upload = format!(
            "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId><Initiated>{date}</Initiated></Upload>\
             </ListMultipartUploadsResult>"
        );
        rig.faulty.once("ListMultipartUploads", Fault::reply(200, upload));
        assert_eq!(
            rig.client.list_multipart_uploads(BUCKET, "", None).unwrap().uploads.len(),
            1,
            "{date}"
        );
        drop(driver);
        rig.finish();
    }
}

/// If a listing contains keys that are not below the prefix, every operation reports the same
/// error, and none treats the directory as existing, empty or missing.
#[test]
fn case_32_keys_outside_the_prefix_are_an_error() {
    for (root, keys) in [
        ("my dir", &["my%20dir/a/b"][..]),
        ("my dir", &["my+dir/a/b"]),
        ("a+b", &["a%2Bb/a/b"]),
        ("root", &["other/a/b"]),
        ("root", &["a/b"]),
        ("root", &["root/ab"]),
        ("root", &["root/a"]),
        ("root", &["root/a/b", "root/b"]),
    ] {
        let rig = Rig::new();
        let driver = driver_below(&rig, root);
        rig.faulty.always("ListObjectsV2", Fault::reply(200, page(&entries(keys))));
        // A deletion only sees the keys that begin with the path, if those are not foreign.
        let known_to_delete = keys.iter().all(|key| key.starts_with("root/a"));
        for (operation, error) in errors_of_listing_operations(&driver)
            .into_iter()
            .take(if known_to_delete { 3 } else { 4 })
        {
            let error = error.unwrap_or_else(|| panic!("{operation} accepts {keys:?}"));
            assert_eq!(error.kind(), ErrorKind::Protocol, "{operation}: {error}");
            assert!(error.message().contains("foreign key"), "{operation}: {error}");
        }
        if !known_to_delete {
            assert_eq!(
                rig.count("DeleteObject") + rig.count("DeleteObjects"),
                0,
                "foreign keys are not deleted"
            );
        }
        drop(driver);
        rig.finish();
    }
    // Common prefixes are treated the same way.
    let rig = Rig::new();
    let driver = driver(&rig);
    rig.faulty.always(
        "ListObjectsV2",
        Fault::reply(200, page("<CommonPrefixes><Prefix>other/</Prefix></CommonPrefixes>")),
    );
    assert_eq!(driver.list("/a").unwrap_err().kind(), ErrorKind::Protocol);
    drop(driver);
    rig.finish();
}

/// A caller that splits a walk into pages with `start_after` must not receive the first page again
/// and again.
#[test]
fn case_52_start_after_works_on_servers_that_ignore_it() {
    let rig = Rig::new();
    let driver = driver(&rig);
    let keys =
        ["root/d/f0/link", "root/d/f1/link", "root/d/f2/link", "root/d/f3/link", "root/d/f4/link"];
    rig.faulty.always("ListObjectsV2", Fault::reply(200, page(&entries(&keys))));
    assert_eq!(
        walked(&driver, "/d", &after("/d/f2/link")).unwrap(),
        ["/d/f3", "/d/f3/link", "/d/f4", "/d/f4/link"]
    );
    assert_eq!(walked(&driver, "/d", &after("/d/f4/link")).unwrap(), [""; 0]);
    assert_eq!(
        walked(&driver, "/d", &after("/d/f2")).unwrap().len(),
        6,
        "paths below the start sort after it"
    );
    // The client's own listing also skips these keys, on every page.
    let first = page(&entries(&["k1", "k2"])).replace("false", "true");
    let first = first.replace("</Name>", "</Name><NextContinuationToken>t</NextContinuationToken>");
    rig.faulty.heal();
    rig.faulty.once("ListObjectsV2", Fault::reply(200, first));
    rig.faulty.once("ListObjectsV2", Fault::reply(200, page(&entries(&["k3", "k4"]))));
    let request = ListObjects::prefix("k").start_after("k3");
    let listed =
        rig.client.objects(BUCKET, request).pages().flat_map(|page| page.unwrap().contents);
    assert_eq!(listed.map(|object| object.key).collect::<Vec<_>>(), ["k4"]);
    drop(driver);
    rig.finish();
}

/// Listings of version 1 begin after the key too, even if the server also ignores `marker`.
#[test]
fn case_46_start_after_works_with_version_1() {
    let (rig, _) = rig();
    let driver = driver(&rig);
    // Every page begins with the first key.
    rig.faulty.by_chance(|seen: &Seen| {
        (seen.operation == "ListObjectsV2").then(|| {
            let keys = ["root/a/0", "root/a/1", "root/a/2"];
            Fault::reply(200, page(&entries(&keys)).replace("false", "true"))
        })
    });
    assert_eq!(walked(&driver, "/a", &after("/a/1")).unwrap(), ["/a/2", "/a/3", "/a/4"]);
    assert_eq!(walked(&driver, "/a", &after("/a/3")).unwrap(), ["/a/4"]);
    rig.faulty.heal();
    let keys = ["root/a/0", "root/a/1", "root/a/2"];
    let again = page(&entries(&keys)).replace("false", "true");
    rig.faulty.always("ListObjectsV2", Fault::reply(200, again.clone()));
    rig.faulty.always("ListObjects", Fault::reply(200, again));
    assert_eq!(walked(&driver, "/a", &after("/a/1")).unwrap_err().kind(), ErrorKind::Protocol);
    drop(driver);
    rig.finish();
}

/// A server that ignores the delimiter lists everything; a directory still contains only its own
/// names.
#[test]
fn p24_directories_are_listed_on_servers_that_ignore_the_delimiter() {
    let rig = Rig::new();
    let driver = driver(&rig);
    let keys =
        ["root/a", "root/b/c", "root/b/d/e", "root/b/f", "root/b-c", "root/g/h/i/j", "root/x y/z"];
    rig.faulty.always("ListObjectsV2", Fault::reply(200, page(&entries(&keys))));
    assert_eq!(driver.list("/").unwrap(), ["/a", "/b", "/b-c", "/g"]);
    rig.faulty.heal();
    rig.faulty.always(
        "ListObjectsV2",
        Fault::reply(200, page(&entries(&["root/b/c", "root/b/d/e", "root/b/f"]))),
    );
    assert_eq!(driver.list("/b").unwrap(), ["/b/c", "/b/d", "/b/f"]);
    drop(driver);
    rig.finish();
}

/// A directory exists if there is something below it, and not because the server lists something
/// else.
#[test]
fn p24_foreign_keys_do_not_make_a_directory() {
    let rig = Rig::new();
    let driver = driver(&rig);
    rig.faulty.always("ListObjectsV2", Fault::reply(200, page(&entries(&["elsewhere/x"]))));
    assert_eq!(driver.stat("/a").unwrap_err().kind(), ErrorKind::Protocol);
    rig.faulty.heal();
    rig.faulty.always("ListObjectsV2", Fault::reply(200, page("")));
    assert_eq!(driver.stat("/a").unwrap_err().kind(), ErrorKind::PathNotFound);
    drop(driver);
    rig.finish();
}

/// A document with the right root element but without any content of a page is not an empty
/// listing.
#[test]
fn p21_a_page_without_content_is_not_an_empty_listing() {
    for body in [
        "<ListBucketResult/>",
        "<ListBucketResult></ListBucketResult>",
        "<ListBucketResult><Prefix>root/a/</Prefix></ListBucketResult>",
        "<ListBucketResult><MaxKeys>1000</MaxKeys><KeyCount>0</KeyCount></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Other><Name>registry</Name></Other></ListBucketResult>",
    ] {
        let rig = Rig::new();
        rig.store("root/a/b", b"x");
        let driver = driver(&rig);
        rig.faulty.always("ListObjectsV2", Fault::reply(200, body));
        for (operation, error) in errors_of_listing_operations(&driver) {
            let kind = error.unwrap_or_else(|| panic!("{operation} accepts {body}")).kind();
            assert_eq!(kind, ErrorKind::Protocol, "{operation} of {body}");
        }
        assert_eq!(rig.faulty.backend.keys(BUCKET), ["root/a/b"]);
        rig.faulty.always(
            "ListParts",
            Fault::reply(200, "<ListPartsResult><MaxParts>1</MaxParts></ListPartsResult>"),
        );
        assert_eq!(
            rig.client.list_parts(crate::upload("k", "u"), None).unwrap_err().kind(),
            ErrorKind::Protocol
        );
        rig.faulty
            .always("ListMultipartUploads", Fault::reply(200, "<ListMultipartUploadsResult/>"));
        assert_eq!(
            rig.client.list_multipart_uploads(BUCKET, "", None).unwrap_err().kind(),
            ErrorKind::Protocol
        );
        drop(driver);
        rig.finish();
    }
}
