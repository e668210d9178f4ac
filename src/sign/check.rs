//! Input checks that all signers share, for every version and for headers, queries and forms.
use super::credentials::SessionTokenKind;
use super::request::Query;
use super::syntax::{check_header_value, check_method, check_path, check_query_text};
use super::{Credentials, Error, Request};
use crate::time::Timestamp;

/// Checks the parts of a request that every signature covers. Headers are checked when they are
/// collected.
pub(super) fn check_request(request: &Request<'_>) -> Result<(), Error> {
    check_method(request.method)?;
    check_path(request.path)?;
    match request.query {
        Query::Text(text) => check_query_text(text)?,
        Query::Pairs(pairs) if pairs.iter().any(|(name, _)| name.is_empty()) => {
            return Err(Error::UnnamedParameter);
        }
        Query::Pairs(_) => {}
    }

    match request.query.decoded().find(|(name, _)| is_signature_parameter(name)) {
        Some((name, _)) => {
            Err(Error::ReservedParameter { name: String::from_utf8_lossy(&name).into_owned() })
        }
        None => Ok(()),
    }
}

/// The query parameters that version 4, SigV4A and version 2 add when they sign. A request that has
/// one of them is already signed.
pub(super) const SIGNATURE_PARAMETERS: [&str; 12] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Region-Set",
    "X-Amz-S3session-Token",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "AWSAccessKeyId",
    "Expires",
    "Signature",
];

/// Returns whether a query parameter belongs to a signature. Servers compare the names of version 4
/// case-insensitively.
pub(super) fn is_signature_parameter(name: &[u8]) -> bool {
    SIGNATURE_PARAMETERS.iter().any(|own| match own.starts_with("X-Amz-") {
        true => own.as_bytes().eq_ignore_ascii_case(name),
        false => own.as_bytes() == name,
    })
}

/// The headers that may occur at most once in a request. Repeated values would be joined in the
/// signature but read separately by servers.
pub(super) const SINGLE_HEADERS: [&str; 13] = [
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "expires",
    "host",
    "range",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-region-set",
    "x-amz-s3session-token",
    "x-amz-security-token",
];

/// Checks the credentials that go into the `Authorization` header. `end` is the character that
/// terminates the access key there.
pub(super) fn check_credentials(credentials: &Credentials, end: char) -> Result<(), Error> {
    let id = credentials.access_key_id();
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()) || id.contains(end) {
        return Err(Error::AccessKey { access_key_id: id.to_owned() });
    }

    if credentials.secret_access_key().is_empty() {
        return Err(Error::EmptySecret);
    }

    match credentials.session_token() {
        Some(token) if token.trim_ascii().is_empty() || check_header_value("", token).is_err() => {
            Err(Error::SessionToken)
        }
        _ => Ok(()),
    }
}

/// Checks that the session token, if there is one, is valid for `service`.
pub(super) fn check_token_service(credentials: &Credentials, service: &str) -> Result<(), Error> {
    match credentials.session_token_kind() {
        Some(SessionTokenKind::S3Express) if service != "s3express" => {
            Err(Error::SessionTokenService { service: service.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Returns whether a text can be part of a credential scope. Scope parts are separated by slashes,
/// and the header that carries the scope separates its own parts with commas.
pub(super) fn is_scope_part(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b',')
}

/// Checks that a time has a four-digit year, which every format that goes over the wire requires.
pub(super) fn check_year(time: Timestamp) -> Result<(), Error> {
    /// 0000-01-01T00:00:00Z
    const FIRST: Timestamp = Timestamp::from_unix(-62_167_219_200);
    /// 9999-12-31T23:59:59Z
    const LAST: Timestamp = Timestamp::from_unix(253_402_300_799);
    match (FIRST.unix()..=LAST.unix()).contains(&time.unix()) {
        true => Ok(()),
        false => Err(Error::Year { time }),
    }
}

/// Checks the bucket of a virtual host, which precedes the path in version 2.
pub(super) fn check_bucket(bucket: &str) -> Result<(), Error> {
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match !bucket.is_empty() && bucket.bytes().all(is_label) {
        true => Ok(()),
        false => Err(Error::Bucket { bucket: bucket.to_owned() }),
    }
}

/// Checks that a policy document is in base64 (RFC 4648 section 4).
pub(super) fn check_policy(policy: &str) -> Result<(), Error> {
    match !policy.is_empty()
        && policy.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
    {
        true => Ok(()),
        false => Err(Error::PolicyEncoding),
    }
}
