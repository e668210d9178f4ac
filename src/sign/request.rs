//! The parts of a request that a signature covers.
use super::syntax::{check_method, check_path, check_query_text};
use super::{Error, UrlPart, encode, redact};
use crate::net::percent;
use crate::net::url::{Url, UrlError};
use std::borrow::Cow;
use std::fmt;

/// A request to sign or to verify. It borrows its parts, which must be exactly those that are sent.
///
/// `Debug` redacts session tokens, signatures and customer-provided encryption keys.
///
/// ```
/// use s3driver::sign::Request;
///
/// let parts = Request::new("GET", "/bucket/a%20key").query(&[("versionId", "7")]).headers(&[("host", "localhost:9000")]);
/// let url = Request::from_url("GET", "http://localhost:9000/bucket/a%20key?versionId=7")?;
/// # let _ = (parts, url);
/// # Ok::<(), s3driver::sign::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Query<'a>,
    /// The host of the URL that the request was created from.
    host: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
    unsigned: &'a [&'a str],
    pub(super) path_rule: Option<PathRule>,
}

/// How version 4 derives the canonical URI from the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathRule {
    /// The path is decoded and percent-encoded again, so that all spellings of a key have the same
    /// canonical URI: `/a(b)` and `/a%28b%29` are both signed as `/a%28b%29`, and `%2F` as `/`.
    /// Paths are not normalized. This is the rule of S3, where `//` and `..` can be part of a key;
    /// its error documents show the result ([aws-sdk-js issue 853][853]). Ceph and MinIO follow it.
    ///
    /// [853]: https://github.com/aws/aws-sdk-js/issues/853
    EncodedOnce,
    /// The path is signed as it is sent, which is the rule of Garage. For a path that
    /// [`encode_path`](super::encode_path) encoded, it equals [`PathRule::EncodedOnce`].
    AsSent,
    /// Dot segments and empty segments are resolved (RFC 3986 section 5.2.4), and every segment is
    /// percent-encoded once more. This is the rule of all other services.
    NormalizedAndEncoded,
}

/// The query, either as decoded pairs or as the text that is sent.
#[derive(Clone, Copy)]
pub(super) enum Query<'a> {
    Pairs(&'a [(&'a str, &'a str)]),
    Text(&'a str),
}

impl<'a> Request<'a> {
    /// Creates a request without a query and headers. `path` must be percent-encoded (see
    /// [`encode_path`](super::encode_path)) and is sent as given, without normalization.
    pub const fn new(method: &'a str, path: &'a str) -> Self {
        Self {
            method,
            path,
            query: Query::Pairs(&[]),
            host: None,
            headers: &[],
            unsigned: &[],
            path_rule: None,
        }
    }

    /// Creates a request from the target of a request line: a path and, after `?`, a query. Both
    /// are used without changes.
    ///
    /// # Errors
    /// [`Error::Method`], [`Error::Path`], [`Error::UnnamedParameter`] and [`Error::QueryEncoding`]
    /// if a part cannot be sent, or if servers would interpret it differently.
    pub fn from_target(method: &'a str, target: &'a str) -> Result<Self, Error> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        check_method(method)?;
        check_path(path)?;
        check_query_text(query)?;
        Ok(Self { query: Query::Text(query), ..Self::new(method, path) })
    }

    /// Creates a request from a URL, whose path and query are used without changes. The `host`
    /// header is the URL's host with its port, except for the default port of the scheme (443, 80),
    /// which clients do not send. An empty path is sent as `/`.
    ///
    /// # Errors
    /// [`Error::Url`] for a part that clients do not send, or that they change before they send it,
    /// and the errors of [`Request::from_target`].
    pub fn from_url(method: &'a str, url: &'a str) -> Result<Self, Error> {
        let part = |part| Error::Url { part };
        let parsed = match Url::parse(url) {
            Ok(parsed) => Some(parsed),
            Err(UrlError::NoScheme | UrlError::OtherScheme) => return Err(part(UrlPart::Scheme)),
            Err(UrlError::NoHost | UrlError::Host) => return Err(part(UrlPart::Host)),
            Err(UrlError::Port) => return Err(part(UrlPart::Port)),
            Err(UrlError::UserInfo) => return Err(part(UrlPart::UserInformation)),
            Err(UrlError::Fragment) => return Err(part(UrlPart::Fragment)),
            // Path and query are checked below, where errors include the position.
            Err(UrlError::Character | UrlError::Percent) => None,
        };

        let (_, rest) = url.split_once("://").ok_or_else(|| part(UrlPart::Scheme))?;
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let request = match target.split_once('?') {
            Some(("", query)) => {
                check_method(method)?;
                check_query_text(query)?;
                Self { query: Query::Text(query), ..Self::new(method, "/") }
            }
            _ if target.is_empty() => Self::from_target(method, "/")?,
            _ => Self::from_target(method, target)?,
        };

        // The host must be written as it is sent. Only the default port may be added.
        let sent = parsed.map(|parsed| (parsed.authority(), parsed.scheme.default_port()));
        let host = sent.and_then(|(sent, own_port)| {
            let host = authority.rsplit_once(':').filter(|(_, port)| port.parse() == Ok(own_port));
            Some(host.map_or(authority, |(host, _)| host)).filter(|host| *host == sent)
        });
        Ok(Self { host: Some(host.ok_or_else(|| part(UrlPart::Host))?), ..request })
    }

    /// Replaces the method.
    #[must_use]
    pub const fn method(self, method: &'a str) -> Self {
        Self { method, ..self }
    }

    /// Sets the query as decoded pairs, in the order in which they are sent. A parameter with an
    /// empty value is sent as a bare name (`?acl`).
    #[must_use]
    pub const fn query(self, pairs: &'a [(&'a str, &'a str)]) -> Self {
        Self { query: Query::Pairs(pairs), ..self }
    }

    /// Sets the headers to sign. They must include `host` unless the request was created from a
    /// URL. A name may occur more than once if the header allows it; its values are joined in the
    /// given order.
    #[must_use]
    pub const fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }

    /// Excludes headers from the signature: those that a proxy may change, such as `user-agent`.
    /// `host`, `content-type` and `x-amz-*` cannot be excluded because servers require them to be
    /// signed. In version 2 this also applies to `content-md5` and `date`.
    #[must_use]
    pub const fn without_signing(self, names: &'a [&'a str]) -> Self {
        Self { unsigned: names, ..self }
    }

    /// Overrides how the path is signed. By default this depends on the service:
    /// [`PathRule::EncodedOnce`] for S3 (see [`v4::Scope::service`](super::v4::Scope)),
    /// [`PathRule::NormalizedAndEncoded`] for all others.
    #[must_use]
    pub const fn path_rule(self, rule: PathRule) -> Self {
        Self { path_rule: Some(rule), ..self }
    }

    /// Returns all headers of the request, including the `host` of its URL.
    pub(super) fn all_headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.host.map(|host| ("host", host)).into_iter().chain(self.headers.iter().copied())
    }

    pub(super) fn header_count(&self) -> usize {
        self.headers.len() + 1
    }

    /// Returns whether the header `name` was excluded from the signature.
    pub(super) fn excludes(&self, name: &str) -> bool {
        self.unsigned.iter().any(|excluded| excluded.eq_ignore_ascii_case(name))
    }
}

impl<'a> Query<'a> {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Pairs(pairs) => pairs.is_empty(),
            Self::Text(text) => text.is_empty(),
        }
    }

    /// Returns the decoded names and values.
    pub(super) fn decoded(&self) -> impl Iterator<Item = (Cow<'a, [u8]>, Cow<'a, [u8]>)> + use<'a> {
        let (pairs, text): (&[_], _) = match *self {
            Query::Pairs(pairs) => (pairs, ""),
            Query::Text(text) => (&[], text),
        };

        let given = pairs
            .iter()
            .map(|(name, value)| (Cow::Borrowed(name.as_bytes()), Cow::Borrowed(value.as_bytes())));
        let split = text.split('&').filter(|piece| !piece.is_empty()).map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            (percent_decoded(name), percent_decoded(value))
        });
        given.chain(split)
    }

    /// Returns the query as it is sent, without `?`.
    pub(super) fn to_text(self) -> String {
        match self {
            Self::Pairs(pairs) => encode::query_string(pairs),
            Self::Text(text) => text.to_owned(),
        }
    }
}

/// Decodes a text whose percent-encoding has already been checked.
fn percent_decoded(text: &str) -> Cow<'_, [u8]> {
    match text.contains('%') {
        true => percent::decode(text).map_or(Cow::Borrowed(text.as_bytes()), Cow::Owned),
        false => Cow::Borrowed(text.as_bytes()),
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.all_headers().collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &redact::Text(&self.query.to_text()))
            .field("headers", &redact::Pairs(&headers))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_redacts_secrets() {
        let request = Request::new("GET", "/key")
            .query(&[("X-Amz-Security-Token", "s3cret1"), ("prefix", "shown")])
            .headers(&[
                ("x-amz-security-token", "s3cret2"),
                ("X-Amz-Server-Side-Encryption-Customer-Key", "s3cret3"),
                ("Authorization", "s3cret4"),
                ("host", "example.com"),
            ]);
        let text = format!("{request:?}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(
            text.contains("example.com") && text.contains("shown") && text.contains("redacted"),
            "{text}"
        );
    }

    #[test]
    fn a_url_is_used_without_changes() {
        for (url, host, path, query) in [
            ("https://h", "h", "/", ""),
            ("https://h?acl", "h", "/", "acl"),
            ("https://h:443/a/../%2f//", "h", "/a/../%2f//", ""),
            ("http://h:443/?a=b=c&d", "h:443", "/", "a=b=c&d"),
            ("http://[::1]:80/k", "[::1]", "/k", ""),
            ("http://[::1]:9000/k", "[::1]:9000", "/k", ""),
            (
                "https://b.s3.eu-west-1.amazonaws.com/k?x=%C3%A9",
                "b.s3.eu-west-1.amazonaws.com",
                "/k",
                "x=%C3%A9",
            ),
        ] {
            let request = Request::from_url("GET", url).unwrap();
            assert_eq!(
                (request.host, request.path, &*request.query.to_text()),
                (Some(host), path, query),
                "{url}"
            );
        }
    }

    #[test]
    fn a_url_that_cannot_be_represented_is_refused() {
        for (url, part) in [
            ("h/k", UrlPart::Scheme),
            ("ftp://h/k", UrlPart::Scheme),
            ("https://user@h/k", UrlPart::UserInformation),
            ("https:///k", UrlPart::Host),
            ("https://H/k", UrlPart::Host),
            ("https://a b/k", UrlPart::Host),
            ("https://h\u{e9}/k", UrlPart::Host),
            ("https://[::1/k", UrlPart::Host),
            ("https://::1/k", UrlPart::Host),
            ("https://h:/k", UrlPart::Port),
            ("https://h:0/k", UrlPart::Port),
            ("https://h:65536/k", UrlPart::Port),
            ("https://h:+1/k", UrlPart::Port),
            ("https://h/k#part", UrlPart::Fragment),
            ("https://h#part", UrlPart::Fragment),
        ] {
            assert_eq!(Request::from_url("GET", url).unwrap_err(), Error::Url { part }, "{url}");
        }

        for url in ["https://h/%zz", "https://h/a b", "https://h/\"", "https://h/[", "https://h/%2"]
        {
            assert!(matches!(Request::from_url("GET", url), Err(Error::Path { .. })), "{url}");
        }

        for url in [
            "https://h/?a+b",
            "https://h?a=%zz",
            "https://h/?a=%4",
            "https://h/?a=\"",
            "https://h/?a=\u{e9}",
        ] {
            assert!(
                matches!(Request::from_url("GET", url), Err(Error::QueryEncoding { .. })),
                "{url}"
            );
        }

        for url in ["https://h/?=a", "https://h/?a&&b", "https://h/?a&"] {
            assert_eq!(
                Request::from_url("GET", url).unwrap_err(),
                Error::UnnamedParameter,
                "{url}"
            );
        }

        assert!(matches!(Request::from_url("GET ", "https://h?a"), Err(Error::Method { .. })));
    }

    #[test]
    fn escapes_are_decoded_to_bytes() {
        let query = Query::Text("a%2Fb=%ff%00&c&d=e=f");
        let pairs: Vec<_> =
            query.decoded().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let expected: [(&[u8], &[u8]); 3] = [(b"a/b", b"\xff\0"), (b"c", b""), (b"d", b"e=f")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_vec(), value.to_vec())));
    }
}
