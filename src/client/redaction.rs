//! The secrets of the current credentials, prepared for redacting what observers receive.
use crate::credentials::Lease;
use crate::sync;
use crate::text::Secrets;
use std::sync::{Arc, Mutex};

/// The secrets of the latest credentials. Preparing them costs more than a small request, so they
/// are kept.
#[derive(Default)]
pub(super) struct Redaction(Mutex<Option<(Arc<Lease>, Arc<Secrets>)>>);

impl Redaction {
    /// Returns the secrets of `lease`, which `prepare` creates if they are not cached.
    pub(super) fn of(&self, lease: &Arc<Lease>, prepare: impl FnOnce() -> Secrets) -> Arc<Secrets> {
        let mut kept = sync::lock(&self.0);
        match &*kept {
            Some((known, secrets)) if Arc::ptr_eq(known, lease) => Arc::clone(secrets),
            _ => {
                let (_, secrets) = kept.insert((Arc::clone(lease), Arc::new(prepare())));
                Arc::clone(secrets)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_prepared_once_for_each_lease() {
        let redaction = Redaction::default();
        let lease = || Arc::new(Lease { credentials: None, expires: None });
        let (first, second) = (lease(), lease());
        let mut prepared = 0;
        for (lease, times) in [(&first, 1), (&first, 1), (&second, 2), (&second, 2), (&first, 3)] {
            redaction.of(lease, || {
                prepared += 1;
                Secrets::new()
            });
            assert_eq!(prepared, times);
        }
    }
}
