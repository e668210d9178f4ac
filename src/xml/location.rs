//! `LocationConstraint`: the region of a bucket.
use super::reader::Event;
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};

/// Reads the response to
/// [GetBucketLocation](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html),
/// at most [`MAX_REPLY_BYTES`] of it.
///
/// - Required: the root `LocationConstraint`. `CreateBucketConfiguration`, the document that
///   creates a bucket, is accepted too because SeaweedFS responds with it.
/// - Optional: a region. S3 does not send one for `us-east-1`, which yields `None`; `EU` is its old
///   name for `eu-west-1`. AWS's page shows the name in a second `LocationConstraint` inside the
///   first, while its servers send only one. Both forms are read.
/// - Refused: two regions.
///
/// ```
/// use s3driver::xml;
///
/// let region = xml::location_constraint(b"<LocationConstraint>eu-west-1</LocationConstraint>")?;
/// assert_eq!(region.as_deref(), Some("eu-west-1"));
/// assert_eq!(xml::location_constraint(b"<LocationConstraint/>")?, None);
///
/// assert!(xml::location_constraint(b"<Location>eu-west-1</Location>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn location_constraint(body: &[u8]) -> Result<Option<String>, Error> {
    parse(body, MAX_REPLY_BYTES, ROOTS, |document, _| {
        let mut outer = String::new();
        let mut inner = None;
        loop {
            match document.next()? {
                Event::Close | Event::End => break,
                Event::Text(text) => outer.push_str(text),
                Event::Char(c) => outer.push(c),
                Event::Open(child) if child == "LocationConstraint" => {
                    document.field(child, &mut inner, value::word)?;
                }
                Event::Open(child) => document.unknown(child)?,
            }
        }

        match (outer.trim_ascii(), inner.flatten()) {
            ("", inner) => Ok(inner),
            (outer, None) => Ok(Some(outer.to_owned())),
            (_, Some(_)) => Err(document.fail("<LocationConstraint> has two values")),
        }
    })
}

const ROOTS: &[&str] = &["LocationConstraint", "CreateBucketConfiguration"];
