//! The settings of a stored object.
use super::condition::Condition;
use super::meta::ObjectMeta;
use super::request::Call;
use super::tags;
use super::values::{BucketKey, CannedAcl, Encryption, StorageClass};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;
use crate::xml::{LegalHold, Retention, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The header with the retention's mode.
pub(super) const LOCK_MODE: &str = "x-amz-object-lock-mode";
/// The header with the legal hold.
pub(super) const LEGAL_HOLD: &str = "x-amz-object-lock-legal-hold";

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
    /// `x-amz-tagging`: at most 10 tags. A copy without any keeps those of its source. S3 requires
    /// the permission `s3:PutObjectTagging`.
    pub tags: Vec<Tag>,
    /// Server-side encryption.
    pub encryption: Encryption,
    /// `x-amz-server-side-encryption-context`: pairs that KMS binds to the encryption, and that
    /// CloudTrail shows. They require an encryption with a key of KMS.
    pub encryption_context: Vec<(String, String)>,
    /// `x-amz-server-side-encryption-bucket-key-enabled`; `None` leaves it to the bucket.
    pub bucket_key: Option<BucketKey>,
    /// The storage class; `None` leaves it to the bucket.
    pub storage_class: Option<StorageClass>,
    /// The canned ACL; `None` does not send one, as required by buckets with ACLs disabled.
    pub acl: Option<CannedAcl>,
    /// The retention of the new version, in a bucket with Object Lock (`x-amz-object-lock-mode` and
    /// `x-amz-object-lock-retain-until-date`). S3 requires the permission `s3:PutObjectRetention`,
    /// and a checksum or an MD5 of the bytes: the client sends an MD5 if no
    /// [`Checksum`](super::Checksum) is configured.
    pub retention: Option<Retention>,
    /// The legal hold of the new version (`x-amz-object-lock-legal-hold`). S3 requires the
    /// permission `s3:PutObjectLegalHold`.
    pub legal_hold: Option<LegalHold>,
    /// The condition under which the object becomes visible: [`Condition::Always`],
    /// [`Condition::IfAbsent`] or [`Condition::IfMatch`]. CreateMultipartUpload does not send it,
    /// because S3 decides at the completion.
    pub condition: Condition,
    /// `Expires` of the source of a copy, where it is not a time.
    pub(crate) odd_expires: Option<String>,
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

    /// Sets the tags.
    #[must_use]
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.tags = tags.into_iter().collect();
        self
    }

    /// Chooses the server-side encryption.
    #[must_use]
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// Adds a pair to the encryption context.
    #[must_use]
    pub fn encryption_context(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.encryption_context.push((name.into(), value.into()));
        self
    }

    /// Chooses whether to encrypt with an S3 Bucket Key.
    #[must_use]
    pub const fn bucket_key(mut self, choice: BucketKey) -> Self {
        self.bucket_key = Some(choice);
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

    /// Sets the retention of the new version.
    #[must_use]
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Sets the legal hold of the new version.
    #[must_use]
    pub const fn legal_hold(mut self, hold: LegalHold) -> Self {
        self.legal_hold = Some(hold);
        self
    }

    /// Stores the object only if `condition` holds.
    #[must_use]
    pub fn condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Returns whether there are content headers or metadata, which CopyObject keeps or replaces
    /// together.
    pub(crate) const fn describe_content(&self) -> bool {
        self.content_type.is_some()
            || self.content_encoding.is_some()
            || self.content_language.is_some()
            || self.content_disposition.is_some()
            || self.cache_control.is_some()
            || self.expires.is_some()
            || !self.metadata.is_empty()
    }

    /// Returns whether the content headers and the metadata here are those of a stored object.
    pub(crate) fn describe_content_of(&self, meta: &ObjectMeta) -> bool {
        let pairs = [
            (&self.content_type, &meta.content_type),
            (&self.content_encoding, &meta.content_encoding),
            (&self.content_language, &meta.content_language),
            (&self.content_disposition, &meta.content_disposition),
            (&self.cache_control, &meta.cache_control),
        ];
        pairs.into_iter().all(|(setting, stored)| setting.is_none() || setting == stored)
            && (self.expires.is_none() || self.expires == meta.expires)
            && (self.metadata.is_empty() || self.metadata == meta.metadata)
    }

    /// Returns whether a request can have these settings and, where they have none, the content
    /// headers and the metadata of a stored object. A server may have stored text that the headers
    /// of a request cannot hold, such as UTF-8.
    pub(crate) fn can_repeat(&self, meta: &ObjectMeta) -> bool {
        self.clone().with_description_of(meta).is_ok_and(|all| {
            let call = Call::new("CreateMultipartUpload", "POST", "", "");
            all.apply_to(call).is_ok()
        })
    }

    /// Adds the content headers and the metadata of a stored object, where these settings have
    /// none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the server does not show all of the metadata, which would
    /// be lost.
    pub(crate) fn with_description_of(mut self, meta: &ObjectMeta) -> Result<Self> {
        if self.metadata.is_empty()
            && let Some(missing @ 1..) = meta.missing_metadata
        {
            let text = format!(
                "a copy that replaces metadata would lose {missing} of the entries of its source, \
                 which the server does not show"
            );
            let hint = "name all of the copy's metadata in its settings, or copy the object with \
                        CopyObject and without new headers and metadata";
            return Err(Error::new(ErrorKind::InvalidArgument, text).with_hint(hint));
        }
        let kept = [
            (&mut self.content_type, &meta.content_type),
            (&mut self.content_encoding, &meta.content_encoding),
            (&mut self.content_language, &meta.content_language),
            (&mut self.content_disposition, &meta.content_disposition),
            (&mut self.cache_control, &meta.cache_control),
        ];
        for (setting, stored) in kept {
            if setting.is_none() {
                setting.clone_from(stored);
            }
        }
        if self.expires.is_none() {
            self.expires = meta.expires;
            self.odd_expires.clone_from(&meta.odd_expires);
        }
        if self.metadata.is_empty() {
            self.metadata.clone_from(&meta.metadata);
        }
        Ok(self)
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
            tags,
            encryption,
            encryption_context,
            bucket_key,
            storage_class,
            acl,
            retention,
            legal_hold,
            condition: _,
            odd_expires,
        } = self;
        let expires = expires.map(Timestamp::http_date).or_else(|| odd_expires.clone());
        let tagging = tags::header_of(tags).map_err(|error| call.refuse(error.to_string()))?;
        let mut call = call
            .maybe_header("x-amz-tagging", tagging)
            .maybe_header("content-type", content_type.as_deref())
            .maybe_header("content-encoding", content_encoding.as_deref())
            .maybe_header("cache-control", cache_control.as_deref())
            .maybe_header("content-disposition", content_disposition.as_deref())
            .maybe_header("content-language", content_language.as_deref())
            .maybe_header("expires", expires)
            .maybe_header("x-amz-storage-class", storage_class.map(StorageClass::as_str))
            .maybe_header("x-amz-acl", acl.map(CannedAcl::as_str));
        call = with_lock(call, retention.as_ref(), *legal_hold);
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
        if matches!(encryption, Encryption::Aes256) && !encryption_context.is_empty() {
            return Err(call.refuse("an encryption context requires a key of KMS"));
        }
        let context = context_of(encryption_context).map_err(|error| call.refuse(error))?;
        call = call.maybe_header("x-amz-server-side-encryption-context", context).maybe_header(
            "x-amz-server-side-encryption-bucket-key-enabled",
            bucket_key.map(BucketKey::as_str),
        );
        call = with_metadata(call, metadata)?;
        for (name, value) in &call.headers {
            if !value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
                return Err(call.refuse(format!(
                    "the value of {name} may contain only visible ASCII characters and spaces"
                )));
            }
        }
        Ok(call)
    }
}

/// Adds the headers of a lock.
fn with_lock<'a>(
    call: Call<'a>,
    retention: Option<&Retention>,
    legal_hold: Option<LegalHold>,
) -> Call<'a> {
    let until = retention.map(|retention| retention.retain_until.iso8601());
    call.maybe_header(LOCK_MODE, retention.map(|retention| retention.mode.as_str()))
        .maybe_header("x-amz-object-lock-retain-until-date", until)
        .maybe_header(LEGAL_HOLD, legal_hold.map(LegalHold::as_str))
}

/// Adds the metadata, after checking its names.
fn with_metadata<'a>(mut call: Call<'a>, metadata: &'a [(String, String)]) -> Result<Call<'a>> {
    for (name, value) in metadata {
        let good = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !good {
            return Err(call.refuse(format!(
                "the metadata name {name:?} may contain only letters, digits, '-', '_' and '.'"
            )));
        }
        call.headers.push((
            format!("x-amz-meta-{}", name.to_ascii_lowercase()).into(),
            value.as_str().into(),
        ));
    }
    Ok(call)
}

/// Returns the encryption context as the header contains it: JSON in base64. `None` without pairs.
fn context_of(pairs: &[(String, String)]) -> std::result::Result<Option<String>, String> {
    if pairs.is_empty() {
        return Ok(None);
    }

    let mut context = serde_json::Map::new();
    for (name, value) in pairs {
        if context.insert(name.clone(), value.as_str().into()).is_some() {
            return Err(format!("the encryption context has {name:?} twice"));
        }
    }
    Ok(Some(BASE64.encode(serde_json::Value::Object(context).to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(settings: &ObjectSettings, name: &str) -> Option<String> {
        let call = settings.apply_to(Call::new("PutObject", "PUT", "bucket", "key")).ok()?;
        let found = call.headers.iter().find(|(found, _)| found == name)?;
        Some(found.1.to_string())
    }

    #[test]
    fn the_encryption_context_is_json_in_base64() {
        const NAME: &str = "x-amz-server-side-encryption-context";
        let kms = ObjectSettings::default().encryption(Encryption::Kms { key_id: "k".to_owned() });
        let context = kms.clone().encryption_context("team", "a\"b").encryption_context("é", "");
        let json = r#"{"team":"a\"b","é":""}"#;
        assert_eq!(header(&context, NAME), Some(BASE64.encode(json)));
        assert_eq!(header(&kms, NAME), None);
        let twice = kms.encryption_context("a", "1").encryption_context("a", "2");
        assert!(twice.apply_to(Call::new("PutObject", "PUT", "bucket", "key")).is_err());
        let without_kms =
            ObjectSettings::default().encryption(Encryption::Aes256).encryption_context("a", "1");
        assert!(without_kms.apply_to(Call::new("PutObject", "PUT", "bucket", "key")).is_err());
    }

    #[test]
    fn a_bucket_key_is_chosen_by_its_own_header() {
        const NAME: &str = "x-amz-server-side-encryption-bucket-key-enabled";
        for (choice, value) in [(BucketKey::Enabled, "true"), (BucketKey::Disabled, "false")] {
            let settings = ObjectSettings::default().bucket_key(choice);
            assert_eq!(header(&settings, NAME).as_deref(), Some(value));
        }
        assert_eq!(header(&ObjectSettings::default(), NAME), None);
    }
}
