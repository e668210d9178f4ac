//! `DeleteResult`: what became of each key.
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, value};

/// One failure of [`DeleteResult`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteError {
    /// The key that was not deleted.
    pub key: String,
    /// S3's code; empty when the server sent none.
    pub code: String,
    /// S3's words; empty when the server sent none.
    pub message: String,
}

/// The answer to [DeleteObjects](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html).
///
/// A key that stands in neither list was deleted only if quiet mode was asked for, or by a server
/// that is always quiet: a look at the object shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteResult {
    /// The keys that are gone; some servers list them in quiet mode too.
    pub deleted: Vec<String>,
    /// The keys that are not.
    pub errors: Vec<DeleteError>,
}

/// Reads `DeleteResult`, at most [`MAX_LISTING_BYTES`] of it and at most [`MAX_ENTRIES`](super::MAX_ENTRIES) keys.
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
