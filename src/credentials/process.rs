//! Programs that print keys: `credential_process`.

use super::document::{Document, Members, Presence};
use super::http::DOCUMENT_LIMIT;
use super::{Context, Lease, Source, Unavailable};
use crate::clock::Clock;
use crate::text::{Form, shown_value};
use std::fmt;
use std::io::{self, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long the program may run by default. Some programs wait for a person, or for a remote
/// identity provider.
const DEADLINE: Duration = Duration::from_secs(60);

/// The maximum deadline, which is longer than any login takes.
const LONGEST_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// The interval at which the process is checked for its end.
const POLL: Duration = Duration::from_millis(10);

/// How long to wait for the output to close after the program has ended. Processes that the program
/// left running may hold it open.
const GRACE: Duration = Duration::from_millis(500);

/// The limit for threads that wait for open outputs, over all refreshes. Usually there is one for
/// each program that is running.
const MAX_READERS: usize = 32;

const MEMBERS: Members = Members {
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "SessionToken",
    expiration: "Expiration",
    session_members: Presence::Optional,
};

/// Keys that a program prints
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>).
///
/// The command is split at white space; quotes (`"` or `'`) keep words together. It is not run by a
/// shell: use `sh -c '...'` if you need one. The program does not receive any input, may run for 60
/// s by default, and may print at most 64 KiB. Its standard error is discarded, because it may
/// contain secrets.
///
/// The program runs in a separate process group, so it cannot read from a terminal. When it has
/// ended, the processes that it started and left in that group are killed; this works on Linux,
/// with the program `kill`. A daemon that has begun a session is left running.
pub struct Process {
    command: String,
    clock: Arc<dyn Clock>,
    deadline: Duration,
}

impl Process {
    /// Creates a source that runs `command` at each refresh.
    pub fn new(command: impl Into<String>, context: &Context) -> Self {
        Self { command: command.into(), clock: Arc::clone(context.clock()), deadline: DEADLINE }
    }

    /// Replaces the deadline, which is limited to one hour.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    fn output(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        let words = words(&self.command)?;
        let Some((program, arguments)) = words.split_first() else {
            return Err("the command is empty".to_owned());
        };

        let shown = shown_value(program, Form::Program);
        let ends = self.clock.instant() + self.deadline.min(LONGEST_DEADLINE);
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child =
            command.spawn().map_err(|error| format!("`{shown}` cannot be started: {error}"))?;
        Run { child, clock: &*self.clock, ends }.collect().map_err(|reason| match reason {
            RunError::Timeout => {
                format!("`{shown}` did not end within {} s", self.deadline.as_secs_f32())
            }
            RunError::Other(reason) => format!("`{shown}` {reason}"),
        })
    }
}

/// Shows no command, because its words may contain a secret.
impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Source for Process {
    fn name(&self) -> &'static str {
        "process"
    }

    fn fetch(&self) -> Result<Lease, Unavailable> {
        let read = |bytes: Zeroizing<Vec<u8>>| {
            let mut document = Document::parse(&bytes)?;
            match document.number("Version") {
                Some(1) => document.lease(&MEMBERS),
                _ => Err("Version is not 1".to_owned()),
            }
        };

        let output = self
            .output()
            .map_err(|reason| Unavailable::Failed(format!("credential_process: {reason}")))?;
        read(output).map_err(|reason| {
            Unavailable::Failed(format!("the output of credential_process: {reason}"))
        })
    }
}

/// The reason why there is no output.
enum RunError {
    Timeout,
    Other(String),
}

impl From<String> for RunError {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

/// A running program. When it is dropped, the program and the processes that it started are killed.
struct Run<'a> {
    child: Child,
    clock: &'a dyn Clock,
    ends: Instant,
}

impl Run<'_> {
    /// Reads all of the output, and waits for the program to end.
    fn collect(&mut self) -> Result<Zeroizing<Vec<u8>>, RunError> {
        let output = read_in_thread(self.child.stdout.take())?;
        let mut ended = None;
        let bytes = loop {
            match output.recv_timeout(POLL) {
                Ok(read) => break read,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("has no output".to_owned().into());
                }
                Err(RecvTimeoutError::Timeout) if self.clock.instant() >= self.ends => {
                    return Err(RunError::Timeout);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            // The program may have ended while a process that it left running keeps the output
            // open.
            if ended.is_none() && self.status()?.is_some() {
                ended = Some(Instant::now());
            }
            if ended.is_some_and(|ended| ended.elapsed() >= GRACE) {
                self.end_group();
                break output.recv_timeout(GRACE).map_err(|_| {
                    "left a process running in another session, which keeps the output open"
                        .to_owned()
                })?;
            }
        };

        let bytes = bytes.map_err(|error| format!("cannot be read: {error}"))?;
        if bytes.len() > DOCUMENT_LIMIT {
            return Err(format!("printed more than {DOCUMENT_LIMIT} bytes").into());
        }

        let status = loop {
            match self.status()? {
                Some(status) => break status,
                None if self.clock.instant() >= self.ends => return Err(RunError::Timeout),
                None => std::thread::sleep(POLL),
            }
        };

        if !status.success() {
            return Err(format!("failed ({status}): run it by hand to see why").into());
        }

        Ok(bytes)
    }

    fn status(&mut self) -> Result<Option<ExitStatus>, String> {
        self.child.try_wait().map_err(|error| format!("cannot be waited for: {error}"))
    }

    /// Kills the processes that the program started, as far as they are still in its process group.
    ///
    /// The standard library cannot send signals. Some versions of the program `kill` (procps 4.0.2)
    /// signal every process of the machine when they are given the negative number of a group.
    /// Therefore `kill` receives the numbers of the group's members, never that of the group.
    fn end_group(&self) {
        /// A process may start another one while it is being killed.
        const ROUNDS: u32 = 3;
        for _ in 0..ROUNDS {
            let members = members_of(self.child.id());
            if members.is_empty() {
                return;
            }
            let mut kill = Command::new("kill");
            kill.arg("-KILL").args(members.iter().map(u32::to_string));
            // On systems without that program, the processes keep running.
            drop(kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.end_group();
        // Usually the program has already ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the members of a process group that have not ended.
#[cfg(target_os = "linux")]
fn members_of(group: u32) -> Vec<u32> {
    /// A program that prints keys does not leave more processes running.
    const MAX_MEMBERS: usize = 64;
    let is_member = |process: &u32| {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else {
            return false;
        };
        // `PID (NAME) STATE PARENT GROUP ...`, where the name may contain any text.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        fields.next() != Some("Z")
            && fields.nth(1).and_then(|field| field.parse().ok()) == Some(group)
    };

    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|process| *process > 1 && is_member(process)).take(MAX_MEMBERS).collect()
}

/// Returns nothing: on other systems the processes cannot be listed without a system call.
#[cfg(not(target_os = "linux"))]
fn members_of(_: u32) -> Vec<u32> {
    Vec::new()
}

/// The number of threads that are reading an output.
static READERS: AtomicUsize = AtomicUsize::new(0);

/// Counts a thread in [`READERS`] while it exists.
struct Reader;

impl Drop for Reader {
    fn drop(&mut self) {
        READERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads an output in a new thread, because reading from a pipe has no deadline. The thread ends
/// when the last process that holds the output open ends.
fn read_in_thread(
    stdout: Option<ChildStdout>,
) -> Result<Receiver<io::Result<Zeroizing<Vec<u8>>>>, String> {
    let stdout = stdout.ok_or("has no output")?;
    if READERS.fetch_add(1, Ordering::Relaxed) >= MAX_READERS {
        READERS.fetch_sub(1, Ordering::Relaxed);
        return Err(
            "cannot be run again: processes left by earlier runs keep their output open".to_owned()
        );
    }

    let reader = Reader;
    let (sender, receiver) = mpsc::sync_channel(1);
    let read = move || {
        let _reader = reader;
        let mut bytes = Zeroizing::new(Vec::with_capacity(DOCUMENT_LIMIT + 1));
        let read = stdout.take(DOCUMENT_LIMIT as u64 + 1).read_to_end(&mut bytes);
        // After the deadline, the receiver no longer exists.
        let _ = sender.send(read.map(|_| bytes));
    };

    let thread = std::thread::Builder::new().name("s3driver-process".to_owned());
    thread.spawn(read).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(receiver)
}

/// Splits a command at white space that is not inside quotes. Escapes are not supported, so that
/// Windows paths can be written as they are.
fn words(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }

    words.extend(word);
    match quote {
        None => Ok(words),
        Some(open) => Err(format!("a quote ({open}) is not closed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_without_a_shell() {
        for (command, expected) in [
            ("prog", vec!["prog"]),
            ("  prog  a\tb\n c ", vec!["prog", "a", "b", "c"]),
            (r#""/opt/my tools/prog" --name "a b""#, vec!["/opt/my tools/prog", "--name", "a b"]),
            (r#"prog --name="a b"c"#, vec!["prog", "--name=a bc"]),
            (r#"prog "" ''"#, vec!["prog", "", ""]),
            (r#"sh -c 'echo "$HOME" | cat'"#, vec!["sh", "-c", r#"echo "$HOME" | cat"#]),
            (r"C:\tools\prog.exe $HOME ; rm", vec![r"C:\tools\prog.exe", "$HOME", ";", "rm"]),
            ("", vec![]),
        ] {
            assert_eq!(words(command).unwrap(), expected, "{command}");
        }

        assert!(words("prog \"open").is_err());
    }
}
