//! How a transport reaches servers, and for how long it waits.

use crate::net::proxy::Proxy;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// Whether a server's certificate is verified.
///
/// Verified are RSA keys of 2048 to 8192 bits, P-256 and P-384 keys with SHA-256 or SHA-384, and Ed25519 keys, over TLS 1.2
/// and 1.3 with ECDHE. Servers that have only P-521 keys, P-256 with SHA-512, SHA-1 signatures, static RSA key exchange or
/// TLS 1.1 cannot be reached, whatever is chosen here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVerification {
    /// The certificate is verified.
    #[default]
    Full,
    /// The certificate is not verified (`skipverify`): anyone between here and the server can read and change everything.
    Skip,
}

/// How long an idle connection is kept. S3 was seen to close connections that were idle for more
/// than 5 s, which is AWS's own default for S3 clients too (aws-sdk-java-v2, pull request 1450).
pub(crate) const IDLE_LIFETIME: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct TransportOptions {
    pub(crate) verification: TlsVerification,
    /// PEM text: certificates trusted beside the built-in ones (webpki-roots).
    pub(crate) extra_roots_pem: Vec<u8>,
    /// What the client shows to servers that ask for a certificate.
    pub(crate) client_certificate: Option<ClientCertificate>,
    /// Never taken from the environment.
    pub(crate) proxy: Option<Proxy>,
    /// For name lookup, TCP, proxy and TLS together.
    pub(crate) connect_timeout: Duration,
    /// The longest wait for one read or one write to make progress.
    pub(crate) idle_timeout: Duration,
    /// Over this much waiting, and at least over the idle timeout, bytes without a deadline must keep a pace: see
    /// `wait::Pace`.
    pub(crate) stall_timeout: Duration,
    /// Idle connections kept per origin.
    pub(crate) idle_connections: usize,
    /// How long an idle connection is kept.
    pub(crate) idle_lifetime: Duration,
    /// What sends the requests instead of connections of this crate.
    #[cfg(feature = "ureq")]
    pub(crate) agent: Option<Agent>,
}

impl TransportOptions {
    /// Returns the options for servers on this machine or next to it: without a proxy or an agent,
    /// which may have one.
    pub(crate) fn without_proxy(self) -> Self {
        Self {
            proxy: None,
            #[cfg(feature = "ureq")]
            agent: None,
            ..self
        }
    }
}

/// A certificate chain and its private key as PEM text. `Debug` shows neither.
#[derive(Clone)]
pub(crate) struct ClientCertificate {
    pub(crate) chain_pem: Vec<u8>,
    pub(crate) key_pem: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate")
    }
}

/// An agent of the program's, whose `Debug` shows nothing: its proxy may have a password.
#[cfg(feature = "ureq")]
#[derive(Clone)]
pub(crate) struct Agent(pub(crate) ureq::Agent);

#[cfg(feature = "ureq")]
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agent")
    }
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            verification: TlsVerification::Full,
            extra_roots_pem: Vec::new(),
            client_certificate: None,
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(120),
            // More than the threads any one client is expected to run. An idle connection costs 16 KiB, with TLS some 150.
            idle_connections: 64,
            idle_lifetime: IDLE_LIFETIME,
            #[cfg(feature = "ureq")]
            agent: None,
        }
    }
}

/// Neither the proxy's text, which may hold a password, nor the certificates are shown.
impl fmt::Debug for TransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportOptions")
            .field("verification", &self.verification)
            .finish_non_exhaustive()
    }
}
