//! `LifecycleConfiguration`: what a bucket does with old objects and unfinished uploads by itself.
use super::reader::{Demand, Document};
use super::reply::parse;
use super::{Error, MAX_LISTING_BYTES, value};

/// One rule of a bucket's
/// [lifecycle configuration](https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LifecycleRule {
    /// The name of the rule.
    pub id: Option<String>,
    /// Whether the rule has the status `Enabled`.
    pub is_enabled: bool,
    /// The beginning of the keys that the rule applies to; empty for all keys.
    pub prefix: String,
    /// Whether the rule only applies to objects with certain tags or sizes.
    pub has_other_filters: bool,
    /// Whether the rule deletes current objects at some age or date.
    pub expires_objects: bool,
    /// The storage classes to which the rule moves current objects.
    pub storage_classes: Vec<String>,
    /// The age, in days, at which the rule aborts unfinished uploads; `None` if it does not.
    pub abort_uploads_after_days: Option<u64>,
}

/// Reads `LifecycleConfiguration`, at most [`MAX_LISTING_BYTES`] of it and at most
/// [`MAX_ENTRIES`](super::MAX_ENTRIES) rules (S3 allows 1,000).
///
/// - Required: `Status` in each `Rule`, and `DaysAfterInitiation` in each
///   `AbortIncompleteMultipartUpload`.
/// - Optional: everything else. The prefix may stand in the rule, in its `Filter`, or in the `And`
///   of the filter. `Expiration` without `Days` or `Date` deletes no current object.
/// - Refused: a number of days that is not a whole number, and two prefixes in one rule.
///
/// ```
/// use s3driver::xml;
///
/// let rules = xml::lifecycle_configuration(
///     b"<LifecycleConfiguration><Rule><ID>leftovers</ID><Filter><Prefix/></Filter><Status>Enabled</Status>
///       <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>
///       </Rule></LifecycleConfiguration>",
/// )?;
/// assert_eq!((&*rules[0].prefix, rules[0].abort_uploads_after_days), ("", Some(7)));
///
/// assert!(xml::lifecycle_configuration(b"<LifecycleConfiguration><Rule/></LifecycleConfiguration>").is_err());
/// # Ok::<(), xml::Error>(())
/// ```
pub fn lifecycle_configuration(body: &[u8]) -> Result<Vec<LifecycleRule>, Error> {
    const ROOTS: &[&str] = &["LifecycleConfiguration", "GetBucketLifecycleConfigurationResult"];
    parse(body, MAX_LISTING_BYTES, ROOTS, |document, _| {
        document.demand(Demand::Page);
        let mut rules = Vec::new();
        document.children(|document, child| match child {
            "Rule" => document.entry(rule, &mut rules),
            _ => document.unknown(child),
        })?;
        Ok(rules)
    })
}

fn rule(document: &mut Document<'_>) -> Result<LifecycleRule, Error> {
    let (mut id, mut status, mut prefix) = (None, None, None);
    let mut rule = LifecycleRule::default();
    document.children(|document, child| match child {
        "ID" => document.aside(&mut id, value::word),
        "Status" => document.field(child, &mut status, value::word),
        "Prefix" => document.field(child, &mut prefix, value::verbatim),
        "Filter" => filter(document, &mut prefix, &mut rule.has_other_filters),
        "Expiration" => expiration(document, &mut rule.expires_objects),
        "Transition" => transition(document, &mut rule.storage_classes),
        "AbortIncompleteMultipartUpload" => abortion(document, &mut rule.abort_uploads_after_days),
        _ => document.unknown(child),
    })?;

    rule.id = id.flatten();
    rule.is_enabled = document.require(status.flatten(), "Rule", "Status")? == "Enabled";
    rule.prefix = prefix.unwrap_or_default();
    Ok(rule)
}

/// Reads a `Filter`, or the `And` in it.
fn filter(
    document: &mut Document<'_>,
    prefix: &mut Option<String>,
    others: &mut bool,
) -> Result<(), Error> {
    document.children(|document, child| match child {
        "Prefix" => document.field(child, prefix, value::verbatim),
        "And" => filter(document, prefix, others),
        "Tag" | "ObjectSizeGreaterThan" | "ObjectSizeLessThan" => {
            *others = true;
            document.unknown(child)
        }
        _ => document.unknown(child),
    })
}

fn expiration(document: &mut Document<'_>, expires: &mut bool) -> Result<(), Error> {
    document.children(|document, child| {
        *expires |= matches!(child, "Days" | "Date");
        document.unknown(child)
    })
}

fn transition(document: &mut Document<'_>, classes: &mut Vec<String>) -> Result<(), Error> {
    let mut class = None;
    document.children(|document, child| match child {
        "StorageClass" => document.aside(&mut class, value::word),
        _ => document.unknown(child),
    })?;
    classes.extend(class.flatten());
    Ok(())
}

fn abortion(document: &mut Document<'_>, days: &mut Option<u64>) -> Result<(), Error> {
    document.children(|document, child| match child {
        "DaysAfterInitiation" => document.field(child, days, value::number),
        _ => document.unknown(child),
    })?;
    document.require(*days, "AbortIncompleteMultipartUpload", "DaysAfterInitiation").map(drop)
}
