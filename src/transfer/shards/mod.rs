//! A listing with several concurrent requests.
//!
//! A listing is a chain: each page states where the next one begins. The keys below two prefixes,
//! however, can be listed at the same time, and are in the order of the prefixes. A thread that
//! lists a directory therefore hands over what comes later in it, as far as the pages so far show
//! that there is enough of it (see [`plan`]). A thread that has received a part may divide it
//! again. Each part is a shard.
//!
//! The only assumption about the order of keys is that those below a prefix are listed
//! consecutively, and that the members of a directory that is divided are in the order of their
//! bytes, which is checked. The listing of a directory bucket, which has no order, is never split.
mod plan;

use super::{Transfer, parallel};
use crate::client::{BucketKind, Client, ListObjects, Pages};
use crate::error::{Error, ErrorKind, Result, catch_panic};
use crate::sync;
use crate::xml::{ListBucketResult, Object};
use plan::{DELIMITER, Group, KeyOrder, Level};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard};

/// The maximum number of times that a listing asks for the members of directories. A registry's
/// layout needs a few, and a server could make up new directories forever.
const EXAMINATIONS: u32 = 256;

/// The maximum number of shards of one listing. Beyond it, nothing is handed over.
const SHARDS: u64 = 4096;

/// The maximum number of pages that wait for earlier ones, for each concurrent request: with a
/// thousand keys of a hundred bytes each, about 2 MiB.
const PAGES_AHEAD: usize = 8;

/// The maximum number of pages of the shard that is being visited that wait for the visitor.
const PAGES_AT_THE_FRONT: usize = 2;

/// The number of shards begun for each concurrent request, so that waiting for one does not stop
/// the others.
const SHARDS_PER_THREAD: usize = 2;

impl Transfer<'_> {
    /// Lists everything below `prefix` and calls `visit` for each page, in the server's order,
    /// until `visit` breaks. The number of concurrent requests is limited to this transfer's number
    /// of parts, and to 128. Memory holds at most ten pages for each of them.
    ///
    /// This takes more requests than a sequential listing: one for the members of each directory
    /// that is divided, and half a page for each of its parts. Directories that are expected to fit
    /// on a page are listed together.
    ///
    /// # Errors
    /// The first error in order, of a request or of `visit`.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        visit: &mut dyn FnMut(Vec<Object>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        list_in_shards(&self.client, (bucket, prefix), self.concurrency, PageOrder::Server, visit)
    }
}

/// The order in which pages are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageOrder {
    /// The server's order of keys.
    Server,
    /// The order in which the pages arrive, so that none of them waits for an earlier one.
    Arrival,
}

/// Lists a prefix of a bucket like [`Transfer::list`], with up to `most` concurrent requests.
pub(crate) fn list_in_shards(
    client: &Client,
    (bucket, prefix): (&str, &str),
    most: NonZeroUsize,
    order: PageOrder,
    visit: &mut dyn FnMut(Vec<Object>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let most = parallel::bounded(most);
    let (client, cancel) = client.with_child_cancel();
    let shards = Shards {
        client,
        bucket,
        threads: most,
        order,
        state: Mutex::default(),
        arrived: Condvar::new(),
        room: Condvar::new(),
    };
    // Most listings have one page, so no thread is started before there is something to hand over.
    let mut pages = shards.client.objects(bucket, ListObjects::prefix(prefix)).pages();
    let first = pages.next().transpose()?.unwrap_or_default();
    let mut course = Course::new(prefix, Vec::new(), None);
    let groups = shards.groups_after(&first, &mut course)?;
    if groups.is_empty() {
        for page in std::iter::once(Ok(first)).chain(pages) {
            if visit(page?.contents)?.is_break() {
                break;
            }
        }
        return Ok(());
    }
    shards.begin(Begun { first, pages, course }, groups);
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
    threads: NonZeroUsize,
    order: PageOrder,
    state: Mutex<ShardQueue>,
    /// Signals that a page or the end of a shard has arrived.
    arrived: Condvar,
    /// Signals that there is something to list, space for a page, or nothing more to do.
    room: Condvar,
}

#[derive(Default)]
struct ShardQueue {
    /// The shards in the server's order; in this order, the first one is being visited.
    shards: VecDeque<Shard>,
    /// The number of shards created so far.
    made: u64,
    /// The number of pages in the shards.
    waiting: usize,
    /// How often members were asked for.
    examined: u32,
    ended: bool,
}

struct Shard {
    number: u64,
    /// The work, until a thread takes it.
    work: Option<Work>,
    pages: VecDeque<Vec<Object>>,
    outcome: Option<Result<()>>,
}

/// A shard that no thread has taken.
enum Work {
    Begun(Box<Begun>),
    Group(Group),
}

/// A listing whose first page has arrived.
struct Begun {
    first: ListBucketResult,
    pages: Pages<ListBucketResult>,
    course: Course,
}

/// The position of a thread in the directories that it lists.
struct Course {
    /// The directory, or the prefix of the whole listing.
    directory: String,
    /// The directories whose members are known, outermost first.
    levels: Vec<Level>,
    /// A directory whose members could not be found out.
    unclear: Option<String>,
    /// The first key that another thread lists.
    end: Option<String>,
}

impl Course {
    fn new(directory: &str, levels: Vec<Level>, end: Option<String>) -> Self {
        Self { directory: directory.to_owned(), levels, unclear: None, end }
    }

    /// Removes the keys that another thread lists. Returns whether there were any, or may be on the
    /// pages that follow.
    fn cut(&self, page: &mut Vec<Object>) -> bool {
        let Some(end) = &self.end else { return false };
        let own = page.iter().take_while(|object| object.key < *end).count();
        let is_complete = own < page.len();
        page.truncate(own);
        is_complete
    }

    /// Returns the directory whose members would have to be known to divide what follows `page`.
    fn unknown_directory(&mut self, page: &[Object]) -> Option<String> {
        let (first, last) = (&page.first()?.key, &page.last()?.key);
        while self.levels.len() > 1 && self.levels.last().is_some_and(|level| !level.contains(last))
        {
            self.levels.pop();
        }
        let directory = match self.levels.last() {
            None => Some(&*self.directory),
            Some(level) => level.directory_of(last).filter(|inner| first.starts_with(inner)),
        };
        directory.filter(|found| self.unclear.as_deref() != Some(found)).map(str::to_owned)
    }
}

impl Shards<'_> {
    fn begin(&self, begun: Begun, groups: Vec<Group>) {
        let mut state = self.lock();
        state.insert(0, [Work::Begun(Box::new(begun))]);
        state.insert(1, groups.into_iter().map(Work::Group));
    }

    fn lock(&self) -> MutexGuard<'_, ShardQueue> {
        sync::lock(&self.state)
    }

    /// Returns the next page to visit, or `None` at the end.
    fn next_page(&self) -> Result<Option<Vec<Object>>> {
        let visited = match self.order {
            PageOrder::Server => 1,
            PageOrder::Arrival => usize::MAX,
        };
        let mut state = self.lock();
        while !state.shards.is_empty() {
            let is_over = |shard: &Shard| match (&shard.outcome, self.order) {
                // Pages are visited in order until the one that is missing, or not at all.
                (Some(Err(_)), PageOrder::Arrival) => true,
                (outcome, _) => outcome.is_some() && shard.pages.is_empty(),
            };
            let over = state.shards.iter().take(visited).position(is_over);
            if let Some(outcome) = over.and_then(|at| state.shards.remove(at)?.outcome) {
                outcome?;
                self.room.notify_all();
                continue;
            }
            let mut shards = state.shards.iter_mut().take(visited);
            if let Some(page) = shards.find_map(|shard| shard.pages.pop_front()) {
                state.waiting = state.waiting.saturating_sub(1);
                self.room.notify_all();
                return Ok(Some(page));
            }
            // Each request has its own time limits, so this ends.
            state = sync::wait(&self.arrived, state);
        }
        Ok(None)
    }

    /// Runs one thread.
    fn work(&self) {
        while let Some((number, work)) = self.take() {
            let outcome = catch_panic("a thread that lists", || match work {
                Work::Begun(begun) => self.list(number, *begun),
                Work::Group(group) => self.list_group(number, group),
            });
            self.end_shard(number, outcome);
        }
    }

    /// Returns the next shard to list, once one is close enough to the visited one.
    fn take(&self) -> Option<(u64, Work)> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            let near = self.threads.get().saturating_mul(SHARDS_PER_THREAD);
            let mut near = state.shards.iter_mut().take(near);
            if let Some(found) = near.find_map(|shard| Some((shard.number, shard.work.take()?))) {
                return Some(found);
            }
            // A shard that is being listed may be divided, so the work only ends with the last
            // shard.
            if state.shards.iter().all(|shard| shard.outcome.is_some()) {
                return None;
            }
            state = sync::wait(&self.room, state);
        }
    }

    fn list_group(&self, number: u64, group: Group) -> Result<()> {
        let Group { prefix, directory, members, end } = group;
        let mut pages = self.client.objects(self.bucket, ListObjects::prefix(&*prefix)).pages();
        let first = pages.next().transpose()?.unwrap_or_default();
        let course = Course::new(&directory, vec![Level::new(directory.clone(), members)], end);
        if first.contents.is_empty() && !first.is_followed() && !prefix.ends_with(DELIMITER) {
            return self.list_whole_directory(number, &prefix, &course);
        }
        self.list(number, Begun { first, pages, course })
    }

    /// Lists the keys with a prefix that is not a directory, and for which the server returned
    /// nothing: the keys may be gone, or the server may only know prefixes that are directories.
    fn list_whole_directory(&self, number: u64, prefix: &str, course: &Course) -> Result<()> {
        // A key before all keys of the group.
        let shorter = prefix.char_indices().next_back().and_then(|(at, _)| prefix.get(..at));
        let start = shorter.unwrap_or_default().max(&*course.directory);
        let request = ListObjects::prefix(&*course.directory).start_after(start);
        for page in self.client.objects(self.bucket, request).pages() {
            let mut page = page?.contents;
            let is_complete = course.cut(&mut page);
            page.retain(|object| object.key.starts_with(prefix));
            if self.put(number, page).is_break() || is_complete {
                break;
            }
        }
        Ok(())
    }

    /// Lists a shard, and hands over what follows while there is enough of it.
    fn list(&self, number: u64, begun: Begun) -> Result<()> {
        let Begun { first, pages, mut course } = begun;
        for page in std::iter::once(Ok(first)).chain(pages) {
            let mut page = page?;
            let is_complete = course.cut(&mut page.contents);
            if !is_complete {
                let groups = self.groups_after(&page, &mut course)?;
                let mut state = self.lock();
                if let Some(at) = state.shards.iter().position(|shard| shard.number == number) {
                    state.insert(at.saturating_add(1), groups.into_iter().map(Work::Group));
                }
                drop(state);
                self.room.notify_all();
            }
            if self.put(number, page.contents).is_break() || is_complete {
                break;
            }
        }
        Ok(())
    }

    /// Returns the groups that other threads should list, and ends the course before them.
    fn groups_after(&self, page: &ListBucketResult, course: &mut Course) -> Result<Vec<Group>> {
        if !page.is_followed()
            || self.threads.get() == 1
            || !BucketKind::of(self.bucket)?.lists_in_order()
            || self.lock().made >= SHARDS
        {
            return Ok(Vec::new());
        }
        if let Some(directory) = course.unknown_directory(&page.contents) {
            self.examine(&directory, &page.contents, course)?;
        }
        let mut groups = plan::hand_over(&mut course.levels, &page.contents, self.threads.get());
        if let Some(first) = groups.first() {
            let end = course.end.replace(first.prefix.clone());
            if let Some(last) = groups.last_mut() {
                last.end = end;
            }
        }
        Ok(groups)
    }

    /// Finds the members of `directory` and of directories in it, if it is worthwhile.
    fn examine(&self, directory: &str, page: &[Object], course: &mut Course) -> Result<()> {
        let directories = plan::levels_to_examine(directory, page);
        {
            let mut state = self.lock();
            if directories.is_empty() || state.examined >= EXAMINATIONS {
                return Ok(());
            }
            state.examined += 1;
        }
        let (client, cancel) = self.client.with_child_cancel();
        let is_known = client.lists_in_order_of_bytes(self.bucket);
        let order = if is_known { KeyOrder::Bytes } else { KeyOrder::Unknown };
        let found = parallel::for_each(directories.len(), self.threads, &cancel, |index| {
            let Some(directory) = directories.get(index) else { return Ok(None) };
            let request = ListObjects::prefix(&**directory).delimiter(DELIMITER.to_string());
            let level = client.first_page(self.bucket, &request)?;
            let members = plan::members(directory, &level, order);
            Ok(members.map(|members| Level::new(directory.clone(), members)))
        })?;
        for (directory, level) in directories.into_iter().zip(found) {
            // A part of a directory can only be handed over if the members after it in the outer
            // directories are known.
            let Some(level) = level else {
                course.unclear = Some(directory);
                break;
            };
            course.levels.push(level);
        }
        Ok(())
    }

    /// Records the end of a shard's listing, and notifies the visitor.
    fn end_shard(&self, number: u64, outcome: Result<()>) {
        let mut state = self.lock();
        if let Some(shard) = state.shards.iter_mut().find(|shard| shard.number == number) {
            shard.outcome = Some(outcome);
        }
        drop(state);
        self.arrived.notify_one();
        self.room.notify_all();
    }

    /// Adds a page to a shard, once there is space for it.
    fn put(&self, number: u64, page: Vec<Object>) -> ControlFlow<()> {
        let most = self.threads.get().saturating_mul(PAGES_AHEAD);
        let mut state = self.lock();
        loop {
            if state.ended {
                return ControlFlow::Break(());
            }
            let has_room = state.waiting < most;
            let found = state.shards.iter_mut().enumerate().find(|(_, one)| one.number == number);
            let Some((at, shard)) = found else { return ControlFlow::Break(()) };
            // The visitor waits for the first shard, whichever others have pages.
            if has_room || at == 0 && shard.pages.len() < PAGES_AT_THE_FRONT {
                shard.pages.push_back(page);
                state.waiting = state.waiting.saturating_add(1);
                self.arrived.notify_one();
                return ControlFlow::Continue(());
            }
            state = sync::wait(&self.room, state);
        }
    }
}

impl ShardQueue {
    /// Inserts shards before the one at `at`.
    fn insert(&mut self, at: usize, works: impl IntoIterator<Item = Work>) {
        let later = self.shards.split_off(at.min(self.shards.len()));
        for work in works {
            let (pages, outcome) = (VecDeque::new(), None);
            self.shards.push_back(Shard { number: self.made, work: Some(work), pages, outcome });
            self.made = self.made.saturating_add(1);
        }
        self.shards.extend(later);
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
