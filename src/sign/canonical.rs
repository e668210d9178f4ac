//! Task 1 of SigV4: the canonical request.
//!
//! The canonical request is `HTTPMethod \n CanonicalURI \n CanonicalQueryString \n CanonicalHeaders
//! \n SignedHeaders \n HashedPayload`, built by the rules of S3
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>). Version 2
//! uses [`Headers`] as well.
use super::check::SINGLE_HEADERS;
use super::encode::{is_encoded_path, push_component, push_component_bytes, push_path_bytes};
use super::request::{PathRule, Query};
use super::syntax::{check_header_name, check_header_value};
use super::{Error, Request};
use crate::net::percent;
use std::borrow::Cow;

/// The headers that a signature covers, sorted by lower-case name. Headers with the same name keep
/// their order.
pub(super) struct Headers<'a> {
    all: Vec<Header<'a>>,
}

struct Header<'a> {
    name: Cow<'a, str>,
    value: &'a str,
    /// The header's name if [`Headers::add`] added it and the request did not have it.
    added: Option<&'static str>,
}

impl<'a> Headers<'a> {
    /// Collects the request's headers except for those it excludes. `required` lists the names that
    /// cannot be excluded, in addition to `x-amz-*`; `more` is the number of headers that will be
    /// added.
    pub(super) fn collect(
        request: &Request<'a>,
        required: &[&str],
        more: usize,
    ) -> Result<Self, Error> {
        let mut all = Vec::with_capacity(request.header_count() + more);
        for (name, value) in request.all_headers() {
            check_header_name(name)?;
            check_header_value(name, value)?;
            let name = match name.bytes().any(|b| b.is_ascii_uppercase()) {
                true => Cow::Owned(name.to_ascii_lowercase()),
                false => Cow::Borrowed(name),
            };

            match request.excludes(&name) {
                true if required.contains(&&*name) || name.starts_with("x-amz-") => {
                    return Err(Error::RequiredHeader { name: name.into_owned() });
                }
                true => {}
                false => all.push(Header { name, value, added: None }),
            }
        }

        let headers = Self { all };
        headers.refuse("authorization")?;
        Ok(headers)
    }

    /// Collects the headers of a received request that a signature covers.
    pub(super) fn select(request: &Request<'a>, is_signed: impl Fn(&str) -> bool) -> Self {
        let lower = request.all_headers().map(|(name, value)| Header {
            name: Cow::Owned(name.to_ascii_lowercase()),
            value,
            added: None,
        });
        Self { all: lower.filter(|header| is_signed(&header.name)).collect() }
    }

    /// Returns the first value of the header `name`.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.all.iter().find(|header| header.name == name).map(|header| header.value)
    }

    /// Returns an error if the request has the header `name`, which belongs to a signature.
    pub(super) fn refuse(&self, name: &str) -> Result<(), Error> {
        match self.get(name) {
            Some(_) => Err(Error::ReservedHeader { name: name.to_owned() }),
            None => Ok(()),
        }
    }

    /// Returns an error if the header `name` is missing or empty.
    pub(super) fn require(&self, name: &'static str) -> Result<(), Error> {
        match self.get(name).map(str::trim_ascii) {
            None | Some("") => Err(Error::MissingHeader { name }),
            Some(_) => Ok(()),
        }
    }

    /// Returns whether the request already has the header `name`. If its value differs from the
    /// signer's, no server would accept the signature, so that is an error.
    pub(super) fn has_equal(&self, name: &'static str, value: &str) -> Result<bool, Error> {
        match self.get(name).map(str::trim_ascii) {
            None => Ok(false),
            Some(given) if given == value => Ok(true),
            Some(_) => Err(Error::ConflictingHeader { name }),
        }
    }

    /// Adds a header of the signer, unless the request already has it with the same value.
    pub(super) fn add(&mut self, name: &'static str, value: &'a str) -> Result<(), Error> {
        check_header_value(name, value)?;
        if !self.has_equal(name, value)? {
            self.all.push(Header { name: Cow::Borrowed(name), value, added: Some(name) });
        }

        Ok(())
    }

    /// Returns the headers to send in addition to the request's own: the added ones and
    /// `authorization`.
    pub(super) fn to_send(&self, authorization: String) -> Vec<(&'static str, String)> {
        let added = self.added().map(|(name, value)| (name, value.to_owned()));
        added.chain([("authorization", authorization)]).collect()
    }

    /// Returns the headers that [`Headers::add`] added because the request did not have them.
    pub(super) fn added(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        self.all.iter().filter_map(|header| Some((header.added?, header.value)))
    }

    /// Sorts the headers by name. Returns an error if a header is repeated although servers read
    /// only one of its values.
    pub(super) fn sort(&mut self) -> Result<(), Error> {
        self.all.sort_by(|a, b| a.name.cmp(&b.name));
        match self
            .all
            .windows(2)
            .find(|pair| pair[0].name == pair[1].name && SINGLE_HEADERS.contains(&&*pair[0].name))
        {
            Some(pair) => Err(Error::RepeatedHeader { name: pair[0].name.clone().into_owned() }),
            None => Ok(()),
        }
    }

    /// Returns each name with all its values, in order. Must be called after [`Headers::sort`].
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &'a str>)> {
        self.all.chunk_by(|a, b| a.name == b.name).filter_map(|group| {
            let name = &*group.first()?.name;
            Some((name, group.iter().map(|header| header.value)))
        })
    }

    /// Appends `SignedHeaders`, such as `host;x-amz-date`.
    pub(super) fn push_names(&self, out: &mut String) {
        for (number, (name, _)) in self.groups().enumerate() {
            if number > 0 {
                out.push(';');
            }

            out.push_str(name);
        }
    }

    fn len(&self) -> usize {
        self.all.iter().map(|header| 2 * header.name.len() + header.value.len() + 3).sum()
    }
}

/// Writes the canonical request. `headers` must be sorted, and `query` is what [`canonical_query`]
/// returned.
pub(super) fn canonical_request(
    request: &Request<'_>,
    rule: PathRule,
    query: &str,
    headers: &Headers<'_>,
    payload_hash: &str,
) -> String {
    let mut out = String::new();
    push_canonical_request(&mut out, request, rule, query, headers, payload_hash);
    out
}

/// Appends the canonical request, as [`canonical_request`] returns it, to `out`.
pub(super) fn push_canonical_request(
    out: &mut String,
    request: &Request<'_>,
    rule: PathRule,
    query: &str,
    headers: &Headers<'_>,
    payload_hash: &str,
) {
    let path = canonical_uri(request.path, rule);
    out.reserve(
        request.method.len()
            + path.len()
            + query.len()
            + headers.len()
            + payload_hash.len()
            + "\n\n\n\n\n".len(),
    );
    for part in [request.method, &*path, query] {
        out.push_str(part);
        out.push('\n');
    }

    for (name, values) in headers.groups() {
        out.push_str(name);
        out.push(':');
        push_values(out, values, push_folded);
        out.push('\n');
    }

    out.push('\n');
    headers.push_names(out);
    out.push('\n');
    out.push_str(payload_hash);
}

/// Appends the values of one name, joined by commas.
pub(super) fn push_values<'a>(
    out: &mut String,
    values: impl Iterator<Item = &'a str>,
    push: impl Fn(&mut String, &str),
) {
    for (number, value) in values.enumerate() {
        if number > 0 {
            out.push(',');
        }

        push(out, value);
    }
}

/// Returns the `CanonicalURI` of `path`, which is given as it is sent.
fn canonical_uri(path: &str, rule: PathRule) -> Cow<'_, str> {
    match rule {
        PathRule::AsSent => Cow::Borrowed(path),
        PathRule::EncodedOnce if is_encoded_path(path) => Cow::Borrowed(path),
        PathRule::EncodedOnce => Cow::Owned(encoded_again(path)),
        PathRule::NormalizedAndEncoded => {
            let mut out = String::with_capacity(path.len() + 8);
            for segment in normalized(path).split('/').skip(1) {
                out.push('/');
                push_component(&mut out, segment);
            }

            Cow::Owned(out)
        }
    }
}

/// Decodes a path, whose percent-encoding has already been checked, and encodes it as AWS does.
fn encoded_again(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    match percent::decode(path) {
        Some(decoded) => push_path_bytes(&mut out, &decoded),
        None => out.push_str(path),
    }

    out
}

/// Resolves dot segments (RFC 3986 section 5.2.4) and collapses runs of slashes.
pub(super) fn normalized(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        match segment {
            ".." => _ = kept.pop(),
            _ => kept.push(segment),
        }
    }

    let slash = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end)) && !kept.is_empty();
    format!("/{}{}", kept.join("/"), if slash { "/" } else { "" })
}

/// Returns the `CanonicalQueryString`: the request's parameters and the signer's, encoded, sorted
/// by encoded name and then by encoded value. Sorting the finished `name=value` strings would be
/// wrong because `-`, `.` and digits sort before `=`. A bare name is signed with a trailing `=`.
pub(super) fn canonical_query(query: Query<'_>, added: &[(&str, &str)]) -> String {
    if query.is_empty() && added.is_empty() {
        return String::new();
    }

    sorted_query(query.decoded(), added)
}

/// Returns the `CanonicalQueryString` of a received request: its parameters except for the
/// signature itself.
pub(super) fn canonical_query_without(query: Query<'_>, signature: &str) -> String {
    sorted_query(
        query.decoded().filter(|(name, _)| !name.eq_ignore_ascii_case(signature.as_bytes())),
        &[],
    )
}

fn sorted_query<'a>(
    parameters: impl Iterator<Item = (Cow<'a, [u8]>, Cow<'a, [u8]>)>,
    added: &[(&str, &str)],
) -> String {
    // All names and values share one buffer; the spans locate each of them in it.
    let mut encoded = String::with_capacity(256);
    let mut spans = Vec::with_capacity(8 + added.len());
    for (name, value) in parameters {
        let start = encoded.len();
        push_component_bytes(&mut encoded, &name);
        let middle = encoded.len();
        push_component_bytes(&mut encoded, &value);
        spans.push((start..middle, middle..encoded.len()));
    }

    for (name, value) in added {
        let start = encoded.len();
        push_component(&mut encoded, name);
        let middle = encoded.len();
        push_component(&mut encoded, value);
        spans.push((start..middle, middle..encoded.len()));
    }

    let mut pairs: Vec<_> =
        spans.into_iter().map(|(name, value)| (&encoded[name], &encoded[value])).collect();
    pairs.sort_unstable();
    // The caller may append the signature of a presigned URL.
    let mut out = String::with_capacity(encoded.len() + 2 * pairs.len() + 96);
    for (number, (name, value)) in pairs.into_iter().enumerate() {
        if number > 0 {
            out.push('&');
        }

        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }

    out
}

/// Appends a value as AWS's `Trim()` defines it: leading and trailing spaces and tabs are removed,
/// and every inner run of them becomes one space, even between quotes. [`Headers::collect`] has
/// already rejected other white space.
fn push_folded(out: &mut String, value: &str) {
    if is_folded(value) {
        out.push_str(value);
        return;
    }

    for (number, word) in value.split([' ', '\t']).filter(|word| !word.is_empty()).enumerate() {
        if number > 0 {
            out.push(' ');
        }

        out.push_str(word);
    }
}

/// Returns whether [`push_folded`] would append the value unchanged, which allows a fast path.
fn is_folded(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.first() != Some(&b' ')
        && bytes.last() != Some(&b' ')
        && !bytes.contains(&b'\t')
        && !bytes.windows(2).any(|pair| pair == b"  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sorts_pairs_and_not_strings() {
        let pairs = [
            ("a-", "1"),
            ("a0", "1"),
            ("a", "2"),
            ("a", "1"),
            ("A", ""),
            ("\u{1234}", "x"),
            ("a", "1"),
        ];
        assert_eq!(
            canonical_query(Query::Pairs(&pairs), &[]),
            "%E1%88%B4=x&A=&a=1&a=1&a=2&a-=1&a0=1"
        );
        assert_eq!(canonical_query(Query::Pairs(&[("k", "a b+c/~")]), &[]), "k=a%20b%2Bc%2F~");
        assert_eq!(canonical_query(Query::Pairs(&[]), &[]), "");
        assert_eq!(canonical_query(Query::Pairs(&[("b", "")]), &[("a", "/")]), "a=%2F&b=");
    }

    #[test]
    fn a_query_given_as_text_is_encoded_again() {
        let text = "a%2d=%7e&k=%ff/:@&acl&b=c=d";
        assert_eq!(canonical_query(Query::Text(text), &[]), "a-=~&acl=&b=c%3Dd&k=%FF%2F%3A%40");
    }

    #[test]
    fn folds_values() {
        for (value, folded) in [
            ("plain", "plain"),
            ("  a  \t b c\t", "a b c"),
            ("\"a   b\"", "\"a b\""),
            ("a\tb", "a b"),
            ("   ", ""),
            ("", ""),
            ("\u{a0} a \u{a0}", "\u{a0} a \u{a0}"),
        ] {
            let mut out = String::new();
            push_folded(&mut out, value);
            assert_eq!(out, folded, "{value:?}");
        }
    }

    #[test]
    fn paths_of_other_services_are_normalized_and_encoded_again() {
        for (path, canonical) in [
            ("/", "/"),
            ("//", "/"),
            ("/a%20b/c", "/a%2520b/c"),
            ("/a/../b", "/b"),
            ("/a/./b/", "/a/b/"),
            ("//a//", "/a/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/../a:b@c", "/a%3Ab%40c"),
            ("/%2e%2e/a", "/%252e%252e/a"),
        ] {
            assert_eq!(canonical_uri(path, PathRule::NormalizedAndEncoded), canonical, "{path}");
        }
    }

    /// S3 showed the first of these (aws-sdk-js issue 853), and Ceph the second (trinodb/aws-proxy
    /// pull request 142).
    #[test]
    fn paths_of_s3_are_decoded_and_encoded_again() {
        for (path, canonical) in [
            ("/%3Fa=b%20c", "/%3Fa%3Db%20c"),
            ("/foo/a=1", "/foo/a%3D1"),
            ("/", "/"),
            ("//", "//"),
            ("/a//../%20/.", "/a//../%20/."),
            ("/a(b)!*'", "/a%28b%29%21%2A%27"),
            ("/%61%7e%2d", "/a~-"),
            ("/%c3%a9%ff%00", "/%C3%A9%FF%00"),
            ("/a%2fb%2F", "/a/b/"),
            ("/%2525", "/%2525"),
            ("/$&,;=:@", "/%24%26%2C%3B%3D%3A%40"),
        ] {
            assert_eq!(canonical_uri(path, PathRule::EncodedOnce), canonical, "{path}");
            assert_eq!(canonical_uri(path, PathRule::AsSent), path);
            assert_eq!(canonical_uri(canonical, PathRule::EncodedOnce), canonical, "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_path_agrees(value in "[ \tab\u{a0}]{0,8}") {
            let words: Vec<_> = value.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(is_folded(&value), words.join(" ") == value);
        }

        #[test]
        fn an_encoded_path_is_recognized(path in "/([a(~/]|%(28|2f|2F|41|e9|E9)){0,6}") {
            prop_assert_eq!(is_encoded_path(&path), encoded_again(&path) == path);
        }
    }
}
