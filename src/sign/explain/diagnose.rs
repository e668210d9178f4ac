//! From a request as it was sent, or a URL, and what the server said, to the place where the two
//! part.
use super::{Comparison, Explanation, ServerSide, compare};
use crate::net::aws::{Partition, is_region_name};
use crate::sign::verify::{Content, Verifier};
use crate::sign::{Credentials, Error, Request, Steps, v2, v4};
use crate::time::Timestamp;
use std::fmt;

/// How a request is signed with given credentials, and what a server made of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The steps to the signature.
    pub steps: Steps,
    /// Whether the request was sent with this signature; `None` when it was not signed.
    pub signature_sent: Option<bool>,
    /// Where the server's steps differ; `None` when the server shows nothing.
    pub comparison: Option<Comparison>,
}

impl Diagnosis {
    /// Describes how the signature came about.
    pub fn explain(&self) -> Explanation<'_> {
        self.steps.explain()
    }
}

/// Signs `request` again with `credentials` and compares each step with what the server says it
/// signed.
///
/// A request with an `authorization` header and a presigned URL name their version, region, service
/// and time. For any other request these come from the server's string to sign; without one, the
/// region and the service come from the host, the time is `now`, and the version is 4. `content` is
/// the body that was sent.
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
/// The [`Error`]s of a request that cannot be signed.
pub fn diagnose(
    request: &Request<'_>,
    content: Content<'_>,
    credentials: &Credentials,
    host_bucket: Option<&str>,
    server: &ServerSide<'_>,
    now: Timestamp,
) -> Result<Diagnosis, Error> {
    let shown = Shown::read(server);
    let (steps, signature_sent) = match signed_steps(request, content, credentials, host_bucket) {
        Some((steps, is_right)) => (steps, Some(is_right)),
        None => (sign_again(request, content, credentials, host_bucket, &shown, now)?, None),
    };
    let shows = server.string_to_sign.is_some()
        || server.string_to_sign_bytes.is_some()
        || server.canonical_request.is_some()
        || server.canonical_request_bytes.is_some();
    let comparison = shows.then(|| compare(&steps.explain(), server));
    Ok(Diagnosis { steps, signature_sent, comparison })
}

/// Returns the steps of a request that carries a signature, and whether that is the right one for
/// these credentials.
fn signed_steps(
    request: &Request<'_>,
    content: Content<'_>,
    credentials: &Credentials,
    host_bucket: Option<&str>,
) -> Option<(Steps, bool)> {
    let keys = |_: &str| Some(credentials.clone());
    let claimed = Verifier::claimed_time(request)?;
    let service = Verifier::claimed_service(request);
    let verifier = Verifier::new(&keys, claimed).host_bucket(host_bucket);
    match verifier.service(service.as_deref().unwrap_or("s3")).verify(request, content) {
        Ok(signed_by) => Some((signed_by.steps, true)),
        Err(refusal) => refusal.into_steps().map(|steps| (steps, false)),
    }
}

/// Signs a request that was not signed by what the server shows.
fn sign_again(
    request: &Request<'_>,
    content: Content<'_>,
    credentials: &Credentials,
    host_bucket: Option<&str>,
    shown: &Shown<'_>,
    now: Timestamp,
) -> Result<Steps, Error> {
    let time = shown.time.unwrap_or(now);
    if shown.is_version_2 {
        return Ok(v2::sign(request, host_bucket, credentials, time)?.steps);
    }
    let host = request
        .all_headers()
        .find(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map_or("", |(_, host)| host);
    let scope = shown.scope.unwrap_or_else(|| scope_of_host(host));
    let payload = match content {
        Content::Bytes(bytes) => v4::Payload::Bytes(bytes),
        Content::Hash(hash) => v4::Payload::Hash(hash),
        _ => v4::Payload::Unsigned,
    };
    Ok(v4::sign(request, payload, credentials, scope, time)?.steps)
}

/// A server's string to sign, as far as it names version, time and scope.
struct Shown<'a> {
    is_version_2: bool,
    time: Option<Timestamp>,
    scope: Option<v4::Scope<'a>>,
}

impl<'a> Shown<'a> {
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

/// Returns the region and the service that a host of AWS names:
/// `bucket.s3.eu-west-1.amazonaws.com`, `sts.amazonaws.com`. Other hosts are taken for S3 in
/// `us-east-1`, the region that most servers call their own.
pub fn scope_of_host(host: &str) -> v4::Scope<'_> {
    const DEFAULT: v4::Scope<'static> = v4::Scope { region: "us-east-1", service: "s3" };
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let suffix =
        |partition: Partition| host.strip_suffix(partition.dns_suffix())?.strip_suffix('.');
    let Some(name) = Partition::ALL.into_iter().find_map(suffix) else { return DEFAULT };
    // A region may be joined to the service: `s3-eu-west-1`.
    let labels =
        || name.rsplit('.').flat_map(|label| [label.strip_prefix("s3-"), Some(label)]).flatten();
    let region = labels().find(|label| is_region_name(label)).unwrap_or(DEFAULT.region);
    let service = ["sts", "execute-api", "s3-outposts", "s3-object-lambda"];
    let is_of =
        |label: &str, service: &str| label.strip_suffix("-fips").unwrap_or(label) == service;
    let service = service.into_iter().find(|service| labels().any(|label| is_of(label, service)));
    let express = name.rsplit('.').any(|label| label.starts_with("s3express-"));
    v4::Scope {
        region,
        service: service.unwrap_or(if express { "s3express" } else { DEFAULT.service }),
    }
}

/// The explanation, and what differs.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.explain().fmt(f)?;
        match self.signature_sent {
            Some(true) => writeln!(f, "The request was sent with this signature.")?,
            Some(false) => {
                writeln!(
                    f,
                    "The request was sent with another signature: it was changed, or signed with another key."
                )?;
            }
            None => {}
        }
        match &self.comparison {
            Some(comparison) => writeln!(f, "{comparison}"),
            None => Ok(()),
        }
    }
}
