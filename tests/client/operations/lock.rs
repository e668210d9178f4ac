//! Object Lock: configurations, retentions and legal holds.
use super::PART;
use crate::support::content::bytes;
use crate::support::target::Target;
use s3driver::client::{
    Checksum, Client, Condition, CreateBucket, DefaultRetention, DeleteObject, GetObject,
    GovernanceMode, LegalHold, ObjectLock, ObjectLockConfiguration, ObjectSettings, Retention,
    RetentionMode, RetentionPeriod, UploadRef, VersionSelector, Versioning,
};
use s3driver::time::Timestamp;
use s3driver::{ErrorKind, Result};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Returns the time after this one, in whole seconds.
fn later(by: Duration) -> Timestamp {
    let now = Timestamp::from(SystemTime::now());
    Timestamp::from_unix(now.unix()).plus(by)
}

fn governance(until: Timestamp) -> Retention {
    Retention::new(RetentionMode::Governance, until)
}

/// A bucket with Object Lock.
struct Locked<'a> {
    client: &'a Client,
    bucket: String,
}

impl<'a> Locked<'a> {
    fn new(target: &Target, client: &'a Client) -> Self {
        let bucket = target.scratch("locked");
        let request = CreateBucket::default().object_lock(ObjectLock::Enabled);
        client.create_bucket(&bucket, &request).unwrap();
        Self { client, bucket }
    }

    fn put(&self, key: &str, settings: &ObjectSettings) -> String {
        self.client
            .put_object(&self.bucket, key, b"content", settings)
            .unwrap()
            .version_id
            .expect("a version id")
    }

    fn delete(&self, key: &str, version: &str, mode: GovernanceMode) -> Result<()> {
        let request = DeleteObject::default().version_id(version).governance(mode);
        self.client.delete_object(&self.bucket, key, &request).map(drop)
    }

    fn retention(&self, key: &str) -> Option<Retention> {
        self.client.get_object_retention(&self.bucket, key, &VersionSelector::default()).unwrap()
    }

    fn retain(&self, key: &str, to: Option<Retention>, mode: GovernanceMode) -> Result<()> {
        let version = VersionSelector::default();
        self.client.put_object_retention(&self.bucket, key, to.as_ref(), mode, &version)
    }

    /// Deletes the bucket, whose objects are gone.
    fn remove(self) {
        self.client.delete_bucket(&self.bucket).unwrap();
    }
}

#[track_caller]
fn denied<T: std::fmt::Debug>(result: Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
}

crate::checks! {
    fn a_bucket_states_its_object_lock_configuration(target) {
        let client = target.client();
        let plain = target.scratch("plain");
        client.create_bucket(&plain, &CreateBucket::default()).unwrap();
        assert_eq!(client.get_object_lock_configuration(&plain).unwrap(), None);
        client.delete_bucket(&plain).unwrap();

        let locked = Locked::new(target, &client);
        let bucket = &*locked.bucket;
        assert_eq!(client.get_bucket_versioning(bucket).unwrap(), Some(Versioning::Enabled));
        let empty = ObjectLockConfiguration::default();
        assert_eq!(client.get_object_lock_configuration(bucket).unwrap(), Some(empty));
        for default in [
            DefaultRetention::new(RetentionMode::Governance, RetentionPeriod::Days(30)),
            DefaultRetention::new(RetentionMode::Compliance, RetentionPeriod::Years(2)),
        ] {
            let wanted = empty.default_retention(default);
            client.put_object_lock_configuration(bucket, &wanted).unwrap();
            assert_eq!(client.get_object_lock_configuration(bucket).unwrap(), Some(wanted));
        }
        let nothing = DefaultRetention::new(RetentionMode::Governance, RetentionPeriod::Days(0));
        let nothing = empty.default_retention(nothing);
        let error = client.put_object_lock_configuration(bucket, &nothing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        locked.remove();
    }

    fn a_default_retention_applies_to_every_new_object(target) {
        let client = target.client();
        let locked = Locked::new(target, &client);
        let default = DefaultRetention::new(RetentionMode::Governance, RetentionPeriod::Days(1));
        let configuration = ObjectLockConfiguration::default().default_retention(default);
        client.put_object_lock_configuration(&locked.bucket, &configuration).unwrap();
        // The bucket demands a digest, which no earlier response has stated.
        let version = locked.put("k", &ObjectSettings::default());
        let found = locked.retention("k").expect("a retention");
        assert_eq!(found.mode, RetentionMode::Governance);
        assert!(found.retain_until > later(23 * HOUR) && found.retain_until < later(25 * HOUR));
        denied(locked.delete("k", &version, GovernanceMode::Enforced));
        locked.delete("k", &version, GovernanceMode::Bypassed).unwrap();
        locked.remove();
    }

    fn a_retention_in_governance_mode_is_extended_and_bypassed(target) {
        for checksum in [Checksum::None, Checksum::Crc32c] {
            let client = target.client().with_checksum(checksum);
            let locked = Locked::new(target, &client);
            let (soon, late) = (governance(later(HOUR)), governance(later(2 * HOUR)));
            let version = locked.put("k", &ObjectSettings::default().retention(soon));
            assert_eq!(locked.retention("k"), Some(soon));
            let meta = client.head_object(&locked.bucket, "k", &GetObject::default()).unwrap();
            assert_eq!(meta.lock_mode.as_deref(), Some("GOVERNANCE"));
            assert_eq!(meta.retain_until, Some(soon.retain_until));
            denied(locked.delete("k", &version, GovernanceMode::Enforced));
            // An extension is always permitted.
            locked.retain("k", Some(late), GovernanceMode::Enforced).unwrap();
            assert_eq!(locked.retention("k"), Some(late));
            denied(locked.retain("k", Some(soon), GovernanceMode::Enforced));
            locked.retain("k", Some(soon), GovernanceMode::Bypassed).unwrap();
            assert_eq!(locked.retention("k"), Some(soon));
            locked.delete("k", &version, GovernanceMode::Bypassed).unwrap();
            let plain = locked.put("plain", &ObjectSettings::default());
            assert_eq!(locked.retention("plain"), None);
            locked.delete("plain", &plain, GovernanceMode::Enforced).unwrap();
            locked.remove();
        }
    }

    fn a_retention_in_governance_mode_can_be_removed(target) {
        let client = target.client();
        let locked = Locked::new(target, &client);
        let version =
            locked.put("k", &ObjectSettings::default().retention(governance(later(HOUR))));
        denied(locked.retain("k", None, GovernanceMode::Enforced));
        locked.retain("k", None, GovernanceMode::Bypassed).unwrap();
        assert_eq!(locked.retention("k"), None);
        locked.delete("k", &version, GovernanceMode::Enforced).unwrap();
        locked.remove();
    }

    fn a_retention_in_compliance_mode_ends_with_its_time(target) {
        let client = target.client();
        let locked = Locked::new(target, &client);
        let until = later(Duration::from_secs(3));
        let short = Retention::new(RetentionMode::Compliance, until);
        let version = locked.put("k", &ObjectSettings::default().retention(short));
        denied(locked.delete("k", &version, GovernanceMode::Bypassed));
        denied(locked.retain("k", Some(governance(later(HOUR))), GovernanceMode::Bypassed));
        // Only the server's clock ends it.
        let given_up = SystemTime::now() + Duration::from_secs(30);
        while let Err(error) = locked.delete("k", &version, GovernanceMode::Enforced) {
            assert_eq!(error.kind(), ErrorKind::AccessDenied, "{error}");
            assert!(SystemTime::now() < given_up, "still retained: {error}");
        }
        assert!(Timestamp::from(SystemTime::now()) >= until);
        locked.remove();
    }

    fn a_legal_hold_prevents_the_deletion_of_a_version(target) {
        let client = target.client();
        let locked = Locked::new(target, &client);
        let bucket = &*locked.bucket;
        let version = locked.put("k", &ObjectSettings::default().legal_hold(LegalHold::On));
        let of = VersionSelector::default().version_id(&version);
        let hold = |selector: &VersionSelector| {
            client.get_object_legal_hold(bucket, "k", selector).unwrap()
        };
        assert_eq!(hold(&of), LegalHold::On);
        let meta = client.head_object(bucket, "k", &GetObject::default()).unwrap();
        assert_eq!(meta.legal_hold.as_deref(), Some("ON"));
        denied(locked.delete("k", &version, GovernanceMode::Bypassed));
        // A delete marker leaves the version.
        let marker = client.delete_object(bucket, "k", &DeleteObject::default()).unwrap();
        assert_eq!(hold(&of), LegalHold::On);
        locked.delete("k", &marker.delete_marker_version_id.unwrap(), GovernanceMode::Enforced).unwrap();
        client.put_object_legal_hold(bucket, "k", LegalHold::Off, &of).unwrap();
        assert_eq!(hold(&VersionSelector::default()), LegalHold::Off);
        locked.delete("k", &version, GovernanceMode::Enforced).unwrap();
        let plain = locked.put("plain", &ObjectSettings::default());
        let current = VersionSelector::default();
        assert_eq!(client.get_object_legal_hold(bucket, "plain", &current).unwrap(), LegalHold::Off);
        locked.delete("plain", &plain, GovernanceMode::Enforced).unwrap();
        locked.remove();
    }

    fn a_completed_upload_has_the_lock_of_its_settings(target) {
        let client = target.client();
        let locked = Locked::new(target, &client);
        let retention = governance(later(HOUR));
        let settings = ObjectSettings::default().retention(retention).legal_hold(LegalHold::On);
        let id = client.create_multipart_upload(&locked.bucket, "k", &settings).unwrap();
        let upload = UploadRef { bucket: &locked.bucket, key: "k", upload_id: &id };
        let part = client.upload_part(upload, 1, &bytes(1, 0, PART)).unwrap();
        let done =
            client.complete_multipart_upload(upload, &[part], &Condition::Always).unwrap();
        assert_eq!(locked.retention("k"), Some(retention));
        let current = VersionSelector::default();
        let hold = client.get_object_legal_hold(&locked.bucket, "k", &current).unwrap();
        assert_eq!(hold, LegalHold::On);
        client.put_object_legal_hold(&locked.bucket, "k", LegalHold::Off, &current).unwrap();
        locked.delete("k", &done.version_id.unwrap(), GovernanceMode::Bypassed).unwrap();
        locked.remove();
    }
}
