//! A part's buffer.
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::memory::Share;

/// Room for one part. Memory that was never written to is not really taken yet, so a small file costs little.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) bytes: Vec<u8>,
    size: u64,
    _share: Share,
}

impl Buffer {
    /// A buffer for a part of `size` bytes that begins with `bytes`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the machine has no such amount of memory.
    pub(crate) fn new(mut bytes: Vec<u8>, size: u64, share: Share) -> Result<Self> {
        let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(bytes.len());
        bytes.try_reserve_exact(room).map_err(|error| {
            let text = format!("no memory for a part of {size} bytes");
            Error::new(ErrorKind::InvalidArgument, text)
                .with_source(error)
                .with_hint("choose a smaller chunksize")
        })?;
        Ok(Self { bytes, size, _share: share })
    }

    /// How many bytes of a part fit in.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }
}
