//! `Error`: how S3 says no.
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
