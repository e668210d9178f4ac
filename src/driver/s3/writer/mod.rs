//! Files being written: threads send the parts, any process can resume, and a file becomes visible
//! completely or not at all.
//!
//! # How a file is written
//!
//! Bytes are collected in the buffer of one part. As long as they fit into one part, nothing is
//! sent, and `commit` needs only one PutObject. The next byte begins a multipart upload: a bounded
//! set of threads ([`Sender`]) sends full parts while the caller fills the next buffer. `commit`
//! sends the last part and completes the upload.
//!
//! # How it survives `close`
//!
//! The unfinished file is the multipart upload. S3 keeps its parts, does not show them to readers,
//! and lists them for every process. Bytes that do not fill a part cannot be stored permanently as
//! a part, because S3 accepts small parts only at the end and does not return parts. So `close`
//! stores them as a [`checkpoint`] in the file's directory. `close` proceeds in this order:
//!
//! - It sends all full parts.
//! - It stores the checkpoint, which names the upload and states how many parts and bytes precede
//!   the checkpoint's bytes.
//! - It sends these bytes once more, as the next part, so that other programs see the same size.
//!
//! The next writer replaces that last part before it sends further ones, or commits it as it is. (A
//! server that does not allow parts to be replaced, such as rclone, accepts parts of any size.
//! There, the bytes after it become the next part.) If the process is killed, the next appending
//! writer finds one of these states:
//!
//! - Killed before the first `close` with bytes: the parts. The file continues after the last whole
//!   part that precedes a gap.
//! - Killed after a `close`, or during a later `close`: the checkpoint of the last whole `close`.
//!   The file continues exactly where that `close` left off; parts that were sent later are sent
//!   again under the same numbers.
//! - Killed in `commit`, before the completion: likewise, the checkpoint of the last whole `close`.
//! - Killed in `commit`, after the completion: the object, and a checkpoint whose upload no longer
//!   exists. The checkpoint is removed, and the file is committed.
//! - Killed in `cancel`, after the abort: a checkpoint whose upload no longer exists. The
//!   checkpoint is removed, and there is no file.
//!
//! [`FileWriter::size`] reports where the file continues. Every `close` writes a checkpoint, even
//! without any bytes, unless nothing has changed since the last one.
//!
//! # Before the first `close`
//!
//! Opening a writer sends nothing, and a file of at most one part is committed with one PutObject.
//! Beginning the upload immediately, as the registry's Go driver does, would take three requests
//! for each small file (CreateMultipartUpload, UploadPart, CompleteMultipartUpload) instead of one.
//! Therefore, a writer that has sent nothing and was not closed does not exist for other processes:
//! an appending writer does not find a file, and a process that is killed at this point leaves
//! nothing. The registry closes the writer with which it begins an upload before it responds to the
//! client.
//!
//! # Failures
//!
//! The next call, at the latest `commit`, reports the first failure of a part. After a `write` that
//! failed, every later `write` and `commit` fail as well, because bytes may be missing; `close`
//! keeps the bytes that were accepted before. A failed commit leaves nothing, with two exceptions:
//! an upload that an earlier writer closed remains in the state of that close, and an upload that
//! may have been completed is never aborted. Similarly, a resumed writer that is dropped leaves the
//! upload in the state in which it found it: only `cancel` ends the upload.
pub(super) mod checkpoint;
mod replace;
pub(super) mod resume;

use super::store::Store;
use crate::client::{Client, Condition, Part, UploadRef};
use crate::driver::{FileWriter, WriteMode};
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::{
    Buffer, Concurrency, FirstFailure, Layout, PartSlice, Sender, cannot_replace, clean_up,
};
use checkpoint::{Checkpoint, LaterParts, SeenObject};
use resume::{Found, Kept, LastPart, Resumed};
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// The number of threads of a writer, unless the option `concurrency` is given. With 80 MB/s per
/// connection and 25 ms to the first byte of a response, these fill a link of 1 GB/s (`cargo bench
/// --bench latency`).
const CONCURRENCY: Concurrency = Concurrency::UpTo(NonZeroUsize::new(20).expect("not zero"));

/// Opens a writer for `path`.
///
/// # Errors
/// If appending: [`ErrorKind::PathNotFound`] if there is neither an unfinished upload nor a file;
/// [`ErrorKind::InvalidArgument`] if a file with content is committed at `path`.
pub(crate) fn open_writer(
    store: &Arc<Store>,
    path: &str,
    mode: WriteMode,
) -> Result<Box<dyn FileWriter>> {
    let mut writer = Writer::new(store, path, store.parameters.chunk_size);
    if mode == WriteMode::Append {
        match resume::find(store, path).map_err(|error| store.error(error, path))? {
            Some(resumed) => {
                writer = Writer::resume(store, path, resumed)
                    .map_err(|error| store.error(error, path))?;
            }
            None => {
                resume::check_empty(store, path).map_err(|error| store.error(error, path))?;
            }
        }
    }
    Ok(Box::new(writer))
}

/// A file of an S3 driver that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    store: Arc<Store>,
    path: String,
    key: String,
    layout: Layout,
    sender: Sender,
    /// The ID of the upload; `None` while all bytes are in the buffer.
    upload_id: Option<Arc<str>>,
    /// The parts that existed before this writer sent any.
    earlier: Vec<Part>,
    /// The part being filled; `None` before its first byte.
    buffer: Option<Buffer>,
    /// The number of the part being filled.
    number: u32,
    size: u64,
    /// The first failure of a write, after which bytes would be missing from the file.
    failure: Option<FirstFailure>,
    last_part: LastPart,
    kept: Kept,
    /// The file that readers of the path see.
    file: SeenObject,
    origin: UploadOrigin,
    stage: Stage,
}

/// The writer that began the upload. An upload that an earlier writer closed was promised to be
/// kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum UploadOrigin {
    ThisWriter,
    EarlierWriter(Found),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Closed,
    Committed,
    Cancelled,
    /// A cancellation failed, and can be repeated.
    CancelFailed,
    /// A commit failed.
    Failed,
}

impl Writer {
    /// Creates a writer without any content. Sends no request.
    pub(crate) fn new(store: &Arc<Store>, path: &str, chunk_size: u64) -> Self {
        let key = store.key(path);
        let place = (&*store.bucket, key.as_str());
        let sender = Sender::new(
            &store.client,
            place,
            store.parameters.concurrency.map_or(CONCURRENCY, Concurrency::Exactly),
            chunk_size,
            &store.part_storage,
            &store.memory,
        );
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
            failure: None,
            last_part: LastPart::MayBeFollowed,
            kept: Kept::PartsAlone,
            file: SeenObject::Unknown,
            origin: UploadOrigin::ThisWriter,
            stage: Stage::Open,
        }
    }

    fn resume(store: &Arc<Store>, path: &str, resumed: Resumed) -> Result<Self> {
        let Resumed {
            upload_id,
            parts,
            tail,
            next_part,
            stale,
            are_md5s,
            chunk_size,
            last_part,
            kept,
            file,
            checkpoint,
        } = resumed;
        let mut writer = Self::new(store, path, chunk_size);
        writer.kept = kept;
        writer.file = file;
        writer.last_part = last_part;
        writer.take_over(upload_id.into(), parts);
        let (parts, bytes) = (writer.number - 1, tail.len());
        writer.size = writer.size.saturating_add(bytes);
        writer.origin = UploadOrigin::EarlierWriter(Found {
            parts,
            size: writer.size,
            tail: bytes,
            next_part,
            stale,
            are_md5s,
            checkpoint,
        });
        if bytes > 0 {
            let size = writer.layout.part_size(writer.number)?;
            writer.buffer = Some(writer.sender.first_buffer(tail, size)?);
        }
        Ok(writer)
    }

    /// Continues an upload after its existing parts.
    pub(crate) fn take_over(&mut self, upload_id: Arc<str>, parts: Vec<Part>) {
        self.upload_id = Some(upload_id);
        self.size = resume::total(parts.iter());
        self.number = parts.last().map_or(1, |part| part.part_number.saturating_add(1));
        self.earlier = parts;
    }

    /// Begins the upload, unless it was already begun, and returns its ID.
    pub(crate) fn begin(&mut self) -> Result<Arc<str>> {
        if let Some(upload_id) = &self.upload_id {
            return Ok(Arc::clone(upload_id));
        }
        let Store { client, bucket, settings, .. } = &*self.store;
        let upload_id: Arc<str> =
            client.create_multipart_upload(bucket, &self.key, settings)?.into();
        self.upload_id = Some(Arc::clone(&upload_id));
        Ok(upload_id)
    }

    /// Aborts an upload that holds nothing useful.
    pub(crate) fn start_over(&mut self) -> Result<()> {
        let Store { client, bucket, .. } = &*self.store;
        match self.upload_id.take() {
            None => Ok(()),
            Some(upload_id) => client.abort_multipart_upload(UploadRef {
                bucket,
                key: &self.key,
                upload_id: &upload_id,
            }),
        }
    }

    /// Accepts as much of `content` as fits into the part being filled, or the whole parts that it
    /// begins with. Returns the number of bytes.
    fn accept(&mut self, content: &[u8]) -> Result<usize> {
        let result = self.try_accept(content);
        self.keep_failure(result)
    }

    fn try_accept(&mut self, content: &[u8]) -> Result<usize> {
        self.check_open()?;
        self.check_complete()?;
        if content.is_empty() {
            return Ok(0);
        }
        let taken = match self.send_whole_parts(content)? {
            0 => self.room()?.append(content)?,
            taken => taken,
        };
        self.size += taken as u64;
        Ok(taken)
    }

    /// Sends whole parts at the beginning of `content` directly, without copying them into a
    /// buffer: all of them if there is at least one for each thread, with fewer, some threads would
    /// be idle; one of them while the threads already have work for all processors. Returns the
    /// number of bytes.
    fn send_whole_parts(&mut self, content: &[u8]) -> Result<usize> {
        let within_a_part = self.buffer.is_some() && !self.is_full();
        // A part that an earlier writer left may have to be replaced.
        if within_a_part || self.origin != UploadOrigin::ThisWriter {
            return Ok(0);
        }
        let first = self.number.saturating_add(u32::from(self.buffer.is_some()));
        let (mut rest, mut parts) = (content, Vec::new());
        while let Ok(size) = self
            .layout
            .part_size(first.saturating_add(u32::try_from(parts.len()).unwrap_or(u32::MAX)))
            && let Some((part, after)) =
                rest.split_at_checked(usize::try_from(size).unwrap_or(usize::MAX))
            && !part.is_empty()
        {
            parts.push(part);
            rest = after;
        }
        let Some(&one) = parts.first() else { return Ok(0) };
        let may_be_whole_file = first == 1 && self.upload_id.is_none() && rest.is_empty();
        let occupies_all_threads = parts.len() >= self.sender.window();
        if parts.len() == 1 && may_be_whole_file
            || !occupies_all_threads && !self.sender.needs_caller()
        {
            return Ok(0);
        }
        if self.buffer.is_some() {
            self.send()?;
        }
        let upload_id = self.begin()?;
        if !occupies_all_threads {
            self.sender.send_alongside(&upload_id, self.number, one)?;
            self.number = self.number.saturating_add(1);
            return Ok(one.len());
        }
        self.sender.send_from(&upload_id, self.number, &parts)?;
        self.number = self.number.saturating_add(u32::try_from(parts.len()).unwrap_or(u32::MAX));
        Ok(content.len() - rest.len())
    }

    /// Reads up to `limit` bytes (at least 1) from `reader` into the part being filled. Returns the
    /// number of bytes, which is 0 only at the reader's end, and the reader's error.
    pub(crate) fn fill(
        &mut self,
        reader: &mut dyn Read,
        limit: u64,
    ) -> Result<(u64, io::Result<()>)> {
        let result = self.try_fill(reader, limit);
        self.keep_failure(result)
    }

    fn try_fill(&mut self, reader: &mut dyn Read, limit: u64) -> Result<(u64, io::Result<()>)> {
        self.check_open()?;
        self.check_complete()?;
        let before = self.size;
        if self.is_full() {
            // A full part is sent differently if it is the last one, so one more byte is read
            // first.
            let mut next = Vec::with_capacity(1);
            let result = reader.take(1).read_to_end(&mut next);
            self.accept(&next)?;
            if next.is_empty() || result.is_err() || limit == 1 {
                return Ok((self.size - before, result.map(drop)));
            }
        }
        let left = limit - (self.size - before);
        let buffer = self.room()?;
        let filled = buffer.len();
        let result = buffer.fill(reader, left);
        self.size += buffer.len() - filled;
        Ok((self.size - before, result?))
    }

    /// Records the failure of a write: the caller may ignore it, as a `BufWriter` that is dropped
    /// does. If no part may follow the last one, the file can nevertheless be committed as it is.
    fn keep_failure<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && self.last_part == LastPart::MayBeFollowed
        {
            self.failure.get_or_insert_with(|| FirstFailure::of(error));
        }
        result
    }

    /// Returns the first failure of a part or of a write.
    fn check_complete(&mut self) -> Result<()> {
        self.sender.check()?;
        self.failure.as_mut().map_or(Ok(()), |failure| Err(failure.next_error()))
    }

    fn is_full(&self) -> bool {
        self.buffer.as_ref().is_some_and(Buffer::is_full)
    }

    /// Returns the part being filled, with room for at least one byte.
    fn room(&mut self) -> Result<&mut Buffer> {
        if let LastPart::IsFinal(size) = self.last_part {
            let text = format!(
                "the unfinished file ends with a part of {size} bytes, and S3 accepts no further \
                 part after one of that size"
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

    /// Passes the part being filled to the threads, even if it is not full.
    fn send(&mut self) -> Result<()> {
        let upload_id = self.begin()?;
        let next_part = self.found().and_then(|found| found.next_part.clone());
        if next_part
            .as_ref()
            .is_some_and(|part| self.number.checked_sub(1) == Some(part.part_number))
        {
            // As long as the part that the last close sent exists, parts after it belong to another
            // program.
            let sent = self.sender.finish()?;
            self.earlier.extend(sent);
            self.number = self.earlier.last().map_or(1, |part| part.part_number.saturating_add(1));
        }
        if let Some(buffer) = self.buffer.take() {
            let replaces = next_part.filter(|part| part.part_number == self.number);
            self.sender.send(&upload_id, self.number, buffer, replaces)?;
            self.number += 1;
        }
        Ok(())
    }

    fn found(&self) -> Option<&Found> {
        match &self.origin {
            UploadOrigin::ThisWriter => None,
            UploadOrigin::EarlierWriter(found) => Some(found),
        }
    }

    /// Returns the state of the last close, as long as this writer has not accepted any further
    /// bytes.
    fn unchanged(&self) -> Option<&Found> {
        self.found().filter(|found| found.size == self.size)
    }

    fn try_close(&mut self) -> Result<()> {
        self.sender.check()?;
        if self.last_part != LastPart::MayBeFollowed {
            // Nothing was written, and a checkpoint could not add anything to what the parts show.
            return Ok(());
        }
        if self.kept == Kept::Checkpoint
            && self.unchanged().is_some_and(|found| found.size == 0 || found.tail_part().is_some())
        {
            return Ok(());
        }
        if self.is_full() {
            self.send()?;
        }
        let upload_id = self.begin()?;
        self.earlier.extend(self.sender.finish()?);
        self.number = self.earlier.last().map_or(1, |part| part.part_number.saturating_add(1));
        if self.size > 0 && self.origin == UploadOrigin::ThisWriter {
            self.file = resume::committed_file(&self.store, &self.key);
        }
        let buffer = self.buffer.take();
        let tail = buffer.as_ref().map_or(PartSlice::EMPTY, Buffer::as_slice);
        let result = self.keep(&upload_id, tail);
        self.buffer = buffer;
        result
    }

    /// Stores the bytes of `tail` for the next writer, and also sends them as a part for other
    /// programs.
    fn keep(&mut self, upload_id: &str, tail: PartSlice<'_>) -> Result<()> {
        let store = Arc::clone(&self.store);
        self.save(&store.client, tail, LaterParts::Count)?;
        self.kept = Kept::Checkpoint;
        // All bytes are stored: the next writer continues after them even if the copy for other
        // programs fails, so dropping this writer must not discard them.
        self.stage = Stage::Closed;
        if self.size == 0 {
            return Ok(());
        }
        let upload = UploadRef { bucket: &store.bucket, key: &self.key, upload_id };
        match tail.send(&store.client, upload, self.number) {
            // An empty part would only show that the file ends here, and not every server accepts
            // one.
            Err(error) if tail.is_empty() || cannot_replace(&error) => Ok(()),
            sent => sent.map(drop),
        }
    }

    /// Stores a checkpoint of the existing parts and of the bytes in `tail`, unless another writer
    /// has continued the upload.
    fn save(&self, client: &Client, tail: PartSlice<'_>, later: LaterParts) -> Result<()> {
        let Some(upload_id) = &self.upload_id else { return Ok(()) };
        let parts = self.earlier.last().map_or(0, |part| part.part_number);
        // The tail becomes the next part, and the stale part is the one after it.
        let stale_part = self.found().and_then(|found| found.stale.get(&parts.saturating_add(2)));
        let Store { client: own, bucket, .. } = &*self.store;
        let are_md5s =
            !own.has_opaque_etags(bucket) && self.found().is_none_or(|found| found.are_md5s);
        let checkpoint = Checkpoint {
            upload_id: upload_id.to_string(),
            parts,
            bytes: resume::total(self.earlier.iter()),
            digest: checkpoint::digest_of(self.earlier.iter()).filter(|_| are_md5s),
            chunk_size: self.layout.chunk_size(),
            file: self.file.clone(),
            later,
            stale_part: stale_part.and_then(|part| checkpoint::recorded(&part.etag)),
        };
        let (place, content) = ((&*self.store, client, &*self.path), (&checkpoint, tail));
        match self.found() {
            Some(found) => replace::replace(place, content, &found.checkpoint),
            // No other writer has found the upload yet.
            None if self.number == 1 => replace::replace(place, content, &SeenObject::Unknown),
            None => replace::replace_older(place, content),
        }
    }

    /// Leaves a resumed upload in the state in which it was found. The checkpoint of a close with
    /// bytes ensures that already. Without such a checkpoint, the parts that this writer sent would
    /// count.
    fn preserve(&mut self) -> Result<()> {
        let Some(Found { parts, size, .. }) = self.found() else { return Ok(()) };
        let (parts, size) = (*parts, *size);
        if self.number - 1 == parts || (self.kept == Kept::Checkpoint && size > 0) {
            return Ok(());
        }
        self.earlier.retain(|part| part.part_number <= parts);
        self.cleanup(Self::restore)
    }

    /// Stores a checkpoint of the parts that this writer found, unless another writer has stored
    /// one in the meantime: then the upload is in the state of that one.
    fn restore(&self, client: &Client) -> Result<()> {
        // The server may ignore the condition of the request.
        if let Some(found) = self.found()
            && replace::is_changed((&self.store, client, &self.path), &found.checkpoint)?
        {
            return Ok(());
        }
        match self.save(client, PartSlice::EMPTY, LaterParts::Ignore) {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            result => result,
        }
    }

    fn try_commit(&mut self) -> Result<()> {
        self.check_complete()?;
        let store = Arc::clone(&self.store);
        let Some(upload_id) = self.upload_id.clone() else {
            let content = self.buffer.as_ref().map_or(PartSlice::EMPTY, Buffer::as_slice);
            content.put(&store.client, (&store.bucket, &self.key), &store.settings)?;
            return Ok(());
        };
        let empty = self.buffer.as_ref().is_none_or(|buffer| buffer.len() == 0);
        // This also applies to an empty part: Ceph only completes an upload with all of its parts.
        let tail_part = self.unchanged().and_then(|found| found.tail_part().cloned());
        if let Some(part) = tail_part {
            self.buffer = None;
            self.earlier.push(part);
        } else if empty && self.number > 1 {
            self.buffer = None;
        } else if self.buffer.is_none() {
            // S3 does not complete an upload without parts, so an empty file consists of an empty
            // part.
            self.buffer = Some(self.sender.buffer(0)?);
        }
        if self.buffer.is_some() {
            self.send()?;
        }
        self.earlier.extend(self.sender.finish()?);
        let upload = UploadRef { bucket: &store.bucket, key: &self.key, upload_id: &upload_id };
        store.client.complete_multipart_upload(upload, &self.earlier, &Condition::Always)?;
        // The file is committed even if this fails: the next writer finds that the remaining
        // checkpoint's upload no longer exists.
        if self.kept != Kept::PartsAlone {
            drop(self.cleanup(Self::forget));
        }
        Ok(())
    }

    /// Removes the checkpoint that was kept for a later writer.
    fn forget(&self, client: &Client) -> Result<()> {
        let found = self.found().filter(|_| self.kept != Kept::PartsAlone);
        let (Some(found), Some(upload_id)) = (found, &self.upload_id) else { return Ok(()) };
        replace::remove((&self.store, client, &self.path), upload_id, &found.checkpoint)
    }

    /// Aborts the upload, then removes its checkpoint. The order matters: a checkpoint without an
    /// upload has no effect.
    fn discard(&self, client: &Client) -> Result<()> {
        let Store { bucket, .. } = &*self.store;
        if let Some(upload_id) = &self.upload_id {
            client.abort_multipart_upload(UploadRef { bucket, key: &self.key, upload_id })?;
        }
        self.forget(client)
    }

    /// Calls `work` with a client that no other token cancels, within a time limit.
    fn cleanup(&self, work: impl FnOnce(&Self, &Client) -> Result<()> + Send) -> Result<()> {
        clean_up(&self.store.client, |client| work(self, client))
    }

    fn check_open(&self) -> Result<()> {
        let text = match self.stage {
            Stage::Open => return Ok(()),
            Stage::Closed => "the writer is already closed",
            Stage::Committed => "the file is already committed",
            Stage::Cancelled => "the writer is already cancelled",
            Stage::CancelFailed => "the writer could not be cancelled: call cancel again",
            Stage::Failed => "the file could not be committed, and the writer has ended",
        };
        Err(Error::new(ErrorKind::Closed, text))
    }

    fn error(&self, error: Error) -> Error {
        self.store.error(error, &self.path)
    }

    /// Ends the threads and releases the memory.
    fn end(&mut self, stage: Stage) {
        self.stage = stage;
        self.sender.stop();
        self.buffer = None;
    }
}

impl Write for Writer {
    /// Accepts at most the rest of the current part in one call, or the whole parts that `content`
    /// begins with.
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.accept(content).map_err(|error| self.error(error).into())
    }

    /// Sends nothing: `close` and `commit` make bytes durable. Reports whether a part has failed.
    fn flush(&mut self) -> io::Result<()> {
        self.check_open()
            .and_then(|()| self.check_complete())
            .map_err(|error| self.error(error).into())
    }
}

impl FileWriter for Writer {
    fn size(&self) -> u64 {
        self.size
    }

    fn close(&mut self) -> Result<()> {
        if matches!(self.stage, Stage::Committed | Stage::Cancelled) {
            // Nothing needs to be kept. Allowing one `close` after the end lets every caller close
            // the writers that it has opened.
            self.stage = Stage::Closed;
            return Ok(());
        }
        self.check_open().map_err(|error| self.error(error))?;
        let result = self.try_close();
        // The stage is that of a closed writer as soon as the checkpoint is stored.
        if result.is_ok() || self.stage == Stage::Closed {
            self.end(Stage::Closed);
        }
        result.map_err(|error| self.error(error))
    }

    fn cancel(&mut self) -> Result<()> {
        if self.stage != Stage::CancelFailed {
            self.check_open().map_err(|error| self.error(error))?;
        }
        self.end(Stage::CancelFailed);
        self.cleanup(Self::discard).map_err(|error| self.error(error))?;
        self.stage = Stage::Cancelled;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        self.check_open().map_err(|error| self.error(error))?;
        let result = self.try_commit();
        self.end(if result.is_ok() { Stage::Committed } else { Stage::Failed });
        result.map_err(|error| {
            let cleaned = match self.origin {
                _ if error.kind() == ErrorKind::OutcomeUnknown => Ok(()),
                UploadOrigin::ThisWriter => self.cleanup(Self::discard),
                UploadOrigin::EarlierWriter(_) => self.preserve(),
            };
            self.error(match cleaned {
                Ok(()) => error,
                Err(second) => error.with_others(vec![second]),
            })
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.stage != Stage::Open {
            return;
        }
        self.sender.stop();
        match self.origin {
            UploadOrigin::EarlierWriter(_) => drop(self.preserve()),
            UploadOrigin::ThisWriter if self.upload_id.is_some() => {
                drop(self.cleanup(Self::discard));
            }
            UploadOrigin::ThisWriter => {}
        }
    }
}
