//! Uploads, which any process can start, continue, finish or cancel.
use super::failure::{Code, Failure};
use super::http::{Body, PIECE, Request, Response, number};
use super::names::{Digest, Name, UploadId};
use super::sha256::Sha256;
use super::{Outcome, Registry, encode, from_io, layout, parameter, token};
use s3driver::ErrorKind;
use s3driver::clock::{Clock, SystemClock};
use s3driver::driver::{FileWriter, WriteMode};
use s3driver::time::Timestamp;
use std::io::{self, Read};
use std::sync::PoisonError;
use std::time::SystemTime;

/// The maximum size of the file that records when an upload was started.
pub(super) const STARTED_LIMIT: u64 = 64;
/// The maximum size of a hash's state, which has 108 bytes.
const STATE_LIMIT: u64 = 1 << 10;

/// An upload to which only this request writes. When it is dropped, the bytes that have arrived are
/// kept, even after a failure.
struct Upload<'a> {
    registry: &'a Registry,
    name: &'a Name,
    id: &'a UploadId,
    started: String,
    /// `None` before the first byte.
    writer: Option<Box<dyn FileWriter>>,
    /// The state of the hash. `None` if another program received earlier bytes and did not save it.
    hash: Option<Sha256>,
    appended: bool,
}

impl Registry {
    /// Handles POST: mounts a blob of another repository, stores a blob that the request contains,
    /// or starts an upload.
    pub(super) fn begin_upload(&self, name: &Name, request: &mut Request<'_>) -> Outcome {
        if let (Some(digest), Some(from)) =
            (parameter(request, "mount"), parameter(request, "from"))
        {
            let (digest, from) = (Digest::parse(&digest)?, Name::parse(&from)?);
            if self.blob_size(&from, &digest)?.is_some() {
                return self.finished(name, &digest);
            }
        }
        if let Some(digest) = parameter(request, "digest") {
            let digest = Digest::parse(&digest)?;
            self.store_whole(&digest, &mut request.body)?;
            return self.finished(name, &digest);
        }
        let id = UploadId::from_random(SystemClock.random(), SystemClock.random());
        // The time has whole seconds, as in Distribution.
        let started = Timestamp::from_unix(Timestamp::from(SystemTime::now()).unix()).iso8601();
        self.driver.put_content(&layout::upload_started(name, &id), started.as_bytes())?;
        Ok(self.progress(202, name, &id, 0, &started))
    }

    /// Handles GET: reports the size of an upload.
    pub(super) fn upload_status(&self, name: &Name, id: &UploadId) -> Outcome {
        let upload = self.open(name, id)?;
        Ok(self.progress(204, name, id, upload.size(), &upload.started))
    }

    /// Handles PATCH: appends a chunk.
    pub(super) fn append_upload(
        &self,
        name: &Name,
        id: &UploadId,
        request: &mut Request<'_>,
    ) -> Outcome {
        let mut upload = self.open(name, id)?;
        upload.check_range(request)?;
        upload.append(&mut request.body)?;
        let size = upload.size();
        upload.keep()?;
        Ok(self.progress(202, name, id, size, &upload.started))
    }

    /// Handles PUT: appends the last chunk, if there is one, and turns the upload into a blob.
    pub(super) fn finish_upload(
        &self,
        name: &Name,
        id: &UploadId,
        request: &mut Request<'_>,
    ) -> Outcome {
        let digest = parameter(request, "digest");
        let digest = digest
            .ok_or_else(|| Failure::new(Code::DigestInvalid, "the parameter digest is missing"))?;
        let digest = Digest::parse(&digest)?;
        let mut upload = self.open(name, id)?;
        upload.check_range(request)?;
        if upload.writer.is_none() {
            // The whole blob is in this request, so nothing has to be moved.
            self.store_whole(&digest, &mut request.body)?;
        } else {
            upload.append(&mut request.body)?;
            upload.finish(&digest)?;
        }
        let response = self.finished(name, &digest)?;
        self.remove(&layout::upload(name, id))?;
        Ok(response)
    }

    /// Handles DELETE: ends an upload.
    pub(super) fn cancel_upload(&self, name: &Name, id: &UploadId) -> Outcome {
        self.open(name, id)?.discard()?;
        Ok(Response::new(204))
    }

    /// Links a blob into the repository, and returns the response with its address.
    fn finished(&self, name: &Name, digest: &Digest) -> Outcome {
        self.link(&layout::layer(name, digest), digest)?;
        Ok(Response::new(201)
            .header("Location", format!("/v2/{name}/blobs/{digest}"))
            .header("Docker-Content-Digest", digest.to_string()))
    }

    /// Returns the response that states where an upload continues.
    fn progress(
        &self,
        status: u16,
        name: &Name,
        id: &UploadId,
        size: u64,
        started: &str,
    ) -> Response {
        let secret = self.options.secret.as_deref();
        let token = secret.and_then(|secret| token::sign(secret, name, id, size, started));
        let query = token.map_or_else(String::new, |token| format!("?_state={}", encode(&token)));
        Response::new(status)
            .header("Location", format!("/v2/{name}/blobs/uploads/{id}{query}"))
            // An empty upload and one of a single byte look alike, here as in Distribution.
            .header("Range", format!("0-{}", size.saturating_sub(1)))
            .header("Docker-Upload-UUID", id.to_string())
    }

    /// Writes a blob that arrives in a single request directly to its final path. Nothing is
    /// visible there until its digest has been verified.
    fn store_whole(&self, digest: &Digest, body: &mut Body<'_>) -> Outcome<()> {
        let path = layout::blob_data(digest);
        let mut writer = self.driver.writer(&path, WriteMode::Create)?;
        let mut hash = Sha256::new();
        let stored = copy(body, |piece| {
            hash.update(piece);
            writer.write_all(piece)
        });
        if stored.is_ok() && hash.digest() == *digest && !self.exists(&path)? {
            return Ok(writer.commit()?);
        }
        let cancelled = writer.cancel();
        stored?;
        if hash.digest() != *digest {
            return Err(mismatch(digest));
        }
        Ok(cancelled?)
    }

    /// Opens an upload in the state in which the last request, to this or another process, left it.
    fn open<'a>(&'a self, name: &'a Name, id: &'a UploadId) -> Outcome<Upload<'a>> {
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone()) {
            return Err(Failure::new(
                Code::UploadBusy,
                "another request is writing to this upload",
            ));
        }
        // From here on, dropping `upload` releases the upload.
        let (started, hash) = (String::new(), Some(Sha256::new()));
        let mut upload =
            Upload { registry: self, name, id, started, writer: None, hash, appended: false };
        let started =
            self.small(&layout::upload_started(name, id), STARTED_LIMIT)?.ok_or_else(unknown)?;
        upload.started = String::from_utf8(started).map_err(|_| unknown())?;
        match self.driver.writer(&layout::upload_data(name, id), WriteMode::Append) {
            // `InvalidArgument` means that a process died while it was finishing the upload, which
            // starts over now.
            Err(error) if error.is_not_found() || error.kind() == ErrorKind::InvalidArgument => {}
            Err(error) => return Err(error.into()),
            Ok(writer) => {
                let size = writer.size();
                upload.writer = Some(writer);
                if size > 0 {
                    let state = self.small(&layout::upload_hash(name, id, size), STATE_LIMIT)?;
                    upload.hash = state.and_then(|state| Sha256::restore(&state, size));
                }
            }
        }
        Ok(upload)
    }
}

impl Upload<'_> {
    fn size(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.size())
    }

    fn data(&self) -> String {
        layout::upload_data(self.name, self.id)
    }

    /// Checks that a chunk begins where the upload ends, and that its two lengths agree.
    fn check_range(&self, request: &Request<'_>) -> Outcome<()> {
        let Some(text) = request.header("content-range") else { return Ok(()) };
        // In Docker's specification, the unit comes first; in OCI's, there is none.
        let text = text.strip_prefix("bytes ").unwrap_or(text);
        let range =
            text.split_once('-').and_then(|(first, last)| Some((number(first)?, number(last)?)));
        let invalid = |message| Failure::new(Code::BlobUploadInvalid, message);
        let (first, last) =
            range.ok_or_else(|| invalid("the Content-Range is not of the form FIRST-LAST"))?;
        if first != self.size() || last < first {
            let place = self.registry.progress(416, self.name, self.id, self.size(), &self.started);
            let failure =
                Failure::new(Code::RangeInvalid, "the chunk does not begin where the upload ends");
            return Err(failure.with_headers_of(place));
        }
        match request.body.length() {
            Some(length) if last - first != length.wrapping_sub(1) => Err(Failure::new(
                Code::SizeInvalid,
                "the Content-Range and the Content-Length differ",
            )),
            _ => Ok(()),
        }
    }

    /// Appends a body. If this fails, the bytes before the failure are kept.
    fn append(&mut self, body: &mut Body<'_>) -> Outcome<()> {
        let Self { registry, writer, hash, appended, .. } = self;
        let path = layout::upload_data(self.name, self.id);
        copy(body, |piece| {
            *appended = true;
            if let Some(hash) = hash {
                hash.update(piece);
            }
            let writer = match writer {
                Some(writer) => writer,
                None => writer.insert(registry.driver.writer(&path, WriteMode::Create)?),
            };
            writer.write_all(piece)
        })
    }

    /// Saves the bytes that have arrived, together with the state of the hash, for the next
    /// request.
    fn keep(&mut self) -> Outcome<()> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        let size = writer.size();
        writer.close()?;
        let hash = self.hash.as_ref().filter(|hash| self.appended && hash.length() == size);
        if let Some(hash) = hash {
            self.registry
                .driver
                .put_content(&layout::upload_hash(self.name, self.id, size), &hash.save())?;
        }
        Ok(())
    }

    /// Verifies the digest and turns the upload into a blob.
    fn finish(&mut self, digest: &Digest) -> Outcome<()> {
        let driver = &self.registry.driver;
        let blob = layout::blob_data(digest);
        match &self.hash {
            Some(hash) if hash.digest() != *digest => {
                self.discard()?;
                return Err(mismatch(digest));
            }
            Some(_) if self.registry.exists(&blob)? => return self.discard(),
            _ => {}
        }
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        writer.commit()?;
        if self.hash.is_none() && self.read_back()? != *digest {
            self.discard()?;
            return Err(mismatch(digest));
        }
        Ok(driver.rename(&self.data(), &blob)?)
    }

    /// Computes the digest from the stored bytes, which is necessary if another program received
    /// some of them.
    fn read_back(&self) -> Outcome<Digest> {
        let mut hash = Sha256::new();
        let mut reader = self.registry.driver.reader(&self.data(), 0)?;
        let mut piece = vec![0; PIECE];
        loop {
            match reader.read(&mut piece).map_err(from_io)? {
                0 => return Ok(hash.digest()),
                read => hash.update(&piece[..read]),
            }
        }
    }

    /// Ends the upload and removes all of its files.
    fn discard(&mut self) -> Outcome<()> {
        if let Some(mut writer) = self.writer.take() {
            writer.cancel()?;
        }
        self.registry.remove(&layout::upload(self.name, self.id)).map(drop)
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if let Err(failure) = self.keep() {
            failure.log("keeping", &self.data());
        }
        self.registry.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
    }
}

/// Copies a body in pieces. Failures of the client and of the storage result in different
/// responses.
fn copy(body: &mut Body<'_>, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> Outcome<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = body.read(&mut piece);
        match read.map_err(|_| {
            Failure::new(Code::BlobUploadInvalid, "the request's body is incomplete")
        })? {
            0 => return Ok(()),
            read => take(&piece[..read]).map_err(refused)?,
        }
    }
}

/// Returns the failure for an upload of another program whose last part is too small for another
/// one to follow. Only the client can resolve this.
fn refused(error: io::Error) -> Failure {
    let refusal = error.get_ref().and_then(|error| error.downcast_ref::<s3driver::Error>());
    match refusal.filter(|error| error.kind() == ErrorKind::InvalidArgument) {
        Some(_) => Failure::new(
            Code::BlobUploadInvalid,
            "the upload cannot be continued: finish it or begin again",
        ),
        None => from_io(error),
    }
}

pub(super) fn unknown() -> Failure {
    Failure::new(Code::BlobUploadUnknown, "the registry does not have this upload")
}

fn mismatch(digest: &Digest) -> Failure {
    Failure::new(Code::DigestInvalid, format!("the content does not have the digest {digest}"))
}
