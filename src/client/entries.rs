//! Iterates over listings, entry by entry.
use super::pages::Pages;
use crate::error::Result;
use std::fmt;

/// An iterator over the entries of a listing, returned by the listing methods of
/// [`Client`](super::Client).
///
/// The iterator requests a page when it needs one, and ends with the last entry or with the first
/// error. [`Entries::pages`] returns the pages instead, with the common prefixes of a listing that
/// has a delimiter.
pub struct Entries<P, T> {
    pages: Pages<P>,
    entries_of: fn(P) -> Vec<T>,
    page: std::vec::IntoIter<T>,
}

impl<P, T> Entries<P, T> {
    pub(super) fn new(pages: Pages<P>, entries_of: fn(P) -> Vec<T>) -> Self {
        Self { pages, entries_of, page: Vec::new().into_iter() }
    }

    /// Returns the pages, from the first one that this iterator has not requested.
    pub fn pages(self) -> Pages<P> {
        self.pages
    }
}

impl<P, T> Iterator for Entries<P, T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(Ok(entry));
            }
            match self.pages.next()? {
                Ok(page) => self.page = (self.entries_of)(page).into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl<P, T> fmt::Debug for Entries<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").finish_non_exhaustive()
    }
}
