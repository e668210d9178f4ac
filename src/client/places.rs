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
        // Another thread may have learnt the location in the meantime.
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
