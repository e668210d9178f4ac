//! A token that names an unfinished upload, for a process that continues it.
use super::layout::PartSizes;
use crate::client::{MAX_PART_SIZE, MIN_PART_SIZE, UploadRef};
use crate::error::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;

/// The maximum length of a token: a key has at most 1,024 bytes, an upload ID is of that order, and
/// escaping can turn each byte into six.
const MAX_TOKEN: usize = 16 << 10;

/// A token that names an unfinished upload. [`ObjectWriter::token`](super::ObjectWriter::token)
/// returns it, and [`Transfer::resume`](crate::transfer::Transfer::resume) accepts it, in this
/// process or a later one.
///
/// `Display` writes one line of JSON, and `FromStr` reads it. A token does not contain a secret;
/// the permission to continue the upload comes from the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadToken {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) upload_id: String,
    pub(super) part_size: u64,
    pub(super) part_sizes: PartSizes,
}

impl UploadToken {
    /// Creates the token of an upload whose parts all have the same size.
    pub(crate) fn uniform((bucket, key): (&str, &str), upload_id: String, part_size: u64) -> Self {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Self { bucket, key, upload_id, part_size, part_sizes: PartSizes::Uniform }
    }

    /// Returns the size of the first parts, in bytes.
    pub(crate) const fn part_size(&self) -> u64 {
        self.part_size
    }

    /// Returns the upload that the token names.
    pub fn upload(&self) -> UploadRef<'_> {
        UploadRef { bucket: &self.bucket, key: &self.key, upload_id: &self.upload_id }
    }
}

impl fmt::Display for UploadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = match self.part_sizes {
            PartSizes::MayGrow => "may-grow",
            PartSizes::Uniform => "uniform",
        };
        let token = json!({
            "version": 1,
            "bucket": self.bucket,
            "key": self.key,
            "uploadId": self.upload_id,
            "partSize": self.part_size,
            "partSizes": sizes,
        });
        fmt::Display::fmt(&token, f)
    }
}

impl FromStr for UploadToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let token: Value = serde_json::from_str(text).ok()?;
            let word = |name: &str| {
                let word = token.get(name)?.as_str()?;
                (!word.is_empty()).then(|| word.to_owned())
            };
            let part_size = token.get("partSize")?.as_u64()?;
            let part_sizes = match word("partSizes")?.as_str() {
                "may-grow" => PartSizes::MayGrow,
                "uniform" => PartSizes::Uniform,
                _ => return None,
            };
            let is_current = token.get("version")?.as_u64()? == 1;
            let is_size = (MIN_PART_SIZE..=MAX_PART_SIZE).contains(&part_size);
            (is_current && is_size).then_some(())?;
            Some(Self {
                bucket: word("bucket")?,
                key: word("key")?,
                upload_id: word("uploadId")?,
                part_size,
                part_sizes,
            })
        };
        let parsed = if text.len() <= MAX_TOKEN { parse() } else { None };
        parsed.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "the text is not the token of an upload")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> UploadToken {
        UploadToken {
            bucket: "registry".to_owned(),
            key: "a/\"quoted\" \u{e9}\n".to_owned(),
            upload_id: "2~id".to_owned(),
            part_size: 8 << 20,
            part_sizes: PartSizes::MayGrow,
        }
    }

    #[test]
    fn a_token_is_one_line_that_is_read_back() {
        for part_sizes in [PartSizes::MayGrow, PartSizes::Uniform] {
            let token = UploadToken { part_sizes, ..token() };
            let text = token.to_string();
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(text.parse::<UploadToken>().expect("a token"), token);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let good = token().to_string();
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("2~id", ""),
            ("8388608", "1"),
            ("8388608", "-1"),
            ("may-grow", "shrink"),
            ("partSize\"", "size\""),
            ("}", ""),
        ] {
            assert!(good.contains(from), "{from}");
            let error = good.replacen(from, to, 1).parse::<UploadToken>().expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        let long = UploadToken { key: "k".repeat(MAX_TOKEN), ..token() }.to_string();
        assert!(long.parse::<UploadToken>().is_err());
    }
}
