//! Listings that a server returns page by page.
use super::Client;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

/// The maximum number of consecutive pages without an entry. A server that skips many deleted keys
/// sends some.
const EMPTY_PAGES: u32 = 1_000;

/// The maximum time that a listing may wait for the server without receiving an entry.
const WAIT_FOR_AN_ENTRY: Duration = Duration::from_secs(10 * 60);

/// The maximum total time that a listing may wait for the server: enough for hundreds of millions
/// of keys, at a few tenths of a second per page. The caller's time between pages does not count.
const WAIT_IN_ALL: Duration = Duration::from_secs(24 * 60 * 60);

/// An iterator over the pages of a listing, returned by [`Entries::pages`](super::Entries::pages).
///
/// The iterator ends with the last page or with the first error. A server that repeats itself, that
/// reports more pages without a way to request them, or that keeps sending pages without an entry
/// causes an error, never a shorter or an endless listing.
pub struct Pages<P>(Box<dyn FnMut() -> Option<Result<P>> + Send + Sync>);

/// A page of a listing.
pub(super) trait Page {
    /// Returns the number of entries in the page.
    fn entries(&self) -> usize;
}

/// The position at which a listing continues.
enum Position<M> {
    Start,
    After(M),
    End,
}

impl<P: 'static> Pages<P> {
    /// Creates an iterator. `fetch` requests the page after a marker. `follow` finds the marker of
    /// the page after that, or returns why the listing cannot continue; `place` adds the details to
    /// that error.
    pub(super) fn new<M: Send + Sync + 'static>(
        client: &Client,
        fetch: impl Fn(Option<&M>) -> Result<P> + Send + Sync + 'static,
        mut follow: impl FnMut(&mut P, Option<&M>, &mut Seen) -> Follow<M> + Send + Sync + 'static,
        place: impl Fn(Error) -> Error + Send + Sync + 'static,
    ) -> Self
    where
        P: Page,
    {
        let (mut position, mut seen) = (Position::Start, Seen::default());
        let mut progress = Progress::new(client.clock());
        Self(Box::new(move || {
            let marker = match std::mem::replace(&mut position, Position::End) {
                Position::Start => None,
                Position::After(marker) => Some(marker),
                Position::End => return None,
            };
            let page = progress.time(|| fetch(marker.as_ref())).and_then(|mut page| {
                let entries = page.entries();
                let next = follow(&mut page, marker.as_ref(), &mut seen)
                    .map_err(|text| place(Error::new(ErrorKind::Protocol, text)))?;
                if let Some(next) = next {
                    progress.check(entries).map_err(&place)?;
                    position = Position::After(next);
                }
                Ok(page)
            });
            Some(page)
        }))
    }
}

/// The marker of the next page, `None` after the last page, or the reason why the listing cannot
/// continue.
pub(super) type Follow<M> = std::result::Result<Option<M>, &'static str>;

impl<P> Iterator for Pages<P> {
    type Item = Result<P>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.0)()
    }
}

impl<P> fmt::Debug for Pages<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// The progress of a listing, and the time that it has waited.
struct Progress {
    clock: Arc<dyn Clock>,
    empty_pages: u32,
    waited_for_an_entry: Duration,
    waited: Duration,
}

impl Progress {
    fn new(clock: &Arc<dyn Clock>) -> Self {
        let clock = Arc::clone(clock);
        Self { clock, empty_pages: 0, waited_for_an_entry: Duration::ZERO, waited: Duration::ZERO }
    }

    /// Calls `work` and adds the time that it takes.
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = self.clock.instant();
        let result = work();
        let took = self.clock.instant().saturating_duration_since(begun);
        self.waited = self.waited.saturating_add(took);
        self.waited_for_an_entry = self.waited_for_an_entry.saturating_add(took);
        result
    }

    /// Counts a page that is not the last one, and fails if the listing seems endless.
    fn check(&mut self, entries: usize) -> Result<()> {
        if entries == 0 {
            self.empty_pages = self.empty_pages.saturating_add(1);
        } else {
            (self.empty_pages, self.waited_for_an_entry) = (0, Duration::ZERO);
        }
        if self.empty_pages >= EMPTY_PAGES {
            let text = format!(
                "the server sent {EMPTY_PAGES} pages in a row without an entry, and the listing \
                 has not ended"
            );
            return Err(Error::new(ErrorKind::Protocol, text));
        }
        if self.waited_for_an_entry > WAIT_FOR_AN_ENTRY {
            let text = format!(
                "the server sent no entry of the listing in {} s",
                WAIT_FOR_AN_ENTRY.as_secs()
            );
            return Err(Error::new(ErrorKind::Timeout, text));
        }
        if self.waited > WAIT_IN_ALL {
            let text = format!("the listing did not end in {} h", WAIT_IN_ALL.as_secs() / 3600);
            return Err(Error::new(ErrorKind::Timeout, text));
        }
        Ok(())
    }
}

/// The markers and pages so far: a server that repeats one of them would never end the listing.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) markers: Repeats,
    /// The first entries of pages, because new markers may lead to the same pages again.
    pub(super) pages: Repeats,
}

/// Recognises repeated items in constant memory: those among the last [`RECENT`](Self::RECENT) at
/// once, and a longer circle before its third round ends (Brent's method: one item is kept, and
/// replaced each time the number of items has doubled). Items are compared by their hashes: two
/// different ones have equal 64 bits less often than a disk misreads.
#[derive(Default)]
pub(super) struct Repeats {
    recent: HashSet<u64>,
    order: VecDeque<u64>,
    kept: Option<u64>,
    count: u64,
}

impl Repeats {
    /// The number of recent items that are all remembered, in about 100 KiB.
    const RECENT: usize = 4096;

    /// Adds `item`, and returns whether it is new as far as is known.
    pub(super) fn insert(&mut self, item: &impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        item.hash(&mut hasher);
        let hash = hasher.finish();
        let is_new = self.kept != Some(hash) && self.recent.insert(hash);
        if !is_new {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > Self::RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        self.count = self.count.saturating_add(1);
        if self.count.is_power_of_two() {
            self.kept = Some(hash);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Config, Endpoint, Scheme};
    use crate::sign::Credentials;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Instant, SystemTime};

    /// A page with its number and its number of entries.
    struct Numbered(u32, usize);

    impl Page for Numbered {
        fn entries(&self) -> usize {
            self.1
        }
    }

    /// A clock that advances by this many seconds whenever it is read.
    #[derive(Debug)]
    struct Steps {
        begun: Instant,
        seconds: AtomicU64,
        step: u64,
    }

    impl Clock for Steps {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }
        fn instant(&self) -> Instant {
            self.begun + Duration::from_secs(self.seconds.fetch_add(self.step, Ordering::Relaxed))
        }
        fn sleep(&self, _: Duration) {}
        fn random(&self) -> u64 {
            0
        }
    }

    fn client(step: u64) -> Client {
        let clock = Steps { begun: Instant::now(), seconds: AtomicU64::new(0), step };
        let endpoint =
            Endpoint::custom("http://127.0.0.1:1", None, Scheme::Http).expect("an endpoint");
        let config = Config::new(endpoint)
            .static_credentials(Credentials::new("a", "s"))
            .clock(Arc::new(clock));
        Client::new(config).expect("a client")
    }

    /// Collects the pages 0, 1, 2, ... according to `follow`; each names the next one.
    fn collect(
        follow: impl Fn(u32, Option<&u32>) -> Follow<u32> + Send + Sync + 'static,
    ) -> String {
        let pages = Pages::new(
            &client(0),
            |marker: Option<&u32>| Ok(Numbered(marker.map_or(0, |marker| marker + 1), 1)),
            move |page, marker, _| follow(page.0, marker),
            |error| error,
        );
        let texts = pages.map(|page| {
            page.map_or_else(|error| error.message().to_owned(), |page| page.0.to_string())
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn pages_end_with_the_last_one_or_the_first_error() {
        assert_eq!(collect(|page, _| Ok((page < 3).then_some(page))), "0 1 2 3");
        assert_eq!(collect(|_, _| Ok(None)), "0");
        let failing = |page: u32, marker: Option<&u32>| {
            assert_eq!(marker.copied(), page.checked_sub(1));
            if page == 2 { Err("lost") } else { Ok(Some(page)) }
        };
        assert_eq!(collect(failing), "0 1 lost");
    }

    /// Returns how many pages of an endless listing are returned, and the error that ends it;
    /// `entries` gives the number of entries of each page.
    fn endless(
        step: u64,
        entries: impl Fn(u32) -> usize + Send + Sync + 'static,
    ) -> (usize, ErrorKind) {
        let pages = Pages::new(
            &client(step),
            move |marker: Option<&u32>| {
                let number = marker.map_or(0, |marker| marker + 1);
                Ok(Numbered(number, entries(number)))
            },
            |page, _, _| Ok(Some(page.0)),
            |error| error.with_operation("List"),
        );
        let mut whole = 0;
        for page in pages {
            match page {
                Ok(_) => whole += 1,
                Err(error) => {
                    assert_eq!(error.operation(), Some("List"));
                    return (whole, error.kind());
                }
            }
        }
        unreachable!("the listing has no end")
    }

    #[test]
    fn pages_without_entries_are_counted_and_begin_again_after_an_entry() {
        assert_eq!(endless(0, |_| 0), (999, ErrorKind::Protocol));
        assert_eq!(endless(0, |page| usize::from(page == 500)), (500 + 1000, ErrorKind::Protocol));
    }

    #[test]
    fn a_listing_has_a_deadline_of_its_own() {
        // A minute for each page.
        assert_eq!(endless(60, |_| 0), (10, ErrorKind::Timeout));
        assert_eq!(endless(60, |page| usize::from(page == 5)), (5 + 1 + 10, ErrorKind::Timeout));
        assert_eq!(endless(60, |_| 1), (24 * 60, ErrorKind::Timeout));
    }

    #[test]
    fn what_was_seen_once_is_not_new() {
        let mut seen = Repeats::default();
        assert!(seen.insert(&"a") && seen.insert(&"b") && seen.insert(&"c"));
        assert!(!seen.insert(&"a"));

        let mut seen = Repeats::default();
        assert!((0..Repeats::RECENT).all(|item| seen.insert(&item)));
        assert!(!seen.insert(&0_usize), "the oldest of the recent items");
    }

    #[test]
    fn circles_of_any_length_are_recognized_in_constant_memory() {
        for (before, circle) in
            [(0, 1), (3, 2), (0, 4096), (0, 4097), (10, 10_000), (30_000, 5_000), (7, 100_000)]
        {
            let mut seen = Repeats::default();
            let item =
                |step: u64| if step < before { step } else { before + (step - before) % circle };
            let end = (0..).find(|step| !seen.insert(&item(*step))).expect("a repeat");
            assert!(end >= before + circle, "{before} {circle} {end}");
            assert!(end <= 2 * (before.max(circle) + 1) + circle, "{before} {circle} {end}");
            assert!(
                seen.recent.len() <= Repeats::RECENT + 1 && seen.order.len() <= Repeats::RECENT
            );
        }
    }
}
