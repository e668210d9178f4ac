//! A second verifier: compares the result of this project's verifier with that of s3s. Both must
//! agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use s3driver::sign::explain::Cause;
use s3driver::sign::verify::{Content, Form, Refusal, SignedBy, Verifier};
use s3driver::sign::{Credentials, Request};
use s3driver::time::Timestamp;
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::form::ReceivedForm;

/// The verifier for the single key of a server.
#[derive(Clone)]
pub struct Second {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

/// The result of this project's verifier, if it has one.
#[derive(Clone, Debug)]
pub struct Opinion {
    found: Option<Result<(), Refusal>>,
    passed: Arc<AtomicBool>,
}

impl Second {
    /// Verifies the head of a request as it arrived, or the form that is its body; s3s verifies the
    /// chunks of a body.
    pub fn opinion(&self, head: &Parts, form: Option<&[u8]>) -> Opinion {
        let found = match form {
            None => self.verify(head),
            Some(body) => self.verify_form(head, body),
        };
        Opinion { found, passed: Arc::default() }
    }

    fn credentials(&self, id: &str) -> Option<Credentials> {
        let credentials = || Credentials::new(id, &*self.secret_key);
        (id == self.access_key).then(|| match &self.session_token {
            Some(token) => credentials().with_session_token(&**token),
            None => credentials(),
        })
    }

    fn verify_form(&self, head: &Parts, body: &[u8]) -> Option<Result<(), Refusal>> {
        let form = ReceivedForm::parse(header(&head.headers, "content-type")?, body)?;
        // A form without a signature is anonymous.
        form.fields
            .iter()
            .find(|(name, _)| matches!(name.as_str(), "signature" | "x-amz-signature"))?;
        let fields: Vec<(&str, &str)> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let bucket = bucket_in(header(&head.headers, "host")?)
            .unwrap_or_else(|| head.uri.path().trim_matches('/'));
        let keys = |id: &str| self.credentials(id);
        let form = Form::new(bucket, &fields).file_size(form.file_size);
        let verifier = Verifier::new(&keys, Timestamp::from(SystemTime::now()));
        opinion(verifier.verify_form(&form))
    }

    fn verify(&self, head: &Parts) -> Option<Result<(), Refusal>> {
        let keys = |id: &str| self.credentials(id);
        let headers: Option<Vec<(&str, &str)>> = head
            .headers
            .iter()
            .map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)))
            .collect();
        let headers = headers?;
        let bucket = bucket_in(header(&head.headers, "host")?);
        let target = head.uri.path_and_query()?.as_str();
        // There is no opinion on requests that servers interpret differently.
        let request = Request::from_target(head.method.as_str(), target).ok()?.headers(&headers);
        let verifier = Verifier::new(&keys, Timestamp::from(SystemTime::now())).host_bucket(bucket);
        opinion(verifier.verify(&request, Content::NotRead))
    }
}

fn opinion(verified: Result<SignedBy, Refusal>) -> Option<Result<(), Refusal>> {
    match verified {
        Ok(_) => Some(Ok(())),
        // s3s checks clocks differently.
        Err(refusal) if matches!(refusal.cause(), Cause::Clock | Cause::Expired) => None,
        Err(refusal) => Some(Err(refusal)),
    }
}

/// Returns the bucket that a host names.
fn bucket_in(host: &str) -> Option<&str> {
    host.rsplit_once(':').map_or(host, |(name, _)| name).strip_suffix(".localhost")
}

/// Reports whether the body of a request is a form, which contains the signature.
pub fn is_form(head: &Parts) -> bool {
    header(&head.headers, "content-type")
        .is_some_and(|value| value.starts_with("multipart/form-data"))
}

impl Opinion {
    /// Checks a request that s3s accepted.
    ///
    /// # Errors
    /// `InternalError` if this project's verifier disagrees.
    pub fn agree(&self, signed: bool) -> S3Result<()> {
        self.passed.store(true, Ordering::Relaxed);
        match &self.found {
            Some(Err(refusal)) if signed || refusal.cause() != Cause::NotSigned => {
                Err(S3Error::with_message(
                    S3ErrorCode::InternalError,
                    format!("s3s accepts a signature that the second verifier rejects: {refusal}"),
                ))
            }
            Some(Ok(())) if !signed => Err(S3Error::with_message(
                S3ErrorCode::InternalError,
                "s3s found no signature, but the second verifier accepts one".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Reports whether s3s rejected a signature that this project's verifier accepts.
    pub fn disagrees(&self, status: StatusCode) -> bool {
        status == StatusCode::FORBIDDEN
            && matches!(self.found, Some(Ok(())))
            && !self.passed.load(Ordering::Relaxed)
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
