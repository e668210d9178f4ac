//! `write_stream`, the WriteStream contract of Distribution 2.x: all data from a reader is written
//! at an offset, and is visible when the call returns.
//!
//! The file is replaced completely or not at all. The server copies the bytes before the offset,
//! several ranges at once and with `If-Match`. A beginning is downloaded and sent again only if it
//! is too small for a part.
use super::parameters::PartSizes;
use super::store::Store;
use super::writer::Writer;
use crate::client::{
    ByteRange, Condition, CopySource, GetObject, MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE,
    ObjectMeta, UploadRef,
};
use crate::driver::FileWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::transfer;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

/// Writes all of `reader` at `offset` of `path`. Offset 0 replaces the file, an offset inside the
/// file truncates it there, and an offset after its end (or in a file that does not exist) fills
/// the gap with zeros. Returns the number of bytes taken from the reader; errors contain it as well
/// ([`Error::bytes_taken`]).
pub(crate) fn write_stream(
    store: &Arc<Store>,
    path: &str,
    offset: u64,
    reader: &mut dyn Read,
) -> Result<u64> {
    let mut taken = 0;
    match write(store, path, offset, reader, &mut taken) {
        Ok(()) => Ok(taken),
        Err(error) => Err(store.error(error, path).with_bytes_taken(taken)),
    }
}

fn write(
    store: &Arc<Store>,
    path: &str,
    offset: u64,
    reader: &mut dyn Read,
    taken: &mut u64,
) -> Result<()> {
    if offset > MAX_PART_SIZE * u64::from(MAX_PARTS) {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "the offset is larger than the largest object that S3 can store",
        ));
    }

    let mut writer = Writer::new(store, path, store.parameters.chunk_size);
    if offset > 0 {
        let kept = match store.client.head_object(
            &store.bucket,
            &store.key(path),
            &GetObject::default(),
        ) {
            Ok(meta) => {
                keep(store, path, &meta, offset.min(meta.size), &mut writer).map_err(changed)?
            }
            Err(error) if error.kind() == ErrorKind::NoSuchKey => 0,
            Err(error) => return Err(error),
        };
        copy_into(&mut writer, &mut io::repeat(0), offset - kept, &mut 0, unreadable_input)?;
    }

    copy_into(&mut writer, reader, u64::MAX, taken, unreadable_input)?;
    writer.commit()
}

/// Reads up to `limit` bytes into `writer`, counting them in `taken`.
fn copy_into(
    writer: &mut Writer,
    reader: &mut dyn Read,
    limit: u64,
    taken: &mut u64,
    failed: fn(io::Error) -> Error,
) -> Result<()> {
    let mut left = limit;
    while left > 0 {
        let (read, result) = writer.fill(reader, left)?;
        *taken += read;
        left -= read;
        result.map_err(failed)?;
        if read == 0 {
            break;
        }
    }

    Ok(())
}

/// Converts the error of a condition on the old file, whose beginning is kept, into a conflict.
fn changed(error: Error) -> Error {
    if error.kind() == ErrorKind::PreconditionFailed {
        return Error::new(ErrorKind::Conflict, "the file changed while it was being written")
            .with_source(error);
    }
    error
}

fn unreadable_input(error: io::Error) -> Error {
    Error::new(ErrorKind::LocalIo, format!("the data to write cannot be read: {error}"))
        .with_source(error)
}

/// Returns the error of this crate's reader, which an `io::Error` contains.
fn unreadable_file(error: io::Error) -> Error {
    error.downcast().unwrap_or_else(unreadable_input)
}

/// Copies the first `length` bytes of the file into the beginning of `writer`, and returns
/// `length`.
fn keep(
    store: &Arc<Store>,
    path: &str,
    meta: &ObjectMeta,
    length: u64,
    writer: &mut Writer,
) -> Result<u64> {
    let key = store.key(path);
    let copied = copy(store, &key, meta, &copy_ranges(store, &key, length), writer)?;
    if copied < length {
        let range = ByteRange::Part { offset: copied, length: length - copied };
        let same = meta.etag.clone().map_or(Condition::Always, Condition::IfMatch);
        let request = GetObject::range(range).condition(same);
        let mut rest = store.client.get_object(&store.bucket, &key, &request)?;
        let mut read = 0;
        copy_into(writer, &mut rest, length - copied, &mut read, unreadable_file)?;
        if read != length - copied {
            return Err(Error::new(
                ErrorKind::Integrity,
                "the file changed while it was being written",
            ));
        }
    }

    Ok(length)
}

/// Makes the server copy `ranges`, which start with the file's first byte. Returns the end of the
/// last range, or 0 if the server cannot copy parts (rclone returns status 200 without copying
/// anything).
fn copy(
    store: &Store,
    key: &str,
    meta: &ObjectMeta,
    ranges: &[Range<u64>],
    writer: &mut Writer,
) -> Result<u64> {
    let Some(last) = ranges.last() else { return Ok(0) };
    let upload_id = writer.begin()?;
    let same = meta.etag.clone().map_or(Condition::Always, Condition::IfMatch);
    let source = CopySource::new(&store.bucket, key).condition(&same);
    let upload = UploadRef { bucket: &store.bucket, key, upload_id: &upload_id };
    match transfer::copy_parts(
        &store.client,
        source,
        ranges,
        upload,
        store.parameters.multipart_copy_max_concurrency,
        &|_| {},
    ) {
        Ok(parts) => {
            writer.take_over(Arc::clone(&upload_id), parts);
            Ok(last.end)
        }
        Err(error) if transfer::cannot_copy_parts(&error) => {
            // The upload cannot be used again, because rclone does not allow a part to be replaced.
            writer.start_over()?;
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

/// Returns the ranges of the first `length` bytes that the server can copy, one for each part.
fn copy_ranges(store: &Store, key: &str, length: u64) -> Vec<Range<u64>> {
    match store.parameters.part_sizes {
        _ if !transfer::may_be_copied_in_parts(key) => Vec::new(),
        // Every part has the chunk size; bytes that do not fill a part are downloaded.
        PartSizes::Uniform => even_ranges(
            length - length % store.parameters.chunk_size,
            length / store.parameters.chunk_size,
        ),
        PartSizes::MayGrow if length < MIN_PART_SIZE => Vec::new(),
        PartSizes::MayGrow => {
            // Half of the part numbers are reserved for the new data.
            let most = u64::from(MAX_PARTS / 2);
            let chunk = store
                .parameters
                .multipart_copy_chunk_size
                .max(length.div_ceil(most))
                .max(MIN_PART_SIZE);
            even_ranges(length, (length / chunk).max(length.div_ceil(MAX_PART_SIZE)).max(1))
        }
    }
}

/// Splits `length` bytes into `count` ranges of almost equal size.
fn even_ranges(length: u64, count: u64) -> Vec<Range<u64>> {
    let at = |index: u64| {
        let (whole, rest) = (length / count, length % count);
        whole * index + rest.min(index)
    };
    (0..count).map(|index| at(index)..at(index + 1)).collect()
}
