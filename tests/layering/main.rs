//! Checks the structure of `src/`: parts use only the parts below them, there are no cycles, no
//! function or file is too long, and each public name has a single meaning.
//!
//! A use is a `use` declaration, or a path in code such as `super::retry::pause`. Names are
//! resolved through `pub use` to the file that defines them, so `use super::Context` is a use of
//! `context.rs`. A file that only re-exports a name (`pub use child::Name`, without any other
//! mention) does not use the child. Importing a module is not a use of it, but the paths through it
//! are. Methods are not resolved, since they do not need an import. The code of unit tests is
//! exempt, and so are the bodies of macros, whose paths belong to the places where the macro is
//! used.
//!
//! A `mod.rs` collects the names of its children, defines what they share, and combines what they
//! provide. Its items are considered individually (an `impl` belongs to its type): it is part of a
//! cycle only if a child uses an item that uses the child, directly or through other items.

mod bounds;
mod lex;
mod planted;
mod rules;
mod tree;

use rules::Shared;
use std::fs;
use std::path::{Path, PathBuf};
use tree::Tree;

/// The parts of the crate from top to bottom. A part may use the rows below its own, not its
/// neighbours. `docs/design.md` shows the same rows.
const ORDER: &[&[&str]] = &[
    &["lib", "fuzzing"],
    &["middleware", "conformance"],
    &["driver"],
    &["transfer"],
    &["client"],
    &["credentials"],
    &["cloudfront", "transport", "sign", "xml"],
    &["net", "observe"],
    &["error", "duration", "clock", "sync"],
    &["text", "time", "cancel", "files", "bounds"],
];

/// Parts whose results depend only on their arguments.
const PURE: &[&str] = &["sign", "xml", "net", "text", "duration", "time"];

/// Names that a pure part must not use: the clock, files, sockets, threads and the process.
const IMPURE: &[&[&str]] = &[
    &["crate", "clock"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "process"],
    &["std", "thread"],
    &["Instant", "now"],
    &["SystemTime", "now"],
    &["TcpStream"],
    &["ToSocketAddrs"],
];

/// Public types that share a name.
const SHARED_NAMES: &[Shared<'_>] = &[(
    "Error",
    &["error", "sign", "xml"],
    "the signer and the reader are usable alone, and their errors have neither a bucket nor a retry to report",
)];

/// Historical documents, which may mention paths that no longer exist.
const HISTORY: &[&str] = &["CHANGELOG.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Collects the files below `folder`.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn name(path: &Path) -> String {
    let inner = path.strip_prefix(root()).expect("a path below the root");
    inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The folder of the command-line tool. It is a separate crate, which the compiler restricts to the
/// public interface.
const TOOL: &str = "src/bin/s3driver/";

/// Returns the names and texts of the sources below `src/`.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let text = |path: &PathBuf| fs::read_to_string(path).expect("source text");
    found.iter().map(|path| (name(path), text(path))).collect()
}

fn crate_tree() -> Tree {
    let tree = Tree::new(sources().into_iter().filter(|(name, _)| !name.starts_with(TOOL)));
    assert!(tree.modules.len() > 50 && tree.arrows().len() > 200, "the sources were read");
    tree
}

/// Returns the sources of the tool, with the names that they would have in a library.
fn tool_tree() -> Tree {
    let named = |(name, text): (String, String)| match name.strip_prefix(TOOL)? {
        "main.rs" => Some(("src/lib.rs".to_owned(), text)),
        inner => Some((format!("src/{inner}"), text)),
    };
    let tree = Tree::new(sources().into_iter().filter_map(named));
    assert!(tree.modules.len() > 20 && tree.arrows().len() > 50, "the tool was read");
    tree
}

#[track_caller]
fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "{} breaches\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn no_part_uses_one_above_it() {
    assert_none(&rules::upward(&crate_tree(), ORDER));
}

#[test]
fn the_design_shows_the_same_order() {
    let design = fs::read_to_string(root().join("docs/design.md")).expect("docs/design.md");
    let rows: Vec<_> = ORDER.iter().map(|parts| parts.join(" ")).collect();
    let block = format!("```text\n{}\n```", rows.join("\n"));
    assert!(
        design.contains(&block),
        "docs/design.md does not show the order of the parts:\n{block}"
    );
}

#[test]
fn pure_parts_use_no_clock_files_or_sockets() {
    assert_none(&rules::impure(&crate_tree(), PURE, IMPURE));
}

#[test]
fn no_files_use_each_other_in_a_cycle() {
    assert_none(&rules::cycles(&crate_tree()));
}

#[test]
fn functions_and_files_are_short() {
    assert_none(&rules::lengths(&crate_tree()));
}

#[test]
fn the_tool_has_no_cycles_and_is_short() {
    let tree = tool_tree();
    let breaches = [rules::cycles(&tree), rules::lengths(&tree), rules::twins(&tree)].concat();
    assert_none(&breaches);
}

#[test]
fn every_folder_has_its_own_file_inside() {
    assert_none(&rules::twins(&crate_tree()));
}

#[test]
fn public_type_names_have_one_meaning() {
    assert_none(&rules::ambiguous(&crate_tree(), SHARED_NAMES));
}

/// Returns the documents and scripts of the repository, by path, except historical documents.
fn documents() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["scripts", ".ci", "docs", "tests", "fuzz", "benches", "examples"] {
        let folder = root().join(folder);
        if folder.is_dir() {
            files(&folder, &mut found);
        }
    }
    found.extend(
        fs::read_dir(root()).expect("the root").map(|entry| entry.expect("an entry").path()),
    );
    let is_script = |name: &str| name.starts_with("scripts/") || name.starts_with(".ci/");
    let documents: Vec<_> = found
        .iter()
        .map(|path| (name(path), path))
        .filter(|(name, _)| {
            (name.ends_with(".md") || is_script(name)) && !HISTORY.contains(&name.as_str())
        })
        .filter_map(|(name, path)| Some((name, fs::read_to_string(path).ok()?)))
        .collect();
    for expected in ["README.md", "SECURITY.md", "docs/design.md", "tests/faults/README.md"] {
        assert!(documents.iter().any(|(name, _)| name == expected), "{expected} was not read");
    }
    documents
}

#[test]
fn documents_and_scripts_name_existing_paths() {
    let exists = |path: &str| root().join(path).exists();
    let breaches =
        documents().into_iter().flat_map(|(name, text)| rules::missing_paths(&name, &text, exists));
    assert_none(&breaches.collect::<Vec<_>>());
}

#[test]
fn documents_name_existing_modules_types_and_tests() {
    let tree = crate_tree();
    let documents = documents().into_iter().filter(|(name, _)| name.ends_with(".md"));
    let breaches = documents.flat_map(|(name, text)| {
        let folder = root().join(&name).parent().map(Path::to_path_buf).unwrap_or_default();
        rules::missing_names(&tree, &name, &text, |module| {
            fs::read_to_string(folder.join(format!("{module}.rs"))).ok()
        })
    });
    assert_none(&breaches.collect::<Vec<_>>());
}
