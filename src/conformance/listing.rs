//! The contents of directories.
use super::Quirk;
use super::trial::{Stop, equal};
use crate::driver::FileKind;

cases! {
    /// A list contains the children of a directory and nothing else.
    fn lists_contain_only_children(trial) {
        trial.not_found(
            "list of /list/missing",
            "/list/missing",
            trial.driver.list("/list/missing"),
        )?;
        let files: Vec<String> =
            (0..50).map(|index| format!("/list/parent/file{index:02}")).collect();
        trial.put_named(&files.iter().map(String::as_str).collect::<Vec<_>>())?;
        trial.list_is("/", &["/list"])?;
        trial.list_is("/list", &["/list/parent"])?;
        trial.list_is("/list/parent", &files.iter().map(String::as_str).collect::<Vec<_>>())?;
        let path = "/list/parent/file01";
        trial.not_found("list of a file", path, trial.driver.list(path))?;
    }

    /// Files and directories are listed together, each once, without anything below them.
    fn files_and_directories_are_listed_once(trial) {
        trial.put_named(&[
            "/list/a",
            "/list/b",
            "/list/sub/0",
            "/list/sub/1/2/3",
            "/list/sub.0",
            "/list/sub-0/x",
        ])?;
        trial
            .list_is("/list", &["/list/a", "/list/b", "/list/sub", "/list/sub-0", "/list/sub.0"])?;
        trial.list_is("/list/sub", &["/list/sub/0", "/list/sub/1"])?;
        trial.list_is("/list/sub/1", &["/list/sub/1/2"])?;
    }

    /// A directory's list contains no sibling that begins with its name.
    fn siblings_are_not_listed(trial) {
        trial.put_named(&["/list/dir/x", "/list/dir-suffix/y", "/list/dir.z", "/list2/dir/x"])?;
        trial.list_is("/list/dir", &["/list/dir/x"])?;
        trial.list_is("/list", &["/list/dir", "/list/dir-suffix", "/list/dir.z"])?;
        for path in ["/list/di", "/lis", "/list/dir-"] {
            trial.not_found(&format!("list of {path}"), path, trial.driver.list(path))?;
        }
    }

    /// Directory markers and other keys that no path can name are never shown as paths.
    fn foreign_keys_are_hidden(trial) {
        let Some(foreign) = &trial.options.foreign else {
            return Err(Stop::Skipped(
                "the suite was given no function that stores foreign keys".to_owned(),
            ));
        };

        trial.skip_on(Quirk::NoDirectoryMarkers)?;
        trial.driver.put_content("/repo/_layers/link", b"x")?;
        for key in ["repo/", "repo/_uploads/", "repo/with space", "marker/"] {
            foreign(key, Some(b""))?;
        }

        trial.list_is("/", &["/marker", "/repo"])?;
        let listed = trial.driver.list("/repo")?;
        equal("what is in /repo", listed.contains(&"/repo/_layers".to_owned()), true)?;
        equal(
            "names that end with a slash",
            listed.iter().any(|path| path.ends_with('/') || path.contains(' ')),
            false,
        )?;
        equal("what is in /marker", trial.driver.list("/marker")?, Vec::<String>::new())?;
        equal("the kind of /marker", trial.driver.stat("/marker")?.kind, FileKind::Directory)?;
        let walked = trial.walked("/")?;
        equal(
            "files that end with a slash",
            walked.iter().any(|path| path.ends_with('/') || path.contains(' ')),
            false,
        )?;
        equal(
            "whether a walk visits the file",
            walked.contains(&"/repo/_layers/link".to_owned()),
            true,
        )?;
        if !trial.has(Quirk::WalksByDirectory) {
            let directories = ["/marker", "/repo", "/repo/_layers", "/repo/_uploads"];
            let seen = directories.map(|path| walked.iter().filter(|seen| *seen == path).count());
            equal("how often a walk visits the directories of markers", seen, [1; 4])?;
        }

        // Deleting the directory deletes everything in it, whatever its name.
        trial.driver.delete("/repo")?;
        trial.not_found("stat of /repo", "/repo", trial.driver.stat("/repo"))?;
        foreign("marker/", None)?;
    }
}
