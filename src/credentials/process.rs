//! A program that prints keys: `credential_process`.

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

/// How long the program may run: some ask a person, or an identity provider far away.
const DEADLINE: Duration = Duration::from_secs(60);

/// The longest deadline that can be set: no person takes longer to log in.
const LONGEST_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// How long to wait before looking again whether the program has ended.
const POLL: Duration = Duration::from_millis(10);

/// How long a program that has ended is waited for to close its output, which processes that it left may hold.
const GRACE: Duration = Duration::from_millis(500);

/// So many threads may wait for outputs that stay open, over all refreshes: one for each program run at once, as a rule.
const MOST_READERS: usize = 32;

const MEMBERS: Members = Members {
    access_key_id: "AccessKeyId",
    secret_access_key: "SecretAccessKey",
    session_token: "SessionToken",
    expiration: "Expiration",
    temporary: Presence::Optional,
};

/// Keys printed by a program
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>).
///
/// The command is split at white space, quotes (`"` or `'`) keep words together, and no shell runs it: write
/// `sh -c '...'` if you need one. It gets no input, at most 60 s and 64 KiB of output. What it writes to its standard
/// error is discarded, as it may hold secrets. It runs in a process group of its own, so it cannot read from a terminal. Once
/// it has ended, what it started and left in that group is ended too, on Linux and with the help of the program `kill`; a
/// daemon that began a session of its own is left alone.
pub struct Process {
    command: String,
    clock: Arc<dyn Clock>,
    deadline: Duration,
}

impl Process {
    /// Runs `command` at each refresh.
    pub fn new(command: impl Into<String>, context: &Context) -> Self {
        Self { command: command.into(), clock: Arc::clone(context.clock()), deadline: DEADLINE }
    }

    /// The same with another deadline, of an hour at most.
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
            Ended::Late => {
                format!("`{shown}` did not end within {} s", self.deadline.as_secs_f32())
            }
            Ended::Otherwise(reason) => format!("`{shown}` {reason}"),
        })
    }
}

/// A program that runs. However it is left, the program and what it started are ended.
struct Run<'a> {
    child: Child,
    clock: &'a dyn Clock,
    ends: Instant,
}

/// Why there is no output.
enum Ended {
    Late,
    Otherwise(String),
}

impl From<String> for Ended {
    fn from(reason: String) -> Self {
        Self::Otherwise(reason)
    }
}

impl Run<'_> {
    /// Reads to the end of the output, and waits for the end of the program.
    fn collect(&mut self) -> Result<Zeroizing<Vec<u8>>, Ended> {
        let output = read_in_thread(self.child.stdout.take())?;
        let mut ended = None;
        let bytes = loop {
            match output.recv_timeout(POLL) {
                Ok(read) => break read,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("has no output".to_owned().into());
                }
                Err(RecvTimeoutError::Timeout) if self.clock.instant() >= self.ends => {
                    return Err(Ended::Late);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            // The program may be gone, and a process that it left may keep the output open.
            if ended.is_none() && self.status()?.is_some() {
                ended = Some(Instant::now());
            }
            if ended.is_some_and(|ended| ended.elapsed() >= GRACE) {
                self.end_group();
                break output.recv_timeout(GRACE).map_err(|_| {
                    "left a process in a session of its own that keeps its output open".to_owned()
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
                None if self.clock.instant() >= self.ends => return Err(Ended::Late),
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

    /// Ends what the program started, as far as it is in the program's process group still.
    ///
    /// The standard library cannot signal a process, and the program `kill` signals every process of the machine when some
    /// versions of it (procps 4.0.2) are given a group's negative number: it gets the members' own numbers, never a group.
    fn end_group(&self) {
        /// A member may start another one while it is being ended.
        const ROUNDS: u32 = 3;
        for _ in 0..ROUNDS {
            let members = members_of(self.child.id());
            if members.is_empty() {
                return;
            }
            let mut kill = Command::new("kill");
            kill.arg("-KILL").args(members.iter().map(u32::to_string));
            // Where there is no such program, they live on.
            drop(kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
        }
    }
}

/// Returns the processes of a process group that have not ended.
#[cfg(target_os = "linux")]
fn members_of(group: u32) -> Vec<u32> {
    /// A program that leaves more is not one that prints keys.
    const MOST: usize = 64;
    let is_member = |process: &u32| {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else {
            return false;
        };
        // `PID (NAME) STATE PARENT GROUP ...`, where the name may hold anything.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        fields.next() != Some("Z")
            && fields.nth(1).and_then(|field| field.parse().ok()) == Some(group)
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(|process| *process > 1 && is_member(process)).take(MOST).collect()
}

/// Other systems have no list of processes that can be read without a system call.
#[cfg(not(target_os = "linux"))]
fn members_of(_: u32) -> Vec<u32> {
    Vec::new()
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.end_group();
        // It has ended by itself as a rule.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The threads that read an output which is still open.
static READERS: AtomicUsize = AtomicUsize::new(0);

/// Counts a thread in [`READERS`].
struct Reader;

impl Drop for Reader {
    fn drop(&mut self) {
        READERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads an output in a thread of its own, since a pipe has no deadline. The thread ends with the last process that holds
/// the output open.
fn read_in_thread(
    stdout: Option<ChildStdout>,
) -> Result<Receiver<io::Result<Zeroizing<Vec<u8>>>>, String> {
    let stdout = stdout.ok_or("has no output")?;
    if READERS.fetch_add(1, Ordering::Relaxed) >= MOST_READERS {
        READERS.fetch_sub(1, Ordering::Relaxed);
        return Err("cannot be run again: processes that earlier runs left keep their output open"
            .to_owned());
    }
    let reader = Reader;
    let (sender, receiver) = mpsc::sync_channel(1);
    let read = move || {
        let _reader = reader;
        let mut bytes = Zeroizing::new(Vec::with_capacity(DOCUMENT_LIMIT + 1));
        let read = stdout.take(DOCUMENT_LIMIT as u64 + 1).read_to_end(&mut bytes);
        // Nothing is received any more after the deadline.
        let _ = sender.send(read.map(|_| bytes));
    };
    let thread = std::thread::Builder::new().name("s3driver-process".to_owned());
    thread.spawn(read).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(receiver)
}

/// Without the command: its words may hold a secret.
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

/// Splits a command at white space; quotes keep it. There are no escapes, so that Windows paths need none.
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
