//! AWS's partitions and the names of its regions.
use super::host::MAX_LABEL;

/// A group of AWS regions with a domain, accounts and credentials of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Partition {
    /// `aws`: every region that no other partition claims.
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

    /// Returns the partition of a region by the region's prefix; without a known prefix it is
    /// `aws`, so that a region opened tomorrow works today.
    pub fn of_region(region: &str) -> Self {
        let claims = |partition: &Self| partition.prefix().is_some_and(|prefix| region.starts_with(prefix));
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
    /// The beginning that the names of its regions have in common.
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

/// Whether `region` has the form of an AWS region: `aa-word-1`, with any number of words. Other
/// text could change the host of which it becomes a part.
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
