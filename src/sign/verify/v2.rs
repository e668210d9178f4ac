//! Verification of version 2 signatures in headers and queries.
use super::outcome::{Carrier, SignedBody, SignedBy};
use super::received::{UniqueFields, Verifier, read_date, signed_headers};
use super::refusal::Refusal;
use crate::sign::explain::Cause;
use crate::sign::hash::equal;
use crate::sign::v2::{steps, string_to_sign};
use crate::sign::{Request, Version};

/// Verifies `Authorization: AWS AccessKeyId:Signature`.
pub(super) fn header(
    verifier: &Verifier<'_>,
    request: &Request<'_>,
    authorization: &str,
) -> Result<SignedBy, Refusal> {
    let (id, signature) = authorization
        .strip_prefix("AWS ")
        .and_then(|rest| rest.trim_ascii().split_once(':'))
        .ok_or_else(|| Refusal::at(Cause::Malformed, "authorization"))?;
    let headers = UniqueFields::of_headers(request);
    let (place, date) = match (headers.get("x-amz-date")?, headers.get("date")?) {
        (Some(date), _) => ("x-amz-date", date),
        (None, Some(date)) => ("date", date),
        (None, None) => return Err(Refusal::at(Cause::HeaderRemoved, "date")),
    };

    let time = read_date(date).ok_or_else(|| Refusal::at(Cause::Malformed, place))?;
    verifier.check_skew(time, place)?;
    let date = if place == "date" { date } else { "" };
    verify(
        verifier,
        request,
        Carrier::Header,
        id,
        signature,
        date,
        headers.get("x-amz-security-token")?,
    )
}

/// Verifies a presigned URL.
pub(super) fn query(verifier: &Verifier<'_>, request: &Request<'_>) -> Result<SignedBy, Refusal> {
    let parameters = UniqueFields::of_query(request);
    let expires = parameters.require("Expires")?;
    let end: i64 = Some(expires)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Refusal::at(Cause::Malformed, "Expires"))?;
    if verifier.now.unix() > end {
        return Err(Refusal::at(Cause::Expired, "Expires"));
    }

    let (id, signature) = (parameters.require("AWSAccessKeyId")?, parameters.require("Signature")?);
    let in_header = UniqueFields::of_headers(request);
    let token =
        match (parameters.get("x-amz-security-token")?, in_header.get("x-amz-security-token")?) {
            (Some(_), Some(_)) => return Err(Refusal::new(Cause::TokenChanged)),
            (token, other) => token.or(other),
        };
    verify(verifier, request, Carrier::Query, id, signature, expires, token)
}

fn verify(
    verifier: &Verifier<'_>,
    request: &Request<'_>,
    carrier: Carrier,
    access_key_id: &str,
    signature: &str,
    date: &str,
    token: Option<&str>,
) -> Result<SignedBy, Refusal> {
    let credentials = verifier.credentials(access_key_id, token)?;
    let positional = ["content-md5", "content-type", "date"];
    let mut headers =
        signed_headers(request, |name| name.starts_with("x-amz-") || positional.contains(&name))?;
    if let (Carrier::Query, Some((name, token))) = (carrier, credentials.token_header()) {
        headers.add(name, token)?;
        headers.sort()?;
    }

    let steps = steps(&credentials, string_to_sign(request, verifier.host_bucket, date, &headers)?);
    if !equal(steps.signature.as_bytes(), signature.as_bytes()) {
        return Err(Refusal::differs(steps));
    }

    Ok(SignedBy {
        version: Version::V2,
        carrier,
        access_key_id: access_key_id.to_owned(),
        region: String::new(),
        service: String::new(),
        steps,
        body: SignedBody::Unsigned,
        decoded: None,
    })
}
