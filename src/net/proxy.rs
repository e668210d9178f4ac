//! The address of a forward proxy and the credentials it requires.
use super::host::Scheme;
use super::origin::Origin;
use super::percent;
use super::url::{Url, UrlError};
use crate::error::{Error, ErrorKind, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use zeroize::Zeroizing;

/// A parsed URL and its user information, or the reason why it cannot be parsed.
type UrlWithUser<'a> = std::result::Result<(Url, Option<&'a str>), UrlError>;

/// A forward proxy (RFC 9110, section 3.7) that is reached over plain http:
/// `http://[user:password@]host:port`.
///
/// `Debug` and `Display` show only the host and the port.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    origin: Origin,
    authorization: Option<Zeroizing<String>>,
    /// The option or variable that names the proxy.
    setting: &'static str,
}

impl Proxy {
    /// Parses `http://[user:password@]host:port`. The user and the password are percent-decoded, so
    /// a `%` in either of them must be written as `%25`. An empty password is written as `user:@`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the text does not have this form. The error does not quote
    /// the text, which may contain a password.
    pub fn parse(url: &str) -> Result<Self> {
        Self::read("proxy", "proxy", Url::parse_with_user(url))
    }

    /// Parses the value of an environment variable, in which the scheme may be missing.
    pub(crate) fn parse_variable(name: &'static str, value: &str) -> Result<Self> {
        let url = Url::parse_with_user_or_default(value, Scheme::Http);
        Self::read(name, &format!("the variable {name}"), url)
    }

    fn read(setting: &'static str, name: &str, url: UrlWithUser<'_>) -> Result<Self> {
        let refused = |why: &dyn fmt::Display| {
            let form = "it must have the form http://[user:password@]host:port";
            let text = format!("unable to parse {name}: it {why}; {form}");
            Error::new(ErrorKind::Configuration, text)
        };

        let (url, user) = url.map_err(|error| refused(&error))?;
        if url.scheme != Scheme::Http {
            return Err(refused(&"has a scheme other than http"));
        }

        if url.path != "/" || url.query.is_some() {
            return Err(refused(&"has a path or a query"));
        }

        // Programs disagree on the default port: some use 80, others 1080 or 3128.
        if url.port.is_none() {
            return Err(refused(&"has no port"));
        }

        let authorization = match user {
            None => None,
            // A missing password would otherwise not be noticed until the first request fails with
            // status 407.
            Some(user) if !user.contains(':') => {
                return Err(refused(&"has a user without a password"));
            }
            Some(user) => {
                let decoded = percent::decode(user).map(Zeroizing::new);
                let decoded = decoded.ok_or_else(|| refused(&UrlError::Percent))?;
                let encoded = Zeroizing::new(STANDARD.encode(&*decoded));
                Some(Zeroizing::new(format!("Basic {}", *encoded)))
            }
        };

        Ok(Self { origin: url.origin(), authorization, setting })
    }

    /// Returns the host: a lower-case name, an IPv4 address, or an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.origin.host
    }

    /// Returns the port.
    pub const fn port(&self) -> u16 {
        self.origin.port
    }

    /// Reports whether the proxy requires a user and a password.
    pub const fn has_credentials(&self) -> bool {
        self.authorization.is_some()
    }

    /// Returns the name of the option, or of the environment's variable, that names this proxy.
    pub(crate) const fn setting(&self) -> &'static str {
        self.setting
    }

    /// Returns the texts that must not be shown: the credentials as they are sent, and the
    /// password.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = Zeroizing<String>> + use<> {
        let encoded = self.authorization().and_then(|value| value.strip_prefix("Basic "));
        let decoded = encoded.and_then(|text| STANDARD.decode(text).ok()).map(Zeroizing::new);
        let password = decoded.as_ref().and_then(|bytes| {
            let (_, password) = std::str::from_utf8(bytes).ok()?.split_once(':')?;
            Some(Zeroizing::new(password.to_owned()))
        });
        encoded.map(|text| Zeroizing::new(text.to_owned())).into_iter().chain(password)
    }

    /// Returns the value of the `Proxy-Authorization` header.
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(|value| value.as_str())
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.origin.authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_plain_http_with_a_port() {
        for (text, shown, authorization) in [
            ("http://host:1", "http://host:1", None),
            ("HTTP://Host:3128/", "http://host:3128", None),
            ("http://proxy:80", "http://proxy:80", None),
            ("http://[::1]:3128", "http://[::1]:3128", None),
            ("http://u:p@host:1", "http://host:1", Some("Basic dTpw")),
            (
                "http://user:p%40ss%3a@10.0.0.1:8080/",
                "http://10.0.0.1:8080",
                Some("Basic dXNlcjpwQHNzOg=="),
            ),
            ("http://u:@host:1", "http://host:1", Some("Basic dTo=")),
            ("http://a@b:c@host:1", "http://host:1", Some("Basic YUBiOmM=")),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(
                (proxy.to_string().as_str(), proxy.authorization()),
                (shown, authorization),
                "{text}"
            );
            assert_eq!(proxy.has_credentials(), authorization.is_some(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_without_quoting_them() {
        for text in [
            "",
            "127.0.0.1:3128",
            "https://hidden:hidden@host:1",
            "socks5://host:1",
            "http://",
            "http://host",
            "http://host:0",
            "http://host:65536",
            "http://hidden:hidden@:1",
            "http://ho st:1",
            "http://host\r\n:1",
            "http://host/path:1",
            "http://host:1/hidden",
            "http://host:1?hidden",
            "http://host:1#hidden",
            "http://hidden@host:1",
            "http://hidden:hid den@host:1",
            "http://hidden:hid\u{e9}@host:1",
            "http://hidden%1:x@host:1",
            "http://hidden:%zz@host:1",
            "http://hidden:hid/den@host:1",
            "http://hidden:hid#den@host:1",
        ] {
            let error = Proxy::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            let message = error.message();
            assert!(
                message.starts_with("unable to parse proxy: it ") && !message.contains("hid"),
                "{text:?}: {message}"
            );
        }

        let shown = format!("{:?}", Proxy::parse("http://hidden:hidden@host:1").unwrap());
        assert_eq!(shown, "Proxy(http://host:1)");
    }
}
