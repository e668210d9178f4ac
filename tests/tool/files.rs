//! Tests of `cp` in all directions.

use crate::checks;
use crate::ending::{signal, wait_until};
use crate::rig::{Rig, Run, text};
use crate::stalling::Stalling;
use crate::support;
use crate::support::content::bytes;
use std::fs;

/// The size of an object with several parts of 5 MiB.
const LARGE: usize = 12 << 20;

checks! {
    fn cp_uploads_downloads_and_copies(target) {
        let rig = Rig::new(target, "cp");
        for (name, size) in [("small", 100), ("large", LARGE), ("empty", 0)] {
            let content = bytes(2, 0, size);
            let file = rig.file(name, &content);
            let line = rig.json(&["cp", &file, &rig.url("")]).remove(0);
            assert_eq!(line["bytes"], size);
            assert_eq!(line["target"], rig.url(name));
            assert_eq!(rig.get(name), content, "{name}");

            rig.ok(&["cp", &rig.url(name), &rig.url("copies/")]);
            assert_eq!(rig.get(&format!("copies/{name}")), content, "{name}");

            let back = rig.path("back").join(name);
            rig.ok(&["cp", &rig.url(name), back.to_str().unwrap()]);
            assert_eq!(fs::read(&back).unwrap(), content, "{name}");
            rig.ok(&["cp", &rig.url(name), rig.path("back").to_str().unwrap(), "--resume"]);
            assert_eq!(fs::read(&back).unwrap(), content, "{name}");
        }
        assert_eq!(rig.files(), ["back/empty", "back/large", "back/small", "empty", "large", "small"]);
        assert_eq!(rig.uploads(), 0);
    }

    fn cp_of_a_directory_keeps_its_structure(target) {
        let rig = Rig::new(target, "cpr");
        for (number, name) in ["tree/a", "tree/b/c", "tree/b/d e"].into_iter().enumerate() {
            rig.file(name, &bytes(number as u64, 0, 1000));
        }
        let tree = rig.path("tree");
        let error = rig.fails(2, &["cp", tree.to_str().unwrap(), &rig.url("t")]);
        assert!(error.contains("use -r"), "{error}");
        rig.ok(&["cp", "-r", tree.to_str().unwrap(), &rig.url("t")]);
        assert_eq!(rig.names(), ["t/a", "t/b/c", "t/b/d e"]);
        rig.put("tt", b"a neighbour");
        rig.ok(&["cp", "-r", &rig.url("t"), &rig.url("u")]);
        assert_eq!(rig.names(), ["t/a", "t/b/c", "t/b/d e", "tt", "u/a", "u/b/c", "u/b/d e"]);
        let back = rig.path("back");
        rig.ok(&["cp", "-r", &rig.url("u"), back.to_str().unwrap()]);
        for name in ["a", "b/c", "b/d e"] {
            assert_eq!(fs::read(back.join(name)).unwrap(), fs::read(tree.join(name)).unwrap());
        }
        rig.fails(2, &["cp", "-r", &rig.url("t"), &rig.url("t/inside")]);
        rig.fails(2, &["cp", &rig.url("t/a"), &rig.url("t/a")]);
        let error = rig.fails(2, &["cp", "here", "there"]);
        assert!(error.contains("here and there are both on this machine"), "{error}");
        rig.fails(3, &["cp", &rig.url("none"), back.to_str().unwrap()]);
        rig.fails(3, &["cp", rig.path("none").to_str().unwrap(), &rig.url("x")]);
    }

    fn mv_removes_its_source_when_the_copy_is_complete(target) {
        let rig = Rig::new(target, "mv");
        let content = bytes(8, 0, LARGE);
        let file = rig.file("x", &content);
        rig.ok(&["mv", &file, &rig.url("a/x")]);
        assert_eq!((rig.files(), rig.names()), (vec![], vec!["a/x".to_owned()]));
        rig.ok(&["mv", &rig.url("a/x"), &rig.url("b")]);
        assert_eq!(rig.names(), ["b"]);
        rig.ok(&["mv", &rig.url("b"), &file]);
        assert_eq!(rig.names(), [""; 0]);
        assert_eq!(fs::read(&file).unwrap(), content);
        for name in ["t/1", "t/2/3", "tt"] {
            rig.put(name, name.as_bytes());
        }
        rig.ok(&["mv", "-r", &rig.url("t"), &rig.url("u/")]);
        assert_eq!(rig.names(), ["tt", "u/1", "u/2/3"]);
        rig.fails(3, &["mv", &rig.url("t"), &rig.url("v")]);
    }

    fn sync_copies_what_differs_and_removes_only_when_asked(target) {
        let rig = Rig::new(target, "sync");
        for name in ["s/1", "s/2/3", "s/4"] {
            rig.file(name, &bytes(1, 0, 100));
        }
        let folder = text(&rig.path("s"));
        let copied = |lines: Vec<serde_json::Value>| lines.len();
        assert_eq!(copied(rig.json(&["sync", &folder, &rig.url("t")])), 3);
        assert_eq!(copied(rig.json(&["sync", &folder, &rig.url("t")])), 0);
        rig.file("s/1", &bytes(2, 0, 101));
        fs::remove_file(rig.path("s/4")).unwrap();
        let planned = rig.json(&["sync", &folder, &rig.url("t"), "--delete", "--dry-run"]);
        let actions: Vec<_> = planned.iter().map(|line| line["action"].clone()).collect();
        assert_eq!(actions, ["would copy", "would remove"]);
        assert_eq!(copied(rig.json(&["sync", &folder, &rig.url("t")])), 1);
        assert_eq!(rig.names(), ["t/1", "t/2/3", "t/4"]);
        rig.ok(&["sync", &folder, &rig.url("t"), "--delete"]);
        assert_eq!(rig.names(), ["t/1", "t/2/3"]);
        assert_eq!(rig.get("t/1"), bytes(2, 0, 101));

        rig.ok(&["sync", &rig.url("t"), &rig.url("u")]);
        let back = text(&rig.path("back"));
        assert_eq!(copied(rig.json(&["sync", &rig.url("u"), &back])), 2);
        assert_eq!(copied(rig.json(&["sync", &rig.url("u"), &back])), 0);
        assert_eq!(rig.files(), ["back/1", "back/2/3", "s/1", "s/2/3"]);
        rig.fails(3, &["sync", &rig.url("none"), &back]);
        rig.fails(2, &["sync", &folder, &back]);
    }
}

#[test]
fn a_key_that_leads_out_of_the_target_is_refused() {
    let target = support::target::Target::all().remove(0);
    if target.embedded.is_none() {
        return;
    }
    let rig = Rig::new(&target, "out");
    rig.put("t/../../../evil", b"x");
    let folder = rig.path("in");
    let error = rig.fails(2, &["cp", "-r", &rig.url("t"), folder.to_str().unwrap()]);
    assert!(error.contains("cannot be a file below"), "{error}");
    assert_eq!(rig.files(), [""; 0]);
}

/// As root, a rename over `/dev/null` would replace it for every program.
#[cfg(unix)]
#[test]
fn a_download_replaces_neither_a_pipe_nor_a_device() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let target = support::target::Target::all().remove(0);
    if target.embedded.is_none() {
        return;
    }
    let rig = Rig::new(&target, "special");
    rig.put("d/pipe", b"content");
    let pipe = rig.path("to/pipe");
    fs::create_dir(rig.path("to")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let link = rig.path("link");
    symlink(&pipe, &link).unwrap();
    let (from, to) = (rig.url("d/pipe"), text(&rig.path("to")));
    for arguments in [
        vec!["cp", &from, &text(&pipe)],
        vec!["cp", &from, &text(&pipe), "--resume"],
        vec!["cp", &from, &text(&link)],
        vec!["mv", &from, &text(&pipe)],
        vec!["cp", "-r", &rig.url("d"), &to],
        vec!["sync", &rig.url("d"), &to],
    ] {
        let run = rig.run(&arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        let is_left = fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo();
        assert!(is_left && link.is_symlink(), "{arguments:?}");
    }
    let error = rig.fails(2, &["cp", &from, &text(&pipe)]);
    assert!(error.contains("is not a regular file") && error.contains("target is -"), "{error}");
    assert_eq!(rig.names(), ["d/pipe"]);

    // A link to a file is replaced, and the file stays.
    let [file, link] = ["file", "to-file"].map(|name| rig.path(name));
    fs::write(&file, b"old").unwrap();
    symlink(&file, &link).unwrap();
    rig.ok(&["cp", &from, &text(&link)]);
    assert!(!link.is_symlink());
    assert_eq!(
        (fs::read(&link).unwrap(), fs::read(&file).unwrap()),
        (b"content".to_vec(), b"old".to_vec())
    );
}

#[test]
fn a_download_continues_where_it_ended() {
    let target = support::target::Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "resume");
    let content = bytes(3, 0, LARGE);
    rig.put("x", &content);
    let file = rig.path("x");
    let slow = Stalling::start(server.address(), 4 << 20);
    let (url, path) = (rig.url("x"), text(&file));
    let mut command = rig.bare();
    // One connection, so that the bytes that pass the relay are the first bytes of the file.
    let download = ["cp", &url, &path, "--resume", "-o", "concurrency=1"];
    command.args(download).args(["--endpoint", &slow.url(), "--region", &target.region]);
    let child = command.spawn().unwrap();
    let arrived = || {
        let name = rig.files().into_iter().find(|name| name.ends_with(".part"))?;
        Some(fs::metadata(rig.path(&name)).ok()?.len()).filter(|length| *length > 3 << 20)
    };
    wait_until("bytes have arrived", || arrived().is_some());
    signal(&child, "INT");
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!((run.code, &*run.stderr), (Some(130), "s3driver: interrupted\n"));
    let kept = arrived().expect("what had arrived");
    assert!(kept < LARGE as u64 && !file.exists());

    // The second attempt requests only the rest of the file.
    let rest = Stalling::start(server.address(), LARGE as u64 - kept + (64 << 10));
    let mut command = rig.bare();
    command.args(download).args(["--endpoint", &rest.url(), "--region", &target.region]);
    let run = Run::of(command.output().unwrap());
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    assert_eq!(fs::read(&file).unwrap(), content);
    assert_eq!(rig.files(), ["x"]);
}

#[test]
fn another_version_of_an_object_begins_again() {
    let target = support::target::Target::all().remove(0);
    if target.embedded.is_none() {
        return;
    }
    let rig = Rig::new(&target, "versions");
    let file = text(&rig.path("x"));
    for version in 0..3 {
        let content = bytes(version, 0, 6 << 20);
        rig.put("x", &content);
        rig.ok(&["cp", &rig.url("x"), &file, "--resume"]);
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    assert_eq!(rig.files(), ["x"]);
}
