//! Copies objects on the server, in ranges.
use super::delete_copied::check_not_replaced;
use super::meter::Meter;
use super::{Transfer, Transferred, parallel};
use crate::Cancel;
use crate::client::endpoint::may_be_same_bucket;
use crate::client::{
    ByteRange, Client, Condition, CopySource, GetObject, MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE,
    ObjectMeta, ObjectSettings, Part, SameContent, UploadRef, VersionSelector, lacks_operation,
};
use crate::error::{Error, ErrorKind, Result, catch_panic};
use std::num::NonZeroUsize;
use std::ops::Range;

impl Transfer<'_> {
    /// Copies an object of any size on the server, without downloading it. An object larger than a
    /// part is copied in ranges, all of the same version. An existing object is replaced completely
    /// or not at all.
    ///
    /// The copy is stored with `settings`; content headers and metadata that these do not name are
    /// taken from the source.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchKey`]; [`ErrorKind::PreconditionFailed`] if the source is not, or is no
    /// longer, the requested version.
    pub fn copy(
        &self,
        source: CopySource<'_>,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> Result<Transferred> {
        self.copy_version(source, bucket, key, settings).map(|(copy, _)| copy)
    }

    /// Moves an object of any size on the server: copies it like [`Transfer::copy`], and deletes
    /// the source like [`Transfer::delete_copied`]. The source and the target each consist of a
    /// bucket and a key.
    ///
    /// If both keys are equal, the source is examined again before it is deleted, because a server
    /// may have several names for one bucket. An object that the copy has replaced is kept.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if both are or may be the same object: the keys are equal,
    /// and so are the buckets, or they may be names of one bucket ([`may_be_same_bucket`]).
    /// [`ErrorKind::Conflict`] if another program, or the copy itself, has replaced the source in
    /// the meantime, in which case its new content is kept. The errors of [`Transfer::copy`] and
    /// [`Transfer::delete_copied`].
    ///
    /// [`may_be_same_bucket`]: crate::client::endpoint::may_be_same_bucket
    pub fn move_object(
        &self,
        (bucket, key): (&str, &str),
        target: (&str, &str),
        settings: &ObjectSettings,
    ) -> Result<Transferred> {
        let has_equal_key = key == target.1;
        if has_equal_key && may_be_same_bucket(bucket, target.0) {
            return Err(moved_to_itself((bucket, key), target.0));
        }
        let source = CopySource::new(bucket, key);
        let (copy, meta) = self.copy_version(source, target.0, target.1, settings)?;
        if has_equal_key {
            check_not_replaced(&self.client, (bucket, key), &meta)?;
        }
        self.delete_copied(bucket, key, meta.etag.as_deref())?;
        Ok(copy)
    }

    /// Copies an object. Also returns the description of the version that was copied.
    fn copy_version(
        &self,
        source: CopySource<'_>,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> Result<(Transferred, ObjectMeta)> {
        let request = GetObject {
            condition: source.condition.clone(),
            version_id: source.version_id.map(str::to_owned),
            ..GetObject::default()
        };
        let reader = self.client.with_key(source.customer_key);
        let meta = reader.head_object(source.bucket, source.key, &request)?;
        // All ranges are of the version that met the condition.
        let same = meta.etag.clone().map(Condition::IfMatch);
        let source = source.condition(same.as_ref().unwrap_or(source.condition));
        let meter = Meter::new(&self.client, self.progress, meta.size);
        let ranges = CopyRanges {
            threshold: self.part_size,
            chunk_size: self.part_size,
            concurrency: self.concurrency,
        };
        let target = (bucket, key);
        let count = |bytes| meter.part(bytes);
        let copy = copy_any_size(&self.client, source, &meta, target, settings, ranges, &count)?;
        Ok((copy, meta))
    }
}

/// Returns the error for a move to what is or may be the same object.
fn moved_to_itself((bucket, key): (&str, &str), target: &str) -> Error {
    let error = if bucket == target {
        Error::new(ErrorKind::InvalidArgument, "an object cannot be moved to itself")
    } else {
        let text = format!(
            "the object was not moved: the keys are equal, and {bucket} and {target} may be names \
             of the same bucket: an access point does not show its bucket, and a tenant may be that \
             of the credentials"
        );
        Error::new(ErrorKind::InvalidArgument, text)
            .with_hint("name the buckets themselves, or copy the object and delete it afterwards")
    };
    error.with_bucket(bucket).with_key(key)
}

/// Adds the source's metadata and tags, which CopyObject keeps by itself but a multipart upload
/// does not.
fn with_metadata_of(
    client: &Client,
    source: CopySource<'_>,
    settings: &ObjectSettings,
    meta: &ObjectMeta,
) -> Result<ObjectSettings> {
    let mut settings = settings.clone();
    // S3 only states the number to those who may read the tags.
    if settings.tags.is_empty() && meta.tag_count.is_some_and(|count| count > 0) {
        let version = VersionSelector { version_id: source.version_id.map(str::to_owned) };
        settings.tags = client.get_object_tagging(source.bucket, source.key, &version)?;
    }
    settings.with_description_of(meta).map_err(|error| {
        error.with_operation("CopyObject").with_bucket(source.bucket).with_key(source.key)
    })
}

/// The settings for copying an object in ranges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopyRanges {
    /// Objects of up to this many bytes are copied in one request.
    pub(crate) threshold: u64,
    /// The size of one range, which is larger if there would be too many.
    pub(crate) chunk_size: u64,
    /// The number of ranges in flight.
    pub(crate) concurrency: NonZeroUsize,
}

/// The size of one part, and the number of parts in flight, of an object that passes through this
/// process: at most 32 MiB are held in memory.
const RELAYED_PART: u64 = 8 << 20;
const RELAYS: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

/// Copies an object of any size to the target (bucket and key), and replaces an existing object
/// completely or not at all. Up to the threshold, this takes one CopyObject; a larger object is
/// copied in parts. If the server cannot copy parts, and the object has at most 5 GiB, CopyObject
/// is used instead, as for metadata that only CopyObject keeps. If the server cannot copy at all,
/// the object is read and stored. `meta` is the server's description of the source. With
/// [`Condition::IfMatch`] for the source, all parts are from one version.
pub(crate) fn copy_any_size(
    client: &Client,
    source: CopySource<'_>,
    meta: &ObjectMeta,
    (bucket, key): (&str, &str),
    settings: &ObjectSettings,
    ranges: CopyRanges,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Transferred> {
    let settings_of_parts = || with_metadata_of(client, source, settings, meta);
    // Only CopyObject keeps metadata that the server does not show, or that headers cannot hold.
    if meta.size > MAX_PART_SIZE
        || (meta.size > ranges.threshold
            && settings.can_repeat(meta)
            && may_be_copied_in_parts(source.key))
    {
        let copied = in_parts(
            client,
            &cut(meta.size, ranges.chunk_size)?,
            (bucket, key),
            &settings_of_parts()?,
            |pieces, upload| copy_parts(client, source, pieces, upload, ranges.concurrency, done),
        );
        match copied {
            Err(error) if cannot_copy_parts(&error) => {
                client.notice_fallback(bucket, "UploadPartCopy", "GetObject with UploadPart");
            }
            copied => return copied,
        }
    }
    if meta.size <= MAX_PART_SIZE {
        match client.copy_known_object(source, Some(meta), (bucket, key), settings) {
            Err(error) if lacks_operation(&error) => {
                client.notice_fallback(bucket, "CopyObject", "GetObject with PutObject");
            }
            copied => {
                let copy = copied?;
                done(meta.size);
                return Ok(Transferred { bytes: meta.size, parts: 1, etag: copy.etag });
            }
        }
    }
    let etag = source.etag().or(meta.etag.as_deref());
    let version = Version { source, same: SameContent { etag, version_id: source.version_id } };
    if meta.size <= RELAYED_PART {
        let content = version.read(client, 0..meta.size)?;
        let stored = client.put_object(bucket, key, &content, &settings_of_parts()?)?;
        done(meta.size);
        return Ok(Transferred { bytes: meta.size, parts: 1, etag: stored.etag });
    }
    in_parts(
        client,
        &cut(meta.size, RELAYED_PART)?,
        (bucket, key),
        &settings_of_parts()?,
        |pieces, upload| {
            for_each_part(client, pieces, RELAYS, done, |client, piece, number| {
                client.upload_part(upload, number, &version.read(client, piece)?)
            })
        },
    )
}

/// Creates an object from the `pieces`, each of which `send` sends as a part. After a failure,
/// nothing is left.
fn in_parts(
    client: &Client,
    pieces: &[Range<u64>],
    (bucket, key): (&str, &str),
    settings: &ObjectSettings,
    send: impl FnOnce(&[Range<u64>], UploadRef<'_>) -> Result<Vec<Part>>,
) -> Result<Transferred> {
    let upload_id = client.create_multipart_upload(bucket, key, settings)?;
    let upload = UploadRef { bucket, key, upload_id: &upload_id };
    let copy = catch_panic("the copy", || {
        client.complete_multipart_upload(upload, &send(pieces, upload)?, &settings.condition)
    })
    .map_err(|error| abort_after(client, upload, error))?;
    let bytes = pieces.last().map_or(0, |piece| piece.end);
    Ok(Transferred {
        bytes,
        parts: u32::try_from(pieces.len()).unwrap_or(u32::MAX),
        etag: copy.etag,
    })
}

/// The version of an object that is read.
#[derive(Clone, Copy)]
struct Version<'a> {
    source: CopySource<'a>,
    same: SameContent<'a>,
}

impl Version<'_> {
    fn read(self, client: &Client, piece: Range<u64>) -> Result<Vec<u8>> {
        let length = piece.end.saturating_sub(piece.start);
        if length == 0 {
            return Ok(Vec::new());
        }
        let range = ByteRange::Part { offset: piece.start, length };
        let CopySource { bucket, key, .. } = self.source;
        let limit = usize::try_from(length).unwrap_or(usize::MAX);
        let client = client.with_key(self.source.customer_key);
        client.get_same_version(bucket, key, range, self.same, length)?.read_all(limit)
    }
}

/// Returns whether `error`, from the copy of a part, means that the server does not support
/// UploadPartCopy. Servers report this in different ways; rclone responds with 200, copies nothing
/// and does not return an ETag.
pub(crate) fn cannot_copy_parts(error: &Error) -> bool {
    error.operation() == Some("UploadPartCopy")
        && (error.kind() == ErrorKind::Protocol || lacks_operation(error))
}

/// Returns whether every server with UploadPartCopy can copy from this key. Ceph decodes the source
/// twice and fails with some percent signs.
pub(crate) fn may_be_copied_in_parts(key: &str) -> bool {
    !key.contains('%')
}

/// Copies `pieces` of `source` as the parts of `upload`. The first piece becomes part 1.
pub(crate) fn copy_parts(
    client: &Client,
    source: CopySource<'_>,
    pieces: &[Range<u64>],
    upload: UploadRef<'_>,
    concurrency: NonZeroUsize,
    done: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Part>> {
    for_each_part(client, pieces, concurrency, done, |client, piece, number| {
        client.upload_part_copy(source, piece, upload, number)
    })
}

/// Calls `send` for each of the `pieces`, to make it a part. The first piece becomes part 1.
fn for_each_part(
    client: &Client,
    pieces: &[Range<u64>],
    concurrency: NonZeroUsize,
    done: &(dyn Fn(u64) + Sync),
    send: impl Fn(&Client, Range<u64>, u32) -> Result<Part> + Sync,
) -> Result<Vec<Part>> {
    let (client, cancel) = client.with_child_cancel();
    parallel::for_each(pieces.len(), concurrency, &cancel, |index| {
        let part = send(&client, pieces[index].clone(), part_number(index))?;
        done(part.size);
        Ok(part)
    })
}

/// Returns the number of the part at `index`.
pub(super) fn part_number(index: usize) -> u32 {
    // The client rejects numbers above the limit.
    u32::try_from(index).map_or(u32::MAX, |index| index.saturating_add(1))
}

/// Divides `size` bytes into pieces of `chunk_size`, or of more if there would be more than 10,000.
pub(super) fn cut(size: u64, chunk_size: u64) -> Result<Vec<Range<u64>>> {
    let chunk = chunk_size.max(size.div_ceil(u64::from(MAX_PARTS))).max(MIN_PART_SIZE);
    if chunk > MAX_PART_SIZE {
        let text = format!("{size} bytes are more than {MAX_PARTS} parts of {MAX_PART_SIZE} bytes");
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok((0..size.div_ceil(chunk))
        .map(|index| index * chunk..(index * chunk + chunk).min(size))
        .collect())
}

/// Discards the parts of a failed upload and returns the failure.
pub(super) fn abort_after(client: &Client, upload: UploadRef<'_>, error: Error) -> Error {
    if error.kind() == ErrorKind::OutcomeUnknown {
        return error;
    }
    // The token that ended the upload must not prevent the removal of its parts.
    let client = client.with_cancel(&Cancel::new());
    match catch_panic("aborting the upload", || client.abort_multipart_upload(upload)) {
        Ok(()) => error,
        Err(second) => error.with_others(vec![second]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once_within_the_limits() {
        for (size, chunk) in
            [(1, 5 << 20), (5 << 20, 5 << 20), ((5 << 20) + 1, 5 << 20), (1 << 40, 32 << 20)]
        {
            let ranges = cut(size, chunk).expect("within the limits");
            assert!(ranges.len() <= 10_000);
            assert_eq!(ranges[0].start, 0);
            assert_eq!(ranges[ranges.len() - 1].end, size);
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(
                ranges[..ranges.len() - 1]
                    .iter()
                    .all(|range| range.end - range.start >= MIN_PART_SIZE)
            );
        }
        assert_eq!(cut(50_000 << 30, 1).expect("the largest object").len(), 10_000);
        assert_eq!(
            cut((50_000 << 30) + 1, 1).expect_err("too large").kind(),
            ErrorKind::InvalidArgument
        );
    }
}
