//! Signals that end the program. Before it ends, the program undoes what it has begun.
use crate::failure::{Exit, Failure, Outcome};
use s3driver::Cancel;
use std::process;

/// The exit code of a second signal, which ends the program at once.
const INTERRUPTED: i32 = 130;

/// Returns a token that is cancelled by the first SIGINT, SIGTERM or SIGHUP. A second signal ends
/// the program without a clean-up.
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
