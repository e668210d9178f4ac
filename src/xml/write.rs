//! The documents that a client sends.
use super::reader::forbidden;
use super::{Error, MAX_PART_NUMBER};
use crate::text::shown;

/// S3's namespace, without which some servers refuse a document.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Keys that one `Delete` may hold (S3 refuses more; so do most servers).
pub const MAX_DELETE_KEYS: usize = 1000;

/// What a server answers to a `Delete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteMode {
    /// Every key, deleted or not.
    Verbose,
    /// Only the keys that could not be deleted.
    Quiet,
}

/// Writes `CompleteMultipartUpload` for `parts`, each with its number and its ETag with or without quotes.
///
/// Fails on no parts at all, numbers outside 1 to 10,000 or not in ascending order, and empty ETags: Ceph takes such a
/// list, and what it makes of it is not what was uploaded.
pub fn complete_multipart_upload(parts: &[(u32, &str)]) -> Result<String, Error> {
    if parts.is_empty() {
        return Err(Error::unplaced("an upload cannot be completed without parts"));
    }
    let room: usize = parts.iter().map(|(_, etag)| etag.len() + 64).sum();
    let mut document = opened("CompleteMultipartUpload", room);
    let mut previous = 0;
    for (number, etag) in parts {
        if !(1..=MAX_PART_NUMBER).contains(number) {
            return Err(Error::unplaced(format!(
                "the part number {number} is not between 1 and {MAX_PART_NUMBER}"
            )));
        }
        if *number <= previous {
            return Err(Error::unplaced(format!(
                "part {number} comes after part {previous}: sort the parts by number"
            )));
        }
        previous = *number;
        if etag.is_empty() || *etag == "\"\"" {
            return Err(Error::unplaced(format!("part {number} has an empty ETag")));
        }
        document.push_str("<Part><PartNumber>");
        document.push_str(&number.to_string());
        document.push_str("</PartNumber><ETag>");
        // One that has quotes came in a form of its own (such as `W/"..."`) and goes back as it came.
        let quote = if etag.contains('"') { "" } else { "\"" };
        document.push_str(quote);
        push_text(
            &mut document,
            etag,
            |shown| format!("the ETag \"{shown}\" of part {number}"),
            "",
        )?;
        document.push_str(quote);
        document.push_str("</ETag></Part>");
    }
    document.push_str("</CompleteMultipartUpload>");
    Ok(document)
}

/// Writes `Delete` for 1 to [`MAX_DELETE_KEYS`] keys.
///
/// Fails on an empty key, which would be the bucket itself, and on a key with a character that XML 1.0 cannot carry
/// (most control characters, U+FFFE, U+FFFF): delete such an object by itself.
pub fn delete(keys: &[&str], mode: DeleteMode) -> Result<String, Error> {
    if keys.is_empty() || keys.len() > MAX_DELETE_KEYS {
        return Err(Error::unplaced(format!(
            "one request deletes 1 to {MAX_DELETE_KEYS} keys, not {}",
            keys.len()
        )));
    }
    let room: usize = keys.iter().map(|key| key.len() + 32).sum();
    let mut document = opened("Delete", room);
    if mode == DeleteMode::Quiet {
        document.push_str("<Quiet>true</Quiet>");
    }
    for key in keys {
        if key.is_empty() {
            return Err(Error::unplaced("an empty key cannot be deleted"));
        }
        document.push_str("<Object><Key>");
        push_text(
            &mut document,
            key,
            |shown| format!("the key \"{shown}\""),
            ": delete the object by itself",
        )?;
        document.push_str("</Key></Object>");
    }
    document.push_str("</Delete>");
    Ok(document)
}

/// Writes `CreateBucketConfiguration` for a bucket in the region `location`. S3 wants none of it for `us-east-1`.
///
/// Fails on an empty name and on one with a character that XML 1.0 cannot carry.
pub fn create_bucket_configuration(location: &str) -> Result<String, Error> {
    if location.is_empty() {
        return Err(Error::unplaced("a bucket's location cannot be empty"));
    }
    let mut document = opened("CreateBucketConfiguration", location.len());
    document.push_str("<LocationConstraint>");
    push_text(&mut document, location, |shown| format!("the location \"{shown}\""), "")?;
    document.push_str("</LocationConstraint></CreateBucketConfiguration>");
    Ok(document)
}

/// Begins a document with the start tag of `root`, with space for another `room` bytes.
fn opened(root: &str, room: usize) -> String {
    let mut document = String::with_capacity(room + 128);
    for piece in ["<", root, " xmlns=\"", NAMESPACE, "\">"] {
        document.push_str(piece);
    }
    document
}

/// Appends `text` escaped. Fails on a character that XML 1.0 cannot carry: `name` names the text, of which it gets an
/// excerpt, and `advice` ends the message.
///
/// White space other than the plain space goes as a reference too: a raw carriage return would arrive as a line feed
/// (XML 1.0 section 2.11).
fn push_text(
    document: &mut String,
    text: &str,
    name: impl FnOnce(&str) -> String,
    advice: &str,
) -> Result<(), Error> {
    if let Some(at) = forbidden(text) {
        let name = name(&shown(text).to_string());
        return Err(Error::unplaced(format!(
            "{name} has a character at byte {at} that XML cannot carry{advice}"
        )));
    }
    for piece in text.split_inclusive(['&', '<', '>', '\t', '\n', '\r']) {
        let (plain, escape) = match piece.as_bytes().last() {
            Some(b'&') => (piece.strip_suffix('&'), "&amp;"),
            Some(b'<') => (piece.strip_suffix('<'), "&lt;"),
            Some(b'>') => (piece.strip_suffix('>'), "&gt;"),
            Some(b'\t') => (piece.strip_suffix('\t'), "&#9;"),
            Some(b'\n') => (piece.strip_suffix('\n'), "&#10;"),
            Some(b'\r') => (piece.strip_suffix('\r'), "&#13;"),
            _ => (None, ""),
        };
        document.push_str(plain.unwrap_or(piece));
        document.push_str(escape);
    }
    Ok(())
}

/// Whether XML 1.0 can carry every character of `text`, so that a request about it can be written.
pub fn can_carry(text: &str) -> bool {
    forbidden(text).is_none()
}
