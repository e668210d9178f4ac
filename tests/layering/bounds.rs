//! Lists every place where the crate reserves memory, sums or narrows numbers, reads to the end of
//! an input, or loops, with the limit that applies there. `src/bounds.rs` states the rule. A new
//! place fails this test until it has a row with its limit.

use crate::lex::{self, Kind, Token};
use crate::tree::Tree;
use std::collections::BTreeMap;

/// A kind of place, and how it is recognized.
type Pattern = (&'static str, fn(&[Token]) -> bool);

/// The kinds of places that need a reviewed limit.
const PATTERNS: &[Pattern] = &[
    ("with_capacity", |tokens| is_call(tokens, &["with_capacity"])),
    ("reserve", |tokens| {
        is_call(tokens, &["reserve", "reserve_exact", "try_reserve", "try_reserve_exact"])
    }),
    ("resize", |tokens| is_call(tokens, &["resize", "resize_with", "set_len"])),
    ("vec![value; size]", is_sized_vec),
    ("repeat", |tokens| is_call(tokens, &["repeat"])),
    (
        "sum",
        |tokens| matches!(tokens, [dot, name, ..] if dot.is(".") && (name.is("sum") || name.is("product"))),
    ),
    ("as", is_narrowing),
    ("read_to_end", |tokens| is_call(tokens, &["read_to_end", "read_to_string"])),
    (
        "fs::read",
        |tokens| matches!(tokens, [fs, path, name, ..] if fs.is("fs") && path.is("::") && name.text.starts_with("read")),
    ),
    ("loop", |tokens| matches!(tokens, [word, brace, ..] if word.is("loop") && brace.is("{"))),
];

/// The reviewed places: file, pattern, maximum number, and the limit that applies.
const REVIEWED: &[(&str, &str, usize, &str)] = &[
    ("src/bounds.rs", "reserve", 1, "the bytes that arrived, or MAX_RESERVE"),
    ("src/bounds.rs", "resize", 1, "at most MAX_RESERVE beyond what arrived"),
    ("src/client/call.rs", "with_capacity", 1, "the headers of this client's request"),
    ("src/client/checksum.rs", "sum", 1, "a field named sum"),
    ("src/client/endpoint/located.rs", "with_capacity", 1, "the length of a text in memory"),
    ("src/client/put_from.rs", "read_to_end", 1, "the caller's length, at most HELD_BODY"),
    ("src/client/put_from.rs", "with_capacity", 1, "the caller's length, at most HELD_BODY"),
    ("src/client/reply.rs", "read_to_end", 3, "the limit that each call passes"),
    ("src/cloudfront/key.rs", "read_to_end", 1, "MAX_PEM_BYTES, a constant"),
    ("src/cloudfront/key.rs", "with_capacity", 1, "MAX_PEM_BYTES, a constant"),
    ("src/cloudfront/pem.rs", "with_capacity", 1, "the length of a text in memory"),
    ("src/cloudfront/policy.rs", "as", 1, "a constant, and to a wider type"),
    ("src/credentials/http.rs", "read_to_end", 1, "DOCUMENT_LIMIT, a constant"),
    (
        "src/credentials/process.rs",
        "read_to_end",
        2,
        "DOCUMENT_LIMIT, a constant; a line from the kernel",
    ),
    (
        "src/credentials/process.rs",
        "fs::read",
        2,
        "lines and lists of the kernel, of which MAX_MEMBERS are kept",
    ),
    ("src/credentials/process.rs", "with_capacity", 1, "DOCUMENT_LIMIT, a constant"),
    ("src/credentials/sts.rs", "reserve", 1, "the length of a text in memory"),
    (
        "src/driver/memory.rs",
        "read_to_end",
        1,
        "the caller's reader, into a driver that keeps everything in memory",
    ),
    (
        "src/driver/memory.rs",
        "reserve",
        1,
        "the caller's offset, with an error if the memory is not available",
    ),
    ("src/driver/memory.rs", "resize", 1, "the caller's offset, which was reserved before"),
    ("src/client/send.rs", "with_capacity", 1, "the headers of this client's request"),
    ("src/client/store.rs", "sum", 2, "a checksum, not an addition"),
    ("src/transport/names.rs", "with_capacity", 1, "MAX_ADDRESSES, a constant"),
    ("src/transport/stream.rs", "with_capacity", 1, "MAX_JOINED, a constant"),
    ("src/transport/probe.rs", "read_to_end", 1, "a response of this process, cut at two bytes"),
    ("src/driver/s3/writer/resume.rs", "as", 1, "from 32 bits to at least as many"),
    ("src/driver/provided.rs", "vec![value; size]", 1, "PIECE, a constant"),
    (
        "src/driver/provided.rs",
        "repeat",
        1,
        "zeros up to the caller's offset, never in memory at once",
    ),
    ("src/transfer/delete.rs", "with_capacity", 1, "one batch, a constant"),
    ("src/driver/s3/mod.rs", "as", 1, "a constant on machines where it fits"),
    ("src/driver/s3/store.rs", "read_to_end", 1, "MAX_CERTIFICATES, a constant"),
    (
        "src/driver/s3/write_stream.rs",
        "repeat",
        1,
        "zeros up to the caller's offset, never in memory at once",
    ),
    (
        "src/transfer/stream/content.rs",
        "reserve",
        1,
        "a part of at most MAX_PART_SIZE, with an error if the memory is not available",
    ),
    ("src/transfer/stream/buffer.rs", "reserve", 1, "a part, see content.rs"),
    ("src/transfer/stream/content.rs", "vec![value; size]", 3, "BLOCK, a constant"),
    ("src/transfer/stream/content.rs", "read_to_end", 1, "the room that is left in a part"),
    ("src/driver/s3/writer/mod.rs", "read_to_end", 1, "one byte, a constant"),
    ("src/driver/s3/writer/mod.rs", "with_capacity", 1, "one byte, a constant"),
    ("src/duration.rs", "as", 1, "the number of digits, of which a text has few"),
    ("src/files.rs", "read_to_end", 1, "the limit that each call passes"),
    ("src/files.rs", "with_capacity", 1, "the limit that each call passes"),
    ("src/text/redaction.rs", "vec![value; size]", 1, "the length of a text in memory"),
    ("src/text/redaction.rs", "with_capacity", 2, "the length of a text in memory"),
    ("src/text/value.rs", "with_capacity", 1, "the length of a text in memory"),
    ("src/middleware/cloudfront/fetch.rs", "read_to_end", 1, "the limit that each call passes"),
    ("src/net/percent.rs", "with_capacity", 1, "the length of a text in memory"),
    ("src/sign/canonical.rs", "reserve", 1, "the caller's request, in memory"),
    ("src/sign/canonical.rs", "sum", 1, "the caller's request, in memory"),
    ("src/sign/canonical.rs", "with_capacity", 7, "the caller's request, in memory"),
    ("src/sign/chunked/body.rs", "as", 1, "a chunk of at most MAX_CHUNK_SIZE"),
    ("src/sign/chunked/body.rs", "resize", 1, "a chunk of at most MAX_CHUNK_SIZE"),
    ("src/sign/chunked/signer.rs", "with_capacity", 1, "the length of a text in memory"),
    ("src/sign/encode.rs", "as", 2, "a byte as an index of a table of 256"),
    ("src/sign/encode.rs", "sum", 1, "the length of a text in memory"),
    ("src/sign/encode.rs", "with_capacity", 3, "the length of a text in memory"),
    ("src/sign/redact.rs", "with_capacity", 2, "the length of a text in memory"),
    ("src/sign/v2/mod.rs", "reserve", 1, "PRESIGNED_PARAMETERS_BYTES, a constant"),
    ("src/sign/v2/mod.rs", "with_capacity", 1, "the length of a text in memory"),
    ("src/sign/v4/header.rs", "with_capacity", 2, "TEXT_CAPACITY, a constant"),
    ("src/sign/v4/key.rs", "with_capacity", 2, "the length of a text in memory"),
    ("src/sign/v4/query.rs", "with_capacity", 2, "64 bytes and six parameters, constants"),
    ("src/sign/v4a.rs", "with_capacity", 1, "the length of a text in memory"),
    ("src/time.rs", "as", 4, "digits and parts of a date, all below 100"),
    ("src/time.rs", "with_capacity", 3, "the width of a date, a constant"),
    (
        "src/transfer/download.rs",
        "resize",
        1,
        "the length of a sparse file, which takes no space before it is written",
    ),
    ("src/transfer/download.rs", "vec![value; size]", 3, "BLOCK, a constant"),
    ("src/transfer/file.rs", "resize", 1, "the length of a file, which is only shortened"),
    ("src/transfer/read_ahead/ranges.rs", "as", 1, "a constant that fits everywhere"),
    (
        "src/transfer/read_ahead/ranges.rs",
        "resize",
        2,
        "the window of requests, which the memory limit bounds",
    ),
    ("src/transfer/read_ahead/ranges.rs", "vec![value; size]", 1, "BLOCK, a constant"),
    ("src/transfer/resume.rs", "vec![value; size]", 1, "BLOCK, a constant"),
    (
        "src/transfer/differences.rs",
        "fs::read",
        1,
        "the names of a folder, each of which is kept for the comparison",
    ),
    ("src/transfer/seek.rs", "resize", 1, "BLOCK, a constant"),
    (
        "src/transfer/stream/writer.rs",
        "read_to_end",
        2,
        "one byte, and what is left of a buffer that is allocated already",
    ),
    ("src/transfer/stream/writer.rs", "with_capacity", 1, "one byte, a constant"),
    ("src/transport/connection.rs", "resize", 1, "the head of a response, at most MAX_HEAD"),
    ("src/transport/connection.rs", "vec![value; size]", 1, "READ_AHEAD, a constant"),
    ("src/transport/exchange.rs", "resize", 1, "BLOCK, a constant"),
    ("src/transport/probe.rs", "read_to_end", 1, "a response of this process, cut at two bytes"),
    (
        "src/transport/head.rs",
        "with_capacity",
        2,
        "a head that arrived, with at most MAX_HEADERS fields",
    ),
    ("src/transport/probe.rs", "read_to_end", 1, "a response of this process, cut at two bytes"),
    ("src/transport/tls.rs", "resize", 1, "what rustls asks for one record"),
    ("src/transport/tls.rs", "vec![value; size]", 1, "INBOUND, a constant"),
    ("src/transport/probe.rs", "read_to_end", 1, "a response of this process, cut at two bytes"),
    ("src/xml/percent.rs", "with_capacity", 1, "the length of a text in memory"),
    ("src/xml/scan.rs", "as", 1, "the number of a bit in a word"),
    ("src/xml/write.rs", "sum", 2, "the parts or keys of a request, in memory"),
    ("src/xml/write.rs", "with_capacity", 1, "the parts or keys of a request, in memory"),
];

/// The files with a `loop`, and the reason why it ends. Their number is not checked.
const LOOPS: &[(&str, &str)] = &[
    ("src/client/admission/mod.rs", "ends with a place, or at the deadline"),
    ("src/client/body.rs", "ends after the announced length, or with the caller's reader"),
    ("src/client/call.rs", "ends after the attempts of the retry policy"),
    ("src/client/object.rs", "ends after the attempts of the retry policy"),
    ("src/client/read.rs", "each turn yields bytes, breaks that count, or the end"),
    ("src/credentials/cache.rs", "ends with credentials, a failure or a cancelled wait"),
    ("src/credentials/http.rs", "ends after the attempts of the policy, or at the deadline"),
    ("src/credentials/metadata.rs", "ends after two tokens, or the attempts of the policy"),
    ("src/credentials/process.rs", "ends with the process, or at the deadline"),
    ("src/credentials/profile/mod.rs", "follows each profile once"),
    ("src/client/entries.rs", "each turn takes a page of pages that end"),
    ("src/client/delete.rs", "ends after the rounds of the retry policy"),
    ("src/client/outcome.rs", "ends after the rounds of the retry policy"),
    ("src/driver/s3/mod.rs", "lists once with a size, and once without"),
    ("src/driver/provided.rs", "each turn takes a piece of a reader"),
    ("src/driver/s3/uploads.rs", "each turn takes an upload of pages that end"),
    (
        "src/driver/s3/writer/resume.rs",
        "each turn removes an upload from a list of at most UPLOADS_OF_A_KEY",
    ),
    (
        "src/transfer/stream/sender.rs",
        "ends with the parts that were sent, whose requests have deadlines",
    ),
    ("src/middleware/cloudfront/refresh.rs", "waits between rounds, and ends with its owner"),
    ("src/sign/chunked/body.rs", "each turn takes bytes of the caller's body"),
    ("src/sign/verify/chunks.rs", "each turn takes a line of the body in memory"),
    ("src/sign/verify/policy.rs", "each turn takes characters of a policy in memory"),
    ("src/transfer/download.rs", "each turn takes bytes of a range whose length is checked"),
    ("src/transfer/parallel.rs", "each turn takes the next of the caller's pieces"),
    ("src/transfer/read_ahead/ranges.rs", "waits for ranges whose requests have deadlines"),
    ("src/transfer/shards/mod.rs", "waits for pages, whose listings end"),
    ("src/transport/agent.rs", "each interruption checks the limits of the caller"),
    (
        "src/transfer/stream/content.rs",
        "each turn takes bytes of a reader or of a file, until its end or a limit",
    ),
    (
        "src/transfer/stream/writer.rs",
        "each turn takes bytes of the caller's reader, until its end",
    ),
    ("src/transport/body.rs", "each turn takes bytes under a deadline and a limit"),
    ("src/transport/connect.rs", "waits for the result of a thread, under a deadline"),
    ("src/transport/connection.rs", "reads a head of at most MAX_HEAD bytes under a deadline"),
    (
        "src/transport/exchange.rs",
        "each turn moves bytes under a deadline, or takes one of at most MAX_INTERIM responses",
    ),
    ("src/transport/pool.rs", "each turn takes a connection out of the pool"),
    ("src/transport/race.rs", "each turn takes an address or a result, under a deadline"),
    ("src/transport/tls.rs", "each turn moves records under a deadline"),
    ("src/transport/wait.rs", "ends with the event, or at the deadline"),
    ("src/xml/location.rs", "each turn takes an event of a document in memory"),
    ("src/xml/reader.rs", "each turn takes a token of a document in memory"),
    ("src/xml/tokens.rs", "each turn takes characters of a document in memory"),
];

/// Returns whether the tokens are a call of a function or method with one of these names.
fn is_call(tokens: &[Token], names: &[&str]) -> bool {
    let [before, name, open, ..] = tokens else { return false };
    let is_called = before.is(".") || before.is("::");
    is_called && open.is("(") && name.kind == Kind::Word && names.contains(&name.text.as_str())
}

fn is_sized_vec(tokens: &[Token]) -> bool {
    let [name, bang, bracket, ..] = tokens else { return false };
    if !(name.is("vec") && bang.is("!") && bracket.is("[")) {
        return false;
    }
    let group = &tokens[2..lex::after_group(tokens, 2)];
    let mut depth = 0_usize;
    group.iter().any(|token| {
        match token.text.as_str() {
            "[" | "(" | "{" if token.kind == Kind::Sign => depth += 1,
            "]" | ")" | "}" if token.kind == Kind::Sign => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 1 && token.is(";")
    })
}

/// Returns whether the tokens are a conversion that can silently lose bits.
fn is_narrowing(tokens: &[Token]) -> bool {
    const NARROW: [&str; 9] = ["usize", "u8", "u16", "u32", "i8", "i16", "i32", "i64", "isize"];
    matches!(tokens, [word, name, ..] if word.is("as") && NARROW.iter().any(|narrow| name.is(narrow)))
}

/// Returns the line numbers of the places for each file and pattern.
fn places(tree: &Tree) -> BTreeMap<(String, &'static str), Vec<usize>> {
    let mut found: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    // The conformance suite runs in tests and chooses its own sizes.
    let is_reviewed =
        |path: &str| !path.contains("/tests") && !path.starts_with("src/conformance/");
    for (path, text) in tree.files.iter().filter(|(path, _)| is_reviewed(path)) {
        let (tokens, _) = lex::without_tests(&lex::tokens(text));
        for place in 0..tokens.len() {
            for (name, _) in PATTERNS.iter().filter(|(_, matches)| matches(&tokens[place..])) {
                found.entry((path.clone(), *name)).or_default().push(tokens[place].line);
            }
        }
    }
    found
}

fn breaches(
    tree: &Tree,
    reviewed: &[(&str, &str, usize, &str)],
    loops: &[(&str, &str)],
) -> Vec<String> {
    let mut found = places(tree);
    let mut breaches = Vec::new();
    for (path, pattern, count, reason) in reviewed {
        let place = PATTERNS
            .iter()
            .find(|(name, _)| name == pattern)
            .map(|(name, _)| ((*path).to_owned(), *name));
        let lines = place.and_then(|place| found.remove(&place)).unwrap_or_default();
        if lines.len() > *count || !tree.files.contains_key(*path) {
            breaches.push(format!("{path}: `{pattern}` at the lines {lines:?}, {count} reviewed"));
        }
        if reason.split(' ').count() < 3 {
            breaches.push(format!("{path}: `{pattern}` has no reason"));
        }
    }
    for (path, reason) in loops {
        found.remove(&((*path).to_owned(), "loop"));
        if !tree.files.contains_key(*path) || reason.split(' ').count() < 3 {
            breaches.push(format!("{path}: the file does not exist, or its `loop` has no reason"));
        }
    }
    breaches.extend(found.into_iter().map(|((path, pattern), lines)| {
        format!("{path}: `{pattern}` at the lines {lines:?}, not reviewed")
    }));
    breaches
}

#[test]
fn sizes_from_outside_have_named_bounds() {
    crate::assert_none(&breaches(&crate::crate_tree(), REVIEWED, LOOPS));
}

#[test]
fn unreviewed_places_are_found() {
    let planted = [
        ("with_capacity", "fn f(n: usize) { Vec::<u8>::with_capacity(n); }"),
        ("reserve", "fn f(v: &mut Vec<u8>, n: usize) { v.reserve(n); }"),
        ("reserve", "fn f(v: &mut Vec<u8>, n: usize) { v.try_reserve_exact(n); }"),
        ("resize", "fn f(v: &mut Vec<u8>, n: usize) { v.resize(n, 0); }"),
        ("vec![value; size]", "fn f(n: usize) { vec![vec![(1; 2)]; n]; }"),
        ("repeat", "fn f(n: usize) { \"x\".repeat(n); }"),
        ("sum", "fn f(v: &[u64]) -> u64 { v.iter().sum() }"),
        ("sum", "fn f(v: &[u64]) { v.iter().product::<u64>(); }"),
        ("as", "fn f(n: u64) -> usize { n as usize }"),
        ("read_to_end", "fn f(r: &mut dyn Read, v: &mut Vec<u8>) { r.read_to_end(v); }"),
        ("fs::read", "fn f() { std::fs::read(\"x\"); }"),
    ];
    for (pattern, source) in planted {
        let tree = Tree::new([("src/lib.rs", source)]);
        assert_eq!(
            places(&tree).keys().map(|(_, found)| *found).collect::<Vec<_>>(),
            [pattern],
            "{source}"
        );
        assert_eq!(breaches(&tree, &[], &[]).len(), 1, "{source}");
        assert_eq!(
            breaches(&tree, &[("src/lib.rs", pattern, 1, "bounded by a constant")], &[]),
            [""; 0],
            "{source}"
        );
        let twice = Tree::new([("src/lib.rs", format!("{source} mod a {{ {source} }}"))]);
        assert_eq!(
            breaches(&twice, &[("src/lib.rs", pattern, 1, "bounded by a constant")], &[]).len(),
            1,
            "{source}"
        );
        assert_eq!(
            breaches(&tree, &[("src/a.rs", pattern, 1, "bounded by a constant")], &[]).len(),
            2,
            "{source}"
        );
        assert_eq!(breaches(&tree, &[("src/lib.rs", pattern, 1, "")], &[]).len(), 1, "{source}");
    }
    let endless = Tree::new([("src/lib.rs", "fn f() { loop {} }")]);
    assert_eq!(breaches(&endless, &[], &[]).len(), 1);
    assert_eq!(breaches(&endless, &[], &[("src/lib.rs", "ends with the test")]), [""; 0]);
    assert_eq!(breaches(&endless, &[], &[("src/lib.rs", "")]).len(), 1);
    let innocent = "// v.reserve(n)\nfn f(v: &[u8]) { vec![1, 2]; v.len() as u64; \"loop {\"; }\n\
                    #[cfg(test)]\nmod tests { fn g(n: usize) { vec![0; n]; } }";
    assert!(places(&Tree::new([("src/lib.rs", innocent)])).is_empty());
}
