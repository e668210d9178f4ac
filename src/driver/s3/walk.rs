//! Walking a bucket: converts a flat listing into files and the directories that contain them.
//!
//! A flat listing returns a thousand keys per request, regardless of their directories. If the
//! visitor skips a directory and the page ends inside it, the rest of the directory is not listed:
//! the next request groups the following keys of the parent directory by the delimiter. The walk
//! continues in this way while it finds only files and directories to skip, and returns to the flat
//! listing at the first directory to enter. The order does not change, because a directory's name
//! with its slash sorts exactly where the keys in the directory do.
//!
//! Servers that store a tree (SeaweedFS) list the directory `a/` before `a-b/`, although `-` sorts
//! before `/`. A jump to `a-b/` or `a/` would omit the other one on one kind of server. Therefore,
//! the flat listing continues directly after the skipped directory if the names in its parent
//! directory may sort differently.
use super::store::{DRIVER_NAME, Store};
use crate::client::{ListObjects, has_prefix};
use crate::driver::walk::Walk;
use crate::driver::{FileInfo, WalkStep};
use crate::error::Result;
use crate::transfer::{PageOrder, list_in_shards};
use crate::xml::{ListBucketResult, Object};
use std::cmp::Ordering;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::SystemTime;

/// A character that sorts after all characters of a path, so that no file of the driver is in a
/// directory that sorts after this name.
const AFTER_EVERY_NAME: char = '~';

/// Walks everything below `from` in the order of the server's listing. S3 sorts whole keys by their
/// bytes, so that `/a-b/c` comes before `/a/b`. If `from` does not exist, nothing is visited.
pub(super) fn walk_store(
    store: &Store,
    from: &str,
    start: Option<&str>,
    concurrency: NonZeroUsize,
    visit: &mut dyn FnMut(&FileInfo) -> Result<WalkStep>,
) -> Result<()> {
    let prefix = store.prefix(from);
    let mut request = ListObjects::prefix(&*prefix);
    // Strict servers return an empty listing if the start is outside of the prefix, so the start is
    // sent only if it is inside.
    if let Some(start) = start {
        let start = store.key(start);
        match start.as_str().cmp(&prefix) {
            _ if start.starts_with(&*prefix) => request = request.start_after(start),
            Ordering::Greater => return Ok(()),
            Ordering::Less | Ordering::Equal => {}
        }
    }

    let mut walk = Walk::new(DRIVER_NAME, from, visit);
    // Whether a directory is before the start depends on the server's order, so such a listing is
    // never split.
    if concurrency.get() == 1 || !request.start_after.is_empty() {
        return walk_in_turn(store, from, request, &mut walk);
    }

    let mut failed = None;
    let below = (&*store.bucket, &*prefix);
    let listed =
        list_in_shards(&store.client, below, concurrency, PageOrder::Server, &mut |objects| {
            Ok(visit_page(store, &prefix, objects, &mut walk).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            }))
        });
    failed.map_or_else(|| listed.map_err(|error| store.error(error, from)), Err)
}

/// Walks with one request at a time, and as few requests as the skipped directories allow.
fn walk_in_turn(store: &Store, from: &str, first: ListObjects, walk: &mut Walk<'_>) -> Result<()> {
    let prefix = first.prefix.clone();
    let mut next = Some(first);
    // The last directory whose entries were found to have no certain order.
    let mut unordered = None;
    while let Some(request) = next.take() {
        for page in store.client.objects(&store.bucket, request).pages() {
            let page = page.map_err(|error| store.error(error, from))?;
            let more = page.is_followed();
            if visit_page(store, &prefix, page.contents, walk)?.is_break() {
                return Ok(());
            }
            if let Some(skipped) = walk.skipped().filter(|_| more).map(str::to_owned) {
                let start = walk_siblings((store, from), &skipped, walk, &mut unordered)?;
                walk.pass_skipped();
                next = start.map(|start| ListObjects::prefix(&*prefix).start_after(start));
                break;
            }
        }
    }

    Ok(())
}

/// Visits what follows a skipped directory in its parent directory, as long as it consists of files
/// and directories to skip. Returns where the flat listing continues, or `None` at the end of the
/// walk.
fn walk_siblings(
    (store, from): (&Store, &str),
    skipped: &str,
    walk: &mut Walk<'_>,
    unordered: &mut Option<String>,
) -> Result<Option<String>> {
    let parent = store.prefix(skipped.rsplit_once('/').map_or("/", |(parent, _)| parent));
    let mut passed = format!("{}{AFTER_EVERY_NAME}", store.prefix(skipped));
    if unordered.as_ref() == Some(&parent) {
        return Ok(Some(passed));
    }

    let request = ListObjects::prefix(&*parent).delimiter("/").start_after(&*passed);
    let mut file = FileInfo::file("", 0, None);
    for page in store.client.objects(&store.bucket, request).pages() {
        let entries = entries(page.map_err(|error| store.error(error, from))?);
        if entries.iter().any(|entry| may_sort_differently(store, &parent, entry)) {
            *unordered = Some(parent);
            return Ok(Some(passed));
        }
        passed = match entries.last() {
            None => passed,
            Some(Entry::File(object)) => object.key.clone(),
            Some(Entry::Directory(directory)) => format!("{directory}{AFTER_EVERY_NAME}"),
        };
        for entry in entries {
            let step = match entry {
                Entry::File(object) => visit_object(store, &parent, &object, (walk, &mut file))?,
                Entry::Directory(directory) => {
                    let path = directory.strip_suffix('/').and_then(|key| store.path(key));
                    let Some(path) = path.filter(|_| directory.starts_with(&*parent)) else {
                        continue;
                    };
                    let step = walk.enter_directory(&path)?;
                    if step == WalkStep::Continue && walk.skipped() != Some(&*path) {
                        return Ok(Some(directory));
                    }
                    step
                }
            };
            if step == WalkStep::Stop {
                return Ok(None);
            }
        }
    }

    Ok((parent != store.prefix(from)).then(|| format!("{parent}{AFTER_EVERY_NAME}")))
}

enum Entry {
    File(Object),
    /// A directory's key, with a slash at its end.
    Directory(String),
}

impl Entry {
    fn key(&self) -> &str {
        match self {
            Self::File(object) => &object.key,
            Self::Directory(key) => key,
        }
    }
}

/// Returns the entries of a page, in the order in which a flat listing returns them or their
/// contents.
fn entries(page: ListBucketResult) -> Vec<Entry> {
    let files = page.contents.into_iter().map(Entry::File);
    let mut entries: Vec<Entry> =
        files.chain(page.common_prefixes.into_iter().map(Entry::Directory)).collect();
    entries.sort_by(|a, b| a.key().cmp(b.key()));
    entries
}

/// Reports whether the server may list an entry of the directory `parent` in the order of a tree,
/// at another place than in the order of bytes. This is only possible if a directory's name may be
/// the beginning of the entry's name (`a` of `a-b`), and if the byte after it sorts before the
/// slash. That directory may be on another page.
fn may_sort_differently(store: &Store, parent: &str, entry: &Entry) -> bool {
    let key = entry.key();
    let key = key.strip_suffix('/').unwrap_or(key);
    let name = key.strip_prefix(parent).unwrap_or(key);
    // Hidden entries are not visited, wherever they are.
    !store.client.lists_in_order_of_bytes(&store.bucket)
        && name.bytes().skip(1).any(|byte| byte < b'/')
        && store.path(key).is_some()
}

fn visit_page(
    store: &Store,
    prefix: &str,
    objects: Vec<Object>,
    walk: &mut Walk<'_>,
) -> Result<ControlFlow<()>> {
    // All files of a page are described in one place, whose path keeps its memory.
    let mut file = FileInfo::file("", 0, None);
    for object in objects {
        if visit_object(store, prefix, &object, (walk, &mut file))? == WalkStep::Stop {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Visits a file, or the directory that a marker (a key with a slash at its end) represents.
/// `file` is where the file is described.
fn visit_object(
    store: &Store,
    prefix: &str,
    object: &Object,
    (walk, file): (&mut Walk<'_>, &mut FileInfo),
) -> Result<WalkStep> {
    if object.key.len() <= prefix.len() || !has_prefix(&object.key, prefix) {
        return Ok(WalkStep::Continue);
    }

    if object.key.ends_with('/') {
        let path = object.key.strip_suffix('/').and_then(|key| store.path(key));
        return path.map_or(Ok(WalkStep::Continue), |path| walk.enter_directory(&path));
    }
    if !store.write_path(&object.key, &mut file.path) {
        return Ok(WalkStep::Continue);
    }
    (file.size, file.modified) = (object.size, object.last_modified.map(SystemTime::from));
    walk.enter(file)
}
