//! AWS Signature Version 2 (HMAC-SHA1), S3's original signature, for servers that do not support a
//! newer one.
//!
//! Follows [Signing and authenticating REST requests][rest] of the S3 user guide. The "Delete"
//! example on that page signs the value of `x-amz-date` on the line of `Date`. According to the
//! text of the page, which servers follow, that line must be empty.
//!
//! [rest]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
use super::canonical::{Headers, push_values};
use super::check::{
    check_bucket, check_credentials, check_policy, check_request, check_token_service, check_year,
};
use super::encode::push_component;
use super::hash::mac_sha1;
use super::{Credentials, Error, PostForm, PostPolicy, Presigned, Request, Signed, Steps, Version};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The query parameters that belong to the resource and are signed, sorted.
///
/// AWS's page names acl, delete, lifecycle, location, logging, notification, partNumber, policy,
/// requestPayment, uploadId, uploads, versionId, versioning, versions, website and the six
/// `response-` parameters; older editions also name torrent. Boto's list
/// (`HmacV1Auth.QSAOfInterest` in botocore/auth.py) adds accelerate, analytics, cors,
/// defaultObjectAcl, inventory, metrics, object-lock, replication, restore, select, select-type,
/// storageClass and tagging; Ceph's list (`signed_subresources` in rgw_auth_s3.cc) adds encryption,
/// policyStatus and publicAccessBlock. None of them contains legal-hold and retention, which were
/// introduced after version 2 had been abandoned.
///
/// Servers agree on all parameters that a registry needs, but not on those of Object Lock: Ceph and
/// SeaweedFS do not sign object-lock, and MinIO signs legal-hold and retention. Use version 4 for
/// them.
pub const SUB_RESOURCES: [&str; 38] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// The number of bytes reserved for the parameters that presigning adds, apart from a session
/// token.
const PRESIGNED_PARAMETERS_BYTES: usize = 128;

/// Signs with the `Authorization` header. `host_bucket` is the bucket if the host names it
/// (virtual-host style), and `None` if the path does.
///
/// The headers to send are `date` (unless the request has `date` or `x-amz-date`),
/// `x-amz-security-token` and `authorization`.
///
/// # Errors
/// Returns an [`Error`] for parts that cannot be sent as given, and for headers and parameters that
/// conflict with the signature.
pub fn sign(
    request: &Request<'_>,
    host_bucket: Option<&str>,
    credentials: &Credentials,
    time: Timestamp,
) -> Result<Signed, Error> {
    check_year(time)?;
    let now;
    let mut headers = collect(request, host_bucket, credentials, 2)?;
    if headers.get("x-amz-date").is_none() && headers.get("date").is_none() {
        now = time.http_date();
        headers.add("date", &now)?;
    }

    if let Some((name, token)) = credentials.token_header() {
        headers.add(name, token)?;
    }

    headers.sort()?;
    // "If you include the x-amz-date header, use the empty string for the Date when constructing
    // the StringToSign."
    let date = match headers.get("x-amz-date") {
        Some(_) => "",
        None => headers.get("date").unwrap_or(""),
    };

    let steps = steps(credentials, string_to_sign(request, host_bucket, date, &headers)?);
    let authorization = ["AWS ", credentials.access_key_id(), ":", &*steps.signature].concat();
    Ok(Signed { headers: headers.to_send(authorization), steps })
}

/// Signs a URL that is valid until `expires`, which must not be before the epoch. `content-md5`,
/// `content-type` and `x-amz-*` headers have to be sent as they were signed.
///
/// A session token is sent in the query and signed like a header with that name: Boto sends it
/// there, and Ceph looks for it there (`get_v2_qs_map` in rgw_auth_s3.cc).
///
/// # Errors
/// The errors of [`sign`], and [`Error::ExpiresBeforeEpoch`].
pub fn presign(
    request: &Request<'_>,
    host_bucket: Option<&str>,
    credentials: &Credentials,
    expires: Timestamp,
) -> Result<Presigned, Error> {
    if expires.unix() < 0 {
        return Err(Error::ExpiresBeforeEpoch(expires));
    }

    check_year(expires)?;
    let mut headers = collect(request, host_bucket, credentials, 1)?;
    headers.refuse("x-amz-security-token")?;
    let token = credentials.token_header();
    if let Some((name, token)) = token {
        headers.add(name, token)?;
    }

    headers.sort()?;
    let seconds = expires.unix().to_string();
    let steps = steps(credentials, string_to_sign(request, host_bucket, &seconds, &headers)?);

    let mut query = request.query.to_text();
    query.reserve(PRESIGNED_PARAMETERS_BYTES);
    for (name, value) in [("AWSAccessKeyId", credentials.access_key_id()), ("Expires", &seconds)]
        .into_iter()
        .chain(token)
        .chain([("Signature", &*steps.signature)])
    {
        if !query.is_empty() {
            query.push('&');
        }

        query.push_str(name);
        query.push('=');
        push_component(&mut query, value);
    }

    Ok(Presigned { steps, query })
}

/// Returns the form fields for a browser's upload under `policy`
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingHTTPPOST.html>). For temporary
/// credentials, a condition for `x-amz-security-token` is added.
///
/// # Errors
/// [`Error::AccessKey`], [`Error::EmptySecret`] and [`Error::SessionToken`] for credentials that
/// cannot be sent, and the errors of an invalid policy.
pub fn post_policy(policy: &PostPolicy, credentials: &Credentials) -> Result<PostForm, Error> {
    policy.check()?;
    match credentials.session_token() {
        None => sign_post_policy(&policy.to_base64(), credentials),
        Some(token) => sign_post_policy(
            &policy.clone().equals("x-amz-security-token", token).to_base64(),
            credentials,
        ),
    }
}

/// Returns the form fields for a finished policy document in base64, which must contain all
/// conditions.
///
/// # Errors
/// The errors of [`post_policy`], and [`Error::PolicyEncoding`].
pub fn sign_post_policy(policy: &str, credentials: &Credentials) -> Result<PostForm, Error> {
    check_policy(policy)?;
    check_signer(credentials)?;
    let signature = signature(credentials, policy);
    let mut fields = vec![
        ("AWSAccessKeyId", credentials.access_key_id().to_owned()),
        ("policy", policy.to_owned()),
    ];
    fields.extend(
        credentials.session_token().map(|token| ("x-amz-security-token", token.to_owned())),
    );
    fields.push(("signature", signature.clone()));
    Ok(PostForm { string_to_sign: policy.to_owned(), signature, fields })
}

/// Performs the checks that both ways of signing share, and collects the headers.
fn collect<'a>(
    request: &Request<'a>,
    host_bucket: Option<&str>,
    credentials: &Credentials,
    more: usize,
) -> Result<Headers<'a>, Error> {
    check_request(request)?;
    check_signer(credentials)?;
    host_bucket.map_or(Ok(()), check_bucket)?;
    Headers::collect(request, &["content-md5", "content-type", "date"], more)
}

fn check_signer(credentials: &Credentials) -> Result<(), Error> {
    // A colon terminates the access key in the header.
    check_credentials(credentials, ':')?;
    check_token_service(credentials, "s3")
}

/// Returns the string to sign: `HTTP-Verb \n Content-MD5 \n Content-Type \n Date \n
/// CanonicalizedAmzHeaders CanonicalizedResource`.
pub(super) fn string_to_sign(
    request: &Request<'_>,
    host_bucket: Option<&str>,
    date: &str,
    headers: &Headers<'_>,
) -> Result<String, Error> {
    let mut out = String::with_capacity(256 + request.path.len());
    // "If a positional header is not present, use the empty string."
    let positional = |name| headers.get(name).unwrap_or("");
    for line in [request.method, positional("content-md5"), positional("content-type"), date] {
        out.push_str(line.trim_ascii());
        out.push('\n');
    }

    for (name, values) in headers.groups().filter(|(name, _)| name.starts_with("x-amz-")) {
        out.push_str(name);
        out.push(':');
        push_values(&mut out, values, |out, value| out.push_str(value.trim_ascii()));
        out.push('\n');
    }

    push_resource(&mut out, request, host_bucket)?;
    Ok(out)
}

/// Appends the `CanonicalizedResource`: the bucket that the host names, the path as it is sent, and
/// the sub-resources sorted by name, with decoded values.
fn push_resource(
    out: &mut String,
    request: &Request<'_>,
    host_bucket: Option<&str>,
) -> Result<(), Error> {
    if let Some(bucket) = host_bucket {
        out.push('/');
        out.push_str(bucket);
    }

    out.push_str(request.path);
    let mut signed = Vec::new();
    for (name, value) in request.query.decoded() {
        if let Some(name) =
            SUB_RESOURCES.into_iter().find(|sub_resource| sub_resource.as_bytes() == &*name)
        {
            let parameter = || Error::QueryEncoding { parameter: name.to_owned() };
            signed.push((name, String::from_utf8(value.into_owned()).map_err(|_| parameter())?));
        }
    }

    signed.sort_by_key(|(name, _)| *name);
    for (number, (name, value)) in signed.into_iter().enumerate() {
        out.push(if number == 0 { '?' } else { '&' });
        out.push_str(name);
        if !value.is_empty() {
            out.push('=');
            out.push_str(&value);
        }
    }

    Ok(())
}

pub(super) fn steps(credentials: &Credentials, string_to_sign: String) -> Steps {
    let signature = signature(credentials, &string_to_sign);
    Steps { version: Version::V2, canonical_request: String::new(), string_to_sign, signature }
}

fn signature(credentials: &Credentials, string_to_sign: &str) -> String {
    STANDARD.encode(mac_sha1(credentials.secret_access_key().as_bytes(), string_to_sign.as_bytes()))
}

#[cfg(test)]
mod tests;
