//! The root of a response, which is the expected document or an error in its place.
use super::reader::{Document, Event};
use super::{Error, ErrorDocument, MAX_REPLY_BYTES, value};
use crate::text::{is_secret_name, shown};

/// The roots of error documents: that of S3, and that of STS, which contains an `Error` like S3's.
const ERROR_ROOTS: &[&str] = &["Error", "ErrorResponse"];

/// The endings that servers use for roots whose names end in `Result` in AWS's documentation.
const ENDINGS: &[&str] = &["Result", "Response", "Output"];

/// Reads `body`, whose root must be one of `roots`, possibly with [a different ending](named).
/// `read` is called just after the root was opened, and must consume it up to its end.
///
/// If the root is `Error` (or `ErrorResponse` of STS) instead, the error is read and returned in
/// [`Error::document`]. So is an `Error` directly below the root, unless `read` expects it.
pub(super) fn parse<'a, T>(
    body: &'a [u8],
    max_bytes: usize,
    roots: &[&str],
    read: impl FnOnce(&mut Document<'a>, &str) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut document = Document::new(body, max_bytes)?;
    let Event::Open(root) = document.next()? else {
        return Err(document.fail("the document has no root element"));
    };
    let root_at = document.at;
    let result = if roots.iter().any(|name| named(root, name)) {
        read(&mut document, root).map(Ok)
    } else if ERROR_ROOTS.contains(&root) {
        error_root(&mut document, root).map(Err)
    } else {
        let message =
            format!("the root element is <{}>, not <{}>", shown(root), roots.join("> or <"));
        return Err(document.fail(message));
    };

    if let Some(at) = document.error_at {
        return Err(reported(error(&mut document)?, at));
    }
    let outcome = result?;
    document.finish()?;
    outcome.map_err(|found| reported(found, root_at))
}

/// Returns whether `root` is `name`, or differs from it only in its [ending](ENDINGS).
fn named(root: &str, name: &str) -> bool {
    let stem = |text| ENDINGS.iter().find_map(|ending| str::strip_suffix(text, ending));
    root == name || stem(root).is_some_and(|root| stem(name) == Some(root))
}

/// Returns whether a response states neither the result nor a failure: it is empty, or a complete
/// document that is neither an error document nor an HTML page. The caller has to find out whether
/// the operation took effect.
///
/// ```
/// use s3driver::xml;
///
/// assert!(xml::says_nothing(b"") && xml::says_nothing(b"<CopyObjectResult/>"));
/// assert!(!xml::says_nothing(b"<Error><Code>SlowDown</Code></Error>"));
/// assert!(!xml::says_nothing(b"<html><body>502 Bad Gateway</body></html>"));
/// ```
pub fn says_nothing(body: &[u8]) -> bool {
    if body.trim_ascii().is_empty() {
        return true;
    }
    let whole = || {
        let mut document = Document::new(body, MAX_REPLY_BYTES)?;
        let Event::Open(root) = document.next()? else {
            return Err(document.fail("the document has no root element"));
        };
        document.children(Document::unknown)?;
        document.finish().map(|()| root)
    };
    whole().is_ok_and(|root| !ERROR_ROOTS.contains(&root) && !root.eq_ignore_ascii_case("html"))
}

/// Reads an error document of S3 or STS, at most [`MAX_REPLY_BYTES`] of it.
///
/// - Required: the root `Error`, or `ErrorResponse` with an `Error` in it.
/// - Optional: every element. If an element occurs twice, the first one counts, and one whose text
///   cannot be read counts as missing, because a poor description of an error is better than none.
/// - Refused: everything else, such as the HTML of a proxy or JSON.
///
/// ```
/// use s3driver::xml;
///
/// let error = xml::error_document(
///     b"<Error><Code>InvalidRange</Code><Message>The requested range is not satisfiable</Message>
///       <RangeRequested>bytes=10-</RangeRequested><ActualObjectSize>7</ActualObjectSize></Error>",
/// )?;
/// assert_eq!(error.code, "InvalidRange");
/// assert_eq!(error.range_requested.as_deref(), Some("bytes=10-"));
/// assert_eq!(error.actual_object_size.as_deref(), Some("7"));
///
/// assert!(xml::error_document(b"<html><body>502 Bad Gateway</body></html>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn error_document(body: &[u8]) -> Result<ErrorDocument, Error> {
    parse(body, MAX_REPLY_BYTES, ERROR_ROOTS, error_root)
}

/// Reads the rest of the element `root`, one of [`ERROR_ROOTS`].
fn error_root(document: &mut Document<'_>, root: &str) -> Result<ErrorDocument, Error> {
    if root == "Error" {
        return error(document);
    }
    let mut found = None;
    let mut request_id = None;
    document.children(|document, child| match child {
        "Error" => error(document).map(|error| found = found.take().or(Some(error))),
        "RequestId" | "RequestID" => first(document, &mut request_id, value::word),
        _ => document.unknown(child),
    })?;

    let mut found = document.require(found, "ErrorResponse", "Error")?;
    found.request_id = found.request_id.or(request_id);
    Ok(found)
}

/// Reads the rest of an `Error` element. Keys, arguments and the steps of the signature are kept as
/// they are; other texts are trimmed.
fn error(document: &mut Document<'_>) -> Result<ErrorDocument, Error> {
    let mut found = ErrorDocument::default();
    let (mut code, mut message) = (None, None);
    document.children(|document, child| {
        let (slot, read): (_, Read) = match child {
            "Code" => (&mut code, value::word),
            "Message" => (&mut message, value::word),
            "RequestId" | "RequestID" => (&mut found.request_id, value::word),
            "HostId" => (&mut found.host_id, value::word),
            "Region" => (&mut found.region, value::word),
            "Endpoint" => (&mut found.endpoint, value::word),
            "Resource" => (&mut found.resource, value::word),
            "BucketName" => (&mut found.bucket_name, value::word),
            "Key" => (&mut found.key, value::marker),
            "UploadId" => (&mut found.upload_id, value::marker),
            "PartNumber" => (&mut found.part_number, value::word),
            "ArgumentName" => (&mut found.argument_name, value::word),
            "ArgumentValue" => (&mut found.argument_value, value::marker),
            "Method" => (&mut found.method, value::word),
            "ResourceType" => (&mut found.resource_type, value::word),
            "Header" => (&mut found.header, value::word),
            "Condition" => (&mut found.condition, value::word),
            "RangeRequested" => (&mut found.range_requested, value::word),
            "ActualObjectSize" => (&mut found.actual_object_size, value::word),
            "ProposedSize" => (&mut found.proposed_size, value::word),
            "MinSizeAllowed" => (&mut found.min_size_allowed, value::word),
            "MaxSizeAllowed" => (&mut found.max_size_allowed, value::word),
            "RequestTime" => (&mut found.request_time, value::word),
            "ServerTime" => (&mut found.server_time, value::word),
            "MaxAllowedSkewMilliseconds" => (&mut found.max_allowed_skew_milliseconds, value::word),
            "Expires" => (&mut found.expires, value::word),
            "CanonicalRequest" => (&mut found.steps.canonical_request, value::marker),
            "CanonicalRequestBytes" => (&mut found.steps.canonical_request_bytes, value::marker),
            "StringToSign" => (&mut found.steps.string_to_sign, value::marker),
            "StringToSignBytes" => (&mut found.steps.string_to_sign_bytes, value::marker),
            _ => return document.unknown(child),
        };
        first(document, slot, read)
    })?;

    // S3 repeats the header `Authorization` as an invalid argument. A name that is missing or
    // cannot be read may be that one.
    if found.argument_name.as_deref().is_none_or(is_secret_name) {
        found.argument_value = None;
    }

    found.code = code.unwrap_or_default();
    found.message = message.unwrap_or_default();
    Ok(found)
}

/// A function of [`value`] that parses a text which may be missing.
type Read = fn(&str) -> Result<Option<String>, &'static str>;

/// Reads the text of the element that was just opened into `slot`, unless the slot already has one.
fn first(document: &mut Document<'_>, slot: &mut Option<String>, read: Read) -> Result<(), Error> {
    let mut text = None;
    document.aside(&mut text, read)?;
    if slot.is_none() {
        *slot = text.flatten();
    }
    Ok(())
}

/// Creates the error for a response in which the server reports `document`, starting at `offset`.
fn reported(document: ErrorDocument, offset: usize) -> Error {
    let message = format!(
        "the document is an error report: {} ({})",
        shown(&document.code),
        shown(&document.message)
    );
    Error { document: Some(Box::new(document)), ..Error::new(message, offset) }
}
