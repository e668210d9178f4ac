//! The meaning of a refusal, regardless of its wording: that the server does not support an
//! operation, or that a request needs a digest.
use crate::error::{Error, ErrorKind};

/// Codes with which servers report that they do not support an operation, with any status.
const MISSING_OPERATION: &[&str] = &[
    "NotImplemented",
    "MethodNotAllowed",
    "MethodNotSupported",
    "NotSupported",
    "UnsupportedOperation",
    "UnsupportedMethod",
    "OperationNotSupported",
    "NotAllowed",
    "XNotImplemented",
];

/// Returns whether `error` may mean that the server does not have the operation.
///
/// Servers report this with 501 or 405, with 400 and a code that belongs to the operation for which
/// they mistook the request (Google: `InvalidArgument`), or with the 404 of a router in front of
/// them. A refusal with a specific meaning (credentials, permission, clock, region, conditions,
/// load, a copy of an object to itself) does not count. The caller must have another way to reach
/// its goal, so that a misinterpreted refusal only costs one request, and the alternative reports
/// the same refusal.
pub fn lacks_operation(error: &Error) -> bool {
    let named = error.code().is_some_and(|code| MISSING_OPERATION.contains(&code));
    match error.kind() {
        ErrorKind::Refused => error.status().is_some() && !is_copy_to_itself(error),
        // Without a document of S3's, the path was not recognized at all.
        ErrorKind::NoSuchKey | ErrorKind::NoSuchBucket => named || error.code().is_none(),
        _ => named,
    }
}

/// Returns whether the server refused to copy an object to itself. Storing the object again in
/// place of the copy would hide that the source and the target are the same object.
fn is_copy_to_itself(error: &Error) -> bool {
    error.code() == Some("InvalidCopyDest")
        || error.message().to_ascii_lowercase().contains("copy an object to itself")
}

/// Codes with which servers request a digest.
const MISSING_DIGEST: &[&str] =
    &["MissingContentMD5", "MissingContentMd5", "MissingDigest", "ContentMD5Required"];

/// The ways in which messages name a digest, in lower case.
const DIGEST: &[&str] = &["content-md5", "content_md5", "contentmd5", "content md5"];

/// The ways in which messages report that something is missing, in lower case.
const MISSING: &[&str] = &[
    "required",
    "require",
    "missing",
    "must",
    "need",
    "mandatory",
    "not provided",
    "not specified",
];

/// Returns whether `error` means that the request is only accepted with a `Content-MD5` header,
/// like requests that store objects in a bucket with a default retention. AWS, MinIO, IONOS,
/// Backblaze and others each have their own wording, mostly with codes that have other meanings
/// too.
pub(super) fn needs_digest(error: &Error) -> bool {
    let refused = error.kind() == ErrorKind::Refused
        && error.status().is_some_and(|status| (400..500).contains(&status));
    if !refused || error.code() == Some("InvalidDigest") {
        return false;
    }
    let message = error.message().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    error.code().is_some_and(|code| MISSING_DIGEST.contains(&code)) || says(DIGEST) && says(MISSING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind, status: u16, code: &str, message: &str) -> Error {
        let text = if code.is_empty() { message.to_owned() } else { format!("{code}: {message}") };
        let error = Error::new(kind, text).with_status(status);
        if code.is_empty() { error } else { error.with_code(code) }
    }

    #[test]
    fn a_missing_operation_is_recognised_by_what_the_server_means() {
        use ErrorKind::*;
        for (kind, status, code, expected) in [
            (Refused, 501, "NotImplemented", true),
            (Refused, 405, "MethodNotAllowed", true),
            (Refused, 405, "", true),
            (Refused, 400, "InvalidArgument", true),
            (Refused, 400, "MalformedXML", true),
            (Refused, 415, "", true),
            (Refused, 411, "MissingContentLength", true),
            (NoSuchKey, 404, "", true),
            (NoSuchBucket, 404, "", true),
            (AccessDenied, 403, "MethodNotAllowed", true),
            (Server, 500, "NotImplemented", true),
            (NoSuchKey, 404, "NoSuchKey", false),
            (NoSuchBucket, 404, "NoSuchBucket", false),
            (AccessDenied, 403, "AccessDenied", false),
            (Server, 500, "InternalError", false),
            (Throttled, 503, "SlowDown", false),
            (ClockSkew, 400, "RequestTimeTooSkewed", false),
            (ExpiredCredentials, 400, "ExpiredToken", false),
            (PreconditionFailed, 412, "PreconditionFailed", false),
        ] {
            assert_eq!(
                lacks_operation(&error(kind, status, code, "m")),
                expected,
                "{status} {code}"
            );
        }
        assert!(!lacks_operation(&Error::new(Refused, "nothing was sent")));
        let itself = "This copy request is illegal because it is trying to copy an object to \
                      itself without changing the object's metadata";
        assert!(!lacks_operation(&error(Refused, 400, "InvalidRequest", itself)));
        assert!(!lacks_operation(&error(Refused, 400, "InvalidCopyDest", "m")));
    }

    #[test]
    fn case_07_a_missing_digest_is_recognised_by_what_the_server_means() {
        const LOCK: &str = "is required for Put Object requests with Object Lock parameters";
        for (status, code, message, expected) in [
            (
                400,
                "InvalidRequest",
                format!("Content-MD5 OR x-amz-checksum- HTTP header {LOCK}"),
                true,
            ),
            (400, "InvalidRequest", format!("Content-MD5 HTTP header {LOCK}"), true),
            (
                400,
                "InvalidRequest",
                "Missing required header for this request: Content-MD5".to_owned(),
                true,
            ),
            (
                400,
                "MissingContentMD5",
                "Missing required header for this request: Content-Md5.".to_owned(),
                true,
            ),
            (400, "MissingContentMD5", String::new(), true),
            (400, "InvalidArgument", "the header 'content-md5' must be specified".to_owned(), true),
            (
                412,
                "",
                "the server sent no error document, but \u{201c}Content-MD5 needed\u{201d}"
                    .to_owned(),
                true,
            ),
            (
                400,
                "InvalidDigest",
                "The Content-MD5 you specified is required to be valid".to_owned(),
                false,
            ),
            (400, "InvalidRequest", "The Content-MD5 you specified is not valid".to_owned(), false),
            (
                400,
                "InvalidRequest",
                "Missing required header for this request: x-amz-acl".to_owned(),
                false,
            ),
            (500, "MissingContentMD5", String::new(), false),
        ] {
            let error = error(ErrorKind::Refused, status, code, &message);
            assert_eq!(needs_digest(&error), expected, "{status} {code}: {message}");
        }
    }
}
