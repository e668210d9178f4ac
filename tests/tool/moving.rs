//! Tests of `mv`, `cp -r` and `sync` where they could lose an object: directories that contain each
//! other, and sources that another program changes.

use crate::checks;
use crate::interposed::Interposed;
use crate::rig::{Rig, Run, text};
use crate::support::content::bytes;
use crate::support::target::Target;
use s3driver::client::ObjectSettings;
use std::fs;
use std::time::SystemTime;

checks! {
    fn a_copy_that_would_lie_in_the_copied_directory_is_refused_before_the_first_copy(target) {
        let rig = Rig::new(target, "overlap");
        let keys = ["a/a/0", "a/a/a/x", "a/a/x"];
        for key in keys {
            rig.put(key, key.as_bytes());
        }
        for command in ["mv", "cp"] {
            for up in ["a", "a/"] {
                let error = rig.fails(2, &[command, "-r", &rig.url("a/a"), &rig.url(up)]);
                assert!(error.contains("would lie below"), "{error}");
            }
            let error = rig.fails(2, &[command, "-r", &rig.url("a"), &rig.url("a/b")]);
            assert!(error.contains("would lie below"), "{error}");
        }
        assert_eq!(rig.names(), keys);
        for key in keys {
            assert_eq!(rig.get(key), key.as_bytes(), "{key}");
        }
        // Without such a copy, a directory can be moved up.
        rig.put("up/b/c", b"1");
        rig.put("up/b/d/e", b"2");
        rig.ok(&["mv", "-r", &rig.url("up/b"), &rig.url("up")]);
        assert_eq!((rig.get("up/c"), rig.get("up/d/e")), (b"1".to_vec(), b"2".to_vec()));
        assert_eq!(rig.names(), ["a/a/0", "a/a/a/x", "a/a/x", "up/c", "up/d/e"]);
    }

    fn sync_refuses_directories_that_contain_each_other(target) {
        let rig = Rig::new(target, "nested");
        let keys = ["a/b/1", "a/b/b/2", "a/c"];
        for key in keys {
            rig.put(key, key.as_bytes());
        }
        for (from, to) in [("a/b", "a"), ("a", "a/b"), ("a/", "a/b/"), ("a", "a")] {
            let (from, to) = (rig.url(from), rig.url(to));
            for more in [&[][..], &["--delete"], &["--dry-run"]] {
                let arguments = [&["sync", &from, &to], more].concat();
                let error = rig.fails(2, &arguments);
                assert!(error.contains("contains the other"), "{error}");
            }
        }
        assert_eq!(rig.names(), keys);
        rig.ok(&["sync", &rig.url("a/b"), &rig.url("a/bb"), "--delete"]);
        assert_eq!(rig.names(), ["a/b/1", "a/b/b/2", "a/bb/1", "a/bb/b/2", "a/c"]);
    }

    fn a_directory_without_an_object_is_not_found(target) {
        let rig = Rig::new(target, "empty");
        rig.put("present/x", b"x");
        for command in ["cp", "mv"] {
            for other in [text(&rig.path("to")), rig.url("to")] {
                for name in ["typo/", "typo", "presen"] {
                    let error = rig.fails(3, &[command, "-r", &rig.url(name), &other]);
                    assert!(error.contains("nothing is stored at s3://"), "{error}");
                }
            }
        }
        // An empty directory on this machine has nothing to copy.
        fs::create_dir(rig.path("folder")).unwrap();
        let folder = text(&rig.path("folder"));
        assert_eq!(rig.ok(&["cp", "-r", &folder, &rig.url("to")]), "");
        assert_eq!(rig.names(), ["present/x"]);
        assert!(!rig.path("to").exists());
    }
}

/// Runs `mv` with these arguments. Calls `act` when the server has responded to the request that
/// begins with `start`, before the tool receives that response.
fn moved(
    rig: &Rig<'_>,
    arguments: &[&str],
    start: String,
    act: impl Fn() + Send + Sync + 'static,
) -> Run {
    let server = rig.target.embedded.as_ref().expect("the embedded server");
    let relay = Interposed::start(server.address(), start, act);
    let mut command = rig.bare();
    command.arg("mv").args(arguments);
    command.args(["--endpoint", &relay.url(), "--region", &rig.target.region]);
    Run::of(command.output().expect("a process"))
}

#[test]
fn an_object_that_is_replaced_while_it_is_moved_is_kept() {
    let target = Target::all().remove(0);
    if target.embedded.is_none() {
        return;
    }
    let rig = Rig::new(&target, "replaced");
    let (old, new) = (bytes(1, 0, 1000), bytes(2, 0, 1000));
    let key = |name: &str| format!("/{}/{}", target.bucket, rig.key(name));
    let replace = || {
        let (client, bucket) = (rig.client.clone(), target.bucket.clone());
        let (key, content) = (rig.key("x"), new.clone());
        move || {
            client.put_object(&bucket, &key, &content, &ObjectSettings::default()).unwrap();
        }
    };
    let conflict = |run: Run| {
        assert_eq!((run.code, &*run.stdout), (Some(1), ""), "{}", run.stderr);
        assert!(run.stderr.contains("was replaced while it was being moved"), "{}", run.stderr);
        assert_eq!(rig.get("x"), new);
    };

    rig.put("x", &old);
    conflict(moved(&rig, &[&rig.url("x"), &rig.url("y")], format!("PUT {}", key("y")), replace()));
    assert_eq!(rig.get("y"), old);

    rig.put("x", &old);
    let file = text(&rig.path("file"));
    conflict(moved(&rig, &[&rig.url("x"), &file], format!("GET {}", key("x")), replace()));
    assert_eq!(fs::read(&file).unwrap(), old);

    // Without another program, the source is removed.
    let run = moved(&rig, &[&rig.url("x"), &file], "none".to_owned(), || {});
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    assert_eq!((rig.names(), fs::read(&file).unwrap()), (vec!["y".to_owned()], new.clone()));
}

#[test]
fn a_file_that_changes_while_it_is_moved_is_kept() {
    let target = Target::all().remove(0);
    if target.embedded.is_none() {
        return;
    }
    let rig = Rig::new(&target, "rewritten");
    let content = bytes(1, 0, 1000);
    let file = rig.file("file", &content);
    let start = format!("PUT /{}/{}", target.bucket, rig.key("x"));
    let path = rig.path("file");
    // Different content would be noticed by its MD5, as long as the response has not arrived.
    let touch = move || {
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    };
    let run = moved(&rig, &[&file, &rig.url("x")], start, touch);
    assert_eq!((run.code, &*run.stdout), (Some(1), ""), "{}", run.stderr);
    assert!(run.stderr.contains("changed while it was being moved"), "{}", run.stderr);
    assert_eq!((fs::read(&file).unwrap(), rig.get("x")), (content.clone(), content));
}
