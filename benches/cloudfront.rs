//! Measures the cost of a signed URL. For comparison, run OpenSSL's benchmark on the same machine
//! at the same time:
//!
//! ```text
//! cargo bench --features ecdsa --bench cloudfront; openssl speed -seconds 3 rsa2048 ecdsap256
//! ```
use divan::{Bencher, black_box};
use s3driver::cloudfront::{HashAlgorithm, PrivateKey, Signer};
use s3driver::time::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};

const RSA: &str = include_str!("../tests/data/cloudfront/test_rsa2048_pkcs1.pem");
const URL: &str =
    "https://d111111abcdef8.cloudfront.net/docker/registry/v2/blobs/sha256/aa/aabbccddeeff/data";
const NOW: Timestamp = Timestamp::from_unix(1_767_286_800);
const ENDS: Timestamp = Timestamp::from_unix(1_767_288_000);

fn main() {
    divan::main();
}

fn sign(bencher: Bencher<'_, '_>, pem: &str, hash: HashAlgorithm) {
    let key = PrivateKey::from_pem(pem).expect("a test key");
    let signer = Signer::new(key, "K2JCJMDEHXQW5F").expect("an id").hash_algorithm(hash);
    // Every URL has a different expiry, because a signer reuses its signature for the same one.
    let ends = AtomicI64::new(ENDS.unix());
    bencher.bench(|| {
        let ends = Timestamp::from_unix(ends.fetch_add(1, Ordering::Relaxed));
        signer.sign_url(black_box(URL), ends, NOW)
    });
}

/// Measures the reuse of the signature of a URL that was signed before.
#[divan::bench(min_time = 1)]
fn signed_url_again(bencher: Bencher<'_, '_>) {
    let key = PrivateKey::from_pem(RSA).expect("a test key");
    let signer = Signer::new(key, "K2JCJMDEHXQW5F").expect("an id");
    bencher.bench(|| signer.sign_url(black_box(URL), ENDS, NOW));
}

/// Includes blinding and the verification of the result, both of which the `rsa` crate performs.
#[divan::bench(min_time = 1)]
fn signed_url_rsa2048_sha1(bencher: Bencher<'_, '_>) {
    sign(bencher, RSA, HashAlgorithm::Sha1);
}

/// With the feature `client`, the TLS provider computes these signatures.
#[divan::bench(min_time = 1)]
fn signed_url_rsa2048_sha256(bencher: Bencher<'_, '_>) {
    sign(bencher, RSA, HashAlgorithm::Sha256);
}

#[cfg(feature = "ecdsa")]
#[divan::bench(min_time = 1)]
fn signed_url_p256_sha1(bencher: Bencher<'_, '_>) {
    sign(bencher, include_str!("../tests/data/cloudfront/test_p256_sec1.pem"), HashAlgorithm::Sha1);
}

/// Measures the additional cost if the key were parsed again for every URL.
#[divan::bench(min_time = 1)]
fn parse_rsa2048_key() -> PrivateKey {
    PrivateKey::from_pem(black_box(RSA)).expect("a test key")
}
