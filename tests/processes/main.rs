//! Tests that run this program again, once for each process that they kill, measure or isolate. The
//! server runs in the first process, so that only the client is measured.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "log")]
#[path = "../support/planted.rs"]
mod planting;
#[path = "../faults/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[path = "../writing/mod.rs"]
mod writing;

mod killed;
#[cfg(target_os = "linux")]
mod load;
#[cfg(feature = "log")]
mod logging;
#[cfg(all(target_os = "linux", feature = "cloudfront"))]
mod memory;
mod soak;
mod writers;
