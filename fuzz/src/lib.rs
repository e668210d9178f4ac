//! The bodies of the fuzz targets: one function for each parser of foreign bytes, which checks a
//! property that holds for every input. `tests/corpus.rs` replays every corpus on a stable
//! compiler.
#![doc = include_str!("../README.md")]
#![allow(clippy::missing_panics_doc, reason = "a panic is how a target reports")]

mod conversation;
mod credentials;
mod driver;
#[path = "../../tests/naive/mod.rs"]
#[allow(clippy::unwrap_used, reason = "written for tests")]
mod naive;
#[path = "../../tests/parsers/mod.rs"]
mod parsers;
mod signing;
mod times;
mod transport;
mod xml;
mod xml_results;

mod cloudfront;

pub use cloudfront::{cloudfront_pem, cloudfront_policy, ip_ranges};
pub use conversation::{conversation, converse};
pub use credentials::{credential_document, shared_files};
pub use driver::{driver_paths, endpoints, parameters, redirects};
pub use signing::{aws_chunked, canonical, explain, verify};
pub use times::times;
pub use transport::response_head;
pub use xml::{error_document, xml_listing, xml_readers, xml_writers};
pub use xml_results::xml_results;

/// A fuzz target. It panics when its property is violated.
pub type Target = fn(&[u8]);

/// Every target, with the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("aws_chunked", aws_chunked),
    ("canonical", canonical),
    ("cloudfront_pem", cloudfront_pem),
    ("cloudfront_policy", cloudfront_policy),
    ("conversation", conversation),
    ("credential_document", credential_document),
    ("driver_paths", driver_paths),
    ("endpoints", endpoints),
    ("error_document", error_document),
    ("explain", explain),
    ("ip_ranges", ip_ranges),
    ("parameters", parameters),
    ("redirects", redirects),
    ("response_head", response_head),
    ("shared_files", shared_files),
    ("times", times),
    ("verify", verify),
    ("xml_listing", xml_listing),
    ("xml_readers", xml_readers),
    ("xml_results", xml_results),
    ("xml_writers", xml_writers),
];

/// Defines the `main` of a target: libFuzzer's under cargo-fuzz, otherwise one that replays the
/// files named as arguments.
#[macro_export]
macro_rules! target {
    ($target:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $target(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            std::env::args_os().skip(1).try_for_each(|file| {
                $target(&std::fs::read(file)?);
                Ok(())
            })
        }
    };
}

/// Splits the input into lines of text, which keeps the corpora readable. A carriage return
/// represents a line break within a field.
fn lines(data: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(data).split('\n').map(|line| line.replace('\r', "\n")).collect()
}

/// Splits a line into `name=value` pairs at the separator.
fn pairs(line: &str, between: char) -> Vec<(String, String)> {
    line.split(between)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            pair.split_once('=')
                .map_or((pair.to_owned(), String::new()), |(n, v)| (n.to_owned(), v.to_owned()))
        })
        .collect()
}
