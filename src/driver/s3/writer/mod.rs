//! Files being written: parts on threads, resumed by any process, visible whole or not at all.
//!
//! # How a file is written
//!
//! Bytes fill a part's buffer. While there is no more than one part, nothing is sent; `commit` then needs one PutObject.
//! The byte after begins a multipart upload: full parts go to a bounded set of threads ([`Sender`](sender::Sender)) while
//! the caller fills the next buffer. `commit` sends the last part and completes the upload.
//!
//! # How it survives `close`
//!
//! The unfinished file is the multipart upload: S3 keeps its parts, shows them to nobody, and tells every process what
//! is there. What does not fill a part cannot be a part, since S3 takes small ones only at the end and gives none back, so
//! `close` stores it as a [`checkpoint`] beside. In this order: all parts, then the checkpoint, which names the upload and
//! how many parts and bytes precede its own. After a kill at any point the next appending writer finds one of these:
//!
//! | killed | found | goes on |
//! |---|---|---|
//! | before the first `close` | parts, no checkpoint | after the last whole part, without a gap |
//! | after a `close`, also in a later `close` | the checkpoint of the last whole `close` | exactly where that left off; parts sent later are sent again under the same numbers |
//! | in `commit`, before the completion | the same | the same |
//! | in `commit`, after the completion | the object, and a checkpoint whose upload is gone | the checkpoint is removed; the file is committed |
//! | in `cancel`, after the abort | a checkpoint whose upload is gone | the checkpoint is removed; there is no file |
//!
//! [`FileWriter::size`] tells where it goes on. Every `close` writes a checkpoint, also one without bytes: what was
//! promised is written down, and parts that a killed writer left can never shift what a caller appends next.
//!
//! # Uploads of other programs
//!
//! The registry's Go driver closes by sending what it has as a part, however small. Such an upload can be committed as it
//! is, and goes on when its last part has 5 MiB or more (with uniform parts: the size of the others). What cannot be had
//! without showing half a file to readers is to append behind a smaller part: S3 gives no part back and takes no other
//! behind it. Writing then fails with an error that says so; the upload is left as it is.
//!
//! # Failures
//!
//! The first failure of a part is told by the next call, at the latest by `commit`. A commit that fails leaves nothing
//! behind, with two exceptions: an upload that an earlier writer closed stays as that left it, and one whose completion
//! may have happened is never aborted.
mod buffer;
pub(super) mod checkpoint;
mod layout;
pub(super) mod resume;
mod sender;

pub(crate) use layout::Layout;

use super::store::Store;
use crate::client::{Client, Condition, UploadRef, UploadedPart, total_size};
use crate::driver::{FileWriter, WriteMode};
use crate::error::{Error, ErrorKind, Result};
use buffer::Buffer;
use checkpoint::Checkpoint;
use resume::{Kept, LastPart, Resumed};
use sender::Sender;
use std::io::{self, Read, Write};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// How long cleaning up may take where nobody is told of its failure: dropping a writer must not hang on a dead server.
const CLEANUP_LIMIT: Duration = Duration::from_secs(10);

/// A writer for `path`.
///
/// # Errors
/// Appending: [`ErrorKind::PathNotFound`] when there is neither an unfinished upload nor a file;
/// [`ErrorKind::InvalidArgument`] when a file with content is committed there.
pub(crate) fn open_writer(store: &Arc<Store>, path: &str, mode: WriteMode) -> Result<Box<dyn FileWriter>> {
    let mut writer = Writer::new(store, path, store.parameters.chunk_size);
    if mode == WriteMode::Append {
        match resume::find(store, path).map_err(|error| store.error(error, path))? {
            Some(resumed) => writer = Writer::resume(store, path, resumed)?,
            None => check_empty(store, path)?,
        }
    }
    Ok(Box::new(writer))
}

/// Without an unfinished upload, appending is right for an empty file alone.
fn check_empty(store: &Store, path: &str) -> Result<()> {
    let meta = store.client.head_object(&store.bucket, &store.key(path)).map_err(|error| store.error(error, path))?;
    if meta.size == 0 {
        return Ok(());
    }
    let text = format!("cannot append: a file of {} bytes is committed here", meta.size);
    Err(store.error(Error::new(ErrorKind::InvalidArgument, text), path))
}

/// A file of an S3 driver that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    store: Arc<Store>,
    path: String,
    key: String,
    layout: Layout,
    sender: Sender,
    /// `None` while all bytes are in the buffer.
    upload_id: Option<Arc<str>>,
    /// Parts that were there before this writer sent any.
    earlier: Vec<UploadedPart>,
    /// The part being filled; `None` before its first byte.
    buffer: Option<Buffer>,
    /// The number of that part.
    number: u32,
    size: u64,
    last_part: LastPart,
    /// Whether the stored checkpoint is this upload's.
    kept: Kept,
    origin: UploadOrigin,
    stage: Stage,
}

/// Which writer began the upload. An upload that an earlier writer closed was promised to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UploadOrigin {
    ThisWriter,
    EarlierWriter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Closed,
    Committed,
    Cancelled,
    /// A commit failed.
    Failed,
}

impl Writer {
    /// A writer that begins with nothing. Asks the server nothing.
    pub(crate) fn new(store: &Arc<Store>, path: &str, chunk_size: u64) -> Self {
        let key = store.key(path);
        let place = (&*store.bucket, key.as_str());
        let sender = Sender::new(&store.client, place, store.parameters.concurrency, chunk_size, &store.memory);
        Self {
            layout: Layout::new(chunk_size, store.parameters.part_sizes),
            store: Arc::clone(store),
            path: path.to_owned(),
            key,
            sender,
            upload_id: None,
            earlier: Vec::new(),
            buffer: None,
            number: 1,
            size: 0,
            last_part: LastPart::MayBeFollowed,
            kept: Kept::PartsAlone,
            origin: UploadOrigin::ThisWriter,
            stage: Stage::Open,
        }
    }

    fn resume(store: &Arc<Store>, path: &str, resumed: Resumed) -> Result<Self> {
        let Resumed { upload_id, parts, tail, chunk_size, last_part, kept } = resumed;
        let mut writer = Self::new(store, path, chunk_size);
        writer.origin = UploadOrigin::EarlierWriter;
        writer.kept = kept;
        writer.last_part = last_part;
        writer.take_over(upload_id.into(), parts);
        if !tail.is_empty() {
            writer.size += tail.len() as u64;
            let size = writer.layout.part_size(writer.number).and_then(|size| writer.sender.buffer_with(tail, size));
            match size {
                Ok(buffer) => writer.buffer = Some(buffer),
                Err(error) => {
                    // Dropped as it is, it would abort what it could not take over.
                    writer.stage = Stage::Failed;
                    return Err(writer.error(error));
                }
            }
        }
        Ok(writer)
    }

    /// Goes on behind parts that are there.
    pub(crate) fn take_over(&mut self, upload_id: Arc<str>, parts: Vec<UploadedPart>) {
        self.upload_id = Some(upload_id);
        self.size = total_size(&parts).unwrap_or(u64::MAX);
        self.number = parts.last().map_or(1, |part| part.part_number + 1);
        self.earlier = parts;
    }

    /// Begins the upload, unless it has begun.
    pub(crate) fn begin(&mut self) -> Result<Arc<str>> {
        if let Some(upload_id) = &self.upload_id {
            return Ok(Arc::clone(upload_id));
        }
        let Store { client, bucket, settings, .. } = &*self.store;
        let upload_id: Arc<str> = client.create_multipart_upload(bucket, &self.key, settings)?.into();
        self.upload_id = Some(Arc::clone(&upload_id));
        Ok(upload_id)
    }

    /// Gives an upload up that holds nothing of use.
    pub(crate) fn start_over(&mut self) -> Result<()> {
        let Store { client, bucket, .. } = &*self.store;
        match self.upload_id.take() {
            None => Ok(()),
            Some(upload_id) => {
                client.abort_multipart_upload(UploadRef { bucket, key: &self.key, upload_id: &upload_id })
            }
        }
    }

    /// Accepts some of `content`: what fits into the part being filled.
    fn accept(&mut self, content: &[u8]) -> Result<usize> {
        self.check_open()?;
        self.sender.check()?;
        if content.is_empty() {
            return Ok(0);
        }
        let buffer = self.room()?;
        let room = usize::try_from(buffer.size()).unwrap_or(usize::MAX).saturating_sub(buffer.bytes.len());
        let taken = content.len().min(room);
        buffer.bytes.extend_from_slice(&content[..taken]);
        self.size += taken as u64;
        Ok(taken)
    }

    /// Reads up to `limit` bytes (at least 1) from `reader` into the part being filled. Gives back how many, 0 only at
    /// the reader's end, and the reader's error.
    pub(crate) fn fill(&mut self, reader: &mut dyn Read, limit: u64) -> Result<(u64, io::Result<()>)> {
        self.check_open()?;
        self.sender.check()?;
        let before = self.size;
        if self.is_full() {
            // Whether the full part is the last one decides how it is sent: look for one more byte first.
            let mut next = Vec::with_capacity(1);
            let result = reader.take(1).read_to_end(&mut next);
            self.accept(&next)?;
            if next.is_empty() || result.is_err() || limit == 1 {
                return Ok((self.size - before, result.map(drop)));
            }
        }
        let left = limit - (self.size - before);
        let buffer = self.room()?;
        let filled = buffer.bytes.len();
        let room = buffer.size().saturating_sub(filled as u64);
        // `read_to_end` reads into the buffer itself, and keeps what it read before an error.
        let result = reader.take(room.min(left)).read_to_end(&mut buffer.bytes).map(drop);
        let read = buffer.bytes.len() - filled;
        self.size += read as u64;
        Ok((self.size - before, result))
    }

    fn is_full(&self) -> bool {
        self.buffer.as_ref().is_some_and(|buffer| buffer.bytes.len() as u64 >= buffer.size())
    }

    /// The part being filled, with room for at least one byte.
    fn room(&mut self) -> Result<&mut Buffer> {
        if let LastPart::IsFinal(size) = self.last_part {
            let text = format!(
                "the unfinished file ends with a part of {size} bytes, and S3 takes no part behind one of that size"
            );
            let error = Error::new(ErrorKind::InvalidArgument, text);
            return Err(error.with_hint("commit it as it is, or cancel it and write it again"));
        }
        if self.is_full() {
            self.send()?;
        }
        let buffer = match self.buffer.take() {
            Some(buffer) => buffer,
            None => self.sender.buffer(self.layout.part_size(self.number)?)?,
        };
        Ok(self.buffer.insert(buffer))
    }

    /// Hands the part being filled to the threads, whatever its size.
    fn send(&mut self) -> Result<()> {
        let upload_id = self.begin()?;
        if let Some(buffer) = self.buffer.take() {
            self.sender.send(&upload_id, self.number, buffer)?;
            self.number += 1;
        }
        Ok(())
    }

    fn try_close(&mut self) -> Result<()> {
        self.sender.check()?;
        if self.last_part != LastPart::MayBeFollowed {
            // Nothing was written, and a checkpoint could not tell more than the parts do.
            return Ok(());
        }
        if self.is_full() {
            self.send()?;
        }
        let upload_id = self.begin()?;
        self.earlier.extend(self.sender.finish()?);
        let checkpoint = Checkpoint {
            upload_id: upload_id.to_string(),
            parts: self.number - 1,
            bytes: total_size(&self.earlier).unwrap_or(u64::MAX),
            chunk_size: self.layout.chunk_size(),
        };
        let mut nothing = Vec::new();
        let tail = self.buffer.as_mut().map_or(&mut nothing, |buffer| &mut buffer.bytes);
        checkpoint.save(&self.store, &self.path, tail)?;
        self.kept = Kept::Checkpoint;
        Ok(())
    }

    fn try_commit(&mut self) -> Result<()> {
        self.sender.check()?;
        let store = Arc::clone(&self.store);
        let Some(upload_id) = self.upload_id.clone() else {
            let content = self.buffer.as_ref().map_or(&[][..], |buffer| &buffer.bytes);
            store.client.put_object(&store.bucket, &self.key, content, &store.settings)?;
            return Ok(());
        };
        let empty = self.buffer.as_ref().is_none_or(|buffer| buffer.bytes.is_empty());
        if empty && self.number > 1 {
            self.buffer = None;
        } else if self.buffer.is_none() {
            // S3 completes no upload without a part: an empty file has an empty one.
            self.buffer = Some(self.sender.buffer(0)?);
        }
        self.send()?;
        self.earlier.extend(self.sender.finish()?);
        let upload = UploadRef { bucket: &store.bucket, key: &self.key, upload_id: &upload_id };
        store.client.complete_multipart_upload(upload, &self.earlier, &Condition::Always)?;
        // The file is committed, whatever becomes of this: left behind, the checkpoint is found to be of no upload.
        if self.kept == Kept::Checkpoint {
            drop(self.cleanup(Self::forget));
        }
        Ok(())
    }

    /// Removes what was kept for a later writer.
    fn forget(&self, client: &Client) -> Result<()> {
        match self.kept {
            Kept::PartsAlone => Ok(()),
            Kept::Checkpoint => {
                client.delete_object(&self.store.bucket, &checkpoint::checkpoint_key(&self.store, &self.path))
            }
        }
    }

    /// Ends the upload and removes what was kept of it. In this order: a checkpoint without an upload means nothing.
    fn discard(&self, client: &Client) -> Result<()> {
        let Store { bucket, .. } = &*self.store;
        if let Some(upload_id) = &self.upload_id {
            client.abort_multipart_upload(UploadRef { bucket, key: &self.key, upload_id })?;
        }
        self.forget(client)
    }

    /// Does `work` with a client that nobody cancelled, and that is cancelled after [`CLEANUP_LIMIT`].
    fn cleanup(&self, work: impl FnOnce(&Self, &Client) -> Result<()> + Send) -> Result<()> {
        let cancel = crate::Cancel::new();
        let client = self.store.client.with_cancel(&cancel);
        std::thread::scope(|scope| {
            let (done, result) = mpsc::channel();
            std::thread::Builder::new()
                .name("s3driver-cleanup".to_owned())
                .spawn_scoped(scope, move || done.send(work(self, &client)))
                .map_err(|error| Error::new(ErrorKind::LocalIo, "no thread to clean up").with_source(error))?;
            result.recv_timeout(CLEANUP_LIMIT).or_else(|_| {
                cancel.cancel();
                result.recv().map_err(|_| Error::new(ErrorKind::Timeout, "cleaning up took too long"))
            })?
        })
    }

    fn check_open(&self) -> Result<()> {
        let text = match self.stage {
            Stage::Open => return Ok(()),
            Stage::Closed => "the writer is already closed",
            Stage::Committed => "the file is already committed",
            Stage::Cancelled => "the writer is already cancelled",
            Stage::Failed => "the file could not be committed, and the writer has ended",
        };
        Err(Error::new(ErrorKind::Closed, text))
    }

    fn error(&self, error: Error) -> Error {
        self.store.error(error, &self.path)
    }

    /// Ends the threads and gives the memory back.
    fn end(&mut self, stage: Stage) {
        self.stage = stage;
        self.sender.stop();
        self.buffer = None;
    }
}

impl Write for Writer {
    /// Accepts at most the rest of the current part in one call.
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.accept(content).map_err(|error| self.error(error).into())
    }

    /// Sends nothing: bytes become durable by `close` and `commit`. Tells whether a part has failed.
    fn flush(&mut self) -> io::Result<()> {
        self.check_open().and_then(|()| self.sender.check()).map_err(|error| self.error(error).into())
    }
}

impl FileWriter for Writer {
    fn size(&self) -> u64 {
        self.size
    }

    fn close(&mut self) -> Result<()> {
        self.check_open().and_then(|()| self.try_close()).map_err(|error| self.error(error))?;
        self.end(Stage::Closed);
        Ok(())
    }

    fn cancel(&mut self) -> Result<()> {
        self.check_open().map_err(|error| self.error(error))?;
        self.end(Stage::Cancelled);
        self.cleanup(Self::discard).map_err(|error| self.error(error))
    }

    fn commit(&mut self) -> Result<()> {
        self.check_open().map_err(|error| self.error(error))?;
        let result = self.try_commit();
        self.end(if result.is_ok() { Stage::Committed } else { Stage::Failed });
        result.map_err(|error| {
            let mut error = error;
            if error.kind() != ErrorKind::OutcomeUnknown
                && self.origin == UploadOrigin::ThisWriter
                && let Err(second) = self.cleanup(Self::discard)
            {
                error = error.with_others(vec![second]);
            }
            self.error(error)
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.stage != Stage::Open {
            return;
        }
        let failed = self.sender.has_failed();
        self.sender.stop();
        // A failure is not the caller's wish to throw away what an earlier writer closed.
        let keep = failed && self.origin == UploadOrigin::EarlierWriter;
        if !keep && self.upload_id.is_some() {
            drop(self.cleanup(Self::discard));
        }
    }
}
