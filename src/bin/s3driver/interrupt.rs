//! Signals that end the program: what was begun is taken back first.
use crate::failure::{Exit, Failure, Outcome};
use s3driver::Cancel;
use std::process;

/// The exit code of a second signal, which ends the program at once.
const INTERRUPTED: i32 = 130;

/// Returns a token that the first SIGINT, SIGTERM or SIGHUP cancels. A second signal ends the
/// program without cleaning up.
pub(crate) fn token() -> Outcome<Cancel> {
    let cancel = Cancel::new();
    let cancelled = cancel.clone();
    let handler = move || {
        if cancelled.is_cancelled() {
            process::exit(INTERRUPTED);
        }
        cancelled.cancel();
    };
    ctrlc::set_handler(handler).map_err(|error| {
        Failure::new(Exit::Failure, format!("the handler of signals cannot be set: {error}"))
    })?;
    Ok(cancel)
}
