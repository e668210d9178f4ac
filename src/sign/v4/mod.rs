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
use super::redact::{Hidden, Pairs, Text};
use super::{Credentials, Error, Request};
use crate::time::Timestamp;
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

/// A signed request with everything that led to the signature. `Debug` hides what is secret.
#[derive(Clone)]
pub struct Signed {
    /// Task 1.
    pub canonical_request: String,
    /// Task 2.
    pub string_to_sign: String,
    /// Task 3, in hex.
    pub signature: String,
    /// What to send beside the request's own headers: `x-amz-date`, `x-amz-content-sha256` (see [`Scope::service`]),
    /// `x-amz-security-token`, `authorization` (those the request had already are not repeated).
    pub headers: Vec<(&'static str, String)>,
}

/// A presigned request with everything that led to the signature. `Debug` hides what is secret.
#[derive(Clone)]
pub struct Presigned {
    /// Task 1.
    pub canonical_request: String,
    /// Task 2.
    pub string_to_sign: String,
    /// Task 3, in hex.
    pub signature: String,
    /// The whole query to send, without `?`. Headers other than `host` have to be sent as they were signed.
    pub query: String,
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
        let date = Date { amz_date: time.amz_date() };
        let mut lines = format!("{}\n", date.amz_date);
        date.push_scope(&mut lines, Scope { region: &self.region, service: &self.service });
        Ok(lines)
    }

    /// Task 3: the HMAC of a string to sign.
    pub(super) fn mac(&self, string_to_sign: &str) -> Hex {
        Hex::of(&mac_sha256(&self.keyed, string_to_sign.as_bytes()))
    }
}

/// Signs with the `Authorization` header.
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
    let sends_date = headers.add("x-amz-date", &date.amz_date)?;
    let sends_hash = scope.service.starts_with("s3") && headers.add("x-amz-content-sha256", payload_hash.as_str())?;
    let token = credentials.session_token();
    let sends_token = match token {
        Some(token) => headers.add("x-amz-security-token", token)?,
        None => false,
    };
    headers.sort();

    let canonical = Canonical::new(request, &canonical_query(request.query), &headers, payload_hash.as_str());
    let string_to_sign = date.string_to_sign(scope, &canonical.text);
    let signature = key.mac(&string_to_sign);
    let authorization = authorization(credentials, &date, scope, canonical.signed_headers(), &signature);

    // The headers borrow the date that is sent now.
    drop(headers);
    let mut send = Vec::with_capacity(4);
    if sends_date {
        send.push(("x-amz-date", date.amz_date));
    }
    if sends_hash {
        send.push(("x-amz-content-sha256", payload_hash.as_str().to_owned()));
    }
    if let Some(token) = token.filter(|_| sends_token) {
        send.push(("x-amz-security-token", token.to_owned()));
    }
    send.push(("authorization", authorization));
    Ok(Signed {
        canonical_request: canonical.text,
        string_to_sign,
        signature: signature.as_str().to_owned(),
        headers: send,
    })
}

/// Signs in the query, for a URL that lives `expires` (1 second to 7 days, in whole seconds). The body is not covered:
/// `UNSIGNED-PAYLOAD`, as S3 expects.
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
    let mut headers = Headers::collect(request, 1)?;
    if headers.get("host").is_none() {
        return Err(Error::MissingHost);
    }
    if scope.service.starts_with("s3")
        && !matches!(payload, Payload::Unsigned)
        && headers.add("x-amz-content-sha256", payload_hash.as_str())?
    {
        return Err(Error::Invalid(
            "S3 cannot know the hash of a presigned body: add x-amz-content-sha256 to the headers, or leave the body unsigned".into(),
        ));
    }
    headers.sort();

    let mut credential = String::with_capacity(128);
    date.push_credential(&mut credential, credentials, scope);
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

    let canonical = Canonical::new(request, &query, &headers, payload_hash.as_str());
    let string_to_sign = date.string_to_sign(scope, &canonical.text);
    let signature = SigningKey::derive(credentials, time, scope).mac(&string_to_sign);
    query.push_str("&X-Amz-Signature=");
    query.push_str(signature.as_str());
    Ok(Presigned { canonical_request: canonical.text, string_to_sign, signature: signature.as_str().to_owned(), query })
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
    let date = Date::new(credentials, time, scope)?;
    let mut credential = String::new();
    date.push_credential(&mut credential, credentials, scope);
    let mut policy = policy
        .clone()
        .equals("x-amz-algorithm", ALGORITHM)
        .equals("x-amz-credential", &credential)
        .equals("x-amz-date", &date.amz_date);
    if let Some(token) = credentials.session_token() {
        policy = policy.equals("x-amz-security-token", token);
    }
    sign_post_policy(&policy.to_base64(), credentials, scope, time)
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
    let date = Date::new(credentials, time, scope)?;
    let mut credential = String::new();
    date.push_credential(&mut credential, credentials, scope);
    let signature = SigningKey::derive(credentials, time, scope).mac(policy).as_str().to_owned();
    let mut fields = vec![
        ("policy", policy.to_owned()),
        ("x-amz-algorithm", ALGORITHM.to_owned()),
        ("x-amz-credential", credential),
        ("x-amz-date", date.amz_date),
    ];
    fields.extend(credentials.session_token().map(|token| ("x-amz-security-token", token.to_owned())));
    fields.push(("x-amz-signature", signature.clone()));
    Ok(PostForm { string_to_sign: policy.to_owned(), signature, fields })
}

impl Payload<'_> {
    fn hash(&self) -> PayloadHash {
        PayloadHash::Literal(match self {
            Self::Bytes([]) => EMPTY_SHA256,
            Self::Bytes(bytes) => return PayloadHash::Hex(Hex::of(&sha256(bytes))),
            Self::Hash(hash) => return PayloadHash::Hex(Hex::of(hash)),
            Self::Unsigned => "UNSIGNED-PAYLOAD",
            Self::StreamingSigned => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::StreamingSignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::StreamingUnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        })
    }
}

enum PayloadHash {
    Literal(&'static str),
    Hex(Hex),
}

impl PayloadHash {
    fn as_str(&self) -> &str {
        match self {
            Self::Literal(text) => text,
            Self::Hex(hex) => hex.as_str(),
        }
    }
}

/// The time as every step writes it.
struct Date {
    amz_date: String,
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
        let date = Self { amz_date: time.amz_date() };
        if date.amz_date.len() != "20130524T000000Z".len() {
            return Err(Error::Invalid(format!(
                "the time {} has no year of four digits: set the clock",
                time.iso8601()
            )));
        }
        Ok(date)
    }

    /// `20130524/us-east-1/s3/aws4_request`
    fn push_scope(&self, out: &mut String, scope: Scope<'_>) {
        let (day, _) = self.amz_date.split_once('T').unwrap_or_default();
        for part in [day, scope.region, scope.service] {
            out.push_str(part);
            out.push('/');
        }
        out.push_str(TERMINATOR);
    }

    fn push_credential(&self, out: &mut String, credentials: &Credentials, scope: Scope<'_>) {
        out.push_str(credentials.access_key_id());
        out.push('/');
        self.push_scope(out, scope);
    }

    /// Task 2.
    fn string_to_sign(&self, scope: Scope<'_>, canonical_request: &str) -> String {
        let mut out = String::with_capacity(128 + scope.region.len() + scope.service.len());
        out.push_str(ALGORITHM);
        out.push('\n');
        out.push_str(&self.amz_date);
        out.push('\n');
        self.push_scope(&mut out, scope);
        out.push('\n');
        out.push_str(Hex::of(&sha256(canonical_request.as_bytes())).as_str());
        out
    }
}

fn authorization(
    credentials: &Credentials,
    date: &Date,
    scope: Scope<'_>,
    signed_headers: &str,
    signature: &Hex,
) -> String {
    let names = credentials.access_key_id().len() + scope.region.len() + scope.service.len();
    let mut out = String::with_capacity(160 + names + signed_headers.len());
    out.push_str(ALGORITHM);
    out.push_str(" Credential=");
    date.push_credential(&mut out, credentials, scope);
    out.push_str(", SignedHeaders=");
    out.push_str(signed_headers);
    out.push_str(", Signature=");
    out.push_str(signature.as_str());
    out
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
            other => f.write_str(other.hash().as_str()),
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

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("canonical_request", &Text(&self.canonical_request))
            .field("string_to_sign", &Text(&self.string_to_sign))
            .field("signature", &Hidden)
            .field("headers", &Pairs(&self.headers))
            .finish()
    }
}

impl fmt::Debug for Presigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presigned")
            .field("canonical_request", &Text(&self.canonical_request))
            .field("string_to_sign", &Text(&self.string_to_sign))
            .field("signature", &Hidden)
            .field("query", &Text(&self.query))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: Timestamp = Timestamp::from_unix(1_369_353_600);
    const SCOPE: Scope<'static> = Scope { region: "us-east-1", service: "s3" };

    fn credentials() -> Credentials {
        Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    }

    fn signed(headers: &[(&str, &str)], query: &[(&str, &str)]) -> Signed {
        let request = Request { method: "GET", path: "/key", query, headers };
        sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME).unwrap()
    }

    fn error(headers: &[(&str, &str)]) -> Error {
        let request = Request { method: "GET", path: "/key", query: &[], headers };
        sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME).unwrap_err()
    }

    #[test]
    fn the_order_and_case_of_headers_do_not_matter_and_all_else_does() {
        let base = signed(&[("host", "h"), ("x-amz-acl", "private"), ("range", "bytes=0-9")], &[]).signature;
        let same = [
            signed(&[("range", "bytes=0-9"), ("X-AMZ-Acl", "private"), ("Host", "h")], &[]),
            signed(&[("host", " h\t"), ("x-amz-acl", "private"), ("range", "bytes=0-9 ")], &[]),
        ];
        assert!(same.iter().all(|other| other.signature == base));
        let others = [
            signed(&[("host", "H"), ("x-amz-acl", "private"), ("range", "bytes=0-9")], &[]),
            signed(&[("host", "h"), ("x-amz-acl", "Private"), ("range", "bytes=0-9")], &[]),
            signed(&[("host", "h"), ("x-amz-acl", "private"), ("range", "bytes= 0-9")], &[]),
            signed(&[("host", "h"), ("x-amz-acl", "private")], &[]),
            signed(&[("host", "h"), ("x-amz-acl", "private"), ("range", "bytes=0-9")], &[("acl", "")]),
        ];
        assert!(others.iter().all(|other| other.signature != base));
    }

    #[test]
    fn runs_of_blanks_and_repeated_names_are_folded_in_order() {
        let one = signed(&[("host", "h"), ("a", "x  y \t z"), ("b", "1"), ("B", "2")], &[]);
        assert_eq!(one.signature, signed(&[("b", "1"), ("host", "h"), ("b", "2"), ("a", "x y z")], &[]).signature);
        assert!(one.canonical_request.contains("\na:x y z\nb:1,2\nhost:h\n"), "{}", one.canonical_request);
        assert_ne!(one.signature, signed(&[("b", "2"), ("host", "h"), ("b", "1"), ("a", "x y z")], &[]).signature);
    }

    #[test]
    fn adds_what_is_missing() {
        let names = |signed: &Signed| signed.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let request = Request { method: "GET", path: "/", query: &[], headers: &[("host", "h")] };
        let temporary = credentials().with_session_token("token");
        let s3 = sign(&request, Payload::Bytes(b""), &temporary, SCOPE, TIME).unwrap();
        assert_eq!(names(&s3), ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "authorization"]);
        assert!(s3.canonical_request.contains(
            "\nhost:h\nx-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx-amz-date:20130524T000000Z\nx-amz-security-token:token\n"
        ));
        let sts = Scope { service: "sts", ..SCOPE };
        let sts = sign(&request, Payload::Bytes(b"body"), &temporary, sts, TIME).unwrap();
        assert_eq!(names(&sts), ["x-amz-date", "x-amz-security-token", "authorization"]);

        let given = [("host", "h"), ("X-Amz-Date", "20130524T000000Z"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
        assert_eq!(names(&signed(&given, &[])), ["authorization"]);
        assert_eq!(signed(&given, &[]).signature, signed(&[("host", "h")], &[]).signature);
    }

    #[test]
    fn refuses_contradictions() {
        assert_eq!(error(&[]), Error::MissingHost);
        for header in [
            ("x-amz-date", "20130524T000001Z"),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("authorization", "AWS4-HMAC-SHA256"),
            ("a", "b\nc"),
        ] {
            let error = error(&[("host", "h"), header]);
            assert!(matches!(&error, Error::Invalid(text) if text.contains("header")), "{error:?}");
        }
        let request = Request { method: "GET", path: "/", query: &[], headers: &[("host", "h")] };
        let bad = |credentials: &Credentials, region, service, time| {
            sign(&request, Payload::Unsigned, credentials, Scope { region, service }, time).is_err()
        };
        assert!(bad(&Credentials::new("", "s"), "r", "s3", TIME));
        assert!(bad(&Credentials::new("a/b", "s"), "r", "s3", TIME));
        assert!(bad(&credentials(), "", "s3", TIME));
        assert!(bad(&credentials(), "r\n", "s3", TIME));
        assert!(bad(&credentials(), "r", "s3,x", TIME));
        assert!(bad(&credentials(), "r", "s3", Timestamp::from_unix(i64::MAX)));
        assert!(!bad(&credentials(), "r", "s3", TIME));
        assert!(bad(&credentials().with_session_token("to\r\nken"), "r", "s3", TIME));
        let key = SigningKey::derive(&credentials(), TIME, SCOPE);
        for (scope, time) in [
            (SCOPE, TIME.plus(Duration::from_secs(86_400))),
            (Scope { region: "eu-west-1", ..SCOPE }, TIME),
            (Scope { service: "sts", ..SCOPE }, TIME),
        ] {
            assert!(sign_with_key(&request, Payload::Unsigned, &credentials(), scope, time, &key).is_err());
        }
    }

    #[test]
    fn a_signing_key_knows_what_it_is_for() {
        let key = SigningKey::derive(&credentials(), TIME, SCOPE);
        assert!(key.is_for(&credentials(), TIME.plus(Duration::from_secs(86_399)), SCOPE));
        assert!(key.is_for(&credentials().with_session_token("new"), TIME, SCOPE), "tokens are not part of the key");
        assert!(!key.is_for(&credentials(), TIME.plus(Duration::from_secs(86_400)), SCOPE));
        assert!(!key.is_for(&credentials(), TIME, Scope { region: "us-east-2", ..SCOPE }));
        assert!(!key.is_for(&credentials(), TIME, Scope { service: "sts", ..SCOPE }));
        assert!(!key.is_for(&Credentials::new("AKIAIOSFODNN7EXAMPLE", "other"), TIME, SCOPE));
        assert!(!key.is_for(&Credentials::new("other", credentials().secret_access_key()), TIME, SCOPE));
    }

    #[test]
    fn presigned_urls_live_one_second_to_seven_days() {
        let request = Request { method: "GET", path: "/", query: &[], headers: &[("host", "h")] };
        let presign = |expires| presign(&request, &credentials(), SCOPE, TIME, expires);
        for expires in [MIN_EXPIRY, MAX_EXPIRY] {
            assert!(presign(expires).is_ok());
        }
        for expires in [
            Duration::ZERO,
            Duration::from_millis(999),
            Duration::from_millis(1_500),
            MAX_EXPIRY + Duration::from_nanos(1),
            MAX_EXPIRY + Duration::from_secs(1),
            Duration::MAX,
        ] {
            assert_eq!(presign(expires).unwrap_err(), Error::ExpiryOutOfRange(expires));
        }
    }

    #[test]
    fn presigning_covers_token_query_and_headers() {
        let headers = [("Host", "h"), ("content-type", "text/plain")];
        let request = Request {
            method: "PUT",
            path: "/a",
            query: &[("uploadId", "x/y"), ("partNumber", "1")],
            headers: &headers,
        };
        let hour = Duration::from_secs(3600);
        let token = credentials().with_session_token("to/ken=");
        let presigned = presign(&request, &token, SCOPE, TIME, hour).unwrap();
        assert!(presigned.query.starts_with("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="));
        assert!(presigned.query.contains("&X-Amz-Security-Token=to%2Fken%3D&X-Amz-SignedHeaders=content-type%3Bhost&"));
        assert!(presigned.query.contains("&partNumber=1&uploadId=x%2Fy&X-Amz-Signature="));
        assert!(presigned.canonical_request.ends_with("\ncontent-type;host\nUNSIGNED-PAYLOAD"));
        assert!(presign(&Request { headers: &[], ..request }, &token, SCOPE, TIME, hour).is_err());
        let twice = Request { query: &[("x-amz-signature", "0")], ..request };
        assert!(presign(&twice, &token, SCOPE, TIME, hour).is_err());
        // S3 has to be told the hash of a body that is covered.
        let body = Payload::Bytes(b"");
        assert!(presign_with_payload(&request, body, &token, SCOPE, TIME, hour).is_err());
        let told = [("host", "h"), ("x-amz-content-sha256", EMPTY_SHA256)];
        assert!(presign_with_payload(&Request { headers: &told, ..request }, body, &token, SCOPE, TIME, hour).is_ok());
    }

    #[test]
    fn forms_name_every_field_of_the_signature() {
        let form = post_policy(
            &PostPolicy::new(TIME).equals("bucket", "b"),
            &credentials().with_session_token("s3cret"),
            SCOPE,
            TIME,
        )
        .unwrap();
        let policy = {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(&form.string_to_sign).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        for (name, value) in &form.fields {
            if !["policy", "x-amz-signature"].contains(name) {
                assert!(policy.contains(&format!("{{\"{name}\":\"{value}\"}}")), "{policy}");
            }
        }
        assert_eq!(form.fields.len(), 6);
        assert_eq!(
            form.signature,
            sign_post_policy(&form.string_to_sign, &credentials(), SCOPE, TIME).unwrap().signature
        );
        assert!(sign_post_policy("{}", &credentials(), SCOPE, TIME).is_err());
    }

    #[test]
    fn debug_hides_signatures_and_tokens() {
        let token = credentials().with_session_token("s3cret");
        let request = Request { method: "GET", path: "/", query: &[], headers: &[("host", "shown")] };
        let signed = sign(&request, Payload::Bytes(b"body"), &token, SCOPE, TIME).unwrap();
        let presigned = presign(&request, &token, SCOPE, TIME, MIN_EXPIRY).unwrap();
        let key = SigningKey::derive(&token, TIME, SCOPE);
        for text in [format!("{signed:?}"), format!("{presigned:?}")] {
            for secret in ["s3cret", &*signed.signature, &*presigned.signature] {
                assert!(!text.contains(secret), "{text}");
            }
            assert!(text.contains("shown") && text.contains("redacted"), "{text}");
        }
        let text = format!("{key:?} {:?} {:?}", Payload::Bytes(b"body"), Payload::Unsigned);
        assert!(text.contains("20130524") && text.contains("4 bytes") && !text.contains("wJalr"), "{text}");
    }

    proptest! {
        #[test]
        fn shuffled_requests_sign_alike(
            mut headers in prop::collection::btree_map("[a-z]{1,6}-h", "[!-~]{0,8}", 0..6)
                .prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle(),
            mut query in prop::collection::vec(("[a-c=&\\-0]{1,2}", "[a-b \\-0]{0,2}"), 0..6).prop_shuffle(),
        ) {
            headers.push(("host".into(), "h".into()));
            fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
                pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
            }
            let first = signed(&borrowed(&headers), &borrowed(&query));
            headers.sort();
            query.sort();
            let loud: Vec<_> =
                headers.iter().map(|(n, v)| (n.to_ascii_uppercase(), format!("\t{v}  "))).collect();
            let second = signed(&borrowed(&loud), &borrowed(&query));
            prop_assert_eq!(first.canonical_request, second.canonical_request);
            prop_assert_eq!(first.signature, second.signature);
        }

        #[test]
        fn no_request_panics(
            method in any::<String>(), path in any::<String>(), name in any::<String>(), value in any::<String>(),
        ) {
            let headers = [("host", "h"), (&*name, &*value)];
            let request = Request { method: &method, path: &path, query: &[(&name, &value)], headers: &headers };
            let _ = sign(&request, Payload::Unsigned, &credentials(), SCOPE, TIME);
            let request = Request { method: "GET", path: "/", ..request };
            let _ = presign(&request, &credentials(), SCOPE, TIME, MIN_EXPIRY);
        }
    }
}
