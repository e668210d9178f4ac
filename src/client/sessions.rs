//! The sessions of a client with directory buckets (S3 Express One Zone).
use super::REMEMBERED_BUCKETS;
use crate::credentials::Cache;
use crate::error::{Error, ErrorKind, Result};
use crate::sync;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The sessions of a client, by bucket.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

/// The session with one directory bucket, which the cache renews before it ends, and with one
/// request at a time.
#[derive(Clone)]
pub(super) struct Session {
    cache: Cache,
    failure: LastFailure,
}

/// The reason why the latest CreateSession failed, if it did.
#[derive(Clone, Default)]
pub(super) struct LastFailure(Arc<Mutex<Option<Failure>>>);

/// The reason why the latest CreateSession failed. An [`Error`] is returned once, but a failure is
/// reported to every thread that waits for the session, and to those that ask again too soon.
struct Failure {
    kind: ErrorKind,
    message: String,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    host_id: Option<String>,
    hint: Option<String>,
}

impl Sessions {
    /// Returns the session with a bucket. `begin` makes one if there is none.
    pub(super) fn of(&self, bucket: &str, begin: impl FnOnce() -> Session) -> Session {
        let mut sessions = sync::lock(&self.0);
        if let Some(session) = sessions.get(bucket) {
            return session.clone();
        }
        if sessions.len() >= REMEMBERED_BUCKETS {
            let first = sessions.keys().next().cloned();
            first.and_then(|other| sessions.remove(&other));
        }
        let session = begin();
        sessions.insert(bucket.to_owned(), session.clone());
        session
    }
}

impl Session {
    /// Begins a session whose source records its failures in `failure`.
    pub(super) const fn new(cache: Cache, failure: LastFailure) -> Self {
        Self { cache, failure }
    }

    /// Uses the cache. If it has no credentials, the error is that of CreateSession.
    pub(super) fn use_cache<T>(&self, use_it: impl FnOnce(&Cache) -> Result<T>) -> Result<T> {
        use_it(&self.cache).map_err(|error| match &*sync::lock(&self.failure.0) {
            Some(failure) if error.kind() == ErrorKind::Credentials => failure.to_error(),
            _ => error,
        })
    }
}

impl LastFailure {
    /// Records the outcome of CreateSession for `bucket`.
    pub(super) fn record(&self, failure: Option<&Error>, bucket: &str) {
        *sync::lock(&self.0) = failure.map(|error| Failure::new(error, bucket));
    }
}

impl Failure {
    fn new(error: &Error, bucket: &str) -> Self {
        let hint = match error.kind() {
            ErrorKind::AccessDenied => Some(format!(
                "allow these credentials the action s3express:CreateSession on the bucket {bucket}"
            )),
            // MinIO responds with a listing, and others do not know the operation.
            kind if kind == ErrorKind::Protocol || matches!(error.status(), Some(405 | 501)) => {
                Some(
                    "for a server without sessions, disable them (Config::session_auth)".to_owned(),
                )
            }
            _ => error.hint().map(str::to_owned),
        };
        Self {
            kind: error.kind(),
            message: format!(
                "no session could be created with the directory bucket {bucket}, which needs the \
                 permission s3express:CreateSession: {}",
                error.message()
            ),
            status: error.status(),
            code: error.code().map(str::to_owned),
            request_id: error.request_id().map(str::to_owned),
            host_id: error.host_id().map(str::to_owned),
            hint,
        }
    }

    fn to_error(&self) -> Error {
        let mut error = Error::new(self.kind, self.message.clone());
        if let Some(status) = self.status {
            error = error.with_status(status);
        }
        if let Some(code) = &self.code {
            error = error.with_code(code.clone());
        }
        if let Some(id) = &self.request_id {
            error = error.with_request_id(id.clone());
        }
        if let Some(id) = &self.host_id {
            error = error.with_host_id(id.clone());
        }
        match &self.hint {
            Some(hint) => error.with_hint(hint.clone()),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{Context, Static};

    #[test]
    fn only_an_error_about_credentials_is_replaced_by_that_of_create_session() {
        let failure = LastFailure::default();
        let cache = Cache::new(Static::anonymous(), &Context::default());
        let session = Session::new(cache, failure.clone());
        let kind = |kind| {
            let failed = session.use_cache(|_| Err::<(), _>(Error::new(kind, "failed")));
            failed.map_err(|error| error.kind())
        };

        assert_eq!(kind(ErrorKind::Credentials), Err(ErrorKind::Credentials));
        failure.record(Some(&Error::new(ErrorKind::AccessDenied, "denied")), "bucket");
        assert_eq!(kind(ErrorKind::Credentials), Err(ErrorKind::AccessDenied));
        assert_eq!(kind(ErrorKind::Cancelled), Err(ErrorKind::Cancelled));
    }
}
