//! Copies on the server, in ranges.
use super::meter::Meter;
use super::{Transfer, Transferred, parallel};
use crate::Cancel;
use crate::client::{
    Client, Condition, CopySource, MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE, ObjectMeta, ObjectSettings, UploadRef,
    UploadedPart,
};
use crate::error::{Error, ErrorKind, Result};
use std::num::NonZeroUsize;
use std::ops::Range;

impl Transfer<'_> {
    /// Copies an object on the server, of any size and without downloading it. An object larger than a part is copied in
    /// ranges, all of the same version. Replaces what is there whole or not at all.
    ///
    /// The copy is stored with `settings`; content headers and metadata that these do not name are the source's.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchKey`]; [`ErrorKind::PreconditionFailed`] when the source is not, or is no longer, the requested
    /// version.
    pub fn copy(
        &self,
        source: CopySource<'_>,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> Result<Transferred> {
        let meta = self.client.head_object(source.bucket, source.key)?;
        let source = CopySource { if_match: source.if_match.or(meta.etag.as_deref()), ..source };
        let meter = Meter::new(&self.client, self.progress, meta.size);
        let ranges =
            CopyRanges { threshold: self.part_size, chunk_size: self.part_size, concurrency: self.concurrency };
        copy_any_size(&self.client, source, &meta, (bucket, key), settings, ranges, &|bytes| meter.part(bytes))
    }
}

/// Adds the source's metadata, which CopyObject keeps by itself and an upload in parts must be given.
fn with_metadata_of(settings: &ObjectSettings, meta: &ObjectMeta) -> ObjectSettings {
    let mut settings = settings.clone();
    if settings.content_type.is_none() {
        settings.content_type.clone_from(&meta.content_type);
    }
    if settings.metadata.is_empty() {
        settings.metadata.clone_from(&meta.metadata);
    }
    settings
}

/// How an object is copied in ranges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopyRanges {
    /// Objects of up to this many bytes are copied in one request.
    pub(crate) threshold: u64,
    /// Bytes of one range; more where there would be too many.
    pub(crate) chunk_size: u64,
    /// Ranges in flight at once.
    pub(crate) concurrency: NonZeroUsize,
}

/// Copies an object of any size to the target (bucket and key), replacing what is there whole or not at all: with one
/// CopyObject up to the threshold, in parts above, and with CopyObject again where the server cannot copy parts and the
/// object has no more than 5 GiB. `meta` is what the server said of the source. With [`CopySource::if_match`] all parts
/// are of one version.
pub(crate) fn copy_any_size(
    client: &Client,
    source: CopySource<'_>,
    meta: &ObjectMeta,
    (bucket, key): (&str, &str),
    settings: &ObjectSettings,
    ranges: CopyRanges,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Transferred> {
    let in_parts = || {
        let pieces = cut(meta.size, ranges.chunk_size)?;
        let upload_id = client.create_multipart_upload(bucket, key, &with_metadata_of(settings, meta))?;
        let upload = UploadRef { bucket, key, upload_id: &upload_id };
        let copy = copy_parts(client, source, &pieces, upload, ranges.concurrency, done)
            .and_then(|parts| client.complete_multipart_upload(upload, &parts, &Condition::Always))
            .map_err(|error| abort_after(client, upload, error))?;
        let parts = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        Ok(Transferred { bytes: meta.size, parts, etag: copy.etag })
    };
    if meta.size > MAX_PART_SIZE || (meta.size > ranges.threshold && may_be_copied_in_parts(source.key)) {
        match in_parts() {
            Err(error) if meta.size <= MAX_PART_SIZE && cannot_copy_parts(&error) => {}
            copied => return copied,
        }
    }
    let copy = client.copy_object(source, bucket, key, settings)?;
    done(meta.size);
    Ok(Transferred { bytes: meta.size, parts: 1, etag: copy.etag })
}

/// Whether `error`, of a part's copy, means that the server does not have UploadPartCopy. Some servers say so; rclone
/// responds with 200, copies nothing and returns no ETag.
pub(crate) fn cannot_copy_parts(error: &Error) -> bool {
    error.kind() == ErrorKind::Protocol || error.status() == Some(501)
}

/// Whether every server that has UploadPartCopy can copy from this key. Ceph decodes the source twice and fails with some
/// percent signs.
pub(crate) fn may_be_copied_in_parts(key: &str) -> bool {
    !key.contains('%')
}

/// Copies `pieces` of `source` as the parts of `upload`, the first as part 1.
pub(crate) fn copy_parts(
    client: &Client,
    source: CopySource<'_>,
    pieces: &[Range<u64>],
    upload: UploadRef<'_>,
    concurrency: NonZeroUsize,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Vec<UploadedPart>> {
    let (client, cancel) = client.with_child_cancel();
    parallel::for_each(pieces.len(), concurrency, &cancel, |index| {
        let part = client.upload_part_copy(source, pieces[index].clone(), upload, part_number(index))?;
        done(part.size);
        Ok(part)
    })
}

/// The number of the part at `index`.
pub(super) fn part_number(index: usize) -> u32 {
    // The client refuses what is above the limit.
    u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1))
}

/// `size` bytes in pieces of `chunk_size`, or of more where that would make more than 10,000.
pub(super) fn cut(size: u64, chunk_size: u64) -> Result<Vec<Range<u64>>> {
    let chunk = chunk_size.max(size.div_ceil(u64::from(MAX_PARTS))).max(MIN_PART_SIZE);
    if chunk > MAX_PART_SIZE {
        let text = format!("{size} bytes are more than {MAX_PARTS} parts of {MAX_PART_SIZE} bytes");
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok((0..size.div_ceil(chunk)).map(|index| index * chunk..(index * chunk + chunk).min(size)).collect())
}

/// Discards the parts of a failed upload and returns the failure.
pub(super) fn abort_after(client: &Client, upload: UploadRef<'_>, error: Error) -> Error {
    if error.kind() == ErrorKind::OutcomeUnknown {
        return error;
    }
    // The token that ended the upload must not keep its parts from being removed.
    match client.with_cancel(&Cancel::new()).abort_multipart_upload(upload) {
        Ok(()) => error,
        Err(second) => error.with_others(vec![second]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once_within_the_limits() {
        for (size, chunk) in [(1, 5 << 20), (5 << 20, 5 << 20), ((5 << 20) + 1, 5 << 20), (1 << 40, 32 << 20)] {
            let ranges = cut(size, chunk).expect("within the limits");
            assert!(ranges.len() <= 10_000);
            assert_eq!(ranges[0].start, 0);
            assert_eq!(ranges[ranges.len() - 1].end, size);
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(ranges[..ranges.len() - 1].iter().all(|range| range.end - range.start >= MIN_PART_SIZE));
        }
        assert_eq!(cut(50_000 << 30, 1).expect("the largest object").len(), 10_000);
        assert_eq!(cut((50_000 << 30) + 1, 1).expect_err("too large").kind(), ErrorKind::InvalidArgument);
    }
}
