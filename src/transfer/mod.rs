//! Many parts at once on plain threads: files to objects, objects to files and readers, objects to objects.
//!
//! A transfer keeps no part in memory, but for a [`ReadAhead`]. It ends at the first failure, leaves nothing half done behind, and, made with
//! [`Client::with_cancel`], ends within a second when its token says so.
//!
//! ```no_run
//! use s3driver::client::{Client, Config, Endpoint, ObjectSettings};
//! use s3driver::transfer::Transfer;
//!
//! let client = Client::new(Config::new(Endpoint::region("eu-central-1")?))?;
//! let shown = |progress: s3driver::transfer::Progress| eprintln!("{} of {}", progress.bytes, progress.total);
//! let transfer = Transfer::new(&client).progress(&shown);
//! transfer.upload_file("layer.tar", "registry", "layer.tar", &ObjectSettings::default())?;
//! transfer.download_to_file("registry", "layer.tar", "copy.tar")?;
//! # Ok::<(), s3driver::Error>(())
//! ```
mod copy;
mod copy_prefix;
mod delete;
mod differences;
mod download;
mod each;
mod file;
mod memory;
mod meter;
mod parallel;
mod purge;
mod read_ahead;
mod seek;
mod shards;
mod stream;
mod upload;

pub(crate) use copy::{
    CopyRanges, cannot_copy_parts, copy_any_size, copy_parts, may_be_copied_in_parts,
};
pub(crate) use delete::delete_below;
pub use differences::{Compare, FolderDifference, LocalFile};
pub use download::{Downloaded, Verified};
pub(crate) use memory::MemoryLimit;
pub use meter::Progress;
pub use read_ahead::ReadAhead;
pub use seek::SeekableObject;
pub(crate) use shards::list_in_shards;
pub(crate) use stream::{Buffer, Layout, Sender, cannot_replace, clean_up, parts_of};
pub use stream::{ObjectWriter, PartSizes, UploadToken};

use crate::client::{Client, MAX_PART_SIZE, MIN_PART_SIZE};
use std::fmt;
use std::num::NonZeroUsize;

/// Parts unless asked for otherwise: 8 MiB, enough that the request around a part costs little, and 78 GiB with 10,000.
const PART_SIZE: u64 = 8 << 20;

/// Threads unless asked for otherwise.
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(8).expect("not zero");

/// How to transfer: a client, the size of parts, and how many at once.
#[derive(Clone)]
pub struct Transfer<'a> {
    client: Client,
    part_size: u64,
    concurrency: NonZeroUsize,
    progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    verification: DownloadVerification,
}

/// How a download is verified in addition to its length and version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownloadVerification {
    /// By the CRC-64/NVME that the server keeps; without one by an ETag that looks like an MD5, for which the file is
    /// read back.
    #[default]
    Content,
    /// By length and version alone, for servers whose ETags look like an MD5 and are not one.
    Length,
}

/// An upload or a copy that has ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// Bytes of the object.
    pub bytes: u64,
    /// Parts it was sent in; 1 when in one piece.
    pub parts: u32,
    /// Without quotes; `None` when the server tells none.
    pub etag: Option<String>,
}

impl<'a> Transfer<'a> {
    /// With parts of 8 MiB, 8 at once.
    pub fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            part_size: PART_SIZE,
            concurrency: CONCURRENCY,
            progress: None,
            verification: DownloadVerification::default(),
        }
    }

    /// Bytes of one part, taken as at least 5 MiB and at most 5 GiB. Parts are larger where there would be more than
    /// 10,000.
    #[must_use]
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = bytes.clamp(MIN_PART_SIZE, MAX_PART_SIZE);
        self
    }

    /// Parts in flight at once; as many threads work, the caller's among them.
    #[must_use]
    pub const fn concurrency(mut self, parts: NonZeroUsize) -> Self {
        self.concurrency = parts;
        self
    }

    /// Calls `tell` from the threads that work, one at a time: for every part, and while a part is being received. It
    /// should return soon.
    #[must_use]
    pub const fn progress(mut self, tell: &'a (dyn Fn(Progress) + Sync)) -> Self {
        self.progress = Some(tell);
        self
    }

    /// How downloads are verified.
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
