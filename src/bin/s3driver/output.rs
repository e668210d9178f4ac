//! The standard output: lines for people, JSON for programs.
use crate::failure::{Exit, Failure, Outcome};
use crate::text::{json_line, lines};
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

    /// Prints one result: a line of text, or one JSON value on a line. Fails with
    /// [`Exit::ReaderLeft`] when the reader of the output has closed the pipe, which ends commands
    /// that only read.
    pub(crate) fn print(
        &self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Outcome {
        let mut line = if self.json { json_line(&json()) } else { lines(&text()) };
        line.push('\n');
        self.write(line.as_bytes())
    }

    /// Prints a line about work that has been done, like [`Output::print`]. The work goes on when
    /// the reader of the output has closed the pipe, as `head` does: a command that changes
    /// something must not end in the middle with the exit code of a success.
    pub(crate) fn report(
        &self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Outcome {
        match self.print(text, json) {
            Err(failure) if failure.exit() == Exit::ReaderLeft => Ok(()),
            printed => printed,
        }
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
