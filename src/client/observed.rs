//! The events of a client's requests. Without an observer, none of this allocates or reads a clock.
use super::Inner;
use super::body::Payload;
use super::endpoint::Located;
use super::request::Call;
use super::signing::{Signing, secrets_of};
use crate::credentials::Lease;
use crate::error::Error;
use crate::observe::{
    AdmissionWait, Attempt, AttemptRole, Bodies, ConnectionUse, Decision, Detail, Download, Event,
    Notice, Observers, OperationOutcome, RedirectFollowed, SigningSteps, Timings,
};
use crate::sign::Steps;
use crate::text::{Secrets, shown, shown_to};
use crate::transport::{Response, Trace};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

/// The number of characters of a body that are shown, mostly of an error document or of a
/// registry's manifest.
const BODY_SHOWN: usize = 2048;

/// The number of additional bytes of a body that are read, so that a secret at the cut is
/// recognized. The longest secrets are session tokens, and twelve characters of one are enough.
const BODY_MARGIN: usize = 64;

/// A request that is observed.
pub(super) struct Watch {
    /// The number of the request among those of its operation.
    number: u32,
    trace: Arc<Trace>,
    began: Instant,
    host: String,
    /// The beginning of the request's body, if it is shown.
    request: Option<Vec<u8>>,
    response: Option<ResponseHead>,
    signature: Option<Secrets>,
}

struct ResponseHead {
    status: u16,
    request_id: Option<String>,
    host_id: Option<String>,
}

/// The end of an observed request.
pub(super) struct Ending<'a> {
    pub(super) role: AttemptRole,
    pub(super) error: Option<&'a Error>,
    pub(super) decision: Decision,
}

impl Watch {
    pub(super) const fn trace(&self) -> &Arc<Trace> {
        &self.trace
    }

    /// Records the head of the response.
    pub(super) fn record(&mut self, response: &Response, signing: &Signing) {
        self.signature = signing.signature().map(|signature| Secrets::new().with(signature));
        let header = |name| response.header(name).map(|value| self.redacted(value).into_owned());
        self.response = Some(ResponseHead {
            status: response.status,
            request_id: header("x-amz-request-id"),
            host_id: header("x-amz-id-2"),
        });
    }

    fn redacted<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let text = self.trace.secrets().redact(text);
        match &self.signature {
            Some(signature) => Cow::Owned(signature.redact(&text).into_owned()),
            None => text,
        }
    }
}

/// Returns the beginning of a body without secrets, on one line.
fn shown_body(bytes: &[u8], redact: impl FnOnce(&str) -> String) -> String {
    shown_to(&redact(&String::from_utf8_lossy(bytes)), BODY_SHOWN).to_string()
}

impl Inner {
    pub(super) const fn is_observed(&self) -> bool {
        !self.config.observers.are_absent()
    }

    /// Begins to observe request `number` of an operation, if there is an observer.
    pub(super) fn watch(
        &self,
        number: u32,
        (call, located): (&Call<'_>, &Located),
        lease: &Arc<Lease>,
        payload: &Payload<'_>,
        now: impl FnOnce() -> Instant,
    ) -> Option<Watch> {
        if !self.is_observed() {
            return None;
        }
        let kept = BODY_SHOWN + BODY_MARGIN;
        let bodies = self.config.observers.want(Detail::Bodies);
        let request = match payload {
            Payload::Bytes(bytes) if bodies => Some(bytes.get(..kept).unwrap_or(bytes).to_vec()),
            Payload::Empty => Some(Vec::new()),
            _ => None,
        };
        let secrets = self.secrets(call, lease);
        Some(Watch {
            number,
            began: now(),
            host: secrets.redact(located.host_header()).into_owned(),
            trace: Arc::new(Trace::new(if bodies { kept } else { 0 }, secrets)),
            request,
            response: None,
            signature: None,
        })
    }

    fn secrets(&self, call: &Call<'_>, lease: &Arc<Lease>) -> Arc<Secrets> {
        if call.customer_keys().next().is_some() {
            return Arc::new(call.secrets_of(lease, None, &self.config));
        }
        self.redaction.of(lease, || secrets_of(lease, None, &self.config))
    }

    /// Reports a request that has ended.
    pub(super) fn report_attempt(&self, watch: &Watch, call: &Call<'_>, ending: &Ending<'_>) {
        let measured = watch.trace.measured();
        let total = self.config.clock.instant().saturating_duration_since(watch.began);
        let (head, error) = (watch.response.as_ref(), ending.error);
        let request_id = head.and_then(|head| head.request_id.as_deref());
        let host_id = head.and_then(|head| head.host_id.as_deref());
        self.config.observers.emit(&Event::Attempt(&Attempt {
            operation: call.operation,
            bucket: call.bucket,
            key: call.key,
            attempt: watch.number,
            role: ending.role,
            method: call.method,
            host: &watch.host,
            status: head.map(|head| head.status),
            request_id: request_id.or_else(|| error.and_then(Error::request_id)),
            host_id: host_id.or_else(|| error.and_then(Error::host_id)),
            error,
            connection: measured
                .reused
                .map(|reused| if reused { ConnectionUse::Reused } else { ConnectionUse::New }),
            bytes_sent: measured.sent,
            bytes_received: measured.received,
            timings: Timings {
                connect: measured.connect,
                tls: measured.tls,
                first_byte: measured.first_byte,
                total,
            },
            decision: ending.decision,
        }));
        if self.config.observers.want(Detail::Bodies) {
            let redact = |text: &str| watch.redacted(text).into_owned();
            let request = watch.request.as_ref().map(|bytes| shown_body(bytes, redact));
            let response: &[u8] = match call.creates_session() {
                true => b"(not shown: it contains secrets)",
                false => &measured.beginning,
            };
            self.config.observers.emit(&Event::Bodies(&Bodies {
                operation: call.operation,
                bucket: call.bucket,
                key: call.key,
                request: request.as_deref(),
                response: &shown_body(response, redact),
            }));
        }
    }

    /// Reports the end of an operation that began at `began`.
    pub(super) fn report_outcome(
        &self,
        call: &Call<'_>,
        attempts: u32,
        began: Instant,
        error: Option<&Error>,
    ) {
        self.config.observers.emit(&Event::Outcome(&OperationOutcome {
            operation: call.operation,
            bucket: call.bucket,
            key: call.key,
            attempts,
            total: self.config.clock.instant().saturating_duration_since(began),
            error,
        }));
    }

    /// Reports a wait for admission that began at `began`.
    pub(super) fn report_admission(&self, call: &Call<'_>, began: Instant) {
        self.config.observers.emit(&Event::Admission(&AdmissionWait {
            operation: call.operation,
            bucket: call.bucket,
            key: call.key,
            waited: self.config.clock.instant().saturating_duration_since(began),
            allowed: self.admission.allowed(),
        }));
    }

    /// Reports a redirect that is followed.
    pub(super) fn report_redirect(&self, call: &Call<'_>, located: &Located, lease: &Arc<Lease>) {
        if self.is_observed() {
            let host = located.host_header();
            self.config.observers.emit(&Event::Redirect(&RedirectFollowed {
                operation: call.operation,
                bucket: call.bucket,
                key: call.key,
                host: &self.secrets(call, lease).redact(host),
            }));
        }
    }

    /// Reports how a request was signed to the observers that ask for it.
    pub(super) fn report_signing(
        &self,
        call: &Call<'_>,
        lease: &Arc<Lease>,
        steps: impl FnOnce() -> Option<Steps>,
    ) {
        if !self.config.observers.want(Detail::Signing) {
            return;
        }
        let Some(steps) = steps() else { return };
        let secrets = self.secrets(call, lease);
        let (canonical_request, string_to_sign) = steps.redacted();
        self.config.observers.emit(&Event::Signing(&SigningSteps {
            operation: call.operation,
            bucket: call.bucket,
            key: call.key,
            canonical_request: &secrets.redact(&canonical_request),
            string_to_sign: &secrets.redact(&string_to_sign),
        }));
    }

    /// Stores a notice, and reports it if it is new.
    pub(super) fn notice(&self, notice: &Notice) {
        if self.notices.add(notice) {
            self.config.observers.emit(&Event::Notice(notice));
        }
    }

    /// Stores and reports a notice that the bucket is in a region other than the configured one.
    pub(super) fn notice_region(&self, bucket: &str, region: &str, lease: &Arc<Lease>) {
        self.notice(&Notice::Region {
            bucket: bucket.to_owned(),
            configured: self.config.endpoint.signing_region().to_owned(),
            region: shown(&secrets_of(lease, None, &self.config).redact(region)).to_string(),
        });
    }

    /// Records that the bucket's server does not store anything without `Content-MD5`.
    pub(super) fn remember_digest(&self, bucket: &str) {
        if self.wants_digest.insert(bucket) {
            self.notice(&Notice::DigestRequired { bucket: bucket.to_owned() });
        }
    }

    /// Records that the bucket's ETags are not MD5s.
    pub(super) fn remember_opaque_etags(&self, bucket: &str) {
        if self.has_opaque_etags.insert(bucket) {
            self.notice(&Notice::OpaqueEtags { bucket: bucket.to_owned() });
        }
    }

    /// Begins to observe the reading of an object, if the exchange is observed.
    pub(super) fn watch_download(&self, response: &Response) -> Option<DownloadWatch> {
        let trace = Arc::clone(response.trace()?);
        Some(DownloadWatch {
            reported: trace.measured().received,
            trace,
            began: self.config.clock.instant(),
        })
    }
}

/// The reading of an object that is observed.
pub(super) struct DownloadWatch {
    trace: Arc<Trace>,
    /// The number of bytes that the request's `Attempt` has reported.
    reported: u64,
    began: Instant,
}

impl DownloadWatch {
    /// Reports the end of the reading.
    pub(super) fn report(&self, observers: &Observers, now: Instant, (bucket, key): (&str, &str)) {
        let measured = self.trace.measured();
        observers.emit(&Event::Download(&Download {
            bucket,
            key,
            bytes_received: measured.received,
            bytes_reported: self.reported,
            total: now.saturating_duration_since(self.began),
            is_complete: measured.complete,
        }));
        if observers.want(Detail::Bodies) {
            let redact = |text: &str| self.trace.secrets().redact(text).into_owned();
            observers.emit(&Event::Bodies(&Bodies {
                operation: "GetObject",
                bucket,
                key,
                request: Some(""),
                response: &shown_body(&measured.beginning, redact),
            }));
        }
    }
}
