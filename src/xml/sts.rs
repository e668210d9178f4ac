//! The temporary credentials in a response of STS.
use super::reader::Document;
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};
use crate::time::Timestamp;
use std::fmt;
use zeroize::Zeroizing;

/// The temporary credentials in a response of STS
/// ([AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html),
/// [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)). The
/// secrets are redacted in `Debug` and wiped on drop.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StsCredentials {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Zeroizing<String>,
    /// The session token, which is sent with every request.
    pub session_token: Zeroizing<String>,
    /// When the credentials expire.
    pub expiration: Timestamp,
}

/// Reads `AssumeRoleWithWebIdentityResponse` or `AssumeRoleResponse`, at most [`MAX_REPLY_BYTES`]
/// of it.
///
/// - Required: one `Credentials` with `AccessKeyId`, `SecretAccessKey`, `SessionToken` and
///   `Expiration`, none of them empty.
/// - Optional: everything else, which is ignored.
/// - Refused: an expiration that is not a valid time, a repeated `Credentials`, a repeated element
///   in it, and an `ErrorResponse` of STS, which is returned in [`Error::document`].
///
/// ```
/// use s3driver::xml;
///
/// let response = |credentials: &str| {
///     format!(
///         "<AssumeRoleResponse><AssumeRoleResult><Credentials>{credentials}<SecretAccessKey>s</SecretAccessKey>
///          <Expiration>2014-10-24T23:00:23Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
///     )
/// };
/// let complete = response("<AccessKeyId>AKID</AccessKeyId><SessionToken>t</SessionToken>");
/// assert_eq!(xml::sts_credentials(complete.as_bytes())?.access_key_id, "AKID");
///
/// let without_token = response("<AccessKeyId>AKID</AccessKeyId>");
/// assert!(xml::sts_credentials(without_token.as_bytes()).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
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

/// Trims a text, and returns `None` if nothing is left. Never fails, because an error would contain
/// the secret.
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
