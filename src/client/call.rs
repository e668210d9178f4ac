//! One operation from its parts to a believed reply: signed, sent, judged, and tried again where that is right.

use super::admission::Place;
use super::body::{Payload, Watched, sha256};
use super::endpoint::Located;
use super::framing::{Chunks, Framing};
use super::history::History;
use super::reply;
use super::request::{Call, LONGEST_WORK, Patience};
use super::retry;
use super::signing::Signing;
use super::values::SignatureVersion;
use super::{Client, Inner};
use crate::credentials::Lease;
use crate::error::{Error, ErrorKind, Result};
use crate::sign::{self, v4};
use crate::time::Timestamp;
use crate::transport::{Body, Failure, Phase, Request, Response, TransportError};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Temporary redirects followed for one attempt: S3 needs one, while a new bucket's name spreads.
const REDIRECTS: u32 = 3;

/// Dead pooled connections passed over for one request: more than any pool keeps, so that a pool full of them empties
/// itself, and still an end for a server that hangs up on everybody.
const STALE_CONNECTIONS: u32 = 256;

/// One attempt's circumstances, learnt from what came before.
struct Attempt<'a> {
    located: Located,
    region: Cow<'a, str>,
    redirects: u32,
    learnt_region: bool,
    learnt_clock: bool,
    refreshed: bool,
    stale: u32,
}

impl Attempt<'_> {
    /// A server that looks for the bucket in the path has no host of its name, no certificate for one, or takes the path's
    /// first part for a bucket.
    fn with_advice(&self, error: Error, inner: &Inner) -> Error {
        let lost = matches!(error.kind(), ErrorKind::Connect | ErrorKind::Tls | ErrorKind::NoSuchBucket);
        if lost && self.located.host_bucket().is_some() && !inner.endpoint.is_aws() {
            let text = "check the endpoint and the bucket's name, which stands in the host: if the server wants it in the \
                        path, set forcepathstyle to true";
            return error.with_hint(text);
        }
        error
    }
}

/// What to do after a failed attempt.
enum Next {
    /// Again at once: something was learnt, or the connection was dead before anything happened.
    Now,
    /// Again after a wait; counts as an attempt.
    Later(Option<Duration>),
    Never,
}

impl Client {
    /// Runs `call`. `believe` turns a reply of class 2xx into the result; its error is retried like any other, because S3
    /// may put an error, or nothing, into a reply that began with 200.
    pub(super) fn run<T>(
        &self,
        call: &Call<'_>,
        mut payload: Payload<'_>,
        mut believe: impl FnMut(Response, Option<Instant>) -> Result<T>,
    ) -> Result<T> {
        let inner = &*self.inner;
        super::endpoint::check_bucket(call.bucket).map_err(|e| call.place(e))?;
        let region = inner.region_of(call.bucket);
        let mut attempt = Attempt {
            located: inner.locate(call.bucket, &region).map_err(|e| call.place(e))?,
            region,
            redirects: 0,
            learnt_region: false,
            learnt_clock: false,
            refreshed: false,
            stale: 0,
        };
        // `attempts` are those that count against the policy, `sent` those the server may have seen.
        let (mut attempts, mut sent, mut unsettled, mut history) = (0, 0, false, History::default());
        let (mut started, mut kept) = (None, None);
        loop {
            self.check_cancelled().map_err(|e| call.place(e).with_attempts(sent).with_unsettled(unsettled))?;
            attempts += 1;
            let mut place = match kept.take().and_then(Place::again) {
                Some(place) => place,
                None => inner
                    .admission
                    .enter(inner.timeouts.operation, &*inner.clock, self.cancel.as_ref())
                    .map_err(|e| call.place(e).with_attempts(sent).with_unsettled(unsettled))?,
            };
            // A reader of the caller's may wait for another request: with a place held that could be for ever.
            if let Payload::Stream { .. } = payload {
                place.give_back();
            }
            let lease = self.lease().map_err(|e| call.place(e).with_attempts(sent).with_unsettled(unsettled))?;
            let now = inner.clock.instant();
            let started = *started.get_or_insert(now);
            let deadline = match call.patience {
                Patience::Small => now.checked_add(inner.timeouts.operation),
                Patience::Bytes => None,
                Patience::Work => now.checked_add(LONGEST_WORK),
            };
            let reply = self.send(call, &attempt, &lease, &mut payload, deadline);
            let deadline = match call.patience {
                Patience::Bytes => inner.clock.instant().checked_add(inner.timeouts.operation),
                Patience::Small | Patience::Work => deadline,
            };
            sent += 1;
            let (error, next) = match reply {
                Ok((response, _)) if is_success(response.status) => match believe(response, deadline) {
                    Ok(result) => {
                        let after = if attempts > 1 { retry::Retried::Yes } else { retry::Retried::No };
                        inner.budget.succeeded(after);
                        place.answered();
                        return Ok(result);
                    }
                    Err(error) => {
                        let again = retry::may_retry(&error);
                        unsettled |= again || error.kind() == ErrorKind::Cancelled;
                        (error, if again { Next::Later(None) } else { Next::Never })
                    }
                },
                Ok((response, signing)) => {
                    // A server, or a gateway before it, that fails may have acted before; one that refuses has not.
                    unsettled |= response.status >= 500;
                    self.judge(call, &mut attempt, &lease, (response, &signing), deadline)
                }
                Err(Sent::Failed(failure)) => {
                    unsettled |= failure.phase != Phase::Connect;
                    judge_transport(&mut attempt, failure, inner)
                }
                Err(Sent::Refused(error)) => {
                    sent -= 1;
                    (error, Next::Never)
                }
            };
            let error = attempt.with_advice(error, inner);
            match next {
                // What is sent again at once keeps its place.
                Next::Now => kept = Some(place),
                _ if error.kind() == ErrorKind::Throttled => {
                    inner.counters.throttled.fetch_add(1, Ordering::Relaxed);
                    place.throttled();
                    kept = place.is_last().then_some(place);
                }
                _ if error.status().is_some_and(|status| status < 500) => place.answered(),
                _ => drop(place),
            }
            let begun = matches!(&payload, Payload::Stream { progress, .. } if progress.begun);
            let wait = match next {
                Next::Never => None,
                _ if begun => None,
                Next::Now => Some(Duration::ZERO),
                Next::Later(asked) => inner.next_wait(attempts, started, &error, asked),
            };
            let Some(wait) = wait else {
                let error = call.place(error).with_attempts(sent).with_unsettled(unsettled);
                return Err(history.told_with(error));
            };
            if let Next::Now = next {
                attempts -= 1;
            }
            history.add(&error);
            self.sleep(wait).map_err(|e| call.place(e).with_attempts(sent).with_unsettled(unsettled))?;
            inner.counters.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Signs and sends once; says how it was signed.
    fn send(
        &self,
        call: &Call<'_>,
        attempt: &Attempt<'_>,
        lease: &Lease,
        payload: &mut Payload<'_>,
        deadline: Option<Instant>,
    ) -> std::result::Result<(Response, Signing), Sent> {
        let inner = &*self.inner;
        let mut target = attempt.located.path_of(call.key);
        let query: Vec<(&str, &str)> = call.query.iter().map(|(n, v)| (&**n, &**v)).collect();
        let host = attempt.located.host_header();
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(call.headers.len() + 6);
        headers.push(("host", &host));
        headers.extend(call.headers.iter().map(|(n, v)| (&**n, &**v)));
        let signs_payload = inner.signs_payload(&attempt.located);
        let framing = match payload {
            Payload::Stream { length, .. }
                if inner.signature == SignatureVersion::V4 && lease.credentials.is_some() =>
            {
                let chunks = if signs_payload { Chunks::Signed } else { Chunks::Unsigned };
                Framing::new(call, *length, chunks, inner.checksum, &inner.endpoint)
            }
            _ => None,
        };
        if let Some(framing) = &framing {
            framing.announce(&mut headers);
        }
        let request = sign::Request { method: call.method, path: &target, query: &query, headers: &headers };
        let hash;
        let to_sign = match payload {
            Payload::Empty => v4::Payload::Bytes(b""),
            Payload::Bytes(bytes) if signs_payload => v4::Payload::Bytes(bytes),
            Payload::Replay { open, length } if signs_payload => {
                hash = sha256(&mut *open(), *length).map_err(|error| {
                    let text = format!("the data to send cannot be read: {error}");
                    Sent::Refused(Error::new(ErrorKind::LocalIo, text).with_source(error))
                })?;
                v4::Payload::Hash(&hash)
            }
            Payload::Stream { .. } => framing.as_ref().map_or(v4::Payload::Unsigned, Framing::payload),
            Payload::Bytes(_) | Payload::Replay { .. } => v4::Payload::Unsigned,
        };
        let unsignable = |error: sign::Error| {
            Sent::Refused(Error::new(ErrorKind::InvalidArgument, format!("the request cannot be signed: {error}")))
        };
        let signing = inner.sign(&request, &attempt.located, &attempt.region, lease, to_sign).map_err(unsignable)?;
        if !query.is_empty() {
            target.push('?');
            target.push_str(&sign::query_string(&query));
        }
        headers.push(("user-agent", &inner.user_agent));
        headers.extend(signing.headers().iter().map(|(n, v)| (*n, v.as_str())));
        let request = Request {
            method: call.method,
            target: &target,
            headers: &headers,
            expect_continue: None,
            deadline,
            cancel: self.cancel.as_ref(),
        };
        let mut watched;
        let mut chunked;
        let mut replayed;
        let body = match payload {
            Payload::Empty => Body::Empty,
            Payload::Bytes(bytes) => Body::Bytes(bytes),
            Payload::Stream { source, length, progress } => {
                progress.chunked = framing.is_some();
                watched = Watched::new(*source, *length, progress);
                match framing.as_ref().zip(signing.chunk_signer().map_err(unsignable)?) {
                    Some((framing, signer)) => {
                        chunked = framing.body(watched, signer).map_err(unsignable)?;
                        Body::Reader { source: &mut chunked, length: framing.length() }
                    }
                    None => Body::Reader { source: &mut watched, length: *length },
                }
            }
            Payload::Replay { open, length } => {
                replayed = open();
                Body::Reader { source: &mut *replayed, length: *length }
            }
        };
        inner.counters.requests.fetch_add(1, Ordering::Relaxed);
        let response = inner.transport.send(attempt.located.origin(), &request, body).map_err(Sent::Failed)?;
        Ok((response, signing))
    }

    /// What a reply that is no success means, and whether to try again.
    fn judge(
        &self,
        call: &Call<'_>,
        attempt: &mut Attempt<'_>,
        lease: &Lease,
        (response, signing): (Response, &Signing),
        deadline: Option<Instant>,
    ) -> (Error, Next) {
        let inner = &*self.inner;
        let failed = reply::Failed::read(response, call, (signing, inner.now()), deadline);
        let mut error = failed.error;
        match error.kind() {
            ErrorKind::ExpiredCredentials if !attempt.refreshed => {
                attempt.refreshed = true;
                let renewed = match &self.cancel {
                    Some(cancel) => inner.credentials.refresh_until(lease, cancel),
                    None => inner.credentials.refresh(lease),
                };
                match renewed {
                    Ok(true) => return (error, Next::Now),
                    Ok(false) => {}
                    Err(cause) if cause.kind() == ErrorKind::Cancelled => return (cause, Next::Never),
                    Err(cause) => error = error.with_source(cause),
                }
                (error, Next::Never)
            }
            ErrorKind::ClockSkew if !attempt.learnt_clock => {
                attempt.learnt_clock = true;
                let Some(server) = failed.server_time else { return (error, Next::Never) };
                let now = Timestamp::from(inner.clock.now()).unix();
                inner.clock_offset.store(server.unix().saturating_sub(now), Ordering::Relaxed);
                (error, Next::Now)
            }
            ErrorKind::WrongRegion => {
                if let Some(region) = &failed.region
                    && !attempt.learnt_region
                    && *region != attempt.region
                    && inner.endpoint.may_learn_region()
                    && let Ok(located) = inner.locate(call.bucket, region)
                {
                    attempt.learnt_region = true;
                    attempt.region = Cow::Owned(region.clone());
                    attempt.located = located;
                    inner.remember_region(call.bucket, region);
                    return (error, Next::Now);
                }
                if failed.status == 307
                    && attempt.redirects < REDIRECTS
                    && let Some(location) = &failed.location
                    && let Some(located) = attempt.located.redirected(location, call.bucket)
                {
                    attempt.redirects += 1;
                    attempt.located = located;
                    return (error, Next::Now);
                }
                (error, Next::Never)
            }
            // S3 wants the conditions of an upload in parts thought over; those of a single write it can check again.
            ErrorKind::Conflict
                if error.code() == Some("ConditionalRequestConflict")
                    && call.operation != "CompleteMultipartUpload" =>
            {
                (error, Next::Later(failed.retry_after))
            }
            _ if retry::may_retry(&error) => (error, Next::Later(failed.retry_after)),
            _ => (error, Next::Never),
        }
    }

    /// The credentials to sign with now.
    pub(super) fn lease(&self) -> Result<Arc<Lease>> {
        match &self.cancel {
            Some(cancel) => self.inner.credentials.credentials_until(cancel),
            None => self.inner.credentials.credentials(),
        }
    }

    pub(super) fn check_cancelled(&self) -> Result<()> {
        match &self.cancel {
            Some(cancel) if cancel.is_cancelled() => Err(Error::new(ErrorKind::Cancelled, "cancelled by the caller")),
            _ => Ok(()),
        }
    }

    /// Waits as after failure number `failures` of an operation in several requests, if it may go on at all.
    pub(super) fn pause(&self, failures: u32, cause: &Error) -> Result<Pause> {
        let inner = &*self.inner;
        if !inner.budget.spend() {
            return Ok(Pause::GiveUp);
        }
        self.sleep(inner.retry.wait(failures, cause, None, &*inner.clock)).map(|()| Pause::Over)
    }

    /// Waits, but ends early when the caller cancels.
    fn sleep(&self, wait: Duration) -> Result<()> {
        /// How soon a cancelled wait notices.
        const SLICE: Duration = Duration::from_millis(200);
        let mut left = wait;
        while self.cancel.is_some() && left > SLICE {
            self.inner.clock.sleep(SLICE);
            self.check_cancelled()?;
            left -= SLICE;
        }
        self.inner.clock.sleep(left);
        self.check_cancelled()
    }
}

/// How a pause ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    Over,
    /// There was none: the client has tried again too often.
    GiveUp,
}

/// The statuses with which S3 says yes. Others of the class are nothing it sends, so nothing is built on them.
const fn is_success(status: u16) -> bool {
    matches!(status, 200 | 201 | 204 | 206)
}

/// Why there is no reply.
enum Sent {
    /// The request was never sent: it cannot be signed.
    Refused(Error),
    Failed(TransportError),
}

impl Inner {
    /// How long to wait before the next attempt; `None` when there is to be none.
    fn next_wait(&self, attempts: u32, started: Instant, error: &Error, asked: Option<Duration>) -> Option<Duration> {
        let most = match error.kind() {
            ErrorKind::Integrity => self.retry.max_attempts.min(retry::DAMAGED_ATTEMPTS),
            _ => self.retry.max_attempts,
        };
        let wait = self.retry.wait(attempts, error, asked, &*self.clock);
        let elapsed = self.clock.instant().saturating_duration_since(started);
        (attempts < most && elapsed.saturating_add(wait) <= self.retry.total && self.budget.spend()).then_some(wait)
    }
}

/// What a failure below HTTP means, and whether to try again. Every operation may be sent twice: it replaces itself, or,
/// as CreateMultipartUpload, leaves an upload behind that can be found. What a repeated completion or conditional write
/// meets of its own first attempt is looked up by the operation itself.
fn judge_transport(attempt: &mut Attempt<'_>, failure: TransportError, inner: &Inner) -> (Error, Next) {
    let again = match failure.failure {
        Failure::Connect(_) | Failure::Timeout | Failure::Io(_) | Failure::Protocol(_) => true,
        Failure::Tls { fatal, .. } => !fatal,
        _ => false,
    };
    let stale = failure.stale && attempt.stale < STALE_CONNECTIONS;
    let error = reply::transport_error(failure, Some(&attempt.located.host_header()));
    if stale {
        attempt.stale += 1;
        inner.counters.stale.fetch_add(1, Ordering::Relaxed);
        return (error, Next::Now);
    }
    (error, if again { Next::Later(None) } else { Next::Never })
}
