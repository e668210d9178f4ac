//! Signs and sends one request.
use super::Client;
use super::body::Payload;
use super::endpoint::Located;
use super::outgoing::Coverage;
use super::request::{Call, EXPECTED_OWNER, TimeLimit};
use super::signing::{Signing, unsignable};
use crate::credentials::Lease;
use crate::error::Error;
use crate::sign;
use crate::transport::{Request, Response, Trace, TransportError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// An operation, and the destination of its next request.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) located: &'a Located,
    /// Where the exchange is measured.
    pub(super) trace: Option<&'a Arc<Trace>>,
}

/// The reason why a response is missing.
pub(super) enum SendError {
    /// The request cannot be signed, or its data cannot be read.
    NotSent(Error),
    Failed(TransportError),
}

impl Client {
    /// Signs the request and sends it. Also returns how it was signed.
    pub(super) fn send(
        &self,
        target: Target<'_>,
        lease: &Arc<Lease>,
        payload: &mut Payload<'_>,
        deadline: Option<Instant>,
    ) -> std::result::Result<(Response, Signing), SendError> {
        let inner = &*self.inner;
        let Target { call, located, trace } = target;
        call.check_scheme(located.scheme()).map_err(SendError::NotSent)?;
        let coverage =
            Coverage::choose(payload, self, call, located, lease).map_err(SendError::NotSent)?;
        let mut path = located.path_of(call.key);
        let query: Vec<(&str, &str)> =
            call.query.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(call.headers.len() + 7);
        headers.push(("host", located.host_header()));
        headers.extend(call.headers.iter().map(|(name, value)| (&**name, &**value)));
        headers.extend(inner.config.request_payer.header());
        // A new bucket does not have an owner yet, and a session does not have this condition.
        let owner = inner.config.expected_bucket_owner.as_deref();
        let names_bucket = !matches!(call.operation, "CreateBucket" | "ListBuckets");
        let owner = owner.filter(|_| {
            names_bucket
                && !call.creates_session()
                && !call.headers.iter().any(|(name, _)| *name == EXPECTED_OWNER)
        });
        headers.extend(owner.map(|account| (EXPECTED_OWNER, account)));
        if let Some(framing) = coverage.framing() {
            framing.announce(&mut headers);
        }
        let (path_length, signed) = (path.len(), headers.len());
        let request = sign::Request::new(call.method, &path).query(&query).headers(&headers);
        let mut signing = inner
            .sign(&request, located, lease, coverage.to_sign())
            .map_err(|error| SendError::NotSent(unsignable(&error)))?;
        inner.report_signing(call, lease, || signing.steps_of(&request, coverage.to_sign()));
        if !query.is_empty() {
            path.push('?');
            path.push_str(&sign::query_string(&query));
        }
        headers.push(("user-agent", &inner.config.user_agent));
        headers.extend(signing.headers());
        let connection = payload.connection();
        let mut body = coverage.open(payload, &signing).map_err(SendError::NotSent)?;
        let request = Request {
            method: call.method,
            target: &path,
            headers: &headers,
            expect_continue: None,
            silent_work: call.time_limit == TimeLimit::ServerWork,
            deadline,
            cancel: self.cancel.as_ref(),
            connection,
            trace,
        };
        inner.counters.requests.fetch_add(1, Ordering::Relaxed);
        let response = inner
            .transport
            .send(located.origin(), &request, body.as_body())
            .map_err(SendError::Failed)?;
        // A refusal may show the server's steps. That of a HEAD cannot: it has no body.
        if (400..500).contains(&response.status) && call.method != "HEAD" {
            let (path, headers) = (&path[..path_length], &headers[..signed]);
            let request = sign::Request::new(call.method, path).query(&query).headers(headers);
            let steps = signing.steps_of(&request, coverage.to_sign());
            signing.keep_steps(steps);
        }
        Ok((response, signing))
    }
}
