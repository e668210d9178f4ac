//! Where the buckets are that a client sends requests to.
use super::REMEMBERED_BUCKETS;
use super::endpoint::{Endpoint, Located};
use crate::error::Result;
use crate::sync;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// Where a bucket's requests go, and the region that they are signed for.
#[derive(Debug)]
pub(super) struct BucketPlace {
    pub(super) region: String,
    pub(super) located: Located,
}

/// The places of buckets: those that the endpoint gives them, until a server names another region.
#[derive(Default)]
pub(super) struct Places(RwLock<HashMap<String, Arc<BucketPlace>>>);

impl Places {
    /// Returns where the bucket is, as far as is known.
    pub(super) fn of(&self, endpoint: &Endpoint, bucket: &str) -> Result<Arc<BucketPlace>> {
        if let Some(place) = sync::read(&self.0).get(bucket) {
            return Ok(Arc::clone(place));
        }
        let located = endpoint.locate(bucket)?;
        let place = Arc::new(BucketPlace { region: endpoint.signing_region().to_owned(), located });
        let mut known = sync::write(&self.0);
        // Another thread may have learnt better meanwhile.
        if known.len() < REMEMBERED_BUCKETS && !known.contains_key(bucket) {
            known.insert(bucket.to_owned(), Arc::clone(&place));
        }
        Ok(known.get(bucket).map_or(place, Arc::clone))
    }

    /// Remembers where the bucket turned out to be. When there are too many buckets already, another
    /// one is forgotten: a place that the endpoint gives is found again at no cost.
    pub(super) fn remember(&self, bucket: &str, place: &Arc<BucketPlace>) {
        let mut known = sync::write(&self.0);
        if known.len() >= REMEMBERED_BUCKETS && !known.contains_key(bucket) {
            let first = known.keys().next().cloned();
            first.and_then(|other| known.remove(&other));
        }
        known.insert(bucket.to_owned(), Arc::clone(place));
    }
}
