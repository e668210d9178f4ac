//! The parts of an unfinished upload that are stored on the server.
use crate::client::{Client, Part, UploadRef, md5_of_etag};
use crate::error::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The maximum total size of an upload's parts: 8 EiB, which leaves room for the bytes of a
/// checkpoint. AWS's limit is 48.8 TiB; other servers permit more.
const MAX_UPLOAD_BYTES: u64 = i64::MAX as u64;

/// Returns whether a part on the server verifiably has this size and the MD5 that `md5` computes.
/// ETags that are not MD5s do not prove anything.
pub(crate) fn has_content(
    part: &Part,
    size: u64,
    md5: impl FnOnce() -> Result<[u8; 16]>,
) -> Result<bool> {
    match md5_of_etag(&part.etag) {
        Some(etag) if part.size == size => Ok(md5()? == etag),
        _ => Ok(false),
    }
}

/// Returns all parts of an upload by number. The sum of their sizes does not overflow.
pub(crate) fn parts_of(client: &Client, upload: UploadRef<'_>) -> Result<BTreeMap<u32, Part>> {
    let mut parts = BTreeMap::<u32, Part>::new();
    for part in client.parts(upload) {
        let part = part?;
        // SeaweedFS also lists a part that was replaced. A writer only replaces parts with longer
        // ones, so the longer one is kept.
        match parts.entry(part.part_number) {
            Entry::Occupied(known) if known.get().size > part.size => {}
            Entry::Occupied(mut known) => drop(known.insert(part)),
            Entry::Vacant(free) => drop(free.insert(part)),
        }
    }
    let sizes = parts.values().try_fold(0_u64, |sum, part: &Part| sum.checked_add(part.size));
    if sizes.is_none_or(|size| size > MAX_UPLOAD_BYTES) {
        let text = format!(
            "the server's sizes of the upload's parts make more than {MAX_UPLOAD_BYTES} bytes"
        );
        return Err(Error::new(ErrorKind::Protocol, text)
            .with_operation("ListParts")
            .with_key(upload.key));
    }
    Ok(parts)
}
