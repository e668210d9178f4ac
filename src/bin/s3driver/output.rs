//! The standard output: lines for people, JSON for programs.
use crate::escape;
use crate::failure::{Exit, Failure, Outcome};
use serde_json::Value;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};
use std::path::Path;
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

/// Formats a key or another text from outside for one line of output: characters that could break
/// the line, control a terminal or deceive the reader are escaped.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(escape::Escaped).map(|c| c.to_string()).collect()
}

/// Formats a path for one line of output, like [`shown`].
pub(crate) fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// Formats several lines: everything that [`shown`] escapes, except the ends of lines.
pub(crate) fn lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// Formats a value as JSON on one line. Characters that [`shown`] escapes occur only in strings,
/// where JSON has an escape for each of them, so that programs read the same text.
pub(crate) fn json_line(value: &Value) -> String {
    let mut line = String::new();
    for c in value.to_string().chars() {
        if escape::is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_neither_controls_the_terminal_nor_deceives_the_reader() {
        let text = "a\u{1b}[2Jb\n\u{9b}\u{202e}\u{2028}\u{200b}\u{e0041}\u{e9}";
        let plain = shown(text);
        assert_eq!(plain, "a\\u{1b}[2Jb\\n\\u{9b}\\u{202e}\\u{2028}\\u{200b}\\u{e0041}\u{e9}");
        assert_eq!(shown(&plain), plain, "escaped text is not escaped again");
        assert_eq!(lines("a\nb\r"), "a\nb\\r");

        let line = json_line(&Value::from(text));
        assert!(line.chars().all(|c| !escape::is_escaped(c)), "{line}");
        assert!(line.contains("\\u202e") && line.contains("\\udb40\\udc41"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON"), Value::from(text));
    }
}
