use super::redact::REDACTED;
use crate::text::{Resemblance, may_be_secret, resemblance};
use std::fmt;
use zeroize::Zeroizing;

/// An access key, its secret and, for temporary credentials, the session token. The secrets are
/// wiped on drop and redacted in `Debug`.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    session_token: Option<(SessionTokenKind, Zeroizing<String>)>,
}

/// The issuer of a session token, which determines the header that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionTokenKind {
    /// STS, or any service that passes on its credentials.
    Sts,
    /// The operation CreateSession of S3 Express.
    S3Express,
}

impl SessionTokenKind {
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::Sts => "x-amz-security-token",
            Self::S3Express => "x-amz-s3session-token",
        }
    }

    pub(super) const fn parameter(self) -> &'static str {
        match self {
            Self::Sts => "X-Amz-Security-Token",
            Self::S3Express => "X-Amz-S3session-Token",
        }
    }
}

impl Credentials {
    /// Creates long-term credentials.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Zeroizing::new(secret_access_key.into()),
            session_token: None,
        }
    }

    /// Adds the session token that STS issued, which makes these temporary credentials.
    pub fn with_session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some((SessionTokenKind::Sts, Zeroizing::new(token.into())));
        self
    }

    /// Adds the session token that CreateSession of S3 Express returned for a directory bucket.
    /// These credentials sign requests to the service `s3express`.
    pub fn with_s3_session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some((SessionTokenKind::S3Express, Zeroizing::new(token.into())));
        self
    }

    /// Returns the access key's identifier, which is not secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Returns the secret access key.
    pub fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    /// Returns the session token of temporary credentials.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_ref().map(|(_, token)| token.as_str())
    }

    /// Returns these credentials with an empty secret.
    pub(super) fn without_secret(&self) -> Self {
        Self {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: Zeroizing::default(),
            session_token: self.session_token.clone(),
        }
    }

    /// Returns whether the access key and the session token are those of `other`.
    pub(super) fn has_same_identity(&self, other: &Self) -> bool {
        self.access_key_id == other.access_key_id && self.session_token == other.session_token
    }

    pub(super) fn session_token_kind(&self) -> Option<SessionTokenKind> {
        self.session_token.as_ref().map(|(kind, _)| *kind)
    }

    /// Returns the header that carries the session token, and the token.
    pub(super) fn token_header(&self) -> Option<(&'static str, &str)> {
        self.session_token.as_ref().map(|(kind, token)| (kind.header(), token.as_str()))
    }

    /// Returns the query parameter that carries the session token, and the token.
    pub(super) fn token_parameter(&self) -> Option<(&'static str, &str)> {
        self.session_token.as_ref().map(|(kind, token)| (kind.parameter(), token.as_str()))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // If a secret key was passed as the identifier by mistake, it is redacted as well.
        let id = &*self.access_key_id;
        let swapped = may_be_secret(id) && resemblance(id) != Some(Resemblance::AccessKeyId);
        let id = if swapped { REDACTED } else { id };
        f.debug_struct("Credentials").field("access_key_id", &id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_only_the_identifier() {
        let credentials = Credentials::new("shown", "s3cret1").with_session_token("s3cret2");
        assert_eq!(format!("{credentials:?}"), "Credentials { access_key_id: \"shown\", .. }");
        assert_eq!(credentials.secret_access_key(), "s3cret1");
        assert_eq!(credentials.session_token(), Some("s3cret2"));
    }
}
