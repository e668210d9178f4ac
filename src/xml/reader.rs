//! A pull parser of a page: what every reader of this module stands on.
//!
//! [`Tokens`] sees to it that tags match. What they may mean is decided here, once: one root, nothing outside it, no
//! document type, no characters that XML 1.0 forbids, references resolved, text put together from its pieces, limits on
//! size and depth. Nothing is ever expanded, nothing recurses, and the page is read in one pass.
use super::tokens::{Token as Piece, Tokens};
use super::{Error, ErrorDocument, error};
use crate::text::shown;
use zeroize::Zeroizing;

/// Elements inside each other. S3's and STS's own documents need four; the rest is room for foreign extensions.
const MAX_DEPTH: usize = 16;

/// Reads `body`, whose root must be one of `roots`, with `read`, which gets the document with the root just opened and
/// must consume it up to its end.
///
/// A root `Error` (or STS's `ErrorResponse`) where it is not asked for is read too, and reported in
/// [`Error::document`].
pub(super) fn parse<'a, T>(
    body: &'a [u8],
    max_bytes: usize,
    roots: &[&str],
    read: impl FnOnce(&mut Document<'a>, &str) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut document = Document::new(body, max_bytes)?;
    let Token::Open(root) = document.next()? else {
        return Err(document.fail("the document has no root element"));
    };
    if roots.contains(&root.name()) {
        let value = read(&mut document, root.name())?;
        document.finish()?;
        return Ok(value);
    }
    let fail = document.fail(format!("the root element is <{}>, not <{}>", shown(root.name()), roots.join("> or <")));
    if !error::ROOTS.contains(&root.name()) {
        return Err(fail);
    }
    let found = error::read_root(&mut document, root.name())?;
    document.finish()?;
    Err(Error::reported(found, fail.offset))
}

/// A document that is being read.
pub(super) struct Document<'a> {
    tokens: Tokens<'a>,
    /// Where the text begins in the body: after the byte order mark, if there is one.
    base: usize,
    /// Where the token read last begins.
    at: usize,
    seen_root: bool,
    seen_declaration: bool,
    /// Text that is not one piece of the body. Wiped: it may have held a secret of STS's.
    scratch: Zeroizing<String>,
}

/// What a document consists of, as far as readers care.
pub(super) enum Token<'a> {
    /// A start tag; also that of `<x/>`, which is followed by its own `Close`.
    Open(Element<'a>),
    /// An end tag.
    Close,
    /// Character data, line ends as sent.
    Text(&'a str),
    /// A reference, resolved.
    Char(char),
    /// The end of a document that is complete.
    End,
}

/// An element that has just been opened.
pub(super) struct Element<'a>(&'a str);

impl<'a> Element<'a> {
    /// Its name without the prefix: servers differ in namespaces, so they decide nothing here.
    pub(super) fn name(&self) -> &'a str {
        self.0
    }
}

impl<'a> Document<'a> {
    fn new(body: &'a [u8], max_bytes: usize) -> Result<Self, Error> {
        if body.len() > max_bytes {
            return Err(Error::new(format!("the document is longer than {max_bytes} bytes"), max_bytes));
        }
        let text = std::str::from_utf8(body).map_err(|e| Error::new("the document is not UTF-8", e.valid_up_to()))?;
        if let Some(at) = forbidden(text) {
            return Err(Error::new("the document holds a character that XML 1.0 forbids", at));
        }
        let unmarked = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ok(Self {
            tokens: Tokens::new(unmarked),
            base: text.len() - unmarked.len(),
            at: 0,
            seen_root: false,
            seen_declaration: false,
            scratch: Zeroizing::default(),
        })
    }

    /// The next token. Comments and processing instructions are passed over: they say nothing about a bucket.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Error> {
        loop {
            self.at = self.base + self.tokens.position();
            let inside = self.tokens.depth() > 0;
            let piece = self.tokens.next().map_err(|e| self.fail(format!("the document is not well-formed: {e}")))?;
            match piece {
                Piece::Open(name) => return self.open(name),
                Piece::Close => return Ok(Token::Close),
                Piece::Text(text) | Piece::Section(text) if inside => return Ok(Token::Text(text)),
                Piece::Reference(name) if inside => return self.resolve(name).map(Token::Char),
                Piece::Text(text) if trim(text).is_empty() => {}
                Piece::Text(_) | Piece::Section(_) | Piece::Reference(_) => {
                    return Err(self.fail("the document has text outside its root element"));
                }
                Piece::Comment => {}
                Piece::Instruction(text) => self.instruction(text)?,
                // Nothing of S3 has one, and everything that makes entities grow begins with one.
                Piece::DocumentType => return Err(self.fail("the document has a document type declaration")),
                Piece::End if inside => {
                    return Err(self.fail("the document is cut off: it ends inside its root element"));
                }
                Piece::End => return Ok(Token::End),
            }
        }
    }

    /// The next child of the element that is open, or `None` at its end. Text between children is ignored.
    pub(super) fn child(&mut self) -> Result<Option<Element<'a>>, Error> {
        loop {
            match self.next()? {
                Token::Open(element) => return Ok(Some(element)),
                Token::Close | Token::End => return Ok(None),
                Token::Text(_) | Token::Char(_) => {}
            }
        }
    }

    /// Passes over an element that the reader does not know, with all that is in it.
    ///
    /// An `Error` directly under the root is no extension but a server that changed its mind after it had begun to
    /// answer: reported as in [`parse`].
    pub(super) fn unknown(&mut self, element: &Element<'_>) -> Result<(), Error> {
        if self.tokens.depth() == 2 && element.name() == "Error" {
            let at = self.at;
            return Err(Error::reported(error::read(self)?, Some(at as u64)));
        }
        let inside = self.tokens.depth();
        while self.tokens.depth() >= inside {
            self.next()?;
        }
        Ok(())
    }

    /// The text of `element`, which has just been opened: exactly as written, whatever comments and CDATA sections cut
    /// it into, with line ends as XML 1.0 section 2.11 has them. An element inside it is an error: there is no
    /// telling what the text would be.
    pub(super) fn text(&mut self, element: &Element<'_>) -> Result<&str, Error> {
        // Nearly every text, and most of the time a page takes.
        if let Some(plain) = self.tokens.plain() {
            return Ok(plain);
        }
        self.scratch.clear();
        // The only piece so far, still in the body: most texts are copied no more than once, into their field.
        let mut only = "";
        loop {
            match self.next()? {
                Token::Close | Token::End => break,
                Token::Text(piece) if only.is_empty() && self.scratch.is_empty() && !piece.contains('\r') => {
                    only = piece;
                }
                Token::Text(piece) => {
                    self.scratch.push_str(std::mem::take(&mut only));
                    push_normalised(&mut self.scratch, piece);
                }
                Token::Char(c) => {
                    self.scratch.push_str(std::mem::take(&mut only));
                    self.scratch.push(c);
                }
                Token::Open(inner) => {
                    let message = format!(
                        "<{}> holds the element <{}> where only text belongs",
                        shown(element.name()),
                        shown(inner.name())
                    );
                    return Err(self.fail(message));
                }
            }
        }
        Ok(if self.scratch.is_empty() { only } else { &self.scratch })
    }

    /// Reads the text of `element` into `slot`. A second one of the same name in one entry is an error, even if it
    /// says the same: which of them the server means cannot be known.
    ///
    /// `value` returns what is wrong with the text, as in "is not a whole number".
    pub(super) fn field<T>(
        &mut self,
        element: &Element<'_>,
        slot: &mut Option<T>,
        value: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<(), Error> {
        let at = self.at;
        let name = element.name();
        if slot.is_some() {
            return Err(Error::new(format!("<{name}> comes twice in one element"), at));
        }
        let text = self.text(element)?;
        *slot = Some(value(text).map_err(|complaint| match text {
            "" => Error::new(format!("<{name}> {complaint}"), at),
            text => Error::new(format!("<{name}> {complaint}: \"{}\"", shown(text)), at),
        })?);
        Ok(())
    }

    /// The error that `message` describes, at the token read last.
    pub(super) fn fail(&self, message: impl Into<String>) -> Error {
        Error::new(message, self.at)
    }

    /// The value of a field that its element must have.
    pub(super) fn require<T>(&self, slot: Option<T>, element: &str, field: &str) -> Result<T, Error> {
        slot.ok_or_else(|| self.fail(format!("<{element}> has no <{field}>")))
    }

    fn open(&mut self, name: &'a str) -> Result<Token<'a>, Error> {
        match self.tokens.depth() {
            1 if std::mem::replace(&mut self.seen_root, true) => {
                return Err(self.fail("the document has a second root element"));
            }
            0..=MAX_DEPTH => {}
            _ => return Err(self.fail(format!("the document nests more than {MAX_DEPTH} elements"))),
        }
        let local = name.bytes().rposition(|byte| byte == b':').and_then(|colon| name.get(colon + 1..)).unwrap_or(name);
        if local.is_empty() {
            return Err(self.fail("the document has an element without a name"));
        }
        Ok(Token::Open(Element(local)))
    }

    fn resolve(&self, name: &str) -> Result<char, Error> {
        let resolved = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "apos" => Some('\''),
            "quot" => Some('"'),
            _ => name.strip_prefix('#').and_then(character),
        };
        resolved.ok_or_else(|| self.fail(format!("the document has an unknown reference &{};", shown(name))))
    }

    fn instruction(&mut self, text: &str) -> Result<(), Error> {
        let (target, rest) = text.split_at(text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len()));
        match target {
            "xml" if self.seen_root || std::mem::replace(&mut self.seen_declaration, true) => {
                Err(self.fail("the document has an XML declaration where none may be"))
            }
            "xml" => match encoding(rest) {
                Some(None) => Ok(()),
                Some(Some(name)) if ["utf-8", "utf8"].iter().any(|utf8| name.eq_ignore_ascii_case(utf8)) => Ok(()),
                // Read as UTF-8, keys in another encoding would be wrong keys.
                Some(Some(name)) => {
                    Err(self.fail(format!("the document declares the encoding \"{}\", not UTF-8", shown(name))))
                }
                None => Err(self.fail("the document has a malformed XML declaration")),
            },
            _ if target.eq_ignore_ascii_case("xml") => Err(self.fail("the document has a malformed XML declaration")),
            _ => Ok(()),
        }
    }

    /// After the root's end: only white space, comments and processing instructions may follow.
    fn finish(&mut self) -> Result<(), Error> {
        // At depth 0 `next` itself refuses whatever else there is.
        while !matches!(self.next()?, Token::End) {}
        Ok(())
    }
}

/// `text` without white space around it. ASCII's is XML's, but for the form feed, which no document holds.
pub(super) fn trim(text: &str) -> &str {
    text.trim_ascii()
}

/// What an XML declaration (XML 1.0 section 2.8) says of the encoding, if anything, from the part after `<?xml`; `None`
/// for what is no declaration.
fn encoding(declaration: &str) -> Option<Option<&str>> {
    let (mut rest, mut encoding) = (trim(declaration), None);
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

/// Where the first character stands that XML 1.0 section 2.2 forbids.
pub(super) fn forbidden(text: &str) -> Option<usize> {
    // One pass that the compiler turns into vector code: a tenth of the time of one over `char`s, and a page of a listing
    // has a quarter of a million of them. U+FFFE and U+FFFF begin with the byte 0xEF, as do few others.
    let allowed = |byte| (byte >= b' ' && byte != 0xef) || matches!(byte, b'\t' | b'\n' | b'\r');
    if text.bytes().fold(true, |clean, byte| clean & allowed(byte)) {
        return None;
    }
    text.char_indices().find(|(_, c)| !is_xml_char(*c)).map(|(at, _)| at)
}

/// `Char` of XML 1.0 section 2.2; surrogates are no `char` in the first place.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// What the reference `&#...;` stands for, from the part after `#`.
fn character(digits: &str) -> Option<char> {
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (digits, 10),
    };
    // `from_str_radix` would take a sign.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).filter(|c| is_xml_char(*c))
}

/// Folded without an early end, so that the compiler can look at many bytes at once.
fn has_return(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte == b'\r'))
}

/// Appends `text` with `\r\n` and `\r` turned into `\n`.
fn push_normalised(to: &mut String, text: &str) {
    if !has_return(text) {
        return to.push_str(text);
    }
    let mut lines = text.split('\r');
    to.push_str(lines.next().unwrap_or_default());
    for line in lines {
        to.push('\n');
        to.push_str(line.strip_prefix('\n').unwrap_or(line));
    }
}

impl Error {
    fn new(message: impl Into<String>, offset: usize) -> Self {
        Self { message: message.into(), offset: Some(offset as u64), document: None }
    }

    /// The server answered with an error document where something else was asked for.
    fn reported(document: ErrorDocument, offset: Option<u64>) -> Self {
        let message =
            format!("the document is an error report: {} ({})", shown(&document.code), shown(&document.message));
        Self { message, offset, document: Some(Box::new(document)) }
    }
}
