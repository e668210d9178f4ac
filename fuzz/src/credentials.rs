//! Profile files and credential documents.
use s3driver::fuzzing::{credential_document as document, shared_file};

/// The parser terminates, and added comments and empty lines do not change the result.
pub fn shared_files(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // A byte order mark counts as one only at the beginning of the file.
    let text = text.trim_start_matches('\u{feff}');
    let accepted = shared_file(text, text);
    let commented = format!("# comment\n\n{text}\n; comment\n");
    assert_eq!(shared_file(&commented, &commented), accepted);
}

/// Accepted credentials equal the members of the document and are never empty.
pub fn credential_document(data: &[u8]) {
    let found = match document(data) {
        Ok(found) => found,
        Err(error) => return assert!(!error.is_empty()),
    };
    let (id, secret, token) = found.expect("a document either has keys or is rejected");
    let value: serde_json::Value =
        serde_json::from_slice(data).expect("an accepted document is JSON");
    for (member, text) in
        [("AccessKeyId", Some(&id)), ("SecretAccessKey", Some(&secret)), ("Token", token.as_ref())]
    {
        assert_eq!(value[member].as_str(), text.map(String::as_str), "{member}");
        assert!(text.is_some_and(|text| !text.trim().is_empty()), "{member}");
    }
}
