//! The traffic of the server: counters, and the faults and delays that tests request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use s3s::{S3Error, S3ErrorCode};

/// Counters and requested faults, shared between the server's thread and the test's.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Accepted connections.
    pub connections: AtomicU64,
    /// HTTP requests, regardless of their outcome.
    pub requests: AtomicU64,
    /// Bytes of request bodies, including framing.
    pub bytes_in: AtomicU64,
    /// Bytes of response bodies.
    pub bytes_out: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    operations: BTreeMap<String, u64>,
    faults: Vec<Fault>,
    delay: Duration,
}

#[derive(Debug)]
struct Fault {
    operation: String,
    status: u16,
    code: String,
    left: usize,
}

impl Traffic {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a correctly signed request.
    pub fn count(&self, operation: &str) {
        *self.state().operations.entry(operation.to_owned()).or_default() += 1;
    }

    /// Returns the number of correctly signed requests by operation, including those that failed
    /// with a requested fault.
    pub fn operations(&self) -> BTreeMap<String, u64> {
        self.state().operations.clone()
    }

    /// Makes the next `times` requests of `operation` fail.
    pub fn fail_next(&self, operation: &str, status: u16, code: &str, times: usize) {
        let (operation, code) = (operation.to_owned(), code.to_owned());
        self.state().faults.push(Fault { operation, status, code, left: times });
    }

    /// Returns the fault that was requested for this request, if any.
    pub fn take_fault(&self, operation: &str) -> Option<S3Error> {
        let faults = &mut self.state().faults;
        let at = faults.iter().position(|fault| fault.left > 0 && fault.operation == operation)?;
        let fault = &mut faults[at];
        fault.left -= 1;
        let code = S3ErrorCode::from_bytes(fault.code.as_bytes())?;
        let mut error = S3Error::with_message(code, "requested by a test");
        error.set_status_code(hyper::StatusCode::from_u16(fault.status).ok()?);
        Some(error)
    }

    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    pub fn delay(&self) -> Duration {
        self.state().delay
    }

    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Relaxed);
    }

    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Relaxed)
    }
}
