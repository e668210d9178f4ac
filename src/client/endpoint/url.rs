//! The URL of a server, taken apart and judged.
use super::{MAX_HOST, MAX_LABEL, Scheme, configuration, shown};
use crate::error::{Error, Result};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// No base path of a real server comes near; longer ones are mistakes.
const MAX_BASE_PATH: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
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

/// A URL cut at its delimiters, nothing judged yet.
pub(super) struct UrlParts<'a> {
    text: &'a str,
    pub(super) scheme: Option<&'a str>,
    pub(super) userinfo: bool,
    pub(super) host: &'a str,
    port: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) query: bool,
    fragment: bool,
}

impl<'a> UrlParts<'a> {
    pub(super) fn split(text: &'a str) -> Self {
        let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
        let (rest, fragment) = rest.split_once('#').map_or((rest, false), |(rest, _)| (rest, true));
        let (rest, query) = rest.split_once('?').map_or((rest, false), |(rest, _)| (rest, true));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (userinfo, authority) = authority.rsplit_once('@').map_or((false, authority), |(_, rest)| (true, rest));
        // In an IPv6 literal colons are part of the host, which ends with its bracket.
        let after_host = authority.rfind(']').unwrap_or(0);
        let (host, port) = match authority.get(after_host..).and_then(|end| end.rfind(':')) {
            Some(colon) => {
                let (host, port) = authority.split_at(after_host + colon);
                (host, port.get(1..))
            }
            None => (authority, None),
        };
        Self { text, scheme, userinfo, host, port, path, query, fragment }
    }

    pub(super) fn authority(&self, option: &str, scheme: Scheme) -> Result<(Host, u16)> {
        if self.userinfo {
            return Err(self
                .error(option, "it cannot contain user information")
                .with_hint("give the keys as accesskey and secretkey"));
        }
        if self.fragment {
            return Err(self.error(option, "it cannot contain a fragment"));
        }
        let Some(host) = parse_host(self.host) else {
            return Err(
                self.error(option, "the host must be a DNS name, an IPv4 address or an IPv6 address in brackets")
            );
        };
        let port = match self.port {
            None => scheme.default_port(),
            Some(digits) => match parse_port(digits) {
                Some(port) => port,
                None => return Err(self.error(option, "the port must be a number from 1 to 65535")),
            },
        };
        Ok((host, port))
    }

    pub(super) fn error(&self, option: &str, why: &str) -> Error {
        configuration(format!("unable to parse {option}: {}: {why}", self.shown()))
    }
    /// User information can hold a secret.
    pub(super) fn shown(&self) -> String {
        if self.text.contains('@') { "(not shown)".to_owned() } else { shown(self.text) }
    }
}

/// Refuses a proxy's URL that is not `http://[user:password@]host:port`. Its text is not shown: it can hold a password.
pub(crate) fn check_proxy_url(url: &str) -> Result<()> {
    let parts = UrlParts::split(url);
    let plain = matches!(parts.path, "" | "/") && !parts.query && !parts.fragment;
    let http = parts.scheme.and_then(parse_scheme) == Some(Scheme::Http);
    if http && plain && parse_host(parts.host).is_some() && parts.port.and_then(parse_port).is_some() {
        return Ok(());
    }
    Err(configuration("unable to parse proxy: it must have the form http://[user:password@]host:port"))
}

pub(super) fn parse_scheme(scheme: &str) -> Option<Scheme> {
    [Scheme::Http, Scheme::Https].into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_str()))
}

fn parse_port(digits: &str) -> Option<u16> {
    // `u16::from_str` would take a sign.
    let port = if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok()? } else { 0 };
    (port != 0).then_some(port)
}

fn parse_host(text: &str) -> Option<Host> {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.strip_suffix(']')?.parse().ok().map(Host::V6);
    }
    if let Ok(address) = text.parse() {
        return Some(Host::V4(address));
    }
    // Underscores are no part of a host name by the book, and every container engine hands them out.
    let label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    // A last label of digits would be read as an IPv4 address in some resolvers, and as another one in others.
    let numeric_end = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    (text.len() <= MAX_HOST && !numeric_end && text.split('.').all(label))
        .then(|| Host::Name(text.to_ascii_lowercase()))
}

pub(super) fn is_base_path(path: &str) -> bool {
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
    };
    path.is_empty() || path.len() <= MAX_BASE_PATH && path.strip_prefix('/').is_some_and(|p| p.split('/').all(part))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::tests::{custom, message, place};
    use super::*;
    use crate::client::Endpoint;

    #[test]
    fn a_custom_endpoint_is_taken_apart() {
        for (url, default, root, bucket_path) in [
            ("minio.example:9000", Scheme::Https, "https://minio.example:9000", "/registry"),
            ("minio.example:9000", Scheme::Http, "http://minio.example:9000", "/registry"),
            ("http://minio.example", Scheme::Https, "http://minio.example", "/registry"),
            ("HTTPS://MinIO.Example:443/", Scheme::Http, "https://minio.example", "/registry"),
            ("http://minio.example:443", Scheme::Https, "http://minio.example:443", "/registry"),
            ("https://x.supabase.co/storage/v1/s3", Scheme::Http, "https://x.supabase.co", "/storage/v1/s3/registry"),
            ("http://minio_1:9000//", Scheme::Http, "http://minio_1:9000", "/registry"),
            ("127.0.0.1:8000", Scheme::Http, "http://127.0.0.1:8000", "/registry"),
            ("http://[::1]:8000/", Scheme::Http, "http://[::1]:8000", "/registry"),
            ("[2001:DB8::1]", Scheme::Https, "https://[2001:db8::1]", "/registry"),
        ] {
            let endpoint = Endpoint::custom(url, None, default).unwrap();
            let located = endpoint.locate("registry").unwrap();
            assert_eq!((located.root_url().as_str(), located.bucket_path()), (root, bucket_path), "{url}");
            assert_eq!((located.host_bucket(), endpoint.region(), endpoint.is_aws()), (None, "us-east-1", false));
        }
        assert_eq!(Endpoint::custom("s.example", Some("RegionOne"), Scheme::Http).unwrap().region(), "RegionOne");
        assert_eq!(custom("http://[::1]:8000").locate("registry").unwrap().host(), "::1");
        for region in ["", "a/b", "a b", "a,b", "a\n"] {
            assert!(
                message(Endpoint::custom("s.example", Some(region), Scheme::Http))
                    .starts_with("invalid region provided: ")
            );
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        let host = "the host must be a DNS name, an IPv4 address or an IPv6 address in brackets";
        let port = "the port must be a number from 1 to 65535";
        let base = "between the slashes of the base path only A-Za-z0-9._~- may stand";
        let long = "a".repeat(254);
        for (url, why) in [
            ("ftp://s.example", "the scheme must be http or https"),
            ("://s.example", "the scheme must be http or https"),
            ("http://s.example?x=1", "it cannot contain query parameters"),
            ("http://s.example/#x", "it cannot contain a fragment"),
            ("http://", host),
            ("http:///registry", host),
            ("http://-s.example", host),
            ("http://s..example", host),
            ("http://s.example.", host),
            ("http://s example", host),
            ("http://s.example\\x", host),
            ("http://s%2eexample", host),
            ("http://1.2.3", host),
            ("http://1.2.3.4.5", host),
            ("http://0x7f.1", host),
            ("http://::1", host),
            ("http://[::1", host),
            ("http://[::1%25eth0]", host),
            ("http://[::1]x", host),
            (long.as_str(), host),
            ("http://s.example:", port),
            ("http://s.example:0", port),
            ("http://s.example:65536", port),
            ("http://s.example:+80", port),
            ("http://s.example:8o", port),
            ("http://s.example/a//b", base),
            ("http://s.example/a/../b", base),
            ("http://s.example/a%2fb", base),
            ("http://s.example/a b", base),
        ] {
            let error = message(Endpoint::custom(url, None, Scheme::Http));
            assert!(error.starts_with("unable to parse regionendpoint: ") && error.ends_with(why), "{url:?}: {error}");
        }
        let error = message(Endpoint::custom("http://key:hunter2@s.example", None, Scheme::Http));
        assert_eq!(error, "unable to parse regionendpoint: (not shown): it cannot contain user information");
        let error = message(Endpoint::custom("http://key:hunter2@s.example?x", None, Scheme::Http));
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_redirect_endpoint_is_scheme_host_and_port() {
        let endpoint = Endpoint::redirect("https://cdn.example:8443/", "eu-west-1").unwrap();
        assert_eq!(
            (place(&endpoint, "registry").as_str(), endpoint.region()),
            ("https://cdn.example:8443/registry", "eu-west-1")
        );
        for (url, expected) in [
            (
                "cdn.example",
                "no scheme specified for redirectendpoint: cdn.example; it must begin with http:// or https://",
            ),
            ("https://", "no host specified for redirectendpoint: https://"),
            ("https:///x", "no host specified for redirectendpoint: https:///x"),
            ("https://cdn.example/base", "redirectendpoint cannot contain a base path: /base"),
            ("https://cdn.example?x=1", "redirectendpoint cannot contain query parameters"),
            (
                "ftp://cdn.example",
                "unable to parse redirectendpoint: ftp://cdn.example: the scheme must be http or https",
            ),
            (
                "https://a:b@cdn.example",
                "unable to parse redirectendpoint: (not shown): it cannot contain user information",
            ),
            (
                "https://cdn.example#x",
                "unable to parse redirectendpoint: https://cdn.example#x: it cannot contain a fragment",
            ),
        ] {
            assert_eq!(message(Endpoint::redirect(url, "us-east-1")), expected);
        }
        let error = message(Endpoint::redirect("https://a:hunter2@cdn.example/base", "us-east-1"));
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_proxy_is_plain_http_with_a_port() {
        for good in ["http://proxy:3128", "http://user:p%40ss@10.0.0.1:8080/", "HTTP://[::1]:3128"] {
            check_proxy_url(good).unwrap();
        }
        for bad in [
            "",
            "proxy:3128",
            "https://proxy:3128",
            "http://proxy",
            "http://proxy:0",
            "http://u:hunter2@:1",
            "http://proxy:1/x",
            "http://proxy:1?x",
            "http://proxy:1#x",
        ] {
            assert_eq!(
                message(check_proxy_url(bad)),
                "unable to parse proxy: it must have the form http://[user:password@]host:port"
            );
        }
    }
}
