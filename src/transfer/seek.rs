//! An object as a file for reading: `Read` and `Seek`.
use super::memory::MemoryLimit;
use super::{ReadAhead, Transfer};
use crate::client::{ByteRange, Client, Condition, GetObject, ObjectMeta, ObjectReader};
use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroUsize;

/// What one read takes from a connection: seeks within the last of these cost nothing.
const BLOCK: usize = 256 << 10;

/// The range that is requested first after a seek. A small one is read to its end, so that its
/// connection can be used again.
const FIRST_WINDOW: u64 = 256 << 10;

/// Ranges double while the object is read in order; beyond this one, all of the rest is requested,
/// on as many connections as are worth it.
const LAST_WINDOW: u64 = 4 << 20;

/// Up to this many bytes are read and passed over rather than requested anew: about what arrives in
/// the time of a round trip.
const SKIP: u64 = 1 << 20;

impl Client {
    /// Opens an object for reading at any position, with the defaults of [`Transfer`].
    ///
    /// # Errors
    /// Those of [`Client::head_object`].
    pub fn open(&self, bucket: &str, key: &str, request: &GetObject) -> Result<SeekableObject> {
        Transfer::new(self).open(bucket, key, request)
    }
}

impl Transfer<'_> {
    /// Opens an object for reading at any position. The condition of the request counts now;
    /// everything is read of the version that is there now. A range in the request is ignored.
    ///
    /// # Errors
    /// Those of [`Client::head_object`].
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

/// An object that can be read at any position, in one version.
///
/// Seeks within the 256 KiB read last cost nothing, and short ones forward are read over. After
/// other seeks ranges are requested that grow while the object is read in order, until all of the
/// rest is requested with read-ahead ([`ReadAhead`]). Memory is 256 KiB, and that of the read-ahead.
///
/// Every range is requested under `If-Match`: an object that was replaced meanwhile is
/// [`ErrorKind::Integrity`]. A broken connection is continued. The content is not compared with a
/// checksum, because it need not be read whole.
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
    /// Where the next read begins.
    position: u64,
    /// The bytes read last, from `block_start` on.
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

    /// As [`Read::read`], with this crate's error.
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

    /// Returns the buffered bytes from the position on.
    fn buffered(&self) -> Option<&[u8]> {
        let offset = self.position.checked_sub(self.block_start)?;
        self.block.get(usize::try_from(offset).ok()?..)
    }

    /// Requests a range from the position on.
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
            let reader =
                self.client.get_same_version(place.0, place.1, range, etag, Some(length))?;
            self.check_size(reader.meta())?;
            Source::Window(Box::new(reader))
        } else {
            let same = etag.map_or(Condition::Always, |etag| Condition::IfMatch(etag.to_owned()));
            let memory = MemoryLimit::new(None);
            let ahead =
                ReadAhead::open_if(&self.client, place, self.position, same, self.most, &memory);
            let ahead = match ahead {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                    return Err(self.changed().with_source(error));
                }
                ahead => ahead?,
            };
            // Servers that ignore If-Match are caught here.
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
        self.block.resize(BLOCK, 0);
        self.block_start = self.source_at;
        let pulled = match &mut self.source {
            Source::None => Ok(0),
            Source::Window(reader) => reader.pull(&mut self.block),
            Source::Ahead(reader) => reader.pull(&mut self.block),
        };
        let count = *pulled.as_ref().unwrap_or(&0);
        self.block.truncate(count);
        self.source_at = self.source_at.saturating_add(count as u64);
        pulled?;
        // The end of a range: what follows is requested next.
        if count == 0 {
            self.source = Source::None;
        }
        Ok(())
    }

    /// Without an ETag the size alone shows another version.
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
    /// Sends nothing. A position behind the end is allowed; reads there yield no bytes.
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
