//! A body that is framed, and where wanted signed, while it is read.
use super::{
    CHUNK_SIGNATURE, ChunkSigner, SIGNATURE_LENGTH, TRAILER_SIGNATURE, Trailer, TrailerChecksum,
};
use std::fmt;
use std::io::{self, ErrorKind, Read};

/// A framed body. Reads exactly [`Layout::encoded_length`](super::Layout::encoded_length) bytes, or
/// fails: with `UnexpectedEof` when the data end before the length that was announced, with
/// `InvalidData` when they continue after it.
pub struct FramedBody<'a, R> {
    data: R,
    chunk_size: u64,
    /// Bytes of data whose chunk has not begun.
    remaining: u64,
    signer: Option<ChunkSigner>,
    trailers: Vec<(Trailer, Box<dyn TrailerChecksum + 'a>)>,
    checksums: Vec<(&'static str, String)>,
    stage: Stage,
    /// The bytes to send next, `sent` of which are gone.
    pending: Vec<u8>,
    sent: usize,
}

/// The stage that follows when `pending` has been sent.
#[derive(Clone, Copy)]
enum Stage {
    /// The head of the next chunk, or the end.
    Head,
    /// A signed chunk: its head holds its signature, so the chunk has to be read first. `filled`
    /// bytes of `pending` are there, `start` of them room for the head.
    Collect { start: usize, filled: usize },
    /// An unsigned chunk's data, straight from the reader to the caller.
    Pass { left: u64 },
    /// Nothing.
    End,
    /// Nothing but the failure: what would follow is not the body that was announced.
    Broken,
}

impl<'a, R> FramedBody<'a, R> {
    /// `trailers` must be sorted by name.
    pub(super) fn new(
        data: R,
        chunk_size: u64,
        remaining: u64,
        signer: Option<ChunkSigner>,
        trailers: Vec<(Trailer, Box<dyn TrailerChecksum + 'a>)>,
    ) -> Self {
        Self {
            data,
            chunk_size,
            remaining,
            signer,
            trailers,
            checksums: Vec::new(),
            stage: Stage::Head,
            pending: Vec::new(),
            sent: 0,
        }
    }

    /// Returns the names and values of the trailers, once all has been read.
    pub fn checksums(&self) -> &[(&'static str, String)] {
        &self.checksums
    }
}

impl<R: Read> FramedBody<'_, R> {
    /// Begins a chunk, or ends the body.
    fn head(&mut self) -> io::Result<()> {
        let size = self.remaining.min(self.chunk_size);
        if size == 0 {
            self.refuse_more()?;
            return self.end();
        }
        let digits = format!("{size:x}");
        self.remaining -= size;
        self.stage = match self.signer {
            Some(_) => {
                let start = digits.len() + CHUNK_SIGNATURE.len() + SIGNATURE_LENGTH + "\r\n".len();
                // No larger than MAX_CHUNK_SIZE. What the last chunk left is written over.
                self.pending.resize(start + size as usize, 0);
                self.pending[..digits.len()].copy_from_slice(digits.as_bytes());
                // Held back until the chunk is signed.
                self.sent = self.pending.len();
                Stage::Collect { start, filled: start }
            }
            None => {
                self.send(&format!("{digits}\r\n"));
                Stage::Pass { left: size }
            }
        };
        Ok(())
    }

    /// Reads on into a signed chunk and signs it when it is whole.
    fn collect(&mut self, start: usize, filled: usize) -> io::Result<()> {
        let count = match self.data.read(&mut self.pending[filled..])? {
            0 => return Err(ended_early()),
            count => count,
        };
        let filled = filled + count;
        if filled < self.pending.len() {
            self.stage = Stage::Collect { start, filled };
            return Ok(());
        }
        let (head, data) = self.pending.split_at_mut(start);
        self.trailers.iter_mut().for_each(|(_, checksum)| checksum.update(data));
        if let Some(signer) = &mut self.signer {
            let tail = format!("{CHUNK_SIGNATURE}{}\r\n", signer.chunk(data).signature);
            let from = start - tail.len();
            head[from..].copy_from_slice(tail.as_bytes());
        }
        self.pending.extend_from_slice(b"\r\n");
        self.sent = 0;
        self.stage = Stage::Head;
        Ok(())
    }

    /// Hands an unsigned chunk's data through.
    fn pass(&mut self, left: u64, out: &mut [u8]) -> io::Result<usize> {
        let room = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let out = &mut out[..room];
        let count = match self.data.read(out)? {
            0 => return Err(ended_early()),
            count => count,
        };
        self.trailers.iter_mut().for_each(|(_, checksum)| checksum.update(&out[..count]));
        self.stage = Stage::Pass { left: left - count as u64 };
        if left == count as u64 {
            self.send("\r\n");
            self.stage = Stage::Head;
        }
        Ok(count)
    }

    /// Appends the empty chunk, the trailers and their signature.
    fn end(&mut self) -> io::Result<()> {
        let mut text = String::from("0");
        if let Some(signer) = &mut self.signer {
            text.push_str(CHUNK_SIGNATURE);
            text.push_str(&signer.chunk(b"").signature);
        }
        text.push_str("\r\n");
        let mut signed = String::new();
        for (trailer, checksum) in &mut self.trailers {
            let value = checksum.finish();
            // Another length would break the content-length, a line break the framing.
            if value.len() != trailer.value_length || !value.bytes().all(|b| b.is_ascii_graphic()) {
                self.stage = Stage::Broken;
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    format!(
                        "the checksum for {} has {} bytes where its layout announced {} visible ones",
                        trailer.name,
                        value.len(),
                        trailer.value_length
                    ),
                ));
            }
            let line = format!("{}:{value}", trailer.name);
            text.push_str(&line);
            text.push_str("\r\n");
            signed.push_str(&line);
            signed.push('\n');
            self.checksums.push((trailer.name, value));
        }
        if let Some(signer) = self.signer.as_mut().filter(|_| !signed.is_empty()) {
            text.push_str(TRAILER_SIGNATURE);
            text.push_str(&signer.trailer(&signed).signature);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        self.send(&text);
        self.stage = Stage::End;
        Ok(())
    }

    fn send(&mut self, text: &str) {
        self.pending.clear();
        self.pending.extend_from_slice(text.as_bytes());
        self.sent = 0;
    }

    fn refuse_more(&mut self) -> io::Result<()> {
        if self.data.read(&mut [0])? == 0 {
            return Ok(());
        }
        self.stage = Stage::Broken;
        Err(io::Error::new(
            ErrorKind::InvalidData,
            "the body continues after the length that was announced for it",
        ))
    }
}

impl<R: Read> Read for FramedBody<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let pending = self.pending.get(self.sent..).unwrap_or(&[]);
            if !pending.is_empty() {
                let count = pending.len().min(out.len());
                out[..count].copy_from_slice(&pending[..count]);
                self.sent += count;
                return Ok(count);
            }
            // A stage that could not read stays as it was, and continues when the data do.
            match self.stage {
                Stage::Head => self.head()?,
                Stage::Collect { start, filled } => self.collect(start, filled)?,
                Stage::Pass { left } => return self.pass(left, out),
                Stage::End => return Ok(0),
                Stage::Broken => {
                    return Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "the body has failed before",
                    ));
                }
            }
        }
    }
}

fn ended_early() -> io::Error {
    io::Error::new(
        ErrorKind::UnexpectedEof,
        "the body ended before the length that was announced for it",
    )
}

impl<R> fmt::Debug for FramedBody<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramedBody")
            .field("chunk_size", &self.chunk_size)
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}
