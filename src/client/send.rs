//! Signs and sends one request.
use super::Client;
use super::body::Payload;
use super::endpoint::Located;
use super::outgoing::Coverage;
use super::request::Call;
use super::signing::{Signing, unsignable};
use crate::credentials::Lease;
use crate::error::Error;
use crate::sign;
use crate::transport::{Request, Response, TransportError};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// An operation, and the destination of its next request.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) located: &'a Located,
    /// The region that the request is signed for.
    pub(super) region: &'a str,
}

/// The reason why there is no response.
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
        lease: &Lease,
        payload: &mut Payload<'_>,
        deadline: Option<Instant>,
    ) -> std::result::Result<(Response, Signing), SendError> {
        let inner = &*self.inner;
        let Target { call, located, region } = target;
        let coverage =
            Coverage::choose(payload, inner, call, located, lease).map_err(SendError::NotSent)?;
        let mut path = located.path_of(call.key);
        let host = located.host_header();
        let query: Vec<(&str, &str)> =
            call.query.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(call.headers.len() + 7);
        headers.push(("host", &host));
        headers.extend(call.headers.iter().map(|(name, value)| (&**name, &**value)));
        headers.extend(inner.config.request_payer.header());
        if let Some(framing) = coverage.framing() {
            framing.announce(&mut headers);
        }
        let request = sign::Request::new(call.method, &path).query(&query).headers(&headers);
        let signing = inner
            .sign(&request, located, region, lease, coverage.to_sign())
            .map_err(|error| SendError::NotSent(unsignable(&error)))?;
        if !query.is_empty() {
            path.push('?');
            path.push_str(&sign::query_string(&query));
        }
        headers.push(("user-agent", &inner.config.user_agent));
        headers.extend(signing.headers().iter().map(|(name, value)| (*name, value.as_str())));
        let mut body = coverage.open(payload, &signing).map_err(SendError::NotSent)?;
        let request = Request {
            method: call.method,
            target: &path,
            headers: &headers,
            expect_continue: None,
            deadline,
            cancel: self.cancel.as_ref(),
        };
        inner.counters.requests.fetch_add(1, Ordering::Relaxed);
        let response = inner
            .transport
            .send(located.origin(), &request, body.as_body())
            .map_err(SendError::Failed)?;
        Ok((response, signing))
    }
}
