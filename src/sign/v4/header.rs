//! The `Authorization` header
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>).
use super::{ALGORITHM, Payload, SigningKey, is_s3, path_rule};
use crate::sign::canonical::{Headers, canonical_query, canonical_request};
use crate::sign::check::check_request;
use crate::sign::{Error, Request, Signed};
use crate::time::Timestamp;

/// "The CanonicalHeaders list must include the following: HTTP host header; if the Content-Type
/// header is present in the request, you must add it to the CanonicalHeaders list; any x-amz-*
/// headers that you plan to include in your request".
pub(in crate::sign) const REQUIRED: [&str; 2] = ["host", "content-type"];

impl SigningKey {
    /// Signs with the `Authorization` header, as [`sign`](super::sign) does.
    ///
    /// # Errors
    /// As for [`sign`](super::sign), and [`Error::SigningKeyDay`] when the key is for another day.
    pub fn sign(
        &self,
        request: &Request<'_>,
        payload: Payload<'_>,
        time: Timestamp,
    ) -> Result<Signed, Error> {
        check_request(request)?;
        let amz_date = self.amz_date(time)?;
        let payload_hash = payload.hash();
        let mut headers = Headers::collect(request, &REQUIRED, 3)?;
        headers.require("host")?;
        headers.add("x-amz-date", &amz_date)?;
        if is_s3(&self.service) {
            headers.add("x-amz-content-sha256", &payload_hash)?;
        }
        if let Some((name, token)) = self.credentials.token_header() {
            headers.add(name, token)?;
        }
        headers.sort()?;

        let query = canonical_query(request.query, &[]);
        let canonical = canonical_request(
            request,
            path_rule(request, &self.service),
            &query,
            &headers,
            &payload_hash,
        );
        let steps = self.steps(&amz_date, canonical);
        let authorization = [
            ALGORITHM,
            " Credential=",
            self.credentials.access_key_id(),
            "/",
            &self.scope,
            ", SignedHeaders=",
            steps.signed_headers(),
            ", Signature=",
            &steps.signature,
        ]
        .concat();
        Ok(Signed { headers: headers.to_send(authorization), steps })
    }
}
