//! The specification's error codes, and their responses.
use super::http::{Content, Response};
use serde_json::json;
use std::fmt;

/// A kind of failure, named as in the specification. Each has one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    /// A code of Distribution. The specification defines only the status.
    RangeInvalid,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unsupported,
    /// Another request is writing to the upload.
    UploadBusy,
    NotFound,
    /// The storage failed; the log has the details.
    Unavailable,
    Unknown,
}

impl Code {
    const fn parts(self) -> (u16, &'static str) {
        match self {
            Self::BlobUnknown => (404, "BLOB_UNKNOWN"),
            Self::BlobUploadInvalid => (400, "BLOB_UPLOAD_INVALID"),
            Self::BlobUploadUnknown => (404, "BLOB_UPLOAD_UNKNOWN"),
            Self::RangeInvalid => (416, "RANGE_INVALID"),
            Self::DigestInvalid => (400, "DIGEST_INVALID"),
            Self::ManifestBlobUnknown => (400, "MANIFEST_BLOB_UNKNOWN"),
            Self::ManifestInvalid => (400, "MANIFEST_INVALID"),
            Self::ManifestTooLarge => (413, "SIZE_INVALID"),
            Self::ManifestUnknown => (404, "MANIFEST_UNKNOWN"),
            Self::NameInvalid => (400, "NAME_INVALID"),
            Self::NameUnknown => (404, "NAME_UNKNOWN"),
            Self::SizeInvalid => (400, "SIZE_INVALID"),
            Self::Unsupported => (405, "UNSUPPORTED"),
            Self::UploadBusy => (409, "BLOB_UPLOAD_INVALID"),
            Self::NotFound => (404, "UNSUPPORTED"),
            Self::Unavailable => (503, "UNKNOWN"),
            Self::Unknown => (500, "UNKNOWN"),
        }
    }
}

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    headers: Vec<(&'static str, String)>,
    /// The details, which go only to the log.
    cause: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), headers: Vec::new(), cause: None }
    }
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
    /// Names the subject of the failure in the details.
    pub(crate) fn about(mut self, subject: &dyn fmt::Display) -> Self {
        self.cause = Some(format!("{subject}: {self}"));
        self
    }
    /// Adds the headers of `response` to this failure.
    pub(crate) fn with_headers_of(mut self, response: Response) -> Self {
        self.headers.extend(response.headers);
        self
    }
    /// Writes the details, which no response contains, to standard error.
    pub(crate) fn log(&self, method: &str, path: &str) {
        if self.cause.is_some() {
            eprintln!("registry: {method} {}: {self}", path.escape_default());
        }
    }
    pub(crate) fn into_response(self) -> Response {
        let (status, code) = self.code.parts();
        let body = json!({ "errors": [{ "code": code, "message": self.message }] });
        let mut response = Response::new(status).header("Content-Type", "application/json");
        if status == 503 {
            response = response.header("Retry-After", "1");
        }
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.content(Content::Bytes(body.to_string().into_bytes()))
    }
}

/// The text for the log and the command line, with the details that no response contains.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.as_ref().unwrap_or(&self.message))
    }
}

impl std::error::Error for Failure {}

/// A failure of the storage.
impl From<s3driver::Error> for Failure {
    fn from(error: s3driver::Error) -> Self {
        let code = if error.is_transient() { Code::Unavailable } else { Code::Unknown };
        let failure =
            Self::new(code, "the registry's storage failed; the registry's log has the details");
        Self { cause: Some(error.to_string()), ..failure }
    }
}
