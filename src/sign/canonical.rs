//! Task 1 of SigV4: the canonical request.
//!
//! `HTTPMethod \n CanonicalURI \n CanonicalQueryString \n CanonicalHeaders \n SignedHeaders \n HashedPayload`, by the
//! rules of S3 (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>). Version 2 takes its
//! checks and its header names from here too.
use super::encode::{push_component, table};
use super::{Error, Request};
use std::borrow::Cow;
use std::ops::Range;

/// Refuses what could not go over the wire as it was signed.
pub(super) fn check(request: &Request<'_>) -> Result<(), Error> {
    let Request { method, path, query, .. } = request;
    if !is_token(method) {
        return Err(Error::Invalid(format!("{method:?} is no HTTP method: use GET, PUT or another name of letters")));
    }
    // `?` would begin the query and `#` a fragment; white space, controls and other bytes cannot stand in a request line.
    let foreign = |byte: u8| !byte.is_ascii_graphic() | (byte == b'?') | (byte == b'#');
    if !path.starts_with('/') || path.bytes().fold(false, |found, byte| found | foreign(byte)) {
        return Err(Error::Invalid(format!(
            "the path {path:?} cannot be sent as it is: begin it with a slash and percent-encode the rest"
        )));
    }
    // It would be signed as `=` and sent as nothing.
    if query.iter().any(|(name, _)| name.is_empty()) {
        return Err(Error::Invalid("a query parameter has no name: leave it out, or name it".into()));
    }
    Ok(())
}

/// The headers to be signed, names in lower case. Sorted by [`Headers::sort`]; headers of one name keep their order.
pub(super) struct Headers<'a> {
    all: Vec<(Cow<'a, str>, &'a str)>,
    /// Those of [`Headers::add`] that the request did not have.
    added: Vec<(&'static str, &'a str)>,
}

impl<'a> Headers<'a> {
    /// `more` is the number of headers that will be added.
    pub(super) fn collect(request: &Request<'a>, more: usize) -> Result<Self, Error> {
        let mut all = Vec::with_capacity(request.headers.len() + more);
        for &(name, value) in request.headers {
            if !is_token(name) {
                return Err(Error::Invalid(format!(
                    "{name:?} is no name of a header: RFC 9110 section 5.1 allows letters, digits and few signs"
                )));
            }
            check_value(name, value)?;
            let name = match name.bytes().any(|b| b.is_ascii_uppercase()) {
                true => Cow::Owned(name.to_ascii_lowercase()),
                false => Cow::Borrowed(name),
            };
            if name == "authorization" {
                return Err(Error::Invalid(
                    "the request is authorised already: leave the authorization header to the signature".into(),
                ));
            }
            all.push((name, value));
        }
        Ok(Self { all, added: Vec::with_capacity(more) })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.all.iter().find(|(given, _)| given == name).map(|(_, value)| *value)
    }

    /// Adds a header of the signer's, unless the request has it already. Another value than the signer's would make a
    /// signature that no server accepts.
    pub(super) fn add(&mut self, name: &'static str, value: &'a str) -> Result<(), Error> {
        check_value(name, value)?;
        match self.get(name) {
            None => {
                self.all.push((Cow::Borrowed(name), value));
                self.added.push((name, value));
                Ok(())
            }
            Some(given) if given.trim_ascii() == value => Ok(()),
            Some(_) => Err(Error::Invalid(format!(
                "the header {name} of the request differs from what is being signed: leave it out, it is added"
            ))),
        }
    }

    /// What has to be sent in addition to the request's own headers: the added ones and `authorization`.
    pub(super) fn to_send(&self, authorization: String) -> Vec<(&'static str, String)> {
        let added = self.added.iter().map(|(name, value)| (*name, (*value).to_owned()));
        added.chain([("authorization", authorization)]).collect()
    }

    pub(super) fn sort(&mut self) {
        self.all.sort_by(|a, b| a.0.cmp(&b.0));
    }

    /// Names with all their values, in order; call after [`Headers::sort`].
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &'a str>)> {
        self.all.chunk_by(|a, b| a.0 == b.0).filter_map(|group| {
            let (name, _) = group.first()?;
            Some((&**name, group.iter().map(|(_, value)| *value)))
        })
    }

    fn len(&self) -> usize {
        self.all.iter().map(|(name, value)| 2 * name.len() + value.len() + 3).sum()
    }
}

/// A line break would end the header and begin another. Folded without an early end, so that the compiler can look at
/// many bytes at once.
fn check_value(name: &str, value: &str) -> Result<(), Error> {
    let control = |byte: u8| ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f);
    if value.bytes().fold(false, |found, byte| found | control(byte)) {
        return Err(Error::Invalid(format!(
            "the header {name} holds a line break or another control character: take it out, it cannot be sent"
        )));
    }
    Ok(())
}

/// A canonical request and where in it the list of signed headers stands.
pub(super) struct Canonical {
    pub(super) text: String,
    signed_headers: Range<usize>,
}

impl Canonical {
    /// `headers` must be sorted, and `query` is what [`canonical_query`] returned.
    pub(super) fn new(request: &Request<'_>, query: &str, headers: &Headers<'_>, payload_hash: &str) -> Self {
        let Request { method, path, .. } = request;
        let mut text = String::with_capacity(
            method.len() + path.len() + query.len() + headers.len() + payload_hash.len() + "\n\n\n\n\n".len(),
        );
        for part in [*method, *path, query] {
            text.push_str(part);
            text.push('\n');
        }
        for (name, values) in headers.groups() {
            text.push_str(name);
            text.push(':');
            for (number, value) in values.enumerate() {
                if number > 0 {
                    text.push(',');
                }
                push_folded(&mut text, value);
            }
            text.push('\n');
        }
        text.push('\n');
        let start = text.len();
        push_names(&mut text, headers);
        let signed_headers = start..text.len();
        text.push('\n');
        text.push_str(payload_hash);
        Self { text, signed_headers }
    }

    pub(super) fn signed_headers(&self) -> &str {
        &self.text[self.signed_headers.clone()]
    }
}

/// `host;x-amz-date`: the names of sorted headers.
pub(super) fn push_names(out: &mut String, headers: &Headers<'_>) {
    for (number, (name, _)) in headers.groups().enumerate() {
        if number > 0 {
            out.push(';');
        }
        out.push_str(name);
    }
}

/// Names and values encoded and sorted as pairs: by encoded name, then by encoded value. Sorting the finished
/// `name=value` strings would be wrong, for `-`, `.` and digits come before `=`. A bare name is signed with a `=`.
pub(super) fn canonical_query(pairs: &[(&str, &str)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let mut encoded = String::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len()).sum());
    let mut spans = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let start = encoded.len();
        push_component(&mut encoded, name);
        let middle = encoded.len();
        push_component(&mut encoded, value);
        spans.push((start..middle, middle..encoded.len()));
    }
    spans.sort_by(|a, b| {
        encoded[a.0.clone()].cmp(&encoded[b.0.clone()]).then_with(|| encoded[a.1.clone()].cmp(&encoded[b.1.clone()]))
    });
    let mut out = String::with_capacity(encoded.len() + 2 * pairs.len());
    for (number, (name, value)) in spans.into_iter().enumerate() {
        if number > 0 {
            out.push('&');
        }
        out.push_str(&encoded[name]);
        out.push('=');
        out.push_str(&encoded[value]);
    }
    out
}

/// Trimmed, every run of spaces and tabs inside made one space, between quotes too. Other white space is no longer there:
/// [`Headers::collect`] refuses it.
fn push_folded(out: &mut String, value: &str) {
    let value = value.trim_ascii();
    let runs = value
        .bytes()
        .fold((false, b'x'), |(found, last), byte| (found | (byte == b'\t') | ((last == b' ') & (byte == b' ')), byte));
    if !runs.0 {
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

/// What a method or a header's name may hold: `tchar` of RFC 9110 section 5.6.2.
const TOKEN: [bool; 256] =
    table(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~", None);

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| TOKEN[usize::from(byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_pairs_and_not_strings() {
        let pairs = [("a-", "1"), ("a0", "1"), ("a", "2"), ("a", "1"), ("A", ""), ("\u{1234}", "x"), ("a", "1")];
        assert_eq!(canonical_query(&pairs), "%E1%88%B4=x&A=&a=1&a=1&a=2&a-=1&a0=1");
        assert_eq!(canonical_query(&[("k", "a b+c/~")]), "k=a%20b%2Bc%2F~");
        assert_eq!(canonical_query(&[]), "");
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
    fn refuses_what_cannot_be_sent() {
        let request = |method, path| Request { method, path, query: &[], headers: &[] };
        for (method, path) in [
            ("", "/"),
            ("GET ", "/"),
            ("GET\n", "/"),
            ("GET", ""),
            ("GET", "key"),
            ("GET", "/a?b"),
            ("GET", "/a#b"),
            ("GET", "/a b"),
            ("GET", "/\u{e9}"),
            ("GET", "/a\nb"),
        ] {
            assert!(matches!(check(&request(method, path)), Err(Error::Invalid(_))), "{method:?} {path:?}");
        }
        assert_eq!(check(&request("GET", "/a/../%2F//.")), Ok(()));
        for query in [&[("", "")][..], &[("a", "1"), ("", "b")]] {
            assert!(check(&Request { query, ..request("GET", "/") }).is_err(), "{query:?}");
        }
        for header in [("", "x"), ("a b", "x"), ("a:", "x"), ("a", "b\r\nc: d"), ("a", "\0"), ("Authorization", "x")] {
            let request = Request { method: "GET", path: "/", query: &[], headers: &[header] };
            assert!(Headers::collect(&request, 0).is_err(), "{header:?}");
        }
    }
}
