//! The progress of a running transfer.
use super::sent::{SentBytes, SentParts};
use crate::client::Client;
use crate::sync;
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
    report: Option<&'a (dyn Fn(Progress) + Sync)>,
    retries_before: u64,
    progress: Mutex<Progress>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(
        client: &Client,
        report: Option<&'a (dyn Fn(Progress) + Sync)>,
        total: u64,
    ) -> Self {
        let retries_before = client.stats().retries;
        Self {
            client: client.clone(),
            report,
            retries_before,
            progress: Mutex::new(Progress { total, ..Progress::default() }),
        }
    }

    /// Returns whether the progress is reported to the caller.
    pub(super) const fn is_reported(&self) -> bool {
        self.report.is_some()
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
        if let Some(report) = self.report {
            progress.retries = self.client.stats().retries.saturating_sub(self.retries_before);
            report(*progress);
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
