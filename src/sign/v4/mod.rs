//! AWS Signature Version 4 (AWS4-HMAC-SHA256) as S3 understands it.
//!
//! Follows [Authorization header][header], [query parameters][query] and [POST][post] of the S3 API reference. Bodies
//! that are signed piece by piece go on in [`chunked`](super::chunked).
//!
//! [header]: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
//! [query]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
//! [post]: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html
use super::canonical::{Canonical, Headers, canonical_query, check, push_names};
use super::hash::{EMPTY_SHA256, Hex, HmacSha256, hmac_sha256, mac_sha256, sha256};
use super::post::{PostForm, PostPolicy, check_base64};
use super::{Credentials, Error, Presigned, Request, Signed, Steps, Version};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// The shortest life of a presigned URL (`X-Amz-Expires`).
pub const MIN_EXPIRY: Duration = Duration::from_secs(1);
/// The longest life of a presigned URL: seven days, the age at which a signing key ends.
pub const MAX_EXPIRY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

/// The region and the service a signature is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Such as `eu-central-1`.
    pub region: &'a str,
    /// `s3` or `sts`. Services whose names begin with `s3` want the header `x-amz-content-sha256`, and get it.
    pub service: &'a str,
}

/// How the body is covered by the signature: the value of `x-amz-content-sha256`.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// The SHA-256 of these bytes.
    Bytes(&'a [u8]),
    /// A SHA-256 computed before.
    Hash(&'a [u8; 32]),
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`.
    StreamingSigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`.
    StreamingSignedTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    StreamingUnsignedTrailer,
}

/// The derived key of one day, region and service; deriving it takes four HMACs, so a client keeps it.
#[derive(Clone)]
pub struct SigningKey {
    access_key_id: String,
    /// To notice another secret without keeping this one.
    secret_hash: Zeroizing<[u8; 32]>,
    day: i64,
    region: String,
    service: String,
    keyed: HmacSha256,
}

impl SigningKey {
    /// Derives the key.
    pub fn derive(credentials: &Credentials, time: Timestamp, scope: Scope<'_>) -> Self {
        let secret = credentials.secret_access_key();
        let mut first = Zeroizing::new(String::with_capacity("AWS4".len() + secret.len()));
        first.push_str("AWS4");
        first.push_str(secret);
        let mut key = Zeroizing::new(mac_sha256(&hmac_sha256(first.as_bytes()), time.date().as_bytes()));
        for part in [scope.region, scope.service, TERMINATOR] {
            *key = mac_sha256(&hmac_sha256(&*key), part.as_bytes());
        }
        Self {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_hash: Zeroizing::new(sha256(secret.as_bytes())),
            day: time.day_number(),
            region: scope.region.to_owned(),
            service: scope.service.to_owned(),
            keyed: hmac_sha256(&*key),
        }
    }

    /// Whether this key was derived from these credentials for this day and scope.
    pub fn is_for(&self, credentials: &Credentials, time: Timestamp, scope: Scope<'_>) -> bool {
        self.is_named(credentials, time, scope)
            && *self.secret_hash == sha256(credentials.secret_access_key().as_bytes())
    }

    /// The same without the secret: what costs next to nothing.
    fn is_named(&self, credentials: &Credentials, time: Timestamp, scope: Scope<'_>) -> bool {
        self.day == time.day_number()
            && self.region == scope.region
            && self.service == scope.service
            && self.access_key_id == credentials.access_key_id()
    }

    /// The two lines that every chunk's string to sign repeats.
    pub(super) fn date_and_scope(&self, time: Timestamp) -> Result<String, Error> {
        if self.day != time.day_number() {
            return Err(Error::Invalid("the signing key is for another day than the chunks: derive it anew".into()));
        }
        let scope = Scope { region: &self.region, service: &self.service }.of_day(&time.date());
        Ok([&*time.amz_date(), "\n", &scope].concat())
    }

    /// Task 3: the HMAC of a string to sign.
    pub(super) fn mac(&self, string_to_sign: &str) -> Hex {
        Hex::of(&mac_sha256(&self.keyed, string_to_sign.as_bytes()))
    }
}

/// Signs with the `Authorization` header.
///
/// The headers to send are `x-amz-date`, `x-amz-content-sha256` (see [`Scope::service`]), `x-amz-security-token` and
/// `authorization`.
///
/// # Errors
/// [`Error::MissingHost`] without a `host` header; [`Error::Invalid`] for parts that cannot be sent as given, an
/// `authorization` header, or a header of the signer's with another value than it signs.
pub fn sign(
    request: &Request<'_>,
    payload: Payload<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<Signed, Error> {
    sign_with_key(request, payload, credentials, scope, time, &SigningKey::derive(credentials, time, scope))
}

/// The same with a key derived before.
///
/// # Errors
/// As for [`sign`], and [`Error::Invalid`] when the key is for other credentials, another day or another scope.
pub fn sign_with_key(
    request: &Request<'_>,
    payload: Payload<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
    key: &SigningKey,
) -> Result<Signed, Error> {
    check(request)?;
    let date = Date::new(credentials, time, scope)?;
    if !key.is_named(credentials, time, scope) {
        return Err(Error::Invalid(
            "the signing key is for another day, region, service or access key: derive it anew".into(),
        ));
    }
    let payload_hash = payload.hash();
    let mut headers = Headers::collect(request, 3)?;
    if headers.get("host").is_none() {
        return Err(Error::MissingHost);
    }
    headers.add("x-amz-date", &date.amz_date)?;
    if scope.service.starts_with("s3") {
        headers.add("x-amz-content-sha256", &payload_hash)?;
    }
    if let Some(token) = credentials.session_token() {
        headers.add("x-amz-security-token", token)?;
    }
    headers.sort();

    let canonical = Canonical::new(request, &canonical_query(request.query), &headers, &payload_hash);
    let string_to_sign = date.string_to_sign(&canonical.text);
    let signature = key.mac(&string_to_sign);
    let authorization = [
        ALGORITHM,
        " Credential=",
        &date.credential(credentials),
        ", SignedHeaders=",
        canonical.signed_headers(),
        ", Signature=",
        signature.as_str(),
    ]
    .concat();
    Ok(Signed { steps: steps(canonical, string_to_sign, &signature), headers: headers.to_send(authorization) })
}

/// Signs in the query, for a URL that lives `expires` (1 second to 7 days, in whole seconds). The body is not covered:
/// `UNSIGNED-PAYLOAD`, as S3 expects. Headers other than `host` have to be sent as they were signed.
///
/// # Errors
/// [`Error::ExpiryOutOfRange`]; [`Error::MissingHost`] without a `host` header; [`Error::Invalid`] for parts that cannot
/// be sent as given, or a query that holds one of the signer's own parameters.
pub fn presign(
    request: &Request<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
    expires: Duration,
) -> Result<Presigned, Error> {
    presign_with_payload(request, Payload::Unsigned, credentials, scope, time, expires)
}

/// The same for a body that is known when the URL is made: whoever uses it can send no other. S3 learns its hash from the
/// header `x-amz-content-sha256`, which therefore has to be among the request's headers; other services (`sts`) hash
/// the body they get.
///
/// # Errors
/// As for [`presign`], and [`Error::Invalid`] when that header is missing or differs.
pub fn presign_with_payload(
    request: &Request<'_>,
    payload: Payload<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
    expires: Duration,
) -> Result<Presigned, Error> {
    if expires.subsec_nanos() != 0 || !(MIN_EXPIRY..=MAX_EXPIRY).contains(&expires) {
        return Err(Error::ExpiryOutOfRange(expires));
    }
    check(request)?;
    let date = Date::new(credentials, time, scope)?;
    if let Some((name, _)) = request.query.iter().find(|(name, _)| is_signers_parameter(name)) {
        return Err(Error::Invalid(format!("the query holds {name}, which belongs to the signature: leave it out")));
    }
    let payload_hash = payload.hash();
    let mut headers = Headers::collect(request, 0)?;
    if headers.get("host").is_none() {
        return Err(Error::MissingHost);
    }
    let sends_hash = || headers.get("x-amz-content-sha256").is_some_and(|given| given.trim_ascii() == payload_hash);
    if scope.service.starts_with("s3") && !matches!(payload, Payload::Unsigned) && !sends_hash() {
        return Err(Error::Invalid(
            "S3 cannot know the hash of a presigned body: add x-amz-content-sha256 to the headers, or leave the body unsigned".into(),
        ));
    }
    headers.sort();

    let credential = date.credential(credentials);
    let mut signed_headers = String::with_capacity(64);
    push_names(&mut signed_headers, &headers);
    let seconds = expires.as_secs().to_string();
    let mut query = Vec::with_capacity(request.query.len() + 6);
    query.extend_from_slice(request.query);
    query.extend([
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &date.amz_date),
        ("X-Amz-Expires", &seconds),
        ("X-Amz-SignedHeaders", &signed_headers),
    ]);
    query.extend(credentials.session_token().map(|token| ("X-Amz-Security-Token", token)));
    let mut query = canonical_query(&query);

    let canonical = Canonical::new(request, &query, &headers, &payload_hash);
    let string_to_sign = date.string_to_sign(&canonical.text);
    let signature = SigningKey::derive(credentials, time, scope).mac(&string_to_sign);
    query.push_str("&X-Amz-Signature=");
    query.push_str(signature.as_str());
    Ok(Presigned { steps: steps(canonical, string_to_sign, &signature), query })
}

/// The form fields of a browser's upload under `policy`. Conditions for `x-amz-algorithm`, `x-amz-credential`,
/// `x-amz-date` and, with temporary credentials, `x-amz-security-token` are added: S3 wants each of these fields named
/// in the policy.
///
/// # Errors
/// [`Error::Invalid`] for an access key, region, service or time that cannot be signed.
pub fn post_policy(
    policy: &PostPolicy,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<PostForm, Error> {
    let fields = form_fields(credentials, scope, time)?;
    let policy = fields.iter().fold(policy.clone(), |policy, (name, value)| policy.equals(name, value));
    Ok(form(policy.to_base64(), fields, &SigningKey::derive(credentials, time, scope)))
}

/// The same for a policy document that is finished, in base64, with all conditions in it.
///
/// # Errors
/// As for [`post_policy`], and [`Error::Invalid`] for what is not base64.
pub fn sign_post_policy(
    policy: &str,
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<PostForm, Error> {
    check_base64(policy)?;
    let fields = form_fields(credentials, scope, time)?;
    Ok(form(policy.to_owned(), fields, &SigningKey::derive(credentials, time, scope)))
}

/// The fields that the policy names.
fn form_fields(
    credentials: &Credentials,
    scope: Scope<'_>,
    time: Timestamp,
) -> Result<Vec<(&'static str, String)>, Error> {
    let date = Date::new(credentials, time, scope)?;
    let mut fields = vec![
        ("x-amz-algorithm", ALGORITHM.to_owned()),
        ("x-amz-credential", date.credential(credentials)),
        ("x-amz-date", date.amz_date),
    ];
    fields.extend(credentials.session_token().map(|token| ("x-amz-security-token", token.to_owned())));
    Ok(fields)
}

fn form(policy: String, mut fields: Vec<(&'static str, String)>, key: &SigningKey) -> PostForm {
    let signature = key.mac(&policy).as_str().to_owned();
    fields.insert(0, ("policy", policy.clone()));
    fields.push(("x-amz-signature", signature.clone()));
    PostForm { string_to_sign: policy, signature, fields }
}

impl Payload<'_> {
    fn hash(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Bytes([]) => EMPTY_SHA256,
            Self::Bytes(bytes) => return Cow::Owned(hex::encode(sha256(bytes))),
            Self::Hash(hash) => return Cow::Owned(hex::encode(hash)),
            Self::Unsigned => "UNSIGNED-PAYLOAD",
            Self::StreamingSigned => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::StreamingSignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::StreamingUnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        })
    }
}

/// The time and the credential scope as every step writes them.
struct Date {
    amz_date: String,
    /// `20130524/us-east-1/s3/aws4_request`
    scope: String,
}

impl Date {
    /// Checks what goes into the credential scope on the way.
    fn new(credentials: &Credentials, time: Timestamp, scope: Scope<'_>) -> Result<Self, Error> {
        for (what, value) in
            [("access key", credentials.access_key_id()), ("region", scope.region), ("service", scope.service)]
        {
            // A slash separates the scope's parts, a comma the header's.
            if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b',') {
                return Err(Error::Invalid(format!(
                    "the {what} {value:?} cannot stand in a credential scope: use letters, digits and signs other than / and ,"
                )));
            }
        }
        let amz_date = time.amz_date();
        if amz_date.len() != "20130524T000000Z".len() {
            return Err(Error::Invalid(format!(
                "the time {} has no year of four digits: set the clock",
                time.iso8601()
            )));
        }
        Ok(Self { amz_date, scope: scope.of_day(&time.date()) })
    }

    fn credential(&self, credentials: &Credentials) -> String {
        [credentials.access_key_id(), "/", &self.scope].concat()
    }

    /// Task 2.
    fn string_to_sign(&self, canonical_request: &str) -> String {
        let hash = Hex::of(&sha256(canonical_request.as_bytes()));
        [ALGORITHM, "\n", &self.amz_date, "\n", &self.scope, "\n", hash.as_str()].concat()
    }
}

impl Scope<'_> {
    fn of_day(&self, day: &str) -> String {
        [day, "/", self.region, "/", self.service, "/", TERMINATOR].concat()
    }
}

fn steps(canonical: Canonical, string_to_sign: String, signature: &Hex) -> Steps {
    Steps {
        version: Version::V4,
        canonical_request: canonical.text,
        string_to_sign,
        signature: signature.as_str().to_owned(),
    }
}

fn is_signers_parameter(name: &str) -> bool {
    [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
    ]
    .iter()
    .any(|own| own.eq_ignore_ascii_case(name))
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            other => f.write_str(&other.hash()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("access_key_id", &self.access_key_id)
            .field("day", &Timestamp::from_unix(self.day.saturating_mul(86_400)).date())
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
