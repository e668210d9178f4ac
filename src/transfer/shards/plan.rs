//! Decides which keys of a listing other threads list.
//!
//! The files and directories directly in one directory are its members. A thread that lists the
//! directory hands over members after the one that it has reached, in groups: a group has a prefix
//! in common that no other member has, so that one listing finds all of it and nothing else. The
//! size of a group follows from the number of keys in the members that were listed so far. Members
//! that are expected to fit on a few pages are therefore listed together, and a directory that fits
//! on one page does not take a separate request.
//!
//! Nothing here sends a request or waits.
use crate::xml::{ListBucketResult, Object};
use std::collections::HashSet;

/// The separator of the directories in a key.
pub(super) const DELIMITER: char = '/';

/// The number of keys in a page.
const PAGE: usize = 1000;

/// The size of a group, in pages, from which a larger one is divided if that is possible. The last
/// page of a group is only half full on average, so that larger groups take fewer requests, and
/// smaller ones leave less work for the thread that finishes last.
const PAGES_PER_GROUP: usize = 4;

/// The maximum number of directories in a page that is worth dividing: more of them than a quarter
/// of a page means that their parent's own listing takes nearly as many pages as all keys.
const DIRECTORIES_PER_PAGE: usize = PAGE / 4;

/// The maximum number of levels that are examined at once below a directory.
const LEVELS: usize = 8;

/// Keys that one thread lists, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The prefix of the keys.
    pub(super) prefix: String,
    /// The directory whose members these are, or the prefix of the whole listing.
    pub(super) directory: String,
    /// The members, in order; empty if they are unknown.
    pub(super) members: Vec<String>,
    /// The first key that belongs to the next group.
    pub(super) end: Option<String>,
}

/// The members of a directory.
#[derive(Debug)]
pub(super) struct Level {
    directory: String,
    members: Vec<String>,
}

impl Level {
    pub(super) fn new(directory: String, members: Vec<String>) -> Self {
        Self { directory, members }
    }

    /// Returns whether `key` is in the directory.
    pub(super) fn contains(&self, key: &str) -> bool {
        key.starts_with(&self.directory)
    }

    /// Returns the directory directly in this one that contains `key`.
    pub(super) fn directory_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        child(&self.directory, key)
    }

    /// Returns the index of the last member that does not come after `key`.
    fn reached(&self, key: &str) -> Option<usize> {
        self.members.partition_point(|member| member.as_str() <= key).checked_sub(1)
    }
}

/// The order in which a server lists keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyOrder {
    /// That of their bytes.
    Bytes,
    /// That of their bytes, or that of a tree.
    Unknown,
}

/// Returns the members of a directory in the order of their bytes, given its listing with a
/// delimiter. Returns `None` if there are more pages, if entries are repeated, or if the server may
/// list the members in another order: the directory is then listed as a whole.
pub(super) fn members(
    directory: &str,
    level: &ListBucketResult,
    order: KeyOrder,
) -> Option<Vec<String>> {
    if level.is_followed() {
        return None;
    }
    let is_ordered = |keys: &[&str]| keys.is_sorted_by(|one, next| one < next);
    let files: Vec<&str> = level.contents.iter().map(|object| &*object.key).collect();
    let directories: Vec<&str> = level.common_prefixes.iter().map(String::as_str).collect();
    if !is_ordered(&files) || !is_ordered(&directories) || directories.contains(&directory) {
        return None;
    }
    let mut members: Vec<String> =
        files.into_iter().chain(directories).map(str::to_owned).collect();
    members.sort_unstable();
    let has_known_order = |pair: &[String]| match pair {
        [one, next] => {
            one < next && (order == KeyOrder::Bytes || !comes_later_in_a_tree(one, next))
        }
        _ => true,
    };
    members.windows(2).all(has_known_order).then_some(members)
}

/// Returns whether a server that keeps keys in a tree lists `member` after the directory `next`,
/// which is the next member in the order of bytes: `a-b` after `a/`, although `-` comes before `/`.
/// The listing of the members does not show this: it separates files from directories, and some
/// servers (SeaweedFS) sort directories by their whole names there, but not their contents.
fn comes_later_in_a_tree(member: &str, next: &str) -> bool {
    let name = member.strip_suffix(DELIMITER).unwrap_or(member);
    let is_longer = |directory: &str| name.len() > directory.len() && name.starts_with(directory);
    next.strip_suffix(DELIMITER).is_some_and(is_longer)
}

/// Returns the directories whose members should be found out, after `page` was listed below
/// `directory`: the directory itself, and those in it that contain the whole page, outermost first.
/// Returns nothing if most of the keys are files, or in too many directories.
pub(super) fn levels_to_examine(directory: &str, page: &[Object]) -> Vec<String> {
    let (Some(first), Some(last)) = (page.first(), page.last()) else { return Vec::new() };
    let mut levels = vec![directory.to_owned()];
    while levels.len() < LEVELS {
        let deepest = levels.last().map_or(directory, String::as_str);
        let Some(inner) = child(deepest, &last.key).filter(|inner| first.key.starts_with(inner))
        else {
            break;
        };
        let inner = inner.to_owned();
        levels.push(inner);
    }
    let is_worth_it = |level: &String| {
        let directories: HashSet<&str> =
            page.iter().filter_map(|object| child(level, &object.key)).collect();
        (1..=DIRECTORIES_PER_PAGE).contains(&directories.len())
    };
    // The deepest ones may only have files, or too many directories.
    while levels.last().is_some_and(|level| !is_worth_it(level)) {
        levels.pop();
    }
    levels
}

/// Divides the members after `page`, which was listed last, into groups for other threads, given
/// the levels that the listing is in, outermost first, and the number of threads. The members that
/// are handed over are removed from the levels. Returns nothing if the remaining keys are few.
pub(super) fn hand_over(levels: &mut [Level], page: &[Object], threads: usize) -> Vec<Group> {
    let (Some(first), Some(last)) = (page.first(), page.last()) else { return Vec::new() };
    let mut groups = Vec::new();
    for level in levels.iter_mut().rev() {
        let Some(reached) = level.reached(&last.key) else { return Vec::new() };
        let after = level.members.len() - reached - 1;
        let keys = keys_per_member(level, (first, reached), page);
        let before = groups.len();
        let division = Division {
            directory: &level.directory,
            limit: group_limit(keys, after, threads),
            keys,
            // A thread that hands over a member hands over everything after it.
            gives_all: before > 0,
        };
        division.divide(&level.members, Some(reached), &mut groups);
        let given = groups.iter().skip(before).map(|group| group.members.len());
        let given = given.fold(0, usize::saturating_add);
        level.members.truncate(level.members.len().saturating_sub(given));
    }
    let ends: Vec<String> = groups.iter().skip(1).map(|next| next.prefix.clone()).collect();
    for (group, end) in groups.iter_mut().zip(ends) {
        group.end = Some(end);
    }
    groups
}

/// Returns the number of keys in each member that `page` covers up to the one that it has
/// `reached`; `None` if it covers none.
fn keys_per_member(
    level: &Level,
    (first, reached): (&Object, usize),
    page: &[Object],
) -> Option<usize> {
    let covered = reached.checked_sub(level.reached(&first.key)?)?;
    let start = level.members.get(reached)?;
    let keys = page.iter().take_while(|object| object.key < *start).count();
    keys.checked_div(covered).map(|keys| keys.max(1))
}

/// Returns the maximum number of members in a group, given the number of `keys` in a member as far
/// as it is known, the number of members `after` the current one, and the number of threads.
fn group_limit(keys: Option<usize>, after: usize, threads: usize) -> usize {
    let Some(keys) = keys else {
        // Many small members are as likely as a few large ones. A group that turns out to be large
        // is divided again.
        return after.div_ceil(2).max(1);
    };
    let pages = after.saturating_mul(keys).div_ceil(PAGE.saturating_mul(threads));
    let pages = pages.clamp(1, PAGES_PER_GROUP);
    // Names rarely permit a division into equal groups: one is divided from twice this size.
    (2 * pages).saturating_mul(PAGE).checked_div(keys).unwrap_or(1).max(1)
}

/// The rules by which the members of one directory are divided.
struct Division<'a> {
    directory: &'a str,
    /// The maximum number of members in a group.
    limit: usize,
    /// The number of keys in a member, if it is known.
    keys: Option<usize>,
    /// Whether the thread that has reached a member keeps none of the later ones.
    gives_all: bool,
}

impl Division<'_> {
    /// Appends the groups of `members` after the one that was `reached`, or of all of them.
    fn divide(&self, members: &[String], reached: Option<usize>, groups: &mut Vec<Group>) {
        let prefix = common_prefix(members);
        let parts = parts(members, prefix.len());
        let is_too_large = parts.len() > 1
            && (self.gives_all && reached.is_some()
                || members.len() > self.limit && self.fills_pages(members, &parts));
        match reached {
            // The thread that has reached one of the members keeps the others.
            Some(_) if !is_too_large => {}
            None if !is_too_large => groups.push(Group {
                prefix: prefix.to_owned(),
                directory: self.directory.to_owned(),
                members: members.to_vec(),
                end: None,
            }),
            _ => {
                let mut start = 0;
                for part in parts {
                    let end = start + part.len();
                    match reached {
                        Some(reached) if reached >= end => {}
                        Some(reached) if reached >= start => {
                            self.divide(part, Some(reached - start), groups);
                        }
                        _ => self.divide(part, None, groups),
                    }
                    start = end;
                }
            }
        }
    }

    /// Returns whether each of the parts has half a page or more, on average. A single directory
    /// must nearly fill a page.
    fn fills_pages(&self, members: &[String], parts: &[&[String]]) -> bool {
        let keys = self.keys.map_or(usize::MAX, |keys| keys.saturating_mul(members.len()));
        let least = if parts.len() == members.len() { PAGE / 4 * 3 } else { PAGE / 2 };
        keys >= parts.len().saturating_mul(least)
    }
}

/// Returns the directory directly in `directory` that contains `key`, with its slash.
fn child<'k>(directory: &str, key: &'k str) -> Option<&'k str> {
    let at = key.strip_prefix(directory)?.find(DELIMITER)?;
    key.get(..=directory.len() + at)
}

/// Returns the longest prefix of all `members`, which are sorted.
fn common_prefix(members: &[String]) -> &str {
    let (Some(first), Some(last)) = (members.first(), members.last()) else { return "" };
    let differs = first.char_indices().zip(last.chars()).find(|((_, one), other)| one != other);
    let end = differs.map_or_else(|| first.len().min(last.len()), |((at, _), _)| at);
    first.get(..end).unwrap_or_default()
}

/// Divides sorted members by the character after their first `length` bytes.
fn parts(members: &[String], length: usize) -> Vec<&[String]> {
    let next = |member: &String| member.get(length..).and_then(|rest| rest.chars().next());
    members.chunk_by(|one, other| next(one) == next(other)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: impl IntoIterator<Item = String>) -> Vec<Object> {
        keys.into_iter().map(|key| Object::new(key, 1)).collect()
    }

    fn directories(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("d/{number:02x}/")).collect()
    }

    /// Returns the keys of the first `keys / each` directories of `directories`.
    fn filled(each: usize, keys: usize) -> Vec<Object> {
        page((0..keys).map(|key| format!("d/{:02x}/{:06}", key / each, key % each)))
    }

    /// Returns the prefixes of the groups, each with the number of its members.
    fn shown(groups: &[Group]) -> String {
        let shown = groups.iter().map(|group| format!("{}:{}", group.prefix, group.members.len()));
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn groups_follow_from_the_number_of_keys_in_a_directory() {
        let sixteenths = "d/1:16 d/2:16 d/3:16 d/4:16 d/5:16 d/6:16 d/7:16 d/8:16 d/9:16 d/a:16 \
                          d/b:16 d/c:16 d/d:16 d/e:16 d/f:16";
        let cases = [
            // Directories, keys in each, threads, groups.
            (256, 390, 16, sixteenths),
            (256, 390, 4, sixteenths),
            (256, 390, 2, sixteenths),
            // All keys fit on a page or two more.
            (16, 100, 16, ""),
            (7, 300, 16, ""),
            // Too little for each directory, and too much for all of them: nothing in between.
            (16, 250, 16, ""),
            // As large as a page or larger: the number of keys is not known.
            (4, 1500, 16, "d/01/:1 d/02/:1 d/03/:1"),
            (2, 1000, 16, "d/01/:1"),
            (256, 5000, 16, sixteenths),
            // Each fits on a page.
            (8, 500, 8, ""),
            (8, 999, 8, "d/02/:1 d/03/:1 d/04/:1 d/05/:1 d/06/:1 d/07/:1"),
            // Many tiny ones.
            (200, 5, 16, ""),
            (
                256,
                40,
                16,
                "d/2:16 d/3:16 d/4:16 d/5:16 d/6:16 d/7:16 d/8:16 d/9:16 d/a:16 d/b:16 \
                 d/c:16 d/d:16 d/e:16 d/f:16",
            ),
        ];
        for (count, each, threads, expected) in cases {
            let page = filled(each, (count * each).min(1000));
            let mut levels = [Level::new("d/".to_owned(), directories(count))];
            let groups = hand_over(&mut levels, &page, threads);
            assert_eq!(shown(&groups), expected, "{count} directories of {each} keys");
            let given: usize = groups.iter().map(|group| group.members.len()).sum();
            assert_eq!(levels[0].members.len() + given, count);
            for (group, next) in groups.iter().zip(groups.iter().skip(1)) {
                assert_eq!(group.end.as_deref(), Some(&*next.prefix));
            }
        }
    }

    #[test]
    fn every_later_key_is_in_exactly_one_group() {
        let names =
            ["a", "a-b/", "a/", "a0", "b/", "ba/", "bab/", "c", "ca", "cb/", "\u{e4}/", "\u{e5}"];
        let members = names.map(|name| format!("d/{name}")).to_vec();
        for reached in 0..members.len() {
            for inner in ["", "0", "x/y"] {
                let last = match &members[reached] {
                    directory if directory.ends_with('/') => format!("{directory}{inner}"),
                    file => file.clone(),
                };
                let mut levels = [Level::new("d/".to_owned(), members.clone())];
                let groups = hand_over(&mut levels, &page([last]), 8);
                let kept = &levels[0].members;
                assert!(kept.len() > reached);
                let given = groups.iter().flat_map(|group| group.members.iter().cloned());
                assert_eq!(kept.iter().cloned().chain(given).collect::<Vec<_>>(), members);
                for group in &groups {
                    let is_found = |key: &String| {
                        key.starts_with(&group.prefix)
                            && group.end.as_ref().is_none_or(|end| key < end)
                    };
                    let found: Vec<_> = members.iter().filter(|key| is_found(key)).collect();
                    assert_eq!(found, group.members.iter().collect::<Vec<_>>(), "{group:?}");
                }
            }
        }
    }

    #[test]
    fn large_members_are_given_away_one_by_one() {
        let given = |names: [&str; 3], last: &str| {
            let members = names.map(|name| format!("d/{name}")).to_vec();
            let mut levels = [Level::new("d/".to_owned(), members)];
            let groups = hand_over(&mut levels, &page([format!("d/{last}")]), 8);
            assert_eq!(levels[0].members.len() + groups.len(), 3);
            shown(&groups)
        };
        assert_eq!(given(["a-b/", "a/", "b/"], "a-b/x"), "d/a/:1 d/b/:1", "the order of bytes");
        assert_eq!(given(["a-b", "c/", "d/"], "a-b"), "d/c/:1 d/d/:1");
    }

    #[test]
    fn what_follows_in_outer_directories_is_given_away_too() {
        let page = page((0..1000).map(|key| format!("r/m/{:02x}/{key:06}", key / 300)));
        let mut levels = [
            Level::new("r/".to_owned(), ["r/a", "r/m/", "r/n/", "r/o"].map(str::to_owned).to_vec()),
            Level::new(
                "r/m/".to_owned(),
                (0..64).map(|number| format!("r/m/{number:02x}/")).collect(),
            ),
        ];
        let groups = hand_over(&mut levels, &page, 4);
        assert_eq!(shown(&groups), "r/m/1:16 r/m/2:16 r/m/3:16 r/n/:1 r/o:1");
        assert_eq!(groups.last().map(|group| &*group.directory), Some("r/"));
        assert_eq!((levels[0].members.len(), levels[1].members.len()), (2, 16));
    }

    #[test]
    fn only_directories_of_few_and_large_members_are_examined() {
        let examined = |keys: &dyn Fn(usize) -> String| {
            levels_to_examine("p/", &page((0..1000).map(keys))).join(" ")
        };
        assert_eq!(levels_to_examine("p/", &[]).len(), 0);
        assert_eq!(examined(&|key| format!("p/{key:04}")), "", "files");
        assert_eq!(examined(&|key| format!("p/{:04}/x", key / 4)), "p/");
        assert_eq!(examined(&|key| format!("p/{:04}/x", key / 3)), "", "small directories");
        assert_eq!(examined(&|key| format!("p/a/b/{:02}/{key:04}", key / 400)), "p/ p/a/ p/a/b/");
        assert_eq!(examined(&|key| format!("p/a/{key:04}/x")), "p/");
        assert_eq!(
            examined(&|key| format!("p/{}{:02}/{key:04}", "a/".repeat(20), key / 400))
                .split(' ')
                .count(),
            LEVELS
        );
    }

    #[test]
    fn members_are_known_if_their_order_is() {
        let level = |files: &[&str], directories: &[&str]| ListBucketResult {
            contents: page(files.iter().map(|key| (*key).to_owned())),
            common_prefixes: directories.iter().map(|key| (*key).to_owned()).collect(),
            ..ListBucketResult::default()
        };
        let found = |files: &[&str], directories: &[&str]| {
            members("d/", &level(files, directories), KeyOrder::Unknown)
                .map(|members| members.join(" "))
        };
        assert_eq!(found(&["d/b", "d/m"], &["d/a/", "d/c/"]).as_deref(), Some("d/a/ d/b d/c/ d/m"));
        assert_eq!(found(&[], &["d/a/", "d/a-b/"]), None, "the order of a tree");
        let on_aws = level(&["d/a-1"], &["d/a-b/", "d/a/"]);
        let on_aws = members("d/", &on_aws, KeyOrder::Bytes).expect("the order of bytes");
        assert_eq!(on_aws, ["d/a-1", "d/a-b/", "d/a/"]);
        for (files, directories) in [
            (&["d/a-b"][..], &["d/a/", "d/b/"][..]),
            (&["d/a-1", "d/a-2"], &["d/a/"]),
            (&["d/a!", "d/b"], &["d/a/", "d/b0/"]),
            (&["d/a-b"], &["d/a-c/", "d/a/"]),
            (&[], &["d/a-c/", "d/a.b/", "d/a/"]),
        ] {
            assert_eq!(found(files, directories), None, "{files:?}: a tree may have another order");
        }
        for (files, directories, expected) in [
            (&["d/a0"][..], &["d/a/"][..], "d/a/ d/a0"),
            (&["d/a"], &["d/a/"], "d/a d/a/"),
            (&["d/a-b"], &["d/b/"], "d/a-b d/b/"),
            (&["d/a-b"], &["d/a-c/", "d/aa/"], "d/a-b d/a-c/ d/aa/"),
        ] {
            assert_eq!(found(files, directories).as_deref(), Some(expected));
        }
        assert_eq!(found(&[], &["d/a/", "d/a/"]), None, "a repeated directory");
        assert_eq!(found(&[], &["d/"]), None, "the directory in itself");
        let mut followed = level(&["d/b"], &[]);
        followed.is_truncated = Some(true);
        assert_eq!(members("d/", &followed, KeyOrder::Bytes), None, "more members");
    }
}
