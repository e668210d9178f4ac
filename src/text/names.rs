//! The headers, query parameters and form fields whose values grant access.

/// The names whose values are never shown.
pub(crate) const SECRETS: [&str; 11] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "signature",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-mfa",
    "x-amz-s3session-token",
    "x-amz-security-token",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-signature",
];

/// Returns whether the values of a header, parameter or field are never shown.
pub(crate) fn is_secret_name(name: &str) -> bool {
    SECRETS.iter().any(|secret| name.trim_ascii().eq_ignore_ascii_case(secret))
}
