//! Forms of browser uploads, of both versions.
use super::outcome::{Carrier, SignedBody, SignedBy};
use super::received::{Once, Verifier};
use super::refusal::Refusal;
use crate::sign::check::check_policy;
use crate::sign::explain::Cause;
use crate::sign::hash::equal;
use crate::sign::v4::{ALGORITHM, Scope, SigningKey, TERMINATOR};
use crate::sign::{PostForm, Steps, Version, v2};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) fn verify(
    verifier: &Verifier<'_>,
    fields: &[(&str, &str)],
) -> Result<SignedBy, Refusal> {
    let fields = Once::of_fields(fields);
    let policy = fields.require("policy")?;
    check_policy(policy)?;
    let document = STANDARD.decode(policy).map_err(|_| Refusal::at(Cause::Malformed, "policy"))?;
    let is_v4 = fields.get("x-amz-algorithm")?.is_some();
    let token = match fields.get("x-amz-security-token")? {
        Some(token) => Some(token),
        None => fields.get("x-amz-s3session-token")?,
    };
    let (version, access_key_id, region, service, form) = match is_v4 {
        true => {
            if fields.get("AWSAccessKeyId")?.is_some() {
                return Err(Refusal::at(Cause::SignedTwice, "AWSAccessKeyId"));
            }
            let (id, scope, time) = claim(verifier, &fields)?;
            let credentials = verifier.credentials(id, token)?;
            let form =
                SigningKey::derive(&credentials, time, scope)?.sign_post_policy(policy, time)?;
            (Version::V4, id, scope.region, scope.service, form)
        }
        false => {
            let id = fields.require("AWSAccessKeyId")?;
            let form = v2::sign_post_policy(policy, &verifier.credentials(id, token)?)?;
            (Version::V2, id, "", "", form)
        }
    };
    let given = fields.require(if is_v4 { "x-amz-signature" } else { "signature" })?;
    let steps = steps(version, &form);
    if !equal(form.signature.as_bytes(), given.as_bytes()) {
        return Err(Refusal::differs(steps).with_place("policy"));
    }
    Ok(SignedBy {
        version,
        carrier: Carrier::Form,
        access_key_id: access_key_id.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        steps,
        body: SignedBody::Policy(document),
        decoded: None,
    })
}

/// The string to sign is the policy.
fn steps(version: Version, form: &PostForm) -> Steps {
    Steps {
        version,
        canonical_request: String::new(),
        string_to_sign: form.string_to_sign.clone(),
        signature: form.signature.clone(),
    }
}

/// The access key, the scope and the time that a form of version 4 names.
fn claim<'a>(
    verifier: &Verifier<'_>,
    fields: &'a Once<'_>,
) -> Result<(&'a str, Scope<'a>, Timestamp), Refusal> {
    let malformed = |place: &str| Refusal::at(Cause::Malformed, place);
    let algorithm = fields.require("x-amz-algorithm")?;
    if algorithm != ALGORITHM {
        return Err(Refusal::at(Cause::WrongCredential, algorithm));
    }
    let credential: Vec<&str> = fields.require("x-amz-credential")?.rsplitn(5, '/').collect();
    let [TERMINATOR, service, region, day, id] = credential[..] else {
        return Err(malformed("x-amz-credential"));
    };
    let time = Timestamp::parse_amz_date(fields.require("x-amz-date")?)
        .ok_or_else(|| malformed("x-amz-date"))?;
    if day != time.date() {
        return Err(Refusal::at(Cause::Clock, "x-amz-date"));
    }
    if service != verifier.service {
        return Err(Refusal::at(Cause::WrongService, service));
    }
    match verifier.region {
        Some(expected) if expected != region => Err(Refusal::at(Cause::WrongRegion, region)),
        _ => Ok((id, Scope { region, service }, time)),
    }
}
