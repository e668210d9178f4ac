//! Two XML parsers from other projects, with results in a common form. The tests and the fuzz
//! targets compare the readers with both: `roxmltree` builds a tree and checks namespaces, and
//! `quick-xml` returns events like the tokens of this project.
#![allow(dead_code, reason = "not every binary uses all of it")]

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// An element, identified by its local name, with the text directly inside it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    children: Vec<Self>,
}

/// A parser: returns the root element, or nothing for a document that the parser refuses.
pub(crate) type Parser = fn(&str) -> Option<Element>;

/// Both parsers by name.
pub(crate) const PARSERS: [(&str, Parser); 2] =
    [("roxmltree", by_roxmltree), ("quick-xml", by_quick_xml)];

/// Returns the root elements that the parsers see in `data`; none for a parser that refuses it. A
/// byte order mark and white space before the declaration, which S3 sends and the readers accept,
/// are removed.
pub(crate) fn seen_by_parsers(data: &[u8]) -> Vec<Element> {
    let Ok(text) = std::str::from_utf8(data) else { return Vec::new() };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    PARSERS.iter().filter_map(|(_, parser)| parser(text)).collect()
}

impl Element {
    /// Returns whether every reader accepts the text: it is not next to elements, and has no
    /// character that `quick-xml` alone produces from a reference (or U+FFFD, which it inserts for
    /// one that is not a number of Unicode).
    pub(crate) fn is_plain(&self) -> bool {
        let odd = |c: char| {
            (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffd}'..='\u{ffff}')
        };
        self.children.is_empty() && !self.text.contains(odd)
    }

    /// Returns the children of that name.
    pub(crate) fn children(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Returns the text of the children of that name.
    pub(crate) fn text_of(&self, name: &str) -> String {
        self.children(name).map(|child| child.text.as_str()).collect()
    }

    /// Returns the text of the children of that name without the white space around it.
    pub(crate) fn word(&self, name: &str) -> String {
        self.text_of(name).trim_matches([' ', '\t', '\r', '\n']).to_owned()
    }
}

pub(crate) fn by_roxmltree(text: &str) -> Option<Element> {
    fn element(node: roxmltree::Node<'_, '_>) -> Element {
        Element {
            name: node.tag_name().name().to_owned(),
            text: node
                .children()
                .filter(roxmltree::Node::is_text)
                .filter_map(|node| node.text())
                .collect(),
            children: node.children().filter(roxmltree::Node::is_element).map(element).collect(),
        }
    }
    // Line ends are normalized before parsing (XML 1.0 section 2.11). `roxmltree` keeps a carriage
    // return that precedes a reference.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let document = roxmltree::Document::parse(&text).ok()?;
    Some(element(document.root_element()))
}

/// `quick-xml` does not check that there is one root, that it ends, and which entities exist.
pub(crate) fn by_quick_xml(text: &str) -> Option<Element> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event().ok()?;
        let (opens, closes) = match &event {
            Event::Start(start) => (Some(start), false),
            Event::Empty(start) => (Some(start), true),
            Event::End(_) => (None, true),
            _ => (None, false),
        };
        if let Some(start) = opens {
            if root.is_some() {
                return None;
            }
            let name = std::str::from_utf8(start.name().into_inner()).ok()?.to_owned();
            let local = name.rsplit(':').next().unwrap_or_default().to_owned();
            open.push(Element { name: local, ..Element::default() });
        }
        if closes {
            let element = open.pop()?;
            match open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => root = Some(element),
            }
        }
        let piece = match event {
            Event::Text(text) => text.xml10_content().ok()?.into_owned(),
            Event::CData(section) => section.xml10_content().ok()?.into_owned(),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(character) => character.to_string(),
                None => resolve_xml_entity(&reference.decode().ok()?)?.to_owned(),
            },
            Event::DocType(_) => return None,
            Event::Eof => return root.filter(|_| open.is_empty()),
            _ => continue,
        };
        if let Some(element) = open.last_mut() {
            element.text.push_str(&piece);
        }
    }
}
