//! Compares the signers, the verifiers and the XML readers with published results, a second signer
//! and other parsers. Only the tests that use a server need the feature `client`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../naive/mod.rs"]
mod naive;
#[path = "../parsers/mod.rs"]
mod parsers;
mod suite;
#[cfg(feature = "client")]
#[path = "../support/mod.rs"]
mod support;

mod agreement;
mod documented;
mod explained;
mod mistakes;
mod published;
#[cfg(feature = "client")]
mod refused;
#[cfg(feature = "client")]
mod servers;
mod vectors;
mod verified;
mod xml_documents;
