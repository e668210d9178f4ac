//! `LocationConstraint`: the region of a bucket.
use super::reader::Event;
use super::reply::parse;
use super::{Error, MAX_REPLY_BYTES, value};

/// Reads the answer to [GetBucketLocation](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html),
/// at most [`MAX_REPLY_BYTES`] of it.
///
/// `None` is what S3 says of `us-east-1`; `EU` is its old name of `eu-west-1`. AWS's page shows the name in a second
/// `LocationConstraint` inside the first, its servers send one only: both are read. SeaweedFS answers with the document
/// that a bucket is made with.
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
