//! Keys that do not need a request: fixed keys, and those in environment variables.

use super::document::keys;
use super::{Context, Credentials, Lease, Provider, Source, Unavailable};
use crate::text::{Resemblance, resemblance};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Fixed credentials. As a [`Source`], they can be the base of an
/// [`AssumeRole`](super::AssumeRole).
#[derive(Clone, Debug)]
pub struct Static(Arc<Lease>);

impl Static {
    /// Creates a provider that always returns these credentials. With a session token they are
    /// valid until the session ends.
    pub fn new(credentials: Credentials) -> Self {
        Self(Arc::new(Lease { credentials: Some(credentials), expires: None }))
    }

    /// Creates a provider without credentials, for public buckets.
    pub fn anonymous() -> Self {
        Self(Arc::new(Lease { credentials: None, expires: None }))
    }
}

impl Provider for Static {
    fn credentials(&self) -> crate::error::Result<Arc<Lease>> {
        Ok(Arc::clone(&self.0))
    }
}

impl Source for Static {
    fn name(&self) -> &'static str {
        "fixed keys"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        Ok((*self.0).clone())
    }
}

/// Keys from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary keys,
/// `AWS_SESSION_TOKEN`
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html>). The older
/// names `AWS_ACCESS_KEY` and `AWS_SECRET_KEY` are supported too, as in earlier registries.
#[derive(Clone, Debug)]
pub struct EnvironmentKeys(Context);

impl EnvironmentKeys {
    /// Creates a source that reads the variables of `context`.
    pub fn new(context: &Context) -> Self {
        Self(context.clone())
    }
}

impl Source for EnvironmentKeys {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let environment = self.0.environment();
        let either = |name, older| environment.secret(name).or_else(|| environment.secret(older));
        let names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
        let found = (either(names.0, "AWS_ACCESS_KEY"), either(names.1, "AWS_SECRET_KEY"));
        match pair(names, found, either("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")) {
            Some(Ok(keys)) => Ok(Lease { credentials: Some(keys), expires: None }),
            Some(Err(reason)) => Err(Unavailable::Failed(reason)),
            None => Err(Unavailable::not_configured(
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
            )),
        }
    }
}

/// Creates credentials from an access key and its secret key, which come from the settings called
/// `names`. Returns `None` if both are missing.
///
/// # Errors
/// One of the two is missing, or they are swapped.
pub(super) fn pair(
    names: (&str, &str),
    found: (Option<Zeroizing<String>>, Option<Zeroizing<String>>),
    token: Option<Zeroizing<String>>,
) -> Option<Result<Credentials, String>> {
    use Resemblance::{AccessKeyId, SecretKey, Token};
    let (id, secret) = match found {
        (None, None) => return None,
        (Some(_), None) => return Some(Err(format!("{} is set, but {} is not", names.0, names.1))),
        (None, Some(_)) => return Some(Err(format!("{} is set, but {} is not", names.1, names.0))),
        (Some(id), Some(secret)) => (id, secret),
    };

    let kinds = (resemblance(&id), resemblance(&secret));
    let swapped =
        kinds.0 != kinds.1 && (kinds.0 == Some(SecretKey) || kinds.1 == Some(AccessKeyId));
    Some(match kinds {
        _ if swapped => {
            Err(format!("{} and {} are swapped: exchange their values", names.0, names.1))
        }
        (Some(kind), _) if !matches!(kind, AccessKeyId | SecretKey) => {
            Err(format!("{} contains what looks like {kind}", names.0))
        }
        // A secret key of Supabase can be a JSON Web Token.
        (_, Some(kind)) if kind != SecretKey && !(kind == Token && secret.starts_with("eyJ")) => {
            Err(format!("{} contains what looks like {kind}", names.1))
        }
        _ => Ok(keys(id, secret, token)),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn fixed_keys_are_a_source() {
        let source = Static::new(Credentials::new(ID, SECRET));
        let lease = source.fetch().unwrap();
        assert_eq!(Source::name(&source), "fixed keys");
        assert_eq!(lease.credentials.unwrap().access_key_id(), ID);
        assert_eq!(lease.expires, None);
    }

    /// Servers other than AWS have keys of other forms, so one of the two may look like anything.
    #[test]
    fn one_recognized_key_shows_that_both_are_swapped() {
        let reason = |id: &str, secret: &str| {
            let value = |text: &str| Some(Zeroizing::new(text.to_owned()));
            let found = (value(id), value(secret));
            pair(("ID", "SECRET"), found, None).unwrap().err()
        };

        let swapped = "ID and SECRET are swapped: exchange their values";
        for (id, secret) in [(SECRET, ID), (SECRET, "minio"), ("minio", ID)] {
            assert_eq!(reason(id, secret).as_deref(), Some(swapped));
        }

        for (id, secret) in [(ID, SECRET), (ID, "minio"), ("minio", SECRET), ("minio", "minio")] {
            assert_eq!(reason(id, secret), None);
        }

        let rest = "x".repeat(60);
        assert_eq!(reason("project", &format!("eyJ{rest}")), None, "a JSON Web Token");
        let token = reason("project", &format!("IQoJb3JpZ2lu{rest}")).unwrap();
        assert!(token.contains("a session token"), "{token}");
    }
}
