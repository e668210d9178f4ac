//! The standard input as the content of an object, and objects on the standard output.
use crate::failure::Outcome;
use crate::progress::Bar;
use crate::tool::{Bucket, Tool};
use s3driver::{Cancel, Error, ErrorKind};
use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// The number of bytes that one read takes from the standard input or from a connection.
const BLOCK: usize = 256 << 10;

/// The number of blocks that are read before they are needed.
const BLOCKS_AHEAD: usize = 2;

/// How long a wait for the standard input lasts before an interruption is noticed.
const TICK: Duration = Duration::from_millis(100);

/// The standard input. Another thread reads it, because a read that waits for a terminal or for
/// another program cannot be interrupted.
pub(crate) struct StandardInput {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    taken: usize,
    cancel: Cancel,
}

impl StandardInput {
    pub(crate) fn open(cancel: &Cancel) -> io::Result<Self> {
        let (sender, blocks) = mpsc::sync_channel(BLOCKS_AHEAD);
        let read = move || {
            let mut input = io::stdin().lock();
            loop {
                let mut block = vec![0; BLOCK];
                let result = match input.read(&mut block) {
                    Ok(0) => return,
                    Ok(count) => {
                        block.truncate(count);
                        Ok(block)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                // There is no receiver after a failure, and nothing follows an error.
                let is_last = result.is_err();
                if sender.send(result).is_err() || is_last {
                    return;
                }
            }
        };
        thread::Builder::new().name("s3driver-stdin".to_owned()).spawn(read)?;
        Ok(Self { blocks, block: Vec::new(), taken: 0, cancel: cancel.clone() })
    }
}

impl Read for StandardInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.block.len() {
            if self.cancel.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "interrupted").into());
            }
            match self.blocks.recv_timeout(TICK) {
                Ok(block) => (self.block, self.taken) = (block?, 0),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let rest = self.block.get(self.taken..).unwrap_or_default();
        let count = Read::read(&mut &*rest, buffer)?;
        self.taken = self.taken.saturating_add(count);
        Ok(count)
    }
}

/// Writes everything that `pull` returns to the standard output, and advances the bar.
pub(crate) fn print(
    tool: &Tool,
    bar: Option<(&Bar, u64)>,
    mut pull: impl FnMut(&mut [u8]) -> s3driver::Result<usize>,
) -> Outcome<u64> {
    let (mut block, mut bytes) = (vec![0; BLOCK], 0_u64);
    loop {
        match pull(&mut block)? {
            0 => return Ok(bytes),
            count => {
                tool.output.write(block.get(..count).unwrap_or_default())?;
                bytes = bytes.saturating_add(count as u64);
                if let Some((bar, total)) = bar {
                    bar.advance(count as u64, total);
                }
            }
        }
    }
}

/// Writes an object, from an offset on, to the standard output, and returns its number of bytes.
pub(crate) fn print_object(
    tool: &Tool,
    bucket: &Bucket,
    key: &str,
    offset: u64,
    bar: Option<&Bar>,
) -> Outcome<u64> {
    let mut reader = bucket.transfer().reader(&bucket.name, key, offset)?;
    let size = reader.meta().size.saturating_sub(offset);
    print(tool, bar.map(|bar| (bar, size)), |block| reader.pull(block))
}
