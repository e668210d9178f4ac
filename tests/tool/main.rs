//! Tests of the command-line tool as a process: its results, JSON and exit codes, pipes, signals
//! and configurations. Like the other checks, they run against the embedded server or against the
//! server that the environment names.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod doctor;
mod ending;
mod files;
mod interposed;
mod moving;
mod objects;
mod policies;
mod registry;
mod removing;
mod resuming;
mod rig;
mod settings;
mod stalling;
mod standard;
mod urls;
