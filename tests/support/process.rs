//! Runs the test's own program again as a separate process, in order to kill or measure it.

use std::process::{Child, Command, Stdio};
use std::{env, fs};

/// Set in a process that was started for a purpose: its words, one per line.
const ORDER: &str = "S3DRIVER_TEST_ORDER";

/// Starts this program again so that it runs only `test`, which receives `words` from [`order`].
/// `test` is the name with its modules, as `--list` prints it.
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

/// Runs a check in a separate process, which does nothing else. `test` is the test that calls this
/// function.
///
/// # Panics
/// If the check fails in that process.
pub fn alone(test: &str, check: impl FnOnce()) {
    if order().is_some() {
        return check();
    }
    let ran = command(test, &["alone"]).output().expect("another process");
    let output = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && output.contains("1 passed"),
        "{test}: {}\n{output}",
        ran.status
    );
}

/// Returns a figure of this process from `/proc/self/status`, such as `VmHWM`, its peak memory, in
/// bytes.
///
/// # Panics
/// If the system does not report the figure.
pub fn memory(figure: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).expect("a figure in kB");
    kibibytes.parse::<usize>().expect("a number") << 10
}

/// Returns the words that this process was started with, or `None` in the original process.
pub fn order() -> Option<Vec<String>> {
    Some(env::var(ORDER).ok()?.split('\n').map(str::to_owned).collect())
}
