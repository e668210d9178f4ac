//! One operation from its parts to a believed reply: signed, sent, judged, and tried again where that is right.

use super::admission::Place;
use super::endpoint::{Located, Scheme};
use super::reply;
use super::retry;
use super::stream::{Chunks, Framing, Progress, Watched};
use super::values::{PayloadSigning, SignatureVersion};
use super::{Client, Inner};
use crate::credentials::Lease;
use crate::error::{Error, ErrorKind, Result};
use crate::sign::chunked::ChunkSigner;
use crate::sign::explain::Explanation;
use crate::sign::{self, v2, v4};
use crate::sync;
use crate::time::Timestamp;
use crate::transport::{Failure, Phase, Request, RequestBody, Response, TransportError};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A name and its value, as headers and query parameters have them.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Temporary redirects followed for one attempt: S3 needs one, while a new bucket's name spreads.
const REDIRECTS: u32 = 3;

/// Dead pooled connections passed over for one request: more than any pool keeps, so that a pool full of them empties
/// itself, and still an end for a server that hangs up on everybody.
const STALE_CONNECTIONS: u32 = 256;

/// What travels with the request.
pub(super) enum Payload<'a> {
    Empty,
    /// Sent from its first byte at each attempt.
    Bytes(&'a [u8]),
    /// Can be read once: no further attempt once it has begun.
    Stream {
        source: &'a mut dyn Read,
        length: u64,
        progress: &'a mut Progress,
    },
    /// Opened anew for each attempt, and once more to hash it where it is signed.
    Replay {
        open: &'a Reopen<'a>,
        length: u64,
    },
}

/// Opens a body from its first byte.
pub(crate) type Reopen<'a> = dyn Fn() -> Box<dyn Read + 'a> + Sync + 'a;

/// How long one attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Small both ways: `Timeouts::operation` for all of it.
    Small,
    /// Carries an object's bytes: as long as they move. What the server says of an upload is small again.
    Bytes,
    /// The server works on it for minutes, sending white space meanwhile: [`LONGEST_WORK`] for all of it.
    Work,
}

/// How long the server may work on a completion or a copy while it sends white space: AWS speaks of several minutes for
/// the largest objects.
const LONGEST_WORK: Duration = Duration::from_secs(15 * 60);

/// One operation on one bucket, before it is signed.
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) method: &'static str,
    pub(super) bucket: &'a str,
    /// Empty for operations on the bucket.
    pub(super) key: &'a str,
    pub(super) query: Vec<Pair<'a>>,
    pub(super) headers: Vec<Pair<'a>>,
    pub(super) patience: Patience,
}

impl<'a> Call<'a> {
    pub(super) const fn new(operation: &'static str, method: &'static str, bucket: &'a str, key: &'a str) -> Self {
        Self { operation, method, bucket, key, query: Vec::new(), headers: Vec::new(), patience: Patience::Small }
    }
    pub(super) fn query(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.query.push((Cow::Borrowed(name), value.into()));
        self
    }
    pub(super) fn maybe_query(self, name: &'static str, value: Option<impl Into<Cow<'a, str>>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }
    pub(super) fn header(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push((Cow::Borrowed(name), value.into()));
        self
    }
    pub(super) fn maybe_header(self, name: &'static str, value: Option<impl Into<Cow<'a, str>>>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }
    /// An error about this operation that is told before anything is sent.
    pub(super) fn refuse(&self, message: impl Into<String>) -> Error {
        self.place(Error::new(ErrorKind::InvalidArgument, message))
    }
    pub(super) fn place(&self, error: Error) -> Error {
        let error = error.with_operation(self.operation).with_bucket(self.bucket);
        if self.key.is_empty() { error } else { error.with_key(self.key) }
    }
}

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
            Payload::Empty => RequestBody::Empty,
            Payload::Bytes(bytes) => RequestBody::Bytes(bytes),
            Payload::Stream { source, length, progress } => {
                progress.chunked = framing.is_some();
                watched = Watched::new(*source, *length, progress);
                match framing.as_ref().zip(signing.chunk_signer().map_err(unsignable)?) {
                    Some((framing, signer)) => {
                        chunked = framing.body(watched, signer).map_err(unsignable)?;
                        RequestBody::Reader { source: &mut chunked, length: framing.length() }
                    }
                    None => RequestBody::Reader { source: &mut watched, length: *length },
                }
            }
            Payload::Replay { open, length } => {
                replayed = open();
                RequestBody::Reader { source: &mut *replayed, length: *length }
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

/// What earlier attempts met, in few words.
#[derive(Default)]
struct History(Vec<(String, u32)>);

impl History {
    /// Different failures of one request beyond these are summed up.
    const KINDS: usize = 4;

    fn add(&mut self, error: &Error) {
        let label = match (error.status(), error.code()) {
            (Some(status), Some(code)) => format!("{status} {code}"),
            (Some(status), None) => format!("status {status}"),
            (None, _) => match error.kind() {
                ErrorKind::Connect => "no connection",
                ErrorKind::Timeout => "timeout",
                ErrorKind::Interrupted => "broken connection",
                _ => "no valid reply",
            }
            .to_owned(),
        };
        if let Some((_, times)) = self.0.iter_mut().find(|(seen, _)| *seen == label) {
            *times += 1;
        } else if self.0.len() < Self::KINDS {
            self.0.push((label, 1));
        } else if let Some((last, times)) = self.0.last_mut() {
            "others".clone_into(last);
            *times += 1;
        }
    }

    fn told_with(self, error: Error) -> Error {
        if self.0.is_empty() {
            return error;
        }
        let words = self.0.into_iter().map(|(label, times)| match times {
            1 => label,
            _ => format!("{label} ({times} times)"),
        });
        error.with_history(words.collect::<Vec<_>>().join(", "))
    }
}

/// Why there is no reply.
enum Sent {
    /// The request was never sent: it cannot be signed.
    Refused(Error),
    Failed(TransportError),
}

/// How a request was signed: what was sent for it, and, until the reply is there, how it came about.
pub(super) enum Signing {
    Anonymous,
    V2(sign::Signed),
    /// With what the chunks of a body are signed with behind it.
    V4 {
        signed: sign::Signed,
        key: Arc<v4::SigningKey>,
        time: Timestamp,
    },
}

impl Signing {
    fn headers(&self) -> &[(&'static str, String)] {
        match self {
            Self::Anonymous => &[],
            Self::V2(signed) => &signed.headers,
            Self::V4 { signed, .. } => &signed.headers,
        }
    }

    pub(super) fn explain(&self) -> Option<Explanation<'_>> {
        match self {
            Self::Anonymous => None,
            Self::V2(signed) => Some(signed.explain()),
            Self::V4 { signed, .. } => Some(signed.explain()),
        }
    }

    /// What signs the chunks of a body; version 4 alone does that.
    fn chunk_signer(&self) -> std::result::Result<Option<ChunkSigner>, sign::Error> {
        match self {
            Self::V4 { signed, key, time } => ChunkSigner::new(key, *time, &signed.steps.signature).map(Some),
            Self::Anonymous | Self::V2(_) => Ok(None),
        }
    }
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

    /// The headers that sign `request`.
    fn sign(
        &self,
        request: &sign::Request<'_>,
        located: &Located,
        region: &str,
        lease: &Lease,
        payload: v4::Payload<'_>,
    ) -> std::result::Result<Signing, sign::Error> {
        let Some(credentials) = &lease.credentials else { return Ok(Signing::Anonymous) };
        let time = self.now();
        match self.signature {
            SignatureVersion::V2 => v2::sign(request, located.host_bucket(), credentials, time).map(Signing::V2),
            SignatureVersion::V4 => {
                let scope = v4::Scope { region, service: "s3" };
                let key = self.signing_key(credentials, time, scope);
                let signed = v4::sign_with_key(request, payload, credentials, scope, time, &key)?;
                Ok(Signing::V4 { signed, key, time })
            }
        }
    }

    /// Whether bodies are hashed: version 2 has no place for that.
    fn signs_payload(&self, located: &Located) -> bool {
        self.signature == SignatureVersion::V4
            && match self.payload {
                PayloadSigning::Auto => located.scheme() == Scheme::Http,
                PayloadSigning::Signed => true,
                PayloadSigning::Unsigned => false,
            }
    }

    /// The derived key, kept from request to request: it changes once a day.
    fn signing_key(
        &self,
        credentials: &sign::Credentials,
        time: Timestamp,
        scope: v4::Scope<'_>,
    ) -> Arc<v4::SigningKey> {
        let mut kept = sync::lock(&self.signing_key);
        match &*kept {
            Some(key) if key.is_for(credentials, time, scope) => Arc::clone(key),
            _ => Arc::clone(kept.insert(Arc::new(v4::SigningKey::derive(credentials, time, scope)))),
        }
    }

    /// The time of day as the server sees it.
    pub(super) fn now(&self) -> Timestamp {
        let own = Timestamp::from(self.clock.now()).unix();
        Timestamp::from_unix(own.saturating_add(self.clock_offset.load(Ordering::Relaxed)))
    }
}

/// The SHA-256 of the first `length` bytes of `source`, read in pieces that stay in the processor's cache.
fn sha256(source: &mut dyn Read, length: u64) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut piece = [0; 16 << 10];
    let mut source = source.take(length);
    loop {
        match source.read(&mut piece) {
            Ok(0) => return Ok(digest.finalize().into()),
            Ok(n) => digest.update(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
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
