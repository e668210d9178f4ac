//! The operations of one thread, and its model of the bucket.

use crate::server::Faulty;
use crate::support::content::bytes;
use crate::support::outcome::old_or_new;
use s3driver::client::Client;
use s3driver::driver::S3Driver;
use s3driver::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const BUCKET: &str = "registry";
/// The number of keys of a thread: few, so that they are replaced often and the store stays small.
const KEYS: u64 = 8;
const LARGEST: u64 = 128 << 10;
/// The prefix of the keys that are not paths.
pub(crate) const ANY_KEY: &str = "any of ";

/// A generator of random-looking numbers that are the same in every run.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0) % below
    }
}

pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Totals over all threads.
#[derive(Default)]
pub(crate) struct Figures {
    kinds: Mutex<BTreeMap<&'static str, u64>>,
    bytes: AtomicU64,
    surfaced: AtomicU64,
    purged: AtomicU64,
}

impl Figures {
    pub(crate) fn operations(&self) -> u64 {
        self.kinds.lock().unwrap().values().sum()
    }
    pub(crate) fn count_kinds(&self) -> usize {
        self.kinds.lock().unwrap().len()
    }
    pub(crate) fn kinds(&self) -> String {
        let kinds = self.kinds.lock().unwrap();
        kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
    }
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
    pub(crate) fn purged(&self) -> u64 {
        self.purged.load(Ordering::Relaxed)
    }
    pub(crate) fn surfaced(&self) -> u64 {
        self.surfaced.load(Ordering::Relaxed)
    }
}

pub(crate) struct Worker<'a> {
    pub(crate) number: u64,
    pub(crate) client: Client,
    pub(crate) driver: S3Driver,
    pub(crate) faulty: &'a Faulty,
    pub(crate) dice: Dice,
    /// The prefix of its keys.
    pub(crate) prefix: String,
    /// The expected content, by key.
    pub(crate) model: BTreeMap<String, Vec<u8>>,
    /// The expected content of keys that are not paths.
    pub(crate) any: BTreeMap<String, Vec<u8>>,
    /// The number of files begun so far; each has a different path.
    pub(crate) begun: u64,
    figures: &'a Figures,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        number: u64,
        client: &Client,
        driver: &S3Driver,
        faulty: &'a Faulty,
        figures: &'a Figures,
    ) -> Self {
        let (client, driver, model) = (client.clone(), driver.clone(), BTreeMap::new());
        let (dice, prefix) = (Dice(number << 32), format!("t{number}"));
        Self {
            number,
            client,
            driver,
            faulty,
            dice,
            prefix,
            model,
            any: BTreeMap::new(),
            begun: 0,
            figures,
        }
    }

    pub(crate) fn step(&mut self) {
        match self.dice.roll(2) {
            0 => self.step_of_client(),
            _ => self.step_of_driver(),
        }
    }

    pub(crate) fn key(&mut self) -> String {
        format!("{}/{}", self.prefix, self.dice.roll(KEYS))
    }

    pub(crate) fn content(&mut self) -> Vec<u8> {
        let (seed, size) = (self.dice.roll(u64::MAX), self.dice.roll(LARGEST));
        bytes(seed, 0, size as usize)
    }

    /// Counts an operation.
    pub(crate) fn count(&self, kind: &'static str) {
        *self.figures.kinds.lock().unwrap().entry(kind).or_default() += 1;
    }

    /// Counts leftover uploads that have been ended.
    pub(crate) fn count_purged(&self, uploads: u64) {
        self.figures.purged.fetch_add(uploads, Ordering::Relaxed);
    }

    fn count_bytes(&self, bytes: usize) {
        self.figures.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Records that a key was changed to this content, or deleted.
    pub(crate) fn changed(&mut self, key: &str, to: Option<Vec<u8>>, result: Result<()>) {
        self.settle([(key.to_owned(), to)].into(), result);
    }

    /// Records like [`Worker::changed`], for a key that is not a path.
    pub(crate) fn changed_any(&mut self, key: &str, to: Option<Vec<u8>>, result: Result<()>) {
        std::mem::swap(&mut self.model, &mut self.any);
        self.changed(key, to, result);
        std::mem::swap(&mut self.model, &mut self.any);
    }

    /// Records that these keys changed. After an error each of them may or may not have changed,
    /// and the store decides.
    pub(crate) fn settle(
        &mut self,
        changes: BTreeMap<String, Option<Vec<u8>>>,
        result: Result<()>,
    ) {
        self.count_bytes(changes.values().flatten().map(Vec::len).sum());
        let keys: Vec<String> = changes.keys().cloned().collect();
        let mut now: BTreeMap<String, Vec<u8>> =
            changes.into_iter().filter_map(|(key, content)| Some((key, content?))).collect();
        let before: BTreeMap<String, Vec<u8>> =
            keys.iter().filter_map(|key| self.model.remove_entry(key)).collect();
        if let Err(error) = result {
            self.allowed(&error);
            let stored = |key: &String| {
                Some((key.clone(), self.faulty.backend.object(BUCKET, key)?.to_vec()))
            };
            let found = keys.iter().filter_map(stored).collect();
            old_or_new(&before, &now, &found)
                .unwrap_or_else(|wrong| panic!("after {error}: {wrong}"));
            now = found;
        }
        self.model.append(&mut now);
    }

    /// Compares what was read with the expected content.
    pub(crate) fn compare(&self, what: &str, expected: Option<&[u8]>, got: Result<Vec<u8>>) {
        match (got, expected) {
            (Ok(got), Some(expected)) => {
                self.count_bytes(got.len());
                assert!(got == expected, "{what} has wrong content");
            }
            (Err(error), None) if error.is_not_found() => {}
            (Err(error), _) => self.allowed(&error),
            (Ok(got), None) => panic!("{what} has {} bytes but should not exist", got.len()),
        }
    }

    /// Checks that the error is one that the faults may cause once all attempts have failed.
    pub(crate) fn allowed(&self, error: &Error) {
        use ErrorKind::*;
        self.figures.surfaced.fetch_add(1, Ordering::Relaxed);
        let kinds =
            [Server, Throttled, Interrupted, Timeout, Protocol, OutcomeUnknown, NoSuchUpload];
        assert!(kinds.contains(&error.kind()), "{error}");
    }

    /// Returns the result, or `None` after an allowed error.
    pub(crate) fn some<T>(&self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.allowed(&error)).ok()
    }
}
