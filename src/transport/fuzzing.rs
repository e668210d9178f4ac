//! The reader of reply heads for the fuzz targets.
use super::head;

/// A head that was accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// The status, 100 to 999.
    pub status: u16,
    /// `content-length`.
    pub content_length: Option<u64>,
    /// Names in lower case, values trimmed.
    pub fields: Vec<(String, String)>,
    /// How many bytes it took.
    pub length: usize,
}

/// Reads the head of an answer to `method`; `Ok(None)` when it goes on.
pub fn response_head(bytes: &[u8], method: &str) -> Result<Option<Head>, String> {
    Ok(head::Head::parse(bytes, method)?.map(|(head, length)| Head {
        status: head.status,
        content_length: head.content_length,
        fields: head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        length,
    }))
}
