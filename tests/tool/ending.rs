//! Tests of how the tool ends: exit codes, errors, closed pipes and signals.

use crate::checks;
use crate::rig::{Rig, Run};
use crate::support::content::bytes;
use crate::support::target::Target;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any wait in these tests takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

checks! {
    fn every_kind_of_failure_has_its_exit_code_and_its_json(target) {
        let rig = Rig::new(target, "codes");
        let none = rig.url("none");
        for (code, kind, arguments) in [
            (2, None, vec!["ls"]),
            (2, None, vec!["copy", "a", "b"]),
            (2, None, vec!["ls", "--config", "/nowhere/config.yml", &none]),
            (3, Some("NoSuchKey"), vec!["stat", &none]),
            (3, Some("NoSuchBucket"), vec!["ls", "s3://no-such-bucket-here/"]),
            (2, Some("UnknownOption"), vec!["ls", &none, "-o", "regionendpiont=x"]),
            (2, Some("Configuration"), vec!["ls", &none, "-o", "maxretries=many"]),
            (2, Some("Configuration"), vec!["ls", "s3://A/"]),
            (6, Some("Connect"), vec!["ls", &none, "-o", "proxy=http://127.0.0.1:1", "-o", "maxretries=0"]),
        ] {
            // A configuration file that does not exist counts as not found.
            let code = if arguments.contains(&"--config") { 3 } else { code };
            let run = rig.run(&arguments);
            assert_eq!((run.code, &*run.stdout), (Some(code), ""), "{arguments:?}: {}", run.stderr);
            assert!(!run.stderr.contains('\x1b'), "{}", run.stderr);
            let Some(kind) = kind else { continue };
            let run = rig.run(&[&arguments[..], &["--json"]].concat());
            let error: Value = serde_json::from_str(&run.stderr).expect("JSON");
            assert_eq!(error["error"]["kind"], kind, "{error}");
            assert_eq!(error["error"]["exit_code"], code, "{error}");
            assert!(error["error"]["message"].as_str().is_some_and(|text| text.len() > 10));
        }
    }

    fn refused_keys_and_missing_keys_end_with_4(target) {
        let rig = Rig::new(target, "keys");
        let mut wrong = rig.command(&["ls", &rig.url("")]);
        let run = Run::of(wrong.env("AWS_SECRET_ACCESS_KEY", "another/secret").output().unwrap());
        assert_eq!(run.code, Some(4), "{}", run.stderr);
        assert!(!run.stderr.contains("another"), "{}", run.stderr);
        let mut without = rig.command(&["ls", &rig.url("")]);
        without.env_remove("AWS_ACCESS_KEY_ID").env("AWS_EC2_METADATA_DISABLED", "true");
        let run = Run::of(without.output().unwrap());
        assert_eq!(run.code, Some(4), "{}", run.stderr);
        assert!(!run.stderr.contains(&*target.secret_key), "{}", run.stderr);
    }

    fn a_reader_that_leaves_ends_the_tool_in_silence(target) {
        let rig = Rig::new(target, "pipe");
        rig.put("x", &bytes(4, 0, 4 << 20));
        let mut child = rig.start(&["cat", &rig.url("x")]);
        let mut first = [0; 8];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        drop(child.stdout.take());
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!((run.code, &*run.stderr), (Some(0), ""));

        for number in 0..3 {
            rig.put(&format!("names/{number}"), b"x");
        }
        let mut child = rig.start(&["ls", "-r", &rig.url("names")]);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!((run.code, &*run.stderr), (Some(0), ""));
    }
}

/// The number of files whose lines fill the buffer of the output several times.
const MANY: usize = 250;

checks! {
    fn a_command_that_changes_something_finishes_without_a_reader(target) {
        let rig = Rig::new(target, "head");
        let without_reader = |arguments: &[&str]| {
            let mut child = rig.start(arguments);
            drop(child.stdout.take());
            let run = Run::of(child.wait_with_output().unwrap());
            assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{arguments:?}");
        };
        for number in 0..MANY {
            rig.file(&format!("from/{number:03}"), b"x");
        }
        let from = crate::rig::text(&rig.path("from"));
        let to = crate::rig::text(&rig.path("to"));
        without_reader(&["cp", "-r", &from, &rig.url("a")]);
        assert_eq!(rig.names().len(), MANY);
        without_reader(&["mv", "-r", &rig.url("a"), &rig.url("b")]);
        assert!(rig.names().len() == MANY && rig.names().iter().all(|name| name.starts_with("b/")));
        without_reader(&["sync", &rig.url("b"), &to]);
        assert_eq!(rig.files().len(), 2 * MANY);
        without_reader(&["rm", "-r", &rig.url("b")]);
        assert_eq!(rig.names().len(), 0);
        for number in 0..MANY / 2 {
            let key = rig.key(&format!("uploads-{number}"));
            let settings = s3driver::client::ObjectSettings::default();
            rig.client.create_multipart_upload(&target.bucket, &key, &settings).unwrap();
        }
        without_reader(&["uploads", "abort", &rig.url(""), "--older-than", "0s"]);
        assert_eq!(rig.uploads(), 0);
    }
}

/// Text that a server chose neither controls the terminal nor deceives the reader.
#[test]
fn keys_in_paths_and_in_json_are_escaped() {
    let target = Target::all().remove(0);
    if target.embedded.is_none() {
        return;
    }
    let rig = Rig::new(&target, "escape");
    let name = "a\u{1b}[2Jb\u{202e}\u{9b}c\u{2028}";
    rig.put(&format!("t/{name}/x"), b"x");
    // The file is in the way of a folder.
    rig.file(&format!("to/{name}"), b"x");
    let to = crate::rig::text(&rig.path("to"));
    let (url, object) = (rig.url("t"), rig.url(&format!("t/{name}/x")));
    let upload_key = rig.key("u\u{202e}\u{9b}");
    let id = rig
        .client
        .create_multipart_upload(&target.bucket, &upload_key, &Default::default())
        .unwrap();
    for arguments in [
        vec!["cp", "-r", &url, &to],
        vec!["cp", "-r", &url, &to, "--json"],
        vec!["ls", "-r", &url],
        vec!["ls", "-r", &url, "--json"],
        vec!["stat", &object, "--json"],
        vec!["stat", &format!("{object}?")],
        vec!["cp", &crate::rig::text(&rig.path(&format!("to/no{name}"))), &url],
        vec!["uploads", "list", &rig.url("")],
        vec!["ls", name],
    ] {
        let run = rig.run(&arguments);
        let output = run.stdout + &run.stderr;
        let is_plain = |c: char| c == '\n' || !c.is_control() && !"\u{202e}\u{2028}".contains(c);
        assert!(output.chars().all(is_plain), "{arguments:?}: {output:?}");
        assert!(
            arguments[0] == "ls" && arguments.len() == 2 || output.contains("202e"),
            "{output}"
        );
    }
    let upload =
        s3driver::client::UploadRef { bucket: &target.bucket, key: &upload_key, upload_id: &id };
    rig.client.abort_multipart_upload(upload).unwrap();
    let listed = rig.json(&["ls", "-r", &url]);
    assert_eq!(listed[0]["key"], rig.key(&format!("t/{name}/x")));
}

/// An interruption while objects are being listed is not the end of the list.
#[test]
fn an_interrupted_listing_is_not_a_success() {
    let target = Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "listing");
    for name in ["t/1", "t/2"] {
        rig.put(name, b"x");
    }
    server.delay(Duration::from_millis(500));
    let to = crate::rig::text(&rig.path("to"));
    for arguments in [["cp", "-r", &rig.url("t/"), &to], ["mv", "-r", &rig.url("t/"), &to]] {
        let before = server.requests();
        let child = rig.start(&arguments);
        wait_until("the listing has begun", || server.requests() > before);
        signal(&child, "INT");
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!((run.code, &*run.stderr), (Some(130), "s3driver: interrupted\n"));
    }
    server.delay(Duration::ZERO);
    assert_eq!(rig.names(), ["t/1", "t/2"]);
}

/// A signal that arrives while parts are being uploaded leaves nothing on the server.
#[test]
fn an_interrupted_upload_leaves_nothing() {
    for name in ["INT", "TERM", "HUP"] {
        let target = Target::all().remove(0);
        let rig = Rig::new(&target, "signal");
        // The embedded server delays each response. A real server gets enough bytes to be busy for
        // more than a moment.
        let size = if let Some(server) = &target.embedded {
            server.delay(Duration::from_millis(200));
            40 << 20
        } else {
            400 << 20
        };
        let file = rig.file("x", &bytes(5, 0, size));
        let child = rig.start(&["cp", &file, &rig.url("x"), "-o", "concurrency=1"]);
        match &target.embedded {
            Some(server) => wait_until("an upload has begun", || {
                !server.open_uploads(&target.bucket).is_empty()
            }),
            None => wait_until("an upload has begun", || rig.uploads() > 0),
        }
        signal(&child, name);
        let run = Run::of(child.wait_with_output().unwrap());
        assert_eq!(
            (run.code, &*run.stdout, &*run.stderr),
            (Some(130), "", "s3driver: interrupted\n")
        );
        assert_eq!(rig.uploads(), 0, "{name}");
        assert_eq!(rig.names(), [""; 0], "{name}");
    }
}

#[test]
fn an_interrupted_download_leaves_nothing() {
    let target = Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "signal");
    rig.put("x", &bytes(6, 0, 12 << 20));
    let slow = crate::stalling::Stalling::start(server.address(), 4 << 20);
    let path = crate::rig::text(&rig.path("x"));
    let mut command = rig.bare();
    command.args(["cp", &rig.url("x"), &path]);
    command.args(["--endpoint", &slow.url(), "--region", &target.region]);
    let child = command.spawn().unwrap();
    wait_until("the download has begun", || !rig.files().is_empty());
    signal(&child, "INT");
    let run = Run::of(child.wait_with_output().unwrap());
    assert_eq!((run.code, &*run.stderr), (Some(130), "s3driver: interrupted\n"));
    assert_eq!(rig.files(), [""; 0]);
}
