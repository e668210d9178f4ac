//! Applies each rule to planted sources, in which it must find the violations and nothing else.

use crate::lex;
use crate::rules::{self, Shared};
use crate::tree::{Purpose, Tree};

const ORDER: &[&[&str]] = &[&["lib"], &["top"], &["left", "right"], &["ground"]];

fn tree(sources: &[(&str, &str)]) -> Tree {
    Tree::new(sources.iter().copied())
}

#[track_caller]
fn assert_breaches(breaches: &[String], expected: &[&str]) {
    let found = breaches.iter().zip(expected).all(|(breach, part)| breach.contains(part));
    assert!(breaches.len() == expected.len() && found, "{breaches:#?}\nexpected {expected:#?}");
}

fn words(source: &str) -> Vec<String> {
    lex::without_tests(&lex::tokens(source)).0.into_iter().map(|token| token.text).collect()
}

#[test]
fn comments_and_strings_are_not_code() {
    for (source, expected) in [
        ("a // crate::b\nc", vec!["a", "c"]),
        ("a /* x /* y */ z */ b", vec!["a", "b"]),
        (r#"a("crate::b \" c")"#, vec!["a", "(", r#""crate::b \" c""#, ")"]),
        ("r##\"a\"# b\"## c", vec!["r##\"a\"# b\"##", "c"]),
        ("'a' 'b '\\'' b'{' '\\u{7b}'", vec!["'a'", "'b", "'\\''", "b'{'", "'\\u{7b}'"]),
        ("r#type::b", vec!["type", "::", "b"]),
        ("raw::b rb c", vec!["raw", "::", "b", "rb", "c"]),
    ] {
        assert_eq!(words(source), expected, "{source}");
    }
    let lines: Vec<_> =
        lex::tokens("a\n\"x\ny\"\n/* \n */ b").iter().map(|token| token.line).collect();
    assert_eq!(lines, [1, 2, 5]);
}

#[test]
fn code_of_unit_tests_is_left_out() {
    for (source, expected) in [
        ("#[cfg(test)] mod tests { use crate::a; } b", vec!["b"]),
        ("#[cfg(test)] #[allow(x)] fn f<A, B>(a: [u8; 2]) -> A { a } b", vec!["b"]),
        ("#[cfg(test)] use crate::{a, b}; c", vec!["c"]),
        ("struct S { #[cfg(test)] a: u8, b: u8 }", vec!["struct", "S", "{", "b", ":", "u8", "}"]),
        ("#[cfg(all(test, unix))] const A: u8 = 1; b", vec!["b"]),
        ("#[cfg(not(test))] a", vec!["#", "[", "cfg", "(", "not", "(", "test", ")", ")", "]", "a"]),
    ] {
        assert_eq!(words(source), expected, "{source}");
    }
    let (_, modules) = lex::without_tests(&lex::tokens("#[cfg(test)]\nmod cases;\nmod other;"));
    assert_eq!(modules, ["cases"]);
}

#[test]
fn names_are_followed_to_the_file_that_defines_them() {
    let tree = tree(&[
        ("src/lib.rs", "pub mod top; mod ground; pub use ground::Deep as Renamed;"),
        (
            "src/top.rs",
            "use crate::Renamed;\nuse crate::ground::{self, other};\nfn f() { ground::call(); other::Thing::new() }",
        ),
        ("src/ground/mod.rs", "mod deep;\npub mod other;\npub use self::deep::*;"),
        ("src/ground/deep.rs", "pub struct Deep;\npub fn call() { super::other::g() }"),
        (
            "src/ground/other.rs",
            "pub struct Thing;\npub fn g() {}\n#[cfg(test)] mod tests { use crate::top::f; }",
        ),
    ]);
    let arrows: Vec<_> = tree
        .arrows()
        .into_iter()
        .filter(|arrow| arrow.name != "*")
        .map(|arrow| {
            format!("{}:{} {} {} {:?}", arrow.from, arrow.line, arrow.name, arrow.to, arrow.purpose)
        })
        .collect();
    assert_eq!(
        arrows,
        [
            "src/ground/deep.rs:2 g src/ground/other.rs Use",
            "src/lib.rs:1 Deep src/ground/deep.rs Reexport",
            "src/top.rs:1 Deep src/ground/deep.rs Use",
            "src/top.rs:3 call src/ground/deep.rs Use",
            "src/top.rs:3 Thing src/ground/other.rs Use",
        ]
    );
}

#[test]
fn passing_a_name_on_is_not_a_use_unless_the_code_needs_it() {
    for (code, purpose) in [
        ("pub use self::child::Thing;", Purpose::Reexport),
        ("pub(crate) use self::child::Thing;", Purpose::Reexport),
        ("pub use self::child::Thing;\nfn f(thing: &Thing) {}", Purpose::Use),
        ("use self::child::Thing;", Purpose::Use),
        ("fn f() { child::Thing::new() }", Purpose::Use),
    ] {
        let tree = tree(&[("src/a/mod.rs", code), ("src/a/child.rs", "pub struct Thing;")]);
        let purposes: Vec<_> = tree.arrows().iter().map(|arrow| arrow.purpose).collect();
        assert!(
            !purposes.is_empty() && purposes.iter().all(|found| *found == purpose),
            "{code}: {purposes:?}"
        );
    }
}

#[test]
fn an_arrow_upward_is_found() {
    let sources = |ground: &'static str, left: &'static str| {
        tree(&[
            ("src/lib.rs", "mod top; mod left; mod right; mod ground;"),
            ("src/top.rs", "pub struct Top;\nuse crate::left::Left;"),
            ("src/left/mod.rs", left),
            ("src/right.rs", "pub struct Right;\nuse crate::ground::Ground;"),
            ("src/ground.rs", ground),
        ])
    };
    let (ground, left) = ("pub struct Ground;", "pub struct Left;");
    assert_breaches(&rules::upward(&sources(ground, left), ORDER), &[]);
    assert_breaches(
        &rules::upward(&sources("\nuse crate::top::Top;", left), ORDER),
        &["src/ground.rs:2 uses `Top` of src/top.rs: `ground` stands below `top`"],
    );
    assert_breaches(
        &rules::upward(&sources("fn f() {\n  crate::top::Top::g() }", left), ORDER),
        &["src/ground.rs:2 uses `Top` of src/top.rs"],
    );
    assert_breaches(
        &rules::upward(&sources(ground, "pub use crate::right::Right;"), ORDER),
        &[
            "src/left/mod.rs:1 passes on `Right` of src/right.rs: `left` stands in the same row as `right`",
        ],
    );
    assert_breaches(
        &rules::upward(&sources(ground, "#[cfg(test)]\nmod tests { use crate::top::Top; }"), ORDER),
        &[],
    );
    assert_breaches(
        &rules::upward(&tree(&[("src/lib.rs", ""), ("src/attic.rs", "")]), ORDER),
        &["src/attic.rs: `attic` has no place"],
    );
}

#[test]
fn a_clock_in_a_pure_part_is_found() {
    let breaches = |code| {
        rules::impure(
            &tree(&[("src/left.rs", code)]),
            &["left"],
            &[&["std", "fs"], &["Instant", "now"]],
        )
    };
    assert_breaches(&breaches("fn f() {\n Instant::now(); }"), &["src/left.rs:2: `Instant::now`"]);
    assert_breaches(&breaches("use std::fs::File;"), &["src/left.rs:1: `std::fs`"]);
    assert_breaches(
        &breaches(
            "use std::fmt; fn now(fs: Instant) {} // std::fs\n#[cfg(test)] mod t { use std::fs; }",
        ),
        &[],
    );
}

#[test]
fn a_cycle_is_found() {
    let breaches = |one, two, three| {
        let sources = [
            ("src/a/mod.rs", "mod one; mod two; mod three;"),
            ("src/a/one.rs", one),
            ("src/a/two.rs", two),
        ];
        rules::cycles(&tree(&[&sources[..], &[("src/a/three.rs", three)]].concat()))
    };
    let one = "use super::two::Two;\npub struct One;";
    assert_breaches(&breaches(one, "pub struct Two;", ""), &[]);
    assert_breaches(
        &breaches(one, "pub struct Two;\nfn f() { super::one::One::new() }", ""),
        &["2 files use each other: src/a/one.rs, src/a/two.rs\n    \
           src/a/two.rs:2 uses `One` of src/a/one.rs\n    \
           src/a/one.rs:1 uses `Two` of src/a/two.rs"],
    );
    let three = "pub struct Three;\nuse super::one::One;";
    assert_breaches(
        &breaches(one, "pub struct Two;\nuse super::three::Three;", three),
        &["3 files use each other: src/a/one.rs, src/a/three.rs, src/a/two.rs\n"],
    );
    let test = "pub struct Two;\n#[cfg(test)] mod tests { use super::super::one::One; }";
    assert_breaches(&breaches(one, test, ""), &[]);
}

#[test]
fn a_mod_file_may_define_and_assemble_but_not_in_one_item() {
    let breaches = |parent| {
        let child = "use super::Shared;\npub fn make(shared: &Shared) {}";
        rules::cycles(&tree(&[("src/a/mod.rs", parent), ("src/a/child.rs", child)]))
    };
    let both = [
        "mod child;\npub struct Shared;\npub fn run() { child::make(&Shared) }",
        "mod child;\npub use child::make;\npub struct Shared;",
    ];
    for parent in both {
        assert_breaches(&breaches(parent), &[]);
    }
    // A method or a field with the name of an item is not that item.
    assert_breaches(
        &breaches("mod child;\npub struct Shared { run: u8 }\nfn run() { child::make(&Shared) }"),
        &[],
    );
    for parent in [
        "mod child;\npub struct Shared;\nimpl Shared { fn f(&self) { child::make(self) } }",
        "mod child;\nuse child::make;\npub struct Shared;\nimpl<T> From<T> for Shared { fn f(&self) { make(self) } }",
        "mod child;\npub struct Shared;\nimpl Shared { fn f(&self) { run() } }\nfn run() { child::make(&x) }",
    ] {
        assert_breaches(
            &breaches(parent),
            &["2 files use each other: src/a/child.rs, src/a/mod.rs\n"],
        );
    }
}

#[test]
fn long_functions_and_files_are_found() {
    let function = |lines: usize| {
        format!("fn short() {{}}\nfn long(a: [u8; 2])\nwhere A: B {{\n{}}}\n", "x;\n".repeat(lines))
    };
    assert_breaches(&rules::lengths(&Tree::new([("src/a.rs", function(67))])), &[]);
    assert_breaches(
        &rules::lengths(&Tree::new([("src/a.rs", function(68))])),
        &["src/a.rs:2: `fn long` has 71 lines (to line 72), more than 70"],
    );
    assert_breaches(&rules::lengths(&Tree::new([("src/a.rs", "\n".repeat(700))])), &[]);
    assert_breaches(
        &rules::lengths(&Tree::new([("src/a.rs", "\n".repeat(701))])),
        &["src/a.rs:700: the file has 701 lines"],
    );
}

#[test]
fn a_file_next_to_its_folder_is_found() {
    assert_breaches(
        &rules::twins(&tree(&[("src/a/mod.rs", ""), ("src/a/b.rs", ""), ("src/ab.rs", "")])),
        &[],
    );
    assert_breaches(
        &rules::twins(&tree(&[("src/a.rs", ""), ("src/a/b.rs", "")])),
        &["src/a.rs:1: stands next to the folder src/a/, move it to src/a/mod.rs"],
    );
}

#[test]
fn a_public_name_with_two_meanings_is_found() {
    let sources = |right: &'static str| {
        tree(&[
            (
                "src/lib.rs",
                "pub mod left; pub mod right; mod ground; pub use left::Options as LeftOptions;",
            ),
            ("src/left/mod.rs", "mod inner; pub use self::inner::Options;"),
            ("src/left/inner.rs", "pub struct Options;"),
            ("src/right.rs", right),
            ("src/ground.rs", "pub struct Options; pub struct Body;"),
        ])
    };
    let two = ["the public type `Options` has 2 meanings: src/left/inner.rs:1, src/right.rs:1"];
    for private in [
        "struct Options;",
        "pub(crate) enum Options {}",
        "pub fn options() {}",
        "pub use crate::left::Options;",
    ] {
        assert_breaches(&rules::ambiguous(&sources(private), &[]), &[]);
    }
    for public in ["pub enum Options {}", "pub trait Options {}", "pub type Options = u8;"] {
        assert_breaches(&rules::ambiguous(&sources(public), &[]), &two);
    }
    // A type of a private module that a public one re-exports, and a type that a macro generates.
    assert_breaches(
        &rules::ambiguous(&sources("pub use crate::ground::Options;"), &[]),
        &["2 meanings"],
    );
    assert_breaches(
        &rules::ambiguous(&sources("words! { Options }\npub use self::Options;"), &[]),
        &["2 meanings"],
    );
    fn row<'a>(modules: &'a [&'a str]) -> [Shared<'a>; 1] {
        [("Options", modules, "they are alike")]
    }
    assert_breaches(
        &rules::ambiguous(&sources("pub enum Options {}"), &row(&["left::inner", "right"])),
        &[],
    );
    assert_breaches(&rules::ambiguous(&sources("pub enum Options {}"), &row(&["right"])), &two);
    let twice = "pub enum Options {}\npub mod inner { pub enum Options {} }";
    assert_breaches(&rules::ambiguous(&sources(twice), &row(&["left", "right"])), &["3 meanings"]);
    assert_breaches(
        &rules::ambiguous(&sources(""), &row(&["left", "right"])),
        &["`right` no longer has a public type `Options`"],
    );
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    let exists = |path: &str| ["src", "src/a.rs", "src/xml", "fuzz/src/lib.rs"].contains(&path);
    let text = "see [a](src/a.rs), `src/xml/**`, ./src/, fuzz/src/lib.rs and resrc.\n`src/gone.rs`: gone, src/xml/gone/*.rs";
    assert_breaches(
        &rules::missing_paths("README.md", text, exists),
        &[
            "README.md:2: `src/gone.rs` does not exist",
            "README.md:2: `src/xml/gone` does not exist",
        ],
    );
    let short = "`xml/gone.rs`, other/gone.rs, xml/gone";
    assert_breaches(
        &rules::missing_paths("README.md", short, exists),
        &["README.md:1: `xml/gone.rs` does not exist"],
    );
}

#[test]
fn a_name_that_does_not_exist_is_found() {
    let tree = tree(&[
        ("src/lib.rs", "pub mod left;"),
        ("src/left/mod.rs", "mod inner; pub use self::inner::Options; words! { Colour }"),
        ("src/left/inner.rs", "pub struct Options;"),
    ]);
    let neighbour =
        |name: &str| (name == "faults").then(|| "#[test] fn reset() {} // gone".to_owned());
    let text = "`left::Options`, s3driver::left::Colour, `left::Options::new`, `other::gone`, faults::reset, left: x\n\
                `left::Gone::new` `faults::gone`";
    assert_breaches(
        &rules::missing_names(&tree, "README.md", text, neighbour),
        &[
            "README.md:2: `left::Gone::new` does not exist",
            "README.md:2: `faults::gone` does not exist",
        ],
    );
}
