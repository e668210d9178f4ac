//! The heads of messages: writing those of requests and parsing those of responses, without I/O.

use std::io::Write;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The maximum number of header fields in a response. S3's 2 KB of user metadata amount to at most
/// about 200 fields.
pub(super) const MAX_HEADERS: usize = 1024;

/// Writes the head of a request to `out`, or returns the reason why it must not be sent.
///
/// A control character could end a line and start another request, so control characters are
/// refused everywhere (RFC 9112, 11.2).
pub(super) fn write_request<'h>(
    out: &mut Vec<u8>,
    method: &str,
    target: (&str, &str),
    headers: impl Iterator<Item = (&'h str, &'h str)>,
    content_length: Option<u64>,
) -> Result<(), String> {
    if !is_token(method) {
        return Err("the method is not a token".into());
    }
    if target.1.is_empty() || !target.1.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the target contains a character that is not visible ASCII".into());
    }
    out.clear();
    for part in [method, " ", target.0, target.1, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for (name, value) in headers {
        if !is_token(name) {
            return Err(format!("the header name {name:?} is not a token"));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(format!("the value of the header {name} contains a control character"));
        }
        if name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
        {
            return Err(format!("the header {name} is the transport's own"));
        }
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    if let Some(length) = content_length {
        // Writing to a `Vec` cannot fail.
        let _ = write!(out, "content-length: {length}\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// How the body of a response ends (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body: HEAD, 1xx, 204, 304.
    NoBody,
    Length(u64),
    Chunked,
    /// The body ends when the connection is closed.
    Close,
}

/// The state of the connection after the response: reusable, or to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Reuse,
    Close,
}

/// The head of a response. Names are in lower case; all text is stored in one string.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) after: After,
    pub(super) content_length: Option<u64>,
    text: String,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
    /// `true` if the value was valid UTF-8; otherwise it contains replacement characters.
    exact: bool,
}

impl Head {
    /// Parses the head of a response to `method` at the start of `bytes`. Returns the head and its
    /// length in bytes, or `None` while it is incomplete.
    pub(super) fn parse(bytes: &[u8], method: &str) -> Result<Option<(Self, usize)>, String> {
        let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut reply = httparse::Response::new(&mut []);
        let length = match httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut reply, bytes, &mut slots)
        {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        // RFC 9112, 2.2 allows a bare LF to end a line. A gateway that does not accept it as a line
        // end would see a different head, with a different end, in the same bytes.
        if bytes.get(..length).is_none_or(has_bare_line_feed) {
            return Err("a line of the head does not end in CR LF".into());
        }
        let status =
            reply.code.filter(|code| *code >= 100).ok_or("the status is not a number from 100")?;
        let fields = reply.headers.iter().map(|header| (header.name, header.value));
        let head = Self::from_fields(status, fields, length, method, reply.version == Some(1))?;
        Ok(Some((head, length)))
    }

    /// Builds the head of a response to `method` from these fields, which take about `size` bytes.
    pub(super) fn from_fields<'f>(
        status: u16,
        fields: impl ExactSizeIterator<Item = (&'f str, &'f [u8])>,
        size: usize,
        method: &str,
        http11: bool,
    ) -> Result<Self, String> {
        let mut head = Self {
            status,
            framing: Framing::NoBody,
            after: After::Close,
            content_length: None,
            text: String::with_capacity(size),
            fields: Vec::with_capacity(fields.len()),
        };
        for (name, value) in fields {
            head.push(name, value);
        }
        head.frame(method, http11)?;
        Ok(head)
    }

    /// Returns the first field with this (lower-case) name, if its value is visible text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| self.slice(&field.name) == name && field.exact)
            .map(|field| self.slice(&field.value))
    }

    /// Returns all fields in order; bytes that are not UTF-8 are replaced.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|field| (self.slice(&field.name), self.slice(&field.value)))
    }

    /// Returns whether another response to the same request follows this one (RFC 9110, 15.2).
    pub(super) fn is_interim(&self) -> bool {
        self.status < 200
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        let value = value.trim_ascii();
        let start = self.text.len();
        self.text.extend(name.chars().map(|c| c.to_ascii_lowercase()));
        let middle = self.text.len();
        let text = String::from_utf8_lossy(value);
        self.text.push_str(&text);
        self.fields.push(Field {
            name: start..middle,
            value: middle..self.text.len(),
            exact: matches!(text, std::borrow::Cow::Borrowed(_)),
        });
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Determines where the body ends, and refuses every head that two parsers could interpret
    /// differently.
    fn frame(&mut self, method: &str, http11: bool) -> Result<(), String> {
        let (mut length, mut chunked, mut close) = (None, false, !http11);
        for (name, value) in self.headers() {
            match name {
                "content-length" => {
                    for part in value.split(',') {
                        let number =
                            parse_length(trimmed(part)).ok_or("content-length is not a number")?;
                        if length.replace(number).is_some_and(|before| before != number) {
                            return Err("two different content-lengths".into());
                        }
                    }
                }
                "transfer-encoding"
                    if !chunked && http11 && value.eq_ignore_ascii_case("chunked") =>
                {
                    chunked = true;
                }
                "transfer-encoding" => return Err("a transfer-encoding other than chunked".into()),
                "connection" => {
                    close |= value
                        .split(',')
                        .any(|option| trimmed(option).eq_ignore_ascii_case("close"));
                }
                _ => {}
            }
        }
        if chunked && length.is_some() {
            return Err("both content-length and transfer-encoding".into());
        }
        self.content_length = length;
        self.framing = match length {
            _ if method == "HEAD" || self.is_interim() || matches!(self.status, 204 | 304) => {
                Framing::NoBody
            }
            Some(length) => Framing::Length(length),
            None if chunked => Framing::Chunked,
            None => Framing::Close,
        };
        self.after =
            if close || self.framing == Framing::Close { After::Close } else { After::Reuse };
        Ok(())
    }
}

fn has_bare_line_feed(head: &[u8]) -> bool {
    let mut before = 0;
    head.iter().any(|byte| std::mem::replace(&mut before, *byte) != b'\r' && *byte == b'\n')
}

/// Removes the characters that HTTP defines as white space (RFC 9110, 5.6.3). `str::trim` would
/// also remove those of Unicode.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Parses digits only; `str::parse` would also accept a sign.
fn parse_length(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
