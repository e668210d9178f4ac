//! The decision which configured values a message may show.
//!
//! A value may be secret even if its option is not: a key that was pasted into the wrong option is
//! as secret as one in the right option. [`shown_value`] therefore examines the value itself, and
//! is the only function that makes this decision.
use super::shown;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use zeroize::Zeroizing;

/// The longest word that is shown. Secrets are longer: MinIO refuses secrets of fewer than 8
/// characters, and generated ones have at least 20.
const WORD: usize = 7;

/// The longest number or duration that is shown: a few digits more than 64 bits need.
const NUMBER: usize = 26;

/// The longest region that is shown; AWS's longest has 15 characters.
const REGION: usize = 16;

/// The longest option name that is shown; the longest one in this crate has 27 characters.
const NAME: usize = 32;

/// The longest path that is shown: enough for a file in a mounted volume.
const PATH: usize = 256;

/// The text that replaces a value.
const NOT_SHOWN: &str = "(not shown)";

/// The endings of file names that appear in options.
const ENDINGS: [&str; 8] = [".pem", ".key", ".crt", ".cer", ".der", ".json", ".ini", ".txt"];

/// The form that the value of an option has when it is correct, or nearly correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each feature set uses its own forms")]
pub(crate) enum Form {
    /// A number, possibly with a unit.
    Number,
    /// A duration in Go's notation.
    Duration,
    /// One word of a list.
    Word,
    /// The name of an option.
    Name,
    Region,
    Bucket,
    /// A URL, or a host with or without a port. Its query is never shown.
    Url,
    Path,
    /// A program: a path or a plain name.
    Program,
    /// The name of a profile in AWS's configuration files.
    Profile,
    Arn,
}

/// Prepares `text` for a message, which shows it only if it has the given form and cannot be a
/// secret.
pub(crate) fn shown_value(text: &str, form: Form) -> ShownValue<'_> {
    ShownValue { text, form }
}

/// A configured value in a message.
#[derive(Clone, Copy)]
pub(crate) struct ShownValue<'a> {
    text: &'a str,
    form: Form,
}

impl fmt::Display for ShownValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text;
        if self.form == Form::Url {
            let (place, rest) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
            let rest = rest.get(..1).unwrap_or_default();
            return match (is_url(place) || is_short(place))
                && !may_be_secret(place)
                && !text.contains('@')
            {
                true if rest.is_empty() => write!(f, "{}", shown(place)),
                true => write!(f, "{}{rest}{NOT_SHOWN}", shown(place)),
                false => f.write_str(NOT_SHOWN),
            };
        }

        if may_be_secret(text) {
            return f.write_str(NOT_SHOWN);
        }

        let plausible = match self.form {
            Form::Number => text.len() <= NUMBER && is_number(text.trim()),
            Form::Duration => text.len() <= NUMBER && is_duration(text),
            Form::Word => false,
            Form::Name => {
                let pieces = text.split(['.', '_', '-']);
                text.len() <= NAME
                    && pieces.clone().all(|piece| is_word(piece, NAME) || is_short(piece))
            }
            Form::Region => text.len() <= REGION && is_region(text),
            Form::Bucket => {
                let is_name = |text: &str| {
                    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b))
                };
                text.len() <= 63 && is_name(text) || text.len() <= PATH && text.starts_with("arn:")
            }
            Form::Path => text.len() <= PATH && is_path(text),
            Form::Program => text.len() <= PATH && (is_path(text) || is_word(text, NAME)),
            Form::Profile => text.len() <= NAME && !text.contains(['"', '=']),
            Form::Arn => text.len() <= PATH && text.starts_with("arn:"),
            Form::Url => false,
        };

        if plausible || is_short(text) && !text.contains('@') {
            write!(f, "{}", super::shown_to(text, PATH))
        } else {
            f.write_str(NOT_SHOWN)
        }
    }
}

/// Reports whether any part of `text` has the form of a key, a token or a digest.
pub(crate) fn may_be_secret(text: &str) -> bool {
    let is_code = |c: char| c.is_ascii_alphanumeric() || "+/=-_%".contains(c);
    // User information of a URL, with or without a scheme.
    let has_password = text.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    has_password
        || resemblance(text).is_some()
        || text.split(|c| !is_code(c)).any(is_random)
        || text.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random)
}

/// Reports whether `text` is a URL that contains a password.
#[cfg(feature = "client")]
pub(crate) fn is_url_with_password(text: &str) -> bool {
    let authority = text.split_once("://").map(|(_, rest)| rest);
    authority.and_then(|rest| rest.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'))
}

/// A kind of secret that can be recognized by its form. `Display` completes the sentence "the value
/// looks like ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resemblance {
    PrivateKey,
    SecretKey,
    AccessKeyId,
    Token,
}

impl fmt::Display for Resemblance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PrivateKey => "the text of a private key",
            Self::SecretKey => "a secret key",
            Self::AccessKeyId => "the id of an access key",
            Self::Token => "a session token",
        })
    }
}

/// Returns the kind of secret that `text` is, if its form is unambiguous.
pub(crate) fn resemblance(text: &str) -> Option<Resemblance> {
    const SECRET_KEY: usize = 40;
    const ACCESS_KEY_ID: usize = 20;
    /// The beginnings of AWS's session tokens, and of a JSON object in base64.
    const TOKENS: [&str; 6] =
        ["FwoGZXIvYXdz", "IQoJb3JpZ2lu", "FQoGZXIvYXdz", "FQoDYXdz", "AgoGb3JpZ2lu", "eyJ"];
    const TOKEN: usize = 60;
    let text = text.trim();
    if text.contains("-----BEGIN")
        || text.contains("PRIVATE KEY")
        || text.contains("LS0tLS1CRUdJTi")
    {
        return Some(Resemblance::PrivateKey);
    }

    if der_of(text).is_some() {
        return Some(Resemblance::PrivateKey);
    }

    if text.len() >= TOKEN && TOKENS.iter().any(|start| text.starts_with(start)) {
        return Some(Resemblance::Token);
    }

    let [upper, lower, digit] = classes(text);
    let in_base64 = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b));
    if text.len() == SECRET_KEY && in_base64 && upper && lower && digit {
        return Some(Resemblance::SecretKey);
    }

    let id = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    (text.len() == ACCESS_KEY_ID
        && ["AKIA", "ASIA"].iter().any(|start| text.starts_with(start))
        && id(text))
    .then_some(Resemblance::AccessKeyId)
}

/// Decodes a DER document from base64. It must be a SEQUENCE whose stated length equals its actual
/// length.
pub(crate) fn der_of(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    /// The shortest private key, an Ed25519 key, has 48 bytes.
    const SHORTEST: usize = 48;
    let bytes = base64_of(text)?;
    let [tag, first, rest @ ..] = &**bytes else { return None };
    let announced = match first {
        length @ 0..=0x7f => usize::from(*length) + 2,
        0x81 => usize::from(*rest.first()?) + 3,
        0x82 => usize::from(*rest.first()?) * 256 + usize::from(*rest.get(1)?) + 4,
        _ => return None,
    };

    (*tag == 0x30 && bytes.len() >= SHORTEST && announced == bytes.len()).then_some(bytes)
}

/// Decodes base64 in the forms that occur in configurations: with either alphabet, with or without
/// padding, on one line or several.
pub(crate) fn base64_of(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len() + 4));
    for c in text.chars() {
        match c {
            '-' => plain.push('+'),
            '_' => plain.push('/'),
            '=' => {}
            c if c.is_ascii_whitespace() => {}
            c if c.is_ascii_alphanumeric() || matches!(c, '+' | '/') => plain.push(c),
            _ => return None,
        }
    }

    while !plain.len().is_multiple_of(4) {
        plain.push('=');
    }

    STANDARD.decode(&*plain).ok().map(Zeroizing::new)
}

/// Reports whether `text` consists of digits with an optional sign, base and unit, such as `-0x1f`,
/// `1.5` or `10 MiB`.
fn is_number(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '+']);
    let (digits, based) = match text.get(..2) {
        Some("0x" | "0X" | "0o" | "0O" | "0b" | "0B") => (text.get(2..).unwrap_or_default(), true),
        _ => (text, false),
    };

    if based {
        return digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_');
    }

    let unit = digits.trim_start_matches(|c: char| c.is_ascii_digit() || "._, eE+-".contains(c));
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unit.len() <= 4
        && unit.bytes().all(|b| b.is_ascii_alphabetic())
}

fn is_duration(text: &str) -> bool {
    let is_unit = |unit: &str| {
        unit.chars().count() <= 8 && unit.chars().all(|c| c.is_alphabetic() || c == ' ')
    };

    text.chars().all(|c| c.is_ascii_digit() || c.is_alphabetic() || "+-. ".contains(c))
        && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.split(|c: char| c.is_ascii_digit() || "+-.".contains(c)).all(is_unit)
}

/// Reports whether `text` is at most `longest` characters long and has letters but no digits. A
/// password of that length contains digits, or is a word that a message may contain anyway.
fn is_word(text: &str, longest: usize) -> bool {
    text.len() <= longest && text.bytes().all(|b| b.is_ascii_alphabetic() || b"-_.<> ".contains(&b))
}

/// Reports whether `text` is too short for a secret. With digits, as in `sha256`, the limit is one
/// character lower, because passwords contain digits.
fn is_short(text: &str) -> bool {
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    text.chars().count() <= if digits { WORD - 1 } else { WORD }
}

/// Reports whether `text` consists of words and short numbers, as in `us-east-1`, `US_EAST_1` or
/// `eu-central-1a`.
fn is_region(text: &str) -> bool {
    let is_piece = |piece: &str| {
        let letters = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        piece.len() <= 9
            && letters.bytes().all(|b| b.is_ascii_alphabetic())
            && (letters.len() == piece.len() || piece.len() <= 3)
    };

    text.contains(['-', '_', '.']) && text.split(['-', '_', '.']).all(is_piece)
}

/// Reports whether `text` looks like a URL or a host: it has a scheme, a dot or a port, and no user
/// information.
fn is_url(text: &str) -> bool {
    !text.contains('@')
        && (text.is_empty()
            || text.contains("://")
            || text.contains(['.', ':', '['])
            || text.eq_ignore_ascii_case("localhost")
            || text.starts_with('/'))
}

/// Reports whether `text` begins like a path or ends like a file name.
fn is_path(text: &str) -> bool {
    let drive = text.as_bytes().get(1..3).is_some_and(|rest| rest == b":\\" || rest == b":/");
    let end = text.to_ascii_lowercase();
    !text.chars().any(char::is_control)
        && (drive
            || text.starts_with(['/', '.', '~'])
            || ENDINGS.iter().any(|ending| end.ends_with(ending)))
}

/// Reports whether a run of characters is so long and mixed that it must have been generated.
fn is_random(run: &str) -> bool {
    let [upper, lower, digit] = classes(run);
    let plain = run.bytes().all(|b| b.is_ascii_alphanumeric());
    let length = run.len();
    length >= 20 && upper && lower && digit
        || length >= 32 && upper && lower && plain
        || length >= 24 && digit && (upper || lower) && plain
        || length >= 16 && digit && upper && !lower && plain
}

/// Reports whether a text contains capital letters, small letters and digits.
fn classes(text: &str) -> [bool; 3] {
    let has = |class: fn(&u8) -> bool| text.as_bytes().iter().any(class);
    [has(u8::is_ascii_uppercase), has(u8::is_ascii_lowercase), has(u8::is_ascii_digit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    #[test]
    fn values_of_the_options_form_are_shown() {
        for (form, values) in [
            (
                Form::Number,
                &[
                    "-1",
                    "0x10",
                    "010485760",
                    "10MB",
                    "1.5",
                    "18446744073709551616",
                    "1e6",
                    "+3",
                    "99999999999999999999999999",
                    " 7",
                ][..],
            ),
            (Form::Duration, &["168h", "1h30m", "-5s", "300 ms", "1.5h", "soon", "5 minutes"]),
            (
                Form::Word,
                &["GLACIER", "yes", "Private", "<nil>", "tru-e", "sha256", "2", " true", "\u{663}"],
            ),
            (
                Form::Name,
                &["acesskey", "region_endpoint", "multipart-copy-chunk-size", "storage.s3"],
            ),
            (
                Form::Region,
                &["us-east-1.evil", "<nil>", "EU", "US_EAST_1", "eu-central-1a", "us-gov-west-1"],
            ),
            (
                Form::Bucket,
                &[
                    "a/b",
                    "..",
                    "my.registry",
                    "Registry_1",
                    "arn:aws:s3:us-west-2:123456789012:accesspoint/mine",
                ],
            ),
            (
                Form::Url,
                &["http://h:81/a b", "ftp://h", "h:0", "s3.example.org:x", "localhost", "", "//h"],
            ),
            (
                Form::Path,
                &[
                    "/etc/ssl/registry.pem",
                    "./key",
                    "key.PEM",
                    "C:\\keys\\cf",
                    "~/cf.key",
                    "../a b",
                ],
            ),
        ] {
            for value in values {
                assert_eq!(shown_value(value, form).to_string(), *value, "{form:?}");
            }
        }

        let url = "http://h/a?X-Amz-Signature=1234";
        assert_eq!(shown_value(url, Form::Url).to_string(), "http://h/a?(not shown)");
        assert_eq!(shown_value("h#password", Form::Url).to_string(), "h#(not shown)");
    }

    #[test]
    fn secrets_are_never_shown() {
        let der = STANDARD.encode([&[0x30, 0x81, 0x84][..], &[7; 0x84]].concat());
        let nested =
            STANDARD.encode("-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n");
        let url_safe = SECRET.replace('+', "-").replace('/', "_");
        for secret in [
            SECRET,
            "/K7MDENG+bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI",
            &url_safe,
            &format!("/{SECRET}.pem"),
            &format!("https://s3.example.org/{SECRET}"),
            &format!("https://{SECRET}.example.org/"),
            "http://user:hunter2@h:1",
            "user:hunter2@h",
            "AKIAIOSFODNN7EXAMPLE",
            "GK31c2f218a2e44f485b94239e",
            "b892c0665f0ada8a4755dae98baa3b133590e11dae3bcc1f9d769d67f16c3835",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
            "-----BEGIN PRIVATE KEY-----\\nMIIE",
            &der,
            &nested,
            "hunter2",
        ] {
            for form in
                [Form::Number, Form::Duration, Form::Word, Form::Name, Form::Url, Form::Path]
            {
                let text = shown_value(secret, form).to_string();
                assert!(
                    text.ends_with(NOT_SHOWN) && text.len() <= NOT_SHOWN.len() + 1,
                    "{form:?}: {text}"
                );
            }
        }
    }

    #[test]
    fn kinds_of_secrets_are_recognized_by_their_form() {
        let der = STANDARD.encode([&[0x30, 0x81, 0x84][..], &[7; 0x84]].concat());
        for (text, expected) in [
            (SECRET, Some(Resemblance::SecretKey)),
            ("AKIAIOSFODNN7EXAMPLE", Some(Resemblance::AccessKeyId)),
            (&format!("IQoJb3JpZ2lu{}", "A1b/".repeat(30)), Some(Resemblance::Token)),
            ("-----BEGIN RSA PRIVATE KEY-----", Some(Resemblance::PrivateKey)),
            (&der, Some(Resemblance::PrivateKey)),
            (&der[..der.len() - 8], None),
            ("registry", None),
            ("arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", None),
            ("2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", None),
            ("registry/production/eu-central-1/version2", None),
        ] {
            assert_eq!(resemblance(text), expected, "{text}");
        }
    }
}
