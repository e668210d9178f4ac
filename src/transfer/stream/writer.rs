//! A writer for objects whose size is not known in advance.
use super::buffer::Buffer;
use super::cleanup::clean_up;
use super::content::{PartSlice, PartStorage};
use super::failure::FirstFailure;
use super::layout::{Layout, PartSizes};
use super::parts::{has_content, parts_of};
use super::sender::Sender;
use super::token::UploadToken;
use crate::client::{Client, ObjectSettings, Part, UploadRef};
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::memory::MemoryLimit;
use crate::transfer::meter::Meter;
use crate::transfer::{Transfer, Transferred};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// A writer of one object, for any key and any number of bytes.
///
/// Nothing is sent until a part is full and another byte follows: an object of at most one part is
/// stored with one PutObject. The parts of a larger object are sent by threads while the caller
/// writes: at first two at the same time, four if the first part takes long, and more as long as
/// they increase the throughput. At most (threads + 1) parts are in memory: 72 MiB, unless
/// [`Transfer`] is configured otherwise. Parts become larger in uploads of more than 6,600 parts,
/// so that an object can have 5 TiB.
///
/// [`ObjectWriter::finish`] makes the complete object visible. A writer that is dropped earlier
/// leaves nothing, unless its [token](ObjectWriter::token) was taken: then the upload is kept for
/// [`Transfer::resume`]. A process that is killed leaves an upload that [`Transfer::abort_uploads`]
/// finds.
///
/// Every byte is kept until its part is stored, so each part is retried separately. The next
/// `write`, at the latest `finish`, reports a failure of a part. A `write` that fails does not
/// accept any bytes, and is final: every later `write`, and `finish`, fails as well, in case the
/// caller did not receive the error (a `BufWriter` that is dropped ignores it).
///
/// ```no_run
/// use s3driver::client::{Client, Config, Endpoint, ObjectSettings};
/// use std::io::Write;
///
/// let client = Client::new(Config::new(Endpoint::region("eu-central-1")?))?;
/// let mut writer = client.writer("bucket", "reports/2026.csv", &ObjectSettings::default());
/// for line in 0..1_000_000 {
///     writeln!(writer, "{line};{}", line * line)?;
/// }
/// writer.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "an object is stored by `finish`"]
pub struct ObjectWriter<'a> {
    client: Client,
    bucket: String,
    key: String,
    settings: ObjectSettings,
    layout: Layout,
    sender: Sender,
    meter: Meter<'a>,
    /// The ID of the upload; `None` while all bytes are in the buffer.
    upload_id: Option<Arc<str>>,
    /// The parts of a resumed upload that the content has not reached yet.
    stored: BTreeMap<u32, Part>,
    /// The parts of a resumed upload that match the content that was written again.
    confirmed: Vec<Part>,
    /// The part being filled; `None` before its first byte.
    buffer: Option<Buffer>,
    /// The number of the part being filled.
    number: u32,
    size: u64,
    /// The first failure of a write.
    failure: Option<FirstFailure>,
    /// Whether the upload is kept after the writer ends without success.
    abandoned: Abandoned,
    ended: bool,
}

/// The treatment of the upload of a writer that ends without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abandoned {
    IsAborted,
    /// The upload is kept, because the caller has its token.
    IsKept,
}

impl Client {
    /// Returns a writer for an object of any size, with the defaults of [`Transfer`]. Does not send
    /// a request yet.
    pub fn writer(
        &self,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> ObjectWriter<'static> {
        Transfer::new(self).writer(bucket, key, settings)
    }
}

impl<'a> Transfer<'a> {
    /// Returns a writer for an object of any size. Does not send a request yet.
    ///
    /// Progress is reported from the thread that writes. Its total is the number of bytes written
    /// so far.
    pub fn writer(&self, bucket: &str, key: &str, settings: &ObjectSettings) -> ObjectWriter<'a> {
        let layout = Layout::new(self.part_size, PartSizes::MayGrow);
        ObjectWriter::new(self, (bucket, key), settings, layout)
    }

    /// Stores everything that `reader` yields, and replaces the object at `key` completely or not
    /// at all. [`ObjectWriter`] describes the requests and the memory.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, ObjectSettings};
    /// use s3driver::transfer::Transfer;
    ///
    /// let client = Client::from_env()?;
    /// let input = std::io::stdin().lock();
    /// Transfer::new(&client).upload(input, "bucket", "key", &ObjectSettings::default())?;
    /// # Ok::<(), s3driver::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] if the reader fails; [`ErrorKind::PreconditionFailed`]. In both
    /// cases, no upload is left on the server.
    pub fn upload(
        &self,
        mut reader: impl Read,
        bucket: &str,
        key: &str,
        settings: &ObjectSettings,
    ) -> Result<Transferred> {
        let mut writer = self.writer(bucket, key, settings);
        match writer.fill_from(&mut reader) {
            Ok(()) => writer.finish(),
            Err(error) => Err(writer.fail(error)),
        }
    }

    /// Continues an upload that an earlier writer left. The caller writes the content again from
    /// its first byte.
    ///
    /// Parts that the server has are compared with the content, by size and by the MD5 in their
    /// ETags. Parts that match are not sent again; the others are replaced. If ETags are not MD5s
    /// (encryption with KMS, some servers), every part is sent. Only the condition of `settings` is
    /// used; everything else was fixed when the upload was begun.
    ///
    /// ```no_run
    /// use s3driver::client::{Client, ObjectSettings};
    /// use s3driver::transfer::Transfer;
    /// use std::fs::{self, File};
    ///
    /// let client = Client::from_env()?;
    /// let (transfer, settings) = (Transfer::new(&client), ObjectSettings::default());
    /// let mut writer = match fs::read_to_string("upload.token") {
    ///     Ok(token) => transfer.resume(&token.parse()?, &settings)?,
    ///     Err(_) => transfer.writer("bucket", "disk.img", &settings),
    /// };
    /// fs::write("upload.token", writer.token()?.to_string())?;
    /// std::io::copy(&mut File::open("disk.img")?, &mut writer)?;
    /// writer.finish()?;
    /// fs::remove_file("upload.token")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchUpload`] if the upload was completed or aborted.
    pub fn resume(
        &self,
        token: &UploadToken,
        settings: &ObjectSettings,
    ) -> Result<ObjectWriter<'a>> {
        let stored = parts_of(&self.client, token.upload())?;
        let layout = Layout::new(token.part_size, token.part_sizes);
        let mut writer = ObjectWriter::new(self, (&token.bucket, &token.key), settings, layout);
        writer.upload_id = Some(token.upload_id.as_str().into());
        writer.stored = stored;
        writer.abandoned = Abandoned::IsKept;
        Ok(writer)
    }
}

impl<'a> ObjectWriter<'a> {
    fn new(
        transfer: &Transfer<'a>,
        (bucket, key): (&str, &str),
        settings: &ObjectSettings,
        layout: Layout,
    ) -> Self {
        let client = transfer.client.clone();
        let memory = MemoryLimit::new(None);
        let chunk_size = layout.chunk_size();
        let concurrency = transfer.writer_concurrency;
        let storage = PartStorage::Memory;
        let sender =
            Sender::new(&client, (bucket, key), concurrency, chunk_size, &storage, &memory);
        if transfer.progress.is_some() {
            sender.count_bytes();
        }
        Self {
            meter: Meter::new(&client, transfer.progress, 0),
            client,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            settings: settings.clone(),
            layout,
            sender,
            upload_id: None,
            stored: BTreeMap::new(),
            confirmed: Vec::new(),
            buffer: None,
            number: 1,
            size: 0,
            failure: None,
            abandoned: Abandoned::IsAborted,
            ended: false,
        }
    }

    /// Returns the number of bytes written.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Keeps the upload after this writer ends, and returns its token for [`Transfer::resume`].
    /// Begins the upload, so even a small object is stored in parts.
    ///
    /// # Errors
    /// The errors of [`Client::create_multipart_upload`].
    pub fn token(&mut self) -> Result<UploadToken> {
        let upload_id = self.begin()?.to_string();
        self.abandoned = Abandoned::IsKept;
        Ok(UploadToken {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            upload_id,
            part_size: self.layout.chunk_size(),
            part_sizes: self.layout.part_sizes(),
        })
    }

    /// Sends the remaining bytes and makes the object visible, under the condition of its settings.
    ///
    /// # Errors
    /// The first failure of a part; [`ErrorKind::PreconditionFailed`];
    /// [`ErrorKind::OutcomeUnknown`] if the responses do not show whether the object was stored. In
    /// every other case, the upload is aborted, unless its token was taken.
    pub fn finish(mut self) -> Result<Transferred> {
        match self.try_finish() {
            Ok(stored) => {
                self.end();
                Ok(stored)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Aborts the upload and discards its parts, even if its token was taken.
    ///
    /// # Errors
    /// The errors of [`Client::abort_multipart_upload`].
    pub fn abort(mut self) -> Result<()> {
        self.end();
        self.discard()
    }

    /// Writes everything that `reader` yields.
    fn fill_from(&mut self, reader: &mut dyn Read) -> Result<()> {
        loop {
            if self.is_full() {
                // A full part is sent differently if it is the last one.
                let mut next = Vec::with_capacity(1);
                reader.take(1).read_to_end(&mut next).map_err(unreadable)?;
                if next.is_empty() {
                    return Ok(());
                }
                self.accept(&next)?;
            }
            let buffer = self.room()?;
            let filled = buffer.len();
            let result = buffer.fill(reader, u64::MAX)?;
            let (read, is_full) = (buffer.len() - filled, buffer.is_full());
            self.size = self.size.saturating_add(read);
            result.map_err(unreadable)?;
            self.report();
            if !is_full {
                return Ok(());
            }
        }
    }

    /// Accepts as much of `content` as fits into the part being filled, and returns the number of
    /// bytes.
    fn accept(&mut self, content: &[u8]) -> Result<usize> {
        if content.is_empty() {
            return self.sender.check().map(|()| 0);
        }
        let taken = self.room()?.append(content)?;
        self.size = self.size.saturating_add(taken as u64);
        self.report();
        Ok(taken)
    }

    fn is_full(&self) -> bool {
        self.buffer.as_ref().is_some_and(Buffer::is_full)
    }

    /// Returns the part being filled, with room for at least one byte.
    fn room(&mut self) -> Result<&mut Buffer> {
        self.sender.check()?;
        if self.is_full() {
            self.send()?;
        }
        let buffer = match self.buffer.take() {
            Some(buffer) => buffer,
            None => {
                let size = self.layout.part_size(self.number)?;
                self.sender.buffer_with(size, |sent| self.meter.add(sent))?
            }
        };
        Ok(self.buffer.insert(buffer))
    }

    /// Begins the upload, unless it was already begun, and returns its ID.
    fn begin(&mut self) -> Result<Arc<str>> {
        if let Some(upload_id) = &self.upload_id {
            return Ok(Arc::clone(upload_id));
        }
        let upload_id: Arc<str> =
            self.client.create_multipart_upload(&self.bucket, &self.key, &self.settings)?.into();
        self.upload_id = Some(Arc::clone(&upload_id));
        Ok(upload_id)
    }

    /// Passes the part being filled to the threads, even if it is not full, unless the server
    /// already has it.
    fn send(&mut self) -> Result<()> {
        // The part stays in the writer until nothing can fail before it is passed on: an error
        // leaves the writer with all bytes that it accepted.
        let Some(buffer) = &self.buffer else { return Ok(()) };
        let content = buffer.as_slice();
        let stored = match self.stored.get(&self.number) {
            Some(part) if has_content(part, content.len(), || content.md5())? => Some(part.clone()),
            _ => None,
        };
        let upload_id = match stored {
            Some(_) => None,
            None => Some(self.begin()?),
        };
        let Some(buffer) = self.buffer.take() else { return Ok(()) };
        self.stored.remove(&self.number);
        if let Some(part) = stored {
            self.meter.part(part.size);
            self.confirmed.push(part);
            self.sender.give_back(buffer);
        } else if let Some(upload_id) = upload_id {
            self.sender.send(&upload_id, self.number, buffer, None)?;
        }
        self.number = self.number.saturating_add(1);
        Ok(())
    }

    fn try_finish(&mut self) -> Result<Transferred> {
        self.sender.check()?;
        if let Some(failure) = &mut self.failure {
            return Err(failure.next_error());
        }
        let (bytes, bucket, key) = (self.size, self.bucket.clone(), self.key.clone());
        let Some(upload_id) = self.upload_id.clone() else {
            let content = self.buffer.as_ref().map_or(PartSlice::EMPTY, Buffer::as_slice);
            let (client, place) = (&self.client, (&*bucket, &*key));
            let stored = if self.meter.is_reported() {
                self.meter.count(bytes, |report| {
                    content.put_reported(client, place, &self.settings, report)
                })
            } else {
                content.put(client, place, &self.settings)
            }?;
            return Ok(Transferred { bytes, parts: 1, etag: stored.etag });
        };
        // S3 does not complete an upload without parts, so an empty object consists of an empty
        // part.
        if self.buffer.is_none() && self.number == 1 {
            self.buffer = Some(self.sender.buffer(0)?);
        }
        self.send()?;
        let meter = &self.meter;
        let mut parts = self.sender.finish_with(|sent| meter.add(sent))?;
        parts.append(&mut self.confirmed);
        parts.sort_unstable_by_key(|part| part.part_number);
        let upload = UploadRef { bucket: &bucket, key: &key, upload_id: &upload_id };
        let completed =
            self.client.complete_multipart_upload(upload, &parts, &self.settings.condition)?;
        let parts = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        Ok(Transferred { bytes, parts, etag: completed.etag })
    }

    /// Reports the bytes that the threads have sent since the last report.
    fn report(&self) {
        self.meter.set_total(self.size);
        self.meter.add(self.sender.take_sent());
    }

    /// Ends the threads and releases the memory.
    fn end(&mut self) {
        self.ended = true;
        self.sender.stop();
        self.buffer = None;
    }

    /// Ends a writer that failed, and returns the failure.
    fn fail(mut self, error: Error) -> Error {
        self.end();
        if error.kind() == ErrorKind::OutcomeUnknown || self.abandoned == Abandoned::IsKept {
            return error;
        }
        match self.discard() {
            Ok(()) => error,
            Err(second) => error.with_others(vec![second]),
        }
    }

    /// Aborts the upload, if there is one.
    fn discard(&self) -> Result<()> {
        let Some(upload_id) = &self.upload_id else { return Ok(()) };
        let upload = UploadRef { bucket: &self.bucket, key: &self.key, upload_id };
        clean_up(&self.client, |client| client.abort_multipart_upload(upload))
    }
}

impl Write for ObjectWriter<'_> {
    /// Accepts at most the rest of the current part in one call.
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        // The caller may have ignored an earlier failure, whose bytes are missing.
        let accepted = match &mut self.failure {
            Some(failure) => Err(failure.next_error()),
            None => self.accept(content),
        };
        if let Err(error) = &accepted {
            self.failure.get_or_insert_with(|| FirstFailure::of(error));
        }
        accepted.map_err(io::Error::from)
    }

    /// Sends nothing: [`ObjectWriter::finish`] stores the object. Reports whether a part has
    /// failed.
    fn flush(&mut self) -> io::Result<()> {
        self.sender.check().map_err(io::Error::from)
    }
}

impl Drop for ObjectWriter<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.end();
        if self.abandoned == Abandoned::IsAborted {
            drop(self.discard());
        }
    }
}

impl fmt::Debug for ObjectWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectWriter")
            .field("bucket", &self.bucket)
            .field("key", &self.key)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Converts the error of a reader. An error of this crate, such as that of reading an object, is
/// returned unchanged.
fn unreadable(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| {
        Error::new(ErrorKind::LocalIo, format!("the data to send cannot be read: {error}"))
            .with_source(error)
    })
}
