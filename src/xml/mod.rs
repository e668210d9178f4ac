//! Bytes to typed documents and back: the XML of S3 and STS.
//!
//! Every reader is a pure function `fn(&[u8]) -> Result<T, Error>` over a whole body. It never panics, needs time and
//! memory in proportion to the body, and takes no body beyond [`MAX_LISTING_BYTES`] or [`MAX_REPLY_BYTES`]. All of it
//! builds without the crate's features.
//!
//! # Lenient where servers differ
//!
//! Namespaces and prefixes decide nothing: an element is known by its local name. Order is free. Unknown elements are
//! passed over with all that is in them, comments and processing instructions too. Text may be cut by CDATA sections
//! and comments and hold character references and the five predefined ones. White space around numbers, booleans,
//! times, ETags and words is dropped; in keys and markers it belongs to them. A byte order mark is passed over, and so
//! is white space before the XML declaration, with which S3 keeps a connection alive. A time that cannot be read is not
//! known.
//!
//! # Strict where data would be lost
//!
//! Refused: a document that is cut off at any byte, without a root, with two, with another root than the one asked
//! for, with text outside it; a document type declaration; bytes that are not UTF-8, or declared to be something else;
//! a character that XML 1.0 forbids, raw or as a reference; a reference to anything unknown; more than 16 levels of
//! elements; an element inside a text; a known element twice in one entry; a number or boolean that is none; an entry
//! without its key, size, part number, ETag of a part, or upload id. The client, which knows that it requested a page, also
//! refuses one with more than [`MAX_ENTRIES`] entries, and one without an entry and without any other element that a page
//! has, since it would look like the end of a listing.
//!
//! Fields on which nothing depends (times of parts and copies, locations, names that are only
//! compared, all of a completion but for an error in it) are not known when they are odd: what took
//! effect is not reported as failed because of them.
//!
//! An `Error` document, or an `Error` element directly under the root, where another document was asked for, is
//! reported in [`Error::document`]: S3 sends failures with status 200.
//!
//! Not checked, because nothing depends on it: attributes but for their quotes, the spelling of names, `--` in comments.
mod copy;
mod delete;
mod error;
mod listing;
mod location;
mod multipart;
mod percent;
mod reader;
mod reply;
mod sts;
mod tokens;
mod value;
mod write;

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

/// The largest document with a list in it, in bytes. A page of 1,000 keys of 1,024 bytes each, every byte escaped and
/// every key with its owner, stays below 10 MB.
pub const MAX_LISTING_BYTES: usize = 32 << 20;

/// The most entries of a page that was requested: ten times the thousand that S3 has in a page, for servers that ignore
/// the size that was requested. In memory an entry takes several times the bytes it has in the document.
pub const MAX_ENTRIES: usize = 10_000;

/// The largest of all other documents, in bytes. The longest of them repeats a canonical request four times over.
pub const MAX_REPLY_BYTES: usize = 1 << 20;

/// Parts are numbered from 1 to this.
const MAX_PART_NUMBER: u32 = 10_000;

/// Why a document is refused, or cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// What is wrong; of a foreign text no more than a short excerpt, control characters escaped.
    pub message: String,
    /// Where, in bytes from the start; `None` when no single place is to blame.
    pub offset: Option<u64>,
    /// The error that the server reports in place of the document asked for: decide by its code.
    pub document: Option<Box<ErrorDocument>>,
}

impl Error {
    fn new(message: impl Into<String>, offset: usize) -> Self {
        Self { offset: Some(offset as u64), ..Self::unplaced(message) }
    }

    /// An error for which no single place is to blame.
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
