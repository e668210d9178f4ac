//! Legal and illegal paths.
use super::Quirk;
use super::trial::{Outcome, Stop, Trial, equal, refused};
use crate::driver::{FileKind, UrlOptions, WalkOptions, WalkStep, WriteMode};
use crate::driver::{Method, check_path};
use crate::error::ErrorKind;

/// The examples of the registry's test suite. `/a` and `/aa`, and `/abc` and `/abcdefg`, share a
/// prefix.
const LEGAL: [&str; 17] = [
    "/a",
    "/2",
    "/aa",
    "/a.a",
    "/0-9/abcdefg",
    "/abcdefg/z.75",
    "/abc/1.2.3.4.5-6_zyx/123.z/4",
    "/docker/docker-registry",
    "/123.abc",
    "/abc./abc",
    "/.abc",
    "/a--b",
    "/a-.b",
    "/_.abc",
    "/Docker/docker-registry",
    "/Abc/Cba",
    "/-/_/--/__",
];

/// Paths that only look like relative ones.
const DOTS: [&str; 8] = [
    "/dots/./x",
    "/dots/../x",
    "/..a/b",
    "/...",
    "/dots/...",
    "/up/..",
    "/here/.",
    "/../../outside",
];

const ILLEGAL: [&str; 18] = [
    "",
    "/",
    "abc",
    "123.abc",
    "//bcd",
    "/abc_123/",
    "/a//b",
    "/a b",
    "/a+b",
    "/a%2fb",
    "/a?b",
    "/a*",
    "/a\\b",
    "/a\n",
    "/a\0",
    "/\u{e4}",
    "a/b",
    "/a/b/",
];

fn kept(trial: &Trial<'_>, paths: &[&str]) -> Outcome {
    trial.put_named(paths)?;
    trial.check_named(paths)?;
    paths.iter().try_for_each(|path| equal(path, trial.driver.stat(path)?.kind, FileKind::File))?;
    let mut walked = trial.walked("/")?;
    walked.retain(|path| paths.contains(&&**path));
    walked.sort();
    let mut expected = paths.to_vec();
    expected.sort_unstable();
    equal("the files of a walk", walked.iter().map(String::as_str).collect(), expected)
}

cases! {
    /// The root of an empty store can be listed, walked and statted.
    fn the_root_exists(trial) {
        trial.list_is("/", &[])?;
        trial.walked("/").map(drop)?;
        match trial.driver.stat("/") {
            Ok(info) => equal("the kind of /", info.kind, FileKind::Directory)?,
            Err(error) => {
                refused::<()>("stat of /", Err(error), ErrorKind::PathNotFound).map(drop)?;
            }
        }
    }

    /// Every legal path holds its own file.
    fn legal_paths_hold_files(trial) {
        kept(trial, &LEGAL)?;
    }

    /// Dots in a path are ordinary names.
    fn dots_are_names(trial) {
        trial.skip_on(Quirk::NoDotComponents)?;
        kept(trial, &DOTS)?;
        trial.list_is("/dots", &["/dots/.", "/dots/..", "/dots/..."])?;
        trial.driver.delete("/dots/..")?;
        trial.check_named(&["/dots/./x", "/dots/...", "/up/.."])?;
        trial.driver.delete("/up/..")?;
        trial.check_named(&["/dots/./x", "/..a/b", "/../../outside"])?;
    }

    /// Long names and deep paths are ordinary names.
    fn long_paths_hold_files(trial) {
        let deep = "/d".repeat(200);
        let name = format!("/long/{}", "n".repeat(255));
        trial.put_named(&[&deep, &name])?;
        trial.check_named(&[&deep, &name])?;
        trial.list_is("/long", &[&name])?;
        trial.skip_on(Quirk::ShortNames)?;
        let longer = format!("/long/{}", "n".repeat(256));
        let longest = format!("/{}", "m".repeat(700));
        trial.put_named(&[&longer, &longest])?;
        trial.check_named(&[&deep, &name, &longer, &longest])?;
        trial.list_is("/long", &[&name, &longer])?;
    }

    /// Paths that the registry refuses are refused by every call, with an error that names the
    /// driver and the path.
    fn illegal_paths_are_refused(trial) {
        let driver = &trial.driver;
        for path in ILLEGAL {
            let bad = ErrorKind::InvalidPath;
            let error = refused("put_content", driver.put_content(path, b"x"), bad)?;
            equal(
                "whether the error names the driver",
                error.to_string().contains(driver.name()),
                true,
            )?;
            refused("get_content", driver.get_content(path), bad)?;
            refused("reader", driver.reader(path, 0), bad)?;
            refused("writer", driver.writer(path, WriteMode::Create), bad)?;
            refused("writer", driver.writer(path, WriteMode::Append), bad)?;
            refused("write_stream", driver.write_stream(path, 0, &mut &b"x"[..]), bad)?;
            refused("delete", driver.delete(path), bad)?;
            refused("rename", driver.rename(path, "/b"), bad)?;
            refused("rename", driver.rename("/b", path), bad)?;
            refused("url_for", driver.url_for(path, &UrlOptions::new(Method::Get)), bad)?;
            equal(path, check_path(path).is_err(), true)?;
            if path != "/" {
                refused("stat", driver.stat(path), bad)?;
                refused("list", driver.list(path), bad)?;
                let mut visit = |_: &crate::driver::FileInfo| Ok(WalkStep::Continue);
                refused("walk", driver.walk(path, &WalkOptions::default(), &mut visit), bad)?;
            }
        }
    }

    /// A root directory, however it is written, is not part of any path, and hides everything
    /// outside of it.
    fn root_directories_are_not_part_of_paths(trial) {
        let Some(rooted) = &trial.options.rooted else {
            return Err(Stop::Skipped(
                "the suite was given no function that opens drivers with other root directories"
                    .to_owned(),
            ));
        };

        let name =
            format!("conformance-{:016x}", crate::clock::Clock::random(&crate::clock::SystemClock));
        let outside = rooted(&format!("{name}-outside"))?;
        outside.put_content("/outside", b"x")?;
        for root in
            [name.clone(), format!("/{name}"), format!("{name}/"), format!("/{name}/deeper/still/")]
        {
            let driver = rooted(&root)?;
            driver.put_content("/a/b", b"x")?;
            equal("what is in /", driver.list("/")?.contains(&"/a".to_owned()), true)?;
            equal("what is in /a", driver.list("/a")?, vec!["/a/b".to_owned()])?;
            let mut walked = Vec::new();
            driver.walk("/a", &WalkOptions::default(), &mut |info| {
                walked.push(info.path.clone());
                Ok(WalkStep::Continue)
            })?;
            equal("a walk of /a", walked, vec!["/a/b".to_owned()])?;
            equal("whether /outside is visible", driver.stat("/outside").is_ok(), false)?;
            for outer in ["", "/"] {
                let all = rooted(outer)?;
                let listed = all.list("/")?;
                equal(
                    "whether the root's root directory is listed",
                    listed.contains(&format!("/{name}")),
                    true,
                )?;
                if let Some(bad) = listed.iter().find(|path| check_path(path).is_err()) {
                    return Err(super::trial::failed(
                        "legal paths in the list of the root",
                        bad.clone(),
                    ));
                }

                let below = format!("/{}/a/b", root.trim_matches('/'));
                equal("the file seen from the root", all.get_content(&below)?, b"x".to_vec())?;
            }

            driver.delete("/a")?;
        }

        equal("the file outside of the root", outside.get_content("/outside")?, b"x".to_vec())?;
        outside.delete("/outside")?;
    }
}
