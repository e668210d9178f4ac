//! Tests for the table "Listing".

use crate::server::{Answer, End, Fault, error_document};
use crate::support::ServerOptions;
use crate::{ATTEMPTS, BUCKET, Rig, quickly, upload};
use s3driver::client::{GetObjectAttributes, ListBuckets, ListObjects, Pages};
use s3driver::transfer::Transfer;
use s3driver::xml::ListBucketResult;
use s3driver::{ErrorKind, Result};
use std::time::{Duration, SystemTime};

fn keys(listing: Pages<ListBucketResult>) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for page in listing {
        keys.extend(page?.contents.into_iter().map(|object| object.key));
    }
    Ok(keys)
}

fn list(rig: &Rig) -> Result<Vec<String>> {
    keys(rig.client.objects(BUCKET, ListObjects::prefix("k")).pages())
}

/// Returns a server with ten keys, whose pages have two entries.
fn rig() -> (Rig, Vec<String>) {
    let rig =
        Rig::with(ServerOptions { page_size: 2, ..ServerOptions::default() }, |config| config);
    let keys: Vec<String> = (0..10).map(|number| format!("k{number}")).collect();
    for key in &keys {
        rig.store(key, b"x");
    }
    (rig, keys)
}

fn page(inner: &str) -> String {
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>")
}

fn entry(key: &str) -> String {
    format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>")
}

/// Ceph writes U+0001 in the key of an upload as a reference that XML 1.0 does not have. The page
/// also holds other uploads, which could not be found or aborted if it were refused.
#[test]
fn uploads_of_keys_with_control_characters_are_listed_and_aborted() {
    let rig = Rig::new();
    let keys = ["k/a\u{1}b", "k/c"];
    for key in keys {
        rig.faulty.backend.begin_upload(BUCKET, key, SystemTime::UNIX_EPOCH);
    }
    let opened = rig.faulty.backend.open_uploads(BUCKET);
    let page = |number: usize, more: &str| {
        let key = keys[number].replace('\u{1}', "&#x01;");
        let id = &opened.iter().find(|upload| upload.key == keys[number]).unwrap().id;
        let body = format!(
            "<ListMultipartUploadsResult>{more}<Upload><Key>{key}</Key><UploadId>{id}</UploadId>\
             <Initiated>2020-01-01T00:00:00Z</Initiated></Upload></ListMultipartUploadsResult>"
        );
        Fault::reply(200, body)
    };
    let more = "<IsTruncated>true</IsTruncated><NextKeyMarker>k/a&#x01;b</NextKeyMarker>\
                <NextUploadIdMarker>u</NextUploadIdMarker>";
    rig.faulty.once("ListMultipartUploads", page(0, more));
    rig.faulty.once("ListMultipartUploads", page(1, "<IsTruncated>false</IsTruncated>"));
    let aborted = Transfer::new(&rig.client).abort_uploads(BUCKET, "k/", Duration::ZERO);
    assert_eq!(aborted.unwrap(), 2);
    let asked = &rig.faulty.seen()[1].head;
    assert!(asked.contains("key-marker=k%2Fa%01b"), "{asked}");
    assert_eq!(rig.count("ListMultipartUploads"), 2);
    rig.finish();
}

/// A document that cannot be parsed as a listing causes retries and finally an error, but never a
/// shorter list.
#[test]
fn malformed_listings_are_an_error() {
    let bomb = format!(
        "<!DOCTYPE l [<!ENTITY a \"{}\">]><ListBucketResult>{}</ListBucketResult>",
        "a".repeat(10_000),
        "&a;".repeat(10_000)
    );
    for (name, body) in [
        ("truncated", page(&entry("k")).replace("</ListBucketResult>", "")),
        ("empty", String::new()),
        ("nul", page("\0")),
        ("double-root", page("") + &page("")),
        ("trailing-garbage", page("") + "garbage"),
        ("no-key", page("<Contents><Size>1</Size></Contents>")),
        ("numbers", page("<Contents><Key>k</Key><Size>-1</Size></Contents>")),
        ("bad-bool", "<ListBucketResult><IsTruncated>perhaps</IsTruncated></ListBucketResult>".to_owned()),
        ("control-ref", page(&entry("k&#0;"))),
        ("dtd", "<!DOCTYPE x><ListBucketResult/>".to_owned()),
        ("quadratic", bomb),
        ("xxe", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><ListBucketResult><Name>&e;</Name></ListBucketResult>".to_owned()),
        ("deep", format!("<ListBucketResult>{}{}</ListBucketResult>", "<a>".repeat(100_000), "</a>".repeat(100_000))),
        ("deep-unclosed", format!("<ListBucketResult>{}", "<a>".repeat(1_000_000))),
        ("ok-error", error_document("InternalError")),
        ("html-200", "<html></html>".to_owned()),
    ] {
        let (rig, all) = rig();
        rig.faulty.once("ListObjectsV2", Fault::reply(200, body.clone()));
        assert_eq!(quickly(|| list(&rig)).unwrap(), all, "{name}");
        assert_eq!(rig.count("ListObjectsV2"), 6, "{name}");
        rig.faulty.always("ListObjectsV2", Fault::reply(200, body));
        let error = quickly(|| list(&rig)).unwrap_err();
        assert_eq!(error.attempts(), ATTEMPTS, "{name}: {error}");
        assert!(!error.to_string().contains("root:"), "{error}");
        rig.finish();
    }
    let (rig, _) = rig();
    for bytes in [
        b"<ListBucketResult><Name>\xff\xfe</Name></ListBucketResult>".to_vec(),
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><ListBucketResult/>".into(),
        "\u{feff}<ListBucketResult/>".encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ] {
        rig.faulty.times("ListObjectsV2", 0, ATTEMPTS as usize, Fault::reply(200, bytes));
        assert_eq!(list(&rig).unwrap_err().kind(), ErrorKind::Protocol);
    }
    rig.finish();
}

/// `other-ns`, `no-ns`, `prefixed`, `unknown`, `cdata`, `bom`, `list-no-encoding`,
/// `many-attributes`.
#[test]
fn unusual_listings_are_accepted() {
    let attributes: String = (0..10_000).map(|number| format!(" a{number}=\"x\"")).collect();
    for body in [
        page(&entry("k1"))
            .replace("<ListBucketResult>", "<ListBucketResult xmlns=\"http://example/other\">"),
        page(&entry("k1"))
            .replace("<ListBucketResult>", &format!("<ListBucketResult{attributes}>")),
        page(&entry("k1")).replace('<', "<s3:").replace("<s3:/", "</s3:"),
        page(&format!("<New><Key>leak</Key></New>{}", entry("k1"))),
        page(&entry("<![CDATA[k1]]>")),
        format!("\u{feff}{}", page(&entry("k1"))),
    ] {
        let (rig, _) = rig();
        rig.faulty.once("ListObjectsV2", Fault::reply(200, body));
        assert_eq!(list(&rig).unwrap(), ["k1"]);
        rig.finish();
    }
    let (rig, _) = rig();
    rig.faulty.once("ListObjectsV2", Fault::reply(200, page(&entry("k%31+"))));
    assert_eq!(list(&rig).unwrap(), ["k%31+"]);
    rig.faulty.once(
        "ListObjectsV2",
        Fault::reply(200, page(&format!("<EncodingType>url</EncodingType>{}", entry("k%31")))),
    );
    assert_eq!(list(&rig).unwrap(), ["k1"]);
    rig.finish();
}

#[test]
fn oversized_listings_are_an_error() {
    let (rig, _) = rig();
    let many: String = (0..1_000_000).map(|number| entry(&format!("k{number}"))).collect();
    rig.faulty.times("ListObjectsV2", 0, ATTEMPTS as usize, Fault::reply(200, page(&many)));
    let error = list(&rig).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    rig.faulty.times(
        "ListObjectsV2",
        0,
        ATTEMPTS as usize,
        Fault::reply(200, page(&"x".repeat(40 << 20))),
    );
    assert_eq!(list(&rig).unwrap_err().kind(), ErrorKind::Protocol);
    rig.finish();
}

/// `list-loop`: a token is repeated immediately or after another one, or new tokens lead back to
/// earlier pages.
#[test]
fn list_loop() {
    fn truncated(key: &str, token: &str) -> Fault {
        let token = format!("<NextContinuationToken>{token}</NextContinuationToken>");
        Fault::reply(200, page(&(entry(key) + &token)).replace("false", "true"))
    }
    for tokens in [&["a", "a"][..], &["a", "b", "a"], &["a", "b", "c", "b"]] {
        let (rig, _) = rig();
        for (number, token) in tokens.iter().enumerate() {
            rig.faulty.once("ListObjectsV2", truncated(&format!("k{number}"), token));
        }
        assert_eq!(list(&rig).unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(rig.count("ListObjectsV2"), tokens.len());
        rig.finish();
    }
    let (rig, _) = rig();
    for (key, token) in [("k1", "a"), ("k2", "b"), ("k1", "c"), ("k2", "d")] {
        rig.faulty.once("ListObjectsV2", truncated(key, token));
    }
    assert_eq!(list(&rig).unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(rig.count("ListObjectsV2"), 3);
    rig.finish();
}

#[test]
fn list_no_token() {
    let (rig, all) = rig();
    // After a page of version 1, the next one begins after its last entry.
    let without = page(&entry("k2")).replace("false", "true");
    rig.faulty.times("ListObjectsV2", 1, 1, Fault::reply(200, without));
    assert_eq!(list(&rig).unwrap(), all);
    assert_eq!((rig.count("ListObjectsV2"), rig.count("ListObjects")), (2, 4));
    // A page with neither a token nor an entry cannot be continued.
    rig.faulty.times("ListObjectsV2", 1, 1, Fault::reply(200, page("").replace("false", "true")));
    let error = list(&rig).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert_eq!(rig.count("ListObjectsV2"), 4);
    rig.finish();
}

#[test]
fn no_istruncated() {
    let (rig, all) = rig();
    let without = |answer: Answer| {
        let text = String::from_utf8(answer.body.clone()).unwrap();
        answer.body(
            text.replace("<IsTruncated>true</IsTruncated>", "")
                .replace("<IsTruncated>false</IsTruncated>", ""),
        )
    };
    rig.faulty.always("ListObjectsV2", Fault::changed(without));
    assert_eq!(list(&rig).unwrap(), all);
    assert_eq!(rig.count("ListObjectsV2"), 5);
    rig.finish();
}

#[test]
fn list_empty_pages() {
    let (rig, all) = rig();
    let empty = |token: &str| {
        page(&format!("<NextContinuationToken>{token}</NextContinuationToken>"))
            .replace("false", "true")
    };
    rig.faulty.once("ListObjectsV2", Fault::reply(200, empty("one")));
    rig.faulty.once("ListObjectsV2", Fault::reply(200, empty("two")));
    let found: String = all.iter().map(|key| entry(key)).collect();
    rig.faulty.once("ListObjectsV2", Fault::reply(200, page(&found)));
    assert_eq!(list(&rig).unwrap(), all);
    rig.finish();
}

#[test]
fn a_fault_on_the_second_page_is_retried() {
    for fault in [
        Fault::error(503, "SlowDown"),
        Fault::silent(End::Close),
        Fault::reply(200, ""),
        Fault::cut(100, End::Close),
        Fault::reply(200, "<ListBucketResult>"),
    ] {
        let (rig, all) = rig();
        rig.faulty.times("ListObjectsV2", 1, 2, fault);
        assert_eq!(list(&rig).unwrap(), all);
        assert_eq!(rig.count("ListObjectsV2"), 7);
        rig.finish();
    }
}

/// Tries ListParts and ListMultipartUploads with both markers, repeated pages and missing flags.
#[test]
fn parts_and_uploads_are_listed_over_many_pages() {
    let options = ServerOptions { page_size: 2, min_part_size: 1, ..ServerOptions::default() };
    let rig = Rig::with(options, |config| config);
    let ids: Vec<String> = (0..5).map(|number| rig.begin(&format!("k{}", number / 3))).collect();
    for number in 1..=5 {
        rig.client.upload_part(upload("k0", &ids[0]), number, b"part").unwrap();
    }
    let parts = || -> Result<Vec<u32>> {
        let mut parts = Vec::new();
        for page in rig.client.parts(upload("k0", &ids[0])).pages() {
            parts.extend(page?.parts.iter().map(|part| part.part_number));
        }
        Ok(parts)
    };
    let uploads = || upload_ids(&rig);
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    assert_eq!(parts().unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(uploads().unwrap(), sorted);
    // Tries faults on later pages.
    rig.faulty.times("ListParts", 1, 1, Fault::silent(End::Close));
    rig.faulty.times("ListMultipartUploads", 1, 1, Fault::error(500, "InternalError"));
    assert_eq!(parts().unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(uploads().unwrap(), sorted);
    // Tries a missing flag.
    let without = |answer: Answer| {
        let text = String::from_utf8(answer.body.clone()).unwrap();
        answer.body(
            text.replace("<IsTruncated>true</IsTruncated>", "")
                .replace("<IsTruncated>false</IsTruncated>", ""),
        )
    };
    rig.faulty.times("ListParts", 0, 3, Fault::changed(without));
    assert_eq!(parts().unwrap(), [1, 2, 3, 4, 5]);
    // If a server ignores the marker and starts over, no part is returned twice.
    let part = |number| {
        format!("<Part><PartNumber>{number}</PartNumber><Size>4</Size><ETag>e</ETag></Part>")
    };
    let page = |parts: String, more| {
        let next = "<NextPartNumberMarker>2</NextPartNumberMarker>";
        format!("<ListPartsResult><IsTruncated>{more}</IsTruncated>{next}{parts}</ListPartsResult>")
    };
    let two = part(1) + &part(2);
    rig.faulty.once("ListParts", Fault::reply(200, page(two.clone(), true)));
    rig.faulty.once("ListParts", Fault::reply(200, page(two + &part(3), false)));
    assert_eq!(parts().unwrap(), [1, 2, 3]);
    // Tries loops.
    let looping = "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker></ListPartsResult>";
    rig.faulty.times("ListParts", 0, 2, Fault::reply(200, looping));
    assert_eq!(parts().unwrap_err().kind(), ErrorKind::Protocol);
    for marker in ["k1", "k2", "k1"] {
        let page = format!(
            "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>{marker}</NextKeyMarker></ListMultipartUploadsResult>"
        );
        rig.faulty.once("ListMultipartUploads", Fault::reply(200, page));
    }
    assert_eq!(uploads().unwrap_err().kind(), ErrorKind::Protocol);
    for (index, id) in ids.iter().enumerate() {
        rig.client.abort_multipart_upload(upload(&format!("k{}", index / 3), id)).unwrap();
    }
    rig.finish();
}

/// Returns the upload ids of all pages, sorted.
/// SeaweedFS lists the directories above the prefix as versions.
#[test]
fn directories_above_the_prefix_are_not_versions_below_it() {
    let version = |key: &str| {
        format!(
            "<Version><Key>{key}</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>\
             <Size>0</Size></Version>"
        )
    };
    let versions = |listed: &[&str], prefix: &str| {
        let rig = Rig::new();
        let entries: String = listed.iter().map(|key| version(key)).collect();
        let body = format!(
            "<ListVersionsResult><IsTruncated>false</IsTruncated>{entries}</ListVersionsResult>"
        );
        rig.faulty.always("ListObjectVersions", Fault::reply(200, body));
        let found: Result<Vec<_>> =
            rig.client.versions(BUCKET, ListObjects::prefix(prefix)).collect();
        rig.finish();
        found.map(|found| found.into_iter().map(|version| version.key).collect::<Vec<_>>())
    };
    let listed = ["Veeam/", "Veeam/Backup/", "Veeam/Backup/a"];
    assert_eq!(versions(&listed, "Veeam/Backup/").unwrap(), listed[1..]);
    assert_eq!(versions(&listed, "Veeam/Backup/a").unwrap(), listed[2..]);
    assert_eq!(versions(&listed, "").unwrap(), listed);
    for foreign in ["Veeam", "Vee/", "Other/", "Veeam/Backup"] {
        let error = versions(&[foreign, "Veeam/Backup/a"], "Veeam/Backup/").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{foreign}: {error}");
    }
}

fn upload_ids(rig: &Rig) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for page in rig.client.uploads(BUCKET, "").pages() {
        found.extend(page?.uploads.into_iter().map(|upload| upload.upload_id));
    }
    found.sort_unstable();
    Ok(found)
}

/// Tries ListMultipartUploads with truncated pages that contain one marker, none, or an earlier
/// one.
#[test]
fn uploads_are_listed_without_markers() {
    let rig =
        Rig::with(ServerOptions { page_size: 2, ..ServerOptions::default() }, |config| config);
    let mut ids: Vec<String> =
        (0..5).map(|number| rig.begin(&format!("k{}", number / 3))).collect();
    ids.sort_unstable();
    let uploads = || upload_ids(&rig);
    let without = |names: &'static [&'static str]| {
        Fault::changed(move |answer| {
            let mut text = String::from_utf8(answer.body.clone()).unwrap();
            for name in names {
                if let (Some(start), Some(end)) =
                    (text.find(&format!("<{name}>")), text.find(&format!("</{name}>")))
                {
                    text.replace_range(start..end + name.len() + 3, "");
                }
            }
            answer.body(text)
        })
    };
    // Without a marker, the listing continues after the last upload of the page.
    rig.faulty.always("ListMultipartUploads", without(&["NextKeyMarker", "NextUploadIdMarker"]));
    assert_eq!(uploads().unwrap(), ids);
    assert_eq!(rig.count("ListMultipartUploads"), 3);
    rig.faulty.heal();
    // The page contains only an upload id, which SeaweedFS returns and expects. S3 would start over
    // in this case, which is noticed.
    rig.faulty.always("ListMultipartUploads", without(&["NextKeyMarker"]));
    let error = uploads().unwrap_err();
    assert_eq!(
        (error.kind(), error.operation(), rig.count("ListMultipartUploads")),
        (ErrorKind::Protocol, Some("ListMultipartUploads"), 5)
    );
    rig.faulty.heal();
    let page = |more, id, next| {
        format!(
            "<ListMultipartUploadsResult><IsTruncated>{more}</IsTruncated>{next}<Upload><Key>k</Key><UploadId>{id}</UploadId>\
             </Upload></ListMultipartUploadsResult>"
        )
    };
    let next = "<NextUploadIdMarker>one</NextUploadIdMarker>";
    rig.faulty.once("ListMultipartUploads", Fault::reply(200, page(true, "one", next)));
    rig.faulty.once("ListMultipartUploads", Fault::reply(200, page(false, "two", "")));
    assert_eq!(uploads().unwrap(), ["one", "two"]);
    let asked = rig.faulty.seen().pop().unwrap().head;
    assert!(asked.contains("upload-id-marker=one") && !asked.contains("key-marker="), "{asked}");
    // The page is repeated without a marker.
    rig.faulty.times("ListMultipartUploads", 0, 2, Fault::reply(200, page(true, "one", "")));
    assert_eq!(uploads().unwrap_err().kind(), ErrorKind::Protocol);
    // A page without any entry and marker cannot be continued.
    let empty =
        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>";
    rig.faulty.once("ListMultipartUploads", Fault::reply(200, empty));
    assert_eq!(uploads().unwrap_err().kind(), ErrorKind::Protocol);
    rig.finish_with_uploads();
}

/// versitygw responds with 400 whenever both markers are sent.
#[test]
fn uploads_are_listed_on_servers_that_refuse_both_markers() {
    let list = |keys: &[&str]| {
        let rig =
            Rig::with(ServerOptions { page_size: 2, ..ServerOptions::default() }, |config| config);
        let mut ids: Vec<String> = keys.iter().map(|key| rig.begin(key)).collect();
        ids.sort_unstable();
        rig.faulty.by_chance(|seen| {
            let has_both = seen.head.lines().next().is_some_and(|line| {
                line.contains("upload-id-marker=") && line.contains("&key-marker=")
            });
            has_both.then(|| Fault::error(400, "InvalidArgument"))
        });
        let found = upload_ids(&rig);
        rig.finish_with_uploads();
        (found, ids)
    };
    for keys in [&["a", "b", "bb", "c", "d"][..], &["a", "a", "b", "c"], &["a"]] {
        let (found, ids) = list(keys);
        assert_eq!(found.unwrap(), ids, "{keys:?}");
    }
    // The key alone would skip the third upload.
    let (found, _) = list(&["a", "a", "a", "b"]);
    let error = found.unwrap_err();
    assert_eq!(error.code(), Some("InvalidArgument"), "{error}");
}

/// A list of buckets whose tokens repeat ends with an error, and so does one that a proxy cuts off.
#[test]
fn a_list_of_buckets_that_repeats_is_an_error() {
    let (rig, _) = rig();
    let page = |names: &str, token: &str| {
        let page =
            format!("<Buckets>{names}</Buckets><ContinuationToken>{token}</ContinuationToken>");
        format!("<ListAllMyBucketsResult>{page}</ListAllMyBucketsResult>")
    };
    let bucket = |name: &str| format!("<Bucket><Name>{name}</Name></Bucket>");
    let list = || -> Result<Vec<String>> {
        rig.client.buckets(ListBuckets::default()).map(|bucket| Ok(bucket?.name)).collect()
    };
    rig.faulty.once("ListBuckets", Fault::reply(200, page(&bucket("one"), "t")));
    rig.faulty.once("ListBuckets", Fault::reply(200, page(&bucket("two"), "t")));
    let error = list().unwrap_err();
    assert_eq!((error.kind(), error.bucket()), (ErrorKind::Protocol, None), "{error}");
    assert!(error.to_string().contains("same continuation token twice"), "{error}");
    assert_eq!(rig.count("ListBuckets"), 2);

    // The token of the first page is sent unchanged, and the last page has none.
    let token = "a b+c/&d=";
    rig.faulty
        .once("ListBuckets", Fault::reply(200, page(&bucket("one"), &token.replace('&', "&amp;"))));
    assert_eq!(list().unwrap_err().code(), Some("InvalidArgument"));
    let seen = rig.faulty.seen();
    assert!(seen[3].head.contains("continuation-token=a%20b%2Bc%2F%26d%3D"), "{}", seen[3].head);

    rig.faulty.always("ListBuckets", Fault::cut(20, End::Close));
    assert!(list().is_err());
    assert_eq!(rig.count("ListBuckets"), 4 + ATTEMPTS as usize);
    rig.finish();
}

/// A list of an object's parts ends with an error if the object is replaced, or if the list does
/// not move forward.
#[test]
fn parts_of_another_object_are_an_error() {
    let (rig, _) = rig();
    let page = |etag: &str, number: u32, next: u32| {
        let part = format!("<Part><PartNumber>{number}</PartNumber><Size>1</Size></Part>");
        let marker = format!("<NextPartNumberMarker>{next}</NextPartNumberMarker>");
        format!(
            "<GetObjectAttributesResponse><ETag>{etag}</ETag><ObjectParts>\
             <IsTruncated>true</IsTruncated>{marker}{part}</ObjectParts></GetObjectAttributesResponse>"
        )
    };
    let list = || -> Result<Vec<u32>> {
        let parts = rig.client.object_parts(BUCKET, "k0", GetObjectAttributes::default());
        parts.map(|part| Ok(part?.part_number)).collect()
    };
    for (second, kind, why) in [
        (page("other", 2, 2), ErrorKind::Integrity, "changed while"),
        (page("etag", 2, 1), ErrorKind::Protocol, "where they begin"),
    ] {
        rig.faulty.once("GetObjectAttributes", Fault::reply(200, page("etag", 1, 1)));
        rig.faulty.once("GetObjectAttributes", Fault::reply(200, second));
        let error = list().unwrap_err();
        assert_eq!((error.kind(), error.key()), (kind, Some("k0")), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(list().unwrap().is_empty());
    rig.finish();
}
