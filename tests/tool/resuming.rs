//! Tests of uploads that end in the middle, and of the commands that continue them.

use crate::ending::{signal, wait_until};
use crate::rig::{Rig, Run, text};
use crate::support::Server;
use crate::support::content::bytes;
use crate::support::target::Target;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The size of a file with four parts.
const SIZE: usize = 18 << 20;

/// The number of parts of that file.
const PARTS: u64 = 4;

/// Returns the files with tokens below the directory for state.
fn tokens(rig: &Rig<'_>) -> Vec<PathBuf> {
    let folder = rig.path(".local/state/s3driver/uploads");
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Starts an upload with one part at a time, and ends it with a signal when two parts are stored.
fn ended_by(signal_name: &str, rig: &Rig<'_>, server: &Server, file: &str, more: &[&str]) -> Run {
    server.delay(Duration::from_millis(200));
    let before = server.count("UploadPart");
    let child = rig.start(&[&["cp", file, &rig.url("x"), "-o", "concurrency=1"], more].concat());
    wait_until("two parts are stored", || server.count("UploadPart") >= before + 3);
    signal(&child, signal_name);
    let run = Run::of(child.wait_with_output().unwrap());
    server.delay(Duration::ZERO);
    run
}

#[test]
fn a_killed_upload_is_continued_by_the_next_command() {
    let target = Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "killed");
    let content = bytes(7, 0, SIZE);
    let file = rig.file("x", &content);
    let run = ended_by("KILL", &rig, server, &file, &[]);
    assert_eq!(run.code, None);
    assert_eq!(rig.uploads(), 1);
    let stored = tokens(&rig);
    assert_eq!(stored.len(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&stored[0]) & 0o777, 0o600);
        assert_eq!(mode(stored[0].parent().unwrap()) & 0o777, 0o700);
    }
    let token = fs::read_to_string(&stored[0]).unwrap();
    assert!(!token.contains(&target.secret_key), "{token}");

    // Another target begins its own upload.
    rig.ok(&["cp", &file, &rig.url("other")]);
    assert_eq!((rig.uploads(), tokens(&rig)), (1, stored));

    let (begun, sent) = (server.count("CreateMultipartUpload"), server.count("UploadPart"));
    rig.ok(&["cp", &file, &rig.url("x")]);
    assert_eq!(server.count("CreateMultipartUpload"), begun);
    assert!(server.count("UploadPart") - sent <= PARTS - 2, "the stored parts are not sent again");
    assert!(rig.get("x") == content);
    assert_eq!((rig.uploads(), tokens(&rig).len()), (0, 0));
}

#[test]
fn a_file_that_changed_after_the_kill_is_uploaded_as_it_is() {
    let target = Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "changed");
    let file = rig.file("x", &bytes(7, 0, SIZE));
    ended_by("KILL", &rig, server, &file, &[]);
    let mut content = bytes(7, 0, SIZE);
    content[0] ^= 1;
    content.truncate(SIZE - 1);
    rig.file("x", &content);
    rig.ok(&["cp", &file, &rig.url("x")]);
    assert!(rig.get("x") == content);
    assert_eq!((rig.uploads(), tokens(&rig).len()), (0, 0));
}

#[test]
fn a_token_whose_upload_is_gone_is_replaced() {
    let target = Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "gone");
    let content = bytes(7, 0, SIZE);
    let file = rig.file("x", &content);
    ended_by("KILL", &rig, server, &file, &[]);
    rig.ok(&["uploads", "abort", &rig.url("x"), "--older-than", "0s"]);
    rig.ok(&["cp", &file, &rig.url("x")]);
    assert!(rig.get("x") == content);
    assert_eq!((rig.uploads(), tokens(&rig).len()), (0, 0));

    // A file that is not a token is replaced as well.
    ended_by("KILL", &rig, server, &file, &[]);
    fs::write(&tokens(&rig)[0], "{").unwrap();
    rig.ok(&["cp", &file, &rig.url("x")]);
    assert_eq!(tokens(&rig).len(), 0);
    rig.ok(&["uploads", "abort", &rig.url("x"), "--older-than", "0s"]);
}

#[test]
fn an_interruption_leaves_nothing_even_with_resume() {
    let target = Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "interrupted");
    let file = rig.file("x", &bytes(7, 0, SIZE));
    for more in [&[][..], &["--resume"]] {
        let run = ended_by("INT", &rig, server, &file, more);
        assert_eq!((run.code, &*run.stderr), (Some(130), "s3driver: interrupted\n"));
        assert_eq!((rig.uploads(), tokens(&rig).len()), (0, 0), "{more:?}");
    }
}

#[test]
fn an_upload_that_cannot_be_begun_leaves_no_token_and_one_that_cannot_be_aborted_leaves_its() {
    let target = Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "refused");
    let file = rig.file("x", &bytes(7, 0, SIZE));
    let cp = ["cp", &file, &rig.url("x"), "-o", "concurrency=1"];
    server.fail_next("CreateMultipartUpload", 403, "AccessDenied", 1);
    rig.fails(4, &cp);
    assert_eq!((rig.uploads(), tokens(&rig).len()), (0, 0));

    server.fail_next("CompleteMultipartUpload", 403, "AccessDenied", 1);
    server.fail_next("AbortMultipartUpload", 403, "AccessDenied", 1);
    rig.fails(4, &cp);
    assert_eq!((rig.uploads(), tokens(&rig).len()), (1, 1));
    rig.ok(&cp);
    assert_eq!((rig.uploads(), tokens(&rig).len()), (0, 0));
}

#[test]
fn a_failed_upload_is_kept_only_with_resume() {
    let target = Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "failed");
    let content = bytes(7, 0, SIZE);
    let file = rig.file("x", &content);
    let cp = ["cp", &file, &rig.url("x"), "-o", "concurrency=1"];
    let refuse = || server.fail_next("CompleteMultipartUpload", 403, "AccessDenied", 1);
    refuse();
    rig.fails(4, &cp);
    assert_eq!((rig.uploads(), tokens(&rig).len()), (0, 0));

    refuse();
    rig.fails(4, &[&cp[..], &["--resume"]].concat());
    assert_eq!((rig.uploads(), tokens(&rig).len()), (1, 1));
    let sent = server.count("UploadPart");
    rig.ok(&cp);
    assert_eq!(server.count("UploadPart"), sent, "every part was stored");
    assert!(rig.get("x") == content);
    assert_eq!((rig.uploads(), tokens(&rig).len()), (0, 0));
}

#[test]
fn without_a_directory_for_state_an_upload_works_as_well() {
    let target = Target::all().remove(0);
    if target.embedded.is_none() {
        return;
    }
    let rig = Rig::new(&target, "stateless");
    let content = bytes(7, 0, SIZE);
    let file = rig.file("x", &content);
    let occupied = rig.file("occupied", b"not a directory");
    for state in [None, Some(&*occupied)] {
        let mut command = rig.command(&["cp", &file, &rig.url("x")]);
        command.env_remove("HOME");
        command.envs(state.map(|path| ("XDG_STATE_HOME", path)));
        let run = Run::of(command.output().unwrap());
        assert_eq!((run.code, &*run.stderr), (Some(0), ""));
        assert!(rig.get("x") == content);
    }
    // The oldest tokens are removed.
    let folder = rig.path("state/s3driver/uploads");
    fs::create_dir_all(&folder).unwrap();
    for number in 0..300 {
        fs::write(folder.join(format!("{number}.json")), "").unwrap();
    }
    let mut command = rig.command(&["cp", &file, &rig.url("x")]);
    let state = text(&rig.path("state"));
    let run = Run::of(command.env("XDG_STATE_HOME", state).output().unwrap());
    assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    assert_eq!(fs::read_dir(folder).unwrap().count(), 255);
}
