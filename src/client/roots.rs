//! Reads files of certificates that a configuration names.
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::transport::check_roots;
use std::path::Path;
use zeroize::Zeroizing;

/// The maximum size of a file of certificates: the bundles of Linux distributions have a quarter of
/// a mebibyte.
const MAX_CERTIFICATES: usize = 16 << 20;

/// Reads a PEM file of certificates, which the setting `name` names.
///
/// # Errors
/// [`ErrorKind::Configuration`] if the file cannot be read or does not contain certificates.
pub(crate) fn read_roots(name: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let pem = files::read(path, MAX_CERTIFICATES).map_err(|error| {
        let text = format!("the {name} file {} cannot be read: {error}", path.display());
        Error::new(ErrorKind::Configuration, text).with_source(error)
    })?;
    check_roots(&pem).map_err(|error| {
        let text = format!("the {name} file {} cannot be used: {}", path.display(), error.0);
        Error::new(ErrorKind::Configuration, text)
            .with_hint("use a file of certificates in PEM format")
    })?;
    Ok(pem)
}
