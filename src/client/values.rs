//! Types for the values of headers and options.

use crate::transport::TrustStore;
use crate::xml::{ChecksumAlgorithm, ChecksumType};

/// Defines a fieldless enum with the word that represents each variant in the configuration and on
/// the wire.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Returns the word that represents this value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::client::values::Word for $name {
            const WORDS: &[(Self, &'static str)] = &[$((Self::$variant, $word),)*];
        }
    };
}

pub(crate) use words;

/// An enum made by [`words!`] that can be parsed from its words.
pub(crate) trait Word: Copy + 'static {
    const WORDS: &[(Self, &'static str)];

    /// Returns the value that `text` represents, in upper or lower case.
    fn find(text: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(_, word)| word.eq_ignore_ascii_case(text))
            .map(|(value, _)| *value)
    }

    /// Returns all words of the enum, and some further ones, as a list for a message.
    fn list(more: &[&'static str]) -> String {
        Self::WORDS
            .iter()
            .map(|(_, word)| *word)
            .chain(more.iter().copied())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Word for TrustStore {
    const WORDS: &[(Self, &'static str)] = &[
        (Self::Mozilla, Self::Mozilla.as_str()),
        (Self::System, Self::System.as_str()),
        (Self::Named, Self::Named.as_str()),
    ];
}

words! {
    /// The storage class of new objects
    /// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html)).
    /// Classes whose objects cannot be read immediately (Glacier Flexible Retrieval, Deep Archive)
    /// are not offered, because they do not suit a registry.
    StorageClass {
        /// `STANDARD`, the default.
        Standard = "STANDARD",
        /// `REDUCED_REDUNDANCY`.
        ReducedRedundancy = "REDUCED_REDUNDANCY",
        /// `STANDARD_IA`.
        StandardIa = "STANDARD_IA",
        /// `ONEZONE_IA`.
        OneZoneIa = "ONEZONE_IA",
        /// `INTELLIGENT_TIERING`.
        IntelligentTiering = "INTELLIGENT_TIERING",
        /// `OUTPOSTS`.
        Outposts = "OUTPOSTS",
        /// `GLACIER_IR`.
        GlacierInstantRetrieval = "GLACIER_IR",
        /// `EXPRESS_ONEZONE`, the class of directory buckets.
        ExpressOneZone = "EXPRESS_ONEZONE",
    }
}

words! {
    /// A canned ACL
    /// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl)).
    CannedAcl {
        /// `private`, the default.
        Private = "private",
        /// `public-read`.
        PublicRead = "public-read",
        /// `public-read-write`.
        PublicReadWrite = "public-read-write",
        /// `authenticated-read`.
        AuthenticatedRead = "authenticated-read",
        /// `aws-exec-read`.
        AwsExecRead = "aws-exec-read",
        /// `bucket-owner-read`.
        BucketOwnerRead = "bucket-owner-read",
        /// `bucket-owner-full-control`.
        BucketOwnerFullControl = "bucket-owner-full-control",
    }
}

words! {
    /// The choice whether the signature covers the body of an upload.
    #[derive(Default)]
    PayloadSigning {
        /// Unsigned over https, where TLS already protects it; signed over http.
        #[default]
        Auto = "auto",
        /// Signed: its SHA-256 is computed before it is sent, or chunk by chunk for a body that can
        /// be read only once (see
        /// [`Client::put_object_from`](crate::client::Client::put_object_from)).
        Signed = "signed",
        /// `UNSIGNED-PAYLOAD`: only TLS protects it.
        Unsigned = "unsigned",
    }
}

words! {
    /// The checksum that is sent with every upload, and that downloads are compared with
    /// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html)).
    ///
    /// The server computes it too, and refuses bytes that differ. The checksum of an object that is
    /// uploaded in parts is either that of all its bytes, or [composite](ChecksumType::Composite).
    /// A reader without the parts cannot compare a composite one, so the CRCs of the whole object
    /// are preferable; S3 does not compute SHA-1 and SHA-256 of such an object.
    #[derive(Default)]
    Checksum {
        /// CRC-64/NVME, AWS's own default, for AWS; none for other servers, some of which refuse
        /// it.
        #[default]
        Auto = "auto",
        /// None; the ETags that servers return are not compared with the stored bytes either.
        None = "none",
        /// CRC-32 of the whole object.
        Crc32 = "crc32",
        /// CRC-32, composite for an object of several parts.
        Crc32Composite = "crc32-composite",
        /// CRC-32C of the whole object.
        Crc32c = "crc32c",
        /// CRC-32C, composite for an object of several parts.
        Crc32cComposite = "crc32c-composite",
        /// CRC-64/NVME of the whole object.
        Crc64Nvme = "crc64nvme",
        /// SHA-1, composite for an object of several parts.
        Sha1 = "sha1",
        /// SHA-256, composite for an object of several parts.
        Sha256 = "sha256",
        /// MD5, for servers that do not support a better one: `Content-MD5` with uploads, and whole
        /// downloads compared with their ETag if that is an MD5, as for objects that were stored by
        /// one PUT and are not encrypted with a key of KMS. It costs far more than a CRC, and does
        /// not protect against deliberate changes. On a server whose ETags only look like MD5s,
        /// every read fails.
        Md5 = "md5",
    }
}

impl Checksum {
    /// Returns the type of the checksum of an object that is uploaded in parts.
    pub(super) const fn object_type(self) -> ChecksumType {
        match self {
            Self::Crc32Composite | Self::Crc32cComposite | Self::Sha1 | Self::Sha256 => {
                ChecksumType::Composite
            }
            Self::Auto | Self::None | Self::Crc32 | Self::Crc32c | Self::Crc64Nvme | Self::Md5 => {
                ChecksumType::FullObject
            }
        }
    }
}

impl ChecksumAlgorithm {
    /// Returns the header with a checksum of this algorithm.
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }
}

/// Whether a read requests the stored checksums (`x-amz-checksum-mode`). For an object that is
/// encrypted with a key of KMS, that requires the permission to decrypt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChecksumMode {
    /// GetObject requests the checksums if it compares the bytes with them, as
    /// [`Config::checksum`](super::Config::checksum) decides. HeadObject does not.
    #[default]
    Auto,
    /// The request is sent with `ENABLED`.
    Enabled,
}

words! {
    /// Who pays for requests to a bucket that charges its readers
    /// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html)).
    #[derive(Default)]
    RequestPayer {
        /// The bucket's owner; no header is sent.
        #[default]
        BucketOwner = "bucketowner",
        /// The owner of the credentials: `x-amz-request-payer: requester` is added to every request
        /// and presigned URL.
        Requester = "requester",
    }
}

impl RequestPayer {
    /// Returns the name and the value of the header or query parameter for this choice.
    pub(super) fn header(self) -> Option<(&'static str, &'static str)> {
        (self == Self::Requester).then_some(("x-amz-request-payer", self.as_str()))
    }
}

/// How requests to directory buckets (S3 Express One Zone) are authorized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionAuth {
    /// With the credentials of a session, which CreateSession returns for one bucket and five
    /// minutes. The session is cached, and renewed before it ends. The client's own credentials
    /// need the permission `s3express:CreateSession`.
    #[default]
    Enabled,
    /// With the client's own credentials, in each request. This takes longer on the server, and
    /// each operation needs its own permission.
    Disabled,
}

/// Encryption by the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encryption {
    /// The bucket's default; no header is sent.
    #[default]
    None,
    /// `AES256`: with S3's own keys.
    Aes256,
    /// `aws:kms`.
    Kms {
        /// The id, ARN or alias of a key.
        key_id: String,
    },
    /// `aws:kms:dsse`: two layers of encryption with a key of KMS.
    KmsTwoLayers {
        /// A key's id, ARN or alias.
        key_id: String,
    },
}

words! {
    /// Whether an object is encrypted with an [S3 Bucket
    /// Key](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html), which saves
    /// requests to KMS.
    BucketKey {
        /// With a Bucket Key.
        Enabled = "true",
        /// With a request to KMS for each object.
        Disabled = "false",
    }
}

/// The signature algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureVersion {
    /// HMAC-SHA1, for old servers and nine old regions.
    V2,
    /// HMAC-SHA256.
    #[default]
    V4,
}
