//! What single servers do otherwise, and that the client and the driver live with it. A check runs on the server that
//! shows the quirk (`S3_SERVER` names it) and, where S3 may do the same, on all.
mod support;

use s3driver::ErrorKind;
use s3driver::client::{Client, Condition, CopySource, ListObjects, ObjectSettings, UploadRef, UploadedPart};
use s3driver::driver::{Parameters, S3Driver, StorageDriver};
use std::collections::BTreeSet;
use support::target::{Target, bytes_at};

const PART: usize = 5 << 20;

fn begin(client: &Client, target: &Target, key: &str) -> String {
    client.create_multipart_upload(&target.bucket, key, &ObjectSettings::default()).unwrap()
}

/// A driver that copies everything above 5 MiB in parts.
fn copying_in_parts(target: &Target, root: &str) -> S3Driver {
    let mut pairs = target.pairs(root);
    pairs.extend([("multipartcopythresholdsize", PART.to_string()), ("multipartcopychunksize", PART.to_string())]);
    S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap()
}

fn uploaded(client: &Client, target: &Target, key: &str, id: &str) -> Vec<UploadedPart> {
    let upload = UploadRef { bucket: &target.bucket, key, upload_id: id };
    vec![
        client.upload_part(upload, 1, &bytes_at(1, 0, PART)).unwrap(),
        client.upload_part(upload, 2, &bytes_at(1, PART as u64, 77)).unwrap(),
    ]
}

checks! {
    // Ceph leaves the ETag out of its first answer; rclone and Garage know a completed upload no more.
    fn completing_twice_is_one_success(target) {
        let (client, key) = (target.client(), target.scratch("twice"));
        let id = begin(&client, target, &key);
        let parts = uploaded(&client, target, &key, &id);
        let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
        let first = client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
        assert!(first.etag.is_some());
        match client.complete_multipart_upload(upload, &parts, &Condition::Always) {
            // Its ETags of objects say nothing of parts, so that nothing can be claimed.
            Err(error) if target.server == "rclone" => assert_eq!(error.kind(), ErrorKind::NoSuchUpload, "{error}"),
            second => assert_eq!(first.etag, second.unwrap().etag),
        }
        assert_eq!(client.head_object(&target.bucket, &key).unwrap().size, PART as u64 + 77);
        client.delete_object(&target.bucket, &key).unwrap();
    }

    // Ceph answers 500 to the completion of an upload that was aborted, and NoSuchKey to the list of its parts.
    fn an_aborted_upload_is_never_taken_for_a_completed_one(target) {
        let (client, key) = (target.client(), target.scratch("aborted"));
        let id = begin(&client, target, &key);
        let parts = uploaded(&client, target, &key, &id);
        let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
        client.abort_multipart_upload(upload).unwrap();
        client.abort_multipart_upload(upload).unwrap();
        let error = client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NoSuchUpload | ErrorKind::OutcomeUnknown), "{error}");
        assert_eq!(client.list_parts(upload, None).unwrap_err().kind(), ErrorKind::NoSuchUpload);
        assert_eq!(client.head_object(&target.bucket, &key).unwrap_err().kind(), ErrorKind::NoSuchKey);
    }

    // Ceph decodes the source of UploadPartCopy twice and dies of some percent signs; rclone answers 200 and copies
    // nothing; SeaweedFS gives copied parts ETags that are no MD5.
    fn a_large_file_below_a_root_with_percent_signs_is_moved(target) {
        for root in ["plain", "p%zz", "p%25+x y"] {
            let driver = copying_in_parts(target, &target.scratch(root));
            let content = bytes_at(2, 0, 2 * PART + 77);
            driver.put_content("/from", &content).unwrap();
            driver.rename("/from", "/to").unwrap();
            assert!(driver.get_content("/to").unwrap() == content);
            assert_eq!(driver.list("/").unwrap(), ["/to"]);
            driver.delete("/to").unwrap();
        }
    }

    // rclone: 200 with nothing. Everybody else copies.
    fn a_part_that_was_not_copied_is_an_error(target) {
        let (client, key) = (target.client(), target.scratch("part-copy"));
        client.put_object(&target.bucket, &key, &bytes_at(3, 0, PART), &ObjectSettings::default()).unwrap();
        let id = begin(&client, target, &key);
        let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
        let source = CopySource { bucket: &target.bucket, key: &key, if_match: None };
        let copied = client.upload_part_copy(source, 0..PART as u64, upload, 1);
        if target.server == "rclone" {
            assert_eq!(copied.unwrap_err().kind(), ErrorKind::Protocol);
        } else {
            // The ETag is opaque, and completes the upload all the same.
            let part = copied.unwrap();
            client.complete_multipart_upload(upload, &[part], &Condition::Always).unwrap();
            assert_eq!(client.head_object(&target.bucket, &key).unwrap().size, PART as u64);
        }
        client.abort_multipart_upload(upload).unwrap();
        client.delete_object(&target.bucket, &key).unwrap();
    }

    // A key marker alone is inclusive on Ceph, SeaweedFS and rclone; SeaweedFS lists unsorted and names no marker.
    fn every_upload_is_listed_once(target) {
        let (client, prefix) = (target.client(), target.scratch("uploads"));
        let mut begun = BTreeSet::new();
        for key in ["b", "a", "a/x", "a-x", "c", "a"].map(|name| format!("{prefix}/{name}")) {
            if target.server == "rclone" && key.ends_with("a/x") {
                continue;
            }
            begun.insert((key.clone(), begin(&client, target, &key)));
        }
        let pages = client.uploads(&target.bucket, &format!("{prefix}/")).map(Result::unwrap);
        let listed: Vec<_> = pages.flat_map(|page| page.uploads).map(|upload| (upload.key, upload.upload_id)).collect();
        assert_eq!(listed.len(), begun.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), begun);
        for (key, id) in &begun {
            client.abort_multipart_upload(UploadRef { bucket: &target.bucket, key, upload_id: id }).unwrap();
        }
    }

    // Listings with encoding-type=url differ in what they encode, and in how they write a space.
    fn names_in_listings_come_back_as_they_are(target) {
        let (client, prefix) = (target.client(), target.scratch("enc oded+%41"));
        let names = ["a b/x y", "a+b/x", "a%20b", "a%2Bb", "\u{e4}/\u{df}", "z"];
        for name in names {
            client.put_object(&target.bucket, &format!("{prefix}/{name}"), b"x", &ObjectSettings::default()).unwrap();
        }
        let mut expected = names.map(|name| format!("{prefix}/{name}"));
        expected.sort();
        for pages in [1_000, 2] {
            let request = ListObjects::prefix(format!("{prefix}/")).max_keys(pages);
            let pages = client.listing(&target.bucket, request).map(Result::unwrap);
            let mut listed: Vec<String> = pages.flat_map(|page| page.contents).map(|object| object.key).collect();
            listed.sort();
            assert_eq!(listed, expected);
        }
        let request = ListObjects::prefix(format!("{prefix}/")).delimiter("/");
        let page = client.list_objects(&target.bucket, &request, None).unwrap();
        let mut rolled: Vec<String> = page.common_prefixes;
        rolled.sort();
        assert_eq!(rolled, ["a b/", "a+b/", "\u{e4}/"].map(|name| format!("{prefix}/{name}")));
        let keys: Vec<&str> = expected.iter().map(String::as_str).collect();
        client.delete_objects(&target.bucket, &keys).unwrap();
    }

    // Ceph takes no trailers, rclone stores them: a body of unknown content is sent in a way that all take.
    fn a_streamed_body_is_stored_without_its_framing(target) {
        let (client, key) = (target.client(), target.scratch("streamed"));
        let content = bytes_at(4, 0, 300_001);
        let driver = target.driver(&key);
        driver.write_stream("/file", 0, &mut &content[..]).unwrap();
        assert!(driver.get_content("/file").unwrap() == content);
        assert_eq!(client.head_object(&target.bucket, &format!("{key}/file")).unwrap().size, 300_001);
        driver.delete("/file").unwrap();
    }

    // SeaweedFS and rclone list folders that have become empty: nobody is told that a file is there.
    fn an_emptied_folder_holds_no_file(target) {
        let driver = target.driver(&target.scratch("emptied"));
        driver.put_content("/folder/sub/file", b"x").unwrap();
        driver.delete("/folder/sub/file").unwrap();
        let mut seen = Vec::new();
        driver.walk("/", &Default::default(), &mut |info| {
            seen.push(info.path.clone());
            Ok(s3driver::driver::WalkStep::Continue)
        }).unwrap();
        assert_eq!(seen, [""; 0]);
        assert_eq!(driver.get_content("/folder").unwrap_err().kind(), ErrorKind::PathNotFound);
        assert_eq!(driver.delete("/folder").unwrap_err().kind(), ErrorKind::PathNotFound);
    }
}
