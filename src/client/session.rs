//! The credentials of a request: the client's own, or those of a session with a directory bucket
//! (S3 Express One Zone), which CreateSession returns for one bucket and five minutes.
use super::body::Payload;
use super::endpoint::{BucketKind, Located};
use super::reply::Reader;
use super::request::{CREATE_SESSION, Call};
use super::sessions::{LastFailure, Session};
use super::values::{Checksum, SessionAuth};
use super::{Client, Inner};
use crate::credentials::{Cache, Lease, Provider, Source, Unavailable};
use crate::error::Result;
use crate::sign::Credentials;
use crate::time::Timestamp;
use crate::xml::{self, TemporaryCredentials};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// The source of a session's credentials.
struct CreateSession {
    /// The client that owns the session.
    client: Weak<Inner>,
    bucket: String,
    failure: LastFailure,
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

    /// Replaces the credentials that the server has rejected as expired or unknown. Returns whether
    /// there are others now.
    pub(super) fn renew(&self, call: &Call<'_>, located: &Located, used: &Lease) -> Result<bool> {
        match self.session_of(call, located) {
            None => self.renew_own(used),
            Some(session) => session.use_cache(|cache| match &self.cancel {
                Some(cancel) => cache.refresh_until(used, cancel),
                None => cache.refresh(used),
            }),
        }
    }

    /// Returns when the credentials that sign `call` expire, according to the server's clock.
    pub(super) fn expiry_of(
        &self,
        call: &Call<'_>,
        located: &Located,
        lease: &Lease,
    ) -> Option<Timestamp> {
        let expires = Timestamp::from(lease.expires?);
        // The expiry of a session was converted to this machine's clock.
        let ahead = match self.session_of(call, located) {
            Some(_) => self.inner.clock_offset.load(Ordering::Relaxed),
            None => 0,
        };
        Some(Timestamp::from_unix(expires.unix().saturating_add(ahead)))
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
        let begin = || {
            let failure = LastFailure::default();
            let source = CreateSession {
                client: Arc::downgrade(&self.inner),
                bucket: call.bucket.to_owned(),
                failure: failure.clone(),
            };
            Session::new(Cache::new(source, &config.credential_context()), failure)
        };
        Some(self.inner.sessions.of(call.bucket, begin))
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
        let reader: Reader<TemporaryCredentials> =
            (xml::create_session_result, xml::MAX_REPLY_BYTES);
        let keys = self.run_for_document(&call, Payload::Empty, reader)?;
        let credentials = Credentials::new(keys.access_key_id, &**keys.secret_access_key)
            .with_s3_session_token(&**keys.session_token);
        // The expiry is compared with this machine's clock, which may differ from the server's.
        let ahead = self.inner.clock_offset.load(Ordering::Relaxed);
        let expires = Timestamp::from_unix(keys.expiration.unix().saturating_sub(ahead));
        Ok(Lease { credentials: Some(credentials), expires: Some(SystemTime::from(expires)) })
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
        let created = Client { inner, cancel: None, customer_key: None, checksum: Checksum::None }
            .create_session(&self.bucket);
        self.failure.record(created.as_ref().err(), &self.bucket);
        created.map_err(|error| Unavailable::Failed(error.message().to_owned()))
    }
}

impl fmt::Debug for CreateSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateSession").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}
