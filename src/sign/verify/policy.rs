//! Parsing and checking of the policies of browser forms
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>).
use super::received::Form;
use super::refusal::Refusal;
use crate::sign::explain::Cause;
use crate::time::Timestamp;
use std::ops::RangeInclusive;

/// A parsed policy document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
    /// The file sizes that all `content-length-range` conditions allow.
    file_size: RangeInclusive<u64>,
}

/// A condition for a form field.
#[derive(Debug, PartialEq, Eq)]
struct Condition {
    field: String,
    matching: Matching,
}

#[derive(Debug, PartialEq, Eq)]
enum Matching {
    /// An exact match: `{"acl": "public-read"}` or `["eq", "$acl", "public-read"]`.
    Exact(String),
    /// A prefix: `["starts-with", "$key", "user/user1/"]`.
    StartsWith(String),
}

impl Policy {
    /// Parses a document, which must have exactly one `expiration` and one `conditions`.
    pub(super) fn read(document: &[u8]) -> Result<Self, Refusal> {
        let malformed = || Refusal::at(Cause::Malformed, "policy");
        let text = std::str::from_utf8(document).map_err(|_| malformed())?;
        Json(text).policy().ok_or_else(malformed)
    }

    /// Checks that the policy has not expired, that every condition is met, and that every field
    /// except for those in `exempt` has a condition. Returns the sizes that the file may have.
    pub(super) fn check(
        self,
        form: &Form<'_>,
        now: Timestamp,
        exempt: &[&str],
    ) -> Result<RangeInclusive<u64>, Refusal> {
        if now > self.expiration {
            return Err(Refusal::at(Cause::Expired, "expiration"));
        }

        for condition in &self.conditions {
            let value = form.value(&condition.field)?;
            if !value.is_some_and(|value| condition.holds_for(value)) {
                return Err(Refusal::at(Cause::PolicyCondition, &*condition.field));
            }
        }

        // "Each form field that you specify in a form (except x-amz-signature, file, policy, and
        // field names that have an x-ignore- prefix) must appear in the list of conditions."
        for (name, _) in form.fields {
            let is_named =
                self.conditions.iter().any(|condition| condition.field.eq_ignore_ascii_case(name));
            let is_exempt = exempt.iter().any(|exempt| exempt.eq_ignore_ascii_case(name))
                || name.to_ascii_lowercase().starts_with("x-ignore-");
            if !is_named && !is_exempt {
                return Err(Refusal::at(Cause::FieldNotInPolicy, *name));
            }
        }

        // The bucket is in the URL, and S3 requires a condition for it like for a field.
        if !self.conditions.iter().any(|condition| condition.field.eq_ignore_ascii_case("bucket")) {
            return Err(Refusal::at(Cause::FieldNotInPolicy, "bucket"));
        }

        match form.file_size {
            Some(size) if !self.file_size.contains(&size) => {
                Err(Refusal::at(Cause::FileSize, "file"))
            }
            _ => Ok(self.file_size),
        }
    }
}

impl Condition {
    fn holds_for(&self, value: &str) -> bool {
        match &self.matching {
            Matching::Exact(expected) => value == expected,
            // "Content-Types values for a starts-with condition that include commas are interpreted
            // as lists. Each value in the list must meet the condition for the whole condition to
            // pass."
            Matching::StartsWith(prefix) if self.field.eq_ignore_ascii_case("content-type") => {
                value.split(',').all(|one| one.trim_ascii().starts_with(prefix.as_str()))
            }
            Matching::StartsWith(prefix) => value.starts_with(prefix.as_str()),
        }
    }
}

/// The remaining part of a JSON text (RFC 8259, restricted to what a policy needs). Each method
/// parses one element, and returns `None` if the text does not match.
struct Json<'a>(&'a str);

impl Json<'_> {
    fn policy(mut self) -> Option<Policy> {
        let (mut expiration, mut conditions) = (None, None);
        let mut file_size = 0..=u64::MAX;
        self.expect('{')?;
        if !self.skip_if_next('}') {
            loop {
                let name = self.string()?;
                self.expect(':')?;
                match &*name {
                    "expiration" if expiration.is_none() => {
                        expiration = Some(Timestamp::parse_iso8601(&self.string()?)?);
                    }
                    "conditions" if conditions.is_none() => {
                        conditions = Some(self.conditions(&mut file_size)?);
                    }
                    _ => return None,
                }

                if !self.skip_if_next(',') {
                    break;
                }
            }

            self.expect('}')?;
        }

        self.skip_space();
        let is_whole = self.0.is_empty();
        let policy = Policy { expiration: expiration?, conditions: conditions?, file_size };
        is_whole.then_some(policy)
    }

    fn conditions(&mut self, file_size: &mut RangeInclusive<u64>) -> Option<Vec<Condition>> {
        let mut conditions = Vec::new();
        self.expect('[')?;
        if self.skip_if_next(']') {
            return Some(conditions);
        }

        loop {
            if self.skip_if_next('{') {
                self.exact_matches(&mut conditions)?;
            } else {
                self.expect('[')?;
                let operator = self.string()?;
                self.expect(',')?;
                if operator == "content-length-range" {
                    let least = self.number()?;
                    self.expect(',')?;
                    let most = self.number()?;
                    *file_size = least.max(*file_size.start())..=most.min(*file_size.end());
                } else {
                    let field = self.string()?.strip_prefix('$')?.to_owned();
                    self.expect(',')?;
                    let value = self.string()?;
                    let matching = match &*operator {
                        "eq" => Matching::Exact(value),
                        "starts-with" => Matching::StartsWith(value),
                        _ => return None,
                    };

                    conditions.push(Condition { field, matching });
                }

                self.expect(']')?;
            }

            if !self.skip_if_next(',') {
                break;
            }
        }

        self.expect(']')?;
        Some(conditions)
    }

    /// Parses the rest of an object, whose members are exact matches.
    fn exact_matches(&mut self, conditions: &mut Vec<Condition>) -> Option<()> {
        loop {
            let field = self.string()?;
            self.expect(':')?;
            conditions.push(Condition { field, matching: Matching::Exact(self.string()?) });
            if !self.skip_if_next(',') {
                return self.expect('}');
            }
        }
    }

    /// Parses a non-negative integer, which may be written as a string.
    fn number(&mut self) -> Option<u64> {
        self.skip_space();
        if self.0.starts_with('"') {
            let text = self.string()?;
            return text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
        }

        let end = self.0.find(|c: char| !c.is_ascii_digit())?;
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        digits.parse().ok()
    }

    /// Parses a string with the escapes of JSON, and `\$` and `\v`, which AWS's page adds.
    fn string(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            let end = self.0.find(|c: char| matches!(c, '"' | '\\') || c < ' ')?;
            let (plain, rest) = self.0.split_at(end);
            text.push_str(plain);
            let Some(escape) = rest.strip_prefix('\\') else {
                self.0 = rest.strip_prefix('"')?;
                return Some(text);
            };

            let mut after = escape.chars();
            let character = after.next()?;
            self.0 = after.as_str();
            text.push(match character {
                '"' | '\\' | '/' | '$' => character,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                'u' => self.unicode()?,
                _ => return None,
            });
        }
    }

    /// Parses the digits of `\uXXXX`, and a second escape if the first one is half of a surrogate
    /// pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.code_unit()?;
        if let Some(character) = char::from_u32(u32::from(first)) {
            return Some(character);
        }

        self.0 = self.0.strip_prefix("\\u")?;
        let second = self.code_unit()?;
        char::decode_utf16([first, second]).next()?.ok()
    }

    fn code_unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.0.split_at_checked(4)?;
        self.0 = rest;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
    }

    fn expect(&mut self, character: char) -> Option<()> {
        self.skip_if_next(character).then_some(())
    }

    /// Skips white space, and then `character` if it comes next. Returns whether it did.
    fn skip_if_next(&mut self, character: char) -> bool {
        self.skip_space();
        match self.0.strip_prefix(character) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(conditions: &str) -> Option<Policy> {
        let document =
            format!(r#"{{"expiration":"2026-01-01T00:00:00Z","conditions":{conditions}}}"#);
        Policy::read(document.as_bytes()).ok()
    }

    #[test]
    fn every_kind_of_condition_is_parsed() {
        let policy = read(
            r#" [ {"acl":"public-read", "a":"" } ,["eq","$x","\"\\\/\$\b\f\n\r\t\v\u00e9\ud83e\udd80é"],
                ["starts-with", "$key" ,"u/"],["content-length-range",1,"20"],["content-length-range",0,10]]"#,
        )
        .unwrap();
        let exact = |text: &str| Matching::Exact(text.to_owned());
        let expected = [
            ("acl", exact("public-read")),
            ("a", exact("")),
            ("x", exact("\"\\/$\u{8}\u{c}\n\r\t\u{b}é🦀é")),
            ("key", Matching::StartsWith("u/".to_owned())),
        ]
        .map(|(field, matching)| Condition { field: field.to_owned(), matching });
        assert_eq!(policy.conditions, expected);
        assert_eq!(policy.file_size, 1..=10);
        assert_eq!(read("[]").unwrap().file_size, 0..=u64::MAX);
    }

    #[test]
    fn other_documents_are_malformed() {
        for conditions in [
            "",
            "{}",
            "[",
            "[,]",
            "[{}]",
            "[[]]",
            "[{\"a\":1}]",
            "[{\"a\":\"b\",}]",
            "[{\"a\"}]",
            "[{\"a\":\"b\"}],",
            r#"[["eq","a","b"]]"#,
            r#"[["eq","$a"]]"#,
            r#"[["eq","$a","b","c"]]"#,
            r#"[["EQ","$a","b"]]"#,
            r#"[["ends-with","$a","b"]]"#,
            r#"[["eq","$a",1]]"#,
            r#"[["content-length-range",1]]"#,
            r#"[["content-length-range",-1,2]]"#,
            r#"[["content-length-range",1.5,2]]"#,
            r#"[["content-length-range",1,1e3]]"#,
            r#"[["content-length-range","+1","2"]]"#,
            r#"[["content-length-range","",2]]"#,
            r#"[["content-length-range",1,18446744073709551616]]"#,
            r#"[{"a":"\x"}]"#,
            r#"[{"a":"\u12g4"}]"#,
            r#"[{"a":"\u+123"}]"#,
            r#"[{"a":"\ud800"}]"#,
            r#"[{"a":"\ud800\u0041"}]"#,
            r#"[{"a":"\udc00"}]"#,
            "[{\"a\":\"\n\"}]",
            "[{\"a\":\"b}]",
            "[{'a':'b'}]",
        ] {
            assert_eq!(read(conditions), None, "{conditions}");
        }

        for document in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"conditions":[]}"#,
            r#"{"expiration":"2026-01-01T00:00:00Z"}"#,
            r#"{"expiration":"soon","conditions":[]}"#,
            r#"{"expiration":"2026-01-01T00:00:00Z","conditions":[],"conditions":[]}"#,
            r#"{"expiration":"2026-01-01T00:00:00Z","expiration":"2026-01-01T00:00:00Z","conditions":[]}"#,
            r#"{"expiration":"2026-01-01T00:00:00Z","conditions":[],"other":""}"#,
            r#"{"expiration":"2026-01-01T00:00:00Z","conditions":[],}"#,
            r#"{"expiration":"2026-01-01T00:00:00Z","conditions":[]} x"#,
        ] {
            assert!(Policy::read(document.as_bytes()).is_err(), "{document}");
        }

        assert!(Policy::read(b"\xff").is_err());
    }
}
