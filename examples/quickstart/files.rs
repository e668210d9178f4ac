//! The files that become blobs.
use crate::Outcome;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The directory in which a registry keeps its blobs.
pub(crate) const BLOBS: &str = "/docker/registry/v2/blobs/sha256";

/// The number of bytes of this project's files to store, which is a realistic upload that takes
/// less than a minute.
const ENOUGH: u64 = 150_000_000;

/// A file and the digest under which it is stored.
pub(crate) struct Blob {
    pub(crate) file: PathBuf,
    pub(crate) size: u64,
    pub(crate) digest: String,
}

impl Blob {
    /// Returns the driver path of the blob, as in a registry.
    pub(crate) fn path(&self) -> String {
        format!("{BLOBS}/{}/{}/data", &self.digest[..2], self.digest)
    }
}

/// Returns all files in `folder`, or, by default, about 150 MB of this project's sources and build
/// artefacts. Files with the same content become one blob.
pub(crate) fn collect(folder: Option<PathBuf>) -> Outcome<Vec<Blob>> {
    let (roots, limit) = match folder {
        Some(folder) => (vec![folder], u64::MAX),
        None => {
            let project = Path::new(env!("CARGO_MANIFEST_DIR"));
            let built = std::env::current_exe()?.ancestors().nth(2).map(Path::to_owned);
            (
                ["src", "tests", "examples"]
                    .iter()
                    .map(|name| project.join(name))
                    .chain(built)
                    .collect(),
                ENOUGH,
            )
        }
    };
    let (mut blobs, mut seen, mut bytes) = (Vec::new(), HashSet::new(), 0);
    for root in roots {
        let mut open = vec![root];
        while let Some(path) = open.pop() {
            let about = fs::symlink_metadata(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            if about.is_dir() {
                let mut inside: Vec<_> = fs::read_dir(&path)?
                    .map(|entry| Ok(entry?.path()))
                    .collect::<io::Result<_>>()?;
                inside.sort();
                open.extend(inside);
            } else if about.is_file() && bytes < limit {
                let mut digest = Sha256::new();
                let size = io::copy(&mut File::open(&path)?, &mut HashWriter(&mut digest))?;
                let digest = hex::encode(digest.finalize());
                if seen.insert(digest.clone()) {
                    bytes += size;
                    blobs.push(Blob { file: path, size, digest });
                }
            }
        }
    }
    if blobs.is_empty() { Err("there are no files to store".into()) } else { Ok(blobs) }
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
