//! Checksums over an object's bytes: sent with uploads, so that the server stores what we had, and held against downloads.
//!
//! Only CRCs that S3 can combine to one of the whole object are used
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>): a checksum of parts'
//! checksums says nothing to a reader who does not know the parts.
use super::call::{Call, Payload};
use super::endpoint::Endpoint;
use super::values::Checksum;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::{CrcAlgorithm, Digest};
use std::io::{self, Read};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32c,
    Crc64Nvme,
}

impl Algorithm {
    /// What the configuration means for an endpoint. Other servers than AWS's were seen to refuse the headers.
    pub(super) fn of(checksum: Checksum, endpoint: &Endpoint) -> Option<Self> {
        match checksum {
            Checksum::Auto => endpoint.is_aws().then_some(Self::Crc64Nvme),
            Checksum::None => None,
            Checksum::Crc32c => Some(Self::Crc32c),
            Checksum::Crc64Nvme => Some(Self::Crc64Nvme),
        }
    }

    const fn header(self) -> &'static str {
        match self {
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
        }
    }

    /// With the checksum of `content`, which the server compares. A body that is opened anew is read once for it.
    pub(super) fn sent<'a>(self, call: Call<'a>, content: &Payload<'_>) -> Result<Call<'a>> {
        let mut sum = Running::new(self);
        match content {
            Payload::Empty => {}
            Payload::Bytes(bytes) => sum.update(bytes),
            Payload::Replay { open, length } => sum.update_from(&mut *open(), *length).map_err(|error| {
                let text = format!("the data to send cannot be read: {error}");
                call.place(Error::new(ErrorKind::LocalIo, text).with_source(error))
            })?,
            Payload::Stream { .. } => return Ok(call),
        }
        Ok(call.header(self.header(), sum.finish()))
    }

    /// With the announcement that every part of the upload will have one.
    pub(super) fn announced(self, call: Call<'_>) -> Call<'_> {
        call.header("x-amz-checksum-algorithm", self.name()).header("x-amz-checksum-type", "FULL_OBJECT")
    }
}

/// A checksum on its way.
pub(super) struct Running {
    algorithm: Algorithm,
    digest: Digest,
}

impl Running {
    fn new(algorithm: Algorithm) -> Self {
        let digest = Digest::new(match algorithm {
            Algorithm::Crc32c => CrcAlgorithm::Crc32Iscsi,
            Algorithm::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
        });
        Self { algorithm, digest }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    fn update_from(&mut self, source: &mut dyn Read, length: u64) -> io::Result<()> {
        let mut piece = [0; 16 << 10];
        let mut source = source.take(length);
        loop {
            match source.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(n) => self.update(&piece[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// As the header has it: base64 of the big-endian bytes.
    fn finish(&self) -> String {
        let bytes = self.digest.finalize().to_be_bytes();
        match self.algorithm {
            Algorithm::Crc32c => BASE64.encode(&bytes[4..]),
            Algorithm::Crc64Nvme => BASE64.encode(bytes),
        }
    }
}

/// What the whole object must come to.
pub(crate) struct Expected {
    sum: Running,
    value: String,
}

impl Expected {
    /// The checksum that a reply gives for the whole of its body, if it is one we can compute. That of an object's parts
    /// (`...-3`) is not.
    pub(super) fn of(response: &Response) -> Option<Self> {
        let composite = response.header("x-amz-checksum-type") == Some("COMPOSITE");
        [Algorithm::Crc64Nvme, Algorithm::Crc32c].into_iter().find_map(|algorithm| {
            let value = response.header(algorithm.header()).filter(|value| !composite && !value.contains('-'))?;
            Some(Self { sum: Running::new(algorithm), value: value.to_owned() })
        })
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
    }

    /// To be called with the last byte seen.
    pub(crate) fn check(&self) -> Result<()> {
        let sum = self.sum.finish();
        if sum == self.value {
            return Ok(());
        }
        let text = format!(
            "the bytes received are not those stored: their {} is {sum}, the server's {}",
            self.sum.algorithm.name(),
            self.value
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
        for (algorithm, value) in [(Algorithm::Crc32c, 0xE306_9283_u64), (Algorithm::Crc64Nvme, 0xAE8B_1486_0A79_9888)]
        {
            let mut sum = Running::new(algorithm);
            sum.update(b"12345");
            sum.update(b"6789");
            let bytes = value.to_be_bytes();
            let wanted = if algorithm == Algorithm::Crc32c { BASE64.encode(&bytes[4..]) } else { BASE64.encode(bytes) };
            assert_eq!(sum.finish(), wanted);
        }
    }
}
