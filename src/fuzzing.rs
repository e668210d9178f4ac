//! What the fuzz targets in `fuzz/` reach behind the public interface. No part of the interface: the feature `fuzzing` may
//! change or go with every release.
pub use crate::credentials::fuzzing::{credential_document, shared_file};
pub use crate::transport::fuzzing::{Head, response_head};
