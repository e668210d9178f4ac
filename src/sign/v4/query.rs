//! Signing of presigned URLs
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>).
use super::header::REQUIRED;
use super::{ALGORITHM, MAX_EXPIRY, MIN_EXPIRY, Payload, SigningKey, UNSIGNED, is_s3, path_rule};
use crate::sign::canonical::{Headers, canonical_query, canonical_request};
use crate::sign::check::check_request;
use crate::sign::{Error, Presigned, Request};
use crate::time::Timestamp;
use std::time::Duration;

impl SigningKey {
    /// Signs a URL, as [`presign`](super::presign) does.
    ///
    /// # Errors
    /// The errors of [`presign`](super::presign), and [`Error::SigningKeyDay`] if the key belongs
    /// to a different day.
    pub fn presign(
        &self,
        request: &Request<'_>,
        payload: Payload<'_>,
        time: Timestamp,
        expires: Duration,
    ) -> Result<Presigned, Error> {
        check_expiry(expires)?;
        check_request(request)?;
        let amz_date = self.amz_date(time)?;
        let payload_hash = payload.hash();
        let headers = presigned_headers(request, &amz_date, &self.service, &payload_hash)?;

        let credential = self.credential();
        let mut signed_headers = String::with_capacity(64);
        headers.push_names(&mut signed_headers);
        let seconds = expires.as_secs().to_string();
        let mut parameters = Vec::with_capacity(6);
        parameters.extend([
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &*credential),
            ("X-Amz-Date", &*amz_date),
            ("X-Amz-Expires", &*seconds),
        ]);
        parameters.extend(self.credentials.token_parameter());
        parameters.push(("X-Amz-SignedHeaders", &signed_headers));
        let mut query = canonical_query(request.query, &parameters);

        let canonical = canonical_request(
            request,
            path_rule(request, &self.service)?,
            &query,
            &headers,
            &payload_hash,
        );
        let steps = self.steps(&amz_date, canonical);
        query.push_str("&X-Amz-Signature=");
        query.push_str(&steps.signature);
        Ok(Presigned { steps, query })
    }
}

/// Returns the headers that a presigned URL covers. Time and session token are in the query. If a
/// header repeated them, they would be signed twice, but servers would read only one of them. S3
/// does not verify the body unless a header or the parameter `X-Amz-Content-Sha256` states its
/// hash.
pub(in crate::sign) fn presigned_headers<'a>(
    request: &Request<'a>,
    amz_date: &str,
    service: &str,
    payload_hash: &str,
) -> Result<Headers<'a>, Error> {
    let mut headers = Headers::collect(request, &REQUIRED, 0)?;
    headers.require("host")?;
    headers.has_equal("x-amz-date", amz_date)?;
    headers.refuse("x-amz-security-token")?;
    headers.refuse("x-amz-s3session-token")?;
    let in_header = headers.has_equal("x-amz-content-sha256", payload_hash)?;
    let in_query = query_states_hash(request, payload_hash)?;
    let states_hash = in_header || in_query;
    if is_s3(service) && payload_hash != UNSIGNED && !states_hash {
        return Err(Error::MissingHeader { name: "x-amz-content-sha256" });
    }

    headers.sort()?;
    Ok(headers)
}

/// Returns whether the query states the hash of the body.
fn query_states_hash(request: &Request<'_>, payload_hash: &str) -> Result<bool, Error> {
    const NAME: &str = "x-amz-content-sha256";
    let mut stated =
        request.query.decoded().filter(|(name, _)| name.eq_ignore_ascii_case(NAME.as_bytes()));
    match (stated.next(), stated.next()) {
        (None, _) => Ok(false),
        (Some((_, value)), None) if *value == *payload_hash.as_bytes() => Ok(true),
        _ => Err(Error::ConflictingHeader { name: NAME }),
    }
}

/// Checks `X-Amz-Expires`: "The minimum value you can set is 1, and the maximum is 604800 (seven
/// days)."
pub(in crate::sign) fn check_expiry(expires: Duration) -> Result<(), Error> {
    match expires.subsec_nanos() == 0 && (MIN_EXPIRY..=MAX_EXPIRY).contains(&expires) {
        true => Ok(()),
        false => Err(Error::ExpiryOutOfRange(expires)),
    }
}
