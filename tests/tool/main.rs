//! The command-line tool as a process: its results, JSON and exit codes, pipes, signals and
//! configurations. Runs against the embedded server or, as the other checks, against the one that
//! the environment names.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod doctor;
mod ending;
mod files;
mod objects;
mod policies;
mod registry;
mod rig;
mod settings;
mod stalling;
mod urls;
