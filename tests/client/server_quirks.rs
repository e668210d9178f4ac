//! Tests that the client and the driver handle the deviations of particular servers. A check runs
//! on the server with the deviation (`S3_SERVER` names it) or, if S3 may behave the same way, on
//! all servers.

use crate::support::content::bytes;
use crate::support::fetch::fetch;
use crate::support::target::Target;
use s3driver::ErrorKind;
use s3driver::client::{
    Checksum, Client, Condition, CopySource, GetObject, HELD_BODY, ListObjects, ObjectSettings,
    Part, PayloadSigning, Presign, PresignMethod, SignatureVersion, UploadRef,
};
use s3driver::driver::{Parameters, S3Driver, StorageDriver};
use std::collections::BTreeSet;
use std::time::Duration;

const PART: usize = 5 << 20;

fn begin(client: &Client, target: &Target, key: &str) -> String {
    client.create_multipart_upload(&target.bucket, key, &ObjectSettings::default()).unwrap()
}

/// Returns a driver that copies everything above 5 MiB in parts.
fn copying_in_parts(target: &Target, root: &str) -> S3Driver {
    let mut pairs = target.pairs(root);
    pairs.extend([
        ("multipartcopythresholdsize", PART.to_string()),
        ("multipartcopychunksize", PART.to_string()),
    ]);
    S3Driver::new(&Parameters::from_pairs(pairs).unwrap()).unwrap()
}

fn uploaded(client: &Client, target: &Target, key: &str, id: &str) -> Vec<Part> {
    let upload = UploadRef { bucket: &target.bucket, key, upload_id: id };
    vec![
        client.upload_part(upload, 1, &bytes(1, 0, PART)).unwrap(),
        client.upload_part(upload, 2, &bytes(1, PART as u64, 77)).unwrap(),
    ]
}

crate::checks! {
    // Ceph omits the ETag from its first response; rclone and Garage forget an upload when it is
    // completed.
    fn a_repeated_completion_succeeds_once(target) {
        let (client, key) = (target.client(), target.scratch("twice"));
        let id = begin(&client, target, &key);
        let parts = uploaded(&client, target, &key, &id);
        let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
        let first = client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
        assert!(first.etag.is_some());
        match client.complete_multipart_upload(upload, &parts, &Condition::Always) {
            // The ETags of its objects do not depend on the parts, so nothing can be concluded.
            Err(error) if target.server == "rclone" => {
                assert_eq!(error.kind(), ErrorKind::NoSuchUpload, "{error}");
            }
            second => assert_eq!(first.etag, second.unwrap().etag),
        }
        assert_eq!(client.head_object(&target.bucket, &key, &Default::default()).unwrap().size, PART as u64 + 77);
        client.delete_object(&target.bucket, &key, &Default::default()).unwrap();
    }

    // Ceph responds with 500 to the completion of an aborted upload, and with NoSuchKey to the list
    // of its parts.
    fn an_aborted_upload_is_never_taken_for_a_completed_one(target) {
        let (client, key) = (target.client(), target.scratch("aborted"));
        let id = begin(&client, target, &key);
        let parts = uploaded(&client, target, &key, &id);
        let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
        client.abort_multipart_upload(upload).unwrap();
        client.abort_multipart_upload(upload).unwrap();
        let error =
            client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::NoSuchUpload | ErrorKind::OutcomeUnknown),
            "{error}"
        );
        assert_eq!(client.list_parts(upload, None).unwrap_err().kind(), ErrorKind::NoSuchUpload);
        assert_eq!(
            client.head_object(&target.bucket, &key, &Default::default()).unwrap_err().kind(),
            ErrorKind::NoSuchKey
        );
    }

    // Ceph decodes the source of UploadPartCopy twice and crashes on some percent signs; rclone
    // responds with 200 and copies nothing; SeaweedFS gives copied parts ETags that are not an MD5.
    fn a_large_file_below_a_root_with_percent_signs_is_moved(target) {
        for root in ["plain", "p%zz", "p%25+x y"] {
            let driver = copying_in_parts(target, &target.scratch(root));
            let content = bytes(2, 0, 2 * PART + 77);
            driver.put_content("/from", &content).unwrap();
            driver.rename("/from", "/to").unwrap();
            assert!(driver.get_content("/to").unwrap() == content);
            assert_eq!(driver.list("/").unwrap(), ["/to"]);
            driver.delete("/to").unwrap();
        }
    }

    // rclone responds with 200 and no result. All others copy.
    fn a_part_that_was_not_copied_is_an_error(target) {
        let (client, key) = (target.client(), target.scratch("part-copy"));
        client
            .put_object(&target.bucket, &key, &bytes(3, 0, PART), &ObjectSettings::default())
            .unwrap();
        let id = begin(&client, target, &key);
        let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
        let source = CopySource::new(&target.bucket, &key);
        let copied = client.upload_part_copy(source, 0..PART as u64, upload, 1);
        if target.server == "rclone" {
            assert_eq!(copied.unwrap_err().kind(), ErrorKind::Protocol);
        } else {
            // The ETag is opaque, but completes the upload.
            let part = copied.unwrap();
            client.complete_multipart_upload(upload, &[part], &Condition::Always).unwrap();
            assert_eq!(client.head_object(&target.bucket, &key, &Default::default()).unwrap().size, PART as u64);
        }
        client.abort_multipart_upload(upload).unwrap();
        client.delete_object(&target.bucket, &key, &Default::default()).unwrap();
    }

    // On Ceph, SeaweedFS and rclone a key marker on its own is inclusive; SeaweedFS lists unsorted.
    fn every_upload_is_listed_once(target) {
        let (client, prefix) = (target.client(), target.scratch("uploads"));
        let mut begun = BTreeSet::new();
        for key in ["b", "a", "a/x", "a-x", "c", "a"].map(|name| format!("{prefix}/{name}")) {
            if target.server == "rclone" && key.ends_with("a/x") {
                continue;
            }
            begun.insert((key.clone(), begin(&client, target, &key)));
        }
        let pages = client.uploads(&target.bucket, &format!("{prefix}/")).pages().map(Result::unwrap);
        let listed: Vec<_> = pages
            .flat_map(|page| page.uploads)
            .map(|upload| (upload.key, upload.upload_id))
            .collect();
        assert_eq!(listed.len(), begun.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), begun);
        for (key, id) in &begun {
            client
                .abort_multipart_upload(UploadRef { bucket: &target.bucket, key, upload_id: id })
                .unwrap();
        }
    }

    // SeaweedFS returns the id of the last upload of a page but not its key, and if it gets only
    // the key, it lists no other keys.
    fn uploads_beyond_a_page_are_listed_and_purged(target) {
        const UPLOADS: usize = 1_050;
        let (client, root) = (target.client(), target.scratch("many-uploads"));
        let begun: BTreeSet<(String, String)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let (client, root) = (&client, &root);
                    scope.spawn(move || {
                        let keys = (thread..UPLOADS)
                            .step_by(8)
                            .map(|number| format!("{root}/{}", number / 2));
                        keys.map(|key| (key.clone(), begin(client, target, &key)))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let pages: Vec<_> =
            client.uploads(&target.bucket, &format!("{root}/")).pages().map(Result::unwrap).collect();
        assert!(pages.len() > 1);
        let listed = pages
            .into_iter()
            .flat_map(|page| page.uploads)
            .map(|upload| (upload.key, upload.upload_id));
        assert!(listed.collect::<BTreeSet<_>>() == begun);
        let driver = target.driver(&root);
        assert_eq!(driver.purge_uploads("/", Duration::ZERO).unwrap().uploads, UPLOADS as u64);
        assert_eq!(driver.pending_uploads("/").unwrap().count(), 0);
    }

    // Listings with encoding-type=url differ in the characters that they encode, and in how they
    // write a space.
    fn names_in_listings_are_returned_unchanged(target) {
        let (client, prefix) = (target.client(), target.scratch("enc oded+%41"));
        let names = ["a b/x y", "a+b/x", "a%20b", "a%2Bb", "\u{e4}/\u{df}", "z"];
        for name in names {
            client
                .put_object(
                    &target.bucket,
                    &format!("{prefix}/{name}"),
                    b"x",
                    &ObjectSettings::default(),
                )
                .unwrap();
        }
        let mut expected = names.map(|name| format!("{prefix}/{name}"));
        expected.sort();
        for pages in [1_000, 2] {
            let request = ListObjects::prefix(format!("{prefix}/")).max_keys(pages);
            let pages = client.objects(&target.bucket, request).pages().map(Result::unwrap);
            let mut listed: Vec<String> =
                pages.flat_map(|page| page.contents).map(|object| object.key).collect();
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

    // All servers accept signed chunks; SeaweedFS, Ceph and rclone would store `aws-chunked` as the
    // object's encoding. Ceph and Garage do not accept a checksum after the chunks, and rclone
    // stores it with them.
    fn a_streamed_body_is_stored_without_its_framing(target) {
        let (key, content) =
            (target.scratch("streamed"), bytes(4, 0, HELD_BODY as usize + 300_001));
        let settings =
            ObjectSettings::default().content_encoding("gzip");
        let put = |client: &Client| {
            client.put_object_from(
                &target.bucket,
                &key,
                &mut &content[..],
                content.len() as u64,
                &settings,
            )
        };
        for payload in [PayloadSigning::Auto, PayloadSigning::Signed, PayloadSigning::Unsigned] {
            let client = Client::new(target.config().payload_signing(payload)).unwrap();
            put(&client).unwrap();
            let presign = Presign::exactly(PresignMethod::Get, Duration::from_secs(60));
            let reply =
                fetch(target, "GET", &client.presign(&target.bucket, &key, &presign).unwrap().url)
                    .unwrap();
            assert_eq!(reply.header("content-encoding"), Some("gzip"));
            assert!(reply.body[..] == content);
            client.delete_object(&target.bucket, &key, &Default::default()).unwrap();
        }
        let client = Client::new(
            target.config().checksum(Checksum::Crc32c).payload_signing(PayloadSigning::Signed),
        )
        .unwrap();
        match (target.server, put(&client)) {
            ("ceph" | "garage", result) if target.signature == SignatureVersion::V4 => {
                let error = result.unwrap_err();
                assert!(error.to_string().contains("set checksum to none"), "{error}");
            }
            ("rclone", result) => assert_eq!(result.unwrap_err().kind(), ErrorKind::Integrity),
            (_, result) => {
                result.unwrap();
                let reader =
                    client.get_object(&target.bucket, &key, &GetObject::default()).unwrap();
                assert!(reader.read_all(content.len()).unwrap() == content);
            }
        }
        client.delete_object(&target.bucket, &key, &Default::default()).unwrap();
    }

    // SeaweedFS and rclone list folders that have become empty: they are never reported as files.
    fn an_emptied_folder_contains_no_file(target) {
        let driver = target.driver(&target.scratch("emptied"));
        driver.put_content("/folder/sub/file", b"x").unwrap();
        driver.delete("/folder/sub/file").unwrap();
        let mut seen = Vec::new();
        driver
            .walk("/", &Default::default(), &mut |info| {
                seen.push(info.path.clone());
                Ok(s3driver::driver::WalkStep::Continue)
            })
            .unwrap();
        assert_eq!(seen, [""; 0]);
        assert_eq!(driver.get_content("/folder").unwrap_err().kind(), ErrorKind::PathNotFound);
        assert_eq!(driver.delete("/folder").unwrap_err().kind(), ErrorKind::PathNotFound);
    }

    // SeaweedFS keeps this folder although it is empty, so no file can be stored at its path, and
    // the failure is reported.
    fn a_file_replaces_an_emptied_folder_or_is_rejected(target) {
        let driver = target.driver(&target.scratch("place"));
        driver.put_content("/x/file", b"x").unwrap();
        driver.delete("/x/file").unwrap();
        match driver.put_content("/x", b"content") {
            Err(error) if target.server == "seaweedfs" => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                assert_eq!(driver.get_content("/x").unwrap_err().kind(), ErrorKind::PathNotFound);
            }
            result => {
                result.unwrap();
                assert_eq!(driver.get_content("/x").unwrap(), b"content");
                driver.delete("/x").unwrap();
            }
        }
    }

    // SeaweedFS and rclone reject `.` and `..` in keys; keys that they accept are stored under
    // their own name.
    fn a_path_with_dots_is_stored_unchanged_or_rejected(target) {
        let driver = target.driver(&target.scratch("dots"));
        driver.put_content("/x", b"other").unwrap();
        for path in ["/a/../x", "/a/./x", "/.."] {
            match driver.put_content(path, path.as_bytes()) {
                Err(error) if matches!(target.server, "seaweedfs" | "rclone") => {
                    assert!(!error.is_transient(), "{error}");
                }
                result => {
                    result.unwrap();
                    assert_eq!(driver.get_content(path).unwrap(), path.as_bytes());
                    driver.delete(path).unwrap();
                }
            }
        }
        assert_eq!(driver.get_content("/x").unwrap(), b"other");
        assert_eq!(driver.get_content("/a/x").unwrap_err().kind(), ErrorKind::PathNotFound);
        driver.delete("/x").unwrap();
    }

    // Ceph expects the ETag in a write's If-Match without quotes: the condition never holds, and
    // nothing is written. rclone and Garage ignore it.
    fn a_write_with_an_etag_only_replaces_that_object(target) {
        let (client, key, settings) =
            (target.client(), target.scratch("if-match"), ObjectSettings::default());
        let first =
            client.put_object(&target.bucket, &key, b"first", &settings).unwrap().etag.unwrap();
        let write = |content: &[u8], etag: &str| {
            let same = settings.clone().condition(Condition::IfMatch(etag.to_owned()));
            client.put_object(&target.bucket, &key, content, &same)
        };
        let stored = || {
            client
                .get_object(&target.bucket, &key, &GetObject::default())
                .unwrap()
                .read_all(99)
                .unwrap()
        };
        match (target.server, write(b"second", &first)) {
            ("ceph", result) => {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::PreconditionFailed);
                assert_eq!(stored(), b"first");
            }
            (_, result) => {
                result.unwrap();
                assert_eq!(stored(), b"second");
                let again = write(b"third", &first);
                if matches!(target.server, "rclone" | "garage") {
                    again.unwrap();
                } else {
                    assert_eq!(again.unwrap_err().kind(), ErrorKind::PreconditionFailed);
                    assert_eq!(stored(), b"second");
                }
            }
        }
        client.delete_object(&target.bucket, &key, &Default::default()).unwrap();
    }

    // Ceph, rclone and moto ignore the condition on a copy's source; Ceph, rclone and Garage the
    // one on a completion.
    fn conditions_hold_if_the_server_supports_them(target) {
        let (client, key, settings) =
            (target.client(), target.scratch("conditions"), ObjectSettings::default());
        client.put_object(&target.bucket, &key, b"there", &settings).unwrap();
        let other = Condition::IfMatch("0123456789abcdef0123456789abcdef".to_owned());
        let stale = CopySource::new(&target.bucket, &key).condition(&other);
        let copied = client.copy_object(stale, &target.bucket, &format!("{key}-copy"), &settings);
        if matches!(target.server, "ceph" | "rclone" | "moto") {
            copied.unwrap();
        } else {
            assert_eq!(copied.unwrap_err().kind(), ErrorKind::PreconditionFailed);
        }
        let id = begin(&client, target, &key);
        let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
        let part = client.upload_part(upload, 1, b"instead").unwrap();
        let completed = client.complete_multipart_upload(upload, &[part], &Condition::IfAbsent);
        let stored = client
            .get_object(&target.bucket, &key, &GetObject::default())
            .unwrap()
            .read_all(99)
            .unwrap();
        if matches!(target.server, "ceph" | "rclone" | "garage") {
            completed.unwrap();
            assert_eq!(stored, b"instead");
        } else {
            assert_eq!(completed.unwrap_err().kind(), ErrorKind::PreconditionFailed);
            assert_eq!(stored, b"there");
        }
        client.abort_multipart_upload(upload).unwrap();
        client.delete_objects(&target.bucket, &[&key, &format!("{key}-copy")]).unwrap();
    }

    // With version 2 the values of response-* are signed decoded; only SeaweedFS expects them
    // form-encoded.
    fn a_presigned_url_overrides_response_headers(target) {
        let (client, key) = (target.client(), target.scratch("response"));
        client.put_object(&target.bucket, &key, b"content", &ObjectSettings::default()).unwrap();
        for disposition in ["inline", "attachment; filename=\"a b+c.txt\""] {
            let presign = Presign::exactly(PresignMethod::Get, Duration::from_secs(60));
            let presign = presign.query("response-content-disposition", disposition);
            let url = client.presign(&target.bucket, &key, &presign).unwrap().url;
            let reply = fetch(target, "GET", &url).unwrap();
            if target.server == "seaweedfs"
                && target.signature == SignatureVersion::V2
                && disposition.contains(' ')
            {
                assert_eq!(reply.status, 403);
                continue;
            }
            assert_eq!((reply.status, &*reply.body), (200, &b"content"[..]));
            // rclone omits the header.
            if target.server != "rclone" {
                assert_eq!(reply.header("content-disposition"), Some(disposition));
            }
        }
        client.delete_object(&target.bucket, &key, &Default::default()).unwrap();
    }

    // Ceph does not compare checksums, and rclone does not support any, but sending one is
    // harmless.
    fn sending_a_checksum_does_no_harm(target) {
        let (key, content) = (target.scratch("checksum"), bytes(5, 0, PART + 77));
        for checksum in [
            Checksum::Crc32,
            Checksum::Crc32Composite,
            Checksum::Crc32c,
            Checksum::Crc32cComposite,
            Checksum::Crc64Nvme,
            Checksum::Sha1,
            Checksum::Sha256,
        ] {
            let client = target.client().with_checksum(checksum);
            client
                .put_object(&target.bucket, &key, &content[..1_000], &ObjectSettings::default())
                .unwrap();
            let read = |limit| {
                client
                    .get_object(&target.bucket, &key, &GetObject::default())
                    .unwrap()
                    .read_all(limit)
                    .unwrap()
            };
            assert!(read(1_000) == content[..1_000]);
            let id = begin(&client, target, &key);
            let upload = UploadRef { bucket: &target.bucket, key: &key, upload_id: &id };
            let parts: Vec<_> = (1..)
                .zip(content.chunks(PART))
                .map(|(n, part)| client.upload_part(upload, n, part).unwrap())
                .collect();
            client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
            assert!(read(content.len()) == content, "{checksum:?}");
        }
        target.client().delete_object(&target.bucket, &key, &Default::default()).unwrap();
    }

    // Ceph returns `default` for the bucket's location, and reads `_` in metadata names as `-`:
    // version 2 signs the name and is rejected.
    fn locations_and_metadata_are_returned_unchanged(target) {
        let (client, key) = (target.client(), target.scratch("names"));
        let location = client.get_bucket_location(&target.bucket).unwrap();
        if target.server == "ceph" {
            assert_eq!(location, "default");
        } else {
            assert_eq!(location, target.region);
        }
        let settings = ObjectSettings::default().metadata("a_b", "x");
        let put = client.put_object(&target.bucket, &key, b"x", &settings);
        if target.server == "ceph" && target.signature == SignatureVersion::V2 {
            return assert_eq!(put.unwrap_err().kind(), ErrorKind::SignatureRejected);
        }
        put.unwrap();
        let name = if target.server == "ceph" { "a-b" } else { "a_b" };
        assert!(
            client
                .head_object(&target.bucket, &key, &Default::default())
                .unwrap()
                .metadata
                .contains(&(name.to_owned(), "x".to_owned()))
        );
        client.delete_object(&target.bucket, &key, &Default::default()).unwrap();
    }

    // rclone and Garage do not support version 2, and respond with a 400.
    fn an_unsupported_signature_version_is_reported(target) {
        if matches!(target.server, "rclone" | "garage") {
            let client = Client::new(target.config().signature(SignatureVersion::V2)).unwrap();
            let error =
                client.list_objects(&target.bucket, &ListObjects::default(), None).unwrap_err();
            assert_eq!((error.status(), error.is_transient()), (Some(400), false), "{error}");
        }
    }
}
