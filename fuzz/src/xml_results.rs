//! Compares the readers of everything but listings of objects and errors with `roxmltree`,
//! `quick-xml` and themselves.
use crate::parsers::{Element, seen_by_parsers};
use crate::xml::escaped;
use s3driver::xml::{self, CopyResult, Part, StoredChecksum, Upload, VersionKind};
use std::fmt::Write as _;

/// An accepted document equals what the parsers read, and does not change if it is written and read
/// again.
pub fn xml_results(data: &[u8]) {
    // The readers also accept documents that a parser refuses, such as a prefix without a
    // namespace.
    let seen = seen_by_parsers(data);
    buckets(data, &seen);
    parts(data, &seen);
    uploads(data, &seen);
    deletions(data, &seen);
    versions(data, &seen);
    completions(data, &seen);
    copies(data, &seen);
    attributes(data, &seen);
    locks(data, &seen);
    credentials(data, &seen);
}

fn buckets(data: &[u8], seen: &[Element]) {
    let Ok(mut page) = xml::list_all_my_buckets_result(data) else { return };
    for root in seen {
        let entries = root.children("Buckets").flat_map(|buckets| buckets.children("Bucket"));
        let names: Vec<String> = entries.map(|bucket| bucket.text_of("Name")).collect();
        assert!(names.iter().eq(page.buckets.iter().map(|bucket| &bucket.name)));
        assert_eq!(some(root.text_of("ContinuationToken")), page.continuation_token);
        if let Some(id) = page.owner.as_ref().and_then(|owner| owner.id.as_ref()) {
            assert_eq!(
                root.children("Owner").next().map(|owner| owner.word("ID")).as_ref(),
                Some(id)
            );
        }
    }
    page.buckets.iter_mut().for_each(|bucket| bucket.creation_date = None);
    let buckets = page.buckets.iter().map(|bucket| {
        let region = bucket.region.iter().map(|region| element("BucketRegion", region));
        format!("<Bucket>{}{}</Bucket>", element("Name", &bucket.name), region.collect::<String>())
    });
    let owner = page.owner.iter().map(|owner| {
        let id = owner.id.iter().map(|id| element("ID", id));
        let name = owner.display_name.iter().map(|name| element("DisplayName", name));
        ("Owner", id.chain(name).collect::<String>())
    });
    let fields =
        [("Prefix", page.prefix.clone()), ("ContinuationToken", page.continuation_token.clone())];
    let text =
        written("ListAllMyBucketsResult", fields, owner.chain([("Buckets", buckets.collect())]));
    assert_eq!(xml::list_all_my_buckets_result(text.as_bytes()).as_ref(), Ok(&page), "{text}");
}

fn parts(data: &[u8], seen: &[Element]) {
    let Ok(mut page) = xml::list_parts_result(data) else { return };
    for root in seen {
        let entries: Vec<_> = root.children("Part").collect();
        assert_eq!(page.parts.len(), entries.len());
        for (part, entry) in page.parts.iter().zip(entries) {
            assert_eq!(entry.word("PartNumber").parse(), Ok(part.part_number));
            assert_eq!(entry.word("Size").parse(), Ok(part.size));
            assert_eq!(bare(&entry.word("ETag")), part.etag);
            seen_in_checksums(entry, part.checksum.as_slice());
        }
        assert_eq!(root.word("NextPartNumberMarker").parse().ok(), page.next_part_number_marker);
        assert_eq!(truth(root), page.is_truncated);
        assert!(
            page.storage_class.is_none() || some(root.word("StorageClass")) == page.storage_class
        );
        assert!(page.max_parts.is_none() || root.word("MaxParts").parse().ok() == page.max_parts);
    }
    // Times have their own target.
    page.parts.iter_mut().for_each(|part| part.last_modified = None);
    // Without a stated type, that of each part depends on its algorithm.
    let mut types =
        page.parts.iter().filter_map(|part| Some(part.checksum.as_ref()?.checksum_type));
    let first = types.next();
    let checksum_type = first.filter(|first| types.all(|other| other == *first));
    let entries = page.parts.iter().map(|Part { part_number, size, etag, checksum, .. }| {
        let fields = [
            ("PartNumber", part_number.to_string()),
            ("Size", size.to_string()),
            ("ETag", quoted(etag)),
        ];
        let sums = checksum_elements(checksum.as_slice());
        let sums = sums.iter().map(|(name, text)| format!("<{name}>{text}</{name}>"));
        let fields = fields.map(|(name, text)| element(name, &text)).concat();
        ("Part", fields + &sums.collect::<String>())
    });
    let fields = [
        ("Bucket", page.bucket.clone()),
        ("Key", page.key.clone()),
        ("UploadId", page.upload_id.clone()),
        ("MaxParts", page.max_parts.map(|count| count.to_string())),
        ("IsTruncated", page.is_truncated.map(|truncated| truncated.to_string())),
        ("PartNumberMarker", page.part_number_marker.map(|marker| marker.to_string())),
        ("NextPartNumberMarker", page.next_part_number_marker.map(|marker| marker.to_string())),
        ("StorageClass", page.storage_class.clone()),
        ("ChecksumType", checksum_type.map(|stated| stated.as_str().to_owned())),
    ];
    let text = written("ListPartsResult", fields, entries);
    assert_eq!(xml::list_parts_result(text.as_bytes()).as_ref(), Ok(&page), "{text}");
}

fn uploads(data: &[u8], seen: &[Element]) {
    let Ok(mut page) = xml::list_multipart_uploads_result(data) else { return };
    for root in seen {
        let entries: Vec<_> = root.children("Upload").collect();
        assert_eq!(page.uploads.len(), entries.len());
        for (upload, entry) in page.uploads.iter().zip(entries) {
            assert_eq!(entry.text_of("UploadId"), upload.upload_id);
            assert!(page.encoding_type.is_some() || entry.text_of("Key") == upload.key);
        }
        let prefixes = root.children("CommonPrefixes").flat_map(|entry| entry.children("Prefix"));
        let prefixes: Vec<_> = prefixes.map(|prefix| &prefix.text).collect();
        assert_eq!(prefixes.len(), page.common_prefixes.len());
        assert!(page.encoding_type.is_some() || prefixes.into_iter().eq(&page.common_prefixes));
        assert_eq!(some(root.text_of("NextKeyMarker")), page.next_key_marker);
        assert_eq!(some(root.text_of("NextUploadIdMarker")), page.next_upload_id_marker);
        assert_eq!(truth(root), page.is_truncated);
        assert!(page.key_marker.is_none() || some(root.text_of("KeyMarker")) == page.key_marker);
    }
    // Keys that were URL-encoded in the listing may contain characters that XML cannot represent
    // without that encoding.
    page.encoding_type = None;
    page.uploads.retain(|upload| xml::can_carry(&upload.key));
    page.common_prefixes.retain(|prefix| xml::can_carry(prefix));
    page.uploads.iter_mut().for_each(|upload| upload.initiated = None);
    let uploads = page.uploads.iter().map(|Upload { key, upload_id, storage_class, .. }| {
        let class = storage_class.iter().map(|class| element("StorageClass", class));
        (
            "Upload",
            element("Key", key) + &element("UploadId", upload_id) + &class.collect::<String>(),
        )
    });
    let prefixes =
        page.common_prefixes.iter().map(|prefix| ("CommonPrefixes", element("Prefix", prefix)));
    let fields = [
        ("Bucket", page.bucket.clone()),
        ("Prefix", page.prefix.clone()),
        ("Delimiter", page.delimiter.clone()),
        ("MaxUploads", page.max_uploads.map(|count| count.to_string())),
        ("IsTruncated", page.is_truncated.map(|truncated| truncated.to_string())),
        ("KeyMarker", page.key_marker.clone()),
        ("UploadIdMarker", page.upload_id_marker.clone()),
        ("NextKeyMarker", page.next_key_marker.clone()),
        ("NextUploadIdMarker", page.next_upload_id_marker.clone()),
    ];
    let text = written("ListMultipartUploadsResult", fields, uploads.chain(prefixes));
    assert_eq!(xml::list_multipart_uploads_result(text.as_bytes()).as_ref(), Ok(&page), "{text}");
}

fn deletions(data: &[u8], seen: &[Element]) {
    let Ok(result) = xml::delete_result(data) else { return };
    for root in seen {
        assert!(
            root.children("Deleted")
                .map(|entry| (entry.text_of("Key"), entry.text_of("VersionId")))
                .eq(result.deleted.iter().map(|deleted| (
                    deleted.key.clone(),
                    deleted.version_id.clone().unwrap_or_default()
                )))
        );
        let errors = root
            .children("Error")
            .map(|entry| (entry.text_of("Key"), entry.word("Code"), entry.word("Message")));
        assert!(errors.eq(result.errors.iter().map(|e| (
            e.key.clone(),
            e.code.clone(),
            e.message.clone()
        ))));
    }
    let deleted = result.deleted.iter().map(|deleted| {
        let marker = deleted.delete_marker.then(|| element("DeleteMarker", "true"));
        let version = deleted.version_id.as_ref().map(|id| element("VersionId", id));
        let of_marker = deleted.delete_marker_version_id.as_ref();
        let of_marker = of_marker.map(|id| element("DeleteMarkerVersionId", id));
        let parts = [Some(element("Key", &deleted.key)), version, marker, of_marker];
        ("Deleted", parts.into_iter().flatten().collect::<String>())
    });
    let errors = result.errors.iter().map(|error| {
        (
            "Error",
            element("Key", &error.key)
                + &error.version_id.as_ref().map_or(String::new(), |id| element("VersionId", id))
                + &element("Code", &error.code)
                + &element("Message", &error.message),
        )
    });
    let text = written("DeleteResult", [], deleted.chain(errors));
    assert_eq!(xml::delete_result(text.as_bytes()).as_ref(), Ok(&result), "{text}");
}

fn versions(data: &[u8], seen: &[Element]) {
    let Ok(mut page) = xml::list_versions_result(data) else { return };
    for root in seen {
        for (name, kind) in
            [("Version", VersionKind::Object), ("DeleteMarker", VersionKind::DeleteMarker)]
        {
            let entries = root.children(name).map(|entry| entry.text_of("VersionId"));
            let of_kind = page.versions.iter().filter(|version| version.kind == kind);
            assert!(entries.eq(of_kind.map(|version| version.version_id.clone())));
        }
    }
    // As in a list of uploads.
    page.encoding_type = None;
    page.versions.retain(|version| xml::can_carry(&version.key));
    page.common_prefixes.retain(|prefix| xml::can_carry(prefix));
    page.versions.iter_mut().for_each(|version| version.last_modified = None);
    let versions = page.versions.iter().map(|version| {
        let mut text = element("Key", &version.key)
            + &element("VersionId", &version.version_id)
            + &element("IsLatest", &version.is_latest.to_string());
        let class = version.storage_class.as_ref();
        text += &class.map_or(String::new(), |class| element("StorageClass", class));
        if version.kind == VersionKind::DeleteMarker {
            return ("DeleteMarker", text);
        }
        text += &element("Size", &version.size.to_string());
        let etag = version.etag.as_ref();
        text += &etag.map_or(String::new(), |etag| element("ETag", &quoted(etag)));
        ("Version", text)
    });
    let prefixes =
        page.common_prefixes.iter().map(|prefix| ("CommonPrefixes", element("Prefix", prefix)));
    let fields = [
        ("Name", page.name.clone()),
        ("Prefix", page.prefix.clone()),
        ("Delimiter", page.delimiter.clone()),
        ("MaxKeys", page.max_keys.map(|count| count.to_string())),
        ("IsTruncated", page.is_truncated.map(|truncated| truncated.to_string())),
        ("KeyMarker", page.key_marker.clone()),
        ("VersionIdMarker", page.version_id_marker.clone()),
        ("NextKeyMarker", page.next_key_marker.clone()),
        ("NextVersionIdMarker", page.next_version_id_marker.clone()),
    ];
    let text = written("ListVersionsResult", fields, versions.chain(prefixes));
    assert_eq!(xml::list_versions_result(text.as_bytes()).as_ref(), Ok(&page), "{text}");
}

fn completions(data: &[u8], seen: &[Element]) {
    if let Ok(begun) = xml::initiate_multipart_upload_result(data) {
        for root in seen {
            assert_eq!(root.text_of("UploadId"), begun.upload_id);
        }
        let fields = [
            ("UploadId", Some(begun.upload_id.clone())),
            ("Bucket", begun.bucket.clone()),
            ("Key", begun.key.clone()),
        ];
        let text = written("InitiateMultipartUploadResult", fields, []);
        assert_eq!(xml::initiate_multipart_upload_result(text.as_bytes()), Ok(begun));
    }
    if let Ok(result) = xml::complete_multipart_upload_result(data) {
        // A field that occurs twice or contains elements is `None`.
        for root in seen {
            assert!(result.etag.is_none() || some(bare(&root.word("ETag"))) == result.etag);
            assert!(result.location.is_none() || some(root.word("Location")) == result.location);
            seen_in_checksums(root, &result.checksums);
        }
        let fields = [
            ("ETag", Some(quoted(result.etag.as_deref().unwrap_or_default()))),
            ("Bucket", result.bucket.clone()),
            ("Key", result.key.clone()),
            ("Location", result.location.clone()),
        ];
        let text =
            written("CompleteMultipartUploadResult", fields, checksum_elements(&result.checksums));
        assert_eq!(xml::complete_multipart_upload_result(text.as_bytes()), Ok(result), "{text}");
    }
}

fn copies(data: &[u8], seen: &[Element]) {
    type Reader = fn(&[u8]) -> Result<CopyResult, xml::Error>;
    let readers: [(&str, Reader); 2] =
        [("CopyObjectResult", xml::copy_object_result), ("CopyPartResult", xml::copy_part_result)];
    for (name, reader) in readers {
        let Ok(mut copied) = reader(data) else { continue };
        copied.last_modified = None;
        for root in seen {
            assert_eq!(bare(&root.word("ETag")), copied.etag);
            seen_in_checksums(root, &copied.checksums);
        }
        let fields = [("ETag", Some(quoted(&copied.etag)))];
        let text = written(name, fields, checksum_elements(&copied.checksums));
        assert_eq!(reader(text.as_bytes()), Ok(copied));
    }
}

fn attributes(data: &[u8], seen: &[Element]) {
    let Ok(object) = xml::object_attributes(data) else { return };
    let parts = object.parts.as_ref();
    for root in seen {
        assert!(object.etag.is_none() || some(bare(&root.word("ETag"))) == object.etag);
        assert_eq!(root.word("ObjectSize").parse().ok(), object.size);
        let entries: Vec<_> =
            root.children("ObjectParts").flat_map(|page| page.children("Part")).collect();
        assert_eq!(entries.len(), parts.map_or(0, |page| page.parts.len()));
        for (part, entry) in parts.iter().flat_map(|page| &page.parts).zip(entries) {
            assert_eq!(entry.word("PartNumber").parse(), Ok(part.part_number));
            assert_eq!(entry.word("Size").parse(), Ok(part.size));
            seen_in_checksums(entry, part.checksum.as_slice());
        }
    }

    // The type of the parts' checksums is that of the object's.
    let checksum = |sums| {
        checksum_elements(sums).into_iter().map(|(name, text)| format!("<{name}>{text}</{name}>"))
    };
    let fields = [
        ("ETag", object.etag.as_deref().map(quoted)),
        ("ObjectSize", object.size.map(|size| size.to_string())),
        ("StorageClass", object.storage_class.clone()),
    ];
    let page = parts.map(|page| {
        let entries = page.parts.iter().map(|part| {
            let number = element("PartNumber", &part.part_number.to_string());
            let size = element("Size", &part.size.to_string());
            let sum: String = checksum(part.checksum.as_slice()).collect();
            format!("<Part>{number}{size}{sum}</Part>")
        });
        let fields = [
            ("PartsCount", page.total.map(|count| count.to_string())),
            ("MaxParts", page.max_parts.map(|count| count.to_string())),
            ("IsTruncated", page.is_truncated.map(|truncated| truncated.to_string())),
            ("NextPartNumberMarker", page.next_part_number_marker.map(|marker| marker.to_string())),
        ];
        let fields = fields.into_iter().filter_map(|(name, text)| Some(element(name, &text?)));
        ("ObjectParts", fields.chain(entries).collect::<String>())
    });
    let sums: String = checksum(&object.checksums).collect();
    let entries = page.into_iter().chain([("Checksum", sums)]);
    let text = written("GetObjectAttributesResponse", fields, entries);
    assert_eq!(xml::object_attributes(text.as_bytes()), Ok(object), "{text}");
}

fn locks(data: &[u8], seen: &[Element]) {
    if let Ok(Some(configuration)) = xml::object_lock_configuration(data)
        && let Ok(written) = xml::write_object_lock_configuration(&configuration)
    {
        for root in seen {
            assert_eq!(root.word("ObjectLockEnabled"), "Enabled");
        }
        let again = xml::object_lock_configuration(written.as_bytes());
        assert_eq!(again, Ok(Some(configuration)));
    }
    if let Ok(Some(retention)) = xml::object_retention(data) {
        for root in seen {
            assert_eq!(root.word("Mode"), retention.mode.as_str());
        }
        // Times have their own target.
        let written = xml::write_object_retention(Some(&retention));
        let again = xml::object_retention(written.as_bytes()).expect("a retention");
        assert_eq!(again.map(|again| again.mode), Some(retention.mode));
    }
    if let Ok(hold) = xml::object_legal_hold(data) {
        for root in seen {
            assert_eq!(root.word("Status") == "ON", hold.as_str() == "ON");
        }
        let written = xml::write_object_legal_hold(hold);
        assert_eq!(xml::object_legal_hold(written.as_bytes()), Ok(hold));
    }
}

/// The parsers read the checksums; one that occurs twice or contains elements is left out.
fn seen_in_checksums(element: &Element, checksums: &[StoredChecksum]) {
    for checksum in checksums {
        let name = format!("Checksum{}", checksum.algorithm.as_str());
        assert_eq!(element.word(&name), checksum.value, "{name}");
    }
}

/// Returns the elements of checksums, and of the type that all of them have.
fn checksum_elements(checksums: &[StoredChecksum]) -> Vec<(&'static str, String)> {
    let element = |checksum: &StoredChecksum| {
        let name = match checksum.algorithm.as_str() {
            "CRC32" => "ChecksumCRC32",
            "CRC32C" => "ChecksumCRC32C",
            "CRC64NVME" => "ChecksumCRC64NVME",
            "SHA1" => "ChecksumSHA1",
            _ => "ChecksumSHA256",
        };
        (name, escaped(&checksum.value))
    };
    let mut elements: Vec<_> = checksums.iter().map(element).collect();
    let mut types = checksums.iter().map(|checksum| checksum.checksum_type);
    if let Some(first) = types.next()
        && types.all(|other| other == first)
    {
        elements.push(("ChecksumType", first.as_str().to_owned()));
    }
    elements
}

fn credentials(data: &[u8], seen: &[Element]) {
    let Ok(keys) = xml::sts_credentials(data) else { return };
    assert!(!format!("{keys:?}").contains("secret_access_key"));
    for root in seen {
        let results =
            ["AssumeRoleWithWebIdentityResult", "AssumeRoleResult"].map(|name| root.children(name));
        let found =
            results.into_iter().flatten().find_map(|result| result.children("Credentials").next());
        let found = found.expect("the credentials");
        assert_eq!(found.word("AccessKeyId"), keys.access_key_id);
        assert_eq!(found.word("SecretAccessKey"), *keys.secret_access_key);
        assert_eq!(found.word("SessionToken"), *keys.session_token);
    }
}

/// A document of fields and entries, the latter already written.
fn written<'a, const N: usize>(
    root: &str,
    fields: [(&str, Option<String>); N],
    entries: impl IntoIterator<Item = (&'a str, String)>,
) -> String {
    let mut out = format!("<{root}>");
    for (name, text) in fields {
        out.extend(text.map(|text| element(name, &text)));
    }
    for (name, content) in entries {
        let _ = write!(out, "<{name}>{content}</{name}>");
    }
    out + &format!("</{root}>")
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(text))
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn truth(root: &Element) -> Option<bool> {
    some(root.word("IsTruncated")).map(|word| word.eq_ignore_ascii_case("true"))
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn bare(etag: &str) -> String {
    etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(etag).to_owned()
}
