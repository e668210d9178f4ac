//! The JSON documents keys come in: strict, and wiped after reading.

use super::{Credentials, Lease};
use crate::text::shown_to;
use crate::time::Timestamp;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

/// A JSON object whose strings are wiped on drop.
pub(super) struct Document(Map<String, Value>);

/// Whether a member must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
}

/// The member names of one kind of document.
pub(super) struct Members {
    pub(super) access_key_id: &'static str,
    pub(super) secret_access_key: &'static str,
    pub(super) session_token: &'static str,
    pub(super) expiration: &'static str,
    /// Whether these are always temporary, so that token and expiration must be there.
    pub(super) temporary: Presence,
}

/// What the EC2 metadata service and the container endpoints answer.
pub(super) const LOCAL_ENDPOINT: Members = Members {
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "Token",
    expiration: "Expiration",
    temporary: Presence::Required,
};

impl Document {
    /// Reads an object. The error never quotes the document.
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

    /// A member for comparing and showing, such as `Code`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// A member that is an object itself, taken out.
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

    /// A string member, taken out. Present but empty is an error as much as missing.
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

    /// The keys in it.
    pub(super) fn lease(&mut self, members: &Members) -> Result<Lease, String> {
        let id = self.secret(members.access_key_id)?;
        let secret = self.secret(members.secret_access_key)?;
        let token = self
            .present(members.session_token, members.temporary)?
            .then(|| self.secret(members.session_token));
        let expires = self
            .present(members.expiration, members.temporary)?
            .then(|| self.time(members.expiration));
        Ok(Lease {
            credentials: Some(keys(id, secret, token.transpose()?)),
            expires: expires.transpose()?.map(Into::into),
        })
    }

    /// A moment: ISO 8601 text or, as IAM Identity Center has it, milliseconds since 1970.
    pub(super) fn time(&self, name: &str) -> Result<Timestamp, String> {
        match self.0.get(name) {
            Some(Value::String(text)) => Timestamp::parse_iso8601(text.trim()),
            Some(Value::Number(number)) => {
                number.as_i64().map(|millis| Timestamp::from_unix(millis.div_euclid(1000)))
            }
            _ => None,
        }
        .ok_or_else(|| format!("{name} is not a time"))
    }

    fn present(&self, name: &str, presence: Presence) -> Result<bool, String> {
        match self.0.get(name) {
            None | Some(Value::Null) if presence == Presence::Required => {
                Err(format!("{name} is missing"))
            }
            // Programs print an empty token for long-term keys.
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

/// Credentials of wiped strings: the allocations move, nothing is copied.
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

/// Returns a server's words for an error.
pub(super) fn shown(text: &str) -> String {
    /// STS explains a refusal in up to so many characters.
    const LONGEST: usize = 300;
    shown_to(text, LONGEST).to_string()
}
