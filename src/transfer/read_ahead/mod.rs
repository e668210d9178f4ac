//! Reads an object from one connection, and from several once one is too slow for the reader.
//!
//! A reader begins with one request for everything. Small objects, readers that only want the
//! beginning, and readers that are slower than the connection need nothing else. Once a mebibyte
//! has been read and the reader had to wait for the connection, threads fetch ranges ahead, each
//! with `If-Match` and the first response's ETag. Meanwhile the first connection continues to the
//! point where they begin, and is then closed. The number of concurrent ranges depends on the speed
//! that they achieve ([`super::pace`]). If they are not faster than the first connection was, or if
//! the reader turns out to be slower, one connection continues after the last range.
mod ranges;

use super::Transfer;
use super::memory::MemoryLimit;
use super::pace::{Pace, Probe};
use super::parallel::bounded;
use crate::client::{ByteRange, Client, Expected, GetObject, ObjectMeta, ObjectReader};
use crate::error::{Error, ErrorKind, Result, catch_panic};
use ranges::{ObjectVersion, RANGE, Ranges};
use std::fmt;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::time::Instant;

/// The minimum that the first connection still delivers while the first ranges are requested: 25 ms
/// at 80 MB/s.
const HANDOVER: u64 = 2 << 20;

impl Transfer<'_> {
    /// Opens an object for reading from `offset` on. The number of connections is limited to this
    /// transfer's number of concurrent parts.
    ///
    /// # Errors
    /// The errors of [`Client::get_object`]; [`ErrorKind::InvalidRange`] if the object ends before
    /// `offset`.
    pub fn reader(&self, bucket: &str, key: &str, offset: u64) -> Result<ReadAhead> {
        ReadAhead::open(
            &self.client,
            (bucket, key),
            offset,
            self.concurrency,
            &MemoryLimit::new(None),
        )
    }
}

/// A reader of one version of an object, in order, from as many connections as it can use.
///
/// `Ok(0)` means that the object has been read to its end. If it was read from its beginning and a
/// checksum was requested, the content matches the checksum that the server stores. Memory is at
/// most 4 MiB for each concurrent range, plus 256 KiB. If the reader is dropped early, its threads
/// and their requests end within a quarter of a second.
pub struct ReadAhead {
    client: Client,
    bucket: String,
    key: String,
    meta: ObjectMeta,
    source: Source,
    /// The checksum of the whole object, once it no longer belongs to the first connection.
    expected: Option<Expected>,
    /// The offset of the first byte that was requested.
    offset: u64,
    /// The offset of the next byte in the object.
    at: u64,
    most: NonZeroUsize,
    memory: MemoryLimit,
    probe: Probe,
}

enum Source {
    Stream(ObjectReader),
    /// Both: the stream continues to the point where the ranges begin.
    Both {
        stream: ObjectReader,
        ranges: Box<Ranges>,
        boundary: u64,
    },
    Ranges(Box<Ranges>),
    /// An earlier read has failed, and all further ones fail too.
    Failed,
}

impl ReadAhead {
    pub(crate) fn open(
        client: &Client,
        (bucket, key): (&str, &str),
        offset: u64,
        most: NonZeroUsize,
        memory: &MemoryLimit,
    ) -> Result<Self> {
        Self::open_with(client, (bucket, key), offset, GetObject::default(), most, memory)
    }

    /// Opens a reader like [`ReadAhead::open`], with the condition and the version of a request.
    pub(crate) fn open_with(
        client: &Client,
        (bucket, key): (&str, &str),
        offset: u64,
        request: GetObject,
        most: NonZeroUsize,
        memory: &MemoryLimit,
    ) -> Result<Self> {
        let range = if offset == 0 { ByteRange::All } else { ByteRange::From(offset) };
        let request = GetObject { range, ..request };
        let stream = client.get_object(bucket, key, &request)?;
        Ok(Self {
            client: client.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            meta: stream.meta().clone(),
            source: Source::Stream(stream),
            expected: None,
            offset,
            at: offset,
            most: bounded(most),
            memory: memory.clone(),
            probe: Probe::default(),
        })
    }

    /// Returns the server's description of the object.
    pub const fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// Reads like [`Read::read`], but returns this crate's error.
    pub fn pull(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let result = self.step(buffer).and_then(|count| self.verified(buffer, count));
        match &result {
            Ok(count) => self.at = self.at.saturating_add(*count as u64),
            // The stream may be read again, and continues where it broke.
            Err(_) if matches!(self.source, Source::Ranges(_)) => self.source = Source::Failed,
            Err(_) => {}
        }
        result
    }

    fn step(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match &mut self.source {
            Source::Stream(stream) if self.most.get() == 1 => stream.pull(buffer),
            Source::Stream(stream) => {
                let begun = self.client.clock().instant();
                let count = stream.pull(buffer)?;
                // The clock is the caller's code. If it panics, these bytes must not be lost.
                let now = catch_panic("the clock", || Ok(self.client.clock().instant()));
                let Ok(now) = now else { return Ok(count) };
                let waited = now.saturating_duration_since(begun);
                if let Some(rate) = self.probe.came(count, waited, now) {
                    self.fetch_ahead(self.at.saturating_add(count as u64), rate, now);
                }
                Ok(count)
            }
            Source::Both { stream, boundary, .. } if self.at < *boundary => {
                let room = usize::try_from(*boundary - self.at)
                    .map_or(buffer.len(), |left| left.min(buffer.len()));
                stream.pull(&mut buffer[..room])
            }
            Source::Both { .. } => self.hand_over(buffer),
            Source::Ranges(ranges) => match ranges.pull(buffer)? {
                0 if self.at < self.meta.size => self.return_to_one(buffer),
                count => Ok(count),
            },
            Source::Failed => Err(self.place(Error::new(
                ErrorKind::Interrupted,
                "an earlier read of this object has failed",
            ))),
        }
    }

    /// Compares the whole object with its checksum before its last bytes are returned: otherwise
    /// the caller could take the object for complete.
    fn verified(&mut self, buffer: &[u8], count: usize) -> Result<usize> {
        let Some(expected) = &mut self.expected else { return Ok(count) };
        expected.update(buffer.get(..count).unwrap_or_default());
        if self.at.saturating_add(count as u64) == self.meta.size
            && let Some(expected) = self.expected.take()
            && let Err(error) = expected.check()
        {
            self.source = Source::Failed;
            return Err(self.place(error));
        }
        Ok(count)
    }

    /// Begins to fetch ranges, if enough of the object is left and the memory for them is
    /// available.
    fn fetch_ahead(&mut self, at: u64, rate: f64, now: Instant) {
        let boundary = at.checked_add(HANDOVER).and_then(|at| at.checked_next_multiple_of(RANGE));
        let Some(boundary) = boundary.filter(|at| at.saturating_add(2 * RANGE) <= self.meta.size)
        else {
            return;
        };
        let Source::Stream(stream) = &self.source else { return };
        if !stream.may_be_split() {
            return;
        }
        let Some(etag) = self.meta.etag.clone() else { return };
        let object = ObjectVersion {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            etag,
            version_id: self.meta.requested_version.clone(),
            size: self.meta.size,
        };
        let pace = Pace::of_ranges(self.most, rate, now);
        let Some(ranges) = Ranges::begin(&self.client, object, boundary, pace, &self.memory) else {
            return;
        };
        if let Source::Stream(stream) = std::mem::replace(&mut self.source, Source::Failed) {
            self.source = Source::Both { stream, ranges: Box::new(ranges), boundary };
        }
    }

    /// Continues with the ranges, or without them if the server does not support ranges.
    fn hand_over(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Source::Both { mut stream, mut ranges, .. } =
            std::mem::replace(&mut self.source, Source::Failed)
        else {
            return Ok(0);
        };
        match ranges.pull(buffer) {
            Err(_) if ranges.are_unsupported() => {
                self.most = NonZeroUsize::MIN;
                self.source = Source::Stream(stream);
                self.step(buffer)
            }
            Err(error) => Err(error),
            Ok(count) => {
                // Only the first connection has the checksum of the whole object.
                if let Some(expected) = stream.take_expected() {
                    self.expected = Some(expected);
                }
                self.source = Source::Ranges(ranges);
                Ok(count)
            }
        }
    }

    /// Continues with one connection after the last range.
    fn return_to_one(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let (same, left) = (self.meta.same(), self.meta.size.saturating_sub(self.at));
        let range = ByteRange::From(self.at);
        let stream = self.client.get_same_version(&self.bucket, &self.key, range, same, left)?;
        self.probe = Probe::after(self.at.saturating_sub(self.offset));
        self.source = Source::Stream(stream);
        self.step(buffer)
    }

    fn place(&self, error: Error) -> Error {
        error.with_operation("GetObject").with_bucket(&self.bucket).with_key(&self.key)
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pull(buffer).map_err(io::Error::from)
    }
}

impl fmt::Debug for ReadAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAhead")
            .field("bucket", &self.bucket)
            .field("key", &self.key)
            .field("at", &self.at)
            .field("size", &self.meta.size)
            .finish_non_exhaustive()
    }
}
