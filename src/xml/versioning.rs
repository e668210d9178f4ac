//! `VersioningConfiguration`: whether a bucket stores versions of objects.
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};

/// The state of a bucket that stores versions, or has stored them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Versioning {
    /// Every write creates a version.
    Enabled,
    /// Earlier versions are kept, and writes replace the version `null`.
    Suspended,
}

/// Reads the response to
/// [GetBucketVersioning](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html),
/// at most [`MAX_REPLY_BYTES`] of it.
///
/// - Required: the root `VersioningConfiguration`.
/// - Optional: `Status`, without which versions were never enabled: `None`.
/// - Refused: another status than `Enabled`, `Suspended` and (Ceph) `Disabled`, which is `None`,
///   and a second one.
///
/// ```
/// use s3driver::xml::{self, Versioning};
///
/// let document = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
/// assert_eq!(xml::versioning_configuration(document)?, Some(Versioning::Enabled));
/// assert_eq!(xml::versioning_configuration(b"<VersioningConfiguration/>")?, None);
/// # Ok::<(), xml::Error>(())
/// ```
pub fn versioning_configuration(body: &[u8]) -> Result<Option<Versioning>, Error> {
    parse(body, MAX_REPLY_BYTES, ROOTS, |document, _| {
        let mut status = None;
        document.children(|document, child| match child {
            "Status" => document.field(child, &mut status, versioning),
            _ => document.unknown(child),
        })?;
        Ok(status.flatten())
    })
}

/// The root, and its name after the operation.
const ROOTS: &[&str] = &["VersioningConfiguration", "GetBucketVersioningResult"];

fn versioning(text: &str) -> Result<Option<Versioning>, &'static str> {
    match value::word(text)?.as_deref() {
        None | Some("Disabled") => Ok(None),
        Some("Enabled") => Ok(Some(Versioning::Enabled)),
        Some("Suspended") => Ok(Some(Versioning::Suspended)),
        Some(_) => Err("is neither Enabled nor Suspended"),
    }
}
