//! Tests operations on many objects: listing, deleting, copying, and comparing them with a folder.
use super::{client, server, transfer};
use crate::writing::{PART, bytes};
use s3driver::ErrorKind;
use s3driver::client::{DeleteObject, ListObjects, ObjectSettings};
use s3driver::transfer::{Compare, PrefixCopy};
use std::fs;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

#[test]
fn entries_come_one_by_one_and_page_by_page() {
    let server = server();
    let client = client(&server);
    for number in 0..25 {
        server.put_object(server.bucket(), &format!("a/{number:02}"), "x");
        server.begin_upload(server.bucket(), &format!("u/{number:02}"), SystemTime::now());
    }
    let request = || ListObjects::prefix("a/").max_keys(10);
    let keys: Vec<String> =
        client.objects(server.bucket(), request()).map(|object| object.unwrap().key).collect();
    let expected: Vec<String> = (0..25).map(|number| format!("a/{number:02}")).collect();
    assert_eq!(keys, expected);
    assert_eq!(client.objects(server.bucket(), request()).pages().count(), 3);
    assert_eq!(client.objects(server.bucket(), ListObjects::prefix("none/")).count(), 0);
    let uploads = client.uploads(server.bucket(), "u/").map(|upload| upload.unwrap().key);
    assert_eq!(uploads.count(), 25);

    let mut missing = client.objects("no-such-bucket", ListObjects::default());
    assert_eq!(missing.next().unwrap().unwrap_err().kind(), ErrorKind::NoSuchBucket);
    assert!(missing.next().is_none(), "an error ends the listing");
}

#[test]
fn any_number_of_keys_is_deleted_in_batches() {
    let server = server();
    let client = client(&server);
    let keys: Vec<String> = (0..2100).map(|number| format!("k {number}")).collect();
    for key in keys.iter().step_by(3) {
        server.put_object(server.bucket(), key, "x");
    }
    server.put_object(server.bucket(), "kept", "x");
    assert_eq!(transfer(&client).delete(server.bucket(), &keys).unwrap(), 2100);
    assert_eq!(server.keys(server.bucket()), ["kept"]);
    assert_eq!(server.count("DeleteObjects"), 3);
    assert_eq!(transfer(&client).delete(server.bucket(), [""; 0]).unwrap(), 0);
    assert_eq!(server.count("DeleteObjects"), 3);

    server.put_object(server.bucket(), "other", "x");
    let listed = client.objects(server.bucket(), ListObjects::default());
    let others = listed.filter(|object| object.as_ref().is_ok_and(|object| object.key != "kept"));
    assert_eq!(transfer(&client).delete_listed(server.bucket(), others).unwrap(), 1);
    assert_eq!(server.keys(server.bucket()), ["kept"]);
    let failing = client.objects("no-such-bucket", ListObjects::default());
    let error = transfer(&client).delete_listed(server.bucket(), failing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchBucket, "{error}");
    server.fail_next("DeleteObjects", 403, "AccessDenied", 1);
    let error = transfer(&client).delete(server.bucket(), ["kept"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
}

#[test]
fn a_prefix_is_copied_and_deleted_without_its_neighbours() {
    let server = server();
    let client = client(&server);
    let keys = |prefix: &str| -> Vec<String> {
        server.keys(server.bucket()).into_iter().filter(|key| key.starts_with(prefix)).collect()
    };
    for number in 0..1200 {
        server.put_object(server.bucket(), &format!("a/{number:04}"), format!("{number}"));
    }
    for neighbour in ["a", "a-b", "ab/c", "b"] {
        server.put_object(server.bucket(), neighbour, "x");
    }
    let bucket = server.bucket();
    let settings = ObjectSettings::default();
    let copy = |from, to| transfer(&client).copy_prefix((bucket, from), (bucket, to), &settings);
    assert_eq!(copy("a/", "copy/of/").unwrap(), 1200);
    assert_eq!(keys("copy/").len(), 1200);
    assert_eq!(server.object(bucket, "copy/of/0777").unwrap(), "777");
    assert_eq!(copy("none/", "copy/").unwrap(), 0);
    for into_itself in ["a/", "a/copy/"] {
        assert_eq!(copy("a/", into_itself).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }

    // A prefix can be moved up, unless a copy would replace an object that is still to be copied.
    for (key, content) in [("up/b/c", "1"), ("up/b/d/e", "2")] {
        server.put_object(bucket, key, content);
    }
    assert_eq!(copy("up/b/", "up/").unwrap(), 2);
    assert_eq!(server.object(bucket, "up/d/e").unwrap(), "2");
    for (key, content) in [("in/a/a/x", "1"), ("in/a/x", "2")] {
        server.put_object(bucket, key, content);
    }
    let error = copy("in/a/", "in/").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(server.object(bucket, "in/a/x").unwrap(), "2", "it is not lost");
    for number in 0..100 {
        server.put_object(bucket, &format!("in/a/0{number}"), "x");
    }
    copy("in/a/", "in/").unwrap_err();
    assert_eq!(keys("in/0"), [""; 0], "nothing was copied");

    assert_eq!(transfer(&client).delete_prefix(bucket, "a/").unwrap(), 1200);
    assert_eq!(keys("a"), ["a", "a-b", "ab/c"]);
    assert_eq!(transfer(&client).delete_prefix(bucket, "a/").unwrap(), 0);
    let error = transfer(&client).delete_prefix(bucket, "").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(keys("copy/").len(), 1200);
}

#[test]
fn a_folder_is_compared_with_a_prefix() {
    let server = server();
    let client = client(&server);
    let folder = TempDir::new().unwrap();
    let bucket = server.bucket();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    };
    let store = |name: &str, content: &str| {
        server.put_object(bucket, &format!("p/{name}"), content.to_owned());
    };
    for name in ["same", "d/same"] {
        write(name, "content");
        store(name, "content");
    }
    write("d/longer", "content and more");
    store("d/longer", "content");
    write("d/content", "CONTENT");
    store("d/content", "content");
    write("d/e/file only", "x");
    store("object only", "x");
    store("d/../climbs", "x");
    store("directory/", "");
    server.put_object(bucket, "p", "not below");
    server.put_object(bucket, "pp/other", "not below");
    let newer = write("newer", "content");
    store("newer", "content");
    let later = SystemTime::now() + Duration::from_secs(3600);
    fs::File::options().write(true).open(newer).unwrap().set_modified(later).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("same", folder.path().join("link")).unwrap();

    let compare = |compare| -> Vec<(String, bool, bool)> {
        let differences = transfer(&client).compare(folder.path(), bucket, "p/", compare).unwrap();
        differences
            .into_iter()
            .map(|found| (found.name, found.file.is_some(), found.object.is_some()))
            .collect()
    };
    let expected = |changed: &[&str]| {
        let mut expected: Vec<(String, bool, bool)> =
            changed.iter().map(|name| ((*name).to_owned(), true, true)).collect();
        expected.push(("d/e/file only".to_owned(), true, false));
        #[cfg(unix)]
        expected.push(("link".to_owned(), true, false));
        expected.push(("object only".to_owned(), false, true));
        expected.push(("d/../climbs".to_owned(), false, true));
        expected.sort();
        expected
    };
    assert_eq!(compare(Compare::Size), expected(&["d/longer"]));
    assert_eq!(compare(Compare::SizeAndTime), expected(&["d/longer", "newer"]));
    assert_eq!(compare(Compare::Content), expected(&["d/content", "d/longer"]));
    // Every file but `newer` was written before its object.
    let stale = expected(&["d/content", "d/longer", "d/same", "same"]);
    let found = compare(Compare::SizeAndNewerObject);
    assert!(found.iter().all(|found| stale.contains(found)), "{found:?}");
    let earlier = SystemTime::now() - Duration::from_secs(3600);
    for name in ["same", "d/same", "d/content"] {
        let file = fs::File::options().write(true).open(folder.path().join(name)).unwrap();
        file.set_modified(earlier).unwrap();
    }
    assert_eq!(compare(Compare::SizeAndNewerObject), stale);

    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("d", folder.path().join("circle")).unwrap();
        let compared = transfer(&client).compare(folder.path(), bucket, "p/", Compare::Size);
        let error = compared.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.message().ends_with("circle is a link to a directory"), "{error}");
    }

    let missing = folder.path().join("none");
    let error = transfer(&client).compare(missing, bucket, "p/", Compare::Size).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalIo, "{error}");
}

#[test]
fn work_is_done_for_every_entry_of_a_listing_until_one_fails() {
    let server = server();
    let client = client(&server);
    for number in 0..25 {
        server.put_object(server.bucket(), &format!("a/{number:02}"), "x");
    }
    server.put_object(server.bucket(), "kept", "x");
    let delete = |bucket: &str| {
        let entries = client.objects(bucket, ListObjects::prefix("a/").max_keys(10));
        transfer(&client).each_taken(entries, |client, object| {
            client.delete_object(bucket, &object.key, &DeleteObject::default()).map(drop)
        })
    };
    delete(server.bucket()).unwrap();
    assert_eq!(server.keys(server.bucket()), ["kept"]);

    assert_eq!(delete("no-such-bucket").unwrap_err().kind(), ErrorKind::NoSuchBucket);
    server.put_object(server.bucket(), "a/1", "x");
    server.fail_next("DeleteObject", 403, "AccessDenied", 1);
    assert_eq!(delete(server.bucket()).unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(server.keys(server.bucket()), ["a/1", "kept"]);
}

#[test]
fn a_moved_object_is_deleted_only_as_the_version_that_was_copied() {
    let server = server();
    let client = client(&server);
    let (bucket, settings) = (server.bucket(), ObjectSettings::default());
    for size in [0, 7, PART + 1] {
        let content = bytes(1, 0, size);
        server.put_object(bucket, "from", content.clone());
        let moved =
            transfer(&client).move_object((bucket, "from"), (bucket, "to"), &settings).unwrap();
        assert_eq!(moved.bytes, size as u64);
        assert_eq!(
            (server.object(bucket, "from"), server.object(bucket, "to").unwrap()),
            (None, content.into())
        );
    }
    let error =
        transfer(&client).move_object((bucket, "to"), (bucket, "to"), &settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");

    let etag = || client.head_object(bucket, "x", &Default::default()).unwrap().etag;
    server.put_object(bucket, "x", "old");
    let old = etag();
    server.put_object(bucket, "x", "new");
    // Servers that do not support the condition refuse it, or never find it true.
    for refusal in [
        None,
        Some((501, "NotImplemented")),
        Some((412, "PreconditionFailed")),
        Some((405, "MethodNotAllowed")),
        Some((400, "InvalidArgument")),
    ] {
        // A client remembers the refusal.
        let client = self::client(&server);
        let refuse = || {
            if let Some((status, code)) = refusal {
                server.fail_next("DeleteObject", status, code, 1);
            }
        };
        refuse();
        let error = transfer(&client).delete_copied(bucket, "x", old.as_deref()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{refusal:?}: {error}");
        assert_eq!(server.object(bucket, "x").unwrap(), "new", "{refusal:?}");
        let new = etag();
        refuse();
        transfer(&client).delete_copied(bucket, "x", new.as_deref()).unwrap();
        assert_eq!(server.object(bucket, "x"), None, "{refusal:?}");
        server.put_object(bucket, "x", "new");
    }
    server.put_object(bucket, "x", "weak");
    transfer(&client).delete_copied(bucket, "x", Some("W/\"1\"")).unwrap();
    assert_eq!(server.object(bucket, "x"), None);
}

#[test]
fn an_object_is_not_moved_to_an_equal_key_of_what_may_be_the_same_bucket() {
    const POINT: &str = "arn:aws:s3:us-east-1:123456789012:accesspoint/reports";
    let server = server();
    let client = client(&server);
    let (bucket, settings) = (server.bucket(), ObjectSettings::default());
    server.put_object(bucket, "k", "content");
    for alias in [
        "reports-abcdefgh-s3alias",
        "reports-abcdefgh--ol-s3",
        "reports--usw2-az1--xa-s3",
        "test-accessp-e0000075431d83bebde8xz5w8ijx1qzlbp3i3kuse10--op-s3",
        "mfzwi23gnjvgw.mrap",
        POINT,
    ] {
        for (from, to) in [(alias, bucket), (bucket, alias), (alias, "another-s3alias")] {
            let moved = transfer(&client).move_object((from, "k"), (to, "k"), &settings);
            let error = moved.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{from} {to}: {error}");
            for (prefix, target) in [("a/", "a/b/"), ("a/b/", "a/b/b/")] {
                let copies = PrefixCopy::new((from, prefix), (to, target));
                assert_eq!(copies.unwrap_err().kind(), ErrorKind::InvalidArgument, "{from} {to}");
            }
            // No copy replaces another object if both prefixes are equal.
            let copies = PrefixCopy::new((from, "a/"), (to, "a/")).unwrap();
            assert_eq!(copies.target_of("a/x").unwrap(), "a/x");
        }
    }
    assert_eq!(server.object(bucket, "k").unwrap(), "content");
    assert_eq!(server.count("HeadObject") + server.count("DeleteObject"), 0);
}
