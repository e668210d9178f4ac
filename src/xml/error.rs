//! `Error`: the document in which S3 reports a failure.
use std::fmt;

/// S3's [error document](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), with
/// the elements that help to explain an error.
///
/// Every element is optional, and kept as the server sent it. The access key and the signature that
/// the server received are discarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorDocument {
    /// The error code, such as `NoSuchKey`; empty if the document does not contain one.
    pub code: String,
    /// The error message; empty if the document does not contain one.
    pub message: String,
    /// The request id (`RequestId`).
    pub request_id: Option<String>,
    /// The extended request id (`HostId`).
    pub host_id: Option<String>,
    /// The region for which the request should be signed.
    pub region: Option<String>,
    /// The endpoint to use instead.
    pub endpoint: Option<String>,
    /// The path of the request (`Resource`).
    pub resource: Option<String>,
    /// The bucket (`BucketName`).
    pub bucket_name: Option<String>,
    /// The key (`Key`).
    pub key: Option<String>,
    /// The upload that does not exist or cannot be completed.
    pub upload_id: Option<String>,
    /// The part that cannot be completed.
    pub part_number: Option<String>,
    /// The invalid argument, with `InvalidArgument`.
    pub argument_name: Option<String>,
    /// The value that was sent for the invalid argument; `None` if the argument grants access, as
    /// the header `Authorization` does.
    pub argument_value: Option<String>,
    /// The method, with `MethodNotAllowed`.
    pub method: Option<String>,
    /// The kind of resource to which the method was applied, with `MethodNotAllowed`.
    pub resource_type: Option<String>,
    /// The header that is not implemented, with `NotImplemented`.
    pub header: Option<String>,
    /// The condition that was not met, with `PreconditionFailed`.
    pub condition: Option<String>,
    /// The requested range, with `InvalidRange`.
    pub range_requested: Option<String>,
    /// The size of the object, with `InvalidRange`.
    pub actual_object_size: Option<String>,
    /// The size of the body or part, with `EntityTooSmall` and `EntityTooLarge`.
    pub proposed_size: Option<String>,
    /// The minimum size that is accepted, with `EntityTooSmall`.
    pub min_size_allowed: Option<String>,
    /// The maximum size that is accepted, with `EntityTooLarge`.
    pub max_size_allowed: Option<String>,
    /// The time of the request, with `RequestTimeTooSkewed`.
    pub request_time: Option<String>,
    /// The time of the server, with `RequestTimeTooSkewed`, and with `AccessDenied` for an expired
    /// request.
    pub server_time: Option<String>,
    /// How far the clocks may differ, with `RequestTimeTooSkewed`.
    pub max_allowed_skew_milliseconds: Option<String>,
    /// When the request expired, with `AccessDenied`.
    pub expires: Option<String>,
    /// The texts from which the server computed the signature, with `SignatureDoesNotMatch`.
    pub steps: ServerSteps,
}

/// The texts from which the server computed the signature. They may contain the session token, so
/// `Debug` shows only their lengths.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerSteps {
    /// The canonical request.
    pub canonical_request: Option<String>,
    /// The bytes of the canonical request in hex.
    pub canonical_request_bytes: Option<String>,
    /// The string to sign.
    pub string_to_sign: Option<String>,
    /// The bytes of the string to sign in hex.
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
