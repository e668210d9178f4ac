//! `CopyObjectResult` and `CopyPartResult`.
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};
use crate::time::Timestamp;

/// The answer to [CopyObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html) and
/// [UploadPartCopy](https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyResult {
    /// Without quotes; opaque, never empty: the only proof that something was copied.
    pub etag: String,
    /// When the server sent it.
    pub last_modified: Option<Timestamp>,
    /// Base64 of the big-endian CRC-64/NVME; `None` when the server keeps none.
    pub checksum_crc64nvme: Option<String>,
}

/// Reads `CopyObjectResult`, at most [`MAX_REPLY_BYTES`] of it. Like a completion, a copy can fail with status 200: the
/// failure is then in [`Error::document`].
pub fn copy_object_result(body: &[u8]) -> Result<CopyResult, Error> {
    copy_result(body, &["CopyObjectResult", "CopyPartResult"])
}

/// Reads `CopyPartResult`, at most [`MAX_REPLY_BYTES`] of it. An empty reply is an error: rclone sends one and copies
/// nothing.
pub fn copy_part_result(body: &[u8]) -> Result<CopyResult, Error> {
    // A server that reports the copy of a whole object here did not make a part.
    copy_result(body, &["CopyPartResult", "UploadPartCopyResult"])
}

fn copy_result(body: &[u8], roots: &[&str]) -> Result<CopyResult, Error> {
    parse(body, MAX_REPLY_BYTES, roots, |document, root| {
        let (mut etag, mut last_modified, mut checksum_crc64nvme) = (None, None, None);
        document.children(|document, child| match child {
            "ETag" => document.field(child, &mut etag, value::etag),
            "LastModified" => document.aside(&mut last_modified, value::time),
            "ChecksumCRC64NVME" => document.aside(&mut checksum_crc64nvme, value::word),
            _ => document.unknown(child),
        })?;
        Ok(CopyResult {
            etag: document.require(etag, root, "ETag")?,
            last_modified: last_modified.flatten(),
            checksum_crc64nvme: checksum_crc64nvme.flatten(),
        })
    })
}
