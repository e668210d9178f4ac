//! Keeps the IP ranges up to date in a background thread that ends when its owner is dropped.
use super::fetch::Fetch;
use super::options::IpFilter;
use super::ranges::IpRanges;
use crate::error::{Error, ErrorKind, Result, catch_panic};
use crate::sync;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The maximum size of the document. The published one has about two megabytes. Four times that
/// size leaves room for years of growth, and limits the cost of a wrong URL.
const MAX_DOCUMENT_BYTES: usize = 8 * 1024 * 1024;
/// The maximum delay before the first retry of a failed fetch. Without it, the next attempt would
/// be a whole interval later, which may be half a day. It doubles with each further failure, up to
/// the interval, because a wrong option fails each time after a download of megabytes.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// The name of the caller's code in errors about a panic.
const FETCHER: &str = "the fetcher of IP ranges";

/// A thread that fetches the ranges immediately and then once per `interval`, until it is dropped.
/// The ranges of the last valid document remain in use.
#[derive(Debug)]
pub(super) struct Refresher {
    shared: Arc<SharedRanges>,
    fetch: Arc<dyn Fetch>,
    thread: Option<JoinHandle<()>>,
}

impl Refresher {
    pub(super) fn start(
        fetch: Arc<dyn Fetch>,
        url: String,
        filter: IpFilter,
        interval: Duration,
    ) -> Result<Self> {
        let shared = Arc::<SharedRanges>::default();
        let thread = Builder::new()
            .name("s3driver-ip-ranges".to_owned())
            .spawn({
                let (shared, fetch) = (Arc::clone(&shared), Arc::clone(&fetch));
                move || run(&shared, &*fetch, &url, &filter, interval)
            })
            .map_err(|e| {
                Error::new(
                    ErrorKind::Configuration,
                    "the thread that fetches the IP ranges could not be started",
                )
                .with_source(e)
            })?;
        Ok(Self { shared, fetch, thread: Some(thread) })
    }

    /// Reports whether the address is in one of the ranges. Returns `false` until a document has
    /// been fetched.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.ranges().is_some_and(|ranges| ranges.contains(address))
    }

    pub(super) fn ranges(&self) -> Option<Arc<IpRanges>> {
        self.shared.lock().ranges.clone()
    }

    pub(super) fn last_error(&self) -> Option<Arc<Error>> {
        self.shared.lock().last_error.clone()
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.stopped.notify_all();
        // A panic of the fetcher cannot be handled here.
        drop(catch_panic(FETCHER, || {
            self.fetch.cancel();
            Ok(())
        }));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[derive(Debug, Default)]
struct SharedRanges {
    state: Mutex<Latest>,
    stopped: Condvar,
}

impl SharedRanges {
    /// Locks the state. Every change under the lock is a single assignment, so a panic cannot leave
    /// the state inconsistent.
    fn lock(&self) -> MutexGuard<'_, Latest> {
        sync::lock(&self.state)
    }
}

#[derive(Debug, Default)]
struct Latest {
    stop: bool,
    ranges: Option<Arc<IpRanges>>,
    last_error: Option<Arc<Error>>,
}

fn run(shared: &SharedRanges, fetch: &dyn Fetch, url: &str, filter: &IpFilter, interval: Duration) {
    let mut retry = RETRY_AFTER;
    loop {
        if shared.lock().stop {
            return;
        }

        let fetched = catch_panic(FETCHER, || fetch_ranges(fetch, url, filter));
        if let Err(error) = &fetched
            && !shared.lock().stop
        {
            // A panic of the fetcher does not end the updates.
            drop(catch_panic(FETCHER, || {
                fetch.report(error);
                Ok(())
            }));
        }
        let mut state = shared.lock();
        let wait = match fetched {
            Ok(ranges) => {
                (state.ranges, state.last_error) = (Some(Arc::new(ranges)), None);
                retry = RETRY_AFTER;
                interval
            }
            Err(error) => {
                state.last_error = Some(Arc::new(error));
                let wait = interval.min(retry);
                retry = retry.saturating_mul(2);
                wait
            }
        };

        let waited = shared.stopped.wait_timeout_while(state, wait, |state| !state.stop);
        drop(waited);
    }
}

/// Fetches and parses the document once.
pub(super) fn fetch_ranges(fetch: &dyn Fetch, url: &str, filter: &IpFilter) -> Result<IpRanges> {
    IpRanges::parse(&fetch.get(url, MAX_DOCUMENT_BYTES)?, filter)
}
