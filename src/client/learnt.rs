//! What servers turn out to want or to do differently, remembered by bucket.
use super::REMEMBERED_BUCKETS;
use crate::sync;
use std::collections::HashSet;
use std::sync::Mutex;

/// Buckets with one peculiarity.
#[derive(Default)]
pub(super) struct LearntBuckets(Mutex<HashSet<String>>);

impl LearntBuckets {
    pub(super) fn contains(&self, bucket: &str) -> bool {
        sync::lock(&self.0).contains(bucket)
    }

    /// Remembers a bucket, unless there are too many already: the peculiarity is learnt again then.
    /// Returns whether it is new.
    pub(super) fn insert(&self, bucket: &str) -> bool {
        let mut buckets = sync::lock(&self.0);
        buckets.len() < REMEMBERED_BUCKETS
            && !buckets.contains(bucket)
            && buckets.insert(bucket.to_owned())
    }
}
