//! The names in requests: repositories, tags, digests and uploads. A value of one of these types is
//! always valid, and safe to use in a path.
use super::failure::{Code, Failure};
use std::fmt;

/// The maximum length of a repository name. Clients apply the same limit to the name together with
/// the registry's host.
const NAME_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;

/// A repository's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(String);

impl Name {
    /// Checks `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, repeated between slashes.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if text.len() <= NAME_LIMIT && text.split('/').all(is_component) {
            return Ok(Self(text.to_owned()));
        }
        Err(Failure::new(Code::NameInvalid, "the repository name is not valid"))
    }
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(alphanumeric) && bytes.last().is_some_and(alphanumeric);
    let mut separators = bytes.split(alphanumeric).filter(|separator| !separator.is_empty());
    ends && separators.all(|separator| {
        matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-')
    })
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tag(String);

impl Tag {
    /// Checks `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let valid = text.len() <= TAG_LIMIT
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-');
        valid.then(|| Self(text.to_owned()))
    }
}

/// The SHA-256 digest of some content, as 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(String);

impl Digest {
    /// Parses `sha256:HEX`. Other algorithms are not supported because Distribution stores every
    /// blob under this one.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let digest = text.strip_prefix("sha256:").and_then(Self::from_hex);
        let message = "the digest is not of the form sha256:<64 hexadecimal digits>";
        digest.ok_or_else(|| Failure::new(Code::DigestInvalid, message))
    }
    pub(crate) fn from_hex(hex: &str) -> Option<Self> {
        let valid =
            hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(hex.to_owned()))
    }
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }
    pub(crate) fn hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// A reference to a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    Tag(Tag),
    Digest(Digest),
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if text.contains(':') {
            return Digest::parse(text).map(Self::Digest);
        }
        let tag = Tag::parse(text).map(Self::Tag);
        tag.ok_or_else(|| Failure::new(Code::ManifestInvalid, "the tag is not valid"))
    }
}

/// An upload's identifier: a UUID, as Distribution's purge expects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UploadId(String);

impl UploadId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 36
            && text.bytes().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        valid.then(|| Self(text.to_owned()))
    }
    /// Creates a version 4 UUID from random bits.
    pub(crate) fn from_random(high: u64, low: u64) -> Self {
        let high = (high & !0xf000) | 0x4000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        let hex = format!("{high:016x}{low:016x}");
        Self([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }
}

macro_rules! display_inner {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
display_inner! { Name Tag UploadId }
