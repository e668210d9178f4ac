//! The locations of the buckets that a client sends requests to.
use super::REMEMBERED_BUCKETS;
use super::endpoint::{Endpoint, Located};
use crate::error::Result;
use crate::sync;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// The locations of buckets, as given by the endpoint until a server names another region.
#[derive(Default)]
pub(super) struct Places(RwLock<HashMap<String, Arc<Located>>>);

impl Places {
    /// Returns the location of the bucket, as far as it is known.
    pub(super) fn of(&self, endpoint: &Endpoint, bucket: &str) -> Result<Arc<Located>> {
        if let Some(place) = sync::read(&self.0).get(bucket) {
            return Ok(Arc::clone(place));
        }
        let place = Arc::new(endpoint.locate(bucket)?);
        let mut known = sync::write(&self.0);
        // Another thread may have learned the location in the meantime.
        if known.len() < REMEMBERED_BUCKETS && !known.contains_key(bucket) {
            known.insert(bucket.to_owned(), Arc::clone(&place));
        }
        Ok(known.get(bucket).map_or(place, Arc::clone))
    }

    /// Stores the location that was found for the bucket. If there are already too many buckets,
    /// another one is removed: the location that the endpoint gives can be determined again without
    /// a request.
    pub(super) fn remember(&self, bucket: &str, place: &Arc<Located>) {
        let mut known = sync::write(&self.0);
        if known.len() >= REMEMBERED_BUCKETS && !known.contains_key(bucket) {
            let first = known.keys().next().cloned();
            first.and_then(|other| known.remove(&other));
        }
        known.insert(bucket.to_owned(), Arc::clone(place));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::client::Scheme;

    #[test]
    fn locations_are_kept_for_a_bounded_number_of_buckets() {
        let endpoint = Endpoint::custom("https://s3.example.com", None, Scheme::Https).unwrap();
        let places = Places::default();
        let is_kept = |bucket: &str| {
            let first = places.of(&endpoint, bucket).unwrap();
            Arc::ptr_eq(&first, &places.of(&endpoint, bucket).unwrap())
        };

        for number in 0..REMEMBERED_BUCKETS {
            assert!(is_kept(&format!("bucket-{number}")));
        }

        assert!(!is_kept("another") && is_kept("bucket-0"));
        places.remember("another", &places.of(&endpoint, "another").unwrap());
        assert!(is_kept("another"));
        assert_eq!(sync::read(&places.0).len(), REMEMBERED_BUCKETS);
    }
}
