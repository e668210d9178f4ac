//! Verification of received requests: finds out who signed a request.
//!
//! A [`Verifier`] takes a request as it arrived, looks up the secret key for the access key that
//! the request names, and computes the signature by the same rules as the signers. It returns who
//! signed the request and how, or a [`Refusal`] with a [`Cause`]. Signatures and session tokens are
//! compared in constant time.
//!
//! ```
//! use s3driver::sign::verify::{Content, Verifier};
//! use s3driver::sign::{Credentials, Request};
//! use s3driver::time::Timestamp;
//!
//! let keys = |id: &str| {
//!     (id == "AKIAIOSFODNN7EXAMPLE").then(|| Credentials::new(id, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
//! };
//! let headers = [
//!     ("Host", "examplebucket.s3.amazonaws.com"),
//!     ("Range", "bytes=0-9"),
//!     ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
//!     ("x-amz-date", "20130524T000000Z"),
//!     ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
//!         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
//!         Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
//! ];
//! let request = Request::from_target("GET", "/test.txt")?.headers(&headers);
//! let verified = Verifier::new(&keys, Timestamp::from_unix(1_369_353_660)).verify(&request, Content::Bytes(b""))?;
//! assert_eq!(verified.access_key_id, "AKIAIOSFODNN7EXAMPLE");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use super::Request;
use super::explain::Cause;
use crate::time::Timestamp;
use received::{UniqueFields, read_date};

mod chunks;
mod form;
mod outcome;
mod policy;
mod received;
mod refusal;
mod v2;
mod v4;
pub use chunks::{ChunkVerifier, Decoded};
pub use outcome::{Carrier, SignedBody, SignedBy};
pub use received::{Content, Form, MAX_SKEW, Verifier};
pub use refusal::Refusal;

impl Verifier<'_> {
    /// Verifies a request with an `Authorization` header or a presigned URL.
    ///
    /// All spellings of a path have the same signature, so `/bucket%2Fkey` verifies if
    /// `/bucket/key` was signed. Route a request by its decoded path, as AWS does.
    ///
    /// # Errors
    /// A [`Refusal`] with the cause.
    pub fn verify(&self, request: &Request<'_>, content: Content<'_>) -> Result<SignedBy, Refusal> {
        let authorizations =
            request.all_headers().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let mut authorizations = authorizations.map(|(_, value)| value.trim_ascii());
        let has = |wanted: &str| {
            request.query.decoded().any(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
        };

        let (is_version_4, is_version_2) = (
            has("X-Amz-Algorithm") || has("X-Amz-Signature"),
            has("AWSAccessKeyId") || has("Signature"),
        );
        let header = authorizations.next();
        if usize::from(is_version_4)
            + usize::from(is_version_2)
            + usize::from(header.is_some())
            + authorizations.count()
            > 1
        {
            return Err(Refusal::at(Cause::SignedTwice, "authorization"));
        }

        match header.map(|text| (text, text.split_once(' ').map_or("", |(scheme, _)| scheme))) {
            Some((text, "AWS")) => v2::header(self, request, text),
            Some((text, _)) => v4::header(self, request, content, text),
            None if is_version_4 => v4::query(self, request, content),
            None if is_version_2 => v2::query(self, request),
            None => Err(Refusal::new(Cause::NotSigned)),
        }
    }

    /// Returns the time that a signed request states. For a presigned URL, this is a time at which
    /// it is valid.
    pub(super) fn claimed_time(request: &Request<'_>) -> Option<Timestamp> {
        let parameters = UniqueFields::of_query(request);
        let headers = UniqueFields::of_headers(request);
        let of = |names: &UniqueFields<'_>, name: &str| {
            names.get(name).ok().flatten().map(str::to_owned)
        };

        let expires = || of(&parameters, "Expires").and_then(|seconds| seconds.parse().ok());
        let in_query = of(&parameters, "X-Amz-Date").and_then(|text| read_date(&text));
        in_query.or_else(|| expires().map(Timestamp::from_unix)).or_else(|| {
            let date = of(&headers, "x-amz-date").or_else(|| of(&headers, "date"))?;
            read_date(&date)
        })
    }

    /// Returns the service that a version 4 request states.
    pub(super) fn claimed_service(request: &Request<'_>) -> Option<String> {
        let parameters = UniqueFields::of_query(request);
        let headers = UniqueFields::of_headers(request);
        let credential = match headers.get("authorization").ok()? {
            Some(text) => text.split_once("Credential=")?.1.split(',').next()?.to_owned(),
            None => parameters.get("X-Amz-Credential").ok()??.to_owned(),
        };

        credential.rsplit('/').nth(1).map(str::to_owned)
    }

    /// Verifies a browser's form (POST Object): that its policy is correctly signed, and that the
    /// policy allows the form.
    ///
    /// The policy must not have expired, every condition must hold for its field, every field must
    /// have a condition (except for those that AWS's page exempts), and the size of the file must
    /// be allowed. A condition for a field that is missing from the form is not met. Field names
    /// are compared case-insensitively, and values byte by byte.
    ///
    /// # Errors
    /// A [`Refusal`] whose [place](Refusal::place) is the field, `expiration`, or, if the size is
    /// not allowed, `file`.
    ///
    /// ```
    /// use s3driver::sign::explain::Cause;
    /// use s3driver::sign::verify::{Form, Verifier};
    /// use s3driver::sign::{Credentials, PostPolicy, v4};
    /// use s3driver::time::Timestamp;
    /// use std::time::Duration;
    ///
    /// let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    /// let now = Timestamp::from_unix(1_451_476_800);
    /// let policy = PostPolicy::new(now.plus(Duration::from_secs(3600)))
    ///     .equals("bucket", "uploads")
    ///     .starts_with("key", "user/");
    /// let scope = v4::Scope { region: "us-east-1", service: "s3" };
    /// let signed = v4::post_policy(&policy, &credentials, scope, now)?;
    ///
    /// let keys = |id: &str| (id == "AKIAIOSFODNN7EXAMPLE").then(|| credentials.clone());
    /// let verify = |key| {
    ///     let signed = signed.fields.iter().map(|(name, value)| (*name, value.as_str()));
    ///     let fields: Vec<_> = signed.chain([("key", key)]).collect();
    ///     Verifier::new(&keys, now).verify_form(&Form::new("uploads", &fields).file_size(42))
    /// };
    /// assert!(verify("user/picture.png").is_ok());
    /// let refusal = verify("picture.png").unwrap_err();
    /// assert_eq!((refusal.cause(), refusal.place()), (Cause::PolicyCondition, Some("key")));
    /// # Ok::<(), s3driver::sign::Error>(())
    /// ```
    pub fn verify_form(&self, form: &Form<'_>) -> Result<SignedBy, Refusal> {
        form::verify(self, form)
    }
}
