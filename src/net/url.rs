//! Absolute http(s) URLs taken apart without changing a byte of path or query: a signature covers exactly what is sent.
use std::fmt;

/// `scheme://host[:port]/path[?query]`, the only form this crate hands out or accepts whole.
///
/// Scheme and host are lower-case and a default port is gone, because that is how a user agent sends them; an empty path
/// is `/`, and a `?` without a query is dropped. Path and query are kept byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Why a text is not such a URL. `Display` completes the sentence "the URL ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlError {
    NoScheme,
    OtherScheme,
    NoHost,
    Host,
    Port,
    UserInfo,
    Fragment,
    Character,
    Percent,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        check_characters(text)?;
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
        let scheme = Scheme::parse(scheme).ok_or(UrlError::OtherScheme)?;
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = split_authority(authority)?;
        let (path, query) = match tail.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (tail, None),
        };
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| *port != scheme.default_port()),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query: query.filter(|query| !query.is_empty()).map(str::to_owned),
        })
    }

    /// `host` or `host:port`.
    pub(crate) fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// Whether the path has a component `.` or `..`, also percent-encoded: user agents remove those before they send.
    pub(crate) fn has_dot_segment(&self) -> bool {
        self.path.split('/').any(|part| {
            let dots = part.to_ascii_lowercase().replace("%2e", ".");
            dots == "." || dots == ".."
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.path)?;
        self.query.as_ref().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

impl Scheme {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
    pub(crate) const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// `host[:port]`, the host a name, an IPv4 address or an IPv6 address in brackets.
pub(crate) fn split_authority(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let end_of_host = match authority.strip_prefix('[') {
        Some(_) => authority.find(']').ok_or(UrlError::Host)? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end_of_host);
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return Err(UrlError::Host),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?)
        }
        Some(_) => return Err(UrlError::Port),
    };
    let good = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')),
    };
    match () {
        () if host.is_empty() => Err(UrlError::NoHost),
        () if !good => Err(UrlError::Host),
        () => Ok((host, port)),
    }
}

/// The characters of RFC 3986 section 2, `%` only before two hexadecimal digits. What is left out (quotes, backslash,
/// white space, control and non-ASCII characters) is what could break out of a JSON string or a header.
pub(crate) fn check_characters(text: &str) -> Result<(), UrlError> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
                if !(hex(bytes.next()) && hex(bytes.next())) {
                    return Err(UrlError::Percent);
                }
            }
            b if b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&b) => {}
            _ => return Err(UrlError::Character),
        }
    }
    Ok(())
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoScheme => "has no scheme: it must begin with http:// or https://",
            Self::OtherScheme => "has a scheme other than http and https",
            Self::NoHost => "has no host",
            Self::Host => "has a host that is neither a name nor an address",
            Self::Port => "has a port that is not a number from 1 to 65535",
            Self::UserInfo => "holds a user name, which belongs nowhere in a URL that is handed out",
            Self::Fragment => "has a fragment (#), which is never sent to a server",
            Self::Character => "holds a character that must be percent-encoded",
            Self::Percent => "holds a % that is not followed by two hexadecimal digits",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(text: &str) -> String {
        Url::parse(text).map_or_else(|e| format!("{e:?}"), |url| url.to_string())
    }

    #[test]
    fn path_and_query_stay_as_they_are() {
        for text in ["https://h/", "http://h:8080/a//b/../%2e?x=%20&y=/?", "https://[::1]:1/a;b=c?d", "https://h/?a"] {
            assert_eq!(normalised(text), text);
        }
    }

    #[test]
    fn the_rest_is_as_a_user_agent_sends_it() {
        for (text, expected) in [
            ("HTTPS://Example.COM", "https://example.com/"),
            ("https://h:443/A", "https://h/A"),
            ("http://h:80?q", "http://h/?q"),
            ("http://h:443/", "http://h:443/"),
            ("https://h/a?", "https://h/a"),
            ("https://[2001:DB8::1]/", "https://[2001:db8::1]/"),
        ] {
            assert_eq!(normalised(text), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (text, expected) in [
            ("", "NoScheme"),
            ("h/a", "NoScheme"),
            ("//h/a", "NoScheme"),
            ("ftp://h/", "OtherScheme"),
            ("javascript://h/", "OtherScheme"),
            ("https://", "NoHost"),
            ("https:///a", "NoHost"),
            ("https://:443/a", "NoHost"),
            ("https://u@h/", "UserInfo"),
            ("https://u:p@h/", "UserInfo"),
            ("https://h:0/", "Port"),
            ("https://h:/", "Port"),
            ("https://h:65536/", "Port"),
            ("https://h:+1/", "Port"),
            ("https://h!/", "Host"),
            ("https://[::1/", "Host"),
            ("https://[::1]x/", "Host"),
            ("https://[v1]/", "Host"),
            ("https://h%41/", "Host"),
            ("https://h/#f", "Fragment"),
            ("https://h/ ", "Character"),
            ("https://h/\"", "Character"),
            ("https://h/\\", "Character"),
            ("https://h/\r\n", "Character"),
            ("https://h/ß", "Character"),
            ("https://h/%", "Percent"),
            ("https://h/%4", "Percent"),
            ("https://h/%zz", "Percent"),
        ] {
            assert_eq!(normalised(text), expected, "{text:?}");
        }
    }

    #[test]
    fn dot_segments_are_seen_through_their_encoding() {
        for (path, expected) in
            [("/a/..", true), ("/./a", true), ("/%2E%2e/a", true), ("/.%2e", true), ("/...", false), ("/.a/b.", false)]
        {
            assert_eq!(Url::parse(&format!("https://h{path}")).unwrap().has_dot_segment(), expected, "{path}");
        }
    }
}
