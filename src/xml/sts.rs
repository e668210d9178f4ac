//! What STS answers: temporary credentials.
use super::reader::Document;
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};
use crate::time::Timestamp;
use std::fmt;
use zeroize::Zeroizing;

/// Temporary credentials in a reply of STS
/// ([AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html),
/// [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)). Secrets: redacted in
/// `Debug`, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StsCredentials {
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Zeroizing<String>,
    /// The token.
    pub session_token: Zeroizing<String>,
    /// When they end.
    pub expiration: Timestamp,
}

/// Reads `AssumeRoleWithWebIdentityResponse` or `AssumeRoleResponse`, at most [`MAX_REPLY_BYTES`] of it. All four
/// parts of the credentials must be there. STS's `ErrorResponse` is reported in [`Error::document`].
pub fn sts_credentials(body: &[u8]) -> Result<StsCredentials, Error> {
    parse(
        body,
        MAX_REPLY_BYTES,
        &["AssumeRoleWithWebIdentityResponse", "AssumeRoleResponse"],
        |document, root| {
            let mut found = None;
            document.children(|document, child| match child {
                "AssumeRoleWithWebIdentityResult" | "AssumeRoleResult" => {
                    result(document, &mut found)
                }
                _ => document.unknown(child),
            })?;
            document.require(found, root, "Credentials")
        },
    )
}

fn result(document: &mut Document<'_>, found: &mut Option<StsCredentials>) -> Result<(), Error> {
    document.children(|document, child| match child {
        "Credentials" if found.is_some() => {
            Err(document.fail("<Credentials> comes twice in one document"))
        }
        "Credentials" => credentials(document).map(|keys| *found = Some(keys)),
        _ => document.unknown(child),
    })?;
    Ok(())
}

fn credentials(document: &mut Document<'_>) -> Result<StsCredentials, Error> {
    const NAME: &str = "Credentials";
    let (mut access_key_id, mut secret_access_key, mut session_token, mut expiration) =
        (None, None, None, None);
    document.children(|document, child| match child {
        "AccessKeyId" => document.field(child, &mut access_key_id, value::word),
        "SecretAccessKey" => document.field(child, &mut secret_access_key, secret),
        "SessionToken" => document.field(child, &mut session_token, secret),
        "Expiration" => document.field(child, &mut expiration, value::exact_time),
        _ => document.unknown(child),
    })?;
    Ok(StsCredentials {
        access_key_id: document.require(access_key_id.flatten(), NAME, "AccessKeyId")?,
        secret_access_key: document.require(
            secret_access_key.flatten(),
            NAME,
            "SecretAccessKey",
        )?,
        session_token: document.require(session_token.flatten(), NAME, "SessionToken")?,
        expiration: document.require(expiration.flatten(), NAME, "Expiration")?,
    })
}

/// Without white space around it, `None` when empty. Has no complaint, which would repeat the text.
fn secret(text: &str) -> Result<Option<Zeroizing<String>>, &'static str> {
    value::word(text).map(|text| text.map(Zeroizing::new))
}

impl fmt::Debug for StsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StsCredentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}
