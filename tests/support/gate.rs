//! Checks before an operation: addresses, and the parts of signatures that s3s leaves to its user.

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use s3s::access::{S3Access, S3AccessContext};
use s3s::host::{S3Host, VirtualHost};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::second::Opinion;
use super::traffic::Traffic;

/// Decides which requests reach the operations.
pub struct Gate {
    pub traffic: Arc<Traffic>,
    /// The region that a version 4 signature must name. `None` accepts any region.
    pub region: Option<String>,
    /// The session token that every request must carry.
    pub session_token: Option<String>,
}

/// The account that owns every bucket.
pub const OWNER_ACCOUNT: &str = "123456789012";

/// A fault in a request's body that is reported only after its signature has been verified.
#[derive(Clone, Debug)]
pub struct Verdict(pub S3ErrorCode, pub String);

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let signed = cx.credentials().is_some();
        let opinion = cx.extensions_mut().get::<Opinion>().cloned();
        if !signed && let Some(opinion) = &opinion {
            opinion.agree(false)?;
        }
        if !signed {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let query: Vec<_> = cx.uri().query().into_iter().flat_map(query_pairs).collect();
        let parameter = |name: &str| {
            query
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        };
        let header = |name: &str| cx.headers().get(name).and_then(|value| value.to_str().ok());

        let owners = ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"];
        let is_other = |name: &&str| header(name).is_some_and(|account| account != OWNER_ACCOUNT);
        let other_owner = owners.iter().any(is_other);
        if let Some(token) = &self.session_token {
            let sent = header("x-amz-security-token").or_else(|| parameter("x-amz-security-token"));
            if sent != Some(token) {
                return Err(s3_error!(
                    InvalidToken,
                    "The provided token is malformed or otherwise invalid."
                ));
            }
        }
        let authorization =
            header(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("AWS4-HMAC-SHA256"));
        let field = |name: &str| {
            authorization.and_then(|fields| {
                fields.split(',').find_map(|field| field.trim().strip_prefix(name))
            })
        };
        if let Some(signed) = field("SignedHeaders=").or_else(|| parameter("x-amz-signedheaders")) {
            check_signed_headers(cx.headers(), signed)?;
        }
        let scope = field("Credential=").or_else(|| parameter("x-amz-credential"));
        if let (Some(expected), Some(scope)) = (&self.region, scope) {
            check_region(scope, expected)?;
        }

        if let Some(opinion) = opinion {
            opinion.agree(true)?;
        }
        if other_owner {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        self.traffic.count(cx.s3_op().name());
        if let Some(fault) = self.traffic.take_fault(cx.s3_op().name()) {
            return Err(fault);
        }
        match cx.extensions_mut().remove::<Verdict>() {
            Some(Verdict(code, message)) => Err(S3Error::with_message(code, message)),
            None => Ok(()),
        }
    }
}

/// Restores the session token of a version 2 presigned URL: such a URL carries the token in the
/// query but signs it as a header, which s3s does not support.
pub fn restore_v2_token(head: &mut hyper::http::request::Parts) {
    let query: Vec<_> = head.uri.query().into_iter().flat_map(query_pairs).collect();
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    if let (Some(_), Some(token)) = (value("Signature"), value("x-amz-security-token"))
        && let Ok(token) = HeaderValue::from_str(token)
    {
        head.headers.insert("x-amz-security-token", token);
    }
}

/// Checks that every `x-amz-*` header is signed, as S3 requires.
///
/// # Errors
/// `AccessDenied`.
pub fn check_signed_headers(headers: &HeaderMap, signed: &str) -> S3Result<()> {
    let unsigned = |name: &str| !signed.split(';').any(|signed| signed == name);
    let mut names = headers.keys().map(hyper::header::HeaderName::as_str);
    match names.find(|name| {
        name.starts_with("x-amz-") && *name != "x-amz-content-sha256" && unsigned(name)
    }) {
        Some(name) => Err(s3_error!(
            AccessDenied,
            "There were headers present in the request which were not signed: {name}"
        )),
        None => Ok(()),
    }
}

/// Checks the region, the third field of `ACCESS_KEY/DATE/REGION/SERVICE/aws4_request`. Fields are
/// counted from the end because an access key may contain a slash.
///
/// # Errors
/// `AuthorizationHeaderMalformed`, with the correct region in `x-amz-bucket-region`.
pub fn check_region(scope: &str, expected: &str) -> S3Result<()> {
    let Some(region) = scope.rsplit('/').nth(2).filter(|region| *region != expected) else {
        return Ok(());
    };
    let mut error = s3_error!(
        AuthorizationHeaderMalformed,
        "The authorization header is malformed; the region '{region}' is wrong; expecting '{expected}'"
    );
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(expected) = HeaderValue::from_str(expected) {
        headers.insert("x-amz-bucket-region", expected);
    }
    error.set_headers(headers);
    Err(error)
}

/// Returns the decoded pairs of a query. `+` is kept: S3 does not read it as a space here, and no
/// relevant value contains one.
fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decoded(name), percent_decoded(value))
    })
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex =
            tail.get(..2).filter(|_| byte == b'%').and_then(|digits| hex::decode(digits).ok());
        match hex {
            Some(decoded) => {
                bytes.extend(decoded);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parts of the host of an access point that precede and follow the region. For each bucket
/// there is an access point of the same name, in this account and in every region.
const ACCESS_POINTS: (&str, &str) = ("-123456789012.s3-accesspoint.", ".amazonaws.com");

/// Virtual hosting: `BUCKET.localhost`, and the host of an access point for the bucket, name the
/// bucket in the host; with any other host, the path names it.
pub struct Localhost;

impl S3Host for Localhost {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let in_domain = name.strip_suffix(".localhost").filter(|bucket| !bucket.is_empty());
        let (account, domain) = ACCESS_POINTS;
        let point = || Some(name.strip_suffix(domain)?.split_once(account)?.0);
        Ok(match in_domain.or_else(point) {
            Some(bucket) => VirtualHost::new("localhost").with_bucket(bucket),
            None => VirtualHost::new(name),
        })
    }
}
