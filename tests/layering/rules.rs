//! The rules. Each returns a sentence for every violation, with the files and lines at both ends.

use crate::lex::{self, Kind, Token};
use crate::tree::{Arrow, Class, Code, Module, Purpose, Target, Tree, Visibility};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The maximum length of functions and files, which keeps them readable at a glance.
const LONGEST_FUNCTION: usize = 70;
const LONGEST_FILE: usize = 700;

/// Returns the part of the crate to which a file belongs: `client` for `src/client/mod.rs`, `error`
/// for `src/error.rs`.
fn part(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split(['/', '.']).next().unwrap_or(inner)
}

/// Checks that a part uses only itself and the rows below its own, and not its neighbours.
pub(crate) fn upward(tree: &Tree, order: &[&[&str]]) -> Vec<String> {
    let rows: BTreeMap<&str, usize> = order
        .iter()
        .enumerate()
        .flat_map(|(row, parts)| parts.iter().map(move |part| (*part, row)))
        .collect();
    let mut breaches = Vec::new();
    for path in tree.modules.values().map(|contents| &contents.file).collect::<BTreeSet<_>>() {
        if !rows.contains_key(part(path)) {
            breaches
                .push(format!("{path}: `{}` has no place in the order of the parts", part(path)));
        }
    }
    let mut seen = BTreeSet::new();
    for arrow in tree.arrows() {
        let (from, to) = (part(&arrow.from), part(&arrow.to));
        let (Some(own), Some(other)) = (rows.get(from), rows.get(to)) else { continue };
        if from != to
            && own >= other
            && seen.insert((arrow.from.clone(), arrow.to.clone(), arrow.name.clone()))
        {
            let relation = if own == other { "stands in the same row as" } else { "stands below" };
            breaches.push(format!("{}: `{from}` {relation} `{to}`", shown(&arrow)));
        }
    }
    breaches
}

/// Checks that pure parts receive the time and all data as arguments, and do not open, wait for or
/// look up anything.
pub(crate) fn impure(tree: &Tree, pure: &[&str], forbidden: &[&[&str]]) -> Vec<String> {
    let mut breaches = Vec::new();
    for (path, text) in tree.files.iter().filter(|(path, _)| pure.contains(&part(path))) {
        let (tokens, _) = lex::without_tests(&lex::tokens(text));
        for (place, token) in tokens.iter().enumerate() {
            for words in forbidden {
                let follows = |(n, word): (usize, &&str)| {
                    tokens.get(place + 2 * n).is_some_and(|token| token.is(word))
                };
                let joined = (1..words.len())
                    .all(|n| tokens.get(place + 2 * n - 1).is_some_and(|sign| sign.is("::")));
                if joined && words.iter().enumerate().all(follows) {
                    breaches.push(format!(
                        "{path}:{}: `{}` in a pure part",
                        token.line,
                        words.join("::")
                    ));
                }
            }
        }
    }
    breaches
}

/// A file or, in a `mod.rs`, one item of it.
type Node = (String, String);

/// Returns one sentence for each group of files that use each other, with every edge of its
/// shortest cycle.
///
/// The items of a `mod.rs` are considered individually. Such a file often defines what its children
/// need and combines what they provide. This is a cycle only if one item does both, directly or
/// through others.
pub(crate) fn cycles(tree: &Tree) -> Vec<String> {
    let mut arrows: BTreeMap<(Node, Node), String> = BTreeMap::new();
    for arrow in tree.arrows().into_iter().filter(|arrow| arrow.purpose == Purpose::Use) {
        let to = (
            arrow.to.clone(),
            if collects(&arrow.to) { arrow.name.clone() } else { String::new() },
        );
        for item in users(tree, &arrow) {
            arrows.entry(((arrow.from.clone(), item), to.clone())).or_insert_with(|| shown(&arrow));
        }
    }
    for (file, items) in tree.code.iter().filter(|(file, _)| collects(file)) {
        for (user, used) in items.iter().flat_map(|user| items.iter().map(move |used| (user, used)))
        {
            if user.name != used.name && user.words.contains(&used.name) {
                let text =
                    format!("{file}:{} `{}` needs `{}`", user.lines.start(), user.name, used.name);
                arrows
                    .entry(((file.clone(), user.name.clone()), (file.clone(), used.name.clone())))
                    .or_insert(text);
            }
        }
    }
    let mut next: BTreeMap<&Node, Vec<&Node>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        next.entry(from).or_default().push(to);
    }
    let mut groups: BTreeMap<BTreeSet<&Node>, Vec<&Node>> = BTreeMap::new();
    for (from, to) in arrows.keys().filter(|(from, to)| from.0 != to.0) {
        let Some(cycle) = shortest_way(&next, to, from) else { continue };
        let shortest = groups.entry(group_of(&next, from)).or_insert_with(|| cycle.clone());
        if cycle.len() < shortest.len() {
            *shortest = cycle;
        }
    }
    let steps = |cycle: &[&Node]| {
        let pairs = cycle.iter().zip(cycle.iter().cycle().skip(1));
        pairs
            .filter_map(|(from, to)| arrows.get(&((*from).clone(), (*to).clone())))
            .map(|step| format!("\n    {step}"))
            .collect::<String>()
    };
    let mut breaches = Vec::new();
    for (group, cycle) in groups {
        let files: BTreeSet<&str> = group.iter().map(|(file, _)| file.as_str()).collect();
        let names = files.iter().copied().collect::<Vec<_>>().join(", ");
        breaches.push(format!("{} files use each other: {names}{}", files.len(), steps(&cycle)));
    }
    breaches
}

/// Returns whether a file collects the names of its children.
fn collects(path: &str) -> bool {
    path.ends_with("/mod.rs") || path == "src/lib.rs"
}

/// Returns the items at which an edge begins: those at its line or, for a `use` declaration, those
/// that mention an imported name.
fn users(tree: &Tree, arrow: &Arrow) -> Vec<String> {
    let items = tree.code.get(&arrow.from).filter(|_| collects(&arrow.from));
    let Some(items) = items else { return vec![String::new()] };
    let names = |filter: &dyn Fn(&Code) -> bool| -> Vec<String> {
        items.iter().filter(|item| filter(item)).map(|item| item.name.clone()).collect()
    };
    let at_line = names(&|item| item.lines.contains(&arrow.line));
    if at_line.is_empty() { names(&|item| item.words.contains(&arrow.alias)) } else { at_line }
}

/// Returns the shortest path between two nodes, including both.
fn shortest_way<'a>(
    next: &BTreeMap<&'a Node, Vec<&'a Node>>,
    from: &'a Node,
    to: &Node,
) -> Option<Vec<&'a Node>> {
    let mut seen = BTreeSet::from([from]);
    let mut ways = VecDeque::from([vec![from]]);
    while let Some(way) = ways.pop_front() {
        let last = *way.last()?;
        if last == to {
            return Some(way);
        }
        for step in next.get(last).into_iter().flatten().filter(|step| seen.insert(**step)) {
            ways.push_back([way.as_slice(), &[*step]].concat());
        }
    }
    None
}

/// Returns the nodes that `node` reaches and that reach it.
fn group_of<'a>(next: &BTreeMap<&'a Node, Vec<&'a Node>>, node: &'a Node) -> BTreeSet<&'a Node> {
    let reached = |start: &'a Node| {
        let mut seen = BTreeSet::new();
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            open.extend(next.get(node).into_iter().flatten().filter(|to| seen.insert(**to)));
        }
        seen
    };
    reached(node).into_iter().filter(|other| reached(other).contains(node)).collect()
}

fn shown(arrow: &Arrow) -> String {
    let verb = if arrow.purpose == Purpose::Use { "uses" } else { "passes on" };
    format!("{}:{} {verb} `{}` of {}", arrow.from, arrow.line, arrow.name, arrow.to)
}

pub(crate) fn lengths(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    for (path, text) in &tree.files {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            breaches.push(format!(
                "{path}:{LONGEST_FILE}: the file has {lines} lines, more than {LONGEST_FILE}"
            ));
        }
        let tokens = lex::tokens(text);
        for (place, name) in functions(&tokens) {
            let Some(end) = body_end(&tokens, place) else { continue };
            let (first, last) = (tokens[place].line, tokens[end].line);
            let lines = last - first + 1;
            if lines > LONGEST_FUNCTION {
                breaches.push(format!(
                    "{path}:{first}: `fn {name}` has {lines} lines (to line {last}), more than {LONGEST_FUNCTION}"
                ));
            }
        }
    }
    breaches
}

/// Returns the places of `fn` and the names after it.
fn functions(tokens: &[Token]) -> impl Iterator<Item = (usize, &str)> {
    tokens.windows(2).enumerate().filter_map(|(place, pair)| match pair {
        [keyword, name] if keyword.is("fn") && name.kind == Kind::Word => {
            Some((place, name.text.as_str()))
        }
        _ => None,
    })
}

/// Returns the closing brace of a function, or `None` if it is only declared.
fn body_end(tokens: &[Token], mut place: usize) -> Option<usize> {
    loop {
        let token = tokens.get(place)?;
        if token.is(";") {
            return None;
        } else if token.is("{") {
            return Some(lex::after_group(tokens, place) - 1);
        }
        place = if token.is("(") || token.is("[") {
            lex::after_group(tokens, place)
        } else {
            place + 1
        };
    }
}

/// The module file of a folder is `mod.rs` inside it.
pub(crate) fn twins(tree: &Tree) -> Vec<String> {
    let is_folder =
        |folder: &str| tree.files.keys().any(|path| path.starts_with(&format!("{folder}/")));
    let twin = |path: &&String| path.strip_suffix(".rs").is_some_and(is_folder);
    tree.files
        .keys()
        .filter(twin)
        .map(|path| {
            format!(
                "{path}:1: stands next to the folder {0}/, move it to {0}/mod.rs",
                path.trim_end_matches(".rs")
            )
        })
        .collect()
}

/// Public types that may share a name: the name, the modules that contain its definitions, and the
/// reason.
pub(crate) type Shared<'a> = (&'a str, &'a [&'a str], &'a str);

/// Checks that no two public types share a name, unless `allowed` contains a reason.
pub(crate) fn ambiguous(tree: &Tree, allowed: &[Shared<'_>]) -> Vec<String> {
    let mut breaches = Vec::new();
    let meanings = public_types(tree);
    for (name, owners) in meanings.iter().filter(|(_, owners)| owners.len() > 1) {
        let row = allowed.iter().find(|(allowed, ..)| allowed == name);
        // Two types in the same part also have two meanings.
        let covers =
            |module: &&&str| owners.iter().filter(|owner| is_below(owner, module)).count() == 1;
        let modules: Vec<_> =
            row.map(|(_, modules, _)| modules.iter().filter(covers).collect()).unwrap_or_default();
        let permitted = |owner: &Module| modules.iter().any(|module| is_below(owner, module));
        if !owners.iter().all(permitted) {
            let places: Vec<_> = owners.iter().map(|owner| place_of(tree, owner, name)).collect();
            breaches.push(format!(
                "the public type `{name}` has {} meanings: {}",
                owners.len(),
                places.join(", ")
            ));
        }
    }
    for (name, modules, reason) in allowed {
        let owners: Vec<_> = meanings.get(*name).into_iter().flatten().collect();
        for module in
            modules.iter().filter(|module| !owners.iter().any(|owner| is_below(owner, module)))
        {
            breaches
                .push(format!("`{module}` no longer has a public type `{name}`, so it needs no exception ({reason})"));
        }
    }
    breaches
}

/// Returns whether a module is the named one or inside it.
fn is_below(owner: &Module, module: &str) -> bool {
    let named: Vec<&str> = module.split("::").collect();
    owner.iter().map(String::as_str).take(named.len()).eq(named.iter().copied())
}

/// Returns the types in the crate's public modules, and the modules that define them.
fn public_types(tree: &Tree) -> BTreeMap<String, BTreeSet<Module>> {
    let mut found: BTreeMap<String, BTreeSet<Module>> = BTreeMap::new();
    let mut open: Vec<Module> = vec![Module::new()];
    let mut seen = BTreeSet::new();
    while let Some(module) = open.pop() {
        let Some(contents) = tree.modules.get(&module).filter(|_| seen.insert(module.clone()))
        else {
            continue;
        };
        open.extend(public_children(tree, &module));
        for (name, item) in &contents.items {
            if item.class == Class::Type && item.visibility == Visibility::Public {
                found.entry(name.clone()).or_default().insert(module.clone());
            }
        }
        for import in
            contents.imports.iter().filter(|import| import.visibility == Visibility::Public)
        {
            match tree.resolve(&module, &import.path) {
                Some(Target::Module(inner)) => open.push(inner),
                Some(Target::Item(owner, name)) if is_type(tree, &owner, &name) => {
                    found.entry(import.name.clone()).or_default().insert(owner);
                }
                _ => {}
            }
        }
    }
    found
}

fn public_children<'a>(tree: &'a Tree, module: &'a Module) -> impl Iterator<Item = Module> + 'a {
    tree.modules
        .iter()
        .filter(|(path, contents)| {
            path.len() == module.len() + 1
                && path.starts_with(module)
                && contents.visibility == Visibility::Public
        })
        .map(|(path, _)| path.clone())
}

/// Returns whether a name is a type. If no item of its module has this name, a macro generates it,
/// and its capital letter shows that it is a type or a variant.
fn is_type(tree: &Tree, module: &Module, name: &str) -> bool {
    match tree.modules.get(module).and_then(|contents| contents.items.get(name)) {
        Some(item) => item.class == Class::Type,
        None => name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase),
    }
}

/// Returns the file and the line of a type, or only the file if a macro generates the type.
fn place_of(tree: &Tree, module: &Module, name: &str) -> String {
    let Some(contents) = tree.modules.get(module) else { return module.join("::") };
    let line = contents.items.get(name).map_or_else(String::new, |item| format!(":{}", item.line));
    format!("{}{line}", contents.file)
}

/// Checks that every source file or folder exists that a document or a script mentions.
/// `sign/v4.rs` is short for `src/sign/v4.rs`.
pub(crate) fn missing_paths(
    document: &str,
    text: &str,
    exists: impl Fn(&str) -> bool,
) -> Vec<String> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || "_-./*".contains(c);
    let mut breaches = Vec::new();
    for (line, text) in text.lines().enumerate() {
        for word in text.split(|c| !in_path(c)) {
            let word = word.trim_start_matches("./");
            let word = word.split('*').next().unwrap_or(word).trim_end_matches(['.', '/', '-']);
            let is_short = word.ends_with(".rs")
                && word
                    .split_once('/')
                    .is_some_and(|(folder, _)| !exists(folder) && exists(&format!("src/{folder}")));
            // Other packages of the repository have their own `src`: `fuzz/src/lib.rs`.
            if (word.contains("src/") && !exists(word))
                || (is_short && !exists(&format!("src/{word}")))
            {
                breaches.push(format!("{document}:{}: `{word}` does not exist", line + 1));
            }
        }
    }
    breaches
}

/// Checks that every name such as `client::Client` exists that a document mentions. Paths that
/// begin with neither a part of the crate nor a file next to the document, whose text `neighbour`
/// returns, belong to other crates.
pub(crate) fn missing_names(
    tree: &Tree,
    document: &str,
    text: &str,
    neighbour: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut breaches = Vec::new();
    for (line, text) in text.lines().enumerate() {
        for word in text.split(|c| !in_name(c)).map(|word| word.trim_matches(':')) {
            let word = word.trim_start_matches("s3driver::");
            let path: Vec<String> = word.split("::").map(str::to_owned).collect();
            let [first, second, ..] = path.as_slice() else { continue };
            let known = match neighbour(first) {
                Some(text) => mentions(&text, second),
                None => !tree.modules.contains_key(&path[..1]) || is_known(tree, &path),
            };
            if !known {
                breaches.push(format!("{document}:{}: `{word}` does not exist", line + 1));
            }
        }
    }
    breaches
}

fn mentions(source: &str, name: &str) -> bool {
    lex::tokens(source).iter().any(|token| token.is(name))
}

/// Returns whether a path from the crate's root leads to a module, or to a name that the module's
/// file mentions.
fn is_known(tree: &Tree, path: &[String]) -> bool {
    match tree.resolve(&Module::new(), path) {
        Some(Target::Module(_)) => true,
        Some(Target::Item(owner, name)) => {
            let file = tree.modules.get(&owner).and_then(|contents| tree.files.get(&contents.file));
            file.is_some_and(|text| mentions(text, &name))
        }
        None => false,
    }
}
