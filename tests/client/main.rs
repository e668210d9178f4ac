//! Tests of the client, its transfers and its sources of credentials, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/planted.rs"]
mod planting;
#[path = "../faults/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[path = "../writing/mod.rs"]
mod writing;

mod checksums;
mod credentials;
mod embedded_server;
mod operations;
mod server_quirks;
mod sessions;
mod transfer;
