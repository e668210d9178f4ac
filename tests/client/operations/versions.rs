//! Versions of objects.
use super::PART;
use crate::support::content::bytes;
use crate::support::target::Target;
use s3driver::ErrorKind;
use s3driver::client::{
    ByteRange, Client, Condition, CopySource, CreateBucket, DeleteObject, GetObject, ListObjects,
    ObjectIdentifier, ObjectSettings, ObjectVersion, UploadRef, VersionKind, Versioning,
};
use std::io::Read;

/// A new bucket that stores versions.
fn versioned_bucket(target: &Target, client: &Client) -> String {
    let bucket = target.scratch("versions");
    client.create_bucket(&bucket, &CreateBucket::default()).unwrap();
    assert_eq!(client.get_bucket_versioning(&bucket).unwrap(), None);
    client.put_bucket_versioning(&bucket, Versioning::Enabled).unwrap();
    assert_eq!(client.get_bucket_versioning(&bucket).unwrap(), Some(Versioning::Enabled));
    bucket
}

fn put(client: &Client, bucket: &str, key: &str, content: &[u8]) -> String {
    let stored = client.put_object(bucket, key, content, &ObjectSettings::default()).unwrap();
    stored.version_id.expect("a version id")
}

fn of(version: &str) -> GetObject {
    GetObject::default().version_id(version)
}

fn read(client: &Client, bucket: &str, key: &str, request: &GetObject) -> Vec<u8> {
    client.get_object(bucket, key, request).unwrap().read_all(64 << 20).unwrap()
}

/// Returns the versions of a bucket, each key's in the server's order.
fn listed(client: &Client, bucket: &str, request: ListObjects) -> Vec<ObjectVersion> {
    let versions: Result<Vec<_>, _> = client.versions(bucket, request).collect();
    let mut versions = versions.unwrap();
    // Servers may list delete markers after versions.
    versions.sort_by(|a, b| (&a.key, b.is_latest).cmp(&(&b.key, a.is_latest)));
    versions
}

/// Deletes every version and the bucket.
fn remove(client: &Client, bucket: &str) {
    let versions = listed(client, bucket, ListObjects::default());
    let all: Vec<_> = versions
        .iter()
        .map(|version| ObjectIdentifier::new(&version.key).version_id(&version.version_id))
        .collect();
    let deleted = client.delete_objects(bucket, &all).unwrap();
    assert_eq!(deleted.len(), all.len());
    assert_eq!(listed(client, bucket, ListObjects::default()), []);
    client.delete_bucket(bucket).unwrap();
}

crate::checks! {
    fn every_version_is_read_copied_and_listed(target) {
        let client = target.client();
        let bucket = versioned_bucket(target, &client);
        let old = bytes(1, 0, 300_000);
        let (first, second) = (put(&client, &bucket, "k", &old), put(&client, &bucket, "k", b"new"));
        assert_ne!(first, second);
        assert_eq!(read(&client, &bucket, "k", &GetObject::default()), b"new");
        assert!(read(&client, &bucket, "k", &of(&first)) == old);
        let range = ByteRange::Part { offset: 10, length: 20 };
        let part = GetObject::range(range).version_id(&first);
        assert_eq!(read(&client, &bucket, "k", &part), old[10..30]);

        let meta = client.head_object(&bucket, "k", &of(&first)).unwrap();
        assert_eq!((meta.size, meta.version_id.as_deref()), (300_000, Some(&*first)));
        let meta = client.head_object(&bucket, "k", &GetObject::default()).unwrap();
        assert_eq!((meta.size, meta.version_id.as_deref()), (3, Some(&*second)));
        let mut content = Vec::new();
        client.open(&bucket, "k", &of(&first)).unwrap().read_to_end(&mut content).unwrap();
        assert!(content == old, "all ranges are of the requested version");

        let source = CopySource::new(&bucket, "k").version_id(&first);
        let copy = client.copy_object(source, &bucket, "copy", &ObjectSettings::default()).unwrap();
        let meta = client.head_object(&bucket, "copy", &GetObject::default()).unwrap();
        assert!(meta.version_id.as_ref().is_some_and(|id| *id != first && *id != second));
        // Ceph does not state the version.
        let is_stated = target.server != "ceph";
        assert_eq!(copy.version_id, meta.version_id.filter(|_| is_stated));
        assert!(read(&client, &bucket, "copy", &GetObject::default()) == old);

        let absent = client.get_object(&bucket, "k", &of("")).unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::InvalidArgument);
        let found = listed(&client, &bucket, ListObjects::prefix("k"));
        let found: Vec<_> = found.iter().map(|v| (&*v.version_id, v.is_latest, v.size)).collect();
        assert_eq!(found, [(&*second, true, 3), (&*first, false, 300_000)]);
        remove(&client, &bucket);
    }

    fn a_deletion_leaves_a_marker_and_a_version_is_deleted_by_its_id(target) {
        let client = target.client();
        let bucket = versioned_bucket(target, &client);
        let first = put(&client, &bucket, "k", b"one");
        let second = put(&client, &bucket, "k", b"two");
        let marker = client.delete_object(&bucket, "k", &DeleteObject::default()).unwrap();
        assert!(marker.delete_marker && marker.version_id.is_none(), "{marker:?}");
        let id = marker.delete_marker_version_id.expect("the version of the marker");
        let error = client.head_object(&bucket, "k", &GetObject::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchKey);
        let is_hinted = error.hint().is_some_and(|hint| hint.contains("delete marker"));
        // Ceph and SeaweedFS do not name the marker in the response to a HEAD.
        let names_marker = !matches!(target.server, "ceph" | "seaweedfs");
        assert!(is_hinted || !names_marker, "{error}");
        let found = listed(&client, &bucket, ListObjects::default());
        let latest = found.iter().find(|version| version.is_latest).unwrap();
        assert_eq!((&latest.version_id, latest.kind), (&id, VersionKind::DeleteMarker));
        assert_eq!(found.len(), 3);

        let request = DeleteObject::default().version_id(&first);
        let gone = client.delete_object(&bucket, "k", &request).unwrap();
        assert_eq!((gone.version_id.as_deref(), gone.delete_marker), (Some(&*first), false));
        let error = client.get_object(&bucket, "k", &of(&first)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchKey, "{error}");
        client.delete_object(&bucket, "k", &request).expect("deleted once more");

        let request = DeleteObject::default().version_id(&id);
        client.delete_object(&bucket, "k", &request).unwrap();
        assert_eq!(read(&client, &bucket, "k", &GetObject::default()), b"two");
        let found = listed(&client, &bucket, ListObjects::default());
        assert_eq!(found.iter().map(|v| &*v.version_id).collect::<Vec<_>>(), [&*second]);
        remove(&client, &bucket);
    }

    fn versions_are_listed_page_by_page(target) {
        let client = target.client();
        let bucket = versioned_bucket(target, &client);
        // SeaweedFS lists a folder before the keys that sort before its slash, and loses those at
        // the end of a page.
        let keys = ["a/1", "a/2", "b b", "b+b", "c"];
        let mut expected = Vec::new();
        for key in keys {
            for content in [b"1", b"2", b"3"] {
                expected.push((key.to_owned(), put(&client, &bucket, key, content)));
            }
        }
        expected.sort();
        for size in [1, 2, 4, 1000] {
            let pages = client.versions(&bucket, ListObjects::default().max_keys(size)).pages();
            let mut found = Vec::new();
            for page in pages {
                let page = page.unwrap();
                assert!(page.versions.len() <= size as usize);
                found.extend(page.versions.into_iter().map(|v| (v.key, v.version_id)));
            }
            found.sort();
            assert_eq!(found, expected, "pages of {size}");
        }
        let tree = ListObjects::default().delimiter("/").max_keys(1);
        let (mut versions, mut prefixes) = (0, Vec::new());
        for page in client.versions(&bucket, tree).pages() {
            let page = page.unwrap();
            versions += page.versions.len();
            prefixes.extend(page.common_prefixes);
        }
        assert_eq!((versions, prefixes), (9, vec!["a/".to_owned()]));
        let later = client.versions(&bucket, ListObjects::default().start_after("b+b"));
        assert!(later.map(|version| version.unwrap().key).all(|key| key == "c"));
        remove(&client, &bucket);
    }

    fn a_completed_upload_is_a_version(target) {
        let client = target.client();
        let bucket = versioned_bucket(target, &client);
        let before = put(&client, &bucket, "k", b"before");
        let source = CopySource::new(&bucket, "k").version_id(&before);
        let id = client.create_multipart_upload(&bucket, "k", &ObjectSettings::default()).unwrap();
        let upload = UploadRef { bucket: &bucket, key: "k", upload_id: &id };
        let content = bytes(2, 0, PART);
        let parts = [
            client.upload_part(upload, 1, &content).unwrap(),
            client.upload_part_copy(source, 0..6, upload, 2).unwrap(),
        ];
        let done = client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
        let version = done.version_id.expect("a version id");
        assert_ne!(version, before);
        assert!(read(&client, &bucket, "k", &of(&version)) == [&content[..], b"before"].concat());
        assert_eq!(read(&client, &bucket, "k", &of(&before)), b"before");
        remove(&client, &bucket);
    }

    fn a_batch_deletes_versions_and_leaves_markers(target) {
        let client = target.client();
        let bucket = versioned_bucket(target, &client);
        let first = put(&client, &bucket, "k", b"one");
        let second = put(&client, &bucket, "k", b"two");
        put(&client, &bucket, "l", b"kept");
        let batch = [ObjectIdentifier::new("k").version_id(&first), ObjectIdentifier::new("l")];
        let mut deleted = client.delete_objects(&bucket, &batch).unwrap();
        deleted.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(deleted[0].version_id.as_deref(), Some(&*first));
        assert!(deleted[1].delete_marker && deleted[1].version_id.is_none());
        let found = listed(&client, &bucket, ListObjects::prefix("k"));
        assert_eq!(found.iter().map(|v| &*v.version_id).collect::<Vec<_>>(), [&*second]);
        remove(&client, &bucket);
    }

    fn a_batch_deletes_only_objects_with_their_etag(target) {
        let client = target.client();
        let prefix = target.scratch("etags");
        let (one, two) = (format!("{prefix}/1"), format!("{prefix}/2"));
        let settings = ObjectSettings::default();
        let etag = client.put_object(&target.bucket, &one, b"1", &settings).unwrap().etag.unwrap();
        client.put_object(&target.bucket, &two, b"2", &settings).unwrap();
        let batch = [ObjectIdentifier::new(&one).etag(&etag), ObjectIdentifier::new(&two).etag(&etag)];
        let error = client.delete_objects(&target.bucket, &batch).unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::PreconditionFailed, Some(&*two)));
        assert_eq!(error.others().len(), 0);
        let left: Vec<_> = client
            .objects(&target.bucket, ListObjects::prefix(&prefix))
            .map(|object| object.unwrap().key)
            .collect();
        assert_eq!(left, [two.as_str()]);
        let weak = [ObjectIdentifier::new(&two).etag("W/\"e\"")];
        let error = client.delete_objects(&target.bucket, &weak).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        client.delete_object(&target.bucket, &two, &DeleteObject::default()).unwrap();
    }
}
