//! The token in an upload's address. This registry does not need it, but Distribution refuses to
//! continue an upload without one.
use super::names::{Name, UploadId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

/// Returns the state of an upload, signed with the secret that all registries of a cluster share.
pub(super) fn sign(
    secret: &str,
    name: &Name,
    id: &UploadId,
    offset: u64,
    started: &str,
) -> Option<String> {
    let state = json!({ "Name": name.to_string(), "UUID": id.to_string(), "Offset": offset, "StartedAt": started });
    let state = state.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(state.as_bytes());
    let mut token = mac.finalize().into_bytes().to_vec();
    token.extend_from_slice(state.as_bytes());
    Some(URL_SAFE.encode(token))
}
