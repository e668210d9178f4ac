//! Temporary credentials in responses of STS and of S3 Express, and the identity of a caller.
use super::reader::Document;
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};
use crate::time::Timestamp;
use std::fmt;
use zeroize::Zeroizing;

/// The temporary credentials in a response of STS
/// ([AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html),
/// [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)) or of S3
/// Express ([CreateSession](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html)).
/// The secrets are redacted in `Debug` and wiped on drop.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemporaryCredentials {
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
pub fn sts_credentials(body: &[u8]) -> Result<TemporaryCredentials, Error> {
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

/// Reads `CreateSessionResult`, at most [`MAX_REPLY_BYTES`] of it: the credentials of a session
/// with a directory bucket
/// ([CreateSession](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html)).
///
/// - Required: one `Credentials` with `AccessKeyId`, `SecretAccessKey`, `SessionToken` and
///   `Expiration`, none of them empty.
/// - Optional: everything else; it is not read.
/// - Refused: an expiration that is not a point in time, a second `Credentials`, a second element
///   of a name in it, and S3's `Error`, which is then in [`Error::document`].
///
/// ```
/// use s3driver::xml;
///
/// let session = xml::create_session_result(
///     b"<CreateSessionResult><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>
///       <AccessKeyId>AKID</AccessKeyId><Expiration>2023-11-28T01:46:39Z</Expiration></Credentials>
///       </CreateSessionResult>",
/// )?;
/// assert_eq!(session.access_key_id, "AKID");
///
/// assert!(xml::create_session_result(b"<ListBucketResult/>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn create_session_result(body: &[u8]) -> Result<TemporaryCredentials, Error> {
    parse(body, MAX_REPLY_BYTES, &["CreateSessionResult"], |document, root| {
        let mut found = None;
        result(document, &mut found)?;
        document.require(found, root, "Credentials")
    })
}

/// Reads the rest of an element with one `Credentials` in it.
fn result(
    document: &mut Document<'_>,
    found: &mut Option<TemporaryCredentials>,
) -> Result<(), Error> {
    document.children(|document, child| match child {
        "Credentials" if found.is_some() => {
            Err(document.fail("<Credentials> comes twice in one document"))
        }
        "Credentials" => credentials(document).map(|keys| *found = Some(keys)),
        _ => document.unknown(child),
    })?;
    Ok(())
}

/// The identity that requests with certain credentials have
/// ([GetCallerIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallerIdentity {
    /// The ID of the account.
    pub account: String,
    /// The ARN of the user or of the assumed role.
    pub arn: String,
}

/// Reads `GetCallerIdentityResponse`, at most [`MAX_REPLY_BYTES`] of it.
///
/// - Required: `Account` and `Arn`, neither of them empty.
/// - Optional: everything else; it is not read.
/// - Refused: a second element of a name, and STS's `ErrorResponse`, which is then in
///   [`Error::document`].
///
/// ```
/// use s3driver::xml;
///
/// let identity = xml::caller_identity(
///     b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>
///       <Arn>arn:aws:iam::123456789012:user/registry</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>",
/// )?;
/// assert_eq!(identity.arn, "arn:aws:iam::123456789012:user/registry");
///
/// assert!(xml::caller_identity(b"<GetCallerIdentityResponse/>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn caller_identity(body: &[u8]) -> Result<CallerIdentity, Error> {
    parse(body, MAX_REPLY_BYTES, &["GetCallerIdentityResponse"], |document, root| {
        let (mut account, mut arn) = (None, None);
        document.children(|document, child| match child {
            "GetCallerIdentityResult" => document.children(|document, child| match child {
                "Account" => document.field(child, &mut account, value::word),
                "Arn" => document.field(child, &mut arn, value::word),
                _ => document.unknown(child),
            }),
            _ => document.unknown(child),
        })?;

        Ok(CallerIdentity {
            account: document.require(account.flatten(), root, "Account")?,
            arn: document.require(arn.flatten(), root, "Arn")?,
        })
    })
}

fn credentials(document: &mut Document<'_>) -> Result<TemporaryCredentials, Error> {
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

    Ok(TemporaryCredentials {
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

impl fmt::Debug for TemporaryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporaryCredentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}
