//! Environment variables.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The environment variables that sources read: those of the process (the default) or a given set.
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<BTreeMap<String, Zeroizing<String>>>>);

impl Environment {
    /// Uses these variables and no others. `HOME` is the home directory.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs =
            pairs.into_iter().map(|(name, value)| (name.into(), Zeroizing::new(value.into())));
        Self(Some(Arc::new(pairs.collect())))
    }

    /// Returns the trimmed value of a variable. An empty variable counts as not set, as in AWS's
    /// SDKs.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.secret(name).map(|mut value| std::mem::take(&mut *value))
    }

    /// Returns the trimmed value of a variable in memory that is wiped. It is trimmed because a key
    /// that was pasted into a file usually ends in a newline, and no key contains white space.
    pub(crate) fn secret(&self, name: &str) -> Option<Zeroizing<String>> {
        let value = match &self.0 {
            None => Zeroizing::new(std::env::var(name).ok()?),
            Some(pairs) => pairs.get(name)?.clone(),
        };
        let trimmed = value.trim();
        (!trimmed.is_empty()).then(|| Zeroizing::new(trimmed.to_owned()))
    }

    /// Reports whether a switch such as `AWS_EC2_METADATA_DISABLED` is `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns the selected profile, if one is selected. AWS's SDK for Go, which Distribution uses,
    /// reads both variables in this order.
    pub(super) fn profile(&self) -> Option<String> {
        self.get("AWS_PROFILE").or_else(|| self.get("AWS_DEFAULT_PROFILE"))
    }

    /// Returns the home directory, which contains `.aws`. Without a variable, it is that of the
    /// user database: systemd does not set `HOME` for services without `User=`.
    pub(super) fn home(&self) -> Option<PathBuf> {
        let variable = self.get("HOME").or_else(|| self.get("USERPROFILE"));
        variable.map(PathBuf::from).or_else(|| self.0.is_none().then(std::env::home_dir).flatten())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_none() { "Environment(process)" } else { "Environment(given)" })
    }
}
