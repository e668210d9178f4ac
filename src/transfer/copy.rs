//! Copies on the server, in ranges.
use super::meter::Meter;
use super::{Transfer, Transferred, parallel};
use crate::Cancel;
use crate::client::{
    Client, CompletedUpload, Condition, CopySource, MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE, ObjectMeta,
    ObjectSettings, UploadRef, UploadedPart,
};
use crate::error::{Error, ErrorKind, Result};
use std::num::NonZeroUsize;
use std::ops::Range;

impl Transfer<'_> {
    /// Copies an object on the server, of any size and without downloading it; what is larger than a part in ranges,
    /// all of the same version. Replaces what is there whole or not at all.
    ///
    /// The copy is stored with `settings`; content headers and metadata that these do not name are the source's.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchKey`]; [`ErrorKind::PreconditionFailed`] when the source is not, or no more, the version asked
    /// for.
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
        if meta.size > self.part_size {
            let ranges =
                Ranges { chunk_size: self.part_size, concurrency: self.concurrency, done: &|bytes| meter.part(bytes) };
            let settings = with_metadata_of(settings, &meta);
            match copy_object_in_parts(&self.client, source, meta.size, (bucket, key), &settings, &ranges) {
                Ok(copy) => return Ok(Transferred { bytes: meta.size, parts: meter.parts(), etag: copy.etag }),
                // A server without UploadPartCopy may still know CopyObject.
                Err(error)
                    if meta.size <= MAX_PART_SIZE
                        && (error.kind() == ErrorKind::Protocol || error.status() == Some(501)) => {}
                Err(error) => return Err(error),
            }
        }
        let copy = self.client.copy_object(source, bucket, key, settings)?;
        meter.part(meta.size);
        Ok(Transferred { bytes: meta.size, parts: 1, etag: copy.etag })
    }
}

/// CopyObject takes the source's metadata along; an upload in parts has to be told them.
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
pub(crate) struct Ranges<'a> {
    /// Bytes of one range; more where there would be too many.
    pub(crate) chunk_size: u64,
    /// Ranges in flight at once.
    pub(crate) concurrency: NonZeroUsize,
    /// Told the bytes of each range that has been copied.
    pub(crate) done: &'a (dyn Fn(u64) + Sync),
}

/// Copies an object of `size` bytes in parts, replacing what is at the target (bucket and key) whole or not at all. With
/// [`CopySource::if_match`] all parts are of one version.
///
/// A copy that fails is aborted, unless its completion may have happened.
pub(crate) fn copy_object_in_parts(
    client: &Client,
    source: CopySource<'_>,
    size: u64,
    (bucket, key): (&str, &str),
    settings: &ObjectSettings,
    ranges: &Ranges<'_>,
) -> Result<CompletedUpload> {
    let pieces = cut(size, ranges.chunk_size)?;
    let upload_id = client.create_multipart_upload(bucket, key, settings)?;
    let upload = UploadRef { bucket, key, upload_id: &upload_id };
    copy_parts(client, source, &pieces, upload, ranges.concurrency, ranges.done)
        .and_then(|parts| client.complete_multipart_upload(upload, &parts, &Condition::Always))
        .map_err(|error| abort_after(client, upload, error))
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

/// Throws away the parts of a failed upload and gives the failure back.
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
