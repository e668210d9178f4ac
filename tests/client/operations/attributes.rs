//! Attributes of objects, and listings of buckets.
use super::PART;
use crate::support::content::bytes;
use crate::support::target::Target;
use s3driver::ErrorKind;
use s3driver::client::{
    Checksum, ChecksumAlgorithm, ChecksumType, Client, Condition, CreateBucket, DeleteObject,
    GetObjectAttributes, ListBuckets, ObjectSettings, UploadRef,
};

/// Stores an object of three parts.
fn store_parts(client: &Client, target: &Target, key: &str) -> u64 {
    let settings = ObjectSettings::default();
    let id = client.create_multipart_upload(&target.bucket, key, &settings).unwrap();
    let upload = UploadRef { bucket: &target.bucket, key, upload_id: &id };
    let sizes = [PART, PART + 1, 7];
    let parts: Vec<_> = (1..)
        .zip(sizes)
        .map(|(number, size)| {
            client.upload_part(upload, number, &bytes(number.into(), 0, size)).unwrap()
        })
        .collect();
    client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
    sizes.into_iter().sum::<usize>() as u64
}

crate::checks! {
    fn the_attributes_of_an_object_are_returned(target) {
        let client = target.client().with_checksum(Checksum::Sha256);
        let (bucket, key) = (&*target.bucket, target.scratch("attributes"));
        let stored =
            client.put_object(bucket, &key, b"content", &ObjectSettings::default()).unwrap();
        let request = GetObjectAttributes::default();
        let found = client.get_object_attributes(bucket, &key, &request).unwrap();
        assert_eq!((found.etag, found.size), (stored.etag, Some(7)));
        if target.server != "seaweedfs" {
            assert_eq!(found.checksums, stored.checksum.into_iter().collect::<Vec<_>>());
            assert_eq!(found.checksums[0].algorithm, ChecksumAlgorithm::Sha256);
        }
        assert_eq!(found.parts.map(|parts| parts.parts.len()).unwrap_or_default(), 0);
        assert!(found.last_modified.is_some());
        assert_eq!(client.object_parts(bucket, &key, request.clone()).count(), 0);
        client.delete_object(bucket, &key, &DeleteObject::default()).unwrap();
        let error = client.get_object_attributes(bucket, &key, &request).unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::NoSuchKey, Some(&*key)));
    }

    fn the_parts_of_an_object_are_listed_page_by_page(target) {
        let (bucket, key) = (&*target.bucket, target.scratch("parts-of-object"));
        for (checksum, kind) in [
            (Checksum::Crc32c, ChecksumType::FullObject),
            (Checksum::Sha1, ChecksumType::Composite),
        ] {
            let client = target.client().with_checksum(checksum);
            let size = store_parts(&client, target, &key);
            let whole = client
                .get_object_attributes(bucket, &key, &GetObjectAttributes::default())
                .unwrap();
            assert_eq!((whole.size, whole.checksums[0].checksum_type), (Some(size), kind));
            let page = whole.parts.unwrap();
            assert_eq!((page.total, page.is_truncated), (Some(3), Some(false)));
            for most in [1, 2, 3] {
                let request = GetObjectAttributes::default().max_parts(most);
                let parts = client.object_parts(bucket, &key, request);
                let parts: Vec<_> = parts.map(|part| part.unwrap()).collect();
                assert_eq!(parts, page.parts, "pages of {most}");
            }
            let sizes: Vec<_> =
                page.parts.iter().map(|part| (part.part_number, part.size)).collect();
            assert_eq!(sizes, [(1, PART as u64), (2, PART as u64 + 1), (3, 7)]);
            let sums = page.parts.iter().filter_map(|part| part.checksum.as_ref());
            assert_eq!(sums.filter(|sum| sum.checksum_type == kind).count(), 3);
            let later = GetObjectAttributes::default().part_number_marker(2);
            let later: Vec<_> =
                client.object_parts(bucket, &key, later).map(|part| part.unwrap()).collect();
            assert_eq!(later, page.parts[2..]);
        }
        let client = target.client();
        client.delete_object(bucket, &key, &DeleteObject::default()).unwrap();
    }

    fn buckets_are_listed_page_by_page(target) {
        let client = target.client();
        let prefix = target.scratch("listed");
        let names: Vec<_> = (0..3).map(|number| format!("{prefix}-{number}")).collect();
        for name in &names {
            client.create_bucket(name, &CreateBucket::default()).unwrap();
        }
        let found = |request: ListBuckets| {
            let buckets: Result<Vec<_>, _> = client.buckets(request).collect();
            let mut names: Vec<_> = buckets.unwrap().into_iter().map(|bucket| bucket.name).collect();
            names.sort();
            names
        };
        for most in [1, 2, 3, 1000] {
            assert_eq!(found(ListBuckets::prefix(&prefix).max_buckets(most)), names, "{most}");
        }
        let all = found(ListBuckets::default());
        assert!(all.contains(&target.bucket) && names.iter().all(|name| all.contains(name)));
        let here = ListBuckets::prefix(&prefix).region(target.region.as_str());
        assert_eq!(client.buckets(here).next().unwrap().unwrap().name, names[0]);
        let page = client.list_buckets(&ListBuckets::default(), None).unwrap();
        assert!(page.buckets.iter().all(|bucket| bucket.creation_date.is_some()));
        for name in &names {
            client.delete_bucket(name).unwrap();
        }
        assert_eq!(found(ListBuckets::prefix(&prefix)), Vec::<String>::new());
    }
}
