//! A body that is framed, and optionally signed, while it is read.
use super::{
    CHUNK_SIGNATURE, ChunkSigner, SIGNATURE_LENGTH, TRAILER_SIGNATURE, Trailer, TrailerChecksum,
};
use std::fmt;
use std::io::{self, ErrorKind, Read};

/// A framed body. It yields exactly [`Layout::encoded_length`](super::Layout::encoded_length) bytes
/// or fails: with `UnexpectedEof` if the data ends before the announced length, and with
/// `InvalidData` if it continues beyond it.
pub struct FramedBody<'a, R> {
    data: R,
    chunk_size: u64,
    /// The number of data bytes whose chunk has not been started yet.
    remaining: u64,
    signer: Option<ChunkSigner>,
    trailers: Vec<(Trailer, Box<dyn TrailerChecksum + 'a>)>,
    checksums: Vec<(&'static str, String)>,
    stage: Stage,
    /// The bytes to send next. The first `sent` of them have been sent.
    pending: Vec<u8>,
    sent: usize,
}

/// The stage that follows when `pending` has been sent.
#[derive(Clone, Copy)]
enum Stage {
    /// The head of the next chunk, or the end of the body, comes next.
    Head,
    /// A signed chunk is being collected. Its head holds its signature, so the whole chunk has to
    /// be read first. The first `filled` bytes of `pending` are in use, `start` of which are
    /// reserved for the head.
    Collect { start: usize, filled: usize },
    /// The data of an unsigned chunk goes straight from the reader to the caller.
    Pass { left: u64 },
    /// Everything was sent.
    End,
    /// Reading failed. Every further read fails too, because what follows would not be the
    /// announced body.
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

    /// Returns the names and values of the trailers. They are complete once the whole body has been
    /// read.
    pub fn checksums(&self) -> &[(&'static str, String)] {
        &self.checksums
    }
}

impl<R: Read> FramedBody<'_, R> {
    /// Starts the next chunk, or ends the body.
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
                // The buffer is never larger than MAX_CHUNK_SIZE. Data of the previous chunk is
                // overwritten.
                self.pending.resize(start + size as usize, 0);
                self.pending[..digits.len()].copy_from_slice(digits.as_bytes());
                // Nothing is sent until the chunk is signed.
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

    /// Continues to fill a signed chunk, and signs it once it is complete.
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

    /// Passes the data of an unsigned chunk through to the caller.
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
            // A different length would contradict the content-length, and a line break would break
            // the framing.
            if value.len() != trailer.value_length || !value.bytes().all(|b| b.is_ascii_graphic()) {
                self.stage = Stage::Broken;
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    format!(
                        "the checksum for {} has {} bytes, but the layout announced {} printable \
                         characters",
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
            "the body continues beyond the length that was announced for it",
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

            // If reading fails, the stage is kept, so that a later call can continue where this one
            // stopped.
            match self.stage {
                Stage::Head => self.head()?,
                Stage::Collect { start, filled } => self.collect(start, filled)?,
                Stage::Pass { left } => return self.pass(left, out),
                Stage::End => return Ok(0),
                Stage::Broken => {
                    return Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "the body cannot be read any further because an earlier read failed",
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
