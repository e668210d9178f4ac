//! Counts what was sent, while parts are being sent.
use crate::client::BodyUse;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of parts that were sent, and the number of bytes, which may belong to parts that are
/// still being sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SentParts {
    pub(crate) parts: u32,
    pub(crate) bytes: u64,
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
    use std::sync::Mutex;

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
        assert_eq!(seen.into_inner().expect("no panic"), [4, 8, 10]);
    }
}
