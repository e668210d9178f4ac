//! Values that headers and options can have, as types.

/// A fieldless enum and the word that stands for each variant in configuration and on the wire.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The word that stands for this value.
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

/// An enum made by [`words!`], to be read from its words.
pub(crate) trait Word: Copy + 'static {
    const WORDS: &[(Self, &'static str)];

    /// The value that `text` stands for, whatever the case of its letters.
    fn find(text: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(_, word)| word.eq_ignore_ascii_case(text))
            .map(|(value, _)| *value)
    }

    /// All words of the enum and some more, as a list for a message.
    fn list(more: &[&'static str]) -> String {
        Self::WORDS
            .iter()
            .map(|(_, word)| *word)
            .chain(more.iter().copied())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

words! {
    /// The class new objects are stored in
    /// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html)). Classes that cannot be
    /// read at once (Glacier Flexible Retrieval, Deep Archive) are no choice for a registry.
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
        /// `EXPRESS_ONEZONE`, for servers that have it in ordinary buckets: AWS's own directory buckets are not supported.
        ExpressOneZone = "EXPRESS_ONEZONE",
    }
}

words! {
    /// A canned ACL ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl)).
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
    /// Whether the signature covers the body of an upload.
    #[derive(Default)]
    PayloadSigning {
        /// Unsigned over https, where TLS protects it already; signed over http.
        #[default]
        Auto = "auto",
        /// Signed: its SHA-256 is computed before it is sent, that of a body which can be read once chunk by chunk (see
        /// [`Client::put_object_from`](crate::client::Client::put_object_from)).
        Signed = "signed",
        /// `UNSIGNED-PAYLOAD`: TLS alone protects it.
        Unsigned = "unsigned",
    }
}

words! {
    /// The checksum that goes with every upload, and that downloads are held against
    /// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html)).
    #[derive(Default)]
    Checksum {
        /// CRC-64/NVME, AWS's own default, for AWS; none for other servers, some of which refuse it.
        #[default]
        Auto = "auto",
        /// None; and the ETags that servers return for what was stored are not compared with it.
        None = "none",
        /// CRC-32C.
        Crc32c = "crc32c",
        /// CRC-64/NVME.
        Crc64Nvme = "crc64nvme",
        /// MD5, for servers that know nothing better: `Content-MD5` with uploads, and whole downloads held against their
        /// ETag where that is an MD5, as it is of what was put whole and not encrypted with a key of KMS. It costs far more
        /// than a CRC, and is no protection against those who want to deceive. On a server whose ETags look like an MD5
        /// and are none every read fails.
        Md5 = "md5",
    }
}

words! {
    /// Who pays for requests to a bucket that charges its readers
    /// ([AWS](https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html)).
    #[derive(Default)]
    RequestPayer {
        /// The bucket's owner; no header is sent.
        #[default]
        BucketOwner = "bucketowner",
        /// The owner of the credentials: `x-amz-request-payer: requester` goes with every request and presigned URL.
        Requester = "requester",
    }
}

impl RequestPayer {
    /// The name and the value of the header or query parameter that says so.
    pub(super) fn header(self) -> Option<(&'static str, &'static str)> {
        (self == Self::Requester).then_some(("x-amz-request-payer", self.as_str()))
    }
}

/// Encryption by the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encryption {
    /// What the bucket does by default; no header is sent.
    #[default]
    None,
    /// `AES256`: keys of S3's own.
    Aes256,
    /// `aws:kms`.
    Kms {
        /// A key's id, ARN or alias.
        key_id: String,
    },
    /// `aws:kms:dsse`: two layers of encryption with a key of KMS.
    KmsTwoLayers {
        /// A key's id, ARN or alias.
        key_id: String,
    },
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
