//! Caches the derived signing key between requests.
use crate::credentials::Lease;
use crate::sign::v4::{Scope, SigningKey};
use crate::sign::{Credentials, Error};
use crate::sync;
use crate::time::Timestamp;
use std::sync::{Arc, RwLock, Weak};

/// The signing key of the last request. Threads that sign with it do not wait for each other.
#[derive(Default)]
pub(super) struct KeptKey(RwLock<Option<Kept>>);

#[derive(Clone)]
struct Kept {
    /// The lease that `key` was last used for. The reference keeps the address from being reused
    /// for another lease.
    lease: Weak<Lease>,
    key: Arc<SigningKey>,
}

impl KeptKey {
    /// Returns the key for `credentials`, which are those of `lease`. Derives it if the cached key
    /// belongs to other credentials. Only the credentials of another lease have to be compared.
    pub(super) fn of(
        &self,
        lease: &Arc<Lease>,
        credentials: &Credentials,
        time: Timestamp,
        scope: Scope<'_>,
    ) -> Result<Arc<SigningKey>, Error> {
        let kept = sync::read(&self.0).clone();
        let key = match kept {
            Some(Kept { lease: known, key })
                if std::ptr::eq(known.as_ptr(), Arc::as_ptr(lease)) && key.covers(time, scope) =>
            {
                return Ok(key);
            }
            Some(Kept { key, .. }) if key.is_for(credentials, time, scope) => key,
            _ => Arc::new(SigningKey::derive(credentials, time, scope)?),
        };
        *sync::write(&self.0) = Some(Kept { lease: Arc::downgrade(lease), key: Arc::clone(&key) });
        Ok(key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_derived_again_for_another_secret_day_or_region_only() {
        const DAY: i64 = 24 * 60 * 60;
        let lease = |secret: &str| {
            Arc::new(Lease { credentials: Some(Credentials::new("AKID", secret)), expires: None })
        };
        let kept = KeptKey::default();
        let of = |lease: &Arc<Lease>, unix, region| {
            let credentials = lease.credentials.as_ref().unwrap();
            kept.of(lease, credentials, Timestamp::from_unix(unix), Scope { region, service: "s3" })
                .unwrap()
        };
        let (first, same, other) = (lease("one"), lease("one"), lease("two"));
        let key = of(&first, 0, "eu-west-1");
        assert!(Arc::ptr_eq(&key, &of(&first, DAY - 1, "eu-west-1")));
        assert!(Arc::ptr_eq(&key, &of(&same, 0, "eu-west-1")));
        for (lease, unix, region) in
            [(&first, DAY, "eu-west-1"), (&first, 0, "eu-west-2"), (&other, 0, "eu-west-1")]
        {
            let derived = of(lease, unix, region);
            assert!(!Arc::ptr_eq(&key, &derived));
            let credentials = lease.credentials.as_ref().unwrap();
            let scope = Scope { region, service: "s3" };
            assert!(derived.is_for(credentials, Timestamp::from_unix(unix), scope));
            of(&first, 0, "eu-west-1");
        }
    }
}
