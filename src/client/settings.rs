//! The settings of a stored object.
use super::request::Call;
use super::values::{CannedAcl, Encryption, StorageClass};
use crate::error::Result;

/// The settings that PutObject, CopyObject and CreateMultipartUpload store with an object. The
/// default sends none of these headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectSettings {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, which is stored and returned; the client never acts on it.
    pub content_encoding: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `x-amz-meta-*`: names without the prefix, and values.
    pub metadata: Vec<(String, String)>,
    /// Server-side encryption.
    pub encryption: Encryption,
    /// The storage class; `None` leaves it to the bucket.
    pub storage_class: Option<StorageClass>,
    /// The canned ACL; `None` sends none, as required by buckets with ACLs disabled.
    pub acl: Option<CannedAcl>,
}

impl ObjectSettings {
    /// Adds the headers.
    pub(super) fn apply_to<'a>(&'a self, call: Call<'a>) -> Result<Call<'a>> {
        let Self {
            content_type,
            content_encoding,
            cache_control,
            content_disposition,
            metadata,
            encryption,
            storage_class,
            acl,
        } = self;
        let mut call = call
            .maybe_header("content-type", content_type.as_deref())
            .maybe_header("content-encoding", content_encoding.as_deref())
            .maybe_header("cache-control", cache_control.as_deref())
            .maybe_header("content-disposition", content_disposition.as_deref())
            .maybe_header("x-amz-storage-class", storage_class.map(StorageClass::as_str))
            .maybe_header("x-amz-acl", acl.map(CannedAcl::as_str));
        call = match encryption {
            Encryption::None => call,
            Encryption::Aes256 => call.header("x-amz-server-side-encryption", "AES256"),
            Encryption::Kms { key_id } => call
                .header("x-amz-server-side-encryption", "aws:kms")
                .header("x-amz-server-side-encryption-aws-kms-key-id", key_id.as_str()),
        };
        for (name, value) in metadata {
            let good = !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            if !good {
                return Err(call.refuse(format!(
                    "the metadata name {name:?} may hold letters, digits, '-', '_' and '.' only"
                )));
            }
            call.headers.push((
                format!("x-amz-meta-{}", name.to_ascii_lowercase()).into(),
                value.as_str().into(),
            ));
        }
        for (name, value) in &call.headers {
            if !value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
                return Err(call.refuse(format!(
                    "the value of {name} may hold visible ASCII characters and spaces only"
                )));
            }
        }
        Ok(call)
    }
}
