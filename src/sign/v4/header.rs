//! Signing with the `Authorization` header
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>).
use super::{ALGORITHM, Payload, SigningKey, is_s3, path_rule};
use crate::sign::canonical::{Headers, canonical_query, canonical_request, push_canonical_request};
use crate::sign::check::check_request;
use crate::sign::hash::{Hex, sha256};
use crate::sign::redact::Pairs;
use crate::sign::{Error, Request, Signed};
use crate::time::Timestamp;
use std::fmt;

/// "The CanonicalHeaders list must include the following: HTTP host header; if the Content-Type
/// header is present in the request, you must add it to the CanonicalHeaders list; any x-amz-*
/// headers that you plan to include in your request".
pub(in crate::sign) const REQUIRED: [&str; 2] = ["host", "content-type"];

/// The signer adds at most `x-amz-date`, `x-amz-content-sha256` and the session token.
const MAX_ADDED: usize = 3;

/// The initial capacity in bytes, which suffices for most requests without a session token.
const TEXT_CAPACITY: usize = 512;

/// The headers that sign a request, without the steps that lead to the signature.
/// [`SigningKey::authorize`] returns them. `Debug` redacts secrets.
#[derive(Clone)]
pub struct Authorization {
    /// The values of all headers, starting with that of `authorization`.
    text: String,
    /// The length of the value of `authorization`.
    authorization: usize,
    /// The names of the other headers, each with the offset in `text` at which its value ends.
    added: [Option<(&'static str, usize)>; MAX_ADDED],
}

impl Authorization {
    fn new<'a>(mut text: String, added: impl Iterator<Item = (&'static str, &'a str)>) -> Self {
        let authorization = text.len();
        let mut ends = [None; MAX_ADDED];
        for (end, (name, value)) in ends.iter_mut().zip(added) {
            text.push_str(value);
            *end = Some((name, text.len()));
        }

        Self { text, authorization, added: ends }
    }

    /// Returns the headers to send in addition to the request's own.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let first = [Some(("authorization", self.authorization))];
        let mut start = 0;
        first.into_iter().chain(self.added).flatten().map(move |(name, end)| {
            let value = self.text.get(start..end).unwrap_or_default();
            start = end;
            (name, value)
        })
    }

    /// Returns the signature, in hex.
    pub fn signature(&self) -> &str {
        let value = self.text.get(..self.authorization).unwrap_or_default();
        value.rsplit('=').next().unwrap_or_default()
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Pairs(&self.headers().collect::<Vec<_>>()).fmt(f)
    }
}

impl SigningKey {
    /// Signs with the `Authorization` header, as [`sign`](super::sign) does.
    ///
    /// # Errors
    /// The errors of [`sign`](super::sign), and [`Error::SigningKeyDay`] if the key belongs to a
    /// different day.
    pub fn sign(
        &self,
        request: &Request<'_>,
        payload: Payload<'_>,
        time: Timestamp,
    ) -> Result<Signed, Error> {
        let (amz_date, payload_hash) = (self.amz_date(time)?, payload.hash());
        let headers = self.headers(request, &amz_date, &payload_hash)?;
        let query = canonical_query(request.query, &[]);
        let canonical = canonical_request(
            request,
            path_rule(request, &self.service)?,
            &query,
            &headers,
            &payload_hash,
        );
        let steps = self.steps(&amz_date, canonical);
        let mut authorization = String::with_capacity(TEXT_CAPACITY);
        self.push_authorization(&mut authorization, &headers, &steps.signature);
        Ok(Signed { headers: headers.to_send(authorization), steps })
    }

    /// Signs like [`SigningKey::sign`], but does not keep the steps that lead to the signature,
    /// which saves most of the memory that signing takes. To explain a refusal later, call `sign`
    /// with the same arguments to compute them again.
    ///
    /// # Errors
    /// The errors of [`SigningKey::sign`].
    pub fn authorize(
        &self,
        request: &Request<'_>,
        payload: Payload<'_>,
        time: Timestamp,
    ) -> Result<Authorization, Error> {
        let (amz_date, payload_hash) = (self.amz_date(time)?, payload.hash());
        let headers = self.headers(request, &amz_date, &payload_hash)?;
        let query = canonical_query(request.query, &[]);
        let rule = path_rule(request, &self.service)?;
        // The three texts share one buffer because each of them is only needed to compute the next
        // one.
        let mut text = String::with_capacity(TEXT_CAPACITY);
        push_canonical_request(&mut text, request, rule, &query, &headers, &payload_hash);
        let hash = Hex::of(&sha256(text.as_bytes()));
        text.clear();
        self.push_string_to_sign(&mut text, &amz_date, &hash);
        let signature = self.mac(&text);
        text.clear();
        self.push_authorization(&mut text, &headers, signature.as_str());
        Ok(Authorization::new(text, headers.added()))
    }

    /// Checks the request, and collects the headers to sign, including those that the signer adds.
    fn headers<'a>(
        &'a self,
        request: &Request<'a>,
        amz_date: &'a str,
        payload_hash: &'a str,
    ) -> Result<Headers<'a>, Error> {
        check_request(request)?;
        let mut headers = Headers::collect(request, &REQUIRED, MAX_ADDED)?;
        headers.require("host")?;
        headers.add("x-amz-date", amz_date)?;
        if is_s3(&self.service) {
            headers.add("x-amz-content-sha256", payload_hash)?;
        }

        if let Some((name, token)) = self.credentials.token_header() {
            headers.add(name, token)?;
        }

        headers.sort()?;
        Ok(headers)
    }

    /// Appends the value of the `Authorization` header, which is task 4.
    fn push_authorization(&self, out: &mut String, headers: &Headers<'_>, signature: &str) {
        let parts = [ALGORITHM, " Credential=", self.credentials.access_key_id(), "/", &self.scope];
        parts.iter().for_each(|part| out.push_str(part));
        out.push_str(", SignedHeaders=");
        headers.push_names(out);
        out.push_str(", Signature=");
        out.push_str(signature);
    }
}
