//! AWS's partitions and the names of its regions.
use super::host::MAX_LABEL;

/// The areas of AWS's regions
/// (<https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>).
#[cfg(feature = "client")]
const AREAS: &[&str] = &[
    "af-south",
    "ap-east",
    "ap-northeast",
    "ap-south",
    "ap-southeast",
    "ca-central",
    "ca-west",
    "cn-north",
    "cn-northwest",
    "eu-central",
    "eu-isoe-west",
    "eu-north",
    "eu-south",
    "eu-west",
    "eusc-de-east",
    "il-central",
    "me-central",
    "me-south",
    "me-west",
    "mx-central",
    "sa-east",
    "sa-west",
    "us-east",
    "us-gov-east",
    "us-gov-west",
    "us-iso-east",
    "us-iso-west",
    "us-isob-east",
    "us-isob-west",
    "us-isof-east",
    "us-isof-south",
    "us-west",
];

/// A group of AWS regions with its own domain, accounts and credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Partition {
    /// `aws`: every region that does not belong to another partition.
    Aws,
    /// `aws-cn`: `cn-*`.
    China,
    /// `aws-us-gov`: `us-gov-*`.
    GovCloud,
    /// `aws-iso`: `us-iso-*`.
    Iso,
    /// `aws-iso-b`: `us-isob-*`.
    IsoB,
    /// `aws-iso-e`: `eu-isoe-*`.
    IsoE,
    /// `aws-iso-f`: `us-isof-*`.
    IsoF,
    /// `aws-eusc`, the European Sovereign Cloud: `eusc-*`.
    EuropeanSovereignCloud,
}

impl Partition {
    pub(crate) const ALL: [Self; 8] = [
        Self::Aws,
        Self::China,
        Self::GovCloud,
        Self::Iso,
        Self::IsoB,
        Self::IsoE,
        Self::IsoF,
        Self::EuropeanSovereignCloud,
    ];

    /// Returns the partition of a region, which is identified by the region's prefix. A region
    /// without a known prefix belongs to `aws`, so that new regions work without a new release.
    pub fn of_region(region: &str) -> Self {
        let claims =
            |partition: &Self| partition.prefix().is_some_and(|prefix| region.starts_with(prefix));
        Self::ALL.into_iter().find(claims).unwrap_or(Self::Aws)
    }

    /// Returns the identifier that ARNs contain, such as `aws-cn`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
            Self::Iso => "aws-iso",
            Self::IsoB => "aws-iso-b",
            Self::IsoE => "aws-iso-e",
            Self::IsoF => "aws-iso-f",
            Self::EuropeanSovereignCloud => "aws-eusc",
        }
    }

    /// Returns the domain of the partition's services.
    pub const fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::GovCloud => "amazonaws.com",
            Self::China => "amazonaws.com.cn",
            Self::Iso => "c2s.ic.gov",
            Self::IsoB => "sc2s.sgov.gov",
            Self::IsoE => "cloud.adc-e.uk",
            Self::IsoF => "csp.hci.ic.gov",
            Self::EuropeanSovereignCloud => "amazonaws.eu",
        }
    }

    /// Returns the domain of the partition's services that are reached over IPv4 and IPv6. S3 does
    /// not use it: its dual-stack hosts have the label `dualstack` in the usual domain.
    #[cfg(feature = "client")]
    pub(crate) const fn dual_stack_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::GovCloud => "api.aws",
            Self::China => "api.amazonwebservices.com.cn",
            Self::Iso => "api.aws.ic.gov",
            Self::IsoB => "api.aws.scloud",
            Self::IsoE => "api.cloud-aws.adc-e.uk",
            Self::IsoF => "api.aws.hci.ic.gov",
            Self::EuropeanSovereignCloud => "api.amazonwebservices.eu",
        }
    }

    /// Returns the prefix that the names of all regions of the partition share.
    const fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Aws => None,
            Self::China => Some("cn-"),
            Self::GovCloud => Some("us-gov-"),
            Self::Iso => Some("us-iso-"),
            Self::IsoB => Some("us-isob-"),
            Self::IsoE => Some("eu-isoe-"),
            Self::IsoF => Some("us-isof-"),
            Self::EuropeanSovereignCloud => Some("eusc-"),
        }
    }
}

/// Reports whether `region` has the form of an AWS region: `aa-word-1`, with any number of words.
/// Any other text could change the host of which it becomes a part.
pub(crate) fn is_region_name(region: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let Some((words, number)) = region.rsplit_once('-') else { return false };
    region.len() <= MAX_LABEL
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
        && words.contains('-')
        && words.split('-').all(word)
}

/// The parts of a host name of Amazon S3 itself. Other hosts in AWS's domains, such as those of
/// load balancers, virtual machines and API gateways, can belong to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg(feature = "client")]
pub(crate) struct S3Host<'a> {
    /// The labels in front of the service name: the name of a bucket or of an interface endpoint.
    pub(crate) before: Option<&'a str>,
    pub(crate) service: S3Service,
    /// `None` for names without a region, such as `s3.amazonaws.com`.
    pub(crate) region: Option<&'a str>,
    /// Whether the host is one of those with validated cryptography.
    pub(crate) is_fips: bool,
    partition: Partition,
}

/// The service that a host of Amazon S3 provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg(feature = "client")]
pub(crate) enum S3Service {
    /// The S3 API: `s3.REGION`, `s3-fips.dualstack.REGION`, the old `s3-REGION`, and others.
    Api,
    /// The S3 API inside of a private network: `vpce-1a2b.s3.REGION.vpce`.
    Interface,
    /// The web pages of buckets: `s3-website-REGION` or `s3-website.REGION`.
    Website,
    /// Access points, object Lambdas and outposts: `s3-accesspoint.REGION` and others.
    AccessPoint,
    /// Directory buckets: `s3express-ZONE.REGION`.
    Express,
}

#[cfg(feature = "client")]
impl<'a> S3Host<'a> {
    /// Splits a lower-case host name into its parts; returns `None` when the host does not belong
    /// to Amazon S3.
    pub(crate) fn parse(host: &'a str) -> Option<Self> {
        let in_domain =
            |partition: Partition| host.strip_suffix(partition.dns_suffix())?.strip_suffix('.');
        let (domain, rest) = Partition::ALL
            .into_iter()
            .find_map(|partition| Some((partition, in_domain(partition)?)))?;
        let (rest, private) = match rest.strip_suffix(".vpce") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };

        let (mut rest, mut label) = last_label(rest);
        let mut region = None;
        if service_of(label).is_none() && is_region_name(label) {
            region = Some(label);
            (rest, label) = last_label(rest);
        }

        if label == "dualstack" {
            (rest, label) = last_label(rest);
        }

        let (service, in_name) = service_of(label)?;
        let service =
            if private && service == S3Service::Api { S3Service::Interface } else { service };
        let region = region.or(in_name);
        let partition = region.map_or(domain, Partition::of_region);
        let before = Some(rest).filter(|rest| !rest.is_empty());
        (partition.dns_suffix() == domain.dns_suffix()).then_some(Self {
            before,
            service,
            region,
            is_fips: label.contains("-fips"),
            partition,
        })
    }

    pub(crate) const fn partition(&self) -> Partition {
        self.partition
    }

    /// Reports whether buckets can be reached through this host with the S3 API.
    pub(crate) const fn serves_buckets(&self) -> bool {
        matches!(self.service, S3Service::Api | S3Service::Interface)
    }
}

/// Returns the service that a label of a host name stands for, and the region in that label.
#[cfg(feature = "client")]
fn service_of(label: &str) -> Option<(S3Service, Option<&str>)> {
    let region_after =
        |prefix: &str| label.strip_prefix(prefix).filter(|region| is_region_name(region));
    match label {
        "s3" | "s3-fips" | "s3-accelerate" | "s3-external-1" => {
            return Some((S3Service::Api, None));
        }
        "s3-website" => return Some((S3Service::Website, None)),
        "s3-accesspoint"
        | "s3-accesspoint-fips"
        | "s3-global"
        | "s3-object-lambda"
        | "s3-object-lambda-fips"
        | "s3-outposts"
        | "s3-control" => {
            return Some((S3Service::AccessPoint, None));
        }
        _ if label.starts_with("s3express-") => return Some((S3Service::Express, None)),
        _ => {}
    }

    // The longest prefix comes first: `website-eu-west-1` has the form of a region.
    let prefixes = [
        ("s3-website-", S3Service::Website),
        ("s3-fips-", S3Service::Api),
        ("s3-", S3Service::Api),
    ];
    prefixes.into_iter().find_map(|(prefix, service)| Some((service, Some(region_after(prefix)?))))
}

/// Splits the last label off a host name.
#[cfg(feature = "client")]
fn last_label(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

/// Reports whether AWS has, or is known to plan, regions whose names differ from `region` only in
/// the number. An unknown region may still be a new one.
#[cfg(feature = "client")]
pub(crate) fn is_known_area(region: &str) -> bool {
    region.rsplit_once('-').is_some_and(|(area, _)| AREAS.contains(&area))
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;
    use S3Service::{AccessPoint, Api, Express, Interface, Website};

    #[test]
    fn hosts_of_s3_are_distinguished_from_other_hosts_of_aws() {
        for (host, expected) in [
            ("s3.amazonaws.com", Some((None, Api, "aws"))),
            ("s3.us-east-1.amazonaws.com", Some((None, Api, "aws"))),
            ("s3-us-west-2.amazonaws.com", Some((None, Api, "aws"))),
            ("s3-external-1.amazonaws.com", Some((None, Api, "aws"))),
            ("s3-fips.dualstack.ca-west-1.amazonaws.com", Some((None, Api, "aws"))),
            ("s3-accelerate.dualstack.amazonaws.com", Some((None, Api, "aws"))),
            ("s3.cn-north-1.amazonaws.com.cn", Some((None, Api, "aws-cn"))),
            ("s3-fips-us-gov-west-1.amazonaws.com", Some((None, Api, "aws-us-gov"))),
            ("s3.us-gov-east-1.amazonaws.com", Some((None, Api, "aws-us-gov"))),
            ("s3.eusc-de-east-1.amazonaws.eu", Some((None, Api, "aws-eusc"))),
            ("registry.s3.eu-west-1.amazonaws.com", Some((Some("registry"), Api, "aws"))),
            ("a.b.s3.amazonaws.com", Some((Some("a.b"), Api, "aws"))),
            ("s3-us-west-2.s3.eu-west-1.amazonaws.com", Some((Some("s3-us-west-2"), Api, "aws"))),
            (
                "vpce-1a2b.s3.us-east-1.vpce.amazonaws.com",
                Some((Some("vpce-1a2b"), Interface, "aws")),
            ),
            (
                "bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com",
                Some((Some("bucket.vpce-1a2b"), Interface, "aws")),
            ),
            (
                "registry.s3-website-eu-west-1.amazonaws.com",
                Some((Some("registry"), Website, "aws")),
            ),
            ("s3-website.eu-central-1.amazonaws.com", Some((None, Website, "aws"))),
            (
                "ap-123.s3-accesspoint.us-west-2.amazonaws.com",
                Some((Some("ap-123"), AccessPoint, "aws")),
            ),
            (
                "x.mrap.accesspoint.s3-global.amazonaws.com",
                Some((Some("x.mrap.accesspoint"), AccessPoint, "aws")),
            ),
            (
                "ap-123.s3-object-lambda-fips.us-gov-west-1.amazonaws.com",
                Some((Some("ap-123"), AccessPoint, "aws-us-gov")),
            ),
            ("s3express-use1-az4.us-east-1.amazonaws.com", Some((None, Express, "aws"))),
            (
                "b--use1-az4--x-s3.s3express-fips-use1-az4.dualstack.us-east-1.amazonaws.com",
                Some((Some("b--use1-az4--x-s3"), Express, "aws")),
            ),
            ("amazonaws.com", None),
            ("us-east-1.amazonaws.com", None),
            ("my-lb-123.us-east-1.elb.amazonaws.com", None),
            ("s3.us-east-1.elb.amazonaws.com", None),
            ("s3-mine-1234.us-east-1.elb.amazonaws.com", None),
            ("my-nlb-123.elb.us-east-1.amazonaws.com", None),
            ("ec2-203-0-113-1.compute-1.amazonaws.com", None),
            ("ec2-203-0-113-1.eu-west-1.compute.amazonaws.com", None),
            ("abc123.execute-api.us-east-1.amazonaws.com", None),
            ("s3-proxy.us-east-1.amazonaws.com", None),
            ("sts.us-east-1.amazonaws.com", None),
            ("s3.cn-north-1.amazonaws.com", None),
            ("s3.us-east-1.amazonaws.com.cn", None),
            ("s3.us-east-1.amazonaws.com.evil.example", None),
            ("nots3.amazonaws.com", None),
            ("s3.example.com", None),
        ] {
            let parsed =
                S3Host::parse(host).map(|host| (host.before, host.service, host.partition().id()));
            assert_eq!(parsed, expected, "{host}");
        }
    }

    #[test]
    fn validated_hosts_are_named_in_their_label() {
        for (host, is_fips) in [
            ("s3.us-east-1.amazonaws.com", false),
            ("s3-fips.us-east-1.amazonaws.com", true),
            ("registry.s3-fips.dualstack.us-east-1.amazonaws.com", true),
            ("s3-fips-us-gov-west-1.amazonaws.com", true),
            ("my-fips.s3.us-east-1.amazonaws.com", false),
        ] {
            assert_eq!(S3Host::parse(host).map(|host| host.is_fips), Some(is_fips), "{host}");
        }
    }

    #[test]
    fn a_misspelt_region_is_in_no_known_area() {
        for (region, known) in [
            ("us-east-1", true),
            ("ap-southeast-77", true),
            ("us-esat-1", false),
            ("eu-centrl-1", false),
            ("x", false),
        ] {
            assert_eq!(is_known_area(region), known, "{region}");
        }
    }
}
