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

/// A forward proxy (RFC 9110, section 3.7) that is reached over plain http:
/// `http://[user:password@]host:port`.
///
/// `Debug` and `Display` show only the host and the port.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    origin: Origin,
    authorization: Option<Zeroizing<String>>,
}

impl Proxy {
    /// Parses `http://[user:password@]host:port`. The user and the password are percent-decoded, so
    /// a `%` in either of them must be written as `%25`. An empty password is written as `user:@`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if the text does not have this form. The error does not quote
    /// the text, which may contain a password.
    pub fn parse(url: &str) -> Result<Self> {
        let refused = |why: &dyn fmt::Display| {
            let form = "it must have the form http://[user:password@]host:port";
            Error::new(ErrorKind::Configuration, format!("unable to parse proxy: it {why}; {form}"))
        };

        let (url, user) = Url::parse_with_user(url).map_err(|error| refused(&error))?;
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

        Ok(Self { origin: url.origin(), authorization })
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

    /// Returns the password.
    pub(crate) fn password(&self) -> Option<Zeroizing<String>> {
        let encoded = self.authorization.as_ref()?.strip_prefix("Basic ")?;
        let decoded = Zeroizing::new(STANDARD.decode(encoded).ok()?);
        let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(Zeroizing::new(password.to_owned()))
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
