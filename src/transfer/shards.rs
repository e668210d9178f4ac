//! An ordered listing with several concurrent requests.
//!
//! A listing is a chain: each page states where the next one begins. The keys below two prefixes,
//! however, can be listed at the same time, and are in the order of the prefixes. A listing that
//! does not end with its first page is therefore split at the directories directly below, if they
//! are few and large, and these may be split again; each directory is a shard. The only assumption
//! about the order of keys is that those below a prefix are listed consecutively. The listing of a
//! directory bucket, which has no order, is never split.
use super::Transfer;
use crate::client::{self, BucketKind, Client, ListObjects};
use crate::error::{Error, ErrorKind, Result};
use crate::sync;
use crate::xml::{ListBucketResult, Object};
use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard};

/// The separator of the directories in a key.
const DELIMITER: char = '/';

/// The maximum number of directories in a page that is split. Each directory would cost a separate
/// request, and more directories mean fewer keys for each.
const DIRECTORIES_PER_PAGE: usize = 4;

/// The maximum number of directories in a directory that is split, because its first page may not
/// have been representative.
const MOST_SHARDS: usize = 512;

/// The maximum number of levels that are descended, through directories that only contain one other
/// directory, in search of a place to split.
const DEPTH: usize = 32;

/// The maximum depth of repeated splits: a registry's layout needs four levels, and a server could
/// make up new ones forever.
const SPLITS: u32 = 8;

/// The maximum number of shards of one listing. Directories that are not split are listed page by
/// page.
const SHARDS: u64 = 4096;

/// The maximum number of keys that were found while splitting and wait to be visited. Beyond it,
/// nothing is split.
const KNOWN_KEYS: usize = 10_000;

/// The maximum number of pages of one shard that wait for earlier ones: with a thousand keys of a
/// kilobyte each, about 2 MiB.
const PAGES_AHEAD: usize = 2;

/// The number of shards begun for each concurrent request, so that waiting for one does not stop
/// the others.
const SHARDS_PER_THREAD: usize = 2;

impl Transfer<'_> {
    /// Lists everything below `prefix` and calls `visit` for each page, in the server's order,
    /// until `visit` breaks. The number of concurrent requests is limited to this transfer's number
    /// of parts. Memory holds at most four pages for each of them, and about ten thousand keys that
    /// were found while splitting.
    ///
    /// This takes more requests than a sequential listing: in the worst case one for each of up to
    /// 512 directories, if the first thousand keys are in at most four of them.
    ///
    /// # Errors
    /// The first error in order, of a request or of `visit`.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        visit: &mut dyn FnMut(Vec<Object>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        list_in_shards(&self.client, bucket, prefix, self.concurrency, visit)
    }
}

/// Lists like [`Transfer::list`], with up to `most` concurrent requests.
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
    // Most listings have one page, so no thread is started before there is something to split.
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

/// The state shared by all threads of a listing.
struct Shards<'a> {
    client: Client,
    bucket: &'a str,
    most: usize,
    state: Mutex<ShardQueue>,
    /// Signals that a page or the end of a shard has arrived.
    arrived: Condvar,
    /// Signals that there is something to list, space for a page, or nothing more to do.
    room: Condvar,
}

#[derive(Default)]
struct ShardQueue {
    /// The shards in order; the first one is being visited.
    shards: VecDeque<Shard>,
    /// The number of shards created so far.
    made: u64,
    /// The number of keys that were already known when their shards were created.
    known: usize,
    ended: bool,
}

struct Shard {
    number: u64,
    /// The number of splits that led to this shard.
    depth: u32,
    /// The prefix to list, until a thread takes it.
    prefix: Option<String>,
    origin: Origin,
    pages: VecDeque<Vec<Object>>,
    outcome: Option<Result<()>>,
}

/// The source of a shard's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Listing,
    /// The keys were found by the split that created the shard.
    Split,
}

/// The result of examining a prefix.
enum Look {
    /// The first page and the iterator over the further ones: splitting is not worthwhile.
    Pages(Box<ListBucketResult>, client::Pages<ListBucketResult>),
    Split(Vec<Shard>),
}

impl Shard {
    fn below(prefix: String) -> Self {
        let (pages, outcome) = (VecDeque::new(), None);
        Self { number: 0, depth: 0, prefix: Some(prefix), origin: Origin::Listing, pages, outcome }
    }
    /// Creates a shard of keys that are already known.
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

    /// Returns the next page in order, or `None` at the end.
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
                // Each request has its own time limits, so this ends.
                None => state = sync::wait(&self.arrived, state),
            }
        }
    }

    /// Runs one thread.
    fn work(&self) {
        while let Some((number, depth, prefix)) = self.take() {
            let panicked = Error::new(ErrorKind::LocalIo, "a thread that lists has panicked");
            let mut listing = ShardListing { shards: self, number, outcome: Some(Err(panicked)) };
            listing.outcome = self.list(number, depth, &prefix).transpose();
        }
    }

    /// Returns the next shard to list, once one is close enough to the visited one.
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
            // A shard that is being examined may be split, so the work only ends with the last
            // shard.
            if state.shards.iter().all(|shard| shard.outcome.is_some()) {
                return None;
            }
            state = sync::wait(&self.room, state);
        }
    }

    /// Lists a shard. Returns `None` if others replaced it.
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

    /// Adds a page to a shard, once there is space for it.
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

    /// Requests the first page of `prefix`, and also its directories if splitting is worthwhile.
    fn look(&self, prefix: &str, depth: u32) -> Result<Look> {
        let mut pages = self.client.objects(self.bucket, ListObjects::prefix(prefix)).pages();
        let first = pages.next().transpose()?.unwrap_or_default();
        if !first.is_followed()
            || !BucketKind::of(self.bucket)?.lists_in_order()
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
    /// Replaces a shard with others.
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

    /// Returns whether another directory may be split, at a depth of `depth` splits.
    fn may_split(&self, depth: u32) -> bool {
        depth < SPLITS && self.made < SHARDS && self.known < KNOWN_KEYS
    }
}

/// Returns the shards of one level: its files and its directories, in the order of a listing.
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

/// Returns whether the keys of the first page are in directories, and only in a few of them.
fn is_worth_splitting(prefix: &str, page: &ListBucketResult) -> bool {
    let directory = |object: &'_ Object| -> Option<usize> {
        let at = object.key.strip_prefix(prefix)?.find(DELIMITER)?;
        Some(prefix.len() + at)
    };
    let directories: HashSet<&str> =
        page.contents.iter().filter_map(|object| object.key.get(..directory(object)?)).collect();
    (1..=DIRECTORIES_PER_PAGE).contains(&directories.len())
}

/// A shard that is being listed. The visitor is notified however its thread ends.
struct ShardListing<'a> {
    shards: &'a Shards<'a>,
    number: u64,
    /// `None` if others replaced it.
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

/// A guard that ends the threads when it is dropped, also if the visitor stops early or panics.
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
