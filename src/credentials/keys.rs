//! Keys that need no request: fixed ones, and those of the environment.

use super::document::keys;
use super::{Context, Credentials, Lease, Provider, Source, Unavailable};
use crate::error::Result;
use std::sync::Arc;

/// Fixed credentials. As a [`Source`] they are what an [`AssumeRole`](super::AssumeRole) may begin with.
#[derive(Clone, Debug)]
pub struct Static(Arc<Lease>);

impl Static {
    /// These, for ever; with a session token they work until the session ends.
    pub fn new(credentials: Credentials) -> Self {
        Self(Arc::new(Lease { credentials: Some(credentials), expires: None }))
    }

    /// No credentials: public buckets.
    pub fn anonymous() -> Self {
        Self(Arc::new(Lease { credentials: None, expires: None }))
    }
}

impl Provider for Static {
    fn credentials(&self) -> Result<Arc<Lease>> {
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

/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary keys, `AWS_SESSION_TOKEN`
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html>). The older names
/// `AWS_ACCESS_KEY` and `AWS_SECRET_KEY` are read too, as earlier registries did.
#[derive(Clone, Debug)]
pub struct EnvironmentKeys(Context);

impl EnvironmentKeys {
    /// Reads the variables of `context`.
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
        match (either("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"), either("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")) {
            (Some(id), Some(secret)) => Ok(Lease {
                credentials: Some(keys(id, secret, environment.secret("AWS_SESSION_TOKEN"))),
                expires: None,
            }),
            (None, None) => Err(Unavailable::not_configured("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")),
            (Some(_), None) => Err(Unavailable::failed("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not")),
            (None, Some(_)) => Err(Unavailable::failed("AWS_SECRET_ACCESS_KEY is set but AWS_ACCESS_KEY_ID is not")),
        }
    }
}
