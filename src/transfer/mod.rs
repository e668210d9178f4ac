//! Transfers on plain threads, with several parts at the same time: files to objects, objects to
//! files and readers, objects to objects.
//!
//! A transfer reads and writes files without keeping whole parts in memory. Parts are in memory in
//! three cases: an [`ObjectWriter`] keeps at most one more than it has threads, a [`ReadAhead`]
//! keeps those that it has received before they are read, and an object that a server cannot copy
//! passes through this process, four parts at a time: 32 MiB, or more if the object has more than
//! 78 GiB.
//!
//! A transfer ends at the first failure and leaves nothing unfinished, with three exceptions, which
//! keep what was transferred so that a later call can continue: [`Transfer::resume_file`],
//! [`Transfer::resume_download`], and an [`ObjectWriter`] whose [token](ObjectWriter::token) was
//! taken. If the client of a transfer was made with [`Client::with_cancel`], the transfer ends
//! within a second after the token is cancelled.
//!
//! # Eight tasks
//!
//! Connect to a server other than AWS:
//!
//! ```
//! use s3driver::client::{Client, Config, Endpoint, Scheme};
//! use s3driver::sign::Credentials;
//!
//! let endpoint = Endpoint::custom("http://127.0.0.1:9000", None, Scheme::Http)?;
//! let keys = Credentials::new("AKIDEXAMPLE", "secret");
//! let client = Client::new(Config::new(endpoint).static_credentials(keys))?;
//! # Ok::<(), s3driver::Error>(())
//! ```
//!
//! Store an object with a content type and metadata:
//!
//! ```no_run
//! # use s3driver::client::{Client, ObjectSettings};
//! # let client = Client::from_env()?;
//! let settings = ObjectSettings::default().content_type("text/plain").metadata("owner", "us");
//! client.put_object("bucket", "hello.txt", b"hello", &settings)?;
//! # Ok::<(), s3driver::Error>(())
//! ```
//!
//! Store a file in several parts at once, with progress:
//!
//! ```no_run
//! # use s3driver::client::{Client, ObjectSettings};
//! # use s3driver::transfer::{Progress, Transfer};
//! # let client = Client::from_env()?;
//! let show = |progress: Progress| eprintln!("{} of {}", progress.bytes, progress.total);
//! let transfer = Transfer::new(&client).progress(&show);
//! transfer.upload_file("disk.img", "bucket", "disk.img", &ObjectSettings::default())?;
//! # Ok::<(), s3driver::Error>(())
//! ```
//!
//! Store a stream of unknown length under any key:
//!
//! ```no_run
//! # use s3driver::client::{Client, ObjectSettings};
//! # use s3driver::transfer::Transfer;
//! # let client = Client::from_env()?;
//! let input = std::io::stdin().lock();
//! Transfer::new(&client).upload(input, "bucket", "any key", &ObjectSettings::default())?;
//! # Ok::<(), s3driver::Error>(())
//! ```
//!
//! List everything below a prefix:
//!
//! ```no_run
//! # use s3driver::client::{Client, ListObjects};
//! # let client = Client::from_env()?;
//! for object in client.objects("bucket", ListObjects::prefix("photos/")) {
//!     println!("{}", object?.key);
//! }
//! # Ok::<(), s3driver::Error>(())
//! ```
//!
//! Download an object into a file, verify it, and report how it was verified:
//!
//! ```no_run
//! # use s3driver::client::Client;
//! # use s3driver::transfer::Transfer;
//! # let client = Client::from_env()?;
//! let received = Transfer::new(&client).download_to_file("bucket", "disk.img", "copy.img")?;
//! println!("{} bytes, verified by {:?}", received.bytes, received.verified);
//! # Ok::<(), s3driver::Error>(())
//! ```
//!
//! Read at any position, like a file:
//!
//! ```no_run
//! # use s3driver::client::{Client, GetObject};
//! # use std::io::{Read, Seek, SeekFrom};
//! # let client = Client::from_env()?;
//! let mut object = client.open("bucket", "archive.zip", &GetObject::default())?;
//! object.seek(SeekFrom::End(-22))?;
//! object.read_exact(&mut [0; 22])?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Create a URL that allows a download for ten minutes:
//!
//! ```
//! # use s3driver::client::{Client, Config, Endpoint, Presign, PresignMethod};
//! # use std::time::Duration;
//! # let client = Client::new(Config::new(Endpoint::region("eu-central-1")?))?;
//! let request = Presign::exactly(PresignMethod::Get, Duration::from_secs(600));
//! let url = client.presign("bucket", "hello.txt", &request)?.url;
//! # assert!(url.starts_with("https://"));
//! # Ok::<(), s3driver::Error>(())
//! ```
mod copy;
mod copy_prefix;
mod delete;
mod delete_copied;
mod differences;
mod download;
mod each;
mod file;
mod memory;
mod meter;
mod pace;
mod parallel;
mod passes;
mod purge;
mod read_ahead;
mod resume;
mod resume_upload;
mod seek;
mod sent;
mod shards;
mod stream;
mod upload;

pub(crate) use copy::{
    CopyRanges, cannot_copy_parts, copy_any_size, copy_parts, may_be_copied_in_parts,
};
pub use copy_prefix::PrefixCopy;
pub(crate) use delete::delete_below;
pub(crate) use delete_copied::delete_copied;
pub use differences::{Compare, FolderDifference, LocalFile};
pub use download::{Downloaded, Verified};
pub(crate) use memory::MemoryLimit;
pub use meter::Progress;
pub use passes::{RemovalPass, repeat_removal};
pub use read_ahead::ReadAhead;
pub use seek::SeekableObject;
pub(crate) use shards::{PageOrder, list_in_shards};
pub(crate) use stream::{
    Buffer, Concurrency, FirstFailure, Layout, PartContent, PartSlice, PartStorage, Sender,
    SpoolFolder, cannot_replace, clean_up, parts_of,
};
pub use stream::{ObjectWriter, PartSizes, UploadToken};

use crate::client::{Client, MAX_PART_SIZE, MIN_PART_SIZE};
use std::fmt;
use std::num::NonZeroUsize;

/// The default size of parts: 8 MiB is enough that the request for a part costs little, and permits
/// 78 GiB with 10,000 parts.
const PART_SIZE: u64 = 8 << 20;

/// The default number of threads.
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(8).expect("not zero");

/// The settings of a transfer: a client, the size of parts, and how many to transfer at the same
/// time.
#[derive(Clone)]
pub struct Transfer<'a> {
    client: Client,
    part_size: u64,
    concurrency: NonZeroUsize,
    /// The number of concurrent parts of a writer.
    writer_concurrency: Concurrency,
    progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    verification: DownloadVerification,
}

/// How a download is verified in addition to its length and version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownloadVerification {
    /// With the CRC-64/NVME that the server stores, or otherwise with an ETag that looks like an
    /// MD5, for which the file is read back.
    #[default]
    Content,
    /// Only by length and version, for servers whose ETags look like MD5s but are not.
    Length,
}

/// The result of an upload or a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// The size of the object, in bytes.
    pub bytes: u64,
    /// The number of parts that it was sent in; 1 if it was sent in one piece.
    pub parts: u32,
    /// The ETag, without quotes; `None` if the server does not return one.
    pub etag: Option<String>,
}

impl<'a> Transfer<'a> {
    /// Creates a transfer with parts of 8 MiB, 8 of them at the same time. Writers begin with 2, or
    /// 4 if the first part takes long, and use more, up to 8, as long as they increase the
    /// throughput.
    pub fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            part_size: PART_SIZE,
            concurrency: CONCURRENCY,
            writer_concurrency: Concurrency::UpTo(CONCURRENCY),
            progress: None,
            verification: DownloadVerification::default(),
        }
    }

    /// Sets the size of a part, which is raised to 5 MiB and limited to 5 GiB. Parts are larger if
    /// there would be more than 10,000.
    #[must_use]
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = bytes.clamp(MIN_PART_SIZE, MAX_PART_SIZE);
        self
    }

    /// Sets the number of parts in flight, which is limited to 128. The transfer uses as many
    /// threads, including the caller's.
    #[must_use]
    pub const fn concurrency(mut self, parts: NonZeroUsize) -> Self {
        self.concurrency = parts;
        self.writer_concurrency = Concurrency::Exactly(parts);
        self
    }

    /// Calls `report` from the working threads, one at a time: for every part, and while a part is
    /// being sent or received. It should return quickly.
    #[must_use]
    pub const fn progress(mut self, report: &'a (dyn Fn(Progress) + Sync)) -> Self {
        self.progress = Some(report);
        self
    }

    /// Sets how downloads are verified.
    #[must_use]
    pub const fn verification(mut self, verification: DownloadVerification) -> Self {
        self.verification = verification;
        self
    }
}

impl fmt::Debug for Transfer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("client", &self.client)
            .field("part_size", &self.part_size)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
