//! A cache of signatures. Reusing them is possible because a policy always has the same signature.
use crate::error::Result;
use crate::sync;
use std::collections::HashMap;
use std::sync::Mutex;

/// The maximum number of signatures in a generation. With [`MAX_POLICY`], two generations need less
/// than 2 MiB: a signature has at most 684 characters, that of a 4096-bit key.
const GENERATION: usize = 512;

/// The maximum length of a policy whose signature is cached. Those of a registry's blobs are
/// shorter; a caller can sign URLs of any length.
const MAX_POLICY: usize = 1024;

/// The signatures of recent policies, in at most two generations of [`GENERATION`] signatures. When
/// the younger generation is full, the older one is dropped. Policies and signatures are visible in
/// every URL; the key is not stored here.
#[derive(Default)]
pub(super) struct Signatures(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    younger: HashMap<String, String>,
    older: HashMap<String, String>,
}

impl Signatures {
    /// Returns the signature of `policy`, which is computed by `sign` if it is not cached.
    pub(super) fn of(
        &self,
        policy: String,
        sign: impl FnOnce(&str) -> Result<String>,
    ) -> Result<String> {
        if policy.len() > MAX_POLICY {
            return sign(&policy);
        }

        {
            let mut kept = sync::lock(&self.0);
            if let Some(signature) = kept.younger.get(&policy) {
                return Ok(signature.clone());
            }

            if let Some((policy, signature)) = kept.older.remove_entry(&policy) {
                kept.insert(policy, signature.clone());
                return Ok(signature);
            }
        }

        // The lock is not held while signing, so that other policies do not have to wait.
        let signature = sign(&policy)?;
        sync::lock(&self.0).insert(policy, signature.clone());
        Ok(signature)
    }

    /// Discards all signatures.
    pub(super) fn clear(&self) {
        *sync::lock(&self.0) = Generations::default();
    }
}

impl Generations {
    fn insert(&mut self, policy: String, signature: String) {
        if self.younger.len() >= GENERATION {
            self.older = std::mem::take(&mut self.younger);
        }

        self.younger.insert(policy, signature);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_computed_once_and_the_cache_is_bounded() {
        let kept = Signatures::default();
        let mut made = 0;
        let mut of = |number: usize| {
            let sign = |policy: &str| {
                made += 1;
                Ok(format!("signature of {policy}"))
            };

            assert_eq!(
                kept.of(number.to_string(), sign).unwrap(),
                format!("signature of {number}")
            );
            made
        };

        assert_eq!((of(0), of(0)), (1, 1));
        // A signature that is used is kept, and one that is not used is dropped.
        for number in 1..=3 * GENERATION {
            of(number);
            of(0);
        }

        assert_eq!(of(0), 1 + 3 * GENERATION);
        assert_eq!(of(1), 2 + 3 * GENERATION);
        let generations = sync::lock(&kept.0);
        assert!(generations.younger.len() <= GENERATION && generations.older.len() <= GENERATION);
    }

    #[test]
    fn a_generation_is_kept_until_it_is_full_or_discarded() {
        let kept = Signatures::default();
        let sign_all = || {
            let mut made = 0;
            for number in 0..GENERATION {
                let sign = |policy: &str| {
                    made += 1;
                    Ok(policy.to_owned())
                };
                kept.of(number.to_string(), sign).unwrap();
            }

            made
        };

        assert_eq!((sign_all(), sign_all()), (GENERATION, 0));
        kept.clear();
        assert_eq!(sign_all(), GENERATION);
    }

    #[test]
    fn long_policies_are_not_cached() {
        let kept = Signatures::default();
        for (length, times) in [(MAX_POLICY, 1), (MAX_POLICY + 1, 2)] {
            let mut made = 0;
            for _ in 0..2 {
                let sign = |policy: &str| {
                    made += 1;
                    Ok(policy.len().to_string())
                };
                assert_eq!(kept.of("p".repeat(length), sign).unwrap(), length.to_string());
            }

            assert_eq!(made, times, "{length}");
        }
    }

    #[test]
    fn a_failure_is_not_cached() {
        let kept = Signatures::default();
        let error = crate::error::Error::new(crate::error::ErrorKind::Configuration, "no key");
        assert!(kept.of("policy".to_owned(), |_| Err(error)).is_err());
        assert_eq!(kept.of("policy".to_owned(), |_| Ok("made".to_owned())).unwrap(), "made");
    }
}
