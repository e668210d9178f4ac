//! Tags of objects.
use super::PART;
use crate::support::content::bytes;
use s3driver::ErrorKind;
use s3driver::client::{
    Condition, CopySource, CreateBucket, GetObject, ObjectSettings, Tag, UploadRef,
    VersionSelector, Versioning,
};
use s3driver::transfer::Transfer;

/// Tags whose characters are escaped in headers, and in documents.
fn unusual() -> Vec<Tag> {
    vec![Tag::new("a b+c", "1/2=3"), Tag::new("é:@", "x_y-z.")]
}

/// Sorts the tags, because servers return them in any order.
fn sorted(mut tags: Vec<Tag>) -> Vec<Tag> {
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    tags
}

crate::checks! {
    fn tags_are_stored_with_an_object_and_copied(target) {
        let client = target.client();
        let (bucket, key) = (&*target.bucket, target.scratch("tags"));
        let copy = format!("{key}-copy");
        let settings = ObjectSettings::default().tags(unusual());
        client.put_object(bucket, &key, b"content", &settings).unwrap();
        let reader = client.get_object(bucket, &key, &GetObject::default()).unwrap();
        assert_eq!(reader.meta().tag_count, Some(2));
        drop(reader);
        let source = CopySource::new(bucket, &key);
        client.copy_object(source, bucket, &copy, &ObjectSettings::default()).unwrap();
        for key in [&key, &copy] {
            let tags = client.get_object_tagging(bucket, key, &VersionSelector::default());
            assert_eq!(sorted(tags.unwrap()), unusual(), "{key}");
            client.delete_object(bucket, key, &Default::default()).unwrap();
        }
    }

    fn a_copy_replaces_the_tags(target) {
        let client = target.client();
        let (bucket, key) = (&*target.bucket, target.scratch("tags"));
        let copy = format!("{key}-copy");
        let settings = ObjectSettings::default().tags(unusual());
        client.put_object(bucket, &key, b"content", &settings).unwrap();
        let settings = ObjectSettings::default().tags([Tag::new("stage", "live")]);
        client.copy_object(CopySource::new(bucket, &key), bucket, &copy, &settings).unwrap();
        let tags = client.get_object_tagging(bucket, &copy, &VersionSelector::default()).unwrap();
        assert_eq!(tags, [Tag::new("stage", "live")]);
        for key in [&key, &copy] {
            client.delete_object(bucket, key, &Default::default()).unwrap();
        }
    }

    fn a_completed_upload_has_its_tags(target) {
        let client = target.client();
        let (bucket, key) = (&*target.bucket, target.scratch("tags"));
        let current = VersionSelector::default();
        for tags in [unusual(), Vec::new()] {
            let settings = ObjectSettings::default().tags(tags.clone());
            let id = client.create_multipart_upload(bucket, &key, &settings).unwrap();
            let upload = UploadRef { bucket, key: &key, upload_id: &id };
            let part = client.upload_part(upload, 1, b"part").unwrap();
            client.complete_multipart_upload(upload, &[part], &Condition::Always).unwrap();
            let found = client.get_object_tagging(bucket, &key, &current).unwrap();
            // Ceph ignores the tags of an upload.
            assert_eq!(sorted(found), if target.server == "ceph" { Vec::new() } else { tags });
        }
        client.delete_object(bucket, &key, &Default::default()).unwrap();
    }

    fn tags_are_replaced_and_deleted(target) {
        let client = target.client();
        let (bucket, key) = (&*target.bucket, target.scratch("tagging"));
        let current = VersionSelector::default();
        let tags = || sorted(client.get_object_tagging(bucket, &key, &current).unwrap());
        client.put_object(bucket, &key, b"content", &ObjectSettings::default()).unwrap();
        assert_eq!(tags(), []);
        client.put_object_tagging(bucket, &key, &unusual(), &current).unwrap();
        assert_eq!(tags(), unusual());
        let most: Vec<_> = (0..10).map(|n| Tag::new(n.to_string(), "v".repeat(256))).collect();
        client.put_object_tagging(bucket, &key, &most, &current).unwrap();
        assert_eq!(tags(), most);
        let more = [&most[..], &[Tag::new("k", "v")]].concat();
        for error in [
            client.put_object_tagging(bucket, &key, &more, &current).unwrap_err(),
            client
                .put_object(bucket, &key, b"", &ObjectSettings::default().tags(more))
                .unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains("at most 10 tags"), "{error}");
        }
        client.delete_object_tagging(bucket, &key, &current).unwrap();
        assert_eq!(tags(), []);
        client.delete_object(bucket, &key, &Default::default()).unwrap();
        let error = client.get_object_tagging(bucket, &key, &current).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSuchKey);
    }

    fn each_version_has_its_tags(target) {
        let client = target.client();
        let bucket = target.scratch("tagged");
        client.create_bucket(&bucket, &CreateBucket::default()).unwrap();
        client.put_bucket_versioning(&bucket, Versioning::Enabled).unwrap();
        let put = |tag: &str| {
            let settings = ObjectSettings::default().tags([Tag::new("stage", tag)]);
            let stored = client.put_object(&bucket, "k", tag.as_bytes(), &settings).unwrap();
            VersionSelector::default().version_id(stored.version_id.unwrap())
        };
        let (old, new) = (put("old"), put("new"));
        let tags = |version| client.get_object_tagging(&bucket, "k", version).unwrap();
        assert_eq!(tags(&old), [Tag::new("stage", "old")]);
        client.put_object_tagging(&bucket, "k", &[Tag::new("x", "y")], &old).unwrap();
        assert_eq!(tags(&old), [Tag::new("x", "y")]);
        client.delete_object_tagging(&bucket, "k", &old).unwrap();
        assert_eq!(tags(&old), []);
        assert_eq!(tags(&new), [Tag::new("stage", "new")]);
        for version in [old, new] {
            let request = s3driver::client::DeleteObject::default()
                .version_id(version.version_id.unwrap());
            client.delete_object(&bucket, "k", &request).unwrap();
        }
        client.delete_bucket(&bucket).unwrap();
    }

    fn a_copy_in_parts_keeps_the_tags(target) {
        let client = target.client();
        let (bucket, key) = (&*target.bucket, target.scratch("large-tags"));
        let copy = format!("{key}-copy");
        let settings = ObjectSettings::default().tags(unusual());
        client.put_object(bucket, &key, &bytes(3, 0, PART + 1), &settings).unwrap();
        let transfer = Transfer::new(&client).part_size(PART as u64);
        let copied = transfer
            .copy(CopySource::new(bucket, &key), bucket, &copy, &ObjectSettings::default())
            .unwrap();
        assert_eq!(copied.parts, 2);
        let current = VersionSelector::default();
        let tags = client.get_object_tagging(bucket, &copy, &current).unwrap();
        assert_eq!(sorted(tags), unusual());
        for key in [&key, &copy] {
            client.delete_object(bucket, key, &Default::default()).unwrap();
        }
    }
}
