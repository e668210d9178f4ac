//! Listings that a server hands out page by page.
use crate::error::Result;
use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// An iterator over the pages of a listing, which [`Client::listing`](super::Client::listing),
/// [`Client::parts`](super::Client::parts) and [`Client::uploads`](super::Client::uploads) return.
///
/// It ends with the last page or with the first error. A server that repeats itself, or reports that there is more
/// without a way to ask for it, causes an error and never a shorter or an endless listing.
pub struct Pages<P>(Box<dyn FnMut() -> Option<Result<P>> + Send + Sync>);

/// Where a listing goes on.
enum Position<M> {
    Start,
    After(M),
    End,
}

impl<P: 'static> Pages<P> {
    /// `fetch` requests the page after a marker, and `follow` finds the marker of the page after that.
    pub(super) fn new<M: Send + Sync + 'static>(
        fetch: impl Fn(Option<&M>) -> Result<P> + Send + Sync + 'static,
        follow: impl Fn(&P, Option<&M>, &mut Seen) -> Result<Option<M>> + Send + Sync + 'static,
    ) -> Self {
        let (mut position, mut seen) = (Position::Start, Seen::default());
        Self(Box::new(move || {
            let marker = match std::mem::replace(&mut position, Position::End) {
                Position::Start => None,
                Position::After(marker) => Some(marker),
                Position::End => return None,
            };
            let page = fetch(marker.as_ref()).and_then(|page| {
                if let Some(next) = follow(&page, marker.as_ref(), &mut seen)? {
                    position = Position::After(next);
                }
                Ok(page)
            });
            Some(page)
        }))
    }
}

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

/// What a listing has contained so far, as hashes: two different markers have the same 64 bits less often than a disk
/// misreads.
#[derive(Default)]
pub(super) struct Seen(HashSet<u64>);

impl Seen {
    /// Adds `item`; returns whether it is new.
    pub(super) fn insert(&mut self, item: &impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        item.hash(&mut hasher);
        self.0.insert(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    /// Collects what `follow` makes of the pages 0, 1, 2, ...; each names the one after it.
    fn collect(
        follow: impl Fn(&u32, Option<&u32>, &mut Seen) -> Result<Option<u32>> + Send + Sync + 'static,
    ) -> String {
        let pages = Pages::new(|marker: Option<&u32>| Ok(marker.map_or(0, |marker| marker + 1)), follow);
        let texts = pages.map(|page| page.map_or_else(|error| error.message().to_owned(), |page| page.to_string()));
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn pages_end_with_the_last_one_or_the_first_error() {
        assert_eq!(collect(|page, _, _| Ok((*page < 3).then_some(*page))), "0 1 2 3");
        assert_eq!(collect(|_, _, _| Ok(None)), "0");
        let failing = |page: &u32, marker: Option<&u32>, _: &mut Seen| {
            assert_eq!(marker.copied(), page.checked_sub(1));
            if *page == 2 { Err(Error::new(ErrorKind::Protocol, "lost")) } else { Ok(Some(*page)) }
        };
        assert_eq!(collect(failing), "0 1 lost");
    }

    #[test]
    fn what_was_seen_once_is_not_new() {
        let mut seen = Seen::default();
        assert!(seen.insert(&("token", "a")) && seen.insert(&("key", "a")) && seen.insert(&("token", "b")));
        assert!(!seen.insert(&("token", "a")));
    }
}
