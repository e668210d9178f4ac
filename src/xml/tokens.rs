//! Splits XML into tokens, and checks that they are well-formed: that every tag ends, that every
//! end tag closes the open element, and that comments, sections and references are complete.
//!
//! Tokens are slices of the text: nothing is copied or expanded, and every byte is examined once or
//! twice. White space is that of ASCII, which differs from XML 1.0 section 2.3 only in the form
//! feed, and no document can contain a form feed. The caller,
//! [`Document`](super::reader::Document), decides what tokens mean, where they may occur and how
//! many are allowed.
//!
//! This is the only file that deals with the syntax of XML. It could be replaced by a crate such as
//! `quick-xml`: the reader needs [`Token`] and the functions `new`, `next`, `depth`, `position`,
//! `tag`, `plain` and `flat` of [`Tokens`]. The last three are optimizations and may always return
//! `None`. The tests read the same documents with `quick-xml` and `roxmltree`, and `benches/micro`
//! measures `quick-xml` on the same page.
use super::scan::{end_of_plain_name, find};

/// An iterator over the tokens of a text.
pub(super) struct Tokens<'a> {
    /// The text that has not been read yet.
    rest: &'a str,
    /// The length of the whole text.
    length: usize,
    /// The names of the elements that are open, the root first.
    open: Vec<&'a str>,
    /// Whether `<x/>` was just returned as a start tag, so that its end tag comes next.
    empty: bool,
}

/// A token. Names include their prefix.
pub(super) enum Token<'a> {
    /// A start tag. `<x/>` is a start tag too, followed by a `Close`.
    Open(&'a str),
    Close,
    /// Character data as sent, never empty and without references.
    Text(&'a str),
    /// The content of a CDATA section as sent.
    Section(&'a str),
    /// The name in `&name;`.
    Reference(&'a str),
    Comment,
    /// The text between `<?` and `?>`.
    Instruction(&'a str),
    /// The beginning of a document type declaration, which is not read any further.
    DocumentType,
    /// The end of the text. Elements may still be open.
    End,
}

/// A tag that [`Tokens::tag`] reads.
pub(super) enum Tag<'a> {
    Open(&'a str),
    Close,
}

/// A text without markup, and what follows its end tag.
pub(super) struct Flat<'a>(pub(super) &'a str, &'a str);

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, length: text.len(), open: Vec::new(), empty: false }
    }

    /// Returns the number of open elements.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Returns the number of bytes that have been read.
    pub(super) fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Returns the next token, or a description of what is not well-formed. Must not be called
    /// again after an error.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Token<'a>, &'static str> {
        if std::mem::take(&mut self.empty) {
            self.open.pop();
            return Ok(Token::Close);
        }
        let Some(markup) = self.rest.strip_prefix('<') else { return self.characters() };
        match markup.as_bytes() {
            [b'/', ..] => self.end_tag(markup),
            [b'!', ..] => self.declared(markup),
            [b'?', b'?' | b'>' | b' ', ..] => Err("a processing instruction has no name"),
            [b'?', ..] => self
                .until("?>", "?".len(), markup, "a processing instruction does not end")
                .map(Token::Instruction),
            _ => self.start_tag(markup),
        }
    }

    /// Reads a start tag without a prefix or attributes, or an end tag. Returns `None`, and reads
    /// nothing, if something else is next.
    ///
    /// This is the fast path of [`Document::children`](super::reader::Document::children) between
    /// the elements of a list.
    #[inline]
    pub(super) fn tag(&mut self) -> Option<Tag<'a>> {
        if self.empty {
            return None;
        }
        let markup = self.rest.strip_prefix('<')?;
        if let Some(end_tag) = markup.strip_prefix('/') {
            self.rest = end_tag.strip_prefix(self.open.last()?)?.strip_prefix('>')?;
            self.open.pop();
            return Some(Tag::Close);
        }
        let (name, rest) = markup.split_at_checked(end_of_plain_name(markup)?)?;
        let is_tag = !name.is_empty() && !name.starts_with('?');
        self.rest = rest.strip_prefix('>').filter(|_| is_tag)?;
        self.open.push(name);
        Some(Tag::Open(name))
    }

    /// Reads the text of the last opened element and its end tag, if the text is plain: without
    /// markup, references and line endings that have to be normalized. Reads nothing otherwise.
    ///
    /// This is the fast path of [`Document::text`](super::reader::Document::text), which reads all
    /// other texts token by token.
    pub(super) fn plain(&mut self) -> Option<&'a str> {
        let text = self.up_to_end_tag(find(self.rest, [b'<', b'&', b'\r'])?)?;
        self.pass(&text);
        Some(text.0)
    }

    /// Returns the text of the element opened last up to its end tag, if there is no markup in it.
    /// The text may contain references. Nothing is read before [`pass`](Self::pass).
    pub(super) fn flat(&self) -> Option<Flat<'a>> {
        self.up_to_end_tag(find(self.rest, [b'<'])?)
    }

    /// Continues after a text and its end tag.
    pub(super) fn pass(&mut self, text: &Flat<'a>) {
        self.open.pop();
        self.rest = text.1;
    }

    /// Returns the next `length` bytes of the text, if the end tag follows them.
    #[inline]
    fn up_to_end_tag(&self, length: usize) -> Option<Flat<'a>> {
        if self.empty {
            return None;
        }
        let (text, rest) = self.rest.split_at_checked(length)?;
        let rest = rest.strip_prefix("</")?.strip_prefix(self.open.last()?)?.strip_prefix('>')?;
        Some(Flat(text, rest))
    }

    fn characters(&mut self) -> Result<Token<'a>, &'static str> {
        if self.rest.is_empty() {
            return Ok(Token::End);
        }
        if let Some(reference) = self.rest.strip_prefix('&') {
            let (name, rest) = find(reference, [b';', b'&', b'<'])
                .and_then(|end| reference.split_at_checked(end))
                .ok_or("a reference does not end")?;
            self.rest = rest.strip_prefix(';').ok_or("a reference does not end")?;
            return Ok(Token::Reference(name));
        }
        let end = find(self.rest, [b'<', b'&']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(Token::Text(text))
    }

    #[inline]
    fn start_tag(&mut self, markup: &'a str) -> Result<Token<'a>, &'static str> {
        let end = find(markup, [b'>', b' ', b'/', b'\t', b'\n', b'\r', b'"', b'\'']);
        let name = end.and_then(|end| markup.split_at_checked(end));
        let (name, after) = name.ok_or("a start tag does not end")?;
        let end = if after.starts_with('>') { after } else { skip_attributes(after)? };
        let content = end.strip_prefix('/');
        self.empty = content.is_some();
        self.rest =
            content.unwrap_or(end).strip_prefix('>').ok_or("a start tag has a stray slash")?;
        self.open.push(name);
        Ok(Token::Open(name))
    }

    #[inline]
    fn end_tag(&mut self, markup: &'a str) -> Result<Token<'a>, &'static str> {
        let name = self.open.pop().ok_or("an end tag closes nothing")?;
        let after = markup.strip_prefix('/').and_then(|markup| markup.strip_prefix(name));
        let end = after.and_then(|after| {
            after.strip_prefix('>').or_else(|| after.trim_ascii_start().strip_prefix('>'))
        });
        self.rest = end.ok_or("an end tag does not close the open element")?;
        Ok(Token::Close)
    }

    /// Reads a token that begins with `<!`.
    fn declared(&mut self, markup: &'a str) -> Result<Token<'a>, &'static str> {
        const COMMENT: &str = "!--";
        const SECTION: &str = "![CDATA[";
        const DOCUMENT_TYPE: &str = "!DOCTYPE";
        if markup.starts_with(COMMENT) {
            self.until("-->", COMMENT.len(), markup, "a comment does not end")
                .map(|_| Token::Comment)
        } else if markup.starts_with(SECTION) {
            self.until("]]>", SECTION.len(), markup, "a CDATA section does not end")
                .map(Token::Section)
        } else if markup
            .get(..DOCUMENT_TYPE.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(DOCUMENT_TYPE))
        {
            Ok(Token::DocumentType)
        } else {
            Err("a tag begins with an exclamation mark")
        }
    }

    /// Reads the text after the first `start` bytes of `markup`, up to `end`. If `end` is missing,
    /// the error is `cut`.
    fn until(
        &mut self,
        end: &str,
        start: usize,
        markup: &'a str,
        cut: &'static str,
    ) -> Result<&'a str, &'static str> {
        let (content, rest) =
            markup.get(start..).and_then(|content| content.split_once(end)).ok_or(cut)?;
        self.rest = rest;
        Ok(content)
    }
}

/// Skips the attributes in `tag`, which follows the name of a start tag, and returns the rest from
/// the `>` or `/` that ends the tag. A `>` in a quoted attribute value does not end the tag.
/// Attributes are not checked any further.
fn skip_attributes(mut tag: &str) -> Result<&str, &'static str> {
    if tag.starts_with(['"', '\'']) {
        return Err("the name of a start tag contains a quote");
    }
    loop {
        let end = find(tag, [b'>', b'/', b'"', b'\'']);
        let from = end.and_then(|end| tag.get(end..)).ok_or("a start tag does not end")?;
        let mut after = from.chars();
        match after.next() {
            Some(quote @ ('"' | '\'')) => {
                (_, tag) = after
                    .as_str()
                    .split_once(quote)
                    .ok_or("the value of an attribute does not end")?;
            }
            _ => return Ok(from),
        }
    }
}
