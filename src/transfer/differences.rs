//! Finds the differences between a local folder and the objects below a prefix.
use super::file::local_error;
use super::{Transfer, download};
use crate::client::{BucketKind, ListObjects, md5_of_etag};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;
use crate::xml::Object;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

/// The maximum depth of nested directories. A deeper one indicates a mistake, such as a folder that
/// is mounted inside itself.
const DEPTH: usize = 256;

/// The criterion by which a file and an object differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compare {
    /// Their sizes differ.
    Size,
    /// Their sizes differ, or the file was changed after the object was stored: the criterion for
    /// uploads.
    #[default]
    SizeAndTime,
    /// Their sizes differ, or the object was stored after the file was changed: the criterion for
    /// downloads.
    SizeAndNewerObject,
    /// Their sizes or their MD5s differ: every file is read. If the ETag of an object is not an
    /// MD5, as after an upload in parts or in a directory bucket, [`Compare::SizeAndTime`] applies.
    Content,
}

/// A file or an object that does not have an equal counterpart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderDifference {
    /// The path relative to the folder, and the key after the prefix, with slashes.
    pub name: String,
    /// The file; `None` if there is only an object.
    pub file: Option<LocalFile>,
    /// The object; `None` if there is only a file.
    pub object: Option<Object>,
}

/// A local file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalFile {
    /// The path of the file.
    pub path: PathBuf,
    /// The size of the file, in bytes.
    pub size: u64,
    /// The time of the last change, if the file system records it.
    pub modified: Option<Timestamp>,
}

impl FolderDifference {
    /// Returns the path at which the object belongs below `folder`. Returns `None` for a key that
    /// names a path outside of `folder`, or no path at all (`..`, `/a`, `a//b`); a bucket may have
    /// such keys.
    pub fn path_in(&self, folder: &Path) -> Option<PathBuf> {
        let relative = Path::new(&self.name);
        let is_plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        let is_whole = self.name.split('/').all(|part| !part.is_empty() && part != ".");
        (is_plain && is_whole).then(|| folder.join(relative))
    }
}

impl Transfer<'_> {
    /// Compares the regular files of a folder, at any depth, with the objects below a prefix, and
    /// returns the differences in the order of names. These are what a synchronization has to
    /// upload, download or delete. Symbolic links to files are followed. Keys that end with a
    /// slash, which other tools store for directories, are ignored.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, ObjectSettings};
    /// use s3driver::transfer::{Compare, Transfer};
    ///
    /// let client = Client::from_env()?;
    /// let (transfer, settings) = (Transfer::new(&client), ObjectSettings::default());
    /// for different in transfer.compare("photos", "bucket", "photos/", Compare::default())? {
    ///     if let Some(file) = different.file {
    ///         let key = format!("photos/{}", different.name);
    ///         transfer.upload_file(&file.path, "bucket", &key, &settings)?;
    ///     }
    /// }
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] if the folder cannot be read; [`ErrorKind::InvalidArgument`] for a
    /// file whose name is not UTF-8, for a link to a directory, which can lead in a circle, and for
    /// what is neither a file nor a directory; the errors of the listing.
    pub fn compare(
        &self,
        folder: impl AsRef<Path>,
        bucket: &str,
        prefix: &str,
        compare: Compare,
    ) -> Result<Vec<FolderDifference>> {
        let mut files = files_below(folder.as_ref())?;
        let mut differences = Vec::new();
        let kind = BucketKind::of(bucket)?;
        for object in self.client.objects(bucket, ListObjects::prefix(prefix)) {
            let object = object?;
            let Some(name) = object.key.strip_prefix(prefix).map(str::to_owned) else { continue };
            if name.is_empty() || name.ends_with('/') {
                continue;
            }
            let file = files.remove(&name);
            let is_equal = match &file {
                Some(file) => is_equal(file, &object, compare, kind)?,
                None => false,
            };
            if !is_equal {
                differences.push(FolderDifference { name, file, object: Some(object) });
            }
        }
        let only_here = files.into_iter().map(|(name, file)| FolderDifference {
            name,
            file: Some(file),
            object: None,
        });
        differences.extend(only_here);
        differences.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(differences)
    }
}

/// Returns the regular files below `folder` by their names, with slashes.
fn files_below(folder: &Path) -> Result<BTreeMap<String, LocalFile>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(folder.to_owned(), String::new(), 0_usize)];
    while let Some((folder, below, depth)) = folders.pop() {
        let failed = |error| local_error("reading", &folder, error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                let text = format!("the name of {} is not UTF-8, as keys are", path.display());
                return Err(Error::new(ErrorKind::InvalidArgument, text));
            };
            let name = format!("{below}{name}");
            let kind = entry.file_type().map_err(failed)?;
            let metadata =
                fs::metadata(&path).map_err(|error| local_error("reading", &path, error))?;
            let why = match () {
                () if kind.is_dir() && depth < DEPTH => {
                    folders.push((path, format!("{name}/"), depth.saturating_add(1)));
                    continue;
                }
                () if metadata.is_file() => {
                    let modified = metadata.modified().ok().map(Timestamp::from);
                    files.insert(name, LocalFile { path, size: metadata.len(), modified });
                    continue;
                }
                () if kind.is_dir() => format!("lies in more than {DEPTH} folders"),
                () if metadata.is_dir() => "is a link to a directory".to_owned(),
                () => "is neither a file nor a directory".to_owned(),
            };
            let text = format!("{} {why}", path.display());
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
    }
    Ok(files)
}

fn is_equal(file: &LocalFile, object: &Object, compare: Compare, kind: BucketKind) -> Result<bool> {
    if file.size != object.size {
        return Ok(false);
    }
    // Servers report whole seconds, and the object may have been stored in the same second.
    let is_old = match (file.modified, object.last_modified) {
        (Some(modified), Some(stored)) => match compare {
            Compare::SizeAndNewerObject => stored.unix() <= modified.unix(),
            _ => modified.unix() <= stored.unix(),
        },
        _ => false,
    };
    let etag = object.etag.as_deref().filter(|_| !kind.has_opaque_etags());
    Ok(match (compare, etag.and_then(md5_of_etag)) {
        (Compare::Size, _) => true,
        (Compare::Content, Some(md5)) => md5_of(file)? == md5,
        (Compare::SizeAndTime | Compare::SizeAndNewerObject | Compare::Content, _) => is_old,
    })
}

fn md5_of(file: &LocalFile) -> Result<[u8; 16]> {
    let opened =
        File::open(&file.path).map_err(|error| local_error("reading", &file.path, error))?;
    download::md5_of(&opened, 0..file.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_within_the_folder_have_a_place_there() {
        let place = |name: &str| {
            let name = name.to_owned();
            FolderDifference { name, file: None, object: None }.path_in(Path::new("folder"))
        };
        assert_eq!(place("a/b c"), Some(PathBuf::from("folder/a/b c")));
        for name in ["", "..", "../a", "a/../b", "/a", "a//b", "./a", "a/.", "a/"] {
            assert_eq!(place(name), None, "{name}");
        }
    }
}
