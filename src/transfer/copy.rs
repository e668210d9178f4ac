//! Copies on the server, in ranges.
use super::parallel;
use crate::client::{
    Client, CompletedUpload, Condition, CopySource, MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE, ObjectSettings, UploadRef,
    UploadedPart,
};
use crate::error::{Error, ErrorKind, Result};
use std::num::NonZeroUsize;
use std::ops::Range;

/// Copies an object of `size` bytes in parts, replacing what is at `to` (bucket and key) whole or not at all. Set
/// [`CopySource::if_match`], or the parts may be of different versions.
///
/// A copy that fails is aborted, unless its completion may have happened.
pub(crate) fn copy_object_in_parts(
    client: &Client,
    source: CopySource<'_>,
    size: u64,
    (bucket, key): (&str, &str),
    settings: &ObjectSettings,
    chunk_size: u64,
    concurrency: NonZeroUsize,
) -> Result<CompletedUpload> {
    let ranges = cut(size, chunk_size)?;
    let upload_id = client.create_multipart_upload(bucket, key, settings)?;
    let upload = UploadRef { bucket, key, upload_id: &upload_id };
    copy_parts(client, source, &ranges, upload, concurrency)
        .and_then(|parts| client.complete_multipart_upload(upload, &parts, &Condition::Always))
        .map_err(|error| abort_after(client, upload, error))
}

/// Copies ranges of `source` as the parts of `upload`, the first as part 1.
pub(crate) fn copy_parts(
    client: &Client,
    source: CopySource<'_>,
    ranges: &[Range<u64>],
    upload: UploadRef<'_>,
    concurrency: NonZeroUsize,
) -> Result<Vec<UploadedPart>> {
    let (client, cancel) = client.with_child_cancel();
    parallel::for_each(ranges.len(), concurrency, &cancel, |index| {
        client.upload_part_copy(source, ranges[index].clone(), upload, part_number(index))
    })
}

/// The number of the part at `index`.
pub(super) fn part_number(index: usize) -> u32 {
    // Never more than 10,001: the client refuses what is above the limit.
    u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1))
}

/// `size` bytes in parts of `chunk_size`, or of more where that would make more than 10,000.
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
    // A token that ended the upload must not keep its parts from being removed.
    match client.with_cancel(&crate::Cancel::new()).abort_multipart_upload(upload) {
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
