//! Downloads an object to a local file.
use super::copy::cut;
use super::file::{Section, Unfinished, local_error, write_all_at};
use super::memory::MemoryLimit;
use super::meter::Meter;
use super::{DownloadVerification, ReadAhead, Transfer, parallel};
use crate::client::{ByteRange, Client, Condition, GetObject, ObjectMeta};
use crate::error::{Error, ErrorKind, Result};
use crc_fast::{CrcAlgorithm, Digest as Crc, checksum_combine};
use md5::{Digest as _, Md5};
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

/// The size of one read from a connection and of one write to the file.
const BLOCK: usize = 256 << 10;

/// The result of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// The ETag of the version that was read.
    pub etag: Option<String>,
    /// How the content was verified.
    pub verified: Verified,
}

/// The value that the content of a download was compared with, in addition to its length and
/// version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verified {
    /// The CRC-64/NVME that the server stores.
    Crc64Nvme,
    /// An ETag that is the content's MD5.
    Md5,
    /// Only the length: the server stores neither value, or the comparison was not requested.
    LengthAlone,
}

impl Transfer<'_> {
    /// Downloads an object into a file, in several concurrent ranges of the same version. The file
    /// has another name until it is complete and verified ([`DownloadVerification`]); then it
    /// replaces an existing file. A symbolic link to a file is replaced itself, and the file that
    /// it names stays as it is.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if `file` names a device, a pipe, a socket or a directory:
    /// [`Transfer::download`] writes to any [`Write`]. [`ErrorKind::Integrity`] if the object
    /// changes meanwhile, or the content differs from the stored one; [`ErrorKind::LocalIo`]. No
    /// unfinished file is left then.
    pub fn download_to_file(
        &self,
        bucket: &str,
        key: &str,
        file: impl AsRef<Path>,
    ) -> Result<Downloaded> {
        let path = file.as_ref();
        let meta = self.stat(bucket, key)?;
        let unfinished = Unfinished::beside(path, self.client.clock().random())?;
        unfinished.file.set_len(meta.size).map_err(|error| local_error("writing", path, error))?;
        // Without an ETag nothing shows that two ranges belong to the same version, so the object
        // is read in one range.
        let whole =
            || if meta.size == 0 { Vec::new() } else { std::iter::once(0..meta.size).collect() };
        let pieces = if meta.etag.is_some() { cut(meta.size, self.part_size)? } else { whole() };
        let meter = Meter::new(&self.client, self.progress, meta.size);
        let (client, cancel) = self.client.with_child_cancel();
        let crcs = parallel::for_each(pieces.len(), self.concurrency, &cancel, |index| {
            let fetch = RangeFetch {
                client: &client,
                bucket,
                key,
                meta: &meta,
                file: &unfinished.file,
                path,
                meter: &meter,
            };
            fetch.piece(&pieces[index], self.verification)
        })?;
        let verified = match self.verification {
            DownloadVerification::Content => verify(&meta, &pieces, &crcs, &unfinished.file)
                .map_err(|error| error.with_bucket(bucket).with_key(key))?,
            DownloadVerification::Length => Verified::LengthAlone,
        };
        unfinished.finish()?;
        Ok(Downloaded { bytes: meta.size, etag: meta.etag, verified })
    }
}

impl Transfer<'_> {
    /// Writes one version of an object to `target`, from its first byte to its last, and verifies
    /// it like [`Transfer::download_to_file`]. The bytes are fetched on as many connections as the
    /// target can use ([`Transfer::reader`]).
    ///
    /// # Errors
    /// [`ErrorKind::LocalIo`] if the target fails. [`ErrorKind::Integrity`] if the object changes
    /// meanwhile, or the content differs from the stored one; the target has already received the
    /// content then.
    pub fn download(&self, bucket: &str, key: &str, target: &mut dyn Write) -> Result<Downloaded> {
        let meta = self.stat(bucket, key)?;
        let meter = Meter::new(&self.client, self.progress, meta.size);
        let place =
            |error: Error| error.with_operation("GetObject").with_bucket(bucket).with_key(key);
        let changed = || {
            let text = "the object changed while it was being read";
            place(Error::new(ErrorKind::Integrity, text))
        };
        let same = GetObject {
            condition: meta.etag.clone().map_or(Condition::Always, Condition::IfMatch),
            ..GetObject::default()
        };
        let memory = MemoryLimit::new(None);
        let opened =
            ReadAhead::open_with(&self.client, (bucket, key), 0, same, self.concurrency, &memory);
        let mut reader = match opened {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                return Err(changed().with_source(error));
            }
            opened => opened?,
        };
        if (reader.meta().size, &reader.meta().etag) != (meta.size, &meta.etag) {
            return Err(changed());
        }
        let mut proof = Proof::of(&meta, self.verification);
        let mut block = vec![0; BLOCK];
        loop {
            let count = reader.pull(&mut block)?;
            let content = block.get(..count).unwrap_or_default();
            if content.is_empty() {
                break;
            }
            proof.update(content);
            target.write_all(content).map_err(|error| {
                let text = format!("the target cannot be written: {error}");
                place(Error::new(ErrorKind::LocalIo, text).with_source(error))
            })?;
            meter.advance(count as u64, 0);
        }
        let verified = proof.check().map_err(place)?;
        meter.part(0);
        Ok(Downloaded { bytes: meta.size, etag: meta.etag, verified })
    }

    /// Requests the metadata of an object, with its checksum if the content is to be compared with
    /// it.
    pub(super) fn stat(&self, bucket: &str, key: &str) -> Result<ObjectMeta> {
        match self.verification {
            DownloadVerification::Content => self.client.head_object_with_checksum(bucket, key),
            DownloadVerification::Length => {
                self.client.head_object(bucket, key, &GetObject::default())
            }
        }
    }
}

/// The value with which the content of a download is compared while it arrives in order.
enum Proof {
    Crc64Nvme { expected: u64, crc: Crc },
    Md5 { expected: [u8; 16], digest: Md5 },
    LengthAlone,
}

impl Proof {
    fn of(meta: &ObjectMeta, verification: DownloadVerification) -> Self {
        if verification == DownloadVerification::Length {
            return Self::LengthAlone;
        }
        match (meta.crc64nvme, meta.md5()) {
            (Some(expected), _) => {
                Self::Crc64Nvme { expected, crc: Crc::new(CrcAlgorithm::Crc64Nvme) }
            }
            (None, Some(expected)) => Self::Md5 { expected, digest: Md5::new() },
            (None, None) => Self::LengthAlone,
        }
    }

    fn update(&mut self, content: &[u8]) {
        match self {
            Self::Crc64Nvme { crc, .. } => crc.update(content),
            Self::Md5 { digest, .. } => digest.update(content),
            Self::LengthAlone => {}
        }
    }

    fn check(self) -> Result<Verified> {
        let (is_equal, name, verified) = match self {
            Self::Crc64Nvme { expected, crc } => {
                (crc.finalize() == expected, "CRC-64/NVME", Verified::Crc64Nvme)
            }
            Self::Md5 { expected, digest } => {
                (digest.finalize()[..] == expected, "MD5", Verified::Md5)
            }
            Self::LengthAlone => return Ok(Verified::LengthAlone),
        };
        if is_equal { Ok(verified) } else { Err(not_the_object(name)) }
    }
}

/// Returns the error for content that does not have the object's checksum.
fn not_the_object(what: &str) -> Error {
    let text = format!("the content does not have the object's {what}");
    Error::new(ErrorKind::Integrity, text)
}

/// The common data of all ranges of a download.
struct RangeFetch<'a> {
    client: &'a Client,
    bucket: &'a str,
    key: &'a str,
    meta: &'a ObjectMeta,
    file: &'a File,
    path: &'a Path,
    meter: &'a Meter<'a>,
}

impl RangeFetch<'_> {
    /// Downloads one range and returns its CRC, or 0 if none is wanted.
    fn piece(&self, piece: &Range<u64>, verification: DownloadVerification) -> Result<u64> {
        let length = piece.end - piece.start;
        let range = ByteRange::Part { offset: piece.start, length };
        let same = self.meta.same();
        let mut reader =
            self.client.get_same_version(self.bucket, self.key, range, same, length)?;
        // Without an ETag, only the size shows another version.
        if reader.meta().size != self.meta.size {
            return Err(reader.changed());
        }
        let mut crc = Crc::new(CrcAlgorithm::Crc64Nvme);
        let mut block = vec![0; BLOCK.min(usize::try_from(length).unwrap_or(BLOCK))];
        let mut at = piece.start;
        loop {
            let n = reader.pull(&mut block)?;
            if n == 0 {
                break;
            }
            if at + n as u64 > piece.end {
                return Err(self
                    .error(ErrorKind::Protocol, "the server sent more than the range asked for"));
            }
            if verification == DownloadVerification::Content {
                crc.update(&block[..n]);
            }
            write_all_at(self.file, &block[..n], at)
                .map_err(|error| local_error("writing", self.path, error))?;
            at += n as u64;
            self.meter.advance(n as u64, 0);
        }
        if at != piece.end {
            return Err(
                self.error(ErrorKind::Integrity, "the server sent less than the range asked for")
            );
        }
        self.meter.part(0);
        Ok(crc.finalize())
    }

    fn error(&self, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, message)
            .with_operation("GetObject")
            .with_bucket(self.bucket)
            .with_key(self.key)
    }
}

/// Compares the received content with the server's description of the object.
fn verify(meta: &ObjectMeta, pieces: &[Range<u64>], crcs: &[u64], file: &File) -> Result<Verified> {
    let wrong = |what: &str| Err(not_the_object(what));
    if let Some(expected) = meta.crc64nvme {
        let nvme = CrcAlgorithm::Crc64Nvme;
        let whole =
            pieces.iter().zip(crcs).fold(Crc::new(nvme).finalize(), |whole, (piece, crc)| {
                checksum_combine(nvme, whole, *crc, piece.end - piece.start)
            });
        return if whole == expected { Ok(Verified::Crc64Nvme) } else { wrong("CRC-64/NVME") };
    }
    let Some(expected) = meta.md5() else { return Ok(Verified::LengthAlone) };
    if md5_of(file, 0..meta.size)? == expected { Ok(Verified::Md5) } else { wrong("MD5") }
}

/// Compares a whole file with the server's description of the object.
pub(super) fn content_verified(meta: &ObjectMeta, file: &File) -> Result<Verified> {
    let mut crc = Crc::new(CrcAlgorithm::Crc64Nvme);
    if meta.crc64nvme.is_some() {
        read_back(file, 0..meta.size, &mut |block| crc.update(block))?;
    }
    verify(meta, std::slice::from_ref(&(0..meta.size)), &[crc.finalize()], file)
}

/// Returns the MD5 of a range of a file.
pub(super) fn md5_of(file: &File, range: Range<u64>) -> Result<[u8; 16]> {
    let mut digest = Md5::new();
    read_back(file, range, &mut |block| digest.update(block))?;
    Ok(digest.finalize().into())
}

/// Calls `digest` with the content of a range of a file, block by block.
fn read_back(file: &File, range: Range<u64>, digest: &mut dyn FnMut(&[u8])) -> Result<()> {
    let mut section = Section { file, at: range.start, end: range.end };
    let mut block = vec![0; BLOCK];
    loop {
        match section.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => digest(&block[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let text = format!("the file cannot be read back: {error}");
                return Err(Error::new(ErrorKind::LocalIo, text).with_source(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crc_fast::checksum;

    /// Returns a file with `content`, and the ranges in which it arrived with their checksums.
    fn arrived(content: &[u8]) -> (File, Vec<Range<u64>>, Vec<u64>) {
        let file = tempfile::tempfile().expect("a file");
        write_all_at(&file, content, 0).expect("written");
        let pieces: Vec<Range<u64>> = (0..content.len() as u64)
            .step_by(7)
            .map(|at| at..(at + 7).min(content.len() as u64))
            .collect();
        let crc = |piece: &Range<u64>| {
            checksum(CrcAlgorithm::Crc64Nvme, &content[piece.start as usize..piece.end as usize])
        };
        let crcs = pieces.iter().map(crc).collect();
        (file, pieces, crcs)
    }

    fn meta(content: &[u8]) -> ObjectMeta {
        ObjectMeta { size: content.len() as u64, ..ObjectMeta::default() }
    }

    #[test]
    fn the_checksums_of_ranges_make_that_of_the_whole() {
        for content in [&b""[..], b"1234567", b"a content of several ranges, the last one short"] {
            let (file, pieces, mut crcs) = arrived(content);
            let meta = ObjectMeta {
                crc64nvme: Some(checksum(CrcAlgorithm::Crc64Nvme, content)),
                ..meta(content)
            };
            assert_eq!(verify(&meta, &pieces, &crcs, &file).expect("right"), Verified::Crc64Nvme);
            crcs.reverse();
            if crcs.len() > 1 {
                let error = verify(&meta, &pieces, &crcs, &file).expect_err("in a wrong order");
                assert_eq!(error.kind(), ErrorKind::Integrity);
            }
        }
    }

    #[test]
    fn an_etag_counts_only_where_it_is_an_md5() {
        let content = b"a content of several ranges";
        let (file, pieces, crcs) = arrived(content);
        let with = |etag: String, encryption: Option<&str>| {
            let encryption = encryption.map(str::to_owned);
            verify(
                &ObjectMeta { etag: Some(etag), encryption, ..meta(content) },
                &pieces,
                &crcs,
                &file,
            )
        };
        let (right, wrong) =
            (hex::encode(Md5::digest(content)), hex::encode(Md5::digest(b"another")));
        assert_eq!(with(right.clone(), None).expect("right"), Verified::Md5);
        assert_eq!(with(right, Some("AES256")).expect("right"), Verified::Md5);
        assert_eq!(with(wrong.clone(), None).expect_err("wrong").kind(), ErrorKind::Integrity);
        for (etag, encryption) in [
            (wrong.clone(), Some("aws:kms")),
            (format!("{wrong}-2"), None),
            ("opaque".to_owned(), None),
        ] {
            assert_eq!(with(etag, encryption).expect("not comparable"), Verified::LengthAlone);
        }
    }
}
