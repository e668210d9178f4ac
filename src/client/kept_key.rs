//! Caches the derived signing keys between requests.
use crate::credentials::Lease;
use crate::sign::v4::{Scope, SigningKey};
#[cfg(feature = "sigv4a")]
use crate::sign::v4a::KeyPair;
use crate::sign::{Credentials, Error};
use crate::sync;
use crate::time::Timestamp;
use std::sync::{Arc, RwLock, Weak};

/// The number of keys that are kept: one for each region and each session with a directory bucket
/// that a program uses at a time. Deriving another key costs four hashes.
const KEPT: usize = 16;

/// The signing keys of the last requests. Threads that sign with them do not wait for each other.
#[derive(Default)]
pub(super) struct KeptKeys {
    /// The latest key comes last.
    keys: RwLock<Vec<Kept>>,
    #[cfg(feature = "sigv4a")]
    pair: RwLock<Option<(Weak<Lease>, Arc<KeyPair>)>>,
}

#[derive(Clone)]
struct Kept {
    /// The lease that `key` was last used for. The reference keeps the address from being reused
    /// for another lease.
    lease: Weak<Lease>,
    key: Arc<SigningKey>,
}

impl KeptKeys {
    /// Returns the key for `credentials`, which are those of `lease`. Derives it if no cached key
    /// belongs to these credentials. Only the credentials of another lease have to be compared.
    pub(super) fn of(
        &self,
        lease: &Arc<Lease>,
        credentials: &Credentials,
        time: Timestamp,
        scope: Scope<'_>,
    ) -> Result<Arc<SigningKey>, Error> {
        let is_known = |kept: &&Kept| {
            std::ptr::eq(kept.lease.as_ptr(), Arc::as_ptr(lease)) && kept.key.covers(time, scope)
        };
        let equal = {
            let keys = sync::read(&self.keys);
            if let Some(kept) = keys.iter().rev().find(is_known) {
                return Ok(Arc::clone(&kept.key));
            }
            let is_equal = |kept: &&Kept| kept.key.is_for(credentials, time, scope);
            keys.iter().rev().find(is_equal).map(|kept| Arc::clone(&kept.key))
        };
        let key = match equal {
            Some(key) => key,
            None => Arc::new(SigningKey::derive(credentials, time, scope)?),
        };
        let mut keys = sync::write(&self.keys);
        keys.retain(|kept| !Arc::ptr_eq(&kept.key, &key));
        if keys.len() >= KEPT {
            keys.remove(0);
        }
        keys.push(Kept { lease: Arc::downgrade(lease), key: Arc::clone(&key) });
        Ok(key)
    }

    /// Returns the key pair of version 4A for `credentials`, which are those of `lease`.
    #[cfg(feature = "sigv4a")]
    pub(super) fn pair_of(
        &self,
        lease: &Arc<Lease>,
        credentials: &Credentials,
    ) -> Result<Arc<KeyPair>, Error> {
        if let Some((known, pair)) = &*sync::read(&self.pair)
            && std::ptr::eq(known.as_ptr(), Arc::as_ptr(lease))
        {
            return Ok(Arc::clone(pair));
        }
        let pair = Arc::new(KeyPair::derive(credentials)?);
        *sync::write(&self.pair) = Some((Arc::downgrade(lease), Arc::clone(&pair)));
        Ok(pair)
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
        let kept = KeptKeys::default();
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

    #[test]
    fn the_latest_keys_are_kept_for_each_lease_and_region() {
        let leases: Vec<_> = (0..KEPT)
            .map(|number| {
                let credentials = Credentials::new(format!("AKID{number}"), "secret");
                Arc::new(Lease { credentials: Some(credentials), expires: None })
            })
            .collect();
        let kept = KeptKeys::default();
        let of = |lease: &Arc<Lease>, region| {
            let (time, scope) = (Timestamp::from_unix(0), Scope { region, service: "s3express" });
            kept.of(lease, lease.credentials.as_ref().unwrap(), time, scope).unwrap()
        };
        let keys: Vec<_> = leases.iter().map(|lease| of(lease, "eu-west-1")).collect();
        for (lease, key) in leases.iter().zip(&keys) {
            assert!(Arc::ptr_eq(key, &of(lease, "eu-west-1")));
        }
        of(&leases[KEPT - 1], "eu-west-2");
        assert!(!Arc::ptr_eq(&keys[0], &of(&leases[0], "eu-west-1")), "the oldest is dropped");
        assert!(Arc::ptr_eq(&keys[KEPT - 1], &of(&leases[KEPT - 1], "eu-west-1")));
        assert_eq!(sync::read(&kept.keys).len(), KEPT);
    }
}
