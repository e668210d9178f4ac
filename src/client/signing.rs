//! Signs requests.
use super::Inner;
use super::config::Config;
use super::endpoint::{Located, Scheme};
use super::hint::BodySignature;
use super::request::Call;
use super::values::{PayloadSigning, SignatureVersion};
use crate::clock::is_believable;
use crate::credentials::Lease;
use crate::error::{Error, ErrorKind};
use crate::sign::chunked::ChunkSigner;
use crate::sign::explain::Explanation;
#[cfg(feature = "sigv4a")]
use crate::sign::v4a;
use crate::sign::{self, v2, v4};
use crate::text::Secrets;
use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The signature of a request.
pub(super) enum Signing {
    Anonymous,
    /// Version 2 or 4A, with the steps to the signature.
    Whole(sign::Signed),
    V4 {
        authorization: v4::Authorization,
        key: Arc<v4::SigningKey>,
        time: Timestamp,
        /// The steps to the signature, once the request has been refused.
        steps: Option<Box<sign::Steps>>,
    },
}

impl Signing {
    /// Returns the headers that sign the request.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let (whole, v4): (&[_], _) = match self {
            Self::Anonymous => (&[], None),
            Self::Whole(signed) => (&signed.headers, None),
            Self::V4 { authorization, .. } => (&[], Some(authorization.headers())),
        };
        whole.iter().map(|(name, value)| (*name, value.as_str())).chain(v4.into_iter().flatten())
    }

    pub(super) const fn is_signed(&self) -> bool {
        !matches!(self, Self::Anonymous)
    }

    /// Returns the region that the request was signed for; versions 2 and 4A do not contain one.
    pub(super) fn region(&self) -> Option<&str> {
        if let Self::V4 { key, .. } = self { Some(key.region()) } else { None }
    }

    /// Returns whether the signature covers the body.
    pub(super) fn body(&self) -> BodySignature {
        let unsigned = self
            .headers()
            .any(|(name, value)| name == "x-amz-content-sha256" && value.starts_with("UNSIGNED"));
        if unsigned { BodySignature::Unsigned } else { BodySignature::Covered }
    }

    /// Computes the steps to the signature of `request` once more.
    pub(super) fn steps_of(
        &self,
        request: &sign::Request<'_>,
        payload: v4::Payload<'_>,
    ) -> Option<sign::Steps> {
        match self {
            Self::Anonymous => None,
            Self::Whole(signed) => Some(signed.steps.clone()),
            Self::V4 { key, time, .. } => {
                key.sign(request, payload, *time).ok().map(|signed| signed.steps)
            }
        }
    }

    /// Stores the result of [`Signing::steps_of`] for [`Signing::explain`].
    pub(super) fn keep_steps(&mut self, computed: Option<sign::Steps>) {
        if let Self::V4 { steps, .. } = self {
            *steps = computed.map(Box::new);
        }
    }

    /// Explains the signature of a request that was refused.
    pub(super) fn explain(&self) -> Option<Explanation<'_>> {
        match self {
            Self::Anonymous => None,
            Self::Whole(signed) => Some(signed.explain()),
            Self::V4 { steps, .. } => steps.as_ref().map(|steps| steps.explain()),
        }
    }

    /// Returns the signature, which authorizes the request.
    pub(super) fn signature(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Whole(signed) => Some(&signed.steps.signature),
            Self::V4 { authorization, .. } => Some(authorization.signature()),
        }
    }

    /// Returns the signer of a body's chunks, which only version 4 has.
    pub(super) fn chunk_signer(&self) -> std::result::Result<Option<ChunkSigner>, sign::Error> {
        match self {
            Self::V4 { authorization, key, time, .. } => {
                ChunkSigner::new(key, *time, authorization.signature()).map(Some)
            }
            Self::Anonymous | Self::Whole(_) => Ok(None),
        }
    }
}

/// Returns the texts that errors about a request must not show: the keys that it was signed with,
/// the signature in its headers, and its authorization at the proxies.
pub(super) fn secrets_of(lease: &Lease, signature: Option<&str>, config: &Config) -> Secrets {
    /// The length of generated access keys. Shorter ones are chosen by people, and may be words
    /// that appear in any message.
    const GENERATED_ID: usize = 16;
    let keys = lease.credentials.iter();
    let keys = keys.flat_map(|keys| {
        let id = Some(keys.access_key_id()).filter(|id| id.len() >= GENERATED_ID);
        id.into_iter().chain([keys.secret_access_key()]).chain(keys.session_token())
    });
    let secrets = keys.chain(signature).fold(Secrets::new(), Secrets::with);
    config.proxy_secrets().iter().fold(secrets, |secrets, secret| secrets.with(secret))
}

impl Call<'_> {
    /// Returns the texts that errors about this request must not show.
    pub(super) fn secrets_of(
        &self,
        lease: &Lease,
        signature: Option<&str>,
        config: &Config,
    ) -> Secrets {
        self.customer_keys().fold(secrets_of(lease, signature, config), Secrets::with)
    }
}

impl Inner {
    /// Returns `server`, the time of the server's clock, if it is plausible.
    pub(super) fn believable(&self, server: Timestamp) -> Option<Timestamp> {
        let own = Timestamp::from(self.config.clock.now());
        Some(server).filter(|server| is_believable(own, *server))
    }

    /// Signs `request`.
    pub(super) fn sign(
        &self,
        request: &sign::Request<'_>,
        located: &Located,
        lease: &Arc<Lease>,
        payload: v4::Payload<'_>,
    ) -> std::result::Result<Signing, sign::Error> {
        let Some(credentials) = &lease.credentials else { return Ok(Signing::Anonymous) };
        let time = self.now();
        match self.config.signature {
            SignatureVersion::V2 => {
                v2::sign(request, located.host_bucket(), credentials, time).map(Signing::Whole)
            }
            #[cfg(feature = "sigv4a")]
            SignatureVersion::V4 if located.is_for_every_region() => {
                let key = self.signing_keys.pair_of(lease, credentials)?;
                key.sign(request, payload, every_region(located), time).map(Signing::Whole)
            }
            SignatureVersion::V4 => {
                let key = self.signing_key(lease, credentials, time, located)?;
                let authorization = key.authorize(request, payload, time)?;
                Ok(Signing::V4 { authorization, key, time, steps: None })
            }
        }
    }

    /// Returns whether bodies are hashed: version 2 does not have a header for the hash.
    pub(super) fn signs_payload(&self, located: &Located) -> bool {
        self.config.signature == SignatureVersion::V4
            && match self.config.payload {
                PayloadSigning::Auto => located.scheme() == Scheme::Http,
                PayloadSigning::Signed => true,
                PayloadSigning::Unsigned => false,
            }
    }

    /// Returns the derived key, which is cached between requests: it changes once a day.
    pub(super) fn signing_key(
        &self,
        lease: &Arc<Lease>,
        credentials: &sign::Credentials,
        time: Timestamp,
        located: &Located,
    ) -> std::result::Result<Arc<v4::SigningKey>, sign::Error> {
        let (region, service) = (located.signing_region(), located.signing_service());
        self.signing_keys.of(lease, credentials, time, v4::Scope { region, service })
    }

    /// Returns the time of the server's clock, as far as it is known.
    pub(super) fn now(&self) -> Timestamp {
        let own = Timestamp::from(self.config.clock.now()).unix();
        Timestamp::from_unix(own.saturating_add(self.clock_offset.load(Ordering::Relaxed)))
    }
}

/// Returns the scope of a signature of version 4A that every region accepts.
#[cfg(feature = "sigv4a")]
pub(super) fn every_region(located: &Located) -> v4a::MultiRegionScope<'static> {
    v4a::MultiRegionScope { regions: &["*"], service: located.signing_service() }
}

/// Returns the error for a request that cannot be signed.
pub(super) fn unsignable(error: &sign::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the request cannot be signed: {error}"))
}
