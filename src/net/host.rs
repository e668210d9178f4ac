//! Schemes and hosts.
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest host name (RFC 1035, section 2.3.4, without the closing dot).
pub(crate) const MAX_HOST: usize = 253;
/// The longest label of a host name (RFC 1035, section 2.3.4).
pub(crate) const MAX_LABEL: usize = 63;

/// The scheme of a URL, with or without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain TCP. Bodies can be read in transit, and modified if they are not signed.
    Http,
    /// TLS.
    #[default]
    Https,
}

impl Scheme {
    /// Returns `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns 80 or 443.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// Parses a scheme, ignoring case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|known| text.eq_ignore_ascii_case(known.as_str()))
    }
}

/// A host of a URL. `Display` writes an IPv6 address without brackets, the form that the system's
/// resolver accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// A DNS name in lower case.
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host {
    /// Parses a DNS name, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// Texts that resolvers interpret differently are refused: if the last label is a decimal or
    /// hexadecimal number, some resolvers parse the text as an IPv4 address (`1.2.3`,
    /// `0x7f000001`), and others as a name. Underscores are accepted although they are not allowed
    /// in host names, because container engines assign names with underscores.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse().ok().map(Self::V6);
        }

        if let Ok(address) = text.parse() {
            return Some(Self::V4(address));
        }

        let is_label = |label: &str| {
            (1..=MAX_LABEL).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };

        let name = text.to_ascii_lowercase();
        let last = name.rsplit('.').next().unwrap_or_default();
        let ends_in_number = match last.strip_prefix("0x") {
            Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
            None => last.bytes().all(|b| b.is_ascii_digit()),
        };

        (name.len() <= MAX_HOST && !ends_in_number && name.split('.').all(is_label))
            .then_some(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p29_a_number_is_not_a_name() {
        for text in [
            "0x7f000001",
            "0X7F000001",
            "0x",
            "0x7f.1",
            "2130706433",
            "127.1",
            "1.2.3.0x4",
            "a.0x1",
            "017700000001",
        ] {
            assert_eq!(Host::parse(text), None, "{text}");
        }

        for text in ["0x7f000001.example", "x7f000001", "0x7g", "a0x1"] {
            assert_eq!(Host::parse(text), Some(Host::Name(text.to_owned())), "{text}");
        }
    }
}
