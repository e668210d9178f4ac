//! URLs and what they consist of: one parser for each rule.
pub(crate) mod url;
