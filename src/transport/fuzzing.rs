//! The parser of response heads, for the fuzz targets.
use super::head;

/// A response head that was accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// The status, 100 to 999.
    pub status: u16,
    /// The value of `content-length`.
    pub content_length: Option<u64>,
    /// Names in lower case, and trimmed values.
    pub fields: Vec<(String, String)>,
    /// The length of the head in bytes.
    pub length: usize,
}

/// Parses the head of a response to `method`. Returns `Ok(None)` if the head is incomplete.
pub fn response_head(bytes: &[u8], method: &str) -> Result<Option<Head>, String> {
    Ok(head::Head::parse(bytes, method)?.map(|(head, length)| Head {
        status: head.status,
        content_length: head.content_length,
        fields: head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        length,
    }))
}
