//! The hash and MAC functions of both signature versions, and hex encoding.
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// HMAC-SHA256 that is initialized with a key and can authenticate any number of messages.
pub(super) type HmacSha256 = Hmac<Sha256>;

/// The SHA-256 of the empty string in hex, which is the payload hash of every request without a
/// body.
pub(super) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

pub(super) fn hmac_sha256(key: &[u8]) -> HmacSha256 {
    // RFC 2104 accepts keys of any length: a key longer than a block is hashed first.
    HmacSha256::new_from_slice(key).expect("HMAC takes a key of any length")
}

pub(super) fn mac_sha256(keyed: &HmacSha256, message: &[u8]) -> [u8; 32] {
    keyed.clone().chain_update(message).finalize().into_bytes().into()
}

pub(super) fn mac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let keyed = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    keyed.chain_update(message).finalize().into_bytes().into()
}

/// Compares two byte strings in a time that depends only on their lengths.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

/// 32 bytes in lower-case hex, stored without an allocation.
#[derive(Clone, Copy)]
pub(super) struct Hex([u8; 64]);

/// The last line of a canonical request: one of AWS's fixed names, or a hash in hex.
pub(super) enum PayloadHash {
    Named(&'static str),
    Hex(Hex),
}

impl std::ops::Deref for PayloadHash {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Hex(hex) => hex.as_str(),
        }
    }
}

impl Hex {
    pub(super) fn of(bytes: &[u8; 32]) -> Self {
        let mut digits = [0; 64];
        hex::encode_to_slice(bytes, &mut digits).expect("32 bytes fill 64 digits");
        Self(digits)
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hex digits are UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_the_empty_string() {
        assert_eq!(Hex::of(&sha256(b"")).as_str(), EMPTY_SHA256);
    }

    // The test cases are from RFC 4231, sections 4.3 and 4.7 (a key longer than a block), and from
    // RFC 2202, section 3, cases 2 and 6.
    #[test]
    fn macs_of_the_rfcs() {
        let mac = |key: &[u8], message: &[u8]| {
            Hex::of(&mac_sha256(&hmac_sha256(key), message)).as_str().to_owned()
        };

        assert_eq!(
            mac(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let long = "Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            mac(&[0xaa; 131], long.as_bytes()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
        assert_eq!(
            hex::encode(mac_sha1(b"Jefe", b"what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            hex::encode(mac_sha1(&[0xaa; 80], long.as_bytes())),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112"
        );
    }
}
