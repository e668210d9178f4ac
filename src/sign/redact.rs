//! What `Debug` shows of signed things: all but the values with which somebody else could act.
use std::fmt;

/// Headers and query parameters whose values stay hidden.
const SECRETS: [&str; 6] = [
    "authorization",
    "signature",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-security-token",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-signature",
];

const REDACTED: &str = "<redacted>";

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A canonical request, a string to sign or a query with the secret values taken out.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(self.0.len());
        for (number, line) in self.0.split('\n').enumerate() {
            if number > 0 {
                out.push('\n');
            }
            match line.split_once(':') {
                Some((name, _)) if is_secret(name) => {
                    out.push_str(name);
                    out.push(':');
                    out.push_str(REDACTED);
                }
                _ => push_query(&mut out, line),
            }
        }
        fmt::Debug::fmt(&out, f)
    }
}

fn push_query(out: &mut String, line: &str) {
    for (number, pair) in line.split('&').enumerate() {
        if number > 0 {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                out.push_str(name);
                out.push('=');
                out.push_str(REDACTED);
            }
            _ => out.push_str(pair),
        }
    }
}

/// Names and values with the secret values taken out.
pub(super) struct Pairs<'a, N, V>(pub(super) &'a [(N, V)]);

impl<N: AsRef<str>, V: AsRef<str>> fmt::Debug for Pairs<'_, N, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, value)| {
                let name = name.as_ref();
                (name, if is_secret(name) { REDACTED } else { value.as_ref() })
            }))
            .finish()
    }
}

/// A value of which nothing may be shown.
pub(super) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}
