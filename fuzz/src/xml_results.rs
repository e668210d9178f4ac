//! The readers of all documents except object listings and errors, compared with `roxmltree` and
//! with themselves.
use crate::xml::{children, escaped, independent, text_of};
use roxmltree::Node;
use s3driver::xml::{self, CopyResult, Part, Upload};
use std::fmt::Write as _;

/// An accepted document has the content that `roxmltree` sees, and survives being written and read
/// again.
pub fn xml_results(data: &[u8]) {
    let text = independent(data);
    // The readers also accept documents that `roxmltree` rejects as malformed, such as a prefix
    // without a namespace.
    let document = text.as_deref().and_then(|text| roxmltree::Document::parse(text).ok());
    let root = document.as_ref().map(roxmltree::Document::root_element);
    parts(data, root);
    uploads(data, root);
    deletions(data, root);
    completions(data, root);
    copies(data, root);
    credentials(data, root);
}

fn parts(data: &[u8], root: Option<Node<'_, '_>>) {
    let Ok(mut page) = xml::list_parts_result(data) else { return };
    if let Some(root) = root {
        let seen: Vec<_> = children(root, "Part").collect();
        assert_eq!(page.parts.len(), seen.len());
        for (part, node) in page.parts.iter().zip(seen) {
            assert_eq!(word(node, "PartNumber").parse(), Ok(part.part_number));
            assert_eq!(word(node, "Size").parse(), Ok(part.size));
            assert_eq!(bare(&word(node, "ETag")), part.etag);
        }
        assert_eq!(word(root, "NextPartNumberMarker").parse().ok(), page.next_part_number_marker);
        assert_eq!(truth(root), page.is_truncated);
        assert_eq!(some(word(root, "StorageClass")), page.storage_class);
    }
    // Times have their own target.
    page.parts.iter_mut().for_each(|part| part.last_modified = None);
    let entries = page.parts.iter().map(|Part { part_number, size, etag, .. }| {
        let fields = [
            ("PartNumber", part_number.to_string()),
            ("Size", size.to_string()),
            ("ETag", quoted(etag)),
        ];
        ("Part", fields.map(|(name, text)| element(name, &text)).concat())
    });
    let marker = page.next_part_number_marker.map(|marker| marker.to_string());
    let truncated = page.is_truncated.map(|truncated| truncated.to_string());
    let fields = [
        ("IsTruncated", truncated),
        ("NextPartNumberMarker", marker),
        ("StorageClass", page.storage_class.clone()),
    ];
    assert_eq!(
        xml::list_parts_result(written("ListPartsResult", fields, entries).as_bytes()).as_ref(),
        Ok(&page)
    );
}

fn uploads(data: &[u8], root: Option<Node<'_, '_>>) {
    let Ok(mut page) = xml::list_multipart_uploads_result(data) else { return };
    if let Some(root) = root
        && word(root, "EncodingType").is_empty()
    {
        let seen: Vec<_> = children(root, "Upload").collect();
        assert_eq!(page.uploads.len(), seen.len());
        for (upload, node) in page.uploads.iter().zip(seen) {
            assert_eq!(
                (text_of(node, "Key"), text_of(node, "UploadId")),
                (upload.key.clone(), upload.upload_id.clone())
            );
        }
        let prefixes = children(root, "CommonPrefixes")
            .flat_map(|entry| children(entry, "Prefix").collect::<Vec<_>>());
        assert!(prefixes.map(crate::xml::text).eq(page.common_prefixes.iter().cloned()));
        assert_eq!(some(text_of(root, "NextKeyMarker")), page.next_key_marker);
        assert_eq!(some(text_of(root, "NextUploadIdMarker")), page.next_upload_id_marker);
        assert_eq!(truth(root), page.is_truncated);
    }
    // Keys that were URL-encoded in the listing may contain characters that XML cannot represent
    // without that encoding.
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
        ("IsTruncated", page.is_truncated.map(|truncated| truncated.to_string())),
        ("NextKeyMarker", page.next_key_marker.clone()),
        ("NextUploadIdMarker", page.next_upload_id_marker.clone()),
    ];
    let text = written("ListMultipartUploadsResult", fields, uploads.chain(prefixes));
    assert_eq!(xml::list_multipart_uploads_result(text.as_bytes()).as_ref(), Ok(&page), "{text}");
}

fn deletions(data: &[u8], root: Option<Node<'_, '_>>) {
    let Ok(result) = xml::delete_result(data) else { return };
    if let Some(root) = root {
        assert!(
            children(root, "Deleted")
                .map(|node| text_of(node, "Key"))
                .eq(result.deleted.iter().cloned())
        );
        let errors = children(root, "Error")
            .map(|node| (text_of(node, "Key"), word(node, "Code"), word(node, "Message")));
        assert!(errors.eq(result.errors.iter().map(|e| (
            e.key.clone(),
            e.code.clone(),
            e.message.clone()
        ))));
    }
    let deleted = result.deleted.iter().map(|key| ("Deleted", element("Key", key)));
    let errors = result.errors.iter().map(|error| {
        (
            "Error",
            element("Key", &error.key)
                + &element("Code", &error.code)
                + &element("Message", &error.message),
        )
    });
    let text = written("DeleteResult", [], deleted.chain(errors));
    assert_eq!(xml::delete_result(text.as_bytes()).as_ref(), Ok(&result), "{text}");
}

fn completions(data: &[u8], root: Option<Node<'_, '_>>) {
    if let Ok(begun) = xml::initiate_multipart_upload_result(data) {
        if let Some(root) = root {
            assert_eq!(text_of(root, "UploadId"), begun.upload_id);
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
        if let Some(root) = root {
            assert_eq!(some(bare(&word(root, "ETag"))), result.etag);
            assert_eq!(some(word(root, "Location")), result.location);
            assert_eq!(some(word(root, "ChecksumCRC64NVME")), result.checksum_crc64nvme);
        }
        let fields = [
            ("ETag", Some(quoted(result.etag.as_deref().unwrap_or_default()))),
            ("Bucket", result.bucket.clone()),
            ("Key", result.key.clone()),
            ("Location", result.location.clone()),
            ("ChecksumCRC64NVME", result.checksum_crc64nvme.clone()),
        ];
        let text = written("CompleteMultipartUploadResult", fields, []);
        assert_eq!(xml::complete_multipart_upload_result(text.as_bytes()), Ok(result), "{text}");
    }
}

fn copies(data: &[u8], root: Option<Node<'_, '_>>) {
    type Reader = fn(&[u8]) -> Result<CopyResult, xml::Error>;
    let readers: [(&str, Reader); 2] =
        [("CopyObjectResult", xml::copy_object_result), ("CopyPartResult", xml::copy_part_result)];
    for (name, reader) in readers {
        let Ok(copied) = reader(data) else { continue };
        let mut copied = copied;
        copied.last_modified = None;
        if let Some(root) = root {
            assert_eq!(bare(&word(root, "ETag")), copied.etag);
            assert_eq!(some(word(root, "ChecksumCRC64NVME")), copied.checksum_crc64nvme);
        }
        let fields = [
            ("ETag", Some(quoted(&copied.etag))),
            ("ChecksumCRC64NVME", copied.checksum_crc64nvme.clone()),
        ];
        assert_eq!(reader(written(name, fields, []).as_bytes()), Ok(copied));
    }
}

fn credentials(data: &[u8], root: Option<Node<'_, '_>>) {
    let Ok(keys) = xml::sts_credentials(data) else { return };
    assert!(!format!("{keys:?}").contains("secret_access_key"));
    if let Some(root) = root {
        let results = ["AssumeRoleWithWebIdentityResult", "AssumeRoleResult"]
            .map(|name| children(root, name));
        let node =
            results.into_iter().flatten().find_map(|node| children(node, "Credentials").next());
        let node = node.expect("the credentials");
        assert_eq!(word(node, "AccessKeyId"), keys.access_key_id);
        assert_eq!(word(node, "SecretAccessKey"), *keys.secret_access_key);
        assert_eq!(word(node, "SessionToken"), *keys.session_token);
    }
}

/// Returns a document of fields, followed by entries that are already written as XML.
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

fn word(node: Node<'_, '_>, name: &'static str) -> String {
    text_of(node, name).trim_matches([' ', '\t', '\r', '\n']).to_owned()
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn truth(root: Node<'_, '_>) -> Option<bool> {
    some(word(root, "IsTruncated")).map(|word| word.eq_ignore_ascii_case("true"))
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn bare(etag: &str) -> String {
    etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(etag).to_owned()
}
