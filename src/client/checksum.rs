//! Checksums of an object's bytes. They are sent with uploads, so that the server stores exactly
//! the intended bytes, and compared after downloads.
//!
//! In addition to MD5, only CRCs that S3 can combine into one of the whole object are used
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>):
//! a checksum of the parts' checksums is useless to a reader that does not know the parts.
use super::endpoint::Endpoint;
use super::meta::ObjectMeta;
use super::request::Call;
use super::values::{Checksum, ChecksumAlgorithm};
use crate::error::{Error, ErrorKind, Result};
use crate::sign::chunked;
use crate::transport::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

/// The length of four bytes in base64, including padding.
const BASE64_OF_4: usize = 8;
/// The length of eight bytes in base64, including padding.
const BASE64_OF_8: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// Compared, never sent.
    Crc32,
    Crc32c,
    Crc64Nvme,
    Md5,
    /// Compared, never sent.
    Sha1,
    /// Compared, never sent.
    Sha256,
}

/// The algorithms whose checksums servers return in separate headers, the cheapest first.
pub(super) const IN_HEADERS: [Algorithm; 5] =
    [Algorithm::Crc64Nvme, Algorithm::Crc32c, Algorithm::Crc32, Algorithm::Sha1, Algorithm::Sha256];

impl Algorithm {
    /// Returns the algorithm that the configuration selects for an endpoint. Some servers other
    /// than AWS's refuse these headers.
    pub(super) fn of(checksum: Checksum, endpoint: &Endpoint) -> Option<Self> {
        match checksum {
            Checksum::Auto => endpoint.is_aws().then_some(Self::Crc64Nvme),
            Checksum::None => None,
            Checksum::Crc32c => Some(Self::Crc32c),
            Checksum::Crc64Nvme => Some(Self::Crc64Nvme),
            Checksum::Md5 => Some(Self::Md5),
        }
    }

    pub(super) const fn header(self) -> &'static str {
        match self.public() {
            Some(algorithm) => algorithm.header(),
            None => "content-md5",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Md5 => "MD5",
        }
    }

    /// Returns the public name of an algorithm whose checksums S3 stores; MD5 is not one of them.
    pub(super) const fn public(self) -> Option<ChecksumAlgorithm> {
        Some(match self {
            Self::Crc32 => ChecksumAlgorithm::Crc32,
            Self::Crc32c => ChecksumAlgorithm::Crc32c,
            Self::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
            Self::Sha1 => ChecksumAlgorithm::Sha1,
            Self::Sha256 => ChecksumAlgorithm::Sha256,
            Self::Md5 => return None,
        })
    }

    /// Returns the number of bytes of a value.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Returns the header that can follow a body sent in chunks. S3 does not accept an MD5 there.
    pub(super) fn trailer(self) -> Option<chunked::Trailer> {
        let value_length = match self {
            Self::Crc32c => BASE64_OF_4,
            Self::Crc64Nvme => BASE64_OF_8,
            Self::Crc32 | Self::Md5 | Self::Sha1 | Self::Sha256 => return None,
        };
        chunked::Trailer::new(self.header(), value_length).ok()
    }

    /// Returns a checksum that is computed while a body is sent.
    pub(super) fn running(self) -> Box<dyn chunked::TrailerChecksum> {
        Box::new(Running::new(self))
    }

    /// Announces that every part of the upload will have a checksum.
    pub(super) fn announce_in(self, call: Call<'_>) -> Call<'_> {
        match self {
            Self::Crc32c | Self::Crc64Nvme => call
                .header("x-amz-checksum-algorithm", self.name())
                .header("x-amz-checksum-type", "FULL_OBJECT"),
            Self::Crc32 | Self::Md5 | Self::Sha1 | Self::Sha256 => call,
        }
    }

    /// Requests the stored checksum. ETags are always returned.
    pub(super) fn request_in(self, call: Call<'_>) -> Call<'_> {
        match self {
            Self::Crc32c | Self::Crc64Nvme => call.header("x-amz-checksum-mode", "ENABLED"),
            Self::Crc32 | Self::Md5 | Self::Sha1 | Self::Sha256 => call,
        }
    }
}

/// A checksum that is being computed.
pub(super) struct Running {
    algorithm: Algorithm,
    digest: Digest,
}

enum Digest {
    Crc(crc_fast::Digest),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Running {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let crc = |algorithm| Digest::Crc(crc_fast::Digest::new(algorithm));
        let digest = match algorithm {
            Algorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Sha1 => Digest::Sha1(Sha1::new()),
            Algorithm::Sha256 => Digest::Sha256(Sha256::new()),
            Algorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            Algorithm::Md5 => Digest::Md5(Md5::new()),
        };
        Self { algorithm, digest }
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.digest {
            Digest::Crc(crc) => crc.update(bytes),
            Digest::Md5(md5) => md5.update(bytes),
            Digest::Sha1(sha1) => sha1.update(bytes),
            Digest::Sha256(sha256) => sha256.update(bytes),
        }
    }

    /// Returns the value for the header: base64, for a CRC of its big-endian bytes. Later updates
    /// have no effect.
    pub(super) fn finish(&mut self) -> String {
        match &mut self.digest {
            Digest::Crc(crc) if matches!(self.algorithm, Algorithm::Crc32 | Algorithm::Crc32c) => {
                BASE64.encode(&crc.finalize().to_be_bytes()[4..])
            }
            Digest::Crc(crc) => BASE64.encode(crc.finalize().to_be_bytes()),
            Digest::Md5(md5) => BASE64.encode(md5.finalize_reset()),
            Digest::Sha1(sha1) => BASE64.encode(sha1.finalize_reset()),
            Digest::Sha256(sha256) => BASE64.encode(sha256.finalize_reset()),
        }
    }
}

impl chunked::TrailerChecksum for Running {
    fn update(&mut self, data: &[u8]) {
        Self::update(self, data);
    }
    fn finish(&mut self) -> String {
        Self::finish(self)
    }
}

/// The checksum that a whole object must have.
pub(crate) struct Expected {
    sum: Running,
    value: String,
}

impl Expected {
    /// Returns the checksum of a response's whole body, if this client can compute it; a checksum
    /// of an object's parts (`...-3`) is not one. An ETag is only used if `configured` selects it.
    pub(super) fn of(
        response: &Response,
        meta: &ObjectMeta,
        configured: Option<Algorithm>,
    ) -> Option<Self> {
        let composite = response.header("x-amz-checksum-type") == Some("COMPOSITE");
        let crc = [Algorithm::Crc64Nvme, Algorithm::Crc32c].into_iter().find_map(|algorithm| {
            let value = response
                .header(algorithm.header())
                .filter(|value| !composite && !value.contains('-'))?;
            Some((algorithm, value.to_owned()))
        });
        let md5 = || meta.md5().filter(|_| configured == Some(Algorithm::Md5));
        let (algorithm, value) = crc.or_else(|| Some((Algorithm::Md5, BASE64.encode(md5()?))))?;
        Some(Self { sum: Running::new(algorithm), value })
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
    }

    /// Compares the checksum, after the last byte.
    pub(crate) fn check(self) -> Result<()> {
        let Self { mut sum, value } = self;
        let name = sum.algorithm.name();
        let sum = sum.finish();
        if sum == value {
            return Ok(());
        }
        let text = format!(
            "the bytes received are not those stored: their {name} is {sum}, the server's {value}"
        );
        Err(Error::new(ErrorKind::Integrity, text)
            .with_hint("read it again; if that ends the same, the stored object is damaged"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_documented_ones() {
        // The check values of the CRC catalogue for "123456789".
        for (algorithm, value) in [
            (Algorithm::Crc32, 0xCBF4_3926_u64),
            (Algorithm::Crc32c, 0xE306_9283),
            (Algorithm::Crc64Nvme, 0xAE8B_1486_0A79_9888),
        ] {
            let mut sum = Running::new(algorithm);
            sum.update(b"12345");
            sum.update(b"6789");
            let bytes = value.to_be_bytes();
            let short = algorithm != Algorithm::Crc64Nvme;
            let wanted = if short { BASE64.encode(&bytes[4..]) } else { BASE64.encode(bytes) };
            assert_eq!(sum.finish(), wanted);
        }
        // RFC 1321, A.5; the other values were computed by coreutils for the same text.
        for (algorithm, digits) in [
            (Algorithm::Md5, "f96b697d7cb7938d525a2f31aaf161d0"),
            (Algorithm::Sha1, "c12252ceda8be8994d5fa0290a47231c1d16aae3"),
            (Algorithm::Sha256, "f7846f55cf23e14eebeab5b4e1550cad5b509e3348fbc4efa3a1413d393cb650"),
        ] {
            let mut sum = Running::new(algorithm);
            sum.update(b"message ");
            sum.update(b"digest");
            assert_eq!(sum.finish(), BASE64.encode(hex::decode(digits).expect("hexadecimal")));
        }
    }
}
