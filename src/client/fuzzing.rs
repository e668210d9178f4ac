//! The parts of the client that the fuzz targets call: where redirects lead, and uploads whose body
//! can be opened again.
use super::endpoint::Located;
use super::{Client, ObjectSettings, Part, PutResult, UploadRef};
use crate::error::Result;
use std::io::Read;

/// Opens a body from its first byte.
pub type BodyOpener<'a> = dyn Fn() -> Box<dyn Read + 'a> + Sync + 'a;

/// Returns the place that a `Location` sends a request for `bucket` to, if it may be followed.
pub fn redirected(from: &Located, location: &str, bucket: &str) -> Option<Located> {
    from.redirected(location, bucket)
}

/// Stores an object from a reader that is opened again for each attempt.
pub fn put_object_replayed<'a>(
    client: &Client,
    bucket: &str,
    key: &str,
    open: &'a BodyOpener<'a>,
    length: u64,
) -> Result<PutResult> {
    client.put_object_replayed(bucket, key, &|_| open(), length, &ObjectSettings::default())
}

/// Sends a part from a reader that is opened again for each attempt.
pub fn upload_part_replayed<'a>(
    client: &Client,
    upload: UploadRef<'_>,
    open: &'a BodyOpener<'a>,
    length: u64,
) -> Result<Part> {
    client.upload_part_from(upload, 1, &|_| open(), length)
}
