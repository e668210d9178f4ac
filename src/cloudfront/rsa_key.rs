//! An RSA key and the two implementations that sign with it.
//!
//! The TLS provider, which is linked if the feature `client` is enabled, signs with SHA-256 in less
//! than half of the time. It does not support SHA-1, which CloudFront assumes unless a URL
//! specifies another algorithm, and accepts only keys of 2048 to 4096 bits. The `rsa` crate makes
//! all other signatures. Both return the same bytes because RSASSA-PKCS1-v1_5 is deterministic.
use super::hash::HashAlgorithm;
use super::pem::invalid_key;
use crate::error::Result;
use sha1::Sha1;
use sha2::Sha256;
#[cfg(feature = "client")]
use {
    rustls::SignatureScheme,
    rustls::crypto::ring::sign::any_supported_type,
    rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer},
    rustls::sign::Signer,
};

/// A private key that was parsed and checked.
pub(super) struct RsaKey {
    parts: rsa::PrivateKey,
    /// The TLS provider's copy of the key, if the provider accepts it.
    #[cfg(feature = "client")]
    provider: Option<Box<dyn Signer>>,
}

impl RsaKey {
    /// Creates a key from its components and the PKCS#1 document from which they were parsed.
    pub(super) fn pkcs1(parts: rsa::PrivateKey, _der: &[u8]) -> Self {
        Self {
            parts,
            #[cfg(feature = "client")]
            provider: provider_of(&PrivatePkcs1KeyDer::from(_der).into()),
        }
    }

    /// Creates a key from its components and the PKCS#8 document from which they were parsed.
    pub(super) fn pkcs8(parts: rsa::PrivateKey, _der: &[u8]) -> Self {
        Self {
            parts,
            #[cfg(feature = "client")]
            provider: provider_of(&PrivatePkcs8KeyDer::from(_der).into()),
        }
    }

    /// Returns the components of the key.
    pub(super) const fn parts(&self) -> &rsa::PrivateKey {
        &self.parts
    }

    /// Signs `message` with RSASSA-PKCS1-v1_5.
    pub(super) fn sign(&self, message: &[u8], hash: HashAlgorithm) -> Result<Vec<u8>> {
        #[cfg(feature = "client")]
        if let (HashAlgorithm::Sha256, Some(provider)) = (hash, &self.provider)
            && let Ok(signature) = provider.sign(message)
        {
            return Ok(signature);
        }

        self.sign_with_rsa_crate(message, hash)
    }

    /// Signs with the `rsa` crate, which blinds the operation (RFC 8017 section 8.2).
    fn sign_with_rsa_crate(&self, message: &[u8], hash: HashAlgorithm) -> Result<Vec<u8>> {
        match hash {
            HashAlgorithm::Sha1 => self.parts.pkcs1v15_sign::<Sha1>(message),
            HashAlgorithm::Sha256 => self.parts.pkcs1v15_sign::<Sha256>(message),
        }
        .map_err(|e| invalid_key("signing with the RSA key failed").with_source(e))
    }
}

#[cfg(feature = "client")]
fn provider_of(key: &PrivateKeyDer<'_>) -> Option<Box<dyn Signer>> {
    any_supported_type(key).ok()?.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
}

#[cfg(all(test, feature = "client"))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use rsa::pkcs1::DecodeRsaPrivateKey as _;
    use rsa::pkcs8::{DecodePrivateKey as _, SecretDocument};

    #[test]
    fn the_provider_signs_like_the_rsa_crate() {
        let pkcs1 = include_str!("../../tests/data/cloudfront/test_rsa2048_pkcs1.pem");
        let pkcs8 = include_str!("../../tests/data/cloudfront/test_rsa2048_pkcs8.pem");
        let (_, pkcs1) = SecretDocument::from_pem(pkcs1).unwrap();
        let (_, pkcs8) = SecretDocument::from_pem(pkcs8).unwrap();
        for key in [
            RsaKey::pkcs1(
                rsa::PrivateKey::from_pkcs1_der(pkcs1.as_bytes()).unwrap(),
                pkcs1.as_bytes(),
            ),
            RsaKey::pkcs8(
                rsa::PrivateKey::from_pkcs8_der(pkcs8.as_bytes()).unwrap(),
                pkcs8.as_bytes(),
            ),
        ] {
            let provider = key.provider.as_ref().unwrap();
            for message in [&b""[..], b"policy", &[0x5a; 1000]] {
                let wanted = key.sign_with_rsa_crate(message, HashAlgorithm::Sha256).unwrap();
                assert_eq!(provider.sign(message).unwrap(), wanted);
                assert_eq!(key.sign(message, HashAlgorithm::Sha256).unwrap(), wanted);
            }
        }
    }
}
