//! The root of a reply: the document asked for, or an error in its place.
use super::reader::{Document, Event};
use super::{Error, ErrorDocument, MAX_REPLY_BYTES, value};
use crate::text::shown;

/// Roots of error documents: S3's, and STS's, which holds S3's `Error`.
const ERROR_ROOTS: &[&str] = &["Error", "ErrorResponse"];

/// What servers call the document that AWS calls `...Result`.
const ENDINGS: &[&str] = &["Result", "Response", "Output"];

/// Reads `body`, whose root must be one of `roots` or [such a name](named), with `read`, which gets
/// the document with the root just opened and must consume it up to its end.
///
/// A root `Error` (or STS's `ErrorResponse`) where it is not asked for is read too, and reported in
/// [`Error::document`]; so is an `Error` directly under the root that `read` does not know.
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

/// Returns whether `root` is `name`, or differs from it in the word for a result alone.
fn named(root: &str, name: &str) -> bool {
    let stem = |text| ENDINGS.iter().find_map(|ending| str::strip_suffix(text, ending));
    root == name || stem(root).is_some_and(|root| stem(name) == Some(root))
}

/// Returns whether a response says neither what happened nor that something went wrong: it is
/// empty, or a whole document that is neither an error report nor a page for people. The caller has
/// to look at what the operation should have done.
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
/// Every element may be missing, and of two with one name the first counts: a poor description of an error is better
/// than none. What is no such document (HTML of a proxy, JSON) is an `Err`.
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
        "RequestId" | "RequestID" => first(document, child, &mut request_id),
        _ => document.unknown(child),
    })?;
    let mut found = document.require(found, "ErrorResponse", "Error")?;
    found.request_id = found.request_id.or(request_id);
    Ok(found)
}

/// Reads the rest of an `Error` element.
fn error(document: &mut Document<'_>) -> Result<ErrorDocument, Error> {
    let mut found = ErrorDocument::default();
    let (mut code, mut message) = (None, None);
    document.children(|document, child| {
        let slot = match child {
            "Code" => &mut code,
            "Message" => &mut message,
            "RequestId" | "RequestID" => &mut found.request_id,
            "HostId" => &mut found.host_id,
            "Region" => &mut found.region,
            "Endpoint" => &mut found.endpoint,
            "Resource" => &mut found.resource,
            "BucketName" => &mut found.bucket_name,
            "Key" => &mut found.key,
            "ArgumentName" => &mut found.argument_name,
            "ArgumentValue" => &mut found.argument_value,
            "ActualObjectSize" => &mut found.actual_object_size,
            "Condition" => &mut found.condition,
            "ServerTime" => &mut found.server_time,
            "CanonicalRequest" => &mut found.steps.canonical_request,
            "CanonicalRequestBytes" => &mut found.steps.canonical_request_bytes,
            "StringToSign" => &mut found.steps.string_to_sign,
            "StringToSignBytes" => &mut found.steps.string_to_sign_bytes,
            _ => return document.unknown(child),
        };
        first(document, child, slot)
    })?;
    found.code = code.unwrap_or_default();
    found.message = message.unwrap_or_default();
    Ok(found)
}

/// Reads the text of `element` into `slot` unless there is one. A key, an argument and what was signed are kept as they
/// are, the rest without white space around it and only if something is left.
fn first(
    document: &mut Document<'_>,
    element: &str,
    slot: &mut Option<String>,
) -> Result<(), Error> {
    let exact = matches!(
        element,
        "Key"
            | "ArgumentValue"
            | "CanonicalRequest"
            | "CanonicalRequestBytes"
            | "StringToSign"
            | "StringToSignBytes"
    );
    let mut text = None;
    document.field(element, &mut text, if exact { value::marker } else { value::word })?;
    if slot.is_none() {
        *slot = text.flatten();
    }
    Ok(())
}

/// The error for a reply in which the server reports `document`, which begins at `offset`.
fn reported(document: ErrorDocument, offset: usize) -> Error {
    let message = format!(
        "the document is an error report: {} ({})",
        shown(&document.code),
        shown(&document.message)
    );
    Error { document: Some(Box::new(document)), ..Error::new(message, offset) }
}
