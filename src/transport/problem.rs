//! The reasons why a TLS handshake fails. They decide whether another attempt can help, and provide
//! the text of the error message.

use crate::time::Timestamp;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use std::fmt;

/// The reason why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsProblem {
    /// The server's first bytes are not TLS.
    PlainServer,
    /// The server responded with TLS to a request over plain TCP.
    TlsServer,
    /// The server does not support any TLS version that this client supports.
    Version,
    /// The server and the client do not have a cipher suite, key exchange or signature algorithm in
    /// common.
    Algorithms,
    /// The server requires a client certificate.
    ClientCertificate,
    /// The server does not have a certificate for this host name.
    UnrecognisedName,
    /// The server refused the handshake for another reason.
    Alert,
    /// The certificate is signed by an authority that is not trusted.
    UnknownAuthority,
    /// The certificate is for other names.
    WrongName,
    /// The certificate has expired, according to this machine's clock.
    Expired(Timestamp),
    /// The certificate is not valid yet, according to this machine's clock.
    NotYetValid(Timestamp),
    /// The server presents an authority's certificate as its own.
    AuthorityAsServer,
    /// The certificate's key or signature uses an algorithm that cannot be verified here.
    CertificateAlgorithm,
    /// The certificate was refused for another reason.
    Certificate,
    /// The host name cannot be used in a TLS handshake.
    HostName,
    /// The handshake was interrupted, or its bytes are malformed.
    Broken,
}

impl TlsProblem {
    /// Classifies an error of the TLS session.
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
            // `BadSignature` occurs when another authority with the same name is trusted, such as
            // an older one of the same server.
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
            // Caused by the session or the state of the server: another attempt may succeed.
            CloseNotify | BadRecordMac | DecryptionFailed | DecodeError | DecryptError
            | InternalError | UserCanceled | RecordOverflow | UnexpectedMessage
            | UnknownPSKIdentity => Self::Broken,
            _ => Self::Alert,
        }
    }

    /// Returns whether another attempt would fail in the same way.
    pub(super) const fn is_permanent(self) -> bool {
        !matches!(self, Self::Broken)
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainServer => "the server does not speak TLS",
            Self::TlsServer => "the server speaks TLS, but the request was sent without it",
            Self::Version => {
                "the server does not support a TLS version of this client (1.2 and 1.3)"
            }
            Self::Algorithms => "server and client have no TLS algorithms in common",
            Self::ClientCertificate => {
                "the server refused the handshake, most likely because it requires a client \
                 certificate"
            }
            Self::UnrecognisedName => "the server does not have a certificate for this host name",
            Self::Alert => "the server refused the TLS handshake",
            Self::UnknownAuthority => {
                "the certificate of the server is refused: its authority is not trusted"
            }
            Self::WrongName => "the certificate of the server is refused: it is for other names",
            Self::Expired(_) => "the certificate of the server is refused: it has expired",
            Self::NotYetValid(_) => "the certificate of the server is refused: it is not valid yet",
            Self::AuthorityAsServer => {
                "the certificate of the server is refused: it is the certificate of an authority, \
                 not of a server"
            }
            Self::CertificateAlgorithm => {
                "the certificate of the server is refused: its key or signature algorithm is not \
                 supported"
            }
            Self::Certificate => "the certificate of the server is refused",
            Self::HostName => "the host name cannot be used in a TLS handshake",
            Self::Broken => "the TLS handshake failed",
        })
    }
}

/// Returns whether a server's certificate was refused because it is an authority's.
pub(super) fn is_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_signed_with_an_unknown_algorithm_is_named() {
        let (signature_algorithm_id, public_key_algorithm_id) = (vec![6, 3], vec![6, 4]);
        for error in [
            CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: signature_algorithm_id.clone(),
                supported_algorithms: Vec::new(),
            },
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id,
                public_key_algorithm_id,
            },
        ] {
            let problem = TlsProblem::of(&Error::InvalidCertificate(error));
            assert_eq!(problem, TlsProblem::CertificateAlgorithm);
        }
    }
}
