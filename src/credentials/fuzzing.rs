//! Readers of this module for the fuzz targets.
use super::document::{Document, LOCAL_ENDPOINT};
use super::shared_files::{Files, Kind};

/// Reads a config file and then a credentials file, and says whether each was accepted.
pub fn shared_file(config: &str, credentials: &str) -> (bool, bool) {
    let mut files = Files::default();
    (files.parse(Kind::Config, config).is_ok(), files.parse(Kind::Credentials, credentials).is_ok())
}

/// Reads what a metadata service answers: the access key, the secret and the token.
pub fn credential_document(
    bytes: &[u8],
) -> Result<Option<(String, String, Option<String>)>, String> {
    let lease = Document::parse(bytes)?.lease(&LOCAL_ENDPOINT)?;
    Ok(lease.credentials.map(|keys| {
        let token = keys.session_token().map(str::to_owned);
        (keys.access_key_id().to_owned(), keys.secret_access_key().to_owned(), token)
    }))
}
