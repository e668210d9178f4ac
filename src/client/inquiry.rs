//! Finds out why a HEAD was refused. Its response has no body, so S3 cannot state the reason:
//! expired credentials look like a malformed request (400), a wrong clock like a missing permission
//! (403), the page of a router like a missing object (404), and the correct region is only named to
//! other methods. One request whose response has a body reveals the reason.
use super::Client;
use super::body::Payload;
use super::observed::Ending;
use super::reply::{Failed, Sent};
use super::request::Call;
use super::send::{SendError, Target};
use super::transport_failure::transport_error;
use crate::credentials::Lease;
use crate::error::{Error, ErrorKind};
use crate::observe::{AttemptRole, Decision};
use std::sync::Arc;
use std::time::Instant;

/// Returns the request to send. It needs the permission that the HEAD also needs: `s3:GetObject`
/// for an object, `s3:ListBucket` for a bucket.
fn question<'a>(call: &Call<'a>) -> Call<'a> {
    let question = Call::new(call.operation, "GET", call.bucket, call.key);
    if call.key.is_empty() {
        question.query("list-type", "2").query("max-keys", "1")
    } else {
        let mut question = question.header("range", "bytes=0-0");
        question.headers.extend(call.object_key_headers());
        question.query.extend(call.query.iter().filter(|(name, _)| name == "versionId").cloned());
        question
    }
}

impl Client {
    /// Sends one request whose response to the same refusal has a body. Returns that refusal if it
    /// explains more than `failed`, the response to a HEAD, and `failed` itself otherwise. The
    /// request has this `number` for observers.
    pub(super) fn inquire(
        &self,
        failed: Failed,
        target: Target<'_>,
        number: u32,
        lease: &Arc<Lease>,
        deadline: Option<Instant>,
    ) -> Failed {
        let call = question(target.call);
        let inner = &*self.inner;
        let now = || inner.config.clock.instant();
        let mut watch = inner.watch(number, (&call, target.located), lease, &Payload::Empty, now);
        let trace = watch.as_ref().map(|watch| Arc::clone(watch.trace()));
        let target = Target { call: &call, trace: trace.as_ref(), ..target };
        let sent = self.send(target, lease, &mut Payload::Empty, deadline);
        if let (Some(watch), Ok((response, signing))) = (&mut watch, &sent) {
            watch.record(response, signing);
        }
        let report = |error: Option<&Error>| {
            if let Some(watch) = &watch {
                let (role, decision) = (AttemptRole::Inquiry, Decision::Finish);
                inner.report_attempt(watch, &call, &Ending { role, error, decision });
            }
        };
        let (response, signing) = match sent {
            Ok(sent) => sent,
            Err(SendError::NotSent(_)) => return failed,
            Err(SendError::Failed(failure)) => {
                let secrets = call.secrets_of(lease, None, &inner.config);
                report(Some(&transport_error(failure, None).redacted(&secrets)));
                return failed;
            }
        };
        if response.status < 300 {
            drop(response);
            report(None);
            return failed;
        }
        let sent =
            Sent { call: &call, located: target.located, signing: &signing, now: self.inner.now() };
        let mut found = Failed::read(response, &sent, deadline);
        found.error =
            found.error.redacted(&call.secrets_of(lease, signing.signature(), &self.inner.config));
        report(Some(&found.error));
        let telling = match found.error.kind() {
            // Explains a 404 only.
            ErrorKind::NoSuchKey => failed.status == 404,
            // A range of an empty object, or a server that has just failed, explains nothing.
            ErrorKind::InvalidRange | ErrorKind::Server | ErrorKind::Throttled => false,
            _ => true,
        };
        if telling && (found.error.code().is_some() || found.status == failed.status) {
            found
        } else {
            failed
        }
    }
}
