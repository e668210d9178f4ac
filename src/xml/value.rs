//! What the text of an element stands for. Each function returns what is wrong with it as the end of a sentence.
use crate::time::Timestamp;

/// As it is: keys, prefixes and whatever goes back to the server as it came. White space belongs to it.
pub(super) fn verbatim(text: &str) -> Result<String, &'static str> {
    Ok(text.to_owned())
}

/// As it is, `None` when empty: markers and tokens, which some servers send empty to say that there is none.
pub(super) fn marker(text: &str) -> Result<Option<String>, &'static str> {
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A key of an object. None is empty, and an empty one would address the bucket itself.
pub(super) fn key(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("is empty") } else { Ok(text.to_owned()) }
}

/// An identifier that must be there; as it is, for it goes back to the server.
pub(super) fn id(text: &str) -> Result<String, &'static str> {
    if text.trim_ascii().is_empty() { Err("is empty") } else { Ok(text.to_owned()) }
}

/// A word or a sentence; without white space around it, `None` when empty.
pub(super) fn word(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.trim_ascii();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// An ETag without its quotes; `None` when there is nothing between them. Opaque otherwise: a weak one (`W/"..."`)
/// and one with a single quote stay as they are.
pub(super) fn optional_etag(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.trim_ascii();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    Ok((!bare.is_empty()).then(|| bare.to_owned()))
}

/// The same where one must be there.
pub(super) fn etag(text: &str) -> Result<String, &'static str> {
    optional_etag(text)?.ok_or("is empty")
}

/// A whole number of at least 0: digits and nothing else.
pub(super) fn number(text: &str) -> Result<u64, &'static str> {
    let text = text.trim_ascii();
    // `parse` would take a leading plus.
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is not a whole number");
    }
    text.parse().map_err(|_| "is larger than 64 bits")
}

/// The number of a part, 1 to 10,000.
pub(super) fn part_number(text: &str) -> Result<u32, &'static str> {
    match u32::try_from(number(text)?) {
        Ok(part) if (1..=super::MAX_PART_NUMBER).contains(&part) => Ok(part),
        _ => Err("is not between 1 and 10000"),
    }
}

/// The number of the part after which to go on; `None` when empty.
pub(super) fn part_number_marker(text: &str) -> Result<Option<u32>, &'static str> {
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    u32::try_from(number(text)?).map(Some).map_err(|_| "is larger than 32 bits")
}

/// `true` or `false`, in any case.
pub(super) fn boolean(text: &str) -> Result<bool, &'static str> {
    match text.trim_ascii() {
        text if text.eq_ignore_ascii_case("true") => Ok(true),
        text if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("is neither true nor false"),
    }
}

/// A point in time (ISO-8601); `None` when it is not known. Servers also write HTTP dates, times without a zone and
/// milliseconds, and no listing is refused for a time.
pub(super) fn time(text: &str) -> Result<Option<Timestamp>, &'static str> {
    Ok(Timestamp::parse_iso8601(text.trim_ascii()))
}

/// A point in time (ISO-8601), where another text is an error; `None` when empty.
pub(super) fn exact_time(text: &str) -> Result<Option<Timestamp>, &'static str> {
    match text.trim_ascii() {
        "" => Ok(None),
        text => Timestamp::parse_iso8601(text)
            .or_else(|| Timestamp::parse_http_date(text))
            .map(Some)
            .ok_or("is not a point in time"),
    }
}
