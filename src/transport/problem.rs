//! Why a TLS handshake fails, as far as that can be named: what decides whether another attempt can help, and what a
//! message says.

use crate::time::Timestamp;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use std::fmt;

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsProblem {
    /// The server's first bytes are not TLS.
    PlainServer,
    /// The server responds with TLS to a request over plain TCP.
    TlsServer,
    /// The server has no version of TLS that this client has.
    Version,
    /// Server and client have no cipher suite, key exchange or signature algorithm in common.
    Algorithms,
    /// The server wants a certificate of the client's.
    ClientCertificate,
    /// The server has no certificate for this host name.
    UnrecognisedName,
    /// The server refuses the handshake for another reason.
    Alert,
    /// The certificate is signed by an authority that is not trusted.
    UnknownAuthority,
    /// The certificate is for other names.
    WrongName,
    /// The certificate has expired, by this machine's clock.
    Expired(Timestamp),
    /// The certificate is not valid yet, by this machine's clock.
    NotYetValid(Timestamp),
    /// The server shows an authority's certificate as its own.
    AuthorityAsServer,
    /// The certificate's key or signature is of a kind that cannot be verified here.
    CertificateAlgorithm,
    /// The certificate is refused for another reason.
    Certificate,
    /// The host name cannot stand in a handshake.
    HostName,
    /// The handshake broke off, or its bytes make no sense.
    Broken,
}

impl TlsProblem {
    /// Names what an error of the TLS session reports.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::NoCertificatesPresented => Self::Certificate,
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired,
            )
            | Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => Self::Version,
            Error::PeerIncompatible(_) => Self::Algorithms,
            Error::UnsupportedNameType => Self::HostName,
            _ => Self::Broken,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        let shown = |time: &rustls::pki_types::UnixTime| {
            Timestamp::from_unix(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
        };
        match error {
            CertificateError::ExpiredContext { time, .. } => Self::Expired(shown(time)),
            CertificateError::NotValidYetContext { time, .. } => Self::NotYetValid(shown(time)),
            // The latter when another authority of the same name is trusted, such as an older one of the same server.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::UnknownAuthority
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::CertificateAlgorithm
            }
            error if is_authority(error) => Self::AuthorityAsServer,
            _ => Self::Certificate,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        use AlertDescription::*;
        match alert {
            ProtocolVersion | InappropriateFallback => Self::Version,
            HandshakeFailure | InsufficientSecurity => Self::Algorithms,
            CertificateRequired
            | NoCertificate
            | BadCertificate
            | UnsupportedCertificate
            | CertificateUnknown => Self::ClientCertificate,
            UnrecognisedName => Self::UnrecognisedName,
            // The session or the server's own state: another attempt may pass.
            CloseNotify | BadRecordMac | DecryptionFailed | DecodeError | DecryptError
            | InternalError | UserCanceled | RecordOverflow | UnexpectedMessage
            | UnknownPSKIdentity => Self::Broken,
            _ => Self::Alert,
        }
    }

    /// Whether another attempt would end in the same way.
    pub(super) const fn is_permanent(self) -> bool {
        !matches!(self, Self::Broken)
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainServer => "the server does not speak TLS",
            Self::TlsServer => "the server speaks TLS, and the request was sent without",
            Self::Version => "the server has no TLS version that this client has (1.2 and 1.3)",
            Self::Algorithms => "server and client have no TLS algorithms in common",
            Self::ClientCertificate => "the server refused the handshake, most likely for want of a client certificate",
            Self::UnrecognisedName => "the server has no certificate for this host name",
            Self::Alert => "the server refused the TLS handshake",
            Self::UnknownAuthority => "the certificate of the server is refused: its authority is not trusted",
            Self::WrongName => "the certificate of the server is refused: it is for other names",
            Self::Expired(_) => "the certificate of the server is refused: it has expired",
            Self::NotYetValid(_) => "the certificate of the server is refused: it is not valid yet",
            Self::AuthorityAsServer => {
                "the certificate of the server is refused: it is the certificate of an authority, not of a server"
            }
            Self::CertificateAlgorithm => {
                "the certificate of the server is refused: its key or signature algorithm is not supported"
            }
            Self::Certificate => "the certificate of the server is refused",
            Self::HostName => "the host name cannot stand in a TLS handshake",
            Self::Broken => "the TLS handshake failed",
        })
    }
}

/// Whether a server's certificate was refused for being an authority's.
pub(super) fn is_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity")
}
