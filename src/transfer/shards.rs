//! A listing by several requests at once, in order.
//!
//! One listing is a chain: where a page begins is told by the page before. But what lies below two prefixes can be
//! listed at once, and comes in the order of the prefixes. So a listing that does not end with its first page is split
//! at the directories right below, where there are few and large ones, and these again; each directory is a shard.
//! Nothing is assumed of the order of keys but that what lies below a prefix is listed in one run.
use super::Transfer;
use crate::client::{self, Client, ListObjects};
use crate::error::{Error, ErrorKind, Result};
use crate::sync;
use crate::xml::{ListBucketResult, Object};
use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard};

/// What separates a key's directories.
const DELIMITER: char = '/';

/// A page with more directories than these is not split: each would cost a request of its own, for ever fewer keys.
const DIRECTORIES_PER_PAGE: usize = 4;

/// A directory with more directories than these is not split either; the first page may not have been like the others.
const MOST_SHARDS: usize = 512;

/// Directories with nothing in them but one more that are passed through in search of a place to split.
const DEPTH: usize = 32;

/// How often a directory is split again: a registry's layout needs four levels, and a server may invent new ones for ever.
const SPLITS: u32 = 8;

/// Shards of one listing. What is not split is listed page after page.
const SHARDS: u64 = 4096;

/// Keys that splitting has brought along and that wait to be visited. With more, nothing is split.
const KNOWN_KEYS: usize = 10_000;

/// Pages of one shard that wait for those before it: with a thousand keys of a kilobyte each, 2 MiB or so.
const PAGES_AHEAD: usize = 2;

/// Shards begun for each request at once, so that the one that is waited for does not stop the others.
const SHARDS_PER_THREAD: usize = 2;

impl Transfer<'_> {
    /// Lists everything below `prefix` and shows it to `visit` page by page, in the server's order, until that breaks.
    /// Up to as many requests are made at once as this transfer has parts; what is in memory is at most four pages for
    /// each, and some ten thousand keys that were found while splitting.
    ///
    /// It takes more requests than one listing after the other: in the worst case one for each directory of up to 512,
    /// where the first thousand keys lie in at most four.
    ///
    /// # Errors
    /// The first in order, of a request or of `visit`.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        visit: &mut dyn FnMut(Vec<Object>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        list_in_shards(&self.client, bucket, prefix, self.concurrency, visit)
    }
}

/// As [`Transfer::list`].
pub(crate) fn list_in_shards(
    client: &Client,
    bucket: &str,
    prefix: &str,
    most: NonZeroUsize,
    visit: &mut dyn FnMut(Vec<Object>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let (client, cancel) = client.with_child_cancel();
    let mut shards = Shards {
        client,
        bucket,
        most: most.get(),
        state: Mutex::default(),
        arrived: Condvar::new(),
        room: Condvar::new(),
    };
    // Most listings have one page: no thread is started before there is something to split.
    match shards.look(prefix, 0)? {
        Look::Pages(first, more) => {
            for page in std::iter::once(Ok(*first)).chain(more) {
                if visit(page?.contents)?.is_break() {
                    break;
                }
            }
            return Ok(());
        }
        Look::Split(entries) => shards.begin(entries),
    }
    let shards = &shards;
    std::thread::scope(|scope| {
        let _end = EndThreads { shards, cancel };
        let threads = (0..most.get())
            .map_while(|_| {
                let thread = std::thread::Builder::new().name("s3driver-list".to_owned());
                thread.spawn_scoped(scope, || shards.work()).ok()
            })
            .count();
        if threads == 0 {
            return Err(Error::new(ErrorKind::LocalIo, "no thread could be started to list"));
        }
        while let Some(page) = shards.next_page()? {
            if visit(page)?.is_break() {
                break;
            }
        }
        Ok(())
    })
}

/// What all threads of a listing share.
struct Shards<'a> {
    client: Client,
    bucket: &'a str,
    most: usize,
    state: Mutex<ShardQueue>,
    /// A page has come, or the end of a shard.
    arrived: Condvar,
    /// There is something to list, or room for a page, or nothing more to do.
    room: Condvar,
}

#[derive(Default)]
struct ShardQueue {
    /// In order; the first one is being visited.
    shards: VecDeque<Shard>,
    /// Shards made so far.
    made: u64,
    /// Keys of shards that were known when these were made.
    known: usize,
    ended: bool,
}

struct Shard {
    number: u64,
    /// How many splits lead to it.
    depth: u32,
    /// The prefix to list, until a thread takes it.
    prefix: Option<String>,
    origin: Origin,
    pages: VecDeque<Vec<Object>>,
    outcome: Option<Result<()>>,
}

/// Where the keys of a shard come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Listing,
    /// The split that made the shard brought them along.
    Split,
}

/// What was found below a prefix.
enum Look {
    /// The first page, and the further ones: not worth splitting.
    Pages(Box<ListBucketResult>, client::Pages<ListBucketResult>),
    Split(Vec<Shard>),
}

impl Shard {
    fn below(prefix: String) -> Self {
        let (pages, outcome) = (VecDeque::new(), None);
        Self { number: 0, depth: 0, prefix: Some(prefix), origin: Origin::Listing, pages, outcome }
    }
    /// Keys that are known already.
    fn known(keys: Vec<Object>) -> Self {
        let (pages, outcome) = (VecDeque::from([keys]), Some(Ok(())));
        Self { number: 0, depth: 0, prefix: None, origin: Origin::Split, pages, outcome }
    }
}

impl Shards<'_> {
    fn begin(&mut self, shards: Vec<Shard>) {
        self.lock().replace(0..0, shards, 1);
    }

    fn lock(&self) -> MutexGuard<'_, ShardQueue> {
        sync::lock(&self.state)
    }

    /// The next page in order, `None` at the end.
    fn next_page(&self) -> Result<Option<Vec<Object>>> {
        let mut state = self.lock();
        loop {
            let Some(first) = state.shards.front_mut() else { return Ok(None) };
            if let Some(page) = first.pages.pop_front() {
                if first.origin == Origin::Split {
                    state.known = state.known.saturating_sub(page.len());
                }
                self.room.notify_all();
                return Ok(Some(page));
            }
            match first.outcome.take() {
                Some(outcome) => {
                    outcome?;
                    state.shards.pop_front();
                    self.room.notify_all();
                }
                // Each request has its own limits of time, so this ends.
                None => state = sync::wait(&self.arrived, state),
            }
        }
    }

    /// One thread's life.
    fn work(&self) {
        while let Some((number, depth, prefix)) = self.take() {
            let panicked = Error::new(ErrorKind::LocalIo, "a thread that lists has panicked");
            let mut listing = ShardListing { shards: self, number, outcome: Some(Err(panicked)) };
            listing.outcome = self.list(number, depth, &prefix).transpose();
        }
    }

    /// The next shard to list, once there is one that is near enough.
    fn take(&self) -> Option<(u64, u32, String)> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            let mut near = state.shards.iter_mut().take(self.most * SHARDS_PER_THREAD);
            if let Some(found) =
                near.find_map(|shard| Some((shard.number, shard.depth, shard.prefix.take()?)))
            {
                return Some(found);
            }
            // What is being looked at may be split, so the end comes with the last shard.
            if state.shards.iter().all(|shard| shard.outcome.is_some()) {
                return None;
            }
            state = sync::wait(&self.room, state);
        }
    }

    /// Lists a shard; `None` when others took its place.
    fn list(&self, number: u64, depth: u32, prefix: &str) -> Result<Option<()>> {
        match self.look(prefix, depth)? {
            Look::Split(shards) => {
                let mut state = self.lock();
                if let Some(at) = state.shards.iter().position(|shard| shard.number == number) {
                    state.replace(at..at + 1, shards, depth + 1);
                }
                Ok(None)
            }
            Look::Pages(first, more) => {
                for page in std::iter::once(Ok(*first)).chain(more) {
                    if self.put(number, page?.contents).is_break() {
                        break;
                    }
                }
                Ok(Some(()))
            }
        }
    }

    /// Adds a page to a shard, once there is room for it.
    fn put(&self, number: u64, page: Vec<Object>) -> ControlFlow<()> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return ControlFlow::Break(());
            }
            let Some(shard) = state.shards.iter_mut().find(|shard| shard.number == number) else {
                return ControlFlow::Break(());
            };
            if shard.pages.len() < PAGES_AHEAD {
                shard.pages.push_back(page);
                self.arrived.notify_one();
                return ControlFlow::Continue(());
            }
            state = sync::wait(&self.room, state);
        }
    }

    /// Asks for the first page, and for the directories if that is worth it.
    fn look(&self, prefix: &str, depth: u32) -> Result<Look> {
        let mut pages = self.client.objects(self.bucket, ListObjects::prefix(prefix)).pages();
        let first = pages.next().transpose()?.unwrap_or_default();
        if !first.is_followed()
            || !is_worth_splitting(prefix, &first)
            || !self.lock().may_split(depth)
        {
            return Ok(Look::Pages(Box::new(first), pages));
        }
        let mut below = prefix.to_owned();
        for _ in 0..DEPTH {
            let request = ListObjects::prefix(&*below).delimiter(DELIMITER.to_string());
            let level = self.client.first_page(self.bucket, &request)?;
            let mut different = HashSet::new();
            let sound = level
                .common_prefixes
                .iter()
                .all(|prefix| *prefix != below && different.insert(prefix));
            if level.is_followed() || level.common_prefixes.len() > MOST_SHARDS || !sound {
                break;
            }
            match (&*level.common_prefixes, &*level.contents) {
                ([], _) => break,
                ([only], []) => below.clone_from(only),
                _ => return Ok(Look::Split(entries(level))),
            }
        }
        Ok(Look::Pages(Box::new(first), pages))
    }
}

impl ShardQueue {
    /// Puts shards in the place of others.
    fn replace(&mut self, range: std::ops::Range<usize>, shards: Vec<Shard>, depth: u32) {
        let behind = self.shards.split_off(range.end);
        self.shards.truncate(range.start);
        for shard in shards {
            self.known = self
                .known
                .saturating_add(shard.pages.iter().map(Vec::len).fold(0, usize::saturating_add));
            self.shards.push_back(Shard { number: self.made, depth, ..shard });
            self.made += 1;
        }
        self.shards.extend(behind);
    }

    /// Returns whether one more directory may be split, which `depth` splits lead to.
    fn may_split(&self, depth: u32) -> bool {
        depth < SPLITS && self.made < SHARDS && self.known < KNOWN_KEYS
    }
}

/// The shards of one level: its files and its directories, in the order of a listing.
fn entries(level: ListBucketResult) -> Vec<Shard> {
    let mut shards = Vec::new();
    let mut files = level.contents.into_iter().peekable();
    for prefix in level.common_prefixes {
        let mut before = Vec::new();
        while let Some(file) = files.next_if(|file| file.key < prefix) {
            before.push(file);
        }
        if !before.is_empty() {
            shards.push(Shard::known(before));
        }
        shards.push(Shard::below(prefix));
    }
    let behind: Vec<Object> = files.collect();
    if !behind.is_empty() {
        shards.push(Shard::known(behind));
    }
    shards
}

/// Whether the keys of the first page lie in directories, and in few of them.
fn is_worth_splitting(prefix: &str, page: &ListBucketResult) -> bool {
    let directory = |object: &'_ Object| -> Option<usize> {
        let at = object.key.strip_prefix(prefix)?.find(DELIMITER)?;
        Some(prefix.len() + at)
    };
    let directories: HashSet<&str> =
        page.contents.iter().filter_map(|object| object.key.get(..directory(object)?)).collect();
    (1..=DIRECTORIES_PER_PAGE).contains(&directories.len())
}

/// A shard being listed; however its thread leaves it, the visitor is told.
struct ShardListing<'a> {
    shards: &'a Shards<'a>,
    number: u64,
    /// `None` when others took its place.
    outcome: Option<Result<()>>,
}

impl Drop for ShardListing<'_> {
    fn drop(&mut self) {
        let mut state = self.shards.lock();
        if let Some(outcome) = self.outcome.take()
            && let Some(shard) = state.shards.iter_mut().find(|shard| shard.number == self.number)
        {
            shard.outcome = Some(outcome);
        }
        drop(state);
        self.shards.arrived.notify_one();
        self.shards.room.notify_all();
    }
}

/// Ends the threads, also when the visitor has had enough or panics.
struct EndThreads<'a> {
    shards: &'a Shards<'a>,
    cancel: crate::Cancel,
}

impl Drop for EndThreads<'_> {
    fn drop(&mut self) {
        self.shards.lock().ended = true;
        self.cancel.cancel();
        self.shards.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str) -> Object {
        Object {
            key: key.to_owned(),
            size: 1,
            last_modified: None,
            etag: None,
            storage_class: None,
        }
    }

    #[test]
    fn splitting_ends() {
        let queue = |made, known| ShardQueue { made, known, ..ShardQueue::default() };
        assert!(queue(SHARDS - 1, KNOWN_KEYS - 1).may_split(SPLITS - 1));
        assert!(!queue(0, 0).may_split(SPLITS), "too deep");
        assert!(!queue(SHARDS, 0).may_split(0), "too many shards");
        assert!(!queue(0, KNOWN_KEYS).may_split(0), "too many keys that wait");
    }

    #[test]
    fn shards_take_the_place_of_the_one_that_was_split() {
        let mut queue = ShardQueue::default();
        queue.replace(0..0, vec![Shard::below("a/".to_owned()), Shard::below("b/".to_owned())], 1);
        let files = vec![object("a/0"), object("a/1")];
        queue.replace(0..1, vec![Shard::known(files), Shard::below("a/x/".to_owned())], 2);
        let shards: Vec<_> =
            queue.shards.iter().map(|s| (s.number, s.depth, s.prefix.as_deref())).collect();
        assert_eq!(shards, [(2, 2, None), (3, 2, Some("a/x/")), (1, 1, Some("b/"))]);
        assert_eq!((queue.made, queue.known), (4, 2));
    }

    #[test]
    fn files_and_directories_of_a_level_keep_their_order() {
        let level = ListBucketResult {
            contents: ["d/a", "d/b", "d/m", "d/z"].map(object).into(),
            common_prefixes: ["d/c/", "d/n/"].map(str::to_owned).into(),
            ..ListBucketResult::default()
        };
        let shown = entries(level).into_iter().map(|shard| match shard.prefix {
            Some(prefix) => prefix,
            None => shard
                .pages
                .iter()
                .flatten()
                .map(|object| object.key.as_str())
                .collect::<Vec<_>>()
                .join(" "),
        });
        assert_eq!(shown.collect::<Vec<_>>(), ["d/a d/b", "d/c/", "d/m", "d/n/", "d/z"]);
    }
}
