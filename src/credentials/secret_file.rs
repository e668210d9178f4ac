//! Files that hold secrets: read with a bound, into memory that is wiped.

use super::Unavailable;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a text file of at most `limit` bytes. The error does not name the file.
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    // The file's own size first, so that a secret is not left behind in an allocation that grew.
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let capacity = usize::try_from(size).unwrap_or(limit).min(limit) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    let unusable = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    if bytes.len() > limit {
        return Err(unusable(format!("the file has more than {limit} bytes")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(unusable("the file is not UTF-8 text".to_owned())),
    }
}

/// Reads a token and trims it. Files of tokens are often readable by all (Kubernetes projects them so) and cause no
/// warning.
pub(super) fn read_token(path: &Path, limit: usize) -> Result<Zeroizing<String>, Unavailable> {
    let text = read(path, limit).map_err(|error| Unavailable::Failed(format!("{}: {error}", path.display())))?;
    match text.trim() {
        "" => Err(Unavailable::Failed(format!("{} is empty", path.display()))),
        token => Ok(Zeroizing::new(token.to_owned())),
    }
}
