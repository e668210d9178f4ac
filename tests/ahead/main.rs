//! Tests of reading and listing ahead over a connection with a high latency. They count the threads
//! of their process and compare durations, so they share a process only with each other.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../line/mod.rs"]
mod line;

mod listing;
mod reading;
mod writing;
