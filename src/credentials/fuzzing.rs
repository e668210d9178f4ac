//! Parsers of this module that the fuzz targets call.
use super::document::{Document, METADATA};
use super::shared_files::{Files, Kind};

/// Parses a config file and then a credentials file, and reports whether each was accepted.
pub fn shared_file(config: &str, credentials: &str) -> (bool, bool) {
    let mut files = Files::default();
    (files.parse(Kind::Config, config).is_ok(), files.parse(Kind::Credentials, credentials).is_ok())
}

/// Parses a response of the metadata service, and returns the access key, the secret key and the
/// token.
pub fn credential_document(
    bytes: &[u8],
) -> Result<Option<(String, String, Option<String>)>, String> {
    let lease = Document::parse(bytes)?.lease(&METADATA)?;
    Ok(lease.credentials.map(|keys| {
        let token = keys.session_token().map(str::to_owned);
        (keys.access_key_id().to_owned(), keys.secret_access_key().to_owned(), token)
    }))
}
