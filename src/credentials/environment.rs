//! Environment variables.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The variables the sources read: the process's own (the default) or given ones.
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<BTreeMap<String, Zeroizing<String>>>>);

impl Environment {
    /// These variables and no others. `HOME` is the home directory.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs =
            pairs.into_iter().map(|(name, value)| (name.into(), Zeroizing::new(value.into())));
        Self(Some(Arc::new(pairs.collect())))
    }

    /// The value, trimmed; an empty variable counts as not set, as with AWS's SDKs.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.secret(name).map(|mut value| std::mem::take(&mut *value))
    }

    /// The same for a value that must be wiped. Trimmed, since a key pasted into a file ends in a newline as a rule and
    /// no key has white space.
    pub(super) fn secret(&self, name: &str) -> Option<Zeroizing<String>> {
        let value = match &self.0 {
            None => Zeroizing::new(std::env::var(name).ok()?),
            Some(pairs) => pairs.get(name)?.clone(),
        };
        let trimmed = value.trim();
        (!trimmed.is_empty()).then(|| Zeroizing::new(trimmed.to_owned()))
    }

    /// Whether a switch such as `AWS_EC2_METADATA_DISABLED` is `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The home directory, where `.aws` lies.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").or_else(|| self.get("USERPROFILE")).map(PathBuf::from)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_none() { "Environment(process)" } else { "Environment(given)" })
    }
}
