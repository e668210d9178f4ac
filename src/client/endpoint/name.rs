//! The names that an operation accepts as its bucket: those of buckets, and those of access points
//! and directory buckets, which are used in place of one. The forms follow AWS's pages on
//! [access points](https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html),
//! [Outposts](https://docs.aws.amazon.com/AmazonS3/latest/userguide/S3onOutposts.html),
//! [multi-region access points](https://docs.aws.amazon.com/AmazonS3/latest/userguide/MultiRegionAccessPointRequests.html)
//! and [directory buckets](https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-bucket-naming-rules.html).
use crate::error::{Error, ErrorKind, Result};
use crate::net::aws::{Partition, is_region_name};
use crate::net::host::MAX_LABEL;
use crate::text::{Form, shown_value};
use std::net::Ipv4Addr;

/// The longest ARN: its longest form, that of an access point of an Outpost, stays below this.
const MAX_ARN: usize = 256;

/// The longest name of a tenant: Ceph states no limit, and an unlimited one could exceed that of a
/// request's line.
const MAX_TENANT: usize = 255;

/// The endings of the names of directory buckets, and of access points for them.
const DIRECTORY_ENDINGS: [&str; 2] = ["--x-s3", "--xa-s3"];

/// The ending of the alias of an access point of an Outpost.
const OUTPOST_ENDING: &str = "--op-s3";

/// The endings of names that stand for a bucket with another name: the aliases of access points,
/// which AWS lists on its page on access points, and the names of access points for directory
/// buckets.
const ALIAS_ENDINGS: [&str; 5] = ["-s3alias", "--ol-s3", "--xa-s3", OUTPOST_ENDING, ".mrap"];

/// The kind of bucket that a bucket argument names. It decides the host, the signature and the
/// available features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BucketKind {
    /// A bucket, or the alias of an access point (`NAME-s3alias`, `NAME--ol-s3`), which is used
    /// like one.
    GeneralPurpose,
    /// An access point: `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME`.
    AccessPoint,
    /// An access point that transforms objects while they are read:
    /// `arn:aws:s3-object-lambda:REGION:ACCOUNT:accesspoint/NAME`.
    ObjectLambda,
    /// An access point of a rack in the customer's data center:
    /// `arn:aws:s3-outposts:REGION:ACCOUNT:outpost/ID/accesspoint/NAME`, or its alias
    /// (`NAME--op-s3`).
    Outpost,
    /// An access point for buckets in several regions:
    /// `arn:aws:s3::ACCOUNT:accesspoint/ALIAS.mrap`.
    MultiRegion,
    /// A directory bucket (S3 Express One Zone), or an access point for one: `NAME--ZONE--x-s3`,
    /// `NAME--ZONE--xa-s3`.
    Directory,
}

impl BucketKind {
    /// Returns the kind that a bucket argument names on AWS.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], see [`check_bucket`].
    pub fn of(bucket: &str) -> Result<Self> {
        let special = Special::parse(bucket)?;
        Ok(special.map_or(Self::GeneralPurpose, |special| special.kind()))
    }

    /// Returns the service that requests are signed for.
    pub(crate) const fn service(self) -> &'static str {
        match self {
            Self::GeneralPurpose | Self::AccessPoint | Self::MultiRegion => "s3",
            Self::ObjectLambda => "s3-object-lambda",
            Self::Outpost => "s3-outposts",
            Self::Directory => "s3express",
        }
    }

    /// Reports whether ETags are never MD5s, as in directory buckets
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html>).
    pub(crate) fn has_opaque_etags(self) -> bool {
        self == Self::Directory
    }

    /// Reports whether listings return keys in the order of their bytes. Those of directory buckets
    /// have no order (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>).
    pub(crate) fn lists_in_order(self) -> bool {
        self != Self::Directory
    }

    /// Returns the plural of the kind, for messages.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::GeneralPurpose => "buckets",
            Self::AccessPoint => "access points",
            Self::ObjectLambda => "Object Lambda access points",
            Self::Outpost => "access points of Outposts",
            Self::MultiRegion => "multi-region access points",
            Self::Directory => "directory buckets (S3 Express One Zone)",
        }
    }
}

/// A parsed bucket argument that does not name a general purpose bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special<'a> {
    Arn(Arn<'a>),
    /// The alias of an access point of an Outpost, and the label that its host contains, if the
    /// alias has the form of AWS's.
    OutpostAlias(Option<OutpostLabel<'a>>),
    /// A directory bucket in this zone.
    Directory {
        zone: &'a str,
    },
}

/// The ARN of an access point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    pub(super) partition: Partition,
    /// Empty for a multi-region access point.
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    pub(super) resource: Resource<'a>,
}

/// The resource of an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    AccessPoint { name: &'a str },
    ObjectLambda { name: &'a str },
    Outpost { id: &'a str, name: &'a str },
    MultiRegion { alias: &'a str },
}

/// The label of an Outpost in the host of an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutpostLabel<'a> {
    /// `op-ID`, for a rack.
    Rack(&'a str),
    /// `ec2`, for a server.
    Ec2,
}

impl<'a> Special<'a> {
    /// Parses a bucket argument; `None` stands for a general purpose bucket.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], see [`check_bucket`].
    pub(super) fn parse(bucket: &'a str) -> Result<Option<Self>> {
        if bucket.starts_with("arn:") {
            let arn = Arn::parse(bucket).map_err(|why| bucket_error(bucket, &why))?;
            return Ok(Some(Self::Arn(arn)));
        }
        check_plain(bucket)?;
        if let Some(base) = DIRECTORY_ENDINGS.iter().find_map(|ending| bucket.strip_suffix(ending))
        {
            let zone = zone_of(base).filter(|_| is_host_label(bucket)).ok_or_else(|| {
                let why = "the name of a directory bucket is NAME--ZONE--x-s3, of lower-case \
                           letters, digits and hyphens, with a zone such as usw2-az1";
                bucket_error(bucket, why)
            })?;
            return Ok(Some(Self::Directory { zone }));
        }
        let is_alias = bucket.ends_with(OUTPOST_ENDING);
        Ok(is_alias.then(|| Self::OutpostAlias(OutpostLabel::of_alias(bucket))))
    }

    pub(super) const fn kind(&self) -> BucketKind {
        match self {
            Self::OutpostAlias(_) => BucketKind::Outpost,
            Self::Directory { .. } => BucketKind::Directory,
            Self::Arn(arn) => match arn.resource {
                Resource::AccessPoint { .. } => BucketKind::AccessPoint,
                Resource::ObjectLambda { .. } => BucketKind::ObjectLambda,
                Resource::Outpost { .. } => BucketKind::Outpost,
                Resource::MultiRegion { .. } => BucketKind::MultiRegion,
            },
        }
    }
}

impl<'a> Arn<'a> {
    /// Parses the ARN of an access point, whose resource may be separated by colons or slashes.
    /// Every part has a form that cannot change the host of which it becomes a part. The error
    /// completes a sentence about the ARN.
    fn parse(text: &'a str) -> std::result::Result<Self, String> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'.' | b'-');
        if text.len() > MAX_ARN || !text.bytes().all(legal) {
            return Err(format!(
                "the ARN of an access point has at most {MAX_ARN} letters, digits, hyphens, dots, \
                 colons and slashes"
            ));
        }
        let mut parts = text.splitn(6, ':').skip(1);
        let mut part = || parts.next().ok_or("an ARN has six parts, separated by colons");
        let (partition, service, region, account, resource) =
            (part()?, part()?, part()?, part()?, part()?);
        let partition = Partition::ALL
            .into_iter()
            .find(|known| known.id() == partition)
            .ok_or_else(|| format!("AWS has no partition {partition}"))?;
        if service == "s3" && region.is_empty() && account.is_empty() {
            return Err("this is the ARN of a bucket: give the bucket's name".to_owned());
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err("the ARN's account must have 12 digits".to_owned());
        }
        let parts: Vec<_> = resource.split([':', '/']).collect();
        let resource = match service {
            "s3" if region.is_empty() => multi_region(&parts)?,
            "s3" => Resource::AccessPoint { name: access_point(&parts)? },
            "s3-object-lambda" => Resource::ObjectLambda { name: access_point(&parts)? },
            "s3-outposts" => outpost(&parts)?,
            _ => return Err(format!("the ARN is of the service {service}, not of Amazon S3")),
        };
        if matches!(resource, Resource::MultiRegion { .. }) {
            return Ok(Self { partition, region, account, resource });
        }
        if !is_region_name(region) {
            return Err("the ARN's region must be a lower-case name such as us-east-1".to_owned());
        }
        if Partition::of_region(region) != partition {
            return Err(format!("the region {region} is not in the partition {}", partition.id()));
        }
        Ok(Self { partition, region, account, resource })
    }

    /// Returns the ARN in the form with slashes.
    fn normalized(&self) -> String {
        let Self { partition, region, account, resource } = self;
        let (service, path) = match resource {
            Resource::AccessPoint { name } => ("s3", format!("accesspoint/{name}")),
            Resource::ObjectLambda { name } => ("s3-object-lambda", format!("accesspoint/{name}")),
            Resource::MultiRegion { alias } => ("s3", format!("accesspoint/{alias}.mrap")),
            Resource::Outpost { id, name } => {
                ("s3-outposts", format!("outpost/{id}/accesspoint/{name}"))
            }
        };
        format!("arn:{}:{service}:{region}:{account}:{path}", partition.id())
    }
}

impl<'a> OutpostLabel<'a> {
    /// Returns the label in the alias of an access point, whose end has fixed positions: the
    /// hardware (`o` or `e`), the id of the Outpost, and the prefix of a region, in front of
    /// `--op-s3`. Aliases of Outposts that are being tested by AWS have no host of their region.
    fn of_alias(bucket: &'a str) -> Option<Self> {
        /// The number of characters from the hardware's to the end of the alias.
        const TAIL: usize = 50;
        const ID: std::ops::Range<usize> = 1..18;
        const REGION: std::ops::Range<usize> = 38..42;
        let tail = bucket.get(bucket.len().checked_sub(TAIL)?..)?;
        if tail.get(REGION)? == "beta" || !is_host_label(bucket) {
            return None;
        }
        match tail.get(..1)? {
            "o" => tail.get(ID).filter(|id| is_host_label(id)).map(Self::Rack),
            "e" => Some(Self::Ec2),
            _ => None,
        }
    }
}

/// Returns the name in `accesspoint/NAME`.
fn access_point<'a>(parts: &[&'a str]) -> std::result::Result<&'a str, &'static str> {
    match parts {
        ["accesspoint", name] if name.ends_with(".mrap") => {
            Err("the ARN of a multi-region access point does not have a region")
        }
        ["accesspoint", name] if is_access_point_name(name) => Ok(name),
        ["accesspoint"] | ["accesspoint", _] => Err(
            "the name of an access point has 3 to 50 lower-case letters, digits and hyphens, and \
             begins and ends with a letter or digit",
        ),
        ["accesspoint", _, "object", ..] => {
            Err("the ARN names an object: give the access point's ARN, and the key separately")
        }
        _ => Err("the ARN does not end with accesspoint/NAME"),
    }
}

/// Parses `accesspoint/ALIAS.mrap`.
fn multi_region<'a>(parts: &[&'a str]) -> std::result::Result<Resource<'a>, &'static str> {
    match parts {
        ["accesspoint", name] => name
            .strip_suffix(".mrap")
            .filter(|alias| is_host_label(alias))
            .map(|alias| Resource::MultiRegion { alias })
            .ok_or("the ARN has neither a region nor the alias of a multi-region access point"),
        _ => Err("the ARN does not end with accesspoint/ALIAS.mrap"),
    }
}

/// Parses `outpost/ID/accesspoint/NAME`.
fn outpost<'a>(parts: &[&'a str]) -> std::result::Result<Resource<'a>, &'static str> {
    let ["outpost", id, rest @ ..] = parts else {
        return Err("the ARN does not end with outpost/ID/accesspoint/NAME");
    };
    if !id.starts_with("op-") || !is_host_label(id) {
        return Err("the id of an Outpost is op- with lower-case letters and digits");
    }
    access_point(rest).map(|name| Resource::Outpost { id, name })
}

fn is_access_point_name(name: &str) -> bool {
    (3..=50).contains(&name.len()) && is_host_label(name)
}

/// Returns whether a text can be a label of a host: lower-case letters, digits, and hyphens in
/// between.
fn is_host_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Returns the zone in the name of a directory bucket without its ending: `usw2-az1` in
/// `name--usw2-az1`, or that of a Local Zone with three parts.
fn zone_of(base: &str) -> Option<&str> {
    let (name, zone) = base.rsplit_once("--")?;
    (!name.is_empty() && zone.contains('-') && is_host_label(zone)).then_some(zone)
}

/// Rejects bucket arguments that S3 never allowed.
///
/// A bucket's name has 3 to 255 of `A-Za-z0-9._-`, with at least one letter or digit. That is the
/// old rule of us-east-1;
/// [today's](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html) (3 to
/// 63, no capitals, no underscore) only decides whether the name can be part of a host. An ARN is
/// one of those that [`BucketKind`] lists, and the name of a directory bucket contains its zone.
/// For servers other than AWS's, a name may follow the name of a tenant of Ceph and a colon
/// ([`TENANT:BUCKET`](https://docs.ceph.com/en/latest/radosgw/multitenancy/)); without a tenant,
/// `:BUCKET` names a bucket outside of all tenants.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`].
pub fn check_bucket(bucket: &str) -> Result<()> {
    Special::parse(bucket).map(drop)
}

/// Returns whether two bucket arguments may name the same bucket: they are equal, or they differ
/// only in the tenant, which may be that of the credentials, or one of them is the ARN or the alias
/// of an access point, whose bucket the name does not show.
///
/// ```
/// use s3driver::client::endpoint::may_be_same_bucket;
///
/// assert!(may_be_same_bucket("reports-abcdefgh-s3alias", "reports"));
/// assert!(may_be_same_bucket("tenant:reports", "reports"));
/// assert!(!may_be_same_bucket("reports", "archive"));
/// ```
pub fn may_be_same_bucket(one: &str, other: &str) -> bool {
    let is_alias = |bucket: &str| {
        bucket.starts_with("arn:") || ALIAS_ENDINGS.iter().any(|ending| bucket.ends_with(ending))
    };
    let without_tenant = |bucket| split_tenant(bucket).map_or(bucket, |(_, name)| name);
    without_tenant(one) == without_tenant(other) || is_alias(one) || is_alias(other)
}

/// Returns the tenant, which may be empty, and the name in the name of a bucket of another tenant.
pub(super) fn split_tenant(bucket: &str) -> Option<(&str, &str)> {
    bucket.split_once(':').filter(|_| !bucket.starts_with("arn:"))
}

fn check_plain(bucket: &str) -> Result<()> {
    if let Some((tenant, name)) = split_tenant(bucket) {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if tenant.len() > MAX_TENANT || !tenant.bytes().all(legal) || name.contains(':') {
            let why = "the tenant before the colon consists of letters, digits and underscores";
            return Err(bucket_error(bucket, why));
        }
        return check_plain(name);
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !(3..=255).contains(&bucket.len()) {
        Err(bucket_error(bucket, "a name has 3 to 63 characters (255 in old buckets)"))
    } else if !bucket.bytes().all(legal) || !bucket.bytes().any(|b| b.is_ascii_alphanumeric()) {
        Err(bucket_error(
            bucket,
            "a name consists of letters, digits, dots, hyphens and underscores",
        ))
    } else {
        Ok(())
    }
}

/// Returns a bucket argument in the form with slashes, if it is an ARN.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`], see [`check_bucket`].
pub(crate) fn normalized(bucket: &str) -> Result<String> {
    Ok(match Special::parse(bucket)? {
        Some(Special::Arn(arn)) => arn.normalized(),
        _ => bucket.to_owned(),
    })
}

/// Returns what precedes the key in `x-amz-copy-source`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`], also for what AWS does not copy from.
pub(crate) fn copy_source(bucket: &str) -> Result<String> {
    let Some(Special::Arn(arn)) = Special::parse(bucket)? else { return Ok(bucket.to_owned()) };
    match arn.resource {
        Resource::MultiRegion { .. } | Resource::ObjectLambda { .. } => {
            let kind = Special::Arn(arn).kind().plural();
            Err(bucket_error(bucket, &format!("objects cannot be copied from {kind}"))
                .with_hint("name the bucket or an access point of one region as the source"))
        }
        Resource::AccessPoint { .. } | Resource::Outpost { .. } => {
            Ok(format!("{}/object", arn.normalized()))
        }
    }
}

/// Returns whether a bucket's name can begin a host name: today's rule for general purpose buckets.
pub(super) fn is_dns_bucket(bucket: &str) -> bool {
    (3..=MAX_LABEL).contains(&bucket.len())
        && bucket.split('.').all(is_host_label)
        && bucket.parse::<Ipv4Addr>().is_err()
}

pub(super) fn bucket_error(bucket: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("invalid bucket name provided: {}; {why}", shown_value(bucket, Form::Bucket)),
    )
}
