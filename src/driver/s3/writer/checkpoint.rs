//! The bytes below one part, kept between `close` and the next writer.
//!
//! S3 takes no part below 5 MiB but the last, and returns no part before the upload is completed. So `close` stores the
//! bytes that do not fill a part in an object, the checkpoint, in the file's own directory: `.s3driver-` and the file's
//! name. The name is a legal one, so that every driver's listing can show it and every deletion of the directory, by any
//! program, removes it; the registry has no file or directory whose name begins with a dot. This driver reserves the
//! prefix: it never shows such a name and writes nothing under it. There is at most one checkpoint for a path. It is
//! written in one PutObject, and so is there whole or not at all.
//!
//! Two limits follow: a file whose key has more than 1,014 bytes can be written but not closed without commit, because
//! S3's keys end at 1,024; and in a versioned bucket past checkpoints stay as old versions until a lifecycle rule ends them.
//!
//! The object consists of the bytes, a line of JSON that names the upload they belong to and how many parts and bytes
//! precede them, and 32 characters: the CRC-64/NVME of all before it, the length of the JSON, `s3driver`.
use crate::client::{
    ByteRange, Client, DeleteObject, GetObject, MAX_PART_SIZE, MAX_PARTS, ObjectSettings,
};
use crate::driver::path::{below, check_path};
use crate::driver::s3::store::{RESERVED, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;
use crc_fast::{CrcAlgorithm, checksum};
use serde_json::{Value, json};

/// The end of every checkpoint.
const MAGIC: &[u8] = b"s3driver";
/// CRC and length in hex, and the magic word.
const SUFFIX: usize = 16 + 8 + MAGIC.len();
/// The most that JSON and suffix have: a key has up to 1,024 bytes and an upload id is of that order; escaping could
/// make six of each.
const TRAILER_LIMIT: usize = 16 << 10;

/// Where an upload stood when it was last closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) upload_id: String,
    /// Parts that precede the tail.
    pub(crate) parts: u32,
    /// Bytes of these parts.
    pub(crate) bytes: u64,
    /// The size of the upload's first parts.
    pub(crate) chunk_size: u64,
    /// The file that was committed at the path when the upload was closed.
    pub(crate) file: CommittedFile,
    pub(crate) later: LaterParts,
    /// The ETag of the part after the tail's, if a writer that was killed had sent one by then. It
    /// does not belong to the file.
    pub(crate) stale_part: Option<String>,
}

/// The meaning of parts that are found although the upload was closed without any bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaterParts {
    /// They belong to the file: another program has gone on with it, or a writer that was killed.
    Count,
    /// They were sent by a writer that was dropped.
    Ignore,
}

/// The file that readers of a path see while another one is being written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommittedFile {
    Absent,
    /// A file with this ETag.
    Version(String),
    /// Not looked at.
    Unknown,
}

/// A stored checkpoint.
#[derive(Debug)]
pub(crate) struct StoredCheckpoint {
    pub(crate) checkpoint: Checkpoint,
    /// The bytes after the parts.
    pub(crate) tail: Vec<u8>,
    /// When it was stored, to the second.
    pub(crate) modified: Option<Timestamp>,
}

impl Checkpoint {
    /// Stores the checkpoint in the place of the path's last one. `tail` has the same bytes afterwards as before.
    pub(super) fn save(
        &self,
        store: &Store,
        client: &Client,
        path: &str,
        tail: &mut Vec<u8>,
    ) -> Result<()> {
        let length = tail.len();
        self.append_to(&store.key(path), tail);
        // The bytes are the caller's, so they are encrypted and guarded like the file; but not put into a class that
        // charges months for an object that lives for minutes.
        let settings = ObjectSettings { storage_class: None, ..store.settings.clone() };
        let stored =
            client.put_object(&store.bucket, &checkpoint_key(store, path), tail, &settings);
        tail.truncate(length);
        stored.map(drop)
    }

    /// The checkpoint of a path, `None` when there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Integrity`] when it is not what was stored.
    pub(super) fn load(store: &Store, path: &str) -> Result<Option<StoredCheckpoint>> {
        let key = checkpoint_key(store, path);
        let reader = match store.client.get_object(&store.bucket, &key, &GetObject::default()) {
            Err(error) if error.kind() == ErrorKind::NoSuchKey => return Ok(None),
            reader => reader?,
        };
        let modified = reader.meta().last_modified;
        let limit =
            usize::try_from(MAX_PART_SIZE).unwrap_or(usize::MAX).saturating_add(TRAILER_LIMIT);
        let mut tail = reader.read_all(limit)?;
        let sound = Self::parse(&tail, &store.key(path)).filter(|(_, _, crc)| *crc == Crc::Match);
        let Some((checkpoint, length, _)) = sound else {
            let text = "what was kept of an unfinished file is damaged";
            return Err(Error::new(ErrorKind::Integrity, text)
                .with_bucket(&*store.bucket)
                .with_key(key));
        };
        tail.truncate(length);
        Ok(Some(StoredCheckpoint { checkpoint, tail, modified }))
    }

    /// The checkpoint at `key` without its tail, and how many bytes that has; `None` when it is gone or not readable as one.
    pub(crate) fn peek(store: &Store, path: &str) -> Result<Option<(Self, u64)>> {
        let key = checkpoint_key(store, path);
        let look = || -> Result<(u64, Vec<u8>)> {
            let size = store.client.head_object(&store.bucket, &key, &GetObject::default())?.size;
            let length = size.min(TRAILER_LIMIT as u64);
            if length == 0 {
                return Ok((0, Vec::new()));
            }
            let range = ByteRange::Part { offset: size - length, length };
            let end = store
                .client
                .get_object(&store.bucket, &key, &GetObject::range(range))?
                .read_all(TRAILER_LIMIT)?;
            Ok((size - length, end))
        };
        match look() {
            Err(error)
                if matches!(error.kind(), ErrorKind::NoSuchKey | ErrorKind::InvalidRange) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
            Ok((before, end)) => Ok(Self::parse(&end, &store.key(path))
                .map(|(checkpoint, length, _)| (checkpoint, before + length as u64))),
        }
    }

    fn append_to(&self, key: &str, tail: &mut Vec<u8>) {
        let Self { upload_id, parts, bytes, chunk_size, file, later, stale_part } = self;
        let mut json = json!({
            "version": 1, "key": key, "upload": upload_id, "parts": parts, "bytes": bytes, "chunk_size": chunk_size,
        });
        match file {
            CommittedFile::Unknown => {}
            CommittedFile::Absent => json["file"] = Value::Null,
            CommittedFile::Version(etag) => json["file"] = Value::from(etag.as_str()),
        }
        if *later == LaterParts::Ignore {
            json["later_parts"] = Value::from("ignore");
        }
        if let Some(etag) = stale_part {
            json["stale_part"] = Value::from(etag.as_str());
        }
        let json = json.to_string();
        // The tail may be as large as a part: without this the vector would double.
        tail.reserve_exact(json.len() + SUFFIX);
        tail.extend_from_slice(json.as_bytes());
        let crc = checksum(CrcAlgorithm::Crc64Nvme, tail);
        tail.extend_from_slice(format!("{crc:016x}{:08x}", json.len()).as_bytes());
        tail.extend_from_slice(MAGIC);
    }

    /// The checkpoint at the end of `content`, the length of the tail before it, and whether the CRC fits to `content`.
    fn parse(content: &[u8], key: &str) -> Option<(Self, usize, Crc)> {
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
            chunk_size: number("chunk_size")?,
            file: match json.get("file") {
                None => CommittedFile::Unknown,
                Some(Value::Null) => CommittedFile::Absent,
                Some(etag) => CommittedFile::Version(etag.as_str()?.to_owned()),
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
        let crc =
            if checksum(CrcAlgorithm::Crc64Nvme, body) == crc { Crc::Match } else { Crc::Mismatch };
        sound.then_some((checkpoint, tail.len(), crc))
    }
}

/// How the stored checksum compares with the bytes that were read. It cannot match when only the end was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crc {
    Match,
    Mismatch,
}

/// Removes a path's checkpoint. None there is a success.
pub(crate) fn remove(store: &Store, path: &str) -> Result<()> {
    store.client.delete_object(
        &store.bucket,
        &checkpoint_key(store, path),
        &DeleteObject::default(),
    )
}

/// Returns the path whose checkpoint has this key.
pub(crate) fn path_of(store: &Store, key: &str) -> Option<String> {
    let (directory, name) = key.rsplit_once('/').unwrap_or(("", key));
    let name = name.strip_prefix(RESERVED)?;
    let key = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    let path = format!("/{}", below(&key, &store.parameters.root_directory)?);
    check_path(&path).is_ok().then_some(path)
}

/// Returns the key of a path's checkpoint.
pub(crate) fn checkpoint_key(store: &Store, path: &str) -> String {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    store.key(&format!("{directory}/{RESERVED}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let file = CommittedFile::Version("e\"tag".to_owned());
        Checkpoint {
            upload_id: "id \"1\"".to_owned(),
            parts: 3,
            bytes: 30,
            chunk_size: 10,
            file,
            later: LaterParts::Ignore,
            stale_part: Some("3\"e".to_owned()),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for tail in [&b""[..], b"abc", &[0xff; 1000]] {
            let mut content = tail.to_vec();
            checkpoint().append_to("a/b", &mut content);
            let (read, length, crc) = Checkpoint::parse(&content, "a/b").expect("a checkpoint");
            assert_eq!((read, length, crc), (checkpoint(), tail.len(), Crc::Match));
            assert!(Checkpoint::parse(&content, "a/c").is_none(), "belongs to another key");
        }
        for file in [CommittedFile::Absent, CommittedFile::Unknown] {
            let later = LaterParts::Count;
            let checkpoint = Checkpoint { file, later, stale_part: None, ..checkpoint() };
            let mut content = Vec::new();
            checkpoint.append_to("k", &mut content);
            assert_eq!(Checkpoint::parse(&content, "k").map(|found| found.0), Some(checkpoint));
        }
    }

    #[test]
    fn the_end_alone_tells_all_but_the_tail() {
        let mut content = vec![7; 100];
        checkpoint().append_to("k", &mut content);
        let (read, length, _) = Checkpoint::parse(&content[60..], "k").expect("a checkpoint");
        assert_eq!((read, length), (checkpoint(), 40));
    }

    #[test]
    fn damage_anywhere_is_seen_and_never_panics() {
        let mut content = b"tail".to_vec();
        checkpoint().append_to("k", &mut content);
        for at in 0..content.len() {
            let mut damaged = content.clone();
            damaged[at] ^= 1;
            let found = Checkpoint::parse(&damaged, "k");
            // The case of a hex digit is the one bit that means nothing; an exclusive or by 1 never changes it.
            assert!(!matches!(found, Some((_, _, Crc::Match))), "byte {at}");
            assert!(
                !matches!(Checkpoint::parse(&content[..at], "k"), Some((_, _, Crc::Match))),
                "cut at {at}"
            );
        }
    }
}
