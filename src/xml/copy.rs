//! `CopyObjectResult` and `CopyPartResult`.
use super::checksum::{Checksums, StoredChecksum};
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};
use crate::time::Timestamp;

/// The response to
/// [CopyObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html) and
/// [UploadPartCopy](https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyResult {
    /// The ETag of the copy without its quotes. It is opaque, and never empty because the ETag is
    /// the only proof that something was copied.
    pub etag: String,
    /// When the copy was made; `None` if the server did not send a time that can be parsed.
    pub last_modified: Option<Timestamp>,
    /// The checksums of the copy.
    pub checksums: Vec<StoredChecksum>,
}

/// Reads `CopyObjectResult` or `CopyPartResult`, at most [`MAX_REPLY_BYTES`] of it.
///
/// - Required: `ETag`.
/// - Optional: everything else. A time or a checksum that cannot be parsed is `None`, because the
///   copy already exists.
/// - Refused: an empty or repeated `ETag`, and an `Error` in place of the root or directly below
///   it. Like a completion, a copy can fail with status 200; [`Error::document`] then contains the
///   failure.
///
/// ```
/// use s3driver::xml;
///
/// let copied = xml::copy_object_result(b"<CopyObjectResult><ETag>\"9b2cf535\"</ETag></CopyObjectResult>")?;
/// assert_eq!(copied.etag, "9b2cf535");
///
/// let failed = xml::copy_object_result(b"<Error><Code>SlowDown</Code></Error>").unwrap_err();
/// assert_eq!(failed.document.unwrap().code, "SlowDown");
/// # Ok::<(), xml::Error>(())
/// ```
pub fn copy_object_result(body: &[u8]) -> Result<CopyResult, Error> {
    copy_result(body, &["CopyObjectResult", "CopyPartResult"])
}

/// Reads `CopyPartResult` or `UploadPartCopyResult`, at most [`MAX_REPLY_BYTES`] of it.
///
/// - Required: `ETag`.
/// - Optional: everything else. A time or a checksum that cannot be parsed is `None`, because the
///   part already exists.
/// - Refused: an empty body, which rclone sends if it has not copied anything; `CopyObjectResult`,
///   because a server that copied a whole object did not create a part; an empty or repeated
///   `ETag`; and an `Error` in place of the root or directly below it.
///
/// ```
/// use s3driver::xml;
///
/// let copied = xml::copy_part_result(b"<CopyPartResult><ETag>\"9b2cf535\"</ETag></CopyPartResult>")?;
/// assert_eq!(copied.etag, "9b2cf535");
///
/// assert!(xml::copy_part_result(b"").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn copy_part_result(body: &[u8]) -> Result<CopyResult, Error> {
    copy_result(body, &["CopyPartResult", "UploadPartCopyResult"])
}

fn copy_result(body: &[u8], roots: &[&str]) -> Result<CopyResult, Error> {
    parse(body, MAX_REPLY_BYTES, roots, |document, root| {
        let (mut etag, mut last_modified, mut checksums) = (None, None, Checksums::default());
        document.children(|document, child| match child {
            "ETag" => document.field(child, &mut etag, value::etag),
            "LastModified" => document.aside(&mut last_modified, value::time),
            _ => checksums.read(document, child),
        })?;

        Ok(CopyResult {
            etag: document.require(etag, root, "ETag")?,
            last_modified: last_modified.flatten(),
            checksums: checksums.finish(),
        })
    })
}
