//! Sessions with directory buckets (S3 Express One Zone). A session's credentials, which
//! CreateSession returns for one bucket and five minutes, sign the requests to the bucket. Each
//! session has a [`Cache`], which renews it before it ends and with one request at a time.
use super::body::Payload;
use super::endpoint::{BucketKind, Located};
use super::request::{CREATE_SESSION, Call};
use super::values::SessionAuth;
use super::{Client, Inner, REMEMBERED_BUCKETS};
use crate::credentials::{Cache, Lease, Provider, Source, Unavailable};
use crate::error::{Error, ErrorKind, Result};
use crate::sign::Credentials;
use crate::sync;
use crate::time::Timestamp;
use crate::xml;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::SystemTime;

/// The sessions of a client, by bucket.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

/// The session with one directory bucket.
#[derive(Clone)]
struct Session {
    cache: Cache,
    failure: Arc<Mutex<Option<Failure>>>,
}

/// The reason why the latest CreateSession failed. An [`Error`] is returned once, but a failure is
/// reported to every thread that waits for the session, and to those that ask again too soon.
struct Failure {
    kind: ErrorKind,
    message: String,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    hint: Option<String>,
}

/// The source of a session's credentials.
struct CreateSession {
    /// The client that owns the session.
    client: Weak<Inner>,
    bucket: String,
    failure: Arc<Mutex<Option<Failure>>>,
}

impl Client {
    /// Returns the credentials to sign `call` with: those of the session with a directory bucket,
    /// or the client's own.
    pub(super) fn lease_for(&self, call: &Call<'_>, located: &Located) -> Result<Arc<Lease>> {
        match self.session_of(call, located) {
            None => self.lease(),
            Some(session) => session.use_cache(|cache| match &self.cancel {
                Some(cancel) => cache.credentials_until(cancel),
                None => cache.credentials(),
            }),
        }
    }

    /// Replaces the credentials that the server has rejected as expired. Returns whether there are
    /// others now.
    pub(super) fn renew(&self, call: &Call<'_>, located: &Located, used: &Lease) -> Result<bool> {
        match self.session_of(call, located) {
            None => self.renew_own(used),
            Some(session) => session.use_cache(|cache| match &self.cancel {
                Some(cancel) => cache.refresh_until(used, cancel),
                None => cache.refresh(used),
            }),
        }
    }

    /// Returns the session that signs `call`, if there is one.
    fn session_of(&self, call: &Call<'_>, located: &Located) -> Option<Session> {
        let config = &self.inner.config;
        if located.kind() != BucketKind::Directory
            || config.session_auth == SessionAuth::Disabled
            || call.needs_own_credentials()
        {
            return None;
        }
        let mut sessions = sync::lock(&self.inner.sessions.0);
        if let Some(session) = sessions.get(call.bucket) {
            return Some(session.clone());
        }
        if sessions.len() >= REMEMBERED_BUCKETS {
            let first = sessions.keys().next().cloned();
            first.and_then(|other| sessions.remove(&other));
        }
        let failure = Arc::<Mutex<Option<Failure>>>::default();
        let source = CreateSession {
            client: Arc::downgrade(&self.inner),
            bucket: call.bucket.to_owned(),
            failure: Arc::clone(&failure),
        };
        let session = Session { cache: Cache::new(source, &config.credential_context()), failure };
        sessions.insert(call.bucket.to_owned(), session.clone());
        Some(session)
    }

    /// [CreateSession]: returns credentials for one directory bucket. Without credentials of the
    /// client, there is no session, and requests are not signed.
    ///
    /// [CreateSession]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateSession.html
    fn create_session(&self, bucket: &str) -> Result<Lease> {
        if self.lease()?.credentials.is_none() {
            return Ok(Lease { credentials: None, expires: None });
        }
        let call = Call::new(CREATE_SESSION, "GET", bucket, "").query("session", "");
        let reader: (fn(&[u8]) -> _, _) = (xml::create_session_result, xml::MAX_REPLY_BYTES);
        let keys = self.run_for_document(&call, Payload::Empty, reader)?;
        let credentials = Credentials::new(keys.access_key_id, &**keys.secret_access_key)
            .with_s3_session_token(&**keys.session_token);
        // The expiry is compared with this machine's clock, which may differ from the server's.
        let ahead = self.inner.clock_offset.load(Ordering::Relaxed);
        let expires = Timestamp::from_unix(keys.expiration.unix().saturating_sub(ahead));
        Ok(Lease { credentials: Some(credentials), expires: Some(SystemTime::from(expires)) })
    }
}

impl Session {
    /// Uses the cache. If it has no credentials, the error is that of CreateSession.
    fn use_cache<T>(&self, use_it: impl FnOnce(&Cache) -> Result<T>) -> Result<T> {
        use_it(&self.cache).map_err(|error| match &*sync::lock(&self.failure) {
            Some(failure) if error.kind() == ErrorKind::Credentials => failure.to_error(),
            _ => error,
        })
    }
}

impl Failure {
    fn new(error: &Error, bucket: &str) -> Self {
        let hint = match error.kind() {
            ErrorKind::AccessDenied => Some(format!(
                "allow these credentials the action s3express:CreateSession on the bucket {bucket}"
            )),
            ErrorKind::Protocol => Some(
                "for a server without sessions, disable them (Config::session_auth)".to_owned(),
            ),
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
        match &self.hint {
            Some(hint) => error.with_hint(hint.clone()),
            None => error,
        }
    }
}

impl Source for CreateSession {
    fn name(&self) -> &'static str {
        CREATE_SESSION
    }

    fn fetch(&self) -> std::result::Result<Lease, Unavailable> {
        let Some(inner) = self.client.upgrade() else {
            return Err(Unavailable::Failed("the client no longer exists".to_owned()));
        };
        let created = Client { inner, cancel: None }.create_session(&self.bucket);
        let mut failure = sync::lock(&self.failure);
        *failure = created.as_ref().err().map(|error| Failure::new(error, &self.bucket));
        created.map_err(|error| Unavailable::Failed(error.message().to_owned()))
    }
}

impl fmt::Debug for CreateSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateSession").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}
