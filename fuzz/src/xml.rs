//! Readers and writers of XML, compared with `roxmltree`.
use roxmltree::Node;
use s3driver::sign::encode_component;
use s3driver::xml::{self, DeleteMode, Error, ErrorDocument, ListBucketResult};
use std::fmt::Write as _;

/// No reader panics, and each returns the same result twice.
pub fn xml_readers(data: &[u8]) {
    fn twice<T: PartialEq + std::fmt::Debug>(data: &[u8], reader: fn(&[u8]) -> Result<T, Error>) {
        let first = reader(data);
        if let Err(error) = &first {
            let text = error.to_string();
            assert!(!text.is_empty() && !text.contains('\n'), "an error is one line: {text:?}");
        }
        assert_eq!(first, reader(data));
    }
    twice(data, xml::list_bucket_result);
    twice(data, xml::initiate_multipart_upload_result);
    twice(data, xml::complete_multipart_upload_result);
    twice(data, xml::copy_object_result);
    twice(data, xml::copy_part_result);
    twice(data, xml::list_parts_result);
    twice(data, xml::list_multipart_uploads_result);
    twice(data, xml::delete_result);
    twice(data, xml::location_constraint);
    twice(data, xml::error_document);
    twice(data, |data| {
        xml::sts_credentials(data).map(|keys| format!("{keys:?}{:?}", *keys.session_token))
    });
}

/// An accepted listing has the keys that `roxmltree` sees, and survives being written and read
/// again.
pub fn xml_listing(data: &[u8]) {
    let Ok(page) = xml::list_bucket_result(data) else { return };
    if page.encoding_type.is_none()
        && let Some(document) = independent(data)
        && let Ok(document) = roxmltree::Document::parse(&document)
    {
        let expected: Vec<(String, String)> = children(document.root_element(), "Contents")
            .map(|entry| (text_of(entry, "Key"), text_of(entry, "Size").trim().to_owned()))
            .collect();
        assert_eq!(page.contents.len(), expected.len());
        for (object, (key, size)) in page.contents.iter().zip(&expected) {
            assert_eq!(&object.key, key);
            assert_eq!(size.parse(), Ok(object.size));
        }
        let prefixes: Vec<String> = children(document.root_element(), "CommonPrefixes")
            .flat_map(|entry| children(entry, "Prefix").map(text).collect::<Vec<_>>())
            .collect();
        assert_eq!(page.common_prefixes, prefixes);
    }
    let written = written(&page);
    let again =
        xml::list_bucket_result(written.as_bytes()).expect("the written document can be read");
    // Times have their own target.
    let mut comparable = page;
    (comparable.name, comparable.prefix, comparable.next_marker) = (None, None, None);
    comparable.contents.iter_mut().for_each(|object| object.last_modified = None);
    assert_eq!(again, comparable, "{written}");
}

/// Returns the text without a byte order mark, and without the white space that S3 sends before the
/// XML declaration.
pub(crate) fn independent(data: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.trim_start_matches('\u{feff}').trim_start().to_owned())
}

pub(crate) fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

pub(crate) fn text(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|child| child.text()).collect()
}

pub(crate) fn text_of(node: Node<'_, '_>, name: &'static str) -> String {
    children(node, name).map(text).collect()
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
    if let Some(token) = &page.next_continuation_token {
        element("NextContinuationToken", &escaped(token));
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

/// An accepted error document survives being written and read again, and does not reveal what was
/// signed.
pub fn error_document(data: &[u8]) {
    let Ok(document) = xml::error_document(data) else { return };
    let mut written = String::from("<Error>");
    {
        let ErrorDocument { code, message, request_id, region, key, steps, .. } = &document;
        let mut element = |name: &str, text: Option<&str>| {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                let _ = write!(written, "<{name}>{}</{name}>", escaped(text));
            }
        };
        element("Code", Some(code));
        element("Message", Some(message));
        element("RequestId", request_id.as_deref());
        element("Region", region.as_deref());
        element("Key", key.as_deref());
        element("CanonicalRequest", steps.canonical_request.as_deref());
        element("StringToSign", steps.string_to_sign.as_deref());
    }
    written.push_str("</Error>");
    let again = xml::error_document(written.as_bytes()).expect("the written document can be read");
    for (first, second) in [
        (Some(&document.code), Some(&again.code)),
        (Some(&document.message), Some(&again.message)),
        (document.request_id.as_ref(), again.request_id.as_ref()),
        (document.region.as_ref(), again.region.as_ref()),
        (document.key.as_ref(), again.key.as_ref()),
        (document.steps.canonical_request.as_ref(), again.steps.canonical_request.as_ref()),
        (document.steps.string_to_sign.as_ref(), again.steps.string_to_sign.as_ref()),
    ] {
        assert_eq!(first, second, "{written}");
    }
}

/// `roxmltree` reads from a written document exactly what the writer was given.
pub fn xml_writers(data: &[u8]) {
    let lines = crate::lines(data);
    let keys: Vec<&str> = lines.iter().map(String::as_str).collect();
    for mode in [DeleteMode::Verbose, DeleteMode::Quiet] {
        let Ok(written) = xml::delete(&keys, mode) else { continue };
        let document = roxmltree::Document::parse(&written).expect("well-formed");
        let read: Vec<String> = children(document.root_element(), "Object")
            .map(|object| text_of(object, "Key"))
            .collect();
        assert_eq!(read, keys);
    }
    let parts: Vec<(u32, &str)> = (1..).zip(keys.iter().copied()).collect();
    if let Ok(written) = xml::complete_multipart_upload(&parts) {
        let document = roxmltree::Document::parse(&written).expect("well-formed");
        for (part, (number, etag)) in children(document.root_element(), "Part").zip(&parts) {
            assert_eq!(text_of(part, "PartNumber"), number.to_string());
            let quoted =
                if etag.contains('"') { (*etag).to_owned() } else { format!("\"{etag}\"") };
            assert_eq!(text_of(part, "ETag"), quoted);
        }
    }
    if let Some(location) = keys.first()
        && let Ok(written) = xml::create_bucket_configuration(location)
    {
        let document = roxmltree::Document::parse(&written).expect("well-formed");
        assert_eq!(text_of(document.root_element(), "LocationConstraint"), *location);
    }
    for key in keys {
        assert_eq!(
            xml::can_carry(key),
            key.is_empty() || xml::delete(&[key], DeleteMode::Quiet).is_ok()
        );
    }
}
