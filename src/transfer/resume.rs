//! Downloads an object to a local file, in as many attempts as necessary.
use super::Transfer;
use super::download::{Downloaded, content_verified};
use super::file::{Arriving, local_error, write_all_at};
use super::meter::Meter;
use super::{DownloadVerification, Verified};
use crate::client::ObjectMeta;
use crate::error::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// The size of one read from the reader and of one write to the file.
const BLOCK: usize = 256 << 10;

impl Transfer<'_> {
    /// Downloads an object into a file like [`Transfer::download_to_file`], but keeps the received
    /// bytes after a failure: the next call for this object and file continues after them, in this
    /// process or a later one.
    ///
    /// The received bytes are in a file `.s3driver-*.part` in the directory of `file`. Its name
    /// depends on the bucket, the key, the version of the object and the name of `file`. Another
    /// version of the object starts from the beginning, and does not remove that file. Two
    /// concurrent calls for the same file are refused.
    ///
    /// # Errors
    /// [`ErrorKind::Integrity`] if the object changes meanwhile, or if the content differs from the
    /// stored one, in which case nothing is kept; [`ErrorKind::LocalIo`].
    pub fn resume_download(
        &self,
        bucket: &str,
        key: &str,
        file: impl AsRef<Path>,
    ) -> Result<Downloaded> {
        let path = file.as_ref();
        let meta = self.stat(bucket, key)?;
        let located = |error: Error| error.with_bucket(bucket).with_key(key);
        // Without an ETag, nothing shows that two attempts read the same version.
        if meta.etag.is_none() {
            return self.download_to_file(bucket, key, path);
        }
        let arriving = Arriving::next_to(path, &version(bucket, key, &meta))?;
        let mut at = arriving.length()?;
        if at > meta.size {
            arriving.truncate(0)?;
            at = 0;
        }
        let meter = Meter::new(&self.client, self.progress, meta.size);
        meter.advance(at, 0);
        if at < meta.size {
            self.fetch_rest((bucket, key), &meta, at, &arriving, &meter)?;
        }
        meter.part(0);
        let verified = match self.verification {
            DownloadVerification::Length => Verified::LengthAlone,
            DownloadVerification::Content => match content_verified(&meta, &arriving.file) {
                Ok(verified) => verified,
                Err(error) => {
                    if error.kind() == ErrorKind::Integrity {
                        arriving.remove();
                    }
                    return Err(located(error));
                }
            },
        };
        arriving.finish(path)?;
        Ok(Downloaded { bytes: meta.size, etag: meta.etag, verified })
    }

    /// Appends the rest of the object, from `at` on.
    fn fetch_rest(
        &self,
        (bucket, key): (&str, &str),
        meta: &ObjectMeta,
        mut at: u64,
        arriving: &Arriving,
        meter: &Meter<'_>,
    ) -> Result<()> {
        let changed = || {
            Error::new(ErrorKind::Integrity, "the object changed while it was being read")
                .with_bucket(bucket)
                .with_key(key)
                .with_hint("download it again")
        };
        let mut reader = self.reader(bucket, key, at)?;
        if reader.meta().etag != meta.etag || reader.meta().size != meta.size {
            return Err(changed());
        }
        let mut block = vec![0; BLOCK];
        while at < meta.size {
            let count = reader.pull(&mut block)?;
            let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Err(changed());
            };
            write_all_at(&arriving.file, bytes, at)
                .map_err(|error| local_error("writing", &arriving.path, error))?;
            at = at.saturating_add(bytes.len() as u64);
            meter.advance(bytes.len() as u64, 0);
        }
        Ok(())
    }
}

/// Returns a name for one version of an object. No other version or object has this name.
fn version(bucket: &str, key: &str, meta: &ObjectMeta) -> String {
    let mut digest = Sha256::new();
    let size = meta.size.to_string();
    for part in [bucket, key, meta.etag.as_deref().unwrap_or_default(), &size] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}
