//! `DeleteResult`: the outcome of a batch deletion, key by key.
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, value};

/// A key that could not be deleted, in a [`DeleteResult`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteError {
    /// The key that was not deleted, never empty.
    pub key: String,
    /// S3's error code; empty if the server did not send one.
    pub code: String,
    /// S3's error message; empty if the server did not send one.
    pub message: String,
}

/// The response to
/// [DeleteObjects](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html).
///
/// A key that is in neither list was deleted only if quiet mode was requested, or if the server
/// always responds in quiet mode. Send a HEAD request for the object to find out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteResult {
    /// The keys that were deleted. Some servers list them even in quiet mode.
    pub deleted: Vec<String>,
    /// The keys that were not deleted, each with a reason.
    pub errors: Vec<DeleteError>,
}

/// Reads `DeleteResult`, at most [`MAX_LISTING_BYTES`] of it and at most
/// [`MAX_ENTRIES`](super::MAX_ENTRIES) keys.
///
/// - Required: `Key` in each `Deleted` and in each `Error`.
/// - Optional: `Code` and `Message` in each `Error`, and any number of both entries. In quiet mode,
///   the response is an empty element.
/// - Refused: an empty key, and a repeated element in an entry.
///
/// ```
/// use s3driver::xml;
///
/// let result = xml::delete_result(
///     b"<DeleteResult><Deleted><Key>a</Key></Deleted>
///       <Error><Key>b</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>",
/// )?;
/// assert_eq!(result.deleted, ["a"]);
/// assert_eq!((result.errors[0].key.as_str(), result.errors[0].code.as_str()), ("b", "AccessDenied"));
///
/// assert!(xml::delete_result(b"<DeleteResult><Deleted/></DeleteResult>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn delete_result(body: &[u8]) -> Result<DeleteResult, Error> {
    parse(body, MAX_LISTING_BYTES, &["DeleteResult", "DeleteObjectsResult"], |document, _| {
        document.demand(Demand::Page);
        let mut result = DeleteResult::default();
        document.children(|document, child| match child {
            "Deleted" => document.entry(deleted, &mut result.deleted),
            "Error" => document.entry(error, &mut result.errors),
            _ => document.unknown(child),
        })?;
        Ok(result)
    })
}

fn deleted(document: &mut Document<'_>) -> Result<String, Error> {
    let mut key = None;
    document.children(|document, child| match child {
        "Key" => document.field(child, &mut key, value::key),
        _ => document.unknown(child),
    })?;
    document.require(key, "Deleted", "Key")
}

fn error(document: &mut Document<'_>) -> Result<DeleteError, Error> {
    let (mut key, mut code, mut message) = (None, None, None);
    document.children(|document, child| match child {
        "Key" => document.field(child, &mut key, value::key),
        "Code" => document.field(child, &mut code, value::word),
        "Message" => document.field(child, &mut message, value::word),
        _ => document.unknown(child),
    })?;

    Ok(DeleteError {
        key: document.require(key, "Error", "Key")?,
        code: code.flatten().unwrap_or_default(),
        message: message.flatten().unwrap_or_default(),
    })
}
