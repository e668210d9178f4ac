//! A program that prints keys: `credential_process`.

use super::document::{Document, Members, Presence};
use super::http::DOCUMENT_LIMIT;
use super::{Context, Lease, Source, Unavailable};
use crate::clock::Clock;
use std::fmt;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long the program may run: some ask a person, or an identity provider far away.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long to wait before looking again whether the program has ended; only after it closed its output.
const POLL: Duration = Duration::from_millis(5);

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
/// error is discarded, as it may tell secrets. Programs it leaves behind are not ended with it.
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

    /// The same with another deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    fn output(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        let words = words(&self.command)?;
        let Some((program, arguments)) = words.split_first() else { return Err("the command is empty".to_owned()) };
        let ends = self.clock.instant() + self.deadline;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
        let output = self.collect(&mut child, ends);
        if output.is_err() {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            let _ = child.wait();
        }
        output.map_err(|reason| format!("`{program}` {reason}"))
    }

    /// Reads to the end of the output, then waits for the end of the program.
    fn collect(&self, child: &mut Child, ends: Instant) -> Result<Zeroizing<Vec<u8>>, String> {
        let late = || format!("did not end within {} s", self.deadline.as_secs_f32());
        let stdout = child.stdout.take().ok_or("has no output")?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let reader = move || {
            let mut bytes = Zeroizing::new(Vec::with_capacity(DOCUMENT_LIMIT + 1));
            let read = stdout.take(DOCUMENT_LIMIT as u64 + 1).read_to_end(&mut bytes);
            // Nobody listens any more after the deadline.
            let _ = sender.send(read.map(|_| bytes));
        };
        std::thread::Builder::new().spawn(reader).map_err(|error| format!("cannot be read: {error}"))?;
        let left = ends.saturating_duration_since(self.clock.instant());
        let bytes =
            receiver.recv_timeout(left).map_err(|_| late())?.map_err(|error| format!("cannot be read: {error}"))?;
        if bytes.len() > DOCUMENT_LIMIT {
            return Err(format!("printed more than {DOCUMENT_LIMIT} bytes"));
        }
        let status = loop {
            match child.try_wait().map_err(|error| format!("cannot be waited for: {error}"))? {
                Some(status) => break status,
                None if self.clock.instant() >= ends => return Err(late()),
                None => self.clock.sleep(POLL),
            }
        };
        if !status.success() {
            return Err(format!("failed ({status}): run it by hand to see why"));
        }
        Ok(bytes)
    }
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
        let output = self.output().map_err(|reason| Unavailable::Failed(format!("credential_process: {reason}")))?;
        read(output).map_err(|reason| Unavailable::Failed(format!("the output of credential_process: {reason}")))
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
