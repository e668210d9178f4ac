//! Writing of the documents that a client sends.
use super::reader::forbidden;
use super::{Error, MAX_PART_NUMBER};
use crate::text::shown;

/// The namespace of S3. Some servers refuse documents without it.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The maximum number of keys in a `Delete`. S3 and most other servers refuse more.
pub const MAX_DELETE_KEYS: usize = 1000;

/// The keys that the response to a `Delete` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteMode {
    /// All keys, whether or not they were deleted.
    Verbose,
    /// Only the keys that could not be deleted.
    Quiet,
}

/// Writes `CompleteMultipartUpload` for `parts`, each given as its number and its ETag with or
/// without quotes.
///
/// Fails if there are no parts, if numbers are outside 1 to 10,000 or not in ascending order, or if
/// an ETag is empty. Ceph accepts such lists, and creates an object that differs from what was
/// uploaded.
///
/// ```
/// use s3driver::xml;
///
/// let document = xml::complete_multipart_upload(&[(1, "7778aef8"), (2, "\"aaaa18db\"")])?;
/// assert!(document.contains("<Part><PartNumber>2</PartNumber><ETag>\"aaaa18db\"</ETag></Part>"));
/// assert!(xml::complete_multipart_upload(&[(2, "a"), (1, "b")]).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
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
        // An ETag that contains quotes (such as `W/"..."`) is sent back as it was received.
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
/// Fails for an empty key, which would address the bucket itself, and for a key with a character
/// that XML 1.0 cannot represent (most control characters, U+FFFE, U+FFFF). Delete such an object
/// with a separate request, which has the key in its path.
///
/// ```
/// use s3driver::xml::{self, DeleteMode};
///
/// let document = xml::delete(&["a&b"], DeleteMode::Quiet)?;
/// assert!(document.ends_with("<Quiet>true</Quiet><Object><Key>a&amp;b</Key></Object></Delete>"));
/// assert!(xml::delete(&["a\u{1}b"], DeleteMode::Quiet).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
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
            ": delete the object with a separate request",
        )?;
        document.push_str("</Key></Object>");
    }
    document.push_str("</Delete>");
    Ok(document)
}

/// Writes `CreateBucketConfiguration` for a bucket in the region `location`. S3 refuses the
/// document for `us-east-1`.
///
/// Fails if the name is empty or has a character that XML 1.0 cannot represent.
///
/// ```
/// use s3driver::xml;
///
/// let document = xml::create_bucket_configuration("eu-west-1")?;
/// assert!(document.contains("<LocationConstraint>eu-west-1</LocationConstraint>"));
/// # Ok::<(), xml::Error>(())
/// ```
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

/// Creates a document that begins with the start tag of `root`, with a capacity for another `room`
/// bytes.
fn opened(root: &str, room: usize) -> String {
    let mut document = String::with_capacity(room + 128);
    for piece in ["<", root, " xmlns=\"", NAMESPACE, "\">"] {
        document.push_str(piece);
    }
    document
}

/// Appends `text` with escapes. Fails for a character that XML 1.0 cannot represent. In the error
/// message, `name` describes the text, given an excerpt of it, and `advice` comes last.
///
/// White space other than a plain space is written as a reference too, because a raw carriage
/// return would be received as a line feed (XML 1.0 section 2.11).
fn push_text(
    document: &mut String,
    text: &str,
    name: impl FnOnce(&str) -> String,
    advice: &str,
) -> Result<(), Error> {
    if let Some(at) = forbidden(text) {
        let name = name(&shown(text).to_string());
        return Err(Error::unplaced(format!(
            "{name} has a character at byte {at} that XML cannot represent{advice}"
        )));
    }
    // Nearly every text is plain.
    if !has_escapes(text) {
        document.push_str(text);
        return Ok(());
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

/// Returns whether [`push_text`] writes a character of `text` as a reference.
fn has_escapes(text: &str) -> bool {
    let escaped = |byte| matches!(byte, b'&' | b'<' | b'>' | b'\t' | b'\n' | b'\r');
    text.bytes().fold(false, |any, byte| any | escaped(byte))
}

/// Returns whether XML 1.0 can represent every character of `text`, so that a document can contain
/// it.
pub fn can_carry(text: &str) -> bool {
    forbidden(text).is_none()
}
