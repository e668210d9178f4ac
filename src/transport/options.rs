//! How a transport reaches servers, and how long it waits.

use crate::net::proxy::Proxy;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// Verification of server certificates.
///
/// Supported are RSA keys of 2048 to 8192 bits, P-256 and P-384 keys with SHA-256 or SHA-384, and
/// Ed25519 keys, over TLS 1.2 and 1.3 with ECDHE. Servers that offer only P-521 keys, P-256 with
/// SHA-512, SHA-1 signatures, static RSA key exchange or TLS 1.1 cannot be reached with either
/// setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVerification {
    /// The certificate is verified.
    #[default]
    Full,
    /// The certificate is not verified (`skipverify`). An attacker between the client and the
    /// server can read and change all data.
    Skip,
}

/// How long an idle connection is kept. S3 has been observed to close connections that were idle
/// for more than 5 s, which is also AWS's own default for S3 clients (aws-sdk-java-v2, pull request
/// 1450).
pub(crate) const IDLE_LIFETIME: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct TransportOptions {
    pub(crate) verification: TlsVerification,
    /// Certificates as PEM text, trusted in addition to the built-in ones (webpki-roots).
    pub(crate) extra_roots_pem: Vec<u8>,
    /// The certificate that the client presents to servers that request one.
    pub(crate) client_certificate: Option<ClientCertificate>,
    /// The proxy, if any. It is never taken from the environment.
    pub(crate) proxy: Option<Proxy>,
    /// Limits name lookup, TCP, proxy and TLS together.
    pub(crate) connect_timeout: Duration,
    /// The longest wait for one read or one write to make progress.
    pub(crate) idle_timeout: Duration,
    /// The waiting time (the idle timeout, if that is longer) over which a transfer without a
    /// deadline must keep a minimum pace: see `wait::Pace`.
    pub(crate) stall_timeout: Duration,
    /// The maximum number of idle connections per origin.
    pub(crate) idle_connections: usize,
    /// How long an idle connection is kept.
    pub(crate) idle_lifetime: Duration,
    /// The agent that sends the requests instead of this crate's own connections.
    #[cfg(feature = "ureq")]
    pub(crate) agent: Option<Agent>,
}

impl TransportOptions {
    /// Returns the options for servers on this machine or next to it: without a proxy, and without
    /// an agent, because an agent may have a proxy.
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

/// An agent of the program. `Debug` shows nothing of it, because its proxy may have a password.
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
            // More than the number of threads that a client is expected to run. An idle connection
            // costs 16 KiB, or about 150 KiB with TLS.
            idle_connections: 64,
            idle_lifetime: IDLE_LIFETIME,
            #[cfg(feature = "ureq")]
            agent: None,
        }
    }
}

/// Shows neither the proxy's text, which may contain a password, nor the certificates.
impl fmt::Debug for TransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportOptions")
            .field("verification", &self.verification)
            .finish_non_exhaustive()
    }
}
