//! Readers and writers of XML, compared with `roxmltree` and `quick-xml`.
use crate::parsers::{Element, PARSERS, by_roxmltree, seen_by_parsers};
use s3driver::sign::encode_component;
use s3driver::xml::{self, DeleteMode, Error, ErrorDocument, ListBucketResult, Part, Tag};
use std::fmt::Write as _;

/// No reader panics, each returns the same result twice, and `roxmltree` also refuses every
/// document that the readers refuse as not well-formed.
pub fn xml_readers(data: &[u8]) {
    fn twice<T: PartialEq + std::fmt::Debug>(data: &[u8], reader: fn(&[u8]) -> Result<T, Error>) {
        let first = reader(data);
        if let Err(error) = &first {
            let text = error.to_string();
            assert!(!text.is_empty() && !text.contains('\n'), "an error is one line: {text:?}");
        }
        assert_eq!(first, reader(data));
    }
    twice(data, xml::list_all_my_buckets_result);
    twice(data, xml::list_bucket_result);
    twice(data, xml::initiate_multipart_upload_result);
    twice(data, xml::complete_multipart_upload_result);
    twice(data, xml::copy_object_result);
    twice(data, xml::copy_part_result);
    twice(data, xml::list_parts_result);
    twice(data, xml::list_multipart_uploads_result);
    twice(data, xml::delete_result);
    twice(data, xml::list_versions_result);
    twice(data, xml::versioning_configuration);
    twice(data, xml::tagging);
    twice(data, xml::object_attributes);
    twice(data, xml::object_lock_configuration);
    twice(data, xml::object_retention);
    twice(data, xml::object_legal_hold);
    twice(data, xml::lifecycle_configuration);
    twice(data, xml::location_constraint);
    twice(data, xml::caller_identity);
    twice(data, xml::error_document);
    twice(data, |data| {
        xml::sts_credentials(data).map(|keys| format!("{keys:?}{:?}", *keys.session_token))
    });
    twice(data, |data| {
        xml::create_session_result(data).map(|keys| format!("{keys:?}{:?}", *keys.session_token))
    });

    if let Err(error) = xml::complete_multipart_upload_result(data)
        && error.message.starts_with("the document is not well-formed")
        && let Ok(text) = std::str::from_utf8(data)
    {
        assert_eq!(by_roxmltree(text), None, "{error}");
    }
}

/// An accepted listing equals what the parsers read, and does not change if it is written and read
/// again.
pub fn xml_listing(data: &[u8]) {
    let Ok(page) = xml::list_bucket_result(data) else { return };
    for root in seen_by_parsers(data) {
        seen_in_listing(&root, &page);
    }
    let written = written(&page);
    let again =
        xml::list_bucket_result(written.as_bytes()).expect("the written document can be read");
    // Times have their own target.
    let mut comparable = page;
    comparable.contents.iter_mut().for_each(|object| object.last_modified = None);
    assert_eq!(again, comparable, "{written}");
}

fn seen_in_listing(root: &Element, page: &ListBucketResult) {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    assert_eq!(some(root.text_of("NextContinuationToken")), page.next_continuation_token);
    assert_eq!(some(root.text_of("NextMarker")), page.next_marker);
    assert_eq!(root.children("Name").next().map(|name| &name.text), page.name.as_ref());
    assert_eq!(root.children("Prefix").next().map(|prefix| &prefix.text), page.prefix.as_ref());
    // An echoed parameter that occurs twice or contains elements is `None`.
    for (name, echo) in [
        ("Delimiter", &page.delimiter),
        ("ContinuationToken", &page.continuation_token),
        ("StartAfter", &page.start_after),
        ("Marker", &page.marker),
    ] {
        assert!(echo.is_none() || *echo == some(root.text_of(name)), "{name}");
    }
    for (name, count) in [("MaxKeys", page.max_keys), ("KeyCount", page.key_count)] {
        assert!(count.is_none() || count == root.word(name).parse().ok(), "{name}");
    }
    let truncated = some(root.word("IsTruncated")).map(|word| word.eq_ignore_ascii_case("true"));
    assert_eq!(truncated, page.is_truncated);

    let entries: Vec<_> = root.children("Contents").collect();
    assert_eq!(page.contents.len(), entries.len());
    for (object, entry) in page.contents.iter().zip(entries) {
        assert_eq!(entry.word("Size").parse(), Ok(object.size));
        assert_eq!(
            some(entry.word("StorageClass")),
            object.storage_class.as_deref().map(str::to_owned)
        );
        assert!(page.encoding_type.is_some() || object.key == entry.text_of("Key"));
    }
    let prefixes = root.children("CommonPrefixes").flat_map(|entry| entry.children("Prefix"));
    let prefixes: Vec<_> = prefixes.map(|prefix| &prefix.text).collect();
    assert_eq!(page.common_prefixes.len(), prefixes.len());
    assert!(page.encoding_type.is_some() || page.common_prefixes.iter().eq(prefixes));
}

fn written(page: &ListBucketResult) -> String {
    let key = |key: &str| match page.encoding_type {
        Some(_) => encode_component(key),
        None => escaped(key),
    };
    let mut out = String::from("<ListBucketResult>");
    let mut element = |name: &str, text: &str| {
        let _ = write!(out, "<{name}>{text}</{name}>");
    };
    if let Some(encoding) = &page.encoding_type {
        element("EncodingType", &escaped(encoding));
    }
    if let Some(truncated) = page.is_truncated {
        element("IsTruncated", &truncated.to_string());
    }
    for (name, text) in [
        ("Name", &page.name),
        ("Prefix", &page.prefix),
        ("Delimiter", &page.delimiter),
        ("ContinuationToken", &page.continuation_token),
        ("NextContinuationToken", &page.next_continuation_token),
        ("StartAfter", &page.start_after),
        ("Marker", &page.marker),
        ("NextMarker", &page.next_marker),
    ] {
        if let Some(text) = text {
            element(name, &escaped(text));
        }
    }
    for (name, count) in [("MaxKeys", page.max_keys), ("KeyCount", page.key_count)] {
        if let Some(count) = count {
            element(name, &count.to_string());
        }
    }
    for object in &page.contents {
        let mut entry = format!("<Key>{}</Key><Size>{}</Size>", key(&object.key), object.size);
        if let Some(etag) = &object.etag {
            let _ = write!(entry, "<ETag>&quot;{}&quot;</ETag>", escaped(etag));
        }
        if let Some(class) = &object.storage_class {
            let _ = write!(entry, "<StorageClass>{}</StorageClass>", escaped(class));
        }
        element("Contents", &entry);
    }
    for prefix in &page.common_prefixes {
        element("CommonPrefixes", &format!("<Prefix>{}</Prefix>", key(prefix)));
    }
    out.push_str("</ListBucketResult>");
    out
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

/// An accepted error document equals what the parsers read, and does not change if it is written
/// and read again.
pub fn error_document(data: &[u8]) {
    let Ok(document) = xml::error_document(data) else { return };
    for root in seen_by_parsers(data) {
        let error = if root.name == "Error" { Some(&root) } else { root.children("Error").next() };
        seen_in_error(error.expect("the error"), &document);
    }

    let mut written = String::from("<Error>");
    for (name, _, text) in fields(&document) {
        if let Some(text) = text {
            let _ = write!(written, "<{name}>{}</{name}>", escaped(text));
        }
    }
    written.push_str("</Error>");
    let again = xml::error_document(written.as_bytes()).expect("the written document can be read");
    assert_eq!(again, document, "{written}");
}

/// If two elements have the same name, the first one with a text that can be read counts.
fn seen_in_error(error: &Element, document: &ErrorDocument) {
    for (name, is_exact, text) in fields(document) {
        // An `ErrorResponse` may have the request's id outside of its `Error`.
        if name == "RequestId" {
            continue;
        }
        // The value of an argument that grants access, such as `Authorization`, is discarded, and
        // so is that of an unknown argument.
        const SECRET: [&str; 7] =
            ["authorization", "cookie", "signature", "token", "-key", "mfa", "credential"];
        let argument = document.argument_name.as_deref().unwrap_or_default().to_ascii_lowercase();
        if name == "ArgumentValue"
            && text.is_none()
            && (argument.is_empty() || SECRET.iter().any(|word| argument.contains(word)))
        {
            continue;
        }
        let text_of = |element: &'_ Element| match is_exact {
            true => element.text.clone(),
            false => element.text.trim_matches([' ', '\t', '\r', '\n']).to_owned(),
        };
        let first = |plain_only: bool| {
            let seen = error.children(name).filter(|element| !plain_only || element.is_plain());
            seen.map(text_of).find(|text| !text.is_empty())
        };
        // Text that the reader cannot read counts as missing.
        let seen = [first(false), first(true)];
        assert!(seen.iter().any(|seen| seen.as_deref() == text), "{name}: {seen:?} {text:?}");
    }
}

/// Every element that is kept: its name, whether white space around its text is kept, and the text.
fn fields(document: &ErrorDocument) -> [(&'static str, bool, Option<&str>); 30] {
    let steps = &document.steps;
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    [
        ("Code", false, some(&document.code)),
        ("Message", false, some(&document.message)),
        ("RequestId", false, document.request_id.as_deref()),
        ("HostId", false, document.host_id.as_deref()),
        ("Region", false, document.region.as_deref()),
        ("Endpoint", false, document.endpoint.as_deref()),
        ("Resource", false, document.resource.as_deref()),
        ("BucketName", false, document.bucket_name.as_deref()),
        ("Key", true, document.key.as_deref()),
        ("UploadId", true, document.upload_id.as_deref()),
        ("PartNumber", false, document.part_number.as_deref()),
        ("ArgumentName", false, document.argument_name.as_deref()),
        ("ArgumentValue", true, document.argument_value.as_deref()),
        ("Method", false, document.method.as_deref()),
        ("ResourceType", false, document.resource_type.as_deref()),
        ("Header", false, document.header.as_deref()),
        ("Condition", false, document.condition.as_deref()),
        ("RangeRequested", false, document.range_requested.as_deref()),
        ("ActualObjectSize", false, document.actual_object_size.as_deref()),
        ("ProposedSize", false, document.proposed_size.as_deref()),
        ("MinSizeAllowed", false, document.min_size_allowed.as_deref()),
        ("MaxSizeAllowed", false, document.max_size_allowed.as_deref()),
        ("RequestTime", false, document.request_time.as_deref()),
        ("ServerTime", false, document.server_time.as_deref()),
        ("MaxAllowedSkewMilliseconds", false, document.max_allowed_skew_milliseconds.as_deref()),
        ("Expires", false, document.expires.as_deref()),
        ("CanonicalRequest", true, steps.canonical_request.as_deref()),
        ("CanonicalRequestBytes", true, steps.canonical_request_bytes.as_deref()),
        ("StringToSign", true, steps.string_to_sign.as_deref()),
        ("StringToSignBytes", true, steps.string_to_sign_bytes.as_deref()),
    ]
}

/// The parsers read the texts that were passed to the writers.
pub fn xml_writers(data: &[u8]) {
    let lines = crate::lines(data);
    let keys: Vec<&str> = lines.iter().map(String::as_str).collect();
    for (_, parser) in PARSERS {
        for mode in [DeleteMode::Verbose, DeleteMode::Quiet] {
            let Ok(written) = xml::delete(&keys, mode) else { continue };
            let root = parser(&written).expect("well-formed");
            let read: Vec<String> =
                root.children("Object").map(|object| object.text_of("Key")).collect();
            assert_eq!(read, keys);
        }
        let parts: Vec<Part> = (1..).zip(&keys).map(|(n, etag)| Part::new(n, *etag, 1)).collect();
        if let Ok(written) = xml::complete_multipart_upload(&parts) {
            let root = parser(&written).expect("well-formed");
            assert_eq!(root.children("Part").count(), parts.len());
            for (part, Part { part_number, etag, .. }) in root.children("Part").zip(&parts) {
                assert_eq!(part.text_of("PartNumber"), part_number.to_string());
                let quoted = if etag.contains('"') { etag.clone() } else { format!("\"{etag}\"") };
                assert_eq!(part.text_of("ETag"), quoted);
            }
        }
        let tags: Vec<Tag> = keys.iter().map(|key| Tag::new(*key, *key)).collect();
        if let Ok(written) = xml::write_tagging(&tags) {
            let root = parser(&written).expect("well-formed");
            let set = root.children("TagSet").flat_map(|set| set.children("Tag"));
            let read: Vec<_> = set.map(|tag| (tag.text_of("Key"), tag.text_of("Value"))).collect();
            assert!(read.iter().all(|(key, value)| key == value));
            assert!(read.iter().map(|(key, _)| key).eq(&keys));
            assert_eq!(xml::tagging(written.as_bytes()).as_ref(), Ok(&tags));
        }
        if let Some(location) = keys.first()
            && let Ok(written) = xml::create_bucket_configuration(location)
        {
            let root = parser(&written).expect("well-formed");
            assert_eq!(root.text_of("LocationConstraint"), *location);
        }
    }
    for key in keys {
        assert_eq!(
            xml::can_carry(key),
            key.is_empty() || xml::delete(&[key], DeleteMode::Quiet).is_ok()
        );
    }
}
