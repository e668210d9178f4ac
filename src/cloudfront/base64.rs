//! CloudFront's base64: the standard alphabet with padding, in which `+`, `=` and `/` are replaced
//! by `-`, `_` and `~` ([developer
//! guide](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html)).
use base64::{Engine, engine::general_purpose::STANDARD};

/// Encodes bytes for a query string or a cookie.
pub fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

/// Decodes the output of [`encode_base64`]; returns `None` for anything else.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '=', '/']) {
        return None;
    }

    STANDARD.decode(text.replace('-', "+").replace('_', "=").replace('~', "/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_characters_differ_from_the_standard() {
        assert_eq!(encode_base64(&[0xfb, 0xff]), "-~8_");
        for bytes in [&b""[..], b"a", b"ab", b"abc", &[0xfb, 0xff, 0xbf]] {
            assert_eq!(decode_base64(&encode_base64(bytes)).as_deref(), Some(bytes));
        }

        for text in ["+/8=", "-~8", "-~8__", "a", "é", "-~8 _"] {
            assert_eq!(decode_base64(text), None, "{text}");
        }
    }
}
