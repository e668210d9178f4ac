//! The key pair: the private key signs here, and CloudFront holds the public key.
//!
//! CloudFront accepts 2048-bit RSA keys and ECDSA keys on the curve P-256 ([API reference,
//! `PublicKey`](https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_PublicKey.html)).
use super::hash::HashAlgorithm;
use super::pem::{self, Block, invalid_key};
use super::rsa_key::RsaKey;
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::text::{Form, Resemblance, base64_of, der_of, resemblance, shown_value};
use base64::{Engine, engine::general_purpose::STANDARD};
use rsa::Pkcs1v15Sign;
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use rsa::pkcs8::{
    DecodePrivateKey, DecodePublicKey, Document, ObjectIdentifier, PrivateKeyInfoRef,
    SecretDocument,
};
use rsa::traits::PublicKeyParts;
use sha1::Sha1;
use sha2::Sha256;
use std::fmt;
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// The maximum size of a key file. No key comes close to it, even with a certificate chain in the
/// same file.
const MAX_PEM_BYTES: usize = 64 * 1024;
const PUBLIC: &str = "this is a public key, which cannot sign: use the matching private key";
const NO_KEY: &str = "the text does not contain a PEM private key (to convert a DER file, use \
                      `openssl pkey -inform DER -in FILE -out key.pem`)";
#[cfg(feature = "ecdsa")]
const NO_CURVE: &str =
    "the EC key cannot be read: CloudFront accepts only the curve P-256 (prime256v1)";
#[cfg(not(feature = "ecdsa"))]
const NO_ECDSA: &str =
    "this is an EC key: build s3driver with its feature `ecdsa`, or use an RSA key";
const RSA_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The sizes of RSA keys that are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaMinimum {
    /// 2048 bits only. CloudFront does not accept any other size, and refuses each URL that was
    /// signed with such a key.
    #[default]
    Bits2048,
    /// 1024 bits or more, for tests that generate keys quickly. CloudFront does not accept such
    /// keys.
    Bits1024ForTests,
}

/// A private key that was parsed and checked. It is wiped when dropped, except for the copy of an
/// RSA key that the TLS provider makes (feature `client`). `Debug` shows only its kind.
pub struct PrivateKey(Private);

impl PrivateKey {
    /// Parses a key in PEM format: `RSA PRIVATE KEY` (PKCS#1), `PRIVATE KEY` (PKCS#8) or, with the
    /// feature `ecdsa`, `EC PRIVATE KEY` (SEC1). Text, certificates and parameters around the key
    /// are ignored. Line ends may be escaped (`\n`). The whole text may be encoded in base64, as
    /// PEM or as DER.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the text does not contain exactly one private key, or if the
    /// key is encrypted, public, damaged, or of a kind that CloudFront does not accept (RSA of a
    /// size other than 2048 bits, other curves, other algorithms).
    pub fn from_pem(text: &str) -> Result<Self> {
        Self::from_pem_with_minimum(text, RsaMinimum::Bits2048)
    }

    /// Like [`PrivateKey::from_pem`], which also accepts other sizes of RSA keys.
    ///
    /// # Errors
    /// The errors of [`PrivateKey::from_pem`].
    pub fn from_pem_with_minimum(text: &str, minimum: RsaMinimum) -> Result<Self> {
        let inner = nested(text);
        let text = inner.as_ref().map_or(text, |inner| inner);
        let blocks = pem::blocks(text)?;
        let mut keys = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
        let Some(block) = keys.next() else {
            let public = blocks.iter().any(|block| block.label.ends_with("PUBLIC KEY"));
            return Err(invalid_key(if public { PUBLIC } else { NO_KEY }));
        };

        if keys.next().is_some() {
            return Err(invalid_key(
                "the text contains more than one private key: keep the one that belongs to the \
                 key pair id",
            ));
        }

        let key = Self::from_block(block)?;
        key.check_size(minimum)?;
        Ok(key)
    }

    /// Reads a PEM file of at most 64 KiB. The bytes of the file are wiped after parsing.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the file cannot be read, and the errors of
    /// [`PrivateKey::from_pem`]. The error names the path, unless `path` looks like the text of a
    /// key that was passed by mistake.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let shown = shown_value(&path.as_ref().to_string_lossy(), Form::Path).to_string();
        let bytes = files::read(path.as_ref(), MAX_PEM_BYTES).map_err(|e| {
            let text = match e.kind() {
                io::ErrorKind::FileTooLarge => {
                    "the privatekey file is larger than 64 KiB, so it cannot be a key"
                }
                _ => "failed to read privatekey file",
            };

            invalid_key(text).with_path(&*shown).with_source(e)
        })?;
        // Only the text of the PEM block matters: what precedes it may have any encoding.
        Self::from_pem(&text_of(&bytes)).map_err(|e| e.with_path(shown))
    }

    /// Reports whether `text` is the text of a key, intact or damaged, rather than the path of a
    /// key file.
    pub(crate) fn is_text(text: &str) -> bool {
        resemblance(text) == Some(Resemblance::PrivateKey) || nested(text).is_some()
    }

    /// Returns the public half of the key.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(match &self.0 {
            Private::Rsa(key) => Public::Rsa(Box::new(key.parts().to_public_key())),
            #[cfg(feature = "ecdsa")]
            Private::P256(key) => Public::P256(*key.verifying_key()),
        })
    }

    /// Signs `message` with RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2), or with ECDSA, encoded as DER
    /// (RFC 3279 section 2.2.3), with the nonce of RFC 6979.
    ///
    /// With the feature `client`, the TLS provider, *ring*, computes RSA signatures over SHA-256 in
    /// constant time. The `rsa` crate computes all other RSA signatures with blinding.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the private-key operation fails because the system does not
    /// provide randomness for the blinding, or because the key's components do not belong together.
    pub fn sign(&self, message: &[u8], hash: HashAlgorithm) -> Result<Vec<u8>> {
        match &self.0 {
            Private::Rsa(key) => key.sign(message, hash),
            #[cfg(feature = "ecdsa")]
            Private::P256(key) => {
                use p256::ecdsa::{DerSignature, signature::hazmat::PrehashSigner};
                let signature: DerSignature = key
                    .sign_prehash(&hash.digest(message))
                    .map_err(|e| invalid_key("signing with the EC key failed").with_source(e))?;
                Ok(signature.as_bytes().to_vec())
            }
        }
    }

    fn from_block(block: &Block<'_>) -> Result<Self> {
        const ENCRYPTED: &str = "the private key is encrypted: remove the passphrase with \
                                 `openssl pkey -in FILE -out plain.pem`";
        match block.label {
            "ENCRYPTED PRIVATE KEY" => return Err(invalid_key(ENCRYPTED)),
            _ if block.is_legacy_encrypted() => return Err(invalid_key(ENCRYPTED)),
            "OPENSSH PRIVATE KEY" => {
                return Err(invalid_key(
                    "the private key is in OpenSSH format: convert a copy with `ssh-keygen -p -m \
                     PEM -f COPY`",
                ));
            }
            "RSA PRIVATE KEY" | "PRIVATE KEY" | "EC PRIVATE KEY" => {}
            other => {
                return Err(invalid_key(format!(
                    "CloudFront does not accept a key of the type `{other}`: use RSA or ECDSA"
                )));
            }
        }

        let damaged = |e: rsa::pkcs8::der::Error| {
            invalid_key("the private key is damaged: its PEM text cannot be decoded").with_source(e)
        };

        let (_, der) = SecretDocument::from_pem(&block.normalized()).map_err(damaged)?;
        match block.label {
            "RSA PRIVATE KEY" => {
                let key = rsa::PrivateKey::from_pkcs1_der(der.as_bytes()).map_err(bad_rsa)?;
                Ok(Self(Private::Rsa(Box::new(RsaKey::pkcs1(key, der.as_bytes())))))
            }
            "EC PRIVATE KEY" => Self::from_ec(der.as_bytes(), EcFormat::Sec1),
            _ => {
                let algorithm = PrivateKeyInfoRef::try_from(der.as_bytes())
                    .map_err(|e| {
                        invalid_key("the private key is damaged: it is not a PKCS#8 document")
                            .with_source(e)
                    })?
                    .algorithm
                    .oid;
                match algorithm {
                    RSA_OID => {
                        let key =
                            rsa::PrivateKey::from_pkcs8_der(der.as_bytes()).map_err(bad_rsa)?;
                        Ok(Self(Private::Rsa(Box::new(RsaKey::pkcs8(key, der.as_bytes())))))
                    }
                    EC_OID => Self::from_ec(der.as_bytes(), EcFormat::Pkcs8),
                    other => Err(invalid_key(format!(
                        "a key of the algorithm {other} cannot sign for CloudFront: use RSA or \
                         ECDSA"
                    ))),
                }
            }
        }
    }

    #[cfg(feature = "ecdsa")]
    fn from_ec(der: &[u8], format: EcFormat) -> Result<Self> {
        let key = match format {
            EcFormat::Sec1 => p256::SecretKey::from_sec1_der(der)
                .map_err(|e| invalid_key(NO_CURVE).with_source(e)),
            EcFormat::Pkcs8 => p256::SecretKey::from_pkcs8_der(der)
                .map_err(|e| invalid_key(NO_CURVE).with_source(e)),
        }?;
        Ok(Self(Private::P256(key.into())))
    }

    #[cfg(not(feature = "ecdsa"))]
    fn from_ec(_: &[u8], _: EcFormat) -> Result<Self> {
        Err(invalid_key(NO_ECDSA))
    }

    fn check_size(&self, minimum: RsaMinimum) -> Result<()> {
        let bits = match &self.0 {
            Private::Rsa(key) => key.parts().n().bit_width_vartime(),
            #[cfg(feature = "ecdsa")]
            Private::P256(_) => return Ok(()),
        };

        let needed = match minimum {
            RsaMinimum::Bits2048 if bits != 2048 => "CloudFront accepts only 2048 bits",
            RsaMinimum::Bits1024ForTests if bits < 1024 => "a test key needs at least 1024 bits",
            _ => return Ok(()),
        };
        Err(invalid_key(format!("the RSA key has {bits} bits, but {needed}: create another key")))
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

/// A public key, which verifies signatures.
#[derive(Clone)]
pub struct PublicKey(Public);

impl PublicKey {
    /// Parses a public key in PEM format: `PUBLIC KEY` (SPKI, the format that is uploaded to
    /// CloudFront) or `RSA PUBLIC KEY`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the text does not contain a public key, or contains one that
    /// CloudFront does not accept.
    pub fn from_pem(text: &str) -> Result<Self> {
        let blocks = pem::blocks(text)?;
        let block = blocks
            .iter()
            .find(|block| matches!(block.label, "PUBLIC KEY" | "RSA PUBLIC KEY"))
            .ok_or_else(|| invalid_key("the text does not contain a PEM public key"))?;
        let (_, der) = Document::from_pem(&block.normalized()).map_err(|e| {
            invalid_key("the public key is damaged: its PEM text cannot be decoded").with_source(e)
        })?;

        let der = der.as_bytes();
        if block.label == "RSA PUBLIC KEY" {
            return Ok(Self(Public::Rsa(Box::new(
                rsa::PublicKey::from_pkcs1_der(der).map_err(bad_rsa)?,
            ))));
        }

        let algorithm = SubjectPublicKeyInfoRef::try_from(der)
            .map_err(|e| {
                invalid_key("the public key is damaged: it is not an SPKI document").with_source(e)
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
                    .map_err(|e| invalid_key(NO_CURVE).with_source(e))?,
            ))),
            #[cfg(not(feature = "ecdsa"))]
            EC_OID => Err(invalid_key(NO_ECDSA)),
            other => Err(invalid_key(format!(
                "a key of the algorithm {other} cannot sign for CloudFront: use RSA or ECDSA"
            ))),
        }
    }

    /// Verifies a signature made by [`PrivateKey::sign`].
    ///
    /// # Errors
    /// [`ErrorKind::SignatureRejected`] if `signature` was not made from this message with this
    /// hash and the matching private key.
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

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Public::Rsa(_) => "PublicKey(RSA)",
            #[cfg(feature = "ecdsa")]
            Public::P256(_) => "PublicKey(P-256)",
        })
    }
}

enum Private {
    Rsa(Box<RsaKey>),
    #[cfg(feature = "ecdsa")]
    P256(p256::ecdsa::SigningKey),
}

#[derive(Clone)]
enum Public {
    Rsa(Box<rsa::PublicKey>),
    #[cfg(feature = "ecdsa")]
    P256(p256::ecdsa::VerifyingKey),
}

#[derive(Clone, Copy)]
enum EcFormat {
    Sec1,
    Pkcs8,
}

/// Returns the PEM text that `text` encodes in base64. If `text` encodes a DER document, the
/// document is converted to PEM with the label of its kind.
fn nested(text: &str) -> Option<Zeroizing<String>> {
    if text.contains("-----BEGIN") {
        return None;
    }

    let plain = text.trim_start_matches('\u{feff}').trim().trim_matches(['"', '\'']);
    let plain = unescaped(plain);
    let bytes = base64_of(&plain)?;
    if let Some(inner) =
        std::str::from_utf8(&bytes).ok().filter(|inner| inner.contains("-----BEGIN"))
    {
        return Some(Zeroizing::new(inner.to_owned()));
    }

    let der = der_of(&plain)?;
    // A damaged document is still treated as a key, so that no message shows it.
    let label = if rsa::PrivateKey::from_pkcs1_der(&der).is_ok() {
        "RSA PRIVATE KEY"
    } else if is_sec1(&der) {
        "EC PRIVATE KEY"
    } else {
        "PRIVATE KEY"
    };

    Some(Zeroizing::new(format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        &*in_base64(&der)
    )))
}

/// Replaces escaped line endings, whose letters would otherwise be decoded as base64, and removes
/// other backslashes. The text is written once, so that no copy of it remains in memory.
fn unescaped(text: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        rest = after;
        if let Some(after) = after.strip_prefix(['r', 'n']) {
            plain.push('\n');
            rest = after;
        }
    }

    plain.push_str(rest);
    plain
}

/// Returns whether a document is an elliptic-curve key of RFC 5915: a sequence that begins with the
/// version 1 and an octet string.
fn is_sec1(der: &[u8]) -> bool {
    const VERSION: [u8; 4] = [0x02, 0x01, 0x01, 0x04];
    let header = match der {
        [0x30, length, ..] if *length < 0x80 => 2,
        [0x30, 0x81, ..] => 3,
        _ => return false,
    };

    der.get(header..).is_some_and(|content| content.starts_with(&VERSION))
}

/// Encodes a document in base64, in memory that is wiped when dropped.
fn in_base64(der: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(der))
}

/// Decodes the bytes of a file: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes it.
/// Bytes of any other encoding are replaced.
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
        _ => Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn bad_rsa(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    invalid_key("the RSA key cannot be read: it is damaged, or has an unsupported size or exponent")
        .with_source(source)
}
