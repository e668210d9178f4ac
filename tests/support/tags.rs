//! Tags of objects, with S3's limits.

use s3s::dto::Tag;
use s3s::{S3Result, s3_error};

/// The largest number of tags, and the most UTF-16 units of a key and of a value.
const LIMITS: (usize, usize, usize) = (10, 128, 256);

/// Decodes `x-amz-tagging`.
///
/// # Errors
/// `InvalidArgument` for a text that is not a query string; the errors of [`check`].
pub fn of_header(header: Option<String>) -> S3Result<Vec<(String, String)>> {
    let header = header.unwrap_or_default();
    let pairs = header.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decoded(key)?, decoded(value)?))
    });
    check(pairs.collect::<S3Result<_>>()?)
}

/// Checks the tags of a `Tagging` document.
///
/// # Errors
/// `MalformedXML` for a tag without a key or value; the errors of [`check`].
pub fn of_set(tags: Vec<Tag>) -> S3Result<Vec<(String, String)>> {
    let pairs = tags.into_iter().map(|tag| tag.key.zip(tag.value));
    let pairs: Option<Vec<_>> = pairs.collect();
    check(pairs.ok_or_else(|| s3_error!(MalformedXML, "A tag has a key and a value"))?)
}

/// Returns the tags as s3s represents them.
pub fn to_set(tags: &[(String, String)]) -> Vec<Tag> {
    let tag = |(key, value): &(String, String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    tags.iter().map(tag).collect()
}

/// Checks the limits.
///
/// # Errors
/// `BadRequest` for too many tags, `InvalidTag`.
fn check(tags: Vec<(String, String)>) -> S3Result<Vec<(String, String)>> {
    let (most, longest_key, longest_value) = LIMITS;
    if tags.len() > most {
        return Err(s3_error!(InvalidRequest, "Object tags cannot be greater than {most}"));
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        let length = |text: &str| text.encode_utf16().count();
        if !(1..=longest_key).contains(&length(key)) {
            return Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"));
        }
        if length(value) > longest_value {
            return Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"));
        }
        if tags[..index].iter().any(|(earlier, _)| earlier == key) {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}

fn decoded(text: &str) -> S3Result<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let digits = tail.get(..2).and_then(|digits| hex::decode(digits).ok());
                let invalid =
                    || s3_error!(InvalidArgument, "The header 'x-amz-tagging' is invalid");
                bytes.extend(digits.ok_or_else(invalid)?);
                rest = &tail[2..];
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| s3_error!(InvalidArgument, "The tags are not UTF-8"))
}
