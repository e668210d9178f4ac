//! Copies all objects below a prefix.
use super::{Transfer, parallel};
use crate::client::endpoint::may_be_same_bucket;
use crate::client::{Client, CopySource, ListObjects, ObjectSettings};
use crate::error::{Error, ErrorKind, Result};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

/// The keys of the copies of all objects below a prefix, which begin with another prefix instead.
///
/// No copy may lie below the copied prefix: it would be copied as well, or it would replace an
/// object that has not been copied yet. The copy of `a/a/a/x` from `a/a/` to `a/`, for example,
/// replaces `a/a/x`.
///
/// Two buckets are taken for the same one if they may be
/// ([`may_be_same_bucket`](crate::client::endpoint::may_be_same_bucket)), unless both prefixes are
/// equal: no copy has another object's key then.
#[derive(Clone, Debug)]
pub struct PrefixCopy {
    bucket: String,
    prefix: String,
    target: String,
    buckets: Buckets,
}

/// Whether objects are copied within one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buckets {
    Same,
    Different,
}

impl PrefixCopy {
    /// Creates the rule for copies from the source to the target, each of which consists of a
    /// bucket and a prefix.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if all copies would lie below the source.
    pub fn new(
        (bucket, prefix): (&str, &str),
        (target_bucket, target): (&str, &str),
    ) -> Result<Self> {
        let is_same = bucket == target_bucket
            || prefix != target && may_be_same_bucket(bucket, target_bucket);
        let buckets = if is_same { Buckets::Same } else { Buckets::Different };
        let copy = Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            target: target.to_owned(),
            buckets,
        };
        if copy.is_below(target) {
            return Err(copy.refused(format!(
                "the copies to {target:?} would lie below {prefix:?} themselves"
            )));
        }
        Ok(copy)
    }

    /// Returns the key of the copy of `key`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the copy would lie below the copied prefix, or if `key`
    /// does not begin with that prefix.
    pub fn target_of(&self, key: &str) -> Result<String> {
        let Some(rest) = key.strip_prefix(&*self.prefix) else {
            return Err(self.refused(format!("{key:?} does not begin with {:?}", self.prefix)));
        };
        let copy = format!("{}{rest}", self.target);
        if self.is_below(&copy) {
            return Err(self.refused(format!(
                "the copy of {key:?} to {copy:?} would lie below {:?} itself",
                self.prefix
            )));
        }
        Ok(copy)
    }

    /// Checks that no object has a copy below the copied prefix, before any object is copied. This
    /// takes one request, or none if no key could have such a copy.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if there is such an object; the errors of the listing.
    pub fn check(&self, client: &Client) -> Result<()> {
        // From `a/b/` to `a/`, the copies of `a/b/b/...` would lie below `a/b/`.
        let Some(step) = self.prefix.strip_prefix(&*self.target) else { return Ok(()) };
        if self.buckets == Buckets::Different {
            return Ok(());
        }
        let conflicting = ListObjects::prefix(format!("{}{step}", self.prefix)).max_keys(1);
        match client.objects(&self.bucket, conflicting).next() {
            Some(object) => self.target_of(&object?.key).map(drop),
            None => Ok(()),
        }
    }

    fn is_below(&self, key: &str) -> bool {
        self.buckets == Buckets::Same && key.starts_with(&*self.prefix)
    }

    fn refused(&self, text: String) -> Error {
        Error::new(ErrorKind::InvalidArgument, text)
            .with_bucket(&self.bucket)
            .with_hint("copy the objects to a prefix that does not contain them")
    }
}

impl Transfer<'_> {
    /// Copies every object whose key begins with `prefix`, several at the same time, to keys that
    /// begin with `target` instead, and returns how many there were. Each object is copied like in
    /// [`Transfer::copy`]; the parts of a large one are copied one after the other. The source and
    /// the target each consist of a bucket and a prefix.
    ///
    /// Progress is reported separately for each object.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if a copy would lie below the prefix that is copied
    /// ([`PrefixCopy`]), in which case nothing is copied, unless that object is stored in the
    /// meantime. The errors of the listing; the first failure of a copy, after which no further
    /// copy is begun.
    pub fn copy_prefix(
        &self,
        (bucket, prefix): (&str, &str),
        (target_bucket, target): (&str, &str),
        settings: &ObjectSettings,
    ) -> Result<u64> {
        let copies = PrefixCopy::new((bucket, prefix), (target_bucket, target))?;
        copies.check(&self.client)?;
        let copied = AtomicU64::new(0);
        let (client, cancel) = self.client.with_child_cancel();
        // Several objects are copied at the same time, so the parts of each one are not.
        let one = Self { client: client.clone(), concurrency: NonZeroUsize::MIN, ..self.clone() };
        let objects = client.objects(bucket, ListObjects::prefix(prefix));
        parallel::for_each_taken(objects, self.concurrency, &cancel, |object| {
            let copy = copies.target_of(&object.key)?;
            one.copy(CopySource::new(bucket, &object.key), target_bucket, &copy, settings)?;
            copied.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })?;
        Ok(copied.into_inner())
    }
}
