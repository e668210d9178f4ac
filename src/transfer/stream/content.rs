//! The bytes of one part, in memory or in a file of a spool folder.
use super::spool::SpoolFolder;
use crate::client::{Client, ObjectReader, ObjectSettings, Part, PutResult, UploadRef};
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::file::{Section, write_all_at};
use crate::transfer::sent::reporting;
use md5::{Digest as _, Md5};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// The size of one read from a reader and of one write to a file.
const BLOCK: usize = 256 << 10;

/// The place where the parts of an upload are kept until they have been sent.
#[derive(Clone, Debug, Default)]
pub(crate) enum PartStorage {
    #[default]
    Memory,
    Folder(Arc<SpoolFolder>),
}

/// The bytes of one part.
#[derive(Debug)]
pub(crate) enum PartContent {
    Memory {
        /// The bytes of the part, followed by bytes of an earlier part for which the memory was
        /// used. A reader can write over these without zeroing them first.
        bytes: Vec<u8>,
        /// The number of bytes of the part.
        filled: usize,
    },
    File {
        file: File,
        folder: Arc<SpoolFolder>,
        filled: u64,
    },
}

/// A section of a part's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PartSlice<'a> {
    Bytes(&'a [u8]),
    File { file: &'a File, folder: &'a SpoolFolder, at: u64, end: u64 },
}

impl PartContent {
    /// Returns content without any bytes. `memory` is used again if the storage is memory.
    pub(crate) fn new(storage: &PartStorage, client: &Client, memory: Vec<u8>) -> Result<Self> {
        Ok(match storage {
            PartStorage::Memory => Self::Memory { bytes: memory, filled: 0 },
            PartStorage::Folder(folder) => Self::File {
                file: folder.create_file(client.clock().random())?,
                folder: Arc::clone(folder),
                filled: 0,
            },
        })
    }

    /// Returns everything that `reader` yields, at most `limit` bytes.
    pub(crate) fn read(
        storage: &PartStorage,
        client: &Client,
        mut reader: ObjectReader,
        limit: u64,
    ) -> Result<Self> {
        if matches!(storage, PartStorage::Memory) {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            return Ok(Self::from(reader.read_all(limit)?));
        }
        let mut content = Self::new(storage, client, Vec::new())?;
        let mut block = vec![0; BLOCK];
        loop {
            let count = reader.pull(&mut block)?;
            if count == 0 {
                return Ok(content);
            }
            content.append(block.get(..count).unwrap_or_default())?;
            if content.len() > limit {
                let text = format!("the object is larger than {limit} bytes");
                return Err(Error::new(ErrorKind::Protocol, text));
            }
        }
    }

    /// Returns the number of bytes.
    pub(crate) const fn len(&self) -> u64 {
        match self {
            Self::Memory { filled, .. } => *filled as u64,
            Self::File { filled, .. } => *filled,
        }
    }

    /// Removes the bytes after the first `length`.
    pub(crate) fn truncate(&mut self, length: u64) {
        match self {
            Self::Memory { filled, .. } => {
                *filled = usize::try_from(length).map_or(*filled, |length| length.min(*filled));
            }
            Self::File { filled, .. } => *filled = length.min(*filled),
        }
    }

    /// Reserves memory, so that the content can have `size` bytes. Files need none.
    pub(super) fn reserve(&mut self, size: u64) -> Result<()> {
        let Self::Memory { bytes, .. } = self else { return Ok(()) };
        let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(bytes.len());
        bytes.try_reserve_exact(room).map_err(|error| {
            let text = format!("no memory for a part of {size} bytes");
            Error::new(ErrorKind::InvalidArgument, text)
                .with_source(error)
                .with_hint("choose a smaller chunksize")
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] if they cannot be written to the spool folder. The content is
    /// unchanged then.
    pub(super) fn append(&mut self, content: &[u8]) -> Result<()> {
        match self {
            Self::Memory { bytes, filled } => {
                let used_before = bytes.get_mut(*filled..).unwrap_or_default();
                let (over, beyond) = content.split_at(content.len().min(used_before.len()));
                if let Some(place) = used_before.get_mut(..over.len()) {
                    place.copy_from_slice(over);
                }
                bytes.extend_from_slice(beyond);
                *filled = filled.saturating_add(content.len());
            }
            Self::File { file, folder, filled } => {
                write_all_at(file, content, *filled)
                    .map_err(|error| folder.error("writing a part to", error))?;
                *filled = filled.saturating_add(content.len() as u64);
            }
        }
        Ok(())
    }

    /// Reads until `limit` bytes have arrived or the reader ends. After an error of the reader,
    /// which is the inner result, the bytes that arrived before it are kept.
    pub(super) fn fill(&mut self, reader: &mut dyn Read, limit: u64) -> Result<io::Result<()>> {
        match self {
            Self::Memory { bytes, filled } => Ok(fill_memory(bytes, filled, reader, limit)),
            Self::File { .. } => {
                let mut block = vec![0; usize::try_from(limit).unwrap_or(BLOCK).min(BLOCK)];
                let mut reader = reader.take(limit);
                loop {
                    match reader.read(&mut block) {
                        Ok(0) => return Ok(Ok(())),
                        Ok(count) => self.append(block.get(..count).unwrap_or_default())?,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Ok(Err(error)),
                    }
                }
            }
        }
    }

    /// Returns all bytes.
    pub(crate) fn as_slice(&self) -> PartSlice<'_> {
        self.slice(0, self.len())
    }

    /// Returns the bytes from `at` to `end`, as far as there are any.
    pub(crate) fn slice(&self, at: u64, end: u64) -> PartSlice<'_> {
        let (at, end) = (at.min(self.len()), end.min(self.len()));
        match self {
            Self::Memory { bytes, .. } => {
                let range = usize::try_from(at).ok().zip(usize::try_from(end).ok());
                let range = range.and_then(|(at, end)| bytes.get(at..end));
                PartSlice::Bytes(range.unwrap_or_default())
            }
            Self::File { file, folder, .. } => PartSlice::File { file, folder, at, end },
        }
    }

    /// Takes the memory of content that is no longer needed.
    pub(super) fn take_memory(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Memory { bytes, filled } => {
                *filled = 0;
                Some(std::mem::take(bytes))
            }
            Self::File { .. } => None,
        }
    }
}

impl From<Vec<u8>> for PartContent {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory { filled: bytes.len(), bytes }
    }
}

impl<'a> PartSlice<'a> {
    /// No bytes.
    pub(crate) const EMPTY: Self = Self::Bytes(&[]);

    /// Returns the number of bytes.
    pub(crate) const fn len(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { at, end, .. } => end.saturating_sub(at),
        }
    }

    /// Returns whether there are no bytes.
    pub(crate) const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Opens a reader at the first byte.
    pub(crate) fn open(self) -> Box<dyn Read + 'a> {
        match self {
            Self::Bytes(bytes) => Box::new(bytes),
            Self::File { file, at, end, .. } => Box::new(Section { file, at, end }),
        }
    }

    /// Visits all bytes in order.
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] if they cannot be read from the spool folder.
    pub(crate) fn for_each_piece(self, mut visit: impl FnMut(&[u8])) -> Result<()> {
        let Self::File { folder, .. } = self else {
            if let Self::Bytes(bytes) = self {
                visit(bytes);
            }
            return Ok(());
        };
        self.check_file()?;
        let (mut reader, mut block) = (self.open(), vec![0; BLOCK]);
        loop {
            match reader.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(count) => visit(block.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(folder.error("reading a part from", error)),
            }
        }
    }

    /// Returns the MD5 of the bytes.
    pub(crate) fn md5(self) -> Result<[u8; 16]> {
        let mut digest = Md5::new();
        self.for_each_piece(|piece| digest.update(piece))?;
        Ok(digest.finalize().into())
    }

    /// Sends the bytes as a part of an upload.
    pub(crate) fn send(self, client: &Client, upload: UploadRef<'_>, number: u32) -> Result<Part> {
        match self {
            Self::Bytes(bytes) => client.upload_part(upload, number, bytes),
            Self::File { .. } => {
                self.check_file()?;
                client.upload_part_from(upload, number, &|_| self.open(), self.len())
            }
        }
    }

    /// Sends the bytes like [`PartSlice::send`], and reports how many of them an attempt has sent.
    pub(crate) fn send_reported(
        self,
        client: &Client,
        upload: UploadRef<'_>,
        number: u32,
        report: &(dyn Fn(u64) + Sync),
    ) -> Result<Part> {
        self.check_file()?;
        let open = |purpose| reporting(self.open(), purpose, report);
        client.upload_part_from(upload, number, &open, self.len())
    }

    /// Stores the bytes as an object.
    pub(crate) fn put(
        self,
        client: &Client,
        (bucket, key): (&str, &str),
        settings: &ObjectSettings,
    ) -> Result<PutResult> {
        match self {
            Self::Bytes(bytes) => client.put_object(bucket, key, bytes, settings),
            Self::File { .. } => {
                self.check_file()?;
                let open = |_| self.open();
                client.put_object_replayed(bucket, key, &open, self.len(), settings)
            }
        }
    }

    /// Stores the bytes like [`PartSlice::put`], and reports how many of them an attempt has sent.
    pub(crate) fn put_reported(
        self,
        client: &Client,
        (bucket, key): (&str, &str),
        settings: &ObjectSettings,
        report: &(dyn Fn(u64) + Sync),
    ) -> Result<PutResult> {
        self.check_file()?;
        let open = |purpose| reporting(self.open(), purpose, report);
        client.put_object_replayed(bucket, key, &open, self.len(), settings)
    }

    /// Checks that the file still has all bytes that were written to it.
    fn check_file(self) -> Result<()> {
        let Self::File { file, folder, end, .. } = self else { return Ok(()) };
        let length = file.metadata().map_err(|error| folder.error("examining", error))?.len();
        if length >= end {
            return Ok(());
        }
        let text = format!("the file of a part in the spool folder has {length} bytes, not {end}");
        Err(Error::new(ErrorKind::LocalIo, text))
    }
}

/// Reads into memory like [`PartContent::fill`].
fn fill_memory(
    bytes: &mut Vec<u8>,
    filled: &mut usize,
    reader: &mut dyn Read,
    limit: u64,
) -> io::Result<()> {
    let end = filled.saturating_add(usize::try_from(limit).unwrap_or(usize::MAX));
    while *filled < end.min(bytes.len()) {
        let end = end.min(bytes.len());
        let place = bytes.get_mut(*filled..end).unwrap_or_default();
        match reader.read(place) {
            Ok(0) => return Ok(()),
            Ok(count) => *filled = filled.saturating_add(count).min(end),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // `read_to_end` reads directly into the buffer.
    let result = reader.take((end - *filled) as u64).read_to_end(bytes);
    *filled = (*filled).max(bytes.len().min(end));
    result.map(drop)
}
