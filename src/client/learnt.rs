//! Deviations and requirements of servers, remembered by bucket.
use super::REMEMBERED_BUCKETS;
use crate::sync;
use std::collections::HashSet;
use std::sync::Mutex;

/// The buckets whose server has a certain peculiarity.
#[derive(Default)]
pub(super) struct LearntBuckets(Mutex<HashSet<String>>);

impl LearntBuckets {
    pub(super) fn contains(&self, bucket: &str) -> bool {
        sync::lock(&self.0).contains(bucket)
    }

    /// Records a bucket, unless there are already too many, in which case the peculiarity is
    /// learned again. Returns whether the bucket is new.
    pub(super) fn insert(&self, bucket: &str) -> bool {
        let mut buckets = sync::lock(&self.0);
        buckets.len() < REMEMBERED_BUCKETS
            && !buckets.contains(bucket)
            && buckets.insert(bucket.to_owned())
    }
}

/// A kind of conditional request that some servers refuse, or whose conditions they evaluate in a
/// way that makes them useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConditionalRequest {
    Delete,
    Put,
}

/// The buckets whose server does not support the conditional requests of a kind.
#[derive(Default)]
pub(super) struct LearntConditions {
    deletes: LearntBuckets,
    puts: LearntBuckets,
}

impl LearntConditions {
    pub(super) const fn of(&self, request: ConditionalRequest) -> &LearntBuckets {
        match request {
            ConditionalRequest::Delete => &self.deletes,
            ConditionalRequest::Put => &self.puts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_recorded_once_and_up_to_the_limit() {
        let learnt = LearntBuckets::default();
        for number in 0..REMEMBERED_BUCKETS {
            let bucket = number.to_string();
            assert!(learnt.insert(&bucket) && !learnt.insert(&bucket));
        }

        assert!(!learnt.insert("another") && !learnt.contains("another"));
        assert!(learnt.contains("0"));
    }
}
