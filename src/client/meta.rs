//! The description of an object in a response, and the notation of ETags.
use crate::time::Timestamp;
use crate::transport::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// An object's description, from the headers of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectMeta {
    /// Bytes of the whole object.
    pub size: u64,
    /// Without quotes; opaque.
    pub etag: Option<String>,
    /// When it was stored.
    pub last_modified: Option<Timestamp>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `x-amz-storage-class`; S3 leaves it out for `STANDARD`.
    pub storage_class: Option<String>,
    /// `x-amz-version-id`.
    pub version_id: Option<String>,
    /// `x-amz-meta-*` without the prefix, in the order sent.
    pub metadata: Vec<(String, String)>,
    /// `x-amz-server-side-encryption`.
    pub encryption: Option<String>,
    /// The CRC-64/NVME of the whole object, when the server keeps one and it was requested.
    pub(crate) crc64nvme: Option<u64>,
}

impl ObjectMeta {
    pub(super) fn of(response: &Response, size: u64) -> Self {
        let text = |name: &str| response.header(name).map(str::to_owned);
        Self {
            size,
            etag: etag_of(response),
            last_modified: response.header("last-modified").and_then(Timestamp::parse_http_date),
            content_type: text("content-type"),
            storage_class: text("x-amz-storage-class"),
            version_id: text("x-amz-version-id"),
            metadata: response
                .headers()
                .filter_map(|(name, value)| Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.to_owned())))
                .collect(),
            encryption: text("x-amz-server-side-encryption"),
            crc64nvme: response
                .header("x-amz-checksum-crc64nvme")
                .and_then(|text| BASE64.decode(text).ok())
                .and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))),
        }
    }

    /// Returns the ETag, where it may be the MD5 of the object's bytes: it is that of what was put whole, unless it is encrypted
    /// with keys that are not S3's own (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>).
    pub(crate) fn md5(&self) -> Option<[u8; 16]> {
        let own_keys = self.encryption.as_deref().is_none_or(|name| name == "AES256");
        let etag = self.etag.as_deref().filter(|_| own_keys)?;
        hex::decode(etag).ok()?.try_into().ok()
    }
}

/// Returns an ETag as conditional headers have it. Weak ones keep the quotes they came with.
pub(super) fn quoted(etag: &str) -> String {
    if is_weak(etag) { etag.to_owned() } else { format!("\"{etag}\"") }
}

/// Returns whether an ETag is weak (RFC 9110 section 8.8.1), as those of proxies are: no condition with it ever holds for bytes.
pub(super) fn is_weak(etag: &str) -> bool {
    etag.starts_with("W/")
}

/// Returns the ETag of a response, without quotes.
pub(super) fn etag_of(response: &Response) -> Option<String> {
    let text = response.header("etag")?.trim_ascii();
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    (!bare.is_empty()).then(|| bare.to_owned())
}
