//! Reads an object like a file, with `Read` and `Seek`.
use super::memory::MemoryLimit;
use super::{ReadAhead, Transfer};
use crate::client::{ByteRange, Client, Condition, GetObject, ObjectMeta, ObjectReader};
use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroUsize;

/// The size of one read from a connection. Seeks within the block that was read last cost nothing.
const BLOCK: usize = 256 << 10;

/// The size of the first range that is requested after a seek. A small range is read to its end, so
/// that its connection can be reused.
const FIRST_WINDOW: u64 = 256 << 10;

/// The maximum size of a range. Ranges double while the object is read in order; after this size,
/// the rest of the object is requested at once, on as many connections as are useful.
const LAST_WINDOW: u64 = 4 << 20;

/// The maximum number of bytes that are read and discarded instead of requesting a new range: about
/// the number that arrive during one round trip.
const SKIP: u64 = 1 << 20;

impl Client {
    /// Opens an object for reading at any position, with the defaults of [`Transfer`].
    ///
    /// # Errors
    /// The errors of [`Client::head_object`].
    pub fn open(&self, bucket: &str, key: &str, request: &GetObject) -> Result<SeekableObject> {
        Transfer::new(self).open(bucket, key, request)
    }
}

impl Transfer<'_> {
    /// Opens an object for reading at any position. The condition of the request is evaluated now,
    /// and all reads are from the version that exists now. A range in the request is ignored.
    ///
    /// # Errors
    /// The errors of [`Client::head_object`].
    pub fn open(&self, bucket: &str, key: &str, request: &GetObject) -> Result<SeekableObject> {
        let meta = self.client.head_object(bucket, key, request)?;
        Ok(SeekableObject {
            client: self.client.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            meta,
            most: self.concurrency,
            position: 0,
            block: Vec::new(),
            block_start: 0,
            source: Source::None,
            source_at: 0,
            window: FIRST_WINDOW,
        })
    }
}

/// A reader of one version of an object, at any position.
///
/// Seeks within the last 256 KiB that were read cost nothing, and short seeks forward read over the
/// skipped bytes. After other seeks, ranges are requested. They grow while the object is read in
/// order, until the rest of the object is requested with read-ahead ([`ReadAhead`]). The memory is
/// 256 KiB plus that of the read-ahead.
///
/// Every range is requested with `If-Match`; if the object was replaced in the meantime, the error
/// is [`ErrorKind::Integrity`]. A read continues after a broken connection. The content is not
/// compared with a checksum, because it may not be read completely.
///
/// ```no_run
/// use s3driver::client::{Client, GetObject};
/// use std::io::{Read, Seek, SeekFrom};
///
/// let mut object = Client::from_env()?.open("bucket", "archive.zip", &GetObject::default())?;
/// object.seek(SeekFrom::End(-22))?;
/// let mut directory_end = [0; 22];
/// object.read_exact(&mut directory_end)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SeekableObject {
    client: Client,
    bucket: String,
    key: String,
    meta: ObjectMeta,
    most: NonZeroUsize,
    /// The position of the next read.
    position: u64,
    /// The bytes that were read last, which begin at `block_start`.
    block: Vec<u8>,
    block_start: u64,
    source: Source,
    /// The position of the next byte of `source`.
    source_at: u64,
    /// The length of the next range.
    window: u64,
}

enum Source {
    None,
    Window(Box<ObjectReader>),
    Ahead(Box<ReadAhead>),
}

impl SeekableObject {
    /// Returns the server's description of the object.
    pub const fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    /// Reads like [`Read::read`], but returns this crate's error.
    pub fn pull(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while !buffer.is_empty() && self.position < self.meta.size {
            if let Some(found) = self.buffered().filter(|found| !found.is_empty()) {
                let count = found.len().min(buffer.len());
                for (to, from) in buffer.iter_mut().zip(found) {
                    *to = *from;
                }
                self.position = self.position.saturating_add(count as u64);
                return Ok(count);
            }
            let ahead = self.position.checked_sub(self.source_at);
            if matches!(self.source, Source::None) || ahead.is_none_or(|ahead| ahead > SKIP) {
                self.request()?;
            }
            if let Err(error) = self.fill() {
                self.source = Source::None;
                return Err(error);
            }
        }
        Ok(0)
    }

    /// Returns the buffered bytes from the current position on.
    fn buffered(&self) -> Option<&[u8]> {
        let offset = self.position.checked_sub(self.block_start)?;
        self.block.get(usize::try_from(offset).ok()?..)
    }

    /// Requests a range from the current position on.
    fn request(&mut self) -> Result<()> {
        let is_in_order = self.position == self.source_at;
        self.window = match (is_in_order, &self.source) {
            (true, _) if self.source_at > 0 => self.window.saturating_mul(2),
            _ => FIRST_WINDOW,
        };
        let (place, etag) = ((&*self.bucket, &*self.key), self.meta.etag.as_deref());
        self.source = Source::None;
        self.source_at = self.position;
        let left = self.meta.size.saturating_sub(self.position);
        self.source = if self.window <= LAST_WINDOW || etag.is_none() {
            let length = left.min(self.window);
            let range = ByteRange::Part { offset: self.position, length };
            let same = self.meta.same();
            let reader = self.client.get_same_version(place.0, place.1, range, same, length)?;
            self.check_size(reader.meta())?;
            Source::Window(Box::new(reader))
        } else {
            let request = GetObject {
                condition: etag
                    .map_or(Condition::Always, |etag| Condition::IfMatch(etag.to_owned())),
                version_id: self.meta.requested_version.clone(),
                ..GetObject::default()
            };
            let memory = MemoryLimit::new(None);
            let ahead = ReadAhead::open_with(
                &self.client,
                place,
                self.position,
                request,
                self.most,
                &memory,
            );
            let ahead = match ahead {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                    return Err(self.changed().with_source(error));
                }
                ahead => ahead?,
            };
            // This detects a new version on servers that ignore If-Match.
            if ahead.meta().etag != self.meta.etag {
                return Err(self.changed());
            }
            self.check_size(ahead.meta())?;
            Source::Ahead(Box::new(ahead))
        };
        Ok(())
    }

    /// Reads the next bytes of the source into the block.
    fn fill(&mut self) -> Result<()> {
        // After a panic of the caller's clock in the source, the block is empty.
        let mut block = std::mem::take(&mut self.block);
        block.resize(BLOCK, 0);
        self.block_start = self.source_at;
        let pulled = match &mut self.source {
            Source::None => Ok(0),
            Source::Window(reader) => reader.pull(&mut block),
            Source::Ahead(reader) => reader.pull(&mut block),
        };
        let count = *pulled.as_ref().unwrap_or(&0);
        block.truncate(count);
        self.block = block;
        self.source_at = self.source_at.saturating_add(count as u64);
        pulled?;
        // The range has ended, so the next one is requested later.
        if count == 0 {
            self.source = Source::None;
        }
        Ok(())
    }

    /// Checks that the object has the expected size. Without an ETag, only the size shows another
    /// version.
    fn check_size(&self, found: &ObjectMeta) -> Result<()> {
        if found.size == self.meta.size { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Error {
        Error::new(ErrorKind::Integrity, "the object changed while it was being read")
            .with_operation("GetObject")
            .with_bucket(&self.bucket)
            .with_key(&self.key)
    }
}

impl Read for SeekableObject {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pull(buffer).map_err(io::Error::from)
    }
}

impl Seek for SeekableObject {
    /// Sets the position of the next read. Sends nothing. A position after the end is allowed;
    /// reads there return no bytes.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.meta.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek before the first byte")
        })?;
        Ok(self.position)
    }
}

impl fmt::Debug for SeekableObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeekableObject")
            .field("bucket", &self.bucket)
            .field("key", &self.key)
            .field("position", &self.position)
            .field("size", &self.meta.size)
            .finish_non_exhaustive()
    }
}
