//! Object Lock: the configuration of a bucket, and the retention and the legal hold of an object
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>).
use super::Client;
use super::body::Payload;
use super::reply::Reader;
use super::request::{Call, object_call, version_of};
use super::versions::VersionSelector;
use crate::error::{Error, Result};
use crate::xml::{self, LegalHold, ObjectLockConfiguration, Retention};

/// Whether a request may delete a version that is retained in governance mode, or shorten its
/// retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GovernanceMode {
    /// The request may not delete a version in governance mode, or shorten its retention.
    #[default]
    Enforced,
    /// The request may delete a version in governance mode, or shorten its retention
    /// (`x-amz-bypass-governance-retention`). S3 requires the permission
    /// `s3:BypassGovernanceRetention`.
    Bypassed,
}

impl GovernanceMode {
    /// Adds the header of this choice.
    pub(super) fn apply_to(self, call: Call<'_>) -> Call<'_> {
        match self {
            Self::Enforced => call,
            Self::Bypassed => call.header("x-amz-bypass-governance-retention", "true"),
        }
    }
}

impl Client {
    /// [GetObjectLockConfiguration]: returns the Object Lock configuration of a bucket; `None` if
    /// Object Lock is not enabled.
    ///
    /// [GetObjectLockConfiguration]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html
    pub fn get_object_lock_configuration(
        &self,
        bucket: &str,
    ) -> Result<Option<ObjectLockConfiguration>> {
        let call =
            Call::new("GetObjectLockConfiguration", "GET", bucket, "").query("object-lock", "");
        let reader: Reader<_> = (xml::object_lock_configuration, xml::MAX_REPLY_BYTES);
        match self.run_for_document(&call, Payload::Empty, reader) {
            Err(error) if error.code() == Some(NO_CONFIGURATION) => Ok(None),
            configuration => configuration,
        }
    }

    /// [PutObjectLockConfiguration]: enables Object Lock in a bucket that stores versions, and sets
    /// the retention of new objects. Object Lock cannot be disabled. Servers other than AWS's may
    /// require that the bucket was [created](super::CreateBucket::object_lock) with it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a period of 0.
    ///
    /// [PutObjectLockConfiguration]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html
    pub fn put_object_lock_configuration(
        &self,
        bucket: &str,
        configuration: &ObjectLockConfiguration,
    ) -> Result<()> {
        let call =
            Call::new("PutObjectLockConfiguration", "PUT", bucket, "").query("object-lock", "");
        let body = xml::write_object_lock_configuration(configuration)
            .map_err(|error| call.refuse(error.to_string()))?;
        self.run_for_nothing(&call.with_document(&body), Payload::Bytes(body.as_bytes()))
    }

    /// [GetObjectRetention]: returns the retention of an object; `None` if it does not have one.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if Object Lock is not enabled in the
    /// bucket.
    ///
    /// [GetObjectRetention]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html
    pub fn get_object_retention(
        &self,
        bucket: &str,
        key: &str,
        version: &VersionSelector,
    ) -> Result<Option<Retention>> {
        let call = lock_call(("GetObjectRetention", "GET", "retention"), (bucket, key), version)?;
        let reader: Reader<_> = (xml::object_retention, xml::MAX_REPLY_BYTES);
        match self.run_for_document(&call, Payload::Empty, reader) {
            Err(error) if lacks_lock(&error) => Ok(None),
            retention => retention,
        }
    }

    /// [PutObjectRetention]: sets the retention of an object, or removes it. The retention can
    /// always be extended. Shortening or removing it requires the mode governance and
    /// [`GovernanceMode::Bypassed`].
    ///
    /// ```no_run
    /// use s3driver::client::{Client, GovernanceMode, Retention, RetentionMode, VersionSelector};
    ///
    /// let client = Client::from_env()?;
    /// let retention = Retention::new(RetentionMode::Governance, "2031-05-01T00:00:00Z".parse()?);
    /// let (version, governance) = (VersionSelector::default(), GovernanceMode::Enforced);
    /// client.put_object_retention("bucket", "key", Some(&retention), governance, &version)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::AccessDenied`](crate::ErrorKind::AccessDenied) if the existing retention does
    /// not permit the change.
    ///
    /// [PutObjectRetention]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html
    pub fn put_object_retention(
        &self,
        bucket: &str,
        key: &str,
        retention: Option<&Retention>,
        governance: GovernanceMode,
        version: &VersionSelector,
    ) -> Result<()> {
        let call = lock_call(("PutObjectRetention", "PUT", "retention"), (bucket, key), version)?;
        let body = xml::write_object_retention(retention);
        let call = governance.apply_to(call).with_document(&body);
        self.run_for_nothing(&call, Payload::Bytes(body.as_bytes()))
    }

    /// [GetObjectLegalHold]: returns whether an object has a legal hold.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if Object Lock is not enabled in the
    /// bucket.
    ///
    /// [GetObjectLegalHold]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html
    pub fn get_object_legal_hold(
        &self,
        bucket: &str,
        key: &str,
        version: &VersionSelector,
    ) -> Result<LegalHold> {
        let call = lock_call(("GetObjectLegalHold", "GET", "legal-hold"), (bucket, key), version)?;
        let reader: Reader<_> = (xml::object_legal_hold, xml::MAX_REPLY_BYTES);
        match self.run_for_document(&call, Payload::Empty, reader) {
            Err(error) if lacks_lock(&error) => Ok(LegalHold::Off),
            hold => hold,
        }
    }

    /// [PutObjectLegalHold]: sets or removes the legal hold of an object.
    ///
    /// [PutObjectLegalHold]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html
    pub fn put_object_legal_hold(
        &self,
        bucket: &str,
        key: &str,
        hold: LegalHold,
        version: &VersionSelector,
    ) -> Result<()> {
        let call = lock_call(("PutObjectLegalHold", "PUT", "legal-hold"), (bucket, key), version)?;
        let body = xml::write_object_legal_hold(hold);
        self.run_for_nothing(&call.with_document(&body), Payload::Bytes(body.as_bytes()))
    }
}

/// The code with which servers report that a bucket does not have Object Lock. Ceph also uses it
/// for an object without a lock.
const NO_CONFIGURATION: &str = "ObjectLockConfigurationNotFoundError";

/// Codes with which servers report that an object does not have a retention or a legal hold: S3's,
/// Ceph's, and SeaweedFS's for a legal hold.
const NOTHING_LOCKED: [&str; 3] =
    ["NoSuchObjectLockConfiguration", NO_CONFIGURATION, "NoSuchObjectLegalHold"];

/// Returns whether `error` means that an object does not have a retention or a legal hold.
fn lacks_lock(error: &Error) -> bool {
    error.code().is_some_and(|code| NOTHING_LOCKED.contains(&code))
}

fn lock_call<'a>(
    (operation, method, parameter): (&'static str, &'static str, &'static str),
    (bucket, key): (&'a str, &'a str),
    version: &'a VersionSelector,
) -> Result<Call<'a>> {
    let call = object_call(operation, method, bucket, key)?.query(parameter, "");
    version_of(call, version.version_id.as_deref())
}
