//! Policies of browser uploads (POST Object), shared by both versions of the signature.
use super::Error;
use super::check::check_year;
use super::redact::{Hidden, Pairs};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// The uploads that a browser's form may make, and until when
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>).
///
/// S3 refuses a form with a field that no condition names, so name them all: `bucket`, `key`,
/// `acl`, `Content-Type`, ... What the signature adds is named by
/// [`v4::post_policy`](super::v4::post_policy) and [`v2::post_policy`](super::v2::post_policy).
///
/// ```
/// use s3driver::{sign::PostPolicy, time::Timestamp};
///
/// let policy = PostPolicy::new(Timestamp::from_unix(1_451_476_800))
///     .equals("bucket", "uploads")
///     .starts_with("key", "user/user1/")
///     .content_length(1..=1_048_576)?;
/// assert_eq!(
///     policy.to_json(),
///     r#"{"expiration":"2015-12-30T12:00:00Z","conditions":[{"bucket":"uploads"},["starts-with","$key","user/user1/"],["content-length-range",1,1048576]]}"#
/// );
/// # Ok::<(), s3driver::sign::Error>(())
/// ```
#[derive(Clone)]
pub struct PostPolicy {
    expiration: Timestamp,
    /// Each as JSON.
    conditions: Vec<String>,
}

impl PostPolicy {
    /// Creates a policy without conditions that expires at `expiration`.
    pub const fn new(expiration: Timestamp) -> Self {
        Self { expiration, conditions: Vec::new() }
    }

    /// Requires the form's `field` to have this value.
    #[must_use]
    pub fn equals(mut self, field: &str, value: &str) -> Self {
        let mut json = String::from("{");
        push_json(&mut json, field);
        json.push(':');
        push_json(&mut json, value);
        json.push('}');
        self.conditions.push(json);
        self
    }

    /// Requires the form's `field` to begin with `prefix`; an empty one allows every value.
    #[must_use]
    pub fn starts_with(mut self, field: &str, prefix: &str) -> Self {
        let mut json = String::from("[\"starts-with\",");
        push_json(&mut json, field);
        // The field's name follows a dollar sign that means "the value of".
        json.insert("[\"starts-with\",\"".len(), '$');
        json.push(',');
        push_json(&mut json, prefix);
        json.push(']');
        self.conditions.push(json);
        self
    }

    /// Requires the file to have this many bytes.
    ///
    /// # Errors
    /// [`Error::ContentLengthRange`] for a range without a member.
    pub fn content_length(mut self, bytes: RangeInclusive<u64>) -> Result<Self, Error> {
        let (&least, &most) = (bytes.start(), bytes.end());
        if least > most {
            return Err(Error::ContentLengthRange { least, most });
        }
        self.conditions.push(format!("[\"content-length-range\",{least},{most}]"));
        Ok(self)
    }

    /// Refuses a policy that no server can read.
    pub(super) fn check(&self) -> Result<(), Error> {
        check_year(self.expiration)
    }

    /// Returns the policy document.
    pub fn to_json(&self) -> String {
        format!(
            "{{\"expiration\":\"{}\",\"conditions\":[{}]}}",
            self.expiration.iso8601(),
            self.conditions.join(",")
        )
    }

    /// Returns the policy document as the form carries it, which is also the string to sign.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_json())
    }
}

/// The conditions are left out: temporary credentials put their token there.
impl fmt::Debug for PostPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostPolicy")
            .field("expiration", &self.expiration.iso8601())
            .field("conditions", &self.conditions.len())
            .finish()
    }
}

/// The fields that a form has to send in addition to its own and, last of all, `file`. `Debug`
/// hides what is secret.
#[derive(Clone)]
pub struct PostForm {
    /// The policy in base64.
    pub string_to_sign: String,
    /// Hex in version 4, base64 in version 2.
    pub signature: String,
    /// The fields that carry policy, key, signature and token.
    pub fields: Vec<(&'static str, String)>,
}

impl fmt::Debug for PostForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self.fields.iter().filter(|(name, _)| *name != "policy").collect();
        let shown: Vec<_> =
            shown.into_iter().map(|(name, value)| (*name, value.as_str())).collect();
        f.debug_struct("PostForm")
            .field("string_to_sign", &Hidden)
            .field("signature", &Hidden)
            .field("fields", &Pairs(&shown))
            .finish_non_exhaustive()
    }
}

/// Appends a JSON string in ASCII. S3 wants `$` and everything beyond ASCII escaped; `\u0024` is an
/// escape that JSON knows too, other than AWS's own `\$`.
fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '$' | '\0'..'\x20' | '\x7f'.. => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a `String` cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_exactly() {
        let mut out = String::new();
        push_json(&mut out, "a\"b\\c/\n\0\x7f$\u{e9}\u{1F980} '<&>");
        assert_eq!(out, r#""a\"b\\c/\u000a\u0000\u007f\u0024\u00e9\ud83e\udd80 '<&>""#);
    }

    #[test]
    fn a_field_keeps_its_dollar() {
        let json = PostPolicy::new(Timestamp::from_unix(0)).starts_with("key", "a$").to_json();
        assert_eq!(
            json,
            r#"{"expiration":"1970-01-01T00:00:00Z","conditions":[["starts-with","$key","a\u0024"]]}"#
        );
    }

    #[test]
    fn debug_hides_policy_and_signature() {
        let form = PostForm {
            string_to_sign: "s3cret1".into(),
            signature: "s3cret2".into(),
            fields: vec![
                ("policy", "s3cret1".into()),
                ("x-amz-security-token", "s3cret3".into()),
                ("signature", "s3cret2".into()),
                ("AWSAccessKeyId", "shown".into()),
            ],
        };
        let text = format!(
            "{form:?} {:?}",
            PostPolicy::new(Timestamp::from_unix(0)).equals("x-amz-security-token", "s3cret4")
        );
        assert!(!text.contains("s3cret") && text.contains("shown"), "{text}");
        assert!(text.contains("1970-01-01T00:00:00Z") && text.contains("conditions: 1"), "{text}");
    }

    proptest! {
        #[test]
        fn is_the_json_it_says(field in any::<String>(), value in any::<String>(), range in any::<(u64, u64)>()) {
            let json = PostPolicy::new(Timestamp::from_unix(0))
                .equals(&field, &value)
                .starts_with(&field, &value)
                .content_length(range.0.min(range.1)..=range.0.max(range.1))
                .unwrap()
                .to_json();
            prop_assert!(json.is_ascii());
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read["conditions"][0][&field], &value);
            prop_assert_eq!(&read["conditions"][1][1], &format!("${field}"));
            prop_assert_eq!(&read["conditions"][1][2], &value);
            prop_assert_eq!(read["conditions"][2][2].as_u64(), Some(range.0.max(range.1)));
        }
    }
}
