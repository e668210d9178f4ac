//! Compares the steps of two signatures: finds the first difference between the client's and the
//! server's, and its usual cause.
use super::Explanation;
use super::cause::Cause;
use crate::net::percent::{Piece, pieces};
use crate::sign::canonical::normalized;
use crate::sign::{Version, redact};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// The texts that a server says it signed: elements of S3's `SignatureDoesNotMatch` document. The
/// elements in hex take precedence over those in plain text, whose line endings and control
/// characters may have been altered.
#[derive(Clone, Copy, Default)]
pub struct ServerSide<'a> {
    /// The element `CanonicalRequest`.
    pub canonical_request: Option<&'a str>,
    /// The element `CanonicalRequestBytes`: bytes in hex, separated by spaces.
    pub canonical_request_bytes: Option<&'a str>,
    /// The element `StringToSign`.
    pub string_to_sign: Option<&'a str>,
    /// The element `StringToSignBytes`: bytes in hex, separated by spaces.
    pub string_to_sign_bytes: Option<&'a str>,
}

/// One of the two texts that lead to a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedText {
    /// The canonical request: task 1 of version 4.
    CanonicalRequest,
    /// The string to sign: task 2 of version 4, or step 1 of version 2.
    StringToSign,
}

/// The first place at which the texts differ. Secret values are redacted, and long lines are cut
/// around that place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The text that differs.
    pub text: SignedText,
    /// The line that differs, counted from 1.
    pub line: usize,
    /// The first byte of that line that differs, counted from 1.
    pub byte: usize,
    /// The text that the client signed at this place.
    pub ours: String,
    /// The text that the server signed at this place.
    pub theirs: String,
}

/// The outcome of [`compare`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    cause: Cause,
    difference: Option<Difference>,
}

impl Comparison {
    /// Returns the most likely cause.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Redacts both sides of the difference entirely.
    fn redacted(self) -> Self {
        let redacted = || redact::REDACTED.to_owned();
        let difference = self.difference.map(|difference| Difference {
            ours: redacted(),
            theirs: redacted(),
            ..difference
        });
        Self { difference, ..self }
    }

    /// Returns the first difference, or `None` if nothing that the server shows differs.
    pub const fn difference(&self) -> Option<&Difference> {
        self.difference.as_ref()
    }
}

/// Finds the first step at which the server's signature differs from ours.
pub fn compare(ours: &Explanation<'_>, server: &ServerSide<'_>) -> Comparison {
    let theirs = text_of(server.canonical_request, server.canonical_request_bytes);
    if let (Some(ours), Some(theirs)) = (ours.canonical_request, theirs) {
        let found =
            first_difference(SignedText::CanonicalRequest, ours, &theirs, ours, canonical_cause);
        if let Some(found) = found {
            return found;
        }
    }

    let Some(theirs) = text_of(server.string_to_sign, server.string_to_sign_bytes) else {
        return Comparison { cause: Cause::NotShown, difference: None };
    };

    let cause = match ours.version {
        Version::V4 => v4_cause,
        Version::V4a => v4a_cause,
        Version::V2 => v2_cause,
    };

    let secrets = ours.canonical_request.unwrap_or(ours.string_to_sign);
    first_difference(SignedText::StringToSign, ours.string_to_sign, &theirs, secrets, cause)
        .map(|found| if ours.signs_policy() { found.redacted() } else { found })
        .unwrap_or(Comparison { cause: Cause::WrongSecret, difference: None })
}

fn text_of<'a>(text: Option<&'a str>, bytes: Option<&str>) -> Option<Cow<'a, str>> {
    let decoded = bytes
        .map(|hex| hex.split_ascii_whitespace().collect::<String>())
        .and_then(|hex| hex::decode(hex).ok());
    match decoded {
        Some(bytes) if !bytes.is_empty() => {
            Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
        }
        _ => text.filter(|text| !text.is_empty()).map(|text| match text.contains("\r\n") {
            true => Cow::Owned(text.replace("\r\n", "\n")),
            false => Cow::Borrowed(text),
        }),
    }
}

/// Returns the first difference between two texts. `cause` is called with the number of the line
/// (from 0) and the lines of both texts. `secrets` is the text whose secret values are redacted if
/// the server's text repeats them.
fn first_difference(
    text: SignedText,
    ours: &str,
    theirs: &str,
    secrets: &str,
    cause: fn(usize, &[&str], &[&str]) -> Cause,
) -> Option<Comparison> {
    if ours == theirs {
        return None;
    }

    let (ours, theirs): (Vec<_>, Vec<_>) =
        (ours.split('\n').collect(), theirs.split('\n').collect());
    let number = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let (our_line, their_line) = (line(&ours, number), line(&theirs, number));
    let byte = our_line.bytes().zip(their_line.bytes()).take_while(|(a, b)| a == b).count();
    let (shown, their_shown) = excerpts(our_line, their_line, secrets);
    Some(Comparison {
        cause: cause(number, &ours, &theirs),
        difference: Some(Difference {
            text,
            line: number + 1,
            byte: byte + 1,
            ours: shown,
            theirs: their_shown,
        }),
    })
}

/// Returns both lines with secrets redacted, cut around the first character that differs.
fn excerpts(ours: &str, theirs: &str, signed: &str) -> (String, String) {
    /// The number of characters shown before and after the difference.
    const BEFORE: usize = 40;
    const AFTER: usize = 80;
    let ours = redact::Line(ours).to_string();
    let theirs = match repeats_a_secret(theirs, signed) {
        true => redact::REDACTED.to_owned(),
        false => redact::Line(theirs).to_string(),
    };

    let place = ours.chars().zip(theirs.chars()).take_while(|(a, b)| a == b).count();
    let start = place.saturating_sub(BEFORE);
    let cut = |line: &str| {
        let mut out = String::from(if start > 0 { "..." } else { "" });
        out.extend(line.chars().skip(start).take(BEFORE + AFTER));
        if line.chars().nth(start + BEFORE + AFTER).is_some() {
            out.push_str("...");
        }

        out
    };

    (cut(&ours), cut(&theirs))
}

/// Returns whether a line of the server's text repeats a secret value of `signed`, however it is
/// encoded. If `signed` contains more secrets than a request can have, the line counts as one that
/// does: searching for each of them would take time proportional to the product of both lengths.
fn repeats_a_secret(theirs: &str, signed: &str) -> bool {
    const MAX_SECRETS: usize = 16;
    let plain = |text: &str| String::from_utf8_lossy(&decoded(text)).replace('+', " ");
    let secrets: Vec<&str> = signed
        .split('\n')
        .flat_map(redact::secrets)
        .filter(|secret| !secret.is_empty())
        .take(MAX_SECRETS + 1)
        .collect();
    let theirs = plain(theirs);
    secrets.len() > MAX_SECRETS || secrets.into_iter().any(|secret| theirs.contains(&plain(secret)))
}

/// Returns the line with this number (from 0), or an empty one after the last line.
fn line<'a>(lines: &[&'a str], number: usize) -> &'a str {
    lines.get(number).copied().unwrap_or("")
}

fn canonical_cause(number: usize, ours: &[&str], theirs: &[&str]) -> Cause {
    let (our_line, their_line) = (line(ours, number), line(theirs, number));
    // The headers are followed by an empty line, the list of signed headers and the payload hash.
    match (number, ours.len().saturating_sub(number)) {
        (0, _) => Cause::MethodChanged,
        (1, _) => path_cause(our_line, their_line),
        (2, _) => query_cause(our_line, their_line),
        (_, 0 | 1) => Cause::PayloadChanged,
        (_, 2) => Cause::HeadersReordered,
        _ => header_cause(our_line, their_line, ours, theirs),
    }
}

fn v4_cause(number: usize, ours: &[&str], theirs: &[&str]) -> Cause {
    match number {
        0 => Cause::WrongCredential,
        1 => Cause::Clock,
        2 => {
            let (ours, theirs) = (line(ours, number).split('/'), line(theirs, number).split('/'));
            match ours.zip(theirs).take_while(|(a, b)| a == b).count() {
                0 => Cause::Clock,
                1 => Cause::WrongRegion,
                2 => Cause::WrongService,
                _ => Cause::WrongCredential,
            }
        }
        _ => Cause::CanonicalRequestDiffers,
    }
}

/// Like [`v4_cause`], for SigV4A, whose scope does not contain a region.
fn v4a_cause(number: usize, ours: &[&str], theirs: &[&str]) -> Cause {
    let (our_day, their_day) =
        (line(ours, number).split('/').next(), line(theirs, number).split('/').next());
    match number {
        2 if our_day == their_day => Cause::WrongService,
        2 => Cause::Clock,
        _ => v4_cause(number, ours, theirs),
    }
}

fn v2_cause(number: usize, ours: &[&str], theirs: &[&str]) -> Cause {
    let (our_line, their_line) = (line(ours, number), line(theirs, number));
    let amz = |line: &str| line.starts_with("x-amz-");
    match number {
        // The server took this for a version 4 request.
        0 if their_line.starts_with("AWS4-") => Cause::WrongCredential,
        0 => Cause::MethodChanged,
        1 | 2 if their_line.is_empty() => Cause::HeaderRemoved,
        1 | 2 if our_line.is_empty() => Cause::HeaderAdded,
        1 | 2 => Cause::HeaderChanged,
        3 => Cause::Clock,
        _ if amz(our_line) || amz(their_line) => header_cause(our_line, their_line, ours, theirs),
        _ => {
            let (our_path, our_query) = our_line.split_once('?').unwrap_or((our_line, ""));
            let (their_path, their_query) = their_line.split_once('?').unwrap_or((their_line, ""));
            if our_path == their_path {
                query_cause(our_query, their_query)
            } else {
                path_cause(our_path, their_path)
            }
        }
    }
}

fn path_cause(ours: &str, theirs: &str) -> Cause {
    if let Some(cause) = encoding_cause(ours, theirs) {
        cause
    } else if normalized(ours) == theirs || ours == normalized(theirs) {
        Cause::PathNormalised
    } else if ours.ends_with(theirs) || theirs.ends_with(ours) {
        Cause::PathPrefix
    } else {
        Cause::PathChanged
    }
}

/// Returns the cause for two texts that differ only in their percent-encoding.
fn encoding_cause(ours: &str, theirs: &str) -> Option<Cause> {
    let again = |text: &str| text.replace('%', "%25");
    if again(ours) == theirs || ours == again(theirs) {
        Some(Cause::EncodedTwice)
    } else if decoded(ours) == decoded(theirs) {
        Some(Cause::EncodedOtherwise)
    } else {
        None
    }
}

/// Decodes percent-encoding to compare texts that were encoded differently. A plus becomes a space,
/// and malformed escapes are kept as they are.
fn decoded(text: &str) -> Vec<u8> {
    let byte = |piece| match piece {
        Piece::Plain(b'+') => b' ',
        Piece::Plain(byte) | Piece::Escaped(byte) => byte,
        Piece::Broken => b'%',
    };

    pieces(text).map(byte).collect()
}

fn query_cause(ours: &str, theirs: &str) -> Cause {
    let (ours, theirs) = (pairs(ours), pairs(theirs));
    let (our_set, their_set): (BTreeSet<_>, BTreeSet<_>) =
        (ours.iter().collect(), theirs.iter().collect());
    if our_set == their_set && ours.len() == theirs.len() {
        return Cause::ParametersReordered;
    }

    let only_ours = our_set.difference(&their_set).next();
    let only_theirs = their_set.difference(&our_set).next();
    match (only_ours, only_theirs) {
        (Some(a), Some(b)) if a.0 == b.0 => match a.0.to_ascii_lowercase().as_str() {
            "x-amz-date" | "expires" => Cause::Clock,
            "x-amz-security-token" => Cause::TokenChanged,
            "x-amz-credential" | "awsaccesskeyid" => Cause::WrongCredential,
            _ => encoding_cause(a.1, b.1).unwrap_or(Cause::ParameterChanged),
        },
        (Some(a), Some(b)) if encoding_cause(a.0, b.0).is_some() => Cause::EncodedOtherwise,
        (None, _) => Cause::ParameterAdded,
        (_, None) => Cause::ParameterRemoved,
        (Some(_), Some(_)) if ours.len() < theirs.len() => Cause::ParameterAdded,
        (Some(_), Some(_)) if ours.len() > theirs.len() => Cause::ParameterRemoved,
        (Some(_), Some(_)) => Cause::ParameterChanged,
    }
}

fn pairs(query: &str) -> Vec<(&str, &str)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect()
}

fn header_cause(our_line: &str, their_line: &str, ours: &[&str], theirs: &[&str]) -> Cause {
    let (our_name, our_value) = our_line.split_once(':').unwrap_or(("", ""));
    let (their_name, their_value) = their_line.split_once(':').unwrap_or(("", ""));
    let has = |lines: &[&str], name: &str| {
        lines.iter().any(|line| line.split_once(':').is_some_and(|(given, _)| given == name))
    };

    if our_name == their_name {
        let words = |value: &str| value.split_ascii_whitespace().collect::<String>();
        return match our_name {
            "host" => Cause::HostRewritten,
            "x-amz-date" => Cause::Clock,
            "x-amz-content-sha256" => Cause::PayloadChanged,
            _ if their_value.is_empty() => Cause::HeaderRemoved,
            "x-amz-security-token" => Cause::TokenChanged,
            _ if words(our_value) == words(their_value) => Cause::HeaderSpaces,
            _ => Cause::HeaderChanged,
        };
    }

    if !their_name.is_empty() && !has(ours, their_name) {
        Cause::HeaderAdded
    } else if !our_name.is_empty() && !has(theirs, our_name) {
        Cause::HeaderRemoved
    } else {
        Cause::HeadersReordered
    }
}

impl fmt::Display for SignedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CanonicalRequest => "canonical request",
            Self::StringToSign => "string to sign",
        })
    }
}

/// Writes one sentence that can be appended to an error message.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Difference { text, line, byte, ours, theirs }) = &self.difference {
            write!(
                f,
                "the {text} differs from the server's in line {line} at byte {byte}: the client \
                 signed \"{ours}\", the server \"{theirs}\"; "
            )?;
        }

        self.cause.fmt(f)
    }
}

/// Shows only the lengths, because the texts may contain a session token.
impl fmt::Debug for ServerSide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            canonical_request,
            canonical_request_bytes,
            string_to_sign,
            string_to_sign_bytes,
        } = self;
        f.debug_struct("ServerSide")
            .field("canonical_request", &canonical_request.map(str::len))
            .field("canonical_request_bytes", &canonical_request_bytes.map(str::len))
            .field("string_to_sign", &string_to_sign.map(str::len))
            .field("string_to_sign_bytes", &string_to_sign_bytes.map(str::len))
            .finish()
    }
}
