//! Judges the embedded server.

mod support;
