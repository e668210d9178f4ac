//! Verification of version 4 and SigV4A signatures in headers and queries.
use super::chunks::{ChunkVerifier, Decoded, decode};
use super::outcome::{Carrier, SignedBody, SignedBy};
use super::received::{Content, UniqueFields, Verifier, signed_headers};
use super::refusal::Refusal;
use crate::sign::canonical::{canonical_query_without, canonical_request};
use crate::sign::explain::Cause;
use crate::sign::hash::{equal, sha256};
use crate::sign::v4::{
    ALGORITHM, MAX_EXPIRY, MIN_EXPIRY, Scope, SigningKey, TERMINATOR, UNSIGNED, is_s3, path_rule,
};
use crate::sign::{Credentials, Request, Steps, Version};
use crate::time::Timestamp;
use std::borrow::Cow;

#[cfg(feature = "sigv4a")]
use crate::sign::v4a;

/// The parameters that a request states about its signature.
struct Claim<'a> {
    version: Version,
    access_key_id: &'a str,
    /// The region in version 4, and the region set in SigV4A.
    region: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    time: Timestamp,
    carrier: Carrier,
}

/// Verifies `Authorization: AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`.
pub(super) fn header(
    verifier: &Verifier<'_>,
    request: &Request<'_>,
    content: Content<'_>,
    authorization: &str,
) -> Result<SignedBy, Refusal> {
    let malformed = |place: &str| Refusal::at(Cause::Malformed, place);
    let (algorithm, rest) =
        authorization.split_once(' ').ok_or_else(|| malformed("authorization"))?;
    let parts = rest.split(',').map(|part| part.trim_ascii().split_once('=').unwrap_or((part, "")));
    let parts: Vec<_> = parts.collect();
    let parts = UniqueFields::of_fields(&parts);
    let headers = UniqueFields::of_headers(request);
    let time = match (headers.get("x-amz-date")?, headers.get("date")?) {
        (Some(text), _) => Timestamp::parse_amz_date(text),
        (None, Some(text)) => Timestamp::parse_http_date(text),
        (None, None) => return Err(Refusal::at(Cause::HeaderRemoved, "x-amz-date")),
    };

    let time = time.ok_or_else(|| malformed("x-amz-date"))?;
    verifier.check_skew(time, "x-amz-date")?;
    let region_set = headers.get("x-amz-region-set")?;
    let claim =
        Claim::read(algorithm, parts.require("Credential")?, region_set, Carrier::Header, time)?
            .with(parts.require("SignedHeaders")?, parts.require("Signature")?);
    let token = token(&headers, claim.service)?;
    refuse_tokens(&UniqueFields::of_query(request))?;
    let named_hash = headers.get("x-amz-content-sha256")?;
    let payload_hash = match named_hash {
        Some(hash) => Cow::Borrowed(hash),
        None if is_s3(claim.service) => {
            return Err(Refusal::at(Cause::HeaderRemoved, "x-amz-content-sha256"));
        }
        None => hash_of(content)?,
    };

    claim.verify(verifier, request, content, &payload_hash, token)
}

/// Verifies a presigned URL.
pub(super) fn query(
    verifier: &Verifier<'_>,
    request: &Request<'_>,
    content: Content<'_>,
) -> Result<SignedBy, Refusal> {
    let parameters = UniqueFields::of_query(request);
    let time = Timestamp::parse_amz_date(parameters.require("X-Amz-Date")?)
        .ok_or_else(|| Refusal::at(Cause::Malformed, "X-Amz-Date"))?;
    let expires = parameters.require("X-Amz-Expires")?;
    let expires = Some(expires)
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|t| t.parse().ok());
    let expires = expires
        .filter(|seconds| (MIN_EXPIRY.as_secs()..=MAX_EXPIRY.as_secs()).contains(seconds))
        .ok_or_else(|| Refusal::at(Cause::Malformed, "X-Amz-Expires"))?;
    // If the signer's clock is ahead, the URL is accepted before its start time, as a header would
    // be.
    if time.unix() > verifier.now.unix() {
        verifier.check_skew(time, "X-Amz-Date")?;
    }

    if verifier.now.unix() > time.unix().saturating_add_unsigned(expires) {
        return Err(Refusal::at(Cause::Expired, "X-Amz-Expires"));
    }

    let headers = UniqueFields::of_headers(request);
    let claim = Claim::read(
        parameters.require("X-Amz-Algorithm")?,
        parameters.require("X-Amz-Credential")?,
        parameters.get("X-Amz-Region-Set")?,
        Carrier::Query,
        time,
    )?
    .with(parameters.require("X-Amz-SignedHeaders")?, parameters.require("X-Amz-Signature")?);
    let token = token(&parameters, claim.service)?;
    refuse_tokens(&headers)?;
    // SDKs may send the hash as a parameter instead of a header; both would contradict each other.
    let named_hash =
        match (parameters.get("X-Amz-Content-Sha256")?, headers.get("x-amz-content-sha256")?) {
            (Some(hash), Some(other)) if hash != other => {
                return Err(Refusal::at(Cause::Malformed, "X-Amz-Content-Sha256"));
            }
            (hash, other) => hash.or(other),
        };
    let payload_hash = match named_hash {
        Some(hash) => Cow::Borrowed(hash),
        None if is_s3(claim.service) => Cow::Borrowed(UNSIGNED),
        None => hash_of(content)?,
    };

    claim.verify(verifier, request, content, &payload_hash, token)
}

/// Returns the session token in the headers, parameters or form fields of a request. S3 Express
/// issues its own tokens, and its operation CreateSession accepts those of STS as well. Returns a
/// refusal if there is a token that the service does not expect.
pub(super) fn token<'a>(
    fields: &'a UniqueFields<'_>,
    service: &str,
) -> Result<Option<&'a str>, Refusal> {
    match (fields.get("x-amz-security-token")?, fields.get("x-amz-s3session-token")?) {
        (token, None) => Ok(token),
        (None, token) if service == "s3express" => Ok(token),
        (_, Some(_)) => Err(Refusal::at(Cause::TokenChanged, "x-amz-s3session-token")),
    }
}

/// Returns a refusal if `fields` contain a session token. Only the headers or the query, whichever
/// carries the signature, may contain one.
fn refuse_tokens(fields: &UniqueFields<'_>) -> Result<(), Refusal> {
    for name in ["x-amz-security-token", "x-amz-s3session-token"] {
        if fields.get(name)?.is_some() {
            return Err(Refusal::at(Cause::TokenChanged, name));
        }
    }

    Ok(())
}

/// Returns the hash of the received body, which is signed for services other than S3.
fn hash_of(content: Content<'_>) -> Result<Cow<'static, str>, Refusal> {
    match content {
        Content::Bytes(bytes) => Ok(hex::encode(sha256(bytes)).into()),
        Content::Hash(hash) => Ok(hex::encode(hash).into()),
        Content::NotRead => Err(Refusal::at(Cause::PayloadChanged, "the body was not read")),
    }
}

impl<'a> Claim<'a> {
    fn read(
        algorithm: &'a str,
        credential: &'a str,
        region_set: Option<&'a str>,
        carrier: Carrier,
        time: Timestamp,
    ) -> Result<Self, Refusal> {
        let place = if carrier == Carrier::Query { "X-Amz-Credential" } else { "Credential" };
        let malformed = || Refusal::at(Cause::Malformed, place);
        let version = match algorithm {
            ALGORITHM => Version::V4,
            #[cfg(feature = "sigv4a")]
            v4a::ALGORITHM => Version::V4a,
            _ => return Err(Refusal::at(Cause::WrongCredential, algorithm)),
        };

        let region_set = match version {
            Version::V4a => Some(
                region_set.ok_or_else(|| Refusal::at(Cause::HeaderRemoved, "x-amz-region-set"))?,
            ),
            _ => None,
        };

        // The credential is parsed from its end because an access key may contain slashes. The
        // scope of SigV4A does not contain a region.
        let mut parts = credential.rsplitn(if region_set.is_some() { 4 } else { 5 }, '/');
        if parts.next() != Some(TERMINATOR) {
            return Err(malformed());
        }

        let service = parts.next().ok_or_else(malformed)?;
        let region = match region_set {
            Some(set) => set,
            None => parts.next().ok_or_else(malformed)?,
        };

        let (day, access_key_id) =
            (parts.next().ok_or_else(malformed)?, parts.next().ok_or_else(malformed)?);
        if day != time.date() {
            return Err(Refusal::at(Cause::Clock, place));
        }

        Ok(Self {
            version,
            access_key_id,
            region,
            service,
            signed_headers: "",
            signature: "",
            time,
            carrier,
        })
    }

    const fn with(self, signed_headers: &'a str, signature: &'a str) -> Self {
        Self { signed_headers, signature, ..self }
    }

    fn verify(
        &self,
        verifier: &Verifier<'_>,
        request: &Request<'_>,
        content: Content<'_>,
        payload_hash: &str,
        token: Option<&str>,
    ) -> Result<SignedBy, Refusal> {
        let place = |parameter: &str, part: &str| {
            if self.carrier == Carrier::Query { parameter } else { part }.to_owned()
        };

        verifier.check_scope(self.service, |region| self.covers_region(region), self.region)?;
        self.check_signed_headers(request)?;
        let credentials = verifier.credentials(self.access_key_id, token)?;
        let headers = signed_headers(request, |name| {
            self.signed_headers.split(';').any(|signed| signed == name)
        })?;
        let query = canonical_query_without(request.query, "X-Amz-Signature");
        let canonical = canonical_request(
            request,
            path_rule(request, self.service)?,
            &query,
            &headers,
            payload_hash,
        );
        let checked =
            self.check_signature(&credentials, canonical, &place("X-Amz-Signature", "Signature"))?;
        let (body, decoded) = self.check_body(request, content, payload_hash, &checked)?;
        Ok(SignedBy {
            version: checked.steps.version,
            carrier: self.carrier,
            access_key_id: self.access_key_id.to_owned(),
            region: self.region.to_owned(),
            service: self.service.to_owned(),
            steps: checked.steps,
            body,
            decoded,
        })
    }

    fn covers_region(&self, region: &str) -> bool {
        match self.version {
            #[cfg(feature = "sigv4a")]
            Version::V4a => v4a::set_covers(self.region, region),
            _ => self.region == region,
        }
    }

    /// Checks that the list of signed headers is sorted and does not contain duplicates, that it
    /// contains `host` and every `x-amz-*` header of the request, and that all of its headers
    /// arrived.
    fn check_signed_headers(&self, request: &Request<'_>) -> Result<(), Refusal> {
        let names: Vec<&str> = self.signed_headers.split(';').collect();
        if !names.is_sorted_by(|a, b| a < b)
            || names.iter().any(|name| name.bytes().any(|b| b.is_ascii_uppercase()))
        {
            return Err(Refusal::at(Cause::Malformed, "SignedHeaders"));
        }

        if !names.contains(&"host") {
            return Err(Refusal::at(Cause::HeaderAdded, "host"));
        }

        for (name, _) in request.all_headers() {
            let name = name.to_ascii_lowercase();
            // The hash of the body is the last line of the canonical request, so it is signed even
            // if the header is not listed.
            if name.starts_with("x-amz-")
                && name != "x-amz-content-sha256"
                && !names.contains(&&*name)
            {
                return Err(Refusal::at(Cause::HeaderAdded, name));
            }
        }

        match names
            .iter()
            .find(|name| !request.all_headers().any(|(given, _)| given.eq_ignore_ascii_case(name)))
        {
            Some(missing) => Err(Refusal::at(Cause::HeaderRemoved, *missing)),
            None => Ok(()),
        }
    }

    fn check_signature(
        &self,
        credentials: &Credentials,
        canonical: String,
        place: &str,
    ) -> Result<Checked, Refusal> {
        let amz_date = self.time.amz_date();
        #[cfg(feature = "sigv4a")]
        if self.version == Version::V4a {
            let key = v4a::KeyPair::derive(credentials)?;
            let steps = v4a::steps_to_verify(&amz_date, &self.time.date(), self.service, canonical);
            let signature =
                hex::decode(self.signature).map_err(|_| Refusal::at(Cause::Malformed, place))?;
            return match key.verifies(&steps.string_to_sign, &signature) {
                true => Ok(Checked {
                    steps: Steps { signature: self.signature.to_owned(), ..steps },
                    key: None,
                }),
                false => Err(Refusal::differs(steps)),
            };
        }

        if self.signature.len() != 64
            || !self.signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(Refusal::at(Cause::Malformed, place));
        }

        let scope = Scope { region: self.region, service: self.service };
        let key = SigningKey::derive(credentials, self.time, scope)?;
        let steps = key.steps(&amz_date, canonical);
        match equal(steps.signature.as_bytes(), self.signature.as_bytes()) {
            true => Ok(Checked { steps, key: Some(key) }),
            false => Err(Refusal::differs(steps)),
        }
    }

    /// Checks the body against the signature.
    fn check_body(
        &self,
        request: &Request<'_>,
        content: Content<'_>,
        payload_hash: &str,
        checked: &Checked,
    ) -> Result<(SignedBody, Option<Decoded>), Refusal> {
        let changed = || Refusal::at(Cause::PayloadChanged, "x-amz-content-sha256");
        let chunks = || -> Result<ChunkVerifier, Refusal> {
            let key = checked.key.as_ref().ok_or_else(changed)?;
            Ok(ChunkVerifier::new(key, self.time, self.signature)?)
        };

        let announced = UniqueFields::of_headers(request);
        let trailers = announced.get("x-amz-trailer")?.unwrap_or("").to_owned();
        let length = announced.get("x-amz-decoded-content-length")?;
        let (body, verifier) = match payload_hash {
            UNSIGNED => return Ok((SignedBody::Unsigned, None)),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" | "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => {
                let verifier = chunks()?;
                (SignedBody::Chunks(Box::new(verifier.clone())), Some(verifier))
            }
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => (SignedBody::UnsignedChunks, None),
            hash => {
                let mut named = [0; 32];
                hex::decode_to_slice(hash, &mut named).map_err(|_| changed())?;
                let same = match content {
                    Content::Bytes(bytes) => sha256(bytes) == named,
                    Content::Hash(hash) => *hash == named,
                    Content::NotRead => true,
                };

                return if same { Ok((SignedBody::Hash(named), None)) } else { Err(changed()) };
            }
        };

        const LENGTH: &str = "x-amz-decoded-content-length";
        match length {
            None => return Err(Refusal::at(Cause::HeaderRemoved, LENGTH)),
            Some(text) if text.parse::<u64>().is_err() => {
                return Err(Refusal::at(Cause::Malformed, LENGTH));
            }
            Some(_) => {}
        }

        let has_trailers = payload_hash.ends_with("-TRAILER");
        match content {
            Content::Bytes(bytes) => {
                let decoded =
                    decode(bytes, verifier, if has_trailers { &trailers } else { "" }, length)?;
                Ok((body, Some(decoded)))
            }
            Content::NotRead => Ok((body, None)),
            // A hash of the framed body does not verify its chunks.
            Content::Hash(_) => Err(changed()),
        }
    }
}

/// The steps of a valid signature, and the key that made it.
struct Checked {
    steps: Steps,
    key: Option<SigningKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The service decides which token counts, and a token that it does not expect is refused.
    #[test]
    fn only_s3_express_has_tokens_of_its_own() {
        let sts = ("x-amz-security-token", "sts");
        let express = ("X-Amz-S3session-Token", "express");
        let read = |service: &str, given: &[(&str, &str)]| {
            let fields = UniqueFields::of_fields(given);
            token(&fields, service).map(|token| token.map(str::to_owned)).map_err(|r| r.cause())
        };

        let some = |text: &str| Ok(Some(text.to_owned()));
        for service in ["s3", "s3express", "sts"] {
            assert_eq!(read(service, &[]), Ok(None));
            assert_eq!(read(service, &[sts]), some("sts"));
            assert_eq!(read(service, &[sts, express]), Err(Cause::TokenChanged));
        }

        assert_eq!(read("s3express", &[express]), some("express"));
        assert_eq!(read("s3", &[express]), Err(Cause::TokenChanged));
    }
}
