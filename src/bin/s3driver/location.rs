//! Locations of objects and files: `s3://bucket/key`, a path on this machine, or `-`.
use crate::failure::{Failure, Outcome};
use crate::text::{shown, shown_path};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The beginning of an object's URL.
const SCHEME: &str = "s3://";

/// A location `s3://bucket/key`. The key is taken byte for byte: nothing in it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Url {
    /// Empty for the bucket of the configuration: `s3:///key`.
    pub(crate) bucket: String,
    /// Empty for the bucket itself.
    pub(crate) key: String,
}

impl FromStr for S3Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Err("a location in S3 is written s3://bucket/key".to_owned());
        };
        // The ARN of an access point contains slashes: accesspoint/NAME, or
        // outpost/ID/accesspoint/NAME.
        let slashes = match rest.split('/').next() {
            Some(first) if first.starts_with("arn:") && first.ends_with(":accesspoint") => 1,
            Some(first) if first.starts_with("arn:") && first.ends_with(":outpost") => 3,
            _ => 0,
        };
        let end = rest.match_indices('/').nth(slashes).map_or(rest.len(), |(index, _)| index);
        let (bucket, key) = rest.split_at(end);
        let key = key.strip_prefix('/').unwrap_or_default();
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", shown(&self.bucket), shown(&self.key))
    }
}

impl S3Url {
    /// Returns the key of an object. Fails for a bucket, which is not an object.
    pub(crate) fn object_key(&self) -> Outcome<&str> {
        if self.key.is_empty() {
            return Err(Failure::usage(format!(
                "{self} names a bucket, where an object is needed"
            )));
        }
        Ok(&self.key)
    }

    /// Returns the prefix of all keys below this location, which is treated as a directory: `a`
    /// does not contain `ab`.
    pub(crate) fn directory(&self) -> String {
        if self.key.is_empty() || self.key.ends_with('/') {
            self.key.clone()
        } else {
            format!("{}/", self.key)
        }
    }

    /// Returns the last component of the key.
    pub(crate) fn name(&self) -> &str {
        let key = self.key.trim_end_matches('/');
        key.rsplit('/').next().unwrap_or(key)
    }

    /// Returns whether this location is written as a directory: it is a bucket, or its key ends
    /// with a slash.
    pub(crate) fn is_written_as_directory(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }
}

/// An argument that can be an object, a local file, or a standard stream.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    S3(S3Url),
    Local(PathBuf),
    /// The standard input or output, written `-`.
    Standard,
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with(SCHEME) {
            text.parse().map(Self::S3)
        } else if text == "-" {
            Ok(Self::Standard)
        } else if text.is_empty() {
            Err("an empty path names nothing".to_owned())
        } else {
            Ok(Self::Local(text.into()))
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3(url) => url.fmt(f),
            Self::Local(path) => f.write_str(&shown_path(path)),
            Self::Standard => f.write_str("-"),
        }
    }
}

/// Returns the path of the file in `folder` for a key. `below` is the part of the key after the
/// prefix.
///
/// # Errors
/// Fails for a key that would lie outside of the folder or share a file with another key. Such a
/// key has a component that is empty, `.` or `..`, or that the system reads as more than one name.
pub(crate) fn file_below(folder: &Path, below: &str) -> Outcome<PathBuf> {
    let is_name = |component: &str| {
        !matches!(component, "" | "." | "..")
            && !component.contains(['\0', '\\'])
            && Path::new(component).components().count() == 1
    };
    if !below.split('/').all(is_name) {
        return Err(Failure::usage(format!(
            "the key ending in {} cannot be a file below {}: copy the object by itself, to a name \
             of your choice",
            shown(below),
            shown_path(folder)
        )));
    }
    Ok(folder.join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_key_byte_for_byte() {
        for (text, bucket, key) in [
            ("s3://b", "b", ""),
            ("s3://b/", "b", ""),
            ("s3://b//a%20b", "b", "/a%20b"),
            ("s3:///a/../b?x", "", "a/../b?x"),
            ("s3://arn:aws:s3:r:1:accesspoint/b/k/l", "arn:aws:s3:r:1:accesspoint/b", "k/l"),
            ("s3://arn:aws:s3:r:1:accesspoint/b", "arn:aws:s3:r:1:accesspoint/b", ""),
            ("s3://arn:aws:s3:r:1:accesspoint:b/k/l", "arn:aws:s3:r:1:accesspoint:b", "k/l"),
            ("s3://arn:x:outpost/op-1/accesspoint/b//k", "arn:x:outpost/op-1/accesspoint/b", "/k"),
            ("s3://arn:x:outpost/op-1", "arn:x:outpost/op-1", ""),
            ("s3://a/arn:b:accesspoint/c", "a", "arn:b:accesspoint/c"),
        ] {
            let url: S3Url = text.parse().expect("a location");
            assert_eq!((&*url.bucket, &*url.key), (bucket, key), "{text}");
        }
        assert!("https://b/a".parse::<S3Url>().is_err());
    }

    #[test]
    fn keys_never_leave_the_folder() {
        let folder = Path::new("folder");
        assert_eq!(file_below(folder, "a/b.c").expect("a file"), Path::new("folder/a/b.c"));
        for key in ["../a", "a/../../b", "/etc/passwd", "a//b", "a/", "", ".", "a\\..\\b", "a\0b"] {
            assert!(file_below(folder, key).is_err(), "{key:?}");
        }
    }
}
