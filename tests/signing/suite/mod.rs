//! Parses the cases of aws-c-auth's suite, and selects the rule by which each path is signed.
#![allow(dead_code, unreachable_pub, reason = "each test uses only a part of this module")]

pub mod published;

use s3driver::sign::{PathRule, Request, encode_path};
use sha2::{Digest as _, Sha256};

/// A request of the suite: a head whose path and query are not encoded, and a body.
pub struct Case {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: String,
    rule: PathRule,
}

impl Case {
    /// Parses `raw`. The suite does not name a real service: its paths are signed by the rule of
    /// all services except S3, unless the case says otherwise or the path could not be sent. Such
    /// paths are encoded once, as in S3.
    pub fn read(raw: &str, normalizes: bool) -> Self {
        let (head, body) =
            raw.split_once("\n\n").unwrap_or_else(|| (raw.trim_end_matches('\n'), ""));
        // RFC 9112 section 5.2: a folded line continues after a space.
        let head = head.replace("\n ", "  ");
        let mut lines = head.lines();
        let first =
            lines.next().expect("a request line").strip_suffix(" HTTP/1.1").expect("a version");
        let (method, target) = first.split_once(' ').expect("a target");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let encoded = encode_path(path);
        let rule = match normalizes && encoded.len() == path.len() {
            true => PathRule::NormalizedAndEncoded,
            false => PathRule::EncodedOnce,
        };
        let pair = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_owned(), value.to_owned())
        };
        Self {
            method: method.to_owned(),
            path: encoded,
            query: query_pairs(query),
            headers: lines.map(pair).collect(),
            body: body.to_owned(),
            rule,
        }
    }

    /// Returns the request without query and headers.
    pub fn parts(&self) -> Request<'_> {
        Request::new(&self.method, &self.path).path_rule(self.rule)
    }

    pub const fn rule(&self) -> PathRule {
        self.rule
    }
}

/// Decodes a query.
pub fn query_pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode(name), percent_decode(value))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

pub fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub fn sha256_hex(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

fn percent_decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        out.push(match byte {
            b'%' => {
                let (digits, tail) = tail.split_at(2);
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits).expect("two digits"), 16)
                    .expect("two digits")
            }
            byte => byte,
        });
    }
    String::from_utf8(out).expect("the suite is UTF-8")
}
