//! `Error`: how S3 says no.
use super::reader::{Document, Element, parse};
use super::{Error, MAX_REPLY_BYTES, value};
use std::fmt;

/// S3's [error document](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), with what helps to
/// explain the error.
///
/// What the server signed may hold the session token, so `Debug` tells only that it is there. The signature that the
/// server was given is not kept at all.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ErrorDocument {
    /// Such as `NoSuchKey`; empty when the document has none.
    pub code: String,
    /// The server's words; empty when the document has none.
    pub message: String,
    /// `RequestId`.
    pub request_id: Option<String>,
    /// `HostId`.
    pub host_id: Option<String>,
    /// The region the server would have us sign for.
    pub region: Option<String>,
    /// The endpoint to use instead.
    pub endpoint: Option<String>,
    /// `Resource`.
    pub resource: Option<String>,
    /// `BucketName`.
    pub bucket_name: Option<String>,
    /// `Key`.
    pub key: Option<String>,
    /// The argument that is wrong, with `InvalidArgument`.
    pub argument_name: Option<String>,
    /// What was given for it.
    pub argument_value: Option<String>,
    /// The condition that did not hold, with `PreconditionFailed`.
    pub condition: Option<String>,
    /// The server's clock, with `RequestTimeTooSkewed`.
    pub server_time: Option<String>,
    /// What the server signed, with `SignatureDoesNotMatch`.
    pub canonical_request: Option<String>,
    /// The same as hex bytes.
    pub canonical_request_bytes: Option<String>,
    /// What the server signed.
    pub string_to_sign: Option<String>,
    /// The same as hex bytes.
    pub string_to_sign_bytes: Option<String>,
}

/// Reads an error document of S3 or STS, at most [`MAX_REPLY_BYTES`] of it.
///
/// Every element may be missing, and of two with one name the first counts: a poor description of an error is better
/// than none. What is no such document (HTML of a proxy, JSON) is an `Err`.
pub fn error_document(body: &[u8]) -> Result<ErrorDocument, Error> {
    parse(body, MAX_REPLY_BYTES, ROOTS, read_root)
}

/// Roots of error documents: S3's, and STS's, which holds S3's `Error`.
pub(super) const ROOTS: &[&str] = &["Error", "ErrorResponse"];

/// Reads the rest of the element `root`, one of [`ROOTS`].
pub(super) fn read_root(document: &mut Document<'_>, root: &str) -> Result<ErrorDocument, Error> {
    if root == "Error" {
        return read(document);
    }
    let mut found = None;
    let mut request_id = None;
    while let Some(child) = document.child()? {
        match child.name() {
            "Error" => {
                let error = read(document)?;
                found.get_or_insert(error);
            }
            "RequestId" | "RequestID" => first(document, &child, &mut request_id)?,
            _ => document.unknown(&child)?,
        }
    }
    let mut found = document.require(found, "ErrorResponse", "Error")?;
    found.request_id = found.request_id.or(request_id);
    Ok(found)
}

/// Reads the rest of an `Error` element.
pub(super) fn read(document: &mut Document<'_>) -> Result<ErrorDocument, Error> {
    let mut found = ErrorDocument::default();
    let (mut code, mut message) = (None, None);
    while let Some(child) = document.child()? {
        let slot = match child.name() {
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
            "Condition" => &mut found.condition,
            "ServerTime" => &mut found.server_time,
            "CanonicalRequest" => &mut found.canonical_request,
            "CanonicalRequestBytes" => &mut found.canonical_request_bytes,
            "StringToSign" => &mut found.string_to_sign,
            "StringToSignBytes" => &mut found.string_to_sign_bytes,
            _ => {
                document.unknown(&child)?;
                continue;
            }
        };
        first(document, &child, slot)?;
    }
    found.code = code.unwrap_or_default();
    found.message = message.unwrap_or_default();
    Ok(found)
}

/// Reads the text of `element` into `slot` unless there is one. A key, an argument and what was signed are kept as they
/// are, the rest without white space around it and only if something is left.
fn first(document: &mut Document<'_>, element: &Element<'_>, slot: &mut Option<String>) -> Result<(), Error> {
    let exact = matches!(
        element.name(),
        "Key" | "ArgumentValue" | "CanonicalRequest" | "CanonicalRequestBytes" | "StringToSign" | "StringToSignBytes"
    );
    let mut text = None;
    document.field(element, &mut text, if exact { value::marker } else { value::word })?;
    if slot.is_none() {
        *slot = text.flatten();
    }
    Ok(())
}

impl fmt::Debug for ErrorDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Stands for a text that must not be shown.
        fn length(text: Option<&String>) -> Option<String> {
            text.map(|text| format!("[{} bytes]", text.len()))
        }
        // Taken apart by name, so that a new field must be thought about here.
        let Self {
            code,
            message,
            request_id,
            host_id,
            region,
            endpoint,
            resource,
            bucket_name,
            key,
            argument_name,
            argument_value,
            condition,
            server_time,
            canonical_request,
            canonical_request_bytes,
            string_to_sign,
            string_to_sign_bytes,
        } = self;
        f.debug_struct("ErrorDocument")
            .field("code", code)
            .field("message", message)
            .field("request_id", request_id)
            .field("host_id", host_id)
            .field("region", region)
            .field("endpoint", endpoint)
            .field("resource", resource)
            .field("bucket_name", bucket_name)
            .field("key", key)
            .field("argument_name", argument_name)
            .field("argument_value", argument_value)
            .field("condition", condition)
            .field("server_time", server_time)
            .field("canonical_request", &length(canonical_request.as_ref()))
            .field("canonical_request_bytes", &length(canonical_request_bytes.as_ref()))
            .field("string_to_sign", &length(string_to_sign.as_ref()))
            .field("string_to_sign_bytes", &length(string_to_sign_bytes.as_ref()))
            .finish()
    }
}
