//! What every signer refuses: one set of checks for both versions, headers, queries and forms.
use super::credentials::SessionTokenKind;
use super::request::Query;
use super::{Credentials, Error, Request, UrlPart};
use crate::time::Timestamp;

/// Checks the parts of a request that every signature covers. Headers are checked where they are collected.
pub(super) fn check_request(request: &Request<'_>) -> Result<(), Error> {
    check_method(request.method)?;
    check_path(request.path)?;
    match request.query {
        Query::Text(text) => check_query_text(text)?,
        Query::Pairs(pairs) if pairs.iter().any(|(name, _)| name.is_empty()) => return Err(Error::UnnamedParameter),
        Query::Pairs(_) => {}
    }
    match request.query.decoded().find(|(name, _)| is_signers_parameter(name)) {
        Some((name, _)) => Err(Error::ReservedParameter { name: String::from_utf8_lossy(&name).into_owned() }),
        None => Ok(()),
    }
}

/// `method = token` (RFC 9110 section 9.1).
pub(super) fn check_method(method: &str) -> Result<(), Error> {
    match is_token(method) {
        true => Ok(()),
        false => Err(Error::Method { method: method.to_owned() }),
    }
}

/// `absolute-path = 1*( "/" segment )` (RFC 9110 section 4.1), in the characters of RFC 3986 section 3.3.
pub(super) fn check_path(path: &str) -> Result<(), Error> {
    let wrong = if path.starts_with('/') { first_unsendable(path, is_path_byte) } else { Some(0) };
    match wrong {
        None => Ok(()),
        Some(byte) => Err(Error::Path { path: path.to_owned(), byte }),
    }
}

/// A query as text (RFC 3986 section 3.4), in which every parameter has a name. A plus is refused: some servers read it as
/// a space.
pub(super) fn check_query_text(query: &str) -> Result<(), Error> {
    if query.is_empty() {
        return Ok(());
    }
    for piece in query.split('&') {
        let (name, _) = piece.split_once('=').unwrap_or((piece, ""));
        if name.is_empty() {
            return Err(Error::UnnamedParameter);
        }
        if first_unsendable(piece, |byte| byte != b'+' && (is_path_byte(byte) || byte == b'?')).is_some() {
            return Err(Error::QueryEncoding { parameter: name.to_owned() });
        }
    }
    Ok(())
}

/// The first byte that is neither allowed nor the beginning of an escape.
fn first_unsendable(text: &str, allowed: fn(u8) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_escape =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    (0..bytes.len()).find(|&at| match bytes[at] {
        b'%' => !is_escape(at),
        byte => !allowed(byte),
    })
}

/// `unreserved`, `sub-delims`, `:`, `@` (together `pchar`) and the slash between segments: RFC 3986 section 3.3.
fn is_path_byte(byte: u8) -> bool {
    const PATH: [bool; 256] =
        super::encode::table(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/", None);
    PATH[usize::from(byte)]
}

/// `[ userinfo "@" ] host [ ":" port ]` (RFC 3986 section 3.2) as clients send it.
pub(super) fn check_host(authority: &str) -> Result<(), Error> {
    let refused = |part| Err(Error::Url { part });
    if authority.contains('@') {
        return refused(UrlPart::UserInformation);
    }
    let (host, port) = match authority.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(None) => return refused(UrlPart::Host),
        Some(Some((address, port))) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return refused(UrlPart::Host);
            }
            (address, port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            if !host.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_')) {
                return refused(UrlPart::Host);
            }
            (host, port)
        }
    };
    if host.is_empty() {
        return refused(UrlPart::Host);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|n| n > 0) => {
            Ok(())
        }
        _ => refused(UrlPart::Port),
    }
}

/// The query parameters with which version 4, SigV4A and version 2 sign. A request that has one was signed before.
pub(super) const SIGNERS_PARAMETERS: [&str; 12] = [
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

/// Servers look for those of version 4 in any case.
pub(super) fn is_signers_parameter(name: &[u8]) -> bool {
    SIGNERS_PARAMETERS.iter().any(|own| match own.starts_with("X-Amz-") {
        true => own.as_bytes().eq_ignore_ascii_case(name),
        false => own.as_bytes() == name,
    })
}

/// The headers of which every request has one value at most. More of them would be signed joined, and read apart.
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

/// `field-name = token` (RFC 9110 section 5.1).
pub(super) fn check_header_name(name: &str) -> Result<(), Error> {
    match is_token(name) {
        true => Ok(()),
        false => Err(Error::HeaderName { name: name.to_owned() }),
    }
}

/// Control characters cannot be sent (RFC 9110 section 5.5): a line break would end the header and begin another.
pub(super) fn check_header_value(name: &str, value: &str) -> Result<(), Error> {
    match value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        true => Err(Error::HeaderValue { name: name.to_owned() }),
        false => Ok(()),
    }
}

/// Checks what stands in the `Authorization` header. `end` are the characters that end the access key there.
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

/// Checks that a session token is for `service`.
pub(super) fn check_token_service(credentials: &Credentials, service: &str) -> Result<(), Error> {
    match credentials.session_token_kind() {
        Some(SessionTokenKind::S3Express) if service != "s3express" => {
            Err(Error::SessionTokenService { service: service.to_owned() })
        }
        _ => Ok(()),
    }
}

/// A slash separates the parts of a scope, a comma those of the header.
pub(super) fn is_scope_part(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b',')
}

/// Every spelling of a time that is sent has a year of four digits.
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

/// The bucket of a virtual host, which stands before the path in version 2.
pub(super) fn check_bucket(bucket: &str) -> Result<(), Error> {
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match !bucket.is_empty() && bucket.bytes().all(is_label) {
        true => Ok(()),
        false => Err(Error::Bucket { bucket: bucket.to_owned() }),
    }
}

/// A policy document in base64 (RFC 4648 section 4).
pub(super) fn check_policy(policy: &str) -> Result<(), Error> {
    match !policy.is_empty() && policy.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)) {
        true => Ok(()),
        false => Err(Error::PolicyEncoding),
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(super) const TOKEN_CHARACTERS: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";

/// `token = 1*tchar`
pub(super) fn is_token(text: &str) -> bool {
    const TOKEN: [bool; 256] = super::encode::table(TOKEN_CHARACTERS, None);
    !text.is_empty() && text.bytes().all(|byte| TOKEN[usize::from(byte)])
}
