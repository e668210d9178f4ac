//! Signed URLs and signed cookies for Amazon CloudFront.
//!
//! A policy states which URL is allowed and until when. The private key signs the policy.
//! CloudFront, which has the public key, admits requests that carry the signature. [`Policy`],
//! [`PrivateKey`] and [`Signer`] do not use a clock, a socket or any file except for the key file.
//! [`CloudFront`](crate::middleware::CloudFront) wraps a [`StorageDriver`](crate::StorageDriver)
//! and supplies the clock. It encodes keys with [`sign::encode_path`](crate::sign::encode_path), so
//! that an object has the same URL path everywhere in this crate.
//!
//! ```
//! # fn main() -> s3driver::Result<()> {
//! use s3driver::cloudfront::{PrivateKey, Signer};
//! use s3driver::time::Timestamp;
//!
//! # let pem = include_str!("../../tests/data/cloudfront/test_rsa2048_pkcs8.pem");
//! let signer = Signer::new(PrivateKey::from_pem(pem)?, "K2JCJMDEHXQW5F")?;
//! let now = Timestamp::from_unix(1_767_286_800);
//! let ends = Timestamp::from_unix(now.unix() + 20 * 60);
//! let url = signer.sign_url("https://d111111abcdef8.cloudfront.net/image.jpg?size=large", ends, now)?;
//! assert!(url.starts_with("https://d111111abcdef8.cloudfront.net/image.jpg?size=large&Expires=1767288000&Signature="));
//! # Ok(())
//! # }
//! ```
//!
//! To sign many URLs, prefer an ECDSA key (feature `ecdsa`): signing is about twenty times as fast
//! as with a 2048-bit RSA key (`benches/cloudfront.rs`), and URLs are 250 characters shorter. With
//! an RSA key and the feature `client`, [`HashAlgorithm::Sha256`] is more than twice as fast as
//! CloudFront's default, SHA-1, because the TLS provider computes these signatures and does not
//! support SHA-1. A [`Signer`] caches its most recent signatures (at most 1,024, less than 2 MiB)
//! and reuses one if the same policy is signed again.
//!
//! Sources, as of November 2026: the CloudFront developer guide's pages on signed [URLs with a
//! canned
//! policy](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html),
//! [URLs with a custom
//! policy](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-custom-policy.html),
//! [cookies with a canned
//! policy](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-canned-policy.html),
//! [cookies with a custom
//! policy](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-setting-signed-cookie-custom-policy.html),
//! and [hashing and signing with
//! OpenSSL](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-linux-openssl.html).
mod base64;
mod hash;
mod key;
mod pem;
mod policy;
mod reuse;
mod rsa_key;
mod signer;

pub use self::base64::{decode_base64, encode_base64};
pub use hash::HashAlgorithm;
pub use key::{PrivateKey, PublicKey, RsaMinimum};
pub use policy::{Ipv4Range, LAST_END, Policy};
pub use signer::{CookieScope, SignedCookies, Signer};
