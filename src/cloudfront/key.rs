//! The key pair: the private key signs here, CloudFront holds the public key.
//!
//! CloudFront takes RSA keys of 2048 bits and ECDSA keys on the curve P-256
//! ([API reference, `PublicKey`](https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_PublicKey.html)).
use super::pem::{self, Block, broken};
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::text::{Form, Resemblance, base64_of, der_of, resemblance, shown_value};
use base64::{Engine, engine::general_purpose::STANDARD};
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use rsa::pkcs8::{
    DecodePrivateKey, DecodePublicKey, Document, ObjectIdentifier, PrivateKeyInfoRef,
    SecretDocument,
};
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, sha2::Digest};
use sha1::Sha1;
use sha2::Sha256;
use std::fmt;
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// No key file is larger, even with a chain of certificates around the key.
const MAX_PEM_BYTES: usize = 64 * 1024;
const PUBLIC: &str =
    "this is a public key, which cannot sign: give the private key that belongs to it";
const NO_KEY: &str = "the text holds no PEM private key \
    (a DER file is converted by `openssl pkey -inform DER -in FILE -out key.pem`)";
#[cfg(feature = "ecdsa")]
const NO_CURVE: &str =
    "the EC key cannot be read: CloudFront knows only the curve P-256 (prime256v1)";
#[cfg(not(feature = "ecdsa"))]
const NO_ECDSA: &str =
    "this is an EC key: build s3driver with its feature `ecdsa`, or use an RSA key";
const RSA_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// With what the policy is hashed before it is signed.
///
/// CloudFront takes SHA-1 unless it is told otherwise, for RSA and ECDSA alike
/// ([developer guide](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-linux-openssl.html)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// What CloudFront assumes when nothing is said.
    #[default]
    Sha1,
    /// Said by `Hash-Algorithm=SHA256` or the cookie `CloudFront-Hash-Algorithm=SHA256`; known to CloudFront since
    /// April 2026.
    Sha256,
}

/// How short an RSA key may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaMinimum {
    /// CloudFront's own size.
    #[default]
    Bits2048,
    /// For tests with keys that are quick to make: CloudFront takes no such key.
    Bits1024ForTests,
}

/// A private key, parsed and checked once. Wiped when dropped; `Debug` shows its kind and nothing else.
pub struct PrivateKey(Private);

enum Private {
    Rsa(Box<rsa::PrivateKey>),
    #[cfg(feature = "ecdsa")]
    P256(p256::ecdsa::SigningKey),
}

/// The other half, to check what was signed.
#[derive(Clone)]
pub struct PublicKey(Public);

#[derive(Clone)]
enum Public {
    Rsa(Box<rsa::PublicKey>),
    #[cfg(feature = "ecdsa")]
    P256(p256::ecdsa::VerifyingKey),
}

impl PrivateKey {
    /// Reads a key from PEM text: `RSA PRIVATE KEY` (PKCS#1), `PRIVATE KEY` (PKCS#8) or, with feature `ecdsa`,
    /// `EC PRIVATE KEY` (SEC1). Text, certificates and parameters around it are ignored; line ends may be written out (`\n`).
    /// All of it may be in base64, as PEM or as DER.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a text without a key, with two, with an encrypted or a public key, with a key
    /// CloudFront does not take (RSA below 2048 bits, other curves, other algorithms) or one that is damaged.
    pub fn from_pem(text: &str) -> Result<Self> {
        Self::from_pem_with_minimum(text, RsaMinimum::Bits2048)
    }

    /// The same with another lower limit for RSA keys.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pem`].
    pub fn from_pem_with_minimum(text: &str, minimum: RsaMinimum) -> Result<Self> {
        let inner = nested(text);
        let text = inner.as_ref().map_or(text, |inner| inner);
        let blocks = pem::blocks(text)?;
        let mut keys = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
        let Some(block) = keys.next() else {
            let public = blocks.iter().any(|block| block.label.ends_with("PUBLIC KEY"));
            return Err(broken(if public { PUBLIC } else { NO_KEY }));
        };
        if keys.next().is_some() {
            return Err(broken(
                "the text holds more than one private key: keep the one CloudFront knows",
            ));
        }
        let key = Self::from_block(block)?;
        key.check_size(minimum)?;
        Ok(key)
    }

    /// Reads a PEM file of at most 64 KiB. What was read is wiped after parsing.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the file cannot be read, and as [`PrivateKey::from_pem`]. The error names the path
    /// unless that may be the text of a key, given in place of one.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let shown = shown_value(&path.as_ref().to_string_lossy(), Form::Path).to_string();
        let bytes = files::read(path.as_ref(), MAX_PEM_BYTES).map_err(|e| {
            let text = match e.kind() {
                io::ErrorKind::FileTooLarge => {
                    "the privatekey file is larger than 64 KiB, so it is no key"
                }
                _ => "failed to read privatekey file",
            };
            broken(text).with_path(&*shown).with_source(e)
        })?;
        // Bytes that are no text hold no PEM block either: the same advice fits.
        Self::from_pem(&text_of(&bytes)).map_err(|e| e.with_path(shown))
    }

    /// Whether `text` is a key as [`PrivateKey::from_pem`] reads it, good or damaged, rather than the path of one.
    pub(crate) fn is_text(text: &str) -> bool {
        resemblance(text) == Some(Resemblance::PrivateKey) || nested(text).is_some()
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(match &self.0 {
            Private::Rsa(key) => Public::Rsa(Box::new(key.to_public_key())),
            #[cfg(feature = "ecdsa")]
            Private::P256(key) => Public::P256(*key.verifying_key()),
        })
    }

    /// Signs: RSASSA-PKCS1-v1_5, blinded (RFC 8017 section 8.2), or ECDSA as DER (RFC 3279 section 2.2.3), with the
    /// nonce of RFC 6979.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the private operation fails: the system gives no randomness for the blinding,
    /// or the key's parts do not belong together.
    pub fn sign(&self, message: &[u8], hash: HashAlgorithm) -> Result<Vec<u8>> {
        match &self.0 {
            Private::Rsa(key) => match hash {
                HashAlgorithm::Sha1 => key.pkcs1v15_sign::<Sha1>(message),
                HashAlgorithm::Sha256 => key.pkcs1v15_sign::<Sha256>(message),
            }
            .map_err(|e| broken("signing with the RSA key failed").with_source(e)),
            #[cfg(feature = "ecdsa")]
            Private::P256(key) => {
                use p256::ecdsa::{DerSignature, signature::hazmat::PrehashSigner};
                let signature: DerSignature = key
                    .sign_prehash(&hash.digest(message))
                    .map_err(|e| broken("signing with the EC key failed").with_source(e))?;
                Ok(signature.as_bytes().to_vec())
            }
        }
    }

    fn from_block(block: &Block<'_>) -> Result<Self> {
        const ENCRYPTED: &str = "the private key is encrypted: take the passphrase off with `openssl pkey -in FILE -out plain.pem`";
        match block.label {
            "ENCRYPTED PRIVATE KEY" => return Err(broken(ENCRYPTED)),
            _ if block.is_legacy_encrypted() => return Err(broken(ENCRYPTED)),
            "OPENSSH PRIVATE KEY" => {
                return Err(broken(
                    "the private key is in OpenSSH's own format: convert a copy with `ssh-keygen -p -m PEM -f COPY`",
                ));
            }
            "RSA PRIVATE KEY" | "PRIVATE KEY" | "EC PRIVATE KEY" => {}
            other => {
                return Err(broken(format!(
                    "a key of the kind `{other}` cannot sign for CloudFront: use RSA or ECDSA"
                )));
            }
        }
        let damaged = |e: rsa::pkcs8::der::Error| {
            broken("the private key is damaged: its PEM text cannot be decoded").with_source(e)
        };
        let (_, der) = SecretDocument::from_pem(&block.normalised()).map_err(damaged)?;
        match block.label {
            "RSA PRIVATE KEY" => {
                let key = rsa::PrivateKey::from_pkcs1_der(der.as_bytes()).map_err(bad_rsa)?;
                Ok(Self(Private::Rsa(Box::new(key))))
            }
            "EC PRIVATE KEY" => Self::from_ec(der.as_bytes(), EcFormat::Sec1),
            _ => {
                let algorithm = PrivateKeyInfoRef::try_from(der.as_bytes())
                    .map_err(|e| {
                        broken("the private key is damaged: it is no PKCS#8 document")
                            .with_source(e)
                    })?
                    .algorithm
                    .oid;
                match algorithm {
                    RSA_OID => {
                        let key =
                            rsa::PrivateKey::from_pkcs8_der(der.as_bytes()).map_err(bad_rsa)?;
                        Ok(Self(Private::Rsa(Box::new(key))))
                    }
                    EC_OID => Self::from_ec(der.as_bytes(), EcFormat::Pkcs8),
                    other => Err(broken(format!(
                        "a key of the algorithm {other} cannot sign for CloudFront: use RSA or ECDSA"
                    ))),
                }
            }
        }
    }

    #[cfg(feature = "ecdsa")]
    fn from_ec(der: &[u8], format: EcFormat) -> Result<Self> {
        let key = match format {
            EcFormat::Sec1 => {
                p256::SecretKey::from_sec1_der(der).map_err(|e| broken(NO_CURVE).with_source(e))
            }
            EcFormat::Pkcs8 => {
                p256::SecretKey::from_pkcs8_der(der).map_err(|e| broken(NO_CURVE).with_source(e))
            }
        }?;
        Ok(Self(Private::P256(key.into())))
    }

    #[cfg(not(feature = "ecdsa"))]
    fn from_ec(_: &[u8], _: EcFormat) -> Result<Self> {
        Err(broken(NO_ECDSA))
    }

    fn check_size(&self, minimum: RsaMinimum) -> Result<()> {
        let (bits, least) = match &self.0 {
            Private::Rsa(key) => (key.n().bit_width_vartime(), minimum.bits()),
            #[cfg(feature = "ecdsa")]
            Private::P256(_) => return Ok(()),
        };
        if bits < least {
            return Err(broken(format!(
                "the RSA key has {bits} bits, at least {least} are needed"
            )));
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum EcFormat {
    Sec1,
    Pkcs8,
}

impl PublicKey {
    /// Reads a public key from PEM text: `PUBLIC KEY` (SPKI, what is uploaded to CloudFront) or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when there is none, or one that CloudFront does not take.
    pub fn from_pem(text: &str) -> Result<Self> {
        let blocks = pem::blocks(text)?;
        let block = blocks
            .iter()
            .find(|block| matches!(block.label, "PUBLIC KEY" | "RSA PUBLIC KEY"))
            .ok_or_else(|| broken("the text holds no PEM public key"))?;
        let (_, der) = Document::from_pem(&block.normalised()).map_err(|e| {
            broken("the public key is damaged: its PEM text cannot be decoded").with_source(e)
        })?;
        let der = der.as_bytes();
        if block.label == "RSA PUBLIC KEY" {
            return Ok(Self(Public::Rsa(Box::new(
                rsa::PublicKey::from_pkcs1_der(der).map_err(bad_rsa)?,
            ))));
        }
        let algorithm = SubjectPublicKeyInfoRef::try_from(der)
            .map_err(|e| {
                broken("the public key is damaged: it is no SPKI document").with_source(e)
            })?
            .algorithm
            .oid;
        match algorithm {
            RSA_OID => Ok(Self(Public::Rsa(Box::new(
                rsa::PublicKey::from_public_key_der(der).map_err(bad_rsa)?,
            )))),
            #[cfg(feature = "ecdsa")]
            EC_OID => Ok(Self(Public::P256(
                p256::ecdsa::VerifyingKey::from_public_key_der(der)
                    .map_err(|e| broken(NO_CURVE).with_source(e))?,
            ))),
            #[cfg(not(feature = "ecdsa"))]
            EC_OID => Err(broken(NO_ECDSA)),
            other => Err(broken(format!(
                "a key of the algorithm {other} cannot sign for CloudFront: use RSA or ECDSA"
            ))),
        }
    }

    /// Checks a signature made by [`PrivateKey::sign`].
    ///
    /// # Errors
    /// [`ErrorKind::SignatureRejected`] when message, signature, hash and key do not belong together.
    pub fn verify(&self, message: &[u8], signature: &[u8], hash: HashAlgorithm) -> Result<()> {
        let rejected = || Error::new(ErrorKind::SignatureRejected, "the signature does not match");
        match &self.0 {
            Public::Rsa(key) => {
                let scheme = match hash {
                    HashAlgorithm::Sha1 => Pkcs1v15Sign::new::<Sha1>(),
                    HashAlgorithm::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
                };
                key.verify(scheme, &hash.digest(message), signature).map_err(|_| rejected())
            }
            #[cfg(feature = "ecdsa")]
            Public::P256(key) => {
                use p256::ecdsa::{DerSignature, signature::hazmat::PrehashVerifier};
                let signature = DerSignature::try_from(signature).map_err(|_| rejected())?;
                key.verify_prehash(&hash.digest(message), &signature).map_err(|_| rejected())
            }
        }
    }
}

impl HashAlgorithm {
    /// CloudFront's name: `SHA1`, `SHA256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
        }
    }
}

impl RsaMinimum {
    const fn bits(self) -> u32 {
        match self {
            Self::Bits2048 => 2048,
            Self::Bits1024ForTests => 1024,
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Private::Rsa(_) => "PrivateKey(RSA, redacted)",
            #[cfg(feature = "ecdsa")]
            Private::P256(_) => "PrivateKey(P-256, redacted)",
        })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Public::Rsa(_) => "PublicKey(RSA)",
            #[cfg(feature = "ecdsa")]
            Public::P256(_) => "PublicKey(P-256)",
        })
    }
}

/// Returns the PEM text that `text` holds in base64: that of a PEM document, or of a DER document, which gets the label
/// of its kind here.
fn nested(text: &str) -> Option<Zeroizing<String>> {
    if text.contains("-----BEGIN") {
        return None;
    }
    let plain = text.trim_start_matches('\u{feff}').trim().trim_matches(['"', '\'']);
    // Line ends that are written out would be letters of base64.
    let plain = Zeroizing::new(plain.replace("\\r", "\n").replace("\\n", "\n").replace('\\', ""));
    let bytes = base64_of(&plain)?;
    if let Some(inner) =
        std::str::from_utf8(&bytes).ok().filter(|inner| inner.contains("-----BEGIN"))
    {
        return Some(Zeroizing::new(inner.to_owned()));
    }
    let der = der_of(&plain)?;
    let label = if PrivateKeyInfoRef::try_from(&**der).is_ok() {
        "PRIVATE KEY"
    } else if rsa::PrivateKey::from_pkcs1_der(&der).is_ok() {
        "RSA PRIVATE KEY"
    } else {
        "EC PRIVATE KEY"
    };
    Some(Zeroizing::new(format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        &*in_base64(&der)
    )))
}

/// Encodes a document into memory that is wiped.
fn in_base64(der: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(der))
}

/// Returns the text of a file: UTF-8, or UTF-16 with its mark, as PowerShell writes. Other bytes are an empty text.
fn text_of(bytes: &[u8]) -> Zeroizing<String> {
    let units = |unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).skip(1).map(|pair| unit([pair[0], pair[1]]));
        Zeroizing::new(
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
        )
    };
    match bytes {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        _ => Zeroizing::new(std::str::from_utf8(bytes).unwrap_or_default().to_owned()),
    }
}

fn bad_rsa(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    broken("the RSA key cannot be read: it is damaged, or of a size or exponent no one uses")
        .with_source(source)
}
