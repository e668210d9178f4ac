//! Parses real responses of servers, and invalid ones, with every reader of `s3driver::xml`.
//!
//! The documents are modelled on responses of the named servers; comments mention the relevant
//! difference.

use crate::parsers::PARSERS;
use proptest::prelude::*;
use s3driver::time::Timestamp;
use s3driver::xml::{
    self, ChecksumAlgorithm, ChecksumType, DefaultRetention, DeleteMode, Error, LegalHold,
    ObjectIdentifier, ObjectLockConfiguration, Part, Retention, RetentionMode, RetentionPeriod,
    StoredChecksum, Tag, VersionKind, Versioning,
};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A page of AWS, requested with parameters.
const BUCKETS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>8a69</ID><DisplayName>account</DisplayName></Owner><Buckets><Bucket><Name>amzn-s3-demo-bucket</Name><CreationDate>2019-12-11T23:32:47+00:00</CreationDate><BucketRegion>us-west-1</BucketRegion></Bucket><Bucket><Name>amzn-s3-demo-bucket1</Name><CreationDate>2019-11-10T23:32:13.000Z</CreationDate></Bucket></Buckets><Prefix>amzn</Prefix><ContinuationToken>eyJNYXJrZXIi</ContinuationToken></ListAllMyBucketsResult>"#;
/// A version 2 page of AWS.
const LISTING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>blobs/</Prefix><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><Contents><Key>blobs/my+photo%2Bs.jpg</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size><StorageClass>STANDARD</StorageClass><Owner><ID>8a69</ID><DisplayName>Key</DisplayName></Owner></Contents><Contents><Key>blobs/empty</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;599bab3ed2c697f1d26842727561fd94&quot;</ETag><Size>0</Size></Contents><CommonPrefixes><Prefix>blobs/a%20b/</Prefix></CommonPrefixes></ListBucketResult>"#;
const INITIATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?><InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><Key>k</Key><UploadId>VXBsb2FkIElE</UploadId></InitiateMultipartUploadResult>"#;
const COMPLETE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>

   <CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Location>http://b.s3.amazonaws.com/k</Location><Bucket>b</Bucket><Key>k</Key><ETag>"3858f62230ac3c915f300c664312c11f-9"</ETag><ChecksumCRC64NVME>rsUVUuiNBXo=</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>"#;
const COPY_OBJECT: &str = r#"<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>"9b2cf535f27731c974343645a3985328"</ETag></CopyObjectResult>"#;
const COPY_PART: &str = r#"<CopyPartResult><LastModified>2011-04-11T20:34:56.000Z</LastModified><ETag>"9b2cf535f27731c974343645a3985328"</ETag></CopyPartResult>"#;
const PARTS: &str = r#"<?xml version="1.0" encoding="UTF-8"?><ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId><Initiator><ID>x</ID></Initiator><StorageClass>STANDARD</StorageClass><PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker><MaxParts>2</MaxParts><IsTruncated>true</IsTruncated><Part><PartNumber>2</PartNumber><LastModified>2010-11-10T20:48:34.000Z</LastModified><ETag>"7778aef83f66abc1fa1e8477f296d394"</ETag><Size>10485760</Size></Part><Part><PartNumber>3</PartNumber><ETag>"aaaa18db4cc2f85cedef654fccc4a4x8"</ETag><Size>10485760</Size></Part></ListPartsResult>"#;
const UPLOADS: &str = r#"<?xml version="1.0" encoding="UTF-8"?><ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><KeyMarker/><UploadIdMarker/><NextKeyMarker>my-movie.m2ts</NextKeyMarker><NextUploadIdMarker>YW55IGlkZWE</NextUploadIdMarker><MaxUploads>3</MaxUploads><IsTruncated>true</IsTruncated><Upload><Key>my+divisor%20</Key><UploadId>XMgbGlrZSBlbHZpbmcncyBub3QgaGF2aW5nIG11Y2ggbHVjaw</UploadId><Initiator><ID>i</ID><DisplayName>u</DisplayName></Initiator><StorageClass>STANDARD</StorageClass><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListMultipartUploadsResult>"#;
const DELETED: &str = r#"<?xml version="1.0" encoding="UTF-8"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Deleted><Key>sample1.txt</Key></Deleted><Error><Key>sample2.txt</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>"#;
const VERSIONS: &str = r#"<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>my</Prefix><KeyMarker/><VersionIdMarker/><NextKeyMarker>my%2Bimage</NextKeyMarker><NextVersionIdMarker>QUpf</NextVersionIdMarker><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><DeleteMarker><Key>my%2Bimage</Key><VersionId>03jp</VersionId><IsLatest>true</IsLatest><LastModified>2009-10-15T17:50:30.000Z</LastModified><ETag></ETag><Size>0</Size><Owner><ID>75aa</ID></Owner></DeleteMarker><Version><Key>my%2Bimage</Key><VersionId>QUpf</VersionId><IsLatest>false</IsLatest><LastModified>2009-10-10T17:50:30.000Z</LastModified><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag><Size>166434</Size><StorageClass>STANDARD</StorageClass></Version><CommonPrefixes><Prefix>my/</Prefix></CommonPrefixes></ListVersionsResult>"#;
const VERSIONING: &str = r#"<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete></VersioningConfiguration>"#;
const TAGGING: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet><Tag><Key>tag1</Key><Value>val &amp; 1</Value></Tag><Tag><Key>tag2</Key><Value>2</Value></Tag></TagSet></Tagging>"#;
const ATTRIBUTES: &str = r#"<?xml version="1.0" encoding="UTF-8"?><GetObjectAttributesResponse xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ETag>3858f62230ac3c915f300c664312c11f-2</ETag><ObjectParts><IsTruncated>true</IsTruncated><MaxParts>1</MaxParts><NextPartNumberMarker>1</NextPartNumberMarker><PartNumberMarker>0</PartNumberMarker><Part><ChecksumSHA256>7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=</ChecksumSHA256><PartNumber>1</PartNumber><Size>5242880</Size></Part><PartsCount>2</PartsCount></ObjectParts><Checksum><ChecksumSHA256>5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2</ChecksumSHA256><ChecksumType>COMPOSITE</ChecksumType></Checksum><StorageClass>STANDARD_IA</StorageClass><ObjectSize>5242881</ObjectSize></GetObjectAttributesResponse>"#;
const LOCK: &str = r#"<?xml version="1.0" encoding="UTF-8"?><ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Years>1</Years></DefaultRetention></Rule></ObjectLockConfiguration>"#;
const RETENTION: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>GOVERNANCE</Mode><RetainUntilDate>2031-05-01T00:00:00.000Z</RetainUntilDate></Retention>"#;
const LEGAL_HOLD: &str =
    r#"<LegalHold xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>ON</Status></LegalHold>"#;
const LOCATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?><LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-1</LocationConstraint>"#;
const LIFECYCLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?><LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>leftovers</ID><Filter><Prefix>docker/</Prefix></Filter><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule><Rule><ID>logs</ID><Filter><And><Prefix>logs/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Status>Disabled</Status><Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition><Expiration><Days>365</Days></Expiration></Rule></LifecycleConfiguration>"#;
const ERROR: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match.</Message><AWSAccessKeyId>AKID</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256
20130524T000000Z</StringToSign><SignatureProvided>deadbeef</SignatureProvided><StringToSignBytes>41 57 53</StringToSignBytes><CanonicalRequest>GET
/

x-amz-security-token:TOPSECRET</CanonicalRequest><CanonicalRequestBytes>47 45 54</CanonicalRequestBytes><Region>eu-west-1</Region><RequestId>4442587FB7D0A2F9</RequestId><HostId>h+h=</HostId></Error>"#;
const IDENTITY: &str = r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/Alice</Arn><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>01234567</RequestId></ResponseMetadata></GetCallerIdentityResponse>"#;
const STS: &str = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/n</Arn></AssumedRoleUser><Credentials><SessionToken>AQoDYXdzTOKEN</SessionToken><SecretAccessKey>wJalrXUtnFEMI/K7MDENG</SecretAccessKey><Expiration>2014-10-24T23:00:23Z</Expiration><AccessKeyId>ASgeIAIOSFODNN7EXAMPLE</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>ad4156e9</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"#;
const SESSION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<CreateSessionResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Credentials><SessionToken>TOKEN+OF/SESSION==</SessionToken><SecretAccessKey>s3ssion/secret</SecretAccessKey><AccessKeyId>ASIASESSION</AccessKeyId><Expiration>2023-11-28T01:46:39Z</Expiration></Credentials></CreateSessionResult>"#;

/// A reader that formats its result as text, so that all readers fit into one table.
type Reader = fn(&[u8]) -> Result<String, Error>;

/// Every reader, with a document that it accepts.
const READERS: &[(&str, Reader, &str)] = &[
    (
        "list_all_my_buckets_result",
        |b| xml::list_all_my_buckets_result(b).map(|v| format!("{v:?}")),
        BUCKETS,
    ),
    ("list_bucket_result", |b| xml::list_bucket_result(b).map(|v| format!("{v:?}")), LISTING),
    ("initiate", |b| xml::initiate_multipart_upload_result(b).map(|v| format!("{v:?}")), INITIATE),
    ("complete", |b| xml::complete_multipart_upload_result(b).map(|v| format!("{v:?}")), COMPLETE),
    ("copy_object_result", |b| xml::copy_object_result(b).map(|v| format!("{v:?}")), COPY_OBJECT),
    ("copy_part_result", |b| xml::copy_part_result(b).map(|v| format!("{v:?}")), COPY_PART),
    ("list_parts_result", |b| xml::list_parts_result(b).map(|v| format!("{v:?}")), PARTS),
    (
        "list_multipart_uploads_result",
        |b| xml::list_multipart_uploads_result(b).map(|v| format!("{v:?}")),
        UPLOADS,
    ),
    ("delete_result", |b| xml::delete_result(b).map(|v| format!("{v:?}")), DELETED),
    ("list_versions_result", |b| xml::list_versions_result(b).map(|v| format!("{v:?}")), VERSIONS),
    (
        "versioning_configuration",
        |b| xml::versioning_configuration(b).map(|v| format!("{v:?}")),
        VERSIONING,
    ),
    ("tagging", |b| xml::tagging(b).map(|v| format!("{v:?}")), TAGGING),
    ("object_attributes", |b| xml::object_attributes(b).map(|v| format!("{v:?}")), ATTRIBUTES),
    (
        "object_lock_configuration",
        |b| xml::object_lock_configuration(b).map(|v| format!("{v:?}")),
        LOCK,
    ),
    ("object_retention", |b| xml::object_retention(b).map(|v| format!("{v:?}")), RETENTION),
    ("object_legal_hold", |b| xml::object_legal_hold(b).map(|v| format!("{v:?}")), LEGAL_HOLD),
    ("location_constraint", |b| xml::location_constraint(b).map(|v| format!("{v:?}")), LOCATION),
    (
        "lifecycle_configuration",
        |b| xml::lifecycle_configuration(b).map(|v| format!("{v:?}")),
        LIFECYCLE,
    ),
    ("caller_identity", |b| xml::caller_identity(b).map(|v| format!("{v:?}")), IDENTITY),
    ("error_document", |b| xml::error_document(b).map(|v| format!("{v:?}")), ERROR),
    (
        "sts_credentials",
        |b| xml::sts_credentials(b).map(|v| format!("{v:?}{:?}", *v.session_token)),
        STS,
    ),
    (
        "create_session_result",
        |b| xml::create_session_result(b).map(|v| format!("{v:?}{:?}", *v.session_token)),
        SESSION,
    ),
];

fn time(text: &str) -> Option<Timestamp> {
    Some(Timestamp::parse_iso8601(text).unwrap())
}

/// Returns the keys of a listing whose `Contents` (or other children of the root) are `children`.
fn keys(children: &str) -> Result<Vec<String>, Error> {
    let page = format!("<ListBucketResult>{children}</ListBucketResult>");
    xml::list_bucket_result(page.as_bytes())
        .map(|page| page.contents.into_iter().map(|object| object.key).collect())
}

/// Returns the only key of a listing whose `Key` is written as `key`.
fn key(key: &str) -> Result<String, Error> {
    keys(&format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"))
        .map(|mut keys| keys.remove(0))
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, why: &str) -> Error {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(why), "expected \"{why}\" in \"{error}\"");
    error
}

mod responses {
    use super::*;

    #[test]
    fn aws_buckets() {
        let page = xml::list_all_my_buckets_result(BUCKETS.as_bytes()).unwrap();
        let owner = page.owner.unwrap();
        assert_eq!(owner.id.as_deref(), Some("8a69"));
        assert_eq!(owner.display_name.as_deref(), Some("account"));
        assert_eq!(page.prefix.as_deref(), Some("amzn"));
        assert_eq!(page.continuation_token.as_deref(), Some("eyJNYXJrZXIi"));
        let [first, second] = &page.buckets[..] else { panic!("{:?}", page.buckets) };
        assert_eq!(
            (&*first.name, first.region.as_deref()),
            ("amzn-s3-demo-bucket", Some("us-west-1"))
        );
        assert_eq!(first.creation_date, time("2019-12-11T23:32:47Z"));
        assert_eq!((&*second.name, &second.region), ("amzn-s3-demo-bucket1", &None));
        assert_eq!(second.creation_date, time("2019-11-10T23:32:13Z"));
    }

    /// Servers may omit the owner, use different names for the root, and send empty elements.
    #[test]
    fn sparse_buckets() {
        for (root, content) in [
            ("ListAllMyBucketsResult", "<Buckets/>"),
            ("ListAllMyBucketsResponse", "<Buckets></Buckets><ContinuationToken/><Prefix/>"),
            ("ListBucketsOutput", "<Owner><ID/></Owner><Buckets><Unknown/></Buckets>"),
        ] {
            let body = format!("<{root}>{content}</{root}>");
            let page = xml::list_all_my_buckets_result(body.as_bytes()).unwrap();
            assert_eq!((page.buckets.len(), &page.continuation_token), (0, &None), "{body}");
            assert_eq!(page.owner.and_then(|owner| owner.id), None, "{body}");
        }
    }

    #[test]
    fn aws_listing() {
        let page = xml::list_bucket_result(LISTING.as_bytes()).unwrap();
        assert_eq!((page.max_keys, page.key_count), (Some(2), Some(2)));
        assert_eq!(page.delimiter.as_deref(), Some("/"));
        assert_eq!(page.name.as_deref(), Some("bucket"));
        assert_eq!(page.prefix.as_deref(), Some("blobs/"), "repeated parameters are not decoded");
        assert_eq!(page.encoding_type.as_deref(), Some("url"));
        assert_eq!(page.is_truncated, Some(true));
        assert_eq!(
            page.next_continuation_token.as_deref(),
            Some("1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=")
        );
        assert_eq!(page.next_marker, None);
        assert_eq!(page.common_prefixes, ["blobs/a b/"]);
        let [photo, empty] = &page.contents[..] else { panic!("{page:?}") };
        assert_eq!(photo.key, "blobs/my photo+s.jpg");
        assert_eq!(photo.size, 434_234);
        assert_eq!(photo.last_modified, time("2009-10-12T17:50:30Z"));
        assert_eq!(photo.etag.as_deref(), Some("fba9dede5f27731c9771645a39863328"));
        assert_eq!(photo.storage_class.as_deref(), Some("STANDARD"));
        assert_eq!(
            (empty.key.as_str(), empty.size, &empty.storage_class),
            ("blobs/empty", 0, &None)
        );
    }

    #[test]
    fn aws_multipart() {
        assert_eq!(
            xml::initiate_multipart_upload_result(INITIATE.as_bytes()).unwrap().upload_id,
            "VXBsb2FkIElE"
        );

        let complete = xml::complete_multipart_upload_result(COMPLETE.as_bytes()).unwrap();
        assert_eq!(complete.etag.as_deref(), Some("3858f62230ac3c915f300c664312c11f-9"));
        assert_eq!(complete.location.as_deref(), Some("http://b.s3.amazonaws.com/k"));
        let crc = StoredChecksum::new(ChecksumAlgorithm::Crc64Nvme, "rsUVUuiNBXo=", None);
        assert_eq!(complete.checksums, [crc]);

        let page = xml::list_parts_result(PARTS.as_bytes()).unwrap();
        assert_eq!((page.is_truncated, page.next_part_number_marker), (Some(true), Some(3)));
        assert_eq!(page.storage_class.as_deref(), Some("STANDARD"));
        assert_eq!((page.bucket.as_deref(), page.key.as_deref()), (Some("b"), Some("k")));
        assert_eq!((page.upload_id.as_deref(), page.max_parts), (Some("u"), Some(2)));
        assert_eq!(page.part_number_marker, Some(1));
        let [two, three] = &page.parts[..] else { panic!("{page:?}") };
        assert_eq!((two.part_number, two.size), (2, 10_485_760));
        assert_eq!(two.etag, "7778aef83f66abc1fa1e8477f296d394");
        assert_eq!(two.last_modified, time("2010-11-10T20:48:34Z"));
        assert_eq!((three.part_number, three.last_modified), (3, None));

        let page = xml::list_multipart_uploads_result(UPLOADS.as_bytes()).unwrap();
        assert_eq!(page.is_truncated, Some(true));
        assert_eq!(page.next_key_marker.as_deref(), Some("my-movie.m2ts"));
        assert_eq!(page.next_upload_id_marker.as_deref(), Some("YW55IGlkZWE"));
        assert_eq!((page.bucket.as_deref(), page.max_uploads), (Some("b"), Some(3)));
        assert_eq!((&page.key_marker, &page.upload_id_marker), (&None, &None));
        assert_eq!((&page.prefix, &page.delimiter, &page.encoding_type), (&None, &None, &None));
        assert_eq!(page.common_prefixes, ["p/"]);
        let [upload] = &page.uploads[..] else { panic!("{page:?}") };
        assert_eq!(upload.key, "my+divisor%20", "keys are not decoded without EncodingType");
        assert_eq!(upload.upload_id, "XMgbGlrZSBlbHZpbmcncyBub3QgaGF2aW5nIG11Y2ggbHVjaw");
        assert_eq!(upload.initiated, time("2010-11-10T20:48:33Z"));
        assert_eq!(upload.storage_class.as_deref(), Some("STANDARD"));
    }

    #[test]
    fn attributes_of_an_object_and_its_parts() {
        let found = xml::object_attributes(ATTRIBUTES.as_bytes()).unwrap();
        assert_eq!(found.etag.as_deref(), Some("3858f62230ac3c915f300c664312c11f-2"));
        assert_eq!(
            (found.size, found.storage_class.as_deref()),
            (Some(5_242_881), Some("STANDARD_IA"))
        );
        let [sum] = &found.checksums[..] else { panic!("{found:?}") };
        assert_eq!(
            (sum.algorithm, sum.checksum_type),
            (ChecksumAlgorithm::Sha256, ChecksumType::Composite)
        );
        let page = found.parts.unwrap();
        assert_eq!((page.total, page.max_parts, page.is_truncated), (Some(2), Some(1), Some(true)));
        assert_eq!(page.next_part_number_marker, Some(1));
        let [part] = &page.parts[..] else { panic!("{page:?}") };
        assert_eq!((part.part_number, part.size), (1, 5_242_880));
        assert_eq!(part.checksum.as_ref().unwrap().checksum_type, ChecksumType::Composite);

        let attributes = |content: &str| {
            let body = format!("<GetObjectAttributesOutput>{content}</GetObjectAttributesOutput>");
            xml::object_attributes(body.as_bytes())
        };
        assert_eq!(attributes("").unwrap(), xml::ObjectAttributes::default());
        let parts = |content: &str| attributes(&format!("<ObjectParts>{content}</ObjectParts>"));
        assert_eq!(parts("").unwrap().parts.unwrap().parts, []);
        for (refused_part, why) in [
            ("<Part><Size>1</Size></Part>", "<Part> has no <PartNumber>"),
            ("<Part><PartNumber>1</PartNumber></Part>", "<Part> has no <Size>"),
            ("<Part><PartNumber>0</PartNumber></Part>", "is not between 1 and 10000"),
            ("<IsTruncated>2</IsTruncated>", "is neither true nor false"),
        ] {
            refused(parts(refused_part), why);
        }
        refused(attributes("<ObjectParts/><ObjectParts/>"), "<ObjectParts> comes twice");
        refused(attributes("<ObjectSize>-1</ObjectSize>"), "not a whole number");
        refused(attributes("<ObjectSize>1</ObjectSize><ObjectSize>1</ObjectSize>"), "comes twice");
    }

    #[test]
    fn locks_of_buckets_and_objects() {
        let of = |mode, period| {
            let retention = DefaultRetention::new(mode, period);
            Some(ObjectLockConfiguration::default().default_retention(retention))
        };
        let (governance, compliance) = (RetentionMode::Governance, RetentionMode::Compliance);
        let found = xml::object_lock_configuration(LOCK.as_bytes()).unwrap();
        assert_eq!(found, of(compliance, RetentionPeriod::Years(1)));
        for wanted in [
            of(governance, RetentionPeriod::Days(36_500)),
            of(compliance, RetentionPeriod::Years(u32::MAX)),
            Some(ObjectLockConfiguration::default()),
        ] {
            let written = xml::write_object_lock_configuration(&wanted.unwrap()).unwrap();
            assert_eq!(xml::object_lock_configuration(written.as_bytes()).unwrap(), wanted);
        }
        let zero = of(governance, RetentionPeriod::Years(0)).unwrap();
        refused(xml::write_object_lock_configuration(&zero), "at least 1 day or year");
        let rule = |content: &str| {
            let rule = format!("<Rule><DefaultRetention>{content}</DefaultRetention></Rule>");
            let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
            let body =
                format!("<ObjectLockConfiguration>{enabled}{rule}</ObjectLockConfiguration>");
            xml::object_lock_configuration(body.as_bytes())
        };
        let both = "<Mode>GOVERNANCE</Mode><Days>1</Days><Years>0</Years>";
        assert_eq!(rule(both).unwrap(), of(governance, RetentionPeriod::Days(1)));
        for (content, why) in [
            ("<Days>1</Days>", "<DefaultRetention> has no <Mode>"),
            ("<Mode>GOVERNANCE</Mode>", "has no <Days> or <Years>"),
            ("<Mode>GOVERNANCE</Mode><Days>0</Days>", "has no <Days> or <Years>"),
            (
                "<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>",
                "has both <Days> and <Years>",
            ),
            ("<Mode>governance</Mode><Days>1</Days>", "neither GOVERNANCE nor COMPLIANCE"),
            ("<Mode>GOVERNANCE</Mode><Days>4294967296</Days>", "larger than 32 bits"),
            ("<Mode>GOVERNANCE</Mode><Days>1</Days><Days>1</Days>", "comes twice"),
        ] {
            refused(rule(content), why);
        }
        for twice in [
            "<Rule/><Rule/>",
            "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention><DefaultRetention/></Rule>",
        ] {
            let body = format!("<ObjectLockConfiguration>{twice}</ObjectLockConfiguration>");
            refused(xml::object_lock_configuration(body.as_bytes()), "comes twice");
        }

        let until = time("2031-05-01T00:00:00Z").unwrap();
        let retention = Retention::new(governance, until);
        assert_eq!(xml::object_retention(RETENTION.as_bytes()).unwrap(), Some(retention));
        for wanted in [Some(retention), None] {
            let written = xml::write_object_retention(wanted.as_ref());
            assert_eq!(xml::object_retention(written.as_bytes()).unwrap(), wanted);
        }
        for (content, why) in [
            ("<Mode>COMPLIANCE</Mode>", "<Retention> has no <RetainUntilDate>"),
            (
                "<RetainUntilDate>2031-05-01T00:00:00Z</RetainUntilDate>",
                "<Retention> has no <Mode>",
            ),
            ("<Mode>NONE</Mode>", "neither GOVERNANCE nor COMPLIANCE"),
            (
                "<Mode>COMPLIANCE</Mode><RetainUntilDate>soon</RetainUntilDate>",
                "not a point in time",
            ),
        ] {
            refused(
                xml::object_retention(format!("<Retention>{content}</Retention>").as_bytes()),
                why,
            );
        }

        for hold in [LegalHold::On, LegalHold::Off] {
            let written = xml::write_object_legal_hold(hold);
            assert_eq!(xml::object_legal_hold(written.as_bytes()).unwrap(), hold);
        }
        refused(
            xml::object_legal_hold(b"<LegalHold><Status>on</Status></LegalHold>"),
            "neither ON nor OFF",
        );
    }

    #[test]
    fn checksums_of_parts_have_the_type_of_the_object() {
        let page = |sum: &str, kind: &str| {
            let part =
                format!("<Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>1</Size>{sum}</Part>");
            let page = format!("<ListPartsResult>{part}{kind}</ListPartsResult>");
            let mut page = xml::list_parts_result(page.as_bytes()).unwrap();
            page.parts.remove(0).checksum.map(|sum| (sum.algorithm, sum.checksum_type))
        };
        let crc32 = "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>";
        let nvme = "<ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME>";
        let full = "<ChecksumType>FULL_OBJECT</ChecksumType>";
        for (sum, kind, expected) in [
            ("", full, None),
            (crc32, full, Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject))),
            // S3's defaults.
            (crc32, "", Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite))),
            (nvme, "", Some((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject))),
        ] {
            assert_eq!(page(sum, kind), expected, "{sum}{kind}");
        }
    }

    #[test]
    fn aws_copy_delete_location() {
        for copied in [
            xml::copy_object_result(COPY_OBJECT.as_bytes()),
            xml::copy_part_result(COPY_PART.as_bytes()),
        ] {
            let copied = copied.unwrap();
            assert_eq!(copied.etag, "9b2cf535f27731c974343645a3985328");
            assert!(copied.last_modified.is_some());
            assert_eq!(copied.checksums, []);
        }
        let summed = "<CopyPartResult><ETag>e</ETag><ChecksumCRC64NVME>DHC/1gvTDPc=</ChecksumCRC64NVME></CopyPartResult>";
        let crc = StoredChecksum::new(ChecksumAlgorithm::Crc64Nvme, "DHC/1gvTDPc=", None);
        assert_eq!(xml::copy_part_result(summed.as_bytes()).unwrap().checksums, [crc]);
        let result = xml::delete_result(DELETED.as_bytes()).unwrap();
        assert_eq!(result.deleted, [xml::DeletedObject::new("sample1.txt")]);
        let versions = "<DeleteResult><Deleted><Key>a</Key><VersionId>v</VersionId></Deleted>
            <Deleted><Key>b</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted>
            <Error><Key>c</Key><VersionId>w</VersionId></Error></DeleteResult>";
        let versions = xml::delete_result(versions.as_bytes()).unwrap();
        assert_eq!(versions.deleted[0].version_id.as_deref(), Some("v"));
        assert!(!versions.deleted[0].delete_marker && versions.deleted[1].delete_marker);
        assert_eq!(versions.deleted[1].delete_marker_version_id.as_deref(), Some("m"));
        assert_eq!(versions.errors[0].version_id.as_deref(), Some("w"));
        let [error] = &result.errors[..] else { panic!("{result:?}") };
        assert_eq!(
            (&*error.key, &*error.code, &*error.message),
            ("sample2.txt", "AccessDenied", "Access Denied")
        );

        let page = xml::list_versions_result(VERSIONS.as_bytes()).unwrap();
        let [marker, version] = &page.versions[..] else { panic!("{page:?}") };
        assert_eq!(
            (marker.kind, marker.is_latest, marker.size),
            (VersionKind::DeleteMarker, true, 0)
        );
        assert_eq!((&*marker.key, &*marker.version_id), ("my+image", "03jp"));
        assert_eq!((marker.etag.as_deref(), version.kind), (None, VersionKind::Object));
        assert_eq!((version.size, version.is_latest), (166_434, false));
        assert_eq!(page.next_key_marker.as_deref(), Some("my%2Bimage"), "as sent");
        assert_eq!(page.next_version_id_marker.as_deref(), Some("QUpf"));
        assert_eq!((page.prefix.as_deref(), page.max_keys), (Some("my"), Some(2)));
        assert_eq!(page.common_prefixes, ["my/"]);
        for missing in ["Key", "VersionId", "IsLatest", "Size"] {
            let (open, close) = (format!("<{missing}>"), format!("</{missing}>"));
            let (begin, end) = (VERSIONS.rfind(&open).unwrap(), VERSIONS.rfind(&close).unwrap());
            let body = [&VERSIONS[..begin], &VERSIONS[end + close.len()..]].concat();
            let why = format!("<Version> has no <{missing}>");
            refused(xml::list_versions_result(body.as_bytes()), &why);
        }
        assert_eq!(
            xml::tagging(TAGGING.as_bytes()).unwrap(),
            [Tag::new("tag1", "val & 1"), Tag::new("tag2", "2")]
        );
        assert_eq!(xml::tagging(b"<Tagging><TagSet/></Tagging>").unwrap(), []);
        let empty = b"<Tagging><TagSet><Tag><Key>a</Key><Value/></Tag></TagSet></Tagging>";
        assert_eq!(xml::tagging(empty).unwrap(), [Tag::new("a", "")]);
        for (body, why) in [
            ("<Tagging/>", "<Tagging> has no <TagSet>"),
            ("<Tagging><TagSet/><TagSet/></Tagging>", "<TagSet> comes twice"),
            ("<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", "<Tag> has no <Value>"),
            (
                "<Tagging><TagSet><Tag><Key/><Value>a</Value></Tag></TagSet></Tagging>",
                "<Key> is empty",
            ),
        ] {
            refused(xml::tagging(body.as_bytes()), why);
        }
        for (status, expected) in [
            ("<Status>Enabled</Status>", Some(Versioning::Enabled)),
            ("<Status>Suspended</Status>", Some(Versioning::Suspended)),
            // Ceph
            ("<Status>Disabled</Status>", None),
            ("", None),
        ] {
            let body = format!("<VersioningConfiguration>{status}</VersioningConfiguration>");
            assert_eq!(xml::versioning_configuration(body.as_bytes()).unwrap(), expected);
        }
        let other = b"<VersioningConfiguration><Status>On</Status></VersioningConfiguration>";
        refused(xml::versioning_configuration(other), "neither Enabled nor Suspended");
        assert_eq!(
            xml::write_versioning_configuration(Versioning::Suspended),
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Status>Suspended</Status></VersioningConfiguration>"
        );

        for (body, region) in [
            (LOCATION, Some("eu-west-1")),
            // us-east-1
            (r#"<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>"#, None),
            ("<LocationConstraint> </LocationConstraint>", None),
            // From AWS's page.
            (
                "<LocationConstraint>\n <LocationConstraint>EU</LocationConstraint>\n</LocationConstraint>",
                Some("EU"),
            ),
            // From Ceph.
            ("<LocationConstraint>default</LocationConstraint>", Some("default")),
        ] {
            assert_eq!(
                xml::location_constraint(body.as_bytes()).unwrap().as_deref(),
                region,
                "{body}"
            );
        }
        refused(
            xml::location_constraint(
                b"<LocationConstraint>a<LocationConstraint>b</LocationConstraint></LocationConstraint>",
            ),
            "two values",
        );
    }

    #[test]
    fn lifecycle_rules() {
        let rules = xml::lifecycle_configuration(LIFECYCLE.as_bytes()).unwrap();
        let [first, second] = &rules[..] else { panic!("{rules:?}") };
        assert_eq!((first.id.as_deref(), first.is_enabled), (Some("leftovers"), true));
        assert_eq!((&*first.prefix, first.abort_uploads_after_days), ("docker/", Some(7)));
        assert!(!first.has_other_filters && !first.expires_objects);
        assert_eq!((&*second.prefix, second.is_enabled), ("logs/", false));
        assert!(second.has_other_filters && second.expires_objects);
        assert_eq!(second.storage_classes, ["GLACIER"]);

        let only = |content: &str| {
            let rule = format!("<Rule><Status>Enabled</Status>{content}</Rule>");
            let body = format!("<LifecycleConfiguration>{rule}</LifecycleConfiguration>");
            xml::lifecycle_configuration(body.as_bytes()).map(|mut rules| rules.remove(0))
        };
        // The old place of the prefix, and a rule that removes only the remains of versions.
        assert_eq!(only("<Prefix>a b</Prefix>").unwrap().prefix, "a b");
        let marker = "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>";
        let rule = only(&format!("<Expiration>{marker}</Expiration><Filter/>")).unwrap();
        assert!(!rule.expires_objects && rule.prefix.is_empty());
        assert!(
            only("<Filter><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></Filter>")
                .unwrap()
                .has_other_filters
        );
        for (content, why) in [
            ("<Prefix>a</Prefix><Filter><Prefix>b</Prefix></Filter>", "comes twice"),
            ("<AbortIncompleteMultipartUpload/>", "has no <DaysAfterInitiation>"),
            (
                "<AbortIncompleteMultipartUpload><DaysAfterInitiation>x</DaysAfterInitiation>\
                 </AbortIncompleteMultipartUpload>",
                "is not a whole number",
            ),
        ] {
            refused(only(content), why);
        }
        let many = "<Rule><Status>Enabled</Status></Rule>".repeat(xml::MAX_ENTRIES + 1);
        let body = format!("<LifecycleConfiguration>{many}</LifecycleConfiguration>");
        refused(xml::lifecycle_configuration(body.as_bytes()), "entries");
    }

    /// The ETag is empty in the first response, and present in a repeated one.
    #[test]
    fn ceph_completions_have_no_etag() {
        let body = r#"<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Location>http://127.0.0.1:7480/b/k</Location><Bucket>b</Bucket><Key>k</Key><ETag></ETag></CompleteMultipartUploadResult>"#;
        let complete = xml::complete_multipart_upload_result(body.as_bytes()).unwrap();
        assert_eq!(complete.etag, None);
        // Dell ECS omits the element.
        for etag in [
            "<ETag/>",
            "<ETag>\"\"</ETag>",
            "",
            "<ETag>a</ETag><ETag>b</ETag>",
            "<ETag>a<b/></ETag>",
        ] {
            let body = body.replace("<ETag></ETag>", etag);
            assert_eq!(
                xml::complete_multipart_upload_result(body.as_bytes()).unwrap(),
                complete,
                "{etag}"
            );
        }
    }

    /// Ceph and SeaweedFS encode only keys and common prefixes; Garage encodes everything; rclone
    /// encodes the prefix, but no marker.
    #[test]
    fn all_dialects_of_encoded_listings_are_decoded() {
        let page = |prefix: &str, marker: &str, key: &str, common: &str| {
            let body = format!(
                "<ListBucketResult><Name>b</Name><Prefix>{prefix}</Prefix><Marker>{marker}</Marker><MaxKeys>1000</MaxKeys>\
                 <EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextMarker>{marker}</NextMarker>\
                 <Contents><Key>{key}</Key><LastModified>2026-11-02T10:00:00.123Z</LastModified>\
                 <ETag>&#34;0cc175b9c0f1b6a831c399e269772661&#34;</ETag><Size>1</Size></Contents>\
                 <CommonPrefixes><Prefix>{common}</Prefix></CommonPrefixes></ListBucketResult>"
            );
            let page = xml::list_bucket_result(body.as_bytes()).unwrap();
            assert_eq!(page.prefix.as_deref(), Some(prefix), "not decoded");
            assert_eq!(page.next_marker.as_deref(), Some(marker), "not decoded");
            assert_eq!(page.contents[0].etag.as_deref(), Some("0cc175b9c0f1b6a831c399e269772661"));
            (page.contents[0].key.clone(), page.common_prefixes[0].clone())
        };
        let expected = ("a b/c+d%41\u{1}é".to_owned(), "a b/".to_owned());
        // Ceph, Garage, moto: space as %20.
        assert_eq!(page("a b/", "a b/c+d%41", "a%20b/c%2Bd%2541%01%C3%A9", "a%20b/"), expected);
        assert_eq!(
            page("a%20b%2F", "a%20b%2Fc", "a%20b%2Fc%2Bd%2541%01%c3%a9", "a%20b%2F"),
            expected
        );
        // SeaweedFS, rclone, AWS: space as a plus.
        assert_eq!(page("a+b/", "a b/c", "a+b/c%2Bd%2541%01%C3%A9", "a+b/"), expected);
    }

    #[test]
    fn encoding_type_may_be_last_and_must_be_known() {
        let contents = "<Contents><Key>a%20b+c</Key><Size>1</Size></Contents>";
        assert_eq!(
            keys(&format!("{contents}<EncodingType> URL\n</EncodingType>")).unwrap(),
            ["a b c"]
        );
        assert_eq!(keys(contents).unwrap(), ["a%20b+c"], "keys are literal without EncodingType");
        assert_eq!(keys(&format!("<EncodingType/>{contents}")).unwrap(), ["a%20b+c"]);
        refused(
            keys(&format!("<EncodingType>base64</EncodingType>{contents}")),
            "<EncodingType> is not \"url\"",
        );
        let uploads = "<ListMultipartUploadsResult><Upload><Key>a%20b</Key><UploadId>u</UploadId></Upload>\
                       <CommonPrefixes><Prefix>p%2F</Prefix></CommonPrefixes><EncodingType>url</EncodingType>\
                       </ListMultipartUploadsResult>";
        let page = xml::list_multipart_uploads_result(uploads.as_bytes()).unwrap();
        assert_eq!((&*page.uploads[0].key, &*page.common_prefixes[0]), ("a b", "p/"));
    }

    /// s3s-fs states `url` but does not encode: a key that cannot be encoded text is rejected
    /// rather than guessed.
    #[test]
    fn keys_that_are_not_encoded_as_stated_are_rejected() {
        let listing = |key: &str| {
            keys(&format!(
                "<EncodingType>url</EncodingType><Contents><Key>{key}</Key><Size>1</Size></Contents>"
            ))
        };
        for key in ["100%", "%zz", "%4", "a%", "%%41", "%+1", "%é"] {
            refused(listing(key), "is not a valid percent-encoding");
        }
        for key in ["%ff", "%c3", "%C3%28", "%ed%a0%80", "a%80b"] {
            refused(listing(key), "does not decode to UTF-8");
        }
        assert_eq!(listing("a b/é&amp;~").unwrap(), ["a b/é&~"]);
        assert_eq!(listing("%2525").unwrap(), ["%25"], "a key is decoded exactly once");
    }

    #[test]
    fn documents_of_seaweedfs_and_s3s_are_read() {
        // Part ETags are opaque, here unquoted and with a suffix; Owner is empty; there is no
        // xmlns.
        let parts = "<ListPartsResult><Part><ETag>0123456789abcdef-2</ETag><LastModified>2026-11-02T10:00:00Z</LastModified>\
                     <PartNumber>1</PartNumber><Size>5242880</Size></Part><IsTruncated>false</IsTruncated></ListPartsResult>";
        let page = xml::list_parts_result(parts.as_bytes()).unwrap();
        assert_eq!(page.parts[0].etag, "0123456789abcdef-2");
        assert_eq!(page.next_part_number_marker, None);
        // The root element of moto.
        let page = xml::list_parts_result(parts.replace("PartsResult", "PartsResponse").as_bytes())
            .unwrap();
        assert_eq!(page.parts[0].size, 5_242_880);
        // IsTruncated without NextKeyMarker.
        let uploads = "<ListMultipartUploadsResult><Bucket>b</Bucket><KeyMarker></KeyMarker><MaxUploads>2</MaxUploads>\
                       <IsTruncated>true</IsTruncated><NextKeyMarker></NextKeyMarker></ListMultipartUploadsResult>";
        let page = xml::list_multipart_uploads_result(uploads.as_bytes()).unwrap();
        assert_eq!((page.is_truncated, page.next_key_marker), (Some(true), None));
        // s3s-fs lists parts without ETags, so an upload cannot be completed from this list.
        refused(
            xml::list_parts_result(
                b"<ListPartsResult><Part><PartNumber>1</PartNumber><Size>1</Size></Part></ListPartsResult>",
            ),
            "<Part> has no <ETag>",
        );
        // moto and s3s-fs also list deleted keys in quiet mode; other servers respond with an empty
        // element.
        let quiet = xml::delete_result(
            b"<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>",
        )
        .unwrap();
        assert_eq!(quiet, xml::DeleteResult::default());
    }

    /// rclone responds to UploadPartCopy with 200 and an empty body, and copies nothing.
    #[test]
    fn an_empty_response_is_not_a_success() {
        for (name, read, _) in READERS {
            for body in [
                "",
                " \n",
                "\u{feff}",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                "<!-- x -->",
                "\0",
                "OK",
            ] {
                assert!(read(body.as_bytes()).is_err(), "{name} accepts {body:?}");
            }
        }
        refused(xml::copy_part_result(b""), "no root element");
        refused(xml::copy_part_result(b"<CopyPartResult/>"), "<CopyPartResult> has no <ETag>");
        refused(
            xml::copy_part_result(b"<CopyPartResult><ETag>\"\"</ETag></CopyPartResult>"),
            "<ETag> is empty",
        );
        refused(
            xml::initiate_multipart_upload_result(b"<InitiateMultipartUploadResult/>"),
            "<InitiateMultipartUploadResult> has no <UploadId>",
        );
        refused(
            xml::initiate_multipart_upload_result(
                b"<InitiateMultipartUploadResult><UploadId> </UploadId></InitiateMultipartUploadResult>",
            ),
            "<UploadId> is empty",
        );
    }

    #[test]
    fn etags() {
        let etag = |text: &str| {
            let body = format!("<CopyPartResult><ETag>{text}</ETag></CopyPartResult>");
            xml::copy_part_result(body.as_bytes()).map(|copied| copied.etag)
        };
        for (sent, read) in [
            ("\"a\"", "a"),
            ("&quot;a&quot;", "a"),
            ("&#34;a&#x22;", "a"),
            ("a", "a"),
            ("\n \"a\" ", "a"),
            ("\"\"a\"\"", "\"a\""),
            ("W/\"a\"", "W/\"a\""),
            ("\"a", "\"a"),
            ("<![CDATA[\"a\"]]>", "a"),
        ] {
            assert_eq!(etag(sent).unwrap(), read, "{sent}");
        }
        refused(etag(" "), "<ETag> is empty");
    }
}

mod errors {
    use super::*;

    #[test]
    fn explanations_are_kept_and_secrets_are_hidden() {
        let error = xml::error_document(ERROR.as_bytes()).unwrap();
        assert_eq!(error.code, "SignatureDoesNotMatch");
        assert_eq!(error.message, "The request signature we calculated does not match.");
        assert_eq!(error.region.as_deref(), Some("eu-west-1"));
        assert_eq!(error.request_id.as_deref(), Some("4442587FB7D0A2F9"));
        assert_eq!(error.host_id.as_deref(), Some("h+h="));
        assert_eq!(
            error.steps.string_to_sign.as_deref(),
            Some("AWS4-HMAC-SHA256\n20130524T000000Z")
        );
        assert_eq!(error.steps.string_to_sign_bytes.as_deref(), Some("41 57 53"));
        assert_eq!(
            error.steps.canonical_request.as_deref(),
            Some("GET\n/\n\nx-amz-security-token:TOPSECRET")
        );
        assert_eq!(error.steps.canonical_request_bytes.as_deref(), Some("47 45 54"));
        let shown = format!("{error:?}");
        assert!(
            !shown.contains("TOPSECRET") && !shown.contains("47 45") && !shown.contains("deadbeef"),
            "{shown}"
        );
        assert!(shown.contains("bytes]") && shown.contains("eu-west-1"), "{shown}");
    }

    #[test]
    fn every_other_field() {
        let body = "<Error><Code> PermanentRedirect </Code><Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint><Bucket>x</Bucket>\
                    <BucketName>b</BucketName><Key> k </Key><Resource>/b/k</Resource><RequestID>r</RequestID>\
                    <UploadId> u</UploadId><PartNumber>2</PartNumber><ETag>e</ETag>\
                    <RequestTime>20090220T000000Z</RequestTime><ServerTime>2009-02-20T00:00:00Z</ServerTime>\
                    <MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds><Expires>2009-02-19T00:00:00Z</Expires>\
                    <RangeRequested>bytes=10-</RangeRequested><ActualObjectSize>7</ActualObjectSize>\
                    <ProposedSize>1</ProposedSize><MinSizeAllowed>5242880</MinSizeAllowed><MaxSizeAllowed>9</MaxSizeAllowed>\
                    <Method>POST</Method><ResourceType>OBJECT</ResourceType><Header>x-amz-tagging</Header>\
                    <ArgumentName>partNumber</ArgumentName><ArgumentValue> 0</ArgumentValue>\
                    <Condition>If-None-Match</Condition></Error>";
        let error = xml::error_document(body.as_bytes()).unwrap();
        let fields = [
            (&Some(error.code), "PermanentRedirect"),
            (&error.endpoint, "b.s3.eu-west-1.amazonaws.com"),
            (&error.bucket_name, "b"),
            (&error.key, " k "),
            (&error.resource, "/b/k"),
            (&error.request_id, "r"),
            (&error.upload_id, " u"),
            (&error.part_number, "2"),
            (&error.request_time, "20090220T000000Z"),
            (&error.server_time, "2009-02-20T00:00:00Z"),
            (&error.max_allowed_skew_milliseconds, "900000"),
            (&error.expires, "2009-02-19T00:00:00Z"),
            (&error.range_requested, "bytes=10-"),
            (&error.actual_object_size, "7"),
            (&error.proposed_size, "1"),
            (&error.min_size_allowed, "5242880"),
            (&error.max_size_allowed, "9"),
            (&error.method, "POST"),
            (&error.resource_type, "OBJECT"),
            (&error.header, "x-amz-tagging"),
            (&error.argument_name, "partNumber"),
            (&error.argument_value, " 0"),
            (&error.condition, "If-None-Match"),
        ];
        for (field, expected) in fields {
            assert_eq!(field.as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_argument_that_grants_access_is_discarded() {
        const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIA/20260101, Signature=501b";
        for name in ["Authorization", "authorization", "X-Amz-Security-Token", "Signature"] {
            let argument = [
                format!("<ArgumentName>{name}</ArgumentName>"),
                format!("<ArgumentValue>{SIGNED}</ArgumentValue>"),
            ];
            for [first, second] in [[0, 1], [1, 0]] {
                let (first, second) = (&argument[first], &argument[second]);
                let body = format!("<Error><Code>InvalidArgument</Code>{first}{second}</Error>");
                let error = xml::error_document(body.as_bytes()).unwrap();
                assert_eq!(error.argument_name.as_deref(), Some(name));
                assert_eq!(error.argument_value, None);
                assert!(!format!("{error:?}").contains("501b"));
            }
        }
    }

    /// The value may be that of `Authorization` if the name is missing or cannot be read.
    #[test]
    fn an_argument_without_a_readable_name_is_discarded() {
        for name in ["", "<ArgumentName>Authorization&#x1;</ArgumentName>", "<ArgumentName/>"] {
            let body =
                format!("<Error>{name}<ArgumentValue>Signature=501b</ArgumentValue></Error>");
            let error = xml::error_document(body.as_bytes()).unwrap();
            assert_eq!((error.argument_name, error.argument_value), (None, None), "{name}");
        }
    }

    /// A detail that cannot be read does not hide the rest of the description.
    #[test]
    fn unreadable_details_are_left_out() {
        for detail in [
            "<Key>a&#x1;b</Key>",
            "<Key>a&#x1;</Key><Resource>/b/a&b;</Resource>",
            "<Resource><x/></Resource>",
            "<Resource>/b/<Error><Code>x</Code></Error></Resource>",
        ] {
            let body = format!(
                "<Error>{detail}<Code>RequestTimeTooSkewed</Code><Message>m</Message>\
                 <Region>eu-west-1</Region><ServerTime>2009-02-20T00:00:00Z</ServerTime></Error>"
            );
            let error = xml::error_document(body.as_bytes()).unwrap();
            assert_eq!((&*error.code, &*error.message), ("RequestTimeTooSkewed", "m"), "{detail}");
            assert_eq!(error.region.as_deref(), Some("eu-west-1"), "{detail}");
            assert_eq!(error.server_time.as_deref(), Some("2009-02-20T00:00:00Z"), "{detail}");
            assert_eq!((error.key, error.resource), (None, None), "{detail}");

            let body = format!("<CopyObjectResult>{body}</CopyObjectResult>");
            let error = xml::copy_object_result(body.as_bytes()).unwrap_err();
            assert_eq!(error.document.unwrap().code, "RequestTimeTooSkewed", "{detail}");
        }
        let two = b"<Error><Key>&#x1;</Key><Key>k</Key></Error>";
        assert_eq!(xml::error_document(two).unwrap().key.as_deref(), Some("k"));
        for broken in ["a&#x1", "a&#x1;<b>", "a\u{1}b"] {
            let body = format!("<Error><Code>A</Code><Key>{broken}</Key></Error>");
            assert!(xml::error_document(body.as_bytes()).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn incomplete_ones_are_accepted() {
        for (body, code, message) in [
            ("<Error/>", "", ""),
            ("<Error><Code>NoSuchKey</Code><BucketName>b</BucketName></Error>", "NoSuchKey", ""),
            ("<Error><Code>A</Code><Code>B</Code><Message/><Message>m</Message></Error>", "A", "m"),
            ("<s:Error xmlns:s='x'><s:Code>A</s:Code><New><Code>B</Code></New></s:Error>", "A", ""),
            (
                "<ErrorResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><Error><Type>Sender</Type>\
                 <Code>ExpiredTokenException</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>",
                "ExpiredTokenException",
                "m",
            ),
        ] {
            let error = xml::error_document(body.as_bytes()).unwrap();
            assert_eq!((&*error.code, &*error.message), (code, message), "{body}");
        }
        let sts =
            xml::error_document(b"<ErrorResponse><RequestId>r</RequestId><Error/></ErrorResponse>")
                .unwrap();
        assert_eq!(sts.request_id.as_deref(), Some("r"));
        refused(
            xml::error_document(b"<html><body>502 Bad Gateway</body></html>"),
            "the root element is <html>, not <Error>",
        );
        refused(xml::error_document(b"<!DOCTYPE html><html></html>"), "document type");
        refused(xml::error_document(br#"{"__type":"AccessDenied"}"#), "text outside");
        let two = b"<ErrorResponse><Error><Code>a</Code></Error><Error><Code>b</Code></Error></ErrorResponse>";
        assert_eq!(xml::error_document(two).unwrap().code, "a", "the first code counts");
        refused(xml::error_document(b"<ErrorResponse/>"), "<ErrorResponse> has no <Error>");
    }

    /// S3 sends status 200 before it knows whether a completion or a copy succeeds.
    #[test]
    fn inside_a_200_response_are_reported() {
        let plain =
            "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>";
        let spaces = format!("  \n\n <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{plain}\n");
        for (name, read, _) in READERS.iter().filter(|(name, ..)| *name != "error_document") {
            for body in [plain, &spaces] {
                let error = refused(
                    read(body.as_bytes()),
                    "error report: SlowDown (Reduce your request rate.)",
                );
                assert_eq!(error.document.unwrap().code, "SlowDown", "{name}");
            }
            let cut = refused(read(&spaces.as_bytes()[..spaces.len() - 10]), "the document");
            assert_eq!(
                cut.document, None,
                "{name}: a truncated report is not evidence of an error"
            );
        }
        // The error is below the root element of a success.
        let wrapped = "<CompleteMultipartUploadResult><ETag>\"a\"</ETag><Error><Code>InternalError</Code></Error>\
                       </CompleteMultipartUploadResult>";
        let error = xml::complete_multipart_upload_result(wrapped.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the document is an error report: InternalError ()",
            "an error report has no faulty position"
        );
        assert_eq!(error.document.unwrap().code, "InternalError");
        let error = keys("<Error><Code>InternalError</Code></Error>").unwrap_err();
        assert_eq!(error.document.unwrap().code, "InternalError");
        // The error may also be below the root element of another error, and has its own position.
        let nested = "<Error><Code>a</Code><Error><Code>b</Code></Error></Error>";
        for (name, read, _) in READERS {
            let error = refused(read(nested.as_bytes()), "error report: b ()");
            assert_eq!(
                (error.document.unwrap().code.as_str(), error.offset),
                ("b", Some(21)),
                "{name}"
            );
            refused(read(&nested.as_bytes()[..35]), "cut off");
        }
        // At a greater depth, it belongs to an extension.
        assert_eq!(keys("<Extension><Error><Code>x</Code></Error></Extension>").unwrap(), [""; 0]);
    }

    #[test]
    fn messages_are_short_and_printable() {
        let long = "\u{1b}x".replace('\u{1b}', "é\u{9b}").repeat(10_000);
        for error in [
            keys(&format!("<Contents><Size>{long}</Size></Contents>")).unwrap_err(),
            keys(&format!("&{};", "x".repeat(100_000))).unwrap_err(),
            keys(&format!("</{}>", "x".repeat(100_000))).unwrap_err(),
            xml::error_document(format!("<{}/>", "x\u{9b}".repeat(50_000)).as_bytes()).unwrap_err(),
            xml::delete_result(
                format!("<Error><Code>{long}</Code><Message>{long}</Message></Error>").as_bytes(),
            )
            .unwrap_err(),
            xml::delete(&[&format!("\u{1}{long}")], DeleteMode::Quiet).unwrap_err(),
        ] {
            let shown = error.to_string();
            assert!(shown.len() < 1000, "{} bytes", shown.len());
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
        }
    }
}

mod credentials {
    use super::*;

    #[test]
    fn of_both_responses_are_read() {
        let role = STS.replace("AssumeRoleWithWebIdentity", "AssumeRole");
        for body in [STS, &role] {
            let credentials = xml::sts_credentials(body.as_bytes()).unwrap();
            assert_eq!(credentials.access_key_id, "ASgeIAIOSFODNN7EXAMPLE");
            assert_eq!(*credentials.secret_access_key, "wJalrXUtnFEMI/K7MDENG");
            assert_eq!(*credentials.session_token, "AQoDYXdzTOKEN");
            assert_eq!(Some(credentials.expiration), time("2014-10-24T23:00:23Z"));
            let shown = format!("{credentials:?}");
            assert!(shown.contains("ASgeIAIOSFODNN7EXAMPLE"), "{shown}");
            assert!(!shown.contains("wJalr") && !shown.contains("TOKEN"), "{shown}");
        }
    }

    #[test]
    fn of_a_session_are_read() {
        let session = xml::create_session_result(SESSION.as_bytes()).unwrap();
        assert_eq!(session.access_key_id, "ASIASESSION");
        assert_eq!(*session.secret_access_key, "s3ssion/secret");
        assert_eq!(*session.session_token, "TOKEN+OF/SESSION==");
        assert_eq!(Some(session.expiration), time("2023-11-28T01:46:39Z"));
        let shown = format!("{session:?}");
        assert!(!shown.contains("s3ssion") && !shown.contains("TOKEN"), "{shown}");
        // A server without sessions takes the request for a listing.
        refused(xml::create_session_result(LISTING.as_bytes()), "the root element is");
        refused(xml::create_session_result(STS.as_bytes()), "the root element is");
        refused(xml::sts_credentials(SESSION.as_bytes()), "the root element is");
    }

    #[test]
    fn all_four_parts_are_required() {
        for (document, reader) in
            [(STS, xml::sts_credentials as fn(&[u8]) -> _), (SESSION, xml::create_session_result)]
        {
            all_four_parts_are_required_by(document, reader);
        }
    }

    fn all_four_parts_are_required_by(
        document: &str,
        reader: fn(&[u8]) -> Result<xml::TemporaryCredentials, Error>,
    ) {
        for name in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
            let (head, rest) = document.split_once(&format!("<{name}>")).unwrap();
            let (value, tail) = rest.split_once(&format!("</{name}>")).unwrap();
            for without in [format!("{head}{tail}"), format!("{head}<{name}> </{name}>{tail}")] {
                refused(reader(without.as_bytes()), &format!("<Credentials> has no <{name}>"));
            }
            let twice = format!("{head}<{name}>{value}</{name}><{name}>{value}</{name}>{tail}");
            let error = refused(reader(twice.as_bytes()), "comes twice");
            assert!(!error.to_string().contains(value));
        }
        let (_, rest) = document.split_once("<Credentials>").unwrap();
        let (credentials, _) = rest.split_once("</Credentials>").unwrap();
        let twice = document.replace(
            "</Credentials>",
            &format!("</Credentials><Credentials>{credentials}</Credentials>"),
        );
        refused(reader(twice.as_bytes()), "<Credentials> comes twice");
        let without_time = document.replace("<Expiration>20", "<Expiration>soon");
        refused(reader(without_time.as_bytes()), "is not a point in time");
    }
}

mod lenient {
    use super::*;

    #[test]
    fn about_differences_between_servers() {
        let expected = xml::list_bucket_result(LISTING.as_bytes()).unwrap();
        let body = LISTING.split_once("?>").unwrap().1;
        let prefixed = body
            .replace("</", "\0")
            .replace('<', "<s3:")
            .replace('\0', "</s3:")
            .replace("xmlns=", "xmlns:s3=");
        for (what, document) in [
            (
                "no namespace",
                body.replace(" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"", ""),
            ),
            ("another namespace", body.replace("s3.amazonaws.com", "obs.example")),
            ("prefixed", prefixed),
            ("bom", format!("\u{feff}{LISTING}")),
            ("white space first", format!("\r\n \t{LISTING}\n\n")),
            ("lower case encoding", LISTING.replace("UTF-8", "utf-8")),
            (
                "single quotes",
                LISTING.replace(
                    "\"1.0\" encoding=\"UTF-8\"",
                    "'1.0' encoding='utf8' standalone='yes'",
                ),
            ),
            (
                "comments",
                body.replace("<Key>", "<!-- <Key>x</Key> --><Key><!-- y -->")
                    .replace("</Size>", "<!-- 0 --></Size>"),
            ),
            (
                "instructions",
                format!(
                    "<?xml-stylesheet href='x'?>{}",
                    body.replace("<Key>", "<Key><?php echo ?>")
                ),
            ),
            ("cdata", body.replace("<Key>", "<Key><![CDATA[").replace("</Key>", "]]></Key>")),
            (
                "unknown",
                body.replace("<Key>", "<X><Key>x</Key><Size>9</Size></X><Y/><Key>")
                    .replace("<Name>", "<Contents-2/><Name>"),
            ),
            (
                "white space",
                body.replace("<Size>", "<Size>\n ")
                    .replace(">true<", ">\ttrue\r\n<")
                    .replace("STANDARD", " STANDARD "),
            ),
            ("white space between", body.replace("><", ">\n  <")),
            (
                "references",
                body.replace("blobs/e", "blo&#98;s&#x2f;&#x65;")
                    .replace("STANDARD", "&#83;TANDARD"),
            ),
            (
                "attributes",
                body.replace("<Contents>", "<Contents a='>' b=\"</Contents>\">")
                    .replace("<Key>", "<Key xml:space='preserve'>"),
            ),
            ("spaces in tags", body.replace("</Key>", "</Key \n>").replace("<Size>", "<Size >")),
            ("case of booleans", body.replace(">true<", ">True<")),
        ] {
            let page = xml::list_bucket_result(document.as_bytes())
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(page, expected, "{what}");
        }
    }

    /// An extension may be between any two elements.
    #[test]
    fn unknown_elements_are_skipped_wherever_they_are() {
        for (name, read, document) in READERS {
            let root = document.find("?>").map_or(0, |end| end + 2);
            let (declaration, body) = document.split_at(root);
            let extended = body.replace("><", "><X a='b'>x<Key>y</Key></X><");
            assert!(extended != body || *name == "location_constraint", "{name}");
            let extended = format!("{declaration}{extended}");
            assert_eq!(read(extended.as_bytes()), read(document.as_bytes()), "{name}");
        }
        let region = "<LocationConstraint><X>x</X>eu-west-1<Y/></LocationConstraint>";
        assert_eq!(
            xml::location_constraint(region.as_bytes()).unwrap().as_deref(),
            Some("eu-west-1")
        );
    }

    #[test]
    fn keys_keep_every_character() {
        for (written, read) in [
            (" a ", " a "),
            ("\n", "\n"),
            ("a\r\nb\rc\r\r\nd", "a\nb\nc\n\nd"),
            // Only line breaks are normalized.
            ("\r", "\n"),
            ("a<![CDATA[\r]]>&amp;\r\r\n", "a\n&\n\n"),
            ("\r\r&#8452;\r&#13;\r", "\n\n\u{2104}\n\r\n"),
            ("&#13;&#10;&#x9;", "\r\n\t"),
            ("&lt;&gt;&amp;&apos;&quot;", "<>&'\""),
            ("&amp;lt;", "&lt;"),
            ("<![CDATA[<Key>&amp;]]>", "<Key>&amp;"),
            ("<![CDATA[]]>a<![CDATA[\r\n]]>", "a\n"),
            ("a<!-- b -->c<!-- d -->", "ac"),
            ("a<?b c?>d", "ad"),
            ("é\u{85}\u{7f}\u{fffd}\u{1f600}", "é\u{85}\u{7f}\u{fffd}\u{1f600}"),
            ("&#x1F600;&#233;", "\u{1f600}é"),
            ("..//../", "..//../"),
        ] {
            assert_eq!(key(written).unwrap(), read, "{written:?}");
        }
    }

    #[test]
    fn prefixes_in_one_element() {
        let body = "<ListBucketResult><CommonPrefixes><Prefix>a/</Prefix><Prefix>b/</Prefix></CommonPrefixes>\
                    <CommonPrefixes><Prefix/></CommonPrefixes></ListBucketResult>";
        assert_eq!(
            xml::list_bucket_result(body.as_bytes()).unwrap().common_prefixes,
            ["a/", "b/", ""]
        );
    }

    #[test]
    fn unreadable_times_are_left_out() {
        for time in
            ["yesterday", "Tue, 13 Mar 2018 17:25:04 GMT", "1433809946492", ":2024-10-11T13:22:41Z"]
        {
            let body = format!(
                "<Contents><Key>k</Key><Size>1</Size><LastModified>{time}</LastModified></Contents>"
            );
            let page = xml::list_bucket_result(
                format!("<ListBucketResult>{body}</ListBucketResult>").as_bytes(),
            );
            assert_eq!(page.unwrap().contents[0].last_modified, None, "{time}");
        }
    }

    /// Echoed parameters and counts never make a page fail, because nothing depends on them.
    #[test]
    fn echoes() {
        let echoes = "<Delimiter> </Delimiter><MaxKeys>1000</MaxKeys><KeyCount>0</KeyCount>\
                      <ContinuationToken>t</ContinuationToken><StartAfter>a%20b</StartAfter><Marker>m</Marker>";
        let page = |children: &str| {
            let body = format!("<ListBucketResult>{children}</ListBucketResult>");
            xml::list_bucket_result(body.as_bytes()).unwrap()
        };
        let read = page(&format!("<EncodingType>url</EncodingType>{echoes}"));
        assert_eq!(read.delimiter.as_deref(), Some(" "));
        assert_eq!((read.max_keys, read.key_count), (Some(1000), Some(0)));
        assert_eq!(read.continuation_token.as_deref(), Some("t"));
        assert_eq!(read.start_after.as_deref(), Some("a%20b"), "echoes are not decoded");
        assert_eq!(read.marker.as_deref(), Some("m"));
        for odd in [
            echoes.repeat(2),
            "<MaxKeys>-1</MaxKeys><KeyCount>many</KeyCount><Delimiter/>".to_owned(),
            "<MaxKeys><n/>1</MaxKeys><Marker><m/></Marker><StartAfter/>".to_owned(),
        ] {
            assert_eq!(page(&odd), xml::ListBucketResult::default(), "{odd}");
        }

        let uploads = "<ListMultipartUploadsResult><Prefix>p</Prefix><Delimiter>/</Delimiter><KeyMarker>k</KeyMarker>\
                       <UploadIdMarker>u</UploadIdMarker><MaxUploads>x</MaxUploads><EncodingType>url</EncodingType>\
                       </ListMultipartUploadsResult>";
        let read = xml::list_multipart_uploads_result(uploads.as_bytes()).unwrap();
        assert_eq!((read.prefix.as_deref(), read.delimiter.as_deref()), (Some("p"), Some("/")));
        assert_eq!(
            (read.key_marker.as_deref(), read.upload_id_marker.as_deref()),
            (Some("k"), Some("u"))
        );
        assert_eq!((read.max_uploads, read.encoding_type.as_deref()), (None, Some("url")));
    }

    /// Ceph writes U+0001 in a key as a reference to a character that XML 1.0 does not have.
    #[test]
    fn keys_of_uploads_may_be_unreadable() {
        for key in ["a&#x1;b", "a&#x01;b", "&b;", "<x>&#x1;</x>"] {
            let with_key = |document: &str| {
                assert!(document.contains("<Key>k</Key>"));
                document.replace("<Key>k</Key>", &format!("<Key>{key}</Key>"))
            };
            let initiated =
                xml::initiate_multipart_upload_result(with_key(INITIATE).as_bytes()).unwrap();
            assert_eq!(initiated.upload_id, "VXBsb2FkIElE", "{key}");
            assert_eq!(initiated.key, None, "{key}");

            let completed =
                xml::complete_multipart_upload_result(with_key(COMPLETE).as_bytes()).unwrap();
            assert_eq!(completed.etag.as_deref(), Some("3858f62230ac3c915f300c664312c11f-9"));
            assert_eq!(completed.key, None, "{key}");

            let page = xml::list_parts_result(with_key(PARTS).as_bytes()).unwrap();
            let numbers: Vec<_> = page.parts.iter().map(|part| part.part_number).collect();
            assert_eq!((numbers, page.key), (vec![2, 3], None), "{key}");
        }
        for key in ["a&#x1b", "a&#x1;<b>", "a\u{1}b"] {
            let document = INITIATE.replace("<Key>k<", &format!("<Key>{key}<"));
            assert!(xml::initiate_multipart_upload_result(document.as_bytes()).is_err(), "{key:?}");
        }
        // Keys on which an operation depends are still refused, unless they cannot be encoded.
        refused(key("a&#x1;b"), "unknown reference &#x1;");
    }

    /// The encoding of a page of uploads is not requested, so its control characters are references
    /// that only XML 1.1 has.
    #[test]
    fn control_characters_in_a_page_of_uploads_are_read() {
        let page = |text: &str| {
            let body = UPLOADS
                .replace("my+divisor%20", text)
                .replace("my-movie.m2ts", text)
                .replace("<Prefix>p/", &format!("<Prefix>{text}/"));
            xml::list_multipart_uploads_result(body.as_bytes())
        };
        for (text, expected) in [
            ("a&#x01;b", "a\u{1}b"),
            ("&#x1;&amp;&#31;&#8;\r\n", "\u{1}&\u{1f}\u{8}\n"),
            ("&#x1b;", "\u{1b}"),
        ] {
            let page = page(text).unwrap();
            assert_eq!(page.uploads[0].key, expected);
            assert_eq!(page.next_key_marker.as_deref(), Some(expected));
            assert_eq!(page.common_prefixes, [format!("{expected}/")]);
        }
        for text in ["a&#0;", "a&#xfffe;", "a&#xd800;", "a&#x+1;", "a&b;"] {
            refused(page(text), "unknown reference");
        }
        refused(page("a\u{1}b"), "XML 1.0 forbids");
    }

    /// Elements that the client does not know are skipped, whatever references they contain.
    #[test]
    fn unknown_elements_may_be_unreadable() {
        for extension in
            ["<ObjectName>a&#x01;b</ObjectName>", "<Details>&nbsp;<p>&#xfffe;</p></Details>"]
        {
            let body = format!("<Error>{extension}<Code>NoSuchKey</Code>{extension}</Error>");
            let error = xml::error_document(body.as_bytes()).unwrap();
            assert_eq!(error.code, "NoSuchKey", "{extension}");
            let body = COMPLETE.replace("<Key>", &format!("{extension}<Key>"));
            let completed = xml::complete_multipart_upload_result(body.as_bytes()).unwrap();
            assert!(completed.etag.is_some() && completed.key.is_some(), "{extension}");
        }
        for malformed in ["<X>&</X>", "<X>&#x1</X>", "<X>&nbsp;", "<X>&nbsp;</Y>"] {
            let body = format!("<Error>{malformed}<Code>NoSuchKey</Code></Error>");
            assert!(xml::error_document(body.as_bytes()).is_err(), "{malformed}");
        }
        let deep = format!("<Error>{}&nbsp;</Error>", "<X>".repeat(20));
        assert!(xml::error_document(deep.as_bytes()).is_err());
    }

    #[test]
    fn sparse_listing() {
        let page = xml::list_bucket_result(
            b"<ListBucketResult><Contents><Size>7</Size><LastModified/><ETag/><StorageClass/><Key>k</Key></Contents></ListBucketResult>",
        )
        .unwrap();
        let object = &page.contents[0];
        assert_eq!((&*object.key, object.size, object.last_modified), ("k", 7, None));
        assert_eq!((&object.etag, &object.storage_class, page.is_truncated), (&None, &None, None));
        assert_eq!(
            xml::list_bucket_result(b"<ListBucketResult/>").unwrap(),
            xml::ListBucketResult::default()
        );
    }
}

mod strict {
    use super::*;

    /// Returns the end of the root element of `document`.
    fn root_end(document: &str) -> usize {
        document.rfind('>').unwrap() + 1
    }

    #[test]
    fn about_documents_cut_at_any_byte() {
        for (name, read, document) in READERS {
            assert!(read(document.as_bytes()).is_ok(), "{name}");
            for end in 0..root_end(document) {
                assert!(
                    read(&document.as_bytes()[..end]).is_err(),
                    "{name} took {:?}",
                    &document[..end]
                );
            }
        }
    }

    #[test]
    fn in_every_reader() {
        for (name, read, document) in READERS {
            let (declaration, body) =
                document.split_once("?>").map_or(("", *document), |(_, body)| ("x", body));
            let body = body.trim_start();
            let root = body[1..].split([' ', '>']).next().unwrap();
            let inside = |text: &str| {
                let end = root_end(body) - root.len() - 3;
                format!("{}{text}{}", &body[..end], &body[end..])
            };
            assert!(read(inside("").as_bytes()).is_ok(), "{name} {declaration}");
            for (document, why) in [
                (format!("{body}{body}"), "second root"),
                (format!("{body}<a/>"), "second root"),
                (format!("{body}text"), "text outside"),
                (format!("text{body}"), "text outside"),
                (format!("{body}<![CDATA[ ]]>"), "text outside"),
                (format!("{body}&#32;"), "text outside"),
                (format!("{body}</{root}>"), "not well-formed"),
                (format!("{body}<!--"), "not well-formed"),
                (format!("<Other>{body}</Other>"), "the root element is <Other>"),
                (format!("<!DOCTYPE a>{body}"), "document type"),
                (format!("<!doctype a [<!ENTITY b \"c\">]>{body}"), "document type"),
                (inside("<!DOCTYPE a>"), "document type"),
                (inside("&b;"), "unknown reference &b;"),
                (inside("&"), "not well-formed"),
                (inside("&amp"), "not well-formed"),
                (inside("<"), ""),
                (inside("</x>"), "not well-formed"),
                (inside("<x></y>"), "not well-formed"),
                (inside("<></>"), "without a name"),
                (inside("<?xml version='1.0'?>"), "where it is not allowed"),
                (inside("<?XML ?>"), "malformed XML declaration"),
                (inside("\u{1}"), "forbids"),
                (inside("<!-- \0 -->"), "forbids"),
                (inside("<x a='\u{1f}'/>"), "forbids"),
                (inside("\u{fffe}"), "forbids"),
                (inside("\u{ffff}"), "forbids"),
                (
                    format!("<?xml version='1.0'?><?xml version='1.0'?>{body}"),
                    "where it is not allowed",
                ),
                (
                    format!("<?xml version='1.0' encoding='ISO-8859-1'?>{body}"),
                    "encoding \"ISO-8859-1\"",
                ),
                (format!("<?xml version='1.0' encoding='UTF-16'?>{body}"), "encoding \"UTF-16\""),
                (
                    format!("<?xml version='1.0' encoding=UTF-8?>{body}"),
                    "malformed XML declaration",
                ),
                (format!("<?xml encoding='UTF-8'?>{body}"), "malformed XML declaration"),
                (format!("<?xml version='1.0' encoding=''?>{body}"), "encoding \"\""),
                (
                    format!("<?xml version='1.0' standalone='yes' encoding='UTF-8'?>{body}"),
                    "malformed XML declaration",
                ),
                (inside("<x/ >"), "stray slash"),
                (inside("<x/y>"), "stray slash"),
                (inside("<x\"y\"/>"), "contains a quote"),
                (inside("<x y=\"/>"), "not well-formed"),
                (inside("<!x>"), "exclamation mark"),
                (inside("<?><x/><?y?>"), "has no name"),
                (inside(&"<x>".repeat(16)), "nests more than 16"),
            ] {
                let error = read(document.as_bytes()).unwrap_err();
                assert!(
                    error.to_string().contains(why),
                    "{name}: expected \"{why}\" in \"{error}\" for {document:?}"
                );
            }
            for reference in [
                "#0",
                "#1",
                "#x1F",
                "#xFFFE",
                "#xD800",
                "#x110000",
                "#99999999999",
                "#",
                "#x",
                "#-1",
                "#+9",
                "#xg",
                "#1a",
                "#X20",
                "AMP",
                "",
            ] {
                let document = inside(&format!("&{reference};"));
                let is_control = matches!(reference, "#1" | "#x1F");
                let is_accepted = is_control && *name == "list_multipart_uploads_result";
                assert_eq!(read(document.as_bytes()).is_ok(), is_accepted, "{name}: {reference}");
            }
            for bytes in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"]
            {
                let mut document = body.as_bytes().to_vec();
                document.splice(root.len() + 1..root.len() + 1, bytes.iter().copied());
                let error = read(&document).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    format!("the document is not UTF-8 at byte {}", root.len() + 1),
                    "{name}"
                );
            }
            let utf16: Vec<u8> = document.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert!(read(&utf16).is_err(), "{name} accepts UTF-16");
        }
    }

    #[test]
    fn entries() {
        let entry = |fields: &str| keys(&format!("<Contents>{fields}</Contents>"));
        for (fields, why) in [
            ("<Size>1</Size>", "<Contents> has no <Key>"),
            ("<Key/><Size>1</Size>", "<Key> is empty"),
            ("<X><Key>k</Key></X><Size>1</Size>", "<Contents> has no <Key>"),
            ("<Key>k</Key>", "<Contents> has no <Size>"),
            ("<Key>k</Key><Key>k</Key><Size>1</Size>", "<Key> comes twice"),
            ("<Key>k</Key><Size>1</Size><Size>1</Size>", "<Size> comes twice"),
            ("<Key>k</Key><ETag/><ETag>a</ETag><Size>1</Size>", "<ETag> comes twice"),
            ("<Key>a<b>c</b>d</Key><Size>1</Size>", "<Key> holds the element <b>"),
            ("<Key>k</Key><Size></Size>", "<Size> is not a whole number"),
            ("<Key>k</Key><Size>-1</Size>", "<Size> is not a whole number: \"-1\""),
            ("<Key>k</Key><Size>+1</Size>", "not a whole number"),
            ("<Key>k</Key><Size>1.0</Size>", "not a whole number"),
            ("<Key>k</Key><Size>1e3</Size>", "not a whole number"),
            ("<Key>k</Key><Size>0x10</Size>", "not a whole number"),
            ("<Key>k</Key><Size>1 2</Size>", "not a whole number"),
            ("<Key>k</Key><Size>١</Size>", "not a whole number"),
            ("<Key>k</Key><Size>NaN</Size>", "not a whole number"),
            ("<Key>k</Key><Size>18446744073709551616</Size>", "larger than 64 bits"),
        ] {
            refused(entry(fields), why);
        }
        let page =
            b"<ListBucketResult><Contents><Key>k</Key><Size>18446744073709551615</Size></Contents></ListBucketResult>";
        assert_eq!(xml::list_bucket_result(page).unwrap().contents[0].size, u64::MAX);
        for value in ["", "yes", "1", "truefalse", "tru e"] {
            refused(
                keys(&format!("<IsTruncated>{value}</IsTruncated>")),
                "<IsTruncated> is neither true nor false",
            );
        }
        for name in
            ["Name", "Prefix", "IsTruncated", "NextMarker", "NextContinuationToken", "EncodingType"]
        {
            let value = match name {
                "IsTruncated" => "false",
                "EncodingType" => "url",
                _ => "",
            };
            let field = format!("<{name}>{value}</{name}>");
            assert!(keys(&field).is_ok());
            refused(keys(&format!("{field}{field}")), &format!("<{name}> comes twice"));
        }
        refused(keys("<CommonPrefixes/>"), "<CommonPrefixes> has no <Prefix>");
    }

    #[test]
    fn parts_uploads_buckets_and_deletions() {
        let part = |fields: &str| {
            xml::list_parts_result(
                format!("<ListPartsResult><Part>{fields}</Part></ListPartsResult>").as_bytes(),
            )
        };
        for number in ["1", "10000", " 7 "] {
            assert!(
                part(&format!("<PartNumber>{number}</PartNumber><Size>1</Size><ETag>a</ETag>"))
                    .is_ok()
            );
        }
        for number in ["0", "10001", "4294967297", "18446744073709551615"] {
            let fields = format!("<PartNumber>{number}</PartNumber><Size>1</Size><ETag>a</ETag>");
            refused(part(&fields), "<PartNumber> is not between 1 and 10000");
        }
        refused(part("<Size>1</Size><ETag>a</ETag>"), "<Part> has no <PartNumber>");
        refused(part("<PartNumber>1</PartNumber><ETag>a</ETag>"), "<Part> has no <Size>");
        refused(part("<PartNumber>1</PartNumber><Size>1</Size><ETag/>"), "<ETag> is empty");
        let marker = |value: &str| {
            let body = format!(
                "<ListPartsResult><NextPartNumberMarker>{value}</NextPartNumberMarker></ListPartsResult>"
            );
            xml::list_parts_result(body.as_bytes()).map(|page| page.next_part_number_marker)
        };
        assert_eq!((marker("").unwrap(), marker("0").unwrap()), (None, Some(0)));
        refused(marker("4294967296"), "larger than 32 bits");
        refused(marker("-1"), "not a whole number");

        let upload = |fields: &str| {
            let body = format!(
                "<ListMultipartUploadsResult><Upload>{fields}</Upload></ListMultipartUploadsResult>"
            );
            xml::list_multipart_uploads_result(body.as_bytes())
        };
        refused(upload("<UploadId>u</UploadId>"), "<Upload> has no <Key>");
        refused(upload("<Key/><UploadId>u</UploadId>"), "<Key> is empty");
        refused(upload("<Key>k</Key>"), "<Upload> has no <UploadId>");
        refused(upload("<Key>k</Key><UploadId/>"), "<UploadId> is empty");

        let buckets = |content: &str| {
            let body = format!("<ListAllMyBucketsResult>{content}</ListAllMyBucketsResult>");
            xml::list_all_my_buckets_result(body.as_bytes())
        };
        refused(buckets(""), "<ListAllMyBucketsResult> has no <Buckets>");
        refused(buckets("<Bucket><Name>b</Name></Bucket>"), "has no <Buckets>");
        refused(buckets("<Buckets/><Buckets/>"), "<Buckets> comes twice");
        refused(buckets("<Buckets><Bucket/></Buckets>"), "<Bucket> has no <Name>");
        refused(buckets("<Buckets><Bucket><Name/></Bucket></Buckets>"), "<Name> is empty");
        refused(
            buckets("<Buckets><Bucket><Name>a</Name><Name>a</Name></Bucket></Buckets>"),
            "<Name> comes twice",
        );
        refused(
            buckets("<Buckets/><ContinuationToken/><ContinuationToken/>"),
            "<ContinuationToken> comes twice",
        );

        let deletion = |entry: &str| {
            xml::delete_result(format!("<DeleteResult>{entry}</DeleteResult>").as_bytes())
        };
        refused(deletion("<Deleted/>"), "<Deleted> has no <Key>");
        refused(deletion("<Deleted><VersionId>v</VersionId></Deleted>"), "<Deleted> has no <Key>");
        refused(deletion("<Error><Code>AccessDenied</Code></Error>"), "<Error> has no <Key>");
        let bare = deletion("<Error><Key>k</Key></Error>").unwrap();
        assert_eq!((&*bare.errors[0].code, &*bare.errors[0].message), ("", ""));
    }

    #[test]
    fn offsets_point_at_the_element() {
        let body = "\u{feff}<ListBucketResult><Contents><Key>k</Key><Size>x</Size></Contents></ListBucketResult>";
        let error = xml::list_bucket_result(body.as_bytes()).unwrap_err();
        assert_eq!(error.offset, body.find("<Size>").map(|at| at as u64));
        let error =
            xml::list_bucket_result("\u{feff}<ListBucketResult>é\u{1}".as_bytes()).unwrap_err();
        assert_eq!(error.offset, Some(23));
    }
}

mod bounded {
    use super::*;

    /// Ten times the duration on a slow, busy machine without optimization.
    const TIME_LIMIT: Duration = Duration::from_secs(20);

    fn all(document: &str, why: &str) {
        for (name, read, _) in READERS {
            let start = Instant::now();
            let error = read(document.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(why), "{name}: {error}");
            assert!(start.elapsed() < TIME_LIMIT, "{name}");
        }
    }

    #[test]
    fn sizes() {
        let big = |size: usize| {
            let mut document = String::from("<ListBucketResult><X>");
            let tail = "</X></ListBucketResult>";
            document.extend(std::iter::repeat_n('x', size - document.len() - tail.len()));
            document + tail
        };
        assert!(xml::list_bucket_result(big(xml::MAX_LISTING_BYTES).as_bytes()).is_ok());
        let over = big(xml::MAX_LISTING_BYTES + 1);
        assert_eq!(
            refused(xml::list_bucket_result(over.as_bytes()), "longer than 33554432 bytes").offset,
            Some(33_554_432)
        );
        for (name, read, document) in READERS {
            let listing = matches!(
                *name,
                "list_all_my_buckets_result"
                    | "list_bucket_result"
                    | "list_parts_result"
                    | "list_multipart_uploads_result"
                    | "delete_result"
                    | "list_versions_result"
                    | "lifecycle_configuration"
                    | "object_attributes"
            );
            let max = if listing { xml::MAX_LISTING_BYTES } else { xml::MAX_REPLY_BYTES };
            if !listing {
                // Documents are accepted up to the limit, but no further. The first lines of this
                // test show that for listings.
                assert!(
                    read(format!("{document}{}", " ".repeat(max - document.len())).as_bytes())
                        .is_ok(),
                    "{name}"
                );
            }
            refused(
                read(format!("{document}{}", " ".repeat(max + 1 - document.len())).as_bytes()),
                &format!("the document is longer than {max} bytes"),
            );
        }
    }

    #[test]
    fn entities() {
        let mut laughs = String::from("<!DOCTYPE lolz [<!ENTITY lol \"lol\">");
        for i in 1..10 {
            let _ = write!(laughs, "<!ENTITY lol{i} \"{}\">", format!("&lol{};", i - 1).repeat(10));
        }
        laughs.push_str("]><ListBucketResult><Name>&lol9;</Name></ListBucketResult>");
        all(&laughs, "document type");
        let quadratic = format!(
            "<!DOCTYPE a [<!ENTITY b \"{}\">]><a>{}</a>",
            "x".repeat(100_000),
            "&b;".repeat(100_000)
        );
        all(&quadratic, "document type");
        all("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>", "document type");
    }

    #[test]
    fn depth_and_breadth() {
        for (name, read, document) in READERS {
            let root = document.split("?>").last().unwrap().trim_start()[1..]
                .split([' ', '>'])
                .next()
                .unwrap();
            for tail in ["", &"</a>".repeat(100_000)] {
                let start = Instant::now();
                refused(
                    read(format!("<{root}>{}{tail}</{root}>", "<a>".repeat(100_000)).as_bytes()),
                    "nests more than 16",
                );
                assert!(start.elapsed() < TIME_LIMIT, "{name}");
            }
            let start = Instant::now();
            let attributes: String = (0..50_000).map(|i| format!(" a{i}='x'")).collect();
            let namespaces: String = (0..50_000).map(|i| format!(" xmlns:a{i}='x'")).collect();
            for attributes in [
                attributes,
                namespaces,
                " a='x'".repeat(50_000),
                format!(" a='{}'", "x".repeat(900_000)),
            ] {
                // The document is accepted or incomplete, but parsing it is never slow.
                let _ = read(format!("<{root}{attributes}/>").as_bytes());
            }
            assert!(start.elapsed() < TIME_LIMIT, "{name}");
        }
    }

    #[test]
    fn texts_and_pieces() {
        let start = Instant::now();
        let text = "k".repeat(4 << 20);
        assert_eq!(key(&text).unwrap().len(), text.len());
        let pieces = "&amp;<!-- -->".repeat(100_000);
        assert_eq!(key(&pieces).unwrap(), "&".repeat(100_000));
        let cdata = "<![CDATA[x]]>".repeat(100_000);
        assert_eq!(key(&cdata).unwrap(), "x".repeat(100_000));
        assert!(start.elapsed() < TIME_LIMIT * 3);
    }

    #[test]
    fn fifty_thousand_keys_in_one_page() {
        let contents: String = (0..50_000)
            .map(|i| format!("<Contents><Key>{i}</Key><Size>{i}</Size></Contents>"))
            .collect();
        let found = keys(&contents).unwrap();
        assert_eq!(found.len(), 50_000);
        assert!(found.iter().enumerate().all(|(i, key)| *key == i.to_string()));
    }
}

mod writers {
    use super::*;

    #[test]
    fn complete_multipart_upload() {
        let sum = StoredChecksum::new(ChecksumAlgorithm::Crc32c, "AAAAAA==", None);
        let parts = [
            Part::new(1, "a", 1),
            Part::new(2, "\"b\"", 1).checksum(sum),
            Part::new(10_000, "W/\"c\"", 1),
        ];
        assert_eq!(
            xml::complete_multipart_upload(&parts).unwrap(),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag></Part>\
             <Part><PartNumber>2</PartNumber><ETag>\"b\"</ETag><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part>\
             <Part><PartNumber>10000</PartNumber><ETag>W/\"c\"</ETag></Part></CompleteMultipartUpload>"
        );
        for (parts, why) in [
            (&[][..], "without parts"),
            (&[(0, "a")], "the part number 0 is not between 1 and 10000"),
            (&[(10_001, "a")], "the part number 10001 is not between"),
            (&[(1, "a"), (1, "a")], "part 1 comes after part 1"),
            (&[(2, "a"), (1, "a")], "part 1 comes after part 2: sort"),
            (&[(1, "")], "part 1 has an empty ETag"),
            (&[(1, "\"\"")], "part 1 has an empty ETag"),
            (&[(1, "a\u{0}")], "the ETag \"a\\0\" of part 1 has a character at byte 1"),
        ] {
            let parts: Vec<_> = parts.iter().map(|(n, etag)| Part::new(*n, *etag, 1)).collect();
            assert_eq!(refused(xml::complete_multipart_upload(&parts), why).offset, None);
        }
    }

    #[test]
    fn delete() {
        assert_eq!(
            xml::delete(&["a&b<c>\"d'", " \t\r\n", "]]>"], DeleteMode::Quiet).unwrap(),
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\
             <Object><Key>a&amp;b&lt;c&gt;\"d'</Key></Object><Object><Key> &#9;&#13;&#10;</Key></Object>\
             <Object><Key>]]&gt;</Key></Object></Delete>"
        );
        assert!(!xml::delete(&["a"], DeleteMode::Verbose).unwrap().contains("Quiet"));
        assert!(xml::delete(&["k"; 1000], DeleteMode::Quiet).is_ok());
        refused(xml::delete(&["k"; 1001], DeleteMode::Quiet), "1 to 1000 keys, not 1001");
        refused(xml::delete(&[""; 0], DeleteMode::Quiet), "1 to 1000 keys, not 0");
        let object = ObjectIdentifier::new("a").version_id("v&").etag("e");
        assert!(xml::delete(&[object], DeleteMode::Verbose).unwrap().ends_with(
            "<Object><Key>a</Key><VersionId>v&amp;</VersionId><ETag>\"e\"</ETag></Object></Delete>"
        ));
        for (object, why) in [
            (ObjectIdentifier::new("a").version_id(""), "the version of \"a\" is empty"),
            (ObjectIdentifier::new("a").version_id("\u{1}"), "the version \"\\u{1}\""),
            (ObjectIdentifier::new("a").etag(""), "the ETag for \"a\" is empty or weak"),
            (ObjectIdentifier::new("a").etag("\"\""), "the ETag for \"a\" is empty or weak"),
            (ObjectIdentifier::new("a").etag("W/\"e\""), "the ETag for \"a\" is empty or weak"),
            (ObjectIdentifier::new("a").etag("\u{1}"), "the ETag \"\\u{1}\""),
        ] {
            refused(xml::delete(&[object], DeleteMode::Verbose), why);
        }
        refused(xml::delete(&["a", ""], DeleteMode::Quiet), "an empty key");
        for c in ['\0', '\u{1}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            let error = refused(
                xml::delete(&["fine", &format!("bad{c}")], DeleteMode::Quiet),
                "the key \"bad",
            );
            assert!(error.to_string().contains("at byte 3"), "{error}");
            assert!(!xml::can_carry(&format!("bad{c}")));
        }
        assert!(xml::can_carry("fine\t\u{fffd}\u{10000}") && xml::can_carry(""));
    }

    #[test]
    fn tagging() {
        assert_eq!(
            xml::write_tagging(&[Tag::new("a<", "&\n"), Tag::new("b", "")]).unwrap(),
            "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>\
             <Tag><Key>a&lt;</Key><Value>&amp;&#10;</Value></Tag>\
             <Tag><Key>b</Key><Value></Value></Tag></TagSet></Tagging>"
        );
        let numbered: Vec<_> = (0..11).map(|n| Tag::new(n.to_string(), "")).collect();
        assert!(xml::write_tagging(&numbered[..10]).is_ok());
        refused(xml::write_tagging(&numbered), "at most 10 tags, and 11 are given");
        // A letter outside of the basic plane takes two places.
        for letter in ["a", "é", "😀"] {
            let room = |most: usize| letter.repeat(most / letter.encode_utf16().count());
            let (key, value) = (room(128), room(256));
            assert!(xml::write_tagging(&[Tag::new(&key, &value)]).is_ok());
            let long = [Tag::new(format!("{key}{letter}"), "v")];
            refused(xml::write_tagging(&long), "128 are allowed");
            let long = [Tag::new("k", format!("{value}{letter}"))];
            refused(xml::write_tagging(&long), "256 are allowed");
        }
        for (tag, why) in [
            (Tag::new("", "v"), "a tag has an empty key"),
            (Tag::new("\u{1}", "v"), "the tag key \"\\u{1}\""),
            (Tag::new("k", "\u{1}"), "the tag value \"\\u{1}\""),
        ] {
            refused(xml::write_tagging(&[tag]), why);
        }
        let twice = [Tag::new("a", "1"), Tag::new("a", "2")];
        refused(xml::write_tagging(&twice), "\"a\" is given twice");
    }

    #[test]
    fn create_bucket_configuration() {
        assert_eq!(
            xml::create_bucket_configuration("eu-west-1").unwrap(),
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"
        );
        refused(xml::create_bucket_configuration(""), "cannot be empty");
        refused(xml::create_bucket_configuration("a\u{8}"), "the location \"a\\u{8}\"");
    }
}

/// Typical keys of people and programs, without characters that XML cannot represent.
fn some_key() -> impl Strategy<Value = String> {
    "[ -~\t\n\r\u{7f}-\u{a0}é&<>\"'%+\\]\u{fffd}\u{1f600}]{1,40}"
}

/// Returns `text` cut into pieces at `cuts`, each in a different one of XML's notations.
fn in_pieces(text: &str, ways: &[u8]) -> String {
    let mut written = String::new();
    for (i, c) in text.chars().enumerate() {
        match ways.get(i % ways.len().max(1)).copied().unwrap_or(0) % 5 {
            0 => {
                let _ = write!(written, "&#{};", u32::from(c));
            }
            1 => {
                let _ = write!(written, "&#x{:X};", u32::from(c));
            }
            // Only a reference preserves a carriage return.
            2 if c != '\r' => {
                let _ = write!(written, "<![CDATA[{c}]]>");
            }
            3 if !matches!(c, '\r' | '&' | '<' | '>') => {
                let _ = write!(written, "<!-- {c} -->{c}<?pi?>");
            }
            _ if !matches!(c, '\r' | '&' | '<' | '>') => written.push(c),
            _ => {
                let _ = write!(written, "&#{};", u32::from(c));
            }
        }
    }
    written
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_reader_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for (_, read, _) in READERS {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn no_reader_panics_on_tags(text in "(</?(ListBucketResult|Contents|Key|Size|Error|Code|x|)/?>|<!\\[CDATA\\[|\\]\\]>|&#?x?[0-9a-z]{0,3};|<!--|-->|<\\?xml|\\?>|[0-9a-z %+\"=]){0,30}") {
        for (_, read, _) in READERS {
            let _ = read(text.as_bytes());
            let _ = read(format!("<ListBucketResult>{text}</ListBucketResult>").as_bytes());
        }
    }

    #[test]
    fn no_reader_panics_on_mutations(which in 0..READERS.len(), edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6)) {
        let (_, read, document) = READERS[which];
        let mut bytes = document.as_bytes().to_vec();
        for (at, byte, edit) in edits {
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if read(&bytes).is_ok() {
            // The last byte of the root's end tag is required, regardless of other changes.
            let end = bytes.iter().rposition(|byte| *byte == b'>').unwrap();
            prop_assert!(read(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn every_notation_of_a_key_is_equal(expected in some_key(), ways in proptest::collection::vec(any::<u8>(), 1..8)) {
        prop_assert_eq!(key(&in_pieces(&expected, &ways)).unwrap(), expected);
    }

    /// Other parsers read the same keys, sizes, prefixes and markers from a document.
    #[test]
    fn other_parsers_agree_about_listings(keys in proptest::collection::vec((some_key(), any::<u64>()), 0..6), marker in some_key(), ways in proptest::collection::vec(any::<u8>(), 1..8)) {
        let written = in_pieces(&marker, &ways);
        let mut body = format!("<ListBucketResult><NextMarker>{written}</NextMarker><Prefix>{written}</Prefix>");
        for (key, size) in &keys {
            let _ = write!(body, "<Contents><Key>{}</Key><X><Key>x</Key></X><Size> {size} </Size></Contents>", in_pieces(key, &ways));
            let _ = write!(body, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", in_pieces(key, &ways));
        }
        body.push_str("</ListBucketResult>");
        let page = xml::list_bucket_result(body.as_bytes()).unwrap();
        for (name, parser) in PARSERS {
            let root = parser(&body).unwrap();
            let theirs: Vec<_> = root.children("Contents").map(|entry| (entry.text_of("Key"), entry.word("Size"))).collect();
            let ours: Vec<_> = page.contents.iter().map(|object| (object.key.clone(), object.size.to_string())).collect();
            prop_assert_eq!(&ours, &theirs, "{}", name);
            let prefixes = root.children("CommonPrefixes").map(|entry| entry.text_of("Prefix"));
            prop_assert!(prefixes.eq(page.common_prefixes.iter().cloned()), "{}", name);
            prop_assert_eq!(Some(root.text_of("NextMarker")), page.next_marker.clone(), "{}", name);
            prop_assert_eq!(Some(root.text_of("Prefix")), page.prefix.clone(), "{}", name);
        }
        prop_assert!(page.contents.iter().map(|object| (object.key.clone(), object.size)).eq(keys.iter().cloned()));
    }

    #[test]
    fn other_parsers_agree_about_errors(key in some_key(), ways in proptest::collection::vec(any::<u8>(), 1..8)) {
        let written = in_pieces(&key, &ways);
        let body = format!("<Error><Code>{written}</Code><Message>{written}</Message><Key>{written}</Key><StringToSign>{written}</StringToSign></Error>");
        let error = xml::error_document(body.as_bytes()).unwrap();
        for (name, parser) in PARSERS {
            let root = parser(&body).unwrap();
            prop_assert_eq!(&root.word("Code"), &error.code, "{}", name);
            prop_assert_eq!(&root.word("Message"), &error.message, "{}", name);
            prop_assert_eq!(Some(root.text_of("Key")), error.key.clone(), "{}", name);
            prop_assert_eq!(Some(root.text_of("StringToSign")), error.steps.string_to_sign.clone(), "{}", name);
        }
    }

    #[test]
    fn encoded_keys_are_decoded(key in "\\PC{1,20}|[\u{1}-\u{7f}]{1,20}", plus in any::<bool>()) {
        let mut encoded = String::new();
        for byte in key.bytes() {
            match byte {
                b' ' if plus => encoded.push('+'),
                b'a'..=b'z' | b'/' | b'-' => encoded.push(char::from(byte)),
                byte => { let _ = write!(encoded, "%{byte:02X}"); }
            }
        }
        let body = format!("<Contents><Key>{encoded}</Key><Size>1</Size></Contents><EncodingType>url</EncodingType>");
        prop_assert_eq!(keys(&body).unwrap(), [key]);
    }

    #[test]
    fn other_parsers_read_written_documents_alike(keys in proptest::collection::vec(some_key(), 1..6)) {
        let borrowed: Vec<&str> = keys.iter().map(String::as_str).collect();
        let parts: Vec<Part> = keys.iter().zip(1..).filter(|(etag, _)| !etag.contains('"')).map(|(etag, number)| Part::new(number, etag, 1)).collect();
        prop_assume!(!parts.is_empty());
        for (name, parser) in PARSERS {
            let root = parser(&xml::delete(&borrowed, DeleteMode::Verbose).unwrap()).unwrap();
            let read: Vec<String> = root.children("Object").map(|object| object.text_of("Key")).collect();
            prop_assert_eq!(&read, &keys, "{}", name);

            let root = parser(&xml::complete_multipart_upload(&parts).unwrap()).unwrap();
            let read = root.children("Part").map(|part| (part.word("PartNumber"), part.text_of("ETag")));
            let expected = parts.iter().map(|part| (part.part_number.to_string(), format!("\"{}\"", part.etag)));
            prop_assert!(read.eq(expected), "{}", name);
        }
    }
}

/// The parsers are compared with each other too, so that an empty tree would be noticed.
#[test]
fn the_parsers_see_one_tree() {
    for (name, _, document) in READERS {
        let document = document.trim_start();
        let [first, second] = PARSERS.map(|(_, parser)| parser(document));
        assert!(first.is_some(), "{name}");
        assert_eq!(first, second, "{name}");
    }
    for malformed in ["<a>", "<a/><b/>", "<a>&x;</a>", "<!DOCTYPE a><a/>", "", "<a></b>"] {
        assert_eq!(PARSERS.map(|(_, parser)| parser(malformed)), [None, None], "{malformed}");
    }
}
