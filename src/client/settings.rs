//! What an object is stored with.
use super::call::Call;
use crate::error::Result;
use std::fmt;
use std::str::FromStr;

/// Server-side encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// No header: the bucket's own default applies.
    #[default]
    BucketDefault,
    /// `AES256`: keys that S3 manages.
    S3Managed,
    /// `aws:kms`, with the account's default key or the one named.
    Kms {
        /// Identifier, alias or ARN.
        key_id: Option<String>,
    },
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type { $($(#[$variant_doc])* $variant,)* }

        impl $type {
            /// Every value, in the order of AWS's documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// The value on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $type {
            type Err = ();
            /// Reads the value as it is on the wire, exactly.
            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or(())
            }
        }
    };
}

names! {
    /// `x-amz-storage-class`.
    StorageClass {
        /// Frequent access.
        Standard = "STANDARD",
        /// Less redundancy; AWS advises against it.
        ReducedRedundancy = "REDUCED_REDUNDANCY",
        /// Infrequent access.
        StandardIa = "STANDARD_IA",
        /// Infrequent access in one zone.
        OnezoneIa = "ONEZONE_IA",
        /// Moved between tiers by use.
        IntelligentTiering = "INTELLIGENT_TIERING",
        /// S3 on Outposts.
        Outposts = "OUTPOSTS",
        /// Archive with instant retrieval.
        GlacierIr = "GLACIER_IR",
        /// Directory buckets.
        ExpressOnezone = "EXPRESS_ONEZONE",
    }
}

names! {
    /// `x-amz-acl`.
    CannedAcl {
        /// The owner alone.
        Private = "private",
        /// Everybody may read.
        PublicRead = "public-read",
        /// Everybody may read and write.
        PublicReadWrite = "public-read-write",
        /// Every AWS account may read.
        AuthenticatedRead = "authenticated-read",
        /// EC2 may read bundles.
        AwsExecRead = "aws-exec-read",
        /// The bucket's owner may read.
        BucketOwnerRead = "bucket-owner-read",
        /// The bucket's owner has full control.
        BucketOwnerFullControl = "bucket-owner-full-control",
    }
}

/// What PutObject, CopyObject and CreateMultipartUpload store with an object. The default sends no such header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectSettings {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, stored and given back; the client never acts on it.
    pub content_encoding: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `x-amz-meta-*`: names without the prefix, and values.
    pub metadata: Vec<(String, String)>,
    /// Server-side encryption.
    pub encryption: Encryption,
    /// The storage class; `None` leaves it to the bucket.
    pub storage_class: Option<StorageClass>,
    /// The canned ACL; `None` sends none, which buckets with ACLs disabled need.
    pub acl: Option<CannedAcl>,
}

impl ObjectSettings {
    /// Adds the headers.
    pub(super) fn apply<'a>(&'a self, call: Call<'a>) -> Result<Call<'a>> {
        let Self { content_type, content_encoding, cache_control, content_disposition, metadata, encryption, storage_class, acl } =
            self;
        let mut call = call
            .maybe_header("content-type", content_type.as_deref())
            .maybe_header("content-encoding", content_encoding.as_deref())
            .maybe_header("cache-control", cache_control.as_deref())
            .maybe_header("content-disposition", content_disposition.as_deref())
            .maybe_header("x-amz-storage-class", storage_class.map(StorageClass::as_str))
            .maybe_header("x-amz-acl", acl.map(CannedAcl::as_str));
        call = match encryption {
            Encryption::BucketDefault => call,
            Encryption::S3Managed => call.header("x-amz-server-side-encryption", "AES256"),
            Encryption::Kms { key_id } => call
                .header("x-amz-server-side-encryption", "aws:kms")
                .maybe_header("x-amz-server-side-encryption-aws-kms-key-id", key_id.as_deref()),
        };
        for (name, value) in metadata {
            let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            if !good {
                return Err(call.refuse(format!("the metadata name {name:?} may hold letters, digits, '-', '_' and '.' only")));
            }
            call.headers.push((format!("x-amz-meta-{}", name.to_ascii_lowercase()).into(), value.as_str().into()));
        }
        for (name, value) in &call.headers {
            if !value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
                return Err(call.refuse(format!("the value of {name} may hold visible ASCII characters and spaces only")));
            }
        }
        Ok(call)
    }
}
