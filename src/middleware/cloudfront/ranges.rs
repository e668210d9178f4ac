//! The published address ranges of AWS, with lookups in logarithmic time.
use super::document::{self, Range};
use super::options::IpFilter;
use crate::error::{Error, ErrorKind, Result};
use crate::text::shown;
use std::net::IpAddr;

/// Sorted and merged address ranges. IPv4 and IPv6 are kept apart.
///
/// The ranges come from the document at `https://ip-ranges.amazonaws.com/ip-ranges.json`
/// ([syntax](https://docs.aws.amazon.com/vpc/latest/userguide/aws-ip-syntax.html)). As in the
/// registry's own filter, ranges of every service are included: the service `AMAZON` contains all
/// others, so selecting services could only make the result smaller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpRanges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
    skipped: usize,
}

impl IpRanges {
    /// Parses the document and keeps the ranges that `filter` includes. Unknown members are
    /// ignored. Invalid ranges are skipped and counted. The memory used is always a fraction of the
    /// document's size.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] if the document has a different structure, has more than 100,000
    /// ranges, or does not contain any range that `filter` includes, since an empty set would go
    /// unnoticed.
    pub fn parse(document: &[u8], filter: &IpFilter) -> Result<Self> {
        let mut ranges = Self::default();
        let includes = |region: &str| filter.includes(region);
        document::read(document, &includes, &mut |range| ranges.add(range)).map_err(|error| {
            let text =
                format!("the document of IP ranges cannot be read: {}", shown(&error.to_string()));
            Error::new(ErrorKind::Protocol, text).with_source(error)
        })?;

        merge(&mut ranges.v4, |last| last.checked_add(1));
        merge(&mut ranges.v6, |last| last.checked_add(1));
        if ranges.is_empty() {
            let text = "the document of IP ranges does not contain any range of the selected \
                        regions: check awsregion";
            return Err(Error::new(ErrorKind::Protocol, text));
        }

        Ok(ranges)
    }

    /// Reports whether the address is in one of the ranges. An IPv4 address mapped into IPv6
    /// (`::ffff:192.0.2.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => any_contains(&self.v4, u32::from(address)),
            IpAddr::V6(address) => any_contains(&self.v6, u128::from(address)),
        }
    }

    /// Returns the number of separate ranges after merging.
    pub fn len(&self) -> usize {
        self.v4.len().saturating_add(self.v6.len())
    }

    /// Reports whether there are no ranges.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of ranges in the document that were invalid.
    pub const fn skipped(&self) -> usize {
        self.skipped
    }

    /// Adds a range, or counts an invalid one.
    fn add(&mut self, range: Option<Range>) {
        match range {
            Some(Range::V4(first, last)) => self.v4.push((first, last)),
            Some(Range::V6(first, last)) => self.v6.push((first, last)),
            None => self.skipped = self.skipped.saturating_add(1),
        }
    }
}

/// Sorts the ranges, and joins those that overlap or touch, so that a lookup needs to examine only
/// one range.
fn merge<T: Copy + Ord>(ranges: &mut Vec<(T, T)>, next: impl Fn(T) -> Option<T>) {
    ranges.sort_unstable();
    ranges.dedup_by(|later, earlier| {
        let joined = next(earlier.1).is_none_or(|next| later.0 <= next);
        if joined {
            earlier.1 = earlier.1.max(later.1);
        }

        joined
    });
    ranges.shrink_to_fit();
}

fn any_contains<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::net::Ipv4Addr;

    fn document(v4: &[&str], v6: &[&str]) -> Vec<u8> {
        let list = |member: &str, cidrs: &[&str]| -> Vec<Value> {
            cidrs
                .iter()
                .map(|c| serde_json::json!({member: c, "region": "us-east-1", "service": "AMAZON"}))
                .collect()
        };

        serde_json::json!({"syncToken": "1", "prefixes": list("ip_prefix", v4), "ipv6_prefixes": list("ipv6_prefix", v6)})
            .to_string()
            .into_bytes()
    }

    fn parsed(v4: &[&str], v6: &[&str]) -> IpRanges {
        IpRanges::parse(&document(v4, v6), &IpFilter::Aws).unwrap()
    }

    #[test]
    fn ranges_are_merged_and_edges_belong_to_them() {
        let ranges = parsed(
            &["10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25", "10.0.3.0/24"],
            &["ff00::/16", "2001:db8::/127"],
        );
        assert_eq!(ranges.len(), 4);
        for (address, expected) in [
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("10.0.1.255", true),
            ("10.0.2.0", false),
            ("10.0.3.0", true),
            ("10.0.4.0", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:10.0.2.1", false),
            ("ff00::", true),
            ("ff00:ffff::1", true),
            ("ff01::", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("255.255.255.255", false),
            ("0.0.0.0", false),
        ] {
            assert_eq!(ranges.contains(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn the_widest_and_the_narrowest_range_work() {
        let all = parsed(&["0.0.0.0/0"], &["::/0"]);
        let one = parsed(&["255.255.255.255/32"], &["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"]);
        for (address, last) in [
            ("0.0.0.0", false),
            ("255.255.255.255", true),
            ("::", false),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ] {
            assert!(all.contains(address.parse().unwrap()), "{address}");
            assert_eq!(one.contains(address.parse().unwrap()), last, "{address}");
        }
    }

    #[test]
    fn invalid_ranges_are_skipped_and_counted() {
        let ranges = parsed(
            &["10.0.0.0/8", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "x/8", "10.0.0.0/+8", ""],
            &["::/129"],
        );
        assert_eq!((ranges.len(), ranges.skipped()), (1, 7));
        // A host address with a prefix length stands for its network, as in the reference
        // implementation.
        assert!(parsed(&["10.1.2.3/8"], &[]).contains("10.0.0.0".parse().unwrap()));
    }

    #[test]
    fn regions_select_ranges_case_insensitively() {
        let json = serde_json::json!({
            "prefixes": [
                {"ip_prefix": "10.0.0.0/8", "region": "us-east-1"},
                {"ip_prefix": "11.0.0.0/8", "region": "EU-WEST-1"},
                {"ip_prefix": "12.0.0.0/8"},
            ],
            "ipv6_prefixes": [],
        })
        .to_string();
        let ranges =
            IpRanges::parse(json.as_bytes(), &IpFilter::AwsRegions(vec!["eu-west-1".to_owned()]))
                .unwrap();
        assert!(
            ranges.contains("11.1.1.1".parse().unwrap())
                && !ranges.contains("10.1.1.1".parse().unwrap())
        );
        assert_eq!(
            IpRanges::parse(json.as_bytes(), &IpFilter::Aws).unwrap().len(),
            1,
            "three that touch"
        );
    }

    #[test]
    fn one_list_is_enough() {
        for text in [
            r#"{"prefixes":[{"ip_prefix":"10.0.0.0/8"}]}"#,
            r#"{"prefixes":[{"ip_prefix":"10.0.0.0/8"}],"ipv6_prefixes":null}"#,
            r#"{"prefixes":null,"ipv6_prefixes":[{"ipv6_prefix":"2001:db8::/32"}]}"#,
        ] {
            assert_eq!(
                IpRanges::parse(text.as_bytes(), &IpFilter::Aws).unwrap().len(),
                1,
                "{text}"
            );
        }
    }

    #[test]
    fn a_document_without_ranges_is_an_error() {
        for text in [
            "",
            "{}",
            "[]",
            "{\"prefixes\":[]}",
            "{\"prefixes\":{},\"ipv6_prefixes\":[]}",
            "{\"prefixes\":[],\"ipv6_prefixes\":[]}",
        ] {
            assert_eq!(
                IpRanges::parse(text.as_bytes(), &IpFilter::Aws).unwrap_err().kind(),
                ErrorKind::Protocol,
                "{text}"
            );
        }

        let other = IpFilter::AwsRegions(vec!["nowhere-1".to_owned()]);
        assert!(IpRanges::parse(&document(&["10.0.0.0/8"], &[]), &other).is_err());
        assert!(IpRanges::parse("[".repeat(100_000).as_bytes(), &IpFilter::Aws).is_err());
    }

    #[test]
    fn lookups_agree_with_a_plain_search() {
        use proptest::prelude::*;
        proptest!(|(cidrs in prop::collection::vec((any::<u32>(), 0u32..=32), 1..40), probes in prop::collection::vec(any::<u32>(), 20))| {
            let texts: Vec<String> = cidrs.iter().map(|(a, bits)| format!("{}/{bits}", Ipv4Addr::from(*a))).collect();
            let ranges = parsed(&texts.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
            for probe in probes.into_iter().chain(cidrs.iter().map(|(a, _)| *a)) {
                let plain = cidrs.iter().any(|(a, bits)| *bits == 0 || (a ^ probe) >> (32 - bits) == 0);
                prop_assert_eq!(ranges.contains(IpAddr::V4(probe.into())), plain);
            }
        });
    }
}
