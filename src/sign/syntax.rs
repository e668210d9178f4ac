//! The syntax of what is sent: methods, paths, queries and headers.
use super::Error;
use super::encode::table;

/// Checks `method = token` (RFC 9110 section 9.1).
pub(super) fn check_method(method: &str) -> Result<(), Error> {
    match is_token(method) {
        true => Ok(()),
        false => Err(Error::Method { method: method.to_owned() }),
    }
}

/// Checks `absolute-path = 1*( "/" segment )` (RFC 9110 section 4.1), restricted to the characters
/// of RFC 3986 section 3.3.
pub(super) fn check_path(path: &str) -> Result<(), Error> {
    let wrong = if path.starts_with('/') { first_unsendable(path, is_path_byte) } else { Some(0) };
    match wrong {
        None => Ok(()),
        Some(byte) => Err(Error::Path { path: path.to_owned(), byte }),
    }
}

/// Checks a query given as text (RFC 3986 section 3.4), in which every parameter must have a name.
/// A plus is rejected because some servers read it as a space.
pub(super) fn check_query_text(query: &str) -> Result<(), Error> {
    if query.is_empty() {
        return Ok(());
    }

    for piece in query.split('&') {
        let (name, _) = piece.split_once('=').unwrap_or((piece, ""));
        if name.is_empty() {
            return Err(Error::UnnamedParameter);
        }

        if first_unsendable(piece, |byte| byte != b'+' && (is_path_byte(byte) || byte == b'?'))
            .is_some()
        {
            return Err(Error::QueryEncoding { parameter: name.to_owned() });
        }
    }

    Ok(())
}

/// Checks `field-name = token` (RFC 9110 section 5.1).
pub(super) fn check_header_name(name: &str) -> Result<(), Error> {
    match is_token(name) {
        true => Ok(()),
        false => Err(Error::HeaderName { name: name.to_owned() }),
    }
}

/// Checks that a header value does not contain control characters, which cannot be sent (RFC 9110
/// section 5.5): a line break would start another header.
pub(super) fn check_header_value(name: &str, value: &str) -> Result<(), Error> {
    match value.bytes().filter(|&byte| byte.is_ascii_control() && byte != b'\t').count() {
        0 => Ok(()),
        _ => Err(Error::HeaderValue { name: name.to_owned() }),
    }
}

/// Returns whether a text matches `token = 1*tchar` (RFC 9110 section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    const TOKEN: [bool; 256] = table(TOKEN_CHARACTERS, None);
    !text.is_empty() && text.bytes().all(|byte| TOKEN[usize::from(byte)])
}

/// Returns the offset of the first byte that is neither allowed nor the start of a percent-encoded
/// byte.
fn first_unsendable(text: &str, allowed: impl Fn(u8) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    // Most texts contain nothing to report. Counting never stops early, which makes it faster than
    // a search.
    if bytes.iter().filter(|&&byte| !allowed(byte)).count() == 0 {
        return None;
    }

    let is_escape = |at: usize| {
        bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };

    (0..bytes.len()).find(|&at| match bytes[at] {
        b'%' => !is_escape(at),
        byte => !allowed(byte),
    })
}

/// Returns whether a byte is allowed in a path: `unreserved`, `sub-delims`, `:` and `@` (together
/// `pchar`), and the slash between segments (RFC 3986 section 3.3).
fn is_path_byte(byte: u8) -> bool {
    const PATH: [bool; 256] = table(
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/",
        None,
    );
    PATH[usize::from(byte)]
}

/// The characters of `tchar` (RFC 9110 section 5.6.2).
pub(super) const TOKEN_CHARACTERS: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
