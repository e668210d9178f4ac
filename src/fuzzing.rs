//! Private functions that the fuzz targets in `fuzz/` call. They are not part of the public
//! interface: the feature `fuzzing` may change or disappear in any release.
pub use crate::client::fuzzing::{
    BodyOpener, put_object_replayed, redirected, upload_part_replayed,
};
pub use crate::credentials::fuzzing::{credential_document, shared_file};
pub use crate::driver::fuzzing::path_of_key;
pub use crate::transport::fuzzing::{Head, response_head};
