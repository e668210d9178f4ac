//! Reading and listing ahead on a long line. These tests count the threads of their process and
//! compare durations, so they share a process only with each other.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../line/mod.rs"]
mod line;

mod listing;
mod reading;
