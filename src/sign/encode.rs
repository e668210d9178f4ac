//! AWS's UriEncode: the only encoder, used for what is signed and for what is sent.

/// Percent-encodes a key for use in the path: everything except `A-Za-z0-9-._~` and `/`.
pub fn encode_path(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    push_path(&mut out, key);
    out
}

/// Percent-encodes a query parameter's name or value: everything except `A-Za-z0-9-._~`.
pub fn encode_component(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_component(&mut out, text);
    out
}

/// Returns the query as it is sent, without `?`. A parameter with an empty value becomes a bare
/// name.
pub fn query_string(pairs: &[(&str, &str)]) -> String {
    let mut out =
        String::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
    for (number, (name, value)) in pairs.iter().enumerate() {
        if number > 0 {
            out.push('&');
        }

        push_component(&mut out, name);
        if !value.is_empty() {
            out.push('=');
            push_component(&mut out, value);
        }
    }

    out
}

/// Appends the percent-encoded key to `out`.
pub(crate) fn push_path(out: &mut String, key: &str) {
    push_encoded(out, key, &PATH);
}

pub(super) fn push_component(out: &mut String, text: &str) {
    push_encoded(out, text, &COMPONENT);
}

pub(super) fn push_component_bytes(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => push_component(out, text),
        Err(_) => uri_encode(out, bytes, &COMPONENT),
    }
}

/// Appends the percent-encoded bytes of a key to `out`.
pub(super) fn push_path_bytes(out: &mut String, bytes: &[u8]) {
    uri_encode(out, bytes, &PATH);
}

/// Returns whether a path whose percent-encoding is valid was encoded by [`uri_encode`]: it
/// contains only bytes that are kept, and escapes of the others in upper case.
pub(super) fn is_encoded_path(path: &str) -> bool {
    let mut pieces = path.split('%');
    let is_kept = |text: &str| text.bytes().all(|byte| PATH[usize::from(byte)]);
    pieces.next().is_some_and(is_kept)
        && pieces.all(|piece| match piece.as_bytes() {
            [high, low, ..] => {
                let is_upper = !high.is_ascii_lowercase() && !low.is_ascii_lowercase();
                let byte = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
                is_upper && byte.is_some_and(|byte| !PATH[usize::from(byte)]) && is_kept(piece)
            }
            _ => false,
        })
}

/// "URI encode every byte except the unreserved characters: 'A'-'Z', 'a'-'z', '0'-'9', '-', '.',
/// '_', and '~'. [...] Each URI encoded byte is formed by a '%' and the two-digit hexadecimal value
/// of the byte. Letters in the hexadecimal value must be uppercase. [...] Encode the forward slash
/// character, '/', everywhere except in the object key name."
fn uri_encode(out: &mut String, bytes: &[u8], kept: &[bool; 256]) {
    for &byte in bytes {
        if kept[usize::from(byte)] {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(UPPER_HEX[usize::from(byte >> 4)]));
            out.push(char::from(UPPER_HEX[usize::from(byte & 15)]));
        }
    }
}

/// Like [`uri_encode`], but copies whole runs of kept bytes at once. Kept bytes are ASCII, so each
/// run ends at a character boundary.
fn push_encoded(out: &mut String, text: &str, kept: &[bool; 256]) {
    let mut rest = text;
    while let Some(start) = rest.bytes().position(|byte| !kept[usize::from(byte)]) {
        let (plain, tail) = rest.split_at(start);
        out.push_str(plain);
        let (foreign, tail) = tail
            .split_at(tail.bytes().position(|byte| kept[usize::from(byte)]).unwrap_or(tail.len()));
        uri_encode(out, foreign.as_bytes(), kept);
        rest = tail;
    }

    out.push_str(rest);
}

/// The unreserved characters of RFC 3986 section 2.3.
const UNRESERVED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
const COMPONENT: [bool; 256] = table(UNRESERVED, None);
const PATH: [bool; 256] = table(UNRESERVED, Some(b'/'));
const UPPER_HEX: [u8; 16] = *b"0123456789ABCDEF";

/// Returns a table in which the bytes of `kept` and the byte `also` are set.
pub(super) const fn table(kept: &[u8], also: Option<u8>) -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < kept.len() {
        table[kept[i] as usize] = true;
        i += 1;
    }

    if let Some(byte) = also {
        table[byte as usize] = true;
    }

    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encodes_as_the_page_says() {
        assert_eq!(encode_path("test$file.text"), "test%24file.text");
        assert_eq!(encode_path("a/../b//c/"), "a/../b//c/");
        assert_eq!(encode_path("%2F + *'()!~"), "%252F%20%2B%20%2A%27%28%29%21~");
        assert_eq!(encode_path("\u{1234}/\u{1F980}\0"), "%E1%88%B4/%F0%9F%A6%80%00");
        assert_eq!(encode_component("a/b=c&d"), "a%2Fb%3Dc%26d");
        assert_eq!(encode_component(""), "");
    }

    #[test]
    fn queries_are_sent_in_order_with_bare_names() {
        assert_eq!(query_string(&[]), "");
        assert_eq!(query_string(&[("uploads", "")]), "uploads");
        assert_eq!(
            query_string(&[("prefix", "a b"), ("acl", ""), ("a", "/")]),
            "prefix=a%20b&acl&a=%2F"
        );
    }

    fn decode(text: &str) -> Vec<u8> {
        let mut bytes = text.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            out.push(match byte {
                b'%' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    assert!(!digits.iter().any(u8::is_ascii_lowercase));
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                byte => byte,
            });
        }

        out
    }

    proptest! {
        #[test]
        fn encoding_can_be_reversed(text in any::<String>()) {
            let (path, component) = (encode_path(&text), encode_component(&text));
            prop_assert_eq!(decode(&path), text.as_bytes());
            prop_assert_eq!(decode(&component), text.as_bytes());
            prop_assert!(component.bytes().all(|b| b == b'%' || UNRESERVED.contains(&b)));
            prop_assert_eq!(component.replace("%2F", "/"), &*path);
            let mut plain = String::new();
            uri_encode(&mut plain, text.as_bytes(), &PATH);
            prop_assert_eq!(plain, path, "both encoders return the same text");
        }
    }
}
