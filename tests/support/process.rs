//! A test's own program once more, as a process of its own: to be killed, or to be measured.

use std::env;
use std::process::{Child, Command, Stdio};

/// Set for a process that has something to do: its words, one a line.
const ORDER: &str = "S3DRIVER_TEST_ORDER";

/// Starts this program again, to run only the test called `test`, which finds `words` in [`order`].
///
/// # Panics
/// When no process can be started.
pub fn start(test: &str, words: &[&str]) -> Child {
    Command::new(env::current_exe().expect("this program's path"))
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(ORDER, words.join("\n"))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("another process")
}

/// What this process was started for; none in the process that was not.
pub fn order() -> Option<Vec<String>> {
    Some(env::var(ORDER).ok()?.split('\n').map(str::to_owned).collect())
}
