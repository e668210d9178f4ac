//! Runs one operation: signs and sends its request, validates the response, and retries where that
//! is safe.
use super::admission::Place;
use super::body::Payload;
use super::endpoint::Located;
use super::history::History;
use super::observed::{Ending, Watch};
use super::reply::{self, Failed, Reader, Sent};
use super::request::Call;
use super::retry::{Retried, Success, may_retry};
use super::send::{SendError, Target};
use super::step::{self, BodyState, Lesson, Outcome, Refusal, State, Step, Then};
use super::transport_failure::{Way, named_proxy, transport_error};
use super::{Client, Inner};
use crate::credentials::Lease;
use crate::error::{Error, ErrorKind, Result, catch_panic};
use crate::observe::{AttemptRole, Decision, Notice};
use crate::time::Timestamp;
use crate::transport::{Phase, Response, TransportError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The attempts of one call: their failures, and the corrections learned from them.
struct Attempts<'a> {
    call: &'a Call<'a>,
    located: Arc<Located>,
    state: State,
    /// The number of requests that the server may have seen.
    sent: u32,
    /// Whether one of the requests may have taken effect.
    unsettled: bool,
    /// The time when the first request was sent.
    started: Option<Instant>,
    /// Whether the reason for a refused HEAD was already requested.
    inquired: bool,
    history: History,
    /// The number of requests made, including inquiries.
    number: u32,
    /// The latest request, if it is observed and was sent.
    watch: Option<Watch>,
}

impl<'a> Attempts<'a> {
    fn new(inner: &'a Inner, call: &'a Call<'a>) -> Result<Self> {
        let state = State {
            max_attempts: inner.config.retry.max_attempts,
            recheck: call.recheck,
            ..State::default()
        };
        Ok(Self {
            call,
            located: inner.place_of(call.bucket)?,
            state,
            sent: 0,
            unsettled: false,
            started: None,
            inquired: false,
            history: History::default(),
            number: 0,
            watch: None,
        })
    }

    /// Completes an error that ends the call.
    fn fail(&self, error: Error) -> Error {
        self.call.place(error).with_attempts(self.sent).with_unsettled(self.unsettled)
    }

    /// Returns the destination of the next request.
    fn target(&self) -> Target<'_> {
        let trace = self.watch.as_ref().map(Watch::trace);
        Target { call: self.call, located: &self.located, trace }
    }

    /// Returns the charge for the next retry.
    fn retried(&self) -> Retried<'a> {
        Retried { bucket: self.call.bucket, key: self.call.key, attempts: self.state.attempts }
    }

    /// Adds a hint for a server that takes the first part of the path for a bucket while the bucket
    /// is in the host.
    fn with_addressing_hint(&self, error: Error, inner: &Inner) -> Error {
        // A router in front of the server may have a page of its own for hosts that it does not
        // know.
        let is_page = error.status() == Some(404) && error.code().is_none();
        let lost = error.kind() == ErrorKind::NoSuchBucket
            || (is_page && error.kind() == ErrorKind::Refused);
        if lost && self.located.host_bucket().is_some() && !inner.config.endpoint.is_aws() {
            let text = "check the endpoint and the bucket's name, which is part of the host: if \
                        the server expects it in the path, set forcepathstyle to true";
            return error.with_hint(text);
        }
        error
    }

    /// Returns the error of a request without a response, and how to continue after it.
    fn unanswered(
        &mut self,
        inner: &Inner,
        lease: &Lease,
        failure: TransportError,
    ) -> (Error, Outcome) {
        self.sent += 1;
        self.unsettled |= failure.phase != Phase::Connect;
        let outcome = if failure.stale { Outcome::StaleConnection } else { Outcome::Unanswered };
        let config = &inner.config;
        let proxy = config.proxy.of(self.located.origin());
        let way = Way { endpoint: &config.endpoint, located: &self.located, proxy };
        let secrets = self.call.secrets_of(lease, None, config);
        let error = transport_error(failure, Some(way)).redacted(&secrets);
        (error, outcome)
    }

    /// Reports the latest request to the observers.
    fn report(&self, inner: &Inner, error: Option<&Error>, decision: Decision) {
        if let Some(watch) = &self.watch {
            let role = AttemptRole::Operation;
            inner.report_attempt(watch, self.call, &Ending { role, error, decision });
        }
    }

    /// Returns the error of a refusal, and how to continue after it.
    fn refusal(&self, inner: &Inner, failed: Failed) -> (Error, Outcome) {
        let Failed { error, retry_after, region, redirect, server_time, .. } = failed;
        let bucket = self.call.bucket;
        let moved = error.kind() == ErrorKind::WrongRegion;
        let may_move = moved && self.located.may_move();
        let region = region
            .filter(|region| {
                may_move
                    && region != self.located.signing_region()
                    && inner.config.endpoint.may_learn_region(region)
            })
            .and_then(|region| inner.locate(bucket, &region).ok().map(|located| (region, located)));
        let has_key = self.call.customer_keys().next().is_some();
        let redirect =
            redirect.filter(|to| moved && (!has_key || to.origin() == self.located.origin()));
        let server_time = server_time.and_then(|time| inner.believable(time));
        (error, Outcome::Refused(Box::new(Refusal { retry_after, server_time, region, redirect })))
    }
}

impl Client {
    /// Runs `call`. `accept` turns a 2xx response into the result; its error is retried like any
    /// other, because S3 may send an error, or nothing, in a response that began with 200.
    pub(super) fn run<T>(
        &self,
        call: &Call<'_>,
        payload: Payload<'_>,
        accept: impl FnMut(Response, Option<Instant>) -> Result<T>,
    ) -> Result<T> {
        let inner = &*self.inner;
        let keyed = self.keyed(call);
        let call = keyed.as_ref().unwrap_or(call);
        let began = inner.is_observed().then(|| inner.config.clock.instant());
        let (number, result) = match Attempts::new(inner, call) {
            Ok(mut attempts) => {
                let result = self.run_attempts(&mut attempts, payload, accept);
                (attempts.number, result)
            }
            Err(error) => (0, Err(call.place(error))),
        };
        if let Some(began) = began {
            inner.report_outcome(call, number, began, result.as_ref().err());
        }
        result
    }

    fn run_attempts<T>(
        &self,
        attempts: &mut Attempts<'_>,
        mut payload: Payload<'_>,
        mut accept: impl FnMut(Response, Option<Instant>) -> Result<T>,
    ) -> Result<T> {
        let inner = &*self.inner;
        let mut kept = None;
        loop {
            let place =
                self.admit(kept, &payload, attempts.call).map_err(|error| attempts.fail(error))?;
            let lease = self
                .lease_for(attempts.call, &attempts.located)
                .map_err(|error| attempts.fail(error))?;
            let (error, outcome) = match self.attempt(attempts, &lease, &mut payload, &mut accept) {
                Ok(result) => {
                    inner.budget.record(if attempts.state.attempts > 1 {
                        Success::Retried
                    } else {
                        Success::AtOnce
                    });
                    place.record_response();
                    attempts.report(inner, None, Decision::Finish);
                    return Ok(result);
                }
                Err(failed) => failed,
            };
            let step = step::next(&error, outcome, &attempts.state);
            let (error, then) = self.learn(step, attempts, &lease, error);
            let error = attempts.with_addressing_hint(error, inner);
            kept = inner.release(place, &error, then);
            let wait = inner.wait_before_next(attempts, &error, then);
            attempts.report(inner, Some(&error), decision(then, wait));
            let Some(wait) = wait else {
                if may_retry(&error) {
                    inner.budget.record_failure(attempts.retried());
                }
                let error = attempts.fail(error);
                return Err(std::mem::take(&mut attempts.history).attach_to(error));
            };
            attempts.history.add(&error);
            self.sleep(wait).map_err(|error| attempts.fail(error))?;
            inner.counters.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Runs `call`, whose response is a document that is read completely, up to a limit. An error
    /// document becomes that error.
    pub(super) fn run_for_document<T>(
        &self,
        call: &Call<'_>,
        payload: Payload<'_>,
        reader: Reader<T>,
    ) -> Result<T> {
        self.run(call, payload, |response, deadline| {
            reply::read_document(response, deadline, call, reader)
        })
    }

    /// Runs `call`, whose response does not have a document.
    pub(super) fn run_for_nothing(&self, call: &Call<'_>, payload: Payload<'_>) -> Result<()> {
        self.run(call, payload, |response, deadline| {
            reply::expect_nothing(response, deadline, call)
        })
    }

    /// Waits for a place for the call, unless it has kept one.
    fn admit<'a>(
        &'a self,
        kept: Option<Place<'a>>,
        payload: &Payload<'_>,
        call: &Call<'_>,
    ) -> Result<Place<'a>> {
        let inner = &*self.inner;
        self.check_cancelled()?;
        // The request that waits for the session has a place.
        if call.creates_session() {
            return Ok(inner.admission.pass());
        }
        let mut place = match kept.and_then(Place::again) {
            Some(place) => place,
            None => {
                let began = inner.is_observed().then(|| inner.config.clock.instant());
                let place = inner.admission.enter(
                    inner.config.timeouts.operation,
                    &*inner.config.clock,
                    self.cancel.as_ref(),
                )?;
                if let Some(began) = began.filter(|_| place.has_waited()) {
                    inner.report_admission(call, began);
                }
                place
            }
        };
        // The caller's reader may wait for another request; if this one kept its place, that could
        // be forever.
        if let Payload::Stream { .. } = payload {
            place.give_back();
        }
        Ok(place)
    }

    /// Sends the request once and reads the response.
    fn attempt<T>(
        &self,
        attempts: &mut Attempts<'_>,
        lease: &Arc<Lease>,
        payload: &mut Payload<'_>,
        accept: &mut impl FnMut(Response, Option<Instant>) -> Result<T>,
    ) -> std::result::Result<T, (Error, Outcome)> {
        let inner = &*self.inner;
        let call = attempts.call;
        let now = inner.config.clock.instant();
        attempts.started.get_or_insert(now);
        attempts.state.attempts += 1;
        let timeouts = &inner.config.timeouts;
        let deadline = call.time_limit.deadline(now, timeouts);
        attempts.number += 1;
        attempts.watch =
            inner.watch(attempts.number, (call, &attempts.located), lease, payload, || now);
        let sent = self.send(attempts.target(), lease, payload, deadline);
        if matches!(payload, Payload::Stream { progress, .. } if progress.begun) {
            attempts.state.body = BodyState::Consumed;
        }
        let config = &inner.config;
        let (response, signing) = match sent {
            Ok(sent) => sent,
            Err(SendError::NotSent(error)) => {
                attempts.number -= 1;
                attempts.watch = None;
                return Err((error, Outcome::Unanswered));
            }
            Err(SendError::Failed(failure)) => {
                return Err(attempts.unanswered(inner, lease, failure));
            }
        };
        attempts.sent += 1;
        if let Some(watch) = &mut attempts.watch {
            watch.record(&response, &signing);
        }
        // Once an object's bytes are sent, the response is small.
        let deadline =
            deadline.or_else(|| inner.config.clock.instant().checked_add(timeouts.operation));
        if is_success(response.status) {
            return accept(response, deadline).map_err(|error| {
                let error = error.redacted(&call.secrets_of(lease, signing.signature(), config));
                attempts.unsettled |= may_retry(&error) || error.kind() == ErrorKind::Cancelled;
                (error, Outcome::Unanswered)
            });
        }
        // A server or gateway that fails may have acted before; one that refuses has not, and
        // neither has one that does not know the operation.
        attempts.unsettled |= response.status >= 500 && response.status != 501;
        let sent = Sent { call, located: &attempts.located, signing: &signing, now: inner.now() };
        let mut failed = Failed::read(response, &sent, deadline);
        failed.error = failed.error.redacted(&call.secrets_of(lease, signing.signature(), config));
        if failed.lacks_reason(call) && !std::mem::replace(&mut attempts.inquired, true) {
            attempts.number += 1;
            failed = self.inquire(failed, attempts.target(), attempts.number, lease, deadline);
        }
        let proxy = config.proxy.of(attempts.located.origin());
        if let (407, Some(proxy)) = (failed.status, proxy) {
            failed.error = named_proxy(failed.error, proxy);
        }
        Err(attempts.refusal(inner, failed))
    }

    /// Applies the correction that a failure requires. If that fails, no further attempt is made.
    fn learn(
        &self,
        step: Step,
        attempts: &mut Attempts<'_>,
        lease: &Arc<Lease>,
        error: Error,
    ) -> (Error, Then) {
        let inner = &*self.inner;
        let state = &mut attempts.state;
        match step.lesson {
            None => {}
            Some(Lesson::StaleConnection) => {
                state.stale_connections += 1;
                inner.counters.stale.fetch_add(1, Ordering::Relaxed);
            }
            Some(Lesson::RejectedCredentials) => {
                state.credentials_refreshed = true;
                match self.renew(attempts.call, &attempts.located, lease) {
                    Ok(true) => {}
                    Ok(false) => return (error, Then::GiveUp),
                    Err(cause) if cause.kind() == ErrorKind::Cancelled => {
                        return (cause, Then::GiveUp);
                    }
                    Err(cause) => return (error.with_source(cause), Then::GiveUp),
                }
            }
            Some(Lesson::Clock(server)) => {
                state.clock_corrected = true;
                let now = Timestamp::from(inner.config.clock.now()).unix();
                let ahead = server.unix().saturating_sub(now);
                inner.clock_offset.store(ahead, Ordering::Relaxed);
                inner.notice(&Notice::Clock { ahead });
            }
            Some(Lesson::Region(region, located)) => {
                state.region_learnt = true;
                inner.notice_region(attempts.call.bucket, &region, lease);
                attempts.located = Arc::new(located);
                inner.places.remember(attempts.call.bucket, &attempts.located);
            }
            Some(Lesson::Redirect(located)) => {
                state.redirects += 1;
                inner.report_redirect(attempts.call, &located, lease);
                attempts.located = Arc::new(located);
            }
        }
        (error, step.then)
    }

    /// Returns the credentials to sign with.
    pub(super) fn lease(&self) -> Result<Arc<Lease>> {
        let provider = &self.inner.config.credentials;
        catch_panic("the provider of credentials", || match &self.cancel {
            Some(cancel) => provider.credentials_until(cancel),
            None => provider.credentials(),
        })
    }

    /// Replaces the credentials that the server has rejected as expired or unknown. Returns whether
    /// there are others now.
    pub(super) fn renew_own(&self, used: &Lease) -> Result<bool> {
        let provider = &self.inner.config.credentials;
        catch_panic("the provider of credentials", || match &self.cancel {
            Some(cancel) => provider.refresh_until(used, cancel),
            None => provider.refresh(used),
        })
    }

    /// Redacts an error that was made from a response to `call` after its attempt had succeeded.
    pub(super) fn without_secrets(&self, call: &Call<'_>, error: Error) -> Error {
        let located = self.inner.place_of(call.bucket);
        let keyed = self.keyed(call);
        let call = keyed.as_ref().unwrap_or(call);
        match located.and_then(|located| self.lease_for(call, &located)) {
            Ok(lease) => error.redacted(&call.secrets_of(&lease, None, &self.inner.config)),
            Err(_) => error,
        }
    }

    pub(super) fn check_cancelled(&self) -> Result<()> {
        match &self.cancel {
            Some(cancel) if cancel.is_cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, "cancelled by the caller"))
            }
            _ => Ok(()),
        }
    }

    /// Waits as after failure number `failures` of an operation in several requests, if the client
    /// may retry at all.
    pub(super) fn pause(&self, failures: u32, cause: &Error) -> Result<Retry> {
        let inner = &*self.inner;
        let (bucket, key) = (cause.bucket().unwrap_or_default(), cause.key().unwrap_or_default());
        if !inner.budget.spend(Retried { bucket, key, attempts: failures }) {
            return Ok(Retry::BudgetSpent);
        }
        self.sleep(inner.config.retry.wait(failures, cause, None, &*inner.config.clock))
            .map(|()| Retry::Due)
    }

    /// Waits, but ends early if the caller cancels.
    fn sleep(&self, wait: Duration) -> Result<()> {
        /// The maximum time until a cancelled wait ends.
        const SLICE: Duration = Duration::from_millis(200);
        let mut left = wait;
        while self.cancel.is_some() && left > SLICE {
            self.inner.config.clock.sleep(SLICE);
            self.check_cancelled()?;
            left -= SLICE;
        }
        self.inner.config.clock.sleep(left);
        self.check_cancelled()
    }
}

/// The client's permission for one more retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// The retry may be sent: the wait before it is over.
    Due,
    /// The client has used up its retries.
    BudgetSpent,
}

/// Describes the step after a failed request for the observers.
const fn decision(then: Then, wait: Option<Duration>) -> Decision {
    match (then, wait) {
        (Then::SendNow, Some(_)) => Decision::Resend,
        (_, Some(wait)) => Decision::Retry { wait },
        (_, None) => Decision::GiveUp,
    }
}

/// Returns whether `status` is a success status that S3 sends. Other 2xx statuses are unexpected,
/// so they do not count.
const fn is_success(status: u16) -> bool {
    matches!(status, 200 | 201 | 204 | 206)
}

impl Inner {
    /// Releases the place of a failed attempt, unless the next one keeps it.
    fn release<'a>(&self, mut place: Place<'a>, error: &Error, then: Then) -> Option<Place<'a>> {
        if then == Then::SendNow {
            return Some(place);
        }
        if error.kind() == ErrorKind::Throttled {
            self.counters.throttled.fetch_add(1, Ordering::Relaxed);
            place.record_throttling();
            return place.is_last().then_some(place);
        }
        if error.status().is_some_and(|status| status < 500) {
            place.record_response();
        }
        None
    }

    /// Returns the wait before the next attempt, or `None` if there is no further attempt.
    fn wait_before_next(
        &self,
        attempts: &mut Attempts<'_>,
        error: &Error,
        then: Then,
    ) -> Option<Duration> {
        let asked = match then {
            Then::GiveUp => return None,
            Then::SendNow => {
                attempts.state.attempts -= 1;
                return Some(Duration::ZERO);
            }
            Then::SendLater(asked) => asked,
        };
        let wait =
            self.config.retry.wait(attempts.state.attempts, error, asked, &*self.config.clock);
        let elapsed = self.config.clock.instant().saturating_duration_since(attempts.started?);
        (elapsed.saturating_add(wait) <= self.config.retry.total
            && self.budget.spend(attempts.retried()))
        .then_some(wait)
    }
}
