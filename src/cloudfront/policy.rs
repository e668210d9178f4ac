//! Policies, which define the URLs that a signature allows, the period during which it is valid,
//! and the clients that may use it.
use crate::error::{Error, ErrorKind, Result};
use crate::net::url::{self, Url};
use crate::time::Timestamp;
use std::fmt::{self, Write};
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The latest expiry that CloudFront's documentation allows: 2038-01-19T03:14:07Z, the largest
/// number of seconds in a signed 32-bit integer.
pub const LAST_END: Timestamp = Timestamp::from_unix(i32::MAX as i64);

/// A policy statement.
///
/// A policy that consists only of a URL and an expiry is what CloudFront calls a *canned* policy.
/// It is not sent because CloudFront can reconstruct it. A policy with any other condition is a
/// *custom* policy, which is sent along with the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    resource: String,
    ends: Timestamp,
    starts: Option<Timestamp>,
    source: Option<Ipv4Range>,
}

impl Policy {
    /// Allows `resource` until `ends` (in whole seconds; at most [`LAST_END`]).
    ///
    /// `resource` is a URL as user agents send it. It begins with `http://`, `https://` or `*`.
    /// Within it, `*` matches any number of characters and `?` matches exactly one:
    /// `https://d111111abcdef8.cloudfront.net/training/*`. A query string is part of the resource
    /// ([developer guide][values]).
    ///
    /// [values]: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-custom-policy.html
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the resource begins differently, contains a fragment or a
    /// character that cannot occur in a URL, or if the expiry is out of range.
    pub fn new(resource: &str, ends: Timestamp) -> Result<Self> {
        url::check_characters(resource)
            .map_err(|e| invalid_argument(format!("the policy's resource {e}")))?;
        if !["http://", "https://", "*"].iter().any(|start| resource.starts_with(start)) {
            return Err(invalid_argument(
                "the policy's resource must begin with http://, https:// or *",
            ));
        }

        if resource.contains('#') {
            return Err(invalid_argument(format!(
                "the policy's resource {}",
                url::UrlError::Fragment
            )));
        }

        if ends.unix() <= 0 || ends > LAST_END {
            return Err(invalid_argument(
                "the policy must end between 1970-01-01T00:00:01Z and 2038-01-19T03:14:07Z",
            ));
        }

        Ok(Self { resource: resource.to_owned(), ends, starts: None, source: None })
    }

    /// Allows exactly one URL: like [`Policy::new`], but rejects a URL that would act as a pattern.
    pub(super) fn exact(url: &Url, ends: Timestamp) -> Result<Self> {
        let url = url.to_string();
        if url.contains('*') {
            return Err(invalid_argument(
                "the URL contains a *, which CloudFront treats as a wildcard: write it as %2A",
            ));
        }

        Self::new(&url, ends)
    }

    /// Restricts the policy to requests after `starts`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] unless `starts` lies between 1970 and the policy's end.
    pub fn starts(mut self, starts: Timestamp) -> Result<Self> {
        if starts.unix() <= 0 || starts >= self.ends {
            return Err(invalid_argument(
                "the policy must start before it ends, and after 1970-01-01T00:00:00Z",
            ));
        }

        self.starts = Some(starts);
        Ok(self)
    }

    /// Restricts the policy to clients in `source`. The distribution must not serve IPv6 then.
    #[must_use]
    pub fn source(mut self, source: Ipv4Range) -> Self {
        self.source = Some(source);
        self
    }

    /// Returns the URL or the pattern.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Returns the time at which the policy ends.
    pub const fn ends(&self) -> Timestamp {
        self.ends
    }

    /// Returns the bytes that are signed: JSON without white space, with the names in the order of
    /// the documentation's examples.
    ///
    /// Nothing needs to be escaped because [`Policy::new`] accepts only the characters of RFC 3986,
    /// which do not include quotes and backslashes. (`&` stays `&`.)
    pub fn to_json(&self) -> String {
        let mut json = format!(r#"{{"Statement":[{{"Resource":"{}","Condition":{{"#, self.resource);
        // Writing into a String cannot fail.
        if let Some(source) = self.source {
            let _ = write!(json, r#""IpAddress":{{"AWS:SourceIp":"{source}"}},"#);
        }

        if let Some(starts) = self.starts {
            let _ = write!(json, r#""DateGreaterThan":{{"AWS:EpochTime":{}}},"#, starts.unix());
        }

        let _ = write!(json, r#""DateLessThan":{{"AWS:EpochTime":{}}}}}}}]}}"#, self.ends.unix());
        json
    }

    /// Reports whether the policy's resource covers `url`, by CloudFront's rules for wildcards.
    pub fn covers(&self, url: &str) -> bool {
        matches(self.resource.as_bytes(), url.as_bytes())
    }
}

/// A range of IPv4 addresses in CIDR notation (RFC 4632). CloudFront's policies do not support
/// IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Range {
    first: Ipv4Addr,
    bits: u8,
}

impl FromStr for Ipv4Range {
    type Err = Error;

    /// Parses `192.0.2.0/24`, or `192.0.2.10`, which means `192.0.2.10/32`.
    fn from_str(text: &str) -> Result<Self> {
        let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
        if address.parse::<std::net::Ipv6Addr>().is_ok() {
            return Err(invalid_argument("CloudFront's policies support IPv4 addresses only"));
        }

        let bad = || invalid_argument("the address range is not valid: write it like 192.0.2.0/24");
        let first: Ipv4Addr = address.parse().map_err(|_| bad())?;
        let digits = (1..=2).contains(&bits.len()) && bits.bytes().all(|b| b.is_ascii_digit());
        let bits: u8 = bits.parse().ok().filter(|bits| digits && *bits <= 32).ok_or_else(bad)?;
        let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
        let network = Ipv4Addr::from(u32::from(first) & mask);
        if network != first {
            return Err(invalid_argument(format!(
                "the address range {text} begins at {network}: write {network}/{bits}"
            )));
        }

        Ok(Self { first, bits })
    }
}

impl fmt::Display for Ipv4Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

pub(super) fn invalid_argument(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// Matches `text` against a pattern in which `*` matches any number of characters and `?` exactly
/// one. On a mismatch, only the last `*` needs to be extended by one character, so the time is at
/// most proportional to the product of the two lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match (pattern.get(p), retry) {
            (Some(b'*'), _) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            (Some(c), _) if *c == b'?' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            (_, Some((after_star, taken))) => {
                retry = Some((after_star, taken + 1));
                p = after_star;
                t = taken + 1;
            }
            (_, None) => return false,
        }
    }

    pattern.iter().skip(p).all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_cloudfront_says() {
        for (pattern, text, expected) in [
            ("https://h/*game_download.zip*", "https://h/game_download.zip", true),
            (
                "https://h/*game_download.zip*",
                "https://h/example_game_download.zip?license=yes",
                true,
            ),
            ("https://h/*game_download.zip*", "https://h/game_download.zi", false),
            ("https://h/a?c", "https://h/abc", true),
            ("https://h/a?c", "https://h/ac", false),
            ("https://h/a", "https://h/ab", false),
            ("https://h/ab", "https://h/a", false),
            ("*", "anything", true),
            ("*", "", true),
            ("", "", true),
            ("*a*b*c", "xaxbxbxc", true),
            ("*a*b*c", "xaxbxbxcx", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_length_times_the_text() {
        let (pattern, text) = ("*a".repeat(2_000) + "b", "a".repeat(4_000));
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }
}
