//! What the fuzz targets in `fuzz/` reach behind the public interface. No part of the interface: the feature `fuzzing` may
//! change or go with every release.
pub use crate::client::fuzzing::{put_object_replayed, redirected, upload_part_replayed};
pub use crate::credentials::fuzzing::{credential_document, shared_file};
pub use crate::driver::fuzzing::path_of_key;
pub use crate::transport::fuzzing::{Head, response_head};
