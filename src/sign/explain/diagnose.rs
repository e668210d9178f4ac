//! Finds the place at which a request or URL, as it was sent, differs from what the server signed.
use super::{Cause, Comparison, Explanation, ServerSide, compare};
use crate::net::aws::{Partition, is_region_name};
use crate::sign::verify::{Content, Refusal, Verifier};
use crate::sign::{Credentials, Error, PathRule, Request, Steps, v2, v4};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::fmt;

/// How a request is signed with the given credentials, why it would be refused, and how a server's
/// signature differs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The steps that lead to the signature; `None` if the request's own signature is incomplete or
    /// contradicts itself. `refusal` names the place.
    pub steps: Option<Steps>,
    /// Whether the request was sent with this signature; `None` if it was sent without one, or if
    /// there are no steps.
    pub signature_sent: Option<bool>,
    /// Why a server that knows the credentials would refuse the request as it was sent; `None` if
    /// it would not, or if the request was sent without a signature. The time in a header is not
    /// compared with `now`, because the request may have been sent earlier.
    pub refusal: Option<Refusal>,
    /// How the server's steps differ; `None` if the server does not show any.
    pub comparison: Option<Comparison>,
}

impl Diagnosis {
    const fn of(steps: Option<Steps>, is_correct: bool, refusal: Option<Refusal>) -> Self {
        let signature_sent = if steps.is_some() { Some(is_correct) } else { None };
        Self { steps, signature_sent, refusal, comparison: None }
    }

    /// Describes how the signature was computed.
    pub fn explain(&self) -> Option<Explanation<'_>> {
        self.steps.as_ref().map(Steps::explain)
    }
}

/// Signs `request` again with `credentials` and compares each step with what the server says it
/// signed.
///
/// Requests with an `authorization` header and presigned URLs contain their signature version,
/// region, service and time. For any other request these are taken from the server's string to
/// sign; without one, region and service are derived from the host, the time is `now`, and the
/// version is 4. `content` is the body that was sent.
///
/// ```
/// use s3driver::sign::explain::{Cause, ServerSide, diagnose};
/// use s3driver::sign::verify::Content;
/// use s3driver::sign::{Credentials, Request};
/// use s3driver::time::Timestamp;
///
/// let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
/// let request = Request::from_url("GET", "https://bucket.s3.eu-west-1.amazonaws.com/key")?;
/// // What the server showed in its error document.
/// let string_to_sign = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/eu-west-1/s3/aws4_request\n0123";
/// let server = ServerSide { string_to_sign: Some(string_to_sign), ..ServerSide::default() };
/// let now = Timestamp::from_unix(1_369_353_600);
/// let diagnosis = diagnose(&request, Content::Bytes(b""), &credentials, None, &server, now)?;
/// assert_eq!(diagnosis.comparison.as_ref().map(|comparison| comparison.cause()), Some(Cause::CanonicalRequestDiffers));
/// println!("{diagnosis}");
/// # Ok::<(), s3driver::sign::Error>(())
/// ```
///
/// # Errors
/// An [`Error`] if a request that was sent without a signature cannot be signed.
pub fn diagnose(
    request: &Request<'_>,
    content: Content<'_>,
    credentials: &Credentials,
    host_bucket: Option<&str>,
    server: &ServerSide<'_>,
    now: Timestamp,
) -> Result<Diagnosis, Error> {
    let diagnosis = match as_sent(request, content, credentials, host_bucket, now) {
        Some(diagnosis) => diagnosis,
        None => {
            let shown = ServerParameters::read(server);
            let steps = sign_again(request, content, credentials, host_bucket, &shown, now)?;
            Diagnosis { signature_sent: None, ..Diagnosis::of(Some(steps), true, None) }
        }
    };

    let shows = server.string_to_sign.is_some()
        || server.string_to_sign_bytes.is_some()
        || server.canonical_request.is_some()
        || server.canonical_request_bytes.is_some();
    let ours = diagnosis.explain().filter(|_| shows);
    let comparison = ours.map(|ours| compare(&ours, server));
    Ok(Diagnosis { comparison, ..diagnosis })
}

/// Verifies a signed request with these credentials. Returns `None` if the request is not signed.
fn as_sent(
    request: &Request<'_>,
    content: Content<'_>,
    credentials: &Credentials,
    host_bucket: Option<&str>,
    now: Timestamp,
) -> Option<Diagnosis> {
    let service = Verifier::claimed_service(request);
    let time = Verifier::claimed_time(request).unwrap_or(now);
    let verify = |request: &Request<'_>, credentials: &Credentials, content, at| {
        let keys = |_: &str| Some(credentials.clone());
        let verifier = Verifier::new(&keys, at).host_bucket(host_bucket);
        verifier.service(service.as_deref().unwrap_or("s3")).verify(request, content)
    };

    let refusal = match verify(request, credentials, content, time) {
        Ok(signed_by) => {
            let refusal = verify(request, credentials, content, now).err();
            let expired = refusal.filter(|refusal| refusal.cause() == Cause::Expired);
            return Some(Diagnosis::of(Some(signed_by.steps), true, expired));
        }
        Err(refusal) => refusal,
    };

    match refusal.cause() {
        Cause::NotSigned => return None,
        Cause::SignatureDiffers => {
            return Some(Diagnosis::of(refusal.clone().into_steps(), false, Some(refusal)));
        }
        _ => {}
    }

    // Another session token, another body or another reading of the path does not change how the
    // request was signed. The first attempt that leads to a signature describes it.
    let as_sent = request.path_rule(PathRule::AsSent);
    let keys = Credentials::new(credentials.access_key_id(), credentials.secret_access_key());
    let temporary = tokens_of(request).take(MAX_TOKENS).map(|token| token.added_to(keys.clone()));
    let candidates: Vec<_> = temporary.chain([keys.clone()]).collect();
    for (request, content) in
        [(request, content), (request, Content::NotRead), (&as_sent, Content::NotRead)]
    {
        for credentials in &candidates {
            match verify(request, credentials, content, time) {
                Ok(signed_by) => {
                    return Some(Diagnosis::of(Some(signed_by.steps), true, Some(refusal)));
                }
                Err(other) => {
                    if let Some(steps) = other.into_steps() {
                        return Some(Diagnosis::of(Some(steps), false, Some(refusal)));
                    }
                }
            }
        }
    }

    Some(Diagnosis::of(None, false, Some(refusal)))
}

/// The number of session tokens that are tried: one in a header, and one in the query.
const MAX_TOKENS: usize = 2;

/// A session token of a request.
enum Token {
    Sts(String),
    S3Express(String),
}

/// Returns the session tokens in the headers and in the query.
fn tokens_of(request: &Request<'_>) -> impl Iterator<Item = Token> {
    let in_headers = request.all_headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
    let in_query = request.query.decoded().map(move |(name, value)| (text(name), text(value)));
    in_headers.chain(in_query).filter_map(|(name, value)| {
        match name.to_ascii_lowercase().as_str() {
            "x-amz-security-token" => Some(Token::Sts(value)),
            "x-amz-s3session-token" => Some(Token::S3Express(value)),
            _ => None,
        }
    })
}

impl Token {
    fn added_to(self, keys: Credentials) -> Credentials {
        match self {
            Self::Sts(token) => keys.with_session_token(token),
            Self::S3Express(token) => keys.with_s3_session_token(token),
        }
    }
}

/// Signs a request that was sent unsigned, with the parameters that the server shows.
fn sign_again(
    request: &Request<'_>,
    content: Content<'_>,
    credentials: &Credentials,
    host_bucket: Option<&str>,
    shown: &ServerParameters<'_>,
    now: Timestamp,
) -> Result<Steps, Error> {
    let time = shown.time.or_else(|| Verifier::claimed_time(request)).unwrap_or(now);
    if shown.is_version_2 {
        return Ok(v2::sign(request, host_bucket, credentials, time)?.steps);
    }

    let header = |wanted: &str| {
        request.all_headers().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, v)| v)
    };

    let scope = shown.scope.unwrap_or_else(|| scope_of_host(header("host").unwrap_or("")));
    let stated = header("x-amz-content-sha256").map_or("", str::trim_ascii);
    let mut hash = [0; 32];
    let payload = match (v4::Payload::named(stated), hex::decode_to_slice(stated, &mut hash)) {
        (Some(payload), _) => payload,
        (None, Ok(())) => v4::Payload::Hash(&hash),
        (None, Err(_)) => match content {
            Content::Bytes(bytes) => v4::Payload::Bytes(bytes),
            Content::Hash(hash) => v4::Payload::Hash(hash),
            Content::NotRead => v4::Payload::Unsigned,
        },
    };

    Ok(v4::sign(request, payload, credentials, scope, time)?.steps)
}

/// The parameters that a server's string to sign contains.
struct ServerParameters<'a> {
    is_version_2: bool,
    time: Option<Timestamp>,
    scope: Option<v4::Scope<'a>>,
}

impl<'a> ServerParameters<'a> {
    fn read(server: &ServerSide<'a>) -> Self {
        let mut lines = server.string_to_sign.unwrap_or("").split('\n').map(str::trim_ascii_end);
        let first = lines.next().unwrap_or("");
        let time = lines.next().and_then(Timestamp::parse_amz_date);
        let mut parts = lines.next().unwrap_or("").split('/').skip(1);
        let scope = match (parts.next(), parts.next(), parts.next()) {
            (Some(region), Some(service), Some(_)) => Some(v4::Scope { region, service }),
            _ => None,
        };

        Self { is_version_2: !first.is_empty() && !first.starts_with("AWS4-"), time, scope }
    }
}

/// Returns the region and the service of an AWS host name such as
/// `bucket.s3.eu-west-1.amazonaws.com` or `sts.amazonaws.com`. Any other host is assumed to serve
/// S3 in `us-east-1`, the region name that most S3-compatible servers use.
pub fn scope_of_host(host: &str) -> v4::Scope<'_> {
    const DEFAULT: v4::Scope<'static> = v4::Scope { region: "us-east-1", service: "s3" };
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let suffix =
        |partition: Partition| host.strip_suffix(partition.dns_suffix())?.strip_suffix('.');
    let Some(name) = Partition::ALL.into_iter().find_map(suffix) else { return DEFAULT };
    // The name ends with the service, or with the service and the region. What precedes them is
    // chosen by customers: a bucket may be called `sts`.
    let mut labels = name.rsplit('.').filter(|label| *label != "dualstack");
    let last = labels.next().unwrap_or_default();
    // The service and the region may share a label: `s3-eu-west-1`.
    let (region, service) = match last.strip_prefix("s3-").filter(|rest| is_region_name(rest)) {
        Some(region) => (region, DEFAULT.service),
        None if is_region_name(last) => (last, labels.next().unwrap_or_default()),
        None => (DEFAULT.region, last),
    };
    let service = match service.strip_suffix("-fips").unwrap_or(service) {
        service @ ("sts" | "execute-api" | "s3-outposts" | "s3-object-lambda") => service,
        service if service.starts_with("s3express-") => "s3express",
        _ => DEFAULT.service,
    };
    v4::Scope { region, service }
}

/// Writes the explanation, followed by the reasons for a refusal.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(explanation) = self.explain() {
            explanation.fmt(f)?;
        }

        match (self.signature_sent, &self.refusal) {
            (Some(true), _) => writeln!(f, "The request was sent with this signature.")?,
            (Some(false), _) => {
                writeln!(
                    f,
                    "The request was sent with a different signature: it was changed after \
                     signing, or signed with a different key."
                )?;
            }
            (None, Some(_)) => writeln!(f, "The signature could not be verified.")?,
            (None, None) => {}
        }

        match &self.refusal {
            Some(refusal) if refusal.cause() != Cause::SignatureDiffers => {
                writeln!(f, "{refusal}")?;
            }
            _ => {}
        }

        match &self.comparison {
            Some(comparison) => writeln!(f, "{comparison}"),
            None => Ok(()),
        }
    }
}
