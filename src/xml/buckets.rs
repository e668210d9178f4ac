//! `ListAllMyBucketsResult`: a page of buckets.
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, value};
use crate::time::Timestamp;

/// A page of [ListBuckets](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListAllMyBucketsResult {
    /// The buckets of this page, in the server's order.
    pub buckets: Vec<Bucket>,
    /// The account that owns the buckets.
    pub owner: Option<Owner>,
    /// The requested prefix, as the server echoes it.
    pub prefix: Option<String>,
    /// The `continuation-token` for the next page, to be sent unchanged; `None` on the last page.
    pub continuation_token: Option<String>,
}

/// One bucket of [`ListAllMyBucketsResult`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket {
    /// The bucket's name, never empty.
    pub name: String,
    /// When the bucket was created. AWS updates this time when the bucket's policy changes.
    pub creation_date: Option<Timestamp>,
    /// The bucket's region. AWS sends it only if the request has parameters.
    pub region: Option<String>,
}

/// An account, as S3 identifies it in access control lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// The canonical user id.
    pub id: Option<String>,
    /// The account's name. AWS no longer sends it in most regions.
    pub display_name: Option<String>,
}

/// Reads `ListAllMyBucketsResult`, at most [`MAX_LISTING_BYTES`] of it.
///
/// - Required: `Buckets`, which may be empty, and a `Name` in each `Bucket`.
/// - Optional: everything else. An owner, a time or a region that cannot be parsed is `None`.
/// - Refused: an empty name, a repeated `Buckets` or `ContinuationToken`, and a repeated `Name` in
///   a `Bucket`.
///
/// ```
/// use s3driver::xml;
///
/// let page = xml::list_all_my_buckets_result(
///     b"<ListAllMyBucketsResult><Owner><ID>8a69</ID></Owner>
///       <Buckets><Bucket><Name>registry</Name><CreationDate>2019-12-11T23:32:47Z</CreationDate></Bucket></Buckets>
///       </ListAllMyBucketsResult>",
/// )?;
/// assert_eq!(page.buckets[0].name, "registry");
/// assert_eq!(page.continuation_token, None);
///
/// assert!(xml::list_all_my_buckets_result(b"<ListAllMyBucketsResult/>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn list_all_my_buckets_result(body: &[u8]) -> Result<ListAllMyBucketsResult, Error> {
    buckets(body, Demand::Document)
}

/// Reads a page of a listing: a [`ListAllMyBucketsResult`] that has at most
/// [`MAX_ENTRIES`](super::MAX_ENTRIES) buckets.
#[cfg(feature = "client")]
pub(crate) fn page_of_buckets(body: &[u8]) -> Result<ListAllMyBucketsResult, Error> {
    buckets(body, Demand::Page)
}

fn buckets(body: &[u8], demand: Demand) -> Result<ListAllMyBucketsResult, Error> {
    const ROOT: &str = "ListAllMyBucketsResult";
    /// A root that is named after the operation, which some servers send.
    const OTHER_ROOT: &str = "ListBucketsResult";
    parse(body, MAX_LISTING_BYTES, &[ROOT, OTHER_ROOT], |document, _| {
        document.demand(demand);
        let mut buckets = None;
        let (mut owner, mut prefix, mut continuation_token) = (None, None, None);
        document.children(|document, child| match child {
            "Buckets" if buckets.is_some() => {
                Err(document.fail("<Buckets> comes twice in one element"))
            }
            "Buckets" => {
                let buckets = buckets.insert(Vec::new());
                document.children(|document, child| match child {
                    "Bucket" => document.entry(bucket, buckets),
                    _ => document.unknown(child),
                })
            }
            // The first one counts, as for all fields on which nothing depends.
            "Owner" => read_owner(document).map(|found| {
                owner.get_or_insert(found);
            }),
            "Prefix" => document.aside(&mut prefix, value::marker),
            "ContinuationToken" => document.field(child, &mut continuation_token, value::marker),
            _ => document.unknown(child),
        })?;

        Ok(ListAllMyBucketsResult {
            buckets: document.require(buckets, ROOT, "Buckets")?,
            owner,
            prefix: prefix.flatten(),
            continuation_token: continuation_token.flatten(),
        })
    })
}

fn bucket(document: &mut Document<'_>) -> Result<Bucket, Error> {
    let (mut name, mut creation_date, mut region) = (None, None, None);
    document.children(|document, child| match child {
        "Name" => document.field(child, &mut name, value::key),
        "CreationDate" => document.aside(&mut creation_date, value::time),
        "BucketRegion" => document.aside(&mut region, value::word),
        _ => document.unknown(child),
    })?;

    Ok(Bucket {
        name: document.require(name, "Bucket", "Name")?,
        creation_date: creation_date.flatten(),
        region: region.flatten(),
    })
}

fn read_owner(document: &mut Document<'_>) -> Result<Owner, Error> {
    let (mut id, mut display_name) = (None, None);
    document.children(|document, child| match child {
        "ID" => document.aside(&mut id, value::word),
        "DisplayName" => document.aside(&mut display_name, value::word),
        _ => document.unknown(child),
    })?;

    Ok(Owner { id: id.flatten(), display_name: display_name.flatten() })
}
