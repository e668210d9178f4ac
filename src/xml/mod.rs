//! Stub: bytes to typed documents and back.
use crate::time::Timestamp;
use std::fmt;

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Decoded key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// `None` when the server sent none.
    pub last_modified: Option<Timestamp>,
    /// As sent, without quotes.
    pub etag: Option<String>,
    /// Such as `STANDARD`.
    pub storage_class: Option<String>,
}

/// `ListBucketResult`, versions 1 and 2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListBucketResult {
    /// The bucket.
    pub name: Option<String>,
    /// The prefix asked for, as the server echoes it (not decoded: servers differ).
    pub prefix: Option<String>,
    /// `url` when the server says that keys are percent-encoded; they are decoded already.
    pub encoding_type: Option<String>,
    /// `None` when the server does not say.
    pub is_truncated: Option<bool>,
    /// Version 2: what to pass as `continuation-token`.
    pub next_continuation_token: Option<String>,
    /// Version 1 with a delimiter: what to pass as `marker`. Raw; never decoded (servers differ).
    pub next_marker: Option<String>,
    /// The objects of this page.
    pub contents: Vec<Object>,
    /// The prefixes rolled up by the delimiter, decoded.
    pub common_prefixes: Vec<String>,
}

/// `InitiateMultipartUploadResult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiateMultipartUploadResult {
    /// The new upload's id.
    pub upload_id: String,
}

/// `CompleteMultipartUploadResult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteMultipartUploadResult {
    /// Without quotes. Ceph sends it empty: `None`.
    pub etag: Option<String>,
    /// Where the object is.
    pub location: Option<String>,
}

/// `CopyObjectResult` and `CopyPartResult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyResult {
    /// Without quotes; required.
    pub etag: String,
    /// When the server sent it.
    pub last_modified: Option<Timestamp>,
}

/// One part of `ListPartsResult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// 1 to 10,000.
    pub part_number: u32,
    /// Bytes.
    pub size: u64,
    /// Without quotes; opaque.
    pub etag: String,
    /// When the server sent it.
    pub last_modified: Option<Timestamp>,
}

/// `ListPartsResult`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPartsResult {
    /// The parts of this page.
    pub parts: Vec<Part>,
    /// `None` when the server does not say.
    pub is_truncated: Option<bool>,
    /// What to pass as `part-number-marker`.
    pub next_part_number_marker: Option<u32>,
    /// The storage class of the object to be.
    pub storage_class: Option<String>,
}

/// One upload of `ListMultipartUploadsResult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The key it was begun for.
    pub key: String,
    /// Its id.
    pub upload_id: String,
    /// When it was begun.
    pub initiated: Option<Timestamp>,
    /// The storage class asked for.
    pub storage_class: Option<String>,
}

/// `ListMultipartUploadsResult`. Keys are decoded only when `EncodingType` says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListMultipartUploadsResult {
    /// The uploads of this page.
    pub uploads: Vec<Upload>,
    /// The prefixes rolled up by the delimiter.
    pub common_prefixes: Vec<String>,
    /// `None` when the server does not say.
    pub is_truncated: Option<bool>,
    /// What to pass as `key-marker`.
    pub next_key_marker: Option<String>,
    /// What to pass as `upload-id-marker`.
    pub next_upload_id_marker: Option<String>,
}

/// One failure of `DeleteResult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteError {
    /// The key that was not deleted.
    pub key: String,
    /// S3's code.
    pub code: String,
    /// S3's words.
    pub message: String,
}

/// `DeleteResult`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteResult {
    /// The keys that are gone.
    pub deleted: Vec<String>,
    /// The keys that are not.
    pub errors: Vec<DeleteError>,
}

/// `Error`: S3's error document with what helps to explain it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorDocument {
    /// Such as `NoSuchKey`; empty when the document has none.
    pub code: String,
    /// The server's words.
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

/// Temporary credentials in a reply of STS (`AssumeRoleWithWebIdentity`, `AssumeRole`). Secrets: redacted in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct StsCredentials {
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: zeroize::Zeroizing<String>,
    /// The token.
    pub session_token: zeroize::Zeroizing<String>,
    /// When they end.
    pub expiration: Timestamp,
}
impl fmt::Debug for StsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StsCredentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes from the start.
    pub offset: u64,
}
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.offset)
    }
}
impl std::error::Error for Error {}

macro_rules! stubs { ($($name:ident -> $type:ty;)*) => { $(
    /// Reads the document.
    pub fn $name(body: &[u8]) -> Result<$type, Error> { todo!("{}", body.len()) }
)* } }
stubs! {
    list_bucket_result -> ListBucketResult;
    initiate_multipart_upload_result -> InitiateMultipartUploadResult;
    complete_multipart_upload_result -> CompleteMultipartUploadResult;
    copy_object_result -> CopyResult;
    copy_part_result -> CopyResult;
    list_parts_result -> ListPartsResult;
    list_multipart_uploads_result -> ListMultipartUploadsResult;
    delete_result -> DeleteResult;
    location_constraint -> Option<String>;
    error_document -> ErrorDocument;
    sts_credentials -> StsCredentials;
}

/// Writes `CompleteMultipartUpload` for parts in ascending order.
pub fn complete_multipart_upload(parts: &[(u32, &str)]) -> Result<String, Error> {
    todo!("{parts:?}")
}
/// Writes `Delete`. Fails on a key with a character that XML 1.0 cannot carry.
pub fn delete(keys: &[&str], quiet: bool) -> Result<String, Error> {
    todo!("{keys:?} {quiet}")
}
/// Writes `CreateBucketConfiguration`.
pub fn create_bucket_configuration(location: &str) -> Result<String, Error> {
    todo!("{location}")
}
