//! Runs the test's own program again as a separate process, in order to kill or measure it.

use std::env;
use std::process::{Child, Command, Stdio};

/// Set in a process that was started for a purpose: its words, one per line.
const ORDER: &str = "S3DRIVER_TEST_ORDER";

/// Starts this program again so that it runs only the test called `test`, which receives `words`
/// from [`order`].
///
/// # Panics
/// If the process cannot be started.
pub fn start(test: &str, words: &[&str]) -> Child {
    command(test, words).spawn().expect("another process")
}

/// Returns the command that [`start`] runs. Its output is captured, and its errors are shown.
///
/// # Panics
/// If the path of this program is unknown.
pub fn command(test: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program's path"));
    command
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(ORDER, words.join("\n"))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

/// Returns the words that this process was started with, or `None` in the original process.
pub fn order() -> Option<Vec<String>> {
    Some(env::var(ORDER).ok()?.split('\n').map(str::to_owned).collect())
}
