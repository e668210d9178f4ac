//! Verification of server certificates, against the authorities of a trust store and the
//! certificates that the user named, or not at all.

use super::error::OptionsError;
use super::options::{ClientCertificate, TlsVerification, TrustStore};
use super::problem::is_authority;
use super::roots::{certificates, roots};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::sync::Arc;

/// A verifier of server certificates.
#[derive(Debug)]
pub(super) struct Trust {
    provider: Arc<CryptoProvider>,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Authorities {
        verifier: Arc<WebPkiServerVerifier>,
        /// The certificates that the user named. A server may also present one of them as its own.
        named: Vec<CertificateDer<'static>>,
    },
    /// Accepts any certificate (`skipverify`). The signatures of the handshake are still verified,
    /// because that costs nothing.
    AnyCertificate,
}

impl Trust {
    /// Creates a verifier. The extra certificates are parsed even if verification is off, so that
    /// an error in them does not remain hidden until verification is turned on.
    pub(super) fn new(
        verification: TlsVerification,
        store: TrustStore,
        extra_pem: &[u8],
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, OptionsError> {
        let named = certificates(extra_pem)?;
        let roots = Arc::new(roots(store, &named)?);
        let rule = match verification {
            TlsVerification::Skip => Rule::AnyCertificate,
            TlsVerification::Full => {
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
                let verifier = verifier
                    .build()
                    .map_err(|error| OptionsError(format!("TLS cannot be set up: {error}")))?;
                Rule::Authorities { verifier, named }
            }
        };
        Ok(Self { provider, rule })
    }
}

/// Parses the client's certificate chain and private key.
pub(super) fn identity(
    own: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), OptionsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&own.chain_pem).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
        OptionsError(
            "the client certificate does not contain a valid PEM block of type CERTIFICATE".into(),
        )
    })?;
    // The reason is left out, because it could quote a part of the key.
    let key = PrivateKeyDer::from_pem_slice(&own.key_pem).map_err(|_| {
        OptionsError(
            "the key of the client certificate does not contain a valid PEM block: it must be a \
             private key in PKCS#8, PKCS#1 or SEC 1 form, without a passphrase"
                .into(),
        )
    })?;
    Ok((chain, key))
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Rule::Authorities { verifier, named } = &self.rule else {
            return Ok(ServerCertVerified::assertion());
        };
        match verifier.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // `openssl req -x509` makes certificates that are their own authority. webpki never
            // accepts such a certificate from a server, even if it is trusted. If it is identical
            // to a certificate that the user named, it is accepted here. At this point webpki has
            // already checked its dates (before the constraints); only the name remains to be
            // verified.
            Err(Error::InvalidCertificate(error))
                if is_authority(&error) && named.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
