//! Progress bars, which are shown only when the standard error is a terminal.
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::time::Duration;

/// How often per second a bar is drawn.
const DRAWS: u8 = 8;

/// How often the time and the rate are updated while no bytes arrive.
const TICK: Duration = Duration::from_millis(250);

/// Whether long operations show their progress.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bars {
    Shown,
    Hidden,
}

impl Bars {
    /// Returns [`Bars::Shown`] when the standard error is a terminal and bars are not hidden.
    pub(crate) fn unless(hidden: bool) -> Self {
        if hidden || !io::stderr().is_terminal() { Self::Hidden } else { Self::Shown }
    }

    /// Starts a bar for the bytes of one object. Its size becomes known when the transfer has
    /// begun.
    pub(crate) fn bytes(self, name: &str) -> Bar {
        let style = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} eta {eta}";
        self.start(name, style, Meaning::Whole)
    }

    /// Starts a line for the bytes of several objects, whose number is not known.
    pub(crate) fn total(self) -> Bar {
        self.start("", "{msg} {bytes} {bytes_per_sec} {elapsed}", Meaning::Sum)
    }

    /// Starts a line for the bytes of a stream, whose length is not known.
    pub(crate) fn stream(self, name: &str) -> Bar {
        self.start(name, "{msg} {bytes} {bytes_per_sec} {elapsed}", Meaning::Sum)
    }

    fn start(self, name: &str, template: &str, meaning: Meaning) -> Bar {
        let bar = match self {
            Self::Hidden => ProgressBar::hidden(),
            Self::Shown => {
                ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(DRAWS))
            }
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(crate::text::shown(name));
        if matches!(self, Self::Shown) {
            bar.enable_steady_tick(TICK);
        }
        Bar { bar, meaning }
    }
}

/// The quantity that a bar measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// One object of a known size.
    Whole,
    /// The sum of all bytes so far.
    Sum,
}

/// A progress bar. Dropping it leaves its last state on the terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
    meaning: Meaning,
}

impl Bar {
    /// Adds bytes that have been transferred, for an object of `total` bytes.
    pub(crate) fn advance(&self, bytes: u64, total: u64) {
        if self.meaning == Meaning::Whole {
            self.bar.set_length(total);
        }
        self.bar.inc(bytes);
    }

    /// Shows the number of objects that are finished.
    pub(crate) fn count(&self, objects: u64) {
        self.bar.set_message(format!("{objects} objects"));
    }

    /// Hides the bar while `print` runs.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.abandon();
    }
}
