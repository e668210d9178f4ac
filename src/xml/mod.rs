//! Bytes to typed documents and back: the XML of S3 and STS.
//!
//! Every reader is a pure function `fn(&[u8]) -> Result<T, Error>` over a whole body. A reader
//! never panics, needs time and memory in proportion to the body, and refuses a body longer than
//! [`MAX_LISTING_BYTES`] or [`MAX_REPLY_BYTES`]. The module builds without the crate's features.
//!
//! | document | reader |
//! |---|---|
//! | `ListAllMyBucketsResult` | [`list_all_my_buckets_result`] |
//! | `ListBucketResult` | [`list_bucket_result`] |
//! | `LocationConstraint` | [`location_constraint`] |
//! | `InitiateMultipartUploadResult` | [`initiate_multipart_upload_result`] |
//! | `ListPartsResult` | [`list_parts_result`] |
//! | `ListMultipartUploadsResult` | [`list_multipart_uploads_result`] |
//! | `CompleteMultipartUploadResult` | [`complete_multipart_upload_result`] |
//! | `CopyObjectResult`, `CopyPartResult` | [`copy_object_result`], [`copy_part_result`] |
//! | `DeleteResult` | [`delete_result`] |
//! | `Error`, `ErrorResponse` | [`error_document`] |
//! | `AssumeRoleResponse`, `AssumeRoleWithWebIdentityResponse` | [`sts_credentials`] |
//!
//! Each reader documents which elements are required, optional and refused. A root may also end in
//! `Response` or `Output` where AWS's name ends in `Result`, since some servers name it so. The
//! rules below hold for all readers.
//!
//! # Lenient where servers differ
//!
//! Namespaces and prefixes decide nothing: an element is known by its local name. Elements may come
//! in any order. Unknown elements are skipped with everything in them, as are comments and
//! processing instructions. Text may be interrupted by CDATA sections and comments, and may hold
//! character references and the five predefined entities. White space around numbers, booleans,
//! times, ETags and words is dropped; in keys and markers it is kept. A byte order mark is skipped,
//! and so is white space before the XML declaration, with which S3 keeps a connection alive. A time
//! that cannot be read is `None`.
//!
//! # Strict where data would be lost
//!
//! Refused: a document that is cut off at any byte, has no root, two roots or text outside the
//! root; an unexpected root; a document type declaration; bytes that are not UTF-8, or declared to
//! be in another encoding; a character that XML 1.0 forbids, raw or as a reference; an unknown
//! entity; more than 16 levels of elements; an element inside a text; a known element twice in one
//! entry; a malformed number or boolean; an entry without its key, size, part number, ETag of a
//! part, or upload id. The client, which knows that it requested a page, also refuses one with more
//! than [`MAX_ENTRIES`] entries, and one that has neither an entry nor any other element of a page,
//! since it would look like the end of a listing.
//!
//! Fields on which nothing depends (times of parts and copies, locations, echoed parameters and
//! counts, all of a completion except for an error in it) are `None` when they cannot be read or
//! come twice: an operation that took effect is not reported as failed because of them.
//!
//! An `Error` document, or an `Error` element directly under the root, in place of the expected
//! document is returned in
//! [`Error::document`]: S3 sends failures with status 200.
//!
//! Not checked, because nothing depends on it: attributes except for their quotes, the spelling of
//! names, `--` in comments.
//!
//! # Layers
//!
//! `tokens` splits a text into tags, texts and references, and checks that they are well-formed.
//! `reader` decides what the tokens mean, resolves references and enforces the limits; `reply`
//! knows the roots; `value` reads texts. Each document has a file for its elements. No other file
//! than `tokens.rs` sees the syntax of XML, so another parser could take its place there without a
//! change to the readers.
mod buckets;
mod copy;
mod delete;
mod error;
mod listing;
mod location;
mod multipart;
mod percent;
mod reader;
mod reply;
mod scan;
mod sts;
mod tokens;
mod value;
mod write;

pub use buckets::{Bucket, ListAllMyBucketsResult, Owner, list_all_my_buckets_result};
pub use copy::{CopyResult, copy_object_result, copy_part_result};
pub use delete::{DeleteError, DeleteResult, delete_result};
pub use error::{ErrorDocument, ServerSteps};
#[cfg(feature = "client")]
pub(crate) use listing::page_of_objects;
pub use listing::{ListBucketResult, Object, list_bucket_result};
pub use location::location_constraint;
pub use multipart::{
    CompleteMultipartUploadResult, InitiateMultipartUploadResult, ListMultipartUploadsResult,
    ListPartsResult, Part, Upload, complete_multipart_upload_result,
    initiate_multipart_upload_result, list_multipart_uploads_result, list_parts_result,
};
#[cfg(feature = "client")]
pub(crate) use multipart::{page_of_parts, page_of_uploads};
pub use reply::{error_document, says_nothing};
pub use sts::{StsCredentials, sts_credentials};
pub use write::{
    DeleteMode, MAX_DELETE_KEYS, can_carry, complete_multipart_upload, create_bucket_configuration,
    delete,
};

use std::fmt;

/// The largest document with a list in it, in bytes. A page of 1,000 keys of 1,024 bytes each,
/// every byte escaped and every key with its owner, stays below 10 MB.
pub const MAX_LISTING_BYTES: usize = 32 << 20;

/// The most entries of a page that was requested: ten times the thousand that S3 puts into a page,
/// for servers that ignore the requested size. In memory an entry takes several times the bytes
/// that it has in the document.
pub const MAX_ENTRIES: usize = 10_000;

/// The largest of all other documents, in bytes. The longest of them repeats a canonical request
/// four times over.
pub const MAX_REPLY_BYTES: usize = 1 << 20;

/// Parts are numbered from 1 to this.
const MAX_PART_NUMBER: u32 = 10_000;

/// The reason why a document was refused, or cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// A description on one line. Of foreign text it repeats only a short excerpt, with control
    /// characters escaped.
    pub message: String,
    /// The offset in bytes from the start of the body; `None` when the error concerns no single
    /// place.
    pub offset: Option<u64>,
    /// The error that the server reports in place of the expected document. Decide by its code.
    pub document: Option<Box<ErrorDocument>>,
}

impl Error {
    fn new(message: impl Into<String>, offset: usize) -> Self {
        Self { offset: Some(offset as u64), ..Self::unplaced(message) }
    }

    /// Returns an error that concerns no single place.
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
