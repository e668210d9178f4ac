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
    command(test, words).spawn().expect("another process")
}

/// The same before it is started. Its output is to be read, its errors are shown.
///
/// # Panics
/// When the path of this program is not known.
pub fn command(test: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program's path"));
    command
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(ORDER, words.join("\n"))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

/// What this process was started for; none in the process that was not.
pub fn order() -> Option<Vec<String>> {
    Some(env::var(ORDER).ok()?.split('\n').map(str::to_owned).collect())
}
