//! The hash of a policy.
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The algorithm that hashes a policy before it is signed.
///
/// For RSA and ECDSA alike, CloudFront assumes SHA-1 unless the URL or cookies name another
/// algorithm ([developer
/// guide](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-linux-openssl.html)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-1, CloudFront's default.
    #[default]
    Sha1,
    /// SHA-256, announced by the parameter `Hash-Algorithm=SHA256` or the cookie
    /// `CloudFront-Hash-Algorithm=SHA256`. CloudFront has supported it since April 2026.
    Sha256,
}

impl HashAlgorithm {
    /// Returns CloudFront's name for the algorithm: `SHA1` or `SHA256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub(super) fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
        }
    }
}
