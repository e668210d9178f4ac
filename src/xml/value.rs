//! Parsing of the texts of elements into values. An error completes a sentence, such as "is not a
//! whole number".
use crate::time::Timestamp;
use std::sync::Arc;

/// Returns a text unchanged, including white space. Used for keys, prefixes, and everything that is
/// sent back to the server.
pub(super) fn verbatim(text: &str) -> Result<String, &'static str> {
    Ok(text.to_owned())
}

/// Returns a marker or token unchanged, or `None` if it is empty, which some servers send if there
/// is none.
pub(super) fn marker(text: &str) -> Result<Option<String>, &'static str> {
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Parses the key of an object or the name of a bucket. An empty key is an error because it would
/// address the bucket itself.
pub(super) fn key(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("is empty") } else { Ok(text.to_owned()) }
}

/// Returns a required identifier unchanged, because it is sent back to the server.
pub(super) fn id(text: &str) -> Result<String, &'static str> {
    if text.trim_ascii().is_empty() { Err("is empty") } else { Ok(text.to_owned()) }
}

/// Trims a word or a sentence. Returns `None` if it is empty.
pub(super) fn word(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.trim_ascii();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Like [`word`], but shares the word with `last`, the word read before, if they are equal.
pub(super) fn shared_word(
    text: &str,
    last: &mut Option<Arc<str>>,
) -> Result<Option<Arc<str>>, &'static str> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Ok(None);
    }
    if last.as_deref() != Some(text) {
        *last = Some(Arc::from(text));
    }
    Ok(last.clone())
}

/// Removes the quotes around an ETag. Returns `None` if it is empty. A weak ETag (`W/"..."`) and
/// one with a quote on only one side are returned unchanged.
pub(super) fn optional_etag(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.trim_ascii();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    Ok((!bare.is_empty()).then(|| bare.to_owned()))
}

/// Removes the quotes around a required ETag.
pub(super) fn etag(text: &str) -> Result<String, &'static str> {
    optional_etag(text)?.ok_or("is empty")
}

/// Parses a non-negative integer, which must consist of digits only.
pub(super) fn number(text: &str) -> Result<u64, &'static str> {
    let text = text.trim_ascii();
    // `parse` would accept a leading plus.
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is not a whole number");
    }
    text.parse().map_err(|_| "is larger than 64 bits")
}

/// Parses a count that the server echoes.
pub(super) fn count(text: &str) -> Result<Option<u64>, &'static str> {
    number(text).map(Some)
}

/// Parses a part number from 1 to 10,000.
pub(super) fn part_number(text: &str) -> Result<u32, &'static str> {
    match u32::try_from(number(text)?) {
        Ok(part) if (1..=super::MAX_PART_NUMBER).contains(&part) => Ok(part),
        _ => Err("is not between 1 and 10000"),
    }
}

/// Parses the number of the part after which a page begins. Returns `None` if the text is empty.
pub(super) fn part_number_marker(text: &str) -> Result<Option<u32>, &'static str> {
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    u32::try_from(number(text)?).map(Some).map_err(|_| "is larger than 32 bits")
}

/// Parses `true` or `false`, case-insensitively.
pub(super) fn boolean(text: &str) -> Result<bool, &'static str> {
    match text.trim_ascii() {
        text if text.eq_ignore_ascii_case("true") => Ok(true),
        text if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("is neither true nor false"),
    }
}

/// Parses a time, and returns `None` if this fails, because a listing is not refused for an invalid
/// time. Servers send not only ISO 8601, but also HTTP dates, times without a zone, and
/// milliseconds.
pub(super) fn time(text: &str) -> Result<Option<Timestamp>, &'static str> {
    Ok(Timestamp::parse_iso8601(text.trim_ascii()))
}

/// Parses a time (ISO 8601 or an HTTP date). Returns `None` if the text is empty, and an error for
/// any other text.
pub(super) fn exact_time(text: &str) -> Result<Option<Timestamp>, &'static str> {
    match text.trim_ascii() {
        "" => Ok(None),
        text => Timestamp::parse_iso8601(text)
            .or_else(|| Timestamp::parse_http_date(text))
            .map(Some)
            .ok_or("is not a point in time"),
    }
}
