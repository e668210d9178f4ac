//! Decides which step follows a failed attempt, only from what is known about the failure and
//! without side effects.
use super::endpoint::Located;
use super::request::Recheck;
use super::retry::{DAMAGED_ATTEMPTS, may_retry, names_unknown_key};
use crate::error::{Error, ErrorKind};
use crate::time::Timestamp;
use std::time::Duration;

/// The maximum number of temporary redirects for one attempt: S3 needs one, while a new bucket's
/// name spreads.
const REDIRECTS: u32 = 3;

/// The maximum number of dead pooled connections for one request: more than any pool keeps, so that
/// a pool full of them is emptied, but still a limit for a server that hangs up on every request.
const STALE_CONNECTIONS: u32 = 256;

/// The way in which an attempt failed.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The server had closed a pooled connection before it saw the request.
    StaleConnection,
    /// The response reports a failure.
    Refused(Box<Refusal>),
    /// The response is missing, or does not determine how to continue.
    Unanswered,
}

/// The details of a failure response that determine how to continue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `Retry-After`, as a wait.
    pub(super) retry_after: Option<Duration>,
    /// The server's clock.
    pub(super) server_time: Option<Timestamp>,
    /// Another region that the client may sign for, and the place of the bucket in it.
    pub(super) region: Option<(String, Located)>,
    /// The destination of a temporary redirect that may be followed.
    pub(super) redirect: Option<Located>,
}

/// The state that the next step depends on in addition to the failure: the request, and the limits
/// that its attempts have used up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) max_attempts: u32,
    pub(super) recheck: Recheck,
    /// The number of attempts that count towards `max_attempts`.
    pub(super) attempts: u32,
    pub(super) body: BodyState,
    pub(super) stale_connections: u32,
    pub(super) redirects: u32,
    pub(super) credentials_refreshed: bool,
    pub(super) clock_corrected: bool,
    pub(super) region_learnt: bool,
}

/// The state of the body, which determines whether it can be sent from its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BodyState {
    #[default]
    Repeatable,
    /// The body can be read only once, and its first bytes were read.
    Consumed,
}

/// The correction that a failure calls for, and whether another attempt follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) lesson: Option<Lesson>,
    pub(super) then: Then,
}

/// A correction for the next request that follows from a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    /// The pool contained a dead connection.
    StaleConnection,
    /// The credentials have expired, or the server does not know them.
    RejectedCredentials,
    /// The server's clock shows another time.
    Clock(Timestamp),
    /// The bucket is in another region.
    Region(String, Located),
    /// The bucket is temporarily at another place.
    Redirect(Located),
}

/// The step after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Another attempt at once, which does not count.
    SendNow,
    /// Another attempt after a wait, of at least the server's `Retry-After`.
    SendLater(Option<Duration>),
    GiveUp,
}

/// Decides the step after an attempt that failed with `error`.
///
/// Every operation may be sent twice: it replaces itself or, like CreateMultipartUpload, leaves an
/// upload that can be found. If a repeated completion or conditional write conflicts with its own
/// first attempt, the operation itself resolves that.
pub(super) fn next(error: &Error, outcome: Outcome, state: &State) -> Step {
    let retry_after = match &outcome {
        Outcome::Refused(refusal) => refusal.retry_after,
        _ => None,
    };
    let repeatable = may_retry(error)
        || matches!(outcome, Outcome::Refused(_))
            && error.code() == Some("ConditionalRequestConflict")
            && error.kind() == ErrorKind::Conflict
            && state.recheck == Recheck::ByServer;
    let most = match error.kind() {
        ErrorKind::Integrity => state.max_attempts.min(DAMAGED_ATTEMPTS),
        _ => state.max_attempts,
    };
    let lesson = lesson(error, outcome, state);
    let then = match lesson {
        _ if state.body == BodyState::Consumed => Then::GiveUp,
        Some(_) => Then::SendNow,
        None if repeatable && state.attempts < most => Then::SendLater(retry_after),
        None => Then::GiveUp,
    };
    Step { lesson, then }
}

/// Each correction is applied only once, so that a server that keeps demanding it leads to an
/// error.
fn lesson(error: &Error, outcome: Outcome, state: &State) -> Option<Lesson> {
    let refusal = match outcome {
        Outcome::StaleConnection if state.stale_connections < STALE_CONNECTIONS => {
            return Some(Lesson::StaleConnection);
        }
        Outcome::Refused(refusal) => *refusal,
        _ => return None,
    };
    match error.kind() {
        _ if rejects_credentials(error) => {
            (!state.credentials_refreshed).then_some(Lesson::RejectedCredentials)
        }
        ErrorKind::ClockSkew if !state.clock_corrected => refusal.server_time.map(Lesson::Clock),
        ErrorKind::WrongRegion => {
            let region = refusal.region.filter(|_| !state.region_learnt);
            let redirect = refusal.redirect.filter(|_| state.redirects < REDIRECTS);
            region
                .map(|(name, located)| Lesson::Region(name, located))
                .or_else(|| redirect.map(Lesson::Redirect))
        }
        _ => None,
    }
}

/// Returns whether other credentials may help. Whether there are others is known to the provider:
/// fixed keys stay rejected.
fn rejects_credentials(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::ExpiredCredentials => true,
        ErrorKind::SignatureRejected => error.code().is_some_and(names_unknown_key),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Endpoint, Scheme};

    const STATE: State = State {
        max_attempts: 6,
        recheck: Recheck::ByServer,
        attempts: 1,
        body: BodyState::Repeatable,
        stale_connections: 0,
        redirects: 0,
        credentials_refreshed: false,
        clock_corrected: false,
        region_learnt: false,
    };
    const AFTER: Option<Duration> = Some(Duration::from_secs(7));
    const TIME: Timestamp = Timestamp::from_unix(1_000_000_000);

    fn located(host: &str) -> Located {
        Endpoint::custom(&format!("http://{host}"), None, Scheme::Http)
            .and_then(|e| e.locate("bucket"))
            .expect("legal")
    }

    fn refusal() -> Refusal {
        Refusal {
            retry_after: AFTER,
            server_time: Some(TIME),
            region: Some(("eu-west-1".to_owned(), located("region.example"))),
            redirect: Some(located("redirect.example")),
        }
    }

    fn refused(refusal: Refusal) -> Outcome {
        Outcome::Refused(Box::new(refusal))
    }

    fn error(kind: ErrorKind, code: &str) -> Error {
        Error::new(kind, "failed").with_code(code)
    }

    /// Returns every kind of failure: the error's kind, S3's code, the lesson in the response, and
    /// whether a retry without a lesson can help.
    fn failures() -> Vec<(ErrorKind, &'static str, Option<Lesson>, bool)> {
        use ErrorKind::*;
        vec![
            (Connect, "", None, true),
            (Timeout, "", None, true),
            (Interrupted, "", None, true),
            (Protocol, "", None, true),
            (Throttled, "SlowDown", None, true),
            (Server, "InternalError", None, true),
            (Integrity, "BadDigest", None, true),
            (Integrity, "", None, false),
            (Conflict, "OperationAborted", None, true),
            (Conflict, "ConditionalRequestConflict", None, true),
            (Conflict, "BucketNotEmpty", None, false),
            (ExpiredCredentials, "ExpiredToken", Some(Lesson::RejectedCredentials), false),
            (SignatureRejected, "InvalidAccessKeyId", Some(Lesson::RejectedCredentials), false),
            (ClockSkew, "RequestTimeTooSkewed", Some(Lesson::Clock(TIME)), false),
            (
                WrongRegion,
                "PermanentRedirect",
                Some(Lesson::Region("eu-west-1".to_owned(), located("region.example"))),
                false,
            ),
            (Tls, "", None, false),
            (LocalIo, "", None, false),
            (Cancelled, "", None, false),
            (Credentials, "", None, false),
            (Configuration, "", None, false),
            (InvalidArgument, "", None, false),
            (AccessDenied, "AccessDenied", None, false),
            (SignatureRejected, "SignatureDoesNotMatch", None, false),
            (NoSuchKey, "NoSuchKey", None, false),
            (NoSuchBucket, "NoSuchBucket", None, false),
            (NoSuchUpload, "NoSuchUpload", None, false),
            (PreconditionFailed, "PreconditionFailed", None, false),
            (InvalidRange, "InvalidRange", None, false),
            (OutcomeUnknown, "", None, false),
            (Refused, "InvalidRequest", None, false),
            (PathNotFound, "", None, false),
            (InvalidPath, "", None, false),
            (InvalidOffset, "", None, false),
            (UnsupportedMethod, "", None, false),
            (Closed, "", None, false),
        ]
    }

    #[test]
    fn each_failure_has_its_step_whatever_the_request_is_and_has_used_up() {
        let rechecks = [Recheck::ByServer, Recheck::ByCaller];
        let bodies = [BodyState::Repeatable, BodyState::Consumed];
        for (kind, code, taught, helps) in failures() {
            for recheck in rechecks {
                for body in bodies {
                    for attempts in 1..=7 {
                        let state = State { recheck, body, attempts, ..STATE };
                        let step = next(&error(kind, code), refused(refusal()), &state);
                        let most = if kind == ErrorKind::Integrity { 3 } else { 6 };
                        let helps = helps
                            && (code != "ConditionalRequestConflict"
                                || recheck == Recheck::ByServer);
                        let then = match taught {
                            _ if body == BodyState::Consumed => Then::GiveUp,
                            Some(_) => Then::SendNow,
                            None if helps && attempts < most => Then::SendLater(AFTER),
                            None => Then::GiveUp,
                        };
                        assert_eq!(
                            step,
                            Step { lesson: taught.clone(), then },
                            "{kind:?} {code} {state:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn without_a_refusal_nothing_is_learnt_and_no_wait_is_asked_for() {
        for (kind, code, _, helps) in failures() {
            let step = next(&error(kind, code), Outcome::Unanswered, &STATE);
            // A conflict reported inside a success does not come from a server that would check the
            // condition again.
            let helps = helps && code != "ConditionalRequestConflict";
            let then = if helps { Then::SendLater(None) } else { Then::GiveUp };
            assert_eq!(step, Step { lesson: None, then }, "{kind:?} {code}");
        }
    }

    #[test]
    fn a_lesson_is_learnt_once_and_only_when_the_response_teaches_it() {
        use ErrorKind::*;
        let give_up = Step { lesson: None, then: Then::GiveUp };
        let after = |kind, refusal, state| next(&error(kind, ""), refused(refusal), &state);
        assert_eq!(
            after(ExpiredCredentials, refusal(), State { credentials_refreshed: true, ..STATE }),
            give_up
        );
        assert_eq!(after(ClockSkew, refusal(), State { clock_corrected: true, ..STATE }), give_up);
        assert_eq!(after(ClockSkew, Refusal { server_time: None, ..refusal() }, STATE), give_up);
        let redirected = Step {
            lesson: Some(Lesson::Redirect(located("redirect.example"))),
            then: Then::SendNow,
        };
        assert_eq!(
            after(WrongRegion, refusal(), State { region_learnt: true, ..STATE }),
            redirected
        );
        assert_eq!(
            after(
                WrongRegion,
                Refusal { region: None, ..refusal() },
                State { redirects: 2, ..STATE }
            ),
            redirected
        );
        assert_eq!(
            after(
                WrongRegion,
                Refusal { region: None, ..refusal() },
                State { redirects: 3, ..STATE }
            ),
            give_up
        );
        assert_eq!(after(WrongRegion, Refusal::default(), STATE), give_up);
    }

    #[test]
    fn a_stale_connection_costs_no_attempt_until_there_were_too_many() {
        let stale =
            |state| next(&error(ErrorKind::Interrupted, ""), Outcome::StaleConnection, &state);
        let lesson = Some(Lesson::StaleConnection);
        let last = State { attempts: 6, stale_connections: 255, ..STATE };
        assert_eq!(stale(last), Step { lesson: lesson.clone(), then: Then::SendNow });
        let read = State { body: BodyState::Consumed, ..STATE };
        assert_eq!(stale(read), Step { lesson, then: Then::GiveUp });
        let many = State { stale_connections: 256, ..STATE };
        assert_eq!(stale(many), Step { lesson: None, then: Then::SendLater(None) });
    }
}
