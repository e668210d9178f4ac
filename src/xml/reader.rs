//! The pull parser on which every reader of this module is built.
//!
//! [`Tokens`] checks that tags match. This file checks that there is one root with nothing outside
//! it, no document type declaration and no character that XML 1.0 forbids. It resolves references,
//! joins the pieces of texts, and limits size and depth. There is no entity expansion and no
//! recursion, and the document is read in one pass.
use super::scan::find;
use super::tokens::{Tag, Token, Tokens};
use super::{Error, MAX_ENTRIES};
use crate::text::shown;
use zeroize::Zeroizing;

/// The maximum number of nested elements. The documents of S3 and STS need four; the rest leaves
/// room for extensions of other servers.
const MAX_DEPTH: usize = 16;

/// A document that is being read.
pub(super) struct Document<'a> {
    tokens: Tokens<'a>,
    /// The offset of the text in the body, which is the length of the byte order mark if there is
    /// one.
    base: usize,
    /// The offset of the last token.
    pub(super) at: usize,
    /// The offset of the `Error` at which [`Document::unknown`] stopped.
    pub(super) error_at: Option<usize>,
    seen_root: bool,
    seen_declaration: bool,
    /// The number of list entries read so far.
    entries: usize,
    demand: Demand,
    /// Returns the character of a reference, given its name.
    resolve: fn(&str) -> Option<char>,
    /// The buffer for a text that is not one contiguous piece of the body. It is wiped on drop
    /// because it may have contained a secret from STS.
    scratch: Zeroizing<String>,
}

/// The requirements for a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Any document with the expected root and any number of entries.
    Document,
    /// A requested page of a listing, which must have at most [`MAX_ENTRIES`] entries and must not
    /// be an empty element.
    #[cfg_attr(
        not(feature = "client"),
        allow(dead_code, reason = "only the client requests pages")
    )]
    Page,
}

/// An event that a reader of documents needs.
pub(super) enum Event<'a> {
    /// A start tag. `<x/>` is a start tag too, followed by a `Close`. The name does not include the
    /// prefix: namespaces are ignored because servers differ in them.
    Open(&'a str),
    /// An end tag.
    Close,
    /// Character data, with line endings as sent.
    Text(&'a str),
    /// A resolved reference.
    Char(char),
    /// The end of a complete document.
    End,
}

impl<'a> Document<'a> {
    pub(super) fn new(body: &'a [u8], max_bytes: usize) -> Result<Self, Error> {
        if body.len() > max_bytes {
            return Err(Error::new(
                format!("the document is longer than {max_bytes} bytes"),
                max_bytes,
            ));
        }
        let text = std::str::from_utf8(body)
            .map_err(|e| Error::new("the document is not UTF-8", e.valid_up_to()))?;
        if let Some(at) = forbidden(text) {
            return Err(Error::new("the document contains a character that XML 1.0 forbids", at));
        }
        let unmarked = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ok(Self {
            tokens: Tokens::new(unmarked),
            base: text.len() - unmarked.len(),
            at: 0,
            error_at: None,
            seen_root: false,
            seen_declaration: false,
            entries: 0,
            demand: Demand::Document,
            resolve: resolved,
            scratch: Zeroizing::default(),
        })
    }

    /// Returns the next event. Comments and processing instructions are skipped.
    pub(super) fn next(&mut self) -> Result<Event<'a>, Error> {
        self.event()?.map_err(|name| {
            self.fail(format!("the document has an unknown reference &{};", shown(name)))
        })
    }

    /// Like [`next`](Self::next), but returns the name of a reference that does not refer to a
    /// character as the inner error, after which the document can be read further.
    fn event(&mut self) -> Result<Result<Event<'a>, &'a str>, Error> {
        loop {
            self.at = self.base + self.tokens.position();
            let inside = self.tokens.depth() > 0;
            let token = self
                .tokens
                .next()
                .map_err(|e| self.fail(format!("the document is not well-formed: {e}")))?;
            match token {
                Token::Open(name) => return self.open(name).map(Ok),
                Token::Close => return Ok(Ok(Event::Close)),
                Token::Text(text) | Token::Section(text) if inside => {
                    return Ok(Ok(Event::Text(text)));
                }
                Token::Reference(name) if inside => {
                    return Ok((self.resolve)(name).map(Event::Char).ok_or(name));
                }
                Token::Text(text) if text.trim_ascii().is_empty() => {}
                Token::Text(_) | Token::Section(_) | Token::Reference(_) => {
                    return Err(self.fail("the document has text outside its root element"));
                }
                Token::Comment => {}
                Token::Instruction(text) => self.instruction(text)?,
                // S3's documents do not have one, and every entity expansion attack starts with
                // one.
                Token::DocumentType => {
                    return Err(self.fail("the document has a document type declaration"));
                }
                Token::End if inside => {
                    return Err(
                        self.fail("the document is cut off: it ends inside its root element")
                    );
                }
                Token::End => return Ok(Ok(Event::End)),
            }
        }
    }

    /// Reads the open element up to its end. `read` is called with the name of each child just
    /// after the child was opened, and must consume it. Text between children is ignored.
    pub(super) fn children(
        &mut self,
        mut read: impl FnMut(&mut Self, &'a str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            self.at = self.base + self.tokens.position();
            match self.tokens.tag() {
                Some(Tag::Open(child)) => {
                    self.check_depth()?;
                    read(self, child)?;
                    continue;
                }
                Some(Tag::Close) => return Ok(()),
                None => {}
            }
            match self.next()? {
                Event::Open(child) => read(self, child)?,
                Event::Close | Event::End => return Ok(()),
                Event::Text(_) | Event::Char(_) => {}
            }
        }
    }

    /// Appends the entry that `read` returns for the element that was just opened.
    pub(super) fn entry<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
        entries: &mut Vec<T>,
    ) -> Result<(), Error> {
        if self.demand == Demand::Page && self.entries >= MAX_ENTRIES {
            return Err(self.fail(format!("the document has more than {MAX_ENTRIES} entries")));
        }
        self.entries += 1;
        entries.push(read(self)?);
        Ok(())
    }

    /// Sets the requirements for the list of this document.
    pub(super) fn demand(&mut self, demand: Demand) {
        self.demand = demand;
    }

    /// Accepts references to the control characters that only XML 1.1 has. Servers write such
    /// references in keys that they do not encode, and the keys are wanted.
    pub(super) fn accept_control_characters(&mut self) {
        self.resolve = |name| {
            resolved(name)
                .or_else(|| name.strip_prefix('#').and_then(code_point).filter(is_control))
        };
    }

    /// If the document must be a page, checks that it has an entry or one of the `other` elements
    /// of a page.
    pub(super) fn check_page(&self, other: &[bool]) -> Result<(), Error> {
        if self.demand == Demand::Page && self.entries == 0 && !other.contains(&true) {
            return Err(self.fail("the document has no element of a page of a listing"));
        }
        Ok(())
    }

    /// Skips an unknown element with everything in it.
    ///
    /// An `Error` directly below the root is not an extension: it means that the server failed
    /// after it had started to respond. In this case, the function sets `error_at` and fails before
    /// the content of the `Error`.
    pub(super) fn unknown(&mut self, element: &str) -> Result<(), Error> {
        if self.tokens.depth() == 2 && element == "Error" {
            self.error_at = Some(self.at);
            return Err(self.fail("the document is an error report"));
        }
        let inside = self.tokens.depth();
        while self.tokens.depth() >= inside {
            // A reference to no character is skipped like the rest.
            let _ = self.event()?;
        }
        Ok(())
    }

    /// Reads the text of `element`, which was just opened, up to its end. The pieces between
    /// comments and CDATA sections are joined, and line endings are normalized (XML 1.0 section
    /// 2.11). An element inside the text is an error because the meaning of the text would be
    /// unknown.
    pub(super) fn text(&mut self, element: &str) -> Result<&str, Error> {
        // This is the fast path, because nearly every text is plain.
        if let Some(plain) = self.tokens.plain() {
            return Ok(plain);
        }
        if self.flat() {
            return Ok(&self.scratch);
        }
        self.scratch.clear();
        // The first piece stays in the body as long as it is the only one, so that most texts are
        // copied only once, into their field.
        let mut only = "";
        loop {
            match self.next()? {
                Event::Close | Event::End => break,
                Event::Text(piece)
                    if only.is_empty() && self.scratch.is_empty() && !piece.contains('\r') =>
                {
                    only = piece;
                }
                Event::Text(piece) => {
                    self.scratch.push_str(std::mem::take(&mut only));
                    push_normalized(&mut self.scratch, piece);
                }
                Event::Char(c) => {
                    self.scratch.push_str(std::mem::take(&mut only));
                    self.scratch.push(c);
                }
                Event::Open(inner) => {
                    let message = format!(
                        "<{}> holds the element <{}> where only text belongs",
                        shown(element),
                        shown(inner)
                    );
                    return Err(self.fail(message));
                }
            }
        }
        Ok(if self.scratch.is_empty() { only } else { &self.scratch })
    }

    /// Reads a text into `scratch`, with its references resolved. Reads nothing, and returns
    /// `false`, if there is markup, a line end to normalize, or a mistake in the text.
    ///
    /// This is the fast path of [`text`](Self::text) for ETags, whose quotes are references.
    fn flat(&mut self) -> bool {
        let Some(text) = self.tokens.flat() else { return false };
        if find(text.0, [b'\r']).is_some() {
            return false;
        }
        self.scratch.clear();
        let mut rest = text.0;
        while let Some((before, reference)) = split_at(rest, b'&') {
            let Some((name, after)) = split_at(reference, b';') else { return false };
            let Some(resolved) = resolved(name) else { return false };
            self.scratch.push_str(before);
            self.scratch.push(resolved);
            rest = after;
        }
        self.scratch.push_str(rest);
        self.tokens.pass(&text);
        true
    }

    /// Reads the text of `element` into `slot`. A second element with that name in the same entry
    /// is an error, even if the texts are equal, because the server's intention is unknown.
    ///
    /// An error of `value` completes a sentence, such as "is not a whole number".
    pub(super) fn field<T>(
        &mut self,
        element: &str,
        slot: &mut Option<T>,
        value: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<(), Error> {
        let at = self.at;
        if slot.is_some() {
            return Err(Error::new(format!("<{element}> comes twice in one element"), at));
        }
        let text = self.text(element)?;
        *slot = Some(value(text).map_err(|complaint| match text {
            "" => Error::new(format!("<{element}> {complaint}"), at),
            text => Error::new(format!("<{element}> {complaint}: \"{}\"", shown(text)), at),
        })?);
        Ok(())
    }

    /// Reads the text of the element that was just opened into `slot`, if nothing depends on it.
    /// The slot becomes `Some(None)` if the text is empty, cannot be parsed by `value`, occurs
    /// twice, or contains elements or references to no character, because an operation that took
    /// effect must not fail because of such a text.
    pub(super) fn aside<T>(
        &mut self,
        slot: &mut Option<Option<T>>,
        value: impl FnOnce(&str) -> Result<Option<T>, &'static str>,
    ) -> Result<(), Error> {
        let twice = slot.is_some();
        let plain = self.tokens.plain().map(Ok);
        let text = plain.unwrap_or_else(|| self.readable_text())?;
        *slot = Some(if twice { None } else { value(text).ok().flatten() });
        Ok(())
    }

    /// Reads the text of the open element up to its end. Returns an empty text if it contains
    /// elements, or references to no character: Ceph writes U+0001 in a key as `&#x01;`, although
    /// XML 1.0 has no such character.
    fn readable_text(&mut self) -> Result<&str, Error> {
        let inside = self.tokens.depth();
        let mut is_readable = true;
        self.scratch.clear();
        while self.tokens.depth() >= inside {
            match self.event()? {
                Ok(Event::Text(piece)) => push_normalized(&mut self.scratch, piece),
                Ok(Event::Char(c)) => self.scratch.push(c),
                Ok(Event::Open(_)) | Err(_) => is_readable = false,
                Ok(Event::Close | Event::End) => {}
            }
        }
        Ok(if is_readable { &self.scratch } else { "" })
    }

    /// Creates an error at the last token.
    pub(super) fn fail(&self, message: impl Into<String>) -> Error {
        Error::new(message, self.at)
    }

    /// Returns the value of a required field of `element`.
    pub(super) fn require<T>(
        &self,
        slot: Option<T>,
        element: &str,
        field: &str,
    ) -> Result<T, Error> {
        slot.ok_or_else(|| self.fail(format!("<{element}> has no <{field}>")))
    }

    /// Checks the start tag `name`, and returns an event with its local name.
    fn open(&mut self, name: &'a str) -> Result<Event<'a>, Error> {
        if self.tokens.depth() == 1 && std::mem::replace(&mut self.seen_root, true) {
            return Err(self.fail("the document has a second root element"));
        }
        self.check_depth()?;
        let local = name
            .bytes()
            .rposition(|byte| byte == b':')
            .and_then(|colon| name.get(colon + 1..))
            .unwrap_or(name);
        if local.is_empty() {
            return Err(self.fail("the document has an element without a name"));
        }
        Ok(Event::Open(local))
    }

    fn check_depth(&self) -> Result<(), Error> {
        if self.tokens.depth() > MAX_DEPTH {
            return Err(self.fail(format!("the document nests more than {MAX_DEPTH} elements")));
        }
        Ok(())
    }

    /// Checks a processing instruction. An XML declaration must come first, and must not declare an
    /// encoding other than UTF-8.
    fn instruction(&mut self, text: &str) -> Result<(), Error> {
        let (target, rest) =
            text.split_at(text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len()));
        match target {
            "xml" if self.seen_root || std::mem::replace(&mut self.seen_declaration, true) => {
                Err(self
                    .fail("the document has an XML declaration at a place where it is not allowed"))
            }
            "xml" => match encoding(rest) {
                Some(None) => Ok(()),
                Some(Some(name))
                    if ["utf-8", "utf8"].iter().any(|utf8| name.eq_ignore_ascii_case(utf8)) =>
                {
                    Ok(())
                }
                // Keys in another encoding would be wrong if they were read as UTF-8.
                Some(Some(name)) => Err(self.fail(format!(
                    "the document declares the encoding \"{}\", not UTF-8",
                    shown(name)
                ))),
                None => Err(self.fail("the document has a malformed XML declaration")),
            },
            _ if target.eq_ignore_ascii_case("xml") => {
                Err(self.fail("the document has a malformed XML declaration"))
            }
            _ => Ok(()),
        }
    }

    /// Reads up to the end of the document. Only white space, comments and processing instructions
    /// may follow the root.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        // At depth 0, `next` refuses everything else.
        while !matches!(self.next()?, Event::End) {}
        Ok(())
    }
}

/// Returns the character to which the reference `&name;` refers.
fn resolved(name: &str) -> Option<char> {
    match name {
        "quot" => Some('"'),
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "apos" => Some('\''),
        _ => name.strip_prefix('#').and_then(character),
    }
}

/// Splits `text` at the first `separator`, which is ASCII.
fn split_at(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = find(text, [separator])?;
    text.get(..at).zip(text.get(at + 1..))
}

/// Returns the encoding that an XML declaration (XML 1.0 section 2.8) contains, if there is one,
/// given the part after `<?xml`. Returns `None` for a malformed declaration.
fn encoding(declaration: &str) -> Option<Option<&str>> {
    let (mut rest, mut encoding) = (declaration.trim_ascii(), None);
    for expected in ["version", "encoding", "standalone"] {
        let Some(value) = rest.strip_prefix(expected) else {
            if expected == "version" { return None } else { continue }
        };
        let value = value.trim_ascii_start().strip_prefix('=')?.trim_ascii_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, after) = value.strip_prefix(quote)?.split_once(quote)?;
        if expected == "encoding" {
            encoding = Some(value);
        }
        rest = after.trim_ascii_start();
    }
    rest.is_empty().then_some(encoding)
}

/// Returns the offset of the first character that XML 1.0 section 2.2 forbids.
pub(super) fn forbidden(text: &str) -> Option<usize> {
    if has_common_bytes_only(text) {
        return None;
    }
    text.char_indices().find(|(_, c)| !is_xml_char(*c)).map(|(at, _)| at)
}

/// Returns `true` only if the text does not contain a forbidden character, and does so for nearly
/// all such texts. This is the fast path of [`forbidden`].
///
/// Control characters are single bytes; U+FFFE and U+FFFF begin with the byte 0xEF, as do few other
/// characters. The fold examines all bytes without an early exit, so it compiles to vector code and
/// takes a tenth of the time of a search.
fn has_common_bytes_only(text: &str) -> bool {
    let common = |byte| (byte >= b' ' && byte != 0xef) || matches!(byte, b'\t' | b'\n' | b'\r');
    text.bytes().fold(true, |all_common, byte| all_common & common(byte))
}

/// Returns whether `c` is a `Char` of XML 1.0 section 2.2. A Rust `char` cannot be a surrogate,
/// which is excluded as well.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Returns whether `c` is a control character that XML 1.1 section 2.2 adds to those of XML 1.0.
fn is_control(c: &char) -> bool {
    matches!(c, '\u{1}'..' ') && !is_xml_char(*c)
}

/// Returns the character to which the reference `&#...;` refers, given the part after `#`.
fn character(digits: &str) -> Option<char> {
    code_point(digits).filter(|c| is_xml_char(*c))
}

/// Returns the character with the number of a reference, which XML may forbid.
fn code_point(digits: &str) -> Option<char> {
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (digits, 10),
    };
    // `from_str_radix` would accept a sign.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)
}

/// Appends `text` with `\r\n` and `\r` replaced by `\n`.
fn push_normalized(to: &mut String, text: &str) {
    if find(text, [b'\r']).is_none() {
        return to.push_str(text);
    }
    let mut lines = text.split('\r');
    to.push_str(lines.next().unwrap_or_default());
    for line in lines {
        to.push('\n');
        to.push_str(line.strip_prefix('\n').unwrap_or(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_path_and_the_plain_search_agree_on_every_character() {
        for c in '\0'..=char::MAX {
            let text = format!("a{c}");
            assert_eq!(forbidden(&text), (!is_xml_char(c)).then_some(1), "{c:?}");
            assert!(!has_common_bytes_only(&text) || is_xml_char(c), "{c:?}");
        }
    }
}
