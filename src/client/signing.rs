//! How a request is signed.
use super::Inner;
use super::endpoint::{Located, Scheme};
use super::values::{PayloadSigning, SignatureVersion};
use crate::credentials::Lease;
use crate::error::{Error, ErrorKind};
use crate::sign::chunked::ChunkSigner;
use crate::sign::explain::Explanation;
use crate::sign::{self, v2, v4};
use crate::sync;
use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How a request was signed: what was sent for it, and, until the reply is there, how it came about.
pub(super) enum Signing {
    Anonymous,
    V2(v2::Signed),
    /// With what the chunks of a body are signed with behind it.
    V4 {
        signed: v4::Signed,
        key: Arc<v4::SigningKey>,
        time: Timestamp,
    },
}

impl Signing {
    pub(super) fn headers(&self) -> &[(&'static str, String)] {
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
    pub(super) fn chunk_signer(&self) -> std::result::Result<Option<ChunkSigner>, sign::Error> {
        match self {
            Self::V4 { signed, key, time } => ChunkSigner::new(key, *time, &signed.signature).map(Some),
            Self::Anonymous | Self::V2(_) => Ok(None),
        }
    }
}

impl Inner {
    /// The headers that sign `request`.
    pub(super) fn sign(
        &self,
        request: &sign::Request<'_>,
        located: &Located,
        region: &str,
        lease: &Lease,
        payload: v4::Payload<'_>,
    ) -> std::result::Result<Signing, sign::Error> {
        let Some(credentials) = &lease.credentials else { return Ok(Signing::Anonymous) };
        let time = self.now();
        match self.config.signature {
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
    pub(super) fn signs_payload(&self, located: &Located) -> bool {
        self.config.signature == SignatureVersion::V4
            && match self.config.payload {
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
        let own = Timestamp::from(self.config.clock.now()).unix();
        Timestamp::from_unix(own.saturating_add(self.clock_offset.load(Ordering::Relaxed)))
    }
}

/// A request that cannot be signed, as this crate's error.
pub(super) fn unsignable(error: sign::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the request cannot be signed: {error}"))
}
