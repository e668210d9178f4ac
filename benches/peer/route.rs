//! The interface through which the work is performed: the client or the driver.
use super::order::Source;
use std::error::Error;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// An interface that can perform each kind of work.
pub(crate) trait Route: Sync {
    /// Sends `source` in parts. If it is in memory, each part is the beginning of `data`.
    fn upload(&self, source: &Source, data: &[u8], part: u64, concurrency: usize) -> Outcome;
    /// Receives the object of `size` bytes and counts its bytes.
    fn download(&self, size: u64, part: u64, concurrency: usize) -> Outcome<u64>;
    fn put(&self, key: &str, data: &[u8]) -> Outcome;
    /// Returns the number of bytes received.
    fn get(&self, key: &str) -> Outcome<u64>;
    /// Returns the number of keys.
    fn list(&self, bucket: &str) -> Outcome<u64>;
    /// Deletes the first `count` keys of a bucket.
    fn delete(&self, bucket: &str, count: u64) -> Outcome;
}
