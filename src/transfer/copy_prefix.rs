//! Copies all objects below a prefix.
use super::{Transfer, parallel};
use crate::client::{CopySource, ListObjects, ObjectSettings};
use crate::error::{Error, ErrorKind, Result};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

impl Transfer<'_> {
    /// Copies every object whose key begins with `prefix`, several at the same time, to keys that
    /// begin with `target` instead, and returns how many there were. Each object is copied like in
    /// [`Transfer::copy`]; the parts of a large one are copied one after the other. The source and
    /// the target each consist of a bucket and a prefix.
    ///
    /// Progress is reported separately for each object.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the copies would be below the prefix that is copied, or if
    /// one of them would be: the copy of `a/a/a/x` from `a/a/` to `a/` would replace `a/a/x`, which
    /// may not have been copied yet. The errors of the listing; the first failure of a copy, after
    /// which no further copy is begun.
    pub fn copy_prefix(
        &self,
        (bucket, prefix): (&str, &str),
        (target_bucket, target): (&str, &str),
        settings: &ObjectSettings,
    ) -> Result<u64> {
        let is_below = |key: &str| bucket == target_bucket && key.starts_with(prefix);
        let refused = |text| Error::new(ErrorKind::InvalidArgument, text).with_bucket(bucket);
        if is_below(target) {
            return Err(refused(format!(
                "the copies to {target:?} would lie below {prefix:?} themselves"
            )));
        }
        let copied = AtomicU64::new(0);
        let (client, cancel) = self.client.with_child_cancel();
        // Several objects are copied at the same time, so the parts of each one are not.
        let one = Self { client: client.clone(), concurrency: NonZeroUsize::MIN, ..self.clone() };
        let objects = client.objects(bucket, ListObjects::prefix(prefix));
        parallel::for_each_taken(objects, self.concurrency, &cancel, |object| {
            let Some(rest) = object.key.strip_prefix(prefix) else { return Ok(()) };
            let copy = format!("{target}{rest}");
            if is_below(&copy) {
                return Err(refused(format!(
                    "the copy of {:?} to {copy:?} would lie below {prefix:?} itself",
                    object.key
                )));
            }
            one.copy(CopySource::new(bucket, &object.key), target_bucket, &copy, settings)?;
            copied.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })?;
        Ok(copied.into_inner())
    }
}
