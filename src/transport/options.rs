//! How a transport reaches servers, and how long it waits.

use crate::net::proxy_choice::ProxyChoice;
#[cfg(feature = "ureq")]
use base64::Engine;
#[cfg(feature = "ureq")]
use base64::engine::general_purpose::STANDARD;
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

/// The certificate authorities that a client trusts, in addition to the certificates that the
/// configuration names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrustStore {
    /// Mozilla's list, which is built in: the list of the crate `webpki-roots`, as of its version.
    #[default]
    Mozilla,
    /// The store of the operating system, which is read when the client is created. It needs the
    /// feature `truststore`.
    ///
    /// On Linux and the BSDs it is the folder or the file of OpenSSL, or what `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` name; on macOS the keychain, and on Windows the certificate store, unless one
    /// of these variables is set. A certificate that cannot be used is skipped. If there is none
    /// that can be used, the client cannot be created.
    System,
    /// None: only the named certificates are trusted.
    Named,
}

impl TrustStore {
    /// Returns the word that represents this value in the driver's option `truststore`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mozilla => "mozilla",
            Self::System => "system",
            Self::Named => "cacert",
        }
    }
}

/// How long an idle connection is kept. S3 has been observed to close connections that were idle
/// for more than 5 s, which is also AWS's own default for S3 clients (aws-sdk-java-v2, pull request
/// 1450).
pub(crate) const IDLE_LIFETIME: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct TransportOptions {
    pub(crate) verification: TlsVerification,
    pub(crate) trust_store: TrustStore,
    /// Certificates as PEM text, trusted in addition to the authorities of the trust store.
    pub(crate) extra_roots_pem: Vec<u8>,
    /// The certificate that the client presents to servers that request one.
    pub(crate) client_certificate: Option<ClientCertificate>,
    /// The proxy of each server.
    pub(crate) proxy: ProxyChoice,
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
            proxy: ProxyChoice::Direct,
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
impl Agent {
    /// Returns the texts that must not be shown: the credentials as the agent sends them to its
    /// proxy, and the password.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = Zeroizing<String>> + use<> {
        let proxy = self.0.config().proxy();
        let password = proxy.and_then(ureq::Proxy::password);
        let user = proxy.and_then(ureq::Proxy::username);
        let sent = user.zip(password).map(|(user, password)| {
            let text = Zeroizing::new(format!("{user}:{password}"));
            Zeroizing::new(STANDARD.encode(text.as_bytes()))
        });
        let password = password.map(|text| Zeroizing::new(text.to_owned()));
        sent.into_iter().chain(password)
    }
}

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
            trust_store: TrustStore::Mozilla,
            extra_roots_pem: Vec::new(),
            client_certificate: None,
            proxy: ProxyChoice::Direct,
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
