//! The description of an object in a response, and the notation of ETags.
use super::endpoint::BucketKind;
use super::range::number;
use crate::time::Timestamp;
use crate::transport::Response;
use crate::xml::{ChecksumAlgorithm, StoredChecksum};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The description of an object, from the headers of a response. Values that the server does not
/// state are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectMeta {
    /// The size of the whole object, in bytes.
    pub size: u64,
    /// The ETag, without quotes. Its value is opaque.
    pub etag: Option<String>,
    /// The time at which the object was stored.
    pub last_modified: Option<Timestamp>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as it was stored, without `aws-chunked`: the client never acts on it.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`, where it is a time.
    pub expires: Option<Timestamp>,
    /// `x-amz-storage-class`; S3 leaves it out for `STANDARD`.
    pub storage_class: Option<String>,
    /// `x-amz-version-id`.
    pub version_id: Option<String>,
    /// `x-amz-meta-*` without the prefix, in the order sent.
    pub metadata: Vec<(String, String)>,
    /// `x-amz-server-side-encryption`.
    pub encryption: Option<String>,
    /// `x-amz-server-side-encryption-aws-kms-key-id`.
    pub kms_key_id: Option<String>,
    /// `x-amz-server-side-encryption-bucket-key-enabled`: whether the object is encrypted with an
    /// S3 Bucket Key.
    pub bucket_key_enabled: Option<bool>,
    /// `x-amz-server-side-encryption-customer-algorithm`, if the object is encrypted with a key
    /// that the request has to contain.
    pub customer_algorithm: Option<String>,
    /// `x-amz-server-side-encryption-customer-key-md5`: the MD5 of that key, in base64.
    pub customer_key_md5: Option<String>,
    /// `x-amz-website-redirect-location`.
    pub website_redirect: Option<String>,
    /// The checksums that the server stores, if the request had
    /// [`ChecksumMode::Enabled`](super::ChecksumMode::Enabled).
    pub checksums: Vec<StoredChecksum>,
    /// The number of parts that the object was uploaded in: `x-amz-mp-parts-count`, which S3 only
    /// sends for requests with a part number, or otherwise the number at the end of the ETag.
    pub part_count: Option<u64>,
    /// `x-amz-missing-meta`: the number of metadata entries that are not valid in a header.
    pub missing_metadata: Option<u64>,
    /// `x-amz-archive-status`: the archive tier of an object in Intelligent-Tiering.
    pub archive_status: Option<String>,
    /// `x-amz-restore`: the state of an archived object that is, or is being, restored.
    pub restore: Option<String>,
    /// `x-amz-expiration`: when a lifecycle rule removes the object, and the rule.
    pub expiration: Option<String>,
    /// `x-amz-replication-status`.
    pub replication_status: Option<String>,
    /// `x-amz-object-lock-mode`.
    pub lock_mode: Option<String>,
    /// `x-amz-object-lock-retain-until-date`.
    pub retain_until: Option<Timestamp>,
    /// `x-amz-object-lock-legal-hold`.
    pub legal_hold: Option<String>,
    /// `x-amz-tagging-count`.
    pub tag_count: Option<u64>,
    /// `Expires`, where it is not a time, such as `0`.
    pub(crate) odd_expires: Option<String>,
    /// The version that the request named, which is not sent for the current one.
    pub(crate) requested_version: Option<String>,
    /// Whether the headers show an encryption under which ETags are not MD5s.
    pub(crate) has_opaque_etag: bool,
    /// The CRC-64/NVME of the whole object, if the server stores one and it was requested.
    pub(crate) crc64nvme: Option<u64>,
}

impl ObjectMeta {
    pub(super) fn of(response: &Response, size: u64) -> Self {
        let text = |name: &str| response.header(name).map(str::to_owned);
        let date = |name: &str| response.header(name).and_then(Timestamp::parse_http_date);
        let count = |name: &str| response.header(name).and_then(number);
        let etag = etag_of(response);
        let parts = count("x-amz-mp-parts-count").or_else(|| parts_of(etag.as_deref()?));
        Self {
            size,
            etag,
            last_modified: date("last-modified"),
            content_type: text("content-type"),
            content_encoding: response.header("content-encoding").and_then(stored_encoding),
            content_language: text("content-language"),
            content_disposition: text("content-disposition"),
            cache_control: text("cache-control"),
            expires: date("expires"),
            storage_class: text("x-amz-storage-class"),
            version_id: text("x-amz-version-id"),
            metadata: response
                .headers()
                .filter_map(|(name, value)| {
                    Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.to_owned()))
                })
                .collect(),
            encryption: text("x-amz-server-side-encryption"),
            kms_key_id: text("x-amz-server-side-encryption-aws-kms-key-id"),
            bucket_key_enabled: response
                .header("x-amz-server-side-encryption-bucket-key-enabled")
                .map(|value| value.eq_ignore_ascii_case("true")),
            customer_algorithm: text("x-amz-server-side-encryption-customer-algorithm"),
            customer_key_md5: text("x-amz-server-side-encryption-customer-key-md5"),
            checksums: checksums_of(response),
            part_count: parts,
            missing_metadata: count("x-amz-missing-meta"),
            archive_status: text("x-amz-archive-status"),
            website_redirect: text("x-amz-website-redirect-location"),
            restore: text("x-amz-restore"),
            expiration: text("x-amz-expiration"),
            replication_status: text("x-amz-replication-status"),
            lock_mode: text("x-amz-object-lock-mode"),
            retain_until: response
                .header("x-amz-object-lock-retain-until-date")
                .and_then(Timestamp::parse_iso8601),
            legal_hold: text("x-amz-object-lock-legal-hold"),
            tag_count: count("x-amz-tagging-count"),
            odd_expires: text("expires").filter(|_| date("expires").is_none()),
            requested_version: None,
            has_opaque_etag: has_opaque_etag(response.headers()),
            crc64nvme: response
                .header("x-amz-checksum-crc64nvme")
                .and_then(|text| BASE64.decode(text).ok())
                .and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))),
        }
    }

    /// Identifies the content that the response described, for further requests.
    pub(crate) fn same(&self) -> SameContent<'_> {
        SameContent { etag: self.etag.as_deref(), version_id: self.requested_version.as_deref() }
    }

    /// Returns the metadata of an object in `bucket`, whose kind may determine that ETags are not
    /// MD5s.
    pub(super) fn in_bucket(mut self, bucket: &str) -> Self {
        self.has_opaque_etag |= BucketKind::of(bucket).is_ok_and(BucketKind::has_opaque_etags);
        self
    }

    /// Returns the ETag if it may be the MD5 of the object's bytes.
    pub(crate) fn md5(&self) -> Option<[u8; 16]> {
        let own_keys =
            self.encryption.as_deref().is_none_or(|name| name.eq_ignore_ascii_case("AES256"));
        self.etag.as_deref().filter(|_| own_keys && !self.has_opaque_etag).and_then(md5_of_etag)
    }
}

/// The content that several requests read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SameContent<'a> {
    /// The ETag that the content must have.
    pub(crate) etag: Option<&'a str>,
    /// The version to request; `None` for the current one.
    pub(crate) version_id: Option<&'a str>,
}

/// Returns the checksums in the headers of a response.
fn checksums_of(response: &Response) -> Vec<StoredChecksum> {
    let stated = response.header("x-amz-checksum-type");
    let found = ChecksumAlgorithm::ALL.into_iter().filter_map(|algorithm| {
        let value = response.header(algorithm.header())?;
        Some(StoredChecksum::new(algorithm, value, stated))
    });
    found.collect()
}

/// Returns whether the headers of a request or a response show an encryption for which ETags are
/// not MD5s.
///
/// The ETag of an object that was stored by one PUT is the MD5 of its bytes, unless it is encrypted
/// with keys of KMS or of a customer instead of S3's own
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html>). Every other header about
/// encryption, such as those of other vendors, counts as one of these.
pub(super) fn has_opaque_etag<'h>(mut headers: impl Iterator<Item = (&'h str, &'h str)>) -> bool {
    headers.any(|(name, value)| match name {
        "x-amz-server-side-encryption" => !value.eq_ignore_ascii_case("AES256"),
        _ => name.contains("encryption") && !name.starts_with("x-amz-meta-"),
    })
}

/// Returns the MD5 that an ETag represents: 32 hexadecimal digits, in upper or lower case.
pub(crate) fn md5_of_etag(etag: &str) -> Option<[u8; 16]> {
    let mut md5 = [0; 16];
    hex::decode_to_slice(etag, &mut md5).ok().map(|()| md5)
}

/// Returns the number of parts that an ETag ends with: 32 hexadecimal digits, a dash and the
/// number.
pub(super) fn parts_of(etag: &str) -> Option<u64> {
    let (digits, count) = etag.split_once('-')?;
    md5_of_etag(digits)?;
    count.parse().ok().filter(|_| count.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns whether two ETags are equal. Alibaba's are in upper case, and others differ from
/// response to response.
pub(super) fn same_etag(one: &str, other: &str) -> bool {
    let hexadecimal = |etag: &str| md5_of_etag(etag).is_some() || parts_of(etag).is_some();
    one == other || hexadecimal(one) && one.eq_ignore_ascii_case(other)
}

/// Returns the encoding of the stored content. Some servers store `aws-chunked` as well
/// (DigitalOcean: rclone issue 8724), which is the framing of the request that stored the object.
/// In a copy's headers, it would announce a body in chunks.
fn stored_encoding(text: &str) -> Option<String> {
    let is_stored =
        |encoding: &&str| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("aws-chunked");
    let stored: Vec<_> = text.split(',').map(str::trim).filter(is_stored).collect();
    (!stored.is_empty()).then(|| stored.join(","))
}

/// Returns an ETag in the form for conditional headers, or `None` for a [weak](is_weak) one.
pub(super) fn condition(etag: &str) -> Option<String> {
    (!is_weak(etag)).then(|| format!("\"{etag}\""))
}

/// Returns whether an ETag is weak (RFC 9110 section 8.8.1), as those of proxies are: a condition
/// with it never holds for bytes.
pub(super) fn is_weak(etag: &str) -> bool {
    etag.starts_with("W/")
}

/// Returns the ETag of a response, without quotes.
pub(super) fn etag_of(response: &Response) -> Option<String> {
    let text = response.header("etag")?.trim_ascii();
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    (!bare.is_empty()).then(|| bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_opaque_because_of_the_object_or_of_the_bucket() {
        for (has_opaque_etag, bucket, is_opaque) in [
            (false, "registry", false),
            (true, "registry", true),
            (false, "registry--usw2-az1--x-s3", true),
            (true, "registry--usw2-az1--x-s3", true),
        ] {
            let etag = Some("0123456789abcdef".repeat(2));
            let meta = ObjectMeta { has_opaque_etag, etag, ..ObjectMeta::default() };
            assert_eq!(meta.in_bucket(bucket).md5().is_none(), is_opaque, "{bucket}");
        }
    }
}
