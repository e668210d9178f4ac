//! Tests of the storage driver, its writers and its parameters, and of a registry that uses it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "conformance")]
#[allow(dead_code, reason = "the example's `main` is not run here")]
#[path = "../../examples/folder_driver.rs"]
mod folder_driver;
#[cfg(feature = "serde")]
mod registry_config;
#[path = "../../examples/registry/service/mod.rs"]
mod service;
#[path = "../support/mod.rs"]
mod support;
#[path = "../writing/mod.rs"]
mod writing;

mod behaviour;
#[cfg(feature = "conformance")]
mod conformance;
mod go_driver;
mod parameters;
#[cfg(feature = "serde")]
mod parameters_serde;
mod registry_day;
mod registry_http;
mod write_stream;
mod writer;
mod writer_servers;
