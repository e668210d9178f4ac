//! Checksums of objects and parts, as several documents contain them.
use super::reader::Document;
use super::{Error, value};

/// An algorithm of the checksums that S3 stores with objects
/// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChecksumAlgorithm {
    /// CRC-32.
    Crc32,
    /// CRC-32C.
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Returns the algorithm's name, as `x-amz-checksum-algorithm` contains it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Returns the element with a checksum of this algorithm.
    pub(super) const fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// Returns the type of checksum that S3 gives to an object of several parts if none was
    /// requested.
    const fn default_type(self) -> ChecksumType {
        match self {
            Self::Crc64Nvme => ChecksumType::FullObject,
            Self::Crc32 | Self::Crc32c | Self::Sha1 | Self::Sha256 => ChecksumType::Composite,
        }
    }
}

/// The bytes that the checksum of an object covers
/// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChecksumType {
    /// The bytes of the whole object.
    FullObject,
    /// The checksums of the object's parts, one after the other.
    Composite,
}

impl ChecksumType {
    /// Returns the word that represents this type, as `x-amz-checksum-type` contains it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    fn find(word: &str) -> Self {
        let is_composite = word.eq_ignore_ascii_case(Self::Composite.as_str());
        if is_composite { Self::Composite } else { Self::FullObject }
    }
}

/// A checksum that the server stores with an object or a part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredChecksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// The value in base64. A [composite](ChecksumType::Composite) one may end with a dash and the
    /// number of parts.
    pub value: String,
    /// The bytes that the checksum of the object covers. The checksum of a part always covers the
    /// bytes of the part.
    pub checksum_type: ChecksumType,
}

impl StoredChecksum {
    /// Returns the checksum of an object. If the server does not state its type, a dash in the
    /// value shows that it is composite.
    pub fn new(
        algorithm: ChecksumAlgorithm,
        value: impl Into<String>,
        stated_type: Option<&str>,
    ) -> Self {
        let value = value.into();
        let checksum_type = match stated_type {
            Some(stated) => ChecksumType::find(stated),
            None if value.contains('-') => ChecksumType::Composite,
            None => ChecksumType::FullObject,
        };
        Self { algorithm, value, checksum_type }
    }

    /// Returns the checksum of a part of an object whose checksum has this type. If the server does
    /// not state the type, it is S3's default for the algorithm.
    pub(crate) fn of_part(mut self, stated_type: Option<&str>) -> Self {
        self.checksum_type =
            stated_type.map_or_else(|| self.algorithm.default_type(), ChecksumType::find);
        self
    }
}

/// The elements of checksums in an element that is being read. Those that are empty, occur twice or
/// contain elements are left out, because nothing that was stored depends on them.
#[derive(Default)]
pub(super) struct Checksums {
    values: [Option<Option<String>>; ChecksumAlgorithm::ALL.len()],
    stated_type: Option<Option<String>>,
}

impl Checksums {
    /// Reads the element that was just opened if it belongs to a checksum, and skips it otherwise.
    pub(super) fn read(&mut self, document: &mut Document<'_>, name: &str) -> Result<(), Error> {
        if name == "ChecksumType" {
            return document.aside(&mut self.stated_type, value::word);
        }
        let mut slots = ChecksumAlgorithm::ALL.iter().zip(&mut self.values);
        match slots.find(|(algorithm, _)| algorithm.element() == name) {
            Some((_, slot)) => document.aside(slot, value::word),
            None => document.unknown(name),
        }
    }

    /// Returns the checksums that were read.
    pub(super) fn finish(self) -> Vec<StoredChecksum> {
        let Self { values, stated_type } = self;
        let stated_type = stated_type.flatten();
        let found = ChecksumAlgorithm::ALL.into_iter().zip(values);
        let found = found.filter_map(|(algorithm, value)| {
            Some(StoredChecksum::new(algorithm, value??, stated_type.as_deref()))
        });
        found.collect()
    }
}
