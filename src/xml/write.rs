//! Writing of the documents that a client sends.
use super::checksum::StoredChecksum;
use super::lock::{LegalHold, ObjectLockConfiguration, Retention, RetentionPeriod};
use super::reader::forbidden;
use super::tagging::{Tag, check_tags};
use super::versioning::Versioning;
use super::{Error, MAX_PART_NUMBER, Part};
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

/// An object to delete, or a version of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectIdentifier<'a> {
    /// The key.
    pub key: &'a str,
    /// The version to delete. `None` deletes the object, which leaves a delete marker in a bucket
    /// with versions.
    pub version_id: Option<&'a str>,
    /// The ETag that the object must have, without quotes. Servers without conditional deletions
    /// ignore it.
    pub etag: Option<&'a str>,
}

impl<'a> ObjectIdentifier<'a> {
    /// Names an object by its key.
    pub const fn new(key: &'a str) -> Self {
        Self { key, version_id: None, etag: None }
    }

    /// Names this version of the object.
    #[must_use]
    pub const fn version_id(mut self, version: &'a str) -> Self {
        self.version_id = Some(version);
        self
    }

    /// Deletes the object only if it has this ETag.
    #[must_use]
    pub const fn etag(mut self, etag: &'a str) -> Self {
        self.etag = Some(etag);
        self
    }
}

impl<'a> From<&'a str> for ObjectIdentifier<'a> {
    fn from(key: &'a str) -> Self {
        Self::new(key)
    }
}

impl<'a> From<&'a String> for ObjectIdentifier<'a> {
    fn from(key: &'a String) -> Self {
        Self::new(key)
    }
}

/// Writes `CompleteMultipartUpload` for `parts`: their numbers, their ETags, and the checksums of
/// those that have one. The ETags may have quotes.
///
/// Fails if there are no parts, if numbers are outside 1 to 10,000 or not in ascending order, or if
/// an ETag is empty. Ceph accepts such lists, and creates an object that differs from what was
/// uploaded.
///
/// ```
/// use s3driver::xml::{self, Part};
///
/// let parts = [Part::new(1, "7778aef8", 5 << 20), Part::new(2, "\"aaaa18db\"", 1)];
/// let document = xml::complete_multipart_upload(&parts)?;
/// assert!(document.contains("<Part><PartNumber>2</PartNumber><ETag>\"aaaa18db\"</ETag></Part>"));
/// let [first, second] = parts;
/// assert!(xml::complete_multipart_upload(&[second, first]).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn complete_multipart_upload(parts: &[Part]) -> Result<String, Error> {
    if parts.is_empty() {
        return Err(Error::unplaced("an upload cannot be completed without parts"));
    }
    let room: usize = parts.iter().map(|part| part.etag.len() + 64).sum();
    let mut document = opened("CompleteMultipartUpload", room);
    let mut previous = 0;
    for Part { part_number: number, etag, checksum, .. } in parts {
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
        if etag.is_empty() || etag == "\"\"" {
            return Err(Error::unplaced(format!("part {number} has an empty ETag")));
        }
        document.push_str("<Part><PartNumber>");
        document.push_str(&number.to_string());
        document.push_str("</PartNumber>");
        push_etag(&mut document, etag, |shown| format!("the ETag \"{shown}\" of part {number}"))?;
        if let Some(checksum) = checksum {
            push_checksum(&mut document, checksum, *number)?;
        }
        document.push_str("</Part>");
    }
    document.push_str("</CompleteMultipartUpload>");
    Ok(document)
}

/// Writes `Delete` for 1 to [`MAX_DELETE_KEYS`] objects, named by their keys alone or as
/// [`ObjectIdentifier`]s.
///
/// Fails for an empty key, which would address the bucket itself, for an empty version, which would
/// be the current one, for an empty or a weak ETag, which never matches, and for a text with a
/// character that XML 1.0 cannot represent (most control characters, U+FFFE, U+FFFF). Delete such
/// an object with a separate request, which has the key in its path.
///
/// ```
/// use s3driver::xml::{self, DeleteMode};
///
/// let document = xml::delete(&["a&b"], DeleteMode::Quiet)?;
/// assert!(document.ends_with("<Quiet>true</Quiet><Object><Key>a&amp;b</Key></Object></Delete>"));
/// let version = xml::ObjectIdentifier::new("a").version_id("v1");
/// let document = xml::delete(&[version], DeleteMode::Verbose)?;
/// assert!(document.ends_with("<Key>a</Key><VersionId>v1</VersionId></Object></Delete>"));
/// assert!(xml::delete(&["a\u{1}b"], DeleteMode::Quiet).is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn delete<'a, T>(objects: &[T], mode: DeleteMode) -> Result<String, Error>
where
    T: Copy + Into<ObjectIdentifier<'a>>,
{
    if objects.is_empty() || objects.len() > MAX_DELETE_KEYS {
        return Err(Error::unplaced(format!(
            "one request deletes 1 to {MAX_DELETE_KEYS} keys, not {}",
            objects.len()
        )));
    }
    let objects = || objects.iter().copied().map(T::into);
    let room: usize = objects().map(|object| object.key.len() + 32).sum();
    let mut document = opened("Delete", room);
    if mode == DeleteMode::Quiet {
        document.push_str("<Quiet>true</Quiet>");
    }
    for ObjectIdentifier { key, version_id, etag } in objects() {
        if key.is_empty() {
            return Err(Error::unplaced("an empty key cannot be deleted"));
        }
        if version_id == Some("") {
            return Err(Error::unplaced(format!("the version of \"{}\" is empty", shown(key))));
        }
        if etag.is_some_and(|etag| etag.trim_matches('"').is_empty() || etag.starts_with("W/")) {
            return Err(Error::unplaced(format!(
                "the ETag for \"{}\" is empty or weak, and never matches",
                shown(key)
            )));
        }
        document.push_str("<Object><Key>");
        push_text(
            &mut document,
            key,
            |shown| format!("the key \"{shown}\""),
            ": delete the object with a separate request",
        )?;
        document.push_str("</Key>");
        if let Some(version) = version_id {
            document.push_str("<VersionId>");
            push_text(&mut document, version, |shown| format!("the version \"{shown}\""), "")?;
            document.push_str("</VersionId>");
        }
        if let Some(etag) = etag {
            push_etag(&mut document, etag, |shown| format!("the ETag \"{shown}\""))?;
        }
        document.push_str("</Object>");
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

/// Writes `Tagging` with the tags of an object, at most [`MAX_TAGS`](super::MAX_TAGS).
///
/// Fails on tags that [`check_tags`] refuses, and on characters that XML 1.0 cannot carry.
///
/// ```
/// use s3driver::xml::{self, Tag};
///
/// let document = xml::write_tagging(&[Tag::new("stage", "live")])?;
/// assert!(document.contains("<Tag><Key>stage</Key><Value>live</Value></Tag>"));
/// # Ok::<(), xml::Error>(())
/// ```
pub fn write_tagging(tags: &[Tag]) -> Result<String, Error> {
    check_tags(tags)?;
    let mut document = opened("Tagging", 0);
    document.push_str("<TagSet>");
    for Tag { key, value, .. } in tags {
        document.push_str("<Tag><Key>");
        push_text(&mut document, key, |shown| format!("the tag key \"{shown}\""), "")?;
        document.push_str("</Key><Value>");
        push_text(&mut document, value, |shown| format!("the tag value \"{shown}\""), "")?;
        document.push_str("</Value></Tag>");
    }
    document.push_str("</TagSet></Tagging>");
    Ok(document)
}

/// Writes `VersioningConfiguration`.
///
/// ```
/// use s3driver::xml::{self, Versioning};
///
/// let document = xml::write_versioning_configuration(Versioning::Enabled);
/// assert!(document.contains("<Status>Enabled</Status>"));
/// ```
pub fn write_versioning_configuration(versioning: Versioning) -> String {
    let mut document = opened("VersioningConfiguration", 0);
    document.push_str("<Status>");
    document.push_str(match versioning {
        Versioning::Enabled => "Enabled",
        Versioning::Suspended => "Suspended",
    });
    document.push_str("</Status></VersioningConfiguration>");
    document
}

/// Writes `ObjectLockConfiguration`, which enables Object Lock.
///
/// Fails for a default retention of 0 days or years.
///
/// ```
/// use s3driver::xml::{self, DefaultRetention, ObjectLockConfiguration, RetentionMode, RetentionPeriod};
///
/// let retention = DefaultRetention::new(RetentionMode::Governance, RetentionPeriod::Days(30));
/// let configuration = ObjectLockConfiguration::default().default_retention(retention);
/// let document = xml::write_object_lock_configuration(&configuration)?;
/// assert!(document.contains("<Mode>GOVERNANCE</Mode><Days>30</Days>"));
/// # Ok::<(), xml::Error>(())
/// ```
pub fn write_object_lock_configuration(
    configuration: &ObjectLockConfiguration,
) -> Result<String, Error> {
    let mut document = opened("ObjectLockConfiguration", 0);
    push_element(&mut document, "ObjectLockEnabled", "Enabled");
    if let Some(retention) = configuration.default_retention {
        let (element, period) = match retention.period {
            RetentionPeriod::Days(days) => ("Days", days),
            RetentionPeriod::Years(years) => ("Years", years),
        };
        if period == 0 {
            return Err(Error::unplaced("a default retention has at least 1 day or year"));
        }
        document.push_str("<Rule><DefaultRetention>");
        push_element(&mut document, "Mode", retention.mode.as_str());
        push_element(&mut document, element, &period.to_string());
        document.push_str("</DefaultRetention></Rule>");
    }
    document.push_str("</ObjectLockConfiguration>");
    Ok(document)
}

/// Writes `Retention`. `None` is an empty one, which removes a retention in governance mode.
///
/// ```
/// use s3driver::xml::{self, Retention, RetentionMode};
///
/// let until = "2031-05-01T00:00:00Z".parse()?;
/// let retention = Retention::new(RetentionMode::Compliance, until);
/// let document = xml::write_object_retention(Some(&retention));
/// assert!(document.contains("<RetainUntilDate>2031-05-01T00:00:00Z</RetainUntilDate>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_object_retention(retention: Option<&Retention>) -> String {
    let mut document = opened("Retention", 0);
    if let Some(Retention { mode, retain_until }) = retention {
        push_element(&mut document, "Mode", mode.as_str());
        push_element(&mut document, "RetainUntilDate", &retain_until.iso8601());
    }
    document.push_str("</Retention>");
    document
}

/// Writes `LegalHold`.
///
/// ```
/// use s3driver::xml::{self, LegalHold};
///
/// assert!(xml::write_object_legal_hold(LegalHold::On).contains("<Status>ON</Status>"));
/// ```
pub fn write_object_legal_hold(hold: LegalHold) -> String {
    let mut document = opened("LegalHold", 0);
    push_element(&mut document, "Status", hold.as_str());
    document.push_str("</LegalHold>");
    document
}

/// Appends an element with a text that does not need escapes.
fn push_element(document: &mut String, name: &str, text: &str) {
    for piece in ["<", name, ">", text, "</", name, ">"] {
        document.push_str(piece);
    }
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

/// Appends an `ETag`, with quotes. One that has quotes (such as `W/"..."`) is sent back as it was
/// received.
fn push_etag(
    document: &mut String,
    etag: &str,
    name: impl FnOnce(&str) -> String,
) -> Result<(), Error> {
    let quote = if etag.contains('"') { "" } else { "\"" };
    document.push_str("<ETag>");
    document.push_str(quote);
    push_text(document, etag, name, "")?;
    document.push_str(quote);
    document.push_str("</ETag>");
    Ok(())
}

/// Appends the checksum of a part.
fn push_checksum(
    document: &mut String,
    checksum: &StoredChecksum,
    number: u32,
) -> Result<(), Error> {
    let element = checksum.algorithm.element();
    for piece in ["<", element, ">"] {
        document.push_str(piece);
    }
    let name = |shown: &str| format!("the checksum \"{shown}\" of part {number}");
    push_text(document, &checksum.value, name, "")?;
    for piece in ["</", element, ">"] {
        document.push_str(piece);
    }
    Ok(())
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
