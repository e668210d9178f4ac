//! The modules of a crate: what each file defines, imports and refers to.

use crate::lex::{self, Kind, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// A module's path from the crate's root.
pub(crate) type Module = Vec<String>;

/// The source files of a crate, by paths such as `src/client/mod.rs`.
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) modules: BTreeMap<Module, Contents>,
    /// The items of each file in their order; an `impl` belongs to its type.
    pub(crate) code: BTreeMap<String, Vec<Code>>,
    references: Vec<Reference>,
}

/// One item of a file: its lines and the words in it.
pub(crate) struct Code {
    pub(crate) name: String,
    pub(crate) lines: RangeInclusive<usize>,
    pub(crate) words: BTreeSet<String>,
}

/// The contents of one module. Modules inside braces belong to their file.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) file: String,
    /// The visibility of the module itself.
    pub(crate) visibility: Visibility,
    pub(crate) items: BTreeMap<String, Item>,
    pub(crate) imports: Vec<Import>,
}

#[derive(Clone, Copy)]
pub(crate) struct Item {
    pub(crate) class: Class,
    pub(crate) visibility: Visibility,
    pub(crate) line: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Type,
    Other,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Visibility {
    Public,
    /// `pub(crate)`, `pub(super)` and similar.
    Restricted,
    #[default]
    Private,
}

/// One name of a `use` declaration; `*` for all names.
#[derive(Clone)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    pub(crate) name: String,
    pub(crate) visibility: Visibility,
    pub(crate) line: usize,
}

/// A path in code.
struct Reference {
    module: Module,
    path: Vec<String>,
    line: usize,
}

/// A use in one file of a name that another file defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) line: usize,
    /// The name as it is called in the file that defines it.
    pub(crate) name: String,
    /// The name as it is called in the file that uses it.
    pub(crate) alias: String,
    pub(crate) purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    Use,
    /// The file re-exports the name and does not mention it otherwise.
    Reexport,
}

/// The destination of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Module(Module),
    Item(Module, String),
}

impl Tree {
    pub(crate) fn new<P: Into<String>, T: Into<String>>(
        sources: impl IntoIterator<Item = (P, T)>,
    ) -> Self {
        let files = sources.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
        let mut tree =
            Self { files, modules: BTreeMap::new(), code: BTreeMap::new(), references: Vec::new() };
        let mut tests: Vec<Module> = Vec::new();
        let mut parsed = Vec::new();
        for (path, text) in &tree.files {
            let Some(module) = module_of(path) else { continue };
            let (tokens, test_modules) = lex::without_tests(&lex::tokens(text));
            tests
                .extend(test_modules.into_iter().map(|name| [module.clone(), vec![name]].concat()));
            parsed.push((path.clone(), module, tokens));
        }
        parsed.retain(|(_, module, _)| !tests.iter().any(|test| module.starts_with(test)));
        for (path, module, _) in &parsed {
            tree.modules
                .insert(module.clone(), Contents { file: path.clone(), ..Contents::default() });
        }
        for (path, module, tokens) in &parsed {
            tree.code.insert(path.clone(), code(tokens));
            Walk { tree: &mut tree, file: path, tokens }.module(module, 0, tokens.len());
        }
        tree
    }

    /// Returns every use of one file by another. A module that is only imported to name its items
    /// is not an edge, but the names are. A name that is re-exported by `pub use` leads to the file
    /// that defines it.
    pub(crate) fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (module, contents) in &self.modules {
            for import in &contents.imports {
                let target = self.resolve(module, &import.path);
                let (to, name) = match target {
                    Some(Target::Item(to, name)) => (to, name),
                    Some(Target::Module(to)) if import.name == "*" => (to, "*".to_owned()),
                    _ => continue,
                };
                let passed_on = import.visibility != Visibility::Private
                    && !self.mentions(contents, &import.name);
                let purpose = if passed_on { Purpose::Reexport } else { Purpose::Use };
                let alias = import.name.clone();
                arrows
                    .push(Arrow { alias, ..self.arrow(contents, &to, import.line, name, purpose) });
            }
        }
        for reference in &self.references {
            if let (Some(Target::Item(to, name)), Some(from)) = (
                self.resolve(&reference.module, &reference.path),
                self.modules.get(&reference.module),
            ) {
                arrows.push(self.arrow(from, &to, reference.line, name, Purpose::Use));
            }
        }
        arrows.retain(|arrow| arrow.from != arrow.to);
        arrows.sort();
        arrows.dedup();
        arrows
    }

    fn arrow(
        &self,
        from: &Contents,
        to: &Module,
        line: usize,
        name: String,
        purpose: Purpose,
    ) -> Arrow {
        let to = self.modules.get(to).map_or_else(String::new, |contents| contents.file.clone());
        Arrow { from: from.file.clone(), to, line, alias: name.clone(), name, purpose }
    }

    /// Returns whether the file's code mentions `name` outside of `use` declarations.
    fn mentions(&self, contents: &Contents, name: &str) -> bool {
        self.code
            .get(&contents.file)
            .is_some_and(|items| items.iter().any(|item| item.words.contains(name)))
    }

    /// Resolves a path to the module that defines its last name. Returns `None` if the path leads
    /// out of the crate.
    pub(crate) fn resolve(&self, from: &Module, path: &[String]) -> Option<Target> {
        self.follow(from, path, 0)
    }

    fn follow(&self, from: &Module, path: &[String], depth: usize) -> Option<Target> {
        // Chains of re-exports are short. Without a limit, two globs that refer to each other would
        // never end.
        const LONGEST: usize = 12;
        if depth > LONGEST {
            return None;
        }
        let mut module = from.clone();
        let mut rest = path;
        while let [first, tail @ ..] = rest {
            match first.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => {
                    module.pop()?;
                }
                _ => break,
            }
            rest = tail;
        }
        let anchored = rest.len() < path.len();
        for (place, name) in rest.iter().enumerate() {
            let child = [module.clone(), vec![name.clone()]].concat();
            if self.modules.contains_key(&child) {
                module = child;
                continue;
            }
            let tail = &rest[place + 1..];
            return self
                .named(&module, name, depth)
                .or_else(|| self.globbed(&module, name, depth))
                .map_or_else(
                    // Types that a macro generates are only defined in the named module.
                    || (anchored || place > 0).then(|| Target::Item(module.clone(), name.clone())),
                    |target| match target {
                        Target::Module(inner) if !tail.is_empty() => {
                            self.follow(&inner, &with_self(tail), depth + 1)
                        }
                        target => Some(target),
                    },
                );
        }
        Some(Target::Module(module))
    }

    fn named(&self, module: &Module, name: &str, depth: usize) -> Option<Target> {
        let contents = self.modules.get(module)?;
        if contents.items.contains_key(name) {
            return Some(Target::Item(module.clone(), name.to_owned()));
        }
        let import = contents.imports.iter().find(|import| import.name == name)?;
        // `use time::Duration` inside a module named `time` does not refer to that module.
        (import.path.first().map(String::as_str) != Some(name)).then_some(())?;
        self.follow(module, &import.path, depth + 1)
    }

    fn globbed(&self, module: &Module, name: &str, depth: usize) -> Option<Target> {
        let globs = self.modules.get(module)?.imports.iter().filter(|import| import.name == "*");
        globs.filter_map(|glob| self.follow(module, &glob.path, depth + 1)).find_map(|target| {
            match target {
                Target::Module(inner) if inner != *module => self.named(&inner, name, depth + 1),
                _ => None,
            }
        })
    }
}

fn with_self(path: &[String]) -> Vec<String> {
    [&["self".to_owned()], path].concat()
}

/// Returns the module of a file: `src/a/mod.rs` and `src/a.rs` are `a`. Programs in `src/bin` are
/// separate crates.
fn module_of(path: &str) -> Option<Module> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    if inner.starts_with("bin/") || inner == "main" {
        return None;
    }
    let mut module: Module = inner.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|name| name == "mod") || inner == "lib" {
        module.pop();
    }
    Some(module)
}

fn is_use(tokens: &[Token], place: usize) -> bool {
    // `use<'a>` in a bound is not a declaration.
    tokens[place].is("use") && !tokens.get(place + 1).is_some_and(|token| token.is("<"))
}

/// Splits a file into its items, without `use` declarations.
fn code(tokens: &[Token]) -> Vec<Code> {
    let mut items = Vec::new();
    let mut start = 0;
    while start < tokens.len() {
        let mut keyword = start;
        while tokens[keyword].is("#") && keyword + 1 < tokens.len() {
            let inner = usize::from(tokens[keyword + 1].is("!"));
            keyword = lex::after_group(tokens, keyword + 1 + inner).min(tokens.len() - 1);
        }
        let end = lex::after_item(tokens, keyword).max(keyword + 1);
        let item = &tokens[start..end];
        if !(0..item.len())
            .take_while(|place| !item[*place].is("{"))
            .any(|place| is_use(item, place))
        {
            let words = (start..end)
                .filter(|place| is_name(tokens, *place))
                .map(|place| tokens[place].text.clone());
            let words = words.collect();
            items.push(Code {
                name: name_of(item),
                lines: item[0].line..=tokens[end - 1].line,
                words,
            });
        }
        start = end;
    }
    items
}

/// Returns whether the word at `place` may refer to an item, which methods, fields and names that
/// are being defined do not.
fn is_name(tokens: &[Token], place: usize) -> bool {
    let before = |sign: &str| place > 0 && tokens[place - 1].is(sign);
    let is_field = tokens.get(place + 1).is_some_and(|token| token.is(":"));
    tokens[place].kind == Kind::Word && !before(".") && !before("fn") && !is_field
}

/// Returns the name that an item defines or, for an `impl`, that of its type; empty for an item
/// without a name.
fn name_of(item: &[Token]) -> String {
    let head = &item[..item.iter().position(|token| token.is("{")).unwrap_or(item.len())];
    let after = |place: usize| {
        head[place + 1..].iter().find(|token| token.kind == Kind::Word && !token.is("fn"))
    };
    if let Some(place) = head
        .iter()
        .position(|token| token.is("impl"))
        .filter(|place| !head[..*place].iter().any(|token| token.is("fn")))
    {
        let head =
            &head[place..head.iter().position(|token| token.is("where")).unwrap_or(head.len())];
        let of = head
            .iter()
            .position(|token| token.is("for"))
            .map_or_else(|| after_generics(head, 1), |place| place + 1);
        // The last name of the type's path, before its parameters.
        let path = head[of..].iter().take_while(|token| !token.is("<"));
        return path
            .filter(|token| token.kind == Kind::Word)
            .last()
            .map_or_else(String::new, |token| token.text.clone());
    }
    const KEYWORDS: [&str; 8] =
        ["struct", "enum", "trait", "type", "fn", "const", "static", "macro_rules"];
    let keyword = head.iter().position(|token| KEYWORDS.iter().any(|keyword| token.is(keyword)));
    keyword.and_then(after).map_or_else(String::new, |token| token.text.clone())
}

/// Returns the position after `<...>`, if this begins at `place`.
fn after_generics(tokens: &[Token], mut place: usize) -> usize {
    let mut depth = 0usize;
    while let Some(token) = tokens.get(place) {
        match token.text.as_str() {
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            _ if depth == 0 => return place,
            _ => {}
        }
        place += 1;
    }
    place
}

/// Reads the tokens of one file.
struct Walk<'a> {
    tree: &'a mut Tree,
    file: &'a str,
    tokens: &'a [Token],
}

impl Walk<'_> {
    fn module(&mut self, module: &Module, start: usize, end: usize) {
        let mut place = start;
        let mut depth = 0usize;
        while place < end {
            let token = &self.tokens[place];
            if is_use(self.tokens, place) {
                place = self.import(module, place);
                continue;
            }
            // The paths in a macro's body belong to the places where the macro is used.
            if token.is("macro_rules") {
                self.item(module, place);
                let open = (place..end).find(|place| self.tokens[*place].is("{")).unwrap_or(end);
                place = lex::after_group(self.tokens, open);
                continue;
            }
            if token.kind == Kind::Sign {
                match token.text.as_str() {
                    "{" | "(" | "[" => depth += 1,
                    "}" | ")" | "]" => depth = depth.saturating_sub(1),
                    _ => {}
                }
            } else if token.is("mod") && depth == 0 {
                place = self.child(module, place);
                continue;
            } else if token.kind == Kind::Word {
                if depth == 0 {
                    self.item(module, place);
                }
                place = self.path(module, place);
                continue;
            }
            place += 1;
        }
    }

    fn child(&mut self, module: &Module, place: usize) -> usize {
        let Some(name) = self.tokens.get(place + 1) else { return place + 1 };
        let child = [module.clone(), vec![name.text.clone()]].concat();
        let visibility = self.visibility(place);
        let inline = self.tokens.get(place + 2).is_some_and(|token| token.is("{"));
        if let Some(contents) = self.tree.modules.get_mut(&child) {
            contents.visibility = visibility;
        } else if inline {
            let contents =
                Contents { file: self.file.to_owned(), visibility, ..Contents::default() };
            self.tree.modules.insert(child.clone(), contents);
        }
        if !inline {
            return place + 2;
        }
        let end = lex::after_group(self.tokens, place + 2);
        self.module(&child, place + 3, end - 1);
        end
    }

    /// Records the item that the keyword at `place` defines.
    fn item(&mut self, module: &Module, place: usize) {
        let class = match self.tokens[place].text.as_str() {
            "struct" | "enum" | "trait" | "type" => Class::Type,
            "fn" | "const" | "static" => Class::Other,
            "macro_rules" => Class::Other,
            _ => return,
        };
        let name = self.tokens[place + 1..].iter().find(|token| !token.is("!") && !token.is("mut"));
        let Some(name) = name.filter(|name| name.kind == Kind::Word && name.text != "fn") else {
            return;
        };
        let mut first = place;
        while first > 0
            && ["const", "async", "unsafe", "extern"]
                .iter()
                .any(|word| self.tokens[first - 1].is(word))
        {
            first -= 1;
        }
        let item = Item { class, visibility: self.visibility(first), line: name.line };
        if let Some(contents) = self.tree.modules.get_mut(module) {
            contents.items.insert(name.text.clone(), item);
        }
    }

    /// Returns the visibility written before the keyword at `place`.
    fn visibility(&self, place: usize) -> Visibility {
        let before = |n: usize| place.checked_sub(n).and_then(|place| self.tokens.get(place));
        match before(1) {
            Some(token) if token.is("pub") => Visibility::Public,
            Some(token) if token.is(")") => {
                let open = (2..12).find(|n| before(*n).is_some_and(|token| token.is("(")));
                match open.and_then(|open| before(open + 1)) {
                    Some(token) if token.is("pub") => Visibility::Restricted,
                    _ => Visibility::Private,
                }
            }
            _ => Visibility::Private,
        }
    }

    fn import(&mut self, module: &Module, place: usize) -> usize {
        let visibility = self.visibility(place);
        let mut found = Vec::new();
        let end = self.branch(place + 1, &[], visibility, &mut found);
        if let Some(contents) = self.tree.modules.get_mut(module) {
            contents.imports.extend(found);
        }
        end
    }

    /// Reads one branch of a `use` tree.
    fn branch(
        &self,
        mut place: usize,
        prefix: &[String],
        visibility: Visibility,
        found: &mut Vec<Import>,
    ) -> usize {
        let mut path = prefix.to_vec();
        while let Some(token) = self.tokens.get(place) {
            if token.is("{") {
                let end = lex::after_group(self.tokens, place);
                place += 1;
                while place + 1 < end {
                    place = self.branch(place, &path, visibility, found);
                    place += usize::from(self.tokens[place].is(","));
                }
                return end;
            }
            if token.is("::") {
                place += 1;
                continue;
            }
            if token.kind != Kind::Word && !token.is("*") {
                break;
            }
            if token.is("as") {
                place += 1;
                let alias =
                    self.tokens.get(place).map_or_else(String::new, |token| token.text.clone());
                found.push(Import { path, name: alias, visibility, line: token.line });
                return place + 1;
            }
            if token.is("*") {
                found.push(Import { path, name: "*".to_owned(), visibility, line: token.line });
                return place + 1;
            }
            // In `{self, Thing}`, the word refers to the imported module; at the beginning of a
            // path, it refers to the current module.
            if !token.is("self") || path.is_empty() {
                path.push(token.text.clone());
            }
            place += 1;
            let goes_on = self.tokens.get(place).is_some_and(|next| next.is("::") || next.is("as"));
            if !goes_on {
                let name = path.last().cloned().unwrap_or_default();
                found.push(Import { path, name, visibility, line: token.line });
                return place;
            }
        }
        place + 1
    }

    /// Records the path that begins with the word at `place`.
    fn path(&mut self, module: &Module, place: usize) -> usize {
        let line = self.tokens[place].line;
        let mut path = vec![self.tokens[place].text.clone()];
        let mut end = place + 1;
        while self.tokens.get(end).is_some_and(|token| token.is("::"))
            && self.tokens.get(end + 1).is_some_and(|token| token.kind == Kind::Word)
        {
            path.push(self.tokens[end + 1].text.clone());
            end += 2;
        }
        let is_before = |n: usize, text: &str| place >= n && self.tokens[place - n].is(text);
        let is_continued = is_before(1, "::") || is_before(1, ".");
        let is_visibility = is_before(1, "in") && is_before(2, "(") && is_before(3, "pub");
        if path.len() > 1 && !is_continued && !is_visibility {
            self.tree.references.push(Reference { module: module.clone(), path, line });
        }
        end
    }
}
