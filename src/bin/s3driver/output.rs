//! The standard output: lines for people, JSON for programs.
use crate::failure::{Exit, Failure, Outcome};
use serde_json::Value;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The standard output, in one of its two forms.
pub(crate) struct Output {
    json: bool,
    is_terminal: bool,
    stream: Mutex<BufWriter<Stdout>>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Self { json, is_terminal, stream: Mutex::new(BufWriter::new(stdout)) }
    }

    pub(crate) const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Prints one result: a line of text, or one JSON value on a line.
    pub(crate) fn print(
        &self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Outcome {
        let mut line = if self.json { json().to_string() } else { text() };
        line.push('\n');
        self.write(line.as_bytes())
    }

    /// Writes bytes unchanged.
    pub(crate) fn write(&self, bytes: &[u8]) -> Outcome {
        let mut stream = self.stream();
        let written = stream.write_all(bytes);
        let flushed = if self.is_terminal { stream.flush() } else { Ok(()) };
        written.and(flushed).map_err(|error| failed(&error))
    }

    pub(crate) fn flush(&self) -> Outcome {
        self.stream().flush().map_err(|error| failed(&error))
    }

    fn stream(&self) -> MutexGuard<'_, BufWriter<Stdout>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::new(Exit::ReaderLeft, "the reader of the output closed the pipe")
    } else {
        Failure::local("writing the output", error)
    }
}

/// Formats a key or a file name for one line of output: control characters are escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
