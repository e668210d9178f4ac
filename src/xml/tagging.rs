//! `Tagging`: the tags of an object.
use super::reader::Document;
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};
use crate::text::shown;

/// The maximum number of tags of an object
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>).
pub const MAX_TAGS: usize = 10;

/// The maximum number of characters of a tag's key, and of its value. S3 keeps tags in UTF-16, so
/// characters outside of the basic plane count as two.
const LONGEST: [usize; 2] = [128, 256];

/// A tag of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Tag {
    /// The key, 1 to 128 characters.
    pub key: String,
    /// The value, up to 256 characters.
    pub value: String,
}

impl Tag {
    /// Returns a tag.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// Checks that S3 accepts the tags of an object: at most [`MAX_TAGS`] with different keys of 1 to
/// 128 characters, and values of up to 256.
///
/// ```
/// use s3driver::xml::{self, Tag};
///
/// assert!(xml::check_tags(&[Tag::new("project", "blue"), Tag::new("stage", "")]).is_ok());
/// assert!(xml::check_tags(&[Tag::new("", "blue")]).is_err());
/// assert!(xml::check_tags(&[Tag::new("a", "1"), Tag::new("a", "2")]).is_err());
/// ```
pub fn check_tags(tags: &[Tag]) -> Result<(), Error> {
    if tags.len() > MAX_TAGS {
        let text = format!("an object has at most {MAX_TAGS} tags, and {} are given", tags.len());
        return Err(Error::unplaced(text));
    }
    for (index, Tag { key, value }) in tags.iter().enumerate() {
        let [key_length, value_length] = [key, value].map(|text| text.encode_utf16().count());
        let [longest_key, longest_value] = LONGEST;
        let name = shown(key);
        let complaint = if key.is_empty() {
            "a tag has an empty key".to_owned()
        } else if key_length > longest_key {
            format!("the tag key \"{name}\" has {key_length} characters, {longest_key} are allowed")
        } else if value_length > longest_value {
            format!(
                "the value of the tag \"{name}\" has {value_length} characters, \
                 {longest_value} are allowed"
            )
        } else if tags.iter().take(index).any(|earlier| earlier.key == *key) {
            format!("the tag key \"{name}\" is given twice")
        } else {
            continue;
        };
        return Err(Error::unplaced(complaint));
    }
    Ok(())
}

/// Reads the response to
/// [GetObjectTagging](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html), at
/// most [`MAX_REPLY_BYTES`] of it.
///
/// - Required: the root `Tagging`, a `TagSet`, which may be empty, and `Key` and `Value` in each
///   `Tag`.
/// - Refused: an empty key, a second `TagSet`, and a second element of a name in one `Tag`.
///
/// ```
/// use s3driver::xml::{self, Tag};
///
/// let tags = xml::tagging(
///     b"<Tagging><TagSet><Tag><Key>stage</Key><Value>live</Value></Tag></TagSet></Tagging>",
/// )?;
/// assert_eq!(tags, [Tag::new("stage", "live")]);
/// assert!(xml::tagging(b"<Tagging/>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn tagging(body: &[u8]) -> Result<Vec<Tag>, Error> {
    parse(body, MAX_REPLY_BYTES, ROOTS, |document, root| {
        let mut tags = None;
        document.children(|document, child| match child {
            "TagSet" if tags.is_some() => Err(document.fail("<TagSet> comes twice in one element")),
            "TagSet" => {
                let tags = tags.insert(Vec::new());
                document.children(|document, child| match child {
                    "Tag" => document.entry(tag, tags),
                    _ => document.unknown(child),
                })
            }
            _ => document.unknown(child),
        })?;
        let root = if root == "Tagging" { root } else { "GetObjectTaggingResult" };
        document.require(tags, root, "TagSet")
    })
}

/// The root, and its name after the operation.
const ROOTS: &[&str] = &["Tagging", "GetObjectTaggingResult"];

fn tag(document: &mut Document<'_>) -> Result<Tag, Error> {
    let (mut key, mut text) = (None, None);
    document.children(|document, child| match child {
        "Key" => document.field(child, &mut key, value::key),
        "Value" => document.field(child, &mut text, value::verbatim),
        _ => document.unknown(child),
    })?;

    Ok(Tag {
        key: document.require(key, "Tag", "Key")?,
        value: document.require(text, "Tag", "Value")?,
    })
}
