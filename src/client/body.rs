//! The bodies of requests.
use super::checksum::Running;
use crate::error::{Error, ErrorKind};
use crate::transport::ConnectionChoice;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// How many leading bytes of a chunked upload are compared with the stored object: about the length
/// of the line at the start of a chunk.
const COMPARED: usize = 64;

/// The body of a request.
pub(super) enum Payload<'a> {
    Empty,
    /// Bytes that are sent from the beginning in each attempt.
    Bytes(&'a [u8]),
    /// A body that can be read only once: after the first read, it cannot be sent again.
    Stream {
        source: &'a mut dyn Read,
        length: u64,
        progress: &'a mut Progress,
    },
    /// A body that is opened again for each attempt, and once more to hash it if it is signed.
    Replay {
        open: &'a Reopen<'a>,
        length: u64,
    },
}

impl Payload<'_> {
    /// Returns the connection over which the payload may be sent.
    pub(super) const fn connection(&self) -> ConnectionChoice {
        match self {
            Self::Empty | Self::Bytes(_) | Self::Replay { .. } => ConnectionChoice::IdleOrNew,
            Self::Stream { .. } => ConnectionChoice::New,
        }
    }
}

/// Opens a body from its first byte.
pub(crate) type Reopen<'a> = dyn Fn(BodyUse) -> Box<dyn Read + 'a> + Sync + 'a;

/// The purpose for which a body is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyUse {
    /// A hash or a checksum is computed.
    Checksum,
    /// One attempt to send it.
    Sending,
}

/// The progress of a body that can be read only once.
#[derive(Default)]
pub(super) struct Progress {
    /// Whether a read was attempted, successfully or not: after that, no further attempt has the
    /// whole body.
    pub(super) begun: bool,
    /// Whether the last attempt sent the body in chunks.
    pub(super) chunked: bool,
    taken: u64,
    /// The first bytes of the body, up to [`COMPARED`].
    pub(super) beginning: Vec<u8>,
    /// The checksums of the bytes that were read.
    pub(super) sums: Vec<Running>,
}

/// Records the bytes read from a body.
pub(super) struct Watched<'a> {
    source: &'a mut dyn Read,
    length: u64,
    progress: &'a mut Progress,
}

impl<'a> Watched<'a> {
    pub(super) fn new(
        source: &'a mut dyn Read,
        length: u64,
        progress: &'a mut Progress,
    ) -> io::Take<Self> {
        Self { source, length, progress }.take(length)
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.progress.begun = true;
        let count = self.source.read(into)?;
        if count == 0 && !into.is_empty() {
            let text = format!("it {}", ended_early(self.progress.taken, self.length));
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        let read = into.get(..count).unwrap_or_default();
        self.progress.sums.iter_mut().for_each(|sum| sum.update(read));
        let wanted = COMPARED.saturating_sub(self.progress.beginning.len());
        self.progress.beginning.extend(into.iter().take(count.min(wanted)));
        self.progress.taken += count as u64;
        Ok(count)
    }
}

pub(super) fn ended_early(came: u64, length: u64) -> String {
    format!("ended after {came} of {length} bytes")
}

/// Returns the SHA-256 of the first `length` bytes of `source`.
pub(super) fn sha256(source: &mut dyn Read, length: u64) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    for_each_piece(source, length, |piece| digest.update(piece))?;
    Ok(digest.finalize().into())
}

/// Visits the first `length` bytes of `source`, in pieces that stay in the processor's cache.
pub(super) fn for_each_piece(
    source: &mut dyn Read,
    length: u64,
    mut visit: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut piece = [0; 16 << 10];
    let mut source = source.take(length);
    loop {
        match source.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => visit(&piece[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns the error of a body that cannot be read for its hash or checksum.
pub(super) fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::LocalIo, format!("the data to send cannot be read: {error}"))
        .with_source(error)
}
