//! `Error`: how S3 reports a failure.
use std::fmt;

/// S3's [error document](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), with what helps to
/// explain the error.
///
/// The signature that the server received is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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
    /// The size of the object, with `InvalidRange`.
    pub actual_object_size: Option<String>,
    /// The condition that did not hold, with `PreconditionFailed`.
    pub condition: Option<String>,
    /// The server's clock, with `RequestTimeTooSkewed`.
    pub server_time: Option<String>,
    /// What the server signed, with `SignatureDoesNotMatch`.
    pub steps: ServerSteps,
}

/// The server's steps to the signature. They may hold the session token, so `Debug` shows only their lengths.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerSteps {
    /// The canonical request.
    pub canonical_request: Option<String>,
    /// The canonical request as hex bytes.
    pub canonical_request_bytes: Option<String>,
    /// The string to sign.
    pub string_to_sign: Option<String>,
    /// The string to sign as hex bytes.
    pub string_to_sign_bytes: Option<String>,
}

impl fmt::Debug for ServerSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length =
            |text: &Option<String>| text.as_ref().map(|text| format!("[{} bytes]", text.len()));
        f.debug_struct("ServerSteps")
            .field("canonical_request", &length(&self.canonical_request))
            .field("canonical_request_bytes", &length(&self.canonical_request_bytes))
            .field("string_to_sign", &length(&self.string_to_sign))
            .field("string_to_sign_bytes", &length(&self.string_to_sign_bytes))
            .finish()
    }
}
