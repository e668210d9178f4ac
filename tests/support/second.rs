//! A second verifier: compares the result of this project's verifier with that of s3s. Both must
//! agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use s3driver::sign::explain::Cause;
use s3driver::sign::verify::{Content, Refusal, Verifier};
use s3driver::sign::{Credentials, Request};
use s3driver::time::Timestamp;
use s3s::{S3Error, S3ErrorCode, S3Result};

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
    /// Verifies the head of a request as it arrived; s3s verifies the chunks of its body.
    pub fn opinion(&self, head: &Parts) -> Opinion {
        Opinion { found: self.verify(head), passed: Arc::default() }
    }

    fn verify(&self, head: &Parts) -> Option<Result<(), Refusal>> {
        // The signature of a form is in its body.
        if header(&head.headers, "content-type")
            .is_some_and(|value| value.starts_with("multipart/form-data"))
        {
            return None;
        }
        let keys = |id: &str| {
            let credentials = || Credentials::new(id, &*self.secret_key);
            (id == self.access_key).then(|| match &self.session_token {
                Some(token) => credentials().with_session_token(&**token),
                None => credentials(),
            })
        };
        let headers: Option<Vec<(&str, &str)>> = head
            .headers
            .iter()
            .map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)))
            .collect();
        let headers = headers?;
        let host = header(&head.headers, "host")?;
        let bucket =
            host.rsplit_once(':').map_or(host, |(name, _)| name).strip_suffix(".localhost");
        let target = head.uri.path_and_query()?.as_str();
        // There is no opinion on requests that servers interpret differently.
        let request = Request::from_target(head.method.as_str(), target).ok()?.headers(&headers);
        let verifier = Verifier::new(&keys, Timestamp::from(SystemTime::now())).host_bucket(bucket);
        match verifier.verify(&request, Content::NotRead) {
            Ok(_) => Some(Ok(())),
            // s3s checks clocks differently.
            Err(refusal) if matches!(refusal.cause(), Cause::Clock | Cause::Expired) => None,
            Err(refusal) => Some(Err(refusal)),
        }
    }
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
