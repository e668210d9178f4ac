//! Splitting of http(s) URLs into their parts, without changing the path or the query, because a
//! signature covers exactly the bytes that are sent.
use super::host::{Host, Scheme};
use super::origin::Origin;
use super::percent::{self, Piece};
use std::fmt;

/// A URL of the form `scheme://host[:port]/path[?query]`.
///
/// The scheme and the host are in lower case and `Display` omits a default port, because that is
/// how user agents send URLs. An empty path becomes `/`, and a `?` without a query is dropped. The
/// path and the query are not changed.
#[derive(Clone, Debug)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    /// The port as written, even if it is the scheme's default.
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

impl Url {
    /// Parses an absolute URL without user information.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        Self::read(text, None).and_then(without_user)
    }

    /// Like [`Url::parse`], but adds the scheme `default` to a text without a scheme.
    #[cfg(any(feature = "client", feature = "cloudfront"))]
    pub(crate) fn parse_with_default(text: &str, default: Scheme) -> Result<Self, UrlError> {
        Self::read(text, Some(default)).and_then(without_user)
    }

    /// Parses an absolute URL. Also returns the user information that precedes the host, without
    /// decoding it.
    #[cfg(feature = "client")]
    pub(crate) fn parse_with_user(text: &str) -> Result<(Self, Option<&str>), UrlError> {
        Self::read(text, None)
    }

    /// Like [`Url::parse_with_user`], but adds the scheme `default` to a text without a scheme.
    #[cfg(feature = "client")]
    pub(crate) fn parse_with_user_or_default(
        text: &str,
        default: Scheme,
    ) -> Result<(Self, Option<&str>), UrlError> {
        Self::read(text, Some(default))
    }

    fn read(text: &str, default: Option<Scheme>) -> Result<(Self, Option<&str>), UrlError> {
        let (scheme, rest) = match (text.split_once("://"), default) {
            (Some((scheme, rest)), _) => {
                (Scheme::parse(scheme).ok_or(UrlError::OtherScheme)?, rest)
            }
            (None, Some(default)) => (default, text),
            (None, None) => return Err(UrlError::NoScheme),
        };

        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }

        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, authority),
        };

        // Programs disagree about the host of `http://a\@b`, so characters that must be encoded are
        // refused in user information too.
        check_characters(user.unwrap_or_default())?;
        let (host, port) = split_authority(authority)?;
        check_characters(tail)?;
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let path = if path.is_empty() { "/" } else { path }.to_owned();
        let query = Some(query).filter(|query| !query.is_empty()).map(str::to_owned);
        Ok((Self { scheme, host, port, path, query }, user))
    }

    /// Returns the server to which a request for this URL is sent.
    pub(crate) fn origin(&self) -> Origin {
        let port = self.port.unwrap_or_else(|| self.scheme.default_port());
        Origin { scheme: self.scheme, host: self.host.to_string(), port }
    }

    /// Returns `host`, or `host:port` if the port is not the scheme's default.
    pub(crate) fn authority(&self) -> String {
        self.origin().host_header()
    }

    /// Returns the path and the query as the target of a request line.
    pub(crate) fn target(&self) -> String {
        self.query
            .as_ref()
            .map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }

    /// Changes the scheme. If the port was the default of the old scheme, it becomes the default of
    /// the new one.
    pub(crate) fn set_scheme(&mut self, scheme: Scheme) {
        self.port = self.port.filter(|port| *port != self.scheme.default_port());
        self.scheme = scheme;
    }

    /// Reports whether the path has a component `.` or `..`, plain or percent-encoded. User agents
    /// remove such components before they send a request.
    pub(crate) fn has_dot_segment(&self) -> bool {
        let is_dots =
            |part| percent::decode(part).is_some_and(|part| matches!(&*part, b"." | b".."));
        self.path.split('/').any(is_dots)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.target())
    }
}

/// The reason why a text is not a valid URL. `Display` completes the sentence "the URL ...".
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

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoScheme => "has no scheme: it must begin with http:// or https://",
            Self::OtherScheme => "has a scheme other than http and https",
            Self::NoHost => "has no host",
            Self::Host => "has a host that is neither a name nor an address (IPv6 in brackets)",
            Self::Port => "has a port that is not a number from 1 to 65535",
            Self::UserInfo => "contains a user name, which is allowed only for a proxy",
            Self::Fragment => "has a fragment (#), which is never sent to a server",
            Self::Character => "contains a character that must be percent-encoded",
            Self::Percent => "contains a % that is not followed by two hexadecimal digits",
        })
    }
}

/// Parses `host[:port]`, where the host is a name, an IPv4 address or an IPv6 address in brackets.
pub(crate) fn split_authority(authority: &str) -> Result<(Host, Option<u16>), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }

    // The colons inside an IPv6 address are part of the host, which ends with its bracket.
    let bracket = authority.rfind(']').unwrap_or(0);
    let colon = authority.get(bracket..).and_then(|end| end.rfind(':'));
    let (host, port) = match colon.and_then(|colon| authority.split_at_checked(bracket + colon)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (authority, None),
    };

    if host.is_empty() {
        return Err(UrlError::NoHost);
    }

    let host = Host::parse(host).ok_or(UrlError::Host)?;
    Ok((host, port.map(parse_port).transpose()?))
}

/// Accepts only the characters of RFC 3986 section 2, and `%` only if two hexadecimal digits
/// follow. The excluded characters (quotes, backslashes, white space, control and non-ASCII
/// characters) include those that could terminate a JSON string or a header.
pub(crate) fn check_characters(text: &str) -> Result<(), UrlError> {
    percent::pieces(text).try_for_each(|piece| match piece {
        Piece::Escaped(_) => Ok(()),
        Piece::Broken => Err(UrlError::Percent),
        Piece::Plain(b) if b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&b) => {
            Ok(())
        }
        Piece::Plain(_) => Err(UrlError::Character),
    })
}

fn without_user((url, user): (Url, Option<&str>)) -> Result<Url, UrlError> {
    if user.is_some() { Err(UrlError::UserInfo) } else { Ok(url) }
}

fn parse_port(digits: &str) -> Result<u16, UrlError> {
    // `u16::from_str` would accept a sign.
    let digits = Some(digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).filter(|port| *port != 0).ok_or(UrlError::Port)
}

#[cfg(test)]
mod tests {
    use super::super::forms;
    use super::*;

    fn normalized(text: &str) -> String {
        Url::parse(text).map_or_else(|e| format!("{e:?}"), |url| url.to_string())
    }

    #[test]
    fn path_and_query_stay_as_they_are() {
        for text in [
            "https://h/",
            "http://h:8080/a//b/../%2e?x=%20&y=/?",
            "https://[::1]:1/a;b=c?d",
            "https://h/?a",
        ] {
            assert_eq!(normalized(text), text);
        }
    }

    #[test]
    fn scheme_and_host_are_normalized_as_user_agents_do() {
        for (text, expected) in [
            ("HTTPS://Example.COM", "https://example.com/"),
            ("https://h:443/A", "https://h/A"),
            ("http://h:80?q", "http://h/?q"),
            ("http://h:443/", "http://h:443/"),
            ("https://h/a?", "https://h/a"),
            ("https://[2001:DB8::1]/", "https://[2001:db8::1]/"),
        ] {
            assert_eq!(normalized(text), expected, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
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
            ("https://::1/", "Host"),
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
            assert_eq!(normalized(text), expected, "{text:?}");
        }
    }

    #[test]
    fn hosts_and_ports_have_one_rule() {
        for (text, kept, why) in forms::AUTHORITIES {
            let url = Url::parse(&format!("http://{text}/")).ok();
            assert_eq!(url.map(|url| url.authority()).as_deref(), *kept, "{text:?}: {why}");
            let authority = split_authority(text).ok();
            let shown = authority.map(|(host, port)| (host.to_string(), port.is_some()));
            assert_eq!(shown.is_some(), kept.is_some(), "{text:?}: {why}");
        }
    }

    #[test]
    fn a_default_port_follows_the_scheme() {
        for (text, scheme, expected) in [
            ("https://h/a", Scheme::Http, "http://h/a"),
            ("https://h:443/a", Scheme::Http, "http://h/a"),
            ("https://h:80/a", Scheme::Http, "http://h/a"),
            ("https://h:81/a", Scheme::Http, "http://h:81/a"),
            ("http://h:443/a", Scheme::Https, "https://h/a"),
            ("http://h:443/a", Scheme::Http, "http://h:443/a"),
        ] {
            let mut url = Url::parse(text).unwrap();
            url.set_scheme(scheme);
            assert_eq!(url.to_string(), expected, "{text} {scheme:?}");
        }
    }

    #[test]
    fn percent_encoded_dot_segments_are_found() {
        for (path, expected) in [
            ("/a/..", true),
            ("/./a", true),
            ("/%2E%2e/a", true),
            ("/.%2e", true),
            ("/...", false),
            ("/.a/b.", false),
        ] {
            assert_eq!(
                Url::parse(&format!("https://h{path}")).unwrap().has_dot_segment(),
                expected,
                "{path}"
            );
        }
    }
}
