//! Object Lock with S3's rules.

use std::time::{Duration, SystemTime};

use s3s::dto::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
    ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode, Timestamp,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::backend::{Attributes, Bucket, Object, Store};
use super::versions::Setting;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The lock of a version of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    pub retention: Option<Retained>,
    /// Whether there is a legal hold; `None` if there never was one.
    pub legal_hold: Option<bool>,
}

/// The retention of a version.
#[derive(Clone, Debug, PartialEq)]
pub struct Retained {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub mode: String,
    pub until: Timestamp,
}

impl Retained {
    fn is_over(&self) -> bool {
        self.until <= SystemTime::now().into()
    }

    fn is_compliance(&self) -> bool {
        self.mode == ObjectLockRetentionMode::COMPLIANCE
    }

    /// Returns the retention that a document or headers describe.
    ///
    /// # Errors
    /// `MalformedXML` for an unknown mode or a missing value; `InvalidArgument` for a time that has
    /// passed.
    fn of(mode: Option<&str>, until: Option<Timestamp>) -> S3Result<Option<Self>> {
        match (mode, until) {
            (None, None) => Ok(None),
            (Some(mode @ ("GOVERNANCE" | "COMPLIANCE")), Some(until)) => {
                let retained = Self { mode: mode.to_owned(), until };
                if retained.is_over() {
                    let text = "The retain until date must be in the future!";
                    return Err(s3_error!(InvalidArgument, "{text}"));
                }
                Ok(Some(retained))
            }
            _ => Err(s3_error!(MalformedXML, "A retention has a mode and a date")),
        }
    }
}

impl Lock {
    /// Returns the lock that the headers of a request describe.
    ///
    /// # Errors
    /// Those of a retention.
    pub fn of_headers(
        mode: Option<&ObjectLockMode>,
        until: Option<Timestamp>,
        hold: Option<&ObjectLockLegalHoldStatus>,
    ) -> S3Result<Self> {
        let legal_hold = hold.map(|hold| hold.as_str() == ObjectLockLegalHoldStatus::ON);
        let retention = Retained::of(mode.map(ObjectLockMode::as_str), until)?;
        Ok(Self { retention, legal_hold })
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that a version with this lock may be deleted.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn check_deletion(&self, bypass: bool) -> S3Result<()> {
        let retained = self.retention.as_ref().filter(|retained| !retained.is_over());
        let is_retained = retained.is_some_and(|retained| retained.is_compliance() || !bypass);
        if is_retained || self.legal_hold == Some(true) {
            return Err(s3_error!(
                AccessDenied,
                "Access Denied because object protected by object lock."
            ));
        }
        Ok(())
    }
}

impl Bucket {
    /// Applies the bucket's rules to the lock of a new version. `has_digest` states whether the
    /// request had a digest of the body.
    ///
    /// # Errors
    /// `InvalidRequest` if the bucket does not have Object Lock, or if the digest is missing.
    pub fn lock(&self, attributes: &mut Attributes, has_digest: bool) -> S3Result<()> {
        let lock = &mut attributes.lock;
        let Some(configuration) = &self.lock else {
            return if lock.is_empty() { Ok(()) } else { Err(no_configuration()) };
        };
        let default = configuration.rule.as_ref().and_then(|rule| rule.default_retention.as_ref());
        if lock.retention.is_none() {
            lock.retention = default.and_then(retained_by);
        }
        if !lock.is_empty() && !has_digest {
            return Err(s3_error!(
                InvalidRequest,
                "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock \
                 parameters"
            ));
        }
        Ok(())
    }
}

/// Returns the retention of an object that is stored now.
fn retained_by(default: &DefaultRetention) -> Option<Retained> {
    let days = default.days.or_else(|| default.years.map(|years| years * 365))?;
    let until = SystemTime::now() + DAY * u32::try_from(days).ok()?;
    Some(Retained { mode: default.mode.as_ref()?.as_str().to_owned(), until: until.into() })
}

impl Store {
    /// Returns the Object Lock configuration of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`; `ObjectLockConfigurationNotFoundError`.
    pub fn lock_configuration(&self, bucket: &str) -> S3Result<ObjectLockConfiguration> {
        self.state().bucket(bucket)?.lock.clone().ok_or_else(|| {
            let text = "Object Lock configuration does not exist for this bucket";
            not_found("ObjectLockConfigurationNotFoundError", text)
        })
    }

    /// Enables Object Lock, and replaces the configuration.
    ///
    /// # Errors
    /// `NoSuchBucket`; `InvalidBucketState` if the bucket does not store versions; `MalformedXML`.
    pub fn set_lock_configuration(
        &self,
        bucket: &str,
        configuration: Option<ObjectLockConfiguration>,
    ) -> S3Result<()> {
        let mut state = self.state();
        let bucket = state.bucket(bucket)?;
        if bucket.versions.setting != Setting::Enabled {
            return Err(s3_error!(
                InvalidBucketState,
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
            ));
        }
        let configuration = configuration.unwrap_or_default();
        let rule = configuration.rule.as_ref().and_then(|rule| rule.default_retention.as_ref());
        let is_malformed = configuration.object_lock_enabled.is_none()
            || rule.is_some_and(|rule| {
                rule.mode.is_none() || rule.days.is_some() == rule.years.is_some()
            });
        if is_malformed {
            return Err(s3_error!(MalformedXML, "The configuration is not valid"));
        }
        bucket.lock = Some(configuration);
        Ok(())
    }

    /// Returns an object in a bucket with Object Lock.
    fn lockable(
        &self,
        (bucket, key): (&str, &str),
        version_id: Option<&str>,
    ) -> S3Result<std::sync::Arc<Object>> {
        let mut state = self.state();
        let bucket = state.bucket(bucket)?;
        if bucket.lock.is_none() {
            return Err(no_configuration());
        }
        bucket.version(key, version_id)
    }

    /// Returns the retention of an object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, `InvalidRequest`,
    /// `NoSuchObjectLockConfiguration`.
    pub fn retention(
        &self,
        place: (&str, &str),
        version_id: Option<&str>,
    ) -> S3Result<ObjectLockRetention> {
        let object = self.lockable(place, version_id)?;
        let Some(Retained { mode, until }) = object.attributes.lock.retention.clone() else {
            return Err(nothing_locked());
        };
        Ok(ObjectLockRetention { mode: Some(mode.into()), retain_until_date: Some(until) })
    }

    /// Replaces the retention of an object.
    ///
    /// # Errors
    /// Those of [`Store::retention`], except for an object without one; `AccessDenied` for a change
    /// that the existing retention forbids.
    pub fn set_retention(
        &self,
        (bucket, key): (&str, &str),
        version_id: Option<&str>,
        retention: ObjectLockRetention,
        bypass: bool,
    ) -> S3Result<()> {
        self.lockable((bucket, key), version_id)?;
        let ObjectLockRetention { mode, retain_until_date } = retention;
        let new =
            Retained::of(mode.as_ref().map(ObjectLockRetentionMode::as_str), retain_until_date)?;
        self.update(bucket, key, version_id, |object| {
            let retention = &mut object.attributes.lock.retention;
            if let Some(old) = retention.as_ref().filter(|old| !old.is_over()) {
                let extends = new.as_ref().is_some_and(|new| {
                    new.until >= old.until && (new.mode == old.mode || !old.is_compliance())
                });
                if !extends && (old.is_compliance() || !bypass) {
                    return Err(s3_error!(AccessDenied, "Access Denied"));
                }
            }
            *retention = new;
            Ok(())
        })
        .map(drop)
    }

    /// Returns the legal hold of an object.
    ///
    /// # Errors
    /// Those of [`Store::retention`].
    pub fn legal_hold(
        &self,
        place: (&str, &str),
        version_id: Option<&str>,
    ) -> S3Result<ObjectLockLegalHold> {
        let object = self.lockable(place, version_id)?;
        let hold = object.attributes.lock.legal_hold.ok_or_else(nothing_locked)?;
        Ok(ObjectLockLegalHold { status: Some(status(hold)) })
    }

    /// Sets or removes the legal hold of an object.
    ///
    /// # Errors
    /// Those of [`Store::retention`], except for an object without a hold; `MalformedXML`.
    pub fn set_legal_hold(
        &self,
        (bucket, key): (&str, &str),
        version_id: Option<&str>,
        hold: Option<ObjectLockLegalHold>,
    ) -> S3Result<()> {
        self.lockable((bucket, key), version_id)?;
        let hold =
            match hold.and_then(|hold| hold.status).as_ref().map(ObjectLockLegalHoldStatus::as_str)
            {
                Some("ON") => true,
                Some("OFF") => false,
                _ => return Err(s3_error!(MalformedXML, "The status is neither ON nor OFF")),
            };
        self.update(bucket, key, version_id, |object| {
            object.attributes.lock.legal_hold = Some(hold);
            Ok(())
        })
        .map(drop)
    }
}

/// Returns the word for a legal hold.
pub fn status(hold: bool) -> ObjectLockLegalHoldStatus {
    let word = if hold { ObjectLockLegalHoldStatus::ON } else { ObjectLockLegalHoldStatus::OFF };
    ObjectLockLegalHoldStatus::from_static(word)
}

fn no_configuration() -> S3Error {
    s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration")
}

fn nothing_locked() -> S3Error {
    not_found(
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
    )
}

fn not_found(code: &'static str, text: &str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), text.to_owned());
    error.set_status_code(hyper::StatusCode::NOT_FOUND);
    error
}
