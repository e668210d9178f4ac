//! Splits Rust source into words and signs. Comments, the contents of strings and, on request, the
//! code of unit tests are omitted.

/// A word, a sign or a literal, and its line.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    /// One character, or `::`.
    Sign,
    Literal,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }
}

/// Splits a source file. Comments and the contents of strings are omitted, so that they do not
/// count as code.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let mut found = Vec::new();
    let (mut place, mut line) = (0, 1);
    while place < chars.len() {
        let start = place;
        let c = chars[place];
        let kind = if c.is_whitespace() {
            place += 1;
            None
        } else if c == '/' && at(place + 1) == '/' {
            while place < chars.len() && at(place) != '\n' {
                place += 1;
            }
            None
        } else if c == '/' && at(place + 1) == '*' {
            place = after_comment(&chars, place);
            None
        } else if let Some(end) = after_string(&chars, place) {
            place = end;
            Some(Kind::Literal)
        } else if c == '_' || c.is_alphabetic() {
            place += if c == 'r' && at(place + 1) == '#' { 2 } else { 0 };
            while at(place) == '_' || at(place).is_alphanumeric() {
                place += 1;
            }
            Some(Kind::Word)
        } else if c.is_ascii_digit() {
            while at(place) == '_' || at(place).is_alphanumeric() {
                place += 1;
            }
            Some(Kind::Literal)
        } else {
            place += if c == ':' && at(place + 1) == ':' { 2 } else { 1 };
            Some(Kind::Sign)
        };
        let text = &chars[start..place];
        if let Some(kind) = kind {
            let word: String = text.iter().collect();
            let bare = if kind == Kind::Word { word.trim_start_matches("r#") } else { &word };
            found.push(Token { text: bare.to_owned(), line, kind });
        }
        line += text.iter().filter(|c| **c == '\n').count();
    }
    found
}

/// Returns the end of a block comment, which may be nested.
fn after_comment(chars: &[char], mut place: usize) -> usize {
    let mut depth = 0;
    while place < chars.len() {
        match (chars[place], chars.get(place + 1)) {
            ('/', Some('*')) => (depth, place) = (depth + 1, place + 2),
            ('*', Some('/')) => (depth, place) = (depth - 1, place + 2),
            _ => place += 1,
        }
        if depth == 0 {
            break;
        }
    }
    place.min(chars.len())
}

/// Returns the end of the string, character or lifetime that begins at `place`.
fn after_string(chars: &[char], place: usize) -> Option<usize> {
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let prefix = (0..3).take_while(|n| matches!(at(place + n), 'b' | 'c' | 'r')).count();
    let raw = prefix > 0 && at(place + prefix - 1) == 'r';
    let hashes =
        if raw { chars[place + prefix..].iter().take_while(|c| **c == '#').count() } else { 0 };
    let mut end = place + prefix + hashes;
    match at(end) {
        '"' => {
            end += 1;
            while end < chars.len() {
                if at(end) == '"' && (1..=hashes).all(|n| at(end + n) == '#') {
                    return Some(end + 1 + hashes);
                }
                end += if at(end) == '\\' && !raw { 2 } else { 1 };
            }
            Some(chars.len())
        }
        '\'' if !raw && at(end + 1) == '\\' => {
            end += 3;
            while end < chars.len() && at(end) != '\'' {
                end += 1;
            }
            Some((end + 1).min(chars.len()))
        }
        '\'' if !raw && at(end + 2) == '\'' => Some(end + 3),
        // This is a lifetime, and the name after the sign belongs to it.
        '\'' if prefix == 0 => {
            end += 1;
            while at(end) == '_' || at(end).is_alphanumeric() {
                end += 1;
            }
            Some(end)
        }
        _ => None,
    }
}

/// Returns the position after the bracket that closes the one at `open`.
pub(crate) fn after_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (place, token) in tokens.iter().enumerate().skip(open) {
        if token.kind == Kind::Sign {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        if depth == 0 {
            return place + 1;
        }
    }
    tokens.len()
}

/// Returns the tokens outside `#[cfg(test)]`, and the names of the module files declared inside it.
pub(crate) fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut place = 0;
    while place < tokens.len() {
        if !is_attribute(tokens, place)
            || !is_for_tests(&tokens[place..after_group(tokens, place + 1)])
        {
            kept.push(tokens[place].clone());
            place += 1;
            continue;
        }
        while is_attribute(tokens, place) {
            place = after_group(tokens, place + 1);
        }
        let end = after_item(tokens, place);
        if let [.., keyword, name, semicolon] = &tokens[place..end]
            && keyword.is("mod")
            && semicolon.is(";")
        {
            modules.push(name.text.clone());
        }
        place = end;
    }
    (kept, modules)
}

fn is_attribute(tokens: &[Token], place: usize) -> bool {
    tokens.get(place).is_some_and(|token| token.is("#"))
        && tokens.get(place + 1).is_some_and(|token| token.is("["))
}

/// Returns whether an attribute is a `cfg` that only tests satisfy: it contains `test`, but neither
/// `not` nor `any`.
fn is_for_tests(attribute: &[Token]) -> bool {
    let has =
        |word: &str| attribute.iter().any(|token| token.kind == Kind::Word && token.text == word);
    attribute.get(2).is_some_and(|token| token.is("cfg"))
        && has("test")
        && !has("not")
        && !has("any")
}

/// Returns the end of an item, a statement, a field or a match arm.
pub(crate) fn after_item(tokens: &[Token], start: usize) -> usize {
    const ITEMS: [&str; 12] = [
        "pub", "fn", "const", "static", "struct", "enum", "trait", "type", "impl", "mod", "use",
        "unsafe",
    ];
    let is_item =
        tokens.get(start).is_some_and(|first| ITEMS.iter().any(|keyword| first.is(keyword)));
    let mut place = start;
    while let Some(token) = tokens.get(place) {
        match token.text.as_str() {
            ";" if token.kind == Kind::Sign => return place + 1,
            // A comma ends a field; in an item it separates generic parameters.
            "," if token.kind == Kind::Sign && !is_item => return place + 1,
            // `use a::{b, c};` continues after the brace.
            "{" if token.kind == Kind::Sign => {
                let end = after_group(tokens, place);
                return end + usize::from(tokens.get(end).is_some_and(|token| token.is(";")));
            }
            "}" | ")" | "]" if token.kind == Kind::Sign => return place,
            "(" | "[" if token.kind == Kind::Sign => place = after_group(tokens, place),
            _ => place += 1,
        }
    }
    place
}
