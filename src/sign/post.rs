//! Policies for browser uploads (POST Object), shared by both signature versions.
use super::Error;
use super::check::check_year;
use super::redact::{Hidden, Pairs};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// A policy that limits what a browser's form may upload, and until when
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>).
///
/// S3 refuses a form that has a field without a condition, so add one for every field: `bucket`,
/// `key`, `acl`, `Content-Type`, ... [`v4::post_policy`](super::v4::post_policy) and
/// [`v2::post_policy`](super::v2::post_policy) add the conditions for the fields of the signature.
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
    /// The conditions, each encoded as JSON.
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

    /// Requires the form's `field` to begin with `prefix`. An empty prefix allows any value.
    #[must_use]
    pub fn starts_with(mut self, field: &str, prefix: &str) -> Self {
        let mut json = String::from("[\"starts-with\",");
        push_json(&mut json, field);
        // A dollar sign before the field's name means "the value of".
        json.insert("[\"starts-with\",\"".len(), '$');
        json.push(',');
        push_json(&mut json, prefix);
        json.push(']');
        self.conditions.push(json);
        self
    }

    /// Requires the size of the file to be within this range.
    ///
    /// # Errors
    /// [`Error::ContentLengthRange`] if the range is empty.
    pub fn content_length(mut self, bytes: RangeInclusive<u64>) -> Result<Self, Error> {
        let (&least, &most) = (bytes.start(), bytes.end());
        if least > most {
            return Err(Error::ContentLengthRange { least, most });
        }

        self.conditions.push(format!("[\"content-length-range\",{least},{most}]"));
        Ok(self)
    }

    /// Returns an error if no server could parse the policy.
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

    /// Returns the policy document in base64, as the form contains it. This is also the string to
    /// sign.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_json())
    }
}

/// The conditions are omitted because one of them may contain a session token.
impl fmt::Debug for PostPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostPolicy")
            .field("expiration", &self.expiration.iso8601())
            .field("conditions", &self.conditions.len())
            .finish()
    }
}

/// The fields of the signature that a form has to send in addition to its own fields. The field
/// `file` must come last. `Debug` redacts secrets.
#[derive(Clone)]
pub struct PostForm {
    /// The policy in base64.
    pub string_to_sign: String,
    /// The signature, in hex in version 4 and in base64 in version 2.
    pub signature: String,
    /// The fields that contain the policy, access key, signature and session token.
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

/// Appends a JSON string in ASCII. S3 requires `$` and all non-ASCII characters to be escaped.
/// `\u0024` is valid JSON, unlike AWS's own escape `\$`.
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
    fn only_dollars_in_values_are_escaped() {
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
        fn the_policy_is_valid_json_with_the_given_values(field in any::<String>(), value in any::<String>(), range in any::<(u64, u64)>()) {
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
