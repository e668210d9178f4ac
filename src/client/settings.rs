//! The settings of a stored object.
use super::condition::Condition;
use super::request::Call;
use super::values::{CannedAcl, Encryption, StorageClass};
use crate::error::Result;
use crate::time::Timestamp;

/// The settings with which PutObject, CopyObject and CreateMultipartUpload store an object, and the
/// condition for storing it. By default, no such header is sent, and an existing object is
/// replaced.
///
/// ```
/// use s3driver::client::{Condition, ObjectSettings};
///
/// let settings = ObjectSettings::default()
///     .content_type("text/plain")
///     .metadata("owner", "accounting")
///     .condition(Condition::IfAbsent);
/// assert_eq!(settings.content_type.as_deref(), Some("text/plain"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectSettings {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, which is stored and returned; the client never acts on it.
    pub content_encoding: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`.
    pub expires: Option<Timestamp>,
    /// `x-amz-meta-*`: names without the prefix, and values.
    pub metadata: Vec<(String, String)>,
    /// Server-side encryption.
    pub encryption: Encryption,
    /// The storage class; `None` leaves it to the bucket.
    pub storage_class: Option<StorageClass>,
    /// The canned ACL; `None` does not send one, as required by buckets with ACLs disabled.
    pub acl: Option<CannedAcl>,
    /// The condition under which the object becomes visible: [`Condition::Always`],
    /// [`Condition::IfAbsent`] or [`Condition::IfMatch`]. CreateMultipartUpload does not send it,
    /// because S3 decides at the completion.
    pub condition: Condition,
}

impl ObjectSettings {
    /// Sets `Content-Type`.
    #[must_use]
    pub fn content_type(mut self, value: impl Into<String>) -> Self {
        self.content_type = Some(value.into());
        self
    }

    /// Sets `Content-Encoding`.
    #[must_use]
    pub fn content_encoding(mut self, value: impl Into<String>) -> Self {
        self.content_encoding = Some(value.into());
        self
    }

    /// Sets `Cache-Control`.
    #[must_use]
    pub fn cache_control(mut self, value: impl Into<String>) -> Self {
        self.cache_control = Some(value.into());
        self
    }

    /// Sets `Content-Disposition`.
    #[must_use]
    pub fn content_disposition(mut self, value: impl Into<String>) -> Self {
        self.content_disposition = Some(value.into());
        self
    }

    /// Sets `Content-Language`.
    #[must_use]
    pub fn content_language(mut self, value: impl Into<String>) -> Self {
        self.content_language = Some(value.into());
        self
    }

    /// Sets `Expires`.
    #[must_use]
    pub const fn expires(mut self, time: Timestamp) -> Self {
        self.expires = Some(time);
        self
    }

    /// Adds metadata: a name without `x-amz-meta-`, and its value.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Chooses the server-side encryption.
    #[must_use]
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// Chooses the storage class.
    #[must_use]
    pub const fn storage_class(mut self, class: StorageClass) -> Self {
        self.storage_class = Some(class);
        self
    }

    /// Chooses the canned ACL.
    #[must_use]
    pub const fn acl(mut self, acl: CannedAcl) -> Self {
        self.acl = Some(acl);
        self
    }

    /// Stores the object only if `condition` holds.
    #[must_use]
    pub fn condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Adds the headers that are stored. The operations that decide on the condition add the
    /// condition.
    pub(super) fn apply_to<'a>(&'a self, call: Call<'a>) -> Result<Call<'a>> {
        let Self {
            content_type,
            content_encoding,
            cache_control,
            content_disposition,
            content_language,
            expires,
            metadata,
            encryption,
            storage_class,
            acl,
            condition: _,
        } = self;
        let mut call = call
            .maybe_header("content-type", content_type.as_deref())
            .maybe_header("content-encoding", content_encoding.as_deref())
            .maybe_header("cache-control", cache_control.as_deref())
            .maybe_header("content-disposition", content_disposition.as_deref())
            .maybe_header("content-language", content_language.as_deref())
            .maybe_header("expires", expires.map(Timestamp::http_date))
            .maybe_header("x-amz-storage-class", storage_class.map(StorageClass::as_str))
            .maybe_header("x-amz-acl", acl.map(CannedAcl::as_str));
        call = match encryption {
            Encryption::None => call,
            Encryption::Aes256 => call.header("x-amz-server-side-encryption", "AES256"),
            Encryption::Kms { key_id } => call
                .header("x-amz-server-side-encryption", "aws:kms")
                .header("x-amz-server-side-encryption-aws-kms-key-id", key_id.as_str()),
            Encryption::KmsTwoLayers { key_id } => call
                .header("x-amz-server-side-encryption", "aws:kms:dsse")
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
