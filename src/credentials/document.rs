//! JSON documents that contain keys. They are parsed strictly, and wiped after they have been read.

use super::{Credentials, Lease};
use crate::text::shown_to;
use crate::time::Timestamp;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

/// A JSON object whose strings are wiped on drop.
pub(super) struct Document(Map<String, Value>);

/// The requirement that a member of a document is present.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
}

/// The names of the members in one kind of document.
pub(super) struct Members {
    pub(super) access_key_id: &'static str,
    pub(super) secret_access_key: &'static str,
    pub(super) session_token: &'static str,
    pub(super) expiration: &'static str,
    /// Whether the session token and the expiration must be present, because the keys are always
    /// temporary.
    pub(super) session_members: Presence,
}

/// The members of a response of the EC2 metadata service.
pub(super) const METADATA: Members = Members {
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "Token",
    expiration: "Expiration",
    session_members: Presence::Required,
};

/// The members of a response of a container endpoint. Some endpoints for local tests return
/// long-term keys, or an empty expiration.
pub(super) const CONTAINER: Members = Members { session_members: Presence::Optional, ..METADATA };

impl Document {
    /// Parses a JSON object. The error never quotes the document.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(mut other) => {
                wipe(&mut other);
                Err("the document is not a JSON object".to_owned())
            }
            Err(_) if bytes.trim_ascii().is_empty() => Err("the document is empty".to_owned()),
            Err(error) => Err(format!("the document is not JSON: {error}")),
        }
    }

    /// Returns a member that may be compared and shown, such as `Code`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// Removes and returns a member that is itself an object.
    pub(super) fn object(&mut self, name: &str) -> Result<Self, String> {
        match self.0.remove(name) {
            Some(Value::Object(members)) => Ok(Self(members)),
            Some(mut other) => {
                wipe(&mut other);
                Err(format!("{name} is not an object"))
            }
            None => Err(format!("{name} is missing")),
        }
    }

    /// Removes and returns a string member. An empty string is an error, like a missing one.
    pub(super) fn secret(&mut self, name: &str) -> Result<Zeroizing<String>, String> {
        match self.0.remove(name) {
            Some(Value::String(value)) if !value.trim().is_empty() => Ok(Zeroizing::new(value)),
            Some(Value::String(_)) => Err(format!("{name} is empty")),
            Some(Value::Null) | None => Err(format!("{name} is missing")),
            Some(mut other) => {
                wipe(&mut other);
                Err(format!("{name} is not a string"))
            }
        }
    }

    /// Removes and returns the keys in the document.
    pub(super) fn lease(&mut self, members: &Members) -> Result<Lease, String> {
        let id = self.secret(members.access_key_id)?;
        let secret = self.secret(members.secret_access_key)?;
        let token = self
            .is_present(members.session_token, members.session_members)?
            .then(|| self.secret(members.session_token));
        let expires = self
            .is_present(members.expiration, members.session_members)?
            .then(|| self.time(members.expiration));
        Ok(Lease {
            credentials: Some(keys(id, secret, token.transpose()?)),
            expires: expires.transpose()?.map(Into::into),
        })
    }

    /// Returns a time, which is either ISO 8601 text or, as in IAM Identity Center, the number of
    /// milliseconds since 1970.
    pub(super) fn time(&self, name: &str) -> Result<Timestamp, String> {
        match self.0.get(name) {
            Some(Value::String(text)) => match text.trim().strip_suffix("UTC") {
                // Older versions of the AWS CLI write `2021-11-01T12:00:00UTC` in the cache of
                // logins.
                Some(time) => Timestamp::parse_iso8601(&format!("{time}Z")),
                None => Timestamp::parse_iso8601(text.trim()),
            },
            Some(Value::Number(number)) => {
                number.as_i64().map(|millis| Timestamp::from_unix(millis.div_euclid(1000)))
            }
            _ => None,
        }
        .ok_or_else(|| format!("{name} is not a time"))
    }

    fn is_present(&self, name: &str, presence: Presence) -> Result<bool, String> {
        match self.0.get(name) {
            None | Some(Value::Null) if presence == Presence::Required => {
                Err(format!("{name} is missing"))
            }
            // Some programs print an empty token for long-term keys.
            Some(Value::String(text)) if presence == Presence::Optional => {
                Ok(!text.trim().is_empty())
            }
            found => Ok(found.is_some_and(|value| !value.is_null())),
        }
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Creates credentials from wiped strings. The allocations are moved, not copied.
pub(super) fn keys(
    mut id: Zeroizing<String>,
    mut secret: Zeroizing<String>,
    token: Option<Zeroizing<String>>,
) -> Credentials {
    let credentials = Credentials::new(std::mem::take(&mut *id), std::mem::take(&mut *secret));
    match token {
        Some(mut token) => credentials.with_session_token(std::mem::take(&mut *token)),
        None => credentials,
    }
}

/// Prepares the text of a server for an error message.
pub(super) fn shown(text: &str) -> String {
    /// The longest text that is shown, in characters; STS explains a refusal in up to this many.
    const LONGEST: usize = 300;
    shown_to(text, LONGEST).to_string()
}
