//! Parsing and writing of the XML documents of S3 and STS.
//!
//! Every reader is a pure function `fn(&[u8]) -> Result<T, Error>` of a complete body. A reader
//! never panics, needs time and memory proportional to the size of the body, and refuses a body
//! that is longer than [`MAX_LISTING_BYTES`] or [`MAX_REPLY_BYTES`]. The module does not require
//! any of the crate's features.
//!
//! | document | reader |
//! |---|---|
//! | `ListAllMyBucketsResult` | [`list_all_my_buckets_result`] |
//! | `ListBucketResult` | [`list_bucket_result`] |
//! | `ListVersionsResult` | [`list_versions_result`] |
//! | `VersioningConfiguration` | [`versioning_configuration`] |
//! | `Tagging` | [`tagging`] |
//! | `GetObjectAttributesResponse` | [`object_attributes`] |
//! | `ObjectLockConfiguration` | [`object_lock_configuration`] |
//! | `Retention`, `LegalHold` | [`object_retention`], [`object_legal_hold`] |
//! | `LocationConstraint` | [`location_constraint`] |
//! | `LifecycleConfiguration` | [`lifecycle_configuration`] |
//! | `InitiateMultipartUploadResult` | [`initiate_multipart_upload_result`] |
//! | `ListPartsResult` | [`list_parts_result`] |
//! | `ListMultipartUploadsResult` | [`list_multipart_uploads_result`] |
//! | `CompleteMultipartUploadResult` | [`complete_multipart_upload_result`] |
//! | `CopyObjectResult`, `CopyPartResult` | [`copy_object_result`], [`copy_part_result`] |
//! | `DeleteResult` | [`delete_result`] |
//! | `Error`, `ErrorResponse` | [`error_document`] |
//! | `AssumeRoleResponse`, `AssumeRoleWithWebIdentityResponse` | [`sts_credentials`] |
//! | `GetCallerIdentityResponse` | [`caller_identity`] |
//! | `CreateSessionResult` | [`create_session_result`] |
//!
//! Each reader documents which elements are required, optional and refused. If AWS's name of a root
//! ends in `Result`, the ending may also be `Response` or `Output`, which some servers use. The
//! following rules apply to all readers.
//!
//! # Lenient where servers differ
//!
//! Namespaces and prefixes are ignored: an element is identified by its local name. Elements may
//! come in any order. Unknown elements are skipped with everything in them, as are comments and
//! processing instructions. Text may be interrupted by CDATA sections and comments, and may contain
//! character references and the five predefined entities. White space around numbers, booleans,
//! times, ETags and words is removed, but kept in keys and markers. A byte order mark is skipped,
//! and so is white space before the XML declaration, which S3 sends to keep a connection alive. A
//! time that cannot be parsed is `None`.
//!
//! # Strict where data would be lost
//!
//! A document is refused if it is cut off at any byte, or has no root, two roots or text outside
//! the root; for an unexpected root; a document type declaration; bytes that are not UTF-8, or are
//! declared to be in another encoding; a character that XML 1.0 forbids, raw or as a reference,
//! except for references to control characters in a page of uploads; an unknown entity; more than
//! 16 nested elements; an element inside a text; a known element that occurs twice in an entry; a
//! malformed number or boolean; and for an entry without its key, size, part number, part ETag or
//! upload id. When the client requested a page of a listing, it also refuses one with more than
//! [`MAX_ENTRIES`] entries, and one that has neither an entry nor any other element of a page,
//! since that would look like the end of the listing.
//!
//! Fields on which nothing depends (times of parts and copies, locations, echoed parameters and
//! counts, and all fields of a completion except for an error) are `None` if they cannot be parsed
//! or occur twice, so that an operation that took effect is not reported as failed because of them.
//!
//! If the body is an `Error` document, or has an `Error` element directly below its root, the error
//! is returned in [`Error::document`], because S3 may report failures with status 200.
//!
//! Some rules of XML are not checked because nothing depends on them: attributes (apart from their
//! quotes), the characters in names, and `--` in comments.
//!
//! # Layers
//!
//! `tokens` splits a text into tags, texts and references, and checks that they are well-formed.
//! `reader` interprets the tokens, resolves references and enforces the limits; `reply` handles the
//! roots; `value` parses texts. The elements of each document are read in a separate file. Only
//! `tokens.rs` deals with the syntax of XML, so it could be replaced by a different parser without
//! changes to the readers.
mod attributes;
mod buckets;
mod checksum;
mod copy;
mod delete;
mod error;
mod lifecycle;
mod listing;
mod location;
mod lock;
mod multipart;
mod percent;
mod reader;
mod reply;
mod scan;
mod sts;
mod tagging;
mod tokens;
mod value;
mod versioning;
mod versions;
mod write;

#[cfg(feature = "client")]
pub(crate) use attributes::page_of_object_parts;
pub use attributes::{ObjectAttributes, ObjectPart, ObjectParts, object_attributes};
#[cfg(feature = "client")]
pub(crate) use buckets::page_of_buckets;
pub use buckets::{Bucket, ListAllMyBucketsResult, Owner, list_all_my_buckets_result};
pub use checksum::{ChecksumAlgorithm, ChecksumType, StoredChecksum};
pub use copy::{CopyResult, copy_object_result, copy_part_result};
pub use delete::{DeleteError, DeleteResult, DeletedObject, delete_result};
pub use error::{ErrorDocument, ServerSteps};
pub use lifecycle::{LifecycleRule, lifecycle_configuration};
#[cfg(feature = "client")]
pub(crate) use listing::page_of_objects;
pub use listing::{ListBucketResult, Object, list_bucket_result};
pub use location::location_constraint;
pub use lock::{
    DefaultRetention, LegalHold, ObjectLockConfiguration, Retention, RetentionMode,
    RetentionPeriod, object_legal_hold, object_lock_configuration, object_retention,
};
pub use multipart::{
    CompleteMultipartUploadResult, InitiateMultipartUploadResult, ListMultipartUploadsResult,
    ListPartsResult, Part, Upload, complete_multipart_upload_result,
    initiate_multipart_upload_result, list_multipart_uploads_result, list_parts_result,
};
#[cfg(feature = "client")]
pub(crate) use multipart::{page_of_parts, page_of_uploads};
pub use reply::{error_document, says_nothing};
pub use sts::{
    CallerIdentity, TemporaryCredentials, caller_identity, create_session_result, sts_credentials,
};
pub use tagging::{MAX_TAGS, Tag, check_tags, tagging};
pub use versioning::{Versioning, versioning_configuration};
#[cfg(feature = "client")]
pub(crate) use versions::page_of_versions;
pub use versions::{ListVersionsResult, ObjectVersion, VersionKind, list_versions_result};
pub use write::{
    DeleteMode, MAX_DELETE_KEYS, ObjectIdentifier, can_carry, complete_multipart_upload,
    create_bucket_configuration, delete, write_object_legal_hold, write_object_lock_configuration,
    write_object_retention, write_tagging, write_versioning_configuration,
};

use std::fmt;

/// The maximum size in bytes of a document that contains a list. A page of 1,000 keys of 1,024
/// bytes each, with every byte escaped and an owner for every key, is smaller than 10 MB.
pub const MAX_LISTING_BYTES: usize = 32 << 20;

/// The maximum number of entries in a requested page. This is ten times as many as S3 returns in a
/// page, because some servers ignore the requested size. An entry takes several times as much
/// memory as it has bytes in the document.
pub const MAX_ENTRIES: usize = 10_000;

/// The maximum size in bytes of all other documents. The longest of them repeats a canonical
/// request four times.
pub const MAX_REPLY_BYTES: usize = 1 << 20;

/// The largest part number. The smallest is 1.
const MAX_PART_NUMBER: u32 = 10_000;

/// The reason why a document was refused or cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// A description on one line. It contains at most a short excerpt of text from the document,
    /// with control characters escaped.
    pub message: String,
    /// The offset in bytes from the start of the body; `None` if the error does not concern a
    /// particular place.
    pub offset: Option<u64>,
    /// The error that the server reported instead of the expected document. Use its code to decide
    /// how to handle it.
    pub document: Option<Box<ErrorDocument>>,
}

impl Error {
    fn new(message: impl Into<String>, offset: usize) -> Self {
        Self { offset: Some(offset as u64), ..Self::unplaced(message) }
    }

    /// Creates an error that does not concern a particular place.
    fn unplaced(message: impl Into<String>) -> Self {
        Self { message: message.into(), offset: None, document: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.offset {
            Some(offset) if self.document.is_none() => write!(f, " at byte {offset}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
