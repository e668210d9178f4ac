//! Tests of CloudFront's keys, policies and signed URLs, and of the middlewares that return URLs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "client")]
#[path = "../../src/net/forms.rs"]
mod forms;
mod memory;

#[cfg(feature = "client")]
mod fetch;
mod middleware;
mod rewriting;
mod signer;
#[cfg(feature = "client")]
mod urls;
