//! Checkpoints: the bytes that do not fill a part, kept from `close` until the next writer needs
//! them.
//!
//! S3 does not accept a part smaller than 5 MiB unless it is the last one, and it does not return
//! parts before the upload is completed. Therefore, `close` stores the bytes that do not fill a
//! part in an object, the checkpoint, in the file's own directory. The checkpoint's name is
//! `.s3driver-` followed by the file's name. The name is legal, so every driver's listing can show
//! the checkpoint, and any program that deletes the directory removes it. The registry does not
//! have files or directories whose names begin with a dot. This driver reserves the prefix: it
//! never shows such a name and writes nothing under it. A path has at most one checkpoint. It is
//! written in one PutObject, so it exists completely or not at all.
//!
//! This has two limits. A file whose key has more than 1,014 bytes can be written, but it cannot be
//! closed without a commit, because S3 limits keys to 1,024 bytes; such a path never has a
//! checkpoint. In a versioned bucket, past checkpoints remain as old versions until a lifecycle
//! rule removes them.
//!
//! The object consists of the bytes, a line of JSON, and 32 further characters. The JSON names the
//! upload that the bytes belong to, and states how many parts and bytes precede them, with a digest
//! of those parts. The characters are the CRC-64/NVME of everything before them, the length of the
//! JSON, and `s3driver`.
use crate::client::{
    ByteRange, Client, Condition, DeleteObject, GetObject, MAX_PART_SIZE, MAX_PARTS, ObjectMeta,
    ObjectSettings, Part, md5_of_etag,
};
use crate::driver::path::{below, check_path};
use crate::driver::s3::store::{RESERVED, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;
use crate::transfer::{PartContent, PartSlice};
use crc_fast::{CrcAlgorithm, Digest};
use serde_json::{Value, json};
use std::io::Read;

/// The end of every checkpoint.
const MAGIC: &[u8] = b"s3driver";
/// The length of the suffix: the CRC and the length of the JSON in hex, and the magic word.
const SUFFIX: usize = 16 + 8 + MAGIC.len();
/// The maximum size of the JSON and the suffix together. A key has up to 1,024 bytes and an upload
/// ID is of that order; escaping can turn each byte into six.
const TRAILER_LIMIT: usize = 16 << 10;

/// The maximum length of a key in S3
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
const MAX_KEY_BYTES: usize = 1024;

/// The state of an upload when it was last closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) upload_id: String,
    /// The number of parts that precede the tail.
    pub(crate) parts: u32,
    /// The total size of the parts that precede the tail, in bytes.
    pub(crate) bytes: u64,
    /// The digest of these parts ([`digest_of`]); `None` if their ETags are not known to be MD5s.
    pub(crate) digest: Option<u64>,
    /// The size of the upload's first parts, in bytes.
    pub(crate) chunk_size: u64,
    /// The file that was committed at the path when the upload was closed.
    pub(crate) file: SeenObject,
    pub(crate) later: LaterParts,
    /// The ETag of the part after the tail's part, if a writer that was killed had already sent
    /// one. That part does not belong to the file.
    pub(crate) stale_part: Option<String>,
}

/// The meaning of parts that are found although the upload was closed without any bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaterParts {
    /// The parts belong to the file: they were sent by another program that continued it, or by a
    /// writer that was killed.
    Count,
    /// The parts do not belong to the file: they were sent by a writer that was dropped.
    Ignore,
}

/// The object at a key, as a writer last saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SeenObject {
    Absent,
    /// An object with this ETag.
    Version(String),
    /// The object was not examined, or does not have an ETag that can be recorded.
    Unknown,
}

impl SeenObject {
    /// The maximum length of an ETag that is recorded. ETags from AWS have at most 38 characters.
    const ETAG_LENGTH: usize = 256;

    /// Returns the object that the server has described as `meta`.
    pub(super) fn of(meta: Option<&ObjectMeta>) -> Self {
        match meta.map(|meta| meta.etag.as_deref()) {
            None => Self::Absent,
            Some(etag) => etag.and_then(recorded).map_or(Self::Unknown, Self::Version),
        }
    }
}

/// Returns an ETag to be recorded, unless it is too long.
pub(super) fn recorded(etag: &str) -> Option<String> {
    (etag.len() <= SeenObject::ETAG_LENGTH).then(|| etag.to_owned())
}

/// A checkpoint that was read from the store.
#[derive(Debug)]
pub(crate) struct StoredCheckpoint {
    pub(crate) checkpoint: Checkpoint,
    /// The bytes that follow the parts.
    pub(crate) tail: PartContent,
    /// The time when the checkpoint was stored, to the second.
    pub(crate) modified: Option<Timestamp>,
    /// The object that contains the checkpoint.
    pub(crate) object: SeenObject,
}

impl Checkpoint {
    /// Stores the checkpoint and `tail`, and replaces the path's previous checkpoint under
    /// `condition`.
    pub(super) fn save(
        &self,
        store: &Store,
        client: &Client,
        path: &str,
        tail: PartSlice<'_>,
        condition: Condition,
    ) -> Result<()> {
        let trailer = self.trailer(&store.key(path), tail)?;
        // The bytes belong to the caller, so they are encrypted and protected like the file. The
        // storage class is not copied, because some classes charge months for an object that exists
        // for minutes.
        let settings = ObjectSettings { storage_class: None, condition, ..store.settings.clone() };
        let key = checkpoint_key(store, path).ok_or_else(|| too_long(store, path))?;
        let open = |_| -> Box<dyn Read + '_> { Box::new(tail.open().chain(&*trailer)) };
        let length = tail.len().saturating_add(trailer.len() as u64);
        client.put_object_replayed(&store.bucket, &key, &open, length, &settings).map(drop)
    }

    /// Returns the checkpoint of a path, or `None` if the path does not have one.
    ///
    /// # Errors
    /// [`ErrorKind::Integrity`] if the checkpoint differs from the stored one.
    pub(super) fn load(store: &Store, path: &str) -> Result<Option<StoredCheckpoint>> {
        let Some(key) = checkpoint_key(store, path) else { return Ok(None) };
        let reader = match store.client.get_object(&store.bucket, &key, &GetObject::default()) {
            Err(error) if error.kind() == ErrorKind::NoSuchKey => return Ok(None),
            reader => reader?,
        };
        let modified = reader.meta().last_modified;
        let object = SeenObject::of(Some(reader.meta()));
        let limit = MAX_PART_SIZE.saturating_add(TRAILER_LIMIT as u64);
        let mut tail = PartContent::read(&store.part_storage, &store.client, reader, limit)?;
        let Some((checkpoint, length)) = Self::verified(&tail, &store.key(path))? else {
            let text = "the checkpoint of an unfinished file is damaged";
            return Err(Error::new(ErrorKind::Integrity, text)
                .with_bucket(&*store.bucket)
                .with_key(key)
                .with_hint("write the file again from its beginning"));
        };
        tail.truncate(length);
        Ok(Some(StoredCheckpoint { checkpoint, tail, modified, object }))
    }

    /// Returns the checkpoint of a path without its tail, and the length of the tail. Returns
    /// `None` if the checkpoint was removed or cannot be parsed.
    pub(crate) fn peek(store: &Store, client: &Client, path: &str) -> Result<Option<(Self, u64)>> {
        let Some((before, end)) = end_of(store, client, path)? else { return Ok(None) };
        Ok(Self::parse(&end, &store.key(path))
            .map(|(checkpoint, length, _)| (checkpoint, before + length as u64)))
    }

    /// Returns whether exactly this checkpoint and `tail` are stored, for example by a request
    /// whose response was lost.
    pub(super) fn is_stored(
        &self,
        store: &Store,
        client: &Client,
        path: &str,
        tail: PartSlice<'_>,
    ) -> Result<bool> {
        let Some((before, end)) = end_of(store, client, path)? else { return Ok(false) };
        let trailer = self.trailer(&store.key(path), tail)?;
        let size = before.saturating_add(end.len() as u64);
        // The trailer contains a CRC of the tail.
        Ok(end.ends_with(&trailer) && size == tail.len().saturating_add(trailer.len() as u64))
    }

    /// Returns the checkpoint and the length of its tail, if it is undamaged.
    fn verified(content: &PartContent, key: &str) -> Result<Option<(Self, u64)>> {
        let mut end = Vec::new();
        let before = content.len().saturating_sub(TRAILER_LIMIT as u64);
        let last = content.slice(before, content.len());
        last.for_each_piece(|piece| end.extend_from_slice(piece))?;
        let Some((checkpoint, length, crc)) = Self::parse(&end, key) else { return Ok(None) };
        let body = content.slice(0, content.len().saturating_sub(SUFFIX as u64));
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        body.for_each_piece(|piece| digest.update(piece))?;
        let length = before.saturating_add(length as u64);
        Ok((digest.finalize() == crc).then_some((checkpoint, length)))
    }

    /// Returns what follows `tail` in the object.
    fn trailer(&self, key: &str, tail: PartSlice<'_>) -> Result<Vec<u8>> {
        let Self { upload_id, parts, bytes, digest, chunk_size, file, later, stale_part } = self;
        let mut json = json!({
            "version": 1, "key": key, "upload": upload_id, "parts": parts, "bytes": bytes, "chunk_size": chunk_size,
        });
        if let Some(digest) = digest {
            json["parts_digest"] = Value::from(format!("{digest:016x}"));
        }
        match file {
            SeenObject::Unknown => {}
            SeenObject::Absent => json["file"] = Value::Null,
            SeenObject::Version(etag) => json["file"] = Value::from(etag.as_str()),
        }
        if *later == LaterParts::Ignore {
            json["later_parts"] = Value::from("ignore");
        }
        if let Some(etag) = stale_part {
            json["stale_part"] = Value::from(etag.as_str());
        }
        let mut trailer = json.to_string().into_bytes();
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        tail.for_each_piece(|piece| digest.update(piece))?;
        digest.update(&trailer);
        let numbers = format!("{:016x}{:08x}", digest.finalize(), trailer.len());
        trailer.extend_from_slice(numbers.as_bytes());
        trailer.extend_from_slice(MAGIC);
        Ok(trailer)
    }

    /// Returns the checkpoint at the end of `content`, the length of the tail before it as far as
    /// it is in `content`, and the CRC of everything before the suffix.
    fn parse(content: &[u8], key: &str) -> Option<(Self, usize, u64)> {
        let (body, suffix) = content.split_at_checked(content.len().checked_sub(SUFFIX)?)?;
        let (numbers, magic) = suffix.split_at_checked(SUFFIX - MAGIC.len())?;
        let numbers = str::from_utf8(numbers)
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let (crc, length) = numbers.split_at_checked(16)?;
        let crc = u64::from_str_radix(crc, 16).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        let (tail, json) = body.split_at_checked(body.len().checked_sub(length)?)?;
        let json: Value = serde_json::from_slice(json).ok()?;
        let number = |name: &str| json.get(name)?.as_u64();
        let text = |name: &str| json.get(name)?.as_str();
        let checkpoint = Self {
            upload_id: text("upload")?.to_owned(),
            parts: u32::try_from(number("parts")?).ok()?,
            bytes: number("bytes")?,
            digest: match text("parts_digest") {
                None => None,
                Some(hex) => Some(u64::from_str_radix(hex, 16).ok()?),
            },
            chunk_size: number("chunk_size")?,
            file: match json.get("file") {
                None => SeenObject::Unknown,
                Some(Value::Null) => SeenObject::Absent,
                Some(etag) => SeenObject::Version(etag.as_str()?.to_owned()),
            },
            later: match json.get("later_parts") {
                None => LaterParts::Count,
                Some(_) => LaterParts::Ignore,
            },
            stale_part: text("stale_part").map(str::to_owned),
        };
        let Self { upload_id, parts, chunk_size, .. } = &checkpoint;
        let sound = magic == MAGIC
            && number("version") == Some(1)
            && text("key") == Some(key)
            && !upload_id.is_empty()
            && *parts <= MAX_PARTS
            && (1..=MAX_PART_SIZE).contains(chunk_size);
        sound.then_some((checkpoint, tail.len(), crc))
    }
}

/// Returns a digest of parts, which shows whether one of them was replaced: of their numbers, sizes
/// and MD5s. Other programs may upload a part again, with the same number and size but different
/// bytes. Returns `None` if an ETag does not look like an MD5, because some servers return another
/// one in every response.
pub(super) fn digest_of<'a>(mut parts: impl Iterator<Item = &'a Part>) -> Option<u64> {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    parts.try_for_each(|part| {
        digest.update(&part.part_number.to_be_bytes());
        digest.update(&part.size.to_be_bytes());
        digest.update(&md5_of_etag(&part.etag)?);
        Some(())
    })?;
    Some(digest.finalize())
}

/// Returns the end of a path's checkpoint, with the number of bytes before it, or `None` if the
/// path does not have one.
fn end_of(store: &Store, client: &Client, path: &str) -> Result<Option<(u64, Vec<u8>)>> {
    let Some(key) = checkpoint_key(store, path) else { return Ok(None) };
    let look = || -> Result<(u64, Vec<u8>)> {
        let size = client.head_object(&store.bucket, &key, &GetObject::default())?.size;
        let length = size.min(TRAILER_LIMIT as u64);
        if length == 0 {
            return Ok((0, Vec::new()));
        }
        let range = ByteRange::Part { offset: size - length, length };
        let end = client
            .get_object(&store.bucket, &key, &GetObject::range(range))?
            .read_all(TRAILER_LIMIT)?;
        Ok((size - length, end))
    };
    match look() {
        // The object was removed or replaced between the two requests.
        Err(error) if matches!(error.kind(), ErrorKind::NoSuchKey | ErrorKind::InvalidRange) => {
            Ok(None)
        }
        end => end.map(Some),
    }
}

/// Removes a path's checkpoint. Succeeds if the path does not have one.
pub(crate) fn remove(store: &Store, client: &Client, path: &str) -> Result<()> {
    match checkpoint_key(store, path) {
        None => Ok(()),
        Some(key) => client.delete_object(&store.bucket, &key, &DeleteObject::default()).map(drop),
    }
}

/// Returns the path whose checkpoint has this key.
pub(crate) fn path_of(store: &Store, key: &str) -> Option<String> {
    let (directory, name) = key.rsplit_once('/').unwrap_or(("", key));
    let name = name.strip_prefix(RESERVED)?;
    let key = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    let path = format!("/{}", below(&key, &store.parameters.root_directory)?);
    check_path(&path).is_ok().then_some(path)
}

/// Returns the key of a path's checkpoint, or `None` if it would be longer than S3 permits.
pub(crate) fn checkpoint_key(store: &Store, path: &str) -> Option<String> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let key = store.key(&format!("{directory}/{RESERVED}{name}"));
    (key.len() <= MAX_KEY_BYTES).then_some(key)
}

fn too_long(store: &Store, path: &str) -> Error {
    let (length, most) = (store.key(path).len(), MAX_KEY_BYTES - RESERVED.len());
    let text = format!(
        "a file whose key has {length} bytes cannot be closed without a commit, because S3 limits \
         the key of its checkpoint to {MAX_KEY_BYTES} bytes"
    );
    Error::new(ErrorKind::InvalidArgument, text)
        .with_hint(format!("commit the file in one go, or choose a key of at most {most} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let file = SeenObject::Version("e\"tag".to_owned());
        Checkpoint {
            upload_id: "id \"1\"".to_owned(),
            parts: 3,
            bytes: 30,
            digest: Some(0x0123_4567_89ab_cdef),
            chunk_size: 10,
            file,
            later: LaterParts::Ignore,
            stale_part: Some("3\"e".to_owned()),
        }
    }

    fn stored(checkpoint: &Checkpoint, key: &str, tail: &[u8]) -> Vec<u8> {
        let trailer = checkpoint.trailer(key, PartSlice::Bytes(tail)).expect("a trailer");
        [tail, &trailer].concat()
    }

    fn verified(content: &[u8], key: &str) -> Option<(Checkpoint, u64)> {
        Checkpoint::verified(&PartContent::from(content.to_vec()), key).expect("in memory")
    }

    #[test]
    fn what_is_written_is_read() {
        for tail in [&b""[..], b"abc", &[0xff; 1000], &[7; 100_000]] {
            let content = stored(&checkpoint(), "a/b", tail);
            let found = verified(&content, "a/b").expect("a checkpoint");
            assert_eq!(found, (checkpoint(), tail.len() as u64));
            assert!(verified(&content, "a/c").is_none(), "belongs to another key");
        }
        for file in [SeenObject::Absent, SeenObject::Unknown] {
            let later = LaterParts::Count;
            let (digest, stale_part) = (None, None);
            let checkpoint = Checkpoint { file, later, digest, stale_part, ..checkpoint() };
            let content = stored(&checkpoint, "k", b"");
            assert_eq!(verified(&content, "k").map(|found| found.0), Some(checkpoint));
        }
    }

    #[test]
    fn the_digest_depends_on_numbers_sizes_and_contents() {
        let part = |part_number, size, etag: &str| Part {
            part_number,
            size,
            etag: etag.to_owned(),
            last_modified: None,
            checksum: None,
        };
        let [one, other] = ["0123456789abcdef", "0123456789abcdee"].map(|half| half.repeat(2));
        let digest = |parts: &[Part]| digest_of(parts.iter());
        let own = digest(&[part(1, 5, &one), part(2, 6, &other)]);
        for parts in [
            vec![part(1, 5, &one)],
            vec![part(1, 6, &one), part(2, 5, &other)],
            vec![part(1, 5, &other), part(2, 6, &one)],
            vec![part(1, 5, &one), part(2, 6, &one)],
            vec![part(1, 5, &one), part(3, 6, &other)],
        ] {
            assert_ne!(digest(&parts), own, "{parts:?}");
        }
        let upper = one.to_ascii_uppercase();
        assert_eq!(digest(&[part(1, 5, &upper), part(2, 6, &other)]), own, "Alibaba's");
        assert_eq!(digest(&[part(1, 5, &one), part(2, 6, "a-7")]), None, "not an MD5");
    }

    #[test]
    fn the_end_alone_tells_all_but_the_tail() {
        let content = stored(&checkpoint(), "k", &[7; 100]);
        let (read, length, _) = Checkpoint::parse(&content[60..], "k").expect("a checkpoint");
        assert_eq!((read, length), (checkpoint(), 40));
    }

    #[test]
    fn damage_anywhere_is_seen_and_never_panics() {
        let content = stored(&checkpoint(), "k", b"tail");
        assert!(verified(&content, "k").is_some());
        for at in 0..content.len() {
            let mut damaged = content.clone();
            damaged[at] ^= 1;
            // Only the bit for the case of a hex digit is meaningless, and an exclusive or by 1
            // never changes it.
            assert!(verified(&damaged, "k").is_none(), "byte {at}");
            assert!(verified(&content[..at], "k").is_none(), "cut at {at}");
        }
    }
}
