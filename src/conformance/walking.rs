//! A walk visits everything once, and each directory before its contents.
use super::Quirk;
use super::trial::{Outcome, Trial, equal, refused};
use crate::driver::{FileKind, WalkOptions, WalkStep};
use crate::error::{Error, ErrorKind};

const FILES: [&str; 8] = [
    "/walk/file1",
    "/walk/folder1-suffix/file1",
    "/walk/folder1/file1",
    "/walk/folder2/file1",
    "/walk/folder3/subfolder1/subfolder1/file1",
    "/walk/folder3/subfolder1/subfolder1/file2",
    "/walk/folder3/subfolder2/file1",
    "/walk/folder4/file1",
];

/// Whole paths in byte order, with each directory before the first file in it.
const ALL: [&str; 16] = [
    "/walk/file1",
    "/walk/folder1-suffix",
    "/walk/folder1-suffix/file1",
    "/walk/folder1",
    "/walk/folder1/file1",
    "/walk/folder2",
    "/walk/folder2/file1",
    "/walk/folder3",
    "/walk/folder3/subfolder1",
    "/walk/folder3/subfolder1/subfolder1",
    "/walk/folder3/subfolder1/subfolder1/file1",
    "/walk/folder3/subfolder1/subfolder1/file2",
    "/walk/folder3/subfolder2",
    "/walk/folder3/subfolder2/file1",
    "/walk/folder4",
    "/walk/folder4/file1",
];

/// The range in which the directories `folder1` and `folder1-suffix` are visited in the opposite
/// order.
const SWAPPED: std::ops::Range<usize> = 1..5;

/// The number of files in each of many directories, so that pages of a listing end inside some of
/// them.
const FILES_EACH: usize = 500;

fn every(_: &str) -> WalkStep {
    WalkStep::Continue
}

/// Returns the paths in the order of the store.
fn ordered(trial: &Trial<'_>) -> Vec<&'static str> {
    let mut all = ALL.to_vec();
    if trial.has(Quirk::WalksByDirectory) {
        all[SWAPPED].rotate_left(2);
    }

    all
}

fn visited(what: &str, got: &[String], expected: &[&str]) -> Outcome {
    equal(what, got.iter().map(String::as_str).collect::<Vec<_>>(), expected.to_vec())
}

cases! {
    /// Everything is visited once and in order, with the same information as stat returns.
    fn a_walk_visits_everything_in_order(trial) {
        trial.put_named(&FILES)?;
        trial.put_named(&["/walk2", "/walk-more/file"])?;
        visited("a walk", &trial.walked("/walk")?, &ordered(trial))?;
        let mut visited = Vec::new();
        trial.driver.walk("/walk", &WalkOptions::default(), &mut |info| {
            visited.push(info.clone());
            Ok(WalkStep::Continue)
        })?;

        for info in visited {
            match info.kind {
                FileKind::File => equal("the size of a file", info.size, info.path.len() as u64)?,
                FileKind::Directory => trial.directory_is(&info.path)?,
            }

            equal(
                "whether a file has a time",
                info.modified.is_some(),
                info.kind == FileKind::File,
            )?;
        }
    }

    /// The walk of the root contains the walk of every directory.
    fn a_walk_of_the_root_visits_everything(trial) {
        trial.put_named(&FILES)?;
        let mut expected = vec!["/walk"];
        expected.extend(ordered(trial));
        visited("a walk of /", &trial.walked("/")?, &expected)?;
    }

    /// A walk from a directory visits its contents, but neither the directory itself nor its
    /// siblings.
    fn a_walk_from_a_directory_stays_in_it(trial) {
        trial.put_named(&FILES)?;
        visited("a walk of /walk/folder3", &trial.walked("/walk/folder3")?, &ALL[8..14])?;
        visited("a walk of /walk/folder1", &trial.walked("/walk/folder1")?, &ALL[4..5])?;
    }

    /// The contents of a skipped directory are omitted, and nothing else: skipping `/1.2` does not
    /// skip `/1.20`.
    fn a_skipped_directory_is_omitted(trial) {
        trial.put_named(&FILES)?;
        trial.put_named(&["/tags/1.2/a", "/tags/1.2/b/c", "/tags/1.20/a", "/tags/1.2-x"])?;
        let skip = |path: &str| match path {
            "/walk/folder3/subfolder1" | "/walk/folder1" | "/tags/1.2" => WalkStep::SkipDirectory,
            _ => WalkStep::Continue,
        };

        let expected: Vec<&str> = ordered(trial)
            .into_iter()
            .filter(|path| {
                !path.starts_with("/walk/folder3/subfolder1/")
                    && !path.starts_with("/walk/folder1/")
            })
            .collect();
        visited("a walk of /walk", &trial.walked_with("/walk", None, skip)?, &expected)?;
        let mut tags = trial.walked_with("/tags", None, skip)?;
        tags.sort();
        visited(
            "a walk of /tags",
            &tags,
            &["/tags/1.2", "/tags/1.2-x", "/tags/1.20", "/tags/1.20/a"],
        )?;
    }

    /// Skipping at a file omits nothing.
    fn skipping_at_a_file_omits_nothing(trial) {
        trial.put_named(&FILES)?;
        let skip = |path: &str| {
            if path.ends_with("file1") { WalkStep::SkipDirectory } else { WalkStep::Continue }
        };

        visited("a walk", &trial.walked_with("/walk", None, skip)?, &ordered(trial))?;
    }

    /// A walk stops at the visitor's request, without an error.
    fn a_walk_stops_on_request(trial) {
        trial.put_named(&FILES)?;
        for (index, end) in ordered(trial).into_iter().enumerate() {
            let stop = |path: &str| if path == end { WalkStep::Stop } else { WalkStep::Continue };
            visited(
                "a stopped walk",
                &trial.walked_with("/walk", None, stop)?,
                &ordered(trial)[..=index],
            )?;
        }
    }

    /// An error of the visitor ends the walk and is its result.
    fn the_visitors_error_ends_the_walk(trial) {
        trial.put_named(&FILES)?;
        let mut calls = 0;
        let failed = trial.driver.walk("/walk", &WalkOptions::default(), &mut |_| {
            calls += 1;
            Err(Error::new(ErrorKind::LocalIo, "seen enough"))
        });
        let error = refused("the walk", failed, ErrorKind::LocalIo)?;
        equal("the visitor's error", error.to_string(), "seen enough".to_owned())?;
        equal("the number of calls", calls, 1)?;
    }

    /// A walk begins after the given path, with the directories that contain the next file.
    fn a_walk_begins_after_the_given_path(trial) {
        trial.put_named(&FILES)?;
        let from = |from: &str, after: &str| trial.walked_with(from, Some(after), every);
        visited("after /walk/folder2/file1", &from("/walk", "/walk/folder2/file1")?, &ALL[7..])?;
        visited(
            "after a file in a folder",
            &from("/walk/folder3", "/walk/folder3/subfolder1/subfolder1/file1")?,
            &[
                "/walk/folder3/subfolder1",
                "/walk/folder3/subfolder1/subfolder1",
                "/walk/folder3/subfolder1/subfolder1/file2",
                "/walk/folder3/subfolder2",
                "/walk/folder3/subfolder2/file1",
            ],
        )?;
        if !trial.has(Quirk::WalksByDirectory) {
            visited("after a folder", &from("/walk", "/walk/folder1")?, &ALL[1..])?;
        }

        visited("after the last file", &from("/walk", "/walk/folder4/file1")?, &[])?;
        visited("after everything", &from("/walk/folder1", "/walk/folder2")?, &[])?;
        visited("after the start itself", &from("/walk/folder3", "/walk/folder3")?, &ALL[8..14])?;
        visited(
            "after a path that precedes the start",
            &from("/walk/folder3", "/walk/file1")?,
            &ALL[8..14],
        )?;
        visited("after a path that does not exist", &from("/walk", "/walk/folder1a")?, &ALL[5..])?;
        let mut expected = vec!["/walk"];
        expected.extend(&ALL[7..]);
        visited("from the root", &from("/", "/walk/folder2/file1")?, &expected)?;
    }

    /// A walk of a missing path visits nothing.
    fn a_walk_of_a_missing_path_visits_nothing(trial) {
        trial.put_named(&["/walk/file1", "/walk/folder10/file1"])?;
        for path in ["/missing", "/walk/folder1", "/wal"] {
            let mut calls = 0;
            let walked = trial.driver.walk(path, &WalkOptions::default(), &mut |_| {
                calls += 1;
                Ok(WalkStep::Continue)
            });
            equal("the number of calls", calls, 0)?;
            if let Err(error) = walked {
                refused::<()>("the walk", Err(error), ErrorKind::PathNotFound)?;
            }
        }
    }

    /// Files may disappear during a walk without an error, and the remaining files are visited.
    fn files_may_disappear_during_a_walk(trial) {
        trial.put_named(&FILES)?;
        let mut seen = Vec::new();
        trial.driver.walk("/walk", &WalkOptions::default(), &mut |info| {
            if seen.is_empty() {
                trial.driver.delete("/walk/folder2")?;
            }

            seen.push(info.path.clone());
            Ok(WalkStep::Continue)
        })?;

        seen.retain(|path| !path.starts_with("/walk/folder2"));
        let expected: Vec<&str> =
            ordered(trial).into_iter().filter(|path| !path.starts_with("/walk/folder2")).collect();
        visited("a walk", &seen, &expected)?;
    }

    /// A walk that skips large directories visits the rest in the same order as one that does not.
    fn skipping_does_not_change_the_order(trial) {
        // A store with this quirk sorts a listing with a delimiter by whole names, but a walk by
        // components.
        trial.skip_on(Quirk::WalksByDirectory)?;
        let directories = trial.scaled(6, 20);
        trial.put_many(directories * FILES_EACH, |index| {
            format!(
                "/walk/d{:02}{}/file{:03}",
                index % directories,
                ["", "-x", ".y"][index % 3],
                index / directories
            )
        })?;

        trial.put_named(&[
            "/walk/a",
            "/walk/d00x",
            "/walk/d03-",
            "/walk/d05z",
            "/walk/z/z",
            "/walk/zz",
        ])?;
        let all = trial.walked("/walk")?;
        for entered in ["none", "d01", "d02"] {
            let skip = |path: &str| match path.strip_prefix("/walk/d") {
                Some(name) if !path.contains(entered) && !name.contains('/') => {
                    WalkStep::SkipDirectory
                }
                _ => WalkStep::Continue,
            };

            let left = |path: &&str| {
                path.strip_prefix("/walk/d")
                    .is_none_or(|name| path.contains(entered) || !name.contains('/'))
            };

            let expected: Vec<&str> = all.iter().map(String::as_str).filter(left).collect();
            visited("a walk that skips", &trial.walked_with("/walk", None, skip)?, &expected)?;
            let mut whole = vec!["/walk"];
            whole.extend(&expected);
            visited("a walk of / that skips", &trial.walked_with("/", None, skip)?, &whole)?;
        }
    }
}
