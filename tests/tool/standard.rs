//! Tests of `cp` with the standard input and the standard output.

use crate::checks;
use crate::ending::{signal, wait_until};
use crate::rig::{Rig, Run};
use crate::support::content::bytes;
use crate::support::target::Target;
use std::io::Write;
use std::process::{Command, Stdio};

/// Starts a command with a pipe as its standard input.
fn piped(mut command: Command) -> std::process::Child {
    command.stdin(Stdio::piped()).spawn().expect("a process")
}

checks! {
    fn the_standard_input_becomes_an_object_and_an_object_the_standard_output(target) {
        let rig = Rig::new(target, "streams");
        for (name, size) in [("empty", 0), ("small", 1000), ("exact", 5 << 20), ("large", 12 << 20)] {
            let content = bytes(11, 0, size);
            let mut child = piped(rig.command(&["cp", "-", &rig.url(name)]));
            let mut input = child.stdin.take().unwrap();
            // Pieces of a size that divides neither parts nor blocks.
            for piece in content.chunks(100_003) {
                input.write_all(piece).unwrap();
            }
            drop(input);
            let run = Run::of(child.wait_with_output().unwrap());
            assert_eq!((run.code, &*run.stderr), (Some(0), ""));
            assert_eq!(run.stdout, format!("- -> {}\n", rig.url(name)));
            assert!(rig.get(name) == content, "{name}");

            let output = rig.command(&["cp", &rig.url(name), "-"]).output().unwrap();
            assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
            assert!(output.stdout == content, "{name}");
        }
        assert_eq!(rig.uploads(), 0);
        rig.fails(3, &["cp", &rig.url("none"), "-"]);
        for arguments in [
            ["cp", "-", &rig.url("")],
            ["cp", "-", "-"],
            ["cp", "-", "file"],
            ["cp", "file", "-"],
            ["mv", "-", &rig.url("x")],
            ["mv", &rig.url("small"), "-"],
            ["sync", "-", &rig.url("x")],
            ["sync", &rig.url("x"), "-"],
        ] {
            rig.fails(2, &arguments);
        }
        rig.fails(2, &["cp", "-r", "-", &rig.url("x")]);
        rig.fails(2, &["cp", "-r", &rig.url("x"), "-"]);
        assert_eq!(rig.names(), ["empty", "exact", "large", "small"]);
    }
}

/// An interruption while the tool waits for its standard input ends it at once, and leaves nothing.
#[test]
fn an_interrupted_standard_input_leaves_nothing() {
    let target = Target::all().remove(0);
    let Some(server) = &target.embedded else { return };
    let rig = Rig::new(&target, "stop");
    let mut child = piped(rig.command(&["cp", "-", &rig.url("x")]));
    let mut input = child.stdin.take().unwrap();
    input.write_all(&bytes(1, 0, 12 << 20)).unwrap();
    wait_until("an upload has begun", || !server.open_uploads(&target.bucket).is_empty());
    signal(&child, "INT");
    let run = Run::of(child.wait_with_output().unwrap());
    drop(input);
    assert_eq!((run.code, &*run.stderr), (Some(130), "s3driver: interrupted\n"));
    assert_eq!((rig.uploads(), rig.names()), (0, vec![]));
}
