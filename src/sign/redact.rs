//! `Debug` output for signed data, with values that grant access redacted.
use crate::net::percent;
use crate::text::{is_secret_name, write_char};
use std::fmt;

pub(super) const REDACTED: &str = "<redacted>";

/// A canonical request, a string to sign or a query, displayed with secret values redacted.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Text<'_> {
    pub(super) fn redacted(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for (number, line) in self.0.split('\n').enumerate() {
            if number > 0 {
                out.push('\n');
            }

            push_line(&mut out, line);
        }

        out
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.redacted(), f)
    }
}

/// One line of a [`Text`], displayed with control characters escaped and with the secret values of
/// headers and query parameters redacted.
pub(super) struct Line<'a>(pub(super) &'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(self.0.len());
        push_line(&mut out, self.0);
        out.chars().try_for_each(|c| write_char(f, c))
    }
}

/// Returns whether a string to sign is the policy of a form in base64, which may contain a session
/// token. All other strings to sign have several lines.
pub(super) fn is_policy(canonical_request: &str, string_to_sign: &str) -> bool {
    canonical_request.is_empty() && !string_to_sign.contains('\n')
}

/// Returns `string_to_sign`, or a placeholder if it is a [policy](is_policy).
pub(super) fn string_to_sign<'a>(canonical_request: &str, string_to_sign: &'a str) -> &'a str {
    match is_policy(canonical_request, string_to_sign) {
        true => REDACTED,
        false => string_to_sign,
    }
}

fn push_line(out: &mut String, line: &str) {
    match line.split_once(':') {
        Some((name, _)) if is_secret_name(name) => {
            out.push_str(name);
            out.push(':');
            out.push_str(REDACTED);
        }
        _ => push_query(out, line),
    }
}

/// Returns the values of a line that [`Line`] redacts.
pub(super) fn secrets(line: &str) -> impl Iterator<Item = &str> {
    let header = line.split_once(':').filter(|(name, _)| is_secret_name(name));
    let parameters = line.split('&').filter_map(|pair| pair.split_once('='));
    let parameters = parameters.filter(|(name, _)| is_secret_parameter(name));
    header.into_iter().chain(parameters).map(|(_, value)| value)
}

/// Returns whether the values of a query parameter are never shown. Its name may be
/// percent-encoded, and the first one may follow a path.
fn is_secret_parameter(name: &str) -> bool {
    let name = name.rsplit_once('?').map_or(name, |(_, name)| name);
    is_secret_name(name)
        || percent::decode(name)
            .is_some_and(|name| std::str::from_utf8(&name).is_ok_and(is_secret_name))
}

fn push_query(out: &mut String, line: &str) {
    for (number, pair) in line.split('&').enumerate() {
        if number > 0 {
            out.push('&');
        }

        match pair.split_once('=') {
            Some((name, _)) if is_secret_parameter(name) => {
                out.push_str(name);
                out.push('=');
                out.push_str(REDACTED);
            }
            _ => out.push_str(pair),
        }
    }
}

/// Pairs of names and values, displayed with secret values redacted.
pub(super) struct Pairs<'a, N, V>(pub(super) &'a [(N, V)]);

impl<N: AsRef<str>, V: AsRef<str>> fmt::Debug for Pairs<'_, N, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, value)| {
                let name = name.as_ref();
                (name, if is_secret_name(name) { REDACTED } else { value.as_ref() })
            }))
            .finish()
    }
}

/// A value that is redacted entirely.
pub(super) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_secret_values_are_redacted() {
        let text = "GET\nhost:shown\nX-Amz-Security-Token : s3cret\na=shown&X-Amz-Signature=s3cret&signature&=b";
        assert_eq!(
            format!("{:?}", Text(text)),
            r#""GET\nhost:shown\nX-Amz-Security-Token :<redacted>\na=shown&X-Amz-Signature=<redacted>&signature&=b""#
        );
        assert_eq!(format!("{}", Line("authorization:s3cret")), "authorization:<redacted>");
        assert_eq!(format!("{}", Line("a\u{1b}b\u{e9}")), "a\\u{1b}b\u{e9}");
        for name in ["X-Amz-Security%2DToken", "/k?X-Amz-Security%2DToken", "/k?%53ignature"] {
            let line = format!("{name}=s3cret&a%2Db=shown");
            let shown = format!("{name}=<redacted>&a%2Db=shown");
            assert_eq!(format!("{}", Line(&line)), shown);
        }
        // A malformed escape is not decoded.
        assert_eq!(format!("{}", Line("/k?signature%=shown")), "/k?signature%=shown");
        let pairs = [("Authorization", "s3cret"), ("host", "shown")];
        assert_eq!(
            format!("{:?}", Pairs(&pairs)),
            r#"[("Authorization", "<redacted>"), ("host", "shown")]"#
        );
        assert_eq!(format!("{Hidden:?}"), "<redacted>");
    }

    #[test]
    fn secrets_are_found_in_headers_and_queries() {
        for (line, hidden) in [
            ("authorization:s3cret", &["s3cret"][..]),
            ("a=b&x-amz-signature=1&Signature=2", &["1", "2"]),
            ("/k?X-Amz-Security%2DToken=1&a=2", &["1"]),
            ("host:shown", &[]),
            ("signature", &[]),
        ] {
            assert_eq!(secrets(line).collect::<Vec<_>>(), hidden, "{line}");
        }
    }
}
