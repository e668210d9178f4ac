//! The progress of a running transfer.
use super::stream::SentParts;
use crate::client::{BodyUse, Client};
use crate::sync;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The progress of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of bytes transferred. Bytes that are sent again count once.
    pub bytes: u64,
    /// The total number of bytes. For an object whose size is not known, the number of bytes
    /// written so far.
    pub total: u64,
    /// The number of finished parts.
    pub parts: u32,
    /// The number of retries by this client and its clones since the transfer began.
    pub retries: u64,
}

/// Counts the progress of one transfer and reports it, from one thread at a time.
pub(super) struct Meter<'a> {
    client: Client,
    tell: Option<&'a (dyn Fn(Progress) + Sync)>,
    retries_before: u64,
    progress: Mutex<Progress>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(
        client: &Client,
        tell: Option<&'a (dyn Fn(Progress) + Sync)>,
        total: u64,
    ) -> Self {
        let retries_before = client.stats().retries;
        Self {
            client: client.clone(),
            tell,
            retries_before,
            progress: Mutex::new(Progress { total, ..Progress::default() }),
        }
    }

    /// Returns whether the progress is reported to the caller.
    pub(super) const fn is_reported(&self) -> bool {
        self.tell.is_some()
    }

    /// Records one more finished part of this size.
    pub(super) fn part(&self, bytes: u64) {
        self.advance(bytes, 1);
    }

    /// Records received bytes of a part.
    pub(super) fn advance(&self, bytes: u64, parts: u32) {
        let mut progress = self.lock();
        progress.bytes += bytes;
        progress.parts += parts;
        if let Some(tell) = self.tell {
            progress.retries = self.client.stats().retries.saturating_sub(self.retries_before);
            tell(*progress);
        }
    }

    /// Records what was sent.
    pub(super) fn add(&self, sent: SentParts) {
        if sent != SentParts::default() {
            self.advance(sent.bytes, sent.parts);
        }
    }

    /// Sends a part of `size` bytes with `send`, which receives the function to report the bytes
    /// that one attempt has sent so far. Records these bytes and the finished part.
    pub(super) fn count<T, E>(
        &self,
        size: u64,
        send: impl FnOnce(&(dyn Fn(u64) + Sync)) -> Result<T, E>,
    ) -> Result<T, E> {
        let counted = SentBytes::default();
        let sent = send(&|at| self.add(SentParts { parts: 0, bytes: counted.advance(at) }))?;
        self.part(counted.advance(size));
        Ok(sent)
    }

    /// Sets the total number of bytes, which grows while an object is written.
    pub(super) fn set_total(&self, total: u64) {
        self.lock().total = total;
    }

    pub(super) fn parts(&self) -> u32 {
        self.lock().parts
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        sync::lock(&self.progress)
    }
}

/// The number of bytes of a part that at least one attempt has sent.
#[derive(Debug, Default)]
pub(super) struct SentBytes(AtomicU64);

impl SentBytes {
    /// Records that an attempt has sent the first `at` bytes, and returns how many of them no
    /// attempt had sent before.
    pub(super) fn advance(&self, at: u64) -> u64 {
        at.saturating_sub(self.0.fetch_max(at, Ordering::Relaxed))
    }
}

/// Returns a body that reports how many of its bytes have been read in order to be sent.
pub(super) fn reporting<'a>(
    body: Box<dyn Read + 'a>,
    purpose: BodyUse,
    report: &'a (dyn Fn(u64) + Sync),
) -> Box<dyn Read + 'a> {
    match purpose {
        BodyUse::Checksum => body,
        BodyUse::Sending => Box::new(Reporting { body, at: 0, report }),
    }
}

struct Reporting<'a> {
    body: Box<dyn Read + 'a>,
    at: u64,
    report: &'a (dyn Fn(u64) + Sync),
}

impl Read for Reporting<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // A block is requested once the one before it has been sent.
        if self.at > 0 {
            (self.report)(self.at);
        }
        let count = self.body.read(into)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_sent_again_count_once() {
        let sent = SentBytes::default();
        let counted: Vec<u64> = [3, 7, 0, 5, 7, 9, 10].map(|at| sent.advance(at)).into();
        assert_eq!(counted, [3, 4, 0, 0, 0, 2, 1]);
    }

    #[test]
    fn only_bytes_that_are_sent_are_reported() {
        let seen = Mutex::new(Vec::new());
        let report = |at| seen.lock().expect("no panic").push(at);
        for purpose in [BodyUse::Checksum, BodyUse::Sending] {
            let mut body = reporting(Box::new(&[0; 10][..]), purpose, &report);
            while body.read(&mut [0; 4]).expect("in memory") > 0 {}
        }
        drop(report);
        assert_eq!(seen.into_inner().expect("no panic"), [4, 8, 10]);
    }
}
