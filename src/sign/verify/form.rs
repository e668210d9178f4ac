//! Verification of forms for browser uploads, in both signature versions.
use super::outcome::{Carrier, SignedBody, SignedBy};
use super::policy::Policy;
use super::received::{Form, UniqueFields, Verifier};
use super::refusal::Refusal;
use super::v4::token;
use crate::sign::check::check_policy;
use crate::sign::explain::Cause;
use crate::sign::hash::equal;
use crate::sign::v4::{ALGORITHM, Scope, SigningKey, TERMINATOR};
use crate::sign::{PostForm, Steps, Version, v2};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The fields that do not need a condition in the policy. In version 4, AWS's page exempts
/// "x-amz-signature, file, policy", in version 2 "AWSAccessKeyId, signature, file, policy", and in
/// both versions fields whose names begin with `x-ignore-`.
const EXEMPT_V4: [&str; 3] = ["x-amz-signature", "file", "policy"];
const EXEMPT_V2: [&str; 4] = ["AWSAccessKeyId", "signature", "file", "policy"];

pub(super) fn verify(verifier: &Verifier<'_>, form: &Form<'_>) -> Result<SignedBy, Refusal> {
    let fields = UniqueFields::of_fields(form.fields);
    let encoded = fields.require("policy")?;
    check_policy(encoded)?;
    let document = STANDARD.decode(encoded).map_err(|_| Refusal::at(Cause::Malformed, "policy"))?;

    let verified = match fields.get("x-amz-algorithm")? {
        Some(_) => verify_v4(verifier, &fields, encoded)?,
        None => verify_v2(verifier, &fields, encoded)?,
    };

    let exempt: &[&str] = match verified.version {
        Version::V2 => &EXEMPT_V2,
        _ => &EXEMPT_V4,
    };

    let file_size = Policy::read(&document)?.check(form, verifier.now, exempt)?;
    Ok(SignedBy { body: SignedBody::Policy { document, file_size }, ..verified })
}

fn verify_v4(
    verifier: &Verifier<'_>,
    fields: &UniqueFields<'_>,
    policy: &str,
) -> Result<SignedBy, Refusal> {
    if fields.get("AWSAccessKeyId")?.is_some() {
        return Err(Refusal::at(Cause::SignedTwice, "AWSAccessKeyId"));
    }

    let (id, scope, time) = claim(verifier, fields)?;
    let credentials = verifier.credentials(id, token(fields, scope.service)?)?;
    let form = SigningKey::derive(&credentials, time, scope)?.sign_post_policy(policy, time)?;
    compare(Version::V4, id, scope, &form, fields.require("x-amz-signature")?)
}

fn verify_v2(
    verifier: &Verifier<'_>,
    fields: &UniqueFields<'_>,
    policy: &str,
) -> Result<SignedBy, Refusal> {
    let id = fields.require("AWSAccessKeyId")?;
    let scope = Scope { region: "", service: "" };
    let credentials = verifier.credentials(id, token(fields, scope.service)?)?;
    let form = v2::sign_post_policy(policy, &credentials)?;
    compare(Version::V2, id, scope, &form, fields.require("signature")?)
}

/// Compares the signature that the form contains with the one that was computed for it.
fn compare(
    version: Version,
    access_key_id: &str,
    scope: Scope<'_>,
    form: &PostForm,
    received: &str,
) -> Result<SignedBy, Refusal> {
    let steps = steps(version, form);
    if !equal(form.signature.as_bytes(), received.as_bytes()) {
        return Err(Refusal::differs(steps).with_place("policy"));
    }

    Ok(SignedBy {
        version,
        carrier: Carrier::Form,
        access_key_id: access_key_id.to_owned(),
        region: scope.region.to_owned(),
        service: scope.service.to_owned(),
        steps,
        body: SignedBody::Unsigned,
        decoded: None,
    })
}

/// Returns the steps of a form, whose string to sign is the policy.
fn steps(version: Version, form: &PostForm) -> Steps {
    Steps {
        version,
        canonical_request: String::new(),
        string_to_sign: form.string_to_sign.clone(),
        signature: form.signature.clone(),
    }
}

/// Returns the access key, the scope and the time that a version 4 form states.
fn claim<'a>(
    verifier: &Verifier<'_>,
    fields: &'a UniqueFields<'_>,
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

    verifier.check_scope(service, |own| own == region, region)?;
    Ok((id, Scope { region, service }, time))
}
